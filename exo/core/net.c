/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The packet path's centre: start and the poll.
 */
#include "net_packet.h"

#include <stdio.h>
#include <string.h>

#include <flt/platform.h>

#include "cap.h"
#include "log.h"

enum {
	PATIENCE_MAX = 63,     /* polls from one attempt to the next while a port is full, or */
	PATIENCE_HZ = 4096,    /* so much of a second, where polls are rare */
	RECLAIM_TURN = 32,     /* polls under load from one reclaim to the next */
	RECLAIM_PATIENCE = 64, /* polls in vain before the core may halt, */
	RECLAIM_HZ = 5000,     /* and how often it looks then */
	TRACE_LINES_MAX = 100, /* of programs, a second */
};

struct net net;

/* ---- Start ---- */

static void *engine_alloc(size_t size)
{
	return machine_alloc(size);
}

static uint64_t engine_clock(void)
{
	const struct machine_info *info = machine_info();
	uint64_t ticks = machine_tsc() - info->tsc_boot;

	return ticks / info->tsc_hz * 1000000000 + ticks % info->tsc_hz * 1000000000 / info->tsc_hz;
}

static uint32_t engine_random(void)
{
	uint32_t number;

	machine_random(&number, sizeof(number));
	return number;
}

static uint32_t engine_cpu(void)
{
	return machine_core();
}

/* Programs may print for every frame, and the console is slow: what is more a second is counted. */
static void engine_trace(const char *text, size_t length)
{
	static uint64_t second, lines;
	uint64_t now = engine_clock() / 1000000000, left_out;

	if (__atomic_exchange_n(&second, now, __ATOMIC_RELAXED) != now) {
		left_out = __atomic_exchange_n(&lines, 0, __ATOMIC_RELAXED);
		if (left_out > TRACE_LINES_MAX)
			log_line("filter", "%lu lines left out",
			         (unsigned long)(left_out - TRACE_LINES_MAX));
	}
	if (__atomic_fetch_add(&lines, 1, __ATOMIC_RELAXED) < TRACE_LINES_MAX)
		log_line("filter", "%.*s", (int)length, text);
}

static int start_engine(void)
{
	struct flt_platform platform = {
	        .alloc = engine_alloc,
	        .free = machine_free,
	        .memory_left = machine_memory_left,
	        .code_alloc = machine_code_alloc,
	        .code_seal = machine_code_seal,
	        .code_free = machine_code_free,
	        .retire = retire_later,
	        .clock_ns = engine_clock,
	        .prandom = engine_random,
	        .cpu = engine_cpu,
	        .cpus = net.n_cores,
	        .trace = engine_trace,
	};

	machine_random(&platform.hash_seed, sizeof(platform.hash_seed));
	return flt_init(&platform) ? -EXO_EINVAL : 0;
}

/* A datagram's fragments arrive within milliseconds; a stack waits for half a minute at most. */
static int start_tables(void)
{
	struct flt_fragments_config fragments = {.follow_ticks = 30 * machine_info()->tsc_hz,
	                                         .hold_ticks = machine_info()->tsc_hz,
	                                         .drop = demux_drop_fragment};

	for (unsigned i = 0; i < net.n_ports; i++) {
		if (flt_table_create(&net.ports[i].bound, NULL) ||
		    flt_table_create(&net.ports[i].host, NULL))
			return -EXO_ENOMEM;
		flt_table_follow(net.ports[i].host, net.ports[i].bound);
	}
	return flt_fragments_create(&net.fragments, &fragments, NULL) ? -EXO_ENOMEM : 0;
}

static int start_cores(void)
{
	net.bells = machine_alloc(NET_RINGS_MAX * sizeof(*net.bells));
	net.cores = machine_alloc(net.n_cores * sizeof(*net.cores));
	if (!net.bells || !net.cores)
		return -EXO_ENOMEM;
	for (unsigned core = 0; core < net.n_cores; core++) {
		struct net_core *me = &net.cores[core];

		me->number = core;
		me->reader = &retire_readers->qsbr_cnt[core].cnt;
		me->scratch = machine_alloc(EXO_FRAME_BYTES_MAX);
		me->verdicts = machine_alloc(net.n_ports * sizeof(*me->verdicts));
		if (!me->scratch || (net.n_ports && !me->verdicts))
			return -EXO_ENOMEM;
		net.each[core] = me;
		for (unsigned port = 0; port < net.n_ports; port++)
			flt_cache_begin(&me->verdicts[port]);
	}
	return 0;
}

