/* SPDX-License-Identifier: BSD-2-Clause */
/* See fake_tables.h. An entry that is not in the list is valid or invalid, as it reads. */
#include <stddef.h>

#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "fake_tables.h"
#include "mm/tlb.h"

#define BETWEEN_MAX 4096U
#define VMID_SHIFT  48U

enum stage { WRITTEN, VISIBLE, UNDER_WAY, DONE_ONCE, REPEATED };

static struct {
	const uint64_t *entry;
	uint64_t was, whose;
	enum stage stage;
} between[BETWEEN_MAX];

static uint32_t count;
static const char *wrong;

static void complain(const char *what)
{
	if (!wrong)
		wrong = what;
}

static uint32_t find(const uint64_t *entry)
{
	uint32_t i = 0;

	while (i < count && between[i].entry != entry)
		i++;
	return i;
}

static void write_entry(const uint64_t *entry, uint64_t value, const uint64_t *whose)
{
	uint32_t i = find(entry);

	if (!whose) {
		if (!(value & DESC_VALID))
			complain("made, but not valid");
		if (*entry & DESC_VALID && *entry != value)
			complain("changed while it is valid");
		if (i < count)
			complain("made valid before it is invalid everywhere");
		return;
	}
	if (value & DESC_VALID)
		complain("broken, but valid");
	if (!(*entry & DESC_VALID))
		return;
	if (count == BETWEEN_MAX) {
		complain("too many entries between valid and invalid");
		return;
	}
	between[count].entry = entry;
	between[count].was = *entry;
	between[count].whose = *whose;
	between[count++].stage = WRITTEN;
}

static bool is_hyp(uint64_t whose)
{
	return whose >> VMID_SHIFT == 0;
}

/* Whether the TLB operation forgets what is behind the entry. */
static bool covers(uint32_t op, uint64_t value, uint64_t whose)
{
	if (op == SYSREG_tlbiallhis)
		return is_hyp(whose);
	if (op == SYSREG_tlbimvahis)
		return is_hyp(whose) && (uint32_t)value >> 12 == (uint32_t)whose >> 12;
	if (op == SYSREG_tlbiallis)
		return !is_hyp(whose) && whose >> VMID_SHIFT == fake_machine.reg[SYSREG_vttbr] >> VMID_SHIFT;
	return op == SYSREG_tlbiallnsnhis && !is_hyp(whose);
}

static void advance(uint32_t i, uint32_t op, uint64_t value)
{
	bool barrier = op == FAKE_DSB_ISH || op == FAKE_DSB;
	enum stage *stage = &between[i].stage;

	if (*stage == WRITTEN && barrier)
		*stage = VISIBLE;
	else if (*stage == VISIBLE && covers(op, value, between[i].whose))
		*stage = UNDER_WAY;
	else if (*stage == UNDER_WAY && barrier)
		*stage = DONE_ONCE;
	else if (*stage == DONE_ONCE && op == SYSREG_tlbimvais)
		*stage = REPEATED;
	else if (*stage == REPEATED && barrier)
		between[i].entry = NULL;
	if (*stage == DONE_ONCE && !tlb_repeat)
		between[i].entry = NULL;
}

static void event(uint32_t op, uint64_t value)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < count; i++) {
		advance(i, op, value);
		if (between[i].entry)
			between[left++] = between[i];
	}
	count = left;
}

void fake_tables_watch(void)
{
	count = 0;
	wrong = NULL;
	fake_machine.on_pte = write_entry;
	fake_machine.on_event = event;
}

const char *fake_tables_wrong(void)
{
	return wrong;
}

void fake_tables_give_away(uint64_t page)
{
	for (uint32_t i = 0; i < count; i++)
		if ((between[i].was & DESC_ADDR_MASK) == page && between[i].was & DESC_TABLE)
			complain("a table is given away before it is out of reach");
}

uint32_t fake_tables_between(void)
{
	return count;
}
