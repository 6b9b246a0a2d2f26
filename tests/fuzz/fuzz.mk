# SPDX-License-Identifier: BSD-2-Clause
# The fuzz target of hyp/virtio/ (tests/fuzz/virtio.c and others): clang's libFuzzer with ASan and UBSan over the sources of the unit tests.
#   make fuzz [FUZZ_SECONDS=60]   from the corpus on; what is found new is kept in build/fuzz/corpus
#   make fuzz-runs                the same runs each time: of `make test`
#   build/fuzz/virtio FILE        one input again, such as a crash's
#   make fuzz-lines               the lines that the corpus does not reach

FUZZ_CC      ?= clang
FUZZ_SECONDS ?= 60
FUZZ_RUNS    ?= 20000
FUZZ_BUILD   := $(BUILD)/fuzz
FUZZ_CORPUS  := tests/fuzz/corpus
FUZZ_SRCS    := $(addprefix tests/fuzz/,virtio.c driver.c net.c world.c) tests/unit/virtio_rig.c tests/unit/fit.c $(VIRTIO) $(DEVICE)
# Little RAM, for it is cleared for each input.
FUZZ_MACHINE := -DFAKE_GUEST_RAM='KIB(80)'
FUZZED       := $(addprefix hyp/virtio/,mmio.c device.c queue.c blk.c disk.c rng.c console.c capture.c net.c net_control.c net_receive.c net_send.c offload.c switch.c) hyp/vm/guestlist.c
FUZZ_CFLAGS  := -std=gnu11 -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Wall -Wextra -Wno-unused-parameter \
	-Wconversion -Wshadow -Wmissing-prototypes -Wno-initializer-overrides -Werror $(FUZZ_MACHINE)
FUZZ_LINES   := -std=gnu11 -O0 -g --coverage -fsanitize=address,undefined -fno-sanitize-recover=all $(FUZZ_MACHINE)
# What is freed is kept from reuse for a while: for a long one the memory of many inputs is mapped and given back all the time.
FUZZ_ASAN    := ASAN_OPTIONS=quarantine_size_mb=4
FUZZ_LIMITS  := -entropic=0 -max_len=512 -timeout=20 -artifact_prefix=$(FUZZ_BUILD)/
FUZZ_WITHOUT := fuzz: no clang with libFuzzer here (Debian: clang and libclang-rt-dev)

$(FUZZ_BUILD)/virtio: $(FUZZ_SRCS:%.c=$(FUZZ_BUILD)/obj/%.o)
	$(FUZZ_CC) $(FUZZ_CFLAGS) $^ $(UNIT_LIBS) -o $@

$(FUZZ_BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) $(UNIT_CPPFLAGS) -MMD -MP -c $< -o $@
-include $(shell find $(FUZZ_BUILD)/obj -name '*.d' 2>/dev/null)

# An empty target that links.
FUZZ_PROBE = mkdir -p $(FUZZ_BUILD) && echo 'int LLVMFuzzerTestOneInput(void); int LLVMFuzzerTestOneInput(void) { return 0; }' | \
	$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -x c - -o $(FUZZ_BUILD)/probe 2>/dev/null

# The fuzzers without libFuzzer, for any compiler.
$(FUZZ_BUILD)/replay: $(patsubst %.c,$(FUZZ_BUILD)/lines/%.o,$(FUZZ_SRCS) tests/fuzz/replay.c)
	$(HOSTCC) $(FUZZ_LINES) $^ $(UNIT_LIBS) -o $@

$(FUZZ_BUILD)/lines/%.o: %.c
	@mkdir -p $(@D)
	$(HOSTCC) $(FUZZ_LINES) $(UNIT_CPPFLAGS) -MMD -MP -c $< -o $@
-include $(shell find $(FUZZ_BUILD)/lines -name '*.d' 2>/dev/null)

.PHONY: fuzz fuzz-runs fuzz-replay fuzz-seeded fuzz-lines
fuzz: ## a hostile virtio driver by libFuzzer, for FUZZ_SECONDS= (60)
	@$(FUZZ_PROBE) || { echo '$(FUZZ_WITHOUT)' >&2; exit 1; }
	$(Q)$(MAKE) --no-print-directory $(FUZZ_BUILD)/virtio && mkdir -p $(FUZZ_BUILD)/corpus
	$(FUZZ_ASAN) $(FUZZ_BUILD)/virtio $(FUZZ_LIMITS) -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 $(FUZZ_BUILD)/corpus $(FUZZ_CORPUS)

# The fixed seed and number make the runs the same each time. Where there is no libFuzzer the corpus alone is run.
fuzz-runs: fuzz-replay
	$(Q)if $(FUZZ_PROBE); then $(MAKE) --no-print-directory fuzz-seeded; else echo '$(FUZZ_WITHOUT)'; fi

fuzz-seeded: $(FUZZ_BUILD)/virtio
	$(Q)rm -rf $(FUZZ_BUILD)/seeded && mkdir $(FUZZ_BUILD)/seeded
	$(Q)$(FUZZ_ASAN) $< $(FUZZ_LIMITS) -seed=1 -runs=$(FUZZ_RUNS) $(FUZZ_BUILD)/seeded $(FUZZ_CORPUS) >$(FUZZ_BUILD)/seeded.log 2>&1 || \
		{ cat $(FUZZ_BUILD)/seeded.log; exit 1; }
	$(Q)grep '^Done' $(FUZZ_BUILD)/seeded.log

fuzz-replay: $(FUZZ_BUILD)/replay
	$(Q)find $(FUZZ_BUILD)/lines -name '*.gcda' -delete
	$(Q)$< $(FUZZ_CORPUS)/*

fuzz-lines: fuzz-replay
	$(Q)for file in $(FUZZED); do echo "$$file"; gcov -t $(FUZZ_BUILD)/lines/$${file%.c}.gcda 2>/dev/null | grep '#####:' | sort -u; done
