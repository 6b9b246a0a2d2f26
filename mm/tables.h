/* SPDX-License-Identifier: BSD-2-Clause */
/* HYP's stage-1 tables: static, in the image's .bss, so that they exist before any allocator. */
#ifndef MM_TABLES_H
#define MM_TABLES_H

#include <stdint.h>

#define TABLE_ENTRIES 512U

extern uint64_t hyp_l1[4];                /* one entry a GiB */
extern uint64_t hyp_l2[4][TABLE_ENTRIES]; /* 2 MiB entries */
extern uint64_t image_l3[TABLE_ENTRIES];  /* the image's 4 KiB pages */
extern uint64_t device_l3[TABLE_ENTRIES]; /* the first 2 MiB of devices: the console needs one before there is a heap */
extern uint64_t boot_l1[4];               /* as hyp_l1, and the identity map */
extern uint64_t boot_l2[2][TABLE_ENTRIES]; /* [0] the top GiB, [1] the identity map where it is elsewhere */

#endif
