/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `sluice-replay rfc2544`: the RFC's procedures over a port, for each frame size.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "made_source.h"
#include "packet_group.h"
#include "ports.h"
#include "../report/quantity.h"
#include "../report/words.h"
#include "results.h"
#include "rfc2544.h"

static const char usage[] =
        "usage: sluice-replay rfc2544 --to PORT [options]\n"
        "\n"
        "Measures the device behind a port by RFC 2544: throughput (26.1), latency (26.2), frame "
        "loss\n"
        "(26.3) and back-to-back frames (26.4), for each frame size.\n"
        "\n"
        "  --to PORT, --from PORT    as for send\n"
        "  --test LIST               throughput,latency,loss,back-to-back (all)\n"
        "  --sizes LIST              bytes with the frame's checksum, imix "
        "(64,128,256,512,1024,1280,1518)\n"
        "  --trace FILE              the frames of a trace instead\n"
        "  --line RATE               of the medium, where the search begins: 1Gbit/s\n"
        "                            (default: what the port was measured to send)\n"
        "  --trial TIME              of each trial (60s, as the RFC wants)\n"
        "  --repeats N               of latency and back-to-back trials (20)\n"
        "  --loss PERCENT            tolerated: the partial-drop rate (0)\n"
        "  --resolution PERCENT      of the line rate, at which the search ends (1)\n"
        "  --burst N                 frames of the longest burst tried (10000)\n"
        "  --source, --target MAC,IP,PORT\n"
        "  --json FILE, -j           the document; -q: no progress; -v: DPDK's messages\n";

enum {
	SIZES_MAX = 16,
	LIST_MAX = 200,
	SETTLE_NS = 200000000, /* between trials, for what is under way (RFC 2544, section 23) */
	MEASURE_TOP_NS = 500000000,
};

enum test { TEST_THROUGHPUT = 1, TEST_LATENCY = 2, TEST_LOSS = 4, TEST_BURST = 8, TEST_ALL = 15 };

struct bench {
	struct trial trial; /* first */
	const char *to, *from, *trace_name, *json;
	unsigned tests;
	uint32_t sizes[SIZES_MAX];
	unsigned sizes_n;
	struct schedule line;
	struct rfc2544_options options;
	struct made_address source, target;
	struct common_words common;

	struct port *ports[2];
	unsigned ports_n;
	struct made_source made;
	struct trace_source *trace;
	struct source *frames;
	double wire_bytes; /* mean, of a frame of this size */
	struct sender_tally tally;
	const char *failed;
};

static void drive(struct sender *sender)
{
	for (unsigned i = 0; sender_step(sender) != SENDER_DONE; i++)
		if (i % 64 == 0 && command_interrupted())
			sender_stop(sender);
}

static struct trial_result run_trial(struct trial *trial, uint64_t rate, uint64_t duration_ns,
                                     uint64_t burst)
{
	struct bench *bench = (struct bench *)trial;
	struct sender_options options = {
	        .schedule = {.kind = rate ? SCHEDULE_PACKETS : SCHEDULE_TOP, .rate = rate},
	        .frames_max = burst,
	        .duration_ns = burst ? 0 : duration_ns,
	        .timeout_ns = SETTLE_NS,
	        .run = (uint32_t)random(),
	        .flight_bits = 20,
	        .listen = true,
	        .sign = true};
	struct sender sender;

	bench->frames->rewind(bench->frames);
	if (sender_open(&sender, &options, bench->ports[0], bench->ports[bench->ports_n - 1],
	                bench->frames, &bench->tally))
		return (struct trial_result){.stopped = true};
	drive(&sender);
	sender_close(&sender);
	bench->failed = sender.error;
	const struct sender_tally *tally = &bench->tally;
	const struct histogram *latency = &tally->latency;
	return (struct trial_result){
	        .sent = tally->sent,
	        .lost = tally->lost,
	        .pps = tally->span_ns ? (double)(tally->sent - 1) * 1e9 / (double)tally->span_ns
	                              : 0,
	        .mean_ns = latency->count ? (double)latency->sum / (double)latency->count : 0,
	        .p50_ns = (double)histogram_quantile(latency, 5000),
	        .p99_ns = (double)histogram_quantile(latency, 9900),
	        .max_ns = (double)latency->max,
	        .stopped = command_interrupted() || sender.error};
}

