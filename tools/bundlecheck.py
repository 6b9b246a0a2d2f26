# SPDX-License-Identifier: BSD-2-Clause
"""What virt7 would refuse of a bundle, in virt7's words, from the descriptions that virt7 itself is compiled from: rows of
properties (hyp/load/vm.def; hyp/load/property.h says how they read), hyp/load/foreign.def, hyp/load/words.h.

What depends on the host (memory that is free, CPUs that are there) is virt7's alone to say. Where images go in a VM's RAM is in
bundleplace.py.
"""
import re
import struct
from pathlib import Path

import bundleplace
import bundletree

ROOT = Path(__file__).resolve().parent.parent
NAME_RULE = r"[A-Za-z0-9_+][A-Za-z0-9._+-]{0,30}"
FOREIGN_HEAD = 0x208
MAX_VMS = 255
VIRTIO_SLOTS = 32
SWITCH_PORTS_MAX = 256  # of hyp/virtio/switch.h
HASHES = ("crc32", "sha256", "sha1", "md5")

# What reading a damaged tree ends in.
DAMAGE = (struct.error, ValueError, IndexError, AttributeError)

STRING = r'"(?:[^"\\]|\\.)*"'


class Refusal(Exception):
    """One line, as virt7 prints it behind `error: `."""


# The descriptions

def read_source(name):
    return re.sub(r"/\*.*?\*/", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.DOTALL)


def unquote(text):
    """The C strings of which `text` begins, as one."""
    return "".join(part[1:-1].replace('\\"', '"').replace("\\\\", "\\") for part in re.findall(STRING, text))


def read_words():
    return {name: unquote(text) for name, text in
            re.findall(rf"#define WORDS_(\w+)\s+(?:\\\s*)?((?:{STRING}\s*)+)", read_source("hyp/load/words.h"))}


def read_members(text):
    """{member: value} of `.member = literal` in a row."""
    found = re.findall(rf"\.(\w+) = ((?:{STRING}\s*)+|\w+)", text)
    return {name: unquote(value) if value.startswith('"') else int(value, 0) for name, value in found if name != "parse"}


def read_properties(source):
    """(compatible, {name: row}) of a file of rows."""
    compatible, rows = None, {}
    for macro, name, kind, members in re.findall(
            rf"^(NODE|PROPERTY)\(({STRING})(?:, PROPERTY_(\w+), [\w.]+)?((?:[^()\"]|{STRING})*)\)$", source, re.MULTILINE):
        row = {"kind": kind, **read_members(members)}
        if macro == "NODE":
            compatible, row = unquote(name), {**row, "kind": "COMPATIBLE", "choices": unquote(name)}
            rows["compatible"] = row
        else:
            rows[unquote(name)] = row
    return compatible, rows


def read_foreign():
    """[(what, advice, [(offset, is it, bytes)])]"""
    return [(unquote(what), unquote(advice), [(int(at, 0), kind == "IS", bytes.fromhex(digits)) for kind, at, digits in
                                              re.findall(r'(IS|NOT)\((\w+), "(\w+)"\)', magic)])
            for what, advice, magic in re.findall(rf"^FOREIGN\(({STRING}), ({STRING}),((?:[^()\"]|{STRING}|\(.*?\))*)\)$",
                                                  read_source("hyp/load/foreign.def"), re.MULTILINE)]


def read_models():
    """The CPU models that a VM may name."""
    return ["host", *map(unquote, re.findall(rf"^MODEL\(({STRING})", read_source("coproc/model.def"), re.MULTILINE))]


WORDS = read_words()
MODELS = read_models()
FOREIGN = read_foreign()
NODES = dict(read_properties(source) for source in (read_source(path.relative_to(ROOT)) for path in
                                                    sorted(ROOT.glob("hyp/**/*.def"))) if "\nNODE(" in source)
VM = NODES["virt7,vm"]
DISK = NODES["virt7,virtio-blk"]
CONSOLE = NODES["virt7,virtio-console"]
NET = NODES["virt7,virtio-net"]
FLASH = NODES["virt7,cfi-flash"]


# The tree

