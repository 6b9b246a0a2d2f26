# SPDX-License-Identifier: BSD-2-Clause
"""A real-time guest beside others: how late its timer's interrupts are, in instructions, and the demo of tools/run."""
import hashlib
import re

import pytest

from conftest import BUILD, ROOT
from test_shell import command, open_shell, power_off
from test_smp import SOAK
from test_vms import MMIO, RESET, SPIN, vm

RTOS = f"name=rtos,memory=8M,prefault,priority=7,kernel={BUILD}/guests/rtos.bin,bootargs="
LINE = r"rtos: now: (\d+) ticks of 1000 us: late by \d+ ns on average, (\d+) ns at worst; (\d+) missed\r"


@pytest.mark.parametrize("neighbour, bound", ((None, 700), (SPIN, 2000), (MMIO, 4000), (RESET, 400_000)))
def test_lateness(virt7, mkbundle, neighbour, bound):
    """One CPU under -icount, where a nanosecond is an instruction: alone, and with another VM that misbehaves on the same CPU."""
    vms = [] if neighbour is None else [vm("other", neighbour, "priority=3")]
    run = virt7(mkbundle(f"{RTOS}report=500", *vms), "-icount", "shift=0,sleep=off", timeout=600 if SOAK else 120)
    run.expect(LINE)  # while the other one starts
    for _ in range(60 if SOAK else 3):
        ticks, worst, missed = map(int, run.expect(LINE).groups())
        assert ticks == 500 and missed == 0 and worst <= bound


@pytest.mark.parametrize("board, minutes", (("orangepi-pc", 60 if SOAK else 0), *((("vexpress-a15", 5),) if SOAK else ())))
def test_demo(qemu, tmp_path, board, minutes):
    """`make run DEMO=rtos`: Debian has the SD card and is restarted; the real-time guest goes on. How late it is is QEMU's and is not judged."""
    data = hashlib.shake_256(b"card").digest(4 << 20)
    (tmp_path / "card").write_bytes(data)
    run = qemu(f"BOARD={board}", "DEMO=rtos", f"DISK={tmp_path}/card", timeout=300, program=ROOT / "tools/run")
    for _ in range(2):
        run.expect(r"debian\| ~ # ")
        run.send("until [ -e /dev/mmcblk0 ]; do sleep 1; done; sha256sum </dev/mmcblk0\r")
        run.expect_said("debian", hashlib.sha256(data).hexdigest())
        run.expect(LINE)
        open_shell(run)
        command(run, "vm reset -f debian")
        run.send("vm console\r")
        run.expect(LINE)
    for _ in range(minutes * 12):
        assert int(run.expect(LINE)[1]) == 5000
    open_shell(run)
    assert re.search(r"^rtos +running +1 of 1 ", command(run, "vm list"), re.M)
    power_off(run)
