/* SPDX-License-Identifier: BSD-2-Clause */
/* Device registers of the host build: plain memory, or the test's io_read and io_write (fake_machine.h). */
#ifndef ARM_IO_H
#define ARM_IO_H

#include <stdint.h>

#include "fake_machine.h"

static inline uint32_t io_read32(const volatile void *addr)
{
	return fake_machine.io_read ? fake_machine.io_read(addr, 4) : *(const volatile uint32_t *)addr;
}

static inline void io_write32(volatile void *addr, uint32_t v)
{
	if (fake_machine.io_write)
		fake_machine.io_write(addr, 4, v);
	else
		*(volatile uint32_t *)addr = v;
}

static inline uint16_t io_read16(const volatile void *addr)
{
	return fake_machine.io_read ? (uint16_t)fake_machine.io_read(addr, 2) : *(const volatile uint16_t *)addr;
}

static inline void io_write16(volatile void *addr, uint16_t v)
{
	if (fake_machine.io_write)
		fake_machine.io_write(addr, 2, v);
	else
		*(volatile uint16_t *)addr = v;
}

static inline uint8_t io_read8(const volatile void *addr)
{
	return fake_machine.io_read ? (uint8_t)fake_machine.io_read(addr, 1) : *(const volatile uint8_t *)addr;
}

static inline void io_write8(volatile void *addr, uint8_t v)
{
	if (fake_machine.io_write)
		fake_machine.io_write(addr, 1, v);
	else
		*(volatile uint8_t *)addr = v;
}

#endif