class Node:
    """A node of a flattened device tree."""

    def __init__(self, name):
        self.name = name
        self.properties = {}
        self.nodes = []

    def find(self, name):
        """As libfdt finds it: a name without a unit address fits a node that has one."""
        return next((node for node in self.nodes if name in (node.name, node.name.split("@")[0])), None)


def read_tree(blob):
    """The root of what mkimage has made (Devicetree Specification, chapter 5). Large values are views, not copies."""
    at, strings = struct.unpack_from(">8xII", blob)
    root = None
    open_nodes = []
    while True:
        token, = struct.unpack_from(">I", blob, at)
        at += 4
        if token == 1:
            name = read_text(blob, at)
            at += len(name) + 4 & ~3
            node = Node(name.decode("latin-1"))
            if open_nodes:
                open_nodes[-1].nodes.append(node)
            root = root or node
            open_nodes.append(node)
        elif token == 2:
            open_nodes.pop()
        elif token == 3:
            length, name = struct.unpack_from(">II", blob, at)
            value = memoryview(blob)[at + 8:at + 8 + length]
            open_nodes[-1].properties[read_text(blob, strings + name).decode("latin-1")] = \
                value if length > 65536 else bytes(value)
            at += 8 + length + 3 & ~3
        elif token == 9:
            return root


def read_text(blob, at):
    return bytes(blob[at:blob.find(b"\0", at)])


# A property's value. Each returns what is wrong, or None.

def as_number(value):
    return int.from_bytes(value, "big") if len(value) in (4, 8) else None


def as_text(value):
    """None: not one string."""
    value = bytes(value)
    return value[:-1].decode("latin-1") if value[-1:] == b"\0" and value.count(b"\0") == 1 else None


def check_range(row, value):
    if value < row.get("low", 0):
        return row.get("too_low", row["wrong"])
    if value > row.get("high", 0):
        return row.get("too_high", row["wrong"])
    if row.get("step") and value % row["step"]:
        return row.get("uneven", row["wrong"])
    return None


def check_number(row, value):
    number = as_number(value)
    return row["wrong"] if number is None else check_range(row, number)


def check_string(row, value):
    text = as_text(value)
    return row["wrong"] if text is None else check_range(row, len(text))


CHECKS = {
    "OWN": lambda row, value: None,
    "COMPATIBLE": lambda row, value: None if row["choices"].encode() in bytes(value).split(b"\0") else row["wrong"],
    "NUMBER": check_number,
    "FLAG": lambda row, value: None if not value or as_number(value) in (0, 1) else row["wrong"],
    "STRING": check_string,
    "STRINGS": lambda row, value: None if re.fullmatch(rb"(?:[^\0]+\0)+", bytes(value)) else row["wrong"],
    "IMAGE": lambda row, value: None if as_text(value) else row["wrong"],
    "CHOICE": lambda row, value: None if as_text(value) in row["choices"].split("|") else row["wrong"],
}


def check_properties(rows, node, where):
    for name, row in rows.items():
        wrong = CHECKS[row["kind"]](row, node.properties[name]) if name in node.properties else row.get("missing")
        if wrong:
            raise Refusal(f"{where}: {name}: {wrong}")


# An image

def find_foreign(data):
    """(what, advice) of a file that is no guest for virt7; None: nothing that is known."""
    head = bytes(data[:FOREIGN_HEAD])

    def fits(at, is_it, magic):
        return at + len(magic) <= len(head) and (head[at:at + len(magic)] == magic) == is_it

    found = next(((what, advice) for what, advice, magics in FOREIGN if all(fits(*magic) for magic in magics)), None)
    if not found and len(head) >= 4 and re.fullmatch(rb"[ -~\n\t\r]*", head):
        return WORDS["TEXT"], WORDS["TEXT_KERNEL"]
    return found


def image_data(blob, image):
    if "data" in image.properties:
        return image.properties["data"]
    position = as_number(image.properties.get("data-position", b""))
    if position is None:
        tree_size, = struct.unpack_from(">4xI", blob)
        position = (tree_size + 3 & ~3) + (as_number(image.properties.get("data-offset", b"")) or 0)
    return memoryview(blob)[position:position + (as_number(image.properties.get("data-size", b"")) or 0)]


