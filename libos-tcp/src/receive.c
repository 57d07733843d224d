/* SPDX-License-Identifier: BSD-2-Clause */
/* Received data in order: queued in the frames that brought it, read and given back. */
#include "internal.h"

enum { COPY_MAX = 256 }; /* shorter payload moves into the frame before it, where it fits */

void receive_free(struct tcp_stack *stack, struct arrival *arrival)
{
	if (arrival->buffer != NULL)
		stack->ops.release(stack->context, arrival->buffer);
	pool_put(&stack->arrival_pool, arrival);
}

static void enqueue(struct tcp_conn *conn, struct arrival *arrival)
{
	arrival->next = NULL;
	if (conn->unread_last != NULL)
		conn->unread_last->next = arrival;
	else
		conn->unread = arrival;
	conn->unread_last = arrival;
}

static void advance(struct tcp_conn *conn, uint32_t size)
{
	conn->rcv_nxt += size;
	conn->bytes_received += size;
	conn->stack->count.bytes_in += size;
	if (conn->read_shut)
		conn->rcv_read = conn->rcv_nxt;
	else
		conn->events |= TCP_EVENT_READABLE;
}

/* Small pieces must not hold a whole frame each; none must, where places run low: the window counts
 * them as if all were full. */
static bool merge(struct tcp_conn *conn, const uint8_t *data, uint32_t size)
{
	const struct pool *places = &conn->stack->arrival_pool;
	struct arrival *last = conn->unread_last;

	if (last == NULL || last->tail < size ||
	    (size > COPY_MAX && places->used <= places->max / 2) ||
	    last->seq + last->size != conn->rcv_nxt)
		return false;
	memcpy((uint8_t *)last->data + last->size, data, size);
	last->size += size;
	last->tail -= size;
	return true;
}

bool receive_append(struct tcp_conn *conn, struct segment *segment, uint32_t skip)
{
	struct tcp_stack *stack = conn->stack;
	const uint8_t *data = segment->data + skip;
	uint32_t size = segment->size - skip;
	struct arrival *arrival;

	if (size == 0)
		return true;
	if (conn->read_shut) {
		stack->count.drop_closed++;
		advance(conn, size);
		return true;
	}
	if (!merge(conn, data, size)) {
		arrival = segment->arrival->buffer != NULL ? pool_get(&stack->arrival_pool) : NULL;
		if (arrival == NULL) {
			stack->count.drop_memory++;
			return false;
		}
		*arrival = (struct arrival){.data = data,
		                            .buffer = segment->arrival->buffer,
		                            .seq = conn->rcv_nxt,
		                            .size = size,
		                            .tail = segment->arrival->tail};
		segment->kept = true;
		enqueue(conn, arrival);
	}
	advance(conn, size);
	return true;
}

/* What waited out of order has become next. */
void early_advance(struct tcp_conn *conn)
{
	struct arrival *arrival;
	bool fin, ended = conn->fin_received;

	while ((arrival = conn->act->early) != NULL &&
	       (conn->fin_received || seq_le(arrival->seq, conn->rcv_nxt))) {
		uint32_t skip = conn->rcv_nxt - arrival->seq, size = arrival->size;

		conn->act->early = arrival->next;
		if (conn->act->early == NULL)
			conn->act->early_last = NULL;
		conn->stack->n_early--;
		conn->act->held -= size;
		fin = arrival->fin;
		/* A peer that goes on behind its own end is not heard. */
		if (conn->fin_received) {
			receive_free(conn->stack, arrival);
			continue;
		}
		/* Of several that came twice the first is told (RFC 2883, 4), and what adjoins. */
		if (skip > 0)
			sack_extend_duplicate(conn, arrival->seq,
			                      arrival->seq + min_u32(skip, size));
		if (skip > size || (skip == size && size > 0) || conn->read_shut) {
			if (skip < size)
				advance(conn, size - skip);
			receive_free(conn->stack, arrival);
		} else {
			arrival->data += skip;
			arrival->seq += skip;
			arrival->size -= skip;
			if (arrival->size > 0)
				enqueue(conn, arrival);
			advance(conn, arrival->size);
			if (arrival->size == 0)
				receive_free(conn->stack, arrival);
		}
		if (fin)
			receive_fin(conn);
	}
	sack_forget(conn);
	if (conn->act->early == NULL && !ended)
		conn->ack_now = 1; /* RFC 5681, 4.2: the gap is filled */
}

void receive_fin(struct tcp_conn *conn)
{
	if (conn->fin_received)
		return;
	conn->fin_received = 1;
	/* Where the window is shut, some repeat it without pause until they are answered. */
	conn->ack_now |= offered_window(conn) == 0;
	conn->rcv_nxt++;
	conn->ack_pending = 1;
	conn->events |= TCP_EVENT_ENDED;
	switch (conn->state) {
	case TCP_STATE_ESTABLISHED:
		conn->state = TCP_STATE_CLOSE_WAIT;
		conn->interactive = 1;
		break;
	case TCP_STATE_FIN_WAIT_1:
		conn->state = TCP_STATE_CLOSING;
		transmit_ack(conn);
		break;
	case TCP_STATE_FIN_WAIT_2:
		transmit_ack(conn);
		timewait_enter(conn);
		break;
	default:
		break;
	}
}

/* Outside the window, or old: say at once what we expect. */
static void repeat_ack(struct tcp_conn *conn)
{
	delay_enter_quick(conn, QUICK_ACKS_MAX);
	conn->ack_pending = conn->ack_now = 1;
}

/* Of what goes beyond the window only the part inside is taken; what is next is taken whole where
 * nothing waits to be read. */
