/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bundle: finds images in a FIT and checks their hashes. The blob comes from outside: its structure is checked
 * once, as a whole, against the size that the boot loader stated, and whatever it says after that is checked where it
 * is used. Format: U-Boot, doc/uImage.FIT/source_file_format.txt (images, hash nodes, external data).
 */
#include <errno.h>
#include <string.h>

#include <libfdt.h>
#include <md5.h>
#include <sha1.h>
#include <sha2.h>
#include <zlib.h>

#include "hyp/load/bundle.h"
#include "hyp/load/foreign.h"
#include "hyp/load/words.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/log.h"
#include "hyp/run/sched.h"

#define DEVICES_OF_HOST "passthrough" /* how the names of properties begin that ask for them */

/* From this size on the hash check takes long enough to be announced. */
#define HASH_ANNOUNCE MIB(1)

#define CHECKED_SLOTS 512U

/* One lookup: what is looked for, and for whom. */
struct lookup {
	const struct bundle *b;
	const char *vm, *property, *name;
	int node;
};

struct hash_algo {
	const char *name;
	int size; /* of the value, in bytes */
	void (*digest)(const struct bundle_image *image, uint8_t *out);
};

/* Bytes between looks at who else wants the CPU: some ten thousand instructions; of the others it is less. */
#define CRC32_STEP  KIB(2)
#define SHA256_STEP 256U

static void digest_crc32(const struct bundle_image *image, uint8_t *out)
{
	uLong crc = 0;

	for (size_t at = 0; at < image->size; at += CRC32_STEP) {
		sched_preempt();
		crc = crc32_z(crc, image->data + at, MIN(CRC32_STEP, image->size - at));
	}
	fdt32_st(out, (uint32_t)crc);
}

static void digest_sha256(const struct bundle_image *image, uint8_t *out)
{
	SHA2_CTX ctx;

	SHA256Init(&ctx);
	for (size_t at = 0; at < image->size; at += SHA256_STEP) {
		sched_preempt();
		SHA256Update(&ctx, image->data + at, MIN(SHA256_STEP, image->size - at));
	}
	SHA256Final(out, &ctx);
}

static void digest_sha1(const struct bundle_image *image, uint8_t *out)
{
	SHA1_CTX ctx;

	SHA1Init(&ctx);
	for (size_t at = 0; at < image->size; at += SHA256_STEP) {
		sched_preempt();
		SHA1Update(&ctx, image->data + at, MIN(SHA256_STEP, image->size - at));
	}
	SHA1Final(out, &ctx);
}

static void digest_md5(const struct bundle_image *image, uint8_t *out)
{
	MD5_CTX ctx;

	MD5Init(&ctx);
	for (size_t at = 0; at < image->size; at += SHA256_STEP) {
		sched_preempt();
		MD5Update(&ctx, image->data + at, MIN(SHA256_STEP, image->size - at));
	}
	MD5Final(out, &ctx);
}

static const struct hash_algo hash_algos[] = {
	{"crc32", 4, digest_crc32},
	{"sha256", SHA256_DIGEST_LENGTH, digest_sha256},
	{"sha1", SHA1_DIGEST_LENGTH, digest_sha1},
	{"md5", MD5_DIGEST_LENGTH, digest_md5},
};

/* The one error line of a lookup. `sub` is a subnode of the image, or NULL. */
static int refuse_property(const struct lookup *l, const char *sub, const char *property, const char *what)
{
	log_err("vm %s: %s: /images/%.40s%s%.31s: %s: %s", l->vm, l->property, l->name, sub ? "/" : "", sub ? sub : "",
		property, what);
	return -EINVAL;
}

int bundle_get_string(const struct bundle *b, int node, const char *name, const char **value)
{
	int len;
	const char *text = fdt_getprop(b->fdt, node, name, &len);

	if (!text)
		return -ENOENT;
	/* A list of strings is not a string. */
	if (len < 1 || strnlen(text, (size_t)len) != (size_t)len - 1U)
		return -EINVAL;
	*value = text;
	return 0;
}

int bundle_get_number(const struct bundle *b, int node, const char *name, uint64_t *value)
{
	int len;
	const void *cells = fdt_getprop(b->fdt, node, name, &len);

	if (!cells)
		return -ENOENT;
	if (len == (int)sizeof(fdt32_t))
		*value = fdt32_ld(cells);
	else if (len == (int)sizeof(fdt64_t))
		*value = fdt64_ld(cells);
	else
		return -EINVAL;
	return 0;
}

/* What was handed over instead, such as a kernel or an initramfs. */
static void refuse_foreign_bundle(const void *blob, size_t size)
{
	const struct foreign *foreign = foreign_name(blob, size);

	if (foreign)
		log_err("bundle: %s, not a FIT image; hand over the file that mkbundle made", foreign->what);
	else
		log_err("bundle: not a FIT image; make one with mkbundle or mkimage -f");
}

