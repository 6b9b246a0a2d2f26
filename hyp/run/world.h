/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the scheduler asks of the world switch (hyp/vm/switch.c), which alone knows what a thread's guest has in the
 * hardware. There is one, so the linker binds these and no pointer does.
 */
#ifndef HYP_RUN_WORLD_H
#define HYP_RUN_WORLD_H

struct percpu;
struct thread;

/*
 * `next` is about to go on, on this CPU: put its guest's state into the hardware, saving that of whoever was there. One
 * that is detached leaves the hardware as it is.
 */
void world_switch(struct percpu *cpu, struct thread *next);

/*
 * If the guest of `running`, this CPU's, is loaded, let its WFI and WFE trap, or not: WFI gives the CPU up where it has
 * other threads, WFE where one of its priority waits. Who has a CPU alone waits in the hardware, without an exit.
 */
void world_set_wait_traps(struct thread *running);

/* Take all state of a vCPU's thread out of this CPU, timers included, so that another one can go on with it. */
void world_unload(struct thread *thread);

/*
 * ISR.A is set, in HYP: take the asynchronous abort, and give it to the guest that is loaded. Returns that one's
 * thread, which may sleep; NULL: the abort is nobody's, and has been logged.
 */
struct thread *world_take_abort(struct percpu *cpu);

#endif
