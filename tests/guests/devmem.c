/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What devices do in a guest's RAM, by requests to the device for tests (tests/device/testdev.c): lists of pieces,
 * copies from place to place, rings; and copies that meet memory which aborts, at each of their bytes. With the caches
 * off and on.
 */
#include <errno.h>

#include "tests/device/testdev.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/mmu.h"

#define BLOCK  UINT32_C(0x40400000)        /* in RAM of 8 MiB, with nothing of the image in it */
#define BORDER (BLOCK + TESTDEV_HOLE_RAM)  /* where the hole begins */
#define LEN    83U                         /* a round of 64 bytes, of words, and a tail, from any alignment on */
#define LONG   (1024U + LEN)               /* two rounds of 512 bytes by VFP registers, and that */
#define TARGET (BLOCK + MIB(2) - LEN / 2U) /* over the border of two blocks */

#define CPACR_FULL (UINT32_C(0xf) << 20) /* cp10 and cp11, PL1 and PL0 */
#define FPEXC_EN   BIT(30)

uint32_t vfp_get_fpexc(void);
void vfp_set_fpexc(uint32_t v);
void vfp_load(const uint64_t d[32]), vfp_store(uint64_t d[32]);

static uint8_t bytes[LONG + TESTDEV_SHIFT_MAX];

static int32_t ask(struct testdev_request *request)
{
	request->result = 1;
	write32(TESTDEV_BASE + TESTDEV_REQUEST, (uint32_t)request);
	return *(volatile int32_t *)&request->result;
}

/* One piece at each end. */
static struct testdev_request request_of(uint32_t operation, uint32_t from, uint32_t to, uint32_t len)
{
	return (struct testdev_request){.operation = operation, .from.piece = {{from, len}}, .to.piece = {{to, len}}};
}

static void fill(uint8_t *at, uint32_t seed)
{
	for (uint32_t i = 0; i < LEN; i++)
		at[i] = (uint8_t)(seed + i * 7U);
}

/* Both lists are cut, at different places and into an order that is not memory's. */
static void lists(uint32_t operation, const char *name)
{
	struct testdev_request request = {
		.operation = operation,
		.from.piece = {{(uint32_t)bytes + 50U, 33}, {(uint32_t)bytes, 0}, {(uint32_t)bytes, 50}},
		.to.piece = {{TARGET + 33U, 1}, {TARGET + 34U, 49}, {TARGET, 33}},
	};
	const uint8_t *target = (const uint8_t *)TARGET;

	fill(bytes, operation);
	memset((void *)TARGET, 0, LEN);
	report_eq((uint32_t)ask(&request), 0, name);
	report(memcmp(target + 33U, bytes + 50U, 33) == 0 && memcmp(target + 66U, bytes, 17) == 0 &&
		       memcmp(target, bytes + 17U, 33) == 0,
	       "%s: the bytes", name);
}

static void invert(void)
{
	struct testdev_request request = request_of(TESTDEV_INVERT, TARGET, 0, LEN);
	uint32_t wrong = 0;

	fill((uint8_t *)TARGET, 3);
	fill(bytes, 3);
	report_eq((uint32_t)ask(&request), 0, "a ring");
	for (uint32_t i = 0; i < LEN; i++)
		wrong += read8(TARGET + i) != (bytes[i] ^ 0xffU);
	report_eq(wrong, 0, "a ring: the bytes");
}

static void refused(void)
{
	const uint32_t low = (uint32_t)MACHINE_RAM_BASE - 1U;
	struct testdev_request request = request_of(TESTDEV_COPY, low, TARGET, LEN);

	report_eq((uint32_t)ask(&request), (uint32_t)-EFAULT, "from below RAM");
	request = request_of(TESTDEV_FORWARD, TARGET, low, LEN);
	report_eq((uint32_t)ask(&request), (uint32_t)-EFAULT, "to below RAM");
	request = request_of(TESTDEV_INVERT, low, 0, LEN);
	report_eq((uint32_t)ask(&request), (uint32_t)-EFAULT, "a ring below RAM");
	request = request_of(TESTDEV_FORWARD, TARGET, (uint32_t)bytes, LEN);
	request.to.piece[0].len--;
	report_eq((uint32_t)ask(&request), (uint32_t)-ENODATA, "a list that is too short");
}