/* As far as it goes: libfdt calls whatever is shorter than its header truncated. */
static bool begins_as_tree(const void *blob, size_t size)
{
	fdt32_t magic = cpu_to_fdt32(FDT_MAGIC);

	return !memcmp(blob, &magic, MIN(size, sizeof(magic)));
}

/* 0, or an error of libfdt's. */
static int check_blob(const void *blob, size_t size)
{
	return begins_as_tree(blob, size) ? fdt_check_full(blob, size) : -FDT_ERR_BADMAGIC;
}

static void refuse_blob(const void *blob, size_t size, int err)
{
	if (err == -FDT_ERR_BADMAGIC)
		refuse_foreign_bundle(blob, size);
	else if (err == -FDT_ERR_TRUNCATED)
		log_err("bundle: truncated: %u bytes were handed over; load the whole file", (unsigned int)size);
	else if (err == -FDT_ERR_ALIGNMENT)
		log_err("bundle: not at an 8-byte boundary; load it at another address");
	else
		log_err("bundle: damaged (libfdt error %d); make it again", err);
}

/* FNV-1a (Fowler, Noll, Vo). */
static uint32_t hash_name(const char *name)
{
	uint32_t hash = 0x811c9dc5U;

	while (*name)
		hash = (hash ^ (uint8_t)*name++) * 0x01000193U;
	return hash;
}

/* How many there are; those that are too many are not in the index. */
static uint32_t index_vms(struct bundle *b, const void *fdt)
{
	uint32_t count = 0;
	int node;

	fdt_for_each_subnode(node, fdt, b->vms) {
		const char *name = count < BUNDLE_MAX_VMS ? fdt_get_name(fdt, node, NULL) : NULL;

		if (name) {
			b->vm[count].node = node;
			b->vm[count].hash = hash_name(name);
		}
		count++;
	}
	return count;
}

/* To libfdt "x" is the name of "x@1", too, and the first of the two counts: with such names all are searched for. */
static void index_images(struct bundle *b, const void *fdt)
{
	int node;

	fdt_for_each_subnode(node, fdt, b->images) {
		const char *name = fdt_get_name(fdt, node, NULL);
		int *slot = name ? &b->image[hash_name(name) % BUNDLE_SLOTS] : NULL;

		if (!name || strchr(name, '@')) {
			memset(b->image, 0, sizeof(b->image));
			return;
		}
		if (!*slot)
			*slot = node;
	}
}

static int find_image_node(const struct bundle *b, const char *name)
{
	int node = b->image[hash_name(name) % BUNDLE_SLOTS];
	const char *found = node ? fdt_get_name(b->fdt, node, NULL) : NULL;

	return found && !strcmp(found, name) ? node : fdt_subnode_offset(b->fdt, b->images, name);
}

bool bundle_look(struct bundle *b, const void *blob, size_t size)
{
	memset(b, 0, sizeof(*b));
	bundle_check_again();
	if (check_blob(blob, size))
		return false;
	b->images = fdt_path_offset(blob, "/images");
	b->vms = fdt_path_offset(blob, "/vms");
	if (b->images < 0 || b->vms < 0)
		return false;
	b->vm_count = index_vms(b, blob);
	if (b->vm_count == 0 || b->vm_count > BUNDLE_MAX_VMS)
		return false;
	index_images(b, blob);
	b->fdt = blob;
	b->size = size;
	return true;
}

/* Of one that bundle_look() has refused. */
static int refuse_bundle(const struct bundle *b, const void *blob, size_t size)
{
	int err = check_blob(blob, size);

	if (err) {
		refuse_blob(blob, size, err);
		return -EINVAL;
	}
	if (b->images < 0) {
		log_err("bundle: " WORDS_NO_IMAGES);
		return -EINVAL;
	}
	if (b->vms >= 0 && b->vm_count > 0) {
		log_err("bundle: /vms has %u nodes; %u is the limit", (unsigned int)b->vm_count, BUNDLE_MAX_VMS);
		return -EINVAL;
	}
	log_err("bundle: %s", b->vms < 0 ? WORDS_NO_VMS : WORDS_VMS_EMPTY);
	return -ENOENT;
}

int bundle_open(struct bundle *b, const void *blob, size_t size)
{
	int err = bundle_look(b, blob, size) ? 0 : refuse_bundle(b, blob, size);

	if (err)
		memset(b, 0, sizeof(*b));
	return err;
}

