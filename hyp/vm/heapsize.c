/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What hyp/vm/assemble.c takes of the heap for each VM, added up before there is one. Rather too much: a VM for which
 * the heap has no room is refused.
 */
#include <libfdt.h>

#include "hyp/lib/bits.h"
#include "hyp/lib/option.h"
#include "hyp/vdev/device.h"
#include "hyp/vm/heapsize.h"
#include "hyp/vm/vm.h"
#include "mm/layout.h"
#include "mm/page.h"
#include "mm/s2.h"

#define HEAP_SHARE 256U /* of RAM, one part at least: half of it for tables, if all of RAM is mapped by pages; */
#define HEAP_MIN   MIB(4)
#define HEAP_MAX   (LAYOUT_HEAP_END - LAYOUT_HEAP)
#define HEAP_PART  8U /* and not more than this part, whatever a bundle says */

/* Of virt7 itself: work on images, drivers, rings of the trace, notes; and consoles' logs are cut where less is left.
 */
#define HEAP_OWN MIB(1)

/* Of stage 2: the root, the table of the first GiB with GICV's, and one for the GiB that RAM begins in. */
#define VM_TABLES (5U * PAGE_SIZE)

static uint64_t pages_for(size_t size)
{
	return (uint64_t)PAGE_SIZE << page_order(size);
}

static uint64_t log_size(void)
{
	return options.console_log * 1024U;
}

/* In every VM. */
static uint64_t common_need(void)
{
	uint64_t devices = 0;

	for (const struct device_class *const *class = device_classes; *class; class ++)
		if (!(*class)->compatible)
			devices += align_up((*class)->size, DEVICE_ALIGN);
	return align_up(sizeof(struct vm), PAGE_SIZE) + VM_TABLES + log_size() + align_up(devices, PAGE_SIZE);
}

static uint64_t device_need(const struct device_class *class)
{
	return pages_for(class->size) + (class->heap ? pages_for(class->heap) : 0) + (class->logs ? log_size() : 0);
}

/* What is malformed has its line later. */
static uint64_t number_or(const struct bundle *b, int node, const char *name, uint64_t most, uint64_t absent)
{
	uint64_t value;

	return bundle_get_number(b, node, name, &value) ? absent : MIN(value, most);
}

static uint64_t vm_need(const struct bundle *b, int node)
{
	uint64_t cpus = number_or(b, node, "cpus", MACHINE_MAX_CPUS, 1), need;
	int sub;

	need = cpus * (pages_for(sizeof(struct vcpu)) + HYP_STACK_SIZE);
	fdt_for_each_subnode(sub, b->fdt, node) {
		const struct device_class *class = device_class_of(b, sub);

		need += class ? device_need(class) : 0;
	}
	return need;
}

/* Where RAM is mapped by pages, of a VM's RAM; and for each further GiB. */
static uint64_t table_need(uint64_t ram)
{
	return (s2_pages ? ram / S2_TABLE_ENTRIES : 0) + (ram >> 30) * PAGE_SIZE;
}

static uint64_t bundle_need(const struct bundle *b, uint64_t ram, uint64_t tree)
{
	uint64_t need = align_up(tree, PAGE_SIZE), mapped = 0, common = common_need();

	for (uint32_t i = 0; i < b->vm_count; i++) {
		need += common + vm_need(b, b->vm[i].node);
		mapped += number_or(b, b->vm[i].node, "memory", ram / 1024U, 0) * 1024U;
	}
	return need + table_need(MIN(mapped, ram));
}

uint64_t heap_size_for(const struct bundle *b, uint64_t ram, uint64_t tree)
{
	uint64_t least = MAX(ram / HEAP_SHARE, (uint64_t)HEAP_MIN),
		 need = b && b->fdt ? MIN(bundle_need(b, ram, tree) + HEAP_OWN, ram / HEAP_PART) : 0;

	return align_up(MIN(MAX(least, need), (uint64_t)HEAP_MAX), BLOCK_SIZE);
}
