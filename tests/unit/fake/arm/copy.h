/* Copies of the host build: fake_machine.bad is the memory that aborts. */
#ifndef ARM_COPY_H
#define ARM_COPY_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "fake_machine.h"

static inline bool fake_is_bad(const void *at, size_t len)
{
	uintptr_t start = (uintptr_t)at, bad = (uintptr_t)fake_machine.bad;

	return start < bad + fake_machine.bad_size && bad < start + len;
}

static inline int copy_checked(void *to, const void *from, size_t len)
{
	if (fake_is_bad(to, len) || fake_is_bad(from, len))
		return -EIO;
	memcpy(to, from, len);
	return 0;
}

static inline int zero_lines_checked(void *at, const void *end)
{
	size_t len = (size_t)((const char *)end - (char *)at);

	if (fake_is_bad(at, len))
		return -EIO;
	memset(at, 0, len);
	return 0;
}

#endif
