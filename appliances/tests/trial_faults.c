/* SPDX-License-Identifier: BSD-2-Clause */
/* Trials of exceptions: each vector that ring 3 can raise goes to the handler, which resumes. */
#include "trial.h"

#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>
#include <libexo/upcall.h>

enum {
	NONE = 1000,
	COST_ROUNDS = 64,
	FLAGS_MASK = 0x40100, /* alignment check, single step */
};

/* trial_raise(piece) calls a piece of code that faults; the handler resumes at trial_raised, which
 * returns from trial_raise with every register that a function keeps. */
__asm__(".text\n"
        "trial_raise: pushq %rbx; pushq %rbp; pushq %r12; pushq %r13; pushq %r14; pushq %r15\n"
        "	movq %rsp, trial_stack(%rip); movl $7, %ebx; movl $8, %r15d\n"
        "	call *%rdi\n"
        "trial_raised: cmpl $7, %ebx; jne 1f; cmpl $8, %r15d; jne 1f\n"
        "	incl trial_kept(%rip)\n"
        "1:	movq trial_stack(%rip), %rsp; fninit\n"
        "	popq %r15; popq %r14; popq %r13; popq %r12; popq %rbp; popq %rbx; ret\n"
        "piece_divide: xorl %ecx, %ecx; divl %ecx\n"
        "piece_step: pushfq; orl $0x100, (%rsp); popfq; nop; nop\n"
        "piece_int1: .byte 0xf1\n"
        "piece_breakpoint: int3\n"
        "piece_overflow: int $4\n"
        "piece_undefined: ud2\n"
        "piece_privileged: cli\n"
        "piece_far: movabsq $0x8000000000000000, %rax; movq (%rax), %rax\n"
        "piece_stack: movabsq $0x8000000000000000, %rsp; popq %rax\n"
        "piece_page: movq 0x1230, %rax\n"
        "piece_x87: fninit; fldcw trial_x87(%rip); fld1; fldz; fdivrp; fwait\n"
        "piece_aligned: pushfq; orl $0x40000, (%rsp); popfq; movq trial_stack+1(%rip), %rax\n"
        "	pushfq; andl $~0x40000, (%rsp); popfq; ret\n"
        "piece_sse: ldmxcsr trial_sse(%rip); pxor %xmm0, %xmm0; pcmpeqd %xmm1, %xmm1\n"
        "	psrld $25, %xmm1; pslld $23, %xmm1; divss %xmm0, %xmm1; ret\n");

typedef void piece(void);
void trial_raise(piece *code);
extern char trial_raised[];
extern piece piece_divide, piece_step, piece_int1, piece_breakpoint, piece_overflow,
        piece_undefined, piece_privileged, piece_far, piece_stack, piece_page, piece_x87,
        piece_aligned, piece_sse;
extern uint64_t trial_stack[2];
extern unsigned trial_kept;
extern uint16_t trial_x87;
extern uint32_t trial_sse;
uint64_t trial_stack[2];
unsigned trial_kept;
uint16_t trial_x87 = 0x37b;  /* division by zero unmasked */
uint32_t trial_sse = 0x1d80; /* likewise */

static const struct {
	const char *name;
	piece *code;
	unsigned vector, other; /* emulators differ from the manual in some */
} rows[] = {
        {"#DE", piece_divide, 0, 0},
        {"#DB, single step", piece_step, 1, 1},
        {"#DB, int1", piece_int1, 1, 6},
        {"#BP", piece_breakpoint, 3, 3},
        {"#OF", piece_overflow, 4, 4},
        {"#UD", piece_undefined, 6, 6},
        {"#GP, privileged", piece_privileged, 13, 13},
        {"#GP, address", piece_far, 13, 13},
        {"#SS", piece_stack, 12, 13},
        {"#PF", piece_page, 14, 14},
        {"#MF", piece_x87, 16, 16},
        {"#AC", piece_aligned, 17, NONE},
        {"#XM", piece_sse, 19, NONE},
};

static volatile unsigned caught, n_caught;
static uint64_t caught_address;

static bool exception(struct exo_pe *pe, void *arg)
{
	uint32_t clean = 0x1f80;

	caught = pe->upcall.vector;
	n_caught++;
	pe->saved.rflags &= ~(uint64_t)FLAGS_MASK;
	pe->saved.rip = (uintptr_t)trial_raised;
	__asm__ volatile("ldmxcsr %0" ::"m"(clean));
	return true;
}

static bool page_fault(struct exo_pe *pe, void *arg)
{
	caught_address = pe->upcall.address;
	return exception(pe, arg);
}

void trial_exceptions(void)
{
	TRIAL(exo_upcall_handle(EXO_UPCALL_EXCEPTION, exception, NULL) == 0);
	TRIAL(exo_upcall_handle(EXO_UPCALL_ADDRESSING, page_fault, NULL) == 0);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		caught = NONE;
		trial_kept = 0;
		trial_raise(rows[i].code);
		if (caught == NONE)
			exo_printf("%s is not raised by this processor\n", rows[i].name);
		else if (caught != rows[i].vector)
			exo_printf("%s came as vector %u\n", rows[i].name, caught);
		TRIAL(caught == rows[i].vector || caught == rows[i].other);
		TRIAL(caught == NONE || trial_kept == 1);
	}
	TRIAL(caught_address == 0x1230);
	TRIAL(exo_account()->faults >= n_caught);
}

/* ---- Cost ---- */

static bool step_over(struct exo_pe *pe, void *arg)
{
	pe->saved.rip += 2;
	return true;
}

void trial_fault_cost(void)
{
	uint64_t start, cost;

	TRIAL(exo_upcall_handle(EXO_UPCALL_EXCEPTION, step_over, NULL) == 0);
	start = exo_tsc();
	for (int i = 0; i < COST_ROUNDS; i++)
		__asm__ volatile("xorl %%ecx, %%ecx\n\tdivl %%ecx" ::: "ecx", "eax", "edx", "cc");
	cost = exo_tsc() - start;
	exo_printf("cost: an exception, its handler and back: %llu ticks\n",
	           (unsigned long long)cost / COST_ROUNDS);
	exo_upcall_handle(EXO_UPCALL_EXCEPTION, NULL, NULL);
	exo_upcall_handle(EXO_UPCALL_ADDRESSING, NULL, NULL);
}

/* ---- A fault in a handler ---- */

static bool faults_again(struct exo_pe *pe, void *arg)
{
	__asm__ volatile("movq %0, %%r12\n\tud2" ::"r"(0x1234567812345678) : "r12");
	return true;
}

int role_nested(void)
{
	exo_upcall_handle(EXO_UPCALL_EXCEPTION, faults_again, NULL);
	trial_raise(piece_divide);
	return 0;
}

void trial_nested_fault(void)
{
	static struct exo_env_record record;
	struct exo_child child;

	TRIAL(trial_child(&child, "nested", 0, 1, 256));
	record = (struct exo_env_record){.env = child.cap};
	for (int i = 0; i < 1000 && record.depth == 0; i++) {
		exo_wait(exo_tsc() + exo_time_ticks(1000000));
		exo_env_record(&record);
	}
	TRIAL(record.vector == 6 && record.regs.r12 == 0x1234567812345678);
	TRIAL(record.depth > 1 && record.backtrace[0] == record.regs.rip);
	TRIAL(trial_end(&child) == -1000 - EXO_ENV_FAULTED);
}
