/*
 * The MMIO bus of a VM: regions sorted by IPA, two functions each. They get offsets relative to their region and
 * naturally aligned accesses that lie wholly inside it; they run on the vCPU that made the access, in HYP, and must not
 * block.
 */
#ifndef HYP_EXIT_MMIO_H
#define HYP_EXIT_MMIO_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/lib/addr.h"
#include "hyp/lib/bits.h"

struct vcpu;

/* The value of a read that nobody answers: external abort to the guest. */
#define MMIO_ABORT BIT64(32)

/* Widths in bytes, and masks of them. */
#define MMIO_BYTE 1U
#define MMIO_HALF 2U
#define MMIO_WORD 4U
#define MMIO_ANY  (MMIO_BYTE | MMIO_HALF | MMIO_WORD)

struct mmio_ops {
	/* `size` bytes at `offset`: the value, zero-extended, or MMIO_ABORT. */
	uint64_t (*read)(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t size);
	/* `value` is zero-extended. False: external abort. */
	bool (*write)(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t value, uint32_t size);
	uint32_t widths; /* others are an external abort */
};

struct mmio_region {
	struct mmio_ops ops;
	void *device;
	uint64_t base; /* IPA */
	uint32_t size; /* bytes */
};

#define MMIO_REGIONS_MAX 64U

struct mmio_bus {
	uint32_t count;
	struct mmio_region region[MMIO_REGIONS_MAX];
};

/* A vCPU's last region, as an access in the page of its last one finds it. */
struct mmio_hint {
	const struct mmio_region *region;
	uint32_t page;  /* the page as HPFAR shows it: IPA[39:12] at [31:4] */
	uint32_t start; /* where the region starts, relative to the page; modulo 2^32 */
	uint32_t size;  /* the region's; 0: no hint yet */
};

/*
 * Add a region before the VM runs: whole words, less than 4 GiB. 0; -EINVAL; -EEXIST where it overlaps another;
 * -ENOSPC when the bus is full.
 */
int mmio_add(struct mmio_bus *bus, uint64_t base, uint64_t size, const struct mmio_ops *ops, void *device);

/* The region that holds `at`, or NULL. */
const struct mmio_region *mmio_find(const struct mmio_bus *bus, uint64_t at);

enum mmio_result {
	MMIO_DONE,      /* a read's value is set */
	MMIO_UNHANDLED, /* nobody there, or not in this width: external abort to the guest */
};

struct mmio_access {
	uint32_t size; /* bytes */
	bool write;
	uint32_t value;
};

/* Any access at IPA `at`, with a search where the hint does not help; sets the hint. */
enum mmio_result mmio_access(struct vcpu *vcpu, uint64_t at, struct mmio_access *access);

#endif
