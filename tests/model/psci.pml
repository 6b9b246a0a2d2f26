/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of vCPUs and their VM: CPU_ON, CPU_OFF, CPU_SUSPEND, WFI, interrupts, SYSTEM_RESET and an operator's pause
 * and resume against each other, step by step as hyp/vm/vmctl.c and hyp/run/sched.c do it. Each step says which C function it
 * stands for; a part that C runs under one lock, and that is read under it alone, is one atomic step.
 *
 * One vCPU a physical CPU: HYP runs with interrupts masked, so a CPU is one process here. A guest does what it likes, in
 * any order, as often as its budget (N_...) lets it; then it spins, and takes interrupts.
 *
 * Properties
 *   lost wake-up      when nothing can move any more, no process waits for what has happened (monitor, at `timeout`)
 *   livelock          nothing moves for ever without a budget being used (non-progress cycles)
 *   one winner        a CPU_ON's SUCCESS is one entry, with its own context id (assert in cpu_on() and start_over())
 *   no lost SGI       one sent behind a CPU_ON is there when its target starts (assert in start_over())
 *   no late write     nothing of a guest of before a reset is written after it (assert in write(), enter and prepare)
 *   reset terminates  STOPPING does not last (LTL reset_ends, weak fairness)
 *
 * M_... are mutants: each breaks one thing, and the property it names must fail. See tests/model/run.
 */

#ifndef VCPUS
#define VCPUS 3
#endif
#ifndef N_ON
#define N_ON 3
#endif
#ifndef N_OFF
#define N_OFF 1
#endif
#ifndef N_SUSPEND
#define N_SUSPEND 0
#endif
#ifndef N_WFI
#define N_WFI 0
#endif
#ifndef N_IRQ
#define N_IRQ 0
#endif
#ifndef N_RESET
#define N_RESET 1
#endif
#ifndef N_PAUSE
#define N_PAUSE 0
#endif

/* enum vm_state, enum vm_request, enum vcpu_power, enum vcpu_start, WORK_* */
#define CREATED   0
#define RUNNING   1
#define STOPPING  2
#define PAUSED    3
#define TO_PAUSE  1
#define TO_RESET  2
#define OFF       0
#define ON        1
#define SUSPENDED 2
#define NONE      0
#define RESET     1
#define RESUME    2
#define STOP      1
#define VGIC      2

/* struct vm */
byte state = CREATED, request = NONE;
short parked_count;

/* struct vcpu */
byte power[VCPUS], start[VCPUS], entry_context[VCPUS], work[VCPUS];
bool queued[VCPUS], running[VCPUS], wake_pending[VCPUS];

/* struct percpu: cpu->vcpu is the vCPU while that is `running`, else NULL; an SGI that waits for this CPU */
bool sgi[VCPUS];

/* vGIC: an interrupt in the vCPU's mailbox or `queued` set (VGIC: or WORK_SGI); one in a list register */
bool irq[VCPUS], lr[VCPUS];

/* Budgets. */
byte n_on = N_ON, n_off = N_OFF, n_suspend = N_SUSPEND, n_wfi = N_WFI, n_irq = N_IRQ, n_reset = N_RESET, n_pause = N_PAUSE;

/* For the properties only. */
byte generation;               /* counts prepare() */
byte context_of[VCPUS];        /* the generation in which the vCPU's registers were reset */
byte winner[VCPUS];            /* context id of the CPU_ON that succeeded and has not been entered yet, 0: none */
bool at_checkpoint[VCPUS], in_guest[VCPUS], blocked[VCPUS];
bool sent_after_on[VCPUS];     /* an SGI came between CPU_ON's SUCCESS and the entry */

/* sched_wake(): under rq_lock, announce() included, and then the kick: for a vCPU that runs, or for its idle CPU. */
inline sched_wake(v)
{
	if
	:: atomic {
		running[v] ->
#ifndef M_WAKE_PENDING
		wake_pending[v] = true
#endif
	   }
#ifndef M_KICK_IDLE_ONLY
		sgi[v] = true
#endif
	:: atomic { !running[v] && !queued[v] -> queued[v] = true }
#ifndef M_KICK_RUNNING_ONLY
		sgi[v] = true
#endif
	:: atomic { !running[v] && queued[v] -> skip }
	fi
}

