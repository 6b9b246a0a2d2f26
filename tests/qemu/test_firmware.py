# SPDX-License-Identifier: BSD-2-Clause
"""Firmware of other projects, unmodified: EDK2 and U-Boot of Debian's packages, in flash and as a kernel, natively and under
virt7. Variables survive a reset, and a VM that is made anew from what `flash save` printed.
"""
import re
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest

from conftest import BUILD, DEPS, ROOT
from test_hostdisk import FILLED, PLACE, SECTOR, drive, with_mbr
from test_shell import command, open_shell

UBOOT = Path("/usr/lib/u-boot/qemu_arm")
EDK2 = Path("/usr/share/AAVMF")
CODE, VARS = EDK2 / "AAVMF32_CODE.fd", EDK2 / "AAVMF32_VARS.fd"
BANK = 64 << 20
BOOT = 300  # seconds, on a machine that does other things besides
PROMPT = "=> $"
VARIABLE = "VIRT7 -guid 11111111-2222-3333-4444-555555555555"


@pytest.fixture
def disk(tmp_path):
    """4 MiB, of which no block is as another."""
    path = tmp_path / "disk.img"
    path.write_bytes(b"".join((n * 2654435761 & 0xffffffff).to_bytes(4, "little") for n in range(1 << 20)))
    return path


def disk_args(disk, legacy):
    return ["-global", f"virtio-mmio.force-legacy={'true' if legacy else 'false'}", "-drive",
            f"if=none,id=d,format=raw,readonly=on,file={disk}", "-device", "virtio-blk-device,drive=d"]


def type_at(run, prompt, text, answer):
    run.send(text + "\r")
    match = run.expect(answer)
    run.expect(prompt)
    return match


# U-Boot

def stop_autoboot(run):
    run.expect("Hit any key to stop autoboot", timeout=BOOT)
    run.send(" ")
    run.expect(PROMPT)


def read_disk(run, disk):
    """virtio info, and what a read brings into memory."""
    type_at(run, PROMPT, "virtio scan", "virtio scan")
    type_at(run, PROMPT, "virtio info", r"Capacity: 4\.0 MB")
    type_at(run, PROMPT, "virtio read 41000000 800 1000", r"4096 blocks read: OK")
    want = zlib.crc32(disk.read_bytes()[0x800 * 512:][:0x1000 * 512])
    type_at(run, PROMPT, "crc32 41000000 200000", f"==> {want:08x}")


def keep_variable(run):
    """Saved, it is there after a reset."""
    type_at(run, PROMPT, "setenv virt7 kept", "setenv")
    type_at(run, PROMPT, "saveenv", r"Protected 2 sectors\s+OK")
    run.send("reset\r")
    stop_autoboot(run)
    type_at(run, PROMPT, "printenv virt7", "virt7=kept")


def end(run):
    run.send("poweroff\r")
    assert run.wait() == 0


@pytest.mark.parametrize("legacy", [False, True], ids=["v2", "v1"])
def test_uboot_native(qemu, disk, legacy):
    """Without its environment: in QEMU 7.2's own flash saveenv times out in the second sector."""
    run = qemu("-M", "virt,gic-version=2", "-cpu", "cortex-a15", "-m", "256M", "-nographic", "-bios", UBOOT / "u-boot.bin",
               "-net", "none", *disk_args(disk, legacy))
    stop_autoboot(run)
    read_disk(run, disk)
    end(run)


@pytest.mark.parametrize("legacy", [False, True], ids=["v2", "v1"])
def test_uboot_in_flash(virt7, mkbundle, disk, legacy):
    run = virt7(mkbundle(f"name=uboot,memory=256M,flash={UBOOT}/u-boot.bin,disk={disk}:ro" + ",virtio-legacy" * legacy))
    run.expect("virt7: vm uboot: starts from its flash\r")
    stop_autoboot(run)
    read_disk(run, disk)
    keep_variable(run)
    end(run)


