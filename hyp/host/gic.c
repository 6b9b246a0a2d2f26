/* SPDX-License-Identifier: BSD-2-Clause */
/* GICv2 driver, IHI 0048B chapter 4. HYP takes every physical interrupt of the non-secure side. Compiled for speed. */
#include <errno.h>

#include <arm/barrier.h>
#include <arm/io.h>
#include <arm/spinlock.h>

#include "hyp/host/gic.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/cpu.h"
#include "hyp/lib/log.h"
#include "hyp/lib/option.h"
#include "mm/hypmap.h"

#define GICC_PMR_ALL      0xf0U
#define GICC_CTLR_ENABLE  BIT(0)
#define GICC_CTLR_EOIMODE BIT(9) /* the non-secure copy's */
#define GIC_HYP_PRIORITY  0xa0a0a0a0U
#define GIC_REGION        0x1000U
#define PROBE_READS       32U /* of GICC_IAR: some microseconds on a board */

volatile uint8_t *gic_gich, *gic_gicc;
bool gic_forgets_level;
static volatile uint8_t *gicd, *gicv;
static uint8_t cpu_target[CPU_MAX]; /* the GIC's number of each CPU, as a mask */

uint32_t gic_lines(void)
{
	return 32U * (FIELD(io_read32(gicd + GICD_TYPER), 0, 5) + 1U);
}

int gic_init(const struct host *host)
{
	gicd = hyp_map_device(host->gicd, GIC_REGION);
	gic_gicc = hyp_map_device(host->gicc, 2 * GIC_REGION);
	gic_gich = hyp_map_device(host->gich, GIC_REGION);
	gicv = hyp_map_device(host->gicv, GIC_REGION);
	if (!gicd || !gic_gicc || !gic_gich || !gicv) {
		log_err("host: no room to map the GIC");
		return -ENODEV;
	}
	io_write32(gicd + GICD_CTLR, 0);
	for (uint32_t id = 32; id < gic_lines(); id += 32) {
		io_write32(gicd + GICD_ICENABLER + id / 8, ~0U);
		io_write32(gicd + GICD_ICPENDR + id / 8, ~0U);
		io_write32(gicd + GICD_ICACTIVER + id / 8, ~0U);
	}
	for (uint32_t id = 32; id < gic_lines(); id += 4)
		io_write32(gicd + GICD_IPRIORITYR + id, GIC_HYP_PRIORITY);
	io_write32(gicd + GICD_CTLR, 1);
	return 0;
}

void gic_init_cpu(void)
{
	cpu_target[cpu_id()] =
		io_read8(gicd + GICD_ITARGETSR); /* banked: this CPU's own mask; 0 where there is one CPU */
	if (cpu_target[cpu_id()] == 0)
		cpu_target[cpu_id()] = 1;
	io_write32(gicd + GICD_ICENABLER, 0xffff0000U);
	io_write32(gicd + GICD_ICACTIVER, ~0U);
	for (uint32_t id = 0; id < 16; id += 4) /* firmware's: a byte each, a bit for each source, 4.3.16 */
		io_write32(gicd + GICD_CPENDSGIR + id, ~0U);
	for (uint32_t id = 0; id < 32; id += 4)
		io_write32(gicd + GICD_IPRIORITYR + id, GIC_HYP_PRIORITY);
	io_write32(gicd + GICD_ISENABLER, 0x0000ffffU);
	io_write32(gic_gicc + GICC_PMR, GICC_PMR_ALL);
	io_write32(gic_gicc + GICC_BPR, 7); /* no preemption among HYP's interrupts: it runs masked anyway */
	io_write32(gic_gicc + GICC_CTLR, GICC_CTLR_ENABLE | GICC_CTLR_EOIMODE);
	io_write32(gic_gich + GICH_HCR, 0);
	for (uint32_t lr = 0; lr <= FIELD(io_read32(gic_gich + GICH_VTR), 0, 6); lr++)
		io_write32(gic_gich + GICH_LR0 + 4U * lr, 0);
}

