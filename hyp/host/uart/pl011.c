/* SPDX-License-Identifier: BSD-2-Clause */
/* PL011 (ARM DDI 0183): the UART of virt, vexpress and midway. */
#include <arm/io.h>

#include "hyp/host/uart/uart.h"
#include "hyp/lib/bits.h"

#define DR   0x00U
#define FR   0x18U
#define LCRH 0x2cU
#define CR   0x30U
#define IMSC 0x38U
#define ICR  0x44U

#define FIFO_MAX 32U /* characters; older ones have 16 */

#define FR_RXFE   BIT(4)
#define FR_TXFF   BIT(5)
#define LCRH_FEN  BIT(4)
#define LCRH_8BIT (3U << 5)
#define CR_ON     (BIT(0) | BIT(8) | BIT(9) | BIT(10) | BIT(11)) /* UART, transmit, receive, DTR, RTS */
#define INT_RX    BIT(4)
#define INT_TX    BIT(5)
#define INT_RT    BIT(6)

static bool pl011_can_send(const struct uart *uart)
{
	return !(io_read32(uart->base + FR) & FR_TXFF);
}

static void pl011_send(const struct uart *uart, uint8_t c)
{
	io_write32(uart->base + DR, c);
}

static int pl011_receive(const struct uart *uart)
{
	if (io_read32(uart->base + FR) & FR_RXFE)
		return -1;
	return (int)(io_read32(uart->base + DR) & 0xffU);
}

/*
 * What is in the FIFO was typed for the loader. Left there it would keep QEMU's from interrupting: that does so at the
 * first character in an empty FIFO only.
 */
static void pl011_init(const struct uart *uart)
{
	io_write32(uart->base + IMSC, 0);
	io_write32(uart->base + LCRH, LCRH_8BIT | LCRH_FEN);
	io_write32(uart->base + CR, CR_ON);
	io_write32(uart->base + ICR, 0x7ff);
	for (uint32_t i = 0; i < FIFO_MAX && pl011_receive(uart) >= 0; i++)
		;
}

static void pl011_irq_enable(const struct uart *uart, bool tx)
{
	io_write32(uart->base + IMSC, INT_RX | INT_RT | (tx ? INT_TX : 0));
}

const struct uart_ops uart_pl011 = {
	.init = pl011_init,
	.can_send = pl011_can_send,
	.send = pl011_send,
	.receive = pl011_receive,
	.irq_enable = pl011_irq_enable,
	.wide = true,
};
