/* SPDX-License-Identifier: BSD-2-Clause */
/* Coroutines that stand for threads (thread.c tells how they work), for pthread.c and its like. */
#ifndef DPDK_THREAD_H
#define DPDK_THREAD_H

#include <stdbool.h>
#include <stdint.h>

struct thread;

/* Starts a thread on the first core, which the caller must run on, and runs it until it first waits
 * or delays. NULL: no memory. */
struct thread *dpdk_thread_start(void *(*run)(void *), void *argument);
/* Waits for its end, frees it and returns its result. */
void *dpdk_thread_join(struct thread *thread);
/* It is freed when it ends. */
void dpdk_thread_detach(struct thread *thread);
/* Ends it where it next waits. */
void dpdk_thread_cancel(struct thread *thread);
/* The thread that runs here; NULL in the core's own context. */
struct thread *dpdk_thread_current(void);

/*
 * Waits until `ready(argument)` or the TSC reaches `deadline`; other threads run meanwhile, and the
 * drivers' interrupt callbacks too where the waiter is the one that would run them. Returns whether
 * it is ready.
 */
bool dpdk_wait(bool (*ready)(void *), void *argument, uint64_t deadline);
/* Delays in the core's own context call the drivers' interrupt callbacks: while a driver waits
 * there for what another one's does. */
extern bool dpdk_delays_serve;
/* DPDK's delay function. */
void dpdk_delay_us(unsigned us);

/* Something that a thread may be waiting for has happened. Any core. */
void dpdk_threads_kick(void);
/* Runs every thread that may go on, until it waits or delays again. In the core's own context. */
void dpdk_threads_run(void);
/* The earliest TSC at which dpdk_threads_run has something to do. */
uint64_t dpdk_threads_due(void);
/* Starts the control thread and makes DPDK's delays yield. 0 or -1. */
int dpdk_threads_init(void);

/* The TSC after so many microseconds; never wraps. */
uint64_t dpdk_after_us(uint64_t microseconds);

#endif
