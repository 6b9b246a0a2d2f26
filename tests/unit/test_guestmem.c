/* SPDX-License-Identifier: BSD-2-Clause */
/* Copies into and out of a guest's RAM: bounds, block by block, and nothing of it in a data cache afterwards. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arm/sysreg.h>

#include "fake_machine.h"
#include "hyp/vm/guestmem.h"
#include "hyp/lib/bits.h"
#include "hyp/host/gic.h"
#include "hyp/run/irq.h"
#include "hyp/run/sched.h"
#include "hyp/vm/vm.h"
#include "mm/badpage.h"
#include "mm/cache.h"
#include "mm/hypmap.h"

#define BASE ((uint64_t)MACHINE_RAM_BASE)
#define RAM  (2U * BLOCK_SIZE)

static struct vcpu vcpu = {.power = VCPU_ON};
static struct vm vm = {.config = {.ram_size = RAM}, .s2 = {.generation = 1}, .vcpu_count = 1, .vcpu = {&vcpu}};
struct percpu percpu[CPU_MAX];
static uint8_t ram[RAM], buffer[RAM];
static uint8_t cached[RAM / 64U]; /* a line of the guest's that HYP's accesses may have left in a data cache */
static uint32_t windows, opened, touches, lookups, preempted, synced;

void sched_preempt(void)
{
	assert_int_equal(windows, 0);
	preempted++;
}

static bool fresh[RAM / BLOCK_SIZE]; /* blocks that have not been touched */
static uint64_t table;               /* HYP_WINDOW_TABLE: blocks are shown by tables */
static struct bad_page bad_page;     /* the only one; 0: none */

uint32_t badpage_count(void)
{
	return bad_page.pa != 0;
}

struct bad_page *badpage_next(pa_t base, uint64_t size, uint32_t *next)
{
	return (*next)++ == 0 && bad_page.pa && bad_page.pa - base.v < size ? &bad_page : NULL;
}

/* The second block lies before the first. */
bool s2_lookup(const struct s2 *s2, ipa_t at, pa_t *out)
{
	assert_true(s2 && at.v - BASE < RAM);
	lookups++;
	*out = pa((RAM - BLOCK_SIZE - (at.v - BASE)) | table);
	return !fresh[(at.v - BASE) / BLOCK_SIZE];
}

bool s2_show(const struct s2 *s2, ipa_t at, pa_t *show)
{
	return s2_lookup(s2, at, show);
}

int vm_touch(struct vm *v, ipa_t at)
{
	(void)v;
	touches++;
	if (at.v - BASE < RAM)
		fresh[(at.v - BASE) / BLOCK_SIZE] = false;
	return at.v - BASE < RAM ? 0 : -EFAULT;
}

static uint32_t turns; /* of blocks that were fresh */

int vm_touch_in_turns(struct vm *v, ipa_t at)
{
	assert_false(v->s2.lock.held);
	turns += at.v - BASE < RAM && fresh[(at.v - BASE) / BLOCK_SIZE];
	fresh[(at.v - BASE) / BLOCK_SIZE] = false;
	return 0;
}

static int part_result; /* of a step of a block that is not touched by it */

int vm_touch_part(struct vm *v, ipa_t at)
{
	return part_result ? part_result : vm_touch(v, at);
}

bool vm_ram_pa(const struct vm *v, ipa_t at, pa_t *out)
{
	(void)v;
	*out = pa(RAM - BLOCK_SIZE - (at.v - BASE));
	return true;
}

/* What each window shows, if it is open. */
static uint64_t shows[HYP_WINDOWS];

uint8_t *hyp_window_show(enum hyp_window window, pa_t address)
{
	if (!(windows & BIT(window)) || shows[window] != address.v)
		opened++;
	windows |= BIT(window);
	shows[window] = address.v;
	return ram + address.v;
}

void hyp_window_close_at(enum hyp_window window)
{
	windows &= ~BIT(window);
}

