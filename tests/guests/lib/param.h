/* SPDX-License-Identifier: BSD-2-Clause */
/* Parameters of a test guest: "name=number" in /chosen/bootargs, which a scan of the device tree for the text finds. */
#ifndef GUEST_PARAM_H
#define GUEST_PARAM_H

#include "tests/guests/lib/guest.h"

#define FDT_MAGIC    UINT32_C(0xd00dfeed)
#define FDT_SCAN_MAX MIB(2)

static inline uint32_t fdt_be32(uint32_t addr)
{
	return __builtin_bswap32(read32(addr));
}

/* The number after `name` (which ends in '='), or `otherwise`. Before the MMU is on: the tree may lie outside its map.
 */
static inline uint32_t param(const char *name, uint32_t otherwise)
{
	uint32_t at = boot_state.r2, end, length = 0, value = 0;

	while (name[length])
		length++;
	if (fdt_be32(at) != FDT_MAGIC || fdt_be32(at + 4) > FDT_SCAN_MAX)
		return otherwise;
	for (end = at + fdt_be32(at + 4) - length; at < end; at++)
		if (memcmp((const void *)at, name, length) == 0)
			break;
	if (at >= end)
		return otherwise;
	for (at += length; read8(at) >= '0' && read8(at) <= '9'; at++)
		value = value * 10 + read8(at) - '0';
	return value;
}

#endif
