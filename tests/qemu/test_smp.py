# SPDX-License-Identifier: BSD-2-Clause
"""SMP, PSCI and the life of a VM: the bare-metal guests smp, cpuon-race, reset and suspend on QEMU's virt board and under
virt7, with as many physical CPUs as vCPUs and with fewer; Debian's hotplug, reboot and suspend.

With SOAK=1 in the environment the same tests run for as long as issue reports and docs/testing.md quote them.
"""
import os
import re

import pexpect
import pytest

from conftest import BUILD, DEPS
from test_guests import VIRT7_QUIRKS, check, image

SOAK = os.environ.get("SOAK", "") not in ("", "0")
KERNEL = DEPS / "armhf" / "vmlinuz"
INITRAMFS = BUILD / "initramfs.cpio"
PROMPT = r"~ # "

RACE_ROUNDS = 1000 if SOAK else 50
RESETS = 200 if SOAK else 10
HOTPLUG_CYCLES = 1000 if SOAK else 20
REBOOTS = 50 if SOAK else 1
SUSPENDS = 50 if SOAK else 2
PIPES = 2000 if SOAK else 20
PATIENCE = 20 if SOAK else 1  # factor on what one test may take

CPU_COUNTS = (1, 2, 4, 8)
SHARED = ((2, 1), (4, 1), (4, 2), (8, 4))  # vCPUs on fewer physical CPUs
LAYOUTS = tuple((n, n) for n in CPU_COUNTS) + SHARED

NATIVE_QUIRKS = {
    "gic-retarget",  # a pending SPI does not move to its new target (IHI 0048B 4.3.12)
    "psci-endianness",  # CPU_ON does not hand on the caller's data endianness (DEN 0022D 6.4)
    "psci-entry-unchecked",  # CPU_ON takes any entry address (5.6.3)
    "psci-no-reset2",
    "psci-no-smc",
    "psci-no-smccc",
    "psci-no-system-suspend",
    "psci-on-late",  # CPU_ON takes effect some time after its return, AFFINITY_INFO says OFF until then
    "psci-suspend-wfi",  # CPU_SUSPEND is WFI, whatever its arguments (5.4.3 allows that for valid ones)
    "psci-two-winners",  # several callers of CPU_ON get SUCCESS for one start (5.6.3)
    "reset-keeps-apr",  # QEMU 7.2's GIC keeps GICC_APRn over a system reset
    "reset-keeps-ram",  # as hardware may
    "reset-keeps-uart",  # QEMU 7.2's PL011 has no reset
}


def ids(layout):
    return f"{layout[0]}on{layout[1]}"


@pytest.fixture(params=LAYOUTS, ids=ids)
def layout(request):
    return request.param


def start_guest(virt7, mkbundle, guest, vcpus, smp, bootargs="", timeout=120):
    bootargs = f",bootargs={bootargs}" if bootargs else ""
    bundle = mkbundle(f"name=test,cpus={vcpus},memory=64M,kernel={image(guest)}{bootargs}")
    return virt7(bundle, smp=smp, timeout=timeout * PATIENCE)


# The CPUs and PSCI.


@pytest.mark.parametrize("cpus", CPU_COUNTS)
def test_smp_native(native, cpus):
    check(native(image("smp"), smp=cpus, timeout=120), NATIVE_QUIRKS)


def test_smp(virt7, mkbundle, layout):
    check(start_guest(virt7, mkbundle, "smp", *layout, bootargs=f"rounds={100 if SOAK else 10}"), VIRT7_QUIRKS)


def test_smp_with_locks_as_on_hardware(virt7, mkbundle):
    """On QEMU's virt board virt7 has other locks than on hardware."""
    bundle = mkbundle(f"name=test,cpus=4,memory=64M,kernel={image('smp')}")
    check(virt7(bundle, "-append", "lock.fair=1", smp=4), VIRT7_QUIRKS)


@pytest.mark.parametrize("cpu", ("cortex-a7", "max"))
def test_smp_on_other_cpus(virt7, mkbundle, cpu):
    bundle = mkbundle(f"name=test,cpus=2,memory=64M,kernel={image('smp')}")
    check(virt7(bundle, cpu=cpu, smp=2), VIRT7_QUIRKS)