static irq_fn on_sgi;
static uint32_t sgis;

void irq_register(uint32_t id, irq_fn fn, void *arg)
{
	(void)arg;
	assert_int_equal(id, GIC_SGI_VIEWS);
	on_sgi = fn;
}

void gic_send_sgi(uint32_t cpu, uint32_t sgi)
{
	assert_int_equal(sgi, GIC_SGI_VIEWS);
	sgis |= BIT(cpu);
}

void cache_clean_invalidate(const void *start, size_t len)
{
	size_t at = (size_t)((const uint8_t *)start - ram);

	assert_true(windows);
	synced += (uint32_t)len;
	for (size_t i = at / 64U; i <= (at + len - 1U) / 64U; i++)
		cached[i] = 0;
}

void cache_invalidate_icache(void)
{
}

/* What the test is about to copy. */
static void mark(uint64_t at, size_t len)
{
	for (uint64_t i = at; i < at + len; i++)
		cached[(i ^ BLOCK_SIZE) % RAM / 64U] = 1;
}

static void expect_nothing_cached(void)
{
	for (size_t i = 0; i < sizeof(cached); i++)
		assert_int_equal(cached[i], 0);
}

static void caches(bool on)
{
	fake_machine_reset();
	fake_write(SYSREG_htpidr, (uintptr_t)&percpu[0]);
	vm.uncached = !on;
	percpu[0].loaded = NULL;
}

/* Over the border of two blocks, unaligned at both ends. */
static void test_copies(void **state)
{
	const uint64_t at = BLOCK_SIZE - KIB(100) - 7U;
	const size_t len = KIB(300) + 11U;
	static uint8_t back[KIB(300) + 11U];

	(void)state;
	caches(false);
	for (size_t i = 0; i < len; i++)
		buffer[i] = (uint8_t)(i * 7U);
	mark(at, len);
	assert_int_equal(guest_load(&vm, ipa(BASE + at), buffer, len), 0);
	expect_nothing_cached();
	assert_true(preempted >= 5);
	assert_int_equal(ram[BLOCK_SIZE + at], buffer[0]);
	assert_int_equal(ram[0], buffer[BLOCK_SIZE - at]);
	mark(at, len);
	preempted = 0;
	assert_int_equal(guest_read(&vm, ipa(BASE + at), back, len), 0);
	expect_nothing_cached();
	assert_memory_equal(back, buffer, len);
	assert_int_equal(preempted, 0); /* in an exit: no other thread runs */
	assert_int_equal(windows, 0);
}

/* Not a byte moves, nor is a block touched. */
static void test_bounds(void **state)
{
	static const struct {
		uint64_t at;
		size_t len;
	} bad[] = {{BASE - 1U, 2}, {BASE + RAM - 1U, 2}, {BASE + RAM, 1}, {BASE, RAM + 1U}, {UINT64_MAX, 1}, {0, 1}};

	(void)state;
	caches(false);
	touches = 0;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(guest_read(&vm, ipa(bad[i].at), buffer, bad[i].len), -EFAULT);
		assert_int_equal(guest_load(&vm, ipa(bad[i].at), buffer, bad[i].len), -EFAULT);
	}
	assert_int_equal(touches, 0);
	assert_int_equal(guest_read(&vm, ipa(BASE + RAM), buffer, 0), 0);
	assert_int_equal(guest_read(&vm, ipa(BASE + RAM - 1U), buffer, 1), 0);
}

