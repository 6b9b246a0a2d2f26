/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers that rows.S and bench.c share; bench.c checks those that hyp/vm/machine.h has too. */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

#define BENCH_GICD        0x08000000
#define BENCH_GICC        0x08010000
#define BENCH_UART        0x09000000
#define BENCH_VIRTIO_LAST 0x0a003e00
#define BENCH_TIMER_VIRT  27
#define BENCH_TIMER_PHYS  30
#define BENCH_SPI         64 /* and the 159 behind it: nothing is wired to them in virt7's machine */

#define SGI_SELF 0
#define SGI_WAKE 1
#define SGI_PING 2

/* Instructions a round of the two spinning loops. */
#define SLICE_MAIN 6U
#define SLICE_PEER 10U

#endif
