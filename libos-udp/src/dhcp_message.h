/* SPDX-License-Identifier: BSD-2-Clause */
/* DHCP messages (RFC 2131, 2; RFC 2132): layout, and writing the client's own. */
#ifndef UDP_DHCP_MESSAGE_H
#define UDP_DHCP_MESSAGE_H

#include <udp/dhcp.h>

enum {
	DHCP_OP = 0,
	DHCP_HTYPE = 1,
	DHCP_HLEN = 2,
	DHCP_XID = 4,
	DHCP_SECS = 8,
	DHCP_FLAGS = 10,
	DHCP_CIADDR = 12,
	DHCP_YIADDR = 16,
	DHCP_CHADDR = 28,
	DHCP_SNAME = 44,
	DHCP_SNAME_SIZE = 64,
	DHCP_FILE = 108,
	DHCP_FILE_SIZE = 128,
	DHCP_COOKIE = 236,
	DHCP_OPTIONS = 240,
	DHCP_SIZE_MIN = 300, /* of a BOOTP message (RFC 1542, 2.1) */
	DHCP_SIZE_MAX = 548, /* every server takes that (RFC 2131, 2) */
	DHCP_OP_REQUEST = 1,
	DHCP_OP_REPLY = 2,
	DHCP_FLAG_BROADCAST = 0x8000,
};

#define DHCP_MAGIC 0x63825363u

enum dhcp_option {
	OPTION_PAD = 0,
	OPTION_MASK = 1,
	OPTION_ROUTER = 3,
	OPTION_DNS = 6,
	OPTION_HOST = 12,
	OPTION_DOMAIN = 15,
	OPTION_MTU = 26,
	OPTION_ADDRESS = 50,
	OPTION_LEASE = 51,
	OPTION_OVERLOAD = 52,
	OPTION_TYPE = 53,
	OPTION_SERVER = 54,
	OPTION_WANTED = 55,
	OPTION_SIZE_MAX = 57,
	OPTION_T1 = 58,
	OPTION_T2 = 59,
	OPTION_CLIENT = 61,
	OPTION_END = 255,
};

/* What a message of the client's says besides what the client's state says. */
struct dhcp_question {
	enum udp_dhcp_type type;
	const struct udp_ip *own;       /* ciaddr; NULL: none */
	const struct udp_ip *requested; /* NULL: none */
	const struct udp_ip *server;    /* NULL: any */
	uint16_t seconds;
	uint16_t mtu;
};

/* Writes the message into DHCP_SIZE_MAX bytes. → its size, at least DHCP_SIZE_MIN. */
uint32_t dhcp_build(uint8_t *at, const struct udp_dhcp *client, const uint8_t *mac,
                    const struct dhcp_question *question);

#endif
