/* SPDX-License-Identifier: BSD-2-Clause */
/* The trace: which CPUs have rings, what exits write into them and when not, and what `trace dump` makes of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "hyp/host/gic.h"
#include "hyp/exit/exit.h"
#include "hyp/run/irq.h"
#include "hyp/console/shell_cmd.h"
#include "hyp/debug/trace.h"
#include "hyp/virtio/bus.h"
#include "hyp/vm/vm.h"
#include "mm/page.h"

#define CPUS 2U /* online; there is a third that is not */

struct percpu percpu[CPU_MAX];
struct vm *vms[VM_MAX];
uint32_t vm_count = 1;
static const uint32_t plain[CPUS], traced[CPUS]; /* vectors */
void trace_exit_trap(struct regs *regs);
void trace_exit_irq(void);

static struct virtio_device con = {.device.name = "con1"};
static struct virtio_bus bus;
static struct vm vm = {.config.name = "a", .virtio = &bus};
static struct vcpu vcpu = {.vm = &vm, .index = 1};
static char said[1 << 12];
static uint32_t sgis, pages; /* pages: that are left in the heap */
static irq_fn follow;
static void (*in_exit)(void);

#define HVBAR(vectors) ((uint32_t)(uintptr_t)(vectors))

static void run_on(uint32_t cpu)
{
	write_htpidr((uintptr_t)&percpu[cpu]);
	percpu[cpu].thread = &vcpu.thread;
}

void exit_trap(struct regs *regs)
{
	(void)regs;
	if (in_exit)
		in_exit();
}

void exit_data(struct regs *regs)
{
	exit_trap(regs);
}

void exit_irq(void)
{
	exit_trap(NULL);
}

void gic_send_sgi(uint32_t cpu, uint32_t id)
{
	assert_int_equal(id, GIC_SGI_TRACE);
	sgis |= 1U << cpu;
}

void irq_register(uint32_t id, irq_fn fn, void *arg)
{
	assert_null(arg);
	assert_int_equal(id, GIC_SGI_TRACE);
	follow = fn;
}

void *page_alloc(unsigned int order)
{
	if (pages < 1U << order)
		return NULL;
	pages -= 1U << order;
	return calloc(PAGE_SIZE, 1U << order);
}

unsigned int page_order(size_t size)
{
	unsigned int order = 0;

	while (PAGE_SIZE << order < size)
		order++;
	return order;
}

uint32_t timer_hz(void)
{
	return 62500000;
}

void shell_printf(const char *fmt, ...)
{
	size_t len = strlen(said);
	va_list args;

	va_start(args, fmt);
	vsnprintf(said + len, sizeof(said) - len, fmt, args);
	va_end(args);
}

bool shell_interrupted(void)
{
	return false;
}

/* Time in which the other CPUs take their SGIs. */
bool shell_sleep_ms(uint32_t ms)
{
	uintptr_t me = read_htpidr();

	(void)ms;
	for (uint32_t i = 0; i < CPU_MAX; i++)
		if (sgis & 1U << i) {
			write_htpidr((uintptr_t)&percpu[i]);
			follow(GIC_SGI_TRACE, NULL);
		}
	sgis = 0;
	write_htpidr(me);
	return true;
}

static int setup(void **state)
{
	(void)state;
	vms[0] = &vm;
	vm.vcpu[vm.vcpu_count++] = &vcpu;
	for (uint32_t i = 0; i < CPU_MAX; i++) {
		percpu[i].head.id = i;
		percpu[i].online = i < CPUS;
		if (i < CPUS) {
			percpu[i].vectors = &plain[i];
			percpu[i].vectors_traced = &traced[i];
		}
	}
	run_on(0);
	return 0;
}

/* An exit at `time`, with this syndrome. */
static void trap(uint64_t time, uint32_t hsr)
{
	fake_machine.reg[SYSREG_cntpct] = time;
	fake_machine.reg[SYSREG_hsr] = hsr;
	trace_exit_trap(NULL);
}

static void expect_dump(char *most, const char *text)
{
	said[0] = '\0';
	shell_trace_dump(most ? 1 : 0, &most);
	assert_string_equal(said, text);
}

/* --- in this order: a ring that is there stays ----------------------------------------------------------------------
 */

