/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bindings: a declared flow inside a flow space, a downloaded program that can only narrow it, and
 * a ring for every core that polls. Authority is decided here, once; afterwards a frame's way is
 * a look-up in the tables of its port.
 *
 * A binding is entered into the table of each port of its space. Its age is its id.
 */
#include "net_state.h"

#include <stdio.h>
#include <string.h>

#include "cap.h"
#include "core.h"
#include "ledger.h"

/* What BIND works with: a copy of the caller's block and what was copied from behind it. */
struct request {
	struct env *caller;
	struct exo_bind *arg;
	struct net_binding *binding;
	struct flt_error why;
};

static int refuse(struct request *request, int error, const char *reason)
{
	request->why.instruction = -1;
	snprintf(request->why.reason, sizeof(request->why.reason), "%s", reason);
	return error;
}

/* The reason as text into the caller's buffer, as far as it has one. */
static void tell_reason(const struct request *request)
{
	char text[320];
	size_t size = request->arg->error_size;

	if (!request->arg->error || size == 0 || !request->why.reason[0])
		return;
	flt_error_text(&request->why, text, size < sizeof(text) ? size : sizeof(text));
	(void)call_copy_out(request->arg->error, text, strlen(text) + 1);
}

/* ---- Decoding: copies and checks what needs no authority ---- */

static int check_block(struct request *request)
{
	const struct exo_bind *arg = request->arg;
	const uint32_t known = EXO_BIND_TAP | EXO_BIND_HOST | EXO_BIND_COUNT | EXO_BIND_SENT;

	if ((arg->flags & ~known) || arg->reserved)
		return refuse(request, -EXO_EINVAL, "unknown flags");
	if ((arg->flags & EXO_BIND_TAP) && (arg->flags & EXO_BIND_HOST))
		return refuse(request, -EXO_EINVAL, "a tap can't be a host binding");
	if ((arg->flags & (EXO_BIND_COUNT | EXO_BIND_SENT)) && !(arg->flags & EXO_BIND_TAP))
		return refuse(request, -EXO_EINVAL,
		              "only a tap can count without rings, or hear what is sent");
	if (arg->n_conjunctions < 1 || arg->n_conjunctions > FLT_FLOW_CONJUNCTIONS_MAX)
		return refuse(request, -EXO_E2BIG, "number of conjunctions");
	if (arg->program_size > EXO_PROGRAM_SIZE_MAX)
		return refuse(request, -EXO_E2BIG, "program too large");
	if (arg->n_rings > net.n_cores)
		return refuse(request, -EXO_E2BIG, "more rings than cores");
	if ((arg->flags & EXO_BIND_COUNT) && arg->n_rings)
		return refuse(request, -EXO_EINVAL, "rings for a binding that only counts");
	if (arg->counters % sizeof(struct exo_binding_counters))
		return refuse(request, -EXO_EINVAL, "counters are not aligned");
	return 0;
}

static int copy_flow(struct request *request)
{
	struct net_binding *binding = request->binding;
	uint32_t n = request->arg->n_conjunctions;

	binding->conjunctions = machine_alloc(n * sizeof(*binding->conjunctions));
	if (!binding->conjunctions)
		return -EXO_ENOMEM;
	binding->flow = (struct flt_flow){binding->conjunctions, n};
	return flow_copy_in(request->arg->conjunctions, n, binding->conjunctions, &request->why);
}

/* A NUL-terminated name in the caller's memory; "" where there is none. */
static int copy_name(uint64_t from, char name[FLT_PROGRAM_NAME_MAX])
{
	name[0] = 0;
	for (unsigned i = 0; from && i < FLT_PROGRAM_NAME_MAX; i++) {
		if (call_copy_in(&name[i], from + i, 1))
			return -EXO_EFAULT;
		if (name[i] == 0)
			return 0;
	}
	return from ? -EXO_EINVAL : 0;
}

/* Weak: an image whose filter engine reads no eBPF objects refuses them. */
extern __typeof__(flt_program_load_elf) flt_program_load_elf __attribute__((weak));

