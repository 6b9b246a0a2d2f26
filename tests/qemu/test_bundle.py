# SPDX-License-Identifier: BSD-2-Clause
"""Bad bundles on the real binary: each gives its one line (docs/configuration.md), and virt7 then stops where it says it
does or runs the VMs that are good. Never a panic, never silence. Bad VMs go many into one bundle, and tools/mkbundle refuses
them in the same words.
"""
import gzip
import random
import re
import subprocess

import pytest

from conftest import BUILD, DEPS, ROOT
from test_mkbundle import FOREIGN, PLACES, foreign_file

GUEST = BUILD / "guests" / "psci.bin"  # small; prints a summary and powers off
NO_VM = "virt7: error: no VM could be started: see the lines above"
STOPPED = "virt7: error: stopped at: start"
DAMAGED = "does not match, the image is damaged; make or load the bundle again"


def image(name, path=GUEST, compression="none", hashes=("crc32",), extra=""):
    nodes = " ".join(f'hash-{n} {{ algo = "{algo}"; }};' for n, algo in enumerate(hashes, 1))
    return (f'{name} {{ data = /incbin/("{path}"); type = "kernel"; arch = "arm"; os = "linux"; '
            f'compression = "{compression}"; {extra} {nodes} }};')


def vm(name, kernel='kernel = "guest";', memory="memory = <65536>;", extra=""):
    return f'{name} {{ compatible = "virt7,vm"; {memory} {kernel} {extra} }};'


@pytest.fixture
def fit(tmp_path):
    """fit(vms, images) -> path of a bundle made from these nodes by mkimage alone; vms of None is no /vms at all."""

    def make(vms, images=None):
        source = tmp_path / "test.its"
        body = image("guest") if images is None else images
        source.write_text('/dts-v1/;\n/ { description = "test"; images { %s }; %s };\n'
                          % (body, "" if vms is None else "vms { %s };" % vms))
        bundle = source.with_suffix(".itb")
        subprocess.run(["mkimage", "-f", source, bundle], check=True, capture_output=True)
        return bundle

    return make


@pytest.fixture
def good(fit):
    return fit(vm("test"))


@pytest.fixture
def patched(tmp_path):
    """patched(path, old, new): a copy with the bytes `old`, which occur exactly once, replaced."""

    def make(path, old, new):
        data = path.read_bytes()
        assert len(old) == len(new) and data.count(old) == 1
        copy = tmp_path / "patched.itb"
        copy.write_bytes(data.replace(old, new))
        return copy

    return make


def errors(run):
    return [line for line in run.output().splitlines() if line.startswith("virt7: error: ")]


def expect_stopped(run, *patterns):
    """Exactly these error lines, then the two with which virt7 stops, and nothing more."""
    run.expect(re.escape(STOPPED) + "\r")
    lines = errors(run)
    assert lines[-2:] == [NO_VM, STOPPED]
    assert len(lines) == len(patterns) + 2, lines
    for line, pattern in zip(lines, patterns):
        assert re.fullmatch("virt7: error: " + pattern, line), line
    assert run.child.isalive() and "PANIC" not in run.output()


def expect_run(run):
    """A good VM ran to its end, and with it the machine."""
    assert run.wait() == 0
    assert re.search(r"summary: \d+ passed, \d+ failed", run.output())
    assert "PANIC" not in run.output()


def test_good(virt7, good):
    run = virt7(good)
    expect_run(run)
    assert errors(run) == []


def test_nothing_starts_and_power_goes_off(virt7, good):
    """on-error=poweroff: what watches the console has a last line, and QEMU ends."""
    good.write_bytes(good.read_bytes()[:1000])
    run = virt7(good, "-append", "on-error=poweroff")
    assert run.wait() == 0
    assert run.lines()[-3:] == [
        "virt7: error: bundle: truncated: 1000 bytes were handed over; load the whole file", NO_VM, STOPPED]


# The bundle as a whole.

