# SPDX-License-Identifier: BSD-2-Clause
# Freestanding programs for Debian's userspace on ARM: each source file here is one, static and without a C library. Included
# by the top Makefile; works alone: make -f tests/linux/linux.mk linux
CROSS ?= arm-none-eabi-
BUILD ?= build

LINUX_PROGRAMS := badmem byteorder byteorder-be8 diskio kexec memrecords neon netio
LINUX_CFLAGS := -march=armv7ve -mfpu=neon-vfpv4 -mfloat-abi=softfp -marm -O2 -std=gnu11 -ffreestanding -fno-stack-protector \
	-fno-math-errno -fno-tree-loop-distribute-patterns -ffp-contract=off -Wall -Wextra -Werror -Wshadow -Wmissing-prototypes -I. -MMD -MP

.PHONY: linux
linux: $(LINUX_PROGRAMS:%=$(BUILD)/linux/%)

$(BUILD)/linux/%: tests/linux/%.c tests/linux/start.S tests/linux/linux.mk
	@mkdir -p $(@D)
	$(CROSS)gcc $(LINUX_CFLAGS) -nostdlib -static -Wl,-Ttext=0x10000,--build-id=none,-z,max-page-size=4096 \
	-o $@ tests/linux/start.S $< -lgcc

# For big-endian kernels: BE8, whose instructions are little-endian. There may be no libgcc of that order, nor any need of it.
$(BUILD)/linux/%-be8: tests/linux/%.c tests/linux/start.S tests/linux/linux.mk
	@mkdir -p $(@D)
	$(CROSS)gcc $(LINUX_CFLAGS) -mbig-endian -nostdlib -static -Wl,--be8,-Ttext=0x10000,--build-id=none,-z,max-page-size=4096 \
	-o $@ tests/linux/start.S $<

-include $(wildcard $(BUILD)/linux/*.d)
