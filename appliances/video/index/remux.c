/* SPDX-License-Identifier: BSD-2-Clause */
/* Another container becomes an MP4, its streams unchanged; see index.h. */
#include "index.h"

static void check(int result, const char *what)
{
	if (result < 0)
		fail_convert("it can't be put into an MP4 (%s): %s", what, fail_av(result));
}

static AVFormatContext *open_output(const struct source *source, const char *path)
{
	AVFormatContext *out = NULL;
	AVDictionary *options = NULL;

	check(avformat_alloc_output_context2(&out, NULL, "mp4", path), "muxer");
	for (int i = 0; i < 2; i++) {
		AVStream *from = source->streams[i], *to;

		if (from == NULL)
			continue;
		to = avformat_new_stream(out, NULL);
		check(to == NULL ? AVERROR(ENOMEM)
		                 : avcodec_parameters_copy(to->codecpar, from->codecpar),
		      "stream");
		to->codecpar->codec_tag = 0;
		to->time_base = from->time_base;
	}
	check(avio_open(&out->pb, path, AVIO_FLAG_WRITE), path);
	av_dict_set(&options, "movflags", "+faststart", 0);
	check(avformat_write_header(out, &options), "header");
	av_dict_free(&options);
	return out;
}

static void copy_packet(const struct source *source, AVFormatContext *out, AVPacket *packet)
{
	for (int i = 0; i < 2; i++) {
		if (source->streams[i] == NULL || packet->stream_index != source->streams[i]->index)
			continue;
		packet->stream_index = source->numbers[i];
		av_packet_rescale_ts(packet, source->streams[i]->time_base,
		                     out->streams[source->numbers[i]]->time_base);
		packet->pos = -1;
		check(av_interleaved_write_frame(out, packet), "frames");
		return;
	}
	av_packet_unref(packet);
}

void source_remux(const struct source *source, const char *path)
{
	AVFormatContext *out = open_output(source, path);
	AVPacket *packet = av_packet_alloc();

	while (packet != NULL && av_read_frame(source->format, packet) >= 0)
		copy_packet(source, out, packet);
	av_packet_free(&packet);
	check(av_write_trailer(out), "end");
	avio_closep(&out->pb);
	avformat_free_context(out);
}
