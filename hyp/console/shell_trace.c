/* SPDX-License-Identifier: BSD-2-Clause */
/* The shell's trace command. tools/trace2json reads what `trace dump` prints. */
#include <arm/hypregs.h>

#include "hyp/console/console.h"
#include "hyp/lib/bits.h"
#include "hyp/console/shell_cmd.h"
#include "hyp/debug/trace.h"
#include "hyp/virtio/bus.h"
#include "hyp/vm/vm.h"

#define DUMP_DEFAULT 256U

static void switch_trace(bool on)
{
	if (trace_switch(on))
		shell_printf("virt7's heap is too small for a trace (64 KiB a CPU)\n");
	while (!trace_settled() && shell_sleep_ms(1))
		;
}

void shell_trace_on(uint32_t count, char **args)
{
	switch_trace(true);
}

void shell_trace_off(uint32_t count, char **args)
{
	switch_trace(false);
}

/* By exception class of HSR, DDI 0406C B3.13.6. */
static const char *trap_name(uint32_t hsr)
{
	static const char *const names[EC_COUNT] = {
		[EC_WFI_WFE] = "wfx",
		[EC_CP15_32] = "cp15",
		[EC_CP15_64] = "cp15-64",
		[EC_CP14_32] = "cp14",
		[EC_CP14_LDC] = "cp14-ldc",
		[EC_CP14_64] = "cp14-64",
		[EC_HCPTR] = "vfp",
		[EC_CP10_ID] = "vfp-id",
		[EC_HVC] = "hvc",
		[EC_SMC] = "smc",
		[EC_PABT_GUEST] = "prefetch-abort",
		[EC_DABT_GUEST] = "data-abort",
	};
	const char *name = names[HSR_EC(hsr)];

	return name ? name : "other";
}

/* Of records of a virtio device, which stand behind its VM; another VM may have that VM's number by now. */
static const char *device_name(const struct vm *vm, const struct trace_record *r)
{
	if (r->what < TRACE_VIRTIO_KICK)
		return "";
	return vm && r->device < vm->virtio->count ? vm->virtio->slot[r->device]->device.name : "destroyed";
}

static void print_record(uint32_t cpu, const struct trace_record *r)
{
	static const char *const names[] = {
		[TRACE_IRQ] = "irq",
		[TRACE_ENTER] = "enter",
		[TRACE_INJECT] = "inject",
		[TRACE_VIRTIO_KICK] = "virtio-kick",
		[TRACE_VIRTIO_RESET] = "virtio-reset",
		[TRACE_VIRTIO_DONE] = "virtio-done",
		[TRACE_VIRTIO_BYTES] = "virtio-bytes",
		[TRACE_VIRTIO_IRQ] = "virtio-irq",
	};

	const struct vm *vm = vms[r->vm]; /* or the one that has its id now */
	const char *device = device_name(vm, r);

	shell_printf("trace: %u %llu %s %s/%u 0x%x%s%.31s\n", (unsigned)cpu, (unsigned long long)r->time,
		     r->what == TRACE_TRAP ? trap_name(r->data) : names[r->what], vm ? vm->config.name : "destroyed",
		     (unsigned)r->vcpu, (unsigned)r->data, *device ? " " : "", device);
}

static void dump_cpu(uint32_t cpu, uint32_t most)
{
	uint32_t end = trace_count(cpu), n = MIN(MIN(end, TRACE_RECORDS), most);

	for (uint32_t i = end - n; i != end && !shell_interrupted(); i++)
		print_record(cpu, trace_at(cpu, i));
}

static uint32_t parse_count(const char *text)
{
	uint32_t n = 0;

	for (; *text >= '0' && *text <= '9' && n <= TRACE_RECORDS; text++)
		n = n * 10U + (uint32_t)(*text - '0');
	return *text ? 0 : n;
}

/* The trace stands still while it is printed. */
void shell_trace_dump(uint32_t count, char **args)
{
	uint32_t most = count ? parse_count(args[0]) : DUMP_DEFAULT;
	bool on = trace_is_on();

	if (most == 0 || most > TRACE_RECORDS) {
		shell_printf("%s: expects how many records of each CPU, 1 to %u\n", args[0], TRACE_RECORDS);
		return;
	}
	switch_trace(false);
	shell_printf("trace: hz %u\n", (unsigned)timer_hz());
	for (uint32_t cpu = 0; cpu < CPU_MAX; cpu++)
		dump_cpu(cpu, most);
	if (on)
		switch_trace(true);
}
