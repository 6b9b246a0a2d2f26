/* SPDX-License-Identifier: BSD-2-Clause */
/* A card of the host's in a switch (hyp/virtio/uplink.c): what comes from outside goes to VMs, and the reverse. */
#include "hyp/host/nic.h"
#include "hyp/run/irq.h"
#include "hyp/run/sched.h"
#include "hyp/run/thread.h"
#include "hyp/virtio/uplink.c" /* and not linked: what it makes stays for ever */
#include "net_rig.h"

#define F_MRG_RXBUF 15U
#define F_STATUS    16U

static const uint8_t outside[MAC_BYTES] = {2, 0, 0, 0, 0, 1}, own[MAC_BYTES] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

/* The card. */
static struct {
	const char *find, *open; /* what is wrong */
	int node;
	bool link, config;
	uint8_t in[NIC_FRAME_MAX + 1U];
	uint32_t in_len; /* 0: nothing has come */
	uint8_t out[NIC_FRAME_MAX];
	uint32_t out_len, sent, rooms;
	bool busy;
	uint32_t closed;
} fake;

const char *hostvirtio_find(struct hostvirtio *v, const struct host *host, const char *path)
{
	(void)host, (void)path;
	v->node = fake.node;
	v->irq = 79;
	return fake.find;
}

const char *nic_open(struct nic *nic)
{
	memcpy(nic->mac, own, MAC_BYTES);
	return fake.open;
}

void nic_close(struct nic *nic)
{
	(void)nic;
	fake.closed++;
}

uint8_t *nic_room(struct nic *nic)
{
	(void)nic;
	return fake.rooms ? fake.out : NULL;
}

void nic_send(struct nic *nic, const uint8_t *room, uint32_t len)
{
	(void)nic;
	assert_ptr_equal(room, fake.out);
	fake.out_len = len;
	fake.sent++;
	fake.rooms--;
}

const uint8_t *nic_received(struct nic *nic, uint32_t *len)
{
	(void)nic;
	*len = fake.in_len;
	return fake.in_len ? fake.in : NULL;
}

void nic_drop(struct nic *nic)
{
	(void)nic;
	fake.in_len = 0;
}

bool nic_wait(struct nic *nic)
{
	(void)nic;
	fake.busy = false;
	return true;
}

void nic_busy(struct nic *nic)
{
	(void)nic;
	fake.busy = true;
}

bool nic_acknowledge(struct nic *nic)
{
	bool config = fake.config;

	(void)nic;
	fake.config = false;
	return config;
}

bool nic_has_link(const struct nic *nic)
{
	(void)nic;
	return fake.link;
}

/* The thread, which is left where it blocks. */
static void (*body)(void *);
static void *body_arg;
static bool no_thread, woken;
static uint32_t thread_priority;
static struct thread the_thread;
static jmp_buf blocked;
static irq_fn handler;

struct thread *thread_create(void (*fn)(void *), void *arg, uint32_t priority)
{
	(void)priority;
	if (no_thread)
		return NULL;
	body = fn;
	body_arg = arg;
	return &the_thread;
}

void thread_set_priority(struct thread *thread, uint32_t priority)
{
	assert_ptr_equal(thread, &the_thread);
	thread_priority = priority;
}

void sched_block(void)
{
	longjmp(blocked, 1);
}

void sched_wake(struct thread *thread)
{
	assert_ptr_equal(thread, &the_thread);
	woken = true;
}

int irq_register_spi(uint32_t id, irq_fn fn, void *arg)
{
	assert_int_equal(id, 79);
	assert_ptr_equal(arg, body_arg);
	handler = fn;
	return 0;
}

static void run_thread(void)
{
	if (!setjmp(blocked))
		body(body_arg);
	assert_false(fake.busy);
}

static void interrupt(void)
{
	woken = false;
	assert_true(handler(79, body_arg));
	assert_true(woken);
	run_thread();
}

/* /switches of a bundle of their own. */
static struct fit switches;
static struct bundle switch_bundle;
static struct uplink *made;

static void begin_switches(void)
{
	fit_begin(&switches);
	fit_vms(&switches);
	fit_vm(&switches, "other");
	fit_vm_end(&switches);
	assert_int_equal(fdt_end_node(switches.blob), 0); /* /vms */
	assert_int_equal(fdt_begin_node(switches.blob, "switches"), 0);
}

