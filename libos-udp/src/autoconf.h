/* SPDX-License-Identifier: BSD-2-Clause */
/* What autoconfiguration keeps for an interface. */
#ifndef UDP_AUTOCONF_STATE_H
#define UDP_AUTOCONF_STATE_H

#include <udp/autoconf.h>

enum { AUTOCONF_SLOTS = 1 + UDP_AUTOCONF_PREFIXES_MAX }; /* the first is the link's own */

/* A prefix, and the address that was formed in it. */
struct auto_prefix {
	struct udp_ip net; /* family 0: vacant */
	bool on_link;
	bool failed;               /* every identifier that was tried is somebody else's */
	uint8_t tried;             /* RFC 7217's DAD_Counter */
	struct udp_ip address;     /* as formed last */
	uint64_t preferred, valid; /* until; UINT64_MAX: for ever */
};

struct auto_router {
	struct udp_ip ip;   /* family 0: vacant */
	uint8_t preference; /* RFC 4191: 0 low, 1 medium, 2 high */
	uint64_t until;
};

struct auto_dns {
	struct udp_ip ip;
	uint64_t until;
};

struct autoconf {
	bool on;
	uint64_t secret[2];
	uint64_t solicit_at;   /* next question for routers; UINT64_MAX: none */
	uint64_t solicit_wait; /* behind that one */
	uint32_t mtu;          /* 0: nothing was announced */
	struct auto_prefix prefixes[AUTOCONF_SLOTS];
	struct auto_router routers[UDP_AUTOCONF_ROUTERS_MAX];
	struct auto_dns dns[UDP_AUTOCONF_DNS_MAX];
};

#endif
