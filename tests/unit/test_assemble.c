/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Putting VMs together and taking them apart (hyp/vm/assemble.c, and the table of VMs and their RAM in hyp/vm/vm.c)
 * over counted resources: heap pages, RAM, VMIDs, stacks, console, places. Each is refused in turn, and nothing is
 * left.
 */
#include "assemble_rig.h"

static void test_whole_life(void **state)
{
	struct vm *vm = make("a", 3);

	(void)state;
	assert_string_equal(fake_log_last(LOG_INFO), "vm a: 3 vCPUs, 16 MiB");
	assert_ptr_equal(vms[0], vm);
	assert_int_equal(vm->state, VM_CREATED);
	assert_int_equal(now.ram, MIB(16));
	assert_int_equal(now.stacks, 3);
	assert_int_equal(now.places, 3);
	assert_int_equal(now.devices, 2);
	for (uint32_t i = 0; i < 3; i++) {
		assert_ptr_equal(vm->vcpu[i]->vm, vm);
		assert_ptr_equal(vm->vcpu[i]->bus, &vm->bus);
		assert_int_equal(vm->vcpu[i]->vmpidr, 0x80000000U | i);
		assert_int_equal(vm->vcpu[i]->thread.work, WORK_STOP);
	}
	assert_int_equal(vm_destroy(vm), 0);
	assert_string_equal(fake_log_last(LOG_INFO), "vm a: destroyed");
	assert_int_equal(now.vcpu_timers, 3);
	assert_int_equal(now.watchdogs, 0);
	expect_nothing();
}

/* The heap ends, or a step says no, at each one in turn: one line, and all of it comes back. */
static void test_refused_at_every_step(void **state)
{
	struct vm_config cfg = config("a", 2);
	struct vm *vm = NULL;
	unsigned int pages = 0, steps = 0;

	(void)state;
	now.pieces = 8;
	for (int ret = -1; ret; pages++) {
		fake_log_reset();
		fake_page_set_left(pages);
		ret = vm_assemble(&cfg, &vm);
		fake_page_set_empty(false);
		if (ret) {
			assert_int_equal(fake_log_count(LOG_ERR), 1);
			expect_nothing();
		}
	}
	assert_int_equal(vm_destroy(vm), 0);
	for (int ret = -1; ret; steps++) {
		fake_log_reset();
		now.steps_left = (int)steps;
		ret = vm_assemble(&cfg, &vm);
		now.steps_left = -1;
		if (ret) {
			assert_int_equal(fake_log_count(LOG_ERR), 1);
			expect_nothing();
		}
	}
	assert_int_equal(vm_destroy(vm), 0);
	expect_nothing();
	assert_int_equal(pages - 1, 1 + 1 + 2 * 2 + 1 + 1 + 2); /* VM, root, vCPUs with stacks, log, devices */
	assert_int_equal(steps - 1, 1 + 1 + 2 + 1 + 1 + 2);     /* model, root, RAM, its tables, vGIC, devices */
}

/* In any order; an id that has become free is the next one's. */
static void test_any_order(void **state)
{
	struct vm *a = make("a", 1), *b = make("b", 1), *c = make("c", 1);

	(void)state;
	assert_int_equal(vm_destroy(a), 0);
	assert_int_equal(vm_count, 3);
	assert_null(vms[0]);
	a = make("a", 2);
	assert_int_equal(a->id, 0);
	assert_int_equal(vm_destroy(c), 0);
	assert_int_equal(vm_count, 2);
	assert_int_equal(vm_destroy(a), 0);
	assert_int_equal(vm_destroy(b), 0);
	expect_nothing();
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(vm_destroy(make("d", 1 + i % 8)), 0);
	expect_nothing();
}

