# SPDX-License-Identifier: BSD-2-Clause
"""Software of other projects, as it comes, natively and under virt7: kernels, and trees that are not virt7's."""
import re
import shutil
import subprocess

import pytest

from conftest import BUILD, DEPS, QEMU, run as run_tool
from test_smp import SOAK

KERNEL = DEPS / "armhf" / "vmlinuz"
INITRAMFS = BUILD / "initramfs.cpio"
BOOT = 300  # seconds, on a machine that does other things besides
RAMDISK = 0x4c000000


@pytest.fixture(params=["native", "virt7"])
def machine(request):
    """Where a test runs: QEMU's own board, or a VM of virt7's."""
    return request.param


def put(tree, node, kind, name, *values):
    subprocess.run(["fdtput", "-t", kind, tree, node, name, *values], check=True)


@pytest.fixture
def qemu_tree(tmp_path):
    """The device tree that QEMU's own board has, of one CPU and 256 MiB, with the place of a ramdisk and a command line."""
    path = tmp_path / "qemu.dtb"
    subprocess.run([QEMU, "-M", f"virt,gic-version=2,dumpdtb={path}", "-cpu", "cortex-a15", "-m", "256M", "-nographic"],
                   check=True, capture_output=True)
    put(path, "/chosen", "s", "bootargs", "console=ttyAMA0 panic=-1 virt7.run=\"ls /proc/device-tree\"")
    put(path, "/chosen", "x", "linux,initrd-start", hex(RAMDISK))
    put(path, "/chosen", "x", "linux,initrd-end", hex(RAMDISK + INITRAMFS.stat().st_size))
    return path


def test_tree_of_qemu_appended(machine, native, virt7, mkbundle, tmp_path, qemu_tree):
    """All that QEMU's tree names answers, though virt7 has no PCI, no fw_cfg and no message interrupts."""
    kernel = tmp_path / "zImage-dtb"
    kernel.write_bytes(KERNEL.read_bytes() + qemu_tree.read_bytes())
    if machine == "native":
        run = native(kernel, "-device", f"loader,file={INITRAMFS},addr={RAMDISK:#x},force-raw=on", "-net", "none", timeout=BOOT)
    else:
        run = virt7(mkbundle(f"name=a,memory=256M,kernel={kernel},ramdisk={INITRAMFS},ramdisk-load={RAMDISK:#x}"), timeout=BOOT)
    run.expect(r"GICv2m: range\[mem 0x08020000-0x08020fff\], SPI\[80:143\]")
    run.expect("pci-host-generic 4010000000.pcie: ECAM at ")
    run.expect(r"userspace up: 1 cpus, 256 MiB")
    run.expect("fw-cfg@9020000")
    assert run.wait() == 0
    assert "Internal error" not in run.output() and "external abort" not in run.output()


# A device tree of the user's own

@pytest.fixture
def own_tree(qemu_tree):
    """QEMU's, of another name and without what only QEMU has."""
    for node in ("/flash@0", "/fw-cfg@9020000", "/pcie@10000000"):
        subprocess.run(["fdtput", "-r", qemu_tree, node], check=True)
    put(qemu_tree, "/", "s", "model", "a board of my own")
    for name in ("linux,initrd-start", "linux,initrd-end"):
        subprocess.run(["fdtput", "-d", qemu_tree, "/chosen", name], check=True)
    return qemu_tree


def test_own_tree(machine, native, virt7, mkbundle, own_tree):
    """Linux by a tree that the user brings: as it is, but for /chosen."""
    command = 'virt7.run="ls /proc/device-tree/chosen; cat /proc/device-tree/model"'
    if machine == "native":
        run = native(KERNEL, "-dtb", own_tree, "-initrd", INITRAMFS, "-append", f"console=ttyAMA0 {command}", timeout=BOOT)
    else:
        run = virt7(mkbundle(f"name=a,memory=256M,kernel={KERNEL},ramdisk={INITRAMFS},fdt={own_tree},"
                             f"bootargs=console=ttyAMA0 {command}"), timeout=BOOT)
    run.expect(r"userspace up: 1 cpus, 256 MiB")
    assert run.wait() == 0
    said = run.output()
    assert "OF: fdt: Machine model: a board of my own" in said and "Internal error" not in said
    assert "random: crng init done" in said  # by rng-seed, which Linux takes out of the tree
    for name in ("bootargs", "linux,initrd-end", "linux,initrd-start", "stdout-path"):
        assert re.search(rf"\b{name}\b", said), name


