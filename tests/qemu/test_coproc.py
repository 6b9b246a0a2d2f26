# SPDX-License-Identifier: BSD-2-Clause
"""Coprocessor registers, CPU models, big.LITTLE, set/way: docs/registers.md, docs/setway.md, docs/configuration.md."""
import re
import subprocess
import time

import pytest

from conftest import BUILD, CPUS, DEPS, KERNEL_VERSION, QEMU_VERSION, ROOT
from test_guests import check, image
from test_shell import command, open_shell, power_off
from test_smp import SOAK

KERNEL = DEPS / "armhf" / "vmlinuz"
BOOT = 400  # seconds: the machine that runs the tests may be slow and shared

# Encodings that QEMU decodes although nothing allocates them (a fixed set of CRn), see tests/guests/coproc.c.
QUIRKS = {"cpu-unallocated"}
# HSTR.TTEE and T15, and what stands in for traps of HCR that do not work (docs/platform.md): T9 for TIDCP, T0 for TID3.
if QEMU_VERSION < (10, 0):
    UNALLOCATED = {"cortex-a15": {3, 6, 7, 10}, "cortex-a7": {3, 6, 7, 10}, "max": {6, 7}}
    SUBSTITUTES = {"cortex-a15": 0x18201, "cortex-a7": 0x18201, "max": 0x18200}
else:
    UNALLOCATED = {"cortex-a15": {3, 6, 7}, "cortex-a7": {3, 6, 7}, "max": {6, 7}}
    SUBSTITUTES = {"cortex-a15": 0x18000, "cortex-a7": 0x18000, "max": 0x18000}
HSTR_T7, HSTR_T0 = 0x80, 0x1
# QEMU's cores, whose L2 is its own idea, and the ones of cpu.fake.
A15 = "midr 41[0-9a-f]fc0f[0-9a-f] ctr 8444c004 mmfr0 10201105 mmfr1 20000000 ccsidr 701fe00a 201fe00a 71[1f]fe07a"
A7_OF_QEMU = "midr 410fc075 ctr 84448003 mmfr0 10101105 mmfr1 40000000"
A7 = A7_OF_QEMU + " ccsidr 700fe01a 203fe009 707fe03a"
BIG_LITTLE = "cpu.fake=0:a15,1:a15,2:a7,3:a7"
WARNINGS = 200  # what virt7 may say about a guest that tries everything, in the seconds that it takes


def lines_of(run, start=""):
    return [line.strip() for line in run.output().splitlines() if line.startswith(start)]


def guest(name, vm="test", cpus=1, more=""):
    return f"name={vm},cpus={cpus},memory=64M,kernel={image(name)}{more}"


# Every encoding.


@pytest.mark.parametrize("t7", ("", "coproc.t7=1"), ids=("", "t7"))
@pytest.mark.parametrize("cpu", CPUS)
def test_registers(virt7, mkbundle, cpu, t7):
    run = virt7(mkbundle(guest("coproc")), *(["-append", t7] if t7 else []), cpu=cpu, timeout=300)
    check(run, QUIRKS)
    classes = {int(n) for n in re.findall(r"QUIRK: cpu-unallocated: cp15 MRC, MCR: c(\d+): ", run.output())}
    assert classes == UNALLOCATED[cpu] - ({7} if t7 else set())
    warnings = lines_of(run, "virt7: warning")
    assert 0 < len(warnings) < WARNINGS
    assert all(re.fullmatch(r"virt7: warning: vm test: vcpu 0: CP1[45](_64)?\([\d, ]+\) (read|write) at pc "
                            r"0x[0-9a-f]{8}: UNDEF", line) for line in warnings)
    assert f"HSTR 0x{SUBSTITUTES[cpu] | (HSTR_T7 if t7 else 0):05x})" in run.output()


def test_table_is_current():
    subprocess.run([ROOT / "tools/registers", "--check"], check=True)


# Models.


@pytest.mark.parametrize("cpu, midr", [("cortex-a15", A15.split()[1]), ("cortex-a7", "410fc075"), ("max", "411fd070")])
def test_host_model(virt7, mkbundle, cpu, midr):
    """All vCPUs see one processor, the host's; the device tree's word for it is in test_guestdtb."""
    run = virt7(mkbundle(guest("model", cpus=4)), cpu=cpu, smp=2)
    check(run, set())
    assert re.search(rf"\nmodel: cpus 4 midr {midr} ", run.output())


