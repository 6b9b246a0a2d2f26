/* The host build cannot turn a 32-bit VA into memory: the event alone. */
#ifndef ARM_ZERO_H
#define ARM_ZERO_H

#include <stdint.h>

#include "fake_machine.h"

static inline void zero_256(uint32_t va)
{
	fake_log_event(FAKE_ZERO, NULL, va);
}

#endif
