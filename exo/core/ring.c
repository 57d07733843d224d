/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rings as objects: creation in the environment's own pinned frames, doorbells, end. What happens
 * in them: ring_receive.c and ring_transmit.c.
 *
 * A ring's id is a number that grows, with the index of its bell in the low bits. The bells are
 * never freed, so that ringing one needs no lock: the poller compares what it finds with its own
 * set of rings.
 */
#include "net_state.h"

#include <string.h>

#include "cap.h"
#include "core.h"
#include "ledger.h"
#include "ring_queue.h"

/* ---- Creation ---- */

static int check_block(const struct exo_ring_create *arg)
{
	if (arg->kind != EXO_RING_RECEIVE && arg->kind != EXO_RING_TRANSMIT)
		return -EXO_EINVAL;
	if (arg->mode > EXO_RING_QUEUE ||
	    (arg->mode != EXO_RING_COPY && arg->kind != EXO_RING_RECEIVE))
		return -EXO_EINVAL;
	if (arg->size < EXO_RING_SIZE_MIN || arg->size > EXO_RING_SIZE_MAX ||
	    (arg->size & (arg->size - 1)))
		return -EXO_EINVAL;
	return arg->core < net.n_cores ? 0 : -EXO_ENOENT;
}

/* Lays the queues out in pinned memory and clears what the kernel will write. */
static void lay_out(struct net_ring *ring)
{
	uint8_t *base = machine_frame(ring->first_frame);
	uint64_t queue = exo_queue_bytes(ring->size);

	memset(base, 0, exo_ring_bytes(ring->size));
	ring->request = (void *)base;
	ring->response = (void *)(base + queue);
	ring->counters = (void *)(base + 2 * queue);
	ring->request->version = ring->response->version = EXO_RING_VERSION;
	ring->request->size = ring->response->size = ring->size;
}

static struct net_bell *bell_take(void)
{
	for (uint32_t i = 0; i < NET_RINGS_MAX; i++)
		if (net.bells[i].id == 0)
			return &net.bells[i];
	return NULL;
}

/* Publishes the core's set of transmit rings with one more; the old set is freed later. */
static int set_add(struct net_ring *add)
{
	struct net_core *core = &net.cores[add->core];
	struct net_ring_set *old = core->transmit, *set;
	uint32_t n = old ? old->n : 0;

	set = machine_alloc(sizeof(*set) + ((size_t)n + 1) * sizeof(void *));
	if (!set)
		return -EXO_ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		if (old->rings[i])
			set->rings[set->n++] = old->rings[i];
	set->rings[set->n++] = add;
	__atomic_store_n(&core->transmit, set, __ATOMIC_RELEASE);
	if (old)
		retire_later(old, machine_free);
	return 0;
}

/* Takes a ring out in place, which needs no memory: the poller passes over holes. */
static void set_remove(const struct net_ring *ring)
{
	struct net_ring_set *set = net.cores[ring->core].transmit;

	for (uint32_t i = 0; i < set->n; i++)
		if (set->rings[i] == ring)
			__atomic_store_n(&set->rings[i], NULL, __ATOMIC_RELEASE);
}

