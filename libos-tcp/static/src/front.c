/* SPDX-License-Identifier: BSD-2-Clause */
/* What the handler in front of the stack is told, and what it had of connections (static/front.h).
 */
#include <string.h>

#include <static/front.h>
#include <udp/checksum.h>

#include "internal.h"

enum { PEER_BITS = 48, NS_OF_MS = 1000000, TRIES_MAX = 1000 };

static const uint64_t peer_mask = (1ull << PEER_BITS) - 1;

void static_front_attach(struct static_front *front, struct static_stack *stack)
{
	stack->front = front;
}

uint64_t static_front_rules(struct static_front *front, const struct static_stack *stack)
{
	static const uint8_t ipv4[] = {8, 0};
	const struct static_config *config = &stack->config;
	uint32_t period = cookie_period(stack);
	struct front_rules *rules = &front->rules;

	_Static_assert(sizeof rules->sizes == sizeof static_cookie_sizes, "the same sizes");
	memcpy(rules->key, config->secret, sizeof rules->key);
	rules->spread = config->secret[3] | 1;
	memcpy(rules->from, config->mac, sizeof config->mac);
	memcpy(rules->from + sizeof config->mac, ipv4, sizeof ipv4);
	rules->period = period;
	rules->mss = (uint16_t)(config->mtu - 40);
	rules->window = WINDOW;
	memcpy(rules->sizes, static_cookie_sizes, sizeof rules->sizes);
	return stack->origin + (uint64_t)(period + 1) * COOKIE_PERIOD_MS * NS_OF_MS;
}

/* ---- What is known ---- */

static bool is_short(const struct static_front *front, const struct static_known *known,
                     const struct static_answer *answer, uint32_t size, const char *changing)
{
	return size <= front->rules.mss && size <= FRONT_ANSWER_MAX &&
	       known->size >= FRONT_REQUEST_LEAST && known->size <= FRONT_REQUEST_MAX &&
	       strnlen((const char *)known->bytes, known->size) == known->size &&
	       answer->path[0] != 0 && strcmp(answer->path, changing) != 0;
}

/* The least index of which the size suffices. */
static uint16_t least_index(uint32_t size)
{
	uint16_t index = 0;

	while (index < COOKIE_SIZES - 1 && static_cookie_sizes[index] < size)
		index++;
	return index;
}

/* First the answer, then what asks for it. */
static bool learn(struct static_front *front, const struct static_stack *stack,
                  const struct static_known *known, const char *changing)
{
	const struct static_answer *answer = &stack->site.answers[known->asked.answer];
	uint32_t size = known->asked.head ? answer->head : answer->size, place;
	struct front_known *fresh;
	uint64_t words[4];

	if (!is_short(front, known, answer, size, changing))
		return false;
	memcpy(words, known->bytes, sizeof words);
	place = front_place(words, known->size);
	fresh = &front->known[place];
	if (fresh->size != 0)
		return false;
	front->answers[place] = known->asked.answer;
	front->heads[place] = known->asked.head;
	memcpy(front->arena + (size_t)place * FRONT_FRAME, answer->bytes, size);
	fresh->answer = size;
	fresh->sum = (uint16_t)~udp_sum_finish(static_answer_sum(answer, 0, size));
	fresh->least = least_index(size);
	fresh->ends = known->asked.close;
	memcpy(fresh->bytes, known->bytes, known->size);
	fresh->size = known->size;
	return true;
}

bool static_front_learn(struct static_front *front, struct static_stack *stack,
                        const char *changing)
{
	bool learnt = false;

	for (unsigned i = 0; stack->known.untold > 0 && i < STATIC_KNOWN; i++) {
		struct static_known *known = &stack->known.places[i];

		if (known->size == 0 || known->told)
			continue;
		known->told = true;
		learnt |= learn(front, stack, known, changing);
	}
	stack->known.untold = 0;
	return learnt;
}

/* ---- Connections that are handed over ---- */

/* Puts the last answer into the queue, as sent and not acknowledged; the handler has counted it. */
static void await_last(struct static_stack *stack, struct conn *conn, uint32_t place)
{
	const struct static_front *front = stack->front;
	uint32_t size = front->known[place].answer;

	conn->queue[0] = front->answers[place];
	conn->head[0] = front->heads[place];
	conn->queued = 1;
	conn->base = conn->snd_una = conn->recover = conn->limit - size;
	stack->count.bytes -= size;
}

/* What there was before under the same port: the peer has begun anew. */
static void forget(struct static_stack *stack, const struct begun *begun)
{
	struct conn *conn = static_table_find(
	        stack, &(struct segment){.remote = begun->remote, .port = begun->port});

	if (conn != NULL)
		static_table_remove(stack, conn);
}

static struct conn *take(struct static_stack *stack, uint64_t peer, struct front_taken *taken)
{
	const struct static_front *front = stack->front;
	struct begun begun;
	int result = front == NULL ? 0 : FRONT_AGAIN;

	for (unsigned i = 0; i < TRIES_MAX && result == FRONT_AGAIN; i++)
		result = front->take(front->context, peer, taken);
	/* Whatever it says: an answer that there is. */
	if (result != 1 || taken->place >= FRONT_PLACES || front->known[taken->place].size == 0)
		return NULL;
	begun = (struct begun){.mac = taken->mac,
	                       .remote = __builtin_bswap32((uint32_t)peer),
	                       .port = __builtin_bswap16((uint16_t)(peer >> 32)),
	                       .theirs = taken->theirs,
	                       .ours = taken->ours,
	                       .mss = static_cookie_sizes[taken->said >> 4 & 7],
	                       .scale = taken->said & 15};
	forget(stack, &begun);
	return static_stack_begin(stack, &begun);
}

struct conn *static_front_adopt(struct static_stack *stack, const struct segment *segment)
{
	uint64_t peer = __builtin_bswap32(segment->remote) |
	                (uint64_t)__builtin_bswap16(segment->port) << 32;
	struct front_taken taken;
	struct conn *conn = take(stack, peer, &taken);

	if (conn == NULL)
		return NULL;
	conn->snd_wnd = segment->window << conn->scale;
	if (segment->ack != taken.ours)
		await_last(stack, conn, taken.place);
	return conn;
}

/* ---- Age ---- */

/* An odd number's inverse modulo 2^64: each step doubles the bits that are right (Newton). */
static uint64_t inverse(uint64_t odd)
{
	uint64_t x = odd;

	for (unsigned i = 0; i < 5; i++)
		x *= 2 - odd * x;
	return x;
}

uint64_t static_front_age_ns(const struct static_stack *stack)
{
	return (uint64_t)stack->config.idle_ms / 2 * NS_OF_MS;
}

void static_front_age(struct static_front *front, struct static_stack *stack)
{
	uint64_t back = inverse(front->rules.spread), first = 0, old;

	while (first < FRONT_RECORDS) {
		uint64_t next = front->age(front->context, first, &old);
		struct front_taken taken;
		struct conn *conn = NULL;

		if ((next & (FRONT_OLD - 1)) <= first) /* it does not work */
			return;
		first = next & (FRONT_OLD - 1);
		if ((next & FRONT_OLD) != 0)
			conn = take(stack, old * back & peer_mask, &taken);
		if (conn != NULL)
			static_timer_silent(stack, conn);
	}
}
