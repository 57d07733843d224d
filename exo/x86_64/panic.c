/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Panic: the reason, the registers, a backtrace by frame pointers, then all cores stop. Uses the
 * stack, the serial port and nothing else: no lock, no heap. Frames of DPDK's archives have no
 * frame pointers, so the trace may skip them.
 */
#include "panic.h"

#include <stdio.h>

#include "../dev/power.h"
#include "apic.h"
#include "../dev/console.h"
#include "kernel.h"
#include "paging.h"

enum {
	FRAMES_MOST = 24,
};

static volatile uint32_t panicked;

static void __attribute__((noreturn)) halt(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

void panic_stop_if_asked(void)
{
	if (panicked != 0)
		halt();
}

/* The first panic goes on; a second one, of another core or inside the first, only stops. */
static void claim(void)
{
	if (__atomic_exchange_n(&panicked, 1, __ATOMIC_SEQ_CST) != 0)
		halt();
	x86_console_break();
	apic_stop_others();
}

static void print_registers(const struct exo_regs *r)
{
	x86_print("  rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", r->rax, r->rbx, r->rcx,
	          r->rdx);
	x86_print("  rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", r->rsi, r->rdi, r->rbp,
	          r->rsp);
	x86_print("  r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", r->r8, r->r9, r->r10, r->r11);
	x86_print("  r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", r->r12, r->r13, r->r14,
	          r->r15);
	x86_print("  rip %016lx flags %lx cs %lx ss %lx\n", r->rip, r->rflags, r->cs, r->ss);
}

static void print_place(uint64_t address)
{
	uint64_t offset;
	const char *name = symbols_find(address, &offset);

	if (name != NULL)
		x86_print("  %016lx %s+0x%lx\n", address, name, offset);
	else
		x86_print("  %016lx\n", address);
}

/* Frames lie on the kernel's stacks, ever higher; anything else ends the walk. */
static bool is_frame(uint64_t frame, uint64_t below)
{
	return frame % 8 == 0 && frame > below && frame >= X86_STACK_BASE &&
	       x86_physical((void *)frame) != UINT64_MAX &&
	       x86_physical((void *)(frame + 15)) != UINT64_MAX;
}

static void print_backtrace(uint64_t frame)
{
	uint64_t below = 0;

	for (unsigned i = 0; i < FRAMES_MOST && is_frame(frame, below); i++) {
		const uint64_t *words = (const uint64_t *)frame;

		if (words[1] == 0)
			break;
		print_place(words[1]);
		below = frame;
		frame = words[0];
	}
}

static void __attribute__((noreturn)) finish(void)
{
	x86_out32(DEV_POWER_EXIT_PORT, PANIC_EXIT_CODE);
	halt();
}

static void print_reason(const char *format, va_list arguments)
{
	char text[256];

	vsnprintf(text, sizeof(text), format, arguments);
	x86_print("\nPANIC on core %u: %s\n", cpu_this()->number, text);
}

void panic_at(const struct exo_regs *regs, const char *format, ...)
{
	va_list arguments;

	claim();
	va_start(arguments, format);
	print_reason(format, arguments);
	va_end(arguments);
	x86_print("  cr2 %016lx cr3 %016lx cr4 %lx\n", cpu_read_cr2(), cpu_read_cr3(),
	          cpu_read_cr4());
	print_registers(regs);
	print_place(regs->rip);
	print_backtrace(regs->rbp);
	finish();
}

void machine_panic(const char *format, ...)
{
	va_list arguments;

	claim();
	va_start(arguments, format);
	print_reason(format, arguments);
	va_end(arguments);
	print_backtrace((uint64_t)__builtin_frame_address(0));
	finish();
}

void machine_power(enum exo_power what, uint32_t code)
{
	x86_console_break();
	dev_power(what, code);
	x86_print("this machine cannot be turned off by software; it is halted\n");
	halt();
}
