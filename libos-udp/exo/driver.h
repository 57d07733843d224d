/* SPDX-License-Identifier: BSD-2-Clause */
/* What the driver's two files share. */
#ifndef UDP_EXO_DRIVER_H
#define UDP_EXO_DRIVER_H

#include <udp/exo.h>

extern const struct udp_ops driver_ops;
/* The first part of a packet in several buffers, and the next: makes it a segment of its own.
 * false: it is none. */
bool merged_begin(struct udp_exo_merged *merged, struct udp_buffer *buffer, uint16_t flags);
bool merged_go_on(struct udp_exo_merged *merged, struct udp_buffer *buffer, uint16_t flags);
/* The first buffers are a NIC's own, and with it. */
void driver_lend(struct udp_exo *driver);
/* Puts free buffers into the fill queue, as far as there is room and half the pool is left. */
void driver_fill(struct udp_exo *driver);

#endif
