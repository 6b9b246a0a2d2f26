/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Uplinks: network cards of the host's, each behind a port of a virtual switch (hyp/virtio/switch.h), as /switches of
 * the bundle has them. VMs on the switch reach what is outside, and are reached, with their own addresses.
 *
 * Who sends copies the frame into a buffer of the card's, or loses it. What comes from outside is handed on by a thread
 * of virt7's at the highest priority of a VM on the switch: a flood from outside takes that VM's turns and no more.
 */
#ifndef HYP_VIRTIO_UPLINK_H
#define HYP_VIRTIO_UPLINK_H

#include "hyp/virtio/net.h"

struct bundle;
struct host;

/* The uplinks of /switches, on the boot CPU, before VMs are made. One that cannot be has said why, and its switch goes
 * without.
 */
void uplink_create_all(const struct bundle *b, const struct host *host);

/* For people: one after the other, from NULL to NULL. */
struct uplink *uplink_next(const struct uplink *u);
const struct net_count *uplink_counts(const struct uplink *u);
const struct switch_port *uplink_port(const struct uplink *u);
bool uplink_has_link(const struct uplink *u);

#endif
