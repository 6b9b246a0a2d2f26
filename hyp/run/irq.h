/* SPDX-License-Identifier: BSD-2-Clause */
/* Physical interrupts: who handles which. All are taken in HYP, on exits from guests or polled by the idle loop. */
#ifndef HYP_RUN_IRQ_H
#define HYP_RUN_IRQ_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A handler has the argument that it was registered with, and returns true when it has ended the interrupt; false
 * leaves it active until a guest's EOI deactivates it (GICH_LR.HW) or its handler's owner calls gic_deactivate().
 */
typedef bool (*irq_fn)(uint32_t id, void *arg);

/*
 * Register the handler of `id`, below GIC_SPURIOUS, and enable the interrupt on this CPU; gic_set_target() moves an SPI
 * to another one. A private interrupt has one handler and argument for all CPUs, and is registered by each that wants
 * it.
 */
void irq_register(uint32_t id, irq_fn fn, void *arg);

/* irq_register() for a device that virt7 begins to drive when VMs may have theirs: -EBUSY where `id` has a handler. */
int irq_register_spi(uint32_t id, irq_fn fn, void *arg);

/*
 * Be the handler of `id` until irq_give_up(), where there is none yet: else -EBUSY. Neither enables the interrupt nor
 * disables it. One call at a time, after boot has registered what virt7 needs itself. A CPU that took the interrupt
 * before irq_give_up() may call the handler after it.
 */
int irq_claim(uint32_t id, irq_fn fn, void *arg);
void irq_give_up(uint32_t id);

/* Take one interrupt, if one is pending; false: none was. */
bool irq_handle_one(void);

/* Is one pending, for who holds locks and can only stop early? Cheaper than the GIC's own answer. */
bool irq_is_waiting(void);

#endif
