/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of exits share: one vCPU in its frame, and notes of what the code under test calls. */
#ifndef TESTS_UNIT_EXIT_RIG_H
#define TESTS_UNIT_EXIT_RIG_H

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

#include "conditions.h"
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
static inline uint64_t cp15_value(struct vcpu *of)
{
	assert_ptr_equal(of, &vcpu);
	return 0xfffffffffeedf00dU;
}

static const struct cp_row no_row = {.key = ~0U}, readable = {.key = CP_KEY(1, 0, 0, 1), .read = cp15_value},
			   denied = {.key = CP_KEY(12, 0, 0, 1)};
static const struct cp_row crowded = {.key = CP_KEY(1, 0, 0, 3)}; /* another row is where its hash says */

const struct cp_row *cp_index[CP_INDEX_SIZE];

static inline void fill_index(void)
{
	for (uint32_t i = 0; i < CP_INDEX_SIZE; i++)
		cp_index[i] = &no_row;
	cp_index[cp_hash(readable.key)] = &readable;
	cp_index[cp_hash(denied.key)] = &denied;
	cp_index[cp_hash(crowded.key)] = &readable;
}

static inline int setup(void **state)
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
static inline void trap(uint32_t hsr, uint32_t spsr)
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
static inline uint32_t it(uint32_t state)
{
	return (state & 0xfcU) << 8 | (state & 3U) << 25;
}

static uint32_t hints, hint_pc;

void crash_hint_aborts(struct vcpu *v, uint32_t pc)
{
	assert_ptr_equal(v, &vcpu);
	hints++;
	hint_pc = pc;
}

static inline void data_abort(void)
{
	inject_data_abort(&vcpu, 0x12345678);
}

static inline void prefetch_abort(void)
{
	inject_prefetch_abort(&vcpu, 0x12345678);
}

#endif
