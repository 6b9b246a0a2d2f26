/* SPDX-License-Identifier: BSD-2-Clause */
/* Host UART drivers on a fake register file: which registers, how wide, how far apart, and the interrupts' conditions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_machine.h"
#include "hyp/host/uart/uart.h"
#include "mm/hypmap.h"

static uint8_t window[4096] __attribute__((aligned(4096)));
static uint32_t reg[1024]; /* by offset / 4 where the stride is 4, else by offset */
static uint32_t sent, sent_at, widths;
static uint64_t mapped;

static uint32_t offset_of(const volatile void *addr)
{
	return (uint32_t)((const volatile uint8_t *)addr - window);
}

static uint32_t reg_read(const volatile void *addr, size_t size)
{
	widths |= (uint32_t)size;
	return reg[offset_of(addr) % 1024];
}

static void reg_write(volatile void *addr, size_t size, uint32_t value)
{
	widths |= (uint32_t)size;
	sent = value;
	sent_at = offset_of(addr);
	reg[offset_of(addr) % 1024] = value;
}

void *hyp_map_device(uint64_t base, size_t size)
{
	mapped = base;
	assert_true(size > 0 && (base & 4095) + size <= 4096);
	return window;
}

static void open_uart(const char *compatible, uint32_t shift, uint32_t width)
{
	const struct host_uart uart = {
		.compatible = uart_compatible(compatible), .base = 0x1c28400, .reg_shift = shift, .io_width = width};

	memset(reg, 0, sizeof(reg));
	fake_machine_reset();
	fake_machine.io_read = reg_read;
	fake_machine.io_write = reg_write;
	widths = 0;
	assert_non_null(uart.compatible);
	assert_int_equal(uart_open(&uart), 0);
	assert_int_equal(mapped, 0x1c28400);
}

static void expect_sent(uint32_t at, char c)
{
	uart_send((uint8_t)c);
	assert_int_equal(sent_at, at);
	assert_int_equal(sent, c);
}

static void test_names(void **state)
{
	static const char *const known[] = {"arm,pl011",          "snps,dw-apb-uart", "ns16550a",
					    "fsl,imx6q-uart",     "st,stm32h7-uart",  "amlogic,meson-uart",
					    "nvidia,tegra20-uart"};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		assert_string_equal(uart_compatible(known[i]), known[i]);
	assert_null(uart_compatible("arm,pl010"));
	assert_null(uart_compatible("arm,sbsa-uart")); /* has neither CR nor LCRH */
	assert_null(uart_compatible("arm,gic-400"));   /* has a driver, but is no UART */
	assert_null(uart_compatible(""));
	assert_int_not_equal(uart_open(&(struct host_uart){.compatible = "acme,uart"}), 0);
}

static void test_pl011(void **state)
{
	(void)state;
	open_uart("arm,pl011", 0, 0);
	assert_int_equal(reg[0x30], 0xf01); /* a peer with flow control may send */
	assert_int_equal(reg[0x38], 0);
	assert_true(uart_can_send());
	expect_sent(0, 'a');
	reg[0x18] = 1U << 5; /* TXFF */
	assert_false(uart_can_send());
	reg[0x18] = 1U << 4; /* RXFE */
	assert_int_equal(uart_receive(), -1);
	reg[0x18] = 0;
	reg[0] = 0x100 | 'x'; /* a framing error's flag does not count */
	assert_int_equal(uart_receive(), 'x');
	uart_irq_enable(false);
	assert_int_equal(reg[0x38], 0x50);
	uart_irq_enable(true);
	assert_int_equal(reg[0x38], 0x70);
	assert_int_equal(widths, 4);
}

/* As QEMU's: the interrupt at the first character in an empty FIFO, and for as long as one is there. */
static uint32_t waiting, ris;

static uint32_t qemu_read(const volatile void *addr, size_t size)
{
	uint32_t at = offset_of(addr);

	if (at == 0 && waiting && --waiting == 0)
		ris = 0;
	return at == 0x18 ? (waiting ? 0 : 1U << 4) : reg_read(addr, size);
}

static void qemu_write(volatile void *addr, size_t size, uint32_t value)
{
	if (offset_of(addr) == 0x44)
		ris &= ~value;
	reg_write(addr, size, value);
}

static void qemu_key(void)
{
	if (waiting++ == 0)
		ris = 0x10;
}

static void test_pl011_with_input(void **state)
{
	(void)state;
	open_uart("arm,pl011", 0, 0);
	qemu_key(); /* for the loader */
	fake_machine.io_read = qemu_read;
	fake_machine.io_write = qemu_write;
	uart_pl011.init(&(struct uart){.base = window});
	assert_int_equal(ris, 0);
	qemu_key();
	assert_int_equal(ris, 0x10);
}

