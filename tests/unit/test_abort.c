/* SPDX-License-Identifier: BSD-2-Clause */
/* Stage-2 data aborts without a syndrome: the instruction is fetched, and judged by what is known of the fault. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arm/hypregs.h>
#include <arm/psr.h>
#include <arm/sysreg.h>
#include <arm/vfp.h>

#include "hyp/exit/abort.h"
#include "hyp/exit/fetch.h"
#include "hyp/exit/inject.h"
#include "hyp/exit/mmio.h"
#include "hyp/host/merrsr.h"
#include "hyp/vm/memfound.h"
#include "hyp/vm/vm.h"
#include "hyp/vm/vmctl.h"

#define PC     0x40001000U
#define DEVICE 0x09000000U
#define RAM    0x40200000U
#define LDM    0xe8b00006U /* ldmia r0!, {r1, r2} */
#define STM    0xe8a00006U /* stmia r0!, {r1, r2} */
#define VLDR   0xedd01b00U /* vldr d17, [r0] */
#define VSTM   0xeca01a02U /* vstmia r0!, {s2, s3} */
#define LOAD   FSC_TRANSLATION
#define STORE  (FSC_TRANSLATION | ISS_DABT_WNR)

static struct vm vm = {.config = {.ram_size = 0x800000}};
static struct vcpu vcpu = {.vm = &vm};
static struct regs regs;

static struct {
	enum fetch_result fetch;
	uint32_t opcode;
	uint32_t reads, writes, aborts, abort_va, value[2];
	bool abort_of_store;
	uint64_t at[2];
} seen;

/* The registers of this CPU. */
static struct vfp_context vfp;
static uint32_t vfp_saves, vfp_loads;

void vfp_save(struct vfp_context *to)
{
	*to = vfp;
	vfp_saves++;
}

void vfp_load(const struct vfp_context *from)
{
	vfp = *from;
	vfp_loads++;
}

static bool no_device; /* at any address */
static uint32_t touches;
static int touch_result = -EFAULT; /* no RAM */

#define HYP_WINDOW 0xf8000000U

/* Memory that aborts has HYP's own address in the registers of the fault. */
int vm_touch_in_turns(struct vm *v, ipa_t at)
{
	(void)v, (void)at;
	touches++;
	if (touch_result == -EIO) {
		write_hdfar(HYP_WINDOW);
		write_hpfar(HYP_WINDOW >> 8);
	}
	return touch_result;
}

static bool is_hole, is_async;

bool s2_is_hole(const struct s2 *s2, ipa_t at, bool *async)
{
	(void)s2, (void)at;
	*async = is_async;
	return is_hole;
}

enum fetch_result fetch_insn(struct vcpu *v, uint32_t pc, bool thumb, uint32_t *opcode)
{
	(void)v;
	assert_int_equal(pc, PC);
	assert_int_equal(thumb, !!(read_spsr_hyp() & PSR_T));
	*opcode = seen.opcode;
	return seen.fetch;
}

enum mmio_result mmio_access(struct vcpu *v, uint64_t at, struct mmio_access *access)
{
	uint32_t n = seen.reads + seen.writes;

	(void)v;
	if (no_device)
		return MMIO_UNHANDLED;
	assert_true(n < 2);
	seen.at[n] = at;
	if (access->write) {
		seen.value[n] = access->value;
		seen.writes++;
	} else {
		access->value = 100U + n;
		seen.reads++;
	}
	return MMIO_DONE;
}

static uint32_t shown;       /* calls of mmio_show() */
static bool is_memory;       /* what it says */
static uint64_t translation; /* of fetch_translate(); 0: none any more */

bool mmio_show(struct vcpu *v, uint64_t at)
{
	(void)v, (void)at;
	shown++;
	return is_memory;
}

bool fetch_translate(uint32_t va, uint64_t *at)
{
	(void)va;
	*at = translation;
	return translation != 0;
}

void inject_data_abort(struct vcpu *v, uint32_t va)
{
	(void)v;
	seen.aborts++;
	seen.abort_va = va;
	seen.abort_of_store = read_hsr() & ISS_DABT_WNR;
}

void inject_prefetch_abort(struct vcpu *v, uint32_t va)
{
	(void)v, (void)va;
}

