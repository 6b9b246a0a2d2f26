/* SPDX-License-Identifier: BSD-2-Clause */
/* See fake_machine.h. */
#include <string.h>

#include "fake_machine.h"

struct fake_machine fake_machine;

void fake_machine_reset(void)
{
	memset(&fake_machine, 0, sizeof(fake_machine));
}

void fake_log_event(uint32_t op, const void *at, uint64_t value)
{
	if (fake_machine.events < FAKE_LOG_MAX)
		fake_machine.event[fake_machine.events] = (struct fake_event){.op = op, .at = at, .value = value};
	fake_machine.events++;
	if (fake_machine.on_event)
		fake_machine.on_event(op, value);
}

uint64_t fake_read(uint32_t reg)
{
	return fake_machine.on_read[reg] ? fake_machine.on_read[reg](reg) : fake_machine.reg[reg];
}

void fake_write(uint32_t reg, uint64_t value)
{
	fake_log_event(reg, NULL, value);
	if (fake_machine.on_write[reg])
		fake_machine.on_write[reg](reg, value);
	else
		fake_machine.reg[reg] = value;
}

uint32_t fake_find(uint32_t op, uint32_t from)
{
	while (from < fake_machine.events && from < FAKE_LOG_MAX && fake_machine.event[from].op != op)
		from++;
	return from < FAKE_LOG_MAX ? from : fake_machine.events;
}
