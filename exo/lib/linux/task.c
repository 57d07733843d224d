/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads of the program, as strands (libexo/strand.h) of one PE. The running task's registers are
 * the PE's saved state; those of the others lie in their records. A task whose call gave LINUX_WAIT
 * keeps the registers that it called with, and the call is made again whenever something has
 * happened: an event, another task's call, a deadline, or a look that a call asked for.
 */
#include <errno.h>
#include <linux/futex.h>
#include <linux/sched.h>

#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/memory.h>
#include <libexo/start.h>
#include <libexo/strand.h>
#include <libexo/time.h>
#include <libexo/upcall.h>

#include "family.h"

enum {
	TASKS_MAX = 256,
	TURN_NS = 4000000,   /* of one task while others can run */
	LOOK_NS = 100000000, /* as often processes look whether one of the family died silently */
	VECTOR_ALIGN = 64,
};

struct record {
	struct exo_strand strand; /* first: a strand is its record */
	struct task task;
	struct exo_regs regs;
	bool used;
	uint8_t *vector; /* its vector state while another task runs */
};

static struct record first = {.used = true};
static struct record *records[TASKS_MAX] = {&first};
static struct record *current = &first;
static unsigned n_tasks = 1;
static uint32_t last_tid;
static uint64_t due_ns = UINT64_MAX; /* when the extension wants to run */
static uint32_t seen;                /* family->changes when the calls were made again */
static uint64_t look_ns;             /* the shortest look that calls asked for; 0: none */
static struct exo_fifo fifo;
static struct exo_scheduler *scheduler;
static bool hears;
static uint64_t alarm_ns = UINT64_MAX; /* when SIGALRM is due */

struct task *task_self = &first.task;

void task_init(void)
{
	scheduler = exo_fifo_init(&fifo);
	first.task.tid = last_tid = self->pid;
	first.task.deadline = UINT64_MAX;
}

struct task *task_at(unsigned i)
{
	return i < TASKS_MAX && records[i] != NULL && records[i]->used ? &records[i]->task : NULL;
}

void task_look_again(uint64_t ns)
{
	if (look_ns == 0 || ns < look_ns)
		look_ns = ns;
}

bool task_deadline(uint64_t ns)
{
	uint64_t now = exo_time_now_ns();

	if (!task_self->retry)
		task_self->deadline = ns < UINT64_MAX - now ? now + ns : UINT64_MAX;
	return task_self->deadline != UINT64_MAX && now >= task_self->deadline;
}

/* ---- Switching ---- */

static void make_current(struct record *record)
{
	current = record;
	task_self = &record->task;
}

static void switch_to(struct exo_pe *pe, struct record *record)
{
	if (record == current) {
		pe->saved = record->regs;
		return;
	}
	if (current->used && current->vector != NULL)
		exo_vector_save(current->vector);
	if (record->vector != NULL)
		exo_vector_restore(record->vector);
	make_current(record);
	pe->saved = record->regs;
}

static struct record *record_of(struct exo_strand *strand)
{
	return (struct record *)strand;
}

static void can_run(struct record *record)
{
	record->task.waiting = false;
	record->task.futex = 0;
	scheduler->unblock(scheduler, &record->strand);
}

static void finish(struct record *record, int64_t result)
{
	if (result != LINUX_NO_RESULT)
		record->regs.rax = (uint64_t)result;
	can_run(record);
}

static uint64_t moved_by(const struct task *task)
{
	return task->progress + (task->done << 40);
}

/* Makes the waiting calls again. Whether one came to its end, or moved something that one looked at
 * before may wait for. */
static bool retry_all(void)
{
	struct record *before = current;
	bool any = false;

	look_ns = 0;
	alarm_ns = clock_alarm();
	family_lock();
	due_ns = linux_extension_run();
	for (unsigned i = 0; i < TASKS_MAX; i++) {
		struct record *record = records[i];
		uint64_t moved;
		int64_t result;

		if (record == NULL || !record->used || !record->task.waiting)
			continue;
		make_current(record);
		moved = moved_by(&record->task);
		record->task.retry = true;
		result = linux_dispatch(&record->regs);
		if (result == LINUX_WAIT && signal_waits(&record->task))
			result = signal_interrupts(&record->regs);
		record->task.retry = false;
		any |= moved_by(&record->task) != moved;
		if (result == LINUX_WAIT)
			continue;
		finish(record, result);
		any = true;
	}
	seen = family->changes;
	family_unlock();
	make_current(before);
	return any;
}

static uint64_t first_deadline(void)
{
	uint64_t at = UINT64_MAX;

	for (unsigned i = 0; i < TASKS_MAX; i++)
		if (records[i] != NULL && records[i]->used && records[i]->task.waiting &&
		    records[i]->task.deadline < at)
			at = records[i]->task.deadline;
	return at;
}

