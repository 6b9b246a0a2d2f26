/* SPDX-License-Identifier: BSD-2-Clause */
/* The reader of tools/symtab's table, which has no pointers and no limit on the size of the text. */
#include <stddef.h>

#include "hyp/debug/symtab.h"

#define PAIR     0x80U /* a byte of a name from here up stands for a pair */
#define NAME_MAX 40U

/* Made by tools/symtab, which says how. */
extern const uint32_t symtab_count;
extern const uint8_t symtab_pairs[], symtab_functions[];

/* Append what one byte of a compressed name stands for. Pairs nest at most as deep as there are pairs. */
static char *expand_byte(uint8_t byte, char *to, const char *end)
{
	if (byte >= PAIR) {
		to = expand_byte(symtab_pairs[2 * (byte - PAIR)], to, end);
		return expand_byte(symtab_pairs[2 * (byte - PAIR) + 1], to, end);
	}
	if (to < end)
		*to++ = (char)byte;
	return to;
}

/* A function's size in bytes, which the table has in halfwords as an unsigned LEB128. */
static uint32_t take_size(const uint8_t **at)
{
	uint32_t size = 0, shift = 0;
	uint8_t byte;

	do {
		byte = *(*at)++;
		size |= (byte & 0x7fU) << shift;
		shift += 7;
	} while (byte & 0x80U);
	return size * 2U;
}

const char *symtab_find(uint32_t place, uint32_t *offset)
{
	static char text[NAME_MAX];
	const uint8_t *at = symtab_functions;
	char *end = text;

	*offset = place;
	if (symtab_count == 0)
		return "?";
	for (uint32_t left = symtab_count;; left--) {
		uint32_t size = take_size(&at);

		if (*offset < size || left == 1)
			break;
		*offset -= size;
		while (*at++)
			;
	}
	while (*at)
		end = expand_byte(*at++, end, text + sizeof(text) - 1);
	*end = '\0';
	return text;
}
