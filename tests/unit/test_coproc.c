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
#include "coproc/row.h"
#include "coproc/setway.h"
#include "hyp/guestmem.h"
#include "hyp/vm.h"
#include "mm/cache.h"
#include "mm/hypmap.h"
#include "vtimer/vtimer.h"

#define PC 0x40001000U

static struct percpu cpu;
static struct vm vm;
static struct vcpu vcpu = {.vm = &vm, .index = 2};
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

bool vfp_read_id(uint32_t number, uint32_t *value)
{
	*value = 0x41030000U | number;
	return number == 0 || number == 6 || number == 7;
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
	for (uint32_t i = 0; i < ARRAY_SIZE(blocks); i++)
		if (blocks[i] + BLOCK_SIZE > at->v) {
			*at = ipa(blocks[i]);
			*to = pa(blocks[i] + 0x800000000);
			return true;
		}
	return false;
}

uint8_t *hyp_window_open(pa_t at)
{
	assert_int_equal(windows++, 0);
	assert_in_range(flushes, 0, ARRAY_SIZE(flushed) - 1);
	flushed[flushes] = at.v;
	return (uint8_t *)&flushed[flushes];
}

void hyp_window_close(void)
{
	assert_int_equal(windows--, 1);
}

void cache_clean_invalidate(const void *start, size_t len)
{
	assert_ptr_equal(start, &flushed[flushes]);
	assert_int_equal(len, BLOCK_SIZE);
	flushes++;
}

/* --- driving it
 * --------------------------------------------------------------------------------------------------------*/

static int setup(void **state)
{
	(void)state;
	fake_machine_reset();
	memset(&cpu, 0, sizeof(cpu));
	memset(&regs, 0, sizeof(regs));
	write_htpidr((uintptr_t)&cpu);
	cpu.vcpu = cpu.loaded = &vcpu;
	strcpy(vm.config.name, "one");
	lines = flushes = 0;
	budget = ~0U;
	vcpu.hcr = HCR_VM | HCR_TSW;
	coproc_reset(&vcpu);
	write_elr_hyp(PC);
	write_spsr_hyp(PSR_MODE_SVC);
	write_vbar(0x40008000);
	return 0;
}

static uint32_t iss32(uint16_t key, uint32_t rt, bool read)
{
	return (key & 7U) << 17 | (key >> 7 & 7U) << 14 | (uint32_t)key >> 10 << 10 | rt << 5 | (key >> 3 & 15U) << 1 |
	       read;
}

static uint32_t iss64(uint16_t key, uint32_t rt, uint32_t rt2, bool read)
{
	return (key >> 7 & 15U) << 16 | rt2 << 10 | rt << 5 | (key >> 3 & 15U) << 1 | read;
}

static enum exit_action access15(uint16_t key, uint32_t rt, bool read)
{
	return coproc_cp15_32(&vcpu, &regs, iss32(key, rt, read));
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

static const struct cp_table *const tables[] = {&cp15_table, &cp15_table64, &cp14_table};

static void test_tables(void **state)
{
	(void)state;
	assert_int_equal(coproc_init(), 0);
	for (uint32_t t = 0; t < ARRAY_SIZE(tables); t++) {
		for (uint32_t i = 0; i < tables[t]->count; i++) {
			const struct cp_row *row = &tables[t]->row[i];

			if (i)
				assert_true(row[-1].key < row->key);
			assert_true(row->read || row->write);
			assert_non_null(row->name);
			assert_ptr_equal(cp_find(tables[t], row->key), row);
		}
	}
}

static void test_sorted_is_checked(void **state)
{
	struct cp_row rows[] = {{.key = 1}, {.key = 2}, {.key = 3}};
	struct cp_table table = {"test", rows, 3};

	(void)state;
	assert_true(cp_table_sorted(&table));
	rows[1].key = 3;
	assert_false(cp_table_sorted(&table));
	rows[1].key = 4;
	assert_false(cp_table_sorted(&table));
	table.count = 1;
	assert_true(cp_table_sorted(&table));
	table.count = 0;
	assert_true(cp_table_sorted(&table));
	assert_null(cp_find(&table, 1));
}

/* Every key there is: the row or nothing. */
static void test_find(void **state)
{
	(void)state;
	for (uint32_t t = 0; t < ARRAY_SIZE(tables); t++) {
		uint32_t found = 0;

		for (uint32_t key = 0; key <= 0xffff; key++) {
			const struct cp_row *row = cp_find(tables[t], (uint16_t)key);

			assert_true(!row || row->key == key);
			found += row != NULL;
		}
		assert_int_equal(found, tables[t]->count);
	}
}

/* All 16384 encodings of MCR and MRC: what has a row with that direction is done, the rest is UNDEF with a line. */
static void test_every_encoding(void **state)
{
	(void)state;
	for (uint32_t t = 0; t < 2; t++) {
		const struct cp_table *table = t ? &cp14_table : &cp15_table;
		exit_fn trap = t ? coproc_cp14_32 : coproc_cp15_32;

		for (uint32_t key = 0; key < BIT(14); key++)
			for (uint32_t read = 0; read < 2; read++) {
				const struct cp_row *row = cp_find(table, (uint16_t)key);
				uint32_t before = lines;
				enum exit_action action;

				fake_machine.events = 0;
				flushes = 0;
				action = trap(&vcpu, &regs, iss32((uint16_t)key, 3, read));
				if (row && (read ? row->read != NULL : row->write != NULL)) {
					assert_int_equal(action, EXIT_NEXT);
					assert_int_equal(read_elr_hyp(), PC); /* hyp/exit.c moves it */
					assert_int_equal(lines, before);
				} else {
					assert_undef(action);
					assert_int_equal(lines, before + 1);
				}
			}
	}
}

static void test_directions(void **state)
{
	static const struct {
		uint16_t key;
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
		{CP_KEY(9, 0, 12, 0), false, false}, /* PMCR */
		{CP_KEY(12, 0, 0, 1), false, false}, /* MVBAR */
		{CP_KEY(13, 0, 0, 1), true, true},   /* CONTEXTIDR */
		{CP_KEY(14, 0, 2, 1), true, true},   /* CNTP_CTL */
	};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct cp_row *row = cp_find(&cp15_table, rows[i].key);

		assert_int_equal(row && row->read, rows[i].read);
		assert_int_equal(row && row->write, rows[i].write);
	}
}