/* Under net.lock: everything is checked, the ring is complete but for its space and name. */
static int publish(struct env *caller, const struct exo_ring_create *arg, struct net_ring *ring)
{
	struct net_bell *bell = bell_take();
	int error = 0;

	if (!bell || caller->account->rings >= NET_ENV_RINGS_MAX)
		return -EXO_E2BIG;
	if (ring->kind == EXO_RING_TRANSMIT)
		ring->space = flow_find(caller, &arg->space, EXO_RIGHT_SEND, &error);
	else if (arg->mode == EXO_RING_QUEUE)
		ring->space = flow_find(caller, &arg->space, EXO_RIGHT_BIND, &error);
	if (ring->flight)
		ring->flight->bell = bell;
	ring->id = ++net.next_id * NET_RINGS_MAX + (uint64_t)(bell - net.bells);
	if (!error && ring->kind == EXO_RING_TRANSMIT)
		error = set_add(ring); /* the poller sees it from here on: it is complete */
	else if (!error && ring->space)
		error = queue_attach(ring, arg->first_buffer, arg->n_buffers);
	if (error)
		return error;
	ring->next = net.rings;
	net.rings = ring;
	bell->core = ring->core;
	bell->env = caller->id;
	__atomic_store_n(&bell->rung, 0, __ATOMIC_RELAXED); /* left by the last ring */
	__atomic_store_n(&bell->id, ring->id, __ATOMIC_RELEASE);
	if (ring->kind == EXO_RING_TRANSMIT)
		__atomic_store_n(&bell->ring, ring, __ATOMIC_RELEASE);
	__atomic_fetch_add(&caller->account->rings, 1, __ATOMIC_RELAXED);
	return 0;
}

/* Before its first packet is taken: what it needs besides the environment's memory. */
static bool equip(struct net_ring *ring)
{
	const uint32_t size = ring->size < NET_FLIGHT_MAX ? ring->size : NET_FLIGHT_MAX;

	if (ring->kind != EXO_RING_TRANSMIT)
		return true;
	ring->flight = machine_alloc(sizeof(*ring->flight) + size * sizeof(struct net_ticket));
	if (!ring->flight)
		return false;
	ring->flight->refs = 1;
	ring->flight->core = ring->core;
	ring->flight->size = size;
	return true;
}

void flight_put(struct net_flight *flight)
{
	if (flight && __atomic_sub_fetch(&flight->refs, 1, __ATOMIC_ACQ_REL) == 0)
		machine_free(flight);
}

static struct net_ring *ring_alloc(struct env *caller, const struct exo_ring_create *arg)
{
	struct net_ring *ring = machine_alloc(sizeof(*ring));

	if (!ring)
		return NULL;
	ring->env = caller;
	ring->account = caller->account;
	ring->kind = arg->kind;
	ring->core = arg->core;
	ring->size = arg->size;
	ring->first_frame = arg->first_frame;
	if (arg->mode == EXO_RING_EXCHANGE)
		ring->exchange_least = arg->exchange_least ? arg->exchange_least : 1;
	ring->n_frames = (exo_ring_bytes(arg->size) + 4095) / 4096;
	if (equip(ring))
		return ring;
	machine_free(ring);
	return NULL;
}

static int create(struct env *caller, struct exo_ring_create *arg)
{
	struct net_ring *ring = ring_alloc(caller, arg);
	int error;

	if (!ring)
		return -EXO_ENOMEM;
	error = ledger_frames_pin(caller->id, ring->first_frame, ring->n_frames);
	if (error)
		goto free_ring;
	lay_out(ring);
	machine_lock(&net.lock);
	error = publish(caller, arg, ring);
	machine_unlock(&net.lock);
	if (error)
		goto unpin;
	net_seal(&arg->out, EXO_KIND_RING, EXO_RIGHT_FREE | EXO_RIGHT_GRANT, caller->id, ring->id);
	return 0;
unpin:
	ledger_frames_unpin(ring->first_frame, ring->n_frames);
free_ring:
	flight_put(ring->flight);
	machine_free(ring);
	return error;
}

void ring_count_loss(struct net_ring *ring, enum ring_loss loss)
{
	struct exo_account *account = ring->account;
	uint64_t *const charged[] = {
	        [RING_REFUSED] = &account->tx_refused,
	        [RING_BAD_DESCRIPTOR] = &account->bad_descriptors,
	        [RING_BAD_INDEX] = &account->bad_descriptors,
	        [RING_NIC_FULL] = &account->tx_waited,
	        [RING_COMPLETIONS_LOST] = &account->completions_lost,
	};

	(&ring->counters->refused)[loss]++;
	account_add(charged[loss], 1);
}

