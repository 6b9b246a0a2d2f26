/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A CPU that does with its CPU interface what another one tells it, step by step: what the GIC does between CPUs is
 * then in one CPU's hands.
 */
#ifndef GUEST_REMOTE_H
#define GUEST_REMOTE_H

#include <stdint.h>

enum remote_order { REMOTE_NOTHING, REMOTE_READ, REMOTE_WRITE, REMOTE_AWAIT, REMOTE_END };

/* Obey, with the CPU interface open and interrupts masked, until REMOTE_END. */
void remote_obey(void);

/* Have a CPU that obeys do it, and wait until it has; the value read. */
uint32_t remote_tell(uint32_t cpu, enum remote_order order, uint32_t addr, uint32_t value);

/* Its GICC_IAR, at once; the first that is not spurious, or GIC_SPURIOUS after five seconds. */
uint32_t remote_ack(uint32_t cpu);
uint32_t remote_await(uint32_t cpu);
void remote_eoi(uint32_t cpu, uint32_t iar);

/* This CPU's. */
uint32_t gic_await(void);

#endif
