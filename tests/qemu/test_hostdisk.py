# SPDX-License-Identifier: BSD-2-Clause
"""A disk of the host's for several VMs: partitions of each kind, nothing beside them written, errors, restarts, wrong words."""
import hashlib
import re
import socket
import struct
import subprocess
import zlib

import pytest

from conftest import BUILD, DEPS
from test_shell import command, open_shell, power_off
from test_smp import SOAK

PLACE = "/virtio_mmio@a003e00"  # of the first of QEMU's virtio devices
MIB = 1 << 20
SECTOR = 512
FILLED = hashlib.shake_256(b"disk").digest(24 * MIB)


def debian(name, run, words, cpus=1):
    return (f"name={name},cpus={cpus},memory=128M,kernel={DEPS}/armhf/vmlinuz,ramdisk={BUILD}/initramfs.cpio,{words},"
            f'bootargs=console=ttyAMA0 virt7.run="{run}"')


def entry(kind, first, count):
    return struct.pack("<B3sB3sII", 0, b"", kind, b"", first, count)


def with_mbr(disk):
    """Two primary partitions, and one in an extended one; where they are, by number."""
    disk[446:478] = entry(0x83, 2048, 8192) + entry(0x83, 10240, 8192)
    disk[478:494] = entry(0x05, 20480, 20480)
    disk[494:510] = bytes(16)
    disk[510:512] = b"\x55\xaa"
    second = 20480 * SECTOR
    disk[second + 446:second + 512] = entry(0x83, 2048, 8192) + bytes(48) + b"\x55\xaa"
    return {1: (2048, 8192), 2: (10240, 8192), 5: (22528, 8192)}


def with_gpt(disk):
    disk[446:510] = entry(0xee, 1, 49151) + bytes(48)
    disk[510:512] = b"\x55\xaa"
    table = b"".join(bytes([n]) * 32 + struct.pack("<QQQ72s", first, first + 8191, 0, b"") for n, first in ((1, 2048), (2, 16384)))
    header = bytearray(struct.pack("<8sIIII4Q16sQIII", b"EFI PART", 0x10000, 92, 0, 0, 1, 49151, 34, 49118, b"v" * 16, 2, 128, 128,
                                   zlib.crc32(table.ljust(128 * 128, b"\0"))))
    header[16:20] = struct.pack("<I", zlib.crc32(header))
    disk[512:1024] = header.ljust(512, b"\0")
    disk[1024:34 * 512] = table.ljust(32 * 512, b"\0")
    return {1: (2048, 8192), 2: (16384, 8192)}


TABLES = {"mbr": with_mbr, "gpt": with_gpt}


@pytest.fixture
def disk(tmp_path):
    """disk(kind) -> (its file, partitions, its contents): filled with noise but for its table of partitions."""

    def make(kind):
        data = bytearray(FILLED)
        parts = TABLES[kind](data)
        path = tmp_path / "disk.img"
        path.write_bytes(data)
        return path, parts, data

    return make


def drive(path, version, more=""):
    return ["-drive", f"if=none,id=disk,format=raw,file={path}{more}", "-device", "virtio-blk-device,drive=disk",
            *(["-global", "virtio-mmio.force-legacy=false"] if version == 2 else [])]


# What the partition holds; a file system on it with a file; all of it read again, past the cache.
WORK = "; ".join((
    "echo si''ze $(cat /sys/block/vda/size)", "echo fo''und $(sha256sum </dev/vda)", "mke2fs /dev/vda >/dev/null 2>&1", "mount /dev/vda /mnt",
    "dd if=/dev/urandom of=/mnt/f bs=64k count=40 2>/dev/null", "sha256sum </mnt/f >/tmp/sum", "umount /mnt", "echo 3 >/proc/sys/vm/drop_caches",
    "mount /dev/vda /mnt", "sha256sum </mnt/f | cmp - /tmp/sum && echo fi''ne", "umount /mnt", "echo le''ft $(sha256sum </dev/vda)"))


@pytest.mark.parametrize("version, kind, numbers", ((1, "mbr", (2, 5)), (2, "gpt", (1, 2)),
                                                    *(((2, "mbr", (2, 5)), (1, "gpt", (1, 2))) if SOAK else ())))
def test_partitions(virt7, mkbundle, disk, version, kind, numbers):
    """Two VMs, with registers of the host's version, work on two partitions; each finds what is there, leaves a file system that is
    whole, and nothing outside of them has been written."""
    path, parts, before = disk(kind)
    words = ",virtio-legacy" * (version == 1)
    run = virt7(mkbundle(*(debian(f"vm{n}", WORK, f"disk=host={PLACE}:{n}{words}", cpus=n % 2 + 1) for n in numbers)), *drive(path, version),
                smp=2, timeout=300)
    assert run.wait() == 0
    after = path.read_bytes()
    for n in numbers:
        said = run.said(f"vm{n}")
        first, count = parts[n]
        there = slice(first * SECTOR, (first + count) * SECTOR)
        assert f"size {count}" in said and "fine" in said
        assert f"found {hashlib.sha256(before[there]).hexdigest()}" in said
        assert f"left {hashlib.sha256(after[there]).hexdigest()}" in said
        before[there] = after[there]
        part = path.with_name(f"part{n}")
        part.write_bytes(after[there])
        subprocess.run(["/sbin/e2fsck", "-fn", part], check=True)
    assert before == after


