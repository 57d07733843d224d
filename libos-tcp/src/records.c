/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of what is in flight: a list by sequence number and one by time of transmission, and the
 * counts of segments that depend on them. */
#include "internal.h"

static uint16_t count_segments(const struct tcp_conn *conn, const struct record *record)
{
	uint32_t size = record->end - record->seq - !!(record->flags & R_FIN);

	return size <= conn->mss ? 1 : (uint16_t)((size + conn->mss - 1) / conn->mss);
}

/* Adds a record's segments to the counts, or takes them off (sign -1). */
static void account(struct tcp_conn *conn, const struct record *record, uint32_t sign)
{
	uint32_t n = record->segments * sign;

	conn->packets_out += n;
	if (record->flags & R_SACKED)
		conn->act->sacked_out += n;
	if (record->flags & R_LOST)
		conn->act->lost_out += n;
	if (record->flags & R_RETRANS)
		conn->act->retrans_out += n;
}

/* Of what leaves next, up to `end`; in no list yet. NULL: a pool is empty. */
static inline struct record *make(struct tcp_conn *conn, uint32_t end, uint8_t flags)
{
	struct record *record = active_get(conn) ? pool_get(&conn->stack->record_pool) : NULL;

	if (record == NULL)
		return NULL;
	record->seq = conn->snd_nxt;
	record->end = end;
	record->flags = flags;
	record->tries = 0;
	return record;
}

struct record *record_append(struct tcp_conn *conn, uint32_t end, uint8_t flags)
{
	struct record *record = make(conn, end, flags);

	if (record == NULL)
		return NULL;
	record->next = NULL;
	record->prev = conn->act->records_last;
	record->segments = count_segments(conn, record);
	if (conn->act->records_last != NULL)
		conn->act->records_last->next = record;
	else
		conn->act->records = record;
	conn->act->records_last = record;
	conn->packets_out += record->segments;
	return record;
}

struct record *record_append_single(struct tcp_conn *conn, uint32_t end, uint8_t flags)
{
	struct record *record = make(conn, end, flags | R_TIMED);
	struct active *act = conn->act;

	if (record == NULL)
		return NULL;
	record->next = record->prev = record->newer = record->older = NULL;
	record->sent_us = conn->stack->us;
	record->segments = 1;
	act->records = act->records_last = act->oldest = act->newest = record;
	conn->packets_out = 1;
	return record;
}

void record_time_append(struct tcp_conn *conn, struct record *record)
{
	record->newer = NULL;
	record->older = conn->act->newest;
	if (conn->act->newest != NULL)
		conn->act->newest->newer = record;
	else
		conn->act->oldest = record;
	conn->act->newest = record;
	record->flags |= R_TIMED;
}

void record_time_insert(struct tcp_conn *conn, struct record *record)
{
	struct record *older = conn->act->newest, **newer;

	while (older != NULL &&
	       ((int32_t)(older->sent_us - record->sent_us) > 0 ||
	        (older->sent_us == record->sent_us && seq_gt(older->end, record->end))))
		older = older->older;
	newer = older != NULL ? &older->newer : &conn->act->oldest;
	record->older = older;
	record->newer = *newer;
	*newer = record;
	if (record->newer != NULL)
		record->newer->older = record;
	else
		conn->act->newest = record;
	record->flags |= R_TIMED;
}

void record_time_remove(struct tcp_conn *conn, struct record *record)
{
	if (!(record->flags & R_TIMED))
		return;
	if (record->older != NULL)
		record->older->newer = record->newer;
	else
		conn->act->oldest = record->newer;
	if (record->newer != NULL)
		record->newer->older = record->older;
	else
		conn->act->newest = record->older;
	record->flags &= (uint8_t)~R_TIMED;
}

void record_remove(struct tcp_conn *conn, struct record *record)
{
	record_time_remove(conn, record);
	if (record->prev != NULL)
		record->prev->next = record->next;
	else
		conn->act->records = record->next;
	if (record->next != NULL)
		record->next->prev = record->prev;
	else
		conn->act->records_last = record->prev;
	if (conn->act->lost_hint == record)
		conn->act->lost_hint = record->next;
	if (conn->act->sack_hint == record)
		conn->act->sack_hint = record->next;
	pool_put(&conn->stack->record_pool, record);
}

static void clear_lists(struct active *act)
{
	act->records = act->records_last = act->oldest = act->newest = NULL;
	act->lost_hint = act->sack_hint = NULL;
}

void record_remove_single(struct tcp_conn *conn, struct record *record)
{
	clear_lists(conn->act);
	pool_put(&conn->stack->record_pool, record);
}

/* Puts `second` behind `first` by time as by number: they were sent together. */
static void link_second(struct tcp_conn *conn, struct record *first, struct record *second)
{
	second->prev = first;
	second->next = first->next;
	if (second->next != NULL)
		second->next->prev = second;
	else
		conn->act->records_last = second;
	first->next = second;
	if (!(first->flags & R_TIMED))
		return;
	second->older = first;
	second->newer = first->newer;
	if (second->newer != NULL)
		second->newer->older = second;
	else
		conn->act->newest = second;
	first->newer = second;
}

bool record_split(struct tcp_conn *conn, struct record *record, uint32_t size)
{
	struct record *second = pool_get(&conn->stack->record_pool);

	if (second == NULL)
		return false;
	account(conn, record, -1u);
	*second = *record;
	second->seq = record->seq + size;
	record->end = second->seq;
	record->flags &= (uint8_t) ~(R_FIN | R_PUSH);
	link_second(conn, record, second);
	record->segments = count_segments(conn, record);
	second->segments = count_segments(conn, second);
	account(conn, record, 1);
	account(conn, second, 1);
	return true;
}

void record_join(struct tcp_conn *conn, struct record *record)
{
	struct record *next = record->next;

	account(conn, next, -1u);
	record->end = next->end;
	record->flags |= next->flags & (R_FIN | R_PUSH | R_EVER);
	record_remove(conn, next);
}

void record_recount(struct tcp_conn *conn, struct record *record)
{
	account(conn, record, -1u);
	record->segments = count_segments(conn, record);
	account(conn, record, 1);
}

void record_limit_duplicates(struct tcp_conn *conn)
{
	struct active *act = conn->act;

	if (!conn->sack && act->sacked_out > conn->packets_out - act->lost_out)
		act->sacked_out = conn->packets_out - act->lost_out;
}

void record_mark_lost(struct tcp_conn *conn, struct record *record)
{
	if (record->flags & R_SACKED)
		return;
	if (record->flags & R_RETRANS) {
		record->flags &= (uint8_t)~R_RETRANS;
		conn->act->retrans_out -= record->segments;
	} else if (record->flags & R_LOST) {
		return;
	}
	if (!(record->flags & R_LOST)) {
		record->flags |= R_LOST;
		conn->act->lost_out += record->segments;
	}
	conn->act->lost_total += record->segments;
	if (conn->act->lost_hint == NULL || seq_lt(record->seq, conn->act->lost_hint->seq))
		conn->act->lost_hint = record;
	record_limit_duplicates(conn);
}

void record_drop_all(struct tcp_conn *conn)
{
	struct active *act = conn->act;
	struct record *next;

	conn->packets_out = 0;
	if (!has_active(conn))
		return;
	for (struct record *record = act->records; record != NULL; record = next) {
		next = record->next;
		pool_put(&conn->stack->record_pool, record);
	}
	clear_lists(act);
	act->sacked_out = act->lost_out = act->retrans_out = 0;
}
