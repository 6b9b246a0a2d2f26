# SPDX-License-Identifier: BSD-2-Clause
"""One virt7.bin on seven boards, and boards that lack something: what is missing has its line.

A board's arguments are in tools/run, which these tests start as a user would. Device trees come from Debian's kernel package;
edited ones are made with fdtput.
"""
import datetime
import os
import re
import subprocess

import pytest

from conftest import BUILD, KERNEL_VERSION, QEMU, ROOT, SILENT as NO_SOUND
from test_shell import command, open_shell, power_off
from test_vms import SPIN

DEPS = ROOT / os.environ.get("DEPS", BUILD / "deps")
KERNEL = DEPS / "armhf" / "vmlinuz"
INITRAMFS = BUILD / "initramfs.cpio"
BOOT = 300  # seconds: the machine that runs the tests may be slow and shared

CANNOT_BE_SWITCHED_OFF = "virt7: warning: this host cannot be switched off by software; it is safe to cut the power\r"

# name: (CPUs, core, what the device tree says: UART, its interrupt, GICD)
BOARDS = {
    "virt": (4, "cortex-a15", None),
    "vexpress-a15": (2, "cortex-a15", "uart arm,pl011 0x1c090000 irq 37|gic 0x2c001000 0x2c002000 0x2c004000 0x2c006000"),
    "orangepi-pc": (4, "cortex-a7", "uart snps,dw-apb-uart 0x1c28000 irq 32|gic 0x1c81000 0x1c82000 0x1c84000 0x1c86000"),
    "mcimx7d-sabre": (2, "cortex-a7", "uart fsl,imx6q-uart 0x30860000 irq 58|gic 0x31001000 0x31002000 0x31004000 0x31006000"),
    "midway": (4, "cortex-a15", "uart arm,pl011 0xfff36000 irq 52|gic 0xfff11000 0xfff12000 0xfff14000 0xfff16000"),
    "mcimx6ul-evk": (1, "cortex-a7", "uart fsl,imx6q-uart 0x2020000 irq 58|gic 0xa01000 0xa02000 0xa04000 0xa06000"),
    "ast2600-evb": (2, "cortex-a7", "uart snps,dw-apb-uart 0x1e784000 irq 40|gic 0x40461000 0x40462000 0x40464000 0x40466000"),
}
# What starts the other CPUs and ends a run, by the tree as it is in the package; QEMU adds PSCI to that of i.MX.
MEANS = {
    "vexpress-a15": "arm,vexpress|off by arm,vexpress-shutdown", "orangepi-pc": "allwinner,sun8i-h3|off: no means that virt7 knows",
    "mcimx7d-sabre": "no means that virt7 knows|off: no means that virt7 knows", "midway": "PSCI|off: no means that virt7 knows",
    "mcimx6ul-evk": "no means that virt7 knows|off by syscon-poweroff", "stm32mp157": "PSCI|off by PSCI",
    "stm32mp135": "PSCI|off by PSCI", "ast2600-evb": "aspeed,ast2600-smp|off: no means that virt7 knows",
}
TREES = {
    "vexpress-a15": "vexpress-v2p-ca15-tc1", "orangepi-pc": "sun8i-h3-orangepi-pc", "mcimx7d-sabre": "imx7d-sdb",
    "midway": "ecx-2000", "mcimx6ul-evk": "imx6ul-14x14-evk", "ast2600-evb": "aspeed-ast2600-evb",
    # boards that QEMU does not have
    "stm32mp157": "stm32mp157c-dk2", "stm32mp135": "stm32mp135f-dk",
}
OTHER_BOARDS = {
    "stm32mp157": "uart st,stm32h7-uart 0x40010000 irq 0|gic 0xa0021000 0xa0022000 0xa0024000 0xa0026000",
    # Later trees lead the UART's interrupt through EXTI, as mp157's do, for which virt7 has no driver: polled.
    "stm32mp135": f"uart st,stm32h7-uart 0x40010000 irq {85 if KERNEL_VERSION < (6, 12) else 0}"
                  "|gic 0xa0021000 0xa0022000 0xa0024000 0xa0026000",
}