/* Work in steps touches a block in each, and then copies; what is no RAM is the copy's to refuse. */
static void test_present(void **state)
{
	const struct guest_piece piece[] = {
		{ipa(BASE + BLOCK_SIZE), 1}, {ipa(0), 0}, {ipa(BASE + BLOCK_SIZE - 1U), 10}, {ipa(0), 7}};
	struct guest_cursor cursor;
	struct guest_view *view;
	uint32_t pieces;

	(void)state;
	caches(true);
	view = guest_view_open(&vm, HYP_WINDOW_VIEW);
	assert_int_equal(guest_cursor_init(&cursor, piece, 4), 0);
	fresh[0] = fresh[1] = true;
	touches = 0;
	part_result = -EAGAIN;
	pieces = 9;
	assert_int_equal(guest_share(view, &cursor, 18, &pieces), 0);
	assert_false(guest_present(view, ipa(BASE), 8));
	part_result = -EIO;
	assert_true(guest_present(view, ipa(BASE), 8));
	part_result = 0;
	pieces = 9;
	assert_int_equal(guest_share(view, &cursor, 18, &pieces), 0);
	assert_int_equal(touches, 1);
	assert_true(fresh[0]);
	assert_int_equal(guest_share(view, &cursor, 1, &pieces), 1);
	assert_int_equal(guest_share(view, &cursor, 2, &pieces), 0);
	pieces = 9;
	assert_int_equal(guest_share(view, &cursor, 18, &pieces), 18);
	assert_int_equal(touches, 2);
	guest_view_close(view);
	fresh[0] = fresh[1] = true;
	assert_true(guest_present(view, ipa(BASE + RAM - 1U), 2));
	assert_true(guest_present(view, ipa(UINT64_MAX - 1U), 4));
	assert_true(guest_present(view, ipa(BASE), 0));
	assert_int_equal(touches, 2);
	fresh[0] = fresh[1] = false;
	/* Pieces without a byte are none. */
	pieces = 1;
	assert_int_equal(guest_share(view, &cursor, 18, &pieces), 1);
	assert_int_equal(pieces, 0);
	pieces = 2;
	assert_int_equal(guest_share(view, &cursor, 18, &pieces), 11);
	pieces = 9;
	assert_int_equal(guest_share(view, &cursor, 18, &pieces), 18);
	assert_int_equal(pieces, 6);
	pieces = 9;
	assert_int_equal(guest_share(view, &cursor, 1, &pieces), 1);
	assert_int_equal(pieces, 8);
	guest_view_close(view);
}

/* HYP looks past nothing where the guest does not: its caches are on, and no line has to go. */
static void test_coherent(void **state)
{
	struct guest_view *view;

	(void)state;
	caches(true);
	assert_false(guest_is_uncached(&vm));
	synced = 0;
	view = guest_view_open(&vm, HYP_WINDOW_VIEW);
	assert_int_equal(guest_copy_in(view, ipa(BASE), buffer, 1000), 0);
	assert_int_equal(guest_copy_out(view, ipa(BASE), buffer, 1000), 0);
	guest_view_close(view);
	assert_int_equal(synced, 0);
	/* One that has not turned them on is enough; the one that asks is seen itself. */
	vm.uncached = 2;
	assert_true(guest_is_uncached(&vm));
	caches(true);
	vcpu.vm = &vm;
	percpu[0].loaded = &vcpu;
	write_sctlr(SCTLR_M);
	assert_true(guest_is_uncached(&vm));
	write_sctlr(SCTLR_M | SCTLR_C);
	assert_false(guest_is_uncached(&vm));
	caches(false);
}

