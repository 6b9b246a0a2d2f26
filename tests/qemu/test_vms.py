# SPDX-License-Identifier: BSD-2-Clause
"""Several VMs: shares of CPU time, latency, hostile guests, watchdog and restarts, isolation, freed memory, registers.

Guests: tests/guests/hostile.c (which misbehaves as "mode=N" says, or measures), isolation.c, freed.c, world.c. Nothing
here looks at the host's clock: the guests count by CNTVCT. SOAK=1: the long forms.
"""
import os
import re

import pytest

from conftest import BUILD, CPUS
from test_guests import check, image
from test_shell import command, open_shell, power_off
from test_smp import INITRAMFS, KERNEL, SOAK

SLEEP, FAULT, SPIN, HYPERCALLS, MMIO, INTERRUPTS, PRINT, RUN_OFF, ALL_OFF, MAINTENANCE, RESET, SHARE, LATENCY, \
    DOZE, DEADLINES, FCSE, LOW = range(17)


def vm(name, mode, options="", bootargs=""):
    options = options and options + ","
    return f"name={name},memory=8M,{options}kernel={image('hostile')},bootargs=mode={mode} {bootargs}"


# Shares and latency.

@pytest.mark.parametrize("vms, smp", [(2, 1), (3, 1), (3, 2), (5, 4)])
def test_shares(virt7, mkbundle, vms, smp):
    """Equal priorities, all spinning: within 5 % over 10 s of the guests' time; one CPU is exact, more is QEMU's threads."""
    seconds = 10 if SOAK or smp == 1 else 5
    args = ["-icount", "shift=3,sleep=off"] if smp == 1 else []
    run = virt7(mkbundle(*(vm(f"vm{n}", SHARE, bootargs=f"seconds={seconds}") for n in range(vms))), *args, smp=smp,
                timeout=240)
    loops = [int(run.expect(r"share: (\d+) loops\r")[1]) for _ in range(vms)]
    mean = sum(loops) / vms
    tolerance = 0.05 if smp == 1 else 0.2  # QEMU's CPUs share the test machine's; unit tests have the exact figures
    assert all(abs(n - mean) <= tolerance * mean for n in loops), loops


@pytest.mark.parametrize("mode, limit", [(SPIN, 100), (HYPERCALLS, 100), (MMIO, 100), (INTERRUPTS, 100), (PRINT, 100),
                                         (RESET, 6000)])
def test_latency(virt7, mkbundle, mode, limit):
    """
    One CPU: what a lower priority does costs a higher one no more than an exit, in us at 125 MIPS; a start no more than
    its longest steps, which are the making of a device tree and the zeroing of 2 MiB.
    """
    run = virt7(mkbundle(vm("low", mode, "priority=2"), vm("high", LATENCY, "priority=6")), "-icount",
                "shift=3,sleep=off", timeout=240)
    assert int(run.expect(r"latency: (\d+) us\r")[1]) <= limit


def test_doze(virt7, mkbundle):
    """One CPU: a VM of high priority that sleeps leaves it to a lower one, also with a timer due that cannot wake it."""
    run = virt7(mkbundle(vm("high", DOZE, "priority=6"), f"name=good,memory=64M,priority=2,kernel={image('timer')}"))
    run.expect_said("high", f"hostile: mode {DOZE}")
    run.expect_said("good", r"summary: \d+ passed, 0 failed")


def hears_both(run):
    """Each of the VMs bad and good says something that it had not said before."""
    for name, pattern in (("bad", r"round \d+"), ("good", r"flood \d+")):
        run.expect_said(name, pattern, count=len(re.findall(pattern, run.said(name))) + 3)


@pytest.mark.parametrize("smp", [1, 2])
@pytest.mark.parametrize("cpu", CPUS)
def test_extreme_deadlines(virt7, mkbundle, cpu, smp):
    """Deadlines near 2^64 stop no VM, nor do they after a pause or a reset. Behind an offset of the VM's time they stop
    QEMU 7.2 with all that runs in it (timer.offset=always).
    """
    run = virt7(mkbundle(vm("bad", DEADLINES), f"name=good,memory=8M,kernel={image('talk')},bootargs=flood=1"), cpu=cpu,
                smp=smp, timeout=60)
    hears_both(run)
    open_shell(run)
    for line in ("vm pause bad", "vm resume bad"):
        assert "vm bad" not in command(run, line)
    run.send("exit\r")
    hears_both(run)
    open_shell(run)
    assert "vm bad: reset\n" in command(run, "vm reset bad")
    run.send("exit\r")
    hears_both(run)


