/* SPDX-License-Identifier: BSD-2-Clause */
/* ChaCha20's block function: twenty rounds of additions, exclusive ors and rotations over sixteen words. */
#include <string.h>

#include "hyp/lib/chacha20.h"

#define DOUBLE_ROUNDS 10U

static inline uint32_t rotate_left(uint32_t value, uint32_t bits)
{
	return value << bits | value >> (32U - bits);
}

static inline void quarter_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
	*a += *b;
	*d = rotate_left(*d ^ *a, 16);
	*c += *d;
	*b = rotate_left(*b ^ *c, 12);
	*a += *b;
	*d = rotate_left(*d ^ *a, 8);
	*c += *d;
	*b = rotate_left(*b ^ *c, 7);
}

/* The columns, then the diagonals. */
static void double_round(uint32_t *x)
{
	for (uint32_t n = 0; n < 4; n++)
		quarter_round(&x[n], &x[4 + n], &x[8 + n], &x[12 + n]);
	for (uint32_t n = 0; n < 4; n++)
		quarter_round(&x[n], &x[4 + (n + 1) % 4], &x[8 + (n + 2) % 4], &x[12 + (n + 3) % 4]);
}

void chacha20_block(const uint32_t key[CHACHA20_KEY_WORDS], uint32_t counter,
		    const uint32_t nonce[CHACHA20_NONCE_WORDS], uint32_t block[CHACHA20_BLOCK_WORDS])
{
	uint32_t start[CHACHA20_BLOCK_WORDS] = {0x61707865, 0x3320646e, 0x79622d32,
						0x6b206574}; /* the RFC's constants */

	memcpy(&start[4], key, CHACHA20_KEY_WORDS * sizeof(*key));
	start[12] = counter;
	memcpy(&start[13], nonce, CHACHA20_NONCE_WORDS * sizeof(*nonce));
	memcpy(block, start, sizeof(start));
	for (uint32_t n = 0; n < DOUBLE_ROUNDS; n++)
		double_round(block);
	for (uint32_t n = 0; n < CHACHA20_BLOCK_WORDS; n++)
		block[n] += start[n];
}
