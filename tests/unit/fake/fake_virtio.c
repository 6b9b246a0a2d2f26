/* See fake_virtio.h. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arm/atomic.h>

#include "fake_virtio.h"
#include "hyp/run/irq.h"
#include "hyp/vm/guestmem.h"
#include "hyp/vm/vm.h"

uint8_t fake_guest_ram[FAKE_GUEST_RAM];
struct fake_virtio fake_virtio;

void fake_virtio_reset(void)
{
	fake_virtio = (struct fake_virtio){0};
	memset(fake_guest_ram, 0xa5, sizeof(fake_guest_ram));
}

static uint8_t *find(uint64_t at, uint64_t len)
{
	uint64_t offset = at - MACHINE_RAM_BASE;

	return offset <= FAKE_GUEST_RAM && len <= FAKE_GUEST_RAM - offset ? fake_guest_ram + offset : NULL;
}

void *fake_guest_at(uint64_t ipa)
{
	uint8_t *p = find(ipa, 1);

	assert_non_null(p);
	return p;
}

bool guest_is_uncached(const struct vm *vm)
{
	(void)vm;
	return fake_virtio.uncached;
}

void guest_view_open(struct guest_view *view, struct vm *vm, uint32_t window)
{
	*view = (struct guest_view){.vm = vm, .window = window, .uncached = fake_virtio.uncached};
	fake_virtio.views++;
}

void guest_view_close(struct guest_view *view)
{
	(void)view;
	fake_virtio.views--;
}

static int copy(uint64_t at, size_t len, uint8_t **where)
{
	assert_true(fake_virtio.views > 0);
	if (fake_virtio.on_copy)
		fake_virtio.on_copy();
	*where = find(at, len);
	if (!*where)
		return -EFAULT;
	return at < fake_virtio.bad + fake_virtio.bad_size && fake_virtio.bad < at + len ? -EIO : 0;
}

int guest_copy_in(struct guest_view *view, ipa_t from, void *to, size_t len)
{
	uint8_t *where;
	int ret = copy(from.v, len, &where);

	(void)view;
	if (!ret)
		memcpy(to, where, len);
	return ret;
}

int guest_copy_out(struct guest_view *view, ipa_t to, const void *from, size_t len)
{
	uint8_t *where;
	int ret = copy(to.v, len, &where);

	(void)view;
	if (!ret)
		memcpy(where, from, len);
	return ret;
}

int guest_copy_across(struct guest_view *to_view, ipa_t to, struct guest_view *from_view, ipa_t from, size_t len)
{
	uint8_t *where;
	int ret = copy(from.v, len, &where);

	(void)from_view;
	return ret ? ret : guest_copy_out(to_view, to, where, len);
}

int guest_map_ring(struct vm *vm, ipa_t from, uint32_t len, struct guest_map *map)
{
	uint8_t *where = find(from.v, len);

	(void)vm;
	if (!where)
		return -EFAULT;
	*map = (struct guest_map){.at = where, .len = len};
	fake_virtio.maps++;
	return 0;
}

void guest_unmap_ring(struct guest_map *map)
{
	assert_non_null(map->at);
	*map = (struct guest_map){0};
	fake_virtio.maps--;
}

void guest_map_sync(const struct guest_map *map, uint32_t offset, uint32_t len)
{
	assert_true(offset + len <= map->len);
	fake_virtio.synced += len;
}

void sched_request(struct thread *thread, uint32_t work)
{
	fake_virtio.requests++;
	atomic_or(&thread->work, work);
}

bool irq_handle_one(void)
{
	return false;
}
