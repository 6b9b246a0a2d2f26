/*
 * The device for tests (tests/device/testdev.c), of an image with it: registers, interrupt, save and restore, reset.
 * Then it accesses the device without end.
 */
#include "tests/device/testdev.h"
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/param.h"

#define REG(offset) (TESTDEV_BASE + (offset))
#define PENDING     (MACHINE_GICD_BASE + 0x200U + TESTDEV_IRQ / 32U * 4U)

static bool is_pending(void)
{
	return read32(PENDING) & BIT(TESTDEV_IRQ % 32U);
}

void guest_main(void)
{
	uint32_t start = param("start=", 0);

	report_eq(read32(REG(TESTDEV_VALUE)), start, "the value after a reset");
	report(!is_pending(), "no interrupt after a reset");
	write32(REG(TESTDEV_VALUE), start + 1);
	write32(REG(TESTDEV_RAISE), 1);
	report(is_pending(), "the interrupt");
	write32(REG(TESTDEV_SNAP), TESTDEV_SNAP_SAVE);
	write32(REG(TESTDEV_VALUE), 0);
	write32(REG(TESTDEV_RAISE), 0);
	report(!is_pending(), "no interrupt");
	write32(REG(TESTDEV_SNAP), TESTDEV_SNAP_RESTORE);
	report_eq(read32(REG(TESTDEV_SLOW)), start + 1, "the value that was saved");
	report(is_pending(), "the interrupt that was saved");
	printf("testdev: ready\n");
	for (;;)
		read32(REG(TESTDEV_SLOW));
}
