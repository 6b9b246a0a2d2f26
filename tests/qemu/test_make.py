# SPDX-License-Identifier: BSD-2-Clause
"""make and tools/run as a user types them: what they pass on, what they refuse, and with which status they end. QEMU is
mostly a script here, which says what QEMU would.
"""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import BUILD, DEPS, ROOT, fake_tools, run

DONE = "virt7: no VM is running: power off"
MAKE = ("make", "-s", "--no-print-directory", "MAKE=true")  # builds nothing


@pytest.fixture
def fake_qemu(tmp_path):
    """fake_qemu(line, ..., status=0) -> environment: QEMU is a script that keeps its initrd and its arguments, and says these."""

    def make(*lines, status=0, body=""):
        said = "".join(f"printf '%s\\r\\n' '{line}'\n" for line in lines)
        fake_tools(tmp_path / "fake", fake_qemu=f"printf '%s\\n' \"$@\" >{tmp_path}/arguments\n"
                   f"while [ $# -gt 0 ]; do [ \"$1\" != -initrd ] || cp \"$2\" {tmp_path}/initrd; shift; done\n"
                   f"{said}{body}\nexit {status}")
        return {"QEMU": str(tmp_path / "fake/fake-qemu")}

    return make


def last_line(text):
    return text.splitlines()[-1] if text else ""


# What is typed.

TYPED = {
    "single quotes": "echo 'a b' c",
    "a single quote": "echo it\\'s",
    "double quotes": 'echo "a  b"',
    "dollars": "echo $HOME $$ ${PATH}",
    "functions of make": "echo $(shell touch /tmp/typed-in-make) $(info x)",
    "command substitution": "echo `uname` $(uname)",
    "separators": "false; true && echo x | cat & wait",
    "redirection": "echo x >/tmp/y 2>&1 <<<z",
    "spaces at the end": "echo x  ",
    "backslashes": "printf 'a\\\\nb\\n' \\",
    "comment and percent": "echo a#b %s @ ~ ! * ? [x] {y}",
    "commas and equals": "a=b,c; memory=1",
    "no ASCII": "echo \u00e4\u20ac",
}


def command_in(initrd):
    """The text of etc/run in the archive that is in the bundle."""
    return re.search(rb"etc/run\0+(.*?)\n\0*070701", initrd.read_bytes(), re.DOTALL)[1].decode()


@pytest.mark.parametrize("what", TYPED)
def test_run_reaches_the_guest_as_typed(fake_qemu, tmp_path, what):
    environment = fake_qemu("virt7.run: exit status 0", DONE)
    Path("/tmp/typed-in-make").unlink(missing_ok=True)
    assert run(*MAKE, "run", f"RUN={TYPED[what]}", **environment)[0] == 0
    assert command_in(tmp_path / "initrd") == TYPED[what]
    assert not os.path.exists("/tmp/typed-in-make")


@pytest.mark.parametrize("by", ["environment", "tool"])
def test_run_of_several_lines(fake_qemu, tmp_path, by):
    """A file of commands, so to speak."""
    text = "\n".join(TYPED.values())
    environment = fake_qemu("virt7.run: exit status 0", DONE)
    command = ("tools/run", f"RUN={text}") if by == "tool" else (*MAKE, "run")
    environment |= {} if by == "tool" else {"RUN": text}
    assert run(*command, **environment)[0] == 0
    assert command_in(tmp_path / "initrd") == text


def test_other_variables_as_typed(fake_qemu, tmp_path):
    environment = fake_qemu("virt7.run: exit status 0", DONE)
    assert run(*MAKE, "run", "RUN=:", "BOOTARGS=a='$b' c=\"d\"", "OPTIONS=trace=1 s2.page=2m", "CPUS=2", "MEM=128M",
               "ARGS=-global 'a b.c=$d'", **environment)[0] == 0
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert arguments[arguments.index("-append") + 1] == "on-error=poweroff trace=1 s2.page=2m"
    assert arguments[-2:] == ["-global", "a b.c=$d"]
    initrd = tmp_path / "initrd"
    assert run("fdtget", initrd, "/vms/debian", "bootargs")[1] == "console=ttyAMA0 panic=-1 a='$b' c=\"d\"\n"
    assert run("fdtget", initrd, "/vms/debian", "cpus")[1] == "2\n"
    assert run("fdtget", initrd, "/vms/debian", "on-reset")[1] == "stop\n"


