/* Stage-2 tables. A new entry replaces an invalid one, which no TLB holds: mapping needs no TLB flush (B3.9.3). */
#include <errno.h>

#include <arm/barrier.h>
#include <arm/hypregs.h>
#include <arm/pte.h>
#include <arm/sysreg.h>

#include "hyp/lib/bits.h"
#include "mm/page.h"
#include "mm/s2.h"
#include "mm/tables.h"

#define ROOT_ORDER   1U /* two concatenated tables, aligned to their 8 KiB */
#define ROOT_ENTRIES (2U * TABLE_ENTRIES)
#define VMID_COUNT   256U

#define S2_RAM_ATTR    (DESC_VALID | DESC_AF | DESC_SH_INNER | DESC_S2_R | DESC_S2_W | DESC_S2_ATTR_WB)
#define S2_DEVICE_ATTR (DESC_VALID | DESC_AF | DESC_S2_R | DESC_S2_W | DESC_S2_ATTR_DEVICE | DESC_XN)

static struct {
	struct spinlock lock;
	uint32_t used[VMID_COUNT / 32];
} vmids = {.used = {1}}; /* VMID 0 is never a guest's: VTTBR is 0 while none is loaded */

static uint32_t vmid_take(void)
{
	uint32_t vmid = 0;

	spin_lock(&vmids.lock);
	for (uint32_t i = 0; i < VMID_COUNT; i++)
		if (!(vmids.used[i / 32] & BIT(i % 32))) {
			vmids.used[i / 32] |= BIT(i % 32);
			vmid = i;
			break;
		}
	spin_unlock(&vmids.lock);
	return vmid;
}

static void vmid_release(uint32_t vmid)
{
	spin_lock(&vmids.lock);
	vmids.used[vmid / 32] &= ~BIT(vmid % 32);
	spin_unlock(&vmids.lock);
}

int s2_init(struct s2 *s2)
{
	uint32_t vmid = vmid_take();

	if (vmid == 0)
		return -ENOSPC;
	*s2 = (struct s2){.root = page_alloc(ROOT_ORDER)};
	if (!s2->root) {
		vmid_release(vmid);
		return -ENOMEM;
	}
	s2->vttbr = page_pa(s2->root).v | (uint64_t)vmid << 48;
	s2_flush_tlb(s2); /* of the VMID's last owner */
	return 0;
}

static bool is_table(uint64_t entry)
{
	return (entry & (DESC_VALID | DESC_TABLE)) == (DESC_VALID | DESC_TABLE);
}

static uint64_t *table_of(uint64_t entry)
{
	return page_va(pa(entry & DESC_ADDR_MASK));
}

static void free_tables(uint64_t *l2)
{
	for (uint32_t i = 0; i < TABLE_ENTRIES; i++)
		if (is_table(l2[i]))
			page_free(table_of(l2[i]), 0);
	page_free(l2, 0);
}

/* Invalid entries first, then the TLBs, then the pages: no walk, not even a speculative one, reads a freed page. */
void s2_destroy(struct s2 *s2)
{
	for (uint32_t i = 0; i < ROOT_ENTRIES; i++)
		if (is_table(s2->root[i]))
			pte_write(&s2->root[i], s2->root[i] & ~DESC_VALID);
	s2_flush_tlb(s2);
	for (uint32_t i = 0; i < ROOT_ENTRIES; i++)
		if (s2->root[i])
			free_tables(table_of(s2->root[i]));
	page_free(s2->root, ROOT_ORDER);
	vmid_release((uint32_t)(s2->vttbr >> 48));
	s2->root = NULL;
}

/* The table below `entry`, made if need be. The zeroes of a new one are visible before it is linked. */
static uint64_t *next_table(uint64_t *entry)
{
	uint64_t *table;

	if (is_table(*entry))
		return table_of(*entry);
	table = page_alloc(0);
	if (!table)
		return NULL;
	dsb_ish();
	pte_write(entry, page_pa(table).v | DESC_TABLE | DESC_VALID);
	return table;
}

static uint64_t *l2_entry(struct s2 *s2, ipa_t at)
{
	uint64_t *l2 = next_table(&s2->root[at.v >> 30]);

	return l2 ? &l2[(at.v >> BLOCK_SHIFT) % TABLE_ENTRIES] : NULL;
}

int s2_map_block(struct s2 *s2, ipa_t at, pa_t to)
{
	uint64_t *entry = l2_entry(s2, at);

	if (!entry)
		return -ENOMEM;
	pte_write(entry, to.v | S2_RAM_ATTR);
	dsb_ish();
	s2->blocks++;
	return 0;
}

int s2_map_device(struct s2 *s2, ipa_t at, pa_t to, size_t size)
{
	for (size_t i = 0; i < size; i += PAGE_SIZE) {
		uint64_t *entry = l2_entry(s2, ipa_add(at, i));
		uint64_t *l3 = entry ? next_table(entry) : NULL;

		if (!l3)
			return -ENOMEM;
		pte_write(&l3[((at.v + i) >> PAGE_SHIFT) % TABLE_ENTRIES], (to.v + i) | S2_DEVICE_ATTR | DESC_TABLE);
	}
	dsb_ish();
	return 0;
}

bool s2_lookup(const struct s2 *s2, ipa_t at, pa_t *out)
{
	uint64_t entry, mask = BLOCK_SIZE - 1U;

	if (at.v >= BIT64(ADDR_BITS))
		return false;
	entry = pte_read(&s2->root[at.v >> 30]);
	if (!is_table(entry))
		return false;
	entry = pte_read(&table_of(entry)[(at.v >> BLOCK_SHIFT) % TABLE_ENTRIES]);
	if (is_table(entry)) {
		entry = pte_read(&table_of(entry)[(at.v >> PAGE_SHIFT) % TABLE_ENTRIES]);
		mask = PAGE_SIZE - 1U;
	}
	if (!(entry & DESC_VALID))
		return false;
	*out = pa((entry & DESC_ADDR_MASK & ~mask) | (at.v & mask));
	return true;
}

bool s2_next_block(const struct s2 *s2, ipa_t *at, pa_t *to)
{
	uint64_t v = align_down(at->v, BLOCK_SIZE);

	while (v < BIT64(ADDR_BITS)) {
		uint64_t entry = pte_read(&s2->root[v >> 30]);

		if (!is_table(entry)) {
			v = align_down(v, BIT64(30)) + BIT64(30);
			continue;
		}
		entry = pte_read(&table_of(entry)[(v >> BLOCK_SHIFT) % TABLE_ENTRIES]);
		if ((entry & (DESC_VALID | DESC_TABLE)) == DESC_VALID) {
			*at = ipa(v);
			*to = pa(entry & DESC_ADDR_MASK & ~(uint64_t)(BLOCK_SIZE - 1U));
			return true;
		}
		v += BLOCK_SIZE;
	}
	return false;
}

/* TLBIALLIS works on the current VMID, so borrow VTTBR for it (B4.2.2). */
void s2_flush_tlb(const struct s2 *s2)
{
	uint64_t current = read_vttbr();

	dsb_ish();
	write_vttbr(s2->vttbr);
	isb();
	write_tlbiallis(0);
	dsb_ish();
	isb();
	write_vttbr(current);
	isb();
}

void s2_clear(struct s2 *s2)
{
	for (ipa_t at = ipa(0);; at = ipa_add(at, BLOCK_SIZE)) {
		pa_t to;

		if (!s2_next_block(s2, &at, &to))
			break;
		pte_write(l2_entry(s2, at), 0);
	}
	s2->blocks = 0;
	s2_flush_tlb(s2);
}
