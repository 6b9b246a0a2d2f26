/* SPDX-License-Identifier: BSD-2-Clause */
/* The shell's commands about memory, and its errors (hyp/vm/memerr.h). */
#include <errno.h>
#include <string.h>

#include "hyp/console/shell_cmd.h"
#include "hyp/host/merrsr.h"
#include "hyp/lib/bits.h"
#include "hyp/vdev/device.h"
#include "hyp/vm/memerr.h"
#include "hyp/vm/memsource.h"
#include "hyp/vm/vm.h"
#include "mm/badpage.h"
#include "mm/page.h"
#include "mm/ram.h"

#define HOST     "host"
#define THE_HOST "the host"

typedef unsigned long long ull;

static unsigned int bytes_to_mib(uint64_t bytes)
{
	return (unsigned int)(bytes >> 20);
}

static void mem_row(const char *what, uint64_t bytes)
{
	shell_printf("%-20s %8u MiB\n", what, bytes_to_mib(bytes));
}

static void bad_row(const struct bad_page *bad)
{
	shell_printf("  host 0x%010llx", (ull)bad->pa);
	if (bad->guest)
		shell_printf("  guest 0x%010llx of %s", (ull)bad->ipa, bad->owner);
	else if (*bad->owner)
		shell_printf("  a device of %s", bad->owner);
	if (bad->instead)
		shell_printf("; host 0x%010llx stands in for it", (ull)bad->instead);
	shell_printf("%s\n", bad->async ? "; asynchronous" : "");
}

static void bad_rows(void)
{
	uint32_t next = 0, all, used;

	if (badpage_count() == 0)
		return;
	badpage_spares(&all, &used);
	shell_printf("bad pages: %u, %u KiB of the above; spare pages: %u, of which %u stand in for others\n",
		     (unsigned)badpage_count(), (unsigned)(badpage_count() * (PAGE_SIZE >> 10)), (unsigned)all,
		     (unsigned)used);
	for (const struct bad_page *bad;
	     !shell_interrupted() && (bad = badpage_next(pa(0), BIT64(ADDR_BITS), &next)) != NULL;)
		bad_row(bad);
}

/* Where a report of the board's that names an address of the host finds it. */
static void mem_vm(const struct vm *vm)
{
	if (vm->extent_count == 0)
		shell_printf("%s has no RAM now\n", vm->config.name);
	for (uint32_t i = 0; i < vm->extent_count; i++)
		shell_printf("guest 0x%010llx  host 0x%010llx  %u MiB\n", (ull)vm->extent[i].ipa, (ull)vm->extent[i].pa,
			     bytes_to_mib(vm->extent[i].size));
	for (const struct device *d = device_first(vm); d; d = d->next)
		if (d->class->show_ram)
			d->class->show_ram(d, shell_printf);
}

/* The first column's sum is its last row. */
static void mem_all(void)
{
	const struct vm *vm;

	shell_printf("%-20s %12s %12s\n", "VM", "memory", "touched");
	vm_for_each(vm) shell_printf("%-20s %8u MiB %8u MiB\n", vm->config.name, bytes_to_mib(vm_ram_reserved(vm)),
				     bytes_to_mib(vm_ram_touched(vm)));
	merrsr_say();
	mem_row("firmware's", ram_use.reserved);
	mem_row("virt7", ram_use.virt7);
	mem_row("bundle", ram_use.bundle);
	mem_row("disks and flash", ram_use.disks);
	if (ram_use.quarantine)
		mem_row("quarantine", ram_use.quarantine);
	if (ram_use.spare)
		mem_row("spare pages", ram_use.spare);
	mem_row("free for VMs", ram_available());
	mem_row("in all", ram_use.total);
	shell_printf("virt7's heap: %u KiB, of which %u KiB are free\n", (unsigned)(page_total() >> 10),
		     (unsigned)(page_available() >> 10));
	if (memsource_count.corrected + memsource_count.uncorrected)
		shell_printf("errors that the host has reported: %u corrected, %u not\n",
			     (unsigned)memsource_count.corrected, (unsigned)memsource_count.uncorrected);
	bad_rows();
}

void shell_mem(uint32_t count, char **args)
{
	const struct vm *vm = count ? shell_find_vm(args[0]) : NULL;

	if (vm)
		mem_vm(vm);
	else if (!count)
		mem_all();
}

/* A hexadecimal number, 0x in front of it or not. False: it is none, or has more than 40 bits. */
static bool parse_address(const char *text, uint64_t *address)
{
	const char *digits = strncmp(text, "0x", 2) == 0 ? text + 2 : text;
	uint64_t value = 0;

	for (text = digits; *text; text++) {
		static const char hex[] = "0123456789abcdef";
		const char *digit = strchr(hex, *text | 0x20);

		if (!digit || value >> (ADDR_BITS - 4U))
			return false;
		value = value << 4 | (uint64_t)(digit - hex);
	}
	*address = value;
	return text > digits;
}

static void say_result(int ret, const char *name, const char *address)
{
	switch (ret) {
	case 0:
		break;
	case -EEXIST:
		shell_printf("%s of %s is in a page that is bad already; `mem` lists those\n", address, name);
		break;
	case -EFAULT:
		if (strcmp(name, THE_HOST) == 0)
			shell_printf("%s is not RAM of the host: its device tree has none there\n", address);
		else
			shell_printf("%s is not RAM of %s, or it has none now; `mem %s` shows where it is\n", address,
				     name, name);
		break;
	case -EPERM:
		shell_printf(
			"%s has its RAM in common with devices of the host (trusted-dma): an error there could not "
			"be contained\n",
			name);
		break;
	case -EBUSY:
		shell_printf("%s is being started, reset or stopped; try again\n", name);
		break;
	default:
		shell_printf("virt7's heap is empty\n");
		break;
	}
}

void shell_poison(uint32_t count, char **args)
{
	struct vm *vm = shell_look_up_vm(args[0]);
	bool async = count > 2 && strcmp(args[2], "async") == 0;
	uint64_t address;

	if (count > 2 && !async && strcmp(args[2], "sync") != 0)
		shell_usage();
	else if (!parse_address(args[1], &address))
		shell_printf("%s: expects an address of at most 40 bits, in hexadecimal\n", args[1]);
	else if (vm)
		say_result(memerr_guest_page(vm, ipa(address), async), args[0], args[1]);
	else if (strcmp(args[0], HOST) == 0)
		say_result(memerr_page(pa(address), async), THE_HOST, args[1]);
	else
		shell_find_vm(args[0]);
}
