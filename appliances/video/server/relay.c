/* SPDX-License-Identifier: BSD-2-Clause */
/* Live titles; see relay.h. */
#include <string.h>
#include <udp/checksum.h>
#include <udp/multicast.h>

#include "internal.h"

enum { PAYLOAD_MP2T = 33 };

static const char sdp[] = "m=video 0 RTP/AVP 33\r\na=rtpmap:33 MP2T/90000\r\na=control:track0\r\n";

_Static_assert(sizeof(struct media_header) + sizeof sdp <= VIDEO_LIVE_HEAD, "the head has room");

struct video_live *relay_of(const struct video *video, uint8_t title)
{
	for (uint32_t i = 0; i < video->n_lives; i++)
		if (video->lives[i].title == title)
			return (struct video_live *)&video->lives[i];
	return NULL;
}

static void on_piece(void *context, uint32_t offset, uint32_t size, uint32_t timestamp)
{
	struct video_live *relay = context;
	struct video *video = relay->video;
	struct media_packet packet = {
	        .offset = VIDEO_LIVE_HEAD + offset,
	        .timestamp = timestamp,
	        .size = (uint16_t)size,
	        .sum = (uint16_t)~udp_sum_finish(udp_sum_add(0, relay->live.ring + offset, size)),
	        .flags = MEDIA_KEY,
	};
	struct video_viewer *next;

	relay->timestamp = timestamp;
	relay->piece_ns = video->now;
	for (struct video_viewer *viewer = relay->viewers; viewer != NULL; viewer = next) {
		next = viewer->wheel_next;
		rtp_send_piece(video, viewer, &packet);
	}
	video->relayed |= relay->viewers != NULL;
}

static void on_datagram(struct udp_socket *socket, struct udp_datagram *datagram)
{
	struct video_live *relay = socket->context;
	struct video *video = relay->video;

	video->now = udp_transport_now(video->udp);
	live_input(&relay->live, datagram->data, datagram->size, &datagram->from,
	           video->now / NS_PER_MS);
}

static void make_object(void *memory)
{
	struct media_header *header = memory;
	struct media_stream *stream = &header->streams[MEDIA_TRANSPORT];

	stream->n_tracks = 1;
	stream->tracks[0] = (struct media_track){.clock = TS_HZ, .payload_type = PAYLOAD_MP2T};
	stream->sdp = (struct media_range){sizeof *header, sizeof sdp - 1};
	memcpy((uint8_t *)memory + sizeof *header, sdp, sizeof sdp - 1);
}

static const char *hear(struct video *video, struct video_live *relay, uint16_t port)
{
	bool multicast = udp_ip_is_multicast(&relay->group);

	relay->socket = (struct udp_socket){
	        .receive = on_datagram, .context = relay, .local = {relay->group, port}};
	if (udp_socket_open(video->udp, &relay->socket) != 0)
		return "its port is taken";
	if (multicast && udp_group_join(video->udp, 0, &relay->group) != 0) {
		udp_socket_close(&relay->socket);
		return "its group can't be joined";
	}
	return NULL;
}

const char *video_live_start(struct video *video, const char *name, const struct udp_ip *group,
                             uint16_t port, void *memory, uint64_t size)
{
	struct video_live *relay = &video->lives[video->n_lives];
	struct media media = {.bytes = memory, .header = memory};
	const char *wrong;

	if (video->n_lives == VIDEO_LIVES_MAX)
		return "there are too many live titles";
	if (size < VIDEO_LIVE_HEAD + LIVE_RING_MIN || size > UINT32_MAX)
		return "its memory is too small, or too large";
	if (group->family != 0 && !udp_ip_is_multicast(group))
		return "its group is none: unicast has no address in front of the port";
	wrong = title_name(video, name, &media);
	if (wrong != NULL)
		return wrong;
	*relay = (struct video_live){
	        .video = video, .title = (uint8_t)video->n_titles, .group = *group};
	make_object(memory);
	live_open(&relay->live, (uint8_t *)memory + VIDEO_LIVE_HEAD,
	          (uint32_t)(size - VIDEO_LIVE_HEAD), on_piece, relay);
	wrong = hear(video, relay, port);
	if (wrong != NULL)
		return wrong;
	video->titles[video->n_titles++] = media;
	video->n_lives++;
	return NULL;
}

