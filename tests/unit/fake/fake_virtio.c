/* SPDX-License-Identifier: BSD-2-Clause */
/* See fake_virtio.h. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arm/atomic.h>

#include "fake_machine.h"
#include "fake_virtio.h"
#include "hyp/run/irq.h"
#include "hyp/run/kick.h"
#include "hyp/run/sched.h"
#include "hyp/run/timer.h"
#include "hyp/virtio/bus.h"
#include "hyp/vm/guestmem.h"
#include "hyp/vm/scrub.h"
#include "hyp/vm/vm.h"
#include "mm/cache.h"
#include "mm/badpage.h"
#include "mm/hypmap.h"
#include "mm/ram.h"

uint8_t fake_guest_ram[(FAKE_GUEST_RAM + MIB(2) - 1U) / MIB(2) * MIB(2)];
struct fake_virtio fake_virtio;
uint8_t fake_host_ram[FAKE_HOST_RAM];
struct ram_use ram_use;

static struct percpu this_one;

void fake_virtio_reset(void)
{
	fake_machine.reg[SYSREG_htpidr] = (uintptr_t)&this_one;
	fake_virtio = (struct fake_virtio){0};
	memset(fake_guest_ram, 0xa5, FAKE_GUEST_RAM);
	memset(fake_host_ram, 0x5a, sizeof(fake_host_ram));
	ram_use = (struct ram_use){0};
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

#define FAKE_BLOCK KIB(64)

/* A block of [at, at + len), in RAM, that has not been touched; 0: none. */
static uint64_t fresh_in(uint64_t at, size_t len)
{
	uint64_t first = (at - MACHINE_RAM_BASE) / FAKE_BLOCK, last = (at - MACHINE_RAM_BASE + len - 1U) / FAKE_BLOCK;

	for (uint64_t block = first; len > 0 && block <= last; block++)
		if (fake_virtio.fresh & BIT64(block))
			return BIT64(block);
	return 0;
}

/* True: this was a step of such a block. */
static bool touch_one(uint64_t at, size_t len)
{
	uint64_t block = fresh_in(at, len);

	if (!block)
		return false;
	fake_virtio.touches++;
	if (++fake_virtio.touch_steps == VM_TOUCH_STEPS) {
		fake_virtio.touch_steps = 0;
		fake_virtio.fresh &= ~block;
	}
	return true;
}

static int copy(uint64_t at, size_t len, uint8_t **where)
{
	assert_true(fake_virtio.views > 0);
	if (fake_virtio.on_copy)
		fake_virtio.on_copy();
	fake_virtio.copies++;
	fake_virtio.copied += len;
	*where = find(at, len);
	if (!*where)
		return -EFAULT;
	while (touch_one(at, len))
		;
	return at < fake_virtio.bad + fake_virtio.bad_size && fake_virtio.bad < at + len ? -EIO : 0;
}

/* IPA of what a view shows at `at`; 0: nothing. */
static uint64_t shown_ipa(const void *at)
{
	uintptr_t offset = (uintptr_t)at - (uintptr_t)fake_guest_ram;

	return offset < sizeof(fake_guest_ram) ? MACHINE_RAM_BASE + offset : 0;
}

/* A copy by addresses: what guest_copy_in() and guest_copy_out() are for the rest. */
static int copy_shown(void *to, const void *from, size_t len)
{
	uint64_t source = shown_ipa(from), target = shown_ipa(to);
	uint8_t *where;

	if ((source && copy(source, len, &where)) || (target && copy(target, len, &where)))
		return -EIO;
	memmove(to, from, len);
	if (target && fake_virtio.on_copy_out)
		fake_virtio.on_copy_out(target, to, len);
	return 0;
}

struct guest_view *guest_view_open(struct vm *vm, uint32_t window)
{
	static struct guest_view views[2];
	struct guest_view *view = &views[window >= HYP_WINDOW_VIEW_2];
	bool shown = fake_virtio.shown && !fake_virtio.fresh;

	*view = (struct guest_view){.vm = vm, .uncached = fake_virtio.uncached, .placed = GUEST_NO_BLOCK};
	for (uint32_t i = 0; i < HYP_VIEW_WINDOWS; i++)
		view->shown[i].block = GUEST_NO_BLOCK;
	for (uint32_t i = 0; shown && i < sizeof(fake_guest_ram) / BLOCK_SIZE; i++)
		view->shown[i] = (struct guest_shown){guest_block(MACHINE_RAM_BASE + i * BLOCK_SIZE),
						      fake_guest_ram + i * BLOCK_SIZE};
	fake_machine.copy = shown ? copy_shown : NULL;
	fake_virtio.views++;
	fake_virtio.opened++;
	return view;
}

void guest_view_close(struct guest_view *view)
{
	(void)view;
	fake_virtio.views--;
	fake_machine.copy = NULL;
}

bool guest_present(struct guest_view *view, ipa_t at, size_t len)
{
	(void)view;
	return !find(at.v, len) || !touch_one(at.v, len);
}

bool guest_show(struct guest_view *view, ipa_t at, size_t len)
{
	return guest_present(view, at, len);
}

