/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A core that tests what drivers of real cards stand on and no model in QEMU asks for: alarms,
 * control threads, delays that yield, condition variables, mutexes, pipes, joining and cancelling.
 * Prints a line for each and ends with 0 if all hold.
 */
#include <errno.h>
#include <string.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/time.h>
#include <unistd.h>

#include <rte_alarm.h>
#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include "../../core/machine.h"
#include "../../x86_64/x86.h"
#include "../dpdk.h"
#include "../thread.h"

static unsigned failures;

static void expect(bool good, const char *what)
{
	x86_print("%s: %s\n", good ? "ok" : "FAIL", what);
	failures += !good;
}

enum { PATIENCE_US = 10000000 }; /* a machine may stand still for long where its host is busy */

/* What the kernel's loop does, until *count has come to `wanted` or patience ends. */
static void loop_until(const volatile unsigned *count, unsigned wanted)
{
	uint64_t end = dpdk_after_us(PATIENCE_US);

	while (*count < wanted && machine_tsc() < end)
		dpdk_poll();
}

/* ---- Alarms ---- */

static volatile unsigned order[4], n_order;

static void note(void *argument)
{
	if (n_order < RTE_DIM(order))
		order[n_order++] = (unsigned)(uintptr_t)argument;
}

static void cancel_itself(void *argument)
{
	note(argument);
	rte_eal_alarm_cancel(cancel_itself, argument);
	expect(rte_errno == EINPROGRESS, "an alarm that cancels itself is told that it runs");
}

/* Far apart: a machine that stands still between two lines here must not change their order. */
static void test_alarms(void)
{
	rte_eal_alarm_set(300000, note, (void *)3);
	rte_eal_alarm_set(100000, note, (void *)1);
	rte_eal_alarm_set(200000, note, (void *)2);
	rte_eal_alarm_set(150000, note, (void *)9);
	expect(rte_eal_alarm_cancel(note, (void *)9) == 1, "an alarm can be cancelled");
	expect(rte_eal_alarm_cancel(note, (void *)9) == 0, "but only once");
	rte_eal_alarm_set(3600ull * US_PER_S, note, (void *)8);
	loop_until(&n_order, 3);
	expect(rte_eal_alarm_cancel(note, (void *)8) == 1, "no alarm goes off early");
	expect(n_order == 3 && order[0] == 1 && order[1] == 2 && order[2] == 3,
	       "alarms go off in order of time");
	rte_eal_alarm_set(100, cancel_itself, (void *)4);
	loop_until(&n_order, 4);
	expect(n_order == 4, "it went off");
}

/* ---- Delays ---- */

enum { DELAY_US = 200000 }; /* long against the alarm's 1000, on a slow machine, too */

static volatile bool delay_over, delay_was_over;
static volatile unsigned n_alarms;

static void *delay(void *argument)
{
	rte_delay_us_sleep(DELAY_US);
	delay_over = true;
	return argument;
}

static void note_delay(void *argument)
{
	delay_was_over = delay_over;
	n_alarms++;
}

static void test_delays(void)
{
	pthread_t thread;
	void *result = NULL;

	expect(rte_ctrl_thread_create(&thread, "delay", NULL, delay, &failures) == 0,
	       "a control thread starts");
	expect(!delay_over, "its delay does not hold up who started it");
	rte_eal_alarm_set(1000, note_delay, NULL);
	loop_until(&n_alarms, 1);
	expect(delay_over && n_alarms == 1, "after it both go on");
	expect(delay_was_over, "nothing else of control runs during a delay");
	expect(pthread_join(thread, &result) == 0 && result == &failures,
	       "its result is handed on");
}

