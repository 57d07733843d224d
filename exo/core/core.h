/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The core's own centre: its lock, its cores' loops, and the dispatch of kernel calls.
 *
 * Locks, in the order in which they may be taken: the packet path's own (inside bind.c and its
 * like), the core lock (capabilities, ledger, environments), a space's lock and a frame's
 * (space.h), a core's scheduling lock, the console's. None is held across machine_run, none is
 * waited for inside net_poll. NULL, WAIT, TIMER, YIELD and DOORBELL take no lock but their own
 * core's; MAP, UNMAP, MAP_PAGE and UNMAP_PAGE of the caller's own space none but its own, and its
 * frames'.
 */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include <stdbool.h>

#include <exo/call.h>

#include "machine.h"

struct env;
struct pe;

/* Status with which an emulator is left. */
enum core_exit {
	CORE_EXIT_NO_INIT = 120,
	CORE_EXIT_INIT_FAULTED = 121,
};

/* Everything that core_main does before cores run: for tests on the host. */
void core_start(const char *command_line);

/* init has ended, and with it what this machine was for: says so and powers off. */
void core_init_ended(enum exo_env_state state, int32_t status) __attribute__((noreturn));

void core_lock(void);
bool core_trylock(void);
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
	void *block; /* the kernel's copy of what arg[0] points to, where the table says so */
	bool leave;  /* written by the handler: the PE gives the processor up */
};

/* A handler's result where it has set the PE's registers itself. */
#define CALL_NO_RESULT INT64_MIN

/* The one way to an environment's memory: 0 or -EXO_EFAULT. */
int call_copy_in(void *to, uint64_t from, size_t size);
int call_copy_out(uint64_t to, const void *from, size_t size);
/* Who will own what a call makes: the caller (id 0), or an environment that it created. 0,
 * -EXO_ENOENT, -EXO_EPERM. Core lock held. */
int call_owner(const struct call *call, uint32_t id, struct env **owner);

#endif
