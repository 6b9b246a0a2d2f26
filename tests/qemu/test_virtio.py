"""virtio devices of Debian in a VM: disks of each kind, by registers of both versions."""
import gzip
import hashlib
import random
import re

import pytest

from conftest import BUILD, DEPS

DISK_MIB = 4

ITS = """/dts-v1/;
/ {{
    description = "Debian and its disks";
    #address-cells = <1>;
    images {{
        linux {{ data = /incbin/("{kernel}"); type = "kernel"; arch = "arm"; os = "linux"; compression = "none";
                 hash-1 {{ algo = "crc32"; }}; }};
        initrd {{ data = /incbin/("{initrd}"); type = "ramdisk"; arch = "arm"; os = "linux"; compression = "none";
                  hash-1 {{ algo = "crc32"; }}; }};
        disk {{ data = /incbin/("{disk}"); type = "filesystem"; arch = "arm"; compression = "none";
                hash-1 {{ algo = "crc32"; }}; }};
        packed {{ data = /incbin/("{disk}.gz"); type = "filesystem"; arch = "arm"; compression = "gzip";
                  hash-1 {{ algo = "crc32"; }}; }};
    }};
    vms {{
        web {{ compatible = "virt7,vm"; cpus = <2>; memory = <0x20000>; kernel = "linux"; ramdisk = "initrd"; {legacy}
               bootargs = "console=ttyAMA0 virt7.run=\\"{command}\\"";
               disk0 {{ compatible = "virt7,virtio-blk"; image = "disk"; read-only; serial = "a-serial"; }};
               disk1 {{ compatible = "virt7,virtio-blk"; image = "packed"; read-only; }};
               disk2 {{ compatible = "virt7,virtio-blk"; image = "disk"; copy-on-write = <1024>; }};
               disk3 {{ compatible = "virt7,virtio-blk"; size = <8192>; }}; }};
        bad {{ compatible = "virt7,vm"; memory = <0x4000>; kernel = "linux";
               disk0 {{ compatible = "virt7,virtio-blk"; image = "disk"; }}; }};
    }};
}};
"""

COMMAND = "; ".join((
    "sha256sum /dev/vda /dev/vdb",
    "echo serial: $(cat /sys/block/vda/serial), ro $(cat /sys/block/vda/ro)",
    "mke2fs -F /dev/vdd >/dev/null && mount -t ext4 /dev/vdd /mnt && cp /dev/vda /mnt/copy && umount /mnt",
    "mount -t ext4 /dev/vdd /mnt && sha256sum /mnt/copy",
    # The start of the disk anew, twice over its budget: what went in stays, what did not is the image.
    "dd if=/dev/vdb of=/dev/vdc bs=4k skip=8 count=8 oflag=direct 2>/dev/null",
    "dd if=/dev/vdc bs=4k count=8 iflag=direct 2>/dev/null | sha256sum",
    "dd if=/dev/zero of=/dev/vdc bs=64k count=32 oflag=direct 2>/dev/null || echo over the budget",
    "dd if=/dev/vdc bs=64k skip=32 iflag=direct 2>/dev/null | sha256sum",
    "echo done"))


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("legacy", ("", "virtio-legacy;"), ids=("version-2", "version-1"))
def test_disks(virt7, mkbundle, tmp_path, legacy):
    data = random.Random(7).randbytes(DISK_MIB << 20)
    disk = tmp_path / "disk.img"
    disk.write_bytes(data)
    (tmp_path / "disk.img.gz").write_bytes(gzip.compress(data, 1))
    its = tmp_path / "disks.its"
    its.write_text(ITS.format(kernel=(DEPS / "armhf/vmlinuz").resolve(), initrd=BUILD / "initramfs.cpio", disk=disk,
                              legacy=legacy, command=COMMAND))
    run = virt7(mkbundle(its), smp=2, mem="512M", timeout=300)
    assert run.wait() == 0
    output = run.output()
    said = run.said("web") or output
    for line in (f"{sha256(data)}  /dev/vda", f"{sha256(data)}  /dev/vdb", f"{sha256(data)}  /mnt/copy",
                 "serial: a-serial, ro 1", f"{sha256(data[8 * 4096:16 * 4096])}  -", "over the budget",
                 f"{sha256(data[32 * 65536:])}  -", "done"):
        assert line in said
    assert "virt7: vm web: unpacking packed, 4096 KiB" in output
    assert ("virt7: warning: vm web: disk2: the 1024 KiB of copy-on-write are used up; writes fail from here on"
            in output)
    assert ("virt7: error: vm bad: /vms/bad/disk0: an image cannot be written: say read-only, or copy-on-write = <KiB>"
            in output)
    assert len(re.findall("copy-on-write are used up", output)) == 1