/* Some vCPUs have got a place before there was none left: it is broken, and can be taken apart like any other. */
/* One piece of the host's RAM that the guest sees where it is; the tables are those of that place. */
static void test_direct(void **state)
{
	struct vm_config cfg = config("direct", 1);
	struct vm_extent kept;
	struct vm *vm;
	pa_t to;

	(void)state;
	cfg.trusted_dma = true;
	assert_int_equal(vm_assemble(&cfg, &vm), 0);
	assert_int_equal(vm->extent_count, 1);
	assert_int_equal(vm->extent[0].ipa, vm->extent[0].pa);
	assert_int_equal(vm->extent[0].pa, 0x40000000U + 4U * MIB(128));
	assert_int_equal(vmcfg_ram_base(&vm->config), vm->extent[0].pa);
	assert_int_equal(now.reserved_at, vm->extent[0].pa);
	assert_true(vm_ram_pa(vm, ipa(vm->extent[0].pa), &to));
	assert_int_equal(to.v, vm->extent[0].pa);
	assert_false(vm_ram_pa(vm, ipa(MACHINE_RAM_BASE), &to));

	/* What a device may still write to no VM gets. */
	vm->keeps_ram = true;
	vm_give_ram(vm);
	assert_int_equal(vm->extent_count, 1);
	kept = vm_quarantine_ram(vm);
	assert_int_equal(kept.size, cfg.ram_size);
	assert_int_equal(ram_use.quarantine, cfg.ram_size);
	assert_int_equal(now.ram, cfg.ram_size);
	assert_int_equal(vm_destroy(vm), 0);
	assert_int_equal(now.ram, cfg.ram_size);

	/* Until a VM has what may write to it, or that has ended. */
	cfg.autostart = false;
	assert_int_equal(vm_assemble(&cfg, &vm), 0);
	assert_int_equal(vm->extent_count, 0);
	cfg.ram_size = kept.size;
	kept.size -= MIB(2);
	assert_false(vm_adopt_ram(vm, &kept));
	kept.size = cfg.ram_size;
	assert_true(vm_adopt_ram(vm, &kept));
	assert_int_equal(vmcfg_ram_base(&vm->config), kept.pa);
	assert_int_equal(ram_use.quarantine, 0);
	assert_int_equal(vm_take_ram(vm), 0);
	assert_int_equal(vm->extent[0].pa, kept.pa);
	assert_true(vm->keeps_ram);
	kept = vm_quarantine_ram(vm);
	quarantined = (uint32_t)(kept.size / KIB(128));
	vm_end_quarantine(vm, &kept);
	assert_int_equal(quarantined, 0);
	assert_int_equal(ram_use.quarantine, 0);
	assert_int_equal(now.ram, 0);
	assert_int_equal(vm_destroy(vm), 0);
}

/* Below the usual place for RAM, where the host has it there only; and nowhere. */
static void test_direct_elsewhere(void **state)
{
	struct vm_config cfg = config("direct", 1);
	struct vm *vm;

	(void)state;
	cfg.trusted_dma = true;
	now.direct_tries = 2;
	assert_int_equal(vm_assemble(&cfg, &vm), 0);
	assert_int_equal(vmcfg_ram_base(&vm->config), 0x10000000U + 4U * MIB(128));
	assert_int_equal(vm_destroy(vm), 0);
	now.direct_tries = 4;
	fake_log_reset();
	assert_int_not_equal(vm_assemble(&cfg, &vm), 0);
	fake_log_expect_error("with trusted-dma it needs");
}

static void test_no_place(void **state)
{
	struct vm_config cfg = config("a", 3);
	struct vm *vm;

	(void)state;
	now.cpus = 2;
	assert_int_equal(vm_assemble(&cfg, &vm), 0);
	assert_int_equal(vm_place(vm), -ENODEV);
	fake_log_expect_error(
		"vm a: no physical CPU is left for 3 vCPUs: see cpu-affinity 0xffffffff and dedicated-cpus");
	assert_int_equal(vm->state, VM_BROKEN);
	assert_int_equal(now.ram, 0);
	assert_int_equal(now.watchdogs, 0);
	assert_int_equal(vm_destroy(vm), 0);
	assert_int_equal(now.cpus, 2);
	expect_nothing();
}

/* What runs stays as it is. */
static void test_not_while_it_runs(void **state)
{
	struct vm *vm = make("a", 1);

	(void)state;
	now.end_result = -EINVAL;
	assert_int_equal(vm_destroy(vm), -EINVAL);
	assert_ptr_equal(vms[0], vm);
	assert_int_equal(now.consoles, 1);
	now.end_result = 0;
	assert_int_equal(vm_destroy(vm), 0);
	expect_nothing();
}

/* A VM at the address of a destroyed one is another one: the branch predictor is emptied before it runs (harden). */
static void test_no_cpu_remembers_it(void **state)
{
	struct vm *a = make("a", 1), *b = make("b", 1);

	(void)state;
	percpu[0].last_vm = percpu[3].last_vm = a;
	percpu[1].last_vm = b;
	assert_int_equal(vm_destroy(a), 0);
	assert_null(percpu[0].last_vm);
	assert_null(percpu[3].last_vm);
	assert_ptr_equal(percpu[1].last_vm, b);
	assert_int_equal(vm_destroy(b), 0);
	expect_nothing();
}

