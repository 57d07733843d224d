/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Selective acknowledgements (RFC 2018, 2883), both ways. A record that a block covers in part is
 * cut at a segment's border. Blocks that were seen before, unchanged, cost nothing.
 */
#include "internal.h"

void sack_reordering(struct tcp_conn *conn, uint32_t low, struct ack *ack)
{
	/* Once nothing is known selectively, all up to the acknowledgement has arrived. */
	uint32_t high = conn->act->sacked_out > 0 ? ack->prior_fack : conn->snd_una;
	uint32_t distance = max_u32(ack->prior_fack - low, high - low), n;

	if (!seq_lt(low, ack->prior_fack))
		return;
	n = seq_gt(high, low) ? (distance + conn->mss - 1) / conn->mss : 0;
	if (n > conn->reordering)
		conn->reordering = (uint16_t)min_u32(n, REORDERING_MAX);
	conn->rack_reordered = 1;
	conn->reorderings_seen++;
}

/* RFC 2883: the first block tells of a duplicate where it lies below the acknowledgement, or within
 * the second. */
static bool is_duplicate(const struct segment *segment)
{
	const struct range *block = segment->options.sacks;

	if (seq_lt(block[0].start, segment->ack))
		return true;
	return segment->options.n_sacks > 1 && seq_ge(block[0].start, block[1].start) &&
	       seq_le(block[0].end, block[1].end);
}

static void take_duplicate(struct tcp_conn *conn, const struct range *block, struct ack *ack)
{
	uint32_t size = block->end - block->start;
	uint32_t n = size > conn->mss ? (size + conn->mss - 1) / conn->mss : 1;

	conn->stack->count.dsack_in++;
	conn->duplicates_seen = (uint16_t)min_u32(conn->duplicates_seen + n, UINT16_MAX);
	/* More than was ever sent twice: not our doing. */
	if (size > conn->snd_max_wnd || conn->duplicates_seen > conn->total_retrans)
		return;
	/* A probe of the tail is no sign that the reordering window was too short. */
	if (conn->rack_reordered && (conn->act->tlp_high == 0 || conn->act->tlp_high != block->end))
		conn->dsack_seen = 1;
	ack->flags |= A_DSACK;
	conn->delivered += n;
	/* Data that is acknowledged and forgotten: one retransmission less was needed. */
	if (conn->undo_on && conn->act->undo_retrans > 0 && seq_le(block->end, ack->prior_una) &&
	    seq_gt(block->end, conn->act->undo_una)) {
		conn->act->undo_retrans = (int32_t)n < conn->act->undo_retrans
		                                  ? conn->act->undo_retrans - (int32_t)n
		                                  : 0;
	}
}

static void clear_lost(struct tcp_conn *conn, struct record *record)
{
	if (!(record->flags & R_LOST))
		return;
	record->flags &= (uint8_t)~R_LOST;
	conn->act->lost_out -= record->segments;
}

static void clear_retrans(struct tcp_conn *conn, struct record *record)
{
	if (!(record->flags & R_RETRANS))
		return;
	record->flags &= (uint8_t)~R_RETRANS;
	conn->act->retrans_out -= record->segments;
}

/* A record that has arrived though what is before it has not. */
static void tag(struct tcp_conn *conn, struct record *record, struct ack *ack)
{
	rack_advance(conn, record, conn->stack->us);
	rate_delivered(conn, record, &ack->sample);
	if (record->flags & R_RETRANS) {
		/* Which copy came nobody knows; no other is waited for (RFC 6675, 4: pipe). */
		clear_lost(conn, record);
		clear_retrans(conn, record);
	} else {
		if (!(record->flags & R_EVER)) {
			if (seq_lt(record->seq, ack->prior_fack) &&
			    seq_lt(record->seq, ack->reorder_seq))
				ack->reorder_seq = record->seq;
			if (seq_le(record->end, conn->high_seq))
				ack->flags |= A_ORIGINAL;
			if (!ack->has_sack_first)
				ack->sack_first_us = record->sent_us;
			ack->has_sack_first = true;
			ack->sack_last_us = record->sent_us;
		}
		clear_lost(conn, record);
	}
	record->flags |= R_SACKED;
	record_time_remove(conn, record);
	conn->act->sacked_out += record->segments;
	conn->delivered += record->segments;
	if (seq_gt(record->end, conn->act->fack))
		conn->act->fack = record->end;
	ack->flags |= A_SACKED;
}

/* Makes a record begin and end within the block, by cutting at segments' borders. false: nothing of
 * it is covered. */
static bool trim(struct tcp_conn *conn, struct record **at, const struct range *block)
{
	struct record *record = *at;
	uint32_t size;

	if (seq_lt(record->seq, block->start)) {
		size = (block->start - record->seq + conn->mss - 1) / conn->mss * conn->mss;
		if (record->end - record->seq <= size || !record_split(conn, record, size))
			return false;
		record = record->next;
		*at = record;
	}
	if (seq_le(record->end, block->end))
		return true;
	size = (block->end - record->seq) / conn->mss * conn->mss;
	return size > 0 && seq_gt(block->end, record->seq) && record_split(conn, record, size);
}

static void duplicate_record(struct tcp_conn *conn, struct record *record, struct ack *ack)
{
	if ((record->flags & R_EVER) && conn->undo_on && conn->act->undo_retrans > 0 &&
	    seq_gt(record->end, conn->act->undo_una)) {
		conn->act->undo_retrans -= record->segments;
		if (conn->act->undo_retrans < 0)
			conn->act->undo_retrans = 0;
	}
	if ((record->flags & R_SACKED) && seq_lt(record->seq, ack->reorder_seq))
		ack->reorder_seq = record->seq;
	clear_retrans(conn, record);
}

