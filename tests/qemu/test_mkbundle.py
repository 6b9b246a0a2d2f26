# SPDX-License-Identifier: BSD-2-Clause
"""tools/mkbundle, without QEMU: what it refuses, each with its line and status. That virt7 says the same is test_bundle.py's."""
import gzip
import os
import re
import struct
import subprocess

import pytest

from conftest import BUILD, DEPS, ROOT

GUEST = BUILD / "guests" / "psci.bin"
NAME_RULE = "use 1 to 31 letters, digits and ._+- (and no . or - at the start)"
PREFIX = "vm a: /vms/a: "


def mkbundle(output, *arguments):
    """(status, stderr); it prints nothing else."""
    done = subprocess.run([ROOT / "tools/mkbundle", "-o", output, *map(str, arguments)], cwd=ROOT, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=120)
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.fixture
def kernel(tmp_path):
    path = tmp_path / "kernel.bin"
    path.write_bytes(b"a guest\0" * 100)
    return path


def test_output_that_is_an_input(kernel):
    before = kernel.read_bytes()
    assert mkbundle(kernel, "--vm", f"name=a,memory=64M,kernel={kernel}") == (
        1, f"mkbundle: -o {kernel}: this is an image that the bundle is made of; name another file\n")
    assert kernel.read_bytes() == before


def test_output_is_a_file(tmp_path, kernel):
    for output in (tmp_path, ".", ""):
        status, stderr = mkbundle(output, "--vm", f"name=a,memory=64M,kernel={kernel}")
        assert (status, stderr) == (1, f"mkbundle: {output or '.'}: a folder; -o takes the name of a file\n")
    done = subprocess.run([ROOT / "tools/mkinitramfs", "-o", tmp_path], cwd=ROOT, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"mkinitramfs: {tmp_path}: Is a directory\n")


def test_image_that_never_ends(tmp_path):
    for path in ("/dev/zero", tmp_path / "pipe"):
        if path != "/dev/zero":
            os.mkfifo(path)
        assert mkbundle(tmp_path / "x.itb", "--vm", f"name=a,memory=64M,kernel={path}") == (
            1, f"mkbundle: VM a: kernel={path}: neither a file nor a folder\n")


# What virt7 would refuse too, in its words.

@pytest.mark.parametrize("keys, lines", [
    ("kernel={kernel}", ["memory: missing; say how much RAM the VM has, in KiB"]),
    ("memory=64M", ["kernel: missing; name the image under /images to start, or give the VM flash with code in it"]),
    ("memory=512,kernel={kernel}", ["memory: less than 8 MiB (the number is in KiB)"]),
    ("memory=3M,kernel={kernel}", ["memory: less than 8 MiB (the number is in KiB)"]),
    ("memory=0,kernel={kernel}", ["memory: less than 8 MiB (the number is in KiB)"]),
    ("memory=65M,kernel={kernel}", ["memory: not a multiple of 2048 (the number is in KiB)"]),
    ("memory=1024G,kernel={kernel}", ["memory: more than 1023 GiB (the number is in KiB)"]),
    ("memory,kernel={kernel}", ["memory: not a number of one or two cells, in KiB"]),
    ("memory=64M,kernel={kernel},cpus=0", ["cpus: not a number from 1 to 8"]),
    ("memory=64M,kernel={kernel},cpus=9", ["cpus: not a number from 1 to 8"]),
    ("memory=64M,kernel={kernel},cpus=two", ["cpus: not a number from 1 to 8"]),
    ("memory=64M,kernel={kernel},cpus=-1", ["cpus: not a number from 1 to 8"]),
    ("memory=64M,kernel={kernel},cpus=", ["cpus: not a number from 1 to 8"]),
    ("memory=64M,kernel={kernel},cpus", ["cpus: not a number from 1 to 8"]),
    ("memory=64M,kernel={kernel},cpus=99999999999999999999", ["cpus: not a number from 1 to 8"]),
    ("memory=64M,kernel={kernel},priority=high", ["priority: not a number from 0 to 7"]),
    ("memory=64M,kernel={kernel},priority=8", ["priority: not a number from 0 to 7"]),
    ("memory=64M,kernel={kernel},watchdog-ms=1s", ["watchdog-ms: not a number from 10 to 3600000, in milliseconds"]),
    ("memory=64M,kernel={kernel},watchdog-ms=5", ["watchdog-ms: not a number from 10 to 3600000, in milliseconds"]),
    ("memory=64M,kernel={kernel},on-crash=reboot", ['on-crash: not "stop" or "restart"']),
    ("memory=64M,kernel={kernel},on-reset", ['on-reset: not "stop" or "restart"']),
    ("memory=64M,kernel={kernel},autostart=maybe", ["autostart: not <0> or <1>"]),
    ("memory=64M,kernel={kernel},dedicated-cpus=2", ["dedicated-cpus: not <0> or <1>"]),
    ("memory=64M,kernel={kernel},cpu-affinity=0", ["cpu-affinity: not a mask of physical CPUs (32 bits, at least one set)"]),
    ("memory=64M,kernel={kernel},cpu-affinity=0-1",
     ["cpu-affinity: not a mask of physical CPUs (32 bits, at least one set)"]),
    ("memory=64M,kernel={kernel},cpu-model=",
     ['cpu-model: not the name of a model, such as "host" or "cortex-a15"']),
    ("memory=64M,kernel={kernel},bootargs=" + 4096 * "x", ["bootargs: longer than 4095 characters"]),
    ("memory=64M,kernal={kernel}", ["kernal: unknown property, ignored; did you mean kernel?",
                                    "kernel: missing; name the image under /images to start, or give the VM flash with code in it"]),
    ("mem=64M,kernel={kernel}", ["mem: unknown property, ignored; did you mean memory?",
                                 "memory: missing; say how much RAM the VM has, in KiB"]),
    ("memory=64M,krenel={kernel}", ["krenel: unknown property, ignored; did you mean kernel?",
                                    "kernel: missing; name the image under /images to start, or give the VM flash with code in it"]),
])
def test_refused_as_virt7_would(kernel, tmp_path, keys, lines):
    output = tmp_path / "x.itb"
    status, stderr = mkbundle(output, "--vm", "name=a," + keys.format(kernel=kernel))
    said = ["mkbundle: " + ("warning: " if "unknown" in line else "") + PREFIX + line for line in lines]
    assert (status, stderr.splitlines()) == (1, said)
    assert list(tmp_path.iterdir()) == [kernel]


