/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target of hyp/virtio/: a hostile driver of a block device (read-only image, copy-on-write, RAM disk) and of an
 * entropy device or a console, or of two network cards on one switch, by registers of version 1 or 2, with two vCPUs.
 * The input is a program: a byte that chooses the machine, then operations (the tables below), each a byte and what it
 * takes: register accesses of any width and place, bytes of guest RAM, descriptors, entries, notifications, steps of
 * work, resets, save and restore, RAM that aborts, writes of another vCPU in the middle of a step, what is typed and
 * what the console takes. Some operations are whole requests, so that the way behind a queue that works is short.
 *
 * What must hold after each operation, whatever the driver does, is in world.c: check_world(), run_step() and
 * watch_copy(). Guest RAM has a shadow: a byte that differs was written by a device that must not have.
 *
 * Built and run by tests/fuzz/fuzz.mk, from the same sources as the unit tests. With V7_LOG set the lines are shown.
 */
#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "net.h"

#include <libfdt.h>

#include <arm/psr.h>
#include <arm/sysreg.h>

#include "fake_console.h"
#include "fake_log.h"
#include "fake_machine.h"
#include "fit.h"
#include "hyp/virtio/capture.h"
#include "hyp/virtio/net.h"
#include "mm/page.h"

extern const struct device_class virtio_blk_class, vrng_class, virtio_console_class;

const struct device_class *const device_classes[] = {&virtio_blk_class, &vrng_class, &virtio_console_class,
						     &virtio_net_class, NULL};

#define KINDS       3U /* of disks */
#define IMAGE_SIZE  20000U
#define STATE_MAX   4096U
#define OTHER_BYTES 64U /* of a request: header, segment, serial number, status */

/* Bits of the first byte of an input, above the kind of the disk. */
#define LEGACY     4U
#define UNCACHED   8U
#define NO_BUDGET  16U  /* the VM's lines are used up */
#define CONSOLE    32U  /* in the place of the entropy device */
#define NETWORKS   192U /* both: two network cards; then, in the place of CONSOLE: the second one is of version 1 */
#define NET_LEGACY 32U
#define SHOWN      64U /* without 128: views show RAM from the start; with both, that is NET_SHOWN */
#define NET_SHOWN  1U

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A piece of RAM, or a descriptor and the fetch of its table, for each that a step counts; data that is cut at pages.
 */
static const struct step_limits disk_limits = {2U * VIRTQ_STEP_PIECES + VIRTQ_STEP_BYTES / PAGE_SIZE,
					       VIRTQ_STEP_BYTES + VIRTQ_STEP_PIECES *VIRTQ_FETCH * 16U +
						       (VIRTQ_STEP_PIECES + 1U) * OTHER_BYTES};
/* A network's: the disk's and those of the one frame that goes beyond, on both sides; sums of 64 KiB by 128 bytes. */
static const struct step_limits net_limits = {1500, MIB(1) / 2U};

static uint8_t image[IMAGE_SIZE];
static struct fit fits[KINDS][2][2]; /* by disk, version, second device */
static struct bundle bundles[KINDS][2][2];
static struct fit net_fits[2][2]; /* by version of each card */
static struct bundle net_bundles[2][2];
static struct console_stream *console_stream;
static struct capture capture; /* with NO_BUDGET: a capture looks at the frames */

static void put_header(uint32_t type, uint64_t sector)
{
	struct {
		uint32_t type, reserved;
		uint64_t sector;
	} header = {type, 0, sector};

	poke(SCRATCH, &header, sizeof(header));
}

/* The segment of DISCARD and WRITE_ZEROES. */
static void put_segment(uint64_t at)
{
	struct {
		uint64_t sector;
		uint32_t sectors, flags;
	} segment = {take(1), take(1), take(1) & 3U};

	poke(at, &segment, sizeof(segment));
}