static void test_deny_line(void **state)
{
	(void)state;
	assert_undef(access15(CP_KEY(9, 0, 12, 5), 0, false)); /* PMSELR */
	assert_string_equal(line, "vm one: vcpu 2: cp15 {CP_KEY(9, 0, 12, 5)} write at pc 0x40001000: UNDEF");
	assert_undef(coproc_cp14_32(&vcpu, &regs, iss32(CP_KEY(15, 7, 15, 7), 0, true)));
	assert_string_equal(line, "vm one: vcpu 2: cp14 {CP_KEY(15, 7, 15, 7)} read at pc 0x40001000: UNDEF");
	assert_undef(coproc_cp15_64(&vcpu, &regs, iss64(CP_KEY64(0, 14), 0, 1, false))); /* CNTPCT is read-only */
	assert_string_equal(line, "vm one: vcpu 2: cp15_64 {CP_KEY(0, 0, 14, 0)} write at pc 0x40001000: UNDEF");
	assert_undef(coproc_cp14_64(&vcpu, &regs, iss64(CP_KEY64(0, 1), 0, 1, false)));
	assert_int_equal(lines, 4);
}

static void test_deny_is_rate_limited(void **state)
{
	(void)state;
	budget = 3;
	for (uint32_t i = 0; i < 10; i++)
		assert_undef(access15(CP_KEY(15, 0, 0, 0), 0, true));
	assert_int_equal(lines, 3);
}

/* LR_und is behind the instruction: Thumb counts 2 (B1.9.2). */
static void test_deny_in_thumb(void **state)
{
	(void)state;
	write_spsr_hyp(PSR_MODE_SVC | PSR_T | 0x0600fc00U);
	assert_int_equal(access15(CP_KEY(15, 0, 0, 0), 0, true), EXIT_AGAIN);
	assert_int_equal(read_lr_und(), PC + 2);
	assert_int_equal(read_spsr_und(), PSR_MODE_SVC | PSR_T | 0x0600fc00U);
	assert_int_equal(read_spsr_hyp(), PSR_MODE_UND | PSR_I);
}

