/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device for tests of the device class (hyp/vdev/device.h), in build/virt7-testdev.bin only: registers, an
 * interrupt, a timer, a property, a node, reset, save and restore, and what devices do in a guest's RAM
 * (hyp/vm/guestmem.h), on its request.
 */
#include <errno.h>
#include <stddef.h>

#include <arm/copy.h>
#include <arm/spinlock.h>

#include "hyp/exit/mmio.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/log.h"
#include "hyp/load/tree.h"
#include "hyp/run/timer.h"
#include "hyp/vdev/device.h"
#include "hyp/vm/guestmem.h"
#include "hyp/vm/memerr.h"
#include "hyp/vm/vm.h"
#include "mm/hypmap.h"
#include "tests/device/testdev.h"
#include "vgic/vgic.h"

extern const struct device_class testdev_class;

struct testdev {
	struct device device;
	struct spinlock lock;
	uint32_t start;   /* of VALUE, by the node */
	bool line;        /* as the vGIC was last told */
	uint32_t snap;    /* TESTDEV_SNAP, past a reset */
	int32_t poisoned; /* what came of TESTDEV_POISON */
	uint32_t copy[4]; /* of what follows, with the padding at the end */
	struct timer echo;
	uint32_t echoes;
	bool gone;
	/* saved, from here on */
	uint32_t value, raised;
};

static struct testdev *testdev_of(struct device *device)
{
	return container_of(device, struct testdev, device);
}

static uint32_t testdev_base(const struct device *device)
{
	return TESTDEV_BASE + device->number * TESTDEV_SIZE;
}

static uint32_t testdev_irq(const struct device *device)
{
	return TESTDEV_IRQ + device->number;
}

static void testdev_settle(struct testdev *t)
{
	if (t->line == (t->raised != 0))
		return;
	t->line = t->raised != 0;
	vgic_set_line(t->device.vm, 0, testdev_irq(&t->device), t->line);
}

/* The device's structure is given back, but has no new owner yet: log_err() is what a test sees of a timer that was not
 * drained. */
static void testdev_echo(struct timer *timer)
{
	struct testdev *t = container_of(timer, struct testdev, echo);

	if (t->gone)
		log_err("testdev: a timer of a device that is destroyed");
	spin_lock(&t->lock);
	t->echoes++;
	spin_unlock(&t->lock);
}

/* Every access arms the timer, on whatever CPU it is made. */
static void testdev_arm(struct testdev *t)
{
	t->echo.expired = testdev_echo;
	timer_arm(&t->echo, timer_now() + (uint64_t)timer_hz() * TESTDEV_ECHO_MS / 1000U);
}

/* One of a request's two lists, with a window of its own. */
struct testdev_end {
	struct guest_view *view;
	struct guest_piece piece[TESTDEV_PIECES];
	struct guest_cursor cursor;
};

/* Once its block has been touched, the view's window shows the hole, and the view does not know. */
static int testdev_show_hole(struct guest_view *view, ipa_t at)
{
	uint8_t byte;
	int ret = guest_copy_in(view, at, &byte, sizeof(byte));
	const struct guest_shown *shown = guest_find_shown(view, guest_block(at.v));
	uint32_t place = shown ? (uint32_t)(shown - view->shown) : 0;

	if (ret || !shown)
		return ret;
	hyp_window_close_at(view->window + place);
	view->shown[place].at = hyp_window_open_at(view->window + place, pa(TESTDEV_HOLE));
	return 0;
}

static int testdev_open(struct testdev_end *end, const struct testdev_list *list)
{
	int ret;

	for (uint32_t i = 0; i < TESTDEV_PIECES; i++)
		end->piece[i] = (struct guest_piece){ipa(list->piece[i].at), list->piece[i].len};
	ret = guest_cursor_init(&end->cursor, end->piece, TESTDEV_PIECES);
	if (!ret && list->hole)
		ret = testdev_show_hole(end->view, end->piece[0].at);
	return ret;
}

