/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections. Each is in one of three lists, by what it is waited for: `heads` (a request has
 * begun), `waits` (for the next request, or for the peer to take an answer), `lingers` (an error
 * was answered: for the peer's end). A list's connections all have the same patience, so the oldest
 * stands first, and time is looked at there only.
 *
 * While the send buffer is full nothing more is read: the peer's requests wait in the stack, whose
 * window then closes.
 */
#include <http/date.h>
#include <http/server.h>

#include "internal.h"
#include "places.h"
#include "whole.h"

enum {
	BACKLOG = 256,
	HTTP_SUMMED_BYTES = 1460, /* of a body that may leave in one segment with its head */
};

/* ---- The end of a connection ---- */

/* Our stream has ended; what still comes is thrown away, for a reset would take the answer with
 * it. */
static void linger(struct http_conn *conn)
{
	conn->ended = true;
	tcp_shutdown_read(conn->tcp);
	conn->unacked = tcp_unacknowledged(conn->tcp);
	move(conn, &conn->server->lingers);
}

/* Both ends have been said. Who has not taken all of his answer yet is not let go before, for
 * nobody would look after what he holds. */
static void finish(struct http_conn *conn)
{
	if (tcp_unacknowledged(conn->tcp) == 0) {
		close_now(conn);
		return;
	}
	(void)tcp_shutdown(conn->tcp);
	linger(conn);
}

/* ---- Answering ---- */

static void release_line(void *context, const void *data, uint32_t size)
{
	((struct http_clock_line *)context)->users--;
}

/* The status line of 200 with this second's date. */
static int queue_status(struct http_conn *conn)
{
	struct http_clock_line *line = &conn->server->lines[conn->server->line];
	int result = tcp_send_summed(conn->tcp, line->text, line->size, line->sum, release_line,
	                             line, TCP_SEND_MORE);

	line->users += result == 0;
	return result;
}

/* Sums up what will be answered to a known head, once. → whether the sums hold. */
static bool summed(struct http_known *known, const struct http_answer *answer,
                   const struct http_resource *resource)
{
	const char *fixed;
	uint32_t size;

	if (known == NULL || !answer->prepared || resource->release != NULL ||
	    resource->size > HTTP_SUMMED_BYTES)
		return false;
	if (known->answered == resource && known->close == answer->close)
		return true;
	fixed = http_fixed_fields(answer, resource, &size);
	known->answered = resource;
	known->close = answer->close;
	known->fixed_sum = tcp_content_sum(fixed, size);
	known->body_sum = tcp_content_sum(resource->data, resource->size);
	return true;
}

/* `known`: whose sums hold; NULL: none do. */
static int queue_head(struct http_conn *conn, const struct http_answer *answer,
                      const struct http_resource *resource, const struct http_known *known,
                      unsigned flags)
{
	const char *fixed;
	uint32_t size;
	int64_t copied;

	if (answer->prepared) {
		fixed = http_fixed_fields(answer, resource, &size);
		if (queue_status(conn) != 0)
			return -TCP_ENOBUFS;
		return known != NULL ? tcp_send_summed(conn->tcp, fixed, size, known->fixed_sum,
		                                       NULL, NULL, flags)
		                     : tcp_send(conn->tcp, fixed, size, NULL, NULL, flags);
	}
	copied = tcp_send_copy(conn->tcp, answer->head, answer->head_size, flags);
	return copied == answer->head_size ? 0 : -TCP_ENOBUFS;
}

static void release_unsent(const struct http_resource *resource)
{
	if (resource != NULL && resource->release != NULL)
		resource->release(resource->context, resource->data, resource->size);
}

static int queue_body(struct http_conn *conn, const struct http_answer *answer,
                      const struct http_resource *resource, const struct http_known *known,
                      unsigned flags)
{
	const uint8_t *data = (const uint8_t *)resource->data + answer->first;
	int result;

	if (known != NULL)
		result = tcp_send_summed(conn->tcp, data, answer->size, known->body_sum, NULL, NULL,
		                         flags);
	else if (resource->content != NULL)
		result = tcp_send_content(conn->tcp, resource->content, answer->first, answer->size,
		                          flags);
	else
		result = tcp_send(conn->tcp, data, answer->size, resource->release,
		                  resource->context, flags);

	if (result == 0)
		conn->server->counters.bytes += answer->size;
	else
		release_unsent(resource);
	return result;
}

static void count(struct http_counters *counters, uint16_t status)
{
	if (status < 300)
		counters->answers_2xx++;
	else if (status < 400)
		counters->answers_3xx++;
	else if (status < 500)
		counters->answers_4xx++;
	else
		counters->answers_5xx++;
}

/* -TCP_EPIPE: the peer has gone. What is left of an answer cannot be told apart from a whole one:
 * the connection must not end in order. */
static void give_up(struct http_conn *conn, int result)
{
	conn->server->counters.no_memory += result == -TCP_ENOBUFS;
	abort_now(conn);
}

/* Queues all of it. false: the connection is gone. */
static bool queue(struct http_conn *conn, const struct http_answer *answer,
                  const struct http_resource *resource, struct http_known *known)
{
	bool body = answer->with_body && answer->size > 0;
	unsigned end = answer->close ? TCP_SEND_END : 0;
	int result;

	if (!summed(known, answer, resource))
		known = NULL;
	else if (body)
		http_whole_make(conn->server, known, answer, resource);
	result = queue_head(conn, answer, resource, known, body ? TCP_SEND_MORE : end);

	count(&conn->server->counters, answer->status);
	if (!body || result != 0)
		release_unsent(resource);
	else
		result = queue_body(conn, answer, resource, known, end);
	if (result == 0)
		return true;
	give_up(conn, result);
	return false;
}

static const char *date_of(const struct http_server *server)
{
	return server->wall != 0 ? server->date : NULL;
}

/* Behind an answer. `close`: it was the last. */
static bool go_on(struct http_conn *conn, bool close)
{
	if (close)
		linger(conn);
	return !close;
}

/* `known`: where the request was found; NULL: it is new. false: the connection is gone, or reads no
 * more. */
static bool answer_request(struct http_conn *conn, const struct http_request *request,
                           struct http_known *known)
{
	struct http_server *server = conn->server;
	const struct http_resource *resource = NULL;
	struct http_answer answer;
	int result;

	server->counters.requests++;
	if (known != NULL && known->whole != NULL && known->whole->resource->lasting)
		resource = known->whole->resource;
	else if (request->method == HTTP_METHOD_GET || request->method == HTTP_METHOD_HEAD)
		resource = server->config.find(server->config.context, request);
	if (known != NULL && resource != NULL) {
		result = http_whole_send(server, conn->tcp, known, resource);
		if (result > 0)
			return go_on(conn, known->whole->close);
		if (result < 0) {
			give_up(conn, result);
			return false;
		}
	}
	http_answer(&answer, request, resource, date_of(server));
	if (!queue(conn, &answer, resource, known))
		return false;
	return go_on(conn, answer.close);
}

/* What is wrong with a body that nobody wants is the end, but no answer: the request had its own,
 * and this would be taken for the next one's. */
static void answer_wrong(struct http_conn *conn, uint16_t status)
{
	struct http_answer answer;

	if (conn->answered) {
		(void)tcp_shutdown(conn->tcp);
		linger(conn);
		return;
	}
	http_answer_status(&answer, status, conn->request.method != HTTP_METHOD_HEAD, true,
	                   date_of(conn->server));
	if (queue(conn, &answer, NULL, NULL))
		linger(conn);
}

/* ---- Heads that are known ---- */

static uint64_t word_at(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof word);
	return word;
}