def check_image(blob, root, vm, kind, name):
    """The image's data as stored, and its node."""
    where = f"vm {vm}: {kind}: /images/{name[:40]}"
    image = root.find("images").find(name)
    if image is None:
        raise Refusal(f'vm {vm}: /vms/{vm}: {kind}: no image "{name[:40]}" under /images; add it or correct the name')
    data = image_data(blob, image)
    if not data:
        raise Refusal(f"{where}: data: {WORDS['DATA_EMPTY']}")
    if as_text(image.properties.get("arch", b"arm\0")) != "arm":
        raise Refusal(f"{where}: arch: {WORDS['ARCH']}")
    compression = as_text(image.properties.get("compression", b"none\0"))
    if compression not in ("none", "gzip"):
        raise Refusal(f"{where}: compression: {WORDS['COMPRESSION' if compression else 'COMPRESSION_TYPE']}")
    for address in ("load", "entry"):
        if address in image.properties and as_number(image.properties[address]) is None:
            raise Refusal(f"{where}: {address}: {WORDS['ADDRESS']}")
    hashes = {node.name: as_text(node.properties.get("algo", b"")) for node in image.nodes if node.name.startswith("hash")}
    unknown = [node for node, algo in hashes.items() if algo not in HASHES]
    if unknown and len(unknown) == len(hashes):
        raise Refusal(f"{where}/{unknown[-1]}: algo: {WORDS['ALGO']}")
    return data, image


def is_packed(image):
    return as_text(image.properties.get("compression", b"none\0")) == "gzip"


def check_packed(vm, data, image):
    """What virt7 says of an image that it cannot unpack for a device."""
    if is_packed(image) and bundleplace.unpack(data) is None:
        raise Refusal(f'vm {vm.name}: image "{image.name[:40]}": {WORDS["NOT_GZIP"]}')


def free_banks(vm):
    """The banks of the VM's flash that have no image, and so room for a kernel that is linked for flash."""
    flash = flash_of(vm)
    taken = flash and {"code": "code" in flash.properties, "vars": "vars" in flash.properties or "vars-host" in flash.properties}
    return [bank for bank, name in enumerate(("code", "vars")) if flash and not taken[name]]


def check_placement(vm, images):
    """Load them as virt7 would; `images`: what check_image() has of the kernel and the ramdisk."""
    ram = as_number(vm.properties["memory"]) * VM["memory"]["unit"]
    large_tree = "fdt" in images or "passthrough" in vm.properties or "passthrough-dtb" in vm.properties
    place = bundleplace.Placement(ram, WORDS, free_banks(vm), large_tree)
    for kind, (data, image) in sorted(images.items(), key=lambda item: item[0] != "fdt"):
        packed = is_packed(image)
        load, entry = (as_number(image.properties.get(name, b"")) for name in ("load", "entry"))
        anywhere = load == 0 or as_text(image.properties.get("type", b"")) == "kernel_noload"
        load = None if anywhere else load
        try:
            plain = bundleplace.unpack(data) if packed else bytes(data)
            if plain is None:
                raise bundleplace.Wrong(WORDS["NOT_GZIP"])
            if kind == "fdt":
                bundletree.check(plain, read_tree, DAMAGE, WORDS, ram, as_number(vm.properties.get("cpus", bytes(3) + b"\1")),
                                 flash_of(vm), as_text(vm.properties.get("memory-errors", b"access\0")) == "early")
            elif kind == "kernel":
                place.kernel(plain, packed, load, entry, anywhere, find_foreign)
            else:
                place.ramdisk(plain, packed, load)
        except bundleplace.Wrong as wrong:
            raise Refusal(f'vm {vm.name}: {kind} "{as_text(vm.properties[kind])[:40]}": {wrong}') from None


def check_model(vm):
    name = as_text(vm.properties.get("cpu-model", b"host\0"))
    if name not in MODELS:
        raise Refusal(f"vm {vm.name}: " + bundleplace.fill_in(WORDS["CPU_MODEL"], name, ", ".join(MODELS), vm.name))


# A VM

