/* SPDX-License-Identifier: BSD-2-Clause */
/* Of HCR what changes while a vCPU is loaded: the traps of WFI and WFE, and asynchronous aborts that are its own. */
#ifndef HYP_VM_HCR_H
#define HYP_VM_HCR_H

struct percpu;
struct thread;
struct vcpu;

/*
 * If the guest of `running`, this CPU's, is loaded, let its WFI and WFE trap, or not: WFI gives the CPU up where it has
 * other threads, WFE where one of its priority waits. Who has a CPU alone waits in the hardware, without an exit.
 */
void hcr_set_wait_traps(struct thread *running);

/* Let WFI and WFE of `vcpu`, which is loaded on `cpu`, this one, trap or not: hcr_set_wait_traps(). */
void hcr_update_wait_traps(const struct percpu *cpu, struct vcpu *vcpu);

/*
 * ISR.A is set, in HYP: take the asynchronous abort, and give it to the guest that is loaded. Returns that one's
 * thread, which may sleep; NULL: the abort belongs to no vCPU, and has been logged.
 */
struct thread *hcr_take_abort(struct percpu *cpu);

#endif
