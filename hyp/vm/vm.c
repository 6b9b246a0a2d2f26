/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of VMs; a VM's RAM, and the first touch of it. */
#include <errno.h>
#include <string.h>

#include <arm/barrier.h>
#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "hyp/lib/bits.h"
#include "hyp/load/words.h"
#include "hyp/run/sched.h"
#include "hyp/run/thread.h"
#include "hyp/vdev/device.h"
#include "hyp/vm/guestmem.h"
#include "hyp/vm/leaveout.h"
#include "hyp/vm/lent.h"
#include "hyp/vm/scrub.h"
#include "hyp/vm/vm.h"
#include "mm/badpage.h"
#include "mm/cache.h"
#include "mm/hypmap.h"
#include "mm/page.h"
#include "mm/ram.h"

#define DIRECT_ALIGN MIB(128)

struct vm *vms[VM_MAX];
uint32_t vm_count;
struct spinlock vms_lock;

int vm_enter(struct vm *vm)
{
	uint32_t id = 0;

	while (id < VM_MAX && vms[id])
		id++;
	if (id == VM_MAX)
		return -ENOSPC;
	vm->id = id;
	spin_lock(&vms_lock);
	vms[id] = vm;
	vm_count = MAX(vm_count, id + 1U);
	spin_unlock(&vms_lock);
	return 0;
}

void vm_leave(struct vm *vm)
{
	spin_lock(&vms_lock);
	vms[vm->id] = NULL;
	while (vm_count > 0 && !vms[vm_count - 1U])
		vm_count--;
	spin_unlock(&vms_lock);
}

static void release_ram(struct vm *vm)
{
	uint32_t count = vm->extent_count;

	vm->extent_count = 0;
	for (uint32_t i = 0; i < count; i++)
		ram_release(pa(vm->extent[i].pa), vm->extent[i].size);
}

static void release_all_but_kept(const struct vm_extent *e)
{
	uint64_t from = e->pa, end = e->pa + e->size;

	for (uint64_t at = from; at < end; at += BLOCK_SIZE) {
		sched_preempt();
		if (!lent_is_kept(pa(at)))
			continue;
		if (at > from)
			ram_release(pa(from), at - from);
		from = at + BLOCK_SIZE;
	}
	if (end > from)
		ram_release(pa(from), end - from);
}

/* What is lent stays out of use. */
static void release_rest(struct vm *vm, uint64_t kept, const char *to)
{
	uint32_t count = vm->extent_count;

	log_warn("vm %s: %u MiB of its RAM are in quarantine, for %s may still read or write there: they are free when "
		 "it has ended its requests",
		 vm->config.name, (unsigned)(kept >> 20), to);
	vm->extent_count = 0;
	__atomic_fetch_add(&ram_use.quarantine, kept, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < count; i++)
		release_all_but_kept(&vm->extent[i]);
	lent_settle();
}

void vm_mend_ram(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->extent_count; i++) {
		const struct vm_extent *e = &vm->extent[i];
		uint32_t next = 0, left = 0;

		for (struct bad_page *bad; (bad = badpage_next(pa(e->pa), e->size, &next)) != NULL;)
			if (vm_is_direct(vm) || badpage_replace(bad)) {
				bad->ipa = e->ipa + (bad->pa - e->pa);
				left++;
			}
		if (left)
			log_warn("vm %s: %u pages of its RAM are bad, and %s", vm->config.name, (unsigned)left,
				 vm_is_direct(vm) ? "stay so: with trusted-dma others cannot stand in for them"
						  : "the host has no RAM free to replace them");
	}
}

/* In pieces, wherever there are some. Bytes that it got. */
static uint64_t take_ram_pieces(struct vm *vm, uint64_t size)
{
	uint64_t done = 0;

	while (done < size && vm->extent_count < VM_EXTENTS_MAX) {
		struct vm_extent *e = &vm->extent[vm->extent_count];
		pa_t base = pa(0);
		uint64_t got = ram_take_unused(size - done, &base);

		if (got == 0)
			break;
		*e = (struct vm_extent){MACHINE_RAM_BASE + done, base.v, got};
		vm->extent_count++;
		done += got;
	}
	return done;
}

static void set_direct(struct vm *vm, uint64_t base, uint64_t size)
{
	vm->extent[0] = (struct vm_extent){base, base, size};
	vm->extent_count = 1;
	vm->config.ram_shift = base - MACHINE_RAM_BASE;
}

