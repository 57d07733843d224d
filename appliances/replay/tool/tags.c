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

/* A binding's program; false and a reason where its expression is none. */
static bool compile(struct tags *tags, unsigned i, const char *text, struct flt_error *reason)
{
	struct flt_expression expression;

	if (flt_compile_expression(text, &expression, reason))
		return false;
	int status = flt_program_load_classic(expression.insns, expression.n_insns, tags->names[i],
	                                      0, &tags->programs[i], reason);
	flt_expression_free(&expression);
	return !status;
}

const char *tags_bind(void *context, const char *text)
{
	static struct flt_error reason;
	const char *equals = strchr(text, '=');
	struct tags *tags = context;

	if (!equals || equals == text || equals - text >= TAGS_NAME)
		return "is not NAME=EXPRESSION";
	if (tags->n == SENDER_TAGS)
		return "is one binding too many";
	snprintf(tags->names[tags->n], TAGS_NAME, "%.*s", (int)(equals - text), text);
	if (!compile(tags, tags->n, equals + 1, &reason))
		return reason.reason;
	tags->n++;
	return NULL;
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
