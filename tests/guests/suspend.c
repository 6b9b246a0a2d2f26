/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPU_SUSPEND and SYSTEM_SUSPEND (DEN 0022D 5.4, 5.20): standby and power-down, woken by the timer, by an SGI from
 * another CPU and by a key. A machine may treat a power-down as a standby and return (5.4.3); QEMU's does, and has no
 * SYSTEM_SUSPEND. What PSCI_FEATURES says is missing is reported as such.
 *
 * All CPUs run with the MMU off: memory is Strongly-ordered, so that a CPU that lost its state needs nothing to see it.
 */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/pl011.h"
#include "tests/guests/lib/smp.h"
#include "tests/guests/lib/timer.h"

#define PSCI_SYSTEM_SUSPEND  UINT32_C(0x8400000e)
#define PSCI_INVALID_ADDRESS UINT32_C(0xfffffff7)
#define STANDBY              0U
#define HOLE                 UINT32_C(0x0b000000)
#define WAKE_US              3000U
#define UART_SPI             33U

/* Where a power-down finds its way back. The assembly below knows the offsets. */
struct frame {
	uint32_t sp, vbar, tpidrprw;
	uint32_t resumed; /* came back through the entry */
	uint32_t r0, cpsr, sctlr, cpacr, ttbcr;
};

static struct frame frames[GUEST_CPUS];
static uint32_t count, power_down = BIT(16);

uint32_t suspend(uint32_t function, uint32_t a1, uint32_t a2, uint32_t a3, struct frame *frame);
void suspend_entry(void);

/*
 * uint32_t suspend(...): the call, between saving what C wants kept and getting it back, whichever way it returns.
 * suspend_entry: r0 = struct frame, nothing else is known.
 */
__asm__(".syntax unified\n"
	".arch_extension virt\n"
	".arm\n"
	".text\n"
	".global suspend\n"
	"suspend:\n"
	"	push	{r4-r11, lr}\n"
	"	ldr	r12, [sp, #36]\n"
	"	str	sp, [r12]\n"
	"	mrc	p15, 0, r4, c12, c0, 0\n"
	"	str	r4, [r12, #4]\n"
	"	mrc	p15, 0, r4, c13, c0, 4\n"
	"	str	r4, [r12, #8]\n"
	"	mov	r4, #0\n"
	"	str	r4, [r12, #12]\n"
	"	mov	r4, #0x44\n"
	"	mov	r11, #0xbb\n"
	"	dsb\n"
	"	hvc	#0\n"
	"	cmp	r4, #0x44\n"
	"	cmpeq	r11, #0xbb\n"
	"	movne	r0, #0x77\n"
	"	pop	{r4-r11, pc}\n"
	".global suspend_entry\n"
	"suspend_entry:\n"
	"	str	r0, [r0, #16]\n"
	"	mrs	r1, cpsr\n"
	"	str	r1, [r0, #20]\n"
	"	mrc	p15, 0, r1, c1, c0, 0\n"
	"	str	r1, [r0, #24]\n"
	"	mrc	p15, 0, r1, c1, c0, 2\n"
	"	str	r1, [r0, #28]\n"
	"	mrc	p15, 0, r1, c2, c0, 2\n"
	"	str	r1, [r0, #32]\n"
	"	mov	r1, #1\n"
	"	str	r1, [r0, #12]\n"
	"	ldr	r1, [r0, #4]\n"
	"	mcr	p15, 0, r1, c12, c0, 0\n"
	"	ldr	r1, [r0, #8]\n"
	"	mcr	p15, 0, r1, c13, c0, 4\n"
	"	isb\n"
	"	ldr	sp, [r0]\n"
	"	mov	r0, #0\n"
	"	pop	{r4-r11, pc}\n");

static struct frame *self_frame(void)
{
	return &frames[this_cpu()->index];
}

static uint32_t cpu_suspend(uint32_t state, uint32_t entry)
{
	return suspend(PSCI_CPU_SUSPEND, state, entry, (uint32_t)self_frame(), self_frame());
}

