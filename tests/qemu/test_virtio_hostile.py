# SPDX-License-Identifier: BSD-2-Clause
"""A hostile driver of virtio (tests/guests/virtio_hostile.c) beside a VM that must not notice, while the shell answers.

SOAK=1: a million rounds of descriptors that another vCPU rewrites, 1,000 resets of each kind.
"""
import re

import pytest

from test_guests import image
from test_shell import command, open_shell
from test_smp import SOAK
from test_vms import LATENCY, vm

RACES = 1_000_000 if SOAK else 3_000
RESETS = 1000 if SOAK else 10
TIMEOUT = 3600 if SOAK else 120

DISK = b"".join((n + 1).to_bytes(4, "little") * 128 for n in range(128))


@pytest.fixture
def hostile(virt7, mkbundle, tmp_path):
    """hostile(vCPUs, bootargs, ...) -> Qemu: the VM `bad`, and `good`, whose timer ticks, at the same priority."""

    def start(cpus, bootargs, more="", smp=2):
        disk = tmp_path / "disk.img"
        disk.write_bytes(DISK)
        disks = ",".join([f"disk={disk}:ro", *(f"disk={disk}:cow={4 * n}K" for n in range(1, 9)), "disk=size=8M"])
        return virt7(mkbundle(f"name=bad,cpus={cpus},memory=64M,{more}kernel={image('virtio_hostile')},{disks},bootargs={bootargs}",
                              vm("good", LATENCY, bootargs="rounds=200")), smp=smp, timeout=TIMEOUT)

    return start


def check_bad(run):
    """All that `bad` has reported; its neighbour and virt7 are well."""
    run.expect_said("bad", r"summary: \d+ passed, \d+ failed")
    said = run.said("bad")
    assert not re.findall("FAIL: .*|QUIRK: .*", said)
    assert ", 0 failed" in said
    run.expect_said("good", r"latency: \d+ us")
    assert "PANIC" not in run.output() and "virt7: error: " not in run.output()


@pytest.mark.parametrize("cpus", (1, 4))
def test_driver(hostile, cpus):
    """Chains, requests, registers, budgets of copy-on-write, and with several vCPUs races; resets of the device in flight."""
    run = hostile(cpus, f"races={RACES} resets={RESETS}")
    run.expect_said("bad", "PASS: ")
    open_shell(run)
    assert re.search(r"bad +running", command(run, "vm list"))
    run.send("exit\r")
    check_bad(run)


def test_legacy_driver(hostile):
    check_bad(hostile(1, "part=3", "virtio-legacy,"))


@pytest.mark.parametrize("cpus", (1, 4))
def test_resets_in_flight(hostile, cpus):
    """The VM resets itself while a vCPU of it has a request in flight: nothing of it arrives in the RAM of its next life."""
    run = hostile(cpus, f"part=1 resets={RESETS}")
    check_bad(run)
    assert f"flight: {RESETS + 1}, 0 wrong" in run.said("bad")


@pytest.mark.parametrize("cpus", (1, 4))
def test_power_in_flight(hostile, cpus):
    """An operator's reset, and off and on with requests in flight, which gives its RAM back in between."""
    run = hostile(cpus, "part=2")
    for n in range(RESETS):
        run.expect_said("bad", f"flight: {n + 1}, ")
        open_shell(run)
        for line in ("vm reset bad",) if n % 2 else ("vm stop bad", "vm start bad"):
            command(run, line)
        run.send("exit\r")
    run.expect_said("bad", f"flight: {RESETS + 1}, 0 wrong")
    run.expect_said("good", r"latency: \d+ us")
    assert "PANIC" not in run.output()


def net_bad(cpus, races):
    return (f"name=bad,cpus={cpus},memory=64M,kernel={image('virtio_net_hostile')},net=lan,net=lan,bootargs=races={races}")


@pytest.mark.parametrize("cpus", (1, 4))
def test_net_driver(virt7, mkbundle, cpus):
    """Network cards: chains on each queue, frames and buffers of any length, commands, places, and with several vCPUs races."""
    check_bad(virt7(mkbundle(net_bad(cpus, RACES), vm("good", LATENCY, bootargs="rounds=200")), smp=2, timeout=TIMEOUT))


def test_net_driver_native(native):
    """What is right is right on QEMU's own cards, too: lengths, layouts, commands."""
    wire = [word for n in range(2) for word in ("-netdev", f"hubport,id=n{n},hubid=0", "-device", f"virtio-net-device,netdev=n{n},bus=virtio-mmio-bus.{n}")]
    run = native(image("virtio_net_hostile"), "-append", "native=1", "-global", "virtio-mmio.force-legacy=false", *wire, mem="64M")
    assert run.wait() == 0
    assert re.search(r"summary: \d+ passed, 0 failed", run.output())
