/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads for drivers that want some, and for control work: coroutines on the first core, each with
 * a stack of its own, switched only where they wait or delay. "The core's own context" below is
 * what is no thread: the kernel's loop, or its way through boot.
 *
 * A wait (a condition variable, a pipe, a mutex, a join) lets any other thread run. A delay does
 * not: drivers delay with spinlocks held that another thread would spin on for ever, so until the
 * delay is over only the core's own context goes on, which does no control operations then. In the
 * core's own context a delay spins.
 *
 * Threads share the thread-local variables of the core: they differ in nothing that DPDK keeps
 * there (lcore id, affinity).
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_lcore.h>
#include <rte_pause.h>
#include <rte_spinlock.h>

#include "../core/machine.h"
#include "../x86_64/x86.h"
#include "internal.h"
#include "thread.h"

enum { STACK_SIZE = 64 << 10, RECHECK_US = 100 };

static const uint64_t stack_mark = 0x6b72616d6b636174;

struct thread {
	struct thread *next;
	void *stack, *pointer; /* pointer: of the stack, while it does not run */
	void *back;            /* stack pointer of who resumed it */
	struct thread *resumer;
	bool (*ready)(void *); /* NULL: only `wake` counts */
	void *argument;
	uint64_t wake; /* TSC */
	bool delaying, done, detached, cancelled;
	void *(*run)(void *);
	void *run_argument, *result;
};

static struct thread *threads; /* all, in no order */
static struct thread *current; /* NULL: the core's own context */
static struct thread *control; /* runs alarms and interrupt callbacks */
bool dpdk_delays_serve;
static volatile uint64_t due; /* see dpdk_threads_due */

uint64_t dpdk_after_us(uint64_t us)
{
	uint64_t now = rte_rdtsc(), hz = x86_tsc_hz();
	uint64_t ticks = us / US_PER_S * hz + us % US_PER_S * hz / US_PER_S;

	return us >= UINT32_MAX * 1000ull || ticks > UINT64_MAX - now ? UINT64_MAX : now + ticks;
}

/*
 * Saves the callee's registers, x87 and SSE control words (psABI, 3.2.3) on the stack in use,
 * whose pointer goes to *save, and goes on with the stack at `load`.
 */
void dpdk_switch(void **save, void *load);

__asm__(".text\n"
        ".globl dpdk_switch\n"
        ".type dpdk_switch, @function\n"
        "dpdk_switch:\n"
        "	push %rbp\n	push %rbx\n	push %r12\n	push %r13\n	push %r14\n	"
        "push %r15\n"
        "	sub $8, %rsp\n	stmxcsr (%rsp)\n	fnstcw 4(%rsp)\n"
        "	mov %rsp, (%rdi)\n"
        "	mov %rsi, %rsp\n"
        "	ldmxcsr (%rsp)\n	fldcw 4(%rsp)\n	add $8, %rsp\n"
        "	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbx\n	"
        "pop %rbp\n"
        "	ret\n"
        ".size dpdk_switch, . - dpdk_switch\n");

static void yield(void)
{
	dpdk_switch(&current->pointer, current->back);
}

static void start(void)
{
	current->result = current->run(current->run_argument);
	current->done = true;
	due = 0;
	for (;;)
		yield();
}

static void resume(struct thread *t)
{
	t->resumer = current;
	current = t;
	dpdk_switch(&t->back, t->pointer);
	current = t->resumer;
	if (*(uint64_t *)t->stack != stack_mark)
		machine_panic("dpdk: a driver's thread overran its stack of %d bytes", STACK_SIZE);
}

/* The stack as dpdk_switch leaves it: control words, six registers, return address. */
static void *first_frame(void *stack)
{
	uint64_t *top =
	        (uint64_t *)((char *)stack + STACK_SIZE) - 1; /* rsp + 8 is aligned at entry */

	*--top = (uint64_t)start;
	top -= 6;
	*--top = 0x037full << 32 | 0x1f80; /* x87 control word, MXCSR: as at reset */
	*(uint64_t *)stack = stack_mark;
	return top;
}

struct thread *dpdk_thread_start(void *(*run)(void *), void *argument)
{
	struct thread *t = calloc(1, sizeof(*t));

	if (t == NULL || (t->stack = calloc(1, STACK_SIZE)) == NULL) {
		free(t);
		return NULL;
	}
	t->run = run;
	t->run_argument = argument;
	t->pointer = first_frame(t->stack);
	t->next = threads;
	threads = t;
	resume(t);
	return t;
}

static void destroy(struct thread *t)
{
	struct thread **link = &threads;

	while (*link != t)
		link = &(*link)->next;
	*link = t->next;
	free(t->stack);
	free(t);
}

