/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DHCP messages. Reading: the options may lie in three places, `options`, and where option 52 says
 * so also `file` and `sname`, in this order; an option that occurs more than once is the
 * concatenation of its parts (RFC 3396). Each place is walked once to see that it is sound, then
 * once for each option that is wanted: a dozen short walks.
 */
#include "dhcp_message.h"

#include <udp/wire.h>

enum {
	AREAS_MAX = 3,
	OVERLOAD_FILE = 1,
	OVERLOAD_SNAME = 2,
	LEASE_MIN = 10, /* seconds; a server that gives less would be asked without pause */
	MTU_LEAST = 576,
};

/* A place where options stand. */
struct area {
	const uint8_t *at;
	uint32_t size;
};

struct options {
	struct area areas[AREAS_MAX];
	unsigned n;
};

/* ---- Walking ---- */

/* The option at area->at: its value in *value, and the area behind it. false: there is none, or it
 * does not fit; `*sound` tells which. */
static bool next_option(struct area *area, uint8_t *code, struct area *value, bool *sound)
{
	*sound = true;
	while (area->size > 0 && *area->at == OPTION_PAD) {
		area->at++;
		area->size--;
	}
	if (area->size == 0 || *area->at == OPTION_END)
		return false;
	*sound = area->size >= 2 && area->size - 2 >= area->at[1];
	if (!*sound)
		return false;
	*code = area->at[0];
	*value = (struct area){area->at + 2, area->at[1]};
	area->at += 2 + value->size;
	area->size -= 2 + value->size;
	return true;
}

static bool is_sound(struct area area)
{
	struct area value;
	uint8_t code;
	bool sound;

	while (next_option(&area, &code, &value, &sound))
		;
	return sound;
}

/* Copies what the message says of an option, at most `max` bytes, all its parts behind one another.
 * → the bytes that there were. */
static uint32_t collect(const struct options *options, uint8_t wanted, uint8_t *to, uint32_t max)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < options->n; i++) {
		struct area area = options->areas[i], value;
		uint8_t code;
		bool sound;

		while (next_option(&area, &code, &value, &sound)) {
			if (code != wanted)
				continue;
			for (uint32_t k = 0; k < value.size && n + k < max; k++)
				to[n + k] = value.at[k];
			n += value.size;
		}
	}
	return n;
}

static bool number8(const struct options *options, uint8_t code, uint8_t *value)
{
	return collect(options, code, value, 1) == 1;
}

static bool number32(const struct options *options, uint8_t code, uint32_t *value)
{
	uint8_t bytes[4];

	if (collect(options, code, bytes, sizeof bytes) != sizeof bytes)
		return false;
	*value = wire_get32(bytes);
	return true;
}

/* ---- Reading ---- */

static bool find_areas(const uint8_t *message, uint32_t size, struct options *options)
{
	uint8_t overload = 0;

	options->areas[0] = (struct area){message + DHCP_OPTIONS, size - DHCP_OPTIONS};
	options->n = 1;
	if (!is_sound(options->areas[0]))
		return false;
	if (collect(options, OPTION_OVERLOAD, &overload, 1) > 1 || overload > 3)
		return false;
	if (overload & OVERLOAD_FILE)
		options->areas[options->n++] = (struct area){message + DHCP_FILE, DHCP_FILE_SIZE};
	if (overload & OVERLOAD_SNAME)
		options->areas[options->n++] = (struct area){message + DHCP_SNAME, DHCP_SNAME_SIZE};
	for (unsigned i = 1; i < options->n; i++)
		if (!is_sound(options->areas[i]))
			return false;
	return true;
}

/* A mask of ones and then zeros, else the address's class decides, as it did before masks. */
static uint8_t prefix_of(const struct options *options, uint32_t address)
{
	uint32_t mask;

	if (number32(options, OPTION_MASK, &mask) && mask != 0 && (~mask & (~mask + 1)) == 0)
		return (uint8_t)__builtin_popcount(mask);
	return address >> 31 == 0 ? 8 : address >> 30 == 2 ? 16 : 24;
}