def tree_of(board):
    """The board's device tree in the kernel package."""
    found = sorted(DEPS.glob(f"armhf/usr/lib/linux-image-*/{TREES[board]}.dtb"))
    assert found, f"no {TREES[board]}.dtb below {DEPS}"
    return found[-1]


def fdt(*command):
    subprocess.run([str(word) for word in command], check=True, cwd=ROOT)


@pytest.fixture
def board(qemu):
    """board(name, bundle, *more) -> Qemu, by tools/run. 4 CPUs on virt, what the board has on others."""

    def start(name, bundle, *more):
        smp = ["SMP=4", "HOSTMEM=1G"] if name == "virt" else []
        return qemu(f"BOARD={name}", f"BUNDLE={bundle}", *smp, *more, timeout=BOOT, program=ROOT / "tools/run")

    return start


@pytest.mark.parametrize("name", BOARDS)
def test_debian(board, mkbundle, name):
    """One bundle everywhere: a VM of 2 CPUs and 256 MiB, on a board with one CPU too."""
    bundle = mkbundle(f"name=debian,cpus=2,memory=256M,kernel={KERNEL},ramdisk={INITRAMFS},bootargs=console=ttyAMA0")
    run = board(name, bundle)
    cpus, core, _ = BOARDS[name]
    run.expect(rf"virt7: host: {cpus} of {cpus} CPUs online\r")
    run.expect(rf"virt7: host: CPUs 0x{(1 << cpus) - 1:x}: {core} ")
    match = run.expect(r"(userspace up: |Kernel panic|PANIC: |virt7: error: stopped)[^\r]*\r")
    assert match[0].strip() == "userspace up: 2 cpus, 256 MiB"
    run.expect("~ # ")
    run.send("echo $((6*7)) $(grep -c ^processor /proc/cpuinfo)\n")
    run.expect(r"\n42 2\r")
    # More than any UART's FIFO at once, and every character arrives.
    run.expect("~ # ")
    run.send("echo " + "0123456789" * 20 + " | wc -c\n")
    run.expect(r"\n201\r")
    run.expect("~ # ")
    run.send("poweroff -f\n")
    run.expect("virt7: vm debian: off\r")
    run.expect("virt7: no VM is running: power off\r")
    if name == "ast2600-evb":
        run.expect(CANNOT_BE_SWITCHED_OFF)
        return
    assert run.wait() == 0
    assert [line for line in run.output().splitlines() if "virt7: error" in line or "virt7: warning" in line] == []


@pytest.mark.parametrize("name", BOARDS)
def test_last_cpu(board, mkbundle, name):
    """A VM on the board's last CPU, which another one never gives up: slices end, and it takes interrupts there."""
    last = f"memory=16M,cpu-affinity={1 << (BOARDS[name][0] - 1):#x}"
    run = board(name, mkbundle(f"name=spin,{last},kernel={BUILD}/guests/hostile.bin,bootargs=mode={SPIN}",
                               f"name=test,{last},kernel={BUILD}/guests/psci.bin"))
    run.expect_said("test", r"summary: \d+ passed, 0 failed")
    if "virt7: vm test: off\n" not in run.output():  # it comes first where the slice of `spin` has ended in the middle of a line
        run.expect("virt7: vm test: off\r")


def test_guests_see_the_same_machine(board, mkbundle):
    """Nothing of the board is in the guest's device tree: Debian shows the same one on all of them, but for CPU and seeds."""
    bundle = mkbundle(f"name=debian,memory=128M,kernel={KERNEL},ramdisk={INITRAMFS},"
                      "bootargs=console=ttyAMA0 virt7.run=\"cd /proc/device-tree; find . -type f | sort | xargs md5sum; "
                      "cat /proc/iomem\"")
    seen = {}
    for name in ("virt", "mcimx7d-sabre", "midway"):
        run = board(name, bundle)
        assert run.wait() == 0
        text = run.output().split("userspace up")[1].split("virt7: vm debian: off")[0]
        seen[name] = [line for line in text.splitlines()
                      if not line.startswith("[") and not re.search(r"\./cpus/|clock-frequency|-seed$", line)]
        assert len(seen[name]) > 40
    assert seen["midway"] == seen["virt"]
    assert seen["mcimx7d-sabre"] == seen["virt"]


