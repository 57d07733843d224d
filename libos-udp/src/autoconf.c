/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stateless address autoconfiguration: what router_advert.c read is kept here, with its lifetimes.
 *
 * Questions for routers go out from the unspecified address at once, without waiting for the
 * link-local one to be probed (RFC 4861, 4.1 allows it), then ever more rarely until somebody
 * announces himself (RFC 7559).
 */
#include "internal.h"

#include <exo/siphash.h>

#define SOLICIT_FIRST (4 * NS_PER_S) /* RFC 7559, 2: IRT and MRT */
#define SOLICIT_MOST  (3600 * NS_PER_S)
#define TWO_HOURS     (7200 * NS_PER_S) /* RFC 4862, 5.5.3 (e) */
enum { IDGEN_RETRIES = 3, FOR_EVER = -1 };

static const struct udp_ip all_routers = {.family = 6, .bytes = {0xff, 2, [15] = 2}};

/* ---- Addresses ---- */

/* RFC 7217, 5: a keyed function of prefix, interface and attempt. The identifiers that RFC 5453
 * reserves have 64 leading bits that this never gives twice in a row: the next attempt differs. */
static void identify(const struct autoconf *autoconf, const struct interface *interface,
                     const struct auto_prefix *prefix, uint8_t id[8])
{
	uint8_t text[8 + UDP_MAC_BYTES + 1];
	uint64_t hash;

	memcpy(text, prefix->net.bytes, 8);
	memcpy(text + 8, interface->mac, UDP_MAC_BYTES);
	text[8 + UDP_MAC_BYTES] = prefix->tried;
	hash = exo_siphash(autoconf->secret, text, sizeof text);
	if (hash == 0 || hash >> 32 == 0xfffffffd || (hash >> 8 & 0xffffffffff) == 0xfffe000000)
		hash ^= 0x5a; /* the subnet's routers' anycast, and the reserved ranges */
	for (unsigned i = 0; i < 8; i++)
		id[i] = (uint8_t)(hash >> (56 - 8 * i));
}

static void form(struct udp_stack *stack, unsigned index, struct auto_prefix *prefix)
{
	struct interface *interface = &stack->interfaces[index];
	struct address *address;

	prefix->address = prefix->net;
	identify(&interface->autoconf, interface, prefix, prefix->address.bytes + 8);
	/* What is not on the link is reached by a router, even if it looks close. */
	if (udp_address_add_how(stack, index, &prefix->address, prefix->on_link ? 64 : 128,
	                        UDP_ADDRESS_PROBE) != 0) {
		prefix->failed = true; /* the table is full */
		return;
	}
	address = own_address_find(interface, &prefix->address);
	address->automatic = true;
}

static struct auto_prefix *prefix_of(struct autoconf *autoconf, const struct udp_ip *ip)
{
	for (unsigned i = 0; i < AUTOCONF_SLOTS; i++)
		if (autoconf->prefixes[i].net.family != 0 &&
		    udp_ip_equal(&autoconf->prefixes[i].address, ip))
			return &autoconf->prefixes[i];
	return NULL;
}

void autoconf_duplicate(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip)
{
	struct auto_prefix *prefix = prefix_of(&stack->interfaces[interface].autoconf, ip);

	if (prefix == NULL)
		return;
	prefix->failed = ++prefix->tried >= IDGEN_RETRIES;
	if (!prefix->failed)
		form(stack, interface, prefix);
}

static void drop_prefix(struct udp_stack *stack, struct interface *interface,
                        struct auto_prefix *prefix)
{
	struct address *address = own_address_find(interface, &prefix->address);

	if (address != NULL && address->automatic)
		own_address_drop(stack, interface, address);
	if (stack->ops.notice != NULL)
		stack->ops.notice(stack->context, UDP_NOTICE_GONE, &prefix->address,
		                  interface->mac);
	*prefix = (struct auto_prefix){.net.family = 0};
}