static void no_memory(void **state)
{
	(void)state;
	pages = 16; /* one ring of 64 KiB */
	shell_trace_on(0, NULL);
	assert_string_equal(said, "virt7's heap is too small for a trace (64 KiB a CPU)\n");
	assert_false(trace_is_on());
	assert_int_equal(sgis, 0);
}

static void all_cpus_follow(void **state)
{
	(void)state;
	pages = 16;              /* the other one's */
	vcpu.vgic.injected = 20; /* long ago */
	assert_int_equal(trace_switch(true), 0);
	assert_int_equal(fake_machine.reg[SYSREG_hvbar], HVBAR(&traced[0]));
	assert_int_equal(sgis, 1U << 1);
	assert_false(trace_settled());
	shell_sleep_ms(1);
	assert_int_equal(fake_machine.reg[SYSREG_hvbar], HVBAR(&traced[1]));
	assert_true(trace_settled());
	assert_int_equal(trace_count(0), 0);
	assert_int_equal(trace_count(CPUS), 0); /* no ring */
}

static void one_interrupt(void)
{
	vcpu.vgic.injected_id[vcpu.vgic.injected++ % 8U] = 27;
}

static void an_exit(void **state)
{
	(void)state;
	in_exit = one_interrupt;
	trap(1000, EC_DABT_GUEST << 26 | 7U);
	in_exit = NULL;
	fake_machine.reg[SYSREG_cntpct] = 2000;
	trace_exit_irq();
	expect_dump(NULL, "trace: hz 62500000\n"
			  "trace: 0 1000 data-abort a/1 0x90000007\n"
			  "trace: 0 1000 inject a/1 0x1b\n"
			  "trace: 0 1000 enter a/1 0x0\n"
			  "trace: 0 2000 irq a/1 0x0\n"
			  "trace: 0 2000 enter a/1 0x0\n");
	assert_true(trace_is_on()); /* again */
	expect_dump((char[]){"1"}, "trace: hz 62500000\ntrace: 0 2000 enter a/1 0x0\n");
	expect_dump((char[]){"4097"}, "4097: expects how many records of each CPU, 1 to 4096\n");
	expect_dump((char[]){"1x"}, "1x: expects how many records of each CPU, 1 to 4096\n");
}

static void many_interrupts(void)
{
	for (uint32_t i = 0; i < 11; i++)
		vcpu.vgic.injected_id[vcpu.vgic.injected++ % 8U] = (uint8_t)(32 + i);
}

/* Of more than eight the last eight are known. */
static void an_exit_with_many(void **state)
{
	uint32_t first = trace_count(0) + 1U;

	(void)state;
	in_exit = many_interrupts;
	trap(3000, EC_HVC << 26);
	in_exit = NULL;
	assert_int_equal(trace_count(0), first + 9U);
	for (uint32_t i = 0; i < 8; i++) {
		assert_int_equal(trace_at(0, first + i)->what, TRACE_INJECT);
		assert_int_equal(trace_at(0, first + i)->data, 35 + i);
	}
}

static void move(void)
{
	run_on(1);
}

/* A vCPU that has moved in its exit goes back on the other CPU. */
static void a_move(void **state)
{
	uint32_t before = trace_count(0);

	(void)state;
	in_exit = move;
	trap(4000, EC_WFI_WFE << 26);
	in_exit = NULL;
	assert_int_equal(trace_count(0), before + 1U);
	assert_int_equal(trace_count(1), 1);
	assert_int_equal(trace_at(1, 0)->what, TRACE_ENTER);
	run_on(0);
}

static void off(void)
{
	assert_int_equal(trace_switch(false), 0);
	shell_sleep_ms(1);
	assert_true(trace_settled());
}

/* One that sleeps when the trace ends, and wakes later, writes nothing any more. */
static void off_is_off(void **state)
{
	uint32_t before = trace_count(0);

	(void)state;
	in_exit = off;
	trap(5000, EC_WFI_WFE << 26);
	in_exit = NULL;
	assert_int_equal(trace_count(0), before + 1U);
	assert_int_equal(fake_machine.reg[SYSREG_hvbar], HVBAR(&plain[1])); /* the last to follow */
	shell_trace_on(0, NULL);
}

