/* SPDX-License-Identifier: BSD-2-Clause */
/* What entry.S offers to C and calls in C. */
#ifndef X86_RUN_H
#define X86_RUN_H

#include "cpu.h"

struct x86_exit {
	uint64_t vector; /* or VECTOR_CALL */
	uint64_t error;
};

struct x86_exit x86_enter(struct exo_regs *regs);
void x86_switch(struct machine_pe *from, struct machine_pe *to);
int x86_copy_user(void *to, const void *from, size_t size);
void x86_idle(void);
/* Takes the timer's interrupt, and no other one of consequence, where it has come. */
void x86_take_timer(void);
void x86_start_on(void *stack_top, void (*start)(void *), void *argument) __attribute__((noreturn));

/* A trap taken in the kernel; `regs` may be changed, and are gone back to. */
void x86_kernel_trap(struct exo_regs *regs, uint64_t vector, uint64_t error);
/* Double fault, NMI, machine check. */
void x86_fatal_trap(struct exo_regs *regs, uint64_t vector, uint64_t error)
        __attribute__((noreturn));

/* Notes an interrupt's arrival and acknowledges it; and calls the handlers of those noted. */
void interrupts_note(struct cpu *cpu, unsigned vector);
void interrupts_serve(struct cpu *cpu);

#endif
