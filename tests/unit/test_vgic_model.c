/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vGIC against a model of IHI 0048B: random guest and device activity on several vCPUs, some of which are loaded
 * nowhere now and then. After every step each CPU's list registers must offer what the model says that CPU may take
 * next: nothing lost, doubled, stale, or behind something less urgent. 100,000 steps; a million with SOAK in the
 * environment. SEED repeats a run.
 */
#include "vgic_model.h"

/* --- steps -----------------------------------------------------------------------------------------------------------
 */

static uint32_t last_id; /* for the trace */

static uint32_t any_id(void)
{
	return last_id = ids[rnd(ARRAY_SIZE(ids))];
}

static uint32_t any_spi(void)
{
	uint32_t id;

	do
		id = any_id();
	while (id < 32);
	return id;
}

static bool waiting; /* a CPU waits for another */

/*
 * No CPU hears that the twin's line falls until a guest looks. An edge before the last one's end comes as an interrupt
 * of its own.
 */
static bool set_twin_line(struct model_irq *irq, bool level)
{
	uint32_t cpu = 0;

	while (cpu < m.cpus && !percpu[cpu].loaded)
		cpu++;
	if (cpu == m.cpus || (irq->edge && level && fake_spi[HOST].active) || waiting)
		return false;
	fake_spi_line(HOST, level);
	if (rnd(2) && fake_spi[HOST].enabled && !fake_spi[HOST].active && gic_spi_is_pending(HOST)) {
		fake_spi_acknowledge(HOST);
		rig_on(rnd(m.cpus)); /* the one that its vCPU has just left, maybe */
		fake_spi_handle(HOST);
	}
	rig_read(cpu, 0x200 + TWIN / 32 * 4);
	return true;
}

static void set_line(uint32_t cpu, uint32_t id)
{
	bool level = rnd(2);
	struct model_irq *irq = irq_of(cpu, id);

	if (id < 16 || id == RIG_HW_ID || (id == TWIN && !set_twin_line(irq, level)))
		return;
	if (level && !irq->line && irq->edge)
		irq->latch = true;
	irq->line = level;
	if (id == TWIN)
		return;
	rig_on(rnd(m.cpus)); /* a device's interrupt comes to any CPU */
	vgic_set_line(&rig.vm, cpu, id, level);
}

static void step_line(uint32_t cpu)
{
	set_line(cpu, any_id());
}

static void step_host_line(uint32_t cpu)
{
	set_line(cpu, last_id = TWIN);
}

/* The timer's line falls where a guest makes it fall: in its handler, or while the interrupt cannot be taken. */
static void step_timer(uint32_t cpu)
{
	struct model_irq *irq = irq_of(cpu, RIG_HW_ID);

	if (!irq->line)
		irq->line = true;
	else if (!candidate(cpu, RIG_HW_ID))
		irq->line = false;
	rig.hw_line[cpu] = irq->line;
}

static void step_enable(uint32_t cpu)
{
	uint32_t id = any_id();
	bool on = rnd(3);

	rig_write(cpu, (on ? 0x100U : 0x180U) + id / 32 * 4, BIT(id % 32));
	irq_of(cpu, id)->enabled = on || id < 16;
}

static void step_priority(uint32_t cpu)
{
	uint32_t id = any_id(), value = rnd(0xf8); /* 0xf8 is below every priority mask */

	rig_write8(cpu, 0x400 + id, value);
	irq_of(cpu, id)->priority = value & 0xf8U;
}

static void step_target(uint32_t cpu)
{
	uint32_t id = any_spi(), value = rnd(256);

	rig_write8(cpu, 0x800 + id, value);
	irq_of(cpu, id)->targets = (uint8_t)(value & (BIT(m.cpus) - 1U));
}