# How it ends.

ENDS = {  # what the console says, QEMU's status, what tools/run is told; its status and its line
    "the command's status": (["virt7.run: exit status 7", DONE], 0, ["RUN=x"], 7, None),
    "the command's 0": (["virt7.run: exit status 0", DONE], 0, ["RUN=x"], 0, None),
    "output without a line end": (["outputvirt7.run: exit status 3", DONE], 0, ["RUN=x"], 3, None),
    "much output without a line end": ([9 * 4096 * "x" + "virt7.run: exit status 0", DONE], 0, ["RUN=x"], 0, None),
    "the last one counts": (["virt7.run: exit status 0", "virt7.run: exit status 4", DONE], 0, ["RUN=x"], 4, None),
    "no status": (["[ 1.2] Kernel panic", DONE], 0, ["RUN=x"], 1, "the guest ended before the command of RUN= did"),
    "natively": (["virt7.run: exit status 9"], 0, ["RUN=x", "--native"], 9, None),
    "natively, no status": ([], 0, ["RUN=x", "--native"], 1, "the guest ended before the command of RUN= did"),
    "natively, a shell": ([], 0, ["--native"], 0, None),
    "virt7 stopped": (["virt7: error: stopped at: start"], 0, [], 1, None),
    "virt7 stopped in a run": (["virt7.run: exit status 0", "virt7: error: stopped; please"], 0, ["RUN=x"], 1, None),
    "a guest says so": (["debian| virt7: error: stopped", DONE], 0, [], 0, None),
    "all VMs off": ([DONE], 0, [], 0, None),
    "by the shell": (["virt7: the operator: power off"], 0, [], 0, None),
    "quit": (["QEMU: Terminated"], 0, [], 0, None),
    "nothing said": ([], 0, [], 1, "QEMU ended before virt7 did"),
    "QEMU's own": (["qemu: no such thing"], 3, [], 3, None),
}


@pytest.mark.parametrize("what", ENDS)
def test_run_ends(fake_qemu, what):
    said, qemu_status, words, status, line = ENDS[what]
    done = run("tools/run", *words, **fake_qemu(*said, status=qemu_status))
    assert done[:2] == (status, "".join(f"{text}\n" for text in said))
    assert done[2].splitlines()[2:] == ([] if line is None else [f"run: {line}"])


@pytest.mark.parametrize("words, status", [(["RUN=exit 3"], 3), (["RUN=reboot -f"], 1), (["RUN=kill -9 $$", "--native"], 137)])
def test_run_in_debian(words, status):
    """A reset ends it, for the command would else run without end."""
    done = run("tools/run", *words, "MEM=128M")
    assert done[0] == status, done
    assert (last_line(done[2]) == "run: the guest ended before the command of RUN= did") == (status == 1)


def test_make_fails_with_the_command(fake_qemu):
    """make says the command's status; its own is 2."""
    status, _, stderr = run(*MAKE, "run", "RUN=x", **fake_qemu("virt7.run: exit status 7", DONE))
    assert status == 2
    assert re.fullmatch(r"make: \*\*\* \[Makefile:\d+: run\] Error 7", last_line(stderr))


def test_run_killed(fake_qemu):
    done = run("tools/run", **fake_qemu("booting", body="kill -9 $$"))
    assert done[0] == 137