void relay_close(struct video *video)
{
	for (uint32_t i = 0; i < video->n_lives; i++)
		udp_socket_close(&video->lives[i].socket);
}

/* ---- Viewers ---- */

void relay_play(struct video_live *relay, struct video_viewer *viewer)
{
	session_pause(relay->video, viewer);
	viewer->state = VIDEO_PLAYING;
	viewer->live = true;
	viewer->start = relay->video->wheel.last;
	viewer->legs[0].timestamp = viewer->legs[0].timestamp_first;
	viewer->legs[0].skipping = false;
	viewer->wheel_next = relay->viewers;
	relay->viewers = viewer;
}

void relay_stop(struct video_viewer *viewer, struct video_live *relay)
{
	for (struct video_viewer **at = &relay->viewers; *at != NULL; at = &(*at)->wheel_next)
		if (*at == viewer) {
			*at = viewer->wheel_next;
			return;
		}
}

uint32_t relay_timestamp(const struct video_live *relay)
{
	return relay->timestamp +
	       (uint32_t)((relay->video->now - relay->piece_ns) / 1000 * 9 / 100);
}

/* A connection that still sends what is about to be overwritten would send nonsense. */
bool relay_overran(const struct video_conn *conn)
{
	return conn->live != NULL && tcp_unacknowledged(conn->tcp) > 0 &&
	       live_gone(&conn->live->live, conn->live_from);
}

/* ---- HLS ---- */

bool relay_playlist(const struct video_live *relay, struct out *out)
{
	const struct live *live = &relay->live;
	uint64_t first = live_first(live);
	const struct live_segment *segment = live_segment(live, first);

	if (segment == NULL)
		return false;
	out_print(out,
	          "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:%u\n"
	          "#EXT-X-MEDIA-SEQUENCE:%llu\n#EXT-X-DISCONTINUITY-SEQUENCE:%u\n",
	          (live->longest_ms + 999) / 1000, (unsigned long long)first,
	          segment->epoch - segment->breaks);
	for (uint64_t i = first; i < live->n_segments; i++) {
		segment = live_segment(live, i);
		out_print(out, "%s#EXTINF:%u.%03u,\n%llu.ts\n",
		          segment->breaks ? "#EXT-X-DISCONTINUITY\n" : "", segment->ms / 1000,
		          segment->ms % 1000, (unsigned long long)i);
	}
	return true;
}

const struct live_segment *relay_segment(struct video_live *relay, struct video_conn *conn,
                                         uint64_t number)
{
	const struct live_segment *segment = live_segment(&relay->live, number);

	/* What is older and on its way still counts. */
	if (segment != NULL && (conn->live != relay || tcp_unacknowledged(conn->tcp) == 0 ||
	                        segment->from < conn->live_from)) {
		conn->live = relay;
		conn->live_from = segment->from;
	}
	return segment;
}

void relay_status(const struct video *video, struct out *out)
{
	for (uint32_t i = 0; i < video->n_lives; i++) {
		const struct video_live *relay = &video->lives[i];
		const struct live_counters *count = &relay->live.count;
		char text[UDP_IP_TEXT_MAX];

		out_print(out,
		          "%s{\"name\":\"%s\",\"source\":\"%s\",\"datagrams\":%llu,\"bytes\":%llu,"
		          "\"lost\":%llu,\"malformed\":%llu,\"foreign\":%llu,\"segments\":%llu}",
		          i > 0 ? "," : "", video->titles[relay->title].title,
		          live_on(&relay->live, video->now / NS_PER_MS)
		                  ? udp_ip_format(&relay->live.source.ip, text)
		                  : "",
		          (unsigned long long)count->datagrams, (unsigned long long)count->bytes,
		          (unsigned long long)count->lost, (unsigned long long)count->malformed,
		          (unsigned long long)count->foreign,
		          (unsigned long long)relay->live.n_segments);
	}
}
