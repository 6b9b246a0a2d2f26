/* The data of small devices, embedded in struct vm. The rules are in hyp/vdev/vpl061.h and vpl031.h. */
#ifndef HYP_VDEV_STATE_H
#define HYP_VDEV_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <arm/spinlock.h>

#include "hyp/run/timer.h"
#include "mm/layout.h"

struct vpl061 {
	struct spinlock lock;
	uint8_t out, in; /* pins as driven by the guest, and by virt7 */
	uint8_t dir, sense, both, event, enable, afsel;
	uint8_t edges; /* seen and not cleared */
	bool line;     /* as the vGIC was last told */
	struct timer release;
};

struct vpl031 {
	struct spinlock lock;
	uint32_t offset; /* seconds: RTCDR is virt7's clock plus this */
	uint32_t match, load, mask, raw;
	bool line;
	bool waiting;      /* for: */
	uint64_t deadline; /* CNTPCT of the match */
	/* The timer of the CPU that armed it may be too late, and then another one's is right. */
	struct timer alarm[CPU_MAX];
};

#endif
