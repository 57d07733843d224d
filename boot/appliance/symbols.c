/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stand-ins for what is known only when the machine starts.
 */
#include <ctype.h>
#include <string.h>

#include <exo/manifest.h>

#include "buffer.h"
#include "symbols.h"

/* A symbol's text in an expression, its bytes in network order, and those of its mask (NET). */
struct standin {
	const char *text;
	uint8_t size;
	uint8_t bytes[16];
	uint8_t mask[16];
};

struct set {
	struct standin addr4, net4, addr6, net6, group6, mac;
};

#define ONES 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff

static const struct set sets[STANDINS] = {
        {
                .addr4 = {"172.27.101.73", 4, {172, 27, 101, 73}, {0}},
                .net4 = {"172.27.96.0/20", 4, {172, 27, 96, 0}, {0xff, 0xff, 0xf0, 0}},
                .addr6 = {"2a5c:1db8:5a17:9c41:e3b5:7d29:86f3:1e65",
                          16,
                          {0x2a, 0x5c, 0x1d, 0xb8, 0x5a, 0x17, 0x9c, 0x41, 0xe3, 0xb5, 0x7d, 0x29,
                           0x86, 0xf3, 0x1e, 0x65},
                          {0}},
                .net6 = {"2a5c:1db8:5a17:9c41::/64",
                         16,
                         {0x2a, 0x5c, 0x1d, 0xb8, 0x5a, 0x17, 0x9c, 0x41},
                         {ONES}},
                .group6 = {"ff02::1:fff3:1e65",
                           16,
                           {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0xff, 0xf3, 0x1e, 0x65},
                           {0}},
                .mac = {"52:3e:97:b4:c8:a3", 6, {0x52, 0x3e, 0x97, 0xb4, 0xc8, 0xa3}, {0}},
        },
        {
                .addr4 = {"203.54.118.29", 4, {203, 54, 118, 29}, {0}},
                .net4 = {"203.54.116.0/22", 4, {203, 54, 116, 0}, {0xff, 0xff, 0xfc, 0}},
                .addr6 = {"3f02:4c7d:61e9:b35a:f18e:9247:a5d0:c23b",
                          16,
                          {0x3f, 0x02, 0x4c, 0x7d, 0x61, 0xe9, 0xb3, 0x5a, 0xf1, 0x8e, 0x92, 0x47,
                           0xa5, 0xd0, 0xc2, 0x3b},
                          {0}},
                .net6 = {"3f02:4c7d:61e9:b35a::/64",
                         16,
                         {0x3f, 0x02, 0x4c, 0x7d, 0x61, 0xe9, 0xb3, 0x5a},
                         {ONES}},
                .group6 = {"ff02::1:ffd0:c23b",
                           16,
                           {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0xff, 0xd0, 0xc2, 0x3b},
                           {0}},
                .mac = {"6a:8b:d2:1f:71:ec", 6, {0x6a, 0x8b, 0xd2, 0x1f, 0x71, 0xec}, {0}},
        },
        {
                .addr4 = {"10.9.34.17", 4, {10, 9, 34, 17}, {0}},
                .net4 = {"10.9.34.0/24", 4, {10, 9, 34, 0}, {0xff, 0xff, 0xff, 0}},
                .addr6 = {"fd15:20a6:3b44:7718:6d93:14ce:2fba:5907",
                          16,
                          {0xfd, 0x15, 0x20, 0xa6, 0x3b, 0x44, 0x77, 0x18, 0x6d, 0x93, 0x14, 0xce,
                           0x2f, 0xba, 0x59, 0x07},
                          {0}},
                .net6 = {"fd15:20a6:3b44:7718::/64",
                         16,
                         {0xfd, 0x15, 0x20, 0xa6, 0x3b, 0x44, 0x77, 0x18},
                         {ONES}},
                .group6 = {"ff02::1:ffba:5907",
                           16,
                           {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0xff, 0xba, 0x59, 0x07},
                           {0}},
                .mac = {"0e:27:4d:63:15:89", 6, {0x0e, 0x27, 0x4d, 0x63, 0x15, 0x89}, {0}},
        },
};

static const struct standin *standin_of(int family, unsigned symbol, int set)
{
	switch (symbol) {
	case EXO_SYMBOL_ADDR:
		return family == 4 ? &sets[set].addr4 : &sets[set].addr6;
	case EXO_SYMBOL_NET:
		return family == 4 ? &sets[set].net4 : &sets[set].net6;
	case EXO_SYMBOL_GROUP:
		return &sets[set].group6;
	default:
		return &sets[set].mac;
	}
}

static unsigned symbol_named(const char *name, size_t length)
{
	static const struct {
		const char *name;
		unsigned symbol;
	} names[] = {{"addr", EXO_SYMBOL_ADDR},
	             {"net", EXO_SYMBOL_NET},
	             {"group", EXO_SYMBOL_GROUP},
	             {"mac", EXO_SYMBOL_MAC}};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i].name) == length && !strncmp(names[i].name, name, length))
			return names[i].symbol;
	return 0;
}

char *symbols_fill(struct place place, const char *text, int family, int set)
{
	struct buffer out = {0};
	while (*text) {
		size_t plain = strcspn(text, "$");
		buffer_append(&out, text, plain);
		text += plain;
		if (!*text)
			break;
		size_t length = 0;
		while (isalnum((unsigned char)text[1 + length]))
			length++;
		unsigned symbol = symbol_named(text + 1, length);
		if (!symbol)
			refuse(place, "there is no '$%.*s'; there are $addr, $net, $group and $mac",
			       (int)length, text + 1);
		if (symbol == EXO_SYMBOL_GROUP && family != 6)
			refuse(place, "'$group' is of IPv6 addresses; the flow's family is 4");
		const char *value = standin_of(family, symbol, set)->text;
		buffer_append(&out, value, strlen(value));
		text += 1 + length;
	}
	buffer_append(&out, "", 1);
	return (char *)out.data;
}

static uint32_t window(const uint8_t *bytes, unsigned width)
{
	uint32_t value = 0;
	for (unsigned i = 0; i < width; i++)
		value = value << 8 | bytes[i];
	return value;
}

uint32_t symbols_value(int family, const struct origin *origin, int set)
{
	const struct standin *standin = standin_of(family, origin->symbol, set);
	return window((origin->mask ? standin->mask : standin->bytes) + origin->byte,
	              origin->width);
}

static bool fits(int family, const struct origin *origin, uint32_t a, uint32_t b)
{
	return symbols_value(family, origin, 0) == a && symbols_value(family, origin, 1) == b;
}

bool symbols_find(int family, unsigned width, uint32_t a, uint32_t b, struct origin *origin)
{
	for (unsigned w = 4; w; w /= 2) {
		if (width && w != width)
			continue;
		for (unsigned symbol = EXO_SYMBOL_ADDR; symbol <= EXO_SYMBOL_GROUP; symbol++) {
			unsigned size = standin_of(family, symbol, 0)->size;
			for (unsigned byte = 0; byte + w <= size; byte++)
				for (unsigned mask = 0; mask < 2; mask++) {
					*origin = (struct origin){(uint16_t)symbol, (uint16_t)byte,
					                          (uint16_t)w, mask != 0};
					if (fits(family, origin, a, b))
						return true;
				}
		}
	}
	return false;
}
