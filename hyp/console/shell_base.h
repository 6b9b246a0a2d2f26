/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the shell is, for hyp/console/shell.c, which runs commands; what these may use of it is in shell_cmd.h. */
#ifndef HYP_CONSOLE_SHELL_BASE_H
#define HYP_CONSOLE_SHELL_BASE_H

#include <stdbool.h>
#include <stddef.h>

#include "hyp/console/console.h"

struct thread;

extern struct shell_base {
	struct thread *thread;
	struct console_stream stream;
	bool greeted;     /* it is open and has said so */
	const char *name; /* of the command that runs, or has run last, */
	const char *args; /* and what it takes, for people */
} shell;

/* The thread is there: it is woken by what is typed from now on. */
void shell_attach(void);

/* As shell_write(), with a carriage return in front of each line feed. */
void shell_write_lines(const char *text, size_t len);

#endif
