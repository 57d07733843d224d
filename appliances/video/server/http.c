/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HTTP/1.1 (RFC 9110, 9112). What there is:
 *
 *     /                       the page
 *     /media/TITLE.mp4        progressive download, with ranges
 *     /hls/TITLE/index.m3u8   the playlist (RFC 8216); live.m3u8 goes round for ever; N.ts
 *     /hls/TITLE/…            of a live title: what has come, the last segments of it
 *     /rescan                 looks for titles that have come to the disk
 *     /status                 JSON;  /metrics: Prometheus' text format
 */
#include <string.h>

#include "internal.h"

static const char playlist_type[] = "application/vnd.apple.mpegurl";

struct reply {
	struct video *video;
	struct video_conn *conn;
	const struct request *request;
	bool head;  /* only headers are wanted */
	bool close; /* after it */
};

static const char *reason_of(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 206:
		return "Partial Content";
	case 400:
		return "Bad Request";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 413:
		return "Content Too Large";
	case 416:
		return "Range Not Satisfiable";
	case 505:
		return "HTTP Version Not Supported";
	default:
		return "Error";
	}
}

static struct out begin(const struct reply *reply, char *room, size_t size, int status,
                        const char *type, uint64_t length)
{
	struct out out = {.at = room, .room = size};

	out_print(&out,
	          "HTTP/1.1 %d %s\r\nServer: Sluice/%s\r\nContent-Type: %s\r\n"
	          "Content-Length: %llu\r\nAccess-Control-Allow-Origin: *\r\n",
	          status, reason_of(status), SLUICE_VERSION, type, (unsigned long long)length);
	if (reply->close)
		out_print(&out, "Connection: close\r\n");
	return out;
}

static void finish(const struct reply *reply, struct out *out, const void *body, uint64_t size,
                   bool copied)
{
	struct video_conn *conn = reply->conn;

	out_print(out, "\r\n");
	if (out->full || !client_put(conn, out->at, out->size))
		conn->closing = true;
	else if (!reply->head && size > 0) {
		bool good =
		        copied ? client_put(conn, body, size) : client_put_static(conn, body, size);

		reply->video->count.http_bytes += good ? size : 0;
	}
}

/* A short answer that is copied. */
static void send_text(const struct reply *reply, int status, const char *type, const char *body,
                      size_t size)
{
	char head[512];
	struct out out = begin(reply, head, sizeof head, status, type, size);

	out_print(&out, "Cache-Control: no-store\r\n");
	if (status == 405)
		out_print(&out, "Allow: GET, HEAD\r\n");
	finish(reply, &out, body, size, true);
}

static void refuse(const struct reply *reply, int status, const char *why)
{
	reply->video->count.http_refused++;
	send_text(reply, status, "text/plain; charset=utf-8", why, strlen(why));
}

void http_refuse(struct video_conn *conn, int status)
{
	struct reply reply = {.video = conn->video, .conn = conn, .close = true};

	refuse(&reply, status, "This is no request of HTTP/1.1 that this server understands.\n");
}

/* Bytes that never change, or the part of them that was asked for. */
static void send_file(const struct reply *reply, const char *type, const uint8_t *at, uint64_t size)
{
	uint64_t first = 0, last = size - 1;
	enum bytes_result result = BYTES_ALL;
	char head[512];
	struct text header;
	struct out out;

	if (request_header(reply->request, "Range", &header) &&
	    !request_header(reply->request, "If-Range", &header))
		result = bytes_parse(header, size, &first, &last);
	if (result == BYTES_UNSATISFIED) {
		reply->video->count.http_refused++;
		out = begin(reply, head, sizeof head, 416, type, 0);
		out_print(&out, "Content-Range: bytes */%llu\r\n", (unsigned long long)size);
		finish(reply, &out, NULL, 0, true);
		return;
	}
	out = begin(reply, head, sizeof head, result == BYTES_PART ? 206 : 200, type,
	            last - first + 1);
	out_print(&out, "Accept-Ranges: bytes\r\n");
	if (result == BYTES_PART)
		out_print(&out, "Content-Range: bytes %llu-%llu/%llu\r\n",
		          (unsigned long long)first, (unsigned long long)last,
		          (unsigned long long)size);
	finish(reply, &out, at + first, last - first + 1, false);
}

static void send_part(const struct reply *reply, const char *type, const struct media *media,
                      const struct media_range *range)
{
	if (range->size == 0)
		refuse(reply, 404, "This title has no such part.\n");
	else
		send_file(reply, type, media->bytes + range->offset, range->size);
}

static bool is_title(const struct reply *reply, struct text name, uint8_t *title)
{
	uint8_t stream;

	if (!title_find(reply->video, name, title, &stream) ||
	    (stream != MEDIA_ELEMENTARY && relay_of(reply->video, *title) == NULL))
		return false;
	reply->conn->title = *title;
	reply->conn->watched_ns = reply->video->now;
	return true;
}

static void get_media(const struct reply *reply, struct text path)
{
	const struct media *media;
	uint8_t title;

	if (path.size > 4 && memcmp(path.at + path.size - 4, ".mp4", 4) == 0)
		path.size -= 4;
	if (!is_title(reply, path, &title)) {
		refuse(reply, 404, "There is no such title: / lists them.\n");
		return;
	}
	media = &reply->video->titles[title];
	reply->video->title_requests[title]++;
	send_part(reply, "video/mp4", media, &media->header->mp4);
}

