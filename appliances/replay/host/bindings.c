/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each binding should get.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <flt/flowset.h>

#include "bindings.h"

static char reason[320];

/* libpcap's own compilation: the judge of what is matched. */
static const char *compile_for_judge(struct binding *binding)
{
	pcap_t *dead = pcap_open_dead(DLT_EN10MB, FLT_EXPRESSION_SNAPLEN);
	if (!dead)
		return "out of memory";
	const char *error = NULL;
	if (pcap_compile(dead, &binding->program, binding->text, 1, PCAP_NETMASK_UNKNOWN)) {
		snprintf(reason, sizeof(reason), "'%s': %s", binding->text, pcap_geterr(dead));
		error = reason;
	}
	pcap_close(dead);
	return error;
}

/* The filter engine's: the declared flow, whose bits decide. */
static const char *compile_flow(struct binding *binding)
{
	struct flt_error error = {0};
	char text[256];
	if (!flt_compile_expression(binding->text, &binding->expression, &error))
		return NULL;
	flt_error_text(&error, text, sizeof(text));
	snprintf(reason, sizeof(reason), "'%s': %s", binding->text, text);
	return reason;
}

/* Whether the name can stand in a manifest and in a table as it is. */
static bool good_name(const char *name, size_t length)
{
	if (!length || length >= REPLAY_NAME_MAX)
		return false;
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("-_.", name[i]))
			return false;
	return true;
}

const char *bindings_add(struct bindings *bindings, const char *text)
{
	const char *equals = strchr(text, '=');
	size_t length = equals ? (size_t)(equals - text) : 0;
	if (!equals || !good_name(text, length)) {
		snprintf(reason, sizeof(reason),
		         "'%s': NAME=EXPRESSION is expected, a name of 1 to %d letters, digits, "
		         "'-', '_' and '.'",
		         text, REPLAY_NAME_MAX - 1);
		return reason;
	}
	if (bindings->n == BINDINGS_MAX)
		return "there are too many bindings";
	struct binding *binding = &bindings->all[bindings->n];
	*binding = (struct binding){.text = equals + 1};
	memcpy(binding->name, text, length);
	if (bindings_find(bindings, binding->name)) {
		snprintf(reason, sizeof(reason), "there are two bindings named '%s'",
		         binding->name);
		return reason;
	}
	const char *error = compile_for_judge(binding);
	if (error)
		return error;
	error = compile_flow(binding);
	if (error) {
		pcap_freecode(&binding->program);
		return error;
	}
	bindings->n++;
	return NULL;
}

void bindings_free(struct bindings *bindings)
{
	for (size_t i = 0; i < bindings->n; i++) {
		pcap_freecode(&bindings->all[i].program);
		flt_expression_free(&bindings->all[i].expression);
	}
	bindings->n = 0;
	free(bindings->datagrams);
	bindings->datagrams = NULL;
	bindings->n_datagrams = 0;
}

struct binding *bindings_find(struct bindings *bindings, const char *name)
{
	for (size_t i = 0; i < bindings->n; i++)
		if (!strcmp(bindings->all[i].name, name))
			return &bindings->all[i];
	return NULL;
}

void bindings_restart(struct bindings *bindings)
{
	bindings->sent = bindings->unmatched = (struct count){0};
	bindings->n_datagrams = 0;
	for (size_t i = 0; i < bindings->n; i++)
		bindings->all[i].matched = bindings->all[i].delivered = (struct count){0};
}

static void add(struct count *count, uint32_t bytes)
{
	count->packets++;
	count->bytes += bytes;
}

static bool judge_accepts(const struct binding *binding, const uint8_t *data, uint32_t length)
{
	struct pcap_pkthdr header = {.caplen = length, .len = length};
	return pcap_offline_filter(&binding->program, &header, data) != 0;
}

