/* SPDX-License-Identifier: BSD-2-Clause */
/* Ring 3 from the kernel's side: what comes out of machine_run. */
#include <exo/cap.h>
#include <exo/error.h>
#include <exo/layout.h>

#include <string.h>
#include "../kernel.h"
#include "../run.h"
#include "selftest.h"

#define CODE  0x400000ull
#define STACK 0x7fff0000ull

extern const uint8_t user_code[], user_code_end[];
extern const uint8_t user_call[], user_leaf[], user_leaf_cost[], user_divide[], user_undefined[],
        user_breakpoint[], user_software_interrupt[], user_cli[], user_halt[], user_port[],
        user_read_cr0[], user_wrmsr[], user_swapgs[], user_sgdt[], user_read_kernel[],
        user_jump_kernel[], user_jump_nowhere[], user_write[], user_jump[], user_spin[],
        user_step[], user_vectors[], user_vectors_clean[], user_bases[], user_read_bases[];

static struct machine_space *space;
static struct machine_pe *pe;
static struct machine_trap trap;

static struct machine_pe *new_pe(void)
{
	struct machine_pe *new = machine_alloc(sizeof(*new));

	MACHINE_ASSERT(new != NULL &&machine_pe_init(new) == 0);
	new->regs.rsp = STACK + EXO_PAGE_SIZE - 64;
	new->space = space;
	return new;
}

static void set_up(void)
{
	uint64_t code = take_frame(), stack = take_frame();

	memcpy(machine_frame(code), user_code, (size_t)(user_code_end - user_code));
	MACHINE_ASSERT(machine_space_create(&space) == 0);
	MACHINE_ASSERT(
	        machine_space_map(space, CODE, code, EXO_RIGHT_READ | EXO_RIGHT_EXEC, NULL) == 0);
	MACHINE_ASSERT(machine_space_map(space, STACK, stack, EXO_RIGHT_READ | EXO_RIGHT_WRITE,
	                                 NULL) == 0);
	pe = new_pe();
}

static uint64_t place(const uint8_t *piece)
{
	return CODE + (uint64_t)(piece - user_code);
}

static void run(const uint8_t *piece)
{
	if (piece != NULL)
		pe->regs.rip = place(piece);
	machine_run(pe, &trap);
}

static void expect_exception(const uint8_t *piece, unsigned vector, uint64_t error,
                             const char *what)
{
	run(piece);
	check_equal(trap.kind, MACHINE_TRAP_EXCEPTION, what);
	check_equal(trap.vector, vector, what);
	check_equal(trap.error, error, what);
}

static void expect_page(const uint8_t *piece, uint64_t address, uint64_t error, const char *what)
{
	run(piece);
	check_equal(trap.kind, MACHINE_TRAP_PAGE, what);
	check_equal(trap.address, address, what);
	check_equal(trap.error, error, what);
}

/* ---- Calls keep every register but rcx and r11, by sysret and by iretq ---- */

static void fill(struct exo_regs *regs)
{
	uint64_t *words = (uint64_t *)regs;

	for (unsigned i = 0; i < 15; i++)
		words[i] = 0x1111111111111111ull * (i + 1);
}

static void check_filled(const struct exo_regs *regs, const char *what)
{
	const uint64_t *words = (const uint64_t *)regs;

	for (unsigned i = 0; i < 15; i++) {
		if (i != 2 && i != 10) /* rcx, r11 */
			check_equal(words[i], 0x1111111111111111ull * (i + 1), what);
	}
}

static void calls(void)
{
	set_up();
	fill(&pe->regs);
	run(user_call);
	check_equal(trap.kind, MACHINE_TRAP_CALL, "syscall traps as a call");
	check_equal(pe->regs.rip, place(user_call) + 2, "rip is behind the instruction");
	check_equal(pe->regs.rsp, STACK + EXO_PAGE_SIZE - 64, "rsp is kept");
	check_equal(pe->regs.cs, USER_CODE, "cs is ring 3's");
	check_filled(&pe->regs, "registers after iretq and syscall");
	expect_exception(NULL, 6, 0, "sysret goes on behind the call");
	check_filled(&pe->regs, "registers after sysret");
	check_equal(pe->regs.rsp, STACK + EXO_PAGE_SIZE - 64, "rsp after sysret");
}

