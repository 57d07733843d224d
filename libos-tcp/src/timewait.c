/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TIME-WAIT: what is left of a connection that we closed first. It acknowledges a FIN that comes
 * again, and gives way to a new connection where the two can't be confused: by a later timestamp
 * (RFC 6191) or a higher sequence number (RFC 9293, 3.10.7.4). All expire after the same time, so
 * that a queue by age is all the timer they need.
 */
#include "internal.h"

enum { ISS_STEP = 65535 + 2 };

static void age_append(struct tcp_stack *stack, struct timewait *timewait)
{
	timewait->expires = stack->now + stack->config.time_wait_ms * NS_PER_MS;
	timewait->next = NULL;
	timewait->prev = stack->timewait_newest;
	if (stack->timewait_newest != NULL)
		stack->timewait_newest->next = timewait;
	else
		stack->timewait_oldest = timewait;
	stack->timewait_newest = timewait;
}

static void age_remove(struct tcp_stack *stack, struct timewait *timewait)
{
	if (timewait->prev != NULL)
		timewait->prev->next = timewait->next;
	else
		stack->timewait_oldest = timewait->next;
	if (timewait->next != NULL)
		timewait->next->prev = timewait->prev;
	else
		stack->timewait_newest = timewait->prev;
}

static struct timewait **chain(struct tcp_stack *stack, uint32_t hash)
{
	return &stack->timewaits[hash & stack->timewait_mask];
}

void timewait_remove(struct tcp_stack *stack, struct timewait *timewait)
{
	struct timewait **at = chain(stack, timewait->hash);

	while (*at != timewait)
		at = &(*at)->hash_next;
	*at = timewait->hash_next;
	edge_release(stack, &timewait->at);
	age_remove(stack, timewait);
	pool_put(&stack->timewait_pool, timewait);
}

static struct timewait *make(struct tcp_stack *stack)
{
	struct timewait *timewait = pool_get(&stack->timewait_pool);

	if (timewait != NULL)
		return timewait;
	stack->count.time_wait_evicted++;
	timewait_remove(stack, stack->timewait_oldest);
	return pool_get(&stack->timewait_pool);
}

void timewait_enter(struct tcp_conn *conn)
{
	struct tcp_stack *stack = conn->stack;
	struct timewait *timewait = make(stack);
	struct timewait **at = chain(stack, conn->hash);

	timewait->hash_next = *at;
	timewait->stack = stack;
	timewait->at = conn->at;
	timewait->hash = conn->hash;
	timewait->rcv_nxt = conn->rcv_nxt;
	timewait->snd_nxt = conn->snd_nxt;
	timewait->rcv_wnd = conn->rcv_wnd;
	timewait->rcv_scale = conn->rcv_scale;
	timewait->timestamps = conn->timestamps;
	timewait->ts_recent = conn->ts_recent;
	timewait->ts_recent_ms = conn->ts_recent_ms;
	timewait->ts_offset = conn->ts_offset;
	timewait->oow_ms = 0;
	*at = timewait;
	lookup_unlink(conn);
	age_append(stack, timewait);
	conn_end(conn, TCP_CAUSE_FINISHED);
}

uint64_t timewait_run(struct tcp_stack *stack)
{
	while (stack->timewait_oldest != NULL && stack->timewait_oldest->expires <= stack->now)
		timewait_remove(stack, stack->timewait_oldest);
	return stack->timewait_oldest != NULL ? stack->timewait_oldest->expires : UINT64_MAX;
}

static void answer(struct tcp_stack *stack, struct timewait *timewait, bool data, uint64_t route)
{
	struct bare_ack bare = {
	        .at = &timewait->at,
	        .seq = timewait->snd_nxt,
	        .ack = timewait->rcv_nxt,
	        .window = timewait->rcv_wnd >> timewait->rcv_scale,
	        .timestamps = timewait->timestamps,
	        .ts_value = timestamp_now(stack, timewait->ts_offset),
	        .ts_echo = timewait->ts_recent,
	        .route = route,
	};

	if (!data && timewait->oow_ms != 0 && since_ms(stack, timewait->oow_ms) < OOW_INTERVAL_MS)
		return;
	if (!data)
		timewait->oow_ms = stack->ms | 1;
	transmit_bare(stack, &bare);
}

bool timewait_input(struct timewait *timewait, struct segment *segment, bool listening,
                    uint32_t *iss)
{
	struct tcp_stack *stack = timewait->stack;
	bool stamped = timewait->timestamps && (segment->options.seen & O_TIMESTAMPS);
	bool old = stamped && seq_lt(segment->options.ts_value, timewait->ts_recent) &&
	           stack->ms - timewait->ts_recent_ms <= PAWS_IDLE_MS;
	bool later = stamped && seq_gt(segment->options.ts_value, timewait->ts_recent);

	if ((segment->flags & (F_SYN | F_RST | F_ACK)) == F_SYN && !old && listening &&
	    (later || seq_gt(segment->seq, timewait->rcv_nxt))) {
		*iss = timewait->snd_nxt + ISS_STEP;
		stack->count.time_wait_recycled++;
		timewait_remove(stack, timewait);
		return false;
	}
	if (segment->flags & F_RST) {
		/* RFC 1337: a reset must not end the wait early; RFC 5961's exact one may. */
		if (segment->seq == timewait->rcv_nxt && !old) {
			stack->count.resets_in++;
			timewait_remove(stack, timewait);
		}
		return true;
	}
	if (!old && segment->size == 0 && !(segment->flags & (F_SYN | F_FIN)) &&
	    segment->seq == timewait->rcv_nxt) {
		if (stamped) {
			timewait->ts_recent = segment->options.ts_value;
			timewait->ts_recent_ms = stack->ms;
		}
		return true;
	}
	/* A FIN that comes again starts the time again (RFC 9293, 3.10.7.4). */
	if (!old && (segment->flags & F_ACK)) {
		age_remove(stack, timewait);
		age_append(stack, timewait);
	}
	answer(stack, timewait, segment->size > 0 || (segment->flags & F_FIN),
	       segment->arrival->route);
	return true;
}
