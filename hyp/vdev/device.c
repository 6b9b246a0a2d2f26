/* SPDX-License-Identifier: BSD-2-Clause */
/* The devices of a VM as a list, whatever they are. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include <libfdt.h>

#include "hyp/lib/log.h"
#include "hyp/load/words.h"
#include "hyp/run/sched.h"
#include "hyp/run/timer.h"
#include "hyp/vdev/device.h"
#include "hyp/vm/vm.h"
#include "mm/page.h"

/* A heap of timers has room for all that there are (hyp/run/timer.h). */
static_assert(TIMER_DEVICE_MAX + 2U * VCPU_MAX + 5U * VM_MAX + TIMER_OWN <= TIMER_HEAP_MAX, "hyp/run/timer.h");

static uint32_t timers; /* of all devices that there are */

const struct device_class *device_class_of(const struct bundle *b, int node)
{
	int len;
	const char *names = fdt_getprop(b->fdt, node, "compatible", &len);

	for (const struct device_class *const *class = device_classes; names && *class; class ++)
		if ((*class)->compatible && fdt_stringlist_contains(names, len, (*class)->compatible))
			return *class;
	return NULL;
}

const struct device *device_first(const struct vm *vm)
{
	return vm->devices;
}

struct device *device_find(const struct vm *vm, const struct device_class *class)
{
	struct device *device = vm->devices;

	while (device && device->class != class)
		device = device->next;
	return device;
}

struct device *device_holding(const struct vm *vm, uint64_t at, uint64_t size)
{
	for (struct device *device = vm->devices; device; device = device->next)
		if (device->class->holds && device->class->holds(device, at, size))
			return device;
	return NULL;
}

/*
 * Most devices are small, so one begins in what the one before it has left of its last page, if it fits there. The last
 * one goes first, and who begins a page has it.
 */
static bool begins_page(const struct device *device)
{
	return (uintptr_t)device % PAGE_SIZE == 0;
}

static void *device_room(const struct device *before, size_t size)
{
	uintptr_t at = (uintptr_t)align_up((uintptr_t)before + (before ? before->class->size : 0), DEVICE_ALIGN);

	if (at % PAGE_SIZE != 0 && at % PAGE_SIZE + size <= PAGE_SIZE)
		return (void *)at;
	return page_alloc(page_order(size));
}

static void free_room(struct device *device, size_t size)
{
	if (begins_page(device))
		page_free(device, page_order(size));
	else
		memset(device, 0, size); /* for the next one here */
}

/* A new device at the end of the list, of which nothing is in use yet. */
static struct device *append_device(struct vm *vm, const struct device_class *class)
{
	struct device **end = &vm->devices, *before = NULL, *device;
	uint32_t number = 0;

	for (; *end; end = &before->next) {
		before = *end;
		number += before->class == class;
	}
	device = device_room(before, class->size);
	if (!device)
		return NULL;
	device->class = class;
	device->vm = vm;
	device->number = number;
	*end = device;
	return device;
}

static int refuse_timers(const struct device *device)
{
	log_err("vm %s: %.40s: no timer is left: the devices of all VMs may have %u; take some out",
		device->vm->config.name, device->name ? device->name : device->class->name, TIMER_DEVICE_MAX);
	return -EINVAL;
}

static int create_device(struct device *device)
{
	int ret;

	if (device->class->timers > TIMER_DEVICE_MAX - timers)
		return refuse_timers(device);
	ret = device->class->create(device);
	if (ret)
		return ret;
	timers += device->class->timers;
	device->created = true;
	if (device->class->reset)
		device->class->reset(device);
	return 0;
}

int device_create(struct vm *vm, const struct device_class *class)
{
	struct device *device = append_device(vm, class);

	return device ? create_device(device) : -ENOMEM;
}

static int refuse_device_node(const struct device *device, const char *property, const char *wrong)
{
	const char *vm = device->vm->config.name;

	log_err("vm %s: /vms/%s/%.40s: %.40s: %s", vm, vm, device->name, property, wrong);
	return -EINVAL;
}

