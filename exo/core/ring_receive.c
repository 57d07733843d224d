/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Receive rings: a frame is copied into buffers that the
 * environment filled in, or exchanged for them (exchange.c).
 *
 * Fill descriptors are taken out of shared memory into ring->buffers, once, and
 * used from there; so a frame that turns out to need more buffers than there
 * are leaves those that it saw for the next one. A buffer's page frames are
 * pinned only while bytes are copied into them: whether they are the
 * environment's is decided then, and can't change meanwhile.
 */
#include "net_packet.h"
#include "ring_queue.h"

#include <string.h>

#include "frame_table.h"

/* Bad buffers that are given back for one frame: who fills them in may do so as fast. */
enum { REJECTS_MAX = NET_BURST };

static struct net_buffer *buffer_at(struct net_ring *ring, uint32_t i)
{
	return &ring->buffers[(ring->buffer_first + i) % EXO_SEGMENTS_MAX];
}

/* Drops the i-th buffer; those before it move up. */
static void remove_buffer(struct net_ring *ring, uint32_t i)
{
	for (; i > 0; i--)
		*buffer_at(ring, i) = *buffer_at(ring, i - 1);
	ring->buffer_first++;
	ring->n_buffers--;
}

/* Takes the next fill descriptor; false: there is none. */
static bool take_buffer(struct net_ring *ring)
{
	struct exo_desc desc;

	if (ring_requests(ring) == 0)
		return false;
	desc = ring_request(ring, 0);
	ring_consume(ring, 1);
	*buffer_at(ring, ring->n_buffers++) = (struct net_buffer){
	        .address = desc.address, .cookie = desc.cookie, .length = desc.length};
	return true;
}

struct net_buffer *ring_buffer(struct net_ring *ring, uint32_t i)
{
	return buffer_at(ring, i);
}

bool ring_take_buffer(struct net_ring *ring)
{
	return take_buffer(ring);
}

/* Gives a bad buffer back, so that its owner misses nothing. */
static void reject_buffer(struct net_ring *ring, uint32_t i, uint16_t status)
{
	struct net_buffer buffer = *buffer_at(ring, i);
	struct exo_desc desc = {
	        .address = buffer.address, .cookie = buffer.cookie, .status = status};

	ring_count_loss(ring, RING_BAD_DESCRIPTOR);
	remove_buffer(ring, i);
	if (ring_room(ring) == 0)
		return;
	ring_respond(ring, 0, &desc);
	ring_publish(ring, 1);
}

static uint64_t frames_of(uint64_t address, uint32_t length)
{
	return (address % 4096 + length + 4095) / 4096;
}

/* Pins the page frames of the first `length` bytes of a buffer. 0, or why it is
 * bad. */
static uint16_t pin_buffer(const struct net_ring *ring, const struct net_buffer *buffer,
                           uint32_t length)
{
	if (buffer->length == 0 || buffer->length > EXO_FRAME_BYTES_MAX)
		return EXO_EINVAL;
	if (ledger_frames_pin(ring->env->id, buffer->address / 4096,
	                      frames_of(buffer->address, length)))
		return EXO_EFAULT;
	return 0;
}

static uint32_t part_length(const struct net_buffer *buffer, uint32_t left)
{
	return buffer->length < left ? buffer->length : left;
}

static void unpin_buffers(struct net_ring *ring, uint32_t n, uint32_t length)
{
	for (uint32_t i = 0; i < n; i++) {
		struct net_buffer *buffer = buffer_at(ring, i);
		uint32_t part = part_length(buffer, length);

		ledger_frames_unpin(buffer->address / 4096, frames_of(buffer->address, part));
		length -= part;
	}
}

/*
 * Pins buffers for `length` bytes, from the first. *n: how many; *left: bytes
 * that found no place because a packet has at most EXO_SEGMENTS_MAX
 * descriptors. false: too few buffers; none is pinned then.
 */
static bool pin_buffers(struct net_ring *ring, uint32_t length, uint32_t *n, uint32_t *left)
{
	uint32_t rejects = 0;

	*n = 0;
	*left = length;
	while (*left > 0 && *n < EXO_SEGMENTS_MAX) {
		uint32_t part;
		uint16_t status;

		if (*n == ring->n_buffers && (rejects >= REJECTS_MAX || !take_buffer(ring))) {
			unpin_buffers(ring, *n, length);
			return false;
		}
		part = part_length(buffer_at(ring, *n), *left);
		status = pin_buffer(ring, buffer_at(ring, *n), part);
		if (status) {
			reject_buffer(ring, *n, status);
			rejects++;
			continue;
		}
		*left -= part;
		(*n)++;
	}
	return true;
}

