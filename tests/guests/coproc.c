/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every encoding of MRC, MCR, MRRC and MCRR on cp15 and cp14, and of VMRS, executed at PL1 and at PL0: each ends as its
 * row in coproc/registers.def says, and what has no row is UNDEFINED. A test of virt7's promise, not of the
 * architecture's: QEMU's own board has registers that virt7 hides.
 *
 * Nothing is left out. A write stores what a read gave before, so that the registers which could take the guest itself
 * down (SCTLR, TTBRn, TTBCR, VBAR, CPACR, TPIDRPRW and the like) keep their value. What can only be written is cache,
 * TLB, translation and barrier operations: those by address get a line of their own, those by set/way set 0 of way 0.
 *
 * Encodings that the architecture does not allocate are UNDEFINED or UNPREDICTABLE (B3.15.1). QEMU decodes some of them
 * as their neighbours, untrapped: a quirk of the CPU model, told apart by CRn.
 */
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/param.h"

enum space { SPACE_CP15, SPACE_CP15_64, SPACE_CP14, SPACE_CP14_64, SPACES };
enum outcome { NO_ROW, WORKS, ZERO, ZERO_IF_THERE, IF_THERE, UNDEFINED };

/* What PL0 may do (DDI 0406C B3.15, C11.11, B8.1.3, C12.8): always, or where CNTKCTL and PMUSERENR let it. */
enum user { USER_READS = 1, USER_WRITES = 2, USER_IF_LET = 4 };

struct row {
	uint8_t space, crn, op1, crm, op2, read, write, user;
	const char *name;
};

/* clang-format off */
#define PASS     WORKS
#define CORE     IF_THERE
#define EXTRA(n) IF_THERE
#define UNDEF    UNDEFINED
#define RAZ      ZERO
#define WI       WORKS
#define RAZ_CORE ZERO_IF_THERE
#define WI_CORE  IF_THERE
#define HW(f)      WORKS
#define EM(f)      WORKS
#define MODEL(f)   WORKS
#define EM_CORE(f) IF_THERE
#define NO           0
#define R            USER_READS
#define W            USER_WRITES
#define RW           (USER_READS | USER_WRITES)
#define CNTKCTL_R    (R | USER_IF_LET)
#define CNTKCTL_RW   (RW | USER_IF_LET)
#define PMUSERENR_R  (R | USER_IF_LET)
#define PMUSERENR_W  (W | USER_IF_LET)
#define PMUSERENR_RW (RW | USER_IF_LET)
#define CP15(crn, op1, crm, op2, n, r, w, u, ...) {SPACE_CP15, crn, op1, crm, op2, r, w, u, n},
#define CP14(crn, op1, crm, op2, n, r, w, u, ...) {SPACE_CP14, crn, op1, crm, op2, r, w, u, n},
#define CP15_64(op1, crm, n, r, w, u, ...)        {SPACE_CP15_64, 0, op1, crm, 0, r, w, u, n},
#define CP14_64(op1, crm, n, r, w, u, ...)        {SPACE_CP14_64, 0, op1, crm, 0, r, w, u, n},
static const struct row rows[] = {
#include "coproc/registers.def"
};
/* clang-format on */

#define CNTKCTL_PL0 UINT32_C(0x303) /* PL0PTEN, PL0VTEN, PL0VCTEN, PL0PCTEN */
#define CPACR_FULL  (UINT32_C(0xf) << 20)
#define CODE        UINT32_C(0x41000000) /* scratch RAM above the image */
#define SHOWN_MAX   20U

static uint8_t line[64] __attribute__((aligned(64)));
static bool user, let; /* at PL0; and CNTKCTL and PMUSERENR let it */
static uint32_t shown;
static uint32_t unallocated[16]; /* without a row, and working, by CRn */

static const struct row *find(struct row key)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].space == key.space && rows[i].crn == key.crn && rows[i].op1 == key.op1 &&
		    rows[i].crm == key.crm && rows[i].op2 == key.op2)
			return &rows[i];
	return 0;
}

static uint32_t user_rights(const struct row *key)
{
	const struct row *row = find(*key);

	return !row || (row->user & USER_IF_LET && !let) ? 0 : row->user;
}

static bool is_64(const struct row *key)
{
	return key->space == SPACE_CP15_64 || key->space == SPACE_CP14_64;
}

static uint32_t encode(const struct row *key, bool write)
{
	uint32_t cp = key->space < SPACE_CP14 ? 15 : 14;

	if (is_64(key)) /* MRRC r0, r1 */
		return (write ? UINT32_C(0xec400000) : UINT32_C(0xec500000)) | 1U << 16 | cp << 8 |
		       (uint32_t)key->op1 << 4 | key->crm;
	return (write ? UINT32_C(0xee000010) : UINT32_C(0xee100010)) | (uint32_t)key->op1 << 21 |
	       (uint32_t)key->crn << 16 | cp << 8 | (uint32_t)key->op2 << 5 | key->crm;
}

