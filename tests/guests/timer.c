/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The generic timer at PL1: counters, and the virtual and the physical timer by the same tests (DDI 0406C B8.1), their
 * interrupts by the GIC (level-sensitive PPIs 27 and 30), and what User mode may do.
 */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/timer.h"

#define FAR_FUTURE UINT64_C(0x7fffffffffffffff)

static volatile uint32_t irq_order[16];
static volatile uint32_t irq_count;
static bool irq_early, irq_both_due; /* when the first was taken */

static void test_counters(void)
{
	uint32_t freq = read_cntfrq();
	uint64_t v = timer_virt.count(), p = timer_phys.count();
	bool monotonic = true;
	uint64_t v0 = v, p0 = p;

	report(freq >= 1000000 && freq <= 1000000000, "CNTFRQ (%u)", (unsigned int)freq);
	for (unsigned int i = 0; i < 20000; i++) {
		uint64_t v1 = timer_virt.count(), p1 = timer_phys.count();

		monotonic = monotonic && v1 >= v && p1 >= p;
		v = v1;
		p = p1;
	}
	report(monotonic, "the counters never go back");
	report(v > v0 && p > p0, "and they count");
}

/* CNTVCT is CNTPCT minus a constant (B8.1.3): virtual, physical, virtual read in turn are in order. */
static void test_offset(void)
{
	uint64_t v0 = timer_virt.count(), p0 = timer_phys.count(), v1 = timer_virt.count();
	uint64_t v2, p2, v3;

	timer_delay(2000);
	v2 = timer_virt.count();
	p2 = timer_phys.count();
	v3 = timer_virt.count();
	report(p2 - p0 + (v1 - v0) >= v2 - v0 && p2 - p0 <= v3 - v0, "both counters run at the same rate");
	report(v3 - v0 >= timer_ticks(2000), "a delay takes its time");
}

/* B4.1.31 and its physical twin: ISTATUS is read-only and shown whether masked or not. */
static void test_control(const struct timer *t)
{
	t->set_ctl(0);
	report_eq(t->ctl() & 3, 0, "CTL 0");
	t->set_cval(FAR_FUTURE);
	t->set_ctl(TIMER_ENABLE | TIMER_ISTATUS);
	report_eq(t->ctl(), TIMER_ENABLE, "enabled, condition not met; ISTATUS ignores writes");
	t->set_ctl(TIMER_ENABLE | TIMER_IMASK);
	report_eq(t->ctl(), TIMER_ENABLE | TIMER_IMASK, "masked");
	t->set_cval(0);
	report_eq(t->ctl(), TIMER_ENABLE | TIMER_IMASK | TIMER_ISTATUS, "condition met, masked");
	t->set_ctl(TIMER_ENABLE);
	report_eq(t->ctl(), TIMER_ENABLE | TIMER_ISTATUS, "condition met");
	/* Not ~0: with a CNTVOFF, QEMU 7.2 adds the two, overflows, and spins on a deadline in the past. */
	t->set_cval(UINT64_C(0xf000000000000000));
	report_eq(t->ctl(), TIMER_ENABLE, "the comparison is unsigned, 64 bits");
	t->set_cval(t->count() + (UINT64_C(1) << 33));
	report_eq(t->ctl(), TIMER_ENABLE, "2^33 ticks ahead is not due");
	t->set_ctl(0);
}

