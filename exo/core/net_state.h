/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the packet path share (README.md is their map). No rte_*.h is included here:
 * the control half (flow.c, bind.c, ring.c, guard.c) is ordinary kernel code; demux.c, ring_*.c,
 * port.c, retire.c and net.c use DPDK and run between machine_vector_begin and _end.
 *
 * Two kinds of state. What calls change (the lists of spaces, bindings and rings) is guarded by
 * net.lock. What pollers read (tables, struct net_ring and struct net_binding behind them, the sets
 * of transmit rings) is published whole and freed after net_quiesce. What a poller counts is its
 * core's own.
 */
#ifndef CORE_NET_STATE_H
#define CORE_NET_STATE_H

#include <flt/digest.h>
#include <flt/flowset.h>
#include <flt/fragment.h>
#include <flt/program.h>
#include <flt/table.h>

#include "env.h"
#include "machine.h"
#include "net.h"

enum {
	NET_BURST = 32,          /* frames taken from a queue, and sent from a ring, at once */
	NET_HEADER_BYTES = 256,  /* bytes of a frame that the transmit guard looks at */
	NET_ATTACH_MIN = 2048,   /* bytes behind them from which on attaching beats copying */
	NET_FLIGHT_MAX = 1024,   /* packets of a ring whose completions are due */
	NET_RINGS_MAX = 4096,    /* on the machine; a power of two: the low bits of a ring's id */
	NET_ENV_RINGS_MAX = 256, /* of one environment; likewise below */
	NET_ENV_BINDINGS_MAX = 16384,
	NET_ENV_FLOWS_MAX = 256,
};

/* A flow-space object. Never changes after it was made; ends with its holder, or its parent. */
struct net_space {
	struct net_space *next; /* in order of age: a parent stands before its children */
	struct net_space *parent;
	uint64_t id;
	struct env *holder;
	bool dead; /* under net.lock, while being ended */
	int32_t priority_max;
	uint64_t ports;
	struct flt_flow receive, transmit; /* behind this structure */
	struct flt_conjunction conjunctions[];
};

/* A fill buffer that the kernel has taken from the queue and not used yet. */
struct net_buffer {
	uint64_t address;
	uint64_t cookie;
	uint32_t length;
};

/* A packet that was taken from a transmit ring, until its completion is written. */
struct net_ticket {
	uint64_t address, cookie;
	uint32_t length;
	uint32_t left; /* atomic: pieces of it that a NIC holds */
	uint16_t status, port;
};

/* A transmit ring's packets under way, in order; see attach.c. */
struct net_flight {
	uint32_t refs; /* atomic: of the ring, and of each piece that a NIC holds */
	uint32_t core, size;
	struct net_bell *bell; /* rings when a packet has come back */
	uint32_t head, tail;   /* the poller's */
	struct net_ticket tickets[];
};

/* Segments of a packet that was cut, which wait for their port. */
struct net_rest {
	uint16_t port;
	uint16_t first, n;
	struct rte_mbuf *mbufs[EXO_PIECES_MAX];
};

/* What the transmit guard remembers of the last frame that it let pass; all zero: nothing. */
struct net_guard {
	struct flt_digest_key mask, key;
	struct flt_brief brief; /* the same, where it lies in two pieces */
	uint32_t least;         /* bytes of a frame that this is said of; 0: of none */
	uint32_t hint;          /* the conjunction */
};

/* What is left out of a receive ring's frames (exo/ring.h), as it is looked for. Never changes. */
struct net_outdone {
	uint32_t n;
	uint32_t probe;  /* 8 bytes that most others differ in lie here, of which */
	uint64_t common; /* all rules compare these bits */
	struct exo_outdone rules[] __attribute__((aligned(16)));
};

/* A ring. The polling core's alone unless marked. */
struct net_ring {
	/* Never change. */
	struct env *env;
	uint64_t id;
	uint64_t first_frame, n_frames;
	uint32_t kind, core, size; /* size: the kernel's copy */
	uint32_t exchange_least;   /* longer packets are exchanged; 0: none */
	struct exo_queue *request, *response;
	struct exo_ring_counters *counters; /* in its memory: added to, never believed */
	struct exo_account *account;        /* the environment's */

	/* Under net.lock. */
	struct net_ring *next;
	uint32_t uses; /* bindings that deliver here */

	/* Read by the poller, cleared by calls: the space that a transmit ring sends in. NULL: it
	 * was revoked. */
	struct net_space *space;
	struct net_function
	        *function; /* EXO_RING_QUEUE: whose frames these are; NULL: another mode */

