/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules' text.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rewrite.h"

enum { VALUE_MAX = 120 };

static bool parse_mac(const char *text, rewrite_address *value)
{
	unsigned byte[6];
	int used = 0;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &byte[0], &byte[1], &byte[2], &byte[3],
	           &byte[4], &byte[5], &used) != 6 ||
	    text[used])
		return false;
	*value = 0;
	for (int i = 0; i < 6; i++)
		*value = *value << 8 | byte[i];
	return true;
}

static bool parse_inet(int family, const char *text, rewrite_address *value)
{
	uint8_t bytes[16];
	unsigned size = family == AF_INET ? 4 : 16;

	if (inet_pton(family, text, bytes) != 1)
		return false;
	*value = 0;
	for (unsigned i = 0; i < size; i++)
		*value = *value << 8 | bytes[i];
	return true;
}

static bool parse_ipv4(const char *text, rewrite_address *value)
{
	return parse_inet(AF_INET, text, value);
}

static bool parse_ipv6(const char *text, rewrite_address *value)
{
	return parse_inet(AF_INET6, text, value);
}

static bool parse_number(const char *text, rewrite_address *value)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || number > 0xffff)
		return false;
	*value = number;
	return true;
}

typedef bool parse_one(const char *text, rewrite_address *value);

/* VALUE or FIRST-LAST. */
static const char *parse_range(struct rewrite_rule *rule, char *text, parse_one *parse)
{
	char *dash = strchr(text, '-');
	rewrite_address last;

	if (dash)
		*dash++ = 0;
	if (!parse(text, &rule->first) || !parse(dash ? dash : text, &last))
		return "is not a value of its kind, nor FIRST-LAST";
	if (last < rule->first)
		return "ends before it begins";
	rewrite_address more = last - rule->first;
	rule->count = more >= UINT64_MAX ? UINT64_MAX : (uint64_t)more + 1;
	rule->on = true;
	return NULL;
}

/* NET/LEN. */
static const char *parse_prefix(struct rewrite_rule *rule, char *text, parse_one *parse,
                                unsigned bits)
{
	char *slash = strchr(text, '/');
	rewrite_address length;

	*slash++ = 0;
	if (!parse(text, &rule->first) || !parse_number(slash, &length) || length > bits)
		return "is not NET/LEN";
	rewrite_address all = bits == 128 ? ~(rewrite_address)0 : ((rewrite_address)1 << bits) - 1;
	rule->kept = length == 0 ? all : all >> length;
	rule->first &= ~rule->kept;
	rule->on = rule->prefix = true;
	return NULL;
}

static const char *parse_ip(struct rewrite *rewrite, unsigned side, char *text)
{
	bool six = strchr(text, ':') != NULL;
	struct rewrite_rule *rule = six ? &rewrite->ipv6[side] : &rewrite->ipv4[side];
	parse_one *parse = six ? parse_ipv6 : parse_ipv4;

	if (rule->on)
		return "is given twice";
	if (strchr(text, '/'))
		return parse_prefix(rule, text, parse, six ? 128 : 32);
	return parse_range(rule, text, parse);
}

static const char *parse_vlan(struct rewrite *rewrite, char *text)
{
	if (rewrite->strip_tags || rewrite->vlan.on)
		return "is given twice";
	if (!strcmp(text, "none")) {
		rewrite->strip_tags = true;
		return NULL;
	}
	const char *wrong = parse_range(&rewrite->vlan, text, parse_number);
	if (wrong)
		return wrong;
	return rewrite->vlan.first + rewrite->vlan.count > 4095 ? "is no VLAN id (0-4094)" : NULL;
}

static const char *parse_side(struct rewrite *rewrite, unsigned side, const char *what, char *value)
{
	struct rewrite_rule *rule =
	        !strcmp(what, "mac") ? &rewrite->mac[side] : &rewrite->port[side];

	if (!strcmp(what, "ip"))
		return parse_ip(rewrite, side, value);
	if (strcmp(what, "mac") != 0 && strcmp(what, "port") != 0)
		return "is not known (src-mac, dst-mac, vlan, src-ip, dst-ip, src-port, dst-port)";
	if (rule->on)
		return "is given twice";
	return parse_range(rule, value, !strcmp(what, "mac") ? parse_mac : parse_number);
}

static const char *parse_rule(struct rewrite *rewrite, char *text)
{
	char *value = strchr(text, '=');

	if (!value)
		return "is not KEY=VALUE";
	*value++ = 0;
	if (!strcmp(text, "vlan"))
		return parse_vlan(rewrite, value);
	if (!strncmp(text, "src-", 4))
		return parse_side(rewrite, REWRITE_SOURCE, text + 4, value);
	if (!strncmp(text, "dst-", 4))
		return parse_side(rewrite, REWRITE_DESTINATION, text + 4, value);
	return "is not known (src-mac, dst-mac, vlan, src-ip, dst-ip, src-port, dst-port)";
}

int rewrite_parse(struct rewrite *rewrite, const char *text, char *error, size_t size)
{
	char rule[VALUE_MAX];

	for (text += strspn(text, " ,"); *text; text += strspn(text, " ,")) {
		size_t length = strcspn(text, " ,");
		int shown = length < VALUE_MAX ? (int)length : VALUE_MAX - 1;
		const char *wrong = "is too long";
		if (length < sizeof(rule)) {
			memcpy(rule, text, length);
			rule[length] = 0;
			wrong = parse_rule(rewrite, rule);
		}
		if (wrong) {
			snprintf(error, size, "'%.*s' %s", shown, text, wrong);
			return -1;
		}
		rewrite->any = true;
		text += length;
	}
	return 0;
}
