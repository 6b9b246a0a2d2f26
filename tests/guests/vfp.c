/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VFP and Advanced SIMD: access control (DDI 0406C B1.11), D0-D31 and FPSCR, arithmetic, and that a hypervisor's exits
 * leave them alone. With several CPUs it then goes on until a key is pressed: whoever moves them from one physical CPU
 * to another must take their registers along.
 */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/mmu.h"
#include "tests/guests/lib/pl011.h"
#include "tests/guests/lib/smp.h"
#include "tests/guests/lib/timer.h"

#define CPACR_FULL (UINT32_C(0xf) << 20) /* cp10 and cp11, PL1 and PL0 */
#define CPACR_PL1  (UINT32_C(0x5) << 20)
#define FPEXC_EN   BIT(30)

#define FPSCR_IOC BIT(0)
#define FPSCR_DZC BIT(1)
#define FPSCR_IXC BIT(4)
#define FPSCR_QC  BIT(27)

uint32_t vfp_get_fpexc(void), vfp_get_fpscr(void), vfp_get_mvfr0(void), vfp_get_mvfr1(void), vfp_get_fpsid(void);
void vfp_set_fpexc(uint32_t v), vfp_set_fpscr(uint32_t v);
uint32_t vfp_touch(uint32_t x), neon_touch(uint32_t x), vfp_alias(uint32_t low, uint32_t high);
void vfp_load(const uint64_t d[32]), vfp_store(uint64_t d[32]);
typedef void binary_fn(uint64_t *result, const uint64_t *a, const uint64_t *b);
binary_fn vfp_add, vfp_sub, vfp_mul, vfp_div, vfp_fma;
void vfp_sqrt(uint64_t *result, const uint64_t *a);
uint32_t vfp_to_single(const uint64_t *a), vfp_compare(const uint64_t *a, const uint64_t *b);
int32_t vfp_to_int(const uint64_t *a);
typedef void neon_fn(uint32_t result[4], const uint32_t a[4], const uint32_t b[4]);
neon_fn neon_add, neon_mul, neon_qadd, neon_eor, neon_fadd;
uint32_t vfp_thumb_it(uint32_t x, uint32_t skip);

/* IEEE doubles. */
#define D_0    UINT64_C(0)
#define D_1    UINT64_C(0x3ff0000000000000)
#define D_1_5  UINT64_C(0x3ff8000000000000)
#define D_2    UINT64_C(0x4000000000000000)
#define D_2_25 UINT64_C(0x4002000000000000)
#define D_3    UINT64_C(0x4008000000000000)
#define D_3_75 UINT64_C(0x400e000000000000)
#define D_9    UINT64_C(0x4022000000000000)
#define D_INF  UINT64_C(0x7ff0000000000000)
#define D_NAN  UINT64_C(0x7ff8000000000000)

static void set_cpacr(uint32_t v)
{
	write_cpacr((read_cpacr() & ~CPACR_FULL) | v);
	isb();
}

static bool is_undefined(uint32_t (*fn)(uint32_t), bool user)
{
	exc_expect(EXC_UNDEF);
	if (user)
		user_call(fn, 1);
	else
		fn(1);
	return exc_done()->count;
}

static uint32_t touch_fpexc(uint32_t arg)
{
	return vfp_get_fpexc() * 0 + arg;
}

static void test_access(void)
{
	report_eq(read_cpacr() & CPACR_FULL, 0, "CPACR at entry: no access");
	report(is_undefined(vfp_touch, false) && is_undefined(neon_touch, false), "no access: UNDEFINED");
	report(is_undefined(touch_fpexc, false), "no access: FPEXC UNDEFINED as well");
	set_cpacr(CPACR_FULL);
	report_eq(read_cpacr() & CPACR_FULL, CPACR_FULL, "CPACR reads back");
	vfp_set_fpexc(0);
	report_eq(vfp_get_fpexc() & FPEXC_EN, 0, "FPEXC at PL1 while disabled");
	report(is_undefined(vfp_touch, false) && is_undefined(neon_touch, false), "FPEXC.EN 0: UNDEFINED");
	report(vfp_get_fpsid() >> 24 != 0, "FPSID while disabled");
	vfp_set_fpexc(FPEXC_EN);
	report_eq(vfp_get_fpexc(), FPEXC_EN, "FPEXC.EN 1");
	report(!is_undefined(vfp_touch, false) && !is_undefined(neon_touch, false), "PL1 may");
	report(!is_undefined(vfp_touch, true) && !is_undefined(neon_touch, true), "PL0 may");
	report(is_undefined(touch_fpexc, true), "FPEXC is UNDEFINED in User mode");
	set_cpacr(CPACR_PL1);
	report(!is_undefined(vfp_touch, false) && is_undefined(vfp_touch, true) && is_undefined(neon_touch, true),
	       "PL1 only: UNDEFINED in User mode");
	set_cpacr(CPACR_FULL);
	report_eq(FIELD(vfp_get_mvfr0(), 0, 4), 2, "MVFR0: 32 double registers");
	report(FIELD(vfp_get_mvfr1(), 12, 4) == 1, "MVFR1: Advanced SIMD integer");
	report_eq(vfp_thumb_it(0x1234, 0), 0x1234, "conditional VMOV in Thumb, passing");
	report_eq(vfp_thumb_it(0x5678, 1), 0x1234, "and failing");
}