/* The place of a head that begins so: the first bytes, most of the request line, decide. NULL: too
 * few. */
static struct http_known *place_of(struct http_server *server, const uint8_t *at, uint32_t size)
{
	uint64_t hash;

	if (size < 4 * sizeof hash)
		return NULL;
	hash = word_at(at) ^ word_at(at + 8) << 1 ^ word_at(at + 16) << 2 ^ word_at(at + 24) << 3;
	return &server->known[hash * 0x9e3779b97f4a7c15 >> 32 & (HTTP_KNOWN - 1)];
}

/* The known head that these bytes begin with, and its size; NULL: never seen. */
static struct http_known *recall(struct http_server *server, const uint8_t *at, uint32_t size,
                                 uint32_t *used)
{
	struct http_known *known = place_of(server, at, size);

	if (known == NULL || known->size == 0 || known->size > size ||
	    memcmp(known->bytes, at, known->size) != 0)
		return NULL;
	*used = known->size;
	return known;
}

/* All of the head was `size` bytes at `at`. */
static void remember(struct http_server *server, const struct http_request *request,
                     const uint8_t *at, uint32_t size)
{
	struct http_known *known = place_of(server, at, size);

	if (known == NULL || size > HTTP_KNOWN_BYTES || request->has_body)
		return;
	memcpy(known->bytes, at, size);
	known->size = size;
	known->request = *request;
	known->answered = NULL;
	known->whole = NULL;
}

/* ---- Reading ---- */

static void next_request(struct http_conn *conn)
{
	conn->unacked = tcp_unacknowledged(conn->tcp);
	move(conn, &conn->server->waits);
}

static void reset(struct http_conn *conn)
{
	http_request_reset(&conn->request);
	conn->answered = false;
}

