/* SPDX-License-Identifier: BSD-2-Clause */
/* See sdcard.h. Sections are of the SD specification. */
#include "hyp/host/sdcard.h"

#include <arm/barrier.h>
#include <arm/sysreg.h>

#define CMD_GO_IDLE       0U
#define CMD_ALL_CID       2U
#define CMD_ADDRESS       3U
#define CMD_SELECT        7U
#define CMD_CONDITION     8U
#define CMD_CSD           9U
#define CMD_STOP          12U
#define CMD_STATUS        13U
#define CMD_BLOCK_LENGTH  16U
#define CMD_READ          17U
#define CMD_READ_SEVERAL  18U
#define CMD_WRITE         24U
#define CMD_WRITE_SEVERAL 25U
#define CMD_APPLICATION   55U
#define ACMD_WIDTH        6U
#define ACMD_OPERATE      41U

#define CONDITION 0x1aaU      /* 2.7 to 3.6 V, and a pattern that comes back (4.3.13) */
#define VOLTAGES  0x00ff8000U /* 2.7 to 3.6 V */
#define OCR_READY BIT(31)
#define OCR_HIGH  BIT(30) /* capacity: addressed by blocks */
#define WIDTH_4   2U

/* Of R1 (4.10.1) */
#define STATUS_ERRORS  0xfdf90000U
#define STATUS_STATE   (BIT(9) | BIT(10) | BIT(11) | BIT(12))
#define STATE_TRANSFER (4U << 9)
#define STATUS_READY   BIT(8)

#define ANSWER_MS   250U  /* each command's */
#define POWER_UP_MS 1000U /* 4.2.3 */
#define REQUEST_MS  2000U /* a write takes 500 at most (4.6.2.2) */

#define DAMAGED  "what went between card and controller was damaged"
#define NO_RESET "the controller does not end its reset, or has no clock"
#define NO_END   "the controller does not end a command"
#define NO_SD    "the card does not speak as an SD card does"

static uint64_t sd_now(void)
{
	isb();
	return read_cntpct();
}

static uint64_t ms_from_now(const struct sdcard *card, uint32_t ms)
{
	return sd_now() + (uint64_t)card->dev.hz * ms / 1000U;
}

static void send_command(struct sdcard *card, const struct sd_command *command, uint32_t ms)
{
	card->until = ms_from_now(card, ms);
	card->controller->begin(card, command);
}

/* --- getting to know the card (4.2) */

enum sd_step {
	STEP_RESET,
	STEP_IDLE,
	STEP_CONDITION,
	STEP_OPERATE_PREFIX,
	STEP_OPERATE,
	STEP_CID,
	STEP_ADDRESS,
	STEP_CSD,
	STEP_SELECT,
	STEP_WIDTH_PREFIX,
	STEP_WIDTH,
	STEP_BLOCK_LENGTH,
	STEP_READY,
};

/* It may be addressed by blocks: one that knows nothing of this command is not. */
static const char *hear_condition(struct sdcard *card, const uint32_t *response)
{
	card->by_blocks = true;
	return FIELD(response[0], 0, 12) == CONDITION ? NULL : "the card does not work at 3.3 V";
}

/* As long as it is not ready, it is asked again. */
static const char *hear_operate(struct sdcard *card, const uint32_t *response)
{
	if (response[0] & OCR_READY) {
		card->by_blocks = card->by_blocks && response[0] & OCR_HIGH;
		return NULL;
	}
	if (!card->power_up)
		card->power_up = ms_from_now(card, POWER_UP_MS);
	card->step = STEP_OPERATE_PREFIX - 1U;
	return sd_now() < card->power_up ? NULL : "the card does not end its power-up";
}

static const char *hear_address(struct sdcard *card, const uint32_t *response)
{
	card->address = response[0] & 0xffff0000U;
	return card->address ? NULL : NO_SD;
}

/* Bits `high` to `low`, 32 at most, of the 128. */
static uint32_t csd_field(const uint32_t *csd, uint32_t high, uint32_t low)
{
	uint64_t two = csd[low / 32U] | (uint64_t)(low / 32U < 3U ? csd[low / 32U + 1U] : 0) << 32;

	return (uint32_t)(two >> (low % 32U)) & (uint32_t)(BIT64(high - low + 1U) - 1U);
}

