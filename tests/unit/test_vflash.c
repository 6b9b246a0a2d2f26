/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flash of a VM (hyp/vdev/vflash.c, flashbank.c): what its banks hold, in memory that is shown and by registers;
 * what commands change; what it costs; its node. The commands themselves are in test_cfi.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "fake_flash.h"
#include "fake_hostdisk.h"
#include "fake_log.h"
#include "fake_machine.h"
#include "fake_page.h"
#include "fit.h"
#include "hyp/load/tree.h"
#include "hyp/vdev/vflash.h"
#include "mm/ram.h"
#include "virtio_rig.h"

#define CODE_SIZE 10000U
#define VARS_SIZE 5000U
#define VARS      CFI_BANK_SIZE /* guest address */
#define SECTOR    CFI_SECTOR

const struct device_class *const device_classes[] = {&vflash_class, NULL};

static uint8_t code[CODE_SIZE], vars[VARS_SIZE];
static struct fit f;
static struct bundle b;

static bool first_is_bad; /* for make(), from the beginning */

/* Of the host's RAM, which the banks take from its start. */
static void break_page(uint32_t n)
{
	fake_machine.bad = fake_host_ram + n * PAGE_SIZE;
	fake_machine.bad_size = PAGE_SIZE;
}

/* A VM whose nodes of flash say `strings` (pairs, then NULL) and `fill`. */
static int make(const char *const *strings, uint32_t fill, unsigned int nodes)
{
	rig_begin(NULL, NULL);
	memset(&fake_flash, 0, sizeof(fake_flash));
	if (first_is_bad)
		break_page(0);
	fit_begin(&f);
	fit_image(&f, &(struct fit_image){.name = "CODE", .data = code, .size = CODE_SIZE, .hash = "crc32"});
	fit_image(&f, &(struct fit_image){.name = "VARS", .data = vars, .size = VARS_SIZE, .hash = "crc32"});
	fit_vms(&f);
	fit_vm(&f, "web");
	for (unsigned int i = 0; i < nodes; i++) {
		assert_int_equal(fdt_begin_node(f.blob, i ? "flash1" : "flash"), 0);
		fit_string(&f, "compatible", "virt7,cfi-flash");
		for (const char *const *s = strings; *s; s += 2)
			fit_string(&f, s[0], s[1]);
		assert_int_equal(fdt_property_u32(f.blob, "vars-fill", fill), 0);
		assert_int_equal(fdt_property_u32(f.blob, "code-fill", 0xff), 0);
		assert_int_equal(fdt_end_node(f.blob), 0);
	}
	fit_vm_end(&f);
	fit_end(&f);
	assert_int_equal(bundle_open(&b, f.blob, f.size), 0);
	return device_create_all(&rig_vm, &b, fdt_path_offset(f.blob, "/vms/web"));
}

static void begin(void)
{
	for (uint32_t i = 0; i < CODE_SIZE; i++)
		code[i] = (uint8_t)(i * 7U + i / 251U);
	for (uint32_t i = 0; i < VARS_SIZE; i++)
		vars[i] = (uint8_t)(i * 13U + 1U);
	if (make((const char *const[]){"code", "CODE", "vars", "VARS", NULL}, 0, 1))
		fail_msg("%s", fake_log_last(LOG_ERR));
}

static void end(void)
{
	rig_end();
	fit_free(&f);
	assert_int_equal(fake_virtio.host_released, fake_virtio.host_taken);
	assert_int_equal(ram_use.disks, 0);
	assert_int_equal(fake_flash.promised, 0);
	assert_int_equal(fake_virtio.windows, 0);
	for (size_t i = 0; i < ARRAY_SIZE(fake_flash.shown); i++)
		assert_null(fake_flash.shown[i]);
}

static uint32_t get(uint64_t at, uint32_t size)
{
	struct mmio_access access = {.size = size};

	assert_int_equal(mmio_access(&rig_vcpu[0], at, &access), MMIO_DONE);
	return access.value;
}

static bool answers(uint64_t at)
{
	struct mmio_access access = {.size = 4};

	return mmio_access(&rig_vcpu[0], at, &access) == MMIO_DONE;
}

static void put(uint64_t at, uint32_t value, uint32_t size)
{
	struct mmio_access access = {.size = size, .write = true, .value = value};

	assert_int_equal(mmio_access(&rig_vcpu[0], at, &access), MMIO_DONE);
}

