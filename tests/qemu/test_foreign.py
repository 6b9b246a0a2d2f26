"""Software that nobody here wrote, as it comes, natively and under virt7: kernels, and trees that are not virt7's."""
import subprocess

import pytest

from conftest import BUILD, DEPS, QEMU

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
