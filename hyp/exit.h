/* From a guest into HYP and back: what the vectors call. */
#ifndef HYP_EXIT_H
#define HYP_EXIT_H

#include <stdint.h>

#include "hyp/regs.h"

struct vcpu;

/* What a trap handler wants done with the trapped instruction. */
enum exit_action {
	EXIT_NEXT,  /* it is emulated: go on behind it */
	EXIT_AGAIN, /* go on at ELR_hyp as it stands: an exception was injected, or the instruction shall run again */
};

typedef enum exit_action (*exit_fn)(struct vcpu *vcpu, struct regs *regs, uint32_t hsr);

void exit_trap(struct regs *regs);
void exit_irq(void);

/* First entry of a new vCPU thread. */
void exit_first(void);

#endif