void inject_walk_abort(struct vcpu *v, uint32_t va, ipa_t table, bool prefetch)
{
	(void)v, (void)va, (void)table, (void)prefetch;
}

static uint32_t preempted;
static bool others_use_vfp;

/* Others have had the CPU, and its VFP if they use it. */
void sched_preempt(void)
{
	preempted++;
	write_hsr(0);
	if (others_use_vfp) {
		vcpu.vfp = vfp;
		memset(&vfp, 0x33, sizeof(vfp));
		this_cpu()->vfp_owner = NULL;
	}
}

static uint32_t errors_said;

void merrsr_say(void)
{
	errors_said++;
}

static uint32_t suspects;
static uint64_t suspected;

void memerr_suspect(struct vm *v, ipa_t at)
{
	assert_ptr_equal(v, &vm);
	suspects++;
	suspected = at.v;
}

bool vm_ram_pa(const struct vm *v, ipa_t at, pa_t *out)
{
	(void)v;
	*out = pa(at.v);
	return at.v - RAM < BLOCK_SIZE;
}

static uint32_t crashes;

void vmctl_crash(struct vm *v, const struct vcpu *culprit, const char *why)
{
	(void)v, (void)culprit, (void)why;
	crashes++;
}

static struct percpu *the_cpu;
static uint32_t spsr_set;

/* The fault is of the first word that the instruction at PC, with r0 = `base`, accesses. */
static void fault(uint32_t opcode, uint32_t iss, uint32_t base)
{
	fake_machine_reset();
	memset(&seen, 0, sizeof(seen));
	seen.opcode = opcode;
	regs = (struct regs){.r = {base, 11, 22}};
	write_elr_hyp(PC);
	write_spsr_hyp(PSR_MODE_SVC | spsr_set);
	write_htpidr((uintptr_t)the_cpu);
	write_hdfar(base);
	write_hpfar(base >> 8 & ~0xfU);
	assert_int_equal(abort_data(&vcpu, &regs, EC_DABT_GUEST << 26 | iss), EXIT_AGAIN);
}

static void test_multiple(void **state)
{
	(void)state;
	fault(STM, STORE, DEVICE);
	assert_int_equal(seen.writes, 2);
	assert_true(seen.value[0] == 11 && seen.value[1] == 22 && seen.at[0] == DEVICE && seen.at[1] == DEVICE + 4);
	assert_int_equal(regs.r[0], DEVICE + 8);
	assert_int_equal(read_elr_hyp(), PC + 4);
	fault(LDM, LOAD, DEVICE);
	assert_int_equal(seen.reads, 2);
	assert_true(regs.r[1] == 100 && regs.r[2] == 101);
	assert_int_equal(seen.aborts, 0);
}

/* In the CPU's registers where the vCPU has them, else in its context. */
static void test_vfp_registers(void **state)
{
	static struct percpu cpu;

	(void)state;
	for (uint32_t here = 0; here < 2; here++) {
		struct vfp_context *context = here ? &vfp : &vcpu.vfp;

		cpu.vfp_owner = here ? &vcpu : NULL;
		vfp_saves = vfp_loads = 0;
		memset(&vfp, 0x11, sizeof(vfp));
		memset(&vcpu.vfp, 0x22, sizeof(vcpu.vfp));
		the_cpu = &cpu;
		fault(VLDR, LOAD, DEVICE);
		assert_true(context->d[17] == UINT64_C(0x6500000064));
		assert_int_equal(context->d[16], context->d[18]);
		assert_int_equal(regs.r[0], DEVICE);
		context->d[1] = UINT64_C(0x0708090a0b0c0d0e);
		fault(VSTM, STORE, DEVICE);
		assert_true(seen.value[0] == 0x0b0c0d0e && seen.value[1] == 0x0708090a);
		assert_int_equal(regs.r[0], DEVICE + 8);
		spsr_set = PSR_E;
		fault(VLDR, LOAD, DEVICE); /* word by word, and the upper one first */
		assert_true(context->d[17] == UINT64_C(0x6400000065000000));
		fault(VSTM, STORE, DEVICE);
		assert_true(seen.value[0] == 0x0e0d0c0b && seen.value[1] == 0x0a090807);
		spsr_set = 0;
		assert_int_equal(vfp_saves, here ? 4 : 0);
		assert_int_equal(vfp_loads, here ? 2 : 0); /* stores change none */
	}
	fault(VLDR, LOAD, DEVICE + 0xffc);
	assert_int_equal(seen.aborts, 1);
}

