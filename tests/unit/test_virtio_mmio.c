/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The transport (hyp/virtio/mmio.c, device.c) with a backend of this test: registers of both versions, the life of a
 * device, who serves a queue in which steps, what the driver hears.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "fake_log.h"
#include "fake_machine.h"
#include "fake_page.h"
#include "hyp/load/tree.h"
#include "virtio_rig.h"

#define OK (VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK)

#define FEATURES   (BIT64(5) | BIT64(40))
#define OFFERED    (FEATURES | BIT64(VIRTIO_F_INDIRECT_DESC) | BIT64(VIRTIO_F_EVENT_IDX) | BIT64(VIRTIO_F_VERSION_1))
#define CHUNK      1024U
#define QUEUE_SIZE 16U

/* Writes the same byte into all that it may, CHUNK at a time; waits where the test says so. */
struct echo {
	struct virtio_device virtio;
	struct virtio_state state;
	uint32_t resets, config_writes;
};

static bool waits, legacy;

static enum virtio_served echo_serve(struct virtio_device *v, uint32_t queue, struct virtq_chain *chain,
				     struct virtq_step *step, uint32_t *written)
{
	static const uint8_t pattern[CHUNK] = {[0 ... CHUNK - 1] = 0x77};
	uint32_t n;

	(void)v;
	assert_in_range(queue, 0, 1);
	if (waits)
		return VIRTIO_WAIT;
	while (chain->out.left > 0) {
		n = MIN(MIN(chain->out.left, CHUNK), step->bytes);
		if (n == 0)
			return VIRTIO_MORE;
		if (guest_scatter(step->view, &chain->out, pattern, n))
			break;
		step->bytes -= n;
		chain->phase += n;
	}
	*written = chain->phase;
	return VIRTIO_DONE;
}

static void echo_write_config(struct virtio_device *v, uint32_t offset, uint32_t value, uint32_t size)
{
	((struct echo *)v)->config_writes++;
	virtio_config_change(v, offset, &value, size);
}

static void echo_reset(struct virtio_device *v)
{
	((struct echo *)v)->resets++;
}

static const struct virtio_backend echo_backend = {
	.name = "echo",
	.id = VIRTIO_ID_BLOCK,
	.features = FEATURES,
	.queues = 2,
	.queue_size = QUEUE_SIZE,
	.serve = echo_serve,
	.write_config = echo_write_config,
	.reset = echo_reset,
};

static int echo_create(struct device *device)
{
	struct echo *e = (struct echo *)virtio_of(device);
	int ret;

	e->virtio.legacy = legacy;
	ret = virtio_create(&e->virtio, &echo_backend, &e->state, 0);
	if (!ret)
		virtio_config_set(&e->virtio, 0, "abcdefgh", 8);
	return ret;
}

static const struct device_class echo_class = {
	.name = "virtio-echo",
	.size = sizeof(struct echo),
	.saved = offsetof(struct echo, state),
	.create = echo_create,
	.reset = virtio_reset,
	.describe = virtio_describe,
	.restore = virtio_restore,
	.quiesce = virtio_quiesce,
	.destroy = virtio_destroy,
};

static struct echo *begin(void)
{
	waits = legacy = false;
	return (struct echo *)rig_begin(&echo_class, "echo0");
}

/* A chain of `bytes` for the device to write, from descriptor 0. */
static void offer_bytes(uint32_t bytes)
{
	rig_desc(0, RIG_DATA, bytes, VIRTQ_DESC_WRITE, 0);
	rig_offer(0);
}

static void test_empty_slots(void **state)
{
	(void)state;
	rig_begin(NULL, NULL);
	for (uint32_t slot = 0; slot < MACHINE_VIRTIO_COUNT; slot++) {
		for (uint32_t reg = 0; reg < MACHINE_VIRTIO_SIZE; reg += 4) {
			uint32_t expected = reg == VIRTIO_MAGIC_VALUE ? 0x74726976U
					    : reg == VIRTIO_VERSION   ? 1
					    : reg == VIRTIO_VENDOR_ID ? 0x554d4551U
								      : 0;

			rig_write_size(slot, reg, UINT32_MAX, 4);
			assert_int_equal(rig_read_size(slot, reg, 4), expected);
		}
		assert_int_equal(rig_read_size(slot, VIRTIO_MAGIC_VALUE, 1), 0);
	}
	assert_int_equal(rig_vcpu[0].thread.work, 0);
	rig_end();
}

