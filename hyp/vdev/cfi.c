/* SPDX-License-Identifier: BSD-2-Clause */
/* Flash commands (hyp/vdev/cfi.h). */
#include <assert.h>
#include <string.h>

#include <arm/nospec.h>

#include "hyp/lib/bits.h"
#include "hyp/vdev/cfi.h"

#define CMD_ARRAY        0xffU
#define CMD_ARRAY_AMD    0xf0U /* what a probe for the other command set writes */
#define CMD_WORD         0x40U
#define CMD_WORD_OLD     0x10U
#define CMD_ERASE        0x20U
#define CMD_CLEAR_STATUS 0x50U
#define CMD_LOCK         0x60U
#define CMD_READ_STATUS  0x70U
#define CMD_READ_ID      0x90U
#define CMD_QUERY        0x98U
#define CMD_BUFFER       0xe8U
#define CMD_CONFIRM      0xd0U /* also: unlock */
#define CMD_LOCK_SET     0x01U
#define CMD_LOCK_DOWN    0x2fU

#define BAD_SEQUENCE (CFI_ERASE_BAD | CFI_WRITE_BAD)

#define CHIPS        2U
#define CHIP_SHIFT   16U /* of the second one's answer in a word */
#define BANK_WIDTH   4U  /* bytes; a chip's word n is at 4 n */
#define ID_VENDOR    0x89U
#define ID_DEVICE    0x18U
#define CHIP_SECTORS (CFI_BANK_SIZE / CFI_SECTOR)
#define CHIP_SECTOR  (CFI_SECTOR / CHIPS)

#define CFI_BUFFER_LOG 11U
static_assert(CHIPS << CFI_BUFFER_LOG == CFI_BUFFER, "a chip's buffer");

/* What a query answers, by the chip's word; QEMU's figures. */
static const uint8_t query[] = {
	[0x10] = 'Q',
	'R',
	'Y',
	[0x13] = 0x01,
	0x00, /* Intel's extended command set */
	[0x15] = 0x31,
	0x00, /* where its table is */
	[0x1b] = 0x45,
	0x55,
	0x00,
	0x00, /* volts: Vcc 4.5 to 5.5, no Vpp */
	[0x1f] = 0x07,
	0x07,
	0x0a,
	0x00, /* 2^n: us for a word, for a buffer, ms for an erase */
	[0x23] = 0x04,
	0x04,
	0x04,
	0x00,        /* and at most so many times as long */
	[0x27] = 25, /* 2^25 bytes a chip */
	[0x28] = 0x02,
	0x00, /* 8 and 16 bits wide */
	[0x2a] = CFI_BUFFER_LOG,
	0x00,       /* 2^n bytes a chip's buffer */
	[0x2c] = 1, /* all sectors are alike: */
	[0x2d] = (CHIP_SECTORS - 1U) & 0xffU,
	(CHIP_SECTORS - 1U) >> 8,
	[0x2f] = CHIP_SECTOR >> 8 & 0xffU,
	CHIP_SECTOR >> 16,
	[0x31] = 'P',
	'R',
	'I',
	'1',
	'0',
	[0x3f] = 1, /* protection fields */
	[0x51] = 0,
};

static uint32_t word_of_chip(const struct cfi *cfi, uint32_t word)
{
	if (cfi->mode == CFI_STATUS)
		return CFI_READY | cfi->status;
	if (cfi->mode == CFI_QUERY)
		return word < ARRAY_SIZE(query) ? query[index_nospec(word, ARRAY_SIZE(query))] : 0;
	switch (word & 0xffU) {
	case 0:
		return ID_VENDOR;
	case 1:
		return ID_DEVICE;
	default:
		return 0; /* no sector is locked */
	}
}

/* Both chips answer; a narrow read sees the low bits of what they say. */
uint32_t cfi_read(const struct cfi *cfi, uint32_t offset, uint32_t size)
{
	uint32_t value = word_of_chip(cfi, offset / BANK_WIDTH);

	if (size == BANK_WIDTH)
		value |= value << CHIP_SHIFT;
	return value;
}

static void end_command(struct cfi *cfi, enum cfi_mode mode, uint32_t errors)
{
	cfi->step = CFI_COMMAND;
	cfi->mode = mode;
	cfi->status |= errors;
}

static void begin_step(struct cfi *cfi, enum cfi_step step)
{
	cfi->step = step;
	cfi->mode = CFI_STATUS;
}