def warn_unknown(vm, hint):
    """The lines that virt7 would print of things that it does not know and passes over."""
    where = f"vm {vm.name}: /vms/{vm.name}"
    lines = [f"{where}: {name[:40]}: {WORDS['UNKNOWN_PROPERTY']}{hint(name, VM)}" for name in vm.properties if name not in VM]
    return lines + [f"{where}/{node.name[:40]}: {WORDS['UNKNOWN_NODE']}" for node in vm.nodes if device_rows(node) is None]


def device_rows(node):
    """The rows of the class of devices that the node names; None: no such class."""
    names = node.properties.get("compatible", b"").decode("latin-1").split("\0")
    return next((NODES[name] for name in names if name in NODES and NODES[name] is not VM), None)


def check_disk(where, node):
    """What goes together, as check_config() of hyp/virtio/blk.c has it."""
    image, size, cow = (name in node.properties for name in ("image", "size", "copy-on-write"))
    read_only = as_number(node.properties.get("read-only", bytes(4)) or b"\0\0\0\1") == 1
    host, partition, sectors = (name in node.properties for name in ("host", "partition", "range"))
    wrong = ("DISK_NO_HOST" if (partition or sectors) and not host else
             "DISK_HOST" if host and (image or size or cow) else
             "DISK_PARTS" if partition and sectors else
             None if host else
             "DISK_TWICE" if image and size else
             "DISK_BLANK_COW" if size and cow else
             "DISK_NONE" if not image and not size else
             "DISK_RO_COW" if read_only and cow else
             "DISK_WRITABLE" if image and not read_only and not cow else None)
    if wrong:
        raise Refusal(f"{where}: {WORDS[wrong]}")


def check_console(where, root, vm, node):
    if "." in node.name:
        raise Refusal(f"{where}: {WORDS['CONSOLE_DOT']}")
    if not re.fullmatch(NAME_RULE, node.name):
        raise Refusal(f"{where}: name: {WORDS['NAME']}")
    if root.find("vms").find(f"{vm.name}.{node.name}"):
        raise Refusal(f"{where}: {WORDS['CONSOLE_TAKEN']}")


def default_mac(vm, node):
    """As make_mac() of hyp/virtio/net.c has it."""
    value = 0x811c9dc5
    for byte in f"{vm}.{node}".encode("latin-1"):
        value = (value ^ byte) * 0x01000193 & 0xffffffff
    return bytes.fromhex("525400") + ((value ^ value >> 24) & 0xffffff).to_bytes(3, "big")


def check_net(where, vm, node, macs):
    """`macs`: {(switch, address): VM.NODE} of those before, to which it is added."""
    name = as_text(node.properties["switch"])
    if not re.fullmatch(NAME_RULE, name or ""):
        raise Refusal(f"{where}: switch: {WORDS['NAME']}")
    mac = node.properties.get("local-mac-address", default_mac(vm.name, node.name))
    if len(mac) != 6 or mac[0] & 1 or not any(mac):
        raise Refusal(f"{where}: local-mac-address: {WORDS['MAC']}")
    if sum(switch == name for switch, _ in macs) == SWITCH_PORTS_MAX:
        raise Refusal(f"{where}: {WORDS['SWITCH_FULL']}")
    owner = macs.setdefault((name, mac), f"{vm.name}.{node.name}")
    if owner != f"{vm.name}.{node.name}":
        raise Refusal(f"{where}: " + bundleplace.fill_in(WORDS["MAC_TAKEN"], owner, *mac))


def flash_of(vm):
    """The node of a VM's flash; None: it has none."""
    return next((node for node in vm.nodes if device_rows(node) is FLASH), None)


def check_flash(where, blob, root, vm, node):
    if node is not flash_of(vm):
        raise Refusal(f"{where}: {WORDS['FLASH_TWICE']}")
    if "code" not in node.properties and "kernel" not in vm.properties:
        raise Refusal(f"{where}: {WORDS['FLASH_NO_CODE']}")
    host, partition, sectors = (name in node.properties for name in ("vars-host", "vars-partition", "vars-range"))
    wrong = ("FLASH_NO_HOST" if (partition or sectors) and not host else
             "FLASH_HOST" if host and "vars" in node.properties else
             "FLASH_PARTS" if partition and sectors else None)
    if wrong:
        raise Refusal(f"{where}: {WORDS[wrong]}")
    for name in ("code", "vars"):
        if name in node.properties:
            data, image = check_image(blob, root, vm.name, node.name, as_text(node.properties[name]))
            check_packed(vm, data, image)
            if len(bundleplace.unpack(data) if is_packed(image) else data) > bundleplace.FLASH // 2:
                raise Refusal(f"{where}: {name}: {WORDS['FLASH_LARGE']}")


