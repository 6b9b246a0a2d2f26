/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vCPU: a HYP thread with a stack of its own, at whose top the vectors push the guest's registers. It leaves the
 * guest's world only through hyp/exit/exit.c and may block inside HYP; its state may be thrown away only at the
 * checkpoint on the way back into the guest (hyp/vm/vmctl.c).
 */
#ifndef HYP_VM_VCPU_H
#define HYP_VM_VCPU_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <arm/hypregs.h>
#include <arm/sysreg.h>
#include <arm/vfp.h>

#include "coproc/state.h"
#include "hyp/lib/addr.h"
#include "hyp/exit/mmio.h"
#include "hyp/run/percpu.h"
#include "hyp/run/sched.h"
#include "hyp/run/thread.h"
#include "hyp/arm/regs.h"
#include "vgic/state.h"
#include "vtimer/state.h"

struct vm;

/* Reasons to leave the fast way back into the guest, in thread.work, beside the scheduler's (hyp/run/thread.h). */
#define WORK_VGIC   (1U << 0) /* interrupts to put into list registers */
#define WORK_STOP   (1U << 2) /* the VM wants its vCPUs at the checkpoint */
#define WORK_FLUSH  (1U << 5) /* set/way: the VM's memory is to be cleaned from the caches (coproc/setway.c) */
#define WORK_TIMER  (1U << 3) /* an expired timer's line has to be sampled */
#define WORK_SGI    (1U << 8) /* SGIs in its mailbox (vgic_cpu.mail) */
#define WORK_VIRTIO (1U << 7) /* devices in virtio_slots have been notified */

/* SUSPENDED: in a PSCI power-down state, on again when an interrupt is pending for it. */
enum vcpu_power { VCPU_OFF, VCPU_ON, VCPU_SUSPENDED };

enum vcpu_start { START_NONE, START_RESET, START_RESUME };

/* State that is in the hardware while the vCPU is loaded, and here otherwise. In the order of hyp/arm/context.def. */
struct vcpu_context {
	uint32_t elr, spsr;
	uint32_t sp_usr;
	uint32_t svc[3], abt[3], und[3], irq[3]; /* sp, lr, spsr */
	uint32_t fiq[8];                         /* r8-r12, sp, lr, spsr */
	uint32_t cpacr, ttbcr, dacr;
	uint64_t ttbr0, ttbr1, par;
	uint32_t prrr, nmrr, amair0, amair1;
	uint32_t dfsr, ifsr, adfsr, aifsr, dfar, ifar;
	uint32_t vbar, contextidr, tpidrurw, tpidruro, tpidrprw, csselr;
	uint32_t sctlr;
	uint32_t fcseidr, disr, teecr, teehbr; /* where the core has them: coproc/extra.h */
};

struct vcpu {
	struct thread thread; /* first: vcpu_of() costs nothing */
	struct regs *regs;    /* at the top of the stack */
	struct vm *vm;
	uint32_t index; /* in the VM; also the affinity 0 of its MPIDR */
	uint32_t vmpidr, vpidr;
	uint32_t hcr; /* as last written, or to be written at load; the hardware clears VA when the guest takes it */
	const struct mmio_bus *bus;     /* the VM's */
	volatile uint32_t virtio_slots; /* bit n: it serves the device in slot n (WORK_VIRTIO) */
	uint32_t virtio_last;           /* the last one that it served */
	uint64_t device_ticks;          /* of CNTPCT that it has served devices for, not its guest's fault */
	uint32_t exits[64];             /* by exception class */
	uint32_t irq_exits;
	uint32_t model_cpus; /* mask of the physical CPUs that can be its model; constant */

	/* under vm->lock */
	enum vcpu_power power;
	bool parked; /* sits at the checkpoint */

	/* hyp/vm/watchdog.c: as it last saw them */
	uint64_t seen_ran;
	uint32_t seen_sleeps, seen_injected;

	/* hyp/exit/inject.c: aborts one after the other at the same PC */
	uint32_t abort_pc, aborts;

	bool decode_stores; /* a Thumb store's register is not that of the syndrome (coproc/errata.c) */
	bool trap_wfi;      /* also where it has a CPU alone */

	enum vcpu_start start;  /* what it does to itself when it leaves the checkpoint */
	uint32_t entry;         /* where it starts; bit 0: Thumb */
	uint32_t entry_psr_e;   /* PSR.E that it starts with */
	uint32_t entry_args[3]; /* its r0-r2 */

	struct vtimer_cpu vtimer;
	struct vgic_cpu vgic;
	struct coproc_cpu coproc;
	struct vcpu_context ctx;
	struct vfp_context vfp;
};

/* The vCPU that begins with `thread`, which is none of virt7's own; NULL: NULL. */
static inline struct vcpu *vcpu_of(struct thread *thread)
{
	static_assert(offsetof(struct vcpu, thread) == 0, "what begins with a thread");
	return (struct vcpu *)(void *)thread;
}

/* The vCPU whose thread runs on this CPU. Not from the idle thread nor from one of virt7's own. */
static inline struct vcpu *current_vcpu(void)
{
	return vcpu_of(this_cpu()->thread);
}

/* Make the vCPU do `work` (WORK_*) before it next runs guest code, wherever it is now: kicks it out of the guest or
 * wakes it. */
static inline void vcpu_request(struct vcpu *vcpu, uint32_t work)
{
	sched_request(&vcpu->thread, work);
}

/* It has served devices for so many ticks of CNTPCT. Others read the sum. */
static inline void vcpu_served_devices(struct vcpu *vcpu, uint64_t ticks)
{
	__atomic_store_n(&vcpu->device_ticks, vcpu->device_ticks + ticks, __ATOMIC_RELAXED);
}

/* `hcr` with the traps that fit who else wants this CPU: also one of less priority gets it while the guest waits. */
static inline uint32_t vcpu_wait_traps(uint32_t hcr, const struct percpu *cpu, const struct vcpu *vcpu)
{
	uint32_t ready = cpu->ready;

	if (likely(ready))
		return ready >> vcpu->thread.priority ? hcr | HCR_TWI | HCR_TWE : (hcr & ~HCR_TWE) | HCR_TWI;
	hcr &= ~HCR_TWE;
	return cpu->assigned <= 1 && !vcpu->trap_wfi ? hcr & ~HCR_TWI : hcr | HCR_TWI;
}

/* Give the loaded vCPU an asynchronous abort, which its guest takes when it unmasks them (B1.9.9). */
static inline void vcpu_pend_abort(struct vcpu *vcpu)
{
	vcpu->hcr |= HCR_VA;
	write_hcr(read_hcr() | HCR_VA);
}

#endif
