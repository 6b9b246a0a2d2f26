/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Coprocessor traps: cp15, cp14 and cp10. What a guest may do is a row in a table; what has no row is UNDEF, and one
 * rate-limited line shows the access as a row ready to paste.
 */
#ifndef COPROC_COPROC_H
#define COPROC_COPROC_H

#include <arm/psr.h>
#include <arm/sysreg.h>

#include "coproc/row.h"
#include "hyp/run/percpu.h"
#include "hyp/arm/regs.h"
#include "hyp/exit/trap.h"

struct vm;

/* Check the tables' order once at boot; -EINVAL and a line where they are wrong. */
int coproc_init(void);

/* As at power-on. */
void coproc_reset(struct vcpu *vcpu);

/* The vCPU, which is not loaded, is about to live on another CPU: what it left in this one's hardware goes to memory.
 */
void coproc_leave_cpu(struct vcpu *vcpu);

/* Between two VMs on one CPU, before the next runs: what the last one taught the branch predictor is forgotten. */
static inline void coproc_switch_vm(struct percpu *cpu, const struct vm *next)
{
	if (likely(!cpu->harden))
		return;
	if (cpu->last_vm != next)
		cpu->harden();
	cpu->last_vm = next;
}

/* ISS of an MCR/MRC trap (DDI 0406C B3.13.6) */
#define ISS_READ    BIT(0)
#define ISS_RT(i)   FIELD(i, 5, 4)
#define ISS_RT_HIGH BIT(8)

/*
 * Traps by HSTR, HCR.TIDCP and HDCR may come before an instruction of PL0 is found UNDEFINED (B1.14.3, IMPLEMENTATION
 * DEFINED).
 */
static inline bool coproc_from_user(void)
{
	return (read_spsr_hyp() & (PSR_MODE_MASK & ~PSR_MODE_USR)) == 0;
}

/*
 * What guests do most with cp15: a read into r0-r7, at PL1, of a row that is where its hash says. False: nothing has
 * happened, coproc_cp15_32() shall see to it.
 */
static inline bool coproc_read_fast(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	uint32_t key = hsr & CP_KEY_MASK;
	const struct cp_row *row = cp_index[cp_hash(key)];

	if (unlikely((hsr & (ISS_READ | ISS_RT_HIGH)) != ISS_READ || row->key != key || coproc_from_user() ||
		     !row->read))
		return false;
	regs->r[ISS_RT(hsr)] = (uint32_t)row->read(vcpu);
	return true;
}

enum exit_action coproc_cp15_32(struct vcpu *vcpu, struct regs *regs, uint32_t hsr);
enum exit_action coproc_cp15_64(struct vcpu *vcpu, struct regs *regs, uint32_t hsr);
enum exit_action coproc_cp14_32(struct vcpu *vcpu, struct regs *regs, uint32_t hsr);
enum exit_action coproc_cp14_64(struct vcpu *vcpu, struct regs *regs, uint32_t hsr);
enum exit_action coproc_hcptr(struct vcpu *vcpu, struct regs *regs, uint32_t hsr);
enum exit_action coproc_cp10_id(struct vcpu *vcpu, struct regs *regs, uint32_t hsr);

#endif