@pytest.mark.parametrize("cpu, options, exits, ctr", [
    ("max", "", 0, "8444c004"),
    ("max", "cpu.fake=0:a7", 5, "84448003"),  # the model's are not the core's: HCR.TID2
    ("cortex-a15", "", 5 if SUBSTITUTES["cortex-a15"] & HSTR_T0 else 0, "8444c004"),
], ids=("own", "fake", "substitute"))
def test_exits_of_cache_ids(virt7, mkbundle, cpu, options, exits, ctr):
    """CTR, CLIDR, CCSIDR, and CSSELR both ways: no exit where the core's own are what the VM is to see."""
    run = virt7(mkbundle(guest("talk")), *(["-append", options] if options else []), cpu=cpu)
    run.expect(r"talk: ready\r")
    run.send("caches 100\r")
    assert run.expect(r"caches: ctr (\w+) clidr 0a200023 csselr 1 ccsidr \w+\r")[1] == ctr
    open_shell(run)
    cp15 = re.search(r"^cp15 +(\d+)", command(run, "stat test"), re.M)
    assert (int(cp15[1]) if cp15 else 0) // 100 == exits
    power_off(run)


@pytest.mark.parametrize("hstr", (1, 0))
def test_it_block(virt7, mkbundle, hstr):
    """Thumb code with a conditional coprocessor access: QEMU 7.2 goes wrong where HSTR is not 0 (docs/platform.md)."""
    run = virt7(mkbundle(guest("talk")), "-append", f"coproc.hstr={hstr}")
    run.expect(rf"HSTR 0x{SUBSTITUTES['cortex-a15'] if hstr else 0:05x}\)")
    run.expect(r"talk: ready\r")
    run.send("it\r")
    run.expect(rf"it: {0 if hstr and QEMU_VERSION < (10, 0) else 7}\r")


@pytest.mark.parametrize("cpu,operation", [("cortex-a15", "ICIALLU"), ("cortex-a7", "BPIALL"), ("max", "BPIALL")],
                         ids=CPUS)
def test_harden_at_exit(virt7, mkbundle, cpu, operation):
    """The vectors that empty the branch predictor first, with and without the trace: traps and interrupts go on."""
    run = virt7(mkbundle(guest("talk")), "-append", "harden=force", cpu=cpu)
    assert run.expect(r"virt7: host: CPUs 0x1: [^\r]*, (\w+) at each exit\r")[1] == operation
    run.expect(r"talk: ready\r")
    run.send("caches 100\r")
    run.expect(r"caches: ctr (\w+) clidr")
    open_shell(run)
    command(run, "trace on")
    run.send("vm console test\r")
    run.expect(r"\[test\]\r")
    run.send("caches 100\r")
    run.expect(r"caches: ctr (\w+) clidr")
    open_shell(run)
    dump = command(run, "trace dump 4096")
    assert re.search(r"^trace: 0 \d+ (cp15|data-abort|hvc) test/0 ", dump, re.M)
    assert re.search(r"^trace: 0 \d+ irq test/0 ", dump, re.M)
    command(run, "trace off")
    power_off(run)


@pytest.mark.parametrize("cpu,said", [
    ("cortex-a15", ", branch predictor stays as it is between VMs: the firmware leaves ACTLR.IBE clear"),
    ("cortex-a7", ""),
    ("max", ", harden=exit does nothing on it"),
], ids=CPUS)
def test_harden_where_it_is_not_for(virt7, mkbundle, cpu, said):
    run = virt7(mkbundle(guest("model")), "-append", "harden=exit", cpu=cpu)
    check(run, set())
    assert re.search(rf"\nvirt7: host: CPUs 0x1: [^\n]*, HSTR 0x\w+\){re.escape(said)}\n", run.output())


def test_errata(virt7, mkbundle):
    """Each forced, and the guest that makes every kind of store to a device."""
    run = virt7(mkbundle(guest("mmio")), "-append", "errata=766422,773022,798181", smp=2)
    check(run, set())
    assert [line for line in lines_of(run, "virt7: ") if "erratum" in line] == [
        "virt7: host: erratum 766422 is worked around on CPUs 0x3",
        "virt7: host: erratum 798181 is worked around on CPUs 0x3",
        "virt7: warning: host: erratum 773022: CPUs 0x3 keep their loop buffer: only firmware can set ACTLR[1]"]


@pytest.mark.parametrize("cpu", CPUS)
def test_no_errata(virt7, mkbundle, cpu):
    run = virt7(mkbundle(guest("model")), cpu=cpu)
    check(run, set())
    assert "erratum" not in run.output()


