/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console device (hyp/virtio/console.c): what is sent arrives once and in order, whatever the chains and however
 * little the console takes; what is typed waits for a buffer; chains that its driver must not make do no harm.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include <arm/atomic.h>

#include "fake_console.h"
#include "fake_log.h"
#include "fake_page.h"
#include "fit.h"
#include "hyp/load/words.h"
#include "virtio_rig.h"

#define QUEUE_SIZE 8U
#define RECEIVE    0U
#define TRANSMIT   1U
#define STEP       256U
#define UNTOUCHED  0xa5 /* what the fake RAM is filled with */
#define EMERG_WR   (VIRTIO_CONFIG + 8U)

extern const struct device_class virtio_console_class;
const struct device_class *const device_classes[] = {&virtio_console_class, NULL};

static struct virtio_device *con;
static struct console_stream *stream;

static struct fit fit;
static struct bundle bundle;

/* A bundle of /vms/web/`node` and of an empty `vm`, in a quiet world: what device_create_all() says of it. */
static int make(const char *node, const char *vm)
{
	fit_begin(&fit);
	fit_vms(&fit);
	fit_vm(&fit, "web");
	assert_int_equal(fdt_begin_node(fit.blob, node), 0);
	fit_string(&fit, "compatible", "virt7,virtio-console");
	assert_int_equal(fdt_end_node(fit.blob), 0);
	fit_vm_end(&fit);
	fit_vm(&fit, vm);
	fit_vm_end(&fit);
	fit_end(&fit);
	assert_int_equal(bundle_open(&bundle, fit.blob, fit.size), 0);
	rig_begin(NULL, NULL);
	fake_console_reset();
	return device_create_all(&rig_vm, &bundle, fdt_path_offset(fit.blob, "/vms/web"));
}

static int setup(void **state)
{
	(void)state;
	assert_int_equal(make("con1", "other"), 0);
	con = virtio_of(device_find(&rig_vm, &virtio_console_class));
	stream = rig_vm.console.more;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_end();
	fit_free(&fit);
	assert_int_equal(fake_console.streams, 0);
	return 0;
}

static uint8_t *data(uint32_t offset)
{
	return fake_guest_at(RIG_DATA + offset);
}

static void fill(uint32_t offset, const void *text, size_t len)
{
	memcpy(data(offset), text, len);
}

static uint32_t kick(uint32_t queue)
{
	uint32_t first = rig_notify(queue);

	return first + rig_work();
}

static void type(const void *text, size_t len)
{
	fake_console.typed = text;
	fake_console.typed_len = len;
	stream->input_ready(stream);
	rig_work();
}

static void give_room(size_t room)
{
	fake_console.room = room;
	assert_true(stream->refused);
	stream->refused = false;
	stream->room(stream);
	rig_work();
}

static void expect_sent(const void *text, size_t len)
{
	assert_int_equal(fake_console.out_len, len);
	assert_memory_equal(fake_console.out, text, len);
}

static void test_identity(void **state)
{
	(void)state;
	assert_int_equal(rig_read(VIRTIO_DEVICE_ID), VIRTIO_ID_CONSOLE);
	assert_int_equal(rig_read(VIRTIO_QUEUE_NUM_MAX), 64);
	rig_write(VIRTIO_QUEUE_SEL, TRANSMIT);
	assert_int_equal(rig_read(VIRTIO_QUEUE_NUM_MAX), 64);
	rig_write(VIRTIO_QUEUE_SEL, 2);
	assert_int_equal(rig_read(VIRTIO_QUEUE_NUM_MAX), 0);
	rig_write(VIRTIO_DEVICE_FEATURES_SEL, 0);
	assert_int_equal(rig_read(VIRTIO_DEVICE_FEATURES), BIT(2) | BIT(28) | BIT(29)); /* no size, no further ports */
	assert_string_equal(stream->name, "web.con1");
	assert_ptr_equal(stream->vm, &rig_vm);
}

