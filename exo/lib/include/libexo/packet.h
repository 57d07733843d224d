/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Receiving and sending whole frames: a ring together with its buffers.
 *
 * Receive: exo_rx_burst hands out frames that lie in buffers of the receiver; they belong to the
 * caller until exo_rx_release gives the buffers back to the kernel. Frames are at most one buffer
 * long: longer ones arrive cut (EXO_DESC_CUT), length says how much is there, wire_length how much
 * there was.
 *
 * Transmit: exo_tx_take hands out an empty buffer, exo_tx_send sends it (the buffer comes back by
 * itself when the NIC is done), exo_tx_drop gives it back unsent. exo_tx_flush rings the doorbell:
 * once per burst. What the kernel refused is counted, and its reason kept.
 */
#ifndef LIBEXO_PACKET_H
#define LIBEXO_PACKET_H

#include "ring.h"

enum {
	EXO_BUFFER_BYTES = 2048, /* holds a frame of the usual MTU, with room to spare */
};

struct exo_rx {
	struct exo_ring ring;
	struct exo_pages buffers;
	struct exo_pages index;
	uint64_t *frames; /* exchange: which frame each buffer is now; in index. NULL: copy */
	uint32_t buffer_bytes;
	bool queue;        /* EXO_RING_QUEUE: a packet begins anywhere in its buffer */
	bool inside;       /* the next descriptor continues a frame that was cut */
	uint64_t cut;      /* frames that were longer than a buffer */
	uint64_t rejected; /* buffers that the kernel found bad: our own mistake */
};

struct exo_rx_frame {
	uint8_t *data; /* first byte of the Ethernet header */
	uint32_t length;
	uint32_t wire_length;
	uint64_t timestamp; /* TSC when it was taken from the NIC */
	uint32_t buffer;    /* for exo_rx_release */
	uint16_t flags;     /* enum exo_desc_flags */
	uint16_t port;
	uint32_t binding; /* low 32 bits of the binding's id */
	uint32_t hash;
};

/*
 * A receive ring of `size` descriptors with as many buffers of `buffer_bytes` (a divisor of a page,
 * or a multiple of it), filled. 0 or a negative enum exo_error; then *rx is empty.
 */
int exo_rx_open(struct exo_rx *rx, uint32_t size, uint32_t buffer_bytes, uint32_t core);
/* Likewise, with whole frames as buffers, which are exchanged for those of packets of `least` bytes
 * or more (EXO_RING_EXCHANGE). Those may begin anywhere in their buffer. */
int exo_rx_open_exchange(struct exo_rx *rx, uint32_t size, uint32_t least, uint32_t core);
/* Likewise the queue of a NIC function with `slots` buffers (exo_port_info), of which `space` is
 * all that comes to it (EXO_RING_QUEUE). */
int exo_rx_open_queue(struct exo_rx *rx, uint32_t slots, uint32_t core,
                      const struct exo_cap *space);
int exo_rx_close(struct exo_rx *rx);

/* Up to `n` frames that have arrived. → how many. */
uint32_t exo_rx_burst(struct exo_rx *rx, struct exo_rx_frame *frames, uint32_t n);

/* Gives the buffers of `n` frames back, in any order. */
void exo_rx_release(struct exo_rx *rx, const struct exo_rx_frame *frames, uint32_t n);

struct exo_tx {
	struct exo_ring ring;
	struct exo_pages buffers;
	struct exo_pages index; /* the stack of free buffers */
	uint32_t *free;         /* in index */
	uint32_t n_free, n_buffers;
	uint32_t buffer_bytes;
	bool unflushed;      /* something was sent since the last doorbell */
	uint64_t sent;       /* frames handed to the ring */
	uint64_t refused;    /* completed with an error */
	uint16_t last_error; /* enum exo_error of the last refusal */
};

struct exo_tx_buffer {
	uint8_t *data; /* buffer_bytes of room */
	uint32_t buffer;
};

/* A transmit ring that sends inside `space`. Otherwise as exo_rx_open. */
int exo_tx_open(struct exo_tx *tx, uint32_t size, uint32_t buffer_bytes, uint32_t core,
                const struct exo_cap *space);
int exo_tx_close(struct exo_tx *tx);

/* An empty buffer, or -EXO_EAGAIN: all are on their way; completions will bring them back. */
int exo_tx_take(struct exo_tx *tx, struct exo_tx_buffer *buffer);
void exo_tx_drop(struct exo_tx *tx, const struct exo_tx_buffer *buffer);

/*
 * Sends `length` bytes of `buffer` on `port`; `flags`: EXO_DESC_L3_SUM, EXO_DESC_L4_SUM. The buffer
 * is the ring's from now on. 0, -EXO_EAGAIN (no room: the caller still has the buffer), -EXO_EINVAL
 * (length).
 */
int exo_tx_send(struct exo_tx *tx, const struct exo_tx_buffer *buffer, uint32_t length,
                uint16_t port, uint16_t flags);

/* Tells the polling core, where something was sent since the last flush. */
void exo_tx_flush(struct exo_tx *tx);
/* The same, and sleeps like exo_wait (libexo/call.h), for one crossing of the border. */
int64_t exo_tx_wait(struct exo_tx *tx, uint64_t deadline);

/* Takes completions; exo_tx_take does so by itself when it runs out of buffers. → how many. */
uint32_t exo_tx_reclaim(struct exo_tx *tx);

#endif
