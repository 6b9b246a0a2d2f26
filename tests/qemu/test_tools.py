# SPDX-License-Identifier: BSD-2-Clause
"""The tools, without QEMU: what they say to a user who made a mistake, and that nothing missing means no network."""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
import zlib
from pathlib import Path

import pexpect
import pytest

from conftest import BUILD, ROOT, fake_tools, run

DEPS = (ROOT / os.environ.get("DEPS", BUILD / "deps")).resolve()


@pytest.fixture
def kernel(tmp_path):
    path = tmp_path / "kernel.bin"
    path.write_bytes(b"a guest\0" * 100)
    return path


# All of them

PROGRAMS = sorted(path.name for path in (ROOT / "tools").iterdir()
                  if path.is_file() and os.access(path, os.X_OK) and path.name != "initramfs-init")  # runs in the guest


@pytest.mark.parametrize("tool", PROGRAMS)
def test_help_and_wrong_arguments(tool):
    """--help is the usage, on stdout; a wrong argument the usage, on stderr, and status 2."""
    for asked in ("--help", "-h"):
        status, stdout, stderr = run(f"tools/{tool}", asked)
        assert (status, stderr) == (0, "") and re.match(rf"usage: (tools/)?{re.escape(tool)}\b", stdout), (tool, asked)
    status, stdout, stderr = run(f"tools/{tool}", "--wrong")
    assert (status, stdout) == (2, "") and re.match(rf"usage: (tools/)?{re.escape(tool)}\b", stderr)


def test_all_programs_are_tested():
    assert {"bootpath", "dist", "mkbundle", "run", "symtab", "version"} < set(PROGRAMS)


@pytest.mark.parametrize("words, hint", [(["kernal", "kernel", "ramdisk"], "; did you mean kernel?"), (["mem", "cpus", "memory"], "; did you mean memory?"),
                                         (["RUM", "RUN", "MEM"], "; did you mean RUN?"), (["xyz", "kernel"], ""), (["kernal"], "")])
def test_hint(words, hint):
    assert run("tools/hint.py", *words) == (0, f"{hint}\n", "")


# tests/busy

def started_with(mark):
    """The processes whose environment has that."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark.encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


@pytest.mark.parametrize("end", [None, signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_busy(tmp_path, end):
    """The loops are there while the command is, and its status is the status, whatever ends it."""
    mark = f"BUSY_MARK={tmp_path}"
    with subprocess.Popen([ROOT / "tests/busy", "3", "bash", "-c", "echo begun; read -r; exit 7"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          env=os.environ | dict([mark.split("=")])) as child:
        assert child.stdout.readline() == b"begun\n"
        while len(started_with(mark)) != 4:
            time.sleep(0.01)
        if end:
            child.send_signal(end)
        else:
            child.stdin.close()
        assert child.wait() == (-end if end else 7)
        assert child.stdout.read() == b""
    while started_with(mark):
        time.sleep(0.01)


@pytest.mark.parametrize("words", [[], ["3"], ["three", "true"], ["-3", "true"], ["", "true"]])
def test_busy_refuses(words):
    assert run("tests/busy", *words) == (2, "", "usage: tests/busy LOOPS COMMAND [ARGUMENT...]\n")


# tools/check-names

def check_names(tree, **files):
    for name, text in files.items():
        path = tree / name.replace("_in_", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".c").write_text(text)
    return run("tools/check-names", tree)


def test_check_names_passes_these_sources():
    assert run("tools/check-names") == (0, "", "")


def test_check_names_sees_a_name_twice(tmp_path):
    text = "static inline void\nput_it(void)\n{\n}\n"
    assert check_names(tmp_path, mm_in_one=text, psci_in_two=text)[:2] == (
        1, "mm/one.c:2: put_it() is also in psci/two.c:2\npsci/two.c:2: put_it() is also in mm/one.c:2\n")


def test_check_names_sees_a_name_that_another_file_shows(tmp_path):
    assert check_names(tmp_path, mm_in_one="int put_it(int a)\n{\n}\n", mm_in_two='static __attribute__((section("x"))) int put_it(int a)\n{\n}\n') == (
        1, "mm/two.c:1: put_it() is also in mm/one.c:1\n", "")


def test_check_names_sees_one_word(tmp_path):
    assert check_names(tmp_path, hyp_in_one="/*\nstatic void comment(void)\n{\n} */\nstatic void put(void)\n{\n}\nvoid get(void)\n{\n}\n") == (
        1, "hyp/one.c:5: put() does not say what it acts on: give it a second word\n", "")


# tools/check-layers

def check_layers(folder, **more):
    """What it says of virt7's objects, in `folder`, and of some more: each C text is compiled as if it lay there in the tree."""
    listed = run("make", "-s", "--eval=objects: ; @echo $(OBJS)", "objects")[1].split()
    names = [Path(name).relative_to(BUILD.relative_to(ROOT) / "obj") for name in listed]
    shutil.copytree(BUILD / "obj", folder, copy_function=os.link)
    for name, text in more.items():
        names.append(Path(name.replace("_in_", "/")).with_suffix(".o"))
        (folder / "text.c").write_text(text)
        subprocess.run(["arm-none-eabi-gcc", "-c", folder / "text.c", "-o", folder / names[-1]], check=True)
    return run("tools/check-layers", folder, *(folder / name for name in names))


