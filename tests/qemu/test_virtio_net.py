# SPDX-License-Identifier: BSD-2-Clause
"""Networks between Debians: addresses, pings, files by TCP, by registers of both versions; what a switch keeps apart."""
import os
import re
import shutil
import struct
import subprocess

import pytest

from conftest import BUILD, DEPS, ROOT
from test_shell import command, open_shell, power_off

SOAK = bool(os.environ.get("SOAK"))
KIB = 16384 if SOAK else 1024

# Each waits for the other by asking again. nc ends when the other one has nothing more to say, so its own input has no end.
CLIENT = "; ".join((
    "mkfifo /tmp/endless; exec 3<>/tmp/endless", "ifconfig eth0 10.0.0.1 up",
    "until ping -c 1 -W 1 10.0.0.2 >/dev/null; do :; done", "ping -q -c 20 -i 0.1 10.0.0.2", "ping -q -c 5 -i 0.1 -s 9000 10.0.0.2", "ping6 -q -c 3 -I eth0 ff02::1",
    f"dd if=/dev/urandom of=/tmp/f bs=1k count={KIB} 2>/dev/null", "sha256sum /tmp/f", "nc 10.0.0.2 5000 </tmp/f >/dev/null",
    "until wget -q -O /tmp/back http://10.0.0.2/f; do sleep 1; done", "sha256sum /tmp/back",
    "for n in bytes packets; do echo rx_$n: $(cat /sys/class/net/eth0/statistics/rx_$n); done", "echo | nc 10.0.0.2 5001"))
SERVER = "; ".join((
    "mkfifo /tmp/endless; exec 3<>/tmp/endless", "ifconfig eth0 10.0.0.2 up", "nc -l -p 5000 <&3 >/tmp/f", "sha256sum /tmp/f", "httpd -p 80 -h /tmp", "nc -l -p 5001 <&3",
    "cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu"))


def debian(name, run, words, cpus=1):
    return (f"name={name},cpus={cpus},memory=128M,kernel={DEPS}/armhf/vmlinuz,ramdisk={BUILD}/initramfs.cpio,{words},"
            f'bootargs=console=ttyAMA0 virt7.run="{run}"')


VERSIONS = {"version-2": ("", ""), "both": ("", ",virtio-legacy"), "version-1": (",virtio-legacy", ",virtio-legacy")}


@pytest.mark.parametrize("cpus, versions", [(cpus, versions) for cpus in (1, 2) for versions in VERSIONS] if SOAK else
                         ((1, "version-2"), (2, "both"), (1, "version-1")))
def test_two_debians(virt7, mkbundle, versions, cpus):
    versions = VERSIONS[versions]
    bundle = mkbundle(debian("a", CLIENT, f"net=lan{versions[0]}", cpus),
                      debian("b", SERVER, f"net=lan:mac=52:54:00:ab:cd:ef{versions[1]}"))
    run = virt7(bundle, smp=cpus, timeout=600)
    assert run.wait() == 0
    client, server = run.said("a"), run.said("b")
    for count in (20, 5):
        assert f"{count} packets transmitted, {count} packets received, 0% packet loss" in client
    assert re.search(r"3 packets transmitted, 3 packets received", client)
    sums = re.findall(r"([0-9a-f]{64})  /tmp/(?:f|back)", client)
    assert len(sums) == 2 and sums[0] == sums[1]
    assert f"{sums[0]}  /tmp/f" in server
    bytes_in, packets_in = (int(re.search(rf"rx_{what}: (\d+)", client)[1]) for what in ("bytes", "packets"))
    assert bytes_in / packets_in > 1448  # which frames of 1,514 bytes cannot have: TCP's data comes in larger ones
    assert "52:54:00:ab:cd:ef1500" in server
    assert client.count("virt7.run: exit status 0") == server.count("virt7.run: exit status 0") == 1


SPY = "; ".join(("ifconfig eth0 10.0.0.3 promisc up", "echo re''ady", "while sleep 1; do :; done"))
ANSWERS = "; ".join(("ifconfig eth0 10.0.0.2 up", "echo re''ady", "while sleep 1; do :; done"))
SENDER = "; ".join((
    "ifconfig eth0 10.0.0.1 up", "until ping -c 1 -W 1 10.0.0.2 >/dev/null; do :; done", "ping -q -c 50 -i 0.1 10.0.0.2",
    "arp -s 10.0.0.3 $(arp -n 10.0.0.2 | grep -o '52:[0-9a-f:]*')",
    "ip link set eth0 down; ip link set eth0 address 52:54:00:09:09:09; ip link set eth0 up",
    "ping -q -c 3 -W 1 -i 0.2 10.0.0.3", "echo fin''ished", "while sleep 1; do :; done"))


