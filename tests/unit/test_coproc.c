/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Coprocessor traps: the tables' order, what each row allows, deny by default with its line, VFP ownership, and the
 * set/way states (coproc/setway.c) transition by transition.
 */
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
	return (uint8_t *)&flushed[flushes];
}

void hyp_window_close_at(enum hyp_window which)
{
	assert_int_equal(which, HYP_WINDOW);
	assert_int_equal(windows--, 1);
}

void cache_clean_invalidate(const void *start, size_t len)
{
	assert_ptr_equal(start, &flushed[flushes]);
	assert_int_equal(len, BLOCK_SIZE);
	flushes++;
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

static int setup(void **state)
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

static uint32_t iss32(uint32_t key, uint32_t rt, bool read)
{
	return key | rt << 5 | read;
}

static uint32_t iss64(uint32_t key, uint32_t rt, uint32_t rt2, bool read)
{
	return key | rt2 << 10 | rt << 5 | read;
}

static enum exit_action access15(uint32_t key, uint32_t rt, bool read)
{
	uint32_t iss = iss32(key, rt, read);

	return coproc_read_fast(&vcpu, &regs, iss) ? EXIT_NEXT : coproc_cp15_32(&vcpu, &regs, iss);
}

/* UNDEF was injected, as the instruction at PC takes it (B1.9.2). */
static void assert_undef(enum exit_action action)
{
	assert_int_equal(action, EXIT_AGAIN);
	assert_int_equal(read_elr_hyp(), 0x40008004);
	assert_int_equal(read_spsr_hyp(), PSR_MODE_UND | PSR_I);
	assert_int_equal(read_spsr_und(), PSR_MODE_SVC);
	assert_int_equal(read_lr_und(), PC + 4);
	write_elr_hyp(PC);
	write_spsr_hyp(PSR_MODE_SVC);
}

static uint32_t order(const struct cp_row *row)
{
	uint32_t key = row->key, space = FIELD(key, 5, 2);

	if (key & CP_SPACE_CP15_64)
		return space << 14 | FIELD(key, 16, 4) << 4 | FIELD(key, 1, 4);
	return space << 14 | FIELD(key, 10, 4) << 10 | FIELD(key, 14, 3) << 7 | FIELD(key, 1, 4) << 3 |
	       FIELD(key, 17, 3);
}

/* Rows stand in the order of space, CRn, op1, CRm, op2, so that a reader finds them. */
static void test_tables(void **state)
{
	(void)state;
	assert_int_equal(coproc_init(), 0);
	for (uint32_t i = 0; i < cp_row_count; i++) {
		if (i && order(&cp_rows[i - 1]) >= order(&cp_rows[i]))
			fail_msg("row %u is out of order", i);
		assert_ptr_equal(cp_find(cp_rows[i].key), &cp_rows[i]);
	}
}

static void test_index_is_checked(void **state)
{
	struct cp_row rows[CP_INDEX_SIZE] = {{.key = 2}, {.key = 4}, {.key = 6}};

	(void)state;
	assert_true(cp_index_rows(rows, 3));
	assert_ptr_equal(cp_find(4), &rows[1]);
	rows[1].key = 6;
	assert_false(cp_index_rows(rows, 3)); /* twice */
	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++)
		rows[i].key = i * 2U;
	assert_true(cp_index_rows(rows, CP_INDEX_SIZE / 2U));
	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_ptr_equal(cp_find(i * 2U), i < CP_INDEX_SIZE / 2U ? &rows[i] : NULL);
	assert_false(cp_index_rows(rows, CP_INDEX_SIZE / 2U + 1U)); /* too full: a search might not end */
	assert_true(cp_index_rows(rows, 0));
	assert_null(cp_find(2));
}

/* Every key there is, in every space: the row or nothing. */
static void test_find(void **state)
{
	uint32_t found = 0;

	(void)state;
	for (uint32_t key = 0; key <= (CP_KEY_MASK | CP_SPACE_CP14_64); key += 2) {
		const struct cp_row *row = cp_find(key);

		assert_true(!row || row->key == key);
		found += row != NULL;
	}
	assert_int_equal(found, cp_row_count);
}

/* All encodings of MCR and MRC: what has a row with that direction is done, the rest is UNDEF. What has no row says so.
 */