def test_check_layers_passes_what_is_linked(tmp_path):
    assert check_layers(tmp_path / "obj") == (0, "", "")


def test_check_layers_sees_a_call_upwards(tmp_path):
    assert check_layers(tmp_path / "obj", mm_in_extra="void boot_main(void); void f(void) { boot_main(); }") == (
        1, "mm/extra.c: layer 'memory and host devices' may not take boot_main of boot/main.c, layer 'top'\n", "")


def test_check_layers_passes_two_files(tmp_path):
    assert check_layers(tmp_path / "obj", mm_in_one="void two(void); void one(void) { two(); }",
                        mm_in_two="void one(void); void two(void) { one(); }") == (0, "", "")


def test_check_layers_sees_a_circle(tmp_path):
    assert check_layers(tmp_path / "obj", mm_in_one="void two(void); void one(void) { two(); }",
                        mm_in_two="void three(void); void two(void) { three(); }",
                        mm_in_three="void one(void); void three(void) { one(); }") == (
        1, "a circle of 3 files: mm/one.c mm/three.c mm/two.c\n  mm/one.c takes two of mm/two.c\n"
        "  mm/three.c takes one of mm/one.c\n  mm/two.c takes three of mm/three.c\n", "")


# tools/check-placed

def check_placed(folder, text, *options, flags=()):
    (folder / "text.c").write_text(text)
    subprocess.run(["arm-none-eabi-gcc", "-mcpu=cortex-a15", "-mthumb", "-Os", *flags, "-c", folder / "text.c", "-o", folder / "x.o"], check=True)
    status, stdout, stderr = run("tools/check-placed", *options, folder / "x.o")
    return status, stdout.replace(f"{folder}/x.o: ", ""), stderr


OUTSIDE = 'extern int there __attribute__((visibility("hidden"))); int f(void); int f(void) { return there; }'


def test_check_placed_sees_addresses(tmp_path):
    assert check_placed(tmp_path, OUTSIDE, flags=["-fpie", "-g"]) == (0, "", "")
    status, stdout, _ = check_placed(tmp_path, OUTSIDE)
    assert status == 1 and re.fullmatch(r"\.text\+0x[0-9a-f]+: R_ARM_(ABS32|THM_MOVW_ABS_NC) of there\n(.*of there\n)?", stdout)
    assert check_placed(tmp_path, "int x; int *const y = &x;", flags=["-fpie"]) == (1, ".data.rel.ro.local+0x0: R_ARM_ABS32 of x\n", "")
    status, stdout, _ = check_placed(tmp_path, OUTSIDE.replace("hidden", "default"), flags=["-fpic"])
    assert status == 1 and "R_ARM_GOT" in stdout


def test_check_placed_sees_a_stack(tmp_path):
    assert check_placed(tmp_path, "int f(int a); int f(int a) { return a + 1; }", "--no-stack") == (0, "", "")
    text = "void g(void); void f(void); void f(void) { g(); g(); }"
    assert check_placed(tmp_path, text) == (0, "", "")
    status, stdout, _ = check_placed(tmp_path, text, "--no-stack")
    assert status == 1 and "f(): push {r3, lr}\n" in stdout


# tools/picture