static void test_identity(void **state)
{
	(void)state;
	begin();
	assert_int_equal(rig_read(VIRTIO_MAGIC_VALUE), VIRTIO_MAGIC);
	assert_int_equal(rig_read(VIRTIO_VERSION), 2);
	assert_int_equal(rig_read(VIRTIO_DEVICE_ID), 2);
	assert_int_equal(rig_read(VIRTIO_VENDOR_ID), VIRTIO_VENDOR);
	assert_int_equal(rig_read(VIRTIO_DEVICE_FEATURES), (uint32_t)OFFERED);
	rig_write(VIRTIO_DEVICE_FEATURES_SEL, 1);
	assert_int_equal(rig_read(VIRTIO_DEVICE_FEATURES), OFFERED >> 32);
	rig_write(VIRTIO_DEVICE_FEATURES_SEL, 2);
	assert_int_equal(rig_read(VIRTIO_DEVICE_FEATURES), 0);
	assert_int_equal(rig_read(VIRTIO_SHM_LEN_LOW), UINT32_MAX);
	assert_int_equal(rig_read(VIRTIO_SHM_BASE_HIGH), UINT32_MAX);
	assert_int_equal(rig_read(VIRTIO_QUEUE_NUM_MAX), QUEUE_SIZE);
	assert_int_equal(rig_read(VIRTIO_QUEUE_READY), 0);
	rig_write(VIRTIO_QUEUE_SEL, 2);
	assert_int_equal(rig_read(VIRTIO_QUEUE_NUM_MAX), 0);
	rig_write(VIRTIO_QUEUE_SEL, UINT32_MAX);
	assert_int_equal(rig_read(VIRTIO_QUEUE_NUM_MAX), 0);
	rig_write(VIRTIO_QUEUE_READY, 1);
	assert_int_equal(rig_read(VIRTIO_QUEUE_READY), 0);
	/* What is only written reads as 0. */
	rig_write(VIRTIO_DRIVER_FEATURES, UINT32_MAX);
	assert_int_equal(rig_read(VIRTIO_DRIVER_FEATURES), 0);
	rig_end();
}

/* Configuration space by any width; registers by words and nothing else (4.2.2.2). */
static void test_widths(void **state)
{
	struct echo *e = begin();
	uint32_t generation = rig_read(VIRTIO_CONFIG_GENERATION);

	(void)state;
	assert_int_equal(rig_read(VIRTIO_CONFIG), 0x64636261U);
	assert_int_equal(rig_read_size(0, VIRTIO_CONFIG + 3U, 1), 'd');
	assert_int_equal(rig_read_size(0, VIRTIO_CONFIG + 6U, 2), 0x6867U);
	assert_int_equal(rig_read_size(0, VIRTIO_MAGIC_VALUE, 2), 0);
	rig_write_size(0, VIRTIO_STATUS, 1, 1);
	assert_int_equal(rig_read(VIRTIO_STATUS), 0);
	rig_write_size(0, VIRTIO_QUEUE_NOTIFY, 0, 2);
	assert_int_equal(rig_vcpu[0].thread.work, 0);
	rig_write_size(0, VIRTIO_CONFIG + 1U, 'X', 1);
	assert_int_equal(e->config_writes, 1);
	assert_int_equal(rig_read(VIRTIO_CONFIG), 0x64635861U);
	assert_int_equal(rig_read(VIRTIO_CONFIG_GENERATION), generation + 1U);
	assert_int_equal(rig_read(VIRTIO_INTERRUPT_STATUS), 0); /* no driver yet */
	rig_end();
}

static void accept(uint64_t features)
{
	rig_write(VIRTIO_STATUS, 0);
	for (uint32_t i = 0; i < 2; i++) {
		rig_write(VIRTIO_DRIVER_FEATURES_SEL, i);
		rig_write(VIRTIO_DRIVER_FEATURES, (uint32_t)(features >> 32U * i));
	}
	rig_write(VIRTIO_STATUS, VIRTIO_STATUS_FEATURES_OK);
}

