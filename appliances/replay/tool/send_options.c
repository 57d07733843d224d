/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words of `send`.
 */
#include <getopt.h>
#include <string.h>

#include "command.h"
#include "../report/quantity.h"
#include "send_options.h"

static const char usage[] =
        "usage: sluice-replay send TRACE --to PORT [options]\n"
        "\n"
        "Sends the frames of a trace (pcap or pcapng; - is standard input) and measures what "
        "comes back.\n"
        "\n"
        "  --to PORT             where frames leave: a network interface, or af_xdp:NAME, "
        "tap:NAME,\n"
        "                        memif:SOCKET, vhost:SOCKET, virtio:SOCKET, pci:ADDRESS,\n"
        "                        vdev:ARGUMENTS, qemu:SOCKET, loop:\n"
        "  --from PORT           where they return (default: the same port)\n"
        "  --no-return           listen to nothing\n"
        "  --rate R              original (default), 2x, 0.5x, 10kpps, 1Gbit/s (on the wire), "
        "top\n"
        "  --burst N             N frames at a time, the mean rate kept\n"
        "  --loop N              passes over the trace (default 1; 0: until stopped)\n"
        "  --frames N            at most so many frames\n"
        "  --duration TIME       of measuring: 10s, 2min\n"
        "  --warmup TIME         sent before measuring begins\n"
        "  --repeat N            runs; figures get their spread\n"
        "  --timeout TIME        after which a frame is lost (1s)\n"
        "  --await TIME          first send a frame ten times a second until one returns, at most "
        "so long\n"
        "  --window BITS         2^BITS frames are remembered as under way (20)\n"
        "  --rewrite RULES       src-mac= dst-mac= vlan= src-ip= dst-ip= src-port= dst-port=,\n"
        "                        a value, FIRST-LAST or NET/LEN; further passes shift in ranges\n"
        "  --sign                overwrite the payload's end with a signature; else frames are\n"
        "                        known again by content, and what is ambiguous is counted\n"
        "  --bind NAME=EXPR      figures of those that libpcap's expression accepts; repeatable\n"
        "  --flows               figures of each of the first flows\n"
        "  --require 'p99<50us'  a condition on the exit status; repeatable (loss=0, "
        "pps>=10k, …)\n"
        "  --report FILE.html    the page; --json FILE, --csv FILE (over time), --hgrm FILE\n"
        "                        (HdrHistogram) likewise; - is standard output\n"
        "  --departures FILE     every frame's number, deadline and departure, as CSV\n"
        "  --capture FILE        what came back, as pcapng\n"
        "  --preload SIZE        traces up to that size are read into memory first (512M)\n"
        "  -j                    the same as --json -; -q: no progress; -v: DPDK's messages\n"
        "\n"
        "Ctrl-C ends it with what was measured so far. Exit status: 0 all that was required "
        "held,\n"
        "1 it did not, 2 wrong usage, 3 a file, a port or the trace failed.\n"
        "\n"
        "examples:\n"
        "  sluice-replay send web.pcap --to eth1 --rate 10kpps --report web.html\n"
        "  sluice-replay send web.pcap --to memif:/run/dut.sock --rate top --loop 0 --duration "
        "10s --sign\n"
        "  sluice-replay send web.pcap --to loop: --require 'p99<50us' --require loss=0\n";

enum {
	WORD_TO = 256,
	WORD_FROM,
	WORD_NO_RETURN,
	WORD_RATE,
	WORD_BURST,
	WORD_LOOP,
	WORD_FRAMES,
	WORD_DURATION,
	WORD_WARMUP,
	WORD_REPEAT,
	WORD_TIMEOUT,
	WORD_WINDOW,
	WORD_REWRITE,
	WORD_SIGN,
	WORD_BIND,
	WORD_FLOWS,
	WORD_REQUIRE,
	WORD_REPORT,
	WORD_JSON,
	WORD_CSV,
	WORD_HGRM,
	WORD_DEPARTURES,
	WORD_CAPTURE,
	WORD_PRELOAD,
	WORD_AWAIT,
};

