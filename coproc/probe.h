/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which traps does this core or emulator take? Real Cortex-A7 and A15 take all that DDI 0406C B1.14 promises; emulators
 * do not, and a substitute is set where one is cheap.
 */
#ifndef COPROC_PROBE_H
#define COPROC_PROBE_H

#include <stdint.h>

/* Run an instruction of each kind at PL1 on this CPU, and return the HSTR bits that stand in for what did not trap, or
 * has no trap of its own. The MMU is on in HYP, no vCPU is loaded; HCR, VBAR and SCTLR of PL1 are overwritten. */
uint32_t probe_hstr(void);

#endif