/* Pieces of any length, a byte and none among them; a step takes no more than STEP. */
static void test_send(void **state)
{
	uint8_t text[700];

	(void)state;
	for (uint32_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 7U);
	fill(0, text, sizeof(text));
	rig_start(0, TRANSMIT, QUEUE_SIZE);
	rig_desc(0, RIG_DATA, 1, VIRTQ_DESC_NEXT, 1);
	rig_desc(1, RIG_DATA + 1, 0, VIRTQ_DESC_NEXT, 2);
	rig_desc(2, RIG_DATA + 1, 598, VIRTQ_DESC_NEXT, 3);
	rig_desc(3, RIG_DATA + 599, 1, 0, 0);
	rig_desc(4, RIG_DATA + 600, 100, 0, 0);
	rig_offer(0);
	rig_offer(4);
	assert_in_range(kick(TRANSMIT), 3, 4);
	expect_sent(text, sizeof(text));
	assert_int_equal(rig_used_index(), 2);
	assert_int_equal(rig_used_id(0), 0);
	assert_int_equal(rig_used_len(0), 0);
	assert_int_equal(rig_used_len(1), 0);
	assert_int_equal(con->device.count.bytes, sizeof(text));
	assert_int_equal(con->device.count.requests, 2);
}

/* What the console does not take waits in the ring: not used, not lost, not sent twice; the rest goes when there is
 * room. */
static void test_send_waits_for_room(void **state)
{
	uint8_t text[600];

	(void)state;
	for (uint32_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)i;
	fill(0, text, sizeof(text));
	rig_start(0, TRANSMIT, QUEUE_SIZE);
	rig_desc(0, RIG_DATA, 500, 0, 0);
	rig_desc(1, RIG_DATA + 500, 100, 0, 0);
	rig_offer(0);
	rig_offer(1);
	fake_console.room = 300;
	kick(TRANSMIT);
	expect_sent(text, 300);
	assert_int_equal(rig_used_index(), 0);
	fake_console.room = 0;
	kick(TRANSMIT); /* again and again makes nothing better */
	assert_int_equal(fake_console.out_len, 300);
	give_room(1);
	give_room(199);
	assert_int_equal(rig_used_index(), 1);
	give_room(SIZE_MAX);
	assert_int_equal(rig_used_index(), 2);
	expect_sent(text, sizeof(text));
	assert_int_equal(con->device.count.errors, 0);
}

/* Typed before there is a buffer, and after; a buffer that is longer comes back with what there was. */
static void test_receive(void **state)
{
	(void)state;
	type("early", 5);
	rig_start(0, RECEIVE, QUEUE_SIZE);
	rig_desc(0, RIG_DATA, 3, VIRTQ_DESC_WRITE, 0);
	rig_desc(1, RIG_DATA + 16, 16, VIRTQ_DESC_WRITE, 0);
	rig_desc(2, RIG_DATA + 32, 2, VIRTQ_DESC_WRITE | VIRTQ_DESC_NEXT, 3);
	rig_desc(3, RIG_DATA + 48, 2, VIRTQ_DESC_WRITE, 0);
	for (uint32_t head = 0; head < 3; head++)
		rig_offer(head);
	kick(RECEIVE);
	assert_int_equal(rig_used_index(), 2);
	assert_int_equal(rig_used_len(0), 3);
	assert_int_equal(rig_used_len(1), 2);
	assert_memory_equal(data(0), "ear", 3);
	assert_memory_equal(data(16), "ly", 2);
	assert_int_equal(*data(18), UNTOUCHED);
	assert_true(rig_line[0]);
	type("late", 4);
	assert_int_equal(rig_used_index(), 3);
	assert_int_equal(rig_used_len(2), 4);
	assert_memory_equal(data(32), "la", 2);
	assert_memory_equal(data(48), "te", 2);
	type("x", 1); /* for which there is no buffer */
	assert_int_equal(rig_used_index(), 3);
	assert_int_equal(fake_console.typed_len, 1);
	rig_offer(0);
	kick(RECEIVE);
	assert_memory_equal(data(0), "x", 1);
	assert_int_equal(con->device.count.errors, 0);
}

