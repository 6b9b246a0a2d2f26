/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The devices of a VM as a list (hyp/vdev/device.c), with classes of this test: who is made of what node, in which
 * order, what keeps a VM off, and that everything comes back.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "fake_log.h"
#include "fake_page.h"
#include "fit.h"
#include "hyp/exit/mmio.h"
#include "hyp/lib/bits.h"
#include "hyp/load/bundle.h"
#include "hyp/load/tree.h"
#include "hyp/run/timer.h"
#include "hyp/vdev/device.h"
#include "hyp/vm/vm.h"

/* What has been called, a letter and the device's name or class each. */
static char calls[512];
static int create_result;

static void note(char what, const struct device *device)
{
	const char *name = device->name ? device->name : device->class->name;
	size_t len = strlen(calls);

	assert_in_range(len + strlen(name), 0, sizeof(calls) - 3);
	calls[len] = what;
	strcpy(calls + len + 1, name);
	strcat(calls, " ");
}

struct disk {
	struct device device;
	uint32_t *pointer; /* not of what is saved */
	uint64_t sectors;
	uint8_t state[12];
};

static const char *parse_size(struct device *device, const struct bundle *b, int node, const char *name)
{
	uint64_t value;

	if (bundle_get_number(b, node, name, &value) || value == 0)
		return "not a number of sectors";
	container_of(device, struct disk, device)->sectors = value;
	return NULL;
}

static const char *parse_nothing(struct device *device, const struct bundle *b, int node, const char *name)
{
	(void)device, (void)b, (void)node, (void)name;
	return NULL;
}

static int disk_create(struct device *device)
{
	note('c', device);
	return create_result;
}

static void disk_reset(struct device *device)
{
	note('r', device);
}

static void disk_quiesce(struct device *device)
{
	note('q', device);
}

static void disk_restore(struct device *device)
{
	note('R', device);
}

static void disk_destroy(struct device *device)
{
	note('d', device);
}

static const struct property disk_properties[] = {
	{.name = "size", .parse = parse_size, .missing = "missing; say how many sectors"},
	{.name = "read-only", .parse = parse_nothing},
	{.name = NULL},
};

static const struct device_class disk_class = {
	.name = "disk",
	.compatible = "test,disk",
	.properties = disk_properties,
	.timers = TIMER_DEVICE_MAX / 2,
	.size = sizeof(struct disk),
	.saved = offsetof(struct disk, sectors),
	.create = disk_create,
	.reset = disk_reset,
	.quiesce = disk_quiesce,
	.restore = disk_restore,
	.destroy = disk_destroy,
};

/* Classes that have nothing but what is needed. */
static const struct device_class plain_class = {
	.name = "plain", .size = sizeof(struct device), .saved = sizeof(struct device), .create = disk_create};
static const struct device_class bare_class = {
	.name = "bare", .compatible = "test,bare", .size = 8192, .saved = 8192, .create = disk_create};

const struct device_class *const device_classes[] = {&disk_class, &plain_class, &bare_class, NULL};

static struct vm vm;
static struct fit f;
static struct bundle b;

/* A bundle with one VM, whose node stays open. */
static void begin(void)
{
	static const struct fit_image image = {.name = "linux", .data = "x", .size = 1, .arch = "arm"};

	fit_begin(&f);
	fit_image(&f, &image);
	fit_vms(&f);
	fit_vm(&f, "a");
}

static void begin_device(const char *name, const char *compatible)
{
	assert_int_equal(fdt_begin_node(f.blob, name), 0);
	fit_string(&f, "compatible", compatible);
}

static void end_device(void)
{
	assert_int_equal(fdt_end_node(f.blob), 0);
}

static void add_disk(const char *name, uint32_t size)
{
	begin_device(name, "test,disk");
	assert_int_equal(fdt_property_u32(f.blob, "size", size), 0);
	end_device();
}

/* The devices of the VM in the bundle. */
static int make(void)
{
	fit_vm_end(&f);
	fit_end(&f);
	assert_int_equal(bundle_open(&b, f.blob, f.size), 0);
	fake_log_reset();
	return device_create_all(&vm, &b, fdt_path_offset(f.blob, "/vms/a"));
}

static int setup(void **state)
{
	(void)state;
	memset(&vm, 0, sizeof(vm));
	strcpy(vm.config.name, "a");
	calls[0] = '\0';
	create_result = 0;
	f.blob = NULL;
	return 0;
}

/* Whatever has happened: what there is goes away, and nothing is left. */
static int teardown(void **state)
{
	(void)state;
	device_destroy_all(&vm);
	fit_free(&f);
	return fake_page_live() == 0 ? 0 : -1;
}

