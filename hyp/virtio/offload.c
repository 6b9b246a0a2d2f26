/* SPDX-License-Identifier: BSD-2-Clause */
/* Checksums and segments (hyp/virtio/offload.h): RFC 1071, RFC 791, RFC 8200, RFC 9293. Compiled for speed. */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "hyp/lib/bits.h"
#include "hyp/virtio/offload.h"

#define TYPE_AT   12U /* in Ethernet's header, and behind it four bytes of a VLAN's tag */
#define TYPE_IPV4 0x0800U
#define TYPE_IPV6 0x86ddU
#define TYPE_VLAN 0x8100U
#define VLAN_TAG  4U

#define IPV4_LENGTH   2U
#define IPV4_ID       4U
#define IPV4_FRAGMENT 6U /* more follow, or this is not the first */
#define IPV4_PROTOCOL 9U
#define IPV4_CSUM     10U
#define IPV4_SOURCE   12U
#define IPV4_MIN      20U
#define IPV6_LENGTH   4U
#define IPV6_NEXT     6U
#define IPV6_SOURCE   8U
#define IPV6_BYTES    40U
#define PROTOCOL_TCP  6U

#define TCP_SEQUENCE 4U
#define TCP_OFFSET   12U
#define TCP_FLAGS    13U
#define TCP_CSUM     16U
#define TCP_MIN      20U
#define TCP_LAST     0x09U /* FIN and PSH, which only the last segment has */

static_assert(ETHER_HEADER + VLAN_TAG + 15U * 4U + 15U * 4U <= NET_HEAD_MAX, "the longest headers");

static uint16_t get_be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put_be16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* Of a frame's bytes, an even number of them but at its end. Sums are of half words as they lie in memory. */
static uint32_t sum_bytes(uint32_t sum, const uint8_t *at, size_t len)
{
	uint64_t wide = sum;

	for (; len >= 4U; at += 4, len -= 4U) {
		uint32_t word;

		memcpy(&word, at, sizeof(word));
		wide += word;
	}
	if (len >= 2U)
		wide += (uint32_t)(at[0] | at[1] << 8);
	if (len % 2U)
		wide += at[len - 1U];
	wide = (uint32_t)wide + (wide >> 32);
	wide = (wide & 0xffffU) + (wide >> 16);
	return (uint32_t)((wide & 0xffffU) + (wide >> 16));
}

static int sum_rest(uint32_t *sum, struct guest_view *view, struct guest_cursor rest, uint32_t len)
{
	uint8_t part[128];

	while (len > 0) {
		uint32_t n = MIN(len, sizeof(part));
		int ret = guest_gather(view, &rest, part, n);

		if (ret)
			return ret;
		*sum = sum_bytes(*sum, part, n);
		len -= n;
	}
	return 0;
}

/* The checksum: no zero, which UDP has for none. */
static void put_sum(uint8_t *at, uint32_t sum)
{
	uint16_t csum;

	sum = (sum & 0xffffU) + (sum >> 16);
	csum = (uint16_t) ~((sum & 0xffffU) + (sum >> 16));
	csum = csum ? csum : 0xffffU;
	memcpy(at, &csum, sizeof(csum));
}

/* The first `len` bytes, of which there are so many, are virt7's own. */
static int take_head(const struct net_frame *whole, struct net_frame *made, uint32_t len, struct guest_view *view)
{
	made->header = (struct net_header){.buffers = 1};
	memcpy(made->head, whole->head, whole->head_len);
	made->rest = whole->rest;
	made->head_len = len;
	made->rest_len = whole->head_len + whole->rest_len - len;
	return guest_gather(view, &made->rest, made->head + whole->head_len, len - whole->head_len);
}

