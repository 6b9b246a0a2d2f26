/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest to talk to, for tests of the console: it prints a prompt, echoes what is typed, and obeys
 *
 *   count N   print N numbered lines          flood   print lines without end
 *   caches N  read the cache ID registers N times
 *   program   erase a sector of flash and program 4 KiB of it, and say how long the last write of each took
 *   it        run Thumb code with a conditional coprocessor access in an IT block
 *   spin      run without end                 off     power off
 *   say HEX   print these bytes
 *   listen    power off when the power key is pressed (PL061, line 3); `deaf` undoes it
 *
 * It answers anything else with "heard: TEXT". Parameters: listen=1 and flood=1 do the same at the start.
 */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/param.h"
#include "tests/guests/lib/pl011.h"

#define TEXT_MAX 80U

#define GPIOIS  (MACHINE_GPIO_BASE + 0x404U)
#define GPIOIEV (MACHINE_GPIO_BASE + 0x40cU)
#define GPIOIE  (MACHINE_GPIO_BASE + 0x410U)
#define GPIOMIS (MACHINE_GPIO_BASE + 0x418U)
#define GPIOIC  (MACHINE_GPIO_BASE + 0x41cU)
#define KEY     BIT(MACHINE_GPIO_POWER_LINE)

static char text[TEXT_MAX];
static bool listening;

/* As Linux does it: an interrupt at each edge of a line that is an input; here the rising one is enough. */
static void listen(bool on)
{
	write32(GPIOIS, 0);
	write32(GPIOIEV, KEY);
	write32(GPIOIC, KEY);
	write32(GPIOIE, on ? KEY : 0);
	listening = on;
}

/* Interrupts stay masked: a pending one ends the WFI (DDI 0406C B1.8.14), and what it was is seen in the devices. */
static char read_char(void)
{
	while (read32(UARTFR) & FR_RXFE) {
		if (listening && (read32(GPIOMIS) & KEY)) {
			printf("power key\n");
			guest_exit();
		}
		__asm__ volatile("dsb\n\twfi" ::: "memory");
	}
	return (char)read32(UARTDR);
}

static void read_line(void)
{
	uint32_t n = 0;
	char c;

	while ((c = read_char()) != '\r' && c != '\n') {
		if (n < TEXT_MAX - 1) {
			text[n++] = c;
			printf("%c", c);
		}
	}
	text[n] = '\0';
	printf("\n");
}

static bool is(const char *word)
{
	uint32_t i = 0;

	while (word[i] && text[i] == word[i])
		i++;
	return !word[i];
}

static uint32_t number(const char *digits)
{
	uint32_t value = 0;

	while (*digits >= '0' && *digits <= '9')
		value = value * 10 + (uint32_t)(*digits++ - '0');
	return value;
}

static uint32_t hex_digit(char c)
{
	return (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void say(const char *hex)
{
	for (; hex[0] && hex[1]; hex += 2)
		printf("%c", (char)(hex_digit(hex[0]) << 4 | hex_digit(hex[1])));
	printf("\n");
}

static void flood(void)
{
	for (uint32_t n = 1;; n++)
		printf("flood %u\n", (unsigned int)n);
}

/* Five accesses a round. */
/*
 * 7. What follows the call begins outside of any IT block, whatever was in one before (DDI 0406C A2.5.2): it would be
 * skipped, as the comparison leaves N set.
 */
uint32_t it_block(void);
__asm__("	.syntax unified\n"
	"	.thumb\n"
	"	.thumb_func\n"
	"it_block:\n"
	"	push	{lr}\n"
	"	movs	r0, #0\n"
	"	bl	1f\n"
	"	cmp	r0, #1\n"
	"	mov.w	r0, #7\n"
	"	nop\n"
	"	nop\n"
	"	nop\n"
	"	pop	{pc}\n"
	"1:	itttt	pl\n"
	"	mrcpl	p15, 0, r3, c13, c0, 3\n"
	"	movpl	r1, #1\n"
	"	movpl	r1, #2\n"
	"	movpl	r1, #3\n"
	"	bx	lr\n"
	"	.arm\n");

static void caches(uint32_t rounds)
{
	uint32_t ctr = 0, clidr = 0, ccsidr = 0, csselr = 0;

	for (uint32_t i = 0; i < rounds; i++) {
		ctr = read_ctr();
		clidr = MRC15(1, c0, c0, 1);
		MCR15(2, c0, c0, 0, 1);
		isb();
		ccsidr = MRC15(1, c0, c0, 0);
		csselr = MRC15(2, c0, c0, 0);
	}
	printf("caches: ctr %08x clidr %08x csselr %u ccsidr %08x\n", (unsigned int)ctr, (unsigned int)clidr,
	       (unsigned int)csselr, (unsigned int)ccsidr);
}

#define BANK  UINT32_C(0x04000000)
#define WORDS 1024U /* of what one buffered program takes */
#define NS    16U   /* of a tick: QEMU's counter */

/* Ticks that a command to both chips takes. */
static uint32_t command_ticks(uint32_t value)
{
	uint32_t began = (uint32_t)read_cntvct();

	write32(BANK, value << 16 | value);
	return (uint32_t)read_cntvct() - began;
}

static void program(void)
{
	uint32_t erased, programmed;

	command_ticks(0x20);
	erased = command_ticks(0xd0);
	command_ticks(0xe8);
	command_ticks(WORDS - 1U);
	for (uint32_t i = 0; i < WORDS; i++)
		write32(BANK + 4U * i, 0);
	programmed = command_ticks(0xd0);
	printf("program: %u ns, erase: %u ns, status %08x\n", (unsigned int)(NS * programmed),
	       (unsigned int)(NS * erased), (unsigned int)read32(BANK));
}

void guest_main(void)
{
	gic_init();
	gic_target_self(MACHINE_SPI_UART);
	gic_enable(MACHINE_SPI_UART);
	gic_target_self(MACHINE_SPI_GPIO);
	gic_enable(MACHINE_SPI_GPIO);
	write32(UARTIMSC, INT_RX | (1U << 6));
	printf("talk: ready\n");
	if (param("listen=", 0))
		listen(true);
	if (param("flood=", 0))
		flood();
	for (;;) {
		printf("> ");
		read_line();
		if (is("count "))
			for (uint32_t n = 1; n <= number(text + 6); n++)
				printf("line %u\n", (unsigned int)n);
		else if (is("program"))
			program();
		else if (is("it"))
			printf("it: %u\n", (unsigned int)it_block());
		else if (is("caches "))
			caches(number(text + 7));
		else if (is("say "))
			say(text + 4);
		else if (is("flood"))
			flood();
		else if (is("listen") || is("deaf"))
			listen(is("listen"));
		else if (is("off"))
			guest_exit();
		else if (is("spin"))
			for (;;)
				;
		else if (text[0])
			printf("heard: %s\n", text);
	}
}
