/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtual machine: its memory, bus, vCPUs and life. There is no "the" VM: everything hangs off this. */
#ifndef HYP_VM_VM_H
#define HYP_VM_VM_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/console/console.h"
#include "hyp/lib/log.h"
#include "hyp/exit/mmio.h"
#include "hyp/vm/vcpu.h"
#include "hyp/load/vmcfg.h"
#include "mm/s2.h"
#include "vgic/state.h"

#define VM_EXTENTS_MAX 8U
#define VM_MAX         255U /* VMIDs (mm/s2.c) */
#define VCPU_MAX       512U /* of all VMs */

/* hyp/vm/vmctl.c has the table of who changes it. */
enum vm_state {
	VM_CREATED, /* never started */
	VM_RUNNING,
	VM_STOPPING, /* vCPUs are on their way to the checkpoint, or one is at work there; vm->request says what for */
	VM_PAUSED,
	VM_OFF,
	VM_CRASHED,
	VM_BROKEN, /* cannot run on this host */
	VM_ENDING, /* vm_destroy() takes it apart: its threads end */
};

/* What to do once every vCPU is at the checkpoint. A later one replaces an earlier one of less weight: in this order.
 */
enum vm_request {
	VM_REQUEST_NONE,
	VM_REQUEST_PAUSE,
	VM_REQUEST_START,
	VM_REQUEST_RESTART, /* a crash, where on-crash says so */
	VM_REQUEST_RESET,
	VM_REQUEST_OFF,
	VM_REQUEST_CRASH,
};

struct vm_extent {
	uint64_t ipa, pa, size;
};

/* hyp/vm/crash.c; under vm->lock until all vCPUs are at the checkpoint. */
struct vm_crash {
	uint64_t at;                /* CNTPCT of the last one; 0: none since an operator has started the VM */
	uint32_t after_s;           /* seconds since the VM's start, reset or restart */
	char why[128], next[48];    /* for people: what has happened, and what follows */
	bool open;                  /* it is being served */
	const struct vcpu *culprit; /* has not noted yet where it was */
	bool noted;                 /* it has: */
	uint32_t vcpu, pc, lr, cpsr;
	uint32_t in_a_row; /* restarts */
	bool aborts_told;  /* crash_hint_aborts() has had its line; set by any vCPU, at any time */
};

/* A block that devices wait for: vm_touch_part(). Under s2.lock. */
struct vm_touching {
	uint64_t generation; /* that of s2, or there is none */
	ipa_t block;
	pa_t to;       /* where it is */
	uint32_t done; /* bytes that are zero */
};

struct device;
struct virtio_bus;

struct vm {
	/* at the start, where an instruction's offset reaches: for the vGIC's accesses and the world switch */
	uint32_t vcpu_count;
	struct vcpu *vcpu[MACHINE_MAX_CPUS];
	uint64_t cntvoff; /* CNTPCT at which the VM's time was 0: vtimer_begin() */
	struct s2 s2;
	volatile uint32_t uncached; /* bit n: vCPU n runs, and its caches have not been on (coproc/setway.c) */
	uint8_t tlb_vcpu[CPU_MAX]; /* by physical CPU: the vCPU that had it last, whose translations its TLB may hold */
	struct vgic vgic;
	uint32_t id;

	struct spinlock lock; /* state, request, the vCPUs' power and parked, extents */
	enum vm_state state;
	enum vm_request request;
	uint32_t parked_count;
	bool suspended;      /* by PSCI SYSTEM_SUSPEND */
	bool keeps_ram;      /* also when it ends: a bus master of its may still write to it */
	bool host_stays_on;  /* when it goes off, for an operator wanted that */
	uint64_t paused_at;  /* CNTPCT */
	uint64_t started_at; /* CNTPCT of the last start, reset or restart */
	uint32_t restarts;   /* after a crash */
	struct vm_crash crash;
	struct timer restart;
	struct thread *restarter; /* waits for `restart` */

	/* hyp/vm/watchdog.c */
	struct timer watchdog;
	uint64_t off_since; /* CNTPCT at which all vCPUs were first seen off, 0: they are not */
	bool fresh;         /* started since the watchdog last looked */

	/* hyp/vm/silence.c */
	struct timer silence;
	uint32_t said;      /* on its consoles, when it was started */
	uint32_t raw_entry; /* where its kernel, a raw image, starts; 0: that is of another format, or firmware */

	/* the end of it: vm_destroy() */
	struct thread *ender; /* waits for */
	uint32_t left_count;  /* the vCPUs' threads, which end */

	struct timer stop_watch; /* reports vCPUs that do not come to the checkpoint */
	uint64_t stop_began;     /* CNTPCT at which they were called */

