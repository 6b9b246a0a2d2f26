/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's virtio-blk disk as virt7 drives it for several users (hyp/virtio/hostdisk.c). */
#include "hostdisk_rig.h"

static void test_open(void **state)
{
	struct hostdisk *other;

	(void)state;
	for (uint32_t version = 1; version <= 2; version++) {
		begin(version);
		assert_int_equal(hostdisk_sectors(disk), 4000);
		assert_true(hostdisk_can_flush(disk));
		assert_false(hostdisk_is_read_only(disk));
		assert_int_equal(device.size[0], QUEUE_SIZE);
		assert_null(hostdisk_open("net", &other)); /* an alias of that disk */
		assert_ptr_equal(other, disk);
		assert_int_equal(device.resets, 1);
	}
	begin_device(2);
	device.features |= BIT64(F_RO);
	device.features &= ~BIT64(F_FLUSH);
	assert_null(hostdisk_open(PATH, &disk));
	assert_true(hostdisk_is_read_only(disk) && !hostdisk_can_flush(disk));
}

static void test_wrong(void **state)
{
	(void)state;
	begin_device(2);
	device.queue_max[0] = 16;
	assert_string_equal(hostdisk_open(PATH, &disk), "its queue is too short");
	assert_int_equal(device.word[VIRTIO_STATUS / 4U], 0);
	assert_null(hostdisks);
	taken = true;
	releases = 0;
	begin_device(2);
	assert_string_equal(hostdisk_open(PATH, &disk), "a VM or a switch has this device");
	assert_int_equal(device.resets, 0);
	assert_int_equal(releases, 1);
	taken = false;
	begin_device(2);
	assert_string_equal(hostdisk_open("/uart@9000000", &disk), "no disk that virt7 drives");
	assert_string_equal(hostdisk_open("/none", &disk), "no such node in the host's device tree");
	for (size_t left = 0; left < 0x100000U; left += 0x1000U) {
		begin_device(2);
		heap_end = left;
		if (!hostdisk_open(PATH, &disk))
			return;
		assert_null(hostdisks);
		assert_int_equal(device.word[VIRTIO_STATUS / 4U], 0);
	}
	fail();
}

static void expect_request(uint32_t head, uint32_t type, uint64_t at, uint32_t len)
{
	const struct wire *wire = at_pa(device_desc(0, head)->addr);
	const struct hostq_desc *body = device_desc(0, device_desc(0, head)->next);

	assert_int_equal(device_desc(0, head)->len, 16);
	assert_int_equal(wire->type, type);
	assert_int_equal(wire->sector, at);
	if (len == 0) {
		assert_int_equal(body->len, 1);
		return;
	}
	assert_int_equal(body->len, len);
	assert_int_equal(body->flags & VIRTQ_DESC_WRITE, type == DISKDEV_READ ? VIRTQ_DESC_WRITE : 0);
}

static void test_requests(void **state)
{
	static const struct {
		enum diskdev_type type;
		uint64_t at;
		uint32_t len;
	} some[] = {{DISKDEV_READ, 5, 512}, {DISKDEV_WRITE, 1ULL << 33, DISKDEV_BYTES}, {DISKDEV_FLUSH, 0, 0}};
	struct user one = {.u.wake = count_wake};
	uint32_t head;
	bool failed;

	(void)state;
	begin(2);
	for (uint32_t i = 0; i < 3U * ARRAY_SIZE(some); i++) {
		uint8_t *data = hostdisk_take(disk, &one.u);

		assert_non_null(data);
		disk->lock.held = 1; /* what it has already it sees whoever has the lock */
		assert_ptr_equal(hostdisk_take(disk, &one.u), data);
		disk->lock.held = 0;
		hostdisk_begin(disk, &one.u, some[i % 3U].type, some[i % 3U].at, some[i % 3U].len);
		assert_int_equal(device.notified[0], i + 1U);
		assert_false(hostdisk_ended(&one.u, &failed));
		interrupt(); /* for nothing */
		assert_false(hostdisk_ended(&one.u, &failed));
		head = serve_one(i % 2U);
		expect_request(head, some[i % 3U].type, some[i % 3U].at, some[i % 3U].len);
		interrupt();
		expect_said(i == 1 ? SAID("8589934592", "an error of the device's") : ""); /* the first, and no other */
		assert_int_equal(one.woken, i + 1U);
		assert_true(hostdisk_ended(&one.u, &failed));
		assert_int_equal(failed, i % 2U != 0);
		hostdisk_give(disk, &one.u);
		assert_false(hostdisk_ended(&one.u, &failed));
		disk->lock.held = 1; /* who has none gives none back */
		hostdisk_give(disk, &one.u);
		disk->lock.held = 0;
	}
}