/*
 * In one piece that the guest sees where it is, below 4 GiB, and that leaves the lower part of its address space to
 * devices; where the host has no RAM elsewhere it may lie in the window of mach-virt's PCI. At a multiple of 128 MiB
 * where there is one: kernels before Linux 5.12 look for the start of RAM there.
 */
static uint64_t take_direct(struct vm *vm, uint64_t size)
{
	pa_t base = pa(0);

	if (!ram_take_in(size, DIRECT_ALIGN, MACHINE_RAM_BASE, BIT64(32), &base) &&
	    !ram_take_in(size, BLOCK_SIZE, MACHINE_RAM_BASE, BIT64(32), &base) &&
	    !ram_take_in(size, DIRECT_ALIGN, MACHINE_PCI_BASE, MACHINE_RAM_BASE, &base) &&
	    !ram_take_in(size, BLOCK_SIZE, MACHINE_PCI_BASE, BIT64(32), &base))
		return 0;
	set_direct(vm, base.v, size);
	return size;
}

static void refuse_direct(const struct vm *vm)
{
	log_err("vm %s: memory: with trusted-dma it needs %llu MiB in one piece between 0x10000000 and 4 GiB of the "
		"host's RAM; lower memory in /vms/%s, or place its node before others",
		vm->config.name, (unsigned long long)(vm->config.ram_size >> 20), vm->config.name);
}

int vm_take_ram(struct vm *vm)
{
	uint64_t size = vm->config.ram_size, available = ram_available(), done;

	if (vm->extent_count > 0)
		return 0;
	done = vm_is_direct(vm) ? take_direct(vm, size) : take_ram_pieces(vm, size);
	if (done == size && s2_reserve(&vm->s2, ipa(vmcfg_ram_base(&vm->config)), size) == 0)
		return 0;
	release_ram(vm);
	if (done == size) {
		log_err("vm %s: virt7's heap has no room for the tables of %llu MiB (%u KiB free); " WORDS_HEAP,
			vm->config.name, (unsigned long long)(size >> 20), (unsigned)(page_available() / 1024U));
		return -ENOMEM;
	}
	if (vm_is_direct(vm) && available >= size) {
		refuse_direct(vm);
		return -ENOMEM;
	}
	log_err("vm %s: memory: %llu MiB asked for, the host has %llu MiB free; lower memory in /vms/%s",
		vm->config.name, (unsigned long long)(size >> 20), (unsigned long long)(available >> 20),
		vm->config.name);
	return -ENOMEM;
}

uint32_t vm_find_holes(const struct vm *vm, uint64_t *hole, uint32_t most)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < vm->extent_count; i++) {
		const struct vm_extent *e = &vm->extent[i];
		const struct bad_page *bad;
		uint32_t next = 0;

		while (count < most && (bad = badpage_next(pa(e->pa), e->size, &next)) != NULL)
			if (!bad->instead)
				hole[count++] = e->ipa + (bad->pa - e->pa);
	}
	return count;
}

/* Who has bus masters has its RAM in one piece. */
struct vm_extent vm_quarantine_ram(struct vm *vm)
{
	struct vm_extent ram = vm->extent_count ? vm->extent[0] : (struct vm_extent){0};

	vm->extent_count = 0;
	vm->keeps_ram = false;
	if (!ram.size)
		return ram;
	__atomic_fetch_add(&ram_use.quarantine, ram.size, __ATOMIC_RELAXED);
	log_warn("vm %s: a device that cannot be made quiet may still write to its RAM: nobody gets the %llu MiB at "
		 "0x%llx until a VM of this size has its devices again",
		 vm->config.name, (unsigned long long)(ram.size >> 20), (unsigned long long)ram.pa);
	return ram;
}

void vm_end_quarantine(const struct vm *vm, const struct vm_extent *ram)
{
	for (uint64_t at = ram->pa; at < ram->pa + ram->size; at += BLOCK_SIZE)
		vm_scrub_block(pa(at));
	badpage_give_back(pa(ram->pa), ram->size);
	__atomic_fetch_sub(&ram_use.quarantine, ram->size, __ATOMIC_RELAXED);
	ram_release(pa(ram->pa), ram->size);
	log_info("vm %s: its devices have been reset: the %llu MiB at 0x%llx that they may have written to are free",
		 vm->config.name, (unsigned long long)(ram->size >> 20), (unsigned long long)ram->pa);
}

