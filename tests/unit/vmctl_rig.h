/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of a VM's life share: vCPUs run one after the other. What others do meanwhile is a script, whose next
 * line runs whenever a vCPU blocks or takes its state out of the hardware.
 */
#ifndef TESTS_UNIT_VMCTL_RIG_H
#define TESTS_UNIT_VMCTL_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arm/atomic.h>
#include <arm/hypregs.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "coproc/coproc.h"
#include "fake_lent.h"
#include "fake_log.h"
#include "hyp/load/image.h"
#include "hyp/run/irq.h"
#include "hyp/lib/bits.h"
#include "hyp/run/sched.h"
#include "hyp/run/world.h"
#include "hyp/vdev/device.h"
#include "hyp/virtio/virtio.h"
#include "hyp/vm/silence.h"
#include "hyp/vm/switch.h"
#include "hyp/vm/vm.h"
#include "hyp/vm/vmctl.h"
#include "mm/s2.h"
#include "hyp/host/power.h"
#include "psci/smccc.h"
#include "psci/vcpu.h"
#include "vgic/vgic.h"
#include "vtimer/vtimer.h"

#define HZ      1000U
#define LOADING 7U
#define ENTRY   0x40010000U

struct percpu percpu[CPU_MAX];
struct vm *vms[VM_MAX];
uint32_t vm_count;
struct spinlock vms_lock;

static struct vm vm;
static struct vcpu vcpu[2];
static struct regs regs[2];
static jmp_buf asleep;
static uint32_t loads, power_offs, resets;
static bool pending[2];    /* an interrupt, of each vCPU */
static bool sampled[2];    /* its timers, since it was last loaded */
static uint64_t offset[2]; /* CNTVOFF when it was last loaded */

#define clock_now (fake_machine.reg[SYSREG_cntpct])

/* --- the script
 * --------------------------------------------------------------------------------------------------------
 */

typedef void (*line_fn)(void);

static struct {
	line_fn at_block[8], at_unload, at_give_ram;
	uint32_t next;
} script;

void sched_block(void)
{
	line_fn line = script.at_block[script.next];

	assert_int_equal(vm.lock.held, 0);
	if (!line)
		longjmp(asleep, 1);
	script.next++;
	line();
}

/* The vCPU's thread until it runs its guest (true) or sleeps with nothing to come. */
static inline bool runs(struct vcpu *v)
{
	if (setjmp(asleep))
		return false;
	if (v->parked)
		vm.parked_count--; /* it has slept there, and comes again */
	atomic_clear(&v->thread.work, WORK_STOP);
	vmctl_checkpoint(v);
	return true;
}

static uint32_t unloads;
static struct thread *leaves; /* the last of these */

/* --- what the code under test calls ----------------------------------------------------------------------------------
 */

/* On hardware: a VM's time is its own. */
void vtimer_begin(struct vm *begins)
{
	begins->cntvoff = clock_now;
}

void vtimer_end_pause(struct vm *resumed, uint64_t since)
{
	resumed->cntvoff += clock_now - since;
}

void vcpu_load(struct vcpu *next)
{
	line_fn line = script.at_unload;

	if (next) {
		loads++;
		offset[next->index] = vm.cntvoff;
		sampled[next->index] = false;
	} else if (line) {
		script.at_unload = NULL;
		line();
	}
}

/* A reset: no vCPU may be anywhere but at the checkpoint. */
void s2_clear(struct s2 *s2)
{
	(void)s2;
	resets++;
	assert_null(fake_lent.to); /* RAM that a device of the host's has is not for the next run */
	for (uint32_t i = 0; vm.state != VM_CREATED && i < vm.vcpu_count; i++)
		assert_true(vcpu[i].parked);
}

/* Who waits for a VM's end is woken for each vCPU. */
static uint32_t ender_woken;
static struct thread ender;

void sched_wake(struct thread *thread)
{
	ender_woken += thread == &ender;
}

void world_unload(struct thread *thread)
{
	assert_int_equal(vm.lock.held, 0);
	assert_true(thread->detached);
	unloads++;
	leaves = thread;
}

void sched_exit(void)
{
	leaves->gone = true;
	longjmp(asleep, 1);
}

void timer_drain(struct timer *timer)
{
	timer->cpu = NULL;
}

void sched_request(struct thread *thread, uint32_t work)
{
	atomic_or(&thread->work, work);
}

bool irq_handle_one(void)
{
	return false;
}

/* Devices that want so many steps more of a vCPU. */
static uint32_t device_steps;
static bool raises; /* the last one is for an interrupt */

bool virtio_work(struct vcpu *v)
{
	assert_int_equal(vm.lock.held, 0);
	assert_int_equal(vm.state, VM_RUNNING);
	assert_false(v->parked);
	assert_true(device_steps > 0);
	device_steps--;
	v->virtio_slots = device_steps > 0;
	pending[0] |= raises && device_steps == 0;
	return device_steps > 0;
}

void sched_preempt(void)
{
	assert_int_equal(vm.lock.held, 0);
}

bool vgic_has_pending(struct vcpu *v)
{
	return pending[v->index];
}

bool vtimer_doze(struct vcpu *v)
{
	(void)v;
	return false;
}

void vtimer_sample(struct vcpu *v)
{
	sampled[v->index] = true;
}

