/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bad pages of this machine's RAM, made by the device for tests: what an access finds, in both table formats, by every
 * kind of instruction, on table walks, and later, where the error is asynchronous (DDI 0406C B1.9.8, B1.9.9, B3.13).
 * Then all CPUs go on reading a page while it becomes bad, "rounds=N" times. The neighbours of a bad page stay as they
 * were.
 */
#include "tests/device/testdev.h"
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/mmu.h"
#include "tests/guests/lib/param.h"
#include "tests/guests/lib/smp.h"

#define BAD_RAM   UINT32_C(0x42000000) /* from here on pages become bad, one after the other */
#define KIB4      UINT32_C(0x1000)
#define ARM_BX_LR UINT32_C(0xe12fff1e)

/* DFSR and IFSR of both formats (tables B3-23, B3-24); ExT and the domain are not looked at. */
#define FSR_MASK    0x63fU
#define FSR_LONG    0x200U
#define DFSR_WNR    BIT(11)
#define EXTERNAL    0x08U
#define EXTERNAL_L  0x210U
#define WALK_2      0x0eU
#define WALK_3_L    0x217U
#define ASYNCHRON   0x406U
#define ASYNCHRON_L 0x211U

static bool long_format;
static uint32_t switches; /* to others, while an abort is pending */

static void poison(uint32_t at, uint32_t how)
{
	write32(TESTDEV_BASE + how, at);
	report_eq(read32(TESTDEV_BASE + TESTDEV_POISON), 0, "the page is taken");
}

/* The next page that the guest has not used, written all over, with a pattern in its neighbours. */
static uint32_t next_page(void)
{
	static uint32_t next = BAD_RAM + KIB4;
	uint32_t at = next;

	next += 3U * KIB4;
	for (uint32_t i = at - KIB4; i < at + 2U * KIB4; i += 4)
		write32(i, i ^ 0x5a5a5a5aU);
	return at;
}

static bool neighbours_are_well(uint32_t at)
{
	for (uint32_t i = 0; i < KIB4; i += 4)
		if (read32(at - KIB4 + i) != ((at - KIB4 + i) ^ 0x5a5a5a5aU) ||
		    read32(at + KIB4 + i) != ((at + KIB4 + i) ^ 0x5a5a5a5aU))
			return false;
	return true;
}

enum access { LDR, STR, LDRB, STRH, LDM, STM, LDRD, STRD, LDREX, LDR_BACK, FETCH, ACCESSES };

static const char *const names[] = {
	"LDR", "STR", "LDRB", "STRH", "LDM", "STM", "LDRD", "STRD", "LDREX", "LDR with write-back", "fetch"};

static bool is_store(enum access a)
{
	return a == STR || a == STRH || a == STM || a == STRD;
}

static void do_access(enum access a, uint32_t va)
{
	switch (a) {
	case LDR:
		read32(va);
		break;
	case STR:
		write32(va, 0);
		break;
	case LDRB:
		read8(va);
		break;
	case STRH:
		write16(va, 0);
		break;
	case LDM:
		__asm__ volatile("ldm %0, {r0-r3}" : : "r"(va) : "r0", "r1", "r2", "r3", "memory");
		break;
	case STM:
		__asm__ volatile("stm %0, {r0-r3}" : : "r"(va) : "memory");
		break;
	case LDRD:
		__asm__ volatile("ldrd r0, r1, [%0]" : : "r"(va) : "r0", "r1", "memory");
		break;
	case STRD:
		__asm__ volatile("strd r0, r1, [%0]" : : "r"(va) : "memory");
		break;
	case LDREX:
		__asm__ volatile("ldrex r0, [%0]\n\tclrex" : : "r"(va) : "r0", "memory");
		break;
	case LDR_BACK:
		__asm__ volatile("ldr r0, [%0], #4" : "+r"(va) : : "r0", "memory");
		break;
	default:
		__asm__ volatile("blx %0" : : "r"(va) : "lr", "memory");
		break;
	}
}

static void expect_sync(enum access a, uint32_t va, uint32_t status)
{
	uint32_t want = status | (is_store(a) ? DFSR_WNR : 0), mask = FSR_MASK | (a == FETCH ? 0 : DFSR_WNR);
	const struct exc_record *seen;

	write_dfsr(0);
	write_ifsr(0);
	exc_expect(a == FETCH ? EXC_PABT : EXC_DABT);
	do_access(a, va);
	seen = exc_done();
	if (!report(seen->count == 1 && (seen->fsr & mask) == want && seen->far == va, "%s", names[a]))
		printf("  count %u, fsr %08x, want %08x, far %08x, want %08x\n", (unsigned int)seen->count,
		       (unsigned int)seen->fsr, (unsigned int)want, (unsigned int)seen->far, (unsigned int)va);
}

