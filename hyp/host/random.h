/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random numbers: ChaCha20 (RFC 8439) over a key that is mixed, with SHA-256, from what the host has of chance. Who
 * asks gets bytes that tell nothing of those given before, because each call replaces the key.
 */
#ifndef HYP_HOST_RANDOM_H
#define HYP_HOST_RANDOM_H

#include <stddef.h>

struct host;

/* Bits of chance, at most as many, that the key wants before it counts as unknown to others. */
#define RANDOM_BITS 128U

/*
 * The first key, from the seeds in the tree's node `chosen` (/chosen; below 0: it has none) and the counter. Early in
 * the boot; until then every byte is known.
 */
void random_init(const void *fdt, int chosen);

/*
 * Mix in the host's TRNG (hyp/host/trng.h), or, where neither it nor the seeds gave RANDOM_BITS, the jitter of the
 * counter, and say so. On the boot CPU, once device registers can be mapped.
 */
void random_gather(const struct host *host);

/* `len` bytes into `to`. Any context, any CPU; about 25 instructions a byte, and 3,000 more. */
void random_bytes(void *to, size_t len);

#endif