/* Each has its turn, in the order of coming. */
static void test_turns(void **state)
{
	struct user users[DISKDEV_SLOTS + 2U] = {0};

	(void)state;
	begin(1);
	for (uint32_t i = 0; i < ARRAY_SIZE(users); i++) {
		users[i].u.wake = count_wake;
		assert_int_equal(hostdisk_take(disk, &users[i].u) != NULL, i < DISKDEV_SLOTS);
	}
	assert_null(hostdisk_take(disk, &users[DISKDEV_SLOTS + 1U].u)); /* who asks again waits once */
	hostdisk_give(disk, &users[3].u);
	assert_int_equal(users[DISKDEV_SLOTS].woken, 1);
	assert_int_equal(users[DISKDEV_SLOTS + 1U].woken, 0);
	assert_non_null(hostdisk_take(disk, &users[DISKDEV_SLOTS].u));
	assert_null(hostdisk_take(disk, &users[3].u));
	hostdisk_give(disk, &users[DISKDEV_SLOTS + 1U].u); /* does not wait any more */
	hostdisk_give(disk, &users[0].u);
	assert_int_equal(users[3].woken, 1);
	assert_int_equal(users[DISKDEV_SLOTS + 1U].woken, 0);
}

static struct user crowd[DISKDEV_SLOTS + 1U];

static void give_first(void)
{
	hostdisk_give(disk, &crowd[0].u);
}

/* Who waits no longer may have got a slot at that moment: it is free. */
static void test_late_turn(void **state)
{
	struct user next = {.u.wake = count_wake};

	(void)state;
	begin(2);
	memset(crowd, 0, sizeof(crowd));
	for (uint32_t i = 0; i < ARRAY_SIZE(crowd); i++) {
		crowd[i].u.wake = count_wake;
		assert_int_equal(hostdisk_take(disk, &crowd[i].u) != NULL, i < DISKDEV_SLOTS);
	}
	before_lock = give_first;
	hostdisk_give(disk, &crowd[DISKDEV_SLOTS].u);
	assert_int_equal(crowd[DISKDEV_SLOTS].woken, 1);
	assert_non_null(hostdisk_take(disk, &next.u));
}

/* A request whose user has gone keeps its memory until the device has ended it. */
static void test_gone(void **state)
{
	struct user users[DISKDEV_SLOTS] = {0}, late = {.u.wake = count_wake};
	bool failed;

	(void)state;
	begin(2);
	for (uint32_t i = 0; i < DISKDEV_SLOTS; i++) {
		users[i].u.wake = count_wake;
		hostdisk_take(disk, &users[i].u);
		hostdisk_begin(disk, &users[i].u, DISKDEV_READ, i, 512);
	}
	hostdisk_give(disk, &users[0].u);
	assert_null(hostdisk_take(disk, &late.u));
	assert_int_equal(serve_one(S_OK), 0);
	interrupt();
	assert_int_equal(users[0].woken, 0);
	assert_int_equal(late.woken, 1);
	assert_non_null(hostdisk_take(disk, &late.u));
	assert_false(hostdisk_ended(&late.u, &failed));
}

/*
 * What is still being written for a VM that has gone is not overtaken: who has a claim to these sectors waits for it,
 * and no other.
 */
