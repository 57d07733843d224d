/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RTSP 1.0 (RFC 2326). What can be asked for:
 *
 *     rtsp://host/TITLE        H.264 and AAC, a track each
 *     rtsp://host/TITLE.ts     the same as an MPEG transport stream
 *     rtsp://host/channel      the multicast channel
 *
 * and behind these "/trackN". Unicast goes only to who asked (a `destination` of somebody else
 * would make us a weapon); sessions end by TEARDOWN, by silence (requests and RTCP both count),
 * with the connection that carries them, or when the viewer's port is closed.
 */
#include <string.h>

#include "internal.h"

enum { WHOLE = 255 };

/* What a request's target names. */
struct place {
	uint8_t title, stream;
	uint8_t track; /* WHOLE: none in particular */
	bool channel;
	struct text name;
};

/* A request being answered. */
struct call {
	struct video *video;
	struct video_conn *conn;
	const struct request *request;
	struct place place;
	bool has_place;
	struct video_viewer *viewer; /* NULL: no session, or none of ours */
	bool has_session;            /* the request named one */
};

static const char *reason_of(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {{200, "OK"},
	               {400, "Bad Request"},
	               {404, "Not Found"},
	               {405, "Method Not Allowed"},
	               {406, "Not Acceptable"},
	               {413, "Request Entity Too Large"},
	               {451, "Parameter Not Understood"},
	               {453, "Not Enough Bandwidth"},
	               {454, "Session Not Found"},
	               {455, "Method Not Valid in This State"},
	               {457, "Invalid Range"},
	               {459, "Aggregate Operation Not Allowed"},
	               {461, "Unsupported Transport"},
	               {501, "Not Implemented"},
	               {505, "RTSP Version Not Supported"},
	               {551, "Option Not Supported"}};

	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Error";
}

static struct out begin(const struct call *call, int status)
{
	struct out out = {.at = call->video->scratch, .room = VIDEO_SCRATCH_BYTES};
	struct text cseq;

	out_print(&out, "RTSP/1.0 %d %s\r\nServer: Sluice/%s\r\n", status, reason_of(status),
	          SLUICE_VERSION);
	if (call->request != NULL && request_header(call->request, "CSeq", &cseq)) {
		out_print(&out, "CSeq: ");
		out_text(&out, cseq);
		out_print(&out, "\r\n");
	}
	return out;
}

static void send(const struct call *call, struct out *out)
{
	if (out->full)
		call->conn->closing = true;
	else
		(void)client_put(call->conn, out->at, out->size);
}

static void answer(const struct call *call, int status)
{
	struct out out = begin(call, status);

	if (status >= 400)
		call->video->count.rtsp_refused++;
	if (status == 405 || status == 501)
		out_print(&out, "Allow: OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, GET_PARAMETER, "
		                "SET_PARAMETER, TEARDOWN\r\n");
	out_print(&out, "\r\n");
	send(call, &out);
}

void rtsp_refuse(struct video_conn *conn, int status)
{
	struct call call = {.video = conn->video, .conn = conn};

	answer(&call, status);
}

/* ---- Places ---- */

static bool take_track(struct text rest, struct place *place)
{
	uint64_t track;
	struct text number;

	place->track = WHOLE;
	if (rest.size == 0)
		return true;
	if (!text_begins(rest, "track", &number) ||
	    !text_number(number, MEDIA_TRACKS_MAX - 1, &track))
		return false;
	place->track = (uint8_t)track;
	return true;
}

static bool find_place(const struct video *video, struct text target, struct place *place)
{
	struct text path = request_path(target);
	const struct media_stream *stream;

	if (path.size < 2)
		return false;
	path = (struct text){path.at + 1, path.size - 1};
	place->name = text_cut(&path, '/');
	place->channel = video->channel.on && text_is(place->name, "channel");
	if (place->channel) {
		place->title = video->channel.viewer.title;
		place->stream = MEDIA_TRANSPORT;
	} else if (!title_find(video, place->name, &place->title, &place->stream)) {
		return false;
	}
	if (!take_track(path, place))
		return false;
	stream = media_stream(&video->titles[place->title], place->stream);
	return place->track == WHOLE || place->track < stream->n_tracks;
}