def test_run_keeps_no_bundles(fake_qemu):
    """Not of this run, nor of one that could not clean up."""
    stale = BUILD / "run.4194305"  # no process has that number
    stale.mkdir(exist_ok=True)
    (stale / "debian.itb").write_bytes(b"x")
    before = {path.name for path in BUILD.iterdir()}
    environment = fake_qemu("virt7.run: exit status 0")
    assert run("tools/run", "RUN=x", "MEM=128M", **environment)[0] == 0
    assert run("tools/run", "RUN=x", "INITRAMFS=/nowhere/x", **environment)[0] == 1
    assert run("tools/run", "MEM=128M", "BOARD=virt", "IMAGE=/nowhere/x", **environment)[0] == 1
    assert {path.name for path in BUILD.iterdir() if not re.fullmatch(r"run\.\d+", path.name)} == \
        {name for name in before if not re.fullmatch(r"run\.\d+", name)}
    assert not stale.exists()


# Wrong variables: one line each, before QEMU starts.

SIZE = "is not a size such as 512M or 1G"
COUNT = "is not a number from 1 to 8"
STEP = "is not a multiple of 2M from 8M on"
WRONG = {
    "CPUS=0": f"CPUS=0 {COUNT}",
    "CPUS=9": f"CPUS=9 {COUNT}",
    "CPUS=two": f"CPUS=two {COUNT}",
    "CPUS=-1": f"CPUS=-1 {COUNT}",
    "CPUS=1.5": f"CPUS=1.5 {COUNT}",
    "SMP=0": f"SMP=0 {COUNT}",
    "SMP=16": f"SMP=16 {COUNT}",
    "CPU=cortex-a9": "CPU=cortex-a9 is not cortex-a15, cortex-a7 or max",
    "CPU=host": "CPU=host is not cortex-a15, cortex-a7 or max",
    "MEM=lots": f"MEM=lots {SIZE}",
    "MEM=512": f"MEM=512 {SIZE}",
    "MEM=1T": f"MEM=1T {SIZE}",
    "MEM=-1G": f"MEM=-1G {SIZE}",
    "MEM=0.5G": f"MEM=0.5G {SIZE}",
    "MEM=0x10M": f"MEM=0x10M {SIZE}",
    "MEM=99999999999999999999G": f"MEM=99999999999999999999G {SIZE}",
    "MEM=0M": f"MEM=0M {SIZE}",
    "MEM=3M": f"MEM=3M {STEP}",
    "MEM=6M": f"MEM=6M {STEP}",
    "MEM=65M": f"MEM=65M {STEP}",
    "MEM=8G": "MEM=8G is more than the 3G that QEMU's board has below 4 GiB",
    "HOSTMEM=128M": "HOSTMEM=128M does not hold MEM=512M and 32M for virt7 and the bundle",
    "HOSTMEM=512M": "HOSTMEM=512M does not hold MEM=512M and 32M for virt7 and the bundle",
    "HOSTMEM=1024": f"HOSTMEM=1024 {SIZE}",
    "HOSTMEM=much": f"HOSTMEM=much {SIZE}",
    "BOARD=raspi2b": "BOARD=raspi2b is not virt, vexpress-a15, orangepi-pc, mcimx7d-sabre, midway, mcimx6ul-evk or ast2600-evb",
    "BOOT=grub": "BOOT=grub is not direct, uboot-uimage, uboot-fit, uboot-bootz, uboot-script or flash",
    "BOARD=midway BOOT=flash": "BOOT=flash is for BOARD=virt",
    "BOARD=midway CPU=max": "BOARD=midway has a CPU of its own: leave CPU out",
    "BOARD=midway --native": "--native is for BOARD=virt: the guest's kernel knows no other machine here",
    "BOOT=flash --native": "--native has no BOOT",
    "OPTIONS=trace=1 --native": "OPTIONS are virt7's, which --native leaves out",
    "OPTIONS=trace": "OPTIONS: trace is not NAME=VALUE",
    "OPTIONS==1": "OPTIONS: =1 is not NAME=VALUE",
    "OPTIONS=on-eror=halt": "OPTIONS: virt7 has no option on-eror (docs/boot.md); did you mean on-error?",
    "OPTIONS=tracing=1": "OPTIONS: virt7 has no option tracing (docs/boot.md); did you mean trace?",
    "OPTIONS=console=ttyAMA0": "OPTIONS: virt7 has no option console (docs/boot.md); did you mean console.log?",
    "OPTIONS=lock.fai.=1": "OPTIONS: virt7 has no option lock.fai. (docs/boot.md); did you mean lock.fair?",
    "OPTIONS=a[=1": "OPTIONS: virt7 has no option a[ (docs/boot.md)",
    "DISK=debian CPUS=9": f"CPUS=9 {COUNT}",
    "OPTIONS=zzz=1": "OPTIONS: virt7 has no option zzz (docs/boot.md)",
    "IMAGE=VERSION": "IMAGE=VERSION is not a virt7.bin",
    "IMAGE=README.md": "IMAGE=README.md is not a virt7.bin",
    f"IMAGE={BUILD}/virt7.elf": f"IMAGE={BUILD}/virt7.elf is not a virt7.bin",
    f"IMAGE={DEPS}/armhf/vmlinuz": f"IMAGE={DEPS}/armhf/vmlinuz is not a virt7.bin",
    "IMAGE=/dev/null": "IMAGE=/dev/null is not a virt7.bin",
    "IMAGE=docs": "IMAGE=docs is not a virt7.bin",
    f"BUNDLE={DEPS}/armhf/vmlinuz": f"BUNDLE={DEPS}/armhf/vmlinuz is not a bundle (.itb); make one with tools/mkbundle",
    "BUNDLE=README.md": "BUNDLE=README.md is not a bundle (.itb); make one with tools/mkbundle",
    "BUNDLE=docs": "BUNDLE=docs is not a bundle (.itb); make one with tools/mkbundle",
    "ARGS='": "ARGS has a quote that is not closed",
    "ARGS=-append\ttrace=1": "ARGS: -append is for virt7's options: use OPTIONS='NAME=VALUE ...'",
    "BUNDLE=x.itb RUN=x": "RUN, DISK, NET and BOOTARGS are for the example guest: leave them or BUNDLE=x.itb out",
    "BUNDLE=x.itb BOOTARGS=x": "RUN, DISK, NET and BOOTARGS are for the example guest: leave them or BUNDLE=x.itb out",
    "BUNDLE=x.itb DISK=x": "RUN, DISK, NET and BOOTARGS are for the example guest: leave them or BUNDLE=x.itb out",
    "BUNDLE=x.itb NET=user": "RUN, DISK, NET and BOOTARGS are for the example guest: leave them or BUNDLE=x.itb out",
    "BOARD=midway NET=user": "NET is for BOARD=virt, and with DEMO=rtos for vexpress-a15 and orangepi-pc: virt7 itself has no driver for this board's card",
    "NET=tap": "NET=tap is not user or user:PORT",
    "NET=user:": "NET=user:: '' is not a port from 1 to 65535",
    "NET=user:0": "NET=user:0: '0' is not a port from 1 to 65535",
    "NET=user:65536": "NET=user:65536: '65536' is not a port from 1 to 65535",
    "NET=user:ssh": "NET=user:ssh: 'ssh' is not a port from 1 to 65535",
    "DISK=nothere.img": "DISK=nothere.img: no file nothere.img",
    "DISK=nothere.img:ro": "DISK=nothere.img:ro: no file nothere.img",
    "DISK=docs": "DISK=docs: a folder, not an image of a disk",
    "DISK=VERSION:row": "DISK=VERSION:row: behind the file's name :ro or :cow=SIZE may stand; tools/mkbundle knows more",
    "DISK=VERSION:ro:cow=1M": "DISK=VERSION:ro:cow=1M: behind the file's name :ro or :cow=SIZE may stand; tools/mkbundle knows more",
    "OPTIONS=quite": "OPTIONS: quite is not NAME=VALUE",
    "DISK=VERSION:cow=lots": f"DISK=VERSION:cow=lots {SIZE}",
    "DISK=VERSION:cow=": f"DISK=VERSION:cow= {SIZE}",
    "DISK=VERSION:rw": "DISK=VERSION:rw: behind the file's name :ro or :cow=SIZE may stand; tools/mkbundle knows more",
    "BUNDLE=/nowhere/x.itb": "no /nowhere/x.itb; correct its name, or run make for what it makes",
    "IMAGE=/nowhere/virt7.bin": "no /nowhere/virt7.bin; correct its name, or run make for what it makes",
    "KERNEL=/nowhere/zImage": "no /nowhere/zImage; correct its name, or run make for what it makes",
    "INITRAMFS=/nowhere/x.cpio": "no /nowhere/x.cpio; correct its name, or run make for what it makes",
    "BOOTARGS=a\nb": "BOOTARGS has a line end or another control character in it",
    "BOOTARGS=" + "x" * 1024: "the kernel's command line is longer than 1023 bytes",
    "QEMU=no-such-qemu": "no no-such-qemu; run tools/deps",
}


