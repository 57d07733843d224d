/* SPDX-License-Identifier: BSD-2-Clause */
/* The descriptions (SDP, RFC 8866) of both streams, from their first "m=" on; see index.h. */
#include <libavutil/base64.h>

#include "index.h"

enum { TYPE_VIDEO = 96, TYPE_AUDIO = 97, TYPE_TS = 33, BASE64_MAX = 1024 };

static uint32_t bit_rate(const struct draft *draft, enum media_stream_kind kind, uint8_t track)
{
	const struct media_packet *packets = (const void *)draft->packets[kind].data;
	size_t n = draft->packets[kind].size / sizeof *packets;
	uint64_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		if (packets[i].track == track)
			bytes += packets[i].size;
	return (uint32_t)(bytes * 8000 / draft->duration_ms);
}

static void set_track(struct draft *draft, enum media_stream_kind kind, uint8_t number,
                      uint8_t type, uint32_t clock)
{
	draft->tracks[kind][number] = (struct media_track){
	        .clock = clock, .payload_type = type, .bit_rate = bit_rate(draft, kind, number)};
	draft->n_tracks[kind] = number + 1u;
}

/* RFC 6184, 8.2.1: the parameter sets, in the order of the configuration. */
static void print_parameter_sets(struct bytes *to, const AVCodecParameters *p)
{
	const uint8_t *at = p->extradata + 5, *end = p->extradata + p->extradata_size;
	const char *comma = "";
	char text[BASE64_MAX];

	for (int kind = 0; kind < 2 && at < end; kind++) {
		unsigned n = *at++ & (kind == 0 ? 0x1f : 0xff);

		for (; n > 0 && end - at >= 2; n--) {
			int size = at[0] << 8 | at[1];

			if (av_base64_encode(text, sizeof text, at + 2, size) == NULL)
				fail_convert("a parameter set of its video has %d bytes", size);
			bytes_print(to, "%s%s", comma, text);
			comma = ",";
			at += 2 + size;
		}
	}
}

static void describe_video(struct draft *draft, const struct source *source)
{
	struct bytes *to = &draft->sdp[MEDIA_ELEMENTARY];
	const AVCodecParameters *p = source->streams[TRACK_VIDEO]->codecpar;
	uint8_t number = (uint8_t)source->numbers[TRACK_VIDEO];

	set_track(draft, MEDIA_ELEMENTARY, number, TYPE_VIDEO, 90000);
	bytes_print(to,
	            "m=video 0 RTP/AVP %d\r\nb=AS:%u\r\na=rtpmap:%d H264/90000\r\n"
	            "a=fmtp:%d packetization-mode=1;profile-level-id=%02X%02X%02X;"
	            "sprop-parameter-sets=",
	            TYPE_VIDEO, draft->tracks[MEDIA_ELEMENTARY][number].bit_rate / 1000 + 1,
	            TYPE_VIDEO, TYPE_VIDEO, p->extradata[1], p->extradata[2], p->extradata[3]);
	print_parameter_sets(to, p);
	bytes_print(to, "\r\na=framesize:%d %d-%d\r\na=control:track%u\r\n", TYPE_VIDEO, p->width,
	            p->height, number);
}

static void describe_audio(struct draft *draft, const struct source *source)
{
	struct bytes *to = &draft->sdp[MEDIA_ELEMENTARY];
	const AVCodecParameters *p = source->streams[TRACK_AUDIO]->codecpar;
	uint8_t number = (uint8_t)source->numbers[TRACK_AUDIO];

	if (p->extradata_size < 2 || p->extradata_size > 64)
		fail_convert("its AAC lacks the configuration that an MP4 has");
	set_track(draft, MEDIA_ELEMENTARY, number, TYPE_AUDIO, (uint32_t)p->sample_rate);
	bytes_print(to,
	            "m=audio 0 RTP/AVP %d\r\nb=AS:%u\r\na=rtpmap:%d MPEG4-GENERIC/%d/%d\r\n"
	            "a=fmtp:%d profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;"
	            "indexdeltalength=3;config=",
	            TYPE_AUDIO, draft->tracks[MEDIA_ELEMENTARY][number].bit_rate / 1000 + 1,
	            TYPE_AUDIO, p->sample_rate, p->ch_layout.nb_channels, TYPE_AUDIO);
	for (int i = 0; i < p->extradata_size; i++)
		bytes_print(to, "%02X", p->extradata[i]);
	bytes_print(to, "\r\na=control:track%u\r\n", number);
}

void sdp_describe(struct draft *draft, const struct source *source)
{
	struct bytes *ts = &draft->sdp[MEDIA_TRANSPORT];

	if (source->streams[TRACK_VIDEO] != NULL)
		describe_video(draft, source);
	if (source->streams[TRACK_AUDIO] != NULL)
		describe_audio(draft, source);
	set_track(draft, MEDIA_TRANSPORT, 0, TYPE_TS, 90000);
	bytes_print(ts,
	            "m=video 0 RTP/AVP %d\r\nb=AS:%u\r\na=rtpmap:%d MP2T/90000\r\n"
	            "a=control:track0\r\n",
	            TYPE_TS, draft->tracks[MEDIA_TRANSPORT][0].bit_rate / 1000 + 1, TYPE_TS);
}
