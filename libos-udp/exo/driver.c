/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver at work: frames from ring to stack and back. A buffer is known by its index, which is
 * its descriptors' cookie; a cookie that comes back is checked before it is used.
 *
 * Descriptors are written and read where they lie in the rings, and told of once for each poll. A
 * packet that is all in its buffer is sent *quietly*: the kernel copies it, and reports only what
 * goes wrong; its buffer is free as soon as the ring's tail has passed it. When buffers run low, a
 * report is asked for, since that wakes us.
 */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>

#include "driver.h"

enum {
	BURST = 32,
};

/* Where a buffer is: a descriptor that comes back must be of one that was put in. */
enum place { PLACE_FREE, PLACE_FILLED, PLACE_STACK, PLACE_SENT, PLACE_QUIET };

/* Of a packet that was sent quietly, in its cookie: the buffer may be in use again. */
#define QUIET (1ull << 32)
/* Cookie of descriptors behind a packet's first. */
#define NO_BUFFER UINT64_MAX

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint32_t index_of(const struct udp_exo *driver, const struct udp_buffer *buffer)
{
	return (uint32_t)(buffer - driver->buffers);
}

/* Out of line: few buffers have pieces. */
static __attribute__((noinline)) void done(struct udp_buffer *buffer)
{
	udp_buffer_done(buffer);
}

/* A NIC's own buffer is the NIC's again. */
static __attribute__((noinline)) void give_slot(struct udp_exo *driver, uint32_t index)
{
	struct exo_desc desc = {
	        .address = exo_pages_physical(&driver->frames, bytes_of(driver, index)),
	        .length = bytes_each(driver),
	        .cookie = index};

	driver->buffers[index].place = PLACE_FILLED;
	driver->n_filled++;
	exo_ring_put(&driver->rx, &desc, 1); /* which has room for all that there are */
}

static void give(struct udp_exo *driver, uint32_t index)
{
	if (driver->buffers[index].payload != NULL)
		done(&driver->buffers[index]);
	if (__builtin_expect(index < driver->slots, 0)) {
		give_slot(driver, index);
		return;
	}
	driver->buffers[index].place = PLACE_FREE;
	driver->free[driver->n_free++] = index;
}

/* Whether a cookie that came back is of a buffer that was where it comes from. */
static bool was_in(struct udp_exo *driver, uint64_t cookie, enum place place)
{
	if (cookie < driver->n_buffers && driver->buffers[cookie].place == place)
		return true;
	driver->strange++;
	return false;
}

/* A cookie behind the tail that is not of a buffer of ours which was sent quietly. */
static __attribute__((noinline)) void reclaim_other(struct udp_exo *driver, uint64_t cookie)
{
	if (cookie != NO_BUFFER && (cookie & QUIET) &&
	    was_in(driver, (uint32_t)cookie, PLACE_QUIET))
		give_slot(driver, (uint32_t)cookie);
}

/* Packets that were sent quietly and are behind the tail by now; they have no pieces. */
static void reclaim_quiet(struct udp_exo *driver)
{
	struct exo_ring *ring = &driver->tx;
	const struct exo_desc *queue = ring->request->desc;
	const uint32_t mask = ring->size - 1, n_buffers = driver->n_buffers;
	struct udp_buffer *const buffers = driver->buffers;
	uint32_t *const free = driver->free, n_free = driver->n_free;
	/* Acquire: the kernel has read what is given back. */
	uint32_t tail = __atomic_load_n(&ring->request->tail, __ATOMIC_ACQUIRE);

	if (ring->request_head - tail > ring->size) {
		ring->bad_index++;
		return;
	}
	for (uint32_t at = driver->tx_tail; at != tail; at++) {
		/* One that was not sent quietly, or of no buffer, has a high bit set now. */
		const uint64_t index = queue[at & mask].cookie ^ QUIET;

		if (__builtin_expect(index >= n_buffers || index < driver->slots, 0)) {
			reclaim_other(driver, index ^ QUIET);
		} else if (__builtin_expect(buffers[index].place != PLACE_QUIET, 0)) {
			driver->strange++;
		} else {
			buffers[index].place = PLACE_FREE;
			free[n_free++] = (uint32_t)index;
		}
	}
	driver->n_free = n_free;
	driver->tx_tail = tail;
}

