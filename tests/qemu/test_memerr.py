# SPDX-License-Identifier: BSD-2-Clause
"""Memory errors: bad pages of guests' RAM, of disks, and of virt7's own; by an operator, and by a device for tests."""
import re

import pytest

from conftest import BUILD, DEPS
from test_shell import command, open_shell, power_off
from test_smp import SOAK

ITS = """/dts-v1/;
/ {{
    description = "bad memory";
    images {{ guest {{ data = /incbin/("{image}"); type = "kernel"; arch = "arm"; os = "linux"; compression = "none";
                      hash-1 {{ algo = "crc32"; }}; }}; }};
    vms {{ {vms} }};
}};
"""
VM = ('{name} {{ compatible = "virt7,vm"; cpus = <{cpus}>; memory = <{kib}>; kernel = "guest"; cpu-affinity = <{mask}>; '
      'bootargs = "{args}"; memory-errors = "{early}"; dev {{ compatible = "virt7,test-device"; start = <0>; }}; }};')

TOTALS = r"^(\S.*?) +(\d+) MiB"


@pytest.fixture
def poisoned(qemu, mkbundle, tmp_path):
    """poisoned(dict of a VM's, ...) -> Qemu: guests memerr with the device that makes pages bad."""

    def start(*vms, cpu="cortex-a15", smp=4, mem="512M", timeout=240):
        its = tmp_path / "memerr.its"
        defaults = {"cpus": 1, "kib": 65536, "mask": 15, "args": "", "early": "access"}
        its.write_text(ITS.format(image=BUILD / "guests" / "memerr.bin", vms="".join(VM.format(**(defaults | vm)) for vm in vms)))
        return qemu("-M", "virt,virtualization=on,gic-version=2", "-cpu", cpu, "-smp", smp, "-m", mem, "-nographic",
                    "-kernel", BUILD / "virt7-testdev.bin", "-initrd", mkbundle(its), timeout=timeout)

    return start


def totals(run):
    """What `mem` says, less its list of bad pages; its rows add up."""
    text = command(run, "mem")
    *parts, (last, total) = re.findall(TOTALS, text.partition("virt7's heap")[0], re.M)
    assert last == "in all" and sum(int(mib) for _, mib in parts) == int(total)
    return text


@pytest.mark.parametrize("cpu", ["cortex-a15", "cortex-a7", "max"])
def test_every_kind(poisoned, cpu):
    """All accesses in both formats, and all CPUs of two VMs at once while pages become bad."""
    rounds = 1000 if SOAK else 30
    run = poisoned({"name": "a", "cpus": 4, "args": f"rounds={rounds}"}, {"name": "b", "cpus": 2, "args": f"rounds={rounds}"}, cpu=cpu)
    run.expect(r"virt7: no VM is running: power off\r|PANIC: ")
    for name in "ab":
        assert re.search(r"summary: \d+ passed, 0 failed", run.said(name))
        assert f"memerr: {rounds} rounds" in run.said(name)


def test_early(poisoned):
    """A record and an interrupt at once, in a ring that goes round; anew behind a reset. Its neighbour has no such page."""
    run = poisoned({"name": "a", "args": "early=1", "early": "early"}, {"name": "b", "args": "rounds=5"})
    run.expect(r"virt7: no VM is running: power off\r|PANIC: ")
    for name in "ab":
        assert re.search(r"summary: \d+ passed, 0 failed", run.said(name))


@pytest.mark.parametrize("cpu", ["cortex-a15", "cortex-a7"])
def test_real_aborts(poisoned, cpu):
    """Holes of the machine's physical map, met by the guest through stage 2 and by HYP's own copies (EC 0x25), with all four CPUs busy at
    both, and two VMs: each abort is whose access it was."""
    run = poisoned(*({"name": name, "cpus": 4, "args": f"holes=1 rounds={20000 if SOAK else 2000}"} for name in "ab"), cpu=cpu, mem="513M")
    run.expect(r"virt7: no VM is running: power off\r|PANIC: ")
    for name in "ab":
        assert "summary: 11 passed, 0 failed" in run.said(name)


@pytest.mark.skipif(not SOAK, reason="10,000 rounds: make soak")
def test_ten_thousand_rounds(poisoned):
    run = poisoned({"name": "a", "cpus": 4, "kib": 192 << 10, "args": "rounds=10000 mib=192"}, timeout=7200)
    run.expect(r"virt7: no VM is running: power off\r|PANIC: ")
    assert "memerr: 10000 rounds" in run.output()
    assert re.search(r"summary: \d+ passed, 0 failed", run.output())


