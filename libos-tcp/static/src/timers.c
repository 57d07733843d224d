/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One timer for each connection, in a wheel. A deadline that moves away (as each acknowledgement
 * moves it) is only written down: the wheel finds out when it comes by.
 */
#include "internal.h"

static uint32_t *slot(struct static_stack *stack, uint32_t due)
{
	int64_t left = (int32_t)(due - stack->ms);
	int64_t ahead = ((int64_t)stack->time + left) / TICK_MS - (int64_t)stack->tick;

	ahead = ahead < 1 ? 1 : ahead;
	ahead = ahead < WHEEL_SLOTS - 1 ? ahead : WHEEL_SLOTS - 1;
	return &stack->wheel[(stack->tick + (uint64_t)ahead) % WHEEL_SLOTS];
}

static void insert(struct static_stack *stack, struct conn *conn)
{
	uint32_t index = (uint32_t)(conn - stack->conns), *head = slot(stack, conn->due);

	conn->slot = (uint16_t)(head - stack->wheel);
	stack->used[conn->slot / 64] |= 1ull << conn->slot % 64;
	conn->later = *head;
	conn->earlier = NONE;
	if (*head != NONE)
		stack->conns[*head].earlier = index;
	*head = index;
}

void static_timer_remove(struct static_stack *stack, struct conn *conn)
{
	if (conn->earlier != NONE)
		stack->conns[conn->earlier].later = conn->later;
	else
		stack->wheel[conn->slot] = conn->later;
	if (conn->later != NONE)
		stack->conns[conn->later].earlier = conn->earlier;
}

void static_timer_add(struct static_stack *stack, struct conn *conn)
{
	insert(stack, conn);
}

void static_timer_set(struct static_stack *stack, struct conn *conn, uint32_t ms)
{
	uint32_t due = stack->ms + ms;

	if (before(due, conn->due)) {
		static_timer_remove(stack, conn);
		conn->due = due;
		insert(stack, conn);
	} else {
		conn->due = due;
	}
}

void static_timer_update(struct static_stack *stack, struct conn *conn)
{
	uint32_t rto = least((uint32_t)conn->rto << least(conn->retries, 8), RTO_MOST_MS);

	if (conn->state == TIME_WAIT)
		static_timer_set(stack, conn, stack->config.time_wait_ms);
	else if (conn->snd_una != conn->limit)
		static_timer_set(stack, conn, rto);
	else
		static_timer_set(stack, conn, stack->config.idle_ms);
}

/* ---- What is due ---- */

static void give_up(struct static_stack *stack, struct conn *conn)
{
	stack->count.timed_out++;
	static_packet_send(stack, conn, conn->snd_nxt, RST | ACK, NULL, 0, 0);
	static_table_remove(stack, conn);
}

/* RFC 6298, 5.4 to 5.7; RFC 5681, 3.1: everything from the first byte again, slowly. */
static void lose(struct static_stack *stack, struct conn *conn)
{
	if (conn->retries == 1)
		conn->ssthresh = most((conn->snd_max - conn->snd_una) / 2, 2u * conn->mss);
	/* What never arrives may be too long for the path, and whoever says so is not heard (RFC
	   2923, 2.1). */
	if (conn->retries > LONG_RETRIES)
		conn->mss = (uint16_t)least(conn->mss, MSS_DEFAULT);
	conn->recover = conn->snd_max;
	conn->cwnd = conn->mss;
	conn->snd_nxt = static_output_one(stack, conn, conn->snd_una);
}

/* A window of zero is asked for its end by one segment (RFC 9293, 3.8.6.1). It counts as never
 * sent, for the peer throws it away: when the window opens, all goes on from there. */
static void probe(struct static_stack *stack, struct conn *conn)
{
	conn->snd_nxt = conn->snd_una;
	(void)static_output_one(stack, conn, conn->snd_una);
}

static void time_out(struct static_stack *stack, struct conn *conn)
{
	if (conn->retries >= RETRIES_MAX) {
		give_up(stack, conn);
		return;
	}
	conn->retries++;
	conn->recovering = false;
	conn->timing = false;
	conn->duplicates = 0;
	if (conn->snd_wnd == 0)
		probe(stack, conn);
	else
		lose(stack, conn);
	static_timer_update(stack, conn);
}

void static_timer_silent(struct static_stack *stack, struct conn *conn)
{
	if (conn->ending) { /* our end was acknowledged, theirs never comes */
		give_up(stack, conn);
		return;
	}
	conn->ending = true;
	conn->active = true;
	conn->limit++;
	static_output_all(stack, conn);
	static_timer_update(stack, conn);
}

static void fire(struct static_stack *stack, struct conn *conn)
{
	if (before(stack->ms, conn->due))
		insert(stack, conn);
	else if (conn->state == TIME_WAIT) {
		insert(stack, conn);
		static_table_remove(stack, conn);
	} else {
		insert(stack, conn);
		if (conn->snd_una != conn->limit)
			time_out(stack, conn);
		else
			static_timer_silent(stack, conn);
	}
}

static void run_slot(struct static_stack *stack, uint32_t *head)
{
	uint32_t index = *head;

	*head = NONE;
	while (index != NONE) {
		struct conn *conn = &stack->conns[index];

		index = conn->later;
		fire(stack, conn);
	}
}

/* Slots from the hand on to the next in which somebody stands; 0: there is none. */
static uint32_t next_used(struct static_stack *stack)
{
	uint32_t first = (uint32_t)stack->tick + 1, ahead = 0;

	while (ahead < WHEEL_SLOTS) {
		uint32_t at = (first + ahead) % WHEEL_SLOTS;
		uint64_t bits = stack->used[at / 64] >> at % 64;
		uint32_t step = bits != 0 ? (uint32_t)__builtin_ctzll(bits) : 64 - at % 64;

		ahead += step;
		if (bits == 0)
			continue;
		if (stack->wheel[at + step] != NONE)
			return ahead + 1;
		stack->used[(at + step) / 64] &= ~(1ull << (at + step) % 64);
	}
	return 0;
}

uint64_t static_stack_run(struct static_stack *stack, uint64_t now)
{
	uint32_t ahead;

	static_stack_clock(stack, now);
	if (stack->n_conns == 0)
		stack->tick = stack->time / TICK_MS;
	while (stack->tick < stack->time / TICK_MS) {
		stack->tick++;
		run_slot(stack, &stack->wheel[stack->tick % WHEEL_SLOTS]);
	}
	ahead = next_used(stack);
	return ahead != 0 ? stack->origin + (stack->tick + ahead) * TICK_MS * 1000000 : UINT64_MAX;
}