/* Every value, in as many steps as it takes. */
static void test_binary_clean(void **state)
{
	uint8_t all[600];

	(void)state;
	for (uint32_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)(i * 11U);
	rig_start(0, RECEIVE, QUEUE_SIZE);
	rig_desc(0, RIG_DATA, 1024, VIRTQ_DESC_WRITE, 0);
	rig_desc(1, RIG_DATA + STEP, 1024, VIRTQ_DESC_WRITE, 0);
	rig_desc(2, RIG_DATA + 2 * STEP, 1024, VIRTQ_DESC_WRITE, 0);
	for (uint32_t head = 0; head < 3; head++)
		rig_offer(head);
	type(all, sizeof(all));
	assert_int_equal(rig_used_index(), 3);
	assert_int_equal(rig_used_len(0), STEP); /* and so one buffer does not hold up the CPU */
	assert_memory_equal(data(0), all, sizeof(all));
	rig_start(0, TRANSMIT, QUEUE_SIZE);
	fill(0, all, sizeof(all));
	rig_desc(0, RIG_DATA, sizeof(all), 0, 0);
	rig_offer(0);
	kick(TRANSMIT);
	expect_sent(all, sizeof(all));
}

/* Nothing to read, nothing to write, the wrong direction, memory that aborts or is not there: used, counted, gone on.
 */
static void test_bad_chains_to_send(void **state)
{
	(void)state;
	fill(0, "abc", 3);
	rig_start(0, TRANSMIT, QUEUE_SIZE);
	rig_desc(0, RIG_DATA, 0, 0, 0);
	rig_desc(1, RIG_DATA + 64, 16, VIRTQ_DESC_WRITE, 0);
	rig_desc(2, RIG_DATA, 1, VIRTQ_DESC_NEXT, 3);
	rig_desc(3, RIG_DATA + 64, 16, VIRTQ_DESC_WRITE, 0);
	rig_desc(4, MACHINE_UART_BASE, 16, 0, 0);
	fake_virtio.bad = RIG_DATA + 0x1000;
	fake_virtio.bad_size = 0x1000;
	rig_desc(5, RIG_DATA + 0x1000, 16, 0, 0);
	rig_desc(6, RIG_DATA + 1, 2, 0, 0);
	rig_offer(0);
	rig_offer(1);
	rig_offer(2);
	rig_offer(4);
	rig_offer(5);
	rig_offer(6);
	kick(TRANSMIT);
	assert_int_equal(rig_used_index(), 6);
	for (uint32_t n = 0; n < 6; n++)
		assert_int_equal(rig_used_len(n), 0);
	expect_sent("abc", 3);
	assert_int_equal(*data(64), UNTOUCHED);
	assert_int_equal(con->device.count.errors, 4); /* 1, 2, 4, 5 */
	assert_int_equal(rig_read(VIRTIO_STATUS) & VIRTIO_STATUS_NEEDS_RESET, 0);
}

static void test_bad_chains_to_receive(void **state)
{
	(void)state;
	rig_start(0, RECEIVE, QUEUE_SIZE);
	rig_desc(0, RIG_DATA, 0, VIRTQ_DESC_WRITE, 0);
	rig_desc(1, RIG_DATA, 16, 0, 0);
	fake_virtio.bad = RIG_DATA + 0x1000;
	fake_virtio.bad_size = 0x1000;
	rig_desc(2, RIG_DATA + 0x1000, 2, VIRTQ_DESC_WRITE, 0);
	rig_desc(3, MACHINE_UART_BASE, 1, VIRTQ_DESC_WRITE, 0);
	rig_desc(4, RIG_DATA + 64, 16, VIRTQ_DESC_NEXT, 5);
	rig_desc(5, RIG_DATA, 16, VIRTQ_DESC_WRITE, 0);
	for (uint32_t head = 0; head < 5; head++)
		rig_offer(head);
	kick(RECEIVE);
	assert_int_equal(rig_used_index(), 2); /* what has no place for a character needs none */
	type("abcdef", 6);
	assert_int_equal(rig_used_index(), 5);
	assert_int_equal(rig_used_len(2), 0);
	assert_int_equal(rig_used_len(3), 0);
	assert_int_equal(rig_used_len(4), 3);
	assert_memory_equal(data(0), "def", 3);
	assert_int_equal(*data(64), UNTOUCHED);
	assert_int_equal(con->device.count.errors, 4);
}

