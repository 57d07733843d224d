/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * QEMU's stream socket as a port: each frame behind its length. One frame is taken at a time, for
 * the link keeps what the socket does not.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../host/link.h"
#include "port_internal.h"

enum { REST_MS = 1, WORTH_NS = 2000000 /* a rest of a millisecond */ };

struct qemu_port {
	struct ports_port base; /* first */
	struct link link;
	uint8_t taken[PORT_BURST][LINK_FRAME_MAX];
	uint32_t lengths[PORT_BURST];
	unsigned taken_n;
	uint8_t *given; /* PORT_BURST frames */
	int error;
};

static uint8_t *take(struct port *port, uint32_t length)
{
	struct qemu_port *own = (struct qemu_port *)port;

	if (own->taken_n == PORT_BURST || length > LINK_FRAME_MAX)
		return NULL;
	own->lengths[own->taken_n] = length;
	return own->taken[own->taken_n++];
}

static void note(struct qemu_port *own, int status)
{
	if (status < 0 && status != -EAGAIN && !own->error)
		own->error = -status;
}

static unsigned send_taken(struct port *port)
{
	struct qemu_port *own = (struct qemu_port *)port;
	unsigned sent = 0;

	while (sent < own->taken_n && link_has_room(&own->link, own->lengths[sent])) {
		link_send(&own->link, own->taken[sent], own->lengths[sent]);
		sent++;
	}
	note(own, link_flush(&own->link));
	own->taken_n -= sent;
	memmove(own->taken, own->taken + sent, own->taken_n * sizeof(own->taken[0]));
	memmove(own->lengths, own->lengths + sent, own->taken_n * sizeof(own->lengths[0]));
	own->base.statistics.sent += sent;
	return sent;
}

static unsigned receive(struct port *port, struct port_arrival *arrivals)
{
	struct qemu_port *own = (struct qemu_port *)port;
	const uint8_t *frame;
	unsigned n = 0;
	int length = 0;

	note(own, link_flush(&own->link));
	note(own, link_fill(&own->link));
	while (n < PORT_BURST && (length = link_next(&own->link, &frame)) > 0) {
		uint8_t *copy = own->given + (size_t)n * LINK_FRAME_MAX;
		memcpy(copy, frame, (size_t)length);
		arrivals[n++] = (struct port_arrival){
		        .data = copy, .length = (uint32_t)length, .time_ns = port_clock_ns()};
	}
	note(own, length);
	own->base.statistics.received += n;
	return n;
}

static uint64_t now(struct port *port)
{
	return port_clock_ns();
}

static void idle(struct port *port, uint64_t until_ns)
{
	struct qemu_port *own = (struct qemu_port *)port;
	struct pollfd poll_for = {.fd = own->link.socket, .events = link_events(&own->link)};

	if (until_ns > port_clock_ns() + WORTH_NS)
		(void)poll(&poll_for, 1, REST_MS);
}

static const char *broken(struct port *port)
{
	int error = ((struct qemu_port *)port)->error;

	if (!error)
		return NULL;
	return error == EPIPE ? "the machine has gone" : strerror(error);
}

static bool link_up(struct ports_port *port)
{
	return ((struct qemu_port *)port)->link.socket >= 0;
}

static void close_port(struct ports_port *port)
{
	struct qemu_port *own = (struct qemu_port *)port;

	link_close(&own->link);
	free(own->given);
	free(own);
}

static int wait_for_machine(struct link *link)
{
	int status;

	while ((status = link_accept(link)) == -EAGAIN) {
		struct pollfd poll_for = {.fd = link->listener, .events = POLLIN};
		if (poll(&poll_for, 1, -1) < 0)
			return -errno;
	}
	return status;
}

struct ports_port *port_qemu_open(const char *path, const struct ports_options *options,
                                  char *error)
{
	struct qemu_port *own = calloc(1, sizeof(*own));
	uint8_t *given = malloc((size_t)PORT_BURST * LINK_FRAME_MAX);

	if (!own || !given)
		abort();
	own->given = given;
	own->base = (struct ports_port){.port = {.take = take,
	                                         .send = send_taken,
	                                         .receive = receive,
	                                         .now = now,
	                                         .idle = idle,
	                                         .broken = broken,
	                                         .longest = options->longest},
	                                .driver = "QEMU's stream socket",
	                                .link_up = link_up,
	                                .close = close_port};
	int status = link_listen(&own->link, path);
	if (!status)
		status = wait_for_machine(&own->link);
	if (status) {
		snprintf(error, PORTS_REASON_MAX, "%s: %s", path, strerror(-status));
		close_port(&own->base);
		return NULL;
	}
	return &own->base;
}
