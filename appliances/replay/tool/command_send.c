/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `sluice-replay send`: a trace, a port, runs, a document, and what is made of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "command.h"
#include "html.h"
#include "own_clock.h"
#include "packet_group.h"
#include "port_internal.h"
#include "progress.h"
#include "punctual.h"
#include "results.h"
#include "send_options.h"

enum {
	FLOOR_FRAMES = 20000,
	FLOOR_PPS = 100000,
	AWAIT_PPS = 10,
	INTERRUPT_STEPS = 64, /* rounds between two looks at the terminal */
};

struct sending {
	struct send_options options;
	const struct command_line *line;
	struct trace_source *trace;
	struct port *ports[2];
	unsigned ports_n;
	struct sender_tally tally;
	struct histogram latency; /* of all runs */
	struct capture capture;
	FILE *departures;
	unsigned run;
	cJSON *document;
};

static void on_departure(void *context, uint64_t number, uint64_t due_ns, uint64_t sent_ns)
{
	const struct sending *sending = context;

	fprintf(sending->departures, "%u,%llu,%llu,%llu\n", sending->run,
	        (unsigned long long)number, (unsigned long long)due_ns,
	        (unsigned long long)sent_ns);
}

static void on_arrival(void *context, const struct port_arrival *arrival, enum flight_fate fate)
{
	struct sending *sending = context;
	static const char *const comments[] = {
	        [FLIGHT_FOREIGN] = "not sent by this run", [FLIGHT_DUPLICATE] = "came before"};

	capture_frame(&sending->capture, arrival->time_ns, arrival->data, arrival->length,
	              comments[fate]);
}

static unsigned on_tag(void *context, const uint8_t *frame, uint32_t length)
{
	return tags_of(&((struct sending *)context)->options.tags, frame, length);
}

/* Drives one sender to its end. */
static void drive(struct sender *sender, struct progress *progress)
{
	for (unsigned i = 0; sender_step(sender) != SENDER_DONE; i++) {
		if (i % INTERRUPT_STEPS)
			continue;
		if (command_interrupted())
			sender_stop(sender);
		progress_show(progress, sender, sender->port->now(sender->port));
	}
	progress_end(progress);
}

/* What the measuring loop itself takes: the same engine over a port that returns frames at once. */
static int measure_floor(struct sending *sending)
{
	const struct ports_options ports = {.longest = 65536};
	struct sender_options options = {
	        .schedule = {.kind = SCHEDULE_PACKETS, .rate = 1000ull * FLOOR_PPS},
	        .frames_max = FLOOR_FRAMES,
	        .timeout_ns = 1000000000,
	        .flight_bits = 15,
	        .listen = true};
	struct ports_port *loop = port_loop_open(&ports);
	struct progress none = {0};
	struct sender sender;

	if (sender_open(&sender, &options, &loop->port, &loop->port, &sending->trace->source,
	                &sending->tally))
		return command_complain(STATUS_BROKEN, "there is not enough memory");
	drive(&sender, &none);
	sender_close(&sender);
	loop->close(loop);
	cJSON *floor = cJSON_AddObjectToObject(sending->document, "floor");
	cJSON_AddItemToObject(floor, "latency_ns", results_quantiles(&sending->tally.latency));
	cJSON_AddItemToObject(floor, "late_ns", results_quantiles(&sending->tally.late));
	sending->trace->source.rewind(&sending->trace->source);
	return STATUS_GOOD;
}

/* Sends the trace's beginning, slowly, until something of it returns: the far end may be booting.
 */
static int await_return(struct sending *sending)
{
	struct sender_options options = sending->options.sender;
	struct port *port = sending->ports[0];
	uint64_t end = port->now(port) + sending->options.await_ns;
	struct sender sender;

	options.schedule = (struct schedule){.kind = SCHEDULE_PACKETS, .rate = AWAIT_PPS * 1000ull};
	options.passes = options.duration_ns = options.warmup_ns = 0;
	options.frames_max = 0;
	options.departed = NULL;
	options.arrived = NULL;
	if (sender_open(&sender, &options, port, sending->ports[sending->ports_n - 1],
	                &sending->trace->source, &sending->tally))
		return command_complain(STATUS_BROKEN, "there is not enough memory");
	while (!sending->tally.returned && !sender.error && port->now(port) < end &&
	       !command_interrupted())
		(void)sender_step(&sender);
	/* What is still under way must not return into the measurement: by content it is the same.
	 */
	sender_stop(&sender);
	while (sender_step(&sender) != SENDER_DONE && !command_interrupted())
		;
	sender_close(&sender);
	sending->trace->source.rewind(&sending->trace->source);
	if (sending->tally.returned || command_interrupted())
		return STATUS_GOOD;
	return command_complain(STATUS_BROKEN, "%s: %s", sending->options.to,
	                        sender.error ? sender.error : "nothing returned from it");
}

static uint64_t expected_frames(const struct sending *sending)
{
	const struct send_options *options = &sending->options;
	uint64_t frames = sending->trace->account.streamed ? 0 : sending->trace->account.frames;
	uint64_t most = options->sender.frames_max;

	frames *= options->sender.passes;
	return most && (!frames || most < frames) ? most : frames;
}

