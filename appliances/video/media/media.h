/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A media object: one title, made ready on the host (index/) and served as it lies.
 *
 *     header | packet records | seek points | segments | texts | extra bytes | TS | MP4
 *
 * The MP4 file is there once: HTTP serves it, and the RTP packets of H.264 (RFC 6184) and AAC (RFC
 * 3640) are records that point into it. What does not lie in it as RTP wants it (parameter sets,
 * aggregates) is among the extra bytes. The MPEG transport stream is there once as well: HLS serves
 * its segments, RTP (RFC 2250) whole 188-byte packets of it. A packet record names the bytes, the
 * few that go before them, both times, and the sum of its bytes (RFC 1071), so that sending touches
 * no content.
 *
 * All numbers are little-endian; offsets count from the object's first byte. Times are
 * milliseconds of the title's own time, the RTP timestamp is in units of the track's clock.
 *
 * The machine does not trust the object: media_open checks all of it once. The bytes must not
 * change afterwards. The reader neither allocates nor copies.
 */
#ifndef MEDIA_H
#define MEDIA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEDIA_MAGIC "SLMEDIA1"

enum {
	MEDIA_TRACKS_MAX = 2,
	MEDIA_PREFIX_MAX = 9,
	MEDIA_PAYLOAD_MAX = 1400, /* bytes of prefix and content: fits any usual path */
	MEDIA_TITLE_MAX = 63,
	MEDIA_SDP_MAX = 1536,
	MEDIA_TS_BYTES = 188,
	MEDIA_SLOT_MS = 20,              /* packets are due at multiples of it */
	MEDIA_DURATION_MAX = 0x7fffffff, /* 24 days */
};

enum media_stream_kind {
	MEDIA_ELEMENTARY = 0, /* H.264 and AAC, each a track */
	MEDIA_TRANSPORT = 1,  /* MPEG-TS, one track */
	MEDIA_STREAMS,
};

enum media_packet_flags {
	MEDIA_MARKER = 1 << 0, /* of the RTP header */
	MEDIA_KEY = 1 << 1,    /* decoding can begin here */
};

struct media_range {
	uint64_t offset, size;
};

struct media_track {
	uint32_t clock; /* Hz, of the RTP timestamp */
	uint8_t payload_type;
	uint8_t reserved[3];
	uint32_t bit_rate;
	uint32_t reserved2;
};

struct media_packet {
	uint64_t offset;    /* of the content */
	uint32_t due_ms;    /* when to send */
	uint32_t timestamp; /* from the title's beginning */
	uint16_t size;      /* of the content */
	uint16_t sum;       /* one's complement sum of prefix and content, in memory order */
	uint8_t track;
	uint8_t flags; /* enum media_packet_flags */
	uint8_t prefix_size;
	uint8_t prefix[MEDIA_PREFIX_MAX];
};

/* Where playing can begin. */
struct media_seek {
	uint32_t time_ms;
	uint32_t packet;
};

struct media_stream {
	uint32_t n_tracks; /* 0: there is no such stream */
	uint32_t n_packets, n_seeks;
	uint32_t reserved;
	struct media_range packets, seeks;
	struct media_range sdp; /* the lines from the first "m=" on */
	struct media_track tracks[MEDIA_TRACKS_MAX];
};

/* A piece of the transport stream that can be decoded by itself. */
struct media_segment {
	uint64_t offset;
	uint32_t size;
	uint32_t start_ms, duration_ms;
	uint32_t reserved;
};

struct media_header {
	char magic[8];
	uint32_t header_bytes;
	uint32_t n_segments;
	uint64_t size; /* of the object */
	uint32_t duration_ms;
	uint32_t target_s; /* no segment is longer (RFC 8216, 4.3.3.1) */
	struct media_range title, playlist, mp4, ts, segments;
	struct media_stream streams[MEDIA_STREAMS];
};

_Static_assert(sizeof(struct media_packet) == 32, "two records a cache line");

/* An object that media_open found sound. */
struct media {
	const uint8_t *bytes;
	const struct media_header *header;
	char title[MEDIA_TITLE_MAX + 1];
};

/* Checks `size` bytes at `bytes` (aligned to 8). NULL: sound, *media is filled in. Else what is
 * wrong, for people; *media is then not to be used. */
const char *media_open(struct media *media, const void *bytes, uint64_t size);

static inline const struct media_stream *media_stream(const struct media *media,
                                                      enum media_stream_kind kind)
{
	return &media->header->streams[kind];
}

static inline const struct media_packet *media_packets(const struct media *media,
                                                       enum media_stream_kind kind)
{
	return (const void *)(media->bytes + media->header->streams[kind].packets.offset);
}

static inline const struct media_segment *media_segments(const struct media *media)
{
	return (const void *)(media->bytes + media->header->segments.offset);
}

/* The last point at or before `time_ms` from which the stream can be decoded. */
struct media_seek media_find(const struct media *media, enum media_stream_kind kind,
                             uint32_t time_ms);

/* A letter, digit, dot, dash or underscore: what titles consist of, so that they need no escape in
 * a URL, in JSON or in a page. */
bool media_title_byte(char c);

#endif
