/* SPDX-License-Identifier: BSD-2-Clause */
/* What the server tells of itself: JSON for the page, Prometheus' text format for machines. */
#include "internal.h"

enum {
	SHOWN_MAX = 64, /* viewers told of one by one; all are counted */
	WATCHING_S =
	        20, /* a viewer by HTTP asks for pieces, and is told of for so long after one */
};

typedef unsigned long long ull;

static uint32_t lost_of(const struct video_viewer *viewer)
{
	uint32_t lost = 0;

	for (unsigned i = 0; i < MEDIA_TRACKS_MAX; i++)
		if (viewer->legs[i].heard_ns != 0 && viewer->legs[i].heard.lost > 0)
			lost += (uint32_t)viewer->legs[i].heard.lost;
	return lost;
}

static const char *kind_of(const struct video_viewer *viewer)
{
	for (unsigned i = 0; i < MEDIA_TRACKS_MAX; i++)
		switch (viewer->legs[i].kind) {
		case VIDEO_LEG_UDP:
			return "udp";
		case VIDEO_LEG_TCP:
			return "tcp";
		case VIDEO_LEG_MULTICAST:
			return "multicast";
		default:
			break;
		}
	return "none";
}

static void print_viewer(const struct video *video, const struct video_viewer *viewer,
                         struct out *out)
{
	char text[UDP_IP_TEXT_MAX];
	uint64_t packets = (uint64_t)viewer->legs[0].packets + viewer->legs[1].packets;

	out_print(out,
	          "{\"address\":\"%s\",\"title\":\"%s\",\"by\":\"rtsp/%s\",\"playing\":%s,"
	          "\"position\":%u,\"packets\":%llu,\"lost\":%u,\"skipped\":%u,\"seconds\":%llu}",
	          udp_ip_format(&viewer->peer, text), video->titles[viewer->title].title,
	          kind_of(viewer), viewer->state == VIDEO_PLAYING ? "true" : "false",
	          session_position(video, viewer) / 1000, (ull)packets, lost_of(viewer),
	          viewer->legs[0].skipped + viewer->legs[1].skipped,
	          (ull)((video->now - viewer->since_ns) / NS_PER_S));
}

static void print_conn(const struct video *video, const struct video_conn *conn, struct out *out)
{
	struct udp_endpoint peer = tcp_conn_remote(conn->tcp);
	char text[UDP_IP_TEXT_MAX];

	out_print(out,
	          "{\"address\":\"%s\",\"title\":\"%s\",\"by\":\"http\",\"playing\":%s,"
	          "\"position\":0,\"packets\":0,\"lost\":0,\"skipped\":0,\"seconds\":%llu}",
	          udp_ip_format(&peer.ip, text), video->titles[conn->title].title,
	          tcp_unacknowledged(conn->tcp) > 0 ? "true" : "false",
	          (ull)((video->now - conn->watched_ns) / NS_PER_S));
}

static bool is_watching(const struct video *video, const struct video_conn *conn)
{
	return conn->tcp != NULL && conn->title < video->n_titles &&
	       (tcp_unacknowledged(conn->tcp) > 0 ||
	        video->now - conn->watched_ns < WATCHING_S * NS_PER_S);
}

static void print_watching(const struct video *video, struct out *out)
{
	const char *comma = "";
	unsigned n = 0;

	for (uint32_t i = 0; i < video->config.viewers && n < SHOWN_MAX; i++)
		if (video->viewers[i].state != VIDEO_FREE) {
			out_print(out, "%s", comma);
			print_viewer(video, &video->viewers[i], out);
			comma = ",";
			n++;
		}
	for (uint32_t i = 0; i < video->config.conns && n < SHOWN_MAX; i++)
		if (is_watching(video, &video->conn[i])) {
			out_print(out, "%s", comma);
			print_conn(video, &video->conn[i], out);
			comma = ",";
			n++;
		}
}

