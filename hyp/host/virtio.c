/* SPDX-License-Identifier: BSD-2-Clause */
/* See virtio.h. Section numbers are those of virtio 1.2. */
#include <errno.h>
#include <libfdt.h>
#include <string.h>

#include <arm/barrier.h>
#include <arm/io.h>

#include "hyp/host/devtree.h"
#include "hyp/host/gic.h"
#include "hyp/host/virtio.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/virtio_regs.h"
#include "mm/hypmap.h"
#include "mm/page.h"

#define SPI_FIRST  32U
#define REGS_SIZE  0x200U
#define DESC_BYTES sizeof(struct hostq_desc)

#define RESET_LOOKS 1000000U /* each is an access to the device: far beyond what one that works takes */

#define FOREIGN "not a virtio device on virtio-mmio"

/* What the tree says of the transport at a node. */
struct transport {
	int node;
	struct host_range reg;
	struct dt_irq irq;
	bool enabled, coherent;
};

static int visit_virtio(const struct dt_node *node, void *arg)
{
	struct transport *t = arg;

	if (node->offset != t->node)
		return 0;
	t->enabled = dt_enabled(node);
	t->coherent = dt_inherits(node, DT_DMA_COHERENT);
	t->irq = dt_first_irq(node);
	return dt_reg(node, 0, &t->reg) ? 1 : 2;
}

static uint32_t transport_read(const struct hostvirtio *v, uint32_t reg)
{
	return io_read32(v->regs + reg);
}

static void transport_write(struct hostvirtio *v, uint32_t reg, uint32_t value)
{
	io_write32(v->regs + reg, value);
}

static void add_status(struct hostvirtio *v, uint32_t bit)
{
	transport_write(v, VIRTIO_STATUS, transport_read(v, VIRTIO_STATUS) | bit);
}

bool hostvirtio_reset(struct hostvirtio *v)
{
	transport_write(v, VIRTIO_STATUS, 0);
	for (uint32_t looks = 0; looks < RESET_LOOKS; looks++)
		if (transport_read(v, VIRTIO_STATUS) == 0)
			return true;
	return false;
}

const char *hostvirtio_find(struct hostvirtio *v, const struct host *host, const char *path)
{
	struct transport t = {.node = fdt_path_offset(host->fdt, path)};

	if (t.node < 0)
		return "no such node in the host's device tree";
	if (fdt_node_check_compatible(host->fdt, t.node, "virtio,mmio") || dt_walk(host->fdt, visit_virtio, &t) != 1)
		return FOREIGN;
	if (!t.enabled)
		return "disabled in the host's device tree";
	v->node = t.node;
	v->coherent = t.coherent;
	v->irq = dt_route_irq(host->fdt, &t.irq, host->gic_node);
	if (v->irq < SPI_FIRST || v->irq >= GIC_SPURIOUS)
		return "its interrupt does not arrive at the GIC";
	v->regs = hyp_map_device(t.reg.base, REGS_SIZE);
	return v->regs ? NULL : "no room to map its registers";
}

static const char *check_device(struct hostvirtio *v, uint32_t id)
{
	if (transport_read(v, VIRTIO_MAGIC_VALUE) != VIRTIO_MAGIC)
		return FOREIGN;
	if (transport_read(v, VIRTIO_DEVICE_ID) == 0)
		return "no device is in this place (QEMU fills them from the last one down)";
	if (transport_read(v, VIRTIO_DEVICE_ID) != id)
		return "a virtio device of another kind";
	v->legacy = transport_read(v, VIRTIO_VERSION) == 1;
	return v->legacy || transport_read(v, VIRTIO_VERSION) == 2 ? NULL : "neither register version 1 nor 2";
}

bool hostvirtio_is_at(struct hostvirtio *v, uint64_t base, uint32_t id)
{
	v->regs = hyp_map_device(base, REGS_SIZE);
	return v->regs && !check_device(v, id);
}

static uint32_t device_offers(struct hostvirtio *v, uint32_t word)
{
	transport_write(v, VIRTIO_DEVICE_FEATURES_SEL, word);
	return transport_read(v, VIRTIO_DEVICE_FEATURES);
}

static void accept_features(struct hostvirtio *v, uint32_t word)
{
	transport_write(v, VIRTIO_DRIVER_FEATURES_SEL, word);
	transport_write(v, VIRTIO_DRIVER_FEATURES, (uint32_t)(v->features >> 32U * word));
}

/* 3.1.1; a version 1 device has neither the upper features nor FEATURES_OK (3.1.2). */
static const char *negotiate_features(struct hostvirtio *v, uint64_t features)
{
	v->features = device_offers(v, 0);
	if (!v->legacy)
		v->features |= (uint64_t)device_offers(v, 1) << 32;
	v->features &= features | BIT64(VIRTIO_F_ANY_LAYOUT) | BIT64(VIRTIO_F_VERSION_1);
	if (!v->legacy && !(v->features & BIT64(VIRTIO_F_VERSION_1)))
		return "a device of version 2 that does not know version 1 of virtio";
	accept_features(v, 0);
	if (v->legacy) {
		transport_write(v, VIRTIO_GUEST_PAGE_SIZE, PAGE_SIZE);
		return NULL;
	}
	accept_features(v, 1);
	add_status(v, VIRTIO_STATUS_FEATURES_OK);
	return transport_read(v, VIRTIO_STATUS) & VIRTIO_STATUS_FEATURES_OK ? NULL
									    : "the device refuses its own features";
}

