# SPDX-License-Identifier: BSD-2-Clause
"""Devices of the host in VMs: registers and interrupts without DMA, virtio by DMA into a Debian, what is refused, and what
becomes of the RAM that a device may write to when its VM is reset, stopped or crashes (docs/passthrough.md).
"""
import hashlib
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest

from conftest import BUILD, DEPS, QEMU, ROOT, run as run_tool
from test_shell import command, open_shell, power_off
from test_smp import SOAK

GUEST = BUILD / "guests"
KERNEL = DEPS / "armhf/vmlinuz"
RTC, GPIO = "/pl031@9010000", "/pl061@9030000"
TRANSPORT = "/virtio_mmio@a00{:x}".format  # the last ones are the first that QEMU fills
LAST, ONE_BEFORE = TRANSPORT(0x3e00), TRANSPORT(0x3c00)
MIB = 1 << 20
AMOUNT = 16 * MIB
ON_BOARDS = AMOUNT if SOAK else 4 * MIB  # whose devices are slower


def pass_guest(name, words, params, kernel="pass.bin"):
    """The bare-metal guest: `params` are decimal there."""
    text = " ".join(f"{key}={int(value)}" for key, value in params.items())
    return f"name={name},memory=16M,kernel={GUEST}/{kernel},{words},bootargs={text}"


def random_file(path, size):
    data = hashlib.shake_256(path.name.encode()).digest(size)
    path.write_bytes(data)
    return data


def drive(name, path):
    return ["-drive", f"if=none,id={name},file={path},format=raw", "-device", f"virtio-blk-device,drive={name}"]


def test_without_dma(virt7, mkbundle):
    """A clock with its interrupt; its own address is taken by mach-virt's, so it is in the window. Another VM's claim of it
    is refused, and that VM alone.
    """
    bundle = mkbundle(
        pass_guest("rtc", f"pass={RTC}", {"at": 0xc000000, "size": 0x1000, "offset": 0xfe0, "value": 0x31, "words": 1, "clock": 144}),
        pass_guest("thief", f"pass={GPIO},pass={RTC}", {}),
        # The one before has been refused as a whole.
        pass_guest("gpio", f"pass={GPIO}", {"at": 0xc000000, "size": 0x1000, "offset": 0xfe0, "value": 0x61, "words": 1}))
    run = virt7(bundle)
    assert run.wait() == 0
    lines = run.lines()
    for line in (f"virt7: vm rtc: passthrough {RTC}: 0x9010000 at 0xc000000",
                 f"virt7: vm rtc: passthrough {RTC}: interrupt 34 is 144, by level",
                 f"virt7: error: vm thief: passthrough {RTC}: it, or a part of it, is taken already by rtc"):
        assert line in lines
    assert "summary: 6 passed, 0 failed" in run.said("rtc")
    assert "summary: 2 passed, 0 failed" in run.said("gpio")