static int run_once(struct sending *sending)
{
	struct sender_options options = sending->options.sender;
	struct port *back = sending->ports[sending->ports_n - 1];
	const char *names[SENDER_TAGS];
	struct port_statistics statistics;
	struct progress progress;
	struct sender sender;

	options.run = own_clock_run();
	if (sender_open(&sender, &options, sending->ports[0], back, &sending->trace->source,
	                &sending->tally))
		return command_complain(STATUS_BROKEN, "there is not enough memory for --window %u",
		                        options.flight_bits);
	progress_begin(&progress, sending->options.common.quiet, expected_frames(sending));
	drive(&sender, &progress);
	sender_close(&sender);
	ports_statistics(sending->ports[0], &statistics);
	tags_names(&sending->options.tags, names);
	cJSON_AddItemToArray(cJSON_GetObjectItem(sending->document, "runs"),
	                     results_run(&sending->tally, &statistics, names,
	                                 sending->options.tags.n, sender.error));
	histogram_merge(&sending->latency, &sending->tally.latency);
	if (!sender.error)
		return STATUS_GOOD;
	const struct port *port = sending->ports[0];
	bool is_port = port->broken && port->broken(sending->ports[0]);
	return command_complain(STATUS_BROKEN, "%s: %s",
	                        is_port ? sending->options.to : sending->options.trace,
	                        sender.error);
}

static int run_all(struct sending *sending)
{
	int status = STATUS_GOOD;

	(void)cJSON_AddArrayToObject(sending->document, "runs");
	for (sending->run = 1; sending->run <= sending->options.repeat; sending->run++) {
		if (sending->run > 1)
			sending->trace->source.rewind(&sending->trace->source);
		status = run_once(sending);
		if (status || command_interrupted())
			break;
	}
	(void)cJSON_AddBoolToObject(sending->document, "interrupted", command_interrupted());
	return status;
}

static void describe_options(struct sending *sending)
{
	const struct sender_options *sender = &sending->options.sender;
	static const char *const kinds[] = {"original", "packets", "bits", "top"};
	cJSON *options = cJSON_AddObjectToObject(sending->document, "options");

	(void)cJSON_AddStringToObject(options, "rate", kinds[sender->schedule.kind]);
	(void)cJSON_AddNumberToObject(options, "per_second",
	                              sender->schedule.kind == SCHEDULE_BITS
	                                      ? (double)sender->schedule.rate
	                                      : (double)sender->schedule.rate / 1000);
	(void)cJSON_AddNumberToObject(options, "burst", sender->schedule.burst);
	(void)cJSON_AddNumberToObject(options, "passes", (double)sender->passes);
	(void)cJSON_AddNumberToObject(options, "warmup_ns", (double)sender->warmup_ns);
	(void)cJSON_AddNumberToObject(options, "timeout_ns", (double)sender->timeout_ns);
	(void)cJSON_AddBoolToObject(options, "listen", sender->listen);
	(void)cJSON_AddBoolToObject(options, "sign", sender->sign);
}

static int open_ports(struct sending *sending)
{
	const char *names[2] = {sending->options.to, sending->options.from};
	struct ports_options options = {.longest = sending->trace->account.streamed
	                                                   ? ports_longest(names[0])
	                                                   : sending->trace->account.longest +
	                                                             REWRITE_GROWTH,
	                                .verbose = sending->options.common.verbose,
	                                .wait_for_peer = true,
	                                .deaf = !sending->options.sender.listen};
	char error[PORTS_REASON_MAX];

	if (options.longest < 1518)
		options.longest = 1518;
	unsigned n = names[1] ? 2 : 1;
	if (ports_open(names, n, &options, sending->ports, error))
		return command_complain(STATUS_BROKEN, "%s", error);
	sending->ports_n = n;
	for (unsigned i = 0; i < n; i++) {
		uint32_t longest = ports_longest(names[i]);
		if (longest < sending->ports[i]->longest)
			sending->ports[i]->longest = longest;
		if (!ports_link_up(sending->ports[i]))
			return command_complain(STATUS_BROKEN, "%s has no link", names[i]);
	}
	return STATUS_GOOD;
}

static int open_files(struct sending *sending)
{
	const struct send_options *options = &sending->options;
	int status;

	if (options->departures) {
		sending->departures = fopen(options->departures, "we");
		if (!sending->departures)
			return command_complain(STATUS_BROKEN, "%s: %s", options->departures,
			                        strerror(errno));
		fputs("run,number,due_ns,sent_ns\n", sending->departures);
		sending->options.sender.departed = on_departure;
	}
	if (options->capture) {
		status = capture_open(&sending->capture, options->capture, options->to);
		if (status)
			return command_complain(STATUS_BROKEN, "%s: %s", options->capture,
			                        strerror(-status));
		sending->options.sender.arrived = on_arrival;
	}
	if (options->tags.flows || options->tags.n > 1)
		sending->options.sender.tag = on_tag;
	sending->options.sender.context = sending;
	return STATUS_GOOD;
}