/* Short chains without end are cut by the transport's own bound. */
static void test_many_short_chains(void **state)
{
	(void)state;
	rig_start(0, TRANSMIT, 64);
	fill(0, "0123456789abcdef", 16);
	for (uint32_t n = 0; n < 64; n++) {
		rig_desc(n, RIG_DATA + n % 16, 1, 0, 0);
		rig_offer(n);
	}
	assert_in_range(kick(TRANSMIT), 128U / VIRTQ_STEP_PIECES,
			128U / VIRTQ_STEP_PIECES + 1U); /* a descriptor and a piece of RAM each */
	assert_int_equal(rig_used_index(), 64);
	assert_int_equal(fake_console.out_len, 64);
	assert_memory_equal(fake_console.out + 48, "0123456789abcdef", 16);
}

/* Many pieces, each in RAM that the guest has not touched, both ways: rig_work() looks at what a step does. */
static void test_scattered(void **state)
{
	const uint64_t block = KIB(64);
	uint8_t text[40];

	(void)state;
	for (uint32_t i = 0; i < sizeof(text); i++) {
		text[i] = (uint8_t)(200U + i);
		*(uint8_t *)fake_guest_at(MACHINE_RAM_BASE + (10U + i) * block) = text[i];
	}
	for (uint32_t queue = RECEIVE; queue <= TRANSMIT; queue++) {
		uint32_t flags = queue == RECEIVE ? VIRTQ_DESC_WRITE : 0;

		rig_start(0, queue, 64);
		for (uint32_t i = 0; i < sizeof(text); i++)
			rig_desc(i, MACHINE_RAM_BASE + (10U + i) * block, 1,
				 flags | (i + 1U < sizeof(text) ? VIRTQ_DESC_NEXT : 0), i + 1U);
		rig_offer(0);
		fake_virtio.fresh = ~UINT64_C(0x3ff);
		assert_true(kick(queue) > 32);
		if (queue == RECEIVE) {
			fake_virtio.fresh = ~UINT64_C(0x3ff);
			type(text, sizeof(text));
			assert_in_range(rig_used_len(0), 1, sizeof(text)); /* as many as a step may copy */
			type(NULL, 0);
		}
		assert_int_equal(rig_used_index(), 1);
	}
	expect_sent(text, sizeof(text));
}

/* A reset of the device, of the VM: what waited to be sent is gone, what was typed waits for the next driver. */
static void test_reset_in_flight(void **state)
{
	(void)state;
	for (uint32_t n = 0; n < 2; n++) {
		fake_console_reset();
		rig_start(0, TRANSMIT, QUEUE_SIZE);
		fill(0, "before", 6);
		rig_desc(0, RIG_DATA, 6, 0, 0);
		rig_offer(0);
		fake_console.room = 2;
		kick(TRANSMIT);
		expect_sent("be", 2);
		if (n == 0)
			rig_write(VIRTIO_STATUS, 0);
		else
			device_reset_all(&rig_vm);
		give_room(SIZE_MAX);
		type("typed", 5);
		expect_sent("be", 2);
		assert_int_equal(rig_used_index(), 0);

		rig_start(0, TRANSMIT, QUEUE_SIZE);
		fill(0, "after", 5);
		rig_desc(0, RIG_DATA, 5, 0, 0);
		rig_offer(0);
		kick(TRANSMIT);
		expect_sent("beafter", 7);
		rig_start(0, RECEIVE, QUEUE_SIZE);
		rig_desc(0, RIG_DATA, 5, VIRTQ_DESC_WRITE, 0);
		rig_offer(0);
		kick(RECEIVE);
		assert_memory_equal(data(0), "typed", 5);
	}
}

/* Nothing is half sent. */
static void test_saved_idle(void **state)
{
	static uint8_t saved[8192];

	(void)state;
	rig_start(0, TRANSMIT, QUEUE_SIZE);
	fill(0, "0123456789", 10);
	rig_desc(0, RIG_DATA, 4, 0, 0);
	rig_desc(1, RIG_DATA + 4, 6, 0, 0);
	rig_offer(0);
	kick(TRANSMIT);
	expect_sent("0123", 4);
	device_save(&con->device, saved);
	device_reset_all(&rig_vm);
	device_restore(&con->device, saved);
	rig_work();
	rig_offer(1);
	kick(TRANSMIT);
	expect_sent("0123456789", 10);
}

