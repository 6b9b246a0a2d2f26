/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RAM in quarantine: of a VM that is gone, with bus masters that virt7 could not make quiet, which may still write
 * where their driver has told them to. It comes back when that has ended, or when it can only hurt who has the device:
 * each of them has been reset, or a VM of the same size has them all again, whose RAM it becomes. On the boot CPU only,
 * as are all claims.
 */
#include "hyp/lib/log.h"
#include "hyp/vdev/passrest.h"
#include "hyp/vm/vm.h"
#include "mm/page.h"

#define KEPT_ORDER 0U

struct kept {
	struct kept *next;
	struct vm_extent ram;
	bool rest;      /* its VM had the rest: which devices those were is not known one by one */
	uint32_t count; /* of the devices that had names */
	int node[PASS_MAX];
};

static struct kept *all_kept;

/* Without memory to remember it that RAM is never given out again. */
void passkeep_put(const struct passthrough *p)
{
	struct vm_extent ram = vm_quarantine_ram(p->device.vm);
	struct kept *kept = ram.size ? page_alloc(KEPT_ORDER) : NULL;

	if (!kept)
		return;
	kept->ram = ram;
	kept->rest = p->rest && p->rest->loud;
	for (uint32_t i = 0; i < p->count; i++)
		if (p->claim[i].loud)
			kept->node[kept->count++] = p->claim[i].dev.node;
	kept->next = all_kept;
	all_kept = kept;
}

static struct pass_claim *find_claim_of_node(const struct passthrough *p, int node)
{
	for (uint32_t i = 0; i < p->count; i++)
		if (p->claim[i].dev.node == node)
			return &p->claim[i];
	return NULL;
}

/* Bus masters that can be reset now are forgotten. */
static void reset_some(struct kept *kept, const struct passthrough *p)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < kept->count; i++) {
		const struct pass_claim *claim = find_claim_of_node(p, kept->node[i]);

		if (!claim || !passquiet_reset(claim->quiet, claim->quiet_at))
			kept->node[left++] = kept->node[i];
	}
	kept->count = left;
}

static bool has_all(const struct kept *kept, const struct passthrough *p)
{
	if (kept->rest && !p->rest)
		return false;
	for (uint32_t i = 0; i < kept->count; i++)
		if (!find_claim_of_node(p, kept->node[i]) && !(p->rest && passrest_has(p->rest, kept->node[i])))
			return false;
	return true;
}

/* Kept bus masters are as their last owner has left them, until this one's first start: it may end before that. */
static void mark_loud(const struct kept *kept, const struct passthrough *p)
{
	for (uint32_t i = 0; i < kept->count; i++) {
		struct pass_claim *claim = find_claim_of_node(p, kept->node[i]);

		if (claim)
			claim->loud = true;
		else
			p->rest->loud = true;
	}
	if (kept->rest)
		p->rest->loud = true;
}

/* Whether the RAM is out of quarantine. */
static bool settle_kept(struct kept *kept, const struct passthrough *p)
{
	struct vm *vm = p->device.vm;

	reset_some(kept, p);
	if (kept->count == 0 && !kept->rest) {
		vm_end_quarantine(vm, &kept->ram);
		return true;
	}
	if (!has_all(kept, p) || !vm_adopt_ram(vm, &kept->ram))
		return false;
	mark_loud(kept, p);
	return true;
}

void passkeep_take(const struct passthrough *p)
{
	struct kept **at = &all_kept;

	while (*at) {
		struct kept *kept = *at;

		if (settle_kept(kept, p)) {
			*at = kept->next;
			page_free(kept, KEPT_ORDER);
		} else {
			at = &kept->next;
		}
	}
}
