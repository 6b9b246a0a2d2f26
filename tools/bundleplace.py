# SPDX-License-Identifier: BSD-2-Clause
"""Where virt7 puts a VM's kernel and ramdisk, and what it refuses there: hyp/load/image.c again, in its words (hyp/load/words.h)
and with the numbers of its headers. What the header of a file says is believed only where it is checked.
"""
import re
import struct
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KIB, MIB = 1 << 10, 1 << 20
PAGE, BLOCK = 4 * KIB, 2 * MIB
WORD = 1 << 32
ZIMAGE_MAGIC, ZIMAGE_MAGIC2, ZIMAGE_TAG_SIZES = 0x016f2818, 0x45454545, 0x5a534c4b
ZIMAGE_HEADER, ZIMAGE_TEXT_OFFSET, ZIMAGE_SCRATCH, ZIMAGE_REACH, ZIMAGE_RATIO = 0x3c, 0x8000, 68 * KIB, 128 * MIB, 4
UIMAGE_MAGIC, UIMAGE_HEADER, UIMAGE_ARM = 0x27051956, 64, 2
UIMAGE_LINUX, UIMAGE_KERNEL, UIMAGE_RAMDISK, UIMAGE_NOLOAD = 5, 2, 3, 14
ELF_HEADER, ELF_PH, ELF_PH_MAX, ELF_LOAD, ELF_TREE_ROOM = 52, 32, 16, 1, MIB


class Wrong(Exception):
    """What virt7 prints behind the image's name."""


def read_numbers():
    """The numbers of the machine that guests see."""
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in
                   ("hyp/vm/machine.h", "hyp/load/guestdtb.h", "hyp/load/usertree.h"))
    numbers = {name: int(value, 0) for name, value in
               re.findall(r"#define (MACHINE_\w+)\s+UINT(?:32|64)_C\((0x[0-9a-f]+)\)", text)}
    return numbers | {name: int(value) * KIB for name, value in re.findall(r"#define (\w+_MAX)\s+KIB\((\d+)\)", text)}


NUMBERS = read_numbers()
FLASH = NUMBERS["MACHINE_FLASH_SIZE"]
RAM, RAW, DTB_SIZE = (NUMBERS[name] for name in ("MACHINE_RAM_BASE", "MACHINE_RAW_OFFSET", "GUESTDTB_MAX"))


def fill_in(words, *values):
    """As printf does it in C."""
    return words.replace("%ll", "%") % values


def kib(size):
    return size + KIB - 1 >> 10


def down(value, step):
    return value - value % step


def overlap(a, a_size, b, b_size):
    return a < b + b_size and b < a + a_size


def unpack(data):
    """What a gzip stream of any number of members holds, with zeroes behind it or without. None: it is none, or damaged."""
    data, parts = bytes(data), []
    while not parts or data[:1].strip(b"\0"):
        stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            parts.append(stream.decompress(data))
        except zlib.error:
            return None
        if not stream.eof:
            return None
        data = stream.unused_data
    return None if data.strip(b"\0") else b"".join(parts)


def words_at(data, *offsets):
    return (struct.unpack_from("<I", data, at)[0] for at in offsets)


def is_zimage(data):
    return len(data) >= ZIMAGE_HEADER and next(words_at(data, 0x24)) == ZIMAGE_MAGIC


def is_uimage(data):
    return len(data) >= UIMAGE_HEADER and struct.unpack_from(">I", data)[0] == UIMAGE_MAGIC


def is_elf(data):
    return len(data) >= ELF_HEADER and data[:4] == b"\x7fELF"


def zimage_sizes(data):
    """(unpacked kernel, bss, offset) of the table that Linux has since 4.15. None: there is none."""
    magic, table = words_at(data, 0x34, 0x38)
    if magic != ZIMAGE_MAGIC2 or table > len(data) - 20:
        return None
    words, tag, where, bss, offset = words_at(data, *range(table, table + 20, 4))
    if tag != ZIMAGE_TAG_SIZES or where > len(data) - 4:
        return None
    return next(words_at(data, where)), bss, offset if words >= 5 else ZIMAGE_TEXT_OFFSET


