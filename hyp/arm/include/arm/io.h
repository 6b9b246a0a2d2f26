/* SPDX-License-Identifier: BSD-2-Clause */
/* Device register access: one load or store of exactly the width that the name says. */
#ifndef ARM_IO_H
#define ARM_IO_H

#include <stdint.h>

static inline uint32_t io_read32(const volatile void *addr)
{
	uint32_t v;

	__asm__ volatile("ldr %0, %1" : "=r"(v) : "Qo"(*(const volatile uint32_t *)addr) : "memory");
	return v;
}

static inline void io_write32(volatile void *addr, uint32_t v)
{
	__asm__ volatile("str %1, %0" : "=Qo"(*(volatile uint32_t *)addr) : "r"(v) : "memory");
}

static inline uint16_t io_read16(const volatile void *addr)
{
	uint32_t v;

	__asm__ volatile("ldrh %0, %1" : "=r"(v) : "Qo"(*(const volatile uint16_t *)addr) : "memory");
	return (uint16_t)v;
}

static inline void io_write16(volatile void *addr, uint16_t v)
{
	__asm__ volatile("strh %1, %0" : "=Qo"(*(volatile uint16_t *)addr) : "r"((uint32_t)v) : "memory");
}

static inline uint8_t io_read8(const volatile void *addr)
{
	uint32_t v;

	__asm__ volatile("ldrb %0, %1" : "=r"(v) : "Qo"(*(const volatile uint8_t *)addr) : "memory");
	return (uint8_t)v;
}

static inline void io_write8(volatile void *addr, uint8_t v)
{
	__asm__ volatile("strb %1, %0" : "=Qo"(*(volatile uint8_t *)addr) : "r"((uint32_t)v) : "memory");
}

#endif
