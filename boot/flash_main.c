/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a flash image does at reset: checks virt7, and where there are any a device tree and a bundle, brings them to
 * RAM and enters virt7 there. RAM, clocks and the UART are as reset or a boot ROM left them. It runs wherever the flash
 * is, MMU and caches off, and writes nothing but what it copies: there may be no RAM, and so there is no stack
 * (tools/check-placed).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <arm/barrier.h>
#include <arm/cores.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "boot/flash.h"
#include "boot/header.h"
#include "boot/monitor.h"
#include "boot/pen.h"
#include "hyp/lib/bits.h"
#include "mm/tlb.h"

#define FDT_MAGIC_LE     UINT32_C(0xedfe0dd0) /* as a little-endian word */
#define FLASH_MAGIC_WORD UINT32_C(0x6c663776) /* "v7fl" */
#define TRIAL            UINT32_C(0x600d3a3a)
#define AGAIN            ": write the flash image again (make flash)\r\n"

extern const uint8_t reset[] __attribute__((visibility("hidden"))); /* the page */

/* From the vectors (boot/flash.S). What does not return is not declared so: a call then is a branch, and needs no
 * stack. */
void flash_main(void);   /* secure SVC (or HYP), MMU and caches off, all else unknown */
void flash_no_ram(void); /* after a data abort */

#define FLASH_INLINE static inline __attribute__((always_inline))

enum problem {
	GOOD,
	BAD_HEADER,
	BAD_PART,
	NO_RAM,
};

FLASH_INLINE uint32_t *ram_at(uint32_t pa)
{
	return (uint32_t *)(uintptr_t)pa;
}

FLASH_INLINE struct image_header *placed_image(uint32_t pa)
{
	return (void *)ram_at(pa + IMAGE_HEADER_OFFSET);
}

/* A word of the header. */
FLASH_INLINE uint32_t header_word(const uint8_t *page, uint32_t offset)
{
	return *(const uint32_t *)(const void *)(page + FLASH_HEADER_OFFSET + offset);
}

/* Without a UART in the header: silence. */
FLASH_INLINE void print_char(const uint8_t *page, uint32_t c)
{
	volatile void *data = ram_at(header_word(page, FLASH_UART_DATA));
	const volatile void *status = ram_at(header_word(page, FLASH_UART_STATUS));
	bool bytes = header_word(page, FLASH_UART_BYTES);
	uint32_t value;

	if (!data)
		return;
	do
		value = bytes ? io_read8(status) : io_read32(status);
	while ((value & header_word(page, FLASH_UART_MASK)) != header_word(page, FLASH_UART_READY));
	if (bytes)
		io_write8(data, (uint8_t)c);
	else
		io_write32(data, c);
}

FLASH_INLINE void print_text(const uint8_t *page, const char *text)
{
	for (; *text; text++)
		print_char(page, (uint8_t)*text);
}

FLASH_INLINE void print_number(const uint8_t *page, uint32_t number)
{
	for (unsigned int shift = 32; shift > 0; shift -= 4) {
		uint32_t digit = number >> (shift - 4) & 15U;

		print_char(page, digit < 10 ? '0' + digit : 'a' + digit - 10);
	}
}

/* The end. Without the magic nothing says that there is a UART in the header. */
FLASH_INLINE void stop_flash(const uint8_t *page, enum problem problem, uint32_t at)
{
	if (header_word(page, FLASH_MAGIC) == FLASH_MAGIC_WORD) {
		print_text(page, problem == BAD_HEADER ? "virt7: error: flash: the table at its start is damaged"
				 : problem == NO_RAM
					 ? "virt7: error: flash: no RAM at 0x"
					 : "virt7: error: flash: virt7, the device tree or the bundle is damaged, "
					   "that at offset 0x");
		if (problem != BAD_HEADER)
			print_number(page, at);
		print_text(page,
			   problem == NO_RAM
				   ? ", where virt7, the device tree or the bundle go: give the board more RAM, or "
				     "make the flash image for its device tree (make flash FLASH_DTB=)\r\n"
				   : AGAIN);
	}
	for (;;)
		wfi();
}

/* What was written when there was no RAM is in TPIDRPRW, which has no other use here. */
void flash_no_ram(void)
{
	stop_flash(reset, NO_RAM, read_tpidrprw());
}

/* Exceptions come to this page, and nothing is left of what ran before, or is in a cache by chance. */
FLASH_INLINE void take_cpu(const uint8_t *page)
{
	bool hyp = (read_cpsr() & PSR_MODE_MASK) == PSR_MODE_HYP;

	mask_exceptions();
	if (hyp)
		write_hvbar((uint32_t)(uintptr_t)page);
	else
		write_vbar((uint32_t)(uintptr_t)page);
	write_iciallu(0);
	write_bpiall(0);
	if (!hyp)
		tlb_forget_old_pl1();
	dsb();
	isb();
}

/*
 * The first-level data cache by set/way (B2.2.6, CCSIDR B4.1.19), which is sound here alone: coherency is not on yet.
 * The second level of A7 and A15 clears itself at reset (L2RSTDISABLE).
 */
FLASH_INLINE void invalidate_l1(void)
{
	uint32_t ccsidr, line, ways, sets;

	write_csselr(0);
	isb();
	ccsidr = read_ccsidr();
	line = FIELD(ccsidr, 0, 3) + 4U; /* log2 of its bytes */
	ways = FIELD(ccsidr, 3, 10);     /* less 1, as sets are */
	sets = FIELD(ccsidr, 13, 15);
	for (uint32_t set = 0; set <= sets; set++)
		for (uint32_t way = 0; way <= ways; way++)
			write_dcisw(set << line | (way ? way << __builtin_clz(ways) : 0));
	dsb();
	isb();
}