uint32_t guest_place(struct guest_view *view, ipa_t at, uint32_t len, pa_t *place)
{
	uint64_t offset = at.v - MACHINE_RAM_BASE;

	len = MIN(len, FAKE_BLOCK - (uint32_t)(offset & (FAKE_BLOCK - 1U)));
	if (view->uncached || !find(at.v, len) || fresh_in(at.v, len) ||
	    (fake_virtio.bad_page - FAKE_GUEST_PA) >> BLOCK_SHIFT == offset >> BLOCK_SHIFT)
		return 0;
	fake_virtio.placed++;
	*place = pa(FAKE_GUEST_PA + offset);
	return len;
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
	if (ret)
		return ret;
	memmove(where, from, len); /* every VM has the same RAM here: a frame may lie where it goes */
	if (fake_virtio.on_copy_out)
		fake_virtio.on_copy_out(to.v, where, len); /* what it has written: `from` may have lain under it */
	return 0;
}

int guest_copy_across(struct guest_view *to_view, ipa_t to, struct guest_view *from_view, ipa_t from, size_t len)
{
	uint8_t *where;
	int ret = copy(from.v, len, &where);

	(void)from_view;
	return ret ? ret : guest_copy_out(to_view, to, where, len);
}

void guest_touch_ring(struct vm *vm, ipa_t from, uint32_t len)
{
	const struct virtio_bus *bus = vm->virtio;

	assert_int_not_equal(len, 0);
	assert_int_equal(fake_virtio.views, 0);
	for (uint32_t i = 0; i < bus->count; i++)
		assert_int_equal(bus->slot[i]->lock.held + bus->slot[i]->receive_lock.held, 0);
	sched_preempt();
	if (find(from.v, len))
		while (touch_one(from.v, len))
			;
}

int guest_map_ring(struct vm *vm, ipa_t from, uint32_t len, struct guest_map *map)
{
	uint8_t *where = find(from.v, len);

	(void)vm;
	if (!where)
		return -EFAULT;
	if (fake_virtio.full)
		return -ENOSPC;
	if (fresh_in(from.v, len))
		return -EIO;
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
	if (fake_virtio.on_sync)
		fake_virtio.on_sync(map->at + offset, len);
}

void kick_send_held(struct percpu *cpu)
{
	cpu->kicks = 0;
}

void sched_request(struct thread *thread, uint32_t work)
{
	fake_virtio.requests++;
	atomic_or(&thread->work, work);
}

uint8_t *hyp_window_open_at(enum hyp_window window, pa_t address)
{
	assert_false(fake_virtio.windows & BIT(window));
	fake_virtio.windows |= BIT(window);
	return fake_host_ram + ((address.v - FAKE_HOST_PA) & ~(uint64_t)(BLOCK_SIZE - 1U));
}

uint8_t *hyp_window_show(enum hyp_window window, pa_t address)
{
	assert_int_equal(window, HYP_WINDOW_DISK);
	return fake_host_ram + ((address.v - FAKE_HOST_PA) & ~(uint64_t)(BLOCK_SIZE - 1U));
}

void hyp_window_close_at(enum hyp_window window)
{
	assert_true(fake_virtio.windows & BIT(window));
	fake_virtio.windows &= ~BIT(window);
}

bool badpage_is(pa_t page)
{
	fake_virtio.bad_looks++;
	return fake_virtio.bad_page && page.v >> PAGE_SHIFT == fake_virtio.bad_page >> PAGE_SHIFT;
}

static struct bad_page bad_page;

uint32_t badpage_count(void)
{
	return fake_virtio.bad_page != 0;
}

struct bad_page *badpage_next(pa_t base, uint64_t size, uint32_t *next)
{
	bad_page.pa = align_down(fake_virtio.bad_page, PAGE_SIZE);
	fake_virtio.bad_looks++;
	return (*next)++ == 0 && fake_virtio.bad_page && bad_page.pa - base.v < size ? &bad_page : NULL;
}

/* In pieces of a block, so that a disk has several. */
uint64_t ram_take(uint64_t size, bool low, pa_t *base)
{
	uint64_t left = FAKE_HOST_RAM - fake_virtio.host_taken, got = MIN(MIN(size, left), BLOCK_SIZE);

	(void)low;
	*base = pa(FAKE_HOST_PA + fake_virtio.host_taken);
	fake_virtio.host_taken += got;
	return got;
}

void ram_release(pa_t base, uint64_t size)
{
	assert_in_range(base.v, FAKE_HOST_PA, FAKE_HOST_PA + FAKE_HOST_RAM - size);
	fake_virtio.host_released += size;
}

void vm_scrub_block(pa_t block)
{
	memset(hyp_window_open(block), 0, BLOCK_SIZE);
	hyp_window_close();
	fake_virtio.scrubbed++;
}

int hyp_map(uint32_t va, pa_t base, size_t size, enum hyp_mem kind)
{
	(void)va, (void)base, (void)size;
	assert_int_equal(kind, HYP_MEM_RO);
	return 0;
}

/* Of hyp/load/stream.c: no image goes to guest RAM here. */
int guest_load(struct vm *vm, ipa_t to, const void *from, size_t len)
{
	(void)vm, (void)to, (void)from, (void)len;
	return -EFAULT;
}

/* A test with a clock has its own. */
__attribute__((weak)) uint32_t timer_hz(void)
{
	return 1000;
}

void sched_preempt(void)
{
	assert_int_equal(fake_virtio.windows, 0);
	fake_virtio.preempts++;
	if (fake_virtio.on_preempt)
		fake_virtio.on_preempt();
}

bool irq_is_waiting(void)
{
	return fake_virtio.interrupt;
}