static void test_features(void **state)
{
	struct echo *e = begin();

	(void)state;
	accept(OFFERED);
	assert_int_equal(rig_read(VIRTIO_STATUS), VIRTIO_STATUS_FEATURES_OK);
	rig_write(VIRTIO_DRIVER_FEATURES, 0); /* too late */
	assert_true(virtio_has(&e->virtio, 40));
	assert_false(virtio_has(&e->virtio, 6));
	accept(OFFERED | BIT64(6));
	assert_int_equal(rig_read(VIRTIO_STATUS), 0);
	accept(OFFERED & ~BIT64(VIRTIO_F_VERSION_1));
	assert_int_equal(rig_read(VIRTIO_STATUS), 0);
	accept(OFFERED);
	rig_write(VIRTIO_STATUS, VIRTIO_STATUS_DRIVER_OK); /* bits go all at once */
	assert_int_equal(rig_read(VIRTIO_STATUS), VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK);
	rig_write(VIRTIO_STATUS, VIRTIO_STATUS_NEEDS_RESET | 0x30U); /* not the driver's to set */
	assert_int_equal(rig_read(VIRTIO_STATUS), VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK);
	rig_end();
}

/* A chain is served before who has notified is back in its guest; the driver hears of it once, until it has
 * acknowledged. */
static void test_serve(void **state)
{
	struct echo *e = begin();

	(void)state;
	rig_start(OFFERED, 0, 8);
	offer_bytes(100);
	assert_int_equal(rig_notify(0), 1);
	assert_int_equal(rig_used_index(), 1); /* there and then */
	assert_int_equal(rig_work(), 0);
	assert_int_equal(rig_used_len(0), 100);
	assert_int_equal(((uint8_t *)fake_guest_at(RIG_DATA))[99], 0x77);
	assert_int_equal(((uint8_t *)fake_guest_at(RIG_DATA))[100], 0xa5);
	assert_true(rig_line[0]);
	assert_int_equal(rig_read(VIRTIO_INTERRUPT_STATUS), VIRTIO_INT_QUEUE);
	rig_write(VIRTIO_INTERRUPT_ACK, VIRTIO_INT_CONFIG);
	assert_true(rig_line[0]);
	rig_write(VIRTIO_INTERRUPT_ACK, VIRTIO_INT_QUEUE);
	assert_false(rig_line[0]);
	assert_int_equal(rig_kick(), 1); /* nothing there */
	assert_false(rig_line[0]);
	rig_write(VIRTIO_QUEUE_NOTIFY, 1); /* not set up */
	rig_write(VIRTIO_QUEUE_NOTIFY, 2); /* no queue */
	rig_write(VIRTIO_QUEUE_NOTIFY, UINT32_MAX);
	rig_work();
	assert_int_equal(rig_used_index(), 1);
	assert_int_equal(e->virtio.device.count.requests, 1);
	assert_int_equal(e->virtio.device.count.kicks, 3);
	assert_int_equal(e->virtio.device.count.interrupts, 1);
	rig_end();
}

/* A look at the ring is enough where it has nothing new, the driver knows when to notify, and no line may be stale. */
static void test_idle_kick(void **state)
{
	struct echo *e = begin();

	(void)state;
	fake_write(SYSREG_sctlr, SCTLR_C | SCTLR_M);
	rig_start(OFFERED, 0, 8);
	assert_int_equal(rig_notify(0), 0);
	offer_bytes(10);
	assert_int_equal(rig_notify(0), 1);
	assert_int_equal(rig_used_index(), 1);
	assert_int_equal(e->virtio.queue[0].s->armed, 1);
	assert_int_equal(rig_notify(0), 0);
	e->virtio.queue[0].s->armed = 0; /* the driver has not been asked for a notification of the next one */
	assert_int_equal(rig_notify(0), 1);
	assert_int_equal(rig_notify(0), 0);
	fake_write(SYSREG_sctlr, SCTLR_M);
	assert_int_equal(rig_notify(0), 1);
	fake_write(SYSREG_sctlr, SCTLR_C | SCTLR_M);
	rig_vm.uncached = 2; /* another vCPU's are off */
	assert_int_equal(rig_notify(0), 1);
	rig_vm.uncached = 0;
	fake_write(SYSREG_elr_hyp, 0x40001234U);
	fake_machine.bad = fake_guest_at(RIG_AVAIL + 2U); /* the index, which does not answer any more */
	fake_machine.bad_size = 1;
	assert_int_equal(rig_notify(0), 1);
	assert_int_equal(rig_read(VIRTIO_STATUS), OK | VIRTIO_STATUS_NEEDS_RESET);
	assert_int_equal(read_elr_hyp(), 0x40001234U);
	fake_machine.bad_size = 0;
	assert_int_equal(rig_notify(0), 0);
	rig_end();
}

