/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver at work: frames from ring to stack and back. A buffer is known by its index, which is
 * its descriptors' cookie; a cookie that comes back is checked before it is used.
 *
 * Descriptors are written and read where they lie in the rings, and told of once for each poll.
 */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/start.h>
#include <libexo/time.h>

#include "driver.h"

enum {
	BURST = 64, /* frames of one turn */
};

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* ---- Rings ---- */

void driver_lend(struct udp_exo *driver)
{
	for (uint32_t i = 0; i < driver->slots; i++)
		driver->buffers[i].place = PLACE_FILLED;
	driver->n_filled = driver->slots;
	driver->n_low = driver->slots - driver->n_buffers / 16;
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

	if ((int32_t)missing <= 0 || driver->slots != 0)
		return;
	driver->n_low = driver->n_buffers / 2 - driver->n_buffers / 8;
	missing = missing < n_free ? missing : n_free;
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

/* Has buffers go round, many at once: those that were sent are free, and free ones are filled. A
 * NIC's own go back to it as soon. */
static __attribute__((noinline)) void restock(struct udp_exo *driver)
{
	driver_reclaim(driver);
	driver_fill(driver);
}

/* What has been reported. */
static __attribute__((noinline)) void take_reports(struct udp_exo *driver)
{
	uint32_t n = exo_ring_there(&driver->tx);

	for (uint32_t i = 0; i < n; i++) {
		const struct exo_desc *desc = exo_ring_response(&driver->tx, i);

		if (desc->status != 0) {
			driver->tx_refused++;
			driver->tx_error = desc->status;
		}
		if (!(desc->cookie & QUIET) && driver_knows(driver, desc->cookie, PLACE_SENT))
			driver_give(driver, (uint32_t)desc->cookie);
	}
	if (n > 0)
		exo_ring_taken(&driver->tx, n);
}

/* The interface of a NIC port and VLAN; one that is not there makes the stack drop the frame. */
static uint8_t interface_of(const struct udp_exo *driver, uint16_t port, uint16_t vlan)
{
	uint8_t i = 0;

	while ((driver->ports[i] != port || driver->vlans[i] != vlan) && ++i < driver->n_interfaces)
		;
	return i;
}

_Static_assert((int)EXO_DESC_L4_SUM_OK == (int)EXO_DESC_L3_SUM_OK * UDP_BUFFER_L4_OK &&
                       UDP_BUFFER_L3_OK == 1,
               "they are moved together");

static uint16_t flags_of(uint16_t desc)
{
	uint16_t flags = desc / EXO_DESC_L3_SUM_OK & (UDP_BUFFER_L3_OK | UDP_BUFFER_L4_OK);

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

	if (!driver_knows(driver, cookie, PLACE_FILLED))
		return NULL;
	driver->n_filled--;
	buffer = &driver->buffers[cookie];
	*buffer = (struct udp_buffer){
	        .data = bytes_of(driver, (uint32_t)cookie) + head,
	        .size = size,
	        .head = head,
	        .tail = room - size,
	        .flags = flags == 0 ? 0 : flags_of(flags),
	        .time = desc->timestamp,
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
	driver_give(driver, (uint32_t)desc->cookie);
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

static inline void take_burst(struct udp_exo *driver, uint32_t n)
{
	uint32_t i = 0;

	do {
		if (driver->skims && i + 1 < n)
			i = driver_skim(driver, i, n);
		receive(driver, exo_ring_response(&driver->rx, i));
	} while (++i < n);
	exo_ring_taken(&driver->rx, n);
}

/* Publishes what was queued; the kernel looks at it when the bell rings. */
static void publish(struct udp_exo *driver)
{
	const uint32_t n = driver->tx_next - driver->tx.request_head;

	if (n == 0)
		return;
	exo_ring_publish(&driver->tx, n);
	driver->unheard = true;
}

void udp_exo_tell(struct udp_exo *driver)
{
	if (driver->unheard)
		driver->unheard = exo_ring_doorbell(&driver->tx) < 0;
}

static inline bool is_handing_over(const struct udp_exo *driver)
{
	return driver->handover != NULL && exo_handover_active(driver->handover);
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
static __attribute__((noinline)) void do_due(struct udp_exo *driver)
{
	driver->deadline = udp_stack_run(driver->stack);
	if (is_handing_over(driver))
		driver->deadline = earlier(driver->deadline, exo_handover_run(driver->handover));
	driver->due = tsc_of(driver->deadline);
	if (driver->awaits != NULL && *driver->awaits != driver->wanted) {
		driver->wanted = *driver->awaits;
		exo_ring_want(&driver->rx, driver->wanted);
	}
}

uint32_t udp_exo_turn(struct udp_exo *driver)
{
	uint32_t n;

	if (exo_ring_ready(&driver->tx))
		take_reports(driver);
	n = exo_ring_there(&driver->rx);
	if (n > 0) {
		n = n < BURST ? n : BURST;
		if (is_handing_over(driver))
			show_handover(driver, n);
		take_burst(driver, n);
	}
	if (!udp_stack_rests(driver->stack) || exo_tsc() >= driver->due || is_handing_over(driver))
		do_due(driver);
	if (driver->n_filled <= driver->n_low)
		restock(driver);
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
