/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices of the host in a VM: claims and refusals, pages that are mapped and parts of pages that are not, interrupts.
 */
#include "pass_rig.h"

/* A page that no other device shares is the guest's, where the host has it; the rest of a page of others' comes to
 * virt7. */
static void test_pages(void **state)
{
	const struct mmio_region *region;

	(void)state;
	assert_int_equal(create("/soc/mmc@50000800"), 0);
	assert_int_equal(fake_pass.mapped, 3);
	assert_true(preempts >=
		    4U + host.tree_nodes); /* others may run behind each page, and each node that may be in one */
	assert_int_equal(fake_pass.page[0].ipa, 0x50001000);
	assert_int_equal(fake_pass.page[0].pa, 0x50001000);
	assert_int_equal(fake_pass.page[1].pa, 0x50002000);
	assert_int_equal(fake_pass.page[2].pa, 0x50010000);
	assert_null(mmio_find(&vm.bus, 0x500007fc));
	region = mmio_find(&vm.bus, 0x50000800);
	assert_non_null(region);
	assert_ptr_equal(region, mmio_find(&vm.bus, 0x50000ffc));
	assert_null(mmio_find(&vm.bus, 0x50001000));
	assert_int_equal(fake_pass.shown, 0x50000000);
	assert_int_equal(fake_pass.forwarded, 2);
	assert_int_equal(fake_pass.irq[0].guest, 144);
	assert_int_equal(fake_pass.irq[0].host, 52);
	assert_true(!fake_pass.irq[0].edge && fake_pass.irq[1].edge);
	assert_int_equal(fake_pass.irq[1].guest, 145);
	assert_string_equal(fake_log_last(LOG_INFO),
			    "vm web: passthrough /soc/mmc@50000800: interrupt 53 is 145, by edges");
}

/* Another device is in the page: the VM has its own part of it only. */
static void test_window(void **state)
{
	(void)state;
	vm.config.trusted_dma = true;
	assert_int_equal(create("/soc/virtio@a000200"), 0);
	assert_int_equal(fake_pass.mapped, 0);
	assert_non_null(mmio_find(&vm.bus, WINDOW + 0x200));
	assert_null(mmio_find(&vm.bus, WINDOW + 0x1fc));
	assert_null(mmio_find(&vm.bus, WINDOW + 0x400));
}

/* All that is in the page is the VM's: each of them is mapped, in a page of the window. */
static void test_own_page(void **state)
{
	(void)state;
	vm.config.trusted_dma = true;
	and("/soc/virtio@a000200");
	assert_int_equal(create("/soc/virtio@a000000"), 0);
	assert_int_equal(fake_pass.mapped, 2);
	assert_int_equal(fake_pass.page[0].ipa, WINDOW);
	assert_int_equal(fake_pass.page[1].ipa, WINDOW + PAGE_SIZE);
	assert_int_equal(fake_pass.page[0].pa, 0xa000000);
	assert_int_equal(fake_pass.page[1].pa, 0xa000000);
	assert_null(mmio_find(&vm.bus, WINDOW + 0x200));
}

/* What else is in the page is a place of virtio-mmio without a device; with one, or claimed by another, it counts. */
static void test_empty_place(void **state)
{
	struct hostdev other;

	(void)state;
	vm.config.trusted_dma = true;
	memcpy(fake_pass.registers, "virt", 4);
	fake_pass.registers[8] = 2;
	assert_int_equal(create("/soc/virtio@a000200"), 0);
	assert_int_equal(fake_pass.mapped, 0);
	device_destroy_all(&vm);

	fake_pass.registers[8] = 0;
	make("/soc/virtio@a000200", 0x10000000);
	assert_int_equal(fake_pass.mapped, 1);
	assert_int_equal(fake_pass.page[0].ipa, WINDOW);
	device_destroy_all(&vm);

	assert_null(hostdev_find("/soc/virtio@a000000", &other));
	assert_null(hostdev_claim(&other, "other"));
	make("/soc/virtio@a000200", 0x10000000);
	assert_int_equal(fake_pass.mapped, 1);
	hostdev_release(&other);
	device_destroy_all(&vm);

	fake_machine.bad = fake_pass.registers;
	fake_machine.bad_size = 4;
	make("/soc/virtio@a000200", 0x10000000);
	assert_int_equal(fake_pass.mapped, 1);
}

/* In the way of the guest's RAM; alone in its page, so that this is mapped whole. */
static void test_moved_out_of_ram(void **state)
{
	(void)state;
	vm.config.ram_size = 0x40000000;
	assert_int_equal(create("/soc/small@60000100"), 0);
	assert_int_equal(fake_pass.mapped, 1);
	assert_int_equal(fake_pass.page[0].ipa, WINDOW);
	assert_int_equal(fake_pass.page[0].pa, 0x60000000);
	assert_string_equal(fake_log_last(LOG_INFO),
			    "vm web: passthrough /soc/small@60000100: interrupt 50 is 144, by level");
}

