/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One of the machine's cables, seen from this side: a UNIX socket on which QEMU's `-netdev stream`
 * calls, and which carries each Ethernet frame behind its length (4 bytes, big-endian).
 *
 * Sockets do not block: what QEMU does not take yet is kept, at most LINK_BACKLOG bytes of it.
 */
#ifndef REPLAY_HOST_LINK_H
#define REPLAY_HOST_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	LINK_FRAME_MAX = 65536 + 4096, /* QEMU's NET_BUFSIZE, the longest it takes */
	LINK_BACKLOG = 1 << 20,
};

struct link {
	int listener, socket; /* -1: closed */
	uint8_t *in, *out;    /* malloc'ed */
	size_t in_size, out_start, out_size;
	size_t taken; /* bytes of `in` that the last frame handed out takes up */
};

/* Listens at path, which must not be there yet. 0 or -errno. */
int link_listen(struct link *link, const char *path);
void link_close(struct link *link);

/* Waits for QEMU until the socket is connected. 0, -EAGAIN (nobody has called yet), or -errno. */
int link_accept(struct link *link);

/* Whether a frame of that length finds room in the backlog. */
bool link_has_room(const struct link *link, uint32_t length);

/* Queues a frame; there must be room. */
void link_send(struct link *link, const void *frame, uint32_t length);

/* Writes what the socket takes. 0 or -errno. */
int link_flush(struct link *link);

/* Reads what the socket has. 0, -EPIPE where the machine has gone, or -errno. */
int link_fill(struct link *link);

/* The next whole frame that was read, valid until the next call here or of link_fill: its length;
 * 0: none; -EPROTO: the other side does not keep to the format. */
int link_next(struct link *link, const uint8_t **frame);

/* The poll(2) events to wait for. */
short link_events(const struct link *link);

#endif