/* The windows stay where they are as long as two blocks serve, and two views do not meet. */
static void test_views(void **state)
{
	static struct vm other = {.config = {.ram_size = RAM}, .s2 = {.generation = 100}};
	struct guest_view *view, *to;

	(void)state;
	caches(true);
	opened = windows = 0;
	vm.s2.generation = 50;
	view = guest_view_open(&vm, HYP_WINDOW_VIEW);
	to = guest_view_open(&other, HYP_WINDOW_VIEW_2);
	assert_int_equal(windows, 0);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(guest_copy_in(view, ipa(BASE + 100U * i), buffer, 100), 0);
	assert_int_equal(opened, 1);
	assert_int_equal(guest_copy_in(view, ipa(BASE + BLOCK_SIZE - 1U), buffer, 2), 0);
	assert_int_equal(opened, 2);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(guest_copy_in(view, ipa(BASE + i % 2U * BLOCK_SIZE), buffer, 100), 0);
	assert_int_equal(opened, 2);
	for (size_t i = 0; i < RAM; i++)
		ram[i] = (uint8_t)(i * 13U);
	assert_int_equal(guest_copy_across(to, ipa(BASE + BLOCK_SIZE - 3U), view, ipa(BASE + 5U), 1000), 0);
	assert_memory_equal(ram + RAM - 3U, ram + BLOCK_SIZE + 5U, 3);
	assert_memory_equal(ram, ram + BLOCK_SIZE + 8U, 997);
	assert_int_equal(guest_copy_across(to, ipa(BASE + RAM - 999U), view, ipa(BASE), 1000), -EFAULT);
	assert_int_equal(guest_copy_across(to, ipa(BASE), view, ipa(BASE + RAM - 999U), 1000), -EFAULT);
	assert_int_equal(windows, 3U << HYP_WINDOW_VIEW | 3U << HYP_WINDOW_VIEW_2);
	guest_view_close(view);
	guest_view_close(to);
	guest_view_close(to); /* twice does no harm */
	caches(false);
}

/* The next view finds what the one before has left, unless a block was taken away meanwhile, or the VM is another. */
static void test_views_go_on(void **state)
{
	static struct vm other = {.config = {.ram_size = RAM}, .s2 = {.generation = 100}};
	const uint64_t at[] = {BASE, BASE + BLOCK_SIZE};
	struct guest_view *view;

	(void)state;
	caches(true);
	windows = 0;
	vm.s2.generation = 60;
	for (uint32_t i = 0; i < 10; i++) {
		if (i == 4) /* both are cleared, and one is touched again */
			vm.s2.generation = 200;
		if (i == 5)
			fresh[1] = true;
		view = guest_view_open(i == 7 ? &other : &vm, HYP_WINDOW_VIEW);
		opened = touches = lookups = 0;
		for (uint32_t j = 0; j < 2; j++) {
			assert_int_equal(guest_copy_out(view, ipa(at[j]), &i, sizeof(i)), 0);
			assert_int_equal(ram[BLOCK_SIZE - BLOCK_SIZE * j], i);
		}
		assert_int_equal(opened, i == 0 ? 2 : 0); /* the host's RAM is the same all the time */
		assert_int_equal(lookups, i == 0 || i == 4 || i == 7 || i == 8 ? 2 : 0);
		assert_int_equal(touches, 0);
		guest_view_close(view);
		fresh[1] = false;
	}
	/* A block that was taken away while it was in sight is not what the next view begins with. */
	view = guest_view_open(&vm, HYP_WINDOW_VIEW);
	assert_int_equal(guest_copy_in(view, ipa(BASE), buffer, 1), 0);
	vm.s2.generation = 300;
	guest_view_close(view);
	view = guest_view_open(&vm, HYP_WINDOW_VIEW);
	lookups = 0;
	assert_int_equal(guest_copy_in(view, ipa(BASE), buffer, 1), 0);
	assert_int_equal(lookups, 1);
	guest_view_close(view);
	/* A guest that looks past the caches leaves nothing in sight. */
	caches(false);
	view = guest_view_open(&vm, HYP_WINDOW_VIEW);
	assert_int_equal(guest_copy_in(view, ipa(BASE), buffer, 1), 0);
	guest_view_close(view);
	assert_int_equal(windows, 0);
	caches(false);
}

