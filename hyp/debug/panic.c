/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end: what virt7 says of its own bugs. The backtrace follows the image's exception tables
 * (hyp/debug/unwind.c), with names from hyp/debug/symtab.c.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arm/hypregs.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "hyp/console/blackbox.h"
#include "hyp/console/console.h"
#include "hyp/lib/cpu.h"
#include "hyp/console/log.h"
#include "hyp/debug/panic.h"
#include "hyp/host/power.h"
#include "hyp/debug/symtab.h"
#include "hyp/debug/unwind.h"

#define BACKTRACE_MAX 16U

extern const char image_start[], _text_end[];

uintptr_t __stack_chk_guard = 0x7a3e1100U; /* until boot/guard.c has another */
void __stack_chk_fail(void) __attribute__((noreturn));

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

void panic_exception(const struct panic_frame *f)
{
	static const char *const vector[] = {"reset", "undefined instruction", "hypervisor call", "prefetch abort",
					     "data abort"};
	struct unwind_frame frame;
	uint32_t offset;
	const char *name = panic_symbol(f->pc, &offset);

	console_panic();
	blackbox_panic();
	log_err("PANIC: %s in virt7 on CPU %u at 0x%08x %s+0x%x", vector[f->vector], (unsigned)cpu_id(),
		(unsigned)f->pc, name, (unsigned)offset);
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

void panic(const char *fmt, ...)
{
	char text[LOG_LINE_MAX];
	struct unwind_frame frame = {.r = {0}};
	va_list ap;

	console_panic();
	blackbox_panic();
	va_start(ap, fmt);
	vsniprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_err("PANIC: %s", text);
	/* From our own caller on: its frame is what GCC says, ours starts here. */
	__asm__ volatile("mov %0, sp\n\tmov %1, r7\n\tmov %2, r11"
			 : "=r"(frame.r[13]), "=r"(frame.r[7]), "=r"(frame.r[11]));
	__asm__ volatile("mov %0, pc" : "=r"(frame.r[15]));
	print_backtrace(&frame);
	stop_host();
}

void __stack_chk_fail(void)
{
	panic("stack overwritten");
}

/* newlib and libgcc call these where they cannot go on. */
void abort(void)
{
	panic("abort() called");
}
