/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest can reach: a word in each 2 MiB of the IPA space ("step=N" in the boot arguments: above 4 GiB of each
 * N-th; "gib=N": of the first N GiB, for qemu-system-arm's HPFAR loses the bits above 31, docs/platform.md), and single
 * bytes around the edges of what mach-virt and its host have, read and written. Everything that is not the guest's own
 * RAM, one of its devices or PCI's empty bus has to abort (DDI 0406C B3.12.4).
 * With "mib=N" another test, of the VM's own RAM, which is that much: all of it is there, above 4 GiB too. "step=N" is
 * for that as well.
 */
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/mmu.h"
#include "tests/guests/lib/param.h"

#define BLOCK_BITS 21U
#define GIB_BLOCKS (1U << (30 - BLOCK_BITS))
#define RAM_MIB    8U /* as the test configures it */

static bool aborted(void)
{
	return exc_done()->count > 0;
}

static void show(uint64_t at)
{
	mmu_long_block(MMU_WINDOW, (at & ~(uint64_t)(MIB(2) - 1)) | LONG_BLOCK | LONG_AF | LONG_DEVICE);
}

static bool is_ram(uint64_t at)
{
	return at >= MACHINE_RAM_BASE && at < MACHINE_RAM_BASE + MIB(RAM_MIB);
}

/* Read, and where the read aborts, write: neither may be seen by any other VM. */
static bool reachable(uint64_t at, bool byte)
{
	uint32_t va = MMU_WINDOW + ((uint32_t)at & (MIB(2) - 1));
	bool dead;

	show(at);
	exc_expect(EXC_DABT);
	(void)(byte ? read8(va) : read32(va));
	dead = aborted();
	if (!dead)
		return true;
	exc_expect(EXC_DABT);
	if (byte)
		write8(va, 0xff);
	else
		write32(va, ~0U);
	return !aborted();
}

/* Distributor and CPU interface, UART, RTC, GPIO, virtio: in these blocks is something of ours. */
static bool has_device(uint32_t block)
{
	return block == MACHINE_GICD_BASE >> BLOCK_BITS || block == MACHINE_UART_BASE >> BLOCK_BITS ||
	       block == MACHINE_VIRTIO_BASE >> BLOCK_BITS;
}

/* PCI without a device on the bus: it reads as ones, and has nothing to keep what is written. */
static bool is_bus(uint64_t at)
{
	return (at >= MACHINE_PCI_BASE && at - MACHINE_PCI_BASE < MACHINE_PCI_SIZE) ||
	       (at >= MACHINE_ECAM_BASE && at - MACHINE_ECAM_BASE < MACHINE_ECAM_SIZE);
}

static bool is_empty(uint64_t at)
{
	uint32_t va = MMU_WINDOW + ((uint32_t)at & (MIB(2) - 1)), first;

	show(at);
	first = read32(va);
	write32(va, 0x12345678);
	return first == ~0U && read32(va) == ~0U && read8(va + 1U) == 0xffU;
}

static void test_bus(uint32_t gib)
{
	uint32_t wrong = 0;

	for (uint64_t at = MACHINE_PCI_BASE; is_bus(at); at += MIB(2))
		wrong += !is_empty(at) || !is_empty(at + MIB(2) - 4U);
	for (uint64_t at = MACHINE_ECAM_BASE; gib > MACHINE_ECAM_BASE >> 30 && is_bus(at); at += MIB(2))
		wrong += !is_empty(at);
	report(wrong == 0, "no device on the bus");
}

static void test_blocks(uint32_t gib, uint32_t step)
{
	uint32_t end = gib * GIB_BLOCKS, others = 0, own = 0, tried = 0;

	for (uint32_t block = 0; block < end; block += block < 4 * GIB_BLOCKS ? 1 : step) {
		uint64_t at = (uint64_t)block << BLOCK_BITS;

		if (has_device(block) || is_bus(at))
			continue;
		tried++;
		if (!reachable(at, false))
			continue;
		if (is_ram(at))
			own++;
		else if (others++ < 8)
			printf("  reached 0x%llx\n", (unsigned long long)at);
	}
	printf("isolation: %u blocks, %u reached\n", (unsigned int)tried, (unsigned int)(own + others));
	report(others == 0, "no block of others");
	report(own == RAM_MIB / 2, "own RAM");
}

/* Ends of devices on QEMU's board, which is virt7's host too, of our RAM, and of the address space. */
static void test_edges(uint32_t gib)
{
	static const uint64_t edges[] = {
		MACHINE_GICC_BASE + MACHINE_GICC_SIZE, /* GICV mapped: not a byte more */
		MACHINE_MSI_BASE + MACHINE_MSI_SIZE,
		UINT64_C(0x08030000),
		UINT64_C(0x08031000),
		UINT64_C(0x08040000),
		UINT64_C(0x08042000),
		MACHINE_UART_BASE + MACHINE_UART_SIZE,
		MACHINE_FWCFG_BASE + MACHINE_FWCFG_SIZE,
		UINT64_C(0x09040000),
		MACHINE_VIRTIO_BASE - 4,
		MACHINE_VIRTIO_BASE + MACHINE_VIRTIO_COUNT * MACHINE_VIRTIO_SIZE,
		MACHINE_PCI_BASE - 4U,
		MACHINE_RAM_BASE + MIB(RAM_MIB),
		MACHINE_RAM_BASE + MIB(512) - 4,
		UINT64_C(0xfffffffc),
		/* for who has all bits */
		MACHINE_ECAM_BASE - 4U,
		MACHINE_ECAM_BASE + MACHINE_ECAM_SIZE,
	};
	uint32_t reached = 0, count = ARRAY_SIZE(edges) - (gib > MACHINE_ECAM_BASE >> 30 ? 0 : 2);

	for (uint32_t i = 0; i < count; i++)
		for (uint32_t byte = 0; byte < 4; byte++)
			if (reachable(edges[i] + byte, true)) {
				reached++;
				printf("  reached 0x%llx\n", (unsigned long long)(edges[i] + byte));
			}
	report(reached == 0, "no byte behind an edge");
}

/* The first and the last word of some blocks, from the last one down, each with a value of its own: all are kept. */
static void test_own_ram(uint32_t mib, uint32_t step)
{
	uint32_t wrong = 0, words = 0;

	for (uint32_t pass = 0; pass < 2; pass++)
		for (uint32_t block = mib / 2 - 1; block >= RAM_MIB / 2; block -= MIN(block, step))
			for (uint32_t va = MMU_WINDOW; va < MMU_WINDOW + MIB(2); va += MIB(2) - 4) {
				show(MACHINE_RAM_BASE + (uint64_t)block * MIB(2));
				if (pass == 0)
					write32(va, va ^ block);
				else
					wrong += read32(va) != (va ^ block);
				words++;
			}
	report(words > 4 && wrong == 0, "own RAM keeps what is written");
}

void guest_main(void)
{
	uint32_t mib = param("mib=", 0), step = param("step=", 1),
		 gib = param("gib=", 1024); /* the device tree need not be in the map */

	mmu_long_init();
	mmu_long_on();
	if (mib) {
		test_own_ram(mib, step);
	} else {
		test_blocks(gib, step);
		test_bus(gib);
		test_edges(gib);
	}
	mmu_off();
}
