/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libexo's threads: forked and joined, under both schedulers and one of the program's own, with
 * locks, sleep, and turns by the timer; every register as it was. With the argument "measure" it
 * says what a fork with its join costs, in ticks of the TSC (under -icount shift=0: instructions).
 */
#include <stdbool.h>
#include <stdint.h>

#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/thread.h>
#include <libexo/time.h>

enum {
	THREADS = 8,
	ROUNDS = 200,
	MEASURED = 1000,
};

static int failures;
static unsigned order[THREADS], n_order;

static void expect(bool truth, const char *what)
{
	if (truth)
		return;
	exo_printf("%s: wrong\n", what);
	failures++;
}

/* ---- Who runs when ---- */

static void note_order(void *arg)
{
	order[n_order++] = (unsigned)(uintptr_t)arg;
}

static bool ran_in(const unsigned *expected)
{
	for (unsigned i = 0; i < THREADS; i++)
		if (order[i] != expected[i])
			return false;
	return n_order == THREADS;
}

static void run_all(exo_thread_body *body, const uint8_t *priorities)
{
	struct exo_thread *threads[THREADS];

	n_order = 0;
	for (unsigned i = 0; i < THREADS; i++)
		threads[i] = exo_thread_create(body, (void *)(uintptr_t)i,
		                               priorities ? priorities[i] : 0);
	for (unsigned i = 0; i < THREADS; i++)
		exo_thread_join(threads[i]);
}

/* A scheduler of the program's own: last come, first served. */
static struct exo_strand *top;

static void push(struct exo_scheduler *scheduler, struct exo_strand *strand)
{
	strand->next = top;
	top = strand;
}

static struct exo_strand *pop(struct exo_scheduler *scheduler)
{
	struct exo_strand *strand = top;

	if (strand != NULL)
		top = strand->next;
	return strand;
}

static struct exo_scheduler stack = {.unblock = push, .next = pop};

static void try_schedulers(void)
{
	static const unsigned as_made[THREADS] = {0, 1, 2, 3, 4, 5, 6, 7};
	static const unsigned by_priority[THREADS] = {3, 7, 0, 4, 1, 5, 2, 6};
	static const unsigned backwards[THREADS] = {7, 6, 5, 4, 3, 2, 1, 0};
	static const uint8_t priorities[THREADS] = {20, 10, 5, 30, 20, 10, 5, 30};
	static struct exo_priority priority;

	run_all(note_order, NULL);
	expect(ran_in(as_made), "first come, first served");
	expect(exo_threads_init(exo_priority_init(&priority)) == 0, "another scheduler");
	run_all(note_order, priorities);
	expect(ran_in(by_priority), "the most urgent first");
	expect(exo_threads_init(&stack) == 0, "a scheduler of its own");
	run_all(note_order, NULL);
	expect(ran_in(backwards), "last come, first served");
	expect(exo_threads_init(NULL) == 0, "back to the first");
}

/* ---- Locks ---- */

static struct exo_mutex mutex;
static struct exo_condition condition;
static unsigned turn, count;

static void add(void *arg)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned before;

		exo_mutex_lock(&mutex);
		before = count;
		exo_thread_yield();
		count = before + 1;
		exo_mutex_unlock(&mutex);
	}
}

static void wait_for_turn(void *arg)
{
	unsigned mine = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		exo_mutex_lock(&mutex);
		while (turn % THREADS != mine)
			exo_condition_wait(&condition, &mutex);
		turn++;
		exo_condition_broadcast(&condition);
		exo_mutex_unlock(&mutex);
	}
}

static struct exo_thread *blocked;

static void block(void *arg)
{
	blocked = exo_thread_self();
	exo_thread_block();
	note_order(arg);
}

static void try_locks(void)
{
	struct exo_thread *thread;
	uint64_t begin = exo_time_now_ns();

	count = 0;
	run_all(add, NULL);
	expect(count == THREADS * ROUNDS, "a mutex over switches");
	run_all(wait_for_turn, NULL);
	expect(turn == THREADS * ROUNDS, "a condition");
	n_order = 0;
	thread = exo_thread_create(block, NULL, 0);
	exo_thread_yield();
	expect(n_order == 0, "a blocked thread does not run");
	exo_thread_unblock(blocked);
	exo_thread_join(thread);
	expect(n_order == 1, "an unblocked thread runs");
	exo_thread_sleep_ns(20000000);
	expect(exo_time_now_ns() - begin >= 20000000, "sleep");
}

/* ---- Turns ---- */

static volatile bool stop;
static volatile uint64_t spins[THREADS];

/* A computation whose result shows any register that a switch spoils. */
static uint64_t churn(uint64_t seed)
{
	uint64_t a = seed, b = 2, c = 3, d = 4;

	for (uint64_t i = 0; i < 500; i++) {
		a = a * 6364136223846793005ull + i;
		b ^= a >> 13;
		c += b << 7;
		d = (d << 5 | d >> 59) ^ c;
	}
	return a ^ b ^ c ^ d;
}

static void spin(void *arg)
{
	unsigned i = (unsigned)(uintptr_t)arg;
	uint64_t expected = churn(i);

	while (!stop) {
		expect(churn(i) == expected, "a computation under preemption");
		spins[i]++;
		if (spins[i] % 64 == i)
			exo_thread_yield(); /* both ways of stopping follow each other */
	}
}

static void stop_later(void *arg)
{
	exo_thread_sleep_ns(100000000);
	stop = true;
}

static void try_turns(void)
{
	struct exo_thread *stopper;

	expect(exo_threads_preempt(500000) == 0, "preemption");
	stopper = exo_thread_create(stop_later, NULL, 0);
	run_all(spin, NULL);
	exo_thread_join(stopper);
	expect(exo_threads_preempt(0) == 0, "no preemption any more");
	for (unsigned i = 0; i < THREADS; i++)
		expect(spins[i] > 0, "a turn for everybody");
}

/* ---- Cost ---- */

static void nothing(void *arg)
{
}

static void measure(void)
{
	uint64_t begin;

	exo_thread_join(exo_thread_create(nothing, NULL, 0));
	begin = exo_tsc();
	for (unsigned i = 0; i < MEASURED; i++)
		exo_thread_join(exo_thread_create(nothing, NULL, 0));
	exo_printf("fork-join: %llu ticks\n", (unsigned long long)((exo_tsc() - begin) / MEASURED));
}

int exo_main(void)
{
	if (exo_threads_init(NULL) < 0) {
		exo_printf("no threads\n");
		return 1;
	}
	if (exo_start_arg(1) != NULL && strcmp(exo_start_arg(1), "measure") == 0)
		measure();
	try_schedulers();
	try_locks();
	try_turns();
	exo_printf("threads: %s\n", failures == 0 ? "all is well" : "not all is well");
	return failures != 0;
}
