/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cutting a long packet into segments, where no NIC does it: a segment is a copy of the header,
 * with lengths, identification, sequence number, flags and checksums of its own, and a copy of its
 * part of the payload, which comes straight from the environment's frames: cheaper than mbufs that
 * refer to it, and nothing need be pinned, for a frame's owner can't change before the end of the
 * poll. UDP becomes datagrams, each with its own header. (DPDK's gso cuts no IPv6, and makes UDP
 * fragments.)
 */
#include "net_send.h"

#include <string.h>

#include "frame_table.h"

enum {
	BLOCK = 32,        /* bytes that headers are copied by */
	HEADER_USUAL = 96, /* that most headers have at most: of IPv6, with timestamps, 86 */
};

typedef uint64_t block __attribute__((vector_size(16), aligned(1), may_alias));

/* Where the payload goes on. */
struct source {
	uint32_t env;
	const uint8_t *at;           /* here, */
	uint32_t here;               /* with so many bytes in a row; behind them */
	const struct exo_desc *desc; /* in this descriptor's memory, */
	uint64_t address;            /* here, */
	uint32_t left;               /* with so many bytes */
};

/* What the segments of a packet have in common. */
struct cutter {
	struct net_headers headers;
	const uint8_t *model;    /* the header of the whole packet, made the segments' */
	uint32_t l3_sum, l4_sum; /* of the headers, without what differs in each segment */
	uint32_t seq;
	uint16_t port, id, size, flags; /* flags: TCP's, with its data offset */
	bool by_port;                   /* which makes TCP's and UDP's checksum */
	struct source source;
};

/* ---- Payload ---- */

/* Goes on behind what is in a row: a packet's bytes are as many as its descriptors say. */
static __attribute__((noinline)) bool go_on(struct source *source)
{
	uint32_t offset, n;

	while (source->left == 0) {
		source->address = (++source->desc)->address;
		source->left = source->desc->length;
	}
	offset = source->address % 4096;
	n = frames_owned(source->env, source->address / 4096,
	                 (offset + source->left + 4095) / 4096);
	if (n == 0)
		return false;
	source->at = (const uint8_t *)machine_frame(source->address / 4096) + offset;
	source->here = RTE_MIN(n * 4096 - offset, source->left);
	source->address += source->here;
	source->left -= source->here;
	return true;
}

/* Passes over n bytes, the header: they were copied before. */
static void begin_source(struct source *source, uint32_t env, const struct exo_desc desc[],
                         uint32_t n)
{
	while (n > 0 && n >= desc->length)
		n -= desc++->length;
	*source = (struct source){
	        .env = env, .desc = desc, .address = desc->address + n, .left = desc->length - n};
}

static __attribute__((noinline)) bool copy_parts(struct source *source, struct rte_mbuf *to,
                                                 uint32_t at, uint32_t left)
{
	while (left > 0) {
		uint32_t room = to->data_len - at, n;

		if (source->here == 0 && !go_on(source))
			return false;
		n = RTE_MIN(RTE_MIN(source->here, room), left);
		copy_many(rte_pktmbuf_mtod_offset(to, uint8_t *, at), source->at, n);
		source->at += n;
		source->here -= n;
		left -= n;
		at += n;
		if (n == room) {
			to = to->next;
			at = 0;
		}
	}
	return true;
}

/* ---- Headers ---- */

