/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shell: its thread, the table of commands, completion. It runs on the CPU that takes the UART's interrupt, before
 * any vCPU there, so that no guest can lock the operator out; it blocks for every key and whenever the UART is behind,
 * so that it takes no time from guests to speak of.
 */
#include <errno.h>
#include <string.h>

#include "hyp/console/console.h"
#include "hyp/lib/bits.h"
#include "hyp/console/line.h"
#include "hyp/lib/option.h"
#include "hyp/run/sched.h"
#include "hyp/console/shell.h"
#include "hyp/console/shell_base.h"
#include "hyp/console/shell_cmd.h"
#include "hyp/run/thread.h"
#include "hyp/debug/trace.h"
#include "hyp/vm/vm.h"
#include "hyp/host/power.h"

enum takes { TAKES_NONE, TAKES_VM, TAKES_CONSOLE };

struct command {
	const char *name; /* one word, or two */
	const char *args; /* for help */
	uint8_t min, max; /* how many of them */
	enum takes takes; /* one of them, to be completed */
	void (*run)(uint32_t count, char **args);
	const char *help;
};

static struct line editor;

static void shell_help(uint32_t count, char **args);

static void leave_shell(uint32_t count, char **args)
{
	shell_leave(NULL);
}

static void shell_off(uint32_t count, char **args)
{
	log_info("the operator: power off");
	power_off();
	shell_printf("this host cannot be switched off by software\n");
}

static void shell_reboot(uint32_t count, char **args)
{
	power_reset();
	shell_printf("this host cannot be restarted by software\n");
}

/* Commands of two words that share the first stand together: completion relies on it. */
static const struct command commands[] = {
	{"vm list", "", 0, 0, TAKES_NONE, shell_vm_list, "the VMs and their state"},
	{"vm console", "[CONSOLE]", 0, 1, TAKES_CONSOLE, shell_vm_console,
	 "screen and keyboard to a VM, or to one of its consoles; without a name: all share the screen"},
	{"vm start", "VM", 1, 1, TAKES_VM, shell_vm_start, "start a VM that is off, created, crashed or restarting"},
	{"vm stop", "[-f] [-t SECONDS] VM", 1, 4, TAKES_VM, shell_vm_stop,
	 "ask the guest to switch off; -f: do not ask"},
	{"vm reset", "[-f] [-t SECONDS] VM", 1, 4, TAKES_VM, shell_vm_reset, "the same, and start it again"},
	{"vm pause", "VM", 1, 1, TAKES_VM, shell_vm_pause, "stop a VM's time"},
	{"vm resume", "VM", 1, 1, TAKES_VM, shell_vm_resume, "let a paused VM go on"},
	{"vm create", "VM", 1, 1, TAKES_NONE, shell_vm_create,
	 "make a VM of the bundle that does not exist, to be started"},
	{"vm destroy", "[-f] VM", 1, 2, TAKES_VM, shell_vm_destroy,
	 "take a VM that is off apart; -f: stop it first, unasked"},
	{"stat", "[VM]", 0, 1, TAKES_VM, shell_stat, "exits and interrupts; of one VM, by reason"},
	{"mem", "[VM]", 0, 1, TAKES_VM, shell_mem,
	 "memory of the host and of the VMs, and bad pages; where a VM's RAM is"},
	{"poison", "VM|host ADDRESS [sync|async]", 2, 3, TAKES_VM, shell_poison,
	 "declare 4 KiB of a VM's RAM, or of the host's, bad"},
	{"cpu", "", 0, 0, TAKES_NONE, shell_cpu, "the host's CPUs"},
	{"net capture", "SWITCH [BYTES]", 1, 2, TAKES_NONE, shell_net_capture,
	 "its frames, until Ctrl-C, for tools/console2pcap"},
	{"net", "", 0, 0, TAKES_NONE, shell_net, "virtual switches, their ports and frames"},
	{"flash save", "VM", 1, 1, TAKES_VM, shell_flash_save,
	 "print the variables in a VM's flash, for tools/flashvars"},
	{"log", "[-l|CONSOLE]", 0, 1, TAKES_CONSOLE, shell_log,
	 "the last output of a VM, of one of its consoles, or of virt7; -l: of virt7's last run"},
	{"trace on", "", 0, 0, TAKES_NONE, shell_trace_on, "record exits, injections and switches on all CPUs"},
	{"trace off", "", 0, 0, TAKES_NONE, shell_trace_off, "stop that"},
	{"trace dump", "[N]", 0, 1, TAKES_NONE, shell_trace_dump, "the last N records of each CPU (256)"},
	{"poweroff", "", 0, 0, TAKES_NONE, shell_off, "switch the host off, whatever runs"},
	{"reboot", "", 0, 0, TAKES_NONE, shell_reboot, "restart the host, whatever runs"},
	{"exit", "", 0, 0, TAKES_NONE, leave_shell, "back to where the escape key was pressed"},
	{"help", "[COMMAND]", 0, 2, TAKES_NONE, shell_help, "this list, or the lines of it that begin so"},
};

/* Of the VMs that run, from number `id` on; NULL: none of them does. */
static struct console_stream *first_from(uint32_t id)
{
	while (id < vm_count && !(vms[id] && vms[id]->state == VM_RUNNING))
		id++;
	return id < vm_count ? &vms[id]->console : NULL;
}

/* The escape key in an empty line: the next console, after the last VM's last one all, and so on. */
static void show_next(void)
{
	const struct console_stream *now = console_screen();
	struct console_stream *next;

	if (now && now->more && now->vm->state == VM_RUNNING)
		next = now->more;
	else
		next = first_from(now ? now->vm->id + 1U : 0);
	shell_write("\r\n", 2);
	if (next)
		shell_leave(next);
	else
		shell_share();
}