/* The short way to a block that is shown is for bytes of that block alone. */
/* A page has become bad: every CPU that is there, this one too, shows nothing any more, and knows it. */
static void test_forget(void **state)
{
	struct guest_view *view;
	uint8_t byte;

	(void)state;
	caches(true);
	percpu[0].online = percpu[3].online = true;
	guest_views_init_cpu();
	guest_views_forget();
	assert_int_equal(sgis, BIT(0) | BIT(3));
	view = guest_view_open(&vm, HYP_WINDOW_VIEW);
	assert_int_equal(guest_copy_in(view, ipa(BASE), &byte, 1), 0);
	guest_view_close(view);
	assert_int_not_equal(windows, 0);
	assert_true(on_sgi(GIC_SGI_VIEWS, NULL));
	assert_int_equal(windows, 0);
	view = guest_view_open(&vm, HYP_WINDOW_VIEW);
	assert_int_equal(view->shown[0].block, GUEST_NO_BLOCK);
	guest_view_close(view);
}

static void test_shown(void **state)
{
	const uint64_t block = BASE + RAM - BLOCK_SIZE;
	const uint64_t far[] = {block + (UINT64_C(1) << 32),
				block + (UINT64_C(1) << 53),
				block + (UINT64_C(1) << 63),
				BASE + RAM,
				BASE - 1U,
				0,
				UINT64_MAX - 3U};
	struct guest_piece piece = {ipa(block), 8};
	struct guest_cursor cursor;
	struct guest_view *view;
	const uint8_t *at;

	(void)state;
	caches(true);
	view = guest_view_open(&vm, HYP_WINDOW_VIEW);
	assert_int_equal(guest_cursor_init(&cursor, &piece, 1), 0);
	assert_int_equal(guest_gather(view, &cursor, buffer, 4), 0); /* shows the last block */
	assert_int_equal(guest_gather(view, &cursor, buffer, 4), 0);
	for (size_t i = 0; i < ARRAY_SIZE(far); i++) {
		piece.at = ipa(far[i]);
		assert_int_equal(guest_cursor_init(&cursor, &piece, 1), 0);
		assert_int_equal(guest_gather(view, &cursor, buffer, 4), -EFAULT);
		assert_int_equal(guest_cursor_init(&cursor, &piece, 1), 0);
		assert_int_equal(guest_scatter(view, &cursor, buffer, 4), -EFAULT);
	}
	/* Over the end of the block, which is the end of RAM. */
	piece.at = ipa(BASE + RAM - 4U);
	assert_int_equal(guest_cursor_init(&cursor, &piece, 1), 0);
	assert_int_equal(guest_scatter(view, &cursor, buffer, 5), -EFAULT);
	assert_int_equal(guest_cursor_init(&cursor, &piece, 1), 0);
	assert_int_equal(guest_scatter(view, &cursor, buffer, 4), 0);
	/* What lies in one piece of what is shown is found by one look. */
	piece.at = ipa(BASE + RAM - 8U);
	assert_int_equal(guest_cursor_init(&cursor, &piece, 1), 0);
	assert_null(guest_take_shown(view, &cursor, 0));
	assert_null(guest_take_shown(view, &cursor, 9));
	assert_int_equal(guest_copy_in(view, ipa(BASE + RAM - 8U), buffer, 8), 0);
	at = guest_take_shown(view, &cursor, 3);
	assert_memory_equal(at, buffer, 3);
	assert_ptr_equal(guest_take_shown(view, &cursor, 5), at + 3);
	assert_int_equal(cursor.left, 0);
	assert_null(guest_take_shown(view, &cursor, 1));
	/* A block that is shown already is no short cut for a guest that looks past the caches. */
	synced = 0;
	view->uncached = true;
	assert_int_equal(guest_cursor_init(&cursor, &piece, 1), 0);
	assert_null(guest_take_shown(view, &cursor, 1));
	assert_int_equal(cursor.left, 8);
	piece.at = ipa(BASE + RAM - 8U);
	assert_int_equal(guest_cursor_init(&cursor, &piece, 1), 0);
	assert_int_equal(guest_gather(view, &cursor, buffer, 8), 0);
	assert_true(synced > 0);
	guest_view_close(view);
	caches(false);
}

