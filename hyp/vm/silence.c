/* SPDX-License-Identifier: BSD-2-Clause */
/* See silence.h. */
#include "hyp/lib/log.h"
#include "hyp/lib/bits.h"
#include "hyp/vm/silence.h"
#include "hyp/vm/vm.h"

#define SILENCE_SECONDS 10U

/* Characters on all of the VM's consoles so far, to be compared only. */
static uint32_t count_said(const struct vm *vm)
{
	uint32_t said = 0;

	for (const struct console_stream *s = &vm->console; s; s = s->more)
		said += console_log_end(s);
	return said;
}

/* A VM that is paused or suspended just now is left alone: who did that has heard of it. */
static void look_for_words(struct timer *timer)
{
	struct vm *vm = container_of(timer, struct vm, silence);

	if (vm->state != VM_RUNNING || vm->suspended || vm->crash.aborts_told || count_said(vm) != vm->said)
		return;
	log_info(
		"vm %s: nothing on its console for %u s: its kernel, a raw image, was started at 0x%x; firmware (EDK2, "
		"U-Boot) starts in flash instead (docs/firmware.md)",
		vm->config.name, SILENCE_SECONDS, (unsigned)vm->raw_entry);
}

void silence_begin(struct vm *vm)
{
	if (vm->raw_entry == 0)
		return;
	vm->said = count_said(vm);
	vm->silence.expired = look_for_words;
	timer_arm(&vm->silence, timer_now() + (uint64_t)SILENCE_SECONDS * timer_hz());
}

void silence_end(struct vm *vm)
{
	timer_drain(&vm->silence);
}
