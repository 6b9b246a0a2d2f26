/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's calls (DEN 0022 5, DEN 0028): ids, arguments, results, and that both conduits are one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arm/sysreg.h>

#include "coproc/model.h"
#include "hyp/lib/bits.h"
#include "hyp/vm/vm.h"
#include "hyp/vm/vmctl.h"
#include "psci/psci.h"
#include "psci/smccc.h"

struct percpu percpu[CPU_MAX];

static struct vm vm;
static struct vcpu vcpu = {.vm = &vm};

/* What was asked of the VM: a function, its arguments. */
enum asked { NOTHING, REQUEST, CPU_ON, CPU_OFF, STANDBY, POWER_DOWN, SYSTEM_SUSPEND, AFFINITY };
static struct {
	enum asked what;
	uint32_t a, b, c;
} asked;

#define RESULT 0x1234U /* of those that have one */

void vmctl_request(struct vm *of, enum vm_request request)
{
	assert_ptr_equal(of, &vm);
	asked.what = REQUEST;
	asked.a = request;
}

uint32_t vmctl_cpu_on(struct vm *of, uint32_t target, uint32_t entry, uint32_t context)
{
	assert_ptr_equal(of, &vm);
	asked.what = CPU_ON;
	asked.a = target;
	asked.b = entry;
	asked.c = context;
	return RESULT;
}

void vmctl_cpu_off(struct vcpu *v)
{
	assert_ptr_equal(v, &vcpu);
	asked.what = CPU_OFF;
}

void vmctl_standby(struct vcpu *v)
{
	assert_ptr_equal(v, &vcpu);
	asked.what = STANDBY;
}

uint32_t vmctl_cpu_suspend(struct vcpu *v, uint32_t entry, uint32_t context)
{
	assert_ptr_equal(v, &vcpu);
	asked.what = POWER_DOWN;
	asked.a = entry;
	asked.b = context;
	return RESULT;
}

uint32_t vmctl_system_suspend(struct vcpu *v, uint32_t entry, uint32_t context)
{
	assert_ptr_equal(v, &vcpu);
	asked.what = SYSTEM_SUSPEND;
	asked.a = entry;
	asked.b = context;
	return RESULT;
}

uint32_t vmctl_affinity_info(struct vm *of, uint32_t target, uint32_t level)
{
	assert_ptr_equal(of, &vm);
	asked.what = AFFINITY;
	asked.a = target;
	asked.b = level;
	return RESULT;
}

uint32_t model_workaround(const struct cpu_model *model, uint32_t id)
{
	(void)model, (void)id;
	return SMCCC_NOT_REQUIRED;
}

static int setup(void **state)
{
	(void)state;
	fake_machine_reset();
	write_htpidr((uintptr_t)&percpu[0]);
	return 0;
}

/* By one conduit: r0, with all other registers as they were (DEN 0028 2.6, SMCCC 1.1). */
static uint32_t call_by(bool smc, uint32_t id, uint32_t a, uint32_t b, uint32_t c)
{
	struct regs regs = {.r = {id, a, b, c}, .lr = 14}, before;
	enum exit_action action;

	for (uint32_t i = 4; i < 13; i++)
		regs.r[i] = i;
	before = regs;
	memset(&asked, 0, sizeof(asked));
	action = smc ? psci_smc(&vcpu, &regs, 0) : psci_hvc(&vcpu, &regs, 0);
	assert_int_equal(action, smc ? EXIT_NEXT : EXIT_AGAIN); /* ELR_hyp is behind an HVC, and at a trapped SMC */
	before.r[0] = regs.r[0];
	assert_memory_equal(&regs, &before, sizeof(regs));
	return regs.r[0];
}

static uint32_t call(uint32_t id, uint32_t a, uint32_t b, uint32_t c)
{
	uint32_t result = call_by(true, id, a, b, c);

	assert_int_equal(call_by(false, id, a, b, c), result);
	return result;
}

static void assert_asked(enum asked what, uint32_t a, uint32_t b, uint32_t c)
{
	assert_int_equal(asked.what, what);
	assert_int_equal(asked.a, a);
	assert_int_equal(asked.b, b);
	assert_int_equal(asked.c, c);
}

/* Every id of PSCI and its 64-bit twin, the SMCCC's own, and what is near: there, or NOT_SUPPORTED and nothing happens.
 */
