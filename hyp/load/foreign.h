/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that are given as what they are not, known by their first bytes. */
#ifndef HYP_LOAD_FOREIGN_H
#define HYP_LOAD_FOREIGN_H

#include <stddef.h>
#include <stdint.h>

#define FOREIGN_HEAD 0x208U /* bytes that tell all of them */

struct foreign {
	const char *what;   /* "a cpio archive" */
	const char *advice; /* where it is named as kernel; NULL: it is one */
};

/* `head` is the file's beginning, `len` bytes of it. NULL: nothing that is known. */
const struct foreign *foreign_find(const uint8_t *head, size_t len);

/* foreign_find() for something that is no kernel: kernels are known, too. */
const struct foreign *foreign_name(const uint8_t *head, size_t len);

#endif
