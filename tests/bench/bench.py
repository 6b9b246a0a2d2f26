#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""`make bench`: the same work natively, under virt7 and under Xen, in instructions.

  tests/bench/bench.py [--quick] [--update] [--build build] [--fresh]

Prints one table, writes BUILD/bench.json, and compares virt7's instruction counts with tests/bench/baseline.json: more than
3 % above it, or a row that no longer runs, is a failure. --update rewrites the baseline with what was measured. --quick
measures the guest's micro rows only. What was measured natively and under Xen is kept in BUILD/bench-cache.json, by the
contents of everything that went into a run (images, options, QEMU's version), and not measured again; --fresh forgets it.

Method: docs/performance.md. Every count is of one emulated processor under -icount, so it is the same in every run.
"""
import argparse
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

from runs import MARK_BOOT, ONLY_HYP, ROOT, Bench, Failed, boot_mark, per_round, pieces

BASELINE = ROOT / "tests/bench/baseline.json"
TOLERANCE = 1.03
MIB = 1 << 20
GUEST_ARGS = "console=ttyAMA0 virt7.run="  # to userspace, and off
UP = "userspace up"

# key: (operation, target). The order is the table's.
ROWS = {
    "psci_version": ("PSCI_VERSION by HVC", 42),
    "psci_features": ("PSCI_FEATURES by HVC", 42),
    "psci_affinity": ("AFFINITY_INFO by HVC", 42),
    "psci_unknown": ("a call that there is not, by HVC", 42),
    "psci_hardened": ("PSCI_VERSION with harden=exit", None),
    "gicd_typer": ("GICD_TYPER read", 70),
    "gicd_isenabler": ("GICD_ISENABLER write", 75),
    "uart_fr": ("UART FR read", 70),
    "mmio_turns": ("GICD_TYPER, UART FR in turn", 70),
    "irq_mask": ("an interrupt masked, unmasked in turn", 75),
    "mmio_r14": ("GICD_TYPER into r14", 90),
    "mmio_post": ("the same, post-indexed: no syndrome", 350),
    "mmio_find_32": ("one of 32 devices found, alone", None),
    "actlr": ("ACTLR read", 60),
    "cntpct": ("CNTPCT read", 65),
    "sgi_self": ("self-SGI, handler, EOI", 125),
    "timer_virt": ("expired virtual timer, handler, EOI", 100),
    "timer_phys": ("expired physical timer, handler, EOI", 350),
    "sgi_change": ("self-SGI with a changing ID", 125),
    "sgi_16": ("16 SGIs at once, each", 200),
    "spis_1": ("an SPI pended, taken", 300),
    "spis_8": ("8 SPIs pended, then taken, each", 300),
    "spis_32": ("32 SPIs", 300),
    "spis_160": ("160 SPIs", 300),
    "ispendr": ("GICD_ISPENDR read", 300),
    "isactiver": ("GICD_ISACTIVER read", 300),
    "icfgr": ("GICD_ICFGR write, same value", 75),
    "igroupr": ("GICD_IGROUPR write, same value", 75),
    "gicd_ctlr": ("GICD_CTLR 0, then 1", 1000),
    "wfi_timer": ("WFI with timer wake, own CPU", 240),
    "wfi_timer_native": ("the same with Xen's vwfi=native", 240),
    "wfi_neighbour": ("WFI with timer wake, a neighbour sleeps", 500),
    "tick_neighbour": ("of virt7: that of a VM beside one at work", 800),
    "touch_2m": ("first touch of 2 MiB", None),
    "touch_zeroed": ("the same, zeroed by an idle CPU before", 2000),
    "sgi_ping": ("SGI to another CPU's sleeper", 220),
    "cpu_on_off": ("CPU_ON, CPU_OFF, nap, AFFINITY_INFO", None),
    "switch_sgi": ("SGI to a sleeper on the same CPU", 800),
    "switch_slice": ("switch of two vCPUs, one CPU", 420),
    "virtio_reg": ("virtio: a register, 32 devices", 75),
    "virtio_turns": ("virtio: a register, GICD_TYPER in turn", 75),
    "virtio_kick": ("virtio: a kick of an empty queue", 150),
    "virtio_4k": ("virtio: a 4 KiB read, beyond the guest's own", 1100),
    "virtio_1m": ("virtio: a 1 MiB read, beyond the guest's own", 130_000),
    "hostdisk_4k": ("host's disk: a 4 KiB read, beyond the guest's own", 1500),
    "hostdisk_1m": ("host's disk: a 1 MiB read, beyond the guest's own", None),
    "net_frame": ("net: 1,514 bytes VM to VM, alone", 800),
    "net_batch": ("net: the same, 8 a kick", 500),
    "net_large": ("net: 64 KiB of TCP in one frame", None),
    "boot": ("reset to first guest instruction", 900_000),
    "boot_more": ("a further VM, to its first instruction", 500_000),
    "load_none": ("image load, per MiB", None),
    "load_crc32": ("image load with crc32, per MiB", None),
    "load_sha256": ("image load with sha256, per MiB", None),
    "debian": ("Debian to userspace", 1.005),
    "debian_crc32": ("Debian to userspace, crc32", 1.01),
    "exits_fork": ("exits, Debian, a fork and exec", 1),
    "exits_pipe": ("exits, Debian, a line through a pipe", 1),
    "exits_sleep": ("exits, Debian, a nap of 10 ms", 1),
    "disk_4k": ("Debian, a 4 KiB read, O_DIRECT", 1.12),
    "disk_1m": ("Debian, a 1 MiB read, O_DIRECT", None),
    "disk_own_4k": ("of virt7: a 4 KiB read", None),
    "disk_own_1m": ("of virt7: a 1 MiB read", None),
    "disk_wall_4k": ("the 4 KiB read in turn, wall time, us", 1.5),
    "disk_wall_random": ("at random, us", 1.5),
    "disk_wall_1m": ("1 MiB, us", 1.5),
    "disk_wall_two_4k": ("of two VMs on one CPU: 4 KiB, us", 1.5),
    "disk_wall_two_1m": ("of two VMs on one CPU: 1 MiB, us", 1.5),
    "pass_wall_4k": ("the 4 KiB read of a disk passed through, us", 1.03),
    "net_udp": ("Debian to Debian, UDP there and back", None),
    "net_tso": ("Debian to Debian, TCP, 1 MiB", None),
    "net_tcp": ("the same without TSO", None),
    "net_wall_udp": ("UDP there and back, two VMs, 1 CPU, us", 3),
    "net_wall_tcp": ("TCP without TSO, 1 MiB, us", 2),
    "net_wall_tso": ("TCP, 1 MiB, us", 0.67),
    "net_wall_udp_2": ("UDP there and back, on 2 CPUs, us", None),
    "net_wall_tcp_2": ("TCP without TSO, 2 CPUs, 1 MiB, us", None),
    "net_wall_tso_2": ("TCP, 2 CPUs, 1 MiB, us", None),
    "wall_1": ("Debian, 1 CPU, wall time, ms", 1.10),
    "wall_2": ("Debian, 2 CPUs, wall time, ms", 1.10),
    "wall_4": ("Debian, 4 CPUs, wall time, ms", 1.10),
    "host_1": ("Debian, 1 CPU, CPU time of the host, ms", None),
    "host_2": ("Debian, 2 CPUs, CPU time of the host, ms", None),
    "host_4": ("Debian, 4 CPUs, CPU time of the host, ms", None),
}
# Nor where Debian's kernel has one of two ways, 7 % apart, by where its pages lie; virt7's own is judged instead.
NOT_JUDGED = ("disk_1m", *(key for key in ROWS if "wall_" in key or "host_" in key))
RATIO_TARGET = ("debian", "debian_crc32", "disk_4k", *(key for key in NOT_JUDGED if "wall_" in key))  # of virt7 / native
WALL_RUNS = 3  # the best of them counts
WALL_PAIRS = 5  # or of native and virt7 in turns the pair in the middle, by their ratio
QUICK = list(ROWS)[:list(ROWS).index("touch_zeroed") + 1]  # what --quick measures
RATIO_JUDGED = ("debian", "debian_crc32")  # the others' native runs wait for the host's I/O, which is never twice the same
# What a row counts besides instructions, of virt7's own code, and the key's end in the baseline.
COSTS = {"barriers": "barriers", "gich": "GICH accesses"}
VM_COUNTS = (1, 2, 4, 8, 16)

# key: (rounds, busybox's shell). Exits beyond those of a boot that does nothing.
WORK = {
    "exits_fork": (500, "i=0; while [ $i -lt 500 ]; do /bin/true; i=$((i+1)); done"),
    "exits_pipe": (5000, "i=0; while [ $i -lt 5000 ]; do echo $i; i=$((i+1)); done | while read x; do :; done"),
    "exits_sleep": (100, "i=0; while [ $i -lt 100 ]; do usleep 10000; i=$((i+1)); done"),
}


def costs_per_round(run):
    """{row: {cost: times a round}}, of virt7's own code."""
    return {name: {cost: round((end[i] - begin[i]) / rounds, 2) for i, cost in enumerate(COSTS, 1)}
            for name, rounds, _, begin, end in pieces(run)}


class Table:
    """What was measured: rows[key][platform]."""

    def __init__(self):
        self.rows = {}
        self.costs = {}  # of virt7: costs[key][cost]
        self.notes = []

    def put_virt7(self, run, keys=None):
        """Every row of a run under virt7, under the guest's name or the one that `keys` has for it."""
        for name, value in per_round(run).items():
            self.put((keys or {}).get(name, name), "virt7", value)
        for name, costs in costs_per_round(run).items():
            self.costs[(keys or {}).get(name, name)] = costs

    def put(self, key, platform, value):
        self.rows.setdefault(key, {})[platform] = round(value, 2) if value < 1e4 else round(value)

    def attempt(self, what, function, *args):
        try:
            function(*args)
        except Failed as error:
            self.notes.append(f"{what}: {error}")

    def print(self):
        print(f"{'operation':40}{'native':>14}{'virt7':>14}{'Xen':>14}{'virt7/Xen':>11}  target")
        for key, (title, target) in ROWS.items():
            if key not in self.rows:
                continue
            row = self.rows[key]
            ratio = f"{row['virt7'] / row['xen']:.3f}" if "virt7" in row and row.get("xen") else ""
            print(f"{title:40}{show(row.get('native')):>14}{show(row.get('virt7')):>14}{show(row.get('xen')):>14}{ratio:>11}"
                  f"  {self.verdict(key, target)}".rstrip())

    def print_costs(self):
        print(f"{'of virt7, an operation':40}{'barriers':>14}{'GICH':>14}")
        for key, (title, _) in ROWS.items():
            if key in self.costs:
                print(f"{title:40}" + "".join(f"{show(self.costs[key][cost]):>14}" for cost in COSTS))

    def verdict(self, key, target):
        row = self.rows[key]
        if target is None or "virt7" not in row:
            return ""
        value = row["virt7"]
        if key not in RATIO_TARGET:
            return f"{show(target)}{' MISSED' if value > target else ''}"
        if not row.get("native"):
            return ""
        ratio = value / row["native"]
        return f"{target} x native: {ratio:.4f}{' MISSED' if ratio > target else ''}"


def show(value):
    if value is None:
        return ""
    if value < 10 and value != round(value):
        return f"{value:.4g}"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}".removesuffix(".0")


