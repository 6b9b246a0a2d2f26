/* SPDX-License-Identifier: BSD-2-Clause */
/* hyp/vm/guestmem.h over an array. RAM starts as 0xa5, so that what a loader leaves unwritten shows. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_guestmem.h"
#include "hyp/vm/machine.h"

struct vm {
	uint8_t *ram;
	size_t size;
	unsigned int loads, fail_after;
};

struct vm *fake_guestmem_new(size_t ram_size)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	assert_non_null(vm);
	vm->ram = malloc(ram_size);
	assert_non_null(vm->ram);
	memset(vm->ram, 0xa5, ram_size);
	vm->size = ram_size;
	return vm;
}

void fake_guestmem_free(struct vm *vm)
{
	free(vm->ram);
	free(vm);
}

static uint8_t *find(struct vm *vm, uint64_t at, size_t len)
{
	if (at < MACHINE_RAM_BASE || at - MACHINE_RAM_BASE > vm->size || len > vm->size - (at - MACHINE_RAM_BASE))
		return NULL;
	return vm->ram + (at - MACHINE_RAM_BASE);
}

uint8_t *fake_guestmem_at(struct vm *vm, uint64_t at, size_t len)
{
	uint8_t *p = find(vm, at, len);

	assert_non_null(p);
	return p;
}

int guest_read(struct vm *vm, ipa_t from, void *to, size_t len)
{
	const uint8_t *p = find(vm, from.v, len);

	if (!p)
		return -EFAULT;
	memcpy(to, p, len);
	return 0;
}

uint32_t vm_find_holes(const struct vm *vm, uint64_t *hole, uint32_t most);
uint32_t vm_find_holes(const struct vm *vm, uint64_t *hole, uint32_t most)
{
	(void)vm, (void)hole, (void)most;
	return 0;
}

int guest_load(struct vm *vm, ipa_t to, const void *from, size_t len)
{
	uint8_t *p = find(vm, to.v, len);

	vm->loads++;
	if (!p || (vm->fail_after && vm->loads > vm->fail_after))
		return -EFAULT;
	memcpy(p, from, len);
	return 0;
}

unsigned int fake_guestmem_loads(const struct vm *vm)
{
	return vm->loads;
}

void fake_guestmem_fail_after(struct vm *vm, unsigned int loads)
{
	vm->fail_after = loads;
}
