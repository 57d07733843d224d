/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads: libexo/thread.h.
 *
 * A thread that stopped by itself is checkpointed on its own stack: callee-saved registers and the
 * address where it goes on. One that was preempted is checkpointed whole, with its vector state, in
 * its record. Either can follow the other: from a call, a whole one is resumed through the PE's
 * saved state and the resume range; from the timer's handler, one that stopped by itself is resumed
 * at `landing`, which is the end of the switch that it made.
 *
 * While `busy` the timer's handler leaves everything alone and only notes that it was there.
 */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/memory.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/thread.h>
#include <libexo/time.h>
#include <libexo/upcall.h>

#include "runtime.h"

enum {
	STACK_PAGES = 5, /* the lowest is a guard */
	VECTOR_ALIGN = 64,
	FLAGS = 0x202,
};

struct exo_thread {
	struct exo_strand strand; /* first: a strand is its thread */
	uint64_t sp;              /* where it stopped by itself; 0: `regs` is what counts */
	exo_thread_body *body;
	void *arg;
	struct exo_thread *joiner, *next; /* unused ones, or sleepers */
	uint64_t deadline;
	bool ended, wake; /* wake: unblocked before it blocked */
	bool blocked;
	struct exo_regs regs;
	uint8_t *vector;
};

static struct exo_thread first;
static struct exo_thread *current, *unused, *sleepers;
static struct exo_fifo fifo;
static struct exo_scheduler *scheduler;
static volatile bool busy, turn_over;
static uint64_t turn_ticks;

/* ---- Switching ---- */

/* void thread_switch(uint64_t *sp, uint64_t other): stops here, goes on where the other stopped. */
__asm__(".text\n"
        "thread_switch:\n\t"
        "pushq %rbp\n\t"
        "pushq %rbx\n\t"
        "pushq %r12\n\t"
        "pushq %r13\n\t"
        "pushq %r14\n\t"
        "pushq %r15\n\t"
        "movq %rsp, (%rdi)\n\t"
        "movq %rsi, %rsp\n"
        "thread_landing:\n\t"
        "popq %r15\n\t"
        "popq %r14\n\t"
        "popq %r13\n\t"
        "popq %r12\n\t"
        "popq %rbx\n\t"
        "popq %rbp\n\t"
        "ret\n"
        /* void thread_to_whole(uint64_t *sp, struct exo_pe *pe): likewise, to pe->saved. */
        "thread_to_whole:\n\t"
        "pushq %rbp\n\t"
        "pushq %rbx\n\t"
        "pushq %r12\n\t"
        "pushq %r13\n\t"
        "pushq %r14\n\t"
        "pushq %r15\n\t"
        "movq %rsp, (%rdi)\n\t"
        "movq %rsi, %rdi\n\t"
        "jmp exo_resume_begin\n");
void thread_switch(uint64_t *sp, uint64_t other);
void thread_to_whole(uint64_t *sp, struct exo_pe *pe);
extern char thread_landing[];

static struct exo_thread *thread_of(struct exo_strand *strand)
{
	return (struct exo_thread *)strand;
}

static void leave_busy(void)
{
	busy = false;
	if (__builtin_expect(turn_over, 0))
		exo_thread_yield();
}

static void resume_whole(struct exo_thread *from, struct exo_thread *to)
{
	struct exo_pe *pe = exo_upcall_pe();

	/* As in a handler: nothing is delivered until the resume range says so. */
	pe->masked = 1;
	pe->saved = to->regs;
	if (to->vector != NULL)
		exo_vector_restore(to->vector);
	busy = false;
	thread_to_whole(&from->sp, pe);
}

/* Goes over to a thread; comes back when somebody goes over to this one. */
static void switch_to(struct exo_thread *to)
{
	struct exo_thread *from = current;

	if (to == from)
		return;
	current = to;
	if (__builtin_expect(to->sp != 0, 1))
		thread_switch(&from->sp, to->sp);
	else
		resume_whole(from, to);
}

static uint64_t wake_sleepers(void)
{
	uint64_t now = exo_tsc(), nearest = UINT64_MAX;
	struct exo_thread **link = &sleepers, *thread;

	while ((thread = *link) != NULL) {
		if (thread->deadline <= now) {
			*link = thread->next;
			scheduler->unblock(scheduler, &thread->strand);
			continue;
		}
		nearest = thread->deadline < nearest ? thread->deadline : nearest;
		link = &thread->next;
	}
	return nearest;
}

