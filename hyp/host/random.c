/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the key of virt7's random numbers comes from, and how it is used and replaced. */
#include <libfdt.h>
#include <sha2.h>
#include <string.h>

#include <arm/spinlock.h>
#include <arm/sysreg.h>

#include "hyp/lib/log.h"
#include "hyp/host/host.h"
#include "hyp/host/random.h"
#include "hyp/host/rngdev.h"
#include "hyp/host/trng.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/chacha20.h"

#define KEY_SIZE sizeof(pool.key)

/* How long a loop goes round in a tick of the counter is taken for half a bit of chance. */
#define JITTER_TICKS     (2U * RANDOM_BITS)
#define JITTER_TICK_LOOP 10000U /* a counter that stands still must not hold the boot */

static struct {
	struct spinlock lock;
	uint32_t key[CHACHA20_KEY_WORDS];
	uint32_t bits; /* of chance in it, estimated from below; up to RANDOM_BITS */
} pool;

static const uint32_t no_nonce[CHACHA20_NONCE_WORDS]; /* a key is used once: its blocks need no other names */

_Static_assert(sizeof(pool.key) == SHA256_DIGEST_LENGTH, "a digest is a key");

/* What is mixed in next does not take away what the key has had. */
static void mix_begin(SHA2_CTX *mix)
{
	uint64_t count = read_cntpct();

	SHA256Init(mix);
	SHA256Update(mix, (const uint8_t *)pool.key, KEY_SIZE);
	SHA256Update(mix, (const uint8_t *)&count, sizeof(count));
}

static void mix_end(SHA2_CTX *mix, uint32_t bits)
{
	SHA256Final((uint8_t *)pool.key, mix);
	pool.bits = MIN(pool.bits + bits, RANDOM_BITS);
}

/* What firmware leaves for a kernel to be unpredictable by (chosen.yaml of dt-schema). */
void random_init(const void *fdt, int chosen)
{
	static const char *const seeds[] = {"rng-seed", "kaslr-seed"};
	uint32_t bits = 0;
	SHA2_CTX mix;
	int length;

	memset(pool.key, 0, KEY_SIZE);
	pool.bits = 0;
	mix_begin(&mix);
	for (size_t i = 0; i < ARRAY_SIZE(seeds); i++) {
		const void *seed = chosen < 0 ? NULL : fdt_getprop(fdt, chosen, seeds[i], &length);

		if (seed) {
			SHA256Update(&mix, seed, (size_t)length);
			bits += (uint32_t)length * 8;
		}
	}
	mix_end(&mix, bits);
}

static void mix_words(const uint32_t *words, uint32_t count, const char *from)
{
	SHA2_CTX mix;

	mix_begin(&mix);
	SHA256Update(&mix, (const uint8_t *)words, count * sizeof(*words));
	mix_end(&mix, count * 32);
	if (count > 0)
		log_info("host: random numbers from %s", from);
}

static void mix_trng(const struct host *host)
{
	uint32_t words[CHACHA20_KEY_WORDS];

	mix_words(words, trng_read(&host->trng, words, ARRAY_SIZE(words)), host->trng.compatible);
	explicit_bzero(words, sizeof(words));
}

static void mix_rngdev(const struct host *host)
{
	uint32_t words[CHACHA20_KEY_WORDS];

	mix_words(words, rngdev_read(host, words, ARRAY_SIZE(words)), "a virtio-rng");
	explicit_bzero(words, sizeof(words));
}

/* How often the loop goes round before the counter moves differs with caches, clocks and what else is on the bus. */
static uint32_t jitter_of_tick(void)
{
	uint64_t start = read_cntpct();
	uint32_t count = 0;

	while (read_cntpct() == start && count < JITTER_TICK_LOOP)
		count++;
	return count;
}

static void mix_jitter(void)
{
	uint8_t counts[JITTER_TICKS];
	SHA2_CTX mix;

	for (uint32_t n = 0; n < JITTER_TICKS; n++)
		counts[n] = (uint8_t)jitter_of_tick();
	mix_begin(&mix);
	SHA256Update(&mix, counts, sizeof(counts));
	mix_end(&mix, 0);
	log_info("host: no rng-seed in /chosen, and no TRNG and no virtio-rng that virt7 drives: random numbers come "
		 "from the timer's "
		 "jitter "
		 "and might be guessed");
}

void random_gather(const struct host *host)
{
	if (host->trng.compatible)
		mix_trng(host);
	if (pool.bits < RANDOM_BITS)
		mix_rngdev(host);
	if (pool.bits < RANDOM_BITS)
		mix_jitter();
}

/* The key's first block is the next key and one for the caller, who goes on without the lock. */
static void take_key(uint32_t key[CHACHA20_KEY_WORDS])
{
	uint32_t block[CHACHA20_BLOCK_WORDS];

	spin_lock(&pool.lock);
	chacha20_block(pool.key, 0, no_nonce, block);
	memcpy(pool.key, block, KEY_SIZE);
	spin_unlock(&pool.lock);
	memcpy(key, &block[CHACHA20_KEY_WORDS], KEY_SIZE);
	explicit_bzero(block, sizeof(block));
}

void random_bytes(void *to, size_t len)
{
	uint32_t key[CHACHA20_KEY_WORDS], block[CHACHA20_BLOCK_WORDS];
	uint8_t *at = to;

	take_key(key);
	for (uint32_t counter = 1; len > 0; counter++) {
		size_t part = MIN(len, sizeof(block));

		chacha20_block(key, counter, no_nonce, block);
		memcpy(at, block, part);
		at += part;
		len -= part;
	}
	explicit_bzero(key, sizeof(key));
	explicit_bzero(block, sizeof(block));
}
