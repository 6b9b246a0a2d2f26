# SPDX-License-Identifier: BSD-2-Clause
"""A device tree that the user brings for a VM: hyp/load/usertree.c again, in its words (hyp/load/words.h), and without what a
file of it has to spare.
"""
import struct

from bundleplace import NUMBERS, Wrong, fill_in

FILE_MAX = NUMBERS["USERTREE_FILE_MAX"]
DEPTH_MAX, ROWS_MAX, PATH_SIZE = 8, 16, 56
MAGIC = 0xd00dfeed
PLAIN = ("MSI", "UART", "RTC", "FWCFG", "GPIO", "PCI")  # places that each VM has, of hyp/vm/machine.h


def pack(data):
    """Its parts one behind the other (Devicetree Specification, 5.1). What is no tree stays as it is."""
    try:
        magic, total, tree, strings, reserved, version, compatible, cpu, strings_len, tree_len = struct.unpack_from(">10I", data)
        end = reserved
        while any(struct.unpack_from(">2Q", data, end)):
            end += 16
    except struct.error:
        return data
    reserve = data[reserved:end + 16]
    parts = reserve + data[tree:tree + tree_len] + data[strings:strings + strings_len]
    size = 40 + len(reserve) + tree_len + strings_len
    if magic != MAGIC or version != 17 or size > total or size != 40 + len(parts):
        return data
    return struct.pack(">10I", magic, size, 40 + len(reserve), 40 + len(reserve) + tree_len, 40, version, compatible, cpu,
                       strings_len, tree_len) + parts


def cells(value, at, count):
    return int.from_bytes(value[at * 4:(at + count) * 4], "big")


def inside(start, size, base, room):
    return base <= start and start + size <= base + room


class Check:
    """One tree against one VM: `ram` bytes, so many CPUs, and the banks of flash that it has."""

    def __init__(self, root, words, ram, cpus, flash):
        self.root, self.words, self.cpus = root, words, cpus
        number = NUMBERS.get
        self.ram = number("MACHINE_RAM_BASE"), ram
        self.places = [self.ram, (number("MACHINE_GICD_BASE"), number("MACHINE_GICD_WINDOW") + number("MACHINE_GICC_WINDOW")),
                       *((number(f"MACHINE_{name}_BASE"), number(f"MACHINE_{name}_SIZE")) for name in PLAIN),
                       (number("MACHINE_VIRTIO_BASE"), number("MACHINE_VIRTIO_SIZE") * 32)]
        ecam = number("MACHINE_ECAM_BASE"), number("MACHINE_ECAM_SIZE")
        if self.ram[0] + ram <= ecam[0]:
            self.places.append(ecam)
        if flash:
            half = number("MACHINE_FLASH_SIZE") // 2
            self.places += [(0, half), (half, half)]

    def wrong(self, name, *values):
        raise Wrong(fill_in(self.words[name], *values))

    def path(self, nodes):
        path = "/" + "/".join(node.name for node in nodes[1:])
        return "".join(c if " " <= c <= "~" else "?" for c in path) if len(path) < PATH_SIZE else "a node deep inside"

    @staticmethod
    def bus_cells(node):
        """(address, size) cells of its children; None: not of one or two words, as on PCI, I2C, or for CPUs."""
        address, size = (cells(node.properties[name], 0, 1) if name in node.properties else default
                         for name, default in (("#address-cells", 2), ("#size-cells", 1)))
        return (address, size) if 1 <= address <= 2 and 0 <= size <= 2 else None

    def translate(self, nodes, at):
        """As the CPU sees an address that is stated below nodes[-1]. None: it does not."""
        for bus, above in zip(nodes[:0:-1], nodes[-2::-1]):
            ranges, own, outer = bus.properties.get("ranges"), self.bus_cells(bus), self.bus_cells(above)
            if ranges is None or not own or not outer:
                return None
            row = own[0] + outer[0] + own[1]
            rows = ((cells(ranges, n * row, own[0]), cells(ranges, n * row + own[0], outer[0]),
                     cells(ranges, n * row + own[0] + outer[0], own[1]))
                    for n in range(min(len(ranges) // (row * 4), ROWS_MAX)))
            at = at if not ranges else next((at - start + to for start, to, size in rows if start <= at < start + size), None)
            if at is None:
                return None
        return at

    def check_range(self, nodes, start, size):
        last = start + size - 1
        if nodes[-1].properties.get("device_type") == b"memory\0":
            if not inside(start, size, *self.ram):
                self.wrong("TREE_MEMORY", self.path(nodes), start, last, self.ram[0], sum(self.ram) - 1)
        elif not any(inside(start, size, *place) for place in self.places):
            self.wrong("TREE_DEVICE", self.path(nodes), start, last)

    def check_reg(self, nodes, reg):
        own = self.bus_cells(nodes[-2])
        if not own:
            return
        row = sum(own)
        if len(reg) % (row * 4):
            self.wrong("TREE_REG", self.path(nodes))
        for n in range(len(reg) // (row * 4)):
            start = self.translate(nodes[:-1], cells(reg, n * row, own[0]))
            if start is not None:
                self.check_range(nodes, start, cells(reg, n * row + own[0], own[1]) or 1)

    def check_cpu(self, nodes, reg):
        count = cells(nodes[-2].properties.get("#address-cells", bytes(3) + b"\2"), 0, 1)
        if not 1 <= count <= 2 or len(reg) != count * 4:
            self.wrong("TREE_REG", self.path(nodes))
        if cells(reg, 0, count) >= self.cpus:
            self.wrong("TREE_CPU", self.path(nodes), self.cpus)

    def walk(self, nodes):
        if len(nodes) - 1 > DEPTH_MAX:
            self.wrong("TREE_DEEP")
        node, reg = nodes[-1], nodes[-1].properties.get("reg")
        if len(nodes) > 1 and reg is not None:
            if node.properties.get("device_type") == b"cpu\0":
                self.check_cpu(nodes, reg)
            elif node.properties.get("status", b"okay\0") in (b"okay\0", b"ok\0"):
                self.check_reg(nodes, reg)
        for child in node.nodes:
            self.walk([*nodes, child])

    def names(self, node):
        """Every compatible string of the tree."""
        return {*bytes(node.properties.get("compatible", b"")).split(b"\0")}.union(*map(self.names, node.nodes))


def check(data, read_tree, damage, words, ram, cpus, flash, tells_errors):
    """Wrong, in virt7's words, where the tree does not fit the VM."""
    is_tree = data[:4] == MAGIC.to_bytes(4, "big")
    if is_tree and len(data) > FILE_MAX:
        raise Wrong(fill_in(words["TREE_LARGE"], len(data) + 1023 >> 10))
    try:
        root = read_tree(data) if is_tree else None
    except damage:
        root = None
    if root is None:
        raise Wrong(words["TREE_DAMAGED"])
    checking = Check(root, words, ram, cpus, flash)
    checking.walk([root])
    if tells_errors and b"virt7,memory-errors" not in checking.names(root):
        raise Wrong(words["TREE_MEMERR"])