int net_start(void)
{
	int error;

	net.spaces_end = &net.spaces;
	net.n_cores = machine_cores();
	net.n_ports = machine_info()->n_ports;
	if (net.n_ports > EXO_PORTS_MAX)
		net.n_ports = EXO_PORTS_MAX;
	net.n_pollers = 1;
	machine_vector_begin();
	error = retire_start();
	if (!error)
		error = start_cores();
	if (!error)
		error = start_engine();
	if (!error)
		error = start_tables();
	if (!error)
		error = port_start();
	machine_vector_end();
	return error;
}

/* ---- The poll ---- */

void net_wake_later(unsigned core, struct net_ring *ring)
{
	machine_lock(&ring->lock);
	if (!ring->waking) {
		ring->waking = true;
		ring->waking_next = net.cores[core].waking;
		net.cores[core].waking = ring;
		net.cores[core].marked = true;
	}
	machine_unlock(&ring->lock);
}

static void wake_all(unsigned core)
{
	struct net_ring *ring;

	while ((ring = net.cores[core].waking)) {
		net.cores[core].waking = ring->waking_next;
		machine_lock(&ring->lock);
		ring->waking = false;
		machine_unlock(&ring->lock);
		/* An environment on another core says less and looks at the head, or this sees it.
		 */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (net_wanted(ring))
			env_post(ring->env, ring->core, EXO_EVENT_RING);
	}
}

/* Counters are read by the environment as single words: relaxed stores are enough. */
static void store(uint64_t *to, uint64_t value)
{
	__atomic_store_n(to, value, __ATOMIC_RELAXED);
}

/* One counter, summed over the cores' parts, into the environment's record. */
static void sum_up(const struct net_binding *binding, size_t offset)
{
	uint64_t sum = 0;

	for (unsigned core = 0; core < net.n_pollers; core++)
		sum += *(const volatile uint64_t *)((const char *)&binding->cores[core].own +
		                                    offset);
	store((uint64_t *)((char *)binding->shared + offset), sum);
}

void net_mark_binding(struct net_binding_core *part)
{
	struct net_core *me = &net.cores[machine_core()];

	if (part->dirty)
		return;
	part->dirty = true;
	part->dirty_next = me->dirty;
	me->dirty = part;
	me->marked = true;
}

static void sum_bindings(unsigned core)
{
	struct net_binding_core *part;

	while ((part = net.cores[core].dirty) != NULL) {
		net.cores[core].dirty = part->dirty_next;
		part->dirty = false;
		for (size_t i = 0; i < sizeof(part->own); i += sizeof(uint64_t))
			sum_up(part->binding, i);
	}
}

unsigned net_send_from(struct net_core *me, struct net_ring *ring, struct net_bell *bell)
{
	bool more;
	unsigned n = ring_transmit(ring, me->number, &more);

	tap_look(me->number, ring->env);
	if (n)
		me->patience = 0;
	if (!more)
		return n;
	__atomic_store_n(&bell->rung, 1, __ATOMIC_RELAXED);
	if (n) {
		__atomic_store_n(&me->rung, 1, __ATOMIC_RELAXED);
		return n;
	}
	me->full = me->patience =
	        (uint8_t)(me->patience < PATIENCE_MAX ? 2 * me->patience + 1 : PATIENCE_MAX);
	me->full_until = machine_tsc() + machine_info()->tsc_hz / PATIENCE_HZ;
	return 1; /* the port is full: still something to do */
}

static unsigned poll_ring(unsigned core, struct net_ring *ring)
{
	struct net_bell *bell = &net.bells[ring->id % NET_RINGS_MAX];

	if (!__atomic_load_n(&bell->rung, __ATOMIC_RELAXED))
		return 0;
	__atomic_store_n(&bell->rung, 0, __ATOMIC_SEQ_CST); /* before the head is read */
	return net_send_from(&net.cores[core], ring, bell);
}

