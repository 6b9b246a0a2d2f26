/* SPDX-License-Identifier: BSD-2-Clause */
/* What the driver of two network cards on one switch does, in the fuzz target (tests/fuzz/virtio.c). */
#ifndef FUZZ_NET_H
#define FUZZ_NET_H

#include "hyp/virtio/switch.h"
#include "world.h"

/* Of the card in slot n: 52:54:00:00:00:n+1. */
void card_mac(uint32_t slot, uint8_t *mac);

/* Operations: a frame is sent; buffers are given; a command; the VM is paused or goes on. */
void do_frame(void);
void do_buffers(void);
void do_control(void);
void do_pause(void);

#endif
