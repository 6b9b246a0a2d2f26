/* SPDX-License-Identifier: BSD-2-Clause */
/* PL061 (ARM DDI 0190, chapters 2 and 3). Eight lines, of which all but the power key's are open inputs that read as 0.
 */
#include <stddef.h>

#include <arm/nospec.h>
#include <arm/spinlock.h>

#include "hyp/lib/bits.h"
#include "hyp/vm/machine.h"
#include "hyp/exit/mmio.h"
#include "hyp/load/tree.h"
#include "hyp/run/timer.h"
#include "hyp/vdev/vpl061.h"
#include "hyp/vm/vm.h"
#include "vgic/vgic.h"

#define DATA_END 0x400U /* GPIODATA: address bits 9:2 are a mask of lines */
#define DIR      0x400U
#define IS       0x404U
#define IBE      0x408U
#define IEV      0x40cU
#define IE       0x410U
#define RIS      0x414U
#define MIS      0x418U
#define IC       0x41cU
#define AFSEL    0x420U
#define ID       0xfe0U /* PeriphID0-3, PCellID0-3 */

#define KEY_POWER 116U /* as Linux numbers its keys */

#define KEY      ((uint8_t)BIT(MACHINE_GPIO_POWER_LINE))
#define PRESS_MS 100U

struct vpl061 {
	struct device device;
	struct spinlock lock;
	bool line;         /* as the vGIC was last told */
	uint64_t deadline; /* CNTPCT, when the key goes up */
	struct timer release;
	/* saved, from here on */
	uint8_t out, in; /* pins as driven by the guest, and by virt7 */
	uint8_t dir, sense, both, event, enable, afsel;
	uint8_t edges; /* seen and not cleared */
};

static struct vpl061 *vpl061_of(const struct vm *vm)
{
	return container_of(device_find(vm, &vpl061_class), struct vpl061, device);
}

/* 3.3.7: a level shows as long as it stands, an edge until it is cleared. */
static uint32_t raw_interrupts(const struct vpl061 *g)
{
	uint32_t level = g->sense & ~(uint32_t)(g->in ^ g->event) & ~(uint32_t)g->dir;

	return (level | (g->edges & ~(uint32_t)g->sense)) & 0xffU;
}

/* The interrupt line follows the state. Ends every change, under the lock. */
static void vpl061_settle(struct vpl061 *g)
{
	bool line = raw_interrupts(g) & g->enable;

	if (line != g->line) {
		g->line = line;
		vgic_set_line(g->device.vm, 0, MACHINE_SPI_GPIO, line);
	}
}

/* What comes in from outside (2.1.3). Lines that are outputs have no edges. */
static void set_input(struct vpl061 *g, uint8_t in)
{
	uint32_t changed = (g->in ^ in) & ~(uint32_t)g->dir & ~(uint32_t)g->sense;

	g->edges |= (uint8_t)(changed & (g->both | ~(uint32_t)(in ^ g->event)));
	g->in = in;
	vpl061_settle(g);
}

