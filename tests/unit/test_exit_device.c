/* SPDX-License-Identifier: BSD-2-Clause */
/* Accesses to devices on the fast way: each register and width, and what goes the slow way. */
#include "exit_rig.h"

/* --- the plain device access -------------------------------------------------------------------------------------- */

#define UART 0x09000000U

static struct {
	uint32_t calls, offset, size, value;
	bool write, refuse;
	uint64_t answer;
} device;

static uint64_t device_read(struct vcpu *of, void *arg, uint32_t offset, uint32_t size)
{
	assert_ptr_equal(of, &vcpu);
	assert_ptr_equal(arg, &device);
	device.calls++;
	device.write = false;
	device.offset = offset;
	device.size = size;
	return device.answer;
}

static bool device_write(struct vcpu *of, void *arg, uint32_t offset, uint32_t value, uint32_t size)
{
	device_read(of, arg, offset, size);
	device.write = true;
	device.value = value;
	return !device.refuse;
}

static const struct mmio_ops device_ops = {device_read, device_write, MMIO_ANY};

static int device_setup(void **state)
{
	setup(state);
	seen.action = EXIT_AGAIN; /* abort_data() does nothing */
	memset(&device, 0, sizeof(device));
	assert_int_equal(mmio_add(&vm.bus, UART + 0x80, 0x80, &device_ops, &device), 0);
	for (uint32_t i = 0; i < 13; i++)
		regs.r[i] = 0xa0b0c0d0U + i;
	return 0;
}

/* `log2size` 0 ... 2. True: the device was asked and abort_data() was not. */
static bool access_device(uint32_t at, uint32_t log2size, uint32_t reg, uint32_t iss, uint32_t spsr)
{
	device.calls = 0;
	write_hdfar(0xc0de0000U | (at & 0xfffU));
	write_hpfar(at >> 12 << 4);
	trap(HSR(EC_DABT_GUEST, !(iss & HSR_IL), ISS_DABT_ISV | log2size << 22 | reg << 16 | 6U | (iss & ~HSR_IL)),
	     spsr);
	assert_int_equal(device.calls, seen.handled == 0);
	if (seen.handled)
		assert_int_equal(read_elr_hyp(), PC);
	return !seen.handled;
}

static void test_device_read(void **state)
{
	(void)state;
	device.answer = 0x8091a2b3;
	assert_true(access_device(UART + 0x98, 2, 5, 0, PSR_MODE_SVC));
	assert_int_equal(device.offset, 0x18);
	assert_int_equal(device.size, 4);
	assert_false(device.write);
	assert_int_equal(regs.r[5], 0x8091a2b3);
	assert_int_equal(read_elr_hyp(), PC + 4);
	assert_int_equal(read_spsr_hyp(), PSR_MODE_SVC);
	device.answer = 0x80;
	assert_true(access_device(UART + 0x99, 0, 12, HSR_IL, PSR_MODE_SVC | PSR_T)); /* HSR_IL here: not set there */
	assert_int_equal(regs.r[12], 0x80);
	assert_int_equal(read_elr_hyp(), PC + 2);
	assert_true(access_device(UART + 0x99, 0, 0, ISS_DABT_SSE, PSR_MODE_USR));
	assert_int_equal(regs.r[0], 0xffffff80);
	device.answer = 0x8001;
	assert_true(access_device(UART + 0x9a, 1, 8, ISS_DABT_SSE, PSR_MODE_IRQ));
	assert_int_equal(regs.r[8], 0xffff8001);
}

static void test_device_write(void **state)
{
	(void)state;
	for (uint32_t size = 0; size < 3; size++) {
		assert_true(access_device(UART + 0xfc, size, 7, ISS_DABT_WNR, PSR_MODE_SVC));
		assert_true(device.write);
		assert_int_equal(device.offset, 0x7c);
		assert_int_equal(device.size, 1U << size);
		assert_int_equal(device.value, size == 0 ? 0xd7 : size == 1 ? 0xc0d7 : 0xa0b0c0d7);
		assert_int_equal(regs.r[7], 0xa0b0c0d7);
	}
}

/* A register, as its mode has it, and where that is. */
struct device_register {
	uint32_t mode, number;
	uint32_t (*read)(void);
	void (*write)(uint32_t value);
};

static uint32_t read_r9(void)
{
	return regs.r[9];
}

static void write_r9(uint32_t value)
{
	regs.r[9] = value;
}

static uint32_t read_frame_lr(void)
{
	return regs.lr;
}

static void write_frame_lr(uint32_t value)
{
	regs.lr = value;
}

