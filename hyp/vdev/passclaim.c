/* SPDX-License-Identifier: BSD-2-Clause */
/* A device of the host's for a VM: whatever says which, it is claimed, shown and made to interrupt here. */
#include <errno.h>
#include <stddef.h>

#include <arm/copy.h>
#include <arm/sysreg.h>

#include "hyp/lib/log.h"
#include "hyp/lib/bits.h"
#include "hyp/run/sched.h"
#include "hyp/vdev/passthrough.h"
#include "hyp/vm/vm.h"
#include "mm/hypmap.h"
#include "mm/page.h"
#include "vgic/vgic.h"

#define MAPPED_MAX 128U /* pages of registers, of all VMs */

/* Pages of registers that virt7 sees. They stay mapped: whoever claims the device next finds them here. */
static struct {
	uint64_t page;
	uint8_t *va;
} mapped[MAPPED_MAX];

uint8_t *passthrough_show(uint64_t page)
{
	for (uint32_t i = 0; i < MAPPED_MAX; i++) {
		if (!mapped[i].va) {
			mapped[i].page = page;
			mapped[i].va = hyp_map_device(page, PAGE_SIZE);
		}
		if (mapped[i].page == page)
			return mapped[i].va;
	}
	return NULL;
}

/*
 * An access of the guest to a part of a page, made for it in its width. What aborts here aborts there: the bus calls
 * once more for the same access (hyp/exit/mmio.h), and HDFAR and HPFAR have to be the guest's then.
 */
struct guest_fault {
	uint32_t va, ipa;
	struct fault_kept kept;
};

static struct guest_fault keep_fault(void)
{
	return (struct guest_fault){read_hdfar(), read_hpfar(), fault_keep()};
}

static void give_fault_back(const struct guest_fault *fault, int err)
{
	fault_give_back(fault->kept);
	if (!err)
		return;
	write_hdfar(fault->va);
	write_hpfar(fault->ipa);
}

static uint64_t pass_read(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t size)
{
	struct guest_fault fault = keep_fault();
	uint32_t value = 0;
	int err = load_device_checked(&value, (uint8_t *)device + offset, size);

	give_fault_back(&fault, err);
	return err ? MMIO_ABORT : value;
}

static bool pass_write(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t value, uint32_t size)
{
	struct guest_fault fault = keep_fault();
	int err = store_device_checked((uint8_t *)device + offset, value, size);

	give_fault_back(&fault, err);
	return !err;
}

static const struct mmio_ops pass_ops = {.read = pass_read, .write = pass_write, .widths = MMIO_ANY};

int passthrough_trap(struct vm *vm, uint64_t base, uint64_t size, uint8_t *at)
{
	return mmio_add(&vm->bus, base, size, &pass_ops, at);
}

int passthrough_refuse(const struct passthrough *p, const char *path, const char *what, const char *who)
{
	log_err("vm %s: passthrough %.95s: %s%s", p->device.vm->config.name, path, what, who);
	return -EINVAL;
}

#define NO_ROOM "virt7 has no room for so many parts of pages"

/* Accesses to [base, base + size) of the guest's addresses come to virt7, which makes them at `va`. */
static int trap_part(struct passthrough *p, const struct pass_claim *claim, uint64_t base, uint64_t size, uint8_t *va)
{
	int ret = passthrough_trap(p->device.vm, base, size, va);

	if (ret == -EINVAL)
		return passthrough_refuse(p, claim->dev.path,
					  "its reg is not of whole words, and shares a page with others", "");
	return ret ? passthrough_refuse(p, claim->dev.path, NO_ROOM, "") : 0;
}

static int map_page(struct passthrough *p, const struct pass_claim *claim, uint64_t at, uint64_t page,
		    const struct host_range *reg)
{
	uint64_t from = MAX(page, reg->base), to = MIN(page + PAGE_SIZE, reg->base + reg->size);
	bool shares = to - from < PAGE_SIZE && passpage_is_shared(&claim->dev, page, NULL);
	uint8_t *va = shares ? passthrough_show(page) : NULL;
	int ret;

	if (shares && !va)
		return passthrough_refuse(p, claim->dev.path, NO_ROOM, "");
	if (shares && passpage_is_shared(&claim->dev, page, va))
		return trap_part(p, claim, at + (from - page), to - from, va + (from - page));
	spin_lock(&p->device.vm->s2.lock);
	ret = s2_map_device(&p->device.vm->s2, ipa(at), pa(page), PAGE_SIZE);
	spin_unlock(&p->device.vm->s2.lock);
	return ret;
}

int passthrough_map(struct passthrough *p, const struct pass_claim *claim, uint64_t at, const struct host_range *part)
{
	uint64_t first = align_down(part->base, PAGE_SIZE), end = align_up(part->base + part->size, PAGE_SIZE);
	int ret = 0;

	at = align_down(at, PAGE_SIZE);
	for (uint64_t page = first; !ret && page < end; page += PAGE_SIZE) {
		ret = map_page(p, claim, at + (page - first), page, part);
		sched_preempt();
	}
	return ret;
}