/* A leaf call does not come out; one that its handler declines does, with all registers. */
static void leaves(void)
{
	set_up();
	pe->regs.rax = EXO_CALL_BASE + 3;
	pe->regs.rdi = 40;
	pe->regs.rsi = 1;
	pe->regs.rdx = 1;
	run(user_leaf);
	check_equal(trap.kind, MACHINE_TRAP_CALL, "the call behind the leaf comes out");
	check_equal(pe->regs.rax, 0, "its number");
	check_equal(pe->regs.rbx, 42, "the leaf's answer");
	check_equal(pe->regs.rdx, 1, "a register around a leaf");
	fill(&pe->regs);
	pe->regs.rax = EXO_CALL_BASE + 3;
	run(user_call);
	check_equal(trap.kind, MACHINE_TRAP_CALL, "a declined leaf comes out");
	check_equal(pe->regs.rax, EXO_CALL_BASE + 3, "with its number");
	check_equal(pe->regs.rip, place(user_call) + 2, "and its place");
	pe->regs.rax = 0x1111111111111111;
	check_filled(&pe->regs, "registers of a declined leaf");
	pe->regs.rax = EXO_CALL_BASE + 4;
	run(user_call);
	check_equal(trap.kind, MACHINE_TRAP_CALL, "what is not a leaf comes out");
	pe->regs.rax = EXO_CALL_BASE - 1;
	run(user_call);
	check_equal(trap.kind, MACHINE_TRAP_CALL, "a number below comes out");
	check_equal(pe->regs.rax, EXO_CALL_BASE - 1, "unchanged");
}

/* ---- Faults come out as what they are ---- */

static void exceptions(void)
{
	set_up();
	expect_exception(user_divide, 0, 0, "divide error");
	expect_exception(user_undefined, 6, 0, "invalid opcode");
	expect_exception(user_breakpoint, 3, 0, "breakpoint");
	run(user_software_interrupt); /* QEMU's error code is not the CPU's */
	check_equal(trap.vector, 13, "int 0x80");
	expect_exception(user_cli, 13, 0, "cli");
	expect_exception(user_halt, 13, 0, "hlt");
	expect_exception(user_port, 13, 0, "in");
	expect_exception(user_read_cr0, 13, 0, "mov from cr0");
	expect_exception(user_wrmsr, 13, 0, "wrmsr");
	expect_exception(user_swapgs, 13, 0, "swapgs");
	if (cpu_has(EXO_FEATURE_UMIP))
		expect_exception(user_sgdt, 13, 0, "sgdt under UMIP");
	expect_page(user_read_kernel, 0xffffffff80200000ull, 5, "read of the kernel's text");
	expect_page(user_jump_kernel, 0xffffffff80200000ull, 0x15, "jump to the kernel's text");
	expect_exception(user_jump_nowhere, 13, 0, "jump to a non-canonical address");
}

static void bad_states(void)
{
	set_up();
	pe->regs.rip = 0x800000000000ull;
	expect_exception(NULL, 13, 0, "non-canonical rip for iretq");
	pe->regs.rcx = pe->regs.rip;
	pe->regs.r11 = FLAGS_ALWAYS;
	expect_exception(NULL, 13, 0, "non-canonical rip for sysret");
	pe->regs.rip = (uint64_t)kernel_start;
	pe->regs.rcx = pe->regs.rip;
	expect_page(NULL, (uint64_t)kernel_start, 0x15, "the kernel's rip for sysret");
	pe->regs.rsp = 0x8000000000000000ull;
	run(user_call);
	check_equal(trap.kind, MACHINE_TRAP_CALL, "a call with a non-canonical rsp");
	pe->regs.rflags = UINT64_MAX & ~0x100ull;
	pe->regs.cs = pe->regs.ss = 0x10;
	run(user_call);
	check_equal(trap.kind, MACHINE_TRAP_CALL, "wild flags and selectors");
	check_equal(pe->regs.rflags & ~(uint64_t)FLAGS_USER, FLAGS_ALWAYS, "flags are masked");
	pe->regs.rflags = 0x100;
	expect_exception(user_step, 1, 0, "single step");
	check_equal(pe->regs.rip, place(user_step) + 1, "one instruction was stepped");
}