static void step_sgi(uint32_t cpu)
{
	uint32_t id = rnd(4) ? rnd(3) : 15, filter = rnd(4), list = rnd(256), to;

	to = filter == 0 ? list : filter == 1 ? ~BIT(cpu) : filter == 2 ? BIT(cpu) : 0;
	rig_write(cpu, 0xf00, filter << 24 | list << 16 | id);
	for (uint32_t c = 0; c < m.cpus; c++)
		if (to & BIT(c))
			m.cpu[c].irq[id].sources |= (uint8_t)BIT(cpu);
}

static void step_sgi_bytes(uint32_t cpu)
{
	uint32_t id = rnd(4) ? rnd(3) : 15, mask = rnd(256);
	struct model_irq *irq = irq_of(cpu, id);

	if (rnd(2)) {
		rig_write8(cpu, 0xf20 + id, mask);
		irq->sources |= (uint8_t)(mask & (BIT(m.cpus) - 1U));
	} else {
		rig_write8(cpu, 0xf10 + id, mask);
		irq->sources &= (uint8_t)~mask;
	}
	assert_int_equal(rig_read8(cpu, 0xf10 + id), irq->sources);
}

/* Statistics: how often state was wanted that another CPU had. */
static void count_elsewhere(uint32_t cpu, uint32_t id)
{
	const struct vgic_irq *irq = vgic_irq(&rig.vcpu[cpu], id);

	m.recalled += id >= 32 && irq->lr != VGIC_NO_LR && irq->owner != cpu;
}

static void step_set_pending(uint32_t cpu)
{
	uint32_t id = any_id();

	if (id < 16)
		return;
	count_elsewhere(cpu, id);
	rig_write(cpu, 0x200 + id / 32 * 4, BIT(id % 32));
	irq_of(cpu, id)->latch = true;
}

static void step_clear_pending(uint32_t cpu)
{
	uint32_t id = any_id();

	if (id < 16)
		return;
	count_elsewhere(cpu, id);
	rig_write(cpu, 0x280 + id / 32 * 4, BIT(id % 32));
	irq_of(cpu, id)->latch = false;
}

static void step_group(uint32_t cpu)
{
	uint32_t id = any_id(), at = 0x80 + id / 32 * 4, value = rig_read(cpu, at) ^ BIT(id % 32);

	rig_write(cpu, at, value);
	irq_of(cpu, id)->group1 = value >> (id % 32) & 1U;
}

static void step_forward(uint32_t cpu)
{
	m.forwarded = rnd(4) ? 3 : rnd(4);
	rig_write(cpu, 0, m.forwarded);
}

/* Software may set and clear it only while the interrupt is disabled and idle (4.3.13). */
static void step_config(uint32_t cpu)
{
	uint32_t id = any_spi(), at = 0xc00 + id / 16 * 4;
	struct model_irq *irq = irq_of(cpu, id);

	if (irq->enabled || irq->active || irq->latch || irq->line || rig.vm.vgic.spi[id - 32].lr != VGIC_NO_LR)
		return;
	irq->edge = rnd(2);
	rig_write(cpu, at, (rig_read(cpu, at) & ~(2U << id % 16 * 2)) | (irq->edge ? 2U << id % 16 * 2 : 0));
}

/* A CPU has acknowledged it and has not ended it yet. `forget`: what comes of that ends nothing any more. */
static bool is_taken(uint32_t cpu, uint32_t id, bool forget)
{
	bool found = false;

	for (uint32_t c = 0; c < m.cpus; c++) {
		struct model_cpu *o = &m.cpu[c];

		if (id < 32 && c != cpu)
			continue;
		for (uint32_t i = 0; i < o->count; i++)
			if ((o->taken[i] & (ORPHAN | 0x3ffU)) == id) {
				o->taken[i] |= forget ? ORPHAN : 0;
				found = true;
			}
		for (uint32_t i = 0; i < o->dropped_count; i++)
			if ((o->dropped[i] & 0x3ffU) == id) {
				if (forget)
					o->dropped[i] = o->dropped[--o->dropped_count];
				found = true;
			}
	}
	return found;
}

