/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions taken to PL1 (DDI 0406C B1.8, B1.9): link register, SPSR, handler state, fault registers, the return, in
 * ARM and Thumb state and in IT blocks; and external aborts from addresses where the machine has nothing.
 */
#include "tests/guests/lib/guest.h"

#define HOLE UINT32_C(0x0b000000) /* no device of mach-virt */

#define FS_ALIGNMENT 0x01U
#define FS_DEBUG     0x02U
#define FS_EXTERNAL  0x08U /* synchronous external abort, short format (table B3-23) */
#define DFSR_WNR     BIT(11)

/* ITSTATE in a PSR. */
#define PSR_IT UINT32_C(0x0600fc00)

typedef uint32_t insn_fn(uint32_t r0, uint32_t r1);

insn_fn arm_undef, arm_svc, arm_svc_cond, arm_load, arm_store, arm_load_cond, arm_load_wb, arm_ldm, arm_swi_flags;
insn_fn arm_mrc_cond, arm_far_call, arm_bkpt, arm_ldrd_unaligned, arm_ldm_unaligned, arm_ldrex_unaligned;
insn_fn thumb_undef16, thumb_undef32, thumb_svc, thumb_load16, thumb_load32, thumb_store32, thumb_it_load16;
insn_fn thumb_it_load32, thumb_it_svc, thumb_it_undef, thumb_it_fail, thumb_mrc_cond;
uint32_t arm_user_svc(uint32_t r0), arm_user_cps(uint32_t r0), arm_user_mcr(uint32_t r0), thumb_user_svc(uint32_t r0);

extern const char at_arm_undef[], at_arm_svc[], at_arm_svc_cond[], at_arm_load[], at_arm_store[], at_arm_load_wb[];
extern const char at_arm_ldm[], at_arm_bkpt[], at_arm_user_svc[], at_arm_user_mcr[], at_arm_ldrd_unaligned[];
extern const char at_arm_ldm_unaligned[], at_arm_ldrex_unaligned[], at_thumb_undef16[], at_thumb_undef32[];
extern const char at_thumb_svc[], at_thumb_load16[], at_thumb_load32[], at_thumb_store32[], at_thumb_it_load16[];
extern const char at_thumb_it_load32[], at_thumb_it_svc[], at_thumb_it_undef[], at_thumb_user_svc[];

static uint32_t ram_word = UINT32_C(0xcafe0001);

static void test_entry_state(void)
{
	report_eq(boot_state.r0, 0, "r0 at entry");
	report_eq(boot_state.r1, UINT32_C(0xffffffff), "r1 at entry");
	report(boot_state.r2 > UINT32_C(0x40010000) && read32(boot_state.r2) == UINT32_C(0xedfe0dd0),
	       "r2 at entry points to a device tree");
	report_eq(boot_state.cpsr & (PSR_MODE | PSR_T | PSR_E | PSR_I | PSR_F | PSR_A),
		  MODE_SVC | PSR_I | PSR_F | PSR_A, "CPSR at entry: SVC, ARM, little-endian, all masked");
	report_eq(read_sctlr() & (SCTLR_M | SCTLR_C | SCTLR_I | SCTLR_V | SCTLR_EE | SCTLR_TE | SCTLR_AFE | SCTLR_TRE),
		  0, "SCTLR at entry: MMU and caches off");
}

/* One synchronous exception, at `at`, with lr = at + lr_offset, which returns `want` after it. */
struct sync_case {
	const char *name;
	insn_fn *fn;
	uint32_t r0;
	uint32_t type;
	const char *at;
	uint32_t lr_offset;
	uint32_t want;
	uint32_t it; /* ITSTATE in the SPSR */
};

/*
 * Link values: table B1-7. ITSTATE (A2.5.2): ITTET EQ sets 0b00000101; at the second instruction that is 0b00001010, at
 * the third 0b00010100. An SVC's is already the next instruction's (B1.9.10).
 */
