"""Interrupts and timers: the conformance guests of the GIC (gic, gicsmp, gicshare) with every number of CPUs and with few list
registers (boot option gic.lrs), the storm of SGIs and timer interrupts, and random deadlines.

With SOAK=1 in the environment: 10 million deliveries, 10,000 deadlines of each timer and CPU.
"""
import time

import pytest

from test_guests import QEMU_QUIRKS, VIRT7_QUIRKS, check, image
from test_shell import command, open_shell
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
    """The same while the VM is paused again and again: its time stands still, and its vCPUs go on on any CPU."""
    run = start("deadlines", 4, 2, None, f"deadlines={5 * DEADLINES}", "timer.offset=paused")
    run.expect("deadlines=")
    open_shell(run)
    for _ in range(PAUSES):
        for what in ("pause", "resume"):
            assert "vm test" not in command(run, f"vm {what} test"), "it ended too early"
            time.sleep(0.05)  # 25 of its longest deadlines
    run.send("exit\r")
    check(run, VIRT7_QUIRKS)
