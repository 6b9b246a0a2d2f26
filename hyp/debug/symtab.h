/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of virt7's own functions, from the table that tools/symtab puts into the image. */
#ifndef HYP_DEBUG_SYMTAB_H
#define HYP_DEBUG_SYMTAB_H

#include <stdint.h>

/*
 * The function that holds the byte `place` of the text, and in *offset the bytes from its start; "?" where there is no
 * table. The text is good until the next call.
 */
const char *symtab_find(uint32_t place, uint32_t *offset);

#endif
