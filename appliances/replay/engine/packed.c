/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The packed trace.
 */
#include <string.h>

#include "packed.h"
#include "port.h"

static struct packed_record record_at(const struct packed *packed, size_t at)
{
	struct packed_record record;

	memcpy(&record, packed->bytes + at, sizeof(record));
	return record;
}

static enum source_state next(struct source *source, struct source_frame *frame)
{
	struct packed *packed = (struct packed *)source;

	if (packed->given == packed->frames)
		return SOURCE_END;
	struct packed_record record = record_at(packed, packed->at);
	*frame = (struct source_frame){.number = record.number,
	                               .time_ns = record.time_ns,
	                               .data = packed->bytes + packed->at + sizeof(record),
	                               .length = record.length};
	packed->at += record.step;
	packed->given++;
	return SOURCE_FRAME;
}

static void rewind_packed(struct source *source)
{
	struct packed *packed = (struct packed *)source;

	packed->at = sizeof(struct packed_header);
	packed->given = 0;
}

/* Every record in turn; NULL where all are whole and fill the file. */
static const char *check_records(struct packed *packed)
{
	size_t at = sizeof(struct packed_header);

	for (uint64_t i = 0; i < packed->frames; i++) {
		if (packed->size - at < sizeof(struct packed_record))
			return "a record is cut";
		struct packed_record record = record_at(packed, at);
		if (record.length < PORT_ETHERNET || record.length > PACKED_FRAME_MAX)
			return "a frame's length is impossible";
		if (record.step != packed_step(record.length) || packed->size - at < record.step)
			return "a frame is cut";
		if (record.length > packed->longest)
			packed->longest = record.length;
		at += record.step;
	}
	return at == packed->size ? NULL : "something follows the last frame";
}

const char *packed_open(struct packed *packed, const void *bytes, size_t size)
{
	struct packed_header header;

	*packed = (struct packed){
	        .source = {.next = next, .rewind = rewind_packed}, .bytes = bytes, .size = size};
	if (size < sizeof(header))
		return "it is shorter than its header";
	memcpy(&header, bytes, sizeof(header));
	if (header.magic != PACKED_MAGIC || header.version != PACKED_VERSION)
		return "it is no packed trace of this version";
	if (!header.frames)
		return "it holds no frame";
	packed->frames = header.frames;
	rewind_packed(&packed->source);
	return check_records(packed);
}
