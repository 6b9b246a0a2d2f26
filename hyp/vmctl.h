/*
 * The life of a VM: who may change its state, and the checkpoint, the one place where a vCPU's state may be thrown
 * away.
 */
#ifndef HYP_VMCTL_H
#define HYP_VMCTL_H

#include <stdint.h>

#include "hyp/vm.h"

/* Load the images and start vCPU 0. VM_CREATED or VM_OFF. 0, or the loader's error, logged. */
int vmctl_start(struct vm *vm);

/* Ask for reset, power-off or crash; it happens when every vCPU is at the checkpoint. Any vCPU, any time; the first
 * wins. */
void vmctl_request(struct vm *vm, enum vm_request request);

/* virt7 cannot go on with this VM: one line with the reason and the guest address, and the VM stops. */
void vmctl_crash(struct vm *vm, const char *why, uint64_t at);

/* Where a vCPU waits while it is off or its VM is not running. Returns when it shall run guest code. */
void vmctl_checkpoint(struct vcpu *vcpu);

/* PSCI (DEN 0022): results are PSCI's. */
uint32_t vmctl_cpu_on(struct vm *vm, uint32_t target, uint32_t entry, uint32_t context);
void vmctl_cpu_off(struct vcpu *vcpu);
/* Wait for an interrupt, as WFI does. */
void vmctl_standby(struct vcpu *vcpu);
/* The same, then start over at `entry` with `context` in r0; interrupt state and timers live on. */
uint32_t vmctl_cpu_suspend(struct vcpu *vcpu, uint32_t entry, uint32_t context);
/* The same for the last vCPU that is on; PSCI_DENIED while another one is. */
uint32_t vmctl_system_suspend(struct vcpu *vcpu, uint32_t entry, uint32_t context);
uint32_t vmctl_affinity_info(struct vm *vm, uint32_t target, uint32_t level);

#endif