static void rights(void)
{
	uint64_t frame, other = take_frame();
	unsigned what;

	set_up();
	check_equal((uint64_t)machine_space_map(space, 0x500000, other, EXO_RIGHT_READ, NULL), 0,
	            "map");
	pe->regs.rdi = 0x500000;
	expect_page(user_write, 0x500000, 7, "write to a read-only page");
	expect_page(user_jump, 0x500000, 0x15, "execution of a page without the right");
	pe->regs.rdi = 0x600000;
	expect_page(user_write, 0x600000, 6, "write to nothing");
	machine_space_map(space, 0x500000, other, EXO_RIGHT_READ | EXO_RIGHT_WRITE, NULL);
	machine_space_flush(space, 0x500000, 1);
	pe->regs.rdi = 0x500000;
	pe->regs.rax = 0x1234567890abcdefull;
	expect_exception(user_write, 6, 0, "write after the right was given");
	check_equal(*(uint64_t *)machine_frame(other), 0x1234567890abcdefull, "what was written");
	check_equal((uint64_t)machine_space_query(space, 0x500000, &frame, &what), 0, "query");
	check_equal(frame, other, "the frame of the query");
	check_equal(what, EXO_RIGHT_READ | EXO_RIGHT_WRITE, "the rights of the query");
	check_equal((uint64_t)machine_space_unmap(space, 0x500000, &frame), 0, "unmap");
	machine_space_flush(space, 0x500000, 1);
	check_equal((uint64_t)machine_space_unmap(space, 0x500000, &frame), (uint64_t)-EXO_ENOENT,
	            "unmap of nothing");
	expect_page(user_write, 0x500000, 6, "write after unmap");
}

static void copiers(void)
{
	uint64_t two = take_frame();
	char buffer[128];

	set_up();
	machine_space_map(space, 0x500000, two, EXO_RIGHT_READ, NULL);
	run(user_undefined); /* loads the space */
	check_equal((uint64_t)machine_copy_in(buffer, 0x500000, 128), 0, "copy in");
	check_equal((uint64_t)machine_copy_in(buffer, 0x501000 - 64, 128), (uint64_t)-EXO_EFAULT,
	            "copy in across the end");
	check_equal((uint64_t)machine_copy_in(buffer, 0x501000 - 3, 3), 0, "copy of odd bytes");
	check_equal((uint64_t)machine_copy_out(0x500000, buffer, 8), (uint64_t)-EXO_EFAULT,
	            "copy out to a read-only page");
	check_equal((uint64_t)machine_copy_in(buffer, (uint64_t)kernel_start, 8),
	            (uint64_t)-EXO_EFAULT, "copy in from the kernel");
	check_equal((uint64_t)machine_copy_in(buffer, EXO_USER_END - 4, 8), (uint64_t)-EXO_EFAULT,
	            "copy in across the border");
	check_equal((uint64_t)machine_copy_in(buffer, UINT64_MAX - 3, 8), (uint64_t)-EXO_EFAULT,
	            "copy in across the end of numbers");
	check_equal((uint64_t)machine_copy_in(buffer, 0, 8), (uint64_t)-EXO_EFAULT, "NULL");
	check_equal((uint64_t)machine_copy_out(STACK, "Sluice", 7), 0, "copy out");
	check_equal((uint64_t)machine_copy_in(buffer, STACK, 7), 0, "and in again");
	check(memcmp(buffer, "Sluice", 7) == 0, "what was copied");
}

/* ---- Tables in bounded memory: far-apart pages run into the bound, and come back ---- */

static void bound(void)
{
	uint64_t frame = take_frame(), got, n, again;
	struct machine_space *other;

	MACHINE_ASSERT(machine_space_create(&other) == 0);
	for (n = 0; machine_space_map(other, (n + 1) << 30, frame, EXO_RIGHT_READ, NULL) == 0; n++)
		;
	x86_print("selftest: %lu pages a GiB apart\n", n);
	check(n > 8 && n < 100000, "the bound is where one expects it");
	for (uint64_t i = 0; i < n; i++)
		check_equal((uint64_t)machine_space_unmap(other, (i + 1) << 30, &got), 0, "unmap");
	machine_space_flush(other, 0, 1);
	for (again = 0;
	     machine_space_map(other, (again + 1) << 30, frame, EXO_RIGHT_READ, NULL) == 0; again++)
		;
	check_equal(again, n, "as many again after all were unmapped");
	machine_space_destroy(other);
}

