/* SPDX-License-Identifier: BSD-2-Clause */
/* SPIs of a VM that are the host's (vgic/twin.c): each way from the host's interrupt to the guest's and back. */
#include "vgic_twin_rig.h"

static void who_may_have_it(void **state)
{
	static struct vm other;

	(void)state;
	assert_int_equal(vgic_forward(&rig.vm, 31, HOST, VGIC_LEVEL), -EINVAL);
	assert_int_equal(vgic_forward(&rig.vm, 256, HOST, VGIC_LEVEL), -EINVAL);
	assert_int_equal(vgic_forward(&rig.vm, SPI, 27, VGIC_LEVEL), -EINVAL);
	assert_int_equal(vgic_forward(&rig.vm, SPI, FAKE_SPI_LINES, VGIC_LEVEL), -EINVAL);
	assert_int_equal(irq_claim(OTHER_HOST, nothing, NULL), 0); /* virt7's own */
	assert_int_equal(vgic_forward(&rig.vm, SPI, OTHER_HOST, VGIC_LEVEL), -EBUSY);
	forward(VGIC_LEVEL);
	assert_int_equal(vgic_forward(&rig.vm, SPI, HOST + 2, VGIC_LEVEL), -EEXIST);
	assert_int_equal(vgic_forward(&rig.vm, SPI + 1, HOST, VGIC_LEVEL), -EBUSY);
	memset(&other, 0, sizeof(other));
	other.vcpu_count = 1;
	other.vcpu[0] = &rig.vcpu[0];
	assert_int_equal(vgic_forward(&other, SPI, HOST, VGIC_LEVEL), -EBUSY);
	assert_int_equal(vgic_unforward(&other, SPI), -ENOENT);
	assert_int_equal(vgic_unforward(&rig.vm, SPI + 1), -ENOENT);
	assert_int_equal(vgic_unforward(&rig.vm, 27), -ENOENT);
	assert_int_equal(vgic_unforward(&rig.vm, 256), -ENOENT);
	assert_int_equal(vgic_unforward(&rig.vm, SPI), 0);
	assert_int_equal(vgic_unforward(&rig.vm, SPI), -ENOENT);
	assert_int_equal(vgic_forward(&other, SPI, HOST, VGIC_LEVEL), 0);
	vgic_end(&other);
	forward(VGIC_EDGE);
	vgic_end(&rig.vm);
	forward(VGIC_EDGE);
}

static void there_is_an_end_of_them(void **state)
{
	static struct vm other;

	(void)state;
	for (uint32_t i = 0; i < VGIC_TWINS; i++)
		assert_int_equal(vgic_forward(&rig.vm, 32 + i, 32 + i, VGIC_LEVEL), 0);

	memset(&other, 0, sizeof(other));
	other.vcpu_count = 1;
	other.vcpu[0] = &rig.vcpu[0];
	assert_int_equal(vgic_forward(&other, SPI, 260, VGIC_LEVEL), -ENOSPC);
	vgic_end(&rig.vm);
	assert_int_equal(vgic_forward(&other, SPI, 260, VGIC_LEVEL), 0);
	vgic_end(&other);
}

/* Enabled with the guest's; one line, one interrupt until its end; and again while the line is up. */
static void level(void **state)
{
	(void)state;
	forward(VGIC_LEVEL);
	host_line(true);
	assert_false(host->enabled);
	assert_true(get_bit(1, ISPENDR, SPI)); /* the line is the truth */
	open_irq(1, SPI, 0x80);
	assert_int_equal(host->fired, 1);
	assert_true(host->active);
	assert_taken(0, SPURIOUS);
	for (uint32_t i = 0; i < 3; i++) {
		assert_taken(1, SPI);
		assert_taken(1, SPURIOUS);
		assert_true(get_bit(2, ISPENDR, SPI));
		assert_true(get_bit(2, ISACTIVER, SPI));
		rig_eoi(1, SPI);
	}
	assert_taken(1, SPI);
	host_line(false);
	assert_false(get_bit(1, ISPENDR, SPI));
	assert_true(host->active);
	rig_eoi(1, SPI);
	assert_false(host->active);
	assert_taken(1, SPURIOUS);
	fire(1);
	end(1);
	assert_int_equal(rig.storms, 0);
}