@pytest.mark.parametrize("cpu", CPUS)
def test_fcse(virt7, mkbundle, cpu):
    """Addresses below 32 MiB are each guest's own, also beside one with an FCSEIDR, which does not outlive its reset."""
    run = virt7(mkbundle(vm("bad", FCSE), vm("good", LOW)), cpu=cpu)
    run.expect_said("good", r"low: .* FCSEIDR 0x\w{8}")
    assert "low: 0 faults, 0 wrong, FCSEIDR 0x00000000" in run.said("good")
    run.expect_said("bad", r"fcse: set to 0xfe000000", count=4)
    assert set(re.findall(r"fcse: was 0x(\w{8})", run.said("bad"))) == {"00000000"}


# Hostile guests end or restart alone.

@pytest.mark.parametrize("mode", [FAULT, SPIN, HYPERCALLS, MMIO, RUN_OFF, ALL_OFF, RESET])
def test_watchdog(virt7, mkbundle, mode):
    """It is started again and again, while another VM does its work to the end."""
    restarts = 100 if mode == RESET else 8 if SOAK else 3  # after a crash they are held back
    run = virt7(mkbundle(vm("bad", mode, "watchdog-ms=50"), f"name=good,memory=64M,kernel={image('timer')}"),
                timeout=600 if SOAK else 240)
    for _ in range(restarts):
        run.expect(f"hostile: mode {mode}\r")
    if "summary: " not in run.output():
        run.expect(r"summary: ")
    run.expect(f"hostile: mode {mode}\r")
    text = run.output()
    assert re.search(r"summary: \d+ passed, 0 failed", text) and "PANIC" not in text


STORM = [vm("crash", FAULT, "watchdog-ms=50"), vm("print", PRINT), vm("calls", HYPERCALLS), vm("mmio", MMIO)]


def no_error(run):
    return "PANIC" not in run.output() and "virt7: error: vm crash: crashed" in run.output() and \
        run.output().count("virt7: error: ") == len(re.findall(r"virt7: error: vm crash: crashed after \d+ s: watchdog: ", run.output()))


def test_storms_beside_work(virt7, mkbundle):
    """All storms at once beside a guest that checks what it does; of equal priority, on two CPUs."""
    run = virt7(mkbundle(f"name=good,memory=64M,kernel={image('timer')}", *STORM), smp=2, timeout=400)
    run.expect_said("good", r"summary: \d+ passed, 0 failed")
    run.expect_said("crash", f"hostile: mode {FAULT}", count=4)
    run.expect_said("print", "line 100 of")
    assert "virt7: vm good: off\n" in run.output() and no_error(run)


WORK = """#!/bin/sh
# Computes the same again and again; says how often it was the same.
work() { neon 1 200; sha256sum /bin/busybox; cat /proc/version; }
want=$(work) rounds=0
while [ "$(work)" = "$want" ]; do rounds=$((rounds + 1)); echo "work: round $rounds"; done
echo "work: broken"
"""

if SOAK:  # minutes

    def test_storms_beside_debian(virt7, mkbundle, initramfs, tmp_path):
        """The VMs beside Debian, until the one that crashes has been restarted seven times."""
        work = tmp_path / "work"
        work.write_text(WORK)
        work.chmod(0o755)
        ramdisk = initramfs(f"bin/neon={BUILD}/linux/neon", f"bin/work={work}")
        debian = f"name=debian,cpus=2,memory=256M,kernel={KERNEL},ramdisk={ramdisk}," \
            "bootargs=console=ttyAMA0 virt7.run=work"
        run = virt7(mkbundle(debian, *STORM), smp=2, mem="1G", timeout=1800)
        run.expect_said("debian", "userspace up: 2 cpus, 256 MiB")
        run.expect_said("debian", r"work: round 3\b")
        run.expect_said("crash", f"hostile: mode {FAULT}", count=8)
        rounds = len(re.findall(r"work: round ", run.said("debian")))
        run.expect_said("debian", rf"work: round {rounds + 3}\b")
        assert "work: broken" not in run.said("debian") and no_error(run)


CRASHED = r"virt7: error: vm {}"
HANGS = (r"watchdog: neither sleeps nor takes interrupts "
         r"\(vCPU 0, PC 0x400[0-9a-f]{5}, LR 0x[0-9a-f]{8}, CPSR 0x[0-9a-f]{6}d3, svc\)")
CRASHED_LAST = "virt7: error: stopped: no VM is running, and one has crashed: power off"


