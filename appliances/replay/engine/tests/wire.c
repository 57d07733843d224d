/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The wire, and frames to send over it.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../layers.h"
#include "wire.h"

static uint8_t *take(struct port *port, uint32_t length)
{
	struct wire *wire = (struct wire *)port;

	if (wire->taken_n == PORT_BURST)
		return NULL;
	struct wire_frame *frame = &wire->taken[wire->taken_n++];
	frame->length = length;
	return frame->data;
}

static void put_under_way(struct wire *wire, const struct wire_frame *frame, uint64_t at_ns)
{
	assert(wire->under_way_n < WIRE_UNDER_WAY);
	struct wire_frame *copy = &wire->under_way[wire->under_way_n++];
	*copy = *frame;
	copy->at_ns = at_ns;
}

static unsigned send_all(struct port *port)
{
	struct wire *wire = (struct wire *)port;
	if (wire->stuck)
		return 0;
	unsigned n = wire->room && wire->room < wire->taken_n ? wire->room : wire->taken_n;

	for (unsigned i = 0; i < n; i++) {
		uint64_t later = 0;
		unsigned times = wire->fate ? wire->fate(wire->sent, &later) : 1;
		for (unsigned k = 0; k < times; k++)
			put_under_way(wire, &wire->taken[i],
			              wire->now_ns + wire->delay_ns + later + k);
		wire->sent++;
	}
	memmove(wire->taken, wire->taken + n, (wire->taken_n - n) * sizeof(wire->taken[0]));
	wire->taken_n -= n;
	return n;
}

static unsigned receive(struct port *port, struct port_arrival *arrivals)
{
	struct wire *wire = (struct wire *)port;
	unsigned n = 0;

	for (unsigned i = 0; i < wire->under_way_n && n < PORT_BURST;) {
		if (wire->under_way[i].at_ns > wire->now_ns) {
			i++;
			continue;
		}
		wire->given[n] = wire->under_way[i];
		wire->under_way[i] = wire->under_way[--wire->under_way_n];
		if (wire->change)
			wire->change(&wire->given[n]);
		arrivals[n] = (struct port_arrival){.data = wire->given[n].data,
		                                    .length = wire->given[n].length,
		                                    .time_ns = wire->given[n].at_ns};
		n++;
	}
	return n;
}

static uint64_t now(struct port *port)
{
	struct wire *wire = (struct wire *)port;

	return wire->now_ns += wire->tick_ns;
}

static void idle(struct port *port, uint64_t until_ns)
{
	struct wire *wire = (struct wire *)port;
	uint64_t soonest = until_ns;

	for (unsigned i = 0; i < wire->under_way_n; i++)
		if (wire->under_way[i].at_ns < soonest)
			soonest = wire->under_way[i].at_ns;
	if (soonest == UINT64_MAX)
		soonest = wire->now_ns + 1000000;
	if (soonest > wire->now_ns)
		wire->now_ns = soonest;
}

void wire_open(struct wire *wire)
{
	*wire = (struct wire){.port = {.take = take,
	                               .send = send_all,
	                               .receive = receive,
	                               .now = now,
	                               .idle = idle,
	                               .longest = WIRE_FRAME_MAX},
	                      .now_ns = 1000000000,
	                      .delay_ns = 5000};
	wire->under_way = calloc(WIRE_UNDER_WAY, sizeof(*wire->under_way));
	assert(wire->under_way);
}

void wire_close(struct wire *wire)
{
	free(wire->under_way);
}

static enum source_state next(struct source *source, struct source_frame *frame)
{
	struct made *made = (struct made *)source;

	if (made->at == made->n)
		return SOURCE_END;
	if (!made->same)
		memcpy(made->frame + 42, &made->at, sizeof(made->at));
	*frame = (struct source_frame){.number = made->at + 1,
	                               .time_ns = 77 + made->at * made->gap_ns,
	                               .data = made->frame,
	                               .length = made->length};
	made->at++;
	return SOURCE_FRAME;
}

static void rewind_made(struct source *source)
{
	((struct made *)source)->at = 0;
}

uint16_t wire_checksum(const uint8_t *bytes, uint32_t size, uint32_t sum)
{
	for (uint32_t i = 0; i + 1 < size; i += 2)
		sum += layers_be16(bytes + i);
	if (size & 1)
		sum += (uint32_t)bytes[size - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

bool wire_checksums_right(const uint8_t *frame)
{
	const uint8_t *ip = frame + PORT_ETHERNET;
	uint32_t header = (ip[0] & 15u) * 4u, size = layers_be16(ip + 2) - header;
	uint32_t pseudo = size + ip[9];

	for (int i = 12; i < 20; i += 2)
		pseudo += layers_be16(ip + i);
	return wire_checksum(ip, header, 0) == 0 &&
	       (layers_be16(ip + header + 6) == 0 || ip[9] != PROTOCOL_UDP ||
	        wire_checksum(ip + header, size, pseudo) == 0);
}

void made_open(struct made *made, uint64_t n, uint64_t gap_ns, uint32_t length)
{
	static const uint8_t headers[42] = {
	        2,    0, 0, 0, 0, 1, 2, 0, 0,  0,  0, 2, 8,  0,                    /* Ethernet */
	        0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, /* IPv4 */
	        4,    0, 0, 9, 0, 0, 0, 0,                                         /* UDP */
	};
	uint8_t *ip = made->frame + PORT_ETHERNET;

	*made = (struct made){.source = {.next = next, .rewind = rewind_made},
	                      .length = length,
	                      .n = n,
	                      .gap_ns = gap_ns};
	memcpy(made->frame, headers, sizeof(headers));
	layers_put16(ip + 2, (uint16_t)(length - PORT_ETHERNET));
	layers_put16(ip + 24, (uint16_t)(length - PORT_ETHERNET - 20));
	layers_put16(ip + 10, wire_checksum(ip, 20, 0));
}