/* B8.1.5: CVAL = counter + SignExtend(TVAL); TVAL reads (CVAL - counter) in 32 bits. */
static void test_values(const struct timer *t)
{
	uint64_t before, after, cval;
	uint32_t tval;

	t->set_cval(UINT64_C(0x0123456789abcdef));
	report(t->cval() == UINT64_C(0x0123456789abcdef), "CVAL holds 64 bits");
	t->set_ctl(TIMER_ENABLE | TIMER_IMASK);
	before = t->count();
	t->set_tval(UINT32_C(0x7fffffff));
	after = t->count();
	cval = t->cval();
	report(cval >= before + 0x7fffffff && cval <= after + 0x7fffffff, "TVAL writes CVAL");
	before = t->count();
	tval = t->tval();
	after = t->count();
	report(tval <= (uint32_t)(cval - before) && tval >= (uint32_t)(cval - after), "TVAL counts down");
	before = t->count();
	t->set_tval(UINT32_C(0xffffff00));
	after = t->count();
	cval = t->cval();
	report(cval >= before - 256 && cval <= after - 256, "TVAL is signed");
	report(t->ctl() & TIMER_ISTATUS, "and a negative one is due at once");
	before = t->count();
	tval = t->tval();
	after = t->count();
	report((int32_t)tval < 0 && tval <= (uint32_t)(cval - before) && tval >= (uint32_t)(cval - after),
	       "TVAL goes on below 0");
	t->set_ctl(0);
}

/* The timer's output is a level: not masked and due. The GIC latches nothing of it (IHI 0048B 3.2.4). */
static void test_level(const struct timer *t)
{
	t->set_ctl(0);
	t->set_cval(0);
	gic_settle();
	report(!gic_is_pending(t->irq), "disabled: no interrupt");
	t->set_ctl(TIMER_ENABLE);
	gic_settle();
	report(gic_is_pending(t->irq), "due: pending");
	gic_clear_pending(t->irq);
	gic_settle();
	report(gic_is_pending(t->irq), "ICPENDR does not lower a level");
	t->set_ctl(TIMER_ENABLE | TIMER_IMASK);
	gic_settle();
	report(!gic_is_pending(t->irq), "IMASK lowers it");
	t->set_ctl(TIMER_ENABLE);
	gic_settle();
	report(gic_is_pending(t->irq), "unmasked: pending again");
	t->set_cval(FAR_FUTURE);
	gic_settle();
	report(!gic_is_pending(t->irq), "CVAL ahead lowers it");
	t->set_tval(0);
	gic_settle();
	report(gic_is_pending(t->irq), "TVAL 0 raises it");
	t->set_ctl(0);
	gic_settle();
	report(!gic_is_pending(t->irq), "ENABLE off lowers it");
}

/* Acknowledged while the level is high: active and pending; after EOI it comes again; lowered, it does not. */
static void test_acknowledge(const struct timer *t)
{
	uint32_t iar;

	gic_init();
	gic_set_priority(t->irq, 0x80);
	gic_enable(t->irq);
	t->set_cval(0);
	t->set_ctl(TIMER_ENABLE);
	gic_settle();
	report(read_isr() & PSR_I, "IRQ line up");
	iar = read32(CPUIF_IAR);
	report_eq(iar, t->irq, "IAR");
	report(gic_is_active(t->irq) && gic_is_pending(t->irq), "active, and pending while the level is high");
	t->set_ctl(0);
	gic_settle();
	report(gic_is_active(t->irq) && !gic_is_pending(t->irq), "active, not pending once it is low");
	write32(CPUIF_EOIR, iar);
	gic_settle();
	report_eq(read32(CPUIF_IAR), GIC_SPURIOUS, "low at EOI: nothing more");
	t->set_ctl(TIMER_ENABLE);
	gic_settle();
	iar = read32(CPUIF_IAR);
	write32(CPUIF_EOIR, iar);
	gic_settle();
	iar = read32(CPUIF_IAR);
	/* Behind a hypervisor QEMU forgets to look at the level again when the guest's EOI deactivates (GICH_LR.HW). */
	quirk(iar == t->irq, "gich-hw-eoi", "high at EOI: comes again");
	t->set_cval(FAR_FUTURE);
	gic_settle();
	t->set_cval(0);
	gic_settle();
	if (iar != t->irq)
		iar = read32(CPUIF_IAR);
	report_eq(iar, t->irq, "high again: comes again");
	t->set_ctl(0);
	write32(CPUIF_EOIR, iar);
	gic_settle();
	report_eq(read32(CPUIF_IAR), GIC_SPURIOUS, "and low: nothing");
}