def test_asynchronous_is_nobody_elses(poisoned):
    """Two VMs with aborts pending and one that listens, all on one CPU: at each switch between them one is pending."""
    switches = 50000 if SOAK else 2000
    args = f"rounds=0 switches={switches}"
    run = poisoned({"name": "a", "args": args}, {"name": "b", "args": args}, {"name": "c", "args": f"listen={10 * switches}"}, smp=1)
    run.expect(r"virt7: no VM is running: power off\r|PANIC: ")
    for name in "abc":
        assert re.search(r"summary: \d+ passed, 0 failed", run.said(name))


RECORDS = (4096 - 4) // 48  # of the list, in a page of the heap (mm/badpage.c)


def test_thousand_pages(poisoned):
    """A thousand bad pages (60, but for `make soak`) in a life of the VM; in the next one other pages stand in for them, and it is destroyed and made
    again. Nothing leaks: RAM and heap are what they were, but for the list."""
    rounds = 1000 if SOAK else 60
    run = poisoned({"name": "a", "cpus": 2, "args": f"rounds={rounds}"}, {"name": "b", "args": "listen=2000000000"}, smp=3)
    run.expect(rf"memerr: {rounds} rounds")
    run.expect("virt7: vm a: off")
    open_shell(run)
    first = totals(run)
    count = int(re.search(r"bad pages: (\d+), ", first)[1])
    assert count == rounds + 8
    assert "spare pages: 0, of which 0 stand" in first
    assert len(re.findall(r"  host 0x\w{10}  guest 0x\w{10} of a", first)) == count
    heaps = set()
    for _ in range(3):
        command(run, "vm destroy -f a")
        after = totals(run)
        heaps.add(int(re.search(r"of which (\d+) KiB are free", after)[1]) + 4 * -(-count // RECORDS))
        assert re.search(rf"bad pages: {count}, ", after)
        command(run, "vm create a")
        command(run, "vm start a")
        run.send("vm console a\r")
        run.expect("memerr: MMU off")  # its kernel lies in pages that were bad, or beside them
        open_shell(run)
        command(run, "vm stop -f a")
        count = int(re.search(r"bad pages: (\d+), ", totals(run))[1])
    assert len(heaps) == 1, heaps
    power_off(run)


def test_made_whole(poisoned):
    """A reset: other pages stand in for what was bad, of the host's free RAM; their own errors are the VM's again."""
    run = poisoned({"name": "a", "args": "listen=2000000000"}, {"name": "b", "kib": 8192, "args": "listen=2000000000"})
    for _ in range(2):
        run.expect("memerr: listens")
    open_shell(run)
    instead = "is bad: another page stands in for it"  # nothing has touched these 2 MiB
    for at, words in (("40100000", "is bad: 4 KiB taken away"), ("0x40100FFF", "is in a page that is bad already"),
                      ("0x43210000", instead), ("0x43212345", instead)):
        assert words in command(run, f"poison a {at}")
    assert "of a\n" in totals(run)
    command(run, "vm reset -f a")
    text = totals(run)
    assert re.search(r"^spare pages +2 MiB", text, re.M)
    assert "bad pages: 3, 12 KiB of the above; spare pages: 512, of which 3 stand in for others" in text
    spare = re.search(r"guest 0x0040100000 of a; host (0x\w+) stands in for it", text)[1]
    assert "the guest's at 0x40100000, is bad" in command(run, f"poison host {spare} async")
    command(run, "vm reset -f a")
    text = totals(run)
    assert "bad pages: 4, 16 KiB of the above; spare pages: 512, of which 3 stand in for others" in text
    assert spare not in re.findall(r"host (0x\w+) stands in", text)
    command(run, "vm destroy -f a")
    assert "bad pages: 4, 16 KiB of the above; spare pages: 512, of which 0 stand in for others" in totals(run)
    power_off(run)


def test_no_spare(poisoned):
    """A host without free RAM: the hole stays over a reset, and the VM is told so, until there is some again."""
    other = {"name": "b", "kib": 8192, "args": "listen=2000000000"}
    run = poisoned({"name": "a", "args": "listen=2000000000"}, other)
    for _ in range(2):
        run.expect("memerr: listens")
    open_shell(run)
    free = int(re.search(r"free for VMs +(\d+) MiB", totals(run))[1])
    power_off(run)
    run = poisoned({"name": "a", "args": "listen=2000000000"}, other | {"kib": (free + 8) << 10})
    for _ in range(2):
        run.expect("memerr: listens")
    open_shell(run)
    assert re.search(r"free for VMs +0 MiB", totals(run))
    assert "is bad: 4 KiB taken away" in command(run, "poison a 42345000")
    for _ in range(2):
        assert "vm a: 1 pages of its RAM are bad, and the host has no RAM free to replace them" in command(run, "vm reset -f a")
        assert "spare pages: 0, of which 0 stand in for others" in totals(run)
    command(run, "vm destroy -f b")
    assert "are bad" not in command(run, "vm reset -f a")
    assert "spare pages: 512, of which 1 stand in for others" in totals(run)
    power_off(run)


def test_flash(qemu, mkbundle, tmp_path):
    """A page of a VM's flash: external aborts where it is read, until its sector is erased. Its neighbours stay."""
    vars_image = tmp_path / "vars.bin"
    vars_image.write_bytes(b"\x12\x34\x56\x78" * 4096)
    its = tmp_path / "flash.its"
    text = ITS.format(image=BUILD / "guests" / "memerr.bin", vms="""
        a { compatible = "virt7,vm"; cpus = <1>; memory = <65536>; kernel = "guest"; bootargs = "flash=1";
            flash { compatible = "virt7,cfi-flash"; vars = "vars"; }; };""")
    its.write_text(text.replace("images {", f'images {{ vars {{ data = /incbin/("{vars_image}"); type = "firmware"; arch = "arm"; '
                                'os = "u-boot"; compression = "none"; hash-1 { algo = "crc32"; }; };', 1))
    run = qemu("-M", "virt,virtualization=on,gic-version=2", "-cpu", "cortex-a15", "-smp", 2, "-m", "512M", "-nographic",
               "-kernel", BUILD / "virt7.bin", "-initrd", mkbundle(its), timeout=120)
    run.expect("memerr: flash holds 78563412")
    open_shell(run)
    bank = int(re.search(r"flash bank 1  host (0x\w+)  2 MiB", command(run, "mem a"))[1], 16)
    assert f"vm a: flash: the host's RAM at {bank:#x} is bad: 4 KiB of the device's data are lost" in command(run, f"poison host {bank:x}")
    run.expect("virt7: vm a: off")
    assert re.search(r"summary: \d+ passed, 0 failed", command(run, "log a"))
    power_off(run)


MISTAKES = (
    ("poison a", "usage: poison VM|host ADDRESS [sync|async]"),
    ("poison a 40000000 soon", "usage: poison VM|host ADDRESS [sync|async]"),
    ("poison x 40000000", "no VM is called x; `vm list` shows their names"),
    ("poison a x", "x: expects an address of at most 40 bits, in hexadecimal"),
    ("poison a 0x", "0x: expects an address of at most 40 bits, in hexadecimal"),
    ("poison a 10000000000", "10000000000: expects an address of at most 40 bits, in hexadecimal"),
    ("poison a 9000000", "9000000 is not RAM of a, or it has none now; `mem a` shows where it is"),
    ("poison a 50000000", "50000000 is not RAM of a, or it has none now; `mem a` shows where it is"),
    ("poison host 1000", "1000 is not RAM of the host: its device tree has none there"),
    ("mem x", "no VM is called x; `vm list` shows their names"),
)


def test_shell(virt7, mkbundle):
    run = virt7(mkbundle(f"name=a,cpus=1,memory=16M,kernel={BUILD}/guests/talk.bin"))
    run.expect("talk: ready")
    open_shell(run)
    for typed, said in MISTAKES:
        assert command(run, typed) == said + "\n"
    assert re.fullmatch(r"guest 0x0040000000  host 0x\w{10}  16 MiB\n", command(run, "mem a"))
    assert "is bad: another page stands in for it" in command(run, "poison a 40f00000")
    assert command(run, "poison a 40f00004") == "40f00004 of a is in a page that is bad already; `mem` lists those\n"
    assert "that no VM has, nor gets" in command(run, "poison host 5f000000")
    assert command(run, "poison host 5f000fff") == "5f000fff of the host is in a page that is bad already; `mem` lists those\n"
    heap = command(run, "mem")
    assert "  host 0x005f000000\n" in heap
    power_off(run)


def test_records_in_debian(virt7, mkbundle, initramfs):
    """docs/memory-errors.md's program reads of each page at once, though no program touches it, here of what the kernel has freed."""
    cpio = initramfs(f"bin/memrecords={BUILD}/linux/memrecords")
    run = virt7(mkbundle(f"name=debian,cpus=1,memory=192M,memory-errors=early,kernel={DEPS}/armhf/vmlinuz,ramdisk={cpio},"
                         "bootargs=console=ttyAMA0"), smp=2, mem="1G", timeout=120)
    run.expect("userspace up: ")
    open_shell(run)
    run.send("vm console debian\r")
    run.send("\r")
    run.expect("~ # ")
    run.send("hexdump -v -e '4/1 \"%02x\" \"\\n\"' /proc/device-tree/chosen/linux,initrd-start\r")
    start = int(run.expect(r"\n0{8}\r+\n(\w{8})\r")[1], 16)
    run.expect("~ # ")
    pages = [start + (1 << 20) + n * 0x5000 & ~0xfff for n in range(3)]
    open_shell(run)
    for page in pages:
        assert f"the guest's at {page:#x}, is bad: 4 KiB taken away" in command(run, f"poison debian {page:x}")
    run.send("vm console debian\r")
    run.send("\r")
    run.expect("~ # ")
    run.send("memrecords /proc/device-tree/memory-errors@*/reg\r")
    for number, page in enumerate(pages, 1):
        run.expect(f"bad page {page:08x}, number {number:08x}\r")
    run.expect("memrecords: 00000003 so far\r")
    open_shell(run)
    power_off(run)


STORMS = 3


def test_debian(virt7, mkbundle, initramfs):
    """A process's page, which stays that of a file: SIGBUS, and a device's copy into it EIO. The kernel's: its oops, and a restart, in which all is well. A
    disk's: EIO, until that part is written anew. Other VMs do not notice."""
    cpio = initramfs(f"bin/badmem={BUILD}/linux/badmem")
    storm = "name=s{},cpus=1,memory=16M,cpu-affinity=2,kernel={}/guests/storm.bin,bootargs=deliveries=3000"
    run = virt7(mkbundle(f"name=debian,cpus=2,memory=192M,kernel={DEPS}/armhf/vmlinuz,ramdisk={cpio},disk=size=4M,"
                         "cpu-affinity=1,bootargs=console=ttyAMA0 oops=panic panic=1",
                         *(storm.format(i, BUILD) for i in range(STORMS))), smp=2, mem="1G", timeout=400)
    run.expect("userspace up: ")
    open_shell(run)
    run.send("vm console debian\r")
    run.send("\r")
    run.expect("~ # ")
    run.send("dd if=/dev/zero of=/dev/vda bs=4k count=2 oflag=direct 2>/dev/null; dd if=/dev/zero of=/tmp/page bs=4k count=1 2>/dev/null; "
             "badmem /dev/vda /tmp/page; echo status: $?\r")
    page = int(run.expect(r"badmem: page (\w+)\r")[1], 16)
    open_shell(run)
    assert f"the guest's at {page:#x}, is bad: 4 KiB taken away" in command(run, f"poison debian {page:x}")
    disk = int(re.search(r"disk0  host (0x\w+)  4 MiB", command(run, "mem debian"))[1], 16)
    assert "vm debian: disk0: the host's RAM at" in command(run, f"poison host {disk + 4096:x}")
    run.send("vm console debian\r")
    run.send("\r")
    run.expect(r"badmem: read 0{15}5\r")
    run.expect(r"status: 135\r")
    run.expect("~ # ")
    run.send("dd if=/dev/vda of=/dev/null bs=4k count=1 iflag=direct 2>&1 | grep -c error; "
             "dd if=/dev/vda of=/dev/null bs=4k count=2 iflag=direct 2>&1 | grep error; "
             "dd if=/dev/zero of=/dev/vda bs=4k seek=1 count=1 oflag=direct 2>/dev/null; "
             "dd if=/dev/vda of=/dev/null bs=4k count=2 iflag=direct 2>&1 | grep -c error; echo disk: $((40+2))\r")
    said = run.expect(r"disk: 42\r") and run.child.before
    assert re.search(r"\n0\r\r?\n.*I/O error.*\n0\r", said, re.S), said
    run.expect("~ # ")
    run.send("grep -w version_proc_show /proc/kallsyms\r")
    function = int(run.expect(r"\n(\w{8}) \w version_proc_show")[1], 16) - 0xc0000000 + 0x40000000
    open_shell(run)
    assert "is bad: 4 KiB taken away" in command(run, f"poison debian {function:x}")
    run.send("vm console debian\r")
    run.send("cat /proc/version\r")
    run.expect(r"external abort")
    run.expect(r"Kernel panic - not syncing: Fatal exception")
    run.expect("userspace up: 2 cpus, ")
    run.expect("~ # ")
    run.send("cat /proc/version\r")
    run.expect("Linux version")
    open_shell(run)
    assert re.search(r"bad pages: 3, .* of which 2 stand in for others", totals(run))
    for i in range(STORMS):
        log = command(run, f"log s{i}")
        assert "FAIL" not in log
    power_off(run)
