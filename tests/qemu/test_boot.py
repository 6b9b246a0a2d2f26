# SPDX-License-Identifier: BSD-2-Clause
"""Starting virt7: Debian to its shell and off again, every size of memory, no bundle, and entered in the wrong mode."""
import os
import re
import subprocess

import pexpect
import pytest

from conftest import BUILD, CPUS, KERNEL_VERSION, ROOT, SILENT, run as run_tool

DEPS = ROOT / os.environ.get("DEPS", BUILD / "deps")
KERNEL = DEPS / "armhf" / "vmlinuz"
INITRAMFS = BUILD / "initramfs.cpio"
PROMPT = r"~ # "
BOOT = 240  # seconds: the machine that runs the tests may be slow and shared
TYPED = 60  # for what is typed to have its effect


@pytest.fixture
def debian(virt7, mkbundle):
    """debian(vm, ...) -> Qemu: virt7 with one Debian VM; `memory` and `bootargs` are the VM's, the rest QEMU's."""

    def start(memory="256M", bootargs="", **machine):
        bundle = mkbundle(f"name=debian,cpus=1,memory={memory},kernel={KERNEL},ramdisk={INITRAMFS},"
                          f"bootargs=console=ttyAMA0 {bootargs}".rstrip())
        return virt7(bundle, **machine, timeout=BOOT)

    return start


def expect_userspace(run, mib, cpus=1):
    """Without waiting for the time limit where there will be no userspace."""
    match = run.expect(r"(userspace up: |Kernel panic|PANIC: |virt7: error: stopped)[^\r]*\r")
    assert match[0].strip() == f"userspace up: {cpus} cpus, {mib} MiB"


def own_bytes(run):
    """What virt7 itself has printed so far."""
    return sum(len(line) + 2 for line in run.lines() if line.startswith("virt7: "))


def power_off(run):
    """Type it, and see the machine end as it should."""
    run.expect(PROMPT)
    run.send("poweroff -f\n")
    run.expect("virt7: vm debian: off\r", timeout=TYPED)
    run.expect("virt7: no VM is running: power off\r")
    assert run.wait() == 0


def check_clean(run):
    """Neither virt7 nor Debian's kernel had anything to complain about."""
    bad = ("virt7: error", "virt7: warning", "PANIC", "------------[ cut here ]", "BUG: ", "Internal error",
           "Unable to handle", "rcu_sched self-detected")
    assert [line for line in run.output().splitlines() if any(text in line for text in bad)] == []


@pytest.mark.parametrize("cpu", CPUS)
def test_shell(debian, cpu):
    run = debian(cpu=cpu)
    expect_userspace(run, 256)
    assert 200 < own_bytes(run) < 1024  # 0.09 s at 115200 baud
    run.expect(PROMPT)
    run.send("echo $((6*7))\n")
    run.expect(r"\n42\r", timeout=TYPED)
    # More than the UART's 16 characters at once, and every one of them arrives.
    run.expect(PROMPT)
    run.send("echo " + "0123456789" * 20 + " | wc -c\n")
    run.expect(r"\n201\r", timeout=TYPED)
    power_off(run)
    check_clean(run)


def test_stable_command(qemu):
    """The command that users' scripts rely on, word for word."""
    run = qemu("-M", "virt,virtualization=on,gic-version=2", "-cpu", "cortex-a15", "-m", "1G", "-nographic",
               "-kernel", BUILD / "virt7.bin", "-initrd", BUILD / "debian.itb", timeout=BOOT)
    expect_userspace(run, 512)
    power_off(run)
    check_clean(run)


def test_reboot(debian):
    """Twice, with other random seeds in each start's device tree, which Linux takes for enough."""
    run = debian()
    seeds = set()
    for _ in range(2):
        expect_userspace(run, 256)
        run.expect(PROMPT)
        run.send("dmesg | grep -c 'crng init done'; md5sum /proc/device-tree/chosen/kaslr-seed\n")
        seeds.add(run.expect(r"\n1\s+([0-9a-f]{32})  /proc", timeout=TYPED)[1])
        run.send("reboot -f\n")
        run.expect("virt7: vm debian: reset\r", timeout=TYPED)
    assert len(seeds) == 2
    expect_userspace(run, 256)
    power_off(run)
    check_clean(run)


def test_run_command(debian):
    run = debian(bootargs='virt7.run="uname -m; echo $((6*7))"')
    expect_userspace(run, 256)
    run.expect(r"\narmv7l\s+42\r")
    run.expect("virt7: no VM is running: power off\r")
    assert run.wait() == 0
    check_clean(run)


def test_run_command_that_fails(debian):
    run = debian(bootargs='virt7.run="exit 3"')
    run.expect(r"virt7\.run: exit status 3\r")
    assert run.wait() == 0


@pytest.mark.parametrize("mib, host", [(64 if KERNEL_VERSION < (6, 12) else 128, "512M"), (1024, "2G")], ids=("little", "much"))
def test_memory(debian, mib, host):
    """Little is what the kernel can unpack itself in."""
    run = debian(memory=f"{mib}M", mem=host)
    expect_userspace(run, mib)
    power_off(run)
    check_clean(run)


