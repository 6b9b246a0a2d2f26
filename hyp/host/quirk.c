/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Quirks of chips. Each says why it is there; one that a better device tree would make superfluous goes when the tree
 * is better.
 */
#include <arm/io.h>

#include "hyp/host/quirk.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/log.h"
#include "mm/hypmap.h"

#define EXYNOS_MCT_G_TCON 0x101c0240U
#define G_TCON_START      BIT(8)

/* CNTPCT is the MCT's counter, which firmware need not have started (Exynos 5250 manual, 23.5). */
void quirk_exynos_counter(struct host *host)
{
	volatile uint8_t *control = hyp_map_device(EXYNOS_MCT_G_TCON, sizeof(uint32_t));

	if (control)
		io_write32(control, io_read32(control) | G_TCON_START);
}

/* The tree wires the UARTs to EXTI, and leaves to the driver which of the GIC's interrupts that is (RM0436, table 118).
 */
void quirk_stm32_uart(struct host *host)
{
	static const struct {
		uint32_t base, irq;
	} uarts[] = {
		{0x5c000000, 32 + 37}, {0x4000e000, 32 + 38}, {0x4000f000, 32 + 39}, {0x40010000, 32 + 52},
		{0x40011000, 32 + 53}, {0x44003000, 32 + 71}, {0x40018000, 32 + 82}, {0x40019000, 32 + 83},
	};

	for (size_t i = 0; i < ARRAY_SIZE(uarts); i++)
		if (host->uart.irq == 0 && host->uart.base == uarts[i].base)
			host->uart.irq = uarts[i].irq;
}
