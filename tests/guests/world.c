/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A world of its own: fills every register that it can write with a pattern ("seed=N" in the boot arguments), runs for
 * a while in which others of its kind have the CPU with theirs, and looks whether it has its own; then it resets its VM
 * and looks whether anything has stayed. For ever; tests/qemu/test_vms.py counts the lines. Under virt7 only.
 *
 * Coprocessor registers are not listed here: every encoding of MRC, MCR, MRRC and MCRR on cp15 and cp14 is tried, and
 * what can be read is a register. What must be written with care is in careful[]. What can only be written is left out:
 * operations on caches and the TLB, and registers that show in another one.
 */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/param.h"
#include "tests/guests/lib/timer.h"

#define ROUNDS     3U
#define LOOPS      10000000U
#define CPACR_FULL (UINT32_C(0xf) << 20)
#define CPACR_PL1  (UINT32_C(0x5) << 20)
#define FPEXC_EN   BIT(30)

#define SCTLR_FREE (SCTLR_A | SCTLR_V | SCTLR_WXN | SCTLR_UWXN | SCTLR_EE | SCTLR_TRE | SCTLR_AFE | SCTLR_TE)
#define ALL        UINT64_C(0xffffffffffffffff)
#define FAR        UINT64_C(0x0fffffffffffffff) /* CVAL: QEMU adds CNTVOFF to it */
#define APSR       UINT32_C(0xf80f0000)         /* N, Z, C, V, Q, GE */

/* MRS and MSR (banked register), from SVC (B9.2.3): name. Those that start.S sets come first. */
#define BANKED(X)   \
	X(sp_usr)   \
	X(sp_abt)   \
	X(sp_und)   \
	X(sp_irq)   \
	X(sp_fiq)   \
	X(lr_usr)   \
	X(lr_abt)   \
	X(lr_und)   \
	X(lr_irq)   \
	X(lr_fiq)   \
	X(spsr)     \
	X(spsr_abt) \
	X(spsr_und) \
	X(spsr_irq) \
	X(spsr_fiq) \
	X(r8_fiq)   \
	X(r9_fiq)   \
	X(r10_fiq)  \
	X(r11_fiq)  \
	X(r12_fiq)

/* address, name, bits, and those that are set: QEMU keeps an ABPR that is too low for its GIC, but not over a switch */
#define MMIO(X)                                                           \
	X(CPUIF_CTLR, "GICC_CTLR", GICC_CTLR_EOIMODE | GICC_CTLR_GRP0, 0) \
	X(CPUIF_PMR, "GICC_PMR", 0xff, 0)                                 \
	X(CPUIF_BPR, "GICC_BPR", 7, 4)                                    \
	X(CPUIF_ABPR, "GICC_ABPR", 7, 4)

static const char *const names[] = {
#define NAME(name)                      #name,
#define NAME_MMIO(at, name, bits, ones) name,
	BANKED(NAME) MMIO(NAME_MMIO) "GICC_RPR"};

#define SET_BY_START_S 5U    /* of BANKED */
#define REGS_MAX       4096U /* QEMU's A15 and A7 have DACR 1,024 times, and c10 as often where HSTR is 0 */
#define INSN_BX_LR     UINT32_C(0xe12fff1e)
#define INSN_MRC       UINT32_C(0xee100010) /* r0 */
#define INSN_MCR       UINT32_C(0xee000010)
#define INSN_MRRC      UINT32_C(0xec510000) /* r0, r1 */
#define INSN_MCRR      UINT32_C(0xec410000)
#define INSN_WRITE(n)  ((n) & ~BIT(20))

/* The fields of an instruction that name a register. */
#define CP_32(cp, op1, crn, crm, op2) (INSN_MRC | (op1) << 21 | (crn) << 16 | (cp) << 8 | (op2) << 5 | (crm))
#define CP_64(cp, op1, crm)           (INSN_MRRC | (cp) << 8 | (op1) << 4 | (crm))
#define IS_64(insn)                   (((insn)&BIT(25)) == 0)

/* The bits that may have any value, of registers in which others may not. The rest may have any value in all bits. */
static const struct careful {
	uint32_t insn;
	uint64_t bits;
} careful[] = {
	/* The guest runs with the MMU and caches off; its exceptions, of which none happens, do not matter. */
	{CP_32(15, 0, 1, 0, 0), SCTLR_FREE},
	/* The VFP's registers are filled and read beside this one: CPACR.cp10 and cp11 have a pattern of their own. */
	{CP_32(15, 0, 1, 0, 2), UINT32_C(0x000fffff)},
	/* Nothing may count: no PMCR.E. */
	{CP_32(15, 0, 9, 12, 0), ~BIT(0)},
	/* TVAL is CVAL less the time. A deadline that is near would pass: QEMU adds CNTVOFF to it. */
	{CP_32(15, 0, 14, 2, 0), 0},
	{CP_32(15, 0, 14, 3, 0), 0},
	{CP_64(15, 2, 14), FAR},
	{CP_64(15, 3, 14), FAR},
};

