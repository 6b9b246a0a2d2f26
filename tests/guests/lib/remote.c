/* SPDX-License-Identifier: BSD-2-Clause */
/* See remote.h. */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/remote.h"
#include "tests/guests/lib/smp.h"

static struct mailbox {
	volatile uint32_t order, addr, value;
	uint32_t pad[13]; /* a line of its own */
} mailbox[GUEST_CPUS] __attribute__((aligned(64)));

uint32_t gic_await(void)
{
	uint64_t end = read_cntvct() + 5 * (uint64_t)read_cntfrq(); /* an emulator's CPU may be away for long */
	uint32_t iar;

	do
		iar = read32(CPUIF_IAR);
	while (iar == GIC_SPURIOUS && read_cntvct() < end);
	return iar;
}

void remote_obey(void)
{
	struct mailbox *box = &mailbox[this_cpu()->index];
	uint32_t order;

	gic_cpu_init();
	while ((order = box->order) != REMOTE_END) {
		dmb();
		if (order == REMOTE_NOTHING) {
			wfe();
			continue;
		}
		if (order == REMOTE_WRITE)
			write32(box->addr, box->value);
		gic_settle();
		if (order == REMOTE_READ)
			box->value = read32(box->addr);
		else if (order == REMOTE_AWAIT)
			box->value = gic_await();
		dmb();
		box->order = REMOTE_NOTHING;
		sev();
	}
	box->order = REMOTE_NOTHING;
}

uint32_t remote_tell(uint32_t cpu, enum remote_order order, uint32_t addr, uint32_t value)
{
	struct mailbox *box = &mailbox[cpu];

	box->addr = addr;
	box->value = value;
	dmb();
	box->order = order;
	sev();
	while (box->order != REMOTE_NOTHING)
		wfe();
	dmb();
	return box->value;
}

uint32_t remote_ack(uint32_t cpu)
{
	return remote_tell(cpu, REMOTE_READ, CPUIF_IAR, 0);
}

uint32_t remote_await(uint32_t cpu)
{
	return remote_tell(cpu, REMOTE_AWAIT, 0, 0);
}

void remote_eoi(uint32_t cpu, uint32_t iar)
{
	remote_tell(cpu, REMOTE_WRITE, CPUIF_EOIR, iar);
}