/* The guest's interrupt for one that the node has named before, for another purpose; 0: it has not. */
static uint32_t find_irq(const struct pass_claim *claim, uint32_t count, uint32_t host_id)
{
	for (uint32_t i = 0; i < count; i++)
		if (claim->dev.irq[i].id == host_id)
			return claim->irq[i];
	return 0;
}

static int forward_claim_irqs(struct passthrough *p, struct pass_claim *claim, const struct pass_way *way)
{
	int ret;

	for (uint32_t i = 0; i < claim->dev.irq_count; i++) {
		claim->irq[i] = find_irq(claim, i, claim->dev.irq[i].id);
		if (claim->irq[i])
			continue;
		claim->irq[i] = way->number(p, claim->dev.irq[i].id);
		if (!claim->irq[i])
			return passthrough_refuse(p, claim->dev.path, way->no_number, "");
		ret = vgic_forward(p->device.vm, claim->irq[i], claim->dev.irq[i].id,
				   claim->dev.irq[i].edge ? VGIC_EDGE : VGIC_LEVEL);
		if (ret == -EBUSY)
			return passthrough_refuse(p, claim->dev.path, "its interrupt is in use", "");
		if (ret)
			return passthrough_refuse(p, claim->dev.path,
						  "virt7 has no room for so many interrupts of the host's", "");
		sched_preempt();
	}
	return 0;
}

/* What virt7 needs to make a bus master quiet. */
static int find_quiet(struct passthrough *p, struct pass_claim *claim)
{
	const struct host_quiet *quiet = claim->dev.master ? passquiet_find(&claim->dev) : NULL;
	uint64_t at;

	if (!quiet)
		return 0;
	at = passquiet_register(quiet, &claim->dev);
	claim->quiet_at = passthrough_show(align_down(at, PAGE_SIZE));
	if (!claim->quiet_at)
		return passthrough_refuse(p, claim->dev.path, NO_ROOM, "");
	claim->quiet_at += at & (PAGE_SIZE - 1U);
	claim->quiet = quiet;
	return 0;
}

/* The boot line: what it is, where it was and where the guest has it. */
static void announce_claim(const struct passthrough *p, const struct pass_claim *claim)
{
	const struct hostdev *dev = &claim->dev;

	log_info("vm %s: passthrough %s: 0x%llx at 0x%llx%s", p->device.vm->config.name, dev->path,
		 (unsigned long long)dev->reg[0].base, (unsigned long long)claim->ipa[0],
		 !dev->master   ? ""
		 : claim->quiet ? ", a bus master: trusted-dma"
				: ", a bus master that virt7 cannot make quiet: trusted-dma");
	for (uint32_t i = 0; i < dev->irq_count; i++) {
		sched_preempt();
		log_info("vm %s: passthrough %s: interrupt %u is %u, by %s", p->device.vm->config.name, dev->path,
			 (unsigned)dev->irq[i].id, (unsigned)claim->irq[i], dev->irq[i].edge ? "edges" : "level");
	}
	sched_preempt();
}

int passthrough_claim(struct passthrough *p, const char *name)
{
	struct pass_claim *claim = &p->claim[p->count];
	const struct vm_config *cfg = &p->device.vm->config;
	const struct hostdev *other;
	const char *wrong;

	sched_preempt();
	wrong = hostdev_find(name, &claim->dev);
	sched_preempt();
	if (wrong)
		return passthrough_refuse(p, name, wrong, "");
	if (claim->dev.iommu)
		return passthrough_refuse(p, name, "it is behind an IOMMU, which virt7 does not program", "");
	if (claim->dev.master && !cfg->trusted_dma)
		return passthrough_refuse(
			p, name, "it may write to any RAM by itself: only a VM that says trusted-dma gets it", "");
	other = hostdev_claim(&claim->dev, cfg->name);
	if (other)
		return passthrough_refuse(p, name, "it, or a part of it, is taken already by ", other->owner);
	p->count++;
	return 0;
}

int passthrough_give(struct passthrough *p, struct pass_claim *claim, const struct pass_way *way, int node)
{
	int ret = way->map(p, claim, node);

	if (!ret)
		ret = find_quiet(p, claim);
	sched_preempt();
	if (!ret)
		ret = forward_claim_irqs(p, claim, way);
	if (!ret)
		announce_claim(p, claim);
	return ret;
}

int passthrough_make_room(struct passthrough *p, uint32_t count, const char *who)
{
	if (count > PASS_MAX)
		return passthrough_refuse(p, who, "more than 32 devices are named with it", "");
	p->order = page_order(MAX(count, 1U) * sizeof(*p->claim));
	p->claim = page_alloc(p->order);
	return p->claim ? 0 : -ENOMEM;
}