def expect_refusal(run, pattern):
    """One VM, and it cannot be had: its line, then the two with which virt7 stops."""
    run.expect("virt7: error: " + pattern + "\r")
    run.expect("virt7: error: no VM could be started: see the lines above\r")
    run.expect("virt7: error: stopped at: start\r")
    assert run.output().count("virt7: error: ") == 3


def test_more_memory_than_the_host_has(debian):
    run = debian(memory="2G", mem="1G")
    expect_refusal(run, r"vm debian: memory: 2048 MiB asked for, the host has \d+ MiB free; "
                        r"lower memory in /vms/debian")


def test_too_little_memory_for_the_kernel(virt7, tmp_path):
    """mkbundle refuses it in the same words; mkimage makes it."""
    source, bundle = tmp_path / "small.its", tmp_path / "small.itb"
    source.write_text('/dts-v1/; / { description = "x"; images { vmlinuz { data = /incbin/("%s"); type = "kernel"; arch = "arm"; '
                      'os = "linux"; compression = "none"; hash-1 { algo = "crc32"; }; }; }; vms { debian { compatible = "virt7,vm"; '
                      'memory = <16384>; kernel = "vmlinuz"; }; }; };' % KERNEL)
    status, _, stderr = run_tool("tools/mkbundle", "-o", bundle, source)
    assert status == 1 and not bundle.exists()
    subprocess.run(["mkimage", "-f", source, bundle], check=True, capture_output=True)
    run = virt7(bundle)
    line = stderr.removeprefix("mkbundle: ").rstrip("\n")
    assert re.fullmatch(r'vm debian: kernel "vmlinuz": \d+ KiB \(unpacking\) at 0x[0-9a-f]+ '
                        r"(overlap the device tree, .*; give the VM more memory|are not inside RAM .*)", line)
    expect_refusal(run, re.escape(line))


@pytest.mark.parametrize("cpu", CPUS)
def test_clock(virt7, cpu):
    """QEMU counts an instruction for a cycle, and with shift=0 one is a nanosecond. Guests run as if nothing had been counted."""
    run = virt7(None, "-icount", "shift=0,sleep=off", cpu=cpu)
    mhz = int(run.expect(r"\nvirt7: host: CPUs 0x1: clock at (\d+) MHz by the cycle counters; it stays as the firmware left it\r")[1])
    assert 980 <= mhz <= 1020
    run.expect("virt7: vm demo: off\r")


def test_quiet(virt7, mkbundle):
    """Boot says its first line and what is wrong; the rest is in the log, and life goes on as ever."""
    first = [r"virt7: virt7 \S+ at 0x\w+, MIDR 0x\w+",
             r"virt7: warning: option gic\.lrs: expects a number of list registers, 1 to 64; ignored"]
    run = virt7(mkbundle(f"name=talk,memory=8M,kernel={BUILD}/guests/talk.bin"), "-append", "quiet gic.lrs=x")
    run.expect(r"\n> $")
    assert re.fullmatch("\n".join([*first, "talk: ready", "> "]), "\n".join(run.lines()))
    run.send("\x1d")
    run.expect("virt7> $")
    run.send("log\r")
    run.expect("virt7> $")
    said = run.child.before.replace("\r", "")
    assert re.search("\n".join([*first, r"virt7: host: \d+ MiB of RAM, \d+ MiB free for VMs"]) + "\n", said)
    assert re.search('\nvirt7: vm talk: loading kernel "talk.bin", \\d+ KiB\n', said)
    run.send("vm stop talk\r")
    run.expect("virt7: vm talk: off\r")


@pytest.mark.parametrize("cpu", CPUS)
def test_no_bundle(virt7, cpu):
    run = virt7(None, cpu=cpu)
    run.expect(r"virt7: warning: no bundle \(no linux,initrd-start in /chosen; on QEMU: -initrd X\.itb\): "
               r"the demo guest runs\r")
    run.expect(r"\nHello from a virtual machine under virt7\.\r")
    run.expect("virt7: vm demo: off\r")
    run.expect("virt7: no VM is running: power off\r")
    assert run.wait() == 0


@pytest.mark.parametrize("cpu", CPUS)
def test_entered_in_svc(qemu, cpu):
    """QEMU's virt board without virtualization=on starts a kernel in SVC mode, where a hypervisor cannot run."""
    run = qemu("-M", "virt,gic-version=2", "-cpu", cpu, "-m", "256M", "-nographic", "-kernel", BUILD / "virt7.bin")
    run.expect("virt7: error: entered in SVC mode, not HYP: start virt7 in HYP mode; on QEMU add virtualization=on "
               "to -M virt\r")
    run.expect(r"virt7: error: stopped\r+\n")
    said = run.output()
    run.send("x")
    run.child.expect(pexpect.TIMEOUT, timeout=3)
    assert run.output() == said
    assert [line for line in said.splitlines() if "virt7: " in line][1:] == [
        "virt7: error: entered in SVC mode, not HYP: start virt7 in HYP mode; on QEMU add virtualization=on to -M virt",
        "virt7: error: stopped",
    ]


