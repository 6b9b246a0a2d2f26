/* A virtual machine: its memory, bus, vCPUs and life. There is no "the" VM: everything hangs off this. */
#ifndef HYP_VM_H
#define HYP_VM_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/console.h"
#include "hyp/log.h"
#include "hyp/mmio.h"
#include "hyp/vcpu.h"
#include "hyp/vmcfg.h"
#include "mm/s2.h"
#include "vgic/state.h"

#define VM_EXTENTS_MAX 8U
#define VM_MAX         64U

enum vm_state {
	VM_CREATED,
	VM_RUNNING,
	VM_STOPPING, /* vCPUs are on their way to the checkpoint; vm->request says what for */
	VM_OFF,
	VM_CRASHED,
};

/* What to do once every vCPU is at the checkpoint. */
enum vm_request { VM_REQUEST_NONE, VM_REQUEST_RESET, VM_REQUEST_OFF, VM_REQUEST_CRASH };

struct vm_extent {
	uint64_t ipa, pa, size;
};

struct vpl011;

struct vm {
	struct mmio_bus bus; /* fixed once the VM runs */
	struct s2 s2;
	struct vgic vgic;
	uint64_t cntvoff; /* CNTPCT at which the VM's time was 0 */
	uint32_t vcpu_count;
	struct vcpu *vcpu[MACHINE_MAX_CPUS];
	uint32_t id;

	struct spinlock lock; /* state, request, the vCPUs' power and parked */
	enum vm_state state;
	enum vm_request request;
	uint32_t parked_count;
	struct timer stop_watch; /* reports vCPUs that do not come to the checkpoint */

	struct vm_config config;
	uint32_t extent_count;
	struct vm_extent extent[VM_EXTENTS_MAX];
	struct vpl011 *uart;
	struct console_stream console;
	struct log_budget log_budget;
};

#define vm_for_each_vcpu(v, vm_) for (uint32_t i_ = 0; i_ < (vm_)->vcpu_count && ((v) = (vm_)->vcpu[i_]) != NULL; i_++)

extern struct vm *vms[VM_MAX];
extern uint32_t vm_count;

/*
 * Make a VM of `cfg`: RAM reserved, tables, vCPUs; nothing loaded. 0 and *out, or -Exxx after one logged line.
 */
int vm_create(const struct vm_config *cfg, struct vm **out);

/* The physical address that RAM at `at` has or will have once touched; false: not RAM of this VM. */
bool vm_ram_pa(const struct vm *vm, ipa_t at, pa_t *out);

/* Scrub and map the 2 MiB block that holds `at`, if that has not happened. 0; -EFAULT: not RAM; -ENOMEM. */
int vm_touch(struct vm *vm, ipa_t at);

#endif
