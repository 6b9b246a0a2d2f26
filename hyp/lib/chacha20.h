/* SPDX-License-Identifier: BSD-2-Clause */
/* The ChaCha20 block function, RFC 8439 section 2.3. */
#ifndef HYP_LIB_CHACHA20_H
#define HYP_LIB_CHACHA20_H

#include <stdint.h>

#define CHACHA20_KEY_WORDS   8U
#define CHACHA20_NONCE_WORDS 3U
#define CHACHA20_BLOCK_WORDS 16U
#define CHACHA20_BLOCK_SIZE  (CHACHA20_BLOCK_WORDS * 4U)

/* One block of key stream. The bytes of key, nonce and block are those of their little-endian words, in order. */
void chacha20_block(const uint32_t key[CHACHA20_KEY_WORDS], uint32_t counter,
		    const uint32_t nonce[CHACHA20_NONCE_WORDS], uint32_t block[CHACHA20_BLOCK_WORDS]);

#endif