static void fill(uint64_t d[32], uint64_t seed)
{
	for (uint64_t i = 0; i < 32; i++)
		d[i] = seed * (i + 1) ^ i << 56;
}

static bool same(const uint64_t want[32])
{
	uint64_t got[32];

	vfp_store(got);
	return !memcmp(got, want, sizeof(got));
}

static void test_registers(void)
{
	uint64_t a[32];

	fill(a, UINT64_C(0x0123456789abcdef));
	vfp_load(a);
	report(same(a), "D0-D31 hold what was loaded");
	vfp_set_fpexc(0);
	set_cpacr(0);
	set_cpacr(CPACR_FULL);
	vfp_set_fpexc(FPEXC_EN);
	report(same(a), "and keep it while VFP is disabled");
	report_eq(vfp_alias(0x11111111, 0x22222222), 0, "S2, S3 are D1");
	vfp_set_fpscr(UINT32_C(0xf7c0009f));
	report_eq(vfp_get_fpscr(), UINT32_C(0xf7c0009f), "FPSCR reads back");
	vfp_set_fpscr(0);
}

static void test_arithmetic(void)
{
	static const struct {
		const char *name;
		binary_fn *fn;
		uint64_t a, b, want;
		uint32_t flags;
	} ops[] = {
		{"1.5 + 2.25", vfp_add, D_1_5, D_2_25, D_3_75, 0},
		{"3.75 - 2.25", vfp_sub, D_3_75, D_2_25, D_1_5, 0},
		{"1.5 * 2", vfp_mul, D_1_5, D_2, D_3, 0},
		{"9 / 3", vfp_div, D_9, D_3, D_3, 0},
		{"1 / 3", vfp_div, D_1, D_3, UINT64_C(0x3fd5555555555555), FPSCR_IXC},
		{"1 / 0", vfp_div, D_1, D_0, D_INF, FPSCR_DZC},
		{"0 / 0", vfp_div, D_0, D_0, D_NAN, FPSCR_IOC},
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(ops); i++) {
		uint64_t result;

		vfp_set_fpscr(BIT(25)); /* default NaN */
		ops[i].fn(&result, &ops[i].a, &ops[i].b);
		report(result == ops[i].want && (vfp_get_fpscr() & 0x9f) == ops[i].flags, "%s", ops[i].name);
	}
}

static void test_more_arithmetic(void)
{
	static const uint64_t one = D_1, two = D_2, three = D_3, nine = D_9, nan = D_NAN,
			      pi = UINT64_C(0x400921fb54442d18);
	uint64_t result = D_3;

	vfp_set_fpscr(0);
	vfp_fma(&result, &two, &three);
	report(result == D_9, "VFMA (VFPv4)");
	vfp_sqrt(&result, &nine);
	report(result == D_3, "VSQRT");
	report_eq(vfp_to_single(&pi), UINT32_C(0x40490fdb), "VCVT to single");
	report_eq((uint32_t)vfp_to_int(&pi), 3, "VCVT to integer");
	report(vfp_compare(&one, &two) >> 28 == 0x8 && vfp_compare(&two, &two) >> 28 == 0x6 &&
		       vfp_compare(&two, &one) >> 28 == 0x2 && vfp_compare(&one, &nan) >> 28 == 0x3,
	       "VCMP, flags to APSR");
	vfp_set_fpscr(UINT32_C(1) << 22); /* round towards plus infinity */
	vfp_div(&result, &one, &three);
	report(result == UINT64_C(0x3fd5555555555556), "rounding mode");
	vfp_set_fpscr(0);
}

static void expect_neon(const char *name, neon_fn *fn, const uint32_t a[4], const uint32_t b[4], const uint32_t want[4])
{
	uint32_t got[4];

	fn(got, a, b);
	report(!memcmp(got, want, sizeof(got)), "%s", name);
}

