/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Putting VMs together and taking them apart (hyp/vm/assemble.c, and the table of VMs and their RAM in hyp/vm/vm.c)
 * over counted resources: heap pages, RAM, VMIDs, stacks, console, places. Each is refused in turn, and nothing is
 * left.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "coproc/errata.h"
#include "coproc/model.h"
#include "fake_log.h"
#include "fake_machine.h"
#include "fake_page.h"
#include "fit.h"
#include "hyp/console/console.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/option.h"
#include "hyp/run/place.h"
#include "hyp/run/sched.h"
#include "hyp/run/thread.h"
#include "hyp/vdev/device.h"
#include "hyp/vm/assemble.h"
#include "hyp/vm/leaveout.h"
#include "hyp/vm/guestmem.h"
#include "hyp/vm/vm.h"
#include "hyp/vm/vmctl.h"
#include "hyp/vm/watchdog.h"
#include "mm/cache.h"
#include "mm/badpage.h"
#include "mm/hypmap.h"
#include "mm/page.h"
#include "mm/ram.h"
#include "mm/zero.h"
#include "vgic/vgic.h"
#include "vtimer/vtimer.h"

#define RAM_FREE MIB(64)
#define GICV     0x8040000U

struct percpu percpu[CPU_MAX];
struct options options;

static struct {
	uint64_t ram; /* taken */
	int vmids, stacks, consoles, places, watchdogs, devices, vcpu_timers, ended;
	struct vm *quiet; /* vgic_end() has seen it */
	int steps_left;   /* until a step that is no page is refused; < 0: none is */
	uint32_t pieces;  /* RAM comes in so many */
	uint32_t cpus;    /* that are free */
	int end_result;
	uint64_t reserved_at;
	int direct_tries; /* of ram_take_in(), before it finds something */
} now;

struct ram_use ram_use;

/* Is this step the one that fails? */
static bool refused(void)
{
	return now.steps_left >= 0 && now.steps_left-- == 0;
}

uint64_t ram_take_unused(uint64_t size, pa_t *base)
{
	uint64_t piece = MIN(size, RAM_FREE / (now.pieces ? now.pieces : 1U));

	piece = MIN(piece, RAM_FREE - now.ram);
	if (piece == 0 || refused())
		return 0;
	*base = pa(0x80000000U + now.ram);
	now.ram += piece;
	return piece;
}

bool ram_begin_use(pa_t block)
{
	(void)block;
	return false;
}

void ram_set_zero(pa_t block)
{
	assert_true(block.v > 0);
}

bool zero_will_stay(pa_t block)
{
	return block.v > 0;
}

bool zero_is_written(void)
{
	return true;
}

void guest_views_forget(void)
{
}

bool ram_take_in(uint64_t size, uint64_t align, uint64_t from, uint64_t to, pa_t *base)
{
	assert_true(to <= BIT64(32) && from >= 0x10000000U && align >= BLOCK_SIZE);
	if (now.direct_tries-- > 0 || size > RAM_FREE - now.ram)
		return false;
	*base = pa(align_up(from, align) + 4U * align);
	now.ram += size;
	return true;
}

void ram_release(pa_t base, uint64_t size)
{
	(void)base;
	assert_true(now.ram >= size);
	now.ram -= size;
}

uint64_t ram_available(void)
{
	return RAM_FREE - now.ram;
}

int s2_init(struct s2 *s2)
{
	if (refused())
		return -ENOSPC;
	s2->root = page_alloc(1);
	if (!s2->root)
		return -ENOMEM;
	now.vmids++;
	return 0;
}

void s2_destroy(struct s2 *s2)
{
	assert_ptr_equal(now.quiet, container_of(s2, struct vm, s2));
	page_free(s2->root, 1);
	s2->root = NULL;
	now.vmids--;
}

int s2_reserve(struct s2 *s2, ipa_t at, uint64_t size)
{
	(void)s2, (void)size;
	now.reserved_at = at.v;
	return refused() ? -ENOMEM : 0;
}

bool s2_next_dirty(const struct s2 *s2, ipa_t *at, pa_t *to)
{
	(void)at, (void)to;
	assert_non_null(s2->root);
	return false;
}

