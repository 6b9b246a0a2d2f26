/* SPDX-License-Identifier: BSD-2-Clause */
/* GICv2 (IHI 0048B chapter 4): where the machine has its registers, and the few steps every guest repeats. */
#ifndef GUEST_GIC_H
#define GUEST_GIC_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/host/gicregs.h"
#include "hyp/vm/machine.h"

#define DIST_CTLR          (MACHINE_GICD_BASE + GICD_CTLR)
#define DIST_TYPER         (MACHINE_GICD_BASE + GICD_TYPER)
#define DIST_IIDR          (MACHINE_GICD_BASE + GICD_IIDR)
#define DIST_IGROUPR(n)    (MACHINE_GICD_BASE + GICD_IGROUPR + 4U * (n))
#define DIST_ISENABLER(n)  (MACHINE_GICD_BASE + GICD_ISENABLER + 4U * (n))
#define DIST_ICENABLER(n)  (MACHINE_GICD_BASE + GICD_ICENABLER + 4U * (n))
#define DIST_ISPENDR(n)    (MACHINE_GICD_BASE + GICD_ISPENDR + 4U * (n))
#define DIST_ICPENDR(n)    (MACHINE_GICD_BASE + GICD_ICPENDR + 4U * (n))
#define DIST_ISACTIVER(n)  (MACHINE_GICD_BASE + GICD_ISACTIVER + 4U * (n))
#define DIST_ICACTIVER(n)  (MACHINE_GICD_BASE + GICD_ICACTIVER + 4U * (n))
#define DIST_IPRIORITYR(n) (MACHINE_GICD_BASE + GICD_IPRIORITYR + 4U * (n))
#define DIST_ITARGETSR(n)  (MACHINE_GICD_BASE + GICD_ITARGETSR + 4U * (n))
#define DIST_ICFGR(n)      (MACHINE_GICD_BASE + GICD_ICFGR + 4U * (n))
#define DIST_SGIR          (MACHINE_GICD_BASE + GICD_SGIR)
#define DIST_CPENDSGIR(n)  (MACHINE_GICD_BASE + GICD_CPENDSGIR + 4U * (n))
#define DIST_SPENDSGIR(n)  (MACHINE_GICD_BASE + GICD_SPENDSGIR + 4U * (n))

#define CPUIF_CTLR   (MACHINE_GICC_BASE + GICC_CTLR)
#define CPUIF_PMR    (MACHINE_GICC_BASE + GICC_PMR)
#define CPUIF_BPR    (MACHINE_GICC_BASE + GICC_BPR)
#define CPUIF_IAR    (MACHINE_GICC_BASE + GICC_IAR)
#define CPUIF_EOIR   (MACHINE_GICC_BASE + GICC_EOIR)
#define CPUIF_RPR    (MACHINE_GICC_BASE + GICC_RPR)
#define CPUIF_HPPIR  (MACHINE_GICC_BASE + GICC_HPPIR)
#define CPUIF_ABPR   (MACHINE_GICC_BASE + GICC_ABPR)
#define CPUIF_APR(n) (MACHINE_GICC_BASE + GICC_APR + 4U * (n))
#define CPUIF_DIR    (MACHINE_GICC_BASE + GICC_DIR)

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
