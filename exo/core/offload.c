/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a NIC may do for a frame on its way out, or this file where the NIC can't: checksums of
 * IPv4, TCP and UDP. Lengths and flags come from the header as it will be sent, never from the
 * environment's descriptor. Cutting: a NIC does it for TCP, cut.c for everything else.
 */
#include "net_send.h"

#include <rte_ethdev.h>
#include <rte_net.h>

/* Whether lengths in the headers fit the frame: what the IP header covers lies inside it, and all
 * headers lie in its first segment. */
static bool measure(const struct rte_mbuf *mbuf, struct net_headers *headers)
{
	uint32_t l4_header = headers->tcp ? sizeof(struct rte_tcp_hdr) : sizeof(struct rte_udp_hdr);
	uint32_t covered;

	if (mbuf->data_len < headers->l4 + l4_header)
		return false;
	covered = headers->v4 ? rte_be_to_cpu_16(send_ip4(mbuf, headers)->total_length)
	                      : sizeof(struct rte_ipv6_hdr) +
	                                rte_be_to_cpu_16(send_ip6(mbuf, headers)->payload_len);
	if (headers->tcp)
		l4_header = RTE_MAX(l4_header, (send_tcp(mbuf, headers)->data_off >> 4) * 4u);
	headers->data = headers->l4 + l4_header;
	if (covered > headers->length - headers->l3 || headers->data > headers->l3 + covered ||
	    headers->data > mbuf->data_len)
		return false;
	headers->l4_length = covered - (headers->l4 - headers->l3);
	return true;
}

/* Finds the headers of a frame of headers->length bytes; false: not IPv4 or IPv6 in Ethernet, with
 * `l4`: not TCP or UDP in that. */
static bool parse(const struct rte_mbuf *mbuf, bool l4, struct net_headers *headers)
{
	struct rte_net_hdr_lens lens;
	uint32_t type = rte_net_get_ptype(
	        mbuf, &lens, RTE_PTYPE_L2_MASK | RTE_PTYPE_L3_MASK | RTE_PTYPE_L4_MASK);
	uint32_t l4_type = type & RTE_PTYPE_L4_MASK;

	headers->l4_length = 0;
	headers->v4 = RTE_ETH_IS_IPV4_HDR(type);
	headers->tcp = l4_type == RTE_PTYPE_L4_TCP;
	headers->l3 = lens.l2_len;
	headers->l4 = lens.l2_len + lens.l3_len;
	if (headers->v4 ? lens.l3_len < sizeof(struct rte_ipv4_hdr) || mbuf->data_len < headers->l4
	                : !RTE_ETH_IS_IPV6_HDR(type))
		return false;
	if (!l4)
		return true;
	return (headers->tcp || l4_type == RTE_PTYPE_L4_UDP) && measure(mbuf, headers);
}

/* ---- Checksums ---- */

/* A word at any address. */
typedef uint64_t word_t __attribute__((aligned(1), may_alias));

/* RFC 1071 over what lies at `at`, added to `sum`: 64 bits at a time, since 2^16 - 1 divides
 * 2^64 - 1. */
uint64_t sum_add(uint64_t sum, const uint8_t *at, size_t length)
{
	uint64_t last = 0;

	for (size_t blocks = length / 128; blocks > 0; blocks = 0, length %= 128)
		__asm__("clc\n1:\t.set .Lat,0\n\t.rept 16\n\tadcq .Lat(%1),%0\n\t.set "
		        ".Lat,.Lat+8\n\t.endr\n\t"
		        "lea 128(%1),%1\n\tdec %2\n\tjnz 1b\n\tadcq $0,%0"
		        : "+r"(sum), "+r"(at), "+r"(blocks)
		        :
		        : "memory", "cc");
	for (; length >= 8; at += 8, length -= 8) {
		bool carry = __builtin_add_overflow(sum, *(const word_t *)at, &sum);

		sum += carry;
	}
	for (size_t i = 0; i < length; i++)
		last |= (uint64_t)at[i] << 8 * i;
	return sum + last < sum ? sum + last + 1 : sum + last;
}

/* Over `length` bytes from `offset` on. What begins at an odd place has its bytes in the other half
 * of each word (RFC 1071, 2(B)). */
uint64_t sum_bytes(const struct rte_mbuf *mbuf, uint32_t offset, uint32_t length)
{
	uint64_t sum = 0;

	for (uint32_t done = 0; done < length; mbuf = mbuf->next) {
		uint32_t here = RTE_MIN(mbuf->data_len - offset, length - done);
		const uint8_t *at = rte_pktmbuf_mtod_offset(mbuf, const uint8_t *, offset);
		uint64_t part = sum_add(0, at, here);

		sum += done & 1 ? rte_bswap16(sum_fold(part)) : (part >> 32) + (uint32_t)part;
		done += here;
		offset = 0;
	}
	return sum;
}

static void sum_header(const struct rte_mbuf *mbuf, const struct net_headers *headers)
{
	struct rte_ipv4_hdr *ip = send_ip4(mbuf, headers);

	ip->hdr_checksum = 0;
	ip->hdr_checksum =
	        (rte_be16_t)~sum_fold(sum_add(0, (const uint8_t *)ip, headers->l4 - headers->l3));
}

