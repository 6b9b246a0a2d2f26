# SPDX-License-Identifier: BSD-2-Clause
"""A real-time guest beside others: how late its timer's interrupts are, in instructions, and the demo of tools/run."""
import hashlib
import re
import subprocess
import time
from types import MappingProxyType

import pytest

from conftest import BUILD, DEPS, ROOT
from test_guests import DISK, VIRT7_QUIRKS, check, image
from test_shell import command, open_shell, power_off
from test_smp import SOAK
from test_uplink import free_port
from test_vms import MMIO, RESET, SPIN, vm

RTOS = f"name=rtos,memory=8M,prefault,priority=7,kernel={BUILD}/guests/rtos.bin,bootargs="
LINE = r"rtos: now: (\d+) ticks of 1000 us: late by \d+ ns on average, (\d+) ns at worst; (\d+) missed\r"


@pytest.mark.parametrize("neighbour, bound", ((None, 700), (SPIN, 2000), (MMIO, 4000), (RESET, 30_000)))
def test_lateness(virt7, mkbundle, neighbour, bound):
    """One CPU under -icount, where a nanosecond is an instruction: alone, and with another VM that misbehaves on the same CPU."""
    vms = [] if neighbour is None else [vm("other", neighbour, "priority=3")]
    run = virt7(mkbundle(f"{RTOS}report=500", *vms), "-icount", "shift=0,sleep=off", timeout=600 if SOAK else 120)
    run.expect(LINE)  # while the other one starts
    for _ in range(60 if SOAK else 3):
        ticks, worst, missed = map(int, run.expect(LINE).groups())
        assert ticks == 500 and missed == 0 and worst <= bound


# Instructions for which virt7 keeps a CPU from the guest that has it for itself; and where that guest prints, when it sends what
# others have printed, too, in two goes at most (BURST in hyp/console/output.c).
AWAY, PRINTS = 6_000, 30_000


def stretch(*args):
    return subprocess.run([ROOT / "tools/stretch", *map(str, args)], check=True, capture_output=True, text=True).stdout


def check_stretches(out):
    """Of a QEMU that has ended."""
    lines = stretch("--read", out, "-n", 64)
    print(lines)
    assert lines
    for line in lines.splitlines():
        prints = re.search("stream_has_output|uart_send|output_drain", line)
        assert int(line.split()[0].replace(",", "")) <= (PRINTS if prints else AWAY), line


@pytest.mark.parametrize("neighbour", (SPIN, MMIO, RESET))
def test_cpu_of_its_own(virt7, mkbundle, tmp_path, neighbour):
    """Whatever is beside it on the other CPUs: each of virt7's steps on its own is short. They run at a time, without -icount."""
    bundle = mkbundle(f"dedicated-cpus,cpu-affinity=0x2,{RTOS}report=500", vm("other", neighbour, "watchdog-ms=100"))
    plugin = stretch("--plugin", tmp_path / "out", "--cpu", 1, "--away").strip()
    run = virt7(bundle, "-plugin", plugin, smp=2)
    for _ in range(60 if SOAK else 4):
        assert int(run.expect(LINE)[1]) == 500
    open_shell(run)
    power_off(run)
    check_stretches(tmp_path / "out")


# Instructions between two looks for interrupts, and what takes longer, by function: docs/performance.md.
STRETCH = 10_000
# Of a VM with devices of the host: a property that libfdt looks for in a long node, and the last look through its stage 2.
PASSED = {"fdt_next_tag": 17_000, "next_block": 55_000, "zero_pages": 13_000, "memset": 13_000, "reset_irq": 13_000}
# The console: virt7's lines, and what is typed in the shell.
TALKS, TALKED = "output_drain|console_put|put_byte|uart_send|own_tell_dropped|mux_lock|_read|_can_send", 60_000


def check_masked(out, longer=MappingProxyType({}), talks=None):
    """Of a QEMU that has ended."""
    lines = stretch("--read", out, "-n", 64)
    print(lines)
    assert lines
    for line in lines.splitlines():
        total, what = line.split()[:2]
        bound = TALKED if talks and re.search(talks, line) else longer.get(what, STRETCH)
        assert int(total.replace(",", "")) <= bound, line


def test_masked_by_devices(virt7, mkbundle, tmp_path):
    """Rings and a disk's data in RAM that the guest has not touched; under -icount: a nanosecond is an instruction."""
    (tmp_path / "disk").write_bytes(DISK)
    plugin = stretch("--plugin", tmp_path / "out", "--first", "vector_trap").strip()
    bundle = mkbundle(f"name=test,memory=64M,kernel={image('virtio')},disk={tmp_path}/disk:ro")
    check(virt7(bundle, "-icount", "shift=0,sleep=off", "-plugin", plugin), VIRT7_QUIRKS)
    check_masked(tmp_path / "out")