const char *hostvirtio_open(struct hostvirtio *v, uint32_t id, uint64_t features)
{
	const char *wrong = check_device(v, id);

	if (wrong)
		return wrong;
	if (!hostvirtio_reset(v))
		return "the device does not end its reset";
	add_status(v, VIRTIO_STATUS_ACKNOWLEDGE);
	add_status(v, VIRTIO_STATUS_DRIVER);
	return negotiate_features(v, features);
}

static void write_address(struct hostvirtio *v, uint32_t low, const volatile void *at)
{
	uint64_t address = page_pa((const void *)at).v;

	transport_write(v, low, (uint32_t)address);
	transport_write(v, low + 4U, (uint32_t)(address >> 32));
}

/* 4.2.3.2, 4.2.4.4 */
static void place_queue(struct hostq *q)
{
	struct hostvirtio *v = q->v;

	transport_write(v, VIRTIO_QUEUE_NUM, q->size);
	if (v->legacy) {
		transport_write(v, VIRTIO_QUEUE_ALIGN, PAGE_SIZE);
		transport_write(v, VIRTIO_QUEUE_PFN, (uint32_t)(page_pa(q->desc).v / PAGE_SIZE));
		return;
	}
	write_address(v, VIRTIO_QUEUE_DESC_LOW, q->desc);
	write_address(v, VIRTIO_QUEUE_DRIVER_LOW, q->avail);
	write_address(v, VIRTIO_QUEUE_DEVICE_LOW, q->used);
	transport_write(v, VIRTIO_QUEUE_READY, 1);
}

/* In the layout of version 1 (2.7.2), which version 2 takes as well: where the used ring is, and the whole. */
static size_t used_at(const struct hostq *q)
{
	return (size_t)align_up(q->size * DESC_BYTES + sizeof(struct hostq_ring) + 2U * (q->size + 1U), PAGE_SIZE);
}

static unsigned int queue_order(const struct hostq *q)
{
	return page_order(used_at(q) + sizeof(struct hostq_used) + 8U * q->size + 2U);
}

void hostq_close(struct hostq *q)
{
	page_free(q->desc, queue_order(q));
}

static const char *make_queue(struct hostq *q)
{
	size_t avail = q->size * DESC_BYTES, used = used_at(q);
	uint8_t *memory = page_alloc(queue_order(q));

	if (!memory)
		return "virt7's heap is too small for its queues";
	q->desc = (struct hostq_desc *)(void *)memory;
	q->avail = (volatile struct hostq_ring *)(void *)(memory + avail);
	q->used = (const volatile struct hostq_used *)(void *)(memory + used);
	q->used_next = 0;
	return NULL;
}

const char *hostq_open(struct hostvirtio *v, struct hostq *q, uint32_t index, uint32_t size)
{
	uint32_t max;
	const char *wrong;

	transport_write(v, VIRTIO_QUEUE_SEL, index);
	max = transport_read(v, VIRTIO_QUEUE_NUM_MAX);
	if (max == 0)
		return "the device lacks a queue";
	*q = (struct hostq){.v = v, .index = index, .size = size};
	while (q->size > max)
		q->size /= 2U;
	wrong = make_queue(q);
	if (!wrong)
		place_queue(q);
	return wrong;
}

void hostvirtio_start(struct hostvirtio *v)
{
	add_status(v, VIRTIO_STATUS_DRIVER_OK);
}

uint32_t hostvirtio_acknowledge(struct hostvirtio *v)
{
	uint32_t status = transport_read(v, VIRTIO_INTERRUPT_STATUS);

	if (status)
		transport_write(v, VIRTIO_INTERRUPT_ACK, status);
	return status;
}

void hostvirtio_config(const struct hostvirtio *v, uint32_t offset, void *to, uint32_t len)
{
	const volatile uint8_t *from = v->regs + VIRTIO_CONFIG + offset;
	uint32_t width = v->legacy || (len != sizeof(uint16_t) && len % sizeof(uint32_t) != 0) ? 1U : MIN(len, 4U);
	uint8_t *byte = to;

	for (uint32_t i = 0; i < len; i += width) {
		uint32_t value = width == 1U   ? io_read8(from + i)
				 : width == 2U ? io_read16(from + i)
					       : io_read32(from + i);

		memcpy(byte + i, &value, width);
	}
}

void hostq_put(struct hostq *q, uint32_t desc)
{
	uint16_t index = q->avail->index;

	q->avail->entry[index & (q->size - 1U)] = (uint16_t)desc;
	dmb_ish(); /* 2.7.13.3 */
	q->avail->index = (uint16_t)(index + 1U);
}

void hostq_notify(struct hostq *q)
{
	dsb_ish(); /* the index before a look at what the device wants (2.7.13.4.1), and before its register */
	if (!(q->used->flags & VIRTQ_NO_NOTIFY))
		transport_write(q->v, VIRTIO_QUEUE_NOTIFY, q->index);
}

/* More than the device had cannot be: a queue of which it says that is at rest. */
static bool chain_has_ended(const struct hostq *q)
{
	uint16_t count = (uint16_t)(q->used->index - q->used_next);

	return count > 0 && count <= q->size;
}

bool hostq_take(struct hostq *q, uint32_t *desc, uint32_t *len)
{
	uint32_t entry = q->used_next & (q->size - 1U);

	if (!chain_has_ended(q))
		return false;
	dmb_ish();
	*desc = q->used->entry[entry].id & (q->size - 1U);
	*len = q->used->entry[entry].len;
	q->used_next++;
	return true;
}

bool hostq_interrupt(struct hostq *q, bool on)
{
	q->avail->flags = (uint16_t)(on ? 0 : VIRTQ_NO_INTERRUPT);
	dmb_ish(); /* 2.7.14: the flag before a look at what came before the device saw it */
	return on && chain_has_ended(q);
}