static void set_l4_sum(const struct rte_mbuf *mbuf, const struct net_headers *headers,
                       rte_be16_t sum)
{
	if (headers->tcp)
		send_tcp(mbuf, headers)->cksum = sum;
	else
		send_udp(mbuf, headers)->dgram_cksum = sum;
}

/* The pseudo header's protocol is the transport's, whatever extension headers stand before it (RFC
 * 768, 9293, 8200). */
uint16_t sum_pseudo(const struct rte_mbuf *mbuf, const struct net_headers *headers)
{
	const uint8_t *addresses = headers->v4 ? (const uint8_t *)&send_ip4(mbuf, headers)->src_addr
	                                       : send_ip6(mbuf, headers)->src_addr;

	return sum_fold(sum_add(rte_cpu_to_be_16(headers->tcp ? IPPROTO_TCP : IPPROTO_UDP),
	                        addresses, headers->v4 ? 8 : 32));
}

static void l4_in_software(const struct rte_mbuf *mbuf, const struct net_headers *headers)
{
	uint64_t sum = (uint64_t)sum_pseudo(mbuf, headers) +
	               rte_cpu_to_be_16((uint16_t)headers->l4_length);
	uint16_t check;

	set_l4_sum(mbuf, headers, 0);
	check = (uint16_t)~sum_fold(sum_bytes(mbuf, headers->l4, headers->l4_length) + sum);
	set_l4_sum(mbuf, headers, check == 0 && !headers->tcp ? 0xffff : check);
}

/* It counts to the frame's end, so padding behind the IP packet is left to us, and takes the IPv6
 * header's protocol for the transport's. */
bool offload_by_port(uint16_t id, const struct net_headers *headers)
{
	uint64_t offload =
	        headers->tcp ? RTE_ETH_TX_OFFLOAD_TCP_CKSUM : RTE_ETH_TX_OFFLOAD_UDP_CKSUM;

	return (port_offloads(id) & offload) &&
	       headers->l4 + headers->l4_length == headers->length &&
	       (headers->v4 || headers->l4 - headers->l3 == sizeof(struct rte_ipv6_hdr));
}

static unsigned by_port(uint16_t id, struct rte_mbuf *mbuf, const struct net_headers *headers,
                        uint64_t flag)
{
	mbuf->ol_flags |= flag | (headers->v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
	mbuf->l2_len = headers->l3;
	mbuf->l3_len = headers->l4 - headers->l3;
	mbuf->l4_len = headers->data - headers->l4;
	if (rte_net_intel_cksum_prepare(mbuf))
		return EXO_EINVAL;
	return rte_eth_tx_prepare(id, 0, &mbuf, 1) == 1 ? 0 : EXO_EINVAL;
}

unsigned offload_sum_by_port(uint16_t id, struct rte_mbuf *mbuf, const struct net_headers *headers)
{
	return by_port(id, mbuf, headers,
	               headers->tcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM);
}

static unsigned sum_l4(uint16_t id, struct rte_mbuf *mbuf, const struct net_headers *headers)
{
	if (offload_by_port(id, headers))
		return offload_sum_by_port(id, mbuf, headers);
	l4_in_software(mbuf, headers);
	return 0;
}

unsigned offload_checksum(uint16_t id, struct rte_mbuf *mbuf, unsigned flags)
{
	struct net_headers headers = {.length = mbuf->pkt_len};

	if (!(flags & (EXO_DESC_L3_SUM | EXO_DESC_L4_SUM)))
		return 0;
	if (!parse(mbuf, flags & EXO_DESC_L4_SUM, &headers))
		return EXO_EINVAL;
	if ((flags & EXO_DESC_L3_SUM) && headers.v4)
		sum_header(mbuf, &headers);
	return flags & EXO_DESC_L4_SUM ? sum_l4(id, mbuf, &headers) : 0;
}

/* ---- Segments ---- */

unsigned offload_plan(uint16_t id, struct rte_mbuf *head, uint32_t length, uint16_t size, bool may,
                      struct net_headers *headers, unsigned *pieces)
{
	uint32_t data;

	headers->length = length;
	if (size == 0 || !parse(head, true, headers) || headers->l4 + headers->l4_length != length)
		return EXO_EINVAL;
	data = length - headers->data;
	*pieces = data ? (data + size - 1) / size : 1;
	if (*pieces > EXO_PIECES_MAX || headers->data + size > port_frame_max(id))
		return EXO_E2BIG;
	if (may && headers->tcp && (port_offloads(id) & RTE_ETH_TX_OFFLOAD_TCP_TSO) &&
	    (port_offloads(id) & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) && offload_by_port(id, headers))
		*pieces = 1;
	return 0;
}

unsigned offload_whole(uint16_t id, struct rte_mbuf *mbuf, uint16_t size,
                       const struct net_headers *headers)
{
	if (headers->v4)
		sum_header(mbuf, headers);
	if (headers->length - headers->data <= size)
		return sum_l4(id, mbuf, headers);
	mbuf->tso_segsz = size;
	if (headers->v4 && (port_offloads(id) & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM))
		mbuf->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
	return by_port(id, mbuf, headers, RTE_MBUF_F_TX_TCP_SEG);
}