/* Rt and Rt2 by number and mode. */
static void test_registers(void **state)
{
	(void)state;
	fake_machine.reg[SYSREG_ctr] = 0x84448003;
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

/* What a guest must not see, whatever the core has. */
static void test_hidden(void **state)
{
	(void)state;
	fake_machine.reg[SYSREG_id_pfr1] = 0x00011011; /* A15 */
	fake_machine.reg[SYSREG_id_dfr0] = 0x02010555;
	assert_int_equal(access15(CP_KEY(0, 0, 1, 1), 0, true), EXIT_NEXT);
	assert_int_equal(regs.r[0], 0x00010001); /* the timer stays; no Security, no Virtualization Extensions */
	assert_int_equal(access15(CP_KEY(0, 0, 1, 2), 0, true), EXIT_NEXT);
	assert_int_equal(regs.r[0], 0);
	assert_int_equal(access15(CP_KEY(1, 0, 0, 1), 1, true), EXIT_NEXT);
	assert_int_equal(regs.r[1], BIT(6)); /* ACTLR.SMP */
	regs.r[1] = 0;
	assert_int_equal(access15(CP_KEY(1, 0, 0, 1), 1, false), EXIT_NEXT);
	assert_int_equal(access15(CP_KEY(1, 0, 0, 1), 1, true), EXIT_NEXT);
	assert_int_equal(regs.r[1], BIT(6));
	assert_int_equal(read_actlr(), 0); /* never the core's own */
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
	assert_int_equal(coproc_cp10_id(&vcpu, &regs, iss32(CP_KEY(7, 0, 0, 0), 4, true)), EXIT_NEXT); /* MVFR0 */
	assert_int_equal(regs.r[4], 0x41030007);
	assert_undef(coproc_cp10_id(&vcpu, &regs, iss32(CP_KEY(5, 0, 0, 0), 4, true)));
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

/* --- set/way
 * ---------------------------------------------------------------------------------------------------------- */

static void assert_state(enum setway_state expected, uint32_t times)
{
	assert_int_equal(vcpu.coproc.setway, expected);
	assert_int_equal(!!(vcpu.hcr & HCR_TVM), expected != SETWAY_OFF);
	assert_int_equal(vcpu.hcr & ~HCR_TVM, HCR_VM | HCR_TSW);
	assert_int_equal(flushes, times * ARRAY_SIZE(blocks)); /* every touched block, and no other */
	for (uint32_t i = 0; i < flushes; i++)
		assert_int_equal(flushed[i], 0x800000000 + blocks[i % ARRAY_SIZE(blocks)]);
	assert_int_equal(vcpu.coproc.setway_flushes, times);
}

static int setup_setway(void **state)
{
	setup(state);
	memset(&vcpu.coproc, 0, sizeof(vcpu.coproc));
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
	assert_int_equal(vcpu.coproc.setway_ops, 1000);
	sctlr(SCTLR_I, 0);
	assert_state(SETWAY_WAIT, 0);
	sctlr(SCTLR_M | SCTLR_C, 0);
	assert_state(SETWAY_OFF, 1);
	assert_int_equal(read_hcr() & HCR_TVM, 0);
	assert_false(vcpu.coproc.setway_deferred);
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
	sctlr(SCTLR_V, 0); /* neither C nor M */
	assert_state(SETWAY_ON, 1);
	sctlr(0, SCTLR_C);
	assert_state(SETWAY_ON, 2);
	sctlr(0, SCTLR_C);
	assert_state(SETWAY_ON, 2);
	sctlr(0, SCTLR_M);
	assert_state(SETWAY_ON, 3);
	sctlr(SCTLR_M | SCTLR_C, 0);
	assert_state(SETWAY_OFF, 4);
	assert_int_equal(read_hcr() & HCR_TVM, 0);
	operation(); /* and again */
	assert_state(SETWAY_ON, 5);
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

static void test_setway_reset(void **state)
{
	(void)state;
	operation();
	setway_reset(&vcpu);
	sctlr(SCTLR_M | SCTLR_C, 0);
	assert_state(SETWAY_OFF, 0); /* the operation was the last life's */
	operation();
	setway_reset(&vcpu);
	assert_int_equal(vcpu.coproc.setway, SETWAY_WAIT);
	assert_true(vcpu.hcr & HCR_TVM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_tables, setup),
		cmocka_unit_test_setup(test_sorted_is_checked, setup),
		cmocka_unit_test_setup(test_find, setup),
		cmocka_unit_test_setup(test_every_encoding, setup),
		cmocka_unit_test_setup(test_directions, setup),
		cmocka_unit_test_setup(test_deny_line, setup),
		cmocka_unit_test_setup(test_deny_is_rate_limited, setup),
		cmocka_unit_test_setup(test_deny_in_thumb, setup),
		cmocka_unit_test_setup(test_registers, setup),
		cmocka_unit_test_setup(test_hidden, setup),
		cmocka_unit_test_setup(test_timer_registers, setup),
		cmocka_unit_test_setup(test_vfp_ids, setup),
		cmocka_unit_test_setup(test_vfp_owner, setup),
		cmocka_unit_test_setup(test_setway_none, setup_setway),
		cmocka_unit_test_setup(test_setway_deferred, setup_setway),
		cmocka_unit_test_setup(test_setway_when_on, setup_setway),
		cmocka_unit_test_setup(test_setway_order, setup_setway),
		cmocka_unit_test_setup(test_setway_reset, setup_setway),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
