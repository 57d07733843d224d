/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile trace in pieces. The first byte says how large the pieces are; every byte of each frame
 * that is given is touched.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "../stream.h"

struct pieces {
	struct stream_feed feed; /* first */
	const uint8_t *bytes;
	size_t size, at, piece;
	unsigned calls;
};

static struct stream stream;
static volatile unsigned sink;

static ptrdiff_t read_piece(struct stream_feed *feed, void *to, size_t size)
{
	struct pieces *pieces = (struct pieces *)feed;
	size_t left = pieces->size - pieces->at;

	if (!left)
		return STREAM_END;
	if (++pieces->calls % 7 == 0)
		return 0;
	size_t n = pieces->piece < size ? pieces->piece : size;
	n = n < left ? n : left;
	memcpy(to, pieces->bytes + pieces->at, n);
	pieces->at += n;
	return (ptrdiff_t)n;
}

static void rewind_pieces(struct stream_feed *feed)
{
	((struct pieces *)feed)->at = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pieces pieces = {.feed = {.read = read_piece, .rewind = rewind_pieces}};
	struct source_frame frame;
	enum source_state state;

	if (!size)
		return 0;
	pieces.piece = 1 + data[0];
	pieces.bytes = data;
	pieces.size = size;
	stream_open(&stream, &pieces.feed, 2000);
	for (unsigned i = 0; i < 20000; i++) {
		state = stream.source.next(&stream.source, &frame);
		if (state == SOURCE_END && stream.pass == 0) {
			stream.source.rewind(&stream.source);
			continue;
		}
		if (state == SOURCE_END || state == SOURCE_BROKEN)
			break;
		for (uint32_t k = 0; state == SOURCE_FRAME && k < frame.length; k++)
			sink += frame.data[k];
	}
	return 0;
}
