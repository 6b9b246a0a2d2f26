# SPDX-License-Identifier: BSD-2-Clause
"""virtio devices of Debian in a VM: disks of each kind, by registers of both versions."""
import gzip
import hashlib
import os
import random
import shutil
import subprocess

import pexpect
import pytest

from conftest import BUILD, DEPS, ROOT, run

SOAK = bool(os.environ.get("SOAK"))
DISK_MIB = 4

DISKS = "disk={disk}:ro,disk={disk}.gz:gz:ro,disk={disk}:cow=1M,disk=size=8M"

COMMAND = "; ".join((
    "sha256sum /dev/vda /dev/vdb",
    "echo read-only: $(cat /sys/block/vda/ro) $(cat /sys/block/vdc/ro)",
    "mke2fs -F /dev/vdd >/dev/null && mount -t ext4 /dev/vdd /mnt && cp /dev/vda /mnt/copy && umount /mnt",
    "mount -t ext4 /dev/vdd /mnt && sha256sum /mnt/copy",
    # The start of the disk anew, twice over its budget: what went in stays, what did not is the image.
    "dd if=/dev/vdb of=/dev/vdc bs=4k skip=8 count=8 oflag=direct 2>/dev/null",
    "dd if=/dev/vdc bs=4k count=8 iflag=direct 2>/dev/null | sha256sum",
    "dd if=/dev/zero of=/dev/vdc bs=64k count=32 oflag=direct 2>/dev/null || echo over the budget",
    "dd if=/dev/vdc bs=64k skip=32 iflag=direct 2>/dev/null | sha256sum",
    "echo done"))


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("legacy", ("", ",virtio-legacy"), ids=("version-2", "version-1"))
def test_disks(virt7, mkbundle, tmp_path, legacy):
    data = random.Random(7).randbytes(DISK_MIB << 20)
    disk = tmp_path / "disk.img"
    disk.write_bytes(data)
    (tmp_path / "disk.img.gz").write_bytes(gzip.compress(data, 1))
    bundle = mkbundle(f"name=web,cpus=2,memory=128M,kernel={DEPS}/armhf/vmlinuz,ramdisk={BUILD}/initramfs.cpio,"
                      f'{DISKS.format(disk=disk)}{legacy},bootargs=console=ttyAMA0 virt7.run="{COMMAND}"')
    assert bundle.read_bytes().count(data) == 1
    run = virt7(bundle, smp=2, mem="512M", timeout=300)
    assert run.wait() == 0
    output = run.output()
    for line in (f"{sha256(data)}  /dev/vda", f"{sha256(data)}  /dev/vdb", f"{sha256(data)}  /mnt/copy",
                 "read-only: 1 0", f"{sha256(data[8 * 4096:16 * 4096])}  -", "over the budget",
                 f"{sha256(data[32 * 65536:])}  -", "done"):
        assert line in output
    assert "virt7: vm web: unpacking disk.img.gz, 4096 KiB" in output
    assert output.count("virt7: warning: vm web: disk2: the 1024 KiB of copy-on-write are used up; writes fail from here on") == 1


WORK = "; ".join((
    "(while [ ! -e /tmp/stop ]; do for i in $(seq 1 $(($(nproc --all 2>/dev/null || echo 1) - 1))); do "
    "echo 0 >/sys/devices/system/cpu/cpu$i/online; echo 1 >/sys/devices/system/cpu/cpu$i/online; done; usleep 50000; done) & hotplug=$!",
    f"diskio verify /dev/vda 4096 {'2048' if SOAK else '512'}",
    "diskio verify /dev/vda 65536 32",
    "dd if=/dev/hwrng bs=512 count=8 2>/dev/null | wc -c",
    "touch /tmp/stop; wait $hotplug",
    "mke2fs -F /dev/vda >/dev/null && mount -t ext4 /dev/vda /mnt && cp /dev/vdb /mnt/copy && umount /mnt",
    "mount -t ext4 /dev/vda /mnt && sha256sum /mnt/copy",
    "echo online: $(cat /sys/devices/system/cpu/online)"))


