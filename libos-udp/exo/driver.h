/* SPDX-License-Identifier: BSD-2-Clause */
/* What the driver's files share. */
#ifndef UDP_EXO_DRIVER_H
#define UDP_EXO_DRIVER_H

#include <udp/exo.h>

/* Where a buffer is: a descriptor that comes back must be of one that was put in. */
enum place { PLACE_FREE, PLACE_FILLED, PLACE_STACK, PLACE_SENT, PLACE_QUIET };

/* Of a packet that was sent quietly, in its cookie: the buffer may be in use again. */
#define QUIET (1ull << 32)

extern const struct udp_ops driver_ops;
/* The first part of a packet in several buffers, and the next: makes it a segment of its own.
 * false: it is none. */
bool merged_begin(struct udp_exo_merged *merged, struct udp_buffer *buffer, uint16_t flags);
bool merged_go_on(struct udp_exo_merged *merged, struct udp_buffer *buffer);
/* Puts the interface's tag behind the addresses. false: there is no room. */
bool driver_tag(const struct udp_exo *driver, struct udp_buffer *buffer);
/* Takes a tag away. → its VLAN; 0: there is none, or it tells a priority alone. */
uint16_t driver_untag(struct udp_buffer *buffer);

/* How many frames of a burst of n need not be read, from the i-th on: acknowledgements that the one
 * behind them outdoes. *behind: from where on to ask again. */
uint32_t skim_count(const struct udp_exo *driver, uint32_t i, uint32_t n, uint32_t *behind);
/* Leaves those out, and fills their buffers in again. → where to go on. */
uint32_t driver_skim(struct udp_exo *driver, uint32_t i, uint32_t n);
/* What the kernel is to leave out for the same reason (EXO_CALL_RING_OUTDO). */
void skim_rules(struct exo_outdone rules[EXO_OUTDONE_RULES]);

static inline uint8_t *bytes_of(const struct udp_exo *driver, uint32_t index)
{
	return (uint8_t *)driver->frames.address + ((size_t)index << driver->shift);
}

static inline uint32_t bytes_each(const struct udp_exo *driver)
{
	return 1u << driver->shift;
}

/* Whether a cookie that came back is of a buffer that was where it comes from. */
static inline bool driver_knows(struct udp_exo *driver, uint64_t cookie, enum place place)
{
	if (cookie < driver->n_buffers && driver->buffers[cookie].place == place)
		return true;
	driver->strange++;
	return false;
}

/* Descriptor number `at` of a ring's requests. */
static inline struct exo_desc *descriptor_at(const struct exo_ring *ring, uint32_t at)
{
	return &ring->request->desc[at & (ring->size - 1)];
}

/* ---- ops.c ---- */

/* A buffer is in use no more. */
void driver_give(struct udp_exo *driver, uint32_t index);
/* Takes back packets that were sent quietly and are behind the tail by now; they have no pieces. */
void driver_reclaim(struct udp_exo *driver);

/* ---- driver.c ---- */

/* The first buffers are a NIC's own, and with it. */
void driver_lend(struct udp_exo *driver);
/* Puts free buffers into the fill queue, as far as there is room and half the pool is left. */
void driver_fill(struct udp_exo *driver);

#endif
