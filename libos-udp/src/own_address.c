/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Our own addresses, and whether they are ours alone. Before an address is used it is asked for:
 *
 *     IPv4 (RFC 5227)    PROBE ─ 0.3 s ─ QUIET ─ 1…2 s ─ PROBE_2 ─ 1…2 s ─ PROBE_3 ─ 2 s ─ ANNOUNCE
 *     IPv6 (RFC 4862)    PROBE ─ 1 s ─ ANNOUNCE
 *
 * An IPv4 address is used from QUIET on already: who has it answers within milliseconds, and a
 * service that starts should not wait seven seconds for one who would answer the third question
 * only. Whoever answers later in the sequence takes the address away again. RFC 5227's random wait
 * before the first probe is left out for the same reason. An optimistic address is used from the
 * beginning (RFC 4429 is the model). After ANNOUNCE the address is defended.
 *
 * An address that somebody else has is asked for again each minute, unless it is a lease (the DHCP
 * client declines it) or was formed by the stack (which forms another).
 */
#include "internal.h"

#define PROBE_QUIET       (300 * NS_PER_MS)
#define PROBE_MIN         NS_PER_S /* RFC 5227, 1.1, down to DEFEND_INTERVAL */
#define PROBE_SPREAD      NS_PER_S /* PROBE_MAX - PROBE_MIN */
#define ANNOUNCE_WAIT     (2 * NS_PER_S)
#define ANNOUNCE_INTERVAL (2 * NS_PER_S)
#define RATE_LIMIT        (60 * NS_PER_S)
#define DEFEND_INTERVAL   (10 * NS_PER_S)
#define RETRANS_TIMER     NS_PER_S /* RFC 4861, 10 */

/* ---- The list ---- */

struct address *own_address_find(struct interface *interface, const struct udp_ip *ip)
{
	for (uint32_t i = 0; i < interface->n_addresses; i++)
		if (udp_ip_equal(&interface->addresses[i].ip, ip))
			return &interface->addresses[i];
	return NULL;
}

struct address *interface_address(struct interface *interface, const struct udp_ip *ip)
{
	struct address *address = own_address_find(interface, ip);

	return address != NULL && address->state == ADDRESS_USABLE ? address : NULL;
}

