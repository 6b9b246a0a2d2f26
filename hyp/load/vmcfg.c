/*
 * Virtual machines as the bundle describes them, one at a time: a bad one is refused with one line and the next is
 * looked at. Every property has one row in `properties`; a name without a row is a warning. The names are those of
 * Xen's binding (docs/misc/arm/device-tree/booting.txt) where it has the thing.
 */
#include <errno.h>
#include <string.h>

#include <libfdt.h>

#include "hyp/lib/addr.h"
#include "hyp/lib/bits.h"
#include "hyp/console/log.h"
#include "hyp/load/vmcfg.h"
#include "hyp/vdev/device.h"

#define PRIORITY_DEFAULT 4U
#define PRIORITY_MAX     7U

struct property {
	const char *name;
	/* NULL, or what is wrong and what to do. Called only where the property is present. */
	const char *(*parse)(const struct bundle *b, int node, const char *name, struct vm_config *cfg);
	const char *missing; /* the same where it is absent; NULL: optional */
};

static const char *parse_compatible(const struct bundle *b, int node, const char *name, struct vm_config *cfg)
{
	(void)name;
	(void)cfg;
	return fdt_node_check_compatible(b->fdt, node, "virt7,vm") ? "not \"virt7,vm\"" : NULL;
}

static const char *parse_cpus(const struct bundle *b, int node, const char *name, struct vm_config *cfg)
{
	uint64_t value;

	if (bundle_get_number(b, node, name, &value) || !value || value > MACHINE_MAX_CPUS)
		return "not a number from 1 to 8";
	cfg->cpus = (unsigned int)value;
	return NULL;
}

static const char *parse_memory(const struct bundle *b, int node, const char *name, struct vm_config *cfg)
{
	uint64_t kib;

	if (bundle_get_number(b, node, name, &kib))
		return "not a number of one or two cells, in KiB";
	if (kib < MACHINE_RAM_MIN / 1024U)
		return "less than 8 MiB (the number is in KiB)";
	if (kib > (MACHINE_RAM_END - MACHINE_RAM_BASE) / 1024U)
		return "more than 1023 GiB (the number is in KiB)";
	if (kib % (BLOCK_SIZE / 1024U))
		return "not a multiple of 2048 (the number is in KiB)";
	cfg->ram_size = kib * 1024U;
	return NULL;
}

/* Only the name: the image is looked up when all the rest is known to be good, because its hash takes long. */
static const char *parse_image_name(const struct bundle *b, int node, const char *name, struct bundle_image *image)
{
	if (bundle_get_string(b, node, name, &image->name) || !*image->name)
		return "not the name of a node under /images";
	return NULL;
}

static const char *parse_kernel(const struct bundle *b, int node, const char *name, struct vm_config *cfg)
{
	return parse_image_name(b, node, name, &cfg->kernel);
}

static const char *parse_ramdisk(const struct bundle *b, int node, const char *name, struct vm_config *cfg)
{
	return parse_image_name(b, node, name, &cfg->ramdisk);
}

static const char *parse_bootargs(const struct bundle *b, int node, const char *name, struct vm_config *cfg)
{
	if (bundle_get_string(b, node, name, &cfg->bootargs))
		return "not a string";
	if (strlen(cfg->bootargs) >= VM_BOOTARGS_MAX)
		return "longer than 4095 characters";
	return NULL;
}

static const char *parse_affinity(const struct bundle *b, int node, const char *name, struct vm_config *cfg)
{
	uint64_t value;

	if (bundle_get_number(b, node, name, &value) || !value || value > UINT32_MAX)
		return "not a mask of physical CPUs (32 bits, at least one set)";
	cfg->affinity = (uint32_t)value;
	return NULL;
}

/* Whether there is such a model, and a CPU for it, is known to coproc/model.c. */
static const char *parse_model(const struct bundle *b, int node, const char *name, struct vm_config *cfg)
{
	if (bundle_get_string(b, node, name, &cfg->cpu_model) || !*cfg->cpu_model || strlen(cfg->cpu_model) > 31)
		return "not the name of a model, such as \"host\" or \"cortex-a15\"";
	return NULL;
}

