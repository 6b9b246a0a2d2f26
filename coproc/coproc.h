/*
 * Coprocessor traps: cp15, cp14 and cp10. What a guest may do is a row in a table; what has no row is UNDEF, and one
 * rate-limited line shows the access as a row ready to paste.
 */
#ifndef COPROC_COPROC_H
#define COPROC_COPROC_H

#include "hyp/percpu.h"
#include "hyp/trap.h"

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
	if (cpu->harden && cpu->last_vm != next)
		cpu->harden();
	cpu->last_vm = next;
}

enum exit_action coproc_cp15_32(struct vcpu *vcpu, struct regs *regs, uint32_t hsr);
enum exit_action coproc_cp15_64(struct vcpu *vcpu, struct regs *regs, uint32_t hsr);
enum exit_action coproc_cp14_32(struct vcpu *vcpu, struct regs *regs, uint32_t hsr);
enum exit_action coproc_cp14_64(struct vcpu *vcpu, struct regs *regs, uint32_t hsr);
enum exit_action coproc_hcptr(struct vcpu *vcpu, struct regs *regs, uint32_t hsr);
enum exit_action coproc_cp10_id(struct vcpu *vcpu, struct regs *regs, uint32_t hsr);

#endif
