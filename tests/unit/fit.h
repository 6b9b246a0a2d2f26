/* SPDX-License-Identifier: BSD-2-Clause */
/* Builds FIT images for tests with libfdt, byte by byte as mkimage would, and also as it never would. */
#ifndef FIT_H
#define FIT_H

#include <stddef.h>
#include <stdint.h>

struct fit {
	uint8_t *blob; /* 8-byte aligned, fit_free() */
	size_t size;   /* of what a boot loader would hand over */
};

struct fit_image {
	const char *name;
	const void *data;
	size_t size;
	const char *compression; /* NULL: no such property; so for the others */
	const char *arch;
	const char *hash; /* algo; the value is computed for crc32 and sha256 */
	const char *hash2;
	int load_cells, entry_cells; /* 0: no such property */
	uint64_t load, entry;
};

/* fit_begin(), fit_image()s, fit_vms(), then VM nodes by fdt_begin_node(f->blob, ...), then fit_end(). */
void fit_begin(struct fit *f);
void fit_image(struct fit *f, const struct fit_image *image);
void fit_vms(struct fit *f);
void fit_end(struct fit *f);
void fit_free(struct fit *f);

/* A string property of the node that is open. */
void fit_string(struct fit *f, const char *name, const char *value);

/* A VM node with nothing unusual, to build on: the node stays open until fit_vm_end(). */
void fit_vm(struct fit *f, const char *name);
void fit_vm_end(struct fit *f);

/* A copy of `f` in a heap block of exactly `size` bytes, so that ASan sees the first byte beyond. */
struct fit fit_cut(const struct fit *f, size_t size);

#endif
