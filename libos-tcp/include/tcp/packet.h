/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A TCP segment on its way out: addresses, a complete TCP header but for its checksum, and the
 * payload where the application has it.
 *
 * The driver puts an IP header in front and sees to the checksum: by hardware, by
 * tcp_packet_copy, which moves and sums in one pass, or by tcp_packet_sum over the pieces in place.
 * Where segment_size is not zero the payload may be longer than one segment (never longer than the
 * configured segment_max) and must be cut into segments of segment_size bytes: sequence numbers
 * advance, FIN and PSH stand on the last, CWR on the first.
 *
 * A driver that is not done with the payload when `output` returns (hardware fetches it later)
 * holds it: tcp_packet_hold on each piece, tcp_chunk_release when it was sent. Until then the
 * application's release callback waits, acknowledged or not. A held chunk belongs to the stack that
 * made it: release it before that is destroyed.
 */
#ifndef TCP_PACKET_H
#define TCP_PACKET_H

#include <udp/address.h>

enum {
	TCP_HEADER_MAX = 60,
	TCP_PIECES_MAX = 16, /* of one packet */
};

struct tcp_chunk; /* what an application queued */
struct tcp_content;

struct tcp_piece {
	const uint8_t *data;
	uint32_t size;
	uint16_t sum;                      /* tcp_content_sum of it, */
	bool summed;                       /* if that is known */
	struct tcp_chunk *chunk;           /* NULL: static content, which needs no holding */
	const struct tcp_content *content; /* whose sums are known, that it is a part of; NULL */
};

struct tcp_packet {
	const struct udp_ip *src, *dst;
	const uint8_t *header; /* TCP header with options; its checksum field is 0 */
	uint8_t header_size;
	uint8_t tos, ttl;
	uint8_t n_pieces;
	bool dont_fragment;
	uint16_t segment_size; /* 0: one segment */
	uint32_t size;         /* of the payload: the sum of all pieces */
	const struct tcp_piece *pieces;
	uint64_t route; /* what the driver last handed in with a segment of this conversation that
	                   was in order: its way back; 0: none yet */
};

/* Keeps the payload of a piece alive. NULL is allowed. */
void tcp_chunk_hold(struct tcp_chunk *chunk);
void tcp_chunk_release(struct tcp_chunk *chunk);

/* The checksum of the whole segment, to be stored by memcpy at offset 16 of the header. */
uint16_t tcp_packet_sum(const struct tcp_packet *packet);
/* Writes header, checksum and payload to `to`, which has room for header_size + size bytes. Only
 * for packets of one segment (segment_size 0). */
void tcp_packet_copy(const struct tcp_packet *packet, uint8_t *to);
/* The i-th segment of a packet that has to be cut, as a packet of its own: *header (TCP_HEADER_MAX
 * bytes) and pieces (TCP_PIECES_MAX) are filled and referred to by *segment. false: there is no
 * such segment. */
bool tcp_packet_cut(const struct tcp_packet *packet, uint32_t i, struct tcp_packet *segment,
                    uint8_t *header, struct tcp_piece *pieces);

/* The sums of the payload of each segment of a packet that has to be cut (RFC 1071, folded, not
 * complemented), at most `max`. → how many; 0: too many, or too much of it would have to be read.
 */
uint32_t tcp_packet_sums(const struct tcp_packet *packet, uint16_t *sums, uint32_t max);

#endif
