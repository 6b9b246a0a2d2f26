/* SPDX-License-Identifier: BSD-2-Clause */
/* The device for tests in two VMs: its row beside the product's, its property, registers, interrupt, node, saving; its
 * requests. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "fake_page.h"
#include "fake_virtio.h"
#include "fit.h"
#include "hyp/console/console.h"
#include "hyp/exit/mmio.h"
#include "hyp/load/bundle.h"
#include "hyp/load/guestdtb.h"
#include "hyp/run/timer.h"
#include "hyp/vdev/device.h"
#include "hyp/vm/memerr.h"
#include "hyp/vm/vm.h"
#include "tests/device/testdev.h"
#include "vgic/vgic.h"

#define BASE ((uint32_t)MACHINE_RAM_BASE)

extern const struct device_class testdev_class;

int memerr_guest_page(struct vm *of, ipa_t at, bool async)
{
	(void)of, (void)at, (void)async;
	return -EBUSY;
}

static struct vm vm[2];
static struct vcpu vcpu[2] = {{.vm = &vm[0]}, {.vm = &vm[1]}};
static bool line[2];
static uint32_t armed; /* timers */

void vgic_pulse(struct vm *of, uint32_t cpu, uint32_t id)
{
	(void)of, (void)cpu, (void)id;
}

void vgic_set_line(struct vm *of, uint32_t cpu, uint32_t id, bool level)
{
	(void)cpu;
	if (id == TESTDEV_IRQ)
		line[of - vm] = level;
}

/* The product's devices are there, and do nothing. */
int console_getc(struct console_stream *stream)
{
	(void)stream;
	return -1;
}

void timer_arm(struct timer *timer, uint64_t deadline)
{
	(void)deadline;
	armed += timer->cpu == NULL;
	timer->cpu = (struct percpu *)timer;
}

void timer_take_out(struct timer *timer)
{
	(void)timer;
}

void timer_drain(struct timer *timer)
{
	armed -= timer->cpu != NULL;
	timer->cpu = NULL;
}

uint32_t timer_hz(void)
{
	return 1;
}

static uint32_t rd(uint32_t n, uint32_t offset)
{
	struct mmio_access access = {.size = 4};

	assert_int_equal(mmio_access(&vcpu[n], TESTDEV_BASE + offset, &access), MMIO_DONE);
	return access.value;
}

static void wr(uint32_t n, uint32_t offset, uint32_t value)
{
	struct mmio_access access = {.size = 4, .write = true, .value = value};

	assert_int_equal(mmio_access(&vcpu[n], TESTDEV_BASE + offset, &access), MMIO_DONE);
}

static void reset_vm(uint32_t n)
{
	device_quiesce_all(&vm[n]);
	device_reset_all(&vm[n]);
}

static void add_vm(struct fit *f, const char *name, uint32_t start)
{
	fit_vm(f, name);
	assert_int_equal(fdt_begin_node(f->blob, "dev"), 0);
	fit_string(f, "compatible", "virt7,test-device");
	assert_int_equal(fdt_property_u32(f->blob, "start", start), 0);
	assert_int_equal(fdt_end_node(f->blob), 0);
	fit_vm_end(f);
}

