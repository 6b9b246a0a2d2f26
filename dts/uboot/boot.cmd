# SPDX-License-Identifier: BSD-2-Clause
# U-Boot boots an SD card with this: mkimage -A arm -T script -d boot.cmd boot.scr, and boot.scr, virt7.bin, bundle.uimg
# and the board's device tree on its first partition (FAT or ext4). docs/boot.md has the steps.
if test -z "${devtype}"; then setenv devtype mmc; setenv devnum 0; fi
if test -z "${distro_bootpart}"; then setenv distro_bootpart 1; fi
setenv from "${devtype} ${devnum}:${distro_bootpart}"
load ${from} ${kernel_addr_r} ${prefix}virt7.bin
setenv bundle -
if load ${from} ${ramdisk_addr_r} ${prefix}bundle.uimg; then setenv bundle ${ramdisk_addr_r}; fi
setenv tree ${fdtcontroladdr}
if test -n "${fdtfile}" && load ${from} ${fdt_addr_r} ${prefix}${fdtfile}; then setenv tree ${fdt_addr_r}; fi
bootz ${kernel_addr_r} ${bundle} ${tree}
