/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One connection for each pass. Bytes stay in TCP's buffers until the stream asks for them, so that
 * the window holds the server back where the trace is played slower than the network is.
 */
#include <stdio.h>
#include <string.h>

#include "station_fetch.h"

enum { RING = 512, CONNECTIONS = 8 };

static const char *fail(struct station_fetch *fetch, const char *what)
{
	snprintf(fetch->reason, sizeof(fetch->reason), "%s", what);
	fetch->feed.reason = fetch->reason;
	return fetch->reason;
}

/* Events are hints only: read looks by itself. */
static void on_event(struct tcp_conn *conn, unsigned events)
{
}

static const char *connect_and_ask(struct station_fetch *fetch)
{
	struct udp_endpoint server = {.port = fetch->url.port};
	char request[HTTP_REQUEST_MAX];
	size_t size = http_request(request, &fetch->url);

	server.ip.family = (uint8_t)fetch->url.version;
	memcpy(server.ip.bytes, fetch->url.address, sizeof(fetch->url.address));
	memset(&fetch->head, 0, sizeof(fetch->head));
	fetch->conn = NULL;
	if (tcp_connect(fetch->net.stack, NULL, &server, NULL, on_event, fetch, &fetch->conn) != 0)
		return fail(fetch, "there is no way to the web server");
	if (tcp_send_copy(fetch->conn, request, (uint32_t)size, 0) != (int64_t)size)
		return fail(fetch, "the request finds no room");
	return NULL;
}

/* Why a connection that brought less than it should has ended. */
static const char *why_ended(const struct station_fetch *fetch)
{
	static const char *const causes[] = {
	        [TCP_CAUSE_NONE] = "the web server's connection ended before the file did",
	        [TCP_CAUSE_FINISHED] = "the web server's connection ended before the file did",
	        [TCP_CAUSE_RESET] = "the web server broke the connection off",
	        [TCP_CAUSE_REFUSED] = "nobody listens where the web server should be",
	        [TCP_CAUSE_TIMEOUT] = "the web server does not answer",
	        [TCP_CAUSE_UNREACHABLE] = "there is no way to the web server",
	        [TCP_CAUSE_ABORTED] = "the connection was given up"};

	return causes[tcp_conn_cause(fetch->conn)];
}

/* Nothing is unread: is there an end, or only nothing yet? */
static ptrdiff_t nothing_unread(struct station_fetch *fetch)
{
	bool ended = tcp_at_end(fetch->conn) || tcp_conn_state(fetch->conn) == TCP_STATE_CLOSED;

	if (!ended)
		return 0;
	if (fetch->head.whole && fetch->left == UINT64_MAX && tcp_at_end(fetch->conn))
		return STREAM_END;
	(void)fail(fetch, why_ended(fetch));
	return STREAM_BROKEN;
}

/* The head of the answer, out of what is unread. NULL, or what is wrong. */
static const char *take_head(struct station_fetch *fetch)
{
	struct tcp_span span;
	size_t used;

	while (!fetch->head.whole && tcp_peek(fetch->conn, &span, 1) == 1) {
		const char *wrong = http_head_take(&fetch->head, span.data, span.size, &used);
		tcp_consume(fetch->conn, (uint32_t)used);
		if (wrong)
			return wrong;
		fetch->left = fetch->head.length;
	}
	return NULL;
}

static size_t take_body(struct station_fetch *fetch, char *to, size_t size)
{
	struct tcp_span span;
	size_t have = 0;

	while (have < size && fetch->left && tcp_peek(fetch->conn, &span, 1) == 1) {
		size_t n = span.size < size - have ? span.size : size - have;
		n = n < fetch->left ? n : (size_t)fetch->left;
		memcpy(to + have, span.data, n);
		tcp_consume(fetch->conn, (uint32_t)n);
		fetch->left -= fetch->left == UINT64_MAX ? 0 : n;
		have += n;
	}
	return have;
}

static ptrdiff_t read_fetched(struct stream_feed *feed, void *to, size_t size)
{
	struct station_fetch *fetch = (struct station_fetch *)feed;
	const char *wrong = NULL;

	(void)tcp_exo_poll(&fetch->net);
	if (fetch->conn && !fetch->head.whole)
		wrong = take_head(fetch);
	if (wrong)
		(void)fail(fetch, wrong);
	if (wrong || !fetch->conn)
		return STREAM_BROKEN;
	if (fetch->head.whole && !fetch->left)
		return STREAM_END;
	size_t have = fetch->head.whole ? take_body(fetch, to, size) : 0;
	return have ? (ptrdiff_t)have : nothing_unread(fetch);
}

static void rewind_fetched(struct stream_feed *feed)
{
	struct station_fetch *fetch = (struct station_fetch *)feed;

	if (fetch->conn)
		tcp_close(fetch->conn);
	(void)connect_and_ask(fetch); /* where it fails, reading says why */
}

const char *station_fetch_open(struct station_fetch *fetch, const char *url)
{
	struct tcp_exo_options options = tcp_exo_options_default();

	*fetch = (struct station_fetch){.feed = {.read = read_fetched, .rewind = rewind_fetched}};
	const char *wrong = http_url_parse(&fetch->url, url);
	if (wrong)
		return wrong;
	options.udp.flow = "fetch";
	options.udp.ring_size = RING;
	options.tcp.connections = options.tcp.actives = options.tcp.requests = CONNECTIONS;
	if (tcp_exo_open(&fetch->net, &options) < 0)
		return fail(fetch, fetch->net.driver.error);
	return connect_and_ask(fetch);
}

void station_fetch_poll(struct station_fetch *fetch)
{
	(void)tcp_exo_poll(&fetch->net);
}
