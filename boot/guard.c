/* The stack protector's guard: what it is mixed from, and when it may change. */
#include <libfdt.h>
#include <sha2.h>
#include <string.h>

#include <arm/sysreg.h>

#include "boot/guard.h"
#include "hyp/lib/bits.h"

/* The byte of a guard at its lowest address is zero: a string that overruns its buffer cannot write it, nor show it. */
#define GUARD_MASK (~(uintptr_t)0xff)

/* What firmware leaves for a kernel to be unpredictable by (chosen.yaml of dt-schema). */
static void add_seeds(SHA2_CTX *mix, const void *fdt, int chosen)
{
	static const char *const seeds[] = {"rng-seed", "kaslr-seed"};
	int length;

	for (size_t i = 0; i < ARRAY_SIZE(seeds); i++) {
		const void *seed = chosen < 0 ? NULL : fdt_getprop(fdt, chosen, seeds[i], &length);

		if (seed)
			SHA256Update(mix, seed, (size_t)length);
	}
}

uintptr_t guard_mix(const void *fdt, int chosen)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	uint64_t count = read_cntpct();
	uintptr_t guard;
	SHA2_CTX mix;

	SHA256Init(&mix);
	add_seeds(&mix, fdt, chosen);
	SHA256Update(&mix, (const uint8_t *)&count, sizeof(count));
	SHA256Final(digest, &mix);
	memcpy(&guard, digest, sizeof(guard));
	return guard & GUARD_MASK;
}

void guard_set(const void *fdt, int chosen)
{
	__stack_chk_guard = guard_mix(fdt, chosen);
}
