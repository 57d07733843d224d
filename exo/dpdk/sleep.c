/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Letting a core stop polling: its receive queues are armed to interrupt it, once. The first
 * interrupt disarms them again, so that a core under load is interrupted once per round of polling
 * and not once per frame.
 *
 * A frame that came between the last poll and the arming signals nothing, and not every driver can
 * tell how many frames wait (virtio can't). So a core that was just armed is sent to poll once
 * more, until a poll is in vain.
 */
#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "../core/machine.h"
#include "../x86_64/x86.h"
#include "dpdk.h"
#include "msix.h"
#include "ports.h"
#include "thread.h"

enum { POLL_US = 200 }; /* how long a core may stay away from a queue that can't interrupt */

/* By core; written by that core only, but where a port starts anew. */
static struct sleeper {
	bool armed;    /* atomic */
	bool may_halt; /* every queue can interrupt */
} __attribute__((aligned(64))) sleepers[X86_CORES_MAX];

static void disarm(unsigned core)
{
	__atomic_store_n(&sleepers[core].armed, false, __ATOMIC_RELAXED);
	machine_vector_begin();
	for (uint16_t port = 0; port < dpdk_ports_end(); port++) {
		const struct dpdk_port *p = dpdk_port(port);

		if (p != NULL && p->rx_interrupts && core < p->queues)
			rte_eth_dev_rx_intr_disable(port, (uint16_t)core);
		if (p != NULL && p->rx_interrupts && core == 0 && p->spare)
			rte_eth_dev_rx_intr_disable(port, p->queues);
	}
	machine_vector_end();
}

static bool arm_port(uint16_t port, unsigned core)
{
	const struct dpdk_port *p = dpdk_port(port);

	if (p == NULL || core >= p->queues)
		return true; /* nothing comes from it to this core */
	if (core == 0 && p->spare && rte_eth_dev_rx_intr_enable(port, p->queues) != 0)
		return false;
	return p->rx_interrupts && rte_eth_dev_rx_intr_enable(port, (uint16_t)core) == 0;
}

static void arm(unsigned core)
{
	struct sleeper *sleeper = &sleepers[core];

	dpdk_msix_received = disarm;
	sleeper->may_halt = true;
	/* Before ports are looked at: one that starts meanwhile takes it back (machine_port_merge).
	 */
	(void)__atomic_exchange_n(&sleeper->armed, true, __ATOMIC_SEQ_CST);
	machine_vector_begin();
	for (uint16_t port = 0; port < dpdk_ports_end(); port++)
		sleeper->may_halt &= arm_port(port, core);
	machine_vector_end();
}

uint64_t dpdk_sleep(unsigned core, uint64_t deadline)
{
	if (!__atomic_load_n(&sleepers[core].armed, __ATOMIC_RELAXED)) {
		arm(core);
		return 0;
	}
	if (!sleepers[core].may_halt)
		deadline = RTE_MIN(deadline, dpdk_after_us(POLL_US));
	return core == 0 ? RTE_MIN(deadline, dpdk_threads_due()) : deadline;
}

/* Queues that were armed are others now: every core arms them again before it halts. */
int machine_port_merge(unsigned port)
{
	int error = dpdk_port_merge((uint16_t)port);

	for (unsigned core = 0; core < machine_cores(); core++) {
		(void)__atomic_exchange_n(&sleepers[core].armed, false, __ATOMIC_SEQ_CST);
		if (core != machine_core())
			machine_nudge(core);
	}
	return error ? -EXO_ENOSYS : 0;
}
