/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtual interface of a GICv2 under the host build (IHI 0048B chapter 5): GICH registers behind gic_gich, one bank
 * a CPU, and as much of GICV as a guest needs: acknowledge, EOI, deactivate. Also the physical active state that
 * GICH_LR.HW and gic_set_active() work on. What the architecture calls UNPREDICTABLE fails the test.
 */
#ifndef FAKE_GICH_H
#define FAKE_GICH_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/host/gic.h"

#define FAKE_GICH_CPUS     8U
#define FAKE_GICH_LRS      16U
#define FAKE_GICH_SPURIOUS 1023U

/* GICH_VMCR as the guest's GICV_CTLR and GICV_PMR show in it (5.3.3) */
#define FAKE_VMCR_ENABLE  0x3U
#define FAKE_VMCR_ACKCTL  0x4U
#define FAKE_VMCR_EOIMODE 0x200U
#define FAKE_VMCR_OPEN    (0xf8000000U | FAKE_VMCR_ACKCTL | FAKE_VMCR_ENABLE)

struct fake_gich {
	uint32_t hcr, vmcr, apr, lr[FAKE_GICH_LRS];
	uint32_t phys_active; /* of this CPU's private interrupts */
	uint32_t lr_writes, hcr_writes;
	uint32_t sgis; /* physical SGIs that this CPU has not taken yet */
};

extern struct fake_gich fake_gich[FAKE_GICH_CPUS];

/* All banks zero, `lrs` list registers; takes fake_machine's io_read and io_write. Bank 0 is selected. */
void fake_gich_reset(uint32_t lrs);

/* The CPU that accesses go to. */
void fake_gich_select(uint32_t cpu);

/* GICH_MISR; a maintenance interrupt is signalled while it is not 0 and GICH_HCR.EN is set. */
uint32_t fake_gich_misr(const struct fake_gich *g);
bool fake_gich_maintenance(const struct fake_gich *g);

/* The list register that GICV_IAR would take now, priority mask and running priority ignored; -1: none. */
int fake_gich_best(const struct fake_gich *g);

/* GICV_IAR and GICV_EOIR; virt7 emulates GICV_DIR. IAR: ID, and the source of an SGI in [12:10]. */
uint32_t fake_gich_ack(struct fake_gich *g);
void fake_gich_eoi(struct fake_gich *g, uint32_t iar);

#endif
