/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's virtio-net card as virt7 drives it, of both register versions (hyp/host/virtio.c, hyp/host/nic.c). */
#include "hyp/host/nic.h"
#include "host_rig.h"

#define RECEIVE  0U
#define TRANSMIT 1U
#define F_MAC    5U
#define F_STATUS 16U
#define PATH     "/virtio_mmio@a003e00"
#define DRIVES   (VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_DRIVER_OK)

static const uint8_t mac[] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
static struct nic nic;

static void begin(uint32_t version)
{
	rig_device(version, HOSTVIRTIO_NET, BIT64(F_MAC) | BIT64(F_STATUS) | BIT64(28) | BIT64(15));
	memcpy((uint8_t *)device.word + VIRTIO_CONFIG, mac, sizeof(mac));
	((uint8_t *)device.word)[VIRTIO_CONFIG + 6U] = 1;
	memset(&nic, 0, sizeof(nic));
}

static const char *open_nic(void)
{
	const char *wrong = hostvirtio_find(&nic.v, &rig_host, PATH);

	return wrong ? wrong : nic_open(&nic);
}

static void start(uint32_t version)
{
	begin(version);
	assert_null(open_nic());
}

static uint32_t header(void)
{
	return device.word[VIRTIO_VERSION / 4U] == 1 ? 10 : 12;
}

static void open_as(uint32_t version)
{
	start(version);
	assert_int_equal(device.resets, 1);
	assert_int_equal(device.word[VIRTIO_STATUS / 4U], DRIVES | (version == 2 ? VIRTIO_STATUS_FEATURES_OK : 0));
	assert_int_equal(device.accepted,
			 BIT64(F_MAC) | BIT64(F_STATUS) |
				 (version == 1 ? BIT64(VIRTIO_F_ANY_LAYOUT) : BIT64(VIRTIO_F_VERSION_1)));
	assert_memory_equal(nic.mac, mac, sizeof(mac));
	assert_int_equal(nic.v.irq, 79);
	assert_true(nic_has_link(&nic));
	for (uint32_t q = 0; q < QUEUES_MAX; q++) {
		assert_int_equal(device.size[q], NIC_BUFFERS);
		assert_true(device.desc[q] % 16U == 0 && device.avail[q] % 2U == 0 && device.used[q] % 4U == 0);
	}
	assert_int_equal(device.notified[RECEIVE], 1);
	for (uint32_t i = 0; i < NIC_BUFFERS; i++) {
		const struct hostq_desc *desc = device_desc(RECEIVE, (uint32_t)device_take(RECEIVE));

		assert_int_equal(desc->flags, VIRTQ_DESC_WRITE);
		assert_int_equal(desc->len, 2048);
	}
	assert_int_equal(device_take(RECEIVE), -1);
	assert_int_equal(device_take(TRANSMIT), -1);
}

static void test_open(void **state)
{
	(void)state;
	open_as(1);
	open_as(2);
}

/* The device fills the oldest buffer. */
static uint32_t deliver(uint32_t len, uint8_t fill)
{
	uint32_t head = (uint32_t)device_take(RECEIVE);

	memset(at_pa(device_desc(RECEIVE, head)->addr), 0, header());
	memset((uint8_t *)at_pa(device_desc(RECEIVE, head)->addr) + header(), fill, 60);
	device_put(RECEIVE, head, header() + len);
	return head;
}

static void receive_as(uint32_t version)
{
	uint32_t len, head;
	const uint8_t *frame;

	start(version);
	assert_null(nic_received(&nic, &len));
	for (uint32_t n = 0; n < 3U * NIC_BUFFERS; n++) {
		head = deliver(60U + n, (uint8_t)n);
		frame = nic_received(&nic, &len);
		assert_ptr_equal(frame, (uint8_t *)at_pa(device_desc(RECEIVE, head)->addr) + header());
		assert_int_equal(len, 60U + n);
		assert_int_equal(frame[59], (uint8_t)n);
		nic_drop(&nic);
	}
	assert_null(nic_received(&nic, &len));
}

static void test_receive(void **state)
{
	(void)state;
	receive_as(1);
	receive_as(2);
}