/* A register that can be read, with the code that does and the code that writes it. */
static struct reg {
	uint32_t code[4];
	uint32_t insn;
	bool writes, moves; /* by itself, as time does */
	uint64_t bits;      /* that may be written, and hold what is */
	uint64_t found;     /* when the guest began */
} regs[REGS_MAX];

/* Names[] first, then regs[]. */
struct world {
	uint64_t named[ARRAY_SIZE(names)];
	uint64_t reg[REGS_MAX];
	uint64_t d[32];
	uint32_t fpscr, cpacr;
};

void hold(uint32_t loops, const uint32_t values[15]);
extern uint32_t hold_seen[15];
uint32_t vfp_get_fpexc(void), vfp_get_fpscr(void);
void vfp_set_fpexc(uint32_t v), vfp_set_fpscr(uint32_t v);
void vfp_load(const uint64_t d[32]), vfp_store(uint64_t d[32]);

static struct world early;
static uint32_t early_fpexc, seed, failures, reg_count, writable;
static uint32_t probes[2 * (BIT(14) + BIT(8))][2], probe_count;

static void sync_code(void)
{
	dsb();
	iciallu();
	bpiall();
	dsb();
	isb();
}

static uint64_t run_code(const uint32_t *code, uint64_t value)
{
	return ((uint64_t(*)(uint64_t))code)(value);
}

static uint64_t reg_read(const struct reg *reg)
{
	uint64_t value = run_code(reg->code, 0);

	return IS_64(reg->insn) ? value : (uint32_t)value;
}

static void reg_write(const struct reg *reg, uint64_t value)
{
	((void (*)(uint64_t)) & reg->code[2])(value);
}

static void read_named(uint64_t *v)
{
#define READ(name)                                                                                  \
	{                                                                                           \
		uint32_t v_;                                                                        \
		__asm__ volatile(".arch_extension virt\n\tmrs %0, " #name : "=r"(v_) : : "memory"); \
		*v++ = v_;                                                                          \
	}
#define READ_MMIO(at, name, bits, ones) *v++ = read32(at);
	BANKED(READ) MMIO(READ_MMIO) *v = read32(CPUIF_RPR);
}

static void write_named(const uint64_t *v)
{
#define WRITE(name)                      __asm__ volatile(".arch_extension virt\n\tmsr " #name ", %0" : : "r"((uint32_t)*v++) : "memory");
#define WRITE_MMIO(at, name, bits, ones) write32(at, ((uint32_t)*v++ & (bits)) | (ones));
	BANKED(WRITE) MMIO(WRITE_MMIO)
}

static void read_world(struct world *world)
{
	for (uint32_t i = 0; i < reg_count; i++)
		world->reg[i] = reg_read(&regs[i]);
	read_named(world->named);
	vfp_store(world->d);
	world->fpscr = vfp_get_fpscr();
	world->cpacr = read_cpacr();
}

/* Of `world` what may be written; what is there now for the rest. No exception may happen when the first is done. */
static void write_registers(const struct world *world)
{
	for (uint32_t i = 0; i < reg_count; i++)
		if (regs[i].writes)
			reg_write(&regs[i], (world->reg[i] & regs[i].bits) | (reg_read(&regs[i]) & ~regs[i].bits));
	write_named(world->named);
	isb();
}

static uint64_t careful_bits(uint32_t insn)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(careful); i++)
		if (careful[i].insn == insn)
			return careful[i].bits;
	return ALL;
}

/* Not UNDEFINED. */
static bool runs(const uint32_t *code, uint64_t *value)
{
	exc_expect(EXC_UNDEF);
	*value = run_code(code, *value);
	return exc_done()->count == 0;
}

/* QEMU decodes some encodings as nothing at all: those leave what r0 has. */
static void find_register(const uint32_t *code)
{
	struct reg *reg = &regs[reg_count];
	uint64_t value = 0, other = ALL;

	if (!runs(code, &value) || reg_count == REGS_MAX)
		return;
	runs(code, &other);
	if (value == 0 && other == ALL)
		return;
	*reg = (struct reg){.code = {code[0], INSN_BX_LR, INSN_WRITE(code[0]), INSN_BX_LR}, .insn = code[0]};
	reg->found = IS_64(reg->insn) ? value : (uint32_t)value;
	reg_count++;
}

