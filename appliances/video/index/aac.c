/* SPDX-License-Identifier: BSD-2-Clause */
/* AAC as RTP packets (RFC 3640, mode AAC-hbr): one access unit each, behind its header of 13 bits
 * of size and 3 of index; one that is too long goes in fragments (RFC 3640, 3.1). */
#include "index.h"

enum { AU_HEADER = 4, AU_BYTES_MAX = (1 << 13) - 1 };

static void add_unit(struct draft *draft, const struct source *source, const struct frame *frame)
{
	const AVPacket *unit = frame->packet;
	int rate = source->streams[TRACK_AUDIO]->codecpar->sample_rate;
	uint64_t place = packet_place(draft, unit->data, (size_t)unit->size, unit->pos);
	int room = MEDIA_PAYLOAD_MAX - AU_HEADER;

	if (unit->size > AU_BYTES_MAX)
		fail_convert("a frame of its sound has %d bytes", unit->size);
	for (int at = 0; at < unit->size; at += room) {
		int size = unit->size - at < room ? unit->size - at : room;
		struct media_packet packet = {
		        .offset = place + (uint64_t)at,
		        .due_ms = packet_due(frame->dts_us),
		        .timestamp = (uint32_t)av_rescale(frame->pts_us, rate, AV_TIME_BASE),
		        .size = (uint16_t)size,
		        .track = (uint8_t)source->numbers[TRACK_AUDIO],
		        .flags = at + size == unit->size ? MEDIA_MARKER : 0,
		        .prefix_size = AU_HEADER,
		        .prefix = {0, 16, (uint8_t)(unit->size >> 5), (uint8_t)(unit->size << 3)}};

		/* Without pictures, playing can begin at every second. */
		if (source->streams[TRACK_VIDEO] == NULL && at == 0 &&
		    frame->dts_us / 1000000 !=
		            (frame->dts_us - av_rescale(1024, 1000000, rate)) / 1000000)
			packet.flags |= MEDIA_KEY;
		packet_add(draft, MEDIA_ELEMENTARY, packet, unit->data + at);
	}
}

void aac_packets(struct draft *draft, const struct source *source)
{
	for (size_t i = 0; i < source->n_frames; i++)
		if (source->frames[i].track == TRACK_AUDIO)
			add_unit(draft, source, &source->frames[i]);
}
