/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bundle: one FIT image (.itb) that carries images with their hashes and, under /vms, the virtual machines. Reading
 * only; the blob is untrusted: any damage ends in one logged line and an error, never in a fault.
 */
#ifndef HYP_LOAD_BUNDLE_H
#define HYP_LOAD_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum image_compression { IMAGE_PLAIN, IMAGE_GZIP };

#define BUNDLE_NAME_MAX 32U  /* of a VM, or of a device that people call by its name; with the terminating 0 */
#define BUNDLE_MAX_VMS  255U /* under /vms; bounds the work that an absurd bundle can cause */
#define BUNDLE_SLOTS    512U

/* The nodes are found once, when the bundle is opened: a walk to the last of many costs as much as a VM's start. */
struct bundle {
	const void *fdt; /* NULL: no bundle */
	size_t size;     /* bytes from `fdt`, external data included */
	int images, vms; /* the nodes /images and /vms */
	uint32_t vm_count;
	struct {
		int node;
		uint32_t hash;   /* of its name */
	} vm[BUNDLE_MAX_VMS];    /* under /vms, in their order */
	int image[BUNDLE_SLOTS]; /* nodes of images by the hash of their names; 0: none, or it is to be searched for */
};

struct bundle_image {
	const char *name; /* node name under /images; NULL: none */
	const uint8_t *data;
	size_t size;
	enum image_compression compression;
	bool has_load, has_entry;
	bool anywhere;        /* it may lie where there is room: `entry` counts from there */
	uint64_t load, entry; /* IPA, where has_* */
};

/*
 * Check the blob's structure and fill `b`. `size` is what the boot loader handed over, in bytes.
 * 0; -EINVAL not a FIT or damaged; -ENOENT no /vms node or no VM in it. Every error has logged one line.
 */
int bundle_open(struct bundle *b, const void *blob, size_t size);

/* As bundle_open(), but without a word: false, and b->fdt is NULL, where that would say what is wrong. */
bool bundle_look(struct bundle *b, const void *blob, size_t size);

/* Whether a VM of it may ask for devices of the host: the name of such a property is among those of all properties. */
bool bundle_gives_devices(const struct bundle *b);

/* How many VMs are in front of this one's node; the number of the first VM called `name`, or -ENOENT. */
uint32_t bundle_vm_number(const struct bundle *b, int node);
int bundle_vm_named(const struct bundle *b, const char *name);

/*
 * Find image `name` and verify each of its hash-* nodes (crc32, sha256, sha1, md5; of other algorithms one alone is
 * refused): once, however many VMs name it, until bundle_check_again(). `vm` and `property` are for the error line
 * only. An image without any hash is accepted with a warning. 0, -ENOENT, -EINVAL, or -EBADMSG for a hash that does not
 * match. Every error has logged one line.
 */
int bundle_find_image(const struct bundle *b, const char *vm, const char *property, const char *name,
		      struct bundle_image *image);
void bundle_check_again(void);

/*
 * Property `name` of `node` as one string, or as a number of one or two cells. 0; -ENOENT where it is absent; -EINVAL
 * where it is malformed. Nothing is logged: the caller knows what the value is for.
 */
int bundle_get_string(const struct bundle *b, int node, const char *name, const char **value);
int bundle_get_number(const struct bundle *b, int node, const char *name, uint64_t *value);

/* Letters, digits and ._+- : what a shell command and a log line can carry (WORDS_NAME). */
bool bundle_name_is_valid(const char *name);

#endif
