/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `sluice-replay reflect`: the other end of a measurement where there is none.
 */
#include "../engine/reflect.h"
#include "command.h"
#include "packet_group.h"
#include "ports.h"
#include "../report/words.h"

static const char usage[] =
        "usage: sluice-replay reflect PORT [options]\n"
        "\n"
        "Sends every frame that arrives back out of the same port, until Ctrl-C.\n"
        "\n"
        "  --swap WHAT      nothing, mac (default), addresses (MAC and IP), ports (and TCP's, "
        "UDP's)\n"
        "  --duration TIME  ends by itself\n"
        "  --longest BYTES  of a frame (1518)\n"
        "  -j               the counts as JSON; -q: no counts; -v: DPDK's messages\n";

struct options {
	unsigned swap; /* enum reflect_swap */
	uint64_t duration_ns, longest;
	struct common_words common;
};

static void put_counts(const struct options *options, const struct reflect_tally *tally)
{
	unsigned long long received = tally->received, bytes = tally->received_bytes;
	unsigned long long sent = tally->sent, dropped = tally->dropped, too_long = tally->too_long;

	if (options->common.json)
		printf("{\"received\": %llu, \"received_bytes\": %llu, \"sent\": %llu, "
		       "\"dropped\": "
		       "%llu, \"too_long\": %llu}\n",
		       received, bytes, sent, dropped, too_long);
	else if (!options->common.quiet)
		printf("%llu frames (%llu bytes) arrived, %llu were sent back, %llu found no room, "
		       "%llu were too long\n",
		       received, bytes, sent, dropped, too_long);
}

static int reflect(const char *name, const struct options *options)
{
	struct ports_options ports = {.longest = (uint32_t)options->longest,
	                              .verbose = options->common.verbose};
	struct reflect_tally tally = {0};
	char error[PORTS_REASON_MAX];
	const char *broken = NULL;
	struct port *port;

	if (ports_open(&name, 1, &ports, &port, error))
		return command_complain(STATUS_BROKEN, "%s", error);
	uint64_t end = options->duration_ns ? port->now(port) + options->duration_ns : UINT64_MAX;
	if (!options->common.quiet)
		fprintf(stderr, "reflecting on %s; Ctrl-C ends it\n", name);
	while (!command_interrupted() && !broken && port->now(port) < end) {
		if (!reflect_step(port, (enum reflect_swap)options->swap, &tally) && port->idle)
			port->idle(port, end);
		broken = port->broken ? port->broken(port) : NULL;
	}
	put_counts(options, &tally);
	ports_close(&port, 1);
	return broken ? command_complain(STATUS_BROKEN, "%s: %s", name, broken) : STATUS_GOOD;
}

int command_reflect(int argc, char **argv, const struct command_line *line)
{
	struct options options = {.swap = REFLECT_MAC, .longest = 1518};
	const struct word words[] = {
	        WORD_OF("swap", &options.swap, reflect_names),
	        WORD("duration", WORD_TIME, &options.duration_ns),
	        WORD_IN("longest", WORD_SIZE, &options.longest, 60, PORTS_LONGEST),
	        WORDS_END,
	};
	const struct word *const table = words;
	int plain = command_words(argc, argv, &table, 1, &options.common, usage);

	if (plain < 0)
		return plain == COMMAND_HELPED ? STATUS_GOOD : STATUS_USAGE;
	if (plain != 1)
		return command_complain(STATUS_USAGE, "one port is needed; try reflect --help");
	packet_group_settle((const char *const *)&argv[1], 1);
	command_catch();
	return reflect(argv[1], &options);
}