static void print_titles(const struct video *video, struct out *out)
{
	for (uint32_t i = 0; i < video->n_titles; i++) {
		const struct media_header *header = video->titles[i].header;

		out_print(out,
		          "%s{\"name\":\"%s\",\"live\":%s,\"seconds\":%u.%03u,\"bytes\":%llu,"
		          "\"requests\":%llu}",
		          i > 0 ? "," : "", video->titles[i].title,
		          relay_of(video, (uint8_t)i) != NULL ? "true" : "false",
		          header->duration_ms / 1000, header->duration_ms % 1000,
		          (ull)header->mp4.size, (ull)video->title_requests[i]);
	}
}

static void print_channel(const struct video *video, struct out *out)
{
	const struct video_viewer *viewer = &video->channel.viewer;
	char text[UDP_IP_TEXT_MAX];

	if (!video->channel.on) {
		out_print(out, "null");
		return;
	}
	out_print(out,
	          "{\"title\":\"%s\",\"group\":\"%s\",\"port\":%u,\"position\":%u,\"packets\":%u}",
	          video->titles[viewer->title].title, udp_ip_format(&viewer->peer, text),
	          video->channel.port, session_position(video, viewer) / 1000,
	          viewer->legs[0].packets);
}

void status_json(const struct video *video, struct out *out)
{
	const struct video_counters *c = &video->count;

	out_print(out, "{\"titles\":[");
	print_titles(video, out);
	out_print(out, "],\"live\":[");
	relay_status(video, out);
	out_print(out, "],\"channel\":");
	print_channel(video, out);
	out_print(out,
	          ",\"sessions\":%u,\"playing\":%u,\"connections\":%u,\"uptime\":%llu,"
	          "\"rtp\":{\"packets\":%llu,\"bytes\":%llu,\"unsent\":%llu,\"skipped\":%llu,"
	          "\"ns_per_packet\":%llu},"
	          "\"jitter\":{\"packets\":%llu,\"p50_us\":%llu,\"p99_us\":%llu,\"max_us\":%llu},"
	          "\"http\":{\"requests\":%llu,\"bytes\":%llu},\"watching\":[",
	          video->n_viewers, video->n_playing, video->n_conns,
	          (ull)((video->now - video->began) / NS_PER_S), (ull)c->rtp_packets,
	          (ull)c->rtp_bytes, (ull)c->rtp_unsent, (ull)c->rtp_skipped,
	          (ull)(c->rtp_packets > 0 ? c->send_ns / c->rtp_packets : 0),
	          (ull)video->jitter_packets, (ull)video_jitter_us(video, 500),
	          (ull)video_jitter_us(video, 990), (ull)video->jitter_max_us,
	          (ull)c->http_requests, (ull)c->http_bytes);
	print_watching(video, out);
	out_print(out, "]}\n");
}

static void metric(struct out *out, const char *name, const char *type, uint64_t value)
{
	out_print(out, "# TYPE sluice_video_%s %s\nsluice_video_%s %llu\n", name, type, name,
	          (ull)value);
}

static void print_loss(const struct video *video, struct out *out)
{
	uint64_t lost = 0, jitter_us = 0;

	for (uint32_t i = 0; i < video->config.viewers; i++) {
		const struct video_viewer *viewer = &video->viewers[i];

		if (viewer->state == VIDEO_FREE)
			continue;
		lost += lost_of(viewer);
		for (unsigned k = 0; k < MEDIA_TRACKS_MAX; k++)
			if (viewer->legs[k].heard_ns != 0) {
				uint32_t clock =
				        media_stream(&video->titles[viewer->title], viewer->stream)
				                ->tracks[k]
				                .clock;
				uint64_t us = viewer->legs[k].heard.jitter * 1000000ull / clock;

				jitter_us = us > jitter_us ? us : jitter_us;
			}
	}
	metric(out, "receivers_lost_packets", "gauge", lost);
	metric(out, "receivers_jitter_max_microseconds", "gauge", jitter_us);
}

