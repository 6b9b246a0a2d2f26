/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's registers by number and mode: which copy of a banked register an instruction names (DDI 0406C B1.3.2). */
#include <arm/nospec.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "hyp/arm/regs.h"

#define BANKED(name)                      \
	{                                 \
		read_##name, write_##name \
	}

struct banked {
	uint32_t (*read)(void);
	void (*write)(uint32_t value);
};

static const struct banked fiq_registers[] = {
	BANKED(r8_fiq),  BANKED(r9_fiq), BANKED(r10_fiq), BANKED(r11_fiq),
	BANKED(r12_fiq), BANKED(sp_fiq), BANKED(lr_fiq),
};

/* r13 and r14 by mode; NULL: LR_usr, which lies in the frame. */
static const struct banked *banked_register(uint32_t mode, unsigned int n)
{
	static const struct banked usr = BANKED(sp_usr);
	static const struct banked svc[] = {BANKED(sp_svc), BANKED(lr_svc)};
	static const struct banked abt[] = {BANKED(sp_abt), BANKED(lr_abt)};
	static const struct banked und[] = {BANKED(sp_und), BANKED(lr_und)};
	static const struct banked irq[] = {BANKED(sp_irq), BANKED(lr_irq)};

	switch (mode) {
	case PSR_MODE_FIQ:
		return n >= 8 ? &fiq_registers[index_nospec(n - 8U, ARRAY_SIZE(fiq_registers))] : NULL;
	case PSR_MODE_SVC:
		return &svc[index_nospec(n - 13U, 2)];
	case PSR_MODE_ABT:
		return &abt[index_nospec(n - 13U, 2)];
	case PSR_MODE_UND:
		return &und[index_nospec(n - 13U, 2)];
	case PSR_MODE_IRQ:
		return &irq[index_nospec(n - 13U, 2)];
	default:
		return n == 13 ? &usr : NULL;
	}
}

uint32_t regs_read(const struct regs *regs, uint32_t spsr, unsigned int n)
{
	uint32_t mode = spsr & PSR_MODE_MASK;
	const struct banked *b;

	if (regs_in_frame(mode, n))
		return regs->r[n];
	if (n >= 15)
		return read_elr_hyp() + (spsr & PSR_T ? 4U : 8U);
	b = banked_register(mode, n);
	return b ? b->read() : regs->lr;
}

void regs_write(struct regs *regs, uint32_t spsr, unsigned int n, uint32_t value)
{
	uint32_t mode = spsr & PSR_MODE_MASK;
	const struct banked *b;

	if (regs_in_frame(mode, n)) {
		regs->r[n] = value;
	} else if (n < 15) {
		b = banked_register(mode, n);
		if (b)
			b->write(value);
		else
			regs->lr = value;
	}
}
