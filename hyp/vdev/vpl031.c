/* SPDX-License-Identifier: BSD-2-Clause */
/* PL031 (ARM DDI 0224, chapters 2 and 3). The 1 Hz of its counter is CNTPCT's, counted from virt7's own clock. */
#include <stddef.h>

#include <arm/nospec.h>
#include <arm/spinlock.h>

#include "hyp/lib/bits.h"
#include "hyp/vm/machine.h"
#include "hyp/exit/mmio.h"
#include "hyp/load/tree.h"
#include "hyp/run/timer.h"
#include "hyp/vdev/vpl031.h"
#include "hyp/vm/vm.h"
#include "vgic/vgic.h"

#define DR   0x00U
#define MR   0x04U
#define LR   0x08U
#define CR   0x0cU
#define IMSC 0x10U
#define RIS  0x14U
#define MIS  0x18U
#define ICR  0x1cU
#define ID   0xfe0U /* PeriphID0-3, PCellID0-3 */

#define CR_START 1U /* stays set once it is, 3.3.4 */

struct vpl031 {
	struct device device;
	struct spinlock lock;
	bool line;         /* as the vGIC was last told */
	bool waiting;      /* for: */
	uint64_t deadline; /* CNTPCT of the match */
	struct timer alarm;
	/* saved, from here on */
	uint32_t offset; /* seconds: RTCDR is virt7's clock plus this */
	uint32_t match, load, mask, raw;
};

static uint32_t clock_offset; /* seconds of 1970 at CNTPCT 0 */

/* CNTPCT in seconds. */
static uint64_t uptime_seconds(void)
{
	return timer_now() / timer_hz();
}

void vpl031_set_clock(uint32_t seconds)
{
	clock_offset = seconds - (uint32_t)uptime_seconds();
}

uint32_t vpl031_clock(void)
{
	return clock_offset + (uint32_t)uptime_seconds();
}

static uint32_t clock_counter(const struct vpl031 *rtc)
{
	return vpl031_clock() + rtc->offset;
}

/* The interrupt line follows the state. Ends every change, under the lock. */
static void vpl031_settle(struct vpl031 *rtc)
{
	bool line = rtc->raw & rtc->mask;

	if (line != rtc->line) {
		rtc->line = line;
		vgic_set_line(rtc->device.vm, 0, MACHINE_SPI_RTC, line);
	}
}

/* It is time, or another CPU has moved the alarm while this one waited for the lock. */
static void alarm_expired(struct timer *timer)
{
	struct vpl031 *rtc = container_of(timer, struct vpl031, alarm);

	spin_lock(&rtc->lock);
	if (rtc->waiting && timer_now() >= rtc->deadline) {
		rtc->waiting = false;
		rtc->raw = 1;
		vpl031_settle(rtc);
	}
	spin_unlock(&rtc->lock);
}

/* After the match or the counter has changed: they are equal now, or will be in up to 2^32 - 1 seconds (2.1.1). */
static void set_alarm(struct vpl031 *rtc)
{
	uint32_t left = rtc->match - clock_counter(rtc);

	rtc->waiting = left != 0;
	if (left == 0) {
		rtc->raw = 1;
		return;
	}
	rtc->deadline = (uptime_seconds() + left) * timer_hz();
	rtc->alarm.expired = alarm_expired;
	timer_arm(&rtc->alarm, rtc->deadline);
}

static uint32_t vpl031_read_register(const struct vpl031 *rtc, uint32_t offset)
{
	static const uint8_t id[8] = {0x31, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

	switch (offset) {
	case DR:
		return clock_counter(rtc);
	case MR:
		return rtc->match;
	case LR:
		return rtc->load;
	case CR:
		return CR_START;
	case IMSC:
		return rtc->mask;
	case RIS:
		return rtc->raw;
	case MIS:
		return rtc->raw & rtc->mask;
	default:
		return offset >= ID ? id[index_nospec((offset - ID) / 4U, ARRAY_SIZE(id))] : 0;
	}
}

static void vpl031_write_register(struct vpl031 *rtc, uint32_t offset, uint32_t value)
{
	switch (offset) {
	case MR:
		rtc->match = value;
		set_alarm(rtc);
		break;
	case LR:
		rtc->load = value;
		rtc->offset += value - clock_counter(rtc);
		set_alarm(rtc);
		break;
	case IMSC:
		rtc->mask = value & 1U;
		break;
	case ICR:
		rtc->raw &= ~value;
		break;
	default: /* read-only, reserved, or RTCCR, which cannot be cleared */
		break;
	}
}

/* Words on an APB without byte strobes: as in vpl011.c. */
static uint64_t vpl031_read(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t size)
{
	struct vpl031 *rtc = device;
	uint32_t value;

	spin_lock(&rtc->lock);
	value = vpl031_read_register(rtc, offset & ~3U) >> 8U * (offset & 3U);
	spin_unlock(&rtc->lock);
	return size == 4U ? value : value & (BIT(8U * size) - 1U);
}

static bool vpl031_write(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t value, uint32_t size)
{
	struct vpl031 *rtc = device;

	spin_lock(&rtc->lock);
	vpl031_write_register(rtc, offset, value);
	vpl031_settle(rtc);
	spin_unlock(&rtc->lock);
	return true;
}

static void vpl031_reset(struct device *device)
{
	struct vpl031 *rtc = container_of(device, struct vpl031, device);

	spin_lock(&rtc->lock);
	rtc->offset = rtc->match = rtc->load = rtc->mask = rtc->raw = 0;
	rtc->waiting = false;
	timer_cancel(&rtc->alarm);
	vpl031_settle(rtc);
	spin_unlock(&rtc->lock);
}

/* The clock has gone on meanwhile; a match that lies in between has been missed, as with the power off. */
static void vpl031_restore(struct device *device)
{
	struct vpl031 *rtc = container_of(device, struct vpl031, device);

	spin_lock(&rtc->lock);
	if (rtc->match != clock_counter(rtc))
		set_alarm(rtc);
	vpl031_settle(rtc);
	spin_unlock(&rtc->lock);
}

static int vpl031_create(struct device *device)
{
	static const struct mmio_ops ops = {vpl031_read, vpl031_write, MMIO_ANY};
	struct vpl031 *rtc = container_of(device, struct vpl031, device);

	return mmio_add(&device->vm->bus, MACHINE_RTC_BASE, MACHINE_RTC_SIZE, &ops, rtc);
}

static void vpl031_destroy(struct device *device)
{
	timer_drain(&container_of(device, struct vpl031, device)->alarm);
}

static void vpl031_describe(const struct device *device, struct tree *t)
{
	tree_begin_numbered(t, "pl031@", MACHINE_RTC_BASE);
	tree_strings(t, "compatible", "arm,pl031\0arm,primecell");
	tree_reg_spi(t, MACHINE_RTC_BASE, MACHINE_RTC_SIZE, MACHINE_SPI_RTC, TREE_GIC_LEVEL_HI);
	tree_cell(t, "clocks", TREE_PHANDLE_CLOCK(t));
	tree_string(t, "clock-names", "apb_pclk");
	tree_end(t);
}

const struct device_class vpl031_class = {
	.name = "pl031",
	.size = sizeof(struct vpl031),
	.saved = offsetof(struct vpl031, offset),
	.timers = 1,
	.create = vpl031_create,
	.reset = vpl031_reset,
	.describe = vpl031_describe,
	.restore = vpl031_restore,
	.destroy = vpl031_destroy,
};
