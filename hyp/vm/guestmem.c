/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest memory through this CPU's windows, one 2 MiB block at a time (hyp/vm/guestmem.h). Compiled for speed. */
#include <errno.h>

#include <arm/barrier.h>
#include <arm/copy.h>
#include <arm/sysreg.h>

#include "hyp/host/gic.h"
#include "hyp/lib/bits.h"
#include "hyp/run/irq.h"
#include "hyp/run/sched.h"
#include "hyp/vm/guestmem.h"
#include "hyp/vm/vm.h"
#include "mm/badpage.h"
#include "mm/cache.h"
#include "mm/hypmap.h"

#define LOAD_STEP KIB(64) /* between looks at who else wants the CPU: images are large; divides a block */

static int guest_check(const struct vm *vm, uint64_t at, size_t len)
{
	uint64_t base = vmcfg_ram_base(&vm->config), size = vm->config.ram_size;

	return at >= base && at - base <= size && len <= size - (at - base) ? 0 : -EFAULT;
}

/* TVM traps until a vCPU's caches go on, so that coproc/setway.c knows of each that they did; its own SCTLR says the
 * rest. */
static inline bool vm_is_uncached(const struct vm *vm)
{
	const struct vcpu *loaded = this_cpu()->loaded;

	return vm->uncached || (loaded && loaded->vm == vm && (read_sctlr() & SCTLR_CACHES_ON) != SCTLR_CACHES_ON);
}

bool guest_is_uncached(const struct vm *vm)
{
	return vm_is_uncached(vm);
}

/* Each CPU's two; over their end they keep what the windows show. Generation 0 is no view's. */
static struct guest_view views[CPU_MAX][2] __attribute__((aligned(64)));

static inline struct guest_view *view_of(uint32_t window)
{
	return &views[cpu_id()][window >= HYP_WINDOW_VIEW_2];
}

static bool forget_views(uint32_t id, void *arg)
{
	for (enum hyp_window window = HYP_WINDOW; window < HYP_WINDOWS; window++)
		hyp_window_close_at(window);
	view_of(HYP_WINDOW_VIEW)->generation = view_of(HYP_WINDOW_VIEW_2)->generation = 0;
	return true;
}

void guest_views_forget(void)
{
	for (uint32_t cpu = 0; cpu < CPU_MAX; cpu++)
		if (percpu[cpu].online)
			gic_send_sgi(cpu, GIC_SGI_VIEWS);
}

void guest_views_init_cpu(void)
{
	irq_register(GIC_SGI_VIEWS, forget_views, NULL);
}

struct guest_view *guest_view_open(struct vm *vm, uint32_t window)
{
	struct guest_view *view = view_of(window);
	uint64_t generation = vm->s2.generation;

	view->vm = vm;
	view->uncached = vm_is_uncached(vm);
	dmb_ish(); /* what is looked up from here on is of that generation, or of a later one */
	if (unlikely(view->generation != generation)) {
		view->generation = generation;
		view->window = window;
		view->next = 0;
		for (uint32_t i = 0; i < HYP_VIEW_WINDOWS; i++)
			view->shown[i].block = GUEST_NO_BLOCK;
		view->placed = GUEST_NO_BLOCK;
	}
	return view;
}

/*
 * What a guest that looks past the caches shares with HYP goes out of sight: no line of it comes back by speculation.
 * Of another, a block that was taken away while the view was open is not kept: the generation is that of its opening.
 */
void guest_view_close(struct guest_view *view)
{
	if (likely(!view->uncached))
		return;
	view->generation = 0;
	for (uint32_t i = 0; i < HYP_VIEW_WINDOWS; i++)
		hyp_window_close_at(view->window + i);
}

/*
 * Show a block of the VM's RAM, which has it, in the place of the one that has been shown longest. NULL: the guest has
 * not touched it, and all is as it was.
 */