void s2_forget(struct s2 *s2)
{
	assert_non_null(s2->root);
}

bool s2_lookup(const struct s2 *s2, ipa_t at, pa_t *out)
{
	(void)s2, (void)at, (void)out;
	return false;
}

bool s2_show(const struct s2 *s2, ipa_t at, pa_t *show)
{
	(void)s2, (void)at, (void)show;
	return false;
}

bool s2_is_hole(const struct s2 *s2, ipa_t at, bool *async)
{
	(void)s2, (void)at, (void)async;
	return false;
}

int s2_prepare(struct s2 *s2, ipa_t at, pa_t to, pa_t *show)
{
	(void)s2, (void)at, (void)to, (void)show;
	return 0;
}

struct bad_page *badpage_next(pa_t base, uint64_t size, uint32_t *next)
{
	(void)base, (void)size, (void)next;
	return NULL;
}

int badpage_replace(struct bad_page *bad)
{
	(void)bad;
	return -ENOMEM;
}

void badpage_give_back(pa_t base, uint64_t size)
{
	(void)base, (void)size;
}

int leaveout_silent(struct vm *vm, ipa_t block, pa_t to)
{
	(void)vm, (void)block, (void)to;
	return -EIO;
}

int s2_map_block(struct s2 *s2, ipa_t at, pa_t to)
{
	(void)s2, (void)at, (void)to;
	return 0;
}

static uint32_t quarantined; /* parts of 128 KiB that are to be zeroed when they come out of quarantine */

/* No VM of this test touches its RAM. */
uint8_t *hyp_window_open_at(enum hyp_window window, pa_t address)
{
	(void)window, (void)address;
	assert_int_not_equal(quarantined--, 0);
	return NULL;
}

void hyp_window_close_at(enum hyp_window window)
{
	(void)window;
}

int cache_scrub_block(void *block)
{
	(void)block;
	return 0;
}

int cache_scrub(void *start, size_t len)
{
	(void)start, (void)len;
	return 0;
}

void thread_start(void);
void thread_start(void)
{
}

void *thread_make_stack(struct thread *thread, size_t room, void (*entry)(void))
{
	assert_int_equal(room, sizeof(struct regs));
	assert_ptr_equal(entry, thread_start);
	thread->stack = page_alloc(0);
	now.stacks += thread->stack != NULL;
	return thread->stack;
}

void thread_free_stack(struct thread *thread)
{
	now.stacks -= thread->stack != NULL;
	page_free(thread->stack, 0);
}

static struct cpu_model model = {.name = "test"};

const struct cpu_model *model_find(const struct vm_config *cfg)
{
	if (!refused())
		return &model;
	log_err("vm %s: cpu-model", cfg->name);
	return NULL;
}

void model_apply(struct vm *vm, const struct cpu_model *of)
{
	struct vcpu *v;

	assert_ptr_equal(of, &model);
	vm_for_each_vcpu(v, vm)
		v->model_cpus = 0xff;
}

void errata_apply(struct vm *vm)
{
	assert_int_equal(vm->vcpu_count, vm->config.cpus);
}

void vgic_map_hw(struct vcpu *vcpu, uint32_t id, bool (*line)(void))
{
	(void)vcpu, (void)line;
	assert_int_equal(id, MACHINE_PPI_TIMER_VIRT);
}

bool vtimer_virt_line(void)
{
	return false;
}

void vtimer_init_vcpu(struct vcpu *vcpu)
{
	(void)vcpu;
}

void vtimer_end_vcpu(struct vcpu *vcpu)
{
	(void)vcpu;
	now.vcpu_timers++;
}

int vgic_create(struct vm *vm, uint64_t gicv)
{
	(void)vm;
	assert_int_equal(gicv, GICV);
	return refused() ? -ENOMEM : 0;
}

/* Its timer is quiet for good when no device is left. */
void vgic_end(struct vm *vm)
{
	assert_null(vm->devices);
	now.quiet = vm;
}

void console_attach(struct console_stream *stream)
{
	assert_non_null(stream->log);
	assert_non_null(stream->vm);
	now.consoles++;
}