#define STR_R1_R0   0x6001U /* Thumb: str r1, [r0] */
#define SYNDROME_R2 (ISS_DABT_ISV | 2U << 22 | 2U << 16)

/* The word that a Thumb instruction stores, or -1 for a load, whose syndrome says r2. */
static int64_t thumb_fault(bool decode_stores, uint32_t iss)
{
	vcpu.decode_stores = decode_stores;
	fake_machine_reset();
	memset(&seen, 0, sizeof(seen));
	seen.opcode = STR_R1_R0;
	regs = (struct regs){.r = {DEVICE, 11, 22}};
	write_elr_hyp(PC);
	write_spsr_hyp(PSR_MODE_SVC | PSR_T);
	write_hdfar(DEVICE);
	write_hpfar(DEVICE >> 8);
	abort_data(&vcpu, &regs, EC_DABT_GUEST << 26 | SYNDROME_R2 | iss);
	vcpu.decode_stores = false;
	return seen.writes ? (int64_t)seen.value[0] : -1;
}

/* Cortex-A15 erratum 766422: the register of a Thumb store is the instruction's, not the syndrome's; loads are right.
 */
static void test_thumb_stores(void **state)
{
	(void)state;
	assert_int_equal(thumb_fault(false, STORE), 22);
	assert_int_equal(read_elr_hyp(), PC); /* abort_data()'s caller goes on */
	assert_int_equal(thumb_fault(true, STORE), 11);
	assert_int_equal(read_elr_hyp(), PC + 2);
	assert_int_equal(thumb_fault(true, LOAD), -1);
	assert_int_equal(regs.r[2], 100);
}

/* Between the fault and the fetch another vCPU has written over the instruction. */
static void test_changed_meanwhile(void **state)
{
	(void)state;
	fault(STM, LOAD, DEVICE);
	assert_int_equal(seen.writes + seen.aborts, 0);
	assert_int_equal(regs.r[0], DEVICE);
	assert_int_equal(read_elr_hyp(), PC);
	fault(LDM, STORE, DEVICE);
	assert_int_equal(seen.reads + seen.aborts, 0);
	assert_int_equal(read_elr_hyp(), PC);
	fault(0xe1a00000U, LOAD, DEVICE); /* no load or store at all */
	assert_int_equal(seen.aborts, 1);
}

/* It ends in the next page, which may be another device's: not ours to guess. */
static void test_page_border(void **state)
{
	(void)state;
	fault(STM, STORE, DEVICE + 0xffc);
	assert_int_equal(seen.aborts, 1);
	assert_int_equal(regs.r[0], DEVICE + 0xffc);
}

/* A load of its own base (ldm r0, {r0, r1}) that ends so: an abort leaves the base as it was. */
static void test_loaded_base(void **state)
{
	(void)state;
	fault(0xe8900003U, LOAD, DEVICE + 0xffc);
	assert_int_equal(seen.aborts, 1);
	assert_int_equal(seen.reads, 1);
	assert_int_equal(regs.r[0], DEVICE + 0xffc);
	fault(0xe8900003U, LOAD, DEVICE);
	assert_true(regs.r[0] == 100 && regs.r[1] == 101);
}

/* Each access may take as long as an exit may. What others have in the VFP meanwhile stays theirs. */
static void test_preempted(void **state)
{
	static struct percpu cpu;

	(void)state;
	preempted = 0;
	fault(STM, STORE, DEVICE);
	fault(LDM, LOAD, DEVICE);
	assert_int_equal(preempted, 2);
	fault(STM, STORE, DEVICE + 0xffc);
	assert_int_equal(preempted, 3);
	assert_true(seen.aborts == 1 && seen.abort_of_store);
	the_cpu = &cpu;
	cpu.vfp_owner = &vcpu;
	memset(&vfp, 0x11, sizeof(vfp));
	others_use_vfp = true;
	fault(VLDR, LOAD, DEVICE);
	others_use_vfp = false;
	assert_int_equal(preempted, 4);
	assert_true(vcpu.vfp.d[17] == UINT64_C(0x6500000064));
	assert_true(vfp.d[17] == UINT64_C(0x3333333333333333));
	the_cpu = NULL;
}

