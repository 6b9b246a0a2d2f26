/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Console device (virtio 1.2, 5.3), of one port: a console of the multiplexer beside the VM's UART, called VM.NODE.
 * What the driver sends stays in its ring while the multiplexer has no room, what is typed waits in the multiplexer
 * until the driver has a buffer for it. A step moves CONSOLE_STEP bytes: the multiplexer looks at each of them.
 */
#include <errno.h>
#include <string.h>

#include "hyp/console/console.h"
#include "hyp/lib/log.h"
#include "hyp/lib/bits.h"
#include "hyp/load/bundle.h"
#include "hyp/load/words.h"
#include "hyp/virtio/virtio.h"
#include "hyp/vm/vm.h"

#define F_EMERG_WRITE 2U

#define QUEUE_RECEIVE  0U
#define QUEUE_TRANSMIT 1U
#define QUEUES         2U
#define QUEUE_SIZE     64U
#define CONSOLE_STEP   256U

#define CONFIG_EMERG_WR 8U /* behind the size and the number of ports, which there is none of (5.3.4) */

struct vconsole {
	struct virtio_device virtio;
	struct console_stream stream;
	char name[2U * BUNDLE_NAME_MAX];
	bool restored; /* the first chain to be sent is one of which `sent` is true */
	/* saved, from here on */
	struct virtio_state state;
	uint32_t sent; /* bytes of the chain that is being sent */
};

static struct vconsole *vconsole_of(struct virtio_device *v)
{
	return container_of(v, struct vconsole, virtio);
}

static struct vconsole *vconsole_of_stream(struct console_stream *stream)
{
	return container_of(stream, struct vconsole, stream);
}

/* A new chain, but for the one that was half sent when the device was saved: its first c->sent bytes are. */
static void vconsole_begin_chain(struct vconsole *c, struct virtq_chain *chain)
{
	chain->phase++;
	if (!c->restored)
		c->sent = 0;
	c->restored = false;
	c->virtio.device.count.errors += chain->out.left > 0; /* which 5.3.6.2 forbids; it is sent all the same */
	guest_skip(&chain->in, MIN(c->sent, chain->in.left));
}

static enum virtio_served end_chain(struct vconsole *c)
{
	c->sent = 0;
	return VIRTIO_DONE;
}

/* What the console does not take stays where it is, to be read again. */
static enum virtio_served vconsole_transmit(struct vconsole *c, struct virtq_chain *chain, struct virtq_step *step)
{
	struct guest_cursor from;
	uint8_t bytes[CONSOLE_STEP];
	uint32_t n, taken;

	if (chain->phase == VIRTQ_NO_REQUEST)
		vconsole_begin_chain(c, chain);
	if (chain->in.left == 0)
		return end_chain(c);
	n = virtq_share(step, &chain->in, chain->in.left);
	if (n == 0)
		return VIRTIO_MORE;
	from = chain->in;
	if (guest_gather(step->view, &from, bytes, n)) {
		c->virtio.device.count.errors++;
		return end_chain(c);
	}
	taken = console_put(&c->stream, bytes, n);
	guest_skip(&chain->in, taken);
	c->sent += taken;
	c->virtio.device.count.bytes += taken;
	if (taken < n)
		return VIRTIO_WAIT;
	return chain->in.left ? VIRTIO_MORE : end_chain(c);
}

/* As much as has been typed, and a buffer may stay half empty. */
static enum virtio_served vconsole_receive(struct vconsole *c, struct virtq_chain *chain, struct virtq_step *step,
					   uint32_t *written)
{
	uint8_t bytes[CONSOLE_STEP];
	uint32_t n = 0;

	if (chain->out.left > 0) {
		n = virtq_share(step, &chain->out, chain->out.left);
		if (n == 0)
			return VIRTIO_MORE;
		n = console_get(&c->stream, bytes, n);
		if (n == 0)
			return VIRTIO_WAIT;
	}
	if (n == 0 || guest_scatter(step->view, &chain->out, bytes, n)) {
		c->virtio.device.count.errors++;
		return VIRTIO_DONE;
	}
	c->virtio.device.count.bytes += n;
	*written = n;
	return VIRTIO_DONE;
}