void console_detach(struct console_stream *stream)
{
	assert_non_null(stream->log);
	now.consoles--;
}

uint32_t place_usable(uint32_t affinity)
{
	return affinity & 0xffU;
}

int sched_attach(struct thread *thread, uint32_t affinity, bool dedicated)
{
	(void)affinity, (void)dedicated;
	if (now.cpus == 0)
		return -ENODEV;
	now.cpus--;
	now.places++;
	thread->cpu = &percpu[0];
	return 0;
}

void sched_preempt(void)
{
}

void watchdog_start(struct vm *vm)
{
	(void)vm;
	now.watchdogs++;
}

void watchdog_end(struct vm *vm)
{
	(void)vm;
	now.watchdogs -= now.watchdogs > 0;
}

void vmctl_break(struct vm *vm)
{
	vm->state = VM_BROKEN;
	vm_give_ram(vm);
}

/* The threads of vCPUs that have a place are gone when it returns. */
int vmctl_end(struct vm *vm)
{
	struct vcpu *v;

	if (now.end_result)
		return now.end_result;
	vm_for_each_vcpu(v, vm)
		if (v->thread.cpu) {
			now.places--;
			now.cpus++;
		}
	vm->state = VM_ENDING;
	now.ended++;
	return 0;
}

size_t page_available(void)
{
	return MIB(4);
}

/* One device of the VM, and one that wants a page of its own. */
struct greedy {
	struct device device;
	void *page;
};

static int greedy_create(struct device *device)
{
	struct greedy *g = container_of(device, struct greedy, device);

	g->page = page_alloc(0);
	if (!g->page || refused()) {
		page_free(g->page, 0);
		return -ENOMEM;
	}
	now.devices++;
	return 0;
}

static void greedy_destroy(struct device *device)
{
	page_free(container_of(device, struct greedy, device)->page, 0);
	now.devices--;
}

static const struct device_class greedy_class = {
	.name = "greedy",
	.size = sizeof(struct greedy),
	.saved = sizeof(struct greedy),
	.create = greedy_create,
	.destroy = greedy_destroy,
};
const struct device_class *const device_classes[] = {&greedy_class, &greedy_class, NULL};

static const struct bundle no_bundle;

static int setup(void **state)
{
	(void)state;
	memset(&now, 0, sizeof(now));
	now.steps_left = -1;
	now.cpus = 64;
	options.console_log = 16;
	fake_log_reset();
	vm_assemble_init(&no_bundle, GICV);
	return 0;
}

static struct vm_config config(const char *name, unsigned int cpus)
{
	struct vm_config cfg = {.cpus = cpus, .ram_size = MIB(16), .affinity = ~0U, .autostart = true, .priority = 4};

	strcpy(cfg.name, name);
	return cfg;
}

/* Nothing is in use by anybody. */
static void expect_nothing(void)
{
	assert_int_equal(fake_page_live(), 0);
	assert_int_equal(now.ram, 0);
	assert_int_equal(now.vmids, 0);
	assert_int_equal(now.stacks, 0);
	assert_int_equal(now.consoles, 0);
	assert_int_equal(now.places, 0);
	assert_int_equal(now.devices, 0);
	assert_int_equal(vm_count, 0);
	for (uint32_t i = 0; i < VM_MAX; i++)
		assert_null(vms[i]);
}

static struct vm *make(const char *name, unsigned int cpus)
{
	struct vm_config cfg = config(name, cpus);
	struct vm *vm = NULL;

	assert_int_equal(vm_assemble(&cfg, &vm), 0);
	assert_int_equal(vm_place(vm), 0);
	return vm;
}

