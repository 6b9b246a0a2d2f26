/* SPDX-License-Identifier: BSD-2-Clause */
/* See fake_spi.h. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_spi.h"
#include "hyp/host/gic.h"

struct fake_spi fake_spi[FAKE_SPI_LINES];

static struct fake_spi *spi(uint32_t id)
{
	assert_in_range(id, 32, FAKE_SPI_LINES - 1);
	return &fake_spi[id];
}

void fake_spi_reset(void)
{
	memset(fake_spi, 0, sizeof(fake_spi));
}

int irq_claim(uint32_t id, irq_fn fn, void *arg)
{
	if (spi(id)->fn)
		return -EBUSY;
	spi(id)->fn = fn;
	spi(id)->arg = arg;
	return 0;
}

void irq_give_up(uint32_t id)
{
	assert_false(spi(id)->enabled);
	spi(id)->fn = NULL;
}

uint32_t gic_lines(void)
{
	return FAKE_SPI_LINES;
}

void gic_set_target(uint32_t id, uint32_t cpu)
{
	spi(id)->target = cpu;
}

void gic_enable(uint32_t id)
{
	spi(id)->enabled = true;
}

void gic_disable_spi(uint32_t id)
{
	spi(id)->enabled = false;
}

void gic_end_spi(uint32_t id)
{
	spi(id)->active = false;
}

bool gic_spi_is_pending(uint32_t id)
{
	return spi(id)->edge ? spi(id)->latch : spi(id)->line;
}

void gic_clear_pending_spi(uint32_t id)
{
	spi(id)->latch = false;
}

bool gic_set_edge(uint32_t id, bool edge)
{
	assert_false(spi(id)->enabled); /* 4.3.13 */
	if (!spi(id)->fixed)
		spi(id)->edge = edge;
	return spi(id)->edge;
}

void fake_spi_line(uint32_t id, bool level)
{
	spi(id)->latch |= spi(id)->edge && level && !spi(id)->line;
	spi(id)->line = level;
}

void fake_spi_acknowledge(uint32_t id)
{
	struct fake_spi *s = spi(id);

	assert_true(s->enabled && !s->active && gic_spi_is_pending(id));
	s->active = true;
	s->latch = false;
	s->fired++;
}

void fake_spi_handle(uint32_t id)
{
	assert_non_null(spi(id)->fn);
	if (spi(id)->fn(id, spi(id)->arg))
		gic_end_spi(id);
}

bool fake_spi_take(uint32_t cpu)
{
	bool taken = false;

	for (uint32_t id = 32; id < FAKE_SPI_LINES; id++) {
		const struct fake_spi *s = spi(id);

		if (!s->enabled || s->active || s->target != cpu || !gic_spi_is_pending(id))
			continue;
		fake_spi_acknowledge(id);
		fake_spi_handle(id);
		taken = true;
	}
	return taken;
}