def test_masked_by_frames(virt7, mkbundle, tmp_path):
    """Of 64 KiB from card to card, and eight of 1,514 bytes a kick, in a VM with 32 devices."""
    plugin = stretch("--plugin", tmp_path / "out", "--first", "vector_trap").strip()
    bundle = mkbundle(f"name=bench,memory=128M,kernel={BUILD}/bench/bench.bin,net=lan,net=lan{30 * ',disk=size=64K'},bootargs=bench=net")
    run = virt7(bundle, "-icount", "shift=0,sleep=off", "-plugin", plugin)
    assert run.wait() == 0
    assert "row net_large " in run.output() and "lost" not in run.output()
    check_masked(tmp_path / "out")


def test_masked_by_resets(virt7, mkbundle, tmp_path):
    """A VM that resets itself without end. The shell, whose turn may come before another one's step, has no part in it."""
    plugin = stretch("--plugin", tmp_path / "out", "--first", "vector_trap").strip()
    run = virt7(mkbundle(vm("other", RESET)), "-icount", "shift=0,sleep=off", "-plugin", plugin)
    for _ in range(3):
        run.expect("hostile: mode")
    run.send("\x01x")  # QEMU's own
    assert run.wait() == 0
    check_masked(tmp_path / "out")


@pytest.mark.parametrize("board, words", (("orangepi-pc", "pass=rest"), ("mcimx7d-sabre", "pass=rest"),
                                          ("orangepi-pc", "pass=/soc/mmc@1c0f000,pass=/soc/ethernet@1c30000")), ids=("h3", "imx7", "paths"))
def test_masked_by_passthrough(qemu, mkbundle, tmp_path, board, words):
    """A VM with devices of the host is destroyed, created, started, reset, stopped: the host's tree has hundreds of nodes."""
    owner = f"name=owner,memory=128M,cpu-affinity=1,autostart=no,trusted-dma,{words},kernel={DEPS}/armhf/vmlinuz"
    bundle = mkbundle(f"{owner},bootargs=console=ttyAMA0 clk_ignore_unused", f"name=other,cpu-affinity=1,memory=8M,kernel={BUILD}/guests/talk.bin")
    plugin = stretch("--plugin", tmp_path / "out", "--first", "vector_trap", "--cpu", 0).strip()
    run = qemu(f"BOARD={board}", f"BUNDLE={bundle}", f"ARGS=-icount shift=0,sleep=off -plugin {plugin}", timeout=120, program=ROOT / "tools/run")
    run.expect("talk: ready")
    open_shell(run)
    for line in ("vm destroy owner", "vm create owner", "vm start owner", "vm reset -f owner", "vm stop -f owner"):
        command(run, line)
        while "start" in line or "reset" in line:
            if re.search("^owner +running +1 of 1 ", command(run, "vm list"), re.M):
                break
    while not re.search("^owner +off ", command(run, "vm list"), re.M):
        pass
    run.send("\x01x")  # QEMU's own
    assert run.wait() == 0
    check_masked(tmp_path / "out", PASSED, TALKS)


@pytest.mark.parametrize("board, minutes", (("orangepi-pc", 60 if SOAK else 0), *((("vexpress-a15", 5),) if SOAK else ())))
def test_demo(qemu, tmp_path, board, minutes):
    """`make run DEMO=rtos`: Debian has the SD card and the network card, and is restarted; the real-time guest goes on. How late it is is QEMU's and is
    not judged. In the long form Debian reads and hashes all the time, and virt7's steps on the other's CPU are counted.
    """
    data = hashlib.shake_256(b"card").digest(4 << 20)
    (tmp_path / "card").write_bytes(data)
    args = [f"ARGS=-plugin {stretch('--plugin', tmp_path / 'out', '--cpu', 3, '--away').strip()}"] if minutes else []
    run = qemu(f"BOARD={board}", "DEMO=rtos", f"DISK={tmp_path}/card", f"NET=user:{free_port()}", *args, timeout=300, program=ROOT / "tools/run")
    end = time.monotonic() + 60 * minutes
    n = 0
    while n < 2 or time.monotonic() < end:
        run.expect(r"debian\| ~ # ")
        run.send("until [ -e /dev/mmcblk0 ]; do sleep 1; done; sha256sum </dev/mmcblk0\r")
        run.expect_said("debian", hashlib.sha256(data).hexdigest(), count=n + 1)
        run.send("ping -c 1 10.0.2.2\r")
        run.expect_said("debian", "1 packets received", count=n + 1)
        run.expect(LINE)
        if n >= 2:
            run.send("while :; do sha256sum </dev/mmcblk0 >/dev/null; done &\r")
            for _ in range(22):
                assert int(run.expect(LINE)[1]) == 5000
        open_shell(run)
        command(run, "vm reset -f debian")
        run.send("vm console\r")
        run.expect(LINE)
        n += 1
    open_shell(run)
    assert re.search(r"^rtos +running +1 of 1 ", command(run, "vm list"), re.M)
    power_off(run)
    if minutes:
        check_stretches(tmp_path / "out")