# Where things go in a VM's RAM.

INSIDE = "(0x40000000 to 0x44000000)"


def zimage(size=4096, *, start=0, kernel=None):
    """A zImage of that size; `kernel`: what its table says of the unpacked kernel."""
    data = bytearray(size)
    struct.pack_into("<3I", data, 0x24, 0x016f2818, start, start + size)
    if kernel is not None:
        struct.pack_into("<2I", data, 0x34, 0x45454545, 0x100)
        struct.pack_into("<6I", data, 0x100, 5, 0x5a534c4b, 0x200, 0x1000, 0x8000, 0)
        struct.pack_into("<I", data, 0x200, kernel)
    return bytes(data)


def elf32(*segments, entry=0x40010000):
    """(offset, virtual, physical, in the file, in memory) each."""
    rows = b"".join(struct.pack("<8I", 1, *row, 5, 4) for row in segments)
    return struct.pack("<4s3B9x2HI3II6H", b"\x7fELF", 1, 1, 1, 2, 40, 1, entry, 52, 0, 0, 52, 32, len(segments), 40, 0, 0) + \
        rows + bytes(4096)


def uimage(folder, data=bytes(4096), load=0x40008000, entry=0x40008000, kind="kernel", arch="arm", edit=None):
    (folder / "inner").write_bytes(data)
    path = folder / "made.uimg"
    subprocess.run(["mkimage", "-A", arch, "-O", "linux", "-T", kind, "-C", "none", "-a", hex(load), "-e", hex(entry), "-d",
                    folder / "inner", path], check=True, capture_output=True)
    made = bytearray(path.read_bytes())
    if edit is not None:
        made[edit] ^= 0x41
    return bytes(made)


PLACES = {  # kernel, more keys, the line behind its name (or the ramdisk's)
    "load below": (bytes(4096), "kernel-load=0x20000000", f"4 KiB at 0x20000000 are not inside RAM {INSIDE}"),
    "load above": (bytes(4096), "kernel-load=0x44000000", f"4 KiB at 0x44000000 are not inside RAM {INSIDE}"),
    "load at the end": (bytes(4097), "kernel-load=0x43fff000", f"5 KiB at 0x43fff000 are not inside RAM {INSIDE}"),
    "load far above": (bytes(4096), "kernel-load=0x140000000", f"4 KiB at 0x140000000 are not inside RAM {INSIDE}"),
    "tree": (bytes(4096), "kernel-load=0x42000000", "4 KiB at 0x42000000 overlap the device tree, 16 KiB at 0x42000000; give "
                                                    "the VM more memory"),
    "too large": (bytes(64 << 20), "", f"65536 KiB at 0x40010000 are not inside RAM {INSIDE}"),
    "too large, packed": (bytes(64 << 20), "kernel-compression=gzip", f"65536 KiB at 0x40010000 are not inside RAM {INSIDE}"),
    "made for flash": (elf32((0, 0, 0, 64, 4096)), "", f"4 KiB at 0x0 are not inside RAM {INSIDE}; what is made for address 0 "
                                                       "starts in flash (mkbundle: flash)"),
    "entry": (bytes(4096), "kernel-entry=0x8000", f"entry point 0x8000 is not inside RAM {INSIDE}"),
    "zimage": (zimage(start=0x60008000), "", f"4 KiB at 0x60008000 are not inside RAM {INSIDE}"),
    "unpacking": (zimage(kernel=40 << 20), "", "41032 KiB (unpacking) at 0x40008000 overlap the device tree, 16 KiB at 0x42000000; "
                                               "give the VM more memory"),
    "unpacking, beyond": (zimage(kernel=80 << 20), "", f"81992 KiB (unpacking) at 0x40008000 are not inside RAM {INSIDE}"),
    "segment": (elf32((0, 0x8000, 0x8000, 64, 4096)), "", f"4 KiB at 0x8000 are not inside RAM {INSIDE}"),
    "segment with bss": (elf32((0, 0x40010000, 0x40010000, 64, 64 << 20)), "", f"65536 KiB at 0x40010000 are not inside RAM {INSIDE}"),
    "segment that shrinks": (elf32((0, 0x40010000, 0x40010000, 64, 32)), "",
                             "damaged ELF: a segment has 64 bytes in the file and 32 in memory"),
    "segment cut": (elf32((0, 0x40010000, 0x40010000, 1 << 20, 1 << 20)), "", "shorter than its headers say; make the bundle again"),
    "entry of an ELF": (elf32((0, 0x40010000, 0x40010000, 64, 64), entry=0x1000), "", f"entry point 0x1000 is not inside RAM {INSIDE}"),
    "empty ELF": (elf32((0, 0, 0, 0, 0)), "", "ELF without anything to load"),
    "no headers": (elf32(), "", "ELF with no program headers, or with more than 16"),
    "uimage": (lambda folder: uimage(folder, load=0x8000), "", f"4 KiB at 0x8000 are not inside RAM {INSIDE}"),
    "uimage, entry": (lambda folder: uimage(folder, entry=0), "", f"entry point 0x0 is not inside RAM {INSIDE}"),
    "uimage, kind": (lambda folder: uimage(folder, kind="ramdisk"), "", "uImage of type 3; a kernel is type 2"),
    "uimage, arch": (lambda folder: uimage(folder, arch="x86"), "", "uImage for another architecture; a guest is a 32-bit ARM program"),
    "uimage, header": (lambda folder: uimage(folder, edit=5), "", "damaged uImage header"),
    "uimage, data": (lambda folder: uimage(folder, edit=100), "", "damaged data in uImage, its CRC does not match"),
    "uimage, cut": (lambda folder: uimage(folder)[:-1], "", "uImage shorter than its header says"),
    "uimage, inner": (lambda folder: uimage(folder, b"070701" + bytes(600)), "", "a cpio archive; give it as ramdisk"),
}


