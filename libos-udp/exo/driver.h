/* SPDX-License-Identifier: BSD-2-Clause */
/* What the driver's files share. */
#ifndef UDP_EXO_DRIVER_H
#define UDP_EXO_DRIVER_H

#include <udp/exo.h>

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

static inline uint8_t *bytes_of(const struct udp_exo *driver, uint32_t index)
{
	return (uint8_t *)driver->frames.address + ((size_t)index << driver->shift);
}

static inline uint32_t bytes_each(const struct udp_exo *driver)
{
	return 1u << driver->shift;
}

/* The first buffers are a NIC's own, and with it. */
void driver_lend(struct udp_exo *driver);
/* Puts free buffers into the fill queue, as far as there is room and half the pool is left. */
void driver_fill(struct udp_exo *driver);

#endif
