/* SPDX-License-Identifier: BSD-2-Clause */
/* Amlogic Meson UART (S905 datasheet, chapter UART; unchanged since Meson6). */
#include <arm/io.h>

#include "hyp/host/uart/uart.h"
#include "hyp/lib/bits.h"

#define WFIFO   0x00U
#define RFIFO   0x04U
#define CONTROL 0x08U
#define STATUS  0x0cU
#define MISC    0x10U

#define CONTROL_ON      (BIT(12) | BIT(13)) /* transmit, receive */
#define CONTROL_RX_IRQ  BIT(27)
#define CONTROL_TX_IRQ  BIT(28)
#define MISC_LEVELS     (1U | 32U << 8) /* interrupts: from one character received, below 32 to send */
#define STATUS_RX_EMPTY BIT(20)
#define STATUS_TX_FULL  BIT(21)

static void set_control(const struct uart *uart, uint32_t irqs)
{
	uint32_t control = io_read32(uart->base + CONTROL) & ~(CONTROL_RX_IRQ | CONTROL_TX_IRQ);

	io_write32(uart->base + CONTROL, control | CONTROL_ON | irqs);
}

static void meson_init(const struct uart *uart)
{
	set_control(uart, 0);
	io_write32(uart->base + MISC, MISC_LEVELS);
}

static bool meson_can_send(const struct uart *uart)
{
	return !(io_read32(uart->base + STATUS) & STATUS_TX_FULL);
}

static void meson_send(const struct uart *uart, uint8_t c)
{
	io_write32(uart->base + WFIFO, c);
}

static int meson_receive(const struct uart *uart)
{
	if (io_read32(uart->base + STATUS) & STATUS_RX_EMPTY)
		return -1;
	return (int)(io_read32(uart->base + RFIFO) & 0xffU);
}

static void meson_irq_enable(const struct uart *uart, bool tx)
{
	set_control(uart, CONTROL_RX_IRQ | (tx ? CONTROL_TX_IRQ : 0));
}

const struct uart_ops uart_meson = {
	.init = meson_init,
	.can_send = meson_can_send,
	.send = meson_send,
	.receive = meson_receive,
	.irq_enable = meson_irq_enable,
	.wide = true,
};
