/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Puts a VM's kernel, ramdisk and device tree into its RAM. Whatever is to be placed first claims its range, so that
 * nothing overlaps and nothing leaves RAM; a VM that does not fit is refused with the sizes. All headers are read from
 * the bundle, which is not trusted to be well formed.
 * Formats: Linux, Documentation/arch/arm/booting.rst and arch/arm/boot/compressed (zImage); U-Boot, include/image.h
 * (uImage). Where things go follows QEMU, hw/arm/boot.c; ELF files are in hyp/load/elf.c.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include <libfdt.h>

#include "hyp/load/foreign.h"
#include "hyp/load/guestdtb.h"
#include "hyp/vm/guestmem.h"
#include "hyp/vm/vm.h"
#include "hyp/load/image.h"
#include "hyp/load/loader.h"
#include "hyp/load/stream.h"
#include "hyp/load/usertree.h"
#include "hyp/load/words.h"
#include "hyp/run/sched.h"
#include "hyp/vdev/device.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/log.h"
#include "mm/page.h"

/* Linux, Documentation/arch/arm/booting.rst 4, and arch/arm/boot/compressed/head.S. */
#define ZIMAGE_MAGIC_OFFSET 0x24U
#define ZIMAGE_MAGIC        UINT32_C(0x016f2818)
#define ZIMAGE_START        0x28U
#define ZIMAGE_END          0x2cU
#define ZIMAGE_MAGIC2       0x34U /* says that a table of tags follows */
#define ZIMAGE_MAGIC2_VALUE UINT32_C(0x45454545)
#define ZIMAGE_TABLE        0x38U
#define ZIMAGE_HEADER       0x3cU
#define ZIMAGE_TAG_SIZES    UINT32_C(0x5a534c4b)
#define ZIMAGE_TEXT_OFFSET  UINT32_C(0x8000)
#define ZIMAGE_SCRATCH      KIB(68)  /* the decompressor's heap and stack, behind it */
#define ZIMAGE_REACH        MIB(128) /* it unpacks to pc & ~(this - 1) */
#define ZIMAGE_RATIO        4U       /* what kexec assumes for kernels without the table */

/* U-Boot, include/image.h: struct legacy_img_hdr, big-endian. */
#define UIMAGE_MAGIC       UINT32_C(0x27051956)
#define UIMAGE_HCRC        4U
#define UIMAGE_TIME        8U
#define UIMAGE_SIZE        12U
#define UIMAGE_LOAD        16U
#define UIMAGE_ENTRY       20U
#define UIMAGE_DCRC        24U
#define UIMAGE_OS          28U
#define UIMAGE_ARCH        29U
#define UIMAGE_TYPE        30U
#define UIMAGE_COMPRESSION 31U
#define UIMAGE_HEADER      64U
enum uimage_type { UIMAGE_KERNEL = 2, UIMAGE_RAMDISK = 3, UIMAGE_KERNEL_NOLOAD = 14 };
#define UIMAGE_OS_LINUX 5U
#define UIMAGE_ARCH_ARM 2U

#define RAMDISK_ALIGN PAGE_SIZE

static_assert(sizeof(struct image_work) <= 16U * PAGE_SIZE, "one allocation of order WORK_ORDER");
static_assert(sizeof(((struct image_work *)0)->chunk) >= GUESTDTB_MAX, "the device tree is made in the chunk");
#define WORK_ORDER 4U

/*
 * What a tree at the start of RAM says that it has, as QEMU's does. U-Boot adds to its copy where that lies (bootz with
 * fdtcontroladdr), and the decompressor of Linux' EFI stub writes up to 64 KiB beyond its image, where EDK2's copy is.
 */
#define FIRMWARE_TREE MIB(1)

static const char *error_text(int err)
{
	switch (err) {
	case -EBADMSG:
		return WORDS_NOT_GZIP;
	case -ENODATA:
		return WORDS_SHORT;
	case -EIO:
		return "the host's memory does not answer; is its device tree right?";
	default:
		return "guest RAM cannot be written; is the host out of memory?";
	}
}

/* No space: of a device, which the kernel is loaded into. */
int loader_fail(const struct loader *l, int err)
{
	loader_refuse(l, "%s", err == -ENOSPC ? WORDS_FLASH_FULL : error_text(err));
	return err;
}