static const char *parse_priority(const struct bundle *b, int node, const char *name, struct vm_config *cfg)
{
	uint64_t value;

	if (bundle_get_number(b, node, name, &value) || value > PRIORITY_MAX)
		return "not a number from 0 to 7";
	cfg->priority = (unsigned int)value;
	return NULL;
}

/* `autostart;` is how a device tree says yes, but no has to be said too. */
static const char *parse_flag(const struct bundle *b, int node, const char *name, bool *flag)
{
	uint64_t value = 1;
	int len = 0;

	if (fdt_getprop(b->fdt, node, name, &len) && !len)
		value = 1;
	else if (bundle_get_number(b, node, name, &value) || value > 1)
		return "not <0> or <1>";
	*flag = value != 0;
	return NULL;
}

static const char *parse_autostart(const struct bundle *b, int node, const char *name, struct vm_config *cfg)
{
	return parse_flag(b, node, name, &cfg->autostart);
}

static const char *parse_dedicated(const struct bundle *b, int node, const char *name, struct vm_config *cfg)
{
	return parse_flag(b, node, name, &cfg->dedicated_cpus);
}

static const char *parse_action(const struct bundle *b, int node, const char *name, enum vm_action *action)
{
	const char *text;

	if (bundle_get_string(b, node, name, &text))
		return "not \"stop\" or \"restart\"";
	if (!strcmp(text, "stop"))
		*action = VM_ACTION_STOP;
	else if (!strcmp(text, "restart"))
		*action = VM_ACTION_RESTART;
	else
		return "not \"stop\" or \"restart\"";
	return NULL;
}

/* A watchdog is there to restart, unless on-crash, which comes behind it in the table, says otherwise. */
static const char *parse_watchdog(const struct bundle *b, int node, const char *name, struct vm_config *cfg)
{
	uint64_t value;

	if (bundle_get_number(b, node, name, &value) || value < 10U || value > VM_WATCHDOG_MAX)
		return "not a number from 10 to 3600000, in milliseconds";
	cfg->watchdog_ms = (uint32_t)value;
	cfg->on_crash = VM_ACTION_RESTART;
	return NULL;
}

static const char *parse_on_crash(const struct bundle *b, int node, const char *name, struct vm_config *cfg)
{
	return parse_action(b, node, name, &cfg->on_crash);
}

static const char *parse_on_reset(const struct bundle *b, int node, const char *name, struct vm_config *cfg)
{
	return parse_action(b, node, name, &cfg->on_reset);
}

static const struct property properties[] = {
	{"compatible", parse_compatible, "missing; a VM says \"virt7,vm\""},
	{"cpus", parse_cpus, NULL},
	{"memory", parse_memory, "missing; say how much RAM the VM has, in KiB"},
	{"kernel", parse_kernel, "missing; name the image under /images to start"},
	{"ramdisk", parse_ramdisk, NULL},
	{"bootargs", parse_bootargs, NULL},
	{"cpu-affinity", parse_affinity, NULL},
	{"cpu-model", parse_model, NULL},
	{"priority", parse_priority, NULL},
	{"autostart", parse_autostart, NULL},
	{"dedicated-cpus", parse_dedicated, NULL},
	{"watchdog-ms", parse_watchdog, NULL},
	{"on-crash", parse_on_crash, NULL},
	{"on-reset", parse_on_reset, NULL},
};

/* Letters, digits and ._+- : what a shell command and a log line can carry. */
static bool name_is_valid(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-");

	return len && len < VM_NAME_MAX && !name[len] && *name != '-' && *name != '.';
}

