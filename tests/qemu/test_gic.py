# SPDX-License-Identifier: BSD-2-Clause
"""Interrupts and timers: the conformance guests of the GIC (gic, gicsmp, gicshare) with every number of CPUs and with few list
registers (boot option gic.lrs), the storm of SGIs and timer interrupts, and random deadlines.

With SOAK=1 in the environment: 10 million deliveries, 10,000 deadlines of each timer and CPU.
"""
import time

import pytest

from conftest import CPUS
from test_guests import QEMU_QUIRKS, VIRT7_QUIRKS, check, image
from test_shell import command, open_shell, power_off
from test_smp import PATIENCE, SOAK

NATIVE_QUIRKS = QEMU_QUIRKS | {
    "gic-n-n",  # an SPI with several targets is taken by each of them (IHI 0048B 3.1.1)
    "gic-ppi-pending",  # ISPENDR does not set a PPI pending (4.3.7)
    "gic-retarget",  # a pending SPI does not move to its new target (4.3.12): QEMU 7.2
    "gic-retarget-active",  # an SPI that is active and pending is taken by its new target (3.2.4): QEMU 10.0
}
CPU_COUNTS = (1, 2, 4, 8)
LIST_REGISTERS = (None, 1, 2)  # None: all there are
ROUNDS = 1000 if SOAK else 5
DELIVERIES = 10_000_000 if SOAK else 20_000
PAUSES = 500 if SOAK else 10
DEADLINES = 10_000 if SOAK else 100
SHARED = ((2, 2), (4, 4), (2, 1), (4, 2))  # vCPUs, physical CPUs


@pytest.fixture
def start(virt7, mkbundle):
    """start(guest, vcpus, smp, lrs, bootargs, options) -> Qemu"""

    def run(guest, vcpus, smp, lrs=None, bootargs=None, options=""):
        bootargs = f",bootargs={bootargs}" if bootargs else ""
        bundle = mkbundle(f"name=test,cpus={vcpus},memory=64M,kernel={image(guest)}{bootargs}")
        if lrs:
            options += f" gic.lrs={lrs}"
        return virt7(bundle, "-append", options, smp=smp, timeout=240 * PATIENCE)

    return run


@pytest.mark.parametrize("lrs", LIST_REGISTERS)
@pytest.mark.parametrize("cpus", CPU_COUNTS)
def test_gic(start, cpus, lrs):
    check(start("gic", cpus, cpus, lrs), VIRT7_QUIRKS)


@pytest.mark.parametrize("cpus", CPU_COUNTS)
def test_gic_native(native, cpus):
    check(native(image("gic"), smp=cpus), NATIVE_QUIRKS)


@pytest.mark.parametrize("lrs", LIST_REGISTERS)
@pytest.mark.parametrize("cpus", (2, 4, 8) if SOAK else (2, 4))
def test_gic_between_cpus(start, cpus, lrs):
    check(start("gicsmp", cpus, cpus, lrs, f"rounds={ROUNDS}"), VIRT7_QUIRKS)


def test_gic_between_cpus_that_share(start):
    check(start("gicsmp", 3, 2, None, f"rounds={ROUNDS}"), VIRT7_QUIRKS)


def test_gic_between_cpus_traced(start):
    """Both the trace and the GIC send SGIs between CPUs."""
    check(start("gicsmp", 2, 2, None, f"rounds={ROUNDS}", "trace=1"), VIRT7_QUIRKS)


@pytest.mark.parametrize("cpus", (2, 8) if SOAK else (2,))
def test_gic_between_cpus_native(native, cpus):
    check(native(image("gicsmp"), "-append", f"rounds={ROUNDS}", smp=cpus, timeout=240 * PATIENCE), NATIVE_QUIRKS)


@pytest.mark.parametrize("vcpus, smp", ((2, 2), (4, 4), (8, 8), (4, 2), (2, 1)))
def test_several_targets(start, vcpus, smp):
    check(start("gicshare", vcpus, smp, None, f"rounds={20 * ROUNDS}"), VIRT7_QUIRKS)


@pytest.mark.parametrize("cpus", (2, 4, 8))
def test_several_targets_native(native, cpus):
    check(native(image("gicshare"), smp=cpus, timeout=240 * PATIENCE), NATIVE_QUIRKS)


@pytest.mark.parametrize("cpus", (2, 8) if SOAK else (2,))
def test_storm_native(native, cpus):
    check(native(image("storm"), "-append", f"deliveries={DELIVERIES}", smp=cpus, timeout=240 * PATIENCE), NATIVE_QUIRKS)