/* ---- What the stack asks for ---- */

static struct udp_buffer *op_allocate(void *context, uint32_t size)
{
	struct udp_exo *driver = context;
	struct udp_buffer *buffer;
	uint32_t index;

	if (driver->n_free == 0)
		reclaim_quiet(driver);
	if (driver->n_free == 0 || size > UDP_EXO_BUFFER_BYTES - UDP_HEADROOM)
		return NULL;
	index = driver->free[--driver->n_free];
	buffer = &driver->buffers[index];
	*buffer = (struct udp_buffer){.data = bytes_of(driver, index) + UDP_HEADROOM,
	                              .size = size,
	                              .head = UDP_HEADROOM,
	                              .tail = UDP_EXO_BUFFER_BYTES - UDP_HEADROOM - size,
	                              .place = PLACE_STACK};
	return buffer;
}

static void op_release(void *context, struct udp_buffer *buffer)
{
	struct udp_exo *driver = context;

	give(driver, index_of(driver, buffer));
}

static bool lies_in(const struct exo_pages *pages, const void *data, uint32_t size)
{
	uintptr_t offset = (uintptr_t)data - (uintptr_t)pages->address;
	uint64_t bytes = (uint64_t)pages->count * EXO_PAGE_SIZE;

	return offset < bytes && size <= bytes - offset;
}

/* The memory that holds these bytes; NULL: none that was told of. */
static const struct exo_pages *find_pages(const struct udp_exo *driver, const void *data,
                                          uint32_t size)
{
	if (lies_in(&driver->frames, data, size))
		return &driver->frames;
	for (uint32_t i = 0; i < driver->n_reaches; i++)
		if (lies_in(&driver->reaches[i], data, size))
			return &driver->reaches[i];
	return NULL;
}

static bool op_reaches(void *context, const void *data, uint32_t size)
{
	return find_pages(context, data, size) != NULL;
}

int udp_exo_reach(struct udp_exo *driver, const struct exo_pages *pages)
{
	if (driver->n_reaches == UDP_EXO_REACHES_MAX)
		return -EXO_E2BIG;
	driver->reaches[driver->n_reaches++] = *pages;
	return 0;
}

/* Descriptors that may be written behind what was published. Those behind the tail that were not
 * looked at yet are none: they say which buffers come back. */
static uint32_t tx_room(const struct udp_exo *driver)
{
	return driver->tx.size - (driver->tx.request_head - driver->tx_tail);
}

/* The n-th descriptor behind what is queued; NULL: there is no room. */
static struct exo_desc *slot(struct udp_exo *driver, uint32_t n)
{
	n += driver->queued;
	if (n >= driver->tx_room) {
		reclaim_quiet(driver);
		driver->tx_room = tx_room(driver);
	}
	return n < driver->tx_room ? exo_ring_slot(&driver->tx, n) : NULL;
}

/* A last descriptor, for the segments' sums, which lie in the buffer. → as put_pieces. */
static uint32_t put_sums(struct udp_exo *driver, const struct udp_payload *payload,
                         struct exo_desc *first, struct exo_desc *last, uint32_t n)
{
	struct exo_desc *desc = slot(driver, n);

	if (desc == NULL)
		return 0;
	last->flags |= EXO_DESC_MORE;
	first->flags |= EXO_DESC_SUMS;
	desc->address = exo_pages_physical(&driver->frames, payload->sums);
	desc->length = payload->n_sums * (uint32_t)sizeof *payload->sums;
	desc->flags = 0;
	desc->cookie = NO_BUFFER;
	return n + 1;
}

/* Descriptors of a packet's pieces, behind `first`. → all of the packet's; 0: one is out of reach,
 * or there is no room. */
static uint32_t put_pieces(struct udp_exo *driver, const struct udp_payload *payload,
                           struct exo_desc *first)
{
	struct exo_desc *last = first;
	uint32_t n = 1;

