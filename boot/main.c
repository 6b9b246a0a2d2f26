/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Composition root: brings the hypervisor up step by step, makes the VMs of the bundle and becomes CPU 0's idle thread.
 */
#include <errno.h>
#include <libfdt.h>
#include <string.h>

#include <arm/hypregs.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "boot/early.h"
#include "boot/demo.h"
#include "boot/guard.h"
#include "boot/header.h"
#include "hyp/host/hostdev.h"
#include "hyp/host/hostdog.h"
#include "hyp/host/rtc.h"
#include "hyp/host/scan.h"
#include "boot/main.h"
#include "boot/monitor.h"
#include "hyp/host/board.h"
#include "hyp/host/random.h"
#include "boot/smp.h"
#include "coproc/coproc.h"
#include "coproc/model.h"
#include "hyp/load/bundle.h"
#include "hyp/console/blackbox.h"
#include "hyp/console/console.h"
#include "hyp/host/gic.h"
#include "hyp/virtio/hostdisk.h"
#include "hyp/host/uart/uart.h"
#include "hyp/lib/log.h"
#include "hyp/lib/option.h"
#include "hyp/run/sched.h"
#include "hyp/console/shell.h"
#include "hyp/vdev/vpl031.h"
#include "hyp/virtio/uplink.h"
#include "hyp/vm/assemble.h"
#include "hyp/vm/heapsize.h"
#include "hyp/vm/memfound.h"
#include "hyp/vm/memsource.h"
#include "hyp/vm/vm.h"
#include "hyp/vm/vmctl.h"
#include "mm/hypmap.h"
#include "mm/page.h"
#include "mm/ram.h"
#include "mm/s2.h"
#include "hyp/host/psci.h"
#include "hyp/host/power.h"
#include "vgic/vgic.h"
#include "vtimer/vtimer.h"

extern char image_start[], _image_end[];

static struct host host;
static struct bundle bundle;
static const uint8_t *bundle_blob; /* where it is mapped; NULL: it is not */
static uint32_t load_address;

static void __attribute__((noreturn)) halt_boot(const char *why)
{
	log_err("%s", why);
	log_err("stopped");
	power_end();
}

/* Before there is a heap, because the bundle says how large that has to be. What is wrong is said in its turn. */
static void look_at_bundle(void)
{
	uint64_t base = align_down(host.bundle, BLOCK_SIZE), end = align_up(host.bundle + host.bundle_size, BLOCK_SIZE);

	if (host.bundle_size == 0 || end - base > LAYOUT_BUNDLE_END - LAYOUT_BUNDLE ||
	    hyp_map(LAYOUT_BUNDLE, pa(base), (size_t)(end - base), HYP_MEM_RO))
		return;
	bundle_blob = (const uint8_t *)LAYOUT_BUNDLE + (host.bundle - base);
	bundle_look(&bundle, bundle_blob, (size_t)host.bundle_size);
}

static size_t tree_index_size; /* of the host's tree; 0: no VM needs it */

/* In one piece, or nothing. */
static bool take_heap(uint64_t size, pa_t *heap)
{
	uint64_t got = ram_take(size, false, heap);

	if (got > 0 && got != size)
		ram_release(*heap, got);
	return got == size;
}

/* Where there is no room for all of the bundle's VMs, those that do not fit have their lines. 0: not even for virt7. */
static uint64_t make_heap(uint64_t total, pa_t *heap)
{
	uint64_t size, least = heap_size_for(NULL, total, 0);

	tree_index_size = bundle_gives_devices(&bundle) ? dt_index_size(host.tree_nodes) : 0;
	size = heap_size_for(&bundle, total, tree_index_size);

	if (take_heap(size, heap))
		return size;
	if (take_heap(least, heap))
		return least;
	log_err("host: %llu MiB of RAM are too few: no %llu MiB in one piece for virt7's heap; give the board more RAM",
		(unsigned long long)(total >> 20), (unsigned long long)(least >> 20));
	return 0;
}

static int init_memory(void)
{
	uint64_t total = 0, heap_size;
	pa_t heap;

	for (unsigned int i = 0; i < host.memory.count; i++) {
		ram_add(host.memory.range[i].base, host.memory.range[i].size);
		total += host.memory.range[i].size;
	}
	ram_use.total = ram_available();
	for (unsigned int i = 0; i < host.reserved.count; i++)
		ram_remove(host.reserved.range[i].base, host.reserved.range[i].size);
	ram_account(&ram_use.reserved);
	ram_remove(load_address, (uint64_t)(_image_end - image_start));
	ram_remove(host.fdt_pa, fdt_totalsize(host.fdt));
	ram_account(&ram_use.virt7);
	ram_remove(host.bundle, host.bundle_size);
	ram_account(&ram_use.bundle);

	look_at_bundle();
	s2_pages = options.stage2_page ? options.stage2_page == OPTION_PAGE_4K : host.emulated;
	heap_size = make_heap(total, &heap);
	if (heap_size == 0)
		return -ENOMEM;
	ram_account(&ram_use.virt7);
	if (hyp_map(LAYOUT_HEAP, heap, (size_t)heap_size, HYP_MEM_RW))
		return -ENOMEM;
	page_init(heap, (size_t)heap_size);
	ram_track_use(page_alloc(page_order(ram_flag_bytes())));
	vtimer_choose_offset(options.timer_offset, host.emulated);
	spinlock_unfair = host.emulated && !options.fair_locks;
	hstr_stays_zero = host.emulated && !options.hstr;
	log_info("host: %llu MiB of RAM, %llu MiB free for VMs", (unsigned long long)(total >> 20),
		 (unsigned long long)(ram_available() >> 20));
	return 0;
}