static void test_whole_life(void **state)
{
	struct vm *vm = make("a", 3);

	(void)state;
	assert_string_equal(fake_log_last(LOG_INFO), "vm a: 3 vCPUs, 16 MiB");
	assert_ptr_equal(vms[0], vm);
	assert_int_equal(vm->state, VM_CREATED);
	assert_int_equal(now.ram, MIB(16));
	assert_int_equal(now.stacks, 3);
	assert_int_equal(now.places, 3);
	assert_int_equal(now.devices, 2);
	for (uint32_t i = 0; i < 3; i++) {
		assert_ptr_equal(vm->vcpu[i]->vm, vm);
		assert_ptr_equal(vm->vcpu[i]->bus, &vm->bus);
		assert_int_equal(vm->vcpu[i]->vmpidr, 0x80000000U | i);
		assert_int_equal(vm->vcpu[i]->thread.work, WORK_STOP);
	}
	assert_int_equal(vm_destroy(vm), 0);
	assert_string_equal(fake_log_last(LOG_INFO), "vm a: destroyed");
	assert_int_equal(now.vcpu_timers, 3);
	assert_int_equal(now.watchdogs, 0);
	expect_nothing();
}

/* The heap ends, or a step says no, at each one in turn: one line, and all of it comes back. */
static void test_refused_at_every_step(void **state)
{
	struct vm_config cfg = config("a", 2);
	struct vm *vm = NULL;
	unsigned int pages = 0, steps = 0;

	(void)state;
	now.pieces = 8;
	for (int ret = -1; ret; pages++) {
		fake_log_reset();
		fake_page_set_left(pages);
		ret = vm_assemble(&cfg, &vm);
		fake_page_set_empty(false);
		if (ret) {
			assert_int_equal(fake_log_count(LOG_ERR), 1);
			expect_nothing();
		}
	}
	assert_int_equal(vm_destroy(vm), 0);
	for (int ret = -1; ret; steps++) {
		fake_log_reset();
		now.steps_left = (int)steps;
		ret = vm_assemble(&cfg, &vm);
		now.steps_left = -1;
		if (ret) {
			assert_int_equal(fake_log_count(LOG_ERR), 1);
			expect_nothing();
		}
	}
	assert_int_equal(vm_destroy(vm), 0);
	expect_nothing();
	assert_int_equal(pages - 1, 1 + 1 + 2 * 2 + 1 + 2 * 2); /* VM, root, vCPUs with stacks, log, devices */
	assert_int_equal(steps - 1, 1 + 1 + 2 + 1 + 1 + 2);     /* model, root, RAM, its tables, vGIC, devices */
}

/* In any order; an id that has become free is the next one's. */
static void test_any_order(void **state)
{
	struct vm *a = make("a", 1), *b = make("b", 1), *c = make("c", 1);

	(void)state;
	assert_int_equal(vm_destroy(a), 0);
	assert_int_equal(vm_count, 3);
	assert_null(vms[0]);
	a = make("a", 2);
	assert_int_equal(a->id, 0);
	assert_int_equal(vm_destroy(c), 0);
	assert_int_equal(vm_count, 2);
	assert_int_equal(vm_destroy(a), 0);
	assert_int_equal(vm_destroy(b), 0);
	expect_nothing();
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(vm_destroy(make("d", 1 + i % 8)), 0);
	expect_nothing();
}

