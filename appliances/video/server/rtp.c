/* SPDX-License-Identifier: BSD-2-Clause */
/* RTP out (RFC 3550, 5; RFC 2326, 10.12 where interleaved), RTCP both ways. */
#include <string.h>
#include <udp/wire.h>

#include "internal.h"

enum {
	RTP_HEADER = 12,
	RTP_VERSION = 0x80,
	RTP_MARKER = 0x80,
	FRAME_HEADER = 4,            /* '$', channel, length */
	TCP_UNSENT_MAX = 192 * 1024, /* of a slow viewer; beyond, packets are left out */
	REPORT_NS_MAX = 5 * 1000000000ll,
};

static uint32_t put_rtp(uint8_t *at, const struct video_leg *leg, uint8_t type,
                        const struct media_packet *packet)
{
	at[0] = RTP_VERSION;
	at[1] = (uint8_t)(type | (packet->flags & MEDIA_MARKER ? RTP_MARKER : 0));
	wire_put16(at + 2, leg->sequence);
	wire_put32(at + 4, leg->timestamp + packet->timestamp);
	wire_put32(at + 8, leg->ssrc);
	memcpy(at + RTP_HEADER, packet->prefix, MEDIA_PREFIX_MAX);
	return RTP_HEADER + packet->prefix_size;
}

bool video_send_copy(struct video *video, const struct video_viewer *viewer,
                     const struct video_leg *leg, const uint8_t *head, uint32_t head_size,
                     const uint8_t *content, uint32_t size)
{
	struct udp_endpoint to = {.ip = viewer->peer, .port = leg->rtp_port};
	uint8_t packet[RTP_HEADER + MEDIA_PAYLOAD_MAX];

	memcpy(packet, head, head_size);
	memcpy(packet + head_size, content, size);
	/* In fragments where the path takes no more. */
	return udp_socket_send_copy(&video->rtp, packet, head_size + size, &to) == 0;
}

/*
 * The channel's packets differ from round to round: a decoder that found clocks and counters going
 * back would drop what it gets, or wait for a time that never comes.
 */
static bool send_channel(struct video *video, const uint8_t *head, uint32_t head_size,
                         const uint8_t *content, uint32_t size)
{
	struct video_channel *channel = &video->channel;
	struct udp_endpoint to = {.ip = channel->viewer.peer, .port = channel->port};
	struct udp_buffer *buffer = udp_socket_reserve(&channel->socket, head_size + size);

	if (buffer == NULL)
		return false;
	memcpy(buffer->data, head, head_size);
	memcpy(buffer->data + head_size, content, size);
	for (uint32_t at = 0; size - at >= TS_BYTES; at += TS_BYTES) {
		ts_shift(buffer->data + head_size + at, channel->shift);
		ts_count(&channel->counters, buffer->data + head_size + at);
	}
	return udp_socket_send(&channel->socket, buffer, &to) == 0;
}

static bool send_udp(struct video *video, const struct video_viewer *viewer, struct video_leg *leg,
                     const uint8_t *head, uint32_t head_size, const uint8_t *content,
                     const struct media_packet *packet)
{
	if (viewer->loops)
		return send_channel(video, head, head_size, content, packet->size);
	if (video->ops.send != NULL)
		return video->ops.send(video->context, video, viewer, leg, head, head_size, content,
		                       packet);
	return video_send_copy(video, viewer, leg, head, head_size, content, packet->size);
}

/* A slow viewer gets nothing until its connection has taken what is queued and a key frame comes:
 * leaving out parts of frames would cost it more. */
static bool must_skip(struct video_viewer *viewer, struct video_leg *leg,
                      const struct media_packet *packet)
{
	uint32_t unsent = tcp_unsent(viewer->conn->tcp);

	if (unsent > TCP_UNSENT_MAX)
		leg->skipping = true;
	else if (leg->skipping && unsent < TCP_UNSENT_MAX / 2 &&
	         ((packet->flags & MEDIA_KEY) || packet->track > 0))
		leg->skipping = false;
	return leg->skipping;
}

static bool send_tcp(struct video *video, struct video_viewer *viewer, struct video_leg *leg,
                     uint8_t channel, const uint8_t *head, uint32_t head_size,
                     const uint8_t *content, uint32_t size)
{
	uint8_t frame[FRAME_HEADER + RTP_HEADER + MEDIA_PREFIX_MAX];
	struct video_conn *conn = viewer->conn;

	if (conn->closing)
		return false;
	frame[0] = '$';
	frame[1] = channel;
	wire_put16(frame + 2, (uint16_t)(head_size + size));
	memcpy(frame + FRAME_HEADER, head, head_size);
	return client_put(conn, frame, FRAME_HEADER + head_size) &&
	       (viewer->live ? client_put(conn, content, size)
	                     : client_put_static(conn, content, size));
}

