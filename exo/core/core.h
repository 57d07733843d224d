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
struct call;

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

/* Something is there for `core` to look at, even while it runs an environment: a ring's bell rang,
 * somebody may be able to run. Lock-free. */
void core_look_soon(unsigned core);

/* The pages at EXO_INFO_ADDR (exo/info.h), made once at start, written by the kernel, mapped
 * read-only into every space: struct exo_info, then the tables that it names on pages of their own:
 * ports and slots, then the free map, which is the ledger's. Where that is longer than the area,
 * frame_end says how far it goes. */
extern struct exo_info *core_info;
struct exo_slot_info *core_info_slots(void);
/* After ledger_init. */
void info_init(void);
/* Maps them into a new space. 0 or -EXO_ENOMEM. */
int info_map(struct machine_space *space);
/* Refreshes what is not kept up to date as it happens; on one core, some ten times a second. */
void info_update(void);

/*
 * Starts init, the one environment that the kernel makes by itself, out of the payload's member
 * "init": with all of memory as its limit, its image and its start page (exo/start.h), keys to
 * everything and the first slot of core 0. Its PE has no entries yet and no stack: its first
 * instructions bring their own. NULL, or what is wrong. No other core runs yet: no lock is taken.
 */
const char *init_start(const char *command_line);

/* Ends the environment of `pe`, whose space runs on this core, by a fault that no handler of its
 * takes: with a console line that names environment, exception, address and instruction, with
 * registers and the addresses that frame pointers lead to. All that is kept as its record. */
void fault_end(struct pe *pe, const struct machine_trap *trap);
int64_t fault_call_record(struct call *call);

/* ---- Calls. A handler finds what its row (call.c) says checked; it checks all that is left, then
 * changes state. ---- */

/* Handles the call that `pe` trapped with and leaves the result in its registers. Whether the PE
 * goes on running: not after WAIT, YIELD and EXIT. */
bool call_dispatch(struct pe *pe);

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