@pytest.mark.parametrize("what", PLACES)
def test_places(tmp_path, what):
    data, keys, line = PLACES[what]
    path = tmp_path / "image"
    path.write_bytes(data(tmp_path) if callable(data) else data)
    status, stderr = mkbundle(tmp_path / "x.itb", "--vm", f"name=a,memory=64M,kernel={path},{keys}")
    assert (status, stderr) == (1, f'mkbundle: vm a: kernel "image": {line}\n')
    assert not (tmp_path / "x.itb").exists()


@pytest.mark.parametrize("size, keys, line", [
    (63 << 20, "", "64512 KiB fit neither between the kernel and the device tree at 0x42000000 nor above it (RAM ends at 0x44000000)"),
    (4096, "ramdisk-load=0x1000", f"4 KiB at 0x1000 are not inside RAM {INSIDE}"),
    (4096, "ramdisk-load=0x40010000", "4 KiB at 0x40010000 overlap the kernel, 1 KiB at 0x40010000; give the VM more memory"),
])
def test_places_of_a_ramdisk(kernel, tmp_path, size, keys, line):
    ramdisk = tmp_path / "initrd"
    ramdisk.write_bytes(bytes(size))
    status, stderr = mkbundle(tmp_path / "x.itb", "--vm", f"name=a,memory=64M,kernel={kernel},ramdisk={ramdisk},{keys}")
    assert (status, stderr) == (1, f'mkbundle: vm a: ramdisk "initrd": {line}\n')


def test_what_is_no_tree(kernel, tmp_path):
    """It is not said to be too large."""
    picture = tmp_path / "picture"
    picture.write_bytes(b"\xff\xd8\xff\xe0" + bytes(60 << 10))
    status, stderr = mkbundle(tmp_path / "x.itb", "--vm", f"name=a,memory=64M,kernel={kernel},fdt={picture}")
    assert (status, stderr) == (1, 'mkbundle: vm a: fdt "picture": not a device tree, or a damaged one\n')


@pytest.mark.parametrize("memory", ["16M", "32M"])
def test_debian_needs_more(tmp_path, memory):
    """The numbers are the kernel's; that virt7 says the same is test_bundle.py's."""
    status, stderr = mkbundle(tmp_path / "x.itb", "--vm", f"name=a,memory={memory},kernel={DEPS}/armhf/vmlinuz,"
                                                          f"ramdisk={BUILD}/initramfs.cpio")
    assert status == 1
    assert re.fullmatch(r'mkbundle: vm a: kernel "vmlinuz": \d+ KiB \(unpacking\) at 0x40[0-9a-f]+ (are not inside RAM|overlap the '
                        r"device tree, 16 KiB at) .*\n", stderr)


@pytest.mark.parametrize("model", ["cortex-a9", "Cortex-A15", "pentium", "max"])
def test_model_that_is_none(kernel, tmp_path, model):
    assert mkbundle(tmp_path / "x.itb", "--vm", f"name=a,memory=64M,kernel={kernel},cpu-model={model}") == (
        1, f'mkbundle: vm a: cpu-model "{model}": not one of host, cortex-a7, cortex-a12, cortex-a15, cortex-a17, cortex-a57; '
           "change it in /vms/a or leave it out\n")


def test_each_bad_vm_is_named(kernel, tmp_path):
    good, bad = f"memory=64M,kernel={kernel}", f"memory=65M,kernel={kernel}"
    status, stderr = mkbundle(tmp_path / "x.itb", "--vm", "name=a," + bad, "--vm", "name=b," + good, "--vm", "name=c,memory=1M")
    assert (status, stderr.splitlines()) == (1, [
        "mkbundle: vm a: /vms/a: memory: not a multiple of 2048 (the number is in KiB)",
        "mkbundle: vm c: /vms/c: memory: less than 8 MiB (the number is in KiB)"])


def test_unknown_property_is_a_warning(kernel, tmp_path):
    """As virt7 has it: a bundle for a later version starts."""
    output = tmp_path / "x.itb"
    for word, known in (("ramdsk=x", "ramdisk"), ("dsik=x:ro", "disk"), ("cpu=2", "cpus"), ("kernel-laod=1", "kernel-load"), ("rgn", "rng"),
                        ("bootarg=quiet", "bootargs"), ("watchdog=100", "watchdog-ms"), ("auto-start=no", "autostart"), ("zzz=1", None)):
        hint = f"; did you mean {known}?" if known else ""
        assert mkbundle(output, "--vm", f"name=a,memory=64M,kernel={kernel},{word}") == (
            0, f"mkbundle: warning: vm a: /vms/a: {word.partition('=')[0]}: unknown property, ignored{hint}\n")
        output.unlink()


# What only --vm can get wrong.

