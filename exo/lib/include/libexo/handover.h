/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Live replacement: listening flows go from one environment to another while both run, and no
 * connection is cut.
 *
 * Whoever takes over has the flow in its manifest as `standby`: the right to it from the start,
 * bound only when it is told to TAKE. It then stands behind the one that has the flow, who is
 * older. That one is told to GIVE:
 *
 *   1. For half a second it goes on listening. Towards the end it binds the four-tuple of each peer
 *      that sends a SYN to its own ring before its stack sees that: those that have only been told
 *      a SYN cookie become connections, too.
 *   2. It binds the four-tuples of all its connections, half-open ones included: more constrained
 *      bits win over the listening flow, whoever has that.
 *   3. It lets go of the listening flows: from this moment the other one has them. SYNs that lie in
 *      its ring are still its own.
 *   4. Each four-tuple is let go some seconds after its connection has ended.
 *
 * Both orders are transfers (EXO_CALL_SEND) that the monitor's `replace` sends; the right to call
 * an environment is the authority. An environment that has given takes back by TAKE: its own flows
 * are bound again, behind whoever has them.
 *
 * Interface: exo_handover_open; then, in the loop that polls, where exo_handover_active says so,
 * exo_handover_frame for each frame before the stack sees it, and exo_handover_run.
 */
#ifndef LIBEXO_HANDOVER_H
#define LIBEXO_HANDOVER_H

#include <stdbool.h>

#include <exo/cap.h>
#include <exo/start.h>

#include "memory.h"

/* The first word of a transfer; the second is the port whose flows are meant, 0: all. */
enum exo_handover_order {
	EXO_HANDOVER_TAKE = 0x4841,
	EXO_HANDOVER_GIVE = 0x4842,
};

enum {
	EXO_HANDOVER_FLOWS_MAX = 16,
	EXO_HANDOVER_KEPT_MAX = 4096, /* connections that stay */
	EXO_HANDOVER_BUCKETS = 1024,
};

/* A TCP connection, ports in host order, addresses as on the wire (IPv4: the first four bytes). */
struct exo_handover_peer {
	uint8_t family; /* 4 or 6 */
	uint8_t reserved;
	uint16_t local_port, remote_port;
	uint16_t reserved2;
	uint8_t local[16], remote[16];
};

typedef void exo_handover_each(void *with, const struct exo_handover_peer *peer);
/* Calls `each` for every connection that the stack has, half-open ones included. */
typedef void exo_handover_list(void *context, exo_handover_each *each, void *with);

struct exo_handover_flow {
	const struct exo_start_bind *bind;
	struct exo_cap binding;
	bool bound;
};

struct exo_handover_kept;

struct exo_handover {
	struct exo_handover *next;
	uint32_t order; /* port << 16 | order, from the upcall; 0: none */
	uint32_t active;
	uint32_t phase;
	uint16_t port; /* whose flows are being given; 0: all */
	uint64_t due;  /* when `phase` goes on, in nanoseconds since boot */
	struct exo_cap ring;
	exo_handover_list *list;
	void *context;
	struct exo_handover_flow flows[EXO_HANDOVER_FLOWS_MAX];
	unsigned n_flows;
	struct exo_pages memory; /* of `kept`, while something is given */
	struct exo_handover_kept *kept;
	uint16_t free, buckets[EXO_HANDOVER_BUCKETS]; /* 1 + index; 0: none */
	uint32_t n_kept, n_refused;
};

/*
 * Serves orders for the flow space of that name: `bindings` are those made of its entries on the
 * start page, in their order, without standby ones; `ring` is where they deliver. `list` and
 * `context` tell of the stack's connections. *h stays; several may be open. It takes the
 * environment's remote calls (exo_remote_serve).
 */
void exo_handover_open(struct exo_handover *h, const char *flow, const struct exo_cap *ring,
                       const struct exo_cap *bindings, unsigned n_bindings, exo_handover_list *list,
                       void *context);

/* There is something to do: an order came, or connections are being kept. */
static inline bool exo_handover_active(const struct exo_handover *h)
{
	return __atomic_load_n(&h->active, __ATOMIC_RELAXED) != 0;
}

/* A frame that is about to go to the stack. */
void exo_handover_frame(struct exo_handover *h, const uint8_t *frame, uint32_t size);
/* Does what is due. → when to call it again at the latest, in nanoseconds since boot; UINT64_MAX:
 * never. An order that comes makes exo_wait return. */
uint64_t exo_handover_run(struct exo_handover *h);

#endif
