/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Set/way maintenance cannot be virtualised line by line: it is not broadcast, lines migrate, system caches ignore it
 * (DDI 0406C B2.2.6). So it means "this VM's memory, clean and gone from the caches", by VA, over the touched blocks:
 *
 *   WAIT  caches were never on. TVM is set. Operations are noted and done once, when the caches go on.
 *   OFF   caches are on, the guest owns its memory registers (TVM clear). An operation flushes -> ON.
 *   ON    TVM is set. Further operations are covered by the flushes to come: each change of SCTLR.C or .M flushes. The
 *         first write of any memory register with the caches on -> OFF: the guest is not on its way to turning them
 *         off, and trapping on would cost it at every context switch.
 *
 * Each vCPU has its own state; the memory is the VM's, and maintenance by VA is broadcast to all CPUs (HYP's map is
 * Inner Shareable). A flush is done on the way back into the guest, a part of a block at a time (WORK_FLUSH): between
 * two parts the vCPU takes interrupts, gives up its CPU, and can be stopped. docs/setway.md has its cost.
 */
#include <arm/atomic.h>
#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "coproc/setway.h"
#include "hyp/run/irq.h"
#include "hyp/lib/log.h"
#include "hyp/lib/option.h"
#include "hyp/vm/vm.h"
#include "mm/cache.h"
#include "mm/hypmap.h"

static void set_tvm(struct vcpu *vcpu, bool on)
{
	vcpu->hcr = on ? vcpu->hcr | HCR_TVM : vcpu->hcr & ~HCR_TVM;
	write_hcr(vcpu->hcr & (read_hcr() | ~HCR_VA)); /* it may have taken the abort */
	if (on)
		vcpu->coproc.setway.tvm_on++;
	else
		vcpu->coproc.setway.tvm_off++;
}

static void setway_enter(struct vcpu *vcpu, enum setway_state state)
{
	static const char *const name[] = {[SETWAY_WAIT] = "WAIT", [SETWAY_OFF] = "OFF", [SETWAY_ON] = "ON"};
	struct setway_cpu *sw = &vcpu->coproc.setway;

	if (options.log_setway) /* by the user's wish, and as often as the guest does it */
		log_info("vm %s: vcpu %u: set/way %s -> %s (operations %u, changes %u, flushes %u)",
			 vcpu->vm->config.name, (unsigned)vcpu->index, name[sw->state], name[state], (unsigned)sw->ops,
			 (unsigned)sw->changes, (unsigned)sw->flushes);
	sw->state = state;
	if (state == SETWAY_OFF)
		atomic_clear(&vcpu->vm->uncached, BIT(vcpu->index));
	else
		atomic_or(&vcpu->vm->uncached, BIT(vcpu->index));
}

/* Begin a flush, before the guest runs its next instruction; one under way begins again. */
static void flush_guest(struct vcpu *vcpu)
{
	vcpu->coproc.setway.flushing = true;
	vcpu->coproc.setway.flush_at = 0;
	vcpu->coproc.setway.flushes++;
	atomic_or(&vcpu->thread.work, WORK_FLUSH);
}

#define FLUSH_PART KIB(128) /* between two looks for interrupts */

/*
 * Clean and invalidate to the point of coherency, a part of a block of 2 MiB at a time, and no more blocks than the
 * guest has touched.
 */
void setway_flush_some(struct vcpu *vcpu)
{
	struct setway_cpu *sw = &vcpu->coproc.setway;
	uint32_t from = (uint32_t)(sw->flush_at % BLOCK_SIZE);
	ipa_t at = ipa(sw->flush_at - from);
	struct s2 *s2 = &vcpu->vm->s2;
	bool more;
	pa_t to;

	if (!sw->flushing)
		return; /* a reset came in between */
	/* A block that is being split would be passed over without the lock. */
	spin_lock(&s2->lock);
	more = s2_next_block(s2, &at, &to);
	spin_unlock(&s2->lock);
	if (!more) {
		sw->flushing = false;
		return;
	}
	if (at.v + from != sw->flush_at)
		from = 0;
	cache_clean_invalidate(hyp_window_open(to) + from, FLUSH_PART);
	hyp_window_close();
	sw->flush_at = at.v + from + FLUSH_PART;
	while (irq_handle_one())
		;
	atomic_or(&vcpu->thread.work, WORK_FLUSH); /* the rest, after what came meanwhile */
}

void setway_operation(struct vcpu *vcpu)
{
	struct setway_cpu *sw = &vcpu->coproc.setway;

	sw->ops++;
	if (sw->state == SETWAY_WAIT)
		sw->deferred = true;
	if (sw->state != SETWAY_OFF)
		return;
	flush_guest(vcpu);
	set_tvm(vcpu, true);
	setway_enter(vcpu, SETWAY_ON);
}

void setway_write_sctlr(struct vcpu *vcpu, uint32_t value)
{
	struct setway_cpu *sw = &vcpu->coproc.setway;
	uint32_t changed = (read_sctlr() ^ value) & SCTLR_CACHES_ON;

	write_sctlr(value);
	if (!changed)
		return;
	sw->changes++;
	if (sw->state == SETWAY_ON || sw->deferred)
		flush_guest(vcpu);
}

void setway_after_write(struct vcpu *vcpu)
{
	struct setway_cpu *sw = &vcpu->coproc.setway;

	if (!(vcpu->hcr & HCR_TVM) || (read_sctlr() & SCTLR_CACHES_ON) != SCTLR_CACHES_ON)
		return;
	sw->deferred = false;
	set_tvm(vcpu, false);
	setway_enter(vcpu, SETWAY_OFF);
}

void setway_reset(struct vcpu *vcpu)
{
	vcpu->coproc.setway = (struct setway_cpu){.state = SETWAY_WAIT};
	vcpu->hcr |= HCR_TVM;
	atomic_or(&vcpu->vm->uncached, BIT(vcpu->index));
}
