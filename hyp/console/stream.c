/* SPDX-License-Identifier: BSD-2-Clause */
/* A console's memory, and the consoles of a VM as a list; what goes through them is the multiplexer's. */
#include <errno.h>

#include "hyp/console/console.h"
#include "hyp/lib/option.h"
#include "mm/page.h"

#define LOG_SHARE 64U /* a log may take this part of what is left of the heap */

int console_make(struct console_stream *stream, struct vm *vm, const char *name, struct console_stream *first)
{
	uint32_t size = options.console_log * 1024U;

	while (size > PAGE_SIZE && size > page_available() / LOG_SHARE)
		size /= 2U;
	stream->vm = vm;
	stream->name = name;
	stream->size = size;
	stream->log = page_alloc(page_order(size));
	if (!stream->log)
		return -ENOMEM;
	while (first && first->more)
		first = first->more;
	if (first)
		first->more = stream;
	return 0;
}

void console_free(struct console_stream *stream)
{
	if (stream->log)
		page_free(stream->log, page_order(stream->size));
	stream->log = NULL;
}
