/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's GICv2 as HYP uses it (IHI 0048B): acknowledge, priority drop and deactivation apart (EOImode 1), so that
 * an interrupt handed to a guest stays active until the guest ends it.
 */
#ifndef HYP_HOST_GIC_H
#define HYP_HOST_GIC_H

#include <stdbool.h>
#include <stdint.h>

#include <arm/io.h>

#include "hyp/host/gicregs.h"
#include "hyp/host/host.h"

#define GIC_SPURIOUS 1020U /* IDs from here on are no interrupts, IHI 0048B 3.2.5 */

/* SGIs between CPUs. */
enum gic_sgi {
	GIC_SGI_KICK,   /* "look at your work": needs no handler */
	GIC_SGI_TRACE,  /* hyp/debug/trace.c */
	GIC_SGI_RECALL, /* give list registers back (vgic/state.c) */
	GIC_SGI_VIEWS,  /* show nothing of guests' RAM any more (hyp/vm/guestmem.c) */
};

#define GICH_HCR_EN       BIT(0)
#define GICH_HCR_UIE      BIT(1)
#define GICH_HCR_LRENPIE  BIT(2)
#define GICH_HCR_NPIE     BIT(3)
#define GICH_HCR_VGRP0DIE BIT(5)
#define GICH_HCR_VGRP1DIE BIT(7)

#define GICH_HCR_EOI_COUNT_SHIFT 27U

#define GICH_VMCR_FIQEN   BIT(3)
#define GICH_VMCR_CBPR    BIT(4)
#define GICH_VMCR_EOIMODE BIT(9)

#define GICH_LR_PENDING     BIT(28)
#define GICH_LR_ACTIVE      BIT(29)
#define GICH_LR_STATE       (GICH_LR_PENDING | GICH_LR_ACTIVE)
#define GICH_LR_GROUP1      BIT(30)
#define GICH_LR_HW          BIT(31)
#define GICH_LR_EOI         BIT(19)
#define GICH_LR_PRIORITY(p) (((uint32_t)(p) >> 3) << 23) /* five bits */
#define GICH_LR_PHYS(id)    ((uint32_t)(id) << 10)
#define GICH_LR_CPU(cpu)    ((uint32_t)(cpu) << 10)

extern volatile uint8_t *gic_gich, *gic_gicc; /* mapped; the vGIC's and the exit path's registers */

/* Map the GIC and set up the distributor; all SPIs off. Boot CPU, once. 0, or -ENODEV after a logged line. */
int gic_init(const struct host *host);

/* This CPU's interface and private interrupts. Each CPU. */
void gic_init_cpu(void);

/* List registers that exist (1 ... 64). */
uint32_t gic_list_registers(void);

/* Acknowledge: the IAR (CPU ID in bits 12:10 for SGIs), ID >= GIC_SPURIOUS when there is none. */
static inline uint32_t gic_acknowledge(void)
{
	return io_read32(gic_gicc + GICC_IAR);
}

/* Priority drop of what gic_acknowledge() returned; then deactivation, unless a guest will do that. */
static inline void gic_drop(uint32_t iar)
{
	io_write32(gic_gicc + GICC_EOIR, iar);
}

static inline void gic_deactivate(uint32_t iar)
{
	io_write32(gic_gicc + GICC_DIR, iar);
}

/*
 * QEMU up to 7.2 at least does not look at an interrupt's level again when a guest's EOI deactivates it (GICH_LR.HW):
 * one that fired anew meanwhile waits until something else touches the GIC. Found out at boot, by playing the guest,
 * with the private level interrupt `id`, whose line is up and which is enabled; IHI 0048B 3.2.4 has it pending again.
 */
void gic_probe_level(uint32_t id);
extern bool gic_forgets_level;

/* Make the GIC look at all its inputs again; for hosts where gic_forgets_level. */
void gic_look_again(void);

/* Let an SPI interrupt `cpu`, which is online, and no other CPU. Private interrupts stay where they are. */
void gic_set_target(uint32_t id, uint32_t cpu);

/* Enable an interrupt (a private one: on the calling CPU) at HYP's priority. An SPI has a target. */
void gic_enable(uint32_t id);

/* Active state of a private interrupt of the calling CPU. */
void gic_set_active(uint32_t id, bool active);

/*
 * SPIs that a VM has (vgic/twin.c). gic_end_spi(): deactivate it, whichever CPU has acknowledged it.
 * gic_spi_is_pending(): also behind its own active state; of a level-sensitive one it is the line (4.3.7).
 */
void gic_disable_spi(uint32_t id);
void gic_end_spi(uint32_t id);
bool gic_spi_is_pending(uint32_t id);
void gic_clear_pending_spi(uint32_t id);

/* Make an SPI that is disabled edge-triggered or level-sensitive; true: it is edge-triggered, as some have to be. */
bool gic_set_edge(uint32_t id, bool edge);

/* Interrupts from this ID on do not exist. */
uint32_t gic_lines(void);

bool gic_is_active(uint32_t id);

/* SGI to one CPU by its virt7 number. */
void gic_send_sgi(uint32_t cpu, uint32_t sgi);

/* SGI to all CPUs but this one, also to those that virt7 does not know yet. */
void gic_send_sgi_others(uint32_t sgi);

#endif
