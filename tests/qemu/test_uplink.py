# SPDX-License-Identifier: BSD-2-Clause
"""A network card of the host's in a switch of VMs: addresses, files and connections through it, its cable, and what cannot be."""
import contextlib
import hashlib
import http.server
import re
import socket
import subprocess
import threading
import time

import pytest

from conftest import BUILD, ROOT
from test_shell import command, open_shell, power_off
from test_smp import SOAK
from test_virtio_net import debian, ports

PLACE = "/virtio_mmio@a003e00"  # of the first of QEMU's virtio devices
DATA = hashlib.shake_256(b"virt7").digest(1 << 20)
VERSIONS = pytest.mark.parametrize("version", (1, 2))


def card(version, forward=""):
    return ["-netdev", f"user,id=net{forward}", "-device", "virtio-net-device,netdev=net,id=nic",
            *(["-global", "virtio-mmio.force-legacy=false"] if version == 2 else [])]


@contextlib.contextmanager
def web_server():
    """The port of a server of DATA on this machine, which guests know as 10.0.2.2."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(DATA)))
            self.end_headers()
            self.wfile.write(DATA)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def dial(port, timeout=60):
    """What the guest's side says of a connection: QEMU takes it whether the guest does or not. One that the guest may take late is not given up."""
    end, got = time.monotonic() + timeout, b""
    while not got and time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=end - time.monotonic()) as stream:
            while part := stream.recv(4096):
                got += part
    return got


def client(port):
    return "; ".join((
        "ifconfig eth0 up", "udhcpc -i eth0 -n -q -t 20 >/dev/null 2>/dev/null", "echo add''ress $(ip addr show eth0 | grep -o 'inet [0-9.]*')",
        f"wget -q -O /tmp/f http://10.0.2.2:{port}/f", "echo fetch''ed $(sha256sum /tmp/f)",
        "mkfifo /tmp/endless; exec 3<>/tmp/endless; while :; do (echo wel''come; sleep 1) | nc -l -p 22 >/dev/null; done"))


@pytest.mark.parametrize("version, cpus", ((1, 2), (2, 1), *(((1, 1), (2, 2)) if SOAK else ())))
def test_outside(virt7, mkbundle, version, cpus):
    """Two VMs get addresses from outside, each its own, and a file; one is called from outside; the shell counts."""
    port = free_port()
    with web_server() as server:
        bundle = mkbundle(f"--uplink lan={PLACE}", *(debian(name, client(server), "net=lan") for name in "ab"))
        run = virt7(bundle, *card(version, f",hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:22"), smp=cpus, timeout=300)
        for name in "ab":
            run.expect_said(name, f"fetched {hashlib.sha256(DATA).hexdigest()}")
        addresses = {re.search(r"address inet (10\.0\.2\.\d+)", run.said(name))[1] for name in "ab"}
        assert len(addresses) == 2 and "10.0.2.15" in addresses
        assert dial(port).strip() == b"welcome"
    assert f"virt7: switch lan: uplink {PLACE}, 52:54:00:12:34:56" in run.output()
    open_shell(run)
    sent, received = map(int, re.search(rf"^{PLACE} +52:54:00:12:34:56 +(\d+) +(\d+) uplink$", command(run, "net"), re.M).groups())
    assert sent >= 2 * len(DATA) // 1514 and received > 20
    seen = ports(run)
    assert seen["a.net0"][1] + seen["b.net0"][1] >= sent
    power_off(run)