def test_crash_stops(virt7, mkbundle):
    run = virt7(mkbundle(vm("bad", SPIN, "watchdog-ms=50,on-crash=stop")))
    assert run.wait() == 0
    assert re.fullmatch(CRASHED.format(f"bad: crashed after 0 s: {HANGS}"), run.lines()[-2])
    assert run.lines()[-1] == CRASHED_LAST and run.output().count("hostile: mode") == 1


def test_crash_loop(virt7, mkbundle):
    """One line each, the second restart after a second; then it is left alone, and what watches the console is told."""
    run = virt7(mkbundle(vm("bad", SPIN, "watchdog-ms=50,restart-limit=2")))
    assert run.wait() == 0
    what = "bad: crashed after 0 s: " + HANGS
    said = [line for line in run.lines() if line.startswith("virt7: ")][-4:]
    for line, end in zip(said, (": restart 1 of 2", ": restart 2 of 2 in 1 s", ": restart-limit 2 is reached")):
        assert re.fullmatch(CRASHED.format(what + end), line), line
    assert said[3] == CRASHED_LAST and run.output().count("hostile: mode") == 3


def test_crash_loop_behind_an_open_shell(virt7, mkbundle):
    """It does not write over what is typed; `vm list` has it."""
    run = virt7(mkbundle(vm("bad", SPIN, "watchdog-ms=50,restart-limit=0"), vm("other", SPIN)))
    run.expect("virt7: error: vm bad: crashed [^\r]*: restart 1\r")
    run.send("\x1d")
    run.expect("virt7> ")
    before = run.output().count("virt7: error: ")
    listed = ""
    while "restart 4 in 4 s" not in listed:
        run.send("vm list\r")
        run.expect("virt7> ")
        listed = run.child.before
    assert re.search(r"\nbad +restarting .*\r+\n  " + f"crashed after 0 s: {HANGS}: restart 4 in 4 s; \\d+ s ago\r+\nother +running", listed)
    assert run.output().count("virt7: error: ") == before
    run.send("log\r")
    run.expect("virt7: error: vm bad: crashed [^\r]*: restart 4 in 4 s\r")
    run.send("vm stop bad\r")
    run.expect("virt7: vm bad: off\r")


@pytest.mark.parametrize("word", ["start", "reset"])
def test_operator_ends_the_wait(virt7, mkbundle, word):
    """Of a VM that is to be restarted in 8 s or more; what it has crashed before is forgotten."""
    run = virt7(mkbundle(vm("bad", SPIN, "watchdog-ms=50"), vm("other", SPIN)))
    run.expect("virt7: error: vm bad: crashed [^\r]*: restart 1 of 10\r")
    run.send("\x1d")
    run.expect("virt7> ")
    list_until(run, "restart 5 of 10 in 8 s")
    run.send("vm pause bad\r")
    run.expect("vm bad: it is restarting after a crash; `vm start` does so at once, `vm stop` ends it\r")
    run.send(f"vm {word} bad\r")
    run.expect("virt7: vm bad: start\r")
    list_until(run, "restart 1 of 10;", never="restart 6 of 10")


def list_until(run, text, never=None):
    listed = ""
    while text not in listed:
        run.send("vm list\r")
        run.expect("virt7> ")
        listed = run.child.before
        assert never is None or never not in listed


def test_on_reset_stops(virt7, mkbundle):
    run = virt7(mkbundle(vm("once", RESET, "on-reset=stop")))
    assert run.wait() == 0
    assert run.output().count("hostile: mode") == 1 and "virt7: vm once: off\n" in run.output()


# Many.

def test_sixteen(virt7, mkbundle):
    """16 VMs of 8 MiB on two CPUs, each to its end."""
    run = virt7(mkbundle(*(f"name=vm{n},memory=8M,kernel={image('psci')}" for n in range(16))), smp=2, timeout=240)
    assert run.wait() == 0
    for n in range(16):
        assert re.search(r"summary: \d+ passed, 0 failed", run.said(f"vm{n}"))
    assert len(re.findall(r"virt7: vm vm\d+: off", run.output())) == 16


def test_four_debians(virt7, mkbundle):
    """Four Debians come to their shells, and each answers when it has screen and keyboard."""
    bundle = mkbundle(*(f"name=debian{n},cpus=2,memory=128M,kernel={KERNEL},ramdisk={INITRAMFS},"
                        "bootargs=console=ttyAMA0" for n in range(4)))
    run = virt7(bundle, smp=4, mem="1G", timeout=600)
    for n in range(4):
        run.expect_said(f"debian{n}", "userspace up: 2 cpus, 128 MiB")
    for n in (2, 0, 3, 1):
        open_shell(run)
        run.send(f"vm console debian{n}\r")
        run.expect(rf"\[debian{n}\]\r+\n")
        run.expect("~ # ")
        run.send(f"echo $((1000 + {n})) $(cat /proc/1/comm)\r")
        run.expect(rf"\n{1000 + n} init\r")
    assert "PANIC" not in run.output() and "virt7: error" not in run.output()


