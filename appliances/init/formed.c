/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IPv6 addresses formed from router announcements (RFC 4862). init's stack does the forming and the
 * probing; this hears for it, and tells the environments what came of it. Heard are announcements,
 * all that is for the link-local address (init's alone), and copies of what others say when our
 * probe is about their address.
 */
#include <libexo/lib.h>
#include <libexo/net.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>
#include <udp/autoconf.h>

#include "init.h"
#include "lease.h"
#include "uplink.h"

#define PATIENCE_NS 5000000000ull /* two questions and the probing */
enum {
	AT_IP6_NEXT = 14 + 6,
	AT_IP6_SOURCE = 14 + 8,
	AT_IP6_TARGET = 14 + 24,
	AT_ICMP6_TYPE = 14 + 40,
	AT_ND_TARGET = 14 + 40 + 8,
	ICMP6 = 58,
	ROUTER_ADVERT = 134,
	NEIGHBOUR_SOLICIT = 135,
	NEIGHBOUR_ADVERT = 136,
};

struct formed {
	struct uplink *uplink; /* NULL: this address is not formed */
	uint64_t began;
	bool complained;
};

static struct formed all[EXO_START_ADDRESSES_MAX];

static void six(struct flt_conjunction *flow)
{
	exo_flow_any(flow);
	exo_flow_ethertype(flow, 0x86dd);
}

static void icmp6(struct flt_conjunction *flow, uint8_t type)
{
	six(flow);
	exo_flow_term(flow, AT_IP6_NEXT, 1, 0xff, ICMP6);
	exo_flow_term(flow, AT_ICMP6_TYPE, 1, 0xff, type);
}

static void address_at(struct flt_conjunction *flow, uint16_t offset, const uint8_t bytes[16])
{
	for (unsigned i = 0; i < 16; i += 4)
		exo_flow_term(flow, (uint16_t)(offset + i), 4, 0xffffffff,
		              (uint32_t)bytes[i] << 24 | (uint32_t)bytes[i + 1] << 16 |
		                      (uint32_t)bytes[i + 2] << 8 | bytes[i + 3]);
}

static int listen(struct uplink *uplink)
{
	static struct flt_conjunction own[3], claims[2];
	static const uint8_t nobody[16];
	struct udp_ip link = udp_autoconf_link(uplink->driver.stack, 0);
	struct exo_cap binding;
	int result;

	icmp6(&own[0], ROUTER_ADVERT);
	six(&own[1]);
	address_at(&own[1], AT_IP6_TARGET, link.bytes);
	icmp6(&own[2], NEIGHBOUR_SOLICIT);
	address_at(&own[2], AT_ND_TARGET, link.bytes);
	icmp6(&claims[0], NEIGHBOUR_ADVERT);
	icmp6(&claims[1], NEIGHBOUR_SOLICIT);
	address_at(&claims[1], AT_IP6_SOURCE, nobody);
	result = uplink_bind(uplink, own, 3, "routers", 0, &binding);
	if (result >= 0)
		result = uplink_bind(uplink, claims, 2, "claims", EXO_BIND_TAP, &binding);
	return result;
}

void formed_start(unsigned i, uint16_t port)
{
	struct uplink *uplink = uplink_of(port);
	int result;

	init.options.addresses[i] = (struct exo_start_address){.port = port};
	if (uplink == NULL)
		return;
	result = udp_autoconf_start(uplink->driver.stack, 0, init.options.stable);
	if (result == -UDP_EINUSE)
		exo_printf("address %u: one is formed on port %u already\n", i, port);
	if (result != 0 || listen(uplink) < 0)
		return;
	all[i].uplink = uplink;
	all[i].began = exo_time_now_ns();
}

static void say(unsigned i, const struct udp_autoconf_info *info)
{
	char ip[UDP_IP_TEXT_MAX], gateway[UDP_IP_TEXT_MAX] = "none";

	if (info->gateway.family != 0)
		udp_ip_format(&info->gateway, gateway);
	if (info->ip.family == 0)
		exo_printf("address %u: what it was formed from has ended\n", i);
	else
		exo_printf("address %u: %s/%u formed from what a router announced, gateway %s\n", i,
		           udp_ip_format(&info->ip, ip), info->prefix, gateway);
}

static void look(unsigned i)
{
	struct formed *formed = &all[i];
	struct exo_start_address new = {.port = formed->uplink->port};
	struct udp_autoconf_info info;

	udp_autoconf_get(formed->uplink->driver.stack, 0, &info);
	if (info.ip.family != 0) {
		new.family = 6;
		new.prefix = info.prefix;
		memcpy(new.address, info.ip.bytes, 16);
		memcpy(new.gateway, info.gateway.bytes, 16);
		new.mtu = (uint16_t)(info.mtu > 0xffff ? 0 : info.mtu);
	}
	if (new.family != 0 || init.options.addresses[i].family != 0)
		if (uplink_replace(i, &new))
			say(i, &info);
	if (new.family == 0 && !formed->complained &&
	    exo_time_now_ns() - formed->began > PATIENCE_NS) {
		formed->complained = true;
		exo_printf("address %u: no router announces a prefix on port %u: still asking; "
		           "ip=ADDR/LEN gives one without\n",
		           i, formed->uplink->port);
	}
}

void formed_servers(struct exo_start *start)
{
	struct udp_autoconf_info info;

	for (unsigned i = 0; i < EXO_START_ADDRESSES_MAX; i++) {
		if (all[i].uplink == NULL)
			continue;
		udp_autoconf_get(all[i].uplink->driver.stack, 0, &info);
		for (uint32_t n = 0; n < info.n_dns; n++)
			lease_add_server(start, info.dns[n].family, info.dns[n].bytes);
	}
}

void formed_run(void)
{
	for (unsigned i = 0; i < EXO_START_ADDRESSES_MAX; i++)
		if (all[i].uplink != NULL)
			look(i);
}

bool formed_waiting(void)
{
	for (unsigned i = 0; i < EXO_START_ADDRESSES_MAX; i++)
		if (all[i].uplink != NULL && !all[i].complained &&
		    init.options.addresses[i].family == 0)
			return true;
	return false;
}
