/* SPDX-License-Identifier: BSD-2-Clause */
/* See fake_console.h. */
#include <string.h>

#include "fake_console.h"
#include "hyp/lib/bits.h"

static uint8_t some_log[16];

struct fake_console fake_console = {.room = SIZE_MAX};

void fake_console_reset(void)
{
	fake_console = (struct fake_console){.room = SIZE_MAX, .streams = fake_console.streams};
}

int console_make(struct console_stream *stream, struct vm *vm, const char *name, struct console_stream *first)
{
	stream->vm = vm;
	stream->name = name;
	stream->log = some_log;
	stream->size = sizeof(some_log);
	first->more = stream;
	fake_console.streams++;
	return 0;
}

void console_free(struct console_stream *stream)
{
	fake_console.streams -= stream->log != NULL;
	stream->log = NULL;
}

uint32_t console_put(struct console_stream *stream, const uint8_t *bytes, uint32_t len)
{
	uint32_t n = (uint32_t)MIN((size_t)len, fake_console.room);

	stream->refused |= n < len;
	for (uint32_t i = 0; i < n; i++)
		if (fake_console.out_len + i < sizeof(fake_console.out))
			fake_console.out[fake_console.out_len + i] = bytes[i];
	fake_console.out_len += n;
	if (fake_console.room != SIZE_MAX)
		fake_console.room -= n;
	return n;
}

uint32_t console_get(struct console_stream *stream, uint8_t *bytes, uint32_t len)
{
	uint32_t n = (uint32_t)MIN((size_t)len, fake_console.typed_len);

	(void)stream;
	if (n == 0)
		return 0;
	memcpy(bytes, fake_console.typed, n);
	fake_console.typed += n;
	fake_console.typed_len -= n;
	return n;
}
