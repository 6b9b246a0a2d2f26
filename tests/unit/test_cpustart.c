/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting CPUs by every method, power-off by registers, and quirks: the writes and their order, on fake registers. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "hyp/host/cpustart.h"
#include "hyp/host/board.h"
#include "hyp/console/blackbox.h"
#include "hyp/console/console.h"
#include "fake_log.h"
#include "fake_machine.h"
#include "hyp/host/gic.h"
#include "hyp/lib/option.h"
#include "hyp/run/timer.h"
#include "mm/cache.h"
#include "mm/hypmap.h"
#include "hyp/host/psci.h"
#include "hyp/host/power.h"

#define ENTRY 0x80010054U

struct options options;

/* Each mapped page is a page here; registers are found again by their physical address. */
static struct page {
	uint64_t base;
	uint8_t bytes[4096];
} __attribute__((aligned(8))) pages[8];
static size_t page_count;
static char history[1024]; /* "address=value " a write */
static uint8_t window[0x200000] __attribute__((aligned(8)));
static uint64_t window_block;
static unsigned int sgis, psci_calls, psci_offs, psci_resets, last_words;
static uint64_t now;
static int psci_result;
static uint8_t tree[4096] __attribute__((aligned(8)));
static struct host host;

void *hyp_map_device(uint64_t base, size_t size)
{
	size_t i = 0;

	assert_true((base & 4095) + size <= 4096);
	while (i < page_count && pages[i].base != (base & ~4095ULL))
		i++;
	assert_true(i < sizeof(pages) / sizeof(pages[0]));
	if (i == page_count)
		pages[page_count++].base = base & ~4095ULL;
	return pages[i].bytes + (base & 4095);
}

static void note_write(volatile void *addr, size_t size, uint32_t value)
{
	assert_int_equal(size, 4);
	*(volatile uint32_t *)addr = value;
	for (size_t i = 0; i < page_count; i++) {
		size_t offset = (size_t)((volatile uint8_t *)addr - pages[i].bytes);

		if ((volatile uint8_t *)addr >= pages[i].bytes && offset < 4096)
			sprintf(history + strlen(history), "%llx=%x ", (unsigned long long)pages[i].base + offset,
				value);
	}
}

uint8_t *hyp_window_open_at(enum hyp_window which, pa_t address)
{
	assert_int_equal(which, HYP_WINDOW);
	window_block = address.v & ~0x1fffffULL;
	return window;
}

void hyp_window_close_at(enum hyp_window which)
{
	assert_int_equal(which, HYP_WINDOW);
}

void cache_clean(const void *start, size_t size)
{
	(void)start;
	assert_int_equal(size, 4);
}

void gic_send_sgi_others(uint32_t sgi)
{
	assert_int_equal(sgi, GIC_SGI_KICK);
	sgis++;
}

static uint64_t counter(uint32_t reg)
{
	(void)reg;
	return now += 1000;
}

uint32_t timer_hz(void)
{
	return 1000000;
}

int psci_host_cpu_on(uint32_t mpidr, uint32_t entry, uint32_t context)
{
	assert_int_equal(mpidr, 1);
	assert_int_equal(entry, ENTRY);
	assert_int_equal(context, 0);
	psci_calls++;
	return psci_result;
}

void psci_host_system_off(void)
{
	psci_offs++;
}

void psci_host_system_reset(void)
{
	psci_resets++;
}

void console_panic(void)
{
	last_words++;
}

void blackbox_end(void)
{
}

void console_flush(void)
{
}

static void board(const char *compatible)
{
	fake_machine_reset();
	fake_log_reset();
	fake_machine.io_write = note_write;
	fake_machine.on_read[SYSREG_cntpct] = counter;
	memset(pages, 0, sizeof(pages));
	memset(window, 0, sizeof(window));
	page_count = 0;
	history[0] = '\0';
	sgis = psci_calls = psci_offs = psci_resets = 0;
	fdt_create_empty_tree(tree, sizeof(tree));
	fdt_setprop(tree, 0, "compatible", compatible, (int)strlen(compatible) + 1);
	host = (struct host){.fdt = tree};
}

static void test_psci(void **state)
{
	const struct host_cpu cpu = {.mpidr = 1, .method = "acme,smp"};

	(void)state;
	board("acme");
	host.psci_cpu_on = 0x84000003;
	assert_int_equal(cpustart(&host, &cpu, ENTRY), 0);
	psci_result = -EIO;
	assert_int_equal(cpustart(&host, &cpu, ENTRY), -EIO);
	psci_result = 0;
	assert_int_equal(psci_calls, 2);
	assert_string_equal(history, "");
}

