/* SPDX-License-Identifier: BSD-2-Clause */
/* The way to others: which interface, from which address, to which neighbour. */
#include "internal.h"

/* The network's last address; networks of one or two addresses have none (RFC 3021). */
static bool is_directed_broadcast(const struct address *address, const struct udp_ip *ip)
{
	uint32_t hosts;

	if (address->ip.family != 4 || address->prefix > 30)
		return false;
	hosts = (uint32_t)(0xffffffffull >> address->prefix);
	return udp_ip_same_net(&address->ip, ip, address->prefix) &&
	       (udp_ip4_value(ip) & hosts) == hosts;
}

bool route_is_broadcast(const struct interface *interface, const struct udp_ip *ip)
{
	if (ip->family != 4)
		return false;
	if (udp_ip4_value(ip) == 0xffffffff)
		return true;
	for (uint32_t i = 0; i < interface->n_addresses; i++)
		if (is_directed_broadcast(&interface->addresses[i], ip))
			return true;
	return false;
}

static const struct udp_ip *gateway(const struct interface *interface, uint8_t family)
{
	return family == 6 ? &interface->gateway6 : &interface->gateway4;
}

static bool is_link_local(const struct udp_ip *ip)
{
	return ip->family == 6 && ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80;
}

/* Scope of a destination: whether it lies beyond no router by its very form. */
static bool stays_on_link(const struct udp_ip *ip)
{
	return is_link_local(ip) || (ip->family == 6 && ip->bytes[0] == 0xff && ip->bytes[1] == 2);
}

enum {
	FIT_GROUP = 1,      /* a group, or a router that is on none of our networks */
	FIT_ROUTER,         /* by a router on this address' network */
	FIT_LINK,           /* on the link; a longer prefix is better */
	FIT_SCOPE = 1 << 9, /* the source has the destination's scope (RFC 6724, 5, rule 2) */
	FIT_FRESH = 1 << 8, /* and is not deprecated (rule 3) */
};

/* How well a route by this address fits; -1: not at all. */
static int fit(const struct interface *interface, const struct address *address,
               const struct udp_ip *dst)
{
	const struct udp_ip *router = gateway(interface, dst->family);
	int how = is_link_local(&address->ip) == stays_on_link(dst) ? FIT_SCOPE : 0;

	if (address->ip.family != dst->family)
		return -1;
	how += address->deprecated ? 0 : FIT_FRESH;
	if (route_is_broadcast(interface, dst) && udp_ip4_value(dst) == 0xffffffff)
		return how + FIT_GROUP;
	if (udp_ip_same_net(&address->ip, dst, address->prefix))
		return how + FIT_LINK + address->prefix;
	if (udp_ip_is_multicast(dst))
		return how + FIT_GROUP;
	if (router->family == 0 || is_link_local(dst))
		return -1;
	return how +
	       (udp_ip_same_net(&address->ip, router, address->prefix) ? FIT_ROUTER : FIT_GROUP);
}

static void take(struct route *route, struct interface *interface, unsigned index,
                 const struct address *address, const struct udp_ip *dst)
{
	route->interface = interface;
	route->index = index;
	route->src = address->ip;
	route->broadcast = route_is_broadcast(interface, dst);
	route->next_hop = *dst;
	if (!route->broadcast && !udp_ip_is_multicast(dst) &&
	    !udp_ip_same_net(&address->ip, dst, address->prefix))
		route->next_hop = *gateway(interface, dst->family);
}

int route_find(struct udp_stack *stack, const struct udp_ip *src, const struct udp_ip *dst,
               struct route *route)
{
	int best = -1;

	if (dst->family == 0 || udp_ip_is_unspecified(dst))
		return -UDP_EUNREACHABLE;
	for (uint32_t i = 0; i < stack->n_interfaces; i++) {
		struct interface *interface = &stack->interfaces[i];

		if (interface->loop != udp_ip_is_loopback(dst))
			continue;
		for (uint32_t k = 0; k < interface->n_addresses; k++) {
			const struct address *address = &interface->addresses[k];
			int how;

			if (address->state != ADDRESS_USABLE)
				continue;
			if (src != NULL && src->family != 0 && !udp_ip_equal(src, &address->ip))
				continue;
			how = fit(interface, address, dst);
			if (how <= best)
				continue;
			best = how;
			take(route, interface, i, address, dst);
		}
	}
	return best < 0 ? -UDP_EUNREACHABLE : 0;
}

int udp_gateway_set(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip)
{
	struct interface *to;

	if (interface >= stack->n_interfaces || (ip->family != 0 && !udp_ip_is_source(ip)))
		return -UDP_EINVAL;
	to = &stack->interfaces[interface];
	flow_forget(stack);
	if (ip->family != 6)
		to->gateway4 = *ip;
	if (ip->family != 4)
		to->gateway6 = *ip;
	return 0;
}
