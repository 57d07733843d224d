/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Environments and their processing environments (PEs): exo/pe.h from the kernel's side.
 *
 * Life: env_create → NEW; PEs are set up and memory is mapped; env_start → RUNNING; then EXITED,
 * FAULTED or KILLED. env_stop only marks the end and keeps every core from entering again; the last
 * core that has left reaps: rings, bindings and flows (net_env_end), mappings, frames, slots, PEs,
 * address space. An environment that faulted and is to be held keeps memory and space until its
 * creator's ENV_END, and nothing else. What remains is the id, the status and the last account, for
 * whoever created it; the oldest of these are forgotten when there are more than ENV_GHOSTS_MAX.
 *
 * Locks: struct env changes under the core lock (core.h), except what is marked otherwise. A
 * pointer found by env_find holds as long as the lock does. The packet path may keep pointers to
 * the environments of its objects: net_env_end is called before they go.
 */
#ifndef CORE_ENV_H
#define CORE_ENV_H

#include <stdbool.h>

#include <exo/call.h>
#include <exo/pe.h>

#include "ledger.h"
#include "machine.h"

enum {
	ENV_INIT = 1,         /* init's id: the first that is given out */
	ENV_MAX = 4096,       /* environments that live at a time */
	ENV_GHOSTS_MAX = 256, /* ended ones whose status is kept */
	PE_LETTERS = 4,       /* SENDs that wait for a PE */
};

struct env;
struct env_events;
struct call;

/* One core's entry into an environment. */
struct pe {
	struct env *env;
	uint32_t core;
	uint32_t overruns; /* slot ends in a row at which it did not yield in time */

	/* Used on its core only, once the environment runs. */
	struct machine_pe machine;
	uint64_t page_frame;    /* of machine.page; pinned while set */
	uint64_t timer;         /* TSC; UINT64_MAX: off */
	uint64_t wait_deadline; /* in WAIT; UINT64_MAX: none */
	uint64_t debt;          /* TSC ticks to be deducted from its next slots */
	uint64_t slots;         /* atomic: bit i: slot i of its core is its own */
	uint16_t selectors[2];  /* cs and ss of ring 3 */
	bool cut;               /* lost the processor to an interrupt: SLOT_BEGIN tells it */
	bool started;
	uint64_t blocked; /* atomic: by which extension; 0: by none, it may run */

	struct machine_lock inbox_lock; /* of last rank */
	uint32_t n_inbox;
	struct pe_letter {
		uint32_t from;
		uint64_t args[4];
	} inbox[PE_LETTERS];

	struct pe *next_on_core; /* under the core's scheduling lock */
	struct pe *next_of_env;
};

static inline struct pe *pe_of(struct machine_pe *machine)
{
	return (struct pe *)((char *)machine - offsetof(struct pe, machine));
}

struct env {
	uint32_t cores; /* atomic: cores that have it, or a PE that it waits for, current. First:
	                   gates find the environment by it */
	uint32_t id;
	uint32_t parent; /* who created it; passes to the parent's parent when that ends */
	char name[EXO_NAME_MAX];
	uint32_t state; /* atomic: enum exo_env_state */
	uint32_t epoch; /* of keys to it */
	bool hold;      /* keeps its memory after a fatal fault */
	bool held;      /* it does so */
	bool reaped;    /* everything is back in the ledger */
	int32_t status; /* struct exo_env_status */
	uint64_t address, ip;

	struct exo_env_record *record; /* of a fatal fault, also of a ghost; NULL: none */
	struct exo_account *account;   /* the kernel's alias of the page that the environment reads;
	                                  counters are written by whoever counts; a ghost's copy */
	uint64_t account_frame;
	uint64_t mappings_max;

	/* Under the space's lock. */
	struct machine_lock space_lock;
	struct machine_space *space;
	struct mapping *mappings, **mappings_end; /* space.h; oldest first */
	struct mapping *nodes;                    /* unused ones, by next_of_frame */

	struct frame_list frames;
	struct pe *pes;

