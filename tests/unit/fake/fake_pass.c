/* SPDX-License-Identifier: BSD-2-Clause */
/* See fake_pass.h. */
#include <errno.h>
#include <string.h>

#include "hyp/host/gic.h"
#include "hyp/load/stream.h"
#include "mm/hypmap.h"
#include "mm/s2.h"
#include "hyp/vm/vm.h"
#include "vgic/vgic.h"
#include "fake_pass.h"

struct fake_pass fake_pass;

/* Where the test has no real ones: an image as it is stored. */
__attribute__((weak)) int image_stream_open(struct image_stream *s, struct image_work *work, const void *data,
					    size_t size, enum image_compression compression)
{
	(void)work;
	*s = (struct image_stream){.data = data, .length = size};
	return compression == IMAGE_PLAIN ? 0 : -EBADMSG;
}

__attribute__((weak)) int image_stream_read(struct image_stream *s, void *buf, size_t len)
{
	memcpy(buf, s->data, len);
	return 0;
}

void *hyp_map_device(uint64_t base, size_t size)
{
	(void)size;
	fake_pass.shown = base;
	return fake_pass.registers;
}

int s2_map_device(struct s2 *s2, ipa_t at, pa_t to, size_t size)
{
	(void)s2;
	for (size_t i = 0; i < size && fake_pass.mapped < FAKE_PASS_MAX; i += PAGE_SIZE) {
		fake_pass.page[fake_pass.mapped].ipa = at.v + i;
		fake_pass.page[fake_pass.mapped++].pa = to.v + i;
	}
	return 0;
}

bool s2_lookup(const struct s2 *s2, ipa_t at, pa_t *out)
{
	(void)s2;
	for (uint32_t i = 0; i < fake_pass.mapped; i++)
		if (fake_pass.page[i].ipa == at.v) {
			*out = pa(fake_pass.page[i].pa);
			return true;
		}
	return false;
}

uint32_t gic_lines(void)
{
	return fake_pass.lines;
}

int vgic_forward(struct vm *vm, uint32_t id, uint32_t host_id, enum vgic_trigger trigger)
{
	(void)vm;
	if (fake_pass.busy && host_id == fake_pass.busy)
		return -EBUSY;
	for (uint32_t i = 0; i < fake_pass.forwarded; i++)
		if (fake_pass.irq[i].guest == id)
			return -EEXIST;
	fake_pass.irq[fake_pass.forwarded].guest = id;
	fake_pass.irq[fake_pass.forwarded].host = host_id;
	fake_pass.irq[fake_pass.forwarded++].edge = trigger == VGIC_EDGE;
	return fake_pass.forward_error;
}

struct vm_extent vm_quarantine_ram(struct vm *vm)
{
	struct vm_extent ram = vm->extent[0];

	fake_pass.quarantines++;
	vm->extent[0] = (struct vm_extent){0};
	vm->extent_count = 0;
	vm->keeps_ram = false;
	return ram;
}

void vm_end_quarantine(const struct vm *vm, const struct vm_extent *ram)
{
	(void)vm;
	(void)ram;
	fake_pass.ends++;
}

bool vm_adopt_ram(struct vm *vm, const struct vm_extent *ram)
{
	if (vm->config.ram_size != ram->size)
		return false;
	vm->extent[0] = *ram;
	vm->extent_count = 1;
	vm->keeps_ram = true;
	fake_pass.adoptions++;
	return true;
}
