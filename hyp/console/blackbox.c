/* SPDX-License-Identifier: BSD-2-Clause */
/* See blackbox.h. What is found in it may be anything: RAM after power-on, or another version's. */
#include <stdbool.h>
#include <string.h>

#include "hyp/console/blackbox.h"
#include "hyp/lib/log.h"
#include "hyp/lib/bits.h"
#include "mm/cache.h"

#define MAGIC_1    UINT32_C(0x56375242)
#define MAGIC_2    UINT32_C(0x31a5c3e7)
#define RUNNING    UINT32_C(0x72756e21)
#define PANIC      UINT32_C(0x70616e21)
#define ENDED      UINT32_C(0x656e6421)
#define TELL_LINES 5U  /* of a run that has not ended by a panic, */
#define TELL_PANIC 32U /* and of one that has */
#define TELL_LINE  200U

struct blackbox {
	uint32_t magic[2];
	uint32_t state;
	uint32_t head;     /* bytes ever written */
	uint32_t panic_at; /* where its lines begin */
	char text[BLACKBOX_BYTES];
};

/* In no section that the start fills or zeroes. */
static struct blackbox box __attribute__((section(".noinit"), aligned(64)));
static struct blackbox last; /* the last run's; magic 0: nothing is known of it */

static void keep_header(void)
{
	cache_clean(&box, offsetof(struct blackbox, text));
}

void blackbox_start(void)
{
	if (box.magic[0] == MAGIC_1 && box.magic[1] == MAGIC_2)
		memcpy(&last, &box, sizeof(last));
	box.magic[0] = MAGIC_1;
	box.magic[1] = MAGIC_2;
	box.state = RUNNING;
	box.head = box.panic_at = 0;
	keep_header();
}

static void blackbox_put(const char *text, size_t len)
{
	uint32_t at = box.head % BLACKBOX_BYTES;
	size_t first = MIN(len, (size_t)(BLACKBOX_BYTES - at));

	memcpy(&box.text[at], text, first);
	memcpy(box.text, text + first, len - first);
	cache_clean(&box.text[at], first);
	if (len > first)
		cache_clean(box.text, len - first);
}

void blackbox_line(const char *text, size_t len)
{
	if (len > BLACKBOX_BYTES)
		return;
	blackbox_put(text, len);
	box.head += (uint32_t)len;
	keep_header();
}

void blackbox_panic(void)
{
	if (box.state != RUNNING)
		return;
	box.state = PANIC;
	box.panic_at = box.head;
	keep_header();
}

void blackbox_end(void)
{
	if (box.state != RUNNING)
		return;
	box.state = ENDED;
	keep_header();
}

size_t blackbox_read(uint32_t *at, char *to, size_t len)
{
	size_t n = 0;

	if (last.head - *at > BLACKBOX_BYTES)
		*at = last.head - BLACKBOX_BYTES;
	while (last.magic[0] && n < len && *at != last.head)
		to[n++] = last.text[(*at)++ % BLACKBOX_BYTES];
	return n;
}

static char byte_at(uint32_t at)
{
	return last.text[at % BLACKBOX_BYTES];
}

/* Where the last `count` lines begin, but not before `start`. */
static uint32_t last_lines(uint32_t start, uint32_t count)
{
	uint32_t at = last.head;

	if (at - start > BLACKBOX_BYTES)
		start = at - MIN(at, BLACKBOX_BYTES);
	while (at != start && (byte_at(at - 1U) != '\n' || at == last.head || count-- > 1U))
		at--;
	return at;
}

static void tell_from(uint32_t at, uint32_t lines)
{
	char line[TELL_LINE];
	uint32_t n = 0;

	while (at != last.head && lines > 0) {
		char c = byte_at(at++);

		if (c != '\n' && n < sizeof(line) - 1U)
			line[n++] = c;
		if (c != '\n')
			continue;
		line[n] = '\0';
		log_warn("last run: %s", line);
		n = 0;
		lines--;
	}
}

void blackbox_tell(void)
{
	if (last.state == PANIC) {
		log_warn("the last run ended in a panic (\"log -l\" in the shell has all of its lines):");
		tell_from(last_lines(last.panic_at, BLACKBOX_BYTES), TELL_PANIC);
	} else if (last.state == RUNNING) {
		log_warn("the last run has not ended by itself: the machine was reset (\"log -l\" in the shell has its "
			 "lines); the last of them:");
		tell_from(last_lines(0, TELL_LINES), TELL_LINES);
	}
}