/* The largest number of constrained bits among the flow's conjunctions that hold; -1: none does. */
static int flow_bits(const struct binding *binding, const struct flt_frame *frame)
{
	int most = -1;
	for (uint32_t i = 0; i < binding->expression.extraction.n; i++) {
		const struct flt_conjunction *conjunction = &binding->expression.conjunctions[i];
		if (!flt_conjunction_match(conjunction, frame))
			continue;
		int bits = (int)flt_conjunction_bits(conjunction);
		if (bits > most)
			most = bits;
	}
	return most;
}

static bool older(const struct binding *a, const struct binding *b)
{
	if (a->reported && b->reported)
		return a->result.binding < b->result.binding;
	return a < b;
}

/* Who wins a frame; NULL: nobody. */
static struct binding *find_winner(struct bindings *bindings, const struct flt_frame *frame)
{
	struct binding *winner = NULL;
	int winner_bits = -1;
	for (struct binding *b = bindings->all; b < bindings->all + bindings->n; b++) {
		if (!judge_accepts(b, frame->data, frame->len))
			continue;
		int bits = flow_bits(b, frame);
		if (bits < 0)
			bindings->flow_misses = true;
		if (!winner || bits > winner_bits || (bits == winner_bits && older(b, winner))) {
			winner = b;
			winner_bits = bits;
		}
	}
	return winner;
}

/* ---- Fragments ---- */

static struct datagram *find_datagram(struct bindings *bindings, const struct flt_fragment_id *id)
{
	enum { STEP = 256 };
	for (size_t i = bindings->n_datagrams; i-- > 0;)
		if (!memcmp(&bindings->datagrams[i].id, id, sizeof(*id)))
			return &bindings->datagrams[i];
	if (bindings->n_datagrams % STEP == 0) {
		size_t room = bindings->n_datagrams + STEP;
		void *more = realloc(bindings->datagrams, room * sizeof(*bindings->datagrams));
		if (!more)
			abort();
		bindings->datagrams = more;
	}
	bindings->datagrams[bindings->n_datagrams] = (struct datagram){.id = *id};
	return &bindings->datagrams[bindings->n_datagrams++];
}

static struct count *owned(struct bindings *bindings, struct binding *owner)
{
	return owner ? &owner->delivered : &bindings->unmatched;
}

static void judge_first(struct bindings *bindings, const struct flt_frame *frame,
                        const struct flt_fragment *fragment)
{
	struct datagram *datagram = find_datagram(bindings, &fragment->id);
	uint8_t *room = malloc(frame->len);
	if (!room)
		abort();
	struct flt_frame whole = flt_fragment_whole(frame, fragment, room);
	struct binding *winner = find_winner(bindings, &whole);
	free(room);
	if (!winner)
		winner = find_winner(bindings, frame);
	struct count *count = owned(bindings, winner);
	add(count, frame->len);
	count->packets += datagram->waiting.packets;
	count->bytes += datagram->waiting.bytes;
	datagram->waiting = (struct count){0};
	datagram->decided = true;
	datagram->owner = winner;
}

static void judge_later(struct bindings *bindings, uint32_t length,
                        const struct flt_fragment *fragment)
{
	struct datagram *datagram = find_datagram(bindings, &fragment->id);
	add(datagram->decided ? owned(bindings, datagram->owner) : &datagram->waiting, length);
}

void bindings_judge(struct bindings *bindings, const uint8_t *data, uint32_t length)
{
	struct flt_frame frame = {.data = data, .len = length, .wire_len = length};
	struct flt_fragment fragment;
	add(&bindings->sent, length);
	for (struct binding *b = bindings->all; b < bindings->all + bindings->n; b++)
		if (judge_accepts(b, data, length))
			add(&b->matched, length);
	switch (flt_fragment_parse(&frame, &fragment)) {
	case FLT_FRAGMENT_NONE:
		add(owned(bindings, find_winner(bindings, &frame)), length);
		break;
	case FLT_FRAGMENT_FIRST:
		judge_first(bindings, &frame, &fragment);
		break;
	case FLT_FRAGMENT_LATER:
		judge_later(bindings, length, &fragment);
		break;
	}
}
