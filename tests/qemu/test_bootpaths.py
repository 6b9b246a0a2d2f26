# SPDX-License-Identifier: BSD-2-Clause
"""Every way into virt7: secure SVC, the reset vector in flash, U-Boot; and each of them entered wrongly."""
import os
import re
import struct
import subprocess

import pytest

from conftest import BUILD, QEMU, ROOT, SILENT

DEPS = ROOT / os.environ.get("DEPS", BUILD / "deps")
ROUNDS = 20 if os.environ.get("SOAK") else 3
VEXPRESS_DTB = next((DEPS / "armhf" / "usr" / "lib").glob("linux-image-*/vexpress-v2p-ca15-tc1.dtb"))


@pytest.fixture
def vexpress(qemu):
    """vexpress(machine options, ...) -> Qemu: by default its CPUs enter in secure SVC, the others wait for SYS_FLAGS."""

    def start(*args, machine="", timeout=120):
        return qemu("-M", "vexpress-a15" + machine, "-cpu", "cortex-a15", "-smp", 2, "-m", "1G", "-nographic",
                    *SILENT, "-dtb", VEXPRESS_DTB, "-kernel", BUILD / "virt7.bin", *args, timeout=timeout)

    return start


@pytest.mark.parametrize("machine", ["", ",secure=off"])
def test_vexpress(vexpress, machine):
    run = vexpress(machine=machine)
    run.expect(r"virt7: virt7 \S+ at 0x80010000, MIDR 0x414fc0f0\r")
    run.expect("virt7: host: 2 of 2 CPUs online\r")
    run.expect(r"\nHello from a virtual machine under virt7\.\r")
    run.expect("virt7: vm demo: off\r")


def test_erratum_by_monitor(vexpress):
    """ACTLR is asked for from the secure side, on each CPU; QEMU's ignores it."""
    run = vexpress("-append", "errata=773022")
    run.expect("virt7: host: 2 of 2 CPUs online\r")
    run.expect(r"virt7: warning: host: erratum 773022: CPUs 0x3 keep their loop buffer: only firmware can set ACTLR\[1\]\r")
    run.expect(r"\nHello from a virtual machine under virt7\.\r")


@pytest.mark.parametrize("machine", ["", ",secure=off"])
@pytest.mark.parametrize("smp", [4, 2])
def test_vexpress_cpus(vexpress, tmp_path, machine, smp):
    """A tree with four CPUs. One SGI wakes all of them, whichever is wanted; some may not be there."""
    tree = tmp_path / "four.dtb"
    tree.write_bytes(VEXPRESS_DTB.read_bytes())
    for cpu in "23":
        subprocess.run(["fdtput", "-c", tree, f"/cpus/cpu@{cpu}"], check=True)
        subprocess.run(["fdtput", "-t", "s", tree, f"/cpus/cpu@{cpu}", "device_type", "cpu"], check=True)
        subprocess.run(["fdtput", "-t", "x", tree, f"/cpus/cpu@{cpu}", "reg", cpu], check=True)
    run = vexpress("-dtb", tree, "-smp", smp, machine=machine)
    for mpidr in range(3, smp - 1, -1):
        run.expect(rf"virt7: warning: host: CPU \d \(MPIDR 0x{mpidr}\) is left out: it did not arrive in HYP mode\r")
    expect_demo(run, cpus=4, online=smp)