# --- what is measured


def micro_native(bench, table):
    for key, value in per_round(bench.native("micro,gic,touch,odd")).items():
        table.put(key, "native", value)
    table.put("wfi_timer_native", "native", table.rows["wfi_timer"]["native"])


def micro_virt7(bench, table):
    table.put_virt7(bench.under_virt7([bench.vm("micro,gic,touch,odd")]))
    # A quarter of a second is enough for the other CPU, which has no vCPU, to zero all that is free.
    table.put_virt7(bench.under_virt7([bench.vm("touch,late")], smp=2), {"touch_2m": "touch_zeroed"})
    table.put("mmio_find_32", "virt7", per_round(bench.alone())["mmio_find_32"])
    table.put("wfi_timer_native", "virt7", table.rows["wfi_timer"]["virt7"])
    for group, neighbour, counted in (("sleep", "idle", True), ("tick", "spin", ONLY_HYP)):
        vms = [bench.vm(group), bench.vm(neighbour, name="other")]
        table.put_virt7(bench.under_virt7(vms, until="vm bench: off", counted=counted),
                        {"wfi_timer": "wfi_neighbour", "tick": "tick_neighbour"})
    # QEMU's Cortex-A15 has no ACTLR.IBE, without which harden=exit does nothing.
    hardened = per_round(bench.under_virt7([bench.vm("micro")], options="harden=force"))
    table.put("psci_hardened", "virt7", hardened["psci_version"])


