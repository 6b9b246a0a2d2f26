/* Host UARTs: one ops struct each, chosen by the device tree's compatible string. Set up by firmware: no baud rates. */
#ifndef HYP_DEV_UART_H
#define HYP_DEV_UART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hyp/dev/host.h"

struct uart_ops {
	const char *const *compatible; /* NULL-terminated */
	void (*init)(volatile uint8_t *base);
	bool (*can_send)(volatile uint8_t *base);
	void (*send)(volatile uint8_t *base, uint8_t c);
	int (*receive)(volatile uint8_t *base); /* a character or -1 */
	/* Receive interrupt on (always wanted), transmit-room interrupt as asked for. */
	void (*irq_enable)(volatile uint8_t *base, bool tx);
};

extern const struct uart_ops uart_pl011;

/* Entry `i` over all drivers' compatible strings, NULL past the last. */
const char *uart_compatible(size_t i);

/* Map and take over the UART. 0 or -ENODEV. */
int uart_open(const struct host_uart *uart);

/* The open UART; before uart_open() nothing can be sent and nothing is received. */
bool uart_can_send(void);
void uart_send(uint8_t c);
int uart_receive(void);
void uart_irq_enable(bool tx);

#endif