/* Sums up the headers of the whole packet, zeros standing where segments differ. */
static void sum_model(struct cutter *cutter, struct rte_mbuf *whole)
{
	const struct net_headers *headers = &cutter->headers;
	struct rte_tcp_hdr *tcp = send_tcp(whole, headers);
	uint16_t *word = (uint16_t *)(void *)&tcp->data_off;

	if (headers->v4) {
		struct rte_ipv4_hdr *ip = send_ip4(whole, headers);

		cutter->id = rte_be_to_cpu_16(ip->packet_id);
		ip->total_length = ip->packet_id = ip->hdr_checksum = 0;
		cutter->l3_sum =
		        sum_fold(sum_add(0, (const uint8_t *)ip, headers->l4 - headers->l3));
	}
	if (headers->tcp) {
		cutter->seq = rte_be_to_cpu_32(tcp->sent_seq);
		cutter->flags = *word;
		tcp->sent_seq = 0;
		tcp->cksum = *word = 0;
	} else {
		send_udp(whole, headers)->dgram_len = send_udp(whole, headers)->dgram_cksum = 0;
	}
	cutter->l4_sum = sum_pseudo(whole, headers);
	cutter->l4_sum += sum_fold(sum_add(0, (const uint8_t *)tcp, headers->data - headers->l4));
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
	sum += sum << 16 | sum >> 16; /* both halves and the carry of their sum in the upper one */
	return (uint16_t) ~(sum >> 16);
}

/* What the segments in the middle share, and the first and the last have for themselves: lengths
 * and flags, in the model, and in *sums, those of both headers with them. */
static void patch_model(const struct cutter *cutter, struct rte_mbuf *whole, uint32_t length,
                        bool first, bool last, uint32_t sums[2])
{
	const struct net_headers *headers = &cutter->headers;
	uint16_t l4_length = rte_cpu_to_be_16((uint16_t)(length - headers->l4));
	uint16_t covered = rte_cpu_to_be_16((uint16_t)(length - headers->l3));

	sums[0] = cutter->l3_sum + covered;
	sums[1] = cutter->l4_sum + l4_length;
	if (headers->v4)
		send_ip4(whole, headers)->total_length = covered;
	else
		send_ip6(whole, headers)->payload_len = rte_cpu_to_be_16(
		        (uint16_t)(length - headers->l3 - sizeof(struct rte_ipv6_hdr)));
	if (headers->tcp) {
		uint16_t flags = flags_of(cutter, first, last);

		memcpy(&send_tcp(whole, headers)->data_off, &flags, sizeof(flags));
		sums[1] += flags;
	} else {
		send_udp(whole, headers)->dgram_len = l4_length;
		sums[1] += l4_length;
	}
}

/* Writes at `to` what each segment has for itself. → the sum of its headers. */
static inline uint32_t patch(const struct cutter *cutter, uint8_t *to, uint32_t index,
                             const uint32_t sums[2])
{
	uint32_t seq;

	if (cutter->headers.v4) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(void *)(to + cutter->headers.l3);
		uint16_t id = rte_cpu_to_be_16((uint16_t)(cutter->id + index));

		ip->packet_id = id;
		ip->hdr_checksum = check_of(sums[0] + id);
	}
	if (!cutter->headers.tcp)
		return sums[1];
	seq = rte_cpu_to_be_32(cutter->seq + index * cutter->size);
	((struct rte_tcp_hdr *)(void *)(to + cutter->headers.l4))->sent_seq = seq;
	return sums[1] + (seq & 0xffff) + (seq >> 16);
}

/* All that is summed up goes into the segment at `to`. */
static inline void check(const struct cutter *cutter, uint8_t *to, uint32_t sum)
{
	uint16_t check = check_of(sum);

	if (cutter->headers.tcp)
		((struct rte_tcp_hdr *)(void *)(to + cutter->headers.l4))->cksum = check;
	else
		((struct rte_udp_hdr *)(void *)(to + cutter->headers.l4))->dgram_cksum =
		        check == 0 ? 0xffff : check;
}

/* Where the sum of its payload is not known. */
static __attribute__((noinline)) void check_all(const struct cutter *cutter, struct rte_mbuf *mbuf,
                                                uint32_t sum)
{
	uint32_t data = cutter->headers.data;

	if (cutter->by_port) {
		(void)offload_sum_by_port(cutter->port, mbuf, &cutter->headers);
		return;
	}
	sum += sum_fold(sum_bytes(mbuf, data, mbuf->pkt_len - data));
	check(cutter, rte_pktmbuf_mtod(mbuf, uint8_t *), sum);
}