/* A byte as the guest reads it from the memory that it is shown. */
static uint8_t shown(uint64_t at)
{
	const uint64_t *table = fake_flash.shown[at / BLOCK_SIZE];
	uint64_t page;

	assert_non_null(table);
	page = s2_entry_pa(table[at / PAGE_SIZE % S2_TABLE_ENTRIES]).v;
	if (page - FAKE_HOST_PA < FAKE_HOST_RAM)
		return fake_host_ram[page - FAKE_HOST_PA + at % PAGE_SIZE];
	return ((const uint8_t *)(uintptr_t)page)[at % PAGE_SIZE];
}

/* As memory and by the device, once the bank is an array. */
static void expect_both(uint64_t at, uint8_t value)
{
	put(at & ~3ULL, 0xff, 1);
	assert_true(mmio_show(&rig_vcpu[0], at));
	assert_int_equal(shown(at), value);
	assert_int_equal(get(at, 1), value);
}

/* Images, and behind them the fill byte, to the ends of the banks. */
static void test_content(void **state)
{
	(void)state;
	begin();
	for (uint32_t i = 0; i < CODE_SIZE; i += 37)
		expect_both(i, code[i]);
	for (uint32_t i = 0; i < VARS_SIZE; i += 37)
		expect_both(VARS + i, vars[i]);
	expect_both(CODE_SIZE, 0xff);
	expect_both(MIB(2) - 1, 0xff);
	expect_both(MIB(2), 0xff);
	expect_both(VARS - 1, 0xff);
	expect_both(VARS + VARS_SIZE, 0);
	expect_both(VARS + MIB(40), 0);
	expect_both(2 * VARS - 1, 0);
	assert_int_equal(get(0, 4), (uint32_t)(code[0] | code[1] << 8 | code[2] << 16) | (uint32_t)code[3] << 24);
	assert_int_equal(get(2, 2), code[2] | code[3] << 8);
	assert_int_equal(ram_use.disks, MIB(4)); /* of 128 */
	end();
}

/* The first command takes the memory away, of that bank alone; the first read behind the last brings it back. */
static void test_modes(void **state)
{
	(void)state;
	begin();
	expect_both(0, code[0]);
	expect_both(VARS, vars[0]);
	put(VARS, 0x00700070, 4);
	assert_null(fake_flash.shown[VARS / BLOCK_SIZE]);
	assert_non_null(fake_flash.shown[0]);
	assert_false(mmio_show(&rig_vcpu[0], VARS));
	assert_int_equal(get(VARS, 4), 0x00800080);
	put(VARS, 0x00ff00ff, 4);
	assert_null(fake_flash.shown[VARS / BLOCK_SIZE]);
	assert_true(mmio_show(&rig_vcpu[0], VARS));
	assert_int_equal(shown(VARS), vars[0]);
	put(0x55 * 4, 0x98, 2);
	assert_int_equal(get(0x40, 2), 'Q');
	put(0, 0xf0, 1);
	assert_true(mmio_show(&rig_vcpu[0], 0));
	assert_int_equal(shown(0), code[0]);
	end();
}

static void write_word(uint64_t at, uint32_t value)
{
	put(at, 0x00400040, 4);
	put(at, value, 4);
}

static void erase(uint64_t at)
{
	put(at, 0x00200020, 4);
	put(at, 0x00d000d0, 4);
}

static void expect_status(uint64_t at, uint32_t status)
{
	put(at, 0x70, 1);
	assert_int_equal(get(at, 1), status);
	put(at, 0x50, 1);
}

static void test_write(void **state)
{
	(void)state;
	begin();
	write_word(VARS, 0xffff00ff);
	expect_status(VARS, 0x80);
	expect_both(VARS, vars[0]);
	expect_both(VARS + 1, 0);
	expect_both(VARS + 2, vars[2]);
	/* Zeroes have no bit to clear, and cost nothing; erased flash does. */
	write_word(VARS + MIB(40), 0x12345678);
	expect_status(VARS, 0x80);
	expect_both(VARS + MIB(40), 0);
	erase(VARS + MIB(40) + 0x1234);
	expect_status(VARS, 0x80);
	expect_both(VARS + MIB(40) - 1, 0);
	expect_both(VARS + MIB(40), 0xff);
	expect_both(VARS + MIB(40) + SECTOR - 1, 0xff);
	expect_both(VARS + MIB(40) + SECTOR, 0);
	write_word(VARS + MIB(40) + 8, 0x12345678);
	expect_both(VARS + MIB(40) + 7, 0xff);
	expect_both(VARS + MIB(40) + 8, 0x78);
	expect_both(VARS + MIB(40) + 11, 0x12);
	expect_both(VARS + MIB(40) + 12, 0xff);
	end();
}