/* Where the copy stands in a frame's chain of segments. */
struct source {
	const struct rte_mbuf *segment;
	uint32_t offset;
};

static void copy_piece(struct source *from, uint8_t *to, uint32_t length)
{
	while (length > 0) {
		uint32_t here = from->segment->data_len - from->offset;
		uint32_t part = here < length ? here : length;

		memcpy(to, rte_pktmbuf_mtod_offset(from->segment, uint8_t *, from->offset), part);
		to += part;
		length -= part;
		from->offset += part;
		if (from->offset == from->segment->data_len && from->segment->next) {
			from->segment = from->segment->next;
			from->offset = 0;
		}
	}
}

/* Into pinned frames, page by page: neighbouring frames need not be neighbours
 * in the kernel. */
static void copy_to_buffer(struct source *from, uint64_t address, uint32_t length)
{
	while (length > 0) {
		uint32_t offset = address % 4096;
		uint32_t part = 4096 - offset < length ? 4096 - offset : length;

		copy_piece(from, (uint8_t *)machine_frame(address / 4096) + offset, part);
		address += part;
		length -= part;
	}
}

/* Copies `length` bytes into the first n buffers and publishes them. */
static void fill(struct net_ring *ring, const struct net_packet *packet, uint32_t n,
                 uint32_t length, struct exo_desc *desc)
{
	struct source from = {packet->mbuf, 0};
	uint16_t flags = desc->flags;

	for (uint32_t i = 0; i < n; i++) {
		struct net_buffer *buffer = buffer_at(ring, i);

		desc->address = buffer->address;
		desc->cookie = buffer->cookie;
		desc->length = part_length(buffer, length);
		desc->flags = flags | (i + 1 < n ? EXO_DESC_MORE : 0);
		copy_to_buffer(&from, desc->address, desc->length);
		length -= desc->length;
		ring_respond(ring, i, desc);
		desc->wire_length = 0;
	}
	ring_publish(ring, n);
}

/* Any frame, into as many buffers as it takes. *left: bytes that found no
 * place. */
static enum ring_outcome fill_many(struct net_ring *ring, const struct net_packet *packet,
                                   uint32_t length, struct exo_desc *desc, uint32_t *n,
                                   uint32_t *left)
{
	if (!pin_buffers(ring, length, n, left))
		return RING_NO_BUFFER;
	if (ring_room(ring) < *n) {
		unpin_buffers(ring, *n, length);
		return RING_FULL;
	}
	if (*left > 0)
		desc->flags |= EXO_DESC_CUT;
	fill(ring, packet, *n, length - *left, desc);
	unpin_buffers(ring, *n, length);
	return RING_DELIVERED;
}

/* Into as many buffers as it takes. */
static enum ring_outcome deliver_any(struct net_ring *ring, const struct net_packet *packet,
                                     uint32_t length, struct exo_desc *desc)
{
	uint32_t n = 1, left = 0;
	enum ring_outcome outcome;

	if (ring->n_buffers == 0 && !take_buffer(ring))
		return RING_NO_BUFFER;
	outcome = fill_many(ring, packet, length, desc, &n, &left);
	if (outcome != RING_DELIVERED)
		return outcome;
	ring->buffer_first += n;
	ring->n_buffers -= n;
	ring_count(ring, 1, length - left);
	return RING_DELIVERED;
}

/* What descriptors of frames in a row have in common, as the words say it that it stands in. */
struct net_run {
	uint64_t timestamp, binding, port;
};

/* A ring's queues as they are while usual frames are put: nothing that an environment writes. */
struct view {
	struct exo_queue *request, *response;
	const struct exo_desc *fill; /* the next buffer, */
	struct exo_desc *to;         /* and where it is named then */
	uint32_t env, shorter;       /* than what is exchanged, less one */
	uint64_t number;             /* of the page that is known to be the environment's, */
	uint8_t *page;               /* which lies here; UINT64_MAX: none is */
	uint64_t bytes;              /* that were put */
};

/* Whether there is place for usual frames, for *room at most, up to the end of a queue's memory:
 * both of the other side's indices have to be possible, and nobody took a buffer from the queue
 * yet. */
static inline bool look_at(const struct net_ring *ring, struct view *view, uint32_t *room)
{
	const uint32_t tail = ring->request_tail, head = ring->response_head, mask = ring->size - 1;
	uint32_t there, used;

	*view = (struct view){
	        .request = ring->request,
	        .response = ring->response,
	        .fill = &ring->request->desc[tail & mask],
	        .to = &ring->response->desc[head & mask],
	        .env = ring->env->id,
	        .shorter = ring->exchange_least - 1,
	        .number = UINT64_MAX,
	};
	there = __atomic_load_n(&view->request->head, __ATOMIC_ACQUIRE) - tail;
	used = head - __atomic_load_n(&view->response->tail, __ATOMIC_ACQUIRE);
	if (there - 1 > mask || used > mask || ring->unusual)
		return false;
	*room = RTE_MIN(there, mask + 1 - used);
	*room = RTE_MIN(*room, mask + 1 - RTE_MAX(tail & mask, head & mask));
	return true;
}

