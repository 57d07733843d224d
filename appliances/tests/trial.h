/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trials of the kernel: a program that stands in init's place, has therefore every authority, and
 * makes children out of its own image to try the kernel's mechanisms against each other. Each trial
 * prints one line, `ok NAME` or `FAIL NAME: why`.
 */
#ifndef TESTS_TRIAL_H
#define TESTS_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#include <libexo/child.h>

/* Ends the running trial where something is not as it should be. */
#define TRIAL(condition, ...)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			trial_fail(__LINE__, #condition);                                          \
			return;                                                                    \
		}                                                                                  \
	} while (0)
void trial_fail(int line, const char *what);

/* A child that plays `role` (trial.c) on `core`, with `slots` of its vector and `frames` to own; it
 * runs already. What it was granted beside console and frames: a key to call `peer`, if not 0. */
bool trial_child(struct exo_child *child, const char *role, unsigned core, unsigned slots,
                 uint64_t frames);
/* Likewise; `furnish` gives it more before it runs. false: it can't. */
typedef bool trial_furnish(struct exo_child *child);
bool trial_child_with(struct exo_child *child, const char *role, unsigned core, unsigned slots,
                      uint64_t frames, trial_furnish *furnish);
/* What the last child owned before it ran. */
extern uint64_t trial_child_frames;
/* Gives a child the next free `slots` of a core's vector. */
bool trial_slots(const struct exo_child *child, unsigned core, unsigned slots);
/* Waits until the child has ended, at most 20 s, and forgets it. → its exit status, or -1000 -
 * state. */
int trial_end(struct exo_child *child);
/* Frames that are free now. */
uint64_t trial_free_frames(void);

/* trial_transfer.c */
void trial_transfers(void), trial_transfer_cost(void), trial_servers_that_fail(void),
        trial_letters(void), trial_vectors(void), trial_forged_gates(void);
int role_serve(void), role_spin(void);

/* trial_faults.c */
void trial_exceptions(void), trial_fault_cost(void), trial_nested_fault(void);
int role_nested(void);

/* trial_race.c */
void trial_races(void);
int role_racer(void);

/* trial_revoke.c */
void trial_giving_in_time(void), trial_lying(void), trial_being_late(void), trial_refusing(void),
        trial_choosing(void), trial_saving(void);
int role_giver(void), role_liar(void), role_late(void), role_refuser(void), role_chooser(void),
        role_saver(void);

/* trial_function.c */
bool trial_function_there(void);
void trial_function_echo(void), trial_function_loser(void), trial_function_death(void);
int role_function(void), role_loser(void);

/* trial_units.c */
void trial_extents(void), trial_screens(void), trial_rings(void);
int role_keeper(void);

#endif
