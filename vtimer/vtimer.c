/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest timers. CNTP is a deadline on HYP's own timer; CNTV belongs to whoever is loaded. Compiled for speed. */
#include <arm/atomic.h>
#include <arm/barrier.h>
#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "hyp/host/gic.h"
#include "hyp/host/host.h"
#include "hyp/run/irq.h"
#include "hyp/lib/log.h"
#include "hyp/lib/option.h"
#include "hyp/vm/hcr.h"
#include "hyp/vm/machine.h"
#include "vgic/vgic.h"
#include "vtimer/vtimer.h"

_Static_assert(MACHINE_PPI_TIMER_VIRT == HOST_PPI_TIMER_VIRT, "a list register's physical ID is its virtual one's");

/*
 * For a GIC that forgets levels (hyp/host/gic.h): if the virtual timer fires again before the guest has ended its last
 * interrupt, virt7 gets none for it. So it looks from time to time, until the guest has ended it with the line down.
 */
#define CHECK_HZ 200U

static struct check {
	struct timer timer;
	uint32_t fired, seen;
} checks[CPU_MAX];

/* While it does, WFI traps, or the interrupt of the look would end it: vtimer_doze(). */
static void see_wfi(bool see)
{
	struct vcpu *vcpu = this_cpu()->loaded;

	if (!vcpu)
		return;
	vcpu->trap_wfi = see || vcpu->vm->config.watchdog_ms;
	hcr_set_wait_traps(&vcpu->thread);
}

static void check_expired(struct timer *timer)
{
	struct check *check = container_of(timer, struct check, timer);

	if (check->seen == check->fired && !gic_is_active(MACHINE_PPI_TIMER_VIRT) && !vtimer_virt_line()) {
		see_wfi(false);
		return;
	}
	check->seen = check->fired;
	gic_look_again();
	timer_arm(timer, timer_now() + timer_hz() / CHECK_HZ);
}

static void check_later(void)
{
	struct check *check = &checks[cpu_id()];
	const struct vcpu *vcpu = this_cpu()->loaded;

	check->fired++;
	if (vcpu && !vcpu->trap_wfi) /* the timer may have been armed while another was loaded */
		see_wfi(true);
	if (timer_armed(&check->timer))
		return;
	check->timer.expired = check_expired;
	timer_arm(&check->timer, timer_now() + timer_hz() / CHECK_HZ);
}

/*
 * The last look is that at the WFI itself: whoever sleeps ends no interrupt. Those of virt7's own that come meanwhile,
 * check_expired()'s for one, are served here, and the guest does not see them.
 */
bool vtimer_doze(struct vcpu *vcpu)
{
	const struct percpu *cpu = this_cpu();
	uint32_t injected = vcpu->vgic.injected;

	if (!gic_forgets_level || cpu->assigned > 1 || cpu->ready || vcpu->vm->config.watchdog_ms)
		return false;
	gic_look_again();
	do {
		wfi();
		irq_handle_one();
	} while (!vcpu->thread.work && vcpu->vgic.injected == injected && !(read_isr() & ISR_A));
	return true;
}

/* The physical PPI stays active until the guest ends its virtual twin (GICH_LR.HW). */
static bool virt_irq(uint32_t id, void *arg)
{
	struct vcpu *vcpu = this_cpu()->loaded;

	if (!vcpu)
		return true;
	if (unlikely(gic_forgets_level))
		check_later();
	vgic_raise_hw(vcpu, MACHINE_PPI_TIMER_VIRT);
	return false;
}

bool vtimer_virt_line(void)
{
	return (read_cntv_ctl() & (CNT_ENABLE | CNT_IMASK | CNT_ISTATUS)) == (CNT_ENABLE | CNT_ISTATUS);
}

void vtimer_init_cpu(uint32_t irq)
{
	write_cntv_ctl(0);
	write_cnthctl(0); /* CNTPCT and CNTP_* trap */
	irq_register(irq, virt_irq, NULL);
	if (cpu_id() == 0) {
		write_cntvoff(0);
		write_cntv_cval(0);
		write_cntv_ctl(CNT_ENABLE);
		isb();
		gic_probe_level(irq);
		if (gic_forgets_level)
			log_info("host: the GIC forgets levels at a guest's EOI (QEMU does): virt7 looks after the "
				 "timer");
		write_cntv_ctl(0);
		isb();
	}
}

