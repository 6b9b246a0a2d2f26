/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest's output as plain text. UTF-8 is decoded as the Unicode Standard's table of well-formed sequences has it (3.9,
 * table 3-7), so that there is one way to write a character, and none to write a control character in two or more
 * bytes.
 */
#include <string.h>

#include "hyp/lib/bits.h"
#include "hyp/console/plaintext.h"

/*
 * Characters that are not shown, or that change where or in which order others are: the C1 controls, and of Unicode's
 * Default_Ignorable_Code_Point and Bidi_Control what text in any language can do without at a console. Combining marks
 * and variation selectors pass: they change the character before them, which is the guest's or the blank of its prefix.
 */
static const struct {
	uint32_t first, last;
} hidden[] = {
	{0x80, 0x9f},       /* C1 */
	{0xad, 0xad},       /* soft hyphen */
	{0x61c, 0x61c},     /* Arabic letter mark */
	{0x115f, 0x1160},   /* Hangul fillers */
	{0x17b4, 0x17b5},   /* Khmer inherent vowels */
	{0x180e, 0x180e},   /* Mongolian vowel separator */
	{0x200b, 0x200f},   /* zero width, left-to-right and right-to-left marks */
	{0x2028, 0x202e},   /* line and paragraph separator, embeddings and overrides */
	{0x2060, 0x206f},   /* invisible operators, isolates, deprecated format characters */
	{0x3164, 0x3164},   /* Hangul filler */
	{0xfdd0, 0xfdef},   /* not characters */
	{0xfeff, 0xfeff},   /* byte order mark */
	{0xffa0, 0xffa0},   /* halfwidth Hangul filler */
	{0xfff0, 0xfffb},   /* unassigned, interlinear annotation */
	{0x1bca0, 0x1bca3}, /* shorthand format controls */
	{0x1d173, 0x1d17a}, /* musical format controls */
	{0xe0000, 0xe0fff}, /* tags */
};

static bool is_shown(uint32_t code)
{
	if ((code & 0xfffeU) == 0xfffeU) /* the last two of each plane are not characters */
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
		if (code >= hidden[i].first && code <= hidden[i].last)
			return false;
	return true;
}

static size_t put_escaped(const uint8_t *bytes, size_t count, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < count; i++) {
		*out++ = '\\';
		*out++ = 'x';
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 0xfU];
	}
	return 4U * count;
}

/* How many bytes the sequence has that begins with this one; 0: none begins so. */
static uint8_t sequence_length(uint8_t lead)
{
	if (lead >= 0xc2 && lead <= 0xdf)
		return 2;
	if (lead >= 0xe0 && lead <= 0xef)
		return 3;
	return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

/* The second byte's range keeps out overlong forms, surrogates and what is above U+10FFFF. */
static bool continues_sequence(const struct plaintext *p, uint8_t c)
{
	uint8_t first = 0x80, last = 0xbf;

	if (p->count == 1 && p->held[0] == 0xe0)
		first = 0xa0;
	else if (p->count == 1 && p->held[0] == 0xed)
		last = 0x9f;
	else if (p->count == 1 && p->held[0] == 0xf0)
		first = 0x90;
	else if (p->count == 1 && p->held[0] == 0xf4)
		last = 0x8f;
	return c >= first && c <= last;
}

static uint32_t decode_utf8(const struct plaintext *p)
{
	uint32_t code = p->held[0] & (0x7fU >> p->need);

	for (uint32_t i = 1; i < p->need; i++)
		code = code << 6 | (p->held[i] & 0x3fU);
	return code;
}

/* A byte while a sequence is held: the next of it, or one that shows that there is none. */
static size_t take_sequence(struct plaintext *p, uint8_t c, char *out, bool *used)
{
	size_t count;

	*used = continues_sequence(p, c);
	if (*used) {
		p->held[p->count++] = c;
		if (p->count < p->need)
			return 0;
	}
	count = p->count;
	p->count = 0;
	if (!*used || !is_shown(decode_utf8(p)))
		return put_escaped(p->held, count, out);
	memcpy(out, p->held, count);
	return count;
}

static size_t put_line_end(char *out)
{
	out[0] = '\r';
	out[1] = '\n';
	return 2;
}

/* The byte behind carriage returns, of which several are as good as one. */
static size_t take_after_cr(struct plaintext *p, uint8_t c, bool in_line, char *out, bool *used)
{
	bool cut = p->cut;

	*used = c == '\r' || c == '\n';
	if (c == '\r')
		return 0;
	p->cr = p->cut = false;
	return cut || (c != '\n' && !in_line) ? 0 : put_line_end(out);
}

size_t plaintext_take(struct plaintext *p, uint8_t c, bool in_line, char out[PLAINTEXT_MAX], bool *used)
{
	*used = true;
	if (plaintext_passes(p, c)) {
		out[0] = (char)c;
		return 1;
	}
	if (p->count)
		return take_sequence(p, c, out, used);
	if (p->cr)
		return take_after_cr(p, c, in_line, out, used);
	if (c == '\n')
		return put_line_end(out);
	if (c == '\r') {
		p->cr = true;
		return 0;
	}
	p->need = sequence_length(c);
	if (!p->need)
		return put_escaped(&c, 1, out);
	p->held[p->count++] = c;
	return 0;
}

void plaintext_cut_line(struct plaintext *p)
{
	p->cut = p->cr;
}
