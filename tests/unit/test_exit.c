/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way through HYP of a trapped instruction: condition check, dispatch, PC and ITSTATE (hyp/exit/exit.c), and the
 * exceptions that HYP takes to PL1 in the hardware's stead (hyp/exit/inject.c, DDI 0406C B1.9).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arm/hypregs.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "coproc/coproc.h"
#include "coproc/setway.h"
#include "hyp/exit/abort.h"
#include "hyp/exit/exit.h"
#include "hyp/exit/inject.h"
#include "hyp/vm/guestmem.h"
#include "hyp/run/irq.h"
#include "hyp/run/sched.h"
#include "hyp/virtio/virtio.h"
#include "hyp/vm/vmctl.h"
#include "hyp/vm/crash.h"
#include "psci/psci.h"
#include "psci/vcpu.h"
#include "vgic/vgic.h"
#include "vtimer/vtimer.h"

#define PC 0x40001000U

static struct percpu cpu;
static struct vm vm;
static struct vcpu vcpu = {.vm = &vm};
static struct regs regs;

/* --- what the code under test calls ---------------------------------------------------------------------------------
 */

static struct {
	uint32_t handled, hsr; /* calls of a fake handler, and what the last one saw */
	const char *name;
	enum exit_action action;
	uint32_t yields, spins, balances, slices, standbys, flushes, sgis, blocks_flushed, samples, checkpoints, irqs,
		device_steps;
	uint32_t let_others; /* balances, yields and slices before the last checkpoint */
	uint32_t raise;      /* work that comes up during the next flush */
} seen;

#define HANDLER(fn)                                                                 \
	enum exit_action fn(struct vcpu *of, struct regs *guest_regs, uint32_t hsr) \
	{                                                                           \
		assert_ptr_equal(of, &vcpu);                                        \
		assert_ptr_equal(guest_regs, &regs);                                \
		seen.handled++;                                                     \
		seen.hsr = hsr;                                                     \
		seen.name = #fn;                                                    \
		return seen.action;                                                 \
	}

HANDLER(coproc_cp15_32)
HANDLER(coproc_cp15_64)
HANDLER(coproc_cp14_32)
HANDLER(coproc_cp14_64)
HANDLER(coproc_hcptr)
HANDLER(coproc_cp10_id)
HANDLER(abort_data)
HANDLER(abort_prefetch)
HANDLER(psci_hvc)
HANDLER(psci_smc)

void sched_check_slice(void)
{
	seen.slices++;
}

void sched_give_way(void)
{
	seen.yields++;
}

void sched_yield_spin(void)
{
	seen.spins++;
}

void sched_balance(void)
{
	seen.balances++;
}

bool vtimer_doze(struct vcpu *of)
{
	return false;
}

void sched_block(void)
{
	seen.standbys++;
}

void vgic_flush(struct vcpu *of)
{
	seen.flushes++;
	of->thread.work |= seen.raise;
	seen.raise = 0;
}

void vgic_take_sgis(struct vcpu *of)
{
	assert_ptr_equal(of, &vcpu);
	seen.sgis++;
}

void setway_flush_some(struct vcpu *of)
{
	(void)of;
	seen.blocks_flushed++;
}

/* Devices have work for so many steps; each takes 3 ticks. */
static uint32_t device_work, interrupt_after; /* interrupt_after: the guest has one pending then */
static struct timer *armed;

bool virtio_work(struct vcpu *of)
{
	seen.device_steps++;
	assert_ptr_equal(of, &vcpu);
	fake_write(SYSREG_cntpct, fake_read(SYSREG_cntpct) + 3U);
	if (device_work == 0)
		return false;
	return --device_work > 0;
}

bool vgic_has_pending(struct vcpu *of)
{
	(void)of;
	return interrupt_after && seen.device_steps >= interrupt_after;
}

void timer_arm(struct timer *timer, uint64_t deadline)
{
	timer->deadline = deadline;
	armed = timer;
}

uint32_t timer_hz(void)
{
	return 1000000U;
}

void vtimer_sample(struct vcpu *of)
{
	(void)of;
	seen.samples++;
}

void vmctl_checkpoint(struct vcpu *of)
{
	(void)of;
	seen.let_others = seen.balances + seen.yields + seen.slices;
	seen.checkpoints++;
}