/* ---- Time ---- */

/* What passed while the kernel ran interrupts nobody once it is set anew. */
static void late_timers(void)
{
	uint64_t wait = machine_info()->tsc_hz / 100, end;

	set_up();
	end = machine_tsc() + wait;
	machine_timer(machine_tsc() + 1);
	while (machine_tsc() < end)
		cpu_pause();
	machine_timer(UINT64_MAX);
	run(user_call);
	check_equal(trap.kind, MACHINE_TRAP_CALL, "a timer that passed before is over");
}

/* The timer's clock and the TSC differ by what measuring them left: half of the time is far inside
 * that, and an interrupt that never comes hangs the test. So does a spin that never runs: a busy
 * host may let the time pass before ring 3's first instruction, but not for ever. */
static void preemption(void)
{
	uint64_t start, wait = machine_info()->tsc_hz / 100;

	set_up();
	pe->regs.rax = 0;
	do {
		start = machine_tsc();
		machine_timer(start + wait);
		run(user_spin);
		check_equal(trap.kind, MACHINE_TRAP_INTERRUPT, "the timer ends a spin");
		check(machine_tsc() - start >= wait / 2, "not much before its time");
	} while (pe->regs.rax == 0);
	start = machine_tsc();
	machine_idle(start + wait);
	check(machine_tsc() - start >= wait / 2, "idling lasts until its deadline");
	late_timers();
}

/* ---- State that is not in the general registers ---- */

static void vectors(void)
{
	struct machine_pe *one, *two, *fresh;

	set_up();
	one = pe;
	two = new_pe();
	fresh = new_pe();
	one->regs.rdi = 0x1111222233334444;
	run(user_vectors);
	pe = fresh;
	run(user_vectors_clean);
	check_equal(pe->regs.rsi, 0, "a new PE's xmm0");
	check_equal(pe->regs.r8, 0, "a new PE's xmm15");
	pe = two;
	two->regs.rdi = 0x5555666677778888;
	run(user_vectors);
	machine_vector_begin();
	__asm__ volatile("pxor %%xmm0, %%xmm0; pxor %%xmm15, %%xmm15; fninit" ::: "memory");
	machine_vector_end();
	run(NULL);
	check_equal(two->regs.rsi, 0x5555666677778888, "xmm0 after the kernel used vectors");
	check_equal(two->regs.rdx, 0x5555666677778888, "x87 after the kernel used vectors");
	pe = one;
	run(NULL);
	check_equal(one->regs.rsi, 0x1111222233334444, "xmm0 after other PEs");
	check_equal(one->regs.r8, 0x1111222233334444, "xmm15 after other PEs");
	check_equal(one->regs.rdx, 0x1111222233334444, "x87 after other PEs");
	machine_pe_fini(one);
	machine_pe_fini(two);
}

static void bases(void)
{
	set_up();
	machine_copy_out(STACK, "", 0);
	run(user_undefined);
	((uint64_t *)machine_frame(take_frame()))[0] = 0;
	check_equal((uint64_t)machine_copy_out(STACK, "abcdefg", 8), 0, "copy out");
	check_equal((uint64_t)machine_copy_out(STACK + 8, "hijklmn", 8), 0, "copy out");
	pe->regs.fs_base = STACK;
	pe->regs.gs_base = STACK;
	run(user_read_bases);
	check(memcmp(&pe->regs.rbx, "abcdefg", 8) == 0, "memory behind FS base");
	check(memcmp(&pe->regs.rbp, "hijklmn", 8) == 0, "memory behind GS base");
	check_equal(pe->regs.fs_base, STACK, "FS base is kept");
	check_equal(pe->regs.gs_base, STACK, "GS base is kept");
	if (!cpu_has(EXO_FEATURE_FSGSBASE))
		return;
	pe->regs.rdi = 0x12345000;
	pe->regs.rsi = 0x6789a000;
	run(user_bases);
	check_equal(pe->regs.fs_base, 0x12345000, "FS base as ring 3 set it");
	check_equal(pe->regs.gs_base, 0x6789a000, "GS base as ring 3 set it");
	pe->regs.fs_base = 0x54321000;
	run(NULL);
	check_equal(pe->regs.rax, 0x54321000, "FS base as the kernel set it");
	check_equal(pe->regs.rbx, 0x6789a000, "GS base came back");
}