def test_clock(board, mkbundle):
    """A guest on a board with another clock than a PL031 knows what time it is."""
    run = board("orangepi-pc", mkbundle(f"name=debian,memory=128M,kernel={KERNEL},ramdisk={INITRAMFS},bootargs=console=ttyAMA0 virt7.run=\"date +now:%s\""),
                "ARGS=-rtc base=2026-02-28T23:59:30")
    now = int(run.expect(r"now:(\d+)\r")[1]) - int(datetime.datetime(2026, 2, 28, 23, 59, 30, tzinfo=datetime.timezone.utc).timestamp())
    assert 0 <= now < BOOT


@pytest.mark.parametrize("name", [name for name in TREES if name in BOARDS or name in OTHER_BOARDS])
def test_tree(name):
    """What virt7 reads from the boards' own trees, without QEMU, which edits them."""
    done = subprocess.run([BUILD / "unit/test_host", tree_of(name)], check=True, capture_output=True, text=True)
    for line in (OTHER_BOARDS.get(name) or BOARDS[name][2]).split("|"):
        assert line in done.stdout
    start, off = MEANS[name].split("|")
    assert re.search(rf"^cpu 0x\w+ started by {start}$", done.stdout, re.M) and off in done.stdout.splitlines()


# --- boards that lack something


@pytest.fixture
def edited(qemu, tmp_path):
    """edited(edit, ...) -> Qemu: the virt board with a tree that `edit(path)` has changed. QEMU adds /chosen and memory."""

    def start(edit, *args, smp=1):
        path = tmp_path / "edited.dtb"
        machine = ["-M", f"virt,virtualization=on,gic-version=2,dumpdtb={path}", "-cpu", "cortex-a15", "-smp", smp, "-m", "256M"]
        fdt(QEMU, *machine, "-display", "none")
        edit(path)
        machine[1] = "virt,virtualization=on,gic-version=2"
        return qemu(*machine, "-nographic", "-kernel", BUILD / "virt7.bin", "-dtb", path, *args)

    return start


KNOWN_GICS = "arm,gic-400, arm,cortex-a15-gic or arm,cortex-a7-gic"
MISSING = {
    "gic": (lambda path: fdt("fdtput", "-r", path, "/intc@8000000"),
            rf"host: no GICv2 in the device tree \({KNOWN_GICS}\); on QEMU add gic-version=2 to -M virt"),
    "gic-a9": (lambda path: fdt("fdtput", "-t", "s", path, "/intc@8000000", "compatible", "arm,cortex-a9-gic"),
               r"host: intc@8000000 is arm,cortex-a9-gic, not "
               rf"{KNOWN_GICS}; on QEMU add gic-version=2 to -M virt"),
    "gich": (lambda path: fdt("fdtput", "-t", "x", path, "/intc@8000000", "reg",
                              *"0 8000000 0 10000 0 8010000 0 10000".split()),
             r"host: GIC node intc@8000000 has no region 2 \(GICH and GICV are needed\): add it to the node's reg"),
    "timer": (lambda path: fdt("fdtput", "-r", path, "/timer"),
              r'host: no architected timer with four interrupts \(arm,armv7-timer\) in the device tree'),
    "cpus": (lambda path: fdt("fdtput", "-r", path, "/cpus/cpu@0"), r"host: the device tree has no /cpus/cpu@\* node"),
}


@pytest.mark.parametrize("what", MISSING)
def test_missing_node(edited, what):
    edit, line = MISSING[what]
    run = edited(edit)
    run.expect("virt7: error: " + line + "\r")
    run.expect("virt7: error: this board's device tree lacks what virt7 needs\r")
    run.expect("virt7: error: stopped\r")
    assert run.output().count("virt7: error: ") == 3


NO_MEANS = (r'the device tree has neither a psci node with method "smc" nor an enable-method that virt7 knows' "\r")


