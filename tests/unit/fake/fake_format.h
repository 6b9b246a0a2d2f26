/* SPDX-License-Identifier: BSD-2-Clause */
/* log_format() of hyp/lib/log.h, by the host's vsnprintf(): for the file of a program that has the doubles of log.h. */
#ifndef FAKE_FORMAT_H
#define FAKE_FORMAT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "hyp/lib/log.h"

size_t log_format(char *text, size_t size, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, size, fmt, args);
	va_end(args);
	return (size_t)n < size ? (size_t)n : size - 1;
}

#endif