def test_debian_with_errata(virt7, mkbundle):
    ramdisk = BUILD / "initramfs.cpio"
    run = virt7(mkbundle(f"name=debian,cpus=2,memory=256M,kernel={KERNEL},ramdisk={ramdisk},"
                         'bootargs=console=ttyAMA0 virt7.run="echo $((6*7))"'),
                "-append", "errata=766422,773022,798181", smp=2, timeout=BOOT)
    for erratum in (766422, 798181, 773022):
        run.expect(rf"virt7: [^\r]*erratum {erratum}[^\r]*\r")
    run.expect(r"\n42\r", timeout=BOOT)
    assert run.wait(timeout=BOOT) == 0


def test_named_model(virt7, mkbundle):
    run = virt7(mkbundle(guest("model", more=",cpu-model=cortex-a7")), cpu="cortex-a7")
    check(run, set())
    assert re.search(rf"\nmodel: cpus 1 {A7_OF_QEMU} ", run.output())


def refused(run, line):
    run.expect("virt7: error: " + line + "\r")
    run.expect("virt7: error: no VM could be started: see the lines above\r")
    assert len(lines_of(run, "virt7: error: ")) == 2 or run.expect("stopped at: start\r")


def test_model_without_a_cpu(virt7, mkbundle):
    refused(virt7(mkbundle(guest("model", more=",cpu-model=cortex-a7"))),
            'vm test: cpu-model "cortex-a7": this host has no CPU that can be one; change it in /vms/test or leave it out')


def test_model_outside_the_affinity(virt7, mkbundle):
    refused(virt7(mkbundle(guest("model", more=",cpu-model=cortex-a7,cpu-affinity=0x3")), "-append", BIG_LITTLE, smp=4),
            'vm test: cpu-model "cortex-a7": cpu-affinity 0x3 names none of its CPUs, which are 0xc; change one in '
            "/vms/test")


# big.LITTLE: four equal CPUs, of which two say that they are Cortex-A15 and two that they are Cortex-A7.


@pytest.mark.parametrize("big, little", [(2, 2), (4, 1), (1, 4), (8, 8)])
def test_big_little(virt7, mkbundle, big, little):
    """Two VMs at the same time, each on its own kind, with more vCPUs than that has too."""
    run = virt7(mkbundle(guest("model", "big", big, ",cpu-model=cortex-a15"),
                         guest("model", "little", little, ",cpu-model=cortex-a7"), guest("talk", "stays")),
                "-append", BIG_LITTLE + " trace=1", smp=4, timeout=240)
    while not {"virt7: vm big: off", "virt7: vm little: off"} <= set(lines_of(run)):
        run.expect(r"\n")
    open_shell(run)
    placed = re.findall(r"^(big|little) +(\d) +(\d) ", command(run, "stat"), re.M)
    assert {(vm, int(vcpu)) for vm, vcpu, _ in placed} == \
        {(vm, vcpu) for vm, count in (("big", big), ("little", little)) for vcpu in range(count)}
    traced = re.findall(r"^trace: (\d) \d+ \S+ (big|little)/", command(run, "trace dump 1000"), re.M)
    where = {(vm, int(cpu)) for vm, _, cpu in placed} | {(vm, int(cpu)) for cpu, vm in traced}
    assert len(traced) > 1000 and where <= {("big", 0), ("big", 1), ("little", 2), ("little", 3)}
    power_off(run)
    output = run.output()
    assert "virt7: host: CPUs 0x3: cortex-a15 (MIDR 0x412fc0f1, " in output
    assert "virt7: host: CPUs 0xc: cortex-a7 (MIDR 0x410fc075, " in output
    assert "virt7: vm big: cortex-a15, on CPUs 0x3\n" in output
    assert "virt7: vm little: cortex-a7, on CPUs 0xc\n" in output
    assert re.search(rf"model: cpus {big} {A15} ", run.said("big"))
    assert re.search(rf"model: cpus {little} {A7} ", run.said("little"))
    assert "FAIL" not in run.said("big") + run.said("little") and "virt7: error" not in output and "virt7: warning" not in output
    # A report of CPU_ON for each but the first, and two of each at the end.
    assert f"summary: {3 * big - 1} passed, 0 failed" in run.said("big")
    assert f"summary: {3 * little - 1} passed, 0 failed" in run.said("little")