@pytest.mark.parametrize("length", [1, 7, 39, 40, 64, 1000, 4096, -1, -100])
def test_truncated(virt7, good, length):
    data = good.read_bytes()[:length]
    good.write_bytes(data)
    expect_stopped(virt7(good), rf"bundle: truncated: {len(data)} bytes were handed over; load the whole file")


@pytest.mark.parametrize("data", [bytes(65536), random.Random(7).randbytes(65536), b"\x80\n\n"], ids=["zeros", "random", "short"])
def test_not_a_fit(virt7, tmp_path, data):
    path = tmp_path / "bad.itb"
    path.write_bytes(data)
    expect_stopped(virt7(path), r"bundle: not a FIT image; make one with mkbundle or mkimage -f")


@pytest.mark.parametrize("kind, what", [("gzip", "compressed with gzip"), ("cpio", "a cpio archive"),
                                        ("elf64", "a 64-bit ELF file"), ("note", "a text"), ("virt7", r"a virt7\.bin")])
def test_file_of_another_kind(virt7, tmp_path, kind, what):
    """A bundle or an initramfs that was compressed, an initramfs, a program."""
    path, _ = foreign_file(tmp_path, kind)
    expect_stopped(virt7(path), f"bundle: {what}, not a FIT image; hand over the file that mkbundle made")


@pytest.mark.parametrize("path, what", [(GUEST.with_suffix(".elf"), "an ELF file"), (DEPS / "armhf/vmlinuz", r"a kernel \(zImage\)"),
                                        (BUILD / "virt7.uimg", "a uImage")])
def test_kernel_as_bundle(virt7, path, what):
    """What would be a guest inside one."""
    expect_stopped(virt7(path), f"bundle: {what}, not a FIT image; hand over the file that mkbundle made")


def test_device_tree_that_is_no_fit(virt7, tmp_path):
    path = tmp_path / "board.dtb"
    subprocess.run(["dtc", "-q", "-o", path], input='/dts-v1/; / { model = "board"; };', text=True, check=True)
    expect_stopped(virt7(path), r"bundle: no /images node: a device tree, but not a FIT image")


def test_no_vms(virt7, fit):
    path = fit(None)
    expect_stopped(virt7(path), r"bundle: no /vms node; describe the virtual machines there")
    assert refused_by_mkbundle(path)[0] == ["bundle: no /vms node; describe the virtual machines there"]


def test_vms_empty(virt7, fit):
    path = fit("")
    expect_stopped(virt7(path), r"bundle: /vms is empty; add a node for each virtual machine")
    assert refused_by_mkbundle(path)[0] == ["bundle: /vms is empty; add a node for each virtual machine"]


def test_too_many_vms(virt7, fit):
    vms = " ".join(vm(f"vm{n}") for n in range(256))
    path = fit(vms)
    expect_stopped(virt7(path), r"bundle: /vms has 256 nodes; 255 is the limit")
    assert refused_by_mkbundle(path)[0] == ["bundle: /vms has 256 nodes; 255 is the limit"]


def test_broken_structure(virt7, good):
    """Where the root node should begin there is a token that does not exist."""
    data = bytearray(good.read_bytes())
    start = int.from_bytes(data[8:12], "big")  # off_dt_struct
    data[start:start + 4] = b"\0\0\0\x77"
    good.write_bytes(data)
    expect_stopped(virt7(good), r"bundle: damaged \(libfdt error -\d+\); make it again")


@pytest.mark.parametrize("seed", range(6))
def test_random_damage(virt7, good, seed):
    """Flips in the tree outside the guest's data: whatever comes of it, an end that virt7 has chosen."""
    data = bytearray(good.read_bytes())
    kernel = data.find(GUEST.read_bytes())
    places = [*range(40), *range(40, kernel), *range(kernel + GUEST.stat().st_size, len(data))]
    chance = random.Random(seed)
    for place in chance.sample(places, 4):
        data[place] ^= 1 << chance.randrange(8)
    good.write_bytes(data)
    run = virt7(good)
    run.expect(f"{re.escape(STOPPED)}\r|summary: \\d+ passed, \\d+ failed\r|virt7: error: vm test: crashed ")
    assert "PANIC" not in run.output()


# VMs.

