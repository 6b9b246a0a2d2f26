/* Which of HYP's own aborts are survived (hyp/debug/fault.h). */
#include <stdbool.h>

#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "hyp/debug/fault.h"
#include "mm/layout.h"

#define VECTOR_DATA 4U

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

void fault_handle(struct panic_frame *frame)
{
	uint32_t hsr = read_hsr();

	if (frame->vector == VECTOR_DATA && (fault_is_external(hsr) || fault_is_hole(hsr)))
		for (const struct fault_range *row = extable_start; row < extable_end; row++)
			if (frame->pc >= row->from && frame->pc < row->to) {
				frame->pc = row->fixup;
				return;
			}
	panic_exception(frame);
}
