/* SPDX-License-Identifier: BSD-2-Clause */
/* Counted resources that VMs are put together of: each can be refused, and each says whether it is left over. */
#ifndef TESTS_UNIT_ASSEMBLE_RIG_H
#define TESTS_UNIT_ASSEMBLE_RIG_H

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
static inline bool refused(void)
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

size_t page_available(void)
{
	return MIB(4);
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

int leaveout_silent(struct vm *vm, ipa_t block, pa_t to)
{
	(void)vm, (void)block, (void)to;
	return -EIO;
}

static uint32_t quarantined; /* parts of 128 KiB that are to be zeroed when they come out of quarantine */

/* No VM of this test touches its RAM. */
uint8_t *hyp_window_open_at(enum hyp_window window, pa_t address)
{
	(void)window, (void)address;
	assert_int_not_equal(quarantined--, 0);
	return NULL;
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

/* One device of the VM, and one that wants a page of its own. */
struct greedy {
	struct device device;
	void *page;
};

static inline int greedy_create(struct device *device)
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

static inline void greedy_destroy(struct device *device)
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

static inline int setup(void **state)
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

static inline struct vm_config config(const char *name, unsigned int cpus)
{
	struct vm_config cfg = {.cpus = cpus, .ram_size = MIB(16), .affinity = ~0U, .autostart = true, .priority = 4};

	strcpy(cfg.name, name);
	return cfg;
}

/* No resource is in use. */
static inline void expect_nothing(void)
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

static inline struct vm *make(const char *name, unsigned int cpus)
{
	struct vm_config cfg = config(name, cpus);
	struct vm *vm = NULL;

	assert_int_equal(vm_assemble(&cfg, &vm), 0);
	assert_int_equal(vm_place(vm), 0);
	return vm;
}

#endif