def micro_xen(bench, table):
    # Xen scrubs free memory while idle, which would be counted in the WFI rows; not asked to, it does not. It knows no GICD_ISPENDR.
    for key, value in per_round(bench.bench_under_xen("micro,touch", xen_args="bootscrub=0")).items():
        table.put(key, "xen", value)
    run = bench.bench_under_xen("micro", xen_args="bootscrub=0 vwfi=native")
    table.put("wfi_timer_native", "xen", per_round(run)["wfi_timer"])


def smp_native(bench, table):
    for key, value in per_round(bench.native("smp", cpus=2)).items():
        table.put(key, "native", value)


def smp_virt7(bench, table):
    table.put_virt7(bench.under_virt7([bench.vm("smp", cpus=2)], smp=2))


SHARED = {"sgi_ping": "switch_sgi", "slice": "switch_slice"}  # the guest's names of rows on one CPU


def shared_virt7(bench, table):
    for groups in ("pair", "share"):
        table.put_virt7(bench.under_virt7([bench.vm(groups, cpus=2)], timeout=20), SHARED)


def virtio_rows(bench, table):
    """What the same driver pays to RAM is the guest's own."""
    disk = DiskBench(bench).disk
    devices = f",disk={disk}:ro" + 31 * ",disk=size=64K"
    put_beyond_own(table, bench.under_virt7([bench.vm("virtio", extra=devices)]))
    # One of QEMU's that answers at once: the guest sleeps in WFI until then, which counts nothing.
    drive = ["-drive", f"if=none,id=disk,format=raw,file.driver=null-co,file.size={DISK_SIZE},file.read-zeroes=on",
             "-device", "virtio-blk-device,drive=disk", "-global", "virtio-mmio.force-legacy=false"]
    run = bench.under_virt7([bench.vm("virtio", extra=",disk=host=/virtio_mmio@a003e00")], machine=drive)
    put_beyond_own(table, run, {"virtio_4k": "hostdisk_4k", "virtio_1m": "hostdisk_1m"})
    cards = 2 * ",net=lan" + 30 * ",disk=size=64K"
    put_beyond_own(table, bench.under_virt7([bench.vm("net", extra=cards)]))


