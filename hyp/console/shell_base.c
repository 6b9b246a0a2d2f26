/* SPDX-License-Identifier: BSD-2-Clause */
/* See shell_base.h and shell_cmd.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hyp/console/shell_base.h"
#include "hyp/console/shell_cmd.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/option.h"
#include "hyp/run/sched.h"
#include "hyp/run/timer.h"
#include "hyp/vm/vm.h"

#define OUTPUT_SIZE 1024U /* a power of two */

static uint8_t output[OUTPUT_SIZE];
static struct timer alarm;

struct shell_base shell = {.stream = {.log = output, .size = OUTPUT_SIZE}};

bool shell_interrupted(void)
{
	return console_interrupted();
}

void shell_write(const char *text, uint32_t len)
{
	while (len > 0 && !shell_interrupted()) {
		uint32_t n = console_put(&shell.stream, (const uint8_t *)text, len);

		if (n == 0)
			sched_block();
		text += n;
		len -= n;
	}
}

void shell_write_lines(const char *text, size_t len)
{
	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t line = end ? (size_t)(end - text) : len;

		shell_write(text, (uint32_t)line);
		if (end)
			shell_write("\r\n", 2);
		line += end != NULL;
		text += line;
		len -= line;
	}
}

void shell_printf(const char *fmt, ...)
{
	char text[192];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsniprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > 0)
		shell_write_lines(text, MIN((size_t)n, sizeof(text) - 1U));
}

static void shell_wake(struct timer *timer)
{
	sched_wake(shell.thread);
}

bool shell_sleep_ms(uint32_t ms)
{
	uint64_t end = timer_now() + (uint64_t)timer_hz() * ms / 1000U;

	while (timer_now() < end && !shell_interrupted()) {
		timer_arm(&alarm, end);
		sched_block();
	}
	timer_cancel(&alarm);
	return !shell_interrupted();
}

struct vm *shell_look_up_vm(const char *name)
{
	struct vm *vm;

	vm_for_each(vm) if (strcmp(vm->config.name, name) == 0) return vm;
	return NULL;
}

static void say_no_vm(const char *name)
{
	shell_printf("no VM is called %s; `vm list` shows their names\n", name);
}

struct vm *shell_find_vm(const char *name)
{
	struct vm *vm = shell_look_up_vm(name);

	if (!vm)
		say_no_vm(name);
	return vm;
}

static struct console_stream *look_up_console(const char *name)
{
	struct console_stream *s;
	struct vm *vm;

	vm_for_each(vm) for (s = &vm->console; s; s = s->more) if (strcmp(s->name, name) == 0) return s;
	return NULL;
}

struct console_stream *shell_find_console(const char *name)
{
	struct console_stream *found = look_up_console(name);

	if (!found)
		say_no_vm(name);
	return found;
}

/* Who leaves when nothing runs has nowhere to go. */
void shell_leave(struct console_stream *target)
{
	struct console_stream *to = target ? target : console_screen();
	bool running = false;
	struct vm *other;

	vm_for_each(other) running |= BIT(other->state) & (BIT(VM_RUNNING) | BIT(VM_STOPPING) | BIT(VM_PAUSED));
	if (!running) {
		shell_printf("no VM is running: `vm start` one, or `poweroff`\n");
		return;
	}
	if (to) {
		shell_printf("[%s]\n", to->name);
		shell.greeted = false;
		console_show(to);
	} else {
		shell_share();
	}
}

void shell_share(void)
{
	if (!console_keyboard()) {
		shell_printf("there is no VM: `vm create` one, or `poweroff`\n");
		return;
	}
	shell_printf("[all VMs; keyboard: %s]\n", console_keyboard()->name);
	shell.greeted = false;
	console_show(NULL);
}

const char *shell_command_name(void)
{
	return shell.name;
}

void shell_usage(void)
{
	shell_printf("usage: %s %s\n", shell.name, shell.args);
}

static void stream_event(struct console_stream *of)
{
	sched_wake(shell.thread);
}

void shell_attach(void)
{
	alarm.expired = shell_wake;
	shell.stream.input_ready = shell.stream.room = stream_event;
	console_attach_shell(&shell.stream, (uint8_t)options.console_escape);
}
