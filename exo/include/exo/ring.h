/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packet rings: shared memory between one environment and the kernel, single producer and single
 * consumer each way.
 *
 * A ring object is a pair of queues in frames that the environment owns and that are pinned while
 * the ring lives:
 *
 *     receive ring   request queue: *fill*, empty buffers from the environment
 *                    response queue: *receive*, frames that arrived, in those buffers
 *     transmit ring  request queue: *transmit*, segments to send
 *                    response queue: *completion*, what became of them
 *
 * Each queue has `size` descriptors (a power of two) and two free-running indices on cache lines of
 * their own: the producer writes `head` after the descriptors below it, the consumer writes `tail`
 * after it has read them; head - tail (modulo 2^32) is the number of descriptors in use and never
 * exceeds size. A descriptor names memory by physical address; every frame that it touches must be
 * the environment's own. The kernel copies a descriptor once, checks the copy, and uses the copy. A
 * head that jumps beyond size stops the queue and is counted as bad_index.
 *
 * A packet of several segments takes consecutive descriptors, EXO_DESC_MORE set on all but the
 * last; they are published together. A transmit packet whose last segment is missing is refused,
 * and one of far too many segments in parts.
 *
 * Receive: fill buffers are used in order, several for one packet where they are smaller than it;
 * the packet's length is the sum of its descriptors' lengths, wire_length the bytes that it had on
 * the wire. A fill buffer that is not the environment's own, empty, or longer than
 * EXO_FRAME_BYTES_MAX comes back at once with length 0 and status EXO_EFAULT or EXO_EINVAL, and is
 * counted as bad_descriptor. A packet that finds too few buffers or too little room is dropped
 * whole and counted in the binding's record.
 *
 * Receive, EXO_RING_EXCHANGE: a packet of `exchange_least` bytes or more is not copied where the
 * kernel can help it. Each of its parts takes one fill buffer, which must be a whole page frame
 * that nobody pins or shares; that frame becomes the kernel's, and the one that the part lies in
 * the environment's, mapped where it had mapped its own. The receive descriptor's address lies in
 * the new frame, at any offset; the frame is zero around the packet. All other packets are copied
 * as ever: who compares the descriptor's frame with the one that it filled in knows which.
 *
 * Receive, EXO_RING_QUEUE: the whole of a NIC function's queue (exo_port_info.slots). `space` must
 * be all that can be received at that port, and no other port; bindings there get nothing while the
 * ring lives. The ring's buffers are the `n_buffers` frames from `first_buffer` on, whole ones,
 * into which the NIC writes by itself: nothing is copied, and no frame changes hands. They are
 * pinned until the ring ends, and empty at first: there is nothing to fill in before one has come.
 * A receive descriptor's address lies in one of them, at any offset, its cookie is the buffer's
 * number; filled in again (any address in it will do), it is empty. A buffer that is not out is
 * refused as above. Of those that are taken by force no more packets come. Revoking the space ends
 * the ring.
 *
 * Likewise on a port that is no function and has slots: there the NIC leads what the space's one
 * conjunction holds of to a queue of its own, and all else comes as ever. Refused where the NIC has
 * no rule for it (EXO_ENOSYS) and where another environment has a binding, but a host's, that could
 * lose by it (EXO_EBUSY); such bindings are refused while the ring lives. What is of the flow and
 * the NIC does not lead there (fragments, options, as NICs are) goes to the caller's bindings: who
 * wants to miss nothing has both.
 *
 * Receive, EXO_CALL_RING_OUTDO: of frames that say each all that the one before has said, and more,
 * the last is enough (acknowledgements of a stream, readings of a counter). The environment says
 * what such frames look like, at most EXO_OUTDONE_RULES sorts of them. A frame is *outdone*, and
 * left out, where the one directly behind it, which was taken from the NIC together with it and is
 * for the same binding, is as long, agrees with it in all bits of `same`, has a higher number at
 * `number`, and the same was said of both by hardware. What is left out is seen by no handler
 * either, and counted with the binding; `wanted` counts it as if it were there. Nobody checks that
 * what outdoes others is right: the environment may find its checksum wrong, and then it is as if
 * all of them had been lost. The kernel leaves out what is easy to: who wants the last one alone
 * still looks.
 *
 * Transmit: port, segment_size and the flags SUM, SEGMENT and REPORT count on a packet's first
 * descriptor. The kernel completes a packet with one descriptor: cookie of the packet's first
 * descriptor, length of the whole packet, status; always where it failed, and where REPORT was set
 * if it did not; in the order of the queue. A buffer of a packet with REPORT is the kernel's until
 * that completion; without it, buffers are free again as soon as tail has passed them. status:
 * EXO_EPERM outside the flow space, EXO_EINVAL malformed, EXO_EFAULT a frame is not the
 * environment's, EXO_E2BIG longer than the port sends or more segments than EXO_PIECES_MAX,
 * EXO_ENOENT no such port in the flow space, EXO_ESTALE the flow space was revoked.
 *
 * With REPORT, what lies behind the first 256 bytes of a long packet is sent from the environment's
 * frames, without a copy: they are pinned until the NIC has given them back, also when ring or
 * environment end before. What is written there meanwhile may be sent. Short packets are copied.
 *
 * Checksums are always made when they are asked for, and segments cut, by the port where it can and
 * by the kernel where not. EXO_DESC_SEGMENT: the packet is TCP or UDP over IPv4 or IPv6, at most
 * EXO_FRAME_BYTES_MAX long, with the lengths that it has as a whole; each segment has segment_size
 * bytes of its payload (the last one fewer), and all checksums. Of TCP's flags FIN and PSH go with
 * the last one, CWR with the first; identifications of IPv4 count up. UDP: datagrams, each with a
 * header of its own. What the flow space allows has to be told from those headers: where it looks
 * behind them, or at what each segment has for itself (lengths, identification, sequence number,
 * FIN, PSH, CWR, checksums), EXO_EPERM. With EXO_DESC_SUMS the last descriptor is no part of the
 * packet: it names, at an even address and in one frame, a uint16_t for each segment, the sum of
 * its payload (RFC 1071, folded, not complemented), which the kernel believes where it makes the
 * checksums.
 *
 * What an environment sends to the port's own MAC address does not leave: it is demultiplexed as if
 * it had arrived there. What it sends to a group leaves and comes in besides, for all environments
 * but itself. Such frames have EXO_DESC_LOCAL set: no one outside can have made them.
 */
