/* SPDX-License-Identifier: BSD-2-Clause */
/* What the guest's PL011 receives: triggers, timeout, floods, errors, loopback (ARM DDI 0183). */
#include "vpl011_rig.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
