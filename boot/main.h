/* SPDX-License-Identifier: BSD-2-Clause */
/* Where boot/head.S goes once the MMU is on. */
#ifndef BOOT_MAIN_H
#define BOOT_MAIN_H

#include <stdint.h>

/*
 * `load`: PA of the image; `dtb`: PA from r2; `secure`: not 0: entered in secure state, and virt7's own monitor is
 * installed.
 */
void boot_main(uint32_t load, uint32_t dtb, uint32_t secure) __attribute__((noreturn));

#endif
