/* SPDX-License-Identifier: BSD-2-Clause */
/* Network rows of the bench guest: two cards, in slots 0 and 1, on one switch, of which the first sends to the second.
 */
#ifndef BENCH_NET_H
#define BENCH_NET_H

#include <stdbool.h>
#include <stdint.h>

/* Frames are made at `buffer` and received behind it, 1 MiB in all. False: there are no such cards of version 2. */
bool net_init(uint32_t buffer);

/*
 * Rows. A round is a frame of 1,514 bytes, alone or one of eight a kick, or one of 64 KiB of TCP's data: put into the
 * ring of the one card, kicked, and taken from the other at its interrupt, the buffers given back. Those whose name
 * ends in "own" do the same but to RAM: what is left of the others is the hypervisor's.
 */
void row_net_frame(uint32_t rounds);
void row_net_frame_own(uint32_t rounds);
void row_net_batch(uint32_t rounds);
void row_net_batch_own(uint32_t rounds);
void row_net_large(uint32_t rounds);
void row_net_large_own(uint32_t rounds);

#endif
