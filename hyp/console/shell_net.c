/* SPDX-License-Identifier: BSD-2-Clause */
/* The shell's command for networks: what is plugged into which switch, and what became of the frames. */
#include <string.h>

#include "hyp/console/shell_cmd.h"
#include "hyp/lib/bits.h"
#include "hyp/run/timer.h"
#include "hyp/virtio/capture.h"
#include "hyp/virtio/uplink.h"
#include "hyp/vm/vm.h"

#define CAPTURE_BYTES   128U /* of a frame, where the command does not say how many */
#define CAPTURE_POLL_MS 20U

static void port_drops(const struct net_count *count)
{
	static const char *const why[NET_DROPS] = {
		[NET_MALFORMED] = "sent: malformed",   [NET_SPOOFED] = "sent: wrong source",
		[NET_UNKNOWN] = "sent: to nobody",     [NET_ISOLATED] = "sent: to an isolated port",
		[NET_STORM] = "sent: too many to all", [NET_DOWN] = "VM or driver down",
		[NET_NO_BUFFER] = "no buffer",         [NET_SMALL] = "buffer too small",
		[NET_FAULT] = "buffer not in RAM",
	};

	for (uint32_t i = 0; i < NET_DROPS; i++)
		if (count->dropped[i])
			shell_printf("  %u lost, %s\n", (unsigned)count->dropped[i], why[i]);
}

static void port_line(const struct switch_port *port, const struct net_count *count, const char *more)
{
	shell_printf("%-24s %02x:%02x:%02x:%02x:%02x:%02x %10u %10u%s%s%s\n", port->name, port->mac[0], port->mac[1],
		     port->mac[2], port->mac[3], port->mac[4], port->mac[5], (unsigned)count->sent,
		     (unsigned)count->received, port->isolated ? " isolated" : "",
		     port->any_mac && !port->uplink ? " any-mac" : "", more);
	port_drops(count);
}

static void uplink_line(const struct net_switch *net)
{
	const struct uplink *u = uplink_next(NULL);

	while (u && uplink_port(u)->net != net)
		u = uplink_next(u);
	if (u)
		port_line(uplink_port(u), uplink_counts(u), uplink_has_link(u) ? " uplink" : " uplink, no cable");
}

static void switch_lines(const struct net_switch *net)
{
	const struct device *device;
	const struct vm *vm;

	shell_printf("%-24s %-17s %10s %10s\n", switch_name(net), "MAC", "sent", "received");
	vm_for_each(vm) for (device = device_first(vm); device;
			     device = device->next) if (device->class == &virtio_net_class &&
							net_port(device)->net == net)
		port_line(net_port(device), net_counts(device), "");
	uplink_line(net);
}

void shell_net(uint32_t count, char **args)
{
	const struct net_switch *net = switch_next(NULL);

	if (!net)
		shell_printf("no VM has a network\n");
	for (; net; net = switch_next(net))
		switch_lines(net);
}

/* tools/console2pcap reads this. */
static void print_frame(const struct captured *frame)
{
	static const char digits[] = "0123456789abcdef";

	shell_printf("net: %llu %u ", (unsigned long long)frame->time, (unsigned)frame->len);
	for (uint32_t i = 0; i < frame->kept; i++)
		shell_write((const char[]){digits[frame->bytes[i] >> 4], digits[frame->bytes[i] & 15U]}, 2);
	shell_printf("\n");
}

static void print_frames(struct capture *c)
{
	const struct captured *frame;
	uint32_t lost = 0;

	do {
		while ((frame = capture_first(c)) && !shell_interrupted()) {
			print_frame(frame);
			capture_drop(c);
		}
		if (c->lost != lost)
			shell_printf("net: %u lost\n", (unsigned)(c->lost - lost));
		lost = c->lost;
	} while (shell_sleep_ms(CAPTURE_POLL_MS));
}

static struct net_switch *find_switch(const char *name)
{
	struct net_switch *net = switch_next(NULL);

	while (net && strcmp(switch_name(net), name) != 0)
		net = switch_next(net);
	if (!net)
		shell_printf("no switch is called %s; `net` shows their names\n", name);
	return net;
}

static bool parse_bytes(const char *text, uint32_t *bytes)
{
	uint32_t n = 0;

	for (; *text >= '0' && *text <= '9' && n <= CAPTURE_BYTES_MAX; text++)
		n = n * 10U + (uint32_t)(*text - '0');
	*bytes = n;
	return !*text && n >= CAPTURE_BYTES_MIN && n <= CAPTURE_BYTES_MAX;
}

void shell_net_capture(uint32_t count, char **args)
{
	struct net_switch *net = find_switch(args[0]);
	uint32_t bytes = CAPTURE_BYTES;
	struct capture capture;

	if (!net)
		return;
	if (count > 1 && !parse_bytes(args[1], &bytes)) {
		shell_printf("%s: expects how many bytes of a frame, %u to %u\n", args[1], CAPTURE_BYTES_MIN,
			     CAPTURE_BYTES_MAX);
		return;
	}
	if (capture_begin(&capture, net, bytes)) {
		shell_printf("virt7's heap is too small for a capture (64 KiB)\n");
		return;
	}
	shell_printf("net: capture %s hz %u\n", switch_name(net), (unsigned)timer_hz());
	print_frames(&capture);
	capture_end(&capture);
}