static void timer_wake_in(uint32_t us)
{
	gic_cpu_init();
	gic_enable(timer_virt.irq);
	timer_virt.set_cval(timer_virt.count() + timer_ticks(us));
	timer_virt.set_ctl(TIMER_ENABLE);
}

/* Whether the deadline has passed; a CPU that came out of a power-down may have lost its timer. */
static bool timer_end(uint64_t start, uint32_t us)
{
	bool late = timer_virt.count() - start >= timer_ticks(us);

	timer_virt.set_ctl(0);
	gic_disable(timer_virt.irq);
	return late;
}

/* Take what is pending: the interface may be as after reset. */
static uint32_t take(void)
{
	uint32_t iar;

	write32(CPUIF_PMR, 0xff);
	write32(CPUIF_CTLR, GICC_CTLR_GRP0);
	gic_settle();
	iar = read32(CPUIF_IAR);
	if ((iar & 0x3ff) < GIC_SPURIOUS)
		write32(CPUIF_EOIR, iar);
	return iar & 0x3ff;
}

static void check_reset_state(const char *what)
{
	const struct frame *f = self_frame();

	report(f->r0 == (uint32_t)f, "%s: context id in r0", what);
	report((f->cpsr & (PSR_MODE | PSR_A | PSR_I | PSR_F | PSR_E | PSR_T)) == (MODE_SVC | PSR_A | PSR_I | PSR_F),
	       "%s: CPSR %08x", what, (unsigned int)f->cpsr);
	report((f->sctlr & (SCTLR_M | SCTLR_C | SCTLR_I | SCTLR_V | SCTLR_EE | SCTLR_TE)) == 0 && f->ttbcr == 0 &&
		       (f->cpacr & UINT32_C(0x00f00000)) == 0,
	       "%s: SCTLR %08x, TTBCR %08x, CPACR %08x", what, (unsigned int)f->sctlr, (unsigned int)f->ttbcr,
	       (unsigned int)f->cpacr);
}

static void test_features(void)
{
	uint32_t flags = psci_hvc(PSCI_FEATURES, PSCI_CPU_SUSPEND, 0, 0);

	report((flags & ~UINT32_C(3)) == 0, "PSCI_FEATURES(CPU_SUSPEND) is %x: %s power_state format",
	       (unsigned int)flags, flags & 2 ? "the extended" : "the original");
	if (flags & 2)
		power_down = BIT(30);
}

static void test_standby(void)
{
	for (uint32_t n = 0; n < 10; n++) {
		uint64_t start = timer_virt.count();
		uint32_t result, times = 0;
		bool late;

		timer_wake_in(WAKE_US);
		do /* 5.4.3: it may also wake without cause */
			result = cpu_suspend(STANDBY, 0);
		while (result == 0 && timer_virt.count() - start < timer_ticks(WAKE_US) && ++times < 1000);
		late = timer_end(start, WAKE_US);
		if (n && result == 0 && late && times < 100)
			continue;
		report(result == 0 && late && times < 100,
		       "standby: SUCCESS when the timer fires (%x, %u returns before)", (unsigned int)result,
		       (unsigned int)times);
		report(!self_frame()->resumed, "standby: returns behind the call");
	}
}

/* True: it went through the entry. */
static bool power_down_until_timer(const char *what)
{
	uint64_t start = timer_virt.count();
	uint32_t result;

	timer_wake_in(WAKE_US);
	write_cpacr(UINT32_C(0x00f00000)); /* something to lose */
	result = cpu_suspend(power_down, (uint32_t)suspend_entry);
	report(result == 0 && timer_end(start, WAKE_US), "%s: over when the timer fires (%x)", what,
	       (unsigned int)result);
	return quirk(self_frame()->resumed, "psci-suspend-wfi", "%s: comes back through its entry", what);
}