def put_beyond_own(table, run, names=None):
    """`names`: {the guest's row: key}, and no others."""
    if "lost" in run["output"]:
        raise Failed(run["output"])
    found, costs = per_round(run), costs_per_round(run)
    for row in (row for row in found if not row.endswith("_own") and (not names or row in names)):
        key = names[row] if names else row
        table.put(key, "virt7", found[row] - found.get(f"{row}_own", 0))
        table.costs[key] = costs[row]


def shared_xen(bench, table):
    for groups in ("pair", "share"):
        for key, value in per_round(bench.bench_under_xen(groups, cpus=2, xen_args="bootscrub=0")).items():
            table.put(SHARED[key], "xen", value)


def boot_rows(bench, table):
    """The guest's first mark comes after its start code, which a native run has too."""
    native = boot_mark(bench.native("none"))
    table.put("boot", "virt7", boot_mark(bench.under_virt7([bench.vm("none")])) - native)
    table.put("boot", "xen", boot_mark(bench.bench_under_xen("none")) - native)
    more, one = (boot_mark(bench.under_virt7([*vms, bench.vm("none")], counted=ONLY_HYP), which=-1)
                 for vms in ([bench.vm("idle", name="idle")], []))
    table.put("boot_more", "virt7", more - one)


def load_rows(bench, table):
    for hashes in ("none", "crc32", "sha256"):
        marks = []
        for mib in (1, 5):
            ramdisk = bench.folder / "ramdisk"
            ramdisk.write_bytes(hashlib.shake_256(b"virt7").digest(mib * MIB))
            run = bench.under_virt7([bench.vm("none", extra=f",ramdisk={ramdisk}")], hashes=hashes)
            marks.append(boot_mark(run))
        table.put(f"load_{hashes}", "virt7", (marks[1] - marks[0]) / 4)


def debian_native(bench, memory="512M", cpus=1):
    return ["-M", "virt,gic-version=2,dtb-randomness=off", "-cpu", "cortex-a15", "-smp", str(cpus), "-m", memory, "-kernel",
            str(bench.kernel), "-initrd", str(bench.initramfs), "-append", GUEST_ARGS]


