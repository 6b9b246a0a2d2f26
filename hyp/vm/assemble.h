/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM is put together and taken apart again here, at boot or later, in any order: RAM, tables, vCPUs and their
 * threads, the model of their CPUs, devices, log, console, places on physical CPUs. On the boot CPU only: in boot, and
 * in the shell's thread.
 */
#ifndef HYP_VM_ASSEMBLE_H
#define HYP_VM_ASSEMBLE_H

#include <stdint.h>

#include "hyp/load/bundle.h"
#include "hyp/load/vmcfg.h"

struct vm;

/* Boot: where VMs' devices are described (b->fdt may be NULL), and the PA of the host's GICV. */
void vm_assemble_init(const struct bundle *b, uint64_t gicv);

/*
 * A VM of `cfg`, in state CREATED, with its RAM if it is to start at boot (autostart); nothing is loaded, and its vCPUs
 * have no place yet. 0 and *out; -Exxx after one logged line, and nothing is left of it.
 */
int vm_assemble(const struct vm_config *cfg, struct vm **out);

/* A place on a physical CPU for each vCPU, and the watchdog. A VM that gets none is BROKEN, which is logged. */
int vm_place(struct vm *vm);

/*
 * Assemble and place the VM that the bundle calls `name`, as no VM is called; it is CREATED. -ENOENT, not logged: the
 * bundle has no such VM. Another -Exxx after one logged line.
 */
int vm_create(const char *name);

/*
 * Take it apart: it is CREATED, OFF, CRASHED or BROKEN. May block; afterwards all that it had is free, and no CPU knows
 * of it. Otherwise -EINVAL, or -EBUSY while a change of its state is under way.
 */
int vm_destroy(struct vm *vm);

#endif