@pytest.mark.parametrize("text, error", [
    ("memory=64M,kernel={kernel}", "--vm: name=: " + NAME_RULE),
    ("name=a b,memory=64M,kernel={kernel}", "--vm: name=a b: " + NAME_RULE),
    ("name=-a,memory=64M,kernel={kernel}", "--vm: name=-a: " + NAME_RULE),
    ("name=.a,memory=64M,kernel={kernel}", "--vm: name=.a: " + NAME_RULE),
    ("name=" + 32 * "a" + ",memory=64M,kernel={kernel}", "--vm: name=" + 32 * "a" + ": " + NAME_RULE),
    ("name=a,memory=lots,kernel={kernel}", "VM a: memory=lots is not a size such as 512M or 1G"),
    ("name=a,memory=64M,kernel=/nowhere/vmlinuz", "VM a: kernel=/nowhere/vmlinuz: No such file or directory"),
    ("name=a,memory=64M,kernel=/usr", "VM a: kernel=/usr: Is a directory"),
    ("name=a,memory=64M,ramdisk=/dev/null,kernel={kernel}", "VM a: ramdisk=/dev/null: neither a file nor a folder"),
    ("name=a,memory=64M,kernel={kernel},kernel-compression=xz",
     "VM a: kernel-compression=xz: only none and gzip are known"),
    ("name=a,memory=64M,kernel={kernel},kernel-load=low", "VM a: kernel-load=low is not a number"),
    ("name=a,memory=64M,kernel={kernel},kernel-load=-1", "VM a: kernel-load=-1 is not a number"),
    ("name=a,memory=64M,kernel={kernel},kernel-load=0x10000000000000000", "VM a: kernel-load=0x10000000000000000 is not a number"),
    ("name=a,memory=64M,kernel={kernel},bootargs=\udcff", "'\\udcff' is not UTF-8"),
    ("name=a,memory=64M,kernel-load=0x40000000", "VM a: kernel-load without kernel="),
    ("name=a,memory=64M,memory=32M,kernel={kernel}", "--vm: memory is given twice"),
    ("name=a,memory=64M,!,kernel={kernel}", "--vm: '!' is not KEY=VALUE"),
    ("name=a,memory=64M,kernel={kernel},cpu-affinity=1,3", "--vm: '3' is not KEY=VALUE"),
    ("name=a, memory=64M,kernel={kernel}", "--vm: ' memory=64M' is not KEY=VALUE"),
    ("name=a,memory=64M,=x", "--vm: '=x' is not KEY=VALUE"),
    ("name=a,memory=64M,kernel={kernel},bootargs=console=ttyAMA0,cpus=2",
     "VM a: bootargs takes the rest of the string, and so 'cpus=2' with it: put bootargs last"),
    ("name=a,memory=64M,bootargs=quiet,kernel={kernel}",
     "VM a: bootargs takes the rest of the string, and so 'kernel={kernel}' with it: put bootargs last"),
    ("name=a,memory=64M,kernel={kernel},bootargs=a,autostart,b",
     "VM a: bootargs takes the rest of the string, and so 'autostart' with it: put bootargs last"),
    ("name=a,memory=64M,kernel={kernel},bootargs=a,rng",
     "VM a: bootargs takes the rest of the string, and so 'rng' with it: put bootargs last"),
    ("name=a,memory=64M,kernel={kernel},bootargs=a,disk=size=4M",
     "VM a: bootargs takes the rest of the string, and so 'disk=size=4M' with it: put bootargs last"),
])
def test_refuses(kernel, tmp_path, text, error):
    status, stderr = mkbundle(tmp_path / "x.itb", "--vm", text.format(kernel=kernel))
    assert (status, stderr) == (1, f"mkbundle: {error}\n".format(kernel=kernel))
    assert list(tmp_path.iterdir()) == [kernel]


# Devices.

