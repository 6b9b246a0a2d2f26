/* SPDX-License-Identifier: BSD-2-Clause */
/* What hyp/vdev/passrest.c and hyp/vdev/resttree.c share: the rest of the host's devices, of the VM that has it. */
#ifndef HYP_VDEV_PASSREST_H
#define HYP_VDEV_PASSREST_H

#include "hyp/vdev/passthrough.h"
#include "vgic/state.h"

#define REST_QUIET_MAX 32U

/* A node that the VM has not, with all below it. */
struct rest_mark {
	int node;
	bool absent; /* from its tree, too; else it is there, and says that it is disabled */
};

struct rest_quiet {
	const struct host_quiet *quiet;
	uint8_t *at;
};

struct pass_rest {
	struct hostdev claim;
	uint32_t order; /* of its pages in the heap */
	uint32_t devices, irqs;
	uint32_t foreign_count, mark_count, quiet_count;
	struct host_range *foreign; /* registers that are not the VM's */
	struct rest_mark *mark;     /* in the order of the tree */
	struct rest_quiet quiet[REST_QUIET_MAX];
	bool unquiet;           /* there is a bus master that cannot be made quiet */
	bool loud;              /* or one that the last attempt has not made so */
	uint8_t irq[VGIC_IRQS]; /* the guest's number for the host's; 0: none */
};

#endif
