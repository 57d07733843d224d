/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From exo_start to the program: the stack that a Linux process begins with (System V ABI, AMD64
 * supplement, 3.4.1): argument count, argument pointers, environment pointers, auxiliary vector;
 * then the jump to the C library's _start in the same image.
 */
#include <elf.h>

#include <exo/layout.h>
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/upcall.h>

#include "../runtime.h"
#include "linux.h"

#define STACK_BYTES (8ull << 20)
#define STACK_END   0x00007dfffffff000ull

enum {
	ARGS_MAX = 128,
	PREPARED_BYTES = 16384,
	RANDOM_BYTES = 16,
};

/* One guard page, then the stack of the start; its top is a symbol for entry.S. */
__asm__(".bss\n"
        ".balign 4096\n"
        "first_guard: .skip 4096 + 16384\n"
        ".globl exo_first_stack_top\n"
        "exo_first_stack_top:\n"
        ".text\n");

extern void _start(void) __attribute__((weak));

/* The stack being written, downwards. */
struct stack {
	uint64_t at;
};

static uint64_t push_bytes(struct stack *stack, const void *bytes, size_t size)
{
	stack->at -= size;
	memcpy((void *)stack->at, bytes, size);
	return stack->at;
}

static uint64_t push_text(struct stack *stack, const char *text)
{
	return push_bytes(stack, text, strlen(text) + 1);
}

static uint64_t *put_auxiliary(uint64_t *at, uint64_t random, uint64_t name, uint64_t entry)
{
	const struct exo_start *start = exo_start_page();
	const uint64_t vector[][2] = {
	        {AT_PHDR, start->phdr},
	        {AT_PHENT, sizeof(Elf64_Phdr)},
	        {AT_PHNUM, start->phnum},
	        {AT_PAGESZ, EXO_PAGE_SIZE},
	        {AT_BASE, 0},
	        {AT_FLAGS, 0},
	        {AT_ENTRY, entry},
	        {AT_UID, 0},
	        {AT_EUID, 0},
	        {AT_GID, 0},
	        {AT_EGID, 0},
	        {AT_SECURE, 0},
	        {AT_CLKTCK, 100},
	        {AT_RANDOM, random},
	        {AT_EXECFN, name},
	        {AT_NULL, 0},
	};

	memcpy(at, vector, sizeof(vector));
	return at + sizeof(vector) / sizeof(*at);
}

/* Writes everything below `top`. → the stack pointer to begin with. */
static uint64_t build_stack(uint64_t top, uint64_t entry)
{
	const struct exo_start *start = exo_start_page();
	uint32_t argc = start->argc < ARGS_MAX ? start->argc : ARGS_MAX;
	struct stack stack = {top};
	uint64_t args[ARGS_MAX], random, *at, *begin;
	uint8_t bytes[RANDOM_BYTES];

	random_fill(bytes, sizeof(bytes));
	random = push_bytes(&stack, bytes, sizeof(bytes));
	for (uint32_t i = 0; i < argc; i++)
		args[i] = push_text(&stack, exo_start_arg(i));
	/* argc, arguments, NULL, NULL (no environment), 16 auxiliary entries; 16-byte aligned. */
	begin = (uint64_t *)((stack.at - (argc + 3 + 2 * 16) * sizeof(*begin)) & ~15ull);
	at = begin;
	*at++ = argc;
	for (uint32_t i = 0; i < argc; i++)
		*at++ = args[i];
	*at++ = 0;
	*at++ = 0;
	put_auxiliary(at, random, argc > 0 ? args[0] : 0, entry);
	return (uintptr_t)begin;
}

static __attribute__((noreturn)) void give_up(const char *what)
{
	exo_printf("libexo: %s\n", what);
	exo_exit(127);
}

void exo_runtime_start(void);
void exo_runtime_start(void)
{
	uint64_t entry = exo_start_page()->entry, bottom, sp;

	if (entry == 0)
		entry = (uintptr_t)_start;
	exo_runtime_init();
	vm_init();
	if (exo_upcall_handle(EXO_UPCALL_OWN_CALL, linux_own_call, NULL) < 0 ||
	    exo_upcall_handle(EXO_UPCALL_ADDRESSING, vm_fault, NULL) < 0)
		give_up("the personality's upcalls are refused");
	bottom = vm_reserve(STACK_BYTES, STACK_END);
	if (bottom == 0 || !vm_prepare(STACK_END - PREPARED_BYTES, PREPARED_BYTES, true))
		give_up("no memory for the stack");
	sp = build_stack(STACK_END, entry);
	__asm__ volatile("movq %0, %%rsp\n\t"
	                 "xorl %%edx, %%edx\n\t"
	                 "xorl %%ebp, %%ebp\n\t"
	                 "jmp *%1"
	                 :
	                 : "r"(sp), "r"(entry)
	                 : "rdx", "memory");
	__builtin_unreachable();
}
