/* SPDX-License-Identifier: BSD-2-Clause */
/* See virtio_rig.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arm/atomic.h>

#include "fake_log.h"
#include "fake_machine.h"
#include "fake_page.h"
#include "hyp/exit/mmio.h"
#include "mm/page.h"
#include "vgic/vgic.h"
#include "virtio_rig.h"

static struct percpu rig_cpu; /* where the vCPUs live */
struct vm rig_vm;
struct vcpu rig_vcpu[2];
bool rig_shown;
bool rig_line[MACHINE_VIRTIO_COUNT];
uint32_t rig_edges;
static uint32_t ring_size;
static uint16_t avail_index;

void vgic_set_line(struct vm *vm, uint32_t cpu, uint32_t id, bool level)
{
	assert_ptr_equal(vm, &rig_vm);
	assert_int_equal(cpu, 0);
	assert_in_range(id, MACHINE_SPI_VIRTIO(0), MACHINE_SPI_VIRTIO(MACHINE_VIRTIO_COUNT - 1U));
	rig_edges += level && !rig_line[id - MACHINE_SPI_VIRTIO(0)];
	rig_line[id - MACHINE_SPI_VIRTIO(0)] = level;
}

struct virtio_device *rig_add(const struct device_class *class, const char *name)
{
	struct device **end = &rig_vm.devices, *device = page_alloc(page_order(class->size));

	assert_non_null(device);
	while (*end)
		end = &(*end)->next;
	*end = device;
	device->class = class;
	device->vm = &rig_vm;
	device->name = name;
	assert_int_equal(class->create(device), 0);
	device->created = true;
	class->reset(device);
	return virtio_of(device);
}

void rig_make_vm(void)
{
	memset(&rig_vm, 0, sizeof(rig_vm));
	memset(rig_vcpu, 0, sizeof(rig_vcpu));
	memset(rig_line, 0, sizeof(rig_line));
	rig_vm.vcpu_count = 2;
	rig_vm.config.ram_size = FAKE_GUEST_RAM;
	strcpy(rig_vm.config.name, "web");
	for (uint32_t i = 0; i < 2; i++) {
		rig_vm.vcpu[i] = &rig_vcpu[i];
		rig_vcpu[i] = (struct vcpu){.vm = &rig_vm, .index = i, .power = VCPU_ON, .bus = &rig_vm.bus};
		rig_vcpu[i].thread.cpu = &rig_cpu;
	}
	mmio_init(&rig_vm.bus);
	assert_int_equal(device_create(&rig_vm, &virtio_bus_class), 0);
}

struct virtio_device *rig_begin(const struct device_class *class, const char *name)
{
	fake_machine_reset();
	fake_virtio_reset();
	fake_virtio.shown = rig_shown;
	fake_log_reset();
	rig_make_vm();
	return class ? rig_add(class, name) : NULL;
}

void rig_end(void)
{
	device_destroy_all(&rig_vm);
	assert_int_equal(fake_page_live(), 0);
	assert_int_equal(fake_virtio.maps, 0);
	assert_int_equal(fake_virtio.views, 0);
}

static uint64_t address(uint32_t slot, uint32_t reg)
{
	return MACHINE_VIRTIO_BASE + slot * MACHINE_VIRTIO_SIZE + reg;
}

uint32_t rig_read_size(uint32_t slot, uint32_t reg, uint32_t size)
{
	struct mmio_access access = {.size = size};

	assert_int_equal(mmio_access(&rig_vcpu[0], address(slot, reg), &access), MMIO_DONE);
	return access.value;
}

void rig_write_size(uint32_t slot, uint32_t reg, uint32_t value, uint32_t size)
{
	struct mmio_access access = {.size = size, .write = true, .value = value};

	assert_int_equal(mmio_access(&rig_vcpu[0], address(slot, reg), &access), MMIO_DONE);
}

uint32_t rig_read(uint32_t reg)
{
	return rig_read_size(0, reg, 4);
}

void rig_write(uint32_t reg, uint32_t value)
{
	rig_write_size(0, reg, value, 4);
}

static void clear_rings(uint32_t size)
{
	memset(fake_guest_at(RIG_DESC), 0, 16U * size);
	memset(fake_guest_at(RIG_AVAIL), 0, 6U + 2U * size);
	memset(fake_guest_at(RIG_USED), 0, 6U + 8U * size);
	ring_size = size;
	avail_index = 0;
}

