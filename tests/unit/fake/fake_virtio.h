/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What virtio devices need of the machine, in unit tests: a guest's RAM, which is an array at MACHINE_RAM_BASE, the
 * same for every VM; this CPU's windows onto the host's RAM, which is another one; work that a vCPU is asked for.
 */
#ifndef FAKE_VIRTIO_H
#define FAKE_VIRTIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hyp/lib/bits.h"

#ifndef FAKE_GUEST_RAM
#define FAKE_GUEST_RAM MIB(4)
#endif

/* RAM, and to the end of its last block what views show of it, though no guest has it: no device writes there. */
extern uint8_t fake_guest_ram[(FAKE_GUEST_RAM + MIB(2) - 1U) / MIB(2) * MIB(2)];

struct fake_virtio {
	bool uncached;
	bool shown;      /* views show all of guest RAM as they are opened, unless some of it is fresh */
	bool full;       /* no ring can be mapped any more */
	uint32_t maps;   /* rings that are mapped */
	uint32_t views;  /* that are open */
	uint32_t synced; /* bytes cleaned and invalidated */
	void (*on_sync)(const uint8_t *at, uint32_t len); /* each time */
	bool interrupt;                                   /* one waits */
	uint32_t requests;                                /* of vcpu_request() */
	uint64_t fresh;         /* bit n: the 64 KiB at 64 KiB * n of guest RAM, a block, have not been touched */
	uint32_t touches;       /* steps of such blocks, */
	uint32_t touch_steps;   /* of the one that is under way */
	uint64_t bad, bad_size; /* IPA of guest RAM that aborts */
	void (*on_copy)(void);  /* before each copy */
	void (*on_copy_out)(uint64_t ipa, const void *from, size_t len); /* behind each one to guest RAM */
	uint32_t copies;                                                 /* of bytes from and to guest RAM, */
	uint64_t copied;                                                 /* and how many bytes */
	uint64_t host_taken, host_released;                              /* bytes of the host's RAM, from its start */
	uint32_t scrubbed;                                               /* blocks */
	uint32_t opened;                                                 /* views, so far */
	uint64_t bad_page;                                               /* of the host's RAM; 0: none */
	uint32_t bad_looks;                                              /* through the list of those */
	uint32_t windows;                                                /* that are open, a bit each */
	uint32_t preempts;                                               /* calls of sched_preempt() */
	void (*on_preempt)(void);                                        /* in each of them */
	uint32_t placed;                                                 /* pieces that were found by guest_place() */
};

#define FAKE_GUEST_PA 0x40000000U /* of guest RAM, in the host's */
#define FAKE_HOST_RAM MIB(8)
#define FAKE_HOST_PA  0x80000000U

extern struct fake_virtio fake_virtio;
extern uint8_t fake_host_ram[FAKE_HOST_RAM];

/* All of it as at first; RAM is filled with 0xa5. */
void fake_virtio_reset(void);

/* A pointer to `ipa`, of which the test knows that it is RAM. */
void *fake_guest_at(uint64_t ipa);

#endif
