/* SPDX-License-Identifier: BSD-2-Clause */
/* Physical interrupt dispatch. Compiled for speed. */
#include <errno.h>
#include <stddef.h>

#include <arm/barrier.h>
#include <arm/hypregs.h>
#include <arm/io.h>
#include <arm/sysreg.h>

#include "hyp/host/gic.h"
#include "hyp/run/irq.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/cpu.h"

static struct handler {
	irq_fn fn; /* NULL: it has no handler */
	void *arg;
} handlers[GIC_SPURIOUS];

void irq_register(uint32_t id, irq_fn fn, void *arg)
{
	handlers[id] = (struct handler){fn, arg};
	gic_set_target(id, cpu_id());
	gic_enable(id);
}

int irq_claim(uint32_t id, irq_fn fn, void *arg)
{
	if (handlers[id].fn)
		return -EBUSY;
	handlers[id].arg = arg;
	__atomic_store_n(&handlers[id].fn, fn, __ATOMIC_RELEASE);
	return 0;
}

int irq_register_spi(uint32_t id, irq_fn fn, void *arg)
{
	int ret = irq_claim(id, fn, arg);

	if (ret)
		return ret;
	gic_set_target(id, cpu_id());
	gic_enable(id);
	return 0;
}

void irq_give_up(uint32_t id)
{
	handlers[id].fn = NULL;
}

bool irq_is_waiting(void)
{
	return read_isr() & ISR_I;
}

/* The CPU interface's address is loaded once: all of a machine's CPUs have theirs at the same one. */
bool irq_handle_one(void)
{
	volatile uint8_t *const gicc = gic_gicc;
	uint32_t iar = io_read32(gicc + GICC_IAR), id = iar & 0x3ffU;
	const struct handler *handler;
	irq_fn fn;

	if (unlikely(id >= GIC_SPURIOUS))
		return false;
	io_write32(gicc + GICC_EOIR, iar);
	handler = &handlers[id];
	/*
	 * An SGI only makes the CPU look at its work, which was written before it was sent; a load of that may not be
	 * made before the one of GICC_IAR (A3.8.3). An interrupt without a handler is ended.
	 */
	fn = handler->fn;
	if (!fn)
		dmb_ish();
	if (!fn || fn(id, handler->arg))
		io_write32(gicc + GICC_DIR, iar);
	return true;
}