/* ---- Segments ---- */

static void begin_cut(struct cutter *cutter, const struct net_ring *ring,
                      const struct exo_desc desc[], const struct outgoing *packet, bool summed)
{
	cutter->headers = packet->headers;
	cutter->port = packet->first.port;
	cutter->size = packet->first.segment_size;
	cutter->by_port = !summed && offload_by_port(cutter->port, &cutter->headers);
	cutter->model = rte_pktmbuf_mtod(packet->mbuf, const uint8_t *);
	begin_source(&cutter->source, ring->env->id, desc, cutter->headers.data);
	sum_model(cutter, packet->mbuf);
}

/* Copies header and payload of a segment. In blocks: there is room on both sides, and payload comes
 * over the rest. */
static inline __attribute__((always_inline)) bool copy_segment(struct cutter *cutter,
                                                               struct rte_mbuf *mbuf, uint8_t *to,
                                                               uint32_t length)
{
	struct source *source = &cutter->source;
	const uint32_t header = cutter->headers.data, n = length - header;

	rte_mov32(to, cutter->model);
	for (uint32_t at = BLOCK; at < header; at += BLOCK)
		rte_mov32(to + at, cutter->model + at);
	if (n > source->here || mbuf->next)
		return copy_parts(source, mbuf, header, n);
	copy_many(to + header, source->at, n);
	source->at += n;
	source->here -= n;
	return true;
}

static bool make_segment(struct cutter *cutter, struct rte_mbuf *mbuf, uint32_t index,
                         uint32_t length, const volatile uint16_t *sums, const uint32_t of[2])
{
	uint8_t *to;
	uint32_t sum;

	if (!mbuf->next)
		mbuf_set_length(mbuf, length);
	to = rte_pktmbuf_mtod(mbuf, uint8_t *);
	if (!copy_segment(cutter, mbuf, to, length))
		return false;
	sum = patch(cutter, to, index, of);
	if (sums)
		check(cutter, to, sum + sums[index]);
	else
		check_all(cutter, mbuf, sum);
	return true;
}

/* The same for the usual ones from the index-th on, in fewer steps, since they are most: of TCP,
 * their sums known, all alike, each with a short header, in one buffer, and of payload in a row.
 * Where the headers begin is known when this is compiled, or costs as much again. → the first one
 * that is not so. */
static inline __attribute__((always_inline)) uint32_t make_usual(
        struct cutter *cutter, struct rte_mbuf *const out[], uint32_t index, uint32_t end,
        const volatile uint16_t *sums, const uint32_t of[2], bool v4, uint32_t l3, uint32_t l4)
{
	typedef uint64_t word __attribute__((aligned(1), may_alias));
	const uint32_t n = cutter->size, data = cutter->headers.data, tail = n % 8;
	const uint32_t l3_sum = of[0], l4_sum = of[1];
	const block *model = (const block *)(const void *)cutter->model;
	const block a = model[0], b = model[1], c = model[2], d = model[3], e = model[4],
	            f = model[5];
	uint32_t seq = cutter->seq + index * n, id = cutter->id + index;
	struct source *source = &cutter->source;
	const uint32_t some = RTE_MIN(end - index, source->here / n), stop = index + some;
	const uint8_t *from = source->at;

	source->at += (size_t)some * n;
	source->here -= some * n;
	for (; index < stop; index++, seq += n, id++) {
		struct rte_mbuf *mbuf = out[index];
		uint8_t *to = (uint8_t *)mbuf->buf_addr + RTE_PKTMBUF_HEADROOM;
		block *header = (block *)(void *)to;
		struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(void *)(to + l4);
		uint32_t number = rte_cpu_to_be_32(seq);
		size_t words = n / 8;

		mbuf_set_length(mbuf, data + n);
		header[0] = a, header[1] = b, header[2] = c;
		header[3] = d, header[4] = e, header[5] = f;
		if (v4) {
			struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(void *)(to + l3);
			uint16_t own = rte_cpu_to_be_16((uint16_t)id);

			ip->packet_id = own;
			ip->hdr_checksum = check_of(l3_sum + own);
		}
		tcp->sent_seq = number;
		tcp->cksum = check_of(l4_sum + (number & 0xffff) + (number >> 16) + sums[index]);
		to += data;
		__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
		if (tail) {
			from += tail;
			*(word *)(void *)(to + tail - 8) = *(const word *)(const void *)(from - 8);
		}
	}
	return index;
}

