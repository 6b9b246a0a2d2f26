/* SPDX-License-Identifier: BSD-2-Clause */
/* See hyp/vm/memerr.h. What a page was is found by asking all owners: this is rare, and no record is kept for it. */
#include <errno.h>

#include "hyp/lib/log.h"
#include "hyp/lib/bits.h"
#include "hyp/vdev/device.h"
#include "hyp/vm/guestmem.h"
#include "hyp/vm/memerr.h"
#include "hyp/vm/vm.h"
#include "hyp/vm/vmctl.h"
#include "mm/badpage.h"
#include "mm/hypmap.h"
#include "mm/page.h"
#include "mm/ram.h"

typedef unsigned long long ull;

static struct log_budget budget; /* bad pages may come by hundreds; `mem` has all */

/* States in which no other CPU changes what the VM has of its RAM, which may be kept over its end (keeps_ram). */
#define SETTLED (BIT(VM_RUNNING) | BIT(VM_PAUSED) | BIT(VM_CREATED) | BIT(VM_OFF) | BIT(VM_CRASHED))

/* Why there is no record of it. */
static int record_error(pa_t page)
{
	if (badpage_is(page))
		return -EEXIST;
	if (log_ratelimit(&budget))
		log_err("host: RAM at 0x%llx is bad, and virt7's heap has no room to note that", (ull)page.v);
	return -ENOMEM;
}

/* *lost: the guest misses it, which it has touched, or for which there is no other page. Holder of s2.lock. */
static int take_from_guest(struct vm *vm, struct bad_page *bad, ipa_t at, bool *lost)
{
	int ret = s2_take_page(&vm->s2, at);

	*lost = ret != -ENOENT || vm_is_direct(vm) || badpage_replace(bad) != 0;
	return ret == -ENOENT ? 0 : ret;
}

static void tell_guest(struct vm *vm, ipa_t at, bool async)
{
	for (struct device *d = vm->devices; d; d = d->next)
		if (d->class->bad_page)
			d->class->bad_page(d, at, async);
}

/* The VM's page at `at`, which is `page` of the host now; the block's own is another where that is a spare one. */
static int lose_guest_page(struct vm *vm, ipa_t at, pa_t page, bool async)
{
	struct bad_page *bad, *first;
	bool lost = false;
	int ret = 0;

	spin_lock(&vm->s2.lock);
	bad = badpage_add(page, async, vm->config.name);
	if (bad) {
		bad->guest = true;
		bad->ipa = at.v;
		first = badpage_lose_spare(page);
		if (first)
			first->async = async;
		ret = take_from_guest(vm, first ? first : bad, at, &lost);
	}
	spin_unlock(&vm->s2.lock);
	if (!bad)
		return record_error(page);
	hyp_unmap_ring_page(page);
	guest_views_forget();
	if (lost)
		tell_guest(vm, at, async);
	if (log_ratelimit(&budget))
		log_err("vm %s: the host's RAM at 0x%llx, the guest's at 0x%llx, is bad: %s%s", vm->config.name,
			(ull)page.v, (ull)at.v, lost ? BADPAGE_TAKEN : BADPAGE_STANDS_IN,
			vm_is_direct(vm)
				? " from its vCPUs; its devices have it still, and the error cannot be contained"
				: "");
	return ret;
}

#define NO_TABLE "no table in virt7's heap for the rest of a block"

/* It cannot go on with what it would need. The page stays mapped where there is no table to leave it out with. */
static void stop_for_page(struct vm *vm, const char *what, pa_t page)
{
	char why[80];

	log_format(why, sizeof(why), "%s at 0x%llx of the host's RAM, which is bad", what, (ull)page.v);
	vmctl_crash(vm, NULL, why);
}

/* What the guest finds behind `at` once it touches it, where its own page is `page`. */
static pa_t page_to_be(pa_t page)
{
	uint32_t next = 0;
	const struct bad_page *bad = badpage_next(page, PAGE_SIZE, &next);

	return bad && bad->instead ? pa(bad->instead) : page;
}

/* The page behind `at`, whoever provides it; with `to_be` also where nothing is mapped yet. Holder of vm->lock. */
static bool page_behind(const struct vm *vm, ipa_t at, bool to_be, pa_t *page)
{
	if (!vm_ram_pa(vm, at, page))
		return false;
	if (!s2_lookup(&vm->s2, at, page) && to_be)
		*page = page_to_be(*page);
	page->v = align_down(page->v, PAGE_SIZE);
	return true;
}

/* `wanted`: the page that the caller has seen there, which may be another one's by now; NULL: whichever it is. */
static int lose_page_at(struct vm *vm, ipa_t at, const pa_t *wanted, bool async)
{
	int none = wanted ? -EBUSY : -EFAULT, ret = none; /* what was seen there is elsewhere by now, or free */
	pa_t page = pa(0);

	at.v = align_down(at.v, PAGE_SIZE);
	spin_lock(&vm->lock);
	if (!(BIT(vm->state) & SETTLED))
		ret = vm->extent_count ? -EBUSY : none;
	else if (page_behind(vm, at, wanted != NULL, &page))
		ret = wanted && wanted->v != page.v ? -EBUSY : lose_guest_page(vm, at, page, async);
	spin_unlock(&vm->lock);
	if (ret == -ENOMEM && badpage_is(page))
		stop_for_page(vm, NO_TABLE, page);
	return ret;
}

