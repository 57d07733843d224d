/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Transmit rings. A packet's way out: its descriptors are copied and checked; its bytes are copied
 * into buffers of the kernel's; checksums are filled in; the guard looks at the header as it now
 * stands in the buffer, which nobody else can change any more; then the port gets it.
 *
 * Packets go to the port in batches. tail moves, and completions are written, only when the port
 * has taken them, in order; what it has no room for stays in the ring and is read anew next time.
 * A packet that fails is completed at its place in that order, too.
 */
#include "net_packet.h"

#include <string.h>

#include <rte_ether.h>

#include "ledger.h"
#include "log.h"

/* A packet as its descriptors describe it. */
struct outgoing {
	uint32_t n;      /* descriptors */
	uint32_t length; /* bytes of all segments */
	uint32_t status; /* 0, or the enum exo_error of why it can't be sent */
	struct exo_desc first;
	struct rte_mbuf *mbuf;
	enum loop_way way;                   /* of mbuf */
	uint8_t ethernet[RTE_ETHER_HDR_LEN]; /* refused: its header, for the console */
};

/* Packets of one port, ready to be sent. */
struct batch {
	unsigned core;
	const struct net_space *space; /* NULL: it was revoked */
	unsigned n;
	uint16_t port;
	struct rte_mbuf *mbufs[NET_BURST];
	struct outgoing packets[NET_BURST];
};

/* ---- Reading descriptors ---- */

static uint32_t check_first(const struct net_space *space, const struct exo_desc *desc)
{
	const uint16_t known = EXO_DESC_MORE | EXO_DESC_L3_SUM | EXO_DESC_L4_SUM |
	                       EXO_DESC_SEGMENT | EXO_DESC_REPORT;

	if (desc->flags & ~known)
		return EXO_EINVAL;
	if (!space)
		return EXO_ESTALE;
	if (desc->port >= net.n_ports || !(space->ports >> desc->port & 1))
		return EXO_ENOENT;
	return desc->flags & EXO_DESC_SEGMENT ? EXO_ENOSYS : 0;
}

/* Copies the next packet's descriptors into desc[]; they count as one packet even if it is bad. */
static void read_packet(const struct net_ring *ring, const struct net_space *space, uint32_t at,
                        uint32_t available, struct exo_desc desc[EXO_SEGMENTS_MAX],
                        struct outgoing *packet)
{
	bool more = true;

	packet->n = packet->length = packet->status = 0;
	packet->mbuf = NULL;
	while (more && packet->n < available) {
		struct exo_desc next = ring_request(ring, at + packet->n);

		if (packet->n == 0) {
			packet->first = next;
			packet->status = check_first(space, &next);
		}
		if (packet->n >= EXO_SEGMENTS_MAX || next.length == 0 ||
		    next.length > EXO_FRAME_BYTES_MAX - packet->length)
			packet->status = packet->status ? packet->status : EXO_EINVAL;
		else
			packet->length += next.length;
		if (packet->n < EXO_SEGMENTS_MAX)
			desc[packet->n] = next;
		packet->n++;
		more = next.flags & EXO_DESC_MORE;
	}
	if (more || packet->length < RTE_ETHER_HDR_LEN)
		packet->status = packet->status ? packet->status : EXO_EINVAL;
	else if (!packet->status && packet->length > port_frame_max(packet->first.port))
		packet->status = EXO_E2BIG;
}

/* ---- Copying ---- */

/* Where the copy stands in a chain of buffers. */
struct sink {
	struct rte_mbuf *segment;
	uint32_t offset;
};

static void copy_bytes(struct sink *to, const uint8_t *from, uint32_t length)
{
	while (length > 0) {
		uint32_t room = to->segment->data_len - to->offset;
		uint32_t part = room < length ? room : length;

		memcpy(rte_pktmbuf_mtod_offset(to->segment, uint8_t *, to->offset), from, part);
		from += part;
		length -= part;
		to->offset += part;
		if (to->offset == to->segment->data_len && to->segment->next) {
			to->segment = to->segment->next;
			to->offset = 0;
		}
	}
}