static void test_sync(const char *format)
{
	uint32_t at = next_page();

	printf("memerr: %s\n", format);
	write32(at + 0x40, ARM_BX_LR);
	icache_sync((void *)(at + 0x40), 4);
	exc_expect(EXC_PABT);
	do_access(FETCH, at + 0x40);
	report(exc_done()->count == 0, "code in the page runs");
	poison(at, TESTDEV_POISON);
	for (enum access a = LDR; a < ACCESSES; a++)
		expect_sync(a, at + 0x40, long_format ? EXTERNAL_L : EXTERNAL);
	expect_sync(LDR, at, long_format ? EXTERNAL_L : EXTERNAL);
	expect_sync(STR, at + KIB4 - 4U, long_format ? EXTERNAL_L : EXTERNAL);
	report(neighbours_are_well(at), "the pages beside it are as they were");
	write32(TESTDEV_BASE + TESTDEV_POISON, at + 8U);
	report((int32_t)read32(TESTDEV_BASE + TESTDEV_POISON) == -17, "a bad page cannot become bad");
}

/* Its table becomes bad: the walk aborts. */
static void test_walk(void)
{
	uint32_t table = next_page(), va = MMU_WINDOW;

	if (long_format) {
		for (uint32_t i = 0; i < 512; i++)
			((volatile uint64_t *)table)[i] = BAD_RAM | LONG_PAGE | LONG_NORMAL | LONG_AF;
		mmu_long_block(va, table | 3U);
	} else {
		for (uint32_t i = 0; i < 256; i++)
			write32(table + 4U * i, BAD_RAM | PAGE | PAGE_NORMAL | PAGE_AP_P);
		mmu_short_section(va, table | 1U);
	}
	dcache_clean((void *)table, KIB4);
	read32(va);
	poison(table, TESTDEV_POISON);
	tlb_flush_all();
	expect_sync(LDR, va + 0x40, long_format ? WALK_3_L : WALK_2);
	expect_sync(FETCH, va + 0x1040, long_format ? WALK_3_L : WALK_2);
	if (long_format)
		mmu_long_block(va, 0);
	else
		mmu_short_section(va, 0);
}

static void mask_async(void)
{
	__asm__ volatile("cpsid a" : : : "memory");
}

static void unmask_async(void)
{
	__asm__ volatile("cpsie a\n\tisb" : : : "memory");
}

/* Pending while it is masked, whatever comes in between; taken once, as soon as it may be. */
static void test_async(uint32_t cpu_count)
{
	uint32_t at = next_page();
	const struct exc_record *seen;

	(void)cpu_count;
	poison(at, TESTDEV_POISON_ASYNC);
	mask_async();
	exc_expect(EXC_DABT);
	write32(at, 1);
	report(read32(at) == 0, "a load gets zeroes");
	report(read_isr() & BIT(8), "ISR.A");
	for (uint32_t i = 0; i < switches; i++) {
		read32(MACHINE_GICD_BASE);
		psci_hvc(PSCI_VERSION, 0, 0, 0);
		read_actlr();
		wfi(); /* others run; the abort wakes */
		wfe();
	}
	report(this_cpu()->seen.count == 0, "masked, it waits");
	report(read_isr() & BIT(8), "ISR.A, behind what others did");
	unmask_async();
	mask_async();
	seen = exc_done();
	if (!report(seen->count == 1 && (seen->fsr & FSR_MASK) == (long_format ? ASYNCHRON_L : ASYNCHRON),
		    "it is taken once"))
		printf("  count %u, fsr %08x\n", (unsigned int)seen->count, (unsigned int)seen->fsr);
	report(!(read_isr() & BIT(8)), "and not pending any more");
	report(neighbours_are_well(at), "the pages beside it are as they were");
	exc_expect(EXC_DABT);
	unmask_async();
	read32(at);
	__asm__ volatile("dsb\n\tisb" : : : "memory");
	mask_async();
	seen = exc_done();
	report(seen->count == 1, "unmasked, it is taken at once");
	expect_sync(FETCH, at, long_format ? EXTERNAL_L : EXTERNAL);
}

/* All CPUs read a page, and its neighbours, while one makes it bad. */
static struct barrier barrier;
static uint32_t cpu_count, rounds, hammered[GUEST_CPUS], wrong[GUEST_CPUS];

