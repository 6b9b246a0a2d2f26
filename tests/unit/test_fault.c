/* SPDX-License-Identifier: BSD-2-Clause */
/* Which of HYP's own aborts go on at a fixup, and which end virt7. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "fake_machine.h"
#include "hyp/debug/fault.h"
#include "hyp/vm/memfound.h"
#include "hyp/lib/bits.h"
#include "mm/layout.h"

#define DATA     4U
#define UNDEF    1U
#define PREFETCH 3U

/* The image's table, in the order of the linker script. */
const struct fault_range extable_start[] = {
	{0x1000, 0x1010, 0x2000, FAULT_MEMORY_FOUND},
	{0x1010, 0x1018, 0x3000, FAULT_MEMORY},
	{0x1020, 0x1024, 0x4000, FAULT_UNDEFINED},
	{0x1030, 0x1034, 0x5000, FAULT_MEMORY_AT_R1},
};
extern const struct fault_range extable_end[];
__asm__(".globl extable_end\n.set extable_end, extable_start + 64");

static jmp_buf panicked;

void panic_exception(const struct panic_frame *frame)
{
	(void)frame;
	longjmp(panicked, 1);
}

static uint32_t finds;
static uint64_t found_at;

void memerr_found(pa_t at)
{
	finds++;
	found_at = at.v;
}

#define GUESTS_PAR UINT64_C(0x123456789)

static uint32_t fault_va;
static uint64_t par_of_va; /* 0: HYP has nothing there any more */

static void translate(uint32_t reg, uint64_t va)
{
	(void)reg;
	fake_machine.reg[SYSREG_par_64] = par_of_va && va == fault_va ? par_of_va : 1U;
}

static uint32_t to, from; /* what the copy has in r0 and r1 */

/* Where HYP goes on; 0: it panicked. */
static uint32_t go_on(uint32_t pc, uint32_t vector, uint32_t ec, uint32_t fsc)
{
	struct panic_frame frame = {.r = {to, from}, .pc = pc, .vector = vector};

	fake_machine_reset();
	fake_machine.on_write[SYSREG_ats1hr] = translate;
	fake_write(SYSREG_par_64, GUESTS_PAR);
	finds = 0;
	fake_write(SYSREG_hsr, ec << 26 | fsc);
	fake_write(SYSREG_hdfar, fault_va);
	if (setjmp(panicked))
		return 0;
	fault_handle(&frame);
	return frame.pc;
}

/* A page of a guest's that is left out where HYP sees its RAM; anywhere else a hole is a bug. */
static void test_holes(void **state)
{
	static const struct {
		uint32_t va, want;
	} at[] = {{LAYOUT_WINDOWS - 1U, 0}, {LAYOUT_WINDOWS, 0x2000}, {LAYOUT_WINDOWS_END - 1U, 0x2000},
		  {LAYOUT_WINDOWS_END, 0},  {LAYOUT_RINGS, 0x2000},   {LAYOUT_RINGS_END, 0},
		  {LAYOUT_HEAP, 0},         {LAYOUT_STACKS, 0},       {0, 0}};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(at); i++) {
		fault_va = at[i].va;
		for (uint32_t level = 1; level <= 3; level++)
			assert_int_equal(go_on(0x1004, DATA, EC_DABT_HYP, FSC_TRANSLATION | level), at[i].want);
		assert_int_equal(go_on(0x1004, DATA, EC_DABT_HYP, FSC_PERMISSION | 3U), 0);
		assert_int_equal(go_on(0x1018, DATA, EC_DABT_HYP, FSC_TRANSLATION | 3U), 0);
	}
	fault_va = 0;
}

static void test_ranges(void **state)
{
	static const uint32_t want[][2] = {{0xffc, 0},       {0x1000, 0x2000}, {0x100c, 0x2000},
					   {0x1010, 0x3000}, {0x1014, 0x3000}, {0x1018, 0}};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_int_equal(go_on(want[i][0], DATA, EC_DABT_HYP, FSC_EXTERNAL), want[i][1]);
}

