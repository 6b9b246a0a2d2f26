/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is in its RAM at its start: its image, its device tree, and zeroes; then it fills all of the rest, for the next
 * one to find. "mib=N" in the boot arguments is the size of its RAM; "end=N" what it does then: 0 it switches itself
 * off, 1 it resets itself, 2 it hangs, and does not sleep, 3 it sleeps for ever, 4 it looks again and again whether
 * what it has written is there still. Under virt7 only: other loaders leave things about.
 */
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/param.h"
#include "tests/guests/lib/timer.h"

enum end { GOES_OFF, RESETS, HANGS, SLEEPS, LOOKS };

#define PATTERN  UINT32_C(0x5ec2e700)
#define PAUSE_US 20000U

extern uint8_t __image_end[];

struct range {
	uint32_t start, end;
};

static uint32_t pattern_at(uint32_t at)
{
	return PATTERN | (at >> 12 & 0xff);
}

/* Words in [at, end) that are not zero; afterwards none of them is. */
static uint32_t look_and_fill(uint32_t at, uint32_t end)
{
	uint32_t found = 0;

	for (; at < end; at += 4) {
		if (read32(at) != 0 && found++ < 4)
			printf("  0x%08x at 0x%08x\n", (unsigned int)read32(at), (unsigned int)at);
		write32(at, pattern_at(at));
	}
	return found;
}

static uint32_t look_again(uint32_t at, uint32_t end)
{
	uint32_t found = 0;

	for (; at < end; at += 4)
		found += read32(at) != pattern_at(at);
	return found;
}

void guest_main(void)
{
	const struct range image = {(uint32_t)MACHINE_RAM_BASE + MACHINE_RAW_OFFSET, (uint32_t)__image_end};
	const struct range tree = {boot_state.r2, (boot_state.r2 + fdt_be32(boot_state.r2 + 4) + 3U) & ~3U};
	uint32_t end = (uint32_t)MACHINE_RAM_BASE + MIB(param("mib=", 8)), how = param("end=", GOES_OFF), found;

	found = look_and_fill((uint32_t)MACHINE_RAM_BASE, image.start);
	found += look_and_fill(image.end, tree.start);
	found += look_and_fill(tree.end, end);
	report(tree.start > image.end && found == 0, "RAM up to 0x%08x is zero", (unsigned int)end);
	if (how == RESETS)
		psci_hvc(PSCI_SYSTEM_RESET, 0, 0, 0);
	while (how == HANGS)
		;
	while (how == SLEEPS)
		wfi();
	while (how == LOOKS) {
		found = look_again((uint32_t)MACHINE_RAM_BASE, image.start) + look_again(image.end, tree.start) +
			look_again(tree.end, end);
		printf(found ? "freed: changed\n" : "freed: as it was\n");
		timer_delay(PAUSE_US);
	}
}