#ifndef EXO_RING_H
#define EXO_RING_H

#include <stdint.h>

#include "cap.h"

enum {
	EXO_RING_VERSION = 1,
	EXO_RING_SIZE_MIN = 8,
	EXO_RING_SIZE_MAX = 32768,
	EXO_SEGMENTS_MAX = 32,       /* descriptors of one packet */
	EXO_PIECES_MAX = 128,        /* segments that one packet may be cut into */
	EXO_FRAME_BYTES_MAX = 65535, /* bytes of one packet, all segments */
	EXO_OUTDONE_RULES = 4,       /* of one ring */
	EXO_OUTDONE_BYTES = 80,      /* of a frame that is compared with the next */
};

enum exo_ring_kind {
	EXO_RING_RECEIVE = 1,
	EXO_RING_TRANSMIT = 2,
};

/* How received frames reach the environment. */
enum exo_ring_mode {
	EXO_RING_COPY = 0,     /* copied into fill buffers */
	EXO_RING_EXCHANGE = 1, /* long ones change owner, see above */
	EXO_RING_QUEUE = 2, /* a NIC function's queue, whose buffers are the environment's frames */
};

enum exo_desc_flags {
	EXO_DESC_MORE = 1 << 0, /* the packet goes on in the next descriptor */
	EXO_DESC_CUT = 1 << 1,  /* receive: the buffers were too small; wire_length: how much there
	                           was */
	EXO_DESC_L3_SUM_OK = 1 << 2, /* receive: hardware found the IPv4 header checksum right */
	EXO_DESC_L4_SUM_OK = 1 << 3, /* receive: likewise TCP's or UDP's, or it need not be */
	EXO_DESC_SUM_BAD = 1 << 4,   /* receive: hardware found a checksum wrong */
	EXO_DESC_TAP = 1 << 5,       /* receive: a copy of what somebody else received */
	EXO_DESC_L3_SUM = 1 << 6,    /* transmit: fill in the IPv4 header checksum */
	EXO_DESC_L4_SUM = 1 << 7,    /* transmit: fill in the TCP or UDP checksum */
	EXO_DESC_SEGMENT = 1 << 8,   /* transmit: cut into segments of segment_size payload bytes */
	EXO_DESC_REPORT = 1 << 9,    /* transmit: complete it also where all went well; errors are
	                                reported in any case */
	EXO_DESC_LOCAL = 1 << 10,    /* receive: an environment of this machine sent it */
	EXO_DESC_SENT = 1 << 11, /* receive, with TAP: it left by the port, as it was handed to it:
	                            what the port fills in or cuts is still to be done */
	EXO_DESC_SUMS = 1 << 12, /* transmit, with SEGMENT: the sums of payload are known */
};

/* One segment. Written by the producer, untouched by the consumer. */
struct exo_desc {
	uint64_t address; /* physical address of the first byte */
	uint32_t length;  /* bytes of this segment (fill: room) */
	uint16_t flags;   /* enum exo_desc_flags */
	uint16_t status;  /* completion: 0, or enum exo_error */
	uint64_t cookie; /* the environment's own: comes back from fill in receive, from transmit in
	                    completion */
	uint64_t timestamp; /* receive: TSC when the frame was taken from the NIC; completion: when
	                       handed to it */
	uint32_t wire_length;  /* receive: bytes of the whole packet; on its first descriptor */
	uint16_t port;         /* receive: where it arrived; transmit: where it leaves */
	uint16_t segment_size; /* transmit with EXO_DESC_SEGMENT: payload bytes of each segment */
	uint32_t binding;      /* receive: low 32 bits of the binding's id */
	uint32_t hash;         /* receive: RSS hash where the port computes one, else 0 */
	uint64_t reserved[2];  /* 0 */
};

