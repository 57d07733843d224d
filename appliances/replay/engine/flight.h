/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frames under way: sent, and neither returned nor given up. Each is remembered under a key
 * until it is older than the time-out, then forgotten: what had not returned by then is lost, what
 * had is no longer known as a duplicate. Memory is fixed; every step costs the same whatever is
 * under way.
 */
#ifndef REPLAY_ENGINE_FLIGHT_H
#define REPLAY_ENGINE_FLIGHT_H

#include <stdbool.h>
#include <stdint.h>

struct flight_entry {
	uint64_t key;
	uint64_t due_ns, sent_ns;
	uint32_t next, previous; /* in its chain: 1 + index; 0: none */
	uint32_t tag;            /* the sender's: which binding or flow */
	bool returned;
};

struct flight_chain {
	uint32_t first, last; /* 1 + index; 0: none */
};

struct flight {
	struct flight_entry *entries; /* a ring over the sequence numbers */
	struct flight_chain *out, *back;
	uint64_t mask;
	uint64_t head, tail; /* sequence numbers [tail, head) are remembered */
	uint64_t highest;    /* 1 + the highest that returned */
	uint64_t crowded;    /* forgotten before their time for want of room */
};

enum flight_fate {
	FLIGHT_FOREIGN,   /* nothing that was sent has that key */
	FLIGHT_RETURNED,  /* for the first time */
	FLIGHT_DUPLICATE, /* again */
};

struct flight_return {
	uint64_t sequence;
	struct flight_entry entry;
	bool ambiguous; /* others with the same key were under way: the oldest was taken */
	bool reordered; /* one sent later returned earlier (RFC 4737, section 3.3) */
};

/* Room for 1 << bits frames. 0 or -ENOMEM. */
int flight_open(struct flight *flight, unsigned bits);
void flight_close(struct flight *flight);

/* Remembers a frame; its sequence number is the value of head before. *lost is the entry that had
 * to give way, where that had not returned; returns whether there was one. */
bool flight_add(struct flight *flight, const struct flight_entry *entry, struct flight_entry *lost);

/* What is known of an arriving frame. */
enum flight_fate flight_return(struct flight *flight, uint64_t key, struct flight_return *what);

/* Forgets the oldest frame if it was sent before `before_ns`. False where none was; else *lost is
 * it, with `returned` saying whether it really is lost. */
bool flight_expire(struct flight *flight, uint64_t before_ns, struct flight_entry *lost);

#endif
