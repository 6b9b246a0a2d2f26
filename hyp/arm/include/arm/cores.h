/* SPDX-License-Identifier: BSD-2-Clause */
/* What tells cores apart (DDI 0406C B4.1.105, MIDR), and bits of their ACTLR (each core's TRM). Read by assembly, too.
 */
#ifndef ARM_CORES_H
#define ARM_CORES_H

#include "hyp/lib/bits.h"

#define MIDR_PART_MASK  0xff0ffff0U /* without variant and revision */
#define MIDR_CORTEX_A7  0x410fc070U
#define MIDR_CORTEX_A12 0x410fc0d0U
#define MIDR_CORTEX_A15 0x410fc0f0U
#define MIDR_CORTEX_A17 0x410fc0e0U
#define MIDR_CORTEX_A57 0x410fd070U

#define MPIDR_AFFINITY 0x00ffffffU

/* ACTLR. Coherency with the other CPUs: Secure software sets it before any cache is on. */
#define ACTLR_SMP BIT(6)
/* Cortex-A15: ICIALLU empties the branch target buffer, too; */
#define ACTLR_IBE            BIT(0)
#define ACTLR_NO_LOOP_BUFFER BIT(1) /* erratum 773022 */

#endif
