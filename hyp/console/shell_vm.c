/* SPDX-License-Identifier: BSD-2-Clause */
/* The shell's commands that act on VMs. */
#include <errno.h>
#include <string.h>

#include "hyp/console/console.h"
#include "hyp/lib/bits.h"
#include "hyp/console/shell_cmd.h"
#include "hyp/vdev/passthrough.h"
#include "hyp/vdev/vpl061.h"
#include "hyp/vm/assemble.h"
#include "hyp/vm/crash.h"
#include "hyp/vm/vm.h"
#include "hyp/vm/vmctl.h"

#define SETTLE_MS   10U /* between two looks */
#define ASK_SECONDS 30U

static uint32_t vcpus_on(const struct vm *vm)
{
	const struct vcpu *v;
	uint32_t on = 0;

	vm_for_each_vcpu(v, vm)
		on += v->power != VCPU_OFF;
	return on;
}

/* The row below a VM that has crashed since an operator has started it. */
static void list_crash(const struct vm *vm)
{
	char text[CRASH_TEXT_MAX];

	if (crash_describe(vm, text))
		shell_printf("  %s; %llu s ago\n", text,
			     (unsigned long long)((timer_now() - vm->crash.at) / timer_hz()));
}

/* Devices of the host that it has. */
static void list_passthrough(const struct vm *vm)
{
	const struct passthrough *p = passthrough_of(vm);

	for (uint32_t i = 0; i < p->count; i++)
		shell_printf("  passthrough %s%s\n", p->claim[i].dev.path,
			     p->claim[i].dev.master ? ", trusted-dma" : "");
	if (p->rest)
		shell_printf("  passthrough rest, trusted-dma\n");
}

static const char *has_screen(const struct console_stream *s)
{
	return console_screen() == s ? "screen, " : "";
}

static const char *has_keyboard(const struct console_stream *s)
{
	return console_keyboard() == s ? "keyboard" : "";
}

void shell_vm_list(uint32_t count, char **args)
{
	const struct console_stream *s;
	const struct vm *vm;

	shell_printf("%-20s %-12s %6s %12s  %s\n", "VM", "state", "vCPUs", "memory", "console");
	vm_for_each(vm)
	{
		shell_printf("%-20s %-12s %2u of %u %8llu MiB  %s%s\n", vm->config.name, vmctl_state_name(vm),
			     vm->state == VM_RUNNING ? (unsigned)vcpus_on(vm) : 0, (unsigned)vm->vcpu_count,
			     (unsigned long long)(vm->config.ram_size >> 20), has_screen(&vm->console),
			     has_keyboard(&vm->console));
		for (s = vm->console.more; s; s = s->more)
			shell_printf("  %-52s  %s%s\n", s->name, has_screen(s), has_keyboard(s));
		list_passthrough(vm);
		list_crash(vm);
	}
}

void shell_vm_console(uint32_t count, char **args)
{
	struct console_stream *stream = count ? shell_find_console(args[0]) : NULL;

	if (count == 0)
		shell_share();
	else if (stream)
		shell_leave(stream);
}

/* The change that has been asked for is made by the VM's own vCPUs: wait for it, or for Ctrl-C. */
static void print_outcome(const struct vm *vm, int ret)
{
	if (ret == -EBUSY && vm->request == VM_REQUEST_RESTART)
		shell_printf("vm %s: it is restarting after a crash; `vm start` does so at once, `vm stop` ends it\n",
			     vm->config.name);
	else if (ret == -EINVAL || ret == -EBUSY)
		shell_printf("vm %s: it is %s\n", vm->config.name, vmctl_state_name(vm)); /* the rest vmctl has said */
	while (!ret && vm->state == VM_STOPPING && shell_sleep_ms(SETTLE_MS))
		;
}

static void command_vm(const char *name, int (*act)(struct vm *vm))
{
	struct vm *vm = shell_find_vm(name);

	if (vm)
		print_outcome(vm, act(vm));
}

void shell_vm_start(uint32_t count, char **args)
{
	command_vm(args[0], vmctl_start);
}

void shell_vm_pause(uint32_t count, char **args)
{
	command_vm(args[0], vmctl_pause);
}

void shell_vm_resume(uint32_t count, char **args)
{
	command_vm(args[0], vmctl_resume);
}

/* "[-f] [-t SECONDS] VM" */
struct order {
	struct vm *vm;
	bool force;
	uint32_t seconds; /* wait so long for the guest, then force; 0: ASK_SECONDS, and do not force */
};