bool irq_handle_one(void)
{
	return seen.irqs++ % 2U == 0;
}

static uint64_t table_entry, table_at;

int guest_read(struct vm *of, ipa_t from, void *to, size_t len)
{
	(void)of;
	if (from.v != table_at)
		return -EFAULT;
	memcpy(to, &table_entry, len);
	return 0;
}

/* --- driving it
 * -------------------------------------------------------------------------------------------------------- */

/* One register of cp15 that can be read, one that cannot. */
static uint64_t cp15_value(struct vcpu *of)
{
	assert_ptr_equal(of, &vcpu);
	return 0xfffffffffeedf00dU;
}

static const struct cp_row nobody = {.key = ~0U}, readable = {.key = CP_KEY(1, 0, 0, 1), .read = cp15_value},
			   denied = {.key = CP_KEY(12, 0, 0, 1)};
static const struct cp_row crowded = {.key = CP_KEY(1, 0, 0, 3)}; /* somebody else is where its hash says */

const struct cp_row *cp_index[CP_INDEX_SIZE];

static void fill_index(void)
{
	for (uint32_t i = 0; i < CP_INDEX_SIZE; i++)
		cp_index[i] = &nobody;
	cp_index[cp_hash(readable.key)] = &readable;
	cp_index[cp_hash(denied.key)] = &denied;
	cp_index[cp_hash(crowded.key)] = &readable;
}

static int setup(void **state)
{
	(void)state;
	fake_machine_reset();
	memset(&cpu, 0, sizeof(cpu));
	memset(&seen, 0, sizeof(seen));
	memset(&regs, 0, sizeof(regs));
	seen.action = EXIT_NEXT;
	vcpu.thread.work = 0;
	mmio_init(&vm.bus);
	vcpu.bus = &vm.bus;
	table_at = UINT64_MAX;
	fill_index();
	cpu.thread = &vcpu.thread;
	cpu.loaded = &vcpu;
	write_htpidr((uintptr_t)&cpu);
	write_vbar(0x40008000);
	return 0;
}

#define HSR(ec, il32, iss) ((uint32_t)(ec) << 26 | ((il32) ? HSR_IL : 0) | (iss))
#define COND(c)            (ISS_CV | (uint32_t)(c) << 20)

/* One exit from PC. */
static void trap(uint32_t hsr, uint32_t spsr)
{
	write_elr_hyp(PC);
	write_spsr_hyp(spsr);
	write_hsr(hsr);
	seen.handled = 0;
	seen.name = "";
	fake_machine.events = 0;
	if (HSR_EC(hsr) == EC_DABT_GUEST)
		exit_data(&regs);
	else
		exit_trap(&regs);
}

/* SPSR with ITSTATE. */
static uint32_t it(uint32_t state)
{
	return (state & 0xfcU) << 8 | (state & 3U) << 25;
}

/* The condition by A8.3, from its text. */
static bool passes(uint32_t cond, uint32_t psr)
{
	bool n = psr & PSR_N, z = psr & PSR_Z, c = psr & PSR_C, v = psr & PSR_V, result;

	switch (cond >> 1) {
	case 0:
		result = z;
		break;
	case 1:
		result = c;
		break;
	case 2:
		result = n;
		break;
	case 3:
		result = v;
		break;
	case 4:
		result = c && !z;
		break;
	case 5:
		result = n == v;
		break;
	case 6:
		result = n == v && !z;
		break;
	default:
		return true;
	}
	return cond & 1 ? !result : result;
}

static void test_dispatch(void **state)
{
	static const struct {
		uint32_t ec;
		const char *name;
	} classes[] = {
		{EC_CP15_32, "coproc_cp15_32"},
		{EC_CP15_64, "coproc_cp15_64"},
		{EC_CP14_32, "coproc_cp14_32"},
		{EC_CP14_64, "coproc_cp14_64"},
		{EC_HCPTR, "coproc_hcptr"},
		{EC_CP10_ID, "coproc_cp10_id"},
		{EC_PABT_GUEST, "abort_prefetch"},
		{EC_DABT_GUEST, "abort_data"},
		{EC_HVC, "psci_hvc"},
		{EC_SMC, "psci_smc"},
	};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(classes); i++) {
		uint32_t before = vcpu.exits[classes[i].ec], hsr = HSR(classes[i].ec, true, COND(14) | 0x1234);

		trap(hsr, PSR_MODE_SVC);
		assert_string_equal(seen.name, classes[i].name);
		assert_int_equal(seen.handled, 1);
		assert_int_equal(vcpu.exits[classes[i].ec], before + 1);
		assert_int_equal(read_elr_hyp(), PC + 4);
		assert_int_equal(seen.hsr, hsr);
	}
}