/* Pieces of any size, empty ones too, over the border of two blocks. */
static void test_lists(void **state)
{
	struct guest_piece piece[] = {{ipa(BASE + 1U), 0},  {ipa(BASE + BLOCK_SIZE - 2U), 5}, {ipa(BASE + 9U), 1},
				      {ipa(BASE + 99U), 0}, {ipa(BASE + 64U), 100},           {ipa(BASE), 0}};
	struct guest_piece huge[] = {{ipa(BASE), UINT32_MAX}, {ipa(BASE), 1}};
	struct guest_piece bad[] = {{ipa(BASE), 4}, {ipa(BASE + RAM - 1U), 2}};
	struct guest_cursor in, out;
	struct guest_view *view, *other;

	(void)state;
	assert_int_equal(guest_cursor_init(&in, huge, 2), -EMSGSIZE);
	assert_int_equal(guest_cursor_init(&in, piece, ARRAY_SIZE(piece)), 0);
	assert_int_equal(in.left, 106);
	out = in;
	view = guest_view_open(&vm, HYP_WINDOW_VIEW);
	for (uint32_t i = 0; i < 106; i++)
		buffer[i] = (uint8_t)(i + 1U);
	assert_int_equal(guest_scatter(view, &out, buffer, 107), -ENODATA);
	assert_int_equal(out.left, 106);
	assert_int_equal(guest_scatter(view, &out, buffer, 3), 0);
	assert_int_equal(guest_scatter(view, &out, buffer + 3, 103), 0);
	assert_int_equal(out.left, 0);
	assert_int_equal(ram[RAM - 2U], 1); /* the end of the first block, which lies second */
	assert_int_equal(ram[2], 5);        /* and the start of the second */
	assert_int_equal(ram[BLOCK_SIZE + 9U], 6);
	assert_int_equal(ram[BLOCK_SIZE + 64U], 7);
	memset(buffer, 0, 200);
	for (uint32_t i = 0; i < 106; i++)
		assert_int_equal(guest_gather(view, &in, buffer + i, 1), 0);
	for (uint32_t i = 0; i < 106; i++)
		assert_int_equal(buffer[i], i + 1U);
	assert_int_equal(guest_gather(view, &in, buffer, 1), -ENODATA);
	assert_int_equal(guest_gather(view, &in, buffer, 0), 0);
	assert_int_equal(guest_cursor_init(&in, piece, ARRAY_SIZE(piece)), 0);
	guest_skip(&in, 7);
	assert_int_equal(in.left, 99);
	assert_int_equal(guest_gather(view, &in, buffer, 1), 0);
	assert_int_equal(buffer[0], 8);
	assert_int_equal(guest_cursor_init(&in, bad, 2), 0);
	assert_int_equal(guest_gather(view, &in, buffer, 6), -EFAULT);
	other = guest_view_open(&vm, HYP_WINDOW_VIEW_2);
	assert_int_equal(guest_cursor_init(&in, piece, ARRAY_SIZE(piece)), 0);
	assert_int_equal(guest_cursor_init(&out, &(struct guest_piece){ipa(BASE + KIB(64)), 106}, 1), 0);
	assert_int_equal(guest_forward(other, &out, view, &in, 106), 0);
	for (uint32_t i = 0; i < 106; i++)
		assert_int_equal(ram[BLOCK_SIZE + KIB(64) + i], i + 1U);
	assert_int_equal(guest_forward(other, &out, view, &in, 1), -ENODATA);
	guest_view_close(view);
	guest_view_close(other);
}

static uint32_t places, mapped, map_fails_at;

uint32_t hyp_ring_reserve(void)
{
	places++;
	return map_fails_at == UINT32_MAX ? 0 : LAYOUT_RINGS;
}

void hyp_ring_release(uint32_t va)
{
	assert_int_equal(va, LAYOUT_RINGS);
	places--;
}