/* Taken in the guest, of either kind: it is told in its own time, and the instruction runs again. */
static void test_asynchronous(void **state)
{
	static const uint32_t status[] = {FSC_ASYNC, FSC_ASYNC | FSC_PARITY};

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		vcpu.hcr = HCR_VM;
		fault(STM, status[i], DEVICE);
		assert_int_equal(seen.aborts + seen.reads + seen.writes, 0);
		assert_int_equal(errors_said, i + 1U);
		assert_int_equal(vcpu.hcr, HCR_VM | HCR_VA);
		assert_true(read_hcr() & HCR_VA);
		assert_int_equal(read_elr_hyp(), PC);
	}
}

/* What is in RAM is not looked for on the bus, whose devices lie elsewhere, nor the other way round. */
static void test_ram_or_device(void **state)
{
	(void)state;
	shown = touches = 0;
	fault(LDM, LOAD, DEVICE);
	assert_int_equal(touches, 0);
	assert_int_equal(shown, 1);
	no_device = true;
	fault(LDM, LOAD, RAM);
	assert_int_equal(touches, 1);
	assert_int_equal(shown, 1);
	fault(LDM, LOAD, 0x40800000U);
	assert_int_equal(touches, 1);
	assert_int_equal(shown, 2);
	no_device = false;
}

/* RAM that does not answer: the guest is told its own address, whether its instruction has a syndrome or not. */
static void test_memory_that_aborts(void **state)
{
	static const uint32_t status[] = {STORE, STORE | SYNDROME_R2};

	(void)state;
	no_device = true;
	touch_result = -EIO;
	for (uint32_t i = 0; i < 2; i++) {
		fault(STM, status[i], RAM);
		assert_int_equal(seen.aborts, 1);
		assert_int_equal(seen.abort_va, RAM);
		assert_int_equal(regs.r[0], RAM);
		assert_int_equal(read_elr_hyp(), PC);
	}
	touch_result = -EFAULT;
	no_device = false;
}

#define READ_ONLY (FSC_PERMISSION | ISS_DABT_WNR)

/* Memory of a device is shown for reads, walks and fetches; its writes are the device's, with an address of stage 1. */
static void test_memory_of_a_device(void **state)
{
	(void)state;
	is_memory = true;
	shown = 0;
	fault(LDM, LOAD, DEVICE);
	assert_int_equal(shown, 1);
	assert_int_equal(seen.reads + seen.aborts, 0);
	assert_int_equal(read_elr_hyp(), PC);
	fault(LDM, LOAD | ISS_S1PTW, DEVICE);
	fault(STM, STORE | ISS_S1PTW, DEVICE);
	assert_int_equal(shown, 3);
	fault(STM, STORE, DEVICE);
	assert_int_equal(shown, 3);
	assert_int_equal(seen.writes, 2);
	translation = DEVICE + 0x4000;
	fault(STM, READ_ONLY, DEVICE);
	assert_int_equal(seen.writes, 2);
	assert_true(seen.at[0] == DEVICE + 0x4000 && seen.at[1] == DEVICE + 0x4004);
	translation = 0;
	fault(STM, READ_ONLY, DEVICE);
	assert_int_equal(seen.writes + seen.aborts, 0);
	assert_int_equal(read_elr_hyp(), PC);
	is_memory = false;
	fault(LDM, LOAD, DEVICE);
	assert_int_equal(seen.reads, 2);
	no_device = true;
	translation = DEVICE;
	touches = 0;
	fault(STM, READ_ONLY, DEVICE);
	assert_int_equal(seen.aborts, 1);
	assert_int_equal(touches, 0);
	no_device = false;
}

static void test_fetch_from_a_device(void **state)
{
	(void)state;
	is_memory = true;
	shown = 0;
	fake_machine_reset();
	write_hifar(DEVICE);
	write_hpfar(DEVICE >> 8);
	assert_int_equal(abort_prefetch(&vcpu, &regs, EC_PABT_GUEST << 26 | FSC_TRANSLATION), EXIT_AGAIN);
	assert_int_equal(shown, 1);
	abort_prefetch(&vcpu, &regs, EC_PABT_GUEST << 26 | FSC_PERMISSION);
	assert_int_equal(shown, 1);
	is_memory = false;
}