/* What the guest wrote is there after its reset, and the commands that were begun are not. */
static void test_reset(void **state)
{
	(void)state;
	begin();
	erase(VARS);
	write_word(VARS, 0x12345678);
	put(VARS, 0xe8, 1);
	put(VARS, 3, 1);
	device_reset_all(&rig_vm);
	assert_true(mmio_show(&rig_vcpu[0], VARS));
	expect_both(VARS, 0x78);
	expect_both(VARS + 4, 0xff);
	expect_status(VARS, 0x80);
	end();
}

static void test_code_is_read_only(void **state)
{
	(void)state;
	begin();
	write_word(0, 0);
	expect_status(0, 0x92);
	erase(0);
	expect_status(0, 0xa2);
	expect_both(0, code[0]);
	expect_both(SECTOR - 1, 0xff);
	end();
}

/* 2 MiB of pages, of which the image has two; erasing gives pages back. */
static void test_full(void **state)
{
	(void)state;
	begin();
	for (uint32_t s = 1; s <= 9; s++)
		erase(VARS + s * SECTOR);
	expect_status(VARS, 0x80);
	for (uint32_t i = 0; i < 510; i++)
		write_word(VARS + SECTOR + i * PAGE_SIZE, i);
	expect_status(VARS, 0x80);
	assert_int_equal(fake_log_count(LOG_WARN), 0);
	for (uint32_t i = 510; i < 514; i++)
		write_word(VARS + SECTOR + i * PAGE_SIZE, i);
	expect_status(VARS, 0x90);
	assert_int_equal(fake_log_count(LOG_WARN), 1);
	assert_string_equal(fake_log_last(LOG_WARN),
			    "vm web: /vms/web/flash: its RAM is full (2048 KiB a bank at least): "
			    "writes fail until a sector is erased");
	expect_both(VARS + SECTOR + 509 * PAGE_SIZE, 509 & 0xff);
	expect_both(VARS + SECTOR + 510 * PAGE_SIZE, 0xff);
	erase(VARS + SECTOR);
	write_word(VARS + SECTOR + 510 * PAGE_SIZE, 510);
	expect_status(VARS, 0x80);
	expect_both(VARS + SECTOR + 510 * PAGE_SIZE, 510 & 0xff);
	expect_both(VARS + SECTOR, 0xff);
	end();
}

static void fill_up(void)
{
	for (uint32_t s = 1; s <= 9; s++)
		erase(VARS + s * SECTOR);
	for (uint32_t i = 0; i < 514; i++)
		write_word(VARS + SECTOR + i * PAGE_SIZE, i);
}

/* A guest that fills its flash again and again has one line for it, and after a reset what its budget gives. */
static void test_full_is_said_once(void **state)
{
	(void)state;
	begin();
	for (uint32_t i = 0; i < 3; i++)
		fill_up();
	assert_int_equal(fake_log_count(LOG_WARN), 1);
	device_reset_all(&rig_vm);
	fill_up();
	assert_int_equal(fake_log_count(LOG_WARN), 2);
	device_reset_all(&rig_vm);
	fake_log_set_budget(false);
	fill_up();
	assert_int_equal(fake_log_count(LOG_WARN), 2);
	end();
}

/* A page of the bank's RAM that is bad is not used, nor used again once it is free. */
static void test_quarantine(void **state)
{
	const uint64_t first = FAKE_HOST_PA + BLOCK_SIZE; /* of the variables, which have two pages of it */

	(void)state;
	begin();
	erase(VARS + SECTOR);
	fake_virtio.bad_page = first + 2U * PAGE_SIZE;
	memset(fake_host_ram + (fake_virtio.bad_page - FAKE_HOST_PA), 0xee, PAGE_SIZE);
	write_word(VARS + SECTOR, 0x12345678);
	expect_both(VARS + SECTOR, 0x78);
	assert_int_equal(fake_host_ram[BLOCK_SIZE + 2U * PAGE_SIZE], 0xee);
	assert_int_equal(fake_host_ram[BLOCK_SIZE + 3U * PAGE_SIZE], 0x78);
	fake_virtio.bad_page = first + 3U * PAGE_SIZE;
	erase(VARS + SECTOR);
	write_word(VARS + SECTOR, 0x99);
	expect_both(VARS + SECTOR, 0x99);
	assert_int_equal(fake_host_ram[BLOCK_SIZE + 3U * PAGE_SIZE], 0x78);
	end();
}