static const char *parse_tests(void *to, const char *text)
{
	static const char *const names[] = {"throughput", "latency", "loss", "back-to-back"};
	struct bench *bench = to;
	char list[LIST_MAX];

	snprintf(list, sizeof(list), "%s", text);
	bench->tests = 0;
	for (char *word = strtok(list, ","); word; word = strtok(NULL, ",")) {
		unsigned i = 0;
		while (i < 4 && strcmp(word, names[i]) != 0)
			i++;
		if (i == 4)
			return "names a test that is none of throughput, latency, loss, "
			       "back-to-back";
		bench->tests |= 1u << i;
	}
	return bench->tests ? NULL : "names no test";
}

static const char *parse_sizes(void *to, const char *text)
{
	struct bench *bench = to;
	char list[LIST_MAX];

	snprintf(list, sizeof(list), "%s", text);
	bench->sizes_n = 0;
	for (char *word = strtok(list, ","); word; word = strtok(NULL, ",")) {
		uint64_t size = 0;
		bool imix = !strcmp(word, "imix");
		if (bench->sizes_n == SIZES_MAX || (!imix && !quantity_size(word, &size)) ||
		    (!imix && (size < MADE_MIN || size > MADE_MAX)))
			return "is not a list of at most 16 sizes (64 to 9018) and imix";
		bench->sizes[bench->sizes_n++] = imix ? MADE_IMIX : (uint32_t)size;
	}
	return bench->sizes_n ? NULL : "names no size";
}

static const char *parse_address(void *to, const char *text)
{
	struct made_address *address = to;
	unsigned mac[6], port;
	char ip[INET_ADDRSTRLEN];

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x,%15[0-9.],%u", &mac[0], &mac[1], &mac[2], &mac[3],
	           &mac[4], &mac[5], ip, &port) != 8 ||
	    port > 65535 || inet_pton(AF_INET, ip, address->ip) != 1)
		return "is not MAC,IP,PORT";
	for (int i = 0; i < 6; i++)
		address->mac[i] = (uint8_t)mac[i];
	address->port = (uint16_t)port;
	return NULL;
}

static const char *check(struct bench *bench)
{
	if (!bench->to)
		return "--to PORT is needed; try rfc2544 --help";
	if (bench->line.kind == SCHEDULE_ORIGINAL)
		return "--line wants a rate in pps or bit/s";
	if (bench->options.resolution < 1e-4)
		return "--resolution is at least 0.01 %";
	if (bench->common.json)
		bench->json = "-";
	return NULL;
}

static int parse(int argc, char **argv, struct bench *bench)
{
	const struct word words[] = {
	        WORD("to", WORD_TEXT, &bench->to),
	        WORD("from", WORD_TEXT, &bench->from),
	        WORD_BY("test", bench, parse_tests),
	        WORD_BY("sizes", bench, parse_sizes),
	        WORD("trace", WORD_TEXT, &bench->trace_name),
	        WORD("line", WORD_RATE, &bench->line),
	        WORD_IN("trial", WORD_TIME, &bench->options.duration_ns, 1, 0),
	        WORD_IN("repeats", WORD_COUNT32, &bench->options.repeats, 1, 1000),
	        WORD("loss", WORD_SHARE, &bench->options.tolerated),
	        WORD("resolution", WORD_SHARE, &bench->options.resolution),
	        WORD_IN("burst", WORD_COUNT, &bench->options.burst_max, 1, 1 << 20),
	        WORD_BY("source", &bench->source, parse_address),
	        WORD_BY("target", &bench->target, parse_address),
	        WORD("json", WORD_TEXT, &bench->json),
	        WORDS_END,
	};
	const struct word *const table = words;
	int plain = command_words(argc, argv, &table, 1, &bench->common, usage);

	if (plain < 0)
		return plain == COMMAND_HELPED ? -1 : STATUS_USAGE;
	const char *wrong = plain ? "rfc2544 takes options only; try --help" : check(bench);
	return wrong ? command_complain(STATUS_USAGE, "%s", wrong) : 0;
}

