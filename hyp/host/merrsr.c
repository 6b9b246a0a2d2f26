/* SPDX-License-Identifier: BSD-2-Clause */
/* See hyp/host/merrsr.h. */
#include <arm/cores.h>
#include <arm/copy.h>
#include <arm/sysreg.h>

#include "hyp/arm/checked.h"
#include "hyp/host/merrsr.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/cpu.h"
#include "hyp/lib/log.h"

/* CPUMERRSR and L2MERRSR have these fields in common. */
#define MERRSR_VALID     BIT64(31)
#define MERRSR_FATAL     BIT64(63)
#define MERRSR_RAM(v)    FIELD((uint32_t)(v), 24, 7)
#define MERRSR_AT(v)     FIELD((uint32_t)(v), 0, 24) /* bank or CPU, way, index */
#define MERRSR_SAME(v)   FIELD((uint32_t)((v) >> 32), 0, 8)
#define MERRSR_OTHERS(v) FIELD((uint32_t)((v) >> 32), 8, 8)

static const struct {
	uint32_t id;
	const char *name;
} rams[] = {
	{0x00, "L1 instruction tags"},
	{0x01, "L1 instructions"},
	{0x08, "L1 data tags"},
	{0x09, "L1 data"},
	{0x10, "L2 tags"},
	{0x11, "L2 data"},
	{0x12, "L2 snoop tags"},
	{0x14, "L2 dirty bits"},
};

static const char *merrsr_name(uint64_t value)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(rams); i++)
		if (rams[i].id == MERRSR_RAM(value))
			return rams[i].name;
	return "another RAM";
}

static void merrsr_say_one(const char *reg, uint64_t value)
{
	static struct log_budget budget;

	if (value & MERRSR_VALID && log_ratelimit(&budget))
		log_err("host: CPU %u: %s 0x%016llx: %s error in %s, at 0x%x; %u more there, %u elsewhere",
			(unsigned)cpu_id(), reg, (unsigned long long)value,
			value & MERRSR_FATAL ? "a fatal" : "a corrected", merrsr_name(value),
			(unsigned)MERRSR_AT(value), (unsigned)MERRSR_SAME(value), (unsigned)MERRSR_OTHERS(value));
}

void merrsr_say(void)
{
	struct fault_kept kept = fault_keep();
	uint64_t value;

	if ((read_midr() & MIDR_PART_MASK) != MIDR_CORTEX_A15)
		return;
	if (!cpumerrsr_take(&value))
		merrsr_say_one("CPUMERRSR", value);
	if (!l2merrsr_take(&value))
		merrsr_say_one("L2MERRSR", value);
	fault_give_back(kept);
}
