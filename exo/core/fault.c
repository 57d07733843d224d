/* SPDX-License-Identifier: BSD-2-Clause */
/* What a fatal fault looks like on the console. Names: Intel SDM vol. 3A, table 6-1. */
#include "fault.h"

#include "log.h"

enum {
	VECTOR_PAGE_FAULT = 14,
	ERROR_PRESENT = 1 << 0,
	ERROR_WRITE = 1 << 1,
	ERROR_FETCH = 1 << 4,
};

static const char *vector_name(uint32_t vector)
{
	static const char *const names[] = {
	        [0] = "divide error",
	        [1] = "debug exception",
	        [3] = "breakpoint",
	        [4] = "overflow",
	        [5] = "bound exceeded",
	        [6] = "invalid instruction",
	        [7] = "no coprocessor",
	        [8] = "double fault",
	        [10] = "invalid TSS",
	        [11] = "segment not present",
	        [12] = "stack fault",
	        [13] = "general protection fault",
	        [14] = "page fault",
	        [16] = "x87 error",
	        [17] = "alignment check",
	        [19] = "SIMD error",
	        [21] = "control protection fault",
	};
	const char *name = vector < sizeof(names) / sizeof(names[0]) ? names[vector] : NULL;

	return name ? name : "exception";
}

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
	        vector_name(trap->vector), trap->vector, why(pe, EXO_UPCALL_EXCEPTION),
	        (unsigned long)trap->error, (unsigned long)trap->address, (unsigned long)regs->rip,
	        (unsigned long)regs->rsp);
}

void fault_end(struct pe *pe, const struct machine_trap *trap)
{
	bool page = trap->kind == MACHINE_TRAP_PAGE;

	if (page)
		say_page(pe, trap);
	else
		say_exception(pe, trap);
	env_stop(pe->env, EXO_ENV_FAULTED, page ? VECTOR_PAGE_FAULT : (int32_t)trap->vector,
	         trap->address, pe->machine.regs.rip);
}