/* A device that says what cannot be leads nowhere else. */
static void test_receive_nonsense(void **state)
{
	uint32_t len;
	const uint8_t *frame;

	(void)state;
	start(2);
	device_put(RECEIVE, 3, 0);
	device_put(RECEIVE, 4, 12);
	device_put(RECEIVE, 5, 2049);
	device_put(RECEIVE, 6, UINT32_MAX);
	for (uint32_t n = 0; n < 4; n++) { /* one by one: who calls lets others in between */
		assert_non_null(nic_received(&nic, &len));
		assert_int_equal(len, 0);
		nic_drop(&nic);
	}
	assert_null(nic_received(&nic, &len));
	device_put(RECEIVE, 0x10007, 100);
	frame = nic_received(&nic, &len);
	assert_ptr_equal(frame, (uint8_t *)at_pa(device_desc(RECEIVE, 7)->addr) + 12);
	assert_int_equal(len, 88);
}

/* One that says that it has ended more than it had is at rest. */
static void test_used_ahead(void **state)
{
	uint32_t len;

	(void)state;
	start(2);
	for (uint32_t n = 0; n < 1000; n++) {
		((struct hostq_used *)at_pa(device.used[RECEIVE]))->index = (uint16_t)(NIC_BUFFERS + 1U + n * 60U);
		assert_null(nic_received(&nic, &len));
		assert_true(nic_wait(&nic));
	}
}

static void send_as(uint32_t version)
{
	uint8_t *room;
	uint32_t len, seen = 0;
	int head;

	start(version);
	for (uint32_t n = 0; n < NIC_BUFFERS; n++) {
		room = nic_room(&nic);
		assert_non_null(room);
		assert_ptr_equal(room, nic_room(&nic)); /* it is sent, or it stays */
		memset(room, (int)n, NIC_FRAME_MAX);
		nic_send(&nic, room, 100U + n);
	}
	assert_null(nic_room(&nic));
	while ((head = device_take(TRANSMIT)) >= 0) {
		const struct hostq_desc *desc = device_desc(TRANSMIT, (uint32_t)head);
		const uint8_t *at = at_pa(desc->addr);

		len = desc->len;
		assert_int_equal(len, header() + 100U + seen);
		assert_int_equal(desc->flags, 0);
		for (uint32_t i = 0; i < header(); i++)
			assert_int_equal(at[i], 0);
		assert_int_equal(at[len - 1U], seen++);
		device_put(TRANSMIT, (uint32_t)head, 0);
	}
	assert_int_equal(seen, NIC_BUFFERS);
	assert_int_equal(device.notified[TRANSMIT], NIC_BUFFERS);
	assert_non_null(nic_room(&nic));
}

static void test_send(void **state)
{
	(void)state;
	send_as(1);
	send_as(2);
}

static void test_quiet_device(void **state)
{
	(void)state;
	start(2);
	((struct hostq_used *)at_pa(device.used[TRANSMIT]))->flags = 1; /* VIRTQ_USED_F_NO_NOTIFY */
	nic_send(&nic, nic_room(&nic), 60);
	assert_int_equal(device.notified[TRANSMIT], 0);
}

static void test_interrupts(void **state)
{
	const struct hostq_ring *avail;
	uint32_t len;

	(void)state;
	start(2);
	avail = at_pa(device.avail[RECEIVE]);
	assert_int_equal(((const struct hostq_ring *)at_pa(device.avail[TRANSMIT]))->flags, VIRTQ_NO_INTERRUPT);
	nic_busy(&nic);
	assert_int_equal(avail->flags, VIRTQ_NO_INTERRUPT);
	assert_true(nic_wait(&nic));
	assert_int_equal(avail->flags, 0);
	nic_busy(&nic);
	deliver(60, 0);
	assert_false(nic_wait(&nic));
	assert_non_null(nic_received(&nic, &len));
	assert_true(nic_wait(&nic));
	device.word[VIRTIO_INTERRUPT_STATUS / 4U] = VIRTIO_INT_QUEUE;
	assert_false(nic_acknowledge(&nic));
	assert_int_equal(device.word[VIRTIO_INTERRUPT_STATUS / 4U], 0);
	device.word[VIRTIO_INTERRUPT_STATUS / 4U] = VIRTIO_INT_QUEUE | VIRTIO_INT_CONFIG;
	assert_true(nic_acknowledge(&nic));
	((uint8_t *)device.word)[VIRTIO_CONFIG + 6U] = 0;
	assert_false(nic_has_link(&nic));
	nic_close(&nic);
	assert_int_equal(device.word[VIRTIO_STATUS / 4U], 0);
}

