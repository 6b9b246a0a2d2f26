/* SPDX-License-Identifier: BSD-2-Clause */
/* Allwinner's SD controller and a card in it, as their documents describe them, with faults to order. */
#ifndef TESTS_UNIT_SDCARD_RIG_H
#define TESTS_UNIT_SDCARD_RIG_H

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

static inline void *at_pa(uint32_t address)
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
static inline void expect_cleaned(const void *start, size_t len)
{
	assert_ptr_equal(cleaned, start);
	assert_int_equal(cleaned_len, len);
	cleaned = NULL;
}

static inline void respond(uint32_t a)
{
	sd.word[RESP0] = a;
	sd.word[RINTR] |= COMMAND;
}

static inline uint32_t status_word(void)
{
	bool busy = sd.busy > 0;

	sd.busy -= busy;
	return busy ? 7U << 9 : 4U << 9 | BIT(8);
}

/* 5.3.1 of the datasheet: pieces of memory, each with the place of the next. */
static inline void move_data(uint32_t argument, bool write)
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

static inline void data_command(uint32_t index, uint32_t argument, uint32_t bits)
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

static inline void application_command(uint32_t index, uint32_t argument)
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

static inline void plain_command(uint32_t index, uint32_t argument, uint32_t bits)
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

static inline void play_fault(uint32_t index, uint32_t bits)
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

static inline void run_command(uint32_t bits)
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

static inline uint32_t reg_of(const volatile void *addr)
{
	sd.looks++;
	return (uint32_t)((const volatile uint8_t *)addr - (const uint8_t *)sd.word) / 4U;
}

static inline uint32_t sd_read(const volatile void *addr, size_t size)
{
	assert_int_equal(size, 4);
	return sd.ones ? UINT32_MAX : sd.word[reg_of(addr)];
}

static inline void sd_write(volatile void *addr, size_t size, uint32_t value)
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

static inline uint64_t tick(uint32_t reg)
{
	return fake_machine.reg[reg] += 10U; /* us */
}

/* A card of CARD_MAX sectors, or of many if it is high. */
static inline void begin_card(bool old, bool high, uint32_t width)
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
static inline const char *start_card(void)
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

static inline void expect_log(const uint32_t *log, uint32_t count)
{
	assert_int_equal(sd.count, count);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(sd.log[i], log[i]);
}

#endif
