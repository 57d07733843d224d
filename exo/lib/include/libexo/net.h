/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Binding: what the start page lists, and flows of one's own.
 *
 * Most environments want exactly what their manifest grants: exo_net_open makes a receiver, a
 * transmitter and the bindings of one flow space from the start page.
 */
#ifndef LIBEXO_NET_H
#define LIBEXO_NET_H

#include <exo/flow.h>
#include <exo/start.h>

#include "packet.h"

enum {
	EXO_NET_BINDINGS_MAX = 16, /* of one flow space */
	EXO_NET_ERROR_MAX = 160,
};

struct exo_net {
	const struct exo_start_cap *flow;
	struct exo_rx rx;
	struct exo_tx tx;
	struct exo_pages counter_page;
	const struct exo_binding_counters *counters; /* [n_bindings], the kernel writes */
	unsigned n_bindings;
	struct exo_cap bindings[EXO_NET_BINDINGS_MAX];
	const struct exo_start_bind *binds[EXO_NET_BINDINGS_MAX]; /* what each is */
	char error[EXO_NET_ERROR_MAX]; /* after a failure: what and why, for people */
};

struct exo_net_options {
	const char *flow;        /* name of the flow space; NULL: the first on the start page */
	uint32_t rx_size;        /* descriptors; 0: 256 */
	uint32_t tx_size;        /* descriptors; 0: 256 */
	uint32_t buffer_bytes;   /* 0: EXO_BUFFER_BYTES */
	uint32_t exchange_least; /* exchange frames for packets of so many bytes; 0: copy all */
	bool no_transmit;        /* make no transmit ring: tx stays empty */
};

/*
 * Opens the flow space that `options` (NULL: all defaults) names: rings, buffers, and one binding
 * for each exo_start_bind of that space (EXO_BIND_COUNT ones without a ring). 0 or a negative
 * enum exo_error with net->error filled in; what was made before is unmade.
 */
int exo_net_open(struct exo_net *net, const struct exo_net_options *options);
void exo_net_close(struct exo_net *net);

/*
 * Binds one entry of the start page in `space` to `rings`. `counters`: physical address of a struct
 * exo_binding_counters, or 0. A refusal's reason goes to error[EXO_NET_ERROR_MAX] where not NULL.
 */
int exo_net_bind(const struct exo_start_bind *bind, const struct exo_cap *space,
                 const struct exo_cap *rings, unsigned n_rings, uint64_t counters,
                 struct exo_cap *out, char *error);

/* ---- Building flows. Every builder appends terms to `c`; exo_flow_any empties it first. A
 * conjunction has at most FLT_CONJUNCTION_TERMS_MAX terms: one more makes it false for good
 * (exo_flow_full tells). Offsets are those of untagged Ethernet frames. ---- */

void exo_flow_any(struct flt_conjunction *c);

/* The field of `width` bytes at `offset` under `mask` equals `value`. */
void exo_flow_term(struct flt_conjunction *c, uint16_t offset, uint8_t width, uint32_t mask,
                   uint32_t value);

/* A builder found no room: the conjunction must not be used. */
bool exo_flow_full(const struct flt_conjunction *c);

void exo_flow_ethertype(struct flt_conjunction *c, uint16_t type);
/* Ethernet addresses of frame offset 0 (destination) or 6 (source). */
void exo_flow_mac(struct flt_conjunction *c, uint16_t offset, const uint8_t mac[6]);

/* ARP (RFC 826) for IPv4: sender or target protocol address; `address` in network order. */
void exo_flow_arp_sender(struct flt_conjunction *c, const uint8_t address[4]);
void exo_flow_arp_target(struct flt_conjunction *c, const uint8_t address[4]);

/* IPv4 (RFC 791). `prefix` bits of the address count. */
void exo_flow_ipv4(struct flt_conjunction *c);
void exo_flow_ipv4_protocol(struct flt_conjunction *c, uint8_t protocol);
void exo_flow_ipv4_source(struct flt_conjunction *c, const uint8_t address[4], unsigned prefix);
void exo_flow_ipv4_destination(struct flt_conjunction *c, const uint8_t address[4],
                               unsigned prefix);
/* Not a later fragment: the transport header is there. */
void exo_flow_ipv4_first(struct flt_conjunction *c);
/* Transport ports behind an IPv4 header of any length. */
void exo_flow_ipv4_source_port(struct flt_conjunction *c, uint16_t port);
void exo_flow_ipv4_destination_port(struct flt_conjunction *c, uint16_t port);

/* The whole of "UDP (or TCP) over IPv4 to this address and port", and from it. */
void exo_flow_ipv4_to(struct flt_conjunction *c, uint8_t protocol, const uint8_t address[4],
                      uint16_t port);
void exo_flow_ipv4_from(struct flt_conjunction *c, uint8_t protocol, const uint8_t address[4],
                        uint16_t port);

#endif