/* What dtc adds by itself, or every node has. */
static bool is_common_property(const char *name)
{
	return !strcmp(name, "compatible") || !strcmp(name, "phandle");
}

/* A misspelt `read-only` must not become a writable disk: what the class does not know keeps the VM off. */
static int check_node(const struct device *device, const struct bundle *b, int node)
{
	const char *name;
	int item;

	fdt_for_each_property_offset(item, b->fdt, node)
		if (fdt_getprop_by_offset(b->fdt, item, &name, NULL) && !is_common_property(name) &&
		    !property_find(device->class->properties, name))
			return refuse_device_node(device, name, WORDS_UNKNOWN_DEVICE_PROPERTY);
	fdt_for_each_subnode(item, b->fdt, node) {
		name = fdt_get_name(b->fdt, item, NULL);
		return refuse_device_node(device, name ? name : "?", WORDS_UNKNOWN_DEVICE_NODE);
	}
	return 0;
}

static int parse_node(struct device *device, const struct bundle *b, int node)
{
	int ret = check_node(device, b, node);
	const struct property *p;
	const char *wrong;

	if (ret)
		return ret;
	p = property_read_all(device->class->properties, b, node, device, &wrong);
	return p ? refuse_device_node(device, p->name, wrong) : 0;
}

static int create_from(struct vm *vm, const struct device_class *class, const struct bundle *b, int node)
{
	struct device *device = append_device(vm, class);
	int ret;

	if (!device)
		return -ENOMEM;
	device->name = fdt_get_name(b->fdt, node, NULL);
	device->bundle = b;
	ret = parse_node(device, b, node);
	return ret ? ret : create_device(device);
}

static int finish_all(struct vm *vm)
{
	int ret = 0;

	for (struct device *device = vm->devices; !ret && device; device = device->next)
		if (device->class->finish)
			ret = device->class->finish(device);
	return ret;
}

static int create_nodes(struct vm *vm, const struct bundle *b, int node)
{
	int ret = 0, sub;

	if (node <= 0)
		return 0;
	fdt_for_each_subnode(sub, b->fdt, node) {
		const struct device_class *class = device_class_of(b, sub);

		ret = class ? create_from(vm, class, b, sub) : 0;
		if (ret)
			return ret;
	}
	return 0;
}

int device_create_all(struct vm *vm, const struct bundle *b, int node)
{
	int ret = 0;

	for (const struct device_class *const *class = device_classes; !ret && *class; class ++)
		if (!(*class)->compatible) {
			ret = device_create(vm, *class);
			sched_preempt();
		}
	if (!ret)
		ret = create_nodes(vm, b, node);
	return ret ? ret : finish_all(vm);
}

void device_reset_all(struct vm *vm)
{
	for (struct device *device = vm->devices; device; device = device->next) {
		if (device->class->reset)
			device->class->reset(device);
		sched_preempt();
	}
}

void device_quiesce_all(struct vm *vm)
{
	for (struct device *device = vm->devices; device; device = device->next) {
		if (device->class->quiesce)
			device->class->quiesce(device);
		sched_preempt();
	}
}

void device_settle_all(struct vm *vm)
{
	for (struct device *device = vm->devices; device; device = device->next)
		if (device->class->settle)
			device->class->settle(device);
}

static struct device *take_last_device(struct vm *vm)
{
	struct device **end = &vm->devices, *device;

	while (*end && (*end)->next)
		end = &(*end)->next;
	device = *end;
	*end = NULL;
	return device;
}

void device_destroy_all(struct vm *vm)
{
	struct device *device;

	while ((device = take_last_device(vm))) {
		if (device->created && device->class->destroy)
			device->class->destroy(device);
		timers -= device->created ? device->class->timers : 0;
		free_room(device, device->class->size);
	}
}

size_t device_saved_size(const struct device *device)
{
	return device->class->size - device->class->saved;
}

void device_save(const struct device *device, void *to)
{
	memcpy(to, (const uint8_t *)device + device->class->saved, device_saved_size(device));
}

void device_restore(struct device *device, const void *from)
{
	memcpy((uint8_t *)device + device->class->saved, from, device_saved_size(device));
	if (device->class->restore)
		device->class->restore(device);
}