@pytest.mark.parametrize("cpus", CPU_COUNTS)
def test_cpuon_race_native(native, cpus):
    run = native(image("cpuon-race"), "-append", f"rounds={RACE_ROUNDS}", smp=cpus, timeout=120 * PATIENCE)
    check(run, NATIVE_QUIRKS)


def test_cpuon_race(virt7, mkbundle, layout):
    run = start_guest(virt7, mkbundle, "cpuon-race", *layout, bootargs=f"rounds={RACE_ROUNDS}")
    check(run, VIRT7_QUIRKS)
    assert f"rounds={RACE_ROUNDS}\n" in run.output()


# Suspend.


def press_key_if_asked(run):
    if run.expect([r"suspend: press a key\r", r"summary: "])[0].startswith("suspend"):
        run.send("k")


@pytest.mark.parametrize("cpus", CPU_COUNTS)
def test_suspend_native(native, cpus):
    check(native(image("suspend"), smp=cpus), NATIVE_QUIRKS)


def test_suspend(virt7, mkbundle, layout):
    run = start_guest(virt7, mkbundle, "suspend", *layout)
    press_key_if_asked(run)
    check(run, VIRT7_QUIRKS)


# Reset with work in flight. The guest says at each boot whether it is as the first one, and waits for a key.


def reset_storm(run, cpus, quirks):
    keys = "a" + "".join(map(str, range(cpus))) + "R"
    for n in range(RESETS):
        run.expect(r"press a key\r")
        run.send(keys[n % len(keys)])
    run.expect(r"press a key\r")
    run.send("q")
    assert run.wait() == 0
    lines = [line.strip() for line in run.output().splitlines()]
    assert [line for line in lines if line.startswith("FAIL: ")] == []
    assert lines.count("PASS: boot: clean") == RESETS + 1
    assert {line.split(": ")[1] for line in lines if line.startswith("QUIRK: ")} <= quirks


@pytest.mark.parametrize("cpus", CPU_COUNTS)
def test_reset_native(native, cpus):
    reset_storm(native(image("reset"), smp=cpus), cpus, NATIVE_QUIRKS)


def test_reset(virt7, mkbundle, layout):
    reset_storm(start_guest(virt7, mkbundle, "reset", *layout, timeout=60), layout[0], VIRT7_QUIRKS)


# Debian.


class Debian:
    """Debian under virt7, at its shell."""

    def __init__(self, run, cpus):
        self.run = run
        self.cpus = cpus
        self.boots = 0
        self.expect_boot()

    def expect_boot(self):
        match = self.run.expect(r"(userspace up: (\d+) cpus|Kernel panic|PANIC: |virt7: error: stopped)[^\r]*\r")
        assert match[2] == str(self.cpus), match[0]
        self.run.expect(PROMPT)
        self.boots += 1

    def command(self, text, expected, timeout=-1):
        """Type it; `expected` is a pattern for a line of what it prints. Returns the match."""
        self.run.send(text + "\n")
        match = self.run.expect(r"\n" + expected + r"\r", timeout=timeout)
        self.run.expect(PROMPT)
        return match

    def check(self):
        """The kernel has had nothing to complain about since it started; what it found is in the output, for end()."""
        self.command("dmesg | grep -E 'WARNING|BUG:|cut here|stall|Oops|failed to|unable to'; echo dmesg: $((1+1))",
                     "dmesg: 2")

    def end(self):
        """Neither virt7 nor a kernel has printed a complaint."""
        self.run.send("poweroff -f\n")
        assert self.run.wait() == 0
        bad = re.compile(r"virt7: error|virt7: warning|PANIC|WARNING:|BUG: |cut here|stall|Oops|didn't die|"
                         r"CPU\d+: (failed|unable|smp)|failed to come online|Error taking CPU")
        typed = re.compile(r"dmesg \| grep")
        assert [line for line in self.run.output().splitlines() if bad.search(line) and not typed.search(line)] == []


