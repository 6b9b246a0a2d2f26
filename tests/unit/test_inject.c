/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions injected into a guest: registers of the mode, vector, fault status, by which table of its own. */
#include "exit_rig.h"

/* --- exceptions
 * -------------------------------------------------------------------------------------------------------- */

#define FLAGS (PSR_N | PSR_C | 0x08000000U /* Q */ | 0x000f0000U /* GE */)

static const struct {
	uint32_t sctlr, psr, base;
} worlds[] = {
	{0, 0, 0x40008000},
	{SCTLR_TE, PSR_T, 0x40008000},
	{SCTLR_EE, PSR_E, 0x40008000},
	{SCTLR_V, 0, 0xffff0000},
	{SCTLR_V | SCTLR_TE | SCTLR_EE, PSR_T | PSR_E, 0xffff0000},
};

/* From ARM, big-endian, and from the middle of an IT block: none of that goes on into the handler. */
static const uint32_t origins[] = {
	PSR_MODE_USR | FLAGS,
	PSR_MODE_SVC | FLAGS | PSR_E,
	PSR_MODE_SVC | FLAGS | PSR_T | 0x0600fc00U,
	PSR_MODE_IRQ | FLAGS | PSR_F | PSR_A | PSR_I,
};

/* Run `inject` in each world from each origin; LR is PC plus `arm` or `thumb`. */
static void check_exception(void (*inject)(void), uint32_t mode, uint32_t vector, uint32_t masks, uint32_t arm,
			    uint32_t thumb, uint32_t (*lr)(void), uint32_t (*spsr)(void))
{
	for (uint32_t w = 0; w < ARRAY_SIZE(worlds); w++)
		for (uint32_t o = 0; o < ARRAY_SIZE(origins); o++) {
			write_sctlr(worlds[w].sctlr);
			write_elr_hyp(PC);
			write_spsr_hyp(origins[o]);
			inject();
			assert_int_equal(read_elr_hyp(), worlds[w].base + vector);
			assert_int_equal(read_spsr_hyp(),
					 mode | FLAGS | masks | worlds[w].psr | (origins[o] & (PSR_A | PSR_F | PSR_I)));
			assert_int_equal(lr(), PC + (origins[o] & PSR_T ? thumb : arm));
			assert_int_equal(spsr(), origins[o]);
		}
}

static void undef(void)
{
	inject_undef(&vcpu);
}

static void test_undef(void **state)
{
	(void)state;
	check_exception(undef, PSR_MODE_UND, 0x04, PSR_I, 4, 2, read_lr_und, read_spsr_und);
}

static void test_data_abort(void **state)
{
	(void)state;
	check_exception(data_abort, PSR_MODE_ABT, 0x10, PSR_I | PSR_A, 8, 8, read_lr_abt, read_spsr_abt);
	assert_int_equal(read_dfar(), 0x12345678);
	assert_int_equal(read_dfsr(), 0x008); /* synchronous external, short format */
	write_hsr(ISS_DABT_WNR);
	data_abort();
	assert_int_equal(read_dfsr(), 0x808);
	write_ttbcr(BIT(31)); /* EAE */
	data_abort();
	assert_int_equal(read_dfsr(), 0xa10);
	write_hsr(0);
	data_abort();
	assert_int_equal(read_dfsr(), 0x210);
}

static void test_prefetch_abort(void **state)
{
	(void)state;
	check_exception(prefetch_abort, PSR_MODE_ABT, 0x0c, PSR_I | PSR_A, 4, 4, read_lr_abt, read_spsr_abt);
	assert_int_equal(read_ifar(), 0x12345678);
	assert_int_equal(read_ifsr(), 0x008);
	write_hsr(ISS_DABT_WNR); /* no such thing as a fetch that writes */
	write_ttbcr(BIT(31));
	prefetch_abort();
	assert_int_equal(read_ifsr(), 0x210);
}

static uint32_t walk_fsr(uint32_t va, uint64_t table)
{
	inject_walk_abort(&vcpu, va, ipa(table), false);
	assert_int_equal(read_dfar(), va);
	inject_walk_abort(&vcpu, va, ipa(table), true);
	assert_int_equal(read_ifar(), va);
	assert_int_equal(read_ifsr(), read_dfsr());
	return read_dfsr();
}

/* Short descriptors: level 1 lies at TTBR0 (16 KiB >> N) or TTBR1 (16 KiB); the rest is level 2. */
static void test_walk_short(void **state)
{
	(void)state;
	write_ttbr0(0x4000406a);
	write_ttbr1(0x4000806a);
	for (uint32_t page = 0; page < 4; page++)
		assert_int_equal(walk_fsr(0x1000, 0x40004000 + page * 0x1000), 0x00c);
	assert_int_equal(walk_fsr(0x1000, 0x40003000), 0x00e);
	assert_int_equal(walk_fsr(0x1000, 0x40008000), 0x00e); /* N = 0: TTBR1 is not used */
	write_ttbcr(2);
	assert_int_equal(walk_fsr(0x1000, 0x40004000), 0x00c);
	assert_int_equal(walk_fsr(0x1000, 0x40005000), 0x00e); /* 4 KiB now */
	assert_int_equal(walk_fsr(0xf0000000, 0x4000b000), 0x00c);
}

/* Long descriptors: the walk is followed as far as its tables can be read. */
static void test_walk_long(void **state)
{
	(void)state;
	write_ttbcr(BIT(31));
	write_ttbr0_64(0x0001000040004000);
	assert_int_equal(walk_fsr(0x40000000, 0x40004000), 0x215);
	table_at = 0x40004008;
	table_entry = 0x40006003;
	assert_int_equal(walk_fsr(0x40000000, 0x40006000), 0x216);
	assert_int_equal(walk_fsr(0x40000000, 0x40007000), 0x217);
	write_ttbcr(BIT(31) | 1U << 16 | 1U); /* two halves, T1SZ = T0SZ = 1: level 1 still */
	write_ttbr1_64(0x40009000);
	assert_int_equal(walk_fsr(0x80000000, 0x40009000), 0x215);
	assert_int_equal(walk_fsr(0x7fffffff, 0x40004000), 0x215);
	for (uint32_t at = 0x40009000; at < 0x40009040; at += 16) { /* each half has a table of two entries */
		write_ttbr0_64(at);
		write_ttbr1_64(at);
		table_at = at + 8U;
		assert_int_equal(walk_fsr(0xc0000000, 0x40006000), 0x216);
		assert_int_equal(walk_fsr(0xc0000000, 0x40007000), 0x217);
		assert_int_equal(walk_fsr(0x40000000, 0x40006000), 0x216);
	}
	write_ttbr0_64(0x40004000);
	write_ttbr1_64(0x40009000);
	write_ttbcr(BIT(31) | 2U << 16 | 2U); /* a quarter each: they start at level 2 */
	assert_int_equal(walk_fsr(0xc0000000, 0x40009000), 0x216);
	assert_int_equal(walk_fsr(0xc0000000, 0x4000a000), 0x217);
	write_ttbcr(BIT(31) | 3U); /* T1SZ = 0: everything above TTBR0's is TTBR1's, from level 1 */
	assert_int_equal(walk_fsr(0x20000000, 0x40009000), 0x215);
	assert_int_equal(walk_fsr(0x1fffffff, 0x40004000), 0x216);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_undef, setup),          cmocka_unit_test_setup(test_data_abort, setup),
		cmocka_unit_test_setup(test_prefetch_abort, setup), cmocka_unit_test_setup(test_walk_short, setup),
		cmocka_unit_test_setup(test_walk_long, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