/* The first router that can be reached directly. */
static void take_router(const struct options *options, struct udp_lease *lease)
{
	uint8_t bytes[16];
	uint32_t n = collect(options, OPTION_ROUTER, bytes, sizeof bytes);

	for (uint32_t i = 0; i + 4 <= n && i + 4 <= sizeof bytes; i += 4) {
		struct udp_ip ip = udp_ip4(wire_get32(bytes + i));

		if (!udp_ip_is_source(&ip) || udp_ip_equal(&ip, &lease->ip) ||
		    !udp_ip_same_net(&ip, &lease->ip, lease->prefix))
			continue;
		lease->gateway = ip;
		return;
	}
}

static void take_dns(const struct options *options, struct udp_lease *lease)
{
	uint8_t bytes[4 * UDP_DHCP_DNS_MAX];
	uint32_t n = collect(options, OPTION_DNS, bytes, sizeof bytes);

	for (uint32_t i = 0; i + 4 <= n && i + 4 <= sizeof bytes; i += 4) {
		struct udp_ip ip = udp_ip4(wire_get32(bytes + i));

		if (udp_ip_is_source(&ip))
			lease->dns[lease->n_dns++] = ip;
	}
}

/* Only what a domain name is made of: it goes to consoles and into questions. */
static void take_domain(const struct options *options, struct udp_lease *lease)
{
	uint32_t n = collect(options, OPTION_DOMAIN, (uint8_t *)lease->domain, UDP_DHCP_NAME_MAX);

	if (n > UDP_DHCP_NAME_MAX)
		n = 0;
	for (uint32_t i = 0; i < n; i++) {
		char c = lease->domain[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      c == '-' || c == '.'))
			n = 0;
	}
	lease->domain[n] = '\0';
}

/* RFC 2131, 4.4.5: T1 half of the lease, T2 seven eighths, unless the server says something that
 * makes sense. */
static bool take_times(const struct options *options, struct udp_lease *lease)
{
	uint32_t t1 = 0, t2 = 0;

	if (!number32(options, OPTION_LEASE, &lease->seconds) || lease->seconds < LEASE_MIN)
		return false;
	lease->t1 = lease->t2 = lease->seconds;
	if (lease->seconds == UDP_DHCP_FOR_EVER)
		return true;
	lease->t1 = lease->seconds / 2;
	lease->t2 = lease->seconds - lease->seconds / 8;
	if (number32(options, OPTION_T1, &t1) && number32(options, OPTION_T2, &t2) && t1 >= 1 &&
	    t1 < t2 && t2 < lease->seconds) {
		lease->t1 = t1;
		lease->t2 = t2;
	}
	return lease->t1 < lease->t2 && lease->t2 < lease->seconds;
}

static bool is_host(const struct udp_lease *lease)
{
	uint32_t hosts = (uint32_t)(0xffffffffull >> lease->prefix);
	uint32_t host = udp_ip4_value(&lease->ip) & hosts;

	return udp_ip_is_source(&lease->ip) && (lease->prefix > 30 || (host != 0 && host != hosts));
}

static bool take_lease(const uint8_t *message, const struct options *options,
                       struct udp_lease *lease)
{
	uint8_t mtu[2] = {0};

	lease->ip = udp_ip4(wire_get32(message + DHCP_YIADDR));
	lease->prefix = prefix_of(options, udp_ip4_value(&lease->ip));
	if (!is_host(lease) || !take_times(options, lease))
		return false;
	take_router(options, lease);
	take_dns(options, lease);
	take_domain(options, lease);
	if (collect(options, OPTION_MTU, mtu, sizeof mtu) == sizeof mtu &&
	    wire_get16(mtu) >= MTU_LEAST)
		lease->mtu = wire_get16(mtu);
	return true;
}

static bool header_good(const uint8_t *message, uint32_t size)
{
	return size >= DHCP_OPTIONS && message[DHCP_OP] == DHCP_OP_REPLY &&
	       message[DHCP_HTYPE] == 1 && message[DHCP_HLEN] == UDP_MAC_BYTES &&
	       wire_get32(message + DHCP_COOKIE) == DHCP_MAGIC;
}

