/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM's configuration as /vms/NAME of the bundle states it (docs/configuration.md). Parsing only: nothing is allocated
 * and no machine state changes, so that a bad VM can be refused while the others start.
 */
#ifndef HYP_LOAD_VMCFG_H
#define HYP_LOAD_VMCFG_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/load/bundle.h"
#include "hyp/load/property.h"
#include "hyp/vm/machine.h"

#define VM_NAME_MAX     BUNDLE_NAME_MAX
#define VM_WATCHDOG_MAX 3600000U /* ms */
#define VM_BOOTARGS_MAX 4096U    /* with the terminating 0; Linux on ARM takes 1024 */

enum vm_action { VM_ACTION_STOP, VM_ACTION_RESTART };

enum vm_memory_errors { VM_MEMORY_ERRORS_ACCESS, VM_MEMORY_ERRORS_EARLY };

struct vm_config {
	char name[VM_NAME_MAX];
	int node;              /* in the bundle, where its devices are; 0: none */
	unsigned int cpus;     /* 1 ... MACHINE_MAX_CPUS */
	uint64_t ram_size;     /* bytes, a multiple of 2 MiB */
	uint32_t affinity;     /* physical CPUs, bit n = CPU n */
	const char *cpu_model; /* into the bundle; NULL: "host" */
	unsigned int priority; /* 0 (lowest) ... 7 */
	bool autostart;
	bool virtio_legacy;  /* its virtio devices have registers of version 1 */
	bool dedicated_cpus; /* each vCPU has a physical CPU that no other vCPU gets */
	bool prefault;       /* all of its RAM is zeroed and mapped before it starts */
	enum vm_action on_crash, on_reset;
	struct property_strings passthrough; /* paths or aliases of the host's devices that it gets */
	bool trusted_dma;                    /* they may read and write all of the host's RAM */
	uint32_t passthrough_hz;             /* of their clocks, where the host's tree does not say; 0: unknown */
	enum vm_memory_errors memory_errors; /* when it is told of them; docs/memory-errors.md */
	uint32_t watchdog_ms;                /* 0: none */
	uint32_t restart_limit;              /* restarts in a row after crashes; 0: no limit */
	bool quiet; /* load without progress lines: a guest that resets without end must not fill the console */
	const char *bootargs;                     /* into the bundle; "" where absent */
	struct bundle_image kernel, ramdisk, fdt; /* name is NULL where absent */
	struct bundle_image
		passthrough_dtb; /* devices of the host as Xen's users describe them; name is NULL where absent */

	/* Not from the bundle: vmcfg_next() leaves 0, who creates the VM sets them, the generated device tree says
	 * them. */
	const char *cpu_compatible; /* of the CPU model that the VM got; NULL: "arm,cortex-a15" */
	uint64_t ram_shift;         /* of its RAM against mach-virt's, modulo 2^64: 0 but with trusted_dma */
	uint32_t clock_hz;          /* of the timer; 0: CNTFRQ is right */
	const void *host_tree;      /* its own tree has the host's nodes beside mach-virt's; NULL: it has not */
	const void *alias_tree;     /* whose /aliases its own tree has, too; NULL: no tree's */
	uint32_t gic_phandle;       /* of its GIC, because nodes of others name it so; 0: they do not */
};

/* The guest's address at which its RAM begins. */
static inline uint64_t vmcfg_ram_base(const struct vm_config *cfg)
{
	return MACHINE_RAM_BASE + cfg->ram_shift;
}

/* Its last page: the records of memory errors, where the VM is told early of them. */
static inline uint64_t vmcfg_memerr_page(const struct vm_config *cfg)
{
	return vmcfg_ram_base(cfg) + cfg->ram_size - 0x1000U;
}

/* Whether this is among what it names in `passthrough`: all of the host's devices that no one else has. */
#define VMCFG_REST "rest"
bool vmcfg_wants_rest(const struct vm_config *cfg);

/*
 * Call with *node = 0 first; each call fills `cfg` from the next VM and leaves its node offset in *node.
 * 1: a VM; 0: no more; -Exxx: this VM is bad (one line logged that names VM, node and property), *node has advanced,
 * go on with the next.
 */
int vmcfg_next(const struct bundle *b, int *node, struct vm_config *cfg);

/* The VM called `name`. 0; -ENOENT, not logged: there is none; another -Exxx: as vmcfg_next(). */
int vmcfg_find(const struct bundle *b, const char *name, struct vm_config *cfg);

#endif
