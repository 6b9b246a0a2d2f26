# SPDX-License-Identifier: BSD-2-Clause
# virt7. `make help` lists the targets; everything that is built goes to build/.

# What is typed goes to tools/run as it is: neither make nor the host's shell looks into it. Before
# the first $(shell), for which make 4.4 expands all that it exports.
RUN_VARS := BOARD BOOT CPU CPUS MEM RUN DISK NET DEMO BOOTARGS SMP HOSTMEM BUNDLE KERNEL INITRAMFS OPTIONS GDB ARGS
$(foreach v,$(RUN_VARS),$(if $(filter-out undefined,$(origin $v)),$(eval override $v := $$(value $v))$(eval export $v)))

CROSS   ?= arm-none-eabi-
BUILD   ?= build
PYTHON  ?= /usr/bin/python3
VERSION := $(shell tools/version)
.DEFAULT_GOAL := all

# The target's libraries: compiled from fetched sources by default (tools/libs.mk); bring your own with these.
DEPS    ?= $(BUILD)/deps
LIBFDT  ?= $(DEPS)/lib/libfdt.a
LIBZ    ?= $(DEPS)/lib/libz.a
LIBMD   ?= $(DEPS)/lib/libmd.a
DEPINC  ?= $(DEPS)/lib/include

# A misspelt variable would be a run without it.
ifeq ($(MAKELEVEL),0)
TYPED := $(foreach v,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $v))),$v))
WRONG := $(if $(TYPED),$(shell tools/makevars $(TYPED)))
ifneq ($(WRONG),)
$(error $(WRONG))
endif
endif

# `make clean` empties BUILD.
ifneq ($(words $(BUILD)) $(words $(DEPS)),1 1)
$(error BUILD=$(BUILD) DEPS=$(DEPS): each is one folder, without spaces in its name)
endif
ifneq ($(wildcard $(BUILD)),)
ifeq ($(wildcard $(BUILD)/.),)
$(error BUILD=$(BUILD) is not a folder)
endif
endif
space   := $(subst ,, )
folder   = $(patsubst %/,%,$(subst $(space),:,$(1)))/
ifneq ($(filter $(call folder,$(abspath $(BUILD)))%,$(call folder,$(CURDIR))),)
$(error BUILD=$(BUILD) holds the sources: name a folder of its own)
endif

# A folder that make has not begun is left alone by `make clean`: MARK is where make began with nothing, or with deps.
MARK    := $(BUILD)/.made-by-make
OTHERS   = $(shell ls -A $(BUILD) 2>/dev/null | grep -vx deps)
ifneq ($(filter-out clean help format,$(or $(MAKECMDGOALS),all)),)
ifeq ($(findstring n,$(firstword -$(MAKEFLAGS)))$(wildcard $(MARK))$(OTHERS),)
$(shell mkdir -p $(BUILD) && touch $(MARK))
endif
endif

# What tools/ and the tests are told.
export BUILD DEPS

Q       := $(if $(V),,@)
CC      := $(CROSS)gcc
WARN    := -Wall -Wextra -Wno-unused-parameter -Wno-override-init -Wconversion -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wundef -Werror
TARGET  := -mcpu=cortex-a15 -mtune=cortex-a7 -mfloat-abi=soft -mno-unaligned-access
# No name of the folder that this is built in: equal sources give equal bytes, debug information included. The assembler maps
# nothing (binutils 2.40); it takes the folder's name from PWD.
PREFIX  := -ffile-prefix-map='$(CURDIR)'=. -ffile-prefix-map='$(abspath $(DEPS))'=build/deps
CODEGEN  = -std=gnu11 $(TARGET) $(MODE) -g $(PREFIX) -ffreestanding -fno-common -funwind-tables -fstack-protector-strong -fno-jump-tables -fomit-frame-pointer \
	   -ffunction-sections -fdata-sections -fno-tree-loop-distribute-patterns