static const struct sync_case sync_cases[] = {
	{"ARM UDF", arm_undef, 5, EXC_UNDEF, at_arm_undef, 4, 6, 0},
	{"Thumb 16-bit UDF", thumb_undef16, 5, EXC_UNDEF, at_thumb_undef16, 2, 6, 0},
	{"Thumb 32-bit UDF", thumb_undef32, 5, EXC_UNDEF, at_thumb_undef32, 2, 6, 0},
	{"ARM SVC", arm_svc, 5, EXC_SVC, at_arm_svc, 4, 6, 0},
	{"Thumb SVC", thumb_svc, 5, EXC_SVC, at_thumb_svc, 2, 6, 0},
	{"ARM SVCEQ that passes", arm_svc_cond, 0, EXC_SVC, at_arm_svc_cond, 4, 0, 0},
	{"ARM LDR", arm_load, HOLE, EXC_DABT, at_arm_load, 8, HOLE, 0},
	{"ARM STR", arm_store, HOLE + 4, EXC_DABT, at_arm_store, 8, HOLE + 4, 0},
	{"ARM LDR with write-back keeps its registers", arm_load_wb, HOLE - 8, EXC_DABT, at_arm_load_wb, 8, HOLE - 8,
	 0},
	{"ARM LDM with write-back keeps its base", arm_ldm, HOLE, EXC_DABT, at_arm_ldm, 8, 0, 0},
	{"Thumb 16-bit LDR", thumb_load16, HOLE, EXC_DABT, at_thumb_load16, 8, HOLE, 0},
	{"Thumb 32-bit LDR", thumb_load32, HOLE - 0x100, EXC_DABT, at_thumb_load32, 8, HOLE - 0x100, 0},
	{"Thumb STRD", thumb_store32, HOLE, EXC_DABT, at_thumb_store32, 8, HOLE, 0},
	{"Thumb 16-bit LDR in an IT block", thumb_it_load16, HOLE, EXC_DABT, at_thumb_it_load16, 8, 5, 0x0a},
	{"Thumb 32-bit LDR in an IT block", thumb_it_load32, HOLE - 0x100, EXC_DABT, at_thumb_it_load32, 8, 5, 0x0a},
	{"Thumb SVC in an IT block", thumb_it_svc, 0, EXC_SVC, at_thumb_it_svc, 2, 5, 0x14},
	{"Thumb UDF in an IT block", thumb_it_undef, 0, EXC_UNDEF, at_thumb_it_undef, 2, 5, 0x0a},
};

static uint32_t it_of(uint32_t psr)
{
	return FIELD(psr, 10, 6) << 2 | FIELD(psr, 25, 2);
}

static uint32_t mode_of(uint32_t type)
{
	return type == EXC_UNDEF ? MODE_UND : type == EXC_SVC ? MODE_SVC : MODE_ABT;
}

/* B1.9: the handler's mode, I masked, A masked for aborts only, ARM state (SCTLR.TE 0), ITSTATE clear. */
static bool handler_state_ok(const struct exc_record *seen)
{
	uint32_t want = mode_of(seen->type) | PSR_I | (seen->spsr & PSR_F) | (seen->spsr & PSR_A);

	if (seen->type == EXC_PABT || seen->type == EXC_DABT)
		want |= PSR_A;
	return (seen->cpsr & (PSR_MODE | PSR_I | PSR_F | PSR_A | PSR_T | PSR_E | PSR_IT)) == want;
}

static void test_sync(const struct sync_case *c)
{
	const struct exc_record *seen;
	uint32_t at = (uint32_t)c->at & ~UINT32_C(1);
	uint32_t got;
	bool thumb = (uint32_t)c->fn & 1;

	exc_expect(c->type);
	got = c->fn(c->r0, 0);
	seen = exc_done();
	report(seen->count == 1, "%s: taken once (%u)", c->name, (unsigned int)seen->count);
	report_eq(seen->lr, at + c->lr_offset, c->name);
	report(!(seen->spsr & PSR_T) == !thumb && (seen->spsr & PSR_MODE) == MODE_SVC && it_of(seen->spsr) == c->it,
	       "%s: SPSR (%08x)", c->name, (unsigned int)seen->spsr);
	report(handler_state_ok(seen), "%s: CPSR in the handler (%08x)", c->name, (unsigned int)seen->cpsr);
	report_eq(got, c->want, c->name);
}

