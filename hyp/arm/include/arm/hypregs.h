/* SPDX-License-Identifier: BSD-2-Clause */
/* Fields of the HYP system registers, as far as virt7 uses them (DDI 0406C B4.1). Assembly reads what are plain
 * numbers. */
#ifndef ARM_HYPREGS_H
#define ARM_HYPREGS_H

#include "hyp/lib/bits.h"

/* HCR, B4.1.65 */
#define HCR_VM        BIT(0) /* stage 2 on */
#define HCR_SWIO      BIT(1) /* invalidate by set/way also cleans */
#define HCR_PTW       BIT(2) /* a table walk in device memory faults */
#define HCR_FMO       BIT(3) /* FIQ to HYP */
#define HCR_IMO       BIT(4) /* IRQ to HYP */
#define HCR_AMO       BIT(5) /* asynchronous abort to HYP */
#define HCR_VF        BIT(6)
#define HCR_VI        BIT(7)
#define HCR_VA        BIT(8)  /* virtual asynchronous abort pending */
#define HCR_FB        BIT(9)  /* TLB and cache maintenance broadcast */
#define HCR_BSU_INNER BIT(10) /* barriers at least inner shareable */
#define HCR_DC        BIT(12)
#define HCR_TWI       BIT(13)
#define HCR_TWE       BIT(14)
#define HCR_TID0      BIT(15)
#define HCR_TID1      BIT(16)
#define HCR_TID2      BIT(17)
#define HCR_TID3      BIT(18)
#define HCR_TSC       BIT(19) /* SMC */
#define HCR_TIDCP     BIT(20) /* lockdown, DMA and implementation defined cp15 */
#define HCR_TAC       BIT(21) /* ACTLR */
#define HCR_TSW       BIT(22) /* set/way maintenance */
#define HCR_TPC       BIT(23)
#define HCR_TPU       BIT(24)
#define HCR_TTLB      BIT(25)
#define HCR_TVM       BIT(26) /* writes of the memory control registers */
#define HCR_TGE       BIT(27)

/* HSR, B4.1.68 */
#define HSR_EC(hsr)   ((hsr) >> 26)
#define HSR_IL        BIT(25)
#define HSR_ISS_MASK  0x01ffffffU
#define EC_UNKNOWN    0x00U
#define EC_WFI_WFE    0x01U
#define EC_CP15_32    0x03U
#define EC_CP15_64    0x04U
#define EC_CP14_32    0x05U
#define EC_CP14_LDC   0x06U
#define EC_HCPTR      0x07U
#define EC_CP10_ID    0x08U
#define EC_JAZELLE    0x09U
#define EC_BXJ        0x0aU
#define EC_CP14_64    0x0cU
#define EC_SVC_HYP    0x11U
#define EC_HVC        0x12U
#define EC_SMC        0x13U
#define EC_PABT_GUEST 0x20U
#define EC_PABT_HYP   0x21U
#define EC_DABT_GUEST 0x24U
#define EC_DABT_HYP   0x25U
#define EC_COUNT      64U

/* ISS of the conditional traps: condition field valid, condition */
#define ISS_CV        BIT(24)
#define ISS_COND(iss) FIELD(iss, 20, 4)

/* ISS of aborts, B3.13.6 */
#define ISS_DABT_ISV      BIT(24)
#define ISS_DABT_SAS(iss) FIELD(iss, 22, 2)
#define ISS_DABT_SSE      BIT(21)
#define ISS_DABT_SRT(iss) FIELD(iss, 16, 4)
#define ISS_FNV           BIT(10) /* of ARMv8's: there is no address */
#define ISS_DABT_EA       BIT(9)
#define ISS_DABT_CM       BIT(8)
#define ISS_S1PTW         BIT(7)
#define ISS_DABT_WNR      BIT(6)
#define ISS_FSC(iss)      ((iss)&0x3fU)
#define FSC_TYPE(fsc)     ((fsc)&0x3cU)
#define FSC_TRANSLATION   0x04U
#define FSC_ACCESS        0x08U
#define FSC_PERMISSION    0x0cU
#define FSC_EXTERNAL      0x10U
#define FSC_EXTERNAL_WALK 0x14U
#define FSC_ASYNC         0x11U /* asynchronous external abort; a parity error with: */
#define FSC_PARITY        0x08U
#define FSC_ALIGNMENT     0x21U
#define FSC_DEBUG         0x22U

/* ISR, B4.1: what is pending for HYP, where it is read there */
#define ISR_I BIT(7)
#define ISR_A BIT(8)

