/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An environment's rings as a port of the replay engine. Times are the kernel's stamps where a
 * frame was taken from the NIC, and the same clock when one is sent.
 */
#ifndef REPLAY_STATION_PORT_H
#define REPLAY_STATION_PORT_H

#include <libexo/net.h>

#include "engine/port.h"

struct station_port {
	struct port port; /* first */
	struct exo_net net;
	struct exo_tx_buffer taken[PORT_BURST];
	uint32_t lengths[PORT_BURST];
	unsigned taken_n;
	struct exo_rx_frame given[PORT_BURST];
	uint32_t given_n;
};

/* Opens the flow space `all`. 0 or a negative enum exo_error, with net.error. */
int station_port_open(struct station_port *station);

#endif