/* The claim of something else that shares an address with the range; NULL: none. The range is in RAM. */
static const struct claim *find_conflict(const struct loader *l, uint64_t start, uint64_t size)
{
	for (unsigned int i = 0; i < l->claim_count; i++) {
		const struct claim *c = &l->claims[i];

		if (c->what != l->what && ranges_overlap(start, size, c->start, c->size))
			return c;
	}
	return NULL;
}

static bool is_in_ram(const struct loader *l, uint64_t start, uint64_t size)
{
	return start >= l->ram_base && start <= l->ram_end && size <= l->ram_end - start;
}

bool loader_holds(const struct loader *l, uint64_t start, uint64_t size)
{
	return is_in_ram(l, start, size) || device_holding(l->vm, start, size);
}

/* In the VM's RAM or in a device's memory, which has been claimed. */
static int write_bytes(struct loader *l, uint64_t to, const void *from, size_t len)
{
	struct device *device = is_in_ram(l, to, len) ? NULL : device_holding(l->vm, to, len);

	return device ? device->class->load(device, to, from, len) : guest_load(l->vm, ipa(to), from, len);
}

int loader_write(struct loader *l, uint64_t to, size_t len)
{
	int err = 0;

	if (is_in_ram(l, to, len))
		return image_stream_load(&l->stream, l->vm, ipa(to), len);
	while (!err && len) {
		size_t n = MIN(len, sizeof(l->work->chunk));

		err = image_stream_read(&l->stream, l->work->chunk, n);
		if (!err)
			err = write_bytes(l, to, l->work->chunk, n);
		to += n;
		len -= n;
	}
	return err;
}

/* bss is written, not left to the scrubbing of RAM: a restarted VM's RAM is as its last run left it. */
int loader_zero(struct loader *l, uint64_t to, uint64_t len)
{
	int err = 0;

	memset(l->work->chunk, 0, sizeof(l->work->chunk));
	while (!err && len) {
		size_t n = (size_t)MIN(len, sizeof(l->work->chunk));

		err = write_bytes(l, to, l->work->chunk, n);
		to += n;
		len -= n;
	}
	return err;
}

static int refuse_outside(const struct loader *l, uint64_t start, uint64_t size, const char *how)
{
	loader_refuse(l, WORDS_OUTSIDE, kib(size), how, (ull)start, (ull)l->ram_base, (ull)l->ram_end,
		      start ? "" : WORDS_FOR_FLASH);
	return -ENOSPC;
}

int loader_claim(struct loader *l, uint64_t start, uint64_t size, const char *how)
{
	const struct claim *c;

	if (!loader_holds(l, start, size))
		return refuse_outside(l, start, size, how);
	c = find_conflict(l, start, size);
	if (c) {
		loader_refuse(l, WORDS_OVERLAP, kib(size), how, (ull)start, c->what, kib(c->size), (ull)c->start);
		return -ENOSPC;
	}
	if (l->claim_count == LOADER_CLAIMS_MAX) {
		loader_refuse(l, "in more than %u pieces", LOADER_CLAIMS_MAX);
		return -E2BIG;
	}
	l->claims[l->claim_count++] = (struct claim){start, size, l->what};
	return 0;
}

static bool at_start(const struct loader *l, uint64_t tree)
{
	return tree == l->ram_base;
}

void loader_place_tree(struct loader *l, uint64_t at)
{
	l->dtb = at;
	l->claims[0] = (struct claim){at, !at ? 0 : at_start(l, at) ? FIRMWARE_TREE : l->dtb_room, "device tree"};
}

/* What a zImage says about the kernel inside (kexec-tools, kexec/arch/arm/kexec-zImage-arm.c). */
struct zimage_sizes {
	uint32_t kernel, bss, text_offset;
};

/* False: no table (Linux before 4.15), or not one that makes sense. The image is in guest RAM already. */
static bool zimage_read_sizes(struct loader *l, uint64_t start, uint64_t size, struct zimage_sizes *sizes)
{
	uint8_t header[ZIMAGE_HEADER], tag[20], kernel[4];
	uint32_t table, where;

	if (size < sizeof(header) || guest_read(l->vm, ipa(start), header, sizeof(header)) ||
	    le32(header + ZIMAGE_MAGIC2) != ZIMAGE_MAGIC2_VALUE)
		return false;
	table = le32(header + ZIMAGE_TABLE);
	if (table > size - sizeof(tag) || guest_read(l->vm, ipa(start + table), tag, sizeof(tag)) ||
	    le32(tag + 4) != ZIMAGE_TAG_SIZES)
		return false;
	where = le32(tag + 8);
	if (where > size - sizeof(kernel) || guest_read(l->vm, ipa(start + where), kernel, sizeof(kernel)))
		return false;
	sizes->kernel = le32(kernel);
	sizes->bss = le32(tag + 12);
	/* Later kernels have this word too; the tag's length counts words. */
	sizes->text_offset = le32(tag) >= 5U ? le32(tag + 16) : ZIMAGE_TEXT_OFFSET;
	return true;
}

