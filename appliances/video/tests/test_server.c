/* SPDX-License-Identifier: BSD-2-Clause */
/* The whole server under virtual time: two hosts whose frames go to each other, one with the server
 * and the clip that the build makes, one with viewers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <udp/wire.h>

#include "../../../libos-udp/tests/bench.h"
#include <udp/multicast.h>

#include "../server/server.h"
#include "load.h"
#include "track.h"

enum { ANSWER_MAX = 2 << 20, SERVER = 0x0a000002, CLIENT = 0x0a000001, RTP_PORT = 5000 };

struct host {
	struct bench bench;
	struct tcp_udp glue;
	void *memory;
};

/* A connection of the client's. */
struct viewer {
	struct tcp_conn *conn;
	char *answer;
	size_t size;
	bool closed, deaf; /* deaf: reads nothing */
};

static uint8_t *object;
static size_t object_size;
static struct host client, server;
static struct video *video;
static void *video_memory;
static struct track tracks[2], reports[2];
static const char page[] = "<p>page</p>";

static uint64_t wall(void *context)
{
	return 1700000000000000000ull + server.bench.now;
}

static void open_host(struct host *host, const uint8_t *mac, uint32_t address)
{
	struct udp_config udp = udp_config_default();
	struct tcp_config config = tcp_config_default();
	struct udp_ip ip = udp_ip4(address);
	size_t size;

	config.connections = 64;
	config.blocks = 256;
	config.chunks = 4096;
	config.records = 4096;
	size = tcp_stack_bytes(&config);
	*host = (struct host){.memory = aligned_alloc(64, (size + 63) & ~(size_t)63)};
	bench_open_bare(&host->bench, &udp, mac, address);
	assert_int_equal(udp_address_add(host->bench.stack, 0, &ip, 24), 0);
	assert_int_equal(tcp_udp_open(&host->glue, host->bench.stack, &config, host->memory, size),
	                 0);
}

static unsigned carry(struct host *from, struct host *to)
{
	unsigned n = from->bench.n_tray;
	struct bench_frame frames[BENCH_TRAY_MAX];

	memcpy(frames, from->bench.tray, n * sizeof frames[0]);
	from->bench.n_tray = 0;
	for (unsigned i = 0; i < n; i++) {
		bench_input(&to->bench, frames[i].data, frames[i].size);
		free(frames[i].data);
	}
	return n;
}

static void pass(unsigned ms)
{
	for (unsigned i = 0; i < ms; i++) {
		tcp_udp_clock(&server.glue);
		(void)video_run(video, server.bench.now);
		while (carry(&client, &server) + carry(&server, &client) > 0)
			;
		bench_pass(&client.bench, 1000000);
		bench_pass(&server.bench, 1000000);
	}
}

static int begin(void **state)
{
	struct video_config config = {
	        .viewers = 8, .conns = 16, .page = page, .page_size = sizeof page - 1};
	static const struct video_ops ops = {.wall = wall};
	struct udp_ip own = udp_ip4(SERVER);

	open_host(&client, bench_mac, CLIENT);
	open_host(&server, bench_peer, SERVER);
	video = calloc(1, sizeof *video);
	video_memory = aligned_alloc(64, video_bytes(&config));
	assert_int_equal(video_open(video, &config, &ops, NULL, &server.glue, &own, video_memory),
	                 0);
	assert_null(video_add_title(video, object, object_size));
	memset(tracks, 0, sizeof tracks);
	memset(reports, 0, sizeof reports);
	pass(100);
	return 0;
}

static void close_host(struct host *host)
{
	tcp_udp_close(&host->glue);
	free(host->memory);
	bench_close(&host->bench);
}

static int end(void **state)
{
	video_close(video);
	close_host(&client);
	close_host(&server);
	free(video_memory);
	free(video);
	return 0;
}

/* ---- The client ---- */

static void on_event(struct tcp_conn *conn, unsigned events)
{
	struct viewer *viewer = tcp_conn_context(conn);

	if (!viewer->deaf)
		viewer->size += tcp_read(conn, viewer->answer + viewer->size,
		                         (uint32_t)(ANSWER_MAX - viewer->size));
	if ((events & TCP_EVENT_CLOSED) || tcp_at_end(conn))
		viewer->closed = true;
}