static uint32_t vpl061_read_register(const struct vpl061 *g, uint32_t offset)
{
	static const uint8_t id[8] = {0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

	if (offset < DATA_END)
		return ((g->dir & g->out) | (~(uint32_t)g->dir & g->in)) & offset >> 2;
	switch (offset) {
	case DIR:
		return g->dir;
	case IS:
		return g->sense;
	case IBE:
		return g->both;
	case IEV:
		return g->event;
	case IE:
		return g->enable;
	case RIS:
		return raw_interrupts(g);
	case MIS:
		return raw_interrupts(g) & g->enable;
	case AFSEL:
		return g->afsel;
	default:
		return offset >= ID ? id[index_nospec((offset - ID) / 4U, ARRAY_SIZE(id))] : 0;
	}
}

static void vpl061_write_register(struct vpl061 *g, uint32_t offset, uint8_t value)
{
	if (offset < DATA_END) {
		g->out = (uint8_t)((g->out & ~(offset >> 2)) | (value & offset >> 2));
		return;
	}
	switch (offset) {
	case DIR:
		g->dir = value;
		break;
	case IS:
		g->sense = value;
		break;
	case IBE:
		g->both = value;
		break;
	case IEV:
		g->event = value;
		break;
	case IE:
		g->enable = value;
		break;
	case IC:
		g->edges &= (uint8_t)~value;
		break;
	case AFSEL:
		g->afsel = value;
		break;
	default: /* read-only or reserved */
		break;
	}
}

/* Registers of 8 bits in words of an APB without byte strobes: their upper bytes read as 0 and ignore what is written.
 */
static uint64_t vpl061_read(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t size)
{
	struct vpl061 *g = device;
	uint32_t value;

	if (offset & 3U)
		return 0;
	spin_lock(&g->lock);
	value = vpl061_read_register(g, offset);
	spin_unlock(&g->lock);
	return value;
}

static bool vpl061_write(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t value, uint32_t size)
{
	struct vpl061 *g = device;

	if (offset & 3U)
		return true;
	spin_lock(&g->lock);
	vpl061_write_register(g, offset, (uint8_t)value);
	vpl061_settle(g);
	spin_unlock(&g->lock);
	return true;
}

/* It is time, or another CPU has pressed the key again while this one waited for the lock. */
static void release_power(struct timer *timer)
{
	struct vpl061 *g = container_of(timer, struct vpl061, release);

	spin_lock(&g->lock);
	if (timer_now() >= g->deadline)
		set_input(g, 0);
	spin_unlock(&g->lock);
}

/* The key goes up again in 100 ms. */
static void hold_key(struct vpl061 *g)
{
	g->release.expired = release_power;
	if (timer_armed(&g->release))
		return;
	g->deadline = timer_now() + (uint64_t)timer_hz() * PRESS_MS / 1000U;
	timer_arm(&g->release, g->deadline);
}

bool vpl061_listens(const struct vm *vm)
{
	const struct vpl061 *g = vpl061_of(vm);

	return g->enable & ~g->dir & KEY;
}

void vpl061_press_power(struct vm *vm)
{
	struct vpl061 *g = vpl061_of(vm);

	spin_lock(&g->lock);
	set_input(g, KEY);
	hold_key(g);
	spin_unlock(&g->lock);
}

static void vpl061_reset(struct device *device)
{
	struct vpl061 *g = container_of(device, struct vpl061, device);

	spin_lock(&g->lock);
	g->out = g->in = g->dir = g->sense = g->both = g->event = g->enable = g->afsel = g->edges = 0;
	vpl061_settle(g);
	spin_unlock(&g->lock);
}

/* A key that was down goes up in its time. */
static void vpl061_restore(struct device *device)
{
	struct vpl061 *g = container_of(device, struct vpl061, device);

	spin_lock(&g->lock);
	if (g->in)
		hold_key(g);
	vpl061_settle(g);
	spin_unlock(&g->lock);
}

static int vpl061_create(struct device *device)
{
	static const struct mmio_ops ops = {vpl061_read, vpl061_write, MMIO_ANY};
	struct vpl061 *g = container_of(device, struct vpl061, device);

	return mmio_add(&device->vm->bus, MACHINE_GPIO_BASE, MACHINE_GPIO_SIZE, &ops, g);
}

static void vpl061_destroy(struct device *device)
{
	timer_drain(&container_of(device, struct vpl061, device)->release);
}

/* The GPIO, and the key that is connected to it. */
static void vpl061_describe(const struct device *device, struct tree *t)
{
	tree_begin_numbered(t, "pl061@", MACHINE_GPIO_BASE);
	tree_strings(t, "compatible", "arm,pl061\0arm,primecell");
	tree_reg_spi(t, MACHINE_GPIO_BASE, MACHINE_GPIO_SIZE, MACHINE_SPI_GPIO, TREE_GIC_LEVEL_HI);
	tree_cell(t, "#gpio-cells", 2);
	tree_flag(t, "gpio-controller");
	tree_cell(t, "clocks", TREE_PHANDLE_CLOCK(t));
	tree_string(t, "clock-names", "apb_pclk");
	tree_cell(t, "phandle", TREE_PHANDLE_GPIO(t));
	tree_end(t);
	tree_begin(t, "gpio-keys");
	tree_string(t, "compatible", "gpio-keys");
	tree_begin(t, "poweroff");
	tree_string(t, "label", "GPIO Key Poweroff");
	tree_cell(t, "linux,code", KEY_POWER);
	tree_list(t, "gpios", TREE_PHANDLE_GPIO(t), MACHINE_GPIO_POWER_LINE, 0);
	tree_end(t);
	tree_end(t);
}

const struct device_class vpl061_class = {
	.name = "pl061",
	.size = sizeof(struct vpl061),
	.saved = offsetof(struct vpl061, out),
	.timers = 1,
	.create = vpl061_create,
	.reset = vpl061_reset,
	.describe = vpl061_describe,
	.restore = vpl061_restore,
	.destroy = vpl061_destroy,
};
