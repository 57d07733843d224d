/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sluice-media: makes a media object (media/media.h) of a file, with libavformat. A file goes
 *
 *     source.c   opened, its streams chosen or refused; what is no MP4 becomes one (remux.c)
 *     frames.c   every frame read, in the order of decoding times
 *     h264.c, aac.c   frames become RTP packets;  sdp.c describes them
 *     ts.c       frames become the transport stream, its segments and its RTP packets
 *     packets.c  the records of all these packets
 *     object.c   all of it becomes one file
 *
 * Whatever is wrong with a file ends the program with a message that names the file, says what is
 * wrong and, where it can be converted, the command that does (fail.c). Nothing is left behind.
 */
#ifndef INDEX_H
#define INDEX_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include "../media/media.h"

/* ---- bytes.c: memory that grows ---- */

struct bytes {
	uint8_t *data;
	size_t size, room;
};

/* Appends. → the offset of the first byte. Ends the program where memory does. */
size_t bytes_add(struct bytes *bytes, const void *data, size_t size);
void bytes_print(struct bytes *bytes, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* ---- fail.c ---- */

/* The file that messages name. */
extern const char *fail_path;
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Likewise, and tells the ffmpeg command that makes of the file one that can be carried. */
_Noreturn void fail_convert(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The text of a libav error. */
const char *fail_av(int error);

/* ---- The object in the making ---- */

enum { TRACK_VIDEO = 0, TRACK_AUDIO = 1 };

struct frame {
	AVPacket *packet;
	int track;              /* TRACK_VIDEO, TRACK_AUDIO */
	int64_t dts_us, pts_us; /* from the title's beginning */
};

/* Packet records name offsets in the MP4; with this bit, in the extra bytes. */
#define DRAFT_EXTRA (1ull << 63)

struct draft {
	char title[MEDIA_TITLE_MAX + 1];
	struct bytes mp4, extra, ts, segments, playlist;
	struct bytes packets[MEDIA_STREAMS], seeks[MEDIA_STREAMS], sdp[MEDIA_STREAMS];
	struct media_track tracks[MEDIA_STREAMS][MEDIA_TRACKS_MAX];
	uint32_t n_tracks[MEDIA_STREAMS];
	uint32_t duration_ms, target_s;
};

struct source {
	AVFormatContext *format;
	AVStream *streams[2]; /* TRACK_VIDEO, TRACK_AUDIO; NULL: none */
	int numbers[2];       /* the track's number in the elementary stream; -1 */
	struct frame *frames;
	size_t n_frames;
	int64_t duration_us;
};

/* source.c: opens `path`; for a person who gave it. */
void source_open(struct source *source, const char *path);
void source_close(struct source *source);
/* The file is an MP4 as it stands (or QuickTime, 3GP …). */
bool source_is_mp4(const struct source *source);
/* remux.c: writes the chosen streams to an MP4 file at `path`. */
void source_remux(const struct source *source, const char *path);
/* frames.c: reads all frames. */
void source_read(struct source *source);

/* h264.c, aac.c: the source's frames as packets of `draft`. */
void h264_packets(struct draft *draft, const struct source *source);
void aac_packets(struct draft *draft, const struct source *source);
/* packets.c: one packet whose content is in the MP4 or in the extra bytes, at `offset`. */
void packet_add(struct draft *draft, enum media_stream_kind kind, struct media_packet packet,
                const uint8_t *content);
/* Where `size` bytes at `data`, which the demultiplexer says come from `position` of the MP4, lie
 * in the object: there, or, where that is not so, in a copy among the extra bytes. */
uint64_t packet_place(struct draft *draft, const uint8_t *data, size_t size, int64_t position);
/* Milliseconds, to the slot before. */
uint32_t packet_due(int64_t us);
/* Puts the packets of all tracks in the order of sending and finds the seek points. */
void packets_order(struct draft *draft, enum media_stream_kind kind);

/* sdp.c */
void sdp_describe(struct draft *draft, const struct source *source);
/* ts.c: transport stream, segments, playlist, and the packets that carry it. */
void ts_make(struct draft *draft, const struct source *source);
/* object.c: writes the object, checked by the machine's own reader. */
void object_write(struct draft *draft, const char *path);

#endif