/* 5.3.2, 5.3.3 */
static const char *hear_csd(struct sdcard *card, const uint32_t *csd)
{
	uint32_t version = csd_field(csd, 127, 126), length = csd_field(csd, 83, 80);

	if (version > 1U || (version == 1U) != card->by_blocks || length < 9U || length > 11U)
		return NO_SD;
	if (version == 1U)
		card->dev.sectors = (csd_field(csd, 69, 48) + 1ULL) * KIB(1);
	else
		card->dev.sectors = (uint64_t)(csd_field(csd, 73, 62) + 1U)
				    << (csd_field(csd, 49, 47) + 2U + length - 9U);
	card->dev.read_only = csd_field(csd, 13, 12) != 0; /* 5.3.2, PERM_ and TMP_WRITE_PROTECT */
	return NULL;
}

static const char *hear_select(struct sdcard *card, const uint32_t *response)
{
	if (!card->can_be_wide)
		card->step = STEP_BLOCK_LENGTH - 1U;
	return NULL;
}

static const char *hear_status(struct sdcard *card, const uint32_t *response)
{
	return response[0] & STATUS_ERRORS ? NO_SD : NULL;
}

static const struct sd_exchange {
	uint8_t index;
	enum sd_response response;
	uint32_t argument;
	bool addressed;
	const char *(*hear)(struct sdcard *card, const uint32_t *response); /* NULL: an answer is enough */
} exchanges[STEP_READY] = {
	[STEP_IDLE] = {CMD_GO_IDLE, SD_NO_RESPONSE, 0, false, NULL},
	[STEP_CONDITION] = {CMD_CONDITION, SD_R1, CONDITION, false, hear_condition},
	[STEP_OPERATE_PREFIX] = {CMD_APPLICATION, SD_R1, 0, false, NULL},
	[STEP_OPERATE] = {ACMD_OPERATE, SD_R3, VOLTAGES, false, hear_operate},
	[STEP_CID] = {CMD_ALL_CID, SD_R2, 0, false, NULL},
	[STEP_ADDRESS] = {CMD_ADDRESS, SD_R1, 0, false, hear_address},
	[STEP_CSD] = {CMD_CSD, SD_R2, 0, true, hear_csd},
	[STEP_SELECT] = {CMD_SELECT, SD_R1, 0, true, hear_select},
	[STEP_WIDTH_PREFIX] = {CMD_APPLICATION, SD_R1, 0, true, NULL},
	[STEP_WIDTH] = {ACMD_WIDTH, SD_R1, WIDTH_4, false, hear_status},
	[STEP_BLOCK_LENGTH] = {CMD_BLOCK_LENGTH, SD_R1, DISKDEV_SECTOR, false, hear_status},
};

static void ask_card(struct sdcard *card)
{
	const struct sd_exchange *e = &exchanges[card->step];
	struct sd_command command = {.index = e->index, .response = e->response, .argument = e->argument};

	if (e->addressed)
		command.argument = card->address;
	if (card->step == STEP_OPERATE && card->by_blocks)
		command.argument |= OCR_HIGH;
	send_command(card, &command, ANSWER_MS);
	card->asked = true;
}

/* Cards of version 1 do not know CMD8. */
static const char *hear_silence(struct sdcard *card)
{
	if (card->step == STEP_CONDITION)
		return card->controller->reset(card) ? NULL : NO_RESET;
	return card->step == STEP_OPERATE_PREFIX && !card->power_up ? "no SD card answers" : NO_SD;
}

static const char *hear_card(struct sdcard *card, enum sd_outcome outcome, const uint32_t *response)
{
	const struct sd_exchange *e = &exchanges[card->step];

	switch (outcome) {
	case SD_SILENT:
		return hear_silence(card);
	case SD_DAMAGED:
		return DAMAGED;
	case SD_PENDING:
		return NO_END;
	default:
		return e->hear ? e->hear(card, response) : NULL;
	}
}

static const char *reset_card(struct sdcard *card, bool works)
{
	card->fast = card->works = works;
	card->wide = works && card->can_be_wide;
	card->step++;
	return card->controller->reset(card) ? NULL : NO_RESET;
}

const char *sdcard_start(struct diskdev *dev, bool *ready)
{
	struct sdcard *card = sdcard_of(dev);
	uint32_t response[4] = {0};
	enum sd_outcome outcome;
	const char *wrong;

	if (card->step == STEP_RESET)
		return reset_card(card, false);
	if (!card->asked) {
		ask_card(card);
		return NULL;
	}
	outcome = card->controller->look(card, response);
	if (outcome == SD_PENDING && sd_now() < card->until)
		return NULL;
	card->asked = false;
	wrong = hear_card(card, outcome, response);
	if (wrong)
		return wrong;
	if (card->step == STEP_BLOCK_LENGTH) {
		*ready = true;
		return reset_card(card, true);
	}
	card->step++;
	return NULL;
}

bool sdcard_stop(struct diskdev *dev)
{
	struct sdcard *card = sdcard_of(dev);

	card->works = false;
	return card->controller->reset(card);
}

/* --- at work */

