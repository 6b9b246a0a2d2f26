/* One row is a register's whole life as a guest sees it: encoding, what traps it, what an access does. */
#ifndef COPROC_ROW_H
#define COPROC_ROW_H

#include <stdbool.h>
#include <stdint.h>

struct vcpu;

/* Sort key of an encoding; 64-bit accesses (MCRR) have CRn = 0, op2 = 0. */
#define CP_KEY(crn, op1, crm, op2) ((uint16_t)((crn) << 10 | (op1) << 7 | (crm) << 3 | (op2)))
#define CP_KEY64(op1, crm)         CP_KEY(0, op1, crm, 0)

struct cp_row {
	uint16_t key;
	const char *name;
	/* NULL: that direction is UNDEF. 32-bit rows use the low word. The vCPU is the current one. */
	uint64_t (*read)(struct vcpu *vcpu);
	void (*write)(struct vcpu *vcpu, uint64_t value);
};

struct cp_table {
	const char *name;
	const struct cp_row *row;
	uint32_t count;
};

extern const struct cp_table cp15_table, cp15_table64, cp14_table;

/* The row of `key` or NULL. Rows are sorted. */
const struct cp_row *cp_find(const struct cp_table *table, uint16_t key);

/* The rows' order and uniqueness; also run by the host test. */
bool cp_table_sorted(const struct cp_table *table);

#endif
