/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virt7's own lines in memory that a start leaves as it is, behind the image (boot/virt7.lds.S), so that the next run
 * can tell how this one ended, if the machine was reset and not switched off: RAM keeps its contents then. Each line is
 * cleaned to memory as it is written. The last run's are copied before this one's replace them.
 */
#ifndef HYP_CONSOLE_BLACKBOX_H
#define HYP_CONSOLE_BLACKBOX_H

#include <stddef.h>
#include <stdint.h>

#define BLACKBOX_BYTES 8192U /* of lines: the last ones; a power of two */

/* Once, before the first line. */
void blackbox_start(void);

/* A line, with its line feed. Under the console's lock, as the rest of these. */
void blackbox_line(const char *text, size_t len);

/* virt7 ends by a panic, which the lines from here on tell of; or because it was asked to, where there was no panic. */
void blackbox_panic(void);
void blackbox_end(void);

/* Boot: how the last run ended, if that is known, and was not in order: a few lines. */
void blackbox_tell(void);

/* The last run's lines, a part at a time: up to `len` bytes from `*at`, which moves on; 0: no more. */
size_t blackbox_read(uint32_t *at, char *to, size_t len);

#endif
