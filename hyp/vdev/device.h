/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Emulated devices. A kind of device is one constant struct device_class in its own file and one row in
 * hyp/vdev/classes.def; no other file knows it by name. A VM has a list of devices: one of each class without a
 * `compatible`, in the order of the rows, then one for each node below /vms/NAME in the bundle that names a class.
 *
 * The functions of a class:
 *   create    put the registers on the VM's bus (mmio_add()), say which interrupt it has. At assembly of the VM
 *   reset     as after power-on; called after create and before the images are loaded, no vCPU of the VM runs
 *   finish    create that has to know what the VM's other devices have; called when all are created, and results as its
 *   describe  write the node of the guest's device tree
 *   restore   the plain data (below) has been replaced by what it was when it was saved: timers and the interrupt line
 *             follow
 *   quiesce   begin nothing more in the guest's RAM and wait for what has begun; called before a reset and before RAM
 *             is given back, no vCPU of the VM runs
 *   holds     whether [at, at + size) of the guest's addresses is memory of the device that a kernel may be linked for
 *   load      put a part of the kernel there; called as the images are loaded, no vCPU of the VM runs
 *   settle    wait for what others have begun in the guest's RAM; called when the VM has been paused and they see it,
 *             under vm->lock
 *   destroy   give back what create has taken, timers included; the guest no longer reaches the registers. The device's
 *             own memory is freed behind it
 *   owns      whether a page of the host's RAM, but a guest's RAM, is this device's (hyp/vm/memerr.h): on any CPU
 *   lose      such a page has just become bad: it is not shown to the guest any more. On any CPU, under vms_lock
 *   show_ram  print where that RAM is, a line for each piece
 *   bad_page  a page of the VM's RAM has been taken away; under vm->lock, on any CPU
 * NULL: there is nothing to do. Only create is needed.
 *
 * Calls of one device do not overlap, but for its registers, which any vCPU of the VM may access at any time: a lock of
 * the device's own, taken before the vGIC's.
 */
#ifndef HYP_VDEV_DEVICE_H
#define HYP_VDEV_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hyp/lib/addr.h"
#include "hyp/load/property.h"

struct device;
struct tree;
struct vm;

struct device_class {
	const char *name;
	const char *compatible; /* of its nodes in the bundle; NULL: every VM has one, without a node */
	/* NULL: none; ends with a row without a name. In a node of a device a name without a row is an error. */
	const struct property *properties;

	/*
	 * An instance: `size` bytes that begin with a struct device, zero at first. From `saved` on they are plain
	 * data, all of the device's state that a guest can see and without a pointer: who copies them saves the device.
	 */
	uint32_t size, saved;

	uint32_t heap;   /* bytes that an instance takes of it beside itself, about (hyp/vm/heapsize.h), */
	bool logs;       /* and a console's log */
	bool starts_vm;  /* a VM with one needs no kernel: it starts at address 0 */
	uint32_t timers; /* of an instance, which it may have armed at a time */

	int (*create)(struct device *device); /* 0; -EINVAL after one logged line; another -Exxx without */
	int (*finish)(struct device *device);
	void (*reset)(struct device *device);
	void (*describe)(const struct device *device, struct tree *tree);
	void (*restore)(struct device *device);
	void (*quiesce)(struct device *device);
	bool (*holds)(const struct device *device, uint64_t at, uint64_t size);
	int (*load)(struct device *device, uint64_t to, const void *from, size_t len);
	void (*settle)(struct device *device);
	void (*destroy)(struct device *device);
	bool (*owns)(const struct device *device, pa_t page);
	void (*lose)(struct device *device, pa_t page);
	void (*bad_page)(struct device *device, ipa_t page, bool async);
	void (*show_ram)(const struct device *device, void (*print)(const char *fmt, ...));
};

#define DEVICE_ALIGN 64U /* no two have a line of the cache between them */

/* What a device has done since it was made; for people, so that no lock guards it. */
struct device_count {
	uint32_t requests, kicks, interrupts, errors;
	uint64_t bytes;
};

struct device {
	const struct device_class *class;
	struct vm *vm;
	struct device *next;         /* of the VM's */
	const char *name;            /* of its node, into the bundle; NULL: none */
	uint32_t number;             /* among the VM's of its class, from 0 */
	bool created, counts;        /* counts: there is something in `count` to show */
	const struct bundle *bundle; /* of its node */
	struct device_count count;
	struct device_count traced; /* of these, what the trace has records of */
};

/* Every class that there is; NULL behind the last. */
extern const struct device_class *const device_classes[];

/* The class that a node of the bundle names; NULL: none. */
const struct device_class *device_class_of(const struct bundle *b, int node);

/*
 * Give a VM all of its devices: `node` is its own in the bundle, or 0. 0; -EINVAL after one logged line; another -Exxx
 * without. On failure the caller destroys those that there are.
 */
int device_create_all(struct vm *vm, const struct bundle *b, int node);

/* Add one device, without a node. As device_create_all(). */
int device_create(struct vm *vm, const struct device_class *class);

void device_reset_all(struct vm *vm);
void device_quiesce_all(struct vm *vm);
void device_settle_all(struct vm *vm);

/* The last one first. */
void device_destroy_all(struct vm *vm);

/* The device whose memory the range is, for a kernel (holds() of its class); NULL: none. */
struct device *device_holding(const struct vm *vm, uint64_t at, uint64_t size);

/* The head of the VM's list. */
const struct device *device_first(const struct vm *vm);

/* The VM's first device of the class; NULL: none. */
struct device *device_find(const struct vm *vm, const struct device_class *class);

/*
 * Copy the device's state out, device_saved_size() bytes, or put it back. No vCPU of the VM runs, and the device is
 * quiet.
 */
size_t device_saved_size(const struct device *device);
void device_save(const struct device *device, void *to);
void device_restore(struct device *device, const void *from);

#endif