@pytest.mark.parametrize("words, error", [
    ("disk=nothere.img", "VM a: disk=nothere.img: No such file or directory"),
    ("disk=nothere.img:ro", "VM a: disk=nothere.img: No such file or directory"),
    ("disk=/usr:ro", "VM a: disk=/usr: Is a directory"),
    ("disk=/dev/null:ro", "VM a: disk=/dev/null: neither a file nor a folder"),
    ("disk", "VM a: disk: no disk: give FILE:ro, FILE:cow=SIZE or size=SIZE"),
    ("disk=", "VM a: disk=: no disk: give FILE:ro, FILE:cow=SIZE or size=SIZE"),
    ("disk={kernel}", "VM a: disk={kernel}: say :ro, or :cow=SIZE for changes that go to RAM"),
    ("disk={kernel}:gz", "VM a: disk={kernel}:gz: say :ro, or :cow=SIZE for changes that go to RAM"),
    ("disk={kernel}:cow", "VM a: disk={kernel}:cow= is not a size such as 512M or 1G"),
    ("disk={kernel}:cow=", "VM a: disk={kernel}:cow= is not a size such as 512M or 1G"),
    ("disk={kernel}:cow=some", "VM a: disk={kernel}:cow=some is not a size such as 512M or 1G"),
    ("disk={kernel}:cow=2", "vm a: /vms/a/disk0: copy-on-write: less than 4 KiB (the number is in KiB)"),
    ("disk={kernel}:ro:cow=64M", "vm a: /vms/a/disk0: read-only and copy-on-write: give one of them"),
    ("disk={kernel}:ro:ro", "VM a: disk={kernel}:ro: ro is given twice"),
    ("disk={kernel}:ro=1", "VM a: disk={kernel}:ro=1: ro stands alone, without a value"),
    ("disk={kernel}:rw", "VM a: disk={kernel}:rw: 'rw' is not one of :ro, :cow=SIZE and :gz"),
    ("disk={kernel}:rw:ro", "VM a: disk={kernel}:rw: 'rw' is not one of :ro, :cow=SIZE and :gz"),
    ("disk=size=", "VM a: disk=size= is not a size such as 512M or 1G"),
    ("disk=size=0", "vm a: /vms/a/disk0: size: less than 4 KiB (the number is in KiB)"),
    ("disk=size=3", "vm a: /vms/a/disk0: size: less than 4 KiB (the number is in KiB)"),
    ("disk=size=6", "vm a: /vms/a/disk0: size: not a multiple of 4 (the number is in KiB)"),
    ("disk=size=9999999999G", "vm a: /vms/a/disk0: size: more than 1 TiB (the number is in KiB)"),
    ("disk=size=4M,disk=size=4M:ro", "VM a: disk=size=4M:ro is not a size such as 512M or 1G"),
    (",".join(33 * ["disk=size=4M"]), "vm a: /vms/a/disk32: more than 32 virtio devices; take some out"),
    ("rng=yes", "VM a: rng=yes: rng stands alone, without a value"),
    ("rng,rng", "--vm: rng is given twice"),
    ("console=hvc0", "VM a: console=hvc0: console stands alone, without a value"),
    (",".join(33 * ["console"]), "vm a: /vms/a/con33: more than 32 virtio devices; take some out"),
    ("net", "VM a: net: no switch: give its name, any you like"),
    ("net=", "VM a: net=: no switch: give its name, any you like"),
    ('net=a"b', "VM a: net=a\"b: a quote or a backslash in the switch's name"),
    ("net=lan:promiscuous", "VM a: net=lan:promiscuous: 'promiscuous' is not one of :mac=ADDRESS, :isolated, "
     ":allow-any-mac and :broadcast-limit=NUMBER"),
    ("net=lan:mac=52:54:00:00:01", "VM a: net=lan:mac=52:54:00:00:01: '52:54:00:00:01' is not a MAC address such as "
                                   "52:54:00:00:00:01"),
    ("net=lan:broadcast-limit=few", "VM a: net=lan:broadcast-limit=few: 'few' is not a number of frames a second, such as 1000"),
    ("net=lan:broadcast-limit=0", "vm a: /vms/a/net0: broadcast-limit: not a number from 1 to 1000000, of frames a second"),
    ("net=lan:isolated:isolated", "VM a: net=lan:isolated:isolated: isolated is given twice"),
    ("net=-lan", "vm a: /vms/a/net0: switch: use 1 to 31 letters, digits and ._+- (and no . or - at the start)"),
    ("net=lan:mac=01:54:00:00:00:01", "vm a: /vms/a/net0: local-mac-address: not six bytes of an address for one device, "
                                      "such as [52 54 00 00 00 01]"),
    ("net=lan:mac=52:54:00:00:00:0a,net=lan:isolated:mac=52:54:00:00:00:0A",
     "vm a: /vms/a/net1: a.net0 has 52:54:00:00:00:0a on this switch; give another local-mac-address"),
    ("pass=", "VM a: pass=: no device: give the path of its node in the host's device tree, or an alias"),
    ("trusted-dma=2", "vm a: /vms/a: trusted-dma: not <0> or <1>"),
    ("clock-frequency=0", "vm a: /vms/a: clock-frequency: not a number in Hz, of 32 bits and not 0"),
    ("disk=host=/virtio_mmio@a003e00:two", "VM a: disk=host=/virtio_mmio@a003e00:two: expects host=PATH, host=PATH:PARTITION, and :ro behind "
                                           "either"),
    ("disk=host=", "VM a: disk=host=: expects host=PATH, host=PATH:PARTITION, and :ro behind either"),
    ("disk=host=/virtio_mmio@a003e00:0", "vm a: /vms/a/disk0: partition: not a number from 1 to 1024"),
])
def test_refuses_devices(kernel, tmp_path, words, error):
    status, stderr = mkbundle(tmp_path / "x.itb", "--vm", f"name=a,memory=64M,kernel={kernel},{words}".format(kernel=kernel))
    assert (status, stderr) == (1, f"mkbundle: {error}\n".format(kernel=kernel))
    assert list(tmp_path.iterdir()) == [kernel]


def test_consoles(kernel, tmp_path):
    """By number; a VM that is called as one is in the way."""
    output, vm = tmp_path / "x.itb", f"memory=64M,kernel={kernel}"
    assert mkbundle(output, "--vm", f"name=web,{vm},console,rng,console") == (0, "")
    nodes = subprocess.run(["fdtget", "-l", output, "/vms/web"], check=True, capture_output=True, text=True).stdout.split()
    assert nodes == ["con1", "rng", "con2"]
    assert mkbundle(output, "--vm", f"name=web,{vm},console", "--vm", f"name=web.con1,{vm}") == (
        1, "mkbundle: vm web: /vms/web/con1: a VM has the name of this console; choose another\n")


def test_a_full_switch(kernel, tmp_path):
    vms = [part for n in range(8) for part in ("--vm", f"name=a{n},memory=64M,kernel={kernel}{32 * ',net=lan'}")]
    assert mkbundle(tmp_path / "x.itb", *vms) == (0, "")
    assert mkbundle(tmp_path / "y.itb", *vms, "--vm", f"name=b,memory=64M,kernel={kernel},net=wan,net=lan") == (
        1, "mkbundle: vm b: /vms/b/net1: 256 devices are on this switch already; choose another\n")


def test_disk_of_another_kind(kernel, tmp_path):
    qcow, packed = tmp_path / "disk.qcow2", tmp_path / "disk.gz"
    qcow.write_bytes(b"QFI\xfb" + bytes(508))
    packed.write_bytes(gzip.compress(bytes(512)))
    vm = f"name=a,memory=64M,kernel={kernel}"
    assert mkbundle(tmp_path / "x.itb", "--vm", f"{vm},disk={qcow}:ro") == (
        1, f"mkbundle: VM a: disk={qcow}: a disk image (qcow2); virt7 takes raw ones: qemu-img convert -O raw {qcow} RAW\n")
    assert mkbundle(tmp_path / "x.itb", "--vm", f"{vm},disk={packed}:ro") == (
        0, f"mkbundle: warning: VM a: disk={packed}: compressed with gzip, and the guest will see it so; :gz has virt7 unpack "
           "it\n")
    assert mkbundle(tmp_path / "x.itb", "--vm", f"{vm},disk={packed}:gz:ro") == (0, "")
    packed.write_bytes(gzip.compress(bytes(512))[:-4])
    assert mkbundle(tmp_path / "x.itb", "--vm", f"{vm},disk={packed}:gz:ro") == (
        1, 'mkbundle: vm a: image "disk.gz": not a gzip stream, or a damaged one; make the bundle again\n')


