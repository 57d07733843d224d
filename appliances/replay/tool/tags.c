/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tags. Expressions run as the filter engine's machine code.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <flt/error.h>
#include <flt/expression.h>

#include "../engine/layers.h"
#include "tags.h"

void tags_begin(struct tags *tags)
{
	*tags = (struct tags){.n = 1};
	snprintf(tags->names[0], TAGS_NAME, "(rest)");
}

int tags_bind(struct tags *tags, const char *text, char *error, size_t size)
{
	const char *equals = strchr(text, '=');
	struct flt_expression expression;
	struct flt_error reason = {0};

	if (!equals || equals == text || equals - text >= TAGS_NAME) {
		snprintf(error, size, "'%s': NAME=EXPRESSION is expected", text);
		return -1;
	}
	if (tags->n == SENDER_TAGS) {
		snprintf(error, size, "at most %d bindings can be told apart", SENDER_TAGS - 1);
		return -1;
	}
	snprintf(tags->names[tags->n], TAGS_NAME, "%.*s", (int)(equals - text), text);
	if (flt_compile_expression(equals + 1, &expression, &reason)) {
		snprintf(error, size, "'%s': %s", equals + 1, reason.reason);
		return -1;
	}
	int status =
	        flt_program_load_classic(expression.insns, expression.n_insns, tags->names[tags->n],
	                                 0, &tags->programs[tags->n], &reason);
	flt_expression_free(&expression);
	if (status) {
		snprintf(error, size, "'%s': %s", equals + 1, reason.reason);
		return -1;
	}
	tags->n++;
	return 0;
}

void tags_free(struct tags *tags)
{
	for (unsigned i = 0; i < tags->n; i++)
		flt_program_free(tags->programs[i]);
	tags_begin(tags);
}

static uint64_t mix(uint64_t key, const uint8_t *bytes, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		key = (key ^ bytes[i]) * 0x100000001b3u;
	return key;
}

static bool has_ports(const struct layers *layers)
{
	return (layers->protocol == PROTOCOL_TCP || layers->protocol == PROTOCOL_UDP) &&
	       layers->transport && layers->end - layers->transport >= 4;
}

/* Address, port, address, port of one frame. */
struct ends {
	int family;
	const uint8_t *source, *destination, *ports;
};

static struct ends ends_of(const uint8_t *frame, const struct layers *layers)
{
	bool six = layers->ethertype == ETHERTYPE_IPV6;
	const uint8_t *at = frame + layers->network + (six ? 8 : 12);

	return (struct ends){.family = six ? AF_INET6 : AF_INET,
	                     .source = at,
	                     .destination = at + (six ? 16 : 4),
	                     .ports = has_ports(layers) ? frame + layers->transport : NULL};
}

static void name_flow(char *name, const struct layers *layers, const struct ends *ends)
{
	char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];
	const char *protocol = layers->protocol == PROTOCOL_TCP    ? "tcp"
	                       : layers->protocol == PROTOCOL_UDP  ? "udp"
	                       : layers->protocol == PROTOCOL_ICMP ? "icmp"
	                                                           : "ip";

	(void)inet_ntop(ends->family, ends->source, source, sizeof(source));
	(void)inet_ntop(ends->family, ends->destination, destination, sizeof(destination));
	if (ends->ports)
		snprintf(name, TAGS_NAME, "%s %s.%u > %s.%u", protocol, source,
		         layers_be16(ends->ports), destination, layers_be16(ends->ports + 2));
	else
		snprintf(name, TAGS_NAME, "%s %s > %s", protocol, source, destination);
}

static unsigned flow_of(struct tags *tags, const uint8_t *frame, uint32_t length)
{
	struct layers layers;

	layers_find(&layers, frame, length);
	if (!layers.ip)
		return 0;
	struct ends ends = ends_of(frame, &layers);
	uint64_t key = mix(layers.protocol, ends.source, ends.family == AF_INET6 ? 32 : 8);
	if (ends.ports)
		key = mix(key, ends.ports, 4);
	for (unsigned i = 1; i < tags->n; i++)
		if (tags->keys[i] == key)
			return i;
	if (tags->n == SENDER_TAGS)
		return 0;
	tags->keys[tags->n] = key;
	name_flow(tags->names[tags->n], &layers, &ends);
	return tags->n++;
}

unsigned tags_of(void *context, const uint8_t *frame, uint32_t length)
{
	struct tags *tags = context;
	struct flt_frame judged = {.data = frame, .len = length, .wire_len = length};

	if (tags->flows)
		return flow_of(tags, frame, length);
	for (unsigned i = 1; i < tags->n; i++)
		if (flt_program_run(tags->programs[i], &judged))
			return i;
	return 0;
}

void tags_names(const struct tags *tags, const char *names[SENDER_TAGS])
{
	for (unsigned i = 0; i < tags->n; i++)
		names[i] = tags->names[i];
}
