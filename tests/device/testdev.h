/* SPDX-License-Identifier: BSD-2-Clause */
/* The registers and requests of the device for tests, for its emulation and its guests. */
#ifndef TESTS_DEVICE_TESTDEV_H
#define TESTS_DEVICE_TESTDEV_H

#include <stdint.h>

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

#define TESTDEV_REQUEST 0x10U /* written: the IPA of a struct testdev_request, which is served at once */

/* Written: the IPA of a page of the VM's RAM, which is bad from then on; read: what memerr_guest_page() returned. */
#define TESTDEV_POISON       0x14U
#define TESTDEV_POISON_ASYNC 0x18U

#define TESTDEV_SLOW_ROUNDS 20000U
#define TESTDEV_ECHO_MS     200U /* from each access to the callback of the device's timer */

/*
 * A block of the host's, by physical address, that virt7 gives no VM: on a machine whose RAM ends TESTDEV_HOLE_RAM
 * bytes into it. There the hole begins, which answers with external aborts.
 */
#define TESTDEV_HOLE     0x60000000U
#define TESTDEV_HOLE_RAM 0x100000U

/* The hole's first page in the guest's own addresses: its loads and stores go there without virt7. */
#define TESTDEV_SHOWN 0x0d000000U

/* Pieces of the guest's RAM. Those without a byte count for nothing. */
#define TESTDEV_PIECES 4U
struct testdev_list {
	uint32_t hole; /* not 0: TESTDEV_HOLE stands for the block in which the first piece begins */
	struct {
		uint32_t at, len; /* IPA, bytes */
	} piece[TESTDEV_PIECES];
};

#define TESTDEV_COPY    1U /* `from` into a buffer, at most TESTDEV_BUFFER bytes; then into `to` */
#define TESTDEV_FORWARD 2U /* `from` into `to` in one copy */
#define TESTDEV_INVERT  3U /* map the first piece of `from` as a ring, invert each of its bytes */
#define TESTDEV_RING    4U /* the accesses of rings, at the first piece of `from`; -EINVAL: some abort, others not */

#define TESTDEV_BUFFER    256U
#define TESTDEV_SHIFT_MAX 3U

struct testdev_request {
	uint32_t operation;
	uint32_t shift; /* COPY: into the buffer, whose alignment is a word's */
	struct testdev_list from, to;
	int32_t result; /* the device writes it: 0 or -Exxx */
};

#endif
