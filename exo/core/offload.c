/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a NIC may do for a frame on its way out, or this file where the NIC can't: checksums of
 * IPv4, TCP and UDP, and cutting a long packet into segments. Lengths and flags come from the
 * header as it will be sent, never from the environment's descriptor.
 *
 * Cutting: a segment is a copy of the header, with lengths, identification, sequence number, flags
 * and checksums of its own, and a copy of its part of the payload. A NIC does so for TCP; UDP
 * becomes datagrams, each with its own header. (DPDK's gso cuts no IPv6, and makes UDP fragments.)
 */
#include "net_packet.h"

#include <string.h>

#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_net.h>
#include <rte_tcp.h>
#include <rte_udp.h>

/* What a frame's headers say. */
struct headers {
	uint32_t l3, l4;    /* offsets from the frame's start */
	uint32_t data;      /* where TCP's or UDP's payload begins */
	uint32_t l4_length; /* bytes from l4 to the end of the IP packet */
	bool v4, tcp;
};

static struct rte_ipv4_hdr *ip4(const struct rte_mbuf *mbuf, const struct headers *headers)
{
	return rte_pktmbuf_mtod_offset(mbuf, struct rte_ipv4_hdr *, headers->l3);
}

static struct rte_ipv6_hdr *ip6(const struct rte_mbuf *mbuf, const struct headers *headers)
{
	return rte_pktmbuf_mtod_offset(mbuf, struct rte_ipv6_hdr *, headers->l3);
}

static struct rte_tcp_hdr *tcp(const struct rte_mbuf *mbuf, const struct headers *headers)
{
	return rte_pktmbuf_mtod_offset(mbuf, struct rte_tcp_hdr *, headers->l4);
}

static struct rte_udp_hdr *udp(const struct rte_mbuf *mbuf, const struct headers *headers)
{
	return rte_pktmbuf_mtod_offset(mbuf, struct rte_udp_hdr *, headers->l4);
}

/* Whether lengths in the headers fit the frame: what the IP header covers lies inside it, and all
 * headers lie in its first segment. */
static bool measure(const struct rte_mbuf *mbuf, struct headers *headers)
{
	uint32_t l4_header = headers->tcp ? sizeof(struct rte_tcp_hdr) : sizeof(struct rte_udp_hdr);
	uint32_t covered;

	if (mbuf->data_len < headers->l4 + l4_header)
		return false;
	covered = headers->v4 ? rte_be_to_cpu_16(ip4(mbuf, headers)->total_length)
	                      : sizeof(struct rte_ipv6_hdr) +
	                                rte_be_to_cpu_16(ip6(mbuf, headers)->payload_len);
	if (headers->tcp)
		l4_header = RTE_MAX(l4_header, (tcp(mbuf, headers)->data_off >> 4) * 4u);
	headers->data = headers->l4 + l4_header;
	if (covered > mbuf->pkt_len - headers->l3 || headers->data > headers->l3 + covered ||
	    headers->data > mbuf->data_len)
		return false;
	headers->l4_length = covered - (headers->l4 - headers->l3);
	return true;
}

/* Finds the headers; false: not IPv4 or IPv6 in Ethernet, with `l4`: not TCP or UDP in that. */
static bool parse(struct rte_mbuf *mbuf, bool l4, struct headers *headers)
{
	struct rte_net_hdr_lens lens;
	uint32_t type = rte_net_get_ptype(
	        mbuf, &lens, RTE_PTYPE_L2_MASK | RTE_PTYPE_L3_MASK | RTE_PTYPE_L4_MASK);
	uint32_t l4_type = type & RTE_PTYPE_L4_MASK;

	headers->l4_length = 0;
	headers->v4 = RTE_ETH_IS_IPV4_HDR(type);
	headers->tcp = l4_type == RTE_PTYPE_L4_TCP;
	headers->l3 = mbuf->l2_len = lens.l2_len;
	headers->l4 = lens.l2_len + lens.l3_len;
	mbuf->l3_len = lens.l3_len;
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
static uint64_t add_up(uint64_t sum, const uint8_t *at, size_t length)
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

static uint16_t fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

static void sum_header(const struct rte_mbuf *mbuf, const struct headers *headers)
{
	struct rte_ipv4_hdr *ip = ip4(mbuf, headers);

	ip->hdr_checksum = 0;
	ip->hdr_checksum =
	        (rte_be16_t)~fold(add_up(0, (const uint8_t *)ip, headers->l4 - headers->l3));
}

static void set_l4_sum(const struct rte_mbuf *mbuf, const struct headers *headers, rte_be16_t sum)
{
	if (headers->tcp)
		tcp(mbuf, headers)->cksum = sum;
	else
		udp(mbuf, headers)->dgram_cksum = sum;
}

/* Over `length` bytes from `offset` on. What begins at an odd place has its bytes in the other half
 * of each word (RFC 1071, 2(B)). */
static uint64_t sum_bytes(const struct rte_mbuf *mbuf, uint32_t offset, uint32_t length)
{
	uint64_t sum = 0;

	for (uint32_t done = 0; done < length; mbuf = mbuf->next) {
		uint32_t here = RTE_MIN(mbuf->data_len - offset, length - done);
		const uint8_t *at = rte_pktmbuf_mtod_offset(mbuf, const uint8_t *, offset);
		uint64_t part = add_up(0, at, here);

		sum += done & 1 ? rte_bswap16(fold(part)) : (part >> 32) + (uint32_t)part;
		done += here;
		offset = 0;
	}
	return sum;
}

/* RFC 1071 over the pseudo header (RFC 768, 9293, 8200) and what follows it. The pseudo header's
 * protocol is the transport's, whatever extension headers stand before it. */
static void l4_in_software(const struct rte_mbuf *mbuf, const struct headers *headers)
{
	const uint8_t *addresses = headers->v4 ? (const uint8_t *)&ip4(mbuf, headers)->src_addr
	                                       : ip6(mbuf, headers)->src_addr;
	uint64_t sum = rte_cpu_to_be_16(headers->tcp ? IPPROTO_TCP : IPPROTO_UDP) +
	               rte_cpu_to_be_16((uint16_t)headers->l4_length);
	uint16_t check;

	set_l4_sum(mbuf, headers, 0);
	sum = add_up(sum, addresses, headers->v4 ? 8 : 32);
	check = (uint16_t)~fold(sum_bytes(mbuf, headers->l4, headers->l4_length) + fold(sum));
	set_l4_sum(mbuf, headers, check == 0 && !headers->tcp ? 0xffff : check);
}

/* Whether the port computes this frame's checksum: it counts to the frame's end, so padding behind
 * the IP packet is left to us, and it takes the IPv6 header's protocol for the transport's. */
static bool port_computes(uint16_t id, const struct rte_mbuf *mbuf, const struct headers *headers)
{
	uint64_t offload =
	        headers->tcp ? RTE_ETH_TX_OFFLOAD_TCP_CKSUM : RTE_ETH_TX_OFFLOAD_UDP_CKSUM;

	return (port_offloads(id) & offload) && headers->l4 + headers->l4_length == mbuf->pkt_len &&
	       (headers->v4 || headers->l4 - headers->l3 == sizeof(struct rte_ipv6_hdr));
}

static unsigned by_port(uint16_t id, struct rte_mbuf *mbuf, const struct headers *headers,
                        uint64_t flag)
{
	mbuf->ol_flags |= flag | (headers->v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
	mbuf->l4_len = headers->data - headers->l4;
	if (rte_net_intel_cksum_prepare(mbuf))
		return EXO_EINVAL;
	return rte_eth_tx_prepare(id, 0, &mbuf, 1) == 1 ? 0 : EXO_EINVAL;
}

static unsigned sum_l4_by_port(uint16_t id, struct rte_mbuf *mbuf, const struct headers *headers)
{
	return by_port(id, mbuf, headers,
	               headers->tcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM);
}

static unsigned sum_l4(uint16_t id, struct rte_mbuf *mbuf, const struct headers *headers)
{
	if (port_computes(id, mbuf, headers))
		return sum_l4_by_port(id, mbuf, headers);
	l4_in_software(mbuf, headers);
	return 0;
}

unsigned offload_checksum(uint16_t id, struct rte_mbuf *mbuf, unsigned flags)
{
	struct headers headers;

	if (!(flags & (EXO_DESC_L3_SUM | EXO_DESC_L4_SUM)))
		return 0;
	if (!parse(mbuf, flags & EXO_DESC_L4_SUM, &headers))
		return EXO_EINVAL;
	if ((flags & EXO_DESC_L3_SUM) && headers.v4)
		sum_header(mbuf, &headers);
	return flags & EXO_DESC_L4_SUM ? sum_l4(id, mbuf, &headers) : 0;
}

/* ---- Segments ---- */

unsigned offload_segment(uint16_t id, struct rte_mbuf *mbuf, uint16_t size, bool may_port,
                         unsigned *pieces)
{
	struct headers headers;
	uint32_t data;

	if (size == 0 || !parse(mbuf, true, &headers) ||
	    headers.l4 + headers.l4_length != mbuf->pkt_len)
		return EXO_EINVAL;
	data = mbuf->pkt_len - headers.data;
	*pieces = data ? (data + size - 1) / size : 1;
	if (*pieces > EXO_PIECES_MAX || headers.data + size > port_frame_max(id))
		return EXO_E2BIG;
	if (headers.v4)
		sum_header(mbuf, &headers);
	if (*pieces == 1)
		return sum_l4(id, mbuf, &headers);
	if (!(port_offloads(id) & RTE_ETH_TX_OFFLOAD_MULTI_SEGS))
		return EXO_ENOSYS;
	if (!may_port || !headers.tcp || !(port_offloads(id) & RTE_ETH_TX_OFFLOAD_TCP_TSO) ||
	    !port_computes(id, mbuf, &headers))
		return 0;
	*pieces = 1;
	mbuf->tso_segsz = size;
	if (headers.v4 && (port_offloads(id) & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM))
		mbuf->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
	return by_port(id, mbuf, &headers, RTE_MBUF_F_TX_TCP_SEG);
}

/* What the segments of a packet have in common. */
struct cutter {
	struct headers headers;
	uint8_t *template;       /* the header of the whole packet, made the next segment's */
	uint32_t l3_sum, l4_sum; /* of the headers, without what differs in each segment */
	uint32_t seq;
	uint16_t port, id, size, flags; /* flags: TCP's, with its data offset */
	bool by_port;                   /* which makes TCP's and UDP's checksum */
	const struct rte_mbuf *segment; /* where the payload goes on, */
	const uint8_t *at;              /* here, */
	uint32_t here;                  /* with so many bytes */
};

/* Where the payload goes on behind what has been copied. */
static void pass(struct cutter *cutter, uint32_t n)
{
	cutter->at += n;
	cutter->here -= n;
	while (cutter->here == 0 && cutter->segment->next) {
		cutter->segment = cutter->segment->next;
		cutter->at = rte_pktmbuf_mtod(cutter->segment, const uint8_t *);
		cutter->here = cutter->segment->data_len;
	}
}

static __attribute__((noinline)) void copy_parts(struct cutter *cutter, struct rte_mbuf *to,
                                                 uint32_t at, uint32_t left)
{
	while (left > 0) {
		uint32_t room = to->data_len - at;
		uint32_t n = RTE_MIN(RTE_MIN(cutter->here, room), left);

		copy_many(rte_pktmbuf_mtod_offset(to, uint8_t *, at), cutter->at, n);
		pass(cutter, n);
		left -= n;
		at += n;
		if (n == room) {
			to = to->next;
			at = 0;
		}
	}
}

/* Copies the next payload behind a segment's header: cheaper than an mbuf that refers to it, and
 * its sum finds it in the cache. */
static inline void copy_payload(struct cutter *cutter, struct rte_mbuf *to, uint8_t *data)
{
	uint32_t at = cutter->headers.data, left = to->pkt_len - at;

	if (left >= cutter->here || to->data_len != to->pkt_len) {
		copy_parts(cutter, to, at, left);
		return;
	}
	copy_many(data + at, cutter->at, left);
	cutter->at += left;
	cutter->here -= left;
}

/* Sums up the headers of the whole packet, zeros standing where segments differ. */
static void sum_template(struct cutter *cutter, struct rte_mbuf *whole)
{
	const struct headers *headers = &cutter->headers;
	const uint8_t *addresses = headers->v4 ? (const uint8_t *)&ip4(whole, headers)->src_addr
	                                       : ip6(whole, headers)->src_addr;
	uint16_t *word = (uint16_t *)(void *)&tcp(whole, headers)->data_off;

	if (headers->v4) {
		struct rte_ipv4_hdr *ip = ip4(whole, headers);

		cutter->id = rte_be_to_cpu_16(ip->packet_id);
		ip->total_length = ip->packet_id = ip->hdr_checksum = 0;
		cutter->l3_sum = fold(add_up(0, (const uint8_t *)ip, headers->l4 - headers->l3));
	}
	set_l4_sum(whole, headers, 0);
	if (headers->tcp) {
		cutter->seq = rte_be_to_cpu_32(tcp(whole, headers)->sent_seq);
		cutter->flags = *word;
		tcp(whole, headers)->sent_seq = 0;
		*word = 0;
	} else {
		udp(whole, headers)->dgram_len = 0;
	}
	cutter->l4_sum = fold(add_up(rte_cpu_to_be_16(headers->tcp ? IPPROTO_TCP : IPPROTO_UDP),
	                             addresses, headers->v4 ? 8 : 32));
	cutter->l4_sum += fold(add_up(0, rte_pktmbuf_mtod_offset(whole, uint8_t *, headers->l4),
	                              headers->data - headers->l4));
}

/* The flags of a segment, and TCP's data offset: the last one has FIN and PSH, the first one CWR
 * (RFC 3168, 6.1.2: once). */
static uint16_t flags_of(const struct cutter *cutter, bool first, bool last)
{
	unsigned off =
	        (last ? 0 : RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG) | (first ? 0 : RTE_TCP_CWR_FLAG);

	return cutter->flags & (uint16_t)~rte_cpu_to_be_16((uint16_t)off);
}

/* A sum of fewer than 2^16 words, as a checksum. */
static inline uint16_t check_of(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

/* What the segments in the middle share, and the first and the last have for themselves: lengths
 * and flags, in the template and in *sums, those of both headers with them. */
static void patch_some(const struct cutter *cutter, uint32_t length, bool first, bool last,
                       uint32_t sums[2])
{
	const struct headers *headers = &cutter->headers;
	uint8_t *l3 = cutter->template + headers->l3, *l4 = cutter->template + headers->l4;
	uint16_t l4_length = rte_cpu_to_be_16((uint16_t)(length - headers->l4));
	uint16_t covered = rte_cpu_to_be_16((uint16_t)(length - headers->l3));

	sums[0] = cutter->l3_sum + covered;
	sums[1] = cutter->l4_sum + l4_length;
	if (headers->v4)
		((struct rte_ipv4_hdr *)(void *)l3)->total_length = covered;
	else
		((struct rte_ipv6_hdr *)(void *)l3)->payload_len = rte_cpu_to_be_16(
		        (uint16_t)(length - headers->l3 - sizeof(struct rte_ipv6_hdr)));
	if (headers->tcp) {
		uint16_t flags = flags_of(cutter, first, last);

		memcpy(&((struct rte_tcp_hdr *)(void *)l4)->data_off, &flags, sizeof(flags));
		sums[1] += flags;
	} else {
		((struct rte_udp_hdr *)(void *)l4)->dgram_len = l4_length;
		sums[1] += l4_length;
	}
}

/* Writes into the template what each segment has for itself. → the sum of its headers. */
static inline uint32_t patch(const struct cutter *cutter, uint32_t index, const uint32_t sums[2])
{
	uint8_t *l3 = cutter->template + cutter->headers.l3;
	uint8_t *l4 = cutter->template + cutter->headers.l4;
	uint32_t seq;

	if (cutter->headers.v4) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(void *)l3;
		uint16_t id = rte_cpu_to_be_16((uint16_t)(cutter->id + index));

		ip->packet_id = id;
		ip->hdr_checksum = check_of(sums[0] + id);
	}
	if (!cutter->headers.tcp)
		return sums[1];
	seq = rte_cpu_to_be_32(cutter->seq + index * cutter->size);
	((struct rte_tcp_hdr *)(void *)l4)->sent_seq = seq;
	return sums[1] + (seq & 0xffff) + (seq >> 16);
}

static __attribute__((noinline)) uint16_t sum_payload(const struct cutter *cutter,
                                                      const struct rte_mbuf *mbuf)
{
	uint32_t data = cutter->headers.data;

	return fold(sum_bytes(mbuf, data, mbuf->pkt_len - data));
}

static __attribute__((noinline)) void check_by_port(const struct cutter *cutter,
                                                    struct rte_mbuf *mbuf,
                                                    const struct rte_mbuf *whole)
{
	mbuf->l2_len = whole->l2_len;
	mbuf->l3_len = whole->l3_len;
	(void)sum_l4_by_port(cutter->port, mbuf, &cutter->headers);
}

/* Where hardware does not: all that is summed up goes into the segment at `data`. */
static inline void check(const struct cutter *cutter, uint8_t *data, uint32_t sum)
{
	uint16_t check = check_of(sum);

	if (cutter->headers.tcp)
		((struct rte_tcp_hdr *)(void *)(data + cutter->headers.l4))->cksum = check;
	else
		((struct rte_udp_hdr *)(void *)(data + cutter->headers.l4))->dgram_cksum =
		        check == 0 ? 0xffff : check;
}

/* What the segments of `whole` have in common; its header is spent by that. */
static void begin_cut(struct cutter *cutter, uint16_t port, struct rte_mbuf *whole, uint16_t size,
                      bool summed)
{
	struct headers *headers = &cutter->headers;

	cutter->port = port;
	cutter->size = size;
	cutter->segment = whole;
	(void)parse(whole, true, headers); /* as offload_segment found it */
	cutter->template = rte_pktmbuf_mtod(whole, uint8_t *);
	cutter->at = cutter->template;
	cutter->here = whole->data_len;
	pass(cutter, headers->data);
	cutter->by_port = !summed && port_computes(port, whole, headers);
	sum_template(cutter, whole);
}

bool offload_cut(uint16_t port, struct rte_mbuf *whole, uint16_t size, unsigned pieces,
                 const uint16_t *sums, struct rte_mbuf *out[])
{
	struct cutter cutter;
	uint32_t header, last, of[2];

	begin_cut(&cutter, port, whole, size, sums != NULL);
	header = cutter.headers.data;
	last = header + (whole->pkt_len - header - 1) % size + 1;
	if (!port_buffers(port, out, pieces, header + size, last))
		return false;
	for (unsigned i = 0; i < pieces; i++) {
		struct rte_mbuf *mbuf = out[i];
		uint8_t *to = rte_pktmbuf_mtod(mbuf, uint8_t *);
		uint32_t sum;

		if (i < 2 || i + 1 == pieces)
			patch_some(&cutter, mbuf->pkt_len, i == 0, i + 1 == pieces, of);
		sum = patch(&cutter, i, of);
		/* In blocks: there is room on both sides, and payload comes over the rest. */
		for (uint32_t at = 0; at < header; at += 32)
			rte_mov32(to + at, cutter.template + at);
		copy_payload(&cutter, mbuf, to);
		if (cutter.by_port)
			check_by_port(&cutter, mbuf, whole);
		else
			check(&cutter, to, sum + (sums ? sums[i] : sum_payload(&cutter, mbuf)));
	}
	return true;
}
