/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The port. Waiting for a deadline spins when it is near: a call would take longer.
 */
#include <libexo/call.h>
#include <libexo/time.h>

#include "station_port.h"

enum {
	RING = 1024,
	SPIN_NS = 100000,
	REST_NS = 1000000,
};

static uint8_t *take(struct port *port, uint32_t length)
{
	struct station_port *own = (struct station_port *)port;

	if (own->taken_n == PORT_BURST || length > EXO_BUFFER_BYTES)
		return NULL;
	if (exo_tx_take(&own->net.tx, &own->taken[own->taken_n]) < 0)
		return NULL;
	own->lengths[own->taken_n] = length;
	return own->taken[own->taken_n++].data;
}

static unsigned send_taken(struct port *port)
{
	struct station_port *own = (struct station_port *)port;
	unsigned sent = 0;

	while (sent < own->taken_n &&
	       exo_tx_send(&own->net.tx, &own->taken[sent], own->lengths[sent], 0, 0) == 0)
		sent++;
	exo_tx_flush(&own->net.tx);
	own->taken_n -= sent;
	for (unsigned i = 0; sent && i < own->taken_n; i++) {
		own->taken[i] = own->taken[i + sent];
		own->lengths[i] = own->lengths[i + sent];
	}
	return sent;
}

static unsigned receive(struct port *port, struct port_arrival *arrivals)
{
	struct station_port *own = (struct station_port *)port;
	uint64_t ticks = exo_tsc(), now = exo_time_now_ns();

	exo_rx_release(&own->net.rx, own->given, own->given_n);
	own->given_n = exo_rx_burst(&own->net.rx, own->given, PORT_BURST);
	for (uint32_t i = 0; i < own->given_n; i++) {
		const struct exo_rx_frame *frame = &own->given[i];
		/* Cores' counters may differ by a little. */
		uint64_t ago = ticks > frame->timestamp ? exo_time_ns(ticks - frame->timestamp) : 0;
		arrivals[i] = (struct port_arrival){.data = frame->data,
		                                    .length = frame->length,
		                                    .time_ns = now > ago ? now - ago : 0};
	}
	return own->given_n;
}

static uint64_t now(struct port *port)
{
	return exo_time_now_ns();
}

static void idle(struct port *port, uint64_t until_ns)
{
	struct station_port *own = (struct station_port *)port;
	uint64_t now_ns = exo_time_now_ns();

	(void)exo_tx_reclaim(&own->net.tx);
	if (until_ns <= now_ns || until_ns - now_ns < SPIN_NS)
		return;
	uint64_t rest = until_ns - now_ns - SPIN_NS;
	exo_wait(exo_tsc() + exo_time_ticks(rest < REST_NS ? rest : REST_NS));
}

int station_port_open(struct station_port *station)
{
	const struct exo_net_options options = {.flow = "all", .rx_size = RING, .tx_size = RING};

	*station = (struct station_port){.port = {.take = take,
	                                          .send = send_taken,
	                                          .receive = receive,
	                                          .now = now,
	                                          .idle = idle,
	                                          .longest = EXO_BUFFER_BYTES}};
	return exo_net_open(&station->net, &options);
}