bool vm_adopt_ram(struct vm *vm, const struct vm_extent *ram)
{
	if (vm->extent_count || ram->size != vm->config.ram_size || s2_reserve(&vm->s2, ipa(ram->pa), ram->size))
		return false;
	set_direct(vm, ram->pa, ram->size);
	vm->keeps_ram = true;
	__atomic_fetch_sub(&ram_use.quarantine, ram->size, __ATOMIC_RELAXED);
	log_info("vm %s: the %llu MiB at 0x%llx that its devices may still write to are its own", vm->config.name,
		 (unsigned long long)(ram->size >> 20), (unsigned long long)ram->pa);
	return true;
}

void vm_give_ram(struct vm *vm)
{
	const char *lent;
	uint64_t kept;
	pa_t to, home;

	if (vm->keeps_ram)
		return;
	kept = lent_keep(vm, &lent);
	guest_views_forget(); /* what is seen by a window gets no flag (mm/zero.h) */
	sched_preempt();
	for (ipa_t at = ipa(0); s2_next_dirty(&vm->s2, &at, &to); at = ipa_add(at, BLOCK_SIZE))
		if (!kept || !vm_ram_pa(vm, at, &home) || !lent_is_kept(home))
			vm_scrub_block(to);
	s2_forget(&vm->s2);
	for (uint32_t i = 0; i < vm->extent_count; i++)
		badpage_give_back(pa(vm->extent[i].pa), vm->extent[i].size);
	if (kept)
		release_rest(vm, kept, lent);
	else
		release_ram(vm);
}

uint64_t vm_ram_reserved(const struct vm *vm)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < vm->extent_count; i++)
		sum += vm->extent[i].size;
	return sum;
}

uint64_t vm_ram_touched(const struct vm *vm)
{
	return (uint64_t)vm->s2.blocks * BLOCK_SIZE;
}

bool vm_ram_pa(const struct vm *vm, ipa_t at, pa_t *out)
{
	for (uint32_t i = 0; i < vm->extent_count; i++) {
		const struct vm_extent *e = &vm->extent[i];

		if (at.v - e->ipa < e->size) {
			*out = pa(e->pa + (at.v - e->ipa));
			return true;
		}
	}
	return false;
}

/* A look without a lock: it may be touched at any time. */
static bool block_is_touched(const struct vm *vm, ipa_t at)
{
	pa_t unused;

	return s2_lookup(&vm->s2, at, &unused) || s2_show(&vm->s2, at, &unused);
}

static int scrub_block(pa_t show)
{
	int ret = cache_scrub_block(hyp_window_open(show));

	hyp_window_close();
	return ret;
}

static bool has_holes(pa_t block)
{
	uint32_t next = 0;

	return badpage_next(block, BLOCK_SIZE, &next) != NULL;
}

/*
 * Zero the block as HYP will see it, which leaves its holes out, unless it is `zeroed` already, and map it. What does
 * not answer then is a hole, too. Holder of s2.lock.
 */
static int scrub_and_map(struct vm *vm, ipa_t block, pa_t to, bool zeroed)
{
	bool again = false;
	int ret = 0;

	if (zeroed && !has_holes(to))
		return s2_map_block(&vm->s2, block, to);
	do {
		pa_t show = to;

		ret = has_holes(to) ? s2_prepare(&vm->s2, block, to, &show) : 0;
		if (ret)
			return ret;
		ret = scrub_block(show);
		again = ret && !again && !leaveout_silent(vm, block, to);
	} while (again);
	return ret && !has_holes(to) ? ret : s2_map_block(&vm->s2, block, to);
}

static int touch_block(struct vm *vm, ipa_t block, pa_t to, bool zeroed)
{
	int ret = 0;

	spin_lock(&vm->s2.lock);
	if (!block_is_touched(vm, block))
		ret = scrub_and_map(vm, block, to, zeroed);
	spin_unlock(&vm->s2.lock);
	return ret;
}

static int map_touched(struct vm *vm, ipa_t at, pa_t to, bool zeroed)
{
	ipa_t block = ipa(align_down(at.v, BLOCK_SIZE));
	int ret = touch_block(vm, block, to, zeroed);
	bool async;

	if (!ret && s2_is_hole(&vm->s2, at, &async))
		return -EIO;
	if (ret == -EIO && log_ratelimit(&vm->log_budget))
		log_err("vm %s: the host's RAM at 0x%llx, the guest's at 0x%llx, does not answer (external abort)",
			vm->config.name, (unsigned long long)to.v, (unsigned long long)block.v);
	return ret;
}

