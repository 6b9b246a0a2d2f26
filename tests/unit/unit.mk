# SPDX-License-Identifier: BSD-2-Clause
# Host unit tests: each is one executable from tests/unit/NAME.c and the sources in NAME_SRCS, under ASan and UBSan.
# To add one: a line "NAME_SRCS := ..." below, nothing else. Included by the top Makefile; works alone as well:
#   make -f tests/unit/unit.mk unit [UNIT=test_image]

BUILD       ?= build
HOSTCC      ?= gcc
UNIT_BUILD  := $(BUILD)/unit
UNIT_CFLAGS ?= -std=gnu11 -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all \
	-Wall -Wextra -Wno-unused-parameter -Wconversion -Wshadow -Wmissing-prototypes -Wno-override-init -Werror
UNIT_CPPFLAGS := -I. -Itests/unit -Itests/unit/fake
UNIT_LIBS   ?= -lcmocka -lfdt -lz -lmd

FAKE := tests/unit/fake

LOAD_BUNDLE := $(addprefix hyp/load/,bundle.c foreign.c property.c)
test_bundle_SRCS   := $(LOAD_BUNDLE) $(FAKE)/fake_log.c tests/unit/fit.c
test_bundle_hash_SRCS := $(test_bundle_SRCS)
test_vmcfg_SRCS    := hyp/load/vmcfg.c $(LOAD_BUNDLE) hyp/vdev/device.c $(FAKE)/fake_log.c $(FAKE)/fake_page.c tests/unit/fit.c
test_image_SRCS    := hyp/load/foreign.c hyp/load/image.c hyp/load/elf.c hyp/load/stream.c hyp/load/guestdtb.c hyp/load/tree.c hyp/host/devtree.c $(FAKE)/fake_random.c $(FAKE)/fake_log.c $(FAKE)/fake_guestmem.c \
	$(FAKE)/fake_page.c
test_image_formats_SRCS := $(test_image_SRCS)
test_image_ramdisk_SRCS := $(test_image_SRCS)
VIRTIO := $(addprefix hyp/virtio/,mmio.c device.c queue.c rng.c blk.c blk_host.c disk.c console.c capture.c net.c net_control.c net_receive.c net_send.c offload.c switch.c) hyp/load/unpack.c hyp/load/stream.c hyp/vm/guestlist.c $(FAKE)/fake_virtio.c $(FAKE)/fake_random.c \
	$(FAKE)/fake_console.c $(FAKE)/fake_hostdisk.c hyp/virtio/partition.c
DEVICE := hyp/vdev/device.c $(LOAD_BUNDLE) hyp/load/tree.c hyp/host/devtree.c hyp/exit/mmio.c $(FAKE)/fake_page.c $(FAKE)/fake_log.c $(FAKE)/fake_machine.c
FLASH := $(addprefix hyp/vdev/,vflash.c flashbank.c flashkeep.c cfi.c) $(FAKE)/fake_flash.c
PASS := $(addprefix hyp/vdev/,passthrough.c passclaim.c passkeep.c passdtb.c passtree.c passpage.c passquiet.c passrest.c resttree.c) hyp/load/vmcfg.c hyp/host/hostdev.c hyp/host/hostclaim.c hyp/host/devtree.c hyp/host/dtirq.c $(FAKE)/fake_pass.c
EVERY_VM := $(addprefix hyp/vdev/,vpl011.c vpl031.c vpl061.c vmemerr.c vgicv2m.c vempty.c) $(PASS)
test_guestdtb_SRCS := tests/unit/no_drivers.c hyp/load/guestdtb.c $(EVERY_VM) $(FLASH) hyp/vdev/classes.c $(VIRTIO) $(DEVICE)
test_usertree_SRCS := hyp/load/usertree.c hyp/exit/mmio.c $(FAKE)/fake_random.c $(FAKE)/fake_log.c
test_device_SRCS   := $(DEVICE) tests/unit/fit.c
test_testdev_SRCS  := tests/unit/no_drivers.c tests/device/testdev.c tests/device/classes.c $(EVERY_VM) $(FLASH) hyp/load/guestdtb.c \
	tests/unit/fit.c $(VIRTIO) $(DEVICE)
