/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `sluice-replay reflect`: the other end of a measurement where there is none.
 */
#include <getopt.h>
#include <string.h>

#include "../engine/reflect.h"
#include "command.h"
#include "packet_group.h"
#include "ports.h"
#include "../report/quantity.h"

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
	enum reflect_swap swap;
	uint64_t duration_ns, longest;
	bool json, quiet, verbose;
};

static bool parse_swap(const char *text, enum reflect_swap *swap)
{
	static const char *const names[] = {"nothing", "mac", "addresses", "ports"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(text, names[i])) {
			*swap = (enum reflect_swap)i;
			return true;
		}
	}
	return false;
}

static bool take(struct options *options, int word, const char *text)
{
	switch (word) {
	case 's':
		return parse_swap(text, &options->swap);
	case 'd':
		return quantity_time(text, &options->duration_ns);
	case 'l':
		return quantity_size(text, &options->longest) && options->longest >= 60 &&
		       options->longest <= 16384;
	case 'j':
		return options->json = true;
	case 'q':
		return options->quiet = true;
	case 'v':
		return options->verbose = true;
	default:
		return false;
	}
}

static void put_counts(const struct options *options, const struct reflect_tally *tally)
{
	unsigned long long received = tally->received, bytes = tally->received_bytes;
	unsigned long long sent = tally->sent, dropped = tally->dropped, too_long = tally->too_long;

	if (options->json)
		printf("{\"received\": %llu, \"received_bytes\": %llu, \"sent\": %llu, "
		       "\"dropped\": "
		       "%llu, \"too_long\": %llu}\n",
		       received, bytes, sent, dropped, too_long);
	else if (!options->quiet)
		printf("%llu frames (%llu bytes) arrived, %llu were sent back, %llu found no room, "
		       "%llu were too long\n",
		       received, bytes, sent, dropped, too_long);
}

static int reflect(const char *name, const struct options *options)
{
	struct ports_options ports = {.longest = (uint32_t)options->longest,
	                              .verbose = options->verbose};
	struct reflect_tally tally = {0};
	char error[PORTS_REASON_MAX];
	const char *broken = NULL;
	struct port *port;

	if (ports_open(&name, 1, &ports, &port, error))
		return command_complain(STATUS_BROKEN, "%s", error);
	uint64_t end = options->duration_ns ? port->now(port) + options->duration_ns : UINT64_MAX;
	if (!options->quiet)
		fprintf(stderr, "reflecting on %s; Ctrl-C ends it\n", name);
	while (!command_interrupted() && !broken && port->now(port) < end) {
		if (!reflect_step(port, options->swap, &tally) && port->idle)
			port->idle(port, end);
		broken = port->broken ? port->broken(port) : NULL;
	}
	put_counts(options, &tally);
	ports_close(&port, 1);
	return broken ? command_complain(STATUS_BROKEN, "%s: %s", name, broken) : STATUS_GOOD;
}

int command_reflect(int argc, char **argv, const struct command_line *line)
{
	static const struct option words[] = {
	        {"swap", required_argument, NULL, 's'},
	        {"duration", required_argument, NULL, 'd'},
	        {"longest", required_argument, NULL, 'l'},
	        {"help", no_argument, NULL, 'h'},
	        {NULL, 0, NULL, 0},
	};
	struct options options = {.swap = REFLECT_MAC, .longest = 1518};

	for (int word; (word = getopt_long(argc, argv, "hjqv", words, NULL)) != -1;) {
		if (word == 'h') {
			fputs(usage, stdout);
			return STATUS_GOOD;
		}
		if (word == '?')
			return STATUS_USAGE;
		if (!take(&options, word, optarg))
			return command_complain(STATUS_USAGE, "'%s' is not what this option takes",
			                        optarg);
	}
	if (argc - optind != 1)
		return command_complain(STATUS_USAGE, "one port is needed; try reflect --help");
	packet_group_settle((const char *const *)&argv[optind], 1);
	command_catch();
	return reflect(argv[optind], &options);
}