@pytest.mark.parametrize("words", WRONG, ids=lambda words: words[:30])
def test_run_refuses(fake_qemu, tmp_path, words):
    environment = fake_qemu()
    arguments = words.split(" ")
    if words.startswith("QEMU="):
        environment, arguments = {"QEMU": words.removeprefix("QEMU=")}, []
    status, stdout, stderr = run("tools/run", *arguments, **environment)
    assert (status, stdout, last_line(stderr)) == (1, "", f"run: {WRONG[words]}")
    assert stderr.count("\n") == (3 if words.startswith("QEMU=") else 1)
    assert not (tmp_path / "arguments").exists()


@pytest.mark.parametrize("words, line", [
    ("BUILD=a b", "BUILD=a b DEPS=a b/deps: each is one folder, without spaces in its name.  Stop."),
    ("BUILD=", "BUILD= DEPS=/deps: each is one folder, without spaces in its name.  Stop."),
    ("DEPS=", "BUILD=build DEPS=: each is one folder, without spaces in its name.  Stop."),
    ("BUILD=.", "BUILD=. holds the sources: name a folder of its own.  Stop."),
    ("BUILD=..", "BUILD=.. holds the sources: name a folder of its own.  Stop."),
    ("BUILD=README.md", "BUILD=README.md is not a folder.  Stop."),
    ("BUILD=/dev/null", "BUILD=/dev/null is not a folder.  Stop."),
    ("BUILD=/", "BUILD=/ holds the sources: name a folder of its own.  Stop."),
])
def test_build_is_a_folder_of_its_own(words, line):
    """`make clean` would empty it."""
    status, stdout, stderr = run("make", "-n", "clean", words, BUILD=None, DEPS=None)
    assert (status, stdout) == (2, "") and re.sub(r"^Makefile:\d+: \*\*\* ", "", stderr) == f"{line}\n"


