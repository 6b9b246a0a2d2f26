/* SPDX-License-Identifier: BSD-2-Clause */
/* Trap dispatch: syndrome to key, key to row, row to access. Deny by default. Compiled for speed. */
#include <errno.h>

#include <arm/barrier.h>
#include <arm/cores.h>
#include <arm/hypregs.h>
#include <arm/psr.h>
#include <arm/sysreg.h>
#include <arm/vfp.h>

#include "coproc/coproc.h"
#include "coproc/model.h"
#include "coproc/pmu.h"
#include "coproc/row.h"
#include "coproc/setway.h"
#include "hyp/lib/log.h"
#include "hyp/exit/inject.h"
#include "hyp/vm/vm.h"

/* ISS of an MCR/MRC trap (DDI 0406C B3.13.6) */
#define ISS_CRM(i)   FIELD(i, 1, 4)
#define ISS_RT2(i)   FIELD(i, 10, 4)
#define ISS_CRN(i)   FIELD(i, 10, 4)
#define ISS_OP1(i)   FIELD(i, 14, 3)
#define ISS_OP2(i)   FIELD(i, 17, 3)
#define ISS64_OP1(i) FIELD(i, 16, 4)

/* What an empty slot holds: no syndrome has its key, so that a search needs no test for NULL. */
static const struct cp_row no_row = {.key = ~0U};

const struct cp_row *cp_index[CP_INDEX_SIZE];

bool cp_index_rows(const struct cp_row *rows, uint32_t count)
{
	uint32_t at;

	if (count > CP_INDEX_SIZE / 2U)
		return false;
	for (at = 0; at < CP_INDEX_SIZE; at++)
		cp_index[at] = &no_row;
	for (uint32_t i = 0; i < count; i++) {
		if (cp_find(rows[i].key))
			return false;
		for (at = cp_hash(rows[i].key); cp_index[at] != &no_row; at = (at + 1U) % CP_INDEX_SIZE)
			;
		cp_index[at] = &rows[i];
	}
	return true;
}

/* The index is at most half full, so the search ends. */
const struct cp_row *cp_find(uint32_t key)
{
	for (uint32_t at = cp_hash(key); cp_index[at] != &no_row; at = (at + 1U) % CP_INDEX_SIZE)
		if (cp_index[at]->key == key)
			return cp_index[at];
	return NULL;
}

int coproc_init(void)
{
	if (cp_index_rows(cp_rows, cp_row_count))
		return 0;
	log_err("coproc: a register has two rows, or there are too many; this build is broken");
	return -EINVAL;
}

void coproc_reset(struct vcpu *vcpu)
{
	const struct cpu_model *model = vcpu->coproc.model;

	vcpu->coproc.actlr = ACTLR_SMP | (model->harden == HARDEN_ICIALLU && model->harden_works ? ACTLR_IBE : 0);
	vcpu->coproc.os_locked = false;
	pmu_reset(vcpu);
	setway_reset(vcpu);
}

/* What no row knows: UNDEF, and a line from which the row can be written. What a row denies is UNDEF without one. */
static enum exit_action __attribute__((noinline))
deny_access(struct vcpu *vcpu, const struct cp_row *row, uint32_t key, bool read)
{
	static const char *const space[] = {"CP15", "CP15_64", "CP14", "CP14_64"};

	if (!row && !coproc_from_user() && log_ratelimit(&vcpu->vm->log_budget)) {
		const char *name = space[FIELD(key, 5, 2)], *what = read ? "read" : "write",
			   *vm = vcpu->vm->config.name;

		if (key & CP_SPACE_CP15_64)
			log_warn("vm %s: vcpu %u: %s(%u, %u) %s at pc 0x%08x: UNDEF", vm, (unsigned)vcpu->index, name,
				 (unsigned)ISS64_OP1(key), (unsigned)ISS_CRM(key), what, (unsigned)read_elr_hyp());
		else
			log_warn("vm %s: vcpu %u: %s(%u, %u, %u, %u) %s at pc 0x%08x: UNDEF", vm, (unsigned)vcpu->index,
				 name, (unsigned)ISS_CRN(key), (unsigned)ISS_OP1(key), (unsigned)ISS_CRM(key),
				 (unsigned)ISS_OP2(key), what, (unsigned)read_elr_hyp());
	}
	inject_undef(vcpu);
	return EXIT_AGAIN;
}

static uint32_t get_guest_reg(const struct regs *regs, unsigned int n)
{
	return likely(n < 8) ? regs->r[n] : regs_read(regs, read_spsr_hyp(), n);
}

