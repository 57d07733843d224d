/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Buffers: memory that holds one frame and has one owner at a time.
 *
 * The driver makes them (struct udp_ops in stack.h). A buffer handed to udp_stack_input or to the
 * output function belongs to the receiver of that call from then on, and the caller does not touch
 * it again. Whoever owns one and has no use for it gives it back by udp_buffer_release. Thus a
 * request's buffer can become the answer's without a copy.
 */
#ifndef UDP_BUFFER_H
#define UDP_BUFFER_H

#include <stddef.h>
#include <stdint.h>

enum {
	/* Room in front of the payload that every buffer of the allocate function has: Ethernet
	   with a VLAN tag, IPv6, and a transport header of up to 60 bytes, rounded up. */
	UDP_HEADROOM = 128,
};

enum udp_buffer_flags {
	UDP_BUFFER_L3_OK = 1 << 0, /* received: hardware found the IPv4 header checksum right */
	UDP_BUFFER_L4_OK = 1 << 1, /* received: hardware found the transport checksum right */
	UDP_BUFFER_BAD = 1 << 2,   /* received: damaged, or cut: count it and drop it */
	UDP_BUFFER_LOCAL = 1 << 4, /* received: another program of this machine sent it */
	UDP_BUFFER_OWNED = 1 << 3, /* the stack's own (reassembled): never the driver's */
	UDP_BUFFER_SUM = 1 << 5,   /* to be sent: the driver makes the transport checksum */
};

enum {
	UDP_PIECES_MAX = 16,   /* of one packet's payload */
	UDP_SEGMENTS_MAX = 48, /* of one packet whose segments' sums are known */
};

/* Payload that is sent from where it lies. */
struct udp_piece {
	const uint8_t *data;
	uint32_t size;
	void *owner; /* for `done`; NULL: nobody need know */
};

/* What follows a buffer's bytes in a packet to be sent. */
struct udp_payload {
	uint32_t size;         /* bytes, of all pieces */
	uint16_t segment_size; /* the driver cuts the packet into so many bytes each; 0: it is one
	                        */
	uint16_t n, n_sums;    /* the latter: 0, or one for each segment */
	/* Called once for each piece that has an owner, when it has been sent or given up: from
	   within the driver's poll, or from within the function that was to send it. */
	void (*done)(void *owner);
	struct udp_piece pieces[UDP_PIECES_MAX];
	uint16_t sums[UDP_SEGMENTS_MAX]; /* RFC 1071, folded, not complemented: of the payload */
};

struct udp_buffer {
	uint8_t *data;               /* first byte in use */
	uint32_t size;               /* bytes in use */
	uint32_t head;               /* writable bytes in front of data */
	uint32_t tail;               /* writable bytes behind data + size */
	uint16_t flags;              /* enum udp_buffer_flags */
	uint8_t interface;           /* index: where it arrived, or where it leaves */
	uint8_t place;               /* the driver's own: where it believes the buffer to be */
	struct udp_payload *payload; /* to be sent: what follows data + size; NULL: nothing */
	uint64_t time;               /* received: arrival, as udp_ops.when knows it; 0: unknown */
};

/* Takes `bytes` from the front out of use. The caller knows that there are as many. */
static inline void udp_buffer_pull(struct udp_buffer *buffer, uint32_t bytes)
{
	buffer->data += bytes;
	buffer->size -= bytes;
	buffer->head += bytes;
}

/* Takes `bytes` of room in front into use. → the new first byte; NULL where there is less. */
static inline uint8_t *udp_buffer_push(struct udp_buffer *buffer, uint32_t bytes)
{
	if (buffer->head < bytes)
		return NULL;
	buffer->data -= bytes;
	buffer->size += bytes;
	buffer->head -= bytes;
	return buffer->data;
}

/* Makes `size` the number of bytes in use, at the end. 0, or -1 where there is no room. */
static inline int udp_buffer_resize(struct udp_buffer *buffer, uint32_t size)
{
	if (size > buffer->size && size - buffer->size > buffer->tail)
		return -1;
	buffer->tail = buffer->tail + buffer->size - size;
	buffer->size = size;
	return 0;
}

/* Bytes of the packet, behind whatever is still to come in front. */
static inline uint32_t udp_buffer_whole(const struct udp_buffer *buffer)
{
	return buffer->size + (buffer->payload != NULL ? buffer->payload->size : 0);
}

/* For whoever makes the buffers: a packet has been sent, or given up. */
static inline void udp_buffer_done(struct udp_buffer *buffer)
{
	struct udp_payload *payload = buffer->payload;

	buffer->payload = NULL;
	for (unsigned i = 0; payload != NULL && i < payload->n; i++)
		if (payload->pieces[i].owner != NULL)
			payload->done(payload->pieces[i].owner);
}

#endif
