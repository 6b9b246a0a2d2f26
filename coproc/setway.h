/* SPDX-License-Identifier: BSD-2-Clause */
/* Set/way cache maintenance: the policy of docs/setway.md. */
#ifndef COPROC_SETWAY_H
#define COPROC_SETWAY_H

#include <stdint.h>

struct vcpu;

/* A guest executed DCISW, DCCSW or DCCISW. */
void setway_operation(struct vcpu *vcpu);

/* A guest writes SCTLR while HCR.TVM traps it; the write itself is done here. */
void setway_write_sctlr(struct vcpu *vcpu, uint32_t value);

/* The guest has written a memory control register while HCR.TVM trapped it. */
void setway_after_write(struct vcpu *vcpu);

/* WORK_FLUSH: one block of the flush that is under way; asks for itself again while there are more. */
void setway_flush_some(struct vcpu *vcpu);

/* Power-on: caches off, waiting for them to go on. */
void setway_reset(struct vcpu *vcpu);

#endif