static void put_guest_reg(struct regs *regs, unsigned int n, uint32_t value)
{
	if (likely(n < 8))
		regs->r[n] = value;
	else
		regs_write(regs, read_spsr_hyp(), n, value);
}

/* Where a trap comes from PL0, its row says whether the register is for PL0. */
static bool user_may(const struct vcpu *vcpu, const struct cp_row *row, bool read)
{
	return row->pl0 & (read ? PL0_READS : PL0_WRITES) && (!(row->pl0 & PL0_PMU) || pmu_user_enabled(vcpu));
}

static bool may_access(const struct vcpu *vcpu, const struct cp_row *row, bool read)
{
	return row && (read ? row->read != NULL : row->write != NULL) &&
	       (!coproc_from_user() || user_may(vcpu, row, read));
}

static enum exit_action access_32(struct vcpu *vcpu, struct regs *regs, uint32_t hsr, uint32_t key)
{
	const struct cp_row *row = cp_find(key);
	bool read = hsr & ISS_READ;

	if (!may_access(vcpu, row, read))
		return deny_access(vcpu, row, key, read);
	if (read)
		put_guest_reg(regs, ISS_RT(hsr), (uint32_t)row->read(vcpu));
	else
		row->write(vcpu, get_guest_reg(regs, ISS_RT(hsr)));
	return EXIT_NEXT;
}

static enum exit_action __attribute__((noinline))
access_64(struct vcpu *vcpu, struct regs *regs, uint32_t hsr, uint32_t key)
{
	const struct cp_row *row = cp_find(key);
	bool read = hsr & ISS_READ;
	uint64_t value;

	if (!may_access(vcpu, row, read))
		return deny_access(vcpu, row, key, read);
	if (read) {
		value = row->read(vcpu);
		put_guest_reg(regs, ISS_RT(hsr), (uint32_t)value);
		put_guest_reg(regs, ISS_RT2(hsr), (uint32_t)(value >> 32));
	} else {
		value = (uint64_t)get_guest_reg(regs, ISS_RT2(hsr)) << 32 | get_guest_reg(regs, ISS_RT(hsr));
		row->write(vcpu, value);
	}
	return EXIT_NEXT;
}

enum exit_action coproc_cp15_32(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	return access_32(vcpu, regs, hsr, hsr & CP_KEY_MASK);
}

enum exit_action coproc_cp14_32(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	return access_32(vcpu, regs, hsr, (hsr & CP_KEY_MASK) | CP_SPACE_CP14);
}

enum exit_action coproc_cp15_64(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	return access_64(vcpu, regs, hsr, (hsr & CP_KEY64_MASK) | CP_SPACE_CP15_64);
}

enum exit_action coproc_cp14_64(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	return access_64(vcpu, regs, hsr, (hsr & CP_KEY64_MASK) | CP_SPACE_CP14_64);
}

/* First VFP or NEON instruction since another vCPU had the registers: swap them, and let it run again. */
enum exit_action coproc_hcptr(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	struct percpu *cpu = this_cpu();

	(void)regs, (void)hsr; /* TCP10/11 are the only ones that open up, whatever the ISS says (ARMv8 leaves it 0) */
	write_hcptr(HCPTR_OPEN);
	isb();
	if (cpu->vfp_owner != vcpu) {
		if (cpu->vfp_owner)
			vfp_save(&cpu->vfp_owner->vfp);
		vfp_load(&vcpu->vfp);
		cpu->vfp_owner = vcpu;
	}
	return EXIT_AGAIN;
}

void coproc_leave_cpu(struct vcpu *vcpu)
{
	struct percpu *cpu = this_cpu();

	if (cpu->vfp_owner != vcpu)
		return;
	write_hcptr(HCPTR_OPEN);
	isb();
	vfp_save(&vcpu->vfp);
	cpu->vfp_owner = NULL;
	write_hcptr(HCPTR_CLOSED);
	isb();
}

/* FPSID, MVFR0, MVFR1 and ARMv8's MVFR2 by their VMRS numbers. */
static uint32_t vfp_id(const struct cpu_ids *ids, uint32_t number)
{
	switch (number) {
	case 0:
		return ids->fpsid;
	case 5:
		return ids->mvfr2;
	case 6:
		return ids->mvfr1;
	case 7:
		return ids->mvfr0;
	default:
		return 0;
	}
}

/* HCR.TID0 and TID3. */
enum exit_action coproc_cp10_id(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	if (!(hsr & ISS_READ) || coproc_from_user()) {
		inject_undef(vcpu);
		return EXIT_AGAIN;
	}
	put_guest_reg(regs, ISS_RT(hsr), vfp_id(&vcpu->coproc.model->ids, ISS_CRN(hsr)));
	return EXIT_NEXT;
}