static void test_every_encoding(void **state)
{
	(void)state;
	for (uint32_t n = 0; n < BIT(16); n++) {
		uint32_t space = n & BIT(15) ? CP_SPACE_CP14 : CP_SPACE_CP15, read = n & 1U;
		uint32_t key = CP_KEY(n >> 11 & 15U, n >> 8 & 7U, n >> 4 & 15U, n >> 1 & 7U);
		const struct cp_row *row = cp_find(key | space);
		exit_fn trap = space ? coproc_cp14_32 : coproc_cp15_32;
		uint32_t before = lines;
		enum exit_action action;

		fake_machine.events = 0;
		vcpu.thread.work = 0;
		action = trap(&vcpu, &regs, iss32(key, 3, read));
		if (row && (read ? row->read != NULL : row->write != NULL)) {
			assert_int_equal(action, EXIT_NEXT);
			assert_int_equal(read_elr_hyp(), PC); /* hyp/exit/exit.c moves it */
			assert_int_equal(lines, before);
		} else {
			assert_undef(action);
			assert_int_equal(lines, before + !row);
		}
	}
}

static void test_directions(void **state)
{
	static const struct {
		uint32_t key;
		bool read, write;
	} rows[] = {
		{CP_KEY(0, 0, 0, 1), true, false},   /* CTR */
		{CP_KEY(0, 0, 2, 5), true, false},   /* ID_ISAR5 */
		{CP_KEY(0, 0, 3, 7), true, false},   /* reserved, RAZ */
		{CP_KEY(0, 1, 0, 0), true, false},   /* CCSIDR */
		{CP_KEY(0, 2, 0, 0), true, true},    /* CSSELR */
		{CP_KEY(1, 0, 0, 0), true, true},    /* SCTLR */
		{CP_KEY(1, 0, 0, 2), false, false},  /* CPACR is not trapped; if it were, nobody would know why */
		{CP_KEY(2, 0, 0, 0), true, true},    /* TTBR0 */
		{CP_KEY(7, 0, 6, 2), false, true},   /* DCISW */
		{CP_KEY(7, 0, 10, 2), false, true},  /* DCCSW */
		{CP_KEY(7, 0, 14, 2), false, true},  /* DCCISW */
		{CP_KEY(9, 0, 12, 0), true, true},   /* PMCR */
		{CP_KEY(9, 0, 12, 4), false, true},  /* PMSWINC */
		{CP_KEY(12, 0, 0, 1), false, false}, /* MVBAR */
		{CP_KEY(13, 0, 0, 1), true, true},   /* CONTEXTIDR */
		{CP_KEY(14, 0, 2, 1), true, true},   /* CNTP_CTL */
	};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct cp_row *row = cp_find(rows[i].key);

		assert_int_equal(row && row->read, rows[i].read);
		assert_int_equal(row && row->write, rows[i].write);
	}
}

static void test_deny_line(void **state)
{
	(void)state;
	assert_undef(access15(CP_KEY(9, 0, 0, 5), 0, false));
	assert_string_equal(line, "vm one: vcpu 2: CP15(9, 0, 0, 5) write at pc 0x40001000: UNDEF");
	assert_undef(coproc_cp14_32(&vcpu, &regs, iss32(CP_KEY(15, 7, 15, 7), 0, true)));
	assert_string_equal(line, "vm one: vcpu 2: CP14(15, 7, 15, 7) read at pc 0x40001000: UNDEF");
	assert_undef(coproc_cp14_64(&vcpu, &regs, iss64(CP_KEY64(7, 1), 0, 1, false)));
	assert_string_equal(line, "vm one: vcpu 2: CP14_64(7, 1) write at pc 0x40001000: UNDEF");
	assert_undef(coproc_cp15_64(&vcpu, &regs, iss64(CP_KEY64(15, 15), 14, 13, true))); /* op1 has four bits */
	assert_string_equal(line, "vm one: vcpu 2: CP15_64(15, 15) read at pc 0x40001000: UNDEF");
	assert_int_equal(lines, 4);
	/* What a row denies is known: no line. */
	assert_undef(coproc_cp15_64(&vcpu, &regs, iss64(CP_KEY64(0, 14), 0, 1, false))); /* CNTPCT is read-only */
	assert_undef(access15(CP_KEY(15, 3, 0, 0), 0, true));                            /* CDBGDR0 */
	assert_int_equal(lines, 4);
}

static void test_deny_is_rate_limited(void **state)
{
	(void)state;
	budget = 3;
	for (uint32_t i = 0; i < 10; i++)
		assert_undef(access15(CP_KEY(15, 0, 15, 0), 0, true));
	assert_int_equal(lines, 3);
}

/* Not even a line: a user program is not what a row would be written for. */
static void test_user_mode(void **state)
{
	(void)state;
	for (uint32_t read = 0; read < 2; read++)
		for (uint32_t rt = 0; rt < 15; rt += 14) {
			write_elr_hyp(PC);
			write_spsr_hyp(PSR_MODE_USR);
			assert_int_equal(access15(CP_KEY(1, 0, 0, 1), rt, read), EXIT_AGAIN); /* ACTLR */
			assert_int_equal(read_spsr_und(), PSR_MODE_USR);
			assert_int_equal(read_elr_hyp(), 0x40008004);
		}
	assert_int_equal(lines, 0);
}

