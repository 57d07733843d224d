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
static int bind_doors(struct tcp_exo *net, struct exo_cap *binding)
{
	static struct flt_conjunction flows[EDGE_DOORS];
	struct exo_start_bind what = {.conjunctions = (uintptr_t)flows};
	const struct tcp_exo_edge *edge = &net->edge;

	for (unsigned i = 0; i < EDGE_DOORS; i++) {
		struct flt_conjunction *flow = &flows[what.n_conjunctions];

		if (edge->ports[i] == 0)
			continue;
		what.n_conjunctions++;
		exo_flow_ipv4_to(flow, PROTOCOL_TCP, edge->address->address,
		                 __builtin_bswap16(edge->ports[i]));
		exo_flow_term(flow, AT_IP, 1, 0xff, PLAIN);
	}
	if (what.n_conjunctions == 0)
		return -EXO_ENOENT;
	return exo_net_bind(&what, &net->driver.flow->cap, &net->driver.rx.cap, 1, 0, binding,
	                    net->driver.error);
}

static int bind_handler(struct tcp_exo *net, struct exo_cap *binding, uint64_t *handler)
{
	int result = bind_doors(net, binding);

	if (result < 0)
		return result;
	result = exo_ext_handle(&net->edge.ext, "edge", binding, &net->driver.flow->cap,
	                        EXO_HANDLER_BUDGET_MAX, handler);
	if (result < 0)
		(void)exo_unbind(binding);
	return result;
}

static void unbind_handler(struct tcp_exo_edge *edge)
{
	(void)exo_ext_release(edge->handler);
	(void)exo_unbind(&edge->binding);
}

/* Binds it to other doors. Where that fails it has those that it had: at new ones the stack is
 * alone. */
static void bind_again(struct tcp_exo *net)
{
	struct exo_cap binding;
	uint64_t handler;

	if (bind_handler(net, &binding, &handler) < 0)
		return;
	unbind_handler(&net->edge);
	net->edge.binding = binding;
	net->edge.handler = handler;
}

static bool has_port(const struct tcp_exo_edge *edge, uint16_t port)
{
	for (unsigned i = 0; i < EDGE_DOORS; i++)
		if (edge->ports[i] == port)
			return true;
	return false;
}

/* A port that is bound and has no door is the stack's, too. → whether there is another one. */
static bool note_ports(struct tcp_exo_edge *edge, const struct edge_rules *rules)
{
	bool other = false;

	for (unsigned i = 0; i < EDGE_DOORS; i++)
		other |= rules->doors[i].port != 0 && !has_port(edge, rules->doors[i].port);
	for (unsigned i = 0; other && i < EDGE_DOORS; i++)
		edge->ports[i] = rules->doors[i].port;
	return other;
}

static bool update(void *context, const struct edge_rules *rules)
{
	static const uint32_t only;
	struct tcp_exo *net = context;

	if (exo_ext_update(&net->edge.ext, ".data.rules", &only, sizeof only, rules,
	                   sizeof *rules) < 0)
		return false;
	if (note_ports(&net->edge, rules) && net->edge.there)
		bind_again(net);
	return true;
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

static int begin(struct tcp_exo *net)
{
	struct tcp_exo_edge *edge = &net->edge;
	struct tcp_edge front = {.address.family = 4, .update = update, .context = net};

	memcpy(front.address.bytes, edge->address->address, 4);
	memcpy(front.mac, edge->address->mac, sizeof front.mac);
	front.mtu = edge->address->mtu < MTU_MAX ? edge->address->mtu : MTU_MAX;
	if (tcp_edge_open(net->stack, edge->ext.arena.address, &front) != 0)
		return -EXO_EINVAL;
	return bind_handler(net, &edge->binding, &edge->handler);
}

int tcp_exo_edge(struct tcp_exo *net)
{
	const struct exo_start_address *address = find_address(net);
	struct tcp_exo_edge *edge = &net->edge;
	int result;

	if (address == NULL || edge->there)
		return -EXO_EINVAL;
	memset(edge, 0, sizeof *edge);
	edge->address = address;
	result = exo_ext_open_bytes(&edge->ext, "edge", edge_object, sizeof edge_object,
	                            EDGE_FRAMES);
	if (result < 0)
		return result;
	result = begin(net);
	if (result < 0) {
		tcp_edge_close(net->stack);
		(void)exo_ext_close(&edge->ext);
		return result;
	}
	edge->there = true;
	return 0;
}

void tcp_exo_edge_end(struct tcp_exo *net)
{
	if (!net->edge.there)
		return;
	net->edge.there = false;
	unbind_handler(&net->edge);
	tcp_edge_close(net->stack);
	(void)exo_ext_close(&net->edge.ext);
}

bool tcp_exo_edge_counts(const struct tcp_exo *net, struct edge_counts *counts)
{
	static const uint32_t only;

	return net->edge.there && exo_ext_lookup(&net->edge.ext, ".bss.counts", &only, sizeof only,
	                                         counts, sizeof *counts) >= 0;
}
