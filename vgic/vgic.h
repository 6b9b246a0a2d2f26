/*
 * The virtual GICv2 (IHI 0048B): distributor emulated, CPU interface the hardware's GICV, in between the list
 * registers.
 *
 * An interrupt's state is in its struct vgic_irq, except while a list register holds it: then the register is the
 * master of pending and active. Only the CPU on which the owner is loaded touches its list registers; everybody else
 * leaves a note (vgic_cpu.resample or .queued) and WORK_VGIC.
 */
#ifndef VGIC_VGIC_H
#define VGIC_VGIC_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/vm.h"

/* Once at boot, after gic_init(): how many list registers there are. */
void vgic_init(void);

/* Map GICV, add the distributor to the bus. 0 or -Exxx. `gicv`: PA of the host's GICV. */
int vgic_create(struct vm *vm, uint64_t gicv);

/* As at power-on. vgic_reset(): the distributor, no vCPU runs; vgic_reset_cpu(): the current vCPU's CPU interface. */
void vgic_reset(struct vm *vm);
void vgic_reset_cpu(struct vcpu *vcpu);

/*
 * The one way to raise an interrupt. `id`: 16 ... VGIC_IRQS - 1; below 32 it is the private one of vCPU `cpu`. `level`
 * is the input's new state: a level-sensitive interrupt follows it, an edge-triggered one latches a rise. Any CPU, any
 * time; locks: takes vgic.lock.
 */
void vgic_set_line(struct vm *vm, uint32_t cpu, uint32_t id, bool level);

/* A virtual SGI from `source` to the vCPUs in mask `targets`. */
void vgic_send_sgi(struct vcpu *source, uint32_t targets, uint32_t id);

/* Bring list registers and state in line (WORK_VGIC). The vCPU is loaded here. */
void vgic_flush(struct vcpu *vcpu);

/* World switch: list registers and GICV state out of and into the hardware. */
void vgic_save(struct vcpu *vcpu);
void vgic_load(struct vcpu *vcpu);

/* True when an interrupt would wake this (loaded) vCPU from WFI. */
bool vgic_has_pending(struct vcpu *vcpu);

/*
 * Hand a private interrupt to the hardware's active state: GICH_LR.HW with the physical ID `id`. `line` tells the level
 * of its input for the vCPU that is loaded. Set at creation.
 */
void vgic_map_hw(struct vcpu *vcpu, uint32_t id, bool (*line)(void));

/* For vgic/dist.c, under vgic.lock. */
struct vgic_irq *vgic_irq(struct vcpu *vcpu, uint32_t id);
void vgic_update(struct vcpu *vcpu, uint32_t id);
void vgic_update_all(struct vm *vm);
bool vgic_irq_pending(const struct vgic_irq *irq);
/* Pending as the guest reads it, list register and hardware line included. */
bool vgic_read_pending(struct vcpu *vcpu, uint32_t id);
/* State of an interrupt in a list register of the calling vCPU; GICH_LR_STATE bits. */
uint32_t vgic_lr_state(struct vcpu *vcpu, const struct vgic_irq *irq);
/* SGIs: the vCPUs whose SGI `id` is pending on this one; take some of them back. */
uint32_t vgic_sgi_sources(struct vcpu *vcpu, uint32_t id);
void vgic_clear_sources(struct vcpu *vcpu, uint32_t id, uint32_t sources);
void vgic_set_active(struct vcpu *vcpu, uint32_t id, bool active);
void vgic_clear_pending(struct vcpu *vcpu, uint32_t id);

/* vgic/dist.c: the distributor's registers on the bus. */
enum mmio_result vgic_dist_access(struct vcpu *vcpu, void *device, struct mmio_access *access);

#endif
