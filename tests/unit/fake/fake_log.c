/* SPDX-License-Identifier: BSD-2-Clause */
/* The log of unit tests: the last line of each level, and how many there were. Shown as well where V7_LOG is set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_format.h"
#include "fake_log.h"
#include "hyp/run/sched.h"

static struct {
	unsigned int count;
	char last[1024];
} lines[LOG_DEBUG + 1];
static char kept[1024];
static bool spent;
static unsigned int granted;

void log_line(enum log_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(lines[level].last, sizeof(lines[level].last), fmt, args);
	va_end(args);
	lines[level].count++;
	if (getenv("V7_LOG"))
		printf("log %d: %s\n", (int)level, lines[level].last);
}

void log_keep(enum log_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(kept, sizeof(kept), fmt, args);
	va_end(args);
	(void)level;
}

const char *fake_log_kept(void)
{
	return kept;
}

bool log_ratelimit(struct log_budget *budget)
{
	(void)budget;
	granted += !spent;
	return !spent;
}

unsigned int fake_log_granted(void)
{
	return granted;
}

void fake_log_set_budget(bool left)
{
	spent = !left;
}

void fake_log_reset(void)
{
	memset(lines, 0, sizeof(lines));
	memset(kept, 0, sizeof(kept));
	spent = false;
	granted = 0;
}

unsigned int fake_log_count(enum log_level level)
{
	return lines[level].count;
}

const char *fake_log_last(enum log_level level)
{
	return lines[level].last;
}

void fake_log_expect_error(const char *part)
{
	if (lines[LOG_ERR].count != 1 || !strstr(lines[LOG_ERR].last, part))
		fail_msg("%u error lines, the last: \"%s\"; expected one with \"%s\"", lines[LOG_ERR].count,
			 lines[LOG_ERR].last, part);
	if (strlen(lines[LOG_ERR].last) > LOG_LINE_MAX)
		fail_msg("longer than a log line: \"%s\"", lines[LOG_ERR].last);
}

/* Of what takes long, for tests that have no thread to let in. */
__attribute__((weak)) void sched_preempt(void)
{
}