int hyp_map(uint32_t va, pa_t base, size_t size, enum hyp_mem kind)
{
	assert_true(vm.s2.lock.held); /* or the page may be taken away between the look and this */
	assert_int_equal(size, PAGE_SIZE);
	assert_int_equal(kind, HYP_MEM_RW);
	assert_int_equal(base.v % PAGE_SIZE, 0);
	if (va - LAYOUT_RINGS == map_fails_at * PAGE_SIZE)
		return -ENOMEM;
	mapped |= BIT((va - LAYOUT_RINGS) / PAGE_SIZE);
	return 0;
}

void hyp_unmap_page(uint32_t va)
{
	assert_true(mapped & BIT((va - LAYOUT_RINGS) / PAGE_SIZE));
	mapped &= ~BIT((va - LAYOUT_RINGS) / PAGE_SIZE);
}

static void test_rings(void **state)
{
	struct guest_map map;

	(void)state;
	map_fails_at = 4;
	assert_int_equal(guest_map_ring(&vm, ipa(BASE + BLOCK_SIZE - 8U), 4096, &map), 0);
	assert_int_equal((uintptr_t)map.at, LAYOUT_RINGS + PAGE_SIZE - 8U);
	assert_int_equal(mapped, 3);
	guest_unmap_ring(&map);
	assert_int_equal(mapped, 0);
	assert_int_equal(places, 0);
	fresh[0] = fresh[1] = true;
	assert_int_equal(guest_map_ring(&vm, ipa(BASE + BLOCK_SIZE - 8U), 4096, &map), -EIO);
	turns = 0;
	guest_touch_ring(&vm, ipa(BASE + RAM - 4U), 8);
	guest_touch_ring(&vm, ipa(BASE), HYP_RING_PAGES * PAGE_SIZE + 1U);
	assert_int_equal(turns, 0);
	guest_touch_ring(&vm, ipa(BASE + BLOCK_SIZE - 8U), 4096);
	assert_int_equal(turns, 2);
	assert_int_equal(guest_map_ring(&vm, ipa(BASE + BLOCK_SIZE - 8U), 4096, &map), 0);
	guest_unmap_ring(&map);
	assert_int_equal(guest_map_ring(&vm, ipa(BASE), 4U * PAGE_SIZE, &map), 0);
	assert_int_equal(mapped, 15);
	guest_unmap_ring(&map);
	assert_int_equal(guest_map_ring(&vm, ipa(BASE + 1U), 4U * PAGE_SIZE, &map), -ENOSPC);
	assert_int_equal(guest_map_ring(&vm, ipa(BASE + RAM - 4U), 8, &map), -EFAULT);
	assert_int_equal(guest_map_ring(&vm, ipa(BASE - 4U), 8, &map), -EFAULT);
	assert_int_equal(guest_map_ring(&vm, ipa(UINT64_MAX - 3U), 8, &map), -EFAULT);
	map_fails_at = 2;
	assert_int_equal(guest_map_ring(&vm, ipa(BASE), 4U * PAGE_SIZE, &map), -ENOMEM);
	assert_int_equal(mapped, 0);
	assert_int_equal(places, 0);
	map_fails_at = UINT32_MAX;
	assert_int_equal(guest_map_ring(&vm, ipa(BASE), 8, &map), -ENOSPC);
}

static struct guest_view *place_view;

static void expect_place(uint64_t at, uint32_t len, uint32_t found, uint64_t where)
{
	pa_t place = pa(1);

	assert_int_equal(guest_place(place_view, ipa(at), len, &place), found);
	assert_true(!found || place.v == where);
}

