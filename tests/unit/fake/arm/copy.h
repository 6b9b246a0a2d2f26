/* SPDX-License-Identifier: BSD-2-Clause */
/* Copies of the host build: fake_machine.bad is the memory that aborts. */
#ifndef ARM_COPY_H
#define ARM_COPY_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "hyp/arm/include/arm/fault_kept.h"
#include <arm/sysreg.h>

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
	if (fake_machine.copy)
		return fake_machine.copy(to, from, len);
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

static inline void zero_pages(void *at, size_t size)
{
	memset(at, 0, size);
}

static inline void clean_invalidate_checked(const void *at, const void *end, uint32_t line)
{
	for (uintptr_t va = (uintptr_t)at; va < (uintptr_t)end; va += line)
		write_dccimvac((uint32_t)va);
}

/* The fault takes the exit's registers with it. */
static inline bool fake_faults(const void *at, size_t len)
{
	if (!fake_is_bad(at, len))
		return false;
	write_elr_hyp(0xdeadU);
	write_spsr_hyp(0xdeadU);
	return true;
}

static inline int load16_checked(const void *at)
{
	return fake_faults(at, 2) ? -EIO : *(const uint16_t *)at;
}

static inline int store16_checked(void *at, uint32_t value)
{
	if (fake_faults(at, 2))
		return -EIO;
	*(uint16_t *)at = (uint16_t)value;
	return 0;
}

static inline int store8_checked(void *at, uint32_t value)
{
	uint8_t byte = (uint8_t)value;

	return fake_faults(at, 1) ? -EIO : copy_checked(at, &byte, 1);
}

static inline int load_words_checked(uint32_t to[4], const void *at)
{
	if (fake_faults(at, 16))
		return -EIO;
	memcpy(to, at, 16);
	return 0;
}

static inline int store_words_checked(void *at, uint32_t first, uint32_t second)
{
	if (fake_faults(at, 8))
		return -EIO;
	((uint32_t *)at)[0] = first;
	((uint32_t *)at)[1] = second;
	return 0;
}

/* A device's abort takes with it, too, where the guest's fault was. */
static inline bool fake_device_faults(const volatile void *at, uint32_t size)
{
	if (!fake_faults((const void *)(uintptr_t)at, size))
		return false;
	write_hdfar(0xdeadU);
	write_hpfar(0xdeadU);
	return true;
}

static inline int load_device_checked(uint32_t *to, const volatile void *at, uint32_t size)
{
	if (fake_device_faults(at, size))
		return -EIO;
	*to = 0;
	memcpy(to, (const void *)(uintptr_t)at, size);
	return 0;
}

static inline int store_device_checked(volatile void *at, uint32_t value, uint32_t size)
{
	if (fake_device_faults(at, size))
		return -EIO;
	memcpy((void *)(uintptr_t)at, &value, size);
	return 0;
}

#endif
