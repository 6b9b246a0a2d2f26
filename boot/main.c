/*
 * Composition root: brings the hypervisor up step by step, makes the VMs of the bundle and becomes CPU 0's idle thread.
 */
#include <errno.h>
#include <libfdt.h>
#include <string.h>

#include <arm/barrier.h>
#include <arm/hypregs.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "boot/demo.h"
#include "boot/host.h"
#include "boot/main.h"
#include "boot/smp.h"
#include "coproc/coproc.h"
#include "hyp/bundle.h"
#include "hyp/console.h"
#include "hyp/dev/gic.h"
#include "hyp/dev/uart.h"
#include "hyp/log.h"
#include "hyp/panic.h"
#include "hyp/sched.h"
#include "hyp/vdev/vpl011.h"
#include "hyp/vm.h"
#include "hyp/vmctl.h"
#include "mm/hypmap.h"
#include "mm/page.h"
#include "mm/ram.h"
#include "psci/host.h"
#include "vgic/vgic.h"
#include "vtimer/vtimer.h"

#define HEAP_SHARE 256U /* of RAM, one part for tables; */
#define HEAP_MIN   MIB(4)
#define HEAP_MAX   (LAYOUT_HEAP_END - LAYOUT_HEAP)

extern char image_start[], _image_end[];

static struct host host;
static struct bundle bundle;
static uint32_t load_address;

static void __attribute__((noreturn)) stop(void)
{
	for (;;)
		wfi();
}

static void __attribute__((noreturn)) halt(const char *why)
{
	log_err("%s", why);
	log_err("stopped");
	stop();
}

static int init_memory(void)
{
	uint64_t total = 0, heap_size;
	pa_t heap;

	for (unsigned int i = 0; i < host.memory.count; i++) {
		ram_add(host.memory.range[i].base, host.memory.range[i].size);
		total += host.memory.range[i].size;
	}
	for (unsigned int i = 0; i < host.reserved.count; i++)
		ram_remove(host.reserved.range[i].base, host.reserved.range[i].size);
	ram_remove(load_address, (uint64_t)(_image_end - image_start));
	ram_remove(host.fdt_pa, fdt_totalsize(host.fdt));
	ram_remove(host.bundle, host.bundle_size);

	heap_size = align_up(MIN(MAX(total / HEAP_SHARE, (uint64_t)HEAP_MIN), (uint64_t)HEAP_MAX), BLOCK_SIZE);
	if (ram_take(heap_size, false, &heap) != heap_size) {
		log_err("host: %llu MiB of RAM are too few: no %llu MiB in one piece for virt7's heap",
			(unsigned long long)(total >> 20), (unsigned long long)(heap_size >> 20));
		return -ENOMEM;
	}
	if (hyp_map(LAYOUT_HEAP, heap, (size_t)heap_size, HYP_MEM_RW))
		return -ENOMEM;
	page_init(heap, (size_t)heap_size);
	log_info("host: %llu MiB of RAM, %llu MiB free for VMs", (unsigned long long)(total >> 20),
		 (unsigned long long)(ram_available() >> 20));
	return 0;
}

static int init_gic(void)
{
	int ret = gic_init(&host);

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
	return smp_start(&host, load_address);
}

static int init_console_irq(void)
{
	console_enable_irq(host.uart.irq);
	return 0;
}

static int init_bundle(void)
{
	uint64_t base = align_down(host.bundle, BLOCK_SIZE), end = align_up(host.bundle + host.bundle_size, BLOCK_SIZE);
	const uint8_t *blob;

	if (host.bundle_size == 0) {
		log_warn("no bundle (no linux,initrd-start in /chosen; on QEMU: -initrd X.itb): the demo guest runs");
		return 0;
	}
	if (end - base > LAYOUT_BUNDLE_END - LAYOUT_BUNDLE ||
	    hyp_map(LAYOUT_BUNDLE, pa(base), (size_t)(end - base), HYP_MEM_RO)) {
		log_err("bundle: %llu MiB are too many; 1 GiB is the limit",
			(unsigned long long)(host.bundle_size >> 20));
		return 0;
	}
	blob = (const uint8_t *)LAYOUT_BUNDLE + (host.bundle - base);
	bundle_open(&bundle, blob, (size_t)host.bundle_size); /* it says what is wrong */
	return 0;
}