BAD_VMS = {  # what the node says besides a good compatible, memory and kernel, or instead of them; the line
    "cpus-0": ("cpus = <0>;", "cpus: not a number from 1 to 8"),
    "cpus-9": ("cpus = <9>;", "cpus: not a number from 1 to 8"),
    "cpus-string": ('cpus = "seven";', "cpus: not a number from 1 to 8"),
    "memory-missing": ("memory;", "memory: missing; say how much RAM the VM has, in KiB"),
    "memory-small": ("memory = <512>;", "memory: less than 8 MiB (the number is in KiB)"),
    "memory-odd": ("memory = <9000>;", "memory: not a multiple of 2048 (the number is in KiB)"),
    "memory-swapped": ("memory = <0x80000 0>;", "memory: more than 1023 GiB (the number is in KiB)"),
    "memory-string": ('memory = "64 MiB";', "memory: not a number of one or two cells, in KiB"),
    "kernel-missing": ("kernel;", "kernel: missing; name the image under /images to start, or give the VM flash with code in it"),
    "kernel-misspelt": ('kernel; krenel = "guest";',
                        "kernel: missing; name the image under /images to start, or give the VM flash with code in it"),
    "kernel-empty": ('kernel = "";', "kernel: not the name of a node under /images"),
    "kernel-unknown": ('kernel = "nothere";', 'kernel: no image "nothere" under /images; add it or correct the name'),
    "ramdisk-unknown": ('ramdisk = "nothere";', 'ramdisk: no image "nothere" under /images; add it or correct the name'),
    "compatible": ('compatible = "xen,domain";', 'compatible: not "virt7,vm"'),
    "compatible-missing": ("compatible;", 'compatible: missing; a VM says "virt7,vm"'),
    "bootargs": ("bootargs = <1>;", "bootargs: not a string"),
    "bootargs-long": (f'bootargs = "{4096 * "x"}";', "bootargs: longer than 4095 characters"),
    "affinity-0": ("cpu-affinity = <0>;", "cpu-affinity: not a mask of physical CPUs (32 bits, at least one set)"),
    "model": ('cpu-model = "";', 'cpu-model: not the name of a model, such as "host" or "cortex-a15"'),
    "priority-8": ("priority = <8>;", "priority: not a number from 0 to 7"),
    "autostart-2": ("autostart = <2>;", "autostart: not <0> or <1>"),
    "dedicated-2": ("dedicated-cpus = <2>;", "dedicated-cpus: not <0> or <1>"),
    "prefault-2": ("prefault = <2>;", "prefault: not <0> or <1>"),
    "restart-limit": ("restart-limit = <1000001>;", "restart-limit: not a number from 0 (no limit) to 1000000"),
    "watchdog-0": ("watchdog-ms = <0>;", "watchdog-ms: not a number from 10 to 3600000, in milliseconds"),
    "on-crash": ('on-crash = "reboot";', 'on-crash: not "stop" or "restart"'),
    "on-reset": ("on-reset = <1>;", 'on-reset: not "stop" or "restart"'),
}


def bad_vm(name, text):
    """A good node with this in place of what it has by the same names; a name alone: without that."""
    lines = {"compatible": 'compatible = "virt7,vm";', "memory": "memory = <8192>;", "kernel": 'kernel = "guest";'}
    lines.update((part.split()[0], f"{part};" if " " in part else "") for part in filter(None, re.split(r";\s*", text)))
    return f"{name} {{ {' '.join(lines.values())} }};"


def refused_by_mkbundle(fit_path):
    """(refusals, warnings) of tools/mkbundle for the same text, without what it puts in front of each line."""
    done = subprocess.run([ROOT / "tools/mkbundle", "-o", fit_path.with_name("refused.itb"), fit_path.with_suffix(".its")],
                          capture_output=True, text=True, check=False)
    lines = [re.sub(r"; did you mean \S+\?$", "", line.removeprefix("mkbundle: ")) for line in done.stderr.splitlines()]
    assert done.returncode == (1 if [line for line in lines if not line.startswith("warning: ")] else 0)
    return ([line for line in lines if not line.startswith("warning: ")],
            [line.removeprefix("warning: ") for line in lines if line.startswith("warning: ")])


