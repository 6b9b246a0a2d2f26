/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Break before make, watched (DDI 0406C B3.10.1). Each entry of a live table is valid, invalid but not yet invalidated
 * everywhere, or invalid, and goes through these in turn:
 *
 *   valid --pte_break()--> written --DSB--> visible --TLB maintenance of its owner--> under way --DSB--> invalid
 *
 * With erratum 798181 the last DSB is not enough: another TLB operation and a DSB have to follow. What is wrong is kept
 * as the first such finding: an entry that is made valid in between, one that is changed while it is valid, and a
 * table's page that is given away while an entry that pointed to it is not invalid yet.
 */
#ifndef FAKE_TABLES_H
#define FAKE_TABLES_H

#include <stdbool.h>
#include <stdint.h>

/* Watch from now on, behind fake_machine_reset(). */
void fake_tables_watch(void);

/* The first thing that was wrong; NULL: nothing. */
const char *fake_tables_wrong(void);

/* The page at physical address `page` goes to another owner. */
void fake_tables_give_away(uint64_t page);

/* Entries that are neither valid nor invalid everywhere, now. */
uint32_t fake_tables_between(void);

#endif