def test_read_only(virt7, mkbundle, disk):
    """One disk that no VM can write, as a whole for two."""
    path, _, data = disk("mbr")
    words = "cat /sys/block/vda/ro; echo fo''und $(sha256sum </dev/vda); dd if=/dev/zero of=/dev/vda count=1 || echo ref''used"
    run = virt7(mkbundle(*(debian(name, words, f"disk=host={PLACE}:ro") for name in "ab")), *drive(path, 2, ",readonly=on"), timeout=180)
    assert run.wait() == 0
    for name in "ab":
        assert f"found {hashlib.sha256(data).hexdigest()}" in run.said(name) and "refused" in run.said(name)


def test_errors(virt7, mkbundle, disk, tmp_path):
    """The host's disk gives errors: the guest's request does, and others go on."""
    path, _, _ = disk("mbr")
    rules = tmp_path / "rules"
    rules.write_text('[inject-error]\nevent = "read_aio"\nerrno = "5"\niotype = "read"\nsector = "4096"\nonce = "off"\n')
    words = "; ".join(("dd if=/dev/vda of=/dev/null bs=512 skip=2040 count=4 2>&1 && echo re''ad", "dd if=/dev/vda of=/dev/null bs=512 skip=2048 count=1 2>&1 || echo er''ror",
                       "dd if=/dev/vda of=/dev/null bs=4k skip=300 count=10 2>&1 && echo wor''ks"))
    run = virt7(mkbundle(debian("a", words, f"disk=host={PLACE}:1")),
                "-drive", f"if=none,id=disk,format=raw,cache=none,file=blkdebug:{rules}:{path}", "-device", "virtio-blk-device,drive=disk", timeout=120)
    assert run.wait() == 0
    said = run.output()
    assert "error" in said and "works" in said and "I/O error, dev vda, sector 2048" in said
    lines = re.findall("virt7: warning: .*", said)
    assert len(lines) == 1 and re.match(rf"virt7: warning: host disk {PLACE}: sector 40\d\d: an error of the device's: an I/O error for whoever asked", lines[0])


LOAD = "while :; do dd if=/dev/vda of=/dev/null bs=64k count=16 2>/dev/null; dd if=/dev/zero of=/dev/vda bs=64k count=16 2>/dev/null; sync; echo ro''und; done"
CHECK = "; ".join(("dd if=/dev/urandom of=/tmp/f bs=64k count=32 2>/dev/null", "while :; do dd if=/tmp/f of=/dev/vda bs=64k 2>/dev/null; sync; echo 3 >/proc/sys/vm/drop_caches",
                   "dd if=/dev/vda bs=64k count=32 2>/dev/null | cmp - /tmp/f && echo sa''me || echo dif''ferent; done"))
ROUND = "(?<!a)round"  # which Linux works around
READS = "dd if=/dev/vda of=/tmp/f 2>/dev/null; while :; do echo 3 >/proc/sys/vm/drop_caches; cmp /dev/vda /tmp/f && echo sa''me || echo dif''ferent; sleep 1; done"


WAYS = (("vm reset -f load",), ("vm stop -f load", "vm start load"), ("vm destroy -f load", "vm create load", "vm start load"))


def drivers(place):
    """Two bare-metal guests (tests/guests/busmaster.c) on two partitions, each with 16 requests under way at any time, which it checks.
    The first has its caches on, so that a disk that can moves its data itself."""
    return [f"name={name},memory=8M,kernel={BUILD}/guests/busmaster.bin,disk=host={place}:{n},bootargs=blk={0xa000000} caches={2 - n} says={says}"
            for n, name, says in ((1, "load", 0), (2, "check", 1000))]


def restart_driver(run, path, parts, before):
    """One of the two is reset, stopped and destroyed; no sector outside has moved."""
    rounds = 200 if SOAK else len(WAYS)
    for n in range(rounds):
        run.expect_said("load", "busmaster: ready", count=n + 1)
        open_shell(run)
        for line in WAYS[n % len(WAYS)]:
            command(run, line)
        run.send("vm console\r")
        run.expect(r"\[all VMs; keyboard: ")
    run.expect_said("load", "busmaster: ready", count=rounds + 1)
    run.expect_said("check", "works", count=run.said("check").count("works") + 2)
    open_shell(run)
    power_off(run)
    assert "FAIL" not in run.output() and run.said("load").count("PASS: nothing comes of what was before") == rounds + 1
    after = path.read_bytes()
    for first, count in (parts[1], parts[2]):
        there = slice(first * SECTOR, (first + count) * SECTOR)
        before[there] = after[there]
    assert before == after