CFLAGS   = $(CODEGEN) $(WARN)
CPPFLAGS := -I. -Ihyp/arm/include -isystem '$(abspath $(DEPINC))'
LDFLAGS := $(TARGET) -nostartfiles -static -Wl,--gc-sections -Wl,--no-enum-size-warning -Wl,-z,max-page-size=4096 \
	   -Wl,--build-id=none -Wl,--no-warn-rwx-segments,--no-warn-execstack

# What virt7 is made of: every source in these folders; boot/flash.S and flash_main.c are linked alone.
ROOMS := boot hyp mm vgic vtimer psci coproc
SRCS := $(sort $(filter-out boot/flash_main.c,$(shell find $(ROOMS) -name '*.c')))
ASMS := $(sort $(filter-out boot/flash.S %.lds.S,$(shell find $(ROOMS) -name '*.S')))
OBJS := $(SRCS:%.c=$(BUILD)/obj/%.o) $(ASMS:%.S=$(BUILD)/obj/%.o)

# What a guest's exit runs through says so in its head comment and is compiled for speed; the rest (boot, parsing,
# loading) for size, in Thumb.
FAST := $(shell grep -rl --include='*.c' 'Compiled for speed\.' $(ROOMS))
$(FAST:%.c=$(BUILD)/obj/%.o): MODE := -mthumb -O2 -fno-inline-functions -falign-functions=2 -falign-loops=1 -falign-jumps=1 -falign-labels=1
# The first tables are written at the load address, where the stack protector's guard is not.
$(BUILD)/obj/boot/early.o: CFLAGS += -fno-stack-protector
# Runs where it was loaded, with the MMU off; some of it without a stack, too: a function of ALONE's has all registers but two for
# itself, one of entry.c's two more than others have.
ALONE := $(addprefix $(BUILD)/obj/boot/,pen.o flash_main.o)
NO_STACK := $(ALONE) $(BUILD)/obj/boot/entry.o
PLACED := $(BUILD)/obj/boot/monitor_main.o $(NO_STACK)
$(PLACED): CFLAGS += -fpie -fvisibility=hidden -mgeneral-regs-only -fno-stack-protector -fno-unwind-tables -Wstack-usage=64
$(ALONE): CFLAGS += -ffixed-r7 -ffixed-lr $(addprefix -fcall-used-r,4 5 6 8 9 10 11)
$(PLACED): CHECK = && { tools/check-placed $(if $(filter $@,$(NO_STACK)),--no-stack) $@ || { rm $@; exit 1; }; }
$(PLACED): tools/check-placed
$(BUILD)/obj/boot/entry.o: MODE := -marm -Os $(addprefix -fcall-used-r,4 5)
MODE := -mthumb -Os

# $(call remember,FILE,TEXT): a file that is written again only when the text is another, so that what depends on it is made again.
define remember
$(1): FORCE
	@mkdir -p $$(@D); echo '$(2)' | cmp -s - $$@ || echo '$(2)' >$$@
endef
$(eval $(call remember,$(BUILD)/version,$(VERSION)))
$(BUILD)/obj/boot/main.o: CPPFLAGS += -DVIRT7_VERSION='"$(VERSION)"'
$(BUILD)/obj/boot/main.o: $(BUILD)/version

all: $(BUILD)/virt7.bin $(BUILD)/virt7.uimg ## build virt7.bin, .elf and .uimg

-include tests/unit/unit.mk
-include tests/guests/guests.mk
-include tests/linux/linux.mk
-include tests/bench/bench.mk
-include tests/fuzz/fuzz.mk
include tools/libs.mk