static bool is_done(void *argument)
{
	const struct thread *t = argument;

	/* A cancelled thread ends where it waits, and all that don't run wait or delay. */
	return t->done || (t->cancelled && !t->delaying);
}

void *dpdk_thread_join(struct thread *t)
{
	void *result;

	dpdk_wait(is_done, t, UINT64_MAX);
	result = t->done ? t->result : PTHREAD_CANCELED;
	destroy(t);
	return result;
}

void dpdk_thread_detach(struct thread *t)
{
	t->detached = true;
}

void dpdk_thread_cancel(struct thread *t)
{
	t->cancelled = true;
	due = 0;
}

struct thread *dpdk_thread_current(void)
{
	return machine_core() == 0 ? current : NULL;
}

static bool may_go_on(struct thread *t, uint64_t now)
{
	return now >= t->wake || (!t->delaying && t->ready != NULL && t->ready(t->argument));
}

static bool somebody_delays(void)
{
	for (struct thread *t = threads; t != NULL; t = t->next)
		if (t->delaying && !t->done)
			return true;
	return false;
}

static bool is_resumable(struct thread *t)
{
	for (struct thread *r = current; r != NULL; r = r->resumer)
		if (r == t)
			return false; /* it runs, or waits for one that it resumed */
	return !t->done && !is_done(t);
}

static void recompute_due(void)
{
	bool delays = somebody_delays();
	uint64_t earliest = UINT64_MAX;

	for (struct thread *t = threads; t != NULL; t = t->next)
		if (!t->done && (t->delaying || !delays))
			earliest = RTE_MIN(earliest, t->wake);
	if (!delays) {
		earliest = RTE_MIN(earliest, dpdk_alarms_due());
		earliest = RTE_MIN(earliest, dpdk_interrupts_due());
	}
	due = earliest;
}

static void run_all(void)
{
	bool delays = somebody_delays();
	uint64_t now = rte_rdtsc();

	for (struct thread *t = threads, *next; t != NULL; t = next) {
		if (is_resumable(t) && (t->delaying || !delays) && may_go_on(t, now)) {
			t->delaying = false;
			resume(t);
		}
		next = t->next;
		if (t->detached && is_done(t))
			destroy(t);
	}
}

void dpdk_threads_run(void)
{
	due = UINT64_MAX; /* what happens from here on lowers it again */
	run_all();
	if (due != 0)
		recompute_due();
}

uint64_t dpdk_threads_due(void)
{
	return due;
}

void dpdk_threads_kick(void)
{
	due = 0;
}

static void wait_on_other_core(bool (*ready)(void *), void *argument, uint64_t deadline)
{
	while (!ready(argument) && rte_rdtsc() < deadline)
		rte_pause();
}

static void wait_here(bool (*ready)(void *), void *argument, uint64_t deadline)
{
	uint64_t recheck = dpdk_after_us(RECHECK_US);

	if (current == NULL) {
		run_all();
		rte_pause();
		return;
	}
	current->ready = ready;
	current->argument = argument;
	current->wake = current == control ? RTE_MIN(deadline, recheck) : deadline;
	yield();
}

bool dpdk_wait(bool (*ready)(void *), void *argument, uint64_t deadline)
{
	if (machine_core() != 0) {
		wait_on_other_core(ready, argument, deadline);
		return ready(argument);
	}
	while (!ready(argument) && rte_rdtsc() < deadline) {
		if (current == NULL || current == control)
			dpdk_interrupts_run(true);
		wait_here(ready, argument, deadline);
	}
	return ready(argument);
}

void dpdk_delay_us(unsigned us)
{
	if (dpdk_thread_current() == NULL) {
		if (dpdk_delays_serve)
			dpdk_interrupts_run(true);
		x86_delay_us(us);
		return;
	}
	current->delaying = true;
	current->wake = dpdk_after_us(us);
	yield();
}

static bool has_work(void *argument)
{
	uint64_t now = rte_rdtsc();

	return now >= dpdk_alarms_due() || now >= dpdk_interrupts_due();
}

static void *run_control(void *argument)
{
	for (;;) {
		current->ready = has_work;
		current->wake =
		        UINT64_MAX; /* recompute_due looks at alarms and interrupts itself */
		yield();
		dpdk_alarms_run();
		dpdk_interrupts_run(false);
	}
	return NULL;
}

int dpdk_threads_init(void)
{
	rte_delay_us_callback_register(dpdk_delay_us);
	control = dpdk_thread_start(run_control, NULL);
	return control != NULL ? 0 : -1;
}
