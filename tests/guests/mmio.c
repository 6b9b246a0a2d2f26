/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Device accesses by every load and store form of ARM and Thumb state, of VFP's registers too. A hypervisor gets a
 * syndrome for a few of them and must decode the others itself (DDI 0406C B3.13.6, HSR.ISV); what counts here is only
 * what the guest sees: the data, the base register, the other registers, the flags, the condition.
 *
 * The device is the distributor's priority registers of the SPIs 32-63: 32 bytes, readable and writable by byte and
 * word (IHI 0048B 4.3.11), in which the low bits of every byte may be RAZ/WI: the data here use the top four. Halfwords
 * go to the UART's baud divisor, which has 16 bits (DDI 0183G 3.3.6).
 */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/pl011.h"

#define W    DIST_IPRIORITYR(8)
#define H    UARTIBRD
#define ZSET BIT(30)

struct mmio_regs {
	uint32_t r[8];
	uint32_t flags;
};

void mmio_run(void (*form)(void), struct mmio_regs *regs);

/* What W, W + 4, ... hold before every form; H holds H0. */
#define W0 UINT32_C(0xf0a05010)
#define W1 UINT32_C(0x20c03040)
#define W2 UINT32_C(0x60708090)
#define W3 UINT32_C(0xa0b0c0d0)
#define W4 UINT32_C(0xe0f01020)
#define W5 UINT32_C(0x30405060)
#define W6 UINT32_C(0x708090a0)
#define W7 UINT32_C(0xb0c0d0e0)
#define H0 0x8001U

static const uint32_t words[8] = {W0, W1, W2, W3, W4, W5, W6, W7};

/* r1, r2, r4, r5 before every form: what stores store. */
#define S1 UINT32_C(0x10f02030)
#define S2 UINT32_C(0x40506070)
#define S4 UINT32_C(0x8090a0b0)
#define S5 UINT32_C(0xc0d0e0f0)

static const uint32_t registers[8] = {0, S1, S2, 0, S4, S5, 0x66, 0x77};

/* One thing that the form changes, besides r0: a register, a word at W, or the halfword. 0 ends a list. */
#define R(n, v)          \
	{                \
		(n), (v) \
	}
#define M(o, v)                    \
	{                          \
		0x1000U + (o), (v) \
	}
#define HALF(v)              \
	{                    \
		0x2000U, (v) \
	}

struct change {
	uint32_t what;
	uint32_t value;
};

struct mmio_case {
	const char *name;
	void (*form)(void);
	uint32_t base;
	uint32_t r3;
	uint32_t base_after;
	struct change changes[4];
};

#define FORM(f, base, r3, base_after, ...)   \
	{                                    \
#f, f, base, r3, base_after, \
		{                            \
			__VA_ARGS__          \
		}                            \
	}

