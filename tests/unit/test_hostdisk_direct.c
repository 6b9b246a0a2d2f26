/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests of a virtio-blk disk of the host's that are in pieces of a VM's RAM in place of virt7's own memory
 * (hyp/virtio/hostdisk.c, hyp/host/diskvirtio.c): which devices can, what they are told, whose slot it is, and what
 * becomes of one whose owner has gone.
 */
#define TRANSPORT_OF_DISK TRANSPORT("dma-coherent;")
#include "hostdisk_rig.h"

#include "fake_lent.h"

#define SEG_MAX 126U
#define RAM     UINT64_C(0x880000000) /* of some VM */

static void begin_offering(uint32_t version, uint64_t features, uint32_t seg_max)
{
	begin_device(version);
	fake_lent = (struct fake_lent){0};
	device.features |= features;
	device.word[VIRTIO_CONFIG / 4U + 3U] = seg_max;
	assert_null(hostdisk_open(PATH, &disk));
}

static void begin_direct(void)
{
	begin_offering(2, BIT64(F_SEG_MAX), SEG_MAX);
	assert_int_equal(hostdisk_pieces(disk), DISKDEV_PIECES);
}

static void test_who_can(void **state)
{
	(void)state;
	for (uint32_t version = 1; version <= 2; version++) {
		begin_offering(version, BIT64(F_SEG_MAX), SEG_MAX);
		assert_int_equal(hostdisk_pieces(disk), DISKDEV_PIECES);
		assert_true(device.accepted & BIT64(F_SEG_MAX) && device.accepted & BIT64(VIRTIO_F_INDIRECT_DESC));
		begin_offering(version, BIT64(F_SEG_MAX), 5);
		assert_int_equal(hostdisk_pieces(disk), 5);
		begin_offering(version, BIT64(F_SEG_MAX), 0);
		assert_int_equal(hostdisk_pieces(disk), 0);
		begin_offering(version, 0, SEG_MAX);
		assert_int_equal(hostdisk_pieces(disk), 1);
		begin_offering(version, BIT64(1), SEG_MAX); /* SIZE_MAX */
		assert_int_equal(device.accepted & BIT64(1), 0);
	}
	begin_device(2);
	device.features &= ~BIT64(VIRTIO_F_INDIRECT_DESC);
	assert_null(hostdisk_open(PATH, &disk));
	assert_int_equal(hostdisk_pieces(disk), 0);
	begin_device(2);
	fake_lent.no_memory = true;
	assert_null(hostdisk_open(PATH, &disk));
	assert_int_equal(hostdisk_pieces(disk), 0);
	begin_device(2);
	compile_tree(TREE_HEAD TRANSPORT("") "mmc@1c0f000 { compatible = \"allwinner,sun7i-a20-mmc\"; }; };");
	assert_null(hostdisk_open(PATH, &disk)); /* it sees RAM past the caches */
	assert_int_equal(hostdisk_pieces(disk), 0);
}

static void make_pieces(struct hostdisk_direct *d, enum diskdev_type type, uint64_t sector, uint32_t count)
{
	*d = (struct hostdisk_direct){.type = type, .sector = sector, .count = count};
	for (uint32_t i = 0; i < count; i++) {
		d->piece[i] = (struct pa_piece){pa(RAM + i * 0x10000U), 512U * (1U + i % 3U)};
		d->len += d->piece[i].len;
	}
}

/* The table of the oldest request, and its first descriptor in the queue. */
static const struct hostq_desc *take_table(uint32_t *head)
{
	int first = device_take(0);
	const struct hostq_desc *own;

	assert_true(first >= 0);
	*head = (uint32_t)first;
	own = device_desc(0, *head);
	assert_int_equal(own->flags, VIRTQ_DESC_INDIRECT);
	assert_int_equal(own->len % sizeof(*own), 0);
	assert_true(own->len <= (DISKDEV_PIECES + 2U) * sizeof(*own));
	return at_pa(own->addr);
}

