/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Traps taken in the kernel: interrupts of a halted core, faults of the copiers, and our own
 * mistakes, which end in a panic. Interrupts are noted when they arrive and served in plain kernel
 * context, whether they came in ring 3 or during a halt.
 */
#include "run.h"

#include <exo/error.h>

#include "../core/exceptions.h"
#include "apic.h"
#include "start.h"
#include "kernel.h"
#include "paging.h"
#include "panic.h"
#include "space.h"

enum {
	VECTOR_NMI = 2,
	VECTOR_DOUBLE_FAULT = 8,
	VECTOR_PAGE_FAULT = 14,
	ERROR_WRITE = 1 << 1, /* of a page fault */
	ERROR_FETCH = 1 << 4,
	MSI_BASE = 0xfee00000,
};

_Static_assert(offsetof(struct cpu, self) == CPU_SELF, "entry.h");
_Static_assert(offsetof(struct cpu, user_rsp) == CPU_USER_RSP, "entry.h");
_Static_assert(offsetof(struct cpu, run_rsp) == CPU_RUN_RSP, "entry.h");
_Static_assert(offsetof(struct cpu, pe_top) == CPU_PE_TOP, "entry.h");
_Static_assert(offsetof(struct cpu, tss) + offsetof(struct tss, rsp) == CPU_RSP0, "entry.h");
_Static_assert(offsetof(struct cpu, space) == CPU_SPACE, "entry.h");
_Static_assert(offsetof(struct cpu, vector_owner) == CPU_VECTORS_OF, "entry.h");
_Static_assert(offsetof(struct cpu_features, xcr0) == FEATURES_XCR0, "entry.h");
_Static_assert(offsetof(struct machine_space, top_physical) == SPACE_TOP, "entry.h");
_Static_assert(offsetof(struct exo_regs, fs_base) == REGS_FS, "entry.h");
_Static_assert(offsetof(struct exo_regs, r11) == REGS_R11, "entry.h");
_Static_assert(offsetof(struct exo_regs, rip) == REGS_RIP, "entry.h");
_Static_assert(sizeof(struct exo_regs) == REGS_BYTES, "entry.h");
_Static_assert(CALL_BASE == EXO_CALL_BASE && LEAF_CALLS == MACHINE_LEAF_CALLS, "entry.h");
_Static_assert(NOT_LEAF == MACHINE_NOT_LEAF, "entry.h");
_Static_assert(offsetof(struct machine_pe, regs) == 0, "entry.S takes one for the other");
#define AT(type, field, offset) _Static_assert(offsetof(struct type, field) == (offset), #field)
AT(machine_pe, setup.entry, PE_ENTRY);
AT(machine_pe, setup.pe_addr, PE_ADDRESS);
AT(machine_pe, setup.stack_top, PE_STACK);
AT(machine_pe, setup.resume_begin, PE_RESUME);
AT(machine_pe, setup.resume_end, PE_RESUME + 8);
AT(machine_pe, setup.libos_fs_base, PE_FS);
AT(machine_pe, page, PE_PAGE);
AT(machine_pe, delivered, PE_DELIVERED);
AT(machine_pe, users, PE_USERS);
AT(machine_pe, name, PE_NAME);
AT(machine_pe, caller, PE_CALLER);
AT(machine_pe, callee, PE_CALLEE);
AT(machine_pe, events, PE_EVENTS);
AT(machine_pe, id, PE_ID);
AT(machine_pe, open, PE_OPEN);
AT(machine_pe, parked, PE_PARKED);
AT(machine_pe, waiting, PE_PARKED + 1);
AT(machine_pe, plain, PE_PLAIN);
AT(machine_pe, invoked, PE_INVOKED);
AT(machine_pe, gates, PE_GATES);
AT(machine_gate, to, GATE_TO);
AT(machine_gate, name, GATE_NAME);
AT(machine_gate, users, GATE_USERS);
AT(machine_gate, here, GATE_HERE);
AT(exo_pe, masked, SHARED_MASKED);
AT(exo_pe, saved, SHARED_SAVED);
AT(exo_pe, upcall.kind, SHARED_KIND);
AT(exo_pe, upcall.vector, SHARED_VECTOR);
AT(exo_pe, upcall.error, SHARED_ERROR);
AT(exo_pe, upcall.address, SHARED_ADDRESS);
AT(exo_pe, upcall.caller, SHARED_CALLER);
_Static_assert(sizeof(struct machine_gate) == 1 << GATE_SHIFT && GATES == EXO_GATES, "entry.h");
_Static_assert(CALL_BASE + CALL_INVOKE == EXO_CALL_INVOKE, "entry.h");
_Static_assert(CALL_BASE + CALL_REPLY == EXO_CALL_REPLY, "entry.h");
_Static_assert(UPCALL_REMOTE == EXO_UPCALL_REMOTE, "entry.h");
_Static_assert(USER_CODE == SELECTOR_USER_CODE && USER_DATA == SELECTOR_USER_DATA, "entry.h");
/* The CPU aligns RSP0 before it pushes, so the registers' end must be aligned already. */
_Static_assert(_Alignof(struct machine_pe) % 16 == 0 && REGS_BYTES % 16 == 0, "entry.h");