# The libraries' headers come and change with them.
$(BUILD)/obj/%.o: %.c Makefile $(LIBFDT) $(LIBZ) $(LIBMD)
	@mkdir -p $(@D)
	$(Q)echo "  CC   $<"; $(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@ $(CHECK)

$(BUILD)/obj/%.o: %.S Makefile
	@mkdir -p $(@D)
	$(Q)echo "  AS   $<"; PWD=/proc/self/cwd $(CC) $(CPPFLAGS) $(TARGET) -g $(PREFIX) -MMD -MP -c $< -o $@

$(BUILD)/virt7.lds: boot/virt7.lds.S mm/layout.h
	$(Q)$(CC) -E -P -x assembler-with-cpp -I. $< -o $@

# Twice: the symbol table of the first link goes into the second, behind the text, and so moves none of it.
LINK = $(CC) $(LDFLAGS) -T $(BUILD)/virt7.lds $(OBJS) $(1) -Wl,--start-group $(LIBFDT) $(LIBZ) $(LIBMD) -lc -lgcc -Wl,--end-group
$(BUILD)/virt7.elf: $(OBJS) $(BUILD)/virt7.lds tools/symtab $(LIBFDT) $(LIBZ) $(LIBMD)
	$(Q)tools/symtab </dev/null >$(BUILD)/symtab0.S
	$(Q)$(CC) -c $(BUILD)/symtab0.S -o $(BUILD)/symtab0.o
	$(Q)echo "  LD   $@"; $(call LINK,$(BUILD)/symtab0.o) -o $(BUILD)/virt7.first
	$(Q)$(CROSS)nm -n $(BUILD)/virt7.first | tools/symtab >$(BUILD)/symtab.S
	$(Q)$(CC) -c $(BUILD)/symtab.S -o $(BUILD)/symtab.o
	$(Q)$(call LINK,$(BUILD)/symtab.o) -Wl,-Map=$(BUILD)/virt7.map -o $@

$(BUILD)/virt7.bin: $(BUILD)/virt7.elf
	$(Q)$(CROSS)objcopy -O binary $< $@

# For tests: virt7 with one device more (tests/device/), without names of functions. Its OBJS are private: virt7.elf, which it
# needs, has others.
TESTDEV_OBJS := $(filter-out %/hyp/vdev/classes.o,$(OBJS)) $(BUILD)/obj/tests/device/testdev.o $(BUILD)/obj/tests/device/classes.o
$(BUILD)/virt7-testdev.elf: private OBJS := $(TESTDEV_OBJS)
$(BUILD)/virt7-testdev.elf: $(BUILD)/virt7.elf $(TESTDEV_OBJS)
	$(Q)echo "  LD   $@"; $(call LINK,$(BUILD)/symtab0.o) -o $@
$(BUILD)/virt7-testdev.bin: $(BUILD)/virt7-testdev.elf
	$(Q)$(CROSS)objcopy -O binary $< $@
guests: $(BUILD)/virt7-testdev.bin
-include $(BUILD)/obj/tests/device/testdev.d $(BUILD)/obj/tests/device/classes.d

# Loaded anywhere on a 4 KiB boundary; this is where QEMU's and most boards' RAM has room.
$(BUILD)/virt7.uimg: $(BUILD)/virt7.bin
	$(Q)SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(tools/version --date)} \
	mkimage -A arm -O linux -T kernel -C none -a 0x48000000 -e 0x48000000 -n virt7 -d $< $@ >/dev/null

# The reset vector: linked alone, at whatever address.
FLASH_OBJS := $(addprefix $(BUILD)/obj/boot/,flash.o flash_main.o)
$(BUILD)/flash.bin: $(FLASH_OBJS) boot/flash.lds
	$(Q)$(CC) $(TARGET) -nostdlib -static -Wl,--build-id=none,--no-warn-rwx-segments -T boot/flash.lds $(FLASH_OBJS) -o $(@:.bin=.elf)
	$(Q)$(CROSS)objcopy -O binary $(@:.bin=.elf) $@
-include $(FLASH_OBJS:.o=.d)

# QEMU's virt board puts its device tree at the start of RAM; this one says where its GIC and UART are.
FLASH_DTB    ?= $(BUILD)/virt.dtb
FLASH_DTB_AT ?= $(if $(filter $(BUILD)/virt.dtb,$(FLASH_DTB)),0x40000000,0xffffffff)
FLASH_BUNDLE ?= $(BUILD)/debian.itb
$(BUILD)/virt.dtb:
	$(Q)qemu-system-arm -M virt,secure=on,virtualization=on,gic-version=2,dtb-randomness=off,dumpdtb=$@.tmp -m 1G >/dev/null 2>&1
	$(Q)dtc -q -I dtb -O dtb -o $@ $@.tmp && rm $@.tmp
