/* SPDX-License-Identifier: BSD-2-Clause */
/* The payload header of RFC 4175, 4.3; see raw.h. */
#include "raw.h"

#include <udp/wire.h>

#include "../video/server/rtp_header.h"

enum {
	SEQUENCE_BYTES = 2, /* the extended sequence number's high half */
	PIECE_HEADER = 6,
	SECOND_FIELD = 0x8000,
	CONTINUES = 0x8000,
	FIFTEEN_BITS = 0x7fff,
};

/* The pieces' headers, all of them, and that there are as many bytes as they say. */
static bool check_pieces(struct raw_packet *packet, const uint8_t *at, size_t size)
{
	uint64_t wanted = 0;
	bool more = true;

	packet->header = at;
	while (more) {
		if (size < PIECE_HEADER)
			return false;
		wanted += wire_get16(at);
		if ((wire_get16(at + 2) & SECOND_FIELD) != 0)
			return false;
		more = (wire_get16(at + 4) & CONTINUES) != 0;
		at += PIECE_HEADER;
		size -= PIECE_HEADER;
	}
	packet->data = at;
	return wanted <= size;
}

bool raw_open(struct raw_packet *packet, const uint8_t *bytes, size_t size)
{
	struct rtp_header rtp;

	*packet = (struct raw_packet){.header = NULL};
	if (!rtp_header_read(&rtp, bytes, size) || rtp.size < SEQUENCE_BYTES + PIECE_HEADER)
		return false;
	packet->sequence = (uint32_t)wire_get16(rtp.payload) << 16 | rtp.sequence;
	packet->timestamp = rtp.timestamp;
	packet->ssrc = rtp.ssrc;
	packet->marker = rtp.marker;
	return check_pieces(packet, rtp.payload + SEQUENCE_BYTES, rtp.size - SEQUENCE_BYTES);
}

bool raw_next(struct raw_packet *packet, struct raw_piece *piece)
{
	const uint8_t *header = packet->header;

	if (header == NULL)
		return false;
	*piece = (struct raw_piece){.line = wire_get16(header + 2) & FIFTEEN_BITS,
	                            .pixel = wire_get16(header + 4) & FIFTEEN_BITS,
	                            .data = packet->data,
	                            .size = wire_get16(header)};
	packet->data += piece->size;
	packet->header = (wire_get16(header + 4) & CONTINUES) != 0 ? header + PIECE_HEADER : NULL;
	return true;
}
