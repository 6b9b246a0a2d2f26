/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Allwinner's SD host (A20, A23, A31, A33, H3; H3 Datasheet V1.2, 5.3) as a controller of sdcard.h. Data goes by its
 * own DMA, whose descriptors are in memory; both go past the caches. Its module clock is what the firmware has left,
 * 24 to 100 MHz, and only divided here.
 */
#include "hyp/host/sdcard.h"

#include <assert.h>
#include <libfdt.h>

#include <arm/io.h>

#include "hyp/host/hostdev.h"
#include "mm/cache.h"
#include "mm/hypmap.h"
#include "mm/page.h"

#define GCTRL 0x00U
#define CLKCR 0x04U
#define TMOUT 0x08U
#define WIDTH 0x0cU
#define BLKSZ 0x10U
#define BYCNT 0x14U
#define CMD   0x18U
#define ARG   0x1cU
#define RESP0 0x20U
#define IMASK 0x30U
#define RINTR 0x38U
#define FTRGL 0x40U
#define DMAC  0x80U
#define DLBA  0x84U
#define IDST  0x88U
#define IDIE  0x8cU

#define REGS_SIZE 0x200U /* and the FIFO behind, which only the DMA uses */

#define GCTRL_RESETS (BIT(0) | BIT(1) | BIT(2)) /* all of it, its FIFO, its DMA */
#define GCTRL_IRQ    BIT(4)
#define GCTRL_DMA    BIT(5)

#define CLKCR_ON    BIT(16)
#define DIVIDE_SLOW 128U /* by 256: 94 to 390 kHz */
#define DIVIDE_FAST 1U   /* by 2: a card is for 25 MHz until it is told otherwise (SD 4.3.10) */

#define CMD_RESPONSE  BIT(6)
#define CMD_LONG      BIT(7)
#define CMD_CHECK     BIT(8) /* the response's checksum */
#define CMD_DATA      BIT(9)
#define CMD_WRITES    BIT(10)
#define CMD_AUTO_STOP BIT(12)
#define CMD_WAIT      BIT(13) /* for the end of other data */
#define CMD_ABORT     BIT(14)
#define CMD_WAKE      BIT(15) /* 80 clocks before it */
#define CMD_CLOCK     BIT(21) /* no command: CLKCR counts from now on */
#define CMD_LOAD      BIT(31) /* 0: it has been taken */

#define INT_COMMAND BIT(2)
#define INT_DATA    BIT(3)
#define INT_STOPPED BIT(14)
#define INT_SILENT  (BIT(1) | BIT(8)) /* no response, or none that is one */
#define INT_DAMAGED 0xbac0U           /* checksums, timeouts, FIFO, start and end bits */
#define INT_ALL     (INT_COMMAND | INT_DATA | INT_STOPPED | INT_SILENT | INT_DAMAGED)

#define IDST_RECEIVED BIT(1)
#define IDST_ERRORS   (BIT(2) | BIT(4))
#define IDST_ALL      0x3ffU

#define DMAC_RESET BIT(0)
#define DMAC_ON    (BIT(1) | BIT(7)) /* fixed bursts */

#define FIFO_LEVELS 0x20070008U /* bursts of 8 words: DMA at 7 words that are there, or 8 that are free */

#define PIECE KIB(4) /* of data, a descriptor's: each of these controllers can that */

#define DESC_LAST    BIT(2)
#define DESC_FIRST   BIT(3)
#define DESC_CHAINED BIT(4)
#define DESC_OWN     BIT(31)

#define LOOKS 1000U /* for what takes a few clocks of the controller's, or of the card's */

#define CMD_GO_IDLE 0U
#define CMD_STOP    12U

struct sunxi_desc {
	uint32_t flags, size, address, next;
};

struct sunxi {
	struct sdcard card;
	volatile uint8_t *regs;
	uint32_t seen, moved; /* of RINTR and of IDST, since the command began */
	uint32_t wanted;      /* of RINTR, for its end */
	uint8_t *data;        /* that is read; NULL: none */
	uint32_t len;
	struct sunxi_desc desc[DISKDEV_BYTES / PIECE] __attribute__((aligned(128)));
};