/*
 * A zImage unpacks itself to the start of its 128 MiB and, where it lies in its own way, first moves itself behind the
 * place of the unpacked kernel; bss is cleared later. All that must stay clear of the device tree and the ramdisk:
 * Linux checks neither, and a ramdisk that was overwritten is hard to recognise as that.
 */
static int zimage_claim_growth(struct loader *l, uint64_t start, uint64_t size)
{
	uint64_t base = MAX(align_down(start, ZIMAGE_REACH), l->ram_base), end;
	struct zimage_sizes sizes = {0};
	const struct claim *c;

	if (zimage_read_sizes(l, start, size, &sizes)) {
		base += sizes.text_offset;
		end = base + sizes.kernel + MAX((uint64_t)sizes.bss, size + ZIMAGE_SCRATCH);
		return loader_claim(l, base, end - base, " (unpacking)");
	}
	/* Only an estimate: good enough to keep the ramdisk away, not to refuse the VM. */
	end = MIN(base + ZIMAGE_TEXT_OFFSET + size * (ZIMAGE_RATIO + 1U), l->ram_end);
	c = find_conflict(l, base, end - base);
	if (c && c->start <= base)
		return 0;
	return loader_claim(l, base, (c ? c->start : end) - base, " (unpacking)");
}

static bool is_zimage(const uint8_t *header, size_t len)
{
	return len >= ZIMAGE_HEADER && le32(header + ZIMAGE_MAGIC_OFFSET) == ZIMAGE_MAGIC;
}

/*
 * Bytes that go to one place as they are: a zImage, a raw image, what is inside a uImage. `header` is the start of
 * them, `len` their number; the stream stands at the first. All of the file is loaded, so that a device tree that is
 * appended to a zImage comes along.
 */
static int load_flat(struct loader *l, const uint8_t *header, uint64_t load, size_t len)
{
	bool zimage = is_zimage(header, MIN(len, LOADER_HEADER));
	size_t size = len;
	int err;

	if (zimage && le32(header + ZIMAGE_END) - le32(header + ZIMAGE_START) > size) {
		/* Some payloads count their bss in. A file that was cut looks the same. */
		size = le32(header + ZIMAGE_END) - le32(header + ZIMAGE_START);
		if (!l->cfg->quiet)
			log_warn("vm %s: %s \"%.40s\": has %u of the %u KiB that its zImage header states",
				 l->cfg->name, l->what, l->image->name, kib(len), kib(size));
	}
	err = loader_claim(l, load, size, "");
	if (err)
		return err;
	err = loader_write(l, load, len);
	if (err)
		return loader_fail(l, err);
	return zimage ? zimage_claim_growth(l, load, len) : 0;
}

/* The bundle's load and entry win; then what a zImage says; then QEMU's place. */
static int load_plain(struct loader *l, const uint8_t *header, struct image_entry *entry)
{
	uint64_t load = l->ram_base + MACHINE_RAW_OFFSET;

	entry->raw = !is_zimage(header, l->stream.length);
	if (l->image->has_load)
		load = l->image->load;
	else if (!entry->raw && le32(header + ZIMAGE_START))
		load = le32(header + ZIMAGE_START);
	entry->pc = !l->image->has_entry ? load : l->image->entry + (l->image->anywhere ? load : 0);
	return load_flat(l, header, load, l->stream.length);
}

static bool is_uimage(const uint8_t *header, size_t len)
{
	return len >= UIMAGE_HEADER && fdt32_ld((const void *)header) == UIMAGE_MAGIC;
}