static bool find_session(struct call *call)
{
	struct text value, id;
	uint64_t number;

	call->has_session = request_header(call->request, "Session", &value);
	if (!call->has_session)
		return true;
	id = text_trim(text_cut(&value, ';'));
	if (text_hex(id, &number))
		call->viewer = session_find(call->video, number);
	if (call->viewer != NULL)
		call->viewer->heard_ns = call->video->now;
	return call->viewer != NULL;
}

static void print_session(struct out *out, const struct video_viewer *viewer)
{
	out_print(out, "Session: %016llx;timeout=%d\r\n", (unsigned long long)viewer->id,
	          VIDEO_TIMEOUT_S);
}

/* The URL under which a stream's tracks are: what was asked for, as the viewer sees us. */
static void print_base(struct out *out, const struct call *call)
{
	struct text authority = request_authority(call->request->target);
	char text[UDP_IP_TEXT_MAX];

	out_print(out, "rtsp://");
	if (authority.size > 0)
		out_text(out, authority);
	else
		out_print(out, "%s", udp_ip_format(&call->video->own, text));
	out_print(out, "/");
	out_text(out, call->place.name);
	out_print(out, "/");
}

/* ---- Methods ---- */

static void do_options(struct call *call)
{
	struct out out = begin(call, 200);

	out_print(&out, "Public: OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, GET_PARAMETER, "
	                "SET_PARAMETER, TEARDOWN\r\n\r\n");
	send(call, &out);
}

/* RFC 8866; the media's lines come from the object. */
static void print_sdp(struct out *out, const struct call *call)
{
	const struct video *video = call->video;
	const struct media *media = &video->titles[call->place.title];
	const struct media_stream *stream = media_stream(media, call->place.stream);
	struct udp_endpoint own = tcp_conn_local(call->conn->tcp);
	char text[UDP_IP_TEXT_MAX];
	unsigned family = own.ip.family == 6 ? 6 : 4;

	out_print(out,
	          "v=0\r\no=- %u %u IN IP%u %s\r\ns=%s\r\nt=0 0\r\na=tool:Sluice %s\r\n"
	          "a=control:*\r\n",
	          media->header->duration_ms, stream->n_packets, family,
	          udp_ip_format(&own.ip, text), media->title, SLUICE_VERSION);
	if (call->place.channel)
		out_print(out, "c=IN IP4 %s/%u\r\n",
		          udp_ip_format(&video->channel.viewer.peer, text),
		          video->channel.socket.ttl);
	else if (relay_of(video, call->place.title) != NULL)
		out_print(out, "c=IN IP%u %s\r\na=range:npt=now-\r\n", family,
		          family == 6 ? "::" : "0.0.0.0");
	else
		out_print(out, "c=IN IP%u %s\r\na=range:npt=0-%u.%03u\r\n", family,
		          family == 6 ? "::" : "0.0.0.0", media->header->duration_ms / 1000,
		          media->header->duration_ms % 1000);
	out_text(out,
	         (struct text){(const char *)media->bytes + stream->sdp.offset, stream->sdp.size});
}

static void do_describe(struct call *call)
{
	struct video *video = call->video;
	char body[MEDIA_SDP_MAX + 512];
	struct out sdp = {.at = body, .room = sizeof body}, out;
	struct text accept;

	if (!call->has_place) {
		answer(call, 404);
		return;
	}
	if (request_header(call->request, "Accept", &accept) && accept.size > 0) {
		bool wanted = false;

		while (accept.size > 0) {
			struct text type = text_cut(&accept, ',');

			type = text_trim(text_cut(&type, ';'));
			wanted |= text_is(type, "application/sdp") ||
			          text_is(type, "application/*") || text_is(type, "*/*");
		}
		if (!wanted) {
			answer(call, 406);
			return;
		}
	}
	print_sdp(&sdp, call);
	out = begin(call, 200);
	out_print(&out, "Content-Type: application/sdp\r\nContent-Base: ");
	print_base(&out, call);
	out_print(&out, "\r\nContent-Length: %zu\r\n\r\n", sdp.size);
	out_text(&out, (struct text){sdp.at, sdp.size});
	out.full |= sdp.full;
	video->title_requests[call->place.title]++;
	send(call, &out);
}

