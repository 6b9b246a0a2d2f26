/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The UART (PL011 TRM, DDI 0183G). It is also the console, so each test reads what it needs before it prints. Input is
 * not tested here: nothing types.
 *
 * Quirks of QEMU 7.2's model: reserved bits of FBRD, IFLS, IMSC and DMACR read back as written, CR.LBE does nothing.
 */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/pl011.h"

static struct {
	const char *name;
	uint32_t addr;
	uint32_t want; /* table 3-1, reset values */
	uint32_t got;
} resets[] = {
	{"UARTRSR", UARTRSR, 0, 0},      {"UARTILPR", UARTILPR, 0, 0},   {"UARTIBRD", UARTIBRD, 0, 0},
	{"UARTFBRD", UARTFBRD, 0, 0},    {"UARTLCR_H", UARTLCR_H, 0, 0}, {"UARTCR", UARTCR, CR_TXE | CR_RXE, 0},
	{"UARTIFLS", UARTIFLS, 0x12, 0}, {"UARTIMSC", UARTIMSC, 0, 0},   {"UARTRIS", UARTRIS, 0, 0},
	{"UARTMIS", UARTMIS, 0, 0},      {"UARTDMACR", UARTDMACR, 0, 0},
};

static uint32_t reset_flags;

void guest_early(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(resets); i++)
		resets[i].got = read32(resets[i].addr);
	reset_flags = read32(UARTFR);
}

/* RIS and MIS: the modem bits 3:0 follow pins, so their reset value is undefined. */
static void test_reset(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(resets); i++) {
		bool modem = resets[i].addr == UARTRIS || resets[i].addr == UARTMIS;

		report_eq(resets[i].got & ~(modem ? 0xfU : 0), resets[i].want, resets[i].name);
	}
	report_eq(reset_flags & 0xf8, FR_TXFE | FR_RXFE, "UARTFR");
}

