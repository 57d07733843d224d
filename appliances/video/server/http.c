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
#include <http/answer.h>
#include <http/date.h>
#include <string.h>

#include "internal.h"

static const char playlist_type[] = "application/vnd.apple.mpegurl";

struct reply {
	struct video *video;
	struct video_conn *conn;
	const struct http_request *request;
};

/* The time for the field Date; NULL: the machine has no clock. */
static const char *date_of(struct video *video)
{
	uint64_t seconds = video->ops.wall(video->context) / NS_PER_S;

	http_date_format(seconds, video->date);
	return seconds != 0 ? video->date : NULL;
}

/* Queues an answer and what belongs to it: a copy of the resource's bytes, or those themselves. */
static void send(const struct reply *reply, const struct http_answer *answer,
                 const struct http_resource *resource, bool copied)
{
	struct video_conn *conn = reply->conn;
	const uint8_t *body = answer->with_body ? resource->data : NULL;
	bool good = client_put(conn, answer->head, answer->head_size);

	reply->video->count.http_refused += answer->status >= 400;
	conn->last = answer->close;
	if (body == NULL || answer->size == 0 || !good)
		return;
	good = copied ? client_put(conn, body + answer->first, answer->size)
	              : client_put_static(conn, body + answer->first, answer->size);
	reply->video->count.http_bytes += good ? answer->size : 0;
}

static void refuse(const struct reply *reply, uint16_t status, const char *why)
{
	const struct http_request *request = reply->request;
	struct http_answer answer;

	http_answer_refuse(&answer, status, why, request->method != HTTP_METHOD_HEAD,
	                   !request->keep_alive, date_of(reply->video));
	send(reply, &answer, NULL, true);
}

/* What was asked for, or the part of it. */
static void answer_with(const struct reply *reply, const struct http_resource *resource,
                        bool copied)
{
	struct http_answer answer;

	http_answer(&answer, reply->request, resource, date_of(reply->video));
	send(reply, &answer, resource, copied);
}

/* A short answer that is copied. */
static void send_text(const struct reply *reply, const char *type, const char *body, size_t size)
{
	const struct http_resource resource = {.data = body,
	                                       .size = (uint32_t)size,
	                                       .type = type,
	                                       .shared = true,
	                                       .caching = "no-store"};

	answer_with(reply, &resource, true);
}

/* Bytes that never change. */
static void send_file(const struct reply *reply, const char *type, const uint8_t *at, uint64_t size)
{
	const struct http_resource resource = {
	        .data = at, .size = (uint32_t)size, .type = type, .shared = true};

	if (size > UINT32_MAX)
		refuse(reply, 404, "This is longer than a download may be.\n");
	else
		answer_with(reply, &resource, false);
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
			send_text(reply, playlist_type, out.at, out.size);
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
		send_text(reply, playlist_type, out.at, out.size);
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
	send_text(reply, metrics ? "text/plain; version=0.0.4; charset=utf-8" : "application/json",
	          out.at, out.size);
}

static void rescan(const struct reply *reply)
{
	static const char text[] = "The disk is looked at: /status lists the titles.\n";

	reply->video->ops.rescan(reply->video->context);
	send_text(reply, "text/plain; charset=utf-8", text, sizeof text - 1);
}

static void route(const struct reply *reply)
{
	const struct video_config *config = &reply->video->config;
	struct text path = {reply->request->path, reply->request->path_size}, rest;

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

/* What can't be understood: where the next request would begin is unknown. */
static void refuse_wrong(const struct reply *reply, uint16_t status)
{
	struct http_answer answer;

	http_answer_refuse(&answer, status, NULL, true, true, date_of(reply->video));
	send(reply, &answer, NULL, true);
	reply->video->count.malformed++;
	reply->conn->closing = true;
}

static void answer_request(const struct reply *reply)
{
	const struct http_request *request = reply->request;

	reply->video->count.http_requests++;
	if (request->method == HTTP_METHOD_GET || request->method == HTTP_METHOD_HEAD)
		route(reply);
	else
		answer_with(reply, NULL, true);
}

size_t http_take(struct video_conn *conn, const char *data, size_t size, bool full)
{
	struct http_request *request = &conn->video->http;
	struct reply reply = {.video = conn->video, .conn = conn, .request = request};
	enum http_parsed parsed = HTTP_HEAD;
	uint32_t at = 0, used;

	http_request_reset(request);
	while (parsed == HTTP_HEAD) {
		parsed = http_request_parse(request, (const uint8_t *)data + at,
		                            (uint32_t)size - at, &used);
		at += used;
	}
	if (parsed == HTTP_WRONG)
		refuse_wrong(&reply, request->status);
	else if (parsed == HTTP_MORE && full)
		refuse_wrong(&reply, request->has_body ? 413 : 431);
	else if (parsed == HTTP_END)
		answer_request(&reply);
	return parsed == HTTP_MORE ? 0 : at;
}