static int testdev_copy(struct testdev_end *from, struct testdev_end *to, uint32_t shift)
{
	uint8_t buffer[TESTDEV_BUFFER + TESTDEV_SHIFT_MAX] __attribute__((aligned(4)));
	uint32_t len = from->cursor.left;
	int ret;

	if (shift > TESTDEV_SHIFT_MAX || len > TESTDEV_BUFFER)
		return -EINVAL;
	ret = guest_gather(from->view, &from->cursor, buffer + shift, len);
	return ret ? ret : guest_scatter(to->view, &to->cursor, buffer + shift, len);
}

static int testdev_invert(struct vm *vm, const struct guest_piece *piece)
{
	bool uncached = guest_is_uncached(vm);
	struct guest_map map;
	int ret = piece->len > 0 ? guest_map_ring(vm, piece->at, piece->len, &map) : -EINVAL;

	if (ret)
		return ret;
	if (uncached)
		guest_map_sync(&map, 0, map.len);
	for (uint32_t i = 0; i < map.len; i++)
		map.at[i] ^= 0xffU;
	if (uncached)
		guest_map_sync(&map, 0, map.len);
	guest_unmap_ring(&map);
	return 0;
}

/* Where the window shows it, as a ring's map would. */
static int testdev_ring(const struct testdev_end *from)
{
	uint64_t ipa = from->piece[0].at.v;
	const struct guest_shown *shown = guest_find_shown(from->view, guest_block(ipa));
	struct fault_kept kept = fault_keep();
	uint32_t word[4], aborts = 0;
	uint8_t *at;

	if (!shown)
		return -EINVAL;
	at = shown->at + ((uint32_t)ipa & (BLOCK_SIZE - 1U));
	aborts += load16_checked(at) < 0;
	aborts += load_words_checked(word, at) != 0;
	aborts += store16_checked(at, 0) != 0;
	aborts += store8_checked(at, 0) != 0;
	aborts += store_words_checked(at, 0, 0) != 0;
	fault_give_back(kept);
	return aborts == 0 ? 0 : aborts == 5 ? -EIO : -EINVAL;
}

static int testdev_operate(struct testdev_end *from, struct testdev_end *to, const struct testdev_request *request)
{
	switch (request->operation) {
	case TESTDEV_COPY:
		return testdev_copy(from, to, request->shift);
	case TESTDEV_FORWARD:
		return guest_forward(to->view, &to->cursor, from->view, &from->cursor, from->cursor.left);
	case TESTDEV_INVERT:
		return testdev_invert(from->view->vm, &from->piece[0]);
	case TESTDEV_RING:
		return testdev_ring(from);
	default:
		return -EINVAL;
	}
}

static int testdev_serve(struct vm *vm, const struct testdev_request *request)
{
	struct testdev_end from, to;
	int ret;

	from.view = guest_view_open(vm, HYP_WINDOW_VIEW);
	to.view = guest_view_open(vm, HYP_WINDOW_VIEW_2);
	ret = testdev_open(&from, &request->from);
	if (!ret)
		ret = testdev_open(&to, &request->to);
	if (!ret)
		ret = testdev_operate(&from, &to, request);
	guest_view_close(from.view);
	guest_view_close(to.view);
	return ret;
}

/* A request that is not in the guest's RAM has no place for a result. */
static void testdev_request(struct vm *vm, uint32_t at)
{
	struct testdev_request request;
	struct guest_view *view;
	int ret;

	view = guest_view_open(vm, HYP_WINDOW_VIEW);
	ret = guest_copy_in(view, ipa(at), &request, sizeof(request));
	guest_view_close(view);
	if (ret)
		return;
	request.result = testdev_serve(vm, &request);
	view = guest_view_open(vm, HYP_WINDOW_VIEW);
	guest_copy_out(view, ipa(at), &request, sizeof(request));
	guest_view_close(view);
}

