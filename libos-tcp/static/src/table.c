/* SPDX-License-Identifier: BSD-2-Clause */
/* The connections: found by the peer's address and port, added, evicted. */
#include "internal.h"

enum { LOOKS_MAX = 64 };

/* Multiply-shift under a secret (Dietzfelbinger et al., 1997): who can't see the table can't fill
 * one chain of it. */
static uint32_t *chain(struct static_stack *stack, uint32_t remote, uint16_t port)
{
	uint64_t key = ((uint64_t)remote << 16 | port) + stack->config.secret[2];
	unsigned __int128 product = (unsigned __int128)key * (stack->config.secret[3] | 1);

	return &stack->hash[(uint32_t)(product >> 64) & stack->mask];
}

struct conn *static_table_find(struct static_stack *stack, const struct segment *segment)
{
	uint32_t index = *chain(stack, segment->remote, segment->port);

	while (index != NONE) {
		struct conn *conn = &stack->conns[index];

		if (conn->remote == segment->remote && conn->port == segment->port)
			return conn;
		index = conn->next;
	}
	return NULL;
}

/* Who has ended, else who owes us nothing and has been silent for longest: of those that the hand
 * passes. */
static struct conn *victim(struct static_stack *stack)
{
	uint32_t looks = least(LOOKS_MAX, stack->config.connections);
	struct conn *worst = NULL;

	for (uint32_t i = 0; i < looks; i++) {
		struct conn *conn = &stack->conns[stack->hand];

		stack->hand = (stack->hand + 1) % stack->config.connections;
		if (conn->state == TIME_WAIT)
			return conn;
		if (worst == NULL || before(conn->heard, worst->heard))
			worst = conn;
	}
	return worst;
}

struct conn *static_table_add(struct static_stack *stack, uint32_t remote, uint16_t port)
{
	uint32_t *head = chain(stack, remote, port), index;
	struct conn *conn;

	if (stack->free == NONE) {
		stack->count.evicted++;
		static_table_remove(stack, victim(stack));
	}
	index = stack->free;
	conn = &stack->conns[index];
	stack->free = conn->next;
	*conn = (struct conn){.next = *head, .remote = remote, .port = port};
	*head = index;
	stack->n_conns++;
	return conn;
}

void static_table_remove(struct static_stack *stack, struct conn *conn)
{
	uint32_t index = (uint32_t)(conn - stack->conns);
	uint32_t *at = chain(stack, conn->remote, conn->port);

	while (*at != index)
		at = &stack->conns[*at].next;
	*at = conn->next;
	static_timer_remove(stack, conn);
	conn->state = FREE;
	conn->next = stack->free;
	stack->free = index;
	stack->n_conns--;
}

void static_table_open(struct static_stack *stack)
{
	for (uint32_t i = 0; i <= stack->mask; i++)
		stack->hash[i] = NONE;
	for (uint32_t i = 0; i < WHEEL_SLOTS; i++)
		stack->wheel[i] = NONE;
	stack->free = NONE;
	for (uint32_t i = stack->config.connections; i-- > 0;) {
		stack->conns[i].state = FREE;
		stack->conns[i].next = stack->free;
		stack->free = i;
	}
}