def test_picture_of_other_layers(tmp_path):
    """A tree with a file more in a folder that lies in several layers."""
    for folder in ("tools", "docs", "boot", "hyp", "mm", "vgic", "vtimer", "psci", "coproc"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    assert run(tmp_path / "tools/picture", "--check") == (0, "", "")
    (tmp_path / "hyp/vm/more.c").write_text("")
    assert run(tmp_path / "tools/picture", "--check") == (1, "", "docs/layers.svg is not of today's layers: run tools/picture\n")
    assert run(tmp_path / "tools/picture") == (0, "", "")
    assert run(tmp_path / "tools/picture", "--check") == (0, "", "")
    assert re.search(r"\bmore\b", (tmp_path / "docs/layers.svg").read_text())


# tools/mkbundle; what it refuses is in test_mkbundle.py

def test_mkbundle_stores_data_once(kernel, tmp_path):
    """Behind the tree, where it says, on boundaries of 64 bytes; no mkimage, and no copy in another folder."""
    ramdisk = tmp_path / "ramdisk"
    ramdisk.write_bytes(os.urandom(3_000_001))
    path = fake_tools(tmp_path / "bin", mkimage="exit 1")
    assert run("tools/mkbundle", "-o", tmp_path / "x.itb", "--vm", f"name=a,memory=64M,kernel={kernel},ramdisk={ramdisk}",
               PATH=path, TMPDIR="/nowhere") == (0, "", "")
    bundle = (tmp_path / "x.itb").read_bytes()
    end = int.from_bytes(bundle[4:8], "big")
    assert end % 64 == 0 and end < 4096
    for name, content in (("kernel.bin", kernel.read_bytes()), ("ramdisk", ramdisk.read_bytes())):
        offset, size = (int(run("fdtget", tmp_path / "x.itb", f"/images/{name}", f"data-{what}")[1])
                        for what in ("offset", "size"))
        assert offset % 64 == 0 and bundle[end + offset:end + offset + size] == content
        assert run("fdtget", "-t", "x", tmp_path / "x.itb", f"/images/{name}/hash-1", "value")[1] == \
            f"{zlib.crc32(content):x}\n"
    listed = run("mkimage", "-l", tmp_path / "x.itb")
    assert listed[0] == 0 and "RAMDisk Image" in listed[1]


@pytest.mark.parametrize("tool, package, arguments", [
    ("dtc", "device-tree-compiler", ["--vm", "name=a,memory=64M,kernel={kernel}"]),
    ("mkimage", "u-boot-tools", ["dts/examples/debian.its"]),
])
def test_mkbundle_names_the_missing_package(kernel, tmp_path, tool, package, arguments):
    status, _, stderr = run("/usr/bin/python3", "tools/mkbundle", "-o", tmp_path / "x.itb",
                            *[text.format(kernel=kernel) for text in arguments], PATH=str(tmp_path))
    assert (status, stderr) == (1, f"mkbundle: {tool} is missing: install the package {package}, or run tools/deps\n")


# tools/mkflash

MKFLASH_EDITS = {  # fdtput's options, and what it is to edit
    "memory node": (["-r"], ["/memory@40000000"]),
    "GICv2 with a CPU interface": (["-t", "x"], ["/intc@8000000", "reg", "0", "8000000", "0", "10000"]),
    "cpu node": (["-r"], ["/cpus"]),
}


@pytest.mark.parametrize("what", MKFLASH_EDITS)
def test_mkflash_names_what_is_missing(tmp_path, what):
    tree = tmp_path / "edited.dtb"
    shutil.copy(BUILD / "virt.dtb", tree)
    options, words = MKFLASH_EDITS[what]
    subprocess.run(["fdtput", *options, tree, *words], check=True)
    status, _, stderr = run("tools/mkflash", "-o", tmp_path / "x.img", "--dtb", tree)
    assert (status, stderr) == (1, f"mkflash: the device tree has no {what}\n")


def test_mkflash_refuses_what_is_no_tree(kernel, tmp_path):
    status, _, stderr = run("tools/mkflash", "-o", tmp_path / "x.img", "--dtb", kernel)
    assert (status, stderr) == (1, f"mkflash: {kernel} is not a device tree blob (.dtb)\n")
    cut = tmp_path / "cut.dtb"
    cut.write_bytes((BUILD / "virt.dtb").read_bytes()[:2000])
    status, _, stderr = run("tools/mkflash", "-o", tmp_path / "x.img", "--dtb", cut)
    assert (status, stderr) == (1, f"mkflash: {cut} is damaged\n")


@pytest.mark.parametrize("what", ["--image", "--dtb"])
def test_mkflash_refuses_what_is_too_large(tmp_path, what):
    """In RAM there are 2 MiB each for virt7 and the tree."""
    large = tmp_path / "large"
    if what == "--image":
        large.write_bytes((BUILD / "virt7.bin").read_bytes().ljust((2 << 20) + 1, b"x"))
    else:
        subprocess.run(["dtc", "-q", "-I", "dtb", "-O", "dtb", "-S", str((2 << 20) + 4), "-o", large,
                        BUILD / "virt.dtb"], check=True)
    words = {"--image": BUILD / "virt7.bin", "--dtb": BUILD / "virt.dtb", what: large}
    status, _, stderr = run("tools/mkflash", "-o", tmp_path / "x.img", *[word for pair in words.items() for word in pair])
    assert (status, stderr) == (1, f"mkflash: {large} is larger than 2 MiB\n")


@pytest.mark.parametrize("words, error", [
    (["--board-dtb", "high"], "--board-dtb high: not an address below 4 GiB"),
    (["--board-dtb", "0x100000000"], "--board-dtb 0x100000000: not an address below 4 GiB"),
    (["--board-dtb", "0x1"], "--board-dtb 0x1: a device tree lies at an 8-byte boundary"),
    (["--board-dtb", "0x40000004"], "--board-dtb 0x40000004: a device tree lies at an 8-byte boundary"),
    (["--board-dtb", "0"], "--board-dtb 0x0: not in the board's RAM (0x40000000 to 0x80000000)"),
    (["--board-dtb", "0x80000000"], "--board-dtb 0x80000000: not in the board's RAM (0x40000000 to 0x80000000)"),
    (["--board-dtb", "0x41000000"], "--board-dtb 0x41000000: virt7 and the bundle are put there (0x41000000 to 0x41400000)"),
    (["--bundle", "{kernel}"], "{kernel} is not a bundle (.itb); make one with mkbundle"),
    (["--bundle", "{empty}"], "{empty} is not a bundle (.itb); make one with mkbundle"),
    (["--bundle", "{cut}"], "{cut} is damaged; make it again with mkbundle"),
    (["--bundle", f"{BUILD}/virt.dtb"], f"{BUILD}/virt.dtb: bundle: no /images node: a device tree, but not a FIT image"),
    (["--bundle", "{fit}"], "{fit}: bundle: no /vms node; describe the virtual machines there"),
    (["--dtb", "{bundle}"], "{bundle}: a bundle, not the device tree of a board; a bundle is --bundle's"),
    (["--dtb", "{fit}"], "{fit}: a FIT image, not the device tree of a board; a bundle is --bundle's"),
    (["--dtb", "/nowhere.dtb"], "no /nowhere.dtb; correct the name"),
    (["--dtb", "docs"], "docs: not a file"),
    (["--bundle", "/dev/null"], "/dev/null: not a file"),
    (["--image", f"{BUILD}/virt7.elf"], f"{BUILD}/virt7.elf is not a virt7.bin"),
    (["--bundle", "/nowhere.itb"], "no /nowhere.itb; correct the name"),
    (["--image", "{kernel}"], "{kernel} is not a virt7.bin"),
    (["--stub", f"{BUILD}/virt7.bin"], f"{BUILD}/virt7.bin is not a flash.bin"),
    (["-o", "/nowhere/x.img"], "/nowhere/x.img: No such file or directory"),
])
def test_mkflash_refuses_arguments(kernel, tmp_path, words, error):
    names = {"kernel": kernel, **{name: tmp_path / name for name in ("bundle", "cut", "empty", "fit")}}
    assert run("tools/mkbundle", "-o", names["bundle"], "--vm", f"name=a,memory=64M,kernel={kernel}")[0] == 0
    names["cut"].write_bytes(names["bundle"].read_bytes()[:100])
    names["empty"].write_bytes(b"")
    subprocess.run(["dtc", "-q", "-O", "dtb", "-o", names["fit"]], input="/dts-v1/; / { images { }; };", text=True, check=True)
    status, _, stderr = run("tools/mkflash", "-o", tmp_path / "x.img", "--dtb", BUILD / "virt.dtb",
                            *[word.format(**names) for word in words])
    assert (status, stderr) == (1, f"mkflash: {error.format(**names)}\n")
    assert not (tmp_path / "x.img").exists()


def test_mkflash_high_memory(tmp_path):
    tree = tmp_path / "edited.dtb"
    shutil.copy(BUILD / "virt.dtb", tree)
    subprocess.run(["fdtput", "-t", "x", tree, "/memory@40000000", "reg", "1", "0", "0", "40000000"], check=True)
    status, _, stderr = run("tools/mkflash", "-o", tmp_path / "x.img", "--dtb", tree)
    assert (status, stderr) == (1, f"mkflash: {tree}: RAM, GIC or UART is not below 4 GiB\n")


def test_mkflash_without_a_uart(tmp_path):
    """It can be made; that it will be silent is said."""
    tree = tmp_path / "edited.dtb"
    shutil.copy(BUILD / "virt.dtb", tree)
    for node in re.findall(r"pl011@[0-9a-f]+", run("fdtget", "-l", tree, "/")[1]):
        subprocess.run(["fdtput", "-r", tree, f"/{node}"], check=True)
    assert run("tools/mkflash", "-o", tmp_path / "x.img", "--dtb", tree) == (
        0, "", f"mkflash: warning: {tree} has no UART that virt7 drives: what is wrong will not be said\n")


# tools/image-header

KNOWN_UARTS = ("arm,pl011, fsl,imx6q-uart, fsl,imx21-uart, st,stm32h7-uart, amlogic,meson-uart, amlogic,meson6-uart, amlogic,meson8-uart, "
               "amlogic,meson8b-uart, snps,dw-apb-uart, ns16550a, ns16550, nvidia,tegra20-uart, mediatek,mt6577-uart, ti,omap4-uart, "
               "ti,dra742-uart")


def test_uarts_are_those_of_virt7():
    drivers = re.findall(r'\{"([^"]+)", uart_probe,', (ROOT / "hyp/host/drivers.c").read_text())
    assert sorted(drivers) == sorted(KNOWN_UARTS.split(", "))


@pytest.mark.parametrize("words, error", [
    ([], "nothing to write: give --uart, --bundle or both"),
    (["--uart", "0x09000000"], "--uart 0x09000000: not COMPATIBLE@ADDRESS[:REG-SHIFT], as in arm,pl011@0x09000000"),
    (["--uart", "arm,pl011@"], "--uart arm,pl011@: not COMPATIBLE@ADDRESS[:REG-SHIFT], as in arm,pl011@0x09000000"),
    (["--uart", "arm,pl01l@0x09000000"],
     f"--uart arm,pl01l@0x09000000: virt7 has no driver for 'arm,pl01l', only for {KNOWN_UARTS}; did you mean arm,pl011?"),
    (["--uart", "pl011@0x09000000"],
     f"--uart pl011@0x09000000: virt7 has no driver for 'pl011', only for {KNOWN_UARTS}; did you mean arm,pl011?"),
    (["--uart", "ns16550aa@0x09000000"],
     f"--uart ns16550aa@0x09000000: virt7 has no driver for 'ns16550aa', only for {KNOWN_UARTS}; did you mean ns16550a?"),
    (["--uart", "vga@0x9000000"], f"--uart vga@0x9000000: virt7 has no driver for 'vga', only for {KNOWN_UARTS}"),
    (["--uart", "arm,gic-400@0x9000000"], f"--uart arm,gic-400@0x9000000: virt7 has no driver for 'arm,gic-400', only for {KNOWN_UARTS}"),
    (["--uart", "arm,pl011@0x09000000:"], "--uart arm,pl011@0x09000000:: not COMPATIBLE@ADDRESS[:REG-SHIFT], as in arm,pl011@0x09000000"),
    (["--uart", "arm,pl011@0x9000001"], "--uart arm,pl011@0x9000001: no UART is at an address that is not a multiple of 4"),
    (["--bundle", "0x48000000:"], "--bundle 0x48000000:: not ADDRESS:SIZE, as in 0x48000000:0x1000000"),
    (["--bundle", ":16"], "--bundle :16: not ADDRESS:SIZE, as in 0x48000000:0x1000000"),
    (["--uart", "arm,pl011@uart0"], "--uart: 'uart0' is not a number"),
    (["--uart", "arm,pl011@0"], "--uart arm,pl011@0: no UART is at address 0"),
    (["--uart", "ns16550a@0x1000:4"], "--uart ns16550a@0x1000:4: REG-SHIFT is 0 to 3"),
    (["--uart", "arm,pl011@0x900000000"], "--uart: 0x900000000 is not below 4 GiB"),
    (["--bundle", "0x48000000"], "--bundle 0x48000000: not ADDRESS:SIZE, as in 0x48000000:0x1000000"),
    (["--bundle", "0x48000004:16"], "--bundle 0x48000004:16: not at an 8-byte boundary; load it at another address"),
    (["--bundle", "0x48000000:0"], "--bundle 0x48000000:0: SIZE is 0"),
    (["--bundle", "0xfffff000:0x2000"], "--bundle 0xfffff000:0x2000: it ends beyond 4 GiB"),
    (["--bundle", "0x48000000:1M"], "--bundle: '1M' is not a number"),
])
def test_image_header_refuses(tmp_path, words, error):
    output = tmp_path / "x.bin"
    assert run("tools/image-header", BUILD / "virt7.bin", "-o", output, *words) == (1, "", f"image-header: {error}\n")
    assert not output.exists()


def test_image_header_of_an_older_virt7(tmp_path):
    """Its drivers are what counts."""
    old = tmp_path / "old.bin"
    old.write_bytes((BUILD / "virt7.bin").read_bytes().replace(b"\0st,stm32h7-uart\0", b"\0st,stm32f4-uart\0"))
    assert run("tools/image-header", old, "-o", tmp_path / "x.bin", "--uart", "st,stm32h7-uart@0x40000000") == (
        1, "", f"image-header: --uart st,stm32h7-uart@0x40000000: {old} has no driver for 'st,stm32h7-uart' (docs/porting.md)\n")


def test_image_header_needs_an_image(kernel, tmp_path):
    words = ["-o", tmp_path / "x.bin", "--bundle", "0x48000000:16"]
    assert run("tools/image-header", kernel, *words) == (1, "", f"image-header: {kernel} is not a virt7.bin\n")
    assert run("tools/image-header", "/nowhere.bin", *words) == (
        1, "", "image-header: /nowhere.bin: No such file or directory\n")


# tools/mkinitramfs

@pytest.mark.parametrize("words, line", [
    (["-o", "/nowhere/x"], "/nowhere/x: No such file or directory"),
    (["-o", "{folder}"], "{folder}: Is a directory"),
    (["--add", "bin/tool"], "--add bin/tool: not NAME=FILE"),
    (["--add", "bin/tool="], "--add bin/tool=: not NAME=FILE"),
    (["--add", "=README.md"], "--add =README.md: not NAME=FILE"),
    (["--add", "bin/tool=nothere"], "nothere: No such file or directory"),
    (["--add", "bin=docs"], "docs: Is a directory"),
    (["--base", "nothere.cpio"], "nothere.cpio: No such file or directory"),
    (["--base", "README.md"], "README.md: not a cpio archive, nor a compressed one"),
    (["--base", "/dev/null"], "/dev/null: not a cpio archive, nor a compressed one"),
    (["--tree", "docs"], "no bin/busybox below docs; run tools/deps guest"),
])
def test_mkinitramfs_refuses(tmp_path, words, line):
    words = [word.format(folder=tmp_path) for word in words]
    assert run("tools/mkinitramfs", "-o", tmp_path / "x.cpio", *words) == (1, "", f"mkinitramfs: {line.format(folder=tmp_path)}\n")
    assert list(tmp_path.iterdir()) == []


# tools/run

@pytest.mark.parametrize("argument", ["CPU", "cpu=max", "--wrong", "kernel"])
def test_run_refuses_unknown_arguments(argument):
    status, stdout, stderr = run("tools/run", argument)
    assert status == 2 and stdout == "" and stderr.startswith("usage: tools/run ")


@pytest.mark.parametrize("word, known", [("CPUZ", "CPU"), ("MEMM", "MEM"), ("BUNDEL", "BUNDLE"), ("OPTION", "OPTIONS"), ("XYZZY", None)])
def test_run_refuses_an_unknown_name(word, known):
    """A misspelt name would otherwise be a run with the default."""
    hint = f"; did you mean {known}?" if known else ""
    assert run("tools/run", f"{word}=1", IMAGE="/nowhere/virt7.bin") == (2, "", f"run: {word} is not a name that tools/run knows{hint}\n")


FLOOD = "import os; os.set_blocking(0, False); [print('line', n, flush=True) for n in range(20_000)]"


def test_supervise_waits_for_the_terminal():
    """A terminal that takes less than QEMU prints, and that QEMU has made non-blocking: nothing is lost."""
    child = pexpect.spawn(str(ROOT / "tools/supervise"), ["--native", "--", "python3", "-c", FLOOD], encoding="utf-8", timeout=60)
    child.expect("line 9\r")
    time.sleep(0.5)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0 and re.findall(r"line (\d+)\r", child.before) == [str(n) for n in range(10, 20_000)]


@pytest.mark.parametrize("tool, what", [("run", "correct its name, or run make for what it makes"), ("size", "run make")])
def test_tools_look_into_build(tool, what):
    """BUILD= names another folder, which the tools' lines then name too."""
    assert run(f"tools/{tool}", BUILD="/nowhere") == (1, "", f"{tool}: no /nowhere/virt7.bin; {what}\n")


@pytest.fixture
def sources(tmp_path):
    """A folder with what make needs to tell its version."""
    (tmp_path / "sources/tools").mkdir(parents=True)
    for name in ("Makefile", "VERSION", "tools/libs.mk", "tools/version"):
        shutil.copy(ROOT / name, tmp_path / "sources" / name)
    return tmp_path / "sources"


@pytest.mark.parametrize("git, version", [("echo v1-2-gabcdef0", "v1-2-gabcdef0"), ("exit 128", "unknown")])
def test_version(tmp_path, sources, git, version):
    """A commit's name; without a repository of its own not that of a repository around it."""
    path = fake_tools(tmp_path / "bin", git=git)
    command = ["make", "-s", "-C", sources, "--no-print-directory", "--eval=version: ; @echo $(VERSION)", "version"]
    (sources / ".git").mkdir()
    assert run(*command, PATH=path)[:2] == (0, f"{version}\n")
    (sources / ".git").rmdir()
    assert run(*command, PATH=path)[:2] == (0, "unknown\n")
    assert run(sources / "tools/version", "--date", PATH=path)[:2] == (0, "0\n")


@pytest.mark.parametrize("text, version", [("1795913584 050ffe0 v1.2-3-g050ffe0", "v1.2-3-g050ffe0"),
                                           ("1795913584 050ffe0 ", "050ffe0")])
def test_version_of_an_archive(sources, text, version):
    """`git archive` has written it."""
    (sources / "VERSION").write_text(text + "\n")
    assert run(sources / "tools/version") == (0, f"{version}\n", "")
    assert run(sources / "tools/version", "--date") == (0, "1795913584\n", "")


def test_archives_have_a_version():
    """.gitattributes asks for it."""
    assert run("git", "check-attr", "export-subst", "VERSION")[1] == "VERSION: export-subst: set\n"
    assert (ROOT / "VERSION").read_text() == "$Format:%ct %h %(describe)$\n"


def test_version_refuses():
    assert run("tools/version", "1.0") == (2, "", "usage: tools/version [--date]\n")


# tools/deps

@pytest.fixture
def offline(tmp_path):
    """A PATH on which every program of apt's that would use the network leaves a trace and fails."""
    trace = tmp_path / "network"
    body = f'echo "$0 $*" >>{trace}; exit 100'
    path = fake_tools(tmp_path / "offline", apt_get=body, apt_cache=body, apt=body, wget=body, curl=body)
    yield path
    assert not trace.exists(), trace.read_text()


def test_deps_host_installed(offline, tmp_path):
    """Every package is there (as dpkg-query is made to say): nothing is asked of the network."""
    path = fake_tools(tmp_path / "dpkg", dpkg_query='shift 3; printf "installed %s\\n" "$@"')
    status, stdout, stderr = run("tools/deps", "host", PATH=f"{path}:{offline}")
    assert (status, stdout, stderr) == (0, "deps: all host packages are installed\n", "")


def test_deps_host_without_root(offline, tmp_path):
    """Packages are missing and there is no right to install them: the command to type, nothing tried."""
    path = fake_tools(tmp_path / "dpkg", dpkg_query='printf "installed gcc\\n"', id="echo 1000", sudo="exit 1")
    status, _, stderr = run("tools/deps", "host", PATH=f"{path}:{offline}")
    assert status == 1
    assert stderr.startswith("deps: missing host packages; as root, run:\n"
                             "apt-get update && apt-get install -y --no-install-recommends ")
    assert " qemu-system-arm " in stderr and " gcc " not in stderr


def test_deps_target_unpacked(offline):
    """The fetched packages are there: a second run does nothing and says nothing."""
    assert run("tools/deps", "target", PATH=offline, DEPS=DEPS) == (0, "", "")


def test_deps_target_cached(offline, tmp_path):
    """Only the tarballs are there: they are unpacked again, still without the network, and virt7's libraries made of them."""
    deps = tmp_path / "deps"
    shutil.copytree(DEPS / "tarballs", deps / "tarballs")
    status, stdout, stderr = run("make", "-s", f"DEPS={deps}", f"{deps}/lib/libz.a", f"{deps}/lib/libfdt.a",
                                 f"{deps}/lib/libmd.a", PATH=offline)
    assert (status, stderr) == (0, "") and stdout.count("deps: unpacked ") == 3
    symbols = subprocess.run(["arm-none-eabi-nm", "-g", *deps.glob("lib/*.a")], check=True, capture_output=True,
                             text=True).stdout
    assert all(f" T {name}\n" in symbols for name in ("fdt_open_into", "inflate", "crc32_z", "SHA256Final"))


@pytest.mark.parametrize("damage", ["tarballs/zlib_*", "src/zlib/.sha256"])
def test_deps_checks_tarballs(offline, tmp_path, damage):
    """One that is not the pinned one is refused, from the cache or put there by hand; a source of another is replaced."""
    deps = tmp_path / "deps"
    shutil.copytree(DEPS / "tarballs", deps / "tarballs")
    assert run("tools/deps", "target-libs", PATH=offline, DEPS=deps)[0] == 0
    path, = deps.glob(damage)
    path.write_text("something else")
    status, stdout, stderr = run("tools/deps", "target-libs", PATH=offline, DEPS=deps)
    if damage.startswith("src"):
        assert (status, stdout) == (0, f"deps: unpacked {next(deps.glob('tarballs/zlib_*')).name} into {deps}/src/zlib\n")
        return
    assert (status, stdout, stderr) == (0, "", "")  # unpacked, so it is not looked at
    shutil.rmtree(deps / "src")
    status, _, stderr = run("tools/deps", "target-libs", PATH=offline, DEPS=deps)
    assert status == 1
    assert re.fullmatch(rf"deps: {re.escape(str(path))} is not the one that tools/deps names: its SHA-256 is not "
                        r"[0-9a-f]{64}; remove it\n", stderr)


def test_deps_source_is_gone(tmp_path):
    """The mirror has another version (as apt is made to say): what to do instead, and nothing half done."""
    path = fake_tools(tmp_path / "apt", apt_get="echo \"'file:///archive/dists/bookworm/InRelease' x 0\"",
                      apt_cache='printf "Version: 1:9.9-1\\n"')
    deps = tmp_path / "deps"
    status, _, stderr = run("tools/deps", "target-libs", PATH=path, DEPS=deps)
    assert status == 1
    assert re.fullmatch(r"deps: Debian's trixie has no device-tree-compiler 1\.7\.2 \(any more\)\n"
                        rf"device-tree-compiler 1\.7\.2 can be put into {deps}/tarballs by hand: "
                        r"device-tree-compiler_1\.7\.2\.orig\.tar\.\*, SHA-256 [0-9a-f]{64}\n", stderr)
    assert (deps / "apt/source/sources.list").read_text().endswith("file:///archive trixie main\n")
    assert not (deps / "src").exists()


def test_deps_without_xen(tmp_path):
    """Another Debian has another Xen (as apt is made to say)."""
    path = fake_tools(tmp_path / "apt", apt_get='[[ $* == *update* ]] || { echo "E: no such package"; exit 100; }')
    status, _, stderr = run("tools/deps", "xen", PATH=path, DEPS=tmp_path)
    assert (status, stderr) == \
        (1, "E: no such package\ndeps: no Xen 4.17, which `make bench` compares with: it is Debian 12's\n")


def test_deps_names_its_mirror(offline, tmp_path):
    """The system's own, out of either format of apt's files and past what is no Debian release."""
    sources = tmp_path / "sources.list"
    sources.write_text("deb http://mirror.test/security trixie-security main\n"
                       "deb [trusted=yes] http://mirror.test/all trixie main\n")
    real = f"PATH={os.environ['PATH']} exec /usr/bin/apt-get"
    path = fake_tools(tmp_path / "apt", apt_get=f'[[ $* == *--print-uris* ]] || exit 100\n{real} "$@"')
    assert run("tools/deps", "mirror", PATH=f"{path}:{offline}", APT_SOURCES=sources, DEPS=tmp_path) == \
        (0, "http://mirror.test/all\n", "")


def test_deps_refuses_an_unknown_name():
    status, _, stderr = run("tools/deps", "everything")
    assert status == 2 and stderr.startswith("usage: tools/deps ")


# tools/format

def fake_clang_format(folder, version):
    """A PATH on which clang-format is of this version, repeats its arguments and fails."""
    body = f'[ "$*" = --version ] && echo "{version}" || {{ echo "$@"; exit 3; }}'
    return fake_tools(folder, clang_format=body, clang_format_14=body)


def test_format(tmp_path):
    """The version that decides is asked, and its status counts."""
    path = fake_clang_format(tmp_path / "bin", "Debian clang-format version 14.0.6")
    assert run("tools/format", "--check", "a.c", "b.h", PATH=path) == (3, "--dry-run -Werror a.c b.h\n", "")
    assert run("tools/format", "a.c", PATH=path) == (3, "-i a.c\n", "")


@pytest.mark.parametrize("version", ("Debian clang-format version 19.1.7 (3+b1)", "clang-format version 140.0"))
def test_format_of_another_version(tmp_path, version):
    """Its opinions count for nothing, which is said."""
    path = fake_clang_format(tmp_path / "bin", version)
    said = f"clang-format 14 decides, and here is {version}\n"
    assert run("tools/format", "--check", "a.c", PATH=path) == (0, f"format: not checked: {said}", "")
    assert run("tools/format", "a.c", PATH=path) == (1, "", f"format: nothing changed: {said}")


# the Makefile

def test_only_one_image_has_the_device_for_tests(tmp_path):
    """virt7.elf, which the other one needs first, is made of its own objects on the way."""
    image = tmp_path / "virt7-testdev.bin"
    status, stdout, _ = run("make", "-n", f"BUILD={tmp_path}", f"DEPS={DEPS}", image)
    assert status == 0
    linked = {line.split()[-1]: "tests/device/testdev.o" in line for line in stdout.splitlines() if "-Wl,--gc-sections" in line}
    assert linked == {f"{tmp_path}/virt7.first": False, f"{tmp_path}/virt7.elf": False, f"{tmp_path}/virt7-testdev.elf": True}


# tools/try-distro

@pytest.mark.parametrize("arguments", ([], ["buster"], ["trixie", "bookworm"], ["--fast", "trixie"]))
def test_try_distro_refuses(offline, arguments):
    status, stdout, stderr = run("tools/try-distro", *arguments, PATH=offline)
    assert (status, stdout) == (2, "") and stderr.startswith("usage: tools/try-distro [--full] [--keep] bookworm | trixie\n")


def test_try_distro_without_root(offline, tmp_path):
    path = fake_tools(tmp_path / "user", id="echo 1000")
    assert run("tools/try-distro", "trixie", PATH=f"{path}:{offline}") == \
        (1, "", "try-distro: needs root, to make a system and to enter it\n")


def test_try_distro_names_the_step_that_failed(tmp_path):
    """No system could be made: the status says so, and the folder that stays is named."""
    path = fake_tools(tmp_path / "broken", mmdebstrap="exit 7", id="echo 0")
    status, stdout, _ = run("tools/try-distro", "trixie", PATH=f"{path}:{os.environ['PATH']}", TMPDIR=tmp_path)
    root, = tmp_path.glob("virt7-trixie.*/root")
    assert status == 1
    assert stdout.splitlines()[0] == f"try-distro: trixie: a new system: make_root {root}"
    assert re.fullmatch(rf"try-distro: trixie: a new system FAILED after \d+ s; {root} stays, to look at",
                        stdout.splitlines()[1])


@pytest.mark.parametrize("apt, environment, expected", [
    ("DIRECT", {"http_proxy": "http://a:3128", "no_proxy": "here"}, ["http_proxy=http://a:3128", "no_proxy=here"]),
    ("http://apt/$3", {}, ["http_proxy=http://apt/Acquire::http::Proxy", "https_proxy=http://apt/Acquire::https::Proxy"]),
])
def test_try_distro_passes_proxies(tmp_path, apt, environment, expected):
    """The new system reaches the network as this one does: by the environment, or else by apt's own proxies."""
    path = fake_tools(tmp_path / "bin", id="echo 0", mmdebstrap='mkdir -p "$5/etc"', git="exit 0", mount="exit 0",
                      apt_config=f'echo "$2={apt}"', unshare='while [ "$1" != bash ]; do shift; done; exec "$@"',
                      chroot='printf "%s\\n" "$@"')
    nothing = dict.fromkeys(("http_proxy", "https_proxy", "no_proxy"), "")
    _, stdout, stderr = run("tools/try-distro", "trixie", **{**nothing, "PATH": path, "TMPDIR": str(tmp_path), **environment})
    assert stderr == ""
    assert [line for line in stdout.splitlines() if "_proxy=" in line] == expected