/* Every sector can be erased: the tables for that were set aside. */
static void test_erase_all(void **state)
{
	(void)state;
	begin();
	fake_page_set_empty(false);
	for (uint32_t at = 0; at < CFI_BANK_SIZE; at += SECTOR)
		erase(VARS + at);
	expect_status(VARS, 0x80);
	for (uint32_t at = 0; at < CFI_BANK_SIZE; at += MIB(1) + PAGE_SIZE)
		expect_both(VARS + at, 0xff);
	assert_int_equal(fake_flash.promised, 0);
	end();
}

/* Banks without images: of zeroes, and a kernel may be loaded into them, at each start anew. */
static void test_load(void **state)
{
	static uint8_t kernel[3 * PAGE_SIZE];
	struct device *device;

	(void)state;
	memset(kernel, 0x5c, sizeof(kernel));
	begin();
	assert_null(device_holding(&rig_vm, 0, 1));
	assert_null(device_holding(&rig_vm, VARS, 1));
	end();
	rig_begin(NULL, NULL);
	rig_vm.config.kernel.name = "linux";
	assert_int_equal(device_create(&rig_vm, &vflash_class), 0);
	device = device_find(&rig_vm, &vflash_class);
	assert_ptr_equal(device_holding(&rig_vm, 0, CFI_BANK_SIZE), device);
	assert_ptr_equal(device_holding(&rig_vm, VARS, CFI_BANK_SIZE), device);
	assert_null(device_holding(&rig_vm, 1, CFI_BANK_SIZE)); /* in two banks */
	assert_null(device_holding(&rig_vm, 2 * VARS, 1));
	assert_null(device_holding(&rig_vm, 0, UINT64_MAX));
	expect_both(1000, 0);
	fake_virtio.preempts = 0;
	assert_int_equal(vflash_class.load(device, 1000, kernel, sizeof(kernel)), 0);
	assert_int_equal(fake_virtio.preempts, 4); /* before each page */
	assert_null(fake_flash.shown[0]);
	expect_both(999, 0);
	expect_both(1000, 0x5c);
	expect_both(1000 + sizeof(kernel) - 1, 0x5c);
	expect_both(1000 + sizeof(kernel), 0);
	memset(kernel, 0xff, sizeof(kernel));
	assert_int_equal(vflash_class.load(device, 1000, kernel, sizeof(kernel)), 0);
	expect_both(1000, 0xff);
	rig_end();
}

/* A page that does not answer: its reads abort; a write that would get it fails, and the next one gets another. */
static void test_bad_page(void **state)
{
	struct mmio_access access = {.size = 4};

	(void)state;
	begin();
	break_page(BLOCK_SIZE / PAGE_SIZE); /* the first one of the second bank */
	assert_int_equal(mmio_access(&rig_vcpu[0], VARS, &access), MMIO_UNHANDLED);
	assert_int_equal(get(VARS + PAGE_SIZE, 1), vars[PAGE_SIZE]);
	break_page(BLOCK_SIZE / PAGE_SIZE + 2);
	erase(VARS + SECTOR);
	write_word(VARS + SECTOR, 0x12345678);
	expect_status(VARS, 0x90);
	write_word(VARS + SECTOR, 0x12345678);
	expect_status(VARS, 0x80);
	put(VARS, 0xff, 1);
	assert_int_equal(get(VARS + SECTOR, 4), 0x12345678);
	fake_machine.bad = NULL;
	end();
}

static void test_save(void **state)
{
	struct device *device;
	uint8_t bytes[64];

	(void)state;
	begin();
	device = vflash_find(&rig_vm);
	assert_int_equal(vflash_read(device, 100, bytes, sizeof(bytes)), 0);
	assert_memory_equal(bytes, vars + 100, sizeof(bytes));
	assert_int_equal(vflash_same(device, 0), -1);
	assert_int_equal(vflash_same(device, 2 * PAGE_SIZE), 0);
	erase(VARS + SECTOR);
	assert_int_equal(vflash_same(device, SECTOR), 0xff);
	end();
}