	struct net_outdone *outdone; /* atomic; NULL: nothing is left out */

	/* A receive ring that several cores deliver to: taken around everything below. */
	struct machine_lock lock;

	/* The poller's: its ends of the queues; the other ends are read from shared memory each
	 * time and believed only within size. */
	uint32_t request_tail, response_head;
	uint32_t seen;     /* request->head when watch.c looked last */
	uint32_t left_out; /* atomic: frames, since nothing lay in it; several cores may lose some
	                    */
	bool waking;       /* in a core's list of rings whose environments are to be woken */
	struct net_ring *waking_next;
	struct net_guard guard;
	struct net_flight *flight; /* of a transmit ring */
	struct net_rest rest;      /* likewise */
	uint32_t buffer_first;     /* of `buffers`, a ring of its own */
	union {
		struct {
			uint32_t n_buffers;
			uint32_t stopped; /* an index was out of range */
		};
		uint64_t unusual; /* one comparison */
	};
	struct net_buffer buffers[EXO_SEGMENTS_MAX];
};

/*
 * What runs in the kernel before a binding's frames are delivered (exo/ext). run may change the
 * packet and what it points to, and says whether it is to be delivered. Attached and detached under
 * net.lock; end is called, under it as well, when the binding has gone and nobody can be inside
 * run.
 */
struct net_packet;
struct net_handler {
	bool (*run)(struct net_handler *handler, unsigned core, struct net_packet *packet);
	void (*end)(struct net_handler *handler);
};

/*
 * A core's part of a handler. Where its machine code calls nothing and so leaves the frame where it
 * is, exo/ext enters it without any more ado, and sends answers that are like one before.
 */
struct net_quick {
	flt_xdp_code *code; /* NULL: interpreted */
	struct net_handler *handler;
	struct net_binding_core *part; /* whose frames it gets */
	int32_t turns;                 /* runs until one is timed */
	uint32_t more;                 /* see `guard` */
	const struct net_queue *from;  /* where frames come from whose answers it knows */
	uint64_t answered;             /* at once; the rest is counted in struct ext_count */
	/* Answers that may leave, and to another machine alone: they agree with this, and have
	 * guard.least bytes or up to `more` besides. */
	struct flt_brief guard;
};

/* A polling core's part of a binding. */
struct net_binding_core {
	struct net_ring *ring;  /* NULL: it only counts. Another core's where there is only that */
	struct net_ring *alone; /* that ring, where no other core delivers to it; or NULL */
	struct net_binding *binding;
	uint64_t id;                 /* the binding's */
	struct net_quick *quick;     /* atomic: of code that calls nothing; NULL: none */
	struct net_quick *handled;   /* atomic: of any handler; NULL: none */
	struct exo_account *account; /* the environment's */
	/* What is counted: in the environment's record by the only poller; each of several has
	 * `own`, and the record has their sum. */
	struct exo_binding_counters *counters;
	struct net_binding_core *dirty_next;
	bool dirty;  /* in the core's list of those to sum up */
	bool summed; /* there is such a record */
	struct exo_binding_counters own;
} __attribute__((aligned(64)));

/* A binding. Only the cores' parts change after it was made. */
struct net_binding {
	struct net_binding *next; /* under net.lock */
	struct env *env;
	struct net_space *space;
	uint64_t id; /* grows with time: its age */
	uint32_t flags;
	int32_t priority;
	struct flt_flow flow;
	struct flt_conjunction *conjunctions;
	struct flt_program *program;
	struct net_handler *handler;         /* atomic; NULL: none */
	uint32_t followed;                   /* fragments' mark */
	uint64_t counters_frame;             /* pinned; 0: none */
	struct exo_binding_counters *shared; /* in that frame: added to, never believed */
	struct flt_entry *entries[EXO_PORTS_MAX];
	struct flt_entry **sent;         /* EXO_BIND_SENT: by port, likewise; NULL: it is not */
	struct net_binding_core cores[]; /* net.n_pollers of them */
};

/* The transmit rings of a core, replaced as a whole. */
struct net_ring_set {
	uint32_t n;
	struct net_ring *rings[];
};

/* A doorbell: outlives its ring, so that ringing needs no lock. */
struct net_bell {
	struct net_ring *ring; /* atomic: a transmit ring; read by its core inside a poll */
	uint64_t id;           /* of the ring; 0: free */
	uint32_t env;          /* who may ring */
	uint32_t core;
	uint32_t rung;
};

