/* SPDX-License-Identifier: BSD-2-Clause */
/* Coprocessor traps: the tables' order, what each row allows, deny by default with its line, VFP ownership. */
#include "coproc_rig.h"

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
		{CP_KEY(1, 0, 0, 2), false, false},  /* CPACR is not trapped; if it were, it would be UNDEF */
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

/* The selection is the core's, which each vCPU has for itself (hyp/arm/context.def); what it selects is the model's. */
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