/* ---- What is announced ---- */

static uint64_t lifetime(uint64_t now, uint32_t seconds)
{
	return seconds == (uint32_t)FOR_EVER ? UINT64_MAX : now + seconds * NS_PER_S;
}

static struct auto_prefix *find_prefix(struct autoconf *autoconf, const struct udp_ip *net)
{
	struct auto_prefix *vacant = NULL;

	for (unsigned i = 1; i < AUTOCONF_SLOTS; i++) {
		struct auto_prefix *at = &autoconf->prefixes[i];

		if (at->net.family == 0 && vacant == NULL)
			vacant = at;
		else if (at->net.family != 0 && udp_ip_equal(&at->net, net))
			return at;
	}
	return vacant;
}

void autoconf_prefix(struct udp_stack *stack, unsigned index, const struct udp_ip *net,
                     bool on_link, uint32_t preferred, uint32_t valid)
{
	struct autoconf *autoconf = &stack->interfaces[index].autoconf;
	struct auto_prefix *prefix = find_prefix(autoconf, net);
	uint64_t now = stack_now(stack), until = lifetime(now, valid);

	if (prefix == NULL) {
		stack->count.ra_full++;
		return;
	}
	if (prefix->net.family == 0) {
		if (valid == 0)
			return;
		*prefix = (struct auto_prefix){.net = *net, .on_link = on_link, .valid = until};
		form(stack, index, prefix);
	} else if (until > now + TWO_HOURS || until > prefix->valid) {
		prefix->valid = until;
	} else if (prefix->valid > now + TWO_HOURS) {
		/* One forged announcement must not end an address at once (RFC 4862, 5.5.3). */
		prefix->valid = now + TWO_HOURS;
	}
	prefix->preferred = lifetime(now, preferred);
}

void autoconf_router(struct udp_stack *stack, unsigned index, const struct udp_ip *ip,
                     uint8_t preference, uint16_t seconds)
{
	struct autoconf *autoconf = &stack->interfaces[index].autoconf;
	struct auto_router *place = NULL;

	if (seconds != 0)
		autoconf->solicit_at = UINT64_MAX; /* somebody is there (RFC 7559, 2) */
	for (unsigned i = 0; i < UDP_AUTOCONF_ROUTERS_MAX; i++) {
		struct auto_router *at = &autoconf->routers[i];

		if (at->ip.family == 0 ? place == NULL : udp_ip_equal(&at->ip, ip))
			place = at;
		if (at->ip.family != 0 && place == at)
			break;
	}
	if (place == NULL) {
		stack->count.ra_full++;
		return;
	}
	*place = (struct auto_router){.preference = preference};
	if (seconds == 0)
		return;
	place->ip = *ip;
	place->until = stack_now(stack) + seconds * NS_PER_S;
}

void autoconf_dns(struct udp_stack *stack, unsigned index, const struct udp_ip *ip,
                  uint32_t seconds)
{
	struct autoconf *autoconf = &stack->interfaces[index].autoconf;
	struct auto_dns *place = NULL;

	for (unsigned i = 0; i < UDP_AUTOCONF_DNS_MAX; i++) {
		struct auto_dns *at = &autoconf->dns[i];

		if (at->ip.family != 0 && udp_ip_equal(&at->ip, ip)) {
			place = at;
			break;
		}
		if (at->ip.family == 0 && place == NULL)
			place = at;
	}
	if (place == NULL)
		return;
	*place = (struct auto_dns){.ip.family = 0};
	if (seconds == 0)
		return;
	place->ip = *ip;
	place->until = lifetime(stack_now(stack), seconds);
}

void autoconf_mtu(struct udp_stack *stack, unsigned index, uint32_t mtu)
{
	struct interface *interface = &stack->interfaces[index];

	if (mtu < IP6_MTU_MIN || mtu > interface->mtu || mtu == interface->autoconf.mtu)
		return;
	interface->autoconf.mtu = mtu;
	flow_forget(stack);
}