/* Register n at n << shift, in bytes or words; DesignWare's two odd interrupts are ended. */
static void check_8250(uint32_t shift, uint32_t width)
{
	const uint32_t ier = 1U << shift, iir = 2U << shift, lcr = 3U << shift, lsr = 5U << shift;

	assert_int_equal(widths, width);
	assert_int_equal(reg[lcr] & 0x83, 3);
	assert_int_equal(reg[ier], 0);
	assert_int_equal(reg[iir], 1); /* FCR: FIFOs on */
	assert_int_equal(reg[4U << shift] & 8, 8);
	assert_false(uart_can_send());
	reg[lsr] = 0x21;
	assert_true(uart_can_send());
	expect_sent(0, 'q');
	reg[0] = 'r';
	assert_int_equal(uart_receive(), 'r');
	reg[lsr] = 0x20;
	assert_int_equal(uart_receive(), -1);
	uart_irq_enable(true);
	assert_int_equal(reg[ier], 3);
	uart_irq_enable(false);
	assert_int_equal(reg[ier], 1);
	assert_int_equal(widths, width);
}

static void test_8250(void **state)
{
	(void)state;
	open_uart("snps,dw-apb-uart", 2, 4);
	check_8250(2, 4);
	open_uart("snps,dw-apb-uart", 2, 0);
	check_8250(2, 1);
	open_uart("ns16550a", 0, 1);
	check_8250(0, 1);
	open_uart("ti,dra742-uart", 0, 0);
	check_8250(2, 4);
}

static uint32_t last_read;

static uint32_t note_read(const volatile void *addr, size_t size)
{
	last_read = offset_of(addr);
	return reg_read(addr, size);
}

static void test_designware_stuck_interrupts(void **state)
{
	(void)state;
	open_uart("snps,dw-apb-uart", 2, 4);
	fake_machine.io_read = note_read;
	reg[8] = 0xcc; /* timeout, no character */
	assert_int_equal(uart_receive(), -1);
	assert_int_equal(last_read, 0);
	reg[8] = 0xc7; /* busy */
	assert_int_equal(uart_receive(), -1);
	assert_int_equal(last_read, 0x7c);
	reg[8] = 0xc1;
	assert_int_equal(uart_receive(), -1);
	assert_int_equal(last_read, 8);
}

/* The line's settings are the firmware's; only a divisor latch left open is closed. */
static void test_8250_keeps_settings(void **state)
{
	const struct host_uart uart = {.compatible = "ns16550a", .reg_shift = 0};

	(void)state;
	open_uart("ns16550a", 0, 0);
	reg[3] = 0x1f;
	assert_int_equal(uart_open(&uart), 0);
	assert_int_equal(reg[3], 0x1f);
	reg[3] = 0x9b;
	assert_int_equal(uart_open(&uart), 0);
	assert_int_equal(reg[3], 0x1b);
}

static void test_imx(void **state)
{
	(void)state;
	open_uart("fsl,imx6q-uart", 0, 0);
	assert_int_equal(reg[0x80], 1);
	assert_int_equal(reg[0x84] & 0x4027, 0x4027);
	assert_int_equal(reg[0x90], 0x801);
	assert_true(uart_can_send());
	expect_sent(0x40, 'i');
	reg[0xb4] = 1U << 4;
	assert_false(uart_can_send());
	assert_int_equal(uart_receive(), -1);
	reg[0] = 0x8000 | 'm';
	assert_int_equal(uart_receive(), 'm');
	uart_irq_enable(false);
	assert_int_equal(reg[0x80], 0x201);
	uart_irq_enable(true);
	assert_int_equal(reg[0x80], 0x2201);
}

static void test_stm32(void **state)
{
	(void)state;
	open_uart("st,stm32h7-uart", 0, 0);
	assert_int_equal(reg[0], 0x0d);
	assert_false(uart_can_send());
	reg[0x1c] = 0x80;
	assert_true(uart_can_send());
	expect_sent(0x28, 's');
	assert_int_equal(uart_receive(), -1);
	reg[0x1c] = 0x28; /* a character, and others were lost: the overrun is cleared */
	reg[0x24] = 't';
	reg[0x20] = 0;
	assert_int_equal(uart_receive(), 't');
	assert_int_equal(reg[0x20], 8);
	reg[0] |= 1U << 29 | 1U << 4; /* FIFO mode stays, an idle interrupt does not */
	uart_irq_enable(true);
	assert_int_equal(reg[0], 1U << 29 | 0xad);
	uart_irq_enable(false);
	assert_int_equal(reg[0], 1U << 29 | 0x2d);
}

static void test_meson(void **state)
{
	(void)state;
	open_uart("amlogic,meson-uart", 0, 0);
	assert_int_equal(reg[8], 0x3000);
	assert_int_equal(reg[0x10], 0x2001);
	assert_true(uart_can_send());
	expect_sent(0, 'm');
	reg[0xc] = 1U << 21;
	assert_false(uart_can_send());
	reg[0xc] = 1U << 20;
	assert_int_equal(uart_receive(), -1);
	reg[0xc] = 0;
	reg[4] = 'e';
	assert_int_equal(uart_receive(), 'e');
	uart_irq_enable(true);
	assert_int_equal(reg[8], 0x18003000);
	uart_irq_enable(false);
	assert_int_equal(reg[8], 0x08003000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_pl011),
		cmocka_unit_test(test_pl011_with_input),
		cmocka_unit_test(test_8250),
		cmocka_unit_test(test_designware_stuck_interrupts),
		cmocka_unit_test(test_8250_keeps_settings),
		cmocka_unit_test(test_imx),
		cmocka_unit_test(test_stm32),
		cmocka_unit_test(test_meson),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
