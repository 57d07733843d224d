/* SPDX-License-Identifier: BSD-2-Clause */
/* Our addresses, and the way to those of others. */
#include "internal.h"

#define ANNOUNCE_INTERVAL (2 * NS_PER_S)  /* RFC 5227, 1.1 */
#define DEFEND_INTERVAL   (10 * NS_PER_S) /* RFC 5227, 1.1 */
enum { ANNOUNCE_NUM = 2 };

struct address *interface_address(struct interface *interface, const struct udp_ip *ip)
{
	for (uint32_t i = 0; i < interface->n_addresses; i++)
		if (udp_ip_equal(&interface->addresses[i].ip, ip))
			return &interface->addresses[i];
	return NULL;
}

const struct udp_ip *interface_source(const struct interface *interface, const struct udp_ip *ip)
{
	const struct udp_ip *any = NULL;

	for (uint32_t i = 0; i < interface->n_addresses; i++) {
		const struct address *address = &interface->addresses[i];

		if (address->ip.family != ip->family)
			continue;
		if (udp_ip_same_net(&address->ip, ip, address->prefix))
			return &address->ip;
		any = &address->ip;
	}
	return any;
}

bool route_is_ours(struct udp_stack *stack, const struct udp_ip *ip)
{
	for (uint32_t i = 0; i < stack->n_interfaces; i++)
		if (interface_address(&stack->interfaces[i], ip) != NULL)
			return true;
	return false;
}

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

/* How well a route by this address fits: longest prefix on the link, then a gateway; -1: not. */
static int fit(const struct interface *interface, const struct address *address,
               const struct udp_ip *dst)
{
	const struct udp_ip *router = gateway(interface, dst->family);

	if (address->ip.family != dst->family)
		return -1;
	if (udp_ip4_value(dst) == 0xffffffff && dst->family == 4)
		return 0;
	if (udp_ip_same_net(&address->ip, dst, address->prefix))
		return 2 + address->prefix;
	if (router->family == 0 && !udp_ip_is_multicast(dst))
		return -1;
	return router->family != 0 && udp_ip_same_net(&address->ip, router, address->prefix) ? 1
	                                                                                     : 0;
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

	if (dst->family == 0 || udp_ip_is_unspecified(dst) || udp_ip_is_loopback(dst))
		return -UDP_EUNREACHABLE;
	for (uint32_t i = 0; i < stack->n_interfaces; i++) {
		struct interface *interface = &stack->interfaces[i];

		for (uint32_t k = 0; k < interface->n_addresses; k++) {
			const struct address *address = &interface->addresses[k];
			int how;

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

int udp_address_add(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip,
                    unsigned prefix)
{
	bool announce = stack->config.roles & UDP_ROLE_RESOLVE;
	struct interface *to;

	if (interface >= stack->n_interfaces || !udp_ip_is_source(ip) || prefix < 1 ||
	    prefix > (ip->family == 4 ? 32 : 128))
		return -UDP_EINVAL;
	to = &stack->interfaces[interface];
	if (route_is_ours(stack, ip))
		return -UDP_EINUSE;
	if (to->n_addresses == UDP_ADDRESSES_MAX)
		return -UDP_ENOSPC;
	to->addresses[to->n_addresses++] = (struct address){
	        .ip = *ip,
	        .prefix = (uint8_t)prefix,
	        .announcements = announce ? ANNOUNCE_NUM : 0,
	        .announce_at = stack_now(stack),
	};
	return 0;
}

int udp_address_remove(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip)
{
	struct interface *from;
	struct address *address;

	if (interface >= stack->n_interfaces)
		return -UDP_EINVAL;
	from = &stack->interfaces[interface];
	address = interface_address(from, ip);
	if (address == NULL)
		return -UDP_ENOTFOUND;
	*address = from->addresses[--from->n_addresses];
	return 0;
}

int udp_gateway_set(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip)
{
	struct interface *to;

	if (interface >= stack->n_interfaces || (ip->family != 0 && !udp_ip_is_source(ip)))
		return -UDP_EINVAL;
	to = &stack->interfaces[interface];
	if (ip->family != 6)
		to->gateway4 = *ip;
	if (ip->family != 4)
		to->gateway6 = *ip;
	return 0;
}

static void announce(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip)
{
	if (ip->family == 6)
		nd_announce(stack, interface, ip);
	else
		arp_announce(stack, interface, ip);
}

void route_conflict(struct udp_stack *stack, unsigned interface, struct address *address,
                    const uint8_t *mac)
{
	uint64_t now = stack_now(stack);

	stack->count.arp_conflicts++;
	if (now < address->defended_until)
		return;
	address->defended_until = now + DEFEND_INTERVAL;
	if (stack->ops.notice != NULL)
		stack->ops.notice(stack->context, UDP_NOTICE_CONFLICT, &address->ip, mac);
	announce(stack, interface, &address->ip);
}

static void announce_due(struct udp_stack *stack, unsigned interface, struct address *address,
                         uint64_t now)
{
	if (address->announcements == 0 || now < address->announce_at)
		return;
	address->announcements--;
	address->announce_at = now + ANNOUNCE_INTERVAL;
	announce(stack, interface, &address->ip);
}

void route_run(struct udp_stack *stack, uint64_t now)
{
	for (uint32_t i = 0; i < stack->n_interfaces; i++)
		for (uint32_t k = 0; k < stack->interfaces[i].n_addresses; k++)
			announce_due(stack, i, &stack->interfaces[i].addresses[k], now);
}

uint64_t route_deadline(const struct udp_stack *stack)
{
	uint64_t deadline = UINT64_MAX;

	for (uint32_t i = 0; i < stack->n_interfaces; i++) {
		const struct interface *interface = &stack->interfaces[i];

		for (uint32_t k = 0; k < interface->n_addresses; k++)
			if (interface->addresses[k].announcements > 0)
				deadline = earlier(deadline, interface->addresses[k].announce_at);
	}
	return deadline;
}