/* An edge behind one that the guest serves is kept by the host's GIC. */
static void edge(void **state)
{
	(void)state;
	forward(VGIC_EDGE);
	assert_int_equal(rig_read(0, ICFGR + SPI / 16 * 4), 2U << SPI % 16 * 2);
	assert_true(host->edge);
	open_irq(2, SPI, 0x80);
	host_line(true);
	host_line(false);
	assert_taken(2, SPI);
	assert_true(host->active);
	assert_false(get_bit(2, ISPENDR, SPI));
	host_line(true);
	assert_true(get_bit(2, ISPENDR, SPI));
	assert_int_equal(host->fired, 1);
	rig_eoi(2, SPI);
	assert_int_equal(host->fired, 2);
	assert_taken(2, SPI);
	rig_eoi(2, SPI);
	assert_false(host->active);
	assert_taken(2, SPURIOUS);
}

/* The guest's GICC_CTLR.EOImode: GICC_DIR ends it, also from another CPU. */
static void ended_by_dir(void **state)
{
	(void)state;
	start_level(1);
	fake_gich[1].vmcr |= FAKE_VMCR_EOIMODE;
	fake_gich[2].vmcr |= FAKE_VMCR_EOIMODE;
	for (uint32_t cpu = 1; cpu <= 2; cpu++) {
		host_line(true);
		assert_taken(1, SPI);
		host_line(false);
		rig_eoi(1, SPI);
		assert_true(host->active);
		rig_dir(cpu, SPI);
		assert_false(host->active);
		assert_taken(1, SPURIOUS);
	}
}

static void disabled(void **state)
{
	(void)state;
	start_level(1);
	host_line(true);
	set_bit(0, ICENABLER, SPI); /* pending in vCPU 1's list register */
	rig_settle();
	assert_false(host->enabled);
	assert_taken(1, SPURIOUS);
	assert_true(get_bit(0, ISPENDR, SPI));
	set_bit(0, ISENABLER, SPI);
	rig_settle();
	assert_taken(1, SPI);
	set_bit(0, ICENABLER, SPI); /* active there */
	rig_settle();
	assert_false(host->enabled);
	rig_eoi(1, SPI);
	assert_taken(1, SPURIOUS);
	host_line(false);
	assert_false(get_bit(0, ISPENDR, SPI));
	assert_false(host->active);
	set_bit(0, ISENABLER, SPI);
	rig_settle();
	assert_true(host->enabled);
	assert_taken(1, SPURIOUS);
	fire(1);
}

/* No CPU looks while the line falls; and the vCPU has moved before it is enabled again. */
static void falls_while_disabled(void **state)
{
	(void)state;
	start_level(1);
	host_line(true);
	set_bit(0, ICENABLER, SPI);
	rig_settle();
	host_line(false);
	rig.vcpu[1].thread.cpu = &percpu[2];
	set_bit(0, ISENABLER, SPI);
	rig_settle();
	assert_false(host->active);
	assert_int_equal(host->target, 2);
	rig.vcpu[1].thread.cpu = &percpu[3];
	set_bit(0, ICENABLER, SPI);
	set_bit(0, ISENABLER, SPI);
	assert_int_equal(host->target, 3);
	rig.vcpu[1].thread.cpu = &percpu[1];
	rig_settle();
	assert_taken(1, SPURIOUS);
}

