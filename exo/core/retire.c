/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When what pollers read may be freed. A core is a reader only while it is inside net_poll
 * (rte_rcu_qsbr: online); while it runs an environment, handles a call or halts it is offline and
 * holds nothing, so one core that spins in ring 3 delays nobody.
 *
 * The filter engine retires memory from whatever context it is in, running programs included:
 * retire_later only queues. The queue is worked off, under net.lock (releasing may touch what
 * writers share), by whoever takes bindings away, so that nobody fills memory by binding again and
 * again, and by net_info_update.
 */
#include "net_packet.h"

#include <rte_rcu_qsbr.h>

#include "log.h"

struct retired {
	struct retired *next;
	uint64_t token;
	void *memory;
	void (*release)(void *memory);
};

struct rte_rcu_qsbr *retire_readers;
static struct machine_lock queue_lock; /* of last rank: taken in any context */
static struct retired *queue, **queue_end = &queue;

int retire_start(void)
{
	if (retire_readers)
		return 0;
	retire_readers = machine_alloc(rte_rcu_qsbr_get_memsize(net.n_cores));
	if (!retire_readers || rte_rcu_qsbr_init(retire_readers, net.n_cores))
		return -EXO_ENOMEM;
	for (unsigned core = 0; core < net.n_cores; core++)
		(void)rte_rcu_qsbr_thread_register(retire_readers, core);
	return 0;
}

void retire_later(void *memory, void (*release)(void *memory))
{
	struct retired *retired = machine_alloc(sizeof(*retired));

	if (!retired) {
		log_line("net", "no memory to retire %p by: it is lost", memory);
		return;
	}
	retired->memory = memory;
	retired->release = release;
	machine_vector_begin();
	machine_lock(&queue_lock);
	retired->token = rte_rcu_qsbr_start(retire_readers);
	*queue_end = retired;
	queue_end = &retired->next;
	machine_unlock(&queue_lock);
	machine_vector_end();
}

/* Takes the oldest one if no reader can hold it any more. */
static struct retired *take_due(void)
{
	struct retired *retired;

	machine_lock(&queue_lock);
	retired = queue;
	if (retired && rte_rcu_qsbr_check(retire_readers, retired->token, false) == 1) {
		queue = retired->next;
		if (!queue)
			queue_end = &queue;
	} else {
		retired = NULL;
	}
	machine_unlock(&queue_lock);
	return retired;
}

void retire_reclaim(void)
{
	struct retired *retired;

	if (!__atomic_load_n(&queue, __ATOMIC_RELAXED))
		return;
	machine_vector_begin();
	machine_lock(&net.lock);
	while ((retired = take_due())) {
		retired->release(retired->memory);
		machine_free(retired);
	}
	machine_unlock(&net.lock);
	machine_vector_end();
}

void net_quiesce(void)
{
	uint64_t token;

	machine_vector_begin();
	token = rte_rcu_qsbr_start(retire_readers);
	/* Not rte_rcu_qsbr_synchronize: a poll may be waiting for this core to flush its TLB. */
	while (rte_rcu_qsbr_check(retire_readers, token, false) == 0)
		machine_pause();
	machine_vector_end();
}
