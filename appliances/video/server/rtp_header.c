/* SPDX-License-Identifier: BSD-2-Clause */
/* RTP's header, taken apart; see rtp_header.h. */
#include "rtp_header.h"

#include <udp/wire.h>

enum {
	HEADER = 12,
	VERSION = 2,
	PADDING = 0x20,
	EXTENSION = 0x10,
	MARKER = 0x80,
};

/* Bytes before the payload; more than `size` where they are not there. */
static size_t before_payload(const uint8_t *bytes, size_t size)
{
	size_t at = HEADER + (size_t)4 * (bytes[0] & 15);

	if ((bytes[0] & EXTENSION) == 0)
		return at;
	if (at > size || size - at < 4)
		return size + 1;
	return at + 4 + (size_t)4 * wire_get16(bytes + at + 2);
}

bool rtp_header_read(struct rtp_header *header, const uint8_t *bytes, size_t size)
{
	size_t at, end = size;

	*header = (struct rtp_header){.size = 0};
	if (size < HEADER || bytes[0] >> 6 != VERSION)
		return false;
	at = before_payload(bytes, size);
	if ((bytes[0] & PADDING) != 0) {
		if (bytes[size - 1] == 0 || bytes[size - 1] > size - HEADER)
			return false;
		end -= bytes[size - 1];
	}
	if (at >= end)
		return false;
	*header = (struct rtp_header){.marker = (bytes[1] & MARKER) != 0,
	                              .type = bytes[1] & 127,
	                              .sequence = wire_get16(bytes + 2),
	                              .timestamp = wire_get32(bytes + 4),
	                              .ssrc = wire_get32(bytes + 8),
	                              .payload = bytes + at,
	                              .size = end - at};
	return true;
}