/* An edge that comes while the guest has it disabled waits in the host's GIC; one that has come, here. */
static void edge_while_disabled(void **state)
{
	(void)state;
	forward(VGIC_EDGE);
	open_irq(0, SPI, 0x80);
	host_line(true);
	set_bit(0, ICENABLER, SPI);
	rig_settle();
	assert_taken(0, SPURIOUS);
	assert_true(host->active);
	set_bit(0, ISENABLER, SPI);
	rig_settle();
	assert_taken(0, SPI);
	end(0);
	set_bit(0, ICENABLER, SPI);
	host_line(true);
	host_line(false);
	assert_true(get_bit(0, ISPENDR, SPI));
	set_bit(0, ISENABLER, SPI);
	rig_settle();
	assert_taken(0, SPI);
	rig_eoi(0, SPI);
	set_bit(0, ICENABLER, SPI);
	host_line(true);
	host_line(false);
	set_bit(0, ICPENDR, SPI); /* and is gone then */
	assert_false(get_bit(0, ISPENDR, SPI));
	set_bit(0, ISENABLER, SPI);
	rig_settle();
	assert_taken(0, SPURIOUS);
	assert_false(host->active);
}

/* Taken by a CPU, and the guest disables it before that CPU says so. */
static void disabled_amid_the_handler(void **state)
{
	(void)state;
	start_level(1);
	fake_spi_line(HOST, true);
	fake_spi_acknowledge(HOST);
	set_bit(0, ICENABLER, SPI);
	rig_on(1);
	fake_spi_handle(HOST);
	rig_settle();
	assert_taken(1, SPURIOUS);
	set_bit(0, ISENABLER, SPI);
	rig_settle();
	assert_taken(1, SPI);
	end(1);
}

/* ICFGR goes through to the host's GIC, with the interrupt disabled there. */
static void another_trigger(void **state)
{
	(void)state;
	start_level(0);
	make_edge(SPI);
	assert_true(host->edge && host->enabled);
	fire(0);
	rig_eoi(0, SPI);
	assert_taken(0, SPURIOUS);
	assert_false(host->active);
	host_line(false);
	host_line(true);
	rig_write(0, ICFGR + SPI / 16 * 4, 0); /* what has come is pending */
	rig_settle();
	assert_false(host->edge);
	assert_taken(0, SPI);
	host_line(false);
	rig_eoi(0, SPI);
	assert_taken(0, SPURIOUS);
	assert_false(host->active);
	host_line(true);
	make_edge(SPI); /* it has come as a level */
	rig_settle();
	assert_taken(0, SPI);
	rig_eoi(0, SPI);
	assert_taken(0, SPURIOUS);
	assert_false(host->active);
	host_line(false);
	rig_write(0, ICFGR + SPI / 16 * 4, 0);
	rig_write(0, CTLR, 0);
	host_line(true);
	assert_true(host->active);
	make_edge(SPI); /* it is in no list register */
	assert_false(host->active);
}

/* A GIC whose triggers are fixed loses nothing of a guest that asks for another, and no CPU is stormed. */
static void a_fixed_trigger(void **state)
{
	(void)state;
	host->fixed = host->edge = true;
	start_level(1);
	assert_int_equal(rig_read(0, ICFGR + SPI / 16 * 4), 0);
	host_line(true);
	set_bit(0, ICENABLER, SPI);
	rig_settle();
	assert_taken(1, SPURIOUS);
	set_bit(0, ISENABLER, SPI);
	rig_settle();
	assert_taken(1, SPI);
	host_line(false);
	host_line(true);
	rig_eoi(1, SPI);
	assert_taken(1, SPI);
	rig_eoi(1, SPI);
	assert_taken(1, SPURIOUS);
	assert_false(host->active);
	host->edge = false;
	host_line(false);
	make_edge(SPI);
	host_line(true);
	for (uint32_t i = 0; i < 3; i++) {
		uint32_t fired = host->fired;

		assert_taken(1, SPI);
		assert_int_equal(host->fired, fired);
		rig_eoi(1, SPI);
		assert_int_equal(host->fired, fired + 1);
	}
}

