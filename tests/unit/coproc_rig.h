/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of coproc/ share: one vCPU, accesses of its guest, and notes of what the code under test calls. */
#ifndef TESTS_UNIT_COPROC_RIG_H
#define TESTS_UNIT_COPROC_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arm/hypregs.h>
#include <arm/psr.h>
#include <arm/sysreg.h>
#include <arm/vfp.h>

#include "coproc/coproc.h"
#include "coproc/model.h"
#include "coproc/extra.h"
#include "coproc/pmu.h"
#include "coproc/row.h"
#include "coproc/setway.h"
#include "hyp/vm/guestmem.h"
#include "hyp/run/irq.h"
#include "hyp/lib/option.h"
#include "hyp/vm/crash.h"
#include "hyp/vm/vm.h"
#include "mm/cache.h"
#include "mm/hypmap.h"
#include "vtimer/vtimer.h"

#define PC 0x40001000U

static struct percpu cpu;
static struct vm vm;
static struct cpu_model model;
static struct vcpu vcpu = {.vm = &vm, .index = 2, .coproc.model = &model};
static struct regs regs;

/* --- what the code under test calls ---------------------------------------------------------------------------------
 */

static char line[256];
static uint32_t lines, budget;

void log_line(enum log_level level, const char *fmt, ...)
{
	va_list args;

	assert_int_equal(level, LOG_WARN);
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	lines++;
}

void crash_hint_aborts(struct vcpu *v, uint32_t pc)
{
	(void)v, (void)pc;
}

bool log_ratelimit(struct log_budget *of)
{
	assert_ptr_equal(of, &vm.log_budget);
	return budget && budget--;
}

int guest_read(struct vm *of, ipa_t from, void *to, size_t len)
{
	(void)of, (void)from, (void)to, (void)len;
	return -1;
}

static const struct vfp_context *saved, *loaded;

void vfp_save(struct vfp_context *vfp)
{
	saved = vfp;
}

void vfp_load(const struct vfp_context *vfp)
{
	loaded = vfp;
}

struct options options;

void cache_invalidate_icache(void)
{
}

bool s2_lookup(const struct s2 *s2, ipa_t at, pa_t *out)
{
	(void)s2, (void)at, (void)out;
	return false;
}

bool vm_ram_pa(const struct vm *of, ipa_t at, pa_t *out)
{
	(void)of, (void)at, (void)out;
	return false;
}

static uint64_t count, cval;
static uint32_t ctl;

uint64_t vtimer_count(const struct vcpu *of)
{
	assert_ptr_equal(of, &vcpu);
	return count;
}

uint32_t vtimer_phys_ctl(struct vcpu *of)
{
	assert_ptr_equal(of, &vcpu);
	return ctl;
}

void vtimer_set_phys_ctl(struct vcpu *of, uint32_t value)
{
	assert_ptr_equal(of, &vcpu);
	ctl = value;
}

void vtimer_set_phys_cval(struct vcpu *of, uint64_t value)
{
	of->vtimer.cntp_cval = cval = value;
}

/* The touched set, and what of it was flushed. */
static const uint64_t blocks[] = {0x40000000, 0x40400000, 0x7fe00000};
static uint64_t flushed[16];
static uint32_t flushes, windows;
static uint8_t shown[BLOCK_SIZE]; /* by the window */
static uint32_t flushed_of_block;

bool s2_next_block(const struct s2 *s2, ipa_t *at, pa_t *to)
{
	assert_ptr_equal(s2, &vm.s2);
	assert_true(s2->lock.held); /* or one that is being split is passed over */
	for (uint32_t i = 0; i < ARRAY_SIZE(blocks); i++)
		if (blocks[i] + BLOCK_SIZE > at->v) {
			*at = ipa(blocks[i]);
			*to = pa(blocks[i] + 0x800000000);
			return true;
		}
	return false;
}

uint8_t *hyp_window_open_at(enum hyp_window which, pa_t at)
{
	assert_int_equal(which, HYP_WINDOW);
	assert_int_equal(windows++, 0);
	assert_in_range(flushes, 0, ARRAY_SIZE(flushed) - 1);
	flushed[flushes] = at.v;
	return shown;
}

void hyp_window_close_at(enum hyp_window which)
{
	assert_int_equal(which, HYP_WINDOW);
	assert_int_equal(windows--, 1);
}

/* A block in parts that do not keep the CPU for long, from its start to its end. */
void cache_clean_invalidate(const void *start, size_t len)
{
	if (start == shown)
		flushed_of_block = 0;
	assert_ptr_equal(start, shown + flushed_of_block);
	assert_in_range(len, 1, 128 * 1024);
	assert_int_equal(windows, 1);
	flushed_of_block += (uint32_t)len;
	flushes += flushed_of_block == BLOCK_SIZE;
}

static uint32_t irqs; /* pending */
static bool reset_by_irq;

bool irq_handle_one(void)
{
	if (reset_by_irq)
		setway_reset(&vcpu);
	return irqs && irqs--;
}

/* --- driving it
 * --------------------------------------------------------------------------------------------------------*/

static inline int setup(void **state)
{
	(void)state;
	fake_machine_reset();
	memset(&cpu, 0, sizeof(cpu));
	memset(&regs, 0, sizeof(regs));
	memset(&model, 0, sizeof(model));
	write_htpidr((uintptr_t)&cpu);
	cpu.thread = &vcpu.thread;
	cpu.loaded = &vcpu;
	coproc_init();
	strcpy(vm.config.name, "one");
	lines = flushes = 0;
	budget = ~0U;
	vcpu.hcr = HCR_VM | HCR_TSW;
	vcpu.thread.work = irqs = 0;
	reset_by_irq = false;
	vcpu.coproc.extra = 0;
	coproc_reset(&vcpu);
	write_elr_hyp(PC);
	write_spsr_hyp(PSR_MODE_SVC);
	write_vbar(0x40008000);
	return 0;
}

static inline uint32_t iss32(uint32_t key, uint32_t rt, bool read)
{
	return key | rt << 5 | read;
}

static inline uint32_t iss64(uint32_t key, uint32_t rt, uint32_t rt2, bool read)
{
	return key | rt2 << 10 | rt << 5 | read;
}

static inline enum exit_action access15(uint32_t key, uint32_t rt, bool read)
{
	uint32_t iss = iss32(key, rt, read);

	return coproc_read_fast(&vcpu, &regs, iss) ? EXIT_NEXT : coproc_cp15_32(&vcpu, &regs, iss);
}

/* UNDEF was injected, as the instruction at PC takes it (B1.9.2). */
static inline void assert_undef(enum exit_action action)
{
	assert_int_equal(action, EXIT_AGAIN);
	assert_int_equal(read_elr_hyp(), 0x40008004);
	assert_int_equal(read_spsr_hyp(), PSR_MODE_UND | PSR_I);
	assert_int_equal(read_spsr_und(), PSR_MODE_SVC);
	assert_int_equal(read_lr_und(), PC + 4);
	write_elr_hyp(PC);
	write_spsr_hyp(PSR_MODE_SVC);
}

static inline uint32_t read15(uint32_t key)
{
	assert_int_equal(access15(key, 1, true), EXIT_NEXT);
	return regs.r[1];
}

static inline void write15(uint32_t key, uint32_t value)
{
	regs.r[1] = value;
	assert_int_equal(access15(key, 1, false), EXIT_NEXT);
}

#endif
