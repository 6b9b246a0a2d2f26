/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices of the host in a VM, by the VM's property `passthrough`. This is the class of devices that claims them, shows
 * their registers and forwards their interrupts; every VM has one of it, mostly without anything. Whole pages of
 * registers are mapped into the guest; of a page that others have something in too, the accesses come to virt7 and are
 * made here, within what is the VM's. hyp/vdev/passtree.c writes the guest's device tree.
 */
#ifndef HYP_VDEV_PASSTHROUGH_H
#define HYP_VDEV_PASSTHROUGH_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/host/hostdev.h"
#include "hyp/vdev/device.h"

#define PASS_MAX 32U /* of a VM */

struct pass_rest;

struct pass_claim {
	struct hostdev dev;
	uint64_t ipa[HOSTDEV_REGS];     /* where the guest sees dev.reg[] */
	uint32_t irq[HOSTDEV_IRQS];     /* its interrupt for dev.irq[] */
	const struct host_quiet *quiet; /* how it is made quiet; NULL: it is no bus master, or virt7 does not know */
	uint8_t *quiet_at;              /* the register that does it */
	bool loud;                      /* a bus master that the last attempt has not made quiet */
};

struct passthrough {
	struct device device;
	struct pass_rest *rest;      /* NULL: it has not got the rest */
	void *dtb;                   /* what the user says of them (passthrough-dtb), in the heap; NULL: nothing */
	uint32_t count, order;       /* of the claims; of their pages in the heap */
	uint32_t next_ipa, next_irq; /* the guest's that are free */
	struct pass_claim *claim;
};

extern const struct device_class passthrough_class;

/* The VM's; it may have no claims. */
const struct passthrough *passthrough_of(const struct vm *vm);

/* hyp/vdev/passquiet.c: how the device can be made quiet, NULL: virt7 does not know; and by which register. */
const struct host_quiet *passquiet_find(const struct hostdev *dev);
uint64_t passquiet_register(const struct host_quiet *quiet, const struct hostdev *dev);

/* Reset it, so that it accesses RAM no more until a driver starts it again. False: it may still do so. */
bool passquiet_reset(const struct host_quiet *quiet, uint8_t *at);

/* hyp/vdev/passkeep.c: its VM's RAM goes into quarantine; what its devices have there comes back. */
void passkeep_put(const struct passthrough *p);
void passkeep_take(const struct passthrough *p);

/* hyp/vdev/passtree.c: what of the device's node the guest does not get, a line each, at assembly. */
void passtree_report(const struct passthrough *p, const struct pass_claim *claim);

/*
 * hyp/vdev/passpage.c: whether others have something in the page at `page`, or may get it: then who has claimed `dev`
 * must not see it. `va` is where virt7 sees the page; NULL: it is not looked at. What does not count: nodes that the
 * same owner has claimed; and a place of virtio-mmio (virtio 1.2, 4.2.2.2) that is not claimed and has no device, which
 * is the same to all and does nothing.
 */
bool passpage_is_shared(const struct hostdev *dev, uint64_t page, const uint8_t *va);

/* hyp/vdev/passclaim.c: a page of registers of the host's, mapped for virt7 and there to stay; NULL: there is no room.
 */
uint8_t *passthrough_show(uint64_t page);

/* Accesses of the guest's to [base, base + size) of its addresses are made at `at`, in their width. As mmio_add(). */
int passthrough_trap(struct vm *vm, uint64_t base, uint64_t size, uint8_t *at);

/*
 * How the guest sees a device: map() shows its registers and fills claim->ipa[], number() is the guest's interrupt for
 * the host's `id`, 0 where there is none, of which `no_number` tells people.
 */
struct pass_way {
	int (*map)(struct passthrough *p, struct pass_claim *claim, int node);
	uint32_t (*number)(struct passthrough *p, uint32_t id);
	const char *no_number;
};

/* Claim the host's device `name`. 0 or -Exxx, as create() of a class. */
int passthrough_claim(struct passthrough *p, const char *name);

/* Show it, once all of the VM's are claimed: they may share pages. `node` is map()'s. 0 or -Exxx, as create(). */
int passthrough_give(struct passthrough *p, struct pass_claim *claim, const struct pass_way *way, int node);

/* Room for so many claims, before the first one. 0 or -Exxx, as create() of a class; `who` asks for them. */
int passthrough_make_room(struct passthrough *p, uint32_t count, const char *who);

/* `part` of the claim's registers, at `at`, which is alike in its page. 0 or -Exxx, as create() of a class. */
int passthrough_map(struct passthrough *p, const struct pass_claim *claim, uint64_t at, const struct host_range *part);

/* The one line of a VM that is refused: -EINVAL. */
int passthrough_refuse(const struct passthrough *p, const char *path, const char *what, const char *who);

/* hyp/vdev/passdtb.c: the devices that an image of the user's describes. */
int passdtb_create(struct passthrough *p);
void passdtb_write(const struct passthrough *p, struct tree *t);
void passdtb_destroy(struct passthrough *p);

/* Whether the VM has something of its own at these addresses; or by this number, that something raises. */
bool passrest_is_taken(const struct vm *vm, const struct host_range *reg);
bool passrest_is_guests_irq(const struct vm *vm, uint32_t id);

/* hyp/vdev/passrest.c: all that no one else has, once all else of the VM is there. 0 or -Exxx, as create() of a class.
 */
int passrest_create(struct passthrough *p);
void passrest_destroy(struct passthrough *p);
bool passrest_quiesce(struct pass_rest *rest); /* as passquiet_reset(), of all of it */
bool passrest_has(const struct pass_rest *rest, int node);
void passrest_write(const struct passthrough *p, struct tree *t);

/* The nodes of all of them. */
void passtree_write(const struct passthrough *p, struct tree *t);

#endif