/* It follows its vCPU to another CPU, and its target to another vCPU, from the next interrupt on at the latest. */
static void follows_its_vcpu(void **state)
{
	(void)state;
	start_level(1);
	assert_int_equal(host->target, 1);
	rig_write8(0, ITARGETSR + SPI, BIT(2));
	assert_int_equal(host->target, 2);
	fire(2);
	rig_write8(0, ITARGETSR + SPI, BIT(3));
	assert_int_equal(host->target, 2);
	host_line(false);
	rig_eoi(2, SPI);
	assert_int_equal(host->target, 3);
	rig_unload(0);
	rig_unload(3);
	rig.vcpu[3].thread.cpu = &percpu[0]; /* it lives on CPU 0 from now on */
	rig_on(0);
	percpu[0].thread = &rig.vcpu[3].thread;
	percpu[0].loaded = &rig.vcpu[3];
	vgic_load(&rig.vcpu[3]);
	fake_spi_line(HOST, true);
	fake_spi_acknowledge(HOST); /* CPU 3 takes it for CPU 0 */
	rig_on(3);
	fake_spi_handle(HOST);
	assert_true(rig.vcpu[3].thread.work & WORK_VGIC);
	rig_on(0);
	vgic_flush(&rig.vcpu[3]);
	assert_int_equal(fake_gich_ack(&fake_gich[0]), SPI);
	fake_spi_line(HOST, false);
	fake_gich_eoi(&fake_gich[0], SPI);
	vgic_flush(&rig.vcpu[3]);
	assert_int_equal(host->target, 0);
	assert_false(host->active);
}

static void no_target(void **state)
{
	(void)state;
	start_level(1);
	rig_write8(0, ITARGETSR + SPI, 0);
	host_line(true);
	for (uint32_t cpu = 0; cpu < 4; cpu++)
		assert_taken(cpu, SPURIOUS);
	rig_write8(0, ITARGETSR + SPI, BIT(3));
	rig_settle();
	assert_taken(3, SPI);
	end(3);
}

/* Several targets: whoever takes it, once. */
static void several_targets(void **state)
{
	(void)state;
	start_level(0);
	rig_write8(0, ITARGETSR + SPI, 0xf);
	fake_gich[0].vmcr &= ~FAKE_VMCR_ENABLE;
	host_line(true);
	rig_tick();
	rig_tick();
	assert_taken(0, SPURIOUS);
	assert_taken(1, SPI);
	end(1);
	assert_taken(2, SPURIOUS);
}

/* What the guest itself makes pending or active moves nothing in the host's GIC but what it must. */
static void pended_by_the_guest(void **state)
{
	(void)state;
	start_level(1);
	set_bit(0, ISPENDR, SPI);
	rig_settle();
	assert_taken(1, SPI);
	assert_int_equal(host->fired, 0);
	host_line(true); /* behind it */
	assert_int_equal(host->fired, 1);
	assert_taken(1, SPURIOUS);
	rig_eoi(1, SPI);
	assert_taken(1, SPI);
	end(1);
	set_bit(0, ISPENDR, SPI);
	rig_settle();
	host_line(true); /* joins it */
	assert_taken(1, SPI);
	host_line(false);
	set_bit(0, ICPENDR, SPI);
	rig_eoi(1, SPI);
	assert_false(host->active);
	assert_taken(1, SPURIOUS);
	host_line(true);
	set_bit(0, ICPENDR, SPI); /* of a level nothing */
	rig_settle();
	assert_taken(1, SPI);
}

/* The guest's was pended by a write and has been ended; the device's comes behind it, and is gone before virt7 looks.
 */
static void gone_behind_a_pended_one(void **state)
{
	(void)state;
	start_level(1);
	set_bit(0, ISPENDR, SPI);
	rig_settle();
	assert_taken(1, SPI);
	fake_gich_eoi(&fake_gich[1], SPI);
	fire_elsewhere();
	rig.answer_first = true;
	assert_false(get_bit(0, ISPENDR, SPI));
	rig_settle();
	assert_false(host->active);
	assert_taken(1, SPURIOUS);
	fire(1);
	end(1);
}

static void cleared_edge(void **state)
{
	(void)state;
	forward(VGIC_EDGE);
	open_irq(1, SPI, 0x80);
	host_line(true);
	set_bit(0, ICPENDR, SPI);
	rig_settle();
	assert_taken(1, SPURIOUS);
	assert_false(host->active);
	host_line(false);
	fire(1);
}