static int parse_name(const struct bundle *b, int vms, int node, struct vm_config *cfg)
{
	const char *name = fdt_get_name(b->fdt, node, NULL);
	unsigned int number = 1;
	bool taken = false;
	int before;

	fdt_for_each_subnode(before, b->fdt, vms) {
		const char *other = fdt_get_name(b->fdt, before, NULL);

		if (before == node)
			break;
		number++;
		taken = taken || (name && other && !strcmp(name, other));
	}
	/* What the node says is not printed here: it may be anything. */
	if (!name || !name_is_valid(name)) {
		log_err("vm number %u: /vms: name: use 1 to 31 letters, digits and ._+- (and no . or - at the start)",
			number);
		return -EINVAL;
	}
	if (taken) {
		log_err("vm %s: /vms/%s: name: taken by an earlier VM; choose another", name, name);
		return -EEXIST;
	}
	memcpy(cfg->name, name, strlen(name) + 1U);
	return 0;
}

static int parse_properties(const struct bundle *b, int node, struct vm_config *cfg)
{
	for (size_t i = 0; i < ARRAY_SIZE(properties); i++) {
		const struct property *p = &properties[i];
		const char *wrong = p->missing;

		if (fdt_getprop(b->fdt, node, p->name, NULL))
			wrong = p->parse(b, node, p->name, cfg);
		if (wrong) {
			log_err("vm %s: /vms/%s: %s: %s", cfg->name, cfg->name, p->name, wrong);
			return -EINVAL;
		}
	}
	return 0;
}

static bool property_is_known(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(properties); i++)
		if (!strcmp(properties[i].name, name))
			return true;
	return false;
}

/* A bundle made for a later virt7, or a spelling mistake: the VM can run, and the reader is told what it will lack. */
static void warn_unknown(const struct bundle *b, int node, const struct vm_config *cfg)
{
	const char *name;
	int item;

	fdt_for_each_property_offset(item, b->fdt, node)
		if (fdt_getprop_by_offset(b->fdt, item, &name, NULL) && !property_is_known(name))
			log_warn("vm %s: /vms/%s: %.40s: unknown property, ignored", cfg->name, cfg->name, name);
	fdt_for_each_subnode(item, b->fdt, node) {
		if (device_class_of(b, item))
			continue;
		name = fdt_get_name(b->fdt, item, NULL);
		log_warn("vm %s: /vms/%s/%.40s: unknown node, ignored", cfg->name, cfg->name, name ? name : "?");
	}
}

static int find_images(const struct bundle *b, struct vm_config *cfg)
{
	int err = bundle_find_image(b, cfg->name, "kernel", cfg->kernel.name, &cfg->kernel);

	if (!err && cfg->ramdisk.name)
		err = bundle_find_image(b, cfg->name, "ramdisk", cfg->ramdisk.name, &cfg->ramdisk);
	return err;
}

/* 0, or -Exxx after one logged line. */
static int read_vm(const struct bundle *b, int vms, int node, struct vm_config *cfg)
{
	int err;

	*cfg = (struct vm_config){
		.node = node,
		.cpus = 1,
		.affinity = UINT32_MAX,
		.priority = PRIORITY_DEFAULT,
		.autostart = true,
		.on_reset = VM_ACTION_RESTART,
		.bootargs = "",
	};
	err = parse_name(b, vms, node, cfg);
	if (!err)
		err = parse_properties(b, node, cfg);
	if (!err) {
		warn_unknown(b, node, cfg);
		err = find_images(b, cfg);
	}
	return err;
}

int vmcfg_next(const struct bundle *b, int *node, struct vm_config *cfg)
{
	int vms = fdt_path_offset(b->fdt, "/vms");
	int next = *node ? fdt_next_subnode(b->fdt, *node) : fdt_first_subnode(b->fdt, vms);
	int err;

	if (next < 0)
		return 0;
	*node = next;
	err = read_vm(b, vms, next, cfg);
	return err ? err : 1;
}

int vmcfg_find(const struct bundle *b, const char *name, struct vm_config *cfg)
{
	int vms = fdt_path_offset(b->fdt, "/vms"), node;

	fdt_for_each_subnode(node, b->fdt, vms) {
		const char *other = fdt_get_name(b->fdt, node, NULL);

		if (other && !strcmp(other, name))
			return read_vm(b, vms, node, cfg);
	}
	return -ENOENT;
}
