/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The video server: titles in, viewers served. Portable and passive, as the stacks below it: it
 * reads no clock, sleeps never and allocates nothing. An environment drives it on exo rings
 * (main.c), a unit test under virtual time.
 *
 * How a packet leaves. A viewer is a cursor in a stream's records (media/media.h) and waits in a
 * wheel of slots of MEDIA_SLOT_MS (schedule.c). When its slot comes, all packets due are sent
 * (rtp.c): twelve bytes of RTP header, the record's prefix, and the content where it lies. All
 * titles begin at slots, so that the viewers of one slot are served in one go.
 *
 *     titles.c    the titles
 *     conn.c      TCP connections: requests taken apart, frames of interleaved RTP
 *     request.c   RTSP's requests;  headers.c  Transport and Range;  text.c  slices of text
 *     rtsp.c      the methods of RTSP;  session.c  a viewer's life;  rtcp.c  receivers' reports
 *     http.c      pages and files;  hls.c  playlists;  status.c  what is told of ourselves
 *     relay.c     live titles, sent on as they come;  live.c  what is kept of them
 *     ts.c        the transport streams that they come in;  rtp_header.c  RTP around these
 *
 * Everything of a viewer is in struct video_viewer, well under 4 KiB with its share of TCP.
 */
#ifndef VIDEO_SERVER_H
#define VIDEO_SERVER_H

#include <http/date.h>
#include <http/request.h>
#include <tcp/udp.h>
#include <udp/transport.h>

#include "../media/media.h"
#include "relay.h"
#include "rtcp.h"
#include "ts.h"

enum {
	VIDEO_TITLES_MAX = 16,
	VIDEO_VIEWERS_MAX = 2048, /* their number is part of what they are named by */
	VIDEO_RTSP_PORT = 554,
	VIDEO_HTTP_PORT = 80,
	VIDEO_RTP_PORT = 6970, /* from which unicast RTP is sent; RTCP is the next */
	VIDEO_TIMEOUT_S = 60,
	VIDEO_WHEEL_SLOTS = 512,
	VIDEO_SCRATCH_BYTES = 32768,
	VIDEO_JITTER_STEP_US = 20,
	VIDEO_JITTER_STEPS = 1000, /* the last one: all that is later */
};

enum video_leg_kind {
	VIDEO_LEG_NONE = 0,
	VIDEO_LEG_UDP,
	VIDEO_LEG_TCP,       /* interleaved */
	VIDEO_LEG_MULTICAST, /* hears the channel: nothing is sent for this viewer */
};

/* One track on its way to one viewer. */
struct video_leg {
	uint8_t kind; /* enum video_leg_kind */
	uint8_t rtp_channel, rtcp_channel;
	bool skipping;                /* TCP: waits for a key frame after packets were left out */
	uint16_t rtp_port, rtcp_port; /* the viewer's */
	uint16_t sequence;            /* of the next packet */
	uint32_t ssrc;
	uint32_t timestamp_first; /* of the RTP timeline */
	uint32_t timestamp;       /* what is added to a record's */
	uint32_t packets, octets;
	uint32_t skipped; /* left out for a slow TCP viewer */
	struct rtcp_block heard;
	uint64_t heard_ns;  /* 0: never */
	uint64_t header[9]; /* whoever sends may keep headers here: 0, none */
};

enum video_viewer_state {
	VIDEO_FREE = 0,
	VIDEO_READY,
	VIDEO_PLAYING,
};

struct video_conn;

struct video_viewer {
	uint8_t state;  /* enum video_viewer_state */
	uint8_t stream; /* enum media_stream_kind */
	uint8_t title;
	bool loops;  /* the channel */
	bool ended;  /* all was sent */
	bool live;   /* plays a live title: waits in its list, not in the wheel */
	bool direct; /* nothing of it is interleaved, and there is `burst` */
	uint32_t index;
	uint64_t id; /* of the session */
	struct udp_ip peer;
	struct video_conn *conn; /* interleaved: whose end is the viewer's */
	struct video_leg legs[MEDIA_TRACKS_MAX];
	const struct media_packet *packets; /* the stream's records */
	uint32_t next, end;                 /* of them: [next, end) is to be sent */
	int64_t start;                      /* slot in which the title's time 0 lies */
	uint32_t position_ms;
	uint64_t since_ns, heard_ns, report_ns; /* began; last heard of; next sender report */
	struct video_viewer *wheel_next;        /* in a slot, or the free list */
};

struct video_conn {
	struct video *video;
	struct tcp_conn *tcp; /* NULL: free */
	bool rtsp;
	bool closing;        /* after what is queued */
	bool last;           /* closing, once all of the answer is queued */
	uint8_t title;       /* HTTP: asked for last, at watched_ns; TITLES_MAX: none */
	uint32_t viewers;    /* interleaved */
	const uint8_t *rest; /* static bytes that are not queued yet */
	uint64_t rest_size;
	uint64_t heard_ns, watched_ns;
	struct video_live *live; /* whose bytes may be on their way, from `live_from` on */
	uint64_t live_from;
	struct video_conn *next; /* free list */
};

struct video_wheel {
	int64_t last; /* slot that was served last */
	uint64_t used[VIDEO_WHEEL_SLOTS / 64];
	struct video_viewer *slots[VIDEO_WHEEL_SLOTS];
};

