/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CFI flash as QEMU's virt board has it: bank 0 for code, which no command changes where an image is in it, bank 1 for
 * variables. A bank that is read as an array is memory to the guest (hyp/vdev/flashbank.h); it is taken away with the
 * first command and comes back with the first read behind the last. What is written stays until the VM is destroyed, or
 * on a disk of the host's (hyp/vdev/flashkeep.h).
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <arm/spinlock.h>

#include "hyp/lib/log.h"
#include "hyp/exit/mmio.h"
#include "hyp/load/tree.h"
#include "hyp/load/unpack.h"
#include "hyp/load/words.h"
#include "hyp/run/sched.h"
#include "hyp/vdev/device.h"
#include "hyp/vdev/flashbank.h"
#include "hyp/vdev/flashkeep.h"
#include "hyp/vdev/vflash.h"
#include "hyp/virtio/partition.h"
#include "hyp/vm/vm.h"
#include "mm/cache.h"

enum { FLASH_CODE, FLASH_VARS, FLASH_BANKS };

struct flash_part {
	struct vflash *flash;
	const char *image; /* of the node; NULL: none */
	uint32_t fill;
	struct flash_bank bank;
};

struct vflash {
	struct device device;
	struct spinlock lock;
	bool full_said, lost_said;
	struct flash_part part[FLASH_BANKS];
	struct flash_keep keep;      /* of the variables */
	struct cfi cfi[FLASH_BANKS]; /* saved, from here on */
};

static struct cfi *cfi_of(struct flash_part *part)
{
	return &part->flash->cfi[part - part->flash->part];
}

/* Once until the VM's reset: a guest may fill and erase for ever. */
static void say_flash_full(struct vflash *flash)
{
	const char *vm = flash->device.vm->config.name;

	if (!flash->full_said && log_ratelimit(&flash->device.vm->log_budget))
		log_warn("vm %s: /vms/%s/%.40s: its RAM is full (%u KiB a bank at least): writes fail until a sector "
			 "is erased",
			 vm, vm, flash->device.name, (unsigned)(BLOCK_SIZE / 1024U));
	flash->full_said = true;
}

/* What of the bank is on a disk of the host's; NULL: nothing. */
static struct flash_keep *keep_of(const struct flash_part *part)
{
	struct vflash *flash = part->flash;

	return part == &flash->part[FLASH_VARS] && flash->keep.disk ? &flash->keep : NULL;
}

static bool is_locked(const struct flash_part *part, uint32_t offset)
{
	const struct flash_keep *keep = keep_of(part);

	return part->bank.read_only || (keep && offset >= keep->size);
}

static void mark_changed(const struct flash_part *part, uint32_t offset, uint32_t len)
{
	struct flash_keep *keep = keep_of(part);

	if (keep)
		flash_keep_mark(keep, offset, len);
}

/* A command's bytes end at the end of its buffer, which is a page. */
static uint32_t program_flash(void *p, uint32_t offset, const uint64_t *data, uint32_t len)
{
	struct flash_part *part = p;
	int ret;

	if (is_locked(part, offset))
		return CFI_WRITE_BAD | CFI_LOCKED;
	ret = flash_bank_clear(&part->bank, offset, data, len);
	mark_changed(part, offset, len);
	if (ret == -ENOSPC)
		say_flash_full(part->flash);
	return ret ? CFI_WRITE_BAD : 0;
}

static uint32_t erase_sector(void *p, uint32_t sector)
{
	struct flash_part *part = p;

	if (is_locked(part, sector))
		return CFI_ERASE_BAD | CFI_LOCKED;
	flash_bank_erase(&part->bank, sector);
	mark_changed(part, sector, CFI_SECTOR);
	return 0;
}

static const struct cfi_memory memory = {program_flash, erase_sector};

/* It may refuse after a copy: a bank is too large for the bus' index, so that the bus asks once (hyp/exit/mmio.h). */
static uint64_t flash_read(struct vcpu *vcpu, void *p, uint32_t offset, uint32_t size)
{
	struct flash_part *part = p;
	uint32_t value = 0;
	int ret = 0;

	spin_lock(&part->flash->lock);
	if (cfi_is_array(cfi_of(part)))
		ret = flash_bank_read(&part->bank, offset, &value, size);
	else
		value = cfi_read(cfi_of(part), offset, size);
	spin_unlock(&part->flash->lock);
	if (ret)
		return MMIO_ABORT;
	return size == sizeof(value) ? value : value & (BIT(8U * size) - 1U);
}

