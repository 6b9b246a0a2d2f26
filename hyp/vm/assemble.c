/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Putting VMs together. What has been made is found in struct vm itself, so that one function, release_vm(), undoes all
 * of it or any part.
 */
#include <errno.h>

#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "coproc/errata.h"
#include "coproc/model.h"
#include "hyp/console/console.h"
#include "hyp/exit/exit.h"
#include "hyp/lib/bits.h"
#include "hyp/load/words.h"
#include "hyp/run/place.h"
#include "hyp/run/sched.h"
#include "hyp/run/thread.h"
#include "hyp/vdev/device.h"
#include "hyp/vm/assemble.h"
#include "hyp/vm/vm.h"
#include "hyp/vm/vmctl.h"
#include "hyp/vm/watchdog.h"
#include "mm/page.h"
#include "vgic/vgic.h"
#include "vtimer/vtimer.h"

#define HCR_GUEST                                                                                                   \
	(HCR_VM | HCR_SWIO | HCR_PTW | HCR_FMO | HCR_IMO | HCR_AMO | HCR_FB | HCR_BSU_INNER | HCR_TID0 | HCR_TID1 | \
	 HCR_TID3 | HCR_TSC | HCR_TIDCP | HCR_TAC | HCR_TSW)

static const struct bundle *source;
static uint64_t gicv_base;
static uint32_t vms_made, vcpus_made;

void vm_assemble_init(const struct bundle *b, uint64_t gicv)
{
	source = b;
	gicv_base = gicv;
}

static int make_vcpu(struct vm *vm, uint32_t index)
{
	struct vcpu *vcpu = page_alloc(page_order(sizeof(*vcpu)));

	if (!vcpu)
		return -ENOMEM;
	vcpu->vm = vm;
	vcpu->bus = &vm->bus;
	vcpu->index = index;
	vcpu->vpidr = read_midr();
	vcpu->vmpidr = 0x80000000U | (vm->config.cpus == 1 ? BIT(30) : 0) | index; /* one cluster; U: uniprocessor */
	vcpu->hcr = HCR_GUEST;
	vcpu->thread.priority = vm->config.priority;
	vcpu->thread.group = vm;
	vcpu->thread.work = WORK_STOP;
	vcpu->trap_wfi = vm->config.watchdog_ms != 0; /* it has to be seen sleeping */
	vm->vcpu[index] = vcpu;
	vm->vcpu_count++;
	vcpu->regs = thread_make_stack(&vcpu->thread, sizeof(struct regs), thread_start);
	return vcpu->regs ? 0 : -ENOMEM;
}

static int make_vcpus(struct vm *vm)
{
	int ret = 0;

	for (uint32_t i = 0; !ret && i < vm->config.cpus; i++)
		ret = make_vcpu(vm, i);
	return ret;
}

/* The vCPUs' timers: the virtual one's interrupt is the hardware's. */
static void make_timers(struct vm *vm)
{
	struct vcpu *v;

	vm_for_each_vcpu(v, vm) {
		vgic_map_hw(v, MACHINE_PPI_TIMER_VIRT, vtimer_virt_line);
		vtimer_init_vcpu(v);
	}
}

/* All of it, in this order; others may have the CPU in between. -EINVAL: what is wrong has had its line. */
static int make_parts(struct vm *vm, const struct cpu_model *model)
{
	int ret = s2_init(&vm->s2);

	if (!ret && vm->config.autostart && vm_take_ram(vm))
		ret = -EINVAL;
	if (!ret)
		ret = make_vcpus(vm);
	if (ret)
		return ret;
	sched_preempt();
	model_apply(vm, model);
	errata_apply(vm);
	make_timers(vm);
	ret = vgic_create(vm, gicv_base);
	sched_preempt();
	if (!ret)
		ret = console_make(&vm->console, vm, vm->config.name, NULL);
	if (!ret)
		ret = device_create_all(vm, source, vm->config.node);
	if (!ret)
		ret = vm_enter(vm);
	return ret;
}

/* The parts that there are. None of its threads runs, and no list has it. */
static void release_vm(struct vm *vm)
{
	device_destroy_all(vm);
	vgic_end(vm); /* only now: a device's timer can have raised an interrupt until then */
	console_free(&vm->console);
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		thread_free_stack(&vm->vcpu[i]->thread);
		page_free(vm->vcpu[i], page_order(sizeof(*vm->vcpu[i])));
	}
	if (vm->s2.root) {
		vm_give_ram(vm);
		s2_destroy(&vm->s2);
	}
	page_free_bytes(vm, sizeof(*vm));
}

