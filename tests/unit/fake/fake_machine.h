/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine under the host build: registers by number (enum fake_sysreg of arm/sysreg.h), and a log of everything
 * that has an order on the real one. Zero everything with fake_machine_reset() at the start of a test.
 */
#ifndef FAKE_MACHINE_H
#define FAKE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_REGS 192U

/* What the log holds: a register's number, or one of these. */
enum fake_op {
	FAKE_ISB = FAKE_REGS,
	FAKE_DSB,
	FAKE_DSB_ISH,
	FAKE_DMB_ISH,
	FAKE_WFI,
	FAKE_WFE,
	FAKE_SEV,
	FAKE_CLREX,
	FAKE_PTE, /* a table entry was written: address and value */
};

#define FAKE_LOG_MAX 4096U

struct fake_event {
	uint32_t op;
	const void *at;
	uint64_t value;
};

struct fake_machine {
	uint64_t reg[FAKE_REGS];
	uint64_t (*on_read[FAKE_REGS])(uint32_t reg);
	void (*on_write[FAKE_REGS])(uint32_t reg, uint64_t value); /* instead of storing it */
	void (*on_wait)(void);                                     /* in wfi() and wfe() */
	void (*on_event)(uint32_t op, uint64_t value);             /* beside the log */
	/* before a table entry is written; whose: NULL where it is made */
	void (*on_pte)(const uint64_t *entry, uint64_t value, const uint64_t *whose);
	uint32_t (*io_read)(const volatile void *addr, size_t size);
	void (*io_write)(volatile void *addr, size_t size, uint32_t value);
	int (*copy)(void *to, const void *from, size_t len); /* NULL, or what copies in the place of copy_checked() */
	const void *bad;                                     /* memory that aborts, `bad_size` bytes */
	size_t bad_size;
	uint32_t events; /* more than FAKE_LOG_MAX are counted, not kept */
	struct fake_event event[FAKE_LOG_MAX];
};

extern struct fake_machine fake_machine;

void fake_machine_reset(void);

uint64_t fake_read(uint32_t reg);
void fake_write(uint32_t reg, uint64_t value);
void fake_log_event(uint32_t op, const void *at, uint64_t value);

/* Index of the first event `op` at or after `from`; fake_machine.events where there is none. */
uint32_t fake_find(uint32_t op, uint32_t from);

#endif