static void dial(struct viewer *viewer, uint16_t port)
{
	struct udp_endpoint to = {.ip = udp_ip4(SERVER), .port = port};

	*viewer = (struct viewer){.answer = calloc(1, ANSWER_MAX + 1)};
	tcp_udp_clock(&client.glue);
	assert_int_equal(
	        tcp_connect(client.glue.tcp, NULL, &to, NULL, on_event, viewer, &viewer->conn), 0);
	pass(5);
}

static void hang_up(struct viewer *viewer)
{
	tcp_close(viewer->conn);
	free(viewer->answer);
	pass(50);
}

/* Sends, waits, and expects an answer with this status. → the answer, as text. */
static const char *ask(struct viewer *viewer, const char *text, const char *status)
{
	viewer->size = 0;
	memset(viewer->answer, 0, 4096);
	tcp_udp_clock(&client.glue);
	assert_int_equal(tcp_send_copy(viewer->conn, text, (uint32_t)strlen(text), 0),
	                 strlen(text));
	for (int i = 0; i < 200 && viewer->size == 0; i++)
		pass(5);
	assert_non_null(strstr(viewer->answer, status));
	return viewer->answer;
}

static void on_rtp(struct udp_socket *socket, struct udp_datagram *datagram)
{
	track_take(socket->context, datagram->data, datagram->size, client.bench.now);
}

static void on_rtcp(struct udp_socket *socket, struct udp_datagram *datagram)
{
	struct track *track = socket->context;

	assert_true(datagram->size >= 28 && datagram->data[1] == RTCP_SENDER_REPORT);
	track->reports++;
	track->bye |= datagram->data[datagram->size - 7] == RTCP_BYE;
}

static void open_ports(void)
{
	for (unsigned i = 0; i < 2; i++) {
		tracks[i].socket = (struct udp_socket){.receive = on_rtp,
		                                       .context = &tracks[i],
		                                       .local.port = (uint16_t)(RTP_PORT + 2 * i)};
		reports[i].socket =
		        (struct udp_socket){.receive = on_rtcp,
		                            .context = &reports[i],
		                            .local.port = (uint16_t)(RTP_PORT + 1 + 2 * i)};
		assert_int_equal(udp_socket_open(client.bench.stack, &tracks[i].socket), 0);
		assert_int_equal(udp_socket_open(client.bench.stack, &reports[i].socket), 0);
	}
}

static void close_ports(void)
{
	for (unsigned i = 0; i < 2; i++) {
		udp_socket_close(&tracks[i].socket);
		udp_socket_close(&reports[i].socket);
	}
}

/* The session that an answer names; *id has 17 bytes. */
static void session_of(const char *answer, char *id)
{
	const char *at = strstr(answer, "Session: ");

	assert_non_null(at);
	memcpy(id, at + 9, 16);
	id[16] = '\0';
}

/* Sets both tracks up by UDP. */
static void set_up(struct viewer *viewer, char *id)
{
	char text[256];

	session_of(ask(viewer,
	               "SETUP rtsp://10.0.0.2/sample/track0 RTSP/1.0\r\nCSeq: 2\r\n"
	               "Transport: RTP/AVP;unicast;client_port=5000-5001\r\n\r\n",
	               "server_port=6970-6971"),
	           id);
	snprintf(text, sizeof text,
	         "SETUP rtsp://10.0.0.2/sample/track1 RTSP/1.0\r\nCSeq: 3\r\nSession: %s\r\n"
	         "Transport: RTP/AVP;unicast;client_port=5002-5003\r\n\r\n",
	         id);
	ask(viewer, text, "RTSP/1.0 200 OK");
}

static const char *in_session(struct viewer *viewer, const char *method, const char *id,
                              const char *more, const char *status)
{
	char text[256];

	snprintf(text, sizeof text,
	         "%s rtsp://10.0.0.2/sample/ RTSP/1.0\r\nCSeq: 9\r\nSession: %s\r\n%s\r\n", method,
	         id, more);
	return ask(viewer, text, status);
}