def test_devices(kernel, tmp_path):
    """Nodes in the order of the options; a file that several disks and VMs name is stored once, compressed ones too."""
    disk, output = tmp_path / "a:b.img", tmp_path / "x.itb"
    disk.write_bytes(b"a disk" * 1000)
    devices = f"disk={disk}:ro,rng,disk={disk}:cow=64M,disk=size=256M,disk={disk}:gz:ro,disk={disk}:ro:gz"
    vm = f"memory=64M,kernel={kernel},{devices},virtio-legacy,bootargs=root=/dev/vda ro"
    assert mkbundle(output, "--vm", "name=a," + vm, "--vm", "name=b," + vm) == (0, "")
    assert output.read_bytes().count(disk.read_bytes()) == 1

    def fdtget(*arguments):
        return subprocess.run(["fdtget", *arguments], check=True, capture_output=True, text=True).stdout.split()

    assert fdtget("-l", output, "/images") == ["kernel.bin", "a-b.img", "a-b.img-2"]
    assert fdtget(output, "/images/a-b.img", "type", "/images/a-b.img-2", "compression") == ["filesystem", "gzip"]
    for name in "ab":
        node = f"/vms/{name}"
        assert fdtget("-l", output, node) == ["disk0", "rng", "disk1", "disk2", "disk3", "disk4"]
        assert "virtio-legacy" in fdtget("-p", output, node)
        assert fdtget("-p", output, f"{node}/disk0") == ["compatible", "image", "read-only"]
        assert fdtget(output, *(word for n in (0, 1, 3, 4) for word in (f"{node}/disk{n}", "image"))) == [
            "a-b.img", "a-b.img", "a-b.img-2", "a-b.img-2"]
        assert fdtget("-t", "u", output, f"{node}/disk1", "copy-on-write") == ["0", "65536"]
        assert fdtget("-t", "u", output, f"{node}/disk2", "size") == ["0", "262144"]
        assert fdtget(output, f"{node}/rng", "compatible", f"{node}/disk2", "compatible", node, "bootargs") == [
            "virt7,virtio-rng", "virt7,virtio-blk", "root=/dev/vda", "ro"]


@pytest.mark.parametrize("kind, warned", [("note", "a text"), ("script", "a script (#!)"), ("bzimage", "a Linux kernel for x86 (bzImage)"),
                                          ("dtb", "a device tree or a FIT image"), ("cpio", None), ("gzip", None), ("xz", None)])
def test_ramdisk_of_another_kind(kernel, tmp_path, kind, warned):
    path, _ = foreign_file(tmp_path, kind)
    line = f"mkbundle: warning: VM a: ramdisk={path}: {warned}; a kernel looks for a cpio archive in it, or a disk\n" if warned else ""
    assert mkbundle(tmp_path / "x.itb", "--vm", f"name=a,memory=64M,kernel={kernel},ramdisk={path}") == (0, line)


def test_refuses_two_vms_of_one_name(kernel, tmp_path):
    text = f"name=a,memory=64M,kernel={kernel}"
    assert mkbundle(tmp_path / "x.itb", "--vm", text, "--vm", text) == (1, "mkbundle: two VMs are named a\n")


@pytest.mark.parametrize("arguments, error", [
    ([], "give either --vm or one FILE.its"),
    (["--vm", "name=a,memory=64M", "x.its"], "'x.its': --vm takes one word, whose keys have commas between and no spaces"),
    (["--vm", "name=a", "memory=64M"], "'memory=64M': --vm takes one word, whose keys have commas between and no spaces"),
    (["--vm", "name=a", "memory=64M", "kernel=x"], "'memory=64M': --vm takes one word, whose keys have commas between and no spaces"),
    (["--vm", "name=a,", "memory=64M,"], "'memory=64M,': --vm takes one word, whose keys have commas between and no spaces"),
    (["nowhere.its"], "nowhere.its: No such file or directory"),
    (["--hash", "md5", "--vm", "name=a,memory=64M"], "--hash md5: not one of crc32, sha256, none"),
    (["--hash", "sha265", "--vm", "name=a,memory=64M"], "--hash sha265: not one of crc32, sha256, none; did you mean sha256?"),
    (["docs"], "docs: a folder"),
    (["CAVEATS.md"], "CAVEATS.md: a text without /dts-v1/; and so not the source of a bundle (.its)"),
    (["tools/run"], "tools/run: a script (#!), not the source of a bundle (.its)"),
    ([str(BUILD / "virt.dtb")], f"{BUILD}/virt.dtb: a bundle or a device tree, which is made already; its source (.its) is a text"),
    ([str(BUILD / "debian.itb")], f"{BUILD}/debian.itb: a bundle or a device tree, which is made already; its source (.its) is a text"),
    ([str(BUILD / "initramfs.cpio")], f"{BUILD}/initramfs.cpio: a cpio archive, not the source of a bundle (.its)"),
    ([str(GUEST)], f"{GUEST}: not a text, and so not the source of a bundle (.its)"),
])
def test_refuses_arguments(tmp_path, arguments, error):
    assert mkbundle(tmp_path / "x.itb", *arguments) == (1, f"mkbundle: {error}\n")


def test_refuses_a_folder_that_is_not_there(kernel, tmp_path):
    assert mkbundle(tmp_path / "no/x.itb", "--vm", f"name=a,memory=64M,kernel={kernel}") == (
        1, f"mkbundle: {tmp_path}/no: no such folder\n")


