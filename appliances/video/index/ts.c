/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The transport stream, muxed by libavformat, cut into segments at key frames (RFC 8216), and into
 * RTP packets of seven TS packets (RFC 2250), which never span two segments. A byte is due when the
 * frame that it belongs to is; a frame's bytes are spread until the next one's.
 */
#include <libavutil/opt.h>
#include <string.h>

#include "index.h"

enum {
	SEGMENT_US = 4 * AV_TIME_BASE,
	BUFFER_BYTES = 64 * MEDIA_TS_BYTES,
	PACKETS_EACH = 7,
	PCR_AHEAD_US = 500000, /* how long receivers may keep bytes before they decode them */
};

/* From `offset` on, bytes belong to a frame of `us`. */
struct mark {
	size_t offset;
	int64_t us;
};

struct muxer {
	struct draft *draft;
	const struct source *source;
	AVFormatContext *format;
	struct bytes marks; /* struct mark */
	int64_t segment_us; /* where the current one begins */
	size_t segment_at;
};

static void check(int result, const char *what)
{
	if (result < 0)
		fail_convert("no transport stream can be made of it (%s): %s", what,
		             fail_av(result));
}

static int on_write(void *opaque, uint8_t *data, int size)
{
	struct muxer *mux = opaque;

	bytes_add(&mux->draft->ts, data, (size_t)size);
	return size;
}

static void add_streams(struct muxer *mux)
{
	for (int i = 0; i < 2; i++) {
		AVStream *from = mux->source->streams[i], *to;

		if (from == NULL)
			continue;
		to = avformat_new_stream(mux->format, NULL);
		check(to == NULL ? AVERROR(ENOMEM)
		                 : avcodec_parameters_copy(to->codecpar, from->codecpar),
		      "stream");
		to->codecpar->codec_tag = 0;
	}
}

static void open_muxer(struct muxer *mux)
{
	uint8_t *buffer = av_malloc(BUFFER_BYTES);

	check(avformat_alloc_output_context2(&mux->format, NULL, "mpegts", NULL), "muxer");
	mux->format->pb = avio_alloc_context(buffer, BUFFER_BYTES, 1, mux, NULL, on_write, NULL);
	if (buffer == NULL || mux->format->pb == NULL)
		fail("there is not enough memory for it");
	mux->format->max_delay = PCR_AHEAD_US;
	mux->format->flags |= AVFMT_FLAG_BITEXACT;
	add_streams(mux);
	check(avformat_write_header(mux->format, NULL), "header");
}

static void close_muxer(struct muxer *mux)
{
	check(av_write_trailer(mux->format), "end");
	avio_flush(mux->format->pb);
	av_freep(&mux->format->pb->buffer);
	avio_context_free(&mux->format->pb);
	avformat_free_context(mux->format);
}

/* Ends the segment that began at segment_us. */
static void end_segment(struct muxer *mux, int64_t us)
{
	struct draft *draft = mux->draft;
	struct media_segment segment = {.offset = mux->segment_at,
	                                .size = (uint32_t)(draft->ts.size - mux->segment_at),
	                                .start_ms = (uint32_t)(mux->segment_us / 1000),
	                                .duration_ms =
	                                        (uint32_t)(us / 1000 - mux->segment_us / 1000)};

	if (draft->ts.size - mux->segment_at > INT32_MAX)
		fail_convert(
		        "%lld s of it are longer than two gigabytes: it has too few key frames",
		        (long long)((us - mux->segment_us) / AV_TIME_BASE));
	if (segment.size == 0 || segment.duration_ms == 0)
		return;
	bytes_add(&draft->segments, &segment, sizeof segment);
	if ((segment.duration_ms + 999) / 1000 > draft->target_s)
		draft->target_s = (segment.duration_ms + 999) / 1000;
	mux->segment_us = us;
	mux->segment_at = draft->ts.size;
}

static bool begins_segment(const struct muxer *mux, const struct frame *frame)
{
	int leads = mux->source->streams[TRACK_VIDEO] != NULL ? TRACK_VIDEO : TRACK_AUDIO;

	return frame->track == leads && (frame->packet->flags & AV_PKT_FLAG_KEY) &&
	       frame->dts_us / 1000 - mux->segment_us / 1000 >= SEGMENT_US / 1000;
}

