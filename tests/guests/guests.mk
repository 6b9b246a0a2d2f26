# SPDX-License-Identifier: BSD-2-Clause
# Bare-metal test guests: one image per name in GUESTS, of the source file of that name, all with the library in lib/.
# Included by the top Makefile; also works alone: make -f tests/guests/guests.mk guests
CROSS ?= arm-none-eabi-
BUILD ?= build

GUESTS := board busmaster coproc cpuon-race deadlines devmem entry exceptions freed gic gicshare gicsmp hostile hostirq isolation memerr mmio mmu model net pass pl011 pl031 pl061 psci reset rtos setway smp storm suspend talk testdev timer vfp vfpdisk virtio virtio_hostile virtio_net_hostile world

# Soft float: only the guests devmem, vfp, vfpdisk and world touch the VFP registers, in assembly of their own. With the MMU off all memory is
# Strongly-ordered, where an unaligned access faults (DDI 0406C A3.2.2).
GUEST_CFLAGS := -march=armv7ve -marm -mfloat-abi=soft -mno-unaligned-access -O2 -g -std=gnu11 -ffreestanding \
	-fno-common -fno-tree-loop-distribute-patterns -fno-stack-protector -Wall -Wextra -Werror -Wshadow \
	-Wmissing-prototypes -I. -MMD -MP
GUEST_LDFLAGS := -nostdlib -Wl,-T,tests/guests/lib/guest.lds -Wl,--build-id=none -Wl,--fatal-warnings

GUEST_LIB := start.o cache.o console.o exception.o gic.o hostile.o main.o mmu.o remote.o smp.o timer.o
GUEST_LIB_OBJS := $(addprefix $(BUILD)/guests/obj/lib/,$(GUEST_LIB))
GUEST_ELFS := $(GUESTS:%=$(BUILD)/guests/%.elf)
GUEST_BINS := $(GUESTS:%=$(BUILD)/guests/%.bin)

.PHONY: guests
guests: $(GUEST_BINS) $(BUILD)/guests/park.bin

$(BUILD)/guests/obj/%.o: tests/guests/%.c tests/guests/guests.mk
	@mkdir -p $(@D)
	$(CROSS)gcc $(GUEST_CFLAGS) -c -o $@ $<

$(BUILD)/guests/obj/%.o: tests/guests/%.S tests/guests/guests.mk
	@mkdir -p $(@D)
	$(CROSS)gcc $(GUEST_CFLAGS) -c -o $@ $<

$(GUEST_ELFS): $(BUILD)/guests/%.elf: $(BUILD)/guests/obj/%.o $(GUEST_LIB_OBJS) tests/guests/lib/guest.lds
	$(CROSS)gcc $(GUEST_CFLAGS) $(GUEST_LDFLAGS) -o $@ $(filter %.o,$^) -lgcc

# The instructions under test of these are in a file of assembly.
$(foreach g,exceptions mmio psci vfp world,$(eval $(BUILD)/guests/$(g).elf: $(BUILD)/guests/obj/$(g)-insn.o))
$(BUILD)/guests/smp.elf: $(addprefix $(BUILD)/guests/obj/smp-,irq.o memory.o rig.o)
$(BUILD)/guests/virtio_hostile.elf: $(BUILD)/guests/obj/virtio_hostile-resets.o
$(foreach g,devmem vfpdisk world,$(BUILD)/guests/$(g).elf): $(BUILD)/guests/obj/vfp-insn.o

# entry 2 MiB above the start of RAM: as an ELF file it finds its device tree elsewhere.
$(BUILD)/guests/high.lds: tests/guests/lib/guest.lds
	@mkdir -p $(@D)
	sed 's/0x40010000/0x40200000/' $< >$@
$(BUILD)/guests/entry-high.elf: $(BUILD)/guests/obj/entry.o $(GUEST_LIB_OBJS) $(BUILD)/guests/high.lds
	$(CROSS)gcc $(GUEST_CFLAGS) -nostdlib -Wl,-T,$(BUILD)/guests/high.lds -Wl,--build-id=none -o $@ $(filter %.o,$^) -lgcc
guests: $(BUILD)/guests/entry-high.elf

# Guests that lie where a VM with trusted-dma has its RAM: the host's, on a QEMU of 512 MiB the first and the second piece.
DIRECT := busmaster-direct0 pass-direct0 pass-direct8
$(BUILD)/guests/direct%.lds: tests/guests/lib/guest.lds
	@mkdir -p $(@D)
	sed 's/0x40010000/0x5$*010000/; s/0x41000000/0x5$*800000/' $< >$@
define direct
$(BUILD)/guests/$(1)-direct%.elf: $(BUILD)/guests/obj/$(1).o $(GUEST_LIB_OBJS) $(BUILD)/guests/direct%.lds
	$(CROSS)gcc $(GUEST_CFLAGS) -nostdlib -Wl,-T,$(BUILD)/guests/direct$$*.lds -Wl,--build-id=none -o $$@ $$(filter %.o,$$^) -lgcc
endef
$(foreach g,busmaster pass,$(eval $(call direct,$(g))))
$(DIRECT:%=$(BUILD)/guests/%.bin): %.bin: %.elf
	$(CROSS)objcopy -O binary $< $@
guests: $(DIRECT:%=$(BUILD)/guests/%.bin)

$(GUEST_BINS): %.bin: %.elf
	$(CROSS)objcopy -O binary $< $@

# Not a guest: a boot loader of its own, without the library (tests/qemu/test_boards.py).
$(BUILD)/guests/park.elf: $(BUILD)/guests/obj/park.o
	$(CROSS)gcc -nostdlib -Wl,-Ttext=0 -Wl,--build-id=none -o $@ $<
$(BUILD)/guests/park.bin: %.bin: %.elf
	$(CROSS)objcopy -O binary $< $@

-include $(wildcard $(BUILD)/guests/obj/*.d $(BUILD)/guests/obj/lib/*.d)
