/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's PL011, driven through the MMIO bus as a guest does it, between a console of this test and a vGIC that
 * keeps the line's level. Register values and rules are those of ARM DDI 0183, by section.
 */
#include "vpl011_rig.h"

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
		UART_TEST(test_line_changes_only),
		UART_TEST(test_reset),
		UART_TEST(test_create_fails),
		UART_TEST(test_save_and_restore),
		UART_TEST(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