/* Each ring gets one batch in turn; who was first is last next time. */
static __attribute__((noinline)) unsigned poll_rung(unsigned core, unsigned budget)
{
	struct net_core *me = &net.cores[core];
	struct net_ring_set *set;
	unsigned n = 0;

	__atomic_store_n(&me->rung, 0, __ATOMIC_SEQ_CST); /* before the bells are looked at */
	set = __atomic_load_n(&me->transmit, __ATOMIC_ACQUIRE);
	for (uint32_t i = 0, turn = me->transmit_next; set && i < set->n; i++, turn++) {
		struct net_ring *ring;

		turn = turn < set->n ? turn : 0;
		if (n >= budget) {
			__atomic_store_n(&me->rung, 1, __ATOMIC_RELAXED);
			me->transmit_next = turn;
			return n;
		}
		ring = __atomic_load_n(&set->rings[turn], __ATOMIC_ACQUIRE);
		if (ring)
			n += poll_ring(core, ring);
	}
	me->transmit_next = set && me->transmit_next < set->n ? me->transmit_next + 1 : 0;
	return n;
}

static inline unsigned poll_rings(unsigned core, unsigned budget)
{
	return __atomic_load_n(&net.cores[core].rung, __ATOMIC_RELAXED) ? poll_rung(core, budget)
	                                                                : 0;
}

/* Environments wait for memory that NICs may have done with, and drivers give it back when they
 * are asked: now and then, and where there is nothing else to do. A NIC that takes its time is
 * waited for, for a while. */
static unsigned reclaim(unsigned core, unsigned budget, unsigned n)
{
	struct net_core *me = &net.cores[core];
	uint32_t held = __atomic_load_n(&me->held, __ATOMIC_RELAXED);

	if (n > 0 && me->polls % RECLAIM_TURN)
		return n;
	port_reclaim(core);
	if (__atomic_load_n(&me->held, __ATOMIC_RELAXED) != held)
		me->fruitless = 0;
	n += poll_rings(core, budget);
	return n == 0 && ++me->fruitless < RECLAIM_PATIENCE ? 1 : n;
}

uint64_t net_deadline(unsigned core, uint64_t now)
{
	bool waits = __atomic_load_n(&net.cores[core].held, __ATOMIC_RELAXED) != 0;

	return waits ? now + machine_info()->tsc_hz / RECLAIM_HZ : UINT64_MAX;
}

void net_poll_queue(struct net_core *me, struct net_queue *queue, struct rte_mbuf **mbufs,
                    unsigned round, net_deliver *deliver)
{
	enum { ROUNDED_MAX = 8 }; /* drivers round a burst down to cache lines of descriptors */

	do {
		deliver(queue, mbufs, round);
		me->came += round;
		if (round <= NET_BURST - ROUNDED_MAX || me->came >= me->budget)
			break;
		round = queue->receive(queue->received, mbufs, NET_BURST);
	} while (round);
}

static unsigned poll_rest(struct net_core *me, unsigned budget, unsigned n)
{
	unsigned core = me->number;

	tap_look(core, NULL); /* answers of handlers */
	if (me->watching)
		watch_rings(me);
	if (me->full && (--me->full == 0 || machine_tsc() >= me->full_until)) {
		me->full = 0;
		__atomic_store_n(&me->rung, 1, __ATOMIC_RELAXED);
	}
	n += poll_rings(core, budget);
	if (__atomic_load_n(&me->held, __ATOMIC_RELAXED) != 0)
		n = reclaim(core, budget, n);
	net_finish(core);
	tap_look(core, NULL);
	if (n == 0) {
		flt_fragments_expire(net.fragments, machine_tsc());
		me->polls_empty++;
	}
	exchange_settle();
	sum_bindings(core);
	wake_all(core);
	me->marked = queue_any; /* those queues are looked at here */
	return n ? n : me->full != 0;
}

void net_send_behind(struct net_core *me)
{
	(void)poll_rest(me, NET_BURST, 1);
}

unsigned net_poll_rest(struct net_core *me, unsigned n)
{
	if (queue_any)
		n += queue_poll(me->number);
	return poll_rest(me, me->budget, n);
}

static inline void deliver_lone(struct net_queue *queue, struct rte_mbuf **mbufs, unsigned one)
{
	const struct flt_verdict *verdict = NULL;

	if (mbuf_is_plain(*mbufs))
		verdict = flt_cache_last(queue->cache, flt_table_generation(queue->tables),
		                         rte_pktmbuf_mtod(*mbufs, const uint8_t *),
		                         (*mbufs)->data_len);
	if (!verdict || !ring_deliver_lone(queue, *mbufs, verdict->owner))
		demux_frames(queue, mbufs, one);
}

/* Where nobody answers frames as they come (exo/ext). */
__attribute__((weak)) unsigned net_poll(unsigned core, unsigned budget)
{
	return net_poll_by(core, budget, deliver_lone, demux_frames);
}