	for (uint32_t i = 0; i < payload->n; i++) {
		const struct udp_piece *piece = &payload->pieces[i];
		const struct exo_pages *pages = find_pages(driver, piece->data, piece->size);
		struct exo_desc *desc = slot(driver, n);

		if (pages == NULL || desc == NULL)
			return 0;
		if (piece->size == 0)
			continue;
		last->flags |= EXO_DESC_MORE;
		desc->address = exo_pages_physical(pages, piece->data);
		desc->length = piece->size;
		desc->flags = 0;
		desc->cookie = NO_BUFFER;
		last = desc;
		n++;
	}
	return payload->n_sums > 0 && (first->flags & EXO_DESC_SEGMENT)
	               ? put_sums(driver, payload, first, last, n)
	               : n;
}

static void mark_segments(const struct udp_payload *payload, struct exo_desc *desc)
{
	if (payload->segment_size == 0 || payload->size <= payload->segment_size)
		return;
	desc->flags |= EXO_DESC_SEGMENT;
	desc->segment_size = payload->segment_size;
}

/* What all packets' first descriptors say. */
static void put_first(const struct udp_exo *driver, const struct udp_buffer *buffer,
                      struct exo_desc *desc)
{
	desc->address = exo_pages_physical(&driver->frames, buffer->data);
	desc->length = buffer->size;
	desc->flags = buffer->flags & UDP_BUFFER_SUM ? EXO_DESC_L4_SUM : 0;
	desc->port = driver->ports[buffer->interface];
}

/* What is not sent quietly: it has pieces, or buffers run low, or there is no room. */
static void output_reported(struct udp_exo *driver, struct udp_buffer *buffer)
{
	uint32_t index = index_of(driver, buffer), n = 1;
	struct exo_desc *desc = slot(driver, 0);

	if (desc != NULL) {
		put_first(driver, buffer, desc);
		desc->flags |= EXO_DESC_REPORT;
		desc->cookie = index;
		if (buffer->payload != NULL) {
			mark_segments(buffer->payload, desc);
			n = put_pieces(driver, buffer->payload, desc);
		}
	}
	if (desc == NULL || n == 0) {
		driver->tx_drops++;
		give(driver, index);
		return;
	}
	buffer->place = PLACE_SENT;
	driver->queued += n;
}

static inline void output_quietly(struct udp_exo *driver, struct udp_buffer *buffer)
{
	struct exo_desc *desc = exo_ring_slot(&driver->tx, driver->queued++);

	put_first(driver, buffer, desc);
	desc->cookie = index_of(driver, buffer) | QUIET;
	buffer->place = PLACE_QUIET;
}

static bool is_quiet(const struct udp_exo *driver, const struct udp_buffer *buffer)
{
	return buffer->payload == NULL && driver->n_free > driver->n_buffers / 8 &&
	       driver->queued < driver->tx_room;
}

/* What may have to be tagged, or is not sent quietly. */
static __attribute__((noinline)) void output_else(struct udp_exo *driver, struct udp_buffer *buffer)
{
	if (driver->tagged && !driver_tag(driver, buffer)) {
		driver->tx_drops++;
		give(driver, index_of(driver, buffer));
	} else if (is_quiet(driver, buffer)) {
		output_quietly(driver, buffer);
	} else {
		output_reported(driver, buffer);
	}
}

static void op_output(void *context, struct udp_buffer *buffer)
{
	struct udp_exo *driver = context;

	if (__builtin_expect(!driver->tagged && is_quiet(driver, buffer), 1))
		output_quietly(driver, buffer);
	else
		output_else(driver, buffer);
}

static uint64_t op_now(void *context)
{
	return exo_time_now_ns();
}

static uint64_t rotate(uint64_t value, unsigned by)
{
	return value << by | value >> (64 - by);
}

/* SipHash's permutation (Aumasson and Bernstein, 2012) over the seed as the secret, once for each
 * number; only the exclusive or of two of the four words goes out, which tells neither the state
 * nor what comes next. */
static uint64_t op_random(void *context)
{
	uint64_t *v = ((struct udp_exo *)context)->random;

	v[3] ^= exo_tsc();
	for (int i = 0; i < 4; i++) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] = rotate(v[2], 32);
	}
	return v[0] ^ v[1];
}

