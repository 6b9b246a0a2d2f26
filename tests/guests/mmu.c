/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory system as an operating system uses it: the virtual memory registers, MMU and caches on and off in short
 * and in long descriptors, faults and their registers (DDI 0406C B3.13), address translation operations, instruction
 * memory, and data that must survive caches being turned off by set/way.
 *
 * The fault cases map the same scratch RAM at addresses from MMU_WINDOW on, each slot with its own attributes.
 */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/mmu.h"

#define SCRATCH   UINT32_C(0x41000000) /* above the image, below the device tree of a 64 MiB machine */
#define HOLE      UINT32_C(0x0b000000) /* no device of mach-virt */
#define ARM_BX_LR UINT32_C(0xe12fff1e)

#define DFSR_WNR  BIT(11)
#define DFSR_LPAE BIT(9)

enum access { READ, WRITE, USER_READ, USER_WRITE, FETCH };

static const char *const access_names[] = {"read", "write", "read as User", "write as User", "fetch"};

static void do_access(enum access access, uint32_t va)
{
	switch (access) {
	case READ:
		read32(va);
		break;
	case WRITE:
		write32(va, ARM_BX_LR);
		break;
	case USER_READ:
		__asm__ volatile("ldrt r0, [%0]" : : "r"(va) : "r0", "memory");
		break;
	case USER_WRITE:
		__asm__ volatile("strt %0, [%1]" : : "r"(ARM_BX_LR), "r"(va) : "memory");
		break;
	case FETCH:
		__asm__ volatile("blx %0" : : "r"(va) : "lr", "memory");
		break;
	}
}

/* 0: the access works; else the status that DFSR or IFSR must show. */
#define OK 0U

struct fault_case {
	const char *name;
	uint32_t va;
	enum access access;
	uint32_t status;
};

/* FS in bits 10 and 3:0, or STATUS in 5:0 with the LPAE bit; WnR only in DFSR; the domain and ExT not here. */
static void test_fault(const struct fault_case *c, uint32_t mask)
{
	uint32_t type = c->access == FETCH ? EXC_PABT : EXC_DABT;
	bool write = c->access == WRITE || c->access == USER_WRITE;
	const struct exc_record *seen;
	uint32_t want = c->status;

	write_dfsr(0);
	write_ifsr(0);
	exc_expect(type);
	do_access(c->access, c->va);
	seen = exc_done();
	if (c->status == OK) {
		report(!seen->count, "%s: %s works", c->name, access_names[c->access]);
		return;
	}
	if (mask & DFSR_LPAE)
		want |= DFSR_LPAE;
	if (type == EXC_DABT)
		mask |= DFSR_WNR;
	if (write)
		want |= DFSR_WNR;
	if (!report(seen->count == 1 && (seen->fsr & mask) == want && seen->far == c->va, "%s: %s faults", c->name,
		    access_names[c->access]))
		printf("  count %u, fsr %08x, want %08x, far %08x, want %08x\n", (unsigned int)seen->count,
		       (unsigned int)seen->fsr, (unsigned int)want, (unsigned int)seen->far, (unsigned int)c->va);
}

/* The window's slots, 2 MiB each, so that a slot is two sections or one block. */
#define SLOT(n)  (MMU_WINDOW + MIB(2) * (n))
#define RW       SLOT(0)
#define RO       SLOT(1)
#define PRIV     SLOT(2)
#define USER_RO  SLOT(3) /* short only: PL1 may write */
#define DOMAIN1  SLOT(4) /* short only */
#define XN       SLOT(5)
#define PXN      SLOT(6)
#define NONE     SLOT(7)
#define DEV_HOLE SLOT(8)
#define WALK     SLOT(9) /* its second-level (long: third-level) table lies in the hole */
#define PAGES    SLOT(10)
#define ACCESS0  SLOT(11) /* access flag 0 */
#define NC       SLOT(12) /* not cacheable */
#define P(n)     (PAGES + KIB(4) * (n))
#define L1_NONE  UINT32_C(0xd0000000)

