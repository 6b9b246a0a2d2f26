/* SPDX-License-Identifier: BSD-2-Clause */
/* Where hyp/exit/vectors.S finds what it needs in structures of C, in bytes; hyp/exit/exit.c asserts each. Plain
 * numbers only. */
#ifndef HYP_EXIT_OFFSETS_H
#define HYP_EXIT_OFFSETS_H

/* struct percpu, to which HTPIDR points */
#define PERCPU_PANIC_SP 4
#define PERCPU_FAULT_R1 8
#define PERCPU_FAULT_SP 12
#define PERCPU_THREAD   16 /* the vCPU, while a guest runs */

/* struct vcpu */
#define VCPU_WORK      8 /* thread.work */
#define VCPU_EXITS_HVC 0xe0

#endif
