/* SPDX-License-Identifier: BSD-2-Clause */
/* Segments: cut out of the answers that are in the queue, the first time and any later time. */
#include "internal.h"

/* The answer that has sequence number `seq`, and how far `seq` is in it; NULL: FIN, or nothing. */
static const struct static_answer *answer_at(const struct static_stack *stack,
                                             const struct conn *conn, uint32_t seq, uint32_t *from,
                                             uint32_t *left)
{
	uint32_t offset = seq - conn->base;

	for (unsigned i = 0; i < conn->queued; i++) {
		const struct static_answer *answer = &stack->site.answers[conn->queue[i]];
		uint32_t size = conn->head[i] ? answer->head : answer->size;

		if (offset < size) {
			*from = offset;
			*left = size - offset;
			return answer;
		}
		offset -= size;
	}
	return NULL;
}

uint32_t static_output_one(struct static_stack *stack, struct conn *conn, uint32_t seq)
{
	uint32_t from = 0, left = 0, size, end = conn->limit - conn->ending;
	const struct static_answer *answer = answer_at(stack, conn, seq, &from, &left);
	uint8_t flags = ACK;

	size = answer == NULL ? 0 : least(left, conn->mss);
	if (answer != NULL && size == left)
		flags |= PSH;
	if (conn->ending && seq + size == end)
		flags |= FIN;
	static_packet_send(stack, conn, seq, flags, answer, from, size);
	conn->ack_due = false;
	seq += size + ((flags & FIN) != 0);
	if (before(conn->snd_max, seq))
		conn->snd_max = seq;
	return seq;
}

/* How much may be in flight. The first two duplicates each let one more segment go (RFC 3042). */
static uint32_t window(const struct conn *conn)
{
	uint32_t cwnd = conn->cwnd;

	if (!conn->recovering)
		cwnd += least(conn->duplicates, 2) * conn->mss;
	return least(cwnd, conn->snd_wnd);
}

/* The next segment fits: whole ones always, the last one and FIN, too, partial ones only where
 * nothing is in flight that would open the window (RFC 9293, 3.8.6.2.1). */
static bool fits(const struct conn *conn)
{
	uint32_t flight = conn->snd_nxt - conn->snd_una, may = window(conn);
	uint32_t size = least(conn->limit - conn->snd_nxt, conn->mss);

	return size > 0 && flight + size <= may;
}

/* A window smaller than a segment, for ever: what fits is sent. */
static bool squeezed(const struct conn *conn)
{
	return conn->snd_nxt == conn->snd_una && conn->snd_wnd > 0 && conn->snd_wnd < conn->mss &&
	       conn->snd_nxt != conn->limit;
}

static void send_squeezed(struct static_stack *stack, struct conn *conn)
{
	uint16_t mss = conn->mss;

	conn->mss = (uint16_t)conn->snd_wnd;
	conn->snd_nxt = static_output_one(stack, conn, conn->snd_nxt);
	conn->mss = mss;
}

void static_output_all(struct static_stack *stack, struct conn *conn)
{
	uint32_t first = conn->snd_nxt;

	while (fits(conn)) {
		if (before(conn->snd_nxt, conn->snd_max))
			stack->count.retransmitted++;
		conn->snd_nxt = static_output_one(stack, conn, conn->snd_nxt);
	}
	if (squeezed(conn))
		send_squeezed(stack, conn);
	if (conn->snd_nxt != first && !conn->timing && conn->snd_nxt == conn->snd_max) {
		conn->timing = true;
		conn->timed = conn->snd_nxt;
		conn->timed_at = stack->ms;
	}
}

void static_output_ack(struct static_stack *stack, const struct conn *conn)
{
	static_packet_send(stack, conn, conn->snd_nxt, ACK, NULL, 0, 0);
}

void static_output_challenge(struct static_stack *stack, const struct conn *conn)
{
	if (stack->challenges >= stack->config.challenges)
		return;
	stack->challenges++;
	stack->count.challenges++;
	static_output_ack(stack, conn);
}
