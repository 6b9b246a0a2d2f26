/* SPDX-License-Identifier: BSD-2-Clause */
/* What passthrough does to the machine, in unit tests: the calls, and registers of the host's that are an array. */
#ifndef FAKE_PASS_H
#define FAKE_PASS_H

#include <stdbool.h>
#include <stdint.h>

#define FAKE_PASS_MAX 320U

struct fake_pass {
	uint32_t mapped; /* pages in stage 2: */
	struct {
		uint64_t ipa, pa;
	} page[FAKE_PASS_MAX];
	uint32_t forwarded;
	struct {
		uint32_t guest, host;
		bool edge;
	} irq[FAKE_PASS_MAX];
	int forward_error;        /* of the next vgic_forward() */
	uint32_t lines;           /* of the host's GIC */
	uint32_t busy;            /* the one of its interrupts that virt7 has */
	uint32_t quarantines;     /* calls of vm_quarantine_ram(), */
	uint32_t ends, adoptions; /* of vm_end_quarantine(), and those of vm_adopt_ram() that it grants */
	uint64_t shown;           /* the page that hyp_map_device() was asked for last */
	uint8_t registers[4096];  /* of it */
};

extern struct fake_pass fake_pass;

#endif
