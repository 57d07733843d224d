/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a flow's terms to a rule's items. Terms speak of bytes, items are headers, as they are on
 * the wire: so the terms are written as values and masks over the first bytes of a frame, and the
 * headers are cut out of those.
 *
 *     bytes 0 … 13     Ethernet
 *     bytes 14 …       IPv4 without options, or IPv6, as the EtherType says
 *     behind them      ports: of IPv4 those behind a header of any length (FLT_BASE_MSH) alone
 *
 * A term of any other byte, or one that is no mask, is in no item: there is no rule then. An item
 * for TCP or UDP says by itself that the packet is no later fragment, which is a term's matter and
 * which many drivers refuse to hear of.
 */
#include "steer.h"

#include <errno.h>
#include <string.h>

#include <rte_flow.h>

enum {
	ETH_BYTES = 14,
	TYPE = 12, /* offsets in a frame */
	IP4_FRAGMENT = 20,
	IP4_PROTOCOL = 23,
	IP6_NEXT = 20,
	IP4_END = 34,
	IP6_END = 54,
	L4_BYTES = 4, /* both ports */
	BYTES = IP6_END + L4_BYTES,
	TYPE_IP4 = 0x0800,
	TYPE_IP6 = 0x86dd,
	TYPE_FREE = 0x88b5, /* for experiments: IEEE 802, 9.2.3 */
	FRAGMENT_OFFSET = 0x1fff,
	PRIORITY = 1, /* where a driver wants one: e1000, ixgbe */
};

/* Bytes that a frame must have, and the ports that must lie behind IPv4's header. */
struct wanted {
	uint8_t value[BYTES], mask[BYTES];
	uint8_t l4_value[L4_BYTES], l4_mask[L4_BYTES];
};

/* A rule's items, and what they point to. */
struct pattern {
	struct rte_flow_item_eth eth[2]; /* value, mask */
	struct rte_flow_item_ipv4 ip4[2];
	struct rte_flow_item_ipv6 ip6[2];
	struct rte_flow_item_udp udp[2]; /* its ports, and TCP's, come first */
	struct rte_flow_item_tcp tcp[2];
	struct rte_flow_item items[4];
	unsigned n;
};

/* ---- Terms ---- */

static bool want(uint8_t *value, uint8_t *mask, const struct flt_term *term)
{
	for (unsigned i = 0; i < term->width; i++) {
		unsigned shift = 8 * (term->width - 1u - i);
		uint8_t bits = (uint8_t)(term->mask >> shift), is = (uint8_t)(term->value >> shift);

		if (((value[i] ^ is) & mask[i] & bits) != 0)
			return false; /* two terms that no frame can satisfy */
		value[i] |= is;
		mask[i] |= bits;
	}
	return true;
}

static bool take_term(struct wanted *wanted, const struct flt_term *term)
{
	unsigned at = term->offset;

	if (term->test != FLT_TEST_MASKED || term->negate)
		return false;
	if (term->base == FLT_BASE_FRAME)
		return at + term->width <= BYTES &&
		       want(wanted->value + at, wanted->mask + at, term);
	return term->base == FLT_BASE_MSH && term->msh == ETH_BYTES && at >= ETH_BYTES &&
	       at - ETH_BYTES + term->width <= L4_BYTES &&
	       want(wanted->l4_value + at - ETH_BYTES, wanted->l4_mask + at - ETH_BYTES, term);
}

static bool any(const uint8_t *mask, unsigned from, unsigned to)
{
	while (from < to && mask[from] == 0)
		from++;
	return from < to;
}