static const struct option words[] = {
        {"to", required_argument, NULL, WORD_TO},
        {"from", required_argument, NULL, WORD_FROM},
        {"no-return", no_argument, NULL, WORD_NO_RETURN},
        {"rate", required_argument, NULL, WORD_RATE},
        {"burst", required_argument, NULL, WORD_BURST},
        {"loop", required_argument, NULL, WORD_LOOP},
        {"frames", required_argument, NULL, WORD_FRAMES},
        {"duration", required_argument, NULL, WORD_DURATION},
        {"warmup", required_argument, NULL, WORD_WARMUP},
        {"repeat", required_argument, NULL, WORD_REPEAT},
        {"timeout", required_argument, NULL, WORD_TIMEOUT},
        {"window", required_argument, NULL, WORD_WINDOW},
        {"rewrite", required_argument, NULL, WORD_REWRITE},
        {"sign", no_argument, NULL, WORD_SIGN},
        {"bind", required_argument, NULL, WORD_BIND},
        {"flows", no_argument, NULL, WORD_FLOWS},
        {"require", required_argument, NULL, WORD_REQUIRE},
        {"report", required_argument, NULL, WORD_REPORT},
        {"json", required_argument, NULL, WORD_JSON},
        {"csv", required_argument, NULL, WORD_CSV},
        {"hgrm", required_argument, NULL, WORD_HGRM},
        {"departures", required_argument, NULL, WORD_DEPARTURES},
        {"capture", required_argument, NULL, WORD_CAPTURE},
        {"preload", required_argument, NULL, WORD_PRELOAD},
        {"await", required_argument, NULL, WORD_AWAIT},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
};

static const char *name_of(int word)
{
	for (const struct option *option = words; option->name; option++)
		if (option->val == word)
			return option->name;
	return "?";
}

/* A word whose argument is a number; false where it is none, or no such word. */
static bool take_number(struct send_options *options, int word, const char *text)
{
	struct sender_options *sender = &options->sender;
	uint64_t count = 0;

	switch (word) {
	case WORD_RATE:
		return quantity_rate(text, &sender->schedule);
	case WORD_LOOP:
		return quantity_count(text, &sender->passes);
	case WORD_FRAMES:
		return quantity_count(text, &sender->frames_max);
	case WORD_DURATION:
		return quantity_time(text, &sender->duration_ns);
	case WORD_WARMUP:
		return quantity_time(text, &sender->warmup_ns);
	case WORD_TIMEOUT:
		return quantity_time(text, &sender->timeout_ns);
	case WORD_AWAIT:
		return quantity_time(text, &options->await_ns);
	case WORD_PRELOAD:
		return quantity_size(text, &options->preload);
	case WORD_BURST:
		sender->schedule.burst = quantity_count(text, &count) ? (uint32_t)count : 0;
		return count >= 1 && count <= 1000000;
	case WORD_REPEAT:
		options->repeat = quantity_count(text, &count) ? (uint32_t)count : 0;
		return count >= 1 && count <= 1000;
	case WORD_WINDOW:
		sender->flight_bits = quantity_count(text, &count) ? (unsigned)count : 0;
		return count >= 4 && count <= 26;
	default:
		return false;
	}
}

/* A word whose argument is a name; false: no such word. */
static bool take_name(struct send_options *options, int word, const char *text)
{
	const char **places[] = {
	        [WORD_TO - WORD_TO] = &options->to,
	        [WORD_FROM - WORD_TO] = &options->from,
	        [WORD_REPORT - WORD_TO] = &options->report,
	        [WORD_JSON - WORD_TO] = &options->json,
	        [WORD_CSV - WORD_TO] = &options->csv,
	        [WORD_HGRM - WORD_TO] = &options->hgrm,
	        [WORD_DEPARTURES - WORD_TO] = &options->departures,
	        [WORD_CAPTURE - WORD_TO] = &options->capture,
	};
	unsigned at = (unsigned)(word - WORD_TO);

	if (word < WORD_TO || at >= sizeof(places) / sizeof(places[0]) || !places[at])
		return false;
	*places[at] = text;
	return true;
}