static void add_switch(const char *name, const char *key, const char *value)
{
	assert_int_equal(fdt_begin_node(switches.blob, name), 0);
	if (key)
		fit_string(&switches, key, value);
	assert_int_equal(fdt_end_node(switches.blob), 0);
}

static void create_switches(void)
{
	const struct uplink *last = uplink_next(NULL);

	fit_end(&switches);
	switch_bundle = (struct bundle){.fdt = switches.blob, .size = switches.size};
	uplink_create_all(&switch_bundle, NULL);
	made = uplink_next(NULL) == last ? NULL : uplink_next(NULL);
}

/* VMs' cards and the uplink of their switch, which is on its first wait. */
static void begin(uint32_t count)
{
	static int nodes;

	memset(&fake, 0, sizeof(fake));
	fake.link = true;
	fake.node = ++nodes;
	fake.rooms = 100;
	fake_log_reset();
	begin_switches();
	add_switch("lan", "uplink", "/virtio_mmio@a003e00");
	create_switches();
	assert_non_null(made);
	run_thread();
	start_all(count);
}

static int end(void **state)
{
	if (made) {
		switch_leave(&made->port);
		hostdev_release(&made->claim);
	}
	page_free(made, page_order(sizeof(*made)));
	uplinks = made = NULL;
	fit_free(&switches);
	no_thread = false;
	return teardown(state);
}

static void come(const uint8_t *to, const uint8_t *from, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		fake.in[i] = (uint8_t)(i * 7U + 3U);
	memcpy(fake.in, to, MAC_BYTES);
	memcpy(fake.in + MAC_BYTES, from, MAC_BYTES);
	fake.in_len = len;
	interrupt();
}

static void come_to(uint32_t slot, uint32_t len)
{
	uint8_t mac[MAC_BYTES];

	mac_of(slot, mac);
	come(mac, outside, len);
}

static void expect_come(uint32_t slot, uint32_t n, uint32_t len)
{
	const uint8_t *at = fake_guest_at(IN(slot, n));

	assert_int_equal(used_len(slot, n), 12U + len);
	assert_memory_equal(at + 12, fake.in, len);
	assert_int_equal(at[10], 1);
	assert_int_equal(at[12U + len], UNTOUCHED);
}

static void test_in(void **state)
{
	(void)state;
	begin(3);
	assert_ptr_equal(uplink_port(made)->net, net_port(&card[0]->device)->net);
	come_to(1, 60);
	expect_come(1, 0, 60);
	come_to(1, 1514);
	expect_come(1, 1, 1514);
	come_to(1, 14);
	expect_come(1, 2, 14);
	assert_int_equal(used(0, RECEIVE) + used(2, RECEIVE), 0);
	assert_int_equal(count(1)->received, 3);
	assert_int_equal(uplink_counts(made)->sent, 3);
	come(everyone, outside, 100);
	expect_come(0, 0, 100);
	expect_come(1, 3, 100);
	expect_come(2, 0, 100);
	send_to(2, outside, 60);
	assert_int_equal(fake.sent, 1);
}

/* A frame to all is handed on to each by itself, between which others run. */
static void test_in_gives_way(void **state)
{
	uint32_t before;

	(void)state;
	begin(8);
	before = fake_virtio.preempts;
	come(everyone, outside, 100);
	assert_in_range(fake_virtio.preempts - before, 8, 10);
	for (uint32_t slot = 0; slot < 8; slot++)
		expect_come(slot, 0, 100);
}

/* In as many buffers as it takes, of a driver that knows of that; another's is too small. */
static void test_in_pieces(void **state)
{
	(void)state;
	begin(2);
	accepted[0] = BIT(F_MRG_RXBUF);
	start_size(0, SIZE);
	start_size(1, SIZE);
	for (uint32_t n = 0; n < 4; n++) {
		give_buffer(0, n, 400);
		give_buffer(1, n, 400);
	}
	come_to(0, 1514);
	assert_int_equal(used(0, RECEIVE), 4);
	assert_int_equal(used_len(0, 3), 12U + 1514U - 1200U);
	assert_memory_equal(fake_guest_at(IN(0, 1)), fake.in + 388, 400);
	assert_memory_equal(fake_guest_at(IN(0, 3)), fake.in + 388 + 800, 326);
	come_to(1, 1514);
	assert_int_equal(dropped(1, NET_SMALL), 1);
}

