/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VFP and NEON on every CPU: neon SEED ROUNDS. Goes from CPU to CPU and on each mixes double and single precision,
 * integer lanes, saturation and FPSCR's modes in 32 registers' worth of state; prints a sum of all bits, which must be
 * the same on every machine. Several of these at once, on shared CPUs, show whether the registers of one ever become
 * another's.
 */
#include <arm_neon.h>

#include "tests/linux/linux.h"

#define CPUS_MAX 8U
#define LANES    8U          /* q registers that live through a round */
#define FZ_RZ    0x01c00000U /* FPSCR: flush to zero, round towards zero */

static uint64_t mix(uint64_t x)
{
	x ^= x >> 33;
	x *= UINT64_C(0xff51afd7ed558ccd);
	x ^= x >> 29;
	return x;
}

static void set_fpscr(uint32_t value)
{
	__asm__ volatile("vmsr fpscr, %0" : : "r"(value));
}

static uint32_t get_fpscr(void)
{
	uint32_t value;

	__asm__ volatile("vmrs %0, fpscr" : "=r"(value));
	return value;
}

static uint64_t bits(double d)
{
	union {
		double d;
		uint64_t u;
	} of = {.d = d};

	return of.u;
}

static uint64_t doubles(uint64_t seed)
{
	double a = (double)(int32_t)(seed | 1), b = (double)(int32_t)(seed >> 32), c = 1.0 / a;

	for (int i = 0; i < 40; i++) {
		c = c * b + a;
		a = a * 0.999 + c / (b + 3.25);
		b = __builtin_sqrt(a * a + 1.0) - c * 0.5;
		if (!(c < 1e100 && c > -1e100))
			c = 1.5;
	}
	return bits(a) ^ bits(b) * 3 ^ bits(c) * 5;
}

static uint64_t lanes(uint64_t seed)
{
	uint32x4_t q[LANES];
	float32x4_t f = vdupq_n_f32(1.0F + (float)(seed & 0xff));
	uint64_t sum = 0;

	for (uint32_t i = 0; i < LANES; i++)
		q[i] = vdupq_n_u32((uint32_t)mix(seed + i));
	for (int round = 0; round < 40; round++)
		for (uint32_t i = 0; i < LANES; i++) {
			uint32_t j = (i + 3) % LANES;

			q[i] = vaddq_u32(vmulq_u32(q[i], q[j]), veorq_u32(q[j], vshrq_n_u32(q[i], 7)));
			q[j] = vreinterpretq_u32_s32(
				vqaddq_s32(vreinterpretq_s32_u32(q[j]), vreinterpretq_s32_u32(q[i])));
			f = vmlaq_f32(f, vcvtq_f32_u32(q[i]), vdupq_n_f32(1.0F / 65536));
		}
	for (uint32_t i = 0; i < LANES; i++)
		sum = mix(sum ^ ((uint64_t)vgetq_lane_u32(q[i], 0) << 32 | vgetq_lane_u32(q[i], 3)));
	return sum ^ (uint64_t)vgetq_lane_u32(vreinterpretq_u32_f32(f), 1);
}

int main(int argc, char **argv);

int main(int argc, char **argv)
{
	uint32_t seed = argc > 1 ? number_of(argv[1]) : 1, rounds = argc > 2 ? number_of(argv[2]) : 100;
	char text[64] = "neon ", *at;
	uint64_t sum = seed;

	for (uint32_t i = 0; i < rounds; i++) {
		uint32_t mask = 1U << i % CPUS_MAX, mode = i & 1 ? FZ_RZ : 0;

		syscall3(SYS_sched_setaffinity, 0, sizeof(mask), &mask); /* a CPU that is not there: stays */
		set_fpscr(mode);
		sum = mix(sum ^ doubles(sum));
		sum = mix(sum ^ lanes(sum));
		sum ^= get_fpscr() & 0xffc0009fU; /* flags, modes, cumulative exceptions */
	}
	set_fpscr(0);
	/* One write for the line: others print at the same time. */
	at = put_hex(text + 5, seed);
	*at++ = ' ';
	at = put_hex(at, sum);
	*at++ = '\n';
	syscall3(SYS_write, 1, text, at - text);
	return 0;
}
