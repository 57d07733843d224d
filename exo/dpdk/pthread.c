/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pthread functions that drivers call. Locks are real between cores; threads are those of
 * thread.c. glibc's types only lend their size: a lock is the first word of a pthread_mutex_t, and
 * all zeroes, which is what its initialiser is, means free.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_thread.h>

#include "../core/machine.h"
#include "thread.h"

/* Declared by eal's headers for one platform at a time. */
int rte_thread_setname(pthread_t thread, const char *name);
void rte_delay_us_sleep(unsigned us);

/* ---- Threads ---- */

int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes,
                   void *(*run)(void *), void *restrict argument)
{
	struct thread *t;

	if (machine_core() != 0)
		return EAGAIN;
	t = dpdk_thread_start(run, argument);
	if (t == NULL)
		return EAGAIN;
	*thread = (pthread_t)t;
	return 0;
}

int pthread_join(pthread_t thread, void **result)
{
	void *value = dpdk_thread_join((struct thread *)thread);

	if (result != NULL)
		*result = value;
	return 0;
}

int pthread_detach(pthread_t thread)
{
	dpdk_thread_detach((struct thread *)thread);
	return 0;
}

int pthread_cancel(pthread_t thread)
{
	dpdk_thread_cancel((struct thread *)thread);
	return 0;
}

pthread_t pthread_self(void)
{
	struct thread *t = dpdk_thread_current();

	return t != NULL ? (pthread_t)t : (pthread_t)(machine_core() + 1);
}

int pthread_getaffinity_np(pthread_t thread, size_t size, cpu_set_t *cores)
{
	CPU_ZERO_S(size, cores);
	CPU_SET_S(machine_core(), size, cores);
	return 0;
}

int pthread_setaffinity_np(pthread_t thread, size_t size, const cpu_set_t *cores)
{
	return 0; /* a thread stays on the first core, whatever it asks for */
}

int rte_thread_setname(pthread_t thread, const char *name)
{
	return 0;
}

int rte_thread_is_intr(void)
{
	return 1; /* makes iavf look for its answers itself, which works in every context */
}

/* ---- Mutexes ---- */

static atomic_uint *word_of(pthread_mutex_t *mutex)
{
	return (atomic_uint *)mutex;
}

static bool is_free(void *argument)
{
	return atomic_load_explicit((atomic_uint *)argument, memory_order_relaxed) == 0;
}

int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
	atomic_init(word_of(mutex), 0);
	return 0;
}

int pthread_mutex_destroy(pthread_mutex_t *mutex)
{
	return 0;
}

int pthread_mutex_trylock(pthread_mutex_t *mutex)
{
	return atomic_exchange_explicit(word_of(mutex), 1, memory_order_acquire) == 0 ? 0 : EBUSY;
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	while (pthread_mutex_trylock(mutex) != 0)
		dpdk_wait(is_free, word_of(mutex), UINT64_MAX);
	return 0;
}

int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	atomic_store_explicit(word_of(mutex), 0, memory_order_release);
	dpdk_threads_kick();
	return 0;
}

/* ---- Condition variables: a count of signals; a signal wakes all who wait, which is allowed. ----
 */

struct signal_wait {
	atomic_uint *count;
	unsigned seen;
};

static bool was_signalled(void *argument)
{
	struct signal_wait *wait = argument;

	return atomic_load_explicit(wait->count, memory_order_acquire) != wait->seen;
}

int pthread_cond_init(pthread_cond_t *restrict condition,
                      const pthread_condattr_t *restrict attributes)
{
	atomic_init((atomic_uint *)condition, 0);
	return 0;
}

int pthread_cond_signal(pthread_cond_t *condition)
{
	atomic_fetch_add_explicit((atomic_uint *)condition, 1, memory_order_release);
	dpdk_threads_kick();
	return 0;
}

/* The TSC at an absolute time of the wall clock. */
static uint64_t tsc_of(const struct timespec *at)
{
	struct timeval now;
	int64_t us;

	gettimeofday(&now, NULL);
	us = (at->tv_sec - now.tv_sec) * 1000000 + at->tv_nsec / 1000 - now.tv_usec;
	return dpdk_after_us(us > 0 ? (uint64_t)us : 0);
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until)
{
	struct signal_wait wait = {(atomic_uint *)condition, atomic_load((atomic_uint *)condition)};
	bool signalled;

	pthread_mutex_unlock(mutex);
	signalled = dpdk_wait(was_signalled, &wait, tsc_of(until));
	pthread_mutex_lock(mutex);
	return signalled ? 0 : ETIMEDOUT;
}

/* ---- Sleeping ---- */

void rte_delay_us_sleep(unsigned us)
{
	dpdk_delay_us(us);
}

int usleep(useconds_t us)
{
	dpdk_delay_us(us);
	return 0;
}
