/* SPDX-License-Identifier: BSD-2-Clause */
/* What arrives before its time: a list of disjoint pieces in ascending order, bounded by the window
 * in bytes. All connections' together are bounded in number: who leaves a hole open on purpose
 * takes no place that others need for what is next. */
#include "internal.h"

enum { SHARE = 2 }; /* of the stack's pool */

static uint32_t piece_end(const struct arrival *arrival)
{
	return arrival->seq + arrival->size;
}

static void unlink_after(struct tcp_conn *conn, struct arrival *prev, struct arrival *arrival)
{
	if (prev != NULL)
		prev->next = arrival->next;
	else
		conn->act->early = arrival->next;
	if (conn->act->early_last == arrival)
		conn->act->early_last = prev;
	conn->stack->n_early--;
	conn->act->held -= arrival->size;
	receive_free(conn->stack, arrival);
}

static void insert_after(struct tcp_conn *conn, struct arrival *prev, struct arrival *arrival)
{
	arrival->next = prev != NULL ? prev->next : conn->act->early;
	if (prev != NULL)
		prev->next = arrival;
	else
		conn->act->early = arrival;
	if (arrival->next == NULL)
		conn->act->early_last = arrival;
	conn->stack->n_early++;
	conn->act->held += arrival->size;
}

/* Gives up the piece that lies furthest ahead; the peer still has it (RFC 2018, 8). */
static void renege(struct tcp_conn *conn)
{
	struct arrival *prev = NULL, *last = conn->act->early;

	if (last == NULL)
		return;
	for (; last->next != NULL; last = last->next)
		prev = last;
	unlink_after(conn, prev, last);
	conn->n_sacks = 0;
	for (last = conn->act->early; last != NULL; last = last->next)
		sack_note(conn, last->seq, piece_end(last));
}

/* The last piece that begins at or before `seq`; NULL: none. */
static struct arrival *find(struct tcp_conn *conn, uint32_t seq)
{
	struct arrival *prev = NULL, *at = conn->act->early;

	if (conn->act->early_last != NULL && seq_le(conn->act->early_last->seq, seq))
		return conn->act->early_last;
	for (; at != NULL && seq_le(at->seq, seq); at = at->next)
		prev = at;
	return prev;
}

static bool room(const struct tcp_stack *stack)
{
	return stack->n_early < max_u32(stack->arrival_pool.max / SHARE, 1);
}

/* Takes off what is there already. false: all of it. */
static bool clip(struct tcp_conn *conn, struct arrival **prev, struct range *range, bool *fin)
{
	struct arrival *before = *prev, *after;

	if (before != NULL && seq_gt(piece_end(before), range->start)) {
		uint32_t end = piece_end(before);

		if (seq_ge(end, range->end)) {
			sack_note_duplicate(conn, range->start, range->end);
			sack_note(conn, range->start, range->end); /* first again */
			return false;
		}
		sack_note_duplicate(conn, range->start, end);
		range->start = end;
	}
	while ((after = before != NULL ? before->next : conn->act->early) != NULL &&
	       seq_lt(after->seq, range->end)) {
		if (seq_gt(piece_end(after), range->end)) {
			sack_extend_duplicate(conn, after->seq, range->end);
			range->end = after->seq;
			*fin = false;
			break;
		}
		sack_extend_duplicate(conn, after->seq, piece_end(after));
		*fin |= after->fin && piece_end(after) == range->end;
		unlink_after(conn, before, after);
	}
	return true;
}

void early_add(struct tcp_conn *conn, struct segment *segment, uint32_t skip)
{
	struct tcp_stack *stack = conn->stack;
	struct arrival *prev, *arrival;
	struct range range;
	bool fin;

	if (segment == NULL) {
		renege(conn);
		return;
	}
	range = (struct range){segment->seq + skip, segment->seq + segment->size};
	fin = segment->flags & F_FIN;
	if (!active_get(conn)) {
		stack->count.drop_memory++;
		return;
	}
	prev = find(conn, range.start);
	if (range.start != range.end && !clip(conn, &prev, &range, &fin))
		return;
	if (range.start == range.end && !fin)
		return;
	stack->count.reordered++;
	arrival = room(stack) && segment->arrival->buffer != NULL ? pool_get(&stack->arrival_pool)
	                                                          : NULL;
	if (arrival == NULL) {
		stack->count.drop_memory++;
		return;
	}
	*arrival = (struct arrival){.data = segment->data + (range.start - segment->seq),
	                            .buffer = segment->arrival->buffer,
	                            .seq = range.start,
	                            .size = range.end - range.start,
	                            .fin = fin};
	segment->kept = true;
	insert_after(conn, prev, arrival);
	if (range.start != range.end || fin)
		sack_note(conn, range.start, range.end + fin);
	if (segment->size > 0)
		window_grow(conn, segment->size);
}