static void test_conditions(void)
{
	exc_expect(EXC_SVC);
	arm_svc_cond(1, 0);
	report(!exc_done()->count, "an ARM SVC whose condition fails is not taken");
	exc_expect(EXC_DABT);
	report(arm_load_cond(HOLE, 1) == HOLE && !exc_done()->count,
	       "an ARM load whose condition fails does not abort");
	exc_expect(EXC_DABT);
	report(thumb_it_fail(HOLE, 0) == 6 && !exc_done()->count, "failing instructions in an IT block do nothing");
	report(arm_mrc_cond(3, 0) == 3 && thumb_mrc_cond(3, 0) == 3, "ACTLR is not read when the condition fails");
	report(arm_mrc_cond(0, 0) == read_actlr() && thumb_mrc_cond(0, 0) == read_actlr(),
	       "ACTLR is read when it passes");
	for (uint32_t nzcv = 0; nzcv < 16; nzcv += 3) {
		exc_expect(EXC_SVC);
		report((arm_swi_flags(nzcv << 28, 0) & UINT32_C(0xf0000000)) == nzcv << 28 && exc_done()->count == 1,
		       "flags %x survive an exception", (unsigned int)nzcv);
	}
}

/* DFSR: FS in bit 10 and 3:0, WnR bit 11; not ExT (IMPLEMENTATION DEFINED) and the domain (B4.1.52). */
static void expect_external(uint32_t addr, bool write)
{
	const struct exc_record *seen;

	write_dfsr(0);
	write_dfar(0);
	exc_expect(EXC_DABT);
	if (write)
		arm_store(addr, 1);
	else
		arm_load(addr, 0);
	seen = exc_done();
	report(seen->count == 1, "%s at %08x aborts", write ? "store" : "load", (unsigned int)addr);
	report_eq(seen->fsr & 0xe0f, FS_EXTERNAL | (write ? DFSR_WNR : 0), "DFSR: synchronous external abort");
	report_eq(seen->far, addr, "DFAR");
}

static uint32_t load_byte(uint32_t addr)
{
	exc_expect(EXC_DABT);
	read8(addr);
	return exc_done()->count;
}

/* What lies between mach-virt's devices, below its RAM, and far from all. */
static void test_external(void)
{
	expect_external(HOLE, false);
	expect_external(HOLE, true);
	expect_external(HOLE + 0xffc, false);
	report(load_byte(HOLE + 3) == 1, "a byte load aborts as well");
	exc_expect(EXC_DABT);
	write16(HOLE + 2, 0);
	report(exc_done()->count == 1 && (exc_done()->fsr & DFSR_WNR), "and a halfword store");
}

/* IFSR has no WnR; IFAR holds the instruction's address (B3.13.1). */
static void expect_fetch(uint32_t target)
{
	const struct exc_record *seen;
	uint32_t addr = target & ~UINT32_C(1);

	write_ifsr(0);
	write_ifar(0);
	exc_expect(EXC_PABT);
	report_eq(arm_far_call(target, 0), 0x55, "a fetch from nowhere returns to its caller");
	seen = exc_done();
	report(seen->count == 1, "prefetch abort at %08x", (unsigned int)target);
	report_eq(seen->lr, addr + 4, "prefetch abort: link register");
	report_eq(seen->fsr & 0x60f, FS_EXTERNAL, "IFSR: synchronous external abort");
	report_eq(seen->far, addr, "IFAR");
	report(!(seen->spsr & PSR_T) == !(target & 1) && handler_state_ok(seen), "prefetch abort: SPSR, CPSR");
}

