/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extensions, between the files of this folder (exo/ext.h is what environments see).
 *
 *     main.c     the operations, and what the core calls
 *     owner.c    an environment's table of references; its end
 *     domain.c   extensions: made from an object, ended
 *     handler.c  functions bound to events
 *     packet.c   the run of a packet handler; its answers on their way out
 *     map.c      maps from the environment's side
 *     list.c     what there is
 *
 * One lock guards all lists; it is taken before the packet path's. Verifying and compiling happen
 * outside it, while a hold keeps the extension. What pollers see (struct net_handler of a binding)
 * is set and cleared under net.lock and freed after net_quiesce, as everything of the packet path.
 */
#ifndef EXT_H
#define EXT_H

#include <stdbool.h>

#include <exo/ext.h>
#include <flt/program.h>

#include "../core/core.h"
#include "../core/env.h"

/* An extension. */
struct ext_domain {
	struct ext_domain *next;
	struct env *env; /* its maker */
	char name[EXO_NAME_MAX];
	struct flt_object *object;
	uint64_t arena_first;
	uint32_t arena_count; /* pinned */
	uint32_t holds;       /* references, handlers, calls under way */
	size_t memory;        /* of its maps */
};

/* What an environment names. */
struct ext_owner {
	struct ext_owner *next;
	struct env *env;
	size_t memory; /* of the maps of what it made */
	uint32_t n_handlers;
	struct ext_domain *refs[EXO_EXT_REFS];
};

struct ext {
	struct machine_lock lock;
	struct ext_owner *owners;
	struct ext_domain *domains;
	struct ext_handler *handlers;
	uint64_t next_id;
};

extern struct ext ext;

/* Why something was refused, and where the caller wants to read it. */
struct ext_reason {
	struct flt_error why;
	uint64_t to;
	uint32_t size;
};

/* Notes a reason of our own; → error. */
int ext_refuse(struct ext_reason *reason, int error, const char *text);
/* Copies the reason out, as far as there is room. */
void ext_tell(const struct ext_reason *reason);
/* The error for a code of the engine's. */
int ext_error(int code);

/* ---- owner.c; under the lock ---- */

/* The environment's table; made where there is none and `make` is set. */
struct ext_owner *ext_owner(struct env *env, bool make);
/* The extension that a reference names, or NULL. */
struct ext_domain *ext_find(struct env *env, uint32_t ref);
/* Enters a domain (which it holds from then on). → the reference, or -EXO_E2BIG. */
int ext_enter(struct ext_owner *owner, struct ext_domain *domain);
int64_t ext_op_drop(struct call *call, uint64_t block);
void ext_env_end(struct env *env);

/* ---- domain.c ---- */

int64_t ext_op_create(struct call *call, uint64_t block);
/* Drops a hold; the last one ends the extension. Takes the lock itself. */
void ext_let_go(struct ext_domain *domain);

/* ---- handler.c ---- */

int64_t ext_op_handle(struct call *call, uint64_t block);
int64_t ext_op_release(struct call *call, uint64_t block);
/* Detaches an environment's handlers and frees them. */
void ext_handlers_end(struct env *env);

/* ---- map.c, list.c ---- */

int64_t ext_op_map(struct call *call, uint64_t block);
int64_t ext_op_list(struct call *call, uint64_t block);

#endif
