/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Upcalls: the PE's page and registration, and the dispatch from entry.S to handlers.
 */
#include <stddef.h>

#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/upcall.h>

#include "offsets.h"
#include "runtime.h"

#define AT(field, offset) _Static_assert(offsetof(struct exo_pe, field) == (offset), #field)
AT(masked, PE_MASKED);
AT(pending, PE_PENDING);
AT(saved, PE_SAVED);
AT(saved.rax, PE_RAX);
AT(saved.rbx, PE_RBX);
AT(saved.rcx, PE_RCX);
AT(saved.rdx, PE_RDX);
AT(saved.rsi, PE_RSI);
AT(saved.rdi, PE_RDI);
AT(saved.rbp, PE_RBP);
AT(saved.r8, PE_R8);
AT(saved.r15, PE_R15);
AT(saved.fs_base, PE_FS_BASE);
AT(saved.gs_base, PE_GS_BASE);
AT(saved.rip, PE_RIP);
AT(saved.rflags, PE_RFLAGS);
AT(saved.rsp, PE_RSP);
AT(libos, PE_LIBOS);
_Static_assert(PE_LIBOS + offsetof(struct pe_libos, wanted) == PE_WANTED, "wanted");
_Static_assert(PE_LIBOS + offsetof(struct pe_libos, fsgsbase) == PE_FSGSBASE, "fsgsbase");
_Static_assert(EXO_INFO_ADDR + offsetof(struct exo_info, vector_bytes) == INFO_VECTOR_BYTES,
               "vector_bytes");
_Static_assert(EXO_CALL_PENDING == CALL_PENDING && EXO_CALL_RESUME == CALL_RESUME, "numbers");
_Static_assert(EXO_CALL_REPLY == CALL_REPLY, "numbers");

extern char exo_upcall_entry[], exo_resume_begin[], exo_resume_end[];
extern char exo_handler_guard[], exo_handler_stack_top[];

struct exo_pe exo_pe_page __attribute__((aligned(4096))); /* entry.S jumps through it */
static struct exo_pe_setup setup;
struct handler {
	exo_upcall_handler *call;
	void *arg;
};
static bool not_mine(struct exo_pe *pe, void *arg);
extern struct handler exo_upcall_handlers[EXO_UPCALLS]; /* entry.S calls them */
struct handler exo_upcall_handlers[EXO_UPCALLS] = {[0 ... EXO_UPCALLS - 1] = {not_mine, NULL}};
_Static_assert(sizeof(struct handler) == 1 << HANDLER_SHIFT, "offsets.h");
static struct handler interrupt;

struct exo_pe *exo_upcall_pe(void)
{
	return &exo_pe_page;
}

void exo_runtime_setup(struct exo_pe_setup *copy)
{
	*copy = setup;
}

void exo_runtime_resume(struct exo_pe *pe)
{
	__asm__ volatile("jmp exo_resume_begin" : : "D"(pe) : "memory");
	__builtin_unreachable();
}

void exo_runtime_init(void)
{
	struct exo_range guard = {(uintptr_t)exo_handler_guard, 1};
	int result;

	pe_libos(&exo_pe_page)->fsgsbase = (exo_info()->features & EXO_FEATURE_FSGSBASE) != 0;
	setup.core = exo_start_page()->core;
	setup.pe_addr = (uintptr_t)&exo_pe_page;
	setup.stack_top = (uintptr_t)exo_handler_stack_top;
	setup.resume_begin = (uintptr_t)exo_resume_begin;
	setup.resume_end = (uintptr_t)exo_resume_end;
	result = exo_pe_set(NULL, &setup);
	if (result == 0)
		result = (int)exo_unmap(NULL, &guard, 1);
	if (result < 0) {
		exo_printf("libexo: the PE can't be set up: %s\n", exo_error_text(result));
		exo_exit(127);
	}
}

/* Which pending events a handler of `kind` awaits. */
static uint32_t events_of(enum exo_upcall_kind kind)
{
	switch (kind) {
	case EXO_UPCALL_INTERRUPT:
		return EXO_EVENT_SLOT_BEGIN | EXO_EVENT_SLOT_END | EXO_EVENT_RING |
		       EXO_EVENT_TIMER | EXO_EVENT_CHILD | EXO_EVENT_LINK;
	case EXO_UPCALL_REMOTE:
		return EXO_EVENT_REMOTE;
	case EXO_UPCALL_REVOKE:
		return EXO_EVENT_REVOKE;
	default:
		return 0;
	}
}

static int set_entry(enum exo_upcall_kind kind, uint64_t entry)
{
	struct exo_pe_setup changed = setup;
	int result;

	changed.entry[kind] = entry;
	result = exo_pe_set(NULL, &changed);
	if (result < 0)
		return result;
	setup.entry[kind] = entry;
	if (entry != 0)
		pe_libos(&exo_pe_page)->wanted |= events_of(kind);
	else
		pe_libos(&exo_pe_page)->wanted &= ~events_of(kind);
	return 0;
}

static bool not_mine(struct exo_pe *pe, void *arg)
{
	return false;
}

/* A slot's end asks for the processor: who overruns it too often is ended. */
static bool handle_interrupt(struct exo_pe *pe, void *arg)
{
	bool slot_end = (pe->upcall.events & EXO_EVENT_SLOT_END) != 0;
	bool taken = interrupt.call(pe, interrupt.arg);

	if (slot_end)
		exo_yield(0);
	return taken;
}

int exo_upcall_handle(enum exo_upcall_kind kind, exo_upcall_handler *handler, void *arg)
{
	if ((unsigned)kind >= EXO_UPCALLS || kind == EXO_UPCALL_REMOTE)
		return -EXO_EINVAL;
	if (handler == NULL) {
		int result = set_entry(kind, 0);

		if (result == 0)
			exo_upcall_handlers[kind].call = not_mine;
		return result;
	}
	/* The table first: an upcall may come as soon as the kernel knows the entry. */
	if (kind == EXO_UPCALL_INTERRUPT) {
		interrupt = (struct handler){handler, arg};
		handler = handle_interrupt;
	}
	exo_upcall_handlers[kind].arg = arg;
	exo_upcall_handlers[kind].call = handler;
	return set_entry(kind, (uintptr_t)exo_upcall_entry);
}

exo_remote_function *exo_remote_served; /* entry.S calls it */
extern char exo_remote_entry[];

int exo_remote_serve(exo_remote_function *serve)
{
	if (serve != NULL)
		exo_remote_served = serve;
	return set_entry(EXO_UPCALL_REMOTE, serve != NULL ? (uintptr_t)exo_remote_entry : 0);
}

/* From entry.S. What no handler takes happens again without one, so that the kernel reports the
 * true fault. */
void exo_upcall_untaken(struct exo_pe *pe);
void exo_upcall_untaken(struct exo_pe *pe)
{
	uint32_t kind = pe->upcall.kind;

	if (kind == EXO_UPCALL_OWN_CALL)
		pe->saved.rax = (uint64_t)-EXO_ENOSYS;
	else if (kind == EXO_UPCALL_EXCEPTION || kind == EXO_UPCALL_ADDRESSING)
		set_entry((enum exo_upcall_kind)kind, 0);
}
