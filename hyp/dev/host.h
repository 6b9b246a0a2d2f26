/*
 * What the host's device tree says of the machine that virt7 runs on. Filled once by boot/host.c, read-only afterwards.
 * Addresses are physical, interrupt IDs as the GIC numbers them.
 */
#ifndef HYP_DEV_HOST_H
#define HYP_DEV_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/lib/addr.h"
#include "mm/layout.h"

#define HOST_RANGES_MAX 16U

struct host_range {
	uint64_t base, size;
};

struct host_ranges {
	unsigned int count;
	struct host_range range[HOST_RANGES_MAX];
};

struct host_cpu {
	uint32_t mpidr;   /* affinity fields */
	uint64_t release; /* cpu-release-addr of a spin table; 0: none */
};

enum host_conduit { CONDUIT_NONE, CONDUIT_SMC, CONDUIT_HVC };

struct host_uart {
	const char *compatible; /* the entry of the driver's list that matched */
	uint64_t base;
	uint32_t reg_shift;
	uint32_t irq; /* 0: polled */
};

struct host {
	const void *fdt; /* mapped */
	uint64_t fdt_pa;
	struct host_ranges memory;   /* RAM, sorted */
	struct host_ranges reserved; /* parts of it that are not ours */
	unsigned int cpu_count;
	struct host_cpu cpu[CPU_MAX]; /* [0] need not be the boot CPU */
	uint64_t gicd, gicc, gich, gicv;
	uint32_t gic_maintenance_irq;
	uint32_t timer_virt_irq, timer_hyp_irq;
	uint32_t timer_hz; /* 0: CNTFRQ holds it */
	struct host_uart uart;

	enum host_conduit conduit;
	uint32_t psci_cpu_on; /* function id; 0: the host has no PSCI */
	uint32_t psci_system_off, psci_system_reset;
	uint64_t bundle, bundle_size;
	const char *bootargs; /* virt7's own options; "" where absent */
};

#endif
