/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The peer rte_acl: one context for each family of headers, as a router would have them, each
 * packet sorted to its own by EtherType; IPv4 without options, since ACL fields stand at fixed
 * places.
 */
#include <rte_acl.h>
#include <rte_errno.h>
#include <string.h>

#include "bench.h"

enum { FIELDS_MAX = 13, RULES_MAX = 10000 };

RTE_ACL_RULE_DEF(acl_rule, FIELDS_MAX);

struct layout {
	uint32_t n;
	struct rte_acl_field_def defs[FIELDS_MAX];
};

static void add_field(struct layout *l, uint32_t type, uint32_t size, uint32_t group,
                      uint32_t offset)
{
	l->defs[l->n] = (struct rte_acl_field_def){.type = (uint8_t)type,
	                                           .size = (uint8_t)size,
	                                           .field_index = (uint8_t)l->n,
	                                           .input_index = (uint8_t)group,
	                                           .offset = offset};
	l->n++;
}

/* The protocol; the tag and the type behind it, with VLAN; addresses; ports. */
static void make_layout(enum family family, struct layout *l)
{
	uint32_t ip = ip_offset[family], words = family == IPV6 ? 8 : 2, group = 0;
	l->n = 0;
	add_field(l, RTE_ACL_FIELD_TYPE_BITMASK, 1, group++, ip + (family == IPV6 ? 6 : 9));
	if (family == VLAN) {
		add_field(l, RTE_ACL_FIELD_TYPE_BITMASK, 2, group, 14);
		add_field(l, RTE_ACL_FIELD_TYPE_BITMASK, 2, group++, 16);
	}
	ip += family == IPV6 ? 8 : 12;
	for (uint32_t i = 0; i < words; i++, ip += 4)
		add_field(l, RTE_ACL_FIELD_TYPE_MASK, 4, group++, ip);
	add_field(l, RTE_ACL_FIELD_TYPE_RANGE, 2, group, ip);
	add_field(l, RTE_ACL_FIELD_TYPE_RANGE, 2, group, ip + 2);
}

static uint32_t put_prefix(struct acl_rule *r, uint32_t k, const uint32_t *words, uint32_t n,
                           uint32_t bits)
{
	for (uint32_t i = 0; i < n; i++, k++) {
		uint32_t here = bits < 32 ? bits : 32;
		r->field[k].value.u32 =
		        here ? words[i] & (uint32_t)(0xffffffffull << (32 - here)) : 0;
		r->field[k].mask_range.u32 = here;
		bits -= here;
	}
	return k;
}

static uint32_t put_pair(struct acl_rule *r, uint32_t k, uint32_t value, uint32_t other)
{
	r->field[k].value.u16 = (uint16_t)value;
	r->field[k].mask_range.u16 = (uint16_t)other;
	return k + 1;
}

static void make_rule(const struct match *m, uint32_t bits, uint32_t index, struct acl_rule *r)
{
	uint32_t k = 1, words = m->family == IPV6 ? 4 : 1;
	memset(r, 0, sizeof(*r));
	r->data.category_mask = 1;
	r->data.priority = (int32_t)bits + 1;
	r->data.userdata = index + 1;
	if (m->protocol >= 0) {
		r->field[0].value.u8 = (uint8_t)m->protocol;
		r->field[0].mask_range.u8 = 0xff;
	}
	if (m->family == VLAN) {
		k = put_pair(r, k, m->vlan, 0xfff);
		k = put_pair(r, k, 0x0800, 0xffff);
	}
	k = put_prefix(r, k, m->source, words, m->source_bits);
	k = put_prefix(r, k, m->target, words, m->target_bits);
	k = put_pair(r, k, m->from.low, m->from.high);
	put_pair(r, k, m->to.low, m->to.high);
}