/* Every register that an instruction may name, banked ones too, in each width. */
static void test_device_registers(void **state)
{
	static const struct device_register reg[] = {
		{PSR_MODE_SVC, 9, read_r9, write_r9},
		{PSR_MODE_FIQ, 9, read_r9_fiq, write_r9_fiq},
		{PSR_MODE_FIQ, 14, read_lr_fiq, write_lr_fiq},
		{PSR_MODE_SVC, 13, read_sp_svc, write_sp_svc},
		{PSR_MODE_SVC, 14, read_lr_svc, write_lr_svc},
		{PSR_MODE_IRQ, 14, read_lr_irq, write_lr_irq},
		{PSR_MODE_USR, 14, read_frame_lr, write_frame_lr},
		{PSR_MODE_SYS, 14, read_frame_lr, write_frame_lr},
	};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(reg) * 2U; i++) {
		const struct device_register *r = &reg[i / 2U];
		uint32_t size = i % 2U ? 2 : 1, mask = size == 1 ? 0xffffU : UINT32_MAX;

		for (uint32_t each = 0; each < ARRAY_SIZE(reg); each++)
			reg[each].write(0xbad);
		device.answer = 0x12345678 & mask;
		assert_true(access_device(UART + 0x98, size, r->number, 0, r->mode));
		assert_int_equal(r->read(), device.answer);
		for (uint32_t each = 0; each < ARRAY_SIZE(reg); each++)
			if (reg[each].read != r->read)
				assert_int_equal(reg[each].read(), 0xbad);
		r->write(0x89abcdef);
		assert_true(access_device(UART + 0x98, size, r->number, ISS_DABT_WNR, r->mode));
		assert_int_equal(device.value, 0x89abcdef & mask);
	}
}

/* Everything that makes it another case is abort_data()'s, and the device has not been asked. */
static void test_device_slow(void **state)
{
	static const struct {
		uint32_t at, log2size, reg, iss, spsr;
	} bad[] = {
		{UART + 0x7c, 2, 0, 0, PSR_MODE_SVC},
		{UART + 0x100, 2, 0, 0, PSR_MODE_SVC},
		{UART + 0x1080, 2, 0, 0, PSR_MODE_SVC},
		{UART - 0xf80, 2, 0, 0, PSR_MODE_SVC},
		{UART + 0x82, 2, 0, 0, PSR_MODE_SVC},
		{UART + 0x81, 1, 0, 0, PSR_MODE_SVC},
		{UART + 0x80, 2, 0, 0, PSR_MODE_SVC | PSR_E},
		{UART + 0x80, 3, 0, 0, PSR_MODE_SVC},
		/* a store to memory that may only be read: HPFAR is of an earlier fault */
		{UART + 0x80, 2, 0, ISS_DABT_WNR | FSC_PERMISSION, PSR_MODE_SVC},
		{UART + 0x80, 0, 0, ISS_DABT_WNR | FSC_PERMISSION, PSR_MODE_SVC},
		{UART + 0x80, 2, 14, ISS_DABT_WNR | FSC_PERMISSION, PSR_MODE_SVC},
	};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(access_device(bad[i].at, bad[i].log2size, bad[i].reg, bad[i].iss, bad[i].spsr));
	for (uint32_t state_of_it = 1; state_of_it < 0x100; state_of_it++)
		assert_false(access_device(UART + 0x80, 2, 0, 0, PSR_MODE_SVC | PSR_T | it(state_of_it)));
	assert_true(access_device(UART + 0x80, 2, 7, 0, PSR_MODE_FIQ));
	vm.bus.region[1].ops.widths = MMIO_WORD;
	assert_false(access_device(UART + 0x80, 0, 0, 0, PSR_MODE_SVC));
	assert_true(access_device(UART + 0x80, 2, 0, 0, PSR_MODE_SVC));
	trap(HSR(EC_DABT_GUEST, true, 2U << 22 | 6U), PSR_MODE_SVC); /* no syndrome */
	assert_int_equal(seen.handled, 1);
	mmio_init(&vm.bus);
	assert_false(access_device(UART + 0x80, 2, 0, 0, PSR_MODE_SVC));
	assert_false(access_device(0, 2, 0, 0, PSR_MODE_SVC));
}

/* A page that the device's slot would be right for, too. */
static void test_device_of_another_page(void **state)
{
	uint32_t page = UART >> 12, slot = mmio_slot(UART >> 12 << 4, vm.bus.multiplier);

	(void)state;
	do
		page++;
	while (mmio_slot(page << 4, vm.bus.multiplier) != slot);
	assert_false(access_device((page << 12) + 0x80, 2, 0, 0, PSR_MODE_SVC));
	assert_false(access_device((page << 12) + 0x80, 1, 0, 0, PSR_MODE_SVC));
	assert_true(access_device(UART + 0x80, 2, 0, 0, PSR_MODE_SVC));
}

/* What the device refuses, abort_data() hears of too. */
static void test_device_refuses(void **state)
{
	(void)state;
	device.answer = MMIO_ABORT;
	device.refuse = true;
	for (uint32_t write = 0; write < 2; write++) {
		write_hdfar(0x80);
		write_hpfar(UART >> 12 << 4);
		trap(HSR(EC_DABT_GUEST, true, ISS_DABT_ISV | 2U << 22 | 3U << 16 | (write ? ISS_DABT_WNR : 0) | 6U),
		     PSR_MODE_SVC);
		assert_int_equal(seen.handled, 1);
		assert_int_equal(regs.r[3], 0xa0b0c0d3);
		assert_int_equal(read_elr_hyp(), PC);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_device_read, device_setup),
		cmocka_unit_test_setup(test_device_write, device_setup),
		cmocka_unit_test_setup(test_device_registers, device_setup),
		cmocka_unit_test_setup(test_device_slow, device_setup),
		cmocka_unit_test_setup(test_device_of_another_page, device_setup),
		cmocka_unit_test_setup(test_device_refuses, device_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