def test_reserved_memory(edited, mkbundle):
    """RAM in pieces, of which a VM gets nearly all and writes to each block; what lies between is as it was before."""
    reserved = {0x44000000: 0x1000, 0x46100000: 0x300000, 0x4a000000: 0x2000000}
    words = [word for base, size in reserved.items() for word in (base, base + size - 4)]

    def edit(path):
        fdt("fdtput", "-cp", path, "/reserved-memory/all")
        for cells in ("#address-cells", "#size-cells"):
            fdt("fdtput", "-t", "i", path, "/reserved-memory", cells, "1")
        fdt("fdtput", "-t", "x", path, "/reserved-memory", "ranges")
        fdt("fdtput", "-t", "x", path, "/reserved-memory/all", "reg", *(f"{n:x}" for item in reserved.items() for n in item))

    bundle = mkbundle(f"name=all,memory=184M,kernel={BUILD}/guests/isolation.bin,bootargs=mib=184",
                      f"name=talk,memory=8M,kernel={BUILD}/guests/talk.bin")
    args = [arg for word in words for arg in ("-device", f"loader,addr={word:#x},data={word ^ 0x5a5a5a5a:#x},data-len=4")]
    run = edited(edit, "-initrd", bundle, *args)
    run.expect_said("all", "summary: 1 passed, 0 failed")
    run.send("\x01c")
    for word in words:
        run.send(f"xp /1wx {word:#x}\n")
        run.expect(rf"{word:016x}: 0x{word ^ 0x5a5a5a5a:08x}\r")


def test_memory_that_is_not_there(edited, mkbundle):
    """The tree has twice the RAM of the machine. HYP lives through its own external abort, while it scrubs a block; the guest
    whose block that is takes one, and another VM goes on.
    """
    def edit(path):
        fdt("fdtput", "-cp", path, "/ram@50000000")
        fdt("fdtput", "-t", "s", path, "/ram@50000000", "device_type", "memory")
        fdt("fdtput", "-t", "x", path, "/ram@50000000", "reg", *"0 50000000 0 10000000".split())

    bundle = mkbundle(f"name=hole,memory=150M,kernel={BUILD}/guests/isolation.bin,bootargs=mib=150",
                      f"name=fine,memory=32M,kernel={BUILD}/guests/exceptions.bin")
    run = edited(edit, "-initrd", bundle)
    run.expect("virt7: no VM is running: power off\r")
    assert run.wait() == 0
    for line in (r"virt7: error: vm hole: the host's RAM at 0x5\w{7}, the guest's at 0x49\w{6}, does not answer \(external abort\)",
                 r"hole\|   pc \w+ psr \w+ fsr 00000a10 .*",  # external, by a store, long format (DDI 0406C B4.1.52)
                 r"fine\| summary: \d+ passed, 0 failed"):
        assert re.search(f"^{line}$", run.output(), re.M), line
    assert "PANIC" not in run.output()


SILENT = 8  # pages at the end of what the tree says is RAM, which the machine does not have


def short_of(mib):
    """For edited(): the tree's change, and the machine's RAM."""
    block = 0x40000000 + (mib - 2 << 20)

    def edit(path):
        fdt("fdtput", "-cp", path, f"/ram@{block:x}")
        fdt("fdtput", "-t", "s", path, f"/ram@{block:x}", "device_type", "memory")
        fdt("fdtput", "-t", "x", path, f"/ram@{block:x}", "reg", *f"0 {block:x} 0 200000".split())

    return edit, "-m", f"{mib * 1024 - SILENT * 4}K"


def test_pages_that_do_not_answer(edited, mkbundle):
    """Some pages of a block abort as it is zeroed for its VM: they are bad from then on, by themselves, others stand in, and the
    guest does not notice."""
    run = edited(*short_of(258), "-initrd", mkbundle(f"name=a,memory=246M,kernel={BUILD}/guests/isolation.bin,bootargs=mib=246"))
    run.expect("virt7: no VM is running: power off\r")
    assert run.wait() == 0
    assert "summary: 1 passed, 0 failed" in run.output()
    assert len(re.findall(r"vm a: the host's RAM at 0x501f[89a-f]000, the guest's at 0x4\w+, is bad: another page stands in for it",
                          run.output())) == SILENT