/* ---- RTSP ---- */

static void a_title_is_described(void **state)
{
	struct viewer viewer;
	const char *answer;

	dial(&viewer, 554);
	answer = ask(&viewer, "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n", "Public: OPTIONS, DESCRIBE");
	assert_non_null(strstr(answer, "CSeq: 1\r\n"));
	answer = ask(&viewer,
	             "DESCRIBE rtsp://10.0.0.2:554/sample RTSP/1.0\r\nCSeq: 2\r\n"
	             "Accept: application/sdp\r\n\r\n",
	             "RTSP/1.0 200 OK");
	assert_non_null(strstr(answer, "Content-Base: rtsp://10.0.0.2:554/sample/\r\n"));
	assert_non_null(strstr(answer, "m=video 0 RTP/AVP 96"));
	assert_non_null(strstr(answer, "sprop-parameter-sets="));
	assert_non_null(strstr(answer, "MPEG4-GENERIC/48000/2"));
	answer = ask(&viewer, "DESCRIBE rtsp://10.0.0.2/sample.ts RTSP/1.0\r\nCSeq: 3\r\n\r\n",
	             "RTSP/1.0 200 OK");
	assert_non_null(strstr(answer, "MP2T/90000"));
	hang_up(&viewer);
}

static void refusals(void **state)
{
	static const struct {
		const char *request, *status;
	} cases[] = {
	        {"DESCRIBE rtsp://h/none RTSP/1.0\r\nCSeq: 1\r\n\r\n", "404"},
	        {"DESCRIBE rtsp://h/ RTSP/1.0\r\nCSeq: 1\r\n\r\n", "404"},
	        {"DESCRIBE rtsp://h/channel RTSP/1.0\r\nCSeq: 1\r\n\r\n", "404"},
	        {"DESCRIBE rtsp://h/sample RTSP/1.0\r\nCSeq: 1\r\nAccept: text/plain\r\n\r\n",
	         "406"},
	        {"SETUP rtsp://h/sample/track2 RTSP/1.0\r\nCSeq: 1\r\n"
	         "Transport: RTP/AVP/TCP\r\n\r\n",
	         "404"},
	        {"SETUP rtsp://h/sample/track0 RTSP/1.0\r\nCSeq: 1\r\n\r\n", "461"},
	        {"SETUP rtsp://h/sample/track0 RTSP/1.0\r\nCSeq: 1\r\n"
	         "Transport: RTP/AVP;multicast\r\n\r\n",
	         "461"},
	        {"PLAY rtsp://h/sample RTSP/1.0\r\nCSeq: 1\r\n\r\n", "454"},
	        {"PLAY rtsp://h/sample RTSP/1.0\r\nCSeq: 1\r\nSession: 123\r\n\r\n", "454"},
	        {"PAUSE rtsp://h/sample RTSP/1.0\r\nCSeq: 1\r\nSession: x\r\n\r\n", "454"},
	        {"RECORD rtsp://h/sample RTSP/1.0\r\nCSeq: 1\r\n\r\n", "405"},
	        {"FLY rtsp://h/sample RTSP/1.0\r\nCSeq: 1\r\n\r\n", "501"},
	        {"OPTIONS * RTSP/1.0\r\n\r\n", "400"},
	        {"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nRequire: implicit-play\r\n\r\n", "551"},
	        {"GET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 3\r\n\r\nx\r\n", "451"},
	};
	struct viewer viewer;

	dial(&viewer, 554);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		ask(&viewer, cases[i].request, cases[i].status);
	assert_false(viewer.closed);
	assert_int_equal(video->n_viewers, 0);
	ask(&viewer, "OPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n", "505");
	pass(50);
	assert_true(viewer.closed);
	hang_up(&viewer);
	dial(&viewer, 554);
	ask(&viewer, "\x16\x03\x01 hello\r\n\r\n", "400");
	pass(50);
	assert_true(viewer.closed);
	hang_up(&viewer);
}

