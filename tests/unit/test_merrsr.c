/* SPDX-License-Identifier: BSD-2-Clause */
/* What Cortex-A15's error records say, once, on that core only, and with the exit's registers as they were. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arm/sysreg.h>

#include "fake_log.h"
#include "fake_machine.h"
#include "hyp/arm/checked.h"
#include "hyp/host/merrsr.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/cpu.h"

#define A15 0x412fc0f1U
#define A7  0x410fc075U

static bool missing; /* an emulator's */
static uint32_t takes;
static uint64_t cpu, l2;
static struct cpu_head head;

static int take(uint64_t *from, uint64_t *value)
{
	takes++;
	write_elr_hyp(0xdead);
	write_spsr_hyp(0xdead);
	if (missing)
		return -EIO;
	*value = *from;
	*from = 0;
	return 0;
}

int cpumerrsr_take(uint64_t *value)
{
	return take(&cpu, value);
}

int l2merrsr_take(uint64_t *value)
{
	return take(&l2, value);
}

static void look(uint32_t midr)
{
	fake_log_reset();
	takes = 0;
	fake_write(SYSREG_midr, midr);
	write_htpidr((uintptr_t)&head);
	write_elr_hyp(0x1234);
	write_spsr_hyp(0x5678);
	merrsr_say();
	assert_true(read_elr_hyp() == 0x1234 && read_spsr_hyp() == 0x5678);
}

static void test_cores(void **state)
{
	(void)state;
	look(A7);
	assert_int_equal(takes, 0);
	look(A15);
	assert_int_equal(takes, 2);
	assert_string_equal(fake_log_last(LOG_ERR), "");
	missing = true;
	look(A15);
	assert_int_equal(takes, 2);
	assert_string_equal(fake_log_last(LOG_ERR), "");
	missing = false;
}

static void test_records(void **state)
{
	(void)state;
	cpu = BIT64(63) | UINT64_C(2) << 40 | UINT64_C(7) << 32 | BIT64(31) | 9U << 24 | 0x40123U;
	look(A15);
	assert_string_equal(fake_log_last(LOG_ERR),
			    "host: CPU 0: CPUMERRSR 0x8000020789040123: a fatal error in L1 data, at "
			    "0x40123; 7 more there, 2 elsewhere");
	look(A15);
	assert_string_equal(fake_log_last(LOG_ERR), "");
	l2 = BIT64(31) | 0x12U << 24;
	look(A15);
	assert_string_equal(fake_log_last(LOG_ERR),
			    "host: CPU 0: L2MERRSR 0x0000000092000000: a corrected error in L2 snoop "
			    "tags, at 0x0; 0 more there, 0 elsewhere");
	l2 = BIT64(63); /* not valid */
	look(A15);
	assert_string_equal(fake_log_last(LOG_ERR), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cores),
		cmocka_unit_test(test_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
