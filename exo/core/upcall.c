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
#include "transfer.h"

enum {
	FLAGS_HANDLER = 0x202, /* interrupts on; direction, trap and alignment check off */
	SYSCALL_BYTES = 2,
};

static bool in_resume(const struct pe *pe)
{
	uint64_t ip = pe->machine.regs.rip;

	return ip >= pe->machine.setup.resume_begin && ip < pe->machine.setup.resume_end;
}

static bool busy(const struct pe *pe)
{
	return __atomic_load_n(&pe->machine.page->masked, __ATOMIC_RELAXED) != 0 && !in_resume(pe);
}

static bool wants(const struct pe *pe, enum exo_upcall_kind kind)
{
	return pe->machine.page && pe->machine.setup.entry[kind] != 0;
}

bool upcall_ready(const struct pe *pe)
{
	return wants(pe, EXO_UPCALL_INTERRUPT) && !busy(pe);
}

static void enter(struct pe *pe, const struct exo_upcall *upcall)
{
	struct exo_regs *regs = &pe->machine.regs;

	if (!in_resume(pe) && !pe->machine.parked)
		pe->machine.page->saved = *regs;
	pe->machine.open = pe->machine.parked = pe->machine.waiting = false;
	pe->machine.page->upcall = *upcall;
	__atomic_store_n(&pe->machine.page->masked, 1, __ATOMIC_RELAXED);
	regs->rip = pe->machine.setup.entry[upcall->kind];
	regs->rsp = pe->machine.setup.stack_top - 8;
	regs->rdi = pe->machine.setup.pe_addr;
	regs->rsi = upcall->kind;
	regs->rflags = FLAGS_HANDLER;
	regs->fs_base = pe->machine.setup.libos_fs_base;
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

bool upcall_remote(struct pe *pe, uint32_t from, const uint64_t args[4])
{
	struct exo_upcall upcall = {.kind = EXO_UPCALL_REMOTE, .caller = from};
	struct exo_regs *regs = &pe->machine.regs;

	if (!wants(pe, EXO_UPCALL_REMOTE) || (busy(pe) && !pe->machine.parked))
		return false;
	enter(pe, &upcall);
	*regs = (struct exo_regs){.rax = from,
	                          .rdi = regs->rdi,
	                          .rsi = regs->rsi,
	                          .rdx = args[0],
	                          .r10 = args[1],
	                          .r8 = args[2],
	                          .r9 = args[3],
	                          .rip = regs->rip,
	                          .rsp = regs->rsp,
	                          .rflags = regs->rflags,
	                          .fs_base = regs->fs_base,
	                          .gs_base = regs->gs_base,
	                          .cs = pe->selectors[0],
	                          .ss = pe->selectors[1]};
	return true;
}

void upcall_park(struct pe *pe, bool save)
{
	if (!pe->machine.page || (save ? !wants(pe, EXO_UPCALL_REMOTE) || busy(pe) : !busy(pe)))
		return;
	if (save && !in_resume(pe))
		pe->machine.page->saved = pe->machine.regs;
	__atomic_store_n(&pe->machine.page->masked, 1, __ATOMIC_RELAXED);
	pe->machine.parked = true;
	/* Who serves somebody has one caller: the machine looks no further than this. */
	pe->machine.open = pe->machine.plain && !pe->machine.caller;
}

static void begin_resume(struct pe *pe)
{
	pe->machine.regs.rip = pe->machine.setup.resume_begin;
	pe->machine.regs.rdi = pe->machine.setup.pe_addr;
}

void upcall_unpark(struct pe *pe)
{
	if (!pe->machine.parked)
		return;
	pe->machine.parked = pe->machine.open = false;
	begin_resume(pe);
}

void upcall_set_result(struct pe *pe, uint64_t result)
{
	(pe->machine.parked ? &pe->machine.page->saved : &pe->machine.regs)->rax = result;
}

static uint32_t take_all(struct pe *pe)
{
	uint32_t events = 0;

	if (__atomic_load_n(&pe->machine.events, __ATOMIC_RELAXED) != 0)
		events = __atomic_exchange_n(&pe->machine.events, 0, __ATOMIC_ACQ_REL);
	if (pe->machine.page && __atomic_load_n(&pe->machine.page->pending, __ATOMIC_RELAXED) != 0)
		events |= __atomic_exchange_n(&pe->machine.page->pending, 0, __ATOMIC_RELAXED);
	return events;
}

uint32_t upcall_take(struct pe *pe)
{
	uint32_t events = take_all(pe), keep = 0;

	keep |= wants(pe, EXO_UPCALL_REMOTE) ? EXO_EVENT_REMOTE : 0;
	keep |= wants(pe, EXO_UPCALL_REVOKE) ? EXO_EVENT_REVOKE : 0;
	if (events & keep)
		__atomic_fetch_or(&pe->machine.events, events & keep, __ATOMIC_ACQ_REL);
	return events & ~keep;
}

static void enter_revoke(struct pe *pe)
{
	const struct exo_repossession *taken = &pe->env->account->repossession;
	struct exo_upcall upcall = {.kind = EXO_UPCALL_REVOKE,
	                            .caller = taken->by,
	                            .deadline = taken->deadline,
	                            .args = {taken->kind, taken->first, taken->count}};

	enter(pe, &upcall);
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

/* One upcall; what it does not tell pends. Whether a handler was entered. */
static bool deliver(struct pe *pe, uint64_t deadline)
{
	uint32_t events = take_all(pe);
	bool entered = false;

	if (events & EXO_EVENT_REVOKE && wants(pe, EXO_UPCALL_REVOKE)) {
		events &= ~(uint32_t)EXO_EVENT_REVOKE;
		enter_revoke(pe);
		entered = true;
	} else if (events & EXO_EVENT_REMOTE && wants(pe, EXO_UPCALL_REMOTE)) {
		if (!transfer_deliver(pe, &entered))
			events &= ~(uint32_t)EXO_EVENT_REMOTE;
	}
	if (!entered && events && wants(pe, EXO_UPCALL_INTERRUPT)) {
		enter_interrupt(pe, events, deadline);
		return true;
	}
	if (events)
		__atomic_fetch_or(&pe->machine.page->pending, events, __ATOMIC_RELAXED);
	return entered;
}

void upcall_events(struct pe *pe, uint64_t deadline)
{
	uint32_t events = __atomic_load_n(&pe->machine.events, __ATOMIC_ACQUIRE);

	if (events == 0 || !pe->machine.page)
		return;
	if (!busy(pe)) {
		deliver(pe, deadline);
		return;
	}
	events = __atomic_exchange_n(&pe->machine.events, 0, __ATOMIC_ACQ_REL);
	__atomic_fetch_or(&pe->machine.page->pending, events, __ATOMIC_RELAXED);
}

void upcall_restart(struct pe *pe)
{
	if (pe->machine.page && in_resume(pe))
		begin_resume(pe);
}

/* Delivers what is pending over the saved state, or begins the resume range again. */
int64_t upcall_call_pending(struct call *call)
{
	struct pe *pe = call->pe;
	struct exo_regs *regs = &pe->machine.regs;

	regs->rip -= SYSCALL_BYTES;
	if (!pe->machine.page || !in_resume(pe)) {
		regs->rip += SYSCALL_BYTES;
		return -EXO_EINVAL;
	}
	if (!deliver(pe, 0))
		begin_resume(pe);
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

	if (!pe->machine.page)
		return -EXO_EINVAL;
	saved = pe->machine.page->saved;
	/* This copy is what is checked and loaded: another core may write to the page meanwhile. */
	__asm__ volatile("" : "+m"(saved));
	if (!is_canonical(saved.fs_base) || !is_canonical(saved.gs_base))
		return -EXO_EINVAL;
	saved.cs = pe->selectors[0];
	saved.ss = pe->selectors[1];
	__atomic_store_n(&pe->machine.page->masked, 0, __ATOMIC_RELAXED);
	pe->machine.regs = saved;
	deliver(pe, 0);
	return CALL_NO_RESULT;
}
