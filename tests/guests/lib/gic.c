/* SPDX-License-Identifier: BSD-2-Clause */
/* See gic.h. */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"

void gic_cpu_init(void)
{
	write32(DIST_ICENABLER(0), UINT32_C(0xffffffff));
	write32(CPUIF_PMR, 0xff);
	write32(CPUIF_BPR, 0);
	write32(CPUIF_CTLR, GICC_CTLR_GRP0);
}

void gic_init(void)
{
	write32(DIST_CTLR, 0);
	for (uint32_t n = 1; n <= FIELD(read32(DIST_TYPER), 0, 5); n++)
		write32(DIST_ICENABLER(n), UINT32_C(0xffffffff));
	write32(DIST_CTLR, 1);
	gic_cpu_init();
}

void gic_enable(uint32_t irq)
{
	write32(DIST_ISENABLER(irq / 32), BIT(irq % 32));
}

void gic_disable(uint32_t irq)
{
	write32(DIST_ICENABLER(irq / 32), BIT(irq % 32));
}

void gic_set_pending(uint32_t irq)
{
	write32(DIST_ISPENDR(irq / 32), BIT(irq % 32));
}

void gic_clear_pending(uint32_t irq)
{
	write32(DIST_ICPENDR(irq / 32), BIT(irq % 32));
}

void gic_set_priority(uint32_t irq, uint32_t priority)
{
	write8(DIST_IPRIORITYR(0) + irq, priority);
}

bool gic_is_pending(uint32_t irq)
{
	return read32(DIST_ISPENDR(irq / 32)) & BIT(irq % 32);
}

bool gic_is_active(uint32_t irq)
{
	return read32(DIST_ISACTIVER(irq / 32)) & BIT(irq % 32);
}

void gic_target_self(uint32_t irq)
{
	write8(DIST_ITARGETSR(0) + irq, BIT(this_cpu()->index));
}

void gic_edge(uint32_t irq, bool edge)
{
	uint32_t shift = irq % 16 * 2 + 1;
	uint32_t v = read32(DIST_ICFGR(irq / 16)) & ~BIT(shift);

	write32(DIST_ICFGR(irq / 16), v | (edge ? BIT(shift) : 0));
}

void gic_sgi_self(uint32_t sgi)
{
	write32(DIST_SGIR, BIT(25) | sgi);
}

void gic_settle(void)
{
	dsb();
	isb();
	for (unsigned int i = 0; i < 64; i++)
		nop();
}
