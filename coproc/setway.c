/*
 * Set/way maintenance cannot be virtualised line by line: it is not broadcast, lines migrate, system caches ignore it
 * (DDI 0406C B2.2.6). So it means "this VM's memory, clean and gone from the caches", by VA, over the touched blocks:
 *
 *   WAIT  caches were never on. TVM is set. Operations are noted and done once, when the caches go on.
 *   OFF   caches are on, the guest owns its memory registers (TVM clear). An operation flushes -> ON.
 *   ON    TVM is set. Further operations are covered by the flushes to come: each change of SCTLR.C or .M flushes;
 *         caches on -> OFF.
 *
 * Each vCPU has its own state, the memory is the VM's.
 */
#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "coproc/setway.h"
#include "hyp/vm.h"
#include "mm/cache.h"
#include "mm/hypmap.h"

#define CACHES_ON (SCTLR_C | SCTLR_M)

static void set_tvm(struct vcpu *vcpu, bool on)
{
	vcpu->hcr = on ? vcpu->hcr | HCR_TVM : vcpu->hcr & ~HCR_TVM;
	write_hcr(vcpu->hcr | (read_hcr() & HCR_VA));
}

/* Clean and invalidate to the point of coherency: 2 MiB a block, and no more blocks than the guest has touched. */
static void flush(struct vcpu *vcpu)
{
	ipa_t at = ipa(0);
	pa_t to;

	vcpu->coproc.setway_flushes++;
	for (; s2_next_block(&vcpu->vm->s2, &at, &to); at = ipa_add(at, BLOCK_SIZE)) {
		cache_clean_invalidate(hyp_window_open(to), BLOCK_SIZE);
		hyp_window_close();
	}
}

void setway_operation(struct vcpu *vcpu)
{
	vcpu->coproc.setway_ops++;
	if (vcpu->coproc.setway == SETWAY_WAIT)
		vcpu->coproc.setway_deferred = true;
	if (vcpu->coproc.setway != SETWAY_OFF)
		return;
	flush(vcpu);
	set_tvm(vcpu, true);
	vcpu->coproc.setway = SETWAY_ON;
}

void setway_write_sctlr(struct vcpu *vcpu, uint32_t value)
{
	uint32_t changed = (read_sctlr() ^ value) & CACHES_ON;

	write_sctlr(value);
	if (!changed)
		return;
	if (vcpu->coproc.setway == SETWAY_ON || vcpu->coproc.setway_deferred)
		flush(vcpu);
	if ((value & CACHES_ON) != CACHES_ON)
		return;
	vcpu->coproc.setway_deferred = false;
	vcpu->coproc.setway = SETWAY_OFF;
	set_tvm(vcpu, false);
}

void setway_reset(struct vcpu *vcpu)
{
	vcpu->coproc.setway = SETWAY_WAIT;
	vcpu->coproc.setway_deferred = false;
	vcpu->hcr |= HCR_TVM;
}
