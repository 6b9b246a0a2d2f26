/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device of the host's as its driver sees it: registers of either version, and the queues in the heap, for the
 * tests of hyp/host/virtio.c and of the drivers on it. The device does nothing by itself: a test plays it.
 */
#ifndef HOST_RIG_H
#define HOST_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <libfdt.h>

#include "fake_machine.h"
#include "hyp/host/virtio.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/virtio_regs.h"
#include "mm/hypmap.h"
#include "mm/page.h"

#define HEAP_PA    0x40000000U
#define HEAP_SIZE  MIB(1)
#define QUEUES_MAX 2U
#define REGS_WORDS 128U

static uint8_t heap[HEAP_SIZE] __attribute__((aligned(0x20000)));
static size_t heap_used, heap_end;

static uint8_t tree[8192];
static struct host rig_host = {.fdt = tree};

/* The device. */
static struct {
	uint32_t word[REGS_WORDS]; /* its registers, and configuration space behind */
	uint64_t features, accepted;
	uint32_t queue_max[QUEUES_MAX];
	uint32_t driver_sel, device_sel, queue_sel;
	uint64_t desc[QUEUES_MAX], avail[QUEUES_MAX], used[QUEUES_MAX];
	uint32_t size[QUEUES_MAX], notified[QUEUES_MAX];
	uint16_t taken[QUEUES_MAX];
	uint32_t resets;
	bool refuses; /* FEATURES_OK */
	bool hangs;   /* in its reset */
	bool unmapped;
	void (*on_notify)(uint32_t queue); /* NULL: the device does nothing by itself */
} device;

void *page_alloc(unsigned int order)
{
	size_t size = (size_t)PAGE_SIZE << order, at = (size_t)align_up(heap_used, size);

	if (at + size > heap_end)
		return NULL;
	heap_used = at + size;
	memset(heap + at, 0, size);
	return heap + at;
}

static uint32_t heap_freed;

void page_free(void *page, unsigned int order)
{
	(void)page, (void)order;
	heap_freed++;
}

unsigned int page_order(size_t size)
{
	unsigned int order = 0;

	while ((size_t)PAGE_SIZE << order < size)
		order++;
	return order;
}

pa_t page_pa(const void *page)
{
	assert_true((const uint8_t *)page >= heap && (const uint8_t *)page < heap + HEAP_SIZE);
	return pa(HEAP_PA + (uint64_t)((const uint8_t *)page - heap));
}

static void *at_pa(uint64_t address)
{
	assert_in_range(address, HEAP_PA, HEAP_PA + HEAP_SIZE - 1U);
	return heap + (address - HEAP_PA);
}

void *hyp_map_device(uint64_t base, size_t size)
{
	assert_int_equal(base, 0xa003e00);
	assert_int_equal(size, 0x200);
	return device.unmapped ? NULL : device.word;
}

static uint32_t offset_of(const volatile void *addr)
{
	return (uint32_t)((const volatile uint8_t *)addr - (const uint8_t *)device.word);
}

/* 4.2.2.2: a field at once, or in words; of a card only its address is of bytes. Version 1: all is read by bytes. */
static uint32_t read_config(const volatile void *addr, uint32_t offset, size_t size)
{
	size_t width = device.word[VIRTIO_DEVICE_ID / 4U] != HOSTVIRTIO_NET ? 4U : offset < 6U ? 1U : 2U;

	assert_int_equal(size, device.word[VIRTIO_VERSION / 4U] == 1 ? 1U : width);
	if (size == 1)
		return *(const volatile uint8_t *)addr;
	return size == 2 ? *(const volatile uint16_t *)addr : *(const volatile uint32_t *)addr;
}

static uint32_t device_read(const volatile void *addr, size_t size)
{
	uint32_t offset = offset_of(addr);

	if (offset >= VIRTIO_CONFIG)
		return read_config(addr, offset - VIRTIO_CONFIG, size);
	assert_int_equal(size, 4);
	if (offset == VIRTIO_STATUS && device.hangs)
		return VIRTIO_STATUS_NEEDS_RESET;
	switch (offset) {
	case VIRTIO_DEVICE_FEATURES:
		return (uint32_t)(device.features >> 32U * device.device_sel);
	case VIRTIO_QUEUE_NUM_MAX:
		return device.queue_sel < QUEUES_MAX ? device.queue_max[device.queue_sel] : 0;
	default:
		return device.word[offset / 4U];
	}
}

static void set_half(uint64_t *value, bool high, uint32_t half)
{
	*value = high ? (uint32_t)*value | (uint64_t)half << 32 : (*value & ~(uint64_t)UINT32_MAX) | half;
}

/* Version 1 (4.2.4): the three areas behind each other. */
static void set_pfn(uint32_t q, uint32_t pfn)
{
	device.desc[q] = (uint64_t)pfn * 0x1000U;
	device.avail[q] = device.desc[q] + 16U * device.size[q];
	device.used[q] = align_up(device.avail[q] + 6U + 2U * device.size[q], 0x1000);
}

