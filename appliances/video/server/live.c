/* SPDX-License-Identifier: BSD-2-Clause */
/* A transport stream that arrives while it is watched; see live.h. */
#include "live.h"

#include <string.h>
#include <udp/wire.h>

#include "rtp_header.h"

enum {
	PAYLOAD_MP2T = 33, /* RFC 3551 */
	TABLE_HEADER = 8,
	PROGRAM_BYTES = 4,
	CRC_BYTES = 4,
	LATE_MAX = 1000,     /* packets */
	VIDEO_STREAM = 0xe0, /* stream_id of 1110xxxx (ISO/IEC 13818-1, 2.4.3.7) */
};

void live_open(struct live *live, uint8_t *ring, uint32_t size, live_piece_fn *piece, void *context)
{
	*live = (struct live){.ring = ring,
	                      .size = size / TS_BYTES * TS_BYTES,
	                      .piece = piece,
	                      .context = context};
}

bool live_on(const struct live *live, uint64_t now_ms)
{
	return live->heard && now_ms - live->heard_ms < LIVE_SILENCE_MS;
}

bool live_gone(const struct live *live, uint64_t from)
{
	/* An eighth of the ring: what is written while a viewer still fetches. */
	return live->written - from > live->size - live->size / 8;
}

const struct live_segment *live_segment(const struct live *live, uint64_t number)
{
	const struct live_segment *segment = &live->segments[number % LIVE_SEGMENTS];

	if (number >= live->n_segments || live->n_segments - number >= LIVE_SEGMENTS ||
	    live_gone(live, segment->from))
		return NULL;
	return segment;
}

uint64_t live_first(const struct live *live)
{
	uint64_t first = live->n_segments < LIVE_SHOWN ? 0 : live->n_segments - LIVE_SHOWN;

	while (first < live->n_segments && live_segment(live, first) == NULL)
		first++;
	return first;
}

/* ---- Tables ---- */

/* ISO/IEC 13818-1, 2.4.4.3: the first program's map. The section lies in one packet, or is not
 * looked at. */
static void take_pat(struct live *live, const uint8_t *packet, const struct ts_packet *is)
{
	uint32_t at = is->payload, end;

	if (!is->starts || at == TS_BYTES)
		return;
	at += 1u + packet[at];
	if (at + TABLE_HEADER > TS_BYTES || packet[at] != 0)
		return;
	end = at + 3 + (wire_get16(packet + at + 1) & 0xfff);
	if (end > TS_BYTES || end < at + TABLE_HEADER + CRC_BYTES)
		return;
	memcpy(live->pat, packet, TS_BYTES);
	live->has_pat = true;
	for (at += TABLE_HEADER; at + PROGRAM_BYTES <= end - CRC_BYTES; at += PROGRAM_BYTES)
		if (wire_get16(packet + at) != 0) { /* 0: where networks are told of */
			uint16_t pid = wire_get16(packet + at + 2) & TS_PID_NULL;

			live->has_pmt &= pid == live->pmt_pid;
			live->pmt_pid = pid;
			return;
		}
}

static void take_tables(struct live *live, const uint8_t *packet, const struct ts_packet *is)
{
	if (is->pid == 0)
		take_pat(live, packet, is);
	else if (live->has_pat && is->pid == live->pmt_pid && is->starts) {
		memcpy(live->pmt, packet, TS_BYTES);
		live->has_pmt = true;
	}
}

/* ---- Segments ---- */

static void put(struct live *live, const uint8_t *packet)
{
	memcpy(live->ring + live->head, packet, TS_BYTES);
	live->head += TS_BYTES;
	live->written += TS_BYTES;
}

static bool is_key(const uint8_t *packet, const struct ts_packet *is)
{
	const uint8_t *pes = packet + is->payload;

	return is->starts && is->random_access && is->has_pts && (pes[3] & 0xf0) == VIDEO_STREAM;
}

/* How long the segment that ends here was: by the stream's own times, where they make sense. */
static uint32_t length_of(const struct live *live, const struct ts_packet *is, uint64_t now_ms)
{
	uint64_t ms = ((is->pts - live->pts) & ((1ull << 33) - 1)) / (TS_HZ / 1000);

	if (!is->has_pts || !live->timed || ms == 0 || ms > 2ull * LIVE_SEGMENT_MAX_MS)
		ms = now_ms - live->began_ms;
	return ms == 0 ? 1 : ms > 60000 ? 60000 : (uint32_t)ms;
}

static void end_segment(struct live *live, const struct ts_packet *is, uint64_t now_ms)
{
	struct live_segment *segment = &live->segments[live->n_segments % LIVE_SEGMENTS];

	if (!live->open)
		return;
	live->open = false;
	segment->size = live->head - segment->offset;
	segment->ms = length_of(live, is, now_ms);
	if (segment->ms > live->longest_ms)
		live->longest_ms = segment->ms;
	live->n_segments++;
}

