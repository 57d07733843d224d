/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * H.264 as RTP packets (RFC 6184, packetization mode 1): a NAL unit that fits is a packet; a longer
 * one goes in fragments (FU-A), each a few bytes and a slice of the MP4; neighbours that fit
 * together are aggregated (STAP-A). Key frames bring their parameter sets along.
 */
#include <string.h>

#include "index.h"

enum {
	NAL_HEADER = 1,
	NAL_TYPE = 0x1f,
	NAL_REF = 0x60,
	NAL_STAP_A = 24,
	NAL_FU_A = 28,
	FU_START = 0x80,
	FU_END = 0x40,
	AGGREGATE_MAX = 16,
};

struct nal {
	const uint8_t *data;
	uint32_t size;
	int64_t position; /* in the MP4; -1: nowhere */
};

/* The frame that is being cut. */
struct cutter {
	struct draft *draft;
	uint32_t timestamp;
	size_t first; /* of the frame's packets */
	struct nal waiting[AGGREGATE_MAX];
	uint32_t n_waiting, waiting_bytes;
};

static void emit(struct cutter *c, const uint8_t *prefix, uint8_t prefix_size, const uint8_t *data,
                 uint32_t size, uint64_t offset)
{
	struct media_packet packet = {.offset = offset,
	                              .timestamp = c->timestamp,
	                              .size = (uint16_t)size,
	                              .track = 0,
	                              .prefix_size = prefix_size};

	if (prefix_size > 0)
		memcpy(packet.prefix, prefix, prefix_size);
	packet_add(c->draft, MEDIA_ELEMENTARY, packet, data);
}

static void emit_single(struct cutter *c, const struct nal *nal)
{
	emit(c, NULL, 0, nal->data, nal->size,
	     packet_place(c->draft, nal->data, nal->size, nal->position));
}

/* RFC 6184, 5.7.1. */
static void emit_aggregate(struct cutter *c)
{
	uint8_t packet[MEDIA_PAYLOAD_MAX] = {NAL_STAP_A};
	uint32_t size = NAL_HEADER;

	for (uint32_t i = 0; i < c->n_waiting; i++) {
		const struct nal *nal = &c->waiting[i];

		if ((nal->data[0] & NAL_REF) > (packet[0] & NAL_REF))
			packet[0] = (uint8_t)(NAL_STAP_A | (nal->data[0] & NAL_REF));
		packet[size] = (uint8_t)(nal->size >> 8);
		packet[size + 1] = (uint8_t)nal->size;
		memcpy(packet + size + 2, nal->data, nal->size);
		size += 2 + nal->size;
	}
	emit(c, NULL, 0, packet, size, packet_place(c->draft, packet, size, -1));
}

static void flush(struct cutter *c)
{
	if (c->n_waiting == 1)
		emit_single(c, &c->waiting[0]);
	else if (c->n_waiting > 1)
		emit_aggregate(c);
	c->n_waiting = 0;
	c->waiting_bytes = NAL_HEADER;
}

/* RFC 6184, 5.8. */
static void emit_fragments(struct cutter *c, const struct nal *nal)
{
	uint32_t at = NAL_HEADER, room = MEDIA_PAYLOAD_MAX - 2;
	uint64_t place = packet_place(c->draft, nal->data, nal->size, nal->position);

	while (at < nal->size) {
		uint32_t size = nal->size - at < room ? nal->size - at : room;
		uint8_t prefix[2] = {(uint8_t)((nal->data[0] & 0xe0) | NAL_FU_A),
		                     nal->data[0] & NAL_TYPE};

		if (at == NAL_HEADER)
			prefix[1] |= FU_START;
		if (at + size == nal->size)
			prefix[1] |= FU_END;
		emit(c, prefix, sizeof prefix, nal->data + at, size, place + at);
		at += size;
	}
}

