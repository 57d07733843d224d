/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running a PE, its vector state, the copiers, idling.
 *
 * Vector state is lazy in one way only: it stays in the registers until somebody else needs them,
 * another PE or kernel code between machine_vector_begin and _end. It is never left there for
 * others to fault on (that leaks, CVE-2018-3665).
 */
#include "run.h"

#include <exo/error.h>
#include <exo/layout.h>

#include "apic.h"
#include "../dev/console.h"
#include "space.h"

/* exo/dpdk; absent in images that test the machine alone. */
extern void dpdk_poll(void) __attribute__((weak));
extern uint64_t dpdk_sleep(unsigned core, uint64_t deadline) __attribute__((weak));

enum {
	FXSAVE_CONTROL_WORD = 0, /* offsets in the legacy area (SDM vol. 1, 10.5.1) */
	FXSAVE_MXCSR = 24,
	CONTROL_WORD_INITIAL = 0x37f,
	MXCSR_INITIAL = 0x1f80,
	VECTOR_GENERAL_PROTECTION = 13,
	VECTOR_PAGE_FAULT = 14,
	VECTOR_INTERRUPTS = 32,
};

/* ---- Vector state ---- */

static void save_vectors(void *area)
{
	uint32_t low = (uint32_t)cpu_features.xcr0, high = (uint32_t)(cpu_features.xcr0 >> 32);

	if (cpu_features.xsaveopt)
		__asm__ volatile("xsaveopt64 (%0)" ::"r"(area), "a"(low), "d"(high) : "memory");
	else if (cpu_features.xsave)
		__asm__ volatile("xsave64 (%0)" ::"r"(area), "a"(low), "d"(high) : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" ::"r"(area) : "memory");
}

static void load_vectors(const void *area)
{
	uint32_t low = (uint32_t)cpu_features.xcr0, high = (uint32_t)(cpu_features.xcr0 >> 32);

	if (cpu_features.xsave)
		__asm__ volatile("xrstor64 (%0)" ::"r"(area), "a"(low), "d"(high) : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
}

/* Owns the registers where their owner has ended: what they hold is nobody's any more. */
static struct machine_pe ended;

/* Saves whoever's state is in the registers and makes them `pe`'s (NULL: the kernel's). The lock
 * keeps machine_pe_fini on another core from freeing the area under us. */
static inline __attribute__((always_inline)) void own_vectors(struct cpu *cpu,
                                                              struct machine_pe *pe)
{
	machine_lock(&cpu->vector_lock);
	if (cpu->vector_owner != NULL && cpu->vector_owner != &ended)
		save_vectors(cpu->vector_owner->vector);
	cpu->vector_owner = pe;
	machine_unlock(&cpu->vector_lock);
	if (pe != NULL)
		load_vectors(pe->vector);
}

/* From entry.S: the running PE, whose state the registers hold, gives way to another environment's.
 * Both are entered, so that neither's area goes meanwhile: no lock. */
void x86_switch(struct machine_pe *from, struct machine_pe *to)
{
	struct cpu *cpu = cpu_this();

	if (__builtin_expect(cpu_features.xsaveopt, 1)) {
		__asm__ volatile("xsaveopt64 (%0)\n\txrstor64 (%1)" ::"r"(from->vector),
		                 "r"(to->vector), "a"((uint32_t)cpu_features.xcr0),
		                 "d"((uint32_t)(cpu_features.xcr0 >> 32))
		                 : "memory");
	} else {
		save_vectors(from->vector);
		load_vectors(to->vector);
	}
	cpu->vector_owner = to;
	space_load(cpu, to->space);
}

int machine_pe_init(struct machine_pe *pe)
{
	uint8_t *area = machine_alloc(cpu_features.vector_bytes);

	*pe = (struct machine_pe){.vector = area};
	if (area == NULL)
		return -EXO_ENOMEM;
	*(uint16_t *)(area + FXSAVE_CONTROL_WORD) = CONTROL_WORD_INITIAL;
	*(uint32_t *)(area + FXSAVE_MXCSR) = MXCSR_INITIAL;
	pe->regs.cs = USER_CODE;
	pe->regs.ss = USER_DATA;
	pe->regs.rflags = FLAGS_ALWAYS;
	return 0;
}

void machine_pe_fini(struct machine_pe *pe)
{
	for (unsigned i = 0; i < machine_cores(); i++) {
		struct cpu *cpu = &x86_cpus[i];

		machine_lock(&cpu->vector_lock);
		if (cpu->vector_owner == pe)
			cpu->vector_owner = &ended;
		machine_unlock(&cpu->vector_lock);
	}
	machine_free(pe->vector);
	pe->vector = NULL;
}

static __attribute__((noinline)) void take_vectors(struct cpu *cpu)
{
	if (cpu_has(EXO_FEATURE_FSGSBASE))
		__asm__ volatile("wrfsbase %0" ::"r"(cpu->thread_pointer) : "memory");
	else
		cpu_write_msr(MSR_FS_BASE, (uint64_t)cpu->thread_pointer);
	own_vectors(cpu, NULL);
}

void machine_vector_begin(void)
{
	bool owned;

	/* Polls ask for each frame that comes alone: in one instruction. */
	__asm__ volatile("cmpq $0, %%gs:%c1" : "=@ccne"(owned) : "i"(CPU_VECTORS_OF) : "memory");
	if (__builtin_expect(owned, 0))
		take_vectors(cpu_this()); /* at last: the usual way needs no frame then */
}

/* ---- Running ---- */

/* Images for tests may have no core: no leaf calls then. */
__attribute__((weak)) machine_leaf_call *const core_leaf_calls[MACHINE_LEAF_CALLS] = {NULL};

__attribute__((weak)) void core_leave(volatile uint32_t *users)
{
}

/* The PE runs, and no other core ends it now: no lock. GS base and the rest are nobody else's. */
bool machine_leaf_begin(struct machine_pe *pe)
{
	struct cpu *cpu = cpu_this();

	if (!cpu_has(EXO_FEATURE_FSGSBASE))
		return false;
	__asm__ volatile("rdfsbase %0" : "=r"(pe->regs.fs_base));
	__asm__ volatile("wrfsbase %0" ::"r"(cpu->thread_pointer) : "memory");
	save_vectors(pe->vector);
	cpu->vector_owner = NULL;
	return true;
}

void machine_leaf_end(struct machine_pe *pe)
{
	cpu_this()->vector_owner = pe;
	load_vectors(pe->vector);
	__asm__ volatile("wrfsbase %0" ::"r"(pe->regs.fs_base) : "memory");
}

static bool is_canonical(uint64_t address)
{
	return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

/* Control work of drivers (exo/dpdk) belongs to the first core. */
static void serve_drivers(struct cpu *cpu)
{
	if (cpu->number != 0)
		return;
	x86_console_drain();
	if (dpdk_poll != NULL)
		dpdk_poll();
}

static void describe(struct cpu *cpu, const struct x86_exit *exit, struct machine_trap *trap)
{
	trap->vector = (uint32_t)exit->vector;
	trap->error = exit->error;
	trap->address = 0;
	if (exit->vector == VECTOR_PAGE_FAULT) {
		trap->kind = MACHINE_TRAP_PAGE;
		trap->address = cpu_read_cr2();
	} else if (exit->vector < VECTOR_INTERRUPTS) {
		trap->kind = MACHINE_TRAP_EXCEPTION;
	} else {
		trap->kind = MACHINE_TRAP_INTERRUPT;
		interrupts_note(cpu, (unsigned)exit->vector);
		space_serve_flush();
		interrupts_serve(cpu);
		serve_drivers(cpu);
	}
}

void machine_listen(bool on)
{
	cpu_this()->listen = on;
}

void machine_run(struct machine_pe *pe, struct machine_trap *trap)
{
	struct cpu *cpu = cpu_this();
	struct x86_exit exit;

	trap->pe = pe;
	if (__builtin_expect(cpu->flush_wanted != cpu->flush_done, 0))
		space_serve_flush();
	if (cpu->space != pe->space)
		space_load(cpu, pe->space);
	if (cpu->vector_owner != pe)
		own_vectors(cpu, pe);
	if (!is_canonical(pe->regs.rip)) {
		/* sysret and iretq would fault in ring 0; ring 3 gets the same fault. */
		*trap = (struct machine_trap){pe, MACHINE_TRAP_EXCEPTION, VECTOR_GENERAL_PROTECTION,
		                              0, 0};
		return;
	}
	if (cpu->listen && dpdk_sleep != NULL && dpdk_sleep(cpu->number, UINT64_MAX) == 0) {
		/* NICs may interrupt ring 3 from now on; a frame may have come before, or drivers'
		 * control work is due, which must be done for this to end. */
		serve_drivers(cpu);
		*trap = (struct machine_trap){pe, MACHINE_TRAP_INTERRUPT, 0, 0, 0};
		return;
	}
	exit = x86_enter(&pe->regs);
	trap->pe = (struct machine_pe *)(cpu->pe_top - sizeof(struct exo_regs));
	if (exit.vector == VECTOR_CALL)
		trap->kind = MACHINE_TRAP_CALL;
	else
		describe(cpu, &exit, trap);
}

void machine_serve(void)
{
	serve_drivers(cpu_this());
	space_serve_flush();
}

void machine_idle(uint64_t deadline)
{
	struct cpu *cpu = cpu_this();
	uint64_t soon;

	serve_drivers(cpu);
	if (dpdk_sleep != NULL)
		deadline = dpdk_sleep(cpu->number, deadline);
	if (deadline == 0)
		return; /* NICs were just told to interrupt; a frame may have come before */
	soon = machine_tsc() + x86_tsc_hz() / 1000;
	/* The serial line takes its next 16 bytes in 1.4 ms. */
	if (cpu->number == 0 && x86_console_drain() && deadline > soon)
		deadline = soon;
	space_serve_flush();
	machine_timer(deadline);
	x86_idle();
	space_serve_flush();
	interrupts_serve(cpu);
}

/* ---- Copiers ---- */

static bool is_user(uint64_t address, size_t size)
{
	return address < EXO_USER_END && size <= EXO_USER_END - address;
}

int machine_copy_in(void *to, uint64_t from, size_t size)
{
	space_serve_flush();
	return is_user(from, size) ? x86_copy_user(to, (const void *)from, size) : -EXO_EFAULT;
}

int machine_copy_out(uint64_t to, const void *from, size_t size)
{
	space_serve_flush();
	return is_user(to, size) ? x86_copy_user((void *)to, from, size) : -EXO_EFAULT;
}