static void expect_refusal(const char *const *strings, unsigned int nodes, const char *line)
{
	assert_true(make(strings, 0, nodes) < 0);
	fake_log_expect_error(line);
	device_destroy_all(&rig_vm);
	fit_free(&f);
	assert_int_equal(fake_virtio.host_released, fake_virtio.host_taken);
	assert_int_equal(fake_page_live(), 0);
	assert_int_equal(fake_flash.promised, 0);
}

static void test_errors(void **state)
{
	(void)state;
	expect_refusal((const char *const[]){"vars", "VARS", NULL}, 1,
		       "vm web: /vms/web/flash: no code, and the VM has no kernel; give one of them");
	expect_refusal((const char *const[]){"code", "CODE", NULL}, 2,
		       "vm web: /vms/web/flash1: a VM has one flash; take one of the nodes out");
	expect_refusal((const char *const[]){"code", "CODE", "vars", "nothing", NULL}, 1, "no image \"nothing\"");
	expect_refusal((const char *const[]){"code", "CODE", "data", "VARS", NULL}, 1,
		       "vm web: /vms/web/flash: data: unknown property of a device; correct it or take it out");
	first_is_bad = true;
	expect_refusal((const char *const[]){"code", "CODE", NULL}, 1,
		       "vm web: /vms/web/flash: the host's memory does not answer; is its device tree right?");
	first_is_bad = false;
	for (unsigned int left = 2; left < 12; left++) {
		rig_begin(NULL, NULL);
		rig_vm.config.kernel.name = "linux";
		fake_page_set_left(left);
		if (device_create(&rig_vm, &vflash_class) == 0)
			left = 100;
		fake_page_set_empty(false);
		rig_end();
		assert_int_equal(fake_virtio.host_released, fake_virtio.host_taken);
		assert_int_equal(fake_page_live(), 0);
	}
}

/* A page that becomes bad: nobody sees it any more, reads and programs fail, and its sector may be erased. */
static void test_page_lost(void **state)
{
	const struct device *flash;
	pa_t page;

	(void)state;
	begin();
	flash = vflash_find(&rig_vm);
	assert_int_equal(get(VARS, 1), vars[0]);
	assert_true(mmio_show(&rig_vcpu[0], VARS));
	page = s2_entry_pa(fake_flash.shown[VARS / BLOCK_SIZE][0]);
	assert_true(flash->class->owns(flash, page));
	assert_false(flash->class->owns(flash, pa(FAKE_HOST_PA + FAKE_HOST_RAM)));
	flash->class->lose((struct device *)(uintptr_t)flash, page);
	assert_null(fake_flash.shown[VARS / BLOCK_SIZE]);
	assert_false(mmio_show(&rig_vcpu[0], VARS + 8));
	assert_false(answers(VARS + 8));
	assert_true(mmio_show(&rig_vcpu[0], VARS + PAGE_SIZE));
	assert_true(s2_entry_is_lost(fake_flash.shown[VARS / BLOCK_SIZE][0]));
	assert_int_equal(shown(VARS + PAGE_SIZE), vars[PAGE_SIZE]);
	put(VARS, 0x40, 4);
	put(VARS, 0, 4);
	assert_true(get(VARS, 4) & BIT(4));
	put(VARS, 0x50, 4);
	put(VARS, 0x20, 4);
	put(VARS, 0xd0, 4);
	put(VARS, 0xff, 4);
	assert_int_equal(get(VARS, 4), ~0U);
	assert_true(mmio_show(&rig_vcpu[0], VARS));
	assert_int_equal(shown(VARS), 0xff);
	end();
}

/* --- variables on a disk of the host's */

#define KEPT_FIRST 100U /* sectors */
#define KEPT_COUNT 1100U
#define KEPT_BYTES (2U * SECTOR) /* whole sectors of flash that are in there */
#define HOST       "/virtio_mmio@a003e00"
#define KEPT(at)   fake_hostdisk.data[KEPT_FIRST * DISKDEV_SECTOR + (at)]
#define REFUSED    "vm web: /vms/web/flash: "
#define REFUSED_BY REFUSED "vars-host \"" HOST "\": "

static uint32_t kept_first, kept_count, kept_partition;

