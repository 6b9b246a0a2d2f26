/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * byteorder: as /init of a kernel that has nothing else, built for that kernel's byte order. It says which order it
 * finds in memory, sleeps a little, for which the kernel needs its timer, and switches the machine off.
 */
#include "tests/linux/linux.h"

#define REBOOT_MAGIC1    0xfee1dead
#define REBOOT_MAGIC2    0x28121969
#define REBOOT_POWER_OFF 0x4321fedc

struct timespec {
	long seconds, nanoseconds;
};

int main(int argc, char **argv)
{
	const struct timespec moment = {0, 1000000};
	volatile uint32_t word = 0x01020304;
	uint8_t first = *(const volatile uint8_t *)&word;

	(void)argc, (void)argv;
	for (uint32_t i = 0; i < 100; i++)
		syscall3(SYS_nanosleep, &moment, NULL, 0);
	say(first == 1 ? "init: big-endian\n" : first == 4 ? "init: little-endian\n" : "init: neither\n");
	syscall3(SYS_reboot, REBOOT_MAGIC1, REBOOT_MAGIC2, REBOOT_POWER_OFF);
	return 1;
}
