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
#include "hyp/run/sched.h"
#include "hyp/vm/vm.h"
#include "hyp/vm/vmctl.h"
#include "psci/psci.h"
#include "psci/smccc.h"
#include "vgic/vgic.h"
#include "vtimer/vtimer.h"

struct percpu percpu[CPU_MAX];

static struct vcpu vcpu, other;
static struct vm vm = {.vcpu = {&vcpu, &other}, .vcpu_count = 2};

#define RAM  0x40000000U
#define OUT  0x3ffffffeU
#define PC_T 0x40000001U

/* What was asked of the VM: a function, its arguments. */
enum asked { NOTHING, REQUEST, ENTRY, STANDBY };
static struct {
	enum asked what;
	uint32_t a, b;
	struct vcpu *of;
	uint32_t woken, stopped, timers_off, interrupts_off;
} asked;

void vmctl_request(struct vm *of, enum vm_request request)
{
	assert_ptr_equal(of, &vm);
	asked.what = REQUEST;
	asked.a = request;
}

void vmctl_set_entry(struct vcpu *v, uint32_t pc, uint32_t r0, uint32_t r1, uint32_t r2)
{
	assert_int_equal(vm.lock.held, 1);
	assert_int_equal(r1 | r2, 0);
	asked.what = ENTRY;
	asked.of = v;
	asked.a = pc;
	asked.b = r0;
}

bool vm_ram_pa(const struct vm *of, ipa_t at, pa_t *to)
{
	assert_ptr_equal(of, &vm);
	*to = pa(at.v);
	return at.v >= RAM;
}

void vtimer_reset_cpu(struct vcpu *v)
{
	asked.timers_off |= BIT(v == &other);
}

void vgic_reset_cpu(struct vcpu *v, bool private_too)
{
	assert_false(private_too);
	asked.interrupts_off |= BIT(v == &other);
}

bool vgic_has_pending(struct vcpu *v)
{
	return false;
}

bool vtimer_doze(struct vcpu *v)
{
	return false;
}

void sched_wake(struct thread *thread)
{
	asked.woken |= BIT(thread == &other.thread);
}

void sched_request(struct thread *thread, uint32_t work)
{
	assert_int_equal(work, WORK_STOP);
	asked.stopped |= BIT(thread == &other.thread);
}

void sched_block(void)
{
	asked.what = STANDBY;
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
	vcpu = (struct vcpu){.vm = &vm, .power = VCPU_ON};
	other = (struct vcpu){.vm = &vm, .index = 1};
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

static void assert_asked(enum asked what, uint32_t a, uint32_t b)
{
	assert_int_equal(asked.what, what);
	assert_int_equal(asked.a, a);
	assert_int_equal(asked.b, b);
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
	assert_int_equal(call(PSCI_AFFINITY_INFO, 1, 0, 3), 1);
	assert_int_equal(call(PSCI_AFFINITY_INFO, 0, 0, 3), 0);
	assert_int_equal(call(PSCI_AFFINITY_INFO, 0, 1, 3), PSCI_INVALID_PARAMETERS);
	assert_int_equal(call(PSCI_AFFINITY_INFO, 2, 0, 3), PSCI_INVALID_PARAMETERS);
	assert_int_equal(call(PSCI_AFFINITY_INFO, MACHINE_MAX_CPUS, 0, 3), PSCI_INVALID_PARAMETERS);
	assert_int_equal(call(PSCI_CPU_ON, 1, PC_T, 3), PSCI_SUCCESS);
	assert_asked(ENTRY, PC_T, 3);
	assert_ptr_equal(asked.of, &other);
	assert_int_equal(asked.woken, 2);
	assert_int_equal(call(PSCI_CPU_ON, 1, OUT, 3), PSCI_INVALID_ADDRESS);
	assert_int_equal(call(PSCI_CPU_ON, 2, PC_T, 3), PSCI_INVALID_PARAMETERS);
	assert_int_equal(call(PSCI_CPU_ON, 0, PC_T, 3), PSCI_ALREADY_ON);
	assert_asked(NOTHING, 0, 0);
	assert_int_equal(asked.woken, 0);
	call(PSCI_CPU_OFF, 1, 2, 3);
	assert_int_equal(vcpu.power, VCPU_OFF);
	assert_true(asked.stopped == 1 && asked.timers_off == 1 && asked.interrupts_off == 1);
}

/* 5.4.2, the original format, as PSCI_FEATURES says: state id, type, power level; the rest must be 0. */
static void suspend(void **state)
{
	(void)state;
	assert_int_equal(call(PSCI_CPU_SUSPEND, 0, OUT, 3), PSCI_SUCCESS);
	assert_asked(STANDBY, 0, 0);
	assert_int_equal(call(PSCI_CPU_SUSPEND, 0x0200ffff, OUT, 3), PSCI_SUCCESS);
	assert_asked(STANDBY, 0, 0);
	for (uint32_t bit = 0; bit < 32; bit++)
		if (BIT(bit) & ~0x0301ffffU) {
			assert_int_equal(call(PSCI_CPU_SUSPEND, BIT(bit), PC_T, 3), PSCI_INVALID_PARAMETERS);
			assert_asked(NOTHING, 0, 0);
		}
	assert_int_equal(call(PSCI_CPU_SUSPEND, 0x03010000, OUT, 3), PSCI_INVALID_ADDRESS);
	assert_asked(NOTHING, 0, 0);
	assert_int_equal(call(PSCI_CPU_SUSPEND, 0x03010000, PC_T, 3), PSCI_SUCCESS);
	assert_asked(ENTRY, PC_T, 3);
	assert_ptr_equal(asked.of, &vcpu);
	assert_int_equal(vcpu.power, VCPU_SUSPENDED);
	assert_false(vm.suspended);
	assert_int_equal(asked.stopped, 1);
	assert_int_equal(call(PSCI_SYSTEM_SUSPEND, PC_T, 2, 3), PSCI_SUCCESS);
	assert_asked(ENTRY, PC_T, 2);
	assert_true(vm.suspended);
	other.power = VCPU_SUSPENDED;
	assert_int_equal(call(PSCI_SYSTEM_SUSPEND, PC_T, 2, 3), PSCI_DENIED);
	assert_asked(NOTHING, 0, 0);
}

static void system_calls(void **state)
{
	(void)state;
	call(PSCI_SYSTEM_OFF, 1, 2, 3);
	assert_asked(REQUEST, VM_REQUEST_OFF, 0);
	call(PSCI_SYSTEM_RESET, 1, 2, 3);
	assert_asked(REQUEST, VM_REQUEST_RESET, 0);
	call(PSCI_SYSTEM_RESET2, 0, 2, 3); /* warm; the cookie is a vendor's */
	assert_asked(REQUEST, VM_REQUEST_RESET, 0);
	assert_int_equal(call(PSCI_SYSTEM_RESET2, 1, 0, 0), PSCI_INVALID_PARAMETERS);
	assert_asked(NOTHING, 0, 0);
	assert_int_equal(call(PSCI_SYSTEM_RESET2, BIT(31), 0, 0), PSCI_NOT_SUPPORTED);
	assert_asked(NOTHING, 0, 0);
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
