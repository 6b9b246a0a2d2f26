/* SPDX-License-Identifier: BSD-2-Clause */
/* Three kinds of TRNG on boards with Cortex-A7 or A15, as their drivers' bindings and manuals describe them. */
#include <arm/io.h>
#include <arm/sysreg.h>

#include "hyp/host/trng.h"
#include "hyp/lib/bits.h"
#include "mm/hypmap.h"

#define READY_POLLS 100000U /* the slowest gives a word in some ten microseconds */

#define STM32_CR  0x00U /* RM0436 chapter 39 */
#define STM32_SR  0x04U
#define STM32_DR  0x08U
#define CR_RNGEN  BIT(2)
#define SR_DRDY   BIT(0)
#define SR_ERRORS (BIT(1) | BIT(2)) /* CECS, SECS: the clock or the noise is bad now */

#define MEDIATEK_CTRL 0x00U /* mtk-rng.yaml, MT7623 */
#define MEDIATEK_DATA 0x08U
#define CTRL_ENABLE   BIT(0)
#define CTRL_READY    BIT(31)

static bool poll_set(volatile uint8_t *reg, uint32_t bit)
{
	for (uint32_t n = 0; n < READY_POLLS; n++)
		if (io_read32(reg) & bit)
			return true;
	return false;
}

static void stm32_start(volatile uint8_t *regs)
{
	io_write32(regs + STM32_CR, io_read32(regs + STM32_CR) | CR_RNGEN);
}

/* A word of zero is what the register gives after an error (39.3.5). */
static bool stm32_read(volatile uint8_t *regs, uint32_t *word)
{
	if (!poll_set(regs + STM32_SR, SR_DRDY) || io_read32(regs + STM32_SR) & SR_ERRORS)
		return false;
	*word = io_read32(regs + STM32_DR);
	return *word != 0;
}

static void mediatek_start(volatile uint8_t *regs)
{
	io_write32(regs + MEDIATEK_CTRL, io_read32(regs + MEDIATEK_CTRL) | CTRL_ENABLE);
}

static bool mediatek_read(volatile uint8_t *regs, uint32_t *word)
{
	if (!poll_set(regs + MEDIATEK_CTRL, CTRL_READY))
		return false;
	*word = io_read32(regs + MEDIATEK_DATA);
	return true;
}

/* timeriomem_rng.yaml: a register that is another one whenever it is read, if not faster than its period. */
static bool register_read(volatile uint8_t *regs, uint32_t *word)
{
	uint32_t last = *word = io_read32(regs);

	for (uint32_t n = 0; n < READY_POLLS && *word == last; n++)
		*word = io_read32(regs);
	return *word != last;
}

const struct trng_model trng_stm32 = {stm32_start, stm32_read};
const struct trng_model trng_mediatek = {mediatek_start, mediatek_read};
const struct trng_model trng_register = {NULL, register_read};

void trng_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver)
{
	struct host_trng *trng = &scan->host->trng;
	struct host_range reg;

	if (!trng->compatible && dt_reg(node, 0, &reg))
		*trng = (struct host_trng){driver->compatible, reg.base, driver->data};
}

uint32_t trng_read(const struct host_trng *trng, uint32_t *words, uint32_t count)
{
	const struct trng_model *model = trng->model;
	volatile uint8_t *regs = hyp_map_device(trng->base, TRNG_SIZE);
	uint32_t n = 0;

	if (!regs)
		return 0;
	if (model->start)
		model->start(regs);
	while (n < count && model->read(regs, &words[n]))
		n++;
	return n;
}