struct video_counters {
	uint64_t rtp_packets, rtp_bytes;     /* handed on */
	uint64_t rtp_unsent;                 /* the stack had no buffer, or no way */
	uint64_t rtp_by_socket, rtp_refused; /* went the long way; the kernel would not send them */
	uint64_t rtp_skipped;                /* left out for slow TCP viewers */
	uint64_t rtcp_sent, rtcp_heard, rtcp_malformed;
	uint64_t rtsp_requests, rtsp_refused; /* refused: answered with 4xx, 5xx */
	uint64_t http_requests, http_refused, http_bytes;
	uint64_t malformed;                    /* requests that were none: connection closed */
	uint64_t conns, conns_full;            /* taken; refused, all in use */
	uint64_t viewers, timed_out, vanished; /* ever; silent for too long; port unreachable */
	uint64_t viewers_full;
	uint64_t send_ns;    /* time spent on sending RTP */
	uint64_t late_slots; /* slots skipped, for the server had not been run */
};

struct video;

struct video_ops {
	/* Nanoseconds since 1970. */
	uint64_t (*wall)(void *context);
	/*
	 * Sends one RTP packet to a viewer by UDP: `head` is header and prefix; `size` bytes of
	 * content follow, whose sum together with the prefix is packet->sum. → whether it went out.
	 * NULL: by the stack's sockets, with a copy (video_send_copy).
	 */
	bool (*send)(void *context, struct video *video, const struct video_viewer *viewer,
	             struct video_leg *leg, const uint8_t *head, uint32_t head_size,
	             const uint8_t *content, const struct media_packet *packet);
	/*
	 * Sends packets of a direct viewer from `next` on, those that are due by `due_ms`, as long
	 * as it has a short way for them, and moves `next` behind them. It counts them, in their
	 * legs (packets, octets, sequence), in video->count and for the title. If the next one is
	 * due, it goes by `send`. NULL: there is no such way.
	 */
	void (*burst)(void *context, struct video *video, struct video_viewer *viewer,
	              uint32_t due_ms);
	/* The packets of a slot have all been given to be sent; NULL: nobody wants to know. */
	void (*flush)(void *context);
	/* Looks for titles where they may have come. NULL: they never do. */
	void (*rescan)(void *context);
};

/* A channel: a title's transport stream, over and over, to a multicast group. */
struct video_channel {
	struct video_viewer viewer;
	bool on;
	uint16_t port;
	struct udp_socket socket; /* with the group's TTL */
	uint64_t shift;           /* of the title's clocks in this round, in ticks of TS_HZ */
	struct ts_counters counters;
};

/* Sends by the stack's sockets. */
bool video_send_copy(struct video *video, const struct video_viewer *viewer,
                     const struct video_leg *leg, const uint8_t *head, uint32_t head_size,
                     const uint8_t *content, uint32_t size);

struct video_config {
	uint32_t viewers, conns;   /* how many at most */
	uint32_t connection_bytes; /* of TCP's memory, for one; only told */
	const char *page;          /* index.html */
	size_t page_size;
};

struct video {
	struct video_config config;
	struct video_ops ops;
	void *context;
	struct udp_stack *udp;
	struct tcp_udp *tcp;
	struct udp_ip own; /* our address */
	uint32_t n_titles;
	struct media titles[VIDEO_TITLES_MAX];
	uint64_t title_packets[VIDEO_TITLES_MAX], title_requests[VIDEO_TITLES_MAX];
	struct video_viewer *viewers, *free_viewer;
	struct video_conn *conn, *free_conn;
	uint32_t n_viewers, n_playing, n_conns;
	struct video_wheel wheel;
	struct video_channel channel;
	struct video_live lives[VIDEO_LIVES_MAX];
	uint32_t n_lives;
	bool relayed; /* pieces were sent since `flush` */
	struct udp_socket rtp, rtcp;
	struct tcp_listener *rtsp_listener, *http_listener;
	uint64_t now; /* of the stack's clock, at the last occasion */
	uint64_t began, tidied;
	struct video_counters count;
	uint64_t jitter_packets, jitter_max_us;
	uint32_t jitter[VIDEO_JITTER_STEPS];
	char request[4096 + 1];
	struct http_request http; /* of the connection that is looked at */
	char date[HTTP_DATE_SIZE];
	char scratch[VIDEO_SCRATCH_BYTES];
};

/* Bytes of memory for the viewers and connections of a configuration. */
size_t video_bytes(const struct video_config *config);
/*
 * Makes a server of *video (zeroed) above two stacks. `memory`: video_bytes of it, aligned to 64.
 * 0 or -TCP_E…: a port is taken, or the configuration not valid.
 */
int video_open(struct video *video, const struct video_config *config, const struct video_ops *ops,
               void *context, struct tcp_udp *tcp, const struct udp_ip *own, void *memory);
/* Ends every session and connection without a word. */
void video_close(struct video *video);
/* Adds a title. NULL, or why not, for people. The bytes stay the caller's, and unchanged. */
const char *video_add_title(struct video *video, const void *object, uint64_t size);
/* Sends title `title` to `group`:`port` for ever. 0 or -1: there is no such title or group, or the
 * channel is on. */
int video_channel_start(struct video *video, uint8_t title, const struct udp_ip *group,
                        uint16_t port, uint8_t ttl);
/* Sends what is due at `now` (of the stack's clock) and tidies up. → when to call it again at the
 * latest; UINT64_MAX never occurs: sessions time out. */
uint64_t video_run(struct video *video, uint64_t now);

#endif
