/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is wrong with a bundle and what to do, in words that virt7 and tools/mkbundle share: mkbundle reads this file.
 * (The words for a property's value are in its row, those for images of another kind in hyp/load/foreign.def.)
 */
#ifndef HYP_LOAD_WORDS_H
#define HYP_LOAD_WORDS_H

/* /vms */
#define WORDS_NO_IMAGES               "no /images node: a device tree, but not a FIT image"
#define WORDS_NO_VMS                  "no /vms node; describe the virtual machines there"
#define WORDS_VMS_EMPTY               "/vms is empty; add a node for each virtual machine"
#define WORDS_HEAP                    "give the board more RAM, or the bundle fewer VMs"
#define WORDS_NAME                    "use 1 to 31 letters, digits and ._+- (and no . or - at the start)"
#define WORDS_KERNEL_MISSING          "missing; name the image under /images to start, or give the VM flash with code in it"
#define WORDS_UNKNOWN_PROPERTY        "unknown property, ignored"
#define WORDS_UNKNOWN_NODE            "unknown node, ignored: its \"compatible\" is of no device that virt7 has"
#define WORDS_UNKNOWN_DEVICE_PROPERTY "unknown property of a device; correct it or take it out"
#define WORDS_UNKNOWN_DEVICE_NODE     "unknown node in a device; take it out"

/* A device's node. */
#define WORDS_DISK_NONE      "no disk: give image, or size for a blank one, or host"
#define WORDS_DISK_TWICE     "image and size: give one of them"
#define WORDS_DISK_BLANK_COW "size and copy-on-write: give one of them"
#define WORDS_DISK_RO_COW    "read-only and copy-on-write: give one of them"
#define WORDS_DISK_WRITABLE  "an image cannot be written: say read-only, or copy-on-write = <KiB>"
#define WORDS_DISK_HOST      "host and image, size or copy-on-write: give one of them"
#define WORDS_DISK_NO_HOST   "partition or range, and no host: give the disk's path in the host's device tree"
#define WORDS_DISK_PARTS     "partition and range: give one of them"
#define WORDS_DISK_RANGE     "not <FIRST COUNT>, in sectors of 512 bytes, and not empty"
#define WORDS_DISK_BEYOND    "the range reaches beyond the disk's end"
#define WORDS_DISK_RO        "the host's disk can only be read; say read-only"
#define WORDS_DISK_TAKEN     "%s.%s has sectors of it; give another partition, or read-only to both"
#define WORDS_CONSOLE_DOT    "name: has a dot, which stands between a VM's name and its console's; leave it out"
#define WORDS_CONSOLE_TAKEN  "a VM has the name of this console; choose another"
#define WORDS_MAC            "not six bytes of an address for one device, such as [52 54 00 00 00 01]"
#define WORDS_SWITCH_FULL    "256 devices are on this switch already; choose another"
#define WORDS_UPLINK         "not the path of a network card in the host's device tree, such as \"/virtio_mmio@a003e00\""
#define WORDS_FLASH_TWICE    "a VM has one flash; take one of the nodes out"
#define WORDS_FLASH_NO_CODE  "no code, and the VM has no kernel; give one of them"
#define WORDS_FLASH_LARGE    "larger than a bank of 64 MiB; give a smaller file"
#define WORDS_FLASH_FULL     "larger than the 2 MiB that a bank of flash without an image has; give a smaller kernel"
#define WORDS_FLASH_HOST     "vars and vars-host: give one of them"
#define WORDS_FLASH_NO_HOST \
	"vars-partition or vars-range, and no vars-host: give the disk's path in the host's device tree"
#define WORDS_FLASH_PARTS     "vars-partition and vars-range: give one of them"
#define WORDS_FLASH_SHORT     "less than a sector of flash, 256 KiB"
#define WORDS_FLASH_RO        "the host's disk can only be read"
#define WORDS_FLASH_HEAP      "virt7's heap is too small"
#define WORDS_VIRTIO_TOO_MANY "more than 32 virtio devices; take some out"

/* An image's node. */
#define WORDS_DATA_EMPTY       "empty; give the image a file"
#define WORDS_ARCH             "not \"arm\"; a guest is a 32-bit ARM program"
#define WORDS_COMPRESSION      "not supported; uncompress it (xz -d, zstd -d, lz4 -d, unlzma), use \"none\""
#define WORDS_COMPRESSION_TYPE "not a string; use \"none\" or \"gzip\""
#define WORDS_ADDRESS          "not a number of one or two cells"
#define WORDS_ALGO             "not supported; use \"crc32\" or \"sha256\""
#define WORDS_ALGO_PASSED      "not known, passed over: another hash has matched"
#define WORDS_NOT_GZIP         "not a gzip stream, or a damaged one; make the bundle again"

/* A kernel or a bundle of another kind, beside hyp/load/foreign.def. */
#define WORDS_TEXT        "a text"
#define WORDS_TEXT_KERNEL "give a kernel"

/* What is printed with values in it; behind the VM's name, or behind the image's. */
#define WORDS_CPU_MODEL "cpu-model \"%.40s\": not one of %s; change it in /vms/%s or leave it out"
#define WORDS_MAC_TAKEN "%s has %02x:%02x:%02x:%02x:%02x:%02x on this switch; give another local-mac-address"
#define WORDS_OUTSIDE   "%u KiB%s at 0x%llx are not inside RAM (0x%llx to 0x%llx)%s"
#define WORDS_FOR_FLASH "; what is made for address 0 starts in flash (mkbundle: flash)"
#define WORDS_OVERLAP   "%u KiB%s at 0x%llx overlap the %s, %u KiB at 0x%llx; give the VM more memory"
#define WORDS_NO_ROOM \
	"%u KiB fit neither between the kernel and the device tree at 0x%llx nor above it (RAM ends at 0x%llx)"
#define WORDS_ENTRY "entry point 0x%llx is not inside RAM (0x%llx to 0x%llx)"
#define WORDS_SHORT "shorter than its headers say; make the bundle again"

#define WORDS_UIMAGE_HEADER "damaged uImage header"
#define WORDS_UIMAGE_ARCH   "uImage for another architecture; a guest is a 32-bit ARM program"
#define WORDS_UIMAGE_SHORT  "uImage shorter than its header says"
#define WORDS_UIMAGE_PACKED \
	"uImage with a compression other than none and gzip; unpack what is in it (dumpimage -T kernel -p 0 -o FILE)"
#define WORDS_UIMAGE_TWICE "compressed twice, by uImage and by the bundle; use compression = \"none\" in the bundle"
#define WORDS_UIMAGE_DATA  "damaged data in uImage, its CRC does not match"
#define WORDS_UIMAGE_TYPE  "uImage of type %u; a kernel is type %u"
#define WORDS_ELF_HEADERS  "ELF with no program headers, or with more than 16"
#define WORDS_ELF_EMPTY    "ELF without anything to load"
#define WORDS_ELF_SEGMENT  "damaged ELF: a segment has %u bytes in the file and %u in memory"

/* A device tree of the user's. */
#define WORDS_TREE_DAMAGED "not a device tree, or a damaged one"
#define WORDS_TREE_LARGE   "%u KiB, of which 56 fit; take out what the guest does not need"
#define WORDS_TREE_DEEP    "more than 8 nodes inside one another; take some out"
#define WORDS_TREE_REG     "%s: reg: not as long as #address-cells and #size-cells have it"
#define WORDS_TREE_MEMORY  "%s: memory at 0x%llx to 0x%llx, and the VM's is 0x%llx to 0x%llx; change one of them"
#define WORDS_TREE_DEVICE  "%s: the VM has nothing at 0x%llx to 0x%llx; take the node out, or give the VM such a device"
#define WORDS_TREE_CPU     "%s: the VM has %u CPUs; take the node out, or change cpus"
#define WORDS_TREE_MEMERR \
	"memory-errors is \"early\", and no node says \"virt7,memory-errors\"; leave that out, or add it"

/* As QEMU has it. */
#define WORDS_ELF_NO_TREE \
	"an ELF file that begins less than 1 MiB above the start of RAM gets no device tree; Linux wants its zImage"
#define WORDS_UIMAGE_NO_TREE "a uImage of another system than Linux gets no device tree"

#endif
