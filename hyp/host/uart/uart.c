/* The host's console UART: driver table and the open device. */
#include <errno.h>
#include <string.h>

#include "hyp/host/uart/uart.h"
#include "hyp/lib/bits.h"
#include "mm/hypmap.h"

/*
 * Only the least specific string of a family is needed: real nodes end their lists with it. `shift` is what the binding
 * implies where there is no reg-shift.
 */
static const struct driver {
	const char *compatible;
	const struct uart_ops *ops;
	uint32_t shift;
	bool wide;
} drivers[] = {
	{"arm,pl011", &uart_pl011, 0, true},
	{"snps,dw-apb-uart", &uart_8250, 0, false},
	{"ns16550a", &uart_8250, 0, false},
	{"ns16550", &uart_8250, 0, false},
	{"nvidia,tegra20-uart", &uart_8250, 2, true},
	{"mediatek,mt6577-uart", &uart_8250, 2, true},
	{"ti,omap4-uart", &uart_8250, 2, true},
	{"ti,dra742-uart", &uart_8250, 2, true},
	{"fsl,imx6q-uart", &uart_imx, 0, true},
	{"fsl,imx21-uart", &uart_imx, 0, true},
	{"st,stm32h7-uart", &uart_stm32, 0, true},
	{"amlogic,meson-uart", &uart_meson, 0, true},
	{"amlogic,meson6-uart", &uart_meson, 0, true},
	{"amlogic,meson8-uart", &uart_meson, 0, true},
	{"amlogic,meson8b-uart", &uart_meson, 0, true},
};

static const struct uart_ops *ops;
static struct uart open;

static const struct driver *find(const char *compatible)
{
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (strcmp(drivers[i].compatible, compatible) == 0)
			return &drivers[i];
	return NULL;
}

const char *uart_compatible(const char *compatible)
{
	const struct driver *driver = find(compatible);

	return driver ? driver->compatible : NULL;
}

int uart_open(const struct host_uart *uart)
{
	const struct driver *driver = find(uart->compatible);

	if (!driver)
		return -ENODEV;
	open = (struct uart){
		.base = hyp_map_device(uart->base, PAGE_SIZE - (uart->base & (PAGE_SIZE - 1U))),
		.shift = uart->reg_shift ? uart->reg_shift : driver->shift,
		.wide = uart->io_width ? uart->io_width == 4 : driver->wide,
	};
	if (!open.base)
		return -ENODEV;
	ops = driver->ops;
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
