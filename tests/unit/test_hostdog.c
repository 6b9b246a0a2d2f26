/* SPDX-License-Identifier: BSD-2-Clause */
/* Watchdogs that firmware has left on: which, what pets them, and who must have been heard of before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_log.h"
#include "fake_machine.h"
#include "hyp/host/hostdev.h"
#include "hyp/lib/bits.h"
#include "mm/hypmap.h"

#include "hyp/host/hostdog.c"  /* with its state, */
#include "hyp/run/heartbeat.c" /* and this one's */

struct percpu percpu[CPU_MAX];
static uint32_t regs[0x1000 / 4];
static uint32_t written[8], offset[8], width[8], writes, claims;

static void note_write(volatile void *addr, size_t size, uint32_t value)
{
	offset[writes % 8U] = (uint32_t)((volatile uint8_t *)addr - (uint8_t *)regs);
	width[writes % 8U] = (uint32_t)size;
	written[writes++ % 8U] = value;
}

void *hyp_map_device(uint64_t base, size_t size)
{
	assert_true(size <= sizeof(regs));
	return base ? regs : NULL;
}

const struct hostdev *hostdev_claim(struct hostdev *dev, const char *owner)
{
	(void)owner;
	assert_int_equal(dev->node, 77);
	claims++;
	return NULL;
}

uint32_t timer_hz(void)
{
	return 1000;
}

static struct percpu *armed[CPU_MAX];

void timer_arm(struct timer *timer, uint64_t deadline)
{
	assert_int_equal(deadline - timer_now(), 250);
	timer->cpu = armed[timer - beat] = this_cpu();
}

static void be_cpu(uint32_t id)
{
	percpu[id].head.id = id;
	write_htpidr((uint32_t)(uintptr_t)&percpu[id]);
	fake_machine.reg[SYSREG_htpidr] = (uintptr_t)&percpu[id];
}

static struct host host;

static void begin(const struct hostdog_model *model, uint32_t value)
{
	fake_machine_reset();
	fake_log_reset();
	memset(regs, 0, sizeof(regs));
	memset(armed, 0, sizeof(armed));
	memset(beats, 0, sizeof(beats));
	memset(seen, 0, sizeof(seen));
	memset(percpu, 0, sizeof(percpu));
	memset(offset, 0, sizeof(offset));
	dog_count = writes = claims = 0;
	fake_machine.io_write = note_write;
	regs[model->control / 4U] = value;
	host = (struct host){.dog_count = 1, .dog = {{"a-dog", 0x1000, model, 77}}};
}

static void test_models(void **state)
{
	static const struct {
		const struct hostdog_model *model;
		uint32_t on, width, count, offset, value; /* the last write but for SP805's lock */
	} rows[] = {
		{&hostdog_imx, 0xff04, 2, 2, 0x02, 0xaaaa}, {&hostdog_sun4i, 1, 4, 1, 0x00, 0x14af},
		{&hostdog_sun6i, 1, 4, 1, 0x10, 0x14af},    {&hostdog_dw, 3, 4, 1, 0x0c, 0x76},
		{&hostdog_sp805, 3, 4, 3, 0x0c, 1},         {&hostdog_aspeed, 0x11, 4, 1, 0x08, 0x4755},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t last = rows[i].model == &hostdog_sp805 ? 1 : rows[i].count - 1U;

		begin(rows[i].model, rows[i].on);
		hostdog_init(&host);
		assert_true(hostdog_is_on());
		assert_int_equal(claims, 1);
		assert_string_equal(fake_log_last(LOG_INFO),
				    "host: the watchdog a-dog at 0x1000 is on: virt7 pets it while "
				    "every CPU takes interrupts");
		assert_int_equal(writes, rows[i].count);
		assert_int_equal(offset[last], rows[i].offset);
		assert_int_equal(width[last], rows[i].width);
		assert_int_equal(written[last], rows[i].value);
	}
}

/* One that is off, that is not there, or that does not answer is left alone: nothing is written, and no timer runs. */
static void test_off(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		begin(&hostdog_imx, i == 0 ? 0xfffb : 0xffff);
		host.dog_count = i == 1 ? 0 : 1;
		fake_machine.bad = i == 2 ? regs : NULL;
		fake_machine.bad_size = sizeof(regs);
		hostdog_init(&host);
		be_cpu(0);
		heartbeat_init_cpu();
		assert_false(hostdog_is_on());
		assert_int_equal(writes + claims, 0);
		assert_null(armed[0]);
	}
}

static void pass(uint32_t cpu)
{
	be_cpu(cpu);
	beat[cpu].expired(&beat[cpu]);
}

static void test_beats(void **state)
{
	(void)state;
	begin(&hostdog_dw, 1);
	hostdog_init(&host);
	for (uint32_t i = 0; i < 2; i++) {
		be_cpu(i);
		percpu[i].online = true;
		heartbeat_init_cpu();
		assert_ptr_equal(armed[i], &percpu[i]);
	}
	writes = 0;
	pass(0);
	assert_int_equal(writes, 0); /* CPU 1 has not been heard of */
	pass(1);
	assert_int_equal(writes, 0); /* the boot CPU pets */
	pass(0);
	assert_int_equal(writes, 1);
	for (uint32_t i = 0; i < 10; i++)
		pass(0);
	assert_int_equal(writes, 1); /* CPU 1 hangs */
	percpu[1].online = false;
	pass(0);
	assert_int_equal(writes, 2); /* who is not there is not waited for */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_models),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_beats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