void rig_start(uint64_t features, uint32_t queue, uint32_t size)
{
	clear_rings(size);
	rig_write(VIRTIO_STATUS, 0);
	rig_write(VIRTIO_STATUS, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
	features |= BIT64(VIRTIO_F_VERSION_1);
	for (uint32_t i = 0; i < 2; i++) {
		rig_write(VIRTIO_DRIVER_FEATURES_SEL, i);
		rig_write(VIRTIO_DRIVER_FEATURES, (uint32_t)(features >> 32U * i));
	}
	rig_write(VIRTIO_STATUS, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK);
	rig_write(VIRTIO_QUEUE_SEL, queue);
	rig_write(VIRTIO_QUEUE_NUM, size);
	rig_write(VIRTIO_QUEUE_DESC_LOW, (uint32_t)RIG_DESC);
	rig_write(VIRTIO_QUEUE_DESC_HIGH, 0);
	rig_write(VIRTIO_QUEUE_DRIVER_LOW, (uint32_t)RIG_AVAIL);
	rig_write(VIRTIO_QUEUE_DRIVER_HIGH, 0);
	rig_write(VIRTIO_QUEUE_DEVICE_LOW, (uint32_t)RIG_USED);
	rig_write(VIRTIO_QUEUE_DEVICE_HIGH, 0);
	rig_write(VIRTIO_QUEUE_READY, 1);
	assert_int_equal(rig_read(VIRTIO_QUEUE_READY), 1);
	rig_write(VIRTIO_STATUS, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK |
					 VIRTIO_STATUS_DRIVER_OK);
}

void rig_desc_at(uint64_t table, uint32_t index, uint64_t addr, uint32_t len, uint32_t flags, uint32_t next)
{
	struct virtq_desc *desc = fake_guest_at(table + 16U * index);

	*desc = (struct virtq_desc){addr, len, (uint16_t)flags, (uint16_t)next};
}

void rig_desc(uint32_t index, uint64_t addr, uint32_t len, uint32_t flags, uint32_t next)
{
	rig_desc_at(RIG_DESC, index, addr, len, flags, next);
}

uint16_t rig_get16(uint64_t at)
{
	return *(uint16_t *)fake_guest_at(at);
}

void rig_set16(uint64_t at, uint16_t value)
{
	*(uint16_t *)fake_guest_at(at) = value;
}

void rig_offer(uint32_t head)
{
	rig_set16(RIG_AVAIL + 4U + 2U * (avail_index % ring_size), (uint16_t)head);
	rig_set16(RIG_AVAIL + 2U, ++avail_index);
}

void rig_step(void)
{
	atomic_clear(&rig_vcpu[0].thread.work, WORK_VIRTIO);
	fake_virtio.copies = fake_virtio.touches = 0;
	if (virtio_work(&rig_vcpu[0]))
		atomic_or(&rig_vcpu[0].thread.work, WORK_VIRTIO);
	assert_int_equal(fake_virtio.views, 0);
	assert_in_range(fake_virtio.touches, 0, 1);
}

uint32_t rig_work(void)
{
	uint32_t steps = 0;

	while (rig_vcpu[0].thread.work & WORK_VIRTIO) {
		rig_step();
		assert_in_range(fake_virtio.copies, 0, fake_virtio.touches ? VIRTQ_STEP_PIECES : RIG_COPIES_MAX);
		assert_in_range(++steps, 0, 100000);
	}
	return steps;
}

uint32_t rig_notify(uint32_t queue)
{
	uint32_t before = fake_virtio.opened;

	fake_virtio.copies = fake_virtio.touches = 0;
	rig_write(VIRTIO_QUEUE_NOTIFY, queue);
	assert_int_equal(fake_virtio.views, 0);
	assert_in_range(fake_virtio.touches, 0, 1);
	assert_in_range(fake_virtio.copies, 0, fake_virtio.touches ? VIRTQ_STEP_PIECES : RIG_COPIES_MAX);
	return fake_virtio.opened - before;
}

uint32_t rig_kick(void)
{
	uint32_t first = rig_notify(0);

	return first + rig_work();
}

uint16_t rig_used_index(void)
{
	return rig_get16(RIG_USED + 2U);
}

uint32_t rig_used_id(uint32_t entry)
{
	return *(uint32_t *)fake_guest_at(RIG_USED + 4U + 8U * (entry % ring_size));
}

uint32_t rig_used_len(uint32_t entry)
{
	return *(uint32_t *)fake_guest_at(RIG_USED + 8U + 8U * (entry % ring_size));
}
