/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where exo/ext hangs into the core. An image without extensions leaves the pointer NULL, and each
 * place costs one branch that is always predicted.
 */
#ifndef CORE_HOOKS_H
#define CORE_HOOKS_H

#include <exo/ext.h>

#include "env.h"

struct core_hooks {
	/* EXO_CALL_EXT. */
	int64_t (*call)(struct call *call);
	/* The environment has ended and has no bindings any more; no lock is held. */
	void (*env_end)(struct env *env);
	/* Runs the handlers of an environment's event. → what they decided: 0: nothing; 1: done
	   (EXO_HANDLER_DONE); of EXO_EXT_RECLAIM: the frame that goes instead. */
	uint64_t (*raise)(struct env *env, uint32_t event, uint64_t a, uint64_t b, uint64_t c);
	/* Between two slots of a core: what environments want done while they have none. */
	void (*keep)(unsigned core);
};

/* Set once, before any environment runs. */
extern const struct core_hooks *core_hooks;

/* Something happens to an environment (enum exo_ext_event). Any context: handlers take no lock. */
static inline uint64_t core_raise(struct env *env, uint32_t event, uint64_t a, uint64_t b,
                                  uint64_t c)
{
	return __builtin_expect(env->events != NULL, 0) ? core_hooks->raise(env, event, a, b, c)
	                                                : 0;
}

#endif
