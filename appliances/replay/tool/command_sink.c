/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `sluice-replay sink`: counts and times what arrives, per binding or flow.
 */
#include <stdlib.h>
#include <string.h>

#include "../engine/identity.h"
#include "capture.h"
#include "command.h"
#include "own_clock.h"
#include "packet_group.h"
#include "port_internal.h"
#include "../report/quantity.h"
#include "../report/words.h"
#include "results.h"
#include "tags.h"

static const char usage[] =
        "usage: sluice-replay sink PORT [options]\n"
        "\n"
        "Counts what arrives until Ctrl-C: frames, bytes, rate, and the times between arrivals; of "
        "frames\n"
        "that `send --sign` signed on this computer also the one-way latency, since both have one "
        "clock.\n"
        "\n"
        "  --bind NAME=EXPR   those that libpcap's expression accepts, apart; repeatable\n"
        "  --flows            each of the first flows apart\n"
        "  --duration TIME, --frames N   ends by itself\n"
        "  --capture FILE     what arrived, as pcapng\n"
        "  --longest BYTES    of a frame (1518)\n"
        "  -j                 JSON; -q: no word on the way; -v: DPDK's messages\n";

static const uint64_t ONE_WAY_MAX_NS = 60000000000; /* more is no signature */

struct counter {
	uint64_t frames, bytes, first_ns, last_ns;
	struct histogram gaps, one_way;
};

struct sink {
	const char *port_name, *capture_path;
	uint64_t duration_ns, frames_max, longest;
	struct common_words common;
	struct tags tags;
	struct counter counters[SENDER_TAGS];
	uint64_t frames;
	uint16_t clock;
	struct capture capture;
};

static void count_one_way(const struct sink *sink, struct counter *counter,
                          const struct port_arrival *arrival)
{
	struct signature signature;

	if (!sink->clock ||
	    !signature_of_clock(arrival->data, arrival->length, sink->clock, &signature))
		return;
	uint64_t took = arrival->time_ns - signature.time_ns;
	if (took <= ONE_WAY_MAX_NS)
		histogram_add(&counter->one_way, took);
}

static void count(struct counter *counter, const struct port_arrival *arrival)
{
	if (counter->frames++ == 0)
		counter->first_ns = arrival->time_ns;
	else
		histogram_add(&counter->gaps, arrival->time_ns - counter->last_ns);
	counter->last_ns = arrival->time_ns;
	counter->bytes += arrival->length;
}

static void take_all(struct sink *sink, const struct port_arrival *arrivals, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct port_arrival *arrival = &arrivals[i];
		if (arrival->length < PORT_ETHERNET)
			continue;
		struct counter *counter =
		        &sink->counters[tags_of(&sink->tags, arrival->data, arrival->length)];
		count(counter, arrival);
		count_one_way(sink, counter, arrival);
		if (sink->capture.file)
			capture_frame(&sink->capture, arrival->time_ns, arrival->data,
			              arrival->length, NULL);
		sink->frames++;
	}
}

static double rate_of(const struct counter *counter)
{
	uint64_t span = counter->last_ns - counter->first_ns;

	return span ? (double)(counter->frames - 1) * 1e9 / (double)span : 0;
}

static const char *const clock_words[] = {
        "not measured: no frame was signed by a sender whose clock is this one's",
        "sender and sink have the same clock: same boot of the same computer"};

static bool clocks_shared(const struct sink *sink)
{
	for (unsigned i = 0; i < sink->tags.n; i++)
		if (sink->counters[i].one_way.count)
			return true;
	return false;
}

static void put_one_way(const struct sink *sink)
{
	char p50[48], p99[48], max[48];

	printf("one-way latency: %s\n", clock_words[clocks_shared(sink)]);
	for (unsigned i = 0; i < sink->tags.n; i++) {
		const struct histogram *one_way = &sink->counters[i].one_way;
		if (!one_way->count)
			continue;
		printf("%-44s %12llu %38s %10s %10s\n", sink->tags.names[i],
		       (unsigned long long)one_way->count,
		       quantity_show_time(p50, sizeof(p50),
		                          (double)histogram_quantile(one_way, 5000)),
		       quantity_show_time(p99, sizeof(p99),
		                          (double)histogram_quantile(one_way, 9900)),
		       quantity_show_time(max, sizeof(max), (double)one_way->max));
	}
}

static void put_table(const struct sink *sink)
{
	char rate[48], p50[48], p99[48], max[48];

	printf("%-44s %12s %14s %12s %10s %10s %10s\n", "binding", "frames", "bytes", "rate",
	       "gap 50 %", "99 %", "most");
	for (unsigned i = 0; i < sink->tags.n; i++) {
		const struct counter *counter = &sink->counters[i];
		printf("%-44s %12llu %14llu %12s %10s %10s %10s\n", sink->tags.names[i],
		       (unsigned long long)counter->frames, (unsigned long long)counter->bytes,
		       quantity_show(rate, sizeof(rate), rate_of(counter), "pps"),
		       quantity_show_time(p50, sizeof(p50),
		                          (double)histogram_quantile(&counter->gaps, 5000)),
		       quantity_show_time(p99, sizeof(p99),
		                          (double)histogram_quantile(&counter->gaps, 9900)),
		       quantity_show_time(max, sizeof(max), (double)counter->gaps.max));
	}
	put_one_way(sink);
}