/* Execute it with r0, r1 = *value. False: UNDEFINED. Registers that only the instruction names are the caller's to
 * lose. */
static bool execute(uint32_t insn, uint64_t *value)
{
	volatile uint32_t *code = (volatile uint32_t *)CODE;
	const struct exc_record *seen;

	code[0] = insn;
	code[1] = UINT32_C(0xe12fff1e); /* bx lr */
	dsb();
	iciallu();
	bpiall();
	dsb();
	isb();
	exc_expect(EXC_UNDEF);
	if (user)
		*value = user_call((uint32_t(*)(uint32_t))CODE, (uint32_t)*value);
	else
		*value = ((uint64_t(*)(uint64_t))CODE)(*value);
	seen = exc_done();
	return seen->count == 0;
}

/* PMCEID0 and 1, DBGDSCRint. */
static bool qemu_keeps_to_pl1(const struct row *key)
{
	return (key->space == SPACE_CP15 && key->crn == 9 && key->crm == 12 && key->op2 >= 6) ||
	       (key->space == SPACE_CP14 && key->crn == 0 && key->crm == 1 && key->op2 == 0);
}

static enum outcome expected(const struct row *key, const struct row *row, bool write)
{
	enum outcome outcome = !row ? UNDEFINED : write ? row->write : row->read;

	if (user && !(user_rights(key) & (write ? USER_WRITES : USER_READS)))
		return UNDEFINED;
	if (user && !write && qemu_keeps_to_pl1(key))
		return IF_THERE;
	return outcome;
}

/* One access; counts what does not end as expected and shows the first few. */
static bool check(const struct row *key, const struct row *row, bool write, uint64_t *value)
{
	enum outcome want = expected(key, row, write);
	bool works = execute(encode(key, write), value), good;

	if (!row && works && !user)
		unallocated[key->crn]++;
	if (want == UNDEFINED)
		good = !works || (!row && !user);
	else if (want == WORKS)
		good = works;
	else if (want == ZERO)
		good = works && *value == 0;
	else if (want == ZERO_IF_THERE)
		good = !works || *value == 0;
	else
		good = true;
	if (!good && shown++ < SHOWN_MAX)
		printf("  %s %s p%u, %u, c%u, c%u, %u (%s): %s, value %08x\n", user ? "PL0" : "PL1",
		       write ? "write" : "read", key->space < SPACE_CP14 ? 15 : 14, key->op1, key->crn, key->crm,
		       key->op2, row ? row->name : "no row", works ? "works" : "UNDEFINED", (unsigned int)*value);
	return good;
}

struct tally {
	uint32_t count, bad;
};

static void check_both(struct row key, struct tally *tally)
{
	const struct row *row = find(key);
	uint64_t value = 0;
	bool write_only = row && (row->read == UNDEFINED);

	if (user)
		value = (uint32_t)line;
	tally->count += 2;
	tally->bad += !check(&key, row, false, &value);
	if (write_only || user)
		value = key.space == SPACE_CP15 && key.crn == 7 && key.op2 == 2 ? 0 : (uint32_t)line;
	if (user && (user_rights(&key) & USER_WRITES) && key.crn != 7)
		value = 0; /* a timer off, a counter at 0 */
	tally->bad += !check(&key, row, true, &value);
}

static void walk(enum space space, const char *name)
{
	struct row key = {.space = space};
	struct tally tally = {0};

	shown = 0;
	for (uint32_t n = 0; n < (space == SPACE_CP15 || space == SPACE_CP14 ? BIT(14) : BIT(8)); n++) {
		if (is_64(&key)) {
			key.op1 = n >> 4;
			key.crm = n & 15;
		} else {
			key.crn = n >> 10;
			key.op1 = n >> 7 & 7;
			key.crm = n >> 3 & 15;
			key.op2 = n & 7;
		}
		check_both(key, &tally);
	}
	for (uint32_t n = 0; n < 16; n++) {
		if (unallocated[n])
			quirk(false, "cpu-unallocated", "%s: c%u: %u", name, (unsigned int)n,
			      (unsigned int)unallocated[n]);
		unallocated[n] = 0;
	}
	report(tally.bad == 0, "%s at %s%s: %u accesses, %u not as the table says", name, user ? "PL0" : "PL1",
	       let ? ", all let through" : "", (unsigned int)tally.count, (unsigned int)tally.bad);
}

