/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's console UART: its node, and the open device. */
#include <errno.h>

#include "hyp/host/uart/uart.h"
#include "mm/hypmap.h"

static const struct uart_ops *ops;
static struct uart open;

static const struct host_driver *uart_driver(const char *compatible)
{
	const struct host_driver *driver = host_driver(compatible);

	return driver && driver->probe == uart_probe ? driver : NULL;
}

const char *uart_compatible(const char *compatible)
{
	const struct host_driver *driver = uart_driver(compatible);

	return driver ? driver->compatible : NULL;
}

/* Which one is the console is known when the walk is over. */
void uart_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver)
{
	struct uart_found *found = &scan->uart[scan->uart_count];
	struct host_range reg;

	if (scan->uart_count == SCAN_UARTS_MAX || !dt_reg(node, 0, &reg))
		return;
	found->uart = (struct host_uart){
		.compatible = driver->compatible,
		.base = reg.base,
		.reg_shift = dt_u32(scan->fdt, node, "reg-shift", 0),
		.io_width = dt_u32(scan->fdt, node, "reg-io-width", 0),
	};
	found->irq = dt_first_irq(node);
	dt_path(node, found->path, sizeof(found->path));
	scan->uart_count++;
}

int uart_open(const struct host_uart *uart)
{
	const struct host_driver *driver = uart_driver(uart->compatible);
	const struct uart_ops *found;

	if (!driver)
		return -ENODEV;
	found = driver->data;
	open = (struct uart){
		.base = hyp_map_device(uart->base, PAGE_SIZE - (uart->base & (PAGE_SIZE - 1U))),
		.shift = uart->reg_shift ? uart->reg_shift : found->shift,
		.wide = uart->io_width ? uart->io_width == 4 : found->wide,
	};
	if (!open.base)
		return -ENODEV;
	ops = found;
	ops->init(&open);
	return 0;
}

bool uart_can_send(void)
{
	return ops && ops->can_send(&open);
}

void uart_send(uint8_t c)
{
	ops->send(&open, c);
}

int uart_receive(void)
{
	return ops ? ops->receive(&open) : -1;
}

void uart_irq_enable(bool tx)
{
	if (ops)
		ops->irq_enable(&open, tx);
}
