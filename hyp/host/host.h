/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the host's device tree says of the machine that virt7 runs on. Filled once by hyp/host/scan.c, read-only
 * afterwards. Addresses are physical, interrupt IDs as the GIC numbers them.
 */
#ifndef HYP_HOST_HOST_H
#define HYP_HOST_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/lib/addr.h"
#include "mm/layout.h"

#define HOST_RANGES_MAX     16U
#define HOST_PPI_TIMER_VIRT 27U /* of every A15 and A7, and the guest's: its EOI ends the host's (GICH_LR.HW) */
#define HOST_ECC_MAX        4U
#define HOST_ECC_IRQS       2U
#define HOST_DOGS_MAX       4U
#define HOST_VIRTIO_MAX     32U /* as many as QEMU's virt board has */

struct host_range {
	uint64_t base, size;
};

struct host_ranges {
	unsigned int count;
	struct host_range range[HOST_RANGES_MAX];
};

struct host_cpu {
	uint32_t mpidr;     /* affinity fields */
	uint64_t release;   /* cpu-release-addr of a spin table; 0: none */
	const char *method; /* enable-method, its own or that of /cpus; NULL: none */
};

/* One register write: the bits of `clear` go, those of `set` come; with `clear` ~0 the register is not read first. */
struct host_poke {
	uint64_t address;
	uint32_t clear, set;
};

#define HOST_POKES_MAX 2U

/* How registers switch the machine off, or reset it. */
struct host_power {
	const char *what;   /* the node's compatible string */
	unsigned int count; /* of writes; 0: it cannot be done */
	struct host_poke poke[HOST_POKES_MAX];
};

struct host_uart {
	const char *compatible; /* the entry of the driver's list that matched */
	uint64_t base;
	uint32_t reg_shift, io_width; /* as the tree has them; 0: not said */
	uint32_t irq;                 /* 0: polled */
};

struct trng_model;

struct host_trng {
	const char *compatible; /* NULL: none is known */
	uint64_t base;
	const struct trng_model *model;
};

struct rtc_model;

struct host_rtc {
	const char *compatible; /* NULL: none is known */
	uint64_t base;
	const struct rtc_model *model;
};

struct hostdog_model;

/* A watchdog, on or off. */
struct host_dog {
	const char *compatible;
	uint64_t base;
	const struct hostdog_model *model;
	int node;
};

struct ecc_model;

/* What reports errors that an error correcting code has found (hyp/host/ecc.h). */
struct host_ecc {
	const char *compatible;
	uint64_t base;
	const struct ecc_model *model;
	uint32_t irq[HOST_ECC_IRQS]; /* 0: none */
};

struct host {
	const void *fdt; /* mapped */
	uint64_t fdt_pa;
	uint32_t tree_nodes;         /* as many has it */
	int chosen;                  /* the node /chosen; below 0: none */
	struct host_ranges memory;   /* RAM, as the tree has it: in any order */
	struct host_ranges reserved; /* parts of it that are not ours */
	unsigned int cpu_count;
	struct host_cpu cpu[CPU_MAX]; /* [0] need not be the boot CPU */
	unsigned int cpus_failed;     /* whose node's status says that they are broken: not among these */
	int tree_error;               /* the walk's: what is here may not be all */
	uint64_t gicd, gicc, gich, gicv;
	int gic_node;       /* 0: none */
	int other_gic_node; /* an interrupt controller that virt7 cannot use; 0: none */
	const char *other_gic;
	uint32_t gic_regions; /* of the four above, how many the tree has */
	uint32_t gic_maintenance_irq;
	uint32_t timer_phys_irq, timer_virt_irq, timer_hyp_irq; /* phys: the non-secure one of PL1 */
	uint32_t timer_hz;                                      /* 0: CNTFRQ holds it */
	struct host_uart uart;

	bool own_monitor;     /* entered in secure state: virt7 itself is the PSCI below (boot/monitor.h) */
	uint32_t psci_cpu_on; /* function id; 0: the host has no PSCI */
	uint32_t psci_cpu_off;
	uint32_t psci_system_off, psci_system_reset;
	bool psci_hvc; /* by HVC, of a hypervisor above: where virt7 is not in HYP mode and cannot go on */
	struct host_rtc rtc;
	unsigned int dog_count;
	struct host_dog dog[HOST_DOGS_MAX];
	struct host_trng trng;
	unsigned int virtio_count;
	uint64_t virtio[HOST_VIRTIO_MAX]; /* register bases of virtio-mmio transports, the first so many of them */
	unsigned int ecc_count;
	struct host_ecc ecc[HOST_ECC_MAX];
	uint64_t vexpress_sysreg;     /* Versatile Express' system registers; 0: another board */
	struct host_power off, reset; /* besides PSCI */
	uint64_t bundle, bundle_size;
	bool emulated;        /* CPUs are threads of an emulator: other locks and mappings are fast there */
	const char *bootargs; /* virt7's own options; "" where absent */
};

#endif
