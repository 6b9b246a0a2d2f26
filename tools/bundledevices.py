# SPDX-License-Identifier: BSD-2-Clause
"""The devices that --vm of tools/mkbundle gives to a VM: the words of users, made to nodes (hyp/virtio/*.def).

What virt7 says of a node (tools/bundlecheck.py) is left to it: a size of 0, or a disk that is read-only and copy-on-write.
"""
import re
from pathlib import Path

# Words that are no properties of a VM's node. Keys have a value and may be repeated, as REPEATED may.
FLASH_BANK = 64 << 20
KEYS = ("disk", "net", "flash", "pass")
FLAGS = ("rng", "console")
REPEATED = ("console",)
SUFFIXES = ":ro, :cow=SIZE and :gz"
NET_SUFFIXES = ":mac=ADDRESS, :isolated, :allow-any-mac and :broadcast-limit=NUMBER"


class Error(Exception):
    """Something the user can mend, behind `VM NAME: `."""


def check_word(key, value):
    word = key if value is None else f"{key}={value}"
    if key in FLAGS and value is not None:
        raise Error(f"{word}: {key} stands alone, without a value")
    if key == "disk" and not value:
        raise Error(f"{word}: no disk: give FILE:ro, FILE:cow=SIZE or size=SIZE")
    if key == "net" and not value:
        raise Error(f"{word}: no switch: give its name, any you like")
    if key == "pass" and not value:
        raise Error(f"{word}: no device: give the path of its node in the host's device tree, or an alias")


def split_disk(text):
    """(file, {suffix: value}) of FILE:ro, FILE:cow=64M, FILE:gz:ro; a file's own name may have colons."""
    suffixes = {}
    while not Path(text).exists() and (match := re.fullmatch(r"(.+):(ro|gz|cow)(?:=([^:]*))?", text)):
        text, name, value = match.groups()
        if name in suffixes:
            raise Error(f"disk={match[0]}: {name} is given twice")
        if name != "cow" and value is not None:
            raise Error(f"disk={match[0]}: {name} stands alone, without a value")
        suffixes[name] = value or ""
    if ":" in text and not Path(text).exists():
        raise Error(f"disk={text}: '{text.rpartition(':')[2]}' is not one of {SUFFIXES}")
    return text, suffixes


def split_flash(text):
    """(code, vars) of CODE:VARS, either of which may be missing; a file's own name may have a colon."""
    if Path(text).exists() or ":" not in text:
        return text, ""
    splits = [(text[:at], text[at + 1:]) for at, letter in enumerate(text) if letter == ":"]
    return next((pair for pair in splits if all(not name or Path(name).exists() for name in pair)), splits[0])


def split_host_flash(text):
    """(CODE, lines) of CODE:host=PATH[:PARTITION], variables on a disk of the host's; lines are empty without."""
    code, found, place = text.partition(":host=")
    if not found:
        return text, []
    match = re.fullmatch(r"([^:\"\\]+)(?::(\d+))?", place)
    if not match:
        raise Error(f"flash={text}: expects CODE:host=PATH or CODE:host=PATH:PARTITION")
    path, partition = match.groups()
    return code, [f'vars-host = "{path}";', *([f"vars-partition = <{int(partition)}>;"] if partition else [])]


def flash_lines(text, add_flash):
    """The properties of the node of a VM's flash."""
    text, lines = split_host_flash(text or "")
    for name, file in zip(("code", "vars"), split_flash(text)):
        if not file:
            continue
        image, fill = add_flash(file)
        if Path(file).stat().st_size > FLASH_BANK:
            raise Error(f"flash={file}: larger than a bank of 64 MiB; give a smaller file")
        if image is None and name == "code":
            raise Error(f"flash={file}: nothing is in it but bytes 0x{fill:02x}; give firmware")
        lines += [f'{name} = "{image}";'] if image else []
        lines.append(f"{name}-fill = <{fill}>;")
    return lines


def check_head(file, suffixes):
    """Formats of other machines' disks; in the VM they would be a disk without a file system. None: nothing to say."""
    try:
        with open(file, "rb") as image:
            head = image.read(4)
    except OSError:
        return None  # said when the file is stored
    if head == b"QFI\xfb":
        raise Error(f"disk={file}: a disk image (qcow2); virt7 takes raw ones: qemu-img convert -O raw {file} RAW")
    if head[:2] == b"\x1f\x8b" and "gz" not in suffixes:
        return f"disk={file}: compressed with gzip, and the guest will see it so; :gz has virt7 unpack it"
    return None