static int load(struct request *request, const void *bytes, const char *name)
{
	const struct exo_bind *arg = request->arg;
	const char *label = name[0] ? name : NULL;
	int code;

	if (arg->program_kind == EXO_PROGRAM_EBPF && !flt_program_load_elf)
		return refuse(request, -EXO_EVERIFY, "this kernel reads no eBPF objects");
	if (arg->program_kind == EXO_PROGRAM_EBPF)
		code = flt_program_load_elf(bytes, arg->program_size, label, 0,
		                            &request->binding->program, &request->why);
	else if (arg->program_size % sizeof(struct flt_classic_insn))
		return refuse(request, -EXO_EINVAL, "program size is no multiple of 8");
	else
		code = flt_program_load_classic(
		        bytes, arg->program_size / (uint32_t)sizeof(struct flt_classic_insn), label,
		        0, &request->binding->program, &request->why);
	if (code == FLT_E_NO_MEMORY)
		return -EXO_ENOMEM;
	if (code == 0 && flt_program_kind(request->binding->program) >= FLT_KIND_RAW)
		return refuse(request, -EXO_EVERIFY, "such a program judges no frames");
	return code ? -EXO_EVERIFY : 0;
}

static int copy_program(struct request *request)
{
	const struct exo_bind *arg = request->arg;
	char name[FLT_PROGRAM_NAME_MAX];
	void *bytes;
	int error;

	if (arg->program_kind == EXO_PROGRAM_NONE)
		return 0;
	if (arg->program_kind > EXO_PROGRAM_EBPF || arg->program_size == 0)
		return refuse(request, -EXO_EINVAL, "no such kind of program, or an empty one");
	error = copy_name(arg->program_name, name);
	if (error)
		return error;
	bytes = machine_alloc(arg->program_size);
	if (!bytes)
		return -EXO_ENOMEM;
	if (call_copy_in(bytes, arg->program, arg->program_size))
		error = -EXO_EFAULT;
	else
		error = load(request, bytes, name);
	machine_free(bytes);
	if (error == -EXO_EVERIFY)
		__atomic_fetch_add(&request->caller->account->programs_refused, 1,
		                   __ATOMIC_RELAXED);
	return error;
}

static int pin_counters(struct request *request)
{
	struct net_binding *binding = request->binding;
	uint64_t address = request->arg->counters;
	uint64_t frame = address / 4096;

	if (!address)
		return 0;
	if (ledger_frame_pin(request->caller->id, frame))
		return refuse(request, -EXO_EFAULT, "counters lie in a frame of somebody else");
	binding->counters_frame = frame;
	binding->shared = (void *)((uint8_t *)machine_frame(frame) + address % 4096);
	for (unsigned core = 0; core < net.n_pollers; core++)
		binding->cores[core].summed = net.n_pollers > 1;
	return 0;
}

/* ---- Authority: under net.lock ---- */

static unsigned rights_needed(uint32_t flags)
{
	unsigned rights = EXO_RIGHT_BIND;

	if (flags & EXO_BIND_TAP)
		rights |= EXO_RIGHT_TAP;
	if (flags & EXO_BIND_SENT)
		rights |= EXO_RIGHT_SENT;
	if (flags & EXO_BIND_HOST)
		rights |= EXO_RIGHT_HOST;
	return rights;
}

/* Whether a new binding could take a frame that is another's now: hosts from hosts, others from
 * others, not from one of higher priority; taps take nothing from anybody. */
static bool contends(const struct net_binding *a, const struct net_binding *b)
{
	return a->env != b->env && a->priority >= b->priority &&
	       !((a->flags | b->flags) & EXO_BIND_TAP) &&
	       !((a->flags ^ b->flags) & EXO_BIND_HOST) && (a->space->ports & b->space->ports) &&
	       !flt_flow_disjoint(a->flow, b->flow);
}

static int check_authority(struct request *request)
{
	struct net_binding *binding = request->binding;
	struct exo_bind *arg = request->arg;
	const char *reason;
	int error;

	binding->space = flow_find(request->caller, &arg->space, rights_needed(arg->flags), &error);
	if (!binding->space)
		return refuse(request, error, "the flow space does not allow it");
	error = queue_refuses(binding, &reason);
	if (error)
		return refuse(request, error, reason);
	if (arg->priority > binding->space->priority_max)
		return refuse(request, -EXO_EPERM, "priority is above the flow space's");
	if (!flt_flow_subset(binding->flow, binding->space->receive))
		return refuse(request, -EXO_EPERM, "the flow is not inside the flow space");
	if (request->caller->account->bindings >= NET_ENV_BINDINGS_MAX)
		return refuse(request, -EXO_E2BIG, "too many bindings");
	if (arg->space.rights & EXO_RIGHT_SHARE)
		return 0;
	for (struct net_binding *other = net.bindings; other; other = other->next)
		if (contends(binding, other))
			return refuse(request, -EXO_EBUSY,
			              "overlaps a binding of another environment");
	return 0;
}

