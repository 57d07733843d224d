/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fragments follow their first fragment.
 *
 * Only the first fragment of an IP datagram has the header that filters look at: ports, types. Who
 * gets that one gets the others. A table remembers, for a bounded time, who got a datagram's first
 * fragment, and holds fragments that arrive before it. It is shared by all cores.
 *
 * For each frame a receiver asks flt_fragment_parse(). NONE: the frame is a whole datagram, or no
 * IP at all. FIRST: it decides as for any frame (flt_fragment_whole() makes the frame to judge) and
 * tells flt_fragments_first() who won; what had been waiting comes back for the same owner. LATER:
 * flt_fragments_later() names the owner, or keeps the frame, or refuses it. The newest first
 * fragment counts: identifications are used again.
 *
 * Memory is bounded by the constants below, and so is what one pair of hosts can take: a pair's
 * datagrams live in one set, chosen by a keyed hash of source and destination (of an IPv6 source:
 * its /64), in which only the oldest makes room. Beyond them, held fragments make room oldest
 * first.
 *
 * Packets and owners are the caller's: opaque here. A packet that is held belongs to the table
 * until it comes back from flt_fragments_first() or goes through drop().
 */
#ifndef FLT_FRAGMENT_H
#define FLT_FRAGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "program.h"
#include "table.h"

enum {
	FLT_FRAGMENT_SETS = 256,     /* a power of two */
	FLT_FRAGMENT_WAYS = 8,       /* datagrams of a set */
	FLT_FRAGMENT_HELD_MAX = 256, /* fragments held at once; a power of two */
	FLT_FRAGMENT_SET_HELD_MAX = 64,
	FLT_FRAGMENT_DATAGRAM_HELD_MAX = 48, /* a 65,535-byte datagram in 1,500-byte frames: 45 */
};

enum flt_fragment_part { FLT_FRAGMENT_NONE, FLT_FRAGMENT_FIRST, FLT_FRAGMENT_LATER };

/* Which datagram a fragment belongs to; compared as bytes. */
struct flt_fragment_id {
	uint8_t source[16], target[16];
	uint32_t identification;
	uint16_t tags[2]; /* VLAN ids, the outer first; 0xffff: none */
	uint8_t version, protocol;
	uint16_t port; /* of the machine */
};

struct flt_fragment {
	struct flt_fragment_id id;
	uint32_t header; /* IPv6: offset of the fragment header in the frame; IPv4: 0 */
	uint32_t next;   /* IPv6: offset of the byte that announces it */
};

/*
 * What the frame is: IPv4, or IPv6 behind extension headers that every router may read, with up to
 * two VLAN tags. *fragment is filled in unless the answer is NONE. An IPv6 fragment that is a whole
 * datagram (RFC 6946) is NONE, and so is what is cut before its fragment header's end.
 */
enum flt_fragment_part flt_fragment_parse(const struct flt_frame *frame,
                                          struct flt_fragment *fragment);

/*
 * The frame by which a first fragment is judged: over IPv4 the frame itself; over IPv6 a copy
 * without the fragment header, in `room` of at least frame->len bytes, so that filters find the
 * header they look for. room may be where the frame lies.
 */
struct flt_frame flt_fragment_whole(const struct flt_frame *frame,
                                    const struct flt_fragment *fragment, void *room);

enum flt_fragment_drop {
	FLT_FRAGMENT_EXPIRED, /* its first fragment did not come in time */
	FLT_FRAGMENT_CROWDED, /* too many wait, or it was the oldest of them */
};

struct flt_fragments_config {
	uint64_t follow_ticks; /* how long a first fragment is remembered */
	uint64_t hold_ticks;   /* how long others wait for it */
	/* Takes back a packet that was held in vain. Runs under the table's lock, on any core: it
	 * may not call the table. */
	void (*drop)(void *packet, enum flt_fragment_drop cause);
};

struct flt_fragments;

int flt_fragments_create(struct flt_fragments **table, const struct flt_fragments_config *config,
                         struct flt_error *error);
/* Drops what is held. Nobody may be inside. */
void flt_fragments_destroy(struct flt_fragments *table);

/* A fragment that was held. */
struct flt_held {
	void *packet;
	uint64_t arrived; /* the `now` of flt_fragments_later */
};

/*
 * A first fragment was given to verdict.owner (NULL: nobody wants the datagram): the datagram's
 * other fragments go there too. held gets those that waited, in the order of their arrival, and
 * becomes the caller's; returns their number. *mark, 0 in a new owner, is the table's: it says that
 * the owner is followed, or forgotten; NULL: the owner never ends.
 */
uint32_t flt_fragments_first(struct flt_fragments *table, const struct flt_fragment_id *id,
                             uint64_t now, struct flt_verdict verdict, uint32_t *mark,
                             struct flt_held held[FLT_FRAGMENT_DATAGRAM_HELD_MAX]);

enum flt_fragment_fate {
	FLT_FRAGMENT_FOLLOWS, /* *verdict says whom */
	FLT_FRAGMENT_HELD,    /* the packet is the table's now */
	FLT_FRAGMENT_REFUSED, /* no room to wait; the packet stays the caller's */
};

enum flt_fragment_fate flt_fragments_later(struct flt_fragments *table,
                                           const struct flt_fragment_id *id, uint64_t now,
                                           void *packet, struct flt_verdict *verdict);

/*
 * Forgets an owner that ends, for ever: its datagrams become nobody's, also those whose first
 * fragment it still gets. No call that begins afterwards returns it; who got it before may be using
 * it until the next quiescent state. Costs next to nothing where no fragments follow it.
 */
void flt_fragments_forget(struct flt_fragments *table, const void *owner, uint32_t *mark);

/* Drops what has waited too long. Cheap where there is nothing: to be called at each poll. */
void flt_fragments_expire(struct flt_fragments *table, uint64_t now);

#endif
