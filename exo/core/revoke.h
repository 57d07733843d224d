/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Visible revocation (Engler et al., SOSP 1995, section 3.5; ABI: struct exo_repossess).
 *
 * A repossession lies in the account of the environment that it concerns, one at a time. The
 * environment is told, gives back by ordinary calls, and is looked at every slot; once nothing is
 * left to be given, or at the deadline, it is settled. What is left then is taken (the abort
 * protocol): the bindings on it are broken, each unit is a loss in the account, a frame's content
 * goes to the seeded extents first. Frames of the environment's choice are those that its seeded
 * program names, then those that nothing pins, the latest first. An environment that seeded a
 * program and has no REVOKE entry is not asked but taken from at once.
 *
 * A ring that a binding delivers to can't be taken without the binding. A frame that a device or
 * the kernel still uses drains.
 */
#ifndef CORE_REVOKE_H
#define CORE_REVOKE_H

#include "env.h"

/* Begins with none. */
void revoke_init(void);
/* Settles what is due. Cheap where nothing is; core lock not held. */
void revoke_tick(uint64_t now);
/* When it next wants to be called; UINT64_MAX: not at all. */
uint64_t revoke_next(void);
/* The environment has ended: nothing is taken from it any more. Core lock held. */
void revoke_env_end(struct env *env);

int64_t revoke_call_repossess(struct call *call);
int64_t revoke_call_seed(struct call *call);

#endif
