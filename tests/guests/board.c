/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What QEMU's board has beside the devices that virt7's device tree names, and what a guest with QEMU's own tree meets:
 * the GICv2m, a PCI bus with no device on it, fw_cfg.
 */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/mmu.h"

#define MSI_TYPER     (MACHINE_MSI_BASE + 0x008U)
#define MSI_SETSPI_NS (MACHINE_MSI_BASE + 0x040U)
#define MSI_IIDR      (MACHINE_MSI_BASE + 0xfccU)

#define PCI_PORTS UINT32_C(0x3eff0000)
#define LOW_ECAM  UINT32_C(0x3f000000)
#define NO_DEVICE (31U << 15) /* device 31 of bus 0; device 0 of QEMU's is the bridge */

static void prepare_spi(uint32_t id)
{
	gic_target_self(id);
	gic_edge(id, true);
	gic_clear_pending(id);
}

static bool raises(uint32_t value, uint32_t id)
{
	prepare_spi(id);
	write32(MSI_SETSPI_NS, value);
	gic_settle();
	return gic_is_pending(id);
}

static void test_gicv2m(void)
{
	const uint32_t first = MACHINE_SPI_MSI, last = MACHINE_SPI_MSI + MACHINE_SPI_MSI_COUNT - 1U;

	gic_init();
	report_eq(read32(MSI_TYPER), first << 16 | MACHINE_SPI_MSI_COUNT, "MSI_TYPER");
	write32(MSI_TYPER, 0);
	report_eq(read32(MSI_TYPER), first << 16 | MACHINE_SPI_MSI_COUNT, "MSI_TYPER is read-only");
	report_eq(read32(MSI_IIDR), 0x05100000, "MSI_IIDR");
	report_eq(read32(MSI_SETSPI_NS), 0, "MSI_SETSPI_NS reads as 0");
	report_eq(read16(MSI_TYPER), 0, "half of MSI_TYPER reads as 0");
	report(raises(first, first), "the first SPI");
	report(raises(last, last), "the last SPI");
	report(raises(last - 1U + 0x400U, last - 1U), "bits above the ID do not count");
	report(!raises(first - 1U, first - 1U), "not the SPI before the first");
	report(!raises(last + 1U, last + 1U), "nor the one behind the last");
	prepare_spi(first);
	write16(MSI_SETSPI_NS, first);
	gic_settle();
	report(gic_is_pending(first), "by a half word");
	gic_enable(first);
	report_eq(read32(CPUIF_IAR) & 0x3ff, first, "it is signalled");
	write32(CPUIF_EOIR, first);
	report_eq(read32(CPUIF_IAR) & 0x3ff, GIC_SPURIOUS, "once");
}

/* A bus where no device answers reads as ones and takes what is written. */
static void test_window(uint32_t at, const char *name)
{
	write32(at, 0);
	write8(at + 5, 0);
	report(read32(at) == UINT32_MAX && read16(at + 2) == 0xffff && read8(at + 5) == 0xff, "%s reads as ones", name);
}

/* QEMU 7.2 believes that its `max` has no addresses above 4 GiB, and puts the configuration space below. */
static void test_pci(void)
{
	bool high;

	test_window(MACHINE_PCI_BASE, "PCI memory");
	test_window(PCI_PORTS - 0x1000, "the end of PCI memory");
	test_window(PCI_PORTS, "PCI ports");
	mmu_long_init();
	mmu_long_block(MMU_WINDOW, MACHINE_ECAM_BASE | LONG_BLOCK | LONG_DEVICE | LONG_AF | LONG_XN);
	mmu_long_on();
	exc_expect(EXC_DABT);
	read32(MMU_WINDOW + NO_DEVICE);
	high = exc_done()->count == 0;
	if (high)
		test_window(MMU_WINDOW + NO_DEVICE, "the configuration of a device that is not there");
	mmu_off();
	if (!high)
		test_window(LOW_ECAM + NO_DEVICE, "the configuration of a device that is not there");
}

void guest_main(void)
{
	test_gicv2m();
	test_pci();
}