static void add_probe(uint32_t insn)
{
	probes[probe_count][0] = insn;
	probes[probe_count++][1] = INSN_BX_LR;
}

/* All of the code first: QEMU translates a page anew when something in it changes. */
static void find_registers(void)
{
	for (uint32_t cp = 14; cp < 16; cp++) {
		for (uint32_t n = 0; n < BIT(14); n++)
			add_probe(CP_32(cp, n >> 7 & 7, n >> 10, n >> 3 & 15, n & 7));
		for (uint32_t n = 0; n < BIT(8); n++)
			add_probe(CP_64(cp, n >> 4, n & 15));
	}
	sync_code();
	for (uint32_t i = 0; i < probe_count; i++)
		find_register(probes[i]);
	sync_code();
}

/* Which of them can be written, and in which bits. No exception while one has another's value than its own. */
static void find_bits(struct reg *reg)
{
	uint64_t before = reg_read(reg), ones, zeros;

	reg->bits = careful_bits(reg->insn);
	ones = before;
	reg->writes = reg->bits && runs(&reg->code[2], &ones);
	if (!reg->writes)
		return;
	reg_write(reg, before | reg->bits);
	ones = reg_read(reg);
	reg_write(reg, before & ~reg->bits);
	zeros = reg_read(reg);
	reg_write(reg, before);
	reg->bits &= ones ^ zeros;
	reg->writes = reg->bits != 0;
	writable += reg->writes;
}

/* Before the library touches anything. */
void guest_early(void)
{
	read_named(early.named);
	early.cpacr = read_cpacr();
	find_registers();
	write_cpacr(read_cpacr() | CPACR_FULL);
	isb();
	early_fpexc = vfp_get_fpexc();
	vfp_set_fpexc(FPEXC_EN);
	vfp_store(early.d);
	early.fpscr = vfp_get_fpscr();
}

static void fail(const char *what, const char *name, uint64_t got, uint64_t want)
{
	if (got == want)
		return;
	failures++;
	report(false, "%s: %s is 0x%llx, not 0x%llx", what, name, (unsigned long long)got, (unsigned long long)want);
}

static bool is(const char *name, const char *other)
{
	while (*name && *name == *other) {
		name++;
		other++;
	}
	return *name == *other;
}

/* start.S writes VBAR and TPIDRPRW. */
static bool is_set_by_start(uint32_t insn)
{
	return insn == CP_32(15, 0, 12, 0, 0) || insn == CP_32(15, 0, 13, 0, 4);
}

static void fail_reg(const char *what, const struct reg *reg, uint64_t got, uint64_t want)
{
	uint32_t n = reg->insn, cp = FIELD(n, 8, 4);

	if (got == want)
		return;
	failures++;
	if (IS_64(n))
		report(false, "%s: CP%u_64(%u, %u) is 0x%llx, not 0x%llx", what, (unsigned)cp, (unsigned)FIELD(n, 4, 4),
		       (unsigned)(n & 15), (unsigned long long)got, (unsigned long long)want);
	else
		report(false, "%s: CP%u(%u, %u, %u, %u) is 0x%llx, not 0x%llx", what, (unsigned)cp,
		       (unsigned)FIELD(n, 16, 4), (unsigned)FIELD(n, 21, 3), (unsigned)(n & 15),
		       (unsigned)FIELD(n, 5, 3), (unsigned long long)got, (unsigned long long)want);
}

/* What the architecture gives a value at reset (B1.9.1; IHI 0048B 4.4, of a GIC with five priority bits). */
static uint64_t at_reset(uint32_t i)
{
	static const struct {
		const char *name;
		uint32_t value;
	} other[] = {{"GICC_RPR", 0xff}, {"GICC_BPR", 2}, {"GICC_ABPR", 3}};

	for (uint32_t n = 0; n < ARRAY_SIZE(other); n++)
		if (is(names[i], other[n].name))
			return other[n].value;
	return 0;
}

/* What start.S has not set is zero after a reset, in the bits that can be written. */
static void test_reset(void)
{
	for (uint32_t i = SET_BY_START_S; i < ARRAY_SIZE(names); i++)
		fail("reset", names[i], early.named[i], at_reset(i));
	for (uint32_t i = 0; i < reg_count; i++)
		if (regs[i].writes && !is_set_by_start(regs[i].insn))
			fail_reg("reset", &regs[i], regs[i].found & regs[i].bits, 0);
	for (uint32_t i = 0; i < 32; i++)
		fail("reset", "D", early.d[i], 0);
	fail("reset", "FPSCR", early.fpscr, 0);
	fail("reset", "FPEXC", early_fpexc, 0);
	fail("reset", "CPACR", early.cpacr & CPACR_FULL, 0);
}