/*
 * The hole begins behind `before` bytes of the copy; where that is all of them the copy does not meet it. Less than 0:
 * the copy begins inside, which takes it to the stores of the bytes before the target is aligned.
 */
static bool hole_is_right(uint32_t operation, bool out, int32_t before, uint32_t shift, uint32_t len)
{
	uint32_t hole = BORDER - (uint32_t)before, other = (uint32_t)bytes + (operation == TESTDEV_FORWARD ? shift : 0);
	struct testdev_request request = request_of(operation, out ? other : hole, out ? hole : other, len);

	request.shift = shift;
	request.from.hole = !out;
	request.to.hole = out;
	return ask(&request) == (before < (int32_t)len ? -EIO : 0);
}

static void holes(uint32_t operation, bool out, const char *name)
{
	uint32_t wrong = 0;

	for (int32_t before = -(int32_t)TESTDEV_SHIFT_MAX; before <= (int32_t)LEN; before++)
		for (uint32_t shift = 0; shift <= TESTDEV_SHIFT_MAX; shift++)
			wrong += !hole_is_right(operation, out, before, shift, LEN);
	report_eq(wrong, 0, name);
}

/* The registers are there behind it, and FPEXC is what it was, which is one that lets no code use them at every other
 * time. */
static bool long_hole_is_right(bool out, int32_t before, uint32_t shift, uint32_t fpexc)
{
	uint64_t d[32], got[32];
	bool right;

	for (uint64_t i = 0; i < 32; i++)
		d[i] = UINT64_C(0x0123456789abcdef) * (i + shift + (uint32_t)before);
	vfp_set_fpexc(FPEXC_EN);
	vfp_load(d);
	vfp_set_fpexc(fpexc);
	right = hole_is_right(TESTDEV_FORWARD, out, before, shift, LONG) && vfp_get_fpexc() == fpexc;
	vfp_set_fpexc(FPEXC_EN);
	vfp_store(got);
	return right && !memcmp(got, d, sizeof(d));
}

static void long_holes(bool out, const char *name)
{
	uint32_t wrong = 0;

	write_cpacr(read_cpacr() | CPACR_FULL);
	isb();
	for (int32_t before = -(int32_t)TESTDEV_SHIFT_MAX; before <= (int32_t)LONG; before += 13)
		for (uint32_t shift = 0; shift <= TESTDEV_SHIFT_MAX; shift++)
			wrong += !long_hole_is_right(out, before, shift, before & 1 ? FPEXC_EN : 0);
	report_eq(wrong, 0, name);
}

static void ring_hole(void)
{
	struct testdev_request request = request_of(TESTDEV_RING, BORDER - 16U, TARGET, LEN);

	request.from.hole = true;
	report_eq((uint32_t)ask(&request), 0, "a hole behind a ring");
	request.from.piece[0].at = BORDER;
	report_eq((uint32_t)ask(&request), (uint32_t)-EIO, "a ring in a hole");
}

static void requests(void)
{
	lists(TESTDEV_COPY, "gathered and scattered");
	lists(TESTDEV_FORWARD, "forwarded");
	invert();
	refused();
	holes(TESTDEV_COPY, false, "a hole: copies in");
	holes(TESTDEV_COPY, true, "a hole: copies out");
	holes(TESTDEV_FORWARD, false, "a hole: forwarded from");
	holes(TESTDEV_FORWARD, true, "a hole: forwarded to");
	long_holes(false, "a hole: long ones from it");
	long_holes(true, "a hole: long ones to it");
	ring_hole();
}

void guest_main(void)
{
	requests();
	mmu_short_init();
	mmu_short_on();
	requests();
	mmu_off();
}