static int init_random(void)
{
	random_gather(&host);
	return 0;
}

static int init_gic(void)
{
	int ret;

	if (host.own_monitor)
		monitor_open(&host);
	ret = gic_init(&host);
	if (ret)
		return ret;
	gic_init_cpu();
	vgic_init();
	log_info("host: GICv2 with %u list registers", (unsigned)gic_list_registers());
	return 0;
}

static int init_cpu(void)
{
	return cpu_init(&host);
}

static int start_cpus(void)
{
	return smp_start(&host, load_address + image_header.secondary);
}

static int init_console_irq(void)
{
	console_enable_irq(host.uart.irq);
	return 0;
}

/* Guests' clocks begin with the host's. */
static int init_clock(void)
{
	uint32_t seconds;

	if (rtc_read(&host.rtc, &seconds))
		vpl031_set_clock(seconds);
	return 0;
}

static int tell_last_run(void)
{
	blackbox_tell();
	return 0;
}

static int init_watchdogs(void)
{
	hostdev_init(&host); /* for their claims, the first of all */
	hostdog_init(&host);
	return 0;
}

static int init_memory_errors(void)
{
	int ret = memfound_start();

	return ret ? ret : memsource_start(&host);
}

static int init_bundle(void)
{
	if (host.bundle_size == 0)
		log_warn("no bundle (no linux,initrd-start in /chosen; on QEMU: -initrd X.itb): the demo guest runs");
	else if (!bundle_blob)
		log_err("bundle: %llu MiB are too many; 1 GiB is the limit",
			(unsigned long long)(host.bundle_size >> 20));
	else if (!bundle.fdt)
		bundle_open(&bundle, bundle_blob, (size_t)host.bundle_size); /* it says what is wrong */
	return 0;
}

/* For VMs that have devices of the host. Without it these are found, too, by walks with interrupts masked. */
static void index_host_tree(void)
{
	void *room = tree_index_size ? page_alloc_bytes(tree_index_size) : NULL;

	if (room)
		dt_index_make(host.fdt, room, host.tree_nodes);
}

/* A switch whose uplink cannot be made has said why. */
static int open_devices(void)
{
	index_host_tree();
	hostdisk_init(&host);
	uplink_create_all(&bundle, &host);
	return 0;
}

/* A VM that cannot be made has said why, and the others go on. */
static void boot_make_vm(const struct vm_config *cfg, struct vm_config *rest)
{
	struct vm *vm;

	if (!vmcfg_wants_rest(cfg))
		vm_assemble(cfg, &vm);
	else if (rest->ram_size)
		log_err("vm %s: passthrough rest: taken already by %s", cfg->name, rest->name);
	else
		*rest = *cfg;
}

/* As if it had been made first: the others share the screen with it. */
static void give_keyboard(struct vm *vm)
{
	console_show(&vm->console);
	console_show(NULL);
}

/*
 * All of the bundle, or the demo guest. Who gets the rest of the host's devices comes last, wherever it stands; where
 * it is the bundle's first, it has the keyboard all the same.
 */
static int make_vms(void)
{
	static struct vm_config rest;
	bool rest_is_first = false;
	struct vm_config cfg;
	struct vm *vm;
	int node = 0, ret;

	vm_assemble_init(&bundle, host.gicv);
	if (!bundle.fdt && host.bundle_size == 0) {
		demo_config(&cfg);
		vm_assemble(&cfg, &vm);
	}
	while (bundle.fdt && (ret = vmcfg_next(&bundle, &node, &cfg)) != 0)
		if (ret > 0) {
			rest_is_first |= vm_count == 0 && vmcfg_wants_rest(&cfg);
			boot_make_vm(&cfg, &rest);
		}
	if (rest.ram_size && !vm_assemble(&rest, &vm) && rest_is_first && vm_count > 1)
		give_keyboard(vm);
	return 0;
}

/* VMs that want physical CPUs for themselves choose first. */
static int place_vms(void)
{
	struct vm *vm;

	for (uint32_t pass = 0; pass < 2; pass++)
		vm_for_each(vm) if (vm->config.dedicated_cpus == (pass == 0)) vm_place(vm);
	return 0;
}

/* A VM that waits for an operator counts: there is something to do. */
static int start_vms(void)
{
	uint32_t alive = 0;
	struct vm *vm;

	vm_for_each(vm) if (vm->state != VM_BROKEN && (!vm->config.autostart || !vmctl_boot(vm))) alive++;
	if (alive > 0) {
		vmctl_power_off_if_last(); /* some may have come and gone while others were loaded */
		return 0;
	}
	log_err("no VM could be started: see the lines above");
	return -ENOENT;
}