static void map_short(void)
{
	uint32_t ram = SCRATCH | SECT | SECT_NORMAL;
	uint32_t page = SCRATCH | PAGE | PAGE_NORMAL;

	mmu_short_section(RW, ram | SECT_AP_P | SECT_AP_U);
	mmu_short_section(RO, ram | SECT_AP_RO | SECT_AP_P | SECT_AP_U);
	mmu_short_section(PRIV, ram | SECT_AP_P);
	mmu_short_section(USER_RO, ram | SECT_AP_U);
	mmu_short_section(DOMAIN1, ram | SECT_DOM(1U) | SECT_AP_P | SECT_AP_U);
	mmu_short_section(XN, ram | SECT_XN | SECT_AP_P | SECT_AP_U);
	mmu_short_section(PXN, ram | SECT_PXN | SECT_AP_P | SECT_AP_U);
	mmu_short_section(NONE, 0);
	mmu_short_section(DEV_HOLE, HOLE | SECT | SECT_DEVICE | SECT_AP_P | SECT_AP_U);
	mmu_short_section(WALK, HOLE | 1U);
	mmu_short_section(NC, SCRATCH | SECT | SECT_NC | SECT_AP_P | SECT_AP_U);
	mmu_short_page(P(0), page | PAGE_AP_P | PAGE_AP_U);
	mmu_short_page(P(1), 0);
	mmu_short_page(P(2), page | PAGE_AP_RO | PAGE_AP_P | PAGE_AP_U);
	mmu_short_page(P(3), page | PAGE_XN | PAGE_AP_P | PAGE_AP_U);
	mmu_short_page(P(4), page | PAGE_AP_P);
	mmu_short_page(P(5), page);
}

/* Short descriptors' FS encodings, table B3-23. */
static const struct fault_case short_faults[] = {
	{"section", RW, READ, OK},
	{"section", RW, WRITE, OK},
	{"section", RW, USER_READ, OK},
	{"section", RW, FETCH, OK},
	{"no section", NONE, READ, 0x5},
	{"no section", NONE + 4, WRITE, 0x5},
	{"no section", NONE, USER_READ, 0x5},
	{"no section", NONE + 8, FETCH, 0x5},
	{"no section", L1_NONE, READ, 0x5},
	{"page", P(0), READ, OK},
	{"page", P(0), USER_WRITE, OK},
	{"page", P(0), FETCH, OK},
	{"no page", P(1) + 12, READ, 0x7},
	{"no page", P(1), WRITE, 0x7},
	{"no page", P(1), FETCH, 0x7},
	{"read-only section", RO, READ, OK},
	{"read-only section", RO, WRITE, 0xd},
	{"read-only section", RO, USER_READ, OK},
	{"read-only section", RO, USER_WRITE, 0xd},
	{"read-only page", P(2), READ, OK},
	{"read-only page", P(2), WRITE, 0xf},
	{"read-only page", P(2), FETCH, OK},
	{"PL1 section", PRIV, WRITE, OK},
	{"PL1 section", PRIV, USER_READ, 0xd},
	{"PL1 section", PRIV, USER_WRITE, 0xd},
	{"PL1 page", P(4), READ, OK},
	{"PL1 page", P(4), USER_READ, 0xf},
	{"PL1 page", P(4), USER_WRITE, 0xf},
	{"PL0 read-only section", USER_RO, WRITE, OK},
	{"PL0 read-only section", USER_RO, USER_READ, OK},
	{"PL0 read-only section", USER_RO, USER_WRITE, 0xd},
	{"no-access page", P(5), READ, 0xf},
	{"no-access page", P(5), WRITE, 0xf},
	{"XN section", XN, READ, OK},
	{"XN section", XN, FETCH, 0xd},
	{"XN page", P(3), READ, OK},
	{"XN page", P(3), FETCH, 0xf},
	{"PXN section", PXN, READ, OK},
	{"PXN section", PXN, FETCH, 0xd},
	{"domain without access", DOMAIN1, READ, 0x9},
	{"domain without access", DOMAIN1, WRITE, 0x9},
	{"domain without access", DOMAIN1, FETCH, 0x9},
	{"nothing at the address", DEV_HOLE + 0x40, READ, 0x8},
	{"nothing at the address", DEV_HOLE, WRITE, 0x8},
	{"nothing at the address", DEV_HOLE + 0x100, FETCH, 0x8},
	{"table in nowhere", WALK, READ, 0xe},
	{"table in nowhere", WALK + 4, WRITE, 0xe},
	{"table in nowhere", WALK, FETCH, 0xe},
};

