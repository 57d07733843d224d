/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What becomes of packets that were taken from a transmit ring: counted, and completed in the order
 * of the queue. A packet that may still be under way has a ticket (attach.c) until its completion
 * is written.
 */
#include "net_send.h"

#include "log.h"
#include "ring_queue.h"

/* The packet's place among the completions, which build gave it. */
static void push_ticket(const struct net_ring *ring, const struct outgoing *packet, uint32_t status)
{
	struct net_flight *flight = ring->flight;
	struct net_ticket *ticket = &flight->tickets[flight->head & (flight->size - 1)];

	if (!status && !(packet->first.flags & EXO_DESC_REPORT))
		return;
	ticket->address = packet->first.address;
	ticket->cookie = packet->first.cookie;
	ticket->length = packet->length;
	ticket->status = (uint16_t)status;
	ticket->port = packet->first.port;
	flight->head++;
}

static void complete(struct net_ring *ring, const struct net_ticket *ticket)
{
	struct exo_desc desc = {
	        .address = ticket->address,
	        .cookie = ticket->cookie,
	        .length = ticket->length,
	        .status = ticket->status,
	        .timestamp = machine_tsc(),
	        .port = ticket->port,
	};

	if (ring_room(ring) == 0) {
		ring_count_loss(ring, RING_COMPLETIONS_LOST);
		return;
	}
	ring_respond(ring, 0, &desc);
	ring_publish(ring, 1);
	net_wake(ring->core, ring);
}

void completion_settle_all(struct net_ring *ring)
{
	struct net_flight *flight = ring->flight;

	while (flight->tail != flight->head) {
		const struct net_ticket *ticket =
		        &flight->tickets[flight->tail & (flight->size - 1)];

		/* Acquire: its frames are unpinned. */
		if (__atomic_load_n(&ticket->left, __ATOMIC_ACQUIRE) != 0)
			return;
		complete(ring, ticket);
		flight->tail++;
	}
}

/* One line a second and environment at most, whatever rings it makes. */
static void report_refusal(struct net_ring *ring, const struct outgoing *packet)
{
	const uint8_t *bytes = packet->ethernet;
	uint64_t now = machine_tsc();

	if (now < __atomic_load_n(&ring->env->report_after, __ATOMIC_RELAXED))
		return;
	__atomic_store_n(&ring->env->report_after, now + machine_info()->tsc_hz, __ATOMIC_RELAXED);
	log_env(ring->env,
	        "refused to send a frame outside its flow space on port %u: %u bytes from "
	        "%02x:%02x:%02x:%02x:%02x:%02x, type %02x%02x (%llu refused of it)",
	        packet->first.port, packet->length, bytes[6], bytes[7], bytes[8], bytes[9],
	        bytes[10], bytes[11], bytes[12], bytes[13],
	        (unsigned long long)ring->account->tx_refused);
}

void completion_failed(struct net_ring *ring, const struct outgoing *packet)
{
	if (packet->status == EXO_EPERM) {
		ring_count_loss(ring, RING_REFUSED);
		report_refusal(ring, packet);
	} else {
		ring_count_loss(ring, RING_BAD_DESCRIPTOR);
	}
	ring_consume(ring, packet->n);
	push_ticket(ring, packet, packet->status);
}

void completion_sent(struct net_ring *ring, const struct outgoing *packet)
{
	ring_count_sent(ring, 1, packet->length);
	ring_consume(ring, packet->n);
	push_ticket(ring, packet, 0);
}

/* What a plain packet has: one descriptor, and a completion right away. */
void completion_plain(struct net_ring *ring, const struct batch *batch, unsigned n)
{
	uint64_t now = machine_tsc(), bytes = 0;
	uint32_t room = batch->reported ? ring_room(ring) : 0, done = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct outgoing *packet = &batch->packets[i];

		bytes += packet->length;
		if (!(packet->first.flags & EXO_DESC_REPORT))
			continue;
		if (done == room) {
			ring_count_loss(ring, RING_COMPLETIONS_LOST);
			continue;
		}
		ring->response->desc[(ring->response_head + done++) & (ring->size - 1)] =
		        (struct exo_desc){.address = packet->first.address,
		                          .cookie = packet->first.cookie,
		                          .length = packet->length,
		                          .timestamp = now,
		                          .port = batch->port};
	}
	if (done) {
		ring_publish(ring, done);
		net_wake(ring->core, ring);
	}
	ring_count_sent(ring, n, bytes);
	ring_consume(ring, n);
}