/* Once until the VM's reset. */
static void say_flash_lost(struct vflash *flash)
{
	const char *vm = flash->device.vm->config.name;

	if (!flash->lost_said && log_ratelimit(&flash->device.vm->log_budget))
		log_warn("vm %s: /vms/%s/%.40s: host \"%s\": it does not take what has changed: writes fail until it "
			 "does",
			 vm, vm, flash->device.name, flash->keep.path);
	flash->lost_said = true;
}

/* Behind a command, which has failed if this does: the status says so, until it is cleared. */
static void save_vars(struct vflash *flash)
{
	struct flash_part *part = &flash->part[FLASH_VARS];

	if (!flash_keep_save(&flash->keep, &part->bank, &flash->lock))
		return;
	spin_lock(&flash->lock);
	cfi_of(part)->status |= CFI_WRITE_BAD;
	say_flash_lost(flash);
	spin_unlock(&flash->lock);
}

static bool flash_write(struct vcpu *vcpu, void *p, uint32_t offset, uint32_t value, uint32_t size)
{
	struct flash_part *part = p;
	bool lacks;

	spin_lock(&part->flash->lock);
	flash_bank_hide(&part->bank);
	cfi_write(cfi_of(part), &memory, part, offset, value, size);
	lacks = flash_keep_lacks(&part->flash->keep);
	spin_unlock(&part->flash->lock);
	if (unlikely(lacks))
		save_vars(part->flash);
	return true;
}

static bool flash_show(struct vcpu *vcpu, void *p, uint32_t offset)
{
	struct flash_part *part = p;
	bool shown;

	spin_lock(&part->flash->lock);
	shown = cfi_is_array(cfi_of(part)) && !flash_bank_is_lost(&part->bank, offset) &&
		!flash_bank_show(&part->bank, offset);
	spin_unlock(&part->flash->lock);
	return shown;
}

static struct vflash *flash_of(const struct device *device)
{
	return (struct vflash *)(uintptr_t)device;
}

static int refuse_flash(const struct vflash *flash, const char *property, const char *wrong)
{
	const char *vm = flash->device.vm->config.name;

	log_err("vm %s: /vms/%s/%.40s: %s%s%s", vm, vm, flash->device.name, property ? property : "",
		property ? ": " : "", wrong);
	return -EINVAL;
}

static const char *check_flash_config(const struct vflash *flash)
{
	const struct flash_keep *keep = &flash->keep;

	if (flash->device.number)
		return WORDS_FLASH_TWICE;
	if (!flash->part[FLASH_CODE].image && !flash->device.vm->config.kernel.name)
		return WORDS_FLASH_NO_CODE;
	if (!keep->path)
		return keep->partition > 0 || keep->claim.count > 0 ? WORDS_FLASH_NO_HOST : NULL;
	if (flash->part[FLASH_VARS].image)
		return WORDS_FLASH_HOST;
	return keep->partition > 0 && keep->claim.count > 0 ? WORDS_FLASH_PARTS : NULL;
}

static int open_flash_image(const struct vflash *flash, uint32_t n, struct bundle_image *image)
{
	static const char *const names[FLASH_BANKS] = {"code", "vars"};
	const struct device *device = &flash->device;
	const char *vm = device->vm->config.name;

	*image = (struct bundle_image){0};
	if (!flash->part[n].image)
		return 0;
	if (bundle_find_image(device->bundle, vm, device->name, flash->part[n].image, image) ||
	    unpack_image(device->bundle, vm, image))
		return -EINVAL;
	return image->size > CFI_BANK_SIZE ? refuse_flash(flash, names[n], WORDS_FLASH_LARGE) : 0;
}

static uint32_t keep_size(const struct flash_part *part)
{
	const struct flash_keep *keep = keep_of(part);

	return keep ? keep->size : 0;
}

static int make_bank(struct vflash *flash, uint32_t n)
{
	struct flash_part *part = &flash->part[n];
	struct bundle_image image;
	int ret = open_flash_image(flash, n, &image);

	if (ret)
		return ret;
	part->bank.vm = flash->device.vm;
	part->bank.base = ipa(MACHINE_FLASH_BASE + n * CFI_BANK_SIZE);
	part->bank.read_only = n == FLASH_CODE && image.data;
	part->bank.exec = n == FLASH_CODE;
	ret = flash_bank_make(&part->bank, image.data, (uint32_t)image.size, keep_size(part), (uint8_t)part->fill);
	if (ret == -ENOSPC)
		return refuse_flash(flash, NULL, "the host has not so much RAM free; give the host more memory");
	if (ret == -EIO)
		return refuse_flash(flash, NULL, "the host's memory does not answer; is its device tree right?");
	return ret;
}

static int add_regions(struct vflash *flash)
{
	static const struct mmio_ops ops = {flash_read, flash_write, MMIO_ANY};
	int ret = 0;

	for (uint32_t n = 0; !ret && n < FLASH_BANKS; n++)
		ret = mmio_add_memory(&flash->device.vm->bus, MACHINE_FLASH_BASE + n * CFI_BANK_SIZE, CFI_BANK_SIZE,
				      &ops, &flash->part[n], flash_show);
	return ret;
}