/* Made active again, by software, it would be ended by the EOI that is still to come: UNPREDICTABLE in effect. */
static bool is_orphan(uint32_t id)
{
	for (uint32_t c = 0; c < m.cpus; c++)
		for (uint32_t i = 0; i < m.cpu[c].count; i++)
			if ((m.cpu[c].taken[i] & ORPHAN) && (m.cpu[c].taken[i] & 0x3ffU) == id)
				return true;
	return false;
}

static void step_active(uint32_t cpu)
{
	uint32_t id = any_id();
	bool set = rnd(2);

	if (set && is_orphan(id))
		return;
	count_elsewhere(cpu, id);
	rig_write(cpu, (set ? 0x300U : 0x380U) + id / 32 * 4, BIT(id % 32));
	irq_of(cpu, id)->active = set;
	if (!set)
		is_taken(cpu, id, true);
}

static void step_ack(uint32_t cpu)
{
	uint32_t iar, running = running_priority(cpu);

	iar = fake_gich_ack(&fake_gich[cpu]);
	if ((iar & 0x3ffU) != FAKE_GICH_SPURIOUS) {
		assert_true(irq_of(cpu, iar & 0x3ffU)->priority < running);
		model_ack(cpu, iar);
	} else if (m.settled && best_candidate(cpu) != NONE) {
		assert_false(signals(cpu, irq_of(cpu, best_candidate(cpu))->priority));
	}
}

static void step_eoi(uint32_t cpu)
{
	struct model_cpu *c = &m.cpu[cpu];
	uint32_t iar;

	if (c->count == 0)
		return;
	iar = c->taken[--c->count];
	fake_gich_eoi(&fake_gich[cpu], iar & ~ORPHAN);
	if (iar & ORPHAN)
		return;
	m.spilled += fake_gich[cpu].hcr >> 27;
	if (c->split) {
		assert_in_range(c->dropped_count, 0, NESTING - 1);
		c->dropped[c->dropped_count++] = iar;
	} else {
		model_deactivate(cpu, iar);
	}
	if (rnd(4) == 0) { /* it polls: the next one comes before a maintenance interrupt */
		m.settled = false;
		step_ack(cpu);
	}
}

static void step_dir(uint32_t cpu)
{
	struct model_cpu *c = &m.cpu[cpu];
	uint32_t i, iar;

	if (c->dropped_count == 0)
		return;
	i = rnd(c->dropped_count);
	iar = c->dropped[i];
	c->dropped[i] = c->dropped[--c->dropped_count];
	rig_dir(cpu, iar);
	model_deactivate(cpu, iar);
}

/* EOImode changes while nothing is active here. */
static void step_split(uint32_t cpu)
{
	struct model_cpu *c = &m.cpu[cpu];

	if (c->count || c->dropped_count)
		return;
	c->split = !c->split;
	fake_gich[cpu].vmcr ^= FAKE_VMCR_EOIMODE;
}

/* The priority mask: mostly open. */
static void step_mask(uint32_t cpu)
{
	uint32_t mask = rnd(2) ? 0x1fU : rnd(32);

	fake_gich[cpu].vmcr = (fake_gich[cpu].vmcr & 0x07ffffffU) | mask << 27;
}

/* Another vCPU has this CPU for a while; it leaves the list registers empty, with whatever in their other fields. */
static void step_switch(uint32_t cpu)
{
	struct fake_gich *g = &fake_gich[cpu];

	rig_unload(cpu);
	for (uint32_t lr = 0; lr < m.lrs; lr++) {
		assert_int_equal(g->lr[lr] & GICH_LR_STATE, 0);
		g->lr[lr] = 100 + lr;
	}
	assert_int_equal(g->hcr, 0);
	assert_int_equal(g->phys_active, 0);
	g->vmcr = g->apr = ~0U;
	m.cpu[cpu].away = true;
}