	struct vm_config config;
	uint32_t extent_count;
	struct vm_extent extent[VM_EXTENTS_MAX];
	struct vm_touching touching;
	struct device *devices;    /* hyp/vdev/device.h */
	struct virtio_bus *virtio; /* one of them: hyp/virtio/ */
	struct console_stream console;
	struct log_budget log_budget;
	struct mmio_bus bus; /* fixed once the VM runs */
};

#define vm_for_each_vcpu(v, vm_) for (uint32_t i_ = 0; i_ < (vm_)->vcpu_count && ((v) = (vm_)->vcpu[i_]) != NULL; i_++)

/*
 * All VMs by their id, with holes; none has an id of vm_count or more. An entry comes and goes on the boot CPU, in
 * boot and in the shell's thread; who looks from elsewhere holds vms_lock, so that the VM stays.
 */
extern struct vm *vms[VM_MAX];
extern uint32_t vm_count;
extern struct spinlock vms_lock;

#define vm_for_each(vm_)                              \
	for (uint32_t id_ = 0; id_ < vm_count; id_++) \
		if (((vm_) = vms[id_]) != NULL)

/* Give the VM an id and its entry, or take them away again. -ENOSPC: all are taken. */
int vm_enter(struct vm *vm);
void vm_leave(struct vm *vm);

/*
 * With trusted-dma devices of the host read and write the VM's RAM by themselves: it is one piece that the guest sees
 * at the host's addresses, no page of it is ever replaced by another, and all of it is zeroed and mapped before the VM
 * starts. A memory error in it may go anywhere.
 */
static inline bool vm_is_direct(const struct vm *vm)
{
	return vm->config.trusted_dma;
}

/* That mapping, of a VM with prefault too: it has its RAM and is about to start. May be preempted. */
void vm_map_all(struct vm *vm);

/*
 * Reserve the VM's RAM, if it has none; all of it or nothing. -ENOMEM after one logged line. Under vm->lock, or before
 * the VM is known.
 */
int vm_take_ram(struct vm *vm);

/*
 * Scrub what the VM has touched since it got its RAM, and give all of it back, unless it keeps it (keeps_ram). No vCPU
 * of it runs; may be preempted, so no lock is held.
 */
void vm_give_ram(struct vm *vm);

/*
 * RAM that it keeps goes into quarantine, where no VM gets it: the VM is about to be gone, and what may write to it is
 * not. Where that is; of size 0: it had none. vm_end_quarantine(): nothing writes to it any more, for the VM's devices
 * were the last; it is free. May be preempted. vm_adopt_ram(): `vm`, which has no RAM, gets it as its own, to keep.
 * False: it is not of the size that it needs, or there is no room for its tables.
 */
struct vm_extent vm_quarantine_ram(struct vm *vm);
void vm_end_quarantine(const struct vm *vm, const struct vm_extent *ram);
bool vm_adopt_ram(struct vm *vm, const struct vm_extent *ram);

/*
 * Before it starts anew: let spare pages stand in for the bad ones of its RAM; for which there is none, a hole stays
 * (mm/badpage.h), and is logged. No vCPU of it runs, and none of its RAM is mapped.
 */
void vm_mend_ram(struct vm *vm);

/* The IPAs of these holes, the first `most` of them; returns how many. */
uint32_t vm_find_holes(const struct vm *vm, uint64_t *hole, uint32_t most);

/* Bytes of RAM that the VM has reserved, and those of them that it has touched (mapped in 2 MiB blocks). */
uint64_t vm_ram_reserved(const struct vm *vm);
uint64_t vm_ram_touched(const struct vm *vm);

/* The physical address that RAM at `at` has or will have once touched; false: not RAM of this VM. */
bool vm_ram_pa(const struct vm *vm, ipa_t at, pa_t *out);

/*
 * Scrub and map the 2 MiB block that holds `at`, if that has not happened. 0; -EFAULT: not RAM; -ENOMEM; -EIO: `at`
 * lies in a bad page; or all of the block aborts, which is logged within the VM's budget, and it stays away.
 */
int vm_touch(struct vm *vm, ipa_t at);

/* vm_touch() without a lock: others may have the CPU between two parts of the block (sched_preempt()). */
int vm_touch_in_turns(struct vm *vm, ipa_t at);

/*
 * vm_touch() in steps, VM_TOUCH_STEPS for a block at most. -EAGAIN: this was one, and others are to come. The VM has
 * one block at a time under way: a step for another one is a step of that.
 */
#define VM_TOUCH_PART  KIB(64) /* zeroed by a step: 5,000 instructions */
#define VM_TOUCH_STEPS (BLOCK_SIZE / VM_TOUCH_PART + 1U)
int vm_touch_part(struct vm *vm, ipa_t at);

#endif
