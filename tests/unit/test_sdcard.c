/* SPDX-License-Identifier: BSD-2-Clause */
/* An SD card behind Allwinner's controller as a disk of the host's (hyp/host/sdcard.c, hyp/host/sunxi_mmc.c). */
#include "sdcard_rig.h"

static void test_identify(void **state)
{
	static const uint32_t narrow[] = {0, 8, 55, 105, 2, 3, 9, 7, 16},
			      wide[] = {0, 8, 55, 105, 55, 105, 55, 105, 2, 3, 9, 7, 55, 70, 16};

	(void)state;
	begin_card(false, false, 1);
	assert_null(start_card());
	expect_log(narrow, ARRAY_SIZE(narrow));
	assert_int_equal(dev->irq, 92);
	assert_int_equal(dev->sectors, CARD_MAX);
	assert_int_equal(sd.word[WIDTH], 0);
	begin_card(true, false, 4);
	sd.not_ready = 2;
	assert_null(start_card());
	expect_log(wide, ARRAY_SIZE(wide));
	assert_int_equal(sd.word[WIDTH], 1);
	assert_int_equal(sd.word[CLKCR], 0x10001); /* faster than it has been */
	assert_true(sd.word[GCTRL] & BIT(4) && sd.word[IMASK]);
	assert_false(dev->read_only || dev->can_flush);
	begin_card(false, true, 0);
	sd.csd[0] |= BIT(12);
	assert_null(start_card());
	assert_int_equal(dev->sectors, 0x2001U * 1024ULL);
	assert_true(dev->read_only);
}

static void expect_wrong(const char *wrong)
{
	assert_string_equal(start_card(), wrong);
	assert_int_equal(sd.word[IMASK], 0);
	assert_int_equal(driver->stop(dev), !sd.reset_hangs && !sd.clock_hangs && !sd.ones);
}

static void fault_at(uint32_t index, enum fault fault)
{
	begin_card(false, true, 4);
	sd.fault = fault;
	sd.fault_index = index;
}

static void test_wrong_cards(void **state)
{
	static const uint32_t all[] = {105, 2, 3, 9, 7, 70, 16};

	(void)state;
	begin_card(false, false, 4);
	sd.absent = true;
	expect_wrong("no SD card answers");
	for (uint32_t i = 0; i < ARRAY_SIZE(all); i++) {
		fault_at(all[i], SILENT);
		expect_wrong("the card does not speak as an SD card does");
		fault_at(all[i], DAMAGED);
		expect_wrong("what went between card and controller was damaged");
		fault_at(all[i], HANGS);
		expect_wrong("the controller does not end a command");
	}
	fault_at(16, FAILS);
	expect_wrong("the card does not speak as an SD card does");
	begin_card(false, true, 4);
	sd.not_ready = UINT32_MAX;
	expect_wrong("the card does not end its power-up");
	begin_card(false, true, 4);
	sd.condition = 0x0aa;
	expect_wrong("the card does not work at 3.3 V");
	begin_card(false, true, 4);
	sd.address = 0;
	expect_wrong("the card does not speak as an SD card does");
	for (uint32_t i = 0; i < 3U; i++) { /* a CSD of no version, of the other one, with blocks of 16 KiB */
		begin_card(false, i != 2U, 4);
		sd.csd[3] ^= i == 0 ? BIT(31) : i == 1U ? BIT(30) : 0;
		sd.csd[2] ^= i == 2U ? 4U << 16 : 0;
		expect_wrong("the card does not speak as an SD card does");
	}
}