def test_names_the_line_of_a_broken_its(tmp_path):
    source = tmp_path / "broken.its"
    source.write_text("/dts-v1/;\n/ {\n\timages { linux { data = ; }; };\n};\n")
    status, stderr = mkbundle(tmp_path / "x.itb", source)
    assert status == 1
    assert stderr.startswith("mkbundle: mkimage: Error: ") and ":3." in stderr and stderr.count("\n") == 1


# What it makes.

def test_repeatable(kernel, tmp_path):
    """Equal input, equal bundle; an image that two VMs use is in it once; bootargs as they are."""
    vms = [part for name in "ab" for part in ("--vm", f"name={name},memory=64M,kernel={kernel},bootargs=x,y z=\"1\"")]
    bundles = []
    for number in range(2):
        output = tmp_path / f"{number}.itb"
        assert mkbundle(output, *vms) == (0, "")
        bundles.append(output.read_bytes())
    assert bundles[0] == bundles[1]
    assert bundles[0].count(kernel.read_bytes()) == 1
    assert bundles[0].count(b'x,y z="1"\0') == 2


@pytest.mark.parametrize("key, cell", [("autostart=no", "0"), ("autostart=yes", "1"), ("autostart=0", "0"), ("autostart", None),
                                       ("memory=1G", "0 100000"), ("cpu-affinity=0x3", "3"), ("priority=0", "0")])
def test_values(kernel, tmp_path, key, cell):
    output = tmp_path / "x.itb"
    memory = "" if key.startswith("memory") else "memory=64M,"
    assert mkbundle(output, "--vm", f"name=a,{memory}kernel={kernel},{key}") == (0, "")
    said = subprocess.run(["fdtget", "-t", "x", output, "/vms/a", key.partition("=")[0]], check=True, capture_output=True,
                          text=True).stdout.strip()
    assert said == (cell or "")


# Files of another kind, named by their first bytes.

def at(offset, magic, size=4096):
    """A file with these bytes at the offset, and no others that mean anything."""
    data = bytearray(b"\x5a" * size)
    data[offset:offset + len(magic)] = magic
    return bytes(data)


def elf(bits=1, order=1, machine=40, kind=2):
    return struct.pack("<4sBBB9x" if order == 1 else ">4sBBB9x", b"\x7fELF", bits, order, 1) + struct.pack(
        "<HHI" if order == 1 else ">HHI", kind, machine, 1) + bytes(100)


def multi_uimage(folder):
    """What `mkimage -T multi` makes of a kernel and a ramdisk."""
    parts = [folder / "kernel.part", folder / "ramdisk.part"]
    for part in parts:
        part.write_bytes(part.name.encode() * 100)
    path = folder / "multi.uimg"
    subprocess.run(["mkimage", "-A", "arm", "-O", "linux", "-T", "multi", "-C", "none", "-a", "0x40008000", "-e", "0x40008000",
                    "-d", ":".join(map(str, parts)), path], check=True, capture_output=True)
    return path.read_bytes()


