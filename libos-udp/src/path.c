/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of paths: their MTU (RFC 1191, RFC 8201), by destination. The table has a fixed
 * size, four places for each hash; a new destination takes the place of the one that would be
 * forgotten first. An MTU only ever falls until it is forgotten, after ten minutes (RFC 1191, 6.3;
 * RFC 8201, 5.3), and never below what every path carries.
 */
#include "internal.h"

#define FORGET_AFTER (600 * NS_PER_S)
enum {
	WAYS = 4,
	/* An attacker who gets a tiny MTU believed multiplies our packets. IPv4 paths below this
	   are history; packets with DF do not pass there, others are cut by the routers. */
	MTU4_MIN = 552,
};

size_t path_bytes(const struct udp_config *config)
{
	return config->paths * sizeof(struct path);
}

void path_init(struct udp_stack *stack, void *memory)
{
	stack->paths.entries = memory;
	stack->paths.n = stack->config.paths;
	memset(memory, 0, path_bytes(&stack->config));
}

static struct path *set_of(const struct udp_stack *stack, const struct udp_ip *dst)
{
	size_t set = hash_ip(stack, dst, 1) % (stack->paths.n / WAYS);

	return &stack->paths.entries[set * WAYS];
}

static struct path *find(const struct udp_stack *stack, const struct udp_ip *dst)
{
	struct path *set;

	if (stack->paths.n == 0 || stack->paths.used == 0)
		return NULL;
	set = set_of(stack, dst);
	for (unsigned i = 0; i < WAYS; i++)
		if (set[i].mtu != 0 && udp_ip_equal(&set[i].dst, dst))
			return &set[i];
	return NULL;
}

uint32_t path_mtu(struct udp_stack *stack, const struct udp_ip *dst, uint32_t link)
{
	struct path *path = find(stack, dst);

	if (path == NULL)
		return link;
	if (stack_now(stack) >= path->until) {
		path->mtu = 0;
		stack->paths.used--;
		return link;
	}
	return path->mtu < link ? path->mtu : link;
}

/* What a router that names no MTU may have had in mind: the next lower of the usual ones (RFC 1191,
 * 7.1). */
static uint32_t plateau(uint32_t length)
{
	static const uint16_t usual[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006, MTU4_MIN};
	unsigned i = 0;

	while (i + 1 < sizeof usual / sizeof usual[0] && usual[i] >= length)
		i++;
	return usual[i];
}

uint32_t path_mtu_claimed(const uint8_t *quote, uint32_t claimed, bool six)
{
	if (six)
		return claimed < IP6_MTU_MIN ? IP6_MTU_MIN : claimed;
	if (claimed == 0)
		claimed = plateau(wire_get16(quote + IP4_LENGTH));
	return claimed < MTU4_MIN ? MTU4_MIN : claimed;
}

void path_learn(struct udp_stack *stack, const struct udp_ip *dst, uint32_t mtu)
{
	struct path *path = find(stack, dst), *set;

	/* What is no less is no news (RFC 8201, 4), and must not drive out what is. */
	if (stack->paths.n == 0 || mtu >= udp_path_mtu(stack, NULL, dst))
		return;
	if (path == NULL) {
		set = path = set_of(stack, dst);
		for (unsigned i = 1; i < WAYS; i++)
			if (set[i].until < path->until)
				path = &set[i];
		stack->paths.used += path->mtu == 0;
	}
	*path = (struct path){.dst = *dst, .mtu = mtu, .until = stack_now(stack) + FORGET_AFTER};
	flow_forget_path(stack, dst);
	stack->count.path_mtu_learned++;
}

uint32_t udp_path_mtu(struct udp_stack *stack, const struct udp_ip *src, const struct udp_ip *dst)
{
	struct route route;

	if (route_find(stack, src, dst, &route) != 0)
		return 0;
	return path_mtu(stack, dst, link_mtu(route.interface, dst));
}
