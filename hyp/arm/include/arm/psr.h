/* SPDX-License-Identifier: BSD-2-Clause */
/* Program status register fields and processor modes (DDI 0406C B1.3.3). */
#ifndef ARM_PSR_H
#define ARM_PSR_H

#include "hyp/lib/bits.h"

#define PSR_MODE_MASK 0x1fU
#define PSR_MODE_USR  0x10U
#define PSR_MODE_FIQ  0x11U
#define PSR_MODE_IRQ  0x12U
#define PSR_MODE_SVC  0x13U
#define PSR_MODE_MON  0x16U
#define PSR_MODE_ABT  0x17U
#define PSR_MODE_HYP  0x1aU
#define PSR_MODE_UND  0x1bU
#define PSR_MODE_SYS  0x1fU

#define PSR_T BIT(5)
#define PSR_F BIT(6)
#define PSR_I BIT(7)
#define PSR_A BIT(8)
#define PSR_E BIT(9)
#define PSR_J BIT(24)
#define PSR_C BIT(29)
#define PSR_Z BIT(30)
#define PSR_N BIT(31)
#define PSR_V BIT(28)

/* ITSTATE[7:2] is PSR[15:10], ITSTATE[1:0] is PSR[26:25]. */
#define PSR_IT_MASK 0x0600fc00U

#endif