static void write_frame(struct muxer *mux, const struct frame *frame)
{
	AVPacket *packet = av_packet_clone(frame->packet);
	int number = mux->source->numbers[frame->track];
	AVRational base = mux->format->streams[number]->time_base;
	struct mark mark = {mux->draft->ts.size, frame->dts_us};

	if (packet == NULL)
		fail("there is not enough memory for it");
	if (begins_segment(mux, frame)) {
		check(av_write_frame(mux->format, NULL), "flush");
		avio_flush(mux->format->pb);
		end_segment(mux, frame->dts_us);
		check(av_opt_set(mux->format->priv_data, "mpegts_flags", "+resend_headers", 0),
		      "tables");
		mark.offset = mux->draft->ts.size;
	}
	packet->stream_index = number;
	packet->pos = -1;
	packet->dts = av_rescale_q(frame->dts_us, AV_TIME_BASE_Q, base);
	packet->pts = av_rescale_q(frame->pts_us, AV_TIME_BASE_Q, base);
	check(av_write_frame(mux->format, packet), "frames");
	avio_flush(mux->format->pb);
	av_packet_free(&packet);
	bytes_add(&mux->marks, &mark, sizeof mark);
}

/* ---- RTP packets ---- */

/* When the byte at `offset` is due. *at is the mark that was used last. */
static int64_t due_of(const struct muxer *mux, size_t offset, size_t *at)
{
	const struct mark *marks = (const void *)mux->marks.data;
	size_t n = mux->marks.size / sizeof *marks;
	struct mark end = {mux->draft->ts.size, mux->source->duration_us};
	const struct mark *next;

	while (*at + 1 < n && marks[*at + 1].offset <= offset)
		++*at;
	next = *at + 1 < n ? &marks[*at + 1] : &end;
	if (next->offset <= marks[*at].offset || offset < marks[*at].offset)
		return marks[*at].us;
	return marks[*at].us + (next->us - marks[*at].us) * (int64_t)(offset - marks[*at].offset) /
	                               (int64_t)(next->offset - marks[*at].offset);
}

static void add_packets(const struct muxer *mux, const struct media_segment *segment, size_t *mark)
{
	struct draft *draft = mux->draft;
	uint32_t step = PACKETS_EACH * MEDIA_TS_BYTES;

	for (uint32_t at = 0; at < segment->size; at += step) {
		uint32_t size = segment->size - at < step ? segment->size - at : step;
		size_t offset = segment->offset + at;
		int64_t us = due_of(mux, offset, mark);
		struct media_packet packet = {.offset = offset,
		                              .due_ms = packet_due(us),
		                              .timestamp = (uint32_t)av_rescale(us, 9, 100),
		                              .size = (uint16_t)size,
		                              .flags = at == 0 ? MEDIA_KEY : 0};

		packet_add(draft, MEDIA_TRANSPORT, packet, draft->ts.data + offset);
	}
}

static void make_playlist(struct draft *draft)
{
	const struct media_segment *segments = (const void *)draft->segments.data;
	size_t n = draft->segments.size / sizeof *segments;

	bytes_print(&draft->playlist,
	            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:%u\n"
	            "#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:VOD\n",
	            draft->target_s);
	for (size_t i = 0; i < n; i++)
		bytes_print(&draft->playlist, "#EXTINF:%u.%03u,\n%zu.ts\n",
		            segments[i].duration_ms / 1000, segments[i].duration_ms % 1000, i);
	bytes_print(&draft->playlist, "#EXT-X-ENDLIST\n");
}

void ts_make(struct draft *draft, const struct source *source)
{
	struct muxer mux = {.draft = draft, .source = source};
	const struct media_segment *segments;
	size_t mark = 0;

	open_muxer(&mux);
	for (size_t i = 0; i < source->n_frames; i++)
		write_frame(&mux, &source->frames[i]);
	close_muxer(&mux);
	end_segment(&mux, source->duration_us);
	segments = (const void *)draft->segments.data;
	for (size_t i = 0; i < draft->segments.size / sizeof *segments; i++)
		add_packets(&mux, &segments[i], &mark);
	make_playlist(draft);
	free(mux.marks.data);
}