@pytest.mark.parametrize("lrs", (None, 1))
@pytest.mark.parametrize("vcpus, smp", SHARED)
def test_storm(start, vcpus, smp, lrs):
    run = start("storm", vcpus, smp, lrs, f"deliveries={DELIVERIES}")
    check(run, VIRT7_QUIRKS)
    assert f"deliveries={DELIVERIES}\n" in run.output()


@pytest.mark.parametrize("cpus", (1, 2))
def test_deadlines_native(native, cpus):
    check(native(image("deadlines"), "-append", f"deadlines={DEADLINES}", smp=cpus, timeout=240 * PATIENCE),
          NATIVE_QUIRKS)


@pytest.mark.parametrize("vcpus, smp", ((1, 1), *SHARED))
def test_deadlines(start, vcpus, smp):
    run = start("deadlines", vcpus, smp, None, f"deadlines={DEADLINES}")
    check(run, VIRT7_QUIRKS)
    assert f"deadlines={DEADLINES}\n" in run.output()


def test_deadlines_and_pauses(start):
    """The guest's timers while its VM is paused again and again: its time stands still, and its vCPUs go on on any CPU."""
    run = start("deadlines", 4, 2, None, f"deadlines={5 * DEADLINES}", "timer.offset=paused")
    run.expect("deadlines=")
    open_shell(run)
    for _ in range(PAUSES):
        for what in ("pause", "resume"):
            assert "vm test" not in command(run, f"vm {what} test"), "it ended too early"
            time.sleep(0.05)  # 25 of its longest deadlines
    run.send("exit\r")
    check(run, VIRT7_QUIRKS)


RTC = "/pl031@9010000"


@pytest.fixture
def given(virt7, mkbundle):
    """given(vcpus, smp, ...) -> Qemu: VM a has the host's PL031; with `rival` VM b wants it, too."""

    def run(vcpus, smp, stay=0, lrs=None, cpu="cortex-a15", rival=False):
        vm = f"memory=8M,kernel={image('hostirq')},pass={RTC},bootargs=given=1 stay={stay}"
        bundle = mkbundle(*[f"name={name},cpus={vcpus},{vm}" for name in ("ab" if rival else "a")])
        return virt7(bundle, "-append", f"gic.lrs={lrs}" if lrs else "", smp=smp, cpu=cpu, timeout=120 * PATIENCE)

    return run


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("cpus", (1, 4))
def test_interrupt_of_the_host_native(native, cpus, cpu):
    check(native(image("hostirq"), smp=cpus, cpu=cpu), NATIVE_QUIRKS)


GIVEN = ((1, 1, None), (1, 1, 1), (4, 4, None), (4, 4, 1), (4, 2, None), (3, 1, None))


# Each on one core; of the others, the two that differ most.
@pytest.mark.parametrize("cpu, vcpus, smp, lrs", [(cpu, *layout) for cpu in CPUS for layout in (GIVEN if SOAK or cpu == CPUS[0] else
                                                                                                (GIVEN[1], GIVEN[4]))])
def test_interrupt_of_the_host(given, vcpus, smp, lrs, cpu):
    """A VM has the host's PL031 and its interrupt: enabled, disabled, level, edge, from vCPU to vCPU, as natively."""
    check(given(vcpus, smp, lrs=lrs, cpu=cpu), VIRT7_QUIRKS)


@pytest.mark.parametrize("stay", (1, 2))
@pytest.mark.parametrize("vcpus, smp", ((1, 1), (2, 2)))
def test_interrupt_of_the_host_outlives_no_vm(given, vcpus, smp, stay):
    """A guest that never ends it, or that ends it without end, keeps no operator from the shell; what the VM is made to do meanwhile
    leaves nothing of it behind, for itself or the VM that has it next."""
    run = given(vcpus, smp, stay, rival=True)
    run.expect(r"hostirq: stays\r")
    open_shell(run)
    assert f"virt7: error: vm b: passthrough {RTC}: it, or a part of it, is taken already by a" in run.output()
    for commands in (("vm reset -f a",), ("vm pause a", "vm resume a", "vm reset -f a"), ("vm pause a", "vm reset -f a"),
                     ("vm stop -f a", "vm start a"), ("vm pause a", "vm stop -f a", "vm start a"),
                     ("vm stop -f a", "vm destroy a", "vm create a", "vm start a"),
                     ("vm destroy -f a", "vm create b", "vm start b", "vm destroy -f b", "vm create a", "vm start a")):
        for line in commands:
            assert "error" not in command(run, line)
            if line.startswith(("vm start", "vm reset")):
                run.send(f"vm console {line[-1]}\r")
                run.expect(r"hostirq: stays\r")
                open_shell(run)
    assert "FAIL: " not in run.output()
    power_off(run)