static void test_limits(void **state)
{
	struct vm_config cfg = config("x", 8);
	struct vm *vm;

	(void)state;
	cfg.autostart = false;
	for (uint32_t i = 0; i < VCPU_MAX / 8; i++)
		assert_int_equal(vm_assemble(&cfg, &vm), 0);
	assert_int_equal(vm_assemble(&cfg, &vm), -ENOSPC);
	fake_log_expect_error("vm x: too many: virt7 runs at most 255 VMs with 512 vCPUs in all");
	assert_int_equal(vm_destroy(vms[5]), 0);
	assert_int_equal(vm_assemble(&cfg, &vm), 0);
	assert_int_equal(vm->id, 5);
	while (vm_count > 0)
		assert_int_equal(vm_destroy(vms[vm_count - 1]), 0);
	cfg.cpus = 1;
	for (uint32_t i = 0; i < VM_MAX; i++)
		assert_int_equal(vm_assemble(&cfg, &vm), 0);
	assert_int_equal(vm_assemble(&cfg, &vm), -ENOSPC);
	while (vm_count > 0)
		assert_int_equal(vm_destroy(vms[vm_count - 1]), 0);
	expect_nothing();
	cfg.affinity = 0x100;
	fake_log_reset();
	assert_int_equal(vm_assemble(&cfg, &vm), -ENODEV);
	fake_log_expect_error("vm x: cpu-affinity 0x100 names no CPU that is online");
	assert_int_equal(vm_create("x"), -ENOENT); /* there is no bundle */
}

static void add_vm(struct fit *f, const char *name, const char *kernel)
{
	assert_int_equal(fdt_begin_node(f->blob, name), 0);
	fit_string(f, "compatible", "virt7,vm");
	assert_int_equal(fdt_property_u32(f->blob, "memory", 8192), 0);
	if (kernel)
		fit_string(f, "kernel", kernel);
	assert_int_equal(fdt_end_node(f->blob), 0);
}

/* By name, from the bundle: only a name that is not there is -ENOENT, what is wrong with another has had its line. */
static void test_create_by_name(void **state)
{
	static const struct fit_image image = {.name = "linux", .data = "x", .size = 1, .arch = "arm"};
	struct bundle b;
	struct fit f;

	(void)state;
	fit_begin(&f);
	fit_image(&f, &image);
	fit_vms(&f);
	add_vm(&f, "good", "linux");
	add_vm(&f, "bad", NULL);
	add_vm(&f, "bare", "gone");
	fit_end(&f);
	assert_int_equal(bundle_open(&b, f.blob, f.size), 0);
	vm_assemble_init(&b, GICV);
	assert_int_equal(vm_create("good"), 0);
	assert_string_equal(vms[0]->config.name, "good");
	assert_int_equal(now.ram, 0); /* until it is started */
	assert_int_equal(vm_create("bad"), -EINVAL);
	fake_log_expect_error("vm bad: /vms/bad: kernel: missing; name the image under /images to start, or give the "
			      "VM flash with code in it");
	fake_log_reset();
	assert_int_equal(vm_create("bare"), -EINVAL);
	fake_log_expect_error(
		"vm bare: /vms/bare: kernel: no image \"gone\" under /images; add it or correct the name");
	fake_log_reset();
	assert_int_equal(vm_create("absent"), -ENOENT);
	assert_int_equal(fake_log_count(LOG_ERR), 0);
	assert_int_equal(vm_destroy(vms[0]), 0);
	expect_nothing();
	fit_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_whole_life, setup),
		cmocka_unit_test_setup(test_refused_at_every_step, setup),
		cmocka_unit_test_setup(test_any_order, setup),
		cmocka_unit_test_setup(test_direct, setup),
		cmocka_unit_test_setup(test_direct_elsewhere, setup),
		cmocka_unit_test_setup(test_no_place, setup),
		cmocka_unit_test_setup(test_not_while_it_runs, setup),
		cmocka_unit_test_setup(test_no_cpu_remembers_it, setup),
		cmocka_unit_test_setup(test_limits, setup),
		cmocka_unit_test_setup(test_create_by_name, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
