# SPDX-License-Identifier: BSD-2-Clause
"""The examples of README.md and docs/ as they stand. A comment above a block says what it is:

  <!-- example: file NAME -->  the text of a file
  <!-- example: run -->        commands, each of which ends with status 0

A document's blocks run in their order in one folder, which looks like the sources' with what the text says is there: build/, a guest
and its ramdisk. The guest is a small one that powers off, so that what boots it ends; Debian itself boots in README's `make run`.
"""
import os
import re
import shutil
import subprocess

import pytest

from conftest import BUILD, DEPS, KERNEL_VERSION, QEMU_VERSION, ROOT, run

GUEST = BUILD / "guests/psci.bin"
BLOCK = re.compile(r"^<!-- example: (?:file (\S+)|run) -->\n```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DOCUMENTS = {path.relative_to(ROOT).as_posix(): BLOCK.findall(path.read_text())
             for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
EXAMPLES = {name: blocks for name, blocks in DOCUMENTS.items() if blocks}
BOOTS = ("qemu-system-arm ", "tools/run ", "make run ")


@pytest.fixture
def folder(tmp_path):
    """As if a reader had followed the text so far."""
    for path in ROOT.iterdir():
        if path.name not in ("build", ".git"):
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / "build").mkdir()
    for path in BUILD.iterdir():
        if path.name not in ("bench", "debian.itb", "virt7-flash.img"):
            (tmp_path / "build" / path.name).symlink_to(path)
    if not (tmp_path / "build/deps").exists():
        (tmp_path / "build/deps").symlink_to(DEPS)
    for name in ("vmlinuz", "initrd", "initrd.gz", "initramfs.cpio.gz"):
        shutil.copy(GUEST, tmp_path / name)
    for name in ("libfdt.a", "libz.a", "libmd.a", "include"):
        (tmp_path / name).symlink_to(DEPS / "lib" / name)
    shutil.copy(BUILD / "virt.dtb", tmp_path / "board.dtb")
    bundle = tmp_path / "debian.itb"
    assert run("tools/mkbundle", "-o", bundle, "--vm", f"name=a,memory=64M,kernel={GUEST}")[0] == 0
    assert run("tools/mkflash", "-o", tmp_path / "build/virt7-flash.img", "--dtb", BUILD / "virt.dtb", "--board-dtb", "0x40000000",
               "--bundle", bundle)[0] == 0
    return tmp_path


def do(folder, commands):
    """Together, so that a line may go on with the next; make builds nothing by another make, which a test may not."""
    environment = {name: value for name, value in os.environ.items() if name not in ("BUILD", "DEPS")}
    return subprocess.run(["bash", "-e", "-c", commands], cwd=folder, env={**environment, "MAKEFLAGS": " -- MAKE=true"}, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=300)


@pytest.mark.parametrize("document", EXAMPLES)
def test_examples(folder, document):
    for name, text in EXAMPLES[document]:
        if name:
            (folder / name).write_text(text)
            continue
        done = do(folder, text)
        assert done.returncode == 0, f"{text}{done.stdout}{done.stderr}"
        boots = sum(line.startswith(BOOTS) for line in text.splitlines())
        assert done.stdout.count("virt7: no VM is running: power off\n") == boots, done.stdout
        assert "virt7: error" not in done.stdout
        assert ("\nHello from a guest\n" in done.stdout) == ("hello.itb" in text)


def test_documents_with_examples():
    """A comment with a slip in it would be a test less."""
    assert set(EXAMPLES) == {"README.md", "docs/boot.md", "docs/configuration.md", "docs/disks.md", "docs/networks.md", "docs/performance.md", "docs/porting.md"}
    assert sum(len(blocks) for blocks in EXAMPLES.values()) == \
        sum(len(re.findall("^<!-- example", (ROOT / name).read_text(), re.MULTILINE)) for name in DOCUMENTS) == 21


@pytest.mark.parametrize("name", [path.name for path in sorted((ROOT / "dts/examples").glob("*.its"))])
def test_example_its(folder, name):
    """As its own comment has it; and mkbundle has nothing against it."""
    shutil.copytree(ROOT / "dts/examples", folder, dirs_exist_ok=True)
    shutil.copy(BUILD / "guests/rtos.bin", folder)
    commands = re.findall(r"\t((?:dtc|mkimage) .*)", (folder / name).read_text())
    assert commands and do(folder, "\n".join(commands)).returncode == 0
    done = do(folder, f"tools/mkbundle -o x.itb {name}")
    assert (done.returncode, done.stderr) == (0, "")


def test_help_of_mkbundle(folder):
    lines = [line for line in run("tools/mkbundle", "--help")[1].splitlines() if line.startswith("  tools/mkbundle ")]
    assert len(lines) == 2
    shutil.copy(ROOT / "dts/examples/debian.its", folder / "FILE.its")
    for line in lines:
        done = do(folder, line)
        assert (done.returncode, done.stderr) == (0, ""), line


def same_words(text):
    """virt7's lines, without what differs from build to build and host to host."""
    lines = [re.sub(r"0x[0-9a-f]+|[0-9a-f]{7,}(-dirty)?|\d+", "N", line) for line in text.splitlines() if line.startswith("virt7")]
    return [line for line in lines if "the GIC forgets levels" not in line or QEMU_VERSION < (10, 0)]


def test_readme_run():
    """The command that README shows, and virt7's lines of it, one by one."""
    text = (ROOT / "README.md").read_text()
    command, shown = re.search(r'^`(make run RUN="[^`]*)`.*?\n```\n(.*?)```', text, re.MULTILINE | re.DOTALL).groups()
    done = subprocess.run(["bash", "-c", f"{command} MAKE=true"], cwd=ROOT, text=True, stdin=subprocess.DEVNULL, capture_output=True,
                          check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert same_words(done.stdout) == same_words(shown)
    if KERNEL_VERSION == (6, 1):
        for line in ("model name\t: ARMv7 Processor rev 0 (v7l)", "userspace up: 1 cpus, 512 MiB"):
            assert line in shown.splitlines() and line in done.stdout.splitlines()