/* Is `name` (one or two words) what the words begin with? Returns how many words that is, 0: no. */
static uint32_t match_word(const char *name, uint32_t count, char **words)
{
	const char *space = strchr(name, ' ');

	if (!space)
		return count >= 1 && strcmp(words[0], name) == 0 ? 1 : 0;
	if (count < 2 || strlen(words[0]) != (size_t)(space - name) ||
	    strncmp(words[0], name, (size_t)(space - name)) != 0)
		return 0;
	return strcmp(words[1], space + 1) == 0 ? 2 : 0;
}

/* `help vm` is about all that begin with the word, `help vm stop` about one. */
static bool is_asked_for(const char *name, uint32_t count, char **words)
{
	size_t len = strcspn(name, " ");

	if (count == 1 && strlen(words[0]) == len && strncmp(words[0], name, len) == 0)
		return true;
	return count == 0 || match_word(name, count, words) == count;
}

static void shell_help(uint32_t count, char **args)
{
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!is_asked_for(commands[i].name, count, args))
			continue;
		any = true;
		shell_printf("%-10s %-20s %s\n", commands[i].name, commands[i].args, commands[i].help);
	}
	if (!any)
		shell_printf("no such command; `help` lists them\n");
}

static uint32_t split_words(char *text, char **words)
{
	uint32_t count = 0;

	while (*text) {
		if (*text == ' ') {
			*text++ = '\0';
			continue;
		}
		if (count == SHELL_ARGS_MAX)
			return count + 1U;
		words[count++] = text;
		text += strcspn(text, " ");
	}
	return count;
}

/* A word that begins commands of two, alone or with another: those are what was meant. */
static void say_unknown(uint32_t count, char **words)
{
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(commands) && count > 0; i++) {
		if (!strchr(commands[i].name, ' ') || !is_asked_for(commands[i].name, 1, words))
			continue;
		shell_printf("%s%s", any ? ", " : "no such command; there are ", commands[i].name);
		any = true;
	}
	shell_printf("%s\n", any ? "" : "no such command; `help` lists them");
}

static void run_line(char *text)
{
	char *words[SHELL_ARGS_MAX];
	uint32_t count = split_words(text, words);

	if (count == 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(commands) && count <= SHELL_ARGS_MAX; i++) {
		uint32_t used = match_word(commands[i].name, count, words);

		if (!used)
			continue;
		shell.name = commands[i].name;
		shell.args = commands[i].args;
		if (count - used < commands[i].min || count - used > commands[i].max)
			shell_usage();
		else
			commands[i].run(count - used, words + used);
		return;
	}
	say_unknown(count, words);
}

static void add_names(enum takes takes, void (*add)(void *context, const char *word), void *context)
{
	const struct console_stream *s;
	struct vm *vm;

	vm_for_each(vm) for (s = &vm->console; s; s = takes == TAKES_CONSOLE ? s->more : NULL) add(context, s->name);
}

/* `head`: the text up to its last word, a space included. Words of commands that begin so, or VMs where one is due. */
static void complete_word(const char *text, void (*add)(void *context, const char *word), void *context)
{
	const char *space = strrchr(text, ' ');
	size_t head = space ? (size_t)(space - text) + 1U : 0;
	char word[LINE_MAX], last[LINE_MAX] = "";

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		const char *name = commands[i].name;
		size_t len = strlen(name);

		if (head > len && commands[i].takes && strncmp(text, name, len) == 0 && text[len] == ' ')
			add_names(commands[i].takes, add, context);
		if (head > len || strncmp(text, name, head) != 0)
			continue;
		len = strcspn(name + head, " ");
		memcpy(word, name + head, len);
		word[len] = '\0';
		if (strcmp(word, last) != 0)
			add(context, word);
		memcpy(last, word, len + 1U);
	}
}

static void handle_key(char c)
{
	char text[LINE_MAX];

	if ((uint8_t)c == options.console_escape && editor.len == 0) {
		show_next();
		return;
	}
	switch (line_key(&editor, c)) {
	case LINE_DONE:
		memcpy(text, editor.text, sizeof(text));
		console_set_busy(true);
		run_line(text);
		if (console_set_busy(false))
			shell_printf("^C\n");
		break;
	case LINE_END:
		shell_write("\r\n", 2);
		leave_shell(0, NULL);
		break;
	case LINE_ABORT:
		break;
	default:
		return;
	}
	if (shell.greeted)
		line_begin(&editor);
}

static void __attribute__((noreturn)) shell_body(void *arg)
{
	int c;

	for (;;) {
		if (console_shell_is_open() && !shell.greeted) {
			shell.greeted = true;
			shell_printf("virt7 shell: `help` lists the commands, Ctrl-D goes back\n");
			line_begin(&editor);
		}
		if (console_take_disturbed() && shell.greeted)
			line_show(&editor);
		c = shell.greeted ? console_getc(&shell.stream) : -1;
		if (c >= 0)
			handle_key((char)c);
		else
			sched_block();
	}
}

int shell_start(void)
{
	editor = (struct line){.prompt = "virt7> ", .out = shell_write_lines, .complete = complete_word};
	shell.thread = thread_create(shell_body, NULL, SCHED_PRIORITY_OWN);
	if (!shell.thread)
		return -ENOMEM;
	shell_attach();
	return options.trace ? trace_switch(true) : 0;
}
