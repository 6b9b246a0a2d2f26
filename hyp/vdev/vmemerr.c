/* SPDX-License-Identifier: BSD-2-Clause */
/* See hyp/vdev/vmemerr.h. Without the property the device does nothing, and is not in the guest's device tree. */
#include <assert.h>
#include <stddef.h>

#include <arm/barrier.h>
#include <arm/spinlock.h>

#include "hyp/lib/bits.h"
#include "hyp/load/tree.h"
#include "hyp/vdev/device.h"
#include "hyp/vdev/vmemerr.h"
#include "hyp/vm/guestmem.h"
#include "hyp/vm/machine.h"
#include "hyp/vm/vm.h"
#include "mm/hypmap.h"
#include "vgic/vgic.h"

extern const struct device_class vmemerr_class;

struct vmemerr {
	struct device device;
	struct spinlock lock;
	/* saved, from here on */
	uint32_t written;
};

static_assert(sizeof(struct vmemerr_header) == 32 && sizeof(struct vmemerr_record) == 32, "a contract with guests");
static_assert(sizeof(struct vmemerr_header) + VMEMERR_CAPACITY * sizeof(struct vmemerr_record) <= PAGE_SIZE, "a page");

static bool is_wanted(const struct device *device)
{
	return device->vm->config.memory_errors == VM_MEMORY_ERRORS_EARLY;
}

/* The guest may map the page as it likes: nothing of it stays in a cache. */
static void put_in_table(const struct vmemerr *m, uint32_t offset, const void *from, size_t len)
{
	struct vm *vm = m->device.vm;
	struct guest_view *view;

	view = guest_view_open(vm, HYP_WINDOW_VIEW);
	view->uncached = true;
	guest_copy_out(view, ipa(vmcfg_memerr_page(&vm->config) + offset), from, len);
	guest_view_close(view);
}

static void put_header(const struct vmemerr *m)
{
	const struct vmemerr_header header = {
		VMEMERR_VERSION, sizeof(struct vmemerr_record), VMEMERR_CAPACITY, m->written, {0}};

	put_in_table(m, 0, &header, sizeof(header));
}

/* The record before its number, the number before the interrupt. */
static void vmemerr_tell(struct device *device, ipa_t page, bool async)
{
	struct vmemerr *m = container_of(device, struct vmemerr, device);
	struct vmemerr_record record = {
		.ipa = page.v, .size = PAGE_SIZE, .severity = VMEMERR_LOST, .flags = async ? VMEMERR_ASYNC : 0};

	if (!is_wanted(device))
		return;
	spin_lock(&m->lock);
	record.count = m->written + 1U;
	put_in_table(m, (uint32_t)(sizeof(struct vmemerr_header) + m->written % VMEMERR_CAPACITY * sizeof(record)),
		     &record, sizeof(record));
	dmb_ish();
	m->written++;
	put_header(m);
	dmb_ish();
	vgic_pulse(device->vm, 0, MACHINE_SPI_MEMERR);
	spin_unlock(&m->lock);
}

/* A VM has no RAM yet where it is made: there is nothing to write to then. */
static void vmemerr_reset(struct device *device)
{
	struct vmemerr *m = container_of(device, struct vmemerr, device);

	spin_lock(&m->lock);
	m->written = 0;
	if (is_wanted(device) && device->vm->extent_count > 0)
		put_header(m);
	spin_unlock(&m->lock);
}

static int vmemerr_create(struct device *device)
{
	return 0;
}

static void vmemerr_describe(const struct device *device, struct tree *t)
{
	uint64_t page = vmcfg_memerr_page(&device->vm->config);

	if (!is_wanted(device))
		return;
	tree_begin_numbered(t, "memory-errors@", page);
	tree_string(t, "compatible", "virt7,memory-errors");
	tree_list(t, "reg", (uint32_t)(page >> 32), (uint32_t)page, 0, PAGE_SIZE);
	tree_list(t, "interrupts", TREE_GIC_SPI, MACHINE_SPI_MEMERR - 32U, TREE_GIC_EDGE_HI);
	tree_cell(t, "memory-region", TREE_PHANDLE_MEMERR(t));
	tree_end(t);
}

const struct device_class vmemerr_class = {
	.name = "memory-errors",
	.size = sizeof(struct vmemerr),
	.saved = offsetof(struct vmemerr, written),
	.create = vmemerr_create,
	.reset = vmemerr_reset,
	.describe = vmemerr_describe,
	.bad_page = vmemerr_tell,
};
