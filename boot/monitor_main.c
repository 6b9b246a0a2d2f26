/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The secure side, where virt7 was entered there: what a CPU needs before it goes to HYP, and from then on PSCI for
 * HYP. It does nothing else. A guest cannot reach it: its SMCs trap to HYP (HCR.TSC), and its stage 2 does not map
 * virt7.
 *
 * Runs in Monitor mode at the load address, each CPU on the stack in its slot, with the secure MMU and caches off, so
 * that its data is always in memory: monitor_data lies on cache lines of its own, which HYP never writes. What HYP
 * hands over comes in registers, but for monitor_power, which HYP cleans to the point of coherency. Secure and
 * non-secure lines of one address are different lines: none is ever shared. References: DDI 0406C B1.8.1, B4.1.111
 * (NSACR), B4.1.129 (SCR); IHI 0048B 3.7, 4.3, 4.4; DEN 0022 5.
 */
#include <assert.h>
#include <stddef.h>

#include <arm/barrier.h>
#include <arm/cores.h>
#include <arm/hypregs.h>
#include <arm/io.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "boot/monitor.h"
#include "boot/pen.h"
#include "hyp/host/gicregs.h"
#include "hyp/lib/bits.h"
#include "mm/tlb.h"
#include "psci/smccc.h"

#define SCR_NS    BIT(0)
#define SCR_FW    BIT(4)
#define SCR_AW    BIT(5)
#define SCR_HCE   BIT(8)
#define SCR_VALUE (SCR_NS | SCR_FW | SCR_AW | SCR_HCE) /* no exception comes to the monitor but SMC */
#define NSACR_VFP (BIT(10) | BIT(11))

#define GICD_CTLR_GRP0   BIT(0)
#define GICD_SGIR_OTHERS BIT(24) /* NSATT 0: only where it is Group 0 */

static_assert(offsetof(struct monitor_data, slot) == MONITOR_FIRST_SLOT, "boot/monitor.S finds the first slot");
static_assert(sizeof(struct monitor_slot) == MONITOR_SLOT_SIZE, "boot/monitor.S finds the end of a slot's stack");
static_assert(sizeof(struct monitor_data) % MONITOR_ALIGN == 0, "HYP writes no line of it");

/* Bits of ACTLR, by MIDR without variant and revision. */
static const struct {
	uint32_t part, actlr;
} cores[] = {
#define MODEL(name, part, harden, actlr) {part, actlr},
#include "coproc/model.def"
#undef MODEL
};

static uint32_t place_near(const char *symbol)
{
	return (uint32_t)(uintptr_t)symbol;
}

/*
 * This CPU's secure registers as the monitor wants them, and HYP's, which are unknown after a reset and can be reached
 * once SCR.NS is set (B3.15.3). ICIALLU and BPIALL are done (boot/entry.c). Secure translations were never on here;
 * TLBIALL is for a loader's.
 */
static void set_registers(void)
{
	write_scr(0);
	isb();
	for (unsigned int i = 0; i < ARRAY_SIZE(cores); i++) /* before TLB operations (ACTLR.SMP) */
		if ((read_midr() & MIDR_PART_MASK) == cores[i].part)
			write_actlr(read_actlr() | cores[i].actlr);
	write_vbar(place_near(early_vectors)); /* where an abort of the monitor's ends */
	write_mvbar(place_near(monitor_vectors));
	write_nsacr(NSACR_VFP);
	tlb_forget_old_pl1();
	write_scr(SCR_VALUE);
	isb();
	write_hvbar(place_near(early_vectors));
	write_hsctlr(HSCTLR_RES1);
	write_hcr(0);
	write_cntvoff(0);
	tlb_forget_old_hyp();
}

static uint64_t enter_hyp(uint32_t entry, uint32_t context)
{
	return (uint64_t)entry << 32 | context;
}

uint64_t monitor_begin(uint32_t entry)
{
	for (unsigned int i = 0; i < CPU_MAX; i++) {
		monitor_data.slot[i].mpidr = MONITOR_FREE;
		monitor_data.slot[i].state = MONITOR_OFF;
	}
	monitor_data.slot[0].mpidr = read_mpidr() & MPIDR_AFFINITY;
	monitor_data.slot[0].state = MONITOR_ON;
	monitor_data.installed = 1;
	set_registers();
	return enter_hyp(entry, 0);
}

/* CNTFRQ only where firmware has not set it. */
static void set_frequency(uint32_t hz)
{
	if (read_cntfrq() == 0)
		write_cntfrq(hz);
}

/* All of the CPU's interrupts are the non-secure side's now; an SGI sent meanwhile for another CPU is dropped after
 * that. */
