/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The short way of RTP packets to the NIC: a transmit ring of their own, two descriptors each. The
 * first one names the headers from Ethernet's to RTP's, which were made once for the viewer and are
 * patched (lengths, identification, checksums, sequence number, time); the second one the content
 * where it lies. Checksums come from sums: nothing here reads the content.
 *
 * Descriptors stand in pairs at places that never change, so that a packet writes only what differs
 * from the one that stood there before. Nothing is reported but what went wrong: what the tail has
 * passed may be written again.
 *
 * Every four seconds, and where the neighbour is not known, a packet goes by the stack's socket
 * instead: that keeps the neighbour's entry alive and finds out when it has moved.
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

/* Bytes of an object that lie in one piece. */
struct express_window {
	uint64_t from, bytes, physical;
};

/* A title's object in frames of our own: only those may be sent from. */
struct express_content {
	uint8_t *base;
	uint64_t linear; /* physical address, where it lies in one piece there too; else 0 */
	uint32_t n_chunks;
	struct exo_pages chunks[EXPRESS_CHUNKS_MAX]; /* one behind the other in our addresses */
};

struct express {
	struct exo_ring ring;
	struct exo_pages headers; /* one for each pair of descriptors */
	struct udp_exo *driver;
	uint32_t place, end; /* of the next packet's descriptors; where there is room no more */
	uint64_t bytes;      /* of RTP, since the last flush */
	struct express_window window; /* the last one that was looked for, of `title` */
	uint8_t title;
	struct express_content content[VIDEO_TITLES_MAX];
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
/* Zeroed memory for the object of title `title`, from which it can be sent. NULL: there are too
 * few frames. */
void *express_reserve(struct express *express, uint32_t title, uint64_t size);
void express_release(struct express *express, uint32_t title);
/* The functions of struct video_ops; `context` is a struct express. express_send goes the long way
 * and learns the short one. */
bool express_send(void *context, struct video *video, const struct video_viewer *viewer,
                  struct video_leg *leg, const uint8_t *head, uint32_t head_size,
                  const uint8_t *content, const struct media_packet *packet);
void express_burst(void *context, struct video *video, struct video_viewer *viewer,
                   uint32_t due_ms);
void express_flush(void *context);

#endif