uint32_t gic_list_registers(void)
{
	uint32_t count = FIELD(io_read32(gic_gich + GICH_VTR), 0, 6) + 1U;

	return options.list_registers ? MIN(count, options.list_registers) : count;
}

void gic_look_again(void)
{
	io_write32(gic_gicc + GICC_PMR, GICC_PMR_ALL); /* changes nothing; any write makes QEMU's GIC update */
}

/* What is acknowledged and not dropped would keep this CPU from all others: they have one priority. */
static void end_irq(uint32_t iar)
{
	if ((iar & 0x3ffU) >= GIC_SPURIOUS)
		return;
	gic_drop(iar);
	gic_deactivate(iar);
}

void gic_probe_level(uint32_t id)
{
	uint32_t iar = gic_acknowledge();

	if ((iar & 0x3ffU) != id) {
		end_irq(iar); /* the line is not up, or behind another interrupt: nothing to learn */
		return;
	}
	gic_drop(iar);
	io_write32(gic_gich + GICH_LR0, GICH_LR_HW | GICH_LR_PENDING | GICH_LR_PHYS(id) | id);
	io_write32(gic_gich + GICH_HCR, GICH_HCR_EN);
	io_write32(gicv + GICC_PMR, GICC_PMR_ALL);
	io_write32(gicv + GICC_CTLR, GICC_CTLR_ENABLE);
	io_write32(gicv + GICC_EOIR, io_read32(gicv + GICC_IAR));
	dsb();
	for (uint32_t tries = 0; tries < PROBE_READS; tries++) {
		iar = gic_acknowledge();
		if ((iar & 0x3ffU) < GIC_SPURIOUS)
			break;
	}
	gic_forgets_level = (iar & 0x3ffU) != id;
	end_irq(iar);
	io_write32(gicv + GICC_CTLR, 0);
	io_write32(gic_gich + GICH_HCR, 0);
}

void gic_set_target(uint32_t id, uint32_t cpu)
{
	if (id >= 32) /* those of private interrupts are read-only, 4.3.12 */
		io_write8(gicd + GICD_ITARGETSR + id, cpu_target[cpu]);
}

void gic_enable(uint32_t id)
{
	io_write32(gicd + GICD_ISENABLER + id / 32 * 4, BIT(id % 32));
}

void gic_set_active(uint32_t id, bool active)
{
	io_write32(gicd + (active ? GICD_ISACTIVER : GICD_ICACTIVER), BIT(id));
}

bool gic_is_active(uint32_t id)
{
	return io_read32(gicd + GICD_ISACTIVER) & BIT(id);
}

void gic_disable_spi(uint32_t id)
{
	io_write32(gicd + GICD_ICENABLER + id / 32 * 4, BIT(id % 32));
}

void gic_end_spi(uint32_t id)
{
	io_write32(gicd + GICD_ICACTIVER + id / 32 * 4, BIT(id % 32));
}

bool gic_spi_is_pending(uint32_t id)
{
	return io_read32(gicd + GICD_ISPENDR + id / 32 * 4) & BIT(id % 32);
}

void gic_clear_pending_spi(uint32_t id)
{
	io_write32(gicd + GICD_ICPENDR + id / 32 * 4, BIT(id % 32));
}

/* Two bits an interrupt, of which the upper one counts; they can be written by words only (4.3.13). */
bool gic_set_edge(uint32_t id, bool edge)
{
	static struct spinlock lock;
	volatile uint8_t *at = gicd + GICD_ICFGR + id / 16 * 4;
	uint32_t bit = BIT(id % 16 * 2 + 1), value;

	spin_lock(&lock);
	value = io_read32(at) & ~bit;
	io_write32(at, edge ? value | bit : value);
	value = io_read32(at);
	spin_unlock(&lock);
	return value & bit;
}

void gic_send_sgi(uint32_t cpu, uint32_t sgi)
{
	dsb_ish(); /* what the other CPU shall see is written */
	io_write32(gicd + GICD_SGIR, (uint32_t)cpu_target[cpu] << 16 | sgi);
}

void gic_send_sgi_others(uint32_t sgi)
{
	dsb_ish();
	io_write32(gicd + GICD_SGIR, 1U << 24 | sgi);
}
