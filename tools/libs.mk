# SPDX-License-Identifier: BSD-2-Clause
# The target's libraries: what virt7 links of libfdt, zlib and libmd, from the sources that tools/deps fetches. Included by the
# top Makefile, whose flags they are compiled with. LIBFDT=, LIBZ=, LIBMD= and DEPINC= bring others, and nothing here is made.
LIB_SRC := $(DEPS)/src
LIB_OUT := $(DEPS)/lib

libfdt_OBJS := $(patsubst %,$(LIB_OUT)/device-tree-compiler/libfdt/%.o,fdt fdt_addresses fdt_check fdt_ro fdt_rw fdt_sw fdt_wip)
libz_OBJS   := $(patsubst %,$(LIB_OUT)/zlib/%.o,adler32 crc32 inffast inflate inftrees zutil)
libmd_OBJS  := $(patsubst %,$(LIB_OUT)/libmd/src/%.o,md5 sha1 sha2)
LIB_OBJS    := $(libfdt_OBJS) $(libz_OBJS) $(libmd_OBJS)

# A boot hashes images byte by byte, inflates them, and walks the host's tree. ARM state for the hashes, where a rotated operand
# costs nothing; each has the options with which GCC keeps its values in registers. The mode is set for all objects: one would
# else inherit that of whichever file of virt7's make wants it for.
$(LIB_OBJS): MODE := -mthumb -Os
$(LIB_OUT)/zlib/crc32.o: MODE := -marm -O3 -mtune=cortex-a15
$(LIB_OUT)/libmd/src/sha2.o: MODE := -marm -O3 -fno-schedule-insns
$(LIB_OUT)/zlib/inffast.o: MODE := -mthumb -O2
# libfdt reads a tree's words by bytes where it may not assume that they are aligned, which in virt7 they are: a tree lies at a
# multiple of 4 in Normal memory, and HSCTLR.A is clear, SCTLR.A where there is no HYP mode.
$(libfdt_OBJS): MODE := -mthumb -Os -munaligned-access
$(patsubst %,$(LIB_OUT)/device-tree-compiler/libfdt/%.o,fdt fdt_ro fdt_sw): MODE := -mthumb -O2 -munaligned-access -finline-functions --param max-inline-insns-auto=100
# SHA-256 alone.
$(libmd_OBJS): LIB_CFLAGS := -DSHA2_SMALL -DSHA2_UNROLL_TRANSFORM -I'$(abspath $(LIB_OUT))/include'

# Prerequisites are the stamp and not the sources, which make cannot see before they have been fetched.
$(LIB_SRC)/.stamp: tools/deps
	tools/deps target-libs

LIB_HEADERS := device-tree-compiler/libfdt/fdt.h device-tree-compiler/libfdt/libfdt.h \
	device-tree-compiler/libfdt/libfdt_env.h zlib/zlib.h zlib/zconf.h libmd/include/md5.h libmd/include/sha1.h libmd/include/sha2.h
$(LIB_OUT)/include/config.h: $(LIB_SRC)/.stamp tools/libs.mk
	@mkdir -p $(@D)
	$(Q)cp $(LIB_HEADERS:%=$(LIB_SRC)/%) $(@D)
	$(Q): >$@

$(LIB_OBJS): $(LIB_OUT)/%.o: $(LIB_OUT)/include/config.h tools/libs.mk Makefile
	@mkdir -p $(@D)
	$(Q)echo "  CC   $*.c"; cd $(LIB_SRC) && $(CC) $(CODEGEN) $(LIB_CFLAGS) -isystem '$(abspath $(LIB_OUT))/include' -w -c $*.c -o '$(abspath $@)'

$(LIB_OUT)/libfdt.a: $(libfdt_OBJS)
$(LIB_OUT)/libz.a: $(libz_OBJS)
$(LIB_OUT)/libmd.a: $(libmd_OBJS)
$(LIB_OUT)/libfdt.a $(LIB_OUT)/libz.a $(LIB_OUT)/libmd.a:
	$(Q)rm -f $@; echo "  AR   $@"; $(CROSS)ar rcsD $@ $^