/* vcpu_request() of another vCPU: that the work is there before the kick is the point. */
inline vcpu_request(v, bits)
{
	work[v] = work[v] | bits;
	sched_wake(v)
}

/* sched_block() with choose(), leave_to() the idle thread, sched_idle() with choose(), thread_switch() back. */
inline sched_block()
{
	atomic {
		if
		:: wake_pending[me] -> wake_pending[me] = false
		:: else -> running[me] = false; blocked[me] = true
		fi
	}
	if
	:: !blocked[me] -> skip
	:: blocked[me] ->
		do
		:: atomic { queued[me] -> queued[me] = false; running[me] = true; blocked[me] = false; break }
		:: !queued[me] -> /* idle_wait(): WFI until an interrupt is pending, and irq_handle_one() */
			atomic { sgi[me] -> sgi[me] = false }
		od
	fi
}

/* An effect of the guest's or of a trap handler's on its registers. */
inline write()
{
	assert(context_of[me] == generation)
}

/* prepare(): no other vCPU is outside the checkpoint. Others may wake and look meanwhile: at `state`, which says no. */
inline prepare()
{
	generation++;
	atomic {
	for (i : 0 .. VCPUS - 1) {
		assert(at_checkpoint[i] && !in_guest[i]);
#ifndef M_STAY_ON
		power[i] = OFF;
#endif
		irq[i] = false; /* vgic_reset() */
		lr[i] = false;
		sent_after_on[i] = false;
		winner[i] = 0
	}
	}
	atomic { i = 0; entry_context[0] = 0; power[0] = ON; start[0] = RESET } /* set_entry() */
}

/* perform() of VM_REQUEST_RESET, wake_all() included. */
inline perform()
{
#ifdef M_LATE_PAUSE /* a pause as one of the requests that perform() does */
	if
	:: atomic { state == STOPPING && request == TO_PAUSE -> state = PAUSED; request = NONE }
	:: atomic { state == STOPPING && request != TO_PAUSE -> skip }
		prepare();
		atomic { state = RUNNING; request = NONE }
	:: atomic { state != STOPPING -> skip }
	fi;
#else
	assert(state == STOPPING);
	prepare();
	atomic { state = RUNNING; request = NONE }
#endif
	for (i : 0 .. VCPUS - 1) {
		if
		:: i != me -> sched_wake(i)
		:: else -> wake_pending[me] = true /* sched_wake() of itself: it is running */
		fi
	}
	i = 0
}

/* may_run(), under vm->lock. */
#define MAY_RUN (state == RUNNING && (power[me] == ON || (power[me] == SUSPENDED && (irq[me] || lr[me]))))

/* start_over(): on its own CPU, without the lock. */
inline start_over()
{
	atomic {
		if
		:: taken == RESET ->
			/* vgic_reset_cpu(): what sits in a list register goes back to the distributor */
#ifndef M_DROP_LR
			if
			:: lr[me] -> irq[me] = true; work[me] = work[me] | VGIC
			:: else -> skip
			fi;
#else
			irq[me] = false;
#endif
			lr[me] = false;
			assert(!sent_after_on[me] || irq[me]);
			sent_after_on[me] = false;
			assert(winner[me] == 0 || entry_context[me] == winner[me]);
			winner[me] = 0
		:: else -> skip
		fi;
		context_of[me] = generation;
		taken = NONE
	}
}

/* "last" in vmctl_checkpoint() */
#ifdef M_EARLY
#define ALL_PARKED (VCPUS - 1)
#else
#define ALL_PARKED VCPUS
#endif