static int refuse_keep(const struct vflash *flash, const char *wrong, const struct hostdisk_claim *other)
{
	const char *vm = flash->device.vm->config.name;

	if (other)
		log_err("vm %s: /vms/%s/%.40s: vars-host \"%s\": " WORDS_DISK_TAKEN, vm, vm, flash->device.name,
			flash->keep.path, other->vm, other->device);
	else
		log_err("vm %s: /vms/%s/%.40s: vars-host \"%s\": %s", vm, vm, flash->device.name, flash->keep.path,
			wrong);
	return -EINVAL;
}

/* What is not on the disk is as erased there, too. */
static int open_keep(struct vflash *flash)
{
	struct flash_keep *keep = &flash->keep;
	const struct hostdisk_claim *other;
	const char *wrong;

	if (!keep->path)
		return 0;
	keep->claim.vm = flash->device.vm->config.name;
	keep->claim.device = flash->device.name;
	wrong = flash_keep_open(keep, &other);
	if (wrong) {
		keep->disk = NULL;
		return refuse_keep(flash, wrong, other);
	}
	flash->part[FLASH_VARS].fill = 0xff;
	return 0;
}

static void close_keep(struct vflash *flash)
{
	if (flash->keep.disk)
		flash_keep_close(&flash->keep);
}

static int load_keep(struct vflash *flash)
{
	int ret = flash->keep.disk ? flash_keep_load(&flash->keep, &flash->part[FLASH_VARS].bank) : 0;

	return ret ? refuse_keep(flash, "the disk cannot be read", NULL) : 0;
}

static int make_banks(struct vflash *flash)
{
	int ret = make_bank(flash, FLASH_CODE);

	if (ret)
		return ret;
	ret = make_bank(flash, FLASH_VARS);
	if (ret)
		flash_bank_free(&flash->part[FLASH_CODE].bank);
	return ret;
}

static void free_banks(struct vflash *flash)
{
	for (uint32_t n = 0; n < FLASH_BANKS; n++)
		flash_bank_free(&flash->part[n].bank);
}

static int flash_create(struct device *device)
{
	struct vflash *flash = flash_of(device);
	const char *wrong = check_flash_config(flash);
	int ret;

	if (wrong)
		return refuse_flash(flash, NULL, wrong);
	for (uint32_t n = 0; n < FLASH_BANKS; n++)
		flash->part[n].flash = flash;
	ret = open_keep(flash);
	if (ret)
		return ret;
	ret = make_banks(flash);
	if (ret)
		goto out_keep;
	ret = load_keep(flash);
	if (ret)
		goto out_banks;
	ret = add_regions(flash);
	if (ret)
		goto out_banks;
	return 0;
out_banks:
	free_banks(flash);
out_keep:
	close_keep(flash);
	return ret;
}

/* The chips as at power-on; what they hold is what such a device is for. */
static void flash_reset(struct device *device)
{
	struct vflash *flash = flash_of(device);

	memset(flash->cfi, 0, sizeof(flash->cfi));
	flash->full_said = flash->lost_said = false;
}

static void flash_restore(struct device *device)
{
	for (uint32_t n = 0; n < FLASH_BANKS; n++)
		flash_bank_hide(&flash_of(device)->part[n].bank); /* the next read shows it, if it is an array */
}

/* As QEMU has it. */
static void flash_describe(const struct device *device, struct tree *tree)
{
	tree_begin_numbered(tree, "flash@", MACHINE_FLASH_BASE);
	tree_string(tree, "compatible", "cfi-flash");
	tree_list(tree, "reg", 0, MACHINE_FLASH_BASE, 0, CFI_BANK_SIZE, 0, MACHINE_FLASH_BASE + CFI_BANK_SIZE, 0,
		  CFI_BANK_SIZE);
	tree_cell(tree, "bank-width", 4);
	tree_end(tree);
}

static bool is_in_bank(uint32_t n, uint64_t at, uint64_t size)
{
	uint64_t offset = at - (MACHINE_FLASH_BASE + n * CFI_BANK_SIZE);

	return offset < CFI_BANK_SIZE && size <= CFI_BANK_SIZE - offset;
}

/* A kernel that is linked for flash goes into banks without an image. */
static bool flash_holds(const struct device *device, uint64_t at, uint64_t size)
{
	for (uint32_t n = 0; n < FLASH_BANKS; n++)
		if (!flash_of(device)->part[n].image && !keep_of(&flash_of(device)->part[n]) && is_in_bank(n, at, size))
			return true;
	return false;
}

