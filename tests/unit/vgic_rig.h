/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One VM on the vGIC for the tests: vCPU i is loaded on CPU i of fake_gich.h. Guest accesses go through the bus;
 * rig_settle() does what the way back into the guest does on every CPU.
 */
#ifndef VGIC_RIG_H
#define VGIC_RIG_H

#include "fake/fake_gich.h"
#include "fake/fake_spi.h"
#include "hyp/vm/vm.h"
#include "vgic/vgic.h"

#define RIG_HW_ID 27U /* the virtual timer: the interrupt that is backed by a physical one */

struct rig {
	struct vm vm;
	struct vcpu vcpu[MACHINE_MAX_CPUS];
	bool hw_line[FAKE_GICH_CPUS]; /* output of the virtual timer of each CPU */
	struct thread *woken;         /* the last, without work */
	void (*on_wait)(void);        /* while a CPU waits for another's list registers */
	void (*on_preempt)(void);     /* while others may have the CPU */
	bool answer_first;            /* that one does so before it looks at what else it has to do */
	uint32_t storms;              /* a maintenance interrupt that no flush silences: the guest never runs again */
};

extern struct rig rig;

/* Power-on with `cpus` vCPUs and `lrs` list registers; every vCPU loaded, its CPU interface open, GICD_CTLR = 3. */
void rig_start(uint32_t cpus, uint32_t lrs);

/* The code that follows runs on this CPU. */
void rig_on(uint32_t cpu);

/* A guest's access to the distributor from vCPU `cpu`. */
enum mmio_result rig_try(uint32_t cpu, uint32_t offset, uint32_t size, bool write, uint32_t *value);
uint32_t rig_read(uint32_t cpu, uint32_t offset);
void rig_write(uint32_t cpu, uint32_t offset, uint32_t value);
uint32_t rig_read8(uint32_t cpu, uint32_t offset);
void rig_write8(uint32_t cpu, uint32_t offset, uint32_t value);

/* Physical interrupts are taken and requested work is done on every CPU, until there is none. */
void rig_settle(void);
/* Interrupts and requested work of one CPU, once; true: there was something to do. The code that follows runs there. */
bool rig_settle_cpu(uint32_t cpu);

/* The guest has ended it, by a list register that has ended its twin, too, and nothing has looked at that yet. */
bool rig_has_ended(const struct vgic_irq *irq);

/* The next look at SPIs with several targets, a millisecond later; false: none is due. All settle. */
bool rig_tick(void);

/* A vCPU acknowledges, ends or deactivates an interrupt at its CPU interface; all settle. */
uint32_t rig_ack(uint32_t cpu);
void rig_eoi(uint32_t cpu, uint32_t iar);
void rig_dir(uint32_t cpu, uint32_t iar);

/* The CPU takes the SGI by which another asks for list registers; false: there was none. Now the code runs there. */
bool rig_take_sgi(uint32_t cpu);

/* The vCPU leaves its CPU, and comes back. */
void rig_unload(uint32_t cpu);
void rig_load(uint32_t cpu);

/* It starts over where it is loaded, as hyp/vm/vmctl.c does it; its CPU interface is empty, and then opened. */
void rig_reset_cpu(uint32_t cpu);

/* Every row of vgic/moves.def has been entered since the program began. */
void rig_check_moves(void);

/* True: the state of this interrupt in the list registers of `cpu`; 0 where none holds it. */
uint32_t rig_lr_state(uint32_t cpu, uint32_t id);

#endif