static void test_two_vms(void **state)
{
	static const struct fit_image image = {.name = "linux", .data = "x", .size = 1, .arch = "arm"};
	static uint64_t tree[GUESTDTB_MAX / 8];
	const struct vm_config cfg = {.cpus = 1, .ram_size = 1 << 23, .bootargs = ""};
	struct guestdtb_params params = {0};
	struct bundle b;
	struct fit f;

	(void)state;
	fit_begin(&f);
	fit_image(&f, &image);
	fit_vms(&f);
	add_vm(&f, "a", 7);
	add_vm(&f, "b", 9);
	fit_end(&f);
	assert_int_equal(bundle_open(&b, f.blob, f.size), 0);
	assert_int_equal(device_create_all(&vm[0], &b, fdt_path_offset(f.blob, "/vms/a")), 0);
	assert_int_equal(device_create_all(&vm[1], &b, fdt_path_offset(f.blob, "/vms/b")), 0);
	params.devices = device_first(&vm[0]);
	assert_true(guestdtb_make(&cfg, &params, tree, sizeof(tree)) > 0);
	assert_true(fdt_path_offset(tree, "/testdev@c000000") > 0);
	assert_true(fdt_path_offset(tree, "/pl061@9030000") > 0);

	wr(0, TESTDEV_VALUE, 70);
	wr(0, TESTDEV_RAISE, 1);
	wr(0, TESTDEV_SNAP, TESTDEV_SNAP_SAVE);
	assert_int_equal(rd(1, TESTDEV_VALUE), 9);
	assert_true(line[0] && !line[1]);
	reset_vm(0);
	assert_int_equal(rd(0, TESTDEV_SLOW), 7);
	assert_false(line[0]);
	wr(0, TESTDEV_SNAP, TESTDEV_SNAP_RESTORE);
	reset_vm(0);
	assert_int_equal(rd(0, TESTDEV_VALUE), 70);
	assert_true(line[0]);

	rd(0, TESTDEV_VALUE);
	assert_int_equal(armed, 2);
	device_destroy_all(&vm[0]);
	assert_int_equal(armed, 1);
	assert_int_equal(rd(1, TESTDEV_VALUE), 9);
	device_destroy_all(&vm[1]);
	assert_int_equal(armed, 0);
	assert_int_equal(fake_page_live(), 0);
	fit_free(&f);
}

/* The request stands at the start of RAM. */
static int32_t ask(const struct testdev_request *request)
{
	memcpy(fake_guest_at(BASE), request, sizeof(*request));
	wr(0, TESTDEV_REQUEST, BASE);
	assert_int_equal(fake_virtio.views, 0);
	assert_int_equal(fake_virtio.maps, 0);
	return ((const struct testdev_request *)fake_guest_at(BASE))->result;
}

static void refuse(struct testdev_request request)
{
	request.operation = TESTDEV_INVERT + 1U;
	assert_int_equal(ask(&request), -EINVAL);
	request.operation = TESTDEV_COPY;
	request.shift = TESTDEV_SHIFT_MAX + 1U;
	assert_int_equal(ask(&request), -EINVAL);
	request.shift = 0;
	request.from.piece[1].len = TESTDEV_BUFFER;
	assert_int_equal(ask(&request), -EINVAL);
	request.from.piece[1].len = UINT32_MAX;
	assert_int_equal(ask(&request), -EMSGSIZE);
	request.operation = TESTDEV_INVERT;
	request.from.piece[0].len = request.from.piece[1].len = 0;
	assert_int_equal(ask(&request), -EINVAL);
	wr(0, TESTDEV_REQUEST, BASE - 4U); /* nothing happens */
}

static void test_requests(void **state)
{
	struct testdev_request request = {.operation = TESTDEV_COPY,
					  .shift = 1,
					  .from.piece = {{BASE + 4096U, 3}, {BASE + 5000U, 2}},
					  .to.piece = {{BASE + 6000U, 4}, {BASE + 7000U, 1}}};

	(void)state;
	fake_virtio_reset();
	vm[0] = (struct vm){.config.name = "a"};
	assert_int_equal(device_create(&vm[0], &testdev_class), 0);
	memcpy(fake_guest_at(BASE + 4096U), "abc", 3);
	memcpy(fake_guest_at(BASE + 5000U), "de", 2);
	assert_int_equal(ask(&request), 0);
	assert_memory_equal(fake_guest_at(BASE + 6000U), "abcd", 4);
	assert_memory_equal(fake_guest_at(BASE + 7000U), "e\xa5", 2);
	request.operation = TESTDEV_FORWARD;
	request.to.piece[0].at = BASE + 8000U;
	assert_int_equal(ask(&request), 0);
	assert_memory_equal(fake_guest_at(BASE + 8000U), "abcd\xa5", 5);
	request.operation = TESTDEV_INVERT;
	assert_int_equal(ask(&request), 0);
	assert_memory_equal(fake_guest_at(BASE + 4096U), "\x9e\x9d\x9c\xa5", 4);
	assert_int_equal(fake_virtio.synced, 0);
	fake_virtio.uncached = true;
	assert_int_equal(ask(&request), 0);
	assert_memory_equal(fake_guest_at(BASE + 4096U), "abc", 3);
	assert_int_equal(fake_virtio.synced, 6);
	refuse(request);
	device_destroy_all(&vm[0]);
	assert_int_equal(armed, 0);
	assert_int_equal(fake_page_live(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_two_vms), cmocka_unit_test(test_requests)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
