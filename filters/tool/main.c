/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flt: compiles, looks into, verifies and runs packet filters.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include <flt/host.h>

#include "flt.h"

struct command {
	const char *name;
	int (*run)(const struct tool *tool);
	const char *usage;
	const char *help;
};

static const struct command commands[] = {
        {"compile", tool_compile, "flt compile EXPRESSION -o FILE",
         "Compiles an expression of libpcap's language into a file of classic BPF.\n"
         "  flt compile 'tcp dst port 80' -o web.flt"},
        {"dump", tool_dump, "flt dump FILE [--program NAME]",
         "Shows bytecode and machine code.\n  flt dump web.flt\n  flt dump count.o --program "
         "count"},
        {"verify", tool_verify, "flt verify FILE [OTHER…] [--program NAME] [--budget N]",
         "Verifies one program of a file, or all, and says what the dearest path costs; exit "
         "status 1 and the\n"
         "reason where one is refused, or could cost more than N. Functions that FILE calls and "
         "does not\n"
         "define are looked for in the objects that follow it.\n"
         "  flt verify count.o"},
        {"run", tool_run, "flt run FILE TRACE.pcap | flt run -e EXPRESSION TRACE.pcap",
         "Prints one verdict per packet: the bytes wanted, 0 for no match (xdp programs: their "
         "result).\n"
         "  flt run -e 'udp port 53' trace.pcap"},
        {"classify", tool_classify,
         "flt classify -f EXPRESSIONS.txt TRACE.pcap [--check] [--order]",
         "Counts packets and bytes of each expression (one a line), all matches, by the merged "
         "structure.\n"
         "  --check compares every packet with libpcap; --order shows who wins.\n"
         "  flt classify -f rules.txt trace.pcap --check"},
        {"explain", tool_explain, "flt explain -f EXPRESSIONS.txt",
         "Draws shapes and tables as Graphviz.\n  flt explain -f rules.txt | dot -Tsvg > "
         "rules.svg"},
        {"exec", tool_exec, "flt exec [MEMORY] [--jit] < PROGRAM",
         "Runs eBPF from standard input (hex bytes) on MEMORY (blank-separated hex bytes; r1 its "
         "address,\n"
         "r2 its length) and prints r0 in hex. For conformance suites.\n"
         "  echo 'b7 00 00 00 2a 00 00 00 95 00 00 00 00 00 00 00' | flt exec"},
};

enum { N_COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static int help_all(FILE *out)
{
	fprintf(out, "flt: packet filters\n\n");
	for (int i = 0; i < N_COMMANDS; i++)
		fprintf(out, "  %s\n", commands[i].usage);
	fprintf(out,
	        "\n-j gives JSON everywhere. `flt COMMAND --help` explains, with an example.\n");
	return out == stdout ? TOOL_FINE : TOOL_USAGE;
}

static int help_one(const struct command *command, FILE *out)
{
	fprintf(out, "usage: %s\n%s\n", command->usage, command->help);
	return out == stdout ? TOOL_FINE : TOOL_USAGE;
}

static const struct command *find_command(const char *name)
{
	for (int i = 0; i < N_COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

/* 0, or what getopt did not know. */
static int read_option(struct tool *tool, int option)
{
	switch (option) {
	case 'j':
		tool->json = true;
		tool_complain_in_json();
		return 0;
	case 'e':
		tool->expression = optarg;
		return 0;
	case 'f':
		tool->list = optarg;
		return 0;
	case 'o':
		tool->output = optarg;
		return 0;
	case 'p':
		tool->program = optarg;
		return 0;
	case 'b':
		tool->budget = (uint32_t)strtoul(optarg, NULL, 0);
		return 0;
	case 'J':
		tool->jit = true;
		return 0;
	case 'c':
		tool->check = true;
		return 0;
	case 'O':
		tool->order = true;
		return 0;
	case 'I':
		tool->interpret = true;
		return 0;
	case 'd': /* conformance suites ask plugins for it; there is nothing more to say */
		return 0;
	default:
		return option;
	}
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
	        {"json", 0, NULL, 'j'},   {"expression", 1, NULL, 'e'}, {"file", 1, NULL, 'f'},
	        {"output", 1, NULL, 'o'}, {"program", 1, NULL, 'p'},    {"jit", 0, NULL, 'J'},
	        {"check", 0, NULL, 'c'},  {"order", 0, NULL, 'O'},      {"interpret", 0, NULL, 'I'},
	        {"budget", 1, NULL, 'b'}, {"debug", 0, NULL, 'd'},      {"help", 0, NULL, 'h'},
	        {NULL, 0, NULL, 0}};
	struct tool tool = {0};
	if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    !strcmp(argv[1], "help"))
		return help_all(argc < 2 ? stderr : stdout);
	if (!strcmp(argv[1], "--version"))
		return printf("flt %s\n", SLUICE_VERSION) < 0;
	const struct command *command = find_command(argv[1]);
	if (!command) {
		fprintf(stderr, "flt: no command '%s'\n\n", argv[1]);
		return help_all(stderr);
	}
	argv[1] = argv[0];
	for (int c; (c = getopt_long(argc - 1, argv + 1, "je:f:o:h", known, NULL)) != -1;) {
		if (c == 'h')
			return help_one(command, stdout);
		if (read_option(&tool, c))
			return help_one(command, stderr);
	}
	tool.n_arguments = argc - 1 - optind;
	tool.arguments = argv + 1 + optind;
	flt_host_init(!tool.interpret);
	return command->run(&tool);
}
