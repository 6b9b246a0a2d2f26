/* Messages: formatted by newlib, prefixed, written as one line. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hyp/console/console.h"
#include "hyp/lib/bits.h"
#include "hyp/console/log.h"
#include "hyp/run/option.h"
#include "hyp/run/timer.h"

#define BUDGET_LINES      16U /* a VM may cause this many lines at once */
#define BUDGET_PER_SECOND 2U

void log_line(enum log_level level, const char *fmt, ...)
{
	static const char *const prefix[] = {"virt7: error: ", "virt7: warning: ", "virt7: ", "virt7: debug: "};
	char line[LOG_LINE_MAX + 2];
	size_t len = strlen(prefix[level]);
	va_list ap;
	int n;

	memcpy(line, prefix[level], len);
	va_start(ap, fmt);
	n = vsniprintf(line + len, LOG_LINE_MAX - len, fmt, ap);
	va_end(ap);
	len += n < 0 ? 0 : MIN((size_t)n, LOG_LINE_MAX - len - 1);
	for (size_t i = 0; i < len; i++) /* names come from the bundle */
		if ((uint8_t)line[i] < ' ' || (uint8_t)line[i] > '~')
			line[i] = '?';
	line[len++] = '\n';
	if (level >= LOG_INFO && options.quiet && console_is_booting())
		console_keep(line, len);
	else
		console_write(line, len);
}

bool log_ratelimit(struct log_budget *budget)
{
	uint64_t now = timer_now(), refill = (now - budget->refilled) * BUDGET_PER_SECOND / timer_hz();

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