static void test_old_write(void **state)
{
	const struct hostdisk_claim mine = {.first = 100, .count = 50}, other = {.first = 150, .count = 50};
	struct user gone = {.u = {.wake = count_wake, .claim = &mine}},
		    next = {.u = {.wake = count_wake, .claim = &mine}},
		    neighbour = {.u = {.wake = count_wake, .claim = &other}}, third = neighbour;
	struct user full[DISKDEV_SLOTS - 1U] = {0};

	(void)state;
	begin(2);
	assert_non_null(hostdisk_take(disk, &gone.u));
	hostdisk_begin(disk, &gone.u, DISKDEV_WRITE, 149, 512);
	hostdisk_give(disk, &gone.u);
	assert_null(hostdisk_take(disk, &next.u));
	assert_null(hostdisk_take(disk, &gone.u)); /* itself neither */
	assert_non_null(hostdisk_take(disk, &neighbour.u));
	for (uint32_t i = 1; i < ARRAY_SIZE(full); i++) {
		full[i].u.wake = count_wake;
		assert_non_null(hostdisk_take(disk, &full[i].u));
	}
	assert_null(hostdisk_take(disk, &third.u));
	hostdisk_give(disk, &neighbour.u);
	assert_int_equal(third.woken, 1); /* before those who cannot go on */
	assert_int_equal(next.woken, 0);
	assert_int_equal(serve_one(S_OK), 0);
	interrupt();
	assert_int_equal(next.woken, 1);
	assert_non_null(hostdisk_take(disk, &next.u));
	hostdisk_give(disk, &next.u);
	assert_int_equal(gone.woken, 1);
	hostdisk_begin(disk, &gone.u, DISKDEV_READ, 149, 512); /* what only reads does no harm */
	hostdisk_give(disk, &gone.u);
	hostdisk_give(disk, &third.u);
	assert_non_null(hostdisk_take(disk, &next.u));
}

/* What a device says of requests that there are not. */
static void test_nonsense(void **state)
{
	struct user one = {.u.wake = count_wake};

	(void)state;
	begin(2);
	device_put(0, 0, 1);
	device_put(0, 5, 1);
	device_put(0, 31, 1);
	device_put(0, UINT32_MAX, 1);
	interrupt();
	hostdisk_take(disk, &one.u);
	device_put(0, 0, 1); /* before it was asked */
	interrupt();
	assert_int_equal(one.woken, 0);
	((struct hostq_used *)at_pa(device.used[0]))->index =
		(uint16_t)(diskvirtio_of(disk->dev)->q.used_next + QUEUE_SIZE + 1U);
	interrupt();
	assert_int_equal(one.woken, 0);
}

static void test_sector_at_once(void **state)
{
	struct user users[DISKDEV_SLOTS] = {0};
	uint8_t to[DISKDEV_SECTOR];

	(void)state;
	begin(2);
	preempts = 0;
	assert_int_equal(hostdisk_read_sector(disk, 1, to), -ETIMEDOUT);
	assert_in_range(preempts, 900, 1000); /* others run meanwhile */
	answers = true;
	assert_int_equal(hostdisk_read_sector(disk, 1, to), 0);
	answer_status = 1;
	assert_int_equal(hostdisk_read_sector(disk, 1, to), -EIO);
	expect_said(SAID("1", "an error of the device's"));
	answer_status = S_OK;
	for (uint32_t i = 0; i < DISKDEV_SLOTS; i++) {
		users[i].u.wake = count_wake;
		hostdisk_take(disk, &users[i].u);
		if (i > 0)
			hostdisk_begin(disk, &users[i].u, DISKDEV_READ, i, 512);
	}
	hostdisk_give(disk, &users[1].u); /* and comes back when the device has ended it */
	assert_int_equal(hostdisk_read_sector(disk, 1, to), 0);
}

