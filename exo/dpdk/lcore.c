/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EAL's view of cores: lcore n is core n of the machine, all on one NUMA node. The kernel has its
 * own loop on each of them, so EAL never launches functions there.
 */
#include <errno.h>
#include <pthread.h>

#include <rte_lcore.h>

#include "../core/machine.h"
#include "dpdk.h"
#include "eal_private.h"
#include "eal_thread.h"

/* Private, but not in a header. */
unsigned eal_cpu_socket_id(unsigned core);

struct lcore_config lcore_config[RTE_MAX_LCORE];

int eal_cpu_detected(unsigned core)
{
	return core < machine_cores();
}

unsigned eal_cpu_core_id(unsigned core)
{
	return core;
}

unsigned eal_cpu_socket_id(unsigned core)
{
	return 0;
}

void dpdk_thread_init(unsigned core)
{
	__rte_thread_init(core, &lcore_config[core].cpuset);
}

int rte_sys_gettid(void)
{
	return (int)machine_core() + 1;
}

/* ---- Only called by loops that we do not run ---- */

void eal_thread_wait_command(void)
{
	machine_panic("EAL waits for a command on core %u", machine_core());
}

void eal_thread_ack_command(void)
{
}
