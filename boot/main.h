/* Where boot/head.S goes once the MMU is on. */
#ifndef BOOT_MAIN_H
#define BOOT_MAIN_H

#include <stdint.h>

/* `load`: PA of the image; `dtb`: PA from r2; `mode`: PSR mode at entry. */
void boot_main(uint32_t load, uint32_t dtb, uint32_t mode) __attribute__((noreturn));

#endif