static void test_wrong_controllers(void **state)
{
	bool ready = false;

	(void)state;
	begin_card(false, true, 4);
	sd.reset_hangs = true;
	expect_wrong("the controller does not end its reset, or has no clock");
	begin_card(false, true, 4);
	sd.clock_hangs = true;
	expect_wrong("the controller does not end its reset, or has no clock");
	begin_card(false, true, 4);
	sd.ones = true;
	expect_wrong("the controller does not end its reset, or has no clock");
	begin_card(false, true, 4);
	assert_string_equal(driver->find(dev, &host, "/soc/other"), "the host's device tree has no such node");
	irq_count = 0;
	assert_string_equal(driver->find(dev, &host, "/soc/mmc@1c0f000"), "its interrupt does not arrive at the GIC");
	reg_size = 0x100;
	assert_string_equal(driver->find(dev, &host, "/soc/mmc@1c0f000"),
			    "it has not the registers that it should have");
	reg_size = 0x1000;
	irq_count = 1;
	arena_pa = 0x100000000ULL - PAGE_SIZE;
	assert_null(driver->find(dev, &host, "/soc/mmc@1c0f000"));
	assert_string_equal(driver->start(dev, &ready), "virt7's heap is above 4 GiB, where its DMA does not reach");
	assert_int_equal(sd.looks, 0);
}

static void at_work(bool high)
{
	begin_card(false, high, 4);
	assert_null(start_card());
	sd.count = sd.resets = 0;
}

/* As the interrupt does: the one request that there is has ended. False: it has not. */
static bool look(uint32_t *slot, const char **wrong)
{
	bool ended;

	sd.looks = 0;
	driver->acknowledge(dev);
	ended = driver->take(dev, slot, wrong);
	assert_false(ended && driver->take(dev, slot, wrong)); /* no more than one in an interrupt */
	assert_in_range(sd.looks, 0, LOOKS);
	return ended;
}

static void request(uint32_t slot, enum diskdev_type type, uint64_t sector, uint32_t len)
{
	driver->begin(dev, slot, type, sector, len);
	assert_false(driver->go_on(dev));
}

static void expect_end(uint32_t slot, const char *expected)
{
	const char *wrong;
	uint32_t ended = UINT32_MAX, n;

	for (n = 0; n < 1000000U && !look(&ended, &wrong); n++)
		driver->go_on(dev);
	assert_int_equal(ended, slot);
	if (expected)
		assert_string_equal(wrong, expected);
	else
		assert_null(wrong);
	driver->go_on(dev);
}

static void test_requests(void **state)
{
	static const struct {
		enum diskdev_type type;
		uint32_t sectors, command;
	} some[] = {{DISKDEV_READ, 1, 17}, {DISKDEV_READ, 64, 18}, {DISKDEV_WRITE, 1, 24}, {DISKDEV_WRITE, 63, 25}};

	(void)state;
	for (uint32_t i = 0; i < 2U * ARRAY_SIZE(some); i++) {
		uint32_t len = some[i / 2U].sectors * DISKDEV_SECTOR, slot = i;
		bool high = i % 2U, write = some[i / 2U].type == DISKDEV_WRITE;
		uint64_t sector = high ? 0x800005U : 5U; /* beyond 4 GiB */

		at_work(high);
		sd.offset = high ? 0x800000ULL * DISKDEV_SECTOR : 0;
		memset(arena.slot[slot], 0x5a, DISKDEV_BYTES);
		request(slot, some[i / 2U].type, sector, len);
		expect_end(slot, NULL);
		if (!write)
			expect_cleaned(arena.slot[slot], len);
		assert_int_equal(sd.log[0], some[i / 2U].command);
		assert_int_equal(sd.argument[0], high ? 0x800005U : 5U * DISKDEV_SECTOR);
		assert_int_equal(sd.count, write ? 2 : 1);
		assert_true(!write || sd.log[1] == 13);
		assert_memory_equal(arena.slot[slot], sd.data + 5U * DISKDEV_SECTOR, len);
		assert_true(len == DISKDEV_BYTES || arena.slot[slot][len] == 0x5a);
		assert_int_equal(sd.resets, 0);
	}
}