static void test_neon(void)
{
	static const uint32_t a[4] = {1, 0xffffffff, 0x7fffffff, 0x12345678};
	static const uint32_t b[4] = {2, 1, 1, 0x11111111};

	vfp_set_fpscr(0);
	expect_neon("VADD.I32", neon_add, a, b, (uint32_t[]){3, 0, 0x80000000, 0x23456789});
	expect_neon("VMUL.I32", neon_mul, a, b, (uint32_t[]){2, 0xffffffff, 0x7fffffff, 0x12345678U * 0x11111111U});
	expect_neon("VEOR", neon_eor, a, b, (uint32_t[]){3, 0xfffffffe, 0x7ffffffe, 0x03254769});
	report_eq(vfp_get_fpscr() & FPSCR_QC, 0, "QC clear");
	expect_neon("VQADD.S32", neon_qadd, a, b, (uint32_t[]){3, 0, 0x7fffffff, 0x23456789});
	report(vfp_get_fpscr() & FPSCR_QC, "QC set by saturation");
	vfp_set_fpscr(0);
	expect_neon("VADD.F32", neon_fadd, (uint32_t[]){0x3f800000, 0x40000000, 0, 0xbf800000},
		    (uint32_t[]){0x3f800000, 0x3f800000, 0, 0x3f800000}, (uint32_t[]){0x40000000, 0x40400000, 0, 0});
}

static volatile uint32_t irqs;

static void timer_irq(void)
{
	uint32_t iar = read32(CPUIF_IAR);

	timer_virt.set_ctl(0);
	irqs = irqs + 1;
	write32(CPUIF_EOIR, iar);
}

static void exit_hvc(void)
{
	for (unsigned int i = 0; i < 200; i++)
		psci_hvc(PSCI_VERSION, 0, 0, 0);
}

static void exit_mmio(void)
{
	for (unsigned int i = 0; i < 200; i++)
		write32(DIST_IPRIORITYR(10), read32(DIST_TYPER));
	write32(DIST_IPRIORITYR(10), 0);
}

/* An interrupt, with time for other virtual machines to run. */
static void exit_wfi(void)
{
	gic_init();
	gic_enable(timer_virt.irq);
	irqs = 0;
	irq_set_handler(timer_irq);
	timer_virt.set_tval((uint32_t)timer_ticks(5000));
	timer_virt.set_ctl(TIMER_ENABLE);
	while (!irqs)
		irq_sleep();
	irq_set_handler(0);
}

static void exit_cp15(void)
{
	for (unsigned int i = 0; i < 200; i++)
		read_actlr();
}

static void test_exits(void)
{
	static const struct {
		const char *name;
		void (*exit)(void);
	} exits[] = {{"HVC", exit_hvc}, {"MMIO", exit_mmio}, {"WFI and an interrupt", exit_wfi}, {"ACTLR", exit_cp15}};
	uint64_t d[32];

	for (unsigned int i = 0; i < ARRAY_SIZE(exits); i++) {
		fill(d, UINT64_C(0xfedcba9876543211) + i);
		vfp_load(d);
		vfp_set_fpscr(UINT32_C(0xa3000010) + (i << 22));
		exits[i].exit();
		report(same(d) && vfp_get_fpscr() == UINT32_C(0xa3000010) + (i << 22), "D0-D31 and FPSCR survive %s",
		       exits[i].name);
	}
	vfp_set_fpscr(0);
}

#define LOOKS     400U /* a part of a time slice */
#define LEAVES_IT 2U   /* the CPU that never uses the VFP */

static struct barrier barrier;
static uint32_t rounds[GUEST_CPUS], lost[GUEST_CPUS];
static volatile bool stop;

/*
 * Other contents in every round, so that what was saved at an earlier switch shows. One CPU leaves the VFP alone: where
 * it comes next, no vCPU's registers are saved because another's are wanted.
 */
static void keep_registers(void *arg)
{
	uint32_t cpu = read_mpidr() & 7, fpscr;
	uint64_t d[32];

	(void)arg;
	set_cpacr(CPACR_FULL);
	vfp_set_fpexc(FPEXC_EN);
	barrier_wait(&barrier, smp_count());
	while (cpu == LEAVES_IT && !stop)
		;
	for (; !stop; rounds[cpu]++) {
		fill(d, UINT64_C(0x0123456789abcdef) * (rounds[cpu] + 1) + cpu);
		fpscr = UINT32_C(0xa3000010) + ((rounds[cpu] & 3) << 22);
		vfp_load(d);
		vfp_set_fpscr(fpscr);
		for (uint32_t look = 0; look < LOOKS; look++)
			lost[cpu] += !same(d) || vfp_get_fpscr() != fpscr;
		if (cpu == 0 && !(read32(UARTFR) & FR_RXFE))
			stop = true;
	}
}

static void test_moves(void)
{
	printf("vfp: until a key is pressed\n");
	mmu_short_init();
	mmu_short_on();
	smp_run_all(keep_registers, 0);
	for (uint32_t cpu = 0; cpu < smp_count(); cpu++)
		report(!rounds[cpu] == (cpu == LEAVES_IT) && !lost[cpu],
		       "cpu %u: D0-D31 and FPSCR in %u rounds, lost %u times", (unsigned int)cpu,
		       (unsigned int)rounds[cpu], (unsigned int)lost[cpu]);
}

void guest_main(void)
{
	test_access();
	test_registers();
	test_arithmetic();
	test_more_arithmetic();
	test_neon();
	test_exits();
	if (smp_count() > 1)
		test_moves();
}
