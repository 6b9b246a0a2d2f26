/*
 * The MMIO bus of a VM: regions sorted by IPA, one handler each. A handler gets offsets relative to its region and
 * accesses that lie wholly inside it; it runs on the vCPU that made the access, in HYP, and must not block.
 */
#ifndef HYP_MMIO_H
#define HYP_MMIO_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/lib/addr.h"

struct vcpu;
struct vm;
struct regs;

enum mmio_result {
	MMIO_DONE,      /* handled: a read's value is set */
	MMIO_UNHANDLED, /* no such register or width: external abort to the guest */
	MMIO_RETRY,     /* nothing has happened; run the instruction again */
};

struct mmio_access {
	uint32_t offset; /* bytes from the region's base */
	uint32_t size;   /* 1, 2 or 4 */
	bool write;
	uint32_t value; /* zero-extended; a read starts at 0 */
};

typedef enum mmio_result (*mmio_fn)(struct vcpu *vcpu, void *device, struct mmio_access *access);

struct mmio_region {
	uint64_t base, size; /* IPA, bytes */
	mmio_fn access;
	void *device;
};

#define MMIO_REGIONS_MAX 48U

struct mmio_bus {
	uint32_t count;
	struct mmio_region region[MMIO_REGIONS_MAX];
};

/* Add a region before the VM runs. 0; -EEXIST where it overlaps another; -ENOSPC when the bus is full. */
int mmio_add(struct mmio_bus *bus, uint64_t base, uint64_t size, mmio_fn access, void *device);

/* The region that holds `at`, or NULL. */
const struct mmio_region *mmio_find(const struct mmio_bus *bus, uint64_t at);

/* One access on the bus at IPA `at`; naturally aligned or it is refused. access->offset is set here. */
enum mmio_result mmio_access(struct vcpu *vcpu, uint64_t at, struct mmio_access *access);

#endif