def debian_vm(bench, cpus=1, work=""):
    run = f'"{work}"' if work else ""
    return (f"name=debian,cpus={cpus},memory=512M,kernel={bench.kernel},ramdisk={bench.initramfs},"
            f"bootargs={GUEST_ARGS}{run}")


def debian_rows(bench, table):
    files = [bench.kernel, bench.initramfs]
    native = bench.run(debian_native(bench), UP, files, timeout=120, cached=True)["total"]
    plain = bench.under_virt7([debian_vm(bench)], until=UP, timeout=120)["total"]
    # The hash's cost is exact without a second boot: the same images, and a guest that ends at once.
    extra = f",ramdisk={bench.kernel}", f",ramdisk={bench.initramfs}"
    crc = sum(boot_mark(bench.under_virt7([bench.vm("none", extra=e)], hashes="crc32")) -
              boot_mark(bench.under_virt7([bench.vm("none", extra=e)])) for e in extra)
    table.put("debian", "native", native)
    table.put("debian_crc32", "native", native)
    table.put("debian", "virt7", plain)
    table.put("debian_crc32", "virt7", plain + crc)


def work_rows(bench, table):
    """Traps and interrupts for what a guest does all day, which needs no hypervisor. On QEMU's max, which traps ID registers
    as a Cortex-A15 does; QEMU's A15 does not, and HSTR.T0 in its place traps CTR as well."""

    def entries_of(work):
        return bench.under_virt7([debian_vm(bench, work=work)], until=UP, timeout=180, cpu="max")["entries"]

    base = entries_of("true")
    for key, (rounds, work) in WORK.items():
        traps, interrupts = ((after - before) / rounds for after, before in zip(entries_of(work), base))
        table.put(key, "virt7", traps + interrupts)
        table.notes.append(f"{ROWS[key][0]}: {traps:.4f} traps, {interrupts:.4f} interrupts")


def debian_xen(bench, table):
    modules = [("kernel", bench.kernel), ("ramdisk", bench.initramfs)]
    total = bench.under_xen(modules, GUEST_ARGS, memory=512, until=UP, timeout=180)["total"]
    table.put("debian", "xen", total)


DISK_SIZE = 16 * MIB
DISK_WORK = {"4k": f"read /dev/vda 4096 {DISK_SIZE // 4096}", "random": f"random /dev/vda 4096 {DISK_SIZE // 4096}",
             "1m": f"read /dev/vda {MIB} {DISK_SIZE // MIB}"}


class DiskBench:
    """Debian with a read-only disk, and tests/linux/diskio.c on it."""

    def __init__(self, bench):
        self.bench = bench
        self.disk, self.initramfs = bench.folder / "disk", bench.folder / "diskio.cpio"
        self.disk.write_bytes(hashlib.shake_256(b"virt7").digest(DISK_SIZE))
        subprocess.run(["tools/mkinitramfs", "-o", str(self.initramfs), "--base", str(bench.initramfs), "--add",
                        f"bin/diskio={bench.build}/linux/diskio"], check=True, cwd=ROOT)

    def native(self, work, **more):
        options = debian_native(self.bench)
        options[options.index("-initrd") + 1] = str(self.initramfs)
        options[-1] += f'"{work}"'
        drive = f"if=none,id=disk,format=raw,readonly=on,file={self.disk}"
        if more.get("counted", True):  # one that answers at once: no instructions of waiting
            drive = f"if=none,id=disk,format=raw,file.driver=null-co,file.size={DISK_SIZE},file.read-zeroes=on"
        return self.bench.run([*options, "-drive", drive, "-device", "virtio-blk-device,drive=disk"], "reboot: Power down",
                              [self.bench.kernel, self.initramfs, self.disk], timeout=180, **more)

    def passed(self, work):
        """The host's own disk, by DMA."""
        vm = debian_vm(self.bench, work=work).replace(str(self.bench.initramfs), f"{self.initramfs},trusted-dma,pass=/virtio_mmio@a003e00")
        return self.bench.under_virt7([vm], until="no VM is running", timeout=240, counted=False, machine=(
            "-drive", f"if=none,id=disk,format=raw,readonly=on,file={self.disk}", "-device", "virtio-blk-device,drive=disk"))

    def virt7(self, *works, **more):
        vms = [debian_vm(self.bench, work=work).replace(str(self.bench.initramfs), f"{self.initramfs},disk={self.disk}:ro")
               .replace("name=debian", f"name=debian{i}").replace("memory=512M", "memory=256M") for i, work in enumerate(works)]
        return self.bench.under_virt7(vms, until="no VM is running", timeout=240, **more)


