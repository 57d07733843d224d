/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stack's handler (filters/programs/front.c), which stands in front of it in the kernel, from
 * the environment's side:
 *
 *     static_front_attach: from then on the stack takes over what the handler had of a connection
 *     static_front_rules, and `rules` into `.data.rules`: at first, and when the period changes
 *     static_front_learn after frames; if it learnt something, `known` into `.data.known`
 *     static_front_age every static_front_age_ns
 */
#ifndef STATIC_FRONT_H
#define STATIC_FRONT_H

#include <handlers/front.h>
#include <static/stack.h>

struct static_front {
	struct front_rules rules;
	struct front_known known[FRONT_PLACES];
	uint16_t answers[FRONT_PLACES]; /* of the site */
	bool heads[FRONT_PLACES];       /* these without their bodies */
	uint8_t *arena;                 /* FRONT_PLACES frames, the caller's */
	/* The handler's functions, the caller's to call. */
	void *context;
	/* front_take: its result, with 1 *taken. */
	int (*take)(void *context, uint64_t peer, struct front_taken *taken);
	/* front_age: its result; *old: `.bss.old`, where that says so. */
	uint64_t (*age)(void *context, uint64_t first, uint64_t *old);
};

/* Half of the time for which a connection may be silent. */
uint64_t static_front_age_ns(const struct static_stack *stack);

/* `front` stays the caller's, and where it is. */
void static_front_attach(struct static_front *front, struct static_stack *stack);
/* Fills in the rules as of now. → ns: until when they count. */
uint64_t static_front_rules(struct static_front *front, const struct static_stack *stack);
/* Learns requests that the stack has understood and that are answered the same way each time, in
 * one segment; `changing`: the path of which that is not true. Who has a place keeps it: nobody can
 * be reading what is written. false: it learnt nothing. */
bool static_front_learn(struct static_front *front, struct static_stack *stack,
                        const char *changing);
/* Makes what the handler keeps older, and ends connections that were silent for twice as long as
 * this is called. */
void static_front_age(struct static_front *front, struct static_stack *stack);

#endif
