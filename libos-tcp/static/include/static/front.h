/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stack's handler (filters/programs/front.c), which stands in front of it in the kernel, from
 * the environment's side:
 *
 *     static_front_rules, and `rules` into `.data.rules`: at first, and when the period changes;
 *     static_front_learn after frames; if it learnt something, `known` into `.data.known`
 */
#ifndef STATIC_FRONT_H
#define STATIC_FRONT_H

#include <handlers/front.h>
#include <static/stack.h>

struct static_front {
	struct front_rules rules;
	struct front_known known[FRONT_PLACES];
	uint8_t *arena; /* FRONT_PLACES frames, the caller's */
};

/* Fills in the rules as of now. → ns: until when they count. */
uint64_t static_front_rules(struct static_front *front, const struct static_stack *stack);
/* Learns requests that the stack has understood and that are answered the same way each time, in
 * one segment, which is the last one; `changing`: the path of which that is not true. Who has a
 * place keeps it: nobody can be reading what is written. false: it learnt nothing. */
bool static_front_learn(struct static_front *front, struct static_stack *stack,
                        const char *changing);

#endif
