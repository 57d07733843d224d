/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where exo/ext hangs into the core. An image without extensions leaves the pointer NULL, and each
 * place costs one branch that is always predicted.
 */
#ifndef CORE_HOOKS_H
#define CORE_HOOKS_H

#include <stdint.h>

struct call;
struct env;

struct core_hooks {
	/* EXO_CALL_EXT. */
	int64_t (*call)(struct call *call);
	/* The environment has ended and has no bindings any more; no lock is held. */
	void (*env_end)(struct env *env);
};

/* Set once, before any environment runs. */
extern const struct core_hooks *core_hooks;

#endif
