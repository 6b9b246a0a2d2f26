/* SPDX-License-Identifier: BSD-2-Clause */
/* The shell's commands that only look. */
#include <string.h>

#include <arm/hypregs.h>

#include "hyp/console/blackbox.h"
#include "hyp/console/console.h"
#include "hyp/lib/bits.h"
#include "hyp/run/sched.h"
#include "hyp/console/shell_cmd.h"
#include "hyp/vdev/device.h"
#include "hyp/vm/vm.h"

/* Exits by reason: exception classes of HSR (DDI 0406C B3.13.6) that belong together. */
static const struct {
	const char *name;
	uint64_t classes;
} reasons[] = {
	{"WFI, WFE", BIT64(EC_WFI_WFE)},
	{"cp15", BIT64(EC_CP15_32) | BIT64(EC_CP15_64)},
	{"cp14", BIT64(EC_CP14_32) | BIT64(EC_CP14_LDC) | BIT64(EC_CP14_64)},
	{"VFP, NEON", BIT64(EC_HCPTR) | BIT64(EC_CP10_ID)},
	{"HVC", BIT64(EC_HVC)},
	{"SMC", BIT64(EC_SMC)},
	{"data abort", BIT64(EC_DABT_GUEST)},
	{"prefetch abort", BIT64(EC_PABT_GUEST)},
	{"other", ~(BIT64(EC_WFI_WFE) | BIT64(EC_CP15_32) | BIT64(EC_CP15_64) | BIT64(EC_CP14_32) | BIT64(EC_CP14_LDC) |
		    BIT64(EC_CP14_64) | BIT64(EC_HCPTR) | BIT64(EC_CP10_ID) | BIT64(EC_HVC) | BIT64(EC_SMC) |
		    BIT64(EC_DABT_GUEST) | BIT64(EC_PABT_GUEST))},
};

static uint32_t exits_of(const struct vcpu *v, uint64_t classes)
{
	uint32_t sum = 0;

	for (uint32_t ec = 0; ec < EC_COUNT; ec++)
		if (classes >> ec & 1U)
			sum += v->exits[ec];
	return sum;
}

static unsigned int ticks_to_ms(uint64_t ticks)
{
	return (unsigned int)(ticks * 1000U / timer_hz());
}

static void stat_line(struct vcpu *v)
{
	uint32_t traps = exits_of(v, ~UINT64_C(0));
	uint64_t ran, waited;

	sched_times(&v->thread, &ran, &waited);
	shell_printf("%-14s %4u %4u %10u %10u %10u %10u %10u\n", v->vm->config.name, (unsigned)v->index,
		     (unsigned)v->thread.cpu->head.id, (unsigned)v->irq_exits, (unsigned)traps,
		     (unsigned)v->vgic.injected, ticks_to_ms(ran), ticks_to_ms(waited));
}

static void stat_row(const struct vm *vm, const char *name, uint64_t classes)
{
	const struct vcpu *v;
	uint32_t any = 0;

	vm_for_each_vcpu(v, vm)
		any |= exits_of(v, classes);
	if (!any)
		return;
	shell_printf("%-16s", name);
	vm_for_each_vcpu(v, vm)
		shell_printf(" %10u", (unsigned)exits_of(v, classes));
	shell_printf("\n");
}

static void stat_vm(const struct vm *vm)
{
	const struct vcpu *v;

	shell_printf("%-16s", "exits");
	vm_for_each_vcpu(v, vm)
		shell_printf("    vCPU %2u", (unsigned)v->index);
	shell_printf("\n%-16s", "interrupts");
	vm_for_each_vcpu(v, vm)
		shell_printf(" %10u", (unsigned)v->irq_exits);
	shell_printf("\n");
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		stat_row(vm, reasons[i].name, reasons[i].classes);
	shell_printf("%-16s", "injected");
	vm_for_each_vcpu(v, vm)
		shell_printf(" %10u", (unsigned)v->vgic.injected);
	shell_printf("\n");
}

static void stat_devices(const struct vm *vm)
{
	bool any = false;

	for (const struct device *d = device_first(vm); d; d = d->next) {
		if (!d->counts)
			continue;
		if (!any)
			shell_printf("%-16s %10s %10s %10s %10s %10s\n", "device", "requests", "KiB", "kicks",
				     "interrupts", "errors");
		any = true;
		shell_printf("%-16.16s %10u %10u %10u %10u %10u\n", d->name, (unsigned)d->count.requests,
			     (unsigned)(d->count.bytes >> 10), (unsigned)d->count.kicks, (unsigned)d->count.interrupts,
			     (unsigned)d->count.errors);
	}
}

void shell_stat(uint32_t count, char **args)
{
	const struct vm *vm = count ? shell_find_vm(args[0]) : NULL;
	struct vcpu *v;
	struct vm *each;

	if (count) {
		if (vm) {
			stat_vm(vm);
			stat_devices(vm);
		}
		return;
	}
	shell_printf("%-14s %4s %4s %10s %10s %10s %10s %10s\n", "VM", "vCPU", "CPU", "interrupts", "traps", "injected",
		     "run ms", "steal ms");
	vm_for_each(each) vm_for_each_vcpu(v, each) stat_line(v);
}

void shell_cpu(uint32_t count, char **args)
{
	shell_printf("CPU  MPIDR     MIDR        vCPUs\n");
	for (uint32_t i = 0; i < CPU_MAX; i++) {
		const struct percpu *cpu = &percpu[i];

		if (cpu->online)
			shell_printf("%3u  0x%06x  0x%08x  %u\n", (unsigned)i, (unsigned)cpu->mpidr,
				     (unsigned)cpu->midr, (unsigned)cpu->assigned);
		else if (cpu->unfit)
			shell_printf("%3u  0x%06x  0x%08x  left out: %s\n", (unsigned)i, (unsigned)cpu->mpidr,
				     (unsigned)cpu->midr, cpu->unfit);
	}
}

/* A line of a VM's log is shown as on a screen that VMs share: its name in front, in plain text. */
struct log_view {
	const char *name; /* NULL: virt7's own, which is plain */
	struct plaintext plain;
	bool in_line;
};

static void show_log_byte(struct log_view *view, uint8_t c)
{
	char text[PLAINTEXT_MAX] = {(char)c};
	bool used = false;
	size_t len;

	while (!used) {
		len = plaintext_take(&view->plain, c, view->in_line, text, &used);
		if (len && !view->in_line && view->name)
			shell_printf("%s| ", view->name);
		if (len) {
			shell_write(text, (uint32_t)len);
			view->in_line = text[len - 1] != '\n';
		}
	}
}

/* What was there when it was asked for: a console that goes on printing is no reason not to end. */
void shell_log(uint32_t count, char **args)
{
	bool last_run = count && strcmp(args[0], "-l") == 0;
	const struct console_stream *stream = count && !last_run ? shell_find_console(args[0]) : NULL;
	struct log_view view = {.name = stream ? stream->name : NULL};
	uint32_t at = 0, end = console_log_end(stream);
	char part[128];
	size_t n;

	if (count && !last_run && !stream)
		return;
	while (!shell_interrupted() && (n = last_run ? blackbox_read(&at, part, sizeof(part))
						     : console_log_read(stream, &at, end, part, sizeof(part))) != 0)
		for (size_t i = 0; i < n; i++)
			show_log_byte(&view, (uint8_t)part[i]);
	if (view.in_line || view.plain.count)
		show_log_byte(&view, '\n');
}