flash: deps ## build/virt7-flash.img: virt7, device tree, bundle. FLASH_DTB= FLASH_DTB_AT= FLASH_BUNDLE=
	$(foreach f,$(filter-out $(BUILD)/virt.dtb $(BUILD)/debian.itb,$(FLASH_DTB) $(FLASH_BUNDLE)),$(if $(wildcard $f),,$(error flash: no $f)))
	$(Q)$(MAKE) --no-print-directory $(BUILD)/virt7-flash.img
$(eval $(call remember,$(BUILD)/virt7-flash.args,$(FLASH_DTB) $(FLASH_DTB_AT) $(FLASH_BUNDLE)))
$(BUILD)/virt7-flash.img: $(BUILD)/flash.bin $(BUILD)/virt7.bin $(FLASH_DTB) $(FLASH_BUNDLE) $(BUILD)/virt7-flash.args tools/mkflash boot/flash.h
	tools/mkflash -o $@ --dtb $(FLASH_DTB) --board-dtb $(FLASH_DTB_AT) $(if $(FLASH_BUNDLE),--bundle $(FLASH_BUNDLE))

# Debian's kernel and an initramfs of busybox: what `make run` boots. crc32, because sha256 costs many times as much.
GUEST_KERNEL := $(DEPS)/armhf/vmlinuz
$(GUEST_KERNEL):
	tools/deps guest
$(BUILD)/initramfs.cpio: tools/mkinitramfs tools/initramfs-init $(GUEST_KERNEL)
	tools/mkinitramfs -o $@
$(BUILD)/debian.itb: $(GUEST_KERNEL) $(BUILD)/initramfs.cpio tools/mkbundle
	tools/mkbundle -o $@ --vm \
	name=debian,cpus=1,memory=512M,kernel=$(GUEST_KERNEL),ramdisk=$(BUILD)/initramfs.cpio,bootargs=console=ttyAMA0
all: $(BUILD)/debian.itb

# What is named is not fetched: the libraries by LIBFDT=, LIBZ= and LIBMD=, the guest by KERNEL= or BUNDLE=.
FETCH_LIBS  := $(if $(filter $(DEPS)/%,$(LIBFDT) $(LIBZ) $(LIBMD)),target-libs)
FETCH_GUEST := $(if $(KERNEL)$(BUNDLE),,guest)
deps: ## install what the build and the tests need (apt), fetch the target's packages
	tools/deps host $(FETCH_LIBS) $(FETCH_GUEST)

# What these need is installed first; then make starts over, because the compilers may be new.
run: deps ## boot Debian in a VM. BOARD=virt|vexpress-a15|orangepi-pc|mcimx7d-sabre|midway|mcimx6ul-evk|ast2600-evb BOOT=direct|uboot-uimage|uboot-fit|uboot-bootz|uboot-script|flash CPU=cortex-a15|cortex-a7|max CPUS= MEM= RUN="command" DISK=image|debian NET=user DEMO=rtos BOOTARGS= BUNDLE= KERNEL= INITRAMFS= SMP= HOSTMEM= OPTIONS="virt7's own" ARGS="QEMU's"
	$(Q)$(MAKE) --no-print-directory $(BUILD)/virt7.bin $(BUILD)/flash.bin $(if $(KERNEL)$(BUNDLE),,$(BUILD)/debian.itb) $(if $(DEMO),guests)
	$(Q)tools/run

gdb: ## like run, but QEMU waits for a debugger on port 1234
	$(Q)$(MAKE) --no-print-directory run GDB=1