# Isolation.

QEMU64 = os.environ.get("QEMU64", "qemu-system-aarch64")  # has all 40 bits of HPFAR (docs/platform.md)


def test_isolation(virt7, mkbundle):
    """The first 4 GiB, which is what qemu-system-arm can tell apart."""
    bundle = mkbundle(f"name=test,memory=8M,kernel={image('isolation')},bootargs=gib=4")
    check(virt7(bundle), set())


def test_ram_above_4_gib(qemu, mkbundle):
    """The host's RAM ends above 4 GiB, and so does the VM's; of both little is touched."""
    bundle = mkbundle(f"name=test,memory=3328M,kernel={image('isolation')},bootargs=mib=3328 step=61")
    check(qemu("-M", "virt,virtualization=on,gic-version=2", "-cpu", "cortex-a15", "-m", "3584M", "-nographic",
               "-kernel", BUILD / "virt7.bin", "-initrd", bundle, timeout=240, program=QEMU64), set())


def test_isolation_40_bits(qemu, mkbundle):
    """A word in each 2 MiB of all 40 bits; without SOAK in each 32 MiB above 4 GiB."""
    step = 1 if SOAK else 16
    bundle = mkbundle(f"name=test,memory=8M,kernel={image('isolation')},bootargs=step={step}")
    run = qemu("-M", "virt,virtualization=on,gic-version=2", "-cpu", "cortex-a15", "-m", "512M", "-nographic",
               "-kernel", BUILD / "virt7.bin", "-initrd", bundle, timeout=600, program=QEMU64)
    check(run, set())
    blocks = 2048 + (2**19 - 2048) // step - 3 - 384 - 128 // step  # three blocks have devices, and PCI is 384 and 128
    assert f"isolation: {blocks} blocks, 4 reached" in run.output()


# Many VMs.

def many(mkbundle, tmp_path, count):
    """So many of 8 MiB with one vCPU and one ramdisk, which is large enough for virt7 to say that it checks it."""
    ramdisk = tmp_path / "ramdisk"
    ramdisk.write_bytes(bytes(range(256)) * 4096)
    return mkbundle(*(f"name=vm{n},memory=8M,kernel={image('pl061')},ramdisk={ramdisk}" for n in range(count)))


def expect_all(run, count):
    """Each has run to its end."""
    assert run.wait() == 0
    output = run.output()
    assert "error" not in output
    assert all(re.search(r"summary: [1-9]\d* passed, 0 failed", run.said(f"vm{n}")) for n in range(count))
    assert re.findall(r"virt7: vm (\w+): checking ramdisk, 1024 KiB crc32", output) == ["vm0"]


def test_64_vms(virt7, mkbundle, tmp_path):
    """On 1 GiB; and their ramdisk is hashed once."""
    expect_all(virt7(many(mkbundle, tmp_path, 64), mem="1G"), 64)


@pytest.mark.skipif(not SOAK, reason="a minute of QEMU with 4 GiB: make soak")
@pytest.mark.parametrize("mem", ["3G", "4G"])
def test_255_vms(virt7, mkbundle, tmp_path, mem):
    """As many as there can be; with 4 GiB part of RAM is above the first 4 GiB of addresses."""
    expect_all(virt7(many(mkbundle, tmp_path, 255), mem=mem, timeout=600), 255)


def test_more_vms_than_fit(virt7, mkbundle, tmp_path):
    """Each runs, or has one line that says what it lacks and what to do."""
    run = virt7(many(mkbundle, tmp_path, 64), mem="256M")
    assert run.wait() == 0
    output = run.output()
    fits = {str(n) for n in range(64) if "summary: " in run.said(f"vm{n}")}
    refused = re.findall(r"virt7: error: vm vm(\d+): memory: 8 MiB asked for, the host has [0-7] MiB free; lower memory in /vms/vm(\d+)",
                         output)
    assert len(fits) >= 25 and output.count("error") == len(refused) == 64 - len(fits)
    assert fits.isdisjoint(name for name, _ in refused) and all(a == b for a, b in refused)


# Freed memory.