bool offload_is_sound(const struct net_frame *whole)
{
	const struct net_header *h = &whole->header;

	if (!(h->flags & NET_NEEDS_CSUM))
		return h->gso_type == NET_GSO_NONE;
	if (h->csum_start < ETHER_HEADER || h->csum_start + h->csum_offset + 2U > whole->head_len + whole->rest_len)
		return false;
	if (h->gso_type == NET_GSO_NONE)
		return true;
	return (h->gso_type == NET_GSO_TCPV4 || h->gso_type == NET_GSO_TCPV6) && h->gso_size > 0 &&
	       !(whole->head[0] & 1U);
}

int offload_checksum(const struct net_frame *whole, struct net_frame *made, struct guest_view *view)
{
	uint32_t start = whole->header.csum_start, field = start + whole->header.csum_offset, sum;
	int ret = -EINVAL;

	if (field + 2U <= NET_HEAD_MAX)
		ret = take_head(whole, made, field + 2U, view);
	if (ret)
		return ret;
	sum = sum_bytes(0, made->head + start, made->head_len - start);
	ret = sum_rest(&sum, view, made->rest, made->rest_len);
	put_sum(made->head + field, sum);
	return ret;
}

/* Where the headers of a frame are: offsets in its head. */
struct headers {
	uint32_t ip, tcp, data;
	bool v6;
};

static uint32_t ip_bytes(const struct net_frame *f, const struct headers *h)
{
	const uint8_t *ip = f->head + h->ip;

	if (h->v6)
		return ip[0] >> 4 == 6U && ip[IPV6_NEXT] == PROTOCOL_TCP ? IPV6_BYTES : 0;
	if (ip[0] >> 4 != 4U || ip[IPV4_PROTOCOL] != PROTOCOL_TCP || get_be16(ip + IPV4_FRAGMENT) & 0x3fffU)
		return 0;
	return MAX((ip[0] & 0xfU) * 4U, IPV4_MIN);
}

/* In a head that has been filled. 0 or -EINVAL: it is not TCP of the version that the header names. */
static int find_headers(const struct net_frame *f, uint32_t gso_type, struct headers *h)
{
	uint32_t type = TYPE_AT, ip;

	if (f->head_len < ETHER_HEADER + VLAN_TAG + IPV6_BYTES)
		return -EINVAL;
	if (get_be16(f->head + type) == TYPE_VLAN)
		type += VLAN_TAG;
	h->v6 = gso_type == NET_GSO_TCPV6;
	h->ip = type + 2U;
	ip = get_be16(f->head + type) == (h->v6 ? TYPE_IPV6 : TYPE_IPV4) ? ip_bytes(f, h) : 0;
	h->tcp = h->ip + ip;
	if (ip == 0 || h->tcp + TCP_MIN > f->head_len)
		return -EINVAL;
	h->data = h->tcp + MAX((f->head[h->tcp + TCP_OFFSET] >> 4) * 4U, TCP_MIN);
	return h->data <= f->head_len ? 0 : -EINVAL;
}

static void set_ip(struct net_frame *made, const struct headers *h, uint32_t index)
{
	uint8_t *ip = made->head + h->ip;
	uint32_t len = h->data - h->tcp + made->rest_len;

	if (h->v6) {
		put_be16(ip + IPV6_LENGTH, len);
		return;
	}
	put_be16(ip + IPV4_LENGTH, h->tcp - h->ip + len);
	put_be16(ip + IPV4_ID, get_be16(ip + IPV4_ID) + index);
	put_be16(ip + IPV4_CSUM, 0);
	put_sum(ip + IPV4_CSUM, sum_bytes(0, ip, h->tcp - h->ip));
}

static void set_tcp(struct net_frame *made, const struct headers *h, uint32_t offset, bool last)
{
	uint8_t *tcp = made->head + h->tcp;
	uint32_t sequence = ((uint32_t)get_be16(tcp + TCP_SEQUENCE) << 16 | get_be16(tcp + TCP_SEQUENCE + 2)) + offset;

	put_be16(tcp + TCP_SEQUENCE, sequence >> 16);
	put_be16(tcp + TCP_SEQUENCE + 2, sequence);
	if (!last)
		tcp[TCP_FLAGS] &= (uint8_t)~TCP_LAST;
}

