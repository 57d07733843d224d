/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening a file, choosing its streams, refusing what can't be carried; see index.h. */
#include <string.h>

#include "index.h"

static const char *codec_name(const AVStream *stream)
{
	return avcodec_get_name(stream->codecpar->codec_id);
}

static AVStream *best(AVFormatContext *format, enum AVMediaType type)
{
	int i = av_find_best_stream(format, type, -1, -1, NULL, 0);

	return i >= 0 ? format->streams[i] : NULL;
}

static void check_video(const AVStream *stream)
{
	if (stream->codecpar->codec_id != AV_CODEC_ID_H264)
		fail_convert("its video is %s; this server carries H.264", codec_name(stream));
	if (stream->codecpar->width <= 0 || stream->codecpar->height <= 0)
		fail_convert("its video has no size: no picture could be found in it");
}

static void check_audio(const AVStream *stream)
{
	const AVCodecParameters *p = stream->codecpar;

	if (p->codec_id != AV_CODEC_ID_AAC)
		fail_convert("its sound is %s; this server carries AAC", codec_name(stream));
	if (p->sample_rate < 7350 || p->sample_rate > 96000 || p->ch_layout.nb_channels < 1 ||
	    p->ch_layout.nb_channels > 8)
		fail_convert("its sound has %d Hz and %d channels", p->sample_rate,
		             p->ch_layout.nb_channels);
}

bool source_is_mp4(const struct source *source)
{
	return strstr(source->format->iformat->name, "mp4") != NULL;
}

static void check_container(const struct source *source)
{
	const char *name = source->format->iformat->name;

	if (!source_is_mp4(source) && strcmp(name, "mpegts") != 0 &&
	    strstr(name, "matroska") == NULL && strcmp(name, "flv") != 0)
		fail_convert("it is %s, which this server does not carry", name);
}

void source_open(struct source *source, const char *path)
{
	int result = avformat_open_input(&source->format, path, NULL, NULL);

	if (result < 0)
		fail("it can't be opened as a video: %s", fail_av(result));
	check_container(source);
	result = avformat_find_stream_info(source->format, NULL);
	if (result < 0)
		fail_convert("its streams can't be read: %s", fail_av(result));
	source->streams[TRACK_VIDEO] = best(source->format, AVMEDIA_TYPE_VIDEO);
	source->streams[TRACK_AUDIO] = best(source->format, AVMEDIA_TYPE_AUDIO);
	if (source->streams[TRACK_VIDEO] == NULL && source->streams[TRACK_AUDIO] == NULL)
		fail("there is neither video nor sound in it");
	if (source->streams[TRACK_VIDEO] != NULL)
		check_video(source->streams[TRACK_VIDEO]);
	if (source->streams[TRACK_AUDIO] != NULL)
		check_audio(source->streams[TRACK_AUDIO]);
	source->numbers[TRACK_VIDEO] = source->streams[TRACK_VIDEO] != NULL ? 0 : -1;
	source->numbers[TRACK_AUDIO] =
	        source->streams[TRACK_AUDIO] == NULL ? -1 : source->numbers[TRACK_VIDEO] + 1;
}

void source_close(struct source *source)
{
	for (size_t i = 0; i < source->n_frames; i++)
		av_packet_free(&source->frames[i].packet);
	av_free(source->frames);
	avformat_close_input(&source->format);
	*source = (struct source){.format = NULL};
}