int memerr_guest_page(struct vm *vm, ipa_t at, bool async)
{
	return vm_is_direct(vm) ? -EPERM : lose_page_at(vm, at, NULL, async);
}

/* Where the VM sees `page`, which is in its pieces of RAM. Holder of vm->lock. */
static bool find_in_vm(const struct vm *vm, pa_t page, ipa_t *at)
{
	for (uint32_t i = 0; i < vm->extent_count; i++) {
		const struct vm_extent *e = &vm->extent[i];

		if (page.v - e->pa < e->size) {
			*at = ipa(e->ipa + (page.v - e->pa));
			return true;
		}
	}
	return false;
}

/* The VM that has the page as RAM, itself or for one that it stands in for. The caller holds vms_lock, so the VM stays.
 */
static struct vm *find_guest(pa_t page, ipa_t *at)
{
	const struct bad_page *first = badpage_of_spare(page);
	struct vm *vm;

	if (first)
		page = pa(first->pa);
	vm_for_each(vm)
	{
		bool found;

		spin_lock(&vm->lock);
		found = find_in_vm(vm, page, at);
		spin_unlock(&vm->lock);
		if (found)
			return vm;
	}
	return NULL;
}

static bool page_covers(const void *object, size_t size, pa_t page)
{
	return object && page.v - page_pa(object).v < align_up(size, PAGE_SIZE);
}

/* Whether the VM's tables, vCPUs, devices or own structure lie in that page of the heap. */
static bool lies_in(const struct vm *vm, pa_t page)
{
	const struct vcpu *v;

	if (page_covers(vm, sizeof(*vm), page) || s2_owns_table(&vm->s2, page))
		return true;
	vm_for_each_vcpu(v, vm)
		if (page_covers(v, sizeof(*v), page))
			return true;
	for (const struct device *d = vm->devices; d; d = d->next)
		if (page_covers(d, d->class->size, page))
			return true;
	return false;
}

/* Holder of vms_lock. */
static struct vm *find_in_heap(pa_t page)
{
	struct vm *vm;

	vm_for_each(vm) if (lies_in(vm, page)) return vm;
	return NULL;
}

static void lose_heap_page(pa_t page, bool in_use, bool say)
{
	struct vm *vm = in_use ? find_in_heap(page) : NULL;

	if (say)
		log_err("virt7's heap at 0x%llx is bad: %s", (ull)page.v,
			vm       ? "a VM cannot go on"
			: in_use ? "what it holds may be wrong; it is not used again once it is free"
				 : "it was free, and is not used any more");
	if (vm)
		stop_for_page(vm, "virt7 has tables, vCPUs or devices of this VM", page);
}

/* A device that has the page as RAM of its own. Holder of vms_lock. */
static struct device *find_device(pa_t page)
{
	struct vm *vm;

	vm_for_each(vm) for (struct device *d = vm->devices; d;
			     d = d->next) if (d->class->owns && d->class->owns(d, page)) return d;
	return NULL;
}

/* The page is no guest's RAM. Holder of vms_lock. */
static int lose_other_page(pa_t page, bool async)
{
	struct device *device = find_device(page);
	const char *name = device ? device->vm->config.name : "";
	bool in_use, say;

	if (!ram_is(page))
		return -EFAULT;
	if (!badpage_add(page, async, name))
		return record_error(page);
	guest_views_forget();
	if (device && device->class->lose)
		device->class->lose(device, page);
	say = log_ratelimit(&budget);
	if (page_retire(page, &in_use))
		lose_heap_page(page, in_use, say);
	else if (!say)
		return 0;
	else if (device)
		log_err("vm %s: %s: the host's RAM at 0x%llx is bad: 4 KiB of the device's data are lost", name,
			device->name, (ull)page.v);
	else
		log_err("host: RAM at 0x%llx is bad: 4 KiB that no VM has, nor gets", (ull)page.v);
	return 0;
}

/*
 * A VM may have got the page as RAM between the look for one and the record: then it goes from what the VM has touched.
 * What it touches from here on leaves the page out.
 */
static void take_late(pa_t page)
{
	ipa_t at;
	struct vm *vm = find_guest(page, &at);
	int ret;

	if (!vm)
		return;
	spin_lock(&vm->s2.lock);
	ret = s2_take_page(&vm->s2, at);
	spin_unlock(&vm->s2.lock);
	hyp_unmap_ring_page(page);
	guest_views_forget();
	if (ret == -ENOMEM)
		stop_for_page(vm, NO_TABLE, page);
}

int memerr_page(pa_t at, bool async)
{
	pa_t page = pa(align_down(at.v, PAGE_SIZE));
	struct vm *vm;
	ipa_t guest;
	int ret;

	spin_lock(&vms_lock);
	vm = find_guest(page, &guest);
	if (badpage_is(page))
		ret = -EEXIST;
	else if (vm)
		ret = lose_page_at(vm, guest, &page, async);
	else
		ret = lose_other_page(page, async);
	if (!ret && !vm)
		take_late(page);
	spin_unlock(&vms_lock);
	return ret;
}