static void step_read(uint32_t cpu)
{
	uint32_t id = any_id(), word = id / 32 * 4, bit = BIT(id % 32), value;
	const struct model_irq *irq = irq_of(cpu, id);

	assert_int_equal(!!(rig_read(cpu, 0x100 + word) & bit), irq->enabled);
	assert_int_equal(!!(rig_read(cpu, 0x180 + word) & bit), irq->enabled);
	assert_int_equal(!!(rig_read(cpu, 0x080 + word) & bit), irq->group1);
	assert_int_equal(rig_read8(cpu, 0x400 + id), irq->priority);
	if (id >= 32)
		assert_int_equal(rig_read8(cpu, 0x800 + id), irq->targets);
	count_elsewhere(cpu, id);
	value = rig_read(cpu, 0x200 + word) & bit; /* the model goes on meanwhile */
	assert_int_equal(!!value, pending(irq));
	value = rig_read(cpu, 0x300 + word) & bit;
	assert_int_equal(!!value, irq->active);
}

/* Everything enabled, SPIs spread over the CPUs. */
static void open_all(void)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(ids); i++)
		for (uint32_t c = 0; c < (ids[i] < 32 ? m.cpus : 1); c++) {
			rig_write(c, 0x100 + ids[i] / 32 * 4, BIT(ids[i] % 32));
			irq_of(c, ids[i])->enabled = true;
			if (ids[i] < 32 || m.cpus == 1)
				continue;
			irq_of(c, ids[i])->targets = (uint8_t)BIT(i % m.cpus);
			rig_write8(c, 0x800 + ids[i], BIT(i % m.cpus));
		}
}

/* The whole machine starts over, as hyp/vm/vmctl.c does it. */
static void step_reset(uint32_t cpu)
{
	if (rnd(100))
		return;
	vgic_reset(&rig.vm);
	for (uint32_t c = 0; c < m.cpus; c++) {
		if (m.cpu[c].away)
			rig_load(c);
		m.cpu[c].away = false;
		rig_reset_cpu(c);
	}
	model_reset();
	rig_write(cpu, 0, m.forwarded = 3);
	open_all();
}

/* CPU_OFF, and CPU_ON after a while, as hyp/vm/vmctl.c does it: what was active stays so, and no EOI of it is to come.
 */
static void step_off(uint32_t cpu)
{
	struct model_irq *hw = irq_of(cpu, RIG_HW_ID);

	if (rnd(10))
		return;
	hw->line = hw->active = rig.hw_line[cpu] = false;
	m.cpu[cpu].count = m.cpu[cpu].dropped_count = 0;
	m.cpu[cpu].split = false;
	rig_on(cpu);
	vgic_reset_cpu(&rig.vcpu[cpu], false);
	rig_unload(cpu);
	for (uint32_t i = rnd(4); i > 0; i--)
		step_line(cpu);
	rig_load(cpu);
	rig_reset_cpu(cpu);
}

/* By weight. */
static const struct {
	void (*run)(uint32_t cpu);
	uint32_t weight;
	const char *name;
} steps[] = {
	{step_ack, 45, "acknowledge"},
	{step_eoi, 50, "EOI"},
	{step_dir, 30, "DIR"},
	{step_line, 20, "line"},
	{step_host_line, 8, "line of the host's"},
	{step_timer, 6, "timer"},
	{step_sgi, 8, "SGIR"},
	{step_sgi_bytes, 4, "xPENDSGIR"},
	{step_enable, 10, "enable"},
	{step_priority, 6, "priority"},
	{step_target, 5, "target"},
	{step_set_pending, 8, "ISPENDR"},
	{step_clear_pending, 5, "ICPENDR"},
	{step_active, 4, "xACTIVER"},
	{step_group, 2, "group"},
	{step_forward, 1, "CTLR"},
	{step_config, 3, "ICFGR"},
	{step_split, 2, "EOImode"},
	{step_mask, 4, "PMR"},
	{step_switch, 6, "switch"},
	{step_read, 8, "read"},
	{step_off, 2, "CPU_OFF"},
	{step_reset, 1, "reset"},
};

