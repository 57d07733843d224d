/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sluice-replay: traces out of a port, and what comes back, measured.
 */
#include <string.h>

#include <flt/host.h>

#include "command.h"

static const char usage[] =
        "usage: sluice-replay COMMAND [options]\n"
        "\n"
        "  send TRACE --to PORT      send a trace, measure what comes back\n"
        "  reflect PORT              send back what arrives\n"
        "  sink PORT                 count and time what arrives\n"
        "  rfc2544 --to PORT         throughput, latency, frame loss, back-to-back\n"
        "  compare A.json B.json     two results side by side\n"
        "  pack TRACE FILE           a trace for a machine that sends it\n"
        "\n"
        "`sluice-replay COMMAND --help` says more. What a machine of its own makes of a trace "
        "shows\n"
        "`boot/run replay`.\n";

static const struct {
	const char *name;
	int (*run)(int argc, char **argv, const struct command_line *line);
} commands[] = {
        {"send", command_send},       {"reflect", command_reflect}, {"sink", command_sink},
        {"rfc2544", command_rfc2544}, {"compare", command_compare}, {"pack", command_pack},
};

int main(int argc, char **argv)
{
	const struct command_line line = {argc, argv};

	if (argc < 2)
		return fputs(usage, stderr) < 0 ? STATUS_BROKEN : STATUS_USAGE;
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		fputs(usage, stdout);
		return STATUS_GOOD;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("sluice-replay " SLUICE_VERSION);
		return STATUS_GOOD;
	}
	flt_host_init(false);
	for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1, &line);
	return command_complain(STATUS_USAGE, "'%s' is no command; try --help", argv[1]);
}