	/* What is being taken from it, beside what its account says, and how it wants it
	 * (revoke.h). */
	struct {
		uint64_t count, target; /* units named; frames that it may keep */
		uint64_t until;         /* TSC: saving is given up */
		bool by_net, under_way; /* of the packet path; being taken */
		bool authority;         /* by one over names, not by a key to the units */
		bool waiting;           /* for the disk */
	} taken;
	uint64_t report_after; /* atomic: TSC before which no frame that it was refused is told */
	struct env_events *events; /* atomic; exo/ext's, of whom handles them; NULL: nobody */
	struct flt_program *chooser;
	struct seeded {
		uint64_t sector, left;
	} seeded[EXO_SEED_EXTENTS];

	struct env *next_in_table, *next_ghost, *next_taken;
};

/* Begins with no environments. */
void env_init(void);

/* ---- Finding and telling ---- */

/* The environment with an id, ghosts included, or NULL. Core lock held. */
struct env *env_find(uint32_t id);
/* Likewise, only if it can still act (NEW or RUNNING). */
struct env *env_find_live(uint32_t id);
/* The first environment with an id above `id`: for walks. */
struct env *env_next(uint32_t id);
/* Its PE on a core, or NULL. */
struct pe *env_pe(const struct env *env, uint32_t core);

/*
 * Raises events: sets them on a PE and wakes it. Lock-free, any core, also from inside a poll. With
 * env_post the PE on `core` gets them, or the first one where the environment has none there.
 */
void pe_post(struct pe *pe, uint32_t events);
void env_post(struct env *env, uint32_t core, uint32_t events);

/* EXO_EVENT_CHILD for who created it. */
void env_tell_parent(const struct env *env);

/* ---- Life ---- */

/* An empty environment; the limit moves from the parent's account (NULL: from nobody's). 0,
 * -EXO_ENOMEM, -EXO_EINVAL (the name). */
int env_create(struct env *parent, const char name[EXO_NAME_MAX], uint64_t frames_max,
               struct env **env);
/* Sets a PE up; checks everything in `setup` (untrusted copy). 0, -EXO_EINVAL, -EXO_EPERM (the
 * page's frame is not the environment's), -EXO_EBUSY (it runs on another core, or waits with its
 * state in the page), -EXO_ENOMEM. */
int env_pe_set(struct env *env, const struct exo_pe_setup *setup);
/* Starts all PEs. 0 or -EXO_EINVAL (no PE, or not NEW). */
int env_start(struct env *env);
/* Ends it: from here on it enters ring 3 no more. Takes the core lock itself. `state`: EXITED,
 * FAULTED or KILLED. Harmless where it has ended already. */
void env_stop(struct env *env, enum exo_env_state state, int32_t status, uint64_t address,
              uint64_t ip);
/* Ends a child of `parent` that nobody has started or handles events of. 0, -EXO_ENOENT (no such
 * child), -EXO_EBUSY. Takes the core lock itself. */
int env_end_fresh(uint32_t parent, uint32_t id);
/* A core is about to have `env` current: false if it has ended (then it must not). Lock-free. */
bool env_enter(struct env *env);
/* A core has it current no more; reaps if it was the last one of an ended environment. Core lock
 * not held. */
void env_leave(struct env *env);

/* The environment that a call's argument means: 0 the caller, else a key with CONTROL. Core lock
 * held. 0 and *env; -EXO_ENOENT where it has ended, or as cap_fetch. */
int env_fetch(struct call *call, uint64_t key, struct env **env);

/* PEs (pe.c): lets one run from its start address; removes one, which no core has current, from its
 * core and environment; closes all gates to an environment, whose key's epoch has ended; begins
 * with none. */
void pe_start(struct pe *pe);
void pe_destroy(struct pe *pe);
void pe_rename(const struct env *env);
void pe_init(void);

int64_t pe_call_set(struct call *call);
int64_t env_call_create(struct call *call);
int64_t env_call_start(struct call *call);
int64_t env_call_end(struct call *call);
int64_t env_call_status(struct call *call);

#endif
