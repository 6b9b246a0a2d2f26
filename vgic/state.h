/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vGIC's data, embedded in struct vm and struct vcpu. vgic/moves.def has the table of where an interrupt is, and
 * who may take it from there; all of it under the VM's vgic.lock. What does without is no move: a mailbox; put_again(),
 * by which a timer's interrupt or an SGI that was ended in a list register is pending there again; vgic_set_line(),
 * where an edge's line falls; vgic_save(), for the list registers of the vCPU that leaves its CPU.
 */
#ifndef VGIC_STATE_H
#define VGIC_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <arm/spinlock.h>

#include "hyp/run/timer.h"

#define VGIC_PRIVATE 32U  /* SGIs 0-15, PPIs 16-31 */
#define VGIC_IRQS    256U /* with 224 SPIs */
#define VGIC_WORDS   (VGIC_IRQS / 32U)
#define VGIC_LR_MAX  16U
#define VGIC_LEVELS  32U /* priorities that a list register can hold */
#define VGIC_NO_LR   0xffU
#define VGIC_NO_CPU  0xffU
#define VGIC_TWINS   224U /* SPIs of the host's that all VMs may have together */

struct percpu;

struct vgic_irq {
	uint8_t lr;    /* list register that holds it, else VGIC_NO_LR */
	uint8_t owner; /* vCPU index: whose list register, queue, or (acked) CPU interface has it */
	bool taken;    /* its twin has fired and is active: it cannot come again */
	bool group1;
	/* A word together, 0 or 1 but for `held`: vgic/raise.c asks for the four in one comparison. */
	uint32_t : 0;
	uint32_t forward : 8; /* enabled */
	uint32_t held : 8;    /* vCPUs that write its state: it is not delivered meanwhile */
	uint32_t soft : 8;    /* level, in a list register: pending there because the guest said so */
	uint32_t manual : 8;  /* in a list register: active there because the guest said so */
	uint32_t rank;        /* priority and group, as they stand in a list register: vgic_set_rank() */
	bool latch;           /* pending, independent of the line: edge seen, or set by the guest */
	uint8_t sources;      /* SGIs: vCPUs whose SGI is pending */
	bool active;          /* only while not in a list register: then the register tells */
	bool edge;
	bool queued;      /* in the owner's `queued` set, */
	uint8_t level;    /* with this priority (five bits) */
	bool acked;       /* active, taken by the owner, and its list register was given to another */
	uint8_t apr_bit;  /* acked: what stands for it in the owner's GICH_APR */
	uint8_t priority; /* as the guest wrote it, implemented bits only */
	uint8_t targets;  /* SPIs: vCPU mask */
	uint8_t claimant; /* of several targets: vCPU index, VGIC_NO_CPU (vgic/share.c) */
	uint8_t ready;    /* and how soon whoever has it takes it */
	bool asked;       /* the others were asked for it */
	/* A reset of the VM leaves these as they are, but for the line of what the hardware backs. */
	bool line;        /* level input; of an edge a fall is written without the lock */
	uint8_t twin;     /* SPIs: 1 + the index of its twin among the host's (vgic/twin.c); 0: none */
	bool (*hw)(void); /* backed by the physical interrupt of the same ID (LR.HW); samples its line on the loaded
			     vCPU */
};

struct vgic_cpu {
	struct vgic_irq irq[VGIC_PRIVATE];
	struct vgic_irq *hw_irq; /* the private interrupt that the hardware backs */
	bool hw_active;          /* its physical twin was, when the vCPU was saved */
	bool hw_waits;           /* its twin had fired then, and the guest had not ended it */
	bool hw_left;            /* its twin may be active, from before a reset */
	uint32_t enabled;        /* of the private interrupts; SGIs always are */
	uint32_t group1;         /* of these, too */
	uint32_t busy;           /* of these, all that are not idle, and perhaps others */
	uint32_t lr_used;        /* list registers that were written and not yet found empty */
	uint32_t lr_eoi;         /* of these, the ones that ask for an interrupt at EOI */
	uint32_t lr_lent;        /* of lr_used, the ones by which the EOI ends the twin of an SPI (GICH_LR.HW) */
	uint32_t resample;       /* list registers whose interrupt has changed since they were written */
	uint32_t traced;         /* of these, what the trace has seen */
	uint8_t injected_id[8];  /* the last of them */
	uint32_t injected;       /* interrupts put into list registers since boot */
	/* What may go to this vCPU now and is in no list register: a bit each, by priority; and what of that is not 0.
	 */
	uint32_t queued_levels;            /* bit p: of priority p (five bits) there are some, */
	uint8_t queued_words[VGIC_LEVELS]; /* bit w: in this word */
	uint32_t queue_floor; /* while GICH_HCR.NPIE is set: nothing of this priority or less displaces another */
	bool flushing;        /* vgic_flush() is at work and will see what is queued meanwhile */
	bool shares;          /* may have an SPI of several targets that no vCPU has acknowledged */
	bool look_late;       /* and has had it for a while */
	bool asked;           /* whether it would take one that another vCPU has */
	uint8_t share_groups; /* groups of those */
	/*
	 * The mailbox: SGIs that other vCPUs have sent and this one has not looked at yet, pending all the same. A byte
	 * an ID, in it a bit for each source. Others set bits, without a lock, and ask for WORK_SGI; only the vCPU
	 * itself clears them, on the CPU where it runs (or vgic_reset(), when it does not). No register of another
	 * CPU's shows the state of its SGIs, which are banked.
	 */
	uint32_t mail[4];
	bool spilled;            /* interrupts may be `acked` by it */
	uint8_t recall;          /* vCPUs that wait for what is `held` to leave the list registers, and for lr[] */
	const struct percpu *on; /* the CPU whose list registers are this vCPU's; NULL: lr[] is */
	uint32_t hcr;            /* GICH_HCR as last written; saved while another vCPU has the CPU, as is the rest */
	uint32_t vmcr, apr;
	uint32_t orphans;         /* bits of GICH_APR whose interrupt is not active any more: their EOI ends nothing */
	uint32_t lr[VGIC_LR_MAX]; /* while loaded: as they were last written, or seen for another vCPU */
	uint8_t lr_irq[VGIC_LR_MAX];
	uint32_t queued[VGIC_LEVELS][VGIC_WORDS]; /* large: the rest is within reach of short offsets */
};

struct vgic {
	struct spinlock lock;         /* all of the VM's vGIC state, list registers of the calling CPU included */
	uint32_t requests;            /* vCPUs that are asked for WORK_VGIC when the lock is given back */
	uint32_t forwarded;           /* GICD_CTLR: bit g: group g is forwarded */
	uint32_t enabled[VGIC_WORDS]; /* SPIs; word 0 is every vCPU's own */
	uint32_t group1[VGIC_WORDS], busy[VGIC_WORDS];
	uint32_t edge[VGIC_IRQS / 16]; /* GICD_ICFGR as it reads; the first two are fixed */
	uint32_t online;               /* vCPUs whose CPU interface is on */
	uint32_t several[VGIC_WORDS];  /* SPIs that have several targets, */
	uint32_t shared;               /* and how many these are */
	uint32_t twins;                /* SPIs that have one */
	struct timer look;             /* the next look at those that wait (vgic/share.c) */
	struct vgic_irq spi[VGIC_IRQS - VGIC_PRIVATE];
};

#endif