static void hammer_page(uint32_t at, uint32_t me)
{
	uint32_t spins = 0;

	exc_expect(EXC_DABT);
	while (this_cpu()->seen.count == 0 && spins++ < 10000000U) {
		write32(at + 4U * me, me);
		if (read32(at - 4U) != ~at || read32(at + KIB4) != at)
			wrong[me]++;
	}
	if (exc_done()->count != 1 || (this_cpu()->seen.fsr & FSR_MASK) != EXTERNAL)
		wrong[me]++;
	hammered[me] += spins;
}

static void hammer(void *arg)
{
	uint32_t me = this_cpu()->index, at = (uint32_t)arg;

	for (uint32_t i = 0; i < rounds; i++, at += 3U * KIB4) {
		if (me == 0) {
			write32(at - 4U, ~at);
			write32(at + KIB4, at);
			write32(at, 0);
			dsb();
		}
		barrier_wait(&barrier, cpu_count);
		if (me == i % cpu_count) {
			write32(TESTDEV_BASE + TESTDEV_POISON, at);
			if (read32(TESTDEV_BASE + TESTDEV_POISON))
				wrong[me]++;
		}
		hammer_page(at, me);
		barrier_wait(&barrier, cpu_count);
	}
}

static void test_smp(void)
{
	uint32_t sum = 0, spins = 0;

	smp_run_all(hammer, (void *)(BAD_RAM + MIB(2)));
	for (uint32_t i = 0; i < cpu_count; i++) {
		sum += wrong[i];
		spins += hammered[i];
	}
	printf("memerr: %u rounds, %u accesses\n", (unsigned int)rounds, (unsigned int)spins);
	report_eq(sum, 0, "each CPU finds the page bad, and its neighbours well, in each round");
}

/*
 * Real external aborts, on all CPUs at once, of this guest's access to what the machine does not have, through stage 2,
 * and of HYP's, in a copy of the device's: each has its own, and nothing else.
 */
#define SOURCE (BAD_RAM + TESTDEV_HOLE_RAM) /* a block in whose place the device sees the hole */
#define EIO    5

static int32_t ask_for_hole(uint32_t me)
{
	static struct testdev_request requests[GUEST_CPUS];
	volatile struct testdev_request *request = &requests[me];

	request->operation = TESTDEV_COPY;
	request->from.hole = 1;
	request->from.piece[0].at = SOURCE + 64U * me;
	request->from.piece[0].len = 64;
	request->to.piece[0].at = BAD_RAM + 64U * me;
	request->to.piece[0].len = 64;
	request->result = 0;
	write32(TESTDEV_BASE + TESTDEV_REQUEST, (uint32_t)request);
	return request->result;
}

static void meet_holes(void *arg)
{
	uint32_t me = this_cpu()->index, at = TESTDEV_SHOWN + 8U * me;

	(void)arg;
	write32(BAD_RAM + 64U * me, ~me);
	for (uint32_t i = 0; i < rounds; i++) {
		exc_expect(EXC_DABT);
		if (i % 2)
			read32(at);
		else
			write32(at, i);
		if (exc_done()->count != 1 || (this_cpu()->seen.fsr & FSR_MASK) != EXTERNAL ||
		    this_cpu()->seen.far != at)
			wrong[me]++;
		exc_expect(EXC_DABT);
		if (ask_for_hole(me) != -EIO || read32(BAD_RAM + 64U * me) != ~me || exc_done()->count != 0)
			wrong[me]++;
	}
	hammered[me] += rounds;
}

static void test_holes(void)
{
	smp_run_all(meet_holes, NULL);
	for (uint32_t i = 0; i < cpu_count; i++) {
		report_eq(hammered[i], rounds, "rounds");
		report_eq(wrong[i], 0, "its aborts, and HYP's");
	}
}

/* The page of records at the end of RAM: version, size of a record, how many, how many so far; IPA, bytes, severity,
 * count. */
