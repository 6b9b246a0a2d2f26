/* SPDX-License-Identifier: BSD-2-Clause */
/* Properties read as their rows say (hyp/load/property.h). */
#include <stddef.h>
#include <string.h>

#include <libfdt.h>

#include "hyp/lib/bits.h"
#include "hyp/load/property.h"
#include "hyp/run/sched.h"

/* The field has the value's low bytes: host and target are both little-endian. */
static void store_field(const struct property *p, void *object, const void *value)
{
	memcpy((uint8_t *)object + p->offset, value, p->size);
}

static const char *check_value_range(const struct property *p, uint64_t value)
{
	if (value < p->low)
		return p->too_low ? p->too_low : p->wrong;
	if (value > p->high)
		return p->too_high ? p->too_high : p->wrong;
	if (p->step && value % p->step)
		return p->uneven ? p->uneven : p->wrong;
	return NULL;
}

static const char *read_number(const struct property *p, const struct bundle *b, int node, void *object)
{
	uint64_t value;
	const char *wrong = bundle_get_number(b, node, p->name, &value) ? p->wrong : check_value_range(p, value);

	if (wrong)
		return wrong;
	value *= p->unit ? p->unit : 1U;
	store_field(p, object, &value);
	return NULL;
}

/* `autostart;` is how a device tree says yes, but no has to be said too. */
static const char *read_flag(const struct property *p, const struct bundle *b, int node, void *object)
{
	uint64_t value = 1;
	int len = 0;
	bool flag;

	if (fdt_getprop(b->fdt, node, p->name, &len) && !len)
		value = 1;
	else if (bundle_get_number(b, node, p->name, &value) || value > 1)
		return p->wrong;
	flag = value != 0;
	store_field(p, object, &flag);
	return NULL;
}

static const char *read_string(const struct property *p, const struct bundle *b, int node, void *object)
{
	const char *text, *wrong;

	if (bundle_get_string(b, node, p->name, &text))
		return p->wrong;
	wrong = check_value_range(p, strlen(text));
	if (!wrong)
		store_field(p, object, &text);
	return wrong;
}

static const char *read_strings(const struct property *p, const struct bundle *b, int node, void *object)
{
	int len;
	struct property_strings list = {.first = fdt_getprop(b->fdt, node, p->name, &len)};

	if (len < 2 || list.first[len - 1] != '\0' || list.first[0] == '\0')
		return p->wrong;
	for (int i = 1; i < len; i++)
		if (list.first[i - 1] == '\0' && list.first[i] == '\0')
			return p->wrong;
	list.size = (uint32_t)len;
	store_field(p, object, &list);
	return NULL;
}

static const char *read_image_name(const struct property *p, const struct bundle *b, int node, void *object)
{
	const char *text;

	if (bundle_get_string(b, node, p->name, &text) || !*text)
		return p->wrong;
	store_field(p, object, &text);
	return NULL;
}

static const char *read_choice(const struct property *p, const struct bundle *b, int node, void *object)
{
	const char *text, *choice = p->choices;
	uint32_t number = 0;

	if (bundle_get_string(b, node, p->name, &text))
		return p->wrong;
	for (size_t len;; choice += len + 1U, number++) {
		len = strcspn(choice, "|");
		if (strlen(text) == len && !memcmp(text, choice, len))
			break;
		if (!choice[len])
			return p->wrong;
	}
	store_field(p, object, &number);
	return NULL;
}

static const char *read_value(const struct property *p, const struct bundle *b, int node, void *object)
{
	switch (p->kind) {
	case PROPERTY_COMPATIBLE:
		return fdt_node_check_compatible(b->fdt, node, p->choices) ? p->wrong : NULL;
	case PROPERTY_NUMBER:
		return read_number(p, b, node, object);
	case PROPERTY_FLAG:
		return read_flag(p, b, node, object);
	case PROPERTY_STRING:
		return read_string(p, b, node, object);
	case PROPERTY_STRINGS:
		return read_strings(p, b, node, object);
	case PROPERTY_IMAGE:
		return read_image_name(p, b, node, object);
	case PROPERTY_CHOICE:
		return read_choice(p, b, node, object);
	case PROPERTY_OWN:
	default:
		return p->parse(object, b, node, p->name);
	}
}

/* Which rows the node has, a bit each: one walk, where to ask for each row by its name is one for each. */
static uint64_t find_present(const struct property *table, const struct bundle *b, int node)
{
	uint64_t present = 0;
	int item;

	fdt_for_each_property_offset(item, b->fdt, node) {
		const struct property *p = NULL;
		const char *name;

		sched_preempt();
		if (fdt_getprop_by_offset(b->fdt, item, &name, NULL))
			p = property_find(table, name);
		if (p)
			present |= BIT64(p - table);
	}
	return present;
}

const struct property *property_read_all(const struct property *table, const struct bundle *b, int node, void *object,
					 const char **wrong)
{
	uint64_t present = table ? find_present(table, b, node) : 0;

	for (const struct property *p = table; p && p->name; p++) {
		if (present & BIT64(p - table))
			sched_preempt();
		*wrong = present & BIT64(p - table) ? read_value(p, b, node, object) : p->missing;
		if (*wrong)
			return p;
	}
	return NULL;
}

const struct property *property_find(const struct property *table, const char *name)
{
	for (const struct property *p = table; p && p->name; p++)
		if (!strcmp(p->name, name))
			return p;
	return NULL;
}
