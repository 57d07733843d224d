/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A flow as a rule of a NIC (rte_flow): what belongs to it comes by a queue of its own. The same on
 * the bare machine and on Linux.
 */
#ifndef DPDK_STEER_H
#define DPDK_STEER_H

#include <stdbool.h>
#include <stdint.h>

#include <flt/flow.h>

struct rte_flow;

/* Whether the port's driver knows rules at all, and the queue as their aim. */
bool dpdk_steer_possible(uint16_t port, uint16_t queue);

/*
 * Has the port bring what the conjunction holds of, and nothing else, by that receive queue. What
 * no header field of a rule says is refused, as is what the driver does not validate. `loose`: what
 * has a VLAN tag before the same headers may come, too, for drivers that can't tell it apart. → 0,
 * 1: it is so, or -ENOTSUP.
 */
int dpdk_steer(uint16_t port, uint16_t queue, const struct flt_conjunction *flow, bool loose,
               struct rte_flow **rule);
void dpdk_steer_end(uint16_t port, struct rte_flow *rule);

#endif