def test_disk_in_memory_that_is_not_there(edited, mkbundle):
    """The tree has RAM that the machine does not have, and a disk is there. HYP's copy meets an external abort (EC 0x25): I/O
    errors in Debian, and its pages are in quarantine by themselves."""
    def edit(path):
        fdt("fdtput", "-cp", path, "/ram@80000000")
        fdt("fdtput", "-t", "s", path, "/ram@80000000", "device_type", "memory")
        fdt("fdtput", "-t", "x", path, "/ram@80000000", "reg", *"0 80000000 0 19000000".split())

    run = edited(edit, "-m", "512M", "-initrd", mkbundle(f"name=debian,cpus=4,memory=200M,kernel={KERNEL},ramdisk={INITRAMFS},disk=size=300M,"
                                           "bootargs=console=ttyAMA0"), smp=4)
    run.expect("userspace up: |stopped at", timeout=BOOT)
    run.send("\r")
    run.expect("~ # ")
    for _ in range(3):
        run.send("dd if=/dev/zero of=/dev/vda bs=4k count=1 oflag=direct; echo status: $?\r")
        run.expect(r"Input/output error|I/O error", timeout=60)
        run.expect(r"status: 1\r", timeout=60)
    open_shell(run)
    assert "bad pages: 3, " in (mem := command(run, "mem"))
    assert len(re.findall(r"  host 0x0080\w{6}  a device of debian\n", mem)) == 3
    assert len(re.findall(r"vm debian: disk0: the host's RAM at 0x80\w{6} is bad: 4 KiB of the device's data are lost", run.output())) == 3
    power_off(run)


def test_stdout_path_elsewhere(edited):
    """A stdout-path that no driver knows: the first UART that one does."""
    run = edited(lambda path: fdt("fdtput", "-t", "s", path, "/chosen", "stdout-path", "/serial@1234"))
    run.expect("virt7: no VM is running: power off\r")
    assert run.wait() == 0


def test_polled_uart(edited, mkbundle):
    """No interrupt for the UART in the tree: characters come and go all the same."""
    bundle = mkbundle(f"name=debian,memory=128M,kernel={KERNEL},ramdisk={INITRAMFS},bootargs=console=ttyAMA0")
    run = edited(lambda path: fdt("fdtput", "-d", path, "/pl011@9000000", "interrupts"), "-initrd", bundle)
    run.expect("~ # ", timeout=BOOT)
    run.send("echo " + "0123456789" * 20 + " | wc -c\n")
    run.expect(r"\n201\r")
    run.send("poweroff -f\n")
    run.expect("virt7: no VM is running: power off\r")
    assert run.wait() == 0


# --- machines without PSCI: tests/guests/park.S starts virt7 with a tree of the test's own


@pytest.fixture
def parked(qemu):
    """parked(tree, ram, ...) -> Qemu: by park.S, on a machine whose RAM starts at `ram`. `psci`: PSCI has the other CPUs."""

    def start(tree, ram, *machine, psci=False, timeout=60):
        base = ram + 0x10000
        return qemu(*machine, "-nographic", "-kernel", BUILD / "guests/park.bin",
                    "-device", f"loader,file={BUILD / 'virt7.bin'},addr={base + 0x1000000:#x},force-raw=on",
                    "-device", f"loader,file={tree},addr={base + 0x2000000:#x},force-raw=on",
                    "-device", f"loader,addr={base + 0x3000000:#x},data={psci:d},data-len=4", timeout=timeout)

    return start


VIRT = ["-M", "virt,virtualization=on,gic-version=2", "-cpu", "cortex-a15", "-m", "256M", "-smp", "4"]


