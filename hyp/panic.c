/*
 * The end: what virt7 says of its own bugs. The backtrace is libgcc's unwinder on the image's exception tables, the
 * names come from the table that tools/symtab puts into the image.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unwind.h>

#include <arm/barrier.h>
#include <arm/hypregs.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "hyp/console.h"
#include "hyp/lib/cpu.h"
#include "hyp/log.h"
#include "hyp/panic.h"

#define BACKTRACE_MAX 16U

/* Made by tools/symtab, which says how. */
extern const uint32_t symtab_count;
extern const uint16_t symtab_address[];
extern const uint8_t symtab_pairs[], symtab_names[];
extern const char image_start[], _text_end[];

/* What libgcc's unwinder starts from (its own name and layout; EHABI 7.5). */
struct unwind_registers {
	uint32_t demand_save;
	uint32_t r[16];
};
_Unwind_Reason_Code __gnu_Unwind_Backtrace(_Unwind_Trace_Fn trace, void *arg, struct unwind_registers *registers);

uintptr_t __stack_chk_guard = 0x7a3e11d4U;
void __stack_chk_fail(void) __attribute__((noreturn));

static void stop(void) __attribute__((noreturn));
static void stop(void)
{
	log_err("stopped; please report the lines above");
	for (;;)
		wfi();
}

/* Append what one byte of a compressed name stands for. Pairs nest at most as deep as there are pairs. */
static char *expand(uint8_t byte, char *to, const char *end)
{
	if (byte >= 0x80) {
		to = expand(symtab_pairs[2 * (byte - 0x80)], to, end);
		return expand(symtab_pairs[2 * (byte - 0x80) + 1], to, end);
	}
	if (to < end)
		*to++ = (char)byte;
	return to;
}

const char *panic_symbol(uint32_t pc, uint32_t *offset)
{
	static char text[40];
	const uint8_t *name = symtab_names;
	uint32_t i = 0, place = (pc - (uint32_t)(uintptr_t)image_start) / 2;
	char *end = text;

	*offset = 0;
	if (symtab_count == 0 || pc >= (uint32_t)(uintptr_t)_text_end || pc < (uint32_t)(uintptr_t)image_start)
		return "?";
	for (; i + 1 < symtab_count && symtab_address[i + 1] <= place; i++)
		while (*name++)
			;
	while (*name)
		end = expand(*name++, end, text + sizeof(text) - 1);
	*end = '\0';
	*offset = (place - symtab_address[i]) * 2;
	return text;
}

static _Unwind_Reason_Code trace_frame(struct _Unwind_Context *context, void *arg)
{
	uint32_t *count = arg, pc = (uint32_t)_Unwind_GetIP(context), offset;
	const char *name = panic_symbol(pc - 1, &offset); /* a call may be a function's last instruction */

	log_err("  [%u] 0x%08x %s+0x%x", (unsigned)*count, (unsigned)pc, name, (unsigned)offset);
	return ++*count < BACKTRACE_MAX ? _URC_NO_REASON : _URC_FAILURE;
}

static void backtrace(const uint32_t *r13_to_15, const uint32_t *r0_to_12)
{
	struct unwind_registers registers = {.demand_save = 0};
	uint32_t count = 0;

	memcpy(registers.r, r0_to_12, 13 * sizeof(uint32_t));
	memcpy(&registers.r[13], r13_to_15, 3 * sizeof(uint32_t));
	__gnu_Unwind_Backtrace(trace_frame, &count, &registers);
}

void panic_exception(const struct panic_frame *f)
{
	static const char *const vector[] = {"reset", "undefined instruction", "hypervisor call", "prefetch abort",
					     "data abort"};
	uint32_t offset;
	const char *name = panic_symbol(f->pc, &offset);

	console_panic();
	log_err("PANIC: %s in virt7 on CPU %u at 0x%08x %s+0x%x", vector[f->vector], (unsigned)cpu_id(),
		(unsigned)f->pc, name, (unsigned)offset);
	log_err("  HSR 0x%08x HDFAR 0x%08x HIFAR 0x%08x PSR 0x%08x", (unsigned)read_hsr(), (unsigned)read_hdfar(),
		(unsigned)read_hifar(), (unsigned)f->psr);
	for (uint32_t i = 0; i < 12; i += 4)
		log_err("  r%-2u 0x%08x 0x%08x 0x%08x 0x%08x", (unsigned)i, (unsigned)f->r[i], (unsigned)f->r[i + 1],
			(unsigned)f->r[i + 2], (unsigned)f->r[i + 3]);
	log_err("  r12 0x%08x sp 0x%08x lr 0x%08x", (unsigned)f->r[12], (unsigned)f->sp, (unsigned)f->lr);
	backtrace((const uint32_t[]){f->sp, f->lr, f->pc}, f->r);
	stop();
}

static _Unwind_Reason_Code trace_here(struct _Unwind_Context *context, void *arg)
{
	return trace_frame(context, arg);
}

void panic(const char *fmt, ...)
{
	char text[LOG_LINE_MAX];
	uint32_t count = 0;
	va_list ap;

	console_panic();
	va_start(ap, fmt);
	vsniprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_err("PANIC: %s", text);
	_Unwind_Backtrace(trace_here, &count);
	stop();
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
