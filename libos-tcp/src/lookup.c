/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who a segment belongs to: hash tables of connections, half-open ones and those in TIME-WAIT, and
 * listeners by port. The tables' hash folds multiplications of secret-blurred words; their
 * sizes are at least the pools', so that chains stay short.
 */
#include "internal.h"

uint32_t lookup_hash(const struct tcp_stack *stack, const struct endpoints *at)
{
	uint64_t words[2], local;
	uint64_t ports = (uint64_t)at->remote_port << 16 | at->local_port;

	if (at->remote.family == 4)
		return lookup_hash4(stack, lookup_word(at->remote.bytes),
		                    lookup_word(at->local.bytes), (uint32_t)ports);
	memcpy(words, at->remote.bytes, 16);
	memcpy(&local, at->local.bytes + (at->local.family == 6 ? 8 : 0), 8);
	ports = lookup_fold((ports << 32 | at->remote.family) ^ stack->lookup_secret[1],
	                    local ^ stack->lookup_secret[2]);
	if (at->remote.family == 6)
		ports = lookup_fold(ports, words[1] ^ stack->lookup_secret[0]);
	return (uint32_t)lookup_fold(words[0] ^ stack->lookup_secret[0] ^ ports,
	                             stack->lookup_secret[1] | 1);
}

static bool same(const struct endpoints *a, const struct endpoints *b)
{
	return a->remote_port == b->remote_port && a->local_port == b->local_port &&
	       udp_ip_equal(&a->remote, &b->remote) && udp_ip_equal(&a->local, &b->local);
}

struct tcp_conn *lookup_conn(struct tcp_stack *stack, const struct endpoints *at, uint32_t hash)
{
	struct tcp_conn *conn = stack->conns[hash & stack->conn_mask];

	while (conn != NULL && !same(&conn->at, at))
		conn = conn->hash_next;
	return conn;
}

static struct tcp_conn **chain_of(struct tcp_conn *conn)
{
	struct tcp_stack *stack = conn->stack;

	return &stack->conns[conn->hash & stack->conn_mask];
}

void lookup_insert(struct tcp_conn *conn, uint32_t hash)
{
	struct tcp_conn **at;

	conn->hash = hash;
	at = chain_of(conn);
	conn->hash_next = *at;
	conn->hashed = 1;
	*at = conn;
	edge_hold(conn->stack, &conn->at);
}

void lookup_unlink(struct tcp_conn *conn)
{
	struct tcp_conn **at = chain_of(conn);

	while (*at != conn)
		at = &(*at)->hash_next;
	*at = conn->hash_next;
	conn->hashed = 0;
}

void lookup_remove(struct tcp_conn *conn)
{
	if (!conn->hashed)
		return;
	lookup_unlink(conn);
	edge_release(conn->stack, &conn->at);
}

struct request *lookup_request(struct tcp_stack *stack, const struct endpoints *at, uint32_t hash)
{
	struct request *request = stack->requests[hash & stack->request_mask];

	while (request != NULL && !same(&request->at, at))
		request = request->hash_next;
	return request;
}

struct timewait *lookup_timewait(struct tcp_stack *stack, const struct endpoints *at, uint32_t hash)
{
	struct timewait *timewait = stack->timewaits[hash & stack->timewait_mask];

	while (timewait != NULL && !same(&timewait->at, at))
		timewait = timewait->hash_next;
	return timewait;
}

/* How well a listener fits: its own address, any of the family, any at all; -1: not. */
static int fit(const struct tcp_listener *listener, const struct endpoints *at)
{
	if (listener->local.port != at->local_port)
		return -1;
	if (udp_ip_equal(&listener->local.ip, &at->local))
		return 2;
	if (listener->local.ip.family == 0)
		return 0;
	return udp_ip_is_unspecified(&listener->local.ip) &&
	                       (listener->local.ip.family == at->local.family ||
	                        (listener->local.ip.family == 6 && !listener->options.only_family))
	               ? 1
	               : -1;
}

/* Those that share an endpoint, from `listener` on, share its peers, each always the same ones. */
static struct tcp_listener *share(struct tcp_stack *stack, const struct endpoints *at,
                                  struct tcp_listener *listener, int how)
{
	uint32_t choice = lookup_hash(stack, at), n = 1;
	struct tcp_listener *chosen = listener;

	while ((listener = listener->next) != NULL)
		if (fit(listener, at) == how && choice % ++n == 0)
			chosen = listener;
	return chosen;
}

struct tcp_listener *lookup_listener(struct tcp_stack *stack, const struct endpoints *at)
{
	struct tcp_listener *listener = stack->listeners[at->local_port % LISTENER_BUCKETS];
	struct tcp_listener *best = NULL;
	bool shared = false;
	int best_fit = -1;

	for (; listener != NULL; listener = listener->next) {
		int how = fit(listener, at);

		if (how > best_fit) {
			best_fit = how;
			best = listener;
			shared = false;
		} else if (how >= 0 && how == best_fit) {
			shared = true;
		}
	}
	return shared ? share(stack, at, best, best_fit) : best;
}

bool lookup_taken(struct tcp_stack *stack, const struct endpoints *at)
{
	uint32_t hash = lookup_hash(stack, at);
	struct timewait *timewait;

	if (lookup_conn(stack, at, hash) != NULL || lookup_request(stack, at, hash) != NULL)
		return true;
	timewait = lookup_timewait(stack, at, hash);
	/* With timestamps ours tick on, and a second later the peer can tell the two apart (RFC
	   6191; the same rule as for SYNs that arrive). */
	return timewait != NULL &&
	       !(timewait->timestamps && stack->ms - timewait->ts_recent_ms > 1000);
}

int lookup_port(struct tcp_stack *stack, struct endpoints *at)
{
	uint32_t first = stack->config.port_first;
	uint32_t n = stack->config.port_last - first + 1u;
	uint32_t offset, step;

	/* Double-hash port selection (RFC 6056, 3.3.4): its table of counters is one counter here.
	 */
	at->local_port = 0;
	offset = (uint32_t)hash_endpoints(stack->port_secret, at, 0);
	step = stack->port_step;
	for (uint32_t i = 0; i < n; i++) {
		at->local_port = (uint16_t)(first + (offset + step + i) % n);
		if (lookup_taken(stack, at))
			continue;
		stack->port_step = step + i + 1 + (uint32_t)(stack->ops.random(stack->context) & 7);
		return 0;
	}
	return -TCP_ENOSPC;
}

static void tell(const struct endpoints *at, tcp_each_fn *each, void *with)
{
	struct udp_endpoint local = {.ip = at->local, .port = at->local_port};
	struct udp_endpoint remote = {.ip = at->remote, .port = at->remote_port};

	each(with, &local, &remote);
}

void tcp_stack_each(const struct tcp_stack *stack, tcp_each_fn *each, void *with)
{
	for (uint32_t i = 0; i <= stack->conn_mask; i++)
		for (const struct tcp_conn *c = stack->conns[i]; c != NULL; c = c->hash_next)
			tell(&c->at, each, with);
	for (uint32_t i = 0; i <= stack->request_mask; i++)
		for (const struct request *r = stack->requests[i]; r != NULL; r = r->hash_next)
			tell(&r->at, each, with);
}