/* 3.3.14-3.3.21: the revision (PeriphID2 bits 7:4) is free, the rest is not. */
static void test_id(void)
{
	static const uint8_t want[8] = {0x11, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

	for (uint32_t i = 0; i < 8; i++) {
		uint32_t id = read32(UARTID + 4 * i);

		report_eq(i == 2 ? id & ~0xf0U : id, want[i], i < 4 ? "UARTPeriphID" : "UARTPCellID");
	}
	report_eq(read8(UARTID + 16), 0x0d, "an ID register by byte");
	report_eq(read16(UARTID + 20), 0xf0, "and by halfword");
}

static void drain(void)
{
	while (!(read32(UARTFR) & FR_TXFE) || (read32(UARTFR) & FR_BUSY))
		;
}

static void test_flags(void)
{
	uint32_t fr, byte, half;

	drain();
	fr = read32(UARTFR);
	byte = read8(UARTFR);
	half = read16(UARTFR);
	report_eq(fr & 0xf8, FR_TXFE | FR_RXFE, "drained: transmit FIFO empty, receive FIFO empty, not busy");
	report((byte & 0xf8) == (fr & 0xf8) && (half & 0xf8) == (fr & 0xf8), "UARTFR by byte and halfword");
	write32(UARTFR, 0);
	report_eq(read32(UARTFR) & FR_RXFE, FR_RXFE, "UARTFR is read-only");
	report_eq(read32(UARTRSR), 0, "no receive errors");
	write32(UARTRSR, 0xff);
	report_eq(read32(UARTRSR), 0, "UARTECR clears");
}

/* Bits that exist read back, the others read as zero. Restores what the console needs. */
static void test_widths(void)
{
	static const struct {
		const char *name;
		uint32_t addr;
		uint32_t bits;
	} regs[] = {
		{"UARTIBRD", UARTIBRD, 0xffff}, {"UARTFBRD", UARTFBRD, 0x3f},   {"UARTIFLS", UARTIFLS, 0x3f},
		{"UARTIMSC", UARTIMSC, 0x7ff},  {"UARTDMACR", UARTDMACR, 0x07}, {"UARTLCR_H", UARTLCR_H, 0xff},
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(regs); i++) {
		uint32_t saved, ones, zeros, wide;

		drain();
		saved = read32(regs[i].addr);
		write32(regs[i].addr, regs[i].bits);
		ones = read32(regs[i].addr);
		write32(regs[i].addr, 0);
		zeros = read32(regs[i].addr);
		write32(regs[i].addr, 0xffff);
		wide = read32(regs[i].addr);
		write32(regs[i].addr, saved);
		report(ones == regs[i].bits && zeros == 0, "%s reads back", regs[i].name);
		quirk(wide == regs[i].bits, "pl011-reserved-bits", "%s has no others (%04x)", regs[i].name,
		      (unsigned int)wide);
	}
	console_init();
}

static void test_control(void)
{
	uint32_t off, on, byte;

	drain();
	write32(UARTCR, 0);
	off = read32(UARTCR);
	write32(UARTCR, CR_UARTEN | CR_TXE | CR_RXE);
	on = read32(UARTCR);
	byte = read8(UARTCR);
	report(off == 0 && on == (CR_UARTEN | CR_TXE | CR_RXE), "UARTCR reads back");
	report_eq(byte, CR_UARTEN, "UARTCR by byte");
}

/* Print with interrupts of the transmitter as they are, then wait until all is out. The TRM wants the level crossed. */
static void transmit(const char *text)
{
	for (; *text; text++) {
		while (read32(UARTFR) & FR_TXFF)
			;
		write32(UARTDR, (uint8_t)*text);
	}
	drain();
}

/* 3.4.2: raised as the FIFO drains through its level, or as the single location empties; cleared by ICR. */
static void test_transmit_interrupt(const char *name, uint32_t lcr_h, const char *text)
{
	uint32_t before, raw, masked, unmasked, cleared, later;

	drain();
	write32(UARTLCR_H, lcr_h);
	write32(UARTIFLS, 0x10);
	write32(UARTIMSC, 0);
	write32(UARTICR, INT_ALL);
	before = read32(UARTRIS);
	transmit(text);
	raw = read32(UARTRIS);
	masked = read32(UARTMIS);
	write32(UARTIMSC, INT_TX);
	unmasked = read32(UARTMIS);
	write32(UARTICR, INT_TX);
	cleared = read32(UARTRIS);
	write32(UARTIMSC, 0);
	write32(UARTIMSC, INT_TX);
	later = read32(UARTMIS);
	console_init();
	report_eq(before & INT_TX, 0, name);
	report(raw & INT_TX, "%s: RIS set", name);
	report(!masked && unmasked == INT_TX, "%s: MIS is RIS and IMSC", name);
	report(!(cleared & INT_TX) && !later, "%s: ICR clears until the next character", name);
}

static volatile uint32_t irqs, last_iar, status;

static void uart_irq(void)
{
	last_iar = read32(CPUIF_IAR);
	status = read32(UARTMIS);
	write32(UARTICR, INT_ALL);
	irqs = irqs + 1;
	write32(CPUIF_EOIR, last_iar);
}

/* UARTINTR is SPI 1 of mach-virt, and a level. */
static void test_interrupt_line(void)
{
	bool idle, masked, raised, lowered;
	uint32_t early, count;

	gic_init();
	gic_target_self(MACHINE_SPI_UART);
	gic_edge(MACHINE_SPI_UART, false);
	gic_set_priority(MACHINE_SPI_UART, 0x80);
	gic_enable(MACHINE_SPI_UART);
	drain();
	write32(UARTLCR_H, LCR_H_WLEN8);
	write32(UARTIMSC, 0);
	write32(UARTICR, INT_ALL);
	gic_settle();
	idle = gic_is_pending(MACHINE_SPI_UART);
	transmit("\n");
	masked = gic_is_pending(MACHINE_SPI_UART);
	write32(UARTIMSC, INT_TX);
	gic_settle();
	raised = gic_is_pending(MACHINE_SPI_UART);
	write32(UARTIMSC, 0);
	gic_settle();
	lowered = !gic_is_pending(MACHINE_SPI_UART);
	irq_set_handler(uart_irq);
	irq_enable();
	gic_settle();
	early = irqs;
	write32(UARTIMSC, INT_TX);
	gic_settle();
	irq_disable();
	count = irqs;
	console_init();
	report(!idle && !masked, "no interrupt while masked");
	report(raised && lowered, "the line follows MIS");
	report(!early && count == 1 && last_iar == MACHINE_SPI_UART && status == INT_TX, "SPI 33 taken once");
	irq_set_handler(0);
}

/* 3.3.8, LBE: what is sent is received. A line feed, because without loopback it comes out. */
static void test_loopback(void)
{
	uint32_t empty, flags, data, after;

	drain();
	write32(UARTLCR_H, LCR_H_WLEN8 | LCR_H_FEN);
	write32(UARTCR, CR_UARTEN | CR_TXE | CR_RXE | CR_LBE);
	empty = read32(UARTFR);
	write32(UARTDR, '\n');
	for (unsigned int i = 0; i < 10000 && (read32(UARTFR) & FR_RXFE); i++)
		;
	flags = read32(UARTFR);
	data = read32(UARTDR);
	after = read32(UARTFR);
	console_init();
	quirk((empty & FR_RXFE) && !(flags & FR_RXFE) && data == '\n' && (after & FR_RXFE), "pl011-loopback",
	      "loopback receives what was sent");
}

void guest_main(void)
{
	test_reset();
	test_id();
	test_flags();
	test_widths();
	test_control();
	test_transmit_interrupt("TX interrupt, FIFO off", LCR_H_WLEN8, "\n");
	test_transmit_interrupt("TX interrupt, FIFO on", LCR_H_WLEN8 | LCR_H_FEN, "                               \n");
	test_interrupt_line();
	test_loopback();
}
