/* SPDX-License-Identifier: BSD-2-Clause */
/* A GICv2's registers, offsets in bytes (IHI 0048B 4.3, 4.4, 5.3). Read by assembly, too: plain numbers only. */
#ifndef HYP_HOST_GICREGS_H
#define HYP_HOST_GICREGS_H

#define GICD_CTLR       0x000U
#define GICD_TYPER      0x004U
#define GICD_IIDR       0x008U
#define GICD_IGROUPR    0x080U
#define GICD_ISENABLER  0x100U
#define GICD_ICENABLER  0x180U
#define GICD_ISPENDR    0x200U
#define GICD_ICPENDR    0x280U
#define GICD_ISACTIVER  0x300U
#define GICD_ICACTIVER  0x380U
#define GICD_IPRIORITYR 0x400U
#define GICD_ITARGETSR  0x800U
#define GICD_ICFGR      0xc00U
#define GICD_SGIR       0xf00U
#define GICD_CPENDSGIR  0xf10U
#define GICD_SPENDSGIR  0xf20U
#define GICD_PIDR4      0xfd0U /* the first of the identification registers */

#define GICC_CTLR  0x0000U
#define GICC_PMR   0x0004U
#define GICC_BPR   0x0008U
#define GICC_IAR   0x000cU
#define GICC_EOIR  0x0010U
#define GICC_RPR   0x0014U
#define GICC_HPPIR 0x0018U
#define GICC_ABPR  0x001cU
#define GICC_APR   0x00d0U
#define GICC_DIR   0x1000U

#define GICH_HCR    0x000U
#define GICH_VTR    0x004U
#define GICH_VMCR   0x008U
#define GICH_MISR   0x010U
#define GICH_EISR0  0x020U
#define GICH_ELRSR0 0x030U
#define GICH_APR    0x0f0U
#define GICH_LR0    0x100U

#endif