/* vmctl_checkpoint() */
inline vmctl_checkpoint()
{
	atomic { at_checkpoint[me] = true; parked_count++ }
	do
	:: atomic {
		MAY_RUN ->
		power[me] = ON;
		parked_count--;
		at_checkpoint[me] = false;
		taken = start[me];
		start[me] = NONE;
		break
	   }
#ifndef M_LATE_PAUSE
	:: atomic { /* must_perform() */
		!MAY_RUN && state == STOPPING && parked_count == ALL_PARKED && request == TO_PAUSE ->
		state = PAUSED;
		request = NONE
	   }
#define LAST (state == STOPPING && parked_count == ALL_PARKED && request != TO_PAUSE)
#else
#define LAST (state == STOPPING && parked_count == ALL_PARKED)
#endif
	:: atomic {
		!MAY_RUN && LAST ->
#ifndef M_TWO_PERFORM
		parked_count = 0
#endif
	   }
		perform();
#ifndef M_LOST_COUNT
		parked_count = parked_count + VCPUS
#else
		skip
#endif
	:: atomic { !MAY_RUN && !(state == STOPPING && parked_count == ALL_PARKED) -> skip }
		sched_block()
	od;
	if
	:: taken != NONE -> start_over()
	:: else -> skip
	fi
}

/* leave(), do_work(), and the eret: an SGI that came since is taken at once, in the guest. */
inline leave()
{
	do
	:: atomic { work[me] == 0 -> in_guest[me] = true; break }
	:: atomic { work[me] != 0 -> bits = work[me]; work[me] = 0 } /* atomic_take() */
		if
		:: bits & STOP -> vmctl_checkpoint()
		:: else -> skip
		fi;
		if
		:: bits & VGIC -> atomic { /* vgic_take_sgis(), vgic_flush() */
			bits = 0;
			if
			:: irq[me] -> irq[me] = false; lr[me] = true
			:: else -> skip
			fi
		   }
		:: else -> bits = 0
		fi
	od
}

