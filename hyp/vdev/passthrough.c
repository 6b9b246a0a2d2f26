/* SPDX-License-Identifier: BSD-2-Clause */
/* See hyp/vdev/passthrough.h. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <arm/copy.h>
#include <arm/sysreg.h>

#include "hyp/lib/log.h"
#include "hyp/lib/bits.h"
#include "hyp/vdev/passthrough.h"
#include "hyp/vm/machine.h"
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

static struct passthrough *device_passthrough(struct device *device)
{
	return container_of(device, struct passthrough, device);
}

const struct passthrough *passthrough_of(const struct vm *vm)
{
	return device_passthrough(device_find(vm, &passthrough_class));
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

/* Where the host has it, if that is below 4 GiB and the guest's machine has nothing there. */
static bool is_free_in_guest(const struct vm *vm, uint64_t base, uint64_t size)
{
	return base >= MACHINE_PASS_BASE + MACHINE_PASS_SIZE && base + size <= BIT64(32) &&
	       !ranges_overlap(base, size, MACHINE_PCI_BASE, MACHINE_PCI_SIZE) &&
	       (vm_is_direct(vm) || !ranges_overlap(base, size, MACHINE_RAM_BASE, vm->config.ram_size));
}

/* The guest's address for the page at `page`, and `size` bytes of pages from there. 0: the window is full. */
static uint64_t choose_place(struct passthrough *p, uint64_t page, uint64_t size)
{
	uint64_t at = p->next_ipa;

	if (is_free_in_guest(p->device.vm, page, size))
		return page;
	if (size > MACHINE_PASS_BASE + MACHINE_PASS_SIZE - at)
		return 0;
	p->next_ipa += (uint32_t)size;
	return at;
}

#define NO_ROOM "virt7 has no room for so many parts of pages"

/* Accesses to [base, base + size) of the host come to virt7. */
static int trap_part(struct passthrough *p, const struct pass_claim *claim, uint64_t ipa_base, uint64_t base,
		     uint64_t size)
{
	uint8_t *va = passthrough_show(align_down(base, PAGE_SIZE));
	int ret = va ? passthrough_trap(p->device.vm, ipa_base, size, va + (base & (PAGE_SIZE - 1U))) : -ENOMEM;

	if (ret == -EINVAL)
		return passthrough_refuse(p, claim->dev.path,
					  "its reg is not of whole words, and shares a page with others", "");
	return ret ? passthrough_refuse(p, claim->dev.path, NO_ROOM, "") : 0;
}

static int map_page(struct passthrough *p, const struct pass_claim *claim, uint64_t at, uint64_t page,
		    const struct host_range *reg)
{
	uint64_t from = MAX(page, reg->base), to = MIN(page + PAGE_SIZE, reg->base + reg->size);
	int ret;

	if (to - from < PAGE_SIZE && hostdev_shares_page(&claim->dev, page))
		return trap_part(p, claim, at + (from - page), from, to - from);
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
	for (uint64_t page = first; !ret && page < end; page += PAGE_SIZE)
		ret = map_page(p, claim, at + (page - first), page, part);
	return ret;
}

static int map_reg(struct passthrough *p, struct pass_claim *claim, uint32_t which)
{
	const struct host_range *reg = &claim->dev.reg[which];
	uint64_t first = align_down(reg->base, PAGE_SIZE), end = align_up(reg->base + reg->size, PAGE_SIZE);
	uint64_t at = choose_place(p, first, end - first);

	if (at == 0)
		return passthrough_refuse(p, claim->dev.path,
					  "the guest's addresses from 0x0c000000 to 0x0e000000 do not suffice", "");
	claim->ipa[which] = at + (reg->base - first);
	return passthrough_map(p, claim, at, reg);
}

static int map_regs(struct passthrough *p, struct pass_claim *claim, int node)
{
	int ret = 0;

	for (uint32_t i = 0; !ret && i < claim->dev.reg_count; i++)
		ret = map_reg(p, claim, i);
	return ret;
}

static uint32_t next_number(struct passthrough *p, uint32_t id)
{
	return p->next_irq < VGIC_IRQS ? p->next_irq++ : 0;
}

static const struct pass_way by_path = {map_regs, next_number, "the guest's interrupts from 144 on do not suffice"};

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
	}
	return 0;
}