static void op_notice(void *context, enum udp_notice notice, const struct udp_ip *ip,
                      const uint8_t *mac)
{
	struct udp_exo *driver = context;
	char text[UDP_IP_TEXT_MAX];

	if (driver->notice != NULL)
		driver->notice(driver, notice, ip, mac);
	else if (notice == UDP_NOTICE_CONFLICT || notice == UDP_NOTICE_DUPLICATE)
		exo_printf("address conflict: %s is also used by "
		           "%02x:%02x:%02x:%02x:%02x:%02x%s\n",
		           udp_ip_format(ip, text), mac[0], mac[1], mac[2], mac[3], mac[4], mac[5],
		           notice == UDP_NOTICE_CONFLICT
		                   ? ""
		                   : ", who had it before: not used, tried again in a minute");
}

const struct udp_ops driver_ops = {.allocate = op_allocate,
                                   .release = op_release,
                                   .output = op_output,
                                   .now = op_now,
                                   .random = op_random,
                                   .notice = op_notice,
                                   .reaches = op_reaches};

/* ---- Rings ---- */

void driver_lend(struct udp_exo *driver)
{
	for (uint32_t i = 0; i < driver->slots; i++)
		driver->buffers[i].place = PLACE_FILLED;
	driver->n_filled = driver->slots;
}

void driver_fill(struct udp_exo *driver)
{
	struct udp_buffer *buffers = driver->buffers;
	uint32_t missing = driver->n_buffers / 2 - driver->n_filled, n = 0, room;
	uint32_t n_free = driver->n_free, *free = driver->free;
	uint32_t head = driver->rx.request_head, mask = driver->rx.size - 1;
	struct exo_desc *queue = driver->rx.request->desc;
	const uint32_t shift = driver->shift, length = bytes_each(driver) - UDP_HEADROOM;
	uint64_t base;

	if (missing < driver->n_buffers / 16 || driver->n_free == 0 || driver->slots != 0)
		return;
	missing = missing < driver->n_free ? missing : driver->n_free;
	room = exo_ring_room(&driver->rx);
	missing = missing < room ? missing : room;
	base = exo_pages_physical(&driver->frames, driver->frames.address) + UDP_HEADROOM;
	for (; n < missing; n++) {
		uint32_t index = free[--n_free];
		struct exo_desc *desc = &queue[(head + n) & mask];

		desc->cookie = index;
		desc->length = length;
		desc->address = base + ((uint64_t)index << shift);
		buffers[index].place = PLACE_FILLED;
	}
	driver->n_free = n_free;
	driver->n_filled += n;
	exo_ring_publish(&driver->rx, n);
}

/* What has been reported. */
static void reclaim(struct udp_exo *driver)
{
	uint32_t n = exo_ring_there(&driver->tx);

	for (uint32_t i = 0; i < n; i++) {
		const struct exo_desc *desc = exo_ring_response(&driver->tx, i);

		if (desc->status != 0) {
			driver->tx_refused++;
			driver->tx_error = desc->status;
		}
		if (!(desc->cookie & QUIET) && was_in(driver, desc->cookie, PLACE_SENT))
			give(driver, (uint32_t)desc->cookie);
	}
	if (n > 0)
		exo_ring_taken(&driver->tx, n);
	/* Many at once: few are not missed. */
	if (driver->tx.request_head - driver->tx_tail >= driver->n_buffers / 16)
		reclaim_quiet(driver);
}

/* The interface of a NIC port and VLAN; one that is not there makes the stack drop the frame. */
static uint8_t interface_of(const struct udp_exo *driver, uint16_t port, uint16_t vlan)
{
	uint8_t i = 0;

	while (i < driver->n_interfaces && (driver->ports[i] != port || driver->vlans[i] != vlan))
		i++;
	return i;
}

static uint16_t flags_of(uint16_t desc)
{
	uint16_t flags = 0;

	if (desc & EXO_DESC_L3_SUM_OK)
		flags |= UDP_BUFFER_L3_OK;
	if (desc & EXO_DESC_L4_SUM_OK)
		flags |= UDP_BUFFER_L4_OK;
	if (desc & EXO_DESC_LOCAL)
		flags |= UDP_BUFFER_LOCAL;
	if (desc & (EXO_DESC_SUM_BAD | EXO_DESC_CUT))
		flags |= UDP_BUFFER_BAD;
	return flags;
}