/* Every class that nobody serves ends in the guest, as UNDEF, and nowhere else. */
static void test_unknown(void **state)
{
	(void)state;
	for (uint32_t ec = 0; ec < EC_COUNT; ec++) {
		switch (ec) {
		case EC_WFI_WFE:
		case EC_CP15_32:
		case EC_CP15_64:
		case EC_CP14_32:
		case EC_CP14_64:
		case EC_HCPTR:
		case EC_CP10_ID:
		case EC_HVC:
		case EC_SMC:
		case EC_PABT_GUEST:
		case EC_DABT_GUEST:
			continue;
		default:
			break;
		}
		trap(HSR(ec, true, COND(14)), PSR_MODE_SVC | PSR_C);
		assert_int_equal(seen.handled, 0);
		assert_int_equal(read_elr_hyp(), 0x40008004);
		assert_int_equal(read_spsr_hyp(), PSR_MODE_UND | PSR_I | PSR_C);
		assert_int_equal(read_lr_und(), PC + 4);
		assert_int_equal(read_spsr_und(), PSR_MODE_SVC | PSR_C);
	}
}

/* EXIT_AGAIN: nothing moves. */
static void test_again(void **state)
{
	(void)state;
	seen.action = EXIT_AGAIN;
	trap(HSR(EC_CP15_32, true, COND(14)), PSR_MODE_SVC | PSR_T | it(0x1c));
	assert_int_equal(seen.handled, 1);
	assert_int_equal(read_elr_hyp(), PC);
	assert_int_equal(read_spsr_hyp(), PSR_MODE_SVC | PSR_T | it(0x1c));
}

/* ARM: all conditions with all flags, in each class that has a condition. */
static void test_condition_arm(void **state)
{
	static const uint32_t classes[] = {EC_CP15_32, EC_CP15_64, EC_CP14_32, EC_CP14_64, EC_HCPTR, EC_CP10_ID};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(classes); i++)
		for (uint32_t cond = 0; cond < 15; cond++)
			for (uint32_t flags = 0; flags < 16; flags++) {
				uint32_t spsr = PSR_MODE_SVC | flags << 28;

				trap(HSR(classes[i], true, COND(cond)), spsr);
				assert_int_equal(seen.handled, passes(cond, spsr));
				assert_int_equal(read_elr_hyp(), PC + 4); /* done or a NOP */
				assert_int_equal(read_spsr_hyp(), spsr);
			}
}

/* Aborts have no condition: those bits mean something else. */
static void test_abort_is_unconditional(void **state)
{
	(void)state;
	trap(HSR(EC_DABT_GUEST, true, ISS_DABT_ISV | 0x00000000), PSR_MODE_SVC);
	assert_string_equal(seen.name, "abort_data");
	trap(HSR(EC_PABT_GUEST, true, 0), PSR_MODE_SVC | PSR_T | it(0x08));
	assert_string_equal(seen.name, "abort_prefetch");
}

/* Thumb in an IT block: 2 or 4 bytes, ITSTATE one on, whether it was executed or not (A2.5.2). */
static void test_it_advance(void **state)
{
	(void)state;
	for (uint32_t itstate = 0; itstate < 0x100; itstate++)
		for (uint32_t il = 0; il < 2; il++) {
			uint32_t cond = itstate >> 4, next, spsr = PSR_MODE_USR | PSR_T | PSR_Z | PSR_E | it(itstate);

			if ((itstate & 0xf) == 0 && itstate != 0)
				continue; /* no state of an IT block */
			if (itstate == 0)
				cond = 14;
			next = (itstate & 7) ? (itstate & 0xe0) | (itstate << 1 & 0x1f) : 0;
			trap(HSR(EC_CP15_32, il, COND(cond == 15 ? 14 : cond)), spsr);
			assert_int_equal(seen.handled, passes(cond, spsr));
			assert_int_equal(read_elr_hyp(), PC + (il ? 4 : 2));
			assert_int_equal(read_spsr_hyp(), PSR_MODE_USR | PSR_T | PSR_Z | PSR_E | it(next));
		}
}

