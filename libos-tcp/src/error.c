/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ICMP errors, as far as RFC 5927 and RFC 1122 (4.2.3.9) advise: what quotes a segment that is not
 * in flight, nor next, is a guess and ignored; an established connection is never ended by one, but
 * says why when it ends for want of answers. Where a router has no way, timeouts are no sign of
 * congestion (RFC 6069). Path MTU discovery: RFC 1191 and RFC 8201.
 */
#include "internal.h"

enum { MTU_MIN4 = 552, MTU_MIN6 = 1280, QUOTE_MIN = 8 };

/* Where a router does not say: the plateaus of RFC 1191, 7.1, that matter today. */
static uint32_t next_plateau(uint32_t mtu)
{
	static const uint16_t plateaus[] = {8166, 4352, 2002, 1492, 1006, MTU_MIN4};

	for (unsigned i = 0; i < sizeof plateaus / sizeof plateaus[0]; i++)
		if (plateaus[i] < mtu)
			return plateaus[i];
	return MTU_MIN4;
}

static bool too_big(struct tcp_conn *conn, uint32_t mtu)
{
	uint32_t least = conn->at.remote.family == 6 ? MTU_MIN6 : MTU_MIN4;

	if (conn->options.no_pmtu)
		return false;
	if (mtu == 0)
		mtu = next_plateau(conn->path_mtu);
	mtu = max_u32(mtu, least);
	if (mtu >= conn->path_mtu)
		return false;
	conn->stack->count.mtu_reduced++;
	output_set_mtu(conn, mtu);
	if (is_synchronised(conn))
		recovery_simple(conn);
	else if (conn->state == TCP_STATE_SYN_SENT)
		fastopen_too_big(conn);
	return true;
}

static bool no_way(enum tcp_failure failure)
{
	return failure == TCP_FAILURE_NO_ROUTE || failure == TCP_FAILURE_NO_NETWORK;
}

/* The last doubling of the timeout is taken back: the next copy leaves that much earlier. */
static void revert_backoff(struct tcp_conn *conn, uint32_t seq)
{
	const struct tcp_config *config = &conn->stack->config;
	const struct record *head = conn->act->records;
	uint64_t wait, gone;

	if (seq != conn->snd_una || conn->retransmits == 0 || conn->backoff == 0 || head == NULL)
		return;
	conn->backoff--;
	rtt_set_rto(conn);
	wait = min_u64((uint64_t)conn->rto_us << min_u32(conn->backoff, 20),
	               config->rto_max_ms * 1000ull);
	conn->rto_us = (uint32_t)wait;
	gone = conn->stack->us - head->sent_us;
	rtx_set(conn, RTX_TIMEOUT, conn->stack->now + (wait - min_u64(gone, wait)) * NS_PER_US);
}

static bool fail(struct tcp_conn *conn, enum tcp_failure failure, uint32_t seq, uint32_t value)
{
	if (failure == TCP_FAILURE_TOO_BIG)
		return too_big(conn, value);
	if (no_way(failure) && may_transmit(conn))
		revert_backoff(conn, seq);
	conn->soft = (uint8_t)failure;
	if (!is_synchronised(conn) && !(is_fast_open(conn) && conn->owned)) {
		conn->stack->count.open_failed++;
		conn_end(conn, failure == TCP_FAILURE_REFUSED ? TCP_CAUSE_REFUSED
		                                              : TCP_CAUSE_UNREACHABLE);
		return true;
	}
	conn->events |= TCP_EVENT_ERROR;
	return true;
}

/* Who can't be answered has no use for the half of a connection. */
static bool fail_request(struct request *request, enum tcp_failure failure, uint32_t seq)
{
	if (request == NULL || seq != request->iss ||
	    !(no_way(failure) || failure == TCP_FAILURE_EXPIRED || failure == TCP_FAILURE_HEADER))
		return false;
	request->listener->stack->count.requests_expired++;
	listen_forget(request);
	return true;
}

void tcp_stack_error(struct tcp_stack *stack, const struct udp_ip *local,
                     const struct udp_ip *remote, const uint8_t *quote, uint32_t size,
                     enum tcp_failure failure, uint32_t value)
{
	struct endpoints at = {.local = *local, .remote = *remote};
	struct tcp_conn *conn = NULL;
	bool honoured = false;
	uint32_t seq = 0, hash;

	if (size >= QUOTE_MIN) {
		at.local_port = wire_get16(quote + H_SRC);
		at.remote_port = wire_get16(quote + H_DST);
		seq = wire_get32(quote + H_SEQ);
		hash = lookup_hash(stack, &at);
		conn = lookup_conn(stack, &at, hash);
		if (conn == NULL)
			honoured = fail_request(lookup_request(stack, &at, hash), failure, seq);
	}
	if (conn != NULL) {
		conn_enter(conn);
		if (seq_ge(seq, conn->snd_una) && seq_le(seq, conn->snd_nxt))
			honoured = fail(conn, failure, seq, value);
		conn_leave(conn);
	}
	if (honoured)
		stack->count.icmp_honoured++;
	else
		stack->count.icmp_ignored++;
}
