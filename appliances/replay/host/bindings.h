/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bindings of a replay, and what they should get.
 *
 * Two independent judges. *Matched* is libpcap's own verdict on each frame, binding by binding.
 * *Delivered* follows the total order of exo/flow.h, said as plainly as possible: among the
 * bindings whose expression libpcap accepts the frame for, the one with the most constrained bits,
 * then the oldest. Later fragments of a datagram go where its newest first fragment went, those
 * that came before it included; a first one is judged as the datagram that it begins, an IPv6 one
 * without its fragment header. Constrained bits are those of the declared flow, which is what the
 * filter engine extracts from the expression. Nothing here knows of the kernel's decision
 * structure.
 */
#ifndef REPLAY_HOST_BINDINGS_H
#define REPLAY_HOST_BINDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pcap/pcap.h>

#include <flt/expression.h>
#include <flt/fragment.h>
#include <replay/protocol.h>

enum { BINDINGS_MAX = 64 };

struct count {
	uint64_t packets, bytes;
};

struct binding {
	char name[REPLAY_NAME_MAX];
	const char *text;
	struct bpf_program program; /* libpcap's */
	struct flt_expression expression;
	struct count matched, delivered; /* as they should be */
	/* As the machine says. */
	bool reported;
	struct replay_result result;
};

/* A datagram of which a fragment was seen. */
struct datagram {
	struct flt_fragment_id id;
	bool decided; /* its first fragment came */
	struct binding *owner;
	struct count waiting; /* fragments before it */
};

struct bindings {
	struct binding all[BINDINGS_MAX];
	size_t n;
	struct count sent, unmatched; /* frames that were judged; of them, nobody's */
	struct datagram *datagrams;
	size_t n_datagrams;
	bool flow_misses; /* a flow that does not hold where libpcap accepts: our mistake */
};

/* Adds "NAME=EXPRESSION" (kept by reference). NULL, or why not: valid until the next call. */
const char *bindings_add(struct bindings *bindings, const char *text);
void bindings_free(struct bindings *bindings);

/* The binding of that name, or NULL. */
struct binding *bindings_find(struct bindings *bindings, const char *name);

/* Forgets what was judged. */
void bindings_restart(struct bindings *bindings);

/* Judges one frame. The age of bindings is the order of result.binding where all have reported,
 * else their place. */
void bindings_judge(struct bindings *bindings, const uint8_t *data, uint32_t length);

#endif