/* Accesses of the guest reach the register in their width, and one that aborts leaves the exit's registers alone. */
static void test_accesses(void **state)
{
	struct vcpu vcpu = {.vm = &vm};
	struct mmio_access access = {.size = 1, .write = true, .value = 0x1234};

	(void)state;
	vm.config.trusted_dma = true;
	assert_int_equal(create("/soc/virtio@a000200"), 0);
	assert_int_equal(mmio_access(&vcpu, WINDOW + 0x203, &access), MMIO_DONE);
	assert_int_equal(fake_pass.registers[0x203], 0x34);
	assert_int_equal(fake_pass.registers[0x204], 0);
	fake_pass.registers[0x202] = 0x56;
	access = (struct mmio_access){.size = 2};
	assert_int_equal(mmio_access(&vcpu, WINDOW + 0x202, &access), MMIO_DONE);
	assert_int_equal(access.value, 0x3456);

	fake_machine.bad = fake_pass.registers;
	fake_machine.bad_size = sizeof(fake_pass.registers);
	write_hdfar(0x1203);
	write_hpfar(0xc0000);
	write_elr_hyp(0x8000);
	for (uint32_t write = 0; write < 2; write++) {
		access = (struct mmio_access){.size = 4, .write = write};
		assert_int_equal(mmio_access(&vcpu, WINDOW + 0x200, &access), MMIO_UNHANDLED);
		assert_int_equal(read_hdfar(), 0x1203);
		assert_int_equal(read_hpfar(), 0xc0000);
		assert_int_equal(read_elr_hyp(), 0x8000);
	}
}

static void expect_refusal(const char *path, const char *line)
{
	assert_int_not_equal(create(path), 0);
	fake_log_expect_error(line);
	assert_int_equal(fake_log_count(LOG_ERR), 1);
}

static void test_untrusted(void **state)
{
	(void)state;
	expect_refusal("/soc/virtio@a000200",
		       "vm web: passthrough /soc/virtio@a000200: it may write to any RAM by itself: "
		       "only a VM that says trusted-dma gets it");
}

/* The second one is refused, and the first one given up with it. */
static void test_gives_up_all(void **state)
{
	struct hostdev dev;

	(void)state;
	and("/soc/eth@50020000");
	expect_refusal("/soc/nothing", "vm web: passthrough /soc/nothing: the host's device tree has no such node");
	assert_null(hostdev_find("/soc/eth@50020000", &dev));
	assert_null(hostdev_claim(&dev, "another"));
	hostdev_release(&dev);
}

static void test_twice(void **state)
{
	(void)state;
	and("/soc/eth@50020000");
	expect_refusal("/soc/eth@50020000", "it, or a part of it, is taken already by web");
}

static void test_no_words(void **state)
{
	(void)state;
	expect_refusal("/soc/odd@60001000", "its reg is not of whole words");
}

static void test_too_large(void **state)
{
	(void)state;
	expect_refusal("/soc/large@30000000", "from 0x0c000000 to 0x0e000000 do not suffice");
}

static void test_irq_in_use(void **state)
{
	(void)state;
	fake_pass.forward_error = -EBUSY;
	expect_refusal("/soc/eth@50020000", "its interrupt is in use");
}

/* Named by the node for two purposes, the interrupt is one, the host's and the guest's. */
static void test_same_irq(void **state)
{
	(void)state;
	assert_int_equal(create("/soc/pair@50030000"), 0);
	assert_int_equal(fake_pass.forwarded, 2);
	assert_int_equal(fake_pass.irq[0].guest, 144);
	assert_int_equal(fake_pass.irq[0].host, 62);
	assert_int_equal(fake_pass.irq[1].guest, 145);
}

/* Who waits for a reset lets others have the CPU: a guest can make its device take as long as virt7 waits. */
static void test_slow_reset(void **state)
{
	(void)state;
	vm.config.trusted_dma = true;
	assert_int_equal(create("/soc/sata@50040000"), 0);
	preempts = 0;
	ends_at = &fake_pass.registers[4];
	passthrough_class.quiesce(vm.devices);
	assert_int_equal(preempts, 1);
	assert_false(vm.keeps_ram);

	ends_at = NULL;
	passthrough_class.quiesce(vm.devices);
	assert_true(preempts > 2);
	assert_true(vm.keeps_ram);
}

