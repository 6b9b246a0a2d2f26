/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cortex-A15's CPUMERRSR, of this CPU's caches and TLB, and L2MERRSR, of its cluster's L2: where in these RAMs an error
 * was, fatal or corrected (ARM DDI 0438 4.3.61, 4.3.62). They have no address. Cortex-A7 has none of them.
 */
#ifndef HYP_HOST_MERRSR_H
#define HYP_HOST_MERRSR_H

/* Say what this CPU's have to tell, within a budget, and clear them. No exit's HSR is needed afterwards. */
void merrsr_say(void);

#endif
