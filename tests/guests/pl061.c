/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The GPIO (PL061 TRM, DDI 0190). The power key is not pressed here: inputs read as 0, and levels and outputs are what
 * moves interrupts.
 */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"

#define GPIO(offset) (MACHINE_GPIO_BASE + (offset))
#define DATA(mask)   GPIO((mask) << 2)
#define DIR          GPIO(0x400)
#define IS           GPIO(0x404)
#define IBE          GPIO(0x408)
#define IEV          GPIO(0x40c)
#define IE           GPIO(0x410)
#define RIS          GPIO(0x414)
#define MIS          GPIO(0x418)
#define IC           GPIO(0x41c)
#define AFSEL        GPIO(0x420)
#define ID           GPIO(0xfe0)

#define KEY BIT(MACHINE_GPIO_POWER_LINE)

static const struct {
	const char *name;
	uint32_t addr;
} regs[] = {{"GPIODIR", DIR}, {"GPIOIS", IS}, {"GPIOIBE", IBE}, {"GPIOIEV", IEV}, {"GPIOIE", IE}, {"GPIOAFSEL", AFSEL}};

static void test_reset(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(regs); i++)
		report_eq(read32(regs[i].addr), 0, regs[i].name);
	report_eq(read32(DATA(0xff)), 0, "GPIODATA");
	report_eq(read32(MIS), 0, "GPIOMIS");
}

static void test_id(void)
{
	static const uint8_t want[8] = {0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

	for (uint32_t i = 0; i < 8; i++)
		report_eq(read32(ID + 4 * i) & (i == 2 ? 0x0fU : 0xffU), want[i], "identification");
}

static void test_registers(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(regs); i++) {
		uint32_t word, byte;

		write32(regs[i].addr, 0x5a);
		word = read32(regs[i].addr);
		byte = read8(regs[i].addr);
		write32(regs[i].addr, 0);
		report(word == 0x5a && byte == 0x5a && read32(regs[i].addr) == 0, "%s reads back", regs[i].name);
	}
}

/* 3.3.1: the address is a mask; only outputs read back. */
static void test_data(void)
{
	write32(DIR, 0xf0);
	write32(DATA(0xff), 0xff);
	report_eq(read32(DATA(0xf0)), 0xf0, "outputs read back");
	write32(DATA(0x30), 0);
	report_eq(read32(DATA(0xf0)), 0xc0, "a masked write");
	report_eq(read32(DATA(0x50)), 0x40, "a masked read");
	report_eq(read32(DATA(KEY)), 0, "the key is not pressed");
	write32(DATA(0xff), 0);
	write32(DIR, 0);
}

/* SPI 7 is a level, and an unpressed key is a low one. */
static void test_level_interrupt(void)
{
	bool idle, raised, lowered;

	gic_init();
	gic_target_self(MACHINE_SPI_GPIO);
	gic_edge(MACHINE_SPI_GPIO, false);
	gic_enable(MACHINE_SPI_GPIO);
	gic_settle();
	idle = gic_is_pending(MACHINE_SPI_GPIO);
	write32(IS, KEY);
	report(read32(RIS) & KEY, "a low level shows in GPIORIS");
	report_eq(read32(MIS), 0, "and not in GPIOMIS while masked");
	write32(IE, KEY);
	gic_settle();
	raised = gic_is_pending(MACHINE_SPI_GPIO);
	report_eq(read32(MIS), KEY, "GPIOMIS");
	write32(IE, 0);
	gic_settle();
	lowered = !gic_is_pending(MACHINE_SPI_GPIO);
	write32(IS, 0);
	write32(IC, 0xff);
	report(!idle && raised && lowered, "the line follows GPIOMIS");
}

void guest_main(void)
{
	test_reset();
	test_id();
	test_registers();
	test_data();
	test_level_interrupt();
}
