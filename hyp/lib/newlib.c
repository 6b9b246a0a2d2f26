/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What newlib wants of a system, as far as virt7 links it: nothing is allocated and no file is written. vsniprintf() is
 * its only customer, and that one takes no memory for the formats virt7 uses.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/reent.h>

void *_sbrk(ptrdiff_t increment);
void *_malloc_r(struct _reent *reent, size_t size);
void *_calloc_r(struct _reent *reent, size_t count, size_t size);
void *_realloc_r(struct _reent *reent, void *old, size_t size);
void _free_r(struct _reent *reent, void *memory);

void *_sbrk(ptrdiff_t increment)
{
	errno = ENOMEM;
	return (void *)-1;
}

void *_malloc_r(struct _reent *reent, size_t size)
{
	return NULL;
}

void *_calloc_r(struct _reent *reent, size_t count, size_t size)
{
	return NULL;
}

void *_realloc_r(struct _reent *reent, void *old, size_t size)
{
	return NULL;
}

void _free_r(struct _reent *reent, void *memory)
{
}