static void print_transport(struct out *out, const struct video *video, const struct video_leg *leg)
{
	char text[UDP_IP_TEXT_MAX];

	switch (leg->kind) {
	case VIDEO_LEG_TCP:
		out_print(out, "Transport: RTP/AVP/TCP;unicast;interleaved=%u-%u;ssrc=%08X\r\n",
		          leg->rtp_channel, leg->rtcp_channel, leg->ssrc);
		return;
	case VIDEO_LEG_MULTICAST:
		out_print(out, "Transport: RTP/AVP;multicast;destination=%s;port=%u-%u;ttl=%u\r\n",
		          udp_ip_format(&video->channel.viewer.peer, text), video->channel.port,
		          video->channel.port + 1, video->channel.socket.ttl);
		return;
	default:
		out_print(out,
		          "Transport: RTP/AVP;unicast;client_port=%u-%u;server_port=%u-%u;"
		          "ssrc=%08X\r\n",
		          leg->rtp_port, leg->rtcp_port, VIDEO_RTP_PORT, VIDEO_RTP_PORT + 1,
		          leg->ssrc);
	}
}

/* The status with which a SETUP must be refused; 200: it need not. */
static int check_setup(const struct call *call, struct transport *transport)
{
	const struct video_viewer *viewer = call->viewer;
	struct text header;

	if (!call->has_place)
		return 404;
	if (!request_header(call->request, "Transport", &header) ||
	    !transport_parse(header, transport))
		return 461;
	if (call->place.channel != transport->multicast)
		return 461;
	if (viewer != NULL && viewer->state == VIDEO_PLAYING)
		return 455;
	if (viewer != NULL &&
	    (viewer->title != call->place.title || viewer->stream != call->place.stream))
		return 459;
	/* All of a session's interleaved tracks use one connection. */
	if (viewer != NULL && viewer->conn != NULL && viewer->conn != call->conn)
		return 455;
	return 200;
}

static void do_setup(struct call *call)
{
	struct udp_endpoint peer = tcp_conn_remote(call->conn->tcp);
	struct transport transport;
	int status = check_setup(call, &transport);
	uint8_t track = call->place.track == WHOLE ? 0 : call->place.track;
	struct out out;

	if (status != 200) {
		answer(call, status);
		return;
	}
	if (call->viewer == NULL)
		call->viewer =
		        session_new(call->video, call->place.title, call->place.stream, &peer.ip);
	if (call->viewer == NULL) {
		answer(call, 453);
		return;
	}
	session_add_leg(call->video, call->viewer, track, &transport, call->conn);
	out = begin(call, 200);
	print_transport(&out, call->video, &call->viewer->legs[track]);
	print_session(&out, call->viewer);
	out_print(&out, "\r\n");
	send(call, &out);
}

static void print_info(struct out *out, const struct call *call, uint32_t position)
{
	const struct video_viewer *viewer = call->viewer;
	const struct media_stream *stream =
	        media_stream(&call->video->titles[viewer->title], viewer->stream);
	const char *comma = "RTP-Info: ";

	for (uint32_t i = 0; i < stream->n_tracks; i++) {
		const struct video_leg *leg = &viewer->legs[i];
		uint64_t clock = stream->tracks[i].clock;

		if (leg->kind == VIDEO_LEG_NONE || leg->kind == VIDEO_LEG_MULTICAST)
			continue;
		out_print(out, "%surl=", comma);
		print_base(out, call);
		out_print(out, "track%u;seq=%u;rtptime=%u", i, leg->sequence,
		          leg->timestamp + (uint32_t)(position * clock / 1000));
		comma = ",";
	}
	if (comma[0] == ',')
		out_print(out, "\r\n");
}

/* What is to be played. false: the range makes no sense. */
static bool play_range(const struct call *call, uint32_t *from, uint32_t *to)
{
	const struct video_viewer *viewer = call->viewer;
	uint32_t duration = call->video->titles[viewer->title].header->duration_ms;
	struct npt_range range = {.has_from = false};
	struct text header;

	if (request_header(call->request, "Range", &header) && !npt_parse(header, &range))
		return false;
	*from = range.has_from  ? range.from_ms
	        : viewer->ended ? 0
	                        : session_position(call->video, viewer);
	*to = range.has_to ? range.to_ms : UINT32_MAX;
	return *from <= duration;
}