void a_ldr(void), a_ldr_off(void), a_ldr_neg(void), a_ldr_reg(void), a_ldr_lsl(void), a_ldr_pre(void);
void a_ldr_post(void), a_ldr_post_neg(void), a_ldr_post_reg(void), a_ldr_pre_reg(void), a_ldrt(void);
void a_ldrt_post(void), a_ldrb(void), a_ldrb_pre(void), a_ldrb_post(void), a_ldrbt(void), a_ldrsb(void);
void a_ldrsb_pre(void), a_ldrsb_post(void), a_ldrh(void), a_ldrh_pre(void), a_ldrh_post(void), a_ldrh_reg(void);
void a_ldrsh(void), a_ldrsh_pre(void), a_ldrsh_post(void), a_ldrd(void), a_ldrd_pre(void), a_ldrd_post(void);
void a_ldrd_reg(void), a_ldm(void), a_ldm_wb(void), a_ldmib(void), a_ldmda(void), a_ldmdb_wb(void), a_ldm_base(void);
void a_str(void), a_str_off(void), a_str_reg(void), a_str_pre(void), a_str_post(void), a_str_post_reg(void);
void a_strt(void), a_strb(void), a_strb_pre(void), a_strb_post(void), a_strh(void), a_strh_pre(void);
void a_strh_post(void), a_strd(void), a_strd_pre(void), a_strd_post(void), a_stm(void), a_stm_wb(void);
void a_stmdb_wb(void), a_stmib(void), a_ldr_eq(void), a_ldr_ne(void), a_str_ne(void), a_ldr_ne_wb(void);
void a_ldm_ne_wb(void), a_ldrd_eq_post(void), t_ldr(void), t_ldr_off(void), t_ldr_reg(void), t_ldrb(void);
void t_ldrh(void), t_ldrsb(void), t_ldrsh(void), t_str(void), t_strb(void), t_strh(void), t_ldm_wb(void);
void t_stm_wb(void), t_ldm_base(void), t_ldr_w(void), t_ldr_w_neg(void), t_ldr_w_lsl(void), t_ldr_w_pre(void);
void t_ldr_w_post(void), t_ldr_w_post_neg(void), t_ldrt(void), t_ldrb_w_post(void), t_ldrsb_w(void);
void t_ldrsb_w_pre(void), t_ldrh_w_pre(void), t_ldrsh_w_post(void), t_str_w(void), t_str_w_pre(void);
void t_str_w_post(void), t_strb_w_pre(void), t_strh_w_post(void), t_ldrd(void), t_ldrd_pre(void), t_ldrd_post(void);
void t_strd(void), t_strd_post(void), t_ldm_w(void), t_ldmdb_w(void), t_stm_w(void), t_stmdb_w(void);
void t_it_pass(void), t_it_pass_w(void), t_it_fail(void), t_it_four(void), t_it_last(void), t_it_ldm(void);
void t_it_ldrd(void);
void v_on(void), v_vldr(void), v_vldr_d(void), v_vldr_ne(void), v_vldr_be(void), v_vldm(void), v_vldm_s(void);
void v_vstr(void), v_vstr_d(void), v_vstr_be(void), v_vstmdb(void), t_vldr(void);
void x_ldrex(void), x_ldrexb(void), x_vld1(void), x_vst1(void);