static void test_power_down(void)
{
	struct frame *f = self_frame();
	uint32_t result;

	if (power_down_until_timer("power-down"))
		check_reset_state("power-down");
	if (power_down_until_timer("a second one"))
		check_reset_state("a second one");

	/* 5.4.3: with a wake-up pending already, either way back is right; to hang is not. */
	gic_cpu_init();
	write32(DIST_SGIR, 2U << 24 | 7);
	gic_settle();
	result = cpu_suspend(power_down, (uint32_t)suspend_entry);
	report(result == 0, "power-down with an interrupt pending comes back, by the %s",
	       f->resumed ? "entry" : "return");
	report(take() == 7, "and the interrupt is there to be taken");
	report(take() == GIC_SPURIOUS, "once");
}

/*
 * A timer that fired with interrupts masked and was stopped then is a level that has fallen: no wake-up event (IHI
 * 0048B 1.4.2). Only the other timer's deadline ends the suspend.
 */
static void test_fallen_timer(uint32_t state, const char *what)
{
	uint64_t start;
	uint32_t result;

	timer_wake_in(0);
	timer_delay(2000);
	timer_virt.set_ctl(0);
	gic_enable(timer_phys.irq);
	start = timer_virt.count();
	timer_phys.set_cval(timer_phys.count() + timer_ticks(WAKE_US));
	timer_phys.set_ctl(TIMER_ENABLE);
	result = cpu_suspend(state, (uint32_t)suspend_entry);
	report(result == 0 && timer_end(start, WAKE_US), "%s: not ended by a timer that was stopped (%x)", what,
	       (unsigned int)result);
	timer_phys.set_ctl(0);
	gic_disable(timer_phys.irq);
}

/* Each with an interrupt pending, for the machine that does not look at the argument. */
static void test_parameters(void)
{
	uint32_t result;

	gic_cpu_init();
	write32(DIST_SGIR, 2U << 24 | 7);
	gic_settle();
	result = cpu_suspend(power_down, HOLE);
	quirk(result == PSCI_INVALID_ADDRESS, "psci-suspend-wfi",
	      "power-down with an entry outside RAM: INVALID_ADDRESS (%x)", (unsigned int)result);
	result = cpu_suspend(BIT(31), (uint32_t)suspend_entry);
	report(result == PSCI_INVALID, "a reserved bit of power_state: INVALID_PARAMETERS (%x)", (unsigned int)result);
	take();
}

/* Another CPU sleeps, CPU 0 wakes it. */
static volatile uint32_t asleep, woken, take_got, via_entry;

static void sleeper(void *arg)
{
	gic_cpu_init();
	asleep = 1;
	do
		cpu_suspend((uint32_t)arg, (uint32_t)suspend_entry);
	while (!(read32(DIST_CPENDSGIR(0)) & UINT32_C(0xff0000)) && !(read32(CPUIF_HPPIR) == 2));
	via_entry = self_frame()->resumed;
	take_got = take();
	woken = 1;
}

static bool wait_word(const volatile uint32_t *word, const char *what)
{
	if (timer_wait_for(word, 2000000))
		return true;
	report(false, "%s", what);
	guest_exit();
}

static void wake_by_sgi(uint32_t cpu, uint32_t state, const char *what)
{
	asleep = woken = 0;
	report_eq(smp_boot(cpu, sleeper, (void *)state), 0, "CPU_ON of the sleeper");
	wait_word(&asleep, "the sleeper starts");
	timer_delay(5000);
	report(psci_hvc(PSCI_AFFINITY_INFO, cpu, 0, 0) == 0, "cpu %u in %s is ON", (unsigned int)cpu, what);
	report(psci_hvc(PSCI_CPU_ON, cpu, (uint32_t)suspend_entry, 0) == PSCI_ALREADY_ON, "and ALREADY_ON for CPU_ON");
	report(!woken, "and asleep");
	write32(DIST_SGIR, BIT(16 + cpu) | 2);
	wait_word(&woken, "an SGI wakes a suspended CPU");
	report(take_got == 2, "cpu %u in %s: woken by the SGI, which is there to be taken (%u)", (unsigned int)cpu,
	       what, (unsigned int)take_got);
	if (state != STANDBY)
		quirk(via_entry, "psci-suspend-wfi", "and through its entry");
	smp_wait_off(cpu);
}