static void map_long(void)
{
	uint64_t ram = SCRATCH | LONG_BLOCK | LONG_NORMAL | LONG_AF;
	uint64_t page = SCRATCH | LONG_PAGE | LONG_NORMAL | LONG_AF;

	mmu_long_block(RW, ram | LONG_AP_U);
	mmu_long_block(RO, ram | LONG_AP_RO | LONG_AP_U);
	mmu_long_block(PRIV, ram);
	mmu_long_block(XN, ram | LONG_XN | LONG_AP_U);
	mmu_long_block(PXN, ram | LONG_PXN | LONG_AP_U);
	mmu_long_block(NONE, 0);
	mmu_long_block(DEV_HOLE, HOLE | LONG_BLOCK | LONG_DEVICE | LONG_AF | LONG_AP_U);
	mmu_long_block(WALK, HOLE | UINT64_C(3));
	mmu_long_block(ACCESS0, (ram & ~LONG_AF) | LONG_AP_U);
	mmu_long_block(NC, SCRATCH | LONG_BLOCK | LONG_NC | LONG_AF | LONG_AP_U);
	mmu_long_page(P(0), page | LONG_AP_U);
	mmu_long_page(P(1), 0);
	mmu_long_page(P(2), page | LONG_AP_RO | LONG_AP_U);
	mmu_long_page(P(3), page | LONG_XN | LONG_AP_U);
	mmu_long_page(P(4), page);
	mmu_long_page(P(5), (page & ~LONG_AF) | LONG_AP_U);
}

/* Long descriptors' STATUS encodings, table B3-24: the low two bits are the level. */
static const struct fault_case long_faults[] = {
	{"block", RW, READ, OK},
	{"block", RW, WRITE, OK},
	{"block", RW, USER_READ, OK},
	{"block", RW, FETCH, OK},
	{"no first-level entry", L1_NONE, READ, 0x5},
	{"no first-level entry", L1_NONE, WRITE, 0x5},
	{"no first-level entry", L1_NONE, FETCH, 0x5},
	{"no block", NONE, READ, 0x6},
	{"no block", NONE + 4, USER_WRITE, 0x6},
	{"no block", NONE, FETCH, 0x6},
	{"page", P(0), READ, OK},
	{"page", P(0), USER_WRITE, OK},
	{"page", P(0), FETCH, OK},
	{"no page", P(1) + 12, READ, 0x7},
	{"no page", P(1), WRITE, 0x7},
	{"no page", P(1), FETCH, 0x7},
	{"access flag of a block", ACCESS0, READ, 0xa},
	{"access flag of a block", ACCESS0, WRITE, 0xa},
	{"access flag of a page", P(5), READ, 0xb},
	{"access flag of a page", P(5), FETCH, 0xb},
	{"read-only block", RO, READ, OK},
	{"read-only block", RO, WRITE, 0xe},
	{"read-only block", RO, USER_WRITE, 0xe},
	{"read-only page", P(2), READ, OK},
	{"read-only page", P(2), WRITE, 0xf},
	{"PL1 block", PRIV, WRITE, OK},
	{"PL1 block", PRIV, USER_READ, 0xe},
	{"PL1 page", P(4), WRITE, OK},
	{"PL1 page", P(4), USER_READ, 0xf},
	{"PL1 page", P(4), USER_WRITE, 0xf},
	{"XN block", XN, READ, OK},
	{"XN block", XN, FETCH, 0xe},
	{"XN page", P(3), FETCH, 0xf},
	{"PXN block", PXN, READ, OK},
	{"PXN block", PXN, FETCH, 0xe},
	{"nothing at the address", DEV_HOLE + 0x40, READ, 0x10},
	{"nothing at the address", DEV_HOLE, WRITE, 0x10},
	{"nothing at the address", DEV_HOLE + 0x100, FETCH, 0x10},
	{"third-level table in nowhere", WALK, READ, 0x17},
	{"third-level table in nowhere", WALK, FETCH, 0x17},
};

