/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who gives up his place, or what he holds of the stack: answers queued for who takes them a byte
 * at a time, and requests that wait behind them, lie in pools that all share. As long as there is
 * enough for everybody, slow ones have all the time they want.
 */
#include "places.h"

enum {
	SLOW_RATE = 4096, /* bytes a second: who takes less keeps others waiting */
	EVICT_TRIES = 16, /* of the oldest, for each who comes */
	RELIEF_MAX = 64,
};

#define SCAN_NS (SECOND_NS / 100) /* between two looks at all of them that found nobody */
#define LOOK_NS (SECOND_NS / 10)  /* between two looks at the pools */

/* Whether it holds something of the stack's, and has long been taking little of it. */
static bool is_slow(const struct http_conn *conn)
{
	uint64_t age = conn->server->now - conn->since;
	uint32_t left = tcp_unacknowledged(conn->tcp);
	uint64_t taken = conn->unacked > left ? conn->unacked - left : 0;

	return (left > 0 || tcp_unread(conn->tcp) > 0) && age >= SECOND_NS &&
	       taken < age / (SECOND_NS / SLOW_RATE);
}

/* ---- Places for connections ---- */

static void give_up_place(struct http_conn *conn)
{
	conn->server->counters.evicted++;
	if (tcp_unacknowledged(conn->tcp) > 0)
		abort_now(conn);
	else
		close_now(conn);
}

/* Of the first `tries` in a list, who waits for nothing or is slow. NULL: nobody. */
static struct http_conn *dispensable(const struct http_list *list, uint32_t tries)
{
	struct http_conn *conn = list->first;

	for (; conn != NULL && tries > 0; conn = conn->next, tries--)
		if (tcp_unacknowledged(conn->tcp) == 0 || is_slow(conn))
			return conn;
	return NULL;
}

void http_places_evict(struct http_server *server)
{
	bool all = server->now >= server->scan_at;
	uint32_t tries = all ? UINT32_MAX : EVICT_TRIES;
	struct http_conn *conn = dispensable(&server->waits, tries);

	if (conn == NULL)
		conn = dispensable(&server->lingers, tries);
	if (conn == NULL && all)
		server->scan_at = server->now + SCAN_NS;
	if (conn == NULL)
		conn = server->heads.first; /* or else takes long over a request */
	if (conn != NULL && conn->since != server->now)
		give_up_place(conn);
}

/* ---- The stacks' pools ---- */

static bool is_low(uint32_t used, uint32_t max)
{
	return used > max - max / 4;
}

static bool runs_low(const struct tcp_stack *stack)
{
	const struct tcp_config *config = tcp_stack_config(stack);
	struct tcp_usage used = tcp_stack_usage(stack);

	return is_low(used.arrivals, config->arrivals) || is_low(used.chunks, config->chunks) ||
	       is_low(used.blocks, config->blocks);
}

/* The oldest slow one of this stack's in a list; NULL: there is none. */
static struct http_conn *slow_of(const struct http_list *list, const struct tcp_stack *stack)
{
	struct http_conn *conn = list->first;

	while (conn != NULL && (tcp_conn_stack(conn->tcp) != stack || !is_slow(conn)))
		conn = conn->next;
	return conn;
}

/* Slow ones give back what they hold, until there is enough. What comes back others may use at
 * once: then the lists are no longer what they were. */
static void relieve(struct http_server *server, const struct tcp_stack *stack)
{
	struct http_conn *conn;

	for (unsigned i = 0; i < RELIEF_MAX && runs_low(stack); i++) {
		conn = slow_of(&server->waits, stack);
		if (conn == NULL)
			conn = slow_of(&server->heads, stack);
		if (conn == NULL)
			conn = slow_of(&server->lingers, stack);
		if (conn == NULL)
			return;
		server->counters.evicted++;
		abort_now(conn);
	}
}

void http_places_run(struct http_server *server)
{
	server->pools_at = server->now + LOOK_NS;
	for (uint32_t i = 0; i < server->n_listeners; i++)
		relieve(server, server->stacks[i]);
}