static uint32_t any_step(void)
{
	uint32_t total = 0, at;

	for (uint32_t i = 0; i < ARRAY_SIZE(steps); i++)
		total += steps[i].weight;
	at = rnd(total);
	for (uint32_t i = 0;; i++) {
		if (at < steps[i].weight)
			return i;
		at -= steps[i].weight;
	}
}

/* While one waits for another, devices and other CPUs do not. */
static void meanwhile(void)
{
	uint32_t here = this_cpu()->head.id;

	waiting = true;
	if (rnd(2))
		step_line(here);
	waiting = false;
	rig_on(here);
}

static void run(uint32_t cpus, uint32_t lrs)
{
	bool trace = getenv("V7_TRACE");
	uint32_t count = getenv("SOAK") ? 1000000 : 100000;
	uint64_t first = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 0) : 0x9e3779b97f4a7c15U + cpus * 64 + lrs;

	seed = first;
	memset(&m, 0, sizeof(m));
	m.cpus = cpus;
	m.lrs = lrs;
	rig_start(cpus, lrs);
	rig.on_wait = meanwhile;
	assert_int_equal(vgic_forward(&rig.vm, TWIN, HOST, VGIC_LEVEL), 0);
	model_reset();
	m.forwarded = 3;
	open_all();
	for (uint32_t i = 0; i < count;) {
		uint32_t step = any_step(), cpu = rnd(cpus);

		fake_machine.events = 0;
		if (i % 500 == 0)
			gic_forgets_level = rnd(2); /* both ways of a twin's end, one beside the other */
		rig.answer_first = rnd(2);
		if (m.cpu[cpu].away) {
			if (rnd(4))
				continue; /* not a step */
			rig_load(cpu);
			m.cpu[cpu].away = false;
			rig_settle();
		}
		while (rig_settle_cpu(cpu)) /* no guest goes on before that */
			;
		last_id = m.cpu[cpu].count ? m.cpu[cpu].taken[m.cpu[cpu].count - 1] : NONE;
		steps[step].run(cpu);
		if (trace)
			fprintf(stderr, "%u: cpu %u: %s, %u\n", i, cpu, steps[step].name, last_id & 0x3ffU);
		i++;
		m.settled = rnd(4);
		if (!m.settled) { /* the other CPUs have not heard of it yet */
			check_sleep(cpu);
			continue;
		}
		rig_settle();
		for (uint32_t c = 0; c < cpus; c++)
			check_cpu(c);
		check_twin();
		if (rnd(4))
			continue;
		rig_tick();
		for (uint32_t k = 0; k < ARRAY_SIZE(ids); k++)
			check_shared(ids[k]);
	}
	assert_true(m.taken > count / 20);
	assert_true(fake_spi[HOST].fired > count / 2000);
	assert_int_equal(rig.storms, 0);
	print_message(
		"%u CPUs, %u list registers: %u steps, %u interrupts taken, %u of them ended without a list register, "
		"%u times another CPU's state wanted, %u looks at SPIs of several targets, %u interrupts of the "
		"host's\n",
		cpus, lrs, count, m.taken, m.spilled, m.recalled, m.shared, fake_spi[HOST].fired);
}

static void test_1_cpu_4_lrs(void **state)
{
	(void)state;
	run(1, 4);
}

static void test_2_cpus_4_lrs(void **state)
{
	(void)state;
	run(2, 4);
}

static void test_4_cpus_2_lrs(void **state)
{
	(void)state;
	run(4, 2);
}

static void test_8_cpus_1_lr(void **state)
{
	(void)state;
	run(8, 1);
}

static void test_3_cpus_16_lrs(void **state)
{
	(void)state;
	run(3, 16);
}

static void test_every_move_was_made(void **state)
{
	(void)state;
	rig_check_moves();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_1_cpu_4_lrs),   cmocka_unit_test(test_2_cpus_4_lrs),
		cmocka_unit_test(test_4_cpus_2_lrs),  cmocka_unit_test(test_8_cpus_1_lr),
		cmocka_unit_test(test_3_cpus_16_lrs), cmocka_unit_test(test_every_move_was_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