def test_uboot_as_kernel(virt7, mkbundle, disk):
    """Its ELF file is position-independent by its header, and linked for the flash at 0."""
    run = virt7(mkbundle(f"name=uboot,memory=256M,kernel={UBOOT}/uboot.elf,flash,disk={disk}:ro"))
    run.expect(r'virt7: vm uboot: loading kernel "uboot.elf", \d+ KiB\r')
    stop_autoboot(run)
    read_disk(run, disk)
    keep_variable(run)
    end(run)


def test_firmware_as_raw_kernel(virt7, mkbundle):
    """It is made for address 0 and says nothing, on QEMU's own board neither; here there is a hint, once."""
    run = virt7(mkbundle(f"name=uboot,memory=256M,kernel={UBOOT}/u-boot.bin"))
    hint = "virt7: warning: vm uboot: aborts over and over at PC 0xc: "
    run.expect(hint + r"its image is not for QEMU's virt board, or not for where it was put; firmware \(EDK2, U-Boot\) starts in "
               r"flash \(mkbundle: flash=\)\r")
    open_shell(run)
    command(run, "vm reset uboot")
    command(run, "log")
    assert run.output().count(hint) == 2  # when it came, and in the log


def test_silent_guest(virt7, mkbundle, tmp_path):
    """A raw image that goes round in circles has a line, once; one that prints and then waits has none."""
    (tmp_path / "circle").write_bytes(bytes.fromhex("feffffea"))  # b .
    run = virt7(mkbundle(f"name=circle,memory=16M,kernel={tmp_path}/circle", f"name=talk,memory=16M,kernel={BUILD}/guests/talk.bin"))
    hint = "nothing on its console for 10 s: "
    run.expect(f"virt7: vm circle: {hint}its kernel, a raw image, was started at 0x40010000; "
               r"firmware \(EDK2, U-Boot\) starts in flash instead \(docs/firmware.md\)\r")
    open_shell(run)
    command(run, "vm reset circle")
    command(run, "log")
    assert run.output().count(f"vm circle: {hint}") == 2 and f"vm talk: {hint}" not in run.output()