static void test_faults(const struct fault_case *cases, size_t count, uint32_t mask)
{
	write32(SCRATCH, ARM_BX_LR); /* what the fetches that work execute; the offset ones fault */
	dcache_clean((void *)SCRATCH, 64);
	icache_sync((void *)SCRATCH, 64);
	for (size_t i = 0; i < count; i++)
		test_fault(&cases[i], mask);
}

/* A manager is not checked (B3.7.3); the access flag (SCTLR.AFE): what the table above cannot show with one set of
 * controls. */
static void test_short_controls(void)
{
	static const struct fault_case domain = {"domain as client", DOMAIN1, READ, OK};
	static const struct fault_case manager = {"domain as manager", RO, WRITE, OK};
	static const struct fault_case afe_section = {"access flag of a section", SLOT(3), READ, 0x3};
	static const struct fault_case afe_page = {"access flag of a page", P(6), READ, 0x6};
	uint32_t sctlr = read_sctlr();

	exc_expect(EXC_DABT);
	do_access(READ, DOMAIN1);
	report_eq(FIELD(exc_done()->fsr, 4, 4), 1, "a domain fault names the domain in DFSR");
	write_dacr(5);
	isb();
	test_fault(&domain, 0x40f);
	write_dacr(3);
	isb();
	test_fault(&manager, 0x40f);
	write_dacr(1);
	isb();
	mmu_short_page(P(6), SCRATCH | PAGE | PAGE_NORMAL | PAGE_AP_U);
	write_sctlr(sctlr | SCTLR_AFE); /* AP[0] of all that the library maps is 1: the access flag */
	isb();
	tlb_flush_all();
	test_fault(&afe_section, 0x40f);
	test_fault(&afe_page, 0x40f);
	write_sctlr(sctlr);
	isb();
	tlb_flush_all();
}

/* B3.13: PAR by ATS1C*, short form: FS in 6:1; long form: STATUS there, bit 11 set. */
static void test_translate(bool is_long)
{
	uint32_t fault_want = is_long ? 0x6 : 0x5;
	uint64_t par;

	write_ats1cpr(RW + 0x3123);
	isb();
	par = is_long ? read_par_64() : read_par();
	report(!(par & 1) && (par & UINT64_C(0xfffffff000)) == SCRATCH + 0x3000, "ATS1CPR translates");
	report(!(par & BIT(11)) == !is_long, "PAR.LPAE");
	write_ats1cpr(NONE);
	isb();
	par = is_long ? read_par_64() : read_par();
	report((par & 1) && (par >> 1 & 0x3f) == fault_want, "ATS1CPR of nothing: PAR.F and the status");
	write_ats1cpw(RO);
	isb();
	par = is_long ? read_par_64() : read_par();
	report((par & 1) && (par >> 1 & 0x3f) == (is_long ? 0xeU : 0xdU), "ATS1CPW of read-only: permission");
	write_ats1cur(PRIV);
	isb();
	par = is_long ? read_par_64() : read_par();
	report((par & 1) && (par >> 1 & 0x3f) == (is_long ? 0xeU : 0xdU), "ATS1CUR of PL1's: permission");
}