static uint64_t testdev_read(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t size)
{
	struct testdev *t = device;

	(void)vcpu, (void)size;
	testdev_arm(t);
	if (offset == TESTDEV_SLOW)
		for (volatile uint32_t i = 0; i < TESTDEV_SLOW_ROUNDS; i++)
			;
	if (offset == TESTDEV_SNAP)
		return t->snap;
	if (offset == TESTDEV_POISON)
		return (uint32_t)t->poisoned;
	return offset == TESTDEV_RAISE ? t->raised : t->value;
}

static bool testdev_write(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t value, uint32_t size)
{
	struct testdev *t = device;

	(void)vcpu, (void)size;
	testdev_arm(t);
	if (offset == TESTDEV_REQUEST)
		testdev_request(t->device.vm, value);
	if (offset == TESTDEV_POISON || offset == TESTDEV_POISON_ASYNC)
		t->poisoned = memerr_guest_page(t->device.vm, ipa(value), offset == TESTDEV_POISON_ASYNC);
	spin_lock(&t->lock);
	if (offset == TESTDEV_VALUE)
		t->value = value;
	else if (offset == TESTDEV_RAISE)
		t->raised = value;
	else if (offset == TESTDEV_SNAP)
		t->snap = value;
	testdev_settle(t);
	spin_unlock(&t->lock);
	return true;
}

/* The VM stands still: what hyp/vdev/device.h asks for before it is saved. The timer goes on, with nothing of the
 * guest's. */
static void testdev_quiesce(struct device *device)
{
	struct testdev *t = testdev_of(device);

	if (t->snap == TESTDEV_SNAP_SAVE)
		device_save(device, t->copy);
}

static void testdev_reset(struct device *device)
{
	struct testdev *t = testdev_of(device);

	spin_lock(&t->lock);
	t->value = t->start;
	t->raised = 0;
	testdev_settle(t);
	spin_unlock(&t->lock);
	if (t->snap == TESTDEV_SNAP_RESTORE)
		device_restore(device, t->copy);
}

static void testdev_restore(struct device *device)
{
	struct testdev *t = testdev_of(device);

	spin_lock(&t->lock);
	testdev_settle(t);
	spin_unlock(&t->lock);
}

static int testdev_create(struct device *device)
{
	static const struct mmio_ops ops = {testdev_read, testdev_write, MMIO_WORD};

	if (device->number == 0 &&
	    s2_map_device(&device->vm->s2, ipa(TESTDEV_SHOWN), pa(TESTDEV_HOLE + TESTDEV_HOLE_RAM), PAGE_SIZE))
		return -ENOMEM;
	return mmio_add(&device->vm->bus, testdev_base(device), TESTDEV_SIZE, &ops, testdev_of(device));
}

static void testdev_destroy(struct device *device)
{
	struct testdev *t = testdev_of(device);

	timer_drain(&t->echo);
	t->gone = true;
}

static void testdev_describe(const struct device *device, struct tree *t)
{
	tree_begin_numbered(t, "testdev@", testdev_base(device));
	tree_string(t, "compatible", "virt7,test-device");
	tree_reg_spi(t, testdev_base(device), TESTDEV_SIZE, testdev_irq(device), TREE_GIC_LEVEL_HI);
	tree_end(t);
}

#define NODE(compatible)
#define PROPERTY(property_name, property_kind, field, ...) \
	{.name = property_name, .kind = property_kind, PROPERTY_FIELD(struct testdev, field), __VA_ARGS__},
static const struct property testdev_properties[] = {
#include "tests/device/testdev.def"
	{.name = NULL},
};

const struct device_class testdev_class = {
	.name = "testdev",
	.compatible = "virt7,test-device",
	.properties = testdev_properties,
	.size = sizeof(struct testdev),
	.saved = offsetof(struct testdev, value),
	.timers = 1,
	.create = testdev_create,
	.reset = testdev_reset,
	.describe = testdev_describe,
	.restore = testdev_restore,
	.quiesce = testdev_quiesce,
	.destroy = testdev_destroy,
};