/* Some vCPUs have got a place before there was none left: it is broken, and can be taken apart like any other. */
/* One piece of the host's RAM that the guest sees where it is; the tables are those of that place. */
static void test_direct(void **state)
{
	struct vm_config cfg = config("direct", 1);
	struct vm_extent kept;
	struct vm *vm;
	pa_t to;

	(void)state;
	cfg.trusted_dma = true;
	assert_int_equal(vm_assemble(&cfg, &vm), 0);
	assert_int_equal(vm->extent_count, 1);
	assert_int_equal(vm->extent[0].ipa, vm->extent[0].pa);
	assert_int_equal(vm->extent[0].pa, 0x40000000U + 4U * MIB(128));
	assert_int_equal(vmcfg_ram_base(&vm->config), vm->extent[0].pa);
	assert_int_equal(now.reserved_at, vm->extent[0].pa);
	assert_true(vm_ram_pa(vm, ipa(vm->extent[0].pa), &to));
	assert_int_equal(to.v, vm->extent[0].pa);
	assert_false(vm_ram_pa(vm, ipa(MACHINE_RAM_BASE), &to));

	/* What a device may still write to nobody gets. */
	vm->keeps_ram = true;
	vm_give_ram(vm);
	assert_int_equal(vm->extent_count, 1);
	kept = vm_quarantine_ram(vm);
	assert_int_equal(kept.size, cfg.ram_size);
	assert_int_equal(ram_use.quarantine, cfg.ram_size);
	assert_int_equal(now.ram, cfg.ram_size);
	assert_int_equal(vm_destroy(vm), 0);
	assert_int_equal(now.ram, cfg.ram_size);

	/* Until a VM has what may write to it, or that has ended. */
	cfg.autostart = false;
	assert_int_equal(vm_assemble(&cfg, &vm), 0);
	assert_int_equal(vm->extent_count, 0);
	cfg.ram_size = kept.size;
	kept.size -= MIB(2);
	assert_false(vm_adopt_ram(vm, &kept));
	kept.size = cfg.ram_size;
	assert_true(vm_adopt_ram(vm, &kept));
	assert_int_equal(vmcfg_ram_base(&vm->config), kept.pa);
	assert_int_equal(ram_use.quarantine, 0);
	assert_int_equal(vm_take_ram(vm), 0);
	assert_int_equal(vm->extent[0].pa, kept.pa);
	assert_true(vm->keeps_ram);
	kept = vm_quarantine_ram(vm);
	quarantined = (uint32_t)(kept.size / KIB(128));
	vm_end_quarantine(vm, &kept);
	assert_int_equal(quarantined, 0);
	assert_int_equal(ram_use.quarantine, 0);
	assert_int_equal(now.ram, 0);
	assert_int_equal(vm_destroy(vm), 0);
}

/* Below the usual place for RAM, where the host has it there only; and nowhere. */
static void test_direct_elsewhere(void **state)
{
	struct vm_config cfg = config("direct", 1);
	struct vm *vm;

	(void)state;
	cfg.trusted_dma = true;
	now.direct_tries = 2;
	assert_int_equal(vm_assemble(&cfg, &vm), 0);
	assert_int_equal(vmcfg_ram_base(&vm->config), 0x10000000U + 4U * MIB(128));
	assert_int_equal(vm_destroy(vm), 0);
	now.direct_tries = 4;
	fake_log_reset();
	assert_int_not_equal(vm_assemble(&cfg, &vm), 0);
	fake_log_expect_error("with trusted-dma it needs");
}

static void test_no_place(void **state)
{
	struct vm_config cfg = config("a", 3);
	struct vm *vm;

	(void)state;
	now.cpus = 2;
	assert_int_equal(vm_assemble(&cfg, &vm), 0);
	assert_int_equal(vm_place(vm), -ENODEV);
	fake_log_expect_error(
		"vm a: no physical CPU is left for 3 vCPUs: see cpu-affinity 0xffffffff and dedicated-cpus");
	assert_int_equal(vm->state, VM_BROKEN);
	assert_int_equal(now.ram, 0);
	assert_int_equal(now.watchdogs, 0);
	assert_int_equal(vm_destroy(vm), 0);
	assert_int_equal(now.cpus, 2);
	expect_nothing();
}

/* What runs stays as it is. */
static void test_not_while_it_runs(void **state)
{
	struct vm *vm = make("a", 1);

	(void)state;
	now.end_result = -EINVAL;
	assert_int_equal(vm_destroy(vm), -EINVAL);
	assert_ptr_equal(vms[0], vm);
	assert_int_equal(now.consoles, 1);
	now.end_result = 0;
	assert_int_equal(vm_destroy(vm), 0);
	expect_nothing();
}

/* A VM at the address of a destroyed one is another one: the branch predictor is emptied before it runs (harden). */
static void test_no_cpu_remembers_it(void **state)
{
	struct vm *a = make("a", 1), *b = make("b", 1);

	(void)state;
	percpu[0].last_vm = percpu[3].last_vm = a;
	percpu[1].last_vm = b;
	assert_int_equal(vm_destroy(a), 0);
	assert_null(percpu[0].last_vm);
	assert_null(percpu[3].last_vm);
	assert_ptr_equal(percpu[1].last_vm, b);
	assert_int_equal(vm_destroy(b), 0);
	expect_nothing();
}

