/* SPDX-License-Identifier: BSD-2-Clause */
/* Configuration of the built-in demo guest. */
#include <string.h>

#include "boot/demo.h"

extern const uint8_t demo_guest[], demo_guest_end[];

void demo_config(struct vm_config *cfg)
{
	*cfg = (struct vm_config){
		.name = "demo",
		.cpus = 1,
		.ram_size = MIB(8),
		.affinity = UINT32_MAX,
		.autostart = true,
		.on_reset = VM_ACTION_RESTART,
		.bootargs = "",
		.kernel = {.name = "demo", .data = demo_guest, .size = (size_t)(demo_guest_end - demo_guest)},
	};
}