static void walk(struct tcp_conn *conn, const struct range *block, bool duplicate, struct ack *ack)
{
	struct record *record = conn->act->sack_hint;

	if (record == NULL || seq_gt(record->seq, block->start))
		record = conn->act->records;
	for (; record != NULL && seq_lt(record->seq, block->end); record = record->next) {
		if (seq_le(record->end, block->start))
			continue;
		if ((record->flags & R_SACKED) && !duplicate)
			continue;
		if (!trim(conn, &record, block))
			continue;
		conn->act->sack_hint = record;
		if (duplicate)
			duplicate_record(conn, record, ack);
		if (!(record->flags & R_SACKED))
			tag(conn, record, ack);
	}
}

/* What a block may say: of data in flight, or of duplicates of what was sent not long ago. */
static bool valid(const struct tcp_conn *conn, const struct range *block, bool duplicate,
                  const struct ack *ack)
{
	if (!seq_lt(block->start, block->end) || seq_gt(block->end, conn->snd_nxt))
		return false;
	if (seq_ge(block->start, conn->snd_una))
		return true;
	return duplicate && conn->snd_una - block->start <= max_u32(conn->snd_max_wnd, 1u << 16) &&
	       ack != NULL;
}

bool sack_late_duplicate(struct tcp_conn *conn, const struct segment *segment, struct ack *ack)
{
	const struct range *block = segment->options.sacks;

	if (!has_active(conn) || !is_duplicate(segment) || !valid(conn, block, true, ack))
		return false;
	take_duplicate(conn, block, ack);
	return true;
}

static bool seen(const struct tcp_conn *conn, const struct range *block)
{
	for (unsigned i = 0; i < SACKS_MAX; i++)
		if (conn->act->seen_sacks[i].start == block->start &&
		    conn->act->seen_sacks[i].end == block->end)
			return true;
	return false;
}

void sack_input(struct tcp_conn *conn, const struct segment *segment, struct ack *ack)
{
	const struct options *options = &segment->options;
	bool duplicate = is_duplicate(segment);

	if (conn->act->sacked_out == 0)
		conn->act->fack = conn->snd_una;
	for (unsigned i = 0; i < options->n_sacks; i++) {
		const struct range *block = &options->sacks[i];
		bool first = i == 0 && duplicate;

		if (!valid(conn, block, first, ack)) {
			conn->stack->count.sack_bad++;
			continue;
		}
		if (first)
			take_duplicate(conn, block, ack);
		/* A duplicate of what this very acknowledgement covers is in the records still. */
		if (seq_gt(block->end, ack->prior_una) && (first || !seen(conn, block)))
			walk(conn, block, first, ack);
	}
	for (unsigned i = 0; i < SACKS_MAX; i++)
		conn->act->seen_sacks[i] =
		        i < options->n_sacks ? options->sacks[i] : (struct range){0, 0};
	if (seq_lt(ack->reorder_seq, ack->prior_fack))
		sack_reordering(conn, ack->reorder_seq, ack);
}

/* ---- What we tell the peer ---- */

static bool touch(const struct range *a, uint32_t start, uint32_t end)
{
	return seq_le(start, a->end) && seq_le(a->start, end);
}

/* The newest first; what it touches becomes part of it (RFC 2018, 4). */
void sack_note(struct tcp_conn *conn, uint32_t start, uint32_t end)
{
	struct range all = {start, end};
	unsigned n = 0;

	for (unsigned i = 0; i < conn->n_sacks; i++) {
		const struct range old = conn->act->sacks[i];

		if (touch(&old, all.start, all.end)) {
			if (seq_lt(old.start, all.start))
				all.start = old.start;
			if (seq_gt(old.end, all.end))
				all.end = old.end;
		} else {
			conn->act->sacks[n++] = old;
		}
	}
	if (n == SACKS_MAX)
		n--;
	for (unsigned i = n; i > 0; i--)
		conn->act->sacks[i] = conn->act->sacks[i - 1];
	conn->act->sacks[0] = all;
	conn->n_sacks = (uint8_t)(n + 1);
}

void sack_forget(struct tcp_conn *conn)
{
	unsigned n = 0;

	if (conn->act->early == NULL) {
		conn->n_sacks = 0;
		return;
	}
	for (unsigned i = 0; i < conn->n_sacks; i++)
		if (seq_gt(conn->act->sacks[i].start, conn->rcv_nxt))
			conn->act->sacks[n++] = conn->act->sacks[i];
	conn->n_sacks = (uint8_t)n;
}

void sack_note_duplicate(struct tcp_conn *conn, uint32_t start, uint32_t end)
{
	conn->stack->count.duplicates++;
	if (!conn->sack || conn->stack->config.no_dsack || !active_get(conn))
		return;
	conn->stack->count.dsack_out++;
	conn->act->dsack_range = (struct range){start, end};
	conn->dsack = 1;
}

void sack_extend_duplicate(struct tcp_conn *conn, uint32_t start, uint32_t end)
{
	struct range *range = &conn->act->dsack_range;

	if (!conn->dsack) {
		sack_note_duplicate(conn, start, end);
	} else if (seq_le(start, range->end) && seq_le(range->start, end)) {
		range->start = seq_lt(start, range->start) ? start : range->start;
		range->end = seq_gt(end, range->end) ? end : range->end;
	}
}
