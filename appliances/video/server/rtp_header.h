/* SPDX-License-Identifier: BSD-2-Clause */
/* The header of RTP packets that arrive (RFC 3550, 5.1). */
#ifndef VIDEO_RTP_HEADER_H
#define VIDEO_RTP_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rtp_header {
	bool marker;
	uint8_t type;
	uint16_t sequence;
	uint32_t timestamp, ssrc;
	const uint8_t *payload; /* without padding */
	size_t size;            /* at least 1 */
};

/* false: the bytes are no RTP packet with a payload. */
bool rtp_header_read(struct rtp_header *header, const uint8_t *bytes, size_t size);

#endif