class Placement:
    """The RAM of one VM while its images are placed. `words`: those of hyp/load/words.h; `banks`: of flash, where a kernel may
    be, too; `own_tree`: of the user's, or with nodes of the host's, which is as large."""

    def __init__(self, ram_size, words, banks=(), own_tree=False):
        self.banks = banks
        self.dtb_size = NUMBERS["USERTREE_MAX"] if own_tree else DTB_SIZE
        self.end, self.words = RAM + ram_size, words
        self.dtb = RAM + min(ram_size // 2, NUMBERS["MACHINE_DTB_OFFSET"])  # Linux', which the ramdisk goes by
        self.claims = [(self.dtb, self.dtb_size, "device tree")]
        self.what = None
        self.written = []  # of the kernel: (start, size)

    def place_tree(self, at):
        """None: there is none."""
        self.claims[0] = (at or 0, MIB if at == RAM else self.dtb_size if at else 0, "device tree")

    def wrong(self, name, *values):
        raise Wrong(fill_in(self.words[name], *values))

    def conflict(self, start, size):
        return next((claim for claim in self.claims if claim[2] != self.what and overlap(start, size, *claim[:2])), None)

    def fits(self, start, size):
        return RAM <= start <= self.end and size <= self.end - start

    def holds(self, start, size):
        return self.fits(start, size) or any(
            0 <= start - bank * FLASH // 2 and start - bank * FLASH // 2 + size <= FLASH // 2 for bank in self.banks)

    def outside(self, start, size, how=""):
        self.wrong("OUTSIDE", kib(size), how, start, RAM, self.end, "" if start else self.words["FOR_FLASH"])

    def claim(self, start, size, how=""):
        if not self.holds(start, size):
            self.outside(start, size, how)
        other = self.conflict(start, size)
        if other:
            self.wrong("OVERLAP", kib(size), how, start, other[2], kib(other[1]), other[0])
        self.claims.append((start, size, self.what))

    def write(self, start, size):
        """A bank of flash that has no image has a block of RAM, of which each page takes one that anything is written to."""
        self.written.append((start, size))
        for bank in self.banks:
            first, end = bank * FLASH // 2, (bank + 1) * FLASH // 2
            pages = {page for at, length in self.written if first <= at < end for page in range(at // PAGE, -(-(at + length) // PAGE))}
            if len(pages) > BLOCK // PAGE:
                self.wrong("FLASH_FULL")

    def grow(self, start, data):
        """What a zImage needs to unpack itself."""
        base, sizes = max(down(start, ZIMAGE_REACH), RAM), zimage_sizes(data)
        if sizes:
            kernel, bss, offset = sizes
            self.claim(base + offset, kernel + max(bss, len(data) + ZIMAGE_SCRATCH), " (unpacking)")
            return
        end = min(base + ZIMAGE_TEXT_OFFSET + len(data) * (ZIMAGE_RATIO + 1), self.end)
        other = self.conflict(base, end - base)
        if not other or other[0] > base:
            self.claim(base, (other[0] if other else end) - base, " (unpacking)")

    def flat(self, data, load):
        size = len(data)
        if is_zimage(data):
            start, end = words_at(data, 0x28, 0x2c)
            size = max(size, end - start & 0xffffffff)
        self.claim(load, size)
        self.write(load, len(data))
        if is_zimage(data):
            self.grow(load, data)

    def plain(self, data, load, entry, anywhere):
        start = next(words_at(data, 0x28)) if is_zimage(data) else 0
        load = load if load is not None else start or RAM + RAW
        self.flat(data, load)
        return load if entry is None else entry + (load if anywhere else 0)

    def open_uimage(self, data, packed):
        size, = struct.unpack_from(">I", data, 12)
        if zlib.crc32(data[8:UIMAGE_HEADER], zlib.crc32(bytes(4), zlib.crc32(data[:4]))) != struct.unpack_from(">I", data, 4)[0]:
            self.wrong("UIMAGE_HEADER")
        if data[29] != UIMAGE_ARM:
            self.wrong("UIMAGE_ARCH")
        if size > len(data) - UIMAGE_HEADER:
            self.wrong("UIMAGE_SHORT")
        compressed = data[31] if data[30] != UIMAGE_RAMDISK else 0  # a ramdisk is handed over as it is
        if compressed > 1:
            self.wrong("UIMAGE_PACKED")
        if compressed and packed:
            self.wrong("UIMAGE_TWICE")
        inner = data[UIMAGE_HEADER:UIMAGE_HEADER + size]
        if zlib.crc32(inner) != struct.unpack_from(">I", data, 24)[0]:
            self.wrong("UIMAGE_DATA")
        if compressed:
            inner = unpack(inner)
            if inner is None:
                self.wrong("NOT_GZIP")
        if not inner:
            self.wrong("DATA_EMPTY")
        return inner

    def uimage(self, data, packed, find_foreign):
        load, entry = struct.unpack_from(">2I", data, 16)
        if data[30] == UIMAGE_NOLOAD:
            load, entry = RAM + RAW, entry + RAM + RAW
        elif data[30] != UIMAGE_KERNEL:
            self.wrong("UIMAGE_TYPE", data[30], UIMAGE_KERNEL)
        inner = self.open_uimage(data, packed)
        foreign = find_foreign(inner)
        if foreign:
            raise Wrong("; ".join(foreign))
        if data[28] != UIMAGE_LINUX:
            self.place_tree(None)
        self.flat(inner, load)
        return entry

    def elf(self, data):
        entry, at = words_at(data, 24, 28)
        size, count = struct.unpack_from("<2H", data, 42)
        if size != ELF_PH or not 0 < count <= ELF_PH_MAX:
            self.wrong("ELF_HEADERS")
        if at + count * ELF_PH > len(data):
            self.wrong("SHORT")
        rows = [struct.unpack_from("<8I", data, at + n * ELF_PH) for n in range(count)]
        pc, segments = entry, [row[1:6] for row in rows if row[0] == ELF_LOAD and row[5]]
        if not segments:
            self.wrong("ELF_EMPTY")
        low, high = min(row[2] for row in segments), max(row[2] + row[4] for row in segments)
        self.place_tree(RAM if low >= RAM + ELF_TREE_ROOM or high <= RAM else None)
        for offset, virtual, physical, in_file, in_memory in segments:
            if in_file > in_memory:
                self.wrong("ELF_SEGMENT", in_file, in_memory)
            self.claim(physical, in_memory)
            if offset + in_file > len(data):
                self.wrong("SHORT")
            self.write(physical, in_memory)
            if (entry - virtual) % WORD < in_memory:
                pc = (entry - virtual + physical) % WORD
        return pc

    def kernel(self, data, packed, load, entry, anywhere, find_foreign):
        """`data` unpacked, `packed`: the bundle says gzip; load and entry of the bundle, or None, and whether entry counts from
        wherever the kernel is."""
        self.what = "kernel"
        if not data:
            self.wrong("DATA_EMPTY")
        foreign = find_foreign(data)
        if foreign:
            raise Wrong("; ".join(foreign))
        if is_elf(data):
            pc = self.elf(data)
        elif is_uimage(data):
            pc = self.uimage(data, packed, find_foreign)
        else:
            pc = self.plain(data, load, entry, anywhere)
        if not self.holds(pc, 1) or pc >> 32:
            self.wrong("ENTRY", pc, RAM, self.end)

    def ramdisk(self, data, packed, load):
        self.what = "ramdisk"
        if not data:
            self.wrong("DATA_EMPTY")
        if is_uimage(data) and data[30] == UIMAGE_RAMDISK:
            data = self.open_uimage(data, packed)
        size, below = len(data), down(self.dtb - min(len(data), self.dtb), PAGE)
        places = (load,) if load is not None else (below, self.dtb + self.dtb_size)
        if load is not None and not self.fits(load, size):
            self.outside(load, size)
        for start in places:
            if load is not None or self.fits(start, size) and not self.conflict(start, size):
                self.claim(start, size)
                return
        self.wrong("NO_ROOM", kib(size), self.dtb, self.end)
