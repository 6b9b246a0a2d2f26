/* SPDX-License-Identifier: BSD-2-Clause */
/* An uplink of a switch (hyp/virtio/switch.h): what no card here has goes there, and what it has taught comes from
 * there. */
#include "hyp/virtio/offload.h"
#include "net_rig.h"

static const uint8_t outside[MAC_BYTES] = {2, 0, 0, 0, 0, 1}, absent[MAC_BYTES] = {2, 0, 0, 0, 0, 2};

static struct spinlock uplink_lock;
static struct {
	uint32_t frames, len, lost;
	uint8_t to[MAC_BYTES];
	bool takes;
	uint32_t asked; /* gso_type */
	enum switch_put answer;
} out;

static bool uplink_takes(const struct switch_port *port, uint32_t gso_type)
{
	(void)port;
	assert_true(uplink_lock.held);
	out.asked = gso_type;
	return out.takes;
}

static enum switch_put uplink_put(struct switch_port *port, struct virtq_step *from, const struct net_frame *frame)
{
	(void)port, (void)from;
	assert_true(uplink_lock.held);
	out.frames++;
	out.len = frame->head_len + frame->rest_len;
	memcpy(out.to, frame->head, MAC_BYTES);
	return out.answer;
}

static void uplink_lose(struct switch_port *port)
{
	(void)port;
	out.lost++;
}

static const struct switch_port_ops uplink_ops = {uplink_takes, uplink_put, uplink_lose, NULL};
static struct switch_port uplink, other_uplink;

static int join(struct switch_port *port, uint8_t last)
{
	struct switch_port *other;

	*port = (struct switch_port){.mac = {0x52, 0x54, 1, 0, 0, last},
				     .ops = &uplink_ops,
				     .any_mac = true,
				     .uplink = true,
				     .lock = &uplink_lock};
	return switch_join("lan", port, &other);
}

static void begin(void)
{
	memset(&out, 0, sizeof(out));
	out.answer = PUT_DONE;
	start_all(3);
	assert_int_equal(join(&uplink, 1), 0);
}

static void test_unknown_goes_out(void **state)
{
	(void)state;
	flag[1] = "isolated";
	begin();
	send_to(0, absent, 60);
	assert_int_equal(out.frames, 1);
	assert_int_equal(out.len, 60);
	assert_memory_equal(out.to, absent, MAC_BYTES);
	send_to(1, absent, 61); /* who is isolated, too */
	assert_int_equal(out.frames, 2);
	transmit(0, 2, 60);
	assert_int_equal(out.frames, 2);
	send_to(0, everyone, 60);
	assert_int_equal(out.frames, 3);
	assert_int_equal(count(0)->sent, 3);
	assert_int_equal(dropped(0, NET_UNKNOWN), 0);
	switch_leave(&uplink);
	send_to(0, absent, 60);
	assert_int_equal(out.frames, 3);
	assert_int_equal(dropped(0, NET_UNKNOWN), 1);
}

/*
 * Of what is outside nothing is learned, so that it takes no place from VMs' addresses, however many there are; one
 * that was behind a VM's card is outside from then on.
 */
static void test_outside_is_not_learned(void **state)
{
	static const uint8_t inside[MAC_BYTES] = {2, 0, 0, 0, 0, 3};
	struct switch_port *to;
	uint8_t mac[MAC_BYTES];

	(void)state;
	flag[1] = "allow-any-mac";
	begin();
	mac_of(0, mac);
	assert_true(switch_accept(&uplink, outside));
	assert_false(switch_accept(&uplink, mac));
	assert_int_equal(switch_lock_port(&uplink, outside, &to), SWITCH_UNKNOWN);
	assert_int_equal(switch_lock_port(&uplink, absent, &to), SWITCH_UNKNOWN);
	assert_int_equal(switch_lock_port(&uplink, mac, &to), SWITCH_FOUND);
	spin_unlock(to->lock);
	send_to(0, outside, 60);
	assert_int_equal(out.frames, 1);
	write_frame(1, everyone, inside, 60);
	offer(&rings[1][TRANSMIT], 0, SIZE);
	kick(1);
	for (uint32_t n = 0; n < 0x1000; n++)
		assert_true(switch_accept(&uplink, (const uint8_t[]){2, 1, 2, 3, (uint8_t)(n >> 8), (uint8_t)n}));
	assert_int_equal(switch_lock_port(&uplink, inside, &to), SWITCH_FOUND);
	assert_ptr_equal(to, net_port(&card[1]->device));
	spin_unlock(to->lock);
	assert_true(switch_accept(&uplink, inside));
	assert_int_equal(switch_lock_port(&uplink, inside, &to), SWITCH_UNKNOWN);
	switch_leave(&uplink);
}

static void test_one_a_switch(void **state)
{
	(void)state;
	begin();
	assert_int_equal(join(&other_uplink, 2), -EEXIST);
	switch_leave(&uplink);
	assert_int_equal(join(&other_uplink, 2), 0);
	switch_leave(&other_uplink);
}

/* What it cannot do is done before; what it cannot have now is tried again, and lost at last. */
static void test_asked(void **state)
{
	(void)state;
	begin();
	accepted[0] = BIT(0); /* CSUM */
	start(0);
	write_frame(0, absent, (const uint8_t[]){0x52, 0x54, 0, 0, 0, 0}, 100);
	memcpy(fake_guest_at(OUT(0)), (const uint8_t[]){1, 0, 0, 0, 0, 0, 14, 0, 6, 0, 0, 0}, 12);
	offer(&rings[0][TRANSMIT], 0, SIZE);
	kick(0);
	assert_int_equal(out.frames, 1);
	assert_int_equal(out.asked, 0);
	out.answer = PUT_AGAIN;
	send_to(1, absent, 60);
	assert_int_equal(out.frames, 1U + 4U * VM_TOUCH_STEPS + 1U);
	assert_int_equal(out.lost, 1);
	switch_leave(&uplink);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_unknown_goes_out),
		TEST(test_outside_is_not_learned),
		TEST(test_one_a_switch),
		TEST(test_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