static void test_order(void **state)
{
	(void)state;
	begin();
	add_disk("disk1", 5);
	begin_device("net0", "test,unknown");
	end_device();
	begin_device("bare", "test,bare");
	end_device();
	add_disk("disk0", 6);
	assert_int_equal(make(), 0);
	assert_string_equal(calls, "cplain cdisk1 rdisk1 cbare cdisk0 rdisk0 ");
	assert_int_equal(fake_log_count(LOG_ERR), 0);
	assert_ptr_equal(device_first(&vm)->class, &plain_class);
	assert_string_equal(device_find(&vm, &disk_class)->name, "disk1");
	assert_int_equal(device_find(&vm, &disk_class)->number, 0);
	assert_int_equal(device_find(&vm, &disk_class)->next->next->number, 1);
	assert_ptr_equal(device_find(&vm, &disk_class)->vm, &vm);
	assert_int_equal(container_of(device_find(&vm, &disk_class), struct disk, device)->sectors, 5);

	calls[0] = '\0';
	device_quiesce_all(&vm);
	device_reset_all(&vm);
	device_destroy_all(&vm);
	assert_string_equal(calls, "qdisk1 qdisk0 rdisk1 rdisk0 ddisk0 ddisk1 ");
	assert_null(device_first(&vm));
	assert_null(device_find(&vm, &disk_class));
}

/* The demo guest, and a VM whose node has none. */
static void test_without_a_bundle(void **state)
{
	(void)state;
	assert_int_equal(device_create_all(&vm, NULL, 0), 0);
	assert_string_equal(calls, "cplain ");
	assert_null(device_first(&vm)->next);
}

static void expect_refusal(const char *line)
{
	assert_int_equal(make(), -EINVAL);
	assert_int_equal(fake_log_count(LOG_ERR), 1);
	assert_string_equal(fake_log_last(LOG_ERR), line);
	assert_string_equal(calls, "cplain "); /* what is wrong has not been made */
}

static void test_misspelt_property(void **state)
{
	(void)state;
	begin();
	begin_device("disk0", "test,disk");
	assert_int_equal(fdt_property_u32(f.blob, "size", 1), 0);
	assert_int_equal(fdt_property(f.blob, "readonly", NULL, 0), 0);
	end_device();
	expect_refusal("vm a: /vms/a/disk0: readonly: unknown property of a device; correct it or take it out");
}

/* A class without a table has no property; `phandle` is dtc's. */
static void test_class_without_properties(void **state)
{
	(void)state;
	begin();
	begin_device("bare", "test,bare");
	assert_int_equal(fdt_property_u32(f.blob, "phandle", 1), 0);
	assert_int_equal(fdt_property_u32(f.blob, "size", 1), 0);
	end_device();
	expect_refusal("vm a: /vms/a/bare: size: unknown property of a device; correct it or take it out");
}

static void test_missing_property(void **state)
{
	(void)state;
	begin();
	begin_device("disk0", "test,disk");
	assert_int_equal(fdt_property_u32(f.blob, "phandle", 1), 0);
	end_device();
	expect_refusal("vm a: /vms/a/disk0: size: missing; say how many sectors");
}

static void test_bad_property(void **state)
{
	(void)state;
	begin();
	add_disk("disk0", 0);
	expect_refusal("vm a: /vms/a/disk0: size: not a number of sectors");
}

static void test_subnode(void **state)
{
	(void)state;
	begin();
	begin_device("disk0", "test,disk");
	assert_int_equal(fdt_property_u32(f.blob, "size", 1), 0);
	begin_device("partition", "test,bare");
	end_device();
	end_device();
	expect_refusal("vm a: /vms/a/disk0: partition: unknown node in a device; take it out");
}

/* A device that could not be created is not destroyed, but its memory comes back; the one before is. */
static void test_create_fails(void **state)
{
	(void)state;
	begin();
	add_disk("disk0", 1);
	assert_int_equal(make(), 0);
	create_result = -EEXIST;
	calls[0] = '\0';
	assert_int_equal(device_create(&vm, &disk_class), -EEXIST);
	device_destroy_all(&vm);
	assert_string_equal(calls, "cdisk ddisk0 ");
}