/* Copies one segment out of the environment's frames, each pinned meanwhile. */
static uint32_t copy_segment(const struct net_ring *ring, struct sink *to, uint64_t address,
                             uint32_t length)
{
	while (length > 0) {
		uint32_t offset = address % 4096;
		uint32_t part = 4096 - offset < length ? 4096 - offset : length;

		if (ledger_frame_pin(ring->env->id, address / 4096))
			return EXO_EFAULT;
		copy_bytes(to, (const uint8_t *)machine_frame(address / 4096) + offset, part);
		ledger_frame_unpin(address / 4096);
		address += part;
		length -= part;
	}
	return 0;
}

static uint32_t copy_packet(const struct net_ring *ring, const struct exo_desc desc[],
                            struct outgoing *packet)
{
	struct sink to = {packet->mbuf, 0};
	uint32_t status = 0;

	for (uint32_t i = 0; i < packet->n && !status; i++)
		status = copy_segment(ring, &to, desc[i].address, desc[i].length);
	return status;
}

/* ---- Guarding ---- */

static uint32_t guard(struct net_ring *ring, const struct net_space *space, struct outgoing *packet)
{
	uint32_t first = packet->mbuf->data_len;
	struct flt_frame frame = {
	        .data = rte_pktmbuf_mtod(packet->mbuf, const uint8_t *),
	        .len = first < NET_HEADER_BYTES ? first : NET_HEADER_BYTES,
	        .wire_len = packet->length,
	        .port = packet->first.port,
	};

	if (guard_allows(space, &frame, &ring->guard_hint))
		return 0;
	memcpy(packet->ethernet, frame.data, sizeof(packet->ethernet));
	return EXO_EPERM;
}

/* Makes the frame that will be sent. EXO_EAGAIN: no buffers now, nothing has happened. */
static uint32_t build(struct net_ring *ring, const struct net_space *space,
                      const struct exo_desc desc[], struct outgoing *packet)
{
	uint32_t status;

	packet->mbuf = port_buffer(packet->first.port, packet->length);
	if (!packet->mbuf)
		return EXO_EAGAIN;
	status = copy_packet(ring, desc, packet);
	if (!status)
		status = port_checksum(packet->first.port, packet->mbuf, packet->first.flags);
	if (!status)
		status = guard(ring, space, packet);
	if (status) {
		rte_pktmbuf_free(packet->mbuf);
		packet->mbuf = NULL;
	}
	return status;
}

/* ---- Completing ---- */

static void complete(struct net_ring *ring, const struct outgoing *packet, uint32_t status)
{
	struct exo_desc desc = {
	        .address = packet->first.address,
	        .cookie = packet->first.cookie,
	        .length = packet->length,
	        .status = (uint16_t)status,
	        .timestamp = machine_tsc(),
	        .port = packet->first.port,
	};

	if (!status && !(packet->first.flags & EXO_DESC_REPORT))
		return;
	if (ring_room(ring) == 0) {
		ring->counters.completions_lost++;
		return;
	}
	ring_respond(ring, 0, &desc);
	ring_publish(ring, 1);
	ring->wake = true;
}

/* One line a second and ring at most. */
static void report_refusal(struct net_ring *ring, const struct outgoing *packet)
{
	const uint8_t *bytes = packet->ethernet;
	uint64_t now = machine_tsc();

	if (now < ring->report_after)
		return;
	ring->report_after = now + machine_info()->tsc_hz;
	log_env(ring->env,
	        "refused to send a frame outside its flow space on port %u: %u bytes from "
	        "%02x:%02x:%02x:%02x:%02x:%02x, type %02x%02x (%llu refused on this ring)",
	        packet->first.port, packet->length, bytes[6], bytes[7], bytes[8], bytes[9],
	        bytes[10], bytes[11], bytes[12], bytes[13],
	        (unsigned long long)ring->counters.refused);
}