static void do_play(struct call *call)
{
	struct video_viewer *viewer = call->viewer;
	struct video_live *relay;
	uint32_t from, to, duration;
	struct out out;

	relay = relay_of(call->video, viewer->title);
	if (relay != NULL)
		relay_play(relay, viewer);
	if (relay != NULL || viewer->legs[0].kind == VIDEO_LEG_MULTICAST) {
		out = begin(call, 200);
		print_session(&out, viewer);
		out_print(&out, "Range: npt=now-\r\n\r\n");
		send(call, &out);
		return;
	}
	if (!play_range(call, &from, &to)) {
		answer(call, 457);
		return;
	}
	duration = call->video->titles[viewer->title].header->duration_ms;
	from = session_play(call->video, viewer, from, to);
	to = to < duration ? to : duration;
	out = begin(call, 200);
	print_session(&out, viewer);
	out_print(&out, "Range: npt=%u.%03u-%u.%03u\r\n", from / 1000, from % 1000, to / 1000,
	          to % 1000);
	print_info(&out, call, from);
	out_print(&out, "\r\n");
	send(call, &out);
}

static void do_pause(struct call *call)
{
	struct out out;

	session_pause(call->video, call->viewer);
	out = begin(call, 200);
	print_session(&out, call->viewer);
	out_print(&out, "Range: npt=%u.%03u-\r\n\r\n", call->viewer->position_ms / 1000,
	          call->viewer->position_ms % 1000);
	send(call, &out);
}

static void do_teardown(struct call *call)
{
	session_end(call->video, call->viewer);
	answer(call, 200);
}

/* RFC 2326, 10.8: without a body a sign of life; `position` is known besides. */
static void do_get_parameter(struct call *call)
{
	struct text body = call->request->body, line = text_trim(text_cut(&body, '\r'));
	uint32_t ms = call->viewer != NULL ? session_position(call->video, call->viewer) : 0;
	char text[32];
	struct out out, value = {.at = text, .room = sizeof text};

	if (line.size > 0 && (!text_is(line, "position") || call->viewer == NULL)) {
		answer(call, 451);
		return;
	}
	if (line.size > 0)
		out_print(&value, "position: %u.%03u\r\n", ms / 1000, ms % 1000);
	out = begin(call, 200);
	if (call->viewer != NULL)
		print_session(&out, call->viewer);
	if (value.size > 0)
		out_print(&out, "Content-Type: text/parameters\r\nContent-Length: %zu\r\n",
		          value.size);
	out_print(&out, "\r\n");
	out_text(&out, (struct text){text, value.size});
	send(call, &out);
}

static void do_set_parameter(struct call *call)
{
	answer(call, call->request->body.size > 0 ? 451 : 200);
}

static void do_other(struct call *call)
{
	answer(call, 405);
}

static const struct method {
	const char *name;
	void (*run)(struct call *call);
	bool in_session; /* makes no sense without one */
} methods[] = {
        {"OPTIONS", do_options, false},
        {"DESCRIBE", do_describe, false},
        {"SETUP", do_setup, false},
        {"PLAY", do_play, true},
        {"PAUSE", do_pause, true},
        {"TEARDOWN", do_teardown, true},
        {"GET_PARAMETER", do_get_parameter, false},
        {"SET_PARAMETER", do_set_parameter, false},
        {"ANNOUNCE", do_other, false},
        {"RECORD", do_other, false},
        {"REDIRECT", do_other, false},
};

static const struct method *find_method(struct text name)
{
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
		if (strlen(methods[i].name) == name.size &&
		    memcmp(methods[i].name, name.at, name.size) == 0)
			return &methods[i];
	return NULL;
}

static void unsupported(struct call *call, struct text option)
{
	struct out out = begin(call, 551);

	call->video->count.rtsp_refused++;
	out_print(&out, "Unsupported: ");
	out_text(&out, option);
	out_print(&out, "\r\n\r\n");
	send(call, &out);
}

void rtsp_request(struct video_conn *conn, const struct request *request)
{
	struct call call = {.video = conn->video, .conn = conn, .request = request};
	const struct method *method = find_method(request->method);
	struct text value;

	conn->video->count.rtsp_requests++;
	if (!text_is(request->version, "RTSP/1.0")) {
		answer(&call, 505);
		conn->closing = true;
	} else if (!request_header(request, "CSeq", &value)) {
		answer(&call, 400);
	} else if (method == NULL) {
		answer(&call, 501);
	} else if (request_header(request, "Require", &value)) {
		unsupported(&call, value);
	} else if (!find_session(&call) || (method->in_session && call.viewer == NULL)) {
		answer(&call, 454);
	} else {
		call.has_place = find_place(conn->video, request->target, &call.place);
		method->run(&call);
	}
}
