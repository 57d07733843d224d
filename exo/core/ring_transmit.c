/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Transmit rings. A packet's way out, unless it is plain (ring_plain.c): its descriptors are copied
 * and checked; its bytes are copied into buffers of the kernel's, or only the header is and the
 * payload is attached (attach.c); checksums are filled in (offload.c); the guard looks at the
 * header as it now stands in the buffer, which nobody else can change any more; then the port gets
 * it, whole or in segments (cut.c).
 *
 * Packets go to the port in batches. tail moves only when the port has taken them, in order; what
 * it has no room for stays in the ring and is read anew next time. But the segments of one packet
 * wait beside the ring (struct net_rest): they are not cut twice. A packet that fails is done with
 * at its place in that order, too (completion.c).
 */
#include "net_send.h"

#include <string.h>

#include "ledger.h"
#include "ring_queue.h"

enum {
	PLAIN_MIN = 14, /* bytes of a packet that take_plain takes: an Ethernet header, */
	PLAIN_MAX = RTE_MBUF_DEFAULT_DATAROOM, /* and what fits into a buffer */
	/* Descriptors of one packet, good or bad, that are read in a turn. */
	LOOKS_MAX = NET_BURST * EXO_SEGMENTS_MAX,
};

_Static_assert((int)PLAIN_MAX < (int)NET_HEADER_BYTES + (int)NET_ATTACH_MIN,
               "what is longer may be attached");

/* ---- Reading descriptors ---- */

static uint32_t check_first(const struct net_space *space, const struct exo_desc *desc)
{
	const uint16_t known = EXO_DESC_MORE | EXO_DESC_L3_SUM | EXO_DESC_L4_SUM |
	                       EXO_DESC_SEGMENT | EXO_DESC_REPORT | EXO_DESC_SUMS;

	if (desc->flags & ~known)
		return EXO_EINVAL;
	if (!space)
		return EXO_ESTALE;
	if (desc->port >= net.n_ports || !(space->ports >> desc->port & 1))
		return EXO_ENOENT;
	return 0;
}