/* Who serves the device already, on another CPU, is not waited for: what is notified comes after it. */
static void test_busy_kick(void **state)
{
	struct echo *e = begin();

	(void)state;
	rig_start(OFFERED, 0, 8);
	offer_bytes(10);
	e->virtio.lock.held = 1;
	assert_int_equal(rig_notify(0), 0);
	e->virtio.lock.held = 0;
	assert_int_equal(rig_used_index(), 0);
	assert_int_equal(rig_vcpu[0].thread.work, WORK_VIRTIO);
	assert_int_equal(rig_work(), 1);
	assert_int_equal(rig_used_index(), 1);
	rig_end();
}

/* A driver that acknowledges bit by bit hears of each: of what is left, and of what comes between two of its writes. */
static void test_acknowledge(void **state)
{
	uint32_t before;

	(void)state;
	begin();
	rig_start(OFFERED, 0, 8);
	offer_bytes(10);
	rig_kick();
	before = rig_edges;
	rig_write_size(0, VIRTIO_CONFIG, 'X', 1); /* configuration changes while the line is up */
	assert_int_equal(rig_edges, before);
	assert_int_equal(rig_read(VIRTIO_INTERRUPT_STATUS), VIRTIO_INT_QUEUE | VIRTIO_INT_CONFIG);
	rig_write(VIRTIO_INTERRUPT_ACK, VIRTIO_INT_QUEUE);
	assert_int_equal(rig_read(VIRTIO_INTERRUPT_STATUS), VIRTIO_INT_CONFIG);
	assert_true(rig_line[0]);
	assert_int_equal(rig_edges, before + 1U);
	rig_write(VIRTIO_INTERRUPT_ACK, VIRTIO_INT_QUEUE); /* clears nothing, is nothing */
	assert_int_equal(rig_edges, before + 1U);
	rig_write(VIRTIO_INTERRUPT_ACK, UINT32_MAX);
	assert_false(rig_line[0]);
	assert_int_equal(rig_edges, before + 1U);
	rig_end();
}

/* At most 32 KiB and VIRTQ_STEP_PIECES descriptors in a step. */
static void test_steps(void **state)
{
	(void)state;
	begin();
	rig_start(OFFERED, 0, 16);
	offer_bytes(100U * 1024U);
	assert_int_equal(rig_kick(), 4);
	assert_int_equal(rig_used_len(0), 100U * 1024U);
	for (uint32_t i = 0; i < 16; i++)
		rig_desc(i, RIG_DATA, 1, VIRTQ_DESC_WRITE | (i < 15 ? VIRTQ_DESC_NEXT : 0), i + 1U);
	for (uint32_t i = 0; i < 10; i++)
		rig_offer(0); /* the same head: 160 descriptors */
	assert_int_equal(rig_kick(), 160U / VIRTQ_STEP_PIECES + 1U);
	assert_int_equal(rig_used_index(), 11);
	rig_end();
}

/* Between two steps of a request the device is reset, by another vCPU: it writes nothing more. */
static void test_reset_in_flight(void **state)
{
	struct echo *e = begin();
	uint8_t *data = fake_guest_at(RIG_DATA);

	(void)state;
	rig_start(OFFERED, 0, 8);
	offer_bytes(100U * 1024U);
	rig_notify(0);
	assert_int_equal(data[32U * 1024U - 1U], 0x77);
	rig_write(VIRTIO_STATUS, 0);
	assert_int_equal(e->resets, 3); /* the first, and that of rig_start() */
	assert_int_equal(fake_virtio.maps, 0);
	memset(data, 0, 100U * 1024U);
	rig_work();
	for (uint32_t i = 0; i < 100U * 1024U; i++)
		assert_int_equal(data[i], 0);
	assert_int_equal(rig_used_index(), 0);
	assert_int_equal(rig_read(VIRTIO_STATUS) | rig_read(VIRTIO_QUEUE_READY), 0);
	rig_start(OFFERED, 0, 8);
	offer_bytes(10);
	rig_kick();
	assert_int_equal(rig_used_len(0), 10);
	rig_end();
}

