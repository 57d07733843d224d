/* SPDX-License-Identifier: BSD-2-Clause */
/* Handlers: what handler.c makes, packet.c runs and list.c shows. */
#ifndef EXT_HANDLER_H
#define EXT_HANDLER_H

#include "../core/net_state.h"
#include "ext.h"

/* What a core counts of a handler; its own cache lines. */
struct ext_count {
	struct net_quick quick;
	uint64_t runs, answered; /* but for those that quick.answered counts */
	uint64_t passed, woken, refused, lost, ticks, timed;
	struct net_guard guard;
	uint64_t report_after; /* TSC: no line on the console before */
} __attribute__((aligned(64)));

struct ext_handler {
	struct net_handler base;
	struct ext_handler *next; /* under ext.lock */
	uint64_t id;
	struct env *env;
	struct ext_domain *domain; /* held */
	struct flt_program *program;
	flt_xdp_code *code;        /* a packet handler's machine code; NULL: interpreted */
	struct flt_program *guard; /* NULL: none */
	uint32_t event, budget;
	int32_t priority;
	bool master;    /* what it calls done, is */
	size_t memory;  /* charged to its environment */
	uint64_t after; /* atomic; EXO_EXT_KEEP: not before that TSC */
	/* Of an environment's event: whose, and of an extension's: which; both NULL: it has ended.
	 */
	struct env *subject;
	struct ext_domain *callee;
	struct net_binding *binding;   /* of a packet handler, under net.lock; NULL: it has ended */
	const struct net_space *space; /* in which it sends, the binding's own; NULL: it doesn't */
	struct ext_count counts[];     /* net.n_cores of them */
};

/* event.c: enters a listed handler into its event's chain; takes it out. ext.lock held. *old is to
 * be freed after ext_quiesce. 0 or -EXO_ENOMEM; leaving never fails: without memory for a shorter
 * chain the event is handled by nobody any more. */
int ext_chain_renew(struct ext_handler *handler, struct ext_chain **old);
void ext_chain_leave(struct ext_handler *handler, struct ext_chain **old);
/* Whether `env` may handle an event of the environment with that id, at that cost: its handle in
 * *subject. ext.lock and core lock held. */
int ext_event_authority(struct env *env, const struct exo_cap *target, uint32_t event,
                        uint32_t cost, struct env **subject);
/* Runs one handler, if its guard wants it. → what its result asks for: STOP, DONE. */
uint64_t ext_handler_run(struct ext_handler *h, unsigned core, const uint64_t r[5]);
/* What a result asks for besides: wakes. → STOP, and DONE where it counts. */
uint64_t ext_result(struct ext_handler *handler, struct ext_count *count, uint64_t result);

#define EXO_HANDLER_ASKS ((uint64_t)(EXO_HANDLER_WAKE | EXO_HANDLER_STOP | EXO_HANDLER_DONE))

/*
 * Who handles an event. `enter` is the machine code of the only handler, where it has no guard and
 * is native: it is called as any function is, and what it is called is counted here (for the
 * handler: ext_chain_runs). Else it goes through all of them.
 */
struct ext_chain {
	uint64_t (*enter)(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
	                  const struct ext_chain *chain);
	uint32_t n;
	bool single;
	uint64_t runs[EXO_CORES_MAX]; /* each core's */
	struct ext_handler *handlers[];
};

/* What a result of `enter` asks for: as ext_result. */
uint64_t ext_chain_asked(const struct ext_chain *chain, unsigned core, uint64_t result);
/* How often a handler ran as a chain's only one. ext.lock held. */
uint64_t ext_chain_runs(const struct ext_handler *handler);

/* → what handlers asked for: STOP, DONE. */
static inline uint64_t ext_chain_raise(struct ext_chain *chain, unsigned core, const uint64_t r[5])
{
	uint64_t result;

	chain->runs[core]++;
	result = chain->enter(r[0], r[1], r[2], r[3], r[4], chain);
	if (__builtin_expect((result & EXO_HANDLER_ASKS) == 0, 1))
		return 0;
	return ext_chain_asked(chain, core, result);
}

/* packet.c */
bool ext_packet_run(struct net_handler *base, unsigned core, struct net_packet *packet);

/* answer.c: 0 or -EXO_ENOMEM; before the first packet handler. */
int ext_packet_start(void);
/* Sends what a handler made of a packet, if it may, in the end of the poll. The mbuf is the
 * packet's own, or a copy that stays the caller's; direct, in one piece. */
void ext_answer(unsigned core, const struct ext_handler *h, struct ext_count *count,
                struct net_packet *packet, struct rte_mbuf *mbuf, uint32_t port, uint32_t action);
/* Keeps a copy that a handler had until it is delivered; while there is room. */
bool ext_answer_room(unsigned core);
void ext_answer_spent(unsigned core, struct rte_mbuf *copy);

#endif