static void sleep_on(void)
{
	uint64_t now = exo_time_now_ns(), at = first_deadline();
	int64_t events;

	console_flush();
	if (family_shared())
		task_look_again(LOOK_NS);
	if (look_ns != 0 && (at == UINT64_MAX || at > now + look_ns))
		at = now + look_ns;
	at = at < due_ns ? at : due_ns;
	at = at < alarm_ns ? at : alarm_ns;
	if (at != UINT64_MAX && at <= now)
		return;
	events = family_sleep(at == UINT64_MAX ? 0 : exo_tsc() + exo_time_ticks(at - now), seen);
	if (events > 0)
		process_events((uint32_t)events);
}

/* Also for those that wait: what ends their calls may be time, or come in without a word to who
 * runs. */
static void arm_turn(void)
{
	if (hears && n_tasks > 1)
		exo_timer(exo_tsc() + exo_time_ticks(TURN_NS));
}

static void run_next(struct exo_pe *pe)
{
	struct exo_strand *strand;

	while ((strand = scheduler->next(scheduler)) == NULL) {
		if (!retry_all())
			sleep_on();
	}
	switch_to(pe, record_of(strand));
	arm_turn();
}

void task_wait(struct exo_pe *pe)
{
	current->regs = pe->saved;
	current->task.waiting = true;
	if (scheduler->block != NULL)
		scheduler->block(scheduler, &current->strand);
	run_next(pe);
}

/* ---- Turns ---- */

static bool take_turns(struct exo_pe *pe, void *arg)
{
	uint32_t events = pe->upcall.events;

	process_events(events);
	if ((events & EXO_EVENT_RING) != 0 || due_ns <= exo_time_now_ns()) {
		family_lock();
		due_ns = linux_extension_run();
		family_unlock();
	}
	alarm_ns = clock_alarm();
	if ((events & EXO_EVENT_TIMER) != 0) {
		retry_all();
		if (fifo.head != NULL) {
			current->regs = pe->saved;
			scheduler->unblock(scheduler, &current->strand);
			run_next(pe);
		} else {
			arm_turn();
		}
	}
	signal_deliver(pe);
	if ((events & EXO_EVENT_SLOT_END) != 0)
		exo_yield(0);
	return true;
}

void task_hear(void)
{
	if (!hears)
		hears = exo_upcall_handle(EXO_UPCALL_INTERRUPT, take_turns, NULL) == 0;
}

int64_t linux_sched_yield(linux_regs *regs)
{
	regs->rax = 0;
	if (fifo.head == NULL) {
		exo_yield(0);
		return 0;
	}
	current->regs = *regs;
	scheduler->unblock(scheduler, &current->strand);
	run_next(exo_upcall_pe());
	return LINUX_NO_RESULT;
}

/* ---- Life ---- */

static uint8_t *make_vector(void)
{
	struct exo_pages pages;

	return exo_pages_alloc(&pages, exo_pages_for(exo_info()->vector_bytes)) < 0 ? NULL
	                                                                            : pages.address;
}

static struct record *take_record(void)
{
	unsigned i;

	for (i = 0; i < TASKS_MAX && records[i] != NULL; i++)
		if (!records[i]->used)
			return records[i];
	if (i < TASKS_MAX) {
		struct exo_pages pages;

		if (exo_pages_alloc(&pages, 1) < 0)
			return NULL;
		records[i] = pages.address;
	}
	return i < TASKS_MAX ? records[i] : NULL;
}

static int64_t make_task(linux_regs *regs)
{
	struct record *record = take_record();
	uint64_t flags = regs->rdi;
	uint8_t *vector;

	if (record == NULL)
		return -EAGAIN;
	vector = record->vector != NULL ? record->vector : make_vector();
	if (first.vector == NULL)
		first.vector = make_vector();
	if (vector == NULL || first.vector == NULL)
		return -EAGAIN;
	*record = (struct record){.regs = *regs, .vector = vector, .used = true};
	exo_vector_save(vector);
	record->task = (struct task){
	        .tid = ++last_tid, .deadline = UINT64_MAX, .blocked = task_self->blocked};
	record->regs.rax = 0;
	if (regs->rsi != 0)
		record->regs.rsp = regs->rsi;
	if ((flags & CLONE_SETTLS) != 0)
		record->regs.fs_base = regs->r8;
	if ((flags & CLONE_CHILD_CLEARTID) != 0)
		record->task.clear_tid = regs->r10;
	n_tasks++;
	task_hear();
	scheduler->unblock(scheduler, &record->strand);
	arm_turn();
	return record->task.tid;
}

static bool put_tid(uint64_t address, uint32_t tid)
{
	return copy_out(address, &tid, sizeof(tid)) == 0;
}