static bool send_packet(struct video *video, struct video_viewer *viewer, struct video_leg *leg,
                        const struct media *media, const struct media_packet *packet)
{
	uint8_t head[RTP_HEADER + MEDIA_PREFIX_MAX];
	const struct media_stream *stream = media_stream(media, viewer->stream);
	uint32_t size = put_rtp(head, leg, stream->tracks[packet->track].payload_type, packet);

	if (leg->kind == VIDEO_LEG_UDP)
		return send_udp(video, viewer, leg, head, size, media->bytes + packet->offset,
		                packet);
	if (must_skip(viewer, leg, packet)) {
		leg->skipped++;
		video->count.rtp_skipped++;
		return false;
	}
	return send_tcp(video, viewer, leg, leg->rtp_channel, head, size,
	                media->bytes + packet->offset, packet->size);
}

static void count_packet(struct video *video, struct video_leg *leg,
                         const struct media_packet *packet)
{
	leg->packets++;
	leg->octets += packet->prefix_size + packet->size;
	video->count.rtp_packets++;
	video->count.rtp_bytes += RTP_HEADER + packet->prefix_size + packet->size;
}

void rtp_count_jitter(struct video *video, int64_t slot, uint64_t packets)
{
	uint64_t due = (uint64_t)slot * NS_PER_SLOT, now = udp_transport_now(video->udp);
	uint64_t us = now > due ? (now - due) / 1000 : 0;
	uint64_t step = us / VIDEO_JITTER_STEP_US;

	step = step < VIDEO_JITTER_STEPS ? step : VIDEO_JITTER_STEPS - 1;
	video->jitter[step] += (uint32_t)packets;
	video->jitter_packets += packets;
	if (us > video->jitter_max_us)
		video->jitter_max_us = us;
}

/* The channel begins again; its timeline goes on. */
static void go_round(struct video *video, struct video_viewer *viewer)
{
	const struct media *media = &video->titles[viewer->title];
	const struct media_stream *stream = media_stream(media, viewer->stream);
	uint64_t slots = (media->header->duration_ms + MEDIA_SLOT_MS - 1) / MEDIA_SLOT_MS;

	viewer->next = 0;
	viewer->start += (int64_t)slots;
	video->channel.shift += slots * MEDIA_SLOT_MS * TS_HZ / 1000;
	for (uint32_t i = 0; i < stream->n_tracks; i++)
		viewer->legs[i].timestamp +=
		        (uint32_t)(slots * MEDIA_SLOT_MS * stream->tracks[i].clock / 1000);
}

static void send_next(struct video *video, struct video_viewer *viewer,
                      const struct media_packet *packet)
{
	const struct media *media = &video->titles[viewer->title];
	struct video_leg *leg = &viewer->legs[packet->track];

	if (leg->kind == VIDEO_LEG_NONE || leg->kind == VIDEO_LEG_MULTICAST)
		return;
	if (send_packet(video, viewer, leg, media, packet)) {
		count_packet(video, leg, packet);
		video->title_packets[viewer->title]++;
	} else {
		video->count.rtp_unsent++;
	}
	leg->sequence++;
}

/* The viewer's packets that are due. */
static inline void send_until(struct video *video, struct video_viewer *viewer, uint32_t due_ms)
{
	if (viewer->direct)
		video->ops.burst(video->context, video, viewer, due_ms);
	while (viewer->next < viewer->end && viewer->packets[viewer->next].due_ms <= due_ms) {
		send_next(video, viewer, &viewer->packets[viewer->next++]);
		if (viewer->direct)
			video->ops.burst(video->context, video, viewer, due_ms);
	}
}

void rtp_send_piece(struct video *video, struct video_viewer *viewer,
                    const struct media_packet *packet)
{
	viewer->direct = video->ops.burst != NULL && viewer->conn == NULL;
	viewer->packets = packet;
	viewer->next = 0;
	viewer->end = 1;
	send_until(video, viewer, UINT32_MAX);
}

void rtp_send_due(struct video *video, struct video_viewer *viewer, int64_t slot)
{
	int64_t due = (slot - viewer->start) * MEDIA_SLOT_MS;

	if (due < 0)
		return;
	send_until(video, viewer, due < MEDIA_DURATION_MAX ? (uint32_t)due : MEDIA_DURATION_MAX);
	if (viewer->next < viewer->end)
		return;
	if (viewer->loops) {
		go_round(video, viewer);
	} else {
		viewer->ended = true;
		viewer->position_ms = video->titles[viewer->title].header->duration_ms;
		rtp_report(video, viewer, true);
	}
}

/* ---- RTCP ---- */