/* A queue's head: three cache lines, then the descriptors. */
struct exo_queue {
	/* Written once by the kernel when the ring is made; it keeps its own copy. */
	uint32_t version; /* EXO_RING_VERSION */
	uint32_t size;    /* descriptors */
	/* Transmit, request queue: written by the kernel while the ring lives. Not 0: its core
	 * looks at head by itself, no doorbell is needed. Who skips the doorbell reads it behind a
	 * full fence after writing head. */
	uint32_t watched;
	uint8_t pad0[52];
	/* Written by the producer. */
	uint32_t head;
	uint8_t pad1[60];
	/* Written by the consumer. */
	uint32_t tail;
	/* Response queues: written by the environment at any time. Fewer descriptors than so many
	 * between tail and head wake nobody: for a while, a wait with a deadline, in which one by
	 * one is dearer than late. Behind what makes it less stands a full fence before head is
	 * read. */
	uint32_t wanted;
	uint8_t pad2[56];
	struct exo_desc desc[];
};

/* What the kernel counts for a ring; at the end of the ring's memory, see exo_ring_bytes. */
struct exo_ring_counters {
	uint64_t packets, bytes;   /* delivered, or handed to the NIC */
	uint64_t refused;          /* transmit: outside the flow space, or unparsable */
	uint64_t bad_descriptor;   /* frame not owned, length or offset wrong, too many segments */
	uint64_t bad_index;        /* head or tail out of range; the queue is stopped */
	uint64_t nic_full;         /* transmit: attempts that had to wait for the NIC */
	uint64_t completions_lost; /* completion queue full */
	uint64_t reserved;
};

_Static_assert(sizeof(struct exo_desc) == 64, "exo_desc is one cache line");
_Static_assert(sizeof(struct exo_queue) == 192, "exo_queue is three cache lines");
_Static_assert(sizeof(struct exo_ring_counters) == 64, "exo_ring_counters is one cache line");

/*
 * A ring's memory, contiguous frames from `first_frame`: the request queue, the response queue
 * (both of `size` descriptors), then struct exo_ring_counters.
 */
static inline uint64_t exo_queue_bytes(uint32_t size)
{
	return sizeof(struct exo_queue) + (uint64_t)size * sizeof(struct exo_desc);
}

static inline uint64_t exo_ring_bytes(uint32_t size)
{
	return 2 * exo_queue_bytes(size) + sizeof(struct exo_ring_counters);
}

/* Argument of EXO_CALL_RING_CREATE. */
struct exo_ring_create {
	uint32_t kind; /* enum exo_ring_kind */
	uint32_t mode; /* enum exo_ring_mode; transmit: EXO_RING_COPY */
	uint32_t size; /* descriptors per queue: a power of two */
	uint32_t core; /* transmit: the core that sends from it; receive: the core that delivers to
	                  it where a binding has several; either: whose PE is woken */
	uint64_t first_frame; /* frame number; the caller owns all frames that exo_ring_bytes covers
	                       */
	uint32_t exchange_least; /* EXO_RING_EXCHANGE: shorter packets are copied */
	uint32_t n_buffers;      /* EXO_RING_QUEUE: the port's slots; else 0 */
	uint64_t first_buffer;   /* EXO_RING_QUEUE: frame number of the first one; else 0 */
	struct exo_cap space;    /* transmit: flow space with EXO_RIGHT_SEND; EXO_RING_QUEUE: with
	                            EXO_RIGHT_BIND; other receive rings: all zero */
	struct exo_cap out;      /* written: the ring's capability */
};

/* A sort of frames the last of which is enough. */
struct exo_outdone {
	uint16_t least, most; /* bytes of such a frame */
	uint16_t number;      /* where among the bytes that are compared 32 bits in network order
	                         lie, of which those are higher that are ahead by less than 2^31 */
	uint16_t reserved[5]; /* 0 */
	/* What a frame is told by: its bits under `mask` are those of `value`; and what the next
	   one must have in common with it, all of `mask` included. Nothing beyond `least`. */
	uint8_t mask[EXO_OUTDONE_BYTES], value[EXO_OUTDONE_BYTES];
	uint8_t same[EXO_OUTDONE_BYTES];
};

_Static_assert(sizeof(struct exo_outdone) == 16 + 3 * EXO_OUTDONE_BYTES, "no holes");

/* Argument of EXO_CALL_RING_OUTDO. */
struct exo_ring_outdo {
	struct exo_cap ring; /* a receive ring of the caller's that has no rules yet */
	uint64_t rules;      /* address of struct exo_outdone[n_rules] */
	uint32_t n_rules;    /* 1 … EXO_OUTDONE_RULES */
	uint32_t reserved;   /* 0 */
};

#endif