static enum virtio_served console_serve(struct virtio_device *v, uint32_t queue, struct virtq_chain *chain,
					struct virtq_step *step, uint32_t *written)
{
	struct vconsole *c = vconsole_of(v);

	step->bytes = MIN(step->bytes, CONSOLE_STEP);
	return queue == QUEUE_TRANSMIT ? vconsole_transmit(c, chain, step) : vconsole_receive(c, chain, step, written);
}

/* A character without a queue, at any time (5.3.4). The driver cannot wait for room. */
static void console_write_config(struct virtio_device *v, uint32_t offset, uint32_t value, uint32_t size)
{
	uint8_t c = (uint8_t)value;

	if (offset != CONFIG_EMERG_WR)
		return;
	if (console_put(&vconsole_of(v)->stream, &c, 1))
		v->device.count.bytes++;
	else
		v->device.count.errors++;
}

static void console_reset(struct virtio_device *v)
{
	vconsole_of(v)->sent = 0;
	vconsole_of(v)->restored = false;
}

static const struct virtio_backend console_backend = {
	.name = "console",
	.id = VIRTIO_ID_CONSOLE,
	.features = BIT64(F_EMERG_WRITE),
	.queues = QUEUES,
	.queue_size = QUEUE_SIZE,
	.serve = console_serve,
	.write_config = console_write_config,
	.reset = console_reset,
};

static void input_ready(struct console_stream *stream)
{
	virtio_wake(&vconsole_of_stream(stream)->virtio, QUEUE_RECEIVE);
}

static void vconsole_room(struct console_stream *stream)
{
	virtio_wake(&vconsole_of_stream(stream)->virtio, QUEUE_TRANSMIT);
}

/* Whom the operator calls by this name must be clear. */
static int make_name(struct vconsole *c)
{
	const struct device *device = &c->virtio.device;
	const char *vm = device->vm->config.name;
	const char *wrong = "name: " WORDS_NAME;

	if (strchr(device->name, '.')) {
		wrong = WORDS_CONSOLE_DOT;
	} else if (bundle_name_is_valid(device->name)) {
		strcat(strcat(strcpy(c->name, vm), "."), device->name);
		wrong = bundle_vm_named(device->bundle, c->name) >= 0 ? WORDS_CONSOLE_TAKEN : NULL;
	}
	if (wrong)
		log_err("vm %s: /vms/%s/%.40s: %s", vm, vm, device->name, wrong);
	return wrong ? -EINVAL : 0;
}

static int vconsole_create(struct device *device)
{
	struct vconsole *c = vconsole_of(virtio_of(device));
	int ret = make_name(c);

	if (ret)
		return ret;
	c->stream.input_ready = input_ready;
	c->stream.room = vconsole_room;
	ret = console_make(&c->stream, device->vm, c->name, &device->vm->console);
	if (!ret)
		ret = virtio_create(&c->virtio, &console_backend, &c->state, 0);
	if (ret)
		console_free(&c->stream);
	return ret;
}

/* What was waited for then may be there now. */
static void vconsole_restore(struct device *device)
{
	struct virtio_device *v = virtio_of(device);

	vconsole_of(v)->restored = true;
	virtio_restore(device);
	for (uint32_t queue = 0; queue < QUEUES; queue++)
		virtio_wake(v, queue);
}

static void vconsole_destroy(struct device *device)
{
	virtio_destroy(device);
	console_free(&vconsole_of(virtio_of(device))->stream);
}

#define NODE(compatible)
#define PROPERTY(property_name, property_kind, field, ...) \
	{.name = property_name, .kind = property_kind, PROPERTY_FIELD(struct vconsole, field), __VA_ARGS__},
static const struct property vconsole_properties[] = {
#include "hyp/virtio/console.def"
	{.name = NULL},
};

const struct device_class virtio_console_class = {
	.name = "virtio-console",
	.compatible = "virt7,virtio-console",
	.properties = vconsole_properties,
	.size = sizeof(struct vconsole),
	.saved = offsetof(struct vconsole, state),
	.heap = QUEUES * QUEUE_SIZE * sizeof(struct guest_piece),
	.logs = true,
	.create = vconsole_create,
	.reset = virtio_reset,
	.describe = virtio_describe,
	.restore = vconsole_restore,
	.quiesce = virtio_quiesce,
	.destroy = vconsole_destroy,
};