@pytest.mark.parametrize("cpus", (1, 2))
def test_restarts_of_a_driver(virt7, mkbundle, disk, cpus):
    """As below with bare-metal guests."""
    path, parts, before = disk("mbr")
    run = virt7(mkbundle(*drivers(PLACE)), *drive(path, 2), smp=cpus, timeout=1500 if SOAK else 120)
    restart_driver(run, path, parts, before)


@pytest.mark.parametrize("cpus", (1, 2) if SOAK else (2,))
def test_restarts(virt7, mkbundle, disk, cpus):
    """One is reset, stopped, taken apart with requests under way; the other one's data stays what it was, and so does the rest."""
    path, parts, before = disk("mbr")
    run = virt7(mkbundle(debian("load", LOAD, f"disk=host={PLACE}:1"), debian("check", CHECK, f"disk=host={PLACE}:2")), *drive(path, 2),
                smp=cpus, timeout=1500 if SOAK else 300)
    run.expect_said("check", "same")
    for n in range(10 if SOAK else 3):  # two restarts each
        run.expect_said("load", ROUND, count=2 * n + 2)
        open_shell(run)
        for line in ("vm pause load", "vm resume load", "vm reset -f load", ("vm stop -f load", "vm destroy -f load")[n % 2],
                     *(["vm create load"] if n % 2 else []), "vm start load"):
            command(run, line)
        run.send("vm console\r")
        run.expect(r"\[all VMs; keyboard: ")
    run.expect_said("check", "same", count=len(re.findall("same", run.said("check"))) + 2)
    assert "different" not in run.said("check")
    open_shell(run)
    power_off(run)
    after = path.read_bytes()
    for first, count in (parts[1], parts[2]):
        there = slice(first * SECTOR, (first + count) * SECTOR)
        before[there] = after[there]
    assert before == after


def test_silent(virt7, mkbundle, disk, tmp_path):
    """The host's disk ends no write any more: its VM is stopped and started all the same, a reader goes on, and lines say why one waits."""
    path, _, _ = disk("mbr")
    monitor = socket.socket(socket.AF_UNIX)
    run = virt7(mkbundle(debian("load", LOAD, f"disk=host={PLACE}:1"), debian("check", READS, f"disk=host={PLACE}:2:ro")), *drive(path, 2),
                "-monitor", f"unix:{tmp_path}/monitor,server,nowait", timeout=180)
    run.expect_said("load", ROUND, count=2)
    run.expect_said("check", "same")
    monitor.connect(f"{tmp_path}/monitor")
    monitor.send(b"block_set_io_throttle disk 0 0 1 0 0 0\n")  # a byte of writes a second
    run.expect(rf"virt7: warning: host disk {PLACE}: no answer for 5 s; those who have sectors there wait")
    open_shell(run)
    for line in ("vm stop -f load", "vm start load"):
        command(run, line)
    run.send("vm console\r")
    run.expect_said("check", "same", count=run.said("check").count("same") + 1)
    rounds = len(re.findall(ROUND, run.said("load")))
    run.expect_said("check", "same", count=run.said("check").count("same") + 3)
    assert f"virt7: warning: host disk {PLACE}: no answer for 5 s to a request of load.disk0, which has gone: until it comes one of 8 buffers" in run.output()
    assert len(re.findall(ROUND, run.said("load"))) == rounds
    monitor.send(b"block_set_io_throttle disk 0 0 0 0 0 0\n")
    run.expect(rf"virt7: host disk {PLACE}: it answers again")
    run.expect_said("load", ROUND, count=rounds + 2)
    assert "different" not in run.said("check")
    open_shell(run)
    power_off(run)


REFUSED = (
    (f"disk=host={PLACE}:3", "an extended partition, which holds others: those from 5 on"),
    (f"disk=host={PLACE}:4", "the disk has no partition of this number"),
    (f"disk=host={PLACE}:6", "the disk has no partition of this number"),
    ("disk=host=/virtio_mmio@a003c00", "no device is in this place"),
    ("disk=host=/pl011@9000000", "no disk that virt7 drives"),
    (f"disk=host={PLACE}:1", "good.disk0 has sectors of it; give another partition, or read-only to both"),
    (f"disk=host={PLACE}", "good.disk0 has sectors of it"),
    (f"disk=host={PLACE}:1:ro", "good.disk0 has sectors of it"),
)


def test_refused(virt7, mkbundle, disk):
    """One line for each VM that is refused, and the one that is not works."""
    path, _, _ = disk("mbr")
    bad = [f"name=bad{n},memory=8M,kernel={BUILD}/guests/talk.bin,{words}" for n, (words, _) in enumerate(REFUSED)]
    run = virt7(mkbundle(debian("good", "sha256sum /dev/vda && echo fin''ished", f"disk=host={PLACE}:1"), *bad), *drive(path, 1), timeout=120)
    run.expect(r"(?m)^(good\| )?finished\r")
    assert run.wait() == 0
    lines = re.findall(r"virt7: error: .*", run.output())
    assert len(lines) == len(REFUSED)
    for n, (line, (_, why)) in enumerate(zip(lines, REFUSED)):
        assert re.match(rf'virt7: error: vm bad{n}: /vms/bad{n}/disk0: host "[^"]*": {re.escape(why)}', line), line
