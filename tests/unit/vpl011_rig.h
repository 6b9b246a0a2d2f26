/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of the guest's PL011 share: a console that has so much room and input, and a line to the vGIC. */
#ifndef TESTS_UNIT_VPL011_RIG_H
#define TESTS_UNIT_VPL011_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_page.h"
#include "hyp/lib/bits.h"
#include "hyp/vm/machine.h"
#include "hyp/vdev/vpl011.h"
#include "hyp/vm/vm.h"
#include "mm/page.h"
#include "vgic/vgic.h"

#define DR    0x00
#define RSR   0x04
#define FR    0x18
#define ILPR  0x20
#define IBRD  0x24
#define FBRD  0x28
#define LCR_H 0x2c
#define CR    0x30
#define IFLS  0x34
#define IMSC  0x38
#define RIS   0x3c
#define MIS   0x40
#define ICR   0x44
#define DMACR 0x48

#define FEN     0x10
#define WLEN8   0x60
#define BRK     0x01
#define LBE     0x080
#define ENABLED 0x301 /* UARTEN, TXE, RXE */

#define BUSY 0x08
#define RXFE 0x10
#define TXFF 0x20
#define RXFF 0x40
#define TXFE 0x80

#define INT_RX 0x010
#define INT_TX 0x020
#define INT_RT 0x040
#define INT_BE 0x200
#define INT_OE 0x400

#define DR_BE 0x400
#define DR_OE 0x800

static struct vm vm;
static struct vcpu vcpu = {.vm = &vm};

/* The console: what came out, how much room there is, what is typed. */
static char sent[256];
static size_t sent_count, room;
static const char *typed;

/* The vGIC */
static bool line;
static unsigned int line_changes;

uint32_t console_put(struct console_stream *stream, const uint8_t *bytes, uint32_t len)
{
	uint32_t n = (uint32_t)MIN(len, room);

	assert_ptr_equal(stream, &vm.console);
	room -= n;
	assert_in_range(sent_count + n, 0, sizeof(sent) - 1);
	memcpy(sent + sent_count, bytes, n);
	sent[sent_count += n] = 0;
	return n;
}

int console_getc(struct console_stream *stream)
{
	assert_ptr_equal(stream, &vm.console);
	return *typed ? (uint8_t)*typed++ : -1;
}

void vgic_set_line(struct vm *of, uint32_t cpu, uint32_t id, bool level)
{
	assert_ptr_equal(of, &vm);
	assert_int_equal(cpu, 0);
	assert_int_equal(id, MACHINE_SPI_UART);
	assert_int_not_equal(level, line); /* told only of changes */
	line = level;
	line_changes++;
}

static inline int setup(void **state)
{
	(void)state;
	device_destroy_all(&vm);
	memset(&vm, 0, sizeof(vm));
	sent[sent_count = 0] = 0;
	room = SIZE_MAX;
	typed = "";
	line = false;
	line_changes = 0;
	vm.console.vm = &vm;
	return device_create(&vm, &vpl011_class);
}

static inline int teardown(void **state)
{
	(void)state;
	device_destroy_all(&vm);
	return fake_page_live() == 0 ? 0 : -1;
}

static inline uint32_t read_sized(uint32_t offset, uint32_t size)
{
	struct mmio_access access = {.size = size, .value = 0xffffffff};

	assert_int_equal(mmio_access(&vcpu, MACHINE_UART_BASE + offset, &access), MMIO_DONE);
	assert_true(size == 4 || access.value < BIT(8 * size));
	return access.value;
}

static inline void write_sized(uint32_t offset, uint32_t size, uint32_t value)
{
	struct mmio_access access = {.size = size, .write = true, .value = value};

	assert_int_equal(mmio_access(&vcpu, MACHINE_UART_BASE + offset, &access), MMIO_DONE);
	assert_int_equal(line, read_sized(MIS, 4) != 0); /* whatever was written, the line follows MIS */
}

static inline uint32_t rd(uint32_t offset)
{
	return read_sized(offset, 4);
}

static inline void wr(uint32_t offset, uint32_t value)
{
	write_sized(offset, 4, value);
}

static inline void type(const char *text)
{
	typed = text;
	vm.console.input_ready(&vm.console);
}

static inline void enable_fifo(void)
{
	wr(LCR_H, FEN | WLEN8);
	wr(CR, ENABLED);
}

#define UART_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
