/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long a connection has been busy, and for how much of that the peer's window or our own buffer
 * kept it from sending (TCP_INFO's times, as Linux counts them). One thing at a time: of those that
 * hold the one that says most. Kept only where the configuration asks for it.
 */
#include "internal.h"

static void become(const struct tcp_conn *conn, enum busy_with with)
{
	struct busy *busy = busy_of(conn);
	uint32_t now = conn->stack->ms;

	if (busy->with != BUSY_NOT)
		busy->ms[busy->with - 1] += now - busy->since;
	busy->since = now;
	busy->with = (uint8_t)with;
}

void busy_begin_kept(const struct tcp_conn *conn, enum busy_with with)
{
	if (with > busy_of(conn)->with)
		become(conn, with);
}

void busy_end_kept(const struct tcp_conn *conn, enum busy_with with)
{
	if (conn->packets_out == 0 && !has_unsent(conn))
		become(conn, BUSY_NOT);
	else if (with == busy_of(conn)->with)
		become(conn, BUSY_SENDING);
}

uint64_t busy_us(const struct tcp_conn *conn, enum busy_with with)
{
	const struct busy *busy;
	uint32_t ms;

	if (conn->stack->busies == NULL)
		return 0;
	busy = busy_of(conn);
	ms = busy->ms[with - 1];
	if (busy->with == with)
		ms += conn->stack->ms - busy->since;
	return ms * 1000ull;
}