/* Takes the next bytes, up to the end of a head or a request. Out of line: most heads are known. */
static __attribute__((noinline)) enum http_parsed parse(struct http_conn *conn, const uint8_t *at,
                                                        uint32_t size, uint32_t *used)
{
	bool fresh = !conn->request.begun;
	enum http_parsed parsed = http_request_parse(&conn->request, at, size, used);

	if (fresh && parsed == HTTP_HEAD)
		remember(conn->server, &conn->request, at, *used);
	return parsed;
}

/* Works through the bytes of a span as long as answers find room. *used of them were taken. false:
 * the connection is gone, or reads no more. */
static bool take(struct http_conn *conn, const struct tcp_span *span, uint32_t *used)
{
	enum http_parsed parsed = HTTP_END;
	uint32_t n;

	*used = 0;
	do {
		const uint8_t *at = span->data + *used;
		struct http_known *known = NULL;

		if (!conn->request.begun)
			known = recall(conn->server, at, span->size - *used, &n);
		if (known == NULL)
			parsed = parse(conn, at, span->size - *used, &n);
		*used += n;
		if ((known != NULL || parsed == HTTP_HEAD) &&
		    !answer_request(conn, known != NULL ? &known->request : &conn->request, known))
			return false;
		conn->answered |= parsed == HTTP_HEAD;
		/* With the empty lines that stood before one that is known. */
		if (parsed == HTTP_END && (known == NULL || conn->request.line != 0))
			reset(conn);
		if (known != NULL || parsed == HTTP_END)
			next_request(conn);
	} while (parsed == HTTP_HEAD ||
	         (parsed == HTTP_END && *used < span->size && tcp_send_space(conn->tcp) > 0));
	if (parsed == HTTP_WRONG) {
		answer_wrong(conn, conn->request.status);
		return false;
	}
	if (parsed == HTTP_MORE && conn->request.begun && conn->list != &conn->server->heads)
		move(conn, &conn->server->heads);
	return true;
}

static void read_all(struct http_conn *conn)
{
	struct tcp_conn *tcp = conn->tcp;
	struct tcp_span span;
	uint32_t used;

	while (tcp_peek(tcp, &span, 1) == 1 && tcp_send_space(tcp) > 0) {
		if (!take(conn, &span, &used))
			return;
		tcp_consume(tcp, used);
	}
	/* The peer's end, all before it answered: ours comes behind what is queued. */
	if (tcp_at_end(tcp))
		finish(conn);
}

static void on_event(struct tcp_conn *tcp, unsigned events)
{
	struct http_conn *conn = tcp_conn_context(tcp);

	if (events & TCP_EVENT_CLOSED ||
	    (conn->ended && tcp_at_end(tcp) && tcp_unacknowledged(tcp) == 0))
		close_now(conn);
	else if (!conn->ended)
		read_all(conn);
}

/* ---- Accepting ---- */

static void begin(struct http_server *server, struct http_conn *conn, struct tcp_conn *tcp)
{
	server->free = conn->next;
	server->in_use++;
	server->counters.accepted++;
	conn->tcp = tcp;
	conn->server = server;
	conn->unacked = 0;
	conn->ended = false;
	reset(conn);
	/* Who says nothing at all is as slow as who says it slowly. */
	enter(conn, &server->heads);
	read_all(conn);
}

/* Those for whom there is no place wait in the listener. */
static void accept_from(struct http_server *server, struct tcp_listener *listener)
{
	while (tcp_listener_ready(listener) > 0) {
		struct http_conn *conn;
		struct tcp_conn *tcp;

		if (server->free == NULL)
			http_places_evict(server);
		conn = server->free;
		if (conn == NULL)
			return;
		tcp = tcp_accept(listener, on_event, conn);
		if (tcp == NULL)
			return;
		begin(server, conn, tcp);
	}
}

static void on_accept(struct tcp_listener *listener)
{
	accept_from(tcp_listener_context(listener), listener);
}

int http_server_listen(struct http_server *server, struct tcp_stack *stack,
                       const struct udp_endpoint *local)
{
	struct tcp_options options = tcp_options_default(stack);
	int result;

	if (server->n_listeners == HTTP_LISTENERS_MAX)
		return -TCP_ENOSPC;
	options.no_delay = true; /* an answer is complete when it is queued */
	options.peer_first = true;
	result = tcp_listen(stack, local, BACKLOG, &options, on_accept, server,
	                    &server->listeners[server->n_listeners]);
	if (result == 0)
		server->stacks[server->n_listeners++] = stack;
	return result;
}

/* ---- Time ---- */

