/* The registers of the device for tests, for its emulation and its guest. */
#ifndef TESTS_DEVICE_TESTDEV_H
#define TESTS_DEVICE_TESTDEV_H

#define TESTDEV_BASE 0x0c000000U /* of the first one of a VM */
#define TESTDEV_SIZE 0x1000U
#define TESTDEV_IRQ  144U

#define TESTDEV_VALUE        0x00U /* keeps what is written */
#define TESTDEV_RAISE        0x04U /* not 0: the interrupt line is up */
#define TESTDEV_SLOW         0x08U /* VALUE, after a while */
#define TESTDEV_SNAP         0x0cU /* what the next reset of the VM does, and what the last one has done: */
#define TESTDEV_SNAP_NONE    0U
#define TESTDEV_SNAP_SAVE    1U /* save the device before it is reset */
#define TESTDEV_SNAP_RESTORE 2U /* restore it behind its reset */

#define TESTDEV_SLOW_ROUNDS 20000U
#define TESTDEV_ECHO_MS     200U /* from each access to the callback of the device's timer */

#endif