/* virtio's Status is written 0, and reads so: its RAM is free. */
static void test_quiet(void **state)
{
	struct device *device;

	(void)state;
	vm.config.trusted_dma = true;
	assert_int_equal(create("/soc/virtio@a000200"), 0);
	device = vm.devices;
	fake_pass.registers[0x270] = 0x0f;
	fake_pass.registers[0x271] = 0xff;
	vm.keeps_ram = true;
	passthrough_class.quiesce(device);
	assert_int_equal(fake_pass.registers[0x270], 0);
	assert_int_equal(fake_pass.registers[0x271], 0);
	assert_false(vm.keeps_ram);

	fake_machine.bad = fake_pass.registers;
	fake_machine.bad_size = sizeof(fake_pass.registers);
	write_elr_hyp(0x8000);
	passthrough_class.quiesce(device);
	assert_true(vm.keeps_ram);
	assert_int_equal(read_elr_hyp(), 0x8000);
	device_destroy_all(&vm);
	assert_int_equal(fake_pass.quarantines, 1);
}

/* A master that virt7 does not know: its VM keeps its RAM, and what is no master does not count. */
static void test_never_quiet(void **state)
{
	(void)state;
	vm.config.trusted_dma = true;
	and("/soc/eth@50020000");
	assert_int_equal(create("/soc/next@50000000"), 0);
	passthrough_class.quiesce(vm.devices);
	assert_true(vm.keeps_ram);
	device_destroy_all(&vm);
	assert_int_equal(fake_pass.quarantines, 1);
	assert_false(vm.keeps_ram);
}

/* The VM is destroyed, with RAM that one of its devices may still write to, and made anew with `size` bytes of RAM. */
static void make_anew(const char *path, uint64_t size)
{
	uint32_t before = fake_pass.quarantines;

	vm.config.trusted_dma = true;
	vm.extent[0] = (struct vm_extent){0x90000000, 0x90000000, 0x10000000};
	vm.extent_count = 1;
	passthrough_class.quiesce(vm.devices);
	device_destroy_all(&vm);
	assert_int_equal(fake_pass.quarantines, before + 1);
	fake_machine.bad = NULL;
	make(path, size);
}

/* Who has the device again, and needs as much, has the RAM again; before that no VM gets it. */
static void test_claimed_again(void **state)
{
	(void)state;
	vm.config.trusted_dma = true;
	assert_int_equal(create("/soc/next@50000000"), 0);
	make_anew("/soc/eth@50020000", 0x10000000);
	assert_int_equal(fake_pass.adoptions + fake_pass.ends, 0);
	device_destroy_all(&vm);
	make("/soc/next@50000000", 0x8000000);
	assert_int_equal(fake_pass.adoptions + fake_pass.ends, 0);
	device_destroy_all(&vm);
	make("/soc/next@50000000", 0x10000000);
	assert_int_equal(fake_pass.adoptions, 1);
	assert_int_equal(vm.extent[0].pa, 0x90000000);
	assert_true(vm.keeps_ram);

	/* It is out of quarantine, and goes there again with this one. */
	make_anew("/soc/next@50000000", 0x10000000);
	assert_int_equal(fake_pass.adoptions, 2);
	assert_int_equal(fake_pass.ends, 0);
	vm.keeps_ram = false;
}

/* It is made anew and destroyed without a start in between: the device is what it was, and so is the quarantine. */
static void test_claimed_and_never_started(void **state)
{
	(void)state;
	vm.config.trusted_dma = true;
	assert_int_equal(create("/soc/next@50000000"), 0);
	make_anew("/soc/next@50000000", 0x10000000);
	assert_int_equal(fake_pass.adoptions, 1);
	device_destroy_all(&vm);
	assert_int_equal(fake_pass.quarantines, 2);
	make("/soc/eth@50020000", 0x10000000);
	assert_int_equal(fake_pass.ends, 0);
	assert_int_equal(fake_pass.adoptions, 1);
	device_destroy_all(&vm);
	make("/soc/next@50000000", 0x10000000);
	assert_int_equal(fake_pass.ends, 0);
	assert_int_equal(fake_pass.adoptions, 2);
	vm.keeps_ram = false;
}

/* A device that did not answer, and now does: the RAM is free for any VM. */
static void test_reset_at_last(void **state)
{
	(void)state;
	vm.config.trusted_dma = true;
	assert_int_equal(create("/soc/virtio@a000200"), 0);
	fake_machine.bad = fake_pass.registers;
	fake_machine.bad_size = sizeof(fake_pass.registers);
	make_anew("/soc/virtio@a000200", 0x8000000);
	assert_int_equal(fake_pass.ends, 1);
	assert_int_equal(fake_pass.adoptions, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pages),         TEST(test_window),           TEST(test_own_page),
		TEST(test_empty_place),   TEST(test_moved_out_of_ram), TEST(test_accesses),
		TEST(test_untrusted),     TEST(test_gives_up_all),     TEST(test_twice),
		TEST(test_no_words),      TEST(test_too_large),        TEST(test_irq_in_use),
		TEST(test_quiet),         TEST(test_never_quiet),      TEST(test_same_irq),
		TEST(test_slow_reset),    TEST(test_claimed_again),    TEST(test_claimed_and_never_started),
		TEST(test_reset_at_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