/* The next thread; waits for one. Busy. */
static struct exo_thread *next_thread(void)
{
	struct exo_strand *strand;
	int64_t events;

	if (__builtin_expect(sleepers != NULL, 0))
		wake_sleepers();
	while ((strand = scheduler->next(scheduler)) == NULL) {
		uint64_t nearest = wake_sleepers();

		strand = scheduler->next(scheduler);
		if (strand != NULL)
			break;
		/* A handler may unblock somebody from here on. */
		busy = false;
		events = exo_wait(nearest == UINT64_MAX ? 0 : nearest);
		busy = true;
		if (events > 0 && (events & EXO_EVENT_TIMER) != 0 && turn_ticks != 0)
			exo_timer(exo_tsc() + turn_ticks);
	}
	return thread_of(strand);
}

static void run_next(void)
{
	switch_to(next_thread());
	busy = false;
}

/* ---- Preemption ---- */

static bool take_turn(struct exo_pe *pe, void *arg)
{
	struct exo_strand *strand;
	struct exo_thread *to;

	if ((pe->upcall.events & EXO_EVENT_SLOT_END) != 0)
		exo_yield(0);
	if ((pe->upcall.events & EXO_EVENT_TIMER) == 0)
		return true;
	exo_timer(exo_tsc() + turn_ticks);
	if (busy) {
		turn_over = true;
		return true;
	}
	wake_sleepers();
	strand = scheduler->next(scheduler);
	if (strand == NULL)
		return true;
	to = thread_of(strand);
	current->sp = 0;
	current->regs = pe->saved;
	if (current->vector != NULL)
		exo_vector_save(current->vector);
	scheduler->unblock(scheduler, &current->strand);
	current = to;
	if (to->sp != 0) {
		pe->saved.rip = (uintptr_t)thread_landing;
		pe->saved.rsp = to->sp;
		pe->saved.rflags = FLAGS;
		return true;
	}
	pe->saved = to->regs;
	if (to->vector != NULL)
		exo_vector_restore(to->vector);
	return true;
}

int exo_threads_preempt(uint64_t ns)
{
	int result;

	turn_ticks = exo_time_ticks(ns);
	if (ns == 0)
		return exo_timer(0);
	result = exo_upcall_handle(EXO_UPCALL_INTERRUPT, take_turn, NULL);
	return result < 0 ? result : exo_timer(exo_tsc() + turn_ticks);
}

/* ---- Life ---- */

/* A thread's first steps. Whoever switched here left it busy. */
static void begin_thread(void)
{
	busy = false;
	current->body(current->arg);
	exo_thread_exit();
}

/* A block of pages: guard, stack, vector area, record. */
static struct exo_thread *make_thread(void)
{
	struct exo_thread *thread;
	struct exo_range guard;
	struct exo_pages pages;
	uint64_t top;

	if (exo_pages_alloc(&pages, STACK_PAGES) < 0)
		return NULL;
	guard = (struct exo_range){(uintptr_t)pages.address, 1};
	exo_unmap(NULL, &guard, 1);
	top = (uintptr_t)pages.address + STACK_PAGES * EXO_PAGE_SIZE - sizeof(*thread);
	thread = (struct exo_thread *)(top & ~15ull);
	top = (uintptr_t)thread - exo_info()->vector_bytes;
	thread->vector = (uint8_t *)(top & ~(VECTOR_ALIGN - 1ull));
	return thread;
}

struct exo_thread *exo_thread_create(exo_thread_body *body, void *arg, uint8_t priority)
{
	struct exo_thread *thread;
	uint64_t *stack;

	busy = true;
	thread = unused;
	if (__builtin_expect(thread == NULL, 0))
		thread = make_thread();
	else
		unused = thread->next;
	if (thread == NULL) {
		leave_busy();
		return NULL;
	}
	thread->body = body;
	thread->arg = arg;
	thread->joiner = NULL;
	thread->ended = thread->wake = thread->blocked = false;
	thread->strand.priority = priority;
	/* As thread_switch leaves it: six registers, the way on, and what the ABI wants behind. */
	stack = (uint64_t *)thread->vector - 8;
	stack[6] = (uintptr_t)begin_thread;
	thread->sp = (uintptr_t)stack;
	scheduler->unblock(scheduler, &thread->strand);
	leave_busy();
	return thread;
}