test_assemble_SRCS := hyp/vm/assemble.c hyp/vm/vm.c $(FAKE)/fake_vm_ram.c hyp/vm/scrub.c $(FAKE)/fake_lent.c hyp/console/stream.c hyp/load/vmcfg.c tests/unit/fit.c $(DEVICE)
test_heapsize_SRCS := hyp/vm/heapsize.c tests/unit/fit.c $(DEVICE)
test_guestmem_SRCS := $(addprefix hyp/vm/,guestmem.c guestlist.c guestring.c) $(FAKE)/fake_machine.c
test_fault_SRCS    := hyp/debug/fault.c $(FAKE)/fake_machine.c
test_insn_SRCS     := hyp/arm/insn.c
test_insn_state_SRCS := $(test_insn_SRCS)
test_mmio_SRCS     := hyp/exit/mmio.c $(FAKE)/fake_machine.c
HOST_DRIVERS := $(addprefix hyp/host/,drivers.c nodes.c power_regs.c devtree.c dtirq.c hostdev.c hostclaim.c trng.c ecc.c rtc.c hostdog.c) $(wildcard hyp/host/uart/*.c)
test_passthrough_SRCS := tests/unit/dts.c tests/unit/no_classes.c hyp/host/scan.c $(HOST_DRIVERS) $(PASS) $(DEVICE)
test_passdtb_SRCS := $(test_passthrough_SRCS)
test_passrest_SRCS := $(filter-out tests/unit/no_classes.c,$(test_passthrough_SRCS)) hyp/load/guestdtb.c $(FAKE)/fake_random.c
test_vpl011_SRCS   := hyp/vdev/vpl011.c tests/unit/no_classes.c $(DEVICE)
test_vpl011_receive_SRCS := $(test_vpl011_SRCS)
test_vpl061_SRCS   := hyp/vdev/vpl061.c tests/unit/no_classes.c $(DEVICE)
test_vpl031_SRCS   := hyp/vdev/vpl031.c tests/unit/no_classes.c $(DEVICE)
test_cfi_SRCS      := hyp/vdev/cfi.c
test_vflash_SRCS   := $(FLASH) tests/unit/virtio_rig.c tests/unit/fit.c $(VIRTIO) $(DEVICE)
test_vflash_kept_SRCS := $(test_vflash_SRCS)
test_virtio_queue_SRCS := hyp/virtio/queue.c hyp/vm/guestlist.c $(FAKE)/fake_virtio.c $(FAKE)/fake_machine.c
test_virtio_rng_SRCS := tests/unit/virtio_rig.c tests/unit/no_classes.c $(VIRTIO) $(DEVICE)
test_virtio_mmio_SRCS := tests/unit/virtio_rig.c tests/unit/no_classes.c $(VIRTIO) $(DEVICE)
test_virtio_serve_SRCS := $(test_virtio_mmio_SRCS)
test_virtio_blk_SRCS := tests/unit/virtio_rig.c tests/unit/blk_classes.c tests/unit/fit.c $(VIRTIO) $(DEVICE)
test_virtio_blk_host_SRCS := tests/unit/virtio_rig.c tests/unit/blk_classes.c tests/unit/fit.c $(VIRTIO) $(DEVICE)
test_virtio_blk_direct_SRCS := $(test_virtio_blk_host_SRCS)
test_virtio_console_SRCS := tests/unit/virtio_rig.c tests/unit/fit.c $(VIRTIO) $(DEVICE)
test_virtio_net_control_SRCS := tests/unit/virtio_rig.c tests/unit/fit.c $(VIRTIO) $(DEVICE)
test_virtio_capture_SRCS := tests/unit/virtio_rig.c tests/unit/fit.c $(VIRTIO) $(DEVICE)
test_virtio_uplink_SRCS := tests/unit/virtio_rig.c tests/unit/fit.c $(VIRTIO) $(DEVICE)
# includes hyp/virtio/uplink.c
test_uplink_SRCS   := hyp/host/hostdev.c hyp/host/hostclaim.c hyp/host/devtree.c hyp/host/dtirq.c tests/unit/no_drivers.c tests/unit/virtio_rig.c tests/unit/fit.c $(VIRTIO) $(DEVICE)
test_virtio_net_SRCS := tests/unit/virtio_rig.c tests/unit/fit.c $(VIRTIO) $(DEVICE)
test_virtio_offload_SRCS := $(test_virtio_net_SRCS)
test_page_SRCS     := mm/page.c $(FAKE)/fake_machine.c
# includes mm/ram.c
test_ram_SRCS      := $(FAKE)/fake_log.c $(FAKE)/fake_machine.c
test_badpage_SRCS  := mm/badpage.c mm/page.c mm/ram.c $(FAKE)/fake_log.c $(FAKE)/fake_machine.c
test_memerr_SRCS   := hyp/vm/memerr.c hyp/vm/leaveout.c mm/badpage.c mm/page.c mm/ram.c $(FAKE)/fake_log.c $(FAKE)/fake_machine.c
test_memfound_SRCS := hyp/vm/memfound.c $(FAKE)/fake_machine.c
test_s2_SRCS       := mm/s2.c mm/page.c $(FAKE)/fake_tables.c $(FAKE)/fake_machine.c
test_s2_LDFLAGS    := -Wl,--wrap=page_free
test_hypmap_SRCS   := mm/hypmap.c mm/page.c $(FAKE)/fake_tables.c $(FAKE)/fake_machine.c
test_hypmap_LDFLAGS := -Wl,--wrap=page_free
test_gic_SRCS      := hyp/host/gic.c $(FAKE)/fake_log.c $(FAKE)/fake_machine.c
test_vgic_SRCS     := vgic/vgic.c vgic/flush.c vgic/raise.c vgic/state.c vgic/context.c vgic/share.c vgic/twin.c vgic/dist.c hyp/exit/mmio.c tests/unit/vgic_rig.c $(FAKE)/fake_gich.c $(FAKE)/fake_spi.c \
	$(FAKE)/fake_machine.c
test_vgic_delivery_SRCS := $(test_vgic_SRCS)
test_vgic_sgi_SRCS := $(test_vgic_SRCS)
test_vgic_active_SRCS := $(test_vgic_SRCS)
test_vgic_wakes_SRCS := $(test_vgic_SRCS)
test_vgic_state_SRCS := $(test_vgic_SRCS)
test_vgic_twin_SRCS := $(test_vgic_SRCS)
test_vgic_twin_hw_SRCS := $(test_vgic_twin_SRCS)
test_vgic_model_SRCS := $(test_vgic_SRCS)
test_coproc_SRCS   := coproc/coproc.c coproc/registers.c coproc/setway.c coproc/pmu.c hyp/exit/inject.c hyp/arm/regs.c $(FAKE)/fake_machine.c
test_pmu_SRCS := $(test_coproc_SRCS)
test_setway_SRCS := $(test_coproc_SRCS)
test_monitor_SRCS  := boot/monitor_main.c boot/pen.c $(FAKE)/fake_machine.c
test_errata_SRCS   := coproc/errata.c hyp/exit/mmio.c hyp/lib/option.c $(FAKE)/fake_log.c $(FAKE)/fake_machine.c
test_model_SRCS    := coproc/model.c coproc/harden.c hyp/exit/hvbar.c coproc/extra.c $(FAKE)/fake_log.c $(FAKE)/fake_machine.c
test_exit_SRCS     := hyp/exit/exit.c hyp/exit/mmio.c hyp/exit/inject.c hyp/arm/insn.c hyp/arm/regs.c $(FAKE)/fake_machine.c
test_exit_device_SRCS := $(test_exit_SRCS)
test_inject_SRCS   := $(test_exit_SRCS)
test_abort_SRCS    := hyp/exit/abort.c hyp/arm/insn.c hyp/arm/regs.c $(FAKE)/fake_log.c $(FAKE)/fake_machine.c
test_timer_SRCS    := hyp/run/timer.c vtimer/vtimer.c $(FAKE)/fake_log.c $(FAKE)/fake_machine.c
test_vtimer_SRCS := $(test_timer_SRCS)
test_irq_SRCS      := hyp/run/irq.c $(FAKE)/fake_machine.c
# includes hyp/run/thread.c, with addresses that the host has
test_thread_SRCS   := $(FAKE)/fake_page.c $(FAKE)/fake_machine.c
test_sched_SRCS    := hyp/run/sched.c hyp/run/kick.c hyp/run/balance.c hyp/run/place.c $(FAKE)/fake_machine.c
test_sched_cpus_SRCS := $(test_sched_SRCS)
test_sched_fair_SRCS := $(test_sched_SRCS)
test_switch_SRCS   := hyp/vm/switch.c hyp/vm/hcr.c coproc/extra.c $(FAKE)/fake_machine.c
test_psci_SRCS     := psci/psci.c psci/vcpu.c $(FAKE)/fake_machine.c
test_crash_SRCS    := hyp/vm/crash.c hyp/arm/regs.c $(FAKE)/fake_log.c $(FAKE)/fake_machine.c
test_vmctl_SRCS    := $(FAKE)/fake_lent.c hyp/vm/vmctl.c psci/vcpu.c hyp/vm/crash.c hyp/arm/regs.c $(FAKE)/fake_log.c $(FAKE)/fake_machine.c
test_vmctl_pause_SRCS := $(test_vmctl_SRCS)
test_vmctl_lent_SRCS := $(test_vmctl_SRCS)
test_silence_SRCS  := hyp/vm/silence.c $(FAKE)/fake_log.c $(FAKE)/fake_machine.c
test_watchdog_SRCS := hyp/vm/watchdog.c $(FAKE)/fake_machine.c
test_zero_SRCS     := mm/zero.c $(FAKE)/fake_machine.c
test_vm_SRCS       := hyp/vm/vm.c hyp/vm/scrub.c $(FAKE)/fake_vm_ram.c $(FAKE)/fake_lent.c $(FAKE)/fake_log.c $(FAKE)/fake_machine.c
test_lent_SRCS     := hyp/vm/vm.c hyp/vm/lent.c $(FAKE)/fake_vm_ram.c $(FAKE)/fake_log.c $(FAKE)/fake_machine.c
test_console_SRCS  := $(addprefix hyp/console/,console.c output.c own.c mux.c plaintext.c) $(FAKE)/fake_machine.c
test_console_own_SRCS := $(test_console_SRCS)
test_console_screen_SRCS := $(test_console_SRCS)
test_console_plain_SRCS := $(test_console_SRCS)
test_plaintext_SRCS := hyp/console/plaintext.c
test_trace_SRCS    := hyp/debug/trace.c hyp/arm/regs.c hyp/console/shell_trace.c $(FAKE)/fake_machine.c
test_line_SRCS     := hyp/console/line.c
test_symtab_SRCS   := hyp/debug/symtab.c
test_option_SRCS   := hyp/lib/option.c $(FAKE)/fake_log.c
test_host_SRCS     := tests/unit/dts.c hyp/host/scan.c hyp/host/cpustart.c hyp/host/board.c hyp/host/quirk.c $(HOST_DRIVERS) $(FAKE)/fake_log.c $(FAKE)/fake_machine.c
test_hostdev_SRCS  := hyp/vdev/passpage.c tests/unit/dts.c hyp/host/scan.c $(HOST_DRIVERS) $(FAKE)/fake_log.c $(FAKE)/fake_machine.c
test_random_SRCS   := hyp/host/random.c hyp/host/trng.c hyp/lib/chacha20.c hyp/host/devtree.c hyp/host/dtirq.c boot/guard.c $(FAKE)/fake_log.c \
	$(FAKE)/fake_machine.c
test_rtc_SRCS      := hyp/host/rtc.c hyp/host/devtree.c hyp/host/dtirq.c $(FAKE)/fake_machine.c
test_hostdog_SRCS  := hyp/host/devtree.c hyp/host/dtirq.c $(FAKE)/fake_log.c $(FAKE)/fake_machine.c
test_blackbox_SRCS := $(FAKE)/fake_log.c
test_merrsr_SRCS   := hyp/host/merrsr.c $(FAKE)/fake_log.c $(FAKE)/fake_machine.c
test_ecc_SRCS      := hyp/vm/memsource.c $(HOST_DRIVERS) $(FAKE)/fake_log.c $(FAKE)/fake_machine.c
test_rngdev_SRCS   := hyp/host/rngdev.c hyp/host/virtio.c hyp/host/devtree.c hyp/host/dtirq.c $(FAKE)/fake_machine.c
test_nic_SRCS      := hyp/host/nic.c hyp/host/virtio.c hyp/host/devtree.c hyp/host/dtirq.c $(FAKE)/fake_machine.c
# includes hyp/virtio/hostdisk.c and hyp/host/diskvirtio.c
test_hostdisk_SRCS := $(FAKE)/fake_lent.c hyp/host/diskdev.c hyp/host/virtio.c hyp/host/devtree.c hyp/host/dtirq.c $(FAKE)/fake_machine.c
test_hostdisk_direct_SRCS := $(test_hostdisk_SRCS)
test_sdcard_SRCS   := hyp/host/diskdev.c hyp/host/sdcard.c hyp/host/sunxi_mmc.c $(FAKE)/fake_machine.c
test_partition_SRCS := hyp/virtio/partition.c $(FAKE)/fake_hostdisk.c
test_cpustart_SRCS := hyp/host/cpustart.c hyp/host/power.c hyp/host/board.c hyp/host/quirk.c $(FAKE)/fake_log.c $(FAKE)/fake_machine.c
# includes hyp/host/drivers.c
test_drivers_SRCS  := $(filter-out hyp/host/drivers.c,$(HOST_DRIVERS)) $(FAKE)/fake_log.c $(FAKE)/fake_machine.c
# includes boot/smp.c
test_smp_SRCS      := $(FAKE)/fake_log.c $(FAKE)/fake_machine.c
test_uart_SRCS     := $(HOST_DRIVERS) $(FAKE)/fake_log.c $(FAKE)/fake_machine.c

UNIT_TESTS := $(patsubst %_SRCS,%,$(filter test_%_SRCS,$(.VARIABLES)))
UNIT       ?= $(sort $(UNIT_TESTS))

define unit_rule
$(UNIT_BUILD)/$(1): $(patsubst %.c,$(UNIT_BUILD)/obj/%.o,tests/unit/$(1).c $($(1)_SRCS))
	@mkdir -p $$(@D)
	$$(HOSTCC) $$(UNIT_CFLAGS) $$($(1)_LDFLAGS) $$^ $$(UNIT_LIBS) -o $$@
endef
$(foreach test,$(UNIT_TESTS),$(eval $(call unit_rule,$(test))))

# A table as the image's, of a text that no image has.
$(UNIT_BUILD)/symtab-table.o: tests/unit/symtab-nm tools/symtab
	@mkdir -p $(@D)
	tools/symtab <$< >$(@:.o=.S) && $(HOSTCC) -Wa,--noexecstack -c $(@:.o=.S) -o $@
$(UNIT_BUILD)/test_symtab: $(UNIT_BUILD)/symtab-table.o

$(UNIT_BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(HOSTCC) $(UNIT_CFLAGS) $(UNIT_CPPFLAGS) -MMD -MP -c $< -o $@

# cmocka's closing lines of each test; the whole output where one fails.
.PHONY: unit
unit: $(addprefix $(UNIT_BUILD)/,$(UNIT))
	@failed=0; for test in $(UNIT); do \
		if $(UNIT_BUILD)/$$test >$(UNIT_BUILD)/$$test.log 2>&1; then \
			grep -h '^\[  PASSED' $(UNIT_BUILD)/$$test.log | sed "s/^/$$test: /"; \
		else cat $(UNIT_BUILD)/$$test.log; echo "$$test: FAILED"; failed=1; fi; \
	done; exit $$failed

-include $(shell find $(UNIT_BUILD)/obj -name '*.d' 2>/dev/null)