@pytest.mark.parametrize("page", ["4k", "2m"])
def test_freed_memory(virt7, mkbundle, page):
    """VMs after each other in the same RAM, which each finds zeroed and fills; the host has no room for two large ones."""
    vms = {"one": (80, 1), "two": (80, 0), "half": (32, 0)}
    bundle = mkbundle(*(f"name={name},memory={mib}M,autostart={start},kernel={image('freed')},bootargs=mib={mib}"
                        for name, (mib, start) in vms.items()))
    run = virt7(bundle, "-append", f"s2.page={page}", mem="128M")
    run.expect_said("one", "summary: 1 passed, 0 failed")
    for name in ("two", "half"):
        open_shell(run)
        run.send(f"vm start {name}\r\x04")
        run.expect_said(name, "summary: 1 passed, 0 failed")
    assert run.wait() == 0  # no other VM is left
    assert re.search(r"virt7: host: 128 MiB of RAM, 1[12]\d MiB free", run.output())


# How a VM ends that has filled its RAM: what it does by itself, words of its own, the shell's lines, and how often it says that
# it has found zeroes.
WAYS_TO_END = {
    "off": (0, "", (), 1), "reset": (1, "on-reset=restart,", ("vm stop -f dirty",), 3), "crash": (2, "watchdog-ms=500,on-crash=stop,", (), 1),
    "restart": (2, "watchdog-ms=500,restart-limit=2,", (), 3), "stop": (3, "", ("vm stop -f dirty",), 1),
    "destroy": (3, "", ("vm destroy -f dirty", "vm create dirty"), 1), "prefault": (0, "prefault,", (), 1),
    "again": (3, "", ("vm reset -f dirty", "vm stop -f dirty"), 1),
}


@pytest.mark.parametrize("way", WAYS_TO_END)
@pytest.mark.parametrize("smp", [1, 3])
def test_no_trace(virt7, mkbundle, tmp_path, way, smp):
    """Whatever ends a VM, nothing of it is in the RAM of the next ones: of another size, and of all that there is. A third VM's
    disk of the host's is written and read meanwhile. With three CPUs the third one zeroes what is free, in between.
    """
    does, words, lines, times = WAYS_TO_END[way]
    (tmp_path / "disk").write_bytes(bytes(1 << 20))
    bundle = mkbundle(
        f"name=load,memory=8M,kernel={BUILD}/guests/busmaster.bin,cpu-affinity=1,disk=host=/virtio_mmio@a003e00,bootargs=blk={0xa000000}",
        f"name=dirty,memory=14M,autostart=no,cpu-affinity=1,{words}kernel={image('freed')},bootargs=mib=14 end={does}",
        f"name=half,memory=10M,autostart=no,cpu-affinity=1,kernel={image('freed')},bootargs=mib=10",
        f"name=all,memory=36M,autostart=no,cpu-affinity=2,kernel={image('freed')},bootargs=mib=36" if smp > 1 else
        f"name=all,memory=36M,autostart=no,kernel={image('freed')},bootargs=mib=36")
    run = virt7(bundle, "-global", "virtio-mmio.force-legacy=false", "-drive", f"if=none,id=d,format=raw,file={tmp_path}/disk",
                "-device", "virtio-blk-device,drive=d", smp=smp, mem="64M")
    run.expect_said("load", "busmaster: ready")
    open_shell(run)
    for round_ in range(1, 3):
        run.send("vm start dirty\r\x04")
        run.expect_said("dirty", "PASS: RAM up to", count=round_ * times)
        open_shell(run)
        for line in lines:
            command(run, line)
        for name in ("half", "all"):
            while not re.search("^dirty +0 MiB", command(run, "mem"), re.M):
                pass  # it gives its RAM back
            run.send(f"vm start {name}\r\x04")
            run.expect_said(name, "summary: 1 passed, 0 failed", count=round_)
            open_shell(run)
            while not re.search(f"^{name} +0 MiB", command(run, "mem"), re.M):
                pass
        if way == "destroy":
            for line in ("vm destroy half", "vm create half"):
                command(run, line)
    power_off(run)
    assert "FAIL" not in run.output()


# Registers.

@pytest.mark.parametrize("cpu,hstr", [*((cpu, 1) for cpu in CPUS), ("cortex-a15", 0)], ids=[*CPUS, "hstr"])
def test_worlds(virt7, mkbundle, cpu, hstr):
    """
    Two VMs on one CPU, each with patterns of its own in all registers; nothing of them is there after a reset. Also where
    HSTR traps none of them.
    """
    seeds = (5, 10)
    run = virt7(mkbundle(*(f"name=vm{n},memory=8M,kernel={image('world')},bootargs=seed={n}" for n in seeds)),
                "-append", f"coproc.hstr={hstr}", cpu=cpu)
    for n in seeds:
        run.expect_said(f"vm{n}", rf"PASS: world {n}:|FAIL: ", count=3)
    assert "FAIL: " not in run.output()
