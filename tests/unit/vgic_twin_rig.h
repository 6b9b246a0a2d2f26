/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of twins share: an SPI of a VM that is the host's, whose line goes up and down. */
#ifndef TESTS_UNIT_VGIC_TWIN_RIG_H
#define TESTS_UNIT_VGIC_TWIN_RIG_H

#include <errno.h>
#include <string.h>

#include "vgic/internal.h"
#include "vgic_guest.h"

#define HOST       34U
#define OTHER_HOST 35U

static struct fake_spi *const host = &fake_spi[HOST];

static inline void forward(enum vgic_trigger trigger)
{
	assert_int_equal(vgic_forward(&rig.vm, SPI, HOST, trigger), 0);
}

static inline void host_line(bool level)
{
	fake_spi_line(HOST, level);
	rig_settle();
}

/* Its line goes up, and vCPU `cpu` takes it; the line falls, and that is the end of it. */
static inline void fire(uint32_t cpu)
{
	host_line(true);
	assert_taken(cpu, SPI);
}

static inline void end(uint32_t cpu)
{
	host_line(false);
	rig_eoi(cpu, SPI);
	assert_false(host->active);
}

/* It comes to a CPU that its vCPU has left, and its line falls at once. */
static inline void fire_elsewhere(void)
{
	fake_spi_line(HOST, true);
	fake_spi_acknowledge(HOST);
	rig_on(0);
	fake_spi_handle(HOST);
	host->line = false;
}

/* Nothing of it is left in the host's GIC. */
static inline void assert_silent(void)
{
	assert_false(host->enabled);
	assert_false(host->active);
	assert_false(host->latch);
}

static inline void start_level(uint32_t cpu)
{
	forward(VGIC_LEVEL);
	open_irq(cpu, SPI, 0x80);
}

static inline bool nothing(uint32_t id, void *arg)
{
	(void)id, (void)arg;
	return true;
}

#endif
