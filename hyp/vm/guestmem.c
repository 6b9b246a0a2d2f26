/* Guest memory through this CPU's window, one 2 MiB block at a time. */
#include <errno.h>

#include <arm/copy.h>

#include "hyp/vm/guestmem.h"
#include "hyp/lib/bits.h"
#include "hyp/run/sched.h"
#include "hyp/vm/vm.h"
#include "mm/cache.h"
#include "mm/hypmap.h"

#define LOAD_STEP KIB(64) /* between looks at who else wants the CPU: images are large */

static int check(const struct vm *vm, uint64_t at, size_t len)
{
	uint64_t base = MACHINE_RAM_BASE, size = vm->config.ram_size;

	return at >= base && at - base <= size && len <= size - (at - base) ? 0 : -EFAULT;
}

static int copy(struct vm *vm, uint64_t at, uint8_t *buffer, size_t len, bool load)
{
	int ret = check(vm, at, len);

	while (!ret && len > 0) {
		size_t offset = (size_t)(at & (BLOCK_SIZE - 1U)), most = load ? LOAD_STEP : BLOCK_SIZE;
		size_t step = MIN(MIN(len, most), BLOCK_SIZE - offset);
		uint8_t *window;
		pa_t block;

		if (load)
			sched_preempt();
		ret = vm_touch(vm, ipa(at));
		if (ret || !vm_ram_pa(vm, ipa(at - offset), &block))
			return ret ? ret : -EFAULT;
		window = hyp_window_open(block) + offset;
		ret = load ? copy_checked(window, buffer, step) : copy_checked(buffer, window, step);
		/* A guest with its caches off writes memory behind the back of a line that is left here (A3.5.7). */
		cache_clean_invalidate(window, step);
		hyp_window_close();
		at += step;
		buffer += step;
		len -= step;
	}
	return ret;
}

int guest_read(struct vm *vm, ipa_t from, void *to, size_t len)
{
	return copy(vm, from.v, to, len, false);
}

int guest_load(struct vm *vm, ipa_t to, const void *from, size_t len)
{
	int ret = copy(vm, to.v, (uint8_t *)(uintptr_t)from, len, true);

	cache_invalidate_icache();
	return ret;
}
