# SPDX-License-Identifier: BSD-2-Clause
"""Network cards under full load, of bare-metal guests (tests/guests/net.c): who receives is paused, reset, stopped, crashes,
resets its card; a flood to all beside others that talk, or compute. SOAK=1: 1,000 of each.
"""
import re

import pytest

from test_guests import image
from test_shell import command, open_shell, power_off
from test_smp import SOAK
from test_virtio_net import ports
from test_vms import SHARE, SPIN, vm

SENDS, RECEIVES, ANSWERS, ASKS, FLOODS = range(5)
SECOND = 5
ROUNDS = 1000 if SOAK else 9
RESETS = 1000 if SOAK else 30
SLICE = 10_000  # us
WAYS = (("vm pause b", "vm resume b"), ("vm reset -f b",), ("vm stop -f b", "vm start b"))


def card(name, role, options="", bootargs="", mac=None):
    """A VM with that role, by the address that the others know it by."""
    return (f"name={name},memory=8M,{options}kernel={image('net')},net=lan:mac=52:54:00:00:00:0{role if mac is None else mac},"
            f"bootargs=role={role} {bootargs}")


def wait_for_more(run, name, received):
    """Frames come to that port; what is known of it then. One that crashes meanwhile is started again."""
    for _ in range(600):
        found = ports(run)[f"{name}.net0"]
        if found[1] > received:
            return found
        if name == "c":
            revive(run)
    raise AssertionError(f"{name} receives nothing more after {received} frames")


def revive(run):
    """1 if the VM that its watchdog ends has been started once more."""
    if not re.search(r"^c +crashed", command(run, "vm list"), re.M):
        return 0
    command(run, "vm start c")
    return 1


@pytest.mark.parametrize("smp", (1, 2))
def test_life_of_a_receiver(virt7, mkbundle, smp):
    """Paused, reset, stopped, or crashed: it gets nothing from before, its sender goes on, and each frame is counted once."""
    run = virt7(mkbundle(card("a", SENDS), card("b", RECEIVES), card("c", RECEIVES, "watchdog-ms=50,on-crash=stop,", "crash=1", SECOND)),
                smp=smp, timeout=120)
    for name in "abc":
        run.expect_said(name, "net: begins")
    open_shell(run)
    received, crashes = {"b": 0, "c": 0}, 0
    for n in range(ROUNDS):
        sent = ports(run)["a.net0"][0]
        for line in WAYS[n % len(WAYS)]:
            command(run, line)
            if line == "vm pause b":
                there = ports(run)["b.net0"]
                assert ports(run)["b.net0"][1] == there[1]
        crashes += revive(run)
        for name in "bc":
            received[name] = wait_for_more(run, name, received[name])[1]
        assert ports(run)["a.net0"][0] > sent
    while crashes < ROUNDS:
        crashes += revive(run)
    command(run, "vm pause a")
    seen = ports(run)
    assert seen["a.net0"][2] == {}
    assert seen["a.net0"][0] == sum(seen[f"{name}.net0"][1] + sum(seen[f"{name}.net0"][2].values()) for name in "bc")
    assert seen["b.net0"][2]["VM or driver down"] > 0 and seen["c.net0"][2]["VM or driver down"] > 0
    power_off(run)
    assert "FAIL" not in run.output() and "PANIC" not in run.output()


@pytest.mark.parametrize("smp", (1, 2))
def test_resets_of_a_card(virt7, mkbundle, smp):
    """A reset of the card is complete when it returns, however much is on its way."""
    run = virt7(mkbundle(card("a", SENDS), card("b", RECEIVES, bootargs=f"resets={RESETS}")), smp=smp, timeout=3600 if SOAK else 120)
    run.expect_said("b", r"summary: \d+ passed, \d+ failed")
    said = run.said("b")
    assert "PASS: nothing is written after a reset" in said and ", 0 failed" in said
    assert int(re.search(rf"net: (\d+) of {RESETS} with more to come", said)[1]) > 0


def round_trip(run):
    """(average, longest) in us."""
    run.expect_said("a", r"round trip: \d+ us, \d+ us at most")
    return tuple(map(int, re.search(r"round trip: (\d+) us, (\d+) us at most", run.said("a")).groups()))


def share(run):
    run.expect_said("third", r"share: \d+ loops")
    return int(re.search(r"share: (\d+) loops", run.said("third"))[1])


def test_flood_beside_others(virt7, mkbundle):
    """
    One CPU, all of one priority. Two that ask and answer in turn need less than two slices beside one that sends to all
    without end. With a third that computes they need two slices or four, as the turns fall: no more than beside two that
    compute. The third has as much of the CPU as beside one that computes.
    """
    pair, third = (card("b", ANSWERS), card("a", ASKS, bootargs="rounds=30")), vm("third", SHARE, bootargs="seconds=1")

    def start(*others):
        return virt7(mkbundle(*pair, *others), "-icount", "shift=3,sleep=off")

    average, longest = round_trip(start(card("flood", FLOODS)))
    assert average < 2 * SLICE and longest < 2.1 * SLICE
    run, quiet = start(card("flood", FLOODS), third), start(vm("flood", SPIN), third)
    assert round_trip(run)[1] < 1.05 * round_trip(quiet)[1]
    flooded, computed = share(run), share(quiet)
    assert abs(flooded - computed) < 0.05 * computed
