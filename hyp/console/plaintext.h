/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest prints, as text that cannot steer a terminal: printable ASCII, tabs and printable UTF-8 pass, line ends
 * become CR LF, every other byte is shown as \xNN. Bytes in, text out; no state beside struct plaintext.
 */
#ifndef HYP_PLAINTEXT_H
#define HYP_PLAINTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAINTEXT_MAX 16U /* bytes of output that one of input can make: four of UTF-8 that are shown as \xNN */

#define PLAINTEXT_DEL 0x7fU

/* Between two bytes of a stream; all zeros at its start. */
struct plaintext {
	uint8_t held[4];     /* the beginning of a UTF-8 sequence, not shown yet */
	uint8_t count, need; /* of held: how many there are, and how many the first one announces */
	bool cr;             /* a carriage return came last: what follows says whether it is half of a CR LF */
	bool cut;            /* that carriage return's line has been ended for it */
};

/*
 * The text that byte `c` makes is put into `out`, its length is returned: often 0, because the next byte decides. A
 * line end is CR LF and always the last two bytes. `in_line`: the line that is being shown is not empty. `*used` says
 * whether `c` is done with: if not, call again with it, after what has been put out, which happens once at most.
 */
size_t plaintext_take(struct plaintext *p, uint8_t c, bool in_line, char out[PLAINTEXT_MAX], bool *used);

/* Is `c`, the next byte, shown as it is, so that the state stays what it is? */
static inline bool plaintext_passes(const struct plaintext *p, uint8_t c)
{
	return p->count == 0 && !p->cr && ((c >= ' ' && c < PLAINTEXT_DEL) || c == '\t');
}

/* The reader has ended the line itself: if a carriage return came last, that was for this. */
void plaintext_cut_line(struct plaintext *p);

#endif