/* Without a valid condition in HSR the IT block tells (B3.13.6). */
static void test_it_condition(void **state)
{
	(void)state;
	for (uint32_t cond = 0; cond < 15; cond++)
		for (uint32_t flags = 0; flags < 16; flags++) {
			uint32_t spsr = PSR_MODE_SVC | PSR_T | flags << 28 | it(cond << 4 | 8);

			trap(HSR(EC_CP15_32, true, 0), spsr);
			assert_int_equal(seen.handled, passes(cond, spsr));
			assert_int_equal(read_elr_hyp(), PC + 4);
			assert_int_equal(read_spsr_hyp(), PSR_MODE_SVC | PSR_T | flags << 28);
		}
	trap(HSR(EC_CP15_32, true, 0), PSR_MODE_SVC | PSR_T); /* no IT block: always */
	assert_int_equal(seen.handled, 1);
	trap(HSR(EC_CP15_32, true, 0), PSR_MODE_SVC);
	assert_int_equal(seen.handled, 1);
}

/* ... and then the condition field is UNKNOWN: 0b1110 there says nothing. */
static void test_it_condition_unknown(void **state)
{
	(void)state;
	trap(HSR(EC_CP15_32, true, 14U << 20), PSR_MODE_SVC | PSR_T | it(0x08)); /* EQ, Z clear */
	assert_int_equal(seen.handled, 0);
	assert_int_equal(read_elr_hyp(), PC + 4);
}

static void test_wfx(void **state)
{
	(void)state;
	trap(HSR(EC_WFI_WFE, true, COND(14)), PSR_MODE_SVC);
	assert_int_equal(seen.standbys, 1);
	assert_int_equal(read_elr_hyp(), PC + 4);
	trap(HSR(EC_WFI_WFE, false, COND(14)), PSR_MODE_SVC | PSR_T);
	assert_int_equal(seen.standbys, 2);
	assert_int_equal(read_elr_hyp(), PC + 2);
	trap(HSR(EC_WFI_WFE, true, COND(14) | 1), PSR_MODE_SVC);
	assert_int_equal(seen.spins, 1);
	trap(HSR(EC_WFI_WFE, true, COND(0)), PSR_MODE_SVC); /* WFIEQ, Z clear: does not wait */
	assert_int_equal(seen.standbys, 2);
	assert_int_equal(read_elr_hyp(), PC + 4);
}

/* Work is done on the way back, also what comes up meanwhile; without any the way back does nothing. */
static void test_work(void **state)
{
	(void)state;
	trap(HSR(EC_HVC, true, 0), PSR_MODE_SVC);
	exit_irq();
	assert_int_equal(seen.irqs, 1);
	assert_int_equal(seen.flushes + seen.samples + seen.checkpoints + seen.yields + seen.slices, 0);
	vcpu.thread.work = WORK_VGIC | WORK_TIMER | WORK_SLICE | WORK_FLUSH | WORK_VIRTIO | WORK_SGI;
	seen.raise = WORK_STOP | WORK_RESCHED;
	exit_irq();
	assert_int_equal(seen.flushes, 1);
	assert_int_equal(seen.sgis, 1);
	assert_int_equal(seen.blocks_flushed, 1);
	assert_int_equal(seen.device_steps, 1);
	assert_int_equal(seen.samples, 1);
	assert_int_equal(seen.checkpoints, 1);
	assert_int_equal(seen.yields, 1);
	assert_int_equal(seen.slices, 1);
	assert_int_equal(vcpu.thread.work, 0);
	vcpu.thread.work = WORK_BALANCE;
	exit_irq();
	assert_int_equal(seen.balances, 1);
	vcpu.thread.work = WORK_STOP;
	exit_first();
	assert_int_equal(seen.checkpoints, 2);
	/* It may sleep there, or load an image, and others wait for the CPU. */
	vcpu.thread.work = WORK_STOP | WORK_BALANCE | WORK_RESCHED | WORK_SLICE;
	exit_first();
	assert_int_equal(seen.let_others, 2 + 2 + 2);
}

#define TURN 64U /* steps of devices' work in one exit */

