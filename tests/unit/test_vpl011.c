/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's PL011, driven through the MMIO bus as a guest does it, between a console of this test and a vGIC that
 * keeps the line's level. Register values and rules are those of ARM DDI 0183, by section.
 */
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

static int setup(void **state)
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

static int teardown(void **state)
{
	(void)state;
	device_destroy_all(&vm);
	return fake_page_live() == 0 ? 0 : -1;
}

static uint32_t read_sized(uint32_t offset, uint32_t size)
{
	struct mmio_access access = {.size = size, .value = 0xffffffff};

	assert_int_equal(mmio_access(&vcpu, MACHINE_UART_BASE + offset, &access), MMIO_DONE);
	assert_true(size == 4 || access.value < BIT(8 * size));
	return access.value;
}

static void write_sized(uint32_t offset, uint32_t size, uint32_t value)
{
	struct mmio_access access = {.size = size, .write = true, .value = value};

	assert_int_equal(mmio_access(&vcpu, MACHINE_UART_BASE + offset, &access), MMIO_DONE);
	assert_int_equal(line, read_sized(MIS, 4) != 0); /* whatever was written, the line follows MIS */
}

static uint32_t rd(uint32_t offset)
{
	return read_sized(offset, 4);
}

static void wr(uint32_t offset, uint32_t value)
{
	write_sized(offset, 4, value);
}

static void type(const char *text)
{
	typed = text;
	vm.console.input_ready(&vm.console);
}

static void enable_fifo(void)
{
	wr(LCR_H, FEN | WLEN8);
	wr(CR, ENABLED);
}