/* A driver that breaks a rule has a device that says so, and that does nothing more until it is reset. */
static void test_broken(void **state)
{
	(void)state;
	begin();
	rig_start(OFFERED, 0, 8);
	rig_desc(0, RIG_DATA, 1, VIRTQ_DESC_NEXT, 0);
	rig_offer(0);
	rig_kick();
	assert_int_equal(rig_read(VIRTIO_STATUS), OK | VIRTIO_STATUS_NEEDS_RESET);
	assert_int_equal(rig_read(VIRTIO_INTERRUPT_STATUS), VIRTIO_INT_CONFIG);
	assert_true(rig_line[0]);
	assert_string_equal(fake_log_last(LOG_WARN),
			    "vm web: echo0: queue 0: a chain that is longer than the queue; the "
			    "device stops until its driver resets it");
	offer_bytes(10);
	rig_kick();
	assert_int_equal(rig_used_index(), 0);
	assert_int_equal(fake_log_count(LOG_WARN), 1);
	rig_write(VIRTIO_STATUS, 0);
	assert_int_equal(rig_read(VIRTIO_STATUS), 0);
	assert_false(rig_line[0]);
	rig_start(OFFERED, 0, 8);
	offer_bytes(10);
	rig_kick();
	assert_int_equal(rig_used_index(), 1);
	rig_end();
}

/* Memory under the rings that aborts: as above, and the exit that HYP serves goes back where it came from. */
static void test_ring_aborts(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		begin();
		rig_start(OFFERED, 0, 8);
		offer_bytes(10);
		fake_write(SYSREG_elr_hyp, 0x40001234U);
		fake_write(SYSREG_spsr_hyp, 0x1d3U);
		fake_machine.bad = fake_guest_at(i == 0 ? RIG_AVAIL + 4U : RIG_USED + 4U);
		fake_machine.bad_size = 1;
		rig_kick();
		assert_int_equal(rig_read(VIRTIO_STATUS), OK | VIRTIO_STATUS_NEEDS_RESET);
		assert_int_equal(rig_read(VIRTIO_INTERRUPT_STATUS), VIRTIO_INT_CONFIG);
		assert_string_equal(fake_log_last(LOG_WARN),
				    "vm web: echo0: queue 0: the host's memory under its rings does not answer; the "
				    "device stops until its driver resets it");
		assert_int_equal(fake_log_count(LOG_WARN), 1);
		assert_int_equal(read_elr_hyp(), 0x40001234U);
		assert_int_equal(read_spsr_hyp(), 0x1d3U);
		assert_int_equal(rig_used_index(), 0);
		fake_machine.bad_size = 0;
		rig_kick();
		assert_int_equal(rig_used_index(), 0);
		rig_start(OFFERED, 0, 8);
		offer_bytes(10);
		rig_kick();
		assert_int_equal(rig_used_index(), 1);
		rig_end();
	}
}

static void test_queue_setup(void **state)
{
	(void)state;
	begin();
	rig_start(OFFERED, 0, 8);
	rig_write(VIRTIO_QUEUE_NUM, 4); /* it is ready: fixed */
	rig_write(VIRTIO_QUEUE_DESC_LOW, 0);
	offer_bytes(10);
	rig_kick();
	assert_int_equal(rig_used_index(), 1);
	rig_write(VIRTIO_QUEUE_READY, 0);
	assert_int_equal(rig_read(VIRTIO_QUEUE_READY), 0);
	assert_int_equal(fake_virtio.maps, 0);
	rig_kick();
	rig_write(VIRTIO_QUEUE_NUM, 3);
	rig_write(VIRTIO_QUEUE_READY, 1);
	assert_int_equal(rig_read(VIRTIO_QUEUE_READY), 0);
	assert_string_equal(fake_log_last(LOG_WARN), "vm web: echo0: queue 0: its size is not a power of two up to "
						     "QueueNumMax; it is not ready");
	rig_write(VIRTIO_QUEUE_NUM, 8);
	rig_write(VIRTIO_QUEUE_DESC_HIGH, 1);
	rig_write(VIRTIO_QUEUE_READY, 1);
	assert_int_equal(rig_read(VIRTIO_QUEUE_READY), 0);
	rig_end();
}