static uint32_t offset_policy = OPTION_OFFSET_ALWAYS;

void vtimer_choose_offset(uint32_t option, bool emulated)
{
	if (option)
		offset_policy = option;
	else
		offset_policy = emulated ? OPTION_OFFSET_NEVER : OPTION_OFFSET_ALWAYS;
}

void vtimer_begin(struct vm *vm)
{
	vm->cntvoff = offset_policy == OPTION_OFFSET_ALWAYS ? timer_now() : 0;
}

void vtimer_end_pause(struct vm *vm, uint64_t since)
{
	if (offset_policy != OPTION_OFFSET_NEVER)
		vm->cntvoff += timer_now() - since;
}

static void phys_expired(struct timer *timer)
{
	vcpu_request(container_of(timer, struct vcpu, vtimer.phys), WORK_TIMER);
}

/* The virtual timer of a vCPU that is not loaded is due: the hardware will raise it once loaded. */
static void virt_expired(struct timer *timer)
{
	vcpu_request(container_of(timer, struct vcpu, vtimer.virt), WORK_TIMER);
}

uint64_t vtimer_count(const struct vcpu *vcpu)
{
	return timer_now() - vcpu->vm->cntvoff;
}

/* A deadline of the VM's time on the host's counter; what lies beyond its end never comes. */
static uint64_t host_deadline(const struct vcpu *vcpu, uint64_t cval)
{
	uint64_t deadline = cval + vcpu->vm->cntvoff;

	return deadline < cval ? UINT64_MAX : deadline;
}

uint32_t vtimer_phys_ctl(struct vcpu *vcpu)
{
	struct vtimer_cpu *t = &vcpu->vtimer;
	bool met = (t->cntp_ctl & CNT_ENABLE) && vtimer_count(vcpu) >= t->cntp_cval;

	return t->cntp_ctl | (met ? CNT_ISTATUS : 0);
}

/* The line follows the condition; a deadline is armed while it is still to come. */
void vtimer_sample(struct vcpu *vcpu)
{
	struct vtimer_cpu *t = &vcpu->vtimer;
	uint32_t ctl = vtimer_phys_ctl(vcpu);

	if ((ctl & (CNT_ENABLE | CNT_IMASK | CNT_ISTATUS)) == CNT_ENABLE)
		timer_arm(&t->phys, host_deadline(vcpu, t->cntp_cval));
	else
		timer_cancel(&t->phys);
	vgic_set_line(vcpu->vm, vcpu->index, MACHINE_PPI_TIMER_PHYS, (ctl & CNT_ISTATUS) && !(ctl & CNT_IMASK));
}

void vtimer_set_phys_ctl(struct vcpu *vcpu, uint32_t ctl)
{
	vcpu->vtimer.cntp_ctl = ctl & (CNT_ENABLE | CNT_IMASK);
	vtimer_sample(vcpu);
}

void vtimer_set_phys_cval(struct vcpu *vcpu, uint64_t cval)
{
	vcpu->vtimer.cntp_cval = cval;
	vtimer_sample(vcpu);
}

void vtimer_init_vcpu(struct vcpu *vcpu)
{
	vcpu->vtimer = (struct vtimer_cpu){.phys = {.expired = phys_expired}, .virt = {.expired = virt_expired}};
}

void vtimer_reset_cpu(struct vcpu *vcpu)
{
	write_cntv_ctl(0);
	isb();
	timer_cancel(&vcpu->vtimer.phys);
	timer_cancel(&vcpu->vtimer.virt);
	vtimer_init_vcpu(vcpu);
	vgic_set_line(vcpu->vm, vcpu->index, MACHINE_PPI_TIMER_PHYS, false);
}

void vtimer_stand_in(struct vcpu *vcpu)
{
	timer_arm(&vcpu->vtimer.virt, host_deadline(vcpu, vcpu->vtimer.cntv_cval));
}

void vtimer_fired_before(void)
{
	if (gic_forgets_level)
		check_later();
}

void vtimer_unload(struct vcpu *vcpu)
{
	timer_cancel(&vcpu->vtimer.phys);
	timer_cancel(&vcpu->vtimer.virt);
	atomic_or(&vcpu->thread.work, WORK_TIMER);
}

void vtimer_end_vcpu(struct vcpu *vcpu)
{
	timer_drain(&vcpu->vtimer.phys);
	timer_drain(&vcpu->vtimer.virt);
}
