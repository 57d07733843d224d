/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words of `send`.
 */
#include <string.h>

#include "../report/sender_words.h"
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

static const char *take_requirement(void *to, const char *text)
{
	struct send_options *options = to;

	if (options->requirements_n == REQUIRE_MAX)
		return "is one requirement too many";
	return require_parse(&options->requirements[options->requirements_n++], text);
}

static const char *check(const struct send_options *options)
{
	const struct sender_options *sender = &options->sender;
	bool stream = !strcmp(options->trace, "-");

	if (!options->to)
		return "--to PORT is needed; try send --help";
	if (options->tags.flows && options->tags.n > 1)
		return "--flows and --bind exclude each other";
	if (stream && sender->passes != 1)
		return "standard input can't be looped over";
	if (stream && options->repeat > 1)
		return "standard input can't be played twice";
	if (options->await_ns && (stream || !sender->listen))
		return "--await wants a trace in a file, and to listen";
	return sender_words_check(sender);
}

static int take_all(struct send_options *options, int argc, char **argv)
{
	struct word sender[SENDER_WORDS];
	const struct word own[] = {
	        WORD("to", WORD_TEXT, &options->to),
	        WORD("from", WORD_TEXT, &options->from),
	        WORD_IN("repeat", WORD_COUNT32, &options->repeat, 1, 1000),
	        WORD("await", WORD_TIME, &options->await_ns),
	        WORD_BY("bind", &options->tags, tags_bind),
	        WORD("flows", WORD_FLAG, &options->tags.flows),
	        WORD_BY("require", options, take_requirement),
	        WORD("report", WORD_TEXT, &options->report),
	        WORD("json", WORD_TEXT, &options->json),
	        WORD("csv", WORD_TEXT, &options->csv),
	        WORD("hgrm", WORD_TEXT, &options->hgrm),
	        WORD("departures", WORD_TEXT, &options->departures),
	        WORD("capture", WORD_TEXT, &options->capture),
	        WORD("preload", WORD_SIZE, &options->preload),
	        WORDS_END,
	};
	const struct word *const tables[] = {own, sender};

	sender_words(&options->sender, sender);
	return command_words(argc, argv, tables, 2, &options->common, usage);
}

int send_options_parse(int argc, char **argv, struct send_options *options)
{
	*options = (struct send_options){
	        .sender = sender_usual_options(), .repeat = 1, .preload = 512ull << 20};
	tags_begin(&options->tags);
	int plain = take_all(options, argc, argv);
	if (plain < 0)
		return plain == COMMAND_HELPED ? -1 : STATUS_USAGE;
	if (plain != 1)
		return command_complain(STATUS_USAGE, "one trace is needed; try send --help");
	options->trace = argv[1];
	if (options->common.json)
		options->json = "-";
	const char *wrong = check(options);
	return wrong ? command_complain(STATUS_USAGE, "%s", wrong) : 0;
}
