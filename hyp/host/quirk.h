/* SPDX-License-Identifier: BSD-2-Clause */
/* What particular chips need beyond what their device trees say. */
#ifndef HYP_HOST_QUIRK_H
#define HYP_HOST_QUIRK_H

#include "hyp/host/host.h"

/* Apply the rows of the table that match the root node; says which. Once, with the tree read and nothing else begun. */
void quirk_apply(struct host *host);

#endif