static void test_in_wrong(void **state)
{
	uint8_t mac[MAC_BYTES];

	(void)state;
	begin(2);
	come_to(0, 13);
	come_to(0, NIC_FRAME_MAX + 1U);
	assert_int_equal(uplink_counts(made)->dropped[NET_MALFORMED], 2);
	mac_of(1, mac);
	come(everyone, mac, 60); /* in the name of a VM */
	come(everyone, everyone, 60);
	assert_int_equal(uplink_counts(made)->dropped[NET_SPOOFED], 2);
	come((const uint8_t[]){2, 9, 9, 9, 9, 9}, outside, 60);
	assert_int_equal(uplink_counts(made)->dropped[NET_UNKNOWN], 1);
	assert_int_equal(used(0, RECEIVE) + used(1, RECEIVE), 0);
}

/* A block of the receiver's RAM is zeroed for it, but not one after the other. */
static void test_in_touches(void **state)
{
	(void)state;
	begin(1);
	fake_virtio.fresh = BIT64((IN(0, 0) - MACHINE_RAM_BASE) / 0x10000U);
	come_to(0, 60);
	expect_come(0, 0, 60);
	assert_int_equal(fake_virtio.touches, VM_TOUCH_STEPS);
	start_size(0, SIZE);
	for (uint32_t n = 0; n < 7; n++)
		desc(&rings[0][RECEIVE], n, AREA(4U + n), 20, VIRTQ_DESC_WRITE | (n < 6 ? VIRTQ_DESC_NEXT : 0), n + 1U);
	offer(&rings[0][RECEIVE], 0, SIZE);
	fake_virtio.fresh = UINT64_MAX << 5;
	come_to(0, 120);
	assert_int_equal(used(0, RECEIVE), 0);
	assert_int_equal(dropped(0, NET_NO_BUFFER), 1);
}

static void test_out(void **state)
{
	(void)state;
	begin(2);
	send_to(0, outside, 60);
	assert_int_equal(fake.out_len, 60);
	assert_memory_equal(fake.out, fake_guest_at(OUT(0) + 12U), 60);
	send_to(0, outside, 1514);
	assert_int_equal(fake.out_len, 1514);
	assert_memory_equal(fake.out, fake_guest_at(OUT(0) + 12U), 1514);
	send_to(1, everyone, 70);
	assert_int_equal(fake.out_len, 70);
	assert_int_equal(used(0, RECEIVE), 1);
	transmit(0, 1, 60); /* not to who is here */
	assert_int_equal(fake.sent, 3);
	fake.rooms = 0;
	send_to(0, outside, 60);
	assert_int_equal(uplink_counts(made)->dropped[NET_NO_BUFFER], 1);
	assert_int_equal(uplink_counts(made)->received, 3);
	fake.rooms = 1;
	fake_virtio.bad = OUT(0);
	fake_virtio.bad_size = 0x1000;
	send_to(0, outside, 60);
	assert_int_equal(dropped(0, NET_MALFORMED), 1);
	assert_int_equal(fake.sent, 3);
}

static uint32_t status(uint32_t slot)
{
	return rig_read_size(slot, VIRTIO_CONFIG + 6U, 2);
}

static void test_link(void **state)
{
	struct device *device;

	(void)state;
	begin(2);
	assert_int_equal(status(0), 1);
	fake.config = true;
	fake.link = false;
	interrupt();
	assert_false(uplink_has_link(made));
	for (uint32_t slot = 0; slot < 2; slot++) {
		assert_int_equal(status(slot), 0);
		assert_int_equal(rig_read_size(slot, VIRTIO_INTERRUPT_STATUS, 4) & VIRTIO_INT_CONFIG,
				 VIRTIO_INT_CONFIG);
		assert_int_equal(rig_read_size(slot, VIRTIO_CONFIG_GENERATION, 4), 1);
	}
	reg(0, VIRTIO_STATUS, 0);
	assert_int_equal(status(0), 0); /* whatever its driver does */
	device = device_find(&rig_vm, &virtio_net_class);
	device->class->destroy(device);
	assert_int_equal(device->class->create(device), 0); /* one that comes while it is out */
	assert_int_equal(((const struct virtio_device *)(void *)device)->state->page.byte[VIRTIO_CONFIG + 6U], 0);
	fake.config = true;
	fake.link = true;
	interrupt();
	assert_int_equal(status(1), 1);
}

