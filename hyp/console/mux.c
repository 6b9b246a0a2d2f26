/* SPDX-License-Identifier: BSD-2-Clause */
/* See mux.h. */
#include <string.h>

#include "hyp/console/mux.h"

static uint8_t own_log[OWN_LOG];

struct console_mux console;
struct console_stream console_own = {.log = own_log, .size = OWN_LOG};

char *mux_number(char text[MUX_NUMBER_MAX], uint32_t value)
{
	char digits[MUX_NUMBER_MAX], *p = digits + sizeof(digits) - 1;

	*p = '\0';
	do
		*--p = (char)('0' + value % 10U);
	while (value /= 10U);
	return strcpy(text, p);
}
