/* SPDX-License-Identifier: BSD-2-Clause */
/* The server's memory, sockets and clock; see server.h. */
#include "server.h"

#include <string.h>

#include "internal.h"

enum {
	ALIGNMENT = 64,
	BACKLOG = 64,
	USER_TIMEOUT_MS = 20000, /* nothing acknowledged for so long: the viewer has vanished */
	SEND_BUFFER = 256 * 1024,
};

static size_t aligned(size_t size)
{
	return (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

size_t video_bytes(const struct video_config *config)
{
	return aligned(config->viewers * sizeof(struct video_viewer)) +
	       aligned(config->conns * sizeof(struct video_conn));
}

static void lay_out(struct video *video, uint8_t *memory)
{
	const struct video_config *config = &video->config;

	memset(memory, 0, video_bytes(config));
	video->viewers = (struct video_viewer *)(void *)memory;
	memory += aligned(config->viewers * sizeof(struct video_viewer));
	video->conn = (struct video_conn *)(void *)memory;
	for (uint32_t i = config->viewers; i > 0; i--) {
		video->viewers[i - 1].wheel_next = video->free_viewer;
		video->free_viewer = &video->viewers[i - 1];
	}
	for (uint32_t i = config->conns; i > 0; i--) {
		video->conn[i - 1].next = video->free_conn;
		video->free_conn = &video->conn[i - 1];
	}
}

static int open_socket(struct video *video, struct udp_socket *socket, uint16_t port, uint8_t ttl)
{
	*socket = (struct udp_socket){.receive = rtp_on_datagram,
	                              .failure = rtp_on_failure,
	                              .context = video,
	                              .local.port = port,
	                              .ttl = ttl};
	return udp_socket_open(video->udp, socket);
}

static int listen_at(struct video *video, uint16_t port, tcp_accept_fn *accept,
                     struct tcp_listener **listener)
{
	struct udp_endpoint local = {.port = port};
	struct tcp_options options = tcp_options_default(video->tcp->tcp);

	options.no_delay = true;
	options.user_timeout_ms = USER_TIMEOUT_MS;
	options.keepalive = true;
	options.keepalive_idle = 15;
	options.keepalive_interval = 5;
	options.keepalive_count = 3;
	options.send_buffer = SEND_BUFFER;
	return tcp_listen(video->tcp->tcp, &local, BACKLOG, &options, accept, video, listener);
}

int video_open(struct video *video, const struct video_config *config, const struct video_ops *ops,
               void *context, struct tcp_udp *tcp, const struct udp_ip *own, void *memory)
{
	int result;

	if (config->viewers == 0 || config->viewers > VIDEO_VIEWERS_MAX || config->conns == 0)
		return -TCP_EINVAL;
	video->config = *config;
	video->ops = *ops;
	video->context = context;
	video->tcp = tcp;
	video->udp = tcp->udp;
	video->own = *own;
	video->now = video->began = udp_transport_now(video->udp);
	video->wheel.last = (int64_t)(video->now / NS_PER_SLOT);
	lay_out(video, memory);
	result = open_socket(video, &video->rtp, VIDEO_RTP_PORT, 0);
	if (result == 0)
		result = open_socket(video, &video->rtcp, VIDEO_RTP_PORT + 1, 0);
	if (result == 0)
		result = listen_at(video, VIDEO_RTSP_PORT, client_on_rtsp, &video->rtsp_listener);
	if (result == 0)
		result = listen_at(video, VIDEO_HTTP_PORT, client_on_http, &video->http_listener);
	return result;
}

void video_close(struct video *video)
{
	for (uint32_t i = 0; i < video->config.conns; i++)
		if (video->conn[i].tcp != NULL)
			tcp_abort(video->conn[i].tcp);
	tcp_listener_close(video->rtsp_listener);
	tcp_listener_close(video->http_listener);
	udp_socket_close(&video->rtp);
	udp_socket_close(&video->rtcp);
	if (video->channel.on)
		udp_socket_close(&video->channel.socket);
	relay_close(video);
}

int video_channel_start(struct video *video, uint8_t title, const struct udp_ip *group,
                        uint16_t port, uint8_t ttl)
{
	struct video_viewer *viewer = &video->channel.viewer;
	uint64_t random = udp_transport_random(video->udp);

	if (title >= video->n_titles || relay_of(video, title) != NULL ||
	    !udp_ip_is_multicast(group) || video->channel.on ||
	    open_socket(video, &video->channel.socket, VIDEO_RTP_PORT + 2, ttl) != 0)
		return -1;
	*viewer = (struct video_viewer){.state = VIDEO_PLAYING,
	                                .stream = MEDIA_TRANSPORT,
	                                .title = title,
	                                .loops = true,
	                                .peer = *group};
	viewer->since_ns = video->now;
	viewer->legs[0] = (struct video_leg){.kind = VIDEO_LEG_UDP,
	                                     .rtp_port = port,
	                                     .rtcp_port = (uint16_t)(port + 1),
	                                     .sequence = (uint16_t)random,
	                                     .timestamp = (uint32_t)(random >> 16),
	                                     .ssrc = (uint32_t)(random >> 32)};
	viewer->packets = media_packets(&video->titles[title], MEDIA_TRANSPORT);
	viewer->end = media_stream(&video->titles[title], MEDIA_TRANSPORT)->n_packets;
	viewer->start = video->wheel.last + 2;
	video->channel.on = true;
	video->channel.port = port;
	slots_add(video, viewer);
	return 0;
}

uint64_t video_run(struct video *video, uint64_t now)
{
	uint64_t deadline;

	video->now = now;
	slots_run(video);
	if (video->relayed && video->ops.flush != NULL)
		video->ops.flush(video->context);
	video->relayed = false;
	if (now - video->tidied >= NS_PER_S) {
		video->tidied = now;
		session_tidy(video);
		client_tidy(video);
	}
	deadline = slots_deadline(video);
	return deadline < video->tidied + NS_PER_S ? deadline : video->tidied + NS_PER_S;
}

uint64_t video_jitter_us(const struct video *video, unsigned permille)
{
	uint64_t wanted = video->jitter_packets * permille / 1000, seen = 0;

	for (uint64_t i = 0; i < VIDEO_JITTER_STEPS; i++) {
		seen += video->jitter[i];
		if (seen >= wanted && seen > 0)
			return (i + 1) * VIDEO_JITTER_STEP_US;
	}
	return video->jitter_max_us;
}