uint64_t monitor_release(volatile struct monitor_slot *slot)
{
	volatile uint8_t *gicd = pen_gic(monitor_data.gicd);

	io_write32(pen_gic(monitor_data.gicc) + GICC_CTLR, 0);
	io_write32(gicd + GICD_IGROUPR, ~0U);
	dsb();
	io_write8(gicd + GICD_CPENDSGIR + MONITOR_SGI, 0xff);
	set_frequency(monitor_data.cntfrq);
	set_registers();
	slot->state = MONITOR_ON;
	dsb();
	return enter_hyp(slot->entry, slot->context);
}

/* A CPU that was never heard of gets a slot. virt7 makes CPU_ON on one CPU at a time (hyp/host/psci.c). */
static uint32_t turn_on(uint32_t mpidr, uint32_t entry, uint32_t context)
{
	volatile struct monitor_slot *slot = monitor_find_slot(mpidr);

	if (!slot)
		slot = monitor_find_slot(MONITOR_FREE);
	if (!slot)
		return PSCI_INVALID_PARAMETERS; /* more CPUs than CPU_MAX */
	if (slot->state == MONITOR_ON)
		return PSCI_ALREADY_ON;
	if (slot->state == MONITOR_PENDING)
		return PSCI_ON_PENDING;
	slot->entry = entry;
	slot->context = context;
	slot->state = MONITOR_PENDING;
	slot->mpidr = mpidr;
	dsb();
	io_write32(pen_gic(monitor_data.gicd) + GICD_SGIR, GICD_SGIR_OTHERS | MONITOR_SGI);
	return PSCI_SUCCESS;
}

/* This CPU stays coherent and powered, so its caches may keep what they hold; whoever comes out of the pen starts anew.
 */
static uint32_t turn_off(void)
{
	volatile struct monitor_slot *slot = monitor_find_slot(read_mpidr() & MPIDR_AFFINITY);

	assume(slot); /* its stack is in use */
	slot->state = MONITOR_OFF;
	dsb();
	monitor_sleep();
}

static uint32_t find_state(uint32_t mpidr)
{
	volatile struct monitor_slot *slot = monitor_find_slot(mpidr);

	return slot ? slot->state : PSCI_INVALID_PARAMETERS;
}

/* An empty list: the board cannot. */
static uint32_t end_power(const struct monitor_write *list)
{
	if (list->address == 0)
		return PSCI_NOT_SUPPORTED;
	for (; list->address; list++) {
		io_write32(pen_gic(list->address), list->value);
		dsb();
	}
	for (;;)
		wfi();
}

/* ACTLR is common to both states, and read-only in the non-secure one (Cortex-A15 TRM). */
static uint32_t add_to_actlr(uint32_t bits)
{
	write_actlr(read_actlr() | bits);
	isb();
	return PSCI_SUCCESS;
}

/*
 * All interrupts to Group 1, the CPU interface open to all priorities, the distributor forwarding Group 0 for the SGI
 * that wakes CPUs in the pen; HYP enables its own group.
 */
static uint32_t open_gic(uint32_t gicd_pa, uint32_t gicc_pa, uint32_t hz)
{
	volatile uint8_t *gicd = pen_gic(gicd_pa), *gicc = pen_gic(gicc_pa);
	uint32_t words;

	monitor_data.gicd = gicd_pa;
	monitor_data.gicc = gicc_pa;
	set_frequency(hz);
	monitor_data.cntfrq = read_cntfrq();
	dsb();
	io_write32(gicd + GICD_CTLR, 0);
	words = FIELD(io_read32(gicd + GICD_TYPER), 0, 5) + 1U;
	for (uint32_t i = 0; i < words; i++)
		io_write32(gicd + GICD_IGROUPR + 4U * i, ~0U);
	io_write32(gicd + GICD_CTLR, GICD_CTLR_GRP0);
	io_write32(gicc + GICC_PMR, 0xff);
	io_write32(gicc + GICC_CTLR, 0);
	dsb();
	return PSCI_SUCCESS;
}

/* Only HYP is served. */
uint32_t monitor_call(uint32_t function, uint32_t a, uint32_t b, uint32_t c)
{
	if ((read_spsr_mon() & PSR_MODE_MASK) != PSR_MODE_HYP)
		return PSCI_NOT_SUPPORTED;
	switch (function) {
	case PSCI_CPU_ON:
		return turn_on(a, b, c);
	case PSCI_CPU_OFF:
		return turn_off();
	case PSCI_AFFINITY_INFO:
		return find_state(a);
	case PSCI_SYSTEM_OFF:
		return end_power(monitor_power.off);
	case PSCI_SYSTEM_RESET:
		return end_power(monitor_power.reset);
	case MONITOR_OPEN:
		return open_gic(a, b, c);
	case MONITOR_ACTLR:
		return add_to_actlr(a);
	default:
		return PSCI_NOT_SUPPORTED;
	}
}
