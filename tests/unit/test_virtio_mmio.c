/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers of the transport (hyp/virtio/mmio.c, device.c), of both versions, and the life of a device. */
#include "virtio_echo.h"

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
	rig_write(VIRTIO_QUEUE_NUM, 0);
	rig_write(VIRTIO_QUEUE_READY, 1);
	assert_int_equal(rig_read(VIRTIO_QUEUE_READY), 0);
	rig_write(VIRTIO_QUEUE_NUM, 3);
	rig_write(VIRTIO_QUEUE_READY, 1);
	assert_int_equal(rig_read(VIRTIO_QUEUE_READY), 0);
	assert_string_equal(fake_log_last(LOG_WARN), "vm web: echo0: queue 0: its size is not a power of two up to "
						     "QueueNumMax; it is not ready");
	rig_write(VIRTIO_QUEUE_NUM, 8);
	rig_write(VIRTIO_QUEUE_DESC_HIGH, 1);
	rig_write(VIRTIO_QUEUE_READY, 1);
	assert_int_equal(rig_read(VIRTIO_QUEUE_READY), 0);
	rig_write(VIRTIO_QUEUE_DESC_HIGH, 0);
	rig_write(VIRTIO_QUEUE_DESC_LOW, RIG_DESC);
	fake_virtio.fresh = UINT64_MAX; /* the rings are touched first, with no lock held (guest_touch_ring()) */
	rig_write(VIRTIO_QUEUE_READY, 1);
	assert_int_equal(rig_read(VIRTIO_QUEUE_READY), 1);
	fake_virtio.fresh = 0;
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
	fake_virtio.fresh = UINT64_MAX;
	rig_write(VIRTIO_QUEUE_PFN, (uint32_t)(desc / 4096U));
	assert_int_equal(rig_read(VIRTIO_QUEUE_PFN), desc / 4096U);
	fake_virtio.fresh = 0;
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
		cmocka_unit_test(test_empty_slots), cmocka_unit_test(test_identity),    cmocka_unit_test(test_widths),
		cmocka_unit_test(test_features),    cmocka_unit_test(test_queue_setup), cmocka_unit_test(test_legacy),
		cmocka_unit_test(test_all_slots),   cmocka_unit_test(test_restore),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