/* ---- Waiting ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int fds[2];
static volatile unsigned n_read;

static void signal_it(void *argument)
{
	pthread_cond_signal(&condition);
}

static int wait_ms(long ms)
{
	struct timeval now;
	long us;
	struct timespec until;
	int result;

	gettimeofday(&now, NULL);
	us = now.tv_usec + ms * 1000;
	until.tv_sec = now.tv_sec + us / 1000000;
	until.tv_nsec = us % 1000000 * 1000;
	pthread_mutex_lock(&mutex);
	result = pthread_cond_timedwait(&condition, &mutex, &until);
	expect(pthread_mutex_trylock(&mutex) == EBUSY, "the mutex is held after a wait");
	pthread_mutex_unlock(&mutex);
	return result;
}

static void test_conditions(void)
{
	expect(wait_ms(5) == ETIMEDOUT, "a wait without a signal times out");
	rte_eal_alarm_set(2000, signal_it, NULL);
	expect(wait_ms(PATIENCE_US / 1000) == 0, "an alarm's signal ends a wait");
}

static void *read_all(void *argument)
{
	char byte;

	while (read(fds[0], &byte, 1) == 1)
		n_read++;
	return NULL;
}

static void test_pipes(void)
{
	pthread_t thread;

	expect(pipe(fds) == 0, "a pipe opens");
	expect(rte_ctrl_thread_create(&thread, "read", NULL, read_all, NULL) == 0,
	       "a reader starts");
	expect(n_read == 0, "and waits");
	expect(write(fds[1], "abc", 3) == 3, "three bytes are written");
	loop_until(&n_read, 3);
	expect(n_read == 3, "and read");
	close(fds[1]);
	expect(pthread_join(thread, NULL) == 0, "the reader ends with its pipe");
	close(fds[0]);
	expect(write(fds[1], "x", 1) == -1, "a closed pipe takes nothing");
}

static volatile bool has_lock;

static void *hold_and_delay(void *argument)
{
	pthread_mutex_lock(&mutex);
	has_lock = true;
	rte_delay_us_sleep(3000);
	has_lock = false;
	pthread_mutex_unlock(&mutex);
	return NULL;
}

static void test_mutexes(void)
{
	pthread_t thread;

	rte_ctrl_thread_create(&thread, "hold", NULL, hold_and_delay, NULL);
	expect(has_lock, "a thread holds the mutex during a delay");
	pthread_mutex_lock(&mutex);
	expect(!has_lock, "whoever else wants it gets it afterwards");
	pthread_mutex_unlock(&mutex);
	pthread_join(thread, NULL);
}

static void *wait_for_ever(void *argument)
{
	char byte;

	read(fds[0], &byte, 1);
	return NULL;
}

static void test_cancelling(void)
{
	pthread_t thread;
	void *result;

	expect(pipe(fds) == 0, "a second pipe opens");
	rte_ctrl_thread_create(&thread, "wait", NULL, wait_for_ever, NULL);
	expect(pthread_cancel(thread) == 0 && pthread_join(thread, &result) == 0 &&
	               result == PTHREAD_CANCELED,
	       "a thread that waits can be cancelled");
	close(fds[0]);
	close(fds[1]);
}

/* ---- Memory ---- */

static void test_memory(void)
{
	unsigned char *block = rte_malloc(NULL, 5000, 64);
	bool clear = block != NULL;
	rte_iova_t iova = rte_malloc_virt2iova(block);

	for (int i = 0; i < 5000 && clear; i++)
		clear = block[i] == 0;
	expect(clear, "memory is clear when it is allocated");
	expect(iova == rte_mem_virt2iova(block) && iova == x86_physical(block),
	       "its I/O address is the physical one");
	memset(block, 0xff, 5000);
	rte_free(block);
	block = rte_malloc(NULL, 5000, 64);
	expect(block[0] == 0 && block[4999] == 0, "and again after it was used");
	rte_free(block);
}

void core_main(const struct boot_info *boot)
{
	machine_vector_begin();
	expect(rte_lcore_id() == machine_core() && rte_lcore_count() == machine_cores(),
	       "lcores are cores");
	test_memory();
	test_alarms();
	test_delays();
	test_conditions();
	test_pipes();
	test_mutexes();
	test_cancelling();
	machine_power(EXO_POWER_EXIT, failures != 0);
}

void core_secondary(void)
{
	for (;;)
		machine_idle(UINT64_MAX);
}
