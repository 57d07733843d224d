/* SPDX-License-Identifier: BSD-2-Clause */
/* What a fatal fault looks like on the console, and its record. */
#include "core.h"
#include "env.h"
#include "exceptions.h"
#include "log.h"
#include "space.h"

enum {
	RECORD_MAPPINGS_MAX = 1024, /* of one call */
	VECTOR_PAGE_FAULT = 14,
	ERROR_PRESENT = 1 << 0,
	ERROR_WRITE = 1 << 1,
	ERROR_FETCH = 1 << 4,
};

static const char *access_name(uint64_t error)
{
	if (error & ERROR_FETCH)
		return "execute";
	return error & ERROR_WRITE ? "write" : "read";
}

static const char *why(const struct pe *pe, enum exo_upcall_kind kind)
{
	return pe->machine.page && pe->machine.setup.entry[kind] ? "inside a handler"
	                                                         : "without a handler";
}

static void say_page(const struct pe *pe, const struct machine_trap *trap)
{
	const struct exo_regs *regs = &pe->machine.regs;

	log_env(pe->env, "ended: page fault (vector 14) %s: %s at 0x%lx (%s), ip 0x%lx, sp 0x%lx",
	        why(pe, EXO_UPCALL_ADDRESSING), access_name(trap->error),
	        (unsigned long)trap->address,
	        trap->error & ERROR_PRESENT ? "not allowed" : "not mapped",
	        (unsigned long)regs->rip, (unsigned long)regs->rsp);
}

static void say_exception(const struct pe *pe, const struct machine_trap *trap)
{
	const struct exo_regs *regs = &pe->machine.regs;

	log_env(pe->env, "ended: %s (vector %u) %s: error 0x%lx, address 0x%lx, ip 0x%lx, sp 0x%lx",
	        exception_name(trap->vector), trap->vector, why(pe, EXO_UPCALL_EXCEPTION),
	        (unsigned long)trap->error, (unsigned long)trap->address, (unsigned long)regs->rip,
	        (unsigned long)regs->rsp);
}

/* Follows frame pointers in the environment's own memory, as far as they rise and can be read. */
static uint32_t walk_stack(const struct exo_regs *regs, uint64_t backtrace[EXO_RECORD_FRAMES_MAX])
{
	uint64_t link[2] = {regs->rbp, regs->rip}, below = 0;
	uint32_t n = 0;

	do {
		uint64_t at = link[0];

		backtrace[n++] = link[1];
		if (at <= below || at % 8 != 0 || call_copy_in(link, at, sizeof(link)) != 0)
			break;
		below = at;
	} while (n < EXO_RECORD_FRAMES_MAX && link[1] != 0);
	return n;
}

static void say_state(const struct env *env, const struct exo_env_record *record)
{
	static const char names[][4] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8",
	                                "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "fs"};
	const uint64_t *words = (const uint64_t *)&record->regs;

	for (unsigned i = 0; i < 16; i += 4)
		log_env(env, "%s %016lx  %s %016lx  %s %016lx  %s %016lx", names[i],
		        (unsigned long)words[i], names[i + 1], (unsigned long)words[i + 1],
		        names[i + 2], (unsigned long)words[i + 2], names[i + 3],
		        (unsigned long)words[i + 3]);
	for (unsigned i = 1; i < record->depth; i++)
		log_env(env, "called from 0x%lx", (unsigned long)record->backtrace[i]);
}

static void keep_record(struct pe *pe, const struct machine_trap *trap)
{
	struct exo_env_record *record = machine_alloc(sizeof(*record));

	if (!record)
		return;
	record->vector = trap->vector;
	record->error = trap->error;
	record->address = trap->address;
	record->regs = pe->machine.regs;
	record->depth = walk_stack(&record->regs, record->backtrace);
	say_state(pe->env, record);
	core_lock();
	if (pe->env->record)
		machine_free(record); /* another core was first */
	else
		pe->env->record = record;
	core_unlock();
}

void fault_end(struct pe *pe, const struct machine_trap *trap)
{
	bool page = trap->kind == MACHINE_TRAP_PAGE;

	if (page)
		say_page(pe, trap);
	else
		say_exception(pe, trap);
	keep_record(pe, trap);
	env_stop(pe->env, EXO_ENV_FAULTED, page ? VECTOR_PAGE_FAULT : (int32_t)trap->vector,
	         trap->address, pe->machine.regs.rip);
}

/* ---- EXO_CALL_ENV_RECORD ---- */

/* The space's lock held. */
static int list_mappings(const struct env *env, struct exo_env_record *block)
{
	uint64_t i = 0;
	int error = 0;

	for (const struct mapping *m = env->reaped ? NULL : env->mappings; m; m = m->next_of_env) {
		struct exo_mapping line = {.address = m->address,
		                           .frame = ledger_frame_number(m->frame),
		                           .count = m->flags & EXO_MAP_LARGE ? 512 : 1,
		                           .rights = m->rights,
		                           .flags = m->flags};

		if (i++ < block->cursor)
			continue;
		if (block->n == block->room) {
			block->cursor = i - 1;
			return 0;
		}
		error = call_copy_out(block->mappings + block->n++ * sizeof(line), &line,
		                      sizeof(line));
		if (error)
			return error;
	}
	block->cursor = 0;
	return 0;
}

int64_t fault_call_record(struct call *call)
{
	struct exo_env_record *block = call->block, asked = *block;
	struct env *env = asked.env.count == 1 ? env_find((uint32_t)asked.env.first) : NULL;
	int error;

	if (!env || !env->record)
		return -EXO_ENOENT;
	*block = *env->record;
	block->env = asked.env;
	block->cursor = asked.cursor;
	block->mappings = asked.mappings;
	block->room = asked.room < RECORD_MAPPINGS_MAX ? asked.room : RECORD_MAPPINGS_MAX;
	machine_lock(&env->space_lock);
	error = list_mappings(env, block);
	machine_unlock(&env->space_lock);
	return error;
}