UNKNOWN = {  # a target and variables; the one that is refused, and what it may have meant
    "flash FLASH_BUNDEL=x": ("FLASH_BUNDEL", "FLASH_BUNDLE"),
    "flash FLASH_DTBAT=0": ("FLASH_DTBAT", "FLASH_DTB_AT"),
    "run MEMM=1G": ("MEMM", "MEM"),
    "run mem=1G": ("mem", "MEM"),
    "run CPUS=2 BORD=midway": ("BORD", "BOARD"),
    "run RUM=x": ("RUM", "RUN"),
    "run OPTION=trace=1": ("OPTION", "OPTIONS"),
    "run INITRD=x.cpio": ("INITRD", "INITRAMFS"),
    "test k=boot": ("k", "K"),
    "all CROS=arm-none-eabi-": ("CROS", "CROSS"),
    "XYZZY=1": ("XYZZY", None),
    "clean BUID=x": ("BUID", "BUILD"),
}


@pytest.mark.parametrize("words", UNKNOWN)
def test_make_refuses_unknown_variables(words):
    name, meant = UNKNOWN[words]
    status, stdout, stderr = run("make", *words.split())
    assert (status, stdout) == (2, "")
    assert re.sub(r"^Makefile:\d+: \*\*\* ", "", stderr) == \
        f"{name}= is no variable of this Makefile ({f'did you mean {meant}?' if meant else 'see make help'}).  Stop.\n"