/* One at a time, in the order of coming, and an interrupt for nothing is none. */
static void test_order(void **state)
{
	static const uint32_t order[] = {3, 0, 7, 1, 2, 6, 5, 4};
	const char *wrong;
	uint32_t slot;

	(void)state;
	at_work(true);
	assert_false(look(&slot, &wrong));
	for (uint32_t round = 0; round < 3U; round++) {
		sd.count = 0;
		for (uint32_t i = 0; i < DISKDEV_SLOTS; i++)
			request(order[i], DISKDEV_READ, order[i], DISKDEV_SECTOR);
		for (uint32_t i = 0; i < DISKDEV_SLOTS; i++) {
			assert_int_equal(sd.count, i + 1U);
			expect_end(order[i], NULL);
		}
		assert_false(look(&slot, &wrong));
	}
}

/* What it takes for the end of a command comes one by one, in any order. */
static void test_stages(void **state)
{
	static const struct {
		enum diskdev_type type;
		uint32_t sectors, bits;
	} some[] = {{DISKDEV_READ, 1, COMMAND | DATA}, {DISKDEV_READ, 2, COMMAND | DATA | STOPPED}};
	const char *wrong;
	uint32_t slot;

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(some); i++)
		for (uint32_t last = 0; last < 32U; last++) {
			bool dma_last = !(some[i].bits & BIT(last));

			at_work(true);
			request(0, some[i].type, 0, some[i].sectors * DISKDEV_SECTOR);
			sd.word[RINTR] = some[i].bits & ~BIT(last);
			sd.word[IDST] = dma_last ? 0 : RECEIVED;
			assert_false(look(&slot, &wrong));
			assert_int_equal(sd.word[RINTR] | sd.word[IDST], 0); /* the line falls */
			sd.word[RINTR] = some[i].bits & BIT(last);
			sd.word[IDST] = dma_last ? RECEIVED : 0;
			expect_end(0, NULL);
		}
}

/* A write has ended when the card has it, which is asked for again and again. */
static void test_busy(void **state)
{
	const char *wrong;
	uint32_t slot;

	(void)state;
	at_work(true);
	sd.busy = 4; /* one is the command's own answer */
	request(2, DISKDEV_WRITE, 0, 1024);
	for (uint32_t i = 0; i < 4U; i++) {
		assert_false(look(&slot, &wrong));
		assert_int_equal(driver->go_on(dev), i > 0); /* no interrupt will come */
	}
	expect_end(2, NULL);
	assert_int_equal(sd.count, 5);
	sd.busy = UINT32_MAX;
	request(1, DISKDEV_WRITE, 0, 1024);
	expect_end(1, "the card stays busy");
	sd.busy = 0;
	request(1, DISKDEV_READ, 0, 1024);
	expect_end(1, NULL);
}

static void test_errors(void **state)
{
	static const struct {
		enum fault fault;
		const char *wrong;
	} some[] = {
		{SILENT, "the card does not answer"},
		{DAMAGED, "what went between card and controller was damaged"},
		{HANGS, "the controller does not end a command"},
		{FAILS, "the card says that it failed"},
		{DMA_FAILS, "what went between card and controller was damaged"},
	};
	static const uint32_t commands[] = {17, 18, 24, 25};

	(void)state;
	at_work(true);
	for (uint32_t i = 0; i < ARRAY_SIZE(some) * ARRAY_SIZE(commands); i++) {
		uint32_t len = i % 2U ? DISKDEV_BYTES : DISKDEV_SECTOR;
		enum diskdev_type type = i / 2U % 2U ? DISKDEV_WRITE : DISKDEV_READ;

		sd.count = sd.resets = 0;
		sd.fault = some[i / 4U].fault;
		sd.fault_index = commands[i % 4U];
		request(0, type, 7, len);
		request(1, type, 8, len); /* which goes well */
		expect_end(0, some[i / 4U].wrong);
		assert_int_equal(sd.resets, 1);
		assert_int_equal(sd.log[1], 12);
		assert_int_equal(sd.log[2], 13);
		assert_int_equal(sd.word[WIDTH], 1); /* the reset has not forgotten these */
		assert_int_equal(sd.word[CLKCR], 0x10001);
		expect_end(1, NULL);
	}
	for (uint32_t i = 0; i < 3U; i++) { /* of what comes behind a write */
		sd.fault = some[i].fault;
		sd.fault_index = 13;
		request(0, DISKDEV_WRITE, 0, 512);
		expect_end(0, some[i].wrong);
	}
	sd.absent = true; /* the operator has taken it out */
	for (uint32_t i = 0; i < 20U; i++)
		request(i % 8U, DISKDEV_READ, i, 512), expect_end(i % 8U, "the card does not answer");
}