/* LR_und is behind the instruction: Thumb counts 2 (B1.9.2). */
static void test_deny_in_thumb(void **state)
{
	(void)state;
	write_spsr_hyp(PSR_MODE_SVC | PSR_T | 0x0600fc00U);
	assert_int_equal(access15(CP_KEY(15, 0, 15, 0), 0, true), EXIT_AGAIN);
	assert_int_equal(read_lr_und(), PC + 2);
	assert_int_equal(read_spsr_und(), PSR_MODE_SVC | PSR_T | 0x0600fc00U);
	assert_int_equal(read_spsr_hyp(), PSR_MODE_UND | PSR_I);
}

/* Rt and Rt2 by number and mode. */
static void test_registers(void **state)
{
	(void)state;
	model.ids.ctr = 0x84448003;
	for (uint32_t rt = 0; rt < 15; rt++) {
		memset(&regs, 0, sizeof(regs));
		write_sp_svc(0);
		write_lr_svc(0);
		assert_int_equal(access15(CP_KEY(0, 0, 0, 1), rt, true), EXIT_NEXT);
		assert_int_equal(regs_read(&regs, PSR_MODE_SVC, rt), 0x84448003);
		for (uint32_t other = 0; other < 15; other++)
			assert_true(other == rt || regs_read(&regs, PSR_MODE_SVC, other) == 0);
		regs_write(&regs, PSR_MODE_SVC, rt, 0x100 + rt);
		assert_int_equal(access15(CP_KEY(13, 0, 0, 1), rt, false), EXIT_NEXT);
		assert_int_equal(read_contextidr(), 0x100 + rt);
	}
	regs.r[3] = 0x11112222;
	write_lr_svc(0x33334444);
	assert_int_equal(coproc_cp15_64(&vcpu, &regs, iss64(CP_KEY64(1, 2), 3, 14, false)), EXIT_NEXT);
	assert_int_equal(read_ttbr1_64(), 0x3333444411112222);
	count = 0x123456789abcdef0;
	assert_int_equal(coproc_cp15_64(&vcpu, &regs, iss64(CP_KEY64(0, 14), 5, 6, true)), EXIT_NEXT);
	assert_int_equal(regs.r[5], 0x9abcdef0);
	assert_int_equal(regs.r[6], 0x12345678);
	assert_int_equal(coproc_cp14_64(&vcpu, &regs, iss64(CP_KEY64(0, 1), 5, 6, true)), EXIT_NEXT); /* DBGDRAR */
	assert_int_equal(regs.r[5] | regs.r[6], 0);
}

static uint32_t read15(uint32_t key)
{
	assert_int_equal(access15(key, 1, true), EXIT_NEXT);
	return regs.r[1];
}

static void write15(uint32_t key, uint32_t value)
{
	regs.r[1] = value;
	assert_int_equal(access15(key, 1, false), EXIT_NEXT);
}

#define ACTLR  CP_KEY(1, 0, 0, 1)
#define CSSELR CP_KEY(0, 2, 0, 0)
#define CCSIDR CP_KEY(0, 1, 0, 0)

static void test_actlr(void **state)
{
	(void)state;
	assert_int_equal(read15(ACTLR), BIT(6)); /* SMP */
	write15(ACTLR, 0);
	assert_int_equal(read15(ACTLR), BIT(6));
	assert_int_equal(read_actlr(), 0); /* never the core's own */
	model.harden = HARDEN_ICIALLU;
	coproc_reset(&vcpu);
	assert_int_equal(read15(ACTLR), BIT(6));
	model.harden_works = true;
	coproc_reset(&vcpu);
	assert_int_equal(read15(ACTLR), BIT(6) | BIT(0)); /* IBE: the guest's own ICIALLU helps it */
}

/* The selection is the core's, which each vCPU has for itself (hyp/arm/context.S); what it selects is the model's. */
static void test_cache_ids(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 16; i++)
		model.ids.ccsidr[i] = 0x100 + i;
	assert_int_equal(read15(CCSIDR), 0x100);
	for (uint32_t i = 0; i < 16; i++) {
		write15(CSSELR, i);
		assert_int_equal(read_csselr(), i);
		assert_int_equal(read15(CSSELR), i);
		assert_int_equal(read15(CCSIDR), 0x100 + i);
	}
	write_csselr(0xffffffff);
	assert_int_equal(read15(CCSIDR), 0x10f);
	write_csselr(0);
}