/* What else there is to know of a frame that was put. */
static inline void tell(struct exo_desc *to, const struct net_packet *packet, uint16_t flags)
{
	to->flags = flags;
	to->hash = packet->hash;
}

static __attribute__((noinline)) void tell_of(struct exo_desc *to, struct rte_mbuf *mbuf)
{
	struct net_packet packet;

	net_describe(&packet, mbuf, 0, 0);
	tell(to, &packet, packet.flags);
}

/*
 * The usual frame: one segment, all of it into one buffer within one page, the next of those that
 * there is place for. Its owner can't change before the end of the poll, so it needs no pin, and a
 * page that is known stays so; its descriptor is read once. false: it is not so, or the page is not
 * the environment's; nothing has happened then.
 */
static inline __attribute__((always_inline)) bool put_usual(struct view *view,
                                                            const struct rte_mbuf *mbuf,
                                                            const struct net_run *run)
{
	uint64_t address = __atomic_load_n(&view->fill->address, __ATOMIC_RELAXED);
	uint64_t cookie = __atomic_load_n(&view->fill->cookie, __ATOMIC_RELAXED);
	uint32_t room = __atomic_load_n(&view->fill->length, __ATOMIC_RELAXED);
	uint32_t offset = address % 4096, length = mbuf->pkt_len;
	uint64_t *to = (uint64_t *)view->to;

	if (length >= view->shorter || room < length || room > EXO_FRAME_BYTES_MAX ||
	    length > 4096 - offset)
		return false;
	if (address / 4096 != view->number) {
		uint8_t *page = frame_alias(view->env, address / 4096);

		if (!page)
			return false;
		view->page = page;
		view->number = address / 4096;
	}
	to[0] = address;
	to[1] = length;
	to[2] = cookie;
	to[3] = run->timestamp;
	to[4] = run->port + length;
	to[5] = run->binding;
	copy_few(view->page + offset, rte_pktmbuf_mtod(mbuf, const uint8_t *), length);
	view->bytes += length;
	view->fill++;
	view->to++;
	return true;
}

_Static_assert(offsetof(struct exo_desc, length) == 8 && offsetof(struct exo_desc, flags) == 12 &&
                       offsetof(struct exo_desc, cookie) == 16 &&
                       offsetof(struct exo_desc, timestamp) == 24 &&
                       offsetof(struct exo_desc, wire_length) == 32 &&
                       offsetof(struct exo_desc, port) == 36 &&
                       offsetof(struct exo_desc, binding) == 40 &&
                       offsetof(struct exo_desc, hash) == 44 &&
                       offsetof(struct exo_desc, reserved) == 48,
               "written a word at a time, but for what was cleared once");

/* A run's words of that. */
static inline struct net_run words_of(uint64_t timestamp, uint64_t binding, uint16_t port)
{
	return (struct net_run){timestamp, (uint32_t)binding, (uint64_t)port << 32};
}

/* Shows the environment the n that were put. */
static inline void show_usual(struct net_ring *ring, const struct view *view, uint32_t n)
{
	const uint32_t tail = ring->request_tail + n, head = ring->response_head + n;

	ring->request_tail = tail;
	ring->response_head = head;
	/* Release: as in ring_consume and ring_publish. */
	__atomic_store_n(&view->request->tail, tail, __ATOMIC_RELEASE);
	__atomic_store_n(&view->response->head, head, __ATOMIC_RELEASE);
	ring_count(ring, n, view->bytes);
}

static bool deliver_usual(struct net_ring *ring, const struct net_packet *packet, uint32_t length,
                          uint16_t flags, uint64_t binding)
{
	const struct net_run run = words_of(packet->timestamp, binding, packet->port);
	struct view view;
	uint32_t room;

	if (length != packet->length || packet->mbuf->nb_segs > 1 || !look_at(ring, &view, &room) ||
	    !put_usual(&view, packet->mbuf, &run))
		return false;
	tell(view.to - 1, packet, flags);
	show_usual(ring, &view, 1);
	return true;
}