static void ids(void **state)
{
	static const uint32_t there[] = {0, 1, 2, 3, 4, 6, 8, 9, 0xa, 0xe, 0x12};

	(void)state;
	for (uint32_t n = 0; n < 0x40; n++) {
		uint32_t id = PSCI_VERSION + n, has = 0;

		for (uint32_t i = 0; i < ARRAY_SIZE(there); i++)
			has |= there[i] == n;
		assert_int_equal(call(PSCI_FEATURES, id, 0, 0), has ? PSCI_SUCCESS : PSCI_NOT_SUPPORTED);
		if (!has)
			assert_int_equal(call(id, 0, 0, 0), PSCI_NOT_SUPPORTED);
		assert_int_equal(call(id | BIT(30), 0, 0, 0), PSCI_NOT_SUPPORTED);
		assert_int_equal(asked.what, NOTHING);
		assert_int_equal(call(PSCI_FEATURES, id | BIT(30), 0, 0), PSCI_NOT_SUPPORTED);
	}
	assert_int_equal(call(PSCI_VERSION, 0, 0, 0), 0x10001);
	assert_int_equal(call(PSCI_MIGRATE_INFO_TYPE, 0, 0, 0), 2);
	assert_int_equal(call(SMCCC_VERSION, 0, 0, 0), 0x10001);
	assert_int_equal(call(PSCI_FEATURES, SMCCC_VERSION, 0, 0), PSCI_SUCCESS);
	assert_int_equal(call(PSCI_FEATURES, SMCCC_ARCH_FEATURES, 0, 0), PSCI_NOT_SUPPORTED);
	assert_int_equal(call(0, 0, 0, 0), PSCI_NOT_SUPPORTED);
	assert_int_equal(call(~0U, 0, 0, 0), PSCI_NOT_SUPPORTED);
	assert_int_equal(call(0x04000000U, 0, 0, 0), PSCI_NOT_SUPPORTED); /* not a fast call */
	assert_int_equal(call(SMCCC_ARCH_FEATURES, SMCCC_VERSION, 0, 0), SMCCC_SUCCESS);
	assert_int_equal(call(SMCCC_ARCH_FEATURES, SMCCC_ARCH_FEATURES, 0, 0), SMCCC_SUCCESS);
	assert_int_equal(call(SMCCC_ARCH_FEATURES, SMCCC_ARCH_WORKAROUND_1, 0, 0), SMCCC_NOT_REQUIRED);
	assert_int_equal(call(SMCCC_ARCH_FEATURES, PSCI_VERSION, 0, 0), PSCI_NOT_SUPPORTED);
}

static void cpus(void **state)
{
	(void)state;
	assert_int_equal(call(PSCI_CPU_ON, 1, 0x40000001, 3), RESULT);
	assert_asked(CPU_ON, 1, 0x40000001, 3);
	assert_int_equal(call(PSCI_AFFINITY_INFO, 1, 2, 3), RESULT);
	assert_asked(AFFINITY, 1, 2, 0);
	call(PSCI_CPU_OFF, 1, 2, 3);
	assert_asked(CPU_OFF, 0, 0, 0);
}

/* 5.4.2, the original format, as PSCI_FEATURES says: state id, type, power level; the rest must be 0. */
static void suspend(void **state)
{
	(void)state;
	assert_int_equal(call(PSCI_CPU_SUSPEND, 0, 2, 3), PSCI_SUCCESS);
	assert_asked(STANDBY, 0, 0, 0);
	assert_int_equal(call(PSCI_CPU_SUSPEND, 0x0200ffff, 2, 3), PSCI_SUCCESS);
	assert_asked(STANDBY, 0, 0, 0);
	assert_int_equal(call(PSCI_CPU_SUSPEND, 0x03010000, 2, 3), RESULT);
	assert_asked(POWER_DOWN, 2, 3, 0);
	for (uint32_t bit = 0; bit < 32; bit++)
		if (BIT(bit) & ~0x0301ffffU) {
			assert_int_equal(call(PSCI_CPU_SUSPEND, BIT(bit), 2, 3), PSCI_INVALID_PARAMETERS);
			assert_asked(NOTHING, 0, 0, 0);
		}
	assert_int_equal(call(PSCI_SYSTEM_SUSPEND, 1, 2, 3), RESULT);
	assert_asked(SYSTEM_SUSPEND, 1, 2, 0);
}

static void system_calls(void **state)
{
	(void)state;
	call(PSCI_SYSTEM_OFF, 1, 2, 3);
	assert_asked(REQUEST, VM_REQUEST_OFF, 0, 0);
	call(PSCI_SYSTEM_RESET, 1, 2, 3);
	assert_asked(REQUEST, VM_REQUEST_RESET, 0, 0);
	call(PSCI_SYSTEM_RESET2, 0, 2, 3); /* warm; the cookie is a vendor's */
	assert_asked(REQUEST, VM_REQUEST_RESET, 0, 0);
	assert_int_equal(call(PSCI_SYSTEM_RESET2, 1, 0, 0), PSCI_INVALID_PARAMETERS);
	assert_asked(NOTHING, 0, 0, 0);
	assert_int_equal(call(PSCI_SYSTEM_RESET2, BIT(31), 0, 0), PSCI_NOT_SUPPORTED);
	assert_asked(NOTHING, 0, 0, 0);
}

static uint32_t hardened;

static void harden(void)
{
	hardened++;
}

static void workarounds(void **state)
{
	(void)state;
	assert_int_equal(call(SMCCC_ARCH_WORKAROUND_1, 0, 0, 0), PSCI_NOT_SUPPORTED);
	percpu[0].harden = harden;
	assert_int_equal(call(SMCCC_ARCH_WORKAROUND_1, 0, 0, 0), SMCCC_SUCCESS);
	assert_int_equal(call(SMCCC_ARCH_WORKAROUND_3, 0, 0, 0), SMCCC_SUCCESS);
	assert_int_equal(call(SMCCC_ARCH_WORKAROUND_2, 0, 0, 0), PSCI_NOT_SUPPORTED);
	assert_int_equal(hardened, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(ids, setup),         cmocka_unit_test_setup(cpus, setup),
		cmocka_unit_test_setup(suspend, setup),     cmocka_unit_test_setup(system_calls, setup),
		cmocka_unit_test_setup(workarounds, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
