/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The DHCPv4 client (RFC 2131, 2132): an address for an interface, and what goes with it.
 *
 * A client is memory of the application's. udp_dhcp_start puts it into the stack, which from then
 * on asks, probes the address (RFC 5227), gives it to the interface together with the gateway,
 * renews, rebinds, and takes both away when the lease ends. The application hears of it by
 * `changed` and finds the lease in client->lease. Several clients may ask on one interface, each
 * with a client identifier of its own.
 *
 * Answers are untrusted: bounded, checked against the question (transaction, hardware address,
 * server), and taken only in the state that expects them. Nothing authenticates a DHCP server,
 * though: who is on the link and quicker decides the lease.
 *
 * Retransmission: after 4, 8, 16, 32, then every 64 s, each ± 1 s (RFC 2131, 4.1), for ever; while
 * renewing and rebinding half of what is left, at least 60 s (4.4.5).
 */
#ifndef UDP_DHCP_H
#define UDP_DHCP_H

#include "stack.h"

enum {
	UDP_DHCP_SERVER_PORT = 67,
	UDP_DHCP_CLIENT_PORT = 68,
	UDP_DHCP_ID_MAX = 32,
	UDP_DHCP_NAME_MAX = 63,
	UDP_DHCP_DNS_MAX = 4,
};

#define UDP_DHCP_FOR_EVER UINT32_MAX /* seconds of a lease without end */

struct udp_lease {
	struct udp_ip ip;
	uint8_t prefix;
	struct udp_ip gateway; /* family 0: none was named, or it is on another network */
	struct udp_ip server;
	struct udp_ip dns[UDP_DHCP_DNS_MAX];
	uint32_t n_dns;
	uint32_t seconds, t1, t2; /* t1 < t2 < seconds, or all UDP_DHCP_FOR_EVER */
	uint16_t mtu;             /* 0: not said */
	char domain[UDP_DHCP_NAME_MAX + 1];
};

enum udp_dhcp_event {
	UDP_DHCP_BOUND = 1,   /* client->lease.ip is ours from now on */
	UDP_DHCP_RENEWED = 2, /* the same address goes on; the rest of the lease may differ */
	UDP_DHCP_LOST = 3,    /* client->lease.ip is ours no more: it ended, or a server said so */
	UDP_DHCP_SILENT = 4,  /* no server has answered so far; asked again, each time this event */
	UDP_DHCP_REFUSED = 5, /* a server refused what was asked for; begins anew */
	UDP_DHCP_CONFLICT = 6, /* somebody has client->lease.ip: declined; begins anew in 10 s.
	                          Where the address was in use, LOST comes first */
	UDP_DHCP_TWICE = 7, /* a server gave client->lease.ip, which this interface has already: it
	                       tells clients apart by MAC address alone. Neither declined nor used;
	                       begins anew in 64 s */
};

enum udp_dhcp_state {
	UDP_DHCP_IDLE = 0, /* not started */
	UDP_DHCP_INIT,
	UDP_DHCP_SELECTING,  /* asked for offers */
	UDP_DHCP_REQUESTING, /* asked for the offered one */
	UDP_DHCP_PROBING,    /* it was given; does somebody use it? */
	UDP_DHCP_IN_USE,     /* RFC 2131's BOUND */
	UDP_DHCP_RENEWING,   /* T1 has passed: asks its server */
	UDP_DHCP_REBINDING,  /* T2 has passed: asks any server */
};

struct udp_dhcp;
/* Called within udp_stack_input and udp_stack_run; it must not start, stop or destroy anything. */
typedef void udp_dhcp_fn(struct udp_dhcp *client, enum udp_dhcp_event event);

/* The application sets the first group before udp_dhcp_start; the second it may read. */
struct udp_dhcp {
	udp_dhcp_fn *changed; /* NULL: nobody listens */
	void *context;        /* the application's own */
	uint8_t interface;
	uint8_t id_size;                  /* 0: the interface's MAC (RFC 2132, 9.14) */
	uint8_t id[UDP_DHCP_ID_MAX];      /* client identifier, type byte included */
	char host[UDP_DHCP_NAME_MAX + 1]; /* host name; "": none is sent */

	enum udp_dhcp_state state;
	struct udp_lease lease; /* meaningful from REQUESTING on */
	uint32_t tries;         /* questions sent in this state */

	struct udp_stack *stack;
	struct udp_dhcp *next;
	uint32_t xid;
	uint64_t began;   /* asking: for the field `secs` */
	uint64_t asked;   /* for this lease, first: from here on its time counts */
	uint64_t granted; /* when the lease's time began */
	uint64_t due;
	uint64_t refused;           /* when a server refused last; 0: never */
	uint8_t mac[UDP_MAC_BYTES]; /* what brought the lease: server, or its relay */
	bool bound;                 /* BOUND was said, LOST was not */
};

/* 0, -UDP_EINVAL (interface, identifier, host name), -UDP_EINUSE (UDP port 68 is taken). */
int udp_dhcp_start(struct udp_stack *stack, struct udp_dhcp *client);
/* Takes the client out; releases the lease (RFC 2131, 4.4.6) and takes the address off. No event.
 */
void udp_dhcp_stop(struct udp_dhcp *client);

/* ---- Messages, by themselves ---- */

enum udp_dhcp_type {
	UDP_DHCP_DISCOVER = 1,
	UDP_DHCP_OFFER = 2,
	UDP_DHCP_REQUEST = 3,
	UDP_DHCP_DECLINE = 4,
	UDP_DHCP_ACK = 5,
	UDP_DHCP_NAK = 6,
	UDP_DHCP_RELEASE = 7,
};

/* What a server's message says. */
struct udp_dhcp_reply {
	enum udp_dhcp_type type; /* OFFER, ACK or NAK */
	uint32_t xid;
	uint8_t mac[UDP_MAC_BYTES];
	bool has_server;        /* lease.server is there; offers and NAKs must have it */
	struct udp_lease lease; /* complete and consistent in an OFFER or ACK */
};

/* Reads a server's message: BOOTP header, options, options in `file` and `sname` (RFC 2132, 9.3),
 * options in several parts (RFC 3396). Untrusted. false: malformed, or no server would say that. */
bool udp_dhcp_parse(const uint8_t *message, uint32_t size, struct udp_dhcp_reply *reply);

#endif