static void tell_second(struct http_server *server, uint64_t wall)
{
	struct http_clock_line *line;
	struct http_line text;
	uint32_t i = server->line;

	/* A line that somebody still has to send stays as it is; where all are in use, an old date
	   goes on. */
	for (unsigned tries = 0; tries < HTTP_CLOCK_LINES; tries++) {
		i = (i + 1) % HTTP_CLOCK_LINES;
		if (server->lines[i].users == 0)
			break;
	}
	line = &server->lines[i];
	if (line->users != 0)
		return;
	server->wall = wall;
	server->line = i;
	text = (struct http_line){.data = line->text, .room = sizeof line->text};
	http_line_text(&text, "HTTP/1.1 200 OK\r\n");
	if (wall != 0) {
		http_date_format(wall, server->date);
		http_line_text(&text, "Date: ");
		http_line_add(&text, server->date, HTTP_DATE_SIZE);
		http_line_text(&text, "\r\n");
	}
	line->size = text.size;
	server->second++;
	line->sum = tcp_content_sum(line->text, line->size);
}

static bool overdue(const struct http_server *server, const struct http_list *list)
{
	return list->first != NULL && server->now - list->first->since >= list->patience;
}

static void end_waiting(struct http_conn *conn)
{
	struct http_counters *counters = &conn->server->counters;
	uint32_t unacked = tcp_unacknowledged(conn->tcp);

	if (unacked == 0) {
		counters->idle += !conn->ended;
		close_now(conn);
	} else if (unacked != conn->unacked) {
		conn->unacked = unacked; /* slow, but it goes on */
		move(conn, conn->list);
	} else {
		counters->stalled++;
		abort_now(conn);
	}
}

static void end_lingering(struct http_conn *conn)
{
	conn->unacked = tcp_unacknowledged(conn->tcp);
	if (conn->unacked == 0)
		close_now(conn);
	else
		move(conn, &conn->server->waits);
}

static void end_head(struct http_conn *conn)
{
	if (tcp_send_space(conn->tcp) == 0) { /* it is our turn: earlier answers are under way */
		conn->unacked = tcp_unacknowledged(conn->tcp);
		move(conn, &conn->server->waits);
		return;
	}
	conn->server->counters.heads_too_slow++;
	if (conn->request.begun)
		answer_wrong(conn, 408);
	else
		close_now(conn);
}

static uint64_t due(const struct http_list *list)
{
	return list->first != NULL ? list->first->since + list->patience : UINT64_MAX;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t http_server_deadline(const struct http_server *server)
{
	return earlier(due(&server->heads), earlier(due(&server->waits), due(&server->lingers)));
}

/* Who comes into a list later is not overdue before its patience has passed. */
static void end_overdue(struct http_server *server)
{
	uint64_t least = earlier(server->heads.patience,
	                         earlier(server->waits.patience, server->lingers.patience));

	while (overdue(server, &server->heads))
		end_head(server->heads.first);
	while (overdue(server, &server->waits))
		end_waiting(server->waits.first);
	while (overdue(server, &server->lingers))
		end_lingering(server->lingers.first);
	server->look = earlier(http_server_deadline(server), server->now + least);
}

uint64_t http_server_run(struct http_server *server, uint64_t now, uint64_t wall)
{
	server->now = now;
	if (wall != server->wall)
		tell_second(server, wall);
	if (now >= server->look)
		end_overdue(server);
	if (now >= server->pools_at)
		http_places_run(server);
	for (uint32_t i = 0; i < server->n_listeners; i++)
		accept_from(server, server->listeners[i]);
	return http_server_deadline(server);
}

/* ---- Opening ---- */

struct http_server_config http_server_config_default(void)
{
	return (struct http_server_config){.connections = 1024,
	                                   .head_ns = 10 * SECOND_NS,
	                                   .idle_ns = 60 * SECOND_NS,
	                                   .linger_ns = 5 * SECOND_NS};
}

size_t http_server_bytes(const struct http_server_config *config)
{
	return config->connections * sizeof(struct http_conn);
}

int http_server_open(struct http_server *server, const struct http_server_config *config,
                     void *memory, size_t size)
{
	struct http_conn *conns = memory;

	if (config->connections == 0 || size < http_server_bytes(config) || config->find == NULL ||
	    (uintptr_t)memory % _Alignof(struct http_conn) != 0)
		return -TCP_EINVAL;
	memset(server, 0, sizeof *server);
	server->config = *config;
	server->heads.patience = config->head_ns;
	server->waits.patience = config->idle_ns;
	server->lingers.patience = config->linger_ns;
	for (uint32_t i = 0; i < config->connections; i++) {
		conns[i].next = server->free;
		server->free = &conns[i];
	}
	tell_second(server, 0);
	return 0;
}