static const struct mmio_case cases[] = {
	FORM(a_ldr, W, 0, W, R(1, W0)),
	FORM(a_ldr_off, W, 0, W, R(1, W1)),
	FORM(a_ldr_neg, W + 8, 0, W + 8, R(1, W1)),
	FORM(a_ldr_reg, W, 12, W, R(1, W3)),
	FORM(a_ldr_lsl, W, 5, W, R(1, W5)),
	FORM(a_ldr_pre, W, 0, W + 4, R(1, W1)),
	FORM(a_ldr_post, W, 0, W + 4, R(1, W0)),
	FORM(a_ldr_post_neg, W + 8, 0, W + 4, R(1, W2)),
	FORM(a_ldr_post_reg, W, 0x123, W + 0x123, R(1, W0)),
	FORM(a_ldr_pre_reg, W, 3, W + 12, R(1, W3)),
	FORM(a_ldrt, W, 0, W, R(1, W0)),
	FORM(a_ldrt_post, W + 4, 0, W + 8, R(1, W1)),
	FORM(a_ldrb, W, 0, W, R(1, 0x50)),
	FORM(a_ldrb_pre, W + 1, 0, W + 2, R(1, 0xa0)),
	FORM(a_ldrb_post, W + 3, 0, W + 4, R(1, 0xf0)),
	FORM(a_ldrbt, W + 2, 0, W + 3, R(1, 0xa0)),
	FORM(a_ldrsb, W + 3, 0, W + 3, R(1, 0xfffffff0)),
	FORM(a_ldrsb_pre, W, 0, W + 1, R(1, 0x50)),
	FORM(a_ldrsb_post, W + 2, 0, W + 5, R(1, 0xffffffa0)),
	FORM(a_ldrh, H, 0, H, R(1, H0)),
	FORM(a_ldrh_pre, H - 4, 0, H, R(1, H0)),
	FORM(a_ldrh_post, H, 0, H + 4, R(1, H0)),
	FORM(a_ldrh_reg, H - 8, 8, H - 8, R(1, H0)),
	FORM(a_ldrsh, H, 0, H, R(1, 0xffff8001)),
	FORM(a_ldrsh_pre, H - 4, 0, H, R(1, 0xffff8001)),
	FORM(a_ldrsh_post, H, 0, H + 4, R(1, 0xffff8001)),
	FORM(a_ldrd, W, 0, W, R(4, W0), R(5, W1)),
	FORM(a_ldrd_pre, W + 8, 0, W + 16, R(4, W4), R(5, W5)),
	FORM(a_ldrd_post, W + 8, 0, W + 16, R(4, W2), R(5, W3)),
	FORM(a_ldrd_reg, W, 8, W, R(4, W2), R(5, W3)),
	FORM(a_ldm, W, 0, W, R(1, W0), R(2, W1), R(4, W2)),
	FORM(a_ldm_wb, W + 4, 0, W + 16, R(1, W1), R(2, W2), R(4, W3)),
	FORM(a_ldmib, W, 0, W, R(1, W1), R(2, W2), R(4, W3)),
	FORM(a_ldmda, W + 12, 0, W + 12, R(1, W1), R(2, W2), R(4, W3)),
	FORM(a_ldmdb_wb, W + 12, 0, W, R(1, W0), R(2, W1), R(4, W2)),
	FORM(a_ldm_base, W + 4, 0, W1, R(1, W2), R(2, W3)),
	FORM(a_str, W, 0, W, M(0, S1)),
	FORM(a_str_off, W, 0, W, M(4, S1)),
	FORM(a_str_reg, W, 12, W, M(12, S1)),
	FORM(a_str_pre, W, 0, W + 4, M(4, S1)),
	FORM(a_str_post, W, 0, W + 4, M(0, S1)),
	FORM(a_str_post_reg, W + 4, 0x44, W - 0x40, M(4, S1)),
	FORM(a_strt, W, 0, W + 4, M(0, S1)),
	FORM(a_strb, W, 0, W, M(0, 0xf0305010)),
	FORM(a_strb_pre, W, 0, W + 1, M(0, 0xf0a03010)),
	FORM(a_strb_post, W, 0, W + 1, M(0, 0xf0a05030)),
	FORM(a_strh, H, 0, H, HALF(S1 & 0xffff)),
	FORM(a_strh_pre, H - 4, 0, H, HALF(S1 & 0xffff)),
	FORM(a_strh_post, H, 0, H + 4, HALF(S1 & 0xffff)),
	FORM(a_strd, W, 0, W, M(0, S4), M(4, S5)),
	FORM(a_strd_pre, W, 0, W + 8, M(8, S4), M(12, S5)),
	FORM(a_strd_post, W + 8, 0, W + 16, M(8, S4), M(12, S5)),
	FORM(a_stm, W, 0, W, M(0, S1), M(4, S2), M(8, S4)),
	FORM(a_stm_wb, W + 4, 0, W + 16, M(4, S1), M(8, S2), M(12, S4)),
	FORM(a_stmdb_wb, W + 12, 0, W, M(0, S1), M(4, S2), M(8, S4)),
	FORM(a_stmib, W, 0, W, M(4, S1), M(8, S2), M(12, S4)),
	FORM(a_ldr_eq, W, 0, W, R(1, W0)),
	FORM(a_ldr_ne, W, 0, W, {0, 0}),
	FORM(a_str_ne, W, 0, W, {0, 0}),
	FORM(a_ldr_ne_wb, W, 0, W, {0, 0}),
	FORM(a_ldm_ne_wb, W, 0, W, {0, 0}),
	FORM(a_ldrd_eq_post, W, 0, W + 8, R(4, W0), R(5, W1)),
	FORM(t_ldr, W, 0, W, R(1, W0)),
	FORM(t_ldr_off, W, 0, W, R(1, W1)),
	FORM(t_ldr_reg, W, 8, W, R(1, W2)),
	FORM(t_ldrb, W, 0, W, R(1, 0x50)),
	FORM(t_ldrh, H, 0, H, R(1, H0)),
	FORM(t_ldrsb, W, 3, W, R(1, 0xfffffff0)),
	FORM(t_ldrsh, H - 8, 8, H - 8, R(1, 0xffff8001)),
	FORM(t_str, W, 0, W, M(0, S1)),
	FORM(t_strb, W, 0, W, M(0, 0xf0305010)),
	FORM(t_strh, H, 0, H, HALF(S1 & 0xffff)),
	FORM(t_ldm_wb, W, 0, W + 12, R(1, W0), R(2, W1), R(4, W2)),
	FORM(t_stm_wb, W + 4, 0, W + 16, M(4, S1), M(8, S2), M(12, S4)),
	FORM(t_ldm_base, W + 4, 0, W1, R(1, W2), R(2, W3)),
	FORM(t_ldr_w, W, 0, W, R(1, W0)),
	FORM(t_ldr_w_neg, W + 8, 0, W + 8, R(1, W1)),
	FORM(t_ldr_w_lsl, W, 6, W, R(1, W6)),
	FORM(t_ldr_w_pre, W, 0, W + 4, R(1, W1)),
	FORM(t_ldr_w_post, W, 0, W + 4, R(1, W0)),
	FORM(t_ldr_w_post_neg, W + 8, 0, W + 4, R(1, W2)),
	FORM(t_ldrt, W, 0, W, R(1, W1)),
	FORM(t_ldrb_w_post, W + 3, 0, W + 4, R(1, 0xf0)),
	FORM(t_ldrsb_w, W + 3, 0, W + 3, R(1, 0xfffffff0)),
	FORM(t_ldrsb_w_pre, W + 1, 0, W + 2, R(1, 0xffffffa0)),
	FORM(t_ldrh_w_pre, H - 4, 0, H, R(1, H0)),
	FORM(t_ldrsh_w_post, H, 0, H + 4, R(1, 0xffff8001)),
	FORM(t_str_w, W, 0, W, M(4, S1)),
	FORM(t_str_w_pre, W, 0, W + 4, M(4, S1)),
	FORM(t_str_w_post, W, 0, W + 4, M(0, S1)),
	FORM(t_strb_w_pre, W, 0, W + 1, M(0, 0xf0a03010)),
	FORM(t_strh_w_post, H, 0, H + 4, HALF(S1 & 0xffff)),
	FORM(t_ldrd, W, 0, W, R(4, W0), R(5, W1)),
	FORM(t_ldrd_pre, W, 0, W + 8, R(4, W2), R(5, W3)),
	FORM(t_ldrd_post, W, 0, W + 8, R(5, W0), R(4, W1)),
	FORM(t_strd, W, 0, W, M(0, S4), M(4, S5)),
	FORM(t_strd_post, W, 0, W + 8, M(0, S5), M(4, S4)),
	FORM(t_ldm_w, W, 0, W, R(1, W0), R(2, W1), R(4, W2)),
	FORM(t_ldmdb_w, W + 12, 0, W, R(1, W0), R(2, W1), R(4, W2)),
	FORM(t_stm_w, W, 0, W + 12, M(0, S1), M(4, S2), M(8, S4)),
	FORM(t_stmdb_w, W + 12, 0, W, M(0, S1), M(4, S2), M(8, S4)),
	FORM(t_it_pass, W, 0, W, R(1, W0), R(5, S5 + 1)),
	FORM(t_it_pass_w, W, 0, W + 4, R(1, W0), R(5, S5 + 1)),
	FORM(t_it_fail, W, 0, W, R(5, S5 + 1)),
	FORM(t_it_four, W, 0, W + 4, R(1, W0), R(2, W1)),
	FORM(t_it_last, W, 0, W, R(5, S5 + 1), M(0, S1)),
	FORM(t_it_ldm, W, 0, W + 12, R(1, W0), R(2, W1), R(4, W2), R(5, S5 + 1)),
	FORM(t_it_ldrd, W, 0, W + 8, R(1, W0), R(2, W1), R(5, S5 + 1)),
	FORM(v_vldr, W, 0, W, R(1, W0)),
	FORM(v_vldr_d, W + 16, 0, W + 16, R(4, W2), R(5, W3)),
	FORM(v_vldr_ne, W, 0, W, R(1, S2)),
	FORM(v_vldr_be, W, 0, W, R(4, __builtin_bswap32(W1)), R(5, __builtin_bswap32(W0))),
	FORM(v_vldm, W + 4, 0, W + 20, R(1, W1), R(2, W2), R(4, W3), R(5, W4)),
	FORM(v_vldm_s, W, 0, W, R(1, W0), R(2, W1), R(4, W2)),
	FORM(v_vstr, W, 0, W, M(4, S1)),
	FORM(v_vstr_d, W + 8, 0, W + 8, M(8, S1), M(12, S2)),
	FORM(v_vstr_be, W + 8, 0, W + 8, M(8, __builtin_bswap32(S2)), M(12, __builtin_bswap32(S1))),
	FORM(v_vstmdb, W + 16, 0, W, M(0, S1), M(4, S2), M(8, S4), M(12, S5)),
	FORM(t_vldr, W, 0, W, R(1, W0)),
};