static const struct timer *timer_of(uint32_t iar)
{
	return iar == timer_virt.irq ? &timer_virt : &timer_phys;
}

static void timer_irq(void)
{
	uint32_t iar = read32(CPUIF_IAR);
	const struct timer *t = timer_of(iar);

	if (iar == GIC_SPURIOUS)
		return;
	irq_early = irq_early || t->count() < t->cval();
	if (irq_count == 0)
		irq_both_due = (timer_virt.ctl() & TIMER_ISTATUS) && (timer_phys.ctl() & TIMER_ISTATUS);
	irq_order[irq_count % ARRAY_SIZE(irq_order)] = iar;
	t->set_ctl(TIMER_ENABLE | TIMER_IMASK);
	irq_count = irq_count + 1;
	write32(CPUIF_EOIR, iar);
}

static void irq_begin(void)
{
	gic_init();
	gic_set_priority(timer_virt.irq, 0x80);
	gic_set_priority(timer_phys.irq, 0x80);
	gic_enable(timer_virt.irq);
	gic_enable(timer_phys.irq);
	irq_count = 0;
	irq_early = false;
	irq_set_handler(timer_irq);
}

static void irq_end(void)
{
	irq_disable();
	irq_set_handler(0);
	timer_virt.set_ctl(0);
	timer_phys.set_ctl(0);
}

static void test_interrupt(const struct timer *t)
{
	irq_begin();
	irq_enable();
	t->set_tval((uint32_t)timer_ticks(1000));
	t->set_ctl(TIMER_ENABLE);
	report(timer_wait_for(&irq_count, 1000000) && irq_order[0] == t->irq && !irq_early,
	       "interrupt, not before its time");
	gic_settle();
	report_eq(irq_count, 1, "one interrupt");
	irq_end();
}

/* A period kept by adding to CVAL: no interrupt is lost, none is too many. */
static void test_periodic(const struct timer *t)
{
	uint64_t start = t->count(), period = timer_ticks(500);
	uint32_t seen = 0;

	irq_begin();
	irq_enable();
	for (uint32_t i = 1; i <= 10; i++) {
		irq_count = 0;
		t->set_cval(start + i * period);
		t->set_ctl(TIMER_ENABLE);
		if (!timer_wait_for(&irq_count, 1000000))
			break;
		gic_settle();
		seen += irq_count;
	}
	report(seen == 10 && !irq_early, "10 periods, 10 interrupts (%u)", (unsigned int)seen);
	report(t->count() - start >= 10 * period, "in 10 periods' time");
	irq_end();
}

/* WFI wakes by an interrupt that CPSR.I masks (B1.8.14), and by one that is taken. */
static void test_wfi(const struct timer *t)
{
	uint64_t due;

	irq_begin();
	due = t->count() + timer_ticks(3000);
	t->set_cval(due);
	t->set_ctl(TIMER_ENABLE);
	while (!(t->ctl() & TIMER_ISTATUS))
		wfi();
	report(t->count() >= due && !irq_count, "WFI with interrupts masked");
	irq_enable();
	gic_settle();
	irq_disable();
	report_eq(irq_count, 1, "the interrupt is still there afterwards");
	irq_enable();
	t->set_tval((uint32_t)timer_ticks(3000));
	t->set_ctl(TIMER_ENABLE);
	while (irq_count == 1)
		wfi();
	report(!irq_early && irq_count == 2, "WFI with interrupts enabled");
	irq_end();
}

/* Where the machine pauses so long that both are due at once, nothing says which comes first. */
static void expect_order(const struct timer *first, const struct timer *second)
{
	irq_begin();
	first->set_tval((uint32_t)timer_ticks(2000));
	second->set_tval((uint32_t)timer_ticks(4000));
	second->set_ctl(TIMER_ENABLE);
	first->set_ctl(TIMER_ENABLE);
	while (irq_count < 2)
		irq_sleep();
	report((irq_both_due || irq_order[0] == first->irq) &&
		       irq_order[0] + irq_order[1] == first->irq + second->irq && !irq_early,
	       "%s timer first, then %s", first->name, second->name);
	irq_end();
}