static int load_some(struct vflash *flash, struct flash_bank *bank, uint32_t offset, const void *from, uint32_t len)
{
	int ret;

	spin_lock(&flash->lock);
	flash_bank_hide(bank);
	flash_bank_renew(bank, offset);
	ret = flash_bank_write(bank, offset, from, len);
	spin_unlock(&flash->lock);
	return ret;
}

/* Page by page: the shell may read the banks meanwhile, and others want the CPU. */
static int flash_load(struct device *device, uint64_t to, const void *from, size_t len)
{
	struct vflash *flash = flash_of(device);
	const uint8_t *bytes = from;
	int ret = 0;

	for (uint32_t n; !ret && len; bytes += n, to += n, len -= n) {
		uint32_t offset = (uint32_t)to - MACHINE_FLASH_BASE;
		struct flash_bank *bank = &flash->part[offset / CFI_BANK_SIZE % FLASH_BANKS].bank;

		n = (uint32_t)MIN(len, PAGE_SIZE - (offset & (PAGE_SIZE - 1U)));
		sched_preempt();
		ret = load_some(flash, bank, offset % CFI_BANK_SIZE, bytes, n);
	}
	cache_invalidate_icache();
	return ret;
}

static bool flash_owns(const struct device *device, pa_t page)
{
	const struct vflash *flash = flash_of(device);

	return flash_bank_owns(&flash->part[FLASH_CODE].bank, page) ||
	       flash_bank_owns(&flash->part[FLASH_VARS].bank, page);
}

static void flash_lose(struct device *device, pa_t page)
{
	struct vflash *flash = flash_of(device);

	spin_lock(&flash->lock);
	for (uint32_t n = 0; n < FLASH_BANKS; n++)
		if (flash_bank_owns(&flash->part[n].bank, page))
			flash_bank_lose(&flash->part[n].bank, page);
	spin_unlock(&flash->lock);
}

static void flash_show_ram(const struct device *device, void (*print)(const char *fmt, ...))
{
	for (uint32_t n = 0; n < FLASH_BANKS; n++) {
		const struct flash_bank *bank = &flash_of(device)->part[n].bank;

		for (uint32_t i = 0; i < bank->pieces; i++)
			print("%s bank %u  host 0x%010llx  %u MiB\n", device->name, (unsigned)n,
			      (unsigned long long)bank->piece[i].pa, (unsigned)(bank->piece[i].size >> 20));
	}
}

static void flash_destroy(struct device *device)
{
	free_banks(flash_of(device));
	close_keep(flash_of(device));
}

struct device *vflash_find(const struct vm *vm)
{
	return device_find(vm, &vflash_class);
}

int vflash_read(struct device *device, uint32_t offset, void *to, uint32_t len)
{
	struct vflash *flash = flash_of(device);
	int ret;

	spin_lock(&flash->lock);
	ret = flash_bank_read(&flash->part[FLASH_VARS].bank, offset % CFI_BANK_SIZE, to, len);
	spin_unlock(&flash->lock);
	return ret;
}

int vflash_same(struct device *device, uint32_t offset)
{
	struct vflash *flash = flash_of(device);
	int same;

	spin_lock(&flash->lock);
	same = flash_bank_same(&flash->part[FLASH_VARS].bank, offset % CFI_BANK_SIZE);
	spin_unlock(&flash->lock);
	return same;
}

uint8_t vflash_fill(const struct device *device)
{
	return (uint8_t)flash_of(device)->part[FLASH_VARS].fill;
}

static const char *flash_parse_range(struct device *device, const struct bundle *bundle, int node, const char *name)
{
	return partition_parse_range(bundle->fdt, node, name, &flash_of(device)->keep.claim);
}

#define NODE(compatible)
#define PROPERTY(property_name, property_kind, field, ...) \
	{.name = property_name, .kind = property_kind, PROPERTY_FIELD(struct vflash, field), __VA_ARGS__},
static const struct property flash_properties[] = {
#include "hyp/vdev/vflash.def"
	{.name = NULL},
};

const struct device_class vflash_class = {
	.name = "flash",
	.compatible = "virt7,cfi-flash",
	.properties = flash_properties,
	.size = sizeof(struct vflash),
	.saved = offsetof(struct vflash, cfi),
	.heap = (FLASH_TABLES + 8U) * PAGE_SIZE, /* variables; of code, 4 MiB or so */
	.starts_vm = true,
	.create = flash_create,
	.reset = flash_reset,
	.describe = flash_describe,
	.restore = flash_restore,
	.destroy = flash_destroy,
	.holds = flash_holds,
	.load = flash_load,
	.owns = flash_owns,
	.lose = flash_lose,
	.show_ram = flash_show_ram,
};