/* Of the pseudo header: addresses, protocol, length. */
static uint32_t sum_pseudo(const struct net_frame *made, const struct headers *h)
{
	uint32_t addresses = h->ip + (h->v6 ? IPV6_SOURCE : IPV4_SOURCE), tcp_len = h->data - h->tcp + made->rest_len;
	uint8_t pseudo[4] = {0, PROTOCOL_TCP, (uint8_t)(tcp_len >> 8), (uint8_t)tcp_len};

	return sum_bytes(sum_bytes(0, pseudo, sizeof(pseudo)), made->head + addresses, h->v6 ? 32U : 8U);
}

static int set_tcp_csum(struct net_frame *made, const struct headers *h, struct guest_view *view)
{
	uint32_t sum = sum_pseudo(made, h);
	int ret;

	put_be16(made->head + h->tcp + TCP_CSUM, 0);
	sum = sum_bytes(sum, made->head + h->tcp, h->data - h->tcp);
	ret = sum_rest(&sum, view, made->rest, made->rest_len);
	put_sum(made->head + h->tcp + TCP_CSUM, sum);
	return ret;
}

/* For who receives a large frame: where its checksum is to be put, and the pseudo header's sum there (5.1.6.2). */
static void leave_tcp_csum(struct net_frame *made, const struct headers *h, uint32_t gso_type, uint32_t size)
{
	uint16_t sum = (uint16_t)sum_pseudo(made, h);

	memcpy(made->head + h->tcp + TCP_CSUM, &sum, sizeof(sum));
	made->header.flags = NET_NEEDS_CSUM;
	made->header.csum_start = (uint16_t)h->tcp;
	made->header.csum_offset = TCP_CSUM;
	if (made->rest_len <= size)
		return;
	made->header.gso_type = (uint8_t)gso_type;
	made->header.gso_size = (uint16_t)size;
	made->header.header_len = (uint16_t)h->data;
}

/* Bytes of data of a segment. */
static uint32_t segment_size(const struct net_frame *whole)
{
	return MIN(whole->header.gso_size, NET_LARGE);
}

uint32_t offload_part_segments(const struct net_frame *whole)
{
	return NET_LARGE / segment_size(whole);
}

/* `count` segments from `index` on, but for TCP's checksum. */
static int cut_segments(const struct net_frame *whole, uint32_t index, uint32_t count, struct net_frame *made,
			struct headers *h, struct guest_view *view)
{
	uint32_t len = whole->head_len + whole->rest_len, size = segment_size(whole), offset = index * size, data;
	int ret = take_head(whole, made, MIN(len, NET_HEAD_MAX), view);

	if (!ret)
		ret = find_headers(made, whole->header.gso_type, h);
	if (ret)
		return ret;
	data = len - h->data;
	if (offset >= data && index > 0)
		return -ENODATA;
	made->head_len = h->data;
	made->rest = whole->rest;
	guest_skip(&made->rest, h->data - whole->head_len + offset);
	made->rest_len = MIN(size * count, data - offset);
	set_ip(made, h, index);
	set_tcp(made, h, offset, offset + made->rest_len == data);
	return 0;
}

int offload_segment(const struct net_frame *whole, uint32_t index, struct net_frame *made, struct guest_view *view)
{
	struct headers h;
	int ret = cut_segments(whole, index, 1, made, &h, view);

	return ret ? ret : set_tcp_csum(made, &h, view);
}

int offload_part(const struct net_frame *whole, uint32_t index, struct net_frame *made, struct guest_view *view)
{
	struct headers h;
	int ret = cut_segments(whole, index, offload_part_segments(whole), made, &h, view);

	if (!ret)
		leave_tcp_csum(made, &h, whole->header.gso_type, segment_size(whole));
	return ret;
}
