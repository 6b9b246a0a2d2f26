# SPDX-License-Identifier: BSD-2-Clause
"""The layers of virt7 (docs/architecture.md): which file is in which, and what is built of them. For the tools that check it."""
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("boot", "hyp", "mm", "vgic", "vtimer", "psci", "coproc")

# Lowest first; in a pattern * also matches /. Where several patterns match, the longest counts.
LAYERS = (
    ("machine", ("hyp/arm/*", "hyp/lib/*")),
    ("memory and host devices", ("mm/*", "hyp/host/*")),
    ("core", ("hyp/run/*", "hyp/vm/*", "hyp/exit/*", "hyp/load/*", "hyp/console/*", "hyp/debug/*",
              "hyp/host/cpustart.*", "hyp/host/board.*", "hyp/host/power.*", "hyp/vdev/device.*")),
    ("guest devices", ("vgic/*", "vtimer/*", "coproc/*", "hyp/virtio/*", "hyp/vdev/*")),
    ("top", ("boot/*", "hyp/exit/exit.*", "hyp/exit/vectors.S", "hyp/exit/hvbar.*", "hyp/exit/abort.*", "hyp/vm/switch.*", "hyp/vm/vmctl.*", "hyp/vm/assemble.*", "hyp/vm/watchdog.*",
             "hyp/vm/memerr.*", "hyp/vm/memfound.*", "hyp/vm/memsource.*", "psci/*", "hyp/console/shell*",
             "hyp/debug/trace.*", "hyp/debug/panic.*", "hyp/debug/fault.*")),
)


def layer_of(path):
    """The layer's number. None: a folder that LAYERS does not place."""
    matches = [(len(pattern), number) for number, (_, patterns) in enumerate(LAYERS) for pattern in patterns
               if fnmatch(path, pattern)]
    return max(matches)[1] if matches else None