/* vmctl_cpu_on(): the target is any other vCPU, the context id tells the caller. */
inline cpu_on(v)
{
#ifndef M_UNLOCKED_ON
	atomic {
		ok = power[v] == OFF;
#else
		ok = power[v] == OFF;
	atomic {
#endif
		if
		:: ok ->
			assert(winner[v] == 0);
			entry_context[v] = me + 1; /* set_entry() */
			winner[v] = me + 1;
			power[v] = ON;
			start[v] = RESET;
			sent_after_on[v] = false
		:: else -> skip
		fi
	}
	if
	:: ok -> ok = false; sched_wake(v)
	:: else -> skip
	fi;
	other = 0;
	write() /* call() in psci/psci.c: r0 = result */
}

/* vmctl_cpu_off(): work of its own needs no wake. */
inline cpu_off()
{
	atomic { /* vgic_reset_cpu() */
		if
		:: lr[me] -> irq[me] = true; lr[me] = false; work[me] = work[me] | VGIC
		:: else -> skip
		fi
	}
	power[me] = OFF;
	work[me] = work[me] | STOP;
	write()
}

/* power_down() */
inline cpu_suspend()
{
	atomic { power[me] = SUSPENDED; start[me] = RESUME; entry_context[me] = me + 1 }
	work[me] = work[me] | STOP;
	write()
}

/* vmctl_request(VM_REQUEST_RESET) */
inline system_reset()
{
	atomic {
		if
		:: state == RUNNING || (state == STOPPING && request < TO_RESET) -> state = STOPPING; request = TO_RESET
		:: else -> skip
		fi
	}
	for (i : 0 .. VCPUS - 1) {
		if
		:: i == me -> work[me] = work[me] | STOP
		:: else ->
#ifndef M_NO_REQUEST
			vcpu_request(i, STOP)
#else
			work[i] = work[i] | STOP
#endif
		fi
	}
	i = 0;
	write()
}

/* vgic_send_sgi(): a bit in the mailbox at once, vcpu_request() in steps. */
inline send_sgi(v)
{
	atomic {
		irq[v] = true;
		if
		:: winner[v] != 0 -> sent_after_on[v] = true
		:: else -> skip
		fi
	}
#ifndef M_QUIET_SGI
	vcpu_request(v, VGIC);
#else
	work[v] = work[v] | VGIC;
#endif
	write()
}

/* wfx_exit() */
inline wfi()
{
	if
	:: work[me] != 0 || irq[me] || lr[me] -> skip
	:: else -> sched_block()
	fi;
	write()
}

proctype vcpu(byte me)
{
	byte i, bits, taken, other;
	bool ok;

	atomic { queued[me] = false; running[me] = true } /* sched_idle() picks it */
	do
	:: leave();
		assert(context_of[me] == generation);
		/* In the guest. Leaving it for a trap or an interrupt is one step. */
end_guest:	if
		:: atomic { sgi[me] -> sgi[me] = false; in_guest[me] = false } /* exit_irq() */
		:: atomic { lr[me] && !sgi[me] -> lr[me] = false; write() }
			goto end_guest
		:: atomic { n_on > 0 -> n_on--; in_guest[me] = false }
progress_on:
			if
			:: other = (me + 1) % VCPUS
			:: other = (me + 2) % VCPUS
			fi;
			if
			:: other != me -> cpu_on(other)
			:: else -> other = 0
			fi
		:: atomic { n_off > 0 && me != 0 -> n_off--; in_guest[me] = false }
progress_off:		cpu_off()
		:: atomic { n_suspend > 0 -> n_suspend--; in_guest[me] = false }
progress_suspend:	cpu_suspend()
		:: atomic { n_wfi > 0 -> n_wfi--; in_guest[me] = false }
progress_wfi:		wfi()
		:: atomic { n_irq > 0 -> n_irq--; in_guest[me] = false }
progress_irq:		send_sgi((me + 1) % VCPUS)
		:: atomic { n_reset > 0 -> n_reset--; in_guest[me] = false }
progress_reset:		system_reset()
		fi
	od
}

/* vmctl_boot(), on the CPU that boots. */
proctype boot()
{
	byte i;

	atomic {
		generation++;
		power[0] = ON;
		start[0] = RESET;
#ifdef TWO_ON /* as if vCPU 0 had switched it on: a smaller search than letting it */
		power[1] = ON;
		start[1] = RESET
#endif
	}
	state = RUNNING;
	for (i : 0 .. VCPUS - 1) {
		sched_wake(i)
	}
}

/* vmctl_pause() and vmctl_resume(), from a thread of virt7's own. A pause always ends. */
proctype operator()
{
	byte i;

	do
	:: atomic { n_pause > 0 && state == RUNNING -> n_pause--; state = STOPPING; request = TO_PAUSE }
		for (i : 0 .. VCPUS - 1) {
			vcpu_request(i, STOP)
		}
		atomic {
			if
			:: state == PAUSED || (state == STOPPING && request == TO_PAUSE) -> state = RUNNING; request = NONE
			:: else -> skip /* -EBUSY: a reset came in between */
			fi
		}
		for (i : 0 .. VCPUS - 1) {
			sched_wake(i)
		}
	:: atomic { n_pause == 0 -> break }
	od
}

/* Nothing moves: every budget may be used up or not, but no vCPU may be left behind. */
proctype monitor()
{
	byte i;

	timeout ->
	assert(state == RUNNING);
	atomic {
	for (i : 0 .. VCPUS - 1) {
		assert(!(blocked[i] && power[i] == ON && at_checkpoint[i]));
		assert(!(blocked[i] && power[i] == SUSPENDED && (irq[i] || lr[i])));
		assert(!(blocked[i] && !at_checkpoint[i] && (irq[i] || lr[i]))); /* WFI */
		assert(!(in_guest[i] && (work[i] != 0 || irq[i])));
		assert(winner[i] == 0)
	}
	}
	/* A guest that has nothing to do is no deadlock. */
end:	false
}

init {
	byte v;

	atomic {
		for (v : 0 .. VCPUS - 1) {
			work[v] = STOP; /* make_vcpu() */
			queued[v] = true; /* sched_attach() */
			run vcpu(v)
		}
		run boot();
#if N_PAUSE > 0
		run operator();
#endif
		run monitor()
	}
}

#define stopping (state == STOPPING)
ltl reset_ends { [] (stopping -> <> !stopping) }
