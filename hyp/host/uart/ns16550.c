/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 8250 family (National Semiconductor PC16550D) and Synopsys DesignWare's (DW_apb_uart databook): Allwinner, Rockchip,
 * Tegra, OMAP, MediaTek. Registers lie 1 << reg-shift apart.
 */
#include <arm/io.h>

#include "hyp/host/uart/uart.h"
#include "hyp/lib/bits.h"

#define RBR 0U /* read: receive; write: THR, transmit */
#define IER 1U
#define IIR 2U /* read; write: FCR */
#define LCR 3U
#define MCR 4U
#define LSR 5U
#define USR 31U /* DesignWare only */

#define IER_RX      BIT(0)
#define IER_TX      BIT(1)
#define IIR_ID      0x0fU
#define IIR_BUSY    0x07U /* DesignWare: LCR was written while busy */
#define IIR_TIMEOUT 0x0cU
#define FCR_ENABLE  BIT(0)
#define LCR_8BIT    3U
#define LCR_DLAB    BIT(7)
#define MCR_ON      (BIT(0) | BIT(1) | BIT(3)) /* DTR, RTS, and OUT2, which gates the interrupt */
#define LSR_DR      BIT(0)
#define LSR_THRE    BIT(5)

static uint32_t ns16550_read(const struct uart *uart, uint32_t reg)
{
	volatile uint8_t *at = uart->base + (reg << uart->shift);

	return uart->wide ? io_read32(at) : io_read8(at);
}

static void ns16550_write(const struct uart *uart, uint32_t reg, uint32_t value)
{
	volatile uint8_t *at = uart->base + (reg << uart->shift);

	if (uart->wide)
		io_write32(at, value);
	else
		io_write8(at, (uint8_t)value);
}

static void ns16550_init(const struct uart *uart)
{
	uint32_t lcr = ns16550_read(uart, LCR);

	/* A DesignWare that is still sending ignores a write here, and raises an interrupt: only where it must be. */
	if ((lcr & LCR_DLAB) || (lcr & LCR_8BIT) != LCR_8BIT)
		ns16550_write(uart, LCR, (lcr & ~LCR_DLAB) | LCR_8BIT);
	ns16550_write(uart, IER, 0);
	ns16550_write(uart, IIR, FCR_ENABLE);
	ns16550_write(uart, MCR, MCR_ON);
}

static bool ns16550_can_send(const struct uart *uart)
{
	return ns16550_read(uart, LSR) & LSR_THRE;
}

static void ns16550_send(const struct uart *uart, uint8_t c)
{
	ns16550_write(uart, RBR, c);
}

/* Without a character DesignWare can still signal a timeout, which only reading RBR ends, or "busy", which USR ends. */
static int ns16550_receive(const struct uart *uart)
{
	uint32_t cause;

	if (ns16550_read(uart, LSR) & LSR_DR)
		return (int)(ns16550_read(uart, RBR) & 0xffU);
	cause = ns16550_read(uart, IIR) & IIR_ID;
	if (cause == IIR_TIMEOUT)
		ns16550_read(uart, RBR);
	else if (cause == IIR_BUSY)
		ns16550_read(uart, USR);
	return -1;
}

static void ns16550_irq_enable(const struct uart *uart, bool tx)
{
	ns16550_write(uart, IER, IER_RX | (tx ? IER_TX : 0));
}

const struct uart_ops uart_8250 = {
	.init = ns16550_init,
	.can_send = ns16550_can_send,
	.send = ns16550_send,
	.receive = ns16550_receive,
	.irq_enable = ns16550_irq_enable,
};

/* Registers are words four bytes apart, and take no other access. */
const struct uart_ops uart_8250_words = {
	.init = ns16550_init,
	.can_send = ns16550_can_send,
	.send = ns16550_send,
	.receive = ns16550_receive,
	.irq_enable = ns16550_irq_enable,
	.shift = 2,
	.wide = true,
};