@pytest.mark.parametrize("native", ("", "--native"))
def test_make_run(native):
    """`make run NET=user:PORT`, and the same without virt7: an address, a way out, and a way in."""
    port = free_port()
    with web_server() as server:
        words = f"wget -q -O - http://10.0.2.2:{server}/f | sha256sum; echo welcome | nc -l -p 22; ip route"
        with subprocess.Popen([ROOT / "tools/run", *filter(None, [native]), f"NET=user:{port}", f"RUN={words}"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
            assert dial(port, timeout=120).strip() == b"welcome"
            said = run.communicate(timeout=120)[0]
    assert run.returncode == 0
    assert hashlib.sha256(DATA).hexdigest() in said and "default via 10.0.2.2 dev eth0" in said
    assert f"run: ssh -p {port} root@localhost reaches the guest's port 22" in said


def test_cable(virt7, mkbundle, tmp_path):
    """Pulled out and put in again: the guests' cards show it."""
    path = tmp_path / "monitor"
    watch = "ifconfig eth0 up; while :; do echo car''rier $(cat /sys/class/net/eth0/carrier); sleep 1; done"
    run = virt7(mkbundle(f"--uplink lan={PLACE}", debian("a", watch, "net=lan"), debian("b", watch, "net=lan,virtio-legacy"),
                         debian("c", watch, "net=other")), *card(2), "-monitor", f"unix:{path},server,nowait", timeout=180)
    monitor = socket.socket(socket.AF_UNIX)
    for name in "abc":
        run.expect_said(name, "carrier 1")
    monitor.connect(str(path))
    for state, word, carrier in (("off", "out", 0), ("on", "in", 1)):
        counts = {name: run.said(name).count(f"carrier {carrier}") for name in "ab"}
        monitor.send(f"set_link nic {state}\n".encode())
        run.expect(f"virt7: switch lan: uplink {PLACE}: the cable is {word}")
        for name, count in counts.items():
            run.expect_said(name, f"carrier {carrier}", count=count + 1)
    assert "carrier 0" not in run.said("c")
    open_shell(run)
    power_off(run)


NO_UPLINK = (
    ("/virtio_mmio@a003f00", "no such node in the host's device tree"),
    ("/pl011@9000000", "not a virtio device on virtio-mmio"),
    ("/virtio_mmio@a000000", "no device is in this place (QEMU fills them from the last one down)"),
    ("/virtio_mmio@a003c00", "a virtio device of another kind"),
    (PLACE, None),
    (PLACE, "another switch has this card"),
)


def test_no_uplink(virt7, mkbundle):
    """One line for each switch, and its VMs reach each other all the same: who has had an answer stays until the other has had one."""
    a, b = (debian(name, f"ifconfig eth0 10.0.0.{n} up; until ping -c 1 -W 1 10.0.0.{3 - n}; do :; done; echo fin''ished; sleep 3", "net=lan0")
            for n, name in enumerate("ab", 1))
    uplinks = [f"--uplink lan{n}={place}" for n, (place, _) in enumerate(NO_UPLINK)]
    run = virt7(mkbundle(*uplinks, a, b), *card(1), "-device", "virtio-rng-device", timeout=120)
    run.expect_said("a", "finished")
    run.expect_said("b", "finished")
    assert run.wait() == 0
    lines = re.findall(r"virt7: error: switch lan(\d): uplink \S+: (.*); its VMs reach nobody outside", run.output())
    assert sorted(lines) == [(str(n), why) for n, (_, why) in enumerate(NO_UPLINK) if why]
    assert run.output().count("virt7: error: ") == len(lines)


@VERSIONS
def test_random_numbers(qemu, version):
    """Where the device tree has no seed, the host's virtio-rng is asked; without that a line says what is left."""
    machine = ("-M", "virt,virtualization=on,gic-version=2,dtb-randomness=off", "-cpu", "cortex-a15", "-m", "512M", "-nographic",
               "-kernel", BUILD / "virt7.bin", *(["-global", "virtio-mmio.force-legacy=false"] if version == 2 else []))
    run = qemu(*machine, *card(1), "-device", "virtio-rng-device", timeout=60)
    run.expect("virt7: host: random numbers from a virtio-rng\r")
    run = qemu(*machine, *card(1), timeout=60)
    run.expect("virt7: host: no rng-seed in /chosen, and no TRNG and no virtio-rng that virt7 drives: ")
