/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What virt7's MMIO bus takes to find a device among 32: its own object code (hyp/exit/mmio.c), linked with the library
 * of the test guests, runs natively on a bus that no VM has. tests/bench/bench.py counts the instructions.
 */
#include "hyp/exit/mmio.h"
#include "hyp/vm/vm.h"

#define DEVICES     32U
#define DEVICE_BASE 0x0a000000U
#define DEVICE_STEP 0x00010000U
#define ROUNDS      4096U

/* Of tests/guests/lib/guest.h, whose names for registers are not those of hyp/arm. */
int printf(const char *format, ...);
void guest_main(void);
void __aeabi_unwind_cpp_pr0(void);

static struct vm vm;
static struct vcpu vcpu = {.vm = &vm};

static uint64_t device_read(struct vcpu *by, void *device, uint32_t offset, uint32_t size)
{
	(void)by, (void)device, (void)size;
	return offset;
}

static bool device_write(struct vcpu *by, void *device, uint32_t offset, uint32_t value, uint32_t size)
{
	(void)by, (void)device, (void)offset, (void)value, (void)size;
	return true;
}

/* What the object's unwind tables name; it is never called. */
void __aeabi_unwind_cpp_pr0(void)
{
}

void guest_main(void)
{
	static const struct mmio_ops ops = {device_read, device_write, MMIO_ANY};
	struct mmio_access access = {.size = MMIO_WORD};
	uint32_t found = 0;

	for (uint32_t i = 0; i < DEVICES; i++)
		mmio_add(&vm.bus, DEVICE_BASE + i * DEVICE_STEP, PAGE_SIZE, &ops, NULL);
	__asm__ volatile("dbg #1" ::: "memory");
	for (uint32_t i = 0; i < ROUNDS; i++)
		found += mmio_access(&vcpu, DEVICE_BASE + i % DEVICES * DEVICE_STEP, &access) == MMIO_DONE;
	__asm__ volatile("dbg #2" ::: "memory");
	printf("row mmio_find_32 rounds %u own 0\nbench: %s\n", ROUNDS, found == ROUNDS ? "done" : "not found");
}
