/* SPDX-License-Identifier: BSD-2-Clause */
/* See hyp/vdev/passthrough.h. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "hyp/lib/log.h"
#include "hyp/lib/bits.h"
#include "hyp/vdev/passthrough.h"
#include "hyp/vm/machine.h"
#include "hyp/vm/vm.h"
#include "mm/page.h"
#include "vgic/vgic.h"

static struct passthrough *device_passthrough(struct device *device)
{
	return container_of(device, struct passthrough, device);
}

const struct passthrough *passthrough_of(const struct vm *vm)
{
	return device_passthrough(device_find(vm, &passthrough_class));
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

static int give_device(struct passthrough *p, struct pass_claim *claim)
{
	int ret = passthrough_give(p, claim, &by_path, 0);

	if (!ret)
		passtree_report(p, claim);
	return ret;
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
		ret = strcmp(name, VMCFG_REST) ? passthrough_claim(p, name) : 0;
	for (uint32_t i = 0; !ret && i < p->count; i++)
		ret = give_device(p, &p->claim[i]);
	if (ret) /* what could not be created is not destroyed either */
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
