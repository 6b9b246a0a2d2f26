/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flash of a VM (hyp/vdev/vflash.c, flashbank.c): what its banks hold, in memory that is shown and by registers;
 * what commands change; what it costs; its node. The commands themselves are in test_cfi.c.
 */
#include "vflash_rig.h"

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

/* A page that becomes bad: no guest sees it any more, reads and programs fail, and its sector may be erased. */
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