static void put_halfword(uint32_t value)
{
	write32(H, value);
}

static void prepare(const struct mmio_case *c, struct mmio_regs *regs)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(words); i++)
		write32(W + 4 * i, words[i]);
	put_halfword(H0);
	memcpy(regs->r, registers, sizeof(regs->r));
	regs->r[0] = c->base;
	regs->r[3] = c->r3;
	regs->flags = ZSET;
}

static bool check(const char *what, uint32_t index, uint32_t got, uint32_t want)
{
	if (got != want)
		printf("  %s%u: got 0x%08x, want 0x%08x\n", what, (unsigned int)index, (unsigned int)got,
		       (unsigned int)want);
	return got == want;
}

/* Everything that `c` says changed has, and nothing else. */
static bool compare(const struct mmio_case *c, const struct mmio_regs *regs)
{
	uint32_t reg[8], word[8], half = H0;
	bool ok = check("flags", 0, regs->flags & UINT32_C(0xf8000000), ZSET);

	memcpy(reg, registers, sizeof(reg));
	memcpy(word, words, sizeof(word));
	reg[0] = c->base_after;
	reg[3] = c->r3;
	for (const struct change *x = c->changes; x < &c->changes[4] && x->what; x++) {
		if (x->what < 8)
			reg[x->what] = x->value;
		else if (x->what < 0x2000)
			word[(x->what - 0x1000) / 4] = x->value;
		else
			half = x->value;
	}
	for (uint32_t i = 0; i < 8; i++) {
		ok = check("r", i, regs->r[i], reg[i]) && ok;
		ok = check("word ", i, read32(W + 4 * i), word[i]) && ok;
	}
	return check("halfword", 0, read32(H) & 0xffff, half) && ok;
}