def read_time(run):
    """Microseconds of a read, of the last row."""
    return int(re.findall(r"row disk rounds \d+ own 0 ns (\d+)", run["output"])[-1]) / 1000


def disk_rows(bench, table):
    disk = DiskBench(bench)
    for key in ("4k", "1m"):
        for platform, run in (("native", lambda work: disk.native(work, cached=True)), ("virt7", disk.virt7)):
            table.put(f"disk_{key}", platform, per_round(run(f"diskio {DISK_WORK[key]}"))["disk"])
        table.put(f"disk_own_{key}", "virt7", per_round(disk.virt7(f"diskio {DISK_WORK[key]}", counted=ONLY_HYP))["disk"])


def disk_wall_rows(bench, table):
    """As the guest's clock says, the best of three; of two VMs, each of which waits for the other, half of it."""
    disk = DiskBench(bench)
    work = "; ".join(f"diskio {what}" for what in DISK_WORK.values())
    best = {}

    def add(run, platform, prefix="", share=1):
        seen = {}
        for vm, nanoseconds in re.findall(r"(?m)^(?:(\w+)\| )?row disk rounds \d+ own 0 ns (\d+)", run["output"]):
            key = list(DISK_WORK)[seen.setdefault(vm, 0) % len(DISK_WORK)]
            seen[vm] += 1
            best.setdefault((prefix + key, platform), []).append(int(nanoseconds) / share / 1000)

    for _ in range(WALL_RUNS):  # in turns: what else the machine does hits both
        native = disk.native(work, counted=False)
        add(native, "native")
        add(native, "native", "two_")
        add(disk.virt7(work, counted=False), "virt7")
        add(disk.virt7(work, work, counted=False), "virt7", "two_", 2)
    for (key, platform), values in best.items():
        if key != "two_random":
            table.put(f"disk_wall_{key}", platform, min(values))


NET_PORT = 5000
NET_RUN = (1000, 32)  # datagrams, MiB of TCP