def check_device(blob, root, vm, node, hint, macs):
    rows = device_rows(node)
    if rows is None:
        return
    where = f"vm {vm.name}: /vms/{vm.name}/{node.name}"
    for name in node.properties:
        if name not in rows and name not in ("compatible", "phandle"):
            raise Refusal(f"{where}: {name[:40]}: {WORDS['UNKNOWN_DEVICE_PROPERTY']}{hint(name, rows)}")
    for child in node.nodes:
        raise Refusal(f"{where}: {child.name}: {WORDS['UNKNOWN_DEVICE_NODE']}")
    check_properties(rows, node, where)
    if rows is DISK:
        check_disk(where, node)
    if rows is CONSOLE:
        check_console(where, root, vm, node)
    if rows is NET:
        check_net(where, vm, node, macs)
    if rows is FLASH:
        check_flash(where, blob, root, vm, node)
        return
    for name, row in rows.items():
        if row["kind"] == "IMAGE" and name in node.properties:
            check_packed(vm, *check_image(blob, root, vm.name, node.name, as_text(node.properties[name])))


def check_slots(vm):
    virtio = [node for node in vm.nodes if (device_rows(node) or {}).get("compatible", {}).get("choices", "").startswith(
        "virt7,virtio-")]
    if len(virtio) > VIRTIO_SLOTS:
        raise Refusal(f"vm {vm.name}: /vms/{vm.name}/{virtio[VIRTIO_SLOTS].name}: {WORDS['VIRTIO_TOO_MANY']}")


def check_vm(blob, root, vm, number, hint, macs):
    if not re.fullmatch(NAME_RULE, vm.name):
        raise Refusal(f"vm number {number}: /vms: name: {WORDS['NAME']}")
    check_properties(VM, vm, f"vm {vm.name}: /vms/{vm.name}")
    if "kernel" not in vm.properties and not flash_of(vm):
        raise Refusal(f"vm {vm.name}: /vms/{vm.name}: kernel: {WORDS['KERNEL_MISSING']}")
    images = {kind: check_image(blob, root, vm.name, kind, as_text(vm.properties[kind])) for kind in ("kernel", "ramdisk", "fdt")
              if kind in vm.properties}
    if "passthrough-dtb" in vm.properties:
        check_image(blob, root, vm.name, "passthrough-dtb", as_text(vm.properties["passthrough-dtb"]))
    check_model(vm)
    for node in vm.nodes:
        check_device(blob, root, vm, node, hint, macs)
    check_slots(vm)
    if "trusted-dma" not in vm.properties:  # where its RAM begins is known to the host only
        check_placement(vm, images)


def check_nodes(root):
    """The refusals, one at most, of a bundle as a whole."""
    vms = root.find("vms")
    wrong = (WORDS["NO_IMAGES"] if root.find("images") is None else
             WORDS["NO_VMS"] if vms is None else
             WORDS["VMS_EMPTY"] if not vms.nodes else
             f"/vms has {len(vms.nodes)} nodes; {MAX_VMS} is the limit" if len(vms.nodes) > MAX_VMS else None)
    return [f"bundle: {wrong}"] if wrong else []


def check_bundle(blob, hint=lambda word, known: ""):
    """(refusals, warnings) of a FIT image that mkimage has made; one refusal a VM, as virt7 has it. `hint` makes what stands
    behind an unknown word, of those that are known there.
    """
    root = read_tree(blob)
    refusals, warnings = check_nodes(root), []
    if refusals:
        return refusals, []
    vms, macs = root.find("vms"), {}
    for number, vm in enumerate(vms.nodes, 1):
        if re.fullmatch(NAME_RULE, vm.name):
            warnings += warn_unknown(vm, hint)
        try:
            check_vm(blob, root, vm, number, hint, macs)
        except Refusal as refusal:
            refusals.append(str(refusal))
    return refusals, warnings