def warnings(run):
    return [line.removeprefix("virt7: warning: ") for line in run.output().splitlines() if line.startswith("virt7: warning: ")]


def test_bad_vms(virt7, fit):
    """Each its line, by virt7 and by mkbundle; and an unknown name is told of though the kernel is missing."""
    path = fit(" ".join(bad_vm(kind, text) for kind, (text, _) in BAD_VMS.items()))
    lines = [f"vm {kind}: /vms/{kind}: {line}" for kind, (_, line) in BAD_VMS.items()]
    unknown = ["vm kernel-misspelt: /vms/kernel-misspelt: krenel: unknown property, ignored"]
    run = virt7(path)
    expect_stopped(run, *map(re.escape, lines))
    assert warnings(run) == unknown
    assert refused_by_mkbundle(path) == (lines, unknown)


BAD_DISKS = {  # what the node disk0 says; the line behind /vms/NAME
    "none": ("", "/disk0: no disk: give image, or size for a blank one, or host"),
    "writable": ('image = "guest";', "/disk0: an image cannot be written: say read-only, or copy-on-write = <KiB>"),
    "writable-0": ('image = "guest"; read-only = <0>;',
                   "/disk0: an image cannot be written: say read-only, or copy-on-write = <KiB>"),
    "twice": ('image = "guest"; size = <64>;', "/disk0: image and size: give one of them"),
    "blank-cow": ("size = <64>; copy-on-write = <64>;", "/disk0: size and copy-on-write: give one of them"),
    "ro-cow": ('image = "guest"; read-only; copy-on-write = <64>;', "/disk0: read-only and copy-on-write: give one of them"),
    "size-0": ("size = <0>;", "/disk0: size: less than 4 KiB (the number is in KiB)"),
    "cow-6": ('image = "guest"; copy-on-write = <6>;', "/disk0: copy-on-write: not a multiple of 4 (the number is in KiB)"),
    "serial": ('size = <64>; serial = "more than 20 letters!";', "/disk0: serial: not a string of 1 to 20 characters"),
    "misspelt": ('image = "guest"; read-onyl;', "/disk0: read-onyl: unknown property of a device; correct it or take it out"),
    "unknown": ('image = "nothere"; read-only;', ': disk0: no image "nothere" under /images; add it or correct the name'),
}
BAD_CONSOLES = {  # other nodes of the VM's; the line
    "con-name": ('con@1 { compatible = "virt7,virtio-console"; };',
                 "/con@1: name: use 1 to 31 letters, digits and ._+- (and no . or - at the start)"),
    "con-flag": ('con1 { compatible = "virt7,virtio-console"; virtio-legacy = "1"; };',
                 "/con1: virtio-legacy: not <0> or <1>"),
    "con-size": ('con1 { compatible = "virt7,virtio-console"; size = <80>; };',
                 "/con1: size: unknown property of a device; correct it or take it out"),
    "goo": ('d { compatible = "virt7,virtio-console"; };', "/d: a VM has the name of this console; choose another"),
}
THE_33RD = " ".join(f'disk{n} {{ compatible = "virt7,virtio-blk"; size = <4>; }};' for n in range(33))


def test_bad_devices(virt7, fit):
    """Each keeps its VM off with its line, by virt7 and by mkbundle; the one beside them runs."""
    disks = {kind: f'disk0 {{ compatible = "virt7,virtio-blk"; {text} }};' for kind, (text, _) in BAD_DISKS.items()}
    disks["many"] = THE_33RD
    disks |= {kind: text for kind, (text, _) in BAD_CONSOLES.items()}
    path = fit(" ".join(vm(kind, memory="memory = <8192>;", extra=disk) for kind, disk in disks.items()) + vm("goo.d"))
    lines = [f"vm {kind}: /vms/{kind}{line}" for kind, (_, line) in (BAD_DISKS | BAD_CONSOLES).items()]
    lines.append("vm many: /vms/many/disk32: more than 32 virtio devices; take some out")
    run = virt7(path)
    expect_run(run)
    assert sorted(errors(run)) == sorted("virt7: error: " + line for line in lines)
    assert sorted(refused_by_mkbundle(path)[0]) == sorted(lines)


