/* Where a VM finds a device of the host's that is handed through for tests. */
#ifndef TESTS_DEVICE_HOSTDEV_H
#define TESTS_DEVICE_HOSTDEV_H

#define HOSTDEV_BASE 0x0c100000U /* of the first one of a VM: a page */
#define HOSTDEV_SIZE 0x1000U
#define HOSTDEV_IRQ  160U

#endif