def test_own_tree_of_another_machine(virt7, own_tree, tmp_path):
    """mkbundle refuses what virt7 refuses, in the same words."""
    put(own_tree, "/pl031@9010000", "x", "reg", "0", "b000000", "0", "1000")
    source, bundle = tmp_path / "own.its", tmp_path / "own.itb"
    source.write_text(f"""/dts-v1/; / {{ description = "x"; images {{
        k {{ data = /incbin/("{BUILD}/guests/talk.bin"); type = "kernel"; arch = "arm"; compression = "none"; hash-1 {{ algo = "crc32"; }}; }};
        t {{ data = /incbin/("{own_tree}"); type = "flat_dt"; arch = "arm"; compression = "none"; hash-1 {{ algo = "crc32"; }}; }}; }};
        vms {{ small {{ compatible = "virt7,vm"; memory = <65536>; kernel = "k"; fdt = "t"; }};
               other {{ compatible = "virt7,vm"; memory = <262144>; kernel = "k"; fdt = "t"; }};
               cut {{ compatible = "virt7,vm"; memory = <65536>; kernel = "k"; fdt = "k"; }}; }}; }};
        """, encoding="utf-8")
    status, _, stderr = run_tool("tools/mkbundle", "-o", bundle, source)
    lines = [
        'vm small: fdt "t": /memory@40000000: memory at 0x40000000 to 0x4fffffff, and the VM\'s is 0x40000000 to 0x43ffffff; '
        "change one of them",
        'vm other: fdt "t": /pl031@9010000: the VM has nothing at 0xb000000 to 0xb000fff; take the node out, or give the VM such '
        "a device",
        'vm cut: fdt "k": not a device tree, or a damaged one',
    ]
    assert (status, stderr.splitlines()) == (1, [f"mkbundle: {line}" for line in lines])
    subprocess.run(["mkimage", "-f", source, bundle], check=True, capture_output=True)
    run = virt7(bundle, mem="1G")
    for line in lines:
        run.expect(re.escape(f"virt7: error: {line}\r"))
    run.expect("virt7: error: no VM could be started")


def test_tree_is_packed(mkbundle, tmp_path):
    """QEMU's file has a MiB, of which the tree is some KiB."""
    path = tmp_path / "large.dtb"
    subprocess.run([QEMU, "-M", f"virt,gic-version=2,dumpdtb={path}", "-cpu", "cortex-a15", "-m", "64M", "-nographic"], check=True,
                   capture_output=True)
    assert path.stat().st_size == 1 << 20
    assert mkbundle(f"name=a,memory=64M,kernel={BUILD}/guests/talk.bin,flash,fdt={path}").stat().st_size < 1 << 16


# Kernels

FOREIGN = DEPS / "foreign"
KERNELS = {"12-armmp": "bookworm/armmp", "12-rt": "bookworm/rt-armmp", "13-armmp": "trixie/armmp", "13-armmp-lpae": "trixie/armmp-lpae"}


def foreign(name):
    """A file that `tools/deps foreign` has fetched."""
    path = FOREIGN / name
    if not path.exists():
        pytest.skip(f"no {path}: tools/deps foreign")
    return path


# What they do natively is no work of virt7's: with SOAK.
VIRT7_UNLESS_SOAK = pytest.mark.parametrize("machine", ("native", "virt7") if SOAK else ("virt7",))


@VIRT7_UNLESS_SOAK
@pytest.mark.parametrize("kernel", KERNELS)
def test_kernel(machine, native, virt7, mkbundle, kernel):
    """Debian's others: without LPAE, with PREEMPT_RT, of the next release; two CPUs. The fifth is every other test's."""
    image = foreign(KERNELS[kernel])
    line = "console=ttyAMA0 virt7.run=\"uname -v\""
    if machine == "native":
        run = native(image, "-initrd", INITRAMFS, "-append", line, smp=2, timeout=BOOT)
    else:
        run = virt7(mkbundle(f"name=a,cpus=2,memory=256M,kernel={image},ramdisk={INITRAMFS},bootargs={line}"), smp=2, timeout=BOOT)
    run.expect(r"userspace up: 2 cpus, 256 MiB")
    if kernel == "12-rt":
        run.expect("PREEMPT_RT")
    assert run.wait() == 0
    assert "Internal error" not in run.output() and "virt7: warning" not in run.output()


@pytest.mark.skipif(not SOAK, reason="kernels that take minutes to build: make soak")
@pytest.mark.parametrize("kernel,program,order", (("thumb2", "byteorder", "little"), ("be8", "byteorder-be8", "big")))
def test_built_kernel(machine, native, virt7, mkbundle, tmp_path, kernel, program, order):
    """Linux in Thumb code, and big-endian Linux: no package of Debian's is one. Two CPUs and a program in its byte order."""
    image, initrd = foreign(f"built/{kernel}"), tmp_path / "init.cpio"
    shutil.copy(BUILD / "linux" / program, tmp_path / "init")
    initrd.write_bytes(subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], input=b"init", cwd=tmp_path, check=True,
                                      capture_output=True).stdout)
    line = "console=ttyAMA0"
    if machine == "native":
        run = native(image, "-initrd", initrd, "-append", line, smp=2, timeout=BOOT)
    else:
        run = virt7(mkbundle(f"name=a,cpus=2,memory=256M,kernel={image},ramdisk={initrd},bootargs={line}"),
                    "-append", f"coproc.hstr={int(kernel != 'thumb2')}", smp=2, timeout=BOOT)  # docs/platform.md
    run.expect("Brought up 1 node, 2 CPUs")
    run.expect(f"init: {order}-endian")
    assert run.wait() == 0
    said = run.output()
    assert "reboot: Power down" in said and "Internal error" not in said and "virt7: warning" not in said


@VIRT7_UNLESS_SOAK
def test_installer(machine, native, virt7, mkbundle):
    """Debian's installer from the network, to the first thing that it asks."""
    folder = "bookworm/usr/lib/debian-installer/images/12/armhf/text/debian-installer/armhf"
    image, initrd = foreign(f"{folder}/vmlinuz"), foreign(f"{folder}/initrd.gz")
    if machine == "native":
        run = native(image, "-initrd", initrd, "-append", "console=ttyAMA0", mem="512M", timeout=BOOT)
    else:
        run = virt7(mkbundle(f"name=a,memory=512M,kernel={image},ramdisk={initrd},bootargs=console=ttyAMA0"), mem="1G", timeout=BOOT)
    run.expect("Select a language")
    assert "Internal error" not in run.output()