/* Devices' work takes turns with the guest, and counts for neither sleep nor hang. */
static void test_devices(void **state)
{
	(void)state;
	vcpu.device_ticks = 0;
	device_work = 2 * TURN + 4;
	vcpu.thread.work = WORK_VIRTIO;
	exit_first();
	assert_int_equal(seen.device_steps, TURN);
	assert_int_equal(vcpu.thread.work, WORK_VIRTIO); /* at the next exit, */
	assert_non_null(armed);                          /* which there will be */
	assert_int_equal(armed->deadline, read_cntpct() + 100U);
	assert_int_equal(vcpu.device_ticks, TURN * 3);
	armed->expired(armed);
	armed = NULL;
	trap(HSR(EC_HVC, true, 0), PSR_MODE_SVC);
	assert_int_equal(seen.device_steps, 2 * TURN);
	assert_int_equal(vcpu.thread.work, WORK_VIRTIO);
	armed = NULL;
	exit_irq();
	assert_int_equal(seen.device_steps, 2 * TURN + 4);
	assert_int_equal(vcpu.thread.work, 0);
	assert_null(armed);
	/* An interrupt for the guest goes before what is left. */
	seen.device_steps = 0;
	device_work = 20;
	interrupt_after = 2;
	vcpu.thread.work = WORK_VIRTIO;
	exit_first();
	assert_int_equal(seen.device_steps, 2);
	assert_int_equal(vcpu.thread.work, WORK_VIRTIO);
	assert_non_null(armed);
	/* No end of work of another kind brings it back earlier. */
	vcpu.thread.work = WORK_VIRTIO | WORK_VGIC;
	seen.raise = WORK_VIRTIO | WORK_TIMER;
	exit_first();
	assert_int_equal(seen.device_steps, 3);
	assert_int_equal(vcpu.thread.work, WORK_VIRTIO);
	device_work = interrupt_after = 0;
	exit_first();
	assert_int_equal(vcpu.thread.work, 0);
}

/* --- the plain device access -------------------------------------------------------------------------------------- */

#define UART 0x09000000U

static struct {
	uint32_t calls, offset, size, value;
	bool write, refuse;
	uint64_t answer;
} device;

static uint64_t device_read(struct vcpu *of, void *arg, uint32_t offset, uint32_t size)
{
	assert_ptr_equal(of, &vcpu);
	assert_ptr_equal(arg, &device);
	device.calls++;
	device.write = false;
	device.offset = offset;
	device.size = size;
	return device.answer;
}

static bool device_write(struct vcpu *of, void *arg, uint32_t offset, uint32_t value, uint32_t size)
{
	device_read(of, arg, offset, size);
	device.write = true;
	device.value = value;
	return !device.refuse;
}

static const struct mmio_ops device_ops = {device_read, device_write, MMIO_ANY};

static int device_setup(void **state)
{
	setup(state);
	seen.action = EXIT_AGAIN; /* abort_data() does nothing */
	memset(&device, 0, sizeof(device));
	assert_int_equal(mmio_add(&vm.bus, UART + 0x80, 0x80, &device_ops, &device), 0);
	for (uint32_t i = 0; i < 13; i++)
		regs.r[i] = 0xa0b0c0d0U + i;
	return 0;
}

/* `log2size` 0 ... 2. True: the device was asked and abort_data() was not. */
static bool access_device(uint32_t at, uint32_t log2size, uint32_t reg, uint32_t iss, uint32_t spsr)
{
	device.calls = 0;
	write_hdfar(0xc0de0000U | (at & 0xfffU));
	write_hpfar(at >> 12 << 4);
	trap(HSR(EC_DABT_GUEST, !(iss & HSR_IL), ISS_DABT_ISV | log2size << 22 | reg << 16 | 6U | (iss & ~HSR_IL)),
	     spsr);
	assert_int_equal(device.calls, seen.handled == 0);
	if (seen.handled)
		assert_int_equal(read_elr_hyp(), PC);
	return !seen.handled;
}

