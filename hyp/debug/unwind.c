/* SPDX-License-Identifier: BSD-2-Clause */
/* EHABI frame unwinding: index table, then the byte code of section 9.3. Every stack word is read with care. */
#include <arm/sysreg.h>

#include "hyp/lib/bits.h"
#include "hyp/debug/unwind.h"

#define SP 13U
#define LR 14U
#define PC 15U

#define CANT_UNWIND 1U
#define CODE_FINISH 0xb0U

struct index_entry {
	uint32_t function, action;
};

extern const struct index_entry __exidx_start[], __exidx_end[];

/* The byte code of one function: up to `left` bytes, most significant byte of each word first. */
struct code {
	const uint32_t *word;
	uint32_t left, shift;
};

static uint32_t read_prel31(const uint32_t *place)
{
	return (uint32_t)(uintptr_t)place + (uint32_t)((int32_t)(*place << 1) >> 1);
}

static uint8_t next_byte(struct code *code)
{
	uint8_t byte;

	if (code->left == 0)
		return CODE_FINISH;
	code->left--;
	byte = (uint8_t)(*code->word >> code->shift);
	if (code->shift == 0)
		code->word++;
	code->shift = (code->shift - 8U) & 31U;
	return byte;
}

/* The last entry at or below `pc`; entries are sorted by function. */
static const struct index_entry *find_entry(uint32_t pc)
{
	const struct index_entry *low = __exidx_start, *high = __exidx_end;

	while (high - low > 1) {
		const struct index_entry *mid = low + (high - low) / 2;

		if (read_prel31(&mid->function) <= pc)
			low = mid;
		else
			high = mid;
	}
	return low != __exidx_end && read_prel31(&low->function) <= pc ? low : NULL;
}

/* EHABI 6.3: short form in the index, or a table entry of personality routine 0 or 1. */
static bool find_code(uint32_t pc, struct code *code)
{
	const struct index_entry *entry = find_entry(pc);
	const uint32_t *word;

	if (!entry || entry->action == CANT_UNWIND)
		return false;
	word = entry->action & BIT(31) ? &entry->action : (const uint32_t *)(uintptr_t)read_prel31(&entry->action);
	switch (*word >> 24) {
	case 0x80:
		*code = (struct code){word, 3, 16};
		return true;
	case 0x81:
		*code = (struct code){word, 2 + 4 * FIELD(*word, 16, 8), 8};
		return true;
	default:
		return false;
	}
}

/* Pop one register; false where the stack is not there. */
static bool pop_reg(struct unwind_frame *frame, uint32_t *sp, unsigned int reg)
{
	if (*sp % 4 || !hyp_readable(*sp))
		return false;
	frame->r[reg] = *(const uint32_t *)(uintptr_t)*sp;
	*sp += 4;
	return true;
}

static bool pop_mask(struct unwind_frame *frame, uint32_t mask)
{
	uint32_t sp = frame->r[SP];

	for (uint32_t m = mask; m; m &= m - 1U)
		if (!pop_reg(frame, &sp, lowest_bit(m)))
			return false;
	if (!(mask & BIT(SP)))
		frame->r[SP] = sp;
	return true;
}

static bool execute_code(struct unwind_frame *frame, struct code *code)
{
	for (uint8_t op; (op = next_byte(code)) != CODE_FINISH;) {
		uint32_t mask = 0;

		if (op < 0x40)
			frame->r[SP] += (op & 0x3fU) * 4U + 4U;
		else if (op < 0x80)
			frame->r[SP] -= (op & 0x3fU) * 4U + 4U;
		else if (op < 0x90)
			mask = (uint32_t)((op & 15U) << 8 | next_byte(code)) << 4;
		else if (op < 0xa0)
			frame->r[SP] = frame->r[op & 15U];
		else if (op < 0xb0)
			mask = (BIT((op & 7U) + 1U) - 1U) << 4 | (op & 8U ? BIT(LR) : 0);
		else if (op == 0xb1)
			mask = next_byte(code) & 15U;
		else if (op == 0xb2)
			frame->r[SP] +=
				0x204U + ((uint32_t)next_byte(code) << 2); /* uleb128 of one byte: no frame is larger */
		else
			return false;
		if (op >= 0x80 && op < 0x90 && mask == 0)
			return false; /* refuse to unwind */
		if (mask && !pop_mask(frame, mask))
			return false;
		if (mask & BIT(PC))
			return true;
	}
	frame->r[PC] = frame->r[LR];
	return true;
}

bool unwind_step(struct unwind_frame *frame)
{
	uint32_t pc = frame->r[PC], sp = frame->r[SP];
	struct code code;

	if (!find_code(frame->exact ? pc : pc - 1, &code) || !execute_code(frame, &code))
		return false;
	frame->exact = false;
	frame->r[PC] &= ~1U; /* the Thumb bit */
	return frame->r[PC] != pc || frame->r[SP] != sp;
}