def test_make_knows_its_variables():
    """All that README, docs and help name, and what the makefiles read."""
    names = {name for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md"))
             for line in re.findall(r"\bmake [a-z][^`\n]*", path.read_text()) for name in re.findall(r"\b([A-Z]\w*)=", line)}
    assert names >= {"RUN", "BOARD", "K", "LIBFDT", "FLASH_DTB"}
    words = [f"{name}=x" for name in {*names, "CC", "V", "QEMU", "SOAK", "UNIT", "CFLAGS", "HOSTCC", "BENCHFLAGS", "FUZZ_SECONDS"} - {"BUILD", "DEPS"}]
    assert run("make", "-n", "help", *words, MAKEFLAGS=None)[0] == 0


def test_clean_leaves_others_files(tmp_path):
    """A folder that has a user's files: they stay, and what make had put there. One that make began: all but deps goes."""
    build = tmp_path / "build"
    (build / "deps").mkdir(parents=True)
    words = ["make", "-s", f"BUILD={build}", f"DEPS={DEPS}"]
    assert run(*words, "clean") == (0, "", "")
    assert run(*words, f"{build}/version") == (0, "", "")
    assert sorted(path.name for path in build.iterdir()) == [".made-by-make", "deps", "version"]
    assert run(*words, "clean") == (0, "", "")
    assert sorted(path.name for path in build.iterdir()) == [".made-by-make", "deps"]
    (build / ".made-by-make").unlink()
    (build / "thesis.txt").write_text("x")
    for target in (f"{build}/version", "clean"):
        status, stdout, stderr = run(*words, target)
    assert (status, stdout) == (2, "")
    assert re.sub(r"^Makefile:\d+: \*\*\* ", "", stderr) == \
        f"BUILD={build} has files that make did not make, there is no {build}/.made-by-make: remove by hand what is to go.  Stop.\n"
    assert sorted(path.name for path in build.iterdir()) == ["deps", "thesis.txt", "version"]
    shutil.rmtree(build)
    assert run(*words, "clean") == (0, "", "")


@pytest.mark.parametrize("jobs", ["0", "-1", "two", "1.5", "1 2"])
def test_jobs_are_a_number(jobs):
    status, stdout, stderr = run("make", "-s", f"JOBS={jobs}", "help")
    assert (status, stdout) == (2, "") and f"JOBS={jobs} is not a number from 1 on" in stderr


@pytest.mark.parametrize("words, line", [
    (["FLASH_DTB=/nowhere/x.dtb"], "flash: no /nowhere/x.dtb.  Stop."),
    (["FLASH_BUNDLE=/nowhere/x.itb"], "flash: no /nowhere/x.itb.  Stop."),
])
def test_flash_refuses(words, line):
    status, _, stderr = run(*MAKE, "flash", *words)
    assert status == 2 and re.sub(r"^Makefile:\d+: \*\*\* ", "", last_line(stderr)) == line


def test_flash_of_another_file(tmp_path):
    """What was named last is in the image, also where the file is older than the image; and nothing is made twice."""
    folder = tmp_path / "build"
    folder.mkdir()
    for name in ("virt7.bin", "flash.bin", "virt.dtb"):
        shutil.copy2(BUILD / name, folder)
    for name in "ab":
        (tmp_path / f"{name}.bin").write_bytes(name.encode() * 5000 + b"\0")
        source = tmp_path / f"{name}.its"
        source.write_text('/dts-v1/; / { images { k { data = /incbin/("%s.bin"); }; }; vms { v { }; }; };' % name)
        subprocess.run(["dtc", "-q", "-O", "dtb", "-o", tmp_path / name, source], check=True)
        os.utime(tmp_path / name, (1, 1))
    # What it is made of is not made again (-o): only the image.
    old = [word for name in ("virt7.bin", "flash.bin", "virt.dtb") for word in ("-o", folder / name)]
    image = folder / "virt7-flash.img"

    def make(*words):
        done = run("make", *old, image, f"BUILD={folder}", f"DEPS={DEPS}", f"FLASH_BUNDLE={tmp_path}/a", *words)
        assert done[0] == 0, done
        return done[1].count("tools/mkflash")

    assert make() == 1 and b"a" * 5000 in image.read_bytes()
    assert make() == 0
    assert make(f"FLASH_BUNDLE={tmp_path}/b") == 1 and b"b" * 5000 in image.read_bytes()
    assert make(f"FLASH_BUNDLE={tmp_path}/b", "FLASH_DTB_AT=0x48000000") == 1
    shutil.copy2(folder / "virt.dtb", tmp_path / "other.dtb")
    assert make(f"FLASH_DTB={tmp_path}/other.dtb") == 1 and b"a" * 5000 in image.read_bytes()
    assert make("FLASH_BUNDLE=") == 1 and b"a" * 5000 not in image.read_bytes()


