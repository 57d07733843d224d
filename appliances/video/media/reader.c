/* SPDX-License-Identifier: BSD-2-Clause */
/* The reader: every number of an object is checked here once; see media.h. */
#include "media.h"

#include <string.h>

static bool inside(const struct media_range *range, uint64_t size, uint64_t alignment)
{
	return range->offset <= size && range->size <= size - range->offset &&
	       range->offset % alignment == 0;
}

/* A table of `n` records, of exactly its size. */
static bool is_table(const struct media_range *range, uint64_t size, uint64_t n, uint64_t record)
{
	return inside(range, size, 8) && range->size == n * record;
}

bool media_title_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '-' || c == '_';
}

static bool title_sound(const struct media *media, const struct media_range *range)
{
	if (range->size == 0 || range->size > MEDIA_TITLE_MAX)
		return false;
	for (uint64_t i = 0; i < range->size; i++)
		if (!media_title_byte((char)media->bytes[range->offset + i]))
			return false;
	return true;
}

/* Printable lines. */
static bool text_sound(const struct media *media, const struct media_range *range, uint64_t max)
{
	if (range->size > max)
		return false;
	for (uint64_t i = 0; i < range->size; i++) {
		uint8_t c = media->bytes[range->offset + i];

		if ((c < ' ' && c != '\r' && c != '\n') || c > '~')
			return false;
	}
	return true;
}

static bool packet_sound(const struct media_packet *packet, const struct media_stream *stream,
                         uint64_t size)
{
	struct media_range content = {packet->offset, packet->size};

	return inside(&content, size, 1) && packet->prefix_size <= MEDIA_PREFIX_MAX &&
	       packet->prefix_size + packet->size <= MEDIA_PAYLOAD_MAX &&
	       packet->prefix_size + packet->size > 0 && packet->track < stream->n_tracks &&
	       packet->due_ms <= MEDIA_DURATION_MAX;
}

static bool packets_sound(const struct media *media, const struct media_stream *stream)
{
	const struct media_packet *packets = (const void *)(media->bytes + stream->packets.offset);
	uint32_t due = 0;

	for (uint32_t i = 0; i < stream->n_packets; i++) {
		if (!packet_sound(&packets[i], stream, media->header->size) ||
		    packets[i].due_ms < due)
			return false;
		due = packets[i].due_ms;
	}
	return true;
}

/* They begin with the first packet and go on in order. */
static bool seeks_sound(const struct media *media, const struct media_stream *stream)
{
	const struct media_seek *seeks = (const void *)(media->bytes + stream->seeks.offset);

	if (stream->n_seeks == 0 || seeks[0].packet != 0)
		return false;
	for (uint32_t i = 0; i < stream->n_seeks; i++)
		if (seeks[i].packet >= stream->n_packets ||
		    (i > 0 && (seeks[i].packet <= seeks[i - 1].packet ||
		               seeks[i].time_ms < seeks[i - 1].time_ms)))
			return false;
	return true;
}

static const char *check_stream(const struct media *media, const struct media_stream *stream)
{
	uint64_t size = media->header->size;

	if (stream->n_tracks == 0)
		return NULL;
	if (stream->n_tracks > MEDIA_TRACKS_MAX || stream->n_packets == 0)
		return "a stream has too many tracks, or no packets";
	for (uint32_t i = 0; i < stream->n_tracks; i++)
		if (stream->tracks[i].clock == 0 || stream->tracks[i].clock > 1000000 ||
		    stream->tracks[i].payload_type > 127)
			return "a track's clock or payload type is impossible";
	if (!is_table(&stream->packets, size, stream->n_packets, sizeof(struct media_packet)) ||
	    !is_table(&stream->seeks, size, stream->n_seeks, sizeof(struct media_seek)))
		return "a table of packets or seek points lies outside, or has another size";
	if (!inside(&stream->sdp, size, 1) || !text_sound(media, &stream->sdp, MEDIA_SDP_MAX))
		return "a stream's description lies outside, or is no text";
	if (!packets_sound(media, stream))
		return "a packet lies outside, is too long, or out of order";
	return seeks_sound(media, stream) ? NULL : "a seek point is out of order";
}

static bool segments_sound(const struct media *media)
{
	const struct media_header *header = media->header;
	const struct media_segment *segments = media_segments(media);
	uint64_t at = header->ts.offset, end = header->ts.offset + header->ts.size;
	uint64_t time = 0;

	for (uint32_t i = 0; i < header->n_segments; i++) {
		const struct media_segment *s = &segments[i];

		if (s->offset != at || s->size == 0 || s->size > end - at ||
		    s->size % MEDIA_TS_BYTES != 0 || s->start_ms != time || s->duration_ms == 0 ||
		    s->duration_ms > MEDIA_DURATION_MAX - time)
			return false;
		at += s->size;
		time += s->duration_ms;
	}
	return at == end;
}

static const char *check_header(const struct media_header *header, uint64_t size)
{
	if (memcmp(header->magic, MEDIA_MAGIC, sizeof header->magic) != 0)
		return "no media object: make one with sluice-media";
	if (header->header_bytes != sizeof *header)
		return "a media object of another version";
	if (header->size != size)
		return "cut short, or longer than it says";
	if (header->duration_ms == 0 || header->duration_ms > MEDIA_DURATION_MAX)
		return "its duration is impossible";
	if (!inside(&header->title, size, 1) || !inside(&header->playlist, size, 1) ||
	    !inside(&header->mp4, size, 1) || !inside(&header->ts, size, 1) ||
	    !is_table(&header->segments, size, header->n_segments, sizeof(struct media_segment)))
		return "a part lies outside";
	return NULL;
}

const char *media_open(struct media *media, const void *bytes, uint64_t size)
{
	const char *wrong;

	*media = (struct media){.bytes = bytes, .header = bytes};
	if (size < sizeof *media->header || (uintptr_t)bytes % 8 != 0)
		return "too short for a media object, or not aligned";
	wrong = check_header(media->header, size);
	if (wrong != NULL)
		return wrong;
	if (!title_sound(media, &media->header->title))
		return "its title is empty, too long, or has forbidden characters";
	memcpy(media->title, media->bytes + media->header->title.offset, media->header->title.size);
	if (!text_sound(media, &media->header->playlist, media->header->playlist.size))
		return "its playlist is no text";
	for (int i = 0; i < MEDIA_STREAMS && wrong == NULL; i++)
		wrong = check_stream(media, &media->header->streams[i]);
	if (wrong == NULL && !segments_sound(media))
		wrong = "its segments are not the transport stream in order";
	return wrong;
}

struct media_seek media_find(const struct media *media, enum media_stream_kind kind,
                             uint32_t time_ms)
{
	const struct media_stream *stream = media_stream(media, kind);
	const struct media_seek *seeks = (const void *)(media->bytes + stream->seeks.offset);
	uint32_t low = 0, high = stream->n_seeks; /* the answer is in [low, high) */

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (seeks[middle].time_ms <= time_ms)
			low = middle;
		else
			high = middle;
	}
	return seeks[low];
}