static uint32_t silences; /* that the VM was to be looked at for one */

void silence_begin(struct vm *v)
{
	silences++;
	assert_int_not_equal(v->state, VM_RUNNING);
	assert_int_equal(v->raw_entry, ENTRY);
}

void silence_end(struct vm *v)
{
	(void)v;
	silences = 0;
}

int image_load_vm(struct vm *v, const struct vm_config *cfg, struct image_entry *entry)
{
	(void)v, (void)cfg;
	*entry = (struct image_entry){.pc = ENTRY, .raw = true};
	clock_now += LOADING;
	return 0;
}

static unsigned int direct_maps;

void vm_mend_ram(struct vm *v)
{
	(void)v;
}

void vm_map_all(struct vm *v)
{
	(void)v;
	direct_maps++;
}

bool vm_ram_pa(const struct vm *v, ipa_t at, pa_t *out)
{
	(void)v;
	*out = pa(at.v);
	return at.v >= 0x40000000U;
}

void timer_arm(struct timer *timer, uint64_t deadline)
{
	timer->deadline = deadline;
	timer->cpu = &percpu[0];
}

uint32_t timer_hz(void)
{
	return HZ;
}

void power_off(void)
{
	power_offs++;
}

void console_flush(void)
{
}

bool console_shell_is_open(void)
{
	return false;
}

static bool has_ram;

int vm_take_ram(struct vm *v)
{
	(void)v;
	has_ram = true;
	return 0;
}

void vm_give_ram(struct vm *v)
{
	line_fn line = script.at_give_ram;

	(void)v;
	has_ram = false;
	fake_lent.to = NULL;
	if (line) {
		script.at_give_ram = NULL;
		line();
	}
}

void timer_take_out(struct timer *timer)
{
	timer->cpu = NULL;
}

#define NOTHING(name, type)     \
	void name(type *object) \
	{                       \
		(void)object;   \
	}
NOTHING(vtimer_reset_cpu, struct vcpu)
NOTHING(vgic_reset, struct vm)
NOTHING(vgic_end, struct vm)
NOTHING(vgic_silence, struct vm)
NOTHING(vgic_save, struct vcpu)
NOTHING(vtimer_stand_in, struct vcpu)
NOTHING(device_reset_all, struct vm)

/* Its devices wait, and in vain: who has some of its RAM then. */
static const char *stuck;

void device_quiesce_all(struct vm *object)
{
	(void)object;
	assert_int_equal(object->lock.held, 0);
	if (has_ram && stuck)
		fake_lent.to = stuck;
	stuck = NULL;
}

static uint32_t settled;

/* Who looks whether the VM runs finds that it does not. */
void device_settle_all(struct vm *object)
{
	assert_int_equal(object->state, VM_PAUSED);
	settled++;
}

void vgic_reset_cpu(struct vcpu *v, bool online)
{
	(void)v, (void)online;
}

void vcpu_start_over(struct vcpu *v, enum vcpu_start how)
{
	(void)v, (void)how;
}

/* --- driving it ------------------------------------------------------------------------------------------------------
 */

static inline int setup(void **state)
{
	(void)state;
	fake_machine_reset();
	fake_log_reset();
	memset(&vm, 0, sizeof(vm));
	memset(vcpu, 0, sizeof(vcpu));
	memset(&script, 0, sizeof(script));
	memset(pending, 0, sizeof(pending));
	memset(&fake_lent, 0, sizeof(fake_lent));
	stuck = NULL;
	loads = power_offs = resets = silences = 0;
	write_htpidr((uintptr_t)&percpu[0]);
	clock_now = 100 * HZ;
	for (uint32_t i = 0; i < 2; i++) {
		vcpu[i].vm = &vm;
		vcpu[i].index = i;
		vcpu[i].regs = &regs[i];
		vcpu[i].thread.cpu = &percpu[0];
		vm.vcpu[i] = &vcpu[i];
	}
	vm.vcpu_count = 1;
	vm.config.on_reset = VM_ACTION_RESTART;
	memcpy(vm.config.name, "test", 5);
	vms[0] = &vm;
	vm_count = 1;
	return 0;
}

/* Running, with `count` vCPUs on and in their guest. */
static inline void start(uint32_t count)
{
	vm.vcpu_count = count;
	assert_int_equal(vmctl_boot(&vm), 0);
	assert_true(runs(&vcpu[0]));
	for (uint32_t i = 1; i < count; i++) {
		assert_int_equal(psci_cpu_on(&vcpu[0], i, ENTRY, 0), PSCI_SUCCESS);
		assert_true(runs(&vcpu[i]));
	}
	vm.stop_watch.cpu = NULL;
}

static inline void pause_vm(void)
{
	assert_int_equal(vmctl_pause(&vm), 0);
}

static inline void resume(void)
{
	assert_int_equal(vmctl_resume(&vm), 0);
}

static inline void resume_a_second_later(void)
{
	assert_int_equal(vm.state, VM_PAUSED);
	assert_true(settled > 0);
	settled = 0;
	clock_now += HZ;
	resume();
}

static inline void resume_at_once(void)
{
	clock_now += 1;
	resume();
}

static inline void nothing(void)
{
}

static inline void wake(void)
{
	for (uint32_t i = 0; i < vm.vcpu_count; i++)
		pending[i] = true;
}

#endif
