/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every test guest includes: the machine, the console, report(), exceptions, PSCI.
 *
 * A guest defines guest_main(). When that returns, the library prints the one summary line and powers the machine off.
 */
#ifndef GUEST_GUEST_H
#define GUEST_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hyp/lib/bits.h"
#include "hyp/vm/machine.h"
#include "tests/guests/lib/asm.h"
#include "tests/guests/lib/cp15.h"

/* What the loader handed over, as start.S pushes it. */
struct boot_state {
	uint32_t r0;
	uint32_t r1;
	uint32_t r2;
	uint32_t cpsr;
};

extern struct boot_state boot_state;

void guest_main(void);
/* Optional: runs before the library touches the console. */
void guest_early(void) __attribute__((weak));

/* Device registers. Each is one load or store of that width, of a kind whose trap carries a syndrome (HSR.ISV). */
static inline uint32_t read32(uint32_t addr)
{
	uint32_t v;

	__asm__ volatile("ldr %0, [%1]" : "=r"(v) : "r"(addr) : "memory");
	return v;
}

static inline void write32(uint32_t addr, uint32_t value)
{
	__asm__ volatile("str %0, [%1]" : : "r"(value), "r"(addr) : "memory");
}

static inline uint32_t read16(uint32_t addr)
{
	uint32_t v;

	__asm__ volatile("ldrh %0, [%1]" : "=r"(v) : "r"(addr) : "memory");
	return v;
}

static inline void write16(uint32_t addr, uint32_t value)
{
	__asm__ volatile("strh %0, [%1]" : : "r"(value), "r"(addr) : "memory");
}

static inline uint32_t read8(uint32_t addr)
{
	uint32_t v;

	__asm__ volatile("ldrb %0, [%1]" : "=r"(v) : "r"(addr) : "memory");
	return v;
}

static inline void write8(uint32_t addr, uint32_t value)
{
	__asm__ volatile("strb %0, [%1]" : : "r"(value), "r"(addr) : "memory");
}

/* Console. Formats: %d %u %x %s %c %%, with width, 0 and ll. */
void console_init(void);
int printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Print "PASS: text" or "FAIL: text" and count it. Returns cond. */
bool report(bool cond, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* report(), and on failure the two values as well. */
#define report_eq(got, want, name)                                                                      \
	do {                                                                                            \
		uint32_t got_ = (got), want_ = (want);                                                  \
		if (!report(got_ == want_, "%s", (name)))                                               \
			printf("  got 0x%08x, want 0x%08x\n", (unsigned int)got_, (unsigned int)want_); \
	} while (0)

/*
 * A rule of the manual that QEMU's own device or CPU models are known to break. Where it holds it counts as passed,
 * where not the line is "QUIRK: name: text" and counts as neither: tests/qemu/test_guests.py says who may have which.
 */
bool quirk(bool cond, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Prints the summary and powers off. */
void guest_exit(void) __attribute__((noreturn));

/* Exceptions: arm, do the thing, look. One not armed for is printed, fails, and ends the guest. */
struct exc_frame {
	uint32_t r[13];
	uint32_t lr; /* raw link register of a synchronous exception; lr_svc under an interrupt */
	uint32_t pc;
	uint32_t psr;
};

struct exc_record {
	uint32_t count; /* since exc_expect() */
	uint32_t type;  /* the rest is of the last one */
	uint32_t fsr;
	uint32_t far;
	uint32_t lr; /* as the exception wrote it */
	uint32_t pc; /* the instruction, by type and state (DDI 0406C table B1-7) */
	uint32_t spsr;
	uint32_t cpsr; /* in the handler */
};

struct cpu {
	uint32_t index; /* first: start.S writes it */
	uint32_t expect;
	struct exc_record seen;
	void (*irq)(void);
	void (*fiq)(void);
};

extern struct cpu cpus[GUEST_CPUS];

static inline struct cpu *this_cpu(void)
{
	return (struct cpu *)read_tpidrprw();
}

/*
 * Expect exceptions of one type on this CPU until exc_done(). Each is recorded and stepped over: an SVC returns behind
 * itself, an undefined instruction or a data abort continues with the next instruction (ITSTATE advanced), a prefetch
 * abort returns to its caller's lr, an asynchronous abort to where it hit.
 */
void exc_expect(uint32_t type);
const struct exc_record *exc_done(void);

/* What runs on an interrupt of this CPU; 0 for none, which makes one an error. */
void irq_set_handler(void (*irq)(void));
void fiq_set_handler(void (*fiq)(void));

uint32_t user_call(uint32_t (*fn)(uint32_t arg), uint32_t arg);

/* PSCI and SMCCC, DEN 0022D 5.1 and DEN 0028. */
#define PSCI_VERSION       UINT32_C(0x84000000)
#define PSCI_CPU_SUSPEND   UINT32_C(0x84000001)
#define PSCI_CPU_OFF       UINT32_C(0x84000002)
#define PSCI_CPU_ON        UINT32_C(0x84000003)
#define PSCI_AFFINITY_INFO UINT32_C(0x84000004)
#define PSCI_MIGRATE_TYPE  UINT32_C(0x84000006)
#define PSCI_SYSTEM_OFF    UINT32_C(0x84000008)
#define PSCI_SYSTEM_RESET  UINT32_C(0x84000009)
#define PSCI_FEATURES      UINT32_C(0x8400000a)
#define PSCI_CPU_ON_64     UINT32_C(0xc4000003)
#define PSCI_NOT_SUPPORTED UINT32_C(0xffffffff)
#define PSCI_INVALID       UINT32_C(0xfffffffe)
#define PSCI_DENIED        UINT32_C(0xfffffffd)
#define PSCI_ALREADY_ON    UINT32_C(0xfffffffc)
#define PSCI_ON_PENDING    UINT32_C(0xfffffffb)

uint32_t psci_hvc(uint32_t fn, uint32_t a1, uint32_t a2, uint32_t a3);
uint32_t psci_smc(uint32_t fn, uint32_t a1, uint32_t a2, uint32_t a3);

void *memset(void *dst, int c, size_t n);
void *memcpy(void *dst, const void *src, size_t n);
int memcmp(const void *a, const void *b, size_t n);

#endif