/* What virt7 needs to make a bus master quiet. */
static int find_quiet(struct passthrough *p, struct pass_claim *claim)
{
	const struct pass_quiet *quiet = claim->dev.master ? passquiet_find(&claim->dev) : NULL;
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
	for (uint32_t i = 0; i < dev->irq_count; i++)
		log_info("vm %s: passthrough %s: interrupt %u is %u, by %s", p->device.vm->config.name, dev->path,
			 (unsigned)dev->irq[i].id, (unsigned)claim->irq[i], dev->irq[i].edge ? "edges" : "level");
}

int passthrough_claim(struct passthrough *p, const char *name, const struct pass_way *way, int node)
{
	struct pass_claim *claim = &p->claim[p->count];
	const struct vm_config *cfg = &p->device.vm->config;
	const char *wrong = hostdev_find(name, &claim->dev);
	const struct hostdev *other;
	int ret;

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
	ret = way->map(p, claim, node);
	if (!ret)
		ret = find_quiet(p, claim);
	if (!ret)
		ret = forward_claim_irqs(p, claim, way);
	if (!ret)
		announce_claim(p, claim);
	return ret;
}

static int claim_device(struct passthrough *p, const char *name)
{
	int ret = passthrough_claim(p, name, &by_path, 0);

	if (!ret)
		passtree_report(p, &p->claim[p->count - 1U]);
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

static uint32_t count_strings(const struct property_strings *list)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < list->size; i++)
		count += list->first[i] == '\0';
	return count;
}

static void passthrough_destroy(struct device *device)
{
	struct passthrough *p = device_passthrough(device);

	if (device->vm->keeps_ram)
		passkeep_put(p);
	passrest_destroy(p);
	passdtb_destroy(p);
	for (uint32_t i = 0; i < p->count; i++)
		hostdev_release(&p->claim[i].dev);
	if (p->claim)
		page_free(p->claim, p->order);
	p->claim = NULL;
	p->count = 0;
}

static int passthrough_create(struct device *device)
{
	struct passthrough *p = device_passthrough(device);
	const struct property_strings *list = &device->vm->config.passthrough;
	uint32_t count = count_strings(list) - vmcfg_wants_rest(&device->vm->config);
	int ret = 0;

	p->next_ipa = MACHINE_PASS_BASE;
	p->next_irq = MACHINE_SPI_PASS;
	if (count == 0)
		return 0;
	ret = passthrough_make_room(p, count, list->first);
	for (const char *name = list->first; !ret && name < list->first + list->size; name += strlen(name) + 1U)
		ret = strcmp(name, VMCFG_REST) ? claim_device(p, name) : 0;
	if (ret) /* nobody destroys what could not be created */
		passthrough_destroy(device);
	return ret;
}

static int passthrough_finish(struct device *device)
{
	struct passthrough *p = device_passthrough(device);
	const struct vm_config *cfg = &device->vm->config;
	int ret = 0;

	if (cfg->passthrough_dtb.name)
		ret = passdtb_create(p);
	else if (vmcfg_wants_rest(cfg) && !cfg->trusted_dma)
		ret = passthrough_refuse(p, VMCFG_REST,
					 "bus masters are among it: only a VM that says trusted-dma gets it", "");
	else if (vmcfg_wants_rest(cfg))
		ret = passrest_create(p);
	if (!ret)
		passkeep_take(p);
	return ret;
}

/* What cannot be made quiet may go on writing where its driver has told it to: that RAM stays the VM's. */
static void passthrough_quiesce(struct device *device)
{
	struct passthrough *p = device_passthrough(device);

	device->vm->keeps_ram = false;
	for (uint32_t i = 0; i < p->count; i++) {
		struct pass_claim *claim = &p->claim[i];

		claim->loud = claim->dev.master && !passquiet_reset(claim->quiet, claim->quiet_at);
		device->vm->keeps_ram |= claim->loud;
	}
	if (p->rest && !passrest_quiesce(p->rest))
		device->vm->keeps_ram = true;
}

static void passthrough_describe(const struct device *device, struct tree *t)
{
	const struct passthrough *p = container_of(device, const struct passthrough, device);

	if (p->dtb)
		passdtb_write(p, t);
	else if (p->count)
		passtree_write(p, t);
	if (p->rest)
		passrest_write(p, t);
}

const struct device_class passthrough_class = {
	.name = "passthrough",
	.size = sizeof(struct passthrough),
	.saved = sizeof(struct passthrough),
	.create = passthrough_create,
	.finish = passthrough_finish,
	.describe = passthrough_describe,
	.quiesce = passthrough_quiesce,
	.destroy = passthrough_destroy,
};