bool bundle_gives_devices(const struct bundle *b)
{
	const char *at = b->fdt ? (const char *)b->fdt + fdt_off_dt_strings(b->fdt) : NULL;
	const char *end = b->fdt ? at + fdt_size_dt_strings(b->fdt) : NULL;

	for (; at < end; at += strnlen(at, (size_t)(end - at)) + 1U)
		if ((size_t)(end - at) > strlen(DEVICES_OF_HOST) &&
		    !strncmp(at, DEVICES_OF_HOST, strlen(DEVICES_OF_HOST)))
			return true;
	return false;
}

uint32_t bundle_vm_number(const struct bundle *b, int node)
{
	uint32_t low = 0, high = b->vm_count;

	while (low < high) {
		uint32_t middle = (low + high) / 2U;

		if (b->vm[middle].node < node)
			low = middle + 1U;
		else
			high = middle;
	}
	return low;
}

int bundle_vm_named(const struct bundle *b, const char *name)
{
	uint32_t hash = hash_name(name);

	for (uint32_t i = 0; i < b->vm_count; i++) {
		const char *found = b->vm[i].hash == hash ? fdt_get_name(b->fdt, b->vm[i].node, NULL) : NULL;

		if (found && !strcmp(found, name))
			return (int)i;
	}
	return -ENOENT;
}

/* mkimage -E puts the data after the tree: at an offset from its end (4-byte aligned), or, with -p, from its start. */
static int find_external_data(const struct lookup *l, struct bundle_image *image)
{
	const struct bundle *b = l->b;
	uint64_t base = 0, offset, size;
	int err = bundle_get_number(b, l->node, "data-position", &offset);

	if (err == -ENOENT) {
		base = align_up(fdt_totalsize(b->fdt), 4);
		err = bundle_get_number(b, l->node, "data-offset", &offset);
	}
	if (err == -ENOENT)
		return refuse_property(
			l, NULL, "data",
			"missing, and so are data-offset and data-position; make the bundle with mkimage");
	if (err)
		return refuse_property(l, NULL, base ? "data-offset" : "data-position", WORDS_ADDRESS);
	if (bundle_get_number(b, l->node, "data-size", &size))
		return refuse_property(l, NULL, "data-size", "missing or malformed; make the bundle with mkimage");
	if (base > b->size || offset > b->size - base || size > b->size - base - offset)
		return refuse_property(l, NULL, "data-size", "the data ends beyond the bundle; load the whole file");
	image->data = (const uint8_t *)b->fdt + base + offset;
	image->size = (size_t)size;
	return 0;
}

static int find_data(const struct lookup *l, struct bundle_image *image)
{
	int len, err = 0;

	image->data = fdt_getprop(l->b->fdt, l->node, "data", &len);
	if (image->data)
		image->size = (size_t)len;
	else
		err = find_external_data(l, image);
	if (!err && !image->size)
		return refuse_property(l, NULL, "data", WORDS_DATA_EMPTY);
	return err;
}

static int find_arch(const struct lookup *l)
{
	const char *arch;
	int err = bundle_get_string(l->b, l->node, "arch", &arch);

	if (err == -EINVAL || (!err && strcmp(arch, "arm") != 0))
		return refuse_property(l, NULL, "arch", WORDS_ARCH);
	return 0;
}

static int find_compression(const struct lookup *l, struct bundle_image *image)
{
	const char *compression = "none";
	int err = bundle_get_string(l->b, l->node, "compression", &compression);

	if (err == -EINVAL)
		return refuse_property(l, NULL, "compression", WORDS_COMPRESSION_TYPE);
	if (!strcmp(compression, "gzip"))
		image->compression = IMAGE_GZIP;
	else if (strcmp(compression, "none") != 0)
		return refuse_property(l, NULL, "compression", WORDS_COMPRESSION);
	return 0;
}

static int find_address(const struct lookup *l, const char *property, bool *has, uint64_t *value)
{
	int err = bundle_get_number(l->b, l->node, property, value);

	*has = !err;
	if (err == -EINVAL)
		return refuse_property(l, NULL, property, WORDS_ADDRESS);
	return 0;
}

/* As U-Boot has it: type kernel_noload, or address 0, where no guest's RAM is. */
static void find_anywhere(const struct lookup *l, struct bundle_image *image)
{
	const char *type = "";

	bundle_get_string(l->b, l->node, "type", &type);
	image->anywhere = !strcmp(type, "kernel_noload") || (image->has_load && !image->load);
	image->has_load = image->has_load && !image->anywhere;
}

static const struct hash_algo *find_algo(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(hash_algos); i++)
		if (!strcmp(hash_algos[i].name, name))
			return &hash_algos[i];
	return NULL;
}

