/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Disks of the host's as their drivers have them: a few slots of virt7's own memory, each with a request at a time. Who
 * has which slot is the caller's business (hyp/virtio/hostdisk.c), and so are locks: of one disk one call at a time.
 * Some drivers let a request read or write other memory in place of its slot's: pieces, wherever they are.
 * Each function is short, whatever the device does: what takes long is asked for again.
 */
#ifndef HYP_HOST_DISKDEV_H
#define HYP_HOST_DISKDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hyp/host/host.h"
#include "hyp/lib/addr.h"
#include "hyp/lib/bits.h"

#define DISKDEV_SECTOR 512U
#define DISKDEV_BYTES  KIB(32) /* of a slot */
#define DISKDEV_SLOTS  8U
#define DISKDEV_PIECES 30U /* of other memory, and so much of that: */
#define DISKDEV_DIRECT KIB(128)

enum diskdev_type { DISKDEV_READ = 0, DISKDEV_WRITE = 1, DISKDEV_FLUSH = 4 };

/* What each driver's own begins with. All of it is zero in the beginning. */
struct diskdev {
	/* before start() */
	uint8_t *slot[DISKDEV_SLOTS]; /* DISKDEV_BYTES each, whole pages */
	uint32_t hz;                  /* of CNTPCT */
	/* of find() */
	int node; /* of the host's tree */
	uint32_t irq;
	/* of start() */
	uint64_t sectors;
	bool read_only;
	bool can_flush;  /* else there is nothing to flush */
	uint32_t pieces; /* that a request may have, DISKDEV_PIECES at most; 0: it has its slot's memory */
};

/* Words for people are constant. */
struct diskdev_driver {
	const char *compatible;
	size_t size; /* of the driver's own */

	/* The device at `path`, a node or an alias, which is not touched. NULL; else what is wrong, for people. */
	const char *(*find)(struct diskdev *dev, const struct host *host, const char *path);

	/* A step of making it ready, until *ready. NULL; else what is wrong, and stop() is next. */
	const char *(*start)(struct diskdev *dev, bool *ready);

	/* As after power-on. True: it touches virt7's memory no more. */
	bool (*stop)(struct diskdev *dev);

	/* Its interrupt is over. */
	void (*acknowledge)(struct diskdev *dev);

	/* A slot's next request, of `len` bytes, whole sectors. DISKDEV_FLUSH, of 0: only where it can. */
	void (*begin)(struct diskdev *dev, uint32_t slot, enum diskdev_type type, uint64_t sector, uint32_t len);

	/*
	 * begin() for sectors in `count` pieces of other memory in place of the slot's, as many as dev->pieces says
	 * and DISKDEV_DIRECT bytes at most. NULL where that is 0.
	 */
	void (*begin_pieces)(struct diskdev *dev, uint32_t slot, enum diskdev_type type, uint64_t sector,
			     const struct pa_piece *piece, uint32_t count);

	/*
	 * A request that has ended; *wrong: NULL, or what was wrong. What the slot's number is, and that it has a
	 * request, the caller checks.
	 */
	bool (*take)(struct diskdev *dev, uint32_t *slot, const char **wrong);

	/*
	 * NULL, or after begin(), and after take() has found nothing more: go on with what waits. True: no interrupt
	 * will say when to look again, so look soon. Such a driver gives up a request that is not answered, too, so
	 * that take() is called each second.
	 */
	bool (*go_on)(struct diskdev *dev);
};

extern const struct diskdev_driver diskdev_virtio, diskdev_sunxi;

/* The driver of the node at `path` of a tree, NULL: none. */
const struct diskdev_driver *diskdev_driver(const void *fdt, const char *path);

#endif
