# SPDX-License-Identifier: BSD-2-Clause
"""What the system tests share: QEMU under pexpect, the native and the virt7 machine, bundles.

Every fixture here is a function to call. Each QEMU's console goes to BUILD/test-logs/NAME.log; when a test fails its
last lines are part of the report. A test that ends ends its QEMUs, and no others. BUILD in the environment names the
build folder.
"""
import os
import re
import subprocess
import time
from pathlib import Path

import pexpect
import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
DEPS = (ROOT / os.environ.get("DEPS", BUILD / "deps")).resolve()
QEMU = os.environ.get("QEMU", "qemu-system-arm")
CPUS = ("cortex-a15", "cortex-a7", "max")
QEMU_VERSION = tuple(map(int, re.search(r"version (\d+)\.(\d+)", subprocess.run(
    [QEMU, "--version"], check=True, capture_output=True, text=True).stdout).groups()))
# Of the example guest: 6.1 in Debian 12, 6.12 in Debian 13.
KERNEL_VERSION = tuple(map(int, re.match(r"vmlinuz-(\d+)\.(\d+)", (DEPS / "armhf/vmlinuz").readlink().name).groups()))
# QEMU 10 has no sound card by default once one is named, QEMU 7.2 no silent one until then.
SILENT = ["-audiodev", "none,id=none", "-global", "pl041.audiodev=none"]
TAIL_LINES = 40


class Qemu:
    """One run of QEMU with its console (serial port and monitor multiplexed, -nographic) on a pseudo terminal."""

    def __init__(self, name, args, timeout, program=QEMU):
        self.command = [str(program), *map(str, args)]
        self.log_path = BUILD / "test-logs" / f"{name}.log"
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self.log = self.log_path.open("w", encoding="utf-8", newline="")
        self.child = pexpect.spawn(self.command[0], self.command[1:], timeout=timeout, encoding="utf-8",
                                   codec_errors="replace", echo=False, cwd=str(ROOT))
        self.child.logfile_read = self.log
        self.status = None

    def expect(self, pattern, timeout=-1):
        """Wait for a regular expression (or a list) on the console; returns the match. TIMEOUT and EOF are failures."""
        try:
            self.child.expect(pattern, timeout=timeout)
        except (pexpect.TIMEOUT, pexpect.EOF) as error:
            raise AssertionError(f"{type(error).__name__} waiting for {pattern!r}") from None
        return self.child.match

    def send(self, text):
        self.child.send(text)

    def wait(self, timeout=-1):
        """Wait until QEMU ends by itself; returns its exit status, or minus the signal that ended it."""
        try:
            self.child.expect(pexpect.EOF, timeout=timeout)
        except pexpect.TIMEOUT:
            limit = self.child.timeout if timeout == -1 else timeout
            raise AssertionError(f"QEMU still runs after {limit} s") from None
        self.close()
        return self.status

    def output(self):
        """All of the console so far."""
        self.log.flush()
        return self.log_path.read_text(encoding="utf-8").replace("\r\n", "\n")

    def lines(self):
        """What was printed, by lines, without those that are empty."""
        return [line for line in self.output().splitlines() if line]

    def said(self, vm):
        """What one of several VMs has said, without its line ends: a line that takes it long comes in pieces."""
        return "".join(re.findall(rf"^{re.escape(vm)}\| (.*)$", self.output(), re.MULTILINE))

    def expect_said(self, vm, pattern, timeout=-1, count=1):
        """Wait until one of several VMs has said that so many times, in pieces or not; the limit is for all of it."""
        end = time.monotonic() + (self.child.timeout if timeout == -1 else timeout)
        seen = -1
        while True:
            self.log.flush()
            size = self.log_path.stat().st_size
            if size != seen and len(re.findall(pattern, self.said(vm))) >= count:
                return
            seen = size
            self.expect(r"\n", timeout=max(0, end - time.monotonic()))

    def close(self):
        """End this child, if it has not ended, and keep its status."""
        if self.status is None:
            for _ in range(100):
                try:
                    self.child.close(force=True)
                    break
                except pexpect.ExceptionPexpect:
                    pass  # killed, but a busy machine has not taken it away yet: pexpect waits tenths of a second
            self.status = self.child.exitstatus if self.child.signalstatus is None else -self.child.signalstatus
            self.child.logfile_read = None
            self.log.flush()

    def tail(self):
        lines = self.output().splitlines()[-TAIL_LINES:]
        return "\n".join([" ".join(self.command), f"log: {self.log_path}", *lines])