static_assert(sizeof(((struct sunxi *)0)->desc) == 128U, "lines of their own");

static struct sunxi *sunxi_of(struct sdcard *card)
{
	return container_of(card, struct sunxi, card);
}

static uint32_t mmc_read(const struct sunxi *s, uint32_t reg)
{
	return io_read32(s->regs + reg);
}

static void mmc_write(struct sunxi *s, uint32_t reg, uint32_t value)
{
	io_write32(s->regs + reg, value);
}

static bool wait_clear(const struct sunxi *s, uint32_t reg, uint32_t bits)
{
	for (uint32_t n = 0; n < LOOKS; n++)
		if (!(mmc_read(s, reg) & bits))
			return true;
	return false;
}

/* Off, set, on: each counts when the controller has taken it. */
static bool set_clock(struct sunxi *s, uint32_t divide)
{
	const uint32_t stages[] = {0, divide | CLKCR_ON};

	for (uint32_t i = 0; i < ARRAY_SIZE(stages); i++) {
		mmc_write(s, CLKCR, stages[i]);
		mmc_write(s, CMD, CMD_LOAD | CMD_CLOCK | CMD_WAIT);
		if (!wait_clear(s, CMD, CMD_LOAD))
			return false;
	}
	return true;
}

static bool sunxi_reset(struct sdcard *card)
{
	struct sunxi *s = sunxi_of(card);

	mmc_write(s, GCTRL, GCTRL_RESETS);
	if (!wait_clear(s, GCTRL, GCTRL_RESETS))
		return false;
	mmc_write(s, IMASK, card->works ? INT_ALL : 0);
	mmc_write(s, RINTR, UINT32_MAX);
	mmc_write(s, IDIE, card->works ? IDST_RECEIVED | IDST_ERRORS : 0);
	mmc_write(s, IDST, IDST_ALL);
	mmc_write(s, TMOUT, UINT32_MAX); /* the longest */
	mmc_write(s, FTRGL, FIFO_LEVELS);
	mmc_write(s, WIDTH, card->wide);
	mmc_write(s, GCTRL, GCTRL_DMA | (card->works ? GCTRL_IRQ : 0));
	return set_clock(s, card->fast ? DIVIDE_FAST : DIVIDE_SLOW);
}

static void describe_data(struct sunxi *s, const struct sd_command *command)
{
	uint32_t address = (uint32_t)page_pa(command->data).v, next = (uint32_t)page_pa(s->desc).v;
	uint32_t count = (command->len + PIECE - 1U) / PIECE;

	for (uint32_t i = 0; i < count; i++) {
		next += (uint32_t)sizeof(s->desc[0]);
		s->desc[i] = (struct sunxi_desc){.flags = DESC_OWN | DESC_CHAINED | (i == 0 ? DESC_FIRST : 0) |
							  (i + 1U == count ? DESC_LAST : 0),
						 .size = MIN(command->len - i * PIECE, PIECE),
						 .address = address + i * PIECE,
						 .next = i + 1U == count ? 0 : next};
	}
	cache_clean(s->desc, sizeof(s->desc));
}

/* Lines of a buffer that is read would be written over what comes, so they go first. */
static void begin_data(struct sunxi *s, const struct sd_command *command)
{
	cache_clean_invalidate(command->data, command->len);
	describe_data(s, command);
	mmc_write(s, DMAC, DMAC_RESET);
	mmc_write(s, DLBA, (uint32_t)page_pa(s->desc).v);
	mmc_write(s, DMAC, DMAC_ON);
	mmc_write(s, BLKSZ, DISKDEV_SECTOR);
}

static uint32_t command_bits(const struct sd_command *command)
{
	static const uint32_t responses[] = {
		[SD_NO_RESPONSE] = 0,
		[SD_R1] = CMD_RESPONSE | CMD_CHECK,
		[SD_R2] = CMD_RESPONSE | CMD_CHECK | CMD_LONG,
		[SD_R3] = CMD_RESPONSE,
	};
	uint32_t bits = responses[command->response] | command->index | CMD_LOAD;

	bits |= command->index == CMD_STOP ? CMD_ABORT : CMD_WAIT;
	bits |= command->index == CMD_GO_IDLE ? CMD_WAKE : 0;
	bits |= command->len > 0 ? CMD_DATA : 0;
	bits |= command->write ? CMD_WRITES : 0;
	return bits | (command->len > DISKDEV_SECTOR ? CMD_AUTO_STOP : 0);
}

