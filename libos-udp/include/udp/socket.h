/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * UDP sockets (RFC 768): event-driven, without copies.
 *
 * A socket is memory of the application's. When a datagram arrives for it, the stack calls
 * `receive` with a description whose data lies in the buffer that the frame arrived in; the
 * description is the stack's, only to be read. Within that call the application may
 *
 *     - just read it: the buffer goes back afterwards;
 *     - keep it (udp_datagram_keep) and give it back later by udp_buffer_release;
 *     - answer in place (udp_socket_reply): the same buffer goes out again, with headers rewritten
 *       in front of the data that the application changed there.
 *
 * To send, udp_socket_reserve gives a buffer with room for all headers in front, the application
 * writes its data at buffer->data, and udp_socket_send builds the headers in place. What is longer
 * than the path's frames goes out in fragments by udp_socket_send_copy, which takes the data from
 * anywhere.
 */
#ifndef UDP_SOCKET_H
#define UDP_SOCKET_H

#include "stack.h"

enum {
	UDP_DATAGRAM_MAX4 = 65535 - 20 - 8, /* data bytes of a datagram over IPv4 */
	UDP_DATAGRAM_MAX6 = 65535 - 8,
};

struct udp_socket;
struct flow;

struct udp_datagram {
	uint8_t *data; /* writable: an answer may be written over it */
	uint32_t size;
	struct udp_endpoint from, to;
	uint8_t mac[UDP_MAC_BYTES]; /* the neighbour that it came from */
	uint8_t ttl;                /* or hop limit */
	uint8_t tos;                /* or traffic class */
	uint64_t time;              /* arrival, as in the buffer: udp_socket_when */
	struct udp_buffer *buffer;  /* NULL once kept or answered */
	struct flow *flow;          /* the stack's own */
};

/* Why an earlier datagram to `remote` did not arrive: an ICMP error that quotes it. */
enum udp_failure {
	UDP_FAILURE_UNREACHABLE = 1, /* network, host, or administratively */
	UDP_FAILURE_REFUSED = 2,     /* nobody listens at that port, or not to UDP at all */
	UDP_FAILURE_TOO_BIG = 3,     /* `value` is the path's MTU, 0: unknown */
	UDP_FAILURE_EXPIRED = 4,     /* TTL or reassembly time exceeded */
	UDP_FAILURE_NEIGHBOUR = 5,   /* the next hop does not answer */
};

typedef void udp_receive_fn(struct udp_socket *socket, struct udp_datagram *datagram);
typedef void udp_failure_fn(struct udp_socket *socket, enum udp_failure failure,
                            const struct udp_endpoint *remote, uint32_t value);

/* The application sets the first group before udp_socket_open; the second is the stack's. */
struct udp_socket {
	udp_receive_fn *receive;
	udp_failure_fn *failure;    /* NULL: not wanted */
	void *context;              /* the application's own */
	struct udp_endpoint local;  /* ip.family 0: any address; port 0: an ephemeral one */
	struct udp_endpoint remote; /* ip.family 0: anybody; else only this one is heard */
	uint8_t only_family;        /* 4 or 6: nothing of the other one; 0: both */
	uint8_t ttl;                /* 0: 64 */
	uint8_t tos;
	bool dont_fragment; /* sets DF; what is too long is refused with -UDP_EMSGSIZE */
	bool shared;        /* others may bind the same (multicast); all must say so */

	struct udp_stack *stack;
	struct udp_socket *next;
};

/* Puts a socket into the stack. 0, -UDP_EINVAL, -UDP_EINUSE, -UDP_ENOSPC (no ephemeral port left).
 * An ephemeral port is written to local.port. */
int udp_socket_open(struct udp_stack *stack, struct udp_socket *socket);
/* Takes it out again; may be called within `receive`. */
void udp_socket_close(struct udp_socket *socket);

/* When it arrived, or what time it is where that is not known: nanoseconds of the stack's clock. */
uint64_t udp_socket_when(struct udp_socket *socket, const struct udp_datagram *datagram);
/* Keeps the datagram's buffer beyond `receive`. → the buffer, the caller's. */
struct udp_buffer *udp_datagram_keep(struct udp_datagram *datagram);
/*
 * Answers with the first `size` bytes at datagram->data, in the same buffer, to the neighbour that
 * it came from: needs no route and no resolution. At most datagram->size plus the buffer's tail.
 * 0 or -UDP_EMSGSIZE, -UDP_EUNREACHABLE (was sent to no address of ours in particular and there is
 * none to answer from). Either way the buffer is gone. -UDP_EINVAL, and nothing happened, where it
 * had been kept or the socket is closed.
 */
int udp_socket_reply(struct udp_socket *socket, struct udp_datagram *datagram, uint32_t size);

/* A buffer for `size` bytes of data, at buffer->data. NULL: none. */
struct udp_buffer *udp_socket_reserve(struct udp_socket *socket, uint32_t size);
/* Sends buffer->data, buffer->size bytes, to `to` (NULL: the remote). Takes the buffer, whatever it
 * returns: 0, -UDP_EINVAL, -UDP_EUNREACHABLE, -UDP_EMSGSIZE (does not fit one frame). */
int udp_socket_send(struct udp_socket *socket, struct udp_buffer *buffer,
                    const struct udp_endpoint *to);
/* Sends a copy of `size` bytes, in fragments where needed. 0, or as udp_socket_send, -UDP_ENOBUFS
 */
int udp_socket_send_copy(struct udp_socket *socket, const void *data, uint32_t size,
                         const struct udp_endpoint *to);

#endif
