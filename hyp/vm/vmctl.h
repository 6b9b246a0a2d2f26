/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of a VM: who may change its state, and the checkpoint, the one place where a vCPU's state may be thrown
 * away.
 */
#ifndef HYP_VM_VMCTL_H
#define HYP_VM_VMCTL_H

#include <stdint.h>

#include "hyp/vm/vm.h"

/*
 * An operator's commands. Each may be called on any CPU, from any thread of HYP and from an interrupt handler, with no
 * lock but those above vm->lock held (hyp/run/percpu.h: none is): it never waits. It checks the state that it starts
 * from, has the rest done by the VM's own vCPUs at the VM's own priority, and returns 0 once that is certain to happen:
 *
 *   vmctl_start   CREATED, OFF, CRASHED   take RAM, load the images from the bundle, start vCPU 0
 *   vmctl_stop    RUNNING, PAUSED, or a reset or start under way   off, now: the guest is not asked
 *   vmctl_reset   RUNNING, PAUSED   as at first boot; not affected by on-reset
 *   vmctl_pause   RUNNING   vCPUs stop at their next exit; the guest's time (counters and timers) stops with them
 *   vmctl_resume  PAUSED, or a pause under way   goes on where it was; its time has not moved
 *
 * A VM that waits for its restart after a crash is started by vmctl_start() and vmctl_reset() at once.
 *
 * -EINVAL: not in this state. -EBUSY: another change is under way. vmctl_start() also -ENOMEM, logged: the host has not
 * enough RAM free. What goes wrong later (an image that cannot be loaded) is logged, and leaves the VM off.
 *
 * A VM that an operator has stopped does not switch the host off, even if it was the last one.
 */
int vmctl_start(struct vm *vm);
int vmctl_stop(struct vm *vm);
int vmctl_reset(struct vm *vm);
int vmctl_pause(struct vm *vm);
int vmctl_resume(struct vm *vm);

/* The operator has asked the guest to switch itself off (power key): when it does, the host stays on. Any context. */
void vmctl_expect_off(struct vm *vm);

/* The VM's state for people: created, starting, running, suspended, pausing, paused, resetting,
 * restarting, stopping, off, crashed, broken.
 */
const char *vmctl_state_name(const struct vm *vm);

/* Start at boot: as vmctl_start(), but loads here and now, on the boot CPU. 0, or the loader's error, logged. */
int vmctl_boot(struct vm *vm);

/* It can never run on this host: its vCPUs have no place. Before it is started. */
void vmctl_break(struct vm *vm);

/*
 * It ends for good, from CREATED, OFF, CRASHED or BROKEN: every vCPU that has a place ends its thread, and nothing of
 * the VM is in any CPU's hardware when this returns. For vm_destroy(), from a thread that may block. -EINVAL: not in
 * this state. -EBUSY: a change is under way.
 */
int vmctl_end(struct vm *vm);

/* Switch the host off if it has nothing left to do: no VM runs, waits for an operator, or is about to. */
void vmctl_power_off_if_last(void);

/*
 * Ask for reset, power-off or crash on behalf of the guest; it happens when every vCPU is at the checkpoint. Any
 * context. Of several, the weightiest is performed (enum vm_request).
 */
void vmctl_request(struct vm *vm, enum vm_request request);

/* virt7 cannot go on with this VM, because of this vCPU (NULL: none): one line with the reason; on-crash says what
 * happens. */
void vmctl_crash(struct vm *vm, const struct vcpu *vcpu, const char *why);

/* Where a vCPU waits while it is off or its VM is not running. Returns when it shall run guest code. */
void vmctl_checkpoint(struct vcpu *vcpu);

/* It is on, and starts anew at `pc` (bit 0: Thumb) with r0-r2, in the default endianness, when the checkpoint lets it
 * go. Holder of vm->lock. */
void vmctl_set_entry(struct vcpu *vcpu, uint32_t pc, uint32_t r0, uint32_t r1, uint32_t r2);

#endif
