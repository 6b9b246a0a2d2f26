/* The shell's command for networks: what is plugged into which switch, and what became of the frames. */
#include "hyp/console/shell_cmd.h"
#include "hyp/lib/bits.h"
#include "hyp/virtio/net.h"
#include "hyp/vm/vm.h"

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

static void port_line(const struct device *device)
{
	const struct switch_port *port = net_port(device);
	const struct net_count *count = net_counts(device);

	shell_printf("%-24s %02x:%02x:%02x:%02x:%02x:%02x %10u %10u%s%s\n", net_name(device), port->mac[0],
		     port->mac[1], port->mac[2], port->mac[3], port->mac[4], port->mac[5], (unsigned)count->sent,
		     (unsigned)count->received, port->isolated ? " isolated" : "", port->any_mac ? " any-mac" : "");
	port_drops(count);
}

static void switch_lines(const struct net_switch *net)
{
	const struct device *device;
	const struct vm *vm;

	shell_printf("%-24s %-17s %10s %10s\n", switch_name(net), "MAC", "sent", "received");
	vm_for_each(vm) for (device = device_first(vm); device;
			     device = device->next) if (device->class == &virtio_net_class &&
							net_port(device)->net == net) port_line(device);
}

void shell_net(uint32_t count, char **args)
{
	const struct net_switch *net = switch_next(NULL);

	(void)count, (void)args;
	if (!net)
		shell_printf("no VM has a network\n");
	for (; net; net = switch_next(net))
		switch_lines(net);
}
