/* SPDX-License-Identifier: BSD-2-Clause */
/* The listing of handlers: what they cost, and what they did. */
#include <string.h>

#include "../core/cap.h"
#include "handler.h"

static void add_counts(struct exo_ext_line *line, const struct ext_handler *handler)
{
	for (unsigned core = 0; core < net.n_cores; core++) {
		const struct ext_count *count = &handler->counts[core];

		line->runs += count->runs + count->quick.answered;
		line->answered += count->answered + count->quick.answered;
		line->passed += count->passed;
		line->woken += count->woken;
		line->refused += count->refused;
		line->lost += count->lost;
		line->ticks += count->ticks;
		line->timed += count->timed;
	}
}

/* Under ext.lock. */
static void describe(struct exo_ext_line *line, const struct ext_handler *handler)
{
	*line = (struct exo_ext_line){
	        .id = handler->id,
	        .env = handler->env->id,
	        .event = handler->event,
	        .cost = flt_program_cost(handler->program),
	        .budget = handler->budget,
	        .target = handler->binding   ? handler->binding->id
	                  : handler->subject ? handler->subject->id
	                  : handler->callee  ? handler->callee->id
	                                     : 0,
	};
	memcpy(line->extension, handler->domain->name, EXO_NAME_MAX);
	memcpy(line->function, flt_program_name(handler->program), EXO_NAME_MAX);
	add_counts(line, handler);
	line->runs += ext_chain_runs(handler);
}

_Static_assert((int)EXO_NAME_MAX == (int)FLT_PROGRAM_NAME_MAX, "names fit");

/* The handler with the smallest id from `from` on; env NULL: of anybody. */
static bool next_line(const struct env *env, uint64_t from, struct exo_ext_line *line)
{
	const struct ext_handler *found = NULL;

	machine_lock(&ext.lock);
	for (const struct ext_handler *h = ext.handlers; h; h = h->next)
		if ((!env || h->env == env) && h->id >= from && (!found || h->id < found->id))
			found = h;
	machine_lock(&net.lock); /* the binding is there, or is not */
	if (found)
		describe(line, found);
	machine_unlock(&net.lock);
	machine_unlock(&ext.lock);
	return found;
}

int64_t ext_op_list(struct call *call, uint64_t block)
{
	struct exo_ext_listing arg;
	struct exo_ext_line line = {0};
	const struct env *of = call->env;
	int error = call_copy_in(&arg, block, sizeof(arg));

	if (!error && arg.machine.kind != EXO_KIND_NONE) {
		error = cap_check(&arg.machine, call->env, EXO_KIND_MACHINE, EXO_RIGHT_READ);
		of = NULL;
	}
	for (arg.n = 0; !error && arg.n < arg.room; arg.n++) {
		if (!next_line(of, arg.cursor, &line)) {
			arg.cursor = 0;
			break;
		}
		error = call_copy_out(arg.lines + arg.n * sizeof(line), &line, sizeof(line));
		arg.cursor = line.id + 1;
	}
	return error ? error : call_copy_out(block, &arg, sizeof(arg));
}
