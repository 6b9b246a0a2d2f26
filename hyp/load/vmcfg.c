/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual machines as the bundle describes them, one at a time: a bad one is refused with one line and the next is
 * looked at. Every property has one row in hyp/load/vm.def; a name without a row is a warning.
 */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <libfdt.h>

#include "hyp/lib/addr.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/log.h"
#include "hyp/load/property.h"
#include "hyp/load/vmcfg.h"
#include "hyp/load/words.h"
#include "hyp/run/sched.h"
#include "hyp/vdev/device.h"

#define PRIORITY_DEFAULT      4U
#define RESTART_LIMIT_DEFAULT 10U

#define NODE(compatible_string, ...) \
	{.name = "compatible", .kind = PROPERTY_COMPATIBLE, .choices = compatible_string, __VA_ARGS__},
#define PROPERTY(property_name, property_kind, field, ...) \
	{.name = property_name, .kind = property_kind, PROPERTY_FIELD(struct vm_config, field), __VA_ARGS__},
static const struct property vm_properties[] = {
#include "hyp/load/vm.def"
	{.name = NULL},
};

static_assert(ARRAY_SIZE(vm_properties) <= PROPERTY_ROWS_MAX + 1U, "property_read_all()");

/* The limits that the rows have as numbers, because mkbundle reads them too. */
static_assert(MACHINE_MAX_CPUS == 8 && MACHINE_RAM_MIN == KIB(8192) && BLOCK_SIZE == KIB(2048), "hyp/load/vm.def");
static_assert((MACHINE_RAM_END - MACHINE_RAM_BASE) / 1024U == 1072693248U, "hyp/load/vm.def");
static_assert(VM_BOOTARGS_MAX == 4095 + 1 && VM_WATCHDOG_MAX == 3600000U, "hyp/load/vm.def");
static_assert(VM_ACTION_STOP == 0 && VM_ACTION_RESTART == 1, "the order of choices in hyp/load/vm.def");

static int parse_name(const struct bundle *b, uint32_t number, struct vm_config *cfg)
{
	const char *name = fdt_get_name(b->fdt, b->vm[number].node, NULL);

	/* What the node says is not printed here: it may be anything. */
	if (!name || !bundle_name_is_valid(name)) {
		log_err("vm number %u: /vms: name: " WORDS_NAME, (unsigned int)number + 1U);
		return -EINVAL;
	}
	if (bundle_vm_named(b, name) < (int)number) {
		log_err("vm %s: /vms/%s: name: taken by an earlier VM; choose another", name, name);
		return -EEXIST;
	}
	memcpy(cfg->name, name, strlen(name) + 1U);
	return 0;
}

/* A bundle made for a later virt7, or a spelling mistake: the VM can run, and the reader is told what it will lack. */
static void warn_unknown(const struct bundle *b, int node, const struct vm_config *cfg)
{
	const char *name;
	int item;

	fdt_for_each_property_offset(item, b->fdt, node) {
		sched_preempt();
		if (fdt_getprop_by_offset(b->fdt, item, &name, NULL) && !property_find(vm_properties, name))
			log_warn("vm %s: /vms/%s: %.40s: " WORDS_UNKNOWN_PROPERTY, cfg->name, cfg->name, name);
	}
	fdt_for_each_subnode(item, b->fdt, node) {
		sched_preempt();
		if (device_class_of(b, item))
			continue;
		name = fdt_get_name(b->fdt, item, NULL);
		log_warn("vm %s: /vms/%s/%.40s: " WORDS_UNKNOWN_NODE, cfg->name, cfg->name, name ? name : "?");
	}
}

static int parse_properties(const struct bundle *b, int node, struct vm_config *cfg)
{
	const char *wrong;
	const struct property *p = property_read_all(vm_properties, b, node, cfg, &wrong);

	if (p) {
		log_err("vm %s: /vms/%s: %s: %s", cfg->name, cfg->name, p->name, wrong);
		return -EINVAL;
	}
	/* A watchdog is there to restart, unless the VM says otherwise. */
	if (cfg->watchdog_ms && !fdt_getprop(b->fdt, node, "on-crash", NULL))
		cfg->on_crash = VM_ACTION_RESTART;
	return 0;
}

/* Without a kernel something else has to be there to start from. */
static int check_start(const struct bundle *b, int node, const struct vm_config *cfg)
{
	int sub;

	if (cfg->kernel.name)
		return 0;
	fdt_for_each_subnode(sub, b->fdt, node) {
		const struct device_class *class = device_class_of(b, sub);

		if (class && class->starts_vm)
			return 0;
	}
	log_err("vm %s: /vms/%s: kernel: " WORDS_KERNEL_MISSING, cfg->name, cfg->name);
	return -EINVAL;
}

static int find_images(const struct bundle *b, struct vm_config *cfg)
{
	int err = 0;

	if (cfg->kernel.name)
		err = bundle_find_image(b, cfg->name, "kernel", cfg->kernel.name, &cfg->kernel);
	if (!err && cfg->ramdisk.name)
		err = bundle_find_image(b, cfg->name, "ramdisk", cfg->ramdisk.name, &cfg->ramdisk);
	if (!err && cfg->fdt.name)
		err = bundle_find_image(b, cfg->name, "fdt", cfg->fdt.name, &cfg->fdt);
	if (!err && cfg->passthrough_dtb.name)
		err = bundle_find_image(b, cfg->name, "passthrough-dtb", cfg->passthrough_dtb.name,
					&cfg->passthrough_dtb);
	return err;
}

/* 0, or -Exxx after one logged line. */
static int read_vm(const struct bundle *b, uint32_t number, struct vm_config *cfg)
{
	int node = b->vm[number].node, err;

	*cfg = (struct vm_config){
		.node = node,
		.cpus = 1,
		.affinity = UINT32_MAX,
		.priority = PRIORITY_DEFAULT,
		.restart_limit = RESTART_LIMIT_DEFAULT,
		.autostart = true,
		.on_reset = VM_ACTION_RESTART,
		.bootargs = "",
	};
	err = parse_name(b, number, cfg);
	if (err)
		return err;
	/* First, because what is missing may be there under a misspelt name. */
	warn_unknown(b, node, cfg);
	err = parse_properties(b, node, cfg);
	if (!err)
		err = check_start(b, node, cfg);
	return err ? err : find_images(b, cfg);
}

bool vmcfg_wants_rest(const struct vm_config *cfg)
{
	const char *at = cfg->passthrough.first, *end = at + cfg->passthrough.size;

	for (; at < end; at += strlen(at) + 1U)
		if (!strcmp(at, VMCFG_REST))
			return true;
	return false;
}

int vmcfg_next(const struct bundle *b, int *node, struct vm_config *cfg)
{
	uint32_t number = bundle_vm_number(b, *node + 1);
	int err;

	if (number == b->vm_count)
		return 0;
	*node = b->vm[number].node;
	err = read_vm(b, number, cfg);
	return err ? err : 1;
}

int vmcfg_find(const struct bundle *b, const char *name, struct vm_config *cfg)
{
	int number = bundle_vm_named(b, name), err;

	if (number < 0)
		return -ENOENT;
	err = read_vm(b, (uint32_t)number, cfg);
	return err == -ENOENT ? -EINVAL : err; /* the VM is there, an image of its is not */
}
