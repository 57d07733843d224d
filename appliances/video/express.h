/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The short way of RTP packets to the NIC: a transmit ring of their own, two descriptors each. The
 * first one names 42 bytes of Ethernet, IPv4 and UDP headers that were made once for the viewer,
 * and are patched (lengths, identification, checksums), with the RTP header behind them; the second
 * one the content where it lies. Checksums come from sums: nobody reads the content but the NIC.
 *
 * Once a second, and where the neighbour is not known, a packet goes by the stack's socket instead:
 * that keeps the neighbour's entry alive and finds out when it has moved.
 */
#ifndef VIDEO_EXPRESS_H
#define VIDEO_EXPRESS_H

#include <libexo/ring.h>
#include <udp/exo.h>

#include "server/server.h"

enum {
	EXPRESS_CHUNK_FRAMES =
	        1024, /* the kernel gives no more contiguous frames than a few thousand */
	EXPRESS_CHUNKS_MAX = 512, /* of a title: 2 GiB */
};

/* A title's object in frames of our own: only those may be sent from. */
struct express_content {
	uint8_t *base;
	uint32_t n_chunks;
	struct exo_pages chunks[EXPRESS_CHUNKS_MAX]; /* one behind the other in our addresses */
};

struct express {
	struct exo_ring ring;
	struct exo_pages headers; /* EXPRESS_HEADER_BYTES for each descriptor */
	struct udp_exo *driver;
	uint32_t head; /* of what was put into the ring, published or not */
	struct express_content content[VIDEO_TITLES_MAX];
	bool quiet;          /* nothing was put since the last doorbell */
	struct video *video; /* whose counters */
};

/* Makes the ring, for sending inside the driver's flow space, and counts in *video. 0 or a negative
 * enum exo_error. */
int express_open(struct express *express, struct udp_exo *driver, struct video *video,
                 uint32_t descriptors);
/* A copy of the object of the next title in frames from which it can be sent; `bytes` itself where
 * there are too few. */
const void *express_adopt(struct express *express, uint32_t title, const void *bytes,
                          uint64_t size);
/* The functions of struct video_ops; `context` is a struct express. */
bool express_send(void *context, struct video *video, const struct video_viewer *viewer,
                  struct video_leg *leg, const uint8_t *head, uint32_t head_size,
                  const uint8_t *content, const struct media_packet *packet);
void express_flush(void *context);

#endif
