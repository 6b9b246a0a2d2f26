/* SPDX-License-Identifier: BSD-2-Clause */
/* See fake_gich.h. Sections are IHI 0048B's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_gich.h"
#include "fake_machine.h"
#include "fake_spi.h"
#include "hyp/lib/bits.h"

#define MISR_EOI    BIT(0)
#define MISR_U      BIT(1)
#define MISR_LRENP  BIT(2)
#define MISR_NP     BIT(3)
#define MISR_VGRP0D BIT(5)
#define MISR_VGRP1D BIT(7)

#define EOI_COUNT_SHIFT 27U

struct fake_gich fake_gich[FAKE_GICH_CPUS];
volatile uint8_t *gic_gich, *gic_gicc;
bool gic_forgets_level;

static uint8_t registers[0x200]; /* only their addresses matter */
static struct fake_gich *bank;
static uint32_t lr_count;

static uint32_t lr_id(uint32_t value)
{
	return FIELD(value, 0, 10);
}

static uint32_t lr_priority(uint32_t value)
{
	return FIELD(value, 23, 5) << 3;
}

static bool lr_empty(uint32_t value)
{
	return (value & GICH_LR_STATE) == 0;
}

/* 5.3.6: ended, and wants to say so. */
static uint32_t eisr(const struct fake_gich *g)
{
	uint32_t value = 0;

	for (uint32_t i = 0; i < lr_count; i++)
		if (lr_empty(g->lr[i]) && !(g->lr[i] & GICH_LR_HW) && (g->lr[i] & GICH_LR_EOI))
			value |= BIT(i);
	return value;
}

/* 5.3.8: may be used; one whose EOI virt7 has not seen yet may not. */
static uint32_t elrsr(const struct fake_gich *g)
{
	uint32_t value = 0;

	for (uint32_t i = 0; i < lr_count; i++)
		if (lr_empty(g->lr[i]))
			value |= BIT(i);
	return value & ~eisr(g);
}

uint32_t fake_gich_misr(const struct fake_gich *g)
{
	uint32_t valid = 0, pending = 0;

	for (uint32_t i = 0; i < lr_count; i++) {
		valid += !lr_empty(g->lr[i]);
		pending += (g->lr[i] & GICH_LR_STATE) == GICH_LR_PENDING;
	}
	return (eisr(g) ? MISR_EOI : 0) | ((g->hcr & GICH_HCR_UIE) && valid <= 1 ? MISR_U : 0) |
	       ((g->hcr & GICH_HCR_LRENPIE) && g->hcr >> EOI_COUNT_SHIFT ? MISR_LRENP : 0) |
	       ((g->hcr & GICH_HCR_NPIE) && pending == 0 ? MISR_NP : 0) |
	       ((g->hcr & GICH_HCR_VGRP0DIE) && !(g->vmcr & 1U) ? MISR_VGRP0D : 0) |
	       ((g->hcr & GICH_HCR_VGRP1DIE) && !(g->vmcr & 2U) ? MISR_VGRP1D : 0);
}

bool fake_gich_maintenance(const struct fake_gich *g)
{
	return (g->hcr & GICH_HCR_EN) && fake_gich_misr(g);
}

static uint32_t read_register(const volatile void *addr, size_t size)
{
	uint32_t offset = (uint32_t)((const volatile uint8_t *)addr - gic_gich);

	assert_int_equal(size, 4);
	switch (offset) {
	case GICH_HCR:
		return bank->hcr;
	case GICH_VTR:
		return lr_count - 1U;
	case GICH_VMCR:
		return bank->vmcr;
	case GICH_MISR:
		return fake_gich_misr(bank);
	case GICH_EISR0:
		return eisr(bank);
	case GICH_ELRSR0:
		return elrsr(bank);
	case GICH_APR:
		return bank->apr;
	default:
		assert_in_range(offset, GICH_LR0, GICH_LR0 + 4U * lr_count - 1U);
		return bank->lr[(offset - GICH_LR0) / 4U];
	}
}

/* 5.2.3: one interrupt in two list registers is UNPREDICTABLE. */
static void check_twins(void)
{
	for (uint32_t i = 0; i < lr_count; i++)
		for (uint32_t j = 0; j < i; j++)
			if (!lr_empty(bank->lr[i]) && !lr_empty(bank->lr[j]) &&
			    lr_id(bank->lr[i]) == lr_id(bank->lr[j]))
				fail_msg("interrupt %u is in list registers %u and %u", (unsigned)lr_id(bank->lr[i]),
					 (unsigned)j, (unsigned)i);
}