static void get_segment(const struct reply *reply, const struct media *media, struct text name)
{
	struct text number = text_cut(&name, '.');
	const struct media_segment *segment;
	uint64_t i;

	if (!text_is(name, "ts") || !text_number(number, UINT32_MAX, &i) ||
	    i >= media->header->n_segments) {
		refuse(reply, 404, "This title has no such segment.\n");
		return;
	}
	segment = &media_segments(media)[i];
	send_part(reply, "video/mp2t", media,
	          &(struct media_range){segment->offset, segment->size});
}

static void get_live(const struct reply *reply, struct video_live *relay, struct text name)
{
	struct out out = {.at = reply->video->scratch, .room = VIDEO_SCRATCH_BYTES};
	struct text rest = name, number = text_cut(&rest, '.');
	const struct live_segment *segment = NULL;
	uint64_t i;

	if (text_is(name, "index.m3u8") || text_is(name, "live.m3u8")) {
		if (relay_playlist(relay, &out))
			send_text(reply, 200, playlist_type, out.at, out.size);
		else
			refuse(reply, 404, "Nothing of this title has come yet.\n");
		return;
	}
	if (text_is(rest, "ts") && text_number(number, UINT32_MAX, &i))
		segment = relay_segment(relay, reply->conn, i);
	if (segment != NULL)
		send_file(reply, "video/mp2t", relay->live.ring + segment->offset, segment->size);
	else
		refuse(reply, 404, "This title has no such segment, or no longer.\n");
}

static void get_hls(const struct reply *reply, struct text path)
{
	struct text name = text_cut(&path, '/');
	struct out out = {.at = reply->video->scratch, .room = VIDEO_SCRATCH_BYTES};
	const struct media *media;
	struct video_live *relay;
	uint8_t title;

	if (!is_title(reply, name, &title)) {
		refuse(reply, 404, "There is no such title: / lists them.\n");
		return;
	}
	media = &reply->video->titles[title];
	relay = relay_of(reply->video, title);
	if (relay != NULL) {
		get_live(reply, relay, path);
	} else if (text_is(path, "index.m3u8")) {
		reply->video->title_requests[title]++;
		send_part(reply, playlist_type, media, &media->header->playlist);
	} else if (text_is(path, "live.m3u8")) {
		hls_live(reply->video, title, &out);
		send_text(reply, 200, playlist_type, out.at, out.size);
	} else {
		get_segment(reply, media, path);
	}
}

static void get_told(const struct reply *reply, bool metrics)
{
	struct out out = {.at = reply->video->scratch, .room = VIDEO_SCRATCH_BYTES};

	if (metrics)
		status_metrics(reply->video, &out);
	else
		status_json(reply->video, &out);
	send_text(reply, 200,
	          metrics ? "text/plain; version=0.0.4; charset=utf-8" : "application/json", out.at,
	          out.size);
}

static void rescan(const struct reply *reply)
{
	static const char text[] = "The disk is looked at: /status lists the titles.\n";

	reply->video->ops.rescan(reply->video->context);
	send_text(reply, 200, "text/plain; charset=utf-8", text, sizeof text - 1);
}

static void route(const struct reply *reply)
{
	const struct video_config *config = &reply->video->config;
	struct text path = request_path(reply->request->target), rest;

	if (text_is(path, "/") && config->page_size > 0)
		send_file(reply, "text/html; charset=utf-8", (const uint8_t *)config->page,
		          config->page_size);
	else if (text_begins(path, "/media/", &rest))
		get_media(reply, rest);
	else if (text_begins(path, "/hls/", &rest))
		get_hls(reply, rest);
	else if (text_is(path, "/status") || text_is(path, "/metrics"))
		get_told(reply, text_is(path, "/metrics"));
	else if (text_is(path, "/rescan") && reply->video->ops.rescan != NULL)
		rescan(reply);
	else
		refuse(reply, 404, "There is nothing here: / is the page.\n");
}

void http_request(struct video_conn *conn, const struct request *request)
{
	struct reply reply = {.video = conn->video, .conn = conn, .request = request};
	bool old = text_is(request->version, "HTTP/1.0");
	struct text value;

	conn->video->count.http_requests++;
	reply.head = text_is(request->method, "HEAD");
	reply.close = old;
	if (request_header(request, "Connection", &value))
		reply.close = text_is(value, "close") || (old && !text_is(value, "keep-alive"));
	if (!old && !text_is(request->version, "HTTP/1.1")) {
		reply.close = true;
		refuse(&reply, 505, "HTTP/1.1 is spoken here.\n");
	} else if (!old && !request_header(request, "Host", &value)) {
		refuse(&reply, 400, "A request of HTTP/1.1 needs a Host (RFC 9112, 3.2).\n");
	} else if (!reply.head && !text_is(request->method, "GET")) {
		refuse(&reply, 405, "GET and HEAD are all there is.\n");
	} else {
		route(&reply);
	}
	conn->last = reply.close;
}