@pytest.fixture
def mkflash(tmp_path):
    """mkflash(bundle or None, ...) -> a flash image; more arguments are tools/mkflash's."""

    def make(bundle, *args, dtb=BUILD / "virt.dtb"):
        image = tmp_path / "flash.img"
        with_bundle = [] if bundle is None else ["--bundle", bundle]
        done = subprocess.run([ROOT / "tools" / "mkflash", "-o", image, "--dtb", dtb, *with_bundle, *args], text=True,
                              check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout
        return image

    return make


@pytest.fixture
def flash(qemu):
    """flash(image, ...) -> Qemu: the virt board with Security Extensions, all CPUs at the reset vector at once."""

    def start(image, *args, machine=",secure=on,virtualization=on", cpu="cortex-a15", smp=1, mem="512M", timeout=240):
        return qemu("-M", "virt,gic-version=2" + machine, "-cpu", cpu, "-smp", smp, "-m", mem, "-nographic",
                    "-bios", image, *args, timeout=timeout)

    return start


def expect_demo(run, cpus, online=None):
    run.expect(rf"virt7: host: {online or cpus} of {cpus} CPUs online\r")
    run.expect(r"\nHello from a virtual machine under virt7\.\r")
    run.expect("virt7: no VM is running: power off\r")
    assert run.wait() == 0


@pytest.mark.parametrize("smp", [1, 2, 4])
def test_flash(flash, mkflash, smp):
    """Every start is a race of all CPUs; the monitor brings them up, and switches the machine off."""
    image = mkflash(None, "--board-dtb", "0x40000000")
    for _ in range(ROUNDS):
        run = flash(image, smp=smp)
        expect_demo(run, smp)
        assert "virt7: error" not in run.output()


@pytest.mark.parametrize("cpu", ["cortex-a7", "max"])
def test_flash_other_cpus(flash, mkflash, cpu):
    expect_demo(flash(mkflash(None, "--board-dtb", "0x40000000"), cpu=cpu, smp=2), 2)


def test_flash_in_hyp(flash, mkflash):
    """Without Security Extensions the board starts CPU 0 alone, in HYP mode, and is PSCI itself."""
    run = flash(mkflash(None, "--board-dtb", "0x40000000"), machine=",virtualization=on", smp=2)
    expect_demo(run, 2)


def test_flash_own_device_tree(qemu, mkflash):
    """vexpress passes no device tree, so the one in flash counts; its UART is behind a bus with ranges."""
    run = qemu("-M", "vexpress-a15", "-cpu", "cortex-a15", "-smp", 2, "-m", "1G", "-nographic", *SILENT,
               "-bios", mkflash(None, dtb=VEXPRESS_DTB), timeout=120)
    expect_demo(run, 2)
    assert "at 0x81000000" in run.output()


CYCLES = 200 if os.environ.get("SOAK") else 20


def test_flash_cpus_off_and_on(qemu, mkflash, tmp_path):
    """Physical CPUs through the monitor's CPU_OFF and CPU_ON; the option is in the device tree in flash."""
    machine, dtb = "virt,gic-version=2,secure=on,virtualization=on", tmp_path / "board.dtb"
    subprocess.run([QEMU, "-M", f"{machine},dumpdtb={dtb}.big", "-smp", "4", "-m", "512M"], check=True, stderr=subprocess.DEVNULL)
    subprocess.run(["dtc", "-q", "-I", "dtb", "-O", "dtb", "-S", "16384", "-o", dtb, f"{dtb}.big"], check=True)
    subprocess.run(["fdtput", "-t", "s", dtb, "/chosen", "bootargs", f"cpu.cycle={CYCLES}"], check=True)
    run = qemu("-M", machine, "-cpu", "cortex-a15", "-smp", 4, "-m", "512M", "-nographic", "-bios",
               mkflash(None, dtb=dtb), timeout=240)
    expect_demo(run, 4)
    assert "warning: host" not in run.output()


def test_vexpress_cpus_off_and_on(vexpress):
    run = vexpress("-append", f"cpu.cycle={CYCLES}")
    expect_demo(run, 2)


RESTARTS = {
    "firmware": ["-M", "virt,virtualization=on,gic-version=2", "-m", "512M", "-kernel", BUILD / "virt7.bin"],
    "monitor": ["-M", "virt,secure=on,virtualization=on,gic-version=2", "-m", "512M", "-bios"],
    "registers": ["-M", "vexpress-a15", "-m", "1G", *SILENT, "-dtb", VEXPRESS_DTB, "-kernel",
                  BUILD / "virt7.bin"],
}


@pytest.mark.parametrize("means", RESTARTS)
def test_host_restarted(qemu, mkbundle, mkflash, means):
    """The shell's `reboot` and `poweroff`: by PSCI, by virt7's own monitor, by the registers in the device tree."""
    bundle = mkbundle(f"name=test,memory=8M,kernel={BUILD}/guests/talk.bin")
    payload = [mkflash(bundle, "--board-dtb", "0x40000000")] if means == "monitor" else ["-initrd", bundle]
    run = qemu(*RESTARTS[means], *payload, "-cpu", "cortex-a15", "-smp", 2, "-nographic", timeout=240)
    for command in ("reboot\r", "poweroff\r"):
        run.expect("virt7: host: 2 of 2 CPUs online\r")
        run.expect(r"talk: ready\r")
        run.send("\x1d")
        run.expect("virt7> ")
        run.send(command)
    assert run.wait() == 0
    assert run.output().count("virt7: virt7 ") == 2


@pytest.fixture
def bootpath(qemu, tmp_path):
    """bootpath(path, bundle or None, ...) -> Qemu, started as tools/bootpath says; keywords are its environment's."""

    def start(path, bundle, *args, image=BUILD / "virt7.bin", timeout=240, edit=lambda word: word, **settings):
        done = subprocess.run([ROOT / "tools" / "bootpath", path, tmp_path / path, image, *([bundle] if bundle else [])],
                              env=os.environ | settings, text=True, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        assert done.returncode == 0, done.stderr
        return qemu(*map(edit, done.stdout.splitlines()), *args, timeout=timeout)

    return start


UBOOT_PATHS = ("uboot-uimage", "uboot-fit", "uboot-bootz", "uboot-script")


@pytest.mark.parametrize("path", [*UBOOT_PATHS, "flash"])
def test_debian(bootpath, path):
    """To the shell and off again, with all CPUs."""
    run = bootpath(path, BUILD / "debian.itb", SMP="2")
    run.expect("virt7: host: 2 of 2 CPUs online\r")
    run.expect("userspace up: 1 cpus, 512 MiB\r")
    run.expect("~ # ")
    run.send("poweroff -f\n")
    run.expect("virt7: no VM is running: power off\r")
    assert run.wait() == 0
    assert "virt7: error" not in run.output()


@pytest.mark.parametrize("path", UBOOT_PATHS)
def test_uboot_secure(bootpath, mkbundle, path):
    """U-Boot in secure SVC, and so is virt7. (With more CPUs than one, all would run U-Boot.)"""
    bundle = mkbundle(f"name=test,memory=64M,kernel={BUILD}/guests/psci.bin")
    run = bootpath(path, bundle, SECURE="on")
    run.expect(r"summary: \d+ passed, 0 failed\r")
    run.expect("virt7: no VM is running: power off\r")
    assert run.wait() == 0


@pytest.mark.parametrize("path", ["direct", *UBOOT_PATHS, "flash"])
def test_run(path, mkbundle, tmp_path):
    """`make run BOOT=` is this command. virt7's options arrive on every path: it ends, with a status, where no VM can be started."""
    cut = tmp_path / "cut.itb"  # its images are missing
    cut.write_bytes(mkbundle(f"name=test,memory=64M,kernel={BUILD}/guests/psci.bin").read_bytes()[:-4000])
    done = subprocess.run([ROOT / "tools/run", f"BOOT={path}", "OPTIONS=gic.lrs=3", f"BUNDLE={cut}"], text=True,
                          check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=240)
    assert done.returncode == 1
    assert "virt7: host: GICv2 with 3 list registers\n" in done.stdout
    assert "virt7: error: stopped at: start\n" in done.stdout


# --- Entered wrongly: one line that says what to do, on every path -----------------------------------------------------

NO_TREE = (r"virt7: error: no device tree at r2 = 0x00000000: load the board's \.dtb and pass its address "
           r"\(U-Boot: bootz IMAGE BUNDLE DTB\)\r")
NOT_HYP = "virt7: error: entered in SVC mode, not HYP: start virt7 in HYP mode; on QEMU add virtualization=on to -M virt\r"
NO_HYP = ("virt7: error: entered in SVC mode, and this CPU has no HYP mode: virt7 needs a Cortex-A15 or A7; on QEMU leave "
          "out virtualization=off\r")
HYP_LEFT = ("virt7: error: entered in SVC mode, not HYP: start virt7 in HYP or secure SVC mode; U-Boot: setenv "
            "bootm_boot_mode sec\r")


@pytest.fixture
def with_uart(tmp_path):
    """virt7.bin that knows a UART without any device tree."""
    image = tmp_path / "virt7-uart.bin"
    subprocess.run([ROOT / "tools" / "image-header", BUILD / "virt7.bin", "-o", image, "--uart", "arm,pl011@0x09000000"],
                   check=True)
    return image


@pytest.mark.parametrize("machine", ["virtualization=on", "secure=on,virtualization=on", "secure=off"])
def test_no_device_tree(qemu, with_uart, machine):
    run = qemu("-M", f"virt,gic-version=2,{machine}", "-cpu", "cortex-a15", "-m", "256M", "-nographic", "-device",
               f"loader,file={with_uart},addr=0x48000000,force-raw=on", "-device", "loader,addr=0x48000000,cpu-num=0")
    run.expect(NO_TREE)
    run.expect("virt7: error: stopped\r")


@pytest.mark.parametrize("path", [*UBOOT_PATHS, "flash"])
def test_svc(bootpath, mkbundle, path):
    """A machine without HYP mode, entered in non-secure SVC."""
    bundle = mkbundle(f"name=test,memory=64M,kernel={BUILD}/guests/psci.bin")
    run = bootpath(path, bundle, edit=lambda word: word.replace(",virtualization=on", "").replace(",secure=on", ""))
    run.expect(NOT_HYP)


def test_kernel_leaves_secure_state(qemu):
    run = qemu("-M", "virt,secure=on,gic-version=2", "-cpu", "cortex-a15", "-m", "256M", "-nographic", "-kernel",
               BUILD / "virt7.bin")
    run.expect(NOT_HYP)


@pytest.mark.parametrize("path", [*UBOOT_PATHS, "flash"])
def test_secure_without_hyp(bootpath, mkbundle, path):
    """Security Extensions alone are not enough."""
    bundle = mkbundle(f"name=test,memory=64M,kernel={BUILD}/guests/psci.bin")
    run = bootpath(path, bundle, SECURE="on", edit=lambda word: word.replace(",virtualization=on", ""))
    run.expect(NOT_HYP)


def test_flash_ram_too_small(bootpath, mkbundle):
    """The bundle does not fit into the RAM that the machine has; in HYP, and in secure SVC."""
    bundle = mkbundle(f"name=test,memory=64M,kernel={BUILD}/guests/psci.bin")
    for edit in (lambda word: word, lambda word: word.replace(",secure=on", "")):
        run = bootpath("flash", bundle, edit=lambda word, edit=edit: "18M" if word == "1G" else edit(word))
        run.expect(r"virt7: error: flash: no RAM at 0x41[0-9a-f]{6}, where virt7, the device tree or the bundle go: give "
                   r"the board more RAM, or make the flash image for its device tree \(make flash FLASH_DTB=\)\r")


def flash_parts(image):
    """{name: (offset, size)} by the table in the flash image's header (boot/flash.h)."""
    rows = struct.iter_unpack("<4I", image[0x20 + 0x2c:0x20 + 0x5c])
    return {name: (offset, size) for name, (offset, size, _, _) in zip(("virt7", "tree", "bundle"), rows)}


def test_flash_of_other_sizes(flash, mkflash, mkbundle, tmp_path):
    """virt7.bin as large as its budget allows, and a tree of 200 KiB; both once had less room in flash."""
    image, tree = tmp_path / "large.bin", tmp_path / "large.dtb"
    image.write_bytes((BUILD / "virt7.bin").read_bytes().ljust(384 << 10, b"x"))
    subprocess.run(["dtc", "-q", "-I", "dtb", "-O", "dtb", "-S", str(200 << 10), "-o", tree, BUILD / "virt.dtb"],
                   check=True)
    bundle = mkbundle(f"name=test,memory=8M,kernel={BUILD}/guests/talk.bin")
    path = mkflash(bundle, "--image", image, dtb=tree)
    parts = flash_parts(path.read_bytes())
    assert parts["virt7"] == (0x1000, 384 << 10)
    assert parts["tree"] == (0x61000, 200 << 10)
    assert parts["bundle"][0] == 0x93000
    flash(path).expect(r"talk: ready\r")


BAD_TABLE = "the table at its start is damaged"
BAD_PART = "virt7, the device tree or the bundle is damaged, that at offset 0x"
BAD_FLASH = {  # where it is damaged, and what is said
    "header": (lambda parts: 0x20 + 0x10, BAD_TABLE),
    "table": (lambda parts: 0x20 + 0x5c - 1, BAD_TABLE),
    "virt7": (lambda parts: sum(parts["virt7"]) - 1, BAD_PART + "{virt7:08x}"),
    "tree": (lambda parts: parts["tree"][0] + 40, BAD_PART + "{tree:08x}"),
    "bundle": (lambda parts: sum(parts["bundle"]) - 16, BAD_PART + "{bundle:08x}"),
}


@pytest.mark.parametrize("where", BAD_FLASH)
def test_flash_damaged(flash, mkflash, mkbundle, where):
    """One bit is another; nothing of virt7 runs."""
    path = mkflash(mkbundle(f"name=test,memory=8M,kernel={BUILD}/guests/talk.bin"))
    image = bytearray(path.read_bytes())
    parts = flash_parts(image)
    place, text = BAD_FLASH[where]
    image[place(parts)] ^= 0x10
    path.write_bytes(image)
    run = flash(path, smp=1)
    run.expect("virt7: error: flash: " + text.format(**{name: offset for name, (offset, _) in parts.items()})
               + r": write the flash image again \(make flash\)\r")
    assert "virt7: virt7 " not in run.output()


FLASH_UARTS = {
    "words": ("orangepi-pc", "1G", 0x48000000, "sun8i-h3-orangepi-pc", "/memory"),
    "bytes": ("orangepi-pc", "1G", 0x48000000, "sun8i-h3-orangepi-pc", "/memory"),
    "imx": ("mcimx7d-sabre", "512M", 0x88000000, "imx7d-sdb", "/memory@80000000"),
}


@pytest.mark.parametrize("kind", FLASH_UARTS)
def test_flash_uarts(qemu, mkflash, tmp_path, kind):
    """The tree has RAM where the board has none, and flash lies where it has some. An 8250 by words and bytes; i.MX."""
    board, mem, at, tree, memory = FLASH_UARTS[kind]
    dtb = tmp_path / "board.dtb"
    dtb.write_bytes(next((DEPS / "armhf" / "usr" / "lib").glob(f"linux-image-*/{tree}.dtb")).read_bytes())
    subprocess.run(["fdtput", "-p", "-t", "s", dtb, memory, "device_type", "memory"], check=True)
    subprocess.run(["fdtput", "-t", "x", dtb, memory, "reg", "c0000000", "10000000"], check=True)
    if kind == "bytes":
        subprocess.run(["fdtput", "-d", dtb, "/soc/serial@1c28000", "reg-io-width"], check=True)
    run = qemu("-M", board, "-nographic", "-m", mem, "-device",
               f"loader,file={mkflash(None, dtb=dtb)},addr={at:#x},force-raw=on", "-device", f"loader,addr={at:#x},cpu-num=0")
    run.expect("virt7: error: flash: no RAM at 0xc12[0-9a-f]{5}, where virt7, the device tree or the bundle go: ")


def test_flash_knows_every_uart():
    """tools/uarts.py has the compatible strings of the UARTs in hyp/host/drivers.c."""
    drivers = set(re.findall(r'\{"([^"]+)", uart_probe,', (ROOT / "hyp/host/drivers.c").read_text()))
    text = (ROOT / "tools/uarts.py").read_text()
    assert len(drivers) > 10
    assert {name for name in drivers if f'"{name}"' not in text} == set()


# The tree at its start is whole.
CUT_OFF = "vm test: kernel: /images/psci.bin: data-size: the data ends beyond the bundle; load the whole file\r"


@pytest.mark.parametrize("path", [*UBOOT_PATHS, "flash"])
def test_bundle_cut_off(bootpath, mkbundle, tmp_path, path):
    whole = mkbundle(f"name=test,memory=64M,kernel={BUILD}/guests/psci.bin")
    cut = tmp_path / "cut.itb"
    cut.write_bytes(whole.read_bytes()[:-4000])
    run = bootpath(path, cut)
    run.expect("virt7: error: " + CUT_OFF)
    run.expect("virt7: error: no VM could be started: see the lines above\r")


def expect_no_bundle(run):
    run.expect("virt7: warning: no bundle ")
    run.expect(r"\nHello from a virtual machine under virt7\.\r")
    run.expect("virt7: no VM is running: power off\r")
    assert run.wait() == 0


@pytest.mark.parametrize("path", ["uboot-uimage", "uboot-bootz", "uboot-script", "flash"])
def test_bundle_missing(bootpath, path):
    expect_no_bundle(bootpath(path, None))


def test_bundle_missing_fit(bootpath, psci_bundle):
    """A FIT with a bundle in it, of which U-Boot is not told."""
    expect_no_bundle(bootpath("uboot-fit", psci_bundle, UBOOT_COMMAND="bootm 0x50000000:virt7 - ${fdtcontroladdr}"))


def test_bundle_missing_vexpress(vexpress):
    vexpress().expect("virt7: warning: no bundle ")


def test_bundle_cut_off_vexpress(vexpress, psci_bundle, tmp_path):
    cut = tmp_path / "cut.itb"
    cut.write_bytes(psci_bundle.read_bytes()[:-4000])
    run = vexpress("-initrd", cut)
    run.expect("virt7: error: " + CUT_OFF)
    run.expect("virt7: error: no VM could be started: see the lines above\r")


@pytest.fixture
def psci_bundle(mkbundle):
    return mkbundle(f"name=test,memory=64M,kernel={BUILD}/guests/psci.bin")


@pytest.mark.parametrize("machine", [",virtualization=off", ",secure=off,virtualization=off"])
def test_vexpress_without_hyp(vexpress, machine):
    vexpress(machine=machine).expect(NO_HYP)


def test_hyp_left(qemu, tmp_path):
    """A loader that was in HYP mode, as U-Boot for Linux in non-secure SVC may be, and leaves it."""
    loader = tmp_path / "loader.bin"
    loader.write_bytes(struct.pack("<6I", 0xe3a02442,   # mov r2, #0x42000000
                                   0xe3a03444,          # mov r3, #0x44000000
                                   0xe3a000d3,          # mov r0, #0xd3: SVC mode
                                   0xe16ff000,          # msr spsr_cxsf, r0
                                   0xe12ef303,          # msr elr_hyp, r3
                                   0xe160006e))         # eret
    run = qemu("-M", "virt,virtualization=on,gic-version=2", "-cpu", "cortex-a15", "-m", "256M", "-nographic",
               "-device", f"loader,file={BUILD / 'virt.dtb'},addr=0x42000000,force-raw=on",
               "-device", f"loader,file={BUILD / 'virt7.bin'},addr=0x44000000,force-raw=on",
               "-device", f"loader,file={loader},addr=0x41000000,force-raw=on",
               "-device", "loader,addr=0x41000000,cpu-num=0")
    run.expect(HYP_LEFT)


NO_TREE_COMMANDS = {"uboot-uimage": "bootm 0x42000000", "uboot-bootz": "bootz 0x42000000 -",
                    "uboot-fit": "bootm 0x50000000:virt7"}


@pytest.mark.parametrize("path", NO_TREE_COMMANDS)
def test_uboot_no_device_tree(bootpath, psci_bundle, path):
    """U-Boot itself refuses, before virt7."""
    run = bootpath(path, psci_bundle, UBOOT_COMMAND=NO_TREE_COMMANDS[path])
    run.expect("FDT and ATAGS support not compiled in\r")
    assert "virt7: " not in run.output()


def expect_no_gich(run):
    run.expect(r"virt7: error: host: GIC node [^ ]+ has no region 2 \(GICH and GICV are needed\): "
               r"add it to the node's reg\r")
    run.expect("virt7: error: this board's device tree lacks what virt7 needs\r")


def without_gich(tree, path, node, *reg):
    path.write_bytes(tree.read_bytes())
    subprocess.run(["fdtput", "-t", "x", path, node, "reg", *reg], check=True)
    return path


VIRT_GIC = ("/intc@8000000", *"0 8000000 0 10000 0 8010000 0 10000".split())


@pytest.mark.parametrize("boot", ["bootm", "bootz"])
def test_uboot_no_gich(bootpath, boot):
    """The tree edited in U-Boot."""
    command = ("fdt addr ${fdtcontroladdr}; fdt set /intc@8000000 reg <0 0x8000000 0 0x10000 0 0x8010000 0 0x10000>; "
               f"{boot} 0x42000000 - ${{fdtcontroladdr}}")
    expect_no_gich(bootpath({"bootm": "uboot-uimage", "bootz": "uboot-bootz"}[boot], None, UBOOT_COMMAND=command))


@pytest.mark.parametrize("path", ["uboot-fit", "uboot-script"])
def test_own_tree_no_gich(bootpath, psci_bundle, tmp_path, path):
    """The tree in the FIT, and the one that boot.scr loads by ${fdtfile}."""
    tree = without_gich(BUILD / "virt.dtb", tmp_path / "nogich.dtb", *VIRT_GIC)
    expect_no_gich(bootpath(path, psci_bundle, DTB=str(tree)))


def test_flash_no_gich(flash, mkflash, tmp_path):
    tree = without_gich(BUILD / "virt.dtb", tmp_path / "nogich.dtb", *VIRT_GIC)
    expect_no_gich(flash(mkflash(None, dtb=tree)))


def test_vexpress_no_gich(vexpress, tmp_path):
    """GICC is not where Cortex-A15 has it, so that GICH cannot be guessed from it."""
    tree = without_gich(VEXPRESS_DTB, tmp_path / "nogich.dtb", "/interrupt-controller@2c001000",
                        *"0 2c001000 0 1000 0 2c003000 0 1000".split())
    expect_no_gich(vexpress("-dtb", tree))


@pytest.mark.parametrize("machine", [["-M", "virt,virtualization=on,gic-version=2"],
                                     ["-M", "vexpress-a15", *SILENT, "-dtb", VEXPRESS_DTB]])
def test_ram_too_small(qemu, machine):
    run = qemu(*machine, "-cpu", "cortex-a15", "-m", "8M", "-nographic", "-kernel", BUILD / "virt7.bin")
    run.expect(r"virt7: error: host: 8 MiB of RAM are too few: no 4 MiB in one piece for virt7's heap; "
               r"give the board more RAM\r")


@pytest.mark.parametrize("path", UBOOT_PATHS)
def test_uboot_ram_too_small(bootpath, psci_bundle, tmp_path, path):
    """U-Boot needs more RAM than virt7 does; but of what the machine has, the tree can reserve all save 4 MiB."""
    tree, free = tmp_path / "reserved.dtb", 0x48000000 if path in ("uboot-uimage", "uboot-fit") else 0x42000000
    tree.write_bytes((BUILD / "virt.dtb").read_bytes())
    ranges = [0x40000000, free - 0x40000000, free + 0x400000, 0x80000000 - free - 0x400000]
    subprocess.run(["fdtput", "-cp", tree, "/reserved-memory/all"], check=True)
    subprocess.run(["fdtput", "-t", "i", tree, "/reserved-memory", "#address-cells", "1"], check=True)
    subprocess.run(["fdtput", "-t", "i", tree, "/reserved-memory", "#size-cells", "1"], check=True)
    subprocess.run(["fdtput", "-t", "x", tree, "/reserved-memory", "ranges"], check=True)
    subprocess.run(["fdtput", "-t", "x", tree, "/reserved-memory/all", "reg", *(f"{n:x}" for n in ranges)], check=True)
    run = bootpath(path, psci_bundle, DTB=str(tree)) if path in ("uboot-fit", "uboot-script") else \
        bootpath(path, psci_bundle, "-dtb", tree)
    run.expect(r"virt7: error: host: 1024 MiB of RAM are too few: no 4 MiB in one piece for virt7's heap; "
               r"give the board more RAM\r")


@pytest.mark.parametrize("path", [*UBOOT_PATHS, "flash", "vexpress"])
def test_ram_too_small_for_vm(bootpath, vexpress, mkbundle, path):
    """U-Boot needs more RAM than virt7; what is left can be too little for the VM."""
    bundle = mkbundle(f"name=test,memory=2G,kernel={BUILD}/guests/psci.bin")
    run = vexpress("-initrd", bundle) if path == "vexpress" else bootpath(path, bundle)
    run.expect(r"virt7: error: vm test: memory: 2048 MiB asked for, the host has \d+ MiB free; "
               r"lower memory in /vms/test\r")
