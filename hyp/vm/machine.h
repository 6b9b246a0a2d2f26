/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's machine: the addresses and interrupt IDs of QEMU's `virt` board. A public contract
 * (docs/guest-machine.md): a change here breaks guests.
 */
#ifndef HYP_VM_MACHINE_H
#define HYP_VM_MACHINE_H

#include "hyp/lib/bits.h"

#define MACHINE_FLASH_BASE   UINT32_C(0x00000000)
#define MACHINE_FLASH_SIZE   UINT32_C(0x08000000) /* two banks */
#define MACHINE_GICD_BASE    UINT32_C(0x08000000)
#define MACHINE_GICD_SIZE    UINT32_C(0x00001000) /* registers */
#define MACHINE_GICD_WINDOW  UINT32_C(0x00010000) /* as the device tree states it */
#define MACHINE_GICC_BASE    UINT32_C(0x08010000)
#define MACHINE_GICC_SIZE    UINT32_C(0x00002000) /* GICC_DIR lies in the second page */
#define MACHINE_GICC_WINDOW  UINT32_C(0x00010000)
#define MACHINE_MSI_BASE     UINT32_C(0x08020000)
#define MACHINE_MSI_SIZE     UINT32_C(0x00001000)
#define MACHINE_UART_BASE    UINT32_C(0x09000000)
#define MACHINE_UART_SIZE    UINT32_C(0x00001000)
#define MACHINE_RTC_BASE     UINT32_C(0x09010000)
#define MACHINE_RTC_SIZE     UINT32_C(0x00001000)
#define MACHINE_FWCFG_BASE   UINT32_C(0x09020000)
#define MACHINE_FWCFG_SIZE   UINT32_C(0x00001000)
#define MACHINE_GPIO_BASE    UINT32_C(0x09030000)
#define MACHINE_GPIO_SIZE    UINT32_C(0x00001000)
#define MACHINE_VIRTIO_BASE  UINT32_C(0x0a000000)
#define MACHINE_VIRTIO_SIZE  UINT32_C(0x00000200) /* each */
#define MACHINE_VIRTIO_COUNT 32U
#define MACHINE_PASS_BASE    UINT32_C(0x0c000000) /* QEMU's platform bus: devices of the host */
#define MACHINE_PASS_SIZE    UINT32_C(0x02000000)
#define MACHINE_PCI_BASE     UINT32_C(0x10000000) /* memory, ports and the lower configuration space */
#define MACHINE_PCI_SIZE     UINT32_C(0x30000000)
#define MACHINE_RAM_BASE     UINT64_C(0x40000000)
#define MACHINE_RAM_MIN      UINT64_C(0x00800000) /* 8 MiB */
#define MACHINE_RAM_END      BIT64(40)            /* 40-bit IPA */
#define MACHINE_ECAM_BASE    UINT64_C(0x4010000000)
#define MACHINE_ECAM_SIZE    UINT64_C(0x10000000)

/* Interrupt IDs as the GIC numbers them: PPI n is n + 16, SPI n is n + 32. */
#define MACHINE_PPI_TIMER_HYP   26U
#define MACHINE_PPI_TIMER_VIRT  27U
#define MACHINE_PPI_TIMER_SEC   29U
#define MACHINE_PPI_TIMER_PHYS  30U
#define MACHINE_SPI_UART        33U
#define MACHINE_SPI_RTC         34U
#define MACHINE_SPI_GPIO        39U
#define MACHINE_SPI_MEMERR      42U /* nothing of QEMU's */
#define MACHINE_SPI_VIRTIO(n)   (48U + (n))
#define MACHINE_SPI_MSI         80U
#define MACHINE_SPI_MSI_COUNT   64U
#define MACHINE_SPI_PASS        144U /* and above: the platform bus' */
#define MACHINE_GPIO_POWER_LINE 3U

#define MACHINE_MAX_CPUS 8U /* GICv2 */

/* Where QEMU's -kernel puts things: the raw image's offset, and the device tree at half of RAM, at most here. */
#define MACHINE_RAW_OFFSET UINT32_C(0x00010000)
#define MACHINE_DTB_OFFSET UINT32_C(0x08000000)

#endif