# make dist

def test_dist_is_the_same_wherever_it_is_made(tmp_path):
    """Two copies of the sources, one with its BUILD elsewhere: the same bytes, and the tools in them work."""
    sums = set()
    for name, build in (("a", tmp_path / "elsewhere"), ("another folder", "build")):
        sources = tmp_path / name
        shutil.copytree(ROOT, sources, ignore=lambda folder, _: ("build", ".git") if Path(folder) == ROOT else ())
        (sources / "VERSION").write_text("1700000000 050ffe0 v1.2/x\n")
        deps = sources / build / "deps"
        shutil.copytree(DEPS / "src", deps / "src")
        (deps / "src/.stamp").touch()
        status, stdout, stderr = run("make", "-j2", "-s", "-C", sources, "dist", f"BUILD={build}", limit=600,
                                     BUILD=None, DEPS=None)
        assert (status, last_line(stdout)) == (0, f"{build}/virt7-v1.2-x.tar.gz"), stderr
        sums.add((sources / build / "virt7-v1.2-x.tar.gz").read_bytes())
    assert len(sums) == 1
    (tmp_path / "unpacked").mkdir()
    assert run("tar", "-C", tmp_path / "unpacked", "-xf", sources / build / "virt7-v1.2-x.tar.gz")[0] == 0
    check_unpacked(tmp_path / "unpacked/virt7-v1.2-x")


def check_unpacked(folder):
    assert {path.name for path in folder.iterdir()} >= {"README.md", "CAVEATS.md", "LICENSE", "SHA256SUMS", "build", "docs",
                                                        "dts", "licences", "tools"}
    assert {path.name for path in (folder / "licences").iterdir()} == {"libfdt", "zlib", "libmd"}
    checked = run("sha256sum", "--quiet", "-c", "SHA256SUMS", cwd=folder)
    assert checked == (0, "", "")
    assert run("readelf", "-p", ".debug_line_str", folder / "build/virt7.elf")[1].count(str(folder.parent.parent)) == 0
    named = set(re.findall(r"tools/([a-z][\w.-]*[a-z0-9])", (folder / "tools/run").read_text())) - {"run"}
    assert named and all((folder / "tools" / name).exists() for name in named), named
    tree, kernel, bundle = BUILD / "virt.dtb", BUILD / "guests/psci.bin", folder / "x.itb"
    without = {"BUILD": "build", "DEPS": "build/deps"}
    assert run("tools/mkbundle", "-o", bundle, "--vm", f"name=a,memory=64M,kernel={kernel}", cwd=folder, **without)[0] == 0
    assert run("tools/mkflash", "-o", "x.img", "--dtb", tree, "--bundle", bundle, cwd=folder, **without)[0] == 0
    ran = run("tools/run", f"BUNDLE={bundle}", cwd=folder, **without)
    assert ran[0] == 0 and "virt7: virt7 v1.2/x at " in ran[1] and DONE in ran[1]


def test_make_alone_makes_virt7():
    """Whatever rule stands first in the Makefile."""
    done = subprocess.run(["make", "-npq"], cwd=ROOT, text=True, capture_output=True, check=False)
    assert "\n.DEFAULT_GOAL := all\n" in done.stdout


def test_deps_that_are_there_stay(tmp_path):
    """What make compares with is as old as it was: the next `make run` compiles nothing."""
    stamp = BUILD / "deps/src/.stamp"
    before = stamp.stat().st_mtime_ns
    subprocess.run(["tools/deps", "target"], cwd=ROOT, check=True, capture_output=True)
    assert stamp.stat().st_mtime_ns == before