/* `command` is neither what goes on with the one that was begun, nor the first of another. */
static void refuse_command(struct cfi *cfi, uint32_t command)
{
	end_command(cfi, command == CMD_ARRAY ? CFI_ARRAY : CFI_STATUS, BAD_SEQUENCE);
}

static void write_command(struct cfi *cfi, uint32_t command)
{
	switch (command) {
	case CMD_WORD:
	case CMD_WORD_OLD:
		begin_step(cfi, CFI_WORD);
		break;
	case CMD_ERASE:
		begin_step(cfi, CFI_ERASE);
		break;
	case CMD_LOCK:
		begin_step(cfi, CFI_LOCK);
		break;
	case CMD_BUFFER:
		begin_step(cfi, CFI_COUNT);
		break;
	case CMD_READ_STATUS:
		cfi->mode = CFI_STATUS;
		break;
	case CMD_READ_ID:
		cfi->mode = CFI_ID;
		break;
	case CMD_QUERY:
		cfi->mode = CFI_QUERY;
		break;
	case CMD_CLEAR_STATUS:
		cfi->status = 0;
		cfi->mode = CFI_ARRAY;
		break;
	default: /* also CMD_ARRAY, CMD_ARRAY_AMD */
		cfi->mode = CFI_ARRAY;
		break;
	}
}

/* There is one write more than the count says, of whatever width; a chip's buffer has no room for more than its bytes.
 */
static void write_count(struct cfi *cfi, uint32_t value)
{
	uint32_t count = value & 0xffffU;

	if (count >= BIT(CFI_BUFFER_LOG)) {
		end_command(cfi, CFI_STATUS, BAD_SEQUENCE);
		return;
	}
	memset(cfi->buffer, 0xff, sizeof(cfi->buffer));
	cfi->left = count;
	cfi->begun = cfi->bad = false;
	cfi->step = CFI_DATA;
}

/* Little-endian, as the bank's bytes are. */
static void store_word(uint64_t *buffer, uint32_t at, uint32_t value, uint32_t size)
{
	uint8_t *to = (uint8_t *)buffer + at;

	for (uint32_t i = 0; i < size; i++, value >>= 8)
		to[i] &= (uint8_t)value;
}

static void write_data(struct cfi *cfi, uint32_t offset, uint32_t value, uint32_t size)
{
	if (!cfi->begun)
		cfi->window = offset & ~(CFI_BUFFER - 1U);
	cfi->begun = true;
	if (offset - cfi->window < CFI_BUFFER)
		store_word(cfi->buffer, index_nospec(offset - cfi->window, CFI_BUFFER), value, size);
	else
		cfi->bad = true;
	if (cfi->left-- == 0)
		cfi->step = CFI_CONFIRM;
}

static void write_word(struct cfi *cfi, const struct cfi_memory *memory, void *bank, uint32_t offset, uint32_t value,
		       uint32_t size)
{
	uint64_t data = UINT64_MAX;

	store_word(&data, 0, value, size);
	end_command(cfi, CFI_STATUS, memory->program(bank, offset, &data, size));
}

static void write_confirm(struct cfi *cfi, const struct cfi_memory *memory, void *bank, uint32_t command)
{
	if (command != CMD_CONFIRM || cfi->bad)
		refuse_command(cfi, command);
	else
		end_command(cfi, CFI_STATUS, memory->program(bank, cfi->window, cfi->buffer, CFI_BUFFER));
}

void cfi_write(struct cfi *cfi, const struct cfi_memory *memory, void *bank, uint32_t offset, uint32_t value,
	       uint32_t size)
{
	uint32_t command = value & 0xffU; /* the first chip's; software that knows of two says it to both */

	switch (cfi->step) {
	case CFI_COMMAND:
		write_command(cfi, command);
		break;
	case CFI_WORD:
		write_word(cfi, memory, bank, offset, value, size);
		break;
	case CFI_ERASE:
		if (command == CMD_CONFIRM)
			end_command(cfi, CFI_STATUS, memory->erase(bank, offset & ~(CFI_SECTOR - 1U)));
		else
			refuse_command(cfi, command);
		break;
	case CFI_LOCK: /* no sector can be locked */
		if (command == CMD_CONFIRM || command == CMD_LOCK_SET || command == CMD_LOCK_DOWN)
			end_command(cfi, CFI_STATUS, 0);
		else
			refuse_command(cfi, command);
		break;
	case CFI_COUNT:
		write_count(cfi, value);
		break;
	case CFI_DATA:
		write_data(cfi, offset, value, size);
		break;
	case CFI_CONFIRM:
	default:
		write_confirm(cfi, memory, bank, command);
		break;
	}
}