/*
 * What has been checked, by the address of the hash's node, which stands for image and algorithm: the last one of each
 * slot. Words, so that no lock is needed: who comes too early hashes once more.
 */
static uintptr_t checked[CHECKED_SLOTS];

#define CHECKED_BAD 1U /* beside the address: it does not match */

void bundle_check_again(void)
{
	memset(checked, 0, sizeof(checked));
}

static bool hash_matches(const struct lookup *l, const struct bundle_image *image, int node,
			 const struct hash_algo *algo, const void *value)
{
	uintptr_t key = (uintptr_t)l->b->fdt + (uintptr_t)node, *slot = &checked[key / FDT_TAGSIZE % CHECKED_SLOTS];
	uint8_t digest[SHA256_DIGEST_LENGTH];

	if ((*slot & ~(uintptr_t)CHECKED_BAD) != key) {
		if (image->size >= HASH_ANNOUNCE)
			log_info("vm %s: checking %s, %u KiB %s", l->vm, l->name,
				 (unsigned int)((image->size + 1023U) / 1024U), algo->name);
		algo->digest(image, digest);
		*slot = key | (memcmp(digest, value, (size_t)algo->size) ? CHECKED_BAD : 0);
	}
	return !(*slot & CHECKED_BAD);
}

/* 0: it matches; -ENOENT, not logged: of an algorithm that virt7 does not know. Else as bundle_find_image(). */
static int check_hash(const struct lookup *l, const struct bundle_image *image, int node, const char *sub)
{
	const struct hash_algo *algo;
	const char *name = "";
	const void *value;
	int len;

	if (bundle_get_string(l->b, node, "algo", &name))
		return refuse_property(l, sub, "algo", "missing or malformed; use \"crc32\" or \"sha256\"");
	algo = find_algo(name);
	if (!algo)
		return -ENOENT;
	value = fdt_getprop(l->b->fdt, node, "value", &len);
	if (!value)
		return refuse_property(l, sub, "value", "missing; mkimage computes it, dtc does not");
	if (len != algo->size)
		return refuse_property(l, sub, "value", "of the wrong size for its algo");
	if (!hash_matches(l, image, node, algo, value)) {
		refuse_property(l, sub, "value", "does not match, the image is damaged; make or load the bundle again");
		return -EBADMSG;
	}
	return 0;
}

/* Nodes named hash-1, hash@1, hash: U-Boot takes every name that starts so. They cover the data as it is stored. */
static int check_hashes(const struct lookup *l, const struct bundle_image *image)
{
	const char *unknown = NULL;
	bool any = false;
	int node, err;

	fdt_for_each_subnode(node, l->b->fdt, l->node) {
		const char *sub = fdt_get_name(l->b->fdt, node, NULL);

		if (!sub || strncmp(sub, "hash", 4) != 0)
			continue;
		err = check_hash(l, image, node, sub);
		if (err == -ENOENT)
			unknown = sub;
		else if (err)
			return err;
		else
			any = true;
	}
	if (unknown && !any)
		return refuse_property(l, unknown, "algo", WORDS_ALGO);
	if (unknown)
		log_warn("vm %s: %s: /images/%.40s/%.31s: algo: " WORDS_ALGO_PASSED, l->vm, l->property, l->name,
			 unknown);
	if (!any)
		log_warn("vm %s: %s: /images/%.40s: no hash node: damage would go unnoticed", l->vm, l->property,
			 l->name);
	return 0;
}

/* Others may have the CPU behind each property that is looked for, among as many as the node has. */
static bool look_goes_on(int err)
{
	sched_preempt();
	return !err;
}

int bundle_find_image(const struct bundle *b, const char *vm, const char *property, const char *name,
		      struct bundle_image *image)
{
	struct lookup l = {.b = b, .vm = vm, .property = property, .name = name};
	int err;

	*image = (struct bundle_image){.name = name};
	l.node = find_image_node(b, name);
	if (l.node < 0) {
		log_err("vm %s: /vms/%s: %s: no image \"%.40s\" under /images; add it or correct the name", vm, vm,
			property, name);
		return -ENOENT;
	}
	err = find_data(&l, image);
	if (look_goes_on(err))
		err = find_arch(&l);
	if (look_goes_on(err))
		err = find_compression(&l, image);
	if (look_goes_on(err))
		err = find_address(&l, "load", &image->has_load, &image->load);
	if (look_goes_on(err))
		err = find_address(&l, "entry", &image->has_entry, &image->entry);
	if (look_goes_on(err))
		find_anywhere(&l, image);
	if (look_goes_on(err))
		err = check_hashes(&l, image);
	return err;
}

bool bundle_name_is_valid(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-");

	return len && len < BUNDLE_NAME_MAX && !name[len] && *name != '-' && *name != '.';
}