/* `packed`: what is inside may be compressed, and has to be undone. */
static const char *uimage_check(struct loader *l, const uint8_t *header, size_t len, bool packed)
{
	static const uint8_t zero[4];
	uint32_t crc = (uint32_t)crc32_z(0, header, UIMAGE_HCRC);

	/* The header's CRC is over the header with that field 0. */
	crc = (uint32_t)crc32_z(crc, zero, sizeof(zero));
	crc = (uint32_t)crc32_z(crc, header + UIMAGE_TIME, UIMAGE_HEADER - UIMAGE_TIME);
	if (crc != fdt32_ld((const void *)(header + UIMAGE_HCRC)))
		return WORDS_UIMAGE_HEADER;
	if (header[UIMAGE_ARCH] != UIMAGE_ARCH_ARM)
		return WORDS_UIMAGE_ARCH;
	if (len > l->stream.length - UIMAGE_HEADER)
		return WORDS_UIMAGE_SHORT;
	if (packed && header[UIMAGE_COMPRESSION] > 1U)
		return WORDS_UIMAGE_PACKED;
	if (packed && header[UIMAGE_COMPRESSION] && l->stream.gzip)
		return WORDS_UIMAGE_TWICE;
	crc = 0;
	if (image_stream_seek(&l->stream, UIMAGE_HEADER) || image_stream_crc(&l->stream, len, &crc) ||
	    crc != fdt32_ld((const void *)(header + UIMAGE_DCRC)))
		return WORDS_UIMAGE_DATA;
	return NULL;
}

static int refuse_empty(const struct loader *l, size_t len)
{
	if (len)
		return 0;
	loader_refuse(l, "%s", WORDS_DATA_EMPTY);
	return -EINVAL;
}

/* Check a uImage and leave the stream at what is inside it, `*len` bytes long. */
static int uimage_open(struct loader *l, const uint8_t *header, size_t *len)
{
	bool packed = header[UIMAGE_TYPE] != UIMAGE_RAMDISK;
	const char *wrong;
	int err;

	*len = fdt32_ld((const void *)(header + UIMAGE_SIZE));
	wrong = uimage_check(l, header, *len, packed);
	if (wrong) {
		loader_refuse(l, "%s", wrong);
		return -EINVAL;
	}
	if (!packed || !header[UIMAGE_COMPRESSION]) {
		err = image_stream_seek(&l->stream, UIMAGE_HEADER);
	} else {
		err = image_stream_open(&l->stream, l->work, l->image->data + UIMAGE_HEADER, *len, IMAGE_GZIP);
		*len = l->stream.length;
	}
	return err ? loader_fail(l, err) : refuse_empty(l, *len);
}

/* Copy the first bytes of what the stream stands at (zeroes behind them where it is shorter) and leave it there. */
static int read_image_header(struct loader *l, uint8_t *header, size_t len)
{
	size_t pos = l->stream.pos, count = MIN(len, FOREIGN_HEAD);
	int err;

	memset(l->work->chunk, 0, FOREIGN_HEAD);
	err = image_stream_read(&l->stream, l->work->chunk, count);
	if (err)
		return err;
	memcpy(header, l->work->chunk, LOADER_HEADER);
	l->foreign = foreign_find(l->work->chunk, count);
	return image_stream_seek(&l->stream, pos);
}

/* A kernel of another kind than virt7 can start; read_image_header() has been called. */
static int refuse_foreign_image(const struct loader *l)
{
	if (!l->foreign)
		return 0;
	loader_refuse(l, "%s; %s", l->foreign->what, l->foreign->advice);
	return -EINVAL;
}

/* As QEMU starts a uImage that says it is not Linux. */
static void start_without_tree(struct loader *l)
{
	loader_place_tree(l, 0);
	l->is_linux = false;
	if (!l->cfg->quiet)
		log_warn("vm %s: %s \"%.40s\": " WORDS_UIMAGE_NO_TREE, l->cfg->name, l->what, l->image->name);
}

static int load_uimage(struct loader *l, const uint8_t *header, uint64_t *pc)
{
	uint64_t load = fdt32_ld((const void *)(header + UIMAGE_LOAD));
	uint64_t entry = fdt32_ld((const void *)(header + UIMAGE_ENTRY));
	uint8_t inner[LOADER_HEADER];
	size_t len;
	int err;

	if (header[UIMAGE_TYPE] == UIMAGE_KERNEL_NOLOAD) {
		load = l->ram_base + MACHINE_RAW_OFFSET;
		entry += load;
	} else if (header[UIMAGE_TYPE] != UIMAGE_KERNEL) {
		loader_refuse(l, WORDS_UIMAGE_TYPE, header[UIMAGE_TYPE], UIMAGE_KERNEL);
		return -EINVAL;
	}
	err = uimage_open(l, header, &len);
	if (err)
		return err;
	err = read_image_header(l, inner, len);
	if (err)
		return loader_fail(l, err);
	err = refuse_foreign_image(l);
	if (err)
		return err;
	*pc = entry;
	if (header[UIMAGE_OS] != UIMAGE_OS_LINUX)
		start_without_tree(l);
	return load_flat(l, inner, load, len);
}

