/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The handler that stands in front of libos-tcp ($EDGE: its object), in virtual time, interpreted
 * or compiled: bare segments are wrapped up for it as a NIC would bring them.
 */
#ifndef TCP_TEST_FRONT_H
#define TCP_TEST_FRONT_H

#include <tcp/edge.h>

struct front;

enum front_verdict { FRONT_PASS, FRONT_TAKEN, FRONT_ANSWER };

/* In front of that address, with what the stack listens to by now. NULL: there is no $EDGE. */
struct front *front_open(struct tcp_stack *stack, const struct udp_ip *address, bool compiled);
/* A segment for the address; an answer lies where it lay, *size bytes of it; there is room for 60.
 */
enum front_verdict front_input(struct front *front, const struct udp_ip *from, uint8_t *segment,
                               uint32_t *size, uint64_t now);
/* Calls it with all rules that the handler is told from now on. */
void front_tell(struct front *front, void (*told)(const struct edge_rules *rules));
struct edge_counts front_counts(const struct front *front);
struct edge_arena *front_arena(const struct front *front);
void front_close(struct front *front);

#endif