def ports(run):
    """{port: (sent, received, {why: frames lost})} as the shell's `net` has it."""
    found, name = {}, None
    for line in command(run, "net").splitlines():
        if match := re.match(r"(\S+\.\S+) +52:\S+ +(\d+) +(\d+)", line):
            name = match[1]
            found[name] = int(match[2]), int(match[3]), {}
        elif match := re.match(r"  (\d+) lost, (.*)", line):
            found[name][2][match[2]] = int(match[1])
    return found


def test_apart(virt7, mkbundle):
    """A third VM sees nothing of two others' frames; no VM sends from an address that is not its own; the shell counts."""
    run = virt7(mkbundle(debian("spy", SPY, "net=lan"), debian("b", ANSWERS, "net=lan,net=other"),
                         debian("a", SENDER, "net=lan"), debian("c", "sleep 1000", "net=other:isolated,autostart=no")),
                smp=2, timeout=300)
    run.expect_said("spy", "ready")
    run.expect_said("a", "finished")
    assert "50 packets transmitted, 50 packets received" in run.said("a")
    assert "3 packets transmitted, 0 packets received" in run.said("a")
    open_shell(run)
    seen = ports(run)
    assert set(seen) == {"spy.net0", "a.net0", "b.net0", "b.net1", "c.net0"}
    assert seen["b.net0"][1] >= 51 and seen["a.net0"][0] >= 52
    assert seen["spy.net0"][1] < 30  # ARP and what IPv6 says to all
    assert seen["a.net0"][2]["sent: wrong source"] >= 3
    assert re.search(r"^c\.net0 .* isolated$", command(run, "net"), re.M)
    command(run, "vm pause b")
    command(run, "vm destroy c")
    assert "c.net0" not in ports(run)
    command(run, "vm create c")
    assert "c.net0" in ports(run)
    power_off(run)


def frames_of(run, tmp_path):
    """[(length, bytes)] of what a console has shown of a capture, through tools/console2pcap."""
    log, pcap = tmp_path / "console.log", tmp_path / "lan.pcap"
    log.write_text(run.output())
    pcap.write_bytes(subprocess.run([ROOT / "tools/console2pcap", log], check=True, capture_output=True).stdout)
    if tcpdump := shutil.which("tcpdump"):
        assert "ICMP echo request" in subprocess.run([tcpdump, "-nr", pcap], check=True, capture_output=True, text=True).stdout
    data = pcap.read_bytes()
    magic, *_, link = struct.unpack_from("<IHHiIII", data)
    assert (magic, link) == (0xa1b23c4d, 1)
    found, at, last = [], 24, (0, 0)
    while at < len(data):
        seconds, nanoseconds, kept, length = struct.unpack_from("<IIII", data, at)
        assert last <= (seconds, nanoseconds) and nanoseconds < 10**9
        last = seconds, nanoseconds
        found.append((length, data[at + 16:at + 16 + kept]))
        at += 16 + kept
    return found


def test_capture(virt7, mkbundle, tmp_path):
    """`net capture` shows each frame of its switch, and no other's, until Ctrl-C; tools/console2pcap makes a file of them."""
    client = "; ".join(("ifconfig eth0 10.0.0.1 up", "until ping -c 1 -W 1 10.0.0.2 >/dev/null; do :; done", "echo re''ady", "while :; do ping -q -c 1 -s 400 10.0.0.2 >/dev/null; done"))
    run = virt7(mkbundle(debian("b", ANSWERS, "net=lan"), debian("a", client, "net=lan,net=other:mac=52:54:00:00:00:99")), smp=2, timeout=300)
    run.expect_said("a", "ready")
    open_shell(run)
    assert "no switch is called lab; `net` shows their names" in command(run, "net capture lab")
    assert "63: expects how many bytes of a frame, 64 to 1518" in command(run, "net capture lan 63")
    for line, kept in (("net capture lan", 128), ("net capture lan 1518", 442)):
        run.send(line + "\r")
        run.expect(r"net: capture lan hz \d+\r(?s:.*?)(?:net: \d+ 442 [0-9a-f]+\r(?s:.*?)){4}")
        run.send("\x03")
        run.expect(r"virt7> $")
        pings = [data for length, data in frames_of(run, tmp_path) if length == 442]
        assert len(pings) >= 4 and all(len(data) == kept for data in pings)
        assert {data[12:14] + data[23:24] for data in pings} == {b"\x08\x00\x01"}  # IPv4, ICMP
        kinds = [data[34] for data in pings]
        assert abs(kinds.count(8) - kinds.count(0)) <= 1  # requests and answers
        assert not any(data[6:12] == bytes.fromhex("525400000099") for data in pings)
    power_off(run)


def share_screen(run):
    run.send("vm console\r")
    run.expect(r"\[all VMs; keyboard: ")


# To all, as quickly as it can.
FLOOD_OF_ALL = "; ".join((
    "ifconfig eth0 up", "sleep 3", "ping6 -q -c 400 -i 0.002 -W 1 -I eth0 ff02::1", "echo flo''oded", "while sleep 1; do :; done"))


