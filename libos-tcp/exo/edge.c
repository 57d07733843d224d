/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The handler in front (tcp/edge.h), for an environment: its object is part of the image. It has
 * bindings of its own, to the ring where all arrives: one for each port that is listened to.
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
static int bind_port(struct tcp_exo *net, uint16_t port, struct exo_cap *binding)
{
	static struct flt_conjunction flow;
	struct exo_start_bind what = {.conjunctions = (uintptr_t)&flow, .n_conjunctions = 1};

	exo_flow_ipv4_to(&flow, PROTOCOL_TCP, net->edge.address->address, __builtin_bswap16(port));
	exo_flow_term(&flow, AT_IP, 1, 0xff, PLAIN);
	return exo_net_bind(&what, &net->driver.flow->cap, &net->driver.rx.cap, 1, 0, binding,
	                    net->driver.error);
}

static int open_door(struct tcp_exo *net, struct tcp_exo_door *door, uint16_t port)
{
	int result = bind_port(net, port, &door->binding);

	if (result < 0)
		return result;
	result = exo_ext_handle(&net->edge.ext, "edge", &door->binding, &net->driver.flow->cap,
	                        EXO_HANDLER_BUDGET_MAX, &door->handler);
	if (result < 0)
		(void)exo_unbind(&door->binding);
	else
		door->port = port;
	return result;
}

static void close_door(struct tcp_exo_door *door)
{
	if (door->port == 0)
		return;
	(void)exo_ext_release(door->handler);
	(void)exo_unbind(&door->binding);
	door->port = 0;
}

static bool is_wanted(const struct tcp_exo_edge *edge, uint16_t port)
{
	for (unsigned i = 0; i < EDGE_DOORS; i++)
		if (edge->wanted[i] == port)
			return true;
	return false;
}

/* The port's door; else the place for one: a port that nobody listens to any more keeps its door as
 * long as there are others, for the handler then leaves it to the stack. */
static struct tcp_exo_door *place_for(struct tcp_exo_edge *edge, uint16_t port)
{
	struct tcp_exo_door *place = NULL;

	for (unsigned i = 0; i < EDGE_DOORS; i++) {
		struct tcp_exo_door *door = &edge->doors[i];

		if (door->port == port)
			return door;
		if (door->port == 0 ||
		    ((place == NULL || place->port != 0) && !is_wanted(edge, door->port)))
			place = door;
	}
	return place;
}

/* Each port by itself: where one is refused, the stack is alone there. → how many have a door; or,
 * for none, why the last one has not. */
static int open_doors(struct tcp_exo *net)
{
	struct tcp_exo_edge *edge = &net->edge;
	int n = 0, result = -EXO_ENOENT;

	for (unsigned i = 0; i < EDGE_DOORS; i++) {
		uint16_t port = edge->wanted[i];
		struct tcp_exo_door *door = port == 0 ? NULL : place_for(edge, port);

		if (door == NULL)
			continue;
		if (door->port != port) {
			close_door(door);
			result = open_door(net, door, port);
		}
		n += door->port == port;
	}
	return n > 0 ? n : result;
}

static bool update(void *context, const struct edge_rules *rules)
{
	static const uint32_t only;
	struct tcp_exo *net = context;

	if (exo_ext_update(&net->edge.ext, ".data.rules", &only, sizeof only, rules,
	                   sizeof *rules) < 0)
		return false;
	for (unsigned i = 0; i < EDGE_DOORS; i++)
		net->edge.wanted[i] = rules->doors[i].port;
	if (net->edge.there)
		(void)open_doors(net);
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
	return open_doors(net);
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
	for (unsigned i = 0; i < EDGE_DOORS; i++)
		close_door(&net->edge.doors[i]);
	tcp_edge_close(net->stack);
	(void)exo_ext_close(&net->edge.ext);
}

bool tcp_exo_edge_counts(const struct tcp_exo *net, struct edge_counts *counts)
{
	static const uint32_t only;

	return net->edge.there && exo_ext_lookup(&net->edge.ext, ".bss.counts", &only, sizeof only,
	                                         counts, sizeof *counts) >= 0;
}
