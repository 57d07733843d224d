/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of sockets: hashed by local port, the closest match first. */
#include "internal.h"

size_t socket_bytes(const struct udp_config *config)
{
	return config->socket_buckets * sizeof(struct udp_socket *);
}

void socket_init(struct udp_stack *stack, void *memory)
{
	stack->sockets.buckets = memory;
	stack->sockets.mask = stack->config.socket_buckets - 1;
	memset(memory, 0, socket_bytes(&stack->config));
}

static struct udp_socket **chain(struct udp_stack *stack, uint16_t port)
{
	return &stack->sockets.buckets[port & stack->sockets.mask];
}

/* How closely the socket describes the pair of ends; -1: not at all. */
static int match(const struct udp_socket *socket, const struct udp_endpoint *local,
                 const struct udp_endpoint *remote)
{
	int score = 0;

	if (socket->local.port != local->port ||
	    (socket->only_family != 0 && socket->only_family != local->ip.family))
		return -1;
	if (socket->local.ip.family != 0) {
		if (!udp_ip_equal(&socket->local.ip, &local->ip))
			return -1;
		score += 1;
	}
	if (socket->remote.ip.family != 0) {
		if (socket->remote.port != remote->port ||
		    !udp_ip_equal(&socket->remote.ip, &remote->ip))
			return -1;
		score += 2;
	}
	return score;
}

struct udp_socket *socket_find(struct udp_stack *stack, const struct udp_endpoint *local,
                               const struct udp_endpoint *remote)
{
	struct udp_socket *best = NULL;
	int best_score = -1;

	for (struct udp_socket *at = *chain(stack, local->port); at != NULL; at = at->next) {
		int score = match(at, local, remote);

		if (score <= best_score)
			continue;
		best = at;
		best_score = score;
	}
	return best;
}

struct udp_socket *socket_next(struct udp_stack *stack, const struct udp_socket *last,
                               const struct udp_endpoint *local, const struct udp_endpoint *remote)
{
	struct udp_socket *at = last == NULL ? *chain(stack, local->port) : last->next;

	while (at != NULL && match(at, local, remote) < 0)
		at = at->next;
	return at;
}

bool socket_fail(struct udp_stack *stack, const struct udp_endpoint *local,
                 const struct udp_endpoint *remote, enum udp_failure failure, uint32_t value)
{
	struct udp_socket *socket = socket_find(stack, local, remote);

	if (socket != NULL && socket->failure != NULL)
		socket->failure(socket, failure, remote, value);
	return socket != NULL;
}

static bool endpoint_equal(const struct udp_endpoint *a, const struct udp_endpoint *b)
{
	return a->port == b->port && udp_ip_equal(&a->ip, &b->ip);
}

static bool families_meet(const struct udp_socket *a, const struct udp_socket *b)
{
	return a->only_family == 0 || b->only_family == 0 || a->only_family == b->only_family;
}

static bool is_taken(struct udp_stack *stack, const struct udp_socket *socket, uint16_t port)
{
	for (struct udp_socket *at = *chain(stack, port); at != NULL; at = at->next)
		if (at->local.port == port && families_meet(at, socket) &&
		    udp_ip_equal(&at->local.ip, &socket->local.ip) &&
		    endpoint_equal(&at->remote, &socket->remote) && !(at->shared && socket->shared))
			return true;
	return false;
}

/* A free port, looked for from a random one on (RFC 6056, 3.3.1). 0: none. */
static uint16_t choose_port(struct udp_stack *stack, const struct udp_socket *socket)
{
	uint32_t first = stack->config.port_first;
	uint32_t n = stack->config.port_last - first + 1u;
	uint32_t start = (uint32_t)(stack->ops.random(stack->context) % n);

	for (uint32_t i = 0; i < n; i++) {
		uint16_t port = (uint16_t)(first + (start + i) % n);

		if (!is_taken(stack, socket, port))
			return port;
	}
	return 0;
}

int udp_socket_open(struct udp_stack *stack, struct udp_socket *socket)
{
	struct udp_socket **at;

	if (socket->receive == NULL || (socket->remote.ip.family != 0 && socket->remote.port == 0))
		return -UDP_EINVAL;
	if (socket->local.ip.family != 0 && !udp_ip_is_multicast(&socket->local.ip) &&
	    !route_is_ours(stack, &socket->local.ip))
		return -UDP_EINVAL;
	if (socket->local.port == 0)
		socket->local.port = choose_port(stack, socket);
	else if (is_taken(stack, socket, socket->local.port))
		return -UDP_EINUSE;
	if (socket->local.port == 0)
		return -UDP_ENOSPC;
	at = chain(stack, socket->local.port);
	socket->stack = stack;
	socket->next = *at;
	*at = socket;
	flow_forget(stack);
	return 0;
}

void udp_socket_close(struct udp_socket *socket)
{
	struct udp_socket **at;

	if (socket->stack == NULL)
		return;
	flow_forget(socket->stack);
	at = chain(socket->stack, socket->local.port);
	while (*at != NULL && *at != socket)
		at = &(*at)->next;
	if (*at == socket)
		*at = socket->next;
	socket->stack = NULL;
	socket->next = NULL;
}
