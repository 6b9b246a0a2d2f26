/* SPDX-License-Identifier: BSD-2-Clause */
/* Doubly linked circular list with a head; the node lives in its owner. */
#ifndef HYP_LIB_LIST_H
#define HYP_LIB_LIST_H

#include <stdbool.h>

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *list)
{
	list->next = list->prev = list;
}

static inline bool list_empty(const struct list *list)
{
	return list->next == list;
}

static inline void list_append(struct list *list, struct list *node)
{
	node->prev = list->prev;
	node->next = list;
	list->prev->next = node;
	list->prev = node;
}

/* Of a list that is not empty. Its links are what they were. */
static inline struct list *list_take_first(struct list *list)
{
	struct list *node = list->next, *second = node->next;

	list->next = second;
	second->prev = list;
	return node;
}

static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

#endif