ARM_ONLY = "a guest is a 32-bit ARM program"
FOREIGN = {
    "bzimage": (at(0x1fe, b"\x55\xaaxxHdrS"), "a Linux kernel for x86 (bzImage); " + ARM_ONLY),
    "arm64": (at(0x38, b"ARM\x64"), "a Linux kernel for arm64 (Image); " + ARM_ONLY),
    "arm64-efi": (b"MZ" + at(0x36, b"ARM\x64"), "a Linux kernel for arm64 (Image); " + ARM_ONLY),
    "riscv": (at(0x38, b"RSC\x05"), "a Linux kernel for RISC-V (Image); " + ARM_ONLY),
    "big-endian-zimage": (at(0x24, b"\x01\x6f\x28\x18"), "a big-endian zImage; a guest starts little-endian"),
    "zboot": (at(0, b"MZ\0\0zimg"), "an EFI zboot image (vmlinuz.efi); take the zImage"),
    "efi": (at(0, b"MZ\x90"), "an EFI program; it needs firmware: give a zImage, a raw image or an ELF file"),
    "elf64": (elf(bits=2, machine=183), "a 64-bit ELF file; " + ARM_ONLY),
    "elf-big-endian": (elf(order=2), "a big-endian ELF file; a guest starts little-endian"),
    "elf-x86": (elf(machine=3), "an ELF file for another processor; " + ARM_ONLY),
    "elf-object": (elf(kind=1), "an ELF object file (.o, .ko); link it to a program"),
    "multi": (multi_uimage, "a uImage of several files; split it (dumpimage -T multi -p 0 -o FILE) and give each as what it "
                            "is"),
    "dtb": (at(0, b"\xd0\x0d\xfe\xed"), "a device tree or a FIT image; take the kernel out of it (dumpimage -T flat_dt -p 0 "
                                        "-o FILE)"),
    "script": (b"#!/bin/sh\nexec qemu\n", "a script (#!); give a kernel"),
    "script-space": (b"#! /bin/sh\n", "a script (#!); give a kernel"),
    "cpio": (at(0, b"070701"), "a cpio archive; give it as ramdisk"),
    "cpio-crc": (at(0, b"070702"), "a cpio archive; give it as ramdisk"),
    "cpio-odc": (at(0, b"070707"), "a cpio archive; give it as ramdisk"),
    "gzip": (gzip.compress(bytes(range(256))), 'compressed with gzip; a kernel says so by compression = "gzip" (mkbundle: '
                                             "kernel-compression=gzip)"),
    "bzip2": (at(0, b"BZh9\x31\x41\x59\x26\x53\x59"), "compressed with bzip2; uncompress it (bunzip2)"),
    "xz": (at(0, b"\xfd7zXZ\0"), "compressed with xz; uncompress it (xz -d)"),
    "zstd": (at(0, b"\x28\xb5\x2f\xfd"), "compressed with zstd; uncompress it (zstd -d)"),
    "lz4": (at(0, b"\x04\x22\x4d\x18"), "compressed with lz4; uncompress it (lz4 -d)"),
    "lz4-legacy": (at(0, b"\x02\x21\x4c\x18"), "compressed with lz4; uncompress it (lz4 -d)"),
    "lzma": (b"\x5d\0\0\x80\0" + b"\xff" * 8, "compressed with lzma; uncompress it (unlzma)"),
    "lzop": (at(0, b"\x89LZO\0"), "compressed with lzop; uncompress it (lzop -d)"),
    "edk2": (at(0x28, b"_FVH"), "firmware (an EDK2 volume); it starts in flash: give it as code of a virt7,cfi-flash (mkbundle: flash=)"),
    "edk2-debian": (b"\xfe\x03\0\xea" + b"\xff" * 4092 + at(0x28, b"_FVH"),
                    "firmware (EDK2); it starts in flash: give it as code of a virt7,cfi-flash (mkbundle: flash=)"),
    "gpt": (at(0x200, b"EFI PART"), "a disk image (GPT); give a kernel"),
    "fat16": (at(0x36, b"FAT16", 512)[:510] + b"\x55\xaa", "a disk image (FAT); give a kernel"),
    "fat32": (at(0x52, b"FAT32", 512)[:510] + b"\x55\xaa", "a disk image (FAT); give a kernel"),
    "jpeg": (at(0, b"\xff\xd8\xff\xe0"), "a picture (JPEG); give a kernel"),
    "png": (at(0, b"\x89PNG\r\n\x1a\n"), "a picture (PNG); give a kernel"),
    "pdf": (at(0, b"%PDF-1.7"), "a PDF; give a kernel"),
    "deb": (at(0, b"!<arch>\ndebian"), "an archive (.deb, .a); unpack it and give the kernel in it"),
    "zip": (at(0, b"PK\3\4"), "a zip archive; unpack it and give the kernel in it"),
    "android": (at(0, b"ANDROID!"), "an Android boot image; take kernel and ramdisk out of it"),
    "qcow2": (at(0, b"QFI\xfb"), "a disk image (qcow2); give a kernel"),
    "html": (b"<!DOCTYPE html>\n<html>", "a page of HTML; a download that failed?"),
    "html-lower": (b"<!doctype html>\n<html>", "a page of HTML; a download that failed?"),
    "html-bare": (b"<html><head>", "a page of HTML; a download that failed?"),
    "virt7": (at(0x34, b"VRT7"), "a virt7.bin; virt7 does not run in a VM: give a kernel"),
    "note": (b"buy milk\n", "a text; give a kernel"),
}


def foreign_file(folder, kind):
    data, line = FOREIGN[kind]
    path = folder / kind
    path.write_bytes(data if isinstance(data, bytes) else data(folder))
    return path, line


@pytest.mark.parametrize("kind", FOREIGN)
def test_refuses_as_kernel(tmp_path, kind):
    path, line = foreign_file(tmp_path, kind)
    status, stderr = mkbundle(tmp_path / "x.itb", "--vm", f"name=a,memory=64M,kernel={path}")
    assert (status, stderr) == (1, f'mkbundle: vm a: kernel "{kind}": {line}\n')


def test_looks_inside_gzip(tmp_path):
    path, line = foreign_file(tmp_path, "arm64")
    status, stderr = mkbundle(tmp_path / "x.itb", "--vm", f"name=a,memory=64M,kernel={path},kernel-compression=gzip")
    assert (status, stderr) == (1, f'mkbundle: vm a: kernel "arm64": {line}\n')


def test_good_kernels(kernel, tmp_path):
    """Raw, zImage with EFI's MZ in front, ELF, uImage, gzip that is said to be; and a ramdisk may be anything."""
    zimage = tmp_path / "zimage"
    zimage.write_bytes(b"MZ" + at(0x22, struct.pack("<3I", 0x016f2818, 0, 4096)))
    uimage = tmp_path / "uimage"
    subprocess.run(["mkimage", "-A", "arm", "-O", "linux", "-T", "kernel", "-C", "none", "-a", "0x40008000", "-e", "0x40008000",
                    "-d", kernel, uimage], check=True, capture_output=True)
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(kernel.read_bytes()))
    cpio, _ = foreign_file(tmp_path, "cpio")
    for number, keys in enumerate((f"kernel={kernel}", f"kernel={zimage}", f"kernel={GUEST.with_suffix('.elf')}",
                                   f"kernel={uimage}", f"kernel={packed},kernel-compression=gzip",
                                   f"kernel={kernel},ramdisk={cpio}")):
        assert mkbundle(tmp_path / f"{number}.itb", "--vm", f"name=a,memory=64M,{keys}") == (0, "")


# Descriptions and docs

def test_words_are_documented():
    """Every word of the descriptions that a user can meet is in docs/configuration.md."""
    documented = re.sub(r"\s+", " ", (ROOT / "docs/configuration.md").read_text())
    string = r'"((?:[^"\\]|\\.)*)"'
    for name, pattern in (("vm.def", rf"\.(?:wrong|too_low|too_high|uneven|missing) = {string}"),
                          ("words.h", rf"#define WORDS_\w+\s+(?:\\\n\s+)?{string}"), ("foreign.def", rf"^FOREIGN\({string}")):
        found = re.findall(pattern, (ROOT / "hyp/load" / name).read_text(), re.MULTILINE)
        assert len(found) > 10, name
        for words in found:
            pattern = re.sub(r"(0x)?%(\\\.40)?\d*[a-z]+", "[^|`]{0,80}?", re.escape(words.replace('\\"', '"')))
            assert re.search(pattern, documented), words