/* A request of the block device, in one of four layouts; the other one takes what it can read or write of it. */
static void do_request(void)
{
	static const uint8_t types[] = {0, 1, 4, 8, 11, 13, 2, 1};
	uint32_t how = take(1), type = types[how & 7U], len = take_length(), sector = take(1);
	uint32_t to_write = type == 0 || type == 8 ? VIRTQ_DESC_WRITE : 0;
	uint32_t q = take_queue(how >> 7);
	uint64_t ring = place_of(q, RIG_DESC), table = how & 8U ? SCRATCH + 0x100U : ring;
	uint64_t data = how & 64U ? RIG_DESC : RIG_DATA;
	uint32_t first = how & 16U ? 7U : REQUEST_BYTES; /* bytes of the header in the first piece */

	put_header(type, how & 32U ? UINT64_MAX - sector : sector);
	if (type == 11 || type == 13)
		put_segment(data);
	put_desc(table, 0, SCRATCH, first, VIRTQ_DESC_NEXT, 1);
	put_desc(table, 1, SCRATCH + first, REQUEST_BYTES - first, VIRTQ_DESC_NEXT, 2);
	put_desc(table, 2, data, len, VIRTQ_DESC_NEXT | to_write, 3);
	put_desc(table, 3, SCRATCH + 0x80U, 1, VIRTQ_DESC_WRITE, 0);
	if (how & 8U)
		put_desc(ring, 0, table, 64, VIRTQ_DESC_INDIRECT, 0);
	offer_to(q, 0, 1);
	kick(0, q);
}

/* The operator types, whoever has the keyboard. */
static void do_type(void)
{
	static uint8_t keys[512];
	uint32_t len = take(1) * 2U, first = take(1);

	for (uint32_t i = 0; i < len; i++)
		keys[i] = (uint8_t)(first + i);
	fake_console.typed = keys;
	fake_console.typed_len = len;
	console_stream->input_ready(console_stream);
}

/* The console takes more, or no more than so much. */
static void do_room(void)
{
	uint32_t how = take(1);

	fake_console.room = how & 1U ? how * 2U : SIZE_MAX;
	if (!console_stream->refused)
		return;
	console_stream->refused = false;
	console_stream->room(console_stream);
}

/* A character without a queue. */
static void do_emergency(void)
{
	uint32_t size = 1U << take(1) % 3U;

	access_slot(1, 1, VIRTIO_CONFIG + 8U, size, true, take(4));
}

/* The last ones are of machines with a console. */
#define CONSOLE_OPERATIONS 3U
static void (*const operations[])(void) = {
	do_write,   do_write_small, do_access_any, do_ram,   do_desc,    do_offer, do_kick,      do_work,
	do_drain,   do_reset,       do_reset_vm,   do_save,  do_restore, do_start, do_race,      do_trouble,
	do_request, do_long_chain,  do_request,    do_place, do_type,    do_room,  do_emergency,
};
static void (*const net_operations[])(void) = {
	do_write,   do_write_small, do_access_any, do_ram,   do_desc,    do_offer, do_kick,    do_work,
	do_drain,   do_reset,       do_reset_vm,   do_save,  do_restore, do_start, do_race,    do_trouble,
	do_buffers, do_long_chain,  do_frame,      do_place, do_pause,   do_frame, do_control,
};

static void make_bundle(uint32_t kind, bool legacy, bool console)
{
	static const struct fit_image rootfs = {.name = "rootfs", .data = image, .size = IMAGE_SIZE, .hash = "crc32"};
	static const struct {
		const char *name;
		uint32_t value;
	} cell[KINDS] = {{"read-only", 1}, {"copy-on-write", 8}, {"size", 64}};
	struct fit *f = &fits[kind][legacy][console];

	fit_begin(f);
	fit_image(f, &rootfs);
	fit_vms(f);
	fit_vm(f, "web");
	fdt_begin_node(f->blob, "disk0");
	fit_string(f, "compatible", "virt7,virtio-blk");
	if (kind != KINDS - 1U)
		fit_string(f, "image", "rootfs");
	fdt_property_u32(f->blob, cell[kind].name, cell[kind].value);
	fdt_property_u32(f->blob, "virtio-legacy", legacy);
	fdt_end_node(f->blob);
	fdt_begin_node(f->blob, console ? "con1" : "rng0");
	fit_string(f, "compatible", console ? "virt7,virtio-console" : "virt7,virtio-rng");
	fdt_property_u32(f->blob, "virtio-legacy", legacy);
	fdt_end_node(f->blob);
	fit_vm_end(f);
	fit_end(f);
	check(bundle_open(&bundles[kind][legacy][console], f->blob, f->size) == 0, "no bundle");
}