static void trim_right(struct tcp_conn *conn, struct segment *segment)
{
	uint32_t edge = conn->rcv_nxt + offered_window(conn);
	uint32_t end = segment->seq + segment->size;

	if (!seq_gt(end, edge) || (conn->unread == NULL && seq_le(segment->seq, conn->rcv_nxt)))
		return;
	segment->size -= end - edge;
	segment->flags &= (uint8_t)~F_FIN;
}

static void take_next(struct tcp_conn *conn, struct segment *segment, uint32_t skip)
{
	if (!receive_append(conn, segment, skip)) {
		early_add(conn, NULL, 0); /* makes room for another try */
		if (!receive_append(conn, segment, skip)) {
			repeat_ack(conn);
			return;
		}
	}
	if (segment->size > 0)
		delay_received(conn, segment);
	if (segment->flags & F_FIN)
		receive_fin(conn);
	if (conn->act->early != NULL && conn->state != TCP_STATE_CLOSED)
		early_advance(conn);
}

void receive_data(struct tcp_conn *conn, struct segment *segment)
{
	uint32_t end = segment_end(segment), seq = segment->seq;

	if (end == seq)
		return;
	/* Behind the peer's FIN there is nothing. */
	if (conn->fin_received && seq_ge(seq, conn->rcv_nxt))
		return;
	if (conn->fin_received || seq_le(end, conn->rcv_nxt)) {
		sack_note_duplicate(conn, seq, end);
		repeat_ack(conn);
		return;
	}
	if (offered_window(conn) == 0 && segment->size > 0) {
		conn->stack->count.drop_sequence++;
		repeat_ack(conn);
		return;
	}
	trim_right(conn, segment);
	if (seq_gt(seq, conn->rcv_nxt)) {
		delay_early(conn, segment);
		early_add(conn, segment, 0);
		return;
	}
	if (seq_lt(seq, conn->rcv_nxt))
		sack_note_duplicate(conn, seq, conn->rcv_nxt);
	take_next(conn, segment, min_u32(conn->rcv_nxt - seq, segment->size));
}

/* → how many there were. */
static uint32_t free_list(struct tcp_conn *conn, struct arrival *arrival)
{
	uint32_t n = 0;

	for (; arrival != NULL; n++) {
		struct arrival *next = arrival->next;

		receive_free(conn->stack, arrival);
		arrival = next;
	}
	return n;
}

void receive_drop_all(struct tcp_conn *conn)
{
	(void)free_list(conn, conn->unread);
	conn->stack->n_early -= free_list(conn, conn->act->early);
}

/* ---- The application's side ---- */

uint32_t tcp_unread(const struct tcp_conn *conn)
{
	return conn->rcv_nxt - conn->fin_received - conn->rcv_read;
}

unsigned tcp_peek(const struct tcp_conn *conn, struct tcp_span *spans, unsigned max)
{
	const struct arrival *arrival = conn->unread;
	unsigned n = 0;

	for (; arrival != NULL && n < max; arrival = arrival->next)
		spans[n++] = (struct tcp_span){arrival->data, arrival->size};
	return n;
}

static void has_read(struct tcp_conn *conn, uint32_t bytes)
{
	conn->rcv_read += bytes;
	if (conn->state == TCP_STATE_CLOSED)
		return;
	window_tune(conn);
	delay_read(conn, bytes);
}

static struct arrival *take_first(struct tcp_conn *conn)
{
	struct arrival *arrival = conn->unread;

	conn->unread = arrival->next;
	if (conn->unread == NULL)
		conn->unread_last = NULL;
	return arrival;
}

void tcp_consume(struct tcp_conn *conn, uint32_t bytes)
{
	uint32_t left = min_u32(bytes, tcp_unread(conn));

	bytes = left;
	while (left > 0 && conn->unread != NULL) {
		struct arrival *first = conn->unread;
		uint32_t n = min_u32(left, first->size);

		left -= n;
		if (n == first->size) {
			receive_free(conn->stack, take_first(conn));
			continue;
		}
		first->data += n;
		first->seq += n;
		first->size -= n;
	}
	has_read(conn, bytes);
}

uint32_t tcp_read(struct tcp_conn *conn, void *to, uint32_t size)
{
	const struct arrival *arrival = conn->unread;
	uint32_t done = 0;

	for (; arrival != NULL && done < size; arrival = arrival->next) {
		uint32_t n = min_u32(arrival->size, size - done);

		memcpy((uint8_t *)to + done, arrival->data, n);
		done += n;
	}
	tcp_consume(conn, done);
	return done;
}

bool tcp_borrow(struct tcp_conn *conn, struct tcp_loan *loan)
{
	struct arrival *first = conn->unread;
	uint32_t size;

	if (first == NULL)
		return false;
	size = first->size;
	*loan = (struct tcp_loan){.span = {first->data, size}, .buffer = first->buffer};
	first->buffer = NULL;
	receive_free(conn->stack, take_first(conn));
	has_read(conn, size);
	return true;
}

void tcp_return(struct tcp_stack *stack, const struct tcp_loan *loan)
{
	if (loan->buffer != NULL)
		stack->ops.release(stack->context, loan->buffer);
}

bool tcp_at_end(const struct tcp_conn *conn)
{
	return conn->unread == NULL && (conn->fin_received || conn->state == TCP_STATE_CLOSED);
}

bool tcp_peer_ended(const struct tcp_conn *conn)
{
	return conn->fin_received;
}

bool tcp_urgent_offset(const struct tcp_conn *conn, int32_t *offset)
{
	if (!conn->urgent_in)
		return false;
	*offset = (int32_t)(conn->urgent_in_seq - conn->rcv_read);
	return *offset >= 0;
}
