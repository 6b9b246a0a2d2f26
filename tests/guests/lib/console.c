/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console (a polled PL011), printf, report() and the guest's end. Output is one writer at a time, so that SMP
 * guests' lines stay whole.
 */
#include <stdarg.h>
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/pl011.h"
#include "tests/guests/lib/smp.h"

static struct spinlock console_lock;
static unsigned int passed, failed, quirks;

/*
 * DDI 0183G 3.3.8: the UART is off while it is programmed, and the baud divisor takes effect with the write to LCR_H.
 * The divisor is 115200 baud from mach-virt's 24 MHz clock.
 */
void console_init(void)
{
	write32(UARTCR, 0);
	write32(UARTIMSC, 0);
	write32(UARTICR, INT_ALL);
	write32(UARTIBRD, 13);
	write32(UARTFBRD, 1);
	write32(UARTLCR_H, LCR_H_WLEN8 | LCR_H_FEN);
	write32(UARTCR, CR_UARTEN | CR_TXE | CR_RXE);
}

static void put_char(char c)
{
	while (read32(UARTFR) & FR_TXFF)
		;
	write32(UARTDR, (uint8_t)c);
}

static void put_string(const char *s, unsigned int width)
{
	unsigned int n = 0;

	for (; *s; s++, n++)
		put_char(*s);
	for (; n < width; n++)
		put_char(' ');
}

static void put_number(uint64_t value, unsigned int base, bool negative, unsigned int width, char pad)
{
	char digits[24];
	unsigned int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	if (negative)
		digits[n++] = '-';
	for (; width > n; width--)
		put_char(pad);
	while (n)
		put_char(digits[--n]);
}

static void put_signed(int64_t value, unsigned int width, char pad)
{
	put_number(value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10, value < 0, width, pad);
}

struct spec {
	char pad;
	unsigned int width;
	bool is_64;
	char conversion;
};

static const char *parse_spec(const char *fmt, struct spec *spec)
{
	*spec = (struct spec){.pad = ' '};
	if (*fmt == '0') {
		spec->pad = '0';
		fmt++;
	}
	for (; *fmt >= '0' && *fmt <= '9'; fmt++)
		spec->width = spec->width * 10 + (unsigned int)(*fmt - '0');
	for (; *fmt == 'l'; fmt++)
		spec->is_64 = fmt[1] == 'l' || spec->is_64;
	spec->conversion = *fmt;
	return *fmt ? fmt + 1 : fmt;
}

static void print_v(const char *fmt, va_list ap)
{
	struct spec s;

	while (*fmt) {
		if (*fmt != '%') {
			put_char(*fmt++);
			continue;
		}
		fmt = parse_spec(fmt + 1, &s);
		if (s.conversion == 's')
			put_string(va_arg(ap, const char *), s.width);
		else if (s.conversion == 'c')
			put_char((char)va_arg(ap, int));
		else if (s.conversion == 'd')
			put_signed(s.is_64 ? va_arg(ap, int64_t) : va_arg(ap, int), s.width, s.pad);
		else if (s.conversion == 'u' || s.conversion == 'x')
			put_number(s.is_64 ? va_arg(ap, uint64_t) : va_arg(ap, unsigned int),
				   s.conversion == 'x' ? 16 : 10, false, s.width, s.pad);
		else
			put_char(s.conversion);
	}
}

int printf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	spin_lock(&console_lock);
	print_v(fmt, ap);
	spin_unlock(&console_lock);
	va_end(ap);
	return 0;
}

bool report(bool cond, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	spin_lock(&console_lock);
	if (cond)
		passed++;
	else
		failed++;
	put_string(cond ? "PASS: " : "FAIL: ", 0);
	print_v(fmt, ap);
	put_char('\n');
	spin_unlock(&console_lock);
	va_end(ap);
	return cond;
}

bool quirk(bool cond, const char *name, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	spin_lock(&console_lock);
	if (cond)
		passed++;
	else
		quirks++;
	put_string(cond ? "PASS: " : "QUIRK: ", 0);
	put_string(name, 0);
	put_string(": ", 0);
	print_v(fmt, ap);
	put_char('\n');
	spin_unlock(&console_lock);
	va_end(ap);
	return cond;
}

void guest_exit(void)
{
	if (quirks)
		printf("quirks: %u\n", quirks);
	printf("summary: %u passed, %u failed\n", passed, failed);
	while (!(read32(UARTFR) & FR_TXFE) || (read32(UARTFR) & FR_BUSY))
		;
	psci_hvc(PSCI_SYSTEM_OFF, 0, 0, 0);
	for (;;)
		wfi();
}