def test_kernels_of_another_kind(virt7, fit, tmp_path):
    """Files that are no guests (tests/qemu/test_mkbundle.py has them), each named by both; plain, and one inside gzip."""
    files = {kind: foreign_file(tmp_path, kind) for kind in FOREIGN}
    files["packed"] = (tmp_path / "packed.gz", files["arm64"][1])
    files["packed"][0].write_bytes(gzip.compress(files["arm64"][0].read_bytes()))
    path = fit(" ".join(vm(kind, f'kernel = "{kind}";', "memory = <8192>;") for kind in files),
               " ".join(image(kind, file, "gzip" if kind == "packed" else "none") for kind, (file, _) in files.items()))
    lines = sorted(f'vm {kind}: kernel "{kind}": {line}' for kind, (_, line) in files.items())
    run = virt7(path, mem="2G")
    run.expect(re.escape(STOPPED) + "\r")
    assert sorted(errors(run)) == sorted([*("virt7: error: " + line for line in lines), NO_VM, STOPPED])
    assert sorted(refused_by_mkbundle(path)[0]) == lines


def test_places(virt7, fit, tmp_path):
    """What does not fit into a VM's RAM (tests/qemu/test_mkbundle.py has it): the same lines by both, and cpu-model."""
    images, names = [], []
    for number, (data, keys, _) in enumerate(PLACES.values()):
        data = data(tmp_path) if callable(data) else data
        if len(data) > 1 << 20 and "compression" not in keys:
            continue
        names.append(f"vm{number}")
        path = tmp_path / names[-1]
        path.write_bytes(gzip.compress(data) if "compression" in keys else data)
        key, _, value = keys.removeprefix("kernel-").partition("=")
        cells = "0x%x 0x%x" % divmod(int(value, 0), 1 << 32) if key in ("load", "entry") else None
        images.append(image(names[-1], path, "gzip" if "compression" in keys else "none", extra=f"{key} = <{cells}>;" if cells else ""))
    ramdisk = tmp_path / "ramdisk"
    ramdisk.write_bytes(bytes(8 << 20))
    images += [image("guest"), image("ramdisk", ramdisk), image("low", GUEST, extra="load = <0x1000>;"),
               image("into", GUEST, extra="load = <0x40010000>;")]
    path = fit(" ".join([*(vm(name, f'kernel = "{name}";', "memory = <8192>;") for name in names),
                         *(vm(f"with-{name}", memory="memory = <8192>;", extra=f'ramdisk = "{name}";') for name in ("ramdisk", "low", "into")),
                         vm("model", extra='cpu-model = "cortex-a9";')]), " ".join(images))
    said = refused_by_mkbundle(path)[0]
    assert len(said) == len(names) + 4 and len({line.split()[1] for line in said}) == len(said)
    run = virt7(path, mem="2G")
    run.expect(re.escape(STOPPED) + "\r")
    assert sorted(errors(run)) == sorted([*("virt7: error: " + line for line in said), NO_VM, STOPPED])


# A node's name follows the token FDT_BEGIN_NODE, which ends in a byte of 1.

def test_bad_name(virt7, good, patched):
    bad = patched(good, b"\1test\0", b"\1te\nt\0")
    expect_stopped(virt7(bad), r"vm number 1: /vms: name: use 1 to 31 letters, digits and \._\+- "
                               r"\(and no \. or - at the start\)")


def test_duplicate_names(virt7, fit, patched):
    """dtc makes no such bundle. The first of the two runs."""
    run = virt7(patched(fit(vm("twin1") + vm("twin2")), b"\1twin2\0", b"\1twin1\0"))
    expect_run(run)
    assert errors(run) == ["virt7: error: vm twin1: /vms/twin1: name: taken by an earlier VM; choose another"]