static void test_os_lock(void **state)
{
	uint32_t oslar = CP_KEY(1, 0, 0, 4), oslsr = CP_KEY(1, 0, 1, 4);

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		static const uint32_t keys[] = {0xc5acce55, 0, 0xc5acce55, 0xc5acce54};

		regs.r[2] = keys[i];
		assert_int_equal(coproc_cp14_32(&vcpu, &regs, iss32(oslar, 2, false)), EXIT_NEXT);
		assert_int_equal(coproc_cp14_32(&vcpu, &regs, iss32(oslsr, 2, true)), EXIT_NEXT);
		assert_int_equal(regs.r[2], 0x8 | (i % 2 ? 0 : 2)); /* OSLM, OSLK */
	}
}

/* CNTP_TVAL is a signed 32-bit view of CVAL (B8.1.5). */
static void test_timer_registers(void **state)
{
	(void)state;
	count = 0x5fffffff0;
	regs.r[0] = 0x20;
	assert_int_equal(access15(CP_KEY(14, 0, 2, 0), 0, false), EXIT_NEXT);
	assert_int_equal(cval, 0x600000010);
	regs.r[0] = (uint32_t)-16;
	assert_int_equal(access15(CP_KEY(14, 0, 2, 0), 0, false), EXIT_NEXT);
	assert_int_equal(cval, 0x5ffffffe0);
	count += 0x100;
	assert_int_equal(access15(CP_KEY(14, 0, 2, 0), 1, true), EXIT_NEXT);
	assert_int_equal((int32_t)regs.r[1], -0x110);
	ctl = 5;
	assert_int_equal(access15(CP_KEY(14, 0, 2, 1), 1, true), EXIT_NEXT);
	assert_int_equal(regs.r[1], 5);
}

static void test_vfp_ids(void **state)
{
	(void)state;
	model.ids.mvfr0 = 0x10110222;
	model.ids.fpsid = 0x410430f0;
	assert_int_equal(coproc_cp10_id(&vcpu, &regs, iss32(CP_KEY(7, 0, 0, 0), 4, true)), EXIT_NEXT); /* MVFR0 */
	assert_int_equal(regs.r[4], 0x10110222);
	assert_int_equal(coproc_cp10_id(&vcpu, &regs, iss32(CP_KEY(0, 0, 0, 0), 4, true)), EXIT_NEXT); /* FPSID */
	assert_int_equal(regs.r[4], 0x410430f0);
	assert_int_equal(coproc_cp10_id(&vcpu, &regs, iss32(CP_KEY(5, 0, 0, 0), 4, true)), EXIT_NEXT); /* MVFR2: RAZ */
	assert_int_equal(regs.r[4], 0);
	assert_undef(coproc_cp10_id(&vcpu, &regs, iss32(CP_KEY(0, 0, 0, 0), 4, false)));
	write_spsr_hyp(PSR_MODE_USR);
	assert_int_equal(coproc_cp10_id(&vcpu, &regs, iss32(CP_KEY(7, 0, 0, 0), 4, true)), EXIT_AGAIN);
	assert_int_equal(read_spsr_und(), PSR_MODE_USR);
}

static void test_vfp_owner(void **state)
{
	struct vcpu other = {0};

	(void)state;
	saved = loaded = NULL;
	assert_int_equal(coproc_hcptr(&vcpu, &regs, 0), EXIT_AGAIN);
	assert_int_equal(read_hcptr(), HCPTR_OPEN);
	assert_null(saved);
	assert_ptr_equal(loaded, &vcpu.vfp);
	assert_ptr_equal(cpu.vfp_owner, &vcpu);
	loaded = NULL;
	assert_int_equal(coproc_hcptr(&vcpu, &regs, 0), EXIT_AGAIN); /* its own still: nothing moves */
	assert_null(loaded);
	cpu.vfp_owner = &other;
	assert_int_equal(coproc_hcptr(&vcpu, &regs, 0), EXIT_AGAIN);
	assert_ptr_equal(saved, &other.vfp);
	assert_ptr_equal(loaded, &vcpu.vfp);
	assert_true(fake_find(SYSREG_hcptr, 0) < fake_find(FAKE_ISB, 0)); /* open before the first VFP instruction */
}

/* A vCPU that moves leaves nothing behind; one that is not the owner has nothing to leave. */
static void test_vfp_leave(void **state)
{
	struct vcpu other = {0};

	(void)state;
	saved = NULL;
	cpu.vfp_owner = &other;
	coproc_leave_cpu(&vcpu);
	assert_null(saved);
	assert_ptr_equal(cpu.vfp_owner, &other);
	cpu.vfp_owner = &vcpu;
	coproc_leave_cpu(&vcpu);
	assert_ptr_equal(saved, &vcpu.vfp);
	assert_null(cpu.vfp_owner);
	assert_int_equal(read_hcptr(), HCPTR_CLOSED);
}

