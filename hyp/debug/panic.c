/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end: what virt7 says of its own bugs. The backtrace follows the image's exception tables
 * (hyp/debug/unwind.c), with names from hyp/debug/symtab.c.
 */
#include <string.h>

#include <arm/hypregs.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "hyp/arm/runtime.h"
#include "hyp/console/blackbox.h"
#include "hyp/console/console.h"
#include "hyp/lib/cpu.h"
#include "hyp/lib/log.h"
#include "hyp/debug/panic.h"
#include "hyp/host/power.h"
#include "hyp/debug/symtab.h"
#include "hyp/debug/unwind.h"

#define BACKTRACE_MAX 16U
#define UDF_T1        0xde00U

extern const char image_start[], _text_end[];

static void stop_host(void) __attribute__((noreturn));
static void stop_host(void)
{
	log_err("stopped; please report the lines above");
	power_end();
}

const char *panic_symbol(uint32_t pc, uint32_t *offset)
{
	uint32_t start = (uint32_t)(uintptr_t)image_start;

	*offset = 0;
	if (pc < start || pc >= (uint32_t)(uintptr_t)_text_end)
		return "?";
	return symtab_find(pc - start, offset);
}

static void print_backtrace(struct unwind_frame *frame)
{
	for (unsigned int i = 0; i < BACKTRACE_MAX; i++) {
		uint32_t offset, pc = frame->r[15],
				 back = frame->exact ? 0 : 1; /* a call may be a function's last instruction */
		const char *name = panic_symbol(pc - back, &offset);

		log_err("  [%u] 0x%08x %s+0x%x", i, (unsigned)pc, name, (unsigned)(offset + back));
		if (!unwind_step(frame))
			break;
	}
}

/* A UDF of hyp/arm/runtime.c (DDI 0406C A8.8.247, encoding T1) says what it stands for. */
static const char *panic_reason(const struct panic_frame *f)
{
	static const char *const vector[] = {"reset", "undefined instruction", "hypervisor call", "prefetch abort",
					     "data abort"};
	uint32_t insn = f->vector == PANIC_UNDEF && f->psr & PSR_T ? *(const uint16_t *)(uintptr_t)f->pc : 0;

	if (insn == (UDF_T1 | RUNTIME_STACK_OVERWRITTEN))
		return "stack overwritten";
	return insn == (UDF_T1 | RUNTIME_ABORT) ? "abort() called" : vector[f->vector];
}

void panic_exception(const struct panic_frame *f)
{
	struct unwind_frame frame;
	uint32_t offset;
	const char *name = panic_symbol(f->pc, &offset);

	console_panic();
	blackbox_panic();
	log_err("PANIC: %s in virt7 on CPU %u at 0x%08x %s+0x%x", panic_reason(f), (unsigned)cpu_id(), (unsigned)f->pc,
		name, (unsigned)offset);
	log_err("  HSR 0x%08x HDFAR 0x%08x HIFAR 0x%08x PSR 0x%08x", (unsigned)read_hsr(), (unsigned)read_hdfar(),
		(unsigned)read_hifar(), (unsigned)f->psr);
	for (uint32_t i = 0; i < 12; i += 4)
		log_err("  r%-2u 0x%08x 0x%08x 0x%08x 0x%08x", (unsigned)i, (unsigned)f->r[i], (unsigned)f->r[i + 1],
			(unsigned)f->r[i + 2], (unsigned)f->r[i + 3]);
	log_err("  r12 0x%08x sp 0x%08x lr 0x%08x", (unsigned)f->r[12], (unsigned)f->sp, (unsigned)f->lr);
	memcpy(frame.r, f->r, sizeof(f->r));
	frame.r[13] = f->sp;
	frame.r[14] = f->lr;
	frame.r[15] = f->pc;
	frame.exact = true;
	print_backtrace(&frame);
	stop_host();
}
