/* Trap dispatch: syndrome to key, key to row, row to access. Deny by default. */
#include <errno.h>

#include <arm/barrier.h>
#include <arm/hypregs.h>
#include <arm/psr.h>
#include <arm/sysreg.h>
#include <arm/vfp.h>

#include "coproc/coproc.h"
#include "coproc/row.h"
#include "coproc/setway.h"
#include "hyp/log.h"
#include "hyp/vm.h"

/* ISS of an MCR/MRC trap (DDI 0406C B3.13.6) */
#define ISS_READ     BIT(0)
#define ISS_CRM(i)   FIELD(i, 1, 4)
#define ISS_RT(i)    FIELD(i, 5, 4)
#define ISS_RT2(i)   FIELD(i, 10, 4)
#define ISS_CRN(i)   FIELD(i, 10, 4)
#define ISS_OP1(i)   FIELD(i, 14, 3)
#define ISS_OP2(i)   FIELD(i, 17, 3)
#define ISS64_OP1(i) FIELD(i, 16, 4)

#define ACTLR_SMP BIT(6)

bool cp_table_sorted(const struct cp_table *table)
{
	for (uint32_t i = 1; i < table->count; i++)
		if (table->row[i - 1].key >= table->row[i].key)
			return false;
	return true;
}

const struct cp_row *cp_find(const struct cp_table *table, uint16_t key)
{
	uint32_t low = 0, high = table->count;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (table->row[mid].key < key)
			low = mid + 1;
		else
			high = mid;
	}
	return low < table->count && table->row[low].key == key ? &table->row[low] : NULL;
}

int coproc_init(void)
{
	if (cp_table_sorted(&cp15_table) && cp_table_sorted(&cp15_table64) && cp_table_sorted(&cp14_table))
		return 0;
	log_err("coproc: a trap table is not sorted; this build is broken");
	return -EINVAL;
}

void coproc_reset(struct vcpu *vcpu)
{
	vcpu->coproc.actlr = ACTLR_SMP;
	setway_reset(vcpu);
}

/* What no row allows: UNDEF, and a line from which the row can be written. */
static enum exit_action deny(struct vcpu *vcpu, const char *table, uint16_t key, bool read)
{
	if (log_ratelimit(&vcpu->vm->log_budget))
		log_warn("vm %s: vcpu %u: %s {CP_KEY(%u, %u, %u, %u)} %s at pc 0x%08x: UNDEF", vcpu->vm->config.name,
			 (unsigned)vcpu->index, table, key >> 10, key >> 7 & 7U, key >> 3 & 15U, key & 7U,
			 read ? "read" : "write", (unsigned)read_elr_hyp());
	inject_undef(vcpu);
	return EXIT_AGAIN;
}

static uint32_t get(const struct regs *regs, unsigned int n)
{
	return likely(n < 8) ? regs->r[n] : regs_read(regs, read_spsr_hyp(), n);
}

static void put(struct regs *regs, unsigned int n, uint32_t value)
{
	if (likely(n < 8))
		regs->r[n] = value;
	else
		regs_write(regs, read_spsr_hyp(), n, value);
}

static enum exit_action access32(struct vcpu *vcpu, struct regs *regs, uint32_t hsr, const struct cp_table *table)
{
	uint16_t key = CP_KEY(ISS_CRN(hsr), ISS_OP1(hsr), ISS_CRM(hsr), ISS_OP2(hsr));
	const struct cp_row *row = cp_find(table, key);

	if (hsr & ISS_READ) {
		if (!row || !row->read)
			return deny(vcpu, table->name, key, true);
		put(regs, ISS_RT(hsr), (uint32_t)row->read(vcpu));
	} else {
		if (!row || !row->write)
			return deny(vcpu, table->name, key, false);
		row->write(vcpu, get(regs, ISS_RT(hsr)));
	}
	return EXIT_NEXT;
}

/* PL0 has no business with any row: the architecture makes them UNDEF there before a trap, but for a few (B3.17). */
static bool from_user(void)
{
	return (read_spsr_hyp() & PSR_MODE_MASK) == PSR_MODE_USR;
}

enum exit_action coproc_cp15_32(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	return access32(vcpu, regs, hsr, &cp15_table);
}

enum exit_action coproc_cp14_32(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	return access32(vcpu, regs, hsr, &cp14_table);
}

enum exit_action coproc_cp15_64(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	uint16_t key = CP_KEY64(ISS64_OP1(hsr), ISS_CRM(hsr));
	const struct cp_row *row = cp_find(&cp15_table64, key);
	uint64_t value;

	if (hsr & ISS_READ) {
		if (!row || !row->read)
			return deny(vcpu, "cp15_64", key, true);
		value = row->read(vcpu);
		put(regs, ISS_RT(hsr), (uint32_t)value);
		put(regs, ISS_RT2(hsr), (uint32_t)(value >> 32));
	} else {
		if (!row || !row->write)
			return deny(vcpu, "cp15_64", key, false);
		value = (uint64_t)get(regs, ISS_RT2(hsr)) << 32 | get(regs, ISS_RT(hsr));
		row->write(vcpu, value);
	}
	return EXIT_NEXT;
}

/* DBGDRAR and DBGDSAR by MRRC read as no ROM table. */
enum exit_action coproc_cp14_64(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	if (!(hsr & ISS_READ))
		return deny(vcpu, "cp14_64", CP_KEY64(ISS64_OP1(hsr), ISS_CRM(hsr)), false);
	put(regs, ISS_RT(hsr), 0);
	put(regs, ISS_RT2(hsr), 0);
	return EXIT_NEXT;
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

/* MVFR and FPSID, trapped by HCR.TID0/TID3: none of virt7's models hides VFP. */
enum exit_action coproc_cp10_id(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	uint32_t value;

	if (!(hsr & ISS_READ) || from_user()) {
		inject_undef(vcpu);
		return EXIT_AGAIN;
	}
	if (!vfp_read_id(ISS_CRN(hsr), &value)) {
		inject_undef(vcpu);
		return EXIT_AGAIN;
	}
	put(regs, ISS_RT(hsr), value);
	return EXIT_NEXT;
}