/* CPACR, B4.1.40, MVFR0's A_SIMD field, B4.1.108, and that of MVFR1 for loads and stores, B4.1.109 */
#define CPACR_VFP              (0xfU << 20) /* full access to cp10 and cp11 */
#define CPACR_D32DIS           BIT(30)
#define CPACR_ASEDIS           BIT(31)
#define MVFR0_D32              2U
#define MVFR1_A_SIMD_LS(mvfr1) ((mvfr1) >> 8 & 0xfU)

/* HCPTR, B4.1.64 */
#define HCPTR_TCP(n) BIT(n)
#define HCPTR_TCP10  BIT(10)
#define HCPTR_TCP11  BIT(11)
#define HCPTR_TASE   BIT(15)
#define HCPTR_TTA    BIT(20)
#define HCPTR_TCPAC  BIT(31)
#define HCPTR_RES1   0x000033ffU
#define HCPTR_VFP    (HCPTR_TCP10 | HCPTR_TCP11)
#define HCPTR_OPEN   (HCPTR_RES1 | HCPTR_TTA) /* the loaded vCPU owns the VFP registers */
#define HCPTR_CLOSED (HCPTR_OPEN | HCPTR_VFP) /* they are another vCPU's */

/* HDCR, B7.3 */
#define HDCR_HPMN_MASK 0x1fU
#define HDCR_TPMCR     BIT(5)
#define HDCR_TPM       BIT(6)
#define HDCR_HPME      BIT(7)
#define HDCR_TDE       BIT(8)
#define HDCR_TDA       BIT(9)
#define HDCR_TDOSA     BIT(10)
#define HDCR_TDRA      BIT(11)

/* HSTR: trap accesses to cp15 CRn */
#define HSTR_T(n)  BIT(n)
#define HSTR_TTEE  BIT(16)
#define HSTR_TJDBX BIT(17)

/* HSCTLR, B4.1.75 */
#define HSCTLR_M    BIT(0)
#define HSCTLR_A    BIT(1)
#define HSCTLR_C    BIT(2)
#define HSCTLR_I    BIT(12)
#define HSCTLR_WXN  BIT(19)
#define HSCTLR_RES1 0x30c50878U /* CP15BEN (bit 5) included */

/* SCTLR bits that the hypervisor looks at */
#define SCTLR_M     BIT(0)
#define SCTLR_A     BIT(1)
#define SCTLR_C     BIT(2)
#define SCTLR_Z     BIT(11)
#define SCTLR_I     BIT(12)
#define SCTLR_V     BIT(13)
#define SCTLR_WXN   BIT(19)
#define SCTLR_EE    BIT(25)
#define SCTLR_TE    BIT(30)
#define SCTLR_RESET 0x00c50078U
/* With both on, accesses go through the data caches. */
#define SCTLR_CACHES_ON (SCTLR_C | SCTLR_M)

/* CNTHCTL */
#define CNTHCTL_PL1PCTEN BIT(0)
#define CNTHCTL_PL1PCEN  BIT(1)

/* CNTx_CTL */
#define CNT_ENABLE  BIT(0)
#define CNT_IMASK   BIT(1)
#define CNT_ISTATUS BIT(2)

/* Long-descriptor tables, stage 1 (HYP) and stage 2, B3.6 */
#define DESC_VALID          BIT64(0)
#define DESC_TABLE          BIT64(1) /* levels 1 and 2: table; level 3: page */
#define DESC_S1_ATTR(n)     ((uint64_t)(n) << 2)
#define DESC_S1_AP1         BIT64(6) /* SBO in HYP, B3.6.2 */
#define DESC_S1_RO          BIT64(7)
#define DESC_S2_ATTR_DEVICE 0x04ULL /* MemAttr[3:0] = 0b0001 */
#define DESC_S2_ATTR_WB     0x3cULL /* MemAttr[3:0] = 0b1111 */
#define DESC_S2_R           BIT64(6)
#define DESC_S2_W           BIT64(7)
#define DESC_SH_INNER       (3ULL << 8)
#define DESC_AF             BIT64(10)
#define DESC_XN             BIT64(54)
#define DESC_ADDR_MASK      0x000000fffffff000ULL

/* HMAIR0: index 0 device, 1 write-back write-allocate, 2 non-cacheable */
#define MAIR_DEVICE 0U
#define MAIR_WB     1U
#define MAIR_NC     2U
#define MAIR0_VALUE 0x0044ff04U

/* HTCR: T0SZ 0, walks inner shareable write-back; EAE is SBO. TTBCR takes the same value (EAE on). */
#define HTCR_VALUE 0x80003500U
/* VTCR: start at level 1, 40-bit input (T0SZ = -8, S = 1), walks inner shareable write-back, B4.1.158 */
#define VTCR_VALUE (0x80000000U | 0x3500U | (1U << 6) | (1U << 4) | 8U)

#endif
