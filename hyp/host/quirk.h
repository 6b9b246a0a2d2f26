/* SPDX-License-Identifier: BSD-2-Clause */
/* What particular chips need beyond what their device trees say. */
#ifndef HYP_HOST_QUIRK_H
#define HYP_HOST_QUIRK_H

#include "hyp/host/host.h"

/* Rows of hyp/host/board.c. */
void quirk_exynos_counter(struct host *host);
void quirk_stm32_uart(struct host *host);

#endif