/* ---- Interrupts ---- */

struct handler {
	void (*function)(void *);
	void *argument;
};

static struct machine_lock handlers_lock;
static struct handler handlers[X86_CORES_MAX][VECTOR_NUDGE - VECTOR_DEVICES];

void interrupts_note(struct cpu *cpu, unsigned vector)
{
	if (vector == VECTOR_TIMER)
		cpu->timer_deadline = UINT64_MAX;
	else if (vector >= VECTOR_DEVICES && vector < VECTOR_NUDGE)
		cpu->interrupts[vector / 64] |= 1ull << vector % 64;
	if (vector >= VECTOR_DEVICES && vector < VECTOR_SPURIOUS)
		apic_end_of_interrupt();
}

void interrupts_serve(struct cpu *cpu)
{
	for (unsigned word = 0; word < CPU_VECTORS / 64; word++) {
		while (cpu->interrupts[word] != 0) {
			unsigned bit = (unsigned)__builtin_ctzll(cpu->interrupts[word]);
			struct handler *handler =
			        &handlers[cpu->number][word * 64 + bit - VECTOR_DEVICES];

			cpu->interrupts[word] &= ~(1ull << bit);
			if (handler->function != NULL)
				handler->function(handler->argument);
		}
	}
}

int x86_interrupt_alloc(unsigned core, void (*function)(void *), void *argument,
                        struct x86_msi *msi)
{
	int vector = -EXO_ENOMEM;

	if (core >= X86_CORES_MAX)
		return -EXO_ENOMEM;
	machine_lock(&handlers_lock);
	for (unsigned i = 0; i < VECTOR_NUDGE - VECTOR_DEVICES && vector < 0; i++) {
		if (handlers[core][i].function != NULL)
			continue;
		handlers[core][i] = (struct handler){function, argument};
		vector = (int)(i + VECTOR_DEVICES);
	}
	machine_unlock(&handlers_lock);
	if (vector >= 0) {
		msi->address = MSI_BASE | (uint64_t)(x86_cpus[core].apic_id & 0xff) << 12;
		msi->data = (uint32_t)vector;
	}
	return vector;
}

/* ---- Faults ---- */

/* Instructions that may fault on the environment's memory, and where to go on. */
struct fixup {
	uint64_t fault, resume;
};
extern const struct fixup kernel_fixups[], kernel_fixups_end[];

static bool fix_up(struct exo_regs *regs, uint64_t address)
{
	if (address >= 1ull << 47)
		return false; /* the kernel's own side of the copy */
	for (const struct fixup *fixup = kernel_fixups; fixup < kernel_fixups_end; fixup++) {
		if (fixup->fault == regs->rip) {
			regs->rip = fixup->resume;
			return true;
		}
	}
	return false;
}

static void panic_page_fault(struct exo_regs *regs, uint64_t error, uint64_t address)
{
	const char *guard = paging_guard(address);

	if (guard != NULL)
		panic_at(regs, "overflow of the %s stack (address %lx)", guard, address);
	panic_at(regs, "page fault in the kernel: %s %s%s at %lx",
	         (error & ERROR_FETCH) != 0   ? "execution"
	         : (error & ERROR_WRITE) != 0 ? "write"
	                                      : "read",
	         (error & 1) != 0 ? "not allowed" : "of nothing",
	         address < 4096         ? " (NULL)"
	         : address < 1ull << 47 ? " (environment's memory)"
	                                : "",
	         address);
}

void x86_kernel_trap(struct exo_regs *regs, uint64_t vector, uint64_t error)
{
	if (vector >= 32) {
		interrupts_note(cpu_this(), (unsigned)vector);
		return;
	}
	if (vector == VECTOR_PAGE_FAULT) {
		uint64_t address = cpu_read_cr2();

		if (fix_up(regs, address))
			return;
		if ((error & (ERROR_FETCH | ERROR_WRITE)) != 0 &&
		    code_is_stale(address, (error & ERROR_FETCH) != 0))
			return;
		panic_page_fault(regs, error, address);
	}
	panic_at(regs, "%s in the kernel (vector %lu, error %lx)", exception_name(vector), vector,
	         error);
}

void x86_fatal_trap(struct exo_regs *regs, uint64_t vector, uint64_t error)
{
	const char *guard = paging_guard(cpu_read_cr2());

	if (vector == VECTOR_NMI)
		panic_stop_if_asked();
	if (vector == VECTOR_DOUBLE_FAULT && guard != NULL)
		panic_at(regs, "overflow of the %s stack (double fault, address %lx)", guard,
		         cpu_read_cr2());
	panic_at(regs, "%s (vector %lu, error %lx)", exception_name(vector), vector, error);
}
