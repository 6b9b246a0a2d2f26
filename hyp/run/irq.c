/* Physical interrupt dispatch. Compiled for speed. */
#include "hyp/host/gic.h"
#include "hyp/run/irq.h"
#include "hyp/lib/bits.h"

static irq_fn handler[GIC_SPURIOUS];

void irq_register(uint32_t id, irq_fn fn)
{
	handler[id] = fn;
	gic_enable(id);
}

bool irq_handle_one(void)
{
	uint32_t iar = gic_acknowledge(), id = iar & 0x3ffU;
	irq_fn fn;

	if (unlikely(id >= GIC_SPURIOUS))
		return false;
	gic_drop(iar);
	fn = handler[id];
	/* An SGI only makes the CPU look at its work, and an interrupt nobody asked for is ended. */
	if (!fn || fn(id))
		gic_deactivate(iar);
	return true;
}
