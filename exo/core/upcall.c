/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entering handlers. What lies in the shared page is the environment's own business: the kernel
 * reads `masked` and `pending` once each, and what it restores from `saved` is made harmless first.
 *
 * `busy` means: inside a handler, so that events pend. Code in the resume range is not busy, masked
 * or not: pe->saved still holds the whole truth, so a new upcall goes over the same saved state.
 */
#include "upcall.h"

#include <exo/layout.h>

#include "core.h"
#include "space.h"

enum {
	FLAGS_HANDLER = 0x202, /* interrupts on; direction, trap and alignment check off */
	SYSCALL_BYTES = 2,
};

static bool in_resume(const struct pe *pe)
{
	uint64_t ip = pe->machine.regs.rip;

	return ip >= pe->setup.resume_begin && ip < pe->setup.resume_end;
}

static bool busy(const struct pe *pe)
{
	return __atomic_load_n(&pe->page->masked, __ATOMIC_RELAXED) != 0 && !in_resume(pe);
}

static bool wants(const struct pe *pe, enum exo_upcall_kind kind)
{
	return pe->page && pe->setup.entry[kind] != 0;
}

bool upcall_ready(const struct pe *pe)
{
	return wants(pe, EXO_UPCALL_INTERRUPT) && !busy(pe);
}

static void enter(struct pe *pe, const struct exo_upcall *upcall)
{
	struct exo_regs *regs = &pe->machine.regs;

	if (!in_resume(pe))
		pe->page->saved = *regs;
	pe->page->upcall = *upcall;
	__atomic_store_n(&pe->page->masked, 1, __ATOMIC_RELAXED);
	regs->rip = pe->setup.entry[upcall->kind];
	regs->rsp = pe->setup.stack_top - 8;
	regs->rdi = pe->setup.pe_addr;
	regs->rsi = upcall->kind;
	regs->rflags = FLAGS_HANDLER;
	regs->fs_base = pe->setup.libos_fs_base;
	pe->env->account->upcalls++;
}

bool upcall_fault(struct pe *pe, const struct machine_trap *trap)
{
	bool page = trap->kind == MACHINE_TRAP_PAGE;
	struct exo_upcall upcall = {
	        .kind = page ? EXO_UPCALL_ADDRESSING : EXO_UPCALL_EXCEPTION,
	        .vector = trap->vector,
	        .error = trap->error,
	        .address = trap->address,
	};

	pe->env->account->faults++;
	/* A fault of the resume range itself would come back for ever. */
	if (!wants(pe, upcall.kind) || busy(pe) || in_resume(pe))
		return false;
	enter(pe, &upcall);
	return true;
}

bool upcall_own_call(struct pe *pe)
{
	struct exo_upcall upcall = {.kind = EXO_UPCALL_OWN_CALL};

	if (!wants(pe, EXO_UPCALL_OWN_CALL) || busy(pe) || in_resume(pe))
		return false;
	enter(pe, &upcall);
	return true;
}

uint32_t upcall_take(struct pe *pe)
{
	uint32_t events = __atomic_exchange_n(&pe->events, 0, __ATOMIC_ACQ_REL);

	if (pe->page)
		events |= __atomic_exchange_n(&pe->page->pending, 0, __ATOMIC_RELAXED);
	return events;
}

static void enter_interrupt(struct pe *pe, uint32_t events, uint64_t deadline)
{
	struct exo_upcall upcall = {
	        .kind = EXO_UPCALL_INTERRUPT,
	        .events = events,
	        .deadline = events & EXO_EVENT_SLOT_END ? deadline : 0,
	};

	enter(pe, &upcall);
}

void upcall_events(struct pe *pe, uint64_t deadline)
{
	uint32_t events = __atomic_load_n(&pe->events, __ATOMIC_ACQUIRE);

	if (events == 0 || !pe->page)
		return;
	if (upcall_ready(pe)) {
		enter_interrupt(pe, upcall_take(pe), deadline);
		return;
	}
	events = __atomic_exchange_n(&pe->events, 0, __ATOMIC_ACQ_REL);
	__atomic_fetch_or(&pe->page->pending, events, __ATOMIC_RELAXED);
}

void upcall_restart(struct pe *pe)
{
	if (!pe->page || !in_resume(pe))
		return;
	pe->machine.regs.rip = pe->setup.resume_begin;
	pe->machine.regs.rdi = pe->setup.pe_addr;
}

/* Delivers what is pending over the saved state, or begins the resume range again. */
int64_t upcall_call_pending(struct call *call)
{
	struct pe *pe = call->pe;
	struct exo_regs *regs = &pe->machine.regs;
	uint32_t events;

	regs->rip -= SYSCALL_BYTES;
	if (!pe->page || !in_resume(pe)) {
		regs->rip += SYSCALL_BYTES;
		return -EXO_EINVAL;
	}
	events = upcall_take(pe);
	if (events && wants(pe, EXO_UPCALL_INTERRUPT))
		enter_interrupt(pe, events, 0);
	else
		upcall_restart(pe);
	return CALL_NO_RESULT;
}

/* An address that may be loaded into a segment base without a fault in the kernel. */
static bool is_canonical(uint64_t address)
{
	return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

int64_t upcall_call_resume(struct call *call)
{
	struct pe *pe = call->pe;
	struct exo_regs saved;
	uint32_t events;

	if (!pe->page)
		return -EXO_EINVAL;
	saved = pe->page->saved;
	if (!is_canonical(saved.fs_base) || !is_canonical(saved.gs_base))
		return -EXO_EINVAL;
	saved.cs = pe->selectors[0];
	saved.ss = pe->selectors[1];
	__atomic_store_n(&pe->page->masked, 0, __ATOMIC_RELAXED);
	pe->machine.regs = saved;
	events = upcall_take(pe);
	if (events && wants(pe, EXO_UPCALL_INTERRUPT))
		enter_interrupt(pe, events, 0);
	else if (events)
		__atomic_fetch_or(&pe->page->pending, events, __ATOMIC_RELAXED);
	return CALL_NO_RESULT;
}
