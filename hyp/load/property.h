/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Properties of a node in the bundle, described by rows: what each may be, where its value goes, and the words for one
 * that is something else. hyp/load/vm.def has those of a VM; a class of devices may have such a file too.
 * tools/mkbundle reads the same files, so that it refuses what virt7 would refuse, in the same words: a row is
 * PROPERTY("name", kind, field of the C structure, .member = value, ...), and values are literals. NODE("compatible",
 * ...) before them says whose they are.
 */
#ifndef HYP_LOAD_PROPERTY_H
#define HYP_LOAD_PROPERTY_H

#include <stdint.h>

#include "hyp/load/bundle.h"

struct device;

enum property_kind {
	PROPERTY_OWN,        /* the row's parse(), and in mkbundle whatever is given */
	PROPERTY_COMPATIBLE, /* a list of strings with `choices` in it; no field */
	PROPERTY_NUMBER,     /* one or two cells; the field gets the number times `unit`, if that is not 0 */
	PROPERTY_FLAG,       /* empty, <0> or <1>; a bool */
	PROPERTY_STRING,     /* one string, from `low` to `high` characters */
	PROPERTY_STRINGS,    /* a list of them, none empty; a struct property_strings */
	PROPERTY_IMAGE,  /* the name of a node under /images. Only the name: the image's hash takes long, and last */
	PROPERTY_CHOICE, /* one of the strings in `choices`, "a|b|c"; the field gets its number, from 0 */
};

/* One behind the other, `size` bytes with their terminating zeroes; NULL: none. */
struct property_strings {
	const char *first;
	uint32_t size;
};

#define PROPERTY_ROWS_MAX 64U

struct property {
	const char *name;
	/* PROPERTY_OWN: NULL, or what is wrong and what to do. Called only where the property is present. */
	const char *(*parse)(struct device *device, const struct bundle *b, int node, const char *name);
	const char *missing; /* what is wrong where it is absent, and what to do; NULL: optional */
	enum property_kind kind;
	uint16_t offset, size;    /* of the field */
	uint64_t low, high, step; /* the least and the most, and what divides it; step 0: anything does */
	uint32_t unit;            /* of a number, where it is a size in units of so many bytes; 0: it is not */
	const char *choices;
	const char *wrong; /* what is wrong and what to do; the next three: NULL, or words of their own */
	const char *too_low, *too_high, *uneven;
};

#define PROPERTY_FIELD(object, field) .offset = offsetof(object, field), .size = sizeof(((object *)0)->field)

/*
 * Read the node's properties, row by row, each that is there into its field of `object` (for PROPERTY_OWN a struct
 * device). NULL, or the first row with something wrong, of the value or of its absence, and *wrong says what. `table`
 * has PROPERTY_ROWS_MAX rows at most.
 */
const struct property *property_read_all(const struct property *table, const struct bundle *b, int node, void *object,
					 const char **wrong);

/* Of `table`, which ends with a row without a name, or is NULL. NULL: none. */
const struct property *property_find(const struct property *table, const char *name);

#endif
