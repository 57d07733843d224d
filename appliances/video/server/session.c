/* SPDX-License-Identifier: BSD-2-Clause */
/* A viewer's life: set up, playing, paused, and ended when it says so, falls silent or vanishes. */
#include <string.h>

#include "internal.h"

enum {
	INDEX_BITS = 11, /* VIDEO_VIEWERS_MAX */
	TRACK_BITS = 1,
};

_Static_assert(VIDEO_VIEWERS_MAX == 1 << INDEX_BITS, "a viewer's number fits its names");
_Static_assert(MEDIA_TRACKS_MAX == 1 << TRACK_BITS, "a track's number fits its source's name");

struct video_viewer *session_new(struct video *video, uint8_t title, uint8_t stream,
                                 const struct udp_ip *peer)
{
	struct video_viewer *viewer = video->free_viewer;
	uint32_t index;

	if (viewer == NULL) {
		video->count.viewers_full++;
		return NULL;
	}
	video->free_viewer = viewer->wheel_next;
	index = (uint32_t)(viewer - video->viewers);
	*viewer = (struct video_viewer){.state = VIDEO_READY,
	                                .stream = stream,
	                                .title = title,
	                                .index = index,
	                                .peer = *peer,
	                                .since_ns = video->now,
	                                .heard_ns = video->now};
	viewer->id = udp_transport_random(video->udp) << INDEX_BITS | index;
	video->n_viewers++;
	video->count.viewers++;
	video->title_requests[title]++;
	return viewer;
}

void session_end(struct video *video, struct video_viewer *viewer)
{
	session_pause(video, viewer);
	for (unsigned i = 0; i < MEDIA_TRACKS_MAX; i++)
		if (viewer->legs[i].kind == VIDEO_LEG_TCP) {
			viewer->conn->viewers--;
			break;
		}
	*viewer = (struct video_viewer){.wheel_next = video->free_viewer};
	video->free_viewer = viewer;
	video->n_viewers--;
}

struct video_viewer *session_find(struct video *video, uint64_t id)
{
	uint32_t index = id & (VIDEO_VIEWERS_MAX - 1);
	struct video_viewer *viewer = &video->viewers[index];

	if (index >= video->config.viewers || viewer->state == VIDEO_FREE || viewer->id != id)
		return NULL;
	return viewer;
}

struct video_viewer *session_of_source(struct video *video, uint32_t ssrc, struct video_leg **leg)
{
	uint32_t index = ssrc >> TRACK_BITS & (VIDEO_VIEWERS_MAX - 1);
	struct video_viewer *viewer = &video->viewers[index];

	*leg = &viewer->legs[ssrc & (MEDIA_TRACKS_MAX - 1)];
	if (index >= video->config.viewers || viewer->state == VIDEO_FREE ||
	    (*leg)->kind == VIDEO_LEG_NONE || (*leg)->ssrc != ssrc)
		return NULL;
	return viewer;
}

static void attach(struct video_viewer *viewer, struct video_conn *conn)
{
	for (unsigned i = 0; i < MEDIA_TRACKS_MAX; i++)
		if (viewer->legs[i].kind == VIDEO_LEG_TCP)
			return;
	viewer->conn = conn;
	conn->viewers++;
}

void session_add_leg(struct video *video, struct video_viewer *viewer, uint8_t track,
                     const struct transport *transport, struct video_conn *conn)
{
	struct video_leg *leg = &viewer->legs[track];
	uint64_t random = udp_transport_random(video->udp);

	if (transport->tcp)
		attach(viewer, conn);
	*leg = (struct video_leg){.kind = transport->tcp         ? VIDEO_LEG_TCP
	                                  : transport->multicast ? VIDEO_LEG_MULTICAST
	                                                         : VIDEO_LEG_UDP,
	                          .rtp_channel = transport->has_channels ? transport->rtp_channel
	                                                                 : (uint8_t)(2 * track),
	                          .rtcp_channel = transport->has_channels
	                                                  ? transport->rtcp_channel
	                                                  : (uint8_t)(2 * track + 1),
	                          .rtp_port = transport->rtp_port,
	                          .rtcp_port = transport->rtcp_port,
	                          .sequence = (uint16_t)random,
	                          .timestamp_first = (uint32_t)(random >> 16),
	                          .ssrc = (uint32_t)(random >> 32) << (INDEX_BITS + TRACK_BITS) |
	                                  viewer->index << TRACK_BITS | track};
}