/* Table 3-1 */
static void check_reset_values(void)
{
	static const struct {
		uint32_t offset, value;
	} reset[] = {
		{RSR, 0},      {FR, TXFE | RXFE}, {ILPR, 0},     {IBRD, 0},     {FBRD, 0},     {LCR_H, 0},
		{CR, 0x300},   {IFLS, 0x12},      {IMSC, 0},     {RIS, 0},      {MIS, 0},      {ICR, 0},
		{DMACR, 0},    {0x08, 0},         {0x1c, 0},     {0x80, 0},     {0x8c, 0},     {0xfdc, 0},
		{0xfe0, 0x11}, {0xfe4, 0x10},     {0xfe8, 0x14}, {0xfec, 0x00}, {0xff0, 0x0d}, {0xff4, 0xf0},
		{0xff8, 0x05}, {0xffc, 0xb1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(reset); i++)
		if (rd(reset[i].offset) != reset[i].value)
			fail_msg("register %03x: %x after reset", reset[i].offset, rd(reset[i].offset));
}

static void test_reset_values(void **state)
{
	(void)state;
	check_reset_values();
	assert_int_equal(line_changes, 0);
}

/* Writable bits by chapter 3.3; what is not there reads as 0. */
static void test_writable_bits(void **state)
{
	static const struct {
		uint32_t offset, bits;
	} writable[] = {
		{ILPR, 0xff},
		{IBRD, 0xffff},
		{FBRD, 0x3f},
		{LCR_H, 0xff},
		{CR, 0xff87},
		{IFLS, 0x3f},
		{DMACR, 7},
		{IMSC, 0x7ff},
		{0x08, 0},
		{0x80, 0},
		{0xfe0, 0x11},
		{RSR, 0},
		{FR, TXFE | RXFE | 0x107},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(writable); i++) {
		wr(writable[i].offset, 0xffffffff);
		if (rd(writable[i].offset) != writable[i].bits)
			fail_msg("register %03x: %x", writable[i].offset, rd(writable[i].offset));
	}
	wr(RIS, 0xffffffff);
	wr(MIS, 0xffffffff);
	assert_int_equal(rd(RIS) & ~0xfU, 0); /* modem lines moved with CR.LBE */
}

/* Narrow accesses reach the low bytes; nothing is written elsewhere in a word. */
static void test_widths(void **state)
{
	(void)state;
	write_sized(IBRD, 2, 0xabcd);
	assert_int_equal(read_sized(IBRD, 1), 0xcd);
	assert_int_equal(read_sized(IBRD, 2), 0xabcd);
	assert_int_equal(read_sized(IBRD + 1, 1), 0xab);
	assert_int_equal(read_sized(IBRD + 2, 2), 0);
	write_sized(IBRD + 1, 1, 0x77);
	write_sized(IBRD + 2, 2, 0x77);
	assert_int_equal(rd(IBRD), 0xabcd);
	write_sized(IBRD, 1, 0x12);
	assert_int_equal(rd(IBRD), 0x12);
	write_sized(DR, 1, 'a');
	write_sized(DR, 2, 'b');
	write_sized(DR + 1, 1, 'c');
	wr(DR, 0xffffff00 | 'd');
	assert_string_equal(sent, "abd");
	assert_int_equal(read_sized(FR, 2), TXFE | RXFE);
	assert_int_equal(read_sized(FR, 1), TXFE | RXFE);
	wr(CR, LBE | 0x2000); /* RI is bit 8 of FR */
	assert_int_equal(read_sized(FR, 2), 0x190);
	assert_int_equal(read_sized(FR, 1), 0x90);
}

/* Linux's earlycon and bare-metal code write without any set-up, as QEMU lets them. */
static void test_transmit_with_defaults(void **state)
{
	(void)state;
	for (const char *c = "hello"; *c; c++) {
		assert_int_equal(rd(FR) & (TXFF | BUSY), 0);
		wr(DR, (uint8_t)*c);
	}
	assert_string_equal(sent, "hello");
	wr(CR, 0);
	wr(DR, '!');
	assert_string_equal(sent, "hello!");
}

/* 2.8.3, and every departure counts. */
static void test_transmit_interrupt(void **state)
{
	(void)state;
	wr(IMSC, INT_TX);
	assert_false(line); /* a transition, not the level: an empty FIFO alone is no interrupt */
	wr(DR, 'a');
	assert_true(line);
	assert_int_equal(rd(RIS), INT_TX);
	wr(ICR, INT_TX);
	assert_false(line);
	wr(DR, 'b');
	wr(IMSC, 0);
	assert_false(line);
	assert_int_equal(rd(RIS), INT_TX);
	assert_int_equal(rd(MIS), 0);
}

/* The console is full: characters wait in order, TXFF at 16, more are lost, room sends them. */
static void test_transmit_fifo(void **state)
{
	(void)state;
	enable_fifo();
	wr(IMSC, INT_TX);
	room = 0;
	for (uint32_t i = 0; i < 15; i++)
		wr(DR, 'a' + i);
	assert_int_equal(rd(FR), RXFE | BUSY);
	wr(DR, 'p');
	assert_int_equal(rd(FR), RXFE | BUSY | TXFF);
	wr(DR, '!');
	assert_string_equal(sent, "");
	assert_false(line);
	room = 7; /* 9 left: above the trigger of 8 */
	vm.console.room(&vm.console);
	assert_string_equal(sent, "abcdefg");
	assert_int_equal(rd(FR), RXFE | BUSY);
	assert_false(line);
	room = 1;
	vm.console.room(&vm.console);
	assert_true(line);
	room = 100;
	vm.console.room(&vm.console);
	assert_string_equal(sent, "abcdefghijklmnop");
	assert_int_equal(rd(FR), RXFE | TXFE);
}

/* Written above the trigger again: the interrupt goes. A write takes what waits along. */
static void test_transmit_interrupt_cleared_by_data(void **state)
{
	(void)state;
	enable_fifo();
	wr(IFLS, 0); /* 2 */
	wr(IMSC, INT_TX);
	wr(DR, 'a');
	assert_true(line);
	room = 0;
	wr(DR, 'b');
	wr(DR, 'c');
	assert_true(line);
	wr(DR, 'd');
	assert_false(line);
	room = 100;
	wr(DR, 'e');
	assert_string_equal(sent, "abcde");
	assert_true(line);
}

static void test_transmit_holding_register(void **state)
{
	(void)state;
	room = 0;
	wr(DR, 'a');
	assert_int_equal(rd(FR), RXFE | BUSY | TXFF);
	wr(DR, 'b');
	room = 100;
	vm.console.room(&vm.console);
	assert_string_equal(sent, "a");
	assert_int_equal(rd(RIS), INT_TX);
	assert_int_equal(rd(FR), RXFE | TXFE);
}

static void test_receive_holding_register(void **state)
{
	(void)state;
	wr(IMSC, INT_RX);
	type("ab");
	assert_int_equal(rd(FR), TXFE | RXFF);
	assert_true(line);
	assert_int_equal(rd(DR), 'a');
	assert_true(line); /* b has followed from the console */
	assert_int_equal(rd(FR), TXFE | RXFF);
	assert_int_equal(rd(DR), 'b');
	assert_false(line);
	assert_int_equal(rd(FR), TXFE | RXFE);
	assert_int_equal(rd(RIS), 0);
	assert_int_equal(rd(DR), 'b'); /* empty: the last one again */
}

/* 3.3.9: RX trigger levels of 2, 4, 8, 12, 14; below them the timeout says it. */
static void test_receive_triggers(void **state)
{
	static const uint32_t trigger[8] = {2, 4, 8, 12, 14, 14, 14, 14};

	(void)state;
	for (uint32_t select = 0; select < 8; select++) {
		wr(LCR_H, 0);
		enable_fifo();
		wr(IFLS, select << 3);
		wr(ICR, 0x7ff);
		for (uint32_t n = 1; n <= 16; n++) {
			type("x");
			assert_int_equal(!!(rd(RIS) & INT_RX), n >= trigger[select]);
			if (n < trigger[select])
				assert_true(rd(RIS) & INT_RT);
		}
		assert_int_equal(rd(FR), TXFE | RXFF);
		for (uint32_t n = 15; n < 16; n--) {
			assert_int_equal(rd(DR), 'x');
			assert_int_equal(!!(rd(RIS) & INT_RX), n >= trigger[select]);
			assert_int_equal(!!(rd(RIS) & INT_RT), n > 0);
		}
		assert_int_equal(rd(FR), TXFE | RXFE);
	}
}

static void test_receive_timeout(void **state)
{
	(void)state;
	enable_fifo();
	wr(IMSC, INT_RT | INT_RX);
	type("abc");
	assert_int_equal(rd(MIS), INT_RT);
	wr(ICR, INT_RT);
	assert_false(line);
	assert_int_equal(rd(DR), 'a'); /* what is left times out again */
	assert_true(line);
	assert_int_equal(rd(DR), 'b');
	assert_int_equal(rd(DR), 'c');
	assert_false(line);
}

/* A driver that starts with characters there: it clears the interrupts, reads 32, and enables them (Linux). */
static void test_receive_behind_clear(void **state)
{
	(void)state;
	enable_fifo();
	type("123456789012345678901234567890123456789012345678901234567890");
	wr(ICR, INT_RT | INT_RX);
	for (uint32_t i = 0; i < 32; i++)
		rd(DR);
	wr(IMSC, INT_RT | INT_RX);
	assert_true(line);
	while (!(rd(FR) & RXFE))
		rd(DR);
	assert_false(line);
	type("1234567890");
	wr(ICR, INT_RT | INT_RX);
	assert_false(line);
	type("x");
	assert_true(line);
}

/* More than the FIFO holds: the rest stays in the console and follows, in order, nothing lost. */
static void test_receive_flood(void **state)
{
	static const char text[] = "The quick brown fox jumps over the lazy dog.";

	(void)state;
	enable_fifo();
	wr(IMSC, INT_RT | INT_RX);
	type(text);
	for (const char *c = text; *c; c++) {
		assert_true(line);
		assert_int_equal(rd(FR) & RXFE, 0);
		assert_int_equal(rd(DR), *c);
	}
	assert_false(line);
	assert_int_equal(rd(FR), TXFE | RXFE);
	assert_int_equal(rd(RSR), 0);
}

/* A lower trigger finds data that is there; a higher one leaves it to the timeout. */
static void test_trigger_moved(void **state)
{
	(void)state;
	enable_fifo();
	type("abcde");
	assert_int_equal(rd(RIS), INT_RT);
	wr(IFLS, 1 << 3);
	assert_true(rd(RIS) & INT_RX);
	wr(IFLS, 2 << 3);
	assert_int_equal(rd(RIS), INT_RT);
}

static void test_receiver_off(void **state)
{
	(void)state;
	wr(CR, 0x101);
	type("ab");
	assert_int_equal(rd(FR), TXFE | RXFE);
	wr(CR, ENABLED);
	assert_int_equal(rd(FR), TXFE | RXFF);
	assert_int_equal(rd(DR), 'a');
}

/* 3.3.7: with FEN changed the FIFOs are empty; input that had no place in them is not lost. */
static void test_fifo_flush(void **state)
{
	(void)state;
	enable_fifo();
	type("abcdefghijklmnopqr");
	room = 0;
	wr(DR, 'x');
	room = 100;
	wr(LCR_H, WLEN8);
	assert_int_equal(rd(FR), TXFE | RXFF);
	assert_int_equal(rd(DR), 'q');
	assert_int_equal(rd(DR), 'r');
	vm.console.room(&vm.console);
	assert_string_equal(sent, "");
	assert_int_equal(rd(RIS) & (INT_RT | INT_RX), 0);
}

/* 2.4.3: what is sent is received, the console's input is not. */
static void test_loopback(void **state)
{
	(void)state;
	enable_fifo();
	wr(CR, ENABLED | LBE);
	type("z");
	assert_int_equal(rd(FR), TXFE | RXFE);
	wr(DR, 'a');
	wr(DR, 'b');
	assert_string_equal(sent, "ab");
	assert_int_equal(rd(RIS) & INT_RT, INT_RT);
	assert_int_equal(rd(DR), 'a');
	assert_int_equal(rd(DR), 'b');
	assert_int_equal(rd(FR), TXFE | RXFE);
	wr(CR, ENABLED);
	assert_int_equal(rd(DR), 'z');
}

/* 2.4.3: OE at once in RSR, and in DR with the next character that found room. */
static void test_overrun(void **state)
{
	(void)state;
	enable_fifo();
	wr(CR, ENABLED | LBE);
	for (uint32_t i = 0; i < 16; i++)
		wr(DR, 'a' + i);
	assert_int_equal(rd(RIS) & INT_OE, 0);
	wr(DR, '!');
	assert_int_equal(rd(RIS) & INT_OE, INT_OE);
	assert_int_equal(rd(RSR), 8);
	assert_int_equal(rd(DR), 'a');
	wr(DR, 'q');
	for (uint32_t i = 1; i < 16; i++)
		assert_int_equal(rd(DR), 'a' + i);
	assert_int_equal(rd(DR), DR_OE | 'q');
	assert_int_equal(rd(RSR), 8);
	wr(RSR, 0);
	assert_int_equal(rd(RSR), 0);
	wr(DR, 'r');
	assert_int_equal(rd(DR), 'r');
	wr(ICR, INT_OE);
	assert_int_equal(rd(RIS) & INT_OE, 0);
}

static void test_break(void **state)
{
	(void)state;
	enable_fifo();
	wr(LCR_H, FEN | WLEN8 | BRK);
	assert_int_equal(rd(FR), TXFE | RXFE);
	wr(LCR_H, FEN | WLEN8);
	wr(CR, ENABLED | LBE);
	wr(LCR_H, FEN | WLEN8 | BRK);
	wr(LCR_H, FEN | WLEN8 | BRK);
	assert_int_equal(rd(RIS) & INT_BE, INT_BE);
	assert_int_equal(rd(RSR), 0); /* not before the character is read */
	assert_int_equal(rd(DR), DR_BE);
	assert_int_equal(rd(RSR), 4);
	assert_int_equal(rd(FR), TXFE | RXFE);
}

/* DTR to DSR, RTS to CTS, Out1 to DCD, Out2 to RI; each change is an interrupt (2.8.1). */
static void test_modem_loopback(void **state)
{
	static const uint32_t out[] = {BIT(10), BIT(11), BIT(12), BIT(13)};
	static const uint32_t in[] = {BIT(1), BIT(0), BIT(2), BIT(8)};
	static const uint32_t interrupt[] = {BIT(3), BIT(1), BIT(2), BIT(0)};

	(void)state;
	wr(CR, ENABLED | 0xfc00);
	assert_int_equal(rd(FR), TXFE | RXFE);
	wr(CR, ENABLED | LBE);
	assert_int_equal(rd(RIS), 0);
	for (size_t i = 0; i < ARRAY_SIZE(out); i++) {
		wr(CR, ENABLED | LBE | out[i]);
		assert_int_equal(rd(FR), TXFE | RXFE | in[i]);
		assert_int_equal(rd(RIS), interrupt[i]);
		wr(ICR, 0xf);
		wr(CR, ENABLED | LBE);
		assert_int_equal(rd(RIS), interrupt[i]);
		wr(ICR, 0xf);
	}
}

static void test_line_changes_only(void **state)
{
	(void)state;
	enable_fifo();
	wr(IMSC, INT_RX | INT_RT | INT_TX);
	type("a");
	type("bcdefghijk");
	wr(DR, 'x');
	assert_int_equal(line_changes, 1); /* and vgic_set_line() above asserts it, too */
	wr(ICR, 0x7ff);
	assert_int_equal(line_changes, 2);
}

/* Reset in the middle of everything. */
static void test_reset(void **state)
{
	(void)state;
	enable_fifo();
	wr(IMSC, 0x7ff);
	wr(CR, ENABLED | LBE | 0xfc00);
	wr(IBRD, 0x1234);
	wr(FBRD, 0x12);
	wr(ILPR, 0x12);
	wr(DMACR, 7);
	wr(IFLS, 0);
	for (uint32_t i = 0; i < 17; i++)
		wr(DR, 'x'); /* overrun */
	room = 0;
	wr(DR, 'y');
	assert_true(line);
	device_reset_all(&vm);
	assert_false(line);
	room = 100;
	vm.console.room(&vm.console);
	check_reset_values();
	assert_int_equal(strlen(sent), 17);
	type("a");
	assert_int_equal(rd(DR), 'a'); /* no overrun from before */
	typed = "b";
	device_reset_all(&vm);
	assert_int_equal(rd(FR), TXFE | RXFF); /* typed meanwhile */
}

static void test_create_fails(void **state)
{
	static struct vm other;

	(void)state;
	fake_page_set_empty(true);
	assert_int_equal(device_create(&other, &vpl011_class), -ENOMEM);
	fake_page_set_empty(false);
	assert_int_equal(other.bus.count, 0);
	assert_int_equal(device_create(&vm, &vpl011_class), -EEXIST);
}

/* In the middle of receiving, with the console full: all of it is there again, and another use of it gone. */
static void test_save_and_restore(void **state)
{
	struct device *device = device_find(&vm, &vpl011_class);
	uint8_t saved[512];

	(void)state;
	assert_in_range(device_saved_size(device), 1, sizeof(saved));
	enable_fifo();
	wr(IMSC, INT_RX);
	wr(IBRD, 0x1234);
	wr(IFLS, 0);
	type("abc");
	room = 0;
	wr(DR, 'y');
	assert_true(line);
	device_save(device, saved);
	device_reset_all(&vm);
	wr(IBRD, 0x4321);
	assert_false(line);
	device_restore(device, saved);
	assert_true(line);
	assert_int_equal(rd(IBRD), 0x1234);
	assert_int_equal(rd(FR), BUSY);
	for (const char *c = "abc"; *c; c++)
		assert_int_equal(rd(DR), *c);
	assert_false(line);
	room = 1;
	vm.console.room(&vm.console);
	assert_string_equal(sent, "y");
}

/* A guest may write anything anywhere: no access is refused, the line follows MIS, the FIFOs stay whole. */
static void test_random(void **state)
{
	uint32_t x = 0x2545f491;

	(void)state;
	for (uint32_t i = 0; i < 200000; i++) {
		uint32_t offset, size;

		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		size = BIT(x % 3);
		offset = (x >> 4) % (i % 8 ? 0x50 : 0x1000) & ~(size - 1U);
		room = x >> 30;
		sent_count = 0;
		if (x & BIT(20))
			type("some input that is longer than the FIFO");
		if (x & BIT(21))
			vm.console.room(&vm.console);
		if (x & BIT(22))
			write_sized(offset, size, x >> 8);
		else
			read_sized(offset, size);
		assert_false((rd(FR) & RXFE) && (rd(FR) & RXFF));
		assert_int_equal(!!(rd(FR) & TXFE), !(rd(FR) & BUSY));
	}
}

#define UART_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		UART_TEST(test_reset_values),
		UART_TEST(test_writable_bits),
		UART_TEST(test_widths),
		UART_TEST(test_transmit_with_defaults),
		UART_TEST(test_transmit_interrupt),
		UART_TEST(test_transmit_fifo),
		UART_TEST(test_transmit_interrupt_cleared_by_data),
		UART_TEST(test_transmit_holding_register),
		UART_TEST(test_receive_holding_register),
		UART_TEST(test_receive_triggers),
		UART_TEST(test_receive_timeout),
		UART_TEST(test_receive_behind_clear),
		UART_TEST(test_receive_flood),
		UART_TEST(test_trigger_moved),
		UART_TEST(test_receiver_off),
		UART_TEST(test_fifo_flush),
		UART_TEST(test_loopback),
		UART_TEST(test_overrun),
		UART_TEST(test_break),
		UART_TEST(test_modem_loopback),
		UART_TEST(test_line_changes_only),
		UART_TEST(test_reset),
		UART_TEST(test_create_fails),
		UART_TEST(test_save_and_restore),
		UART_TEST(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