/* The device ends the oldest request, which is in these pieces. */
static void end_direct(const struct hostdisk_direct *d, uint8_t status)
{
	uint32_t head, at, written = d->type == DISKDEV_READ ? d->len : 0;
	const struct hostq_desc *table = take_table(&head);
	const struct wire *wire = at_pa(table[0].addr);

	assert_int_equal(table[0].len, 16);
	assert_int_equal(table[0].flags, VIRTQ_DESC_NEXT);
	assert_int_equal(wire->type, d->type);
	assert_int_equal(wire->sector, d->sector);
	at = table[0].next;
	for (uint32_t i = 0; i < d->count; i++, at = table[at].next) {
		assert_int_equal(table[at].addr, d->piece[i].at.v);
		assert_int_equal(table[at].len, d->piece[i].len);
		assert_int_equal(table[at].flags, VIRTQ_DESC_NEXT | (d->type == DISKDEV_READ ? VIRTQ_DESC_WRITE : 0));
	}
	assert_int_equal(table[at].len, 1);
	assert_int_equal(table[at].flags, VIRTQ_DESC_WRITE);
	*(uint8_t *)at_pa(table[at].addr) = status;
	device_put(0, head, written + 1U - missing);
}

static void test_requests(void **state)
{
	struct user one = {.u.wake = count_wake};
	struct hostdisk_direct d;
	bool failed;

	(void)state;
	begin_direct();
	for (uint32_t i = 1; i <= DISKDEV_PIECES; i++) {
		make_pieces(&d, i % 2U ? DISKDEV_READ : DISKDEV_WRITE, BIT64(33) + i, i);
		assert_int_equal(hostdisk_begin_direct(disk, &one.u, &d), HOSTDISK_BEGUN);
		assert_int_equal(device.notified[0], i);
		assert_false(hostdisk_ended(&one.u, &failed));
		end_direct(&d, i == 5 ? 1 : S_OK);
		interrupt();
		assert_true(hostdisk_ended(&one.u, &failed));
		assert_int_equal(failed, i == 5);
		assert_int_equal(one.woken, i);
		assert_null(one.u.data); /* the slot is another one's already */
		hostdisk_done(&one.u);
		disk->lock.held = 1; /* and there is nothing to give back */
		assert_false(hostdisk_give(disk, &one.u));
		disk->lock.held = 0;
		said[0] = 0;
	}
	assert_int_equal(fake_lent.left, 0);
	make_pieces(&d, DISKDEV_READ, 0, 2);
	hostdisk_begin_direct(disk, &one.u, &d);
	missing = 1;
	end_direct(&d, S_OK);
	interrupt();
	assert_true(hostdisk_ended(&one.u, &failed) && failed);
}

/* In turn with those that are copied: a slot is free when its request has ended, whether its user runs or not. */
static void test_turns(void **state)
{
	struct user users[DISKDEV_SLOTS + 2U] = {0};
	struct hostdisk_direct d[DISKDEV_SLOTS + 2U];
	bool failed;

	(void)state;
	begin_direct();
	for (uint32_t i = 0; i < ARRAY_SIZE(users); i++) {
		users[i].u.wake = count_wake;
		make_pieces(&d[i], DISKDEV_READ, i, 1);
		assert_int_equal(hostdisk_begin_direct(disk, &users[i].u, &d[i]),
				 i < DISKDEV_SLOTS ? HOSTDISK_BEGUN : HOSTDISK_WAITS);
	}
	assert_int_equal(hostdisk_begin_direct(disk, &users[8].u, &d[8]), HOSTDISK_WAITS); /* and once only */
	end_direct(&d[0], S_OK);
	interrupt();
	assert_int_equal(users[0].woken, 1);
	assert_int_equal(users[8].woken, 1);
	assert_int_equal(users[9].woken, 0);
	assert_non_null(users[8].u.data);
	assert_int_equal(hostdisk_begin_direct(disk, &users[0].u, &d[0]), HOSTDISK_WAITS); /* behind the other */
	assert_int_equal(hostdisk_begin_direct(disk, &users[8].u, &d[8]), HOSTDISK_BEGUN);
	assert_false(hostdisk_ended(&users[8].u, &failed));
	end_direct(&d[1], S_OK);
	interrupt();
	assert_int_equal(users[9].woken, 1);
	assert_non_null(hostdisk_take(disk, &users[9].u)); /* which copies now */
	assert_false(hostdisk_give(disk, &users[9].u));
	assert_int_equal(users[0].woken, 2);
	assert_false(hostdisk_give(disk, &users[0].u));
}