static const struct step {
	const char *what;
	int (*run)(void);
} steps[] = {
	{"trap tables", coproc_init},
	{"memory", init_memory},
	{"last run", tell_last_run},
	{"random numbers", init_random},
	{"interrupt controller", init_gic},
	{"watchdogs", init_watchdogs},
	{"boot CPU", init_cpu},
	{"other CPUs", start_cpus},
	{"console interrupt", init_console_irq},
	{"clock", init_clock},
	{"memory errors", init_memory_errors},
	{"shell", shell_start},
	{"bundle", init_bundle},
	{"devices of the host", open_devices},
	{"virtual machines", make_vms},
	{"placement", place_vms},
	{"start", start_vms},
};

/* The UART that the loader has named in the image: where the device tree is missing, or has none. */
static bool open_header_uart(void)
{
	struct host_uart *uart = &host.uart;

	*uart = (struct host_uart){.base = image_header.uart, .reg_shift = image_header.uart_shift};
	if (image_header.uart == 0 || image_header.uart_compatible[sizeof(image_header.uart_compatible) - 1] != '\0')
		return false;
	uart->compatible = uart_compatible(image_header.uart_compatible);
	return uart->compatible && !uart_open(uart);
}

/* Of a board's tree: magic, and a size that fits where the first page tables show it. */
static bool is_tree(const void *fdt, uint32_t dtb)
{
	return dtb != 0 && dtb % 4 == 0 && !fdt_check_header(fdt) && fdt_totalsize(fdt) <= LAYOUT_DTB_SIZE - BLOCK_SIZE;
}

/* From here on whatever is wrong can be said. False: there is no console at all (docs/boot.md). */
static bool open_console(uint32_t dtb)
{
	const void *fdt = (const uint8_t *)LAYOUT_DTB + (dtb & (BLOCK_SIZE - 1U));
	bool early = open_header_uart();

	if (early)
		console_start();
	if (!is_tree(fdt, dtb)) {
		log_err("no device tree at r2 = 0x%08x: load the board's .dtb and pass its address (U-Boot: bootz "
			"IMAGE BUNDLE DTB)",
			(unsigned)dtb);
		log_err("stopped");
		power_end();
	}
	host.fdt_pa = dtb;
	if (!host_scan(fdt, &host) && !uart_open(&host.uart)) {
		console_start();
		return true;
	}
	if (!early || !open_header_uart())
		return false;
	log_warn("host: the device tree names no UART that virt7 drives");
	return true;
}

static void take_header_bundle(void)
{
	if (host.bundle_size > 0 || image_header.bundle_size == 0)
		return;
	host.bundle = image_header.bundle;
	host.bundle_size = image_header.bundle_size;
}

/* Below HYP and not in secure state: nothing that virt7 could do itself. */
static const char *wrong_mode(void)
{
	if (FIELD(read_id_pfr1(), 12, 4) != 0)
		return "entered in SVC mode, not HYP: start virt7 in HYP or secure SVC mode; U-Boot: setenv "
		       "bootm_boot_mode sec";
	if (hyp_is_flat)
		return "this CPU has neither LPAE nor HYP mode: virt7 needs a Cortex-A7, A12, A15 or A17";
	if (host.emulated)
		return "entered in SVC mode, not HYP: start virt7 in HYP mode; on QEMU add virtualization=on to -M "
		       "virt";
	return "entered in SVC mode, and this CPU has no HYP mode: virt7 needs a Cortex-A15 or A7; on QEMU leave out "
	       "virtualization=off";
}

/* How the host can be switched off, as the end where something is wrong. */
static void init_power(bool own_monitor)
{
	if (own_monitor)
		monitor_init(&host);
	psci_host_init(&host);
	power_init(&host);
}

void boot_main(uint32_t load, uint32_t dtb, uint32_t secure)
{
	uint32_t mode = read_cpsr() & PSR_MODE_MASK;
	bool speaks;

	load_address = load;
	if (mode == PSR_MODE_HYP)
		cpu_enter(0);
	speaks = open_console(dtb);
	log_info("virt7 " VIRT7_VERSION " at 0x%08x, MIDR 0x%08x", (unsigned)load, (unsigned)read_midr());
	if (early_tree_found)
		log_warn("no device tree in r2: the one at 0x%08x is used. QEMU passes neither it nor -initrd to "
			 "virt7.elf: give "
			 "it virt7.bin",
			 (unsigned)dtb);
	option_parse(host.bootargs);
	init_power(mode == PSR_MODE_HYP && secure);
	if (!speaks)
		power_end();
	if (mode != PSR_MODE_HYP)
		halt_boot(wrong_mode());
	random_init(host.fdt, host.chosen);
	guard_set();
	if (host_check(&host))
		halt_boot("this board's device tree lacks what virt7 needs");
	take_header_bundle();
	board_apply_quirks(&host);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		hostdog_pet();
		if (steps[i].run()) {
			log_err("stopped at: %s", steps[i].what);
			power_end();
		}
	}
	console_end_boot();
	sched_idle();
}