/*
 * The other CPUs. No word of RAM can be trusted to say "not yet", so they wait for an event that a reset cannot leave
 * behind: SGI MONITOR_SGI, which the monitor sends with its first CPU_ON. By then virt7 is in RAM. Returns where to go
 * on.
 */
FLASH_INLINE uint32_t wait_for_virt7(const uint8_t *page)
{
	volatile uint8_t *gicc = pen_gic(header_word(page, FLASH_GICC));
	uint32_t image = header_word(page, FLASH_VIRT7 + FLASH_PART_RAM);

	pen_open(pen_gic(header_word(page, FLASH_GICD)), gicc);
	while (!pen_sleep(gicc))
		;
	return image + placed_image(image)->secondary;
}

/* Whether there is RAM at `pa`: elsewhere a write aborts, or is not kept. Nothing is lost there yet. */
FLASH_INLINE bool try_word(uint32_t pa)
{
	volatile uint32_t *word = ram_at(pa);

	write_tpidrprw(pa);
	*word = TRIAL;
	dsb();
	if (*word != TRIAL)
		return false;
	*word = ~TRIAL;
	dsb();
	return *word == ~TRIAL;
}

/* Copy and check a part. `row`: its row in the table. */
FLASH_INLINE enum problem copy_part(const uint8_t *page, uint32_t row)
{
	uint32_t size = header_word(page, row + FLASH_PART_SIZE), ram = header_word(page, row + FLASH_PART_RAM);
	uint32_t sum = header_word(page, row + FLASH_PART_SUM);
	const uint32_t *from = (const void *)(page + header_word(page, row + FLASH_PART_OFFSET));

	if (!try_word(ram + size - 4U) || !try_word(ram))
		return NO_RAM;
	for (uint32_t *to = ram_at(ram), *end = ram_at(ram + size); to < end; to += 2, from += 2) {
		uint32_t a = from[0], b = from[1];

		write_tpidrprw((uint32_t)(uintptr_t)to);
		to[0] = a;
		to[1] = b;
		sum += a + b;
	}
	dsb();
	return sum ? BAD_PART : GOOD;
}

/* The device tree that the board has put into RAM comes before the one in flash. */
FLASH_INLINE bool board_has_tree(const uint8_t *page)
{
	uint32_t found = header_word(page, FLASH_DTB_FOUND);

	write_tpidrprw(found);
	return found != ~0U && *ram_at(found) == FDT_MAGIC_LE;
}

FLASH_INLINE enum problem bring_part(const uint8_t *page, uint32_t row)
{
	if (!header_word(page, row + FLASH_PART_SIZE) || (row == FLASH_DTB && board_has_tree(page)))
		return GOOD;
	return copy_part(page, row);
}

/* The device tree first: where it goes there is no RAM if there is too little of it. */
FLASH_INLINE uint32_t row_after(uint32_t row)
{
	return row == FLASH_DTB ? FLASH_VIRT7 : row == FLASH_VIRT7 ? FLASH_BUNDLE : 0;
}

/* Nothing is taken from a damaged header, but the UART where it has its magic. */
FLASH_INLINE bool header_is_good(const uint8_t *page)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < FLASH_HEADER_SIZE; i += 4)
		sum += header_word(page, i);
	return sum == 0;
}

FLASH_INLINE void tell_of_bundle(const uint8_t *page)
{
	struct image_header *header = placed_image(header_word(page, FLASH_VIRT7 + FLASH_PART_RAM));
	uint32_t size = header_word(page, FLASH_BUNDLE + FLASH_PART_SIZE);

	if (size == 0)
		return;
	header->bundle = header_word(page, FLASH_BUNDLE + FLASH_PART_RAM);
	header->bundle_size = size;
}

FLASH_INLINE void enter_virt7(uint32_t entry, uint32_t tree)
{
	((void (*)(uint32_t, uint32_t, uint32_t))(uintptr_t)entry)(0, ~0U, tree);
}

FLASH_INLINE void boot_virt7(const uint8_t *page)
{
	uint32_t tree = header_word(page, board_has_tree(page) ? FLASH_DTB_FOUND : FLASH_DTB + FLASH_PART_RAM);

	tell_of_bundle(page);
	write_iciallu(0);
	write_bpiall(0);
	dsb();
	isb();
	enter_virt7(header_word(page, FLASH_VIRT7 + FLASH_PART_RAM), tree);
}

void flash_main(void)
{
	const uint8_t *page = reset;
	uint32_t row = FLASH_DTB;
	enum problem problem;

	take_cpu(page);
	invalidate_l1();
	if ((read_mpidr() & MPIDR_AFFINITY) != header_word(page, FLASH_BOOT_MPIDR)) {
		enter_virt7(wait_for_virt7(page), 0);
		return;
	}
	problem = header_is_good(page) ? GOOD : BAD_HEADER;
	while (!problem && row) {
		problem = bring_part(page, row);
		if (!problem)
			row = row_after(row);
	}
	if (!problem)
		boot_virt7(page);
	else
		stop_flash(page, problem,
			   problem == NO_RAM ? read_tpidrprw() : header_word(page, row + FLASH_PART_OFFSET));
}