static void put_json(const struct sink *sink, const struct port_statistics *statistics)
{
	cJSON *document = cJSON_CreateObject(), *list;

	(void)cJSON_AddStringToObject(document, "format", "sluice-sink/1");
	(void)cJSON_AddNumberToObject(document, "frames", (double)sink->frames);
	(void)cJSON_AddNumberToObject(document, "receive_missed",
	                              (double)statistics->receive_missed);
	(void)cJSON_AddStringToObject(document, "one_way", clock_words[clocks_shared(sink)]);
	list = cJSON_AddArrayToObject(document, "bindings");
	for (unsigned i = 0; i < sink->tags.n; i++) {
		const struct counter *counter = &sink->counters[i];
		cJSON *object = cJSON_CreateObject();
		(void)cJSON_AddStringToObject(object, "name", sink->tags.names[i]);
		(void)cJSON_AddNumberToObject(object, "frames", (double)counter->frames);
		(void)cJSON_AddNumberToObject(object, "bytes", (double)counter->bytes);
		(void)cJSON_AddNumberToObject(object, "pps", rate_of(counter));
		cJSON_AddItemToObject(object, "gap_ns", results_quantiles(&counter->gaps));
		if (counter->one_way.count)
			cJSON_AddItemToObject(object, "one_way_ns",
			                      results_quantiles(&counter->one_way));
		cJSON_AddItemToArray(list, object);
	}
	command_put_json(stdout, document);
	cJSON_Delete(document);
}

static bool goes_on(const struct sink *sink, struct port *port, uint64_t end)
{
	return !command_interrupted() && port->now(port) < end &&
	       (!sink->frames_max || sink->frames < sink->frames_max);
}

static const char *listen_to(struct sink *sink, struct port *port)
{
	struct port_arrival arrivals[PORT_BURST];
	uint64_t end = sink->duration_ns ? port->now(port) + sink->duration_ns : UINT64_MAX;
	const char *broken = NULL;

	while (!broken && goes_on(sink, port, end)) {
		unsigned n = port->receive(port, arrivals);
		take_all(sink, arrivals, n);
		if (!n && port->idle)
			port->idle(port, end);
		broken = port->broken ? port->broken(port) : NULL;
	}
	return broken;
}

static int run(struct sink *sink)
{
	struct ports_options options = {.longest = (uint32_t)sink->longest,
	                                .verbose = sink->common.verbose};
	struct port_statistics statistics;
	char error[PORTS_REASON_MAX];
	struct port *port;

	if (sink->capture_path && capture_open(&sink->capture, sink->capture_path, sink->port_name))
		return command_complain(STATUS_BROKEN, "%s: it can't be written",
		                        sink->capture_path);
	if (ports_open(&sink->port_name, 1, &options, &port, error))
		return command_complain(STATUS_BROKEN, "%s", error);
	if (!sink->common.quiet)
		fprintf(stderr, "listening on %s; Ctrl-C ends it\n", sink->port_name);
	const char *broken = listen_to(sink, port);
	ports_statistics(port, &statistics);
	if (sink->common.json)
		put_json(sink, &statistics);
	else
		put_table(sink);
	ports_close(&port, 1);
	if (sink->capture.file && capture_close(&sink->capture))
		return command_complain(STATUS_BROKEN, "%s: it can't be written to its end",
		                        sink->capture_path);
	/* A machine that has done its work leaves. */
	return broken && !sink->common.quiet
	               ? command_complain(STATUS_GOOD, "%s: %s", sink->port_name, broken)
	               : STATUS_GOOD;
}

int command_sink(int argc, char **argv, const struct command_line *line)
{
	static struct sink sink = {.longest = 1518};
	const struct word words[] = {
	        WORD_BY("bind", &sink.tags, tags_bind),
	        WORD("flows", WORD_FLAG, &sink.tags.flows),
	        WORD("duration", WORD_TIME, &sink.duration_ns),
	        WORD("frames", WORD_COUNT, &sink.frames_max),
	        WORD_IN("longest", WORD_SIZE, &sink.longest, 60, PORTS_LONGEST),
	        WORD("capture", WORD_TEXT, &sink.capture_path),
	        WORDS_END,
	};
	const struct word *const table = words;

	tags_begin(&sink.tags);
	int plain = command_words(argc, argv, &table, 1, &sink.common, usage);
	if (plain < 0)
		return plain == COMMAND_HELPED ? STATUS_GOOD : STATUS_USAGE;
	if (plain != 1)
		return command_complain(STATUS_USAGE, "one port is needed; try sink --help");
	sink.port_name = argv[1];
	sink.clock = own_clock();
	packet_group_settle(&sink.port_name, 1);
	command_catch();
	int status = run(&sink);
	tags_free(&sink.tags);
	return status;
}
