/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that several CPUs share (DDI 0406C B2.2, B3.10): maintenance of TLBs and instruction caches, exclusives. */
#include "tests/guests/smp-rig.h"

#define CODE   UINT32_C(0x41000000) /* scratch RAM above the image */
#define PAGE_A UINT32_C(0x41100000)
#define PAGE_B UINT32_C(0x41101000)

/* The small page's descriptor: the tables are identity-mapped. */
static volatile uint32_t *page_entry(uint32_t va)
{
	uint32_t *l1 = (uint32_t *)((uint32_t)read_ttbr0() & ~UINT32_C(0x3fff));

	return (uint32_t *)(l1[va >> 20] & ~UINT32_C(0x3ff)) + (va >> 12 & 0xff);
}

enum tlb_op { TLB_MVA, TLB_MVAA, TLB_ASID, TLB_ALL, TLB_OPS };
static const char *const tlb_names[TLB_OPS] = {"TLBIMVAIS", "TLBIMVAAIS", "TLBIASIDIS", "TLBIALLIS"};
static volatile uint32_t tlb_stale[TLB_OPS], icache_stale;

static void tlb_broadcast(enum tlb_op op, uint32_t va)
{
	dsb();
	if (op == TLB_MVA)
		MCR15(0, c8, c3, 1, va);
	else if (op == TLB_MVAA)
		MCR15(0, c8, c3, 3, va);
	else if (op == TLB_ASID)
		MCR15(0, c8, c3, 2, 0);
	else
		tlbiallis();
	MCR15(0, c7, c1, 6, 0); /* BPIALLIS */
	dsb();
	isb();
}

/* The CPU whose turn it is moves the page to other memory, break before make (B3.10.1); then all look. */
static void tlb_turns(void *arg)
{
	uint32_t page = PAGE | PAGE_NORMAL | PAGE_AP_P | PAGE_XN;

	(void)arg;
	for (uint32_t turn = 0; turn < count * TLB_OPS; turn++) {
		enum tlb_op op = turn % TLB_OPS;
		uint32_t want = turn & 1 ? 0xbbbb : 0xaaaa;

		if (turn / TLB_OPS == this_cpu()->index) {
			volatile uint32_t *entry = page_entry(MMU_WINDOW);

			*entry = 0;
			tlb_broadcast(op, MMU_WINDOW);
			*entry = (turn & 1 ? PAGE_B : PAGE_A) | page;
			dsb();
		}
		barrier_wait(&barrier, count);
		if (read32(MMU_WINDOW) != want) {
			spin_lock(&barrier.lock);
			tlb_stale[op]++;
			spin_unlock(&barrier.lock);
		}
		barrier_wait(&barrier, count);
	}
}

void test_tlb(void)
{
	write32(PAGE_A, 0xaaaa);
	write32(PAGE_B, 0xbbbb);
	mmu_short_page(MMU_WINDOW, PAGE_B | PAGE | PAGE_NORMAL | PAGE_AP_P | PAGE_XN);
	on_all("TLB maintenance", tlb_turns);
	for (uint32_t op = 0; op < TLB_OPS; op++)
		report(tlb_stale[op] == 0, "%s by any CPU is seen by all (%u stale)", tlb_names[op],
		       (unsigned int)tlb_stale[op]);
}

/* B2.2.9, "Ordering of cache and branch predictor maintenance operations": the example for several processors. */
static void icache_turns(void *arg)
{
	uint32_t (*code)(void) = (uint32_t(*)(void))CODE;

	(void)arg;
	for (uint32_t turn = 0; turn < count * 2; turn++) {
		if (turn / 2 == this_cpu()->index) {
			write32(CODE, UINT32_C(0xe3000000) | turn); /* movw r0, #turn */
			write32(CODE + 4, UINT32_C(0xe12fff1e));    /* bx lr */
			dccmvau(CODE);
			dsb();
			icimvau(CODE);
			MCR15(0, c7, c1, 6, 0); /* BPIALLIS */
			dsb();
		}
		barrier_wait(&barrier, count);
		isb();
		if (code() != turn) {
			spin_lock(&barrier.lock);
			icache_stale++;
			spin_unlock(&barrier.lock);
		}
		barrier_wait(&barrier, count);
	}
}

void test_icache(void)
{
	on_all("instruction cache maintenance", icache_turns);
	report(icache_stale == 0, "ICIMVAU by any CPU is seen by all (%u stale)", (unsigned int)icache_stale);
}

static struct spinlock counter_lock;
static volatile uint32_t counter_plain;
static uint32_t counter_word;
static uint64_t counter_double __attribute__((aligned(8)));
static volatile uint32_t thread_ids_wrong;

static void add_word(uint32_t *word)
{
	uint32_t value, failed;

	__asm__ volatile("1:	ldrex	%0, [%2]\n"
			 "	add	%0, %0, #1\n"
			 "	strex	%1, %0, [%2]\n"
			 "	teq	%1, #0\n"
			 "	bne	1b"
			 : "=&r"(value), "=&r"(failed)
			 : "r"(word)
			 : "cc", "memory");
}

static void add_double(uint64_t *word)
{
	uint64_t value;
	uint32_t failed;

	__asm__ volatile("1:	ldrexd	%Q0, %R0, [%2]\n"
			 "	adds	%Q0, %Q0, #1\n"
			 "	adc	%R0, %R0, #1\n"
			 "	strexd	%1, %Q0, %R0, [%2]\n"
			 "	teq	%1, #0\n"
			 "	bne	1b"
			 : "=&r"(value), "=&r"(failed)
			 : "r"(word)
			 : "cc", "memory");
}

static void count_all(void *arg)
{
	uint32_t self = this_cpu()->index;

	(void)arg;
	MCR15(0, c13, c0, 2, self * 3 + 1); /* TPIDRURW, TPIDRURO */
	MCR15(0, c13, c0, 3, self * 5 + 2);
	barrier_wait(&barrier, count);
	for (uint32_t n = 0; n < rounds * 200; n++) {
		spin_lock(&counter_lock);
		counter_plain++;
		if (MRC15(0, c13, c0, 2) != self * 3 + 1 || MRC15(0, c13, c0, 3) != self * 5 + 2 ||
		    (read_mpidr() & 0xff) != self)
			thread_ids_wrong++;
		spin_unlock(&counter_lock);
		add_word(&counter_word);
		add_double(&counter_double);
	}
}

void test_exclusives(void)
{
	uint32_t want = count * rounds * 200;

	on_all("spinlock and exclusives", count_all);
	report_eq(counter_plain, want, "a counter under a spinlock");
	report_eq(*(volatile uint32_t *)&counter_word, want, "a counter by LDREX and STREX");
	report((uint32_t)counter_double == want && counter_double >> 32 == want, "a counter by LDREXD and STREXD");
	report(thread_ids_wrong == 0, "each CPU keeps its own thread registers and MPIDR");
}