static uint32_t hardened;

static void harden(void)
{
	hardened++;
}

/* Between VMs only, and only on a core that needs it. */
static void test_harden(void **state)
{
	struct vm a, b;

	(void)state;
	hardened = 0;
	coproc_switch_vm(&cpu, &a);
	coproc_switch_vm(&cpu, &b);
	assert_int_equal(hardened, 0);
	cpu.harden = harden;
	cpu.last_vm = &b;
	coproc_switch_vm(&cpu, &b);
	assert_int_equal(hardened, 0);
	coproc_switch_vm(&cpu, &a);
	coproc_switch_vm(&cpu, &a);
	assert_int_equal(hardened, 1);
	coproc_switch_vm(&cpu, &b);
	assert_int_equal(hardened, 2);
}

/* --- performance monitors */

#define PMCR       CP_KEY(9, 0, 12, 0)
#define PMCNTENSET CP_KEY(9, 0, 12, 1)
#define PMSELR     CP_KEY(9, 0, 12, 5)
#define PMCCNTR    CP_KEY(9, 0, 13, 0)
#define PMXEVTYPER CP_KEY(9, 0, 13, 1)
#define PMXEVCNTR  CP_KEY(9, 0, 13, 2)
#define PMUSERENR  CP_KEY(9, 0, 14, 0)

static void test_pmu_lazy(void **state)
{
	(void)state;
	fake_machine.reg[SYSREG_pmcr] = 0x410f3000; /* six event counters */
	fake_machine.events = 0;
	assert_int_equal(read15(PMUSERENR), 0);
	assert_int_equal(fake_machine.events, 0); /* nothing to count yet */
	assert_false(vcpu.coproc.extra & EXTRA_PMU);
	read15(PMCNTENSET);
	assert_true(vcpu.coproc.extra & EXTRA_PMU);
	fake_machine.reg[SYSREG_pmcr] = 0x410f3000;
	write15(PMCR, 0xffffffff);
	assert_int_equal(read_pmcr(), 0x3f); /* E P C D X DP: the rest is not the guest's */
	coproc_reset(&vcpu);
	assert_false(vcpu.coproc.extra & EXTRA_PMU);
	assert_true(fake_find(SYSREG_pmcntenclr, 0) < fake_machine.events);
}

/* Both counters go on when they are read. The first look at them is disturbed: the other counter has gone on meanwhile.
 */
static uint32_t looks;

static uint64_t count_cycles(uint32_t reg)
{
	return 0xfffff000U + 50U * looks; /* it wraps */
}

static uint64_t count_ticks(uint32_t reg)
{
	looks++;
	return looks == 2 ? 1000000 : looks;
}

static void test_pmu_clock(void **state)
{
	struct pmu_clock clock;

	(void)state;
	fake_machine.reg[SYSREG_cntfrq] = 24000000;
	looks = 0;
	fake_machine.on_read[SYSREG_pmccntr] = count_cycles;
	fake_machine.on_read[SYSREG_cntpct] = count_ticks;
	pmu_clock_begin(&clock);
	assert_int_equal(looks, 4);
	assert_int_equal(read_pmxevtyper(), 1U << 27);
	assert_int_equal(read_pmcr(), 5);
	assert_int_equal(read_pmcntenset(), 1U << 31);
	looks = 1000;
	assert_int_equal(pmu_clock_end(&clock), 1200000); /* 50 cycles a tick */
	assert_int_equal(fake_machine.reg[SYSREG_pmcntenclr], 1U << 31);
	assert_int_equal(read_pmcr() | read_pmxevtyper(), 0);
	fake_machine.on_read[SYSREG_pmccntr] = NULL; /* it stands still */
	pmu_clock_begin(&clock);
	assert_int_equal(pmu_clock_end(&clock), 0);
}

/* Counters that do not exist: RAZ/WI, and HYP's own counting (NSH) cannot be asked for. */
static void test_pmu_limits(void **state)
{
	(void)state;
	fake_machine.reg[SYSREG_pmcr] = 0x410f1000; /* two */
	write15(PMCNTENSET, 0xffffffff);
	fake_machine.reg[SYSREG_pmcr] = 0x410f1000; /* the first access wrote it */
	write15(PMCNTENSET, 0xffffffff);
	assert_int_equal(read_pmcntenset(), 0x80000003);
	fake_machine.reg[SYSREG_pmcntenset] = 0xffffffff;
	assert_int_equal(read15(PMCNTENSET), 0x80000003);
	write15(PMSELR, 1);
	write15(PMXEVTYPER, 0xffffffff);
	assert_int_equal(read_pmselr(), 1);
	assert_int_equal(read_pmxevtyper(), 0xf00000ff);
	write15(PMSELR, 2);
	write15(PMXEVCNTR, 7);
	assert_int_equal(read_pmxevcntr(), 0);
	assert_int_equal(read15(PMXEVTYPER), 0);
	write15(PMSELR, 31); /* the cycle counter has a type and no PMXEVCNTR */
	assert_int_equal(read15(PMXEVTYPER), 0xf00000ff);
	assert_int_equal(read15(PMXEVCNTR), 0);
}

