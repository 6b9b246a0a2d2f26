/* SPDX-License-Identifier: BSD-2-Clause */
/* Which of HYP's own aborts are survived (hyp/debug/fault.h). */
#include <stdbool.h>

#include <arm/barrier.h>
#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "hyp/debug/fault.h"
#include "hyp/lib/bits.h"
#include "hyp/vm/memfound.h"
#include "mm/layout.h"

#define PAR_F    BIT64(0)
#define PAR_PAGE 0xfffffff000ULL

extern const struct fault_range extable_start[], extable_end[];

/* What answered the access is not memory, or its memory is bad; on a walk it would be virt7's own tables (B3.13.3). */
static bool fault_is_external(uint32_t hsr)
{
	return HSR_EC(hsr) == EC_DABT_HYP && (ISS_FSC(hsr) & ~FSC_PARITY) == FSC_EXTERNAL;
}

/* A bad page of a guest's RAM, which is not shown there (mm/hypmap.h): as good as an external abort. */
static bool fault_is_hole(uint32_t hsr)
{
	uint32_t va = read_hdfar();

	return HSR_EC(hsr) == EC_DABT_HYP && FSC_TYPE(hsr) == FSC_TRANSLATION &&
	       ((va >= LAYOUT_RINGS && va < LAYOUT_RINGS_END) || (va >= LAYOUT_WINDOWS && va < LAYOUT_WINDOWS_END));
}

#define NEAR 128U /* as much as an instruction moves */

/* The address of an external abort may be missing: one that is not near the access's pointers is not believed. */
static bool is_operand(const struct panic_frame *frame, uint32_t va, uint32_t kind)
{
	return va - frame->r[1] + NEAR < 2U * NEAR ||
	       (kind == FAULT_MEMORY_FOUND && va - frame->r[0] + NEAR < 2U * NEAR);
}

/* The page that has not answered, by HYP's own tables. PAR is a guest's: put back. */
static void tell_found(const struct panic_frame *frame, uint32_t hsr, uint32_t kind)
{
	uint32_t va = read_hdfar();
	uint64_t saved = read_par_64(), par;

	if (hsr & ISS_FNV || !is_operand(frame, va, kind))
		return;
	write_ats1hr(va);
	isb();
	par = read_par_64();
	write_par_64(saved);
	if (!(par & PAR_F))
		memerr_found(pa(par & PAR_PAGE));
}

static bool is_survived(const struct fault_range *row, const struct panic_frame *frame, uint32_t hsr)
{
	if (frame->pc < row->from || frame->pc >= row->to)
		return false;
	if (row->kind == FAULT_UNDEFINED)
		return frame->vector == PANIC_UNDEF;
	return frame->vector == PANIC_DATA && (fault_is_external(hsr) || fault_is_hole(hsr));
}

void fault_handle(struct panic_frame *frame)
{
	uint32_t hsr = read_hsr();

	for (const struct fault_range *row = extable_start; row < extable_end; row++)
		if (is_survived(row, frame, hsr)) {
			if (row->kind != FAULT_MEMORY && fault_is_external(hsr))
				tell_found(frame, hsr, row->kind);
			frame->pc = row->fixup;
			return;
		}
	panic_exception(frame);
}
