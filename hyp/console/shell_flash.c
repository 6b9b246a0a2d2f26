/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shell's command for flash: what a VM's variables are, as lines that tools/flashvars makes a file of, which a
 * bundle can begin with. Only what differs from the bank's fill byte is printed; numbers are hexadecimal:
 *	flash: VM SIZE FILL         first
 *	flash: OFFSET = BYTES
 *	flash: OFFSET * COUNT BYTE
 *	flash: crc32 SUM            last: of all lines in between, without "flash: ", each with its line feed
 */
#include <string.h>

#define ZLIB_CONST
#include <zlib.h>

#include "hyp/lib/log.h"
#include "hyp/console/shell_cmd.h"
#include "hyp/lib/addr.h"
#include "hyp/lib/bits.h"
#include "hyp/vdev/vflash.h"

#define LINE_BYTES 32U

struct dump {
	struct device *device;
	uint32_t crc;
	uint32_t run_at, run; /* bytes that are `byte`, and have not been printed */
	uint8_t byte, fill;
};

static void dump_put_line(struct dump *d, const char *text)
{
	d->crc = (uint32_t)crc32_z(d->crc, (const uint8_t *)text, strlen(text));
	d->crc = (uint32_t)crc32_z(d->crc, (const uint8_t *)"\n", 1);
	shell_printf("flash: %s\n", text);
}

static void end_run(struct dump *d)
{
	char text[48];

	if (d->run && d->byte != d->fill) {
		log_format(text, sizeof(text), "%07x * %x %02x", (unsigned)d->run_at, (unsigned)d->run, d->byte);
		dump_put_line(d, text);
	}
	d->run = 0;
}

static void put_run(struct dump *d, uint32_t at, uint32_t len, uint8_t byte)
{
	if (d->run && d->byte == byte) {
		d->run += len;
		return;
	}
	end_run(d);
	d->run_at = at;
	d->run = len;
	d->byte = byte;
}

static bool is_run(const uint8_t *bytes, uint32_t len)
{
	return !memcmp(bytes, bytes + 1, len - 1U);
}

static void put_bytes(struct dump *d, uint32_t at, const uint8_t *bytes)
{
	char text[16 + 2 * LINE_BYTES];
	size_t n = log_format(text, sizeof(text), "%07x = ", (unsigned)at);

	end_run(d);
	for (uint32_t i = 0; i < LINE_BYTES; i++)
		n += log_format(text + n, sizeof(text) - n, "%02x", bytes[i]);
	dump_put_line(d, text);
}

static bool put_page(struct dump *d, uint32_t page)
{
	uint8_t bytes[LINE_BYTES];
	int same = vflash_same(d->device, page);

	if (same >= 0) {
		put_run(d, page, PAGE_SIZE, (uint8_t)same);
		return true;
	}
	for (uint32_t at = page; at < page + PAGE_SIZE; at += LINE_BYTES) {
		if (vflash_read(d->device, at, bytes, LINE_BYTES))
			return false;
		if (is_run(bytes, LINE_BYTES))
			put_run(d, at, LINE_BYTES, bytes[0]);
		else
			put_bytes(d, at, bytes);
	}
	return true;
}

void shell_flash_save(uint32_t count, char **args)
{
	const struct vm *vm = shell_find_vm(args[0]);
	struct dump d = {0};

	if (!vm)
		return;
	d.device = vflash_find(vm);
	if (!d.device) {
		shell_printf("VM %s has no flash\n", args[0]);
		return;
	}
	d.fill = vflash_fill(d.device);
	shell_printf("flash: %s %x %02x\n", args[0], (unsigned)CFI_BANK_SIZE, d.fill);
	for (uint32_t page = 0; page < CFI_BANK_SIZE; page += PAGE_SIZE) {
		if (shell_interrupted())
			return;
		if (!put_page(&d, page)) {
			shell_printf("VM %s: the host's memory does not answer\n", args[0]);
			return;
		}
	}
	end_run(&d);
	shell_printf("flash: crc32 %08x\n", (unsigned)d.crc);
}
