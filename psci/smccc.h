/* SPDX-License-Identifier: BSD-2-Clause */
/* SMC Calling Convention (DEN 0028) and PSCI (DEN 0022) function ids and results. Read by assembly, too: plain numbers
 * only. */
#ifndef PSCI_SMCCC_H
#define PSCI_SMCCC_H

#include "hyp/lib/bits.h"

#define SMCCC_VERSION       0x80000000U
#define SMCCC_ARCH_FEATURES 0x80000001U
#define SMCCC_VERSION_1_1   0x00010001U

#define SMCCC_ARCH_WORKAROUND_1 0x80008000U /* branch target injection */
#define SMCCC_ARCH_WORKAROUND_2 0x80007fffU /* speculative store bypass */
#define SMCCC_ARCH_WORKAROUND_3 0x80003fffU /* branch history injection */
#define SMCCC_SUCCESS           0U
#define SMCCC_NOT_REQUIRED      1U /* of ARCH_FEATURES about a workaround: this CPU is not affected */

#define PSCI_VERSION           0x84000000U
#define PSCI_CPU_SUSPEND       0x84000001U
#define PSCI_CPU_OFF           0x84000002U
#define PSCI_CPU_ON            0x84000003U
#define PSCI_AFFINITY_INFO     0x84000004U
#define PSCI_MIGRATE_INFO_TYPE 0x84000006U
#define PSCI_SYSTEM_OFF        0x84000008U
#define PSCI_SYSTEM_RESET      0x84000009U
#define PSCI_FEATURES          0x8400000aU
#define PSCI_SYSTEM_SUSPEND    0x8400000eU
#define PSCI_SYSTEM_RESET2     0x84000012U

#define PSCI_VERSION_1_1 0x00010001U

#define PSCI_SUCCESS            0U
#define PSCI_NOT_SUPPORTED      0xffffffffU
#define PSCI_INVALID_PARAMETERS 0xfffffffeU
#define PSCI_DENIED             0xfffffffdU
#define PSCI_ALREADY_ON         0xfffffffcU
#define PSCI_ON_PENDING         0xfffffffbU
#define PSCI_INVALID_ADDRESS    0xfffffff7U

#define PSCI_POWER_DOWN BIT(16) /* of power_state, DEN 0022 5.4.2 */

#define PSCI_AFFINITY_ON  0U
#define PSCI_AFFINITY_OFF 1U

#define PSCI_MIGRATE_NOT_PRESENT 2U /* no trusted OS to migrate */

#endif
