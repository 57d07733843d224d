/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interrupt thread is stopped in a handler of ours, of an event that is always there. Once let
 * go it finishes the events that it knew of, looks for others, and finds ours among them.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_interrupts.h>

#include "driver_turns.h"

enum { PRIORITY = 51 }; /* above the sender's (punctual.c), who waits for it */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct rte_intr_handle *handle; /* NULL: not begun */
	int event;
	bool wanted;   /* it shall stand */
	bool stands;   /* it does */
	bool may_pass; /* for one turn */
	bool urgent;   /* the interrupt thread's own: it has real-time priority */
} turns = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* In the interrupt thread. */
static void stand(void *context)
{
	uint64_t ignored;

	if (!turns.urgent) {
		const struct sched_param priority = {.sched_priority = PRIORITY};
		turns.urgent = true;
		(void)sched_setscheduler(0, SCHED_FIFO, &priority); /* we may not be allowed to */
	}
	(void)pthread_mutex_lock(&turns.lock);
	turns.stands = true;
	(void)pthread_cond_broadcast(&turns.changed);
	while (turns.wanted && !turns.may_pass)
		(void)pthread_cond_wait(&turns.changed, &turns.lock);
	turns.stands = turns.may_pass = false;
	if (!turns.wanted)
		(void)!read(turns.event, &ignored, sizeof(ignored)); /* the event is over */
	(void)pthread_mutex_unlock(&turns.lock);
}

int driver_turns_begin(void)
{
	if (turns.handle)
		return 0;
	turns.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	turns.handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	if (turns.event < 0 || !turns.handle || rte_intr_fd_set(turns.handle, turns.event) ||
	    rte_intr_type_set(turns.handle, RTE_INTR_HANDLE_EXT))
		return -ENOMEM;
	return rte_intr_callback_register(turns.handle, stand, NULL);
}

static void await_standing(void)
{
	while (!turns.stands || turns.may_pass)
		(void)pthread_cond_wait(&turns.changed, &turns.lock);
}

void driver_turns_stop(void)
{
	const uint64_t one = 1;

	(void)pthread_mutex_lock(&turns.lock);
	if (!turns.wanted) {
		turns.wanted = true;
		(void)!write(turns.event, &one, sizeof(one));
	}
	await_standing();
	(void)pthread_mutex_unlock(&turns.lock);
}

void driver_turns_pass(void)
{
	(void)pthread_mutex_lock(&turns.lock);
	turns.may_pass = true;
	(void)pthread_cond_broadcast(&turns.changed);
	await_standing();
	(void)pthread_mutex_unlock(&turns.lock);
}

void driver_turns_end(void)
{
	(void)pthread_mutex_lock(&turns.lock);
	turns.wanted = false;
	(void)pthread_cond_broadcast(&turns.changed);
	(void)pthread_mutex_unlock(&turns.lock);
}