/* Start on an image: its stream, and a copy of its first bytes. */
static int open_loaded_image(struct loader *l, const char *what, const struct bundle_image *image, uint8_t *header)
{
	int err;

	l->what = what;
	l->image = image;
	err = image_stream_open(&l->stream, l->work, image->data, image->size, image->compression);
	if (!err)
		err = read_image_header(l, header, l->stream.length);
	if (err)
		return loader_fail(l, err);
	err = refuse_empty(l, l->stream.length);
	if (err)
		return err;
	sched_preempt();
	if (!l->cfg->quiet)
		log_info("vm %s: loading %s \"%.40s\", %u KiB", l->cfg->name, what, image->name, kib(l->stream.length));
	return 0;
}

static int load_kernel(struct loader *l, struct image_entry *entry)
{
	uint8_t header[LOADER_HEADER];
	int err = open_loaded_image(l, "kernel", &l->cfg->kernel, header);

	if (!err)
		err = refuse_foreign_image(l);
	if (err)
		return err;
	if (elf_is(header, l->stream.length))
		err = elf_load(l, header, &entry->pc);
	else if (is_uimage(header, l->stream.length))
		err = load_uimage(l, header, &entry->pc);
	else
		err = load_plain(l, header, entry);
	if (err)
		return err;
	/* The PC has 32 bits, RAM may go beyond them. */
	if (!loader_holds(l, entry->pc, 1) || entry->pc > UINT32_MAX) {
		loader_refuse(l, WORDS_ENTRY, (ull)entry->pc, (ull)l->ram_base, (ull)l->ram_end);
		return -EINVAL;
	}
	return 0;
}

/* Where QEMU's -kernel puts the device tree of Linux. */
static uint64_t linux_tree(const struct vm_config *cfg)
{
	return vmcfg_ram_base(cfg) + MIN(cfg->ram_size / 2U, (uint64_t)MACHINE_DTB_OFFSET);
}

/*
 * Just below the place of Linux' device tree; where the kernel leaves no room there, just above it, which is where QEMU
 * puts it and what a large ramdisk needs. Flash is for kernels only.
 */
static int place_ramdisk(const struct loader *l, uint64_t size, uint64_t *start)
{
	uint64_t dtb = linux_tree(l->cfg);
	uint64_t above = align_up(dtb + l->dtb_room, RAMDISK_ALIGN);

	if (l->image->has_load) {
		*start = l->image->load;
		return is_in_ram(l, *start, size) ? 0 : refuse_outside(l, *start, size, "");
	}
	*start = align_down(dtb - MIN(size, dtb), RAMDISK_ALIGN);
	if (is_in_ram(l, *start, size) && !find_conflict(l, *start, size))
		return 0;
	*start = above;
	if (is_in_ram(l, above, size) && !find_conflict(l, above, size))
		return 0;
	loader_refuse(l, WORDS_NO_ROOM, kib(size), (ull)dtb, (ull)l->ram_end);
	return -ENOSPC;
}

/*
 * The guest gets what mkimage was given: `compression` in the bundle says what virt7 has to undo, and a .cpio.gz with
 * compression = "none" stays compressed, for the kernel to unpack. (U-Boot never unpacks a ramdisk.) A uImage around it
 * is removed, as QEMU's -initrd does, and what its header says of compression does not count: distributions label
 * zstd and xz as gzip, and no boot loader looks at it.
 */
static int load_ramdisk(struct loader *l, struct guestdtb_params *params)
{
	uint8_t header[LOADER_HEADER];
	uint64_t start;
	size_t len;
	int err = open_loaded_image(l, "ramdisk", &l->cfg->ramdisk, header);

	if (err)
		return err;
	len = l->stream.length;
	if (is_uimage(header, len) && header[UIMAGE_TYPE] == UIMAGE_RAMDISK)
		err = uimage_open(l, header, &len);
	if (!err)
		err = place_ramdisk(l, len, &start);
	if (!err)
		err = loader_claim(l, start, len, "");
	if (err)
		return err;
	err = image_stream_load(&l->stream, l->vm, ipa(start), len);
	if (err)
		return loader_fail(l, err);
	params->ramdisk_start = start;
	params->ramdisk_end = start + len;
	return 0;
}

