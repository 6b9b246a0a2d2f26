# SPDX-License-Identifier: BSD-2-Clause
"""virt7's own bugs: what it says of them, and that it then stops. Each test breaks a copy of the real image: code that
boot_main() calls on CPU 0, directly (make_vms) or not (vm_assemble), is overwritten with something that goes wrong.
"""
import os
import re
import socket
import subprocess
import time

import pytest

from conftest import BUILD, CPUS
from test_boards import tree_of
from test_shell import command, open_shell, power_off
from test_vms import SPIN

CROSS = os.environ.get("CROSS", "arm-none-eabi-")
IMAGE_BASE = 0xfe000000  # LAYOUT_IMAGE of mm/layout.h: where virt7.bin is linked and its first byte is
VICTIM = "make_vms"
CHAIN = ("boot_main", "make_vms", "vm_assemble", "assemble_vm", "make_parts", "s2_init")  # who calls whom; the compiler may have inlined some

UDF = b"\x00\xde"  # Thumb instructions, little-endian


def run_tool(tool, *args):
    return subprocess.run([CROSS + tool, *map(str, args)], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def symbols():
    """The addresses of virt7.elf's symbols, without what the compiler appends (assemble_vm.isra.0)."""
    rows = [line.split() for line in run_tool("nm", BUILD / "virt7.elf").splitlines()]
    return {row[2].split(".")[0]: int(row[0], 16) for row in rows if len(row) == 3}


def find_call(function):
    """Address of the function's first BL: behind the prologue, where a backtrace is exact."""
    listing = run_tool("objdump", "-d", f"--disassemble={function}", BUILD / "virt7.elf")
    return int(re.search(r"^ *([0-9a-f]+):\t[0-9a-f ]+\tbl\t", listing, re.MULTILINE)[1], 16)


@pytest.fixture(scope="module")
def first_call():
    return find_call(VICTIM)


@pytest.fixture
def broken(qemu, tmp_path):
    """broken(address, code) -> Qemu that runs virt7 with `code` at `address`."""

    def start(address, code, *args, cpu="cortex-a15", machine=""):
        image = bytearray((BUILD / "virt7.bin").read_bytes())
        offset = address - IMAGE_BASE
        assert 0 < offset < len(image)
        image[offset:offset + len(code)] = code
        copy = tmp_path / "virt7-broken.bin"
        copy.write_bytes(image)
        return qemu("-M", "virt,virtualization=on,gic-version=2" + machine, "-cpu", cpu, "-m", "256M", "-nographic",
                    "-kernel", copy, *args)

    return start


def expect_panic(run, what):
    """Wait for the report's end; returns its lines. One panic, and nothing after it."""
    run.expect("virt7: error: PANIC: ")
    run.expect("virt7: error: stopped; please report the lines above\r")
    lines = [line.removeprefix("virt7: error: ") for line in run.output().splitlines() if "virt7: error: " in line]
    assert re.fullmatch("PANIC: " + what, lines[0]), lines[0]
    assert sum("PANIC" in line for line in lines) == 1
    return lines


def check_backtrace(lines, *functions):
    """The frames are these functions, innermost first; the first, where the exception was, may be left to its line."""
    frames = [line for line in lines if re.match(r" *\[\d+\] ", line)]
    names = [re.fullmatch(r" *\[\d+\] 0x[0-9a-f]{8} (\S+)\+0x[0-9a-f]+", frame)[1] for frame in frames]
    functions = [*functions, "call_main"]  # the root, in boot/head.S
    assert names in (functions, functions[1:])


def register(lines, name):
    return int(re.search(rf"\b{name} 0x([0-9a-f]{{8}})\b", "\n".join(lines))[1], 16)


@pytest.mark.parametrize("cpu", CPUS)
def test_undefined_instruction(broken, first_call, cpu):
    lines = expect_panic(broken(first_call, UDF * 2, cpu=cpu),
                         rf"undefined instruction in virt7 on CPU 0 at 0x{first_call:08x} {VICTIM}\+0x[0-9a-f]+")
    assert register(lines, "PSR") & 0x1f == 0x1a  # HYP mode
    assert len([line for line in lines if re.match(r" *r(0|4|8|12) ", line)]) == 4
    check_backtrace(lines, VICTIM, "boot_main")


def test_power_goes_off(broken, first_call):
    run = broken(first_call, UDF * 2, "-append", "on-error=poweroff")
    assert run.wait() == 0
    assert run.lines()[-1] == "virt7: error: stopped; please report the lines above"


def test_deep_backtrace(broken, symbols):
    """Every frame between boot_main() and a function that has saved registers and made room for locals."""
    chain = [name for name in reversed(CHAIN) if name in symbols]
    lines = expect_panic(broken(find_call(chain[0]), UDF * 2), f"undefined instruction in virt7 on CPU 0 at .* {chain[0]}.*")
    check_backtrace(lines, *chain)


def test_null_pointer(broken, first_call):
    code = b"\x00\x20" b"\x00\x68"  # movs r0, #0; ldr r0, [r0]
    lines = expect_panic(broken(first_call, code), rf"data abort in virt7 on CPU 0 at .* {VICTIM}\+.*")
    assert register(lines, "HDFAR") == 0
    check_backtrace(lines, VICTIM, "boot_main")


def test_code_is_read_only(broken, first_call):
    code = b"\x78\x46" b"\x00\x60"  # mov r0, pc; str r0, [r0]
    lines = expect_panic(broken(first_call, code), rf"data abort in virt7 on CPU 0 at .* {VICTIM}\+.*")
    assert register(lines, "HDFAR") == first_call + 4
    assert register(lines, "HSR") & 0x3c == 0x0c  # a permission fault (DDI 0406C B3.13.6)


def test_stack_is_not_executable(broken, first_call):
    code = b"\x68\x46" b"\x00\x47"  # mov r0, sp; bx r0
    lines = expect_panic(broken(first_call, code), r"prefetch abort in virt7 on CPU 0 at 0x[0-9a-f]{8} .*")
    assert register(lines, "HIFAR") == register(lines, "sp")
    assert register(lines, "HSR") & 0x3c == 0x0c


def test_stack_overflow(broken, symbols):
    """The guard page below the stack stops it, and the report has a stack of its own."""
    code = b"\xff\xb5" b"\xfd\xe7"  # push {r0-r7, lr}; b .-2
    lines = expect_panic(broken(symbols[VICTIM], code), rf"data abort in virt7 on CPU 0 at .* {VICTIM}\+.*")
    guard = symbols["boot_stacks"]
    assert guard <= register(lines, "HDFAR") < guard + 0x1000


def test_stack_protector(broken, symbols, first_call):
    """A call of what the compiler's check calls."""
    distance = symbols["__stack_chk_fail"] - (first_call + 4)  # BL, DDI 0406C A8.8.25, encoding T1
    sign = distance >> 24 & 1
    j1, j2 = 1 ^ sign ^ (distance >> 23 & 1), 1 ^ sign ^ (distance >> 22 & 1)
    code = ((0xf000 | sign << 10 | distance >> 12 & 0x3ff).to_bytes(2, "little")
            + (0xd000 | j1 << 13 | j2 << 11 | distance >> 1 & 0x7ff).to_bytes(2, "little"))
    lines = expect_panic(broken(first_call, code), r"stack overwritten in virt7 on CPU 0 at 0x[0-9a-f]{8} __stack_chk_fail\+.*")
    check_backtrace(lines, "__stack_chk_fail", VICTIM, "boot_main")


def halfword(value):
    return value.to_bytes(2, "little")


def load(reg, value):
    """movw, movt (DDI 0406C A8.8.102, T3, and A8.8.106)."""
    code = b""
    for op, imm in ((0xf240, value & 0xffff), (0xf2c0, value >> 16)):
        code += halfword(op | imm >> 12 | (imm >> 11 & 1) << 10) + halfword((imm >> 8 & 7) << 12 | reg << 8 | imm & 0xff)
    return code


@pytest.fixture
def guard(broken, symbols, first_call):
    """guard(machine, ...) -> the stack protector's guard of a boot, which is stopped with the guard in r0."""

    def read(machine, *args):
        code = load(0, symbols["__stack_chk_guard"]) + halfword(0x6800) + UDF  # ldr r0, [r0]
        lines = expect_panic(broken(first_call, code, *args, machine=machine), f"undefined instruction .* {VICTIM}.*")
        return register(lines, "r0 ")

    return read


def test_guard_differs_between_boots(guard):
    """At the same count of the same instructions; only the seeds are QEMU's, new ones for each boot."""
    exact = ("-icount", "shift=0,sleep=off")
    fixed = ",dtb-randomness=off"
    assert guard(fixed, *exact) == guard(fixed, *exact)
    boots = [guard("", *exact) for _ in range(3)]
    assert len({*boots, guard(fixed, *exact)}) == 4
    assert all(value & 0xff == 0 for value in boots)


@pytest.fixture
def assemble(tmp_path):
    """assemble(text) -> its Thumb code, which may be put anywhere."""

    def make(text):
        (tmp_path / "code.S").write_text(".syntax unified\n.thumb\n" + text)
        run_tool("gcc", "-c", "-march=armv7ve", tmp_path / "code.S", "-o", tmp_path / "code.o")
        run_tool("objcopy", "-O", "binary", "-j", ".text", tmp_path / "code.o", tmp_path / "code.bin")
        return (tmp_path / "code.bin").read_bytes()

    return make


@pytest.mark.parametrize("status", [0x11, 0x19], ids=["external", "parity"])
@pytest.mark.parametrize("cpu", CPUS)
def test_asynchronous_abort_returns(broken, symbols, assemble, cpu, status):
    """HYP goes on where it was, its registers as they were and these aborts masked again. QEMU has none: the syndrome is
    written by hand, and the vector entered by a branch.
    """
    back = 0x40
    code = load(3, 0x25 << 26 | 1 << 25 | status) + assemble("mcr p15, 4, r3, c5, c2, 0\n")
    code += load(3, 0xba) + assemble("msr spsr_cxsf, r3\n")  # HYP, Thumb, I
    code += load(3, symbols[VICTIM] + back) + assemble("msr elr_hyp, r3\n")
    code += load(0, 0x12345678) + load(3, symbols["vector_data"]) + assemble("bx r3\n")
    lines = expect_panic(broken(symbols[VICTIM], code.ljust(back, b"\0") + UDF * 2, cpu=cpu), "undefined instruction .*")
    assert register(lines, "r0 ") == 0x12345678
    assert register(lines, "PSR") & 0x1ff == 0x1ba


SABRE = ["-M", "mcimx7d-sabre", "-smp", "2", "-m", "1G", "-nographic", "-append", "on-error=halt"]
WATCHDOG, ON = 0x30280000, 0x0a34  # WDOG1's WCR: 5.5 s, no reset now, WDE


@pytest.fixture
def sabre(qemu, tmp_path):
    """sabre(image, ...) -> Qemu of an i.MX7 whose firmware has left its watchdog on."""
    streams = []

    def start(image, *args):
        sockets = {name: tmp_path / name for name in ("test", "monitor")}
        run = qemu(*SABRE, "-S", "-kernel", image, "-dtb", tree_of("mcimx7d-sabre"), "-qtest", f"unix:{sockets['test']},server=on,wait=off",
                   "-monitor", f"unix:{sockets['monitor']},server=on,wait=off", *args, timeout=120)
        for name, line in (("test", f"writew {WATCHDOG:#x} {ON:#x}"), ("monitor", "cont")):
            streams.append(socket.socket(socket.AF_UNIX))
            while streams[-1].connect_ex(str(sockets[name])):
                time.sleep(0.1)
            streams[-1].sendall(line.encode() + b"\n")
            assert streams[-1].recv(4096)
        run.expect(rf"virt7: host: the watchdog fsl,imx21-wdt at {WATCHDOG:#x} is on: virt7 pets it while every CPU takes interrupts\r")
        return run

    yield start
    for stream in streams:
        stream.close()


def test_watchdog_is_petted(sabre, mkbundle):
    """For longer than it waits, with a guest that never sleeps on one CPU."""
    run = sabre(BUILD / "virt7.bin", "-initrd", mkbundle(f"name=a,memory=8M,kernel={BUILD}/guests/talk.bin",
                                                         f"name=spin,memory=8M,kernel={BUILD}/guests/hostile.bin,bootargs=mode={SPIN}"))
    run.expect("talk: ready")
    time.sleep(12)
    open_shell(run)
    assert command(run, "log -l").strip() == ""
    assert run.output().count("virt7: virt7 ") == 1


def test_watchdog_bites(sabre, first_call, tmp_path):
    """virt7 ends in a panic: the watchdog resets the machine, and the next run tells of it."""
    image = bytearray((BUILD / "virt7.bin").read_bytes())
    image[first_call - IMAGE_BASE:first_call - IMAGE_BASE + len(UDF)] = UDF
    (tmp_path / "broken.bin").write_bytes(image)
    run = sabre(tmp_path / "broken.bin")
    run.expect("virt7: error: PANIC: (undefined instruction in virt7 on CPU 0 at 0x[0-9a-f]+ make_vms[^\r]*)\r")
    what = run.child.match[1]
    run.expect("virt7: virt7 ")
    run.expect(r'virt7: warning: the last run ended in a panic \("log -l" in the shell has all of its lines\):\r')
    run.expect(rf"virt7: warning: last run: virt7: error: PANIC: {re.escape(what)}\r")
    run.expect(r"virt7: warning: last run: virt7: error:   \[0\] 0x[0-9a-f]+ make_vms")
    run.expect("virt7: warning: last run: virt7: error: stopped; please report the lines above\r")


def test_reset_from_outside(virt7, mkbundle, tmp_path):
    """The last lines of a run that was cut off, all of them in the shell; and nothing of one that ended in order."""
    run = virt7(mkbundle(f"name=a,memory=8M,kernel={BUILD}/guests/talk.bin"), "-monitor", f"unix:{tmp_path}/monitor,server=on,wait=off")
    monitor = socket.socket(socket.AF_UNIX)
    run.expect("talk: ready")
    monitor.connect(f"{tmp_path}/monitor")
    monitor.sendall(b"system_reset\n")
    run.expect(r'virt7: warning: the last run has not ended by itself: the machine was reset \("log -l" in the shell has its lines\); the last of them:\r')
    run.expect(r'virt7: warning: last run: virt7: vm a: loading kernel "talk.bin", \d+ KiB\r')
    run.expect("talk: ready")
    open_shell(run)
    lines = command(run, "log -l").splitlines()
    assert lines[0].startswith("virt7: virt7 ") and lines[-1].startswith('virt7: vm a: loading kernel "talk.bin"')
    run.send("reboot\r")
    run.expect("talk: ready")
    assert run.output().count("last run") == run.output().split("virt7> reboot")[0].count("last run")
    open_shell(run)
    power_off(run)