static int assemble_vm(const struct vm_config *cfg, const struct cpu_model *model, struct vm **out)
{
	struct vm *vm = page_alloc_bytes(sizeof(*vm));
	int ret = -ENOMEM;

	if (vm) {
		vm->config = *cfg;
		mmio_init(&vm->bus);
		ret = make_parts(vm, model);
	}
	if (ret && ret != -EINVAL)
		log_err("vm %s: cannot be made (error %d): virt7's heap has %u KiB left; " WORDS_HEAP, cfg->name, -ret,
			(unsigned)(page_available() / 1024U));
	if (ret && vm)
		release_vm(vm);
	*out = vm;
	return ret;
}

int vm_assemble(const struct vm_config *cfg, struct vm **out)
{
	const struct cpu_model *model;
	int ret;

	if (!place_usable(cfg->affinity)) {
		log_err("vm %s: cpu-affinity 0x%x names no CPU that is online", cfg->name, (unsigned)cfg->affinity);
		return -ENODEV;
	}
	model = model_find(cfg);
	if (!model)
		return -ENODEV;
	if (vms_made == VM_MAX || vcpus_made + cfg->cpus > VCPU_MAX) {
		log_err("vm %s: too many: virt7 runs at most %u VMs with %u vCPUs in all", cfg->name, VM_MAX, VCPU_MAX);
		return -ENOSPC;
	}
	ret = assemble_vm(cfg, model, out);
	if (ret)
		return ret;
	vms_made++;
	vcpus_made += cfg->cpus;
	console_attach(&(*out)->console);
	sched_preempt();
	log_info("vm %s: %u vCPU%s, %llu MiB", cfg->name, cfg->cpus, cfg->cpus == 1 ? "" : "s",
		 (unsigned long long)(cfg->ram_size >> 20));
	return 0;
}

/* On failure some may have theirs: the VM is there, and never runs. */
static int attach_vcpus(struct vm *vm)
{
	struct vcpu *v;

	vm_for_each_vcpu(v, vm)
		if (sched_attach(&v->thread, vm->config.affinity & v->model_cpus, vm->config.dedicated_cpus))
			return -ENODEV;
	return 0;
}

int vm_place(struct vm *vm)
{
	int ret = attach_vcpus(vm);

	if (!ret) {
		watchdog_start(vm);
		return 0;
	}
	vmctl_break(vm);
	log_err("vm %s: no physical CPU is left for %u vCPUs: see cpu-affinity 0x%x and dedicated-cpus",
		vm->config.name, (unsigned)vm->vcpu_count, (unsigned)vm->config.affinity);
	return ret;
}

/* Who creates a VM by hand starts it by hand: it gets its RAM then. */
int vm_create(const char *name)
{
	struct vm_config cfg;
	struct vm *vm;
	int ret = -ENOENT;

	sched_preempt();
	if (source->fdt) {
		bundle_check_again();
		ret = vmcfg_find(source, name, &cfg);
	}
	if (ret)
		return ret;
	cfg.autostart = false;
	sched_preempt();
	ret = vm_assemble(&cfg, &vm);
	return ret ? ret == -ENOENT ? -EINVAL : ret : vm_place(vm);
}

/* CPUs remember which VM they ran last. Its own CPU may go on to another one at any time, and stores that. */
static void forget_last_vm(const struct vm *vm)
{
	for (uint32_t i = 0; i < CPU_MAX; i++) {
		const struct vm *expected = vm;

		__atomic_compare_exchange_n(&percpu[i].last_vm, &expected, NULL, false, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED);
	}
}

/* In this order: nothing more is begun for it, then its threads end, then nothing under way is left. */
int vm_destroy(struct vm *vm)
{
	struct vcpu *v;
	int ret = vmctl_end(vm);

	if (ret)
		return ret;
	console_detach(&vm->console);
	watchdog_end(vm);
	vm_for_each_vcpu(v, vm)
		vtimer_end_vcpu(v);
	forget_last_vm(vm);
	vm_leave(vm);
	vms_made--;
	vcpus_made -= vm->vcpu_count;
	log_info("vm %s: destroyed", vm->config.name);
	release_vm(vm);
	return 0;
}