/* An error that comes later: a load gets zeroes, a store is lost, and the abort is pending. Other accesses have it at
 * once. */
static void test_later(void **state)
{
	(void)state;
	no_device = is_hole = is_async = true;
	touch_result = -EIO;
	vcpu.hcr = HCR_VM;
	fault(LDM, LOAD, RAM);
	assert_int_equal(seen.aborts, 1);
	assert_int_equal(vcpu.hcr, HCR_VM);
	for (uint32_t i = 0; i < 2; i++) {
		vcpu.hcr = HCR_VM;
		fake_machine_reset();
		seen.aborts = 0;
		regs.r[2] = 22;
		write_hdfar(RAM);
		write_hpfar(RAM >> 8);
		assert_int_equal(abort_data(&vcpu, &regs, EC_DABT_GUEST << 26 | SYNDROME_R2 | (i ? STORE : LOAD)),
				 EXIT_NEXT);
		assert_int_equal(regs.r[2], i ? 22 : 0);
		assert_int_equal(seen.aborts, 0);
		assert_int_equal(vcpu.hcr, HCR_VM | HCR_VA);
	}
	is_async = false;
	fault(STM, STORE | SYNDROME_R2, RAM);
	assert_int_equal(seen.aborts, 1);
	no_device = is_hole = false;
	touch_result = -EFAULT;
}

/* virt7's own tables abort: that VM is stopped, whatever the kind and level. */
static void test_lost_tables(void **state)
{
	(void)state;
	for (uint32_t level = 1; level <= 3; level++)
		for (uint32_t parity = 0; parity <= FSC_PARITY; parity += FSC_PARITY) {
			crashes = 0;
			fault(LDM, FSC_EXTERNAL_WALK | level | parity, RAM);
			assert_int_equal(seen.aborts, 0);
			assert_int_equal(crashes, 1);
			abort_prefetch(&vcpu, &regs, EC_PABT_GUEST << 26 | FSC_EXTERNAL_WALK | level | parity);
			assert_int_equal(crashes, 2);
		}
}

/*
 * An external abort that comes to HYP: the guest has it as its own, with its address; HYP looks at that page, if it is
 * RAM and no device's, by the guest's tables and not by HPFAR, which means nothing then.
 */
static void test_external(void **state)
{
	static const uint32_t kinds[] = {FSC_EXTERNAL, FSC_EXTERNAL | FSC_PARITY, FSC_EXTERNAL | ISS_DABT_WNR};

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		suspects = 0;
		translation = RAM + 0x5678;
		fault(LDM, kinds[i], DEVICE);
		assert_true(seen.aborts == 1 && seen.abort_va == DEVICE);
		assert_true(suspects == 1 && suspected == RAM + 0x5678);
		assert_int_equal(read_elr_hyp(), PC);
		abort_prefetch(&vcpu, &regs, EC_PABT_GUEST << 26 | kinds[i]);
		assert_int_equal(suspects, 2);
		fault(LDM, kinds[i] | ISS_FNV, RAM);
		translation = DEVICE;
		fault(LDM, kinds[i], RAM);
		translation = 0;
		fault(LDM, kinds[i], RAM);
		assert_int_equal(suspects, 2);
	}
	for (uint32_t fsc = 0; fsc < 64; fsc++)
		if ((fsc & ~FSC_PARITY) != FSC_EXTERNAL) {
			translation = RAM;
			fault(LDM, fsc, DEVICE);
			assert_int_equal(suspects, 2);
		}
	translation = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_thumb_stores),
		cmocka_unit_test(test_multiple),
		cmocka_unit_test(test_vfp_registers),
		cmocka_unit_test(test_changed_meanwhile),
		cmocka_unit_test(test_page_border),
		cmocka_unit_test(test_loaded_base),
		cmocka_unit_test(test_preempted),
		cmocka_unit_test(test_asynchronous),
		cmocka_unit_test(test_ram_or_device),
		cmocka_unit_test(test_memory_that_aborts),
		cmocka_unit_test(test_memory_of_a_device),
		cmocka_unit_test(test_fetch_from_a_device),
		cmocka_unit_test(test_later),
		cmocka_unit_test(test_lost_tables),
		cmocka_unit_test(test_external),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
