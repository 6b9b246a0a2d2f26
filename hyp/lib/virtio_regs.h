/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers of virtio-mmio, as virtio 1.2 has them (4.2.2 and, of version 1, 4.2.4): offsets, status, features of every
 * device. Plain data, for the transport and for tests.
 */
#ifndef HYP_LIB_VIRTIO_REGS_H
#define HYP_LIB_VIRTIO_REGS_H

#define VIRTIO_MAGIC_VALUE         0x000U
#define VIRTIO_VERSION             0x004U
#define VIRTIO_DEVICE_ID           0x008U
#define VIRTIO_VENDOR_ID           0x00cU
#define VIRTIO_DEVICE_FEATURES     0x010U
#define VIRTIO_DEVICE_FEATURES_SEL 0x014U
#define VIRTIO_DRIVER_FEATURES     0x020U
#define VIRTIO_DRIVER_FEATURES_SEL 0x024U
#define VIRTIO_GUEST_PAGE_SIZE     0x028U /* version 1 */
#define VIRTIO_QUEUE_SEL           0x030U
#define VIRTIO_QUEUE_NUM_MAX       0x034U
#define VIRTIO_QUEUE_NUM           0x038U
#define VIRTIO_QUEUE_ALIGN         0x03cU /* version 1 */
#define VIRTIO_QUEUE_PFN           0x040U /* version 1 */
#define VIRTIO_QUEUE_READY         0x044U
#define VIRTIO_QUEUE_NOTIFY        0x050U
#define VIRTIO_INTERRUPT_STATUS    0x060U
#define VIRTIO_INTERRUPT_ACK       0x064U
#define VIRTIO_STATUS              0x070U
#define VIRTIO_QUEUE_DESC_LOW      0x080U
#define VIRTIO_QUEUE_DESC_HIGH     0x084U
#define VIRTIO_QUEUE_DRIVER_LOW    0x090U
#define VIRTIO_QUEUE_DRIVER_HIGH   0x094U
#define VIRTIO_QUEUE_DEVICE_LOW    0x0a0U
#define VIRTIO_QUEUE_DEVICE_HIGH   0x0a4U
#define VIRTIO_SHM_LEN_LOW         0x0b0U
#define VIRTIO_SHM_LEN_HIGH        0x0b4U
#define VIRTIO_SHM_BASE_LOW        0x0b8U
#define VIRTIO_SHM_BASE_HIGH       0x0bcU
#define VIRTIO_CONFIG_GENERATION   0x0fcU
#define VIRTIO_CONFIG              0x100U

#define VIRTIO_MAGIC  0x74726976U /* "virt" */
#define VIRTIO_VENDOR 0x554d4551U /* as QEMU's say: "QEMU" */

#define VIRTIO_INT_QUEUE  0x1U
#define VIRTIO_INT_CONFIG 0x2U

#define VIRTIO_STATUS_ACKNOWLEDGE 0x01U
#define VIRTIO_STATUS_DRIVER      0x02U
#define VIRTIO_STATUS_DRIVER_OK   0x04U
#define VIRTIO_STATUS_FEATURES_OK 0x08U
#define VIRTIO_STATUS_NEEDS_RESET 0x40U
#define VIRTIO_STATUS_FAILED      0x80U

/* Feature bits by number (chapter 6). */
#define VIRTIO_F_ANY_LAYOUT    27U /* version 1 */
#define VIRTIO_F_INDIRECT_DESC 28U
#define VIRTIO_F_EVENT_IDX     29U
#define VIRTIO_F_VERSION_1     32U

/* The split queue (2.7). */
#define VIRTQ_DESC_NEXT     1U
#define VIRTQ_DESC_WRITE    2U
#define VIRTQ_DESC_INDIRECT 4U
#define VIRTQ_NO_INTERRUPT  1U /* of the available ring's flags */
#define VIRTQ_NO_NOTIFY     1U /* of the used ring's flags */

#endif
