/* SPDX-License-Identifier: BSD-2-Clause */
/* What the handler in front of the stack is told (static/front.h). */
#include <string.h>

#include <static/front.h>
#include <udp/checksum.h>

#include "internal.h"

uint64_t static_front_rules(struct static_front *front, const struct static_stack *stack)
{
	const struct static_config *config = &stack->config;
	uint32_t period = stack->ms / COOKIE_PERIOD_MS;
	struct front_rules *rules = &front->rules;

	_Static_assert(sizeof rules->sizes == sizeof static_cookie_sizes, "the same sizes");
	memcpy(rules->key, config->secret, sizeof rules->key);
	rules->spread = config->secret[3] | 1;
	rules->period = period;
	rules->mss = (uint16_t)(config->mtu - 40);
	rules->window = WINDOW;
	memcpy(rules->sizes, static_cookie_sizes, sizeof rules->sizes);
	memcpy(rules->mac, config->mac, sizeof rules->mac);
	return stack->origin + (uint64_t)(period + 1) * COOKIE_PERIOD_MS * 1000000;
}

static bool is_short(const struct static_front *front, const struct static_known *known,
                     const struct static_answer *answer, uint32_t size, const char *changing)
{
	return known->asked.close && size <= front->rules.mss && size <= FRONT_ANSWER_MAX &&
	       known->size >= FRONT_REQUEST_LEAST && known->size <= FRONT_REQUEST_MAX &&
	       strnlen((const char *)known->bytes, known->size) == known->size &&
	       answer->path[0] != 0 && strcmp(answer->path, changing) != 0;
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
	place = front_place(words);
	fresh = &front->known[place];
	if (fresh->size != 0)
		return false;
	memcpy(front->arena + (size_t)place * FRONT_FRAME, answer->bytes, size);
	fresh->answer = size;
	fresh->sum = (uint16_t)~udp_sum_finish(static_answer_sum(answer, 0, size));
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