/* What is notified before DRIVER_OK is served behind it. */
static void test_early_kick(void **state)
{
	(void)state;
	begin();
	rig_start(OFFERED, 0, 8);
	rig_write(VIRTIO_STATUS, 0);
	accept(OFFERED);
	rig_write(VIRTIO_QUEUE_NUM, 8);
	rig_write(VIRTIO_QUEUE_DESC_LOW, (uint32_t)RIG_DESC);
	rig_write(VIRTIO_QUEUE_DRIVER_LOW, (uint32_t)RIG_AVAIL);
	rig_write(VIRTIO_QUEUE_DEVICE_LOW, (uint32_t)RIG_USED);
	rig_write(VIRTIO_QUEUE_READY, 1);
	offer_bytes(10);
	rig_kick();
	assert_int_equal(rig_used_index(), 0);
	rig_write(VIRTIO_STATUS, OK);
	rig_work();
	assert_int_equal(rig_used_index(), 1);
	rig_end();
}

/* A backend that has nothing to give waits with the chain, and goes on when it is woken, on a vCPU that is on. */
static void test_wait(void **state)
{
	struct echo *e = begin();

	(void)state;
	rig_start(OFFERED, 0, 8);
	waits = true;
	offer_bytes(10);
	assert_int_equal(rig_kick(), 1);
	assert_int_equal(rig_used_index(), 0);
	waits = false;
	virtio_wake(&e->virtio, 0);
	assert_int_equal(fake_virtio.requests, 1);
	rig_work();
	assert_int_equal(rig_used_index(), 1);
	rig_vcpu[0].power = VCPU_OFF;
	virtio_wake(&e->virtio, 0);
	assert_int_equal(rig_vcpu[0].thread.work, 0);
	assert_int_equal(rig_vcpu[1].thread.work, WORK_VIRTIO);
	/* One that sleeps until an interrupt comes, where no other is on; where all are off, the first. */
	rig_vcpu[1].power = VCPU_SUSPENDED;
	rig_vcpu[1].thread.work = rig_vcpu[1].virtio_slots = 0;
	virtio_wake(&e->virtio, 0);
	assert_int_equal(rig_vcpu[0].thread.work, 0);
	assert_int_equal(rig_vcpu[1].thread.work, WORK_VIRTIO);
	assert_int_equal(rig_vcpu[1].virtio_slots, 1);
	rig_vcpu[1].power = VCPU_OFF;
	virtio_wake(&e->virtio, 0);
	assert_int_equal(rig_vcpu[0].thread.work, WORK_VIRTIO);
	rig_vcpu[0].thread.work = 0;
	rig_vcpu[0].thread.cpu = NULL; /* it has no place yet: nothing to wake */
	virtio_wake(&e->virtio, 0);
	assert_int_equal(rig_vcpu[0].thread.work, 0);
	assert_int_equal(rig_vcpu[0].virtio_slots, 1);
	rig_end();
}

/*
 * Behind a chain that an earlier step has taken, there may be entries whose notifications have come meanwhile, and are
 * used up: they are served with it, whether or not the driver is told when to notify.
 */
static void test_late_entry(void **state)
{
	static const uint64_t features[] = {OFFERED, OFFERED & ~BIT64(VIRTIO_F_EVENT_IDX)};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(features); i++) {
		struct echo *e = begin();

		rig_start(features[i], 0, 8);
		waits = true;
		offer_bytes(10);
		rig_kick();
		rig_offer(0);
		rig_kick();
		waits = false;
		virtio_wake(&e->virtio, 0);
		rig_work();
		assert_int_equal(rig_used_index(), 2);
		offer_bytes(100U * 1024U);
		assert_int_equal(rig_notify(0), 1); /* the first of its four steps */
		rig_offer(0);
		rig_kick();
		assert_int_equal(rig_used_index(), 4);
		rig_end();
	}
}

