/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Load/store decode, one row an encoding class (DDI 0406C A5.3, A5.5, A6.2, A6.3). Everything is refused that no row
 * takes and that the manual calls UNPREDICTABLE: the guest gets an abort, as from a bus without a device.
 */
#include <errno.h>
#include <stddef.h>

#include "hyp/arm/insn.h"

#define REG_SP 13U
#define REG_PC 15U

struct decoder {
	uint32_t op;
	insn_reg_fn read_reg;
	void *arg;
	struct insn_access *out;
};

struct row {
	uint32_t mask, match;
	int (*decode)(const struct decoder *d);
};

/* How an address comes from a base and an offset; all encodings say it in these terms (A4.6.5). */
struct index {
	uint32_t base; /* register */
	uint32_t offset;
	bool before, add, write_back;
};

const uint16_t insn_condition_flags[INSN_COND_AL] = {
	0xf0f0, /* EQ */
	0x0f0f, /* NE */
	0xcccc, /* CS */
	0x3333, /* CC */
	0xff00, /* MI */
	0x00ff, /* PL */
	0xaaaa, /* VS */
	0x5555, /* VC */
	0x0c0c, /* HI */
	0xf3f3, /* LS */
	0xaa55, /* GE */
	0x55aa, /* LT */
	0x0a05, /* GT */
	0xf5fa, /* LE */
};

static bool bit_of(uint32_t value, unsigned int n)
{
	return value >> n & 1U;
}

static uint32_t decoder_read_reg(const struct decoder *d, uint32_t n)
{
	return d->read_reg(d->arg, n);
}

/* The address, and the base's new value. The PC as a base is a literal's: word-aligned, never written (A4.2.1). */
static int decode_address(const struct decoder *d, const struct index *x)
{
	uint32_t base, moved;

	if (x->write_back && x->base == REG_PC)
		return -ENOTSUP;
	base = decoder_read_reg(d, x->base);
	if (x->base == REG_PC)
		base &= ~3U;
	moved = x->add ? base + x->offset : base - x->offset;
	d->out->va = x->before ? moved : base;
	d->out->write_back = x->write_back ? (int)x->base : -1;
	d->out->write_back_value = moved;
	return 0;
}

/* LDR/STR and their narrow kinds. A base that is also the data register cannot be written back: UNPREDICTABLE. */
static int set_single(const struct decoder *d, const struct index *x, uint32_t rt, uint32_t size, bool load)
{
	if (rt == REG_PC && (load || size != 4U))
		return -ENOTSUP;
	if (x->write_back && x->base == rt)
		return -ENOTSUP;
	d->out->count = 1;
	d->out->size = size;
	d->out->write = !load;
	d->out->reg[0] = (uint8_t)rt;
	return decode_address(d, x);
}

static int set_double(const struct decoder *d, const struct index *x, uint32_t rt, uint32_t rt2, bool load)
{
	if (rt == REG_PC || rt2 == REG_PC || (x->write_back && (x->base == rt || x->base == rt2)))
		return -ENOTSUP;
	d->out->count = 2;
	d->out->size = 4;
	d->out->write = !load;
	d->out->reg[0] = (uint8_t)rt;
	d->out->reg[1] = (uint8_t)rt2;
	return decode_address(d, x);
}

/*
 * LDM/STM: x->before and x->add name the mode (IB: both). Memory order is register order, from the lowest address,
 * which the decrementing modes reach from below.
 */
static int set_multiple(const struct decoder *d, const struct index *mode, uint32_t list, bool load)
{
	uint32_t bytes = 4U * (uint32_t)__builtin_popcount(list);
	struct index x = *mode;
	int err;

	if (list == 0 || x.base == REG_PC || (load && bit_of(list, REG_PC)))
		return -ENOTSUP;
	x.offset = bytes;
	err = decode_address(d, &x);
	if (err)
		return err;
	d->out->va = decoder_read_reg(d, x.base) - (x.add ? 0 : bytes) + (x.add == x.before ? 4U : 0);
	d->out->size = 4;
	d->out->write = !load;
	for (; list; list &= list - 1U)
		d->out->reg[d->out->count++] = (uint8_t)lowest_bit(list);
	return 0;
}

/* P, U and W of ARM's single, halfword and double transfers; P = 0 always writes back, and W then means LDRT/STRT. */
static struct index arm_index(uint32_t op, uint32_t offset)
{
	return (struct index){
		.base = FIELD(op, 16, 4),
		.offset = offset,
		.before = bit_of(op, 24),
		.add = bit_of(op, 23),
		.write_back = !bit_of(op, 24) || bit_of(op, 21),
	};
}

