/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The core's own centre: its lock, its cores' loops, and the dispatch of kernel calls.
 *
 * Locks, in the order in which they may be taken: the packet path's own (inside bind.c and its
 * like), the core lock (capabilities, ledger, environments, address spaces), a core's scheduling
 * lock, the console's. None is held across machine_run, none is taken inside net_poll. NULL, WAIT,
 * TIMER, YIELD and DOORBELL take no lock but their own core's.
 */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include <stdbool.h>

#include <exo/call.h>

#include "machine.h"

struct env;
struct pe;

void core_lock(void);
void core_unlock(void);

/* Another core's packets, or this one's doorbell: asks `core` for a poll soon, even while it runs
 * an environment. Lock-free. */
void core_poll_soon(unsigned core);

/* The pages at EXO_INFO_ADDR, written by the kernel; tables at the offsets that they name. */
extern struct exo_info *core_info;
struct exo_port_info *core_info_ports(void);
struct exo_slot_info *core_info_slots(void);

/* ---- Calls ---- */

/* A kernel call being handled. The caller's space runs on this core. */
struct call {
	struct env *env;
	struct pe *pe;
	uint64_t arg[6];
};

/* Handles the call that `pe` trapped with and leaves the result in its registers. Returns whether
 * the PE goes on running: not after WAIT, YIELD, EXIT and the like. */
bool call_dispatch(struct pe *pe);

/* The one way to an environment's memory: 0 or -EXO_EFAULT. */
int call_copy_in(void *to, uint64_t from, size_t size);
int call_copy_out(uint64_t to, const void *from, size_t size);

#endif
