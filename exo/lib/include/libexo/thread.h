/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads of one PE, as strands (strand.h): made, joined and switched without the kernel; scheduled
 * by whatever scheduler the library OS gives; preempted, where it wants that, by its PE's timer.
 *
 * Everything here is for threads, not for upcall handlers, but exo_thread_unblock, which may be
 * called from both. A thread that blocks the PE (exo_wait) blocks all of them.
 */
#ifndef LIBEXO_THREAD_H
#define LIBEXO_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "strand.h"

struct exo_thread;
typedef void exo_thread_body(void *arg);

/*
 * Makes the caller the first thread. `scheduler` NULL: first come, first served. Before everything
 * else here, once. 0 or an error.
 */
int exo_threads_init(struct exo_scheduler *scheduler);

/* Gives each thread turns of `ns` while others can run; 0: none is preempted, as at first. Takes
 * the PE's timer and its interrupt upcall. 0 or an error. */
int exo_threads_preempt(uint64_t ns);

/* A new thread, that can run. NULL: no memory. It is freed by exo_thread_join. */
struct exo_thread *exo_thread_create(exo_thread_body *body, void *arg, uint8_t priority);
/* Waits for its end, and frees it. Once per thread. */
void exo_thread_join(struct exo_thread *thread);
/* Ends the calling thread, as returning from its body does. Not for the first thread. */
void exo_thread_exit(void) __attribute__((noreturn));

struct exo_thread *exo_thread_self(void);
void exo_thread_yield(void);
void exo_thread_sleep_ns(uint64_t ns);
/* Stops the calling thread until somebody unblocks it; at once, if somebody has since the last
 * time.
 */
void exo_thread_block(void);
void exo_thread_unblock(struct exo_thread *thread);

/* A lock that threads wait for, and pass on in the order in which they came. Zero-filled: free. */
struct exo_mutex {
	struct exo_thread *owner;
	struct exo_fifo waiting; /* made at the first wait */
};
void exo_mutex_lock(struct exo_mutex *mutex);
void exo_mutex_unlock(struct exo_mutex *mutex);

/* Zero-filled: nobody waits. */
struct exo_condition {
	struct exo_fifo waiting;
};
void exo_condition_wait(struct exo_condition *condition, struct exo_mutex *mutex);
/* Wakes one, or all. Whether there was one. */
bool exo_condition_signal(struct exo_condition *condition);
void exo_condition_broadcast(struct exo_condition *condition);

#endif
