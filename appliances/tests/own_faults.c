/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An environment that handles its own faults: it maps a page where one is missing, steps over a
 * division by zero, counts timer events, and goes on each time with every register as it was.
 */
#include <stdbool.h>
#include <stdint.h>

#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/memory.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>
#include <libexo/upcall.h>

#define WINDOW 0x10000000ull

enum {
	PAGES = 16,
	DIVIDE_ERROR = 0,
	TIMER_EVENTS = 500,
};

static struct exo_pages pool;
static unsigned mapped, divided;
static volatile unsigned timers;
static int failures;

static void expect(bool truth, const char *what)
{
	if (truth)
		return;
	exo_printf("%s: wrong\n", what);
	failures++;
}

static bool page_fault(struct exo_pe *pe, void *arg)
{
	uint64_t page = pe->upcall.address & ~(EXO_PAGE_SIZE - 1);
	struct exo_mapping mapping = {
	        .address = page, .count = 1, .rights = EXO_RIGHT_READ | EXO_RIGHT_WRITE};

	if (page < WINDOW || page >= WINDOW + PAGES * EXO_PAGE_SIZE || mapped == PAGES)
		return false;
	mapping.frame = pool.frame + mapped++;
	return exo_map(NULL, &mapping, 1) == 1;
}

/* Every division of divide() is two bytes long. */
static bool exception(struct exo_pe *pe, void *arg)
{
	if (pe->upcall.vector != DIVIDE_ERROR)
		return false;
	divided++;
	pe->saved.rip += 2;
	return true;
}

static bool interrupt(struct exo_pe *pe, void *arg)
{
	if ((pe->upcall.events & EXO_EVENT_TIMER) == 0)
		return true;
	timers++;
	exo_timer(exo_tsc() + exo_time_ticks(100000));
	return true;
}

/* Divides by zero with known values in all other registers. → whether they were still there. */
static bool divide(void)
{
	uint64_t sum;

	__asm__ volatile("xorl %%ecx, %%ecx\n\t"
	                 "movl $1, %%eax\n\t"
	                 "xorl %%edx, %%edx\n\t"
	                 "movl $2, %%esi\n\t"
	                 "movl $3, %%edi\n\t"
	                 "movl $4, %%r8d\n\t"
	                 "movl $5, %%r9d\n\t"
	                 "movl $6, %%r10d\n\t"
	                 "movl $7, %%r11d\n\t"
	                 "movl $8, %%r12d\n\t"
	                 "movl $9, %%r13d\n\t"
	                 "movl $10, %%r14d\n\t"
	                 "movl $11, %%r15d\n\t"
	                 "stc\n\t"
	                 "divl %%ecx\n\t"
	                 "adcq %%rsi, %%rax\n\t"
	                 "addq %%rdi, %%rax\n\t"
	                 "addq %%r8, %%rax\n\t"
	                 "addq %%r9, %%rax\n\t"
	                 "addq %%r10, %%rax\n\t"
	                 "addq %%r11, %%rax\n\t"
	                 "addq %%r12, %%rax\n\t"
	                 "addq %%r13, %%rax\n\t"
	                 "addq %%r14, %%rax\n\t"
	                 "addq %%r15, %%rax"
	                 : "=&a"(sum)
	                 :
	                 : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
	                   "r14", "r15", "cc", "memory");
	return sum == 1 + 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10 + 11;
}

static void try_pages(void)
{
	volatile uint64_t *window = (volatile uint64_t *)WINDOW;

	for (size_t i = 0; i < PAGES; i++) {
		expect(window[i * 512] == 0, "a page comes zeroed");
		window[i * 512] = i;
	}
	for (size_t i = 0; i < PAGES; i++)
		expect(window[i * 512] == i, "a page keeps its content");
	expect(mapped == PAGES, "one fault for each page");
}

/* A computation whose result shows any register that an upcall spoils. */
static uint64_t churn(uint64_t rounds)
{
	uint64_t a = 1, b = 2, c = 3, d = 4;

	for (uint64_t i = 0; i < rounds; i++) {
		a = a * 6364136223846793005ull + i;
		b ^= a >> 13;
		c += b << 7;
		d = (d << 5 | d >> 59) ^ c;
	}
	return a ^ b ^ c ^ d;
}

static void try_timers(void)
{
	uint64_t expected = churn(20000), until = exo_time_now_ns() + 10000000000ull;

	expect(exo_upcall_handle(EXO_UPCALL_INTERRUPT, interrupt, NULL) == 0, "interrupt entry");
	exo_timer(exo_tsc() + exo_time_ticks(100000));
	while (timers < TIMER_EVENTS && exo_time_now_ns() < until)
		expect(churn(20000) == expected, "a computation under timer upcalls");
	exo_timer(0);
	expect(timers >= TIMER_EVENTS, "timer upcalls");
}

int exo_main(void)
{
	if (exo_pages_alloc(&pool, PAGES) < 0) {
		exo_printf("no frames\n");
		return 1;
	}
	expect(exo_upcall_handle(EXO_UPCALL_ADDRESSING, page_fault, NULL) == 0, "addressing entry");
	expect(exo_upcall_handle(EXO_UPCALL_EXCEPTION, exception, NULL) == 0, "exception entry");
	try_pages();
	for (int i = 0; i < 100; i++)
		expect(divide(), "registers over a divide error");
	expect(divided == 100, "one upcall for each divide error");
	try_timers();
	exo_printf("%u pages, %u divisions, %u timers: %s\n", mapped, divided, timers,
	           failures == 0 ? "all is well" : "not all is well");
	return failures == 0 ? 0 : 1;
}
