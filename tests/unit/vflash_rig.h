/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of a VM's flash share: its two banks, made and taken away, and accesses of its guest. */
#ifndef TESTS_UNIT_VFLASH_RIG_H
#define TESTS_UNIT_VFLASH_RIG_H

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
static inline void break_page(uint32_t n)
{
	fake_machine.bad = fake_host_ram + n * PAGE_SIZE;
	fake_machine.bad_size = PAGE_SIZE;
}

/* A VM whose nodes of flash say `strings` (pairs, then NULL) and `fill`. */
static inline int make(const char *const *strings, uint32_t fill, unsigned int nodes)
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

static inline void begin(void)
{
	for (uint32_t i = 0; i < CODE_SIZE; i++)
		code[i] = (uint8_t)(i * 7U + i / 251U);
	for (uint32_t i = 0; i < VARS_SIZE; i++)
		vars[i] = (uint8_t)(i * 13U + 1U);
	if (make((const char *const[]){"code", "CODE", "vars", "VARS", NULL}, 0, 1))
		fail_msg("%s", fake_log_last(LOG_ERR));
}

static inline void end(void)
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

static inline uint32_t get(uint64_t at, uint32_t size)
{
	struct mmio_access access = {.size = size};

	assert_int_equal(mmio_access(&rig_vcpu[0], at, &access), MMIO_DONE);
	return access.value;
}

static inline bool answers(uint64_t at)
{
	struct mmio_access access = {.size = 4};

	return mmio_access(&rig_vcpu[0], at, &access) == MMIO_DONE;
}

static inline void put(uint64_t at, uint32_t value, uint32_t size)
{
	struct mmio_access access = {.size = size, .write = true, .value = value};

	assert_int_equal(mmio_access(&rig_vcpu[0], at, &access), MMIO_DONE);
}

/* A byte as the guest reads it from the memory that it is shown. */
static inline uint8_t shown(uint64_t at)
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
static inline void expect_both(uint64_t at, uint8_t value)
{
	put(at & ~3ULL, 0xff, 1);
	assert_true(mmio_show(&rig_vcpu[0], at));
	assert_int_equal(shown(at), value);
	assert_int_equal(get(at, 1), value);
}

static inline void write_word(uint64_t at, uint32_t value)
{
	put(at, 0x00400040, 4);
	put(at, value, 4);
}

static inline void erase(uint64_t at)
{
	put(at, 0x00200020, 4);
	put(at, 0x00d000d0, 4);
}

static inline void expect_status(uint64_t at, uint32_t status)
{
	put(at, 0x70, 1);
	assert_int_equal(get(at, 1), status);
	put(at, 0x50, 1);
}

#endif