bool udp_dhcp_parse(const uint8_t *message, uint32_t size, struct udp_dhcp_reply *reply)
{
	struct options options;
	uint32_t server;
	uint8_t type;

	memset(reply, 0, sizeof *reply);
	if (!header_good(message, size) || !find_areas(message, size, &options) ||
	    !number8(&options, OPTION_TYPE, &type))
		return false;
	reply->type = (enum udp_dhcp_type)type;
	reply->xid = wire_get32(message + DHCP_XID);
	memcpy(reply->mac, message + DHCP_CHADDR, UDP_MAC_BYTES);
	if (number32(&options, OPTION_SERVER, &server)) {
		reply->lease.server = udp_ip4(server);
		reply->has_server = udp_ip_is_source(&reply->lease.server);
	}
	switch (type) {
	case UDP_DHCP_OFFER:
		return reply->has_server && take_lease(message, &options, &reply->lease);
	case UDP_DHCP_ACK:
		return take_lease(message, &options, &reply->lease);
	case UDP_DHCP_NAK:
		return reply->has_server;
	default:
		return false;
	}
}

/* ---- Writing ---- */

static uint8_t *put(uint8_t *at, uint8_t code, const void *value, size_t size)
{
	at[0] = code;
	at[1] = (uint8_t)size;
	memcpy(at + 2, value, size);
	return at + 2 + size;
}

static uint8_t *put_address(uint8_t *at, uint8_t code, const struct udp_ip *ip)
{
	return ip == NULL ? at : put(at, code, ip->bytes, 4);
}

static uint8_t *put_identity(uint8_t *at, const struct udp_dhcp *client, const uint8_t *mac)
{
	uint8_t own[1 + UDP_MAC_BYTES] = {1}; /* hardware type Ethernet */

	if (client->id_size > 0)
		return put(at, OPTION_CLIENT, client->id, client->id_size);
	memcpy(own + 1, mac, UDP_MAC_BYTES);
	return put(at, OPTION_CLIENT, own, sizeof own);
}

/* What only those that ask for a lease say (RFC 2131, table 5). */
static uint8_t *put_wishes(uint8_t *at, const struct udp_dhcp *client, uint16_t mtu)
{
	static const uint8_t wanted[] = {OPTION_MASK, OPTION_ROUTER, OPTION_DNS, OPTION_DOMAIN,
	                                 OPTION_MTU,  OPTION_LEASE,  OPTION_T1,  OPTION_T2};
	uint8_t size[2];
	size_t length = 0;

	while (length < UDP_DHCP_NAME_MAX && client->host[length] != '\0')
		length++;
	wire_put16(size, mtu);
	at = put(at, OPTION_SIZE_MAX, size, sizeof size);
	at = put(at, OPTION_WANTED, wanted, sizeof wanted);
	return length == 0 ? at : put(at, OPTION_HOST, client->host, length);
}

uint32_t dhcp_build(uint8_t *at, const struct udp_dhcp *client, const uint8_t *mac,
                    const struct dhcp_question *question)
{
	bool asks = question->type == UDP_DHCP_DISCOVER || question->type == UDP_DHCP_REQUEST;
	uint8_t type = (uint8_t)question->type, *end = at + DHCP_OPTIONS;

	memset(at, 0, DHCP_SIZE_MAX);
	at[DHCP_OP] = DHCP_OP_REQUEST;
	at[DHCP_HTYPE] = 1;
	at[DHCP_HLEN] = UDP_MAC_BYTES;
	wire_put32(at + DHCP_XID, client->xid);
	wire_put16(at + DHCP_SECS, asks ? question->seconds : 0);
	if (question->own != NULL)
		memcpy(at + DHCP_CIADDR, question->own->bytes, 4);
	else if (asks)
		wire_put16(at + DHCP_FLAGS, DHCP_FLAG_BROADCAST);
	memcpy(at + DHCP_CHADDR, mac, UDP_MAC_BYTES);
	wire_put32(at + DHCP_COOKIE, DHCP_MAGIC);
	end = put(end, OPTION_TYPE, &type, 1);
	end = put_identity(end, client, mac);
	end = put_address(end, OPTION_ADDRESS, question->requested);
	end = put_address(end, OPTION_SERVER, question->server);
	if (asks)
		end = put_wishes(end, client, question->mtu);
	*end++ = OPTION_END;
	return end - at < DHCP_SIZE_MIN ? DHCP_SIZE_MIN : (uint32_t)(end - at);
}