@pytest.fixture
def debian(virt7, mkbundle):
    """debian(vcpus, smp) -> Debian."""

    def start(vcpus, smp, timeout=240):
        bundle = mkbundle(f"name=debian,cpus={vcpus},memory=256M,kernel={KERNEL},ramdisk={INITRAMFS},"
                          "bootargs=console=ttyAMA0")
        return Debian(virt7(bundle, smp=smp, timeout=timeout), vcpus)

    return start


def run_processes(linux, vcpus):
    linux.command("nproc", str(vcpus))
    linux.command("grep -c ^processor /proc/cpuinfo", str(vcpus))
    linux.command("dmesg | grep -q 'CPU: All CPU(s) started in SVC mode' && echo $((1+1)) modes", "2 modes")
    linux.command(f"i=0; while [ $i -lt {PIPES} ]; do dmesg | grep -q nothing; i=$((i + 1)); done; echo pipes: $i",
                  f"pipes: {PIPES}", timeout=240 + PIPES)


HOTPLUG = ("n=0; while [ $n -lt {cycles} ]; do f=/sys/devices/system/cpu/cpu$((RANDOM % {others} + 1))/online; "
           "read o <$f; echo $((1 - o)) >$f || echo hotplug: $f $o; n=$((n + 1)); done; "
           "for f in /sys/devices/system/cpu/cpu[1-9]/online; do read o <$f; [ $o = 1 ] || echo 1 >$f; done; "
           "echo \"hotplug done\": $n, $(nproc)")


def plug_cpus(linux, vcpus):
    linux.command(HOTPLUG.format(cycles=HOTPLUG_CYCLES, others=vcpus - 1), f"hotplug done: {HOTPLUG_CYCLES}, {vcpus}",
                  timeout=120 + 3 * HOTPLUG_CYCLES)
    assert not re.search(r"^hotplug: /sys", linux.run.output(), re.MULTILINE)


def suspend(linux, vcpus):
    """To memory and back, by a key on the console; first only as far as the other CPUs (pm_test): no wake-up needed."""
    linux.command("cat /sys/power/state", r"[^\r]*\bmem\b[^\r]*")
    linux.command("echo 1 >/sys/module/suspend/parameters/pm_test_delay; echo core >/sys/power/pm_test; "
                  "echo mem >/sys/power/state && echo tested: $((2+1)); echo none >/sys/power/pm_test", "tested: 3")
    linux.command("echo enabled >/sys/class/tty/ttyAMA0/power/wakeup && echo wakeup: $((2+2))", "wakeup: 4")
    for n in range(SUSPENDS):
        # Nothing on the console tells when the last CPU sleeps. A key before that is input, or it makes Linux give the
        # suspend up (EBUSY): then it begins anew, and the next key comes later.
        linux.run.send(f"until echo mem >/sys/power/state; do :; done; echo awake: $(({n}+5)), $(nproc)\n")
        linux.run.expect(r"echo awake[^\n]*\n")
        for wait in range(2, 12):
            if linux.run.child.expect([rf"\nawake: {n + 5}, {vcpus}\r", pexpect.TIMEOUT], timeout=wait) == 0:
                break
            linux.run.send("\n")
        else:
            raise AssertionError("no key wakes it")
        linux.command(f"echo alive: $(({n}+6))", f"alive: {n + 6}")
    linux.command("echo successes: $(cat /sys/power/suspend_stats/success)", f"successes: {SUSPENDS + 1}")


def reboot(linux):
    for _ in range(REBOOTS):
        linux.run.send("reboot -f\n")
        linux.expect_boot()
    assert linux.boots == REBOOTS + 1


@pytest.mark.parametrize("vcpus, smp", [(1, 1), (2, 2), (4, 4), (8, 8), (2, 1), (4, 2), (8, 4)])
def test_debian(debian, vcpus, smp):
    """One boot for all that a Debian of this layout is asked to do; after the reboots it has nothing to complain about either."""
    linux = debian(vcpus, smp)
    run_processes(linux, vcpus)
    if (vcpus, smp) in ((2, 2), (4, 4), (4, 2)):
        plug_cpus(linux, vcpus)
    if (vcpus, smp) in ((1, 1), (2, 2), (4, 2)):
        suspend(linux, vcpus)
    linux.check()
    if (vcpus, smp) in ((1, 1), (2, 2), (4, 4)):
        reboot(linux)
        linux.check()
    linux.end()
