/* SPDX-License-Identifier: BSD-2-Clause */
/* An SD card behind Allwinner's controller as a disk of the host's (hyp/host/sdcard.c, hyp/host/sunxi_mmc.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "fake_machine.h"
#include "hyp/host/diskdev.h"
#include "hyp/host/hostdev.h"
#include "mm/cache.h"
#include "mm/hypmap.h"
#include "mm/page.h"

#include <arm/sysreg.h>

#define HZ       1000000U
#define BASE     0x1c0f000U
#define ARENA_PA 0x40000000U
#define CARD_MAX 512U /* sectors that the card has data of */
#define LOG_MAX  64U
#define LOOKS    5000U /* at registers in one call of the driver's, at most */

/* Registers, as the datasheet numbers them. */
enum { GCTRL, CLKCR, TMOUT, WIDTH, BLKSZ, BYCNT, CMD, ARG, RESP0, IMASK = 12, RINTR = 14, DMAC = 32, DLBA, IDST, IDIE };

#define COMMAND  BIT(2)
#define DATA     BIT(3)
#define STOPPED  BIT(14)
#define NO_ONE   BIT(1)
#define RECEIVED BIT(1)
#define CRC_DATA BIT(7)

enum fault { NONE, SILENT, DAMAGED, HANGS, FAILS, DMA_FAILS };

/* The controller and the card. */
static struct {
	uint32_t word[64];
	bool reset_hangs, clock_hangs, ones;
	uint32_t looks, resets;
	/* the card */
	bool absent, old; /* old: version 1, which does not know CMD8 */
	bool high;
	uint32_t not_ready, address, condition, csd[4];
	bool application;
	uint32_t busy; /* answers that say so, from the next write on */
	uint8_t data[CARD_MAX * DISKDEV_SECTOR];
	uint64_t offset; /* where those begin on the card */
	enum fault fault;
	uint32_t fault_index; /* of which command, once; an ACMD has 64 added */
	bool again;           /* not once */
	uint32_t count, log[LOG_MAX], argument[LOG_MAX];
} sd;

static struct {
	uint8_t dev[PAGE_SIZE], slot[DISKDEV_SLOTS][DISKDEV_BYTES];
} arena __attribute__((aligned(0x1000)));

static struct diskdev *const dev = (struct diskdev *)(void *)arena.dev;
static const struct diskdev_driver *const driver = &diskdev_sunxi;
static uint64_t arena_pa;
static uint8_t tree[1024];
static const struct host host = {.fdt = tree};
static uint64_t reg_size;
static uint32_t irq_count;
static const void *cleaned;
static size_t cleaned_len;

/* diskdev.c's other one, which nothing here is */
const struct diskdev_driver diskdev_virtio = {.compatible = "virtio,mmio"};

pa_t page_pa(const void *page)
{
	return pa(arena_pa + (uint64_t)((const uint8_t *)page - (const uint8_t *)&arena));
}

static void *at_pa(uint32_t address)
{
	assert_in_range(address, ARENA_PA, ARENA_PA + sizeof(arena) - 1U);
	return (uint8_t *)&arena + (address - ARENA_PA);
}

void *hyp_map_device(uint64_t base, size_t size)
{
	assert_int_equal(base, BASE);
	assert_int_equal(size, 0x200);
	return sd.word;
}

const char *hostdev_find(const char *name, struct hostdev *found)
{
	*found = (struct hostdev){
		.reg_count = 1, .reg = {{BASE, reg_size}}, .irq_count = irq_count, .irq = {{.id = 92}}};
	return strcmp(name, "/soc/mmc@1c0f000") == 0 ? NULL : "the host's device tree has no such node";
}

void cache_clean(const void *start, size_t len)
{
	assert_true(len > 0);
}

void cache_clean_invalidate(const void *start, size_t len)
{
	cleaned = start;
	cleaned_len = len;
}

/* Data goes past the caches: what they have of it has gone before, and what has been read goes again, behind. */
static void expect_cleaned(const void *start, size_t len)
{
	assert_ptr_equal(cleaned, start);
	assert_int_equal(cleaned_len, len);
	cleaned = NULL;
}

static void respond(uint32_t a)
{
	sd.word[RESP0] = a;
	sd.word[RINTR] |= COMMAND;
}

static uint32_t status_word(void)
{
	bool busy = sd.busy > 0;

	sd.busy -= busy;
	return busy ? 7U << 9 : 4U << 9 | BIT(8);
}