static uint32_t user_cntvct(uint32_t arg)
{
	return (uint32_t)read_cntvct() * 0 + arg;
}

static uint32_t user_cntpct(uint32_t arg)
{
	return (uint32_t)read_cntpct() * 0 + arg;
}

#define NAPS 10U

/* Nothing but the deadline ends a WFI: what a hypervisor does meanwhile is not seen. */
static void test_naps(const struct timer *t)
{
	uint32_t wakes = 0;

	irq_begin();
	for (uint32_t i = 0; i < NAPS; i++) {
		t->set_cval(t->count() + timer_ticks(30000));
		t->set_ctl(TIMER_ENABLE);
		while (!(t->ctl() & TIMER_ISTATUS)) {
			wfi();
			wakes++;
		}
		irq_enable();
		gic_settle();
		irq_disable();
	}
	irq_end();
	report(wakes <= NAPS, "%u sleeps, %u wake-ups", NAPS, (unsigned int)wakes);
}

static uint32_t user_cntfrq(uint32_t arg)
{
	return read_cntfrq() * 0 + arg;
}

static uint32_t user_cntv(uint32_t arg)
{
	return read_cntv_ctl() * 0 + arg;
}

static uint32_t user_cntp(uint32_t arg)
{
	return read_cntp_ctl() * 0 + arg;
}

/* CNTKCTL (B4.1.26): PL0PCTEN 0, PL0VCTEN 1, PL0VTEN 8, PL0PTEN 9. */
static void test_user(void)
{
	static const struct {
		const char *name;
		uint32_t (*fn)(uint32_t);
		uint32_t enable;
	} regs[] = {
		{"CNTPCT", user_cntpct, BIT(0)}, {"CNTVCT", user_cntvct, BIT(1)}, {"CNTFRQ", user_cntfrq, BIT(1)},
		{"CNTV_CTL", user_cntv, BIT(8)}, {"CNTP_CTL", user_cntp, BIT(9)},
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(regs); i++) {
		uint32_t denied, granted;

		write_cntkctl(0);
		isb();
		exc_expect(EXC_UNDEF);
		user_call(regs[i].fn, 0);
		denied = exc_done()->count;
		write_cntkctl(regs[i].enable);
		isb();
		exc_expect(EXC_UNDEF);
		user_call(regs[i].fn, 0);
		granted = exc_done()->count;
		report(denied == 1 && !granted, "%s in User mode by CNTKCTL", regs[i].name);
	}
	write_cntkctl(0);
}

#define CNTKCTL_EVNTEN   BIT(2)
#define CNTKCTL_EVNTI(n) ((uint32_t)(n) << 4)
#define EVENT_BIT        10 /* an event each 2048 ticks */

/* The event stream (B8.1.6) wakes WFE: no other event comes here. */
static void test_events(void)
{
	uint32_t stream = CNTKCTL_EVNTEN | CNTKCTL_EVNTI(EVENT_BIT);

	write_cntkctl(stream);
	isb();
	for (uint32_t i = 0; i < 100; i++)
		wfe();
	report_eq(read_cntkctl() & 0x3ff, stream, "CNTKCTL, behind 100 WFEs with its event stream");
	write_cntkctl(0);
}

static void test_timer(const struct timer *t)
{
	printf("%s timer\n", t->name);
	test_control(t);
	test_values(t);
	gic_init();
	test_level(t);
	test_acknowledge(t);
	test_interrupt(t);
	test_periodic(t);
	test_wfi(t);
	test_naps(t);
}

void guest_main(void)
{
	test_counters();
	test_offset();
	test_timer(&timer_virt);
	test_timer(&timer_phys);
	expect_order(&timer_virt, &timer_phys);
	expect_order(&timer_phys, &timer_virt);
	test_user();
	test_events();
}
