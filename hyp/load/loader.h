/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the loaders of hyp/load/image.c and hyp/load/elf.c share: the VM's RAM while its images are placed. For these
 * two only.
 */
#ifndef HYP_LOAD_LOADER_H
#define HYP_LOAD_LOADER_H

#include "hyp/lib/log.h"
#include "hyp/lib/bits.h"
#include "hyp/load/stream.h"
#include "hyp/load/vmcfg.h"

#define LOADER_HEADER     64U /* bytes, the most that any format needs to be recognised */
#define LOADER_ELF_MAX    16U /* program headers */
#define LOADER_CLAIMS_MAX (LOADER_ELF_MAX + 5U)

struct foreign;

struct claim {
	uint64_t start, size;
	const char *what;
};

struct loader {
	struct vm *vm;
	const struct vm_config *cfg;
	const char *what; /* is being loaded: "kernel", "ramdisk" or "fdt" */
	const struct bundle_image *image;
	struct image_work *work;
	struct image_stream stream;
	const struct foreign *foreign; /* what its first bytes are of; NULL: nothing that is known */
	uint64_t ram_base, ram_end;
	uint64_t dtb;      /* IPA; 0: the guest gets no tree */
	uint64_t dtb_room; /* bytes that it may have */
	void *large;   /* room for a large one: the user's own, or with the host's devices in it; NULL: not needed */
	bool is_linux; /* r1 and r2 are as Linux wants them; else 0 */
	unsigned int claim_count;
	struct claim claims[LOADER_CLAIMS_MAX]; /* the first one is the device tree's */
};

#define loader_refuse(l, fmt, ...) \
	log_err("vm %s: %s \"%.40s\": " fmt, (l)->cfg->name, (l)->what, (l)->image->name, __VA_ARGS__)

typedef unsigned long long ull; /* for %llx: uint64_t is another type on each host */

static inline unsigned int kib(uint64_t bytes)
{
	return (unsigned int)((bytes + 1023U) / 1024U);
}

static inline uint16_t le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t le32(const uint8_t *p)
{
	return (uint32_t)le16(p) | (uint32_t)le16(p + 2) << 16;
}

/* Log one line for an error of the stream or of guest memory, and return it. */
int loader_fail(const struct loader *l, int err);

/* Whether the range is the VM's RAM, or other memory of its that a kernel may be linked for. */
bool loader_holds(const struct loader *l, uint64_t start, uint64_t size);

/* Write to it: the stream's next `len` bytes, or zeroes. 0, or an error for loader_fail(). */
int loader_write(struct loader *l, uint64_t to, size_t len);
int loader_zero(struct loader *l, uint64_t to, uint64_t len);

/*
 * Keep a range of RAM for what is being loaded. 0, or -Exxx after one logged line, in which `how` follows the size:
 * outside of RAM, or others have it.
 */
int loader_claim(struct loader *l, uint64_t start, uint64_t size, const char *how);

/* Move the device tree's claim to `at`, before anything else is claimed. 0: there is no tree. */
void loader_place_tree(struct loader *l, uint64_t at);

/* `header`: the first bytes of the file, LOADER_HEADER of them; `len`: the file's, unpacked. */
bool elf_is(const uint8_t *header, size_t len);

/* Load it, the stream being at its start. 0 and *pc, an IPA; -Exxx after one logged line. */
int elf_load(struct loader *l, const uint8_t *header, uint64_t *pc);

#endif
