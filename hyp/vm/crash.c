/* SPDX-License-Identifier: BSD-2-Clause */
/* See crash.h. */
#include <string.h>

#include <arm/hypregs.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "hyp/arm/regs.h"
#include "hyp/console/console.h"
#include "hyp/lib/bits.h"
#include "hyp/run/sched.h"
#include "hyp/vm/crash.h"
#include "hyp/vm/vm.h"

#define CALM_S      60U /* a VM that has run for so long is not in a loop */
#define WAIT_MAX_S  60U
#define DOUBLINGS   6U /* from a second to more than that */
#define REGISTER_LR 14U

void crash_begin(struct vm *vm, const struct vcpu *vcpu, const char *why)
{
	struct vm_crash *crash = &vm->crash;

	if (crash->open)
		return;
	crash->open = true;
	crash->noted = false;
	crash->culprit = vcpu;
	crash->at = timer_now();
	crash->after_s = (uint32_t)((crash->at - vm->started_at) / timer_hz());
	log_format(crash->why, sizeof(crash->why), "%s", why);
	crash->next[0] = '\0';
}

void crash_begin_lent(struct vm *vm, const char *to)
{
	char why[sizeof(vm->crash.why)];

	log_format(why, sizeof(why), "%s has not ended a request within 5 s", to);
	crash_begin(vm, NULL, why);
}

void crash_note(struct vcpu *vcpu)
{
	struct vm_crash *crash = &vcpu->vm->crash;

	if (crash->culprit != vcpu)
		return;
	crash->culprit = NULL;
	crash->noted = true;
	crash->vcpu = vcpu->index;
	crash->pc = read_elr_hyp();
	crash->cpsr = read_spsr_hyp();
	crash->lr = regs_read(vcpu->regs, crash->cpsr, REGISTER_LR);
}

static const char *mode_name(uint32_t cpsr)
{
	switch (cpsr & PSR_MODE_MASK) {
	case PSR_MODE_USR:
		return "usr";
	case PSR_MODE_FIQ:
		return "fiq";
	case PSR_MODE_IRQ:
		return "irq";
	case PSR_MODE_SVC:
		return "svc";
	case PSR_MODE_ABT:
		return "abt";
	case PSR_MODE_UND:
		return "und";
	case PSR_MODE_SYS:
		return "sys";
	default:
		return "no mode";
	}
}

bool crash_describe(const struct vm *vm, char text[CRASH_TEXT_MAX])
{
	const struct vm_crash *crash = &vm->crash;
	size_t used;

	if (crash->at == 0)
		return false;
	used = log_format(text, CRASH_TEXT_MAX, "crashed after %u s: %s", (unsigned)crash->after_s, crash->why);
	if (crash->noted)
		used += log_format(text + used, CRASH_TEXT_MAX - used,
				   " (vCPU %u, PC 0x%08x, LR 0x%08x, CPSR 0x%08x, %s)", (unsigned)crash->vcpu,
				   (unsigned)crash->pc, (unsigned)crash->lr, (unsigned)crash->cpsr,
				   mode_name(crash->cpsr));
	log_format(text + used, CRASH_TEXT_MAX - used, "%s", crash->next);
	return true;
}

/* A VM that goes round in circles does not write over an open shell: `vm list` has it, and the log. */
static void say_crashed(const struct vm *vm, bool restarts)
{
	char text[CRASH_TEXT_MAX];

	if (!crash_describe(vm, text))
		return;
	if (restarts && console_shell_is_open())
		log_keep(LOG_ERR, "vm %s: %s", vm->config.name, text);
	else
		log_err("vm %s: %s", vm->config.name, text);
}

void crash_end(struct vm *vm)
{
	vm->crash.open = false;
	say_crashed(vm, false);
}

/* How long before the next restart, after so many in a row. */
static uint32_t wait_after(uint32_t restarts)
{
	return restarts == 0 ? 0 : MIN(1U << MIN(restarts - 1U, DOUBLINGS), WAIT_MAX_S);
}

static void say_restart(struct vm *vm, uint32_t seconds)
{
	char *next = vm->crash.next;
	size_t used;

	used = log_format(next, sizeof(vm->crash.next), ": restart %u", (unsigned)vm->crash.in_a_row);
	if (vm->config.restart_limit)
		used += log_format(next + used, sizeof(vm->crash.next) - used, " of %u",
				   (unsigned)vm->config.restart_limit);
	if (seconds)
		log_format(next + used, sizeof(vm->crash.next) - used, " in %u s", (unsigned)seconds);
	say_crashed(vm, true);
}

/* Whatever ends the VM's run at `now`: after a calm one its restarts are counted anew. */
static void forget_if_calm(struct vm *vm, uint64_t now)
{
	if (now - vm->started_at >= (uint64_t)CALM_S * timer_hz())
		vm->crash.in_a_row = 0;
}

void crash_begin_anew(struct vm *vm)
{
	forget_if_calm(vm, timer_now());
	vm->crash.open = false;
	vm->crash.culprit = NULL;
}

bool crash_may_restart(struct vm *vm, uint32_t *seconds)
{
	struct vm_crash *crash = &vm->crash;

	forget_if_calm(vm, crash->at);
	if (vm->config.restart_limit && crash->in_a_row >= vm->config.restart_limit) {
		log_format(crash->next, sizeof(crash->next), ": restart-limit %u is reached",
			   (unsigned)vm->config.restart_limit);
		crash_end(vm);
		return false;
	}
	*seconds = wait_after(crash->in_a_row++);
	crash->open = false;
	say_restart(vm, *seconds);
	return true;
}

/* Perhaps for the restart before, and then the restarter of now, or of then, is woken without cause. */
static void restart_due(struct timer *timer)
{
	struct vm *vm = container_of(timer, struct vm, restart);

	sched_wake(vm->restarter);
}

void crash_hold_back(struct vm *vm, uint32_t seconds)
{
	uint64_t start = timer_now() + (uint64_t)seconds * timer_hz();

	vm->restart.expired = restart_due;
	vm->restarter = this_cpu()->thread;
	while (vm->request == VM_REQUEST_RESTART && timer_now() < start) {
		timer_arm(&vm->restart, start);
		sched_block();
	}
	timer_cancel(&vm->restart);
}

void crash_forget(struct vm *vm)
{
	vm->crash = (struct vm_crash){0};
}

void crash_hint_aborts(struct vcpu *vcpu, uint32_t pc)
{
	struct vm *vm = vcpu->vm;

	if (!__atomic_exchange_n(&vm->crash.aborts_told, true, __ATOMIC_RELAXED))
		log_warn("vm %s: aborts over and over at PC 0x%x: its image is not for QEMU's virt board, or not for "
			 "where it was put; "
			 "firmware (EDK2, U-Boot) starts in flash (mkbundle: flash=)",
			 vm->config.name, (unsigned)pc);
}