def test_unknown_property(virt7, fit):
    """A warning, and the VM runs."""
    path = fit(vm("test", extra="cpu = <2>; net0 { };"))
    run = virt7(path)
    expect_run(run)
    assert warnings(run) == ["vm test: /vms/test: cpu: unknown property, ignored",
                             'vm test: /vms/test/net0: unknown node, ignored: its "compatible" is of no device that virt7 has']
    assert refused_by_mkbundle(path) == ([], warnings(run))


# Its images.

@pytest.mark.parametrize("algo", ["crc32", "sha256"])
def test_flipped_byte(virt7, fit, algo):
    path = fit(vm("test"), image("guest", hashes=[algo]))
    data = bytearray(path.read_bytes())
    data[data.find(GUEST.read_bytes()) + GUEST.stat().st_size // 2] ^= 0x10
    path.write_bytes(data)
    expect_stopped(virt7(path), rf"vm test: kernel: /images/guest/hash-1: value: {DAMAGED}")


def test_second_hash_counts_too(virt7, fit):
    path = fit(vm("test"), image("guest", hashes=["crc32", "sha256"]))
    data = path.read_bytes()
    value = subprocess.run(["sha256sum", GUEST], check=True, capture_output=True, text=True).stdout.split()[0]
    place = data.find(bytes.fromhex(value))
    assert place > 0
    path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1:])
    expect_stopped(virt7(path), rf"vm test: kernel: /images/guest/hash-2: value: {DAMAGED}")


def test_no_hash(virt7, fit):
    run = virt7(fit(vm("test"), image("guest", hashes=[])))
    expect_run(run)
    assert "virt7: warning: vm test: kernel: /images/guest: no hash node: damage would go unnoticed" in run.output()


def test_unknown_hash(virt7, good, patched):
    bad = patched(good, b"crc32\0", b"crc99\0")
    expect_stopped(virt7(bad), r'vm test: kernel: /images/guest/hash-1: algo: not supported; use "crc32" or "sha256"')


BAD_IMAGES = {  # the image, the line, which mkbundle has, too
    "arch": (image("arch").replace('arch = "arm"', 'arch = "arm64"'),
             r'kernel: /images/arch: arch: not "arm"; a guest is a 32-bit ARM program'),
    "compression": (image("compression", compression="lzma"),
                    r'kernel: /images/compression: compression: not supported; uncompress it \(xz -d, zstd -d, lz4 -d, unlzma\), '
                    r'use "none"'),
    "load": (image("load", extra='load = "high";'),
             r"kernel: /images/load: load: not a number of one or two cells"),
    "load-outside": (image("load-outside", extra="load = <0x80000000>;"),
                     r'kernel "load-outside": \d+ KiB at 0x80000000 are not inside RAM \(0x40000000 to 0x41000000\)'),
    "entry-outside": (image("entry-outside", extra="entry = <0x100>;"),
                      r'kernel "entry-outside": entry point 0x100 is not inside RAM \(0x40000000 to 0x41000000\)'),
    "not-gzip": (image("not-gzip", compression="gzip"),
                 r'kernel "not-gzip": not a gzip stream, or a damaged one; make the bundle again'),
}


def test_bad_images(virt7, fit):
    path = fit(" ".join(vm(kind, f'kernel = "{kind}";', "memory = <16384>;") for kind in BAD_IMAGES),
               " ".join(text for text, _ in BAD_IMAGES.values()))
    run = virt7(path)
    run.expect(re.escape(STOPPED) + "\r")
    lines = {line.removeprefix("virt7: error: vm ").partition(": ")[0]: line for line in errors(run)[:-2]}
    assert len(errors(run)) == len(BAD_IMAGES) + 2
    for kind, (_, line) in BAD_IMAGES.items():
        assert re.fullmatch(f"virt7: error: vm {kind}: {line}", lines[kind])
    assert refused_by_mkbundle(path)[0] == [lines[kind].removeprefix("virt7: error: ") for kind in BAD_IMAGES]