/* A polling core delivers to the ring that was made for it, or else to the first one. */
static int attach_rings(struct request *request, const struct exo_cap caps[])
{
	struct net_binding *binding = request->binding;
	struct net_ring *first = NULL;
	int error;

	for (uint32_t i = 0; i < request->arg->n_rings; i++) {
		struct net_ring *ring = ring_find(request->caller, &caps[i], 0, &error);

		if (!ring)
			return refuse(request, error, "a ring is not the caller's");
		if (ring->kind != EXO_RING_RECEIVE || ring->function)
			return refuse(request, -EXO_EINVAL, "not a receive ring for bindings");
		if (ring->core < net.n_pollers)
			binding->cores[ring->core].ring = ring;
		if (!first)
			first = ring;
	}
	if (!first && !(request->arg->flags & EXO_BIND_COUNT))
		return refuse(request, -EXO_EINVAL, "no ring to deliver to");
	for (unsigned core = 0; core < net.n_pollers; core++)
		if (!binding->cores[core].ring)
			binding->cores[core].ring = first;
	if (net.n_pollers == 1)
		binding->cores[0].alone = binding->cores[0].ring;
	return 0;
}

/* Called by a poller, from the table. */
static void count_declined(void *owner)
{
	struct net_binding *binding = owner;
	unsigned core = machine_core();

	binding->cores[core].counters->declined_packets++;
	if (binding->cores[core].summed)
		net_mark_binding(&binding->cores[core]);
}

/* Enters a tap into the table of what leaves by the port. */
static int enter_sent(struct request *request, uint16_t port, const struct flt_entry_spec *spec)
{
	struct net_binding *binding = request->binding;
	int error = binding->sent ? tap_prepare(port) : -EXO_ENOMEM;

	if (error)
		return error;
	if (flt_table_insert(net.ports[port].sent, spec, &binding->sent[port], &request->why))
		return request->why.code == FLT_E_NO_MEMORY ? -EXO_ENOMEM : -EXO_E2BIG;
	tap_listen(port);
	return 0;
}

static int enter_tables(struct request *request)
{
	struct net_binding *binding = request->binding;
	struct flt_entry_spec spec = {
	        .owner = binding,
	        .flow = binding->flow,
	        .program = binding->program,
	        .priority = (uint32_t)binding->priority ^ 0x80000000u, /* in order, unsigned */
	        .age = binding->id,
	        .declined = count_declined,
	        .flags = binding->flags & EXO_BIND_TAP ? FLT_TAP : 0,
	};

	int error = 0;

	for (unsigned i = 0; i < net.n_ports && !error; i++) {
		struct net_port *port = &net.ports[i];
		bool host = binding->flags & EXO_BIND_HOST;

		if ((binding->space->ports >> i & 1) &&
		    flt_table_insert(host ? port->host : port->bound, &spec, &binding->entries[i],
		                     &request->why))
			return request->why.code == FLT_E_NO_MEMORY ? -EXO_ENOMEM : -EXO_E2BIG;
		if ((binding->space->ports >> i & 1) && (binding->flags & EXO_BIND_SENT))
			error = enter_sent(request, (uint16_t)i, &spec);
	}
	return error;
}

static void leave_tables(struct net_binding *binding)
{
	for (unsigned i = 0; i < net.n_ports; i++) {
		struct net_port *port = &net.ports[i];

		if (binding->entries[i])
			flt_table_remove(binding->flags & EXO_BIND_HOST ? port->host : port->bound,
			                 binding->entries[i]);
		binding->entries[i] = NULL;
		if (!binding->sent || !binding->sent[i])
			continue;
		tap_leave((uint16_t)i);
		flt_table_remove(port->sent, binding->sent[i]);
		binding->sent[i] = NULL;
	}
	flt_fragments_forget(net.fragments, binding, &binding->followed);
}