def without_psci(path, spin_table):
    fdt(QEMU, "-M", f"{VIRT[1]},dumpdtb={path}", *VIRT[2:], "-display", "none")
    fdt("fdtput", "-r", path, "/psci")
    if spin_table:
        for cpu in range(1, 4):
            fdt("fdtput", "-t", "s", path, f"/cpus/cpu@{cpu}", "enable-method", "spin-table")
            fdt("fdtput", "-t", "x", path, f"/cpus/cpu@{cpu}", "cpu-release-addr", "0", f"{0x43010000 + 8 * cpu:x}")
        fdt("fdtput", "-cp", path, "/reserved-memory/spin@43010000")
        fdt("fdtput", "-t", "x", path, "/reserved-memory", "#address-cells", "2")
        fdt("fdtput", "-t", "x", path, "/reserved-memory", "#size-cells", "2")
        fdt("fdtput", "-t", "x", path, "/reserved-memory", "ranges")
        fdt("fdtput", "-t", "x", path, "/reserved-memory/spin@43010000", "reg", "0", "43010000", "0", "1000")
    else:
        for cpu in range(4):
            fdt("fdtput", "-t", "s", path, f"/cpus/cpu@{cpu}", "enable-method", "acme,smp")


def test_failed_cpu(edited):
    """A CPU whose node says that it is broken is not touched."""
    run = edited(lambda path: fdt("fdtput", "-t", "s", path, "/cpus/cpu@1", "status", "fail"), smp=3)
    run.expect('virt7: warning: host: 1 of the CPUs in the device tree have status "fail" and are left out\r')
    run.expect("virt7: host: 2 of 2 CPUs online\r")
    run.expect("virt7: no VM is running: power off\r")
    assert run.wait() == 0


def test_spin_table(parked, tmp_path):
    tree = tmp_path / "spin.dtb"
    without_psci(tree, spin_table=True)
    run = parked(tree, 0x40000000, *VIRT)
    run.expect("virt7: host: 4 of 4 CPUs online\r")
    run.expect(r"\nHello from a virtual machine under virt7\.\r")
    run.expect("virt7: no VM is running: power off\r")
    run.expect(CANNOT_BE_SWITCHED_OFF)


def test_no_enable_method(parked, tmp_path):
    """CPUs that cannot be started are named, and the others go on."""
    tree = tmp_path / "acme.dtb"
    without_psci(tree, spin_table=False)
    run = parked(tree, 0x40000000, *VIRT)
    for cpu in range(1, 4):
        run.expect(rf"virt7: warning: host: CPU {cpu} \(MPIDR 0x{cpu}\) is left out: " + NO_MEANS)
    run.expect("virt7: host: 1 of 4 CPUs online\r")
    run.expect(r"\nHello from a virtual machine under virt7\.\r")


def test_psci_of_a_hypervisor(parked, tmp_path):
    """A tree for guests: PSCI by HVC, which no firmware serves in HYP mode."""
    tree = tmp_path / "hvc.dtb"
    fdt(QEMU, "-M", f"{VIRT[1]},dumpdtb={tree}", *VIRT[2:], "-display", "none")
    fdt("fdtput", "-t", "s", tree, "/psci", "method", "hvc")
    run = parked(tree, 0x40000000, *VIRT)
    run.expect(r"virt7: warning: host: CPU 1 \(MPIDR 0x1\) is left out: " + NO_MEANS)
    run.expect("virt7: no VM is running: power off\r")
    run.expect(CANNOT_BE_SWITCHED_OFF)


def test_syscon_poweroff(parked, tmp_path):
    """i.MX6UL without PSCI, its tree as it is on the board but for the memory: SNVS switches off."""
    tree = tmp_path / "imx6ul.dtb"
    tree.write_bytes(tree_of("mcimx6ul-evk").read_bytes())
    run = parked(tree, 0x80000000, "-M", "mcimx6ul-evk", "-m", "512M")
    run.expect("virt7: host: 1 of 1 CPUs online\r")
    run.expect("virt7: no VM is running: power off\r")
    assert run.wait() == 0


# --- dts/boards: what a loader that edits no tree leaves out

OVERLAYS = ROOT / "dts/boards"