static void test_limits(void **state)
{
	struct vm_config cfg = config("x", 8);
	struct vm *vm;

	(void)state;
	cfg.autostart = false;
	for (uint32_t i = 0; i < VCPU_MAX / 8; i++)
		assert_int_equal(vm_assemble(&cfg, &vm), 0);
	assert_int_equal(vm_assemble(&cfg, &vm), -ENOSPC);
	fake_log_expect_error("vm x: too many: virt7 runs at most 255 VMs with 512 vCPUs in all");
	assert_int_equal(vm_destroy(vms[5]), 0);
	assert_int_equal(vm_assemble(&cfg, &vm), 0);
	assert_int_equal(vm->id, 5);
	while (vm_count > 0)
		assert_int_equal(vm_destroy(vms[vm_count - 1]), 0);
	cfg.cpus = 1;
	for (uint32_t i = 0; i < VM_MAX; i++)
		assert_int_equal(vm_assemble(&cfg, &vm), 0);
	assert_int_equal(vm_assemble(&cfg, &vm), -ENOSPC);
	while (vm_count > 0)
		assert_int_equal(vm_destroy(vms[vm_count - 1]), 0);
	expect_nothing();
	cfg.affinity = 0x100;
	fake_log_reset();
	assert_int_equal(vm_assemble(&cfg, &vm), -ENODEV);
	fake_log_expect_error("vm x: cpu-affinity 0x100 names no CPU that is online");
	assert_int_equal(vm_create("x"), -ENOENT); /* there is no bundle */
}

static void add_vm(struct fit *f, const char *name, const char *kernel)
{
	assert_int_equal(fdt_begin_node(f->blob, name), 0);
	fit_string(f, "compatible", "virt7,vm");
	assert_int_equal(fdt_property_u32(f->blob, "memory", 8192), 0);
	if (kernel)
		fit_string(f, "kernel", kernel);
	assert_int_equal(fdt_end_node(f->blob), 0);
}

/* By name, from the bundle: only a name that is not there is -ENOENT, what is wrong with another has had its line. */
static void test_create_by_name(void **state)
{
	static const struct fit_image image = {.name = "linux", .data = "x", .size = 1, .arch = "arm"};
	struct bundle b;
	struct fit f;

	(void)state;
	fit_begin(&f);
	fit_image(&f, &image);
	fit_vms(&f);
	add_vm(&f, "good", "linux");
	add_vm(&f, "bad", NULL);
	add_vm(&f, "bare", "gone");
	fit_end(&f);
	assert_int_equal(bundle_open(&b, f.blob, f.size), 0);
	vm_assemble_init(&b, GICV);
	assert_int_equal(vm_create("good"), 0);
	assert_string_equal(vms[0]->config.name, "good");
	assert_int_equal(now.ram, 0); /* until it is started */
	assert_int_equal(vm_create("bad"), -EINVAL);
	fake_log_expect_error("vm bad: /vms/bad: kernel: missing; name the image under /images to start, or give the "
			      "VM flash with code in it");
	fake_log_reset();
	assert_int_equal(vm_create("bare"), -EINVAL);
	fake_log_expect_error(
		"vm bare: /vms/bare: kernel: no image \"gone\" under /images; add it or correct the name");
	fake_log_reset();
	assert_int_equal(vm_create("nobody"), -ENOENT);
	assert_int_equal(fake_log_count(LOG_ERR), 0);
	assert_int_equal(vm_destroy(vms[0]), 0);
	expect_nothing();
	fit_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_whole_life, setup),
		cmocka_unit_test_setup(test_refused_at_every_step, setup),
		cmocka_unit_test_setup(test_any_order, setup),
		cmocka_unit_test_setup(test_direct, setup),
		cmocka_unit_test_setup(test_direct_elsewhere, setup),
		cmocka_unit_test_setup(test_no_place, setup),
		cmocka_unit_test_setup(test_not_while_it_runs, setup),
		cmocka_unit_test_setup(test_no_cpu_remembers_it, setup),
		cmocka_unit_test_setup(test_limits, setup),
		cmocka_unit_test_setup(test_create_by_name, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