static void print_live(const struct video *video, struct out *out)
{
	struct live_counters sum = {0};

	for (uint32_t i = 0; i < video->n_lives; i++) {
		const struct live_counters *count = &video->lives[i].live.count;

		sum.datagrams += count->datagrams;
		sum.lost += count->lost;
		sum.malformed += count->malformed;
		sum.foreign += count->foreign;
	}
	metric(out, "live_datagrams_total", "counter", sum.datagrams);
	metric(out, "live_lost_total", "counter", sum.lost);
	metric(out, "live_malformed_total", "counter", sum.malformed);
	metric(out, "live_foreign_total", "counter", sum.foreign);
}

/* Every stage at which something can be dropped, by the stacks' own names. */
static void print_stacks(const struct video *video, struct out *out)
{
	const uint64_t *udp = (const uint64_t *)udp_stack_counters(video->udp);
	const uint64_t *tcp = (const uint64_t *)tcp_stack_counters(video->tcp->tcp);
	const char *name;

	out_print(out, "# TYPE sluice_stack_total counter\n");
	for (unsigned i = 0; (name = udp_counter_name(i)) != NULL; i++)
		out_print(out, "sluice_stack_total{layer=\"ip\",what=\"%s\"} %llu\n", name,
		          (ull)udp[i]);
	for (unsigned i = 0; (name = tcp_counter_name(i)) != NULL; i++)
		out_print(out, "sluice_stack_total{layer=\"tcp\",what=\"%s\"} %llu\n", name,
		          (ull)tcp[i]);
}

void status_metrics(const struct video *video, struct out *out)
{
	const struct video_counters *c = &video->count;
	metric(out, "sessions", "gauge", video->n_viewers);
	metric(out, "playing", "gauge", video->n_playing);
	metric(out, "connections", "gauge", video->n_conns);
	metric(out, "viewer_bytes", "gauge",
	       sizeof(struct video_viewer) + sizeof(struct video_conn) +
	               video->config.connection_bytes);
	metric(out, "sessions_total", "counter", c->viewers);
	metric(out, "sessions_timed_out_total", "counter", c->timed_out);
	metric(out, "sessions_vanished_total", "counter", c->vanished);
	metric(out, "sessions_refused_total", "counter", c->viewers_full);
	metric(out, "rtp_packets_total", "counter", c->rtp_packets);
	metric(out, "rtp_bytes_total", "counter", c->rtp_bytes);
	metric(out, "rtp_unsent_total", "counter", c->rtp_unsent);
	metric(out, "rtp_by_socket_total", "counter", c->rtp_by_socket);
	metric(out, "rtp_refused_total", "counter", c->rtp_refused);
	metric(out, "rtp_skipped_total", "counter", c->rtp_skipped);
	metric(out, "rtp_send_nanoseconds_total", "counter", c->send_ns);
	metric(out, "rtp_slots_late_total", "counter", c->late_slots);
	metric(out, "rtp_jitter_p50_microseconds", "gauge", video_jitter_us(video, 500));
	metric(out, "rtp_jitter_p99_microseconds", "gauge", video_jitter_us(video, 990));
	metric(out, "rtp_jitter_max_microseconds", "gauge", video->jitter_max_us);
	metric(out, "rtcp_sent_total", "counter", c->rtcp_sent);
	metric(out, "rtcp_heard_total", "counter", c->rtcp_heard);
	metric(out, "rtcp_malformed_total", "counter", c->rtcp_malformed);
	print_loss(video, out);
	print_live(video, out);
	metric(out, "rtsp_requests_total", "counter", c->rtsp_requests);
	metric(out, "rtsp_refused_total", "counter", c->rtsp_refused);
	metric(out, "http_requests_total", "counter", c->http_requests);
	metric(out, "http_refused_total", "counter", c->http_refused);
	metric(out, "http_bytes_total", "counter", c->http_bytes);
	metric(out, "malformed_total", "counter", c->malformed);
	metric(out, "connections_total", "counter", c->conns);
	metric(out, "connections_refused_total", "counter", c->conns_full);
	print_stacks(video, out);
}