static void add_card(struct fit *f, uint32_t slot, bool legacy)
{
	uint8_t mac[MAC_BYTES];

	card_mac(slot, mac);
	fdt_begin_node(f->blob, slot ? "net1" : "net0");
	fit_string(f, "compatible", "virt7,virtio-net");
	fit_string(f, "switch", "lan");
	fdt_property(f->blob, "local-mac-address", mac, sizeof(mac));
	fdt_property_u32(f->blob, "virtio-legacy", legacy);
	fdt_property_u32(f->blob, "allow-any-mac", slot);
	fdt_end_node(f->blob);
}

static void make_net_bundle(bool first, bool second)
{
	struct fit *f = &net_fits[first][second];

	fit_begin(f);
	fit_vms(f);
	fit_vm(f, "web");
	add_card(f, 0, first);
	add_card(f, 1, second);
	fit_vm_end(f);
	fit_end(f);
	check(bundle_open(&net_bundles[first][second], f->blob, f->size) == 0, "no bundle");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	for (uint32_t i = 0; i < IMAGE_SIZE; i++)
		image[i] = (uint8_t)(i * 7U + i / 251U);
	for (uint32_t kind = 0; kind < KINDS; kind++)
		for (uint32_t how = 0; how < 4; how++)
			make_bundle(kind, how & 1U, how & 2U);
	for (uint32_t how = 0; how < 4; how++)
		make_net_bundle(how & 1U, how & 2U);
	image_bytes = image;
	fake_machine_reset();
	fake_virtio_reset();
	return 0;
}

/* RAM of a new VM; the host's is as the last one has left it. */
static void clear_world(void)
{
	fake_virtio = (struct fake_virtio){.on_copy = race_copy, .on_copy_out = watch_copy};
	fake_machine.bad_size = 0;
	write_spsr_hyp(0);
	fake_log_reset();
	fake_console_reset();
	memset(fake_guest_ram, 0, FAKE_GUEST_RAM);
	memset(shadow, 0, FAKE_GUEST_RAM);
	forget_saved();
	memset(models, 0, sizeof(models));
	memset(&race, 0, sizeof(race));
	vm_lives = 1;
}

static const struct bundle *choose_bundle(uint32_t how)
{
	bool legacy = how & LEGACY;

	return networks ? &net_bundles[legacy][(how & NET_LEGACY) != 0]
			: &bundles[how % KINDS][legacy][(how & CONSOLE) != 0];
}

static void begin(uint32_t how)
{
	const struct bundle *b;
	uint32_t count = 0;

	networks = (how & NETWORKS) == NETWORKS;
	limits = networks ? &net_limits : &disk_limits;
	b = choose_bundle(how);
	clear_world();
	rig_make_vm();
	rig_vm.state = VM_RUNNING;
	check(device_create_all(&rig_vm, b, fdt_path_offset(b->fdt, "/vms/web")) == 0, "no devices");
	for (struct device *device = rig_vm.devices; device; device = device->next) {
		if (device->class == &virtio_bus_class)
			continue;
		check(count < DEVICES && device_saved_size(device) <= STATE_MAX, "other devices than expected");
		devices[count++] = virtio_of(device);
	}
	check(count == DEVICES && devices[1]->slot == 1, "other devices than expected");
	console_stream = rig_vm.console.more;
	queues = last_queue(1) + 1U;
	fake_virtio.uncached = (how & UNCACHED) != 0;
	fake_virtio.shown = how & (networks ? NET_SHOWN : SHOWN);
	fake_log_set_budget(!(how & NO_BUDGET));
	capture.ring = NULL;
	if (networks && how & NO_BUDGET)
		check(capture_begin(&capture, switch_next(NULL), 200) == 0, "no capture");
}

static void end_capture(void)
{
	while (capture.ring && capture_first(&capture))
		capture_drop(&capture);
	if (capture.ring)
		capture_end(&capture);
}

static void run_operation(void)
{
	uint32_t known = ARRAY_SIZE(operations) - (console_stream ? 0 : CONSOLE_OPERATIONS);

	if (networks)
		net_operations[take(1) % ARRAY_SIZE(net_operations)]();
	else
		operations[take(1) % known]();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	input = data;
	input_end = data + size;
	begin(take(1));
	while (input < input_end) {
		run_operation();
		check_world();
	}
	do_drain();
	check_ram();
	end_capture();
	rig_end();
	check(!switch_next(NULL), "a switch is left");
	check(fake_console.streams == 0, "a console is left");
	check(fake_virtio.host_released == fake_virtio.host_taken, "the disk's RAM is not given back");
	return 0;
}