static uint64_t pattern(uint32_t i, uint32_t round)
{
	return (seed + round * 16U + i) * UINT64_C(0x9e3779b97f4a7c15) ^ seed * UINT64_C(0xff51afd7ed558ccd);
}

/* An interrupt that is active: its priority runs until its end. */
static void begin_interrupt(void)
{
	gic_init();
	write32(CPUIF_PMR, 0xff);
	gic_set_priority(seed % 16U, (seed * 0x10U) & 0xf0U);
	gic_enable(seed % 16U);
	gic_sgi_self(seed % 16U);
	gic_settle();
	fail("world", "GICC_IAR", read32(CPUIF_IAR) & 0x3ffU, seed % 16U);
}

static void end_interrupt(void)
{
	write32(CPUIF_CTLR, 1);
	write32(CPUIF_EOIR, seed % 16U);
}

static void test_core(uint32_t round)
{
	static const char *const core[] = {"r1", "r2",  "r3",  "r4",  "r5", "r6", "r7",  "r8",
					   "r9", "r10", "r11", "r12", "SP", "LR", "APSR"};
	uint32_t values[15];

	for (uint32_t i = 0; i < ARRAY_SIZE(values); i++)
		values[i] = (uint32_t)(pattern(100 + i, round) >> 8);
	values[12] &= ~7U;
	values[14] &= APSR;
	hold(LOOPS, values);
	hold_seen[14] &= APSR;
	for (uint32_t i = 0; i < ARRAY_SIZE(values); i++)
		fail("kept", core[i], hold_seen[i], values[i]);
}

#define MOVES_READS 4U

/* A register that is another at each of several reads in a row changes by itself: no switch comes between all of them.
 */
static void find_moving(void)
{
	for (uint32_t i = 0; i < reg_count; i++) {
		uint32_t changes = 0;
		uint64_t last = reg_read(&regs[i]), now;

		for (uint32_t n = 0; n < MOVES_READS; n++, last = now) {
			for (volatile uint32_t wait = 0; wait < 100; wait++)
				;
			now = reg_read(&regs[i]);
			changes += now != last;
		}
		regs[i].moves = changes == MOVES_READS;
	}
}

static void make_patterns(struct world *mine, uint32_t round)
{
	for (uint32_t i = 0; i < 32; i++)
		mine->d[i] = pattern(200 + i, round);
	for (uint32_t i = 0; i < ARRAY_SIZE(names); i++)
		mine->named[i] = pattern(i, round);
	for (uint32_t i = 0; i < reg_count; i++)
		mine->reg[i] = pattern(300 + i, round);
}

static void compare(const struct world *now, const struct world *mine)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(names); i++)
		fail("kept", names[i], now->named[i], mine->named[i]);
	for (uint32_t i = 0; i < reg_count; i++)
		if (!regs[i].moves)
			fail_reg("kept", &regs[i], now->reg[i], mine->reg[i]);
	for (uint32_t i = 0; i < 32; i++)
		fail("kept", "D", now->d[i], mine->d[i]);
	fail("kept", "FPSCR", now->fpscr, mine->fpscr);
	fail("kept", "CPACR", now->cpacr, mine->cpacr);
}

static void test_round(uint32_t round)
{
	static struct world before, mine, now;

	begin_interrupt();
	read_world(&before);
	make_patterns(&mine, round);
	vfp_load(mine.d);
	vfp_set_fpscr((uint32_t)pattern(232, round) & UINT32_C(0xf7c0009f));
	write_registers(&mine);
	write_cpacr((read_cpacr() & ~CPACR_FULL) | (pattern(0, round) & 1U ? CPACR_FULL : CPACR_PL1));
	find_moving();
	read_world(&mine); /* what a register makes of its pattern */
	test_core(round);
	read_world(&now);
	write_registers(&before);
	end_interrupt();
	compare(&now, &mine);
}

void guest_main(void)
{
	seed = param("seed=", 1);
	for (uint32_t i = 0; i < reg_count; i++)
		find_bits(&regs[i]);
	test_reset();
	for (uint32_t round = 0; round < ROUNDS; round++)
		test_round(round);
	if (reg_count == REGS_MAX)
		report(false, "world %u: there may be more than %u registers", (unsigned int)seed, REGS_MAX);
	report(failures == 0, "world %u: %u coprocessor registers, %u that can be written, and %u others",
	       (unsigned int)seed, (unsigned int)reg_count, (unsigned int)writable, (unsigned int)ARRAY_SIZE(names));
	psci_hvc(PSCI_SYSTEM_RESET, 0, 0, 0);
}
