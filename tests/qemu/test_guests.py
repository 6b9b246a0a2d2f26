# SPDX-License-Identifier: BSD-2-Clause
"""The bare-metal test guests of tests/guests: each must pass on QEMU's virt board, and the same image under virt7.

A guest prints PASS:, FAIL: or QUIRK: lines and one summary, then powers off. A QUIRK is a rule of the manuals that QEMU
is known to break; the sets below say who may. What QEMU's devices get wrong virt7's must get right; what its CPU models
get wrong shows through.
"""
import re

import pytest

from conftest import BUILD, CPUS

GUESTS = ("board", "exceptions", "gic", "mmio", "mmu", "pl011", "pl031", "pl061", "psci", "timer", "vfp")

CPU_QUIRKS = {
    "cpu-unaligned-device",  # unaligned Device and Strongly-ordered accesses do not fault (DDI 0406C A3.2.2)
}
VIRT7_QUIRKS = CPU_QUIRKS | {
    "gich-hw-eoi",  # a level that stands at the EOI of a GICH_LR.HW interrupt is not sampled again (IHI 0048B 5.2.1)
}
QEMU_QUIRKS = CPU_QUIRKS | {
    "gic-targets-of-one",  # no GICD_ITARGETSR with one CPU, as IHI 0048B 4.3.12 has it; virt7's is for any number
    "gic-targets",  # GICD_ITARGETSR keeps bits of CPUs that do not exist (IHI 0048B 4.3.12)
    "gic-untargeted",  # an SPI without a target is not latched as pending (IHI 0048B 3.2.4)
    "pl011-loopback",  # UARTCR.LBE has no effect (DDI 0183G 3.3.8)
    "pl011-reserved-bits",  # reserved bits of some registers read back (DDI 0183G 3.3)
}


def check(run, quirks):
    status = run.wait()
    lines = [line.strip() for line in run.output().splitlines()]
    passes = sum(line.startswith("PASS: ") for line in lines)
    failures = [line for line in lines if line.startswith("FAIL: ")]
    seen = {line.split(": ")[1] for line in lines if line.startswith("QUIRK: ")}
    summaries = [line for line in lines if re.fullmatch(r"summary: \d+ passed, \d+ failed", line)]
    assert not failures
    assert passes > 0 and summaries == [f"summary: {passes} passed, 0 failed"]
    assert seen <= quirks
    assert status == 0


def image(guest):
    return BUILD / "guests" / f"{guest}.bin"


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("guest", GUESTS)
def test_native(native, guest, cpu):
    check(native(image(guest), cpu=cpu), QEMU_QUIRKS)


def test_stage_2_blocks(virt7, mkbundle):
    """As on hardware: on QEMU's virt board stage 2 is of pages unless told otherwise."""
    bundle = mkbundle(f"name=test,cpus=1,memory=64M,kernel={image('mmu')}")
    check(virt7(bundle, "-append", "s2.page=2m"), VIRT7_QUIRKS)


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("guest", GUESTS)
def test_virt7(virt7, mkbundle, guest, cpu):
    bundle = mkbundle(f"name=test,cpus=1,memory=64M,kernel={image(guest)}")
    check(virt7(bundle, cpu=cpu), VIRT7_QUIRKS)


DISK = b"".join((n + 1).to_bytes(4, "little") * 128 for n in range(64))

DISK_ITS = """/dts-v1/;
/ {{
    description = "the guest virtio and its disk";
    #address-cells = <1>;
    images {{
        guest {{ data = /incbin/("{guest}"); type = "kernel"; arch = "arm"; os = "linux"; compression = "none";
                 hash-1 {{ algo = "crc32"; }}; }};
        disk {{ data = /incbin/("{disk}"); type = "filesystem"; arch = "arm"; compression = "none";
                hash-1 {{ algo = "crc32"; }}; }};
    }};
    vms {{ test {{ compatible = "virt7,vm"; memory = <0x10000>; kernel = "guest";
                   disk0 {{ compatible = "virt7,virtio-blk"; image = "disk"; read-only; }}; }}; }};
}};
"""


@pytest.fixture
def disk(tmp_path):
    path = tmp_path / "disk.img"
    path.write_bytes(DISK)
    return path


def test_virtio_native(native, disk):
    run = native(image("virtio"), "-global", "virtio-mmio.force-legacy=false",
                 "-drive", f"if=none,id=d,format=raw,readonly=on,file={disk}", "-device", "virtio-blk-device,drive=d")
    check(run, QEMU_QUIRKS)


def test_virtio_virt7(virt7, mkbundle, tmp_path, disk):
    its = tmp_path / "virtio.its"
    its.write_text(DISK_ITS.format(guest=image("virtio").resolve(), disk=disk))
    check(virt7(mkbundle(its)), VIRT7_QUIRKS)


# Long copies of virt7's go by VFP registers, which are a guest's.

WORDS = b"".join((n * 2654435761 % (1 << 32)).to_bytes(4, "little") for n in range(64 * 1024 // 4))


@pytest.fixture
def words(tmp_path):
    path = tmp_path / "words.img"
    path.write_bytes(WORDS)
    return path


def test_vfpdisk_native(native, words):
    run = native(image("vfpdisk"), "-global", "virtio-mmio.force-legacy=false",
                 "-drive", f"if=none,id=d,format=raw,readonly=on,file={words}", "-device", "virtio-blk-device,drive=d", smp=2)
    check(run, QEMU_QUIRKS)


@pytest.mark.parametrize("cpu", (*CPUS, "cortex-a15,neon=off"))
def test_vfpdisk_virt7(virt7, mkbundle, words, cpu):
    """Two vCPUs on one CPU. Without Advanced SIMD there is no VLD1, and D0 to D31 are still there."""
    bundle = mkbundle(f"name=test,cpus=2,memory=64M,kernel={image('vfpdisk')},disk={words}:ro")
    check(virt7(bundle, cpu=cpu), VIRT7_QUIRKS)