static uint16_t word(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* ---- Items ---- */

static void add(struct pattern *pattern, enum rte_flow_item_type type, const void *value,
                const void *mask)
{
	pattern->items[pattern->n++] =
	        (struct rte_flow_item){.type = type, .spec = value, .mask = mask};
}

/* → whether the protocol has ports, or none are wanted. */
static bool add_l4(struct pattern *pattern, const struct wanted *wanted, unsigned protocol)
{
	const uint8_t *value = wanted->l4_value, *mask = wanted->l4_mask;

	if (!any(mask, 0, L4_BYTES))
		return true;
	if (wanted->mask[protocol] != UINT8_MAX ||
	    (wanted->value[protocol] != IPPROTO_UDP && wanted->value[protocol] != IPPROTO_TCP))
		return false;
	memcpy(&pattern->udp[0], value, L4_BYTES);
	memcpy(&pattern->udp[1], mask, L4_BYTES);
	memcpy(&pattern->tcp[0], value, L4_BYTES);
	memcpy(&pattern->tcp[1], mask, L4_BYTES);
	if (wanted->value[protocol] == IPPROTO_UDP)
		add(pattern, RTE_FLOW_ITEM_TYPE_UDP, &pattern->udp[0], &pattern->udp[1]);
	else
		add(pattern, RTE_FLOW_ITEM_TYPE_TCP, &pattern->tcp[0], &pattern->tcp[1]);
	return true;
}

static bool add_ip4(struct pattern *pattern, struct wanted *wanted)
{
	uint8_t *offset = wanted->mask + IP4_FRAGMENT;

	/* Ports at a place that options would move are not what an item means. */
	if (any(wanted->mask, IP4_END, BYTES))
		return false;
	if (any(wanted->l4_mask, 0, L4_BYTES)) {
		/* A later fragment's first bytes are no ports: the flow has to say so, too. */
		if (word(offset) != FRAGMENT_OFFSET ||
		    any(wanted->value, IP4_FRAGMENT, IP4_FRAGMENT + 2))
			return false;
		memset(offset, 0, 2);
	}
	memcpy(&pattern->ip4[0], wanted->value + ETH_BYTES, IP4_END - ETH_BYTES);
	memcpy(&pattern->ip4[1], wanted->mask + ETH_BYTES, IP4_END - ETH_BYTES);
	add(pattern, RTE_FLOW_ITEM_TYPE_IPV4, &pattern->ip4[0], &pattern->ip4[1]);
	return add_l4(pattern, wanted, IP4_PROTOCOL);
}

static bool add_ip6(struct pattern *pattern, struct wanted *wanted)
{
	if (any(wanted->l4_mask, 0, L4_BYTES))
		return false;
	memcpy(wanted->l4_value, wanted->value + IP6_END, L4_BYTES);
	memcpy(wanted->l4_mask, wanted->mask + IP6_END, L4_BYTES);
	memcpy(&pattern->ip6[0], wanted->value + ETH_BYTES, IP6_END - ETH_BYTES);
	memcpy(&pattern->ip6[1], wanted->mask + ETH_BYTES, IP6_END - ETH_BYTES);
	add(pattern, RTE_FLOW_ITEM_TYPE_IPV6, &pattern->ip6[0], &pattern->ip6[1]);
	return add_l4(pattern, wanted, IP6_NEXT);
}

/* The EtherType is always wanted: without it, bytes behind it mean nothing. */
static bool make_pattern(struct pattern *pattern, struct wanted *wanted)
{
	uint16_t type = word(wanted->value + TYPE);
	bool good;

	if (word(wanted->mask + TYPE) != UINT16_MAX)
		return false;
	memcpy(&pattern->eth[0], wanted->value, ETH_BYTES);
	memcpy(&pattern->eth[1], wanted->mask, ETH_BYTES);
	add(pattern, RTE_FLOW_ITEM_TYPE_ETH, &pattern->eth[0], &pattern->eth[1]);
	if (type == TYPE_IP4)
		good = add_ip4(pattern, wanted);
	else if (type == TYPE_IP6)
		good = add_ip6(pattern, wanted);
	else
		good = !any(wanted->mask, ETH_BYTES, BYTES) && !any(wanted->l4_mask, 0, L4_BYTES);
	add(pattern, RTE_FLOW_ITEM_TYPE_END, NULL, NULL);
	return good;
}

/* ---- Rules ---- */

/* Makes the rule, or (NULL) sees whether it could be made. 0 or a negative errno. */
static int enter(uint16_t port, uint16_t queue, const struct rte_flow_item *items,
                 struct rte_flow **rule)
{
	const struct rte_flow_action_queue aim = {.index = queue};
	const struct rte_flow_action actions[] = {
	        {.type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &aim},
	        {.type = RTE_FLOW_ACTION_TYPE_END}};
	struct rte_flow_attr attr = {.ingress = 1};
	struct rte_flow_error why;
	int error = rte_flow_validate(port, &attr, items, actions, &why);

	if (error == -ENOSYS)
		return error;
	if (error != 0) {
		attr.priority = PRIORITY;
		error = rte_flow_validate(port, &attr, items, actions, &why);
	}
	if (error == 0 && rule != NULL) {
		*rule = rte_flow_create(port, &attr, items, actions, &why);
		error = *rule == NULL ? -ENOTSUP : 0;
	}
	return error;
}

bool dpdk_steer_possible(uint16_t port, uint16_t queue)
{
	struct wanted wanted = {.value = {[TYPE] = TYPE_FREE >> 8, TYPE_FREE & UINT8_MAX},
	                        .mask = {[TYPE] = UINT8_MAX, UINT8_MAX}};
	struct pattern pattern = {.n = 0};

	(void)make_pattern(&pattern, &wanted);
	return enter(port, queue, pattern.items, NULL) != -ENOSYS;
}

int dpdk_steer(uint16_t port, uint16_t queue, const struct flt_conjunction *flow, bool loose,
               struct rte_flow **rule)
{
	struct wanted wanted = {.value = {0}};
	struct pattern pattern = {.n = 0};

	for (uint32_t i = 0; i < flow->n_terms; i++)
		if (!take_term(&wanted, &flow->terms[i]))
			return -ENOTSUP;
	if (!make_pattern(&pattern, &wanted))
		return -ENOTSUP;
	if (enter(port, queue, pattern.items, rule) == 0)
		return 0;
	/* Drivers that tell IP by its own item alone; what lies before it they pass over. */
	if (!loose || pattern.n < 3 || any(wanted.mask, 0, TYPE))
		return -ENOTSUP;
	pattern.items[0].spec = pattern.items[0].mask = NULL;
	return enter(port, queue, pattern.items, rule) == 0 ? 1 : -ENOTSUP;
}

void dpdk_steer_end(uint16_t port, struct rte_flow *rule)
{
	struct rte_flow_error why;

	(void)rte_flow_destroy(port, rule, &why);
}
