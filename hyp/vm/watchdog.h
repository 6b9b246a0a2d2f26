/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who watches the guests: a VM with watchdog-ms that makes no progress is treated as crashed.
 *
 * A VM hangs when, for watchdog-ms, all of its vCPUs are off, or one of them has run for that long (of CPU time, not of
 * time) without an interrupt reaching it and without ever waiting in WFI. An operating system with a timer tick does
 * the one or the other all the time; one that loops with its interrupts masked, or faults without end, does neither.
 */
#ifndef HYP_VM_WATCHDOG_H
#define HYP_VM_WATCHDOG_H

struct vm;

/* Begin to look, from this CPU; for a VM without watchdog-ms nothing happens. Once. */
void watchdog_start(struct vm *vm);

/* The VM is taken apart: no callback of it is under way or comes. */
void watchdog_end(struct vm *vm);

#endif
