/* SPDX-License-Identifier: BSD-2-Clause */
/* The headers with a grammar of their own: Transport and Range of RTSP. */
#ifndef VIDEO_HEADERS_H
#define VIDEO_HEADERS_H

#include "text.h"

/* One way of carrying RTP that a client offered (RFC 2326, 12.39). */
struct transport {
	bool tcp;                     /* interleaved; else UDP */
	bool multicast;               /* else unicast */
	uint16_t rtp_port, rtcp_port; /* the client's; 0: it named none */
	bool has_channels;
	uint8_t rtp_channel, rtcp_channel;
};

/* The first offer that this server can carry. false: none is, or the header is malformed. */
bool transport_parse(struct text header, struct transport *transport);

/* RFC 2326, 3.6: normal play time, in milliseconds. */
struct npt_range {
	bool has_from, has_to; /* "now" and nothing: no `from` */
	uint32_t from_ms, to_ms;
};

bool npt_parse(struct text header, struct npt_range *range);

#endif
