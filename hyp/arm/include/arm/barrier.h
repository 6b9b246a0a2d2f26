/* SPDX-License-Identifier: BSD-2-Clause */
/* Barriers and hints. The host build has its own, empty ones. */
#ifndef ARM_BARRIER_H
#define ARM_BARRIER_H

#define isb()     __asm__ volatile("isb" ::: "memory")
#define dsb()     __asm__ volatile("dsb sy" ::: "memory")
#define dsb_ish() __asm__ volatile("dsb ish" ::: "memory")
#define dmb_ish() __asm__ volatile("dmb ish" ::: "memory")
#define wfi()     __asm__ volatile("dsb sy\n\twfi" ::: "memory")
#define yield()   __asm__ volatile("yield" ::: "memory")
#define wfe()     __asm__ volatile("wfe" ::: "memory")
#define clrex()   __asm__ volatile("clrex" ::: "memory")
#define sev()     __asm__ volatile("dsb ishst\n\tsev" ::: "memory")

#endif
