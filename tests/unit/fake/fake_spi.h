/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SPIs of the host's GIC under the host build (IHI 0048B 3.2.4, 4.3): enabled, pending, active, edge or level, for one
 * CPU each; and the handlers that irq_claim() gives them. What the architecture calls UNPREDICTABLE fails the test.
 */
#ifndef FAKE_SPI_H
#define FAKE_SPI_H

#include "hyp/run/irq.h"

#define FAKE_SPI_LINES 288U

struct fake_spi {
	bool enabled, edge, active, line, latch;
	bool fixed; /* `edge` cannot be changed */
	uint32_t target, fired;
	irq_fn fn;
	void *arg;
};

extern struct fake_spi fake_spi[FAKE_SPI_LINES];

void fake_spi_reset(void);

/* The device's output. */
void fake_spi_line(uint32_t id, bool level);

/* The CPU acknowledges the SPI; the handler is called, and what it says is done. */
void fake_spi_acknowledge(uint32_t id);
void fake_spi_handle(uint32_t id);

/* Each SPI that interrupts the CPU now is acknowledged and handled; true: there was one. */
bool fake_spi_take(uint32_t cpu);

#endif
