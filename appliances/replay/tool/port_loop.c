/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A port whose frames come back at once: what it measures is the measuring loop itself, the floor
 * below which no figure of it means anything. `loop:` names one, to try things without a network.
 */
#include <stdio.h>
#include <stdlib.h>

#include "port_internal.h"
#include "punctual.h"

enum { LOOP_FRAME_MAX = 65536 };

struct loop_port {
	struct ports_port base; /* first */
	uint8_t *frames;        /* PORT_BURST */
	uint32_t lengths[PORT_BURST];
	unsigned taken_n, under_way;
	bool refused; /* since the last receive */
};

static uint8_t *place(struct loop_port *own, unsigned i)
{
	return own->frames + (size_t)i * LOOP_FRAME_MAX;
}

/* Who listens receives after a refusal; who does not loses what is under way, as on a wire. */
static bool wait_for_reader(struct loop_port *own)
{
	if (own->under_way && own->refused)
		own->under_way = 0;
	own->refused = own->under_way != 0;
	return own->refused;
}

static uint8_t *take(struct port *port, uint32_t length)
{
	struct loop_port *own = (struct loop_port *)port;

	if (wait_for_reader(own) || own->taken_n == PORT_BURST || length > LOOP_FRAME_MAX)
		return NULL;
	own->lengths[own->taken_n] = length;
	return place(own, own->taken_n++);
}

static unsigned send_taken(struct port *port)
{
	struct loop_port *own = (struct loop_port *)port;

	own->under_way = own->taken_n;
	own->taken_n = 0;
	own->base.statistics.sent += own->under_way;
	return own->under_way;
}

static unsigned receive(struct port *port, struct port_arrival *arrivals)
{
	struct loop_port *own = (struct loop_port *)port;
	unsigned n = own->under_way;
	uint64_t now = n ? port_clock_ns() : 0;

	for (unsigned i = 0; i < n; i++)
		arrivals[i] = (struct port_arrival){
		        .data = place(own, i), .length = own->lengths[i], .time_ns = now};
	own->under_way = 0;
	own->refused = false;
	own->base.statistics.received += n;
	return n;
}

static uint64_t now(struct port *port)
{
	return port_clock_ns();
}

static void doze(struct port *port, uint64_t until_ns)
{
	punctual_rest(port_clock_ns(), until_ns);
}

static bool link_up(struct ports_port *port)
{
	return true;
}

static void close_port(struct ports_port *port)
{
	free(((struct loop_port *)port)->frames);
	free(port);
}

struct ports_port *port_loop_open(const struct ports_options *options)
{
	struct loop_port *own = calloc(1, sizeof(*own));
	uint8_t *frames = malloc((size_t)PORT_BURST * LOOP_FRAME_MAX);

	if (!own || !frames)
		abort();
	own->frames = frames;
	own->base = (struct ports_port){.port = {.take = take,
	                                         .send = send_taken,
	                                         .receive = receive,
	                                         .now = now,
	                                         .doze = doze,
	                                         .longest = options->longest},
	                                .driver = "a loop in memory",
	                                .link_up = link_up,
	                                .close = close_port};
	return &own->base;
}