/* Per core, on cache lines of its own. */
struct net_core {
	struct net_queue *queues; /* that it polls */
	uint64_t *reader;         /* where it says that it reads what is published, see retire.c */
	unsigned number;
	unsigned budget; /* of its poll, and */
	unsigned came;   /* how many frames have come in it */
	/* Whether a poll has more to do than to receive: one comparison. */
	union {
		struct {
			uint32_t held; /* atomic: pieces of environments' memory that NICs hold */
			uint8_t rung;  /* some bell of this core has rung; any core sets it */
			uint8_t watching; /* it looks at its rings without bells, see watch.c */
			uint8_t marked; /* there is something in the lists, or to be done behind */
			/* A port was full: polls until it is tried again, more each time; at
			 * full_until at the latest. */
			uint8_t full;
		};
		uint64_t more;
	};
	struct net_ring_set *watched;  /* the set that was told of watching */
	struct net_ring_set *transmit; /* published under net.lock */
	uint32_t transmit_next;        /* whose turn it is */
	struct net_ring *waking; /* to be woken at the end of the poll: where several cores poll */
	struct net_binding_core *dirty; /* to be summed up then */
	void (*after)(unsigned core); /* what a handler left to do behind the poll; NULL: nothing */
	uint64_t polls, polls_empty;
	uint64_t full_until; /* TSC */
	uint8_t patience;    /* what `full` began with last; 0: a port took something since */
	uint32_t fruitless;  /* polls since one of them came back */
	struct exo_drops drops[EXO_PORTS_MAX];
	struct net_heard
	        *heard; /* frames that left, to be shown to taps; NULL: there are no such */
	uint32_t n_heard;
	uint8_t *scratch;           /* EXO_FRAME_BYTES_MAX bytes: a segmented frame in one piece */
	struct flt_cache *verdicts; /* given to frames of each port */
} __attribute__((aligned(64)));

/* A port's tables: bindings and taps; host bindings, asked when nobody wanted a frame; taps of what
 * leaves, once there was one. */
struct net_port {
	union {
		struct {
			struct flt_table *bound, *host;
		};
		const struct flt_table *tables[2];
	};
	struct flt_table *sent;
	uint64_t tx_packets;
};

struct net {
	/* Around ends, until what ended is freed: before `lock`. What one of them takes away may
	 * lead to what another does. */
	struct machine_lock ends;
	struct machine_lock lock;
	struct net_space *spaces, **spaces_end;
	struct net_binding *bindings;
	struct net_ring *rings;
	struct net_bell *bells;
	uint64_t next_id;
	unsigned n_cores, n_ports;
	unsigned n_pollers; /* cores 0 … n_pollers - 1 deliver frames */
	struct net_core *cores;
	struct net_core *each[EXO_CORES_MAX]; /* of them: found without a multiplication */
	struct net_port ports[EXO_PORTS_MAX];
	struct flt_fragments *fragments; /* who got a datagram's first one; of all cores */
};

extern struct net net;

/* ---- flow.c ---- */

/* The space that a capability of the caller's names, with at least these rights; under net.lock.
 * NULL: *error says why. */
struct net_space *flow_find(struct env *caller, const struct exo_cap *cap, unsigned rights,
                            int *error);
/* Copies and validates n conjunctions from the caller's memory. 0, -EXO_EFAULT, or -EXO_EINVAL with
 * *why filled in (may be NULL). */
int flow_copy_in(uint64_t from, uint32_t n, struct flt_conjunction *to, struct flt_error *why);

/* Marks the space with that id (0: none), those of a holder (NULL: none), and all that was derived
 * from them; then takes the marked ones out of the list, to be freed after net_quiesce. Both under
 * net.lock. */
void flow_condemn(uint64_t id, const struct env *holder);
struct net_space *flow_take_condemned(void);

/* ---- bind.c ---- */

/* Takes the binding with that id (0: none), those of an environment (NULL: none), and those in
 * condemned spaces out of the tables and the list; under net.lock. */
struct net_binding *bind_detach(uint64_t id, const struct env *env);
/* The binding with that id, or NULL; under net.lock. */
struct net_binding *bind_find(uint64_t id);
/* Frees what bind_detach gave, after net_quiesce. */
void bind_free(struct net_binding *list);

/* ---- tap.c ---- */

/* The port gets a table for taps of what leaves. 0 or -EXO_ENOMEM. */
int tap_prepare(uint16_t port);
/* One more such tap is in that table, or one fewer. All under net.lock. */
void tap_listen(uint16_t port);
void tap_leave(uint16_t port);

/* ---- ring.c ---- */

