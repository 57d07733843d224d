/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `sluice-replay pack`: a trace as a machine of its own carries it (engine/packed.h). It is read
 * and written at the same time, so that its size does not matter.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../engine/packed.h"
#include "../report/words.h"
#include "command.h"
#include "trace_source.h"

static const char usage[] =
        "usage: sluice-replay pack TRACE FILE [--longest BYTES]\n"
        "\n"
        "Writes the frames of a trace (- is standard input) for a machine that sends them: as the\n"
        "content of a payload, onto a disk, behind a web server. Frames longer than --longest are\n"
        "left out, and said to be.\n";

enum { REST_US = 200 };

static void put_frame(FILE *out, const struct source_frame *frame)
{
	static const uint8_t zeros[8];
	struct packed_record record = {.number = frame->number,
	                               .time_ns = frame->time_ns,
	                               .length = frame->length,
	                               .step = packed_step(frame->length)};

	(void)fwrite(&record, sizeof(record), 1, out);
	(void)fwrite(frame->data, 1, frame->length, out);
	(void)fwrite(zeros, 1, record.step - sizeof(record) - frame->length, out);
}

static void put_header(FILE *out, uint64_t frames)
{
	const struct packed_header header = {
	        .magic = PACKED_MAGIC, .version = PACKED_VERSION, .frames = frames};

	(void)fwrite(&header, sizeof(header), 1, out);
}

/* How many frames were written. */
static uint64_t put_frames(FILE *out, struct source *source)
{
	struct source_frame frame;
	uint64_t frames = 0;

	while (!command_interrupted() && !ferror(out)) {
		enum source_state state = source->next(source, &frame);
		if (state == SOURCE_STARVED) {
			(void)usleep(REST_US);
			continue;
		}
		if (state != SOURCE_FRAME)
			break;
		put_frame(out, &frame);
		frames++;
	}
	return frames;
}

static int pack(struct trace_source *trace, const char *path)
{
	FILE *out = fopen(path, "wbe");

	if (!out)
		return command_complain(STATUS_BROKEN, "%s: %s", path, strerror(errno));
	put_header(out, 0);
	uint64_t frames = put_frames(out, &trace->source);
	bool whole = !fseek(out, 0, SEEK_SET); /* the number of frames is known only now */
	put_header(out, frames);
	whole = !ferror(out) && whole;
	whole = !fclose(out) && whole;
	trace_source_stop(trace);
	command_explain_trace(&trace->account);
	if (!whole)
		return command_complain(STATUS_BROKEN, "%s: it can't be written to its end", path);
	if (!frames)
		return command_complain(STATUS_BROKEN, "%s: it holds no frame that can be sent",
		                        trace->account.name);
	return STATUS_GOOD;
}

int command_pack(int argc, char **argv, const struct command_line *line)
{
	struct common_words common = {0};
	uint64_t longest = PACKED_FRAME_MAX;
	const struct word words[] = {WORD_IN("longest", WORD_SIZE, &longest, 14, PACKED_FRAME_MAX),
	                             WORDS_END};
	const struct word *const table = words;
	char error[TRACE_REASON_MAX];
	int plain = command_words(argc, argv, &table, 1, &common, usage);

	if (plain < 0)
		return plain == COMMAND_HELPED ? STATUS_GOOD : STATUS_USAGE;
	if (plain != 2)
		return command_complain(STATUS_USAGE, "TRACE and FILE are needed; try pack --help");
	command_catch();
	struct trace_source *trace = trace_source_open(argv[1], (uint32_t)longest, 0, error);
	if (!trace)
		return command_complain(STATUS_BROKEN, "%s: %s", argv[1], error);
	int status = pack(trace, argv[2]);
	trace_source_close(trace);
	return status;
}