static void walk_all(void)
{
	walk(SPACE_CP15, "cp15 MRC, MCR");
	walk(SPACE_CP15_64, "cp15 MRRC, MCRR");
	walk(SPACE_CP14, "cp14 MRC, MCR");
	walk(SPACE_CP14_64, "cp14 MRRC, MCRR");
}

/* VMRS: FPSID, FPSCR, MVFR1, MVFR0, FPEXC; MVFR2 on ARMv8 (cp10_id of coproc/coproc.c reads 0 otherwise where it
 * traps). */
static void walk_vmrs(void)
{
	uint32_t works = 0;
	uint64_t value;

	write_cpacr(read_cpacr() | CPACR_FULL);
	isb();
	value = UINT32_C(1) << 30;
	execute(UINT32_C(0xeee80a10), &value); /* VMSR FPEXC, r0 */
	for (uint32_t n = 0; n < 16; n++)
		if (execute(UINT32_C(0xeef00a10) | n << 16, &value))
			works |= BIT(n);
	report((works & ~BIT(5)) == (BIT(0) | BIT(1) | BIT(6) | BIT(7) | BIT(8)), "VMRS: %04x", (unsigned int)works);
	write_cpacr(read_cpacr() & ~CPACR_FULL);
	isb();
}

/* What must not show, whatever the core has (B3.18.1), and registers that depend on one another. */
static void test_hidden(void)
{
	report(FIELD(MRC15(0, c0, c1, 1), 4, 4) == 0, "ID_PFR1: no Security Extensions");
	report(FIELD(MRC15(0, c0, c1, 1), 12, 4) == 0, "ID_PFR1: no Virtualization Extensions");
	report(FIELD(MRC15(0, c0, c1, 1), 16, 4) == 1, "ID_PFR1: Generic Timer");
	report(FIELD(MRC15(0, c0, c1, 0), 12, 4) == 0, "ID_PFR0: no ThumbEE");
	report(FIELD(MRC15(0, c0, c1, 0), 28, 4) == 0, "ID_PFR0: no RAS");
	report((MRC15(0, c0, c1, 2) & ~UINT32_C(0x0f000000)) == 0, "ID_DFR0: no debug, no trace");
	report(FIELD(MRC15(0, c0, c1, 4), 0, 4) >= 5, "ID_MMFR0: VMSAv7 with long descriptors");
	for (uint32_t level = 0; level < 2; level++) {
		MCR15(2, c0, c0, 0, level << 1);
		isb();
		report(MRC15(1, c0, c0, 0) != 0, "CCSIDR of level %u", (unsigned int)level + 1);
	}
	MCR15(2, c0, c0, 0, 0);
	report_eq(read_actlr() & ~BIT(0), BIT(6), "ACTLR: SMP, and IBE at most");
}

/* The cycle counter counts where it is let, and not where not (C12). */
static void test_pmu(void)
{
	uint32_t before, after;

	if (FIELD(MRC15(0, c0, c1, 2), 24, 4) == 0)
		return;
	MCR15(0, c9, c12, 0, 5);                 /* PMCR: E, C */
	MCR15(0, c9, c12, 1, UINT32_C(1) << 31); /* PMCNTENSET */
	isb();
	before = MRC15(0, c9, c13, 0);
	for (volatile uint32_t i = 0; i < 1000; i++)
		;
	after = MRC15(0, c9, c13, 0);
	report(after - before > 1000 && after != before, "PMCCNTR counts (%u)", (unsigned int)(after - before));
	MCR15(0, c9, c12, 2, UINT32_C(1) << 31); /* PMCNTENCLR */
	isb();
	before = MRC15(0, c9, c13, 0);
	for (volatile uint32_t i = 0; i < 1000; i++)
		;
	report_eq(MRC15(0, c9, c13, 0), before, "and stops");
	MCR15(0, c9, c13, 0, 12345);
	report_eq(MRC15(0, c9, c13, 0), 12345, "and holds what is written");
	MCR15(0, c9, c12, 0, 0);
}

void guest_main(void)
{
	MCR15(0, c9, c14, 0, 0); /* PMUSERENR */
	write_cntkctl(0);
	test_hidden();
	walk_all();
	walk_vmrs();
	user = true;
	walk_all();
	let = true;
	MCR15(0, c9, c14, 0, 1);
	write_cntkctl(CNTKCTL_PL0);
	walk(SPACE_CP15, "cp15 MRC, MCR");
	walk(SPACE_CP15_64, "cp15 MRRC, MCRR");
	user = let = false;
	MCR15(0, c9, c14, 0, 0);
	write_cntkctl(0);
	test_pmu();
}
