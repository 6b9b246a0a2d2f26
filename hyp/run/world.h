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

/* Take all state of a vCPU's thread out of this CPU, timers included, so that another one can go on with it. */
void world_unload(struct thread *thread);

#endif