static int make_kept(const char *host, const char *image)
{
	rig_begin(NULL, NULL);
	memset(&fake_flash, 0, sizeof(fake_flash));
	fit_begin(&f);
	fit_image(&f, &(struct fit_image){.name = "CODE", .data = code, .size = CODE_SIZE, .hash = "crc32"});
	fit_vms(&f);
	fit_vm(&f, "web");
	assert_int_equal(fdt_begin_node(f.blob, "flash"), 0);
	fit_string(&f, "compatible", "virt7,cfi-flash");
	fit_string(&f, "code", "CODE");
	if (host)
		fit_string(&f, "vars-host", host);
	if (image)
		fit_string(&f, "vars", image);
	if (kept_partition)
		assert_int_equal(fdt_property_u32(f.blob, "vars-partition", kept_partition), 0);
	if (kept_count) {
		const fdt32_t range[] = {cpu_to_fdt32(kept_first), cpu_to_fdt32(kept_count)};

		assert_int_equal(fdt_property(f.blob, "vars-range", range, sizeof(range)), 0);
	}
	assert_int_equal(fdt_end_node(f.blob), 0);
	fit_vm_end(&f);
	fit_end(&f);
	assert_int_equal(bundle_open(&b, f.blob, f.size), 0);
	return device_create_all(&rig_vm, &b, fdt_path_offset(f.blob, "/vms/web"));
}

static void begin_kept(void)
{
	fake_hostdisk_reset();
	fake_hostdisk.can_flush = true;
	memset(&KEPT(3U * PAGE_SIZE), 0xff, 2U * PAGE_SIZE);
	kept_first = KEPT_FIRST;
	kept_count = KEPT_COUNT;
	kept_partition = 0;
	if (make_kept(HOST, NULL))
		fail_msg("%s", fake_log_last(LOG_ERR));
}

static void end_kept(void)
{
	end();
	assert_int_equal(fake_hostdisk.claims, 0);
}

static void program(uint64_t at, uint32_t value)
{
	put(at, 0x00400040, 4);
	put(at, value, 4);
}

/* The disk has what the guest sees, and what is not the bank's there is as it was. */
static void expect_kept(const uint8_t *before)
{
	put(VARS, 0xff, 1);
	for (uint32_t at = 0; at < KEPT_BYTES; at += 4) {
		uint32_t there;

		memcpy(&there, &KEPT(at), sizeof(there));
		assert_int_equal(get(VARS + at, 4), there);
	}
	assert_memory_equal(fake_hostdisk.data, before, KEPT_FIRST * DISKDEV_SECTOR);
	assert_memory_equal(&KEPT(KEPT_BYTES), before + KEPT_FIRST * DISKDEV_SECTOR + KEPT_BYTES,
			    sizeof(fake_hostdisk.data) - KEPT_FIRST * DISKDEV_SECTOR - KEPT_BYTES);
}

static void test_kept(void **state)
{
	static uint8_t before[sizeof(fake_hostdisk.data)];

	(void)state;
	begin_kept();
	memcpy(before, fake_hostdisk.data, sizeof(before));
	expect_kept(before);
	assert_true(mmio_show(&rig_vcpu[0], VARS));
	assert_int_equal(shown(VARS + 5), KEPT(5));
	fake_hostdisk.moves = 0;
	erase(VARS + SECTOR);
	assert_int_equal(KEPT(SECTOR), 0xff); /* when the store is over */
	assert_int_equal(KEPT(2U * SECTOR - 1U), 0xff);
	assert_int_equal(KEPT(SECTOR - 1U), before[KEPT_FIRST * DISKDEV_SECTOR + SECTOR - 1U]);
	assert_int_equal(fake_hostdisk.moves, SECTOR / KIB(16) + 1U);
	assert_int_equal(fake_hostdisk.flushes, 1);
	program(VARS + SECTOR + 0x1004U, 0x12345678);
	assert_int_equal(KEPT(SECTOR + 0x1004U), 0x78);
	assert_int_equal(fake_hostdisk.flushes, 2);
	assert_int_equal(get(VARS, 4), 0x00800080);
	expect_kept(before);
	fake_hostdisk.moves = 0;
	put(VARS, 0xff, 1);
	put(VARS, 0x90, 4); /* what changes nothing writes nothing */
	assert_int_equal(fake_hostdisk.moves, 0);
	device_reset_all(&rig_vm);
	expect_kept(before);
	end_kept();
	begin_kept();
	fake_hostdisk.can_flush = false;
	erase(VARS);
	assert_int_equal(fake_hostdisk.flushes, 0);
	end_kept();
}

