# SPDX-License-Identifier: BSD-2-Clause
"""Two and eight Debians on a switch with what people use there: DHCP, ping, IPv6's neighbours, iperf3 both ways by TCP and UDP,
ssh (dropbear) from one to another, and a third that listens. Of `make soak`: SOAK=1, and `tools/deps net`.
"""
import re

import pytest

from conftest import DEPS
from test_shell import open_shell, power_off
from test_smp import SOAK
from test_virtio_net import CLIENT_OF_DHCP, DHCPD, ports, share_screen

pytestmark = [pytest.mark.skipif(not SOAK, reason="minutes"),
              pytest.mark.skipif(not (DEPS / "armhf/usr/bin/iperf3").exists(), reason="`tools/deps net` fetches iperf3 and dropbear")]

SECONDS = 2
PROGRAMS = ("usr/bin/iperf3", "usr/bin/dbclient", "usr/bin/dropbearkey", "usr/sbin/dropbear")
LIBRARIES = ("libc.so.6", "libm.so.6", "libgcc_s.so.1", "libiperf.so.0", "libsctp.so.1", "libssl.so.3", "libcrypto.so.3", "libcrypt.so.1",
             "libtomcrypt.so.1", "libtommath.so.1", "libgmp.so.10", "libz.so.1", "libpthread.so.0")
ROOT_USER = "mkdir -p /var/run /etc/dropbear; echo root::0:0:root:/root:/bin/sh >/etc/passwd; echo /bin/sh >/etc/shells"
TESTS = ("", "-R", "-u -b 20M", "-u -b 20M -R")

SERVER = "; ".join((ROOT_USER, "ifconfig lo 127.0.0.1 up", "hostname the-server", "dropbearkey -t ed25519 -f /etc/dropbear/key >/dev/null", "dropbear -B -r /etc/dropbear/key",
                    "iperf3 -s -D", DHCPD))
WORK = "; ".join((
    ROOT_USER,
    *(f"until iperf3 -c 10.0.0.1 -t {SECONDS} -f m {options} >/tmp/out 2>&1; do sleep 1; done; echo iperf {n}: $(grep receiver /tmp/out)"
      for n, options in enumerate(TESTS)),
    "echo ssh: $(dbclient -y -y root@10.0.0.1 hostname 2>/dev/null)", "echo al''l done"))
CLIENT = CLIENT_OF_DHCP.replace("SERVER", "fe80::5054:ff:fe00:1").replace("; while sleep", f"; {WORK}; while sleep")
SPY = "; ".join(("ifconfig eth0 10.0.0.200 promisc up", "echo re''ady", "while sleep 1; do :; done"))


def library(name):
    return next(path for path in (DEPS / "armhf" / folder / "arm-linux-gnueabihf" / name for folder in ("lib", "usr/lib")) if path.exists())


@pytest.fixture
def archive(initramfs, tmp_path):
    """With the programs, and what each kind of VM does as a script: a command line is too short for it."""
    armhf = DEPS / "armhf"
    scripts = {"server": SERVER, "client": CLIENT, "spy": SPY}
    for name, script in scripts.items():
        (tmp_path / name).write_text(script + "\n")
    files = [f"bin/{name.split('/')[-1]}={armhf / name}" for name in PROGRAMS]
    files += [f"lib/{name}={library(name)}" for name in LIBRARIES]
    files += [f"bin/be-{name}={tmp_path / name}" for name in scripts]
    return initramfs(*files, f"lib/ld-linux-armhf.so.3={armhf}/lib/arm-linux-gnueabihf/ld-linux-armhf.so.3")


@pytest.mark.parametrize("number, smp", ((2, 1), (2, 2), (8, 2)))
def test_debians(virt7, mkbundle, archive, number, smp):
    def debian(name, kind, mac=""):
        return (f"name={name},cpus=1,memory=128M,kernel={DEPS}/armhf/vmlinuz,ramdisk={archive},net=lan{mac},"
                f'bootargs=console=ttyAMA0 virt7.run="sh /bin/be-{kind}"')

    clients = [f"c{n}" for n in range(number - 1)]
    run = virt7(mkbundle(debian("server", "server", ":mac=52:54:00:00:00:01"), *(debian(name, "client") for name in clients),
                         debian("spy", "spy")), smp=smp, mem="2G", timeout=540)
    addresses = set()
    for name in clients:
        run.expect_said(name, "all done")
        said = run.said(name)
        addresses.add(re.search(r"address (10\.0\.0\.\d+)", said)[1])
        assert "5 packets transmitted, 5 packets received" in said and "neighbour" in said
        for n in range(len(TESTS)):
            rate = re.search(rf"iperf {n}: .*? ([\d.]+) Mbits/sec", said)
            assert float(rate[1]) > 0
            print(name, TESTS[n] or "tcp", rate[1], "Mbit/s")
        assert "ssh: the-server" in said
    assert len(addresses) == len(clients)
    open_shell(run)
    seen = ports(run)
    print(seen)
    assert seen["server.net0"][1] > 1000 * len(clients)
    assert seen["spy.net0"][1] < 50 * (number + 1)  # what is to all
    share_screen(run)
    open_shell(run)
    power_off(run)
