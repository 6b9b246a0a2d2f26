/* SPDX-License-Identifier: BSD-2-Clause */
/* Kicks that were held back. Compiled for speed. */
#include "hyp/lib/bits.h"
#include "hyp/run/kick.h"

void kick_send_held(struct percpu *cpu)
{
	uint32_t kicks = cpu->kicks & ~KICKS_HELD;

	for (cpu->kicks = 0; kicks; kicks &= kicks - 1U)
		gic_send_sgi(lowest_bit(kicks), GIC_SGI_KICK);
}