/* Data there and back, for a user that waits; what is given up goes on as what is old. */
static void test_move(void **state)
{
	const struct hostdisk_claim mine = {.first = 0, .count = 100, .vm = "web", .device = "flash"};
	struct user next = {.u = {.wake = count_wake, .claim = &mine}};
	uint8_t data[1024];

	(void)state;
	begin(2);
	answers = true;
	memset(data, 0x5a, sizeof(data));
	assert_int_equal(hostdisk_move(disk, &mine, DISKDEV_WRITE, 7, data, sizeof(data)), 0);
	assert_memory_equal(disk->dev->slot[0], data, sizeof(data));
	memset(disk->dev->slot[0], 0xa5, sizeof(data));
	assert_int_equal(hostdisk_move(disk, &mine, DISKDEV_READ, 7, data, sizeof(data)), 0);
	assert_memory_equal(disk->dev->slot[0], data, sizeof(data));
	assert_int_equal(hostdisk_move(disk, &mine, DISKDEV_FLUSH, 0, NULL, 0), 0);
	answer_status = 1;
	assert_int_equal(hostdisk_move(disk, &mine, DISKDEV_WRITE, 7, data, sizeof(data)), -EIO);
	expect_said(SAID("7", "an error of the device's"));
	answers = false;
	preempts = 0;
	assert_int_equal(hostdisk_move(disk, &mine, DISKDEV_WRITE, 7, data, sizeof(data)), -ETIMEDOUT);
	assert_in_range(preempts, 1000U * HOSTDISK_WAIT_S * 9U / 10U, 1000U * HOSTDISK_WAIT_S);
	assert_null(hostdisk_take(disk, &next.u)); /* until it has been written, or not */
	serve_one(S_OK);
	interrupt();
	assert_non_null(hostdisk_take(disk, &next.u));
}

/* A read that the device has not done wholly leaves what others had in the buffer; version 1 need not say how much. */
static void test_short(void **state)
{
	struct user one = {.u.wake = count_wake};
	bool failed;

	(void)state;
	for (uint32_t i = 0; i < 12; i++) {
		enum diskdev_type type = i / 6U ? DISKDEV_READ : DISKDEV_WRITE;

		begin(1U + i % 2U);
		missing = i / 2U % 3U;
		hostdisk_take(disk, &one.u);
		hostdisk_begin(disk, &one.u, type, 0, 1024);
		if (type == DISKDEV_WRITE && missing > 0)
			missing = 1; /* all it has to write is the status */
		serve_one(S_OK);
		interrupt();
		assert_true(hostdisk_ended(&one.u, &failed));
		assert_int_equal(failed, i % 2U == 1 && missing > 0);
		expect_said(failed ? SAID("0", "the device has not written all of it") : "");
		hostdisk_give(disk, &one.u);
	}
}

/* Seconds pass, and the timer of each of them expires; what has been said by then. */
static void pass_seconds(uint32_t count, const char *what)
{
	said[0] = 0;
	for (; count > 0; count--) {
		fake_machine.reg[SYSREG_cntpct] += timer_hz();
		if (!timer_armed(&watch))
			continue;
		watch.cpu = NULL;
		watch.expired(&watch);
	}
	assert_string_equal(said, what);
	said[0] = 0;
}

static void test_silent(void **state)
{
	const struct hostdisk_claim claim = {.first = 0, .count = 100, .vm = "web", .device = "disk0"};
	struct user one = {.u = {.wake = count_wake, .claim = &claim}}, two = one, reader = {.u.wake = count_wake};

	(void)state;
	begin(2);
	hostdisk_take(disk, &one.u);
	hostdisk_take(disk, &reader.u);
	assert_false(timer_armed(&watch));
	hostdisk_begin(disk, &one.u, DISKDEV_WRITE, 0, 512);
	hostdisk_begin(disk, &reader.u, DISKDEV_READ, 0, 512);
	assert_true(timer_armed(&watch));
	pass_seconds(4, "");
	pass_seconds(1, "host disk " PATH ": no answer for 5 s; those who have sectors there wait");
	pass_seconds(10, "");
	hostdisk_give(disk, &one.u);
	pass_seconds(1,
		     "host disk " PATH ": no answer for 5 s to a request of web.disk0, which has gone: until it comes "
		     "one of 8 buffers is out of use, and whoever writes there next waits");
	pass_seconds(10, "");
	assert_null(hostdisk_take(disk, &two.u));
	hostdisk_give(disk, &reader.u);
	pass_seconds(1, "host disk " PATH ": no answer for 5 s to a request of virt7, which has gone: until it comes "
			"one of 8 buffers is out of use, and whoever writes there next waits");
	serve_one(S_OK);
	interrupt();
	assert_string_equal(said, ""); /* one more is late */
	assert_int_equal(one.woken, 0);
	assert_int_equal(two.woken, 1);
	serve_one(S_OK);
	interrupt();
	assert_string_equal(said, "host disk " PATH ": it answers again");
	said[0] = 0;
	pass_seconds(1, "");
	assert_false(timer_armed(&watch)); /* no tick of a disk at rest */
	assert_non_null(hostdisk_take(disk, &two.u));
	hostdisk_begin(disk, &two.u, DISKDEV_WRITE, 0, 512);
	hostdisk_give(disk, &two.u);
	pass_seconds(4, "");
	serve_one(S_OK); /* just in time */
	interrupt();
	pass_seconds(5, "");
}

