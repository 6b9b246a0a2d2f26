/* SPDX-License-Identifier: BSD-2-Clause */
/* How the machine starts this image: the registers, and where a device tree lies. tests/qemu/test_entry.py compares. */
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/param.h"

#define RAM ((uint32_t)MACHINE_RAM_BASE)

/* Read before anything is written: a tree may lie where the library's data will. */
static bool at_start, at_linux;

void guest_early(void)
{
	at_start = fdt_be32(RAM) == FDT_MAGIC;
	at_linux = fdt_be32(RAM + MACHINE_DTB_OFFSET) == FDT_MAGIC;
}

void guest_main(void)
{
	printf("entry: r0 0x%x r1 0x%x r2 0x%x, mode 0x%x, tree at the start of RAM: %u, at 128 MiB: %u\n",
	       (unsigned int)boot_state.r0, (unsigned int)boot_state.r1, (unsigned int)boot_state.r2,
	       (unsigned int)boot_state.cpsr & 0x1ffU, at_start, at_linux);
	report(true, "started");
}