/* Two vCPUs notify: one serves, the other finds nothing left; two devices take turns. */
static void test_two(void **state)
{
	struct echo *e = begin(), *other = (struct echo *)rig_add(&echo_class, "echo1");

	(void)state;
	rig_start(OFFERED, 0, 8);
	offer_bytes(100U * 1024U);
	rig_write(VIRTIO_QUEUE_NOTIFY, 0);
	rig_vcpu[1].virtio_slots = rig_vcpu[0].virtio_slots;
	rig_work();
	virtio_work(&rig_vcpu[1]);
	assert_int_equal(rig_vcpu[1].thread.work | rig_vcpu[1].virtio_slots, 0);
	assert_int_equal(rig_used_index(), 1);

	offer_bytes(100U * 1024U);
	rig_write_size(1, VIRTIO_QUEUE_NOTIFY, 0, 4);
	virtio_wake(&other->virtio, 0);
	rig_notify(0);
	assert_int_equal(rig_vcpu[0].virtio_slots, 3);
	virtio_work(&rig_vcpu[0]); /* the other one, which has no queue */
	assert_int_equal(rig_vcpu[0].virtio_slots, 1);
	assert_int_equal(rig_used_index(), 1);
	assert_int_equal(other->virtio.device.count.kicks, 1);
	rig_work();
	assert_int_equal(rig_used_index(), 2);
	assert_int_equal(e->virtio.slot, 0);
	rig_end();
}

/* Version 1: a page number, a common block for the three areas, no FEATURES_OK; used before DRIVER_OK, too. */
static void test_legacy(void **state)
{
	struct echo *e;
	uint64_t desc = RIG_DESC, used;

	(void)state;
	waits = false;
	legacy = true;
	e = (struct echo *)rig_begin(&echo_class, "echo0");
	assert_int_equal(rig_read(VIRTIO_VERSION), 1);
	assert_int_equal(rig_read(VIRTIO_DEVICE_FEATURES),
			 BIT(5) | BIT(VIRTIO_F_ANY_LAYOUT) | BIT(VIRTIO_F_INDIRECT_DESC) | BIT(VIRTIO_F_EVENT_IDX));
	rig_write(VIRTIO_DEVICE_FEATURES_SEL, 1);
	assert_int_equal(rig_read(VIRTIO_DEVICE_FEATURES), 0);
	rig_write(VIRTIO_DRIVER_FEATURES, BIT(VIRTIO_F_EVENT_IDX));
	rig_write(VIRTIO_QUEUE_PFN, (uint32_t)(desc / 4096U)); /* without GuestPageSize */
	assert_int_equal(rig_read(VIRTIO_QUEUE_PFN), 0);
	rig_write(VIRTIO_GUEST_PAGE_SIZE, 4096);
	rig_write(VIRTIO_STATUS, 0); /* as Linux does: the page size stays */
	rig_write(VIRTIO_QUEUE_NUM, 16);
	rig_write(VIRTIO_QUEUE_ALIGN, 0);
	rig_write(VIRTIO_QUEUE_PFN, (uint32_t)(desc / 4096U));
	assert_int_equal(rig_read(VIRTIO_QUEUE_PFN), 0);
	rig_write(VIRTIO_QUEUE_ALIGN, 4096);
	rig_write(VIRTIO_QUEUE_PFN, UINT32_MAX);
	assert_int_equal(rig_read(VIRTIO_QUEUE_PFN), 0);
	memset(fake_guest_at(desc), 0, 8192);
	rig_write(VIRTIO_QUEUE_PFN, (uint32_t)(desc / 4096U));
	assert_int_equal(rig_read(VIRTIO_QUEUE_PFN), desc / 4096U);
	rig_desc(0, RIG_DATA, 10, VIRTQ_DESC_WRITE, 0);
	rig_set16(desc + 16U * 16U + 2U, 1);
	rig_kick();
	used = desc + 4096U;
	assert_int_equal(rig_get16(used + 2U), 1);
	assert_int_equal(*(uint32_t *)fake_guest_at(used + 8U), 10);
	rig_write(VIRTIO_QUEUE_PFN, 0);
	assert_int_equal(fake_virtio.maps, 0);
	/* In the guest's byte order, and a big-endian one's is not served. */
	fake_write(SYSREG_spsr_hyp, BIT(9));
	rig_write(VIRTIO_QUEUE_PFN, (uint32_t)(desc / 4096U));
	assert_int_equal(rig_read(VIRTIO_QUEUE_PFN), 0);
	assert_string_equal(fake_log_last(LOG_WARN),
			    "vm web: echo0: a big-endian driver of version 1; take virtio-legacy out");
	assert_int_equal(e->virtio.device.count.requests, 1);
	rig_end();
}