/* 5.3.1 of the datasheet: pieces of memory, each with the place of the next. */
static void move_data(uint32_t argument, bool write)
{
	uint64_t at = (sd.high ? (uint64_t)argument * DISKDEV_SECTOR : argument) - sd.offset;
	uint32_t left = sd.word[BYCNT];
	const uint32_t *desc = at_pa(sd.word[DLBA]);

	assert_true(at + left <= sizeof(sd.data) && left > 0);
	assert_int_equal(sd.word[BLKSZ], DISKDEV_SECTOR);
	assert_true(sd.word[GCTRL] & BIT(5) && sd.word[DMAC] & BIT(7));
	expect_cleaned(at_pa(desc[2]), left);
	for (bool first = true; left > 0; first = false) {
		assert_true(desc[0] & BIT(31) && desc[1] <= left && desc[1] <= 4096U);
		assert_int_equal(!!(desc[0] & BIT(3)), first);
		if (write)
			memcpy(sd.data + at, at_pa(desc[2]), desc[1]);
		else
			memcpy(at_pa(desc[2]), sd.data + at, desc[1]);
		at += desc[1];
		left -= desc[1];
		assert_int_equal(!!(desc[0] & BIT(2)), left == 0);
		if (left > 0)
			desc = at_pa(desc[3]);
	}
	sd.word[RINTR] |= DATA;
	sd.word[IDST] |= write ? BIT(0) : RECEIVED;
}

static void data_command(uint32_t index, uint32_t argument, uint32_t bits)
{
	bool write = index >= 24U, several = index == 18U || index == 25U;

	assert_int_equal(!!(bits & BIT(10)), write);
	assert_int_equal(!!(bits & BIT(12)), several);
	assert_true(bits & BIT(9));
	assert_int_equal(sd.word[BYCNT] > DISKDEV_SECTOR, several);
	move_data(argument, write);
	respond(status_word());
	sd.word[RINTR] |= several ? STOPPED : 0;
}

static void application_command(uint32_t index, uint32_t argument)
{
	bool ready = sd.not_ready == 0;

	if (index == 6U) {
		assert_int_equal(argument, 2);
		respond(4U << 9 | BIT(8));
		return;
	}
	assert_int_equal(index, 41);
	assert_int_equal(argument & 0x00ffffffU, 0x00ff8000U);
	assert_int_equal(!!(argument & BIT(30)), !sd.old);
	sd.not_ready -= !ready;
	respond(0x00ff8000U | (ready ? BIT(31) | (sd.high ? BIT(30) : 0) : 0));
}

static void plain_command(uint32_t index, uint32_t argument, uint32_t bits)
{
	switch (index) {
	case 0:
		assert_false(bits & BIT(6));
		sd.word[RINTR] |= COMMAND;
		break;
	case 8:
		sd.word[RINTR] |= sd.old ? NO_ONE : 0;
		if (!sd.old)
			respond(sd.condition);
		break;
	case 2:
	case 9:
		assert_true(bits & BIT(7));
		assert_int_equal(argument, index == 9 ? sd.address : 0);
		memcpy(&sd.word[RESP0], sd.csd, sizeof(sd.csd));
		sd.word[RINTR] |= COMMAND;
		break;
	case 3:
		respond(sd.address | 0x0500U);
		break;
	case 12: /* nothing is to be stopped */
		sd.word[RINTR] |= NO_ONE;
		break;
	case 13:
		assert_int_equal(argument, sd.address);
		respond(status_word());
		break;
	case 16:
		assert_int_equal(argument, DISKDEV_SECTOR);
		respond(4U << 9 | BIT(8));
		break;
	case 7:
	case 55:
		sd.application = index == 55U;
		respond(4U << 9 | BIT(8));
		break;
	default:
		assert_true(index == 17 || index == 18 || index == 24 || index == 25);
		data_command(index, argument, bits);
		break;
	}
}

static void play_fault(uint32_t index, uint32_t bits)
{
	if (!sd.again)
		sd.fault_index = UINT32_MAX;
	switch (sd.fault) {
	case SILENT:
		sd.word[RINTR] |= NO_ONE;
		break;
	case DAMAGED:
		sd.word[RINTR] |= COMMAND | CRC_DATA;
		break;
	case FAILS: /* says so, and moves nothing that counts */
		respond(BIT(19) | 4U << 9 | BIT(8));
		sd.word[RINTR] |= DATA | STOPPED;
		sd.word[IDST] |= RECEIVED;
		break;
	case DMA_FAILS:
		respond(4U << 9 | BIT(8));
		sd.word[IDST] |= BIT(2);
		break;
	default:
		break;
	}
	(void)index, (void)bits;
}

