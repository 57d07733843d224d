/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Media objects from anybody. Random bytes are never an object: the input is a list of changes to a
 * small sound one, which is then opened and, where it still is sound, read as the server does.
 */
#include <stdlib.h>
#include <string.h>

#include "../media/media.h"

enum { N_PACKETS = 12, N_SEEKS = 3, N_SEGMENTS = 2, SEGMENT = 2 * MEDIA_TS_BYTES };

struct object {
	struct media_header header;
	struct media_packet packets[MEDIA_STREAMS][N_PACKETS];
	struct media_seek seeks[MEDIA_STREAMS][N_SEEKS];
	struct media_segment segments[N_SEGMENTS];
	uint8_t ts[N_SEGMENTS * SEGMENT];
	char title[8], sdp[8];
};

#define PART(member)                                                                               \
	{                                                                                          \
		offsetof(struct object, member), sizeof(((struct object *)0)->member)              \
	}

static void fill_stream(struct object *o, int kind)
{
	struct media_stream *stream = &o->header.streams[kind];

	*stream = (struct media_stream){.n_tracks = 1,
	                                .n_packets = N_PACKETS,
	                                .n_seeks = N_SEEKS,
	                                .packets = PART(packets[0]),
	                                .seeks = PART(seeks[0]),
	                                .sdp = PART(sdp),
	                                .tracks = {{.clock = 90000}}};
	stream->packets.offset += (uint64_t)kind * sizeof o->packets[0];
	stream->seeks.offset += (uint64_t)kind * sizeof o->seeks[0];
	for (uint32_t i = 0; i < N_PACKETS; i++)
		o->packets[kind][i] = (struct media_packet){
		        .offset = offsetof(struct object, ts), .due_ms = 5 * i, .size = 100};
	for (uint32_t i = 0; i < N_SEEKS; i++)
		o->seeks[kind][i] = (struct media_seek){20 * i, 4 * i};
}

static void make(struct object *o)
{
	memset(o, 0, sizeof *o);
	o->header = (struct media_header){.header_bytes = sizeof o->header,
	                                  .n_segments = N_SEGMENTS,
	                                  .size = sizeof *o,
	                                  .duration_ms = 100,
	                                  .title = PART(title),
	                                  .playlist = PART(sdp),
	                                  .mp4 = PART(ts),
	                                  .ts = PART(ts),
	                                  .segments = PART(segments)};
	memcpy(o->header.magic, MEDIA_MAGIC, sizeof o->header.magic);
	memset(o->title, 'a', sizeof o->title);
	memset(o->sdp, 'b', sizeof o->sdp);
	fill_stream(o, 0);
	fill_stream(o, 1);
	for (uint32_t i = 0; i < N_SEGMENTS; i++)
		o->segments[i] = (struct media_segment){.offset = offsetof(struct object, ts) +
		                                                  (uint64_t)i * SEGMENT,
		                                        .size = SEGMENT,
		                                        .start_ms = 50 * i,
		                                        .duration_ms = 50};
}

static uint64_t read_all(const struct media *media)
{
	uint64_t sum = 0;

	for (int kind = 0; kind < MEDIA_STREAMS; kind++) {
		const struct media_stream *stream = media_stream(media, kind);

		for (uint32_t i = 0; i < stream->n_packets && stream->n_tracks > 0; i++) {
			const struct media_packet *p = &media_packets(media, kind)[i];

			for (uint32_t k = 0; k < p->size; k++)
				sum += media->bytes[p->offset + k];
			sum += stream->tracks[p->track].clock +
			       (p->prefix_size > 0 ? p->prefix[p->prefix_size - 1] : 0);
		}
		for (uint32_t ms = 0; ms < 100 && stream->n_tracks > 0; ms += 7)
			sum += media_packets(media, kind)[media_find(media, kind, ms).packet]
			               .due_ms;
	}
	for (uint32_t i = 0; i < media->header->n_segments; i++)
		sum += media->bytes[media_segments(media)[i].offset];
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct object *o = malloc(sizeof *o);
	struct media media;
	volatile uint64_t sum;

	if (o == NULL)
		abort();
	make(o);
	if (media_open(&media, o, sizeof *o) != NULL)
		abort();
	for (; size >= 3; data += 3, size -= 3)
		((uint8_t *)o)[(data[0] | data[1] << 8) % sizeof *o] = data[2];
	if (media_open(&media, o, sizeof *o) == NULL)
		sum = read_all(&media);
	(void)sum;
	free(o);
	return 0;
}
