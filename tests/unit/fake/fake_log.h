/* SPDX-License-Identifier: BSD-2-Clause */
/* The log, kept for the test to look at. fake_log_reset() forgets it; counts are by level. */
#ifndef FAKE_LOG_H
#define FAKE_LOG_H

#include "hyp/lib/log.h"

void fake_log_reset(void);
unsigned int fake_log_count(enum log_level level);

/* The last line of a level; "" where there is none. Valid until the next line. */
const char *fake_log_last(enum log_level level);

/* The last line that is only kept in the log; "" where there is none. */
const char *fake_log_kept(void);

/* Whether guests may still have lines logged, which they may at first: log_ratelimit()'s answer. */
void fake_log_set_budget(bool left);

/* How often it was yes. */
unsigned int fake_log_granted(void);

/* Fails the test unless exactly one error line was logged, and `part` is in it. */
void fake_log_expect_error(const char *part);

#endif