void sdcard_begin(struct diskdev *dev, uint32_t slot, enum diskdev_type type, uint64_t sector, uint32_t len)
{
	struct sdcard *card = sdcard_of(dev);

	card->request[slot] = (struct sd_request){.type = type, .sector = sector, .len = len};
	card->order[(card->first + card->waiting++) % DISKDEV_SLOTS] = (uint8_t)slot;
}

static void begin_next(struct sdcard *card)
{
	uint32_t slot = card->order[card->first];
	const struct sd_request *r = &card->request[slot];
	bool several = r->len > DISKDEV_SECTOR, write = r->type == DISKDEV_WRITE;
	struct sd_command command = {.response = SD_R1, .data = card->dev.slot[slot], .len = r->len, .write = write};

	card->first = (card->first + 1U) % DISKDEV_SLOTS;
	card->waiting--;
	card->slot = slot;
	card->wrong = NULL;
	card->phase = SD_DATA;
	command.argument = (uint32_t)(card->by_blocks ? r->sector : r->sector * DISKDEV_SECTOR);
	if (write)
		command.index = several ? CMD_WRITE_SEVERAL : CMD_WRITE;
	else
		command.index = several ? CMD_READ_SEVERAL : CMD_READ;
	send_command(card, &command, REQUEST_MS);
}

/* How far it is; the time that the card has for that goes on. */
static void ask_status(struct sdcard *card)
{
	const struct sd_command command = {.index = CMD_STATUS, .response = SD_R1, .argument = card->address};

	card->phase = SD_STATUS;
	card->controller->begin(card, &command);
}

/* Nothing of the request is under way any more: the card, too, is to forget it. */
static void give_up(struct sdcard *card, const char *wrong)
{
	const struct sd_command command = {.index = CMD_STOP, .response = SD_R1};

	card->wrong = wrong;
	if (!card->controller->reset(card)) {
		card->phase = SD_LOST;
		return;
	}
	card->phase = SD_STOP;
	send_command(card, &command, REQUEST_MS);
}

static const char *judge_outcome(enum sd_outcome outcome, const uint32_t *response)
{
	switch (outcome) {
	case SD_PENDING:
		return NO_END;
	case SD_SILENT:
		return "the card does not answer";
	case SD_DAMAGED:
		return DAMAGED;
	default:
		return response[0] & STATUS_ERRORS ? "the card says that it failed" : NULL;
	}
}

/* Whether the request has ended with this phase; if not, the next one has begun. */
static bool data_ended(struct sdcard *card, enum sd_outcome outcome, const uint32_t *response)
{
	const char *wrong = judge_outcome(outcome, response);

	if (wrong)
		give_up(card, wrong);
	else if (card->request[card->slot].type == DISKDEV_WRITE)
		ask_status(card);
	else
		return true;
	return false;
}

/* What it says of errors after one was seen, is of that one. */
static bool status_ended(struct sdcard *card, enum sd_outcome outcome, const uint32_t *response)
{
	if (!card->wrong)
		card->wrong = judge_outcome(outcome, response);
	if (outcome != SD_DONE || (response[0] & (STATUS_STATE | STATUS_READY)) == (STATE_TRANSFER | STATUS_READY))
		return true;
	if (sd_now() < card->until) {
		card->phase = SD_BUSY;
		return false;
	}
	if (!card->wrong)
		card->wrong = "the card stays busy";
	return true;
}

static bool phase_ended(struct sdcard *card, enum sd_outcome outcome, const uint32_t *response)
{
	switch (card->phase) {
	case SD_DATA:
		return data_ended(card, outcome, response);
	case SD_STATUS:
		return status_ended(card, outcome, response);
	default: /* CMD12, which a card that has nothing to stop does not answer */
		ask_status(card);
		return false;
	}
}

bool sdcard_take(struct diskdev *dev, uint32_t *slot, const char **wrong)
{
	struct sdcard *card = sdcard_of(dev);
	uint32_t response[4] = {0};
	enum sd_outcome outcome;

	if (card->phase == SD_BUSY)
		ask_status(card);
	if (card->phase == SD_IDLE || card->phase == SD_LOST)
		return false;
	outcome = card->controller->look(card, response);
	if (outcome == SD_PENDING && sd_now() < card->until)
		return false;
	if (!phase_ended(card, outcome, response))
		return false;
	card->phase = SD_IDLE;
	*slot = card->slot;
	*wrong = card->wrong;
	return true;
}

bool sdcard_go_on(struct diskdev *dev)
{
	struct sdcard *card = sdcard_of(dev);

	if (card->phase == SD_IDLE && card->waiting > 0)
		begin_next(card);
	return card->phase == SD_BUSY;
}
