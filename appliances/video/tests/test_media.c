/* SPDX-License-Identifier: BSD-2-Clause */
/* The reader, with the clip that the build makes: sound as it is, refused with any lie in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <udp/checksum.h>

#include "../media/media.h"
#include "load.h"

static uint8_t *object, *copy;
static size_t object_size;

static struct media_header *fresh(void)
{
	memcpy(copy, object, object_size);
	return (struct media_header *)(void *)copy;
}

static const char *opened(struct media *media)
{
	return media_open(media, copy, object_size);
}

static void the_clip_is_sound(void **state)
{
	struct media media;

	fresh();
	assert_null(opened(&media));
	assert_string_equal(media.title, "sample");
	assert_in_range(media.header->duration_ms, 11900, 12200);
	assert_int_equal(media_stream(&media, MEDIA_ELEMENTARY)->n_tracks, 2);
	assert_int_equal(media_stream(&media, MEDIA_TRANSPORT)->n_tracks, 1);
}

/* The sums spare the machine a look at the content: they must be right. */
static void sums_are_right(void **state)
{
	struct media media;

	fresh();
	assert_null(opened(&media));
	for (int kind = 0; kind < MEDIA_STREAMS; kind++)
		for (uint32_t i = 0; i < media_stream(&media, kind)->n_packets; i++) {
			const struct media_packet *p = &media_packets(&media, kind)[i];
			uint8_t whole[MEDIA_PAYLOAD_MAX];
			uint64_t sum;

			memcpy(whole, p->prefix, p->prefix_size);
			memcpy(whole + p->prefix_size, copy + p->offset, p->size);
			sum = udp_sum_add(0, whole, p->prefix_size + p->size);
			assert_int_equal(p->sum, (uint16_t)~udp_sum_finish(sum));
		}
}

static void seeking(void **state)
{
	struct media media;

	fresh();
	assert_null(opened(&media));
	for (int kind = 0; kind < MEDIA_STREAMS; kind++) {
		const struct media_packet *packets = media_packets(&media, kind);

		assert_int_equal(media_find(&media, kind, 0).packet, 0);
		for (uint32_t ms = 0; ms < 20000; ms += 333) {
			struct media_seek seek = media_find(&media, kind, ms);

			assert_true(seek.time_ms <= ms);
			assert_true(packets[seek.packet].flags & MEDIA_KEY);
			assert_true(packets[seek.packet].due_ms >= seek.time_ms);
		}
		assert_in_range(media_find(&media, kind, UINT32_MAX).time_ms, 7000, 12000);
	}
}

static void every_cut_is_noticed(void **state)
{
	struct media media;

	fresh();
	for (size_t size = 0; size < object_size; size += size < 1000 ? 1 : 4099)
		assert_non_null(media_open(&media, copy, size));
}

static void lies(void **state)
{
	struct media_header *h;
	struct media_packet *p;
	struct media_seek *s;
	struct media media;

#define LIE(what)                                                                                  \
	do {                                                                                       \
		h = fresh();                                                                       \
		p = (void *)(copy + h->streams[0].packets.offset);                                 \
		s = (void *)(copy + h->streams[0].seeks.offset);                                   \
		(void)p;                                                                           \
		(void)s;                                                                           \
		what;                                                                              \
		assert_non_null(opened(&media));                                                   \
	} while (0)
	LIE(h->magic[0] = 'X');
	LIE(h->header_bytes++);
	LIE(h->size++);
	LIE(h->duration_ms = 0);
	LIE(h->title.size = 64);
	LIE(copy[h->title.offset] = '/');
	LIE(h->mp4.offset = UINT64_MAX - 3);
	LIE(h->ts.size -= 188);
	LIE(h->playlist.offset = h->mp4.offset);
	LIE(h->n_segments++);
	LIE(h->segments.offset += 4);
	LIE(h->streams[0].n_tracks = 3);
	LIE(h->streams[0].n_packets++);
	LIE(h->streams[0].n_packets = 0);
	LIE(h->streams[0].tracks[0].clock = 0);
	LIE(h->streams[0].tracks[1].payload_type = 128);
	LIE(h->streams[0].sdp.size = MEDIA_SDP_MAX + 1);
	LIE(copy[h->streams[0].sdp.offset] = 0);
	LIE(p[0].offset = object_size);
	LIE(p[5].offset = UINT64_MAX);
	LIE(p[5].size = MEDIA_PAYLOAD_MAX + 1);
	LIE(p[5].prefix_size = MEDIA_PREFIX_MAX + 1);
	LIE(p[5].track = 2);
	LIE(p[5].due_ms = UINT32_MAX);
	LIE(p[5].due_ms = 1000000);
	LIE((p[5].size = 0, p[5].prefix_size = 0));
	LIE(s[0].packet = 1);
	LIE(s[1].packet = s[0].packet);
	LIE(s[2].packet = h->streams[0].n_packets);
	LIE(s[2].time_ms = 0);
	LIE(((struct media_segment *)(void *)(copy + h->segments.offset))->size = 187);
	LIE(((struct media_segment *)(void *)(copy + h->segments.offset))->duration_ms = 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_clip_is_sound),
	        cmocka_unit_test(sums_are_right),
	        cmocka_unit_test(seeking),
	        cmocka_unit_test(every_cut_is_noticed),
	        cmocka_unit_test(lies),
	};

	object = load_file(argc, argv, &object_size);
	copy = malloc(object_size);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