static bool parse_seconds(const char *text, uint32_t *seconds)
{
	*seconds = 0;
	for (; *text >= '0' && *text <= '9' && *seconds < 10000U; text++)
		*seconds = *seconds * 10U + (uint32_t)(*text - '0');
	return *text == '\0' && *seconds > 0;
}

/* What is wrong with `word`, the first of `count` that are no order; and what would be one. */
static void say_order(uint32_t count, const char *word)
{
	const char *name = shell_command_name();

	if (strcmp(word, "-t") == 0)
		shell_printf("%s: -t takes SECONDS, a number from 1 on, and then the VM\n", name);
	else if (word[0] == '-' && strcmp(word, "-f") != 0)
		shell_printf("%s: no option %s\n", name, word);
	else if (count > 1)
		shell_printf("%s: one VM, and options before it\n", name);
	else
		shell_printf("%s: which VM?\n", name);
}

static bool parse_order(uint32_t count, char **args, struct order *order)
{
	*order = (struct order){0};
	for (; count > 0 && args[0][0] == '-'; count--, args++) {
		if (strcmp(args[0], "-f") == 0) {
			order->force = true;
		} else if (count > 1 && strcmp(args[0], "-t") == 0 && parse_seconds(args[1], &order->seconds)) {
			count--;
			args++;
		} else {
			break;
		}
	}
	if (count != 1 || args[0][0] == '-') {
		say_order(count, count ? args[0] : "");
		shell_usage();
		return false;
	}
	order->vm = shell_find_vm(args[0]);
	return order->vm != NULL;
}

/* Press the power key and wait until the guest has switched itself off. False: it has not, which was said. */
static bool ask_operator(const struct order *order)
{
	struct vm *vm = order->vm;
	uint32_t seconds = order->seconds ? order->seconds : ASK_SECONDS;

	shell_printf("vm %s: power key pressed; waiting up to %u s for the guest\n", vm->config.name,
		     (unsigned)seconds);
	vmctl_expect_off(vm);
	vpl061_press_power(vm);
	for (uint32_t ms = 0; ms < seconds * 1000U; ms += SETTLE_MS) {
		if (vm->state != VM_RUNNING && vm->state != VM_STOPPING)
			return true;
		if (!shell_sleep_ms(SETTLE_MS))
			return false;
	}
	if (order->seconds == 0)
		shell_printf("vm %s: still running; with -f it is not asked\n", vm->config.name);
	return false;
}

/* Whether `act` is to be done now: by force, or because the guest cannot be asked, or did not obey in time. */
static bool operator_agreed(const struct order *order)
{
	struct vm *vm = order->vm;

	if (order->force || vm->state != VM_RUNNING)
		return true;
	if (!vpl061_listens(vm)) {
		shell_printf("vm %s: the guest does not listen to its power key\n", vm->config.name);
		return true;
	}
	return !ask_operator(order) && order->seconds && !shell_interrupted();
}

void shell_vm_stop(uint32_t count, char **args)
{
	struct order order;

	if (parse_order(count, args, &order) && operator_agreed(&order))
		print_outcome(order.vm, vmctl_stop(order.vm));
}

/* A guest that has obeyed is off, and started again. */
void shell_vm_reset(uint32_t count, char **args)
{
	struct order order;

	if (!parse_order(count, args, &order))
		return;
	if (order.vm->state == VM_PAUSED || operator_agreed(&order))
		print_outcome(order.vm, vmctl_reset(order.vm));
	else if (order.vm->state == VM_OFF)
		print_outcome(order.vm, vmctl_start(order.vm));
}

void shell_vm_create(uint32_t count, char **args)
{
	const struct vm *vm = shell_look_up_vm(args[0]);

	if (vm)
		shell_printf("vm %s: it is %s\n", vm->config.name, vmctl_state_name(vm));
	else if (vm_create(args[0]) == -ENOENT)
		shell_printf("the bundle has no VM that is called %s\n", args[0]);
}

/* Only what is off, or never began, can be taken apart. */
void shell_vm_destroy(uint32_t count, char **args)
{
	bool force = count == 2 && strcmp(args[0], "-f") == 0;
	struct vm *vm;

	if ((count == 2 && !force) || args[count - 1U][0] == '-') {
		shell_usage();
		return;
	}
	vm = shell_find_vm(args[count - 1U]);
	if (!vm)
		return;
	if (force && (BIT(vm->state) & (BIT(VM_RUNNING) | BIT(VM_PAUSED) | BIT(VM_STOPPING))))
		print_outcome(vm, vmctl_stop(vm));
	if (vm_destroy(vm))
		shell_printf("vm %s: it is %s; `vm stop` it first\n", vm->config.name, vmctl_state_name(vm));
}
