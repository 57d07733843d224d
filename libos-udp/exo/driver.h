/* SPDX-License-Identifier: BSD-2-Clause */
/* What the driver's two files share. */
#ifndef UDP_EXO_DRIVER_H
#define UDP_EXO_DRIVER_H

#include <udp/exo.h>

extern const struct udp_ops driver_ops;
/* Puts free buffers into the fill queue, as far as there is room and half the pool is left. */
void driver_fill(struct udp_exo *driver);

#endif