static void active_by_the_guest(void **state)
{
	(void)state;
	start_level(1);
	fire(1);
	host_line(false);
	set_bit(0, ICACTIVER, SPI);
	rig_settle();
	assert_false(host->active);
	rig_eoi(1, SPI);
	fire(1);
	host_line(false);
	rig_eoi(1, SPI);
	set_bit(0, ISACTIVER, SPI);
	host_line(true);
	assert_taken(1, SPURIOUS);
	assert_true(host->active);
	set_bit(0, ICACTIVER, SPI);
	rig_settle();
	assert_taken(1, SPI);
	end(1);
	set_bit(1, ISACTIVER, SPI); /* in a list register of its own */
	host_line(true);
	host_line(false);
	set_bit(1, ICACTIVER, SPI);
	rig_settle();
	assert_false(host->active);
	assert_taken(1, SPURIOUS);
}

/* More urgent ones need its list register, while it is pending and while it is active. */
static void without_a_list_register(void **state)
{
	(void)state;
	rig_start(1, 1);
	start_level(0);
	open_irq(0, SPI + 8, 0x40);
	open_irq(0, SPI + 9, 0x20);
	host_line(true);
	line(0, SPI + 8, true);
	assert_taken(0, SPI + 8);
	line(0, SPI + 8, false);
	rig_eoi(0, SPI + 8);
	assert_taken(0, SPI);
	host_line(false);
	line(0, SPI + 9, true);
	assert_taken(0, SPI + 9);
	assert_true(host->active);
	line(0, SPI + 9, false);
	rig_eoi(0, SPI + 9);
	assert_true(host->active);
	rig_eoi(0, SPI);
	assert_false(host->active);
	fire(0);
}

/* Reset of the VM, of one vCPU, its end, and what comes of the interrupt that a CPU has just taken. */
static void reset_of_the_vm(void **state)
{
	(void)state;
	for (uint32_t stage = 0; stage < 4; stage++) {
		rig_start(4, 4);
		start_level(1);
		fake_spi_line(HOST, true);
		if (stage == 0)
			fake_spi_acknowledge(HOST);
		else
			rig_settle();
		if (stage == 2)
			assert_taken(1, SPI);
		if (stage == 3)
			vgic_silence(&rig.vm); /* it goes off, and is started */
		if (stage == 3)
			assert_silent();
		for (uint32_t cpu = 0; cpu < 4; cpu++)
			rig_unload(cpu);
		vgic_reset(&rig.vm);
		assert_silent();
		if (stage == 0) {
			rig_on(1);
			host->active = true;
			fake_spi_handle(HOST);
			assert_silent();
		}
		for (uint32_t cpu = 0; cpu < 4; cpu++) {
			rig_load(cpu);
			rig_reset_cpu(cpu);
		}
		rig_write(0, CTLR, 3);
		fake_spi_line(HOST, stage == 3);
		open_irq(1, SPI, 0x80);
		assert_taken(1, stage == 3 ? SPI : SPURIOUS);
		vgic_end(&rig.vm);
		assert_silent();
		assert_null(host->fn);
	}
}

static void reset_of_the_trigger(void **state)
{
	(void)state;
	forward(VGIC_EDGE);
	rig_write(0, ICFGR + SPI / 16 * 4, 0);
	assert_false(host->edge);
	fake_spi_line(HOST, false);
	make_edge(SPI);
	fake_spi_line(HOST, true);
	assert_true(host->latch);
	rig_write(0, ICFGR + SPI / 16 * 4, 0);
	vgic_reset(&rig.vm);
	assert_silent();
	assert_true(host->edge);
	assert_int_equal(rig_read(0, ICFGR + SPI / 16 * 4), 2U << SPI % 16 * 2);
}

/* The first time, both come to a CPU that their vCPU has left. */
static void raise_both(void)
{
	rig.on_preempt = NULL;
	fake_spi_line(HOST, true);
	fake_spi_line(OTHER_HOST, true);
	rig_on(0);
	fake_spi_take(0);
	fake_spi_line(HOST, false);
	fake_spi_line(OTHER_HOST, false);
}

