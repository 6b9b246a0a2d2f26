/*
 * A world of its own: fills every register that it can write with a pattern ("seed=N" in the boot arguments), runs for
 * a while in which others of its kind have the CPU with theirs, and looks whether it has its own; then it resets its VM
 * and looks whether anything has stayed. For ever; tests/qemu/test_vms.py counts the lines. Under virt7 only.
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

/* op1, CRn, CRm, op2, name, bits that get a pattern */
#define CP15(X)                                                  \
	X(0, c12, c0, 0, "VBAR", ALL)                            \
	X(0, c13, c0, 4, "TPIDRPRW", ALL)                        \
	X(0, c1, c0, 0, "SCTLR", SCTLR_FREE)                     \
	X(0, c2, c0, 2, "TTBCR", UINT32_C(0x80000037))           \
	X(0, c3, c0, 0, "DACR", ALL)                             \
	X(0, c5, c0, 0, "DFSR", ALL)                             \
	X(0, c5, c0, 1, "IFSR", ALL)                             \
	X(0, c5, c1, 0, "ADFSR", ALL)                            \
	X(0, c5, c1, 1, "AIFSR", ALL)                            \
	X(0, c6, c0, 0, "DFAR", ALL)                             \
	X(0, c6, c0, 2, "IFAR", ALL)                             \
	X(0, c10, c2, 0, "PRRR", ALL)                            \
	X(0, c10, c2, 1, "NMRR", ALL)                            \
	X(0, c10, c3, 0, "AMAIR0", ALL)                          \
	X(0, c10, c3, 1, "AMAIR1", ALL)                          \
	X(0, c13, c0, 1, "CONTEXTIDR", ALL)                      \
	X(0, c13, c0, 2, "TPIDRURW", ALL)                        \
	X(0, c13, c0, 3, "TPIDRURO", ALL)                        \
	X(0, c14, c1, 0, "CNTKCTL", 0x303)                       \
	X(0, c14, c2, 1, "CNTP_CTL", TIMER_ENABLE | TIMER_IMASK) \
	X(0, c14, c3, 1, "CNTV_CTL", TIMER_ENABLE | TIMER_IMASK) \
	X(2, c0, c0, 0, "CSSELR", 3)                             \
	X(0, c9, c12, 5, "PMSELR", 0x1f)                         \
	X(0, c9, c13, 0, "PMCCNTR", ALL)                         \
	X(0, c9, c14, 0, "PMUSERENR", 1)

/* op1, CRm, name, bits */
#define CP15_64(X)                  \
	X(0, c2, "TTBR0", ALL)      \
	X(1, c2, "TTBR1", ALL)      \
	X(0, c7, "PAR", ALL)        \
	X(2, c14, "CNTP_CVAL", FAR) \
	X(3, c14, "CNTV_CVAL", FAR)

/* address, name, bits, and those that are set: QEMU keeps an ABPR that is too low for its GIC, but not over a switch */
#define MMIO(X)                                                          \
	X(GICC_CTLR, "GICC_CTLR", GICC_CTLR_EOIMODE | GICC_CTLR_GRP0, 0) \
	X(GICC_PMR, "GICC_PMR", 0xff, 0)                                 \
	X(GICC_BPR, "GICC_BPR", 7, 4)                                    \
	X(GICC_ABPR, "GICC_ABPR", 7, 4)

#define REGS_MAX 64U

static const char *const names[] = {
#define NAME(name)                                #name,
#define NAME_CP15(op1, crn, crm, op2, name, bits) name,
#define NAME_64(op1, crm, name, bits)             name,
#define NAME_MMIO(at, name, bits, ones)           name,
	BANKED(NAME) CP15(NAME_CP15) CP15_64(NAME_64) MMIO(NAME_MMIO) "GICC_RPR"};

#define SET_BY_START_S 5U /* of BANKED; and VBAR and TPIDRPRW */