static void test_claims(void **state)
{
	struct hostdisk_claim a = {.first = 0, .count = 10}, c = {.first = 10, .count = 5},
			      r = {.first = 8, .count = 1, .read_only = true},
			      all = {.first = 0, .count = 4000, .read_only = true};

	(void)state;
	begin(2);
	assert_null(hostdisk_claim(disk, &a));
	assert_null(hostdisk_claim(disk, &c));
	assert_ptr_equal(hostdisk_claim(disk, &r), &a);
	hostdisk_unclaim(disk, &a);
	assert_null(hostdisk_claim(disk, &r));
	assert_ptr_equal(hostdisk_claim(disk, &all), &c);
	hostdisk_unclaim(disk, &c);
	assert_null(hostdisk_claim(disk, &all)); /* both only read */
	assert_ptr_equal(hostdisk_claim(disk, &a), &all);
}

/* --- a device that is asked whether it is done */

static void expire(struct timer *timer)
{
	assert_true(timer_armed(timer));
	timer->cpu = NULL;
	timer->expired(timer);
}

static void test_slow(void **state)
{
	struct user one = {.u.wake = count_wake};
	bool failed;

	(void)state;
	begin_device(2);
	memset(&slow, 0, sizeof(slow));
	slow.steps = 5;
	preempts = 0;
	assert_null(hostdisk_open(SLOW, &disk));
	slow.lock = &disk->lock;
	assert_int_equal(preempts, 5); /* others run between its steps */
	assert_int_equal(hostdisk_sectors(disk), 100);
	hostdisk_take(disk, &one.u);
	assert_false(timer_armed(&again));
	hostdisk_begin(disk, &one.u, DISKDEV_WRITE, 3, 512);
	for (uint32_t i = 0; i < 3U; i++) {
		assert_in_range(again.deadline, fake_machine.reg[SYSREG_cntpct] - 2U,
				fake_machine.reg[SYSREG_cntpct] + 2U);
		expire(&again);
	}
	assert_int_equal(one.woken, 0);
	assert_true(handler(79, handler_arg));
	assert_int_equal(slow.acknowledged, 1);
	slow.done = true;
	slow.wrong = "a reason";
	expire(&watch); /* it is also asked each second */
	expect_said("host disk " SLOW ": sector 3: a reason: an I/O error for whoever asked; the next ones have no "
		    "line");
	assert_true(hostdisk_ended(&one.u, &failed) && failed);
	expire(&again);
	assert_false(timer_armed(&again));
	hostdisk_begin(disk, &one.u, DISKDEV_WRITE, 4, 512);
	slow.done = true;
	expire(&again);
	assert_true(hostdisk_ended(&one.u, &failed) && failed);
	expect_said("");
}

static void test_slow_wrong(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 2U; i++) {
		begin_device(2);
		releases = 0;
		slow.wrong = "a reason";
		slow.steps = 1;
		slow.restless = i;
		assert_string_equal(hostdisk_open(SLOW, &disk), "a reason");
		assert_int_equal(heap_freed, i ? 1 : 3); /* what it may write to stays */
		assert_int_equal(releases, 1);
		assert_null(hostdisks);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open),           cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_requests),       cmocka_unit_test(test_turns),
		cmocka_unit_test(test_gone),           cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_old_write),      cmocka_unit_test(test_claims),
		cmocka_unit_test(test_sector_at_once), cmocka_unit_test(test_short),
		cmocka_unit_test(test_silent),         cmocka_unit_test(test_move),
		cmocka_unit_test(test_slow),           cmocka_unit_test(test_slow_wrong),
		cmocka_unit_test(test_late_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
