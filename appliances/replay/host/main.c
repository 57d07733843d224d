/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sluice-replay-host: the host's side of a replay. boot/run calls it twice: for the manifest
 * (--conf), and beside the machine.
 */
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <flt/host.h>

#include "conf.h"
#include "report.h"

enum {
	STATUS_AGREE = 0,
	STATUS_DIFFER = 1,
	STATUS_USAGE = 2,
	STATUS_BROKEN = 3, /* the replay did not come to an end */
	LONGEST_DEFAULT = 1518,
	PATIENCE_DEFAULT_MS = 15000,
	FRAMES_DEFAULT = 4096,
	WINDOW_JUMBO = 256, /* as many large buffers as a sink has for FRAMES_DEFAULT */
};

static const char usage[] =
        "usage: sluice-replay-host TRACE --bind NAME=EXPRESSION... --data SOCKET\n"
        "                          --control SOCKET --key HEX [options]\n"
        "       sluice-replay-host --conf FILE TRACE --bind NAME=EXPRESSION... [options]\n"
        "\n"
        "Feeds a trace into a machine that boots the replay appliance, and compares what each\n"
        "binding matched and got with libpcap and with the total order of bindings. `boot/run\n"
        "replay` calls it and starts the machine.\n"
        "\n"
        "  --bind NAME=EXPRESSION  a binding; repeatable, older ones first\n"
        "  --conf FILE             write the text manifest for this trace and end\n"
        "  --data SOCKET           where QEMU's data port connects (listened at)\n"
        "  --control SOCKET        likewise its control port\n"
        "  --key HEX               the host channel's key, 32 digits\n"
        "  --longest BYTES         of a frame that the port can receive (1518)\n"
        "  --padded BYTES          to which the NIC model pads short frames (0)\n"
        "  --window N              frames under way at most (1024; with jumbo frames 256)\n"
        "  --descriptors N         of the NIC's receive ring, where frames that find none are "
        "lost:\n"
        "                          the window is then kept smaller\n"
        "  --patience MS           without progress (15000)\n"
        "  --frames N              page frames of each sink (4096)\n"
        "  --cores N               over which the sinks are spread (1)\n"
        "  --report FILE           the report as a page (HTML), besides\n"
        "  -j, --json              the report as JSON\n"
        "  -q, --quiet             no progress line\n"
        "\n"
        "Exit status: 0 all counts agree, 1 they differ, 2 wrong usage, 3 no end was reached.\n";

struct options {
	struct session_options session;
	struct conf_options conf;
	struct bindings bindings;
	const char *conf_path, *trace;
	uint32_t descriptors; /* of the NIC's receive ring, where its model loses what finds none */
	const char *page;
	bool json;
};

static int complain(const char *format, const char *what)
{
	fputs("replay: ", stderr);
	fprintf(stderr, format, what);
	fputc('\n', stderr);
	return STATUS_USAGE;
}

/* A decimal number in [low, high]. */
static bool number(const char *text, uint32_t low, uint32_t high, uint32_t *value)
{
	char *end;
	unsigned long long parsed = strtoull(text, &end, 10);
	if (end == text || *end || text[0] == '-' || parsed < low || parsed > high)
		return false;
	*value = (uint32_t)parsed;
	return true;
}

static bool take_number(struct options *options, int option, const char *text)
{
	struct session_options *session = &options->session;
	switch (option) {
	case 'L':
		return number(text, TRACE_FRAME_MIN, 65536, &session->limits.longest);
	case 'P':
		return number(text, 0, 64, &session->limits.padded);
	case 'W':
		return number(text, 1, 65536, &session->window);
	case 'R':
		return number(text, 16, 65536, &options->descriptors);
	case 'T':
		return number(text, 1, 3600000, &session->patience_ms);
	case 'F':
		return number(text, 16, 1 << 20, &options->conf.frames);
	case 'C':
		return number(text, 1, 64, &options->conf.cores);
	default:
		return false;
	}
}

static int take_option(struct options *options, int option, const char *text)
{
	const char *error;
	switch (option) {
	case 'b':
		error = bindings_add(&options->bindings, text);
		return error ? complain("--bind %s", error) : 0;
	case 'c':
		options->conf_path = text;
		return 0;
	case 'D':
		options->session.data_path = text;
		return 0;
	case 'N':
		options->session.control_path = text;
		return 0;
	case 'K':
		options->session.key = text;
		return 0;
	case 'O':
		options->page = text;
		return 0;
	case 'j':
		options->json = true;
		return 0;
	case 'q':
		options->session.quiet = true;
		return 0;
	default:
		return take_number(options, option, text)
		               ? 0
		               : complain("'%s' is not a number that this option takes", text);
	}
}