static int arm_single(const struct decoder *d, uint32_t offset)
{
	struct index x = arm_index(d->op, offset);

	return set_single(d, &x, FIELD(d->op, 12, 4), bit_of(d->op, 22) ? 1U : 4U, bit_of(d->op, 20));
}

static int arm_immediate(const struct decoder *d)
{
	return arm_single(d, FIELD(d->op, 0, 12));
}

/* A8.4.3 DecodeImmShift(): a shift of 0 means 32 for LSR and ASR. ROR by 0 is RRX, which wants the carry: refused. */
static int arm_register(const struct decoder *d)
{
	uint32_t rm = FIELD(d->op, 0, 4), type = FIELD(d->op, 5, 2), n = FIELD(d->op, 7, 5), value;

	if (rm == REG_PC || (type == 3U && n == 0))
		return -ENOTSUP;
	value = decoder_read_reg(d, rm);
	if (type == 0)
		value <<= n;
	else if (type == 1U)
		value = (uint32_t)((uint64_t)value >> (n ? n : 32U));
	else if (type == 2U)
		value = (uint32_t)((int64_t)(int32_t)value >> (n ? n : 32U));
	else
		value = value >> n | value << (32U - n);
	return arm_single(d, value);
}

/* LDRD/STRD: an even register and the next. */
static int arm_double(const struct decoder *d, const struct index *x, bool load)
{
	uint32_t rt = FIELD(d->op, 12, 4), rm = FIELD(d->op, 0, 4);
	bool unprivileged = !bit_of(d->op, 24) && bit_of(d->op, 21);

	if (bit_of(rt, 0) || unprivileged || (load && !bit_of(d->op, 22) && (rm == rt || rm == rt + 1U)))
		return -ENOTSUP;
	return set_double(d, x, rt, rt + 1U, load);
}

/* A5.2.8, A5.2.9: halfwords, signed bytes and doubles, told apart by bits 6:5 and L. 00 are the multiplies and SWP. */
static int arm_extra(const struct decoder *d)
{
	uint32_t kind = FIELD(d->op, 5, 2), rm = FIELD(d->op, 0, 4);
	bool load = bit_of(d->op, 20), immediate = bit_of(d->op, 22);
	struct index x;

	if (kind == 0 || (!immediate && rm == REG_PC))
		return -ENOTSUP;
	x = arm_index(d->op, immediate ? FIELD(d->op, 8, 4) << 4 | rm : decoder_read_reg(d, rm));
	if (!load && kind != 1U)
		return arm_double(d, &x, kind == 2U);
	d->out->sign_extend = kind != 1U;
	return set_single(d, &x, FIELD(d->op, 12, 4), kind == 2U ? 1U : 2U, load);
}

/* To load a base that is also written back is UNPREDICTABLE; to store it is not (it is the original value). */
static int arm_multiple(const struct decoder *d)
{
	uint32_t list = FIELD(d->op, 0, 16);
	struct index x = {
		.base = FIELD(d->op, 16, 4),
		.before = bit_of(d->op, 24),
		.add = bit_of(d->op, 23),
		.write_back = bit_of(d->op, 21),
	};
	bool load = bit_of(d->op, 20), user = bit_of(d->op, 22);

	if (user || (load && x.write_back && bit_of(list, x.base)))
		return -ENOTSUP;
	return set_multiple(d, &x, list, load);
}

static struct index index_plus(uint32_t base, uint32_t offset)
{
	return (struct index){.base = base, .offset = offset, .before = true, .add = true};
}

static int thumb_register(const struct decoder *d)
{
	/* A6.2.4: STR, STRH, STRB, LDRSB, LDR, LDRH, LDRB, LDRSH */
	static const uint8_t sizes[8] = {4, 2, 1, 1, 4, 2, 1, 2};
	uint32_t kind = FIELD(d->op, 9, 3);
	struct index x = index_plus(FIELD(d->op, 3, 3), decoder_read_reg(d, FIELD(d->op, 6, 3)));

	d->out->sign_extend = kind == 3U || kind == 7U;
	return set_single(d, &x, FIELD(d->op, 0, 3), sizes[kind], kind >= 3U);
}

/* STR/LDR 0110, STRB/LDRB 0111, STRH/LDRH 1000: an offset of 5 bits, in elements */
static int thumb_immediate(const struct decoder *d)
{
	static const uint8_t sizes[3] = {4, 1, 2};
	uint32_t size = sizes[FIELD(d->op, 12, 4) - 6U];
	struct index x = index_plus(FIELD(d->op, 3, 3), FIELD(d->op, 6, 5) * size);

	return set_single(d, &x, FIELD(d->op, 0, 3), size, bit_of(d->op, 11));
}