static int open_trace(struct sending *sending)
{
	const struct send_options *options = &sending->options;
	char error[TRACE_REASON_MAX];

	sending->trace = trace_source_open(options->trace, ports_longest(options->to),
	                                   options->preload, error);
	if (!sending->trace)
		return command_complain(STATUS_BROKEN, "%s: %s", options->trace, error);
	if (!sending->trace->account.streamed)
		command_explain_trace(&sending->trace->account);
	return STATUS_GOOD;
}

static void put_html(FILE *out, const void *document)
{
	html_report(out, document);
}

static void put_csv(FILE *out, const void *document)
{
	results_csv(out, document);
}

static void put_hgrm(FILE *out, const void *histogram)
{
	results_hgrm(out, histogram);
}

static int write_all(const struct sending *sending)
{
	const struct send_options *options = &sending->options;
	int status = STATUS_GOOD;

	if (options->report)
		status |= command_write(options->report, put_html, sending->document);
	if (options->json)
		status |= command_write(options->json, command_put_json, sending->document);
	if (options->csv)
		status |= command_write(options->csv, put_csv, sending->document);
	if (options->hgrm)
		status |= command_write(options->hgrm, put_hgrm, &sending->latency);
	return status;
}

static void say_verdict(const struct sending *sending)
{
	char text[2048];
	const cJSON *each;

	html_verdict(text, sizeof(text), sending->document);
	fprintf(stderr, "%s\n", text);
	cJSON_ArrayForEach(each, cJSON_GetObjectItem(sending->document, "requirements"))
	{
		if (!cJSON_IsTrue(cJSON_GetObjectItem(each, "held")))
			fprintf(stderr, "  %s did not hold\n",
			        cJSON_GetStringValue(cJSON_GetObjectItem(each, "text")));
	}
}

static bool is_emulated(const struct sending *sending)
{
	return !strncmp(sending->options.to, "qemu:", 5);
}

/* Where there are deadlines. A trace that is read meanwhile has a thread of its own, and who sends
 * back what we listen for may be on this computer. */
static const char *be_punctual(const struct sending *sending)
{
	if (sending->options.sender.schedule.kind == SCHEDULE_TOP)
		return "ordinary: there are no deadlines";
	if (is_emulated(sending))
		return "ordinary: the machine is emulated by this computer";
	bool others = sending->trace->account.streamed || sending->options.sender.listen;
	return punctual_begin(others ? 2 : 1);
}

static int send_trace(struct sending *sending)
{
	int status = open_trace(sending);

	if (status || (status = open_files(sending)) || (status = open_ports(sending)))
		return status;
	const char *priority = be_punctual(sending);
	if (!sending->trace->account.streamed && (status = measure_floor(sending)))
		return status;
	if (sending->options.await_ns && (status = await_return(sending)))
		return status;
	describe_options(sending);
	status = run_all(sending);
	punctual_end();
	if (sending->trace->account.streamed) { /* only now it was seen */
		trace_source_stop(sending->trace);
		command_explain_trace(&sending->trace->account);
	}
	const struct results_port port = {sending->options.to, ports_driver(sending->ports[0]),
	                                  ports_stamps(sending->ports[sending->ports_n - 1]),
	                                  priority};
	cJSON *provenance = results_provenance(sending->line->argc, sending->line->argv, &port);
	(void)cJSON_AddBoolToObject(provenance, "emulated", is_emulated(sending));
	cJSON_AddItemToObject(sending->document, "provenance", provenance);
	cJSON_AddItemToObject(sending->document, "trace", results_trace(&sending->trace->account));
	results_summarise(sending->document);
	bool held = require_judge(sending->document, sending->options.requirements,
	                          sending->options.requirements_n);
	if (!sending->options.common.quiet)
		say_verdict(sending);
	int written = write_all(sending);
	return status ? status : written ? written : held ? STATUS_GOOD : STATUS_MISSED;
}

static int close_all(struct sending *sending, int status)
{
	if (sending->capture.file && capture_close(&sending->capture))
		status = command_complain(STATUS_BROKEN, "%s: it can't be written to its end",
		                          sending->options.capture);
	if (sending->departures && fclose(sending->departures))
		status = command_complain(STATUS_BROKEN, "%s: it can't be written to its end",
		                          sending->options.departures);
	if (sending->ports_n)
		ports_close(sending->ports, sending->ports_n);
	if (sending->trace)
		trace_source_close(sending->trace);
	tags_free(&sending->options.tags);
	cJSON_Delete(sending->document);
	return status;
}

int command_send(int argc, char **argv, const struct command_line *line)
{
	static struct sending sending;
	int status = send_options_parse(argc, argv, &sending.options);

	if (status)
		return status < 0 ? STATUS_GOOD : status;
	const char *const ports[] = {sending.options.to, sending.options.from};
	packet_group_settle(ports, 2);
	sending.line = line;
	sending.document = cJSON_CreateObject();
	(void)cJSON_AddStringToObject(sending.document, "format", "sluice-replay/1");
	command_catch();
	return close_all(&sending, send_trace(&sending));
}
