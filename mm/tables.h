/* SPDX-License-Identifier: BSD-2-Clause */
/* HYP's stage-1 tables (mm/hypmap.c): static, so that they exist before any allocator; boot/early.c begins them. */
#ifndef MM_TABLES_H
#define MM_TABLES_H

#include <stdint.h>

#define TABLE_ENTRIES 512U

extern uint64_t hyp_l1[4];                /* one entry a GiB */
extern uint64_t hyp_l2[4][TABLE_ENTRIES]; /* 2 MiB entries */
extern uint64_t device_l3[TABLE_ENTRIES]; /* the first 2 MiB of devices: the console needs one before there is a heap */

#endif