/* The ring that a capability of the caller's names; under net.lock. NULL: *error says why. */
struct net_ring *ring_find(struct env *caller, const struct exo_cap *cap, unsigned rights,
                           int *error);
/* Takes the ring with that id and those of an environment out of the pollers' sight; transmit rings
 * in condemned spaces lose their space. Under net.lock. */
struct net_ring *ring_detach(uint64_t id, const struct env *env);
void ring_free(struct net_ring *list);
/* Drops a reference to a flight; the last one frees it. Any core. */
void flight_put(struct net_flight *flight);
/* Ends one ring: 0, -EXO_ESTALE where there is no such ring, -EXO_EBUSY while bindings deliver to
 * it. */
int ring_end(uint64_t id);

/* ---- queue.c ---- */

/* Lets the slots of the port that ring->space is about lead to n frames from `first` on, which the
 * environment owns; from then on its packets come here. Under net.lock. 0; -EXO_EPERM: the space is
 * not all of one such port; -EXO_EINVAL: n is not its number of slots; -EXO_EBUSY: it has a ring,
 * or others have bindings to what would come; -EXO_ENOSYS: the port has no rule for the flow;
 * -EXO_EPERM: the frames are somebody else's. */
int queue_attach(struct net_ring *ring, uint64_t first, uint32_t n);
/* -EXO_EINVAL, -EXO_EBUSY and *reason where a binding's frames come to a queue instead, else 0.
 * Under net.lock. */
int queue_refuses(const struct net_binding *binding, const char **reason);
/* Ends that: for pollers, and, after net_quiesce, for the NIC. */
void queue_hide(struct net_ring *ring);
void queue_detach(struct net_ring *ring);

/* ---- ring_transmit.c ---- */

/* Frees what of a ring that has ended still waits for its port. */
void ring_transmit_end(struct net_ring *ring);

/* ---- port.c ---- */

/* Statistics and link into *info. Between machine_vector_begin and _end. */
void port_info(uint16_t port, struct exo_port_info *info);

/* ---- net.c ---- */

/* Several cores may charge an account at a time. */
static inline void account_add(uint64_t *to, uint64_t n)
{
	__atomic_fetch_add(to, n, __ATOMIC_RELAXED);
}

/* Whether a ring has as much as its environment wants to be woken for. */
static inline bool net_wanted(const struct net_ring *ring)
{
	uint32_t wanted = __atomic_load_n(&ring->response->wanted, __ATOMIC_RELAXED);

	return __builtin_expect(wanted == 0, 1) ||
	       ring->response_head - __atomic_load_n(&ring->response->tail, __ATOMIC_RELAXED) +
	                       __atomic_load_n(&ring->left_out, __ATOMIC_RELAXED) >=
	               wanted;
}

/* The environment of a ring that got something is to wake: behind the poll, where it may run on
 * another core meanwhile, so that it is told of a burst once. */
void net_wake_later(unsigned core, struct net_ring *ring);
static inline void net_wake(unsigned core, struct net_ring *ring)
{
	if (net.n_pollers > 1)
		net_wake_later(core, ring);
	else if (net_wanted(ring))
		env_post(ring->env, ring->core, EXO_EVENT_RING);
}

/* Has the cores' counters of a binding summed up at the end of this poll; this core's part. */
void net_mark_binding(struct net_binding_core *part);

/* ---- net_objects.c ---- */

/* A key to an object of the packet path. Ids are never used again: one epoch is enough. */
void net_seal(struct exo_cap *cap, enum exo_kind kind, unsigned rights, uint32_t holder,
              uint64_t id);

/* ---- watch.c; inside a poll ---- */

/* Tells this core's rings that no bell is needed, and rings for those that have something. */
void watch_rings(struct net_core *core);

/* ---- guard.c ---- */

/* Whether a frame's header lies in the transmit set. FLT_DIGEST_BYTES of it can be read. A guard is
 * of one space. */
bool guard_search(const struct net_space *space, const struct flt_frame *frame,
                  struct net_guard *guard);
static inline bool guard_knows(const struct net_guard *guard, const uint8_t *data, uint32_t length)
{
	if (__builtin_expect(guard->brief.least - 1 < length, 1))
		return flt_brief_match(&guard->brief, data, 0);
	return guard->least - 1 < length && flt_digest_match(&guard->mask, &guard->key, data);
}

/* ---- retire.c ---- */

int retire_start(void);
/* The filter engine's retire(): release(memory) once no poller can hold it. Any context. */
void retire_later(void *memory, void (*release)(void *memory));
/* Runs what has come due; not from net_poll. */
void retire_reclaim(void);

#endif
