/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every CPU does first, for boot/head.S: at the load address, MMU and caches off, in HYP, secure SVC or another
 * mode, and without a stack (tools/check-placed). The MMU goes on in here, so this file lies in the image's first page,
 * which the boot tables map where it was loaded (boot/virt7.lds.S). ARM code, as head.S is.
 */
#include <stdbool.h>
#include <stdint.h>

#include <arm/barrier.h>
#include <arm/cores.h>
#include <arm/hypregs.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "boot/entry.h"
#include "boot/monitor.h"
#include "hyp/lib/addr.h"
#include "hyp/lib/bits.h"
#include "mm/hypmap.h"
#include "mm/layout.h"
#include "mm/tlb.h"

#define NEAR __attribute__((visibility("hidden"))) /* reached by its distance */

extern const char image_start[] NEAR, _image_end[] NEAR, boot_stack_top[] NEAR;
extern const char hyp_vectors[] NEAR, skip_vectors[] NEAR;
extern const volatile uint32_t smp_mpidr[CPU_MAX] NEAR;
extern uint64_t hyp_l1[] NEAR;
extern bool hyp_is_flat NEAR;

#define ENTRY_INLINE static inline __attribute__((always_inline))

/* Where it is now; before and after the jump to the link address this is not the same. */
ENTRY_INLINE uint32_t address_of(const volatile void *symbol)
{
	return (uint32_t)(uintptr_t)symbol;
}

ENTRY_INLINE bool in_hyp(void)
{
	return (read_cpsr() & PSR_MODE_MASK) == PSR_MODE_HYP;
}

ENTRY_INLINE void stay_here(void)
{
	for (;;)
		wfi();
}

ENTRY_INLINE void set_vectors(const char *vectors)
{
	if (in_hyp())
		write_hvbar(address_of(vectors));
	else
		write_vbar(address_of(vectors));
	isb();
}

/* Vectors before anything can fault, and no stale instruction from before the image was loaded. */
ENTRY_INLINE void take_cpu(void)
{
	set_vectors(early_vectors);
	write_iciallu(0);
	write_bpiall(0);
	dsb();
	isb();
}

/*
 * A loader may have left something in the caches over the image and its .bss: it is pushed out, so that neither a late
 * write-back nor a stale clean line meets what is written with the caches off. By the smallest line (CTR.DminLine).
 */
ENTRY_INLINE void clean_image(void)
{
	uint32_t line = 4U << FIELD(read_ctr(), 16, 4), end = address_of(_image_end);
	uint32_t va = address_of(image_start) & ~(line - 1U);

	do
		write_dccimvac(va);
	while ((va += line) < end);
	dsb();
}

void entry_first(void)
{
	mask_exceptions();
	if (address_of(image_start) % PAGE_SIZE != 0) /* nothing would be where it is mapped */
		stay_here();
	take_cpu();
	clean_image();
}

/* SCR is UNDEFINED in non-secure state, and on a CPU without Security Extensions; it is never all ones. */
ENTRY_INLINE bool is_secure(void)
{
	uint32_t scr;

	__asm__ volatile("mvn	%0, #0\n"
			 "	mrc	p15, 0, %0, c1, c1, 0"
			 : "=r"(scr));
	return scr != ~0U;
}

bool entry_is_secure(void)
{
	bool secure;

	if (in_hyp())
		return false;
	write_sctlr(read_sctlr() & ~(SCTLR_V | SCTLR_TE | SCTLR_EE)); /* exceptions by VBAR, in ARM, little-endian */
	set_vectors(skip_vectors);
	secure = is_secure();
	set_vectors(early_vectors);
	return secure && FIELD(read_id_pfr1(), 12, 4) != 0; /* Virtualization Extensions */
}

/* The place in smp_mpidr says which stack is this CPU's own. One that is not there waits until it is: on Versatile
 * Express what wakes one wakes all. */
ENTRY_INLINE uint32_t find_stack(void)
{
	uint32_t mpidr = read_mpidr() & MPIDR_AFFINITY;

	for (;;) {
		uint32_t top = address_of(boot_stack_top) - address_of(image_start) + LAYOUT_IMAGE;

		for (uint32_t i = 0; i < CPU_MAX; i++, top += PAGE_SIZE + HYP_STACK_SIZE)
			if (smp_mpidr[i] == mpidr)
				return top;
		wfe(); /* early: smp_mpidr changes with an event */
	}
}

uint32_t entry_secondary(void)
{
	mask_exceptions();
	take_cpu();
	if (in_hyp())
		return find_stack();
	if (!monitor_data.installed)
		stay_here(); /* the boot CPU reports it missing */
	return 0;
}

/* In PL1 the LPAE format serves too: just enough to print. */
ENTRY_INLINE void set_tables(uint32_t level1)
{
	dsb();
	if (in_hyp()) {
		write_httbr(level1);
		isb();
		tlb_forget_hyp_here();
	} else {
		write_ttbr0_64(level1);
		isb();
		tlb_forget_old_pl1();
	}
	write_bpiall(0);
	dsb();
	isb();
}

/* DDI 0406C B3.10.2: tables and TLB first, then M. */
void entry_mmu_on(uint32_t level1)
{
	if (level1 == 0)
		return;
	if (in_hyp()) {
		write_hmair0(MAIR0_VALUE);
		write_htcr(HTCR_VALUE);
	} else {
		write_prrr(MAIR0_VALUE); /* MAIR0 */
		write_ttbcr(HTCR_VALUE); /* EAE */
	}
	isb();
	set_tables(level1);
	if (in_hyp())
		write_hsctlr(HSCTLR_RES1 | HSCTLR_WXN | HSCTLR_I | HSCTLR_C | HSCTLR_M);
	else
		write_sctlr(SCTLR_RESET | SCTLR_Z | SCTLR_WXN | SCTLR_I | SCTLR_C | SCTLR_M);
	isb();
}

void entry_finish(uint32_t load)
{
	if (hyp_is_flat) {
		set_vectors(skip_vectors);
		return;
	}
	set_vectors(hyp_vectors);
	set_tables(address_of(hyp_l1) - address_of(image_start) + load);
}
