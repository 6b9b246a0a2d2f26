/* SPDX-License-Identifier: BSD-2-Clause */
/* PSCI as a guest sees it, by HVC (DEN 0022D 5.1) and the calling convention under it (DEN 0028). */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"

uint32_t hvc_with_registers(uint32_t regs[13], uint32_t flags);

static void test_version(void)
{
	uint32_t version = psci_hvc(PSCI_VERSION, 0, 0, 0);

	report(version >> 16 <= 1 && version >= 2, "PSCI_VERSION is 0.2 or a 1.x (%u.%u)",
	       (unsigned int)(version >> 16), (unsigned int)(version & 0xffff));
	report_eq(psci_hvc(PSCI_VERSION, 1, 2, 3), version, "PSCI_VERSION ignores r1-r3");
	report(psci_hvc(PSCI_MIGRATE_TYPE, 0, 0, 0) == 2, "MIGRATE_INFO_TYPE: no trusted OS to migrate");
}

/* 5.15.2: bit 31 set is NOT_SUPPORTED; otherwise flags, which for all but CPU_SUSPEND are 0. */
static void test_features(void)
{
	static const uint32_t mandatory[] = {PSCI_VERSION,    PSCI_CPU_OFF,      PSCI_CPU_ON,  PSCI_AFFINITY_INFO,
					     PSCI_SYSTEM_OFF, PSCI_SYSTEM_RESET, PSCI_FEATURES};

	if (psci_hvc(PSCI_VERSION, 0, 0, 0) < BIT(16))
		return; /* PSCI_FEATURES came with 1.0 */
	for (unsigned int i = 0; i < ARRAY_SIZE(mandatory); i++)
		report(psci_hvc(PSCI_FEATURES, mandatory[i], 0, 0) == 0, "PSCI_FEATURES(%08x)",
		       (unsigned int)mandatory[i]);
	report(!(psci_hvc(PSCI_FEATURES, PSCI_CPU_SUSPEND, 0, 0) & BIT(31)), "PSCI_FEATURES(CPU_SUSPEND)");
	report_eq(psci_hvc(PSCI_FEATURES, UINT32_C(0x8400001f), 0, 0), PSCI_NOT_SUPPORTED, "PSCI_FEATURES(unknown)");
	report_eq(psci_hvc(PSCI_FEATURES, 0, 0, 0), PSCI_NOT_SUPPORTED, "PSCI_FEATURES(0)");
}

/* DEN 0028 5.2: an unknown function identifier returns -1; so does a 64-bit one from AArch32. */
static void test_unknown(void)
{
	static const uint32_t unknown[] = {UINT32_C(0x8400001f), UINT32_C(0x840000ff), UINT32_C(0xc400001f),
					   UINT32_C(0x8400ffff), PSCI_CPU_ON_64};

	for (unsigned int i = 0; i < ARRAY_SIZE(unknown); i++) {
		exc_expect(EXC_UNDEF);
		uint32_t result = psci_hvc(unknown[i], 0, 0, 0);
		const struct exc_record *seen = exc_done();

		report(!seen->count && result == PSCI_NOT_SUPPORTED, "function %08x is NOT_SUPPORTED",
		       (unsigned int)unknown[i]);
	}
}

static void test_affinity(void)
{
	uint32_t self = read_mpidr() & 0xffffff;

	report_eq(psci_hvc(PSCI_AFFINITY_INFO, self, 0, 0), 0, "AFFINITY_INFO of the running CPU is ON");
	report_eq(psci_hvc(PSCI_AFFINITY_INFO, UINT32_C(0x00ffff7f), 0, 0), PSCI_INVALID,
		  "AFFINITY_INFO of no CPU is INVALID_PARAMETERS");
	report_eq(psci_hvc(PSCI_CPU_ON, self, (uint32_t)guest_main, 0), PSCI_ALREADY_ON,
		  "CPU_ON of the running CPU is ALREADY_ON");
	report_eq(psci_hvc(PSCI_CPU_ON, UINT32_C(0x00ffff7f), (uint32_t)guest_main, 0), PSCI_INVALID,
		  "CPU_ON of no CPU is INVALID_PARAMETERS");
}

/* DEN 0028 2.6: r4-r14 and the PSR survive a call. */
static void test_registers(void)
{
	for (uint32_t flags = 0; flags < 16; flags += 5) {
		uint32_t regs[13], bad = 0, out;

		for (uint32_t i = 0; i < 13; i++)
			regs[i] = UINT32_C(0x11111111) * i;
		regs[0] = PSCI_VERSION;
		out = hvc_with_registers(regs, flags << 28) & UINT32_C(0xf8000000);
		for (uint32_t i = 4; i < 13; i++)
			if (regs[i] != UINT32_C(0x11111111) * i)
				bad |= BIT(i);
		report(!bad && out == flags << 28, "HVC keeps r4-r12 and the flags (%x)", (unsigned int)flags);
	}
}

/* B9.3.4: HVC is UNDEFINED in User mode. */
static uint32_t hvc_in_user(uint32_t arg)
{
	return psci_hvc(PSCI_VERSION, arg, 0, 0);
}

static void test_user(void)
{
	const struct exc_record *seen;
	uint32_t r;

	exc_expect(EXC_UNDEF);
	r = user_call(hvc_in_user, 0);
	seen = exc_done();
	report(seen->count == 1 && (seen->spsr & PSR_MODE) == MODE_USR && r == PSCI_VERSION,
	       "HVC in User mode is UNDEFINED");
}

/*
 * SMC can be conditional, HVC not (B9.3.14, B9.3.4: UNPREDICTABLE). A machine without the Security Extensions has no
 * SMC: UNDEFINED; one that has it serves it as HVC is served.
 */
static void test_smc(void)
{
	uint32_t want = psci_hvc(PSCI_VERSION, 0, 0, 0);
	uint32_t r = PSCI_VERSION;
	uint32_t got;

	exc_expect(EXC_UNDEF);
	got = psci_smc(PSCI_VERSION, 0, 0, 0);
	if (exc_done()->count)
		report(got == PSCI_VERSION, "SMC is UNDEFINED and changes no register");
	else
		report_eq(got, want, "SMC answers like HVC");
	exc_expect(EXC_UNDEF);
	__asm__ volatile(".arch_extension sec\n"
			 "mov	r0, %0\n"
			 "cmp	r0, r0\n"
			 "smcne	#0\n"
			 "mov	%0, r0"
			 : "+r"(r)
			 :
			 : "r0", "r1", "r2", "r3", "cc", "memory");
	report(!exc_done()->count && r == PSCI_VERSION, "an SMC whose condition fails does nothing");
}

/* DEN 0022D 5.4: a standby CPU_SUSPEND returns SUCCESS when an interrupt is pending, masked or not. */
static void test_suspend(void)
{
	write_cntv_tval(0);
	write_cntv_ctl(1);
	write32(DIST_CTLR, 1);
	write32(DIST_ISENABLER(0), BIT(MACHINE_PPI_TIMER_VIRT));
	write32(CPUIF_PMR, 0xff);
	write32(CPUIF_CTLR, 1);
	report_eq(psci_hvc(PSCI_CPU_SUSPEND, 0, 0, 0), 0, "CPU_SUSPEND to standby wakes by a pending interrupt");
	write_cntv_ctl(0);
}

void guest_main(void)
{
	test_version();
	test_features();
	test_unknown();
	test_affinity();
	test_registers();
	test_user();
	test_smc();
	test_suspend();
}