static void run_command(uint32_t bits)
{
	uint32_t index = (bits & 0x3fU) + (sd.application ? 64U : 0);
	bool application = sd.application;

	if (bits & BIT(21)) {
		sd.word[CMD] = sd.clock_hangs ? bits : bits & ~BIT(31);
		return;
	}
	sd.word[CMD] = bits & ~BIT(31);
	if (sd.count < LOG_MAX) {
		sd.log[sd.count] = index;
		sd.argument[sd.count] = sd.word[ARG];
	}
	sd.count++;
	sd.application = false;
	if (sd.absent && index > 0)
		sd.word[RINTR] |= NO_ONE;
	else if (index == sd.fault_index)
		play_fault(index, bits);
	else if (application)
		application_command(index - 64U, sd.word[ARG]);
	else
		plain_command(index, sd.word[ARG], bits);
}

static uint32_t reg_of(const volatile void *addr)
{
	sd.looks++;
	return (uint32_t)((const volatile uint8_t *)addr - (const uint8_t *)sd.word) / 4U;
}

static uint32_t sd_read(const volatile void *addr, size_t size)
{
	assert_int_equal(size, 4);
	return sd.ones ? UINT32_MAX : sd.word[reg_of(addr)];
}

static void sd_write(volatile void *addr, size_t size, uint32_t value)
{
	uint32_t reg = reg_of(addr);

	assert_int_equal(size, 4);
	switch (reg) {
	case RINTR:
	case IDST:
		sd.word[reg] &= ~value;
		break;
	case GCTRL:
		sd.resets += (value & 7U) == 7U;
		sd.word[GCTRL] = sd.reset_hangs ? value : value & ~7U;
		break;
	case CMD:
		run_command(value);
		break;
	default:
		sd.word[reg] = value;
		break;
	}
}

static uint64_t tick(uint32_t reg)
{
	return fake_machine.reg[reg] += 10U; /* us */
}

/* A card of CARD_MAX sectors, or of many if it is high. */
static void begin_card(bool old, bool high, uint32_t width)
{
	fake_machine_reset();
	memset(&sd, 0, sizeof(sd));
	memset(&arena, 0, sizeof(arena));
	arena_pa = ARENA_PA;
	reg_size = 0x1000;
	irq_count = 1;
	cleaned = NULL;
	sd.old = old;
	sd.high = high;
	sd.address = 0xb3680000U;
	sd.condition = 0x1aa;
	sd.fault_index = UINT32_MAX;
	for (size_t i = 0; i < sizeof(sd.data); i++)
		sd.data[i] = (uint8_t)(i * 7U + i / 501U);
	if (high) { /* C_SIZE: 0x2000 */
		sd.csd[3] = BIT(30);
		sd.csd[2] = 9U << 16;
		sd.csd[1] = 0x2000U << 16;
	} else { /* READ_BL_LEN 10, C_SIZE 63, C_SIZE_MULT 0: 64 * 4 KiB */
		sd.csd[2] = 10U << 16;
		sd.csd[1] = 63U << 30;
		sd.csd[2] |= 63U >> 2;
	}
	fake_machine.io_read = sd_read;
	fake_machine.io_write = sd_write;
	fake_machine.on_read[SYSREG_cntpct] = tick;
	assert_int_equal(fdt_create_empty_tree(tree, sizeof(tree)), 0);
	if (width)
		assert_int_equal(fdt_setprop_u32(tree, 0, "bus-width", width), 0);
	dev->hz = HZ;
	for (uint32_t i = 0; i < DISKDEV_SLOTS; i++)
		dev->slot[i] = arena.slot[i];
}

/* What is wrong, and each step is short. */
static const char *start_card(void)
{
	const char *wrong = driver->find(dev, &host, "/soc/mmc@1c0f000");
	bool ready = false;

	while (!wrong && !ready) {
		sd.looks = 0;
		wrong = driver->start(dev, &ready);
		assert_in_range(sd.looks, 0, LOOKS);
	}
	return wrong;
}

static void expect_log(const uint32_t *log, uint32_t count)
{
	assert_int_equal(sd.count, count);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(sd.log[i], log[i]);
}

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
	sd.absent = true; /* somebody has taken it out */
	for (uint32_t i = 0; i < 20U; i++)
		request(i % 8U, DISKDEV_READ, i, 512), expect_end(i % 8U, "the card does not answer");
}

/* It may still write to memory, so nothing ends, and nobody gets that memory. */
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
