/* SPDX-License-Identifier: BSD-2-Clause */
/* From start.S to the guest's own code; and the functions the compiler may call. */
#include "tests/guests/lib/guest.h"

struct boot_state boot_state;

void guest_start(const struct boot_state *state);

void guest_start(const struct boot_state *state)
{
	boot_state = *state;
	if (guest_early)
		guest_early();
	console_init();
	guest_main();
	guest_exit();
}

void *memset(void *dst, int c, size_t n)
{
	uint8_t *d = dst;

	while (n--)
		*d++ = (uint8_t)c;
	return dst;
}

void *memcpy(void *dst, const void *src, size_t n)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

	while (n--)
		*d++ = *s++;
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}
