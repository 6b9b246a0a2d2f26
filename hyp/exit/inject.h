/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions of a guest, taken as the hardware would take them (DDI 0406C B1.9). The vCPU is the current one. */
#ifndef HYP_EXIT_INJECT_H
#define HYP_EXIT_INJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/lib/addr.h"

struct vcpu;

/* The instruction at PC is UNDEFINED. */
void inject_undef(struct vcpu *vcpu);

/* A synchronous external abort on the access to `va`. */
void inject_data_abort(struct vcpu *vcpu, uint32_t va);
void inject_prefetch_abort(struct vcpu *vcpu, uint32_t va);

/* One on the guest's own table walk for `va`, whose descriptor lies in the page at `table`. */
void inject_walk_abort(struct vcpu *vcpu, uint32_t va, ipa_t table, bool prefetch);

#endif