/* The buffer that a descriptor speaks of; NULL: none that was filled in. */
static inline __attribute__((always_inline)) struct udp_buffer *take_buffer(
        struct udp_exo *driver, const struct exo_desc *desc)
{
	/* Where the NIC has put it, or we have said; its length is believed as far as it fits. */
	const uint32_t head = desc->address & (bytes_each(driver) - 1);
	const uint32_t room = bytes_each(driver) - head;
	uint32_t size = desc->length < room ? desc->length : room;
	uint64_t cookie = desc->cookie;
	uint16_t flags = desc->flags;
	struct udp_buffer *buffer;

	if (!was_in(driver, cookie, PLACE_FILLED))
		return NULL;
	driver->n_filled--;
	if (desc->timestamp != driver->stamp) { /* a burst has one */
		driver->stamp = desc->timestamp;
		driver->stamp_ns = exo_time_ns(driver->stamp - exo_info()->tsc_boot);
	}
	buffer = &driver->buffers[cookie];
	*buffer = (struct udp_buffer){
	        .data = bytes_of(driver, (uint32_t)cookie) + head,
	        .size = size,
	        .head = head,
	        .tail = room - size,
	        .flags = flags == 0 ? 0 : flags_of(flags),
	        .time = driver->stamp_ns,
	};
	return buffer;
}

/* A part of a packet that no buffer holds as a whole. → what the stack is to have; NULL: nothing.
 */
static __attribute__((noinline)) struct udp_buffer *take_part(struct udp_exo *driver,
                                                              const struct exo_desc *desc)
{
	struct udp_exo_merged *merged = &driver->merged;
	struct udp_buffer *buffer = take_buffer(driver, desc);
	bool first = !merged->inside;

	merged->inside = (desc->flags & EXO_DESC_MORE) != 0;
	if (first)
		merged->header = 0;
	if (buffer == NULL) {
		merged->header = 0; /* what comes behind it has no place */
		return NULL;
	}
	if (first)
		merged->interface =
		        interface_of(driver, desc->port, driver->tagged ? driver_untag(buffer) : 0);
	buffer->interface = merged->interface;
	if (first ? merged_begin(merged, buffer, desc->flags) : merged_go_on(merged, buffer))
		return buffer;
	give(driver, (uint32_t)desc->cookie);
	return NULL;
}

static inline void receive(struct udp_exo *driver, const struct exo_desc *desc)
{
	const uint16_t port = desc->port;
	struct udp_buffer *buffer;

	if (__builtin_expect((desc->flags & EXO_DESC_MORE) | driver->merged.inside, 0)) {
		buffer = take_part(driver, desc);
	} else {
		buffer = take_buffer(driver, desc);
		if (buffer != NULL)
			buffer->interface = interface_of(driver, port,
			                                 driver->tagged ? driver_untag(buffer) : 0);
	}
	if (buffer != NULL)
		udp_stack_input(driver->stack, buffer); /* called here alone: it becomes one */
}

/* Leaves out what the next one makes needless, from the i-th on; their buffers are filled in again.
 * → where to go on. */
static __attribute__((noinline)) uint32_t skim(struct udp_exo *driver, uint32_t i, uint32_t n,
                                               uint32_t *behind)
{
	const uint64_t base = exo_pages_physical(&driver->frames, driver->frames.address);
	const uint32_t shift = driver->shift, length = bytes_each(driver) - UDP_HEADROOM;
	uint32_t end = i + skim_count(driver, i, n, behind), back = 0;

	driver->skimmed += end - i;
	for (; i < end; i++) {
		uint64_t cookie = exo_ring_response(&driver->rx, i)->cookie;
		struct exo_desc *desc = exo_ring_slot(&driver->rx, back);

		if (!was_in(driver, cookie, PLACE_FILLED))
			continue;
		if (cookie < driver->slots) {
			driver->n_filled--;
			give(driver, (uint32_t)cookie);
			continue;
		}
		desc->cookie = cookie;
		desc->length = length;
		desc->address = base + UDP_HEADROOM + (cookie << shift);
		back++;
	}
	if (back > 0) /* there is room for as many as came out */
		exo_ring_publish(&driver->rx, back);
	return end;
}