DHCPD = "; ".join((
    "ifconfig eth0 10.0.0.1 up", "printf 'start 10.0.0.10\\nend 10.0.0.99\\ninterface eth0\\nlease_file /tmp/leases\\noption subnet 255.255.255.0\\n' >/tmp/conf",
    "touch /tmp/leases", "udhcpd /tmp/conf", "while sleep 1; do :; done"))
# An address by DHCP, and what can be reached by it; by IPv6 all neighbours, and the server.
CLIENT_OF_DHCP = "; ".join((
    "printf '#!/bin/sh\\ntest $1 = bound && ifconfig $interface $ip netmask $subnet && echo $ip >/tmp/ip\\n' >/tmp/got", "chmod +x /tmp/got",
    "ifconfig eth0 up", "until udhcpc -i eth0 -s /tmp/got -n -q -t 5 >/dev/null 2>/dev/null; do :; done", "echo add''ress $(cat /tmp/ip)",
    "ping -q -c 5 -i 0.2 10.0.0.1", "ping6 -q -c 3 -I eth0 ff02::1", "ping6 -c 1 -I eth0 SERVER >/dev/null && echo neigh''bour", "echo re''ady", "while sleep 1; do :; done"))


@pytest.mark.parametrize("number", (2, pytest.param(8, marks=pytest.mark.skipif(not SOAK, reason="minutes"))))
def test_dhcp(virt7, mkbundle, number):
    """One gives addresses to all others, of IPv4; IPv6's neighbours find each other; a flood by another one is cut short."""
    client = CLIENT_OF_DHCP.replace("SERVER", "fe80::5054:ff:fe00:1")
    clients = [f"c{n}" for n in range(number - 1)]
    run = virt7(mkbundle(debian("server", DHCPD, "net=lan:mac=52:54:00:00:00:01"), *(debian(name, client, "net=lan") for name in clients),
                         debian("flood", FLOOD_OF_ALL, "net=lan:broadcast-limit=20,autostart=no")), smp=2, timeout=900)
    for name in clients:
        run.expect_said(name, "ready")
    said = [run.said(name) for name in clients]
    addresses = {re.search(r"address (10\.0\.0\.\d+)", text)[1] for text in said}
    assert len(addresses) == number - 1
    assert all("5 packets transmitted, 5 packets received" in text and "neighbour" in text for text in said)
    open_shell(run)
    command(run, "vm start flood")
    share_screen(run)
    run.expect_said("flood", "flooded")
    open_shell(run)
    seen = ports(run)
    assert seen["flood.net0"][2]["sent: too many to all"] > 100
    assert all(seen[f"{name}.net0"][1] < 1000 for name in clients)
    power_off(run)


# Sends without end, in large frames and small ones, to one who may be there or not.
FLOOD = "; ".join((
    "ifconfig eth0 10.0.0.1 up", "arp -s 10.0.0.2 52:54:00:00:00:02", "dd if=/dev/zero of=/tmp/f bs=64k count=64 2>/dev/null",
    "httpd -p 80 -h /tmp", "(while :; do ping -q -c 1000 -i 0.001 -s 1400 -W 1 10.0.0.2; done) >/dev/null & while sleep 5; do echo a''live; done"))
LOAD = "; ".join((
    "ifconfig eth0 10.0.0.2 up", "(while :; do ping -q -c 1000 -i 0.001 -s 1400 -W 1 10.0.0.1; done) >/dev/null & while :; do wget -q -O /dev/null http://10.0.0.1/f && echo fetch''ed; done"))
ROUNDS = 50 if SOAK else 2


@pytest.mark.parametrize("cpus", (1, 2))
def test_life_under_load(virt7, mkbundle, cpus):
    """One of two that send to each other all the time is paused, reset, stopped, taken apart; the other one goes on."""
    run = virt7(mkbundle(debian("a", FLOOD, "net=lan"), debian("b", LOAD, "net=lan:mac=52:54:00:00:00:02")), smp=cpus,
                timeout=240)
    for round in range(ROUNDS):
        run.expect_said("b", "fetched", count=2 * round + 1)
        open_shell(run)
        for _ in range(5):
            command(run, "vm pause b")
            command(run, "vm resume b")
        received = ports(run)["b.net0"][1]
        command(run, "vm reset -f b")
        share_screen(run)
        run.expect_said("b", "fetched", count=2 * round + 2)
        open_shell(run)
        while ports(run)["b.net0"][1] <= received:  # what it said may have been before the reset
            pass
        command(run, ("vm stop -f b", "vm destroy -f b")[round % 2])
        if round % 2:
            assert "b.net0" not in ports(run)
            command(run, "vm create b")
        command(run, "vm start b")
        lost = ports(run)["b.net0"][2]
        assert round % 2 or lost["VM or driver down"] > 0
        share_screen(run)
    run.expect_said("a", "alive", count=len(re.findall("alive", run.said("a"))) + 1)
    open_shell(run)
    power_off(run)