int64_t linux_clone(linux_regs *regs)
{
	enum { THREAD = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND };
	uint64_t flags = regs->rdi;
	int64_t id;

	/* What a new address could hurt is checked before there is a thread. */
	if (((flags & CLONE_SETTLS) != 0 && regs->r8 >> 47 != 0) ||
	    ((flags & CLONE_PARENT_SETTID) != 0 && !vm_prepare(regs->rdx, 4, true)) ||
	    ((flags & CLONE_CHILD_SETTID) != 0 && !vm_prepare(regs->r10, 4, true)))
		return -EFAULT;
	if ((flags & CLONE_THREAD) == 0)
		return process_fork(regs, regs->rsi);
	if ((flags & THREAD) != THREAD)
		return -EINVAL;
	id = make_task(regs);
	if (id > 0 && (flags & CLONE_PARENT_SETTID) != 0)
		put_tid(regs->rdx, (uint32_t)id);
	if (id > 0 && (flags & CLONE_CHILD_SETTID) != 0)
		put_tid(regs->r10, (uint32_t)id);
	return id;
}

static uint64_t wake(uint64_t address, uint64_t most, uint32_t bits)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < TASKS_MAX && n < most; i++) {
		struct record *record = records[i];

		if (record == NULL || !record->used || !record->task.waiting ||
		    record->task.futex != address || (record->task.futex_bits & bits) == 0)
			continue;
		finish(record, 0);
		n++;
	}
	return n;
}

static void drop_task(struct record *record)
{
	record->used = false;
	record->task.waiting = false;
	n_tasks--;
}

/* The last thread's end is the process's. */
int64_t linux_exit(linux_regs *regs)
{
	uint64_t clear = task_self->clear_tid;

	if (n_tasks == 1)
		process_end((uint32_t)(regs->rdi & 0xff) << 8);
	if (clear != 0 && put_tid(clear, 0))
		wake(clear, 1, ~0u);
	drop_task(current);
	return LINUX_WAIT;
}

void task_alone(void)
{
	struct exo_strand *strand;

	while ((strand = scheduler->next(scheduler)) != NULL)
		;
	for (unsigned i = 0; i < TASKS_MAX; i++)
		if (records[i] != NULL && records[i]->used && records[i] != current)
			drop_task(records[i]);
	exo_timer(0);
}

void task_forked(void)
{
	task_alone();
	task_self->tid = last_tid = self->pid;
	task_self->pending = 0;
	hears = false;
}

int64_t linux_gettid(linux_regs *regs)
{
	return task_self->tid;
}

int64_t linux_set_tid_address(linux_regs *regs)
{
	task_self->clear_tid = regs->rdi;
	return task_self->tid;
}

/* ---- futex ---- */

static int64_t futex_wait(linux_regs *regs, uint32_t bits, bool absolute, bool wall)
{
	uint64_t ns = UINT64_MAX, now = wall ? exo_time_wall_ns() : exo_time_now_ns();
	uint32_t value;
	int error = regs->r10 != 0 ? clock_read_timespec(regs->r10, &ns) : 0;

	if (error < 0)
		return error;
	if (absolute && ns != UINT64_MAX)
		ns = ns > now ? ns - now : 0;
	if (task_deadline(ns))
		return -ETIMEDOUT;
	if (task_self->retry)
		return LINUX_WAIT;
	if (copy_in(&value, regs->rdi, sizeof(value)) < 0)
		return -EFAULT;
	if (value != (uint32_t)regs->rdx)
		return -EAGAIN;
	task_self->futex = regs->rdi;
	task_self->futex_bits = bits;
	return LINUX_WAIT;
}

/* Those that wait beyond `most` go over to another address. */
static int64_t requeue(linux_regs *regs)
{
	uint64_t n = wake(regs->rdi, (uint32_t)regs->rdx, ~0u), moved = 0;

	for (unsigned i = 0; i < TASKS_MAX && moved < regs->r10; i++) {
		if (records[i] == NULL || !records[i]->used || !records[i]->task.waiting ||
		    records[i]->task.futex != regs->rdi)
			continue;
		records[i]->task.futex = regs->r8;
		moved++;
	}
	return (int64_t)(n + moved);
}

int64_t linux_futex(linux_regs *regs)
{
	uint64_t command = regs->rsi & (uint64_t)FUTEX_CMD_MASK;
	bool wall = (regs->rsi & FUTEX_CLOCK_REALTIME) != 0;
	uint32_t value;

	if (regs->rdi % 4 != 0)
		return -EINVAL;
	switch (command) {
	case FUTEX_WAKE:
		return (int64_t)wake(regs->rdi, (uint32_t)regs->rdx, ~0u);
	case FUTEX_WAKE_BITSET:
		return (int64_t)wake(regs->rdi, (uint32_t)regs->rdx, (uint32_t)regs->r9);
	case FUTEX_WAIT:
		return futex_wait(regs, ~0u, false, false);
	case FUTEX_WAIT_BITSET:
		return (uint32_t)regs->r9 == 0 ? -EINVAL
		                               : futex_wait(regs, (uint32_t)regs->r9, true, wall);
	case FUTEX_CMP_REQUEUE:
		if (copy_in(&value, regs->rdi, sizeof(value)) < 0)
			return -EFAULT;
		return value != (uint32_t)regs->r9 ? -EAGAIN : requeue(regs);
	case FUTEX_REQUEUE:
		return requeue(regs);
	default:
		return -ENOSYS;
	}
}