/* Trials begin anew again and again: only what is kept in memory will do. */
static int open_trace(struct bench *bench)
{
	char error[TRACE_REASON_MAX];

	bench->trace = trace_source_open(bench->trace_name, ports_longest(bench->to),
	                                 UINT64_MAX - 1, error);
	if (!bench->trace)
		return command_complain(STATUS_BROKEN, "%s: %s", bench->trace_name, error);
	if (bench->trace->account.streamed)
		return command_complain(STATUS_BROKEN, "%s: it is no file that can be read again",
		                        bench->trace_name);
	command_explain_trace(&bench->trace->account);
	bench->sizes_n = 1;
	return STATUS_GOOD;
}

static int open_bench(struct bench *bench)
{
	const char *names[2] = {bench->to, bench->from};
	struct ports_options options = {
	        .longest = 1518, .verbose = bench->common.verbose, .wait_for_peer = true};
	char error[TRACE_REASON_MAX];

	for (unsigned i = 0; i < bench->sizes_n; i++)
		if (bench->sizes[i] > options.longest)
			options.longest = bench->sizes[i];
	int status = bench->trace_name ? open_trace(bench) : STATUS_GOOD;
	if (status)
		return status;
	if (bench->trace && bench->trace->account.longest > options.longest)
		options.longest = bench->trace->account.longest;
	bench->ports_n = bench->from ? 2 : 1;
	if (ports_open(names, bench->ports_n, &options, bench->ports, error)) {
		bench->ports_n = 0;
		return command_complain(STATUS_BROKEN, "%s", error);
	}
	return STATUS_GOOD;
}

static void choose_frames(struct bench *bench, uint32_t size)
{
	if (bench->trace) {
		const struct trace_account *account = &bench->trace->account;
		bench->frames = &bench->trace->source;
		bench->wire_bytes =
		        (double)account->bytes / (double)account->frames + PORT_WIRE_OVERHEAD;
		return;
	}
	made_source_open(&bench->made, size, &bench->source, &bench->target);
	bench->frames = &bench->made.source;
	bench->wire_bytes = made_source_wire_bytes(size);
}

/* The rate at which the search begins. */
static double top_rate(struct bench *bench)
{
	if (bench->line.kind == SCHEDULE_BITS)
		return (double)bench->line.rate / 8 / bench->wire_bytes;
	if (bench->line.kind == SCHEDULE_PACKETS)
		return (double)bench->line.rate / 1000;
	return bench->trial.run(&bench->trial, 0, MEASURE_TOP_NS, 0).pps;
}

static void add(cJSON *object, const char *key, double value)
{
	(void)cJSON_AddNumberToObject(object, key, value);
}

static void say(const struct bench *bench, const char *what, double value, const char *unit)
{
	char text[48];

	if (!bench->common.quiet)
		fprintf(stderr, "  %-14s %s\n", what,
		        !strcmp(unit, "ns") ? quantity_show_time(text, sizeof(text), value)
		                            : quantity_show(text, sizeof(text), value, unit));
}

static double measure_throughput(struct bench *bench, cJSON *row)
{
	struct rfc2544_throughput found = rfc2544_throughput(&bench->trial, &bench->options);
	cJSON *object = cJSON_AddObjectToObject(row, "throughput");

	add(object, "pps", found.pps);
	add(object, "wire_bps", found.pps * bench->wire_bytes * 8);
	add(object, "trials", found.trials);
	(void)cJSON_AddBoolToObject(object, "limited_by_sender", found.limited_by_sender);
	say(bench, "throughput", found.pps,
	    found.limited_by_sender ? "pps (the sender's limit)" : "pps");
	return found.pps;
}

static void measure_latency(struct bench *bench, cJSON *row, double pps)
{
	struct rfc2544_latency found = rfc2544_latency(&bench->trial, &bench->options, pps);
	cJSON *object = cJSON_AddObjectToObject(row, "latency");

	add(object, "mean_ns", found.mean_ns);
	add(object, "p99_ns", found.p99_ns);
	add(object, "max_ns", found.max_ns);
	add(object, "spread_ns", found.spread_ns);
	add(object, "trials", found.repeats);
	say(bench, "latency, mean", found.mean_ns, "ns");
	say(bench, "latency, p99", found.p99_ns, "ns");
}

static void measure_loss(struct bench *bench, cJSON *row)
{
	double loss[RFC2544_STEPS];
	unsigned n = rfc2544_frame_loss(&bench->trial, &bench->options, loss);
	cJSON *list = cJSON_AddArrayToObject(row, "loss");

	for (unsigned i = 0; i < n; i++) {
		cJSON *object = cJSON_CreateObject();
		add(object, "percent_of_top", 10.0 * (RFC2544_STEPS - i));
		add(object, "loss", loss[i]);
		cJSON_AddItemToArray(list, object);
	}
	say(bench, "loss at 100 %", n ? loss[0] * 100 : 0, "%");
}

