/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtual GICv2 (IHI 0048B): distributor emulated, CPU interface the hardware's GICV, in between the list
 * registers.
 *
 * An interrupt's state is in its struct vgic_irq, except while a list register holds it: then the register is the
 * master of pending and active. Only the CPU on which the owner is loaded touches its list registers. Another vCPU that
 * changes the interrupt leaves a note (vgic_cpu.resample or .queued) and WORK_VGIC, or an SGI in its mailbox and
 * WORK_SGI; one that must know its state has it given back first (vgic/state.c).
 */
#ifndef VGIC_VGIC_H
#define VGIC_VGIC_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/vm/vm.h"

/* Once at boot, after gic_init(): how many list registers there are. Then each CPU. */
void vgic_init(void);
void vgic_init_cpu(void);

/* Map GICV, add the distributor to the bus. 0 or -Exxx. `gicv`: PA of the host's GICV. */
int vgic_create(struct vm *vm, uint64_t gicv);

/* No vCPU of the VM runs any more, and its memory is about to go: nothing of the vGIC's comes from now on. */
void vgic_end(struct vm *vm);

/*
 * As at power-on. vgic_reset(): the distributor, no vCPU runs; vgic_reset_cpu(): the current vCPU's CPU interface,
 * which is `online` from now on, or goes off: then SPIs that have another target go there.
 */
void vgic_reset(struct vm *vm);
void vgic_reset_cpu(struct vcpu *vcpu, bool online);

/*
 * The way to raise an interrupt: from any CPU, any time; takes vgic.lock. `id`: 16 ... VGIC_IRQS - 1; below 32 it is
 * the private one of vCPU `cpu`, else `cpu` means nothing.
 *
 * vgic_set_line(): `level` is the input's new state. A level-sensitive interrupt follows it, an edge-triggered one
 * latches a rise. Calls for one interrupt must not overlap: they are its device's, under the device's lock.
 * vgic_pulse(): up and down again, for a device whose interrupts are edges.
 */
void vgic_set_line(struct vm *vm, uint32_t cpu, uint32_t id, bool level);
void vgic_pulse(struct vm *vm, uint32_t cpu, uint32_t id);

/* The physical twin of private interrupt `id` (vgic_map_hw()) has fired on this CPU, where the vCPU is loaded. */
void vgic_raise_hw(struct vcpu *vcpu, uint32_t id);

/*
 * vgic/twin.c: let SPI `id` of the VM be SPI `host_id` of the host's, whose device the VM has been given. `trigger` is
 * how it signals: GICD_ICFGR after a reset, in the VM's and in the host's, which then follows the guest's. No vCPU of
 * the VM runs, and no device calls vgic_set_line() for `id`. 0; -EINVAL: one of them is no SPI, or does not exist;
 * -EEXIST: `id` has one already; -EBUSY: `host_id` is virt7's own, or a VM's; -ENOSPC: VMs have VGIC_TWINS already.
 *
 * vgic_unforward() gives it back, whatever its state: the host's is disabled and nothing of it is left, but the line of
 * its device. -ENOENT: `id` has none. vgic_end() does it for all of a VM's.
 */
enum vgic_trigger { VGIC_LEVEL, VGIC_EDGE };

int vgic_forward(struct vm *vm, uint32_t id, uint32_t host_id, enum vgic_trigger trigger);
int vgic_unforward(struct vm *vm, uint32_t id);

/* The VM has ended, and no vCPU of it runs: nothing of the host's interrupts it until its next vgic_reset(). */
void vgic_silence(struct vm *vm);

/*
 * A virtual SGI from `source`, the current vCPU, to those in mask `targets`. The others get it into their mailboxes,
 * and vgic_take_sgis() takes it out again, on the way into the guest (WORK_SGI): of the current vCPU, loaded here.
 */
void vgic_send_sgi(struct vcpu *source, uint32_t targets, uint32_t id);
void vgic_take_sgis(struct vcpu *vcpu);

/* Bring list registers and state in line (WORK_VGIC, maintenance interrupt). The vCPU is loaded here. */
void vgic_flush(struct vcpu *vcpu);

/* World switch: list registers and GICV state out of and into the hardware of this CPU. */
void vgic_save(struct vcpu *vcpu);
void vgic_load(struct vcpu *vcpu);

/* May an interrupt wake this (current, loaded) vCPU from WFI, now or after a vgic_flush()? May take vgic.lock. */
bool vgic_has_pending(struct vcpu *vcpu);

/*
 * Hand a private interrupt to the hardware's active state: GICH_LR.HW with the physical ID `id`. `line` tells the level
 * of its input for the vCPU that is loaded. Set at creation, one for each vCPU.
 */
void vgic_map_hw(struct vcpu *vcpu, uint32_t id, bool (*line)(void));

#endif