static void begin_segment(struct live *live, const struct ts_packet *is, uint64_t now_ms)
{
	struct live_segment *segment = &live->segments[live->n_segments % LIVE_SEGMENTS];

	/* None goes over the ring's end: of what is left there a quarter may stay unused. */
	if (live->size - live->head < live->size / 4) {
		live->written += live->size - live->head;
		live->head = 0;
	}
	live->epoch += live->breaks;
	*segment = (struct live_segment){.from = live->written,
	                                 .offset = live->head,
	                                 .breaks = live->breaks,
	                                 .epoch = live->epoch};
	live->open = true;
	live->breaks = false;
	live->began_ms = now_ms;
	live->timed = is->has_pts;
	live->pts = is->pts;
	put(live, live->pat);
	put(live, live->pmt);
}

/* Whether a segment should end, and another begin, before this packet. */
static bool cuts(const struct live *live, const uint8_t *packet, const struct ts_packet *is,
                 uint64_t now_ms)
{
	uint64_t ms = now_ms - live->began_ms;

	if (!live->has_pat || !live->has_pmt)
		return false;
	if (is_key(packet, is))
		return !live->open || ms >= LIVE_SEGMENT_MS;
	/* Sound alone, or a film with few key frames: where a frame begins. */
	return is->has_pts && (live->open ? ms >= LIVE_SEGMENT_MAX_MS : ms >= LIVE_SEGMENT_MS);
}

/* ---- Datagrams ---- */

struct run {
	uint32_t offset, timestamp;
};

static void flush(struct live *live, struct run *run)
{
	if (live->head > run->offset)
		live->piece(live->context, run->offset, live->head - run->offset, run->timestamp);
	run->offset = live->head;
}

static void take_packet(struct live *live, const uint8_t *packet, struct run *run, uint64_t now_ms)
{
	struct ts_packet is;
	bool full = live->size - live->head < 4u * TS_BYTES;

	if (!ts_read(packet, &is)) {
		live->count.malformed++;
		return;
	}
	take_tables(live, packet, &is);
	if (full || cuts(live, packet, &is, now_ms)) {
		flush(live, run);
		end_segment(live, &is, now_ms);
		if (full) {
			live->written += live->size - live->head;
			live->head = 0;
		}
		if (live->has_pat && live->has_pmt)
			begin_segment(live, &is, now_ms);
		run->offset = live->head;
	}
	put(live, packet);
	if (live->head - run->offset >= LIVE_PIECE)
		flush(live, run);
}

static bool same(const struct live *live, const struct udp_endpoint *from,
                 const struct rtp_header *header)
{
	return udp_ip_equal(&live->source.ip, &from->ip) && live->source.port == from->port &&
	       live->rtp == (header->size > 0) && live->ssrc == header->ssrc;
}

/* Whether the datagram is of the source that is heard, or of a new one. */
static bool choose(struct live *live, const struct udp_endpoint *from,
                   const struct rtp_header *header, uint64_t now_ms)
{
	bool silent = !live_on(live, now_ms), known = live->heard && same(live, from, header);

	if (!known && !silent)
		return false;
	if (silent) {
		end_segment(live, &(struct ts_packet){.payload = TS_BYTES}, live->heard_ms);
		live->breaks = live->heard;
	}
	if (!known) {
		live->source = *from;
		live->rtp = header->size > 0;
		live->ssrc = header->ssrc;
		live->next = header->sequence;
		live->heard = true;
		live->began_ms = now_ms;
		live->has_pat = live->has_pmt = false;
		live->count.sources++;
	}
	live->heard_ms = now_ms;
	return true;
}

/* Counts what is missing. false: it comes too late. */
static bool in_turn(struct live *live, const struct rtp_header *header)
{
	int16_t ahead = (int16_t)(header->sequence - live->next);

	if (header->size == 0)
		return true;
	if (ahead < -LATE_MAX) { /* the source began again */
		live->next = header->sequence;
		live->breaks = true;
		ahead = 0;
	}
	if (ahead < 0)
		return false;
	live->count.lost += (uint64_t)ahead;
	live->next = (uint16_t)(header->sequence + 1);
	return true;
}

/* Finds the transport stream's packets in *bytes. header->size: 0 where it is no RTP. */
static bool unwrap(struct rtp_header *header, const uint8_t **bytes, size_t *size)
{
	*header = (struct rtp_header){.size = 0};
	if (*size > 0 && (*bytes)[0] != TS_SYNC) {
		if (!rtp_header_read(header, *bytes, *size) || header->type != PAYLOAD_MP2T)
			return false;
		*bytes = header->payload;
		*size = header->size;
	}
	return *size > 0 && *size % TS_BYTES == 0 && (*bytes)[0] == TS_SYNC;
}

void live_input(struct live *live, const uint8_t *bytes, size_t size,
                const struct udp_endpoint *from, uint64_t now_ms)
{
	struct rtp_header header;
	struct run run;

	live->count.datagrams++;
	if (!unwrap(&header, &bytes, &size)) {
		live->count.malformed++;
		return;
	}
	if (!choose(live, from, &header, now_ms)) {
		live->count.foreign++;
		return;
	}
	if (!in_turn(live, &header))
		return;
	run = (struct run){.offset = live->head,
	                   .timestamp = header.size > 0 ? header.timestamp
	                                                : (uint32_t)(now_ms * (TS_HZ / 1000))};
	live->count.bytes += size;
	for (size_t at = 0; at < size; at += TS_BYTES)
		take_packet(live, bytes + at, &run, now_ms);
	flush(live, &run);
}
