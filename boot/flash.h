/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flash image: the header that is behind the vectors of boot/flash.S, with a table that says where the rest is.
 * tools/mkflash writes it; a public contract, docs/boot.md. Read by assembly and tools: plain numbers only.
 */
#ifndef BOOT_FLASH_H
#define BOOT_FLASH_H

#define FLASH_HEADER_OFFSET 0x20
#define FLASH_STEP          0x1000 /* boot/flash.S and flash_main.c have the first; each part begins at a multiple of it */

/* In the header. */
#define FLASH_MAGIC       0x00 /* "v7fl" */
#define FLASH_SUM         0x04 /* makes the header's words add up to 0 */
#define FLASH_DTB_FOUND   0x08 /* PA where the board leaves a device tree of its own; all ones: it does not */
#define FLASH_GICD        0x0c /* PA */
#define FLASH_GICC        0x10
#define FLASH_BOOT_MPIDR  0x14 /* affinity fields of the CPU that boots */
#define FLASH_UART_DATA   0x18 /* PA of its data register; 0: none. The status register, under the mask, */
#define FLASH_UART_STATUS 0x1c /* is the value `ready` when there is room */
#define FLASH_UART_MASK   0x20
#define FLASH_UART_READY  0x24
#define FLASH_UART_BYTES  0x28 /* 1: its registers take bytes, 0: words */
#define FLASH_VIRT7       0x2c /* the table of parts, FLASH_PART_* each */
#define FLASH_DTB         0x3c
#define FLASH_BUNDLE      0x4c
#define FLASH_HEADER_SIZE 0x5c

/* In a row of the table. */
#define FLASH_PART_OFFSET 0x0 /* from the start of flash */
#define FLASH_PART_SIZE   0x4 /* bytes, a multiple of 16; 0: there is no such part */
#define FLASH_PART_RAM    0x8 /* PA that it is copied to */
#define FLASH_PART_SUM    0xc /* added to the part's words it gives 0 */

#endif
