/* SPDX-License-Identifier: BSD-2-Clause */
/* See hostile.h. */
#include "tests/guests/lib/hostile.h"

#include "tests/guests/lib/smp.h"

#define GUARD UINT32_C(0x6a17d600)

/* What a chain is made of. */
static struct vq *queue;
static struct vq_desc *table;
static const void *data;

volatile bool others_stop;

static uint32_t address(const volatile void *at)
{
	return (uint32_t)(uintptr_t)at;
}

void guard_set(struct guard *guard)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(guard->word); i++)
		guard->word[i] = GUARD + i;
}

uint32_t guard_wrong(const struct guard *guard)
{
	uint32_t wrong = 0;

	for (uint32_t i = 0; i < ARRAY_SIZE(guard->word); i++)
		wrong += guard->word[i] != GUARD + i;
	return wrong;
}

uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525U + 1013904223U;
	return *seed >> 8;
}

void others_begin(void (*fn)(void *arg))
{
	others_stop = false;
	for (uint32_t cpu = 1; cpu < smp_count(); cpu++)
		report_eq(smp_boot(cpu, fn, (void *)(uintptr_t)cpu), 0, "another vCPU");
}

void others_end(void)
{
	others_stop = true;
	for (uint32_t cpu = 1; cpu < smp_count(); cpu++)
		smp_wait_off(cpu);
}

static void set(uint32_t i, uint64_t addr, uint32_t len, uint32_t flags, uint32_t next)
{
	queue->desc[i] = (struct vq_desc){addr, len, (uint16_t)flags, (uint16_t)next};
}

static void set_table(uint32_t i, uint64_t addr, uint32_t len, uint32_t flags, uint32_t next)
{
	table[i] = (struct vq_desc){addr, len, (uint16_t)flags, (uint16_t)next};
}

static void loop_of_one(void)
{
	set(0, address(data), 1, VIRTQ_DESC_NEXT, 0);
}

static void loop_of_two(void)
{
	set(0, address(data), 1, VIRTQ_DESC_NEXT, 1);
	set(1, address(data), 1, VIRTQ_DESC_NEXT, 0);
}

static void too_long(void)
{
	set(0, address(table), (VQ_SIZE + 1U) * 16U, VIRTQ_DESC_INDIRECT, 0);
	for (uint32_t i = 0; i <= VQ_SIZE; i++)
		set_table(i, address(data), 1, i < VQ_SIZE ? VIRTQ_DESC_NEXT : 0, i + 1U);
}

static void next_outside(void)
{
	set(0, address(data), 1, VIRTQ_DESC_NEXT, VQ_SIZE);
}

static void next_far(void)
{
	set(0, address(data), 1, VIRTQ_DESC_NEXT, 0xffffU);
}

static void next_outside_of_table(void)
{
	set(0, address(table), 32, VIRTQ_DESC_INDIRECT, 0);
	set_table(0, address(data), 1, VIRTQ_DESC_NEXT, 2);
}

static void table_of_none(void)
{
	set(0, address(table), 0, VIRTQ_DESC_INDIRECT, 0);
}

static void table_of_a_part(void)
{
	set(0, address(table), 24, VIRTQ_DESC_INDIRECT, 0);
	set_table(0, address(data), 1, 0, 0);
}

static void table_goes_on(void)
{
	set(0, address(table), 16, VIRTQ_DESC_INDIRECT | VIRTQ_DESC_NEXT, 1);
	set_table(0, address(data), 1, 0, 0);
}

static void table_in_table(void)
{
	set(0, address(table), 32, VIRTQ_DESC_INDIRECT, 0);
	set_table(0, address(table) + 16U, 16, VIRTQ_DESC_INDIRECT, 0);
	set_table(1, address(data), 1, 0, 0);
}

static void table_in_flash(void)
{
	set(0, 0, 16, VIRTQ_DESC_INDIRECT, 0);
}

static void table_in_device(void)
{
	set(0, MACHINE_UART_BASE, 16, VIRTQ_DESC_INDIRECT, 0);
}

static void table_over_the_end(void)
{
	set(0, HOSTILE_RAM_END - 16U, 32, VIRTQ_DESC_INDIRECT, 0);
}

static void table_that_wraps(void)
{
	set(0, UINT64_MAX - 15U, 32, VIRTQ_DESC_INDIRECT, 0);
}

static void writes_before_reads(void)
{
	set(0, address(data), 16, VIRTQ_DESC_NEXT | VIRTQ_DESC_WRITE, 1);
	set(1, address(data), 16, 0, 0);
}

static void four_gigabytes(void)
{
	set(0, address(data), UINT32_MAX, VIRTQ_DESC_NEXT, 1);
	set(1, address(data), 1, 0, 0);
}

static void head_outside(void)
{
	queue->avail[2] = VQ_SIZE;
}

static void head_far(void)
{
	queue->avail[2] = 0xffffU;
}

static void index_ahead(void)
{
	queue->avail[1] = (uint16_t)VQ_SIZE; /* and one more, by who offers */
}

static void index_behind(void)
{
	queue->avail[1] = 0xfffdU;
}

static const struct {
	const char *name;
	void (*make)(void);
} chains[BAD_CHAINS] = {
	{"a loop of one", loop_of_one},
	{"a loop of two", loop_of_two},
	{"a chain that is longer than the queue", too_long},
	{"next outside of the queue", next_outside},
	{"next far outside", next_far},
	{"next outside of its table", next_outside_of_table},
	{"a table of length 0", table_of_none},
	{"a table with a part of a descriptor", table_of_a_part},
	{"a table with NEXT", table_goes_on},
	{"a table in a table", table_in_table},
	{"a table in flash", table_in_flash},
	{"a table in a device", table_in_device},
	{"a table over the end of RAM", table_over_the_end},
	{"a table over 2^64", table_that_wraps},
	{"to write before to read", writes_before_reads},
	{"a chain of 4 GiB", four_gigabytes},
	{"a head outside of the queue", head_outside},
	{"a head far outside", head_far},
	{"an index that jumps ahead", index_ahead},
	{"an index that jumps back", index_behind},
};

const char *bad_chain_offer(uint32_t chain, struct vq *q, struct vq_desc *at, const void *memory)
{
	queue = q;
	table = at;
	data = memory;
	chains[chain].make();
	dmb();
	q->avail[1]++;
	dmb();
	return chains[chain].name;
}

const uint64_t nowhere[NOWHERES] = {
	0, /* flash */
	MACHINE_GICD_BASE,
	MACHINE_UART_BASE,
	MACHINE_VIRTIO_BASE,
	UINT64_C(0x30000000),
	MACHINE_RAM_BASE - 256U, /* over its start */
	HOSTILE_RAM_END - 64U,   /* over its end */
	HOSTILE_RAM_END,
	UINT32_MAX - 255U, /* over 4 GiB */
	BIT64(32),
	BIT64(32) + MACHINE_RAM_BASE,
	BIT64(40),
	UINT64_MAX - 255U, /* over 2^64 */
	UINT64_MAX,
};