static void test_late(void **state)
{
	struct user one = {.u.wake = count_wake};
	struct hostdisk_direct d;

	(void)state;
	begin_direct();
	make_pieces(&d, DISKDEV_READ, 0, 1);
	hostdisk_begin_direct(disk, &one.u, &d);
	fake_machine.reg[SYSREG_cntpct] += HOSTDISK_WAIT_S * timer_hz() - 10U;
	assert_false(hostdisk_is_late(&one.u));
	fake_machine.reg[SYSREG_cntpct] += 20U;
	assert_true(hostdisk_is_late(&one.u));
}

/* Its owner goes: the pieces are lent, by a record of their own, until the device has ended the request. */
static void test_left(void **state)
{
	const struct hostdisk_claim mine = {.first = 0, .count = 100, .vm = "web", .device = "disk0"};
	struct user gone = {.u = {.wake = count_wake, .claim = &mine}}, next = gone, other = {.u.wake = count_wake};
	struct hostdisk_direct d, e;
	struct lent *lent;

	(void)state;
	begin_direct();
	make_pieces(&d, DISKDEV_WRITE, 7, 3);
	make_pieces(&e, DISKDEV_READ, 200, 2);
	hostdisk_begin_direct(disk, &gone.u, &d);
	lent = &disk->slot[gone.u.slot].lent;
	assert_string_equal(lent->to, "host disk " PATH);
	assert_true(hostdisk_give(disk, &gone.u));
	assert_int_equal(fake_lent.left, 1);
	assert_int_equal(lent->count, 3);
	assert_memory_equal(lent->piece, d.piece, 3U * sizeof(d.piece[0]));
	assert_false(hostdisk_give(disk, &gone.u));
	assert_null(hostdisk_take(disk, &next.u)); /* what is old would replace what is new */
	assert_int_equal(hostdisk_begin_direct(disk, &other.u, &e),
			 HOSTDISK_COPIES); /* so that no more of it is lent */
	assert_non_null(hostdisk_take(disk, &other.u));
	hostdisk_give(disk, &other.u);
	end_direct(&d, S_OK);
	interrupt();
	assert_int_equal(fake_lent.ended, 1);
	assert_int_equal(gone.woken, 0);
	assert_int_equal(next.woken, 1);
	assert_int_equal(hostdisk_begin_direct(disk, &other.u, &e), HOSTDISK_BEGUN);
	end_direct(&e, S_OK);
	interrupt();
	assert_int_equal(fake_lent.ended, 1); /* of those that were left */
}

/* A record may be in use after its request: its slot's next one must not write over it. */
static void test_slow_record(void **state)
{
	struct user gone = {.u.wake = count_wake}, next = gone;
	struct hostdisk_direct d;

	(void)state;
	begin_direct();
	fake_lent.slow = true;
	make_pieces(&d, DISKDEV_READ, 7, 3);
	hostdisk_begin_direct(disk, &gone.u, &d);
	assert_true(hostdisk_give(disk, &gone.u));
	end_direct(&d, S_OK);
	interrupt();
	assert_int_equal(hostdisk_begin_direct(disk, &next.u, &d), HOSTDISK_COPIES);
	for (uint32_t i = 0; i < DISKDEV_SLOTS; i++)
		disk->slot[i].lent.state = LENT_IDLE;
	assert_int_equal(hostdisk_begin_direct(disk, &next.u, &d), HOSTDISK_BEGUN);
}

/* One that has ended before its owner goes lends nothing, and neither does one that waits, or copies. */
static void test_not_lent(void **state)
{
	struct user users[DISKDEV_SLOTS + 1U] = {0};
	struct hostdisk_direct d;

	(void)state;
	begin_direct();
	make_pieces(&d, DISKDEV_READ, 7, 1);
	for (uint32_t i = 0; i < ARRAY_SIZE(users); i++) {
		users[i].u.wake = count_wake;
		hostdisk_begin_direct(disk, &users[i].u, &d);
	}
	assert_false(hostdisk_give(disk, &users[DISKDEV_SLOTS].u));
	end_direct(&d, S_OK);
	interrupt();
	assert_false(hostdisk_give(disk, &users[0].u));
	hostdisk_take(disk, &users[0].u);
	hostdisk_begin(disk, &users[0].u, DISKDEV_READ, 0, 512);
	assert_false(hostdisk_give(disk, &users[0].u));
	assert_int_equal(fake_lent.left, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_can),  cmocka_unit_test(test_requests), cmocka_unit_test(test_turns),
		cmocka_unit_test(test_late),     cmocka_unit_test(test_left),     cmocka_unit_test(test_slow_record),
		cmocka_unit_test(test_not_lent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