@pytest.mark.parametrize("fake, model", [("1:a7,2:a7,3:a7", A7), ("3:a7", A15), ("2:a7,3:a7", A15)])
def test_host_is_what_most_are(virt7, mkbundle, fake, model):
    """Of equals that of the lowest CPU."""
    run = virt7(mkbundle(guest("model", cpus=2)), "-append", f"cpu.fake={fake}", smp=4)
    check(run, set())
    assert re.search(rf"\nmodel: cpus 2 {model} ", run.output())


def test_unknown_core_is_left_out(virt7, mkbundle):
    run = virt7(mkbundle(guest("model", cpus=4)), "-append", "cpu.fake=2:unknown", smp=4)
    check(run, set())
    output = run.output()
    assert "\nvirt7: error: host: CPU 2 (MIDR 0x410fc050) is left out: virt7 does not know this core\n" in output
    assert "\nvirt7: host: 3 of 4 CPUs online\n" in output
    assert "\nvirt7: host: CPUs 0xb: cortex-a15 " in output
    assert lines_of(run, "virt7: error") == [
        "virt7: error: host: CPU 2 (MIDR 0x410fc050) is left out: virt7 does not know this core"]


def test_host_without_vfp(virt7):
    more = "" if QEMU_VERSION < (10, 0) else ",vfp-d32=off"
    run = virt7(None, cpu=f"cortex-a15,vfp=off,neon=off{more}")
    run.expect(r"virt7: error: stopped[^\r]*\r")
    said, stopped = lines_of(run, "virt7: error")
    assert re.fullmatch(rf"virt7: error: host: CPU 0 \(MIDR 0x{A15.split()[1]}\) is left out: it has no VFP, or its "
                        r"firmware keeps it from the non-secure side \(NSACR\)", said)
    assert stopped == "virt7: error: stopped at: boot CPU"


def test_wrong_option(virt7):
    run = virt7(None, "-append", "cpu.fake=9:a7 coproc.t7=2")
    assert run.wait() == 0
    assert "\nvirt7: warning: option cpu.fake: expects N:KIND with commas between, KIND being a7, a15 or unknown; " \
        "ignored\n" in run.output()
    assert "\nvirt7: warning: option coproc.t7: expects 0 or 1; ignored\n" in run.output()


# Set/way.

TRAPPED = [("max", "setway.log=1"), ("cortex-a15", "setway.log=1 coproc.t7=1"), ("cortex-a7", "setway.log=1 coproc.t7=1")]
SETWAY = re.compile(r"virt7: vm debian: vcpu (\d): set/way (\w+) -> (\w+) "
                    r"\(operations (\d+), changes (\d+), flushes (\d+)\)")


def check_setway(lines):
    """The lines of one vCPU are a walk of docs/setway.md's states, and their counters what that walk makes of them.

    A vCPU that is switched on again begins anew. Returns the states.
    """
    states, operations, changes, flushes = ["WAIT"], 0, 0, 0
    for before, after, *numbers in lines:
        new_operations, new_changes, new_flushes = map(int, numbers)
        if before == "WAIT":
            states, operations, changes, flushes = states + ["WAIT"] if len(states) > 1 else states, 0, 0, 0
        assert states[-1] == before
        if (before, after) == ("WAIT", "OFF"):  # noted, and done at each change
            assert new_changes >= 1 and new_flushes == (new_changes if new_operations else 0)
        elif (before, after) == ("OFF", "ON"):  # the first one flushes; changes are not seen
            assert (new_operations, new_changes, new_flushes) == (operations + 1, changes, flushes + 1)
        else:  # further ones do not; each change does
            assert (before, after) == ("ON", "OFF")
            assert new_operations >= operations and new_flushes - flushes == new_changes - changes
        states.append(after)
        operations, changes, flushes = new_operations, new_changes, new_flushes
    return states


SETWAYS = [(cpu, options, cpus) for cpu, options in TRAPPED for cpus in (1, 4 if cpu == "cortex-a7" else 2)]


# Each core and each number of CPUs once; all of them with SOAK.
@pytest.mark.parametrize("cpu, options, cpus", SETWAYS if SOAK else (SETWAYS[0], SETWAYS[3], SETWAYS[5]),
                         ids=lambda value: "" if "=" in str(value) else str(value))
