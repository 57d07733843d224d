/* SPDX-License-Identifier: BSD-2-Clause */
/* What a viewer of a test gets at a port: RTP, and inside it perhaps a transport stream. */
#ifndef VIDEO_TESTS_TRACK_H
#define VIDEO_TESTS_TRACK_H

#include <string.h>
#include <udp/socket.h>
#include <udp/wire.h>

#include "../server/ts.h"

/* What the client's ports got. */
struct track {
	struct udp_socket socket;
	uint32_t packets, reports, bytes, marks;
	uint32_t ssrc, first_timestamp, last_timestamp;
	uint16_t next;
	bool gap, bye;
	uint64_t first_ns, last_ns;
	/* Of a transport stream, for each of its first PIDs: */
	struct ts_counters counters;
	uint64_t last_pcr, pcrs;
	bool broken; /* a counter or the clock went astray */
};

/* The counters are to go on by one, the clock by less than a second. */
static inline void track_watch_ts(struct track *track, const uint8_t *packet)
{
	uint8_t counted[TS_BYTES];
	struct ts_packet is;

	memcpy(counted, packet, sizeof counted);
	track->broken |= !ts_read(packet, &is);
	ts_count(&track->counters, counted);
	track->broken |= memcmp(counted, packet, sizeof counted) != 0;
	if (is.has_pcr) {
		track->broken |= track->pcrs > 0 && is.pcr - track->last_pcr > TS_HZ;
		track->last_pcr = is.pcr;
		track->pcrs++;
	}
}

static inline void track_take(struct track *track, const uint8_t *data, uint32_t size, uint64_t now)
{
	uint16_t sequence;

	assert_true(size > 12 && data[0] == 0x80);
	sequence = wire_get16(data + 2);
	track->gap |= track->packets > 0 && sequence != track->next;
	track->next = (uint16_t)(sequence + 1);
	track->last_timestamp = wire_get32(data + 4);
	if (track->packets++ == 0) {
		track->first_timestamp = track->last_timestamp;
		track->first_ns = now;
	}
	track->last_ns = now;
	track->marks += data[1] >> 7;
	track->ssrc = wire_get32(data + 8);
	track->bytes += size - 12;
	for (uint32_t at = 12; data[12] == TS_SYNC && size - at >= TS_BYTES; at += TS_BYTES)
		track_watch_ts(track, data + at);
}

#endif