static void test_device_read(void **state)
{
	(void)state;
	device.answer = 0x8091a2b3;
	assert_true(access_device(UART + 0x98, 2, 5, 0, PSR_MODE_SVC));
	assert_int_equal(device.offset, 0x18);
	assert_int_equal(device.size, 4);
	assert_false(device.write);
	assert_int_equal(regs.r[5], 0x8091a2b3);
	assert_int_equal(read_elr_hyp(), PC + 4);
	assert_int_equal(read_spsr_hyp(), PSR_MODE_SVC);
	device.answer = 0x80;
	assert_true(access_device(UART + 0x99, 0, 12, HSR_IL, PSR_MODE_SVC | PSR_T)); /* HSR_IL here: not set there */
	assert_int_equal(regs.r[12], 0x80);
	assert_int_equal(read_elr_hyp(), PC + 2);
	assert_true(access_device(UART + 0x99, 0, 0, ISS_DABT_SSE, PSR_MODE_USR));
	assert_int_equal(regs.r[0], 0xffffff80);
	device.answer = 0x8001;
	assert_true(access_device(UART + 0x9a, 1, 8, ISS_DABT_SSE, PSR_MODE_IRQ));
	assert_int_equal(regs.r[8], 0xffff8001);
}

static void test_device_write(void **state)
{
	(void)state;
	for (uint32_t size = 0; size < 3; size++) {
		assert_true(access_device(UART + 0xfc, size, 7, ISS_DABT_WNR, PSR_MODE_SVC));
		assert_true(device.write);
		assert_int_equal(device.offset, 0x7c);
		assert_int_equal(device.size, 1U << size);
		assert_int_equal(device.value, size == 0 ? 0xd7 : size == 1 ? 0xc0d7 : 0xa0b0c0d7);
		assert_int_equal(regs.r[7], 0xa0b0c0d7);
	}
}

/* A register, as its mode has it, and where that is. */
struct device_register {
	uint32_t mode, number;
	uint32_t (*read)(void);
	void (*write)(uint32_t value);
};

static uint32_t read_r9(void)
{
	return regs.r[9];
}

static void write_r9(uint32_t value)
{
	regs.r[9] = value;
}

static uint32_t read_frame_lr(void)
{
	return regs.lr;
}

static void write_frame_lr(uint32_t value)
{
	regs.lr = value;
}

/* Every register that an instruction may name, banked ones too, in each width. */
static void test_device_registers(void **state)
{
	static const struct device_register reg[] = {
		{PSR_MODE_SVC, 9, read_r9, write_r9},
		{PSR_MODE_FIQ, 9, read_r9_fiq, write_r9_fiq},
		{PSR_MODE_FIQ, 14, read_lr_fiq, write_lr_fiq},
		{PSR_MODE_SVC, 13, read_sp_svc, write_sp_svc},
		{PSR_MODE_SVC, 14, read_lr_svc, write_lr_svc},
		{PSR_MODE_IRQ, 14, read_lr_irq, write_lr_irq},
		{PSR_MODE_USR, 14, read_frame_lr, write_frame_lr},
		{PSR_MODE_SYS, 14, read_frame_lr, write_frame_lr},
	};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(reg) * 2U; i++) {
		const struct device_register *r = &reg[i / 2U];
		uint32_t size = i % 2U ? 2 : 1, mask = size == 1 ? 0xffffU : UINT32_MAX;

		for (uint32_t each = 0; each < ARRAY_SIZE(reg); each++)
			reg[each].write(0xbad);
		device.answer = 0x12345678 & mask;
		assert_true(access_device(UART + 0x98, size, r->number, 0, r->mode));
		assert_int_equal(r->read(), device.answer);
		for (uint32_t each = 0; each < ARRAY_SIZE(reg); each++)
			if (reg[each].read != r->read)
				assert_int_equal(reg[each].read(), 0xbad);
		r->write(0x89abcdef);
		assert_true(access_device(UART + 0x98, size, r->number, ISS_DABT_WNR, r->mode));
		assert_int_equal(device.value, 0x89abcdef & mask);
	}
}

