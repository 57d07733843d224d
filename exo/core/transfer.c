/* SPDX-License-Identifier: BSD-2-Clause */
/* Gates and transfers, as far as the machine leaves them to the core: transfer.h. */
#include "transfer.h"

#include "cap.h"
#include "core.h"
#include "slots.h"
#include "upcall.h"

/* ---- Gates ---- */

/* Core lock held. */
int64_t transfer_call_gate(struct call *call)
{
	struct machine_gate gate = {0};
	const struct env *env;
	struct exo_cap cap;
	struct pe *to;
	int error;

	if (call->arg[1] >= EXO_GATES)
		return -EXO_EINVAL;
	if (call->arg[0]) {
		error = cap_fetch(&cap, call->arg[0], call->env, EXO_KIND_ENV, EXO_RIGHT_CALL);
		if (error)
			return error;
		env = cap.count == 1 ? env_find_live((uint32_t)cap.first) : NULL;
		to = env ? env_pe(env, machine_core()) : NULL;
		to = env && !to ? env->pes : to;
		if (!to)
			return -EXO_ENOENT;
		gate = (struct machine_gate){&to->machine, to->machine.name, to->machine.users,
		                             env->id, to->core == machine_core()};
	}
	call->pe->machine.gates[call->arg[1]] = gate;
	return 0;
}

/* Enters the environment behind the gate that the call names: 0 and *to, or why not. */
static int reach(const struct call *call, struct pe **to)
{
	const struct machine_gate *gate = &call->pe->machine.gates[call->arg[0] % EXO_GATES];
	struct env *env = (struct env *)gate->users; /* its first member */
	int error = -EXO_ENOENT;

	if (call->arg[0] >= EXO_GATES || !env || !env_enter(env))
		return -EXO_ENOENT;
	*to = pe_of(gate->to);
	if (gate->to->name == gate->name)
		return 0;
	if (env->id == gate->env)
		error = -EXO_ESTALE;
	env_leave(env);
	return error;
}

/* ---- Transfers ---- */

static void link(struct pe *caller, struct pe *callee)
{
	caller->machine.callee = &callee->machine;
	callee->machine.caller = &caller->machine;
}

void transfer_abandon(struct pe *pe, int64_t result)
{
	if (!pe->machine.callee)
		return;
	pe->machine.callee->caller = NULL;
	pe->machine.callee = NULL;
	pe->machine.regs.rax = (uint64_t)result;
}

void transfer_unlink(struct pe *pe)
{
	transfer_abandon(pe, 0);
	if (pe->machine.caller)
		transfer_abandon(pe_of(pe->machine.caller), -EXO_ENOENT);
}

bool transfer_enter(struct pe *pe)
{
	if (!env_enter(pe->env))
		return false;
	while (pe->machine.caller && env_enter(pe_of(pe->machine.caller)->env))
		pe = pe_of(pe->machine.caller);
	if (pe->machine.caller)
		transfer_abandon(pe_of(pe->machine.caller), 0);
	return true;
}

/* The last to be left first knows who comes next. */
void transfer_leave(struct pe *pe)
{
	while (pe) {
		struct machine_pe *caller = pe->machine.caller;
		struct env *env = pe->env;

		pe = caller ? pe_of(caller) : NULL;
		env_leave(env);
	}
}

static int try_invoke(const struct call *call, struct pe *to)
{
	if (to->core != machine_core())
		return -EXO_EBUSY;
	if (to == call->pe || to->machine.caller || to->machine.callee || !to->started ||
	    !upcall_remote(to, call->env->id, &call->arg[2]))
		return -EXO_EAGAIN;
	return 0;
}

int64_t transfer_call_invoke(struct call *call)
{
	struct pe *to;
	int error = reach(call, &to);

	if (error)
		return error;
	error = try_invoke(call, to);
	if (error) {
		env_leave(to->env);
		return error;
	}
	link(call->pe, to);
	slots_switch(to);
	return CALL_NO_RESULT;
}

int64_t transfer_call_reply(struct call *call)
{
	struct pe *caller;

	if (!call->pe->machine.caller)
		return -EXO_ENOENT;
	caller = pe_of(call->pe->machine.caller);
	call->pe->machine.regs.rax = 0;
	transfer_abandon(caller, (int64_t)call->arg[0]);
	upcall_park(call->pe, false);
	slots_switch(caller);
	env_leave(call->env);
	return CALL_NO_RESULT;
}

/* ---- Letters ---- */

int transfer_post(struct pe *to, uint32_t from, const uint64_t args[4])
{
	int error = 0;

	machine_lock(&to->inbox_lock);
	if (to->n_inbox < PE_LETTERS && to->machine.page)
		to->inbox[to->n_inbox++] =
		        (struct pe_letter){from, {args[0], args[1], args[2], args[3]}};
	else
		error = -EXO_EAGAIN;
	machine_unlock(&to->inbox_lock);
	if (!error)
		pe_post(to, EXO_EVENT_REMOTE);
	return error;
}

int64_t transfer_call_send(struct call *call)
{
	struct pe *to;
	int error = reach(call, &to);

	if (error)
		return error;
	error = transfer_post(to, call->env->id, &call->arg[2]);
	env_leave(to->env);
	return error;
}

bool transfer_deliver(struct pe *pe, bool *delivered)
{
	bool more;

	machine_lock(&pe->inbox_lock);
	*delivered = pe->n_inbox != 0 && upcall_remote(pe, pe->inbox[0].from, pe->inbox[0].args);
	if (*delivered) {
		pe->n_inbox--;
		for (unsigned i = 0; i < pe->n_inbox; i++)
			pe->inbox[i] = pe->inbox[i + 1];
	}
	more = pe->n_inbox != 0;
	machine_unlock(&pe->inbox_lock);
	return more;
}