static void test_spin_table(void **state)
{
	const struct host_cpu cpu = {.mpidr = 1, .method = "spin-table", .release = 0x880010018ULL};
	uint32_t slot;

	(void)state;
	board("acme");
	host.psci_cpu_on = 1; /* the CPU's node has the last word */
	assert_int_equal(cpustart(&host, &cpu, ENTRY), 0);
	assert_int_equal(psci_calls, 0);
	assert_true(window_block == 0x880000000ULL);
	memcpy(&slot, window + 0x10018, 4);
	assert_int_equal(slot, ENTRY);
	assert_true(fake_find(FAKE_SEV, 0) < fake_machine.events);
}

static void test_no_means(void **state)
{
	(void)state;
	board("acme");
	assert_int_equal(cpustart(&host, &(struct host_cpu){.mpidr = 1}, ENTRY), -ENOSYS);
	assert_int_equal(cpustart(&host, &(struct host_cpu){.mpidr = 1, .method = "acme,smp"}, ENTRY), -ENOSYS);
	assert_int_equal(cpustart(&host, &(struct host_cpu){.mpidr = 1, .method = "spin-table"}, ENTRY), -ENOSYS);
}

static void test_vexpress(void **state)
{
	const struct host_cpu cpu = {.mpidr = 1};

	(void)state;
	board("arm,vexpress");
	assert_int_equal(cpustart(&host, &cpu, ENTRY), -ENODEV); /* no system registers in the tree */
	host.vexpress_sysreg = 0x1c010000;
	assert_int_equal(cpustart(&host, &cpu, ENTRY), 0);
	assert_string_equal(history, "1c010034=ffffffff 1c010030=80010054 ");
	assert_int_equal(sgis, 1);
}

/* Out of where the board left it, to the monitor; and also where there is nothing to do on the board's side. */
static void test_own_monitor(void **state)
{
	const struct host_cpu spinning = {.mpidr = 1, .release = 0x880010018ULL}, waiting = {.mpidr = 1};
	uint32_t slot;

	(void)state;
	board("acme,board");
	host.own_monitor = true;
	host.psci_cpu_on = 0x84000003;
	assert_int_equal(cpustart(&host, &spinning, ENTRY), 0);
	memcpy(&slot, window + 0x10018, sizeof(slot));
	assert_int_equal(slot, ENTRY);
	assert_int_equal(psci_calls, 1);
	assert_int_equal(cpustart(&host, &waiting, ENTRY), 0);
	assert_int_equal(psci_calls, 2);
	psci_result = -EIO;
	assert_int_equal(cpustart(&host, &waiting, ENTRY), -EIO);
	psci_result = 0;
}

static void test_allwinner(void **state)
{
	const struct host_cpu cpu = {.mpidr = 1, .method = "allwinner,sun6i-a31"};
	const struct host_cpu plain = {.mpidr = 2};

	(void)state;
	board("allwinner,sun6i-a31");
	*(uint32_t *)(void *)((uint8_t *)hyp_map_device(0x01f01500, 4)) = 0xf; /* all four are off */
	assert_int_equal(cpustart(&host, &cpu, ENTRY), 0);
	assert_string_equal(history,
			    "1f01da4=80010054 1f01c80=0 1f01d84=0 1f01de4=0 "
			    "1f01544=ff 1f01544=7f 1f01544=3f 1f01544=1f 1f01544=f 1f01544=7 1f01544=3 1f01544=1 "
			    "1f01544=0 1f01500=d 1f01c80=3 1f01de4=2 ");
	board("allwinner,sun7i-a20");
	assert_int_equal(cpustart(&host, &plain, ENTRY), 0);
	assert_non_null(strstr(history, "1c25da4=80010054 "));
	assert_non_null(strstr(history, "1c25db0=0 1c25db4=0 1c25cc0=3 "));
}

static void test_ast2600(void **state)
{
	const struct host_cpu cpu = {.mpidr = 0xf01, .method = "aspeed,ast2600-smp"};

	(void)state;
	board("aspeed,ast2600");
	assert_int_equal(cpustart(&host, &cpu, ENTRY), 0);
	assert_string_equal(history, "1e6e2180=80010054 1e6e2184=abbaab01 ");
}