/* Timestamps go on with the clock on the wall, whatever part of the title is played: RTP-Info tells
 * what they mean. */
static void set_timeline(struct video *video, struct video_viewer *viewer, uint64_t begin_ms,
                         uint32_t position_ms)
{
	const struct media_stream *stream =
	        media_stream(&video->titles[viewer->title], viewer->stream);
	uint64_t since_ms = begin_ms - viewer->since_ns / NS_PER_MS;

	for (uint32_t i = 0; i < stream->n_tracks; i++) {
		uint64_t clock = stream->tracks[i].clock;
		struct video_leg *leg = &viewer->legs[i];

		leg->timestamp = leg->timestamp_first + (uint32_t)(since_ms * clock / 1000) -
		                 (uint32_t)(position_ms * clock / 1000);
		leg->skipping = false;
	}
}

/* The first packet that is due at `to_ms` or later. */
static uint32_t packet_at(const struct media *media, uint8_t stream, uint32_t to_ms)
{
	const struct media_packet *packets = media_packets(media, stream);
	uint32_t low = 0, high = media_stream(media, stream)->n_packets;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (packets[middle].due_ms < to_ms)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint32_t session_play(struct video *video, struct video_viewer *viewer, uint32_t from_ms,
                      uint32_t to_ms)
{
	const struct media *media = &video->titles[viewer->title];
	struct media_seek seek = media_find(media, viewer->stream, from_ms);
	uint32_t position = seek.time_ms / MEDIA_SLOT_MS * MEDIA_SLOT_MS;
	int64_t begin = (int64_t)(video->now / NS_PER_SLOT) + 2;

	session_pause(video, viewer);
	viewer->packets = media_packets(media, viewer->stream);
	viewer->next = seek.packet;
	viewer->end = packet_at(media, viewer->stream, to_ms);
	if (viewer->end <= viewer->next)
		viewer->end = viewer->next + 1;
	viewer->start = begin - position / MEDIA_SLOT_MS;
	viewer->ended = false;
	viewer->direct = video->ops.burst != NULL && viewer->conn == NULL;
	viewer->report_ns = 0;
	set_timeline(video, viewer, (uint64_t)begin * MEDIA_SLOT_MS, position);
	viewer->state = VIDEO_PLAYING;
	slots_add(video, viewer);
	return position;
}

uint32_t session_position(const struct video *video, const struct video_viewer *viewer)
{
	int64_t ms = ((int64_t)(video->now / NS_PER_SLOT) - viewer->start) * MEDIA_SLOT_MS;
	uint32_t duration = video->titles[viewer->title].header->duration_ms;

	if (viewer->state != VIDEO_PLAYING)
		return viewer->position_ms;
	return ms < 0 ? 0 : ms > duration ? duration : (uint32_t)ms;
}

void session_pause(struct video *video, struct video_viewer *viewer)
{
	if (viewer->state != VIDEO_PLAYING)
		return;
	viewer->position_ms = session_position(video, viewer);
	if (viewer->live)
		relay_stop(viewer, relay_of(video, viewer->title));
	else
		slots_remove(video, viewer);
	viewer->state = VIDEO_READY;
}

void session_end_conn(struct video *video, struct video_conn *conn)
{
	for (uint32_t i = 0; i < video->config.viewers && conn->viewers > 0; i++)
		if (video->viewers[i].state != VIDEO_FREE && video->viewers[i].conn == conn)
			session_end(video, &video->viewers[i]);
}

void session_tidy(struct video *video)
{
	video->n_playing = 0;
	for (uint32_t i = 0; i < video->config.viewers; i++) {
		struct video_viewer *viewer = &video->viewers[i];

		if (viewer->state == VIDEO_FREE)
			continue;
		/* The connection shows that an interleaved viewer is there: it would close. */
		if (viewer->conn == NULL &&
		    video->now - viewer->heard_ns > VIDEO_TIMEOUT_S * NS_PER_S) {
			video->count.timed_out++;
			session_end(video, viewer);
			continue;
		}
		if (viewer->state == VIDEO_PLAYING) {
			video->n_playing++;
			rtp_report(video, viewer, false);
		}
	}
	if (video->channel.on)
		rtp_report(video, &video->channel.viewer, false);
}
