/*
 * World switch. The only place where a vCPU's state moves between the hardware and memory, and it runs only when a CPU
 * goes to another vCPU: an exit that returns to the same one never comes here.
 */
#include <arm/barrier.h>
#include <arm/hypregs.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "hyp/vm.h"
#include "vgic/vgic.h"
#include "vtimer/vtimer.h"

#define BANK3(verb, m, slot)             \
	do {                             \
		verb(sp_##m, slot[0]);   \
		verb(lr_##m, slot[1]);   \
		verb(spsr_##m, slot[2]); \
	} while (0)

#define CP15_LIST(verb, c)                       \
	do {                                     \
		verb(sctlr, c->sctlr);           \
		verb(cpacr, c->cpacr);           \
		verb(ttbcr, c->ttbcr);           \
		verb(ttbr0_64, c->ttbr0);        \
		verb(ttbr1_64, c->ttbr1);        \
		verb(dacr, c->dacr);             \
		verb(dfsr, c->dfsr);             \
		verb(ifsr, c->ifsr);             \
		verb(adfsr, c->adfsr);           \
		verb(aifsr, c->aifsr);           \
		verb(dfar, c->dfar);             \
		verb(ifar, c->ifar);             \
		verb(par_64, c->par);            \
		verb(prrr, c->prrr);             \
		verb(nmrr, c->nmrr);             \
		verb(amair0, c->amair0);         \
		verb(amair1, c->amair1);         \
		verb(vbar, c->vbar);             \
		verb(contextidr, c->contextidr); \
		verb(tpidrurw, c->tpidrurw);     \
		verb(tpidruro, c->tpidruro);     \
		verb(tpidrprw, c->tpidrprw);     \
		verb(csselr, c->csselr);         \
	} while (0)

#define BANKED_LIST(verb, c)               \
	do {                               \
		verb(elr_hyp, c->elr);     \
		verb(spsr_hyp, c->spsr);   \
		verb(sp_usr, c->sp_usr);   \
		BANK3(verb, svc, c->svc);  \
		BANK3(verb, abt, c->abt);  \
		BANK3(verb, und, c->und);  \
		BANK3(verb, irq, c->irq);  \
		verb(r8_fiq, c->fiq[0]);   \
		verb(r9_fiq, c->fiq[1]);   \
		verb(r10_fiq, c->fiq[2]);  \
		verb(r11_fiq, c->fiq[3]);  \
		verb(r12_fiq, c->fiq[4]);  \
		verb(sp_fiq, c->fiq[5]);   \
		verb(lr_fiq, c->fiq[6]);   \
		verb(spsr_fiq, c->fiq[7]); \
	} while (0)

#define WAIT_TRAPS (HCR_TWI | HCR_TWE)

#define SAVE(name, slot)    ((slot) = read_##name())
#define RESTORE(name, slot) write_##name(slot)

static void save(struct vcpu *vcpu)
{
	struct vcpu_context *c = &vcpu->ctx;

	vcpu->hcr = (vcpu->hcr & ~HCR_VA) | (read_hcr() & HCR_VA); /* an abort it has not taken yet */
	BANKED_LIST(SAVE, c);
	CP15_LIST(SAVE, c);
	vgic_save(vcpu);
	vtimer_save(vcpu);
}

/*
 * VTTBR and HCR before the stage-1 registers: with the old VMID no walk may start from the new tables (B3.10.5). The
 * stage-1 MMU of the outgoing guest is switched off first, so that no walk starts in between either.
 */
static void restore(struct vcpu *vcpu)
{
	struct vcpu_context *c = &vcpu->ctx;

	/* Who shares a CPU gives it up while it waits; who has one alone waits in the hardware, without an exit. */
	vcpu->hcr = (vcpu->hcr & ~WAIT_TRAPS) | (vcpu->cpu->assigned > 1 ? WAIT_TRAPS : 0);
	write_sctlr(SCTLR_RESET);
	isb();
	write_hcr(vcpu->hcr);
	write_vpidr(vcpu->vpidr);
	write_vmpidr(vcpu->vmpidr);
	write_vttbr(vcpu->vm->s2.vttbr);
	isb();
	BANKED_LIST(RESTORE, c);
	CP15_LIST(RESTORE, c);
	vtimer_load(vcpu);
	vgic_load(vcpu);
	write_hcptr(this_cpu()->vfp_owner == vcpu ? HCPTR_OPEN : HCPTR_CLOSED);
	__asm__ volatile("clrex");
	isb();
}

void vcpu_load(struct vcpu *next)
{
	struct percpu *cpu = this_cpu();

	if (cpu->loaded == next)
		return;
	if (cpu->loaded)
		save(cpu->loaded);
	cpu->loaded = next;
	if (next)
		restore(next);
}

/* Everything the architecture defines at reset is set, the rest is zero: nothing of the last run shows (B1.9.1). */
void vcpu_reset_context(struct vcpu *vcpu, uint32_t pc, uint32_t r0, uint32_t r1, uint32_t r2)
{
	struct percpu *cpu = this_cpu();

	*vcpu->regs = (struct regs){.r = {r0, r1, r2}};
	vcpu->ctx = (struct vcpu_context){
		.elr = pc & ~1U,
		.spsr = PSR_MODE_SVC | PSR_A | PSR_I | PSR_F | (pc & 1U ? PSR_T : 0) | vcpu->entry_psr_e,
		.sctlr = SCTLR_RESET,
	};
	vcpu->vfp = (struct vfp_context){0};
	if (cpu->vfp_owner == vcpu)
		cpu->vfp_owner = NULL;
	if (cpu->loaded == vcpu)
		restore(vcpu);
}
