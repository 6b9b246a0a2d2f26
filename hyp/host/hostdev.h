/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices of the host that are given away whole, as its device tree has them: where one is, which interrupts it has,
 * what speaks against giving it to a VM, and who has it. The claims are made and given up on the boot CPU only, in boot
 * and in the shell's thread, so no lock guards them (hyp/host/hostclaim.c).
 */
#ifndef HYP_HOST_HOSTDEV_H
#define HYP_HOST_HOSTDEV_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/host/devtree.h"
#include "hyp/host/host.h"

#define HOSTDEV_REGS 16U
#define HOSTDEV_IRQS 8U
#define HOSTDEV_PATH 96U

#define HOSTDEV_GIC_REGION 0x2000U /* of GICC and GICV; the others have less, and nothing else behind them */

struct hostdev {
	const struct hostdev *next; /* of those that are claimed */
	const char *owner;          /* NULL: it is not claimed */
	int node;                   /* in the host's tree */
	char path[HOSTDEV_PATH];    /* cut where it is longer */
	uint32_t reg_count, irq_count;
	struct host_range reg[HOSTDEV_REGS]; /* as the CPU sees them, bytes */
	struct dt_gic_irq irq[HOSTDEV_IRQS];
	uint8_t irq_place[HOSTDEV_IRQS]; /* in the node's list of them, from 0 */
	bool irq_lost;                   /* there are others, which do not arrive at the GIC */
	bool master;                     /* it may read and write RAM by itself; so does what virt7 does not know */
	bool iommu;                      /* behind one */
	bool coherent;                   /* what it reads and writes in RAM goes through the CPUs' caches */
};

/* Boot, once: the host that all of this is about. It stays. */
void hostdev_init(const struct host *host);

const struct host *hostdev_host(void);

/* Its device tree, for what a device's owner needs of its node. */
const void *hostdev_tree(void);

/*
 * Fill `dev` for the node that `name`, a path or an alias of the host's tree, stands for. NULL, or why it cannot be
 * given away, for people: it is not there, not a device that the CPU reaches, or one that virt7 itself needs. Nothing
 * is claimed.
 */
const char *hostdev_find(const char *name, struct hostdev *dev);

/*
 * Claim it for `owner`, a name that lives as long as the claim, and so `dev`, of which virt7's own drivers fill `node`
 * only: its registers and interrupts are read here. NULL, or whose claim is in the way: of the same node, or of one
 * with which it shares a register or an interrupt; or another owner has the rest.
 */
const struct hostdev *hostdev_claim(struct hostdev *dev, const char *owner);
void hostdev_release(struct hostdev *dev);

/*
 * Claim all that has no owner, now and later: what hostdev_judge() gives. `dev` stands for it, and has nothing filled
 * in. NULL, or who has it already.
 */
const struct hostdev *hostdev_claim_rest(struct hostdev *dev, const char *owner);

/* What becomes of a node of the tree for who has the rest. */
enum hostdev_fate {
	HOSTDEV_GIVEN,    /* it is the owner's, with the registers in dev->reg[] */
	HOSTDEV_KEPT,     /* it is another owner's, or cannot be given */
	HOSTDEV_DISABLED, /* as the tree itself says */
	HOSTDEV_ABSENT,   /* of what every VM has its own: CPUs, RAM, GIC, timer; and what is nothing without those */
};

/*
 * Fills dev->node, path, reg and master, by the node alone, whatever is above it. *why is what a person should know of
 * a node that is kept, or NULL. A bus has no registers where these are its window to the devices below.
 */
enum hostdev_fate hostdev_judge(const struct dt_node *node, struct hostdev *dev, const char **why);

/* The claim of the node at this place in the tree; NULL: there is none. */
const struct hostdev *hostdev_claim_of(int node);

/* Whether the page is one of the GIC's, as far as the tree may not say so. */
bool hostdev_is_gic_page(uint64_t page);

/* The GIC's node in the tree. */
int hostdev_gic(void);

/* Fill dev->reg[], irq[] by the node. NULL, or why it cannot be given away, for people. */
const char *hostdev_read_regs(const struct dt_node *node, struct hostdev *dev);
const char *hostdev_read_irqs(const struct dt_node *node, struct hostdev *dev);

/* Whether one of its ranges of registers has some of `size` bytes at `base`. */
bool hostdev_covers(const struct hostdev *dev, uint64_t base, uint64_t size);

/* Who has claimed the node of `dev` (*same) or one that shares registers or an interrupt with it, the rest not counted;
 * NULL: no one has. */
const char *hostdev_in_the_way(const struct hostdev *dev, bool *same);

#endif