@pytest.mark.parametrize("legacy", ("", ",virtio-legacy"), ids=("version-2", "version-1"))
@pytest.mark.parametrize("vcpus, cpus", [(1, 1), (2, 1), (2, 2), (4, 2), (4, 4)] if SOAK else [(1, 1), (4, 2)])
def test_disk_at_work(virt7, mkbundle, tmp_path, vcpus, cpus, legacy):
    """Blocks all over a disk written and verified while CPUs come and go; then a file system and a file."""
    data = random.Random(8).randbytes(1 << 20)
    (tmp_path / "disk").write_bytes(data)
    initramfs = tmp_path / "initramfs.cpio"
    assert run("tools/mkinitramfs", "-o", initramfs, "--base", BUILD / "initramfs.cpio",
               "--add", f"bin/diskio={BUILD}/linux/diskio")[0] == 0
    bundle = mkbundle(f"name=web,cpus={vcpus},memory=128M,kernel={DEPS}/armhf/vmlinuz,ramdisk={initramfs},disk=size=16M,"
                      f'disk={tmp_path}/disk:ro,rng{legacy},bootargs=console=ttyAMA0 virt7.run="{WORK}"')
    machine = virt7(bundle, smp=cpus, mem="512M", timeout=600)
    assert machine.wait() == 0
    output = machine.output()
    assert output.count("diskio: verified") == 2 and "FAILED" not in output
    for line in ("\n4096\n", f"{sha256(data)}  /mnt/copy", f"online: 0{f'-{vcpus - 1}' if vcpus > 1 else ''}\n"):
        assert line in output


# DISK= of tools/run

INIT = """#!/bin/busybox sh
busybox mount | busybox grep ' / '
echo written >/new && echo "$(busybox ls /dev/vda /proc/1/exe /sys/block/vda/size) $(busybox cat /new /sys/block/vda/ro)" | busybox tr '\\n' ' '
echo; busybox poweroff -f
"""


@pytest.fixture(scope="module")
def root_disk(tmp_path_factory):
    """An ext4 file system with busybox and an init of its own, made as docs/disks.md makes one."""
    folder = tmp_path_factory.mktemp("root")
    tree, disk = folder / "tree", folder / "root.ext4"
    for name in ("bin", "dev", "proc", "sbin", "sys"):
        (tree / name).mkdir(parents=True)
    busybox = next(path for path in (DEPS / "armhf/bin/busybox", DEPS / "armhf/usr/bin/busybox") if path.exists())
    shutil.copy(busybox, tree / "bin/busybox")
    (tree / "sbin/init").write_text(INIT)
    (tree / "sbin/init").chmod(0o755)
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-d", tree, disk, "16M"], check=True)
    return disk


@pytest.mark.parametrize("words, mount", [
    ([""], "rw"), ([":cow=4M"], "rw"), ([":ro"], "ro"), (["", "--native"], "rw"), ([":ro", "--native"], "ro")],
    ids=lambda words: "".join(words) or "alone")
def test_run_boots_a_disk(root_disk, words, mount):
    """Its own init runs, what it writes stays in the VM, and the file is as it was."""
    before = root_disk.read_bytes()
    status, stdout, stderr = run("tools/run", f"DISK={root_disk}{words[0]}", *words[1:], "BOOTARGS=root=/dev/vda")
    assert status == 0, stderr
    assert f"/dev/vda on / type ext4 ({mount}," in stdout
    assert ("/dev/vda /proc/1/exe /sys/block/vda/size written 0 " in stdout) == (mount == "rw")
    assert root_disk.read_bytes() == before


if SOAK:  # makes a Debian, once: a quarter of an hour
    @pytest.mark.parametrize("cpus", (1, 4))
    def test_debian_on_a_disk(cpus):
        """To a login, as root; Debian's tools make a file system and check it; systemd says that nothing failed, and powers off."""
        child = pexpect.spawn(str(ROOT / "tools/run"), ["DISK=debian", f"CPUS={cpus}", "SMP=2"], cwd=ROOT, encoding="utf-8",
                              codec_errors="replace", timeout=3600)
        child.expect("debian login: ")
        child.sendline("root")
        child.expect(r"root@debian:~# ")
        child.sendline("dd if=/dev/urandom of=/var/a bs=1M count=16 status=none && sync && mke2fs -qF /var/a && e2fsck -fp /var/a; "
                       "systemctl is-system-running --wait; echo status $?")
        child.expect(r"running\s+status 0\s")
        child.sendline("poweroff")
        child.expect("virt7: no VM is running: power off")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0


def test_run_command_beside_a_disk(root_disk):
    """RUN= is for the initramfs, whatever root= says."""
    status, stdout, _ = run("tools/run", f"DISK={root_disk}:ro", "BOOTARGS=root=/dev/vda", "RUN=sha256sum /dev/vda")
    assert status == 0 and f"{sha256(root_disk.read_bytes())}  /dev/vda" in stdout


def test_root_that_cannot_be_mounted(virt7, mkbundle):
    """One line, and the initramfs' shell."""
    run = virt7(mkbundle(f"name=a,memory=128M,kernel={DEPS}/armhf/vmlinuz,ramdisk={BUILD}/initramfs.cpio,disk=size=4M,"
                         "bootargs=console=ttyAMA0 root=/dev/vda"))
    run.expect("root=/dev/vda: cannot be mounted")
    run.expect("~ # ")