static void sunxi_begin(struct sdcard *card, const struct sd_command *command)
{
	struct sunxi *s = sunxi_of(card);

	s->seen = s->moved = 0;
	s->wanted = INT_COMMAND | (command->len > 0 ? INT_DATA : 0) | (command->len > DISKDEV_SECTOR ? INT_STOPPED : 0);
	s->data = command->write || command->len == 0 ? NULL : command->data;
	s->len = command->len;
	mmc_write(s, RINTR, UINT32_MAX);
	mmc_write(s, IDST, IDST_ALL);
	if (command->len > 0)
		begin_data(s, command);
	mmc_write(s, BYCNT, command->len);
	mmc_write(s, ARG, command->argument);
	mmc_write(s, CMD, command_bits(command));
}

static void see_interrupts(struct sunxi *s)
{
	uint32_t raw = mmc_read(s, RINTR), moved = mmc_read(s, IDST);

	mmc_write(s, RINTR, raw);
	mmc_write(s, IDST, moved);
	s->seen |= raw;
	s->moved |= moved;
}

static void sunxi_acknowledge(struct diskdev *dev)
{
	see_interrupts(sunxi_of(sdcard_of(dev)));
}

static enum sd_outcome sunxi_look(struct sdcard *card, uint32_t response[4])
{
	struct sunxi *s = sunxi_of(card);

	see_interrupts(s);
	if (s->seen & INT_SILENT)
		return SD_SILENT;
	if (s->seen & INT_DAMAGED || s->moved & IDST_ERRORS)
		return SD_DAMAGED;
	if ((s->seen & s->wanted) != s->wanted || (s->data && !(s->moved & IDST_RECEIVED)))
		return SD_PENDING;
	if (s->data)
		cache_clean_invalidate(s->data, s->len); /* what has been fetched ahead is old */
	for (uint32_t i = 0; i < 4U; i++)
		response[i] = mmc_read(s, RESP0 + 4U * i);
	return SD_DONE;
}

static const struct sd_controller sunxi_controller = {
	.reset = sunxi_reset,
	.begin = sunxi_begin,
	.look = sunxi_look,
};

static const char *sunxi_find(struct diskdev *dev, const struct host *host, const char *path)
{
	struct sunxi *s = sunxi_of(sdcard_of(dev));
	struct hostdev found;
	const char *wrong = hostdev_find(path, &found);
	const fdt32_t *width;

	if (wrong)
		return wrong;
	if (found.reg_count == 0 || found.reg[0].size < REGS_SIZE)
		return "it has not the registers that it should have";
	if (found.irq_count == 0)
		return "its interrupt does not arrive at the GIC";
	dev->node = found.node;
	dev->irq = found.irq[0].id;
	width = fdt_getprop(host->fdt, dev->node, "bus-width", NULL);
	s->card.controller = &sunxi_controller;
	s->card.can_be_wide = width && fdt32_ld(width) >= 4U;
	s->regs = hyp_map_device(found.reg[0].base, REGS_SIZE);
	return s->regs ? NULL : "no room to map its registers";
}

/* Its DMA knows 32 bits of an address. */
static const char *sunxi_start(struct diskdev *dev, bool *ready)
{
	if (page_pa(dev).v >= BIT64(32) || page_pa(dev->slot[0]).v >= BIT64(32))
		return "virt7's heap is above 4 GiB, where its DMA does not reach";
	return sdcard_start(dev, ready);
}

const struct diskdev_driver diskdev_sunxi = {
	.compatible = "allwinner,sun7i-a20-mmc",
	.size = sizeof(struct sunxi),
	.find = sunxi_find,
	.start = sunxi_start,
	.stop = sdcard_stop,
	.acknowledge = sunxi_acknowledge,
	.begin = sdcard_begin,
	.take = sdcard_take,
	.go_on = sdcard_go_on,
};
