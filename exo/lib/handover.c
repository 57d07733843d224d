/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Live replacement, the side of an environment whose flows come or go. Four-tuples that are bound
 * are `kept`, found by a hash of the peer.
 */
#include <libexo/call.h>
#include <libexo/handover.h>
#include <libexo/lib.h>
#include <libexo/net.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>
#include <libexo/upcall.h>

#define GATHER_NS 500000000ull /* still listening */
#define LATE_NS                                                                                    \
	250000000ull /* … of it: who sends a SYN is bound, for round trips may take so long */
#define SWEEP_NS  1000000000ull
#define LINGER_NS 5000000000ull /* of a four-tuple whose connection has ended: last segments */

enum phase { IDLE, GATHERING, KEEPING };

enum {
	PROTOCOL_TCP = 6,
	TCP_SYN = 0x02,
	TCP_ACK = 0x10,
	ETHERNET = 14,
	IPV6 = 40,
	TCP = 20,
};

struct exo_handover_kept {
	struct exo_handover_peer peer;
	struct exo_cap binding;
	uint64_t seen; /* when its connection was last there */
	uint16_t next; /* in its bucket, or free: 1 + index */
};

/* ---- Orders ---- */

static struct exo_handover *all;

/* Runs as an upcall's handler: what the order asks for is done by the program's own loop, which the
 * timer wakes. */
static uint64_t take_order(uint32_t caller, uint64_t order, uint64_t port, uint64_t c, uint64_t d)
{
	if ((order != EXO_HANDOVER_TAKE && order != EXO_HANDOVER_GIVE) || port > UINT16_MAX)
		return EXO_EINVAL;
	for (struct exo_handover *h = all; h != NULL; h = h->next) {
		h->order = (uint32_t)(port << 16 | order);
		__atomic_store_n(&h->active, 1, __ATOMIC_RELEASE);
	}
	exo_timer(exo_tsc());
	return 0;
}

static void add_flow(struct exo_handover *h, const struct exo_start_bind *bind,
                     const struct exo_cap *binding)
{
	struct exo_handover_flow *flow;

	if (h->n_flows == EXO_HANDOVER_FLOWS_MAX)
		return;
	flow = &h->flows[h->n_flows++];
	*flow = (struct exo_handover_flow){.bind = bind};
	if (binding == NULL)
		return;
	flow->binding = *binding;
	flow->bound = true;
}

void exo_handover_open(struct exo_handover *h, const char *flow, const struct exo_cap *ring,
                       const struct exo_cap *bindings, unsigned n_bindings, exo_handover_list *list,
                       void *context)
{
	unsigned n, used = 0;
	const struct exo_start_bind *binds = exo_start_binds(&n);

	memset(h, 0, sizeof *h);
	h->ring = *ring;
	h->list = list;
	h->context = context;
	for (unsigned i = 0; i < n; i++) {
		bool standby = (binds[i].flags & EXO_START_STANDBY) != 0;

		if (strncmp(binds[i].name, flow, sizeof binds[i].name) != 0)
			continue;
		if (standby)
			add_flow(h, &binds[i], NULL);
		else if (used < n_bindings)
			add_flow(h, &binds[i], &bindings[used++]);
	}
	h->next = all;
	all = h;
	(void)exo_remote_serve(take_order);
}

/* ---- Listening flows ---- */

/* Taps and host bindings stay: they are about the machine, not about a service. */
static bool is_listening(const struct exo_handover_flow *flow)
{
	return (flow->bind->flags & (EXO_BIND_TAP | EXO_BIND_HOST)) == 0;
}

static bool is_port(const struct flt_term *term, uint16_t port)
{
	bool behind = term->base == FLT_BASE_MSH;
	uint16_t place = behind ? ETHERNET + 2 : ETHERNET + IPV6 + 2;

	return term->offset == place && (!behind || term->msh == ETHERNET) && term->width == 2 &&
	       !term->negate && term->test == FLT_TEST_MASKED && term->mask == 0xffff &&
	       term->value == port;
}

/* Whether the flow is one of this destination port alone. */
static bool is_of_port(const struct exo_start_bind *bind, uint16_t port)
{
	const struct flt_conjunction *c = (const struct flt_conjunction *)bind->conjunctions;

	for (uint32_t i = 0; i < bind->n_conjunctions && port != 0; i++) {
		uint32_t n = 0;

		while (n < c[i].n_terms && !is_port(&c[i].terms[n], port))
			n++;
		if (n == c[i].n_terms)
			return false;
	}
	return true;
}

static bool is_meant(const struct exo_handover_flow *flow, uint16_t port)
{
	return is_listening(flow) && is_of_port(flow->bind, port);
}

