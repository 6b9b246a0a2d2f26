/* SPDX-License-Identifier: BSD-2-Clause */
/* As much of a device tree as the bench guest needs: no tree is built, one pass finds what was asked for. */
#ifndef BENCH_FDT_H
#define BENCH_FDT_H

#include <stdbool.h>
#include <stdint.h>

#define FDT_BOOTARGS 256U

/* Where the platform has what the guest uses; 0: the tree does not say. Physical addresses below 4 GiB. */
struct fdt_machine {
	uint32_t gicd;
	uint32_t gicc;
	uint32_t uart;
	bool sbsa; /* the UART is the SBSA's subset of a PL011 */
	uint32_t ram;
	uint32_t ram_size;
	uint32_t cpus;
	char bootargs[FDT_BOOTARGS];
};

/* False: no device tree at that address. The MMU may be off: every access is aligned or a byte. */
bool fdt_read(uint32_t address, struct fdt_machine *machine);

#endif