/* All twelve seconds by UDP: every packet, in order, at its time, with reports and BYE. */
static void a_title_is_played(void **state)
{
	const struct media_stream *stream = media_stream(&video->titles[0], MEDIA_ELEMENTARY);
	struct viewer viewer;
	char id[17];
	const char *answer;

	open_ports();
	dial(&viewer, 554);
	set_up(&viewer, id);
	answer = in_session(&viewer, "PLAY", id, "Range: npt=0-\r\n", "200 OK");
	assert_non_null(strstr(answer, "RTP-Info: url=rtsp://10.0.0.2/sample/track0;seq="));
	pass(6000);
	assert_in_range(tracks[0].packets, stream->n_packets / 6, stream->n_packets / 2);
	pass(7000);
	assert_int_equal(tracks[0].packets + tracks[1].packets, stream->n_packets);
	assert_int_equal(tracks[0].marks, 300);
	assert_false(tracks[0].gap || tracks[1].gap);
	assert_in_range(tracks[0].last_ns - tracks[0].first_ns, 11900000000, 12100000000);
	assert_in_range(tracks[1].last_timestamp - tracks[1].first_timestamp, 11 * 48000,
	                12 * 48000 + 4800);
	assert_in_range(reports[0].reports, 3, 5);
	assert_true(reports[0].bye && reports[1].bye);
	assert_int_equal(video->count.rtp_unsent, 0);
	in_session(&viewer, "TEARDOWN", id, "", "200 OK");
	assert_int_equal(video->n_viewers, 0);
	hang_up(&viewer);
	close_ports();
}

static void seek_pause_and_resume(void **state)
{
	struct viewer viewer;
	char id[17];
	uint32_t before;

	open_ports();
	dial(&viewer, 554);
	set_up(&viewer, id);
	in_session(&viewer, "PLAY", id, "Range: npt=7.3-9\r\n", "Range: npt=6.000-9.000");
	pass(1000);
	in_session(&viewer, "PAUSE", id, "", "Range: npt=");
	before = tracks[0].packets;
	assert_true(before > 20);
	pass(1000);
	assert_int_equal(tracks[0].packets, before);
	in_session(&viewer, "GET_PARAMETER", id, "Content-Length: 10\r\n\r\nposition", "200");
	in_session(&viewer, "PLAY", id, "", "Range: npt=6.000-12");
	pass(500);
	in_session(&viewer, "PLAY", id, "Range: npt=99-\r\n", "457");
	in_session(&viewer, "PLAY", id, "Range: smpte=0-\r\n", "457");
	in_session(&viewer, "SETUP", id, "Transport: RTP/AVP;unicast;client_port=1-2\r\n", "455");
	/* Timestamps go on in step with the clock over seek and pause. */
	assert_in_range((tracks[0].last_timestamp - tracks[0].first_timestamp) / 90,
	                (tracks[0].last_ns - tracks[0].first_ns) / 1000000 - 150,
	                (tracks[0].last_ns - tracks[0].first_ns) / 1000000 + 150);
	assert_false(tracks[0].gap);
	in_session(&viewer, "TEARDOWN", id, "", "200 OK");
	hang_up(&viewer);
	close_ports();
}

/* Counts the RTP packets of an interleaved stream; all of it must be frames. */
static unsigned count_frames(const struct viewer *viewer, unsigned channel)
{
	const uint8_t *at = (const uint8_t *)viewer->answer;
	const uint8_t *stop = at + viewer->size;
	unsigned n = 0;

	while (stop - at >= 4) {
		if (at[0] != '$') {
			const uint8_t *text = (const uint8_t *)strstr((const char *)at, "\r\n\r\n");

			assert_non_null(text);
			at = text + 4;
			continue;
		}
		n += at[1] == channel;
		at += 4 + wire_get16(at + 2);
	}
	return n;
}