/* A packet that can't be sent, all before it being done with. */
static void fail(struct net_ring *ring, const struct outgoing *packet)
{
	if (packet->status == EXO_EPERM) {
		ring->counters.refused++;
		ring->account_refused++;
		report_refusal(ring, packet);
	} else {
		ring->counters.bad_descriptor++;
	}
	ring_consume(ring, packet->n);
	complete(ring, packet, packet->status);
}

static void sent(struct net_ring *ring, const struct outgoing *packet)
{
	ring->counters.packets++;
	ring->counters.bytes += packet->length;
	ring->account_packets++;
	ring->account_bytes += packet->length;
	ring_consume(ring, packet->n);
	complete(ring, packet, 0);
}

/* Hands the batch to its port. false: not all of it went; the rest stays in the ring. */
static bool flush(struct net_ring *ring, struct batch *batch)
{
	unsigned n;
	bool all;

	for (unsigned i = 0; i < batch->n; i++)
		loop_hold(batch->mbufs[i], batch->packets[i].way);
	n = batch->n ? port_send(batch->core, batch->port, batch->mbufs, batch->n) : 0;
	all = n == batch->n;
	for (unsigned i = 0; i < batch->n; i++) {
		if (i < n)
			sent(ring, &batch->packets[i]);
		else
			rte_pktmbuf_free(batch->mbufs[i]);
		loop_release(batch->core, ring, batch->port, batch->packets[i].mbuf,
		             batch->packets[i].way, i < n);
	}
	if (!all)
		ring->counters.nic_full++;
	batch->n = 0;
	return all;
}

static void append(struct batch *batch, const struct outgoing *packet)
{
	batch->port = packet->first.port;
	batch->mbufs[batch->n] = packet->mbuf;
	batch->packets[batch->n++] = *packet;
}

/* A packet that does not leave, when all before it is done with. */
static bool stay(struct net_ring *ring, struct batch *batch, const struct outgoing *packet,
                 uint32_t *at)
{
	bool going;

	*at = 0;
	going = flush(ring, batch);
	if (going)
		sent(ring, packet);
	loop_release(batch->core, ring, packet->first.port, packet->mbuf, LOOP_ONLY, going);
	return going;
}

/* Takes the packet at descriptor *at, relative to tail, and moves *at behind it; what is flushed
 * moves tail instead. false: no more can be done now. */
static bool take(struct net_ring *ring, struct batch *batch, uint32_t *at, uint32_t *available)
{
	struct exo_desc desc[EXO_SEGMENTS_MAX];
	struct outgoing packet;

	read_packet(ring, batch->space, *at, *available, desc, &packet);
	if (batch->n && packet.first.port != batch->port) {
		*at = 0;
		if (!flush(ring, batch))
			return false;
	}
	if (!packet.status)
		packet.status = build(ring, batch->space, desc, &packet);
	if (packet.status == EXO_EAGAIN) {
		ring->counters.nic_full++;
		return false;
	}
	*available -= packet.n;
	if (!packet.status && (packet.way = loop_way(packet.first.port, packet.mbuf)) == LOOP_ONLY)
		return stay(ring, batch, &packet, at);
	if (!packet.status) {
		append(batch, &packet);
		*at += packet.n;
		return true;
	}
	*at = 0;
	if (!flush(ring, batch))
		return false;
	fail(ring, &packet);
	return true;
}

unsigned ring_transmit(struct net_ring *ring, unsigned core, bool *more)
{
	struct batch batch;
	uint32_t available = ring_requests(ring), before = ring->request_tail, at = 0;
	bool going = true;

	batch.core = core;
	batch.space = __atomic_load_n(&ring->space, __ATOMIC_ACQUIRE);
	batch.n = 0;
	for (unsigned i = 0; i < NET_BURST && available > 0 && going; i++)
		going = take(ring, &batch, &at, &available);
	(void)flush(ring, &batch);
	*more = ring_requests(ring) > 0;
	return ring->request_tail - before;
}
