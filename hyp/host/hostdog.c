/* SPDX-License-Identifier: BSD-2-Clause */
/* See hostdog.h. */
#include <stdbool.h>

#include <arm/copy.h>
#include <arm/io.h>

#include "hyp/lib/log.h"
#include "hyp/host/hostdev.h"
#include "hyp/host/hostdog.h"
#include "hyp/lib/bits.h"
#include "mm/hypmap.h"

#define POKES_MAX 3U

struct poke {
	uint16_t offset;
	uint32_t value;
};

struct hostdog_model {
	uint32_t size;    /* of its registers */
	uint32_t width;   /* of each, bytes: 2 or 4 */
	uint16_t control; /* has a bit of `on` set while it counts */
	uint32_t on;
	uint32_t pokes; /* which make it start from the beginning */
	struct poke poke[POKES_MAX];
};

/* i.MX: WCR.WDE, and WSR with its two words (i.MX7D manual 6.2, WDOG). */
const struct hostdog_model hostdog_imx = {0x10, 2, 0x00, BIT(2), 2, {{0x02, 0x5555}, {0x02, 0xaaaa}}};
/* Allwinner: mode's enable bit, and the control register's key and restart bit (A20 and H3 manuals, watchdog). */
const struct hostdog_model hostdog_sun4i = {0x10, 4, 0x04, BIT(0), 1, {{0x00, 0xa57U << 1 | 1U}}};
const struct hostdog_model hostdog_sun6i = {0x20, 4, 0x18, BIT(0), 1, {{0x10, 0xa57U << 1 | 1U}}};
/* DesignWare: WDT_CR.WDT_EN, WDT_CRR. */
const struct hostdog_model hostdog_dw = {0x10, 4, 0x00, BIT(0), 1, {{0x0c, 0x76}}};
/* SP805: WdogControl.RESEN; WdogIntClr between WdogLock open and closed (DDI 0270 3.3). */
const struct hostdog_model hostdog_sp805 = {0x1000, 4, 0x08, BIT(1), 3, {{0xc00, 0x1acce551}, {0x0c, 1}, {0xc00, 0}}};
/* Aspeed: WDT0C bit 0, WDT08's word. */
const struct hostdog_model hostdog_aspeed = {0x20, 4, 0x0c, BIT(0), 1, {{0x08, 0x4755}}};

/* The watchdogs that are on. */
static struct dog {
	const struct hostdog_model *model;
	volatile uint8_t *regs;
	struct hostdev claim;
} dogs[HOST_DOGS_MAX];
static uint32_t dog_count;

void hostdog_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver)
{
	struct host *host = scan->host;
	struct host_range reg;

	if (host->dog_count < HOST_DOGS_MAX && dt_reg(node, 0, &reg))
		host->dog[host->dog_count++] =
			(struct host_dog){driver->compatible, reg.base, driver->data, node->offset};
}

static bool is_on(const struct hostdog_model *model, volatile uint8_t *regs)
{
	uint32_t value;

	return load_device_checked(&value, regs + model->control, model->width) == 0 && value & model->on;
}

static void pet_one(const struct dog *dog)
{
	for (uint32_t i = 0; i < dog->model->pokes; i++) {
		const struct poke *poke = &dog->model->poke[i];

		if (dog->model->width == sizeof(uint16_t))
			io_write16(dog->regs + poke->offset, (uint16_t)poke->value);
		else
			io_write32(dog->regs + poke->offset, poke->value);
	}
}

void hostdog_pet(void)
{
	for (uint32_t i = 0; i < dog_count; i++)
		pet_one(&dogs[i]);
}

void hostdog_init(const struct host *host)
{
	for (uint32_t i = 0; i < host->dog_count; i++) {
		const struct host_dog *found = &host->dog[i];
		struct dog *dog = &dogs[dog_count];

		dog->model = found->model;
		dog->regs = hyp_map_device(found->base, dog->model->size);
		if (!dog->regs || !is_on(dog->model, dog->regs))
			continue;
		dog->claim.node = found->node;
		(void)hostdev_claim(&dog->claim, "virt7, which pets it"); /* there are no claims yet */
		dog_count++;
		log_info("host: the watchdog %s at 0x%llx is on: virt7 pets it while every CPU takes interrupts",
			 found->compatible, (unsigned long long)found->base);
	}
	hostdog_pet();
}

bool hostdog_is_on(void)
{
	return dog_count > 0;
}