static void interleaved(void **state)
{
	struct viewer viewer;
	char id[17], text[256];

	dial(&viewer, 554);
	session_of(ask(&viewer,
	               "SETUP rtsp://10.0.0.2/sample.ts/track0 RTSP/1.0\r\nCSeq: 1\r\n"
	               "Transport: RTP/AVP/TCP;unicast;interleaved=4-5\r\n\r\n",
	               "interleaved=4-5"),
	           id);
	snprintf(text, sizeof text,
	         "PLAY rtsp://10.0.0.2/sample.ts RTSP/1.0\r\nCSeq: 2\r\nSession: %s\r\n\r\n", id);
	ask(&viewer, text, "200 OK");
	pass(13000);
	assert_int_equal(count_frames(&viewer, 4),
	                 media_stream(&video->titles[0], MEDIA_TRANSPORT)->n_packets);
	assert_true(count_frames(&viewer, 5) >= 3);
	assert_int_equal(video->n_viewers, 1);
	hang_up(&viewer);
	assert_int_equal(video->n_viewers, 0);
	assert_int_equal(video->n_conns, 0);
}

/* One viewer reads nothing for a while: it loses packets, another loses none, and it goes on from a
 * key frame when it reads again. */
static void a_slow_viewer_disturbs_nobody(void **state)
{
	struct viewer slow, other;
	char id[17], text[256];

	open_ports();
	dial(&other, 554);
	set_up(&other, id);
	in_session(&other, "PLAY", id, "", "200 OK");
	dial(&slow, 554);
	session_of(ask(&slow,
	               "SETUP rtsp://10.0.0.2/sample/track0 RTSP/1.0\r\nCSeq: 1\r\n"
	               "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n",
	               "interleaved=0-1"),
	           id);
	snprintf(text, sizeof text,
	         "PLAY rtsp://10.0.0.2/sample RTSP/1.0\r\nCSeq: 2\r\nSession: %s\r\n\r\n", id);
	ask(&slow, text, "200 OK");
	slow.deaf = true;
	pass(9000);
	assert_true(video->count.rtp_skipped > 0);
	slow.deaf = false;
	on_event(slow.conn, 0);
	pass(4000);
	(void)count_frames(&slow, 0);
	assert_int_equal(tracks[0].packets + tracks[1].packets,
	                 media_stream(&video->titles[0], MEDIA_ELEMENTARY)->n_packets);
	assert_false(tracks[0].gap || tracks[1].gap);
	hang_up(&slow);
	hang_up(&other);
	close_ports();
}

static void silent_and_vanished_viewers_end(void **state)
{
	struct viewer viewer;
	char id[17];

	/* Nobody listens at the ports: ICMP says so, and the session ends. */
	dial(&viewer, 554);
	set_up(&viewer, id);
	in_session(&viewer, "PLAY", id, "", "200 OK");
	pass(200);
	assert_int_equal(video->n_viewers, 0);
	assert_int_equal(video->count.vanished, 1);
	/* Somebody listens but says nothing for a minute. */
	open_ports();
	set_up(&viewer, id);
	in_session(&viewer, "PLAY", id, "", "200 OK");
	pass(40000);
	assert_int_equal(video->n_viewers, 1);
	in_session(&viewer, "GET_PARAMETER", id, "", "200 OK");
	pass(40000);
	assert_int_equal(video->n_viewers, 1);
	pass(25000);
	assert_int_equal(video->n_viewers, 0);
	assert_int_equal(video->count.timed_out, 1);
	in_session(&viewer, "PLAY", id, "", "454");
	hang_up(&viewer);
	close_ports();
}

static void receivers_are_heard(void **state)
{
	struct udp_endpoint to = {.ip = udp_ip4(SERVER), .port = VIDEO_RTP_PORT + 1};
	uint8_t report[32] = {0x81, 201, 0, 7, 1, 1, 1, 1};
	struct viewer viewer;
	char id[17];

	open_ports();
	dial(&viewer, 554);
	set_up(&viewer, id);
	in_session(&viewer, "PLAY", id, "", "200 OK");
	pass(1000);
	wire_put32(report + 8, tracks[0].ssrc);
	wire_put32(report + 12, 0x40000011);
	assert_int_equal(udp_socket_send_copy(&reports[0].socket, report, sizeof report, &to), 0);
	assert_int_equal(udp_socket_send_copy(&reports[0].socket, report, 9, &to), 0);
	pass(10);
	assert_int_equal(video->count.rtcp_heard, 1);
	assert_int_equal(video->count.rtcp_malformed, 1);
	for (uint32_t i = 0; i < video->config.viewers; i++)
		if (video->viewers[i].state != VIDEO_FREE)
			assert_int_equal(video->viewers[i].legs[0].heard.lost, 0x11);
	hang_up(&viewer);
	close_ports();
}