/* A device whose queues are shorter, and one that does not say whether there is a cable. */
static void test_smaller(void **state)
{
	uint32_t sent = 0;
	uint8_t *room;

	(void)state;
	begin(2);
	device.queue_max[0] = device.queue_max[1] = 8;
	device.features &= ~BIT64(F_STATUS);
	assert_null(open_nic());
	assert_true(nic_has_link(&nic));
	for (; (room = nic_room(&nic)); sent++)
		nic_send(&nic, room, 60);
	assert_int_equal(sent, 8);
}

static void test_wrong_device(void **state)
{
	(void)state;
	begin(2);
	device.word[VIRTIO_DEVICE_ID / 4U] = 0;
	assert_string_equal(open_nic(), "no device is in this place (QEMU fills them from the last one down)");
	begin(2);
	device.word[VIRTIO_DEVICE_ID / 4U] = HOSTVIRTIO_BLOCK;
	assert_string_equal(open_nic(), "a virtio device of another kind");
	begin(3);
	assert_string_equal(open_nic(), "neither register version 1 nor 2");
	begin(2);
	device.word[VIRTIO_MAGIC_VALUE / 4U] = 0;
	assert_string_equal(open_nic(), "not a virtio device on virtio-mmio");
	begin(2);
	device.features &= ~BIT64(VIRTIO_F_VERSION_1);
	assert_string_equal(open_nic(), "a device of version 2 that does not know version 1 of virtio");
	begin(1);
	device.features &= ~BIT64(VIRTIO_F_ANY_LAYOUT);
	assert_string_equal(open_nic(), "a card of an older kind than virt7 drives");
	begin(2);
	device.refuses = true;
	assert_string_equal(open_nic(), "the device refuses its own features");
	begin(2);
	device.features &= ~BIT64(F_MAC);
	assert_string_equal(open_nic(), "the card has no address of its own");
	begin(2);
	device.queue_max[TRANSMIT] = 0;
	assert_string_equal(open_nic(), "the device lacks a queue");
	assert_int_equal(device.word[VIRTIO_STATUS / 4U], 0); /* it is quiet */
	begin(2);
	device.hangs = true;
	assert_string_equal(open_nic(), "the device does not end its reset");
}

static void test_wrong_place(void **state)
{
	(void)state;
	begin(2);
	assert_null(hostvirtio_find(&nic.v, &rig_host, "net"));
	assert_string_equal(hostvirtio_find(&nic.v, &rig_host, "/virtio_mmio@1"),
			    "no such node in the host's device tree");
	assert_string_equal(hostvirtio_find(&nic.v, &rig_host, "/uart@9000000"), "not a virtio device on virtio-mmio");
	device.unmapped = true;
	assert_string_equal(open_nic(), "no room to map its registers");
	begin(2);
	compile_tree(TREE_HEAD TRANSPORT("status = \"disabled\";") "};");
	assert_string_equal(open_nic(), "disabled in the host's device tree");
	compile_tree(TREE_HEAD "virtio_mmio@a003e00 { compatible = \"virtio,mmio\"; reg = <0xa003e00 0x200>; }; };");
	assert_string_equal(open_nic(), "its interrupt does not arrive at the GIC");
}

static void test_no_memory(void **state)
{
	(void)state;
	for (size_t left = 0; left < 0x80000U; left += 0x1000U) {
		begin(2);
		heap_end = left;
		if (!open_nic())
			return;
		assert_int_equal(device.word[VIRTIO_STATUS / 4U], 0);
	}
	fail();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_receive),
		cmocka_unit_test(test_receive_nonsense),
		cmocka_unit_test(test_used_ahead),
		cmocka_unit_test(test_send),
		cmocka_unit_test(test_quiet_device),
		cmocka_unit_test(test_interrupts),
		cmocka_unit_test(test_smaller),
		cmocka_unit_test(test_wrong_device),
		cmocka_unit_test(test_wrong_place),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
