/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The replay engine on a machine of its own: an environment that owns a port whole and sends a
 * trace out of it, or sends back what arrives. Arguments:
 *
 *   role=reflect [swap=nothing|mac|addresses|ports]
 *   role=send    [pps=N] [speed=PERCENT] [loop=N] [sign=1] [listen=1]   trace: the content `trace`
 *
 * It says on the console what it does, each second how far it is, and what came of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libexo/start.h>

#include "engine/packed.h"
#include "engine/reflect.h"
#include "engine/sender.h"
#include "station_port.h"

enum { SECOND_NS = 1000000000, FLIGHT_BITS = 14 };

/* What follows `name=` among the arguments; NULL where it is not there. */
static const char *argument(const char *name)
{
	size_t length = strlen(name);
	const char *at;

	for (unsigned i = 1; (at = exo_start_arg(i)) != NULL; i++)
		if (!strncmp(at, name, length) && at[length] == '=')
			return at + length + 1;
	return NULL;
}

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = argument(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static enum reflect_swap swap_of(const char *text)
{
	static const char *const names[] = {"nothing", "mac", "addresses", "ports"};

	for (unsigned i = 0; text && i < 4; i++)
		if (!strcmp(text, names[i]))
			return (enum reflect_swap)i;
	return REFLECT_MAC;
}

static void reflect(struct port *port)
{
	enum reflect_swap swap = swap_of(argument("swap"));
	struct reflect_tally tally = {0};
	uint64_t said_ns = 0, said = 0;

	puts("reflect: ready");
	for (;;) {
		uint64_t now_ns = port->now(port);
		if (!reflect_step(port, swap, &tally))
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

static struct schedule schedule_of(void)
{
	uint64_t pps = number("pps", 0), percent = number("speed", 100);

	if (argument("top"))
		return (struct schedule){.kind = SCHEDULE_TOP};
	if (pps)
		return (struct schedule){.kind = SCHEDULE_PACKETS, .rate = pps * 1000};
	return (struct schedule){.kind = SCHEDULE_ORIGINAL, .speed = percent ? percent * 10 : 1000};
}

static void say_end(const struct sender_tally *tally)
{
	printf("send: %llu frames, %llu bytes in %.6f s; behind their time by %.1f us at the 99th "
	       "percentile, %.1f us at most\n",
	       (unsigned long long)tally->sent, (unsigned long long)tally->sent_bytes,
	       (double)tally->span_ns / 1e9, (double)histogram_quantile(&tally->late, 9900) / 1e3,
	       (double)tally->late.max / 1e3);
	if (tally->returned)
		printf("send: %llu returned, %llu lost; round trip %.1f us at the median, %.1f us "
		       "at "
		       "the 99th percentile, %.1f us at most\n",
		       (unsigned long long)tally->returned, (unsigned long long)tally->lost,
		       (double)histogram_quantile(&tally->latency, 5000) / 1e3,
		       (double)histogram_quantile(&tally->latency, 9900) / 1e3,
		       (double)tally->latency.max / 1e3);
	if (tally->too_long)
		printf("send: %llu frames were longer than this port sends\n",
		       (unsigned long long)tally->too_long);
}

static int send_trace(struct port *port)
{
	const struct exo_start_file *file = exo_start_file("trace");
	static struct sender_tally tally;
	struct sender_options options = {.schedule = schedule_of(),
	                                 .passes = number("loop", 1),
	                                 .timeout_ns = SECOND_NS,
	                                 .run = (uint32_t)port->now(port) << 16,
	                                 .flight_bits = FLIGHT_BITS,
	                                 .listen = number("listen", 0),
	                                 .sign = number("sign", 0)};
	struct packed trace;
	struct sender sender;
	const char *wrong = "the payload has no content of that name";

	if (file)
		wrong = packed_open(&trace, (const void *)file->address, file->size);
	if (wrong) {
		printf("send: trace: %s\n", wrong);
		return 1;
	}
	printf("send: %llu frames\n", (unsigned long long)trace.frames);
	if (sender_open(&sender, &options, port, port, &trace.source, &tally)) {
		puts("send: there is not enough memory");
		return 1;
	}
	while (sender_step(&sender) != SENDER_DONE)
		;
	say_end(&tally);
	if (sender.error)
		printf("send: %s\n", sender.error);
	sender_close(&sender);
	return sender.error ? 1 : 0;
}

int main(void)
{
	static struct station_port station;
	const char *role = argument("role");
	int result = station_port_open(&station);

	if (result < 0) {
		printf("replay: %s\n", station.net.error);
		return 1;
	}
	if (role && !strcmp(role, "send"))
		return send_trace(&station.port);
	reflect(&station.port);
	return 0;
}