/* 0, -1 where all is done (--help), or the exit status of a mistake. */
static int parse(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
	        {"bind", required_argument, NULL, 'b'},
	        {"conf", required_argument, NULL, 'c'},
	        {"data", required_argument, NULL, 'D'},
	        {"control", required_argument, NULL, 'N'},
	        {"key", required_argument, NULL, 'K'},
	        {"longest", required_argument, NULL, 'L'},
	        {"padded", required_argument, NULL, 'P'},
	        {"window", required_argument, NULL, 'W'},
	        {"patience", required_argument, NULL, 'T'},
	        {"descriptors", required_argument, NULL, 'R'},
	        {"frames", required_argument, NULL, 'F'},
	        {"cores", required_argument, NULL, 'C'},
	        {"report", required_argument, NULL, 'O'},
	        {"json", no_argument, NULL, 'j'},
	        {"quiet", no_argument, NULL, 'q'},
	        {"help", no_argument, NULL, 'h'},
	        {NULL, 0, NULL, 0},
	};
	for (int option; (option = getopt_long(argc, argv, "jqh", names, NULL)) != -1;) {
		if (option == 'h') {
			fputs(usage, stdout);
			return -1;
		}
		if (option == '?')
			return STATUS_USAGE;
		int status = take_option(options, option, optarg);
		if (status)
			return status;
	}
	if (!options->bindings.n)
		return complain("%s", "at least one --bind NAME=EXPRESSION is needed");
	if (argc - optind != 1)
		return complain("%s", "one trace is needed; try --help");
	options->trace = argv[optind];
	if (!options->conf_path && (!options->session.data_path || !options->session.control_path ||
	                            !options->session.key))
		return complain("%s", "--data, --control and --key are needed; try --help");
	return 0;
}

/* A window that the NIC's ring holds, whatever the frames: longer ones take several descriptors,
 * each of one buffer; a quarter stays free for what is just being put back. */
static uint32_t window_for_ring(uint32_t descriptors, uint32_t longest)
{
	uint32_t pieces = (longest + CONF_SMALL_BUFFER - 1) / CONF_SMALL_BUFFER;
	uint32_t window = descriptors * 3 / 4 / (pieces ? pieces : 1);
	return window ? window : 1;
}

/* Sizes what depends on the trace: sinks need larger buffers for jumbo frames, and hold fewer. */
static int plan(struct options *options)
{
	char error[TRACE_REASON_MAX] = "";
	uint32_t longest;
	if (session_scan(options->trace, &options->session, &longest, error)) {
		fprintf(stderr, "replay: %s: %s\n", options->trace, error);
		return STATUS_USAGE;
	}
	options->conf.longest = longest;
	if (!options->session.window)
		options->session.window =
		        longest > CONF_SMALL_BUFFER ? WINDOW_JUMBO : REPLAY_WINDOW;
	if (options->descriptors) {
		uint32_t most = window_for_ring(options->descriptors, longest);
		if (options->session.window > most)
			options->session.window = most;
	}
	return 0;
}

static int write_conf(const struct options *options)
{
	FILE *out = fopen(options->conf_path, "w");
	if (!out)
		return complain("cannot write %s", options->conf_path);
	conf_write(out, &options->bindings, &options->conf);
	if (fclose(out))
		return complain("cannot write %s", options->conf_path);
	return 0;
}

static int write_page(const struct options *options, const struct session_result *result,
                      unsigned verdict)
{
	FILE *out = fopen(options->page, "we");
	if (!out)
		return complain("cannot write %s", options->page);
	report_page(out, options->trace, &options->bindings, result, verdict);
	return fclose(out) ? complain("cannot write %s", options->page) : 0;
}

static int replay(struct options *options)
{
	struct session_result result;
	char error[TRACE_REASON_MAX] = "";
	if (session_run(options->trace, &options->session, &options->bindings, &result, error) ||
	    session_judge(options->trace, &options->session, &options->bindings, error)) {
		fprintf(stderr, "replay: %s: %s\n", options->trace, error);
		return STATUS_BROKEN;
	}
	unsigned verdict = report_judge(&options->bindings, &result);
	if (options->json)
		report_json(stdout, options->trace, &options->bindings, &result, verdict);
	else
		report_table(stdout, options->trace, &options->bindings, &result, verdict);
	if (options->page && write_page(options, &result, verdict))
		return STATUS_BROKEN;
	return verdict ? STATUS_DIFFER : STATUS_AGREE;
}

int main(int argc, char **argv)
{
	static struct options options = {
	        .session = {.limits = {.longest = LONGEST_DEFAULT},
	                    .patience_ms = PATIENCE_DEFAULT_MS},
	        .conf = {.frames = FRAMES_DEFAULT, .cores = 1},
	};
	(void)signal(SIGPIPE, SIG_IGN);
	flt_host_init(false);
	int status = parse(argc, argv, &options);
	if (status) {
		bindings_free(&options.bindings);
		return status < 0 ? 0 : status;
	}
	status = plan(&options);
	if (!status)
		status = options.conf_path ? write_conf(&options) : replay(&options);
	bindings_free(&options.bindings);
	return status;
}