static bool take_flag(struct send_options *options, int word)
{
	switch (word) {
	case WORD_NO_RETURN:
		options->sender.listen = false;
		return true;
	case WORD_SIGN:
		options->sender.sign = true;
		return true;
	case WORD_FLOWS:
		options->tags.flows = true;
		return true;
	case 'q':
		options->quiet = true;
		return true;
	case 'v':
		options->verbose = true;
		return true;
	case 'j':
		options->json = "-";
		return true;
	default:
		return false;
	}
}

static int take_requirement(struct send_options *options, const char *text)
{
	if (options->requirements_n == REQUIRE_MAX)
		return command_complain(STATUS_USAGE, "there are more than %d requirements",
		                        REQUIRE_MAX);
	const char *wrong = require_parse(&options->requirements[options->requirements_n++], text);
	return wrong ? command_complain(STATUS_USAGE, "--require '%s' %s", text, wrong) : 0;
}

static int take(struct send_options *options, int word, const char *text)
{
	char error[400];

	if (word == WORD_REQUIRE)
		return take_requirement(options, text);
	if (word == WORD_BIND) {
		if (tags_bind(&options->tags, text, error, sizeof(error)))
			return command_complain(STATUS_USAGE, "--bind %s", error);
		return 0;
	}
	if (word == WORD_REWRITE) {
		if (rewrite_parse(&options->sender.rewrite, text, error, sizeof(error)))
			return command_complain(STATUS_USAGE, "--rewrite: %s", error);
		return 0;
	}
	if (take_flag(options, word) || take_name(options, word, text) ||
	    take_number(options, word, text))
		return 0;
	return command_complain(STATUS_USAGE, "--%s does not take '%s'", name_of(word), text);
}

static int check(struct send_options *options, int argc, char **argv)
{
	if (argc - optind != 1)
		return command_complain(STATUS_USAGE, "one trace is needed; try send --help");
	options->trace = argv[optind];
	if (!options->to)
		return command_complain(STATUS_USAGE, "--to PORT is needed; try send --help");
	if (options->tags.flows && options->tags.n > 1)
		return command_complain(STATUS_USAGE, "--flows and --bind exclude each other");
	if (options->sender.schedule.kind == SCHEDULE_ORIGINAL &&
	    options->sender.schedule.burst > 1)
		return command_complain(STATUS_USAGE, "--burst wants a --rate in pps or bit/s");
	if (!options->sender.passes && !options->sender.duration_ns &&
	    !options->sender.frames_max && !strcmp(options->trace, "-"))
		return command_complain(STATUS_USAGE, "standard input can't be looped over");
	if (options->await_ns && (!strcmp(options->trace, "-") || !options->sender.listen))
		return command_complain(STATUS_USAGE,
		                        "--await wants a trace in a file, and to listen");
	if (options->repeat > 1 && !strcmp(options->trace, "-"))
		return command_complain(STATUS_USAGE, "standard input can't be played twice");
	return 0;
}

int send_options_parse(int argc, char **argv, struct send_options *options)
{
	*options = (struct send_options){
	        .sender = {.schedule = {.kind = SCHEDULE_ORIGINAL, .speed = 1000},
	                   .passes = 1,
	                   .timeout_ns = 1000000000,
	                   .flight_bits = 20,
	                   .listen = true},
	        .repeat = 1,
	        .preload = 512ull << 20,
	};
	tags_begin(&options->tags);
	for (int word; (word = getopt_long(argc, argv, "hjqv", words, NULL)) != -1;) {
		if (word == 'h') {
			fputs(usage, stdout);
			return -1;
		}
		if (word == '?')
			return STATUS_USAGE;
		int status = take(options, word, optarg);
		if (status)
			return status;
	}
	return check(options, argc, argv);
}