static uint32_t bits_of(const struct match *m)
{
	uint32_t bits = m->source_bits + m->target_bits + (m->protocol >= 0 ? 8 : 0);
	bits += 16 - (uint32_t)(32 - __builtin_clz(m->from.high - m->from.low + 1u)) + 1;
	return bits + 16 - (uint32_t)(32 - __builtin_clz(m->to.high - m->to.low + 1u)) + 1;
}

static struct rte_acl_ctx *make_context(const struct rule *rules, uint32_t n, enum family family)
{
	struct layout layout;
	struct rte_acl_config config = {.num_categories = 1};
	struct acl_rule rule;
	static const char *const names[FAMILIES] = {"ipv4", "ipv6", "vlan"};
	struct rte_acl_param param = {.name = names[family], .socket_id = 0, .max_rule_num = n};
	uint32_t used = 0;
	make_layout(family, &layout);
	param.rule_size = RTE_ACL_RULE_SZ(layout.n);
	struct rte_acl_ctx *context = rte_acl_create(&param);
	for (uint32_t i = 0; context && i < n; i++) {
		if (rules[i].match.family != family)
			continue;
		make_rule(&rules[i].match, bits_of(&rules[i].match), i, &rule);
		if (rte_acl_add_rules(context, (const struct rte_acl_rule *)&rule, 1))
			return printf("rte_acl: a rule was refused\n"), NULL;
		used++;
	}
	config.num_fields = layout.n;
	memcpy(config.defs, layout.defs, sizeof(layout.defs));
	if (used && !rte_acl_build(context, &config))
		return context;
	if (used)
		printf("rte_acl: can't build %u rules\n", used);
	rte_acl_free(context);
	return NULL;
}

static enum family family_of(const struct flt_frame *frame)
{
	uint32_t type = (uint32_t)frame->data[12] << 8 | frame->data[13];
	return type == 0x0800 ? IPV4 : type == 0x86dd ? IPV6 : type == 0x8100 ? VLAN : FAMILIES;
}

static uint32_t classify(struct rte_acl_ctx *const *contexts, const struct flt_frame *frames)
{
	const uint8_t *data[FAMILIES + 1][BURST];
	uint32_t n[FAMILIES + 1] = {0}, results[BURST], hits = 0;
	for (uint32_t i = 0; i < BURST; i++) {
		enum family f = family_of(&frames[i]);
		data[f][n[f]++] = frames[i].data;
	}
	for (uint32_t f = 0; f < FAMILIES; f++) {
		if (!n[f] || !contexts[f])
			continue;
		rte_acl_classify(contexts[f], data[f], results, n[f], 1);
		for (uint32_t i = 0; i < n[f]; i++)
			hits += results[i] != 0;
	}
	return hits;
}

uint32_t peer_acl(const struct rule *rules, uint32_t n, const char *params)
{
	struct rte_acl_ctx *contexts[FAMILIES] = {NULL};
	double values[RUNS], start = now_ns();
	uint32_t hits = 0;
	bool any = false;
	if (n > RULES_MAX && strcmp(params, "one shape") != 0)
		return 0; /* its build would take minutes and gigabytes */
	for (uint32_t f = 0; f < FAMILIES; f++)
		any |= (contexts[f] = make_context(rules, n, (enum family)f)) != NULL;
	if (!any)
		return 0;
	double build = (now_ns() - start) / 1e6;
	report("rte_acl", params, n, &build, 1, "build", "ms");
	for (uint32_t run = 0; run < RUNS; run++) {
		uint32_t rounds = 5;
		hits = 0;
		start = now_ns();
		for (uint32_t r = 0; r < rounds; r++)
			for (uint32_t i = 0; i < packets.n; i += BURST)
				hits += classify(contexts, &packets.frames[i]);
		values[run] = (now_ns() - start) / ((double)rounds * packets.n);
		hits /= rounds;
	}
	report("rte_acl", params, n, values, RUNS, "classify", "ns/packet");
	for (uint32_t f = 0; f < FAMILIES; f++)
		rte_acl_free(contexts[f]);
	return hits;
}