# System tests side by side, one for each CPU of this machine; JOBS=1 for one behind the other.
JOBS    ?= $(shell nproc)
ifneq ($(shell echo '$(subst ','"'"',$(JOBS))' | grep -x '[1-9][0-9]*'),$(JOBS))
$(error JOBS=$(JOBS) is not a number from 1 on)
endif
PYTEST   = $(PYTHON) -m pytest -q -p no:cacheprovider $(if $(filter-out 1,$(JOBS)),$$($(PYTHON) -c 'import xdist' 2>/dev/null && printf -- '-n %d' $(JOBS)))

# Tests of software that is not there are skipped, and say so.
FETCH_FOREIGN := tools/deps foreign || echo "without what tools/deps foreign fetches"
FETCH_NET := tools/deps net || echo "without what tools/deps net fetches"
BUILD_FOREIGN := { tools/deps linux-source && tests/linux/mkkernels; } || echo "without the kernels of tests/linux/mkkernels"
test: deps ## unit tests and system tests; K=expr runs the system tests that match
	$(Q)$(MAKE) --no-print-directory -j2 all guests linux $(BUILD)/bench/bench.bin $(if $(K),$(UNIT_BUILD)/test_host,unit)
	$(Q)$(if $(K),,$(MAKE) --no-print-directory fuzz-runs)
	$(Q)$(if $(K),,tests/model/run)
	$(Q)$(if $(K),,$(FETCH_FOREIGN))
	$(PYTEST) tests/qemu $(if $(K),-k '$(K)',--durations=20)

smp: deps ## of test: several vCPUs, hotplug, suspend and reset; K=expr
	$(Q)$(MAKE) --no-print-directory -j2 all guests linux
	$(PYTEST) tests/qemu/test_smp.py $(if $(K),-k '$(K)')

soak: deps ## the long form of the tests: thousands of rounds
	$(Q)$(MAKE) --no-print-directory -j2 all guests linux unit
	$(Q)$(if $(K),,$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=600)
	$(Q)$(if $(K),,$(FETCH_FOREIGN))
	$(Q)$(if $(K),,$(FETCH_NET))
	$(Q)$(if $(K),,$(BUILD_FOREIGN))
	SOAK=1 $(PYTEST) tests/qemu $(if $(K),-k '$(K)')

coverage: deps ## lines that the unit tests reach, by file; LINES="FILE..." shows those that none does, LINES=all of all
	$(Q)$(MAKE) --no-print-directory -j2 unit UNIT_BUILD=$(BUILD)/coverage UNIT_CFLAGS='-std=gnu11 -O0 -g --coverage' >$(BUILD)/coverage.log || \
		{ cat $(BUILD)/coverage.log; exit 1; }
	$(Q)tools/coverage $(BUILD)/coverage $(if $(LINES),--lines $(filter-out all,$(LINES)))

# What is packed and where it lies is in tools/dist.
DIST := $(BUILD)/virt7-$(subst /,-,$(VERSION)).tar.gz
dist: ## build/virt7-VERSION.tar.gz: images, tools, documentation, checksums; the same bytes wherever it is made
	tools/deps host $(FETCH_LIBS)
	$(Q)$(MAKE) --no-print-directory $(BUILD)/virt7.bin $(BUILD)/virt7.uimg $(BUILD)/flash.bin
	$(Q)tools/dist $(DIST)

# Comments say who acts: no subject that is nobody in particular, none that stands in the comment before. Strings may.
NOBODY := (any|every|no|some)body
WORDED := --include='*.[chS]' --include='*.def' --include='*.pml' --include='*.py' --include='*.mk'
FORMATTED := $(shell find $(ROOMS) tests/unit tests/device tests/guests tests/linux tests/bench tests/fuzz -name '*.[ch]')
check: deps ## format, direction of includes and of calls, names of functions, licenses, lengths of files, names in documents, who writes live tables, headers alone, gcc -fanalyzer, cppcheck, shellcheck, pyflakes, warnings as errors
	$(Q)$(MAKE) --no-print-directory -j2 all
	$(Q)echo "  FORMAT"; tools/format --check $(FORMATTED)
	tools/check-includes
	tools/check-layers $(BUILD)/obj $(OBJS)
	tools/picture --check
	$(Q)echo "  SPDX"; ! grep -L 'SPDX-License-Identifier: BSD-2-Clause' Makefile $(LICENSED) | grep .
	$(Q)echo "  LENGTH"; ! wc -l $(LICENSED) | awk '$$1 > 700 && $$2 != "total" { print $$2 ": " $$1 " lines: a file of more than 700 is two" }' | grep .
	$(Q)echo "  WORDS"; ! grep -rnE '(/\*+|^ \*|#|""") *(The same|Likewise|likewise)\>' $(WORDED) $(ROOMS) tests
	$(Q)! grep -rnE '(/\*+|""") *(All of them|Also|And|Both (are|for|have|of)|Each of them|Nor|They|Those)\>' $(WORDED) $(ROOMS) tests
	$(Q)! grep -rniE '\<$(NOBODY)\>' $(WORDED) $(ROOMS) tests | grep -vE '(^|[^"])"[^"]*\<$(NOBODY)\>'
	tools/check-names
	tools/check-docs
	tools/registers --check
	$(Q)echo "  TABLES"; ! grep -rnE '(pte_write|write_tlbi[a-z]*)\(' --include='*.c' --include='*.h' $(ROOMS) | grep -vE '^(mm/tlb|hyp/arm/include/arm/pte)\.h'
	$(Q)$(MAKE) --no-print-directory -j2 $(ANALYZED)
	tools/check-headers $(CC) $(CPPFLAGS) $(CFLAGS)
	cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr --enable=warning,portability \
	--suppressions-list=tools/cppcheck.txt -I. -Ihyp/arm/include -I$(DEPINC) -D__arm__ -DVIRT7_VERSION='""' \
	$(ROOMS)
	shellcheck -S warning -e SC1007,SC2054 $(SHELL_SCRIPTS)
	pyflakes3 $(PYTHON_SCRIPTS)

# gcc's analyzer looks at a source again when it or a header of it has changed.
ANALYZED := $(patsubst %.c,$(BUILD)/analyzed/%.ok,$(SRCS) boot/flash_main.c)
$(BUILD)/analyzed/%.ok: %.c Makefile
	@mkdir -p $(@D)
	$(Q)echo "  ANALYZE $<"; $(CC) $(CPPFLAGS) -DVIRT7_VERSION='""' $(CFLAGS) -fanalyzer -MMD -MP -MF $(@:.ok=.d) -MT $@ -S $< -o /dev/null && touch $@
-include $(ANALYZED:.ok=.d)

# Sources of each kind; each says its license.
LICENSED := $(shell find $(ROOMS) dts tests -name '*.[chS]' -o -name '*.def' -o -name '*.mk' -o -name '*.py' -o -name '*.lds' -o -name '*.dts' -o -name '*.dtso' -o -name '*.its' -o -name '*.pml') \
	tests/busy $(shell find tools .ci -type f ! -name '*.txt' ! -name '*.pyc')

# By their first line, wherever they are.
SHELL_SCRIPTS  = $(shell grep -lE '^\#!/bin/(ba)?sh' tools/* tests/busy tests/*/run tests/linux/mkkernels .ci/run)
PYTHON_SCRIPTS = $(shell grep -lE '^\#!/usr/bin/python3' tools/*) tools/*.py tests/bench/*.py tests/qemu/*.py

size: $(BUILD)/virt7.bin ## image size against its limit, the longest functions and files, the assembly
	tools/size

format: ## apply .clang-format
	tools/format $(FORMATTED)

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

clean: ## remove what was built; fetched packages stay (build/deps)
	$(if $(or $(filter $(CURDIR)/build,$(abspath $(BUILD))),$(wildcard $(MARK))),,$(if $(OTHERS),$(error BUILD=$(BUILD) has files that make \
	did not make, there is no $(MARK): remove by hand what is to go)))
	[ ! -d $(BUILD) ] || find $(BUILD) -mindepth 1 -maxdepth 1 ! -name deps ! -name $(notdir $(MARK)) -exec rm -rf {} +

-include $(OBJS:.o=.d)
guests: $(BUILD)/flash.bin $(BUILD)/virt.dtb
FORCE:
.PHONY: FORCE dist flash all clean deps run gdb test smp soak coverage check size format help unit guests
