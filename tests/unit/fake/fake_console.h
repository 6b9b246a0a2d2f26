/* SPDX-License-Identifier: BSD-2-Clause */
/* The console multiplexer as devices see it, for host unit tests: one console is typed on and looked at. */
#ifndef FAKE_CONSOLE_H
#define FAKE_CONSOLE_H

#include <stddef.h>
#include <stdint.h>

#include "hyp/console/console.h"

struct fake_console {
	const uint8_t *typed; /* what has not been read yet */
	size_t typed_len;
	size_t room; /* characters that are taken from now on */
	uint8_t out[4096];
	size_t out_len; /* counts on where `out` is full */
	uint32_t streams;
};

extern struct fake_console fake_console;

/* Nothing typed, and room without end; the streams stay. */
void fake_console_reset(void);

#endif
