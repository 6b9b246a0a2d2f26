/* SPDX-License-Identifier: BSD-2-Clause */
/* Who serves a queue (hyp/virtio/device.c) in which steps, and what the driver hears. */
#include "virtio_echo.h"

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
		rig_offer(0); /* one head ten times: 160 descriptors */
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

/* Memory under the rings that aborts: the device needs a reset, and the exit that HYP serves goes back where it came
 * from. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serve),      cmocka_unit_test(test_idle_kick),
		cmocka_unit_test(test_busy_kick),  cmocka_unit_test(test_acknowledge),
		cmocka_unit_test(test_steps),      cmocka_unit_test(test_reset_in_flight),
		cmocka_unit_test(test_broken),     cmocka_unit_test(test_ring_aborts),
		cmocka_unit_test(test_early_kick), cmocka_unit_test(test_wait),
		cmocka_unit_test(test_two),        cmocka_unit_test(test_late_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