/* One VM of the bundle, or the demo guest; a VM that cannot be made has said why, and the others go on. */
static int make_vm(const struct vm_config *cfg)
{
	struct vm *vm;
	int ret;

	if (!sched_can_run(cfg->affinity)) {
		log_err("vm %s: cpu-affinity 0x%x names no CPU that is online", cfg->name, (unsigned)cfg->affinity);
		return -ENODEV;
	}
	ret = vm_create(cfg, &vm);
	if (ret)
		return ret;
	ret = vgic_create(vm, host.gicv);
	if (!ret)
		ret = vpl011_create(vm);
	for (uint32_t i = 0; !ret && i < vm->vcpu_count; i++) {
		vgic_map_hw(vm->vcpu[i], MACHINE_PPI_TIMER_VIRT, vtimer_virt_line);
		vtimer_init_vcpu(vm->vcpu[i]);
		ret = sched_attach(vm->vcpu[i], cfg->affinity);
	}
	if (ret) {
		vm->state = VM_CRASHED; /* never started */
		log_err("vm %s: cannot be made (error %d): virt7's heap has %u KiB left", cfg->name, -ret,
			(unsigned)(page_available() / 1024U));
	} else {
		console_attach(&vm->console);
		log_info("vm %s: %u vCPU%s, %llu MiB", cfg->name, cfg->cpus, cfg->cpus == 1 ? "" : "s",
			 (unsigned long long)(cfg->ram_size >> 20));
	}
	return ret;
}

static int make_vms(void)
{
	struct vm_config cfg;
	int node = 0, ret;

	if (!bundle.fdt && host.bundle_size == 0) {
		demo_config(&cfg);
		return make_vm(&cfg);
	}
	while (bundle.fdt && (ret = vmcfg_next(&bundle, &node, &cfg)) != 0)
		if (ret > 0)
			make_vm(&cfg);
	return 0;
}

static int start_vms(void)
{
	uint32_t started = 0;

	for (uint32_t i = 0; i < vm_count; i++)
		if (vms[i]->state == VM_CREATED) {
			if (vms[i]->config.autostart && !vmctl_start(vms[i]))
				started++;
			else
				vms[i]->state = VM_OFF;
		}
	if (started > 0)
		return 0;
	log_err("no VM could be started: see the lines above");
	return -ENOENT;
}

static const struct step {
	const char *what;
	int (*run)(void);
} steps[] = {
	{"trap tables", coproc_init}, {"memory", init_memory},        {"interrupt controller", init_gic},
	{"boot CPU", init_cpu},       {"other CPUs", start_cpus},     {"console interrupt", init_console_irq},
	{"bundle", init_bundle},      {"virtual machines", make_vms}, {"start", start_vms},
};

/* Whatever is wrong from here on can be said. */
static void open_console(uint32_t dtb)
{
	const void *fdt = (const uint8_t *)LAYOUT_DTB + (dtb & (BLOCK_SIZE - 1U));

	if (dtb == 0 || dtb % 4 != 0 || fdt_check_header(fdt) || fdt_totalsize(fdt) > LAYOUT_DTB_SIZE - BLOCK_SIZE)
		stop(); /* no device tree, no console: nothing can be said (docs/boot.md) */
	host.fdt = fdt;
	host.fdt_pa = dtb;
	if (host_find_uart(fdt, &host.uart) || uart_open(&host.uart))
		stop();
	console_start();
}

void boot_main(uint32_t load, uint32_t dtb, uint32_t mode)
{
	load_address = load;
	if (mode == PSR_MODE_HYP)
		cpu_enter(0);
	open_console(dtb);
	log_info("virt7 " VIRT7_VERSION " at 0x%08x, MIDR 0x%08x", (unsigned)load, (unsigned)read_midr());
	if (mode != PSR_MODE_HYP)
		halt("entered in SVC mode, not HYP: start virt7 in HYP mode; on QEMU add virtualization=on to -M virt");
	if (host_discover(host.fdt, &host))
		halt("this board's device tree lacks what virt7 needs");
	psci_host_init(&host);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (steps[i].run()) {
			log_err("stopped at: %s", steps[i].what);
			stop();
		}
	sched_idle();
}
