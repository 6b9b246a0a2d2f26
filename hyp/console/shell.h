/* SPDX-License-Identifier: BSD-2-Clause */
/* The operator's shell on the console: a HYP thread that sleeps until the escape key is pressed. */
#ifndef HYP_CONSOLE_SHELL_H
#define HYP_CONSOLE_SHELL_H

/* Make the shell's thread on this CPU, the one that takes the UART's interrupt. 0 or -ENOMEM. */
int shell_start(void);

#endif