static void test_pmu_user(void **state)
{
	(void)state;
	write_spsr_hyp(PSR_MODE_USR);
	assert_int_equal(access15(PMCCNTR, 1, true), EXIT_AGAIN);
	write_spsr_hyp(PSR_MODE_SVC);
	write15(PMUSERENR, 0xffffffff);
	assert_int_equal(read15(PMUSERENR), 1);
	write_spsr_hyp(PSR_MODE_USR);
	assert_int_equal(access15(PMCCNTR, 1, true), EXIT_NEXT);
	assert_int_equal(access15(PMUSERENR, 1, true), EXIT_NEXT);
	assert_int_equal(access15(PMUSERENR, 1, false), EXIT_AGAIN);
}

/* --- set/way
 * ---------------------------------------------------------------------------------------------------------- */

/* As hyp/exit/exit.c does on the way back into the guest. */
static void finish_flush(void)
{
	while (vcpu.thread.work & WORK_FLUSH) {
		vcpu.thread.work &= ~WORK_FLUSH;
		setway_flush_some(&vcpu);
	}
}

static void assert_state(enum setway_state expected, uint32_t times)
{
	finish_flush();
	assert_int_equal(vcpu.coproc.setway.state, expected);
	assert_int_equal(!!(vcpu.hcr & HCR_TVM), expected != SETWAY_OFF);
	assert_int_equal(vcpu.hcr & ~HCR_TVM, HCR_VM | HCR_TSW);
	assert_int_equal(flushes, times * ARRAY_SIZE(blocks)); /* every touched block, and no other */
	for (uint32_t i = 0; i < flushes; i++)
		assert_int_equal(flushed[i], 0x800000000 + blocks[i % ARRAY_SIZE(blocks)]);
	assert_int_equal(vcpu.coproc.setway.flushes, times);
}

static int setup_setway(void **state)
{
	setup(state);
	setway_reset(&vcpu);
	write_sctlr(SCTLR_RESET);
	return 0;
}

static void operation(void)
{
	assert_int_equal(access15(CP_KEY(7, 0, 14, 2), 0, false), EXIT_NEXT);
}

static void sctlr(uint32_t set, uint32_t clear)
{
	regs.r[0] = (read_sctlr() & ~clear) | set;
	assert_int_equal(access15(CP_KEY(1, 0, 0, 0), 0, false), EXIT_NEXT);
	assert_int_equal(read_sctlr(), regs.r[0]);
}

/* A guest without set/way: no flush ever, and no traps once its caches are on. */
static void test_setway_none(void **state)
{
	(void)state;
	assert_state(SETWAY_WAIT, 0);
	sctlr(SCTLR_I, 0);
	assert_state(SETWAY_WAIT, 0);
	sctlr(SCTLR_M, 0);
	assert_state(SETWAY_WAIT, 0);
	sctlr(SCTLR_C, 0);
	assert_state(SETWAY_OFF, 0);
	assert_int_equal(read_hcr(), HCR_VM | HCR_TSW);
}

/* Before the caches are on: any number of operations are one flush, when they go on. */
static void test_setway_deferred(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		operation();
	assert_state(SETWAY_WAIT, 0);
	assert_int_equal(vcpu.coproc.setway.ops, 1000);
	sctlr(SCTLR_I, 0);
	assert_state(SETWAY_WAIT, 0);
	sctlr(SCTLR_M | SCTLR_C, 0);
	assert_state(SETWAY_OFF, 1);
	assert_int_equal(read_hcr() & HCR_TVM, 0);
	assert_false(vcpu.coproc.setway.deferred);
}

/* The traps change: an asynchronous abort that the guest has taken does not come again, one that it has not stays. */
static void test_setway_keeps_abort(void **state)
{
	(void)state;
	vcpu.hcr |= HCR_VA;
	sctlr(SCTLR_M | SCTLR_C, 0);
	assert_int_equal(read_hcr() & (HCR_TVM | HCR_VA), 0);
	write_hcr(read_hcr() | HCR_VA);
	operation();
	assert_int_equal(read_hcr() & (HCR_TVM | HCR_VA), HCR_TVM | HCR_VA);
}