static enum ring_outcome deliver(struct net_ring *ring, const struct net_packet *packet,
                                 uint32_t length, uint16_t flags, uint64_t binding)
{
	struct exo_desc desc = {
	        .flags = flags,
	        .timestamp = packet->timestamp,
	        .wire_length = packet->length,
	        .port = packet->port,
	        .binding = (uint32_t)binding,
	        .hash = packet->hash,
	};

	if (ring_room(ring) == 0)
		return RING_FULL;
	if (ring->exchange_least != 0 && exchange_deliver(ring, packet, &desc))
		return RING_DELIVERED;
	return deliver_any(ring, packet, length, &desc);
}

/* What is not usual, or into a ring that others deliver to as well. */
static __attribute__((noinline)) enum ring_outcome deliver_else(struct net_ring *ring,
                                                                const struct net_packet *packet,
                                                                uint32_t length, uint16_t flags,
                                                                uint64_t binding)
{
	bool shared = net.n_pollers > 1;
	enum ring_outcome outcome = RING_DELIVERED;

	if (shared)
		machine_lock(&ring->lock);
	if (!shared || !deliver_usual(ring, packet, length, flags, binding))
		outcome = deliver(ring, packet, length, flags, binding);
	if (shared)
		machine_unlock(&ring->lock);
	return outcome;
}

/* The packet's flags, and whether `accept` cuts it. */
static inline uint16_t flags_of(const struct net_packet *packet, uint32_t accept)
{
	return packet->flags | (accept < packet->length ? EXO_DESC_CUT : 0);
}

enum ring_outcome ring_deliver(struct net_ring *ring, const struct net_packet *packet,
                               uint32_t accept, uint16_t flags, uint64_t binding)
{
	uint32_t length = accept < packet->length ? accept : packet->length;

	flags |= flags_of(packet, accept);
	if (net.n_pollers == 1 && deliver_usual(ring, packet, length, flags, binding))
		return RING_DELIVERED;
	return deliver_else(ring, packet, length, flags, binding);
}

/* Puts the usual ones, up to the first that is not; there is place for n. → how many, and their
 * bytes. By itself, for it keeps all registers busy. */
static __attribute__((noinline)) unsigned put_run(const struct view *of,
                                                  struct rte_mbuf *const *mbufs, unsigned n,
                                                  const struct net_run *words, uint64_t *bytes)
{
	struct rte_mbuf *const *const begin = mbufs, *const *const end = mbufs + n;
	const struct net_run run = *words;
	struct view view = *of;

	for (; mbufs < end; mbufs++) {
		struct rte_mbuf *mbuf = *mbufs;

		if (!mbuf_is_plain(mbuf) || !put_usual(&view, mbuf, &run))
			break;
		if (__builtin_expect((mbuf->ol_flags & NET_TOLD) != 0, 0))
			tell_of(view.to - 1, mbuf);
	}
	*bytes = view.bytes;
	return (unsigned)(mbufs - begin);
}

/* → how many, up to the end of a queue's memory; *bytes grows by theirs. */
static inline unsigned deliver_some(struct net_ring *ring, struct rte_mbuf *const *mbufs,
                                    unsigned n, const struct net_run *run, uint64_t *bytes)
{
	struct view view;
	uint32_t room;

	if (!look_at(ring, &view, &room))
		return 0;
	n = put_run(&view, mbufs, RTE_MIN(n, room), run, &view.bytes);
	if (n > 0)
		show_usual(ring, &view, n);
	*bytes += view.bytes;
	return n;
}

unsigned ring_deliver_run(struct net_ring *ring, struct rte_mbuf *const *mbufs, unsigned n,
                          uint64_t binding, uint16_t port, uint64_t *bytes)
{
	const struct net_run run = words_of(machine_tsc(), binding, port);
	bool shared = net.n_pollers > 1;
	unsigned done = 0, more;

	*bytes = 0;
	if (shared)
		machine_lock(&ring->lock);
	do {
		more = deliver_some(ring, mbufs + done, n - done, &run, bytes);
		done += more;
	} while (more > 0 && done < n);
	if (shared)
		machine_unlock(&ring->lock);
	return done;
}

bool ring_deliver_lone(struct net_queue *queue, struct rte_mbuf *mbuf,
                       struct net_binding_core *part)
{
	const struct net_run run = words_of(machine_tsc(), part->id, queue->port);
	struct net_ring *ring = part->alone;
	struct view view;
	uint32_t room;

	if (!ring || !look_at(ring, &view, &room) || !put_usual(&view, mbuf, &run))
		return false;
	if (__builtin_expect((mbuf->ol_flags & NET_TOLD) != 0, 0))
		tell_of(view.to - 1, mbuf);
	show_usual(ring, &view, 1);
	net_count_given(part, 1, view.bytes);
	if (net_wanted(ring))
		env_post(ring->env, ring->core, EXO_EVENT_RING);
	port_free_lone(queue, mbuf);
	return true;
}