/* Before all else, so that a tree that does not fit the VM is said before its images are unpacked. */
static int read_usertree(struct loader *l)
{
	uint8_t header[LOADER_HEADER];
	char why[USERTREE_WHY];
	size_t len;
	int err = open_loaded_image(l, "fdt", &l->cfg->fdt, header);

	if (err)
		return err;
	len = l->stream.length;
	if (len > USERTREE_FILE_MAX) {
		if (fdt32_ld((const void *)header) == FDT_MAGIC)
			loader_refuse(l, WORDS_TREE_LARGE, kib(len));
		else
			loader_refuse(l, "%s", WORDS_TREE_DAMAGED);
		return -E2BIG;
	}
	err = image_stream_read(&l->stream, l->large, len);
	if (err)
		return loader_fail(l, err);
	err = usertree_check(l->vm, l->large, len, why);
	if (err)
		loader_refuse(l, "%s", why);
	return err;
}

static int load_dtb(struct loader *l, const struct guestdtb_params *params)
{
	void *tree = l->large ? l->large : l->work->chunk;
	int err = l->cfg->fdt.name ? usertree_complete(tree, l->cfg, params)
				   : guestdtb_make(l->cfg, params, tree, (size_t)l->dtb_room);

	if (err > 0 && at_start(l, l->dtb))
		fdt_set_totalsize(tree, FIRMWARE_TREE);
	if (err > 0)
		err = guest_load(l->vm, ipa(l->dtb), tree, (size_t)err);
	if (err)
		log_err("vm %s: device tree at 0x%llx: %s", l->cfg->name, (ull)l->dtb,
			err == -ENOSPC ? "larger than there is room for; give the VM fewer devices" : error_text(err));
	return err;
}

/* Without a kernel: as the processor comes out of reset, with the tree where firmware looks for it. */
static int start_flash(struct loader *l, struct image_entry *entry)
{
	if (!l->cfg->quiet)
		log_info("vm %s: starts from its flash", l->cfg->name);
	loader_place_tree(l, l->ram_base);
	l->is_linux = false;
	entry->pc = MACHINE_FLASH_BASE;
	return 0;
}

static int load_all(struct loader *l, struct image_entry *entry)
{
	struct guestdtb_params params = {
		.clock_hz = l->cfg->clock_hz, .cpu_compatible = l->cfg->cpu_compatible, .devices = device_first(l->vm)};
	int err;

	params.hole_count = vm_find_holes(l->vm, params.hole, GUESTDTB_HOLES);
	l->claim_count = 1;
	l->is_linux = true;
	entry->raw = false;
	loader_place_tree(l, linux_tree(l->cfg));
	if (l->cfg->memory_errors == VM_MEMORY_ERRORS_EARLY)
		l->claims[l->claim_count++] =
			(struct claim){vmcfg_memerr_page(l->cfg), PAGE_SIZE, "page of memory errors"};
	err = l->cfg->fdt.name ? read_usertree(l) : 0;
	if (!err)
		err = l->cfg->kernel.name ? load_kernel(l, entry) : start_flash(l, entry);
	if (!err && l->cfg->ramdisk.name)
		err = load_ramdisk(l, &params);
	if (!err && l->dtb)
		err = load_dtb(l, &params);
	entry->dtb = l->dtb;
	entry->r1 = l->is_linux ? UINT32_MAX : 0;
	entry->r2 = l->is_linux ? (uint32_t)l->dtb : 0;
	return err;
}

static uint64_t size_of_tree(const struct vm_config *cfg)
{
	return cfg->fdt.name ? USERTREE_MAX : guestdtb_room(cfg);
}

static int refuse_memory(const struct vm_config *cfg)
{
	log_err("vm %s: virt7's heap has no room to load its images with; " WORDS_HEAP, cfg->name);
	return -ENOMEM;
}

int image_load_vm(struct vm *vm, const struct vm_config *cfg, struct image_entry *entry)
{
	struct loader l = {.vm = vm, .cfg = cfg, .ram_base = vmcfg_ram_base(cfg), .dtb_room = size_of_tree(cfg)};
	int err = 0;

	l.ram_end = l.ram_base + cfg->ram_size;
	l.work = page_alloc(WORK_ORDER);
	if (l.dtb_room > GUESTDTB_MAX)
		l.large = page_alloc_bytes((size_t)l.dtb_room);
	if (!l.work || (l.dtb_room > GUESTDTB_MAX && !l.large))
		err = refuse_memory(cfg);
	if (!err)
		err = load_all(&l, entry);
	page_free_bytes(l.large, (size_t)l.dtb_room);
	page_free(l.work, WORK_ORDER);
	return err;
}
