/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reflector.
 */
#include <stddef.h>
#include <string.h>

#include "layers.h"
#include "reflect.h"

const char *const reflect_names[] = {"nothing", "mac", "addresses", "ports", NULL};

static void exchange(uint8_t *fields, uint32_t size)
{
	uint8_t first[16];

	memcpy(first, fields, size);
	memcpy(fields, fields + size, size);
	memcpy(fields + size, first, size);
}

void reflect_swap(enum reflect_swap swap, uint8_t *frame, uint32_t length)
{
	struct layers layers;

	if (swap == REFLECT_NOTHING)
		return;
	exchange(frame, 6);
	layers_find(&layers, frame, length);
	if (swap == REFLECT_MAC || !layers.ip)
		return;
	if (layers.ethertype == ETHERTYPE_IPV6)
		exchange(frame + layers.network + 8, 16);
	else
		exchange(frame + layers.network + 12, 4);
	if (swap == REFLECT_PORTS && layers.transport && layers.end - layers.transport >= 4 &&
	    (layers.protocol == PROTOCOL_TCP || layers.protocol == PROTOCOL_UDP))
		exchange(frame + layers.transport, 2);
}

static bool send_back(struct port *port, enum reflect_swap swap, struct reflect_tally *tally,
                      const struct port_arrival *arrival)
{
	uint8_t *room;

	tally->received++;
	tally->received_bytes += arrival->length;
	if (arrival->length > port->longest) {
		tally->too_long++;
		return false;
	}
	room = port->take(port, arrival->length);
	if (!room) {
		tally->dropped++;
		return false;
	}
	memcpy(room, arrival->data, arrival->length);
	reflect_swap(swap, room, arrival->length);
	return true;
}

/* Sends what waits; whether nothing does any more. */
static bool send_waiting(struct port *port, struct reflect_tally *tally)
{
	unsigned sent = port->send(port);

	tally->sent += sent;
	tally->waiting -= sent;
	return !tally->waiting;
}

unsigned reflect_step(struct port *port, enum reflect_swap swap, struct reflect_tally *tally)
{
	struct port_arrival arrivals[PORT_BURST];

	/* What the port did not take holds up what arrives: that can wait where it is. */
	if (tally->waiting && !send_waiting(port, tally))
		return 0;
	unsigned n = port->receive(port, arrivals);
	for (unsigned i = 0; i < n; i++)
		if (arrivals[i].length >= PORT_ETHERNET)
			tally->waiting += send_back(port, swap, tally, &arrivals[i]);
	if (n)
		(void)send_waiting(port, tally);
	return n;
}
