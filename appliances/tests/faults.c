/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Misdeeds that the processor notices.
 */
#include <stdbool.h>
#include <stdint.h>

#include <libexo/call.h>
#include <libexo/start.h>
#include <libexo/upcall.h>

#include "misdeed.h"

#define KERNEL_ADDRESS 0xffffffff80200000ull

int deed_divide(void)
{
	/* Not in C: a compiler may turn a division of 1 into comparisons. */
	__asm__ volatile("divl %0" : : "r"(0), "a"(1), "d"(0) : "cc");
	return 1;
}

static void jump(uint64_t address)
{
	__asm__ volatile("jmp *%0" : : "r"(address) : "memory");
}

int deed_jump_kernel(void)
{
	jump(KERNEL_ADDRESS);
	return 1;
}

int deed_jump_null(void)
{
	jump(0);
	return 1;
}

static void write_to(uint64_t address)
{
	*(volatile uint64_t *)address = 0x6e776f;
}

int deed_read_kernel(void)
{
	(void)*(volatile uint64_t *)KERNEL_ADDRESS;
	return 1;
}

int deed_write_kernel(void)
{
	write_to(KERNEL_ADDRESS);
	return 1;
}

int deed_write_info(void)
{
	write_to(EXO_INFO_ADDR);
	return 1;
}

int deed_write_start(void)
{
	write_to(EXO_START_ADDR);
	return 1;
}

int deed_write_text(void)
{
	write_to((uintptr_t)deed_write_text);
	return 1;
}

/* One instruction: ret. */
static uint8_t code[16] = {0xc3};

int deed_execute_data(void)
{
	((void (*)(void))(uintptr_t)code)();
	return 1;
}

int deed_execute_stack(void)
{
	volatile uint8_t here[16] = {0xc3};

	((void (*)(void))(uintptr_t)here)();
	return 1;
}

int deed_privileged(void)
{
	__asm__ volatile("hlt");
	return 1;
}

int deed_port_io(void)
{
	__asm__ volatile("outb %%al, $0x80" : : "a"(0));
	return 1;
}

int deed_sgdt(void)
{
	uint8_t table[10];

	__asm__ volatile("sgdt %0" : "=m"(table));
	return 1;
}

int deed_interrupt(void)
{
	__asm__ volatile("int $0x20");
	return 1;
}

int deed_breakpoint(void)
{
	__asm__ volatile("int3");
	return 1;
}

/* A stack pointer into the kernel, and an interrupt there sooner or later; then a push. */
int deed_wild_stack(void)
{
	__asm__ volatile("movq %0, %%rsp\n\t"
	                 "movl $50000000, %%ecx\n"
	                 "1: decl %%ecx\n\t"
	                 "jnz 1b\n\t"
	                 "pushq $1"
	                 :
	                 : "r"(KERNEL_ADDRESS)
	                 : "rcx", "memory");
	return 1;
}

static __attribute__((noinline)) int deeper(volatile int *depth)
{
	volatile char here[512];

	if (*depth < 0)
		return 0;
	here[0] = (char)*depth;
	++*depth;
	return deeper(depth) + here[0];
}

int deed_stack_overflow(void)
{
	volatile int depth = 0;

	return deeper(&depth) == 0;
}

int deed_non_canonical(void)
{
	write_to(1ull << 47);
	return 1;
}

static bool faulting_handler(struct exo_pe *pe, void *arg)
{
	write_to(0x2000);
	return true;
}

int deed_fault_in_handler(void)
{
	exo_upcall_handle(EXO_UPCALL_ADDRESSING, faulting_handler, NULL);
	write_to(0x1000);
	return 1;
}

/* The saved state is the environment's to change, also to nonsense. Once: what comes of it is not
 * handled. */
static bool nonsense_handler(struct exo_pe *pe, void *arg)
{
	static bool again;

	if (again)
		return false;
	again = true;
	pe->saved.rip = KERNEL_ADDRESS;
	pe->saved.cs = 0x10;
	pe->saved.ss = 0x18;
	pe->saved.rsp = KERNEL_ADDRESS;
	pe->saved.rflags = ~0x100ull; /* everything but single-stepping */
	return true;
}

int deed_resume_nowhere(void)
{
	exo_upcall_handle(EXO_UPCALL_ADDRESSING, nonsense_handler, NULL);
	write_to(0x1000);
	return 1;
}

int deed_spin(void)
{
	for (;;)
		__asm__ volatile("");
}
