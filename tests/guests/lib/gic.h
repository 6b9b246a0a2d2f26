/* SPDX-License-Identifier: BSD-2-Clause */
/* GICv2 (IHI 0048B chapter 4): registers and the few steps every guest repeats. */
#ifndef GUEST_GIC_H
#define GUEST_GIC_H

#include <stdbool.h>
#include <stdint.h>
#include "hyp/vm/machine.h"

#define GICD_CTLR          (MACHINE_GICD_BASE + 0x000U)
#define GICD_TYPER         (MACHINE_GICD_BASE + 0x004U)
#define GICD_IIDR          (MACHINE_GICD_BASE + 0x008U)
#define GICD_IGROUPR(n)    (MACHINE_GICD_BASE + 0x080U + 4U * (n))
#define GICD_ISENABLER(n)  (MACHINE_GICD_BASE + 0x100U + 4U * (n))
#define GICD_ICENABLER(n)  (MACHINE_GICD_BASE + 0x180U + 4U * (n))
#define GICD_ISPENDR(n)    (MACHINE_GICD_BASE + 0x200U + 4U * (n))
#define GICD_ICPENDR(n)    (MACHINE_GICD_BASE + 0x280U + 4U * (n))
#define GICD_ISACTIVER(n)  (MACHINE_GICD_BASE + 0x300U + 4U * (n))
#define GICD_ICACTIVER(n)  (MACHINE_GICD_BASE + 0x380U + 4U * (n))
#define GICD_IPRIORITYR(n) (MACHINE_GICD_BASE + 0x400U + 4U * (n))
#define GICD_ITARGETSR(n)  (MACHINE_GICD_BASE + 0x800U + 4U * (n))
#define GICD_ICFGR(n)      (MACHINE_GICD_BASE + 0xc00U + 4U * (n))
#define GICD_SGIR          (MACHINE_GICD_BASE + 0xf00U)
#define GICD_CPENDSGIR(n)  (MACHINE_GICD_BASE + 0xf10U + 4U * (n))
#define GICD_SPENDSGIR(n)  (MACHINE_GICD_BASE + 0xf20U + 4U * (n))

#define GICC_CTLR   (MACHINE_GICC_BASE + 0x0000U)
#define GICC_PMR    (MACHINE_GICC_BASE + 0x0004U)
#define GICC_BPR    (MACHINE_GICC_BASE + 0x0008U)
#define GICC_IAR    (MACHINE_GICC_BASE + 0x000cU)
#define GICC_EOIR   (MACHINE_GICC_BASE + 0x0010U)
#define GICC_RPR    (MACHINE_GICC_BASE + 0x0014U)
#define GICC_HPPIR  (MACHINE_GICC_BASE + 0x0018U)
#define GICC_ABPR   (MACHINE_GICC_BASE + 0x001cU)
#define GICC_APR(n) (MACHINE_GICC_BASE + 0x00d0U + 4U * (n))
#define GICC_DIR    (MACHINE_GICC_BASE + 0x1000U)

#define GICC_CTLR_GRP0    0x001U
#define GICC_CTLR_GRP1    0x002U
#define GICC_CTLR_FIQEN   0x008U
#define GICC_CTLR_EOIMODE 0x200U

#define GIC_SPURIOUS 1023U

/* Distributor and this CPU's interface on, nothing enabled, all priorities let through. */
void gic_init(void);
/* This CPU's interface only: what a secondary CPU does. */
void gic_cpu_init(void);

void gic_enable(uint32_t irq);
void gic_disable(uint32_t irq);
void gic_set_pending(uint32_t irq);
void gic_clear_pending(uint32_t irq);
void gic_set_priority(uint32_t irq, uint32_t priority);
bool gic_is_pending(uint32_t irq);
bool gic_is_active(uint32_t irq);
/* Target an SPI at this CPU; on a one-CPU machine there may be no such register, and nothing need be done (4.3.12). */
void gic_target_self(uint32_t irq);
void gic_edge(uint32_t irq, bool edge);
/* An SGI to the CPU that asks (GICD_SGIR.TargetListFilter = 0b10). */
void gic_sgi_self(uint32_t sgi);

/*
 * Wait until the interrupt controller's outputs have followed what was just written: on hardware and under virt7 a
 * store's effect on the CPU is not bound to the next instruction.
 */
void gic_settle(void);

#endif
