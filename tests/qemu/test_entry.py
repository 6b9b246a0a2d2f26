# SPDX-License-Identifier: BSD-2-Clause
"""How each format of a kernel starts: the same image on QEMU's virt board and under virt7 finds the same."""
import re
import subprocess

import pytest

from conftest import BUILD

RAW, LOW, HIGH = (BUILD / "guests" / name for name in ("entry.bin", "entry.elf", "entry-high.elf"))
LINUX = "r0 0x0 r1 0xffffffff r2 0x48000000, mode 0x1d3, tree at the start of RAM: 0, at 128 MiB: 1"
BARE = "r0 0x0 r1 0x0 r2 0x0, mode 0x1d3, tree at the start of RAM: %d, at 128 MiB: 0"
NO_TREE = {"elf-low": "an ELF file that begins less than 1 MiB above the start of RAM gets no device tree; Linux wants its zImage",
           "uimage-u-boot": "a uImage of another system than Linux gets no device tree"}


def uimage(folder, system):
    path = folder / f"uimage-{system}"
    subprocess.run(["mkimage", "-A", "arm", "-O", system, "-T", "kernel", "-C", "none", "-a", "0x40010000", "-e", "0x40010000",
                    "-d", RAW, path], check=True, capture_output=True)
    return path


def elf_shared(folder):
    """Position-independent, as Debian's uboot.elf is."""
    data = bytearray(HIGH.read_bytes())
    data[16] = 3
    path = folder / "shared.elf"
    path.write_bytes(data)
    return path


FORMATS = {
    "raw": (lambda folder: RAW, LINUX),
    "uimage-linux": (lambda folder: uimage(folder, "linux"), LINUX),
    "uimage-u-boot": (lambda folder: uimage(folder, "u-boot"), BARE % 0),
    "elf-low": (lambda folder: LOW, BARE % 0),
    "elf-high": (lambda folder: HIGH, BARE % 1),
    "elf-shared": (elf_shared, BARE % 1),
}


def said(run):
    found = run.expect(r"entry: ([^\r]*)\r")[1]
    run.expect("summary: 1 passed, 0 failed\r")
    assert run.wait() == 0
    return found


@pytest.mark.parametrize("kind", FORMATS)
def test_native(native, tmp_path, kind):
    make, expected = FORMATS[kind]
    assert said(native(make(tmp_path))) == expected


@pytest.mark.parametrize("kind", FORMATS)
def test_virt7(virt7, mkbundle, tmp_path, kind):
    make, expected = FORMATS[kind]
    run = virt7(mkbundle(f"name=test,memory=256M,kernel={make(tmp_path)}"))
    assert said(run) == expected
    warned = re.findall(r'virt7: warning: vm test: kernel "[^"]*": (.*)', run.output())
    assert warned == ([NO_TREE[kind]] if kind in NO_TREE else [])