def test_dist_refuses(tmp_path):
    assert run("tools/dist") == (2, "", "usage: tools/dist virt7-VERSION.tar.gz\n")
    assert run("tools/dist", "x.zip") == (1, "", "dist: x.zip: a name that ends in .tar.gz is needed\n")
    assert run("tools/dist", "/nowhere/x.tar.gz") == (1, "", "dist: /nowhere/x.tar.gz: no such folder\n")
    assert run("tools/dist", "x.tar.gz", BUILD=str(tmp_path)) == (1, "", f"dist: no {tmp_path}/virt7.bin; run make dist\n")


# Without apt

@pytest.fixture
def without_apt(tmp_path):
    """A PATH on which there is no apt and no dpkg; `missing` is not there either."""

    def make(*missing):
        folder = tmp_path / "path"
        folder.mkdir()
        for name in {path.name for place in ("/usr/bin", "/bin", "/usr/sbin") for path in Path(place).iterdir()}:
            if not name.startswith(("apt", "dpkg")) and name not in missing:
                (folder / name).symlink_to(shutil.which(name, path="/usr/bin:/bin:/usr/sbin") or "/nowhere")
        return str(folder)

    return make


@pytest.mark.parametrize("guest", ["kernel", "bundle"])
def test_run_without_apt(without_apt, fake_qemu, tmp_path, guest):
    """README's variables, and a guest of one's own: nothing is fetched, into a DEPS that is not there."""
    libraries = {name: DEPS / "lib" / path for name, path in (("LIBFDT", "libfdt.a"), ("LIBZ", "libz.a"),
                                                              ("LIBMD", "libmd.a"), ("DEPINC", "include"))}
    own = {"KERNEL": DEPS / "armhf/vmlinuz", "INITRAMFS": BUILD / "initramfs.cpio"} if guest == "kernel" else \
        {"BUNDLE": BUILD / "debian.itb"}
    words = [f"{name}={value}" for name, value in {**libraries, **own, "DEPS": tmp_path / "deps"}.items()]
    status, stdout, stderr = run(*MAKE, "run", *words, PATH=without_apt(), **fake_qemu(DONE))
    assert (status, stdout.splitlines()) == \
        (0, ["deps: not a Debian system; the programs to build and run with are there", DONE]), stderr
    assert (tmp_path / "initrd").exists() and not (tmp_path / "deps").exists()


def test_libraries_without_apt(without_apt, tmp_path):
    """Libraries that are named are linked from where they are: nothing of DEPS is made."""
    libraries = [f"LIBFDT={DEPS}/lib/libfdt.a", f"LIBZ={DEPS}/lib/libz.a", f"LIBMD={DEPS}/lib/libmd.a", f"DEPINC={DEPS}/lib/include"]
    status, stdout, _ = run("make", "-n", f"BUILD={tmp_path}/build", *libraries, f"{tmp_path}/build/virt7.bin", PATH=without_apt())
    assert status == 0 and f"-isystem '{DEPS}/lib/include'" in stdout
    assert "tools/deps" not in stdout and "libfdt/fdt" not in stdout


def test_deps_without_apt(without_apt, tmp_path):
    path = without_apt("mkimage", "qemu-system-arm")
    status, stdout, stderr = run("tools/deps", "host", PATH=path)
    assert (status, stdout) == (1, "")
    assert stderr.startswith("deps: not a Debian system, and missing: qemu-system-arm mkimage; Debian has all that is needed in gcc-arm-")
    assert run("tools/deps", "target-libs", PATH=path, DEPS=tmp_path / "deps") == \
        (1, "", "deps: no apt to fetch the sources of libfdt, zlib and libmd with: bring them by make LIBFDT= LIBZ= LIBMD= "
                "DEPINC= (README.md)\n")
    assert run("tools/deps", "guest", PATH=path, DEPS=tmp_path / "deps") == \
        (1, "", "deps: no apt to fetch the example guest with: run your own by make run KERNEL= INITRAMFS= or BUNDLE= (README.md)\n")