/* ---- Time ---- */

static const struct auto_router *best_router(const struct autoconf *autoconf)
{
	const struct auto_router *best = NULL;

	for (unsigned i = 0; i < UDP_AUTOCONF_ROUTERS_MAX; i++) {
		const struct auto_router *at = &autoconf->routers[i];

		if (at->ip.family != 0 && (best == NULL || at->preference > best->preference))
			best = at;
	}
	return best;
}

static void expire(struct udp_stack *stack, struct interface *interface, uint64_t now)
{
	struct autoconf *autoconf = &interface->autoconf;

	for (unsigned i = 0; i < UDP_AUTOCONF_ROUTERS_MAX; i++)
		if (now >= autoconf->routers[i].until)
			autoconf->routers[i].ip = udp_ip_none();
	for (unsigned i = 0; i < UDP_AUTOCONF_DNS_MAX; i++)
		if (now >= autoconf->dns[i].until)
			autoconf->dns[i].ip = udp_ip_none();
	for (unsigned i = 1; i < AUTOCONF_SLOTS; i++) {
		struct auto_prefix *prefix = &autoconf->prefixes[i];
		struct address *address = own_address_find(interface, &prefix->address);

		if (prefix->net.family != 0 && now >= prefix->valid)
			drop_prefix(stack, interface, prefix);
		else if (prefix->net.family != 0 && address != NULL)
			address->deprecated = now >= prefix->preferred;
	}
}

/* RFC 4861, 4.1: from the unspecified address, so without our link address. */
static void solicit(struct udp_stack *stack, unsigned interface)
{
	struct send send = {.src = {.family = 6},
	                    .dst = all_routers,
	                    .direct = true,
	                    .interface = (uint8_t)interface,
	                    .protocol = PROTOCOL_ICMP6,
	                    .ttl = ND_HOPS};
	struct udp_buffer *buffer = stack_allocate(stack, ICMP_SIZE);

	if (buffer == NULL) {
		stack->count.drop_no_buffer++;
		return;
	}
	memset(buffer->data, 0, ICMP_SIZE);
	buffer->data[ICMP_TYPE] = ICMP6_ROUTER_SOLICIT;
	ip_multicast_mac(&all_routers, send.mac);
	icmp6_finish(buffer, &send.src, &send.dst);
	stack->count.nd_out++;
	(void)ip_send(stack, &send, buffer);
}

static void run_interface(struct udp_stack *stack, unsigned index, uint64_t now)
{
	struct interface *interface = &stack->interfaces[index];
	struct autoconf *autoconf = &interface->autoconf;
	const struct auto_router *router;

	expire(stack, interface, now);
	router = best_router(autoconf);
	interface->gateway6 = router != NULL ? router->ip : udp_ip_none();
	if (now < autoconf->solicit_at)
		return;
	autoconf->solicit_at = now + autoconf->solicit_wait;
	if (autoconf->solicit_wait < SOLICIT_MOST)
		autoconf->solicit_wait *= 2;
	solicit(stack, index);
}

void autoconf_run(struct udp_stack *stack, uint64_t now)
{
	for (uint32_t i = 0; i < stack->n_interfaces; i++)
		if (stack->interfaces[i].autoconf.on)
			run_interface(stack, i, now);
}

static uint64_t prefix_deadline(const struct auto_prefix *prefix, uint64_t now)
{
	if (prefix->net.family == 0)
		return UINT64_MAX;
	return prefix->preferred > now ? earlier(prefix->preferred, prefix->valid) : prefix->valid;
}