def damaged_gzip(tmp_path):
    """Compressed, then damaged in the middle: the hash that mkimage makes of it is right."""
    data = bytearray(gzip.compress(GUEST.read_bytes(), mtime=0))
    data[len(data) // 2] ^= 0x55
    path = tmp_path / "guest.gz"
    path.write_bytes(data)
    return path


def test_gzip(virt7, fit, tmp_path):
    path = tmp_path / "guest.gz"
    path.write_bytes(gzip.compress(GUEST.read_bytes()))
    expect_run(virt7(fit(vm("test"), image("guest", path, "gzip"))))


def test_damaged_gzip(virt7, fit, tmp_path):
    run = virt7(fit(vm("test"), image("guest", damaged_gzip(tmp_path), "gzip")))
    expect_stopped(run, r'vm test: kernel "guest": (not a gzip stream, or a damaged one|shorter than its headers say); '
                        r"make the bundle again")


def test_kernel_larger_than_ram(virt7, fit, tmp_path):
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(16 << 20))
    run = virt7(fit(vm("test", memory="memory = <8192>;"), image("guest", path)))
    expect_stopped(run, r'vm test: kernel "guest": 16384 KiB at 0x40010000 are not inside RAM '
                        r"\(0x40000000 to 0x40800000\)")


# A bad VM beside a good one: the good one runs, before the bad one in the bundle or behind it.

def bad_neighbours(tmp_path):
    return {
        "property": (vm("bad", extra="cpus = <99>;"), "", r"/vms/bad: cpus: not a number from 1 to 8"),
        "no-image": (vm("bad", kernel='kernel = "nothere";'), "",
                     r'/vms/bad: kernel: no image "nothere" under /images; add it or correct the name'),
        "gzip": (vm("bad", kernel='kernel = "other";'), image("other", damaged_gzip(tmp_path), "gzip"),
                 r'kernel "other": (not a gzip stream, or a damaged one|shorter than its headers say); '
                 r"make the bundle again"),
        "memory": (vm("bad", memory="memory = <0x400000>;"), "",
                   r"memory: 4096 MiB asked for, the host has \d+ MiB free; lower memory in /vms/bad"),
    }


@pytest.mark.parametrize("first", ["bad", "good"])
@pytest.mark.parametrize("kind", ["property", "no-image", "gzip", "memory"])
def test_bad_beside_good(virt7, fit, tmp_path, kind, first):
    bad, images, line = bad_neighbours(tmp_path)[kind]
    vms = bad + vm("good") if first == "bad" else vm("good") + bad
    run = virt7(fit(vms, image("guest") + images))
    expect_run(run)
    lines = errors(run)
    assert len(lines) == 1 and re.fullmatch("virt7: error: vm bad: " + line, lines[0])
    assert "virt7: vm good: off" in run.output()


def test_bad_behind_one_that_is_over(virt7, fit, tmp_path):
    """The good one, on a CPU of its own, is off long before the other turns out to be damaged: so is the host then."""
    other = tmp_path / "other.gz"
    data = gzip.compress(GUEST.read_bytes() + bytes(96 << 20), compresslevel=1)
    other.write_bytes(data[:-8] + bytes(4) + data[-4:])  # its CRC is wrong
    bad = vm("bad", kernel='kernel = "other";', memory="memory = <0x40000>;")
    run = virt7(fit(vm("good", extra="cpu-affinity = <2>;") + bad, image("guest") + image("other", other, "gzip")), smp=2)
    expect_run(run)
    assert [line[:28] for line in errors(run)] == ["virt7: error: vm bad: kernel"]


def test_damaged_image_beside_good(virt7, fit, tmp_path):
    """Its own copy of the kernel, with a byte flipped."""
    other = tmp_path / "other.bin"
    other.write_bytes(GUEST.read_bytes() + b"other")
    path = fit(vm("bad", kernel='kernel = "other";') + vm("good"), image("guest") + image("other", other))
    data = path.read_bytes()
    place = data.find(other.read_bytes())
    assert place > 0
    path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1:])
    run = virt7(path)
    expect_run(run)
    assert errors(run) == [f"virt7: error: vm bad: kernel: /images/other/hash-1: value: {DAMAGED}"]