/* In a reset others have the CPU between two of the host's: what comes then is nothing that the guest sees afterwards.
 */
static void reset_amid_interrupts(void **state)
{
	(void)state;
	forward(VGIC_EDGE);
	assert_int_equal(vgic_forward(&rig.vm, SPI + 1, OTHER_HOST, VGIC_EDGE), 0);
	open_irq(0, SPI, 0x80);
	open_irq(0, SPI + 1, 0x80);
	for (uint32_t cpu = 0; cpu < 4; cpu++)
		rig_unload(cpu);
	rig.on_preempt = raise_both;
	vgic_reset(&rig.vm);
	assert_null(rig.on_preempt);
	assert_int_equal(host->fired + fake_spi[OTHER_HOST].fired, 1); /* one of them had been silenced before */
	assert_silent();
	assert_false(fake_spi[OTHER_HOST].active || fake_spi[OTHER_HOST].latch);
	for (uint32_t cpu = 0; cpu < 4; cpu++) {
		rig_load(cpu);
		rig_reset_cpu(cpu);
	}
	rig_write(0, CTLR, 3);
	open_irq(0, SPI, 0x80);
	open_irq(0, SPI + 1, 0x80);
	assert_taken(0, SPURIOUS);
}

static void reset_of_its_vcpu(void **state)
{
	(void)state;
	start_level(1);
	fire(1);
	rig_reset_cpu(1); /* its interrupt stays active, as natively */
	rig_settle();
	assert_true(host->active);
	assert_taken(1, SPURIOUS);
	set_bit(1, ICACTIVER, SPI);
	rig_settle();
	assert_taken(1, SPI);
	end(1);
}

/* The VM ends while a CPU has taken it: the handler finds no vCPU, or another VM's. */
static void end_amid_the_handler(void **state)
{
	irq_fn fn;
	void *arg;

	(void)state;
	start_level(1);
	fn = host->fn;
	arg = host->arg;
	vgic_end(&rig.vm);
	assert_silent();
	assert_true(fn(HOST, arg));
	assert_int_equal(vgic_forward(&rig.vm, SPI, OTHER_HOST, VGIC_LEVEL), 0);
	open_irq(1, SPI, 0x80);
	assert_true(fn(HOST, arg));
	assert_taken(1, SPURIOUS);
}

/* Loaded nowhere when it comes: once, and it waits. */
static void comes_while_it_is_away(void **state)
{
	(void)state;
	start_level(1);
	rig_unload(1);
	fake_spi_line(HOST, true);
	for (uint32_t i = 0; i < 3; i++) {
		rig_on(1);
		fake_spi_take(1);
	}
	assert_int_equal(host->fired, 1);
	assert_true(rig.vcpu[1].thread.work & WORK_VGIC);
	rig_load(1);
	rig_settle();
	assert_taken(1, SPI);
	rig_unload(1);
	rig_load(1);
	end(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_may_have_it),
		TEST(there_is_an_end_of_them),
		TEST(level),
		TEST(edge),
		TEST(ended_by_dir),
		TEST(disabled),
		TEST(falls_while_disabled),
		TEST(edge_while_disabled),
		TEST(disabled_amid_the_handler),
		TEST(another_trigger),
		TEST(a_fixed_trigger),
		TEST(follows_its_vcpu),
		TEST(no_target),
		TEST(several_targets),
		TEST(pended_by_the_guest),
		TEST(gone_behind_a_pended_one),
		TEST(cleared_edge),
		TEST(active_by_the_guest),
		TEST(without_a_list_register),
		TEST(reset_of_the_vm),
		TEST(reset_of_the_trigger),
		TEST(reset_amid_interrupts),
		TEST(reset_of_its_vcpu),
		TEST(end_amid_the_handler),
		TEST(comes_while_it_is_away),
	};
	int failed;

	/* By maintenance interrupts, then by GICH_LR.HW. */
	gic_forgets_level = true;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	gic_forgets_level = false;
	return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
