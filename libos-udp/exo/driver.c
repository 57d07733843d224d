/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver at work: frames from ring to stack and back. A buffer is known by its index, which is
 * its descriptors' cookie; a cookie that comes back is checked before it is used. */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>

#include "driver.h"

enum { BURST = 32 };

/* Where a buffer is: a descriptor that comes back must be of one that was put in. */
enum place { PLACE_FREE, PLACE_FILLED, PLACE_STACK, PLACE_SENT };

static uint32_t index_of(const struct udp_exo *driver, const struct udp_buffer *buffer)
{
	return (uint32_t)(buffer - driver->buffers);
}

static uint8_t *bytes_of(const struct udp_exo *driver, uint32_t index)
{
	return (uint8_t *)driver->frames.address + (size_t)index * UDP_EXO_BUFFER_BYTES;
}

static void give(struct udp_exo *driver, uint32_t index)
{
	udp_buffer_done(&driver->buffers[index]);
	driver->buffers[index].place = PLACE_FREE;
	driver->free[driver->n_free++] = index;
}

/* Whether the buffer of a descriptor that came back was where it comes from. */
static bool was_in(struct udp_exo *driver, const struct exo_desc *desc, enum place place)
{
	if (desc->cookie < driver->n_buffers && driver->buffers[desc->cookie].place == place)
		return true;
	driver->strange++;
	return false;
}

/* ---- What the stack asks for ---- */

static struct udp_buffer *op_allocate(void *context, uint32_t size)
{
	struct udp_exo *driver = context;
	struct udp_buffer *buffer;
	uint32_t index;

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

/* Appends descriptors of a packet's pieces. → how many there are then; 0: one is out of reach. */
static uint32_t describe_pieces(const struct udp_exo *driver, const struct udp_payload *payload,
                                struct exo_desc *desc)
{
	uint32_t n = 1;

	for (uint32_t i = 0; payload != NULL && i < payload->n; i++) {
		const struct udp_piece *piece = &payload->pieces[i];
		const struct exo_pages *pages = find_pages(driver, piece->data, piece->size);

		if (pages == NULL)
			return 0;
		if (piece->size == 0)
			continue;
		desc[n - 1].flags |= EXO_DESC_MORE;
		desc[n++] = (struct exo_desc){.address = exo_pages_physical(pages, piece->data),
		                              .length = piece->size};
	}
	return n;
}

static void op_output(void *context, struct udp_buffer *buffer)
{
	struct udp_exo *driver = context;
	const struct udp_payload *payload = buffer->payload;
	struct exo_desc desc[1 + UDP_PIECES_MAX];
	uint32_t n;

	desc[0] = (struct exo_desc){.address = exo_pages_physical(&driver->frames, buffer->data),
	                            .length = buffer->size,
	                            .flags = EXO_DESC_REPORT, /* the buffer must come back */
	                            .cookie = index_of(driver, buffer),
	                            .port = driver->ports[buffer->interface]};
	if (buffer->flags & UDP_BUFFER_SUM)
		desc[0].flags |= EXO_DESC_L4_SUM;
	if (payload != NULL && payload->segment_size != 0 &&
	    payload->size > payload->segment_size) {
		desc[0].flags |= EXO_DESC_SEGMENT;
		desc[0].segment_size = payload->segment_size;
	}
	n = describe_pieces(driver, payload, desc);
	if (n == 0 || exo_ring_put(&driver->tx, desc, n) == 0) {
		driver->tx_drops++;
		give(driver, index_of(driver, buffer));
		return;
	}
	buffer->place = PLACE_SENT;
	driver->unflushed = true;
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

void driver_fill(struct udp_exo *driver)
{
	struct exo_desc desc = {.length = UDP_EXO_BUFFER_BYTES - UDP_HEADROOM};

	while (driver->n_free > 0 && driver->n_filled < driver->n_buffers / 2) {
		uint32_t index = driver->free[driver->n_free - 1];

		desc.cookie = index;
		desc.address =
		        exo_pages_physical(&driver->frames, bytes_of(driver, index)) + UDP_HEADROOM;
		if (exo_ring_put(&driver->rx, &desc, 1) == 0)
			return;
		driver->buffers[index].place = PLACE_FILLED;
		driver->n_free--;
		driver->n_filled++;
	}
}

static void reclaim(struct udp_exo *driver)
{
	struct exo_desc desc[BURST];
	uint32_t n;

	do {
		n = exo_ring_get(&driver->tx, desc, BURST);
		for (uint32_t i = 0; i < n; i++) {
			if (!was_in(driver, &desc[i], PLACE_SENT))
				continue;
			if (desc[i].status != 0) {
				driver->tx_refused++;
				driver->tx_error = desc[i].status;
			}
			give(driver, (uint32_t)desc[i].cookie);
		}
	} while (n == BURST);
}

/* The interface of a NIC port; one that is not there makes the stack drop the frame. */
static uint8_t interface_of(const struct udp_exo *driver, uint16_t port)
{
	uint8_t i = 0;

	while (i < driver->n_interfaces && driver->ports[i] != port)
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
	if (desc & (EXO_DESC_SUM_BAD | EXO_DESC_CUT | EXO_DESC_MORE))
		flags |= UDP_BUFFER_BAD;
	return flags;
}

static void receive(struct udp_exo *driver, const struct exo_desc *desc)
{
	uint32_t room = UDP_EXO_BUFFER_BYTES - UDP_HEADROOM;
	uint32_t size = desc->length < room ? desc->length : room;
	struct udp_buffer *buffer;

	if (!was_in(driver, desc, PLACE_FILLED))
		return;
	driver->n_filled--;
	buffer = &driver->buffers[desc->cookie];
	*buffer =
	        (struct udp_buffer){.data = bytes_of(driver, (uint32_t)desc->cookie) + UDP_HEADROOM,
	                            .size = size,
	                            .head = UDP_HEADROOM,
	                            .tail = room - size,
	                            .flags = flags_of(desc->flags),
	                            .interface = interface_of(driver, desc->port),
	                            .time = exo_time_ns(desc->timestamp - exo_info()->tsc_boot)};
	udp_stack_input(driver->stack, buffer);
}

uint32_t udp_exo_poll(struct udp_exo *driver)
{
	struct exo_desc desc[BURST];
	uint32_t n;

	reclaim(driver);
	n = exo_ring_get(&driver->rx, desc, BURST);
	for (uint32_t i = 0; i < n; i++)
		receive(driver, &desc[i]);
	driver->deadline = udp_stack_run(driver->stack);
	driver_fill(driver);
	if (driver->unflushed)
		driver->unflushed = exo_ring_doorbell(&driver->tx) < 0;
	return n;
}

void udp_exo_wait(struct udp_exo *driver, uint64_t ns)
{
	uint64_t now = exo_time_now_ns();
	uint64_t until = driver->deadline;

	if (ns != 0 && until > now + ns)
		until = now + ns;
	if (until == UINT64_MAX)
		exo_wait(0);
	else
		exo_wait(exo_info()->tsc_boot + exo_time_ticks(until));
}

_Noreturn void udp_exo_serve(struct udp_exo *driver)
{
	for (;;)
		if (udp_exo_poll(driver) == 0)
			udp_exo_wait(driver, 0);
}
