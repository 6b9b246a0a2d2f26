/* SPDX-License-Identifier: BSD-2-Clause */
/* i.MX UART (i.MX 7Dual reference manual, chapter 15.2; the same since i.MX21). */
#include <arm/io.h>

#include "hyp/host/uart/uart.h"
#include "hyp/lib/bits.h"

#define URXD 0x00U
#define UTXD 0x40U
#define UCR1 0x80U
#define UCR2 0x84U
#define UCR3 0x88U
#define UFCR 0x90U
#define UTS  0xb4U

#define URXD_CHARRDY BIT(15)
#define UCR1_UARTEN  BIT(0)
#define UCR1_RRDYEN  BIT(9)
#define UCR1_TRDYEN  BIT(13)
#define UCR2_ON      (BIT(0) | BIT(1) | BIT(2) | BIT(5) | BIT(14)) /* out of reset, RX, TX, 8 bits, RTS ignored */
#define UCR3_MUXED   BIT(2)                                        /* RXDMUXSEL: must be set on these chips */
#define UFCR_TRIGGER 0xfc3fU                                       /* both levels */
#define UFCR_LEVELS  (1U | 2U << 10) /* interrupts: from one character received, below two to send */
#define UTS_TXFULL   BIT(4)

static void imx_init(const struct uart *uart)
{
	io_write32(uart->base + UCR1, UCR1_UARTEN);
	io_write32(uart->base + UFCR, (io_read32(uart->base + UFCR) & ~UFCR_TRIGGER) | UFCR_LEVELS);
	io_write32(uart->base + UCR3, io_read32(uart->base + UCR3) | UCR3_MUXED);
	io_write32(uart->base + UCR2, io_read32(uart->base + UCR2) | UCR2_ON);
}

static bool imx_can_send(const struct uart *uart)
{
	return !(io_read32(uart->base + UTS) & UTS_TXFULL);
}

static void imx_send(const struct uart *uart, uint8_t c)
{
	io_write32(uart->base + UTXD, c);
}

static int imx_receive(const struct uart *uart)
{
	uint32_t character = io_read32(uart->base + URXD);

	return character & URXD_CHARRDY ? (int)(character & 0xffU) : -1;
}

static void imx_irq_enable(const struct uart *uart, bool tx)
{
	io_write32(uart->base + UCR1, UCR1_UARTEN | UCR1_RRDYEN | (tx ? UCR1_TRDYEN : 0));
}

const struct uart_ops uart_imx = {
	.init = imx_init,
	.can_send = imx_can_send,
	.send = imx_send,
	.receive = imx_receive,
	.irq_enable = imx_irq_enable,
	.wide = true,
};