/* The controller may still write to memory, so nothing ends, and that memory is not given away. */
static void test_lost(void **state)
{
	const char *wrong;
	uint32_t slot;

	(void)state;
	at_work(true);
	sd.fault = SILENT;
	sd.fault_index = 18;
	sd.reset_hangs = true;
	request(0, DISKDEV_READ, 0, 1024);
	request(1, DISKDEV_READ, 0, 1024);
	for (uint32_t i = 0; i < 1000U; i++) {
		fake_machine.reg[SYSREG_cntpct] += HZ;
		assert_false(look(&slot, &wrong));
		assert_false(driver->go_on(dev));
	}
	assert_int_equal(sd.count, 1);
}

/* All registers read as ones, or as zeroes, or as anything. */
static uint32_t seed;

static uint32_t noise(const volatile void *addr, size_t size)
{
	sd.looks++;
	return seed = seed * 1664525U + 1013904223U;
}

static void ignore_write(volatile void *addr, size_t size, uint32_t value)
{
	sd.looks++;
}

static void test_nonsense(void **state)
{
	const char *wrong;
	uint32_t slot, ended;

	(void)state;
	for (seed = 1; seed < 200U; seed++) {
		uint32_t kept = seed;

		begin_card(false, true, 4);
		fake_machine.io_read = noise;
		fake_machine.io_write = ignore_write;
		start_card(); /* ends */
		at_work(true);
		fake_machine.io_read = noise;
		fake_machine.io_write = ignore_write;
		ended = 0;
		for (uint32_t i = 0; i < DISKDEV_SLOTS; i++)
			request(i, i % 2U ? DISKDEV_WRITE : DISKDEV_READ, i, 1024);
		for (uint32_t i = 0; i < 2000U; i++) {
			fake_machine.reg[SYSREG_cntpct] += HZ / 10U;
			if (look(&slot, &wrong))
				assert_int_equal(slot, ended++);
			driver->go_on(dev);
		}
		assert_int_equal(ended, DISKDEV_SLOTS);
		seed = kept;
	}
	for (uint32_t i = 0; i < 2U; i++) {
		at_work(true);
		sd.ones = i;
		fake_machine.io_write = ignore_write;
		memset(sd.word, 0, sizeof(sd.word));
		request(0, DISKDEV_READ, 0, 1024);
		if (!sd.ones)
			expect_end(0, "the controller does not end a command");
	}
}

static void test_drivers(void **state)
{
	(void)state;
	begin_card(false, true, 4);
	assert_null(diskdev_driver(tree, "/"));
	assert_null(diskdev_driver(tree, "/none"));
	assert_int_equal(fdt_setprop_string(tree, 0, "compatible", "allwinner,sun7i-a20-mmc"), 0);
	assert_ptr_equal(diskdev_driver(tree, "/"), &diskdev_sunxi);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identify), cmocka_unit_test(test_wrong_cards),
		cmocka_unit_test(test_requests), cmocka_unit_test(test_wrong_controllers),
		cmocka_unit_test(test_order),    cmocka_unit_test(test_busy),
		cmocka_unit_test(test_stages),   cmocka_unit_test(test_errors),
		cmocka_unit_test(test_lost),     cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_drivers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