static void measure_size(struct bench *bench, uint32_t size, cJSON *list)
{
	cJSON *row = cJSON_CreateObject();

	choose_frames(bench, size);
	cJSON_AddItemToArray(list, row);
	if (bench->trace)
		(void)cJSON_AddStringToObject(row, "frames", bench->trace_name);
	else if (size == MADE_IMIX)
		(void)cJSON_AddStringToObject(row, "frames", "imix");
	else
		add(row, "frames", size);
	bench->options.top_pps = top_rate(bench);
	add(row, "top_pps", bench->options.top_pps);
	if (!bench->common.quiet)
		fprintf(stderr, "%s%.0u bytes on the wire: %.1f, from %.0f pps\n",
		        bench->trace ? bench->trace_name
		        : size       ? "frames of "
		                     : "imix",
		        size, bench->wire_bytes, bench->options.top_pps);
	double pps = bench->options.top_pps;
	if (bench->tests & (TEST_THROUGHPUT | TEST_LATENCY))
		pps = measure_throughput(bench, row);
	if (bench->tests & TEST_LATENCY && pps > 0)
		measure_latency(bench, row, pps);
	if (bench->tests & TEST_LOSS)
		measure_loss(bench, row);
	if (bench->tests & TEST_BURST) {
		double frames = rfc2544_back_to_back(&bench->trial, &bench->options);
		add(row, "back_to_back", frames);
		say(bench, "back-to-back", frames, "frames");
	}
}

static int measure(struct bench *bench, const struct command_line *line)
{
	cJSON *document = cJSON_CreateObject(), *list;

	(void)cJSON_AddStringToObject(document, "format", "sluice-rfc2544/1");
	add(document, "trial_seconds", (double)bench->options.duration_ns / 1e9);
	add(document, "tolerated_loss", bench->options.tolerated);
	list = cJSON_AddArrayToObject(document, "rows");
	for (unsigned i = 0; i < bench->sizes_n && !command_interrupted() && !bench->failed; i++)
		measure_size(bench, bench->sizes[i], list);
	(void)cJSON_AddBoolToObject(document, "interrupted", command_interrupted());
	struct port *back = bench->ports[bench->ports_n - 1];
	const struct results_port port = {bench->to, ports_driver(back), ports_stamps(back),
	                                  "ordinary"};
	cJSON_AddItemToObject(document, "provenance",
	                      results_provenance(line->argc, line->argv, &port));
	int status = bench->json ? command_write(bench->json, command_put_json, document) : 0;
	cJSON_Delete(document);
	if (bench->failed)
		return command_complain(STATUS_BROKEN, "%s: %s", bench->to, bench->failed);
	return status;
}

int command_rfc2544(int argc, char **argv, const struct command_line *line)
{
	static struct bench bench = {
	        .trial = {.run = run_trial},
	        .tests = TEST_ALL,
	        .sizes = {64, 128, 256, 512, 1024, 1280, 1518}, /* section 9.1 */
	        .sizes_n = 7,
	        .line = {.kind = SCHEDULE_TOP},
	        .options = {.duration_ns = 60ull * 1000000000,
	                    .resolution = 0.01,
	                    .repeats = 20,
	                    .burst_max = 10000},
	        /* 198.18.0.0/15 is set aside for this: appendix C.2.2 */
	        .source = {.mac = {2, 0, 0, 0, 0, 1}, .ip = {198, 18, 0, 2}, .port = 49184},
	        .target = {.mac = {2, 0, 0, 0, 0, 2}, .ip = {198, 19, 0, 2}, .port = 7},
	};
	int status = parse(argc, argv, &bench);

	if (status)
		return status < 0 ? STATUS_GOOD : status;
	const char *const ports[] = {bench.to, bench.from};
	packet_group_settle(ports, 2);
	command_catch();
	status = open_bench(&bench);
	if (!status)
		status = measure(&bench, line);
	if (bench.ports_n)
		ports_close(bench.ports, bench.ports_n);
	if (bench.trace)
		trace_source_close(bench.trace);
	return status;
}