def host_disk_lines(text):
    """Of host=PATH[:PARTITION][:ro]."""
    match = re.fullmatch(r"host=([^:\"\\]+)(?::(\d+))?(:ro)?", text)
    if not match:
        raise Error(f"disk={text}: expects host=PATH, host=PATH:PARTITION, and :ro behind either")
    path, partition, read_only = match.groups()
    return [f'host = "{path}";', *([f"partition = <{int(partition)}>;"] if partition else []), *(["read-only;"] if read_only else [])]


def disk_lines(text, add_image, size_cells, warn):
    """The properties of a disk's node."""
    if text.startswith("host="):
        return host_disk_lines(text)
    if text.startswith("size="):
        return [f"size = {size_cells(text.removeprefix('size='), 'disk=size')}; /* KiB */"]
    file, suffixes = split_disk(text)
    warning = check_head(file, suffixes)
    if warning:
        warn(warning)
    lines = []
    if "ro" in suffixes:
        lines.append("read-only;")
    if "cow" in suffixes:
        lines.append(f"copy-on-write = {size_cells(suffixes['cow'], f'disk={file}:cow')}; /* KiB */")
    image = add_image(file, {"compression": "gzip"} if "gz" in suffixes else {})
    if not lines:
        raise Error(f"disk={text}: say :ro, or :cow=SIZE for changes that go to RAM")
    return [f'image = "{image}";', *lines]


def net_lines(text):
    """The properties of a network card's node. A name that is none is virt7's to refuse."""
    switch, *suffixes = re.split(r":(?![0-9a-fA-F]{2}(?::|$))", text)  # not at the colons of an address
    if '"' in switch or "\\" in switch:
        raise Error(f"net={text}: a quote or a backslash in the switch's name")
    lines = {}
    for suffix in suffixes:
        key, _, value = suffix.partition("=")
        if suffix not in ("isolated", "allow-any-mac") and not suffix.startswith(("mac=", "broadcast-limit=")):
            raise Error(f"net={text}: '{suffix}' is not one of {NET_SUFFIXES}")
        if key in lines:
            raise Error(f"net={text}: {key} is given twice")
        if key == "mac" and not re.fullmatch(r"([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}", value):
            raise Error(f"net={text}: '{value}' is not a MAC address such as 52:54:00:00:00:01")
        if key == "broadcast-limit" and not re.fullmatch(r"[0-9]{1,9}", value):
            raise Error(f"net={text}: '{value}' is not a number of frames a second, such as 1000")
        lines[key] = {"mac": f"local-mac-address = [{value.replace(':', ' ')}];",
                      "broadcast-limit": f"broadcast-limit = <{value}>;"}.get(key, f"{key};")
    return [f'switch = "{switch}";', *lines.values()]


def passthrough_lines(devices, quote):
    """The VM's property that names devices of the host."""
    paths = [quote(value) for key, value in devices if key == "pass"]
    return [f"passthrough = {', '.join(paths)};"] if paths else []


def device_nodes(devices, add_image, add_flash, size_cells, warn):
    """[(name, lines)] in the order of the options, which is that of the slots."""
    if [key for key, _ in devices].count("flash") > 1:
        raise Error("flash is given twice; a VM has one")
    nodes, disks, consoles, nets = [], 0, 0, 0
    for key, value in devices:
        check_word(key, value)
        if key == "flash":
            nodes.append(("flash", ['compatible = "virt7,cfi-flash";', *flash_lines(value, add_flash)]))
        elif key == "rng":
            nodes.append(("rng", ['compatible = "virt7,virtio-rng";']))
        elif key == "console":
            consoles += 1  # the UART is the one before the first
            nodes.append((f"con{consoles}", ['compatible = "virt7,virtio-console";']))
        elif key == "pass":
            continue  # passthrough_lines()
        elif key == "net":
            nodes.append((f"net{nets}", ['compatible = "virt7,virtio-net";', *net_lines(value)]))
            nets += 1
        else:
            nodes.append((f"disk{disks}", ['compatible = "virt7,virtio-blk";',
                                           *disk_lines(value, add_image, size_cells, warn)]))
            disks += 1
    return nodes