static void test_setway_when_on(void **state)
{
	(void)state;
	sctlr(SCTLR_M | SCTLR_C, 0);
	operation();
	assert_state(SETWAY_ON, 1);
	assert_true(read_hcr() & HCR_TVM);
	for (uint32_t i = 0; i < 1000; i++)
		operation();
	assert_state(SETWAY_ON, 1);
	sctlr(0, SCTLR_C);
	assert_state(SETWAY_ON, 2);
	sctlr(0, SCTLR_C);
	assert_state(SETWAY_ON, 2);
	sctlr(SCTLR_V, 0); /* neither C nor M */
	assert_state(SETWAY_ON, 2);
	sctlr(0, SCTLR_M);
	assert_state(SETWAY_ON, 3);
	sctlr(SCTLR_M | SCTLR_C, 0);
	assert_state(SETWAY_OFF, 4);
	assert_int_equal(read_hcr() & HCR_TVM, 0);
	operation(); /* and again */
	assert_state(SETWAY_ON, 5);
}

/* Any memory register: with the caches on the guest goes on as it is, with them off it is still on its way. */
static void test_setway_ends_on_any_write(void **state)
{
	(void)state;
	sctlr(SCTLR_M | SCTLR_C, 0);
	operation();
	assert_state(SETWAY_ON, 1);
	sctlr(0, SCTLR_C);
	assert_state(SETWAY_ON, 2);
	write15(CP_KEY(13, 0, 0, 1), 5); /* CONTEXTIDR */
	assert_state(SETWAY_ON, 2);
	sctlr(SCTLR_C, 0);
	assert_state(SETWAY_OFF, 3);
	operation();
	assert_state(SETWAY_ON, 4);
	assert_int_equal(coproc_cp15_64(&vcpu, &regs, iss64(CP_KEY64(0, 2), 3, 4, false)), EXIT_NEXT); /* TTBR0 */
	assert_state(SETWAY_OFF, 4); /* nothing changed: no flush */
	assert_int_equal(read_hcr() & HCR_TVM, 0);
}

/* The new SCTLR is in force before the flush: nothing is allocated behind it. */
static void test_setway_order(void **state)
{
	uint32_t hcr;

	(void)state;
	sctlr(SCTLR_M | SCTLR_C, 0);
	fake_machine.events = 0;
	operation();
	hcr = fake_find(SYSREG_hcr, 0);
	assert_true(hcr < fake_machine.events);
	assert_int_equal(fake_machine.event[hcr].value, HCR_VM | HCR_TSW | HCR_TVM);
}

/* Between two blocks: interrupts are served, whatever they ask of the vCPU comes before the next block. */
static void test_setway_preemption(void **state)
{
	(void)state;
	sctlr(SCTLR_M | SCTLR_C, 0);
	operation();
	assert_int_equal(flushes, 0); /* nothing happens inside the trap itself */
	for (uint32_t i = 0; i < ARRAY_SIZE(blocks); i++) {
		assert_int_equal(vcpu.thread.work, WORK_FLUSH);
		vcpu.thread.work = 0;
		irqs = 3;
		setway_flush_some(&vcpu);
		assert_int_equal(irqs, 0);
		assert_int_equal(flushes, i + 1);
		assert_int_equal(flushed[i], 0x800000000 + blocks[i]);
	}
	vcpu.thread.work = 0;
	setway_flush_some(&vcpu); /* finds the end */
	assert_int_equal(vcpu.thread.work, 0);
	assert_state(SETWAY_ON, 1);
}

/* A reset at the checkpoint between two blocks: the rest of the flush was the last life's. */
static void test_setway_reset_in_flush(void **state)
{
	(void)state;
	sctlr(SCTLR_M | SCTLR_C, 0);
	operation();
	vcpu.thread.work = 0;
	setway_flush_some(&vcpu);
	setway_reset(&vcpu);
	setway_flush_some(&vcpu);
	assert_int_equal(flushes, 1);
	assert_int_equal(vcpu.coproc.setway.state, SETWAY_WAIT);
}