static void write_register(volatile void *addr, size_t size, uint32_t value)
{
	uint32_t offset = (uint32_t)((volatile uint8_t *)addr - gic_gich);

	assert_int_equal(size, 4);
	switch (offset) {
	case GICH_HCR:
		bank->hcr = value;
		bank->hcr_writes++;
		break;
	case GICH_VMCR:
		bank->vmcr = value;
		break;
	case GICH_APR:
		bank->apr = value;
		break;
	default:
		assert_in_range(offset, GICH_LR0, GICH_LR0 + 4U * lr_count - 1U);
		assert_false(value & GICH_LR_HW && (value & GICH_LR_STATE) == GICH_LR_STATE); /* GICH_LRn.State */
		bank->lr[(offset - GICH_LR0) / 4U] = value;
		bank->lr_writes++;
		check_twins();
		break;
	}
}

void fake_gich_reset(uint32_t lrs)
{
	memset(fake_gich, 0, sizeof(fake_gich));
	gic_gich = registers;
	lr_count = lrs;
	bank = &fake_gich[0];
	fake_machine.io_read = read_register;
	fake_machine.io_write = write_register;
}

void fake_gich_select(uint32_t cpu)
{
	bank = &fake_gich[cpu];
}

void gic_send_sgi(uint32_t cpu, uint32_t sgi)
{
	fake_gich[cpu].sgis |= BIT(sgi);
}

uint32_t gic_list_registers(void)
{
	return lr_count;
}

void gic_set_active(uint32_t id, bool active)
{
	assert_in_range(id, 0, 31);
	bank->phys_active = active ? bank->phys_active | BIT(id) : bank->phys_active & ~BIT(id);
}

int fake_gich_best(const struct fake_gich *g)
{
	int best = -1;

	if (!(g->hcr & GICH_HCR_EN))
		return -1;
	for (uint32_t i = 0; i < lr_count; i++) {
		uint32_t value = g->lr[i];

		if ((value & GICH_LR_STATE) != GICH_LR_PENDING || !(g->vmcr & BIT(!!(value & GICH_LR_GROUP1))))
			continue;
		if (best < 0 || lr_priority(value) < lr_priority(g->lr[best]) ||
		    (lr_priority(value) == lr_priority(g->lr[best]) && lr_id(value) < lr_id(g->lr[best])))
			best = (int)i;
	}
	return best;
}

/* Five bits of group priority: what GICV_BPR resets to. */
uint32_t fake_gich_ack(struct fake_gich *g)
{
	int best = fake_gich_best(g);
	uint32_t value, running = g->apr ? lowest_bit(g->apr) << 3 : 0x100, mask = FIELD(g->vmcr, 27, 5) << 3;

	if (best < 0)
		return FAKE_GICH_SPURIOUS;
	value = g->lr[best];
	if (lr_priority(value) >= MIN(running, mask))
		return FAKE_GICH_SPURIOUS;
	g->lr[best] = (value & ~GICH_LR_PENDING) | GICH_LR_ACTIVE;
	g->apr |= BIT(lr_priority(value) >> 3);
	return lr_id(value) | (lr_id(value) < 16 ? value & 0x1c00U : 0);
}

/* Deactivating what is not active is UNPREDICTABLE, 4.4.5. */
static void end_physical(struct fake_gich *g, uint32_t id)
{
	if (id >= 32) {
		assert_true(fake_spi[id].active);
		fake_spi[id].active = false;
	} else {
		assert_true(g->phys_active & BIT(id));
		g->phys_active &= ~BIT(id);
	}
}

/* Deactivation; false: no list register holds it as active. */
static bool end_active(struct fake_gich *g, uint32_t iar)
{
	for (uint32_t i = 0; i < lr_count; i++) {
		uint32_t value = g->lr[i];

		if (!(value & GICH_LR_ACTIVE) || lr_id(value) != lr_id(iar) ||
		    (lr_id(iar) < 16 && (value & 0x1c00U) != (iar & 0x1c00U)))
			continue;
		g->lr[i] = value & ~GICH_LR_ACTIVE;
		if (value & GICH_LR_HW)
			end_physical(g, FIELD(value, 10, 10));
		return true;
	}
	return false;
}

void fake_gich_eoi(struct fake_gich *g, uint32_t iar)
{
	bool dropped = g->apr != 0;

	g->apr &= g->apr - 1U;
	if (g->vmcr & FAKE_VMCR_EOIMODE || end_active(g, iar) || !dropped)
		return;
	assert_true(g->hcr >> EOI_COUNT_SHIFT < 31);
	g->hcr += BIT(EOI_COUNT_SHIFT); /* 5.3.1: an EOI that clears a bit in GICH_APR and meets no list register */
}
