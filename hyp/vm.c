/* Making a VM: RAM, tables, vCPUs and their threads; and the first touch of its memory. */
#include <errno.h>
#include <string.h>

#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "hyp/lib/bits.h"
#include "hyp/sched.h"
#include "hyp/vm.h"
#include "mm/cache.h"
#include "mm/hypmap.h"
#include "mm/page.h"
#include "mm/ram.h"

struct vm *vms[VM_MAX];
uint32_t vm_count;

/* hyp/vectors.S: where a vCPU's thread begins. */
void thread_start(void);

#define HCR_GUEST                                                                                                  \
	(HCR_VM | HCR_SWIO | HCR_PTW | HCR_FMO | HCR_IMO | HCR_AMO | HCR_FB | HCR_BSU_INNER | HCR_TID3 | HCR_TSC | \
	 HCR_TIDCP | HCR_TAC | HCR_TSW)

static unsigned int order_of(size_t size)
{
	unsigned int order = 0;

	while (((size_t)PAGE_SIZE << order) < size)
		order++;
	return order;
}

/* A stack with the guest's registers at its top and a thread that is about to enter thread_start(). */
static int make_stack(struct vcpu *vcpu)
{
	static uint32_t next = LAYOUT_STACKS;
	void *pages = page_alloc(order_of(HYP_STACK_SIZE));
	uint32_t base = next + PAGE_SIZE; /* the page below stays unmapped: the guard */
	uint32_t *sp;

	if (!pages || base + HYP_STACK_SIZE > LAYOUT_STACKS_END)
		return -ENOMEM;
	for (uint32_t i = 0; i < HYP_STACK_SIZE; i += PAGE_SIZE)
		if (hyp_map(base + i, pa_add(page_pa(pages), i), PAGE_SIZE, HYP_MEM_RW))
			return -ENOMEM;
	next = base + HYP_STACK_SIZE;
	vcpu->regs = (struct regs *)(uintptr_t)(base + HYP_STACK_SIZE - sizeof(struct regs));
	sp = (uint32_t *)(void *)vcpu->regs;
	*--sp = (uint32_t)(uintptr_t)thread_start; /* the return address thread_switch() pops, above r3-r11 */
	vcpu->sp = sp - 9;
	return 0;
}

static int make_vcpu(struct vm *vm, uint32_t index)
{
	struct vcpu *vcpu = page_alloc(order_of(sizeof(*vcpu)));

	if (!vcpu || make_stack(vcpu))
		return -ENOMEM;
	vcpu->vm = vm;
	vcpu->index = index;
	vcpu->vpidr = read_midr();
	vcpu->vmpidr = 0x80000000U | (vm->config.cpus == 1 ? BIT(30) : 0) | index; /* one cluster; U: uniprocessor */
	vcpu->hcr = HCR_GUEST;
	vcpu->priority = vm->config.priority;
	vcpu->mmio_hint = &vm->bus.region[0];
	vcpu->work = WORK_STOP;
	vm->vcpu[index] = vcpu;
	vm->vcpu_count++;
	return 0;
}

static void release_ram(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->extent_count; i++)
		ram_release(pa(vm->extent[i].pa), vm->extent[i].size);
	vm->extent_count = 0;
}

/* Reserve all of it now, in as few pieces as there are: nothing fails for want of memory once the VM runs. */
static int reserve_ram(struct vm *vm)
{
	uint64_t done = 0, size = vm->config.ram_size, available = ram_available();

	while (done < size && vm->extent_count < VM_EXTENTS_MAX) {
		struct vm_extent *e = &vm->extent[vm->extent_count];
		pa_t base = pa(0);
		uint64_t got = ram_take(size - done, false, &base);

		if (got == 0)
			break;
		*e = (struct vm_extent){MACHINE_RAM_BASE + done, base.v, got};
		vm->extent_count++;
		done += got;
	}
	if (done == size)
		return 0;
	release_ram(vm);
	log_err("vm %s: memory: %llu MiB asked for, the host has %llu MiB free; lower memory in /vms/%s",
		vm->config.name, (unsigned long long)(size >> 20), (unsigned long long)(available >> 20),
		vm->config.name);
	return -ENOMEM;
}

int vm_create(const struct vm_config *cfg, struct vm **out)
{
	struct vm *vm;
	int ret;

	if (vm_count == VM_MAX)
		return -ENOSPC;
	vm = page_alloc(order_of(sizeof(*vm)));
	if (!vm)
		goto out_heap;
	vm->config = *cfg;
	vm->id = vm_count;
	ret = reserve_ram(vm);
	if (ret)
		goto out_free;
	if (s2_init(&vm->s2))
		goto out_ram;
	for (uint32_t i = 0; i < cfg->cpus; i++)
		if (make_vcpu(vm, i))
			goto out_ram;
	vm->console.vm = vm;
	vms[vm_count++] = vm;
	*out = vm;
	return 0;
out_ram:
	release_ram(vm);
out_heap:
	log_err("vm %s: virt7's heap is empty (%u KiB free)", cfg->name, (unsigned)(page_available() / 1024U));
	ret = -ENOMEM;
out_free:
	page_free(vm, order_of(sizeof(*vm)));
	return ret;
}

bool vm_ram_pa(const struct vm *vm, ipa_t at, pa_t *out)
{
	for (uint32_t i = 0; i < vm->extent_count; i++) {
		const struct vm_extent *e = &vm->extent[i];

		if (at.v - e->ipa < e->size) {
			*out = pa(e->pa + (at.v - e->ipa));
			return true;
		}
	}
	return false;
}

int vm_touch(struct vm *vm, ipa_t at)
{
	ipa_t block = ipa(align_down(at.v, BLOCK_SIZE));
	pa_t to, unused;
	int ret = 0;

	if (!vm_ram_pa(vm, block, &to))
		return -EFAULT;
	spin_lock(&vm->s2.lock);
	if (!s2_lookup(&vm->s2, block, &unused)) {
		cache_scrub_block(hyp_window_open(to));
		hyp_window_close();
		ret = s2_map_block(&vm->s2, block, to);
	}
	spin_unlock(&vm->s2.lock);
	return ret;
}