@pytest.fixture
def overlaid(tmp_path):
    """overlaid(tree, name...) -> the tree with these of dts/boards in it, as docs/porting.md has it."""

    def apply(tree, *names):
        parts = []
        for name in names:
            parts.append(tmp_path / f"{name}.dtbo")
            fdt("dtc", "-q", "-@", "-I", "dts", "-O", "dtb", "-o", parts[-1], OVERLAYS / f"{name}.dtso")
        fdt("fdtoverlay", "-i", tree, "-o", tmp_path / "overlaid.dtb", *parts)
        return tmp_path / "overlaid.dtb"

    return apply


def virt_tree(path):
    fdt(QEMU, "-M", f"{VIRT[1]},dumpdtb={path}", *VIRT[2:], "-display", "none")
    return path


# overlays: (board, RAM, CPUs, what switches off)
PARKED = {
    "orangepi-pc psci": ("orangepi-pc", 0x40000000, 4, "PSCI"),
    "mcimx7d-sabre psci": ("mcimx7d-sabre", 0x80000000, 2, "PSCI, else by syscon-poweroff"),
    "mcimx7d-sabre": ("mcimx7d-sabre", 0x80000000, 1, "syscon-poweroff"),
}


@pytest.mark.parametrize("names", PARKED)
def test_overlay_parked(parked, overlaid, names):
    """The boards' own trees, of which QEMU sees nothing: memory, CPUs and the end of the run are the overlays'."""
    board, ram, cpus, off = PARKED[names]
    tree = overlaid(tree_of(board), *names.split())
    read = subprocess.run([BUILD / "unit/test_host", tree], check=True, capture_output=True, text=True).stdout
    assert f"off by {off}" in read.splitlines()
    run = parked(tree, ram, "-M", board, "-m", "1G", "-smp", BOARDS[board][0], psci=True)
    run.expect("virt7: host: 1024 MiB of RAM, ")
    run.expect(rf"virt7: host: {cpus} of {BOARDS[board][0]} CPUs online\r")
    run.expect("virt7: no VM is running: power off\r")
    assert run.wait() == 0


def test_overlay_4cpus(qemu, overlaid):
    run = qemu("-M", "vexpress-a15", *NO_SOUND, "-smp", "4", "-m", "1G", "-nographic", "-kernel", BUILD / "virt7.bin",
               "-dtb", overlaid(tree_of("vexpress-a15"), "vexpress-a15-4cpus"))
    run.expect("virt7: host: 4 of 4 CPUs online\r")
    run.expect("virt7: no VM is running: power off\r")
    assert run.wait() == 0


def test_overlay_chosen(qemu, overlaid):
    """Its options are heard, and its UART is one of the tree's."""
    tree = overlaid(tree_of("vexpress-a15"), "chosen")
    read = subprocess.run([BUILD / "unit/test_host", tree], check=True, capture_output=True, text=True).stdout
    assert BOARDS["vexpress-a15"][2].split("|")[0] in read.splitlines()
    run = qemu("-M", "vexpress-a15", *NO_SOUND, "-smp", "2", "-m", "1G", "-nographic", "-kernel", BUILD / "virt7.bin", "-dtb", tree)
    run.expect("virt7: no VM is running: power off\r")
    assert run.wait() == 0
    assert "virt7: virt7 " in run.output() and "virt7: host: GICv2" not in run.output()


def test_overlay_reserved(parked, overlaid, tmp_path):
    """What is reserved is no VM's: that much less is free."""
    free = []
    tree = virt_tree(tmp_path / "virt.dtb")
    for path in (tree, overlaid(tree, "reserved")):
        run = parked(path, 0x40000000, *VIRT, psci=True)
        free.append(int(run.expect(r"virt7: host: 256 MiB of RAM, (\d+) MiB free for VMs\r")[1]))
        run.expect("virt7: no VM is running: power off\r")
    assert free[0] - free[1] == 4


def test_overlays_are_tested():
    tested = {name for names in PARKED for name in names.split()} | {"vexpress-a15-4cpus", "chosen", "reserved"}
    assert {path.stem for path in OVERLAYS.glob("*.dtso")} == tested