/* In the order in which cpustart() goes. */
static void test_means(void **state)
{
	const struct host_cpu spinning = {.release = 0x1000, .method = "spin-table"},
			      known = {.method = "aspeed,ast2600-smp"};
	const struct host_cpu unknown = {.method = "acme,smp"};

	(void)state;
	board("acme,board");
	assert_null(cpustart_means(&host, &unknown));
	assert_string_equal(cpustart_means(&host, &known), "aspeed,ast2600-smp");
	host.psci_cpu_on = 0x84000003;
	assert_string_equal(cpustart_means(&host, &known), "PSCI");
	assert_string_equal(cpustart_means(&host, &spinning), "spin-table");
	board("samsung,exynos5250");
	assert_string_equal(cpustart_means(&host, &unknown), "samsung,exynos5250");
}

static void test_exynos(void **state)
{
	(void)state;
	board("samsung,exynos5250");
	*(uint32_t *)(void *)((uint8_t *)hyp_map_device(0x10042084, 4)) = 3;
	assert_int_equal(cpustart(&host, &(struct host_cpu){.mpidr = 1}, ENTRY), 0);
	assert_string_equal(history, "10042080=3 2020000=80010054 ");
	board("samsung,exynos5420");
	assert_int_equal(cpustart(&host, &(struct host_cpu){.mpidr = 0x101}, ENTRY), 0);
	assert_string_equal(history, "10042280=3 2020004=80010054 ");
}

static void test_power(void **state)
{
	(void)state;
	board("acme");
	host.off = (struct host_power){
		.what = "syscon-poweroff", .count = 2, .poke = {{0x20cc038, 0x60, 0x40}, {0x20cc03c, ~0U, 5}}};
	*(uint32_t *)(void *)((uint8_t *)hyp_map_device(0x20cc038, 4)) = 0x21;
	power_init(&host);
	power_off();
	assert_int_equal(psci_offs, 1); /* the firmware first */
	assert_string_equal(history, "20cc038=41 20cc03c=5 ");
	assert_non_null(strstr(fake_log_last(LOG_WARN), "syscon-poweroff had no effect"));
	fake_log_reset();
	power_reset();
	assert_int_equal(psci_resets, 1);
	assert_int_equal(fake_log_count(LOG_WARN), 0);
}

static jmp_buf asleep;

static void wake_the_test(void)
{
	longjmp(asleep, 1);
}

/* power_end() until it sleeps; returns how often it has tried to switch the host off. */
static unsigned int end(uint32_t on_error)
{
	unsigned int before = psci_offs;

	options.on_error = on_error;
	fake_machine.on_wait = wake_the_test;
	if (!setjmp(asleep))
		power_end();
	return psci_offs - before;
}

/* The console is the end's alone, and an attempt that ends in a panic is not made again. */
static void test_end(void **state)
{
	(void)state;
	board("acme");
	host.off.count = 0;
	power_init(&host);
	assert_int_equal(end(OPTION_ERROR_HALT), 0);
	assert_int_equal(last_words, 1);
	assert_int_equal(fake_log_count(LOG_WARN), 0);
	assert_int_equal(end(OPTION_ERROR_POWEROFF), 1);
	assert_int_equal(last_words, 2);
	assert_string_equal(fake_log_last(LOG_WARN),
			    "this host cannot be switched off by software; it is safe to cut the power");
	assert_int_equal(end(OPTION_ERROR_POWEROFF), 0);
}

static void test_quirks(void **state)
{
	(void)state;
	board("acme,board");
	board_apply_quirks(&host);
	assert_int_equal(fake_log_count(LOG_INFO), 0);
	board("st,stm32mp157");
	host.uart.base = 0x40010000;
	board_apply_quirks(&host);
	assert_int_equal(host.uart.irq, 84);
	assert_int_equal(fake_log_count(LOG_INFO), 1);
	host.uart.irq = 7; /* the tree knows better */
	board_apply_quirks(&host);
	assert_int_equal(host.uart.irq, 7);
	board("samsung,exynos5250");
	board_apply_quirks(&host);
	assert_string_equal(history, "101c0240=100 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_psci),     cmocka_unit_test(test_spin_table), cmocka_unit_test(test_no_means),
		cmocka_unit_test(test_vexpress), cmocka_unit_test(test_allwinner),  cmocka_unit_test(test_exynos),
		cmocka_unit_test(test_ast2600),  cmocka_unit_test(test_means),      cmocka_unit_test(test_power),
		cmocka_unit_test(test_end),      cmocka_unit_test(test_quirks),     cmocka_unit_test(test_own_monitor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
