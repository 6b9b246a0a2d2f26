/* SPDX-License-Identifier: BSD-2-Clause */
/* Conditions, from the manual's text: what tests hold against virt7's. */
#ifndef TESTS_UNIT_CONDITIONS_H
#define TESTS_UNIT_CONDITIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <arm/psr.h>

/* The condition by A8.3, from its text. */
static inline bool passes(uint32_t cond, uint32_t psr)
{
	bool n = psr & PSR_N, z = psr & PSR_Z, c = psr & PSR_C, v = psr & PSR_V, result;

	switch (cond >> 1) {
	case 0:
		result = z;
		break;
	case 1:
		result = c;
		break;
	case 2:
		result = n;
		break;
	case 3:
		result = v;
		break;
	case 4:
		result = c && !z;
		break;
	case 5:
		result = n == v;
		break;
	case 6:
		result = n == v && !z;
		break;
	default:
		return true;
	}
	return cond & 1 ? !result : result;
}

#endif
