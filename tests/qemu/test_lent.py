# SPDX-License-Identifier: BSD-2-Clause
"""A disk of the host's that moves data from and to a VM's RAM itself, and does not answer: its VM crashes, that RAM is in quarantine, and
nothing of the request comes to whoever has RAM next, nor of theirs to the disk, when it goes on after all."""
import re
import socket
import struct
import time

import pexpect
import pytest

from conftest import BUILD
from test_hostdisk import FILLED, PLACE, SECTOR, drive, with_mbr
from test_shell import command, open_shell, power_off

GUESTS = BUILD / "guests"
SILENT = rf"virt7: warning: host disk {PLACE}: no answer for 5 s"
CRASHED = rf"virt7: error: vm load: crashed after \d+ s: host disk {PLACE} has not ended a request within 5 s"
KEPT = rf"virt7: warning: vm load: 2 MiB of its RAM are in quarantine, for host disk {PLACE} may still read or write there"
FREE = rf"virt7: host: 2 MiB of RAM are out of quarantine: host disk {PLACE} has ended its requests there"


def load(more="", words=""):
    """It has 16 requests under way at any time, half of them writes, from its RAM's second 2 MiB; with its caches on they are not copied."""
    return f"name=load,memory=8M,{words}kernel={GUESTS}/busmaster.bin,disk=host={PLACE}:1,bootargs=blk={0xa000000} caches=1 says=1000 {more}"


IDLE = f"name=idle,memory=8M,autostart=no,kernel={GUESTS}/freed.bin"  # so that each line says whose it is


@pytest.fixture
def image(tmp_path):
    """A disk filled with noise but for its table of partitions: its file, partitions and contents."""
    data = bytearray(FILLED)
    parts = with_mbr(data)
    path = tmp_path / "disk.img"
    path.write_bytes(data)
    return path, parts, data


class Throttle:
    """QEMU's disk ends no reads, or no writes, until it is let go."""

    def __init__(self, tmp_path):
        self.path, self.monitor = tmp_path / "monitor", socket.socket(socket.AF_UNIX)
        self.options = ["-monitor", f"unix:{self.path},server,nowait"]

    def hold(self, what):
        self.monitor.connect(str(self.path))
        self.monitor.send(f"block_set_io_throttle disk 0 {1 if what == 'reads' else 0} {1 if what == 'writes' else 0} 0 0 0\n".encode())

    def let_go(self):
        self.monitor.send(b"block_set_io_throttle disk 0 0 0 0 0 0\n")


def wait_for(run, pattern):
    """It has been printed, or will be: before or behind what was waited for last."""
    end = time.monotonic() + run.child.timeout
    while not re.search(pattern, run.output()):
        assert time.monotonic() < end, f"no {pattern!r}"
        run.child.expect([pexpect.TIMEOUT, ".+"], timeout=0.2)


def ram_rows(run):
    """`mem`: what has how much, in MiB; all of it adds up."""
    rows = dict((name, int(size)) for name, size in re.findall(r"^(\S.*?) +(\d+) MiB", command(run, "mem"), re.M))
    assert sum(rows.values()) == 2 * rows["in all"]
    return rows


def hold_and_wait(run, throttle, what):
    run.expect_said("load", "busmaster: works")
    throttle.hold(what)
    run.expect(SILENT)
    open_shell(run)


