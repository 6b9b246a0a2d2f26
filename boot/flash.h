/*
 * The flash image: what is where, and the header that boot/flash.S finds behind its vectors. tools/mkflash writes it; a
 * public contract, docs/boot.md. Read by assembly and tools: plain numbers only.
 */
#ifndef BOOT_FLASH_H
#define BOOT_FLASH_H

#define FLASH_HEADER_OFFSET 0x20
#define FLASH_IMAGE_OFFSET  0x1000
#define FLASH_DTB_OFFSET    0x40000
#define FLASH_BUNDLE_OFFSET 0x60000

/* In the header. Offsets are from the start of flash, sizes in bytes and multiples of 16, 0 for what is not there. */
#define FLASH_MAGIC       0x00 /* "v7fl" */
#define FLASH_LOAD        0x04 /* PA that virt7 runs at */
#define FLASH_IMAGE       0x08
#define FLASH_IMAGE_SIZE  0x0c
#define FLASH_DTB         0x10
#define FLASH_DTB_SIZE    0x14
#define FLASH_DTB_RAM     0x18 /* PA it is copied to */
#define FLASH_DTB_FOUND   0x1c /* PA where the board leaves a device tree of its own; all ones: it does not */
#define FLASH_BUNDLE      0x20
#define FLASH_BUNDLE_SIZE 0x24
#define FLASH_BUNDLE_RAM  0x28
#define FLASH_GICD        0x2c /* PA */
#define FLASH_GICC        0x30
#define FLASH_BOOT_MPIDR  0x34 /* affinity fields of the CPU that boots */
#define FLASH_UART_DATA   0x38 /* PA of its data register; 0: none. The status register, under the mask, */
#define FLASH_UART_STATUS 0x3c /* is the value `ready` when there is room */
#define FLASH_UART_MASK   0x40
#define FLASH_UART_READY  0x44
#define FLASH_UART_BYTES  0x48 /* 1: its registers take bytes, 0: words */
#define FLASH_HEADER_SIZE 0x4c

#endif