/* Each vCPU goes its own way; the memory is one. */
static void test_setway_two_vcpus(void **state)
{
	struct vcpu other = {.vm = &vm, .index = 1, .hcr = HCR_VM | HCR_TSW, .coproc.model = &model};
	uint32_t before;

	(void)state;
	vm.uncached = 0;
	setway_reset(&vcpu);
	setway_reset(&other);
	assert_int_equal(vm.uncached, BIT(1) | BIT(2));
	sctlr(SCTLR_M | SCTLR_C, 0);
	assert_int_equal(vm.uncached, BIT(1));
	operation();
	assert_int_equal(vm.uncached, BIT(1) | BIT(2));
	assert_state(SETWAY_ON, 1);
	assert_int_equal(other.coproc.setway.state, SETWAY_WAIT);
	assert_true(other.hcr & HCR_TVM);
	before = flushes;
	write_sctlr(SCTLR_RESET); /* the other's hardware state */
	setway_operation(&other);
	assert_int_equal(other.thread.work, 0); /* its caches are off: deferred */
	setway_write_sctlr(&other, SCTLR_RESET | SCTLR_M | SCTLR_C);
	setway_after_write(&other);
	assert_int_equal(other.thread.work, WORK_FLUSH);
	while (other.thread.work & WORK_FLUSH) {
		other.thread.work = 0;
		setway_flush_some(&other);
	}
	assert_int_equal(flushes, before + ARRAY_SIZE(blocks));
	assert_int_equal(other.coproc.setway.state, SETWAY_OFF);
	assert_int_equal(vm.uncached, BIT(2));
	assert_int_equal(other.coproc.setway.flushes, 1);
	assert_int_equal(vcpu.coproc.setway.state, SETWAY_ON);
	assert_true(vcpu.hcr & HCR_TVM);
}

/* The counters: operations, changes, flushes, and TVM's way. */
static void test_setway_counters(void **state)
{
	const struct setway_cpu *sw = &vcpu.coproc.setway;

	(void)state;
	operation();
	sctlr(SCTLR_M | SCTLR_C, 0);
	finish_flush();
	operation();
	finish_flush();
	operation();
	sctlr(0, SCTLR_C);
	finish_flush();
	sctlr(SCTLR_C, 0);
	assert_state(SETWAY_OFF, 4);
	assert_int_equal(sw->ops, 3);
	assert_int_equal(sw->changes, 3);
	assert_int_equal(sw->tvm_on, 1);
	assert_int_equal(sw->tvm_off, 2);
}

static void test_setway_reset(void **state)
{
	(void)state;
	operation();
	setway_reset(&vcpu);
	sctlr(SCTLR_M | SCTLR_C, 0);
	assert_state(SETWAY_OFF, 0); /* the operation was the last life's */
	operation();
	setway_reset(&vcpu);
	assert_int_equal(vcpu.coproc.setway.state, SETWAY_WAIT);
	assert_true(vcpu.hcr & HCR_TVM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_tables, setup),
		cmocka_unit_test_setup(test_index_is_checked, setup),
		cmocka_unit_test_setup(test_find, setup),
		cmocka_unit_test_setup(test_every_encoding, setup),
		cmocka_unit_test_setup(test_directions, setup),
		cmocka_unit_test_setup(test_deny_line, setup),
		cmocka_unit_test_setup(test_deny_is_rate_limited, setup),
		cmocka_unit_test_setup(test_user_mode, setup),
		cmocka_unit_test_setup(test_deny_in_thumb, setup),
		cmocka_unit_test_setup(test_registers, setup),
		cmocka_unit_test_setup(test_actlr, setup),
		cmocka_unit_test_setup(test_cache_ids, setup),
		cmocka_unit_test_setup(test_os_lock, setup),
		cmocka_unit_test_setup(test_timer_registers, setup),
		cmocka_unit_test_setup(test_vfp_ids, setup),
		cmocka_unit_test_setup(test_vfp_owner, setup),
		cmocka_unit_test_setup(test_vfp_leave, setup),
		cmocka_unit_test_setup(test_harden, setup),
		cmocka_unit_test_setup(test_pmu_lazy, setup),
		cmocka_unit_test_setup(test_pmu_limits, setup),
		cmocka_unit_test_setup(test_pmu_clock, setup),
		cmocka_unit_test_setup(test_pmu_user, setup),
		cmocka_unit_test_setup(test_setway_none, setup_setway),
		cmocka_unit_test_setup(test_setway_deferred, setup_setway),
		cmocka_unit_test_setup(test_setway_when_on, setup_setway),
		cmocka_unit_test_setup(test_setway_keeps_abort, setup_setway),
		cmocka_unit_test_setup(test_setway_order, setup_setway),
		cmocka_unit_test_setup(test_setway_ends_on_any_write, setup_setway),
		cmocka_unit_test_setup(test_setway_preemption, setup_setway),
		cmocka_unit_test_setup(test_setway_reset_in_flush, setup_setway),
		cmocka_unit_test_setup(test_setway_two_vcpus, setup_setway),
		cmocka_unit_test_setup(test_setway_counters, setup_setway),
		cmocka_unit_test_setup(test_setway_reset, setup_setway),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