@pytest.mark.parametrize("what", ("reads", "writes"))
@pytest.mark.parametrize("way", ("destroy", "stop"))
def test_late_dma(virt7, mkbundle, image, tmp_path, what, way):
    """Another VM fills all RAM that the host has left, and looks again and again. The request goes on then: no byte of that VM changes,
    no sector has what it has written, and the RAM that was in quarantine is zeroed and free."""
    path, parts, before = image
    throttle = Throttle(tmp_path)
    watch = f"name=watch,memory=%dM,autostart=no,kernel={GUESTS}/freed.bin,bootargs=mib=%d end=4"
    sizes = (8, 64)  # without the quarantine the first has the very RAM, behind its image
    run = virt7(mkbundle(load(), *(f"{watch % (size, size)}".replace("name=watch", f"name=watch{size}") for size in sizes)),
                *drive(path, 2), *throttle.options, mem="128M", timeout=60)
    hold_and_wait(run, throttle, what)
    free = ram_rows(run)["free for VMs"]
    command(run, f"vm {way} -f load")
    wait_for(run, CRASHED)
    wait_for(run, KEPT)
    rows = ram_rows(run)
    assert rows["quarantine"] == 2 and rows["free for VMs"] == free + 6
    for size in sizes:
        command(run, f"vm start watch{size}")
    run.send("vm console\r")
    run.expect(r"\[all VMs; keyboard: ")
    for size in sizes:
        run.expect_said(f"watch{size}", "freed: as it was")
    throttle.let_go()
    wait_for(run, FREE)
    for size in sizes:
        run.expect_said(f"watch{size}", "freed: as it was", count=run.said(f"watch{size}").count("as it was") + 3)
    open_shell(run)
    rows = ram_rows(run)
    assert "quarantine" not in rows
    for size in sizes:
        command(run, f"vm stop -f watch{size}")
    assert ram_rows(run)["free for VMs"] == free + 8 and "changed" not in run.output() and "FAIL" not in run.output()
    power_off(run)
    first, count = parts[1]
    after = path.read_bytes()
    assert not any(16 * struct.pack("<I", 0x5ec2e700 | page) in after for page in range(256))  # one word may be by chance: it writes noise
    there = slice(first * SECTOR, (first + count) * SECTOR)
    before[there] = after[there]
    assert before == after


@pytest.mark.parametrize("way", ("reset", "disk"))
def test_restarts(virt7, mkbundle, image, tmp_path, way):
    """A VM that is to restart after a crash does, with other RAM, whoever resets it or only its disk; it works when the disk does."""
    path, _, _ = image
    throttle = Throttle(tmp_path)
    run = virt7(mkbundle(IDLE, load("end=3" if way == "disk" else "", "on-crash=restart,")),
                *drive(path, 2), *throttle.options, timeout=60)
    hold_and_wait(run, throttle, "reads")
    if way == "reset":
        command(run, "vm reset -f load")
    wait_for(run, KEPT)
    assert f"host disk {PLACE} has not ended a request within 5 s: restart 1" in command(run, "vm list")
    assert ram_rows(run)["quarantine"] == 2
    throttle.let_go()
    wait_for(run, FREE)
    run.send("vm console\r")
    run.expect_said("load", "busmaster: works", count=run.said("load").count("works") + 2)
    assert run.said("load").count("PASS: nothing comes of what was before") == 2 and "FAIL" not in run.output()
    open_shell(run)
    power_off(run)


@pytest.mark.parametrize("cpus", (1, 2))
def test_healthy(virt7, mkbundle, image, cpus):
    """The disk is reset with its queue full, over and over: what was under way is waited for, and writes nothing after that."""
    path, parts, before = image
    run = virt7(mkbundle(IDLE, load("end=3").replace("says=1000", "says=40")), *drive(path, 2), smp=cpus)
    run.expect_said("load", "busmaster: works", count=30)
    open_shell(run)
    power_off(run)
    assert "FAIL" not in run.output() and "warning" not in run.output()
    after = path.read_bytes()
    first, count = parts[1]
    there = slice(first * SECTOR, (first + count) * SECTOR)
    before[there] = after[there]
    assert before == after


def test_pause(virt7, mkbundle, image, tmp_path):
    """What a VM that is paused has under way ends; it sees that when it goes on, however long that was."""
    path, _, _ = image
    throttle = Throttle(tmp_path)
    run = virt7(mkbundle(IDLE, load()), *drive(path, 2), *throttle.options, timeout=60)
    hold_and_wait(run, throttle, "reads")
    command(run, "vm pause load")
    throttle.let_go()
    run.expect(rf"virt7: host disk {PLACE}: it answers again")
    command(run, "vm resume load")
    run.send("vm console\r")
    run.expect_said("load", "busmaster: works", count=run.said("load").count("works") + 2)
    assert "FAIL" not in run.output() and "quarantine" not in run.output()
    open_shell(run)
    power_off(run)
