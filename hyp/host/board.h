/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What virt7 knows of boards and chips by name: one row each in hyp/host/board.c. A name is one of the root node's
 * compatible strings, or a CPU's enable-method.
 */
#ifndef HYP_HOST_BOARD_H
#define HYP_HOST_BOARD_H

#include "hyp/host/host.h"

struct host_board {
	const char *name;
	/* Makes a CPU run at the physical address `entry`, as cpustart(); NULL: not by registers that virt7 knows. */
	int (*start)(const struct host *host, const struct host_cpu *cpu, uint32_t entry);
	/* What it needs beyond what its device tree says, in words for the console and done; NULL: nothing. */
	const char *quirk;
	void (*apply)(struct host *host);
};

/* The last one has no name. */
extern const struct host_board host_boards[];

/* Do what the rows that match the root node say, and say so. Once, with the tree read and nothing else begun. */
void board_apply_quirks(struct host *host);

#endif