static void add_nal(struct cutter *c, struct nal nal)
{
	if (nal.size == 0)
		return;
	if (nal.size > MEDIA_PAYLOAD_MAX) {
		flush(c);
		emit_fragments(c, &nal);
		return;
	}
	if (c->n_waiting == AGGREGATE_MAX || c->waiting_bytes + 2 + nal.size > MEDIA_PAYLOAD_MAX)
		flush(c);
	c->waiting[c->n_waiting++] = nal;
	c->waiting_bytes += 2 + nal.size;
}

/* ---- avcC (ISO/IEC 14496-15, 5.3.3.1) ---- */

static uint32_t length_size(const AVCodecParameters *p)
{
	if (p->extradata_size < 7 || p->extradata[0] != 1)
		fail_convert("its H.264 lacks the configuration that an MP4 has (avcC)");
	return (p->extradata[4] & 3) + 1u;
}

/* Calls add_nal for the parameter sets of the configuration. */
static void add_parameter_sets(struct cutter *c, const AVCodecParameters *p)
{
	const uint8_t *at = p->extradata + 5, *end = p->extradata + p->extradata_size;

	for (int kind = 0; kind < 2 && at < end; kind++) {
		unsigned n = *at++ & (kind == 0 ? 0x1f : 0xff);

		for (; n > 0 && end - at >= 2; n--) {
			uint32_t size = (uint32_t)at[0] << 8 | at[1];

			if ((size_t)(end - at - 2) < size)
				fail_convert("a parameter set of its video is cut short");
			add_nal(c, (struct nal){at + 2, size, -1});
			at += 2 + size;
		}
	}
}

static void add_nals(struct cutter *c, const AVPacket *packet, uint32_t bytes)
{
	const uint8_t *at = packet->data, *end = packet->data + packet->size;

	while ((size_t)(end - at) > bytes) {
		uint32_t size = 0;

		for (uint32_t i = 0; i < bytes; i++)
			size = size << 8 | at[i];
		at += bytes;
		if ((size_t)(end - at) < size)
			fail_convert("a NAL unit is longer than its frame");
		add_nal(c, (struct nal){at, size,
		                        packet->pos >= 0 ? packet->pos + (at - packet->data) : -1});
		at += size;
	}
}

/* The frame's packets are sent evenly until the next frame's turn. */
static void schedule(struct cutter *c, const struct frame *frame, int64_t until_us)
{
	struct media_packet *packets = (void *)c->draft->packets[MEDIA_ELEMENTARY].data;
	size_t end = c->draft->packets[MEDIA_ELEMENTARY].size / sizeof *packets;
	int64_t gap = until_us - frame->dts_us;

	if (end == c->first)
		return;
	if (frame->packet->flags & AV_PKT_FLAG_KEY)
		packets[c->first].flags |= MEDIA_KEY;
	packets[end - 1].flags |= MEDIA_MARKER;
	for (size_t i = c->first; i < end; i++)
		packets[i].due_ms = packet_due(frame->dts_us + gap * (int64_t)(i - c->first) /
		                                                       (int64_t)(end - c->first));
}

static int64_t next_video(const struct source *source, size_t i)
{
	for (size_t k = i + 1; k < source->n_frames; k++)
		if (source->frames[k].track == TRACK_VIDEO)
			return source->frames[k].dts_us;
	return source->duration_us;
}

void h264_packets(struct draft *draft, const struct source *source)
{
	const AVCodecParameters *p = source->streams[TRACK_VIDEO]->codecpar;
	uint32_t bytes = length_size(p);
	struct cutter c = {.draft = draft};

	for (size_t i = 0; i < source->n_frames; i++) {
		const struct frame *frame = &source->frames[i];

		if (frame->track != TRACK_VIDEO)
			continue;
		c.first = draft->packets[MEDIA_ELEMENTARY].size / sizeof(struct media_packet);
		c.timestamp = (uint32_t)av_rescale(frame->pts_us, 90000, AV_TIME_BASE);
		c.waiting_bytes = NAL_HEADER;
		if (frame->packet->flags & AV_PKT_FLAG_KEY)
			add_parameter_sets(&c, p);
		add_nals(&c, frame->packet, bytes);
		flush(&c);
		schedule(&c, frame, next_video(source, i));
	}
}