class NetServer:
    """What `netio serve` does, on the host, behind QEMU's user network."""

    def __enter__(self):
        self.udp, self.tcp = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
        self.tcp.bind(("127.0.0.1", 0))
        self.port = self.tcp.getsockname()[1] - 1
        self.udp.bind(("127.0.0.1", self.port))
        self.tcp.listen()
        for work in (self.echo, self.sink):
            threading.Thread(target=work, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.udp.close()
        self.tcp.close()

    def echo(self):
        while True:
            self.udp.sendto(*self.udp.recvfrom(65536))

    def sink(self):
        while True:
            stream, _ = self.tcp.accept()
            while stream.recv(1 << 16):
                pass
            stream.close()


class NetBench:
    """tests/linux/netio.c in Debian: natively to QEMU's user network, under virt7 to another VM."""

    def __init__(self, bench):
        self.bench, self.initramfs = bench, bench.folder / "netio.cpio"
        subprocess.run(["tools/mkinitramfs", "-o", str(self.initramfs), "--base", str(bench.initramfs), "--add",
                        f"bin/netio={bench.build}/linux/netio"], check=True, cwd=ROOT)

    @staticmethod
    def client(address, port, plain):
        datagrams, mib = NET_RUN
        work = [f"netio udp {address} {port} 100 {datagrams}", f"netio tcp {address} {port} {MIB} {mib}"]
        return "; ".join([f"until ping -c 1 -W 1 {address} >/dev/null; do :; done", *work,
                          *(["netio plain eth0", work[1]] if plain else [])])

    def native(self):
        with NetServer() as server:
            options = debian_native(self.bench)
            options[options.index("-initrd") + 1] = str(self.initramfs)
            options[-1] += f'"ifconfig eth0 10.0.2.15 up; {self.client("10.0.2.2", server.port, False)}"'
            return self.bench.run([*options, "-netdev", "user,id=n", "-device", "virtio-net-device,netdev=n"],
                                  "reboot: Power down", [], timeout=180, counted=False)

    def virt7(self, cpus, **more):
        works = {"server": f"ifconfig eth0 10.0.0.1 up; netio serve {NET_PORT}",
                 "client": f"ifconfig eth0 10.0.0.2 up; {self.client('10.0.0.1', NET_PORT, True)}"}
        vms = [debian_vm(self.bench, work=work).replace("name=debian", f"name={name}").replace("memory=512M", "memory=256M")
               .replace(str(self.bench.initramfs), f"{self.initramfs},net=lan") for name, work in works.items()]
        return self.bench.under_virt7(vms, smp=cpus, until="vm client: off", timeout=240, **more)


def net_times(run):
    """Nanoseconds by the client's clock: of a datagram there and back, of 1 MiB, and of that without TSO where it was tried."""
    return [int(ns) for ns in re.findall(r"row (?:udp|tcp) rounds \d+ own 0 ns (\d+)", run["output"])]


def net_rows(bench, table):
    """Under -icount a nanosecond is an instruction, of both VMs and virt7, and no process sleeps."""
    for key, count in zip(("net_udp", "net_tso", "net_tcp"), net_times(NetBench(bench).virt7(1))):
        table.put(key, "virt7", count)


def net_wall_rows(bench, table):
    """As the client's clock says, the best of three."""
    net, best = NetBench(bench), {}

    def add(run, platform, keys):
        for key, nanoseconds in zip(keys, net_times(run)):
            best.setdefault((key, platform), []).append(nanoseconds / 1000)

    for _ in range(WALL_RUNS):
        native = net.native()
        for end in ("", "_2"):
            add(native, "native", [f"udp{end}", f"tso{end}"])
            add(native, "native", ["", f"tcp{end}"])
        for cpus, end in ((1, ""), (2, "_2")):
            add(net.virt7(cpus, counted=False), "virt7", [f"udp{end}", f"tso{end}", f"tcp{end}"])
    for (key, platform), values in best.items():
        if key:
            table.put(f"net_wall_{key}", platform, min(values))


def middle_pair(native, virt7, value):
    """The pair of runs of which as many have a greater ratio of `value` as a smaller one."""
    pairs = [(native(), virt7()) for _ in range(WALL_PAIRS)]
    return sorted(pairs, key=lambda pair: value(pair[1]) / value(pair[0]))[WALL_PAIRS // 2]


def wall_rows(bench, table):
    for cpus in (1, 2, 4):
        pair = middle_pair(lambda: bench.run(debian_native(bench, cpus=cpus), UP, [], timeout=180, counted=False),
                           lambda: bench.under_virt7([debian_vm(bench, cpus)], smp=cpus, until=UP, timeout=180, counted=False),
                           lambda run: run["seconds"])
        for platform, run in zip(("native", "virt7"), pair):
            table.put(f"wall_{cpus}", platform, run["seconds"] * 1000)
            table.put(f"host_{cpus}", platform, run["host"] * 1000)


def pass_wall_rows(bench, table):
    """As the guest's clock says."""
    disk, work = DiskBench(bench), f"diskio {DISK_WORK['4k']}"
    pair = middle_pair(lambda: disk.native(work, counted=False), lambda: disk.passed(work), read_time)
    for platform, run in zip(("native", "virt7"), pair):
        table.put("pass_wall_4k", platform, read_time(run))


def vms_rows(bench, table, counts):
    """One VM measures, the others sleep; and what each more VM costs until its first instruction."""
    for number in VM_COUNTS:
        others = [bench.vm("idle", name=f"idle{i}", memory="16M") for i in range(number - 1)]
        run = bench.under_virt7([*others, bench.vm("late,timer", memory="16M")], timeout=30)
        boots = [count for mark, count, *_ in run["marks"] if mark == MARK_BOOT]
        counts[number] = {**per_round(run), "boot": round(boots[-1] / number)}
    table.notes += [f"{number:2} VMs: virtual timer {show(row['timer_virt'])}, self-SGI {show(row['sgi_self'])}, boot "
                    f"{row['boot']:,} a VM" for number, row in counts.items()]


def sizes(bench):
    """Text, data, image, and the RAM virt7 keeps, which it says itself at boot."""
    result = {"image": bench.virt7.stat().st_size}
    elf = bench.virt7.with_suffix(".elf")
    if elf.exists():
        size = os.environ.get("CROSS", "arm-none-eabi-") + "size"
        fields = subprocess.run([size, str(elf)], check=True, capture_output=True, text=True).stdout.split()
        result.update(zip(("text", "data", "bss"), map(int, fields[6:9])))
    output = bench.under_virt7([bench.vm("none")])["output"]
    match = re.search(r"host: (\d+) MiB of RAM, (\d+) MiB free", output)
    if match:
        result["ram_taken_mib"] = int(match[1]) - int(match[2])
    return result


def judged(table):
    """
    {row: number} for the baseline: instructions, but virt7 / native for Debian, whose kernel package changes; "ROW COST"
    for what else a row counts.
    """
    rows = {key: round(row["virt7"] / row["native"], 4) if key in RATIO_JUDGED else row["virt7"]
            for key, row in table.rows.items()
            if "virt7" in row and key not in NOT_JUDGED and key != "wfi_timer_native"}
    return rows | {f"{key} {cost}": value for key, costs in table.costs.items() for cost, value in costs.items()}


def title(key):
    """The operation of a key of the baseline."""
    row, _, cost = key.partition(" ")
    return f"{ROWS[row][0]}, {COSTS[cost]}" if cost else ROWS[row][0]


def compare(table, baseline):
    """Complaints about rows that are worse than the baseline."""
    complaints, results = [], judged(table)
    for key, old in baseline.items():
        new = results.get(key)
        if new is None:
            complaints.append(f"{title(key)}: no result; the baseline has {show(old)}")
        elif new > old * TOLERANCE:
            complaints.append(f"{title(key)}: {show(new)}, was {show(old)}" + (f" ({new / old - 1:+.1%})" if old else ""))
    return complaints


def measure(bench, table, quick):
    extras = {}
    parts = [("micro, native", micro_native), ("micro, virt7", micro_virt7), ("micro, Xen", micro_xen)]
    if not quick:
        parts += [("SMP, native", smp_native), ("SMP, virt7", smp_virt7), ("shared CPU, virt7", shared_virt7), ("virtio", virtio_rows),
                  ("shared CPU, Xen", shared_xen), ("boot", boot_rows), ("load", load_rows), ("Debian", debian_rows),
                  ("Debian, Xen", debian_xen), ("Debian at work", work_rows), ("disk", disk_rows),
                  ("disk, wall time", disk_wall_rows), ("disk passed, wall time", pass_wall_rows), ("networks", net_rows), ("networks, wall time", net_wall_rows), ("wall time", wall_rows)]
    for what, function in parts:
        print(f"bench: {what}", file=sys.stderr, flush=True)
        table.attempt(what, function, bench, table)
    if not quick:
        extras["vms"] = {}
        table.attempt("number of VMs", vms_rows, bench, table, extras["vms"])
    extras["sizes"] = sizes(bench)
    return extras


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="micro rows only")
    parser.add_argument("--update", action="store_true", help="rewrite the baseline")
    parser.add_argument("--fresh", action="store_true", help="forget what was measured natively and under Xen")
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    args = parser.parse_args()
    bench, table = Bench(args.build.resolve(), args.fresh), Table()
    extras = measure(bench, table, args.quick)
    table.print()
    table.print_costs()
    for note in table.notes:
        print(note)
    print(", ".join(f"{name} {value:,}" for name, value in extras["sizes"].items()))
    if bench.reused:
        print(f"native and Xen: {bench.reused} runs taken from {bench.cache_path.name}; --fresh measures them again")
    (bench.build / "bench.json").write_text(json.dumps({"rows": table.rows, "costs": table.costs, **extras}, indent=1) + "\n")
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    if args.quick:
        baseline = {key: value for key, value in baseline.items() if key.split()[0] in QUICK}
    complaints = compare(table, baseline)
    if args.update:
        merged = json.loads(BASELINE.read_text()) if args.quick and BASELINE.exists() else {}
        merged.update(judged(table))
        BASELINE.write_text(json.dumps(merged, indent=1) + "\n")
        print(f"baseline of {len(merged)} rows written")
    elif complaints:
        sys.exit("\n".join(["bench: worse than the baseline by more than 3 %:", *complaints]))


if __name__ == "__main__":
    main()
