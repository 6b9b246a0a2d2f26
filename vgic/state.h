/* The vGIC's data, embedded in struct vm and struct vcpu. Plain data: the rules are in vgic/vgic.h. */
#ifndef VGIC_STATE_H
#define VGIC_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <arm/spinlock.h>

#define VGIC_PRIVATE 32U  /* SGIs 0-15, PPIs 16-31 */
#define VGIC_IRQS    256U /* with 224 SPIs */
#define VGIC_WORDS   (VGIC_IRQS / 32U)
#define VGIC_LR_MAX  16U
#define VGIC_NO_LR   0xffU

struct vgic_irq {
	uint8_t priority; /* as the guest wrote it, implemented bits only */
	uint8_t targets;  /* SPIs: vCPU mask */
	uint8_t sources;  /* SGIs: vCPUs whose SGI is pending */
	uint8_t lr;       /* list register that holds it, else VGIC_NO_LR; then `owner` says whose */
	uint8_t owner;    /* vCPU index */
	bool enabled;
	bool group1;
	bool edge;
	bool latch;       /* pending, independent of the line: edge seen, or set by the guest */
	bool soft;        /* level, in a list register: pending there because the guest said so */
	bool line;        /* level input */
	bool active;      /* only while not in a list register: then the register tells */
	bool (*hw)(void); /* backed by the physical interrupt of the same ID (LR.HW); samples its line on the loaded
			     vCPU */
};

struct vgic_cpu {
	struct vgic_irq irq[VGIC_PRIVATE];
	uint32_t queued[VGIC_WORDS]; /* may go to this vCPU now and is not in a list register */
	uint32_t queued_words;       /* bit w: queued[w] is not 0 */
	uint32_t lr_used;            /* list registers that were written and not yet found empty */
	uint32_t lr_eoi;             /* of these, the ones that ask for an interrupt at EOI */
	uint32_t resample;           /* list registers whose interrupt has changed since they were written */
	bool flushing;               /* vgic_flush() is at work and will see what is queued meanwhile */
	uint32_t hcr;                /* GICH_HCR as last written */
	uint32_t vmcr, apr;          /* saved while another vCPU has the CPU */
	uint32_t lr[VGIC_LR_MAX];
	uint8_t lr_irq[VGIC_LR_MAX];
};

struct vgic {
	struct spinlock lock; /* all of the VM's vGIC state, list registers of the calling CPU included */
	uint32_t enabled;     /* GICD_CTLR: bit g: group g is forwarded */
	uint32_t cpus;
	struct vgic_irq spi[VGIC_IRQS - VGIC_PRIVATE];
};

#endif