/* Its own timer wakes a suspended CPU, also while another one keeps busy (and shares its physical CPU, perhaps). */
static volatile uint32_t slept;

static void timed_sleeper(void *arg)
{
	uint64_t start = timer_virt.count();

	timer_wake_in(WAKE_US);
	asleep = 1;
	do
		cpu_suspend((uint32_t)arg, (uint32_t)suspend_entry);
	while (timer_virt.count() - start < timer_ticks(WAKE_US));
	timer_virt.set_ctl(0);
	slept = 1;
}

static void wake_by_timer(uint32_t cpu, uint32_t state, const char *what)
{
	asleep = slept = 0;
	report_eq(smp_boot(cpu, timed_sleeper, (void *)state), 0, "CPU_ON of the sleeper");
	wait_word(&asleep, "the sleeper starts");
	report(timer_wait_for(&slept, 2000000), "cpu %u in %s: woken by its timer while cpu 0 is busy",
	       (unsigned int)cpu, what);
	if (!slept)
		guest_exit();
	smp_wait_off(cpu);
}

static void test_others(void)
{
	if (count == 1)
		printf("one CPU: no other to wake it by an SGI\n");
	for (uint32_t cpu = 1; cpu < count; cpu++) {
		wake_by_sgi(cpu, STANDBY, "standby");
		wake_by_sgi(cpu, power_down, "power-down");
		wake_by_timer(cpu, STANDBY, "standby");
		wake_by_timer(cpu, power_down, "power-down");
	}
}

static volatile uint32_t stay = 1;

static void stay_on(void *arg)
{
	(void)arg;
	asleep = 1;
	while (stay)
		;
}

static uint32_t system_suspend(void)
{
	return suspend(PSCI_SYSTEM_SUSPEND, (uint32_t)suspend_entry, (uint32_t)self_frame(), 0, self_frame());
}

/* 5.20: every other CPU must be off. A key is the console's interrupt, an SPI; the harness presses it when asked. */
static void test_system_suspend(void)
{
	uint64_t start;
	uint32_t result;

	if (!quirk(psci_hvc(PSCI_FEATURES, PSCI_SYSTEM_SUSPEND, 0, 0) == 0, "psci-no-system-suspend",
		   "PSCI_FEATURES(SYSTEM_SUSPEND): supported"))
		return;
	if (count > 1) {
		asleep = 0;
		smp_boot(1, stay_on, NULL);
		wait_word(&asleep, "cpu 1 starts");
		report_eq(system_suspend(), PSCI_DENIED, "SYSTEM_SUSPEND while another CPU is on is DENIED");
		stay = 0;
		smp_wait_off(1);
	}
	report_eq(suspend(PSCI_SYSTEM_SUSPEND, HOLE, 0, 0, self_frame()), PSCI_INVALID_ADDRESS,
		  "SYSTEM_SUSPEND with an entry outside RAM");

	start = timer_virt.count();
	timer_wake_in(WAKE_US);
	result = system_suspend();
	report(result == 0 && self_frame()->resumed && timer_end(start, WAKE_US),
	       "SYSTEM_SUSPEND until the timer fires (%x)", (unsigned int)result);
	check_reset_state("SYSTEM_SUSPEND");

	gic_cpu_init();
	gic_target_self(UART_SPI);
	gic_enable(UART_SPI);
	write32(UARTIMSC, INT_RX | INT_RT);
	printf("suspend: press a key\n");
	result = system_suspend();
	report(result == 0 && self_frame()->resumed, "SYSTEM_SUSPEND until a key (%x)", (unsigned int)result);
	report(take() == UART_SPI, "and the console's interrupt is there to be taken");
	report((read32(UARTDR) & 0xff) == 'k', "and the key");
	write32(UARTIMSC, 0);
}

void guest_main(void)
{
	count = smp_count();
	printf("suspend: %u CPUs\n", (unsigned int)count);
	gic_init();
	test_features();
	test_standby();
	test_power_down();
	test_fallen_timer(STANDBY, "standby");
	test_fallen_timer(power_down, "power-down");
	test_parameters();
	test_others();
	gic_init();
	test_system_suspend();
}
