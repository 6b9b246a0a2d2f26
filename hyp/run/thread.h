/* Stacks of HYP's threads, and threads that virt7 has for itself. */
#ifndef HYP_RUN_THREAD_H
#define HYP_RUN_THREAD_H

struct vcpu;

/* Give `vcpu` a stack with the guest's registers at its top, and a thread that begins at `entry`. 0 or -ENOMEM. */
int thread_make_stack(struct vcpu *vcpu, void (*entry)(void));

/* Undo that; the stack's next user may be any thread. */
void thread_free_stack(struct vcpu *vcpu);

/*
 * A thread of virt7's own on the calling CPU, ready to run `body`, which never returns. It is a vCPU without a VM: it
 * never enters a guest, and runs before all vCPUs (SCHED_PRIORITY_OWN), so it has to block soon (sched_block()).
 * NULL: no memory.
 */
struct vcpu *thread_create(void (*body)(void));

#endif