void exo_thread_exit(void)
{
	busy = true;
	current->ended = true;
	if (current->joiner != NULL)
		scheduler->unblock(scheduler, &current->joiner->strand);
	if (scheduler->block != NULL)
		scheduler->block(scheduler, &current->strand);
	run_next();
	__builtin_unreachable();
}

void exo_thread_join(struct exo_thread *thread)
{
	busy = true;
	if (!thread->ended) {
		thread->joiner = current;
		run_next();
		busy = true;
	}
	thread->next = unused;
	unused = thread;
	leave_busy();
}

int exo_threads_init(struct exo_scheduler *own)
{
	struct exo_pages pages;
	int result = exo_pages_alloc(&pages, exo_pages_for(exo_info()->vector_bytes));

	if (result < 0)
		return result;
	first.vector = pages.address;
	scheduler = own != NULL ? own : exo_fifo_init(&fifo);
	current = &first;
	return 0;
}

struct exo_thread *exo_thread_self(void)
{
	return current;
}

void exo_thread_yield(void)
{
	busy = true;
	turn_over = false;
	scheduler->unblock(scheduler, &current->strand);
	run_next();
}

void exo_thread_sleep_ns(uint64_t ns)
{
	busy = true;
	current->deadline = exo_tsc() + exo_time_ticks(ns);
	current->next = sleepers;
	sleepers = current;
	run_next();
}

void exo_thread_block(void)
{
	busy = true;
	if (current->wake) {
		current->wake = false;
		leave_busy();
		return;
	}
	current->blocked = true;
	if (scheduler->block != NULL)
		scheduler->block(scheduler, &current->strand);
	run_next();
}

static void unblock(struct exo_thread *thread)
{
	if (!thread->blocked) {
		thread->wake = true;
		return;
	}
	thread->blocked = false;
	scheduler->unblock(scheduler, &thread->strand);
}

void exo_thread_unblock(struct exo_thread *thread)
{
	bool before = busy;

	busy = true;
	unblock(thread);
	busy = before;
}

/* ---- Locks ---- */

static struct exo_scheduler *queue(struct exo_fifo *waiting)
{
	return waiting->tail != NULL ? &waiting->scheduler : exo_fifo_init(waiting);
}

static void wait_in(struct exo_fifo *waiting)
{
	struct exo_scheduler *line = queue(waiting);

	line->unblock(line, &current->strand);
	run_next();
}

void exo_mutex_lock(struct exo_mutex *mutex)
{
	busy = true;
	if (mutex->owner != NULL) {
		wait_in(&mutex->waiting); /* comes back as the owner */
		return;
	}
	mutex->owner = current;
	leave_busy();
}

/* The longest waiting becomes the owner. Busy. */
static void pass_on(struct exo_mutex *mutex)
{
	struct exo_strand *strand = mutex->waiting.head;

	mutex->owner = NULL;
	if (strand == NULL)
		return;
	strand = mutex->waiting.scheduler.next(&mutex->waiting.scheduler);
	mutex->owner = thread_of(strand);
	scheduler->unblock(scheduler, strand);
}

void exo_mutex_unlock(struct exo_mutex *mutex)
{
	busy = true;
	pass_on(mutex);
	leave_busy();
}

void exo_condition_wait(struct exo_condition *condition, struct exo_mutex *mutex)
{
	busy = true;
	pass_on(mutex);
	wait_in(&condition->waiting);
	exo_mutex_lock(mutex);
}

/* Busy. */
static bool wake_one(struct exo_condition *condition)
{
	struct exo_scheduler *line = queue(&condition->waiting);
	struct exo_strand *strand = line->next(line);

	if (strand != NULL)
		scheduler->unblock(scheduler, strand);
	return strand != NULL;
}

bool exo_condition_signal(struct exo_condition *condition)
{
	bool woke;

	busy = true;
	woke = wake_one(condition);
	leave_busy();
	return woke;
}

void exo_condition_broadcast(struct exo_condition *condition)
{
	busy = true;
	while (wake_one(condition))
		;
	leave_busy();
}