static void take(struct exo_handover *h, uint16_t port)
{
	char error[EXO_NET_ERROR_MAX] = "";

	for (unsigned i = 0; i < h->n_flows; i++) {
		struct exo_handover_flow *flow = &h->flows[i];
		int result;

		if (flow->bound || !is_meant(flow, port))
			continue;
		result = exo_net_bind(flow->bind, &exo_start_page()->caps[flow->bind->space].cap,
		                      &h->ring, 1, 0, &flow->binding, error);
		flow->bound = result == 0;
		exo_printf("handover: %s: %s%s%s\n", flow->bind->text,
		           result == 0 ? "standing by" : exo_error_text(result),
		           error[0] == '\0' ? "" : ": ", error);
	}
}

static unsigned let_go(struct exo_handover *h)
{
	unsigned n = 0;

	for (unsigned i = 0; i < h->n_flows; i++) {
		if (!h->flows[i].bound || !is_meant(&h->flows[i], h->port))
			continue;
		exo_unbind(&h->flows[i].binding);
		h->flows[i].bound = false;
		n++;
	}
	return n;
}

/* ---- Four-tuples ---- */

static uint32_t word_at(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Chains may be long where peers choose their ports so: then it is slow, and no more. */
static uint16_t *bucket_of(struct exo_handover *h, const struct exo_handover_peer *peer)
{
	uint32_t hash = (uint32_t)peer->remote_port << 16 | peer->local_port;

	for (unsigned i = 0; i < sizeof peer->remote; i += 4)
		hash = (hash ^ word_at(peer->remote + i)) * 0x9e3779b1u;
	return &h->buckets[hash >> 16 & (EXO_HANDOVER_BUCKETS - 1)];
}

static struct exo_handover_kept *find(struct exo_handover *h, const struct exo_handover_peer *peer)
{
	uint16_t i = *bucket_of(h, peer);

	while (i != 0 && memcmp(&h->kept[i - 1].peer, peer, sizeof *peer) != 0)
		i = h->kept[i - 1].next;
	return i == 0 ? NULL : &h->kept[i - 1];
}

static void describe(const struct exo_handover_peer *peer, struct flt_conjunction *c)
{
	if (peer->family == 4) {
		exo_flow_ipv4_to(c, PROTOCOL_TCP, peer->local, peer->local_port);
		exo_flow_ipv4_source(c, peer->remote, 32);
		exo_flow_ipv4_source_port(c, peer->remote_port);
		return;
	}
	exo_flow_any(c);
	exo_flow_ethertype(c, 0x86dd);
	exo_flow_term(c, ETHERNET + 6, 1, 0xff, PROTOCOL_TCP);
	for (uint16_t i = 0; i < 16; i += 4) {
		exo_flow_term(c, ETHERNET + 8 + i, 4, ~0u, word_at(peer->remote + i));
		exo_flow_term(c, ETHERNET + 24 + i, 4, ~0u, word_at(peer->local + i));
	}
	exo_flow_term(c, ETHERNET + IPV6, 2, 0xffff, peer->remote_port);
	exo_flow_term(c, ETHERNET + IPV6 + 2, 2, 0xffff, peer->local_port);
}

/* Inside whichever of the listening flows it is: the kernel knows. */
static int bind_peer(struct exo_handover *h, const struct exo_handover_peer *peer,
                     struct exo_cap *binding)
{
	static struct flt_conjunction flow;
	struct exo_start_bind what = {.conjunctions = (uintptr_t)&flow, .n_conjunctions = 1};
	int result = -EXO_ENOENT;

	describe(peer, &flow);
	for (unsigned i = 0; i < h->n_flows && result != 0; i++) {
		if (!is_meant(&h->flows[i], h->port))
			continue;
		what.priority = h->flows[i].bind->priority;
		result = exo_net_bind(&what, &exo_start_page()->caps[h->flows[i].bind->space].cap,
		                      &h->ring, 1, 0, binding, NULL);
	}
	return result;
}

/* Keeps a connection, or sees that it is still there. */
static void keep(void *context, const struct exo_handover_peer *peer)
{
	struct exo_handover *h = context;
	struct exo_handover_kept *kept = find(h, peer);
	uint16_t *bucket = bucket_of(h, peer);

	if (kept == NULL && h->free != 0 && h->phase != IDLE) {
		kept = &h->kept[h->free - 1];
		if (bind_peer(h, peer, &kept->binding) != 0) {
			h->n_refused++; /* of another flow, or the kernel has no memory left */
			return;
		}
		kept->peer = *peer;
		h->free = kept->next;
		kept->next = *bucket;
		*bucket = (uint16_t)(kept - h->kept + 1);
		h->n_kept++;
	}
	if (kept != NULL)
		kept->seen = exo_time_now_ns();
}

static void sweep_bucket(struct exo_handover *h, uint16_t *link, uint64_t now)
{
	while (*link != 0) {
		struct exo_handover_kept *kept = &h->kept[*link - 1];
		uint16_t index = *link;

		/* The list was asked after `now` was taken. */
		if (kept->seen + LINGER_NS > now) {
			link = &kept->next;
			continue;
		}
		exo_unbind(&kept->binding);
		*link = kept->next;
		kept->next = h->free;
		h->free = index;
		h->n_kept--;
	}
}

static void see(void *context, const struct exo_handover_peer *peer)
{
	struct exo_handover_kept *kept = find(context, peer);

	if (kept != NULL)
		kept->seen = exo_time_now_ns();
}

static void sweep(struct exo_handover *h, uint64_t now)
{
	h->list(h->context, see, h);
	for (unsigned i = 0; i < EXO_HANDOVER_BUCKETS && h->n_kept > 0; i++)
		sweep_bucket(h, &h->buckets[i], now);
}

/* ---- Frames ---- */

static uint16_t half_at(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* The ports and flags of a TCP header that is a SYN. */
static bool read_syn(const uint8_t *tcp, uint32_t size, struct exo_handover_peer *peer)
{
	if (size < TCP || (tcp[13] & (TCP_SYN | TCP_ACK)) != TCP_SYN)
		return false;
	peer->remote_port = half_at(tcp);
	peer->local_port = half_at(tcp + 2);
	return true;
}

void exo_handover_frame(struct exo_handover *h, const uint8_t *frame, uint32_t size)
{
	struct exo_handover_peer peer = {0};
	uint32_t header;

	if (h->phase == IDLE || size < ETHERNET + IPV6 ||
	    (h->phase == GATHERING && exo_time_now_ns() + LATE_NS < h->due))
		return;
	if (half_at(frame + 12) == 0x0800 && frame[ETHERNET + 9] == PROTOCOL_TCP) {
		header = ETHERNET + 4u * (frame[ETHERNET] & 15);
		peer.family = 4;
		memcpy(peer.remote, frame + ETHERNET + 12, 4);
		memcpy(peer.local, frame + ETHERNET + 16, 4);
	} else if (half_at(frame + 12) == 0x86dd && frame[ETHERNET + 6] == PROTOCOL_TCP) {
		header = ETHERNET + IPV6;
		peer.family = 6;
		memcpy(peer.remote, frame + ETHERNET + 8, 16);
		memcpy(peer.local, frame + ETHERNET + 24, 16);
	} else {
		return;
	}
	if (size > header && read_syn(frame + header, size - header, &peer))
		keep(h, &peer);
}

/* ---- Phases ---- */

static void give(struct exo_handover *h, uint16_t port)
{
	int result = 0;

	if (h->kept == NULL) {
		result = exo_pages_alloc(
		        &h->memory,
		        exo_pages_for(EXO_HANDOVER_KEPT_MAX * sizeof(struct exo_handover_kept)));
		if (result < 0) {
			exo_printf("handover: no memory to keep connections: %s\n",
			           exo_error_text(result));
			return;
		}
		h->kept = h->memory.address;
		memset(h->buckets, 0, sizeof h->buckets);
		for (unsigned i = 0; i < EXO_HANDOVER_KEPT_MAX; i++)
			h->kept[i].next = i + 1 < EXO_HANDOVER_KEPT_MAX ? (uint16_t)(i + 2) : 0;
		h->free = 1;
		h->n_refused = 0;
	}
	h->port = port;
	h->phase = GATHERING;
	h->due = exo_time_now_ns() + GATHER_NS;
}

static void obey(struct exo_handover *h, uint32_t order)
{
	uint16_t port = (uint16_t)(order >> 16);

	if ((order & UINT16_MAX) == EXO_HANDOVER_TAKE)
		take(h, port);
	else if (h->phase != GATHERING)
		give(h, port);
}

static void end(struct exo_handover *h)
{
	exo_printf("handover: all connections that were kept have ended\n");
	h->phase = IDLE;
	h->kept = NULL;
	exo_pages_free(&h->memory);
}

static void go_on(struct exo_handover *h, uint64_t now)
{
	unsigned n;

	h->due = now + SWEEP_NS;
	if (h->phase == KEEPING) {
		sweep(h, now);
		if (h->n_kept == 0)
			end(h);
		return;
	}
	h->list(h->context, keep, h);
	n = let_go(h);
	h->phase = KEEPING;
	exo_printf("handover: %u listening flows given, %u connections kept%s\n", n, h->n_kept,
	           h->free == 0 ? ", others not: too many" : "");
}

uint64_t exo_handover_run(struct exo_handover *h)
{
	uint32_t order = __atomic_exchange_n(&h->order, 0, __ATOMIC_ACQUIRE);
	uint64_t now = exo_time_now_ns();

	if (order != 0)
		obey(h, order);
	if (h->phase != IDLE && now >= h->due)
		go_on(h, now);
	if (h->phase != IDLE)
		return h->due;
	__atomic_store_n(&h->active, h->order != 0, __ATOMIC_RELAXED);
	return UINT64_MAX;
}
