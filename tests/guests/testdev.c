/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device for tests (tests/device/testdev.c), of an image with it: registers, interrupt, save and restore, reset.
 * Then the guest accesses the device without end.
 */
#include "tests/device/testdev.h"
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/param.h"

#define REG(offset) (TESTDEV_BASE + (offset))
#define PENDING     DIST_ISPENDR(TESTDEV_IRQ / 32U)

static bool is_pending(void)
{
	return read32(PENDING) & BIT(TESTDEV_IRQ % 32U);
}

static void change_and_save(uint32_t start)
{
	write32(REG(TESTDEV_VALUE), start + 1);
	write32(REG(TESTDEV_RAISE), 1);
	report(is_pending(), "the interrupt");
	write32(REG(TESTDEV_SNAP), TESTDEV_SNAP_SAVE);
	psci_hvc(PSCI_SYSTEM_RESET, 0, 0, 0);
}

static void restore(void)
{
	write32(REG(TESTDEV_SNAP), TESTDEV_SNAP_RESTORE);
	psci_hvc(PSCI_SYSTEM_RESET, 0, 0, 0);
}

static void work(uint32_t start)
{
	report_eq(read32(REG(TESTDEV_SLOW)), start + 1, "the value that was saved");
	report(is_pending(), "the interrupt that was saved");
	write32(REG(TESTDEV_SNAP), TESTDEV_SNAP_NONE);
	printf("testdev: ready\n");
	for (;;)
		read32(REG(TESTDEV_SLOW));
}

/* The VM is reset twice: the device is saved before the first time and restored behind the second. */
void guest_main(void)
{
	uint32_t start = param("start=", 0), snap = read32(REG(TESTDEV_SNAP));

	if (snap == TESTDEV_SNAP_RESTORE)
		work(start);
	report_eq(read32(REG(TESTDEV_VALUE)), start, "the value after a reset");
	report(!is_pending(), "no interrupt after a reset");
	if (snap == TESTDEV_SNAP_NONE)
		change_and_save(start);
	restore();
}