def save_flash(run, vm, folder):
    """What tools/flashvars makes of the shell's words."""
    open_shell(run)
    run.send(f"flash save {vm}\r")
    run.expect("flash: crc32 [0-9a-f]{8}\r")
    run.expect("virt7> ")
    path = folder / "saved.fd"
    done = subprocess.run([ROOT / "tools/flashvars", run.log_path, "-o", path], text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert path.stat().st_size == BANK
    return path


def test_flash_save(virt7, mkbundle, tmp_path):
    """The environment of a VM begins another one."""
    vm = f"name=uboot,memory=64M,flash={UBOOT}/u-boot.bin"
    run = virt7(mkbundle(vm))
    stop_autoboot(run)
    keep_variable(run)
    saved = save_flash(run, "uboot", tmp_path)
    run.close()
    assert b"virt7=kept\0" in saved.read_bytes()[:0x40000]
    assert set(saved.read_bytes()[0x80000:]) == {0}
    run = virt7(mkbundle(f"{vm}:{saved}"))
    stop_autoboot(run)
    type_at(run, PROMPT, "printenv virt7", "virt7=kept")
    end(run)


def test_flash_on_a_disk(virt7, mkbundle, tmp_path):
    """The environment is on a partition of the host's disk: QEMU is killed as soon as it is saved, and another one finds it. Nothing else
    of the disk has changed."""
    data = bytearray(FILLED)
    first, count = with_mbr(data)[2]
    there = slice(first * SECTOR, (first + count) * SECTOR)
    data[there] = b"\xff" * (count * SECTOR)
    path = tmp_path / "disk.img"
    path.write_bytes(data)
    bundle = mkbundle(f"name=uboot,memory=64M,flash={UBOOT}/u-boot.bin:host={PLACE}:2")
    run = virt7(bundle, *drive(path, 2))
    stop_autoboot(run)
    type_at(run, PROMPT, "setenv virt7 kept", "setenv")
    type_at(run, PROMPT, "saveenv", r"Protected 2 sectors\s+OK")
    run.close()
    after = path.read_bytes()
    assert b"virt7=kept\0" in after[there][:0x40000] and set(after[there][0x80000:]) == {0xff}
    data[there] = after[there]
    assert data == after
    run = virt7(bundle, *drive(path, 1))
    stop_autoboot(run)
    type_at(run, PROMPT, "printenv virt7", "virt7=kept")
    end(run)


# EDK2

def edk2_native(qemu, tmp_path, *args):
    variables = tmp_path / "vars.fd"
    variables.write_bytes(VARS.read_bytes())
    return qemu("-M", "virt,gic-version=2", "-cpu", "cortex-a15", "-m", "512M", "-nographic", "-net", "none",
                "-drive", f"if=pflash,format=raw,readonly=on,file={CODE}", "-drive", f"if=pflash,format=raw,file={variables}", *args,
                timeout=BOOT)


def enter_shell(run):
    run.expect("ESC", timeout=BOOT)
    run.send("\x1b")
    run.expect("Shell> ", timeout=BOOT)


def check_edk2(run):
    """The shell, the disk, and a variable that survives a reset."""
    enter_shell(run)
    type_at(run, "Shell> ", "map -r", r"BLK0:[\s\S]*VenHw\(837DCA9E-E874-4D82-B29A-23FE0E23D1E2")
    type_at(run, "Shell> ", f"setvar {VARIABLE} -bs -rt -nv =0x42", "")  # its echo has a cursor's way in it
    run.send("reset\r")
    enter_shell(run)
    type_at(run, "Shell> ", f"setvar {VARIABLE}", r"- 0001 Bytes\s+42")
    run.send("reset -s\r")
    assert run.wait(timeout=BOOT) == 0


def test_edk2_native(qemu, tmp_path, disk):
    check_edk2(edk2_native(qemu, tmp_path, *disk_args(disk, False)))


def test_edk2(virt7, mkbundle, disk):
    bundle = mkbundle(f"name=efi,memory=512M,flash={CODE}:{VARS},disk={disk}:ro")
    assert bundle.stat().st_size < 8 << 20  # of 128 MiB of flash and 4 of the disk
    run = virt7(bundle, mem="1G", timeout=BOOT)
    run.expect("virt7: vm efi: starts from its flash\r")
    check_edk2(run)


def test_flash_costs_what_is_used(virt7, mkbundle):
    """EDK2 in 128 MiB of flash takes 4 MiB of the host's RAM beside the VM's."""
    run = virt7(mkbundle(f"name=efi,memory=64M,flash={CODE}:{VARS},autostart=no"))
    run.expect(r"64 MiB\r")
    open_shell(run)
    run.send("mem\r")
    assert int(run.expect(r"disks and flash +(\d+) MiB\r")[1]) <= 4


def test_long_commands(virt7, mkbundle):
    """A sector's erase and a full buffer's program, each in one write of the guest's: interrupts wait for no longer."""
    run = virt7(mkbundle(f"name=test,memory=64M,kernel={BUILD}/guests/talk.bin,flash"), "-icount", "shift=0,sleep=off")
    run.expect("talk: ready")
    run.send("program\r")
    took = run.expect(r"program: (\d+) ns, erase: (\d+) ns, status 00800080\r")
    assert max(int(took[1]), int(took[2])) <= 10500  # instructions: 10,000 and the guest's own


def test_flash_save_without(virt7, mkbundle):
    run = virt7(mkbundle(f"name=plain,memory=64M,autostart=no,kernel={ROOT}/build/guests/talk.bin"))
    run.expect(r"64 MiB\r")
    open_shell(run)
    run.send("flash save plain\r")
    run.expect("VM plain has no flash\r")
    run.send("flash save absent\r")
    run.expect("no VM is called absent")


def flashvars(folder, text, *more):
    log = folder / "console.log"
    log.write_text(text)
    done = subprocess.run([ROOT / "tools/flashvars", log, "-o", folder / "x.fd", *more], text=True, capture_output=True, check=False)
    return done.returncode, done.stderr.replace(f"{log}: ", "")


def dump(*lines, vm="a", size="1000"):
    body = "".join(line + "\n" for line in lines)
    return "".join(f"flash: {line}\n" for line in (f"{vm} {size} ff", *lines, f"crc32 {zlib.crc32(body.encode()):08x}"))


def test_flashvars(tmp_path):
    assert flashvars(tmp_path, "x\r\n" + dump("0000010 = 0102", "0000100 * 20 5a")) == (0, "")
    data = (tmp_path / "x.fd").read_bytes()
    assert data == bytes([255] * 16 + [1, 2] + [255] * 238 + [0x5a] * 32 + [255] * (4096 - 288))
    both = dump("0000000 = 01", vm="a") + dump("0000000 = 02", vm="b")
    assert flashvars(tmp_path, both, "--vm", "a") == (0, "") and (tmp_path / "x.fd").read_bytes()[0] == 1
    assert flashvars(tmp_path, both) == (0, "") and (tmp_path / "x.fd").read_bytes()[0] == 2
    twice = dump("0000000 = 01").replace("= 01", "= 09") + 2 * dump("0000000 = 01")  # damaged, then twice the same
    assert flashvars(tmp_path, twice) == (0, "") and (tmp_path / "x.fd").read_bytes()[0] == 1
    forged = "".join(f"evil| {line}\n" for line in dump("0000000 = 03").splitlines())
    assert flashvars(tmp_path, dump("0000000 = 01") + forged) == (0, "") and (tmp_path / "x.fd").read_bytes()[0] == 1


@pytest.mark.parametrize("text, line", [
    ("", "nothing that `flash save VM` printed, or not its last line (flash: crc32 ...)"),
    (dump("0000000 = 01").rsplit("flash:", 1)[0], "nothing that `flash save VM` printed, or not its last line (flash: crc32 ...)"),
    (dump("0000000 = 01", "0000002 = 02").replace("= 02", "= 03"), "lines are missing or damaged, their CRC does not match; print them "
                                                                  "again"),
    (dump("0001000 = 01"), "'0001000 = 01' is beyond the bank"),
    (dump("what"), "'what' is not a line of flash save"),
    (dump(size="ffffffff"), "0xffffffff bytes are more than a bank has"),
    (dump("0000000 = 01") + dump("0000000 = 02"), "has several of VM a that differ; give a log of one `flash save a` alone"),
    (dump("0000000 = 01").replace("flash", "a| flash"), "nothing that `flash save VM` printed, or not its last line (flash: crc32 ...)"),
], ids=["nothing", "cut", "damaged", "beyond", "word", "size", "differ", "printed"])
def test_flashvars_errors(tmp_path, text, line):
    assert flashvars(tmp_path, text) == (1, f"flashvars: {line}\n")


def test_kernel_too_large_for_a_bank(virt7, tmp_path):
    """A bank without an image has 2 MiB of RAM; mkbundle says so in virt7's words, to the page."""
    kernel, bundle, source = tmp_path / "k", tmp_path / "x.itb", tmp_path / "x.its"

    def make(load, size, tool="tools/mkbundle"):
        kernel.write_bytes(bytes(range(1, 250)) * (size // 249 + 1))
        subprocess.run(["truncate", "-s", str(size), kernel], check=True)
        source.write_text(f"""/dts-v1/; / {{ description = "x"; images {{ k {{ data = /incbin/("{kernel}"); type = "kernel";
            arch = "arm"; compression = "none"; load = <{load:#x}>; hash-1 {{ algo = "crc32"; }}; }}; }};
            vms {{ a {{ compatible = "virt7,vm"; memory = <65536>; kernel = "k"; f {{ compatible = "virt7,cfi-flash"; }}; }}; }}; }};
            """, encoding="utf-8")
        command = [ROOT / tool, "-o", bundle, source] if tool else ["mkimage", "-f", source, bundle]
        done = subprocess.run(command, text=True, capture_output=True, check=False)
        return done.returncode, done.stderr

    line = 'vm a: kernel "k": larger than the 2 MiB that a bank of flash without an image has; give a smaller kernel'
    assert make(4096, 2 << 20) == (0, "")
    run = virt7(bundle)
    run.expect('virt7: vm a: loading kernel "k", 2048 KiB\r')
    open_shell(run)
    assert line not in run.output()
    run.close()
    for load, size in ((4096, (2 << 20) + 1), (4100, 2 << 20)):
        assert make(load, size) == (1, f"mkbundle: {line}\n")
    assert make(4100, 2 << 20, tool=None)[0] == 0
    virt7(bundle).expect(re.escape(f"virt7: error: {line}\r"))


def test_words_of_mkbundle(tmp_path):
    """What virt7 refuses of flash, in its words."""
    large, small, blank = tmp_path / "large", tmp_path / "small", tmp_path / "blank"
    large.write_bytes(bytes(BANK) + b"x")
    small.write_bytes(b"code" + bytes(8192))
    blank.write_bytes(bytes(8192))

    def said(keys):
        done = subprocess.run([ROOT / "tools/mkbundle", "-o", tmp_path / "x.itb", "--vm", f"name=a,memory=64M,{keys}"], text=True,
                              capture_output=True, check=False)
        return done.returncode, done.stderr

    assert said(f"flash={small}") == (0, "")
    assert said(f"flash={small}:{blank}") == (0, "")
    assert said("flash") == (1, "mkbundle: vm a: /vms/a/flash: no code, and the VM has no kernel; give one of them\n")
    assert said(f"flash=:{blank}") == (1, "mkbundle: vm a: /vms/a/flash: no code, and the VM has no kernel; give one of them\n")
    assert said(f"flash={large}") == (1, f"mkbundle: VM a: flash={large}: larger than a bank of 64 MiB; give a smaller file\n")
    assert said(f"flash={blank}") == (1, f"mkbundle: VM a: flash={blank}: nothing is in it but bytes 0x00; give firmware\n")
    assert said(f"flash={small},flash={small}") == (1, "mkbundle: VM a: flash is given twice; a VM has one\n")
    assert said("") == (1, "mkbundle: vm a: /vms/a: kernel: missing; name the image under /images to start, or give the VM flash "
                           "with code in it\n")
    assert re.fullmatch("mkbundle: VM a: flash=.*nowhere: No such file or directory\n", said(f"flash={tmp_path}/nowhere")[1])


# What they start

@pytest.fixture
def fat(tmp_path):
    """A disk with a FAT file system: Debian's kernel, the example guest's initramfs, GRUB where it has been fetched."""
    for program in ("mformat", "mcopy"):
        if not shutil.which(program):
            pytest.skip(f"no {program}: tools/deps foreign")
    path = tmp_path / "fat.img"
    with path.open("wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["mformat", "-i", path, "-F", "::"], check=True)
    for source, name in ((DEPS / "armhf/vmlinuz", "vmlinuz"), (BUILD / "initramfs.cpio", "initrd")):
        subprocess.run(["mcopy", "-i", path, source.resolve(), f"::/{name}"], check=True)
    return path


@pytest.fixture(params=["native", "virt7"])
def uboot(request, qemu, virt7, mkbundle, fat):
    """U-Boot in flash, at its prompt, with that disk."""
    if request.param == "native":
        run = qemu("-M", "virt,gic-version=2", "-cpu", "cortex-a15", "-m", "256M", "-nographic", "-bios", UBOOT / "u-boot.bin",
                   "-net", "none", *disk_args(fat, False), timeout=BOOT)
    else:
        run = virt7(mkbundle(f"name=uboot,memory=256M,flash={UBOOT}/u-boot.bin,disk={fat}:ro"), timeout=BOOT)
    stop_autoboot(run)
    type_at(run, PROMPT, "virtio scan", "virtio scan")
    return run


def test_uboot_bootz(uboot):
    """The kernel and the ramdisk from the disk, with the tree that U-Boot has from the board, to which it adds in place."""
    type_at(uboot, PROMPT, "setenv bootargs console=ttyAMA0 virt7.run=true", "setenv")
    type_at(uboot, PROMPT, "load virtio 0 ${kernel_addr_r} vmlinuz", r"\d{7} bytes read")
    type_at(uboot, PROMPT, "load virtio 0 ${ramdisk_addr_r} initrd", r"\d{7} bytes read")
    uboot.send("bootz ${kernel_addr_r} ${ramdisk_addr_r}:${filesize} ${fdtcontroladdr}\r")
    uboot.expect("userspace up: 1 cpus, 256 MiB")
    assert uboot.wait() == 0


NO_RAMDISK = r"Kernel panic - not syncing: VFS: Unable to mount root fs"


def test_uboot_bootefi(uboot):
    """Debian's kernel as an EFI application. Its stub takes no ramdisk from U-Boot's bootefi, and so Linux ends without one."""
    type_at(uboot, PROMPT, "setenv bootargs console=ttyAMA0", "setenv")
    type_at(uboot, PROMPT, "load virtio 0 ${kernel_addr_r} vmlinuz", r"\d{7} bytes read")
    uboot.send("bootefi ${kernel_addr_r} ${fdtcontroladdr}\r")
    uboot.expect("EFI stub: Exiting boot services")
    uboot.expect("efi: EFI v.* by Das U-Boot")
    uboot.expect(NO_RAMDISK)


@pytest.fixture(params=["native", "virt7"])
def edk2(request, qemu, virt7, mkbundle, tmp_path, fat):
    """edk2() -> Qemu: EDK2 with that disk, which may have got more files until then."""

    def start():
        if request.param == "native":
            return edk2_native(qemu, tmp_path, *disk_args(fat, False))
        return virt7(mkbundle(f"name=efi,memory=512M,flash={CODE}:{VARS},disk={fat}:ro"), mem="1G", timeout=BOOT)

    return start


def test_edk2_kernel(edk2, fat):
    """Debian's kernel where EDK2 looks for what to start from a disk."""
    subprocess.run(["mmd", "-i", fat, "::/EFI", "::/EFI/BOOT"], check=True)
    subprocess.run(["mcopy", "-i", fat, (DEPS / "armhf/vmlinuz").resolve(), "::/EFI/BOOT/BOOTARM.EFI"], check=True)
    run = edk2()
    run.expect("EFI stub: Exiting boot services")
    run.expect("efi: EFI v.* by EDK II")
    run.expect(NO_RAMDISK)


def test_edk2_grub(edk2, fat, tmp_path):
    """GRUB from EDK2's shell, to its prompt, and Linux from it."""
    modules = DEPS / "foreign/bookworm/usr/lib/grub/arm-efi"
    if not modules.exists() or not shutil.which("grub-mkimage"):
        pytest.skip(f"no {modules}: tools/deps foreign")
    grub = tmp_path / "grubarm.efi"
    subprocess.run(["grub-mkimage", "-d", modules, "-O", "arm-efi", "-o", grub, "-p", "/", "normal", "linux", "fat", "ls", "reboot"],
                   check=True)
    subprocess.run(["mcopy", "-i", fat, grub, "::/grubarm.efi"], check=True)
    run = edk2()
    enter_shell(run)
    run.send("fs0:grubarm.efi\r")
    run.expect("grub> ")
    for line in ("set root=hd0", "linux /vmlinuz console=ttyAMA0 virt7.run=true", "initrd /initrd"):
        run.send(line + "\r")
        run.expect("grub> ")
    run.send("boot\r")
    run.expect("userspace up: 1 cpus, 512 MiB")
    assert run.wait() == 0
