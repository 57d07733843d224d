/* SPDX-License-Identifier: BSD-2-Clause */
/* Handlers: what handler.c makes, packet.c runs and list.c shows. */
#ifndef EXT_HANDLER_H
#define EXT_HANDLER_H

#include "../core/net_state.h"
#include "ext.h"

/* What a core counts of a handler; its own cache lines. */
struct ext_count {
	uint64_t runs, answered, passed, woken, refused, lost, ticks, timed;
	uint32_t hint;         /* of the transmit guard */
	uint64_t report_after; /* TSC: no line on the console before */
} __attribute__((aligned(64)));

struct ext_handler {
	struct net_handler base;
	struct ext_handler *next; /* under ext.lock */
	uint64_t id;
	struct env *env;
	struct ext_domain *domain; /* held */
	struct flt_program *program;
	uint32_t event, budget;
	struct net_binding *binding;   /* of a packet handler, under net.lock; NULL: it has ended */
	const struct net_space *space; /* in which it sends, the binding's own; NULL: it doesn't */
	struct ext_count counts[];     /* net.n_pollers of them */
};

/* packet.c */
bool ext_packet_run(struct net_handler *base, unsigned core, struct net_packet *packet);
/* 0 or -EXO_ENOMEM; before the first packet handler. */
int ext_packet_start(void);

#endif
