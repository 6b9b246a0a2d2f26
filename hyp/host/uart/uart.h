/* SPDX-License-Identifier: BSD-2-Clause */
/* Host UARTs: one ops struct each, chosen by the device tree's compatible string. Set up by firmware: no baud rates. */
#ifndef HYP_HOST_UART_UART_H
#define HYP_HOST_UART_UART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hyp/host/driver.h"

/* An open UART. Register n lies at base + (n << shift) where the family has a stride; the others leave it 0. */
struct uart {
	volatile uint8_t *base;
	uint32_t shift;
	bool wide; /* registers take 32-bit accesses, not bytes (reg-io-width = <4>) */
};

struct uart_ops {
	/* Transmitter and receiver on, FIFOs on where there are any, all interrupts off. The line's settings stay. */
	void (*init)(const struct uart *uart);
	bool (*can_send)(const struct uart *uart);
	void (*send)(const struct uart *uart, uint8_t c);
	int (*receive)(const struct uart *uart); /* a character or -1; ends what else holds the receive interrupt */
	/* Receive interrupt on (always wanted), transmit-room interrupt as asked for. */
	void (*irq_enable)(const struct uart *uart, bool tx);
	/* struct uart's, as the binding implies them where the node has no reg-shift or reg-io-width */
	uint32_t shift;
	bool wide;
};

extern const struct uart_ops uart_pl011, uart_8250, uart_8250_words, uart_imx, uart_stm32, uart_meson;

/* A row of hyp/host/drivers.c, with one of those. */
void uart_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver);

/* `compatible` as drivers.c has it, NULL: no UART's driver knows it. */
const char *uart_compatible(const char *compatible);

/* Map and take over the UART. 0 or -ENODEV. */
int uart_open(const struct host_uart *uart);

/* The open UART; before uart_open() nothing can be sent and nothing is received. */
bool uart_can_send(void);
void uart_send(uint8_t c);
int uart_receive(void);
void uart_irq_enable(bool tx);

#endif