/* Takes the descriptor behind a packet's last off: it names its segments' sums. */
static uint32_t take_sums(const struct exo_desc desc[EXO_SEGMENTS_MAX], struct outgoing *packet)
{
	const struct exo_desc *last = &desc[packet->n - 1];

	if (packet->n < 2 || !(packet->first.flags & EXO_DESC_SEGMENT))
		return EXO_EINVAL;
	packet->parts--;
	packet->length -= last->length;
	packet->sums = last->address;
	packet->sums_length = last->length;
	return 0;
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
	packet->parts = packet->n;
	if (!packet->status && packet->first.flags & EXO_DESC_SUMS)
		packet->status = take_sums(desc, packet);
	if (more || packet->length < RTE_ETHER_HDR_LEN)
		packet->status = packet->status ? packet->status : EXO_EINVAL;
	else if (!packet->status && !(packet->first.flags & EXO_DESC_SEGMENT) &&
	         packet->length > port_frame_max(packet->first.port))
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

/* How much of a packet is copied: all of it, or the header where the payload is the kernel's until
 * the completion, and large. */
static uint32_t bytes_to_copy(const struct outgoing *packet)
{
	if (!(packet->first.flags & EXO_DESC_REPORT) ||
	    packet->length < NET_HEADER_BYTES + NET_ATTACH_MIN ||
	    port_attachable(packet->first.port) == 0)
		return packet->length;
	return NET_HEADER_BYTES;
}

/* Makes packet->mbuf of the packet's first `copy` bytes. */
static uint32_t fill(const struct net_ring *ring, const struct exo_desc desc[],
                     struct outgoing *packet, uint32_t copy)
{
	struct sink to = {port_buffer(packet->first.port, copy), 0};
	uint32_t status = 0;

	packet->mbuf = to.segment;
	if (!packet->mbuf)
		return EXO_EAGAIN;
	for (uint32_t i = 0; copy > 0 && !status; i++) {
		uint32_t part = desc[i].length < copy ? desc[i].length : copy;

		status = copy_segment(ring, &to, desc[i].address, part);
		copy -= part;
	}
	return status;
}

/* Attaches what lies behind the bytes that were copied. */
static uint32_t attach(const struct net_ring *ring, const struct exo_desc desc[],
                       const struct outgoing *packet, struct net_ticket *ticket)
{
	uint32_t skip = packet->mbuf->pkt_len, status = 0;

	for (uint32_t i = 0; i < packet->parts && !status; i++) {
		uint32_t part = desc[i].length < skip ? desc[i].length : skip;

		status = attach_payload(ring, ticket, packet->mbuf,
		                        port_attachable(packet->first.port), desc[i].address + part,
		                        desc[i].length - part);
		skip -= part;
	}
	return status;
}

static void discard(struct outgoing *packet)
{
	rte_pktmbuf_free(packet->mbuf);
	packet->mbuf = NULL;
}

/* Completes packet->mbuf, of which `copy` bytes are there: a header, which stays what was looked
 * at. What stays on this machine is copied whole: filters judge all of it. */
static uint32_t fill_rest(const struct net_ring *ring, const struct exo_desc desc[],
                          struct outgoing *packet, uint32_t copy, struct net_ticket *ticket)
{
	uint8_t header[NET_HEADER_BYTES];
	uint32_t status = EXO_E2BIG;

	if (copy == packet->length)
		return 0;
	if (packet->way == LOOP_NOT && bytes_to_copy(packet) < packet->length)
		status = attach(ring, desc, packet, ticket);
	if (status != EXO_E2BIG)
		return status;
	memcpy(header, rte_pktmbuf_mtod(packet->mbuf, uint8_t *), copy);
	discard(packet);
	status = fill(ring, desc, packet, packet->length);
	if (!status)
		memcpy(rte_pktmbuf_mtod(packet->mbuf, uint8_t *), header, copy);
	return status;
}

/* A packet as it is. */
static uint32_t gather(const struct net_ring *ring, const struct exo_desc desc[],
                       struct outgoing *packet, struct net_ticket *ticket)
{
	uint32_t copy = bytes_to_copy(packet), status = fill(ring, desc, packet, copy);

	if (status)
		return status;
	packet->way = loop_way(packet->first.port, packet->mbuf);
	status = fill_rest(ring, desc, packet, copy, ticket);
	return status ? status
	              : offload_checksum(packet->first.port, packet->mbuf, packet->first.flags);
}

/* A packet that is to become segments: its header, which says who cuts it; the rest of it for the
 * port alone. */
static uint32_t gather_long(const struct net_ring *ring, const struct exo_desc desc[],
                            struct outgoing *packet, struct net_ticket *ticket)
{
	const uint16_t port = packet->first.port, size = packet->first.segment_size;
	uint32_t copy = RTE_MIN(packet->length, (uint32_t)NET_HEADER_BYTES);
	uint32_t status = fill(ring, desc, packet, copy);

	if (status)
		return status;
	packet->way = loop_way(port, packet->mbuf);
	if (packet->way == LOOP_BESIDES)
		return EXO_EINVAL; /* a stream to a group */
	status = offload_plan(port, packet->mbuf, packet->length, size, packet->way == LOOP_NOT,
	                      &packet->headers, &packet->pieces);
	if (status || packet->pieces > 1)
		return status;
	status = fill_rest(ring, desc, packet, copy, ticket);
	return status ? status : offload_whole(port, packet->mbuf, size, &packet->headers);
}

/* ---- Guarding ---- */

/* Whether what the guard looked at has n bytes from `at` on, or of the last one some of `bits`. */
static bool looks_at(const struct net_guard *guard, uint32_t at, uint32_t n, uint8_t bits)
{
	const uint8_t *mask = (const uint8_t *)guard->mask.words;
	uint8_t seen = 0;

	for (; n > 0 && at < FLT_DIGEST_BYTES; n--, at++)
		seen |= n == 1 ? mask[at] & bits : mask[at];
	return seen != 0;
}

/* What lets a packet pass is said of each segment where it lies in the headers, and not in what
 * they have for themselves: lengths, identification, number, flags that go with the first or the
 * last, checksums. */
static bool says_all(const struct net_guard *guard, const struct outgoing *packet)
{
	const uint8_t own = RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG | RTE_TCP_CWR_FLAG;
	const struct net_headers *headers = &packet->headers;
	const uint32_t l3 = headers->l3, l4 = headers->l4;

	if (!(packet->first.flags & EXO_DESC_SEGMENT))
		return true;
	if (guard->least - 1 >= headers->data ||
	    (headers->v4 ? looks_at(guard, l3 + 2, 4, UINT8_MAX) ||
	                           looks_at(guard, l3 + 10, 2, UINT8_MAX)
	                 : looks_at(guard, l3 + 4, 2, UINT8_MAX)))
		return false;
	return !looks_at(guard, l4 + 4, 4, UINT8_MAX) &&
	       (!headers->tcp ||
	        (!looks_at(guard, l4 + 13, 1, own) && !looks_at(guard, l4 + 16, 2, UINT8_MAX)));
}

static uint32_t guard(struct net_ring *ring, const struct net_space *space, struct outgoing *packet)
{
	const uint8_t *data = rte_pktmbuf_mtod(packet->mbuf, const uint8_t *);
	uint32_t length = RTE_MIN(packet->mbuf->data_len, (uint32_t)NET_HEADER_BYTES);
	struct flt_frame frame = {.data = data,
	                          .len = length,
	                          .wire_len = packet->length,
	                          .port = packet->first.port};

	if ((guard_knows(&ring->guard, data, length) ||
	     guard_search(space, &frame, &ring->guard)) &&
	    says_all(&ring->guard, packet))
		return 0;
	memcpy(packet->ethernet, data, sizeof(packet->ethernet));
	return EXO_EPERM;
}

/* The sums of a packet that is to be cut lie in a frame of the environment's. A NIC makes its own.
 */
static uint32_t find_sums(const struct net_ring *ring, struct outgoing *packet)
{
	uint64_t frame = packet->sums / 4096, offset = packet->sums % 4096;

	packet->known = NULL;
	if (!(packet->first.flags & EXO_DESC_SUMS) || packet->pieces == 1)
		return 0;
	if (packet->sums_length != packet->pieces * sizeof(uint16_t) || offset % 2 ||
	    packet->sums_length > 4096 - offset)
		return EXO_EINVAL;
	if (!ledger_frame_owned(ring->env->id, frame))
		return EXO_EFAULT;
	packet->known = (const volatile uint16_t *)machine_frame(frame) + offset / 2;
	return 0;
}

/* Makes the frame that will be sent. EXO_EAGAIN: no buffers now, nothing has happened. */
static uint32_t build(struct net_ring *ring, const struct batch *batch,
                      const struct exo_desc desc[], struct outgoing *packet)
{
	struct net_flight *flight = ring->flight;
	struct net_ticket *ticket =
	        &flight->tickets[(flight->head + batch->reported) & (flight->size - 1)];
	uint32_t status;

	packet->pieces = 1;
	status = packet->first.flags & EXO_DESC_SEGMENT ? gather_long(ring, desc, packet, ticket)
	                                                : gather(ring, desc, packet, ticket);
	if (!status)
		status = find_sums(ring, packet);
	if (!status)
		status = guard(ring, batch->space, packet);
	if (status)
		discard(packet);
	return status;
}

/* ---- Batches ---- */

static unsigned send_batch(struct batch *batch)
{
	return batch->n ? port_send(batch->core, batch->port, batch->mbufs, batch->n) : 0;
}

/* Where all are plain and nothing is under way, there is no order to keep. */
static bool flush_plain(struct net_ring *ring, struct batch *batch)
{
	unsigned n = send_batch(batch);
	bool all = n == batch->n;

	completion_plain(ring, batch, n);
	if (!all) {
		rte_pktmbuf_free_bulk(&batch->mbufs[n], batch->n - n);
		ring_count_loss(ring, RING_NIC_FULL);
	}
	batch->n = batch->reported = batch->plain = 0;
	return all;
}

/* Hands the batch to its port. false: not all of it went; the rest stays in the ring. */
static bool flush(struct net_ring *ring, struct batch *batch)
{
	unsigned n;
	bool all;

	if (batch->n == 0)
		return true;
	if (batch->n == batch->plain && ring->flight->tail == ring->flight->head)
		return flush_plain(ring, batch);
	for (unsigned i = 0; i < batch->n; i++)
		loop_hold(batch->mbufs[i], batch->packets[i].way);
	n = send_batch(batch);
	all = n == batch->n;
	for (unsigned i = 0; i < batch->n; i++) {
		if (i < n)
			completion_sent(ring, &batch->packets[i]);
		else
			rte_pktmbuf_free(batch->mbufs[i]);
		loop_release(batch->core, ring, batch->port, batch->packets[i].mbuf,
		             batch->packets[i].way, i < n);
	}
	if (!all)
		ring_count_loss(ring, RING_NIC_FULL);
	batch->n = batch->reported = batch->plain = 0;
	return all;
}

static void append(struct batch *batch, const struct outgoing *packet)
{
	batch->port = packet->first.port;
	batch->mbufs[batch->n] = packet->mbuf;
	batch->packets[batch->n++] = *packet;
	batch->reported += (packet->first.flags & EXO_DESC_REPORT) != 0;
}

/* A packet that does not leave, when all before it is done with. */
static bool stay(struct net_ring *ring, struct batch *batch, const struct outgoing *packet,
                 uint32_t *at)
{
	bool going;

	*at = 0;
	going = flush(ring, batch);
	if (going)
		completion_sent(ring, packet);
	loop_release(batch->core, ring, packet->first.port, packet->mbuf, LOOP_ONLY, going);
	return going;
}

/* Segments are about to wait beside their ring. false: too many do for that port; and the end of
 * that. */
static bool wait_begins(uint16_t id, uint32_t n)
{
	struct port *port = &ports[id];

	if (__atomic_add_fetch(&port->waiting, n, __ATOMIC_RELAXED) <= port->waiting_max)
		return true;
	__atomic_fetch_sub(&port->waiting, n, __ATOMIC_RELAXED);
	return false;
}

static void wait_ends(uint16_t id, uint32_t n)
{
	__atomic_fetch_sub(&ports[id].waiting, n, __ATOMIC_RELAXED);
}

/* Segments that wait for their port. false: some still do. */
static bool send_rest(struct net_ring *ring, unsigned core)
{
	struct net_rest *rest = &ring->rest;
	unsigned n;

	n = port_send(core, rest->port, &rest->mbufs[rest->first], rest->n);
	rest->first += n;
	rest->n -= n;
	wait_ends(rest->port, n);
	if (rest->n > 0)
		ring_count_loss(ring, RING_NIC_FULL);
	return rest->n == 0;
}

void ring_transmit_end(struct net_ring *ring)
{
	machine_vector_begin();
	rte_pktmbuf_free_bulk(&ring->rest.mbufs[ring->rest.first], ring->rest.n);
	wait_ends(ring->rest.port, ring->rest.n);
	machine_vector_end();
}

/* Segments that stay on this machine. */
static void stay_rest(struct net_ring *ring, unsigned core)
{
	struct net_rest *rest = &ring->rest;

	wait_ends(rest->port, rest->n);
	for (; rest->n > 0; rest->n--)
		loop_release(core, ring, rest->port, rest->mbufs[rest->first++], LOOP_ONLY, true);
}

/* A packet that is to be cut, when all before it is done with. It counts as sent once it is cut. */
static bool cut(struct net_ring *ring, struct batch *batch, const struct exo_desc desc[],
                struct outgoing *packet, uint32_t *at)
{
	*at = 0;
	packet->status = EXO_EAGAIN;
	if (flush(ring, batch) && wait_begins(packet->first.port, packet->pieces)) {
		packet->status = cut_packet(ring, desc, packet, packet->known);
		if (packet->status)
			wait_ends(packet->first.port, packet->pieces);
	}
	discard(packet);
	if (packet->status == EXO_EAGAIN)
		return false;
	if (packet->status) {
		completion_failed(ring, packet);
		return true;
	}
	completion_sent(ring, packet);
	if (packet->way == LOOP_ONLY)
		stay_rest(ring, batch->core);
	return send_rest(ring, batch->core);
}

/* A packet that was built, on its way. */
static bool go(struct net_ring *ring, struct batch *batch, const struct exo_desc desc[],
               struct outgoing *packet, uint32_t *at)
{
	if (packet->pieces > 1)
		return cut(ring, batch, desc, packet, at);
	if (packet->way == LOOP_ONLY)
		return stay(ring, batch, packet, at);
	append(batch, packet);
	*at += packet->n;
	return true;
}

/*
 * The usual packet by a way of its own: one descriptor within one page, copied whole, that leaves
 * the machine and is like the one before to the guard. false: whatever else there may be, and
 * nothing has happened. A frame's owner can't change before the end of the poll, so it needs no
 * pin.
 */
static inline bool take_plain(struct net_ring *ring, struct batch *batch, uint32_t at)
{
	const uint16_t sums = EXO_DESC_L3_SUM | EXO_DESC_L4_SUM;
	const volatile struct exo_desc *desc =
	        &ring->request->desc[(ring->request_tail + at) & (ring->size - 1)];
	uint64_t address = desc->address;
	uint32_t length = desc->length;
	uint16_t flags = desc->flags, port = desc->port;
	struct outgoing *packet = &batch->packets[batch->n];
	struct rte_mbuf *mbuf;
	const uint8_t *from;
	uint8_t *to;

	if (flags & ~(EXO_DESC_REPORT | sums) || length < PLAIN_MIN || length > PLAIN_MAX ||
	    length > 4096 - address % 4096 || !batch->space || port >= net.n_ports ||
	    !(batch->space->ports >> port & 1) || (batch->n && port != batch->port) ||
	    length > port_frame_max(port) || !ledger_frame_owned(ring->env->id, address / 4096))
		return false;
	from = (const uint8_t *)machine_frame(address / 4096) + address % 4096;
	if (*(const volatile uint8_t *)from & 1)
		return false; /* to a group, as it seems: spares the copy */
	mbuf = rte_pktmbuf_alloc(ports[port].pool);
	if (!mbuf)
		return false;
	to = rte_pktmbuf_mtod(mbuf, uint8_t *);
	copy_few(to, from, length);
	mbuf->pkt_len = mbuf->data_len = (uint16_t)length;
	if (loop_way(port, mbuf) != LOOP_NOT ||
	    (flags & sums && offload_checksum(port, mbuf, flags)) ||
	    !guard_knows(&ring->guard, to, RTE_MIN(length, (uint32_t)NET_HEADER_BYTES))) {
		rte_pktmbuf_free(mbuf);
		return false;
	}
	packet->n = 1;
	packet->length = length;
	packet->status = 0;
	packet->first.address = address;
	packet->first.cookie = desc->cookie;
	packet->first.flags = flags;
	packet->first.port = port;
	packet->mbuf = mbuf;
	packet->pieces = 1;
	packet->way = LOOP_NOT;
	batch->port = port;
	batch->mbufs[batch->n++] = mbuf;
	batch->plain++;
	batch->reported += (flags & EXO_DESC_REPORT) != 0;
	return true;
}

static bool is_full(const struct net_flight *flight, unsigned besides)
{
	return flight->head + besides - flight->tail >= flight->size;
}

/* Takes the packet at descriptor *at, relative to tail, and moves *at behind it; what is flushed
 * moves tail instead. false: no more can be done now. */
static bool take(struct net_ring *ring, struct batch *batch, uint32_t *at, uint32_t *available)
{
	struct exo_desc desc[EXO_SEGMENTS_MAX];
	struct outgoing packet;

	if (is_full(ring->flight, batch->reported))
		return false;
	if (take_plain(ring, batch, *at)) {
		*available -= 1;
		*at += 1;
		return true;
	}
	read_packet(ring, batch->space, *at, RTE_MIN(*available, (uint32_t)LOOKS_MAX), desc,
	            &packet);
	if (batch->n && packet.first.port != batch->port) {
		*at = 0;
		if (!flush(ring, batch))
			return false;
	}
	if (!packet.status)
		packet.status = build(ring, batch, desc, &packet);
	if (packet.status == EXO_EAGAIN) {
		/* A queue counts packets and the pool their pieces: a driver that waits until its
		 * queue is full may hold all of these, and nobody could send any more. */
		port_reclaim(batch->core);
		ring_count_loss(ring, RING_NIC_FULL);
		return false;
	}
	*available -= packet.n;
	if (!packet.status)
		return go(ring, batch, desc, &packet, at);
	*at = 0;
	if (!flush(ring, batch))
		return false;
	completion_failed(ring, &packet);
	return packet.n <= EXO_SEGMENTS_MAX; /* or it was enough for a turn */
}

/* What is not plain, or behind what is not. */
static __attribute__((noinline)) void transmit_else(struct net_ring *ring,
                                                    const struct net_space *space, unsigned core,
                                                    uint32_t available)
{
	struct batch batch;
	uint32_t at = 0;
	bool going = true;

	batch.core = core;
	batch.space = space;
	batch.n = batch.reported = batch.plain = 0;
	for (unsigned i = 0; i < NET_BURST && available > 0 && going; i++)
		going = take(ring, &batch, &at, &available);
	(void)flush(ring, &batch);
	completion_settle(ring);
}

unsigned ring_transmit(struct net_ring *ring, unsigned core, bool *more)
{
	const struct net_space *space = __atomic_load_n(&ring->space, __ATOMIC_ACQUIRE);
	uint32_t available, before = ring->request_tail, waited = ring->rest.n;
	bool going = ring->rest.n == 0 || send_rest(ring, core);

	waited -= ring->rest.n;
	completion_settle(ring);
	*more = false;
	if (going && space)
		going = !ring_plain(ring, space, core);
	available = ring_requests(ring);
	if (available > 0 && going) {
		transmit_else(ring, space, core, available);
		available = ring_requests(ring);
	}
	/* Where nothing more may be under way, the bell rings when something has come back. */
	*more = (available > 0 && !is_full(ring->flight, 0)) || ring->rest.n > 0;
	return ring->request_tail - before + waited;
}