/* IPv4 without options in Ethernet, or whatever it is. */
static uint32_t make_most(struct cutter *cutter, struct rte_mbuf *const out[], uint32_t index,
                          uint32_t end, const volatile uint16_t *sums, const uint32_t of[2])
{
	enum { L3 = RTE_ETHER_HDR_LEN, L4 = L3 + sizeof(struct rte_ipv4_hdr) };
	const struct net_headers *at = &cutter->headers;

	if (at->v4 && at->l3 == L3 && at->l4 == L4)
		return make_usual(cutter, out, index, end, sums, of, true, L3, L4);
	return make_usual(cutter, out, index, end, sums, of, at->v4, at->l3, at->l4);
}

/* All of them: the first and the last one are alike to those in the middle but for flags that they
 * rarely have, and for the last one's length. */
static bool make_segments(struct cutter *cutter, struct outgoing *packet,
                          const volatile uint16_t *sums, struct rte_mbuf *const out[])
{
	const uint32_t header = cutter->headers.data, last = packet->pieces - 1;
	const uint32_t length = header + cutter->size, end = packet->length - last * cutter->size;
	const bool usual = sums && cutter->headers.tcp && header <= HEADER_USUAL &&
	                   cutter->size >= sizeof(uint64_t) && length <= RTE_MBUF_DEFAULT_DATAROOM;
	const bool same_first = flags_of(cutter, true, false) == flags_of(cutter, false, false);
	const bool same_last =
	        end == length && flags_of(cutter, false, true) == flags_of(cutter, false, false);
	uint32_t of[2], i = 0;

	if (!same_first) {
		patch_model(cutter, packet->mbuf, length, true, false, of);
		if (!make_segment(cutter, out[i], i, length, sums, of))
			return false;
		i++;
	}
	patch_model(cutter, packet->mbuf, length, false, false, of);
	for (; i < last + same_last; i++) {
		if (usual)
			i = make_most(cutter, out, i, last + same_last, sums, of);
		if (i < last + same_last && !make_segment(cutter, out[i], i, length, sums, of))
			return false;
	}
	if (same_last)
		return true;
	patch_model(cutter, packet->mbuf, end, false, true, of);
	return make_segment(cutter, out[last], last, end, sums, of);
}

unsigned cut_packet(struct net_ring *ring, const struct exo_desc desc[], struct outgoing *packet,
                    const volatile uint16_t *sums)
{
	const uint32_t header = packet->headers.data, size = packet->first.segment_size;
	struct net_rest *rest = &ring->rest;
	struct cutter cutter;

	if (!port_buffers(packet->first.port, rest->mbufs, packet->pieces, header + size,
	                  packet->length - (packet->pieces - 1) * size))
		return EXO_EAGAIN;
	begin_cut(&cutter, ring, desc, packet, sums != NULL);
	if (!make_segments(&cutter, packet, sums, rest->mbufs)) {
		rte_pktmbuf_free_bulk(rest->mbufs, packet->pieces);
		return EXO_EFAULT;
	}
	rest->port = packet->first.port;
	rest->first = 0;
	rest->n = (uint16_t)packet->pieces;
	return 0;
}