def run(*command, cwd=ROOT, limit=120, **environment):
    """(status, stdout, stderr) of a tool, started at the project's root as a user types it: `make test` leaves it nothing
    of make's own. A variable that is None is not in its environment.
    """
    program = Path(cwd) / command[0] if str(command[0]).startswith("tools/") else command[0]
    inherited = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    env = {name: value for name, value in (inherited | environment).items() if value is not None}
    done = subprocess.run([program, *map(str, command[1:])], cwd=cwd, env=env, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=limit)
    return done.returncode, done.stdout, done.stderr


def fake_tools(folder, **scripts):
    """A PATH with these programs in front: each is a shell script."""
    folder.mkdir()
    for name, body in scripts.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/bash\n{body}\n")
        path.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@pytest.fixture
def qemu(request):
    """qemu(*args, timeout=60) -> Qemu; `program` may be a script that ends as QEMU."""
    name = re.sub(r"[^\w.-]+", "-", request.node.name).strip("-")
    runs = request.node.stash.setdefault(RUNS, [])

    def start(*args, timeout=60, program=QEMU):
        suffix = f"-{len(runs)}" if runs else ""
        runs.append(Qemu(name + suffix, args, timeout, program))
        return runs[-1]

    yield start
    for run in runs:
        run.close()
        run.log.close()


RUNS = pytest.StashKey()


@pytest.fixture
def native(qemu):
    """native(image, ...) -> Qemu: the image on QEMU's own virt board, the machine that virt7 promises to its guests."""

    def start(image, *args, cpu="cortex-a15", smp=1, mem="256M", timeout=60):
        return qemu("-M", "virt,gic-version=2", "-cpu", cpu, "-smp", smp, "-m", mem, "-nographic", "-kernel", image,
                    *args, timeout=timeout)

    return start


@pytest.fixture
def virt7(qemu):
    """virt7(bundle, ...) -> Qemu: virt7 on the virt board with HYP mode; a bundle of None is no -initrd at all."""

    def start(bundle, *args, cpu="cortex-a15", smp=1, mem="512M", timeout=120):
        initrd = [] if bundle is None else ["-initrd", bundle]
        return qemu("-M", "virt,virtualization=on,gic-version=2", "-cpu", cpu, "-smp", smp, "-m", mem, "-nographic",
                    "-kernel", BUILD / "virt7.bin", *initrd, *args, timeout=timeout)

    return start


@pytest.fixture
def mkbundle(tmp_path):
    """mkbundle("name=a,cpus=1,...", "--uplink lan=/x", ...) or mkbundle(Path("x.its")) -> path of the bundle."""

    def make(*vms):
        bundle = tmp_path / "test.itb"
        args = []
        for vm in vms:
            args += [vm] if isinstance(vm, Path) else vm.split(" ") if vm.startswith("--") else ["--vm", vm]
        done = subprocess.run([ROOT / "tools" / "mkbundle", "-o", bundle, *args], cwd=ROOT, text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, f"mkbundle {' '.join(map(str, args))}:\n{done.stdout}"
        return bundle

    return make


@pytest.fixture
def initramfs(tmp_path):
    """initramfs("name=file", ...) -> the example guest's, with these files, and these modules of the kernel's."""

    def make(*files, modules=()):
        path = tmp_path / "test.cpio"
        adds = [part for item in files for part in ("--add", item)]
        adds += [part for module in modules for part in ("--module", module)]
        subprocess.run([ROOT / "tools/mkinitramfs", "-o", path, "--tree", DEPS / "armhf", *adds], check=True)
        return path

    return make


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Show the consoles of a test that failed."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for run in item.stash.get(RUNS, []):
            if not run.log.closed:
                report.sections.append(("console, last lines", run.tail()))


# Seconds that a file's tests take together on a machine with two idle CPUs, which works on two files at a time.
BUDGETS = {line.split()[0]: int(line.split()[1]) for line in (Path(__file__).parent / "budgets").read_text().splitlines()
           if line and not line.startswith("#")}


def pytest_terminal_summary(terminalreporter, config):
    """Of a run without -k: what each file has taken, beside its budget. Nothing fails for it: the machine may be busy."""
    if config.option.keyword or os.environ.get("SOAK"):
        return
    taken = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if hasattr(report, "duration"):
                name = report.nodeid.split("::")[0].rpartition("/")[2]
                taken[name] = taken.get(name, 0) + report.duration
    terminalreporter.section("seconds by file, of its budget")
    for name, seconds in sorted(taken.items(), key=lambda item: -item[1]):
        over = " OVER" if seconds > BUDGETS.get(name, 0) else ""
        terminalreporter.write_line(f"{name:28} {seconds:6.0f} of {BUDGETS.get(name, 0):6}{over}")
    terminalreporter.write_line(f"{'together':28} {sum(taken.values()):6.0f} of {sum(BUDGETS.values()):6}")
