/* SPDX-License-Identifier: BSD-2-Clause */
/* See fake_lent.h. */
#include "fake_lent.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct fake_lent fake_lent;

int lent_start(void)
{
	return fake_lent.no_memory ? -ENOMEM : 0;
}

void lent_leave(struct lent *lent)
{
	assert_int_equal(lent->state, LENT_IDLE);
	lent->state = LENT_OUT;
	fake_lent.left++;
}

void lent_end(struct lent *lent)
{
	assert_int_equal(lent->state, LENT_OUT);
	lent->state = fake_lent.slow ? LENT_BACK : LENT_IDLE;
	fake_lent.ended++;
}

const char *lent_to(const struct vm *vm)
{
	(void)vm;
	return fake_lent.to;
}

uint64_t lent_keep(const struct vm *vm, const char **to)
{
	(void)vm;
	*to = NULL;
	return 0;
}

bool lent_is_kept(pa_t block)
{
	(void)block;
	return false;
}

void lent_settle(void)
{
	fail();
}
