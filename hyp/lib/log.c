/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages: formatted by newlib, prefixed, written as one line. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <arm/spinlock.h>
#include <arm/sysreg.h>

#include "hyp/lib/bits.h"
#include "hyp/lib/log.h"

#define BUDGET_LINES      16U /* a VM may cause this many lines at once */
#define BUDGET_PER_SECOND 2U

static struct spinlock budgets_lock; /* nothing is taken inside */

static size_t format_text(char *text, size_t size, const char *fmt, va_list ap)
{
	int n = vsniprintf(text, size, fmt, ap);

	return n < 0 ? 0 : MIN((size_t)n, size - 1);
}

size_t log_format(char *text, size_t size, const char *fmt, ...)
{
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	len = format_text(text, size, fmt, ap);
	va_end(ap);
	return len;
}

static void log_write_line(enum log_level level, bool show, const char *fmt, va_list ap)
{
	static const char *const prefix[] = {"virt7: error: ", "virt7: warning: ", "virt7: ", "virt7: debug: "};
	char line[LOG_LINE_MAX + 2];
	size_t len = strlen(prefix[level]);

	memcpy(line, prefix[level], len);
	len += format_text(line + len, LOG_LINE_MAX - len, fmt, ap);
	for (size_t i = 0; i < len; i++) /* names come from the bundle */
		if ((uint8_t)line[i] < ' ' || (uint8_t)line[i] > '~')
			line[i] = '?';
	line[len++] = '\n';
	log_sink(level, show, line, len);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_write_line(level, true, fmt, ap);
	va_end(ap);
}

void log_keep(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_write_line(level, false, fmt, ap);
	va_end(ap);
}

/* Under budgets_lock. */
static bool take_line(struct log_budget *budget)
{
	uint64_t now = read_cntpct(), refill = (now - budget->refilled) * BUDGET_PER_SECOND / read_cntfrq();

	if (budget->refilled == 0) {
		budget->refilled = now;
		budget->tokens = BUDGET_LINES;
	} else if (refill > 0) {
		budget->refilled = now;
		budget->tokens = (uint32_t)MIN(budget->tokens + refill, BUDGET_LINES);
	}
	if (budget->tokens == 0) {
		budget->dropped++;
		return false;
	}
	budget->tokens--;
	return true;
}

/* CPUs of several VMs may speak of one, whose network they use. */
bool log_ratelimit(struct log_budget *budget)
{
	bool granted;

	spin_lock(&budgets_lock);
	granted = take_line(budget);
	spin_unlock(&budgets_lock);
	return granted;
}