/*
 * A part of a block that is not mapped yet. False: another vCPU has mapped it meanwhile, or it aborts. Who maps it has
 * zeroed all of it, and has the lock: what is mapped is not zeroed.
 */
static bool scrub_part(struct vm *vm, ipa_t block, pa_t to, uint32_t from)
{
	pa_t shown;
	bool fine;

	spin_lock(&vm->s2.lock);
	fine = !s2_show(&vm->s2, block, &shown);
	if (fine) {
		fine = !cache_scrub(hyp_window_open(to) + from, SCRUB_PART);
		hyp_window_close();
	}
	spin_unlock(&vm->s2.lock);
	return fine;
}

static bool scrub_in_turns(struct vm *vm, ipa_t block, pa_t to)
{
	if (has_holes(to))
		return false;
	for (uint32_t from = 0; from < BLOCK_SIZE; from += SCRUB_PART) {
		if (!scrub_part(vm, block, to, from))
			return false;
		sched_preempt();
	}
	return true;
}

/* False: the block with `at` is to be touched, and is at *to. True: nothing is to be done, and *ret comes of it. */
static bool find_ram_block(const struct vm *vm, ipa_t at, pa_t *to, int *ret)
{
	bool async;

	*ret = -EFAULT;
	if (!vm_ram_pa(vm, ipa(align_down(at.v, BLOCK_SIZE)), to))
		return true;
	if (unlikely(!block_is_touched(vm, at)))
		return false;
	dmb_ish(); /* its zeroes are there: touch_block() writes them before the entry */
	*ret = s2_is_hole(&vm->s2, at, &async) ? -EIO : 0;
	return true;
}

int vm_touch(struct vm *vm, ipa_t at)
{
	pa_t to;
	int ret;

	return find_ram_block(vm, at, &to, &ret) ? ret : map_touched(vm, at, to, ram_begin_use(to));
}

int vm_touch_in_turns(struct vm *vm, ipa_t at)
{
	pa_t to;
	int ret;

	if (find_ram_block(vm, at, &to, &ret))
		return ret;
	return map_touched(vm, at, to, ram_begin_use(to) || scrub_in_turns(vm, ipa(align_down(at.v, BLOCK_SIZE)), to));
}

/* One that is begun and not mapped goes on, so that each step brings its end nearer. Holder of s2.lock. */
static void begin_touching(struct vm *vm, ipa_t block, pa_t to)
{
	struct vm_touching *t = &vm->touching;

	if (t->generation == vm->s2.generation && !block_is_touched(vm, t->block))
		return;
	*t = (struct vm_touching){
		.generation = vm->s2.generation, .block = block, .to = to, .done = ram_begin_use(to) ? BLOCK_SIZE : 0};
}

/* False: it is zero now, or not to be zeroed in parts, and none is under way any more. Holder of s2.lock. */
static bool scrub_next(struct vm_touching *t)
{
	if (t->done < BLOCK_SIZE && !has_holes(t->to)) {
		int ret = cache_scrub(hyp_window_open(t->to) + t->done, VM_TOUCH_PART);

		hyp_window_close();
		t->done += VM_TOUCH_PART;
		if (!ret)
			return true;
		t->done = 0;
	}
	t->generation = 0;
	return false;
}

int vm_touch_part(struct vm *vm, ipa_t at)
{
	ipa_t block = ipa(align_down(at.v, BLOCK_SIZE));
	struct vm_touching t;
	bool more = true;
	pa_t to;
	int ret;

	if (find_ram_block(vm, at, &to, &ret))
		return ret;
	spin_lock(&vm->s2.lock);
	if (!block_is_touched(vm, block)) { /* or another vCPU has, and the next look finds it */
		begin_touching(vm, block, to);
		more = scrub_next(&vm->touching);
	}
	t = vm->touching;
	spin_unlock(&vm->s2.lock);
	if (more)
		return -EAGAIN;
	if (t.block.v == block.v)
		return map_touched(vm, at, t.to, t.done == BLOCK_SIZE);
	map_touched(vm, t.block, t.to, t.done == BLOCK_SIZE);
	return -EAGAIN;
}

/* What does not answer has had its line, and stays away from the guest; a device that is told to write there is not. */
void vm_map_all(struct vm *vm)
{
	for (uint64_t at = 0; at < vm->config.ram_size; at += BLOCK_SIZE) {
		vm_touch_in_turns(vm, ipa(vmcfg_ram_base(&vm->config) + at));
		sched_preempt();
	}
}
