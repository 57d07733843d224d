/* SPDX-License-Identifier: BSD-2-Clause */
/* The object's file: parts laid out, offsets made absolute, and all of it checked by the reader
 * that the machine uses; see index.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index.h"

enum { PART_ALIGNMENT = 64 };

/* Appends a part. → where it lies. */
static struct media_range add_part(struct bytes *object, const struct bytes *part)
{
	static const uint8_t zero[PART_ALIGNMENT];
	struct media_range range;

	bytes_add(object, zero, (PART_ALIGNMENT - object->size % PART_ALIGNMENT) % PART_ALIGNMENT);
	range.offset = bytes_add(object, part->data, part->size);
	range.size = part->size;
	return range;
}

static void move_packets(struct bytes *packets, uint64_t plain, uint64_t extra)
{
	struct media_packet *packet = (void *)packets->data;

	for (size_t i = 0; i < packets->size / sizeof *packet; i++)
		packet[i].offset = packet[i].offset & DRAFT_EXTRA
		                           ? (packet[i].offset & ~DRAFT_EXTRA) + extra
		                           : packet[i].offset + plain;
}

static void move_segments(struct bytes *segments, uint64_t by)
{
	struct media_segment *segment = (void *)segments->data;

	for (size_t i = 0; i < segments->size / sizeof *segment; i++)
		segment[i].offset += by;
}

static void add_stream(struct bytes *object, struct draft *draft, int kind,
                       struct media_stream *stream)
{
	stream->n_tracks = draft->n_tracks[kind];
	stream->n_packets = (uint32_t)(draft->packets[kind].size / sizeof(struct media_packet));
	stream->n_seeks = (uint32_t)(draft->seeks[kind].size / sizeof(struct media_seek));
	memcpy(stream->tracks, draft->tracks[kind], sizeof stream->tracks);
	stream->packets = add_part(object, &draft->packets[kind]);
	stream->seeks = add_part(object, &draft->seeks[kind]);
	stream->sdp = add_part(object, &draft->sdp[kind]);
}

static void lay_out(struct bytes *object, struct draft *draft)
{
	struct bytes title = {.data = (uint8_t *)draft->title, .size = strlen(draft->title)};
	struct media_header header = {.magic = {0},
	                              .header_bytes = sizeof header,
	                              .duration_ms = draft->duration_ms,
	                              .target_s = draft->target_s};
	struct media_range extra;

	memcpy(header.magic, MEDIA_MAGIC, sizeof header.magic);
	bytes_add(object, &header, sizeof header);
	header.mp4 = add_part(object, &draft->mp4);
	header.ts = add_part(object, &draft->ts);
	extra = add_part(object, &draft->extra);
	move_packets(&draft->packets[MEDIA_ELEMENTARY], header.mp4.offset, extra.offset);
	move_packets(&draft->packets[MEDIA_TRANSPORT], header.ts.offset, 0);
	move_segments(&draft->segments, header.ts.offset);
	for (int i = 0; i < MEDIA_STREAMS; i++)
		add_stream(object, draft, i, &header.streams[i]);
	header.segments = add_part(object, &draft->segments);
	header.n_segments = (uint32_t)(draft->segments.size / sizeof(struct media_segment));
	header.playlist = add_part(object, &draft->playlist);
	header.title = add_part(object, &title);
	header.size = object->size;
	memcpy(object->data, &header, sizeof header);
}

/* A whole file or none: it gets its name last. */
static void write_file(const struct bytes *object, const char *path)
{
	char name[4096];
	FILE *file;
	bool good;

	if ((size_t)snprintf(name, sizeof name, "%s.part", path) >= sizeof name)
		fail("the name of the object is too long");
	file = fopen(name, "wb");
	if (file == NULL)
		fail("%s can't be written: %m", name);
	good = fwrite(object->data, 1, object->size, file) == object->size;
	good = fclose(file) == 0 && good;
	if (!good || rename(name, path) != 0) {
		(void)unlink(name);
		fail("%s can't be written: %m", path);
	}
}

void object_write(struct draft *draft, const char *path)
{
	struct bytes object = {.data = NULL};
	struct media media;
	const char *wrong;

	lay_out(&object, draft);
	wrong = media_open(&media, object.data, object.size);
	if (wrong != NULL)
		fail_convert("the object made of it is not sound: %s", wrong);
	write_file(&object, path);
	free(object.data);
}