/* Two addresses, one memory, and what one wrote the other reads; then the window turned to other memory. */
static void test_alias(bool is_long)
{
	write32(SCRATCH + 0x100, 0x11111111);
	report_eq(read32(RW + 0x100), 0x11111111, "the window shows the scratch RAM");
	write32(RW + 0x104, 0x22222222);
	report_eq(read32(SCRATCH + 0x104), 0x22222222, "and writes to it");
	report_eq(read32(P(0) + 0x104), 0x22222222, "so does the page");
	write32(SCRATCH + MIB(2) + 0x100, 0x33333333);
	if (is_long)
		mmu_long_block(RW, (SCRATCH + MIB(2)) | LONG_BLOCK | LONG_NORMAL | LONG_AF | LONG_AP_U);
	else
		mmu_short_section(RW, (SCRATCH + MIB(2)) | SECT | SECT_NORMAL | SECT_AP_P | SECT_AP_U);
	report_eq(read32(RW + 0x100), 0x33333333, "after TLBIMVAA the window shows what it is turned to");
	report_eq(read32(SCRATCH + 0x100), 0x11111111, "and the old memory keeps its own");
}

/* Write instructions, make them visible, run them; and other ones at the same place. */
static void test_code(void)
{
	volatile uint32_t *code = (volatile uint32_t *)(SCRATCH + KIB(64));
	uint32_t (*fn)(void) = (uint32_t(*)(void))(SCRATCH + KIB(64));

	for (uint32_t n = 1; n < 4; n++) {
		code[0] = UINT32_C(0xe3a00000) | n; /* mov r0, #n */
		code[1] = ARM_BX_LR;
		icache_sync((const void *)code, 8);
		report_eq(fn(), n, "instructions just written run");
	}
}

/* A device through the MMU is the same device. */
static void test_device(uint32_t typer)
{
	report_eq(read32(DIST_TYPER), typer, "GICD_TYPER with the MMU on");
	report(!(read32(MACHINE_UART_BASE + 0x18U) & 0x10000), "UARTFR with the MMU on");
}

#define PATTERN_BYTES MIB(1)
#define PATTERN_BASE  (SCRATCH + MIB(4))

static uint32_t pattern(uint32_t addr, uint32_t seed)
{
	return (addr ^ seed) * UINT32_C(0x9e3779b1);
}

static void pattern_write(uint32_t seed)
{
	for (uint32_t addr = PATTERN_BASE; addr < PATTERN_BASE + PATTERN_BYTES; addr += 4)
		*(volatile uint32_t *)addr = pattern(addr, seed);
}

static bool pattern_holds(uint32_t seed)
{
	for (uint32_t addr = PATTERN_BASE; addr < PATTERN_BASE + PATTERN_BYTES; addr += 4)
		if (*(volatile uint32_t *)addr != pattern(addr, seed))
			return false;
	return true;
}

/*
 * What kernels do around kexec, suspend and boot: data written through the caches are there when MMU and caches are off
 * after a clean and invalidate by set/way, and the other way round; and set/way alone changes nothing at any time.
 */
static void test_set_way(const char *name, void (*on)(void))
{
	for (uint32_t round = 0; round < 3; round++) {
		pattern_write(round);
		mmu_off();
		report(pattern_holds(round), "%s: data survive caches off (%u)", name, (unsigned int)round);
		pattern_write(~round);
		dcache_setway(2);
		report(pattern_holds(~round), "%s: set/way invalidate with caches off (%u)", name, (unsigned int)round);
		on();
		report(pattern_holds(~round), "%s: data survive caches on (%u)", name, (unsigned int)round);
	}
	pattern_write(7);
	dcache_setway(1);
	report(pattern_holds(7), "%s: set/way clean with caches on", name);
	dcache_setway(0);
	report(pattern_holds(7), "%s: set/way clean and invalidate with caches on", name);
}

/* SCTLR.C alone off, the MMU on: as Linux does before it powers a CPU down (v7_exit_coherency_flush). */
static void test_caches_only(void)
{
	pattern_write(11);
	mmu_caches_off(SCTLR_C);
	report((read_sctlr() & (SCTLR_M | SCTLR_C)) == SCTLR_M, "caches off, MMU on");
	report(pattern_holds(11), "data survive that");
	pattern_write(12);
	write_sctlr(read_sctlr() | SCTLR_C);
	isb();
	report(pattern_holds(12), "and caches on again");
}