static uint8_t *show_block(struct guest_view *view, uint32_t block)
{
	struct guest_shown *shown = &view->shown[view->next % HYP_VIEW_WINDOWS];
	pa_t to;

	if (!s2_show(&view->vm->s2, ipa((uint64_t)block << BLOCK_SHIFT), &to))
		return NULL;
	dmb_ish(); /* with the block come its zeroes (vm_touch()) */
	if (unlikely(to.v & HYP_WINDOW_TABLE))
		view->uncached = true; /* the table goes with the VM's RAM: no window may stay on it */
	shown->block = block;
	shown->at = hyp_window_show(view->window + view->next++ % HYP_VIEW_WINDOWS, to);
	return shown->at;
}

static uint8_t *get_shown(struct guest_view *view, uint32_t block)
{
	const struct guest_shown *shown = guest_find_shown(view, block);

	return likely(shown != NULL) ? shown->at : show_block(view, block);
}

/* Where the view shows `at`, and how much of *len lies in the same block. The range has been checked. */
static inline int view_show(struct guest_view *view, uint64_t at, size_t *len, uint8_t **where)
{
	uint32_t offset = (uint32_t)at & (BLOCK_SIZE - 1U), block = guest_block(at);
	uint8_t *shown = get_shown(view, block);

	if (unlikely(!shown)) {
		int ret = vm_touch(view->vm, ipa(at - offset));

		if (ret)
			return ret;
		shown = show_block(view, block);
		if (!shown)
			return -EFAULT;
	}
	*len = MIN(*len, BLOCK_SIZE - offset);
	*where = shown + offset;
	return 0;
}

static bool view_is_touched(const struct guest_view *view, uint32_t block)
{
	pa_t to;

	return guest_find_shown(view, block) || s2_show(&view->vm->s2, ipa((uint64_t)block << BLOCK_SHIFT), &to);
}

/* False: that was a step of it, and the last one maps the block. */
static bool touch_fails(struct vm *vm, ipa_t at)
{
	int ret = vm_touch_part(vm, at);

	return ret && ret != -EAGAIN;
}

bool guest_present(struct guest_view *view, ipa_t at, size_t len)
{
	if (len == 0 || guest_check(view->vm, at.v, len))
		return true;
	for (uint32_t block = guest_block(at.v); block <= guest_block(at.v + len - 1U); block++)
		if (!view_is_touched(view, block))
			return touch_fails(view->vm, ipa((uint64_t)block << BLOCK_SHIFT));
	return true;
}

static bool has_bad_page(pa_t block)
{
	uint32_t next = 0;

	return badpage_next(block, BLOCK_SIZE, &next);
}

/* What a window shows by a table has bad pages, and others may be known since. RAM is of whole blocks. */
static bool place_block(struct guest_view *view, uint32_t block, uint32_t bad)
{
	ipa_t at = ipa((uint64_t)block << BLOCK_SHIFT);
	pa_t to;

	if (view->uncached || guest_check(view->vm, at.v, BLOCK_SIZE) || !s2_show(&view->vm->s2, at, &to) ||
	    to.v & HYP_WINDOW_TABLE || (bad && has_bad_page(to)))
		return false;
	dmb_ish(); /* with the block come its zeroes (vm_touch()) */
	view->placed = block;
	view->bad = bad;
	view->place = (uint32_t)(to.v >> BLOCK_SHIFT);
	return true;
}

uint32_t guest_place(struct guest_view *view, ipa_t at, uint32_t len, pa_t *place)
{
	uint32_t block = guest_block(at.v), bad = badpage_count();

	if ((view->placed != block || view->bad != bad) && !place_block(view, block, bad))
		return 0;
	len = MIN(len, BLOCK_SIZE - ((uint32_t)at.v & (BLOCK_SIZE - 1U)));
	return guest_is_placed(view, at, len, place) ? len : 0;
}

