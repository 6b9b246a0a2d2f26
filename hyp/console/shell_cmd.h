/* SPDX-License-Identifier: BSD-2-Clause */
/* What the shell's commands share. They run in the shell's thread and may block it. */
#ifndef HYP_CONSOLE_SHELL_CMD_H
#define HYP_CONSOLE_SHELL_CMD_H

#include <stdbool.h>
#include <stdint.h>

struct console_stream;
struct vm;

#define SHELL_ARGS_MAX 6U

/* Print; waits for the UART, so a command's output needs no memory and no limit. '\n' ends a line. After Ctrl-C nothing
 * more comes out; long commands look at shell_interrupted() too. */
void shell_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void shell_write(const char *text, uint32_t len);
bool shell_interrupted(void);

/* Of the command that runs: its name, and the line that says what it takes. */
const char *shell_command_name(void);
void shell_usage(void);

/* Sleep; false: Ctrl-C ended it. */
bool shell_sleep_ms(uint32_t ms);

/* The VM called `name`; NULL: there is none. */
struct vm *shell_look_up_vm(const char *name);

/* The VM called `name`; NULL after one line that says that there is none. */
struct vm *shell_find_vm(const char *name);

/* A console, by its VM's name or by its own. NULL after one line that says that there is none. */
struct console_stream *shell_find_console(const char *name);

/* Leave the shell: the screen to `target`, or with NULL to whom it was before. */
void shell_leave(struct console_stream *target);

/* Leave the shell: the screen to all. */
void shell_share(void);

/* Commands; `args` are the words behind the command's name, `count` of them. */
void shell_vm_list(uint32_t count, char **args);
void shell_vm_start(uint32_t count, char **args);
void shell_vm_stop(uint32_t count, char **args);
void shell_vm_reset(uint32_t count, char **args);
void shell_vm_pause(uint32_t count, char **args);
void shell_vm_resume(uint32_t count, char **args);
void shell_vm_create(uint32_t count, char **args);
void shell_vm_destroy(uint32_t count, char **args);
void shell_vm_console(uint32_t count, char **args);
void shell_stat(uint32_t count, char **args);
void shell_mem(uint32_t count, char **args);
void shell_poison(uint32_t count, char **args);
void shell_cpu(uint32_t count, char **args);
void shell_net(uint32_t count, char **args);
void shell_net_capture(uint32_t count, char **args);
void shell_flash_save(uint32_t count, char **args);
void shell_log(uint32_t count, char **args);
void shell_trace_on(uint32_t count, char **args);
void shell_trace_off(uint32_t count, char **args);
void shell_trace_dump(uint32_t count, char **args);

#endif
