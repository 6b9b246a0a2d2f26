# SPDX-License-Identifier: BSD-2-Clause
"""The runs that `make bench` measures (tests/bench/bench.py): one QEMU each, natively, under virt7 and under Xen, and what the
guest's marks say of one.
"""
import hashlib
import json
import os
import re
import signal
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
QEMU = os.environ.get("QEMU", "qemu-system-arm")
MARK_BEGIN, MARK_END, MARK_BOOT = 1, 2, 3  # numbers of `dbg` (tests/bench/insncount.c)
CLOCK = ["-rtc", "base=2026-01-01,clock=vm"]


ONLY_HYP = "hyp"  # counted: of virt7's own code


class Failed(Exception):
    """A run that did not do what it should; shown, and its rows are missing."""


def file_hash(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def cpu_seconds(pid):
    """CPU time of a process so far, all its threads (proc(5): utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Bench:
    """The runs. Each is one QEMU; nothing runs beside it."""

    def __init__(self, build, fresh):
        self.build = build
        self.folder = build / "bench"
        self.image = self.folder / "bench.bin"
        self.lookup = self.folder / "lookup.bin"
        self.virt7 = build / "virt7.bin"
        deps = Path(os.environ.get("DEPS", ROOT / "build/deps")).resolve()
        self.xen = deps / "armhf/boot/xen-4.17-armhf"
        self.kernel = deps / "armhf/vmlinuz"
        self.initramfs = build / "initramfs.cpio"
        self.plugin = build / "insncount.so"
        self.cache_path = build / "bench-cache.json"
        self.cache = {} if fresh or not self.cache_path.exists() else json.loads(self.cache_path.read_text())
        self.reused = 0
        self.version = subprocess.run([QEMU, "--version"], check=True, capture_output=True, text=True).stdout
        self.build_plugin()
        self.vectors = self.find_vectors()

    def find_vectors(self):
        """Where virt7 is entered from a guest, by a trap, by an interrupt; and where its code begins."""
        nm = os.environ.get("CROSS", "arm-none-eabi-") + "nm"
        lines = subprocess.run([nm, str(self.virt7.with_suffix(".elf"))], check=True, capture_output=True, text=True).stdout
        symbols = {fields[2]: int(fields[0], 16) for fields in map(str.split, lines.splitlines()) if len(fields) == 3}
        return symbols["vector_trap"], symbols["vector_irq"], symbols["image_start"]

    def build_plugin(self):
        source = ROOT / "tests/bench/insncount.c"
        if self.plugin.exists() and self.plugin.stat().st_mtime >= source.stat().st_mtime:
            return
        subprocess.run([os.environ.get("HOSTCC", "gcc"), "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o",
                        str(self.plugin), str(source)], check=True)

    # --- one QEMU

    def execute(self, options, until, timeout, counted):
        """
        {"marks": [[number, count, barriers, gich]...], "total": n, "output": text, "seconds": s, "host": s} of one run that prints `until`;
        the seconds are those until then, by the clock and of CPU time. `counted`: True, False, ONLY_HYP.
        """
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            total, marks = Path(name) / "total", Path(name) / "marks"
            command = [QEMU, *options, "-nographic", *CLOCK]
            if counted:
                entries = "".join(f",entry={address:x}" for address in self.vectors[:2])
                hyp = f",hyp={self.vectors[2]:x}" if str(self.virt7) in options else ""
                hyp += ",only-hyp=1" if counted == ONLY_HYP else ""
                command += ["-icount", "shift=0,sleep=off", "-plugin",
                            f"{self.plugin},out={total},marks={marks}{entries}{hyp}"]
            output, seconds, host = self.watch(command, until, timeout)
            result = {"output": output, "seconds": seconds, "host": host, "marks": [], "total": 0}
            if counted:
                result["marks"] = [[int(field) for field in line.split()] for line in marks.read_text().splitlines()]
                result["total"], *result["entries"] = map(int, total.read_text().split()) if total.exists() else (0,)
            return result

    @staticmethod
    def watch(command, until, timeout):
        """
        Run until it ends; Xen, which stays on after its last domain, and of several VMs one, until the line with `until`. Returns the output, and
        the seconds to that line: by the clock, and of CPU time.
        """
        stays, start, seconds, host = "-dtb" in command or until.startswith("vm "), time.monotonic(), 0, 0
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              cwd=ROOT) as child:
            guard = threading.Timer(timeout, child.send_signal, (signal.SIGTERM,))
            guard.start()
            output = []
            try:
                for line in child.stdout:
                    output.append(line.decode(errors="replace").rstrip())
                    if seconds == 0 and until in output[-1]:
                        seconds, host = time.monotonic() - start, cpu_seconds(child.pid)
                        if stays:
                            child.send_signal(signal.SIGTERM)
            finally:
                guard.cancel()
        text = "\n".join(output)
        if until not in text:
            raise Failed("no '" + until + "' in:\n  " + "\n  ".join(output[-8:]) + "\n  " + " ".join(command))
        return text, seconds, host

    def run(self, options, until, files, timeout=60, counted=True, cached=False):
        """execute(), or what an equal run gave before. `files` are those whose contents matter."""
        key = hashlib.sha256(json.dumps([self.version, options, until, counted, file_hash(self.plugin),
                                         [file_hash(f) for f in files]]).encode()).hexdigest()
        if cached and key in self.cache:
            self.reused += 1
            return self.cache[key]
        result = self.execute(options, until, timeout, counted)
        if cached:
            self.cache[key] = result
            self.cache_path.write_text(json.dumps(self.cache))
        return result

    # --- the three platforms, running the bench guest

    def native(self, groups, cpus=1):
        options = ["-M", "virt,gic-version=2,dtb-randomness=off", "-cpu", "cortex-a15", "-smp", str(cpus), "-m", "128M",
                   "-kernel", str(self.image), "-append", f"bench={groups}"]
        return self.run(options, "bench: done", [self.image], cached=True)

    def alone(self):
        """virt7's MMIO bus without virt7."""
        options = ["-M", "virt,gic-version=2,dtb-randomness=off", "-cpu", "cortex-a15", "-m", "128M", "-kernel",
                   str(self.lookup)]
        return self.run(options, "bench: done", [self.lookup])

    def bundle(self, vms, hashes="none"):
        path = self.folder / "bench.itb"
        subprocess.run(["tools/mkbundle", "-o", str(path), "--hash", hashes,
                        *[part for vm in vms for part in ("--vm", vm)]], check=True, cwd=ROOT)
        return path

    def under_virt7(self, vms, smp=1, hashes="none", until="bench: done", cpu="cortex-a15", options="", machine=(), **more):
        """`machine`: more of QEMU's options."""
        bundle = self.bundle(vms, hashes)
        append = ["-append", options] if options else []
        return self.run([*self.virt7_options(bundle, smp, cpu), *append, *machine], until, [self.virt7, bundle], **more)

    def virt7_options(self, bundle, smp, cpu):
        return ["-M", "virt,virtualization=on,gic-version=2,dtb-randomness=off", "-cpu", cpu, "-smp", str(smp),
                "-m", "1G", "-kernel", str(self.virt7), "-initrd", str(bundle)]

    def vm(self, groups, name="bench", cpus=1, memory="128M", extra=""):
        return f"name={name},cpus={cpus},memory={memory},kernel={self.image}{extra},bootargs=bench={groups}"

    def zimage(self):
        """Xen takes no raw image: put a zImage's header before it, whose start field says where."""
        start, size = 0x4000F000, 0x1000
        data = self.image.read_bytes()
        header = bytearray(size)
        struct.pack_into("<I", header, 0, 0xEA000000 | (size - 8) >> 2)  # b image
        struct.pack_into("<III", header, 0x24, 0x016F2818, start, start + size + len(data))
        path = self.folder / "bench.zimage"
        path.write_bytes(header + data)
        return path

    def under_xen(self, modules, bootargs, cpus=1, memory=128, xen_args="", until="bench: done", timeout=120):
        """A domain without a dom0 (Xen's "dom0less"). `modules`: (kind, file)."""
        dtb = self.folder / "xen.dtb"
        machine = "virt,virtualization=on,gic-version=2,highmem=off,dtb-randomness=off"
        common = ["-cpu", "cortex-a15", "-smp", "1", "-m", "1G"]
        subprocess.run([QEMU, "-M", f"{machine},dumpdtb={dtb}", *common, "-display", "none"], check=True,
                       capture_output=True, stdin=subprocess.DEVNULL)

        def put(node, name, kind, *values):
            subprocess.run(["fdtput", "-t", kind, str(dtb), node, name, *map(str, values)], check=True)

        options = ["-M", machine, *common, "-kernel", str(self.xen), "-dtb", str(dtb)]
        domain = "/chosen/domU1"
        put("/chosen", "xen,xen-bootargs", "s", f"console=dtuart dtuart=/pl011@9000000 {xen_args}".strip())
        subprocess.run(["fdtput", "-c", str(dtb), domain], check=True)
        for node in ("/chosen", domain):
            put(node, "#address-cells", "u", 2)
            put(node, "#size-cells", "u", 2)
        put(domain, "compatible", "s", "xen,domain")
        put(domain, "cpus", "u", cpus)
        put(domain, "memory", "u", 0, memory * 1024)
        put(domain, "vpl011", "s", "")
        address = 0x50000000
        for kind, path in modules:
            node = f"{domain}/module@{address:x}"
            subprocess.run(["fdtput", "-c", str(dtb), node], check=True)
            put(node, "compatible", "s", f"multiboot,{kind}", "multiboot,module")
            put(node, "reg", "u", 0, address, 0, Path(path).stat().st_size)
            if kind == "kernel":
                put(node, "bootargs", "s", bootargs)
            options += ["-device", f"loader,file={path},addr=0x{address:x},force-raw=on"]
            address += 0x02000000
        return self.run(options, until, [self.xen, dtb, *[path for _, path in modules]], timeout=timeout, cached=True)

    def bench_under_xen(self, groups, **more):
        return self.under_xen([("kernel", self.zimage())], f"bench={groups}", **more)


def boot_mark(run, which=0):
    return [count for number, count, *_ in run["marks"] if number == MARK_BOOT][which]


def pieces(run):
    """(row, rounds, instructions of its own, what was counted at its begin, at its end): lines and marks are in one order."""
    lines = re.findall(r"row (\w+) rounds (\d+) own (\d+)", run["output"])
    begins = [counts for number, *counts in run["marks"] if number == MARK_BEGIN]
    ends = [counts for number, *counts in run["marks"] if number == MARK_END]
    for (name, rounds, own), begin, end in zip(lines, begins, ends):
        if int(rounds):
            yield name, int(rounds), int(own), begin, end


def per_round(run):
    """{row: instructions a round}."""
    return {name: (end[0] - begin[0] - own) / rounds for name, rounds, own, begin, end in pieces(run)}