/* A bug inside of a copy is a bug: no other kind of fault is forgiven. */
static void test_kinds(void **state)
{
	(void)state;
	for (uint32_t fsc = 0; fsc < 64; fsc++)
		assert_int_equal(go_on(0x1004, DATA, EC_DABT_HYP, fsc), fsc == 0x10 || fsc == 0x18 ? 0x2000 : 0);
	assert_int_equal(go_on(0x1004, PREFETCH, EC_PABT_HYP, FSC_EXTERNAL), 0);
	assert_int_equal(go_on(0x1004, DATA, EC_DABT_GUEST, FSC_EXTERNAL), 0);
}

/* By HYP's own tables, and PAR, which is a guest's, stays. A hole is known, and whoever zeroes sees to it himself. */
static void test_found(void **state)
{
	(void)state;
	fault_va = LAYOUT_WINDOWS + 0x12345U;
	par_of_va = UINT64_C(0xff87654000) | 0x380U; /* attributes below the address */
	go_on(0x1004, DATA, EC_DABT_HYP, FSC_EXTERNAL);
	assert_int_equal(finds, 0); /* an address of no memory */
	to = fault_va + 128U;
	assert_int_equal(go_on(0x1004, DATA, EC_DABT_HYP, FSC_EXTERNAL), 0x2000);
	assert_int_equal(finds, 1);
	to = 0;
	from = fault_va + 129U;
	go_on(0x1004, DATA, EC_DABT_HYP, FSC_EXTERNAL);
	assert_int_equal(finds, 0);
	from = fault_va - 127U;
	assert_int_equal(go_on(0x1004, DATA, EC_DABT_HYP, FSC_EXTERNAL), 0x2000);
	assert_true(finds == 1 && found_at == UINT64_C(0x87654000) + UINT64_C(0xff00000000));
	assert_int_equal(fake_read(SYSREG_par_64), GUESTS_PAR);
	assert_int_equal(go_on(0x1004, DATA, EC_DABT_HYP, FSC_EXTERNAL | FSC_PARITY), 0x2000);
	assert_int_equal(finds, 1);
	go_on(0x1004, DATA, EC_DABT_HYP, FSC_TRANSLATION | 3U);
	assert_int_equal(finds, 0);
	go_on(0x1014, DATA, EC_DABT_HYP, FSC_EXTERNAL);
	assert_int_equal(finds, 0);
	go_on(0x1004, DATA, EC_DABT_HYP, FSC_EXTERNAL | ISS_FNV);
	assert_int_equal(finds, 0);
	assert_int_equal(go_on(0x1030, DATA, EC_DABT_HYP, FSC_EXTERNAL), 0x5000);
	assert_int_equal(finds, 1);
	to = fault_va; /* a number that is so by chance, or by a guest's choice */
	from = 0;
	assert_int_equal(go_on(0x1030, DATA, EC_DABT_HYP, FSC_EXTERNAL), 0x5000);
	assert_int_equal(finds, 0);
	par_of_va = to = 0;
	from = fault_va;
	assert_int_equal(go_on(0x1004, DATA, EC_DABT_HYP, FSC_EXTERNAL), 0x2000);
	assert_int_equal(finds, 0);
	fault_va = from = 0;
}

/* An instruction that may be missing, and no other. */
static void test_undefined(void **state)
{
	(void)state;
	assert_int_equal(go_on(0x1020, UNDEF, EC_UNKNOWN, 0), 0x4000);
	assert_int_equal(go_on(0x1024, UNDEF, EC_UNKNOWN, 0), 0);
	assert_int_equal(go_on(0x1004, UNDEF, EC_UNKNOWN, 0), 0);
	assert_int_equal(go_on(0x1020, DATA, EC_DABT_HYP, FSC_EXTERNAL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges), cmocka_unit_test(test_holes),     cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_found),  cmocka_unit_test(test_undefined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
