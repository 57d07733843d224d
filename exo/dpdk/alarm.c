/* SPDX-License-Identifier: BSD-2-Clause */
/* rte_eal_alarm_set and _cancel: a list in order of time. Alarms are set on any core and run on the
 * first one, by the control thread. */
#include <errno.h>
#include <stdlib.h>

#include <rte_alarm.h>
#include <rte_cycles.h>
#include <rte_errno.h>

#include "../core/machine.h"
#include "internal.h"
#include "thread.h"

struct alarm {
	struct alarm *next;
	uint64_t when; /* TSC */
	rte_eal_alarm_callback call;
	void *argument;
};

static struct machine_lock lock; /* guards the list and what `running` points at */
static struct alarm *alarms;
static const struct alarm *running;

static void insert(struct alarm *new)
{
	struct alarm **link = &alarms;

	while (*link != NULL && (*link)->when <= new->when)
		link = &(*link)->next;
	new->next = *link;
	*link = new;
}

int rte_eal_alarm_set(uint64_t us, rte_eal_alarm_callback call, void *argument)
{
	struct alarm *new;

	/* The same bounds as on Linux. */
	if (us < 1 || us > UINT64_MAX - US_PER_S || call == NULL)
		return -EINVAL;
	new = malloc(sizeof(*new));
	if (new == NULL)
		return -ENOMEM;
	*new = (struct alarm){NULL, dpdk_after_us(us), call, argument};
	machine_lock(&lock);
	insert(new);
	machine_unlock(&lock);
	dpdk_threads_kick();
	return 0;
}

static bool is_meant(const struct alarm *a, rte_eal_alarm_callback call, const void *argument)
{
	return a->call == call && (argument == (void *)-1 || a->argument == argument);
}

int rte_eal_alarm_cancel(rte_eal_alarm_callback call, void *argument)
{
	int n = 0;

	if (call == NULL) {
		rte_errno = EINVAL;
		return -1;
	}
	machine_lock(&lock);
	for (struct alarm **link = &alarms, *a; (a = *link) != NULL;) {
		if (!is_meant(a, call, argument)) {
			link = &a->next;
			continue;
		}
		*link = a->next;
		free(a);
		n++;
	}
	/* One that runs right now can't be waited for: it may be the one that cancels, or it may be
	 * suspended in a delay below the caller. */
	if (running != NULL && is_meant(running, call, argument))
		rte_errno = EINPROGRESS;
	else
		rte_errno = n > 0 ? 0 : ENOENT;
	machine_unlock(&lock);
	return n;
}

static struct alarm *take_due(void)
{
	struct alarm *a;

	machine_lock(&lock);
	a = alarms;
	if (a != NULL && rte_rdtsc() >= a->when)
		alarms = a->next;
	else
		a = NULL;
	running = a;
	machine_unlock(&lock);
	return a;
}

void dpdk_alarms_run(void)
{
	for (struct alarm *a; (a = take_due()) != NULL; free(a))
		a->call(a->argument);
}

uint64_t dpdk_alarms_due(void)
{
	uint64_t when;

	machine_lock(&lock);
	when = alarms != NULL ? alarms->when : UINT64_MAX;
	machine_unlock(&lock);
	return when;
}