def test_two_of_one_page(virt7, mkbundle, tmp_path):
    """Eight transports share a page: each VM reaches its own in it, in every width, and its neighbour's is an abort."""
    sizes = {0: 0x20000 * 512, 8: 0x30000 * 512}  # the constant word is the number of sectors
    disks, vms = [], []
    for place, (direct, size) in zip((LAST, ONE_BEFORE), sizes.items()):
        path = tmp_path / f"disk{direct}"
        with open(path, "wb") as file:
            file.truncate(size)
        disks += drive(f"d{direct}", path)
        vms.append(pass_guest(f"vm{direct}", f"trusted-dma,pass={place}",
                              {"at": 0xc000000 | int(place[-3:], 16), "size": 0x200, "offset": 0x100, "value": size // 512},
                              f"pass-direct{direct}.bin"))
    run = virt7(mkbundle(*vms), *disks)
    assert run.wait() == 0
    for direct in sizes:
        assert "PASS: nothing of 7 neighbours in its page is there" in run.said(f"vm{direct}")
        assert "summary: 4 passed, 0 failed" in run.said(f"vm{direct}")


REFUSED = {
    "/pl011@9000000": "the UART of virt7's own console",
    "/intc@8000000": "the GIC, which is virt7's own",
    "/timer": "virt7's own",
    "/psci": "virt7's own",
    "/cpus/cpu@0": "a CPU, which virt7 has",
    "/memory@40000000": "it overlaps the host's RAM",
    "/nothing@1": "the host's device tree has no such node",
    "ethernet7": "the host's device tree has no such alias",
    "/pcie@10000000": "a bus: name the devices below it",
    LAST: "it may write to any RAM by itself: only a VM that says trusted-dma gets it",
    "/disabled@b000000": 'its status, or that of a bus above it, is not "okay"',
    "/behind@b001000": "it is behind an IOMMU, which virt7 does not program",
    "/in-ram@50000000": "it overlaps the host's RAM",
}


def test_refused(qemu, mkbundle, tmp_path):
    """Each is one line that says VM, path and reason; the VM that asks for nothing wrong runs. Who wants the rest is last."""
    tree = tmp_path / "board.dtb"
    machine = ["-M", f"virt,virtualization=on,gic-version=2,dumpdtb={tree}", "-cpu", "cortex-a15", "-m", "512M"]
    subprocess.run([QEMU, *machine, "-display", "none"], check=True, capture_output=True)
    for node, base, more in (("disabled", 0xb000000, ("status", "-ts", "disabled")), ("behind", 0xb001000, ("iommus", "-tx", "8000")),
                             ("in-ram", 0x50000000, ("extra", "-tx", "1"))):
        path = f"/{node}@{base:x}"
        subprocess.run(["fdtput", "-c", tree, path], check=True)
        subprocess.run(["fdtput", "-ts", tree, path, "compatible", "arm,pl061"], check=True)
        subprocess.run(["fdtput", "-tx", tree, path, "reg", "0", f"{base:x}", "0", "1000"], check=True)
        subprocess.run(["fdtput", more[1], tree, path, more[0], more[2]], check=True)
    asked = [*((f"vm{number}", path) for number, path in enumerate(REFUSED)), ("twice", f"{GPIO},pass={GPIO}"), ("rest", "rest"), ("rest2", "rest")]
    vms = [f"name={name},memory=8M,kernel={GUEST}/pass.bin,pass={path}" for name, path in asked]
    bundle = mkbundle(*vms, pass_guest("good", f"pass={GPIO}", {"at": 0xc000000, "offset": 0xfe0, "value": 0x61, "words": 1}))
    machine[1] = "virt,virtualization=on,gic-version=2"
    run = qemu(*machine, "-nographic", "-kernel", BUILD / "virt7.bin", "-dtb", tree, "-initrd", bundle)
    assert run.wait() == 0
    errors = [line for line in run.lines() if line.startswith("virt7: error: ")]
    assert errors == [*(f"virt7: error: vm vm{number}: passthrough {path}: {why}" for number, (path, why) in enumerate(REFUSED.items())),
                      f"virt7: error: vm twice: passthrough {GPIO}: it, or a part of it, is taken already by twice",
                      "virt7: error: vm rest2: passthrough rest: taken already by rest",
                      "virt7: error: vm rest: passthrough rest: bus masters are among it: only a VM that says trusted-dma gets it"]
    assert "summary: 2 passed, 0 failed" in run.output()


def test_uplink_is_taken(virt7, tmp_path):
    """virt7's own card of a switch is no VM's."""
    bundle = tmp_path / "x.itb"
    assert run_tool("tools/mkbundle", "-o", bundle, "--uplink", f"lan={LAST}", "--vm",
                    f"name=thief,memory=16M,kernel={GUEST}/pass.bin,trusted-dma,pass={LAST}", "--vm",
                    pass_guest("gpio", f"pass={GPIO}", {"at": 0xc000000, "offset": 0xfe0, "value": 0x61, "words": 1})) == (0, "", "")
    run = virt7(bundle, "-netdev", "user,id=n0", "-device", "virtio-net-device,netdev=n0")
    run.expect(f"virt7: error: vm thief: passthrough {LAST}: it, or a part of it, is taken already by virt7, for a switch\r")
    run.expect("summary: 2 passed, 0 failed\r")


# --- Debian


def debian(name, words, script, initramfs, memory=128):
    return (f"name={name},memory={memory}M,kernel={KERNEL},ramdisk={initramfs},{words},"
            f'bootargs=console=ttyAMA0 virt7.run="{script}"')


class Peer(threading.Thread):
    """A TCP server of the test's: sends `data` to whom connects first, and keeps what the second one sends."""

    def __init__(self, data):
        super().__init__(daemon=True)
        self.data, self.got = data, b""
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.start()

    def run(self):
        down, _ = self.socket.accept()
        with down:
            down.sendall(self.data)
        up, _ = self.socket.accept()
        with up:
            while part := up.recv(65536):
                self.got += part


def network(port, amount):
    """Address, bytes from the host and so many to it. nc ends with its input, so that of the first has none to end."""
    return ("ip link set eth0 up", "ifconfig eth0 10.0.2.15", "mkfifo /tmp/endless", "exec 3<>/tmp/endless",
            f"nc 10.0.2.2 {port} <&3 >/tmp/down", "echo down $(sha256sum </tmp/down)",
            f"dd if=/dev/urandom of=/tmp/up bs=1M count={amount // MIB} 2>/dev/null", "echo up $(sha256sum </tmp/up)",
            f"nc 10.0.2.2 {port} </tmp/up")


def use_disk(name, amount):
    """All of it read, and so many bytes of another content written."""
    return (f"until [ -e {name} ]; do sleep 1; done", f"echo disk $(sha256sum <{name})", f"dd if=/dev/urandom of=/tmp/w bs=1M count={amount // MIB} 2>/dev/null",
            "echo written $(sha256sum </tmp/w)", f"dd if=/tmp/w of={name} bs=1M conv=fsync 2>/dev/null", "rm /tmp/w")


def said_sum(run, word):
    return re.search(rf"^{word} ([0-9a-f]{{64}})", run.output(), re.M)[1]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("legacy", (True, False), ids=("version-1", "version-2"))
def test_dma(virt7, mkbundle, tmp_path, legacy):
    """Debian drives the host's disk and network card by DMA: 16 MiB each way, the same on both sides."""
    image = random_file(tmp_path / "disk", AMOUNT)
    peer = Peer(random_file(tmp_path / "down", AMOUNT))
    script = "; ".join((*use_disk("/dev/vda", AMOUNT), *network(peer.port, AMOUNT), "cat /proc/iomem /proc/interrupts"))
    bundle = mkbundle(debian("debian", f"trusted-dma,pass={LAST},pass={ONE_BEFORE}", script, BUILD / "initramfs.cpio"))
    run = virt7(bundle, "-global", f"virtio-mmio.force-legacy={str(legacy).lower()}", *drive("d0", tmp_path / "disk"),
                "-netdev", "user,id=n0", "-device", "virtio-net-device,netdev=n0", timeout=300)
    assert run.wait() == 0
    peer.join(10)
    assert "virt7.run: exit status 0" in run.output()
    assert said_sum(run, "disk") == sha256(image)
    assert said_sum(run, "written") == sha256((tmp_path / "disk").read_bytes())
    assert said_sum(run, "down") == sha256(peer.data)
    assert len(peer.got) == AMOUNT and said_sum(run, "up") == sha256(peer.got)
    base = re.search(r"^([0-9a-f]{8})-[0-9a-f]{8} : System RAM$", run.output(), re.M)[1]
    assert int(base, 16) != 0x40000000 and int(base, 16) % (2 * MIB) == 0
    assert re.search(r" GIC-0 144 Edge +virtio", run.output()) and re.search(r" GIC-0 145 Edge +virtio", run.output())
    assert f"virt7: vm debian: passthrough {LAST}: 0xa003e00 at 0xc000e00, a bus master: trusted-dma" in run.lines()


VEXPRESS = "/bus@8000000/motherboard-bus@8000000"
LAN9118, SD = f"{VEXPRESS}/ethernet@202000000", f"{VEXPRESS}/iofpga-bus@300000000/mmc@50000"


def test_vexpress(qemu, mkbundle, initramfs, tmp_path):
    """Another board's network card and SD card, without DMA: through two buses with ranges and an interrupt-map."""
    amount = AMOUNT if SOAK else 2 * MIB  # the card is slow
    image = random_file(tmp_path / "card", max(8 * MIB, amount))
    peer = Peer(random_file(tmp_path / "down", amount))
    more = initramfs(modules=("smsc911x", "smsc", "armmmci", "mmc_block"))
    script = "; ".join((*use_disk("/dev/mmcblk0", amount), *network(peer.port, amount)))
    bundle = mkbundle(debian("debian", f"pass={LAN9118},pass={SD}", script, more))
    run = qemu("BOARD=vexpress-a15", f"BUNDLE={bundle}", f"ARGS=-nic user -drive if=sd,format=raw,file={tmp_path}/card",
               timeout=900 if SOAK else 300, program=ROOT / "tools/run")
    assert run.wait() == 0
    peer.join(10)
    assert "virt7.run: exit status 0" in run.output()
    written = (tmp_path / "card").read_bytes()
    assert said_sum(run, "disk") == sha256(image)
    assert said_sum(run, "written") == sha256(written[:amount]) and written[amount:] == image[amount:]
    assert said_sum(run, "down") == sha256(peer.data)
    assert len(peer.got) == amount and said_sum(run, "up") == sha256(peer.got)
    assert f"virt7: vm debian: passthrough {LAN9118}: interrupt 47 is 144, by level" in run.lines()
    assert f"virt7: warning: vm debian: passthrough {SD}: cd-gpios: left out of the guest's tree" in run.lines()


BOARDS = {  # nodes, modules, QEMU's disk, the guest's name for it, a line
    "midway": (("/soc/sata@ffe08000", "/soc/ethernet@fff50000"), ("xgmac", "sata_highbank", "sd_mod"),
               "-nic user -drive if=none,id=d0,format=raw,file={} -device ide-hd,drive=d0,bus=ide.0", "/dev/sda",
               "passthrough /soc/sata@ffe08000: interrupt 115 is 144, by level"),
    "orangepi-pc": (("/soc/mmc@1c0f000",), ("sunxi-mmc", "mmc_block"), "-drive if=sd,format=raw,file={}", "/dev/mmcblk0",
                    "warning: vm debian: passthrough /soc/mmc@1c0f000: resets: left out of the guest's tree"),
}


@pytest.mark.parametrize("board", BOARDS)
def test_boards(qemu, mkbundle, initramfs, tmp_path, board):
    """An AHCI disk and an SD card by DMA, each way. Midway's RAM begins at 0, so that the VM's is below 1 GiB. Its network
    card receives; QEMU's model of it sends no frame of several buffers, as TCP's are, natively either: only the answers.
    """
    nodes, modules, disk, name, line = BOARDS[board]
    image = random_file(tmp_path / "disk", ON_BOARDS)
    peer = Peer(random_file(tmp_path / "down", ON_BOARDS))
    receive = network(peer.port, ON_BOARDS)[:6] if "xgmac" in modules else ()
    script = "; ".join((*use_disk(name, ON_BOARDS), *receive, "cat /proc/iomem"))
    words = ",".join(("trusted-dma", *(f"pass={node}" for node in nodes)))
    bundle = mkbundle(debian("debian", words, script, initramfs(modules=modules)))
    run = qemu(f"BOARD={board}", f"BUNDLE={bundle}", f"ARGS={disk.format(tmp_path / 'disk')}", timeout=300, program=ROOT / "tools/run")
    assert run.wait() == 0
    assert said_sum(run, "disk") == sha256(image)
    assert said_sum(run, "written") == sha256((tmp_path / "disk").read_bytes())
    assert not receive or said_sum(run, "down") == sha256(peer.data)
    assert any(line in said for said in run.lines())


def test_partial_tree(qemu, mkbundle, initramfs, tmp_path):
    """A network card as Xen's users describe it: another kind of the same that does without the board's resets and its PHY's bus,
    at another address than the host's. Bytes each way by DMA.
    """
    subprocess.run(["dtc", "-q", "-O", "dtb", "-o", tmp_path / "emac.dtb", ROOT / "dts/examples/emac.dts"], check=True)
    peer = Peer(random_file(tmp_path / "down", ON_BOARDS))
    bundle = mkbundle(debian("debian", f"trusted-dma,passthrough-dtb={tmp_path / 'emac.dtb'}", "; ".join(network(peer.port, ON_BOARDS)),
                             initramfs(modules=("dwmac-sun8i",))))
    run = qemu("BOARD=orangepi-pc", f"BUNDLE={bundle}", "ARGS=-nic user", timeout=300, program=ROOT / "tools/run")
    assert run.wait() == 0
    peer.join(10)
    assert "virt7.run: exit status 0" in run.output()
    assert said_sum(run, "down") == sha256(peer.data)
    assert len(peer.got) == ON_BOARDS and said_sum(run, "up") == sha256(peer.got)
    assert "virt7: vm debian: passthrough /soc/ethernet@1c30000: 0x1c30000 at 0xe000000, a bus master: trusted-dma" in run.lines()
    assert "virt7: vm debian: passthrough /soc/ethernet@1c30000: interrupt 114 is 114, by level" in run.lines()


REST = {  # QEMU's model, the kernel's device tree and what is taken out of it, another VM's, modules, lines of virt7's
    "orangepi-pc": ("sun8i-h3-orangepi-pc", (), "/soc/watchdog@1c20ca0", ("sunxi-mmc", "mmc_block", "dwmac-sun8i"),
                    ("virt7: vm debian: passthrough rest: 39 devices and 126 interrupts of the host's",)),
    # Debian's kernel has no driver for what resets its PHY, natively either.
    "mcimx7d-sabre": ("imx7d-sdb", ("/soc/bus@30800000/ethernet@30be0000", "phy-reset-gpios"), "/soc/bus@30000000/watchdog@30280000",
                      ("gpio-mxc", "sdhci-esdhc-imx", "mmc_block", "fec"),
                      ("virt7: warning: vm debian: passthrough rest: /soc/pcie@33800000: left out: a PCI bus",
                       "virt7: vm debian: passthrough rest: 45 devices and 126 interrupts of the host's")),
}


@pytest.mark.parametrize("board", REST)
def test_rest(qemu, mkbundle, initramfs, tmp_path, board):
    """A board's own tree in a VM: SD card and network card with their real clocks, resets and pins, as natively. What another VM
    names is that one's, though it comes later; on the first board it is in a page with the clocks and pins.
    """
    name, taken_out, others, modules, lines = REST[board]
    tree = tmp_path / "board.dtb"
    shutil.copy(next(DEPS.glob(f"armhf/usr/lib/linux-image-*/{name}.dtb")), tree)
    if taken_out:
        subprocess.run(["fdtput", "-d", tree, *taken_out], check=True)
    image = random_file(tmp_path / "disk", ON_BOARDS)
    peer = Peer(random_file(tmp_path / "down", ON_BOARDS))
    script = "; ".join((*use_disk("/dev/mmcblk0", ON_BOARDS), *network(peer.port, ON_BOARDS)))
    bundle = mkbundle(debian("debian", "trusted-dma,pass=rest", script, initramfs(modules=modules), memory=256).replace(
        "console=ttyAMA0", "console=ttyAMA0 clk_ignore_unused"), pass_guest("other", f"pass={others}", {}))
    run = qemu(f"BOARD={board}", f"BUNDLE={bundle}", f"ARGS=-dtb {tree} -nic user -drive if=sd,format=raw,file={tmp_path / 'disk'}", timeout=300,
               program=ROOT / "tools/run")
    assert run.wait() == 0
    peer.join(10)
    said = run.said("debian")
    assert "virt7.run: exit status 0" in said
    assert f"disk {sha256(image)}" in said
    assert f"written {sha256((tmp_path / 'disk').read_bytes())}" in said
    assert f"down {sha256(peer.data)}" in said
    assert len(peer.got) == ON_BOARDS and f"up {sha256(peer.got)}" in said
    for line in lines:
        assert any(one.startswith(line) for one in run.lines()), line


# --- RAM that a device may write to, when its owner ends


class Flood(threading.Thread):
    """A TCP server that sends without end to whoever connects."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.start()

    def run(self):
        while True:
            connection, _ = self.socket.accept()
            threading.Thread(target=self.pour, args=(connection,), daemon=True).start()

    @staticmethod
    def pour(connection):
        with connection:
            try:
                while True:
                    connection.sendall(b"\xdb" * 65536)
            except OSError:
                pass


PROBE_MIB = 276  # of a host of 320 MiB: whoever has them has the owner's too
BUSY = ("ip link set eth0 up", "ifconfig eth0 10.0.2.15", "mkfifo /tmp/endless", "exec 3<>/tmp/endless",
        "(while :; do nc 10.0.2.2 {port} <&3 >/dev/null; done) & (while :; do dd if=/dev/vda of=/dev/null bs=256k iflag=direct 2>/dev/null; done) & "
        "echo re''ady $(dd if=/dev/vda bs=1M count=4 iflag=direct 2>/dev/null | sha256sum)")


@pytest.fixture
def busy(virt7, mkbundle, tmp_path):
    """busy(end, words) -> (Qemu, what "ready" says): the owner of a disk and a network card at work, and one for its RAM."""

    def start(end, words=""):
        image = random_file(tmp_path / "disk", AMOUNT)
        script = "; ".join((*BUSY, end)).format(port=Flood().port)
        bundle = mkbundle(debian("owner", f"trusted-dma,pass={LAST},pass={ONE_BEFORE}{words}", script, BUILD / "initramfs.cpio"),
                          f"name=probe,memory={PROBE_MIB}M,autostart=no,kernel={GUEST}/pass.bin,bootargs=fill={PROBE_MIB}")
        run = virt7(bundle, *drive("d0", tmp_path / "disk"), "-netdev", "user,id=n0", "-device", "virtio-net-device,netdev=n0",
                    mem="320M", timeout=1500 if SOAK else 300)
        return run, f"ready {sha256(image[:4 * MIB])}"

    return start


def probe(run):
    """Another VM has the owner's RAM, and it alone writes there. The shell is open, so that what it says is in its log."""
    run.send("vm start probe\r")
    run.expect("virt7: vm probe: off\r")
    said = command(run, "log probe")
    assert "summary: 1 passed, 0 failed" in said and "FAIL" not in said


def leave_shell(run):
    run.send("exit\r")


def start_again(run):
    """As soon as the RAM of who had it meanwhile is back."""
    while "the host has" in command(run, "vm start owner"):
        time.sleep(0.2)

class Frames(threading.Thread):
    """A network, as QEMU's `-netdev socket,udp=` has it, that sends a frame to all a hundred times a second."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            self.card = other.getsockname()[1]
        self.start()

    def run(self):
        frame = b"\xff" * 6 + b"\x02\0\0\0\0\1" + b"\x88\xb5" + b"\xdb" * 1000
        while True:
            self.socket.sendto(frame, ("127.0.0.1", self.card))
            time.sleep(0.01)


def wait_for_ram(run, name):
    """Until that VM has given its RAM back: only then the next one has the same, where its image is linked for."""
    while not re.search(rf"^{name} +0 MiB", command(run, "mem"), re.M):
        pass


ENDS = {  # what the owner does once it is at work, words of its own, the shell's lines that end it; whether others get its RAM
    "stop": (0, "", ("vm stop -f owner",), True),
    "reset": (0, "", ("vm reset -f owner",), False),
    "destroy": (0, "", ("vm destroy -f owner",), True),
    "crash": (1, ",watchdog-ms=1000,on-crash=stop", (), True),
    "restart": (2, "", (), False),
}


@pytest.mark.parametrize("end", ENDS)
def test_owner_ends(virt7, mkbundle, tmp_path, end):
    """A bare-metal guest that is at work within a second. At each end of it frames are on their way, and 256 KiB of a disk that
    takes a second for them, or longer than a crash; without a reset they would come to RAM that another VM has, or that the owner has anew.
    """
    does, words, lines, changes_hands = ENDS[end]
    takes, wait = (2500, 1500) if end == "crash" else (1000, 1000)  # ms; until a crash is seen a second goes by
    frames = Frames()
    (tmp_path / "disk").write_bytes(bytes(MIB))
    bundle = mkbundle(
        f"name=owner,memory=8M,kernel={GUEST}/busmaster-direct0.bin,trusted-dma,pass={LAST},pass={ONE_BEFORE},"
        f"pass={TRANSPORT(0x3a00)}{words},bootargs=blk={0xc000e00} net={0xc001c00} slow={0xc002a00} end={does}",
        f"name=probe,memory=8M,autostart=no,kernel={GUEST}/pass-direct0.bin,trusted-dma,bootargs=fill=8 wait={wait}",
        f"name=idle,memory=8M,kernel={GUEST}/talk.bin")
    run = virt7(bundle, "-global", "virtio-mmio.force-legacy=false",
                *drive("d0", tmp_path / "disk"), "-netdev", f"socket,id=n0,udp=127.0.0.1:{frames.port},localaddr=127.0.0.1:{frames.card}",
                "-device", "virtio-net-device,netdev=n0",
                "-drive", f"if=none,id=d1,file.driver=null-co,file.size={MIB},file.read-zeroes=on,throttling.bps-read={256 * 1024 * 1000 // takes}",
                "-device", "virtio-blk-device,drive=d1", timeout=2400 if SOAK else 60)
    rounds = 200 if SOAK else 5
    for number in range(rounds):
        run.expect("busmaster: ready\r")
        if end == "restart":
            continue
        open_shell(run)
        for line in lines:
            command(run, line)
        if changes_hands:
            while end == "crash" and not re.search("^owner +crashed ", command(run, "vm list"), re.M):
                pass
            if end != "destroy":
                wait_for_ram(run, "owner")
            run.send("vm start probe\r")
            run.expect("virt7: vm probe: off\r")
            wait_for_ram(run, "probe")
            if end == "destroy":
                command(run, "vm create owner")
            start_again(run)
        leave_shell(run)
    run.expect("busmaster: ready\r")
    open_shell(run)
    assert "quarantine" not in command(run, "mem")
    power_off(run)
    assert "FAIL" not in run.output()
    probes = rounds if changes_hands else 0
    assert len(re.findall("PASS: RAM keeps what is written there", run.output())) == probes
    assert len(re.findall("PASS: nothing comes of what was before", run.output())) > rounds


def test_owner_ends_under_traffic(busy):
    """Stopped, reset, destroyed and made anew by the shell, over and over: nothing is written into RAM that has changed hands,
    and the devices work again.
    """
    run, ready = busy("while sleep 1; do :; done")
    for number in range(20 if SOAK else 4):
        run.expect_said("owner", ready, count=number + 1)
        open_shell(run)
        if number % 4 == 1:
            command(run, "vm reset -f owner")
            leave_shell(run)
            continue
        command(run, "vm stop -f owner")
        if number % 4 == 3:
            assert "destroyed" in command(run, "vm destroy owner")
        probe(run)
        if number % 4 == 3:
            command(run, "vm create owner")
        start_again(run)
        leave_shell(run)
    run.expect_said("owner", ready, count=number + 2)
    open_shell(run)
    assert LAST in command(run, "vm list")
    assert "quarantine" not in command(run, "mem")
    power_off(run)


def test_owner_crashes_under_traffic(busy):
    """The watchdog ends it, with requests under way."""
    run, ready = busy("sleep 1; halt -f", ",watchdog-ms=4000,on-crash=stop,on-reset=stop")
    for number in range(10 if SOAK else 2):
        run.expect_said("owner", ready, count=number + 1)
        open_shell(run)
        run.expect(r"virt7: error: vm owner: crashed [^\r]*watchdog[^\r]*\r")
        while not re.search("^owner +crashed ", command(run, "vm list"), re.M):
            pass  # it gives its RAM back
        probe(run)
        start_again(run)
        leave_shell(run)
    open_shell(run)
    power_off(run)


@pytest.mark.parametrize("device", ("/fw-cfg@9020000", "rest"))
def test_quarantine_ends(virt7, mkbundle, device):
    """RAM that a device may still write to, of which virt7 does not know how to make it quiet, is no VM's when its own is gone,
    and that VM's again when it is made anew.
    """
    owner = pass_guest("owner", f"trusted-dma,pass={device}", {}, "pass-direct0.bin")
    run = virt7(mkbundle(owner, f"name=other,memory=16M,autostart=no,kernel={GUEST}/pass.bin"))
    run.expect("virt7: vm owner: off\r")
    open_shell(run)
    lines = []
    for number in range(4):
        said = command(run, "vm destroy owner")
        lines.append(re.search(r"nobody gets the 16 MiB at (0x[0-9a-f]+) until", said)[1])
        command(run, "vm destroy other")
        command(run, "vm create other")
        assert re.search("^quarantine +16 MiB", command(run, "mem"), re.M)
        assert f"the 16 MiB at {lines[0]} that its devices may still write to are its own" in command(run, "vm create owner")
        assert "quarantine" not in command(run, "mem")
        if number % 2:  # else it is destroyed again before it has ever run
            run.send("vm start owner\r")
            run.expect("virt7: vm owner: off\r")
    assert len(set(lines)) == 1
    power_off(run)


def test_poison_is_refused(virt7, mkbundle):
    """RAM that devices of the host reach by themselves cannot be taken away from them: the VM keeps it, and goes on."""
    run = virt7(mkbundle(debian("dma", f"trusted-dma,pass={LAST}", "echo re''ady; while sleep 1; do echo a''live; done", BUILD / "initramfs.cpio"),
                         debian("other", "rng", "while sleep 1; do :; done", BUILD / "initramfs.cpio")), "-device", "virtio-rng-device", mem="1G", smp=2, timeout=120)
    run.expect_said("dma", "ready")
    open_shell(run)
    base = re.search(r"0x([0-9a-f]+)", command(run, "mem dma"))[0]
    for how in ("", " sync", " async"):
        assert ("dma has its RAM in common with devices of the host (trusted-dma): an error there could not be contained"
                in command(run, f"poison dma {base}{how}"))
    assert "bad" not in command(run, "mem dma")
    run.send("vm console\r")
    run.expect_said("dma", "alive", count=run.said("dma").count("alive") + 2)
    open_shell(run)
    power_off(run)