static uint32_t timestamp_now(const struct video *video, const struct video_viewer *viewer,
                              uint32_t leg)
{
	uint32_t clock =
	        media_stream(&video->titles[viewer->title], viewer->stream)->tracks[leg].clock;
	int64_t ms = (int64_t)(video->now / NS_PER_MS) - viewer->start * MEDIA_SLOT_MS;

	if (viewer->live)
		return viewer->legs[leg].timestamp +
		       relay_timestamp(relay_of(video, viewer->title));
	return viewer->legs[leg].timestamp + (uint32_t)(ms * (int64_t)clock / 1000);
}

static void report_leg(struct video *video, struct video_viewer *viewer, uint32_t i, bool bye)
{
	struct video_leg *leg = &viewer->legs[i];
	struct rtcp_sender sender = {.ssrc = leg->ssrc,
	                             .wall_ns = video->ops.wall(video->context),
	                             .timestamp = timestamp_now(video, viewer, i),
	                             .packets = leg->packets,
	                             .octets = leg->octets,
	                             .name = "sluice"};
	uint8_t report[RTCP_OUT_MAX];
	size_t size = rtcp_write_report(report, &sender, bye);
	bool sent = false;

	if (leg->kind == VIDEO_LEG_UDP) {
		struct udp_endpoint to = {.ip = viewer->peer, .port = leg->rtcp_port};

		sent = udp_socket_send_copy(viewer->loops ? &video->channel.socket : &video->rtcp,
		                            report, (uint32_t)size, &to) == 0;
	} else if (leg->kind == VIDEO_LEG_TCP && !leg->skipping) {
		uint8_t frame[FRAME_HEADER] = {'$', leg->rtcp_channel, 0, (uint8_t)size};

		sent = client_put(viewer->conn, frame, sizeof frame) &&
		       client_put(viewer->conn, report, size);
	}
	video->count.rtcp_sent += sent;
}

void rtp_report(struct video *video, struct video_viewer *viewer, bool bye)
{
	if (!bye && video->now < viewer->report_ns)
		return;
	viewer->report_ns = video->now + REPORT_NS_MAX;
	for (uint32_t i = 0; i < MEDIA_TRACKS_MAX; i++)
		if (viewer->legs[i].kind != VIDEO_LEG_NONE && viewer->legs[i].packets > 0)
			report_leg(video, viewer, i, bye);
}

struct hearing {
	struct video *video;
	const struct udp_ip *from;
};

static void on_block(void *context, const struct rtcp_block *block)
{
	struct hearing *hearing = context;
	struct video *video = hearing->video;
	struct video_leg *leg;
	struct video_viewer *viewer = session_of_source(video, block->ssrc, &leg);

	if (viewer == NULL || !udp_ip_equal(&viewer->peer, hearing->from))
		return;
	leg->heard = *block;
	leg->heard_ns = video->now;
	viewer->heard_ns = video->now;
}

void rtp_heard(struct video *video, const uint8_t *data, size_t size, const struct udp_ip *from)
{
	struct hearing hearing = {video, from};

	if (rtcp_read(data, size, on_block, &hearing))
		video->count.rtcp_heard++;
	else
		video->count.rtcp_malformed++;
}

void rtp_on_datagram(struct udp_socket *socket, struct udp_datagram *datagram)
{
	struct video *video = socket->context;

	if (socket == &video->rtcp)
		rtp_heard(video, datagram->data, datagram->size, &datagram->from.ip);
}

/* The path to an address takes less than was thought: whoever sends has to look again. */
static void forget_headers(struct video *video, const struct udp_ip *to)
{
	for (uint32_t i = 0; i < video->config.viewers; i++) {
		struct video_viewer *viewer = &video->viewers[i];

		for (unsigned k = 0; k < MEDIA_TRACKS_MAX && udp_ip_equal(&viewer->peer, to); k++)
			memset(viewer->legs[k].header, 0, sizeof viewer->legs[k].header);
	}
}

/* A viewer's port is closed, or its computer gone: it has vanished. */
void rtp_on_failure(struct udp_socket *socket, enum udp_failure failure,
                    const struct udp_endpoint *remote, uint32_t value)
{
	struct video *video = socket->context;

	if (failure == UDP_FAILURE_TOO_BIG)
		forget_headers(video, &remote->ip);
	if (failure != UDP_FAILURE_REFUSED && failure != UDP_FAILURE_NEIGHBOUR)
		return;
	for (uint32_t i = 0; i < video->config.viewers; i++) {
		struct video_viewer *viewer = &video->viewers[i];

		/* Nobody need listen for reports: only RTP's own port counts. */
		if (viewer->state != VIDEO_PLAYING || !udp_ip_equal(&viewer->peer, &remote->ip))
			continue;
		for (unsigned k = 0; k < MEDIA_TRACKS_MAX; k++)
			if (viewer->legs[k].kind == VIDEO_LEG_UDP &&
			    (viewer->legs[k].rtp_port == remote->port ||
			     failure == UDP_FAILURE_NEIGHBOUR)) {
				video->count.vanished++;
				session_end(video, viewer);
				break;
			}
	}
}