const struct udp_ip *interface_source(const struct interface *interface, const struct udp_ip *ip)
{
	const struct udp_ip *any = NULL;

	for (uint32_t i = 0; i < interface->n_addresses; i++) {
		const struct address *address = &interface->addresses[i];

		if (address->ip.family != ip->family || address->state != ADDRESS_USABLE)
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

static bool is_known(struct udp_stack *stack, const struct udp_ip *ip)
{
	for (uint32_t i = 0; i < stack->n_interfaces; i++)
		if (own_address_find(&stack->interfaces[i], ip) != NULL)
			return true;
	return false;
}

static void set_step(struct address *address, enum address_step step, uint64_t due)
{
	address->step = (uint8_t)step;
	address->due = due;
}

/* Who does not resolve asks nobody, and takes the address as it is given. */
static void begin(struct udp_stack *stack, struct address *address, enum udp_address_how how)
{
	uint64_t now = stack_now(stack);

	if (!(stack->config.roles & UDP_ROLE_RESOLVE))
		set_step(address, STEP_DONE, UINT64_MAX);
	else if (how == UDP_ADDRESS_SURE)
		set_step(address, STEP_ANNOUNCE, now);
	else
		set_step(address, STEP_PROBE, now);
	if (how == UDP_ADDRESS_PROBE && address->step == STEP_PROBE)
		address->state = ADDRESS_TENTATIVE;
}

struct address own_address_sure(const struct udp_ip *ip, unsigned prefix)
{
	struct address address = {.ip = *ip, .prefix = (uint8_t)prefix};

	set_step(&address, STEP_DONE, UINT64_MAX);
	return address;
}

int udp_address_add_how(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip,
                        unsigned prefix, enum udp_address_how how)
{
	struct address address = {.ip = *ip, .prefix = (uint8_t)prefix};
	struct interface *to;

	if (interface >= stack->n_interfaces || !udp_ip_is_source(ip) || prefix < 1 ||
	    prefix > (ip->family == 4 ? 32 : 128))
		return -UDP_EINVAL;
	to = &stack->interfaces[interface];
	if (is_known(stack, ip))
		return -UDP_EINUSE;
	if (to->n_addresses == UDP_ADDRESSES_MAX)
		return -UDP_ENOSPC;
	begin(stack, &address, how);
	to->addresses[to->n_addresses++] = address;
	flow_forget(stack);
	stack_stir(stack);
	return 0;
}

int udp_address_add(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip,
                    unsigned prefix)
{
	return udp_address_add_how(stack, interface, ip, prefix, UDP_ADDRESS_SURE);
}

void own_address_drop(struct udp_stack *stack, struct interface *interface, struct address *address)
{
	flow_forget(stack);
	stack_stir(stack);
	*address = interface->addresses[--interface->n_addresses];
}

int udp_address_remove(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip)
{
	struct address *address;

	if (interface >= stack->n_interfaces)
		return -UDP_EINVAL;
	address = own_address_find(&stack->interfaces[interface], ip);
	if (address == NULL)
		return -UDP_ENOTFOUND;
	own_address_drop(stack, &stack->interfaces[interface], address);
	return 0;
}

/* ---- Conflicts ---- */

static void notify(struct udp_stack *stack, enum udp_notice notice, const struct udp_ip *ip,
                   const uint8_t *mac)
{
	static const uint8_t nobody[UDP_MAC_BYTES];

	if (stack->ops.notice != NULL)
		stack->ops.notice(stack->context, notice, ip, mac != NULL ? mac : nobody);
}

static void announce(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip)
{
	if (ip->family == 6)
		nd_announce(stack, interface, ip);
	else
		arp_announce(stack, interface, ip);
}

/* Somebody else had it first. */
static void give_up(struct udp_stack *stack, unsigned interface, struct address *address,
                    const uint8_t *mac)
{
	struct udp_dhcp *lease = address->lease;
	struct udp_ip ip = address->ip;

	notify(stack, UDP_NOTICE_DUPLICATE, &ip, mac);
	if (address->automatic) {
		own_address_drop(stack, &stack->interfaces[interface], address);
		autoconf_duplicate(stack, interface, &ip);
		return;
	}
	address->state = ADDRESS_DUPLICATE;
	flow_forget(stack);
	set_step(address, STEP_PROBE, stack_now(stack) + RATE_LIMIT);
	if (lease == NULL)
		return;
	own_address_drop(stack, &stack->interfaces[interface], address);
	dhcp_address_taken(lease, mac);
}

void own_address_conflict(struct udp_stack *stack, unsigned interface, struct address *address,
                          const uint8_t *mac)
{
	uint64_t now = stack_now(stack);

	stack->count.arp_conflicts++;
	if (address->state == ADDRESS_DUPLICATE)
		return;
	if (address->probed && address->step <= STEP_ANNOUNCE) {
		give_up(stack, interface, address, mac);
		return;
	}
	if (now < address->defended_until)
		return;
	address->defended_until = now + DEFEND_INTERVAL;
	notify(stack, UDP_NOTICE_CONFLICT, &address->ip, mac);
	announce(stack, interface, &address->ip);
}

/* ---- The steps ---- */

static void use(struct udp_stack *stack, struct address *address)
{
	if (address->state == ADDRESS_USABLE)
		return;
	address->state = ADDRESS_USABLE;
	notify(stack, UDP_NOTICE_READY, &address->ip, NULL);
	if (address->lease != NULL)
		dhcp_address_ready(address->lease);
}

static void probe(struct udp_stack *stack, unsigned interface, struct address *address,
                  uint64_t now)
{
	uint64_t spread = stack->ops.random(stack->context) % PROBE_SPREAD;

	stack->count.address_probes++;
	address->probed = true;
	if (address->state == ADDRESS_DUPLICATE)
		address->state = ADDRESS_TENTATIVE;
	if (address->ip.family == 6) {
		set_step(address, STEP_ANNOUNCE, now + RETRANS_TIMER);
		nd_probe(stack, interface, &address->ip);
		return;
	}
	if (address->step == STEP_PROBE)
		set_step(address, STEP_QUIET, now + PROBE_QUIET);
	else if (address->step == STEP_PROBE_2)
		set_step(address, STEP_PROBE_3, now + PROBE_MIN + spread);
	else
		set_step(address, STEP_ANNOUNCE, now + ANNOUNCE_WAIT);
	arp_probe(stack, interface, &address->ip);
}

static void take_step(struct udp_stack *stack, unsigned interface, struct address *address,
                      uint64_t now)
{
	switch (address->step) {
	case STEP_PROBE:
	case STEP_PROBE_2:
	case STEP_PROBE_3:
		probe(stack, interface, address, now);
		break;
	case STEP_QUIET:
		set_step(address, STEP_PROBE_2,
		         now + PROBE_MIN + stack->ops.random(stack->context) % PROBE_SPREAD);
		use(stack, address);
		break;
	case STEP_ANNOUNCE:
		set_step(address, STEP_ANNOUNCE_2, now + ANNOUNCE_INTERVAL);
		announce(stack, interface, &address->ip);
		use(stack, address);
		break;
	default:
		set_step(address, STEP_DONE, UINT64_MAX);
		announce(stack, interface, &address->ip);
	}
}

void own_address_run(struct udp_stack *stack, uint64_t now)
{
	for (uint32_t i = 0; i < stack->n_interfaces; i++) {
		struct interface *interface = &stack->interfaces[i];

		for (uint32_t k = 0; k < interface->n_addresses; k++)
			if (now >= interface->addresses[k].due)
				take_step(stack, i, &interface->addresses[k], now);
	}
}

uint64_t own_address_deadline(const struct udp_stack *stack)
{
	uint64_t deadline = UINT64_MAX;

	for (uint32_t i = 0; i < stack->n_interfaces; i++) {
		const struct interface *interface = &stack->interfaces[i];

		for (uint32_t k = 0; k < interface->n_addresses; k++)
			deadline = earlier(deadline, interface->addresses[k].due);
	}
	return deadline;
}
