# SPDX-License-Identifier: BSD-2-Clause
"""A second console of Debian in a VM, byte by byte: the host's UART is a socket here, because a terminal would translate."""
import hashlib
import re
import socket
import time

import pytest

from conftest import BUILD, DEPS
from test_shell import ESCAPE, trace_events

OUT = 100 * 1024
LIMIT = 120
DEBIAN = f"memory=128M,kernel={DEPS}/armhf/vmlinuz,ramdisk={BUILD}/initramfs.cpio"

# Each stage waits for what is typed on the console. Who closes it last has its settings forgotten.
COMMAND = "; ".join((
    "which ifconfig ping sha256sum getty | wc -l", "exec 3<>/dev/hvc0", "stty raw -echo <&3", "echo re''ady",
    "head -c {count} <&3 >/tmp/in", "dd if=/dev/urandom of=/tmp/out bs=1k count=100 2>/dev/null", "cat /tmp/out >&3",
    "sha256sum /tmp/in /tmp/out", "echo wri''tten",
    "exec 3>&-", "getty -n -l /bin/sh 115200 hvc0 vt100"))


# Sends without end, and reads nothing.
FLOOD = "; ".join(("exec 3<>/dev/hvc0", "stty raw -echo <&3", "cat /dev/zero >&3 & echo floo''ding", "sleep 1000"))


class Uart:
    """What a test does with a Qemu, in bytes."""

    def __init__(self, path):
        end = time.monotonic() + LIMIT
        self.socket, self.data = socket.socket(socket.AF_UNIX), b""
        while self.socket.connect_ex(str(path)):
            assert time.monotonic() < end, "QEMU does not open its UART"
            time.sleep(0.1)
        self.socket.settimeout(LIMIT)

    def more(self):
        part = self.socket.recv(65536)
        assert part, "QEMU has ended"
        self.data += part

    def expect(self, pattern):
        """Wait for it; returns what came before, and forgets both."""
        while not (match := re.search(pattern, self.data)):
            self.more()
        before, self.data = self.data[:match.start()], self.data[match.end():]
        return before

    def take(self, count):
        while len(self.data) < count:
            self.more()
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def send(self, data):
        self.socket.sendall(data)

    def command(self, escape, text):
        """In the shell, which the escape key, if there is one, opens. Returns what it prints, as text."""
        if escape:
            self.send(escape)
            self.expect(rb"virt7> ")
        self.send(text + b"\r")
        self.expect(re.escape(text) + rb"\r\n")
        return self.expect(rb"virt7> ").decode().replace("\r", "")

    def show(self, name):
        """From the shell, which is open."""
        self.send(b"vm console %s\r" % name)
        self.expect(rb"\[%s\]\r\n" % name)


@pytest.mark.parametrize("legacy, escape", (("", b"\x1d"), (",virtio-legacy", b"\x1c")), ids=("version-2", "version-1"))
def test_bytes(virt7, mkbundle, tmp_path, legacy, escape):
    """Each value arrives both ways, but for the key that is virt7's, which is another one in each run; then a login."""
    typed = bytes(value for value in range(256) if value != escape[0])
    command = COMMAND.format(count=len(typed))
    bundle = mkbundle(f'name=debian,{DEBIAN},console,console{legacy},bootargs=console=ttyAMA0 virt7.run="{command}"')
    qemu = virt7(bundle, "-serial", f"unix:{tmp_path}/uart,server=on,wait=on", "-monitor", "none", "-append",
                 f"console.escape={escape[0]}")
    uart = Uart(tmp_path / "uart")
    assert b"debian| 4\r\n" in uart.expect(rb"debian\| ready\r\n")
    listed = uart.command(escape, b"vm list")
    assert re.search(r"^debian +running .* keyboard\n  debian\.con1 +\n  debian\.con2 +\n", listed, re.M)
    uart.command(b"", b"trace on")
    uart.show(b"debian.con1")
    uart.send(typed)
    out = uart.take(OUT)
    assert len(set(out)) == 256
    dump = uart.command(escape, b"trace dump 500")
    names = {event["name"] for event in trace_events(dump)}
    assert {"con1 kick 1", "con1 done 1"} <= names and any(re.fullmatch(r"con1 bytes \d+", name) for name in names)
    uart.command(b"", b"trace off")
    uart.show(b"debian")
    sums = uart.expect(rb"written\r\n").decode()
    assert f"{hashlib.sha256(typed).hexdigest()}  /tmp/in" in sums
    assert f"{hashlib.sha256(out).hexdigest()}  /tmp/out" in sums
    stat = uart.command(escape, b"stat debian")
    assert re.search(r"^con1 +\d+ +100 +\d+ +\d+ +0$", stat, re.M) and re.search(r"^con2 +0 +0 ", stat, re.M)
    uart.show(b"debian.con1")
    uart.send(b"\r")
    uart.expect(rb"~ # ")
    uart.send(b"tty; echo $((6*7))\r")
    uart.expect(rb"/dev/hvc0\r\n42\r\n")
    assert "debian.con1| 42\n" in uart.command(escape, b"log debian.con1")
    uart.send(escape)  # in an empty line: the next console, and behind the last one all
    uart.expect(rb"\[debian\.con2\]\r\n")
    uart.send(2 * escape)
    uart.expect(rb"\[all VMs; keyboard: debian\.con2\]\r\n")
    uart.command(escape, b"log debian.con2")
    uart.show(b"debian.con1")
    uart.send(b"poweroff -f\r")
    uart.expect(rb"vm debian: off")
    assert qemu.wait() == 0


def test_reset_and_destroy(virt7, mkbundle, tmp_path):
    """With output and input on their way: the VM resets, goes and comes again, and so do its consoles."""
    bundle = mkbundle(f'name=debian,{DEBIAN},console,bootargs=console=ttyAMA0 virt7.run="{FLOOD}"')
    qemu = virt7(bundle, "-serial", f"unix:{tmp_path}/uart,server=on,wait=on", "-monitor", "none", smp=2)
    uart = Uart(tmp_path / "uart")

    def wait_for_flood():
        """By the log, because the screen that both share is full of zeroes. The shell is open."""
        for _ in range(LIMIT):
            if "debian| flooding\n" in uart.command(b"", b"log debian"):
                break
            time.sleep(1)
        uart.show(b"debian.con1")
        uart.expect(rb"\0{5000}")
        uart.send(b"no guest reads this")
        uart.send(ESCAPE.encode())
        uart.expect(rb"virt7> ")

    uart.expect(rb"Booting Linux")
    uart.send(ESCAPE.encode())
    uart.expect(rb"virt7> ")
    wait_for_flood()
    for _ in range(2):
        uart.command(b"", b"vm reset -f debian")
    assert "debian.con1" in uart.command(b"", b"vm list")
    uart.command(b"", b"vm destroy -f debian")
    assert "debian" not in uart.command(b"", b"vm list")
    assert uart.command(b"", b"vm console debian.con1") == "no VM is called debian.con1; `vm list` shows their names\n"
    uart.command(b"", b"vm create debian")
    uart.command(b"", b"vm start debian")
    wait_for_flood()
    uart.send(b"poweroff\r")
    assert qemu.wait() == 0
