/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The replay engine on a machine of its own: an environment that owns a port whole and sends a
 * trace out of it, or sends back what arrives. Its words:
 *
 *   reflect [--swap nothing|mac|addresses|ports]
 *   send    [--from disk [--bytes N] | --from http://ADDRESS/PATH] [those of sender_words.h]
 *
 * The trace is the content `trace`, packed (engine/packed.h), or lies on the environment's part of
 * a disk, or with a web server: packed, or a pcap file of Ethernet frames. It says on the console
 * what it does, each second how far it is, and what came of it.
 */
#include <stdio.h>
#include <string.h>

#include <libexo/start.h>

#include "engine/packed.h"
#include "engine/reflect.h"
#include "engine/sender.h"
#include "engine/stream.h"
#include "report/sender_words.h"
#include "station_disk.h"
#include "station_fetch.h"
#include "station_port.h"

enum {
	SECOND_NS = 1000000000,
	FLIGHT_BITS = 14,
	FLIGHT_BITS_MAX = 20,
	ARGUMENTS_MAX = 64,
	STEPS = 64, /* rounds between two looks at the time */
};

struct station {
	struct station_port port;
	struct sender_options options;
	unsigned swap; /* enum reflect_swap */
	const char *from;
	uint64_t bytes; /* of the trace on a disk; 0: all of it */

	/* The trace, by where it is. */
	struct source *source;
	union {
		struct packed packed;
		struct station_disk disk;
		struct station_fetch fetch;
	} at;
	bool fetches;
	struct stream stream;
	struct sender sender;
	struct sender_tally tally;
};

static struct station station;

static int complain(const char *what, const char *why)
{
	printf("replay: %s%s%s\n", what, *what ? ": " : "", why);
	return 1;
}

/* NULL, or what is wrong. *role: the first word. */
static const char *take_words(const char **role)
{
	static char error[WORDS_REASON_MAX], *arguments[ARGUMENTS_MAX];
	struct word sender[SENDER_WORDS];
	const struct word own[] = {
	        WORD_OF("swap", &station.swap, reflect_names),
	        WORD("from", WORD_TEXT, &station.from),
	        WORD("bytes", WORD_SIZE, &station.bytes),
	        WORDS_END,
	};
	const struct word *const tables[] = {own, sender};
	int n = 0;

	/* The start page is read-only, and words are split in place. */
	for (const char *text; n < ARGUMENTS_MAX && (text = exo_start_arg((unsigned)n)); n++)
		if (!(arguments[n] = strdup(text)))
			return "there is not enough memory";
	station.options = sender_usual_options();
	station.options.flight_bits = FLIGHT_BITS;
	station.swap = REFLECT_MAC;
	sender_words(&station.options, sender);
	if (words_take(n, arguments, tables, 2, error) != 1)
		return *error ? error : "send or reflect is expected";
	*role = arguments[1];
	if (station.options.flight_bits > FLIGHT_BITS_MAX)
		return "--window is at most 20 here";
	return sender_words_check(&station.options);
}

static _Noreturn void reflect(struct port *port)
{
	struct reflect_tally tally = {0};
	uint64_t said_ns = 0, said = 0;

	puts("reflect: ready");
	for (;;) {
		uint64_t now_ns = port->now(port);
		if (!reflect_step(port, (enum reflect_swap)station.swap, &tally))
			port->idle(port, now_ns + SECOND_NS);
		if (tally.received == said || now_ns - said_ns < SECOND_NS)
			continue;
		printf("reflect: %llu frames arrived, %llu were sent back, %llu found no room\n",
		       (unsigned long long)tally.received, (unsigned long long)tally.sent,
		       (unsigned long long)tally.dropped);
		said_ns = now_ns;
		said = tally.received;
	}
}

static const char *open_content(void)
{
	const struct exo_start_file *file = exo_start_file("trace");

	if (!file)
		return "the payload has no content of that name";
	station.source = &station.at.packed.source;
	return packed_open(&station.at.packed, (const void *)file->address, file->size);
}

static void open_stream(struct stream_feed *feed)
{
	stream_open(&station.stream, feed, station.port.port.longest);
	station.source = &station.stream.source;
}

/* NULL, or why there is no trace. */
static const char *open_trace(void)
{
	const char *wrong;

	if (!station.from)
		return open_content();
	station.fetches = strcmp(station.from, "disk") != 0;
	if (station.fetches) {
		wrong = station_fetch_open(&station.at.fetch, station.from);
		open_stream(&station.at.fetch.feed);
	} else {
		wrong = station_disk_open(&station.at.disk, station.bytes);
		open_stream(&station.at.disk.feed);
	}
	return wrong;
}

static void say_times(const char *what, const struct histogram *times)
{
	printf("send: %s %.1f us at the median, %.1f us at the 99th percentile, %.1f us at most\n",
	       what, (double)histogram_quantile(times, 5000) / 1e3,
	       (double)histogram_quantile(times, 9900) / 1e3, (double)times->max / 1e3);
}

static void say_odd(const char *what, uint64_t n, uint64_t first)
{
	if (n)
		printf("send: %llu records %s (the first: %llu)\n", (unsigned long long)n, what,
		       (unsigned long long)first);
}

static void say_account(const struct stream_account *account)
{
	printf("send: %llu records were read, %llu of them frames\n",
	       (unsigned long long)account->records, (unsigned long long)account->frames);
	say_odd("were left out: shorter than an Ethernet header", account->too_short.n,
	        account->too_short.first);
	say_odd("were left out: longer than this port sends", account->too_long.n,
	        account->too_long.first);
	say_odd("were sent shorter than they were: the capture did not keep their ends",
	        account->snapped.n, account->snapped.first);
	say_odd("are older than one before them", account->disordered.n, account->disordered.first);
}

static void say_end(const struct sender_tally *tally)
{
	printf("send: %llu frames, %llu bytes in %.6f s\n", (unsigned long long)tally->sent,
	       (unsigned long long)tally->sent_bytes, (double)tally->span_ns / 1e9);
	say_times("departure behind its time:", &tally->late);
	if (station.options.listen) {
		printf("send: %llu returned, %llu lost, %llu twice, %llu out of order\n",
		       (unsigned long long)tally->returned, (unsigned long long)tally->lost,
		       (unsigned long long)tally->duplicates, (unsigned long long)tally->reordered);
		say_times("round trip:", &tally->latency);
	}
	if (tally->starved)
		printf("send: %llu times the next frame was not there yet when it was asked for\n",
		       (unsigned long long)tally->starved);
	say_odd("were left out: longer than this port sends once rewritten", tally->too_long,
	        tally->too_long_first);
}

/* The NIC may hold frames for a while yet, and nobody tells when they have gone: where the machine
 * goes off with its last environment, they would go with it. */
static void linger(struct port *port)
{
	uint64_t end_ns = port->now(port) + SECOND_NS;

	while (port->now(port) < end_ns)
		port->idle(port, end_ns);
}

/* Drives the sender to its end. */
static void drive(struct port *port)
{
	uint64_t said_ns = port->now(port), said = 0;

	for (unsigned i = 0; sender_step(&station.sender) != SENDER_DONE; i++) {
		if (station.fetches)
			station_fetch_poll(&station.at.fetch);
		if (i % STEPS || station.tally.sent == said)
			continue;
		uint64_t now_ns = port->now(port);
		if (now_ns - said_ns < SECOND_NS)
			continue;
		said = station.tally.sent;
		said_ns = now_ns;
		printf("send: %llu frames so far\n", (unsigned long long)said);
	}
}

static int send_trace(void)
{
	struct port *port = &station.port.port;
	const char *wrong = open_trace();

	if (wrong)
		return complain("trace", wrong);
	station.options.run = (uint32_t)port->now(port)
	                      << 16; /* by a clock of this machine's own */
	if (sender_open(&station.sender, &station.options, port, port, station.source,
	                &station.tally))
		return complain("", "there is not enough memory");
	drive(port);
	if (station.from)
		say_account(&station.stream.account);
	say_end(&station.tally);
	linger(port);
	if (station.port.net.tx.refused)
		printf("send: %llu frames were refused: outside the flow space\n",
		       (unsigned long long)station.port.net.tx.refused);
	if (station.sender.error)
		return complain("trace", station.sender.error);
	puts("send: done");
	return 0;
}

int main(void)
{
	const char *role, *wrong = take_words(&role);

	if (wrong)
		return complain("", wrong);
	bool sends = !strcmp(role, "send");
	if (!sends && strcmp(role, "reflect") != 0)
		return complain(role, "is neither send nor reflect");
	if (station_port_open(&station.port) < 0)
		return complain("", station.port.net.error);
	if (sends)
		return send_trace();
	reflect(&station.port.port);
}
