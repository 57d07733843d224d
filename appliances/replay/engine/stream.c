/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each step asks for so many bytes of what follows to be there; where they are not, the same step
 * is tried again at the next call.
 */
#include <stdio.h>
#include <string.h>

#include "port.h"
#include "stream.h"

enum {
	PCAP_MICROSECONDS = 0xa1b2c3d4,
	PCAP_NANOSECONDS = 0xa1b23c4d,
	PCAP_HEADER = 24,
	PCAP_RECORD = 16,
	PCAP_CAPTURED_MAX = 262144, /* libpcap's own limit */
	PCAP_LINK = 20,             /* offset of the link type, whose upper bits are flags */
	ETHERNET = 1,
	PCAPNG = 0x0a0d0d0a,
	SKIP_PIECE = 4096,
};

/* What a step comes to. */
enum step { STEP_DONE, STEP_STARVED, STEP_END, STEP_BROKEN };

static enum step fail(struct stream *stream, const char *what)
{
	if (stream->number)
		snprintf(stream->reason, sizeof(stream->reason), "%s (record %llu)", what,
		         (unsigned long long)stream->number);
	else
		snprintf(stream->reason, sizeof(stream->reason), "%s", what);
	stream->source.reason = stream->reason;
	return STEP_BROKEN;
}

/* Likewise, in the record that has only begun. */
static enum step fail_next(struct stream *stream, const char *what)
{
	stream->number++;
	return fail(stream, what);
}

static enum step judge_read(struct stream *stream, ptrdiff_t got)
{
	if (got == 0)
		return STEP_STARVED;
	if (got == STREAM_END)
		return STEP_END;
	return fail(stream, stream->feed->reason ? stream->feed->reason : "it can't be read");
}

/* Until `size` bytes of the record are there. STEP_END: the bytes ended, and some may be there. */
static enum step fill(struct stream *stream, size_t size)
{
	while (stream->have < size) {
		ptrdiff_t got = stream->feed->read(stream->feed, stream->bytes + stream->have,
		                                   size - stream->have);
		if (got <= 0)
			return judge_read(stream, got);
		stream->have += (size_t)got;
	}
	return STEP_DONE;
}

/* Passes over bytes that nobody wants. */
static enum step pass_over(struct stream *stream)
{
	uint8_t piece[SKIP_PIECE];

	while (stream->skip) {
		size_t want = stream->skip < SKIP_PIECE ? (size_t)stream->skip : SKIP_PIECE;
		ptrdiff_t got = stream->feed->read(stream->feed, piece, want);
		if (got == STREAM_END)
			return fail(stream, "the trace is cut");
		if (got <= 0)
			return judge_read(stream, got);
		stream->skip -= (uint64_t)got;
	}
	return STEP_DONE;
}

static uint32_t word(const struct stream *stream, size_t at)
{
	uint32_t value;

	memcpy(&value, stream->bytes + at, sizeof(value));
	return stream->swapped ? __builtin_bswap32(value) : value;
}

static enum step begin_packed(struct stream *stream)
{
	struct packed_header header;
	enum step step = fill(stream, sizeof(header));

	if (step != STEP_DONE)
		return step == STEP_END ? fail(stream, "it is shorter than its header") : step;
	memcpy(&header, stream->bytes, sizeof(header));
	if (header.version != PACKED_VERSION)
		return fail(stream, "it is packed in another version");
	if (!header.frames)
		return fail(stream, "it holds no frame");
	stream->left = header.frames;
	stream->format = STREAM_PACKED;
	stream->have = 0;
	return STEP_DONE;
}

static enum step begin_pcap(struct stream *stream)
{
	enum step step = fill(stream, PCAP_HEADER);
	char what[64];

	if (step != STEP_DONE)
		return step == STEP_END ? fail(stream, "it is shorter than its header") : step;
	uint32_t link = word(stream, PCAP_LINK) & 0xffff;
	if (link != ETHERNET) {
		snprintf(what, sizeof(what), "its link type %u is not Ethernet: pack it first",
		         link);
		return fail(stream, what);
	}
	stream->format = STREAM_PCAP;
	stream->have = 0;
	return STEP_DONE;
}

/* The first bytes say what follows. */
static enum step begin(struct stream *stream)
{
	enum step step = fill(stream, sizeof(uint32_t));

	if (step != STEP_DONE)
		return step == STEP_END ? fail(stream, "it is empty") : step;
	stream->swapped = false;
	if (word(stream, 0) == PACKED_MAGIC)
		return begin_packed(stream);
	if (word(stream, 0) == PCAPNG)
		return fail(stream, "it is pcapng: pack it first");
	stream->swapped =
	        word(stream, 0) != PCAP_MICROSECONDS && word(stream, 0) != PCAP_NANOSECONDS;
	stream->nanoseconds = word(stream, 0) == PCAP_NANOSECONDS;
	if (word(stream, 0) == PCAP_MICROSECONDS || stream->nanoseconds)
		return begin_pcap(stream);
	return fail(stream, "it is neither a packed trace nor pcap");
}

static void note(const struct stream *stream, struct stream_odd *odd)
{
	if (stream->pass == 0 && odd->n++ == 0)
		odd->first = stream->number;
}

