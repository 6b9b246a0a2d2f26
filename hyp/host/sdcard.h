/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An SD card as a disk of the host's (diskdev.h): what is said to the card (Physical Layer Simplified
 * Specification 6.00, here "SD"), by whatever controller says it. A command is begun and then looked at, again and
 * again; one at a time. Whatever card and controller answer, or whether, a request ends within some seconds; but where
 * the controller does not end its reset, because then it may still write to memory.
 */
#ifndef HYP_HOST_SDCARD_H
#define HYP_HOST_SDCARD_H

#include "hyp/host/diskdev.h"

/* What a command is answered with (SD 4.9). */
enum sd_response {
	SD_NO_RESPONSE,
	SD_R1, /* and R6, R7: 32 bits with a checksum; the card may be busy behind it */
	SD_R2, /* 128 bits */
	SD_R3, /* 32 bits, no checksum */
};

struct sd_command {
	uint8_t index;
	enum sd_response response;
	uint32_t argument;
	/* with it goes data of whole sectors, whose end CMD12 says by itself if they are several; 0: none */
	uint8_t *data;
	uint32_t len;
	bool write;
};

enum sd_outcome { SD_PENDING, SD_DONE, SD_SILENT, SD_DAMAGED };

struct sdcard;

struct sd_controller {
	/*
	 * As after power-on, with the clock for identification, of 400 kHz or less, or card->fast, with 4 wires where
	 * card->wide, and interrupts where card->works. False: it does not end that, and may write to memory.
	 */
	bool (*reset)(struct sdcard *card);
	void (*begin)(struct sdcard *card, const struct sd_command *command);
	/* What has become of it; of the response's words the first is bits 31 to 0. */
	enum sd_outcome (*look)(struct sdcard *card, uint32_t response[4]);
};

enum sd_phase {
	SD_IDLE,
	SD_DATA,   /* a request's command is under way */
	SD_STOP,   /* CMD12, after something went wrong */
	SD_STATUS, /* CMD13: is the card done? */
	SD_BUSY,   /* it is not, and is asked again */
	SD_LOST,   /* the controller does not end its reset, and does nothing any more */
};

struct sd_request {
	enum diskdev_type type;
	uint64_t sector;
	uint32_t len;
};

/* What each controller's own begins with. */
struct sdcard {
	struct diskdev dev;
	/* of find() */
	const struct sd_controller *controller;
	bool can_be_wide; /* there are 4 wires */
	/* for reset() */
	bool fast, wide, works;
	/* of the card */
	bool by_blocks;   /* addresses are of sectors, else of bytes */
	uint32_t address; /* RCA, in bits 31 to 16 */
	/* getting to know it */
	uint32_t step;
	bool asked;        /* the step's command is under way */
	uint64_t power_up; /* CNTPCT: by when that ends */
	/* at work */
	enum sd_phase phase;
	uint64_t until; /* CNTPCT: by when that is to have ended */
	uint32_t slot;
	const char *wrong; /* with its request; NULL: nothing so far */
	struct sd_request request[DISKDEV_SLOTS];
	uint8_t order[DISKDEV_SLOTS]; /* slots that wait, from first on */
	uint32_t first, waiting;
};

static inline struct sdcard *sdcard_of(struct diskdev *dev)
{
	return container_of(dev, struct sdcard, dev);
}

/* A controller's driver fills these in; all else of diskdev.h is its own. */
const char *sdcard_start(struct diskdev *dev, bool *ready);
bool sdcard_stop(struct diskdev *dev);
void sdcard_begin(struct diskdev *dev, uint32_t slot, enum diskdev_type type, uint64_t sector, uint32_t len);
bool sdcard_take(struct diskdev *dev, uint32_t *slot, const char **wrong);
bool sdcard_go_on(struct diskdev *dev);

#endif