/* Where a device of the host's finds the guest's RAM: whole blocks that have been touched, and nothing else. */
static void test_place(void **state)
{
	struct guest_piece piece[] = {{ipa(BASE + 1U), 0}, {ipa(BASE + BLOCK_SIZE - 2U), 5}, {ipa(BASE + 9U), 1}};
	struct guest_cursor cursor;
	pa_t place;

	(void)state;
	caches(true);
	fresh[0] = fresh[1] = false;
	vm.s2.generation++;
	place_view = guest_view_open(&vm, HYP_WINDOW_VIEW);
	assert_false(guest_is_placed(place_view, ipa(BASE), 1, &place));
	expect_place(BASE, 4096, 4096, BLOCK_SIZE);
	lookups = 0;
	assert_true(guest_is_placed(place_view, ipa(BASE + 8U), BLOCK_SIZE - 8U, &place));
	assert_int_equal(place.v, BLOCK_SIZE + 8U);
	assert_false(guest_is_placed(place_view, ipa(BASE + 8U), BLOCK_SIZE - 7U, &place));
	expect_place(BASE + BLOCK_SIZE - 1U, 4096, 1, 2U * BLOCK_SIZE - 1U);
	assert_int_equal(lookups, 0); /* the last one is known */
	expect_place(BASE + RAM - 1U, 2, 1, BLOCK_SIZE - 1U);
	expect_place(BASE + RAM, 1, 0, 0);
	expect_place(BASE - 1U, 1, 0, 0);
	expect_place(BASE + BIT64(32), 1, 0, 0);
	expect_place(BIT64(ADDR_BITS) + BASE, 1, 0, 0);
	expect_place(UINT64_MAX, UINT32_MAX, 0, 0);
	assert_int_equal(guest_cursor_init(&cursor, piece, ARRAY_SIZE(piece)), 0);
	assert_int_equal(guest_take_place(place_view, &cursor, 6, &place), 2);
	assert_int_equal(guest_take_place(place_view, &cursor, 4, &place), 3);
	assert_int_equal(place.v, 0);
	assert_int_equal(guest_take_place(place_view, &cursor, 1, &place), 1);
	assert_int_equal(place.v, BLOCK_SIZE + 9U);
	assert_int_equal(cursor.left, 0);
	bad_page.pa = BLOCK_SIZE + PAGE_SIZE;
	expect_place(BASE, 8, 0, 0);
	expect_place(BASE + BLOCK_SIZE, 8, 8, 0);
	bad_page.pa = 0;
	fresh[0] = true;
	vm.s2.generation++;
	guest_view_close(place_view);
	place_view = guest_view_open(&vm, HYP_WINDOW_VIEW);
	assert_false(guest_is_placed(place_view, ipa(BASE + BLOCK_SIZE), 1, &place)); /* it may be another one by now */
	expect_place(BASE, 8, 0, 0);
	fresh[0] = false;
	table = HYP_WINDOW_TABLE;
	expect_place(BASE, 8, 0, 0);
	table = 0;
	expect_place(BASE, 8, 8, BLOCK_SIZE);
	place_view->uncached = true;
	expect_place(BASE, 8, 0, 0);
	guest_view_close(place_view);
}

/* Memory that aborts: an error, the window closed, the rest of the range left alone. */
static void test_abort(void **state)
{
	(void)state;
	caches(false);
	fake_machine.bad = ram + 100;
	fake_machine.bad_size = 1;
	memset(ram, 0x11, RAM);
	memset(buffer, 0x22, RAM);
	assert_int_equal(guest_read(&vm, ipa(BASE + BLOCK_SIZE), buffer, 200), -EIO);
	assert_int_equal(guest_load(&vm, ipa(BASE + BLOCK_SIZE), buffer, KIB(128)), -EIO);
	assert_int_equal(windows, 0);
	assert_int_equal(ram[KIB(64)], 0x11);
	assert_int_equal(guest_read(&vm, ipa(BASE + BLOCK_SIZE + 101U), buffer, 200), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies),      cmocka_unit_test(test_bounds),   cmocka_unit_test(test_present),
		cmocka_unit_test(test_abort),       cmocka_unit_test(test_coherent), cmocka_unit_test(test_views),
		cmocka_unit_test(test_views_go_on), cmocka_unit_test(test_shown),    cmocka_unit_test(test_forget),
		cmocka_unit_test(test_lists),       cmocka_unit_test(test_rings),    cmocka_unit_test(test_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