/* What a core's TLB still says of a page whose rights another one has changed since is no mistake:
 * the faults come as from such a core. */
static void stale_code(void)
{
	enum { PAGE_FAULT = 14, WRITE = 3, FETCH = 0x11 };
	uint8_t *window = machine_code_alloc(EXO_PAGE_SIZE);
	struct exo_regs regs = {.rip = (uint64_t)stale_code};

	cpu_write_cr2((uint64_t)window);
	x86_kernel_trap(&regs, PAGE_FAULT, WRITE);
	check_equal((uint64_t)machine_code_seal(window, EXO_PAGE_SIZE), 0, "sealing");
	cpu_write_cr2((uint64_t)window);
	x86_kernel_trap(&regs, PAGE_FAULT, FETCH);
	machine_code_free(window, EXO_PAGE_SIZE);
	cpu_write_cr2((uint64_t)window);
	x86_kernel_trap(&regs, PAGE_FAULT, WRITE);
	check_equal(regs.rip, (uint64_t)stale_code, "gone on where it was");
}

static void heap(void)
{
	void *blocks[64];

	for (unsigned round = 0; round < 1000; round++) {
		for (unsigned i = 0; i < 64; i++) {
			size_t size = 1 + (round * 97 + i * 61) % 9000;

			blocks[i] = machine_alloc(size);
			check(blocks[i] != NULL && (uintptr_t)blocks[i] % 64 == 0, "alignment");
			check(x86_alloc_size(blocks[i]) >= size, "size");
			check(((uint8_t *)blocks[i])[size - 1] == 0, "cleared");
			memset(blocks[i], 0xaa, size);
		}
		for (unsigned i = 0; i < 64; i++)
			machine_free(blocks[i * 29 % 64]);
	}
	blocks[0] = x86_alloc_raw(3000000, 2 << 20);
	check(blocks[0] != NULL && (uintptr_t)blocks[0] % (2 << 20) == 0, "large alignment");
	check(machine_alloc(SIZE_MAX) == NULL, "more than there is");
	machine_free(blocks[0]);
}

/* How many guest instructions the border costs: read with `-icount shift=0`, where the TSC counts
 * them. Printed, not judged. */
static void cost(void)
{
	uint64_t start, empty;

	set_up();
	start = machine_tsc();
	empty = machine_tsc() - start;
	run(user_call);
	for (unsigned i = 0; i < 3; i++) {
		pe->regs.rip = pe->regs.rcx = place(user_call);
		pe->regs.r11 = pe->regs.rflags;
		start = machine_tsc();
		machine_run(pe, &trap);
		x86_print("selftest: machine_run around one syscall: %lu\n",
		          machine_tsc() - start - empty);
	}
	pe->regs.rax = EXO_CALL_BASE + 3;
	run(user_leaf_cost);
	x86_print("selftest: a leaf call: %lu\n", pe->regs.rbx - pe->regs.rbp);
}

static void reset(void)
{
	machine_power(EXO_POWER_RESET, 0);
}

static void power_off(void)
{
	machine_power(EXO_POWER_OFF, 0);
}

const struct selftest rings[] = {
        {"calls", calls},
        {"leaves", leaves},
        {"exceptions", exceptions},
        {"bad-states", bad_states},
        {"rights", rights},
        {"copiers", copiers},
        {"bound", bound},
        {"preemption", preemption},
        {"vectors", vectors},
        {"bases", bases},
        {"heap", heap},
        {"stale-code", stale_code},
        {"cost", cost},
        {"reset", reset},
        {"power-off", power_off},
        {NULL, NULL},
};
