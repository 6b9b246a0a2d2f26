/* SPDX-License-Identifier: BSD-2-Clause */
/* The demo guest: what runs where there is no bundle, so that the first boot on a new board shows something. */
#ifndef BOOT_DEMO_H
#define BOOT_DEMO_H

#include "hyp/load/vmcfg.h"

void demo_config(struct vm_config *cfg);

#endif
