/* SPDX-License-Identifier: BSD-2-Clause */
/* Every frame of the chosen streams, by decoding time, from zero; see index.h. */
#include <stdlib.h>

#include "index.h"

enum { FRAMES_MAX = 20 * 1000 * 1000 };

static int track_of(const struct source *source, const AVPacket *packet)
{
	for (int i = 0; i < 2; i++)
		if (source->streams[i] != NULL && packet->stream_index == source->streams[i]->index)
			return i;
	return -1;
}

static void keep(struct source *source, AVPacket *packet, int track, size_t *room)
{
	AVRational from = source->streams[track]->time_base;
	int64_t dts = packet->dts != AV_NOPTS_VALUE ? packet->dts : packet->pts;
	int64_t pts = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
	struct frame *frame;

	if (dts == AV_NOPTS_VALUE)
		fail_convert("a frame has no time");
	if (source->n_frames == *room) {
		*room = *room == 0 ? 4096 : 2 * *room;
		source->frames = av_realloc_f(source->frames, *room, sizeof *source->frames);
	}
	if (source->frames == NULL || source->n_frames == FRAMES_MAX)
		fail("it has too many frames");
	frame = &source->frames[source->n_frames++];
	*frame = (struct frame){.packet = av_packet_clone(packet),
	                        .track = track,
	                        .dts_us = av_rescale_q(dts, from, AV_TIME_BASE_Q),
	                        .pts_us = av_rescale_q(pts, from, AV_TIME_BASE_Q)};
	if (frame->packet == NULL)
		fail("there is not enough memory for it");
}

static int by_time(const void *a, const void *b)
{
	const struct frame *x = a, *y = b;

	if (x->dts_us != y->dts_us)
		return x->dts_us < y->dts_us ? -1 : 1;
	if (x->track != y->track)
		return x->track - y->track;
	return x->packet->pos < y->packet->pos ? -1 : x->packet->pos > y->packet->pos;
}

/* The title begins where its first frame is decoded. */
static void from_zero(struct source *source)
{
	int64_t zero = source->frames[0].dts_us;

	for (size_t i = 0; i < source->n_frames; i++) {
		struct frame *frame = &source->frames[i];
		int64_t lasts =
		        av_rescale_q(frame->packet->duration,
		                     source->streams[frame->track]->time_base, AV_TIME_BASE_Q);

		frame->dts_us -= zero;
		frame->pts_us -= zero;
		if (frame->pts_us < frame->dts_us)
			frame->pts_us = frame->dts_us;
		if (lasts <= 0 || lasts > AV_TIME_BASE)
			lasts = AV_TIME_BASE / 25;
		if (frame->dts_us + lasts > source->duration_us)
			source->duration_us = frame->dts_us + lasts;
	}
	if (source->duration_us / 1000 >= MEDIA_DURATION_MAX)
		fail_convert("it lasts %lld hours, or its times are wrong",
		             (long long)(source->duration_us / 3600000000));
}

void source_read(struct source *source)
{
	AVPacket *packet = av_packet_alloc();
	size_t room = 0;
	int track, result = 0;

	while (packet != NULL && (result = av_read_frame(source->format, packet)) >= 0) {
		track = track_of(source, packet);
		if (track >= 0 && packet->size > 0)
			keep(source, packet, track, &room);
		av_packet_unref(packet);
	}
	av_packet_free(&packet);
	if (result != AVERROR_EOF)
		fail_convert("it can't be read to its end (is it cut short?): %s", fail_av(result));
	if (source->n_frames == 0)
		fail_convert("there is no frame in it");
	qsort(source->frames, source->n_frames, sizeof *source->frames, by_time);
	from_zero(source);
}