struct world {
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
static uint32_t early_fpexc, seed, failures;

static void read_registers(uint64_t *v)
{
#define READ(name)                                                                                  \
	{                                                                                           \
		uint32_t v_;                                                                        \
		__asm__ volatile(".arch_extension virt\n\tmrs %0, " #name : "=r"(v_) : : "memory"); \
		*v++ = v_;                                                                          \
	}
#define READ_CP15(op1, crn, crm, op2, name, bits) *v++ = MRC15(op1, crn, crm, op2);
#define READ_64(op1, crm, name, bits)             *v++ = MRRC15(op1, crm);
#define READ_MMIO(at, name, bits, ones)           *v++ = read32(at);
	BANKED(READ) CP15(READ_CP15) CP15_64(READ_64) MMIO(READ_MMIO) *v = read32(GICC_RPR);
}

/* Of `v`, the bits that are ours; what has been read before for the rest. */
static void write_registers(const uint64_t *v)
{
#define WRITE(name) __asm__ volatile(".arch_extension virt\n\tmsr " #name ", %0" : : "r"((uint32_t)*v++) : "memory");
#define WRITE_CP15(op1, crn, crm, op2, name, bits) \
	MCR15(op1, crn, crm, op2, (MRC15(op1, crn, crm, op2) & ~(uint32_t)(bits)) | (uint32_t)(*v++ & (bits)));
#define WRITE_64(op1, crm, name, bits)   MCRR15(op1, crm, *v++ &(bits));
#define WRITE_MMIO(at, name, bits, ones) write32(at, ((uint32_t)*v++ & (bits)) | (ones));
	BANKED(WRITE) CP15(WRITE_CP15) CP15_64(WRITE_64) MMIO(WRITE_MMIO) isb();
}

static void read_world(struct world *world)
{
	read_registers(world->reg);
	vfp_store(world->d);
	world->fpscr = vfp_get_fpscr();
	world->cpacr = read_cpacr();
}

/* Before the library touches anything. */
void guest_early(void)
{
	read_registers(early.reg);
	early.cpacr = read_cpacr();
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

static bool is_set_by_start(uint32_t i)
{
	return i < SET_BY_START_S || is(names[i], "VBAR") || is(names[i], "TPIDRPRW");
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

/* And the rest is zero. */
static void test_reset(void)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!is_set_by_start(i))
			fail("reset", names[i], is(names[i], "SCTLR") ? early.reg[i] & SCTLR_FREE : early.reg[i],
			     at_reset(i));
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
	write32(GICC_PMR, 0xff);
	gic_set_priority(seed % 16U, (seed * 0x10U) & 0xf0U);
	gic_enable(seed % 16U);
	gic_sgi_self(seed % 16U);
	gic_settle();
	fail("world", "GICC_IAR", read32(GICC_IAR) & 0x3ffU, seed % 16U);
}

static void end_interrupt(void)
{
	write32(GICC_CTLR, 1);
	write32(GICC_EOIR, seed % 16U);
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

static void test_round(uint32_t round)
{
	static struct world before, mine, now;

	begin_interrupt();
	read_world(&before);
	for (uint32_t i = 0; i < 32; i++)
		mine.d[i] = pattern(200 + i, round);
	vfp_load(mine.d);
	vfp_set_fpscr((uint32_t)pattern(232, round) & UINT32_C(0xf7c0009f));
	for (uint32_t i = 0; i < ARRAY_SIZE(names); i++)
		mine.reg[i] = pattern(i, round);
	write_registers(mine.reg);
	write_cpacr((read_cpacr() & ~CPACR_FULL) | (pattern(0, round) & 1U ? CPACR_FULL : CPACR_PL1));
	read_world(&mine); /* not all bits of all registers are writable */
	test_core(round);
	read_world(&now);
	write_registers(before.reg);
	end_interrupt();
	for (uint32_t i = 0; i < ARRAY_SIZE(names); i++)
		fail("kept", names[i], now.reg[i], mine.reg[i]);
	for (uint32_t i = 0; i < 32; i++)
		fail("kept", "D", now.d[i], mine.d[i]);
	fail("kept", "FPSCR", now.fpscr, mine.fpscr);
	fail("kept", "CPACR", now.cpacr, mine.cpacr);
}

void guest_main(void)
{
	seed = param("seed=", 1);
	test_reset();
	for (uint32_t round = 0; round < ROUNDS; round++)
		test_round(round);
	report(failures == 0, "world %u: %u registers", (unsigned int)seed, (unsigned int)ARRAY_SIZE(names));
	psci_hvc(PSCI_SYSTEM_RESET, 0, 0, 0);
}