/* C2.2.1, B3.13.1: a software breakpoint is a prefetch abort with IFSR 0b00010 when no monitor takes it. */
static void test_bkpt(void)
{
	const struct exc_record *seen;

	exc_expect(EXC_PABT);
	report_eq(arm_bkpt(9, 0), 9, "BKPT");
	seen = exc_done();
	report(seen->count == 1 && seen->lr == (uint32_t)at_arm_bkpt + 4, "BKPT: prefetch abort and link register");
	report_eq(seen->fsr & 0x60f, FS_DEBUG, "BKPT: IFSR");
}

static void expect_alignment(insn_fn *fn, const char *at, const char *name)
{
	const struct exc_record *seen;

	write_dfsr(0);
	exc_expect(EXC_DABT);
	fn((uint32_t)&ram_word + 1, 0);
	seen = exc_done();
	report(seen->count == 1 && seen->pc == (uint32_t)at && seen->far == (uint32_t)&ram_word + 1,
	       "unaligned %s aborts", name);
	report_eq(seen->fsr & 0x60f, FS_ALIGNMENT, name);
}

static void test_alignment(void)
{
	uint32_t sctlr = read_sctlr();

	expect_alignment(arm_ldrd_unaligned, at_arm_ldrd_unaligned, "LDRD");
	expect_alignment(arm_ldm_unaligned, at_arm_ldm_unaligned, "LDM");
	expect_alignment(arm_ldrex_unaligned, at_arm_ldrex_unaligned, "LDREX");
	write_sctlr(sctlr | SCTLR_A);
	isb();
	expect_alignment(arm_load, at_arm_load, "LDR with SCTLR.A");
	write_sctlr(sctlr & ~UINT32_C(SCTLR_A));
	isb();
	/* A3.2.2: an unaligned access to Strongly-ordered memory, which all memory is now, has an alignment fault. */
	exc_expect(EXC_DABT);
	arm_load((uint32_t)&ram_word + 1, 0);
	quirk(exc_done()->count == 1, "cpu-unaligned-device", "unaligned LDR of Strongly-ordered memory aborts");
}

static void test_user(void)
{
	const struct exc_record *seen;

	exc_expect(EXC_SVC);
	report_eq(user_call(arm_user_svc, 7), 8, "SVC in User mode, ARM");
	seen = exc_done();
	report(seen->count == 1 && seen->lr == (uint32_t)at_arm_user_svc + 4 && (seen->spsr & PSR_MODE) == MODE_USR,
	       "SVC in User mode, ARM: link register, SPSR");
	exc_expect(EXC_SVC);
	report_eq(user_call(thumb_user_svc, 7), 8, "SVC in User mode, Thumb");
	seen = exc_done();
	report(seen->count == 1 && seen->lr == ((uint32_t)at_thumb_user_svc & ~UINT32_C(1)) + 2 &&
		       (seen->spsr & (PSR_MODE | PSR_T)) == (MODE_USR | PSR_T),
	       "SVC in User mode, Thumb: link register, SPSR");
	report_eq(user_call(arm_user_cps, 0) & PSR_MODE, MODE_USR, "User mode cannot leave itself");
	exc_expect(EXC_UNDEF);
	user_call(arm_user_mcr, 0);
	seen = exc_done();
	report(seen->count == 1 && seen->pc == (uint32_t)at_arm_user_mcr && (seen->spsr & PSR_MODE) == MODE_USR,
	       "SCTLR is UNDEFINED in User mode");
}

void guest_main(void)
{
	test_entry_state();
	for (unsigned int i = 0; i < ARRAY_SIZE(sync_cases); i++)
		test_sync(&sync_cases[i]);
	test_conditions();
	test_external();
	expect_fetch(HOLE);
	expect_fetch(HOLE + 0x101);
	test_bkpt();
	test_alignment();
	test_user();
}