static void test_form(const struct mmio_case *c)
{
	struct mmio_regs regs;

	prepare(c, &regs);
	mmio_run(c->form, &regs);
	report(compare(c, &regs), "%s", c->name);
}

/* A conditional access with the C flags the other way round: conditions are the guest's flags at the access, not
 * before. */
static void test_flags(void)
{
	struct mmio_regs regs;

	prepare(&cases[0], &regs);
	regs.flags = UINT32_C(0xa8000000);
	mmio_run(a_ldr_ne, &regs);
	report(regs.r[1] == W0 && (regs.flags & UINT32_C(0xf8000000)) == UINT32_C(0xa8000000),
	       "a_ldr_ne with Z clear loads and keeps NCQ");
	prepare(&cases[0], &regs);
	regs.flags = 0;
	mmio_run(t_it_pass, &regs);
	report(regs.r[1] == S1 && regs.r[5] == S5, "t_it_pass with Z clear does nothing");
}

/* From User mode, which a hypervisor sees as another mode and another bank of registers. */
static uint32_t user_access(uint32_t addr)
{
	write8(addr, 0x40);
	write32(addr + 4, read32(addr));
	return read32(addr + 4);
}

static void test_user(void)
{
	struct mmio_regs regs;

	prepare(&cases[0], &regs);
	report_eq(user_call(user_access, W), (W0 & ~UINT32_C(0xff)) | 0x40, "accesses from User mode");
}

/*
 * Exclusives where a device is are IMPLEMENTATION DEFINED (DDI 0406C A3.4.5), and what is served of the structures of
 * Advanced SIMD is the hypervisor's choice: each is done, or a synchronous external abort that names the address.
 */
static void test_optional(const char *name, void (*form)(void), bool write)
{
	struct mmio_regs regs;
	const struct exc_record *seen;

	prepare(&cases[0], &regs);
	regs.r[0] = W + 8;
	exc_expect(EXC_DABT);
	mmio_run(form, &regs);
	seen = exc_done();
	report(seen->count == 0 || (seen->count == 1 && seen->far == W + 8 && seen->pc == (uint32_t)form &&
				    (seen->fsr & ~BIT(12)) == (0x008U | (write ? BIT(11) : 0))),
	       "%s: done, or an external abort at the address", name);
	report(regs.r[0] == W + 8 && (seen->count == 0 || regs.r[1] == S1), "%s: the registers", name);
}

static void clean_up(void)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(words); i++)
		write32(W + 4 * i, 0);
	console_init();
}

void guest_main(void)
{
	report(FIELD(read32(DIST_TYPER), 0, 5) >= 1, "the distributor has SPIs");
	v_on();
	for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++)
		test_form(&cases[i]);
	test_optional("LDREX", x_ldrex, false);
	test_optional("LDREXB", x_ldrexb, false);
	test_optional("VLD1", x_vld1, false);
	test_optional("VST1", x_vst1, true);
	test_flags();
	test_user();
	clean_up();
}