/* The ring holds the last TRACE_RECORDS, in their order, by a count that goes on. */
static void the_ring_wraps(void **state)
{
	uint32_t end;

	(void)state;
	for (uint64_t i = 0; i < TRACE_RECORDS; i++)
		trap(10000 + i, EC_HVC << 26);
	end = trace_count(0);
	assert_true(end > 2 * TRACE_RECORDS);
	for (uint32_t i = 0; i < TRACE_RECORDS; i++) {
		const struct trace_record *r = trace_at(0, end - TRACE_RECORDS + i);

		assert_int_equal(r->time, 10000 + TRACE_RECORDS / 2 + i / 2);
		assert_int_equal(r->what, i % 2 ? TRACE_ENTER : TRACE_TRAP);
	}
}

/* A store of the guest's to a register of slot `slot`, of a word out of register 3. */
static void store(uint32_t slot, uint32_t reg, uint32_t value, uint32_t hsr)
{
	struct regs regs = {.r = {[3] = value}};
	uint32_t at = MACHINE_VIRTIO_BASE + slot * MACHINE_VIRTIO_SIZE + reg;

	fake_machine.reg[SYSREG_hsr] = EC_DABT_GUEST << 26 | hsr | 2U << 22 | 3U << 16 | 6U;
	fake_machine.reg[SYSREG_hpfar] = at >> 12 << 4;
	fake_machine.reg[SYSREG_hdfar] = 0xf0000000U | (at & 0xfffU);
	fake_machine.reg[SYSREG_cntpct] = 20000;
	trace_exit_trap(&regs);
}

static void some_work(void)
{
	con.device.count.requests += 2;
	con.device.count.bytes += 300;
	con.device.count.interrupts++;
}

/* What the driver says, from the trap; what the device has done, at the end of the exit, once. */
static void virtio_devices(void **state)
{
	const uint32_t is_store = BIT(24) | BIT(6);

	(void)state;
	off();
	some_work(); /* not seen */
	bus.count = 1;
	bus.slot[0] = &con;
	shell_trace_on(0, NULL);
	in_exit = some_work;
	store(0, VIRTIO_QUEUE_NOTIFY, 1, is_store);
	in_exit = NULL;
	store(0, VIRTIO_STATUS, 0, is_store);
	store(0, VIRTIO_STATUS, 1, is_store);
	store(0, VIRTIO_QUEUE_NOTIFY, 1, BIT(24));   /* a load */
	store(0, VIRTIO_QUEUE_NOTIFY, 1, BIT(6));    /* without a syndrome */
	store(1, VIRTIO_QUEUE_NOTIFY, 1, is_store);  /* an empty slot */
	store(32, VIRTIO_QUEUE_NOTIFY, 1, is_store); /* behind the last */
	expect_dump((char[]){"18"}, "trace: hz 62500000\n"
				    "trace: 0 20000 virtio-kick a/1 0x1 con1\n"
				    "trace: 0 20000 virtio-done a/1 0x2 con1\n"
				    "trace: 0 20000 virtio-bytes a/1 0x12c con1\n"
				    "trace: 0 20000 virtio-irq a/1 0x1 con1\n"
				    "trace: 0 20000 enter a/1 0x0\n"
				    "trace: 0 20000 data-abort a/1 0x91830046\n"
				    "trace: 0 20000 virtio-reset a/1 0x0 con1\n"
				    "trace: 0 20000 enter a/1 0x0\n"
				    "trace: 0 20000 data-abort a/1 0x91830046\n"
				    "trace: 0 20000 enter a/1 0x0\n"
				    "trace: 0 20000 data-abort a/1 0x91830006\n"
				    "trace: 0 20000 enter a/1 0x0\n"
				    "trace: 0 20000 data-abort a/1 0x90830046\n"
				    "trace: 0 20000 enter a/1 0x0\n"
				    "trace: 0 20000 data-abort a/1 0x91830046\n"
				    "trace: 0 20000 enter a/1 0x0\n"
				    "trace: 0 20000 data-abort a/1 0x91830046\n"
				    "trace: 0 20000 enter a/1 0x0\n"
				    "trace: 1 4000 enter a/1 0x0\n");
	bus.count = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_memory),         cmocka_unit_test(all_cpus_follow), cmocka_unit_test(an_exit),
		cmocka_unit_test(an_exit_with_many), cmocka_unit_test(a_move),          cmocka_unit_test(off_is_off),
		cmocka_unit_test(the_ring_wraps),    cmocka_unit_test(virtio_devices),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
