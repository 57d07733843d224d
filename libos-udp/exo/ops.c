/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the driver does for the stack: buffers, and frames on their way out.
 *
 * A packet that is all in its buffer is sent *quietly*: the kernel copies it, and reports only what
 * goes wrong; its buffer is free as soon as the ring's tail has passed it. When buffers run low, a
 * report is asked for, since that wakes us.
 */
#include <flt/sip.h>
#include <libexo/printf.h>
#include <libexo/time.h>

#include "driver.h"

/* Cookie of descriptors behind a packet's first. */
#define NO_BUFFER UINT64_MAX

static uint32_t index_of(const struct udp_exo *driver, const struct udp_buffer *buffer)
{
	return (uint32_t)(buffer - driver->buffers);
}

/* ---- Buffers that come back ---- */

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

static inline void give_plain(struct udp_exo *driver, uint32_t index)
{
	driver->buffers[index].place = PLACE_FREE;
	driver->free[driver->n_free++] = index;
}

/* Out of line: few buffers have pieces, or are a NIC's. */
static __attribute__((noinline)) void give_else(struct udp_exo *driver, uint32_t index)
{
	udp_buffer_done(&driver->buffers[index]);
	if (index < driver->slots)
		give_slot(driver, index);
	else
		give_plain(driver, index);
}

void driver_give(struct udp_exo *driver, uint32_t index)
{
	if (driver->buffers[index].payload != NULL || index < driver->slots)
		give_else(driver, index);
	else
		give_plain(driver, index);
}

/* A cookie behind the tail that is not of a buffer of ours which was sent quietly. */
static __attribute__((noinline)) void reclaim_other(struct udp_exo *driver, uint64_t cookie)
{
	if (cookie != NO_BUFFER && (cookie & QUIET) &&
	    driver_knows(driver, (uint32_t)cookie, PLACE_QUIET))
		give_slot(driver, (uint32_t)cookie);
}

void driver_reclaim(struct udp_exo *driver)
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
		driver_reclaim(driver);
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

	driver_give(driver, index_of(driver, buffer));
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

/* Whether an n-th descriptor may be written behind what is queued. Those behind the ring's tail
 * that were not looked at yet may not: they say which buffers come back. */
static inline bool has_room(const struct udp_exo *driver, uint32_t n)
{
	return driver->tx_next + n - driver->tx_tail < driver->tx.size;
}

/* That descriptor; NULL: there is no room. */
static struct exo_desc *slot(struct udp_exo *driver, uint32_t n)
{
	if (!has_room(driver, n))
		driver_reclaim(driver);
	return has_room(driver, n) ? descriptor_at(&driver->tx, driver->tx_next + n) : NULL;
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
		driver_give(driver, index);
		return;
	}
	buffer->place = PLACE_SENT;
	driver->tx_next += n;
}

static inline void output_quietly(struct udp_exo *driver, struct udp_buffer *buffer)
{
	struct exo_desc *desc = descriptor_at(&driver->tx, driver->tx_next++);

	put_first(driver, buffer, desc);
	desc->cookie = index_of(driver, buffer) | QUIET;
	buffer->place = PLACE_QUIET;
}

static inline bool has_plenty(const struct udp_exo *driver)
{
	return driver->n_free > driver->n_buffers / 8;
}

static inline bool is_quiet(const struct udp_exo *driver, const struct udp_buffer *buffer)
{
	return buffer->payload == NULL && has_plenty(driver) && has_room(driver, 0);
}

/* What may have to be tagged, or is not sent quietly. */
static __attribute__((noinline)) void output_else(struct udp_exo *driver, struct udp_buffer *buffer)
{
	if (driver->tagged && !driver_tag(driver, buffer)) {
		driver->tx_drops++;
		driver_give(driver, index_of(driver, buffer));
		return;
	}
	if (!has_plenty(driver))
		driver_reclaim(driver);
	if (is_quiet(driver, buffer))
		output_quietly(driver, buffer);
	else
		output_reported(driver, buffer);
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

/* A burst has one. */
static uint64_t op_when(void *context, uint64_t time)
{
	struct udp_exo *driver = context;

	if (time != driver->stamp) {
		driver->stamp = time;
		driver->stamp_ns = exo_time_ns(time - exo_info()->tsc_boot);
	}
	return driver->stamp_ns;
}

/* SipHash's permutation over the seed as the secret, once for each number; only the exclusive or of
 * two of the four words goes out, which tells neither the state nor what comes next. */
static uint64_t op_random(void *context)
{
	uint64_t *v = ((struct udp_exo *)context)->random;
	struct flt_sip s = {v[0], v[1], v[2], v[3] ^ exo_tsc()};

	for (int i = 0; i < 4; i++)
		flt_sip_round(&s);
	memcpy(v, &s, sizeof s);
	return s.a ^ s.b;
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
                                   .when = op_when,
                                   .random = op_random,
                                   .notice = op_notice,
                                   .reaches = op_reaches};
