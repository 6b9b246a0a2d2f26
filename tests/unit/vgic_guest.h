/* SPDX-License-Identifier: BSD-2-Clause */
/* Short words for what a guest on the rig does. A TEST() starts with four vCPUs and four list registers. */
#ifndef VGIC_GUEST_H
#define VGIC_GUEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hyp/lib/bits.h"
#include "vgic_rig.h"

#define CTLR       0x000U
#define TYPER      0x004U
#define IIDR       0x008U
#define IGROUPR    0x080U
#define ISENABLER  0x100U
#define ICENABLER  0x180U
#define ISPENDR    0x200U
#define ICPENDR    0x280U
#define ISACTIVER  0x300U
#define ICACTIVER  0x380U
#define IPRIORITYR 0x400U
#define ITARGETSR  0x800U
#define ICFGR      0xc00U
#define SGIR       0xf00U
#define CPENDSGIR  0xf10U
#define SPENDSGIR  0xf20U

#define HCR_IDLE (GICH_HCR_EN | GICH_HCR_LRENPIE)
#define SPI      40U
#define SPURIOUS FAKE_GICH_SPURIOUS

static inline int setup(void **state)
{
	(void)state;
	rig_start(4, 4);
	return 0;
}

static inline void set_bit(uint32_t cpu, uint32_t reg, uint32_t id)
{
	rig_write(cpu, reg + id / 32 * 4, BIT(id % 32));
}

static inline bool get_bit(uint32_t cpu, uint32_t reg, uint32_t id)
{
	return rig_read(cpu, reg + id / 32 * 4) >> (id % 32) & 1U;
}

/* Enabled at `priority`, an SPI to vCPU `cpu`. */
static inline void open_irq(uint32_t cpu, uint32_t id, uint32_t priority)
{
	rig_write8(cpu, IPRIORITYR + id, priority);
	if (id >= 32)
		rig_write8(cpu, ITARGETSR + id, BIT(cpu));
	set_bit(cpu, ISENABLER, id);
	rig_settle();
}

static inline void make_edge(uint32_t id)
{
	rig_write(0, ICFGR + id / 16 * 4, rig_read(0, ICFGR + id / 16 * 4) | 2U << id % 16 * 2);
}

static inline void line(uint32_t cpu, uint32_t id, bool level)
{
	vgic_set_line(&rig.vm, cpu, id, level);
	rig_settle();
}

static inline void assert_taken(uint32_t cpu, uint32_t iar)
{
	assert_int_equal(rig_ack(cpu), iar);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

/* vCPU 0 has ended its timer's interrupt, sleeps, and is loaded: the list register of that is its own, and empty. */
static inline void sleep_behind_timer(void)
{
	open_irq(0, RIG_HW_ID, 0x80);
	rig.hw_line[0] = true;
	rig_settle();
	assert_taken(0, RIG_HW_ID);
	rig.hw_line[0] = false;
	rig_eoi(0, RIG_HW_ID);
	rig_on(0);
	this_cpu()->thread = NULL;
}

#endif