static int bind_apply(struct request *request, const struct exo_cap rings[])
{
	struct net_binding *binding = request->binding;
	int error = check_authority(request);

	if (!error)
		error = attach_rings(request, rings);
	if (error)
		return error;
	binding->id = ++net.next_id;
	for (unsigned core = 0; core < net.n_pollers; core++)
		binding->cores[core].id = binding->id;
	/* Before frames can come on the core that polls, which need not be this one. */
	if (binding->shared && net.n_pollers == 1) {
		*binding->shared = (struct exo_binding_counters){0};
		binding->cores[0].counters = binding->shared;
	}
	error = enter_tables(request);
	if (error) {
		leave_tables(binding);
		return error;
	}
	for (unsigned core = 0; core < net.n_pollers; core++)
		if (binding->cores[core].ring)
			binding->cores[core].ring->uses++;
	binding->next = net.bindings;
	net.bindings = binding;
	__atomic_fetch_add(&binding->env->account->bindings, 1, __ATOMIC_RELAXED);
	/* Without the lock it may be gone already: with its flow space. */
	net_seal(&request->arg->out, EXO_KIND_BINDING, EXO_RIGHT_FREE | EXO_RIGHT_GRANT,
	         request->caller->id, binding->id);
	return 0;
}

/* ---- Life ---- */

static struct net_binding *binding_alloc(struct request *request)
{
	struct net_binding *binding =
	        machine_alloc(sizeof(*binding) + net.n_pollers * sizeof(binding->cores[0]));

	if (!binding)
		return NULL;
	binding->env = request->caller;
	binding->flags = request->arg->flags;
	binding->priority = request->arg->priority;
	if (binding->flags & EXO_BIND_SENT)
		binding->sent = machine_alloc(net.n_ports * sizeof(struct flt_entry *));
	for (unsigned core = 0; core < net.n_pollers; core++) {
		struct net_binding_core *part = &binding->cores[core];

		part->binding = binding;
		part->account = request->caller->account;
		part->counters = &part->own;
	}
	return binding;
}

static void release(struct net_binding *binding)
{
	if (binding->handler)
		binding->handler->end(binding->handler);
	flt_program_free(binding->program);
	machine_free(binding->conjunctions);
	machine_free(binding->sent);
	if (binding->counters_frame)
		ledger_frame_unpin(binding->counters_frame);
	machine_free(binding);
}

/* All of BIND between copying the block in and out. */
static int bind_build(struct request *request)
{
	struct exo_cap rings[EXO_CORES_MAX];
	int error = check_block(request);

	if (error)
		return error;
	request->binding = binding_alloc(request);
	if (!request->binding)
		return -EXO_ENOMEM;
	error = copy_flow(request);
	if (!error &&
	    call_copy_in(rings, request->arg->rings, request->arg->n_rings * sizeof(rings[0])))
		error = -EXO_EFAULT;
	if (!error)
		error = pin_counters(request);
	if (!error)
		error = copy_program(request);
	if (!error) {
		machine_lock(&net.lock);
		error = bind_apply(request, rings);
		machine_unlock(&net.lock);
	}
	if (error) {
		net_quiesce(); /* it may have been in a table for a moment */
		release(request->binding);
	}
	return error;
}

struct net_binding *bind_find(uint64_t id)
{
	struct net_binding *binding = net.bindings;

	while (binding && binding->id != id)
		binding = binding->next;
	return binding;
}

struct net_binding *bind_detach(uint64_t id, const struct env *env)
{
	struct net_binding **link = &net.bindings, *list = NULL, *binding;

	while ((binding = *link)) {
		if (binding->id != id && binding->env != env && !binding->space->dead) {
			link = &binding->next;
			continue;
		}
		*link = binding->next;
		leave_tables(binding);
		binding->next = list;
		list = binding;
	}
	return list;
}

void bind_free(struct net_binding *list)
{
	while (list) {
		struct net_binding *binding = list;

		list = binding->next;
		for (unsigned core = 0; core < net.n_pollers; core++)
			if (binding->cores[core].ring)
				binding->cores[core].ring->uses--;
		__atomic_fetch_sub(&binding->env->account->bindings, 1, __ATOMIC_RELAXED);
		release(binding);
	}
}

int64_t net_call_bind(struct env *caller, struct exo_bind *arg)
{
	struct request request = {.caller = caller, .arg = arg};
	int error = bind_build(&request);

	if (error)
		tell_reason(&request);
	return error;
}

int64_t net_call_unbind(struct env *caller, const struct exo_cap *cap)
{
	int error = cap_check(cap, caller, EXO_KIND_BINDING, EXO_RIGHT_FREE);

	return error ? error : net_revoke(cap);
}