/* In the middle of a chain that the console does not take: the rest follows, and nothing twice. */
static void test_saved_and_restored(void **state)
{
	static uint8_t saved[8192];

	(void)state;
	rig_start(0, TRANSMIT, QUEUE_SIZE);
	fill(0, "0123456789", 10);
	rig_desc(0, RIG_DATA, 4, VIRTQ_DESC_NEXT, 1);
	rig_desc(1, RIG_DATA + 4, 4, 0, 0);
	rig_desc(2, RIG_DATA + 8, 2, 0, 0);
	rig_offer(0);
	rig_offer(2);
	fake_console.room = 5;
	kick(TRANSMIT);
	assert_in_range(device_saved_size(&con->device), 1, sizeof(saved));
	device_save(&con->device, saved);
	device_reset_all(&rig_vm);
	fake_console.room = 2; /* of another console: no VM was refused there */
	device_restore(&con->device, saved);
	rig_work();
	expect_sent("0123456", 7);
	assert_int_equal(rig_used_index(), 0);
	give_room(SIZE_MAX);
	expect_sent("0123456789", 10);
	assert_int_equal(rig_used_index(), 2);

	rig_start(0, RECEIVE, QUEUE_SIZE);
	rig_desc(0, RIG_DATA, 16, VIRTQ_DESC_WRITE, 0);
	rig_offer(0);
	kick(RECEIVE);
	device_save(&con->device, saved);
	fake_console.typed = (const uint8_t *)"meanwhile";
	fake_console.typed_len = 9;
	device_restore(&con->device, saved);
	rig_work();
	assert_int_equal(rig_used_len(0), 9);
	assert_memory_equal(data(0), "meanwhile", 9);
}

/* Without a queue or a driver; a character that no guest takes is lost. Other places of configuration space are deaf.
 */
static void test_emergency_write(void **state)
{
	(void)state;
	rig_write(EMERG_WR, 0xffffff41);
	rig_write_size(0, EMERG_WR, 'B', 1);
	rig_write_size(0, EMERG_WR, 'C', 2);
	rig_write_size(0, EMERG_WR + 1U, 'x', 1);
	rig_write_size(0, EMERG_WR + 4U, 'x', 4);
	rig_write(VIRTIO_CONFIG, 'x');
	expect_sent("ABC", 3);
	assert_int_equal(rig_read(EMERG_WR), 0);
	fake_console.room = 0;
	rig_write(EMERG_WR, 'D');
	assert_int_equal(fake_console.out_len, 3);
	assert_int_equal(con->device.count.errors, 1);
	assert_int_equal(con->device.count.bytes, 3);
}

/* Only one of two that have a name in common could be meant. */
static void test_names(void **state)
{
	static const struct {
		const char *node, *vm, *line;
	} cases[] = {
		{"con1", "web.con1", "vm web: /vms/web/con1: " WORDS_CONSOLE_TAKEN},
		{"con@1", "x", "vm web: /vms/web/con@1: name: " WORDS_NAME},
		{".con", "x", "vm web: /vms/web/.con: " WORDS_CONSOLE_DOT},
		{"b.c", "x", "vm web: /vms/web/b.c: " WORDS_CONSOLE_DOT},
		{"a2345678901234567890123456789012", "x",
		 "vm web: /vms/web/a2345678901234567890123456789012: name: " WORDS_NAME},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(make(cases[i].node, cases[i].vm), -EINVAL);
		assert_string_equal(fake_log_last(LOG_ERR), cases[i].line);
		teardown(NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_identity, setup, teardown),
		cmocka_unit_test_setup_teardown(test_send, setup, teardown),
		cmocka_unit_test_setup_teardown(test_send_waits_for_room, setup, teardown),
		cmocka_unit_test_setup_teardown(test_receive, setup, teardown),
		cmocka_unit_test_setup_teardown(test_binary_clean, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_chains_to_send, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_chains_to_receive, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_short_chains, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scattered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset_in_flight, setup, teardown),
		cmocka_unit_test_setup_teardown(test_saved_and_restored, setup, teardown),
		cmocka_unit_test_setup_teardown(test_saved_idle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_emergency_write, setup, teardown),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