static int thumb_sp_relative(const struct decoder *d)
{
	struct index x = index_plus(REG_SP, FIELD(d->op, 0, 8) * 4U);

	return set_single(d, &x, FIELD(d->op, 8, 3), 4, bit_of(d->op, 11));
}

static int thumb_literal(const struct decoder *d)
{
	struct index x = index_plus(REG_PC, FIELD(d->op, 0, 8) * 4U);

	return set_single(d, &x, FIELD(d->op, 8, 3), 4, true);
}

/* LDM writes back unless it loads the base (A8.8.57 T1). */
static int thumb_multiple(const struct decoder *d)
{
	uint32_t list = FIELD(d->op, 0, 8);
	bool load = bit_of(d->op, 11);
	struct index x = {.base = FIELD(d->op, 8, 3), .add = true};

	x.write_back = !load || !bit_of(list, x.base);
	return set_multiple(d, &x, list, load);
}

static int thumb_push(const struct decoder *d)
{
	struct index x = {.base = REG_SP, .before = true, .write_back = true};

	return set_multiple(d, &x, FIELD(d->op, 0, 8) | (d->op & BIT(8)) << 6, false);
}

static int thumb_pop(const struct decoder *d)
{
	struct index x = {.base = REG_SP, .add = true, .write_back = true};

	return set_multiple(d, &x, FIELD(d->op, 0, 8) | (d->op & BIT(8)) << 7, true);
}

/* A6.3.5: IA (01) and DB (10) only; 00 and 11 are SRS and RFE. SP cannot be in the list, nor PC in a store's. */
static int thumb2_multiple(const struct decoder *d)
{
	uint32_t list = FIELD(d->op, 0, 16);
	struct index x = {
		.base = FIELD(d->op, 16, 4),
		.before = bit_of(d->op, 24),
		.add = bit_of(d->op, 23),
		.write_back = bit_of(d->op, 21),
	};

	if (x.before == x.add || bit_of(list, REG_SP) || bit_of(list, REG_PC) || (list & (list - 1U)) == 0)
		return -ENOTSUP;
	if (x.write_back && bit_of(list, x.base))
		return -ENOTSUP;
	return set_multiple(d, &x, list, bit_of(d->op, 20));
}

/* A6.3.6: P = W = 0 are the exclusives and table branches. */
static int thumb2_double(const struct decoder *d)
{
	uint32_t rt = FIELD(d->op, 12, 4), rt2 = FIELD(d->op, 8, 4);
	struct index x = arm_index(d->op, FIELD(d->op, 0, 8) * 4U);
	bool load = bit_of(d->op, 20);

	if (!bit_of(d->op, 24) && !bit_of(d->op, 21))
		return -ENOTSUP;
	if (rt == REG_SP || rt2 == REG_SP || (load ? rt == rt2 : x.base == REG_PC))
		return -ENOTSUP;
	return set_double(d, &x, rt, rt2, load);
}

/* The offset's form (A6.3.7 ff.): 12 bits up; or 8 bits with P, U and W in bits 10:8; or a register, shifted by 0-3. */
static int thumb2_index(const struct decoder *d, struct index *x)
{
	uint32_t base = FIELD(d->op, 16, 4), rm = FIELD(d->op, 0, 4);

	*x = index_plus(base, FIELD(d->op, 0, 12));
	if (base == REG_PC) {
		x->add = bit_of(d->op, 23);
	} else if (bit_of(d->op, 23)) {
		return 0;
	} else if (bit_of(d->op, 11)) {
		x->offset = FIELD(d->op, 0, 8);
		x->before = bit_of(d->op, 10);
		x->add = bit_of(d->op, 9);
		x->write_back = bit_of(d->op, 8);
		return x->before || x->write_back ? 0 : -ENOTSUP;
	} else {
		if (FIELD(d->op, 6, 5) != 0 || rm == REG_SP || rm == REG_PC)
			return -ENOTSUP;
		x->offset = decoder_read_reg(d, rm) << FIELD(d->op, 4, 2);
	}
	return 0;
}

/* Loads and stores of one item; Rt = 15 makes a narrow load a preload and a word load a branch. */
static int thumb2_single(const struct decoder *d)
{
	uint32_t rt = FIELD(d->op, 12, 4), log_size = FIELD(d->op, 21, 2);
	bool load = bit_of(d->op, 20), sign_extend = bit_of(d->op, 24);
	struct index x;

	if (log_size == 3U || (sign_extend && (!load || log_size == 2U)))
		return -ENOTSUP;
	if (rt == REG_PC || (rt == REG_SP && log_size != 2U) || (!load && FIELD(d->op, 16, 4) == REG_PC))
		return -ENOTSUP;
	if (thumb2_index(d, &x))
		return -ENOTSUP;
	d->out->sign_extend = sign_extend;
	return set_single(d, &x, rt, BIT(log_size), load);
}