/* 32 fit, and each has its own interrupt and node. */
static void test_all_slots(void **state)
{
	struct virtio_device *v = NULL;
	struct device more = {.class = &echo_class, .vm = &rig_vm, .name = "echo32"};
	static uint64_t fdt[4096];
	struct tree t = {.fdt = fdt};
	const uint32_t *cells;
	int len, node;

	(void)state;
	rig_begin(NULL, NULL);
	legacy = false;
	for (uint32_t i = 0; i < MACHINE_VIRTIO_COUNT; i++)
		v = rig_add(&echo_class, "echo");
	assert_int_equal(v->slot, 31);
	assert_int_equal(rig_read_size(31, VIRTIO_DEVICE_ID, 4), 2);
	assert_int_equal(virtio_create((struct virtio_device *)&more, &echo_backend, NULL, 0), -EINVAL);
	assert_string_equal(fake_log_last(LOG_ERR),
			    "vm web: /vms/web/echo32: more than 32 virtio devices; take some out");
	assert_int_equal(fdt_create(fdt, sizeof(fdt)) | fdt_finish_reservemap(fdt), 0);
	tree_begin(&t, "");
	virtio_describe(&v->device, &t);
	tree_end(&t);
	assert_int_equal(t.err | fdt_finish(fdt), 0);
	node = fdt_path_offset(fdt, "/virtio_mmio@a003e00");
	assert_true(node > 0);
	assert_non_null(fdt_getprop(fdt, node, "dma-coherent", NULL));
	cells = fdt_getprop(fdt, node, "interrupts", &len);
	assert_int_equal(len, 12);
	assert_int_equal(fdt32_to_cpu(cells[1]), 47);
	assert_int_equal(fdt32_to_cpu(cells[2]), TREE_GIC_EDGE_HI);
	rig_end();
}

/* What is saved in the middle of a request goes on where it is put back. */
static void test_restore(void **state)
{
	struct echo *e = begin();
	static uint8_t saved[sizeof(struct echo)];

	(void)state;
	assert_in_range(device_saved_size(&e->virtio.device), 1, sizeof(saved));
	rig_start(OFFERED, 0, 8);
	offer_bytes(10);
	rig_kick();
	offer_bytes(100U * 1024U);
	rig_notify(0);
	device_save(&e->virtio.device, saved);
	virtio_reset(&e->virtio.device);
	assert_false(rig_line[0]);
	device_restore(&e->virtio.device, saved);
	assert_true(rig_line[0]);
	assert_int_equal(rig_read(VIRTIO_STATUS), OK);
	assert_int_equal(fake_virtio.maps, 3);
	rig_vcpu[0].thread.work = 0;
	rig_vcpu[0].virtio_slots = 0; /* which is not the device's to save */
	device_restore(&e->virtio.device, saved);
	rig_work(); /* without another kick: the first one is served */
	assert_int_equal(rig_used_index(), 2);
	assert_int_equal(rig_used_len(1), 100U * 1024U);
	device_restore(&e->virtio.device, saved); /* over one that runs */
	assert_int_equal(fake_virtio.maps, 3);
	rig_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_slots), cmocka_unit_test(test_identity),
		cmocka_unit_test(test_widths),      cmocka_unit_test(test_features),
		cmocka_unit_test(test_serve),       cmocka_unit_test(test_idle_kick),
		cmocka_unit_test(test_busy_kick),   cmocka_unit_test(test_acknowledge),
		cmocka_unit_test(test_steps),       cmocka_unit_test(test_reset_in_flight),
		cmocka_unit_test(test_broken),      cmocka_unit_test(test_ring_aborts),
		cmocka_unit_test(test_queue_setup), cmocka_unit_test(test_early_kick),
		cmocka_unit_test(test_wait),        cmocka_unit_test(test_two),
		cmocka_unit_test(test_legacy),      cmocka_unit_test(test_all_slots),
		cmocka_unit_test(test_restore),     cmocka_unit_test(test_late_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
