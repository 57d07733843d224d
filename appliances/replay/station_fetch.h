/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A trace that a web server has, as a feed of the engine's streams: fetched over libos-tcp while it
 * is played, once for each pass. The environment needs a flow space `fetch` with an address.
 */
#ifndef REPLAY_STATION_FETCH_H
#define REPLAY_STATION_FETCH_H

#include <tcp/exo.h>

#include "engine/http.h"
#include "engine/stream.h"

struct station_fetch {
	struct stream_feed feed; /* first */
	struct tcp_exo net;
	struct tcp_conn *conn;
	struct http_url url;
	struct http_head head;
	uint64_t left; /* bytes of the body that follow; UINT64_MAX: until it ends */
	char reason[UDP_EXO_ERROR_MAX];
};

/* Opens the network and asks for the file. NULL, or why not. */
const char *station_fetch_open(struct station_fetch *fetch, const char *url);

/* What TCP has to do while nothing is read: to be called often. */
void station_fetch_poll(struct station_fetch *fetch);

#endif
