/* SPDX-License-Identifier: BSD-2-Clause */
/* Device trees of unit tests, written as text and compiled with dtc. */
#ifndef TESTS_UNIT_DTS_H
#define TESTS_UNIT_DTS_H

#include <stdint.h>

#define DTS_TREE_MAX 0x100000

/* The last one; a test may put a tree here by itself. */
extern uint8_t dts_tree[DTS_TREE_MAX];

void dts_compile(const char *text);

#endif
