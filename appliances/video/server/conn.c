/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP connections: what arrives is taken apart into requests and frames of interleaved RTCP, one at
 * a time, straight from the stack's buffers; nothing of an unfinished request is kept here. A
 * connection that says nothing for half a minute is ended, unless it carries a session or an answer
 * is on its way.
 */
#include <string.h>
#include <udp/wire.h>

#include "internal.h"

enum {
	IDLE_S = 30,
	SPANS = 8,
	PIECE_BYTES = 64 << 20, /* of static bytes queued at once */
	FRAME_HEADER = 4,
};

void client_end(struct video_conn *conn)
{
	struct video *video = conn->video;

	if (conn->tcp == NULL)
		return;
	session_end_conn(video, conn);
	conn->tcp = NULL;
	conn->next = video->free_conn;
	video->free_conn = conn;
	video->n_conns--;
}

static void hang_up(struct video_conn *conn, bool at_once)
{
	struct tcp_conn *tcp = conn->tcp;

	if (tcp == NULL)
		return;
	client_end(conn);
	if (at_once) {
		tcp_abort(tcp);
		return;
	}
	/* What is unread would make a reset of the end, and the answer might be lost by it. */
	tcp_consume(tcp, tcp_unread(tcp));
	tcp_close(tcp);
}

bool client_put(struct video_conn *conn, const void *data, size_t size)
{
	int64_t n;

	if (conn->closing || conn->tcp == NULL)
		return false;
	n = tcp_send_copy(conn->tcp, data, (uint32_t)size, 0);
	if (n == (int64_t)size)
		return true;
	/* Half an answer is worse than none. */
	conn->closing = true;
	return false;
}

static bool queue_piece(struct video_conn *conn)
{
	uint32_t n = conn->rest_size < PIECE_BYTES ? (uint32_t)conn->rest_size : PIECE_BYTES;

	if (tcp_send(conn->tcp, conn->rest, n, NULL, NULL, 0) != 0) {
		conn->closing = true;
		return false;
	}
	conn->rest += n;
	conn->rest_size -= n;
	return true;
}

bool client_put_static(struct video_conn *conn, const void *data, uint64_t size)
{
	if (conn->closing || conn->tcp == NULL)
		return false;
	if (size == 0)
		return true;
	conn->rest = data;
	conn->rest_size = size;
	return queue_piece(conn);
}

/* ---- What arrives ---- */

static size_t gather(const struct video_conn *conn, char *to, size_t max)
{
	struct tcp_span spans[SPANS];
	unsigned n = tcp_peek(conn->tcp, spans, SPANS);
	size_t size = 0;

	for (unsigned i = 0; i < n && size < max; i++) {
		size_t part = spans[i].size < max - size ? spans[i].size : max - size;

		memcpy(to + size, spans[i].data, part);
		size += part;
	}
	return size;
}

/* A frame of interleaved RTP or RTCP: receivers send reports. → bytes; 0: not all there. */
static size_t take_frame(struct video_conn *conn, const char *data, size_t size)
{
	struct udp_endpoint peer = tcp_conn_remote(conn->tcp);
	size_t length;

	if (size < FRAME_HEADER)
		return 0;
	length = wire_get16((const uint8_t *)data + 2);
	if (length > REQUEST_MAX - FRAME_HEADER) {
		conn->closing = true;
		return 0;
	}
	if (size < FRAME_HEADER + length)
		return 0;
	if (data[1] & 1)
		rtp_heard(conn->video, (const uint8_t *)data + FRAME_HEADER, length, &peer.ip);
	return FRAME_HEADER + length;
}

static void refuse(struct video_conn *conn, int result)
{
	int status = result == REQUEST_TOO_LONG ? 413 : 400;

	conn->video->count.malformed++;
	rtsp_refuse(conn, status);
	conn->closing = true;
}

/* → bytes of a request of RTSP; 0: some are missing; negative: it is refused. */
static int take_rtsp(struct video_conn *conn, size_t size)
{
	struct request request;
	int n = request_parse(&request, conn->video->request, size);

	if (n < 0)
		refuse(conn, n);
	else if (n > 0)
		rtsp_request(conn, &request);
	return n;
}

/* One request or frame. false: there is none, or none may be taken now. */
static bool take_one(struct video_conn *conn)
{
	struct video *video = conn->video;
	size_t size;
	int n;

	if (conn->closing || conn->last || conn->rest_size > 0 ||
	    (!conn->rtsp && tcp_unsent(conn->tcp) > 0))
		return false;
	size = gather(conn, video->request, REQUEST_MAX);
	if (size == 0)
		return false;
	conn->heard_ns = video->now;
	if (!conn->rtsp)
		n = (int)http_take(conn, video->request, size, size == REQUEST_MAX);
	else if (video->request[0] == '$')
		n = (int)take_frame(conn, video->request, size);
	else
		n = take_rtsp(conn, size);
	if (n > 0 && conn->tcp != NULL)
		tcp_consume(conn->tcp, (uint32_t)n);
	return n > 0 && conn->tcp != NULL;
}

static void on_event(struct tcp_conn *tcp, unsigned events)
{
	struct video_conn *conn = tcp_conn_context(tcp);

	conn->video->now = udp_transport_now(conn->video->udp);
	if (events & TCP_EVENT_CLOSED) {
		hang_up(conn, true);
		return;
	}
	if ((events & TCP_EVENT_SENT) && conn->rest_size > 0)
		(void)queue_piece(conn);
	while (take_one(conn))
		;
	if (conn->tcp != NULL && conn->last && conn->rest_size == 0)
		conn->closing = true;
	if (conn->tcp != NULL && (conn->closing || tcp_at_end(tcp)))
		hang_up(conn, false);
}

static void take_conn(struct tcp_listener *listener, bool rtsp)
{
	struct video *video = tcp_listener_context(listener);
	struct video_conn *conn = video->free_conn;
	struct tcp_conn *tcp = tcp_accept(listener, on_event, conn);

	if (tcp == NULL)
		return;
	if (conn == NULL) {
		video->count.conns_full++;
		tcp_abort(tcp);
		return;
	}
	video->free_conn = conn->next;
	*conn = (struct video_conn){.video = video,
	                            .tcp = tcp,
	                            .rtsp = rtsp,
	                            .title = VIDEO_TITLES_MAX,
	                            .heard_ns = video->now};
	video->n_conns++;
	video->count.conns++;
	while (conn->tcp != NULL && take_one(conn))
		;
}

void client_on_rtsp(struct tcp_listener *listener)
{
	take_conn(listener, true);
}

void client_on_http(struct tcp_listener *listener)
{
	take_conn(listener, false);
}

static bool is_idle(const struct video_conn *conn)
{
	uint64_t seconds = conn->rtsp ? VIDEO_TIMEOUT_S + IDLE_S : IDLE_S;

	return conn->viewers == 0 && tcp_unacknowledged(conn->tcp) == 0 &&
	       conn->video->now - conn->heard_ns > seconds * NS_PER_S;
}

void client_tidy(struct video *video)
{
	for (uint32_t i = 0; i < video->config.conns; i++) {
		struct video_conn *conn = &video->conn[i];

		if (conn->tcp == NULL)
			continue;
		if (relay_overran(conn))
			hang_up(conn, true);
		else if (conn->closing || is_idle(conn))
			hang_up(conn, false);
	}
}