static void too_many_viewers(void **state)
{
	struct viewer viewer;

	dial(&viewer, 554);
	for (unsigned i = 0; i < 9; i++)
		ask(&viewer,
		    "SETUP rtsp://10.0.0.2/sample/track0 RTSP/1.0\r\nCSeq: 2\r\n"
		    "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n",
		    i < 8 ? "200 OK" : "453");
	hang_up(&viewer);
	assert_int_equal(video->n_viewers, 0);
}

static void the_channel_goes_round(void **state)
{
	struct udp_ip group = udp_ip4(0xefff2a01), own = udp_ip4(CLIENT);
	uint32_t n = media_stream(&video->titles[0], MEDIA_TRANSPORT)->n_packets;
	struct viewer viewer;

	(void)own;
	open_ports();
	assert_int_equal(udp_group_join(client.bench.stack, 0, &group), 0);
	assert_int_equal(video_channel_start(video, 3, &group, RTP_PORT, 4), -1);
	assert_int_equal(video_channel_start(video, 0, &own, RTP_PORT, 4), -1);
	assert_int_equal(video_channel_start(video, 0, &group, RTP_PORT, 4), 0);
	pass(30000);
	assert_in_range(tracks[0].packets, 2 * n, 3 * n);
	assert_false(tracks[0].gap);
	assert_false(tracks[0].broken);
	assert_in_range(tracks[0].pcrs, 250, 2000);
	assert_in_range((tracks[0].last_timestamp - tracks[0].first_timestamp) / 90, 29500, 30100);
	dial(&viewer, 554);
	ask(&viewer, "DESCRIBE rtsp://10.0.0.2/channel RTSP/1.0\r\nCSeq: 3\r\n\r\n",
	    "c=IN IP4 239.255.42.1/4");
	ask(&viewer,
	    "SETUP rtsp://10.0.0.2/channel RTSP/1.0\r\nCSeq: 3\r\n"
	    "Transport: RTP/AVP;multicast\r\n\r\n",
	    "destination=239.255.42.1;port=5000-5001;ttl=4");
	hang_up(&viewer);
	close_ports();
}

/* ---- HTTP ---- */