static void test_priority(void **state)
{
	(void)state;
	begin(0);
	interrupt();
	assert_int_equal(thread_priority, 0);
}

static void expect_refusal(const char *name, const char *key, const char *value, enum log_level level, const char *line)
{
	fake_log_reset();
	begin_switches();
	add_switch(name, key, value);
	create_switches();
	assert_null(made);
	assert_string_equal(fake_log_last(level), line);
	assert_null(switch_next(NULL));
	fit_free(&switches);
}

#define REACH "; its VMs reach nobody outside"

static void test_refused(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	fake.node = 1000;
	fake.find = "this is wrong";
	expect_refusal("lan", "uplink", "/a", LOG_ERR, "switch lan: uplink \"/a\": this is wrong" REACH);
	fake.find = NULL;
	fake.open = "that is";
	expect_refusal("lan", "uplink", "/a", LOG_ERR, "switch lan: uplink \"/a\": that is" REACH);
	fake.open = NULL;
	no_thread = true;
	expect_refusal("lan", "uplink", "/a", LOG_ERR,
		       "switch lan: uplink \"/a\": virt7's heap is too small for its thread" REACH);
	assert_int_equal(fake.closed, 1);
	assert_null(body);
	no_thread = false;
	fake_page_set_empty(true);
	expect_refusal("lan", "uplink", "/a", LOG_ERR, "switch lan: uplink \"/a\": virt7's heap is too small" REACH);
	fake_page_set_empty(false);
	fake_page_set_left(1);
	expect_refusal("lan", "uplink", "/a", LOG_ERR,
		       "switch lan: uplink \"/a\": virt7's heap is too small for its switch" REACH);
	fake_page_set_empty(false);
	assert_null(body); /* no VM is left to use it */
	expect_refusal("a b", "uplink", "/a", LOG_ERR, "/switches/a b: " WORDS_NAME);
	expect_refusal("lan", "downlink", "/a", LOG_WARN,
		       "switch lan: /switches/lan: downlink: " WORDS_UNKNOWN_PROPERTY);
	expect_refusal("lan", NULL, NULL, LOG_ERR, "");
}

static void test_card_twice(void **state)
{
	(void)state;
	begin(0);
	assert_int_equal(fake_log_count(LOG_ERR), 0);
	fit_free(&switches);
	begin_switches();
	add_switch("wan", "uplink", "/virtio_mmio@a003e00");
	fit_end(&switches);
	switch_bundle = (struct bundle){.fdt = switches.blob, .size = switches.size};
	uplink_create_all(&switch_bundle, NULL);
	assert_string_equal(fake_log_last(LOG_ERR),
			    "switch wan: uplink \"/virtio_mmio@a003e00\": another switch has this card" REACH);
	assert_ptr_equal(uplink_next(NULL), made);
}

/* No VM gets the card of an uplink; what could not be made leaves it to others. */
static void test_card_is_claimed(void **state)
{
	struct hostdev dev = {.node = 1000};

	(void)state;
	memset(&fake, 0, sizeof(fake));
	fake.node = dev.node;
	fake.open = "that is";
	expect_refusal("lan", "uplink", "/a", LOG_ERR, "switch lan: uplink \"/a\": that is" REACH);
	assert_null(hostdev_claim(&dev, "a VM"));
	hostdev_release(&dev);
	fake.open = NULL;
	begin(0);
	dev.node = made->nic.v.node;
	assert_ptr_equal(hostdev_claim(&dev, "a VM"), &made->claim);
}

#undef TEST
#define TEST(name) cmocka_unit_test_teardown(name, end)

int main(void)
{
	static uint8_t tree[256] __attribute__((aligned(8)));
	static struct host board = {.fdt = tree};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		TEST(test_in),
		TEST(test_in_gives_way),
		TEST(test_in_pieces),
		TEST(test_in_wrong),
		TEST(test_in_touches),
		TEST(test_out),
		TEST(test_link),
		TEST(test_priority),
		TEST(test_card_twice),
		TEST(test_card_is_claimed),
	};

	fdt_create_empty_tree(tree, sizeof(tree));
	hostdev_init(&board);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
