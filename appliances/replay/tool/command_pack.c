/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `sluice-replay pack`: a trace as a machine of its own carries it (engine/packed.h).
 */
#include <getopt.h>
#include <string.h>

#include "../engine/packed.h"
#include "../report/quantity.h"
#include "command.h"
#include "trace_source.h"

static const char usage[] = "usage: sluice-replay pack TRACE FILE [--longest BYTES]\n"
                            "\n"
                            "Writes the frames of a trace as the content of a payload, for a "
                            "machine that sends them.\n";

struct packing {
	struct trace_source *trace;
};

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

static void put_all(FILE *out, const void *what)
{
	struct trace_source *trace = ((const struct packing *)what)->trace;
	struct packed_header header = {
	        .magic = PACKED_MAGIC, .version = PACKED_VERSION, .frames = trace->account.frames};
	struct source_frame frame;

	(void)fwrite(&header, sizeof(header), 1, out);
	while (trace->source.next(&trace->source, &frame) == SOURCE_FRAME)
		put_frame(out, &frame);
}

int command_pack(int argc, char **argv, const struct command_line *line)
{
	static const struct option words[] = {{"longest", required_argument, NULL, 'l'},
	                                      {"help", no_argument, NULL, 'h'},
	                                      {NULL, 0, NULL, 0}};
	uint64_t longest = PACKED_FRAME_MAX;
	char error[TRACE_REASON_MAX];

	for (int word; (word = getopt_long(argc, argv, "h", words, NULL)) != -1;) {
		if (word == 'h') {
			fputs(usage, stdout);
			return STATUS_GOOD;
		}
		if (word == '?' || !quantity_size(optarg, &longest) || longest > PACKED_FRAME_MAX)
			return command_complain(STATUS_USAGE, "--longest BYTES is expected");
	}
	if (argc - optind != 2)
		return command_complain(STATUS_USAGE, "TRACE and FILE are needed; try pack --help");
	struct packing packing = {
	        trace_source_open(argv[optind], (uint32_t)longest, UINT64_MAX - 1, error)};
	if (!packing.trace)
		return command_complain(STATUS_BROKEN, "%s: %s", argv[optind], error);
	command_explain_trace(&packing.trace->account);
	int status = command_write(argv[optind + 1], put_all, &packing);
	trace_source_close(packing.trace);
	return status;
}