_Static_assert(offsetof(struct exo_ring_counters, completions_lost) ==
                       offsetof(struct exo_ring_counters, refused) +
                               RING_COMPLETIONS_LOST * sizeof(uint64_t),
               "the record has them in this order");

/* ---- What is left out ---- */

static bool is_within(const uint8_t *bits, const uint8_t *mask, unsigned bytes)
{
	for (unsigned i = 0; i < EXO_OUTDONE_BYTES; i++)
		if (bits[i] & ~(i < bytes ? mask[i] : 0))
			return false;
	return true;
}

/* Untrusted. What lies behind a frame in its buffer is somebody else's: it is not compared. */
static bool is_rule(const struct exo_outdone *rule)
{
	static const uint16_t none[5];
	const uint32_t compared = rule->least < EXO_OUTDONE_BYTES ? rule->least : EXO_OUTDONE_BYTES;

	return rule->least <= rule->most && rule->number + sizeof(uint32_t) <= compared &&
	       memcmp(rule->reserved, none, sizeof(none)) == 0 &&
	       is_within(rule->same, rule->same, compared) &&
	       is_within(rule->mask, rule->same, EXO_OUTDONE_BYTES) &&
	       is_within(rule->value, rule->mask, EXO_OUTDONE_BYTES);
}

/* The last 8 bytes in a row that are always compared: headers say there of which stream a frame is.
 * Or else the first 8, as far as they are. */
static void find_probe(struct net_outdone *outdone)
{
	outdone->probe = EXO_OUTDONE_BYTES - sizeof(outdone->common);
	for (;;) {
		outdone->common = UINT64_MAX;
		for (uint32_t i = 0; i < outdone->n; i++) {
			uint64_t bits;

			memcpy(&bits, outdone->rules[i].same + outdone->probe, sizeof(bits));
			outdone->common &= bits;
		}
		if (outdone->common == UINT64_MAX || outdone->probe == 0)
			return;
		outdone->probe--;
	}
}

static int copy_rules(struct net_outdone *outdone, uint64_t from, uint32_t n)
{
	for (outdone->n = 0; outdone->n < n; outdone->n++) {
		struct exo_outdone *rule = &outdone->rules[outdone->n];

		if (call_copy_in(rule, from + outdone->n * sizeof(*rule), sizeof(*rule)))
			return -EXO_EFAULT;
		if (!is_rule(rule))
			return -EXO_EINVAL;
	}
	find_probe(outdone);
	return 0;
}

static int set_rules(struct env *caller, const struct exo_cap *cap, struct net_outdone *outdone)
{
	struct net_ring *ring;
	int error;

	machine_lock(&net.lock);
	ring = ring_find(caller, cap, 0, &error);
	if (ring && (ring->kind != EXO_RING_RECEIVE || ring->function))
		error = -EXO_EINVAL;
	else if (ring && ring->outdone)
		error = -EXO_EBUSY;
	else if (ring)
		__atomic_store_n(&ring->outdone, outdone, __ATOMIC_RELEASE);
	machine_unlock(&net.lock);
	return error;
}

int64_t net_call_ring_outdo(struct env *caller, const struct exo_ring_outdo *arg)
{
	struct net_outdone *outdone;
	int error;

	if (arg->n_rules < 1 || arg->n_rules > EXO_OUTDONE_RULES || arg->reserved)
		return -EXO_EINVAL;
	outdone = machine_alloc(sizeof(*outdone) + arg->n_rules * sizeof(outdone->rules[0]));
	if (!outdone)
		return -EXO_ENOMEM;
	error = copy_rules(outdone, arg->rules, arg->n_rules);
	if (!error)
		error = set_rules(caller, &arg->ring, outdone);
	if (error)
		machine_free(outdone);
	return error;
}

/* ---- End ---- */

