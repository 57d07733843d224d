/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The handler in front (tcp/edge.h), for an environment: its object is part of the image. It has a
 * binding of its own, to the ring where all arrives: of the ports that are listened to.
 */
#include <libexo/call.h>
#include <libexo/ext.h>
#include <libexo/lib.h>
#include <libexo/net.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <tcp/edge.h>
#include <tcp/exo.h>

#include "edge_object.h"

enum {
	PROTOCOL_TCP = 6,
	AT_IP = 14,
	PLAIN = 0x45, /* IPv4 without options */
	MTU_MAX = 1500,
};

/* One byte more than whoever has the port by its number: so it is the handler's. */
static int bind_doors(struct tcp_exo *net, const struct exo_start_address *address,
                      const struct edge_rules *rules)
{
	static struct flt_conjunction flows[EDGE_DOORS];
	struct exo_start_bind what = {.conjunctions = (uintptr_t)flows};

	for (unsigned i = 0; i < EDGE_DOORS && rules->doors[i].port != 0; i++) {
		struct flt_conjunction *flow = &flows[what.n_conjunctions++];

		exo_flow_ipv4_to(flow, PROTOCOL_TCP, address->address,
		                 __builtin_bswap16(rules->doors[i].port));
		exo_flow_term(flow, AT_IP, 1, 0xff, PLAIN);
	}
	if (what.n_conjunctions == 0)
		return -EXO_ENOENT;
	return exo_net_bind(&what, &net->driver.flow->cap, &net->driver.rx.cap, 1, 0,
	                    &net->edge.binding, net->driver.error);
}

/* The first address that the handler can stand before; NULL: there is none. */
static const struct exo_start_address *find_address(const struct tcp_exo *net)
{
	for (unsigned i = 0; net->driver.slots == 0 && i < EXO_START_ADDRESSES_MAX; i++) {
		const struct exo_start_address *address = exo_start_address(i);

		if (address != NULL && address->family == 4 && address->vlan == 0)
			return address;
	}
	return NULL;
}

static int update(struct exo_ext *ext, const struct edge_rules *rules)
{
	static const uint32_t only;

	return exo_ext_update(ext, ".data.rules", &only, sizeof only, rules, sizeof *rules);
}

static int begin(struct tcp_exo *net, const struct exo_start_address *address)
{
	struct exo_ext *ext = &net->edge.ext;
	struct udp_ip ip = {.family = 4};
	struct edge_rules rules;
	int result;

	memcpy(ip.bytes, address->address, 4);
	if (tcp_edge_open(net->stack, ext->arena.address, &ip) != 0)
		return -EXO_EINVAL;
	tcp_edge_rules(net->stack, address->mtu < MTU_MAX ? address->mtu : MTU_MAX, &rules);
	memcpy(rules.mac, address->mac, sizeof rules.mac);
	result = update(ext, &rules);
	if (result >= 0)
		result = bind_doors(net, address, &rules);
	if (result < 0)
		return result;
	result = exo_ext_handle(ext, "edge", &net->edge.binding, &net->driver.flow->cap,
	                        EXO_HANDLER_BUDGET_MAX, &net->edge.handler);
	if (result < 0)
		(void)exo_unbind(&net->edge.binding);
	return result;
}

int tcp_exo_edge(struct tcp_exo *net)
{
	const struct exo_start_address *address = find_address(net);
	struct exo_ext *ext = &net->edge.ext;
	int result;

	if (address == NULL || net->edge.there)
		return -EXO_EINVAL;
	result = exo_ext_open_bytes(ext, "edge", edge_object, sizeof edge_object, EDGE_FRAMES);
	if (result < 0)
		return result;
	result = begin(net, address);
	if (result < 0) {
		tcp_edge_close(net->stack);
		(void)exo_ext_close(ext);
		return result;
	}
	net->edge.there = true;
	return 0;
}

void tcp_exo_edge_end(struct tcp_exo *net)
{
	if (!net->edge.there)
		return;
	net->edge.there = false;
	(void)exo_ext_release(net->edge.handler);
	(void)exo_unbind(&net->edge.binding);
	tcp_edge_close(net->stack);
	(void)exo_ext_close(&net->edge.ext);
}

bool tcp_exo_edge_counts(const struct tcp_exo *net, struct edge_counts *counts)
{
	static const uint32_t only;

	return net->edge.there && exo_ext_lookup(&net->edge.ext, ".bss.counts", &only, sizeof only,
	                                         counts, sizeof *counts) >= 0;
}
