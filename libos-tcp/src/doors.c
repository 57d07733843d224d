/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the handler in front is told (tcp/edge.h): a door for each listener at its address that
 * wants nothing but what the handler says, while it takes connections. It is told when a listener
 * comes, goes, or is given other options, and when requests have run out; whose backlog is full,
 * and whether requests are there again, is looked at once a second, while SYNs come.
 */
#include <tcp/edge.h>

#include "internal.h"

static bool is_at(const struct tcp_listener *listener, const struct udp_ip *address)
{
	struct endpoints at = {.local = *address, .local_port = listener->local.port};

	return lookup_listener(listener->stack, &at) == listener;
}

/* Whether the handler says what we would say. */
static bool is_plain(const struct tcp_options *options)
{
	return (options->ttl == 0 || options->ttl == 64) && options->tos == 0 && !options->reuse &&
	       !options->no_pmtu;
}

static void describe(struct tcp_listener *listener, uint32_t mtu, struct edge_door *door)
{
	const struct tcp_options *options = &listener->options;
	uint32_t mss = min_u32(mtu, 65535) - IP4_SIZE - H_SIZE, window;

	if (options->max_segment != 0)
		mss = min_u32(mss, options->max_segment);
	door->port = swap16(listener->local.port);
	door->mss = (uint16_t)mss;
	door->peer_first = options->peer_first && options->defer_accept == 0;
	for (unsigned stamped = 0; stamped < 2; stamped++) {
		window_initial(listener->stack, options, mss - (stamped ? H_TIMESTAMPS : 0u),
		               &window, &door->scale[stamped]);
		door->window[stamped] = (uint16_t)min_u32(window, WINDOW_MAX);
	}
}

static void describe_all(const struct tcp_stack *stack, struct edge_rules *rules)
{
	const struct tcp_edge *front = &stack->edge.front;
	uint32_t n = 0;

	if (front->mtu < IP4_SIZE + H_SIZE + MSS_MIN || stack->config.cookies == TCP_COOKIES_ALWAYS)
		return;
	for (unsigned i = 0; i < LISTENER_BUCKETS; i++)
		for (struct tcp_listener *l = stack->listeners[i]; l != NULL; l = l->next)
			if (n < EDGE_DOORS && !l->full && is_plain(&l->options) &&
			    is_at(l, &front->address))
				describe(l, front->mtu, &rules->doors[n++]);
}

static void make_rules(const struct tcp_stack *stack, struct edge_rules *rules)
{
	const struct tcp_config *config = &stack->config;

	memset(rules, 0, sizeof *rules);
	rules->key[0] = stack->isn_secret[0];
	rules->key[1] = stack->isn_secret[1];
	rules->spread = stack->edge.spread;
	rules->cookies = stack->edge.crowded;
	rules->cookie_key[0] = stack->cookie_secret[0];
	rules->cookie_key[1] = stack->cookie_secret[1];
	rules->address = lookup_word(stack->edge.front.address.bytes);
	memcpy(rules->mac, stack->edge.front.mac, sizeof rules->mac);
	rules->can = (uint16_t)((config->timestamps ? EDGE_TIMESTAMPS : 0) |
	                        (config->sack ? EDGE_SACK : 0) |
	                        (config->window_scaling ? EDGE_SCALING : 0));
	describe_all(stack, rules);
}

static bool tell(struct tcp_stack *stack)
{
	const struct tcp_edge *front = &stack->edge.front;

	return front->update(front->context, &stack->edge.rules);
}

/* A door that is to change is shut, then altered, then opened: the handler may read on another core
 * while we write, and must never meet half of one. */
static void change(struct tcp_stack *stack, const struct edge_rules *next)
{
	struct edge_rules *told = &stack->edge.rules;
	bool shut[EDGE_DOORS], any = false;

	for (unsigned i = 0; i < EDGE_DOORS; i++) {
		shut[i] = memcmp(&told->doors[i], &next->doors[i], sizeof next->doors[i]) != 0;
		any |= shut[i];
		if (shut[i])
			told->doors[i].port = 0;
	}
	if (any)
		(void)tell(stack);
	*told = *next;
	for (unsigned i = 0; i < EDGE_DOORS; i++)
		if (shut[i])
			told->doors[i].port = 0;
	if (any)
		(void)tell(stack);
	*told = *next;
	(void)tell(stack);
}

bool doors_open(struct tcp_stack *stack)
{
	make_rules(stack, &stack->edge.rules);
	return tell(stack);
}

void doors_changed(struct tcp_stack *stack)
{
	struct edge_rules next;

	if (stack->edge.arena == NULL)
		return;
	make_rules(stack, &next);
	if (memcmp(&next, &stack->edge.rules, sizeof next) != 0)
		change(stack, &next);
}

void doors_closed(struct tcp_stack *stack, uint16_t port)
{
	struct endpoints at = {.local = stack->edge.front.address, .local_port = port};

	doors_changed(stack);
	if (stack->edge.arena != NULL && lookup_listener(stack, &at) == NULL)
		edge_forget(stack, port);
}

void doors_crowded(struct tcp_stack *stack)
{
	if (stack->edge.crowded)
		return;
	stack->edge.crowded = true;
	doors_changed(stack);
}

void doors_look(struct tcp_stack *stack)
{
	if (stack->edge.crowded)
		cookies_given(stack); /* by the handler, until now */
	stack->edge.crowded = stack->edge.crowded && stack->request_pool.free == NULL;
	for (unsigned i = 0; i < LISTENER_BUCKETS; i++)
		for (struct tcp_listener *l = stack->listeners[i]; l != NULL; l = l->next)
			l->full = l->n_ready >= l->backlog;
	doors_changed(stack);
}
