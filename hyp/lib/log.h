/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virt7's own messages: one line a call, no newline in the format. Lines about a VM start "vm NAME: ". Never called on
 * behalf of a guest without a rate limit (log_ratelimit()).
 */
#ifndef HYP_LIB_LOG_H
#define HYP_LIB_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_ERR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Print one line at `level`; at most LOG_LINE_MAX characters, longer ones are cut. */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A line for the log only: it is not shown. */
void log_keep(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* As snprintf(), without floating point; returns the length of what has been written, cut or not. */
size_t log_format(char *text, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#define LOG_LINE_MAX 224U

#define log_err(...)   log_line(LOG_ERR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

/* Permission to print one line that a guest caused; the budget is that VM's and refills with time. */
struct log_budget {
	uint32_t tokens;
	uint32_t dropped;
	uint64_t refilled; /* CNTPCT of the last refill */
};

bool log_ratelimit(struct log_budget *budget);

/*
 * A hook, which the console fills in (hyp/console/own.c): a line of virt7's, `len` bytes with its line feed, goes into
 * the log and, if `show`, on the console. From any context.
 */
void log_sink(enum log_level level, bool show, const char *line, size_t len);

#endif