static void files_and_ranges(void **state)
{
	const struct media_header *header = video->titles[0].header;
	struct viewer viewer;
	const char *answer;
	char text[128];

	dial(&viewer, 80);
	answer = ask(&viewer, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK");
	assert_non_null(strstr(answer, page));
	answer = ask(&viewer,
	             "GET /media/sample.mp4 HTTP/1.1\r\nHost: x\r\nRange: bytes=4-7\r\n\r\n",
	             "206 Partial Content");
	snprintf(text, sizeof text, "Content-Range: bytes 4-7/%llu\r\n",
	         (unsigned long long)header->mp4.size);
	assert_non_null(strstr(answer, text));
	assert_non_null(strstr(answer, "\r\n\r\nftyp"));
	ask(&viewer, "GET /media/sample.mp4 HTTP/1.1\r\nHost: x\r\nRange: bytes=99999999-\r\n\r\n",
	    "416");
	ask(&viewer, "GET /media/sample.mp4 HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK");
	pass(3000);
	answer = strstr(viewer.answer, "\r\n\r\n") + 4;
	assert_int_equal(viewer.size - (size_t)(answer - viewer.answer), header->mp4.size);
	assert_memory_equal(answer, object + header->mp4.offset, header->mp4.size);
	ask(&viewer, "HEAD /media/sample.mp4 HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK");
	pass(10);
	assert_memory_equal(viewer.answer + viewer.size - 4, "\r\n\r\n", 4);
	hang_up(&viewer);
	assert_int_equal(video->n_conns, 0);
}

static void playlists(void **state)
{
	struct viewer viewer;
	const char *answer;

	dial(&viewer, 80);
	answer = ask(&viewer, "GET /hls/sample/index.m3u8 HTTP/1.1\r\nHost: x\r\n\r\n", "#EXTM3U");
	assert_non_null(strstr(answer, "\n2.ts\n#EXT-X-ENDLIST"));
	ask(&viewer, "GET /hls/sample/2.ts HTTP/1.1\r\nHost: x\r\n\r\n",
	    "Content-Type: video/mp2t");
	pass(2000);
	assert_int_equal(strstr(viewer.answer, "\r\n\r\n")[4], 0x47);
	ask(&viewer, "GET /hls/sample/3.ts HTTP/1.1\r\nHost: x\r\n\r\n", "404");
	answer = ask(&viewer, "GET /hls/sample/live.m3u8 HTTP/1.1\r\nHost: x\r\n\r\n", "#EXTM3U");
	assert_null(strstr(answer, "ENDLIST"));
	assert_non_null(strstr(answer, "#EXT-X-DISCONTINUITY\n"));
	hang_up(&viewer);
}

static void status_and_metrics(void **state)
{
	struct viewer viewer;

	dial(&viewer, 80);
	ask(&viewer, "GET /status HTTP/1.1\r\nHost: x\r\n\r\n", "\"titles\":[{\"name\":\"sample\"");
	ask(&viewer, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
	    "sluice_video_rtp_packets_total 0\n");
	hang_up(&viewer);
}

static void http_refusals(void **state)
{
	static const struct {
		const char *request, *status;
	} cases[] = {
	        {"GET /none HTTP/1.1\r\nHost: x\r\n\r\n", "404"},
	        {"GET /media/none.mp4 HTTP/1.1\r\nHost: x\r\n\r\n", "404"},
	        {"GET /media/../page HTTP/1.1\r\nHost: x\r\n\r\n", "404"},
	        {"GET /hls/none/index.m3u8 HTTP/1.1\r\nHost: x\r\n\r\n", "404"},
	        {"GET /hls/sample/x.ts HTTP/1.1\r\nHost: x\r\n\r\n", "404"},
	        {"GET /hls/sample/2.ts HTTP/1.1\r\nHost: x\r\nIf-Match: \"x\"\r\n\r\n", "412"},
	        {"POST / HTTP/1.1\r\nHost: x\r\n\r\n", "405"},
	};
	static const char *const wrong[][2] = {{"GET / HTTP/1.1\r\n\r\n", "400"},
	                                       {"GET / HTTP/2.0\r\n\r\n", "505"},
	                                       {"GET / HTTP/1.1\r\n Host: x\r\n\r\n", "400"}};
	struct viewer viewer;

	dial(&viewer, 80);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		ask(&viewer, cases[i].request, cases[i].status);
	assert_false(viewer.closed);
	hang_up(&viewer);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		dial(&viewer, 80);
		ask(&viewer, wrong[i][0], wrong[i][1]);
		pass(50);
		assert_true(viewer.closed);
		hang_up(&viewer);
	}
	/* Slow loris: half a request, then silence. */
	dial(&viewer, 80);
	assert_int_equal(tcp_send_copy(viewer.conn, "GET / HT", 8, 0), 8);
	pass(33000);
	assert_true(viewer.closed);
	hang_up(&viewer);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        CASE(a_title_is_described), CASE(refusals),
	        CASE(a_title_is_played),    CASE(seek_pause_and_resume),
	        CASE(interleaved),          CASE(a_slow_viewer_disturbs_nobody),
	        CASE(receivers_are_heard),  CASE(silent_and_vanished_viewers_end),
	        CASE(too_many_viewers),     CASE(the_channel_goes_round),
	        CASE(files_and_ranges),     CASE(playlists),
	        CASE(status_and_metrics),   CASE(http_refusals),
	};
	int result;

	object = load_file(argc, argv, &object_size);
	result = cmocka_run_group_tests(tests, NULL, NULL);
	free(object);
	return result;
}
