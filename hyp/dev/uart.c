/* The host's console UART: driver table and the open device. */
#include <errno.h>

#include "hyp/dev/uart.h"
#include "hyp/lib/bits.h"
#include "mm/hypmap.h"

static const struct uart_ops *const drivers[] = {&uart_pl011};

static const struct uart_ops *ops;
static volatile uint8_t *base;

const char *uart_compatible(size_t i)
{
	for (size_t d = 0; d < ARRAY_SIZE(drivers); d++)
		for (const char *const *c = drivers[d]->compatible; *c; c++)
			if (i-- == 0)
				return *c;
	return NULL;
}

int uart_open(const struct host_uart *uart)
{
	for (size_t d = 0; d < ARRAY_SIZE(drivers); d++)
		for (const char *const *c = drivers[d]->compatible; *c; c++)
			if (*c == uart->compatible) {
				base = hyp_map_device(uart->base, PAGE_SIZE);
				if (!base)
					return -ENODEV;
				ops = drivers[d];
				ops->init(base);
				return 0;
			}
	return -ENODEV;
}

bool uart_can_send(void)
{
	return ops && ops->can_send(base);
}

void uart_send(uint8_t c)
{
	ops->send(base, c);
}

int uart_receive(void)
{
	return ops ? ops->receive(base) : -1;
}

void uart_irq_enable(bool tx)
{
	if (ops)
		ops->irq_enable(base, tx);
}
