/*
 * Memory that may answer with a synchronous external abort (DDI 0406C B3.12.4). The caller gets an error then, and HYP
 * lives; any other fault is a bug of virt7's and ends it. Both ranges are mapped as Normal memory. An error leaves
 * HDFAR and HPFAR with what that abort wrote there: who needs the guest's reads them before.
 */
#ifndef ARM_COPY_H
#define ARM_COPY_H

#include <stddef.h>
#include <stdint.h>

#include <arm/fault_kept.h>

/* Copy `len` bytes. 0, or -EIO: one of the two has aborted, and some of the bytes may have been written. */
int copy_checked(void *to, const void *from, size_t len);

/*
 * Zero [at, end), aligned to and a multiple of 256 bytes, not empty, and clean and invalidate it to the point of
 * coherency in lines of 64 bytes. 0 or -EIO.
 */
int zero_lines_checked(void *at, const void *end);

/*
 * Clean and invalidate the data cache lines of [at, end) to the point of coherency, `line` bytes each, `at` at the
 * beginning of one. Pages that abort are left out. The DSB is the caller's.
 */
void clean_invalidate_checked(const void *at, const void *end, uint32_t line);

/*
 * Accesses that are too small to keep the registers of the exit that HYP serves, which a fault overwrites: who makes
 * some keeps them around all of them (<arm/fault_kept.h>). Each is one access of the width that it names, naturally
 * aligned.
 */

/* The half word, or -EIO. */
int load16_checked(const void *at);
/* 0 or -EIO: a half word, four words into `to`, two words. */
int store16_checked(void *at, uint32_t value);
int load_words_checked(uint32_t to[4], const void *at);
int store_words_checked(void *at, uint32_t first, uint32_t second);

/*
 * A device's registers, for a guest: one access of `size` bytes, 1, 2 or 4, naturally aligned. 0; -EIO: the bus has
 * refused it by a synchronous external abort. The caller keeps the exit's registers here, too.
 */
int load_device_checked(uint32_t *to, const volatile void *at, uint32_t size);
int store_device_checked(volatile void *at, uint32_t value, uint32_t size);

#endif