def dtb(name):
    """A board's device tree in the kernel package."""
    return sorted(DEPS.glob(f"armhf/usr/lib/linux-image-*/{name}.dtb"))[-1]


@pytest.mark.parametrize("machine, tree, words", [
    ("vexpress-a9", "vexpress-v2p-ca9", [*SILENT, "-append", "on-error=poweroff"]),
    ("sabrelite", "imx6q-sabrelite", ["-serial", "null", "-serial", "mon:stdio"]),
], ids=("pl011", "imx"))
def test_core_without_lpae(qemu, machine, tree, words):
    """A Cortex-A9 has no long descriptors, no timer of virt7's kind and no SDIV. It says so, and can switch off."""
    run = qemu("-M", machine, *words, "-m", "512M", "-nographic", "-kernel", BUILD / "virt7.bin", "-dtb", dtb(tree))
    run.expect("virt7: error: this CPU has neither LPAE nor HYP mode: virt7 needs a Cortex-A7, A12, A15 or A17\r")
    run.expect("virt7: error: stopped\r")
    if "on-error=poweroff" in words:
        assert run.wait() == 0
    assert len([line for line in run.output().splitlines() if "virt7: " in line]) == 3


@pytest.mark.parametrize("virtualization", ["on", "off"])
def test_aarch64(qemu, virtualization):
    """A 64-bit CPU decodes the image's first word otherwise, and comes to a line of its own."""
    run = qemu("-M", f"virt,virtualization={virtualization},gic-version=2", "-cpu", "cortex-a57", "-m", "256M", "-nographic",
               "-kernel", BUILD / "virt7.bin", program=os.environ.get("QEMU64", "qemu-system-aarch64"))
    run.expect("virt7: error: entered in AArch64 state: virt7 is a 32-bit program; use qemu-system-arm, or -cpu cortex-a15 or "
               "cortex-a7\r")
    run.expect("virt7: error: stopped\r")


def test_elf_as_kernel(qemu):
    """QEMU passes an ELF file nothing: virt7 finds the tree, says what is missing, and the demo guest runs."""
    run = qemu("-M", "virt,virtualization=on,gic-version=2", "-cpu", "cortex-a15", "-m", "256M", "-nographic", "-kernel",
               BUILD / "virt7.elf", "-initrd", BUILD / "debian.itb")
    run.expect("virt7: warning: no device tree in r2: the one at 0x40000000 is used. QEMU passes neither it nor -initrd to "
               "virt7.elf: give it virt7.bin\r")
    run.expect("virt7: no VM is running: power off\r")
    assert run.wait() == 0


def test_gicv3_host(qemu):
    """A host without what virt7 needs: it says what is missing."""
    run = qemu("-M", "virt,virtualization=on,gic-version=3", "-cpu", "cortex-a15", "-m", "256M", "-nographic",
               "-kernel", BUILD / "virt7.bin")
    run.expect("virt7: error: host: intc@8000000 is arm,gic-v3, not arm,gic-400, arm,cortex-a15-gic or "
               "arm,cortex-a7-gic; on QEMU add gic-version=2 to -M virt\r")
    run.expect("virt7: error: this board's device tree lacks what virt7 needs\r")
    run.expect("virt7: error: stopped\r")


@pytest.mark.parametrize("machine, line", [
    ("virt,gic-version=2", "entered in SVC mode, not HYP: start virt7 in HYP mode; on QEMU add virtualization=on to -M virt"),
    ("virt,virtualization=on,gic-version=3", "this board's device tree lacks what virt7 needs"),
], ids=("svc", "gicv3"))
def test_power_goes_off_where_virt7_cannot_go_on(qemu, machine, line):
    """The host's PSCI is called by HVC on the one, by SMC on the other."""
    run = qemu("-M", machine, "-cpu", "cortex-a15", "-m", "256M", "-nographic", "-kernel", BUILD / "virt7.bin", "-append",
               "on-error=poweroff")
    assert run.wait() == 0
    assert run.lines()[-2:] == ["virt7: error: " + line, "virt7: error: stopped"]


def test_four_cpus_one_vcpu(debian):
    run = debian(smp=4)
    run.expect("virt7: host: 4 of 4 CPUs online\r")
    expect_userspace(run, 256)
    power_off(run)
    check_clean(run)


def test_cpu_affinity(virt7, mkbundle):
    """The VM on the last of four CPUs; the psci guest is enough to see it run and end there."""
    bundle = mkbundle(f"name=test,memory=64M,cpu-affinity=0x8,kernel={BUILD}/guests/psci.bin")
    run = virt7(bundle, smp=4)
    run.expect("virt7: host: 4 of 4 CPUs online\r")
    run.expect(r"summary: \d+ passed, \d+ failed\r")
    assert run.wait() == 0


def test_cpu_affinity_without_a_cpu(virt7, mkbundle):
    bundle = mkbundle(f"name=test,memory=64M,cpu-affinity=0x10,kernel={BUILD}/guests/psci.bin")
    expect_refusal(virt7(bundle, smp=4), "vm test: cpu-affinity 0x10 names no CPU that is online")