/* Everything that makes it another case is abort_data()'s, and the device has not been asked. */
static void test_device_slow(void **state)
{
	static const struct {
		uint32_t at, log2size, reg, iss, spsr;
	} bad[] = {
		{UART + 0x7c, 2, 0, 0, PSR_MODE_SVC},
		{UART + 0x100, 2, 0, 0, PSR_MODE_SVC},
		{UART + 0x1080, 2, 0, 0, PSR_MODE_SVC},
		{UART - 0xf80, 2, 0, 0, PSR_MODE_SVC},
		{UART + 0x82, 2, 0, 0, PSR_MODE_SVC},
		{UART + 0x81, 1, 0, 0, PSR_MODE_SVC},
		{UART + 0x80, 2, 0, 0, PSR_MODE_SVC | PSR_E},
		{UART + 0x80, 3, 0, 0, PSR_MODE_SVC},
		/* a store to memory that may only be read: HPFAR is of an earlier fault */
		{UART + 0x80, 2, 0, ISS_DABT_WNR | FSC_PERMISSION, PSR_MODE_SVC},
		{UART + 0x80, 0, 0, ISS_DABT_WNR | FSC_PERMISSION, PSR_MODE_SVC},
		{UART + 0x80, 2, 14, ISS_DABT_WNR | FSC_PERMISSION, PSR_MODE_SVC},
	};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(access_device(bad[i].at, bad[i].log2size, bad[i].reg, bad[i].iss, bad[i].spsr));
	for (uint32_t state_of_it = 1; state_of_it < 0x100; state_of_it++)
		assert_false(access_device(UART + 0x80, 2, 0, 0, PSR_MODE_SVC | PSR_T | it(state_of_it)));
	assert_true(access_device(UART + 0x80, 2, 7, 0, PSR_MODE_FIQ));
	vm.bus.region[1].ops.widths = MMIO_WORD;
	assert_false(access_device(UART + 0x80, 0, 0, 0, PSR_MODE_SVC));
	assert_true(access_device(UART + 0x80, 2, 0, 0, PSR_MODE_SVC));
	trap(HSR(EC_DABT_GUEST, true, 2U << 22 | 6U), PSR_MODE_SVC); /* no syndrome */
	assert_int_equal(seen.handled, 1);
	mmio_init(&vm.bus);
	assert_false(access_device(UART + 0x80, 2, 0, 0, PSR_MODE_SVC));
	assert_false(access_device(0, 2, 0, 0, PSR_MODE_SVC));
}

/* A page that the device's slot would be right for, too. */
static void test_device_of_another_page(void **state)
{
	uint32_t page = UART >> 12, slot = mmio_slot(UART >> 12 << 4, vm.bus.multiplier);

	(void)state;
	do
		page++;
	while (mmio_slot(page << 4, vm.bus.multiplier) != slot);
	assert_false(access_device((page << 12) + 0x80, 2, 0, 0, PSR_MODE_SVC));
	assert_false(access_device((page << 12) + 0x80, 1, 0, 0, PSR_MODE_SVC));
	assert_true(access_device(UART + 0x80, 2, 0, 0, PSR_MODE_SVC));
}

/* What the device refuses, abort_data() hears of too. */
static void test_device_refuses(void **state)
{
	(void)state;
	device.answer = MMIO_ABORT;
	device.refuse = true;
	for (uint32_t write = 0; write < 2; write++) {
		write_hdfar(0x80);
		write_hpfar(UART >> 12 << 4);
		trap(HSR(EC_DABT_GUEST, true, ISS_DABT_ISV | 2U << 22 | 3U << 16 | (write ? ISS_DABT_WNR : 0) | 6U),
		     PSR_MODE_SVC);
		assert_int_equal(seen.handled, 1);
		assert_int_equal(regs.r[3], 0xa0b0c0d3);
		assert_int_equal(read_elr_hyp(), PC);
	}
}

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

static uint32_t hints, hint_pc;

void crash_hint_aborts(struct vcpu *v, uint32_t pc)
{
	assert_ptr_equal(v, &vcpu);
	hints++;
	hint_pc = pc;
}

static void undef(void)
{
	inject_undef(&vcpu);
}

static void data_abort(void)
{
	inject_data_abort(&vcpu, 0x12345678);
}