static void write_queue_register(uint32_t offset, uint32_t value)
{
	uint32_t q = device.queue_sel;

	assert_true(q < QUEUES_MAX);
	switch (offset) {
	case VIRTIO_QUEUE_NUM:
		assert_true(value <= device.queue_max[q] && value > 0 && (value & (value - 1U)) == 0);
		device.size[q] = value;
		break;
	case VIRTIO_QUEUE_PFN:
		set_pfn(q, value);
		break;
	case VIRTIO_QUEUE_DESC_LOW:
	case VIRTIO_QUEUE_DESC_HIGH:
		set_half(&device.desc[q], offset == VIRTIO_QUEUE_DESC_HIGH, value);
		break;
	case VIRTIO_QUEUE_DRIVER_LOW:
	case VIRTIO_QUEUE_DRIVER_HIGH:
		set_half(&device.avail[q], offset == VIRTIO_QUEUE_DRIVER_HIGH, value);
		break;
	case VIRTIO_QUEUE_DEVICE_LOW:
	case VIRTIO_QUEUE_DEVICE_HIGH:
		set_half(&device.used[q], offset == VIRTIO_QUEUE_DEVICE_HIGH, value);
		break;
	default:
		device.word[offset / 4U] = value;
		break;
	}
}

static void write_status(uint32_t value)
{
	device.resets += value == 0;
	if (device.refuses)
		value &= ~VIRTIO_STATUS_FEATURES_OK;
	device.word[VIRTIO_STATUS / 4U] = value;
}

static void device_write(volatile void *addr, size_t size, uint32_t value)
{
	uint32_t offset = offset_of(addr);

	assert_int_equal(size, 4);
	switch (offset) {
	case VIRTIO_DEVICE_FEATURES_SEL:
		device.device_sel = value;
		break;
	case VIRTIO_DRIVER_FEATURES_SEL:
		device.driver_sel = value;
		break;
	case VIRTIO_DRIVER_FEATURES:
		set_half(&device.accepted, device.driver_sel, value);
		break;
	case VIRTIO_QUEUE_SEL:
		device.queue_sel = value;
		break;
	case VIRTIO_QUEUE_NOTIFY:
		assert_true(value < QUEUES_MAX);
		device.notified[value]++;
		if (device.on_notify)
			device.on_notify(value);
		break;
	case VIRTIO_INTERRUPT_ACK:
		device.word[VIRTIO_INTERRUPT_STATUS / 4U] &= ~value;
		break;
	case VIRTIO_STATUS:
		write_status(value);
		break;
	default:
		write_queue_register(offset, value);
		break;
	}
}

/* The device takes the next chain; its first descriptor, -1: none. */
static int device_take(uint32_t q)
{
	const struct hostq_ring *avail = at_pa(device.avail[q]);

	if (avail->index == device.taken[q])
		return -1;
	return avail->entry[device.taken[q]++ & (device.size[q] - 1U)];
}

static struct hostq_desc *device_desc(uint32_t q, uint32_t index)
{
	assert_true(index < device.size[q]);
	return (struct hostq_desc *)at_pa(device.desc[q]) + index;
}

static void device_put(uint32_t q, uint32_t head, uint32_t len)
{
	struct hostq_used *used = at_pa(device.used[q]);

	used->entry[used->index & (device.size[q] - 1U)].id = head;
	used->entry[used->index & (device.size[q] - 1U)].len = len;
	used->index++;
}

#define TREE_HEAD                                                                                                \
	"/dts-v1/; / { #address-cells = <1>; #size-cells = <1>; interrupt-parent = <&gic>;"                      \
	"aliases { net = \"/virtio_mmio@a003e00\"; };"                                                           \
	"gic: gic@8000000 { #interrupt-cells = <3>; #address-cells = <0>; interrupt-controller; reg = <0 0>; };" \
	"uart@9000000 { compatible = \"arm,pl011\"; reg = <0x9000000 0x1000>; };"
#define TRANSPORT(more)                                                                                                \
	"virtio_mmio@a003e00 { compatible = \"virtio,mmio\"; reg = <0xa003e00 0x200>; interrupts = <0 47 1>;" more "}" \
	";"

static inline void compile_tree(const char *text)
{
	char command[] = "dtc -q -I dts -O dtb -o /tmp/virt7-XXXXXX.dtb";
	char *path = strstr(command, "/tmp");
	int fd = mkstemps(path, 4);
	FILE *pipe = popen(command, "w");

	assert_true(fd >= 0);
	assert_non_null(pipe);
	assert_true(fputs(text, pipe) >= 0);
	assert_int_equal(pclose(pipe), 0);
	assert_true(read(fd, tree, sizeof(tree)) > 0);
	close(fd);
	remove(path);
	rig_host.gic_node = fdt_path_offset(tree, "/gic@8000000");
}

static inline void rig_device(uint32_t version, uint32_t id, uint64_t features)
{
	fake_machine_reset();
	memset(&device, 0, sizeof(device));
	heap_used = 0;
	heap_end = HEAP_SIZE;
	heap_freed = 0;
	device.word[VIRTIO_MAGIC_VALUE / 4U] = VIRTIO_MAGIC;
	device.word[VIRTIO_VERSION / 4U] = version;
	device.word[VIRTIO_DEVICE_ID / 4U] = id;
	device.features = features | (version == 1 ? BIT64(VIRTIO_F_ANY_LAYOUT) : BIT64(VIRTIO_F_VERSION_1));
	device.queue_max[0] = device.queue_max[1] = 256;
	fake_machine.io_read = device_read;
	fake_machine.io_write = device_write;
	compile_tree(TREE_HEAD TRANSPORT("") "};");
}

#endif