/* Two disks have all timers that there are for devices, of whatever VM; those of a destroyed one are the next one's. */
static void test_no_timer_is_left(void **state)
{
	struct vm other = {.config.name = "b"};

	(void)state;
	begin();
	add_disk("disk0", 1);
	add_disk("disk1", 1);
	assert_int_equal(make(), 0);
	assert_int_equal(device_create(&other, &disk_class), -EINVAL);
	assert_int_equal(fake_log_count(LOG_ERR), 1);
	assert_string_equal(fake_log_last(LOG_ERR),
			    "vm b: disk: no timer is left: the devices of all VMs may have 752; take some out");
	assert_int_equal(device_create(&other, &plain_class), 0);
	device_destroy_all(&other);
	device_destroy_all(&vm);
	assert_int_equal(device_create(&other, &disk_class), 0);
	create_result = -EEXIST;
	assert_int_equal(device_create(&other, &disk_class), -EEXIST);
	create_result = 0;
	assert_int_equal(device_create(&other, &disk_class), 0);
	assert_int_equal(device_create(&other, &disk_class), -EINVAL);
	device_destroy_all(&other);
}

/* Small ones lie in one page behind each other, and none has bytes of another's, nor of one that was there before. */
static void test_small_devices_share(void **state)
{
	struct device *first, *device;

	(void)state;
	for (uint32_t round = 0; round < 2; round++) {
		unsigned int count = 0;

		for (; fake_page_live() < 2; count++)
			assert_int_equal(device_create(&vm, &plain_class), 0);
		assert_int_equal(count, PAGE_SIZE / align_up(sizeof(struct device), DEVICE_ALIGN) + 1U);
		first = vm.devices;
		assert_int_equal((uintptr_t)first % PAGE_SIZE, 0);
		for (device = first; device->next->next; device = device->next) {
			assert_true((uintptr_t)device->next >= (uintptr_t)(device + 1));
			assert_int_equal((uintptr_t)device->next % DEVICE_ALIGN, 0);
			assert_true((uintptr_t)(device->next + 1) <= (uintptr_t)first + PAGE_SIZE);
			assert_null(device->name);
			device->name = "used";
		}
		assert_int_equal((uintptr_t)device->next % PAGE_SIZE, 0);
		device_destroy_all(&vm);
		assert_int_equal(fake_page_live(), 0);
	}
}

/* The heap ends at each device in turn that begins a page: a bare one fills two. */
static void test_no_memory(void **state)
{
	(void)state;
	begin();
	add_disk("disk0", 1);
	begin_device("bare", "test,bare");
	end_device();
	add_disk("disk1", 1);
	fit_vm_end(&f);
	fit_end(&f);
	assert_int_equal(bundle_open(&b, f.blob, f.size), 0);
	for (unsigned int left = 0; left <= 3; left++) {
		fake_page_set_left(left);
		assert_int_equal(device_create_all(&vm, &b, fdt_path_offset(f.blob, "/vms/a")), left < 3 ? -ENOMEM : 0);
		device_destroy_all(&vm);
		assert_int_equal(fake_page_live(), 0);
	}
	fake_page_set_empty(false);
}

/* The plain data and nothing else. */
static void test_save_and_restore(void **state)
{
	uint64_t saved[4];
	struct disk *disk;
	uint32_t target;

	(void)state;
	begin();
	add_disk("disk0", 7);
	assert_int_equal(make(), 0);
	disk = container_of(device_find(&vm, &disk_class), struct disk, device);
	assert_int_equal(device_saved_size(&disk->device), sizeof(struct disk) - offsetof(struct disk, sectors));
	assert_in_range(device_saved_size(&disk->device), 1, sizeof(saved));
	memset(disk->state, 0x5a, sizeof(disk->state));
	device_save(&disk->device, saved);
	disk->pointer = &target;
	disk->sectors = 0;
	memset(disk->state, 0, sizeof(disk->state));
	calls[0] = '\0';
	device_restore(&disk->device, saved);
	assert_string_equal(calls, "Rdisk0 ");
	assert_ptr_equal(disk->pointer, &target);
	assert_int_equal(disk->sectors, 7);
	for (uint32_t i = 0; i < sizeof(disk->state); i++)
		assert_int_equal(disk->state[i], 0x5a);
	assert_int_equal(device_saved_size(device_first(&vm)), 0);
}

#define DEVICE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DEVICE_TEST(test_order),
		DEVICE_TEST(test_without_a_bundle),
		DEVICE_TEST(test_misspelt_property),
		DEVICE_TEST(test_class_without_properties),
		DEVICE_TEST(test_missing_property),
		DEVICE_TEST(test_bad_property),
		DEVICE_TEST(test_subnode),
		DEVICE_TEST(test_create_fails),
		DEVICE_TEST(test_small_devices_share),
		DEVICE_TEST(test_no_memory),
		DEVICE_TEST(test_no_timer_is_left),
		DEVICE_TEST(test_save_and_restore),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