/*
 * VLDR, VLDM and their stores, A7.6, in ARM and Thumb state. The PC is a base of VLDR alone; of the instructions with U
 * and P alike some are moves between registers, and the others undefined. An odd number of words is FLDMX's, which
 * ARMv7 deprecates.
 */
static int vfp_transfer(const struct decoder *d)
{
	uint32_t vd = FIELD(d->op, 12, 4), extra = FIELD(d->op, 22, 1), words = FIELD(d->op, 0, 8);
	bool load = bit_of(d->op, 20), wide = bit_of(d->op, 8), single = bit_of(d->op, 24) && !bit_of(d->op, 21);
	struct index x = {
		.base = FIELD(d->op, 16, 4),
		.offset = words * 4U,
		.before = bit_of(d->op, 24),
		.add = bit_of(d->op, 23),
		.write_back = bit_of(d->op, 21),
	};

	if (!single && x.before == x.add)
		return -ENOTSUP;
	if (single)
		words = wide ? 2 : 1;
	d->out->vfp = true;
	d->out->vfp_double = wide;
	d->out->vfp_first = wide ? (extra << 4 | vd) * 2U : vd << 1 | extra;
	if (words == 0 || words > 32U || (wide && bit_of(words, 0)) || d->out->vfp_first + words > (wide ? 64U : 32U))
		return -ENOTSUP;
	if (x.base == REG_PC && (!single || !load))
		return -ENOTSUP;
	d->out->count = words;
	d->out->size = 4;
	d->out->write = !load;
	return decode_address(d, &x);
}

static const struct row arm_rows[] = {
	{0x0e000000, 0x04000000, arm_immediate}, /* LDR, STR, A5.3 */
	{0x0e000010, 0x06000000, arm_register},  /* LDR, STR */
	{0x0e000090, 0x00000090, arm_extra},     /* LDRH, LDRD, ..., A5.2.8 */
	{0x0e000000, 0x08000000, arm_multiple},  /* LDM, STM, A5.5 */
	{0x0e000e00, 0x0c000a00, vfp_transfer},  /* VLDR, VSTR, VLDM, VSTM, A7.6 */
};

static const struct row thumb_rows[] = {
	{0xf800, 0x4800, thumb_literal},     /* LDR, A6.2 */
	{0xf000, 0x5000, thumb_register},    /* LDR, STR, ..., A6.2.4 */
	{0xf000, 0x6000, thumb_immediate},   /* LDR, STR */
	{0xf000, 0x7000, thumb_immediate},   /* LDRB, STRB */
	{0xf000, 0x8000, thumb_immediate},   /* LDRH, STRH */
	{0xf000, 0x9000, thumb_sp_relative}, /* LDR, STR */
	{0xfe00, 0xb400, thumb_push},        /* PUSH, A6.2.5 */
	{0xfe00, 0xbc00, thumb_pop},         /* POP */
	{0xf000, 0xc000, thumb_multiple},    /* LDM, STM */
};

static const struct row thumb2_rows[] = {
	{0xfe400000, 0xe8000000, thumb2_multiple}, /* LDM, STM, A6.3.5 */
	{0xfe400000, 0xe8400000, thumb2_double},   /* LDRD, STRD, A6.3.6 */
	{0xfe000000, 0xf8000000, thumb2_single},   /* LDR, STR, ..., A6.3.7-A6.3.10 */
	{0xfe000e00, 0xec000a00, vfp_transfer},    /* VLDR, VSTR, VLDM, VSTM, A7.6 */
};

static int decode_by_rows(const struct decoder *d, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if ((d->op & rows[i].mask) == rows[i].match)
			return rows[i].decode(d);
	return -ENOTSUP;
}

int insn_decode(uint32_t opcode, bool thumb, insn_reg_fn read_reg_fn, void *arg, struct insn_access *out)
{
	struct decoder d = {.op = opcode, .read_reg = read_reg_fn, .arg = arg, .out = out};
	bool halfword = thumb && opcode >> 16 == 0;

	*out = (struct insn_access){.write_back = -1, .length = halfword ? 2 : 4};
	if (halfword)
		return decode_by_rows(&d, thumb_rows, ARRAY_SIZE(thumb_rows));
	if (thumb)
		return decode_by_rows(&d, thumb2_rows, ARRAY_SIZE(thumb2_rows));
	if (opcode >> 28 == 15U) /* no condition: preloads, RFE, SRS, NEON */
		return -ENOTSUP;
	return decode_by_rows(&d, arm_rows, ARRAY_SIZE(arm_rows));
}
