# SPDX-License-Identifier: BSD-2-Clause
# The bench guest and `make bench`. Included by the top Makefile, after tests/guests/guests.mk; also works alone:
# make -f tests/guests/guests.mk -f tests/bench/bench.mk build/bench/bench.bin
BENCH_OBJS := $(patsubst %,$(BUILD)/bench/obj/%.o,bench blk fdt net rows virtio)

$(BUILD)/bench/obj/%.o: tests/bench/%.c tests/bench/bench.mk
	@mkdir -p $(@D)
	$(Q)echo "  CC   $<"; $(CROSS)gcc $(GUEST_CFLAGS) -c -o $@ $<

$(BUILD)/bench/obj/%.o: tests/bench/%.S tests/bench/bench.mk
	@mkdir -p $(@D)
	$(Q)echo "  AS   $<"; $(CROSS)gcc $(GUEST_CFLAGS) -c -o $@ $<

$(BUILD)/bench/bench.elf: $(BENCH_OBJS) $(GUEST_LIB_OBJS) tests/guests/lib/guest.lds
	$(Q)echo "  LD   $@"; $(CROSS)gcc $(GUEST_CFLAGS) $(GUEST_LDFLAGS) -o $@ $(filter %.o,$^) -lgcc

$(BUILD)/bench/bench.bin: $(BUILD)/bench/bench.elf
	$(Q)$(CROSS)objcopy -O binary $< $@

# virt7's own MMIO bus, without virt7: the object file is that of the image.
$(BUILD)/bench/obj/lookup.o: GUEST_CFLAGS += -Ihyp/arm/include
$(BUILD)/bench/lookup.elf: $(BUILD)/bench/obj/lookup.o $(BUILD)/obj/hyp/exit/mmio.o $(GUEST_LIB_OBJS) tests/guests/lib/guest.lds
	$(Q)echo "  LD   $@"; $(CROSS)gcc $(GUEST_CFLAGS) $(GUEST_LDFLAGS) -o $@ $(filter %.o,$^) -lgcc

$(BUILD)/bench/lookup.bin: $(BUILD)/bench/lookup.elf
	$(Q)$(CROSS)objcopy -O binary $< $@

# BENCHFLAGS=--quick for the guest's micro rows alone, --update for a new baseline, --fresh to measure the peers again.
bench: $(BUILD)/virt7.bin $(BUILD)/bench/bench.bin $(BUILD)/bench/lookup.bin $(BUILD)/initramfs.cpio linux ## native, virt7 and Xen side by side; BENCHFLAGS=--quick|--update|--fresh
	tools/deps xen
	$(Q)DEPS=$(DEPS) CROSS=$(CROSS) $(PYTHON) tests/bench/bench.py --build $(BUILD) $(BENCHFLAGS)
.PHONY: bench

-include $(BENCH_OBJS:.o=.d) $(BUILD)/bench/obj/lookup.d
