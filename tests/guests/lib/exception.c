/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions in C: the record of an expected one and the way past it, interrupts, the end by a surprise. */
#include "tests/guests/lib/guest.h"

struct cpu cpus[GUEST_CPUS];
const uint32_t cpu_struct_size = sizeof(struct cpu);

extern const char user_exit[], user_back[];
uint32_t exc_banked_lr(uint32_t mode);
void exc_entry(struct exc_frame *frame, uint32_t type);

static const char *const exc_names[8] = {
	[EXC_UNDEF] = "undefined instruction",
	[EXC_SVC] = "supervisor call",
	[EXC_PABT] = "prefetch abort",
	[EXC_DABT] = "data abort",
	[EXC_IRQ] = "irq",
	[EXC_FIQ] = "fiq",
};

/* DDI 0406C table B1-7, "offsets applied to link value", undone: the instruction that took the exception. */
static uint32_t exc_pc(uint32_t type, uint32_t lr, uint32_t psr)
{
	switch (type) {
	case EXC_UNDEF:
	case EXC_SVC:
		return lr - (psr & PSR_T ? 2 : 4);
	case EXC_PABT:
		return lr - 4;
	case EXC_DABT:
		return lr - 8;
	default:
		return lr;
	}
}

/* ITAdvance(), DDI 0406C A2.5.2, on ITSTATE as a PSR holds it: IT[7:2] in bits 15:10, IT[1:0] in bits 26:25. */
static uint32_t psr_it_advance(uint32_t psr)
{
	uint32_t it = FIELD(psr, 10, 6) << 2 | FIELD(psr, 25, 2);

	it = it & 7 ? (it & 0xe0) | (it << 1 & 0x1f) : 0;
	psr &= ~UINT32_C(0x0600fc00);
	return psr | (it >> 2) << 10 | (it & 3) << 25;
}

/* DDI 0406C A6.1: a halfword of 0b11101, 0b11110 or 0b11111 begins a 32-bit Thumb instruction. */
static uint32_t insn_length(uint32_t pc, uint32_t psr)
{
	if (!(psr & PSR_T))
		return 4;
	return *(volatile uint16_t *)pc >> 11 >= 0x1d ? 4 : 2;
}

/* Asynchronous external abort: FS 0b10110 in the short format, STATUS 0b010001 in the long (B3.13.3). */
static bool fsr_is_async(uint32_t fsr)
{
	if (fsr & BIT(9))
		return (fsr & 0x3f) == 0x11;
	return (fsr & 0x40f) == 0x406;
}

static void frame_return_to_caller(struct exc_frame *frame)
{
	uint32_t mode = frame->psr & PSR_MODE;
	uint32_t lr = exc_banked_lr(mode == MODE_USR ? MODE_SYS : mode);

	frame->pc = lr & ~UINT32_C(1);
	frame->psr &= ~(UINT32_C(0x0600fc00) | PSR_T);
	if (lr & 1)
		frame->psr |= PSR_T;
}

static void frame_step_over(struct exc_frame *frame, const struct exc_record *seen)
{
	if (seen->type == EXC_SVC) {
		frame->pc = seen->lr; /* B1.9.10: the next instruction, and ITSTATE is that one's */
	} else if (seen->type == EXC_PABT) {
		frame_return_to_caller(frame);
	} else if (seen->type == EXC_DABT && fsr_is_async(seen->fsr)) {
		frame->pc = seen->pc;
	} else {
		frame->pc = seen->pc + insn_length(seen->pc, frame->psr);
		frame->psr = psr_it_advance(frame->psr);
	}
}

static void exc_read(struct exc_record *seen, const struct exc_frame *frame, uint32_t type)
{
	seen->count++;
	seen->type = type;
	seen->fsr = type == EXC_DABT ? read_dfsr() : type == EXC_PABT ? read_ifsr() : 0;
	seen->far = type == EXC_DABT ? read_dfar() : type == EXC_PABT ? read_ifar() : 0;
	seen->lr = frame->lr;
	seen->pc = exc_pc(type, frame->lr, frame->psr);
	seen->spsr = frame->psr;
	seen->cpsr = read_cpsr();
}

static void exc_surprise(const struct exc_frame *frame, uint32_t type)
{
	struct exc_record seen = {0};

	exc_read(&seen, frame, type);
	this_cpu()->expect = 0;
	report(false, "unexpected %s on cpu %u", exc_names[type], (unsigned int)this_cpu()->index);
	printf("  pc %08x psr %08x fsr %08x far %08x lr %08x\n", (unsigned int)seen.pc, (unsigned int)seen.spsr,
	       (unsigned int)seen.fsr, (unsigned int)seen.far, (unsigned int)seen.lr);
	for (unsigned int i = 0; i < 13; i++)
		printf("  r%u %08x%s", i, (unsigned int)frame->r[i], i % 4 == 3 || i == 12 ? "\n" : "");
	guest_exit();
}

/* Called by start.S with the type's own stack and mode, interrupts with SVC's. */
void exc_entry(struct exc_frame *frame, uint32_t type)
{
	struct cpu *cpu = this_cpu();

	if (type == EXC_IRQ && cpu->irq) {
		cpu->irq();
	} else if (type == EXC_FIQ && cpu->fiq) {
		cpu->fiq();
	} else if (type == EXC_SVC && frame->lr == (uint32_t)user_exit + 4) {
		frame->pc = (uint32_t)user_back;
		frame->psr = (frame->psr & ~UINT32_C(PSR_MODE)) | MODE_SVC;
	} else if (type < EXC_IRQ && cpu->expect == type) {
		exc_read(&cpu->seen, frame, type);
		frame_step_over(frame, &cpu->seen);
	} else {
		exc_surprise(frame, type);
	}
}

void exc_expect(uint32_t type)
{
	struct cpu *cpu = this_cpu();

	cpu->seen = (struct exc_record){0};
	cpu->expect = type;
	__asm__ volatile("" : : : "memory");
}

const struct exc_record *exc_done(void)
{
	struct cpu *cpu = this_cpu();

	__asm__ volatile("" : : : "memory");
	cpu->expect = 0;
	return &cpu->seen;
}

void irq_set_handler(void (*irq)(void))
{
	this_cpu()->irq = irq;
}

void fiq_set_handler(void (*fiq)(void))
{
	this_cpu()->fiq = fiq;
}
