/* SPDX-License-Identifier: BSD-2-Clause */
/* STM32 USART as in STM32H7 and STM32MP1 (RM0436, chapter USART). */
#include <arm/io.h>

#include "hyp/host/uart/uart.h"
#include "hyp/lib/bits.h"

#define CR1 0x00U
#define ISR 0x1cU
#define ICR 0x20U
#define RDR 0x24U
#define TDR 0x28U

#define CR1_UE     BIT(0)
#define CR1_RE     BIT(2)
#define CR1_TE     BIT(3)
#define CR1_RXNEIE BIT(5)
#define CR1_TXEIE  BIT(7)
#define CR1_IRQS   0xcc0041f0U /* every interrupt enable */
#define ISR_ORE    BIT(3)
#define ISR_RXNE   BIT(5)
#define ISR_TXE    BIT(7)

static void stm32_init(const struct uart *uart)
{
	uint32_t cr1 = io_read32(uart->base + CR1) & ~CR1_IRQS;

	io_write32(uart->base + CR1, cr1 | CR1_UE | CR1_RE | CR1_TE);
}

static bool stm32_can_send(const struct uart *uart)
{
	return io_read32(uart->base + ISR) & ISR_TXE;
}

static void stm32_send(const struct uart *uart, uint8_t c)
{
	io_write32(uart->base + TDR, c);
}

/* An overrun keeps the receive interrupt up until it is cleared. */
static int stm32_receive(const struct uart *uart)
{
	uint32_t status = io_read32(uart->base + ISR);

	if (status & ISR_ORE)
		io_write32(uart->base + ICR, ISR_ORE);
	return status & ISR_RXNE ? (int)(io_read32(uart->base + RDR) & 0xffU) : -1;
}

static void stm32_irq_enable(const struct uart *uart, bool tx)
{
	uint32_t cr1 = io_read32(uart->base + CR1) & ~CR1_IRQS;

	io_write32(uart->base + CR1, cr1 | CR1_RXNEIE | (tx ? CR1_TXEIE : 0));
}

const struct uart_ops uart_stm32 = {
	.init = stm32_init,
	.can_send = stm32_can_send,
	.send = stm32_send,
	.receive = stm32_receive,
	.irq_enable = stm32_irq_enable,
	.wide = true,
};