static void test_early(uint32_t page)
{
	uint32_t before = read32(page + 12), bad = next_page(), record = page + 32U + before % 126U * 32U;

	write32(DIST_ICFGR(MACHINE_SPI_MEMERR / 16U),
		read32(DIST_ICFGR(MACHINE_SPI_MEMERR / 16U)) | 2U << MACHINE_SPI_MEMERR % 16U * 2U); /* an edge */
	gic_enable(MACHINE_SPI_MEMERR);
	report_eq(read32(page), 1, "version of the records");
	report_eq(read32(page + 4), 32, "their size");
	report_eq(read32(page + 8), 126, "their number");
	report(!(read32(DIST_ISPENDR(1)) & BIT(MACHINE_SPI_MEMERR % 32U)), "no interrupt before an error");
	poison(bad, TESTDEV_POISON_ASYNC);
	report_eq(read32(page + 12), before + 1U, "one more record");
	report_eq(read32(record), bad, "its address");
	report_eq(read32(record + 8), KIB4, "its size");
	report_eq(read32(record + 12), 1, "its severity");
	report_eq(read32(record + 16), before + 1U, "its count");
	report_eq(read32(record + 20), 1, "its flags");
	report(read32(DIST_ISPENDR(1)) & BIT(MACHINE_SPI_MEMERR % 32U), "its interrupt");
	write32(DIST_ICPENDR(1), BIT(MACHINE_SPI_MEMERR % 32U));
	for (uint32_t i = 0; i < 130; i++)
		poison(next_page(), TESTDEV_POISON);
	report_eq(read32(page + 12), before + 131U, "all of them");
	report_eq(read32(page + 32U + (before + 130U) % 126U * 32U + 16), before + 131U, "the ring goes round");
}

/* Beside a VM that has aborts pending: none of them comes here, whoever runs in between. */
static void listen(uint32_t count)
{
	printf("memerr: listens\n");
	exc_expect(EXC_DABT);
	unmask_async();
	for (uint32_t i = 0; i < count; i++) {
		read32(MACHINE_GICD_BASE);
		psci_hvc(PSCI_VERSION, 0, 0, 0);
		wfe();
	}
	mask_async();
	report_eq(exc_done()->count, 0, "aborts of others");
}

/* The first page of the second bank of flash becomes bad while it is read, as memory and as the device gives it. */
static void test_flash(void)
{
	uint32_t at = (uint32_t)MACHINE_FLASH_BASE + MIB(64), next = read32(at + KIB4);

	printf("memerr: flash holds %08x\n", (unsigned int)read32(at));
	exc_expect(EXC_DABT);
	for (uint32_t spins = 0; this_cpu()->seen.count == 0 && spins < 2000000000U; spins++)
		read32(at);
	report(exc_done()->count == 1, "it becomes bad");
	expect_sync(LDR, at, EXTERNAL);
	expect_sync(LDM, at + 0x40, EXTERNAL);
	expect_sync(FETCH, at + KIB4 - 4U, EXTERNAL);
	report_eq(read32(at + KIB4), next, "the next page");
	write32(at, 0x40); /* program a word: lost */
	exc_expect(EXC_DABT);
	write32(at, 0);
	report(exc_done()->count == 0, "a write is a command");
	report(read32(at) & BIT(4), "status: it could not be programmed");
	write32(at, 0x50);
	write32(at, 0x20);
	write32(at, 0xd0);
	report(!(read32(at) & BIT(5)), "status: the sector is erased");
	write32(at, 0xff);
	exc_expect(EXC_DABT);
	report_eq(read32(at), 0xffffffffU, "it is well behind that");
	report_eq(exc_done()->count, 0, "without an abort");
}

/* Beyond what mmu_short_init() maps. */
static void map_all(uint32_t mib)
{
	for (uint32_t at = (uint32_t)MACHINE_RAM_BASE + MIB(64); at < MACHINE_RAM_BASE + MIB(mib); at += MIB(1))
		mmu_short_section(at, at | SECT | SECT_NORMAL | SECT_AP_P);
}

void guest_main(void)
{
	uint32_t mib = param("mib=", 64), listens = param("listen=", 0);

	if (listens) {
		listen(listens);
		return;
	}
	if (param("early=", 0)) {
		gic_init();
		test_early((uint32_t)MACHINE_RAM_BASE + MIB(mib) - KIB4);
		return;
	}
	if (param("flash=", 0)) {
		test_flash();
		return;
	}
	switches = param("switches=", 100); /* the MMU is off: what has the arguments may not be mapped later */
	rounds = param("rounds=", 20);
	cpu_count = smp_count();
	gic_init();
	if (param("holes=", 0)) {
		mmu_short_init();
		mmu_short_on();
		test_holes();
		mmu_off();
		return;
	}
	test_sync("MMU off");
	test_async(cpu_count);
	mmu_long_init();
	mmu_long_on();
	long_format = true;
	test_sync("long descriptors");
	test_walk();
	test_async(cpu_count);
	mmu_off();
	long_format = false;
	mmu_short_init();
	mmu_short_on();
	test_sync("short descriptors");
	test_walk();
	test_async(cpu_count);
	map_all(mib);
	test_smp();
	mmu_off();
}
