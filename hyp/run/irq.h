/* Physical interrupts: who handles which. All are taken in HYP, on exits from guests or polled by the idle loop. */
#ifndef HYP_RUN_IRQ_H
#define HYP_RUN_IRQ_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A handler has the argument that it was registered with, and returns true when it has ended the interrupt; false
 * leaves it active until a guest's EOI deactivates it (GICH_LR.HW) or somebody calls gic_deactivate().
 */
typedef bool (*irq_fn)(uint32_t id, void *arg);

/*
 * Register the handler of `id`, below GIC_SPURIOUS, and enable the interrupt on this CPU; gic_set_target() moves an SPI
 * to another one. A private interrupt has one handler and argument for all CPUs, and is registered by each that wants
 * it.
 */
void irq_register(uint32_t id, irq_fn fn, void *arg);

/* Take one interrupt, if one is pending; false: none was. */
bool irq_handle_one(void);

#endif
