/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Another transport protocol on this stack's IP layer: TCP, as a library of its own.
 *
 * It hears of packets, errors and time by three functions, and sends by udp_transport_send. A
 * buffer that it wants to keep it takes over; it goes back by udp_buffer_release.
 */
#ifndef UDP_TRANSPORT_H
#define UDP_TRANSPORT_H

#include "socket.h"

/* The neighbour that a packet came from, in eight bytes: the way back. 0: none. */
typedef uint64_t udp_way;

/* A packet of the protocol, whole and checked as far as IP goes. */
struct udp_transport_packet {
	const struct udp_ip *src, *dst; /* for as long as the call lasts */
	uint8_t *data;                  /* the transport header */
	uint32_t size;
	uint32_t tail; /* writable bytes behind, in the same buffer */
	uint8_t tos, ttl;
	bool checksum_ok; /* hardware found the transport checksum right */
	bool to_group;    /* to a broadcast or multicast address */
	udp_way way;
	struct udp_buffer *buffer; /* whose memory it is */
};

struct udp_transport {
	/* true: the buffer is the transport's now. */
	bool (*input)(void *context, const struct udp_transport_packet *packet);
	/* A packet of ours failed: `quote` is what is known of its transport header and payload.
	   Untrusted: whoever can vouch for the quote (TCP: its sequence number is under way) says
	   so by udp_transport_believe, where `failure` is TOO_BIG and `value` the path's MTU now.
	 */
	void (*error)(void *context, const struct udp_ip *local, const struct udp_ip *remote,
	              const uint8_t *quote, uint32_t size, enum udp_failure failure,
	              uint32_t value);
	/* From udp_stack_run. → when to be called again at the latest. */
	uint64_t (*run)(void *context, uint64_t now);
	/* Whether `run` has nothing to do before the time that it told last, not even to look at
	   the clock; NULL: nobody knows. */
	bool (*rests)(void *context);
};

/* Hands the protocol (PROTOCOL_TCP; one only) to a transport; NULL: to nobody again. *transport
 * must live as long. 0 or -UDP_EINVAL. */
int udp_transport_set(struct udp_stack *stack, uint8_t protocol,
                      const struct udp_transport *transport, void *context);

struct udp_transport_send {
	struct udp_ip src, dst; /* src must be known: it is in the checksum */
	uint8_t protocol, ttl, tos;
	bool dont_fragment;
	udp_way way; /* straight to that neighbour; 0: by route and neighbour table */
	/* What the interface's driver does (udp_transport_offload): */
	bool sum;                       /* make the transport checksum; its field is 0 */
	uint16_t segment_size;          /* cut into segments of so many bytes; 0: one packet */
	uint16_t n_pieces;              /* payload behind buffer->data: at most UDP_PIECES_MAX */
	const struct udp_piece *pieces; /* copied; each where udp_transport_reaches */
	uint16_t n_sums;                /* as in struct udp_payload */
	const uint16_t *sums;           /* copied */
	void (*done)(void *owner);      /* as in struct udp_payload */
};

/* What a packet without any of that is sent by: as above. */
struct udp_transport_brief {
	const struct udp_ip *src, *dst;
	uint8_t protocol, ttl, tos;
	bool dont_fragment;
	udp_way way;
};

/* What the interface of one of our addresses can do; flags 0: nothing, or it is not ours. */
struct udp_offload udp_transport_offload(struct udp_stack *stack, const struct udp_ip *local);
/* Whether payload can be sent from there. */
bool udp_transport_reaches(const struct udp_stack *stack, const void *data, uint32_t size);

/* The address to speak to `remote` from, in *local where its family is 0. → the MTU; 0: no way, or
 * *local is not ours. */
uint32_t udp_transport_path(struct udp_stack *stack, const struct udp_ip *remote,
                            struct udp_ip *local);
/* Whether `remote` is everybody on one of our links: 255.255.255.255, or a network's last address
 * (RFC 919). */
bool udp_transport_is_broadcast(const struct udp_stack *stack, const struct udp_ip *remote);
/* The error was about a packet of ours: the path's MTU, as it was told, holds for all who send
 * there, for ten minutes (RFC 1191, RFC 8201). udp_transport_path gives it from then on. */
void udp_transport_believe(struct udp_stack *stack, const struct udp_ip *remote, uint32_t mtu);
/* Bytes of a whole packet, IP header included, that reach `dst` from `src` (family 0: any) in one
 * piece as far as is known; 0: there is no route. */
uint32_t udp_path_mtu(struct udp_stack *stack, const struct udp_ip *src, const struct udp_ip *dst);
/* A buffer for `size` bytes of transport header and payload, at buffer->data. NULL: none. */
struct udp_buffer *udp_transport_reserve(struct udp_stack *stack, uint32_t size);
/* Sends buffer->data, and what *send names besides. 0, -UDP_EUNREACHABLE, -UDP_EMSGSIZE (does not
 * fit the link: to heed the path is the transport's part, which alone knows whether what is said of
 * it is true); the buffer is gone, and the pieces are done with. A buffer that is to have pieces
 * holds no more than the transport's header. */
int udp_transport_send(struct udp_stack *stack, const struct udp_transport_send *send,
                       struct udp_buffer *buffer);
/* The same of buffer->data alone, from whom and to whom most often went before: quicker. */
int udp_transport_send_brief(struct udp_stack *stack, const struct udp_transport_brief *brief,
                             struct udp_buffer *buffer);
/* What to send by to `remote` where `way` seems to lead nowhere any more: 0, if the next hop is
 * known or can be asked for; else that way. */
udp_way udp_transport_reroute(struct udp_stack *stack, const struct udp_ip *remote,
                              const struct udp_ip *local, udp_way way);
/* The driver's clock and random numbers. */
uint64_t udp_transport_now(struct udp_stack *stack);
uint64_t udp_transport_random(struct udp_stack *stack);
/* When a packet arrived, or what time it is where that is not known. */
uint64_t udp_transport_when(struct udp_stack *stack, const struct udp_buffer *buffer);

#endif