uint64_t autoconf_deadline(const struct udp_stack *stack, uint64_t now)
{
	uint64_t deadline = UINT64_MAX;

	for (uint32_t i = 0; i < stack->n_interfaces; i++) {
		const struct autoconf *autoconf = &stack->interfaces[i].autoconf;

		if (!autoconf->on)
			continue;
		deadline = earlier(deadline, autoconf->solicit_at);
		for (unsigned k = 1; k < AUTOCONF_SLOTS; k++)
			deadline = earlier(deadline, prefix_deadline(&autoconf->prefixes[k], now));
		for (unsigned k = 0; k < UDP_AUTOCONF_ROUTERS_MAX; k++)
			if (autoconf->routers[k].ip.family != 0)
				deadline = earlier(deadline, autoconf->routers[k].until);
		for (unsigned k = 0; k < UDP_AUTOCONF_DNS_MAX; k++)
			if (autoconf->dns[k].ip.family != 0)
				deadline = earlier(deadline, autoconf->dns[k].until);
	}
	return deadline;
}

/* ---- Interface ---- */

int udp_autoconf_start(struct udp_stack *stack, unsigned index, const uint64_t secret[2])
{
	static const struct udp_ip link = {.family = 6, .bytes = {0xfe, 0x80}};
	struct autoconf *autoconf;

	if (index >= stack->n_interfaces || !(stack->config.roles & UDP_ROLE_RESOLVE))
		return -UDP_EINVAL;
	autoconf = &stack->interfaces[index].autoconf;
	if (autoconf->on)
		return -UDP_EINUSE;
	*autoconf = (struct autoconf){.on = true,
	                              .secret = {secret[0], secret[1]},
	                              .solicit_at = stack_now(stack),
	                              .solicit_wait = SOLICIT_FIRST};
	autoconf->prefixes[0] = (struct auto_prefix){
	        .net = link, .on_link = true, .preferred = UINT64_MAX, .valid = UINT64_MAX};
	form(stack, index, &autoconf->prefixes[0]);
	autoconf->on = !autoconf->prefixes[0].failed;
	return autoconf->on ? 0 : -UDP_ENOSPC;
}

struct udp_ip udp_autoconf_link(const struct udp_stack *stack, unsigned interface)
{
	const struct autoconf *autoconf = &stack->interfaces[interface].autoconf;

	return autoconf->on ? autoconf->prefixes[0].address : udp_ip_none();
}

static const struct address *usable(const struct interface *interface, const struct udp_ip *ip)
{
	for (uint32_t i = 0; i < interface->n_addresses; i++)
		if (interface->addresses[i].state == ADDRESS_USABLE &&
		    udp_ip_equal(&interface->addresses[i].ip, ip))
			return &interface->addresses[i];
	return NULL;
}

/* The address that new conversations should use: preferred before deprecated. */
static const struct address *best_global(const struct interface *interface)
{
	const struct address *best = NULL;

	for (unsigned i = 1; i < AUTOCONF_SLOTS; i++) {
		const struct auto_prefix *prefix = &interface->autoconf.prefixes[i];
		const struct address *address = usable(interface, &prefix->address);

		if (prefix->net.family != 0 && address != NULL &&
		    (best == NULL || (best->deprecated && !address->deprecated)))
			best = address;
	}
	return best;
}

void udp_autoconf_get(const struct udp_stack *stack, unsigned index, struct udp_autoconf_info *info)
{
	const struct interface *interface = &stack->interfaces[index];
	const struct autoconf *autoconf = &interface->autoconf;
	const struct address *global = best_global(interface);

	*info = (struct udp_autoconf_info){.gateway = interface->gateway6, .mtu = autoconf->mtu};
	if (!autoconf->on)
		return;
	if (usable(interface, &autoconf->prefixes[0].address) != NULL)
		info->link = autoconf->prefixes[0].address;
	if (global != NULL) {
		info->ip = global->ip;
		info->prefix = global->prefix;
	}
	for (unsigned i = 0; i < UDP_AUTOCONF_DNS_MAX; i++)
		if (autoconf->dns[i].ip.family != 0)
			info->dns[info->n_dns++] = autoconf->dns[i].ip;
}