/* Coherency between cacheable and not by address, as drivers do it. */
static void test_by_address(void)
{
	uint32_t cached = SCRATCH + 0x2000, uncached = NC + 0x2000;

	write32(cached, 0x44444444);
	dcache_clean((void *)cached, 64);
	report_eq(read32(uncached), 0x44444444, "DCCMVAC makes it visible to a non-cacheable alias");
	dccimvac(cached);
	dsb();
	write32(uncached, 0x55555555);
	dsb();
	dcimvac(cached);
	dsb();
	report_eq(read32(cached), 0x55555555, "DCIMVAC makes the alias's data visible");
}

/* Reads back what was written while the MMU is off: a hypervisor may be trapping these (HCR.TVM). */
static void test_registers(void)
{
	write_ttbr0(UINT32_C(0x4123404a));
	write_ttbr1(UINT32_C(0x4567404a));
	report(read_ttbr0() == UINT32_C(0x4123404a) && read_ttbr1() == UINT32_C(0x4567404a), "TTBR0, TTBR1");
	write_ttbr0_64(UINT64_C(0x0012000041234000));
	write_ttbr1_64(UINT64_C(0x0034000045674000));
	report(read_ttbr0_64() == UINT64_C(0x0012000041234000) && read_ttbr1_64() == UINT64_C(0x0034000045674000),
	       "TTBR0, TTBR1, 64 bits");
	write_ttbr0_64(0);
	write_ttbr1_64(0);
	write_ttbcr(2);
	report_eq(read_ttbcr(), 2, "TTBCR");
	write_ttbcr(0);
	write_dacr(UINT32_C(0x55555555));
	report_eq(read_dacr(), UINT32_C(0x55555555), "DACR");
	write_dfsr(0x80d);
	write_ifsr(0x5);
	write_dfar(UINT32_C(0x12345678));
	write_ifar(UINT32_C(0x9abcdef0));
	report(read_dfsr() == 0x80d && read_ifsr() == 5, "DFSR, IFSR");
	report(read_dfar() == UINT32_C(0x12345678) && read_ifar() == UINT32_C(0x9abcdef0), "DFAR, IFAR");
	write_prrr(UINT32_C(0xff0a81a8));
	write_nmrr(UINT32_C(0x40e040e0));
	report(read_prrr() == UINT32_C(0xff0a81a8) && read_nmrr() == UINT32_C(0x40e040e0), "PRRR, NMRR");
	write_contextidr(UINT32_C(0x00123456));
	report_eq(read_contextidr(), UINT32_C(0x00123456), "CONTEXTIDR");
	write_contextidr(0);
}

static void test_short(void)
{
	uint32_t typer = read32(DIST_TYPER);

	printf("short descriptors\n");
	mmu_short_init();
	map_short();
	mmu_short_on();
	report_eq(read_sctlr() & (SCTLR_M | SCTLR_C | SCTLR_I), SCTLR_M | SCTLR_C | SCTLR_I, "MMU and caches on");
	test_device(typer);
	test_faults(short_faults, ARRAY_SIZE(short_faults), 0x40f);
	test_short_controls();
	test_translate(false);
	test_code();
	test_by_address();
	test_alias(false);
	test_set_way("short", mmu_short_on);
	test_caches_only();
	mmu_off();
	report_eq(read_sctlr() & (SCTLR_M | SCTLR_C | SCTLR_I), 0, "MMU and caches off");
}

static void test_long(void)
{
	uint32_t typer = read32(DIST_TYPER);

	printf("long descriptors\n");
	mmu_long_init();
	map_long();
	mmu_long_on();
	report(read_ttbcr() & BIT(31), "TTBCR.EAE");
	test_device(typer);
	test_faults(long_faults, ARRAY_SIZE(long_faults), 0x3f | DFSR_LPAE);
	test_translate(true);
	test_code();
	test_by_address();
	test_alias(true);
	test_set_way("long", mmu_long_on);
	test_caches_only();
	mmu_off();
}

void guest_main(void)
{
	report(FIELD(read_id_mmfr0(), 0, 4) == 5, "ID_MMFR0: VMSAv7 with long descriptors");
	test_registers();
	test_code();
	test_short();
	test_long();
	test_short();
}