/* Behind the disk's end nothing is written, nor kept. */
static void test_kept_end(void **state)
{
	(void)state;
	begin_kept();
	fake_hostdisk.moves = 0;
	assert_int_equal(get(VARS + KEPT_BYTES, 4), UINT32_MAX);
	program(VARS + KEPT_BYTES, 0);
	assert_int_equal(get(VARS, 4), 0x00920092);
	put(VARS, 0x50, 4);
	erase(VARS + KEPT_BYTES);
	assert_int_equal(get(VARS, 4), 0x00a200a2);
	put(VARS, 0xff, 1);
	assert_int_equal(get(VARS + KEPT_BYTES, 4), UINT32_MAX);
	assert_int_equal(fake_hostdisk.moves, 0);
	end_kept();
}

/* What the disk does not take is an error of the command, and goes with the next one. */
static void test_kept_errors(void **state)
{
	static uint8_t before[sizeof(fake_hostdisk.data)];

	(void)state;
	begin_kept();
	memcpy(before, fake_hostdisk.data, sizeof(before));
	fake_hostdisk.move_error = -EIO;
	erase(VARS);
	assert_int_equal(get(VARS, 4) & 0xffU, 0x90);
	assert_string_equal(fake_log_last(LOG_WARN), REFUSED "host \"" HOST "\": it does not take what has changed: "
							     "writes fail until it does");
	put(VARS, 0x50, 4);
	expect_status(VARS, 0x90); /* it is tried again with each store */
	fake_hostdisk.move_error = 0;
	put(VARS, 0x50, 4);
	expect_status(VARS, 0x80);
	expect_kept(before);
	assert_int_equal(fake_log_count(LOG_WARN), 1);
	end_kept();
	fake_hostdisk_reset();
	fake_hostdisk.move_error = -ETIMEDOUT;
	assert_int_equal(make_kept(HOST, NULL), -EINVAL);
	assert_string_equal(fake_log_last(LOG_ERR), REFUSED_BY "the disk cannot be read");
	end_kept();
}

static void refuse_kept(const char *host, const char *image, const char *line)
{
	assert_int_equal(make_kept(host, image), -EINVAL);
	assert_string_equal(fake_log_last(LOG_ERR), line);
	end_kept();
}

static void test_kept_refused(void **state)
{
	static const struct hostdisk_claim other = {.vm = "mail", .device = "disk0"};

	(void)state;
	fake_hostdisk_reset();
	kept_partition = kept_count = 0;
	refuse_kept(HOST, "CODE", REFUSED "vars and vars-host: give one of them");
	kept_count = SECTOR / DISKDEV_SECTOR - 1U;
	refuse_kept(HOST, NULL, REFUSED_BY "less than a sector of flash, 256 KiB");
	refuse_kept(NULL, NULL,
		    REFUSED "vars-partition or vars-range, and no vars-host: give the disk's path in the host's device "
			    "tree");
	kept_partition = 1;
	refuse_kept(HOST, NULL, REFUSED "vars-partition and vars-range: give one of them");
	kept_count = 0;
	refuse_kept(HOST, NULL, REFUSED_BY "the disk has no partitions");
	kept_partition = 0;
	fake_hostdisk.read_only = true;
	refuse_kept(HOST, NULL, REFUSED_BY "the host's disk can only be read");
	fake_hostdisk.read_only = false;
	fake_hostdisk.other = &other;
	refuse_kept(HOST, NULL,
		    REFUSED_BY "mail.disk0 has sectors of it; give another partition, or read-only to both");
	fake_hostdisk.other = NULL;
	fake_hostdisk.wrong = "what is wrong";
	refuse_kept(HOST, NULL, REFUSED_BY "what is wrong");
	kept_first = FAKE_DISK_SECTORS;
	kept_count = 1024;
	fake_hostdisk.wrong = NULL;
	refuse_kept(HOST, NULL, REFUSED_BY "the range reaches beyond the disk's end");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_content),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_code_is_read_only),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_full_is_said_once),
		cmocka_unit_test(test_quarantine),
		cmocka_unit_test(test_erase_all),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_bad_page),
		cmocka_unit_test(test_save),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_page_lost),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_kept_end),
		cmocka_unit_test(test_kept_errors),
		cmocka_unit_test(test_kept_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
