/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Live titles: what arrives at a port is a title of its own (live.h), served on by RTSP as a
 * transport stream and by HLS. To the rest of the server it is a media object without packets or
 * segments; who plays it waits in a list instead of the wheel.
 */
#ifndef VIDEO_RELAY_H
#define VIDEO_RELAY_H

#include <udp/socket.h>

#include "live.h"

enum {
	VIDEO_LIVES_MAX = 4,
	VIDEO_LIVE_HEAD = 4096, /* bytes of the object before the ring */
};

struct video;
struct video_viewer;

struct video_live {
	struct video *video;
	uint8_t title;
	struct udp_ip group; /* family 0: unicast */
	struct udp_socket socket;
	struct live live;
	struct video_viewer *viewers; /* those that play, by wheel_next */
	uint32_t timestamp;           /* of the last piece, that arrived at piece_ns */
	uint64_t piece_ns;
};

/*
 * What arrives at `port` (of `group`, where that is one) is title `name` from now on. `memory`:
 * `size` bytes, aligned to 8, zeroed, the server's until it is closed. NULL, or why not, for
 * people.
 */
const char *video_live_start(struct video *video, const char *name, const struct udp_ip *group,
                             uint16_t port, void *memory, uint64_t size);

#endif
