/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boot another kernel from the running one: kexec KERNEL RAMDISK. The device tree is the one that this kernel was
 * given, its ramdisk's end moved; the ramdisk goes where the first one was, the kernel to the zImage's usual place. The
 * system call and reboot() with LINUX_REBOOT_CMD_KEXEC, as the kernel's include/uapi has them.
 */
#include "tests/linux/linux.h"

#define KEXEC_ARCH_ARM   (40L << 16)
#define REBOOT_MAGIC1    0xfee1dead
#define REBOOT_MAGIC2    672274793
#define REBOOT_CMD_KEXEC 0x45584543
#define KERNEL_AT        0x40800000UL /* zImage: anywhere in the first 128 MiB of RAM, clear of where it unpacks itself */
#define TREE_AT          0x4a000000UL
#define PAGE             4096UL
#define FILE_MAX         (16UL << 20)

struct segment {
	const void *buffer;
	size_t size;
	unsigned long at;
	size_t room;
};

struct blob {
	uint8_t *data;
	size_t size;
};

static void fail(const char *what, long error)
{
	char digits[16];

	say("kexec: ");
	say(what);
	say(": error ");
	syscall3(SYS_write, 1, digits, put_hex(digits, (uint64_t)-error) - digits);
	say("\n");
	syscall3(SYS_exit, 1, 0, 0);
}

static struct blob load(const char *path)
{
	/* PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS */
	struct blob blob = {(uint8_t *)syscall5(SYS_mmap2, 0, (long)FILE_MAX, 3, 0x22, -1), 0};
	long file = syscall3(SYS_open, path, 0, 0), got;

	if (file < 0)
		fail(path, file);
	while ((got = syscall3(SYS_read, file, blob.data + blob.size, FILE_MAX - blob.size)) > 0)
		blob.size += (size_t)got;
	syscall3(SYS_close, file, 0, 0);
	return blob;
}

static int same(const uint8_t *a, const uint8_t *b, size_t n)
{
	while (n && *a == *b)
		a++, b++, n--;
	return n == 0;
}

static uint32_t big_endian(const struct blob *number)
{
	const uint8_t *at = number->data + number->size - 4;

	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The property's value stands in the tree as the file shows it; put another number of that width there. */
static void replace(struct blob *tree, const struct blob *old, uint32_t number)
{
	for (size_t i = 0; i + old->size <= tree->size; i += 4)
		if (same(tree->data + i, old->data, old->size)) {
			for (unsigned int b = 0; b < 4; b++)
				tree->data[i + old->size - 4 + b] = (uint8_t)(number >> (24 - 8 * b));
			return;
		}
	fail("no ramdisk in the device tree", 0);
}

static struct segment segment(const struct blob *blob, unsigned long at)
{
	return (struct segment){blob->data, blob->size, at, (blob->size + PAGE - 1) & ~(PAGE - 1)};
}

int main(int argc, char **argv);

int main(int argc, char **argv)
{
	struct blob kernel, ramdisk, tree, start, end;
	struct segment segments[3];
	long error;

	if (argc != 3)
		fail("kexec KERNEL RAMDISK", 0);
	kernel = load(argv[1]);
	ramdisk = load(argv[2]);
	tree = load("/sys/firmware/fdt");
	start = load("/proc/device-tree/chosen/linux,initrd-start");
	end = load("/proc/device-tree/chosen/linux,initrd-end");
	replace(&tree, &end, big_endian(&start) + (uint32_t)ramdisk.size);
	segments[0] = segment(&kernel, KERNEL_AT);
	segments[1] = segment(&ramdisk, big_endian(&start));
	segments[2] = segment(&tree, TREE_AT);
	error = syscall5(SYS_kexec_load, (long)KERNEL_AT, 3, (long)segments, KEXEC_ARCH_ARM, 0);
	if (error)
		fail("kexec_load", error);
	say("kexec: go\n");
	error = syscall5(SYS_reboot, (long)REBOOT_MAGIC1, REBOOT_MAGIC2, REBOOT_CMD_KEXEC, 0, 0);
	fail("reboot", error);
	return 1;
}
