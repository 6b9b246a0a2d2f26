# SPDX-License-Identifier: BSD-2-Clause
"""The host's SD card, which virt7 drives on orangepi-pc, for several VMs: cards of both kinds, restarts, one that is pulled out, none."""
import hashlib
import os
import re
import socket
import subprocess

import pytest

from conftest import ROOT
from test_hostdisk import FILLED, LOAD, MIB, ROUND, SECTOR, WORK, debian, drivers, entry, restart_driver, with_mbr
from test_shell import command, open_shell, power_off
from test_smp import SOAK

PLACE = "/soc/mmc@1c0f000"


@pytest.fixture
def board(qemu):
    """board(bundle, its card or None, more of QEMU's) -> Qemu"""

    def start(bundle, card, more="", timeout=300):
        drive = f"-drive if=sd,id=card,format=raw,file={card}" if card else ""
        return qemu("BOARD=orangepi-pc", f"BUNDLE={bundle}", f"ARGS={drive} {more}", timeout=timeout, program=ROOT / "tools/run")

    return start


@pytest.fixture
def card(tmp_path):
    """A card of 32 MiB filled with noise but for its table of partitions: its file, partitions and contents."""
    data = bytearray(FILLED.ljust(32 * MIB, b"\xa5"))
    parts = with_mbr(data)
    path = tmp_path / "card.img"
    path.write_bytes(data)
    return path, parts, data


def whole(path):
    subprocess.run(["/sbin/e2fsck", "-fn", path], check=True)


def test_partitions(board, mkbundle, card):
    """Addressed by bytes. Two VMs at once on two partitions: each finds what is there, leaves a file system that is whole, and nothing
    outside of them has been written."""
    path, parts, before = card
    run = board(mkbundle(*(debian(f"vm{n}", WORK, f"disk=host={PLACE}:{n}") for n in (2, 5))), path)
    assert run.wait() == 0
    after = path.read_bytes()
    for n in (2, 5):
        first, count = parts[n]
        there = slice(first * SECTOR, (first + count) * SECTOR)
        said = run.said(f"vm{n}")
        assert f"size {count}" in said and "fine" in said
        assert f"found {hashlib.sha256(before[there]).hexdigest()}" in said
        assert f"left {hashlib.sha256(after[there]).hexdigest()}" in said
        before[there] = after[there]
        part = path.with_name(f"part{n}")
        part.write_bytes(after[there])
        whole(part)
    assert before == after


def extents(path):
    """Where a sparse file has data, in sectors."""
    with open(path, "rb") as file:
        at, size = 0, os.fstat(file.fileno()).st_size
        while at < size:
            try:
                start = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                return
            at = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            yield start // SECTOR, at // SECTOR


def test_large(board, mkbundle, tmp_path):
    """Addressed by blocks, one of the partitions beyond 4 GiB."""
    parts = {1: (2048, 8192), 2: (9_000_000, 8192)}
    path = tmp_path / "card.img"
    path.write_bytes(bytes(446) + b"".join(entry(0x83, *parts[n]) for n in parts) + bytes(32) + b"\x55\xaa")
    os.truncate(path, 8 << 30)
    run = board(mkbundle(*(debian(f"vm{n}", WORK, f"disk=host={PLACE}:{n}") for n in parts)), path)
    assert run.wait() == 0
    for n, (first, count) in parts.items():
        with open(path, "rb") as file:
            file.seek(first * SECTOR)
            there = file.read(count * SECTOR)
        said = run.said(f"vm{n}")
        assert "fine" in said and f"left {hashlib.sha256(there).hexdigest()}" in said
        assert f"found {hashlib.sha256(bytes(count * SECTOR)).hexdigest()}" in said
        (tmp_path / "part").write_bytes(there)
        whole(tmp_path / "part")
    page = 8  # sectors, by which the file has holes
    for start, end in extents(path):
        assert end <= page or any(first - first % page <= start and end <= first + count + page for first, count in parts.values())


def test_restarts_of_a_driver(board, mkbundle, card):
    """Of two bare-metal guests one is reset, stopped and destroyed among its requests."""
    path, parts, before = card
    run = board(mkbundle(*drivers(PLACE)), path, timeout=1500 if SOAK else 180)
    restart_driver(run, path, parts, before)


def test_pulled_out(board, mkbundle, card, tmp_path):
    """The card goes under load: errors in the guest, one line, and a VM without it goes on; no other is told to wait."""
    path, _, _ = card
    monitor = socket.socket(socket.AF_UNIX)
    run = board(mkbundle(debian("load", LOAD, f"disk=host={PLACE}:1"), debian("other", "while :; do sleep 1; echo ali''ve; done", "rng")), path,
                f"-monitor unix:{tmp_path}/monitor,server,nowait")
    run.expect_said("load", ROUND, count=2)
    monitor.connect(f"{tmp_path}/monitor")
    monitor.send(b"eject -f card\n")
    run.expect(rf"virt7: warning: host disk {PLACE}: sector \d+: the card does not answer: an I/O error for whoever asked; the next ones have no line")
    run.expect_said("load", "I/O error, dev vda, sector", count=3)
    run.expect_said("other", "alive", count=run.said("other").count("alive") + 5)
    open_shell(run)
    for line in ("vm stop -f load", "vm start load", "vm destroy -f load"):
        command(run, line)
    lines = re.findall("virt7: (?:warning|error): host disk .*", run.output())
    assert len(lines) == 1
    power_off(run)


def test_no_card(board, mkbundle):
    """One line, and the other VM works."""
    run = board(mkbundle(debian("good", "echo fin''ished", "rng"), debian("bad", "true", f"disk=host={PLACE}")), None)
    run.expect(r"(?m)^(good\| )?finished\r")
    assert run.wait() == 0
    assert re.findall(r"virt7: error: .*", run.output()) == [f'virt7: error: vm bad: /vms/bad/disk0: host "{PLACE}": no SD card answers']


@pytest.mark.parametrize("first", ("disk", "pass"))
def test_two_ways(board, mkbundle, card, first):
    """virt7's own, or a VM's, never both: whoever comes second stays off, with a line."""
    path, _, _ = card
    words = {"disk": f"disk=host={PLACE}:1", "pass": f"trusted-dma,pass={PLACE}"}
    second = "pass" if first == "disk" else "disk"
    run = board(mkbundle(debian("one", "echo fin''ished", words[first]), debian("two", "true", words[second])), path)
    run.expect(r"(?m)^(one\| )?finished\r")
    assert run.wait() == 0
    why = {"disk": f'/vms/two/disk0: host "{PLACE}": a VM or a switch has this device', "pass": f"passthrough {PLACE}: it, or a part of it, is taken already by virt7, for disks"}
    lines = re.findall(r"virt7: error: .*", run.output())
    assert len(lines) == 1 and why[second] in lines[0]
