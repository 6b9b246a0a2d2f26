/*
 * A vCPU: a HYP thread with a stack of its own, at whose top the vectors push the guest's registers. It leaves the
 * guest's world only through hyp/exit/exit.c and may block inside HYP; its state may be thrown away only at the
 * checkpoint on the way back into the guest (hyp/vm/vmctl.c).
 */
#ifndef HYP_VM_VCPU_H
#define HYP_VM_VCPU_H

#include <stdbool.h>
#include <stdint.h>

#include <arm/hypregs.h>
#include <arm/sysreg.h>
#include <arm/vfp.h>

#include "coproc/state.h"
#include "hyp/lib/addr.h"
#include "hyp/lib/list.h"
#include "hyp/exit/mmio.h"
#include "hyp/run/percpu.h"
#include "hyp/arm/regs.h"
#include "vgic/state.h"
#include "vtimer/state.h"

struct vm;

/* Reasons to leave the fast way back into the guest; set by any CPU (vcpu_request()), cleared by the vCPU. */
#define WORK_VGIC    (1U << 0) /* interrupts to put into list registers */
#define WORK_RESCHED (1U << 1) /* a vCPU that goes before it waits */
#define WORK_STOP    (1U << 2) /* the VM wants its vCPUs at the checkpoint */
#define WORK_SLICE   (1U << 4) /* another vCPU of its priority waits: it has a time slice from now on */
#define WORK_FLUSH   (1U << 5) /* set/way: the VM's memory is to be cleaned from the caches (coproc/setway.c) */
#define WORK_TIMER   (1U << 3) /* an expired timer's line has to be sampled */
#define WORK_BALANCE (1U << 6) /* who waits on this CPU may do better on another */
#define WORK_VIRTIO  (1U << 7) /* devices in virtio_slots have been notified */

/* SUSPENDED: in a PSCI power-down state, on again when an interrupt is pending for it. */
enum vcpu_power { VCPU_OFF, VCPU_ON, VCPU_SUSPENDED };

enum vcpu_start { START_NONE, START_RESET, START_RESUME };

/* State that is in the hardware while the vCPU is loaded, and here otherwise. In the order of hyp/arm/context.S. */
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
	uint32_t fcseidr, disr; /* where the core has them: coproc/extra.h */
};

struct vcpu {
	struct regs *regs; /* at the top of the stack */
	struct vm *vm;
	volatile uint32_t work;
	uint32_t index; /* in the VM; also the affinity 0 of its MPIDR */
	uint32_t vmpidr, vpidr;
	uint32_t hcr; /* as last written, or to be written at load; the hardware clears VA when the guest takes it */
	const struct mmio_bus *bus;     /* the VM's */
	volatile uint32_t virtio_slots; /* bit n: it serves the device in slot n (WORK_VIRTIO) */
	uint32_t virtio_last;           /* the last one that it served */
	uint32_t exits[64];             /* by exception class */
	uint32_t irq_exits;

	/* scheduler: under cpu->rq_lock */
	struct percpu *cpu;  /* where it lives; changed by that CPU only, while the vCPU is queued there */
	uint32_t model_cpus; /* mask of the physical CPUs that can be its model; constant */
	struct list node;
	bool queued, running, wake_pending;
	uint32_t priority;
	uint32_t affinity;    /* physical CPUs that it may live on, bit n is CPU n */
	uint32_t sleeps;      /* times that it gave the CPU up by itself */
	uint64_t waits_since; /* CNTPCT at which it began to wait for the turn that it has or waits for */
	uint64_t moved_at;    /* equal: because it was moved to another CPU then */
	uint32_t turn_left;   /* ticks of a turn that a more urgent vCPU interrupts; 0: a whole one */
	/* Ticks of CNTPCT that it ran, and that it was ready or ran: while it does, less CNTPCT at which that began. */
	uint64_t ran, wanted;
	uint64_t ran_mark, wanted_mark; /* what does not count for its share any more */
	uint32_t *sp;                   /* of the switched-out thread */

	/* under vm->lock */
	enum vcpu_power power;
	bool parked; /* sits at the checkpoint */

	/* hyp/vm/watchdog.c: as it last saw them */
	uint64_t seen_ran;
	uint32_t seen_sleeps, seen_injected;

	bool decode_stores; /* a Thumb store's register is not that of the syndrome (coproc/errata.c) */
	bool trap_wfi;      /* also where it has a CPU alone */
	bool detached;      /* its own: not to be loaded into the hardware while its thread runs */
	bool gone;          /* its thread has ended and left its stack */

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

/* The vCPU whose thread runs on this CPU. Not from the idle thread. */
static inline struct vcpu *current_vcpu(void)
{
	return this_cpu()->vcpu;
}

/* Make the vCPU do `work` (WORK_*) before it next runs guest code, wherever it is now: kicks it out of the guest or
 * wakes it. */
void vcpu_request(struct vcpu *vcpu, uint32_t work);

/* hyp/vm/switch.c: put `next`'s state into the hardware, saving that of whoever was there; NULL saves only. */
void vcpu_load(struct vcpu *next);

/* The same, of this CPU, where `next` is known not to be loaded. */
void vcpu_switch(struct percpu *cpu, struct vcpu *next);

/* Give the loaded vCPU an asynchronous abort, which its guest takes when it unmasks them (B1.9.12). */
static inline void vcpu_pend_abort(struct vcpu *vcpu)
{
	vcpu->hcr |= HCR_VA;
	write_hcr(read_hcr() | HCR_VA);
}

/*
 * ISR.A is set, in HYP: take the asynchronous abort, and give it to the vCPU that is loaded. Returns that one, which
 * may sleep; NULL: the abort is nobody's, and has been logged.
 */
struct vcpu *vcpu_take_abort(struct percpu *cpu);

/* Take all of the vCPU's state out of this CPU, timers included, so that another one can go on with it. */
void vcpu_unload(struct vcpu *vcpu);

/*
 * Let WFI and WFE of the loaded vCPU trap, or not: WFI gives the CPU up where it has other vCPUs, WFE where one of its
 * priority waits. Who has a CPU alone waits in the hardware, without an exit.
 */
void vcpu_set_wait_traps(struct vcpu *vcpu);

/* Make the guest's registers those of an architectural reset, entered at `pc` (bit 0: Thumb). The vCPU is not running.
 */
void vcpu_reset_context(struct vcpu *vcpu, uint32_t pc, uint32_t r0, uint32_t r1, uint32_t r2);

/* Inject exceptions as the hardware would take them (hyp/exit/inject.c); the vCPU is the current one. */
void inject_undef(struct vcpu *vcpu);
void inject_data_abort(struct vcpu *vcpu, uint32_t va);
void inject_prefetch_abort(struct vcpu *vcpu, uint32_t va);

/* The same for an external abort on the guest's own table walk for `va`, whose descriptor lies in the page at `table`.
 */
void inject_walk_abort(struct vcpu *vcpu, uint32_t va, ipa_t table, bool prefetch);

#endif
