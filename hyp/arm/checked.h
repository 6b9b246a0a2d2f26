/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions that HYP lets come, or survives, beside those of <arm/copy.h>. */
#ifndef HYP_ARM_CHECKED_H
#define HYP_ARM_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

/* Let HYP take the asynchronous abort that is pending (B1.8.7). False: it has not come. */
bool abort_window(void);

/*
 * Read and clear Cortex-A15's records of errors in its RAMs (ARM DDI 0438 4.3.61, 4.3.62). 0; -EIO: this CPU does not
 * have it. ELR and SPSR are lost.
 */
int cpumerrsr_take(uint64_t *value);
int l2merrsr_take(uint64_t *value);

#endif