static void take_burst(struct udp_exo *driver, uint32_t n)
{
	uint32_t behind = driver->skims ? 0 : n; /* from where on it is worth trying */

	driver->tx_room = tx_room(driver);
	for (uint32_t i = 0; i < n; i++) {
		if (i >= behind && i + 1 < n)
			i = skim(driver, i, n, &behind);
		receive(driver, exo_ring_response(&driver->rx, i));
	}
	exo_ring_taken(&driver->rx, n);
}

/* Publishes what was queued; the kernel looks at it when the bell rings. */
static void publish(struct udp_exo *driver)
{
	if (driver->queued == 0)
		return;
	exo_ring_publish(&driver->tx, driver->queued);
	driver->tx_room -= driver->queued;
	driver->queued = 0;
	driver->unheard = true;
}

void udp_exo_tell(struct udp_exo *driver)
{
	if (driver->unheard)
		driver->unheard = exo_ring_doorbell(&driver->tx) < 0;
}

/* Flows are coming or going: the handover looks at frames before the stack does. */
static void show_handover(struct udp_exo *driver, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct exo_desc *desc = exo_ring_response(&driver->rx, i);
		uint64_t cookie = desc->cookie;
		uint32_t length = desc->length;

		if (cookie < driver->n_buffers && length <= bytes_each(driver) - UDP_HEADROOM)
			exo_handover_frame(driver->handover,
			                   bytes_of(driver, (uint32_t)cookie) + UDP_HEADROOM,
			                   length);
	}
}

/* Of the stack's clock, whose end is never. */
static uint64_t tsc_of(uint64_t ns)
{
	return ns == UINT64_MAX ? ns : exo_info()->tsc_boot + exo_time_ticks(ns);
}

/* What is due by now, in the stack and where flows come and go. */
static __attribute__((noinline)) void do_due(struct udp_exo *driver, bool handing_over)
{
	driver->deadline = udp_stack_run(driver->stack);
	if (handing_over)
		driver->deadline = earlier(driver->deadline, exo_handover_run(driver->handover));
	driver->due = tsc_of(driver->deadline);
}

uint32_t udp_exo_turn(struct udp_exo *driver)
{
	bool handing_over = driver->handover != NULL && exo_handover_active(driver->handover);
	uint32_t n;

	reclaim(driver);
	n = exo_ring_there(&driver->rx);
	n = n < BURST ? n : BURST;
	if (handing_over)
		show_handover(driver, n);
	if (n > 0)
		take_burst(driver, n);
	if (handing_over || !udp_stack_rests(driver->stack) || exo_tsc() >= driver->due)
		do_due(driver, handing_over);
	driver_fill(driver);
	publish(driver);
	return n;
}

uint32_t udp_exo_poll(struct udp_exo *driver)
{
	uint32_t n = udp_exo_turn(driver);

	udp_exo_tell(driver);
	return n;
}

/* Sleeps, until a TSC at the latest; rings the bell with the same call. */
static void rest(struct udp_exo *driver, uint64_t until)
{
	if (driver->unheard)
		driver->unheard = exo_ring_wait(&driver->tx, until) < 0;
	else
		exo_wait(until);
	if (driver->unheard)
		exo_wait(until); /* the ring is gone: there is no use in trying at once */
}

void udp_exo_wait(struct udp_exo *driver, uint64_t ns)
{
	rest(driver, ns == 0 ? driver->due : earlier(driver->due, exo_tsc() + exo_time_ticks(ns)));
}

void udp_exo_wait_until(struct udp_exo *driver, uint64_t ns)
{
	rest(driver, ns >= driver->deadline ? driver->due : tsc_of(ns));
}

_Noreturn void udp_exo_serve(struct udp_exo *driver)
{
	for (;;) {
		udp_exo_turn(driver);
		if (exo_ring_ready(&driver->rx))
			udp_exo_tell(driver);
		else
			rest(driver, driver->due);
	}
}