def test_setway_debian_and_kexec(virt7, mkbundle, initramfs, cpu, options, cpus):
    """
    Debian, and by kexec into the same kernel: decompressor, kernel, and between them caches off and all flushed. Linux
    6.12 cannot kexec on ARM, natively neither: it jumps by way of TTBR0 while its PAN has that switched off. One boot then.
    """
    boots = 2 if KERNEL_VERSION < (6, 12) else 1
    ramdisk = initramfs(f"bin/kexec-to={BUILD}/linux/kexec", f"boot/kernel={KERNEL}",
                        f"boot/ramdisk={BUILD}/initramfs.cpio")
    command = f"if [ -e /boot ] && [ {boots} = 2 ]; then kexec-to /boot/kernel /boot/ramdisk; else echo second: $(nproc); fi"
    run = virt7(mkbundle(f"name=debian,cpus={cpus},memory=256M,kernel={KERNEL},ramdisk={ramdisk},"
                         f'bootargs=console=ttyAMA0 virt7.run="{command}"'),
                "-append", options, cpu=cpu, smp=min(cpus, 2), timeout=BOOT)
    if boots == 2:
        run.expect(r"\nkexec: go\r")
    run.expect(rf"\nsecond: {cpus}\r")
    assert run.wait() == 0
    output = run.output()
    assert output.count("userspace up: ") == boots and "virt7: warning" not in output and "virt7: error" not in output
    walk = {vcpu: [] for vcpu in range(cpus)}
    for vcpu, *line in SETWAY.findall(output):
        walk[int(vcpu)].append(line)
    # The boot CPU: caches on in the decompressor; the kernel's L1 invalidate and its MMU on; its flush of everything. Then
    # kexec's flush and caches off, and the same once more, without a reset in between.
    boot = ["OFF", "ON", "OFF", "ON", "OFF"]
    assert check_setway(walk[0]) == (["WAIT", *boot, "ON", *boot] if boots == 2 else ["WAIT", *boot])
    for vcpu in range(1, cpus):
        states = check_setway(walk[vcpu])
        assert states.count("WAIT") == boots and states[0] == "WAIT"  # the other CPUs went off and came on
    operations = [int(line[2]) for line in walk[0]]
    assert operations[-1] > boots * 32768  # each kernel walked all sets and ways of L1 and L2


def test_setway_flush_gives_up_the_cpu(virt7, mkbundle):
    """In virtual time (-icount), so that the machine's load does not matter."""
    run = virt7(mkbundle(f"name=test,cpus=2,memory=320M,kernel={image('setway')},bootargs=touch=300"),
                "-icount", "shift=0,sleep=off", cpu="max")
    check(run, set())


# VFP and NEON across physical CPUs.


def test_vfp_moves(virt7, mkbundle):
    """Three vCPUs, two of them with VFP registers to lose, take turns on two CPUs until each has been seen on both."""
    run = virt7(mkbundle(guest("vfp", cpus=3)), smp=2)
    run.expect(r"vfp: until a key is pressed\r")
    open_shell(run)
    seen, limit = set(), time.monotonic() + 120
    while len(seen) < 6 and time.monotonic() < limit:
        seen |= set(re.findall(r"^test +(\d) +(\d) ", command(run, "stat"), re.M))
    assert len(seen) == 6
    run.send("exit\r")
    run.expect(r"\[test\]")
    run.send("q")
    check(run, set())


# VFP and NEON in Debian's userspace: the same bits as on QEMU's own board.

NEON = "for seed in 1 2 3 4 5 6; do neon $seed 1000 & done; wait"


def neon(run):
    assert run.wait() == 0
    found = sorted(re.findall("neon [0-9a-f]{16} [0-9a-f]{16}", run.output()))
    assert len(found) == 6
    return found


@pytest.mark.parametrize("cpu", CPUS if SOAK else ("cortex-a7", "max"))
def test_neon(native, virt7, mkbundle, initramfs, cpu):
    """Six programs, from CPU to CPU; four vCPUs on two CPUs, beside a VM that uses VFP there as well."""
    ramdisk = initramfs(f"bin/neon={BUILD}/linux/neon")
    bare = native(KERNEL, "-initrd", ramdisk, "-append", f'console=ttyAMA0 virt7.run="{NEON}"', cpu=cpu, smp=2, timeout=BOOT)
    want = neon(bare)
    run = virt7(mkbundle(f"name=debian,cpus=4,memory=256M,kernel={KERNEL},ramdisk={ramdisk},"
                         f'bootargs=console=ttyAMA0 virt7.run="{NEON}"',
                         guest("vfp", "vfp")), cpu=cpu, smp=2, timeout=BOOT)
    assert neon(run) == want
    assert re.search(r"summary: \d+ passed, 0 failed", run.said("vfp"))