static void prefetch_abort(void)
{
	inject_prefetch_abort(&vcpu, 0x12345678);
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

#define READ(row, rt) ((row)->key | (uint32_t)(rt) << 5 | 1U)

/* A read of cp15 into r0-r7 is done without its handler, as the condition has it, and PC and ITSTATE move. */
static void test_cp15_read(void **state)
{
	(void)state;
	for (uint32_t rt = 0; rt < 8; rt++) {
		memset(&regs, 0, sizeof(regs));
		trap(HSR(EC_CP15_32, true, COND(14) | READ(&readable, rt)), PSR_MODE_SVC | PSR_T | it(0x1c));
		assert_int_equal(seen.handled, 0);
		for (uint32_t i = 0; i < 13; i++)
			assert_int_equal(regs.r[i], i == rt ? 0xfeedf00d : 0);
		assert_int_equal(read_elr_hyp(), PC + 4);
		assert_int_equal(read_spsr_hyp(), PSR_MODE_SVC | PSR_T | it(0x18));
	}
	memset(&regs, 0, sizeof(regs));
	trap(HSR(EC_CP15_32, true, COND(0) | READ(&readable, 3)), PSR_MODE_SVC);
	assert_int_equal(regs.r[3], 0);
	assert_int_equal(read_elr_hyp(), PC + 4);
	seen.action = EXIT_NEXT;
	trap(HSR(EC_CP15_32, true, COND(0) | READ(&readable, 3)), PSR_MODE_SVC | PSR_Z); /* in the slow way */
	assert_int_equal(seen.handled, 1);
	assert_string_equal(seen.name, "coproc_cp15_32");
	assert_int_equal(read_elr_hyp(), PC + 4);
}

/* All else of cp15 is for the handler, untouched. */
static void test_cp15_slow(void **state)
{
	static const struct {
		uint32_t iss, mode;
	} traps[] = {
		{READ(&readable, 8), PSR_MODE_SVC},       {READ(&readable, 14), PSR_MODE_SVC},
		{READ(&readable, 3) & ~1U, PSR_MODE_SVC}, {READ(&readable, 3), PSR_MODE_USR},
		{READ(&denied, 3), PSR_MODE_SVC},         {READ(&crowded, 3), PSR_MODE_SVC},
	};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(traps); i++) {
		trap(HSR(EC_CP15_32, true, COND(14) | traps[i].iss), traps[i].mode);
		assert_int_equal(seen.handled, 1);
		assert_string_equal(seen.name, "coproc_cp15_32");
		assert_int_equal(regs.r[3], 0);
	}
	trap(HSR(EC_CP14_32, true, COND(14) | READ(&readable, 3)), PSR_MODE_SVC);
	assert_string_equal(seen.name, "coproc_cp14_32");
}

/* A guest without vectors: the abort's vector aborts, for ever. One that goes on in between is none. */
static void test_aborts_in_a_row(void **state)
{
	(void)state;
	write_sctlr(0);
	hints = 0;
	for (uint32_t i = 0; i < 3000; i++) {
		write_elr_hyp(PC + i % 2U * 4U);
		data_abort();
	}
	assert_int_equal(hints, 0);
	write_elr_hyp(PC);
	for (uint32_t i = 0; i < 3000; i++)
		prefetch_abort();
	assert_int_equal(hints, 1);
	assert_int_equal(hint_pc, read_elr_hyp());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_dispatch, setup),
		cmocka_unit_test_setup(test_unknown, setup),
		cmocka_unit_test_setup(test_again, setup),
		cmocka_unit_test_setup(test_condition_arm, setup),
		cmocka_unit_test_setup(test_abort_is_unconditional, setup),
		cmocka_unit_test_setup(test_it_advance, setup),
		cmocka_unit_test_setup(test_it_condition, setup),
		cmocka_unit_test_setup(test_it_condition_unknown, setup),
		cmocka_unit_test_setup(test_cp15_read, setup),
		cmocka_unit_test_setup(test_cp15_slow, setup),
		cmocka_unit_test_setup(test_wfx, setup),
		cmocka_unit_test_setup(test_work, setup),
		cmocka_unit_test_setup(test_devices, setup),
		cmocka_unit_test_setup(test_device_read, device_setup),
		cmocka_unit_test_setup(test_device_write, device_setup),
		cmocka_unit_test_setup(test_device_registers, device_setup),
		cmocka_unit_test_setup(test_device_slow, device_setup),
		cmocka_unit_test_setup(test_device_of_another_page, device_setup),
		cmocka_unit_test_setup(test_device_refuses, device_setup),
		cmocka_unit_test_setup(test_undef, setup),
		cmocka_unit_test_setup(test_data_abort, setup),
		cmocka_unit_test_setup(test_prefetch_abort, setup),
		cmocka_unit_test_setup(test_aborts_in_a_row, setup),
		cmocka_unit_test_setup(test_walk_short, setup),
		cmocka_unit_test_setup(test_walk_long, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
