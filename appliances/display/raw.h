/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One RTP packet of uncompressed video (RFC 4175): pieces of lines. A datagram is checked whole
 * before the first piece is handed out; its bytes stay where they are.
 */
#ifndef DISPLAY_RAW_H
#define DISPLAY_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A piece of a line, whole pixel groups. */
struct raw_piece {
	uint32_t line;  /* of the picture, from 0 */
	uint32_t pixel; /* of the line: where the piece begins */
	const uint8_t *data;
	uint32_t size;
};

struct raw_packet {
	uint32_t sequence; /* extended to 32 bits (RFC 4175, 4.3) */
	uint32_t timestamp, ssrc;
	bool marker;           /* the picture's last packet */
	const uint8_t *header; /* of the next piece; NULL: there is none */
	const uint8_t *data;
};

/* false: it is no such packet, or is cut short, or of a field of interlaced video. */
bool raw_open(struct raw_packet *packet, const uint8_t *bytes, size_t size);
/* false: there are no more. */
bool raw_next(struct raw_packet *packet, struct raw_piece *piece);

#endif