static void hide(struct net_ring *ring)
{
	struct net_bell *bell = &net.bells[ring->id % NET_RINGS_MAX];

	__atomic_store_n(&bell->ring, NULL, __ATOMIC_RELEASE);
	__atomic_store_n(&bell->id, 0, __ATOMIC_RELEASE);
	if (ring->kind == EXO_RING_TRANSMIT)
		set_remove(ring);
	else if (ring->function)
		queue_hide(ring);
}

struct net_ring *ring_detach(uint64_t id, const struct env *env)
{
	struct net_ring **link = &net.rings, *list = NULL, *ring;

	while ((ring = *link)) {
		if (ring->space && ring->space->dead)
			__atomic_store_n(&ring->space, NULL, __ATOMIC_RELEASE);
		if (ring->id != id && ring->env != env && !(ring->function && !ring->space)) {
			link = &ring->next;
			continue;
		}
		*link = ring->next;
		hide(ring);
		ring->next = list;
		list = ring;
	}
	return list;
}

void ring_free(struct net_ring *list)
{
	while (list) {
		struct net_ring *ring = list;

		list = ring->next;
		MACHINE_ASSERT(ring->uses == 0);
		if (ring->function)
			queue_detach(ring);
		ledger_frames_unpin(ring->first_frame, ring->n_frames);
		__atomic_fetch_sub(&ring->env->account->rings, 1, __ATOMIC_RELAXED);
		ring_transmit_end(ring);
		flight_put(ring->flight);
		machine_free(ring->outdone);
		machine_free(ring);
	}
}

static struct net_ring *lookup_ring(uint64_t id)
{
	struct net_ring *ring = net.rings;

	while (ring && ring->id != id)
		ring = ring->next;
	return ring;
}

struct net_ring *ring_find(struct env *caller, const struct exo_cap *cap, unsigned rights,
                           int *error)
{
	struct net_ring *ring;

	*error = cap_check(cap, caller, EXO_KIND_RING, rights);
	if (*error)
		return NULL;
	ring = lookup_ring(cap->first);
	if (!ring)
		*error = -EXO_ESTALE;
	else if (ring->env != caller)
		*error = -EXO_EPERM; /* granted to destroy it, not to fill it */
	return *error ? NULL : ring;
}

int ring_end(uint64_t id)
{
	struct net_ring *ring;
	int error = 0;

	machine_lock(&net.ends);
	machine_lock(&net.lock);
	ring = lookup_ring(id);
	if (!ring)
		error = -EXO_ESTALE;
	else if (ring->uses)
		error = -EXO_EBUSY;
	else
		ring = ring_detach(id, NULL);
	machine_unlock(&net.lock);
	if (!error) {
		net_quiesce();
		ring_free(ring);
	}
	machine_unlock(&net.ends);
	return error;
}

/* ---- Calls ---- */

int64_t net_call_ring_create(struct env *caller, struct exo_ring_create *arg)
{
	int error = check_block(arg);

	return error ? error : create(caller, arg);
}

int64_t net_call_ring_destroy(struct env *caller, const struct exo_cap *cap)
{
	int error = cap_check(cap, caller, EXO_KIND_RING, EXO_RIGHT_FREE);

	return error ? error : ring_end(cap->first);
}

int64_t net_call_doorbell(struct env *caller, uint64_t id)
{
	struct net_bell *bell = &net.bells[id % NET_RINGS_MAX];

	if (id == 0 || __atomic_load_n(&bell->id, __ATOMIC_ACQUIRE) != id ||
	    bell->env != caller->id)
		return -EXO_ENOENT;
	if (__atomic_exchange_n(&bell->rung, 1, __ATOMIC_ACQ_REL))
		return 0; /* the poller has not come to it yet */
	__atomic_store_n(&net.cores[bell->core].rung, 1, __ATOMIC_RELEASE);
	core_look_soon(bell->core);
	return 0;
}