bool guest_show(struct guest_view *view, ipa_t at, size_t len)
{
	uint32_t offset = (uint32_t)at.v & (BLOCK_SIZE - 1U);

	if (len == 0 || len > BLOCK_SIZE - offset || guest_check(view->vm, at.v, len))
		return guest_present(view, at, len);
	return get_shown(view, guest_block(at.v)) || touch_fails(view->vm, at);
}

/* Of a guest that looks past the caches no line may be there before HYP's access, nor stay behind it. */
static inline void view_sync(const struct guest_view *view, const uint8_t *where, size_t len)
{
	if (unlikely(view->uncached))
		cache_clean_invalidate(where, len);
}

/* Before a store only the lines count that it writes a part of: those at its ends. */
static inline void view_sync_ends(const struct guest_view *view, const uint8_t *where, size_t len)
{
	view_sync(view, where, 1);
	view_sync(view, where + len - 1U, 1);
}

int guest_copy_in(struct guest_view *view, ipa_t from, void *to, size_t len)
{
	uint64_t at = from.v;
	uint8_t *target = to;
	int ret = guest_check(view->vm, at, len);

	while (!ret && len > 0) {
		size_t step = len;
		uint8_t *where;

		ret = view_show(view, at, &step, &where);
		if (ret)
			break;
		view_sync(view, where, step);
		ret = copy_checked(target, where, step);
		view_sync(view, where, step);
		at += step;
		target += step;
		len -= step;
	}
	return ret;
}

int guest_copy_out(struct guest_view *view, ipa_t to, const void *from, size_t len)
{
	uint64_t at = to.v;
	const uint8_t *source = from;
	int ret = guest_check(view->vm, at, len);

	while (!ret && len > 0) {
		size_t step = len;
		uint8_t *where;

		ret = view_show(view, at, &step, &where);
		if (ret)
			break;
		view_sync_ends(view, where, step);
		ret = copy_checked(where, source, step);
		view_sync(view, where, step);
		at += step;
		source += step;
		len -= step;
	}
	return ret;
}

/* Block by block of the sender's, which guest_copy_out() cuts at the receiver's. */
int guest_copy_across(struct guest_view *to_view, ipa_t to, struct guest_view *from_view, ipa_t from, size_t len)
{
	int ret = guest_check(from_view->vm, from.v, len);

	if (!ret)
		ret = guest_check(to_view->vm, to.v, len);
	while (!ret && len > 0) {
		size_t step = len;
		uint8_t *where;

		ret = view_show(from_view, from.v, &step, &where);
		if (ret)
			break;
		view_sync(from_view, where, step);
		ret = guest_copy_out(to_view, to, where, step);
		view_sync(from_view, where, step);
		from = ipa_add(from, step);
		to = ipa_add(to, step);
		len -= step;
	}
	return ret;
}

int guest_read(struct vm *vm, ipa_t from, void *to, size_t len)
{
	struct guest_view *view;
	int ret;

	view = guest_view_open(vm, HYP_WINDOW_VIEW);
	ret = guest_copy_in(view, from, to, len);
	guest_view_close(view);
	return ret;
}

int guest_load(struct vm *vm, ipa_t to, const void *from, size_t len)
{
	const uint8_t *source = from;
	int ret = guest_check(vm, to.v, len);

	while (!ret && len > 0) {
		size_t step = MIN(len, (size_t)(LOAD_STEP - to.v % LOAD_STEP));
		struct guest_view *view;

		sched_preempt();
		vm_touch_in_turns(vm, to); /* what comes of it, the copy finds out */
		view = guest_view_open(vm, HYP_WINDOW_VIEW);
		view->uncached = true; /* as the guest starts, whatever its vCPUs did before */
		ret = guest_copy_out(view, to, source, step);
		guest_view_close(view);
		to = ipa_add(to, step);
		source += step;
		len -= step;
	}
	cache_invalidate_icache();
	return ret;
}