/* Whether a frame of that length is given; others are counted and passed over. */
static bool wanted(struct stream *stream, uint32_t length)
{
	stream->account.records += stream->pass == 0;
	if (length >= PORT_ETHERNET && length <= stream->longest)
		return true;
	note(stream,
	     length < PORT_ETHERNET ? &stream->account.too_short : &stream->account.too_long);
	return false;
}

static void give(struct stream *stream, struct source_frame *frame, uint64_t time_ns, size_t head,
                 uint32_t length)
{
	if (time_ns < stream->newest_ns)
		note(stream, &stream->account.disordered);
	else
		stream->newest_ns = time_ns;
	stream->account.frames += stream->pass == 0;
	*frame = (struct source_frame){.number = stream->number,
	                               .time_ns = time_ns,
	                               .data = stream->bytes + head,
	                               .length = length};
	stream->have = 0;
}

/* The next frame of a packed trace. *given: whether one was given, or the record left out. */
static enum step next_packed(struct stream *stream, struct source_frame *frame, bool *given)
{
	struct packed_record record;

	if (!stream->left)
		return STEP_END;
	enum step step = fill(stream, sizeof(record));
	if (step != STEP_DONE)
		return step == STEP_END ? fail_next(stream, "the trace is cut") : step;
	memcpy(&record, stream->bytes, sizeof(record));
	stream->number = record.number;
	if (record.length < PORT_ETHERNET || record.length > PACKED_FRAME_MAX ||
	    record.step != packed_step(record.length))
		return fail(stream, "the packed trace is damaged");
	if (record.length <= stream->longest) {
		step = fill(stream, record.step);
		if (step != STEP_DONE)
			return step == STEP_END ? fail(stream, "the trace is cut") : step;
	}
	stream->left--;
	*given = wanted(stream, record.length);
	if (*given) {
		give(stream, frame, record.time_ns, sizeof(record), record.length);
	} else {
		stream->skip = record.step - sizeof(record);
		stream->have = 0;
	}
	return STEP_DONE;
}

static uint64_t pcap_time(const struct stream *stream)
{
	return word(stream, 0) * 1000000000ull +
	       word(stream, 4) * (stream->nanoseconds ? 1ull : 1000ull);
}

/* Likewise of a pcap file. */
static enum step next_pcap(struct stream *stream, struct source_frame *frame, bool *given)
{
	enum step step = fill(stream, PCAP_RECORD);

	if (step == STEP_END && stream->have == 0)
		return STEP_END;
	if (step != STEP_DONE)
		return step == STEP_END ? fail_next(stream, "the trace is cut") : step;
	uint32_t captured = word(stream, 8), whole = word(stream, 12);
	uint64_t time_ns = pcap_time(stream);
	if (captured > PCAP_CAPTURED_MAX)
		return fail_next(stream, "the trace is damaged");
	bool fits = captured >= PORT_ETHERNET && captured <= stream->longest;
	step = fits ? fill(stream, PCAP_RECORD + (size_t)captured) : STEP_DONE;
	if (step != STEP_DONE)
		return step == STEP_END ? fail_next(stream, "the trace is cut") : step;
	stream->number++;
	*given = wanted(stream, captured);
	if (!*given) {
		stream->skip = captured;
		stream->have = 0;
		return STEP_DONE;
	}
	if (captured < whole)
		note(stream, &stream->account.snapped);
	give(stream, frame, time_ns, PCAP_RECORD, captured);
	return STEP_DONE;
}

/* One step towards the next frame. */
static enum step advance(struct stream *stream, struct source_frame *frame, bool *given)
{
	enum step step = pass_over(stream);

	if (step != STEP_DONE)
		return step;
	if (stream->format == STREAM_UNKNOWN)
		return begin(stream);
	return stream->format == STREAM_PACKED ? next_packed(stream, frame, given)
	                                       : next_pcap(stream, frame, given);
}

static enum source_state next(struct source *source, struct source_frame *frame)
{
	struct stream *stream = (struct stream *)source;
	enum step step = stream->over ? STEP_END : STEP_DONE;
	bool given = false;

	while (step == STEP_DONE && !given)
		step = advance(stream, frame, &given);
	stream->over = step == STEP_END;
	switch (step) {
	case STEP_DONE:
		return SOURCE_FRAME;
	case STEP_STARVED:
		return SOURCE_STARVED;
	case STEP_END:
		return SOURCE_END;
	default:
		return SOURCE_BROKEN;
	}
}

static void rewind_stream(struct source *source)
{
	struct stream *stream = (struct stream *)source;

	stream->format = STREAM_UNKNOWN;
	stream->have = 0;
	stream->skip = stream->number = stream->newest_ns = 0;
	stream->over = false;
	stream->pass++;
	stream->feed->rewind(stream->feed);
}

void stream_open(struct stream *stream, struct stream_feed *feed, uint32_t longest)
{
	memset(stream, 0, sizeof(*stream));
	stream->source = (struct source){.next = next, .rewind = rewind_stream};
	stream->feed = feed;
	stream->longest = longest < PACKED_FRAME_MAX ? longest : PACKED_FRAME_MAX;
}
